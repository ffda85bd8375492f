/* pointwise_cpu.c - what is done to elements one by one: gating, activations, rotary positions, sums, table rows.
 *
 *     swiglu  y = g s(g) u                 dg = dy u s(g) (1 + g (1 - s(g))),  du = dy g s(g)       s(g) = 1/(1+e^-g)
 *     gelu    y = x/2 (1 + tanh(a))        dx = dy (1/2 (1 + tanh a) + x/2 (1 - tanh^2 a) a')
 *             a = sqrt(2/pi) (x + 0.044715 x^3),  tanh a = 1 - 2/(e^2a + 1)
 *     geglu   y = gelu(g) u                dg = dy u gelu'(g),  du = dy gelu(g)
 *     exact   y = x P(x) = max(x, 0) - |x| q(|x|)           dx = dy (P(x) + x e^(-x^2/2) / sqrt(2 pi))
 *             P(x) the normal distribution, q(x) = P(-x) its tail */
#include "backend/cpu/cpu.h"

#include <omp.h>

#define WORTH(s, n) ((s)->threads > 1 && (n) > 16384)

/* Run f over n elements: whole vectors, then the padded tail.  A thread takes a run of whole vectors. */
#define EACH_VECTOR(s, n, at, count, ...)                                                                              \
    _Pragma("omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, n))") for (size_t at = 0; at < n;  \
                                                                                               at += W)                \
    {                                                                                                                  \
        size_t count = n - at < W ? n - at : W;                                                                        \
        __VA_ARGS__                                                                                                    \
    }

static inline vf get(const float *p, size_t count)
{
    return count == W ? vf_load(p) : vf_part(p, count, 0);
}

static inline void put(float *p, vf v, size_t count)
{
    if (count == W)
        vf_store(p, v);
    else
        vf_store_part(p, v, count);
}

static inline vf sigmoid(vf x)
{
    return vf_set(1) / (vf_set(1) + vf_exp(-x));
}

void TL_CPU(swiglu)(tl_stream *s, float *y, const float *gate, const float *up, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf g = get(gate + i, c);
        put(y + i, g * sigmoid(g) * get(up + i, c), c);
    })
}

void TL_CPU(swiglu_back)(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                         const float *up, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf g = get(gate + i, c);
        vf u = get(up + i, c);
        vf d = get(dy + i, c);
        vf sg = sigmoid(g);
        put(y + i, g * sg * u, c);
        put(dup + i, d * g * sg, c);
        put(dgate + i, d * u * sg * (vf_set(1) + g * (vf_set(1) - sg)), c);
    })
}

static inline vf gelu_tanh(vf x)
{
    vf a = vf_set(0.7978845608028654f) * (x + vf_set(0.044715f) * x * x * x);
    return vf_set(1) - vf_set(2) / (vf_exp(a + a) + vf_set(1));
}

static inline vf gelu_slope(vf x, vf t) /* t = gelu_tanh(x) */
{
    vf slope = vf_set(0.7978845608028654f) * (vf_set(1) + vf_set(3 * 0.044715f) * x * x);
    return vf_set(0.5f) * (vf_set(1) + t) + vf_set(0.5f) * x * (vf_set(1) - t * t) * slope;
}

void TL_CPU(gelu)(tl_stream *s, float *y, const float *x, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf v = get(x + i, c);
        put(y + i, vf_set(0.5f) * v * (vf_set(1) + gelu_tanh(v)), c);
    })
}

void TL_CPU(gelu_back)(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf v = get(x + i, c);
        vf t = gelu_tanh(v);
        vf d = get(dy + i, c) * gelu_slope(v, t);
        put(y + i, vf_set(0.5f) * v * (vf_set(1) + t), c);
        put(dx + i, d, c);
    })
}

void TL_CPU(geglu)(tl_stream *s, float *y, const float *gate, const float *up, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf g = get(gate + i, c);
        put(y + i, vf_set(0.5f) * g * (vf_set(1) + gelu_tanh(g)) * get(up + i, c), c);
    })
}

void TL_CPU(geglu_back)(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf g = get(gate + i, c);
        vf u = get(up + i, c);
        vf d = get(dy + i, c);
        vf t = gelu_tanh(g);
        vf bent = vf_set(0.5f) * g * (vf_set(1) + t);
        put(y + i, bent * u, c);
        put(dup + i, d * bent, c);
        put(dgate + i, d * u * gelu_slope(g, t), c);
    })
}

static inline vf magnitude(vf x)
{
    return vf_max(-x, x); /* the number second: a NaN stays one */
}

/* The normal distribution's tail beyond x >= 0: e^(-x^2/2), given as bell, times a polynomial in 1 / (1 + 0.35 x).  Its
 * coefficients are a least-squares fit that levels the relative error, below 3e-7 with this arithmetic for x up to 14.
 */
static inline vf tail(vf x, vf bell)
{
    vf t = vf_set(1) / vf_fma(vf_set(0.35f), x, vf_set(1));
    vf p = vf_set(-0.02914596f);
    p = vf_fma(p, t, vf_set(0.14397184f));
    p = vf_fma(p, t, vf_set(-0.25571454f));
    p = vf_fma(p, t, vf_set(0.15917448f));
    p = vf_fma(p, t, vf_set(-0.02311004f));
    p = vf_fma(p, t, vf_set(0.10550809f));
    p = vf_fma(p, t, vf_set(0.11983285f));
    p = vf_fma(p, t, vf_set(0.13986187f));
    p = vf_fma(p, t, vf_set(0.13962140f));
    return p * t * bell;
}

