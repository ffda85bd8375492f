/* linear_ref.c - the three matrix products of a linear layer.
 *
 *     y[n,o]  = add[n,o] + (sum over i of x[n,i] w[o,i]) + bias[o]        linear      i in order; then what an adapter
 *                                                                                     adds, j of its r in order
 *     dx[n,i] = sum over o of dy[n,o] w[o,i]       linear_dx   o in order
 *     dw[o,i] = sum over n of dy[n,o] x[n,i]       linear_dw   n in order
 *
 * Sums are f32.  With TL_PRECISION_BF16 both factors are rounded to bf16 first; their product is then exact in f32
 * (8 bits times 8), so the two precisions differ by that rounding alone.  A weight row is widened, and rounded, once
 * into scratch and used for every n: a quantized one too, unless it is multiplied in whole numbers (quantized_ref.c).
 */
#include "backend/ref/ref.h"
#include "base/panels.h"

#include <assert.h>

static float factor(float x, bool bf16)
{
    return bf16 ? tl_bf16_to_f32(tl_f32_to_bf16(x)) : x;
}

static bool narrow(const tl_stream *s)
{
    return s->precision != TL_PRECISION_F32;
}

/* n of row o's I weights from the i-th on, as factors: in place, or in the thread's scratch until the next call. */
static const float *weights(const tl_stream *s, tl_matrix w, int o, int I, int i, int n)
{
    const size_t at = (size_t)o * (size_t)I + (size_t)i;
    if (w.dtype == TL_DTYPE_F32 && !narrow(s)) return (const float *)w.data + at;
    float *row = tl_ref_scratch(s);
    assert((size_t)I * sizeof *row <= s->scratch_each);
    if (tl_panels_known(w.dtype)) {
        tl_panels_row(w.dtype, row, w.data, (size_t)I, (size_t)o);
        row += i;
    } else {
        assert(w.dtype == TL_DTYPE_F32 || w.dtype == TL_DTYPE_BF16);
        const char *stored = w.data;
        tl_dtype_widen(row, stored + at * tl_dtype_size(w.dtype), w.dtype, (size_t)n);
    }
    for (int k = 0; k < n; k++) row[k] = factor(row[k], narrow(s));
    return row;
}

static void product(tl_stream *s, const tl_product *p, const float *x, int N, int I)
{
    bool bf16 = narrow(s);
    assert(p->y);
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int o = 0; o < p->O; o++) {
        const float *wo = weights(s, p->w, o, I, 0, I);
        for (int n = 0; n < N; n++) {
            const float *xn = x + (size_t)n * (size_t)I;
            size_t at = (size_t)n * (size_t)p->O + (size_t)o;
            float sum = 0;
            for (int i = 0; i < I; i++) sum += factor(xn[i], bf16) * wo[i];
            if (p->add) sum = p->add[at] + sum;
            p->y[at] = p->bias ? sum + p->bias[o] : sum;
        }
    }
}

void tl_ref_linear(tl_stream *s, const tl_product *p, int n, const float *x, int N, int I)
{
    for (int i = 0; i < n; i++) {
        if (s->precision == TL_PRECISION_INT8 && tl_panels_known(p[i].w.dtype))
            tl_ref_linear_int8(s, &p[i], x, N, I);
        else
            product(s, &p[i], x, N, I);
        const tl_product low = { .y = p[i].y, .w = { p[i].low.w, TL_DTYPE_F32 }, .O = p[i].O, .add = p[i].y };
        if (p[i].low.x) product(s, &low, p[i].low.x, N, p[i].low.r);
    }
}

static void product_dx(tl_stream *s, float *dx, const float *dy, tl_matrix w, int N, int O, int I, bool accumulate)
{
    bool bf16 = narrow(s);
#pragma omp parallel num_threads(s->threads)
    {
        tl_ref_share c = tl_ref_share_of(I);
        for (int n = 0; n < N && !accumulate; n++)
            for (int i = c.from; i < c.to; i++) dx[(size_t)n * (size_t)I + (size_t)i] = 0;
        for (int o = 0; o < O; o++) {
            const float *wo = weights(s, w, o, I, c.from, c.to - c.from);
            for (int n = 0; n < N; n++) {
                float d = factor(dy[(size_t)n * (size_t)O + (size_t)o], bf16);
                float *out = dx + (size_t)n * (size_t)I + c.from;
                for (int i = 0; i < c.to - c.from; i++) out[i] += d * wo[i];
            }
        }
    }
}

void tl_ref_linear_dx(tl_stream *s, float *dx, const tl_product_back *p, int n, int N, int I, bool accumulate)
{
    for (int i = 0; i < n; i++) {
        const tl_low_product *low = &p[i].low;
        product_dx(s, dx, p[i].dy, p[i].w, N, p[i].O, I, accumulate || i > 0);
        if (low->x) product_dx(s, dx, low->x, (tl_matrix){ low->w, TL_DTYPE_F32 }, N, low->r, I, true);
    }
}

void tl_ref_linear_dw(tl_stream *s, float *dw, const float *dy, const float *x, int N, int O, int I, bool accumulate)
{
    bool bf16 = narrow(s);
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int o = 0; o < O; o++) {
        float *out = dw + (size_t)o * (size_t)I;
        for (int i = 0; i < I && !accumulate; i++) out[i] = 0;
        for (int n = 0; n < N; n++) {
            float d = factor(dy[(size_t)n * (size_t)O + (size_t)o], bf16);
            const float *xn = x + (size_t)n * (size_t)I;
            for (int i = 0; i < I; i++) out[i] += d * factor(xn[i], bf16);
        }
    }
}
