/* linear_cpu.c - the three matrix products, one loop nest.
 *
 *     for m, n:  c[m][n] = sum over k, in order, of a[m][k] * b[k][n]
 *
 * The forward, the gradient to the input and the gradient to the weight are this loop with a and b read along different
 * strides; packing hides the strides, so one micro-kernel serves all three.
 *
 * The micro-kernel holds an MR x NR tile of c in registers and walks k: two vectors of b, MR broadcasts of a, 2 MR
 * multiply-adds.  AVX-512 has 32 registers: 14 x 2 sums, 2 of b, 1 broadcast, 1 spare; AVX2 has 16: 6 x 2 sums.
 * At 14 x 32 each loaded byte of b meets 14 rows, so the units, not the loads, are the limit.
 *
 * b is packed into panels of NR columns, KC deep: a slab of KC x NC (256 x 512 floats, 512 KiB) stays in the
 * second-level cache while every tile of a passes over it; the tile of a (14 x 256 floats, 14 KiB) stays in the first.
 * c is reloaded once per KC steps, 2 MR loads for 2 MR * 256 multiply-adds.
 *
 * Threads split rows where there are many, columns where there are few; neither changes a sum: each element of c is one
 * chain along k, the same for every M.  In bf16 the chain takes k in pairs (vdpbf16ps); without that instruction both
 * factors are rounded to bf16 while packing and the f32 chain is used. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/simd.h"

#include <assert.h>
#include <omp.h>

enum {
    NR = 2 * W,
    KC = 256,
    NC = 512
};
#ifdef __AVX512F__
enum {
    MR = 14
};
#else
enum {
    MR = 6
};
#endif

#ifdef __AVX512BF16__
#define BF16_PAIRS 1
#else
#define BF16_PAIRS 0
#endif

typedef struct product {
    int M, N, K;
    const float *a; /* a(m,k) = a[m * lda + k], or a[k * lda + m] where a_by_k */
    int lda;
    bool a_by_k;
    const void *b; /* b(k,n) = b[n * ldb + k], or b[k * ldb + n] where b_by_k; f32 or bf16 */
    tl_dtype b_type;
    int ldb;
    bool b_by_k;
    float *c;          /* [M, N] */
    const float *from; /* [M, N], what c starts from: c itself, or apart from it; NULL: zero */
    const float *bias; /* [N], added last; NULL: none */
    tl_precision precision;
} product;

/* ---- packing ---- */

static inline float rounded(float x)
{
    return tl_bf16_to_f32(tl_f32_to_bf16(x));
}

static void rows_to_f32(float *out, const void *row, tl_dtype type, size_t from, int n, tl_precision precision)
{
    if (type == TL_DTYPE_BF16) {
        const uint16_t *p = (const uint16_t *)row + from;
        for (int i = 0; i < n; i++) out[i] = tl_bf16_to_f32(p[i]);
    } else {
        const float *p = (const float *)row + from;
        if (precision == TL_PRECISION_BF16)
            for (int i = 0; i < n; i++) out[i] = rounded(p[i]);
        else
            memcpy(out, p, (size_t)n * sizeof *out);
    }
}

/* A panel of b: [kc][NR], columns past nr zero. */
static void pack_b(float *out, const product *p, int k0, int kc, int n0, int nr)
{
    float row[KC];
    if (p->b_by_k) {
        for (int k = 0; k < kc; k++) {
            float *o = out + (size_t)k * NR;
            rows_to_f32(o, p->b, p->b_type, (size_t)(k0 + k) * (size_t)p->ldb + (size_t)n0, nr, p->precision);
            for (int n = nr; n < NR; n++) o[n] = 0;
        }
        return;
    }
    for (int n = 0; n < NR; n++) {
        if (n < nr)
            rows_to_f32(row, p->b, p->b_type, (size_t)(n0 + n) * (size_t)p->ldb + (size_t)k0, kc, p->precision);
        else
            memset(row, 0, sizeof row);
        for (int k = 0; k < kc; k++) out[(size_t)k * NR + (size_t)n] = row[k];
    }
}

/* A tile of a: [mr][KC] by rows, or [kc][MR] where a lies by k. */
static void pack_a(float *out, const product *p, int k0, int kc, int m0, int mr)
{
    if (p->a_by_k) {
        for (int k = 0; k < kc; k++)
            rows_to_f32(out + (size_t)k * MR, p->a, TL_DTYPE_F32, (size_t)(k0 + k) * (size_t)p->lda + (size_t)m0, mr,
                        p->precision);
        return;
    }
    for (int m = 0; m < mr; m++)
        rows_to_f32(out + (size_t)m * KC, p->a, TL_DTYPE_F32, (size_t)(m0 + m) * (size_t)p->lda + (size_t)k0, kc,
                    p->precision);
}

