/* attention_ref.c - rotary positions, the key/value pages, and causal attention over them.
 *
 * For a row at position t of its sequence and a head j, with g = j / (H / G) the key/value head it shares:
 *
 *     z_p = scale q . k_p,    P_p = exp(z_p - lse),    o = sum over p <= t of P_p v_p,    lse = log sum exp z_p
 *
 * and back, from do, keeping only lse and o (the probabilities are computed again: Dao et al. 2022):
 *
 *     dv_p += P_p do,    dz_p = P_p (do . v_p - do . o),    dq += scale dz_p k_p,    dk_p += scale dz_p q
 *
 * Sums run over p in order; those of dk and dv over rows in order and, in a row, over the heads of the group. */
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

/* Number 0 of the key at position p for head g; number i lies i * TL_PAGE further. */
static float *key_at(const tl_attention *a, const tl_segment *seg, int p, int g)
{
    return a->k + (size_t)seg->pages[p / TL_PAGE] * a->k_stride + (size_t)g * (size_t)a->h * TL_PAGE + p % TL_PAGE;
}

/* The value at position p for head g. */
static float *value_at(const tl_attention *a, const tl_segment *seg, int p, int g)
{
    return a->v + (size_t)seg->pages[p / TL_PAGE] * a->v_stride +
           ((size_t)g * TL_PAGE + (size_t)(p % TL_PAGE)) * (size_t)tl_head_padded(a->h);
}

void tl_ref_kv_write(tl_stream *s, const tl_attention *a, const float *k, const float *v)
{
    int G = a->G, h = a->h, hp = tl_head_padded(h);
    for (int i = 0; i < a->n_segments; i++) {
        const tl_segment *seg = &a->segments[i];
#pragma omp parallel for num_threads(s->threads) schedule(static)
        for (int t = 0; t < seg->rows; t++) {
            for (int g = 0; g < G; g++) {
                size_t at = ((size_t)(seg->row + t) * (size_t)G + (size_t)g) * (size_t)h;
                float *key = key_at(a, seg, seg->start + t, g), *value = value_at(a, seg, seg->start + t, g);
                for (int e = 0; e < h; e++) key[(size_t)e * TL_PAGE] = k[at + (size_t)e];
                for (int e = 0; e < hp; e++) value[e] = e < h ? v[at + (size_t)e] : 0;
            }
        }
    }
}

/* One row and head: o[h] and *lse from q[h] and the positions 0 .. last. */
static void attend(const tl_attention *a, const tl_segment *seg, int last, int g, float *o, float *lse, const float *q,
                   float *scores)
{
    float most = -INFINITY, sum = 0;
    for (int p = 0; p <= last; p++) {
        const float *key = key_at(a, seg, p, g);
        float z = 0;
        for (int e = 0; e < a->h; e++) z += q[e] * key[(size_t)e * TL_PAGE];
        scores[p] = z * a->scale;
        most = fmaxf(most, scores[p]);
    }
    for (int p = 0; p <= last; p++) sum += scores[p] = expf(scores[p] - most);
    memset(o, 0, (size_t)a->h * sizeof *o);
    for (int p = 0; p <= last; p++) {
        const float *value = value_at(a, seg, p, g);
        for (int e = 0; e < a->h; e++) o[e] += scores[p] * value[e];
    }
    for (int e = 0; e < a->h; e++) o[e] /= sum;
    *lse = most + logf(sum);
}

void tl_ref_attention(tl_stream *s, const tl_attention *a, float *o, float *lse, const float *q)
{
    int H = a->H, share = a->H / a->G;
    for (int i = 0; i < a->n_segments; i++) {
        const tl_segment *seg = &a->segments[i];
        assert((size_t)(seg->start + seg->rows) * sizeof(float) <= s->scratch_each);
#pragma omp parallel for num_threads(s->threads) schedule(static) collapse(2)
        for (int t = 0; t < seg->rows; t++) {
            for (int j = 0; j < H; j++) {
                size_t row = (size_t)(seg->row + t) * (size_t)H + (size_t)j, at = row * (size_t)a->h;
                attend(a, seg, seg->start + t, j / share, o + at, lse + row, q + at, tl_ref_scratch(s));
            }
        }
    }
}

static float dot(const float *x, const float *y, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* One row and head: its dq, and its part of dk and dv at the positions 0 .. last; those lie stride floats apart. */
static void attend_back(const tl_attention *a, int last, size_t stride, float *dq, float *dk, float *dv,
                        const float *dout, const float *o, float lse, const float *q, const float *k, const float *v)
{
    int h = a->h;
    float doo = dot(dout, o, h);
    memset(dq, 0, (size_t)h * sizeof *dq);
    for (int p = 0; p <= last; p++) {
        const float *key = k + (size_t)p * stride, *value = v + (size_t)p * stride;
        float *dkey = dk + (size_t)p * stride, *dvalue = dv + (size_t)p * stride;
        float P = expf(dot(q, key, h) * a->scale - lse), dz = P * (dot(dout, value, h) - doo) * a->scale;
        for (int e = 0; e < h; e++) {
            dq[e] += dz * key[e];
            dkey[e] += dz * q[e];
            dvalue[e] += P * dout[e];
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
