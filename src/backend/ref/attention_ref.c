/* attention_ref.c - rotary positions, the key/value pages, and causal attention over them.
 *
 * For a row at position t of its sequence and a head j, with g = j / (H / G) the key/value head it shares:
 *
 *     z_p = cap(scale q . k_p) log2 e,    P_p = 2^(z_p - lse),    o = sum over p of P_p v_p,    lse = log2 sum 2^z_p
 *
 * where p runs over what the row sees, t - window < p <= t, and cap(s) = c tanh(s / c).  Back, from do, keeping only
 * lse and o (the probabilities are computed again: Dao et al. 2022):
 *
 *     dv_p += P_p do,    dz_p = scale cap'(s_p) P_p (do . v_p - do . o),    dq += dz_p k_p,    dk_p += dz_p q
 *
 * Sums run over p in order; those of dk and dv over rows in order and, in a row, over the heads of the group.  In bf16
 * every factor of a product - q, k, v, P, do, dz - is rounded first; do . o is not, and neither is the sum of 2^z. */
#include "backend/ref/ref.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void tl_ref_rope(tl_stream *s, float *x, const int *positions, const float *cosines, const float *sines, int N,
                 int heads, int h, int w, bool inverse)
{
    int half = w / 2;
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        const float *c = cosines + (size_t)positions[n] * (size_t)half,
                    *d = sines + (size_t)positions[n] * (size_t)half;
        for (int j = 0; j < heads; j++) {
            float *a = x + ((size_t)n * (size_t)heads + (size_t)j) * (size_t)h, *b = a + half;
            for (int i = 0; i < half; i++) {
                float sine = inverse ? -d[i] : d[i], ai = a[i], bi = b[i];
                a[i] = ai * c[i] - bi * sine;
                b[i] = bi * c[i] + ai * sine;
            }
        }
    }
}

/* Number i of the key at position p for head g: its word, and which half of it where two share one. */
static uint32_t *key_word(const tl_attention *a, const tl_segment *seg, int p, int g, int i)
{
    bool pairs = a->type == TL_DTYPE_BF16;
    size_t words = (size_t)(pairs ? (a->h + 1) / 2 : a->h), w = (size_t)(pairs ? i / 2 : i);
    uint32_t *page = a->k + (size_t)seg->pages[p / TL_PAGE] * a->k_stride;
    return page + ((size_t)g * words + w) * TL_PAGE + p % TL_PAGE;
}

/* Likewise number i of the value at position p. */
static uint32_t *value_word(const tl_attention *a, const tl_segment *seg, int p, int g, int i)
{
    bool pairs = a->type == TL_DTYPE_BF16;
    size_t rows = pairs ? TL_PAGE / 2 : TL_PAGE, row = (size_t)(p % TL_PAGE / (pairs ? 2 : 1));
    uint32_t *page = a->v + (size_t)seg->pages[p / TL_PAGE] * a->v_stride;
    return page + ((size_t)g * rows + row) * (size_t)tl_head_padded(a->h) + i;
}

/* half: of a bf16 word, 0 the low one. */
static void put(const tl_attention *a, uint32_t *word, int half, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (a->type == TL_DTYPE_BF16)
        bits = half ? (*word & 0xffffu) | (uint32_t)tl_f32_to_bf16(x) << 16 : tl_f32_to_bf16(x); /* the other zero */
    *word = bits;
}

static float get(const tl_attention *a, const uint32_t *word, int half)
{
    float x;
    if (a->type == TL_DTYPE_BF16) return tl_bf16_to_f32((tl_bf16)(*word >> 16 * half));
    memcpy(&x, word, sizeof x);
    return x;
}

void tl_ref_kv_write(tl_stream *s, const tl_attention *a, const float *k, const float *v)
{
    int G = a->G, h = a->h, hp = tl_head_padded(h);
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int i = 0; i < a->n_segments; i++) {
        const tl_segment *seg = &a->segments[i];
        for (int t = 0; t < seg->rows; t++) {
            for (int g = 0; g < G; g++) {
                size_t at = ((size_t)(seg->row + t) * (size_t)G + (size_t)g) * (size_t)h;
                int p = seg->start + t;
                for (int e = 0; e < h; e++) put(a, key_word(a, seg, p, g, e), e % 2, k[at + (size_t)e]);
                for (int e = 0; e < hp; e++) put(a, value_word(a, seg, p, g, e), p % 2, e < h ? v[at + (size_t)e] : 0);
            }
        }
    }
}

/* x as a factor. */
static float factor(const tl_attention *a, float x)
{
    return a->type == TL_DTYPE_BF16 ? tl_bf16_to_f32(tl_f32_to_bf16(x)) : x;
}

static int first_seen(const tl_attention *a, int last)
{
    return a->window > 0 && last >= a->window ? last - a->window + 1 : 0;
}