#if BF16_PAIRS
/* n floats or bf16s to bf16, rounded to nearest even. */
static void rows_to_bf16(uint16_t *out, const void *row, tl_dtype type, size_t from, int n)
{
    if (type == TL_DTYPE_BF16) {
        memcpy(out, (const uint16_t *)row + from, (size_t)n * sizeof *out);
        return;
    }
    const float *p = (const float *)row + from;
    int i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(void *)(out + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(p + i)));
    for (; i < n; i++) out[i] = tl_f32_to_bf16(p[i]);
}

/* Two rows k, k+1 of n columns, interleaved into pairs. */
static void interleave(uint32_t *out, const uint16_t *even, const uint16_t *odd, int n)
{
    for (int i = 0; i < n; i++) out[i] = (uint32_t)even[i] | (uint32_t)odd[i] << 16;
}

static void pack_b_pairs(uint32_t *out, const product *p, int k0, int kc, int n0, int nr)
{
    int pairs = (kc + 1) / 2;
    if (p->b_by_k) {
        uint16_t even[NR] = { 0 }, odd[NR] = { 0 };
        for (int k = 0; k < pairs; k++) {
            size_t from = (size_t)(k0 + 2 * k) * (size_t)p->ldb + (size_t)n0;
            rows_to_bf16(even, p->b, p->b_type, from, nr);
            if (2 * k + 1 < kc)
                rows_to_bf16(odd, p->b, p->b_type, from + (size_t)p->ldb, nr);
            else
                memset(odd, 0, sizeof odd);
            interleave(out + (size_t)k * NR, even, odd, NR);
        }
        return;
    }
    uint16_t row[KC + 1];
    for (int n = 0; n < NR; n++) {
        memset(row, 0, sizeof row);
        if (n < nr) rows_to_bf16(row, p->b, p->b_type, (size_t)(n0 + n) * (size_t)p->ldb + (size_t)k0, kc);
        for (int k = 0; k < pairs; k++)
            out[(size_t)k * NR + (size_t)n] = (uint32_t)row[2 * k] | (uint32_t)row[2 * k + 1] << 16;
    }
}

/* [mr][KC/2] by rows, or [kc/2][MR] where a lies by k. */
static void pack_a_pairs(uint32_t *out, const product *p, int k0, int kc, int m0, int mr)
{
    if (p->a_by_k) {
        uint16_t even[MR] = { 0 }, odd[MR] = { 0 };
        for (int k = 0; k < (kc + 1) / 2; k++) {
            size_t from = (size_t)(k0 + 2 * k) * (size_t)p->lda + (size_t)m0;
            rows_to_bf16(even, p->a, TL_DTYPE_F32, from, mr);
            if (2 * k + 1 < kc)
                rows_to_bf16(odd, p->a, TL_DTYPE_F32, from + (size_t)p->lda, mr);
            else
                memset(odd, 0, sizeof odd);
            interleave(out + (size_t)k * MR, even, odd, MR);
        }
        return;
    }
    for (int m = 0; m < mr; m++) {
        uint16_t *row = (uint16_t *)(void *)(out + (size_t)m * (KC / 2));
        rows_to_bf16(row, p->a, TL_DTYPE_F32, (size_t)(m0 + m) * (size_t)p->lda + (size_t)k0, kc);
        if (kc % 2) row[kc] = 0;
    }
}
#endif

/* ---- the micro-kernel ---- */

/* What a tile reads and writes besides a and b: c [rows][n] with row stride ld. */
typedef struct target {
    float *c;
    const float *from; /* NULL: the sums start at zero */
    const float *bias; /* NULL: none, or not yet */
    size_t ld;
    int n;
} target;

