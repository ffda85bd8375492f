/* forgetting.c - documents read once, scored as often as there are models. */
#include "eval/forgetting.h"

#include "base/interrupt.h"
#include "io/atomic.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_LIMIT = 1 << 28
};

/* One line of the file as a document. */
static int read_line(tl_general *g, const tl_tokenizer *t, const char *line, size_t size, int number, tl_err *err)
{
    char where[4200];
    json_error_t bad;
    const char *text;
    snprintf(where, sizeof where, "%s:%d", g->path, number);
    json_t *o = tl_json_parse(line, size, &bad);
    if (!o) return tl_fail(err, TL_EDATA, "%s: not a JSON object: %s", where, bad.text);
    int rc = tl_json_string(o, where, "text", &text, err);
    tl_ids *ids = &g->texts[g->n];
    if (rc == 0) rc = tl_tokenizer_encode(t, text, strlen(text), TL_ENCODE_SPECIAL | TL_ENCODE_AS_TEXT, ids, err);
    if (rc == 0 && ids->size < 2)
        rc = tl_fail(err, TL_EDATA, "%s: %zu tokens, at least 2 are wanted", where, ids->size);
    g->n++; /* what is in ids is freed with the rest */
    json_decref(o);
    return rc;
}

static int read_all(tl_general *g, const tl_tokenizer *t, const tl_buf *b, tl_err *err)
{
    size_t lines = 1;
    for (size_t i = 0; i < b->size; i++) lines += b->data[i] == '\n';
    g->texts = calloc(lines, sizeof *g->texts);
    if (!g->texts) return tl_fail(err, TL_ENOMEM, "%s: no memory for %zu documents", g->path, lines);
    int number = 0;
    for (size_t at = 0; at < b->size;) {
        const char *end = memchr(b->data + at, '\n', b->size - at);
        size_t n = end ? (size_t)(end - (b->data + at)) : b->size - at;
        number++;
        if (n > 0) TL_TRY(read_line(g, t, b->data + at, n, number, err));
        at += n + 1;
    }
    return g->n > 0 ? 0 : tl_fail(err, TL_EDATA, "%s: no document in it", g->path);
}

int tl_general_open(tl_general **out, const char *path, const tl_tokenizer *t, tl_err *err)
{
    tl_general *g = calloc(1, sizeof *g);
    tl_buf b = tl_buf_make(FILE_LIMIT);
    int rc = g && (g->path = strdup(path)) ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory for it", path);
    if (rc == 0) rc = tl_file_read(path, FILE_LIMIT, &b, err);
    if (rc == 0) g->hash = tl_hash_bytes(b.data, b.size);
    if (rc == 0) rc = read_all(g, t, &b, err);
    tl_buf_reset(&b);
    if (rc < 0) {
        tl_general_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void tl_general_free(tl_general *g)
{
    if (!g) return;
    for (int i = 0; i < g->n; i++) tl_ids_reset(&g->texts[i]);
    free(g->texts);
    free(g->path);
    free(g);
}

int tl_general_tokens(const tl_general *g, int i)
{
    return (int)g->texts[i].size - 1;
}

int tl_general_loss(double *out, const tl_general *g, tl_engine *e, tl_adapter *adapter, tl_err *err)
{
    for (int i = 0; i < g->n; i++) {
        double sum;
        size_t count;
        TL_TRY(tl_interrupt_check("general text", err));
        TL_TRY(tl_engine_text_loss(e, g->texts[i].data, g->texts[i].size, adapter, &sum, &count, err));
        out[i] = -sum; /* the engine gives log p */
    }
    return 0;
}

double tl_general_mean(const tl_general *g, const double *loss)
{
    double sum = 0, tokens = 0;
    for (int i = 0; i < g->n; i++) {
        sum += loss[i];
        tokens += tl_general_tokens(g, i);
    }
    return sum / tokens;
}

typedef struct change {
    const tl_general *g;
    const double *before, *after;
} change;

static int mean_change(double *out, const int *items, int n, void *context, tl_err *err)
{
    const change *c = context;
    double sum = 0, tokens = 0;
    (void)err;
    for (int i = 0; i < n; i++) {
        sum += c->after[items[i]] - c->before[items[i]];
        tokens += tl_general_tokens(c->g, items[i]);
    }
    *out = sum / tokens;
    return 0;
}

int tl_forgetting(tl_interval *out, const tl_general *g, const double *before, const double *after, uint64_t seed,
                  tl_err *err)
{
    change c = { g, before, after };
    tl_bootstrap how = tl_bootstrap_defaults(seed);
    return tl_interval_statistic(out, mean_change, &c, g->n, &how, err);
}
