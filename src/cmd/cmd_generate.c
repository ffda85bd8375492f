/* cmd_generate.c - one prompt, one answer: written out as it is drawn, or as JSON when it is whole. */
#include "base/interrupt.h"
#include "base/log.h"
#include "cmd/open.h"
#include "io/json.h"
#include "text/utf8_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tl_open_flags flags = { .model = "models/tailor-base", .precision = "f32" };

static struct {
    const char *prompt, *tokens;
    int max_tokens, top_k;
    double temperature, top_p;
    long seed;
    bool json, ignore_eos;
} o = { .max_tokens = 128, .top_p = 1 };

static const tl_option rows[] = {
    TL_OPEN_ROWS(flags),
    { "prompt", 's', &o.prompt, "TEXT", "what to go on from; empty: the beginning of a text" },
    { "tokens", 's', &o.tokens, "IDS", "the same as ids with commas; nothing is added to them" },
    { "max-tokens", 'i', &o.max_tokens, "N", "the longest answer" },
    { "temperature", 'd', &o.temperature, "T", "0: always the likeliest token" },
    { "top-k", 'i', &o.top_k, "K", "above temperature 0: draw from the K likeliest; 0: from all" },
    { "top-p", 'd', &o.top_p, "P", "above temperature 0: draw from the likeliest that have P of the mass" },
    { "seed", 'l', &o.seed, "N", "of the draws" },
    { "ignore-eos", 'b', &o.ignore_eos, NULL, "go on where the model ends its answer" },
    { "json", 'b', &o.json, NULL, "write {\"text\":..., \"ids\":[...], \"finish\":...}" },
    { 0 },
};

enum {
    TEXT_LIMIT = 1 << 28
};

/* What the tokens are handed to as they are drawn. */
typedef struct writer {
    const tl_tokenizer *tokenizer; /* borrowed; NULL: ids are written in place of text */
    tl_decode_state decoding;
    tl_utf8_stream stream;
    tl_buf bytes, text; /* of one token; whole characters, with --json of the answer so far */
    int n;
    tl_err *err;
    int rc;
} writer;

static int write_token(writer *w, int id, tl_err *err)
{
    if (w->tokenizer) {
        size_t size;
        tl_buf_clear(&w->bytes);
        if (tl_tokenizer_piece(w->tokenizer, id, &size))
            TL_TRY(tl_tokenizer_decode_next(w->tokenizer, &w->decoding, id, true, &w->bytes, err));
        else /* a row that only fills up the table: a byte that begins no character, so that it shows */
            TL_TRY(tl_buf_puts(&w->bytes, "\xff", err));
        TL_TRY(tl_utf8_push(&w->stream, w->bytes.data, w->bytes.size, &w->text, err));
    } else if (!o.json) {
        TL_TRY(tl_buf_printf(&w->text, err, "%s%d", w->n ? "," : "", id));
    }
    w->n++;
    return tl_interrupt_check("generate", err);
}

/* What there is to standard output; main says so where that fails. */
static bool flush_text(writer *w)
{
    if (o.json) return true;
    if (w->text.size) fwrite(w->text.data, 1, w->text.size, stdout);
    tl_buf_clear(&w->text);
    return fflush(stdout) == 0;
}

static bool on_token(void *context, int id)
{
    writer *w = context;
    w->rc = write_token(w, id, w->err);
    return w->rc == 0 && flush_text(w);
}

static int encode_prompt(tl_ids *ids, const tl_opened *m, tl_err *err)
{
    if (o.tokens) return tl_tokens_parse(ids, o.tokens, m->model->config.V, err);
    if (!m->tokenizer && o.prompt[0])
        return tl_fail(err, TL_EUSAGE,
                       "%s: no tokenizer is there (tokenizer.json, vocab.json and merges.txt, or tokenizer.model); "
                       "--tokens takes ids",
                       flags.model);
    if (m->tokenizer)
        TL_TRY(tl_tokenizer_encode(m->tokenizer, o.prompt, strlen(o.prompt), TL_ENCODE_SPECIAL, ids, err));
    if (ids->size >= 2 && m->bos >= 0 && tl_tokenizer_adds_bos(m->tokenizer) && ids->data[1] == m->bos)
        return tl_fail(err, TL_EUSAGE,
                       "--prompt begins with the token that is put in front of every text, and would "
                       "have it twice; leave it away, or give --tokens");
    if (ids->size > 0) return 0;
    if (m->bos < 0)
        return tl_fail(err, TL_EUSAGE, "%s: an empty prompt begins with the BOS, and this base has none", flags.model);
    return tl_ids_push(ids, m->bos, err);
}