/* c = from + a b + bias for one tile: `rows`, `row_stride` and `k_stride` are constants where this is inlined. */
static inline __attribute__((always_inline)) void tile(int rows, size_t row_stride, size_t k_stride, bool pairs,
                                                       const void *a, const void *b, int steps, target t)
{
    vf sum[MR][2];
    float edge[MR * NR], bias[NR] = { 0 };
    const int n = t.n;
    const size_t from_ld = t.ld;
    float *at = t.c;
    const float *from = t.from;
    size_t ld = t.ld;
    if (n < NR) { /* the last columns: work on a padded copy */
        at = edge;
        ld = NR;
        for (int m = 0; m < rows && from; m++)
            memcpy(edge + m * NR, from + (size_t)m * from_ld, (size_t)n * sizeof *edge);
    }
    const float *start = n < NR ? edge : from;
    if (t.bias) memcpy(bias, t.bias, (size_t)n * sizeof *bias);
#pragma GCC unroll 14
    for (int m = 0; m < rows; m++) {
        sum[m][0] = from ? vf_load(start + (size_t)m * ld) : vf_set(0);
        sum[m][1] = from ? vf_load(start + (size_t)m * ld + W) : vf_set(0);
    }
    for (int k = 0; k < steps; k++) {
#if BF16_PAIRS
        if (pairs) {
            const uint32_t *pa = (const uint32_t *)a + (size_t)k * k_stride;
            __m512bh b0 = (__m512bh)_mm512_loadu_si512((const uint32_t *)b + (size_t)k * NR);
            __m512bh b1 = (__m512bh)_mm512_loadu_si512((const uint32_t *)b + (size_t)k * NR + W);
#pragma GCC unroll 14
            for (int m = 0; m < rows; m++) {
                __m512bh x = (__m512bh)_mm512_set1_epi32((int)pa[(size_t)m * row_stride]);
                sum[m][0] = _mm512_dpbf16_ps(sum[m][0], x, b0);
                sum[m][1] = _mm512_dpbf16_ps(sum[m][1], x, b1);
            }
            continue;
        }
#else
        (void)pairs;
#endif
        const float *pa = (const float *)a + (size_t)k * k_stride;
        vf b0 = vf_load((const float *)b + (size_t)k * NR), b1 = vf_load((const float *)b + (size_t)k * NR + W);
#pragma GCC unroll 14
        for (int m = 0; m < rows; m++) {
            vf x = vf_set(pa[(size_t)m * row_stride]);
            sum[m][0] = vf_fma(x, b0, sum[m][0]);
            sum[m][1] = vf_fma(x, b1, sum[m][1]);
        }
    }
#pragma GCC unroll 14
    for (int m = 0; m < rows; m++) {
        if (t.bias) {
            sum[m][0] += vf_load(bias);
            sum[m][1] += vf_load(bias + W);
        }
        vf_store(at + (size_t)m * ld, sum[m][0]);
        vf_store(at + (size_t)m * ld + W, sum[m][1]);
    }
    if (n < NR)
        for (int m = 0; m < rows; m++) memcpy(t.c + (size_t)m * t.ld, edge + m * NR, (size_t)n * sizeof *edge);
}

/* A tile of mr rows, whole or in the pieces the compiler has whole loops for. */
static inline __attribute__((always_inline)) void tiles(int mr, size_t row_stride, size_t k_stride, bool pairs,
                                                        const char *a, const void *b, int steps, target t)
{
    if (mr == MR) {
        tile(MR, row_stride, k_stride, pairs, a, b, steps, t);
        return;
    }
    size_t bytes = row_stride * 4; /* an element of a is a float or a pair of bf16: four bytes */
    for (int m = 0; m < mr;) {
        int rows = mr - m >= 4 ? 4 : 1;
        if (rows == 4)
            tile(4, row_stride, k_stride, pairs, a, b, steps, t);
        else
            tile(1, row_stride, k_stride, pairs, a, b, steps, t);
        m += rows;
        a += (size_t)rows * bytes;
        t.c += (size_t)rows * t.ld;
        if (t.from) t.from += (size_t)rows * t.ld;
    }
}

