/* loss_cpu.c - softmax and cross-entropy over a row of logits, and the optimizer's passes over parameters.
 *
 *     loss = w (log sum e^(x - top) + top - x[target]),   dx = w (e^(x - top) / sum - onehot)
 *
 * A row is one thread's; its sum runs over W lanes.  AdamW is element by element. */
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

void TL_CPU(adamw)(tl_stream *s, float *p, const float *g, float *m, float *v, size_t n, const tl_adamw_step *step)
{
    const vf b1 = vf_set(step->beta1), c1 = vf_set(1 - step->beta1), b2 = vf_set(step->beta2),
             c2 = vf_set(1 - step->beta2), scale = vf_set(step->grad_scale);
    const vf rate = vf_set(step->lr / step->correction1), root = vf_set(1.0f / sqrtf(step->correction2)),
             eps = vf_set(step->eps), decay = vf_set(step->lr * step->weight_decay);
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, n))
    for (size_t i = 0; i < n; i += W) {
        size_t c = n - i < W ? n - i : W;
        vf gi = (c == W ? vf_load(g + i) : vf_part(g + i, c, 0)) * scale;
        vf mi = vf_fma(b1, c == W ? vf_load(m + i) : vf_part(m + i, c, 0), c1 * gi);
        vf vi_ = vf_fma(b2, c == W ? vf_load(v + i) : vf_part(v + i, c, 0), c2 * gi * gi);
        vf pi = c == W ? vf_load(p + i) : vf_part(p + i, c, 0);
        pi -= vf_fma(decay, pi, rate * mi / (vf_sqrt(vi_) * root + eps));
        if (c == W) {
            vf_store(m + i, mi);
            vf_store(v + i, vi_);
            vf_store(p + i, pi);
        } else {
            vf_store_part(m + i, mi, c);
            vf_store_part(v + i, vi_, c);
            vf_store_part(p + i, pi, c);
        }
    }
}

double TL_CPU(sum_squares)(tl_stream *s, const float *x, size_t n)
{
    (void)s; /* one chain of eight sums: short beside a step, and the same for any thread count */
    double sum[8] = { 0 };
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++) sum[j] += (double)x[i + j] * x[i + j];
    for (size_t j = 0; i < n; i++, j++) sum[j] += (double)x[i] * x[i];
    double total = 0;
    for (int j = 0; j < 8; j++) total += sum[j];
    return total;
}
