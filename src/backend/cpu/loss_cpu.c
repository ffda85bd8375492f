/* loss_cpu.c - softmax and cross-entropy over a row of logits.
 *
 *     loss = w (log sum e^(x - top) + top - x[target]),   dx = w (e^(x - top) / sum - onehot)
 *
 * times 1 - (x / cap)^2 where the logits are capped: x = cap tanh(z / cap), tanh a = 1 - 2/(e^2a + 1).
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

void TL_CPU(softcap)(tl_stream *s, float *x, float cap, size_t n)
{
    vf twice = vf_set(2 / cap), c = vf_set(cap), one = vf_set(1), two = vf_set(2);
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, n))
    for (size_t i = 0; i < n; i += W) {
        size_t count = n - i < W ? n - i : W;
        vf z = count == W ? vf_load(x + i) : vf_part(x + i, count, 0);
        vf y = c * (one - two / (vf_exp(z * twice) + one));
        if (count == W)
            vf_store(x + i, y);
        else
            vf_store_part(x + i, y, count);
    }
}

/* Sum of e^(x - top); x becomes those terms, each times the slope of its cap. */
static float capped_exp_sum(float *x, float top, float cap, int V)
{
    vf sum = vf_set(0), t = vf_set(top), part = vf_set(1 / cap), one = vf_set(1);
    for (int i = 0; i < V; i += W) {
        size_t n = V - i < W ? (size_t)(V - i) : W;
        vf z = n == W ? vf_load(x + i) : vf_part(x + i, n, -INFINITY);
        vf e = vf_exp(z - t), share = z * part;
        sum += e;
        e *= one - share * share;
        if (n == W)
            vf_store(x + i, e);
        else
            vf_store_part(x + i, e, n);
    }
    return vf_sum(sum);
}

void TL_CPU(cross_entropy)(tl_stream *s, float *loss, float *logits, const int *targets, const float *weights, int N,
                           int V, float cap)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)V))
    for (int n = 0; n < N; n++) {
        float *x = logits + (size_t)n * (size_t)V;
        float top = row_top(x, V), at = x[targets[n]], w = weights[n];
        float sum = cap == 0 ? row_exp_sum(x, x, top, V) : capped_exp_sum(x, top, cap, V);
        loss[n] = w * (logf(sum) - (at - top));
        float scale = w / sum;
        for (int v = 0; v < V; v++) x[v] *= scale;
        x[targets[n]] -= cap == 0 ? w : w * (1 - at / cap * (at / cap));
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