/* Rows m0..m1 and columns n0..n1 of the product, by one thread with its scratch. */
static void block(const product *p, int m0, int m1, int n0, int n1, char *scratch)
{
    const bool pairs = BF16_PAIRS && p->precision == TL_PRECISION_BF16;
    float *slab = (float *)(void *)scratch; /* [NC/NR][KC][NR] */
    float *ta = slab + (size_t)KC * NC;     /* [MR][KC] */
    for (int nc = n0; nc < n1; nc += NC) {
        int n_end = nc + NC < n1 ? nc + NC : n1;
        for (int k0 = 0; k0 < p->K; k0 += KC) {
            int kc = p->K - k0 < KC ? p->K - k0 : KC;
            const float *from = k0 > 0 ? p->c : p->from;
            const float *bias = k0 + kc == p->K ? p->bias : NULL;
            for (int n = nc; n < n_end; n += NR) {
                int nr = n_end - n < NR ? n_end - n : NR;
                float *panel = slab + (size_t)(n - nc) * KC;
#if BF16_PAIRS
                if (pairs) {
                    pack_b_pairs((uint32_t *)(void *)panel, p, k0, kc, n, nr);
                    continue;
                }
#endif
                pack_b(panel, p, k0, kc, n, nr);
            }
            for (int m = m0; m < m1; m += MR) {
                int mr = m1 - m < MR ? m1 - m : MR;
                int steps = kc;
#if BF16_PAIRS
                if (pairs) {
                    pack_a_pairs((uint32_t *)(void *)ta, p, k0, kc, m, mr);
                    steps = (kc + 1) / 2;
                } else
#endif
                    pack_a(ta, p, k0, kc, m, mr);
                for (int n = nc; n < n_end; n += NR) {
                    int nr = n_end - n < NR ? n_end - n : NR;
                    const float *panel = slab + (size_t)(n - nc) * KC;
                    size_t at = (size_t)m * (size_t)p->N + (size_t)n;
                    target t = { p->c + at, from ? from + at : NULL, bias ? bias + n : NULL, (size_t)p->N, nr };
                    const char *a = (const char *)ta;
                    if (p->a_by_k && pairs)
                        tiles(mr, 1, MR, true, a, panel, steps, t);
                    else if (p->a_by_k)
                        tiles(mr, 1, MR, false, a, panel, steps, t);
                    else if (pairs)
                        tiles(mr, KC / 2, 1, true, a, panel, steps, t);
                    else
                        tiles(mr, KC, 1, false, a, panel, steps, t);
                }
            }
        }
    }
}

_Static_assert(((size_t)KC * NC + (size_t)MR * KC) * sizeof(float) <= TL_PRODUCT_SCRATCH,
               "the stream's scratch holds a slab and a tile");

static void multiply(tl_stream *s, const product *p)
{
    assert(p->N > 0 && p->K > 0);
    if (p->M <= 0) return;
    int tiles_m = (p->M + MR - 1) / MR, panels = (p->N + NR - 1) / NR;
    /* Below a quarter of a million multiply-adds, waking a second thread costs more than it saves. */
    int threads = (double)p->M * p->N * p->K < 250000 ? 1 : s->threads;
    bool by_rows = tiles_m >= 4 * threads;
    int parts = by_rows ? tiles_m : panels;
    if (threads > parts) threads = parts;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int t = omp_get_thread_num(), n = omp_get_num_threads();
        int from = (int)((long)parts * t / n), to = (int)((long)parts * (t + 1) / n);
        char *scratch = s->scratch + (size_t)t * s->scratch_each;
        if (by_rows) {
            int m1 = to * MR < p->M ? to * MR : p->M;
            block(p, from * MR, m1, 0, p->N, scratch);
        } else {
            int n1 = to * NR < p->N ? to * NR : p->N;
            block(p, 0, p->M, from * NR, n1, scratch);
        }
    }
}

void TL_CPU(linear)(tl_stream *s, const tl_product *list, int n, const float *x, int N, int I)
{
    for (int i = 0; i < n; i++) {
        const tl_product *w = &list[i];
        product p = { .M = N,
                      .N = w->O,
                      .K = I,
                      .a = x,
                      .lda = I,
                      .b = w->w.data,
                      .b_type = w->w.dtype,
                      .ldb = I,
                      .c = w->y,
                      .from = w->add,
                      .bias = w->bias,
                      .precision = s->precision };
        multiply(s, &p);
    }
}

/* dx[n][i] = sum over o of dy[n][o] w[o][i]. */
void TL_CPU(linear_dx)(tl_stream *s, float *dx, const tl_product_back *list, int n, int N, int I, bool accumulate)
{
    for (int i = 0; i < n; i++) {
        const tl_product_back *w = &list[i];
        product p = { .M = N,
                      .N = I,
                      .K = w->O,
                      .a = w->dy,
                      .lda = w->O,
                      .b = w->w.data,
                      .b_type = w->w.dtype,
                      .ldb = I,
                      .b_by_k = true,
                      .c = dx,
                      .from = accumulate || i > 0 ? dx : NULL,
                      .precision = s->precision };
        multiply(s, &p);
    }
}

/* dw[o][i] = sum over n of dy[n][o] x[n][i]. */
void TL_CPU(linear_dw)(tl_stream *s, float *dw, const float *dy, const float *x, int N, int O, int I, bool accumulate)
{
    product p = { .M = O,
                  .N = I,
                  .K = N,
                  .a = dy,
                  .lda = O,
                  .a_by_k = true,
                  .b = x,
                  .b_type = TL_DTYPE_F32,
                  .ldb = I,
                  .b_by_k = true,
                  .c = dw,
                  .from = accumulate ? dw : NULL,
                  .precision = s->precision };
    multiply(s, &p);
}
