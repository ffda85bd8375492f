/* norm_cpu.c - normalization of rows, forward beside backward.
 *
 *     r = 1 / sqrt(mean(x^2) + eps),  y = x r g
 *     dx = r (dy g) - x r^3 / D * sum(dy g x),  dg = sum over rows of dy x r
 *
 * and the same with the mean taken out for layernorm.  A row is one thread's; its sums run over W lanes, lane i taking
 * the elements i, i + W, ...  Sums over rows (dg, db) belong to columns, split among threads, rows in order. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <omp.h>

/* Few elements: not worth waking a thread. */
#define WORTH(s, n) ((s)->threads > 1 && (n) > 16384)

/* The sum over a row of f(i), vector by vector, the tail padded with zeros. */
static float row_sum_product(const float *a, const float *b, int D)
{
    vf sum = vf_set(0);
    int i = 0;
    for (; i + W <= D; i += W) sum = vf_fma(vf_load(a + i), vf_load(b + i), sum);
    if (i < D) sum = vf_fma(vf_part(a + i, (size_t)(D - i), 0), vf_part(b + i, (size_t)(D - i), 0), sum);
    return vf_sum(sum);
}

static float row_sum_product3(const float *a, const float *b, const float *c, int D)
{
    vf sum = vf_set(0);
    int i = 0;
    for (; i + W <= D; i += W) sum = vf_fma(vf_load(a + i) * vf_load(b + i), vf_load(c + i), sum);
    size_t n = (size_t)(D - i);
    if (n) sum = vf_fma(vf_part(a + i, n, 0) * vf_part(b + i, n, 0), vf_part(c + i, n, 0), sum);
    return vf_sum(sum);
}

static float row_sum(const float *a, int D)
{
    vf sum = vf_set(0);
    int i = 0;
    for (; i + W <= D; i += W) sum += vf_load(a + i);
    if (i < D) sum += vf_part(a + i, (size_t)(D - i), 0);
    return vf_sum(sum);
}

void TL_CPU(bias_back)(tl_stream *s, float *db, const float *dy, int N, int D)
{
#pragma omp parallel num_threads(s->threads) if (WORTH(s, (size_t)N * (size_t)D))
    {
        int t = omp_get_thread_num(), k = omp_get_num_threads();
        int from = (int)((long)D * t / k), to = (int)((long)D * (t + 1) / k);
        for (int n = 0; n < N; n++) {
            const float *row = dy + (size_t)n * (size_t)D;
            for (int d = from; d < to; d++) db[d] += row[d];
        }
    }
}

void TL_CPU(rmsnorm)(tl_stream *s, float *y, float *rstd, const float *x, const float *g, int N, int D, float eps)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)D))
    for (int n = 0; n < N; n++) {
        const float *in = x + (size_t)n * (size_t)D;
        float *out = y + (size_t)n * (size_t)D;
        float r = 1.0f / sqrtf(row_sum_product(in, in, D) / (float)D + eps);
        rstd[n] = r;
        for (int d = 0; d < D; d++) out[d] = in[d] * r * g[d];
    }
}

void TL_CPU(rmsnorm_back)(tl_stream *s, float *dx, float *dg, const float *dy, const float *x, const float *rstd,
                          const float *g, int N, int D)
{
#pragma omp parallel num_threads(s->threads) if (WORTH(s, (size_t)N * (size_t)D))
    {
        int t = omp_get_thread_num(), k = omp_get_num_threads();
#pragma omp for schedule(static)
        for (int n = 0; n < N; n++) {
            const float *in = x + (size_t)n * (size_t)D, *dout = dy + (size_t)n * (size_t)D;
            float *din = dx + (size_t)n * (size_t)D;
            float r = rstd[n];
            float shared = row_sum_product3(dout, g, in, D) * r * r * r / (float)D;
            for (int d = 0; d < D; d++) din[d] += dout[d] * g[d] * r - in[d] * shared;
        }
        int from = (int)((long)D * t / k), to = (int)((long)D * (t + 1) / k);
        for (int n = 0; dg && n < N; n++) {
            const float *in = x + (size_t)n * (size_t)D, *dout = dy + (size_t)n * (size_t)D;
            float r = rstd[n];
            for (int d = from; d < to; d++) dg[d] += dout[d] * in[d] * r;
        }
    }
}

void TL_CPU(layernorm)(tl_stream *s, float *y, float *mean, float *rstd, const float *x, const float *g, const float *b,
                       int N, int D, float eps)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)D))
    for (int n = 0; n < N; n++) {
        const float *in = x + (size_t)n * (size_t)D;
        float *out = y + (size_t)n * (size_t)D;
        float m = row_sum(in, D) / (float)D;
        for (int d = 0; d < D; d++) out[d] = in[d] - m; /* centred first: no cancellation in the variance */
        float r = 1.0f / sqrtf(row_sum_product(out, out, D) / (float)D + eps);
        mean[n] = m;
        rstd[n] = r;
        for (int d = 0; d < D; d++) out[d] = out[d] * r * g[d] + b[d];
    }
}

void TL_CPU(layernorm_back)(tl_stream *s, float *dx, float *dg, float *db, const float *dy, const float *x,
                            const float *mean, const float *rstd, const float *g, int N, int D)
{
#pragma omp parallel num_threads(s->threads) if (WORTH(s, (size_t)N * (size_t)D))
    {
        int t = omp_get_thread_num(), k = omp_get_num_threads();
#pragma omp for schedule(static)
        for (int n = 0; n < N; n++) {
            const float *in = x + (size_t)n * (size_t)D, *dout = dy + (size_t)n * (size_t)D;
            float *din = dx + (size_t)n * (size_t)D;
            float r = rstd[n], m = mean[n];
            float mean1 = row_sum_product(dout, g, D) / (float)D;
            float mean2 = (row_sum_product3(dout, g, in, D) / (float)D - mean1 * m) * r; /* mean of dy g xhat */
            for (int d = 0; d < D; d++) din[d] += r * (dout[d] * g[d] - mean1 - (in[d] - m) * r * mean2);
        }
        int from = (int)((long)D * t / k), to = (int)((long)D * (t + 1) / k);
        for (int n = 0; (dg || db) && n < N; n++) {
            const float *in = x + (size_t)n * (size_t)D, *dout = dy + (size_t)n * (size_t)D;
            float r = rstd[n], m = mean[n];
            for (int d = from; dg && d < to; d++) dg[d] += dout[d] * (in[d] - m) * r;
            for (int d = from; db && d < to; d++) db[d] += dout[d];
        }
    }
}
