/* cmd_logits.c - what the model thinks at every position of a sequence of ids: the numbers to hold against another
 * program's.
 *
 * The sequence is run in chunks against its own key/value pages, as the engine does it, and the head is taken a few
 * rows at a time; so a long sequence costs its cache, never [N, V]. */
#include "base/interrupt.h"
#include "cmd/open.h"
#include "model/forward.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 256,    /* rows through the layers at once */
    HEAD_CHUNK = 8, /* rows through the head at once */
    TOP = 5
};

static tl_open_flags flags = { .model = "models/tailor-base", .precision = "f32" };

static struct {
    const char *tokens;
    bool json;
} o;

static const tl_option rows[] = {
    TL_OPEN_ROWS(flags),
    { "tokens", 's', &o.tokens, "IDS", "ids with commas; nothing is added to them" },
    { "json", 'b', &o.json, NULL, "write {\"logits\":[[...], ...]}, one row a position, each f32 to the bit" },
    { 0 },
};

/* ---- what a row is written as ---- */

static void print_row(const float *logits, int V, bool first)
{
    printf("%s[", first ? "" : ",\n");
    for (int v = 0; v < V; v++) printf("%s%.9g", v ? "," : "", (double)logits[v]);
    putchar(']');
}

/* A token between quotes, bytes that are no plain ASCII as \xNN. */
static void print_piece(const tl_tokenizer *t, int id)
{
    size_t size = 0;
    const char *piece = t ? tl_tokenizer_piece(t, id, &size) : NULL;
    if (!piece) return;
    fputs(" '", stdout);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)piece[i];
        printf(c == '\n' ? "\\n" : isprint(c) && c < 0x80 ? "%c" : "\\x%02x", c);
    }
    putchar('\'');
}

static void print_top(const tl_opened *m, const float *logits, int V, size_t position, int id)
{
    int best[TOP], n = 0;
    double sum = 0;
    for (int v = 0; v < V; v++) { /* insert where it is larger; of equals the lower id stays before */
        int at = n;
        while (at > 0 && logits[v] > logits[best[at - 1]]) at--;
        if (at == TOP) continue;
        if (n < TOP) n++;
        memmove(best + at + 1, best + at, (size_t)(n - 1 - at) * sizeof *best);
        best[at] = v;
    }
    for (int v = 0; v < V; v++) sum += exp((double)logits[v] - (double)logits[best[0]]);
    printf("%4zu  after %d", position, id);
    print_piece(m->tokenizer, id);
    putchar('\n');
    for (int i = 0; i < n; i++) {
        double p = exp((double)logits[best[i]] - (double)logits[best[0]]) / sum;
        printf("      %10.5f  %5.1f %%  %d", (double)logits[best[i]], 100 * p, best[i]);
        print_piece(m->tokenizer, best[i]);
        putchar('\n');
    }
}

static int print_logits(const tl_opened *m, const float *logits, size_t position, int id, tl_err *err)
{
    int V = m->model->config.V;
    for (int v = 0; v < V; v++)
        if (!isfinite(logits[v]))
            return tl_fail(err, TL_ENUMERIC, "logits: position %zu, token %d is %g, no finite number", position, v,
                           (double)logits[v]);
    if (o.json)
        print_row(logits, V, position == 0);
    else
        print_top(m, logits, V, position, id);
    return 0;
}

/* ---- the sequence through the model ---- */

typedef struct sequence {
    tl_opened *m;      /* borrowed */
    const tl_ids *ids; /* borrowed */
    tl_acts *acts;     /* owned, and all below */
    uint32_t *k, *v;   /* pages of the whole sequence */
    int *pages;        /* 0, 1, 2, ... */
    float *logits;     /* [HEAD_CHUNK, V] */
} sequence;

