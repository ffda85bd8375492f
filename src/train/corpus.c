/* corpus.c - lines to samples. */
#include "train/corpus.h"

#include "base/buf.h"
#include "io/json.h"
#include "io/lines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct tl_corpus {
    char *path;            /* owned */
    tl_lines *lines;       /* owned */
    const tl_tokenizer *t; /* borrowed */
    int max_tokens;
    float text_weight;
    long cut;
};

int tl_corpus_open(tl_corpus **out, const char *path, const tl_tokenizer *t, int max_tokens, float text_weight,
                   tl_err *err)
{
    tl_corpus *c = calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path))) {
        free(c);
        return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", path);
    }
    c->t = t;
    c->max_tokens = max_tokens;
    c->text_weight = text_weight;
    int rc = tl_lines_open(&c->lines, path, err);
    if (rc < 0) {
        tl_corpus_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void tl_corpus_close(tl_corpus *c)
{
    if (!c) return;
    tl_lines_close(c->lines);
    free(c->path);
    free(c);
}

/* Append the ids of text, all learnt or none. */
static int append(const tl_corpus *c, tl_ids *ids, tl_ids *trained, const char *text, size_t size, int learnt,
                  tl_err *err)
{
    TL_TRY(tl_tokenizer_encode(c->t, text, size, TL_ENCODE_AS_TEXT, ids, err));
    while (trained->size < ids->size) TL_TRY(tl_ids_push(trained, learnt, err));
    return 0;
}

static int append_spans(const tl_corpus *c, const json_t *spans, tl_buf *text, tl_ids *ids, tl_ids *trained,
                        tl_err *err)
{
    int kind = 0;
    for (size_t i = 0; i < json_array_size(spans); i++) {
        const json_t *span = json_array_get(spans, i), *s = json_array_get(span, 0), *w = json_array_get(span, 1);
        if (json_array_size(span) != 2 || !json_is_string(s) || !json_is_integer(w) ||
            (json_integer_value(w) != 0 && json_integer_value(w) != 1))
            return tl_fail(err, TL_EDATA, "%s:%ld: span %zu is not [text, 0 or 1]", c->path, tl_lines_number(c->lines),
                           i + 1);
        if ((int)json_integer_value(w) != kind) {
            TL_TRY(append(c, ids, trained, text->data ? text->data : "", text->size, kind, err));
            tl_buf_clear(text);
            kind = !kind;
        }
        TL_TRY(tl_buf_append(text, json_string_value(s), json_string_length(s), err));
    }
    return append(c, ids, trained, text->data ? text->data : "", text->size, kind, err);
}

static int encode_spans(const tl_corpus *c, const json_t *spans, tl_ids *ids, tl_ids *trained, tl_err *err)
{
    tl_buf text = tl_buf_make(TL_LINE_LIMIT);
    int rc = append_spans(c, spans, &text, ids, trained, err);
    tl_buf_reset(&text);
    return rc;
}

static int to_sample(tl_corpus *c, const tl_ids *ids, const tl_ids *trained, tl_sample *out, tl_err *err)
{
    int n = (int)ids->size;
    if (n > c->max_tokens) {
        n = c->max_tokens;
        c->cut++;
    }
    *out = (tl_sample){ .ids = malloc((size_t)n * sizeof(int)), .trained = malloc((size_t)n), .n = n };
    if (!out->ids || !out->trained) {
        tl_sample_reset(out);
        return tl_fail(err, TL_ENOMEM, "%s:%ld: no memory for %d tokens", c->path, tl_lines_number(c->lines), n);
    }
    if (n > 0) memcpy(out->ids, ids->data, (size_t)n * sizeof(int));
    for (int i = 0; i < n; i++) out->trained[i] = (uint8_t)trained->data[i];
    return 0;
}

static int parse(tl_corpus *c, const json_t *o, tl_ids *ids, tl_ids *trained, tl_sample *out, tl_err *err)
{
    int bos = tl_tokenizer_bos(c->t), eos = tl_tokenizer_eos(c->t);
    const json_t *all = json_object_get(o, "text"), *spans = json_object_get(o, "spans");
    if (!json_is_string(all) == !json_is_array(spans))
        return tl_fail(err, TL_EDATA, "%s:%ld: a document has either text or spans", c->path,
                       tl_lines_number(c->lines));
    if (bos >= 0) {
        TL_TRY(tl_ids_push(ids, bos, err));
        TL_TRY(tl_ids_push(trained, 0, err));
    }
    TL_TRY(all ? append(c, ids, trained, json_string_value(all), json_string_length(all), 1, err)
               : encode_spans(c, spans, ids, trained, err));
    if (eos >= 0) {
        TL_TRY(tl_ids_push(ids, eos, err));
        TL_TRY(tl_ids_push(trained, 1, err));
    }
    TL_TRY(to_sample(c, ids, trained, out, err));
    if (all) out->weight = c->text_weight;
    return 0;
}

int tl_corpus_next(tl_corpus *c, tl_sample *out, bool *more, tl_err *err)
{
    const char *line;
    size_t size;
    *more = false;
    TL_TRY(tl_lines_next(c->lines, &line, &size, err));
    if (!line) return 0;
    *more = true;
    json_error_t bad;
    json_t *o = tl_json_parse(line, size, &bad);
    if (!o)
        return tl_fail(err, TL_EDATA, "%s:%ld: not a JSON object: %s", c->path, tl_lines_number(c->lines), bad.text);
    tl_ids ids = { 0 }, trained = { 0 };
    int rc = parse(c, o, &ids, &trained, out, err);
    tl_ids_reset(&ids);
    tl_ids_reset(&trained);
    json_decref(o);
    return rc;
}

long tl_corpus_tell(const tl_corpus *c)
{
    return tl_lines_tell(c->lines);
}

int tl_corpus_seek(tl_corpus *c, long place, tl_err *err)
{
    return tl_lines_seek(c->lines, place, err);
}

long tl_corpus_cut(const tl_corpus *c)
{
    return c->cut;
}
