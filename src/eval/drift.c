/* drift.c - both models over one sequence, their heads a few rows at a time side by side. */
#include "eval/drift.h"

#include <math.h>
#include <stdlib.h>

enum {
    ROWS = 8 /* of logits at once */
};

/* One of the two: its buffers hold the sequence's hidden states. */
typedef struct side {
    const tl_model *m; /* borrowed */
    tl_acts *acts;     /* owned, as what follows */
    float *logits;     /* [ROWS, V] */
} side;

static void side_reset(side *x)
{
    tl_acts_free(x->acts);
    free(x->logits);
}

static int side_run(side *x, tl_adapter *adapter, tl_stream *s, const int *ids, const int *positions, int n,
                    tl_err *err)
{
    tl_acts_size size = { .max_rows = n, .max_rank = adapter ? adapter->max_r : 0, .max_segments = 1 };
    tl_segment segment = { .rows = n };
    tl_batch b = {
        .N = n, .ids = ids, .positions = positions, .n_segments = 1, .segments = &segment, .adapters = &adapter
    };
    x->logits = malloc((size_t)ROWS * (size_t)x->m->config.V * sizeof *x->logits);
    if (!x->logits) return tl_fail(err, TL_ENOMEM, "drift: no memory for logits");
    TL_TRY(tl_acts_create(&x->acts, x->m, &size, err));
    tl_forward(x->m, s, &b, x->acts);
    return 0;
}

static int best_of(const float *x, int V)
{
    int best = 0;
    for (int v = 1; v < V; v++)
        if (x[v] > x[best]) best = v;
    return best;
}

static double log_sum(const float *x, int V)
{
    double most = x[best_of(x, V)], sum = 0;
    for (int v = 0; v < V; v++) sum += exp((double)x[v] - most);
    return sum > 0 ? most + log(sum) : most; /* the largest alone adds one */
}

/* A position into the sums of *d. */
static int add_row(tl_drift *d, const float *a, const float *b, int V, int position, tl_err *err)
{
    double mean = 0, of_a, of_b;
    for (int v = 0; v < V; v++) {
        if (!isfinite(a[v]) || !isfinite(b[v]))
            return tl_fail(err, TL_ENUMERIC, "drift: the logits at position %d are no finite numbers", position);
        mean += (double)a[v] / V;
    }
    of_a = log_sum(a, V);
    of_b = log_sum(b, V);
    for (int v = 0; v < V; v++) {
        double x = a[v], off = (double)b[v] - x;
        if (fabs(off) > d->largest) d->largest = fabs(off);
        d->mean += off * off / V;
        d->size += (x - mean) * (x - mean) / V;
        d->kl += exp(x - of_a) * ((x - of_a) - ((double)b[v] - of_b));
    }
    d->same += best_of(a, V) == best_of(b, V);
    return 0;
}

static int compare(tl_drift *d, const side *a, const side *b, tl_stream *s, tl_err *err)
{
    int V = a->m->config.V, n = d->positions;
    for (int at = 0; at < n; at += ROWS) {
        int rows[ROWS], some = n - at < ROWS ? n - at : ROWS;
        for (int i = 0; i < some; i++) rows[i] = at + i;
        tl_logits(a->m, s, a->acts, rows, some, a->logits);
        tl_logits(b->m, s, b->acts, rows, some, b->logits);
        for (int i = 0; i < some; i++) {
            size_t row = (size_t)i * (size_t)V;
            TL_TRY(add_row(d, a->logits + row, b->logits + row, V, at + i, err));
        }
    }
    d->mean = sqrt(d->mean / n);
    d->size = sqrt(d->size / n);
    d->kl /= n;
    return 0;
}

int tl_drift_measure(tl_drift *out, const tl_model *a, tl_adapter *of_a, const tl_model *b, tl_adapter *of_b,
                     tl_stream *s, const int *ids, int n, tl_err *err)
{
    int positions[TL_DRIFT_POSITIONS];
    side x = { .m = a }, y = { .m = b };
    if (a->config.V != b->config.V)
        return tl_fail(err, TL_ESHAPE, "drift: one vocabulary has %d tokens, the other %d", a->config.V, b->config.V);
    if (n > TL_DRIFT_POSITIONS) n = TL_DRIFT_POSITIONS;
    if (n > a->config.T) n = a->config.T;
    if (n > b->config.T) n = b->config.T;
    if (n < 1) return tl_fail(err, TL_EDATA, "drift: there is no token to compare the models on");
    for (int i = 0; i < n; i++) positions[i] = i;
    *out = (tl_drift){ .positions = n };
    int rc = side_run(&x, of_a, s, ids, positions, n, err);
    if (rc == 0) rc = side_run(&y, of_b, s, ids, positions, n, err);
    if (rc == 0) rc = compare(out, &x, &y, s, err);
    side_reset(&x);
    side_reset(&y);
    return rc;
}
