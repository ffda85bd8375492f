/* norm_ref.c - RMSNorm and LayerNorm, forward and back.
 *
 * Both are y_i = u_i g_i (+ b_i) with u the row made to unit size: u = x r, or u = (x - mean) r.  With e_i = dy_i g_i
 * the gradient of u, and means taken over the row,
 *
 *     rmsnorm      dx_i = r (e_i           - u_i mean(e u))
 *     layernorm    dx_i = r (e_i - mean(e) - u_i mean(e u))
 *     both         dg_i = sum over n of dy_i u_i,   db_i = sum over n of dy_i
 *
 * for r answers a change of the row along u, and the mean a change along (1, 1, ...): the gradient loses both parts. */
#include "backend/ref/ref.h"

#include <math.h>

void tl_ref_rmsnorm(tl_stream *s, float *y, float *rstd, const float *x, const float *g, int N, int D, float eps)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        const float *xn = x + (size_t)n * (size_t)D;
        float *yn = y + (size_t)n * (size_t)D, sum = 0;
        for (int i = 0; i < D; i++) sum += xn[i] * xn[i];
        float r = 1.0f / sqrtf(sum / (float)D + eps);
        for (int i = 0; i < D; i++) yn[i] = xn[i] * r * g[i];
        rstd[n] = r;
    }
}

void tl_ref_rmsnorm_back(tl_stream *s, float *dx, float *dg, const float *dy, const float *x, const float *rstd,
                         const float *g, int N, int D)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        const float *xn = x + (size_t)n * (size_t)D, *dyn = dy + (size_t)n * (size_t)D;
        float *dxn = dx + (size_t)n * (size_t)D, r = rstd[n], eu = 0;
        for (int i = 0; i < D; i++) eu += dyn[i] * g[i] * (xn[i] * r);
        eu /= (float)D;
        for (int i = 0; i < D; i++) dxn[i] += r * (dyn[i] * g[i] - xn[i] * r * eu);
    }
    if (!dg) return;
#pragma omp parallel num_threads(s->threads)
    {
        tl_ref_share c = tl_ref_share_of(D);
        for (int n = 0; n < N; n++) {
            const float *xn = x + (size_t)n * (size_t)D, *dyn = dy + (size_t)n * (size_t)D;
            for (int i = c.from; i < c.to; i++) dg[i] += dyn[i] * (xn[i] * rstd[n]);
        }
    }
}

void tl_ref_layernorm(tl_stream *s, float *y, float *mean, float *rstd, const float *x, const float *g, const float *b,
                      int N, int D, float eps)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        const float *xn = x + (size_t)n * (size_t)D;
        float *yn = y + (size_t)n * (size_t)D, m = 0, var = 0;
        for (int i = 0; i < D; i++) m += xn[i];
        m /= (float)D;
        /* A second pass: the mean of squares less the square of the mean would lose the digits they share. */
        for (int i = 0; i < D; i++) var += (xn[i] - m) * (xn[i] - m);
        float r = 1.0f / sqrtf(var / (float)D + eps);
        for (int i = 0; i < D; i++) yn[i] = (xn[i] - m) * r * g[i] + b[i];
        mean[n] = m;
        rstd[n] = r;
    }
}

void tl_ref_layernorm_back(tl_stream *s, float *dx, float *dg, float *db, const float *dy, const float *x,
                           const float *mean, const float *rstd, const float *g, int N, int D)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        const float *xn = x + (size_t)n * (size_t)D, *dyn = dy + (size_t)n * (size_t)D;
        float *dxn = dx + (size_t)n * (size_t)D, r = rstd[n], e = 0, eu = 0;
        for (int i = 0; i < D; i++) {
            e += dyn[i] * g[i];
            eu += dyn[i] * g[i] * ((xn[i] - mean[n]) * r);
        }
        e /= (float)D;
        eu /= (float)D;
        for (int i = 0; i < D; i++) dxn[i] += r * (dyn[i] * g[i] - e - (xn[i] - mean[n]) * r * eu);
    }
    if (!dg && !db) return;
#pragma omp parallel num_threads(s->threads)
    {
        tl_ref_share c = tl_ref_share_of(D);
        for (int n = 0; n < N; n++) {
            const float *xn = x + (size_t)n * (size_t)D, *dyn = dy + (size_t)n * (size_t)D;
            for (int i = c.from; dg && i < c.to; i++) dg[i] += dyn[i] * ((xn[i] - mean[n]) * rstd[n]);
            for (int i = c.from; db && i < c.to; i++) db[i] += dyn[i];
        }
    }
}
