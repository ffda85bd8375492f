/* pointwise_ref.c - what treats each number, or each row of a table, by itself: bias, the two activations,
 * scale, add, embedding.
 *
 *     silu(x) = x sigmoid(x)                       silu'(x) = sigmoid(x) (1 + x (1 - sigmoid(x)))
 *     gelu(x) = x/2 (1 + tanh u(x))                gelu'(x) = (1 + tanh u)/2 + x/2 (1 - tanh^2 u) u'(x)
 *     u(x) = sqrt(2/pi) (x + 0.044715 x^3)         u'(x) = sqrt(2/pi) (1 + 3 0.044715 x^2)
 *     exact(x) = x P(x)                            exact'(x) = P(x) + x exp(-x^2/2) / sqrt(2 pi)
 *     P(x) = (1 + erf(x / sqrt 2)) / 2 */
#include "backend/ref/ref.h"
#include "base/panels.h"

#include <assert.h>
#include <math.h>

void tl_ref_bias_back(tl_stream *s, float *db, const float *dy, int N, int D)
{
#pragma omp parallel num_threads(s->threads)
    {
        tl_ref_share c = tl_ref_share_of(D);
        for (int n = 0; n < N; n++)
            for (int i = c.from; i < c.to; i++) db[i] += dy[(size_t)n * (size_t)D + (size_t)i];
    }
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

void tl_ref_swiglu(tl_stream *s, float *y, const float *gate, const float *up, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

void tl_ref_swiglu_back(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float x = gate[i], u = up[i], d = dy[i], sig = sigmoid(x);
        y[i] = x * sig * u;
        dgate[i] = d * u * sig * (1.0f + x * (1.0f - sig));
        dup[i] = d * x * sig;
    }
}

static const float root_2_over_pi = 0.7978845608f, cubic = 0.044715f;

void tl_ref_gelu(tl_stream *s, float *y, const float *x, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float u = root_2_over_pi * (x[i] + cubic * x[i] * x[i] * x[i]);
        y[i] = 0.5f * x[i] * (1.0f + tanhf(u));
    }
}

void tl_ref_gelu_back(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float v = x[i], d = dy[i], t = tanhf(root_2_over_pi * (v + cubic * v * v * v));
        float du = root_2_over_pi * (1.0f + 3.0f * cubic * v * v);
        y[i] = 0.5f * v * (1.0f + t);
        dx[i] = d * (0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * du);
    }
}

void tl_ref_geglu(tl_stream *s, float *y, const float *gate, const float *up, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float x = gate[i], t = tanhf(root_2_over_pi * (x + cubic * x * x * x));
        y[i] = 0.5f * x * (1.0f + t) * up[i];
    }
}

void tl_ref_geglu_back(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                       const float *up, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float x = gate[i], u = up[i], d = dy[i], t = tanhf(root_2_over_pi * (x + cubic * x * x * x));
        float du = root_2_over_pi * (1.0f + 3.0f * cubic * x * x), bent = 0.5f * x * (1.0f + t);
        y[i] = bent * u;
        dgate[i] = d * u * (0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * du);
        dup[i] = d * bent;
    }
}

static float normal_below(float x)
{
    return 0.5f * erfcf(-x * 0.70710678f); /* erfc: 1 + erf would lose the digits of the lower tail */
}

void tl_ref_gelu_exact(tl_stream *s, float *y, const float *x, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) y[i] = x[i] * normal_below(x[i]);
}

void tl_ref_gelu_exact_back(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float v = x[i], d = dy[i], below = normal_below(v);
        y[i] = v * below;
        dx[i] = d * (below + v * 0.3989422804f * expf(-0.5f * v * v));
    }
}

void tl_ref_gain(tl_stream *s, float *y, const float *x, const float *g, const float *b, const float *add, int N, int D)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++)
        for (int d = 0; d < D; d++) {
            size_t at = (size_t)n * (size_t)D + (size_t)d;
            y[at] = (add ? add[at] : 0) + x[at] * g[d] + (b ? b[d] : 0);
        }
}

void tl_ref_gain_back(tl_stream *s, float *dm, const float *dy, const float *x, const float *norm, int N, int D)
{
#pragma omp parallel num_threads(s->threads)
    {
        tl_ref_share c = tl_ref_share_of(D);
        for (int n = 0; n < N; n++)
            for (int d = c.from; d < c.to; d++) {
                size_t at = (size_t)n * (size_t)D + (size_t)d;
                dm[d] += dy[at] * x[at] / norm[d];
            }
    }
}

void tl_ref_scale(tl_stream *s, float *x, float a, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) x[i] *= a;
}

void tl_ref_add(tl_stream *s, float *y, const float *x, float a, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

void tl_ref_embed(tl_stream *s, float *y, tl_matrix table, const int *ids, int N, int D, bool accumulate)
{
    const float *wide = table.data;
    const tl_bf16 *narrow = table.data;
    const bool panels = tl_panels_known(table.dtype);
    assert(panels || table.dtype == TL_DTYPE_F32 || table.dtype == TL_DTYPE_BF16);
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        size_t row = (size_t)ids[n] * (size_t)D;
        float *out = y + (size_t)n * (size_t)D, *widened = tl_ref_scratch(s);
        if (panels) {
            assert((size_t)D * sizeof *widened <= s->scratch_each);
            tl_panels_row(table.dtype, widened, table.data, (size_t)D, (size_t)ids[n]);
            for (int i = 0; i < D; i++) out[i] = accumulate ? out[i] + widened[i] : widened[i];
            continue;
        }
        for (int i = 0; i < D; i++) {
            size_t at = row + (size_t)i;
            float e = table.dtype == TL_DTYPE_F32 ? wide[at] : tl_bf16_to_f32(narrow[at]);
            out[i] = accumulate ? out[i] + e : e;
        }
    }
}

void tl_ref_embed_back(tl_stream *s, float *dtable, const float *dy, const int *ids, int N, int D)
{
    /* An id may come twice, so threads divide columns, not rows. */
#pragma omp parallel num_threads(s->threads)
    {
        tl_ref_share c = tl_ref_share_of(D);
        for (int n = 0; n < N; n++) {
            float *out = dtable + (size_t)ids[n] * (size_t)D;
            for (int i = c.from; i < c.to; i++) out[i] += dy[(size_t)n * (size_t)D + (size_t)i];
        }
    }
}