/* The score of q . k in units of log2 e, and what a change of q . k makes of it in its own. */
static float score(const tl_attention *a, float dot, float *slope)
{
    const float log2e = 1.44269504089f;
    float s = dot * a->scale, t;
    *slope = a->scale;
    if (a->softcap <= 0) return s * log2e;
    t = tanhf(s / a->softcap);
    *slope = a->scale * (1 - t * t);
    return a->softcap * t * log2e;
}

static float score_of(const tl_attention *a, const tl_segment *seg, int p, int g, const float *q)
{
    float dot = 0, slope;
    for (int e = 0; e < a->h; e++) dot += factor(a, q[e]) * get(a, key_word(a, seg, p, g, e), e % 2);
    return score(a, dot, &slope);
}

/* One row and head: o[h] and *lse from q[h] and the positions up to last. */
static void attend(const tl_attention *a, const tl_segment *seg, int last, int g, float *o, float *lse, const float *q)
{
    int first = first_seen(a, last);
    float most = -INFINITY, sum = 0;
    for (int p = first; p <= last; p++) most = fmaxf(most, score_of(a, seg, p, g, q));
    memset(o, 0, (size_t)a->h * sizeof *o);
    for (int p = first; p <= last; p++) {
        float P = exp2f(score_of(a, seg, p, g, q) - most);
        sum += P;
        for (int e = 0; e < a->h; e++) o[e] += factor(a, P) * get(a, value_word(a, seg, p, g, e), p % 2);
    }
    for (int e = 0; e < a->h; e++) o[e] /= sum;
    *lse = most + log2f(sum);
}

void tl_ref_attention(tl_stream *s, const tl_attention *a, float *o, float *lse, const float *q)
{
    int H = a->H, share = a->H / a->G;
    for (int i = 0; i < a->n_segments; i++) {
        const tl_segment *seg = &a->segments[i];
#pragma omp parallel for num_threads(s->threads) schedule(static) collapse(2)
        for (int t = 0; t < seg->rows; t++) {
            for (int j = 0; j < H; j++) {
                size_t row = (size_t)(seg->row + t) * (size_t)H + (size_t)j, at = row * (size_t)a->h;
                attend(a, seg, seg->start + t, j / share, o + at, lse + row, q + at);
            }
        }
    }
}

static float dot(const tl_attention *a, const float *x, const float *y)
{
    float sum = 0;
    for (int i = 0; i < a->h; i++) sum += factor(a, x[i]) * factor(a, y[i]);
    return sum;
}

/* One row and head: its dq, and its part of dk and dv at the positions up to last; those lie stride floats apart. */
static void attend_back(const tl_attention *a, int last, size_t stride, float *dq, float *dk, float *dv,
                        const float *dout, const float *o, float lse, const float *q, const float *k, const float *v)
{
    int h = a->h;
    float doo = 0;
    for (int e = 0; e < h; e++) doo += dout[e] * o[e];
    memset(dq, 0, (size_t)h * sizeof *dq);
    for (int p = first_seen(a, last); p <= last; p++) {
        const float *key = k + (size_t)p * stride, *value = v + (size_t)p * stride;
        float *dkey = dk + (size_t)p * stride, *dvalue = dv + (size_t)p * stride, slope;
        float P = exp2f(score(a, dot(a, q, key), &slope) - lse), dz = slope * P * (dot(a, dout, value) - doo);
        for (int e = 0; e < h; e++) {
            dq[e] += factor(a, dz) * factor(a, key[e]);
            dkey[e] += factor(a, dz) * factor(a, q[e]);
            dvalue[e] += factor(a, P) * factor(a, dout[e]);
        }
    }
}

void tl_ref_attention_back(tl_stream *s, const tl_attention *a, float *dq, float *dk, float *dv, const float *dout,
                           const float *o, const float *lse, const float *q, const float *k, const float *v)
{
    int H = a->H, G = a->G, h = a->h, share = H / G;
    size_t stride = (size_t)G * (size_t)h;
    /* A thread takes a key/value head of a sequence: nobody else adds to its dk and dv. */
#pragma omp parallel for num_threads(s->threads) schedule(static) collapse(2)
    for (int i = 0; i < a->n_segments; i++) {
        for (int g = 0; g < G; g++) {
            const tl_segment *seg = &a->segments[i];
            assert(seg->start == 0);
            size_t first = (size_t)seg->row * stride + (size_t)g * (size_t)h;
            for (int t = 0; t < seg->rows; t++) {
                memset(dk + first + (size_t)t * stride, 0, (size_t)h * sizeof *dk);
                memset(dv + first + (size_t)t * stride, 0, (size_t)h * sizeof *dv);
            }
            for (int t = 0; t < seg->rows; t++) {
                for (int j = g * share; j < (g + 1) * share; j++) {
                    size_t row = (size_t)(seg->row + t) * (size_t)H + (size_t)j, at = row * (size_t)h;
                    attend_back(a, t, stride, dq + at, dk + first, dv + first, dout + at, o + at, lse[row], q + at,
                                k + first, v + first);
                }
            }
        }
    }
}
