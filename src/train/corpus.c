/* corpus.c - lines to samples. */
#include "train/corpus.h"

#include "base/buf.h"
#include "io/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT ((size_t)1 << 24)

struct tl_corpus {
    char *path;            /* owned */
    FILE *file;            /* owned */
    const tl_tokenizer *t; /* borrowed */
    int max_tokens;
    float text_weight;
    char *line; /* owned: getline's */
    size_t line_size;
    long number, cut;
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
    c->file = fopen(path, "r");
    if (!c->file) {
        int rc = tl_fail(err, TL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
        tl_corpus_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void tl_corpus_close(tl_corpus *c)
{
    if (!c) return;
    if (c->file) fclose(c->file);
    free(c->path);
    free(c->line);
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
            return tl_fail(err, TL_EDATA, "%s:%ld: span %zu is not [text, 0 or 1]", c->path, c->number, i + 1);
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
    tl_buf text = tl_buf_make(LINE_LIMIT);
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
        return tl_fail(err, TL_ENOMEM, "%s:%ld: no memory for %d tokens", c->path, c->number, n);
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
        return tl_fail(err, TL_EDATA, "%s:%ld: a document has either text or spans", c->path, c->number);
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
    errno = 0;
    ssize_t n = getline(&c->line, &c->line_size, c->file);
    *more = n >= 0;
    if (n < 0) return ferror(c->file) ? tl_fail(err, TL_EIO, "%s: cannot be read: %s", c->path, strerror(errno)) : 0;
    c->number++;
    json_error_t bad;
    json_t *o = tl_json_parse(c->line, (size_t)n, &bad);
    if (!o) return tl_fail(err, TL_EDATA, "%s:%ld: not a JSON object: %s", c->path, c->number, bad.text);
    tl_ids ids = { 0 }, trained = { 0 };
    int rc = parse(c, o, &ids, &trained, out, err);
    tl_ids_reset(&ids);
    tl_ids_reset(&trained);
    json_decref(o);
    return rc;
}

long tl_corpus_tell(const tl_corpus *c)
{
    return ftell(c->file);
}

int tl_corpus_seek(tl_corpus *c, long place, tl_err *err)
{
    /* Read up to it, so that messages go on with the right line. */
    char block[1 << 14];
    long left = place, lines = 0;
    rewind(c->file);
    while (left > 0) {
        size_t n = fread(block, 1, left < (long)sizeof block ? (size_t)left : sizeof block, c->file);
        if (n == 0) break;
        for (size_t i = 0; i < n; i++) lines += block[i] == '\n';
        left -= (long)n;
    }
    if (left != 0) return tl_fail(err, TL_EIO, "%s: cannot go on from byte %ld, it ends before", c->path, place);
    c->number = lines;
    return 0;
}

long tl_corpus_cut(const tl_corpus *c)
{
    return c->cut;
}
