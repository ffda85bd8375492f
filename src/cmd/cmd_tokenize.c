/* cmd_tokenize.c - text from standard input to ids, ids to text, or a new vocabulary from a corpus. */
#include "cmd/open.h"
#include "cmd/options.h"
#include "io/json.h"
#include "io/lines.h"
#include "text/bpe_train.h"
#include "text/tokenizer.h"
#include "text/utf8_stream.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INPUT_LIMIT = 1 << 30
};

static struct {
    const char *model, *decode, *train, *output;
    int vocab_size;
    long documents;
    bool json, no_special, replace_invalid;
} o = { .model = "models/tailor-base", .vocab_size = 2048, .documents = 20000 };

static const tl_option rows[] = {
    { "model", 's', &o.model, "BASE", "whose tokenizer: a directory or a GGUF file" },
    { "json", 'b', &o.json, NULL, "write {\"ids\":[...]} instead of numbers in a line" },
    { "no-special", 'b', &o.no_special, NULL, "add no BOS" },
    { "replace-invalid", 'b', &o.replace_invalid, NULL, "what is not UTF-8 becomes U+FFFD instead of an error" },
    { "decode", 's', &o.decode, "IDS", "the other way: ids with commas to text" },
    { "train", 's', &o.train, "FILE", "learn a byte-level BPE from a corpus of JSON lines" },
    { "vocab-size", 'i', &o.vocab_size, "N", "with --train: tokens" },
    { "documents", 'l', &o.documents, "N", "with --train: lines spread evenly over the corpus" },
    { "output", 's', &o.output, "DIR", "with --train: where the tokenizer goes" },
    { 0 },
};

static int replace_invalid(tl_buf *text, tl_err *err)
{
    tl_utf8_stream u = { 0 };
    tl_buf clean = tl_buf_make(INPUT_LIMIT);
    int rc = tl_utf8_push(&u, text->data, text->size, &clean, err);
    if (rc == 0) rc = tl_utf8_end(&u, &clean, err);
    tl_buf_reset(text);
    *text = clean;
    return rc;
}

static int encode(const tl_tokenizer *t, tl_err *err)
{
    tl_buf text = tl_buf_make(INPUT_LIMIT);
    tl_ids ids = { 0 };
    char chunk[1 << 16];
    int rc = 0;
    for (size_t n; rc == 0 && (n = fread(chunk, 1, sizeof chunk, stdin)) > 0;) rc = tl_buf_append(&text, chunk, n, err);
    if (rc == 0 && ferror(stdin)) rc = tl_fail(err, TL_EIO, "standard input: cannot be read");
    if (rc == 0 && o.replace_invalid) rc = replace_invalid(&text, err);
    unsigned flags = o.no_special ? TL_ENCODE_PLAIN : TL_ENCODE_SPECIAL;
    if (rc == 0) rc = tl_tokenizer_encode(t, text.data ? text.data : "", text.size, flags, &ids, err);
    if (rc == 0) {
        printf(o.json ? "{\"ids\":[" : "");
        for (size_t i = 0; i < ids.size; i++) printf("%s%d", i ? (o.json ? "," : " ") : "", ids.data[i]);
        printf(o.json ? "]}\n" : "\n");
    }
    tl_buf_reset(&text);
    tl_ids_reset(&ids);
    return rc;
}

static int decode(const tl_tokenizer *t, tl_err *err)
{
    tl_ids ids = { 0 };
    tl_buf text = tl_buf_make(INPUT_LIMIT);
    int rc = tl_ids_parse(&ids, o.decode, err);
    if (rc == 0) rc = tl_tokenizer_decode(t, ids.data, ids.size, false, &text, err);
    if (rc == 0) fwrite(text.data, 1, text.size, stdout);
    tl_ids_reset(&ids);
    tl_buf_reset(&text);
    return rc;
}

/* The texts of one corpus line, whichever shape it has. */
static int count_line(tl_bpe_trainer *t, const char *line, size_t size, long number, tl_err *err)
{
    json_error_t bad;
    json_t *doc = tl_json_parse(line, size, &bad);
    if (!doc) return tl_fail(err, TL_EDATA, "%s:%ld: not a JSON object: %s", o.train, number, bad.text);
    const json_t *text = json_object_get(doc, "text"), *spans = json_object_get(doc, "spans");
    int rc = 0;
    if (json_is_string(text)) rc = tl_bpe_trainer_add(t, json_string_value(text), json_string_length(text), err);
    for (size_t i = 0; rc == 0 && i < json_array_size(spans); i++) {
        const json_t *s = json_array_get(json_array_get(spans, i), 0);
        if (json_is_string(s)) rc = tl_bpe_trainer_add(t, json_string_value(s), json_string_length(s), err);
    }
    json_decref(doc);
    return rc;
}

/* Read twice: first to know how many lines there are, then those that are spread evenly over them. */
static int count_lines(tl_bpe_trainer *t, tl_lines *l, tl_err *err)
{
    const char *line;
    size_t size;
    do TL_TRY(tl_lines_next(l, &line, &size, err));
    while (line);
    long lines = tl_lines_number(l), every = o.documents > 0 && lines > o.documents ? lines / o.documents : 1;
    TL_TRY(tl_lines_seek(l, 0, err));
    for (;;) {
        TL_TRY(tl_lines_next(l, &line, &size, err));
        if (!line) return 0;
        long number = tl_lines_number(l);
        if ((number - 1) % every == 0) TL_TRY(count_line(t, line, size, number, err));
    }
}

static int train(tl_err *err)
{
    if (!o.output) return tl_fail(err, TL_EUSAGE, "tailor tokenize: --train wants --output DIR");
    tl_lines *lines = NULL;
    tl_bpe_trainer *t = NULL;
    TL_TRY(tl_lines_open(&lines, o.train, err));
    int rc = tl_bpe_trainer_create(&t, NULL, 0, err);
    if (rc == 0) rc = count_lines(t, lines, err);
    if (rc == 0) rc = tl_bpe_trainer_save(t, o.vocab_size, o.output, err);
    tl_bpe_trainer_free(t);
    tl_lines_close(lines);
    return rc;
}

static int run_tokenize(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    TL_TRY(tl_options_parse(&tl_cmd_tokenize, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (o.train) return train(err);
    if (o.output) return tl_fail(err, TL_EUSAGE, "tailor tokenize: --output is read only with --train");
    tl_tokenizer *t = NULL;
    TL_TRY(tl_base_find(&o.model, err));
    TL_TRY(tl_tokenizer_open(&t, o.model, err));
    int rc = o.decode ? decode(t, err) : encode(t, err);
    tl_tokenizer_free(t);
    return rc;
}

const tl_command tl_cmd_tokenize = { "tokenize", "text to token ids, ids to text, or a new vocabulary",
                                     "[--model DIR] < TEXT", run_tokenize };