void TL_CPU(gelu_exact)(tl_stream *s, float *y, const float *x, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf v = get(x + i, c);
        vf a = magnitude(v);
        put(y + i, vf_max(vf_set(0), v) - a * tail(a, vf_exp(vf_set(-0.5f) * v * v)), c);
    })
}

void TL_CPU(gelu_exact_back)(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n)
{
    EACH_VECTOR(s, n, i, c, {
        vf v = get(x + i, c);
        vf a = magnitude(v);
        vf bell = vf_exp(vf_set(-0.5f) * v * v);
        vf q = tail(a, bell);
        vf sign = v / (a + vf_set(1e-30f));
        vf below = vf_fma(sign, vf_set(0.5f) - q, vf_set(0.5f)); /* P(x) */
        vf d = get(dy + i, c) * vf_fma(v, bell * vf_set(0.3989422804014327f), below);
        put(y + i, vf_max(vf_set(0), v) - a * q, c);
        put(dx + i, d, c);
    })
}

void TL_CPU(gain)(tl_stream *s, float *y, const float *x, const float *g, const float *b, const float *add, int N,
                  int D)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)D))
    for (int n = 0; n < N; n++) {
        size_t row = (size_t)n * (size_t)D, width = (size_t)D;
        for (size_t d = 0; d < width; d += W) {
            size_t c = width - d < W ? width - d : W;
            vf v = get(x + row + d, c) * get(g + d, c);
            if (add) v = v + get(add + row + d, c);
            if (b) v = v + get(b + d, c);
            put(y + row + d, v, c);
        }
    }
}

/* Columns are split among threads in whole vectors, rows are added in order. */
void TL_CPU(gain_back)(tl_stream *s, float *dm, const float *dy, const float *x, const float *norm, int N, int D)
{
    size_t width = (size_t)D;
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)D))
    for (size_t d = 0; d < width; d += W) {
        size_t c = width - d < W ? width - d : W;
        vf sum = vf_set(0);
        for (int n = 0; n < N; n++) {
            size_t at = (size_t)n * width + d;
            sum = vf_fma(get(dy + at, c), get(x + at, c), sum);
        }
        float once[W];
        put(once, sum, c);
        for (size_t k = 0; k < c; k++) dm[d + k] += once[k] / norm[d + k];
    }
}

void TL_CPU(scale)(tl_stream *s, float *x, float a, size_t n)
{
    EACH_VECTOR(s, n, i, c, { put(x + i, vf_set(a) * get(x + i, c), c); })
}

void TL_CPU(add)(tl_stream *s, float *y, const float *x, float a, size_t n)
{
    EACH_VECTOR(s, n, i, c, { put(y + i, vf_fma(vf_set(a), get(x + i, c), get(y + i, c)), c); })
}

void TL_CPU(rope)(tl_stream *s, float *x, const int *positions, const float *cos, const float *sin, int N, int heads,
                  int h, int w, bool inverse)
{
    int half = w / 2;
    float sign = inverse ? -1.0f : 1.0f;
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)heads * (size_t)h))
    for (int n = 0; n < N; n++) {
        const float *c = cos + (size_t)positions[n] * (size_t)half, *t = sin + (size_t)positions[n] * (size_t)half;
        for (int j = 0; j < heads; j++) {
            float *a = x + ((size_t)n * (size_t)heads + (size_t)j) * (size_t)h, *b = a + half;
            for (int i = 0; i < half; i++) {
                float u = a[i], v = b[i], z = sign * t[i];
                a[i] = u * c[i] - v * z;
                b[i] = v * c[i] + u * z;
            }
        }
    }
}

void TL_CPU(embed)(tl_stream *s, float *y, tl_matrix table, const int *ids, int N, int D, bool accumulate)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, (size_t)N * (size_t)D))
    for (int n = 0; n < N; n++) {
        float *out = y + (size_t)n * (size_t)D;
        size_t row = (size_t)ids[n] * (size_t)D;
        for (int d = 0; d < D; d++) {
            float v = table.dtype == TL_DTYPE_BF16 ? tl_bf16_to_f32(((const tl_bf16 *)table.data)[row + (size_t)d])
                                                   : ((const float *)table.data)[row + (size_t)d];
            out[d] = accumulate ? out[d] + v : v;
        }
    }
}

/* Columns are split among threads: each table row then takes its tokens in order. */
void TL_CPU(embed_back)(tl_stream *s, float *dtable, const float *dy, const int *ids, int N, int D)
{
#pragma omp parallel num_threads(s->threads) if (WORTH(s, (size_t)N * (size_t)D))
    {
        int t = omp_get_thread_num(), k = omp_get_num_threads();
        int from = (int)((long)D * t / k), to = (int)((long)D * (t + 1) / k);
        for (int n = 0; n < N; n++) {
            float *out = dtable + (size_t)ids[n] * (size_t)D;
            const float *in = dy + (size_t)n * (size_t)D;
            for (int d = from; d < to; d++) out[d] += in[d];
        }
    }
}