static const char *finish_name(tl_finish f)
{
    switch (f) {
    case TL_FINISH_STOP:
        return "stop";
    case TL_FINISH_LENGTH:
        return "length";
    case TL_FINISH_CONTEXT:
        return "context";
    case TL_FINISH_CALLER:
        break;
    }
    return "caller";
}

static int write_json(const writer *w, const tl_generate_request *g, tl_err *err)
{
    json_t *ids = json_array(), *top = json_object();
    int rc = 0;
    for (size_t i = 0; i < g->ids.size; i++) rc |= json_array_append_new(ids, json_integer(g->ids.data[i]));
    json_t *text = w->tokenizer ? json_stringn(w->text.data ? w->text.data : "", w->text.size) : json_null();
    rc |= json_object_set_new(top, "text", text);
    rc |= json_object_set_new(top, "ids", ids);
    rc |= json_object_set_new(top, "finish", json_string(finish_name(g->finish)));
    char *line = rc == 0 ? tl_json_print(top, JSON_COMPACT) : NULL;
    rc = line ? 0 : tl_fail(err, TL_ENOMEM, "generate: no memory to write the answer");
    if (line) puts(line);
    free(line);
    json_decref(top);
    return rc;
}

static int generate(tl_opened *m, const tl_ids *prompt, tl_err *err)
{
    writer w = { .tokenizer = m->tokenizer,
                 .decoding = tl_decode_behind(),
                 .bytes = tl_buf_make(TEXT_LIMIT),
                 .text = tl_buf_make(TEXT_LIMIT),
                 .err = err };
    tl_generate_request g = tl_generate_defaults();
    g.prompt = prompt->data;
    g.n_prompt = (int)prompt->size;
    g.max_tokens = o.max_tokens;
    g.stop = m->stop;
    g.n_stop = o.ignore_eos ? 0 : m->n_stop;
    g.adapter = m->adapter;
    g.sampling = (tl_sampling){ o.temperature, o.top_k, o.top_p, (uint64_t)o.seed };
    g.on_token = on_token;
    g.context = &w;
    int rc = tl_engine_generate(m->engine, &g, 1, err);
    if (rc == 0) rc = w.rc;
    if (rc == 0) rc = tl_utf8_end(&w.stream, &w.text, err);
    if (rc == 0 && o.json) rc = write_json(&w, &g, err);
    if (!o.json && flush_text(&w) && (rc == 0 || w.n > 0)) putchar('\n');
    if (rc == 0 && g.finish == TL_FINISH_CONTEXT)
        tl_log("generate: stopped where the context of %d tokens is full", m->model->config.T);
    tl_ids_reset(&g.ids);
    tl_buf_reset(&w.bytes);
    tl_buf_reset(&w.text);
    return rc;
}

static int run_generate(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    tl_opened m = { 0 };
    tl_ids prompt = { 0 };
    TL_TRY(tl_options_parse(&tl_cmd_generate, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (!o.prompt == !o.tokens)
        return tl_fail(err, TL_EUSAGE, "tailor generate: %s of --prompt and --tokens given, one is wanted",
                       o.prompt ? "both" : "none");
    if (o.max_tokens < 1)
        return tl_fail(err, TL_EUSAGE, "tailor generate: --max-tokens is %d, wanted is at least 1", o.max_tokens);
    tl_sampling sampling = { o.temperature, o.top_k, o.top_p, (uint64_t)o.seed };
    if (tl_sampling_check(&sampling, err) < 0) return tl_fail_in(err, "tailor generate");
    int rc = tl_open(&m, &flags, err);
    if (rc == 0) rc = encode_prompt(&prompt, &m, err);
    if (rc == 0) rc = tl_opened_engine(&m, 1, prompt.size + (size_t)o.max_tokens, err);
    if (rc == 0) rc = generate(&m, &prompt, err);
    tl_ids_reset(&prompt);
    tl_close(&m);
    return rc;
}

const tl_command tl_cmd_generate = { "generate", "go on from a prompt",
                                     "--model DIR [--adapter DIR] (--prompt TEXT | --tokens IDS)", run_generate };
