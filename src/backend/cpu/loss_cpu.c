/* loss_cpu.c - softmax and cross-entropy over a row of logits.
 *
 *     loss = w (log sum e^(x - top) + top - x[target]),   dx = w (e^(x - top) / sum - onehot)
 *
 * A row is one thread's; its sum runs over W lanes. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <omp.h>

#define WORTH(s, n) ((s)->threads > 1 && (n) > 16384)

static float row_top(const float *x, int V)
{
    vf top = vf_set(x[0]);
    int i = 0;
    for (; i + W <= V; i += W) top = vf_max(top, vf_load(x + i));
    if (i < V) top = vf_max(top, vf_part(x + i, (size_t)(V - i), x[0]));
    return vf_top(top);
}

/* Sum of e^(x - top); with keep, x becomes those terms. */
static float row_exp_sum(float *keep, const float *x, float top, int V)
{
    vf sum = vf_set(0), t = vf_set(top);
    int i = 0;
    for (; i + W <= V; i += W) {
        vf e = vf_exp(vf_load(x + i) - t);
        if (keep) vf_store(keep + i, e);
        sum += e;
    }
    if (i < V) {
        size_t n = (size_t)(V - i);
        vf e = vf_exp(vf_part(x + i, n, -INFINITY) - t);
        if (keep) vf_store_part(keep + i, e, n);
        sum += e;
    }
    return vf_sum(sum);
}

void TL_CPU(cross_entropy)(tl_stream *s, float *loss, float *logits, const int *targets, const float *weights, int N,
                           int V)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)V))
    for (int n = 0; n < N; n++) {
        float *x = logits + (size_t)n * (size_t)V;
        float top = row_top(x, V), at = x[targets[n]], w = weights[n];
        float sum = row_exp_sum(x, x, top, V);
        loss[n] = w * (logf(sum) - (at - top));
        float scale = w / sum;
        for (int v = 0; v < V; v++) x[v] *= scale;
        x[targets[n]] -= w;
    }
}

void TL_CPU(log_prob)(tl_stream *s, float *out, const float *logits, const int *targets, int N, int V)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)V))
    for (int n = 0; n < N; n++) {
        const float *x = logits + (size_t)n * (size_t)V;
        float top = row_top(x, V);
        out[n] = x[targets[n]] - top - logf(row_exp_sum(NULL, x, top, V));
    }
}