static int sequence_create(sequence *s, tl_err *err)
{
    const tl_config *c = &s->m->model->config;
    size_t pages = (s->ids->size + TL_PAGE - 1) / TL_PAGE, L = (size_t)c->L;
    tl_acts_size size = { .max_rows = s->ids->size < CHUNK ? (int)s->ids->size : CHUNK,
                          .max_rank = s->m->adapter ? s->m->adapter->max_r : 0 };
    tl_dtype type = tl_precision_dtype(s->m->stream.precision);
    s->k = calloc(pages * L * tl_page_k(type, c->G, c->h), sizeof *s->k);
    s->v = calloc(pages * L * tl_page_v(type, c->G, c->h), sizeof *s->v);
    s->pages = calloc(pages, sizeof(int));
    s->logits = calloc((size_t)HEAD_CHUNK * (size_t)c->V, sizeof(float));
    if (!s->k || !s->v || !s->pages || !s->logits)
        return tl_fail(err, TL_ENOMEM, "logits: no memory for a sequence of %zu tokens", s->ids->size);
    for (size_t i = 0; i < pages; i++) s->pages[i] = (int)i;
    return tl_acts_create(&s->acts, s->m->model, &size, err);
}

static void sequence_reset(sequence *s)
{
    tl_acts_free(s->acts);
    free(s->k);
    free(s->v);
    free(s->pages);
    free(s->logits);
}

static int run_chunk(sequence *s, int start, int n, tl_err *err)
{
    int positions[CHUNK], V = s->m->model->config.V;
    for (int i = 0; i < n; i++) positions[i] = start + i;
    tl_segment segment = { .rows = n, .start = start, .pages = s->pages };
    tl_batch b = { .N = n,
                   .ids = s->ids->data + start,
                   .positions = positions,
                   .n_segments = 1,
                   .segments = &segment,
                   .adapters = &s->m->adapter,
                   .pages = { s->k, s->v, tl_precision_dtype(s->m->stream.precision) } };
    tl_forward(s->m->model, &s->m->stream, &b, s->acts);
    for (int first = 0; first < n; first += HEAD_CHUNK) {
        int list[HEAD_CHUNK], some = n - first < HEAD_CHUNK ? n - first : HEAD_CHUNK;
        for (int i = 0; i < some; i++) list[i] = first + i;
        tl_logits(s->m->model, &s->m->stream, s->acts, list, some, s->logits);
        for (int i = 0; i < some; i++) {
            int at = start + first + i;
            TL_TRY(print_logits(s->m, s->logits + (size_t)i * (size_t)V, (size_t)at, s->ids->data[at], err));
        }
    }
    return tl_interrupt_check("logits", err);
}

static int run_sequence(tl_opened *m, const tl_ids *ids, tl_err *err)
{
    sequence s = { .m = m, .ids = ids };
    int n = (int)ids->size, rc = 0;
    if (n > m->model->config.T)
        return tl_fail(err, TL_EDATA, "--tokens: %d tokens, the context has %d", n, m->model->config.T);
    rc = sequence_create(&s, err);
    if (rc == 0 && o.json) printf("{\"logits\":[");
    for (int i = 0; rc == 0 && i < n; i += CHUNK) rc = run_chunk(&s, i, n - i < CHUNK ? n - i : CHUNK, err);
    if (rc == 0 && o.json) puts("]}");
    sequence_reset(&s);
    return rc;
}

static int run_logits(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    tl_opened m = { 0 };
    tl_ids ids = { 0 };
    TL_TRY(tl_options_parse(&tl_cmd_logits, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (!o.tokens) return tl_fail(err, TL_EUSAGE, "tailor logits: --tokens is wanted");
    int rc = tl_open(&m, &flags, err);
    if (rc == 0) rc = tl_tokens_parse(&ids, o.tokens, m.model->config.V, err);
    if (rc == 0) rc = run_sequence(&m, &ids, err);
    tl_ids_reset(&ids);
    tl_close(&m);
    return rc;
}

const tl_command tl_cmd_logits = { "logits", "what a base predicts after each token of a sequence",
                                   "--model DIR [--adapter DIR] --tokens IDS", run_logits };
