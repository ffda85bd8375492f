/* linear_few.h - products of few rows, as in decoding: weights straight from where they lie, through registers only.
 *
 * A weight meets only M rows, so nothing may be done to it that costs more than reading it from memory.  16 rows of the
 * weight, 16 words of each, are loaded and turned over in registers; word k of all 16 is then one vector, and each of
 * the M sums takes its step along k.  That is the chain of linear_tile.h, so the bits are the same for every M.
 *
 * Turning costs 64 shuffles a kilobyte: 16 bytes a cycle, more than a core's share of memory.  Sixteen rows are sixteen
 * streams, more than the hardware follows, so their lines are asked for here: AHEAD bytes along the row, and at its end
 * the beginning of the rows that come next. */
#ifndef TL_BACKEND_CPU_LINEAR_FEW_H
#define TL_BACKEND_CPU_LINEAR_FEW_H

#include "backend/cpu/linear_pack.h"

#ifdef __AVX512F__
enum {
    FEW = 8,
    AHEAD = 3072
};

/* Columns n0 .. n0+nr-1 of the product, nr <= 16; x [M][words]; M and the type are constants where this is inlined. */
static inline __attribute__((always_inline)) void few_columns(int M, bool pairs, tl_dtype type, const product *p,
                                                              const uint32_t *x, size_t x_ld, int n0, int nr)
{
    const bool narrow = p->precision == TL_PRECISION_BF16;
    const int each = each_of(pairs), words = (p->K + each - 1) / each;
    const size_t wide = type == TL_DTYPE_BF16 ? 2 : 4, ld = (size_t)p->ldb, row = ld * wide;
    const size_t first = (size_t)n0 * ld, step = 16 * (size_t)each * wide;
    const __mmask16 mask = mask16(nr);
    vf sum[FEW];
    __m512i r[16];
    for (int m = 0; m < M; m++)
        sum[m] = p->from ? _mm512_maskz_loadu_ps(mask, p->from + (size_t)m * (size_t)p->N + (size_t)n0) : vf_set(0);
    const char *near = (const char *)p->b + first * wide;
    for (int w = 0; w < words; w += 16) {
        const size_t here = (size_t)w / 16 * step;
        const char *next = near + here + AHEAD + (here + AHEAD < row ? 0 : 15 * row); /* the row's, or 16 rows on */
        const int left = p->K - w * each;
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            _mm_prefetch(next + (size_t)i * row, _MM_HINT_T0);
        }
        if (nr == 16 && left >= 16 * each)
            turned(r, p->b, type, first + (size_t)(w * each), ld, 16, 16 * each, pairs, narrow);
        else
            turned(r, p->b, type, first + (size_t)(w * each), ld, nr, left < 16 * each ? left : 16 * each, pairs,
                   narrow);
        const int stop = words - w;
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (i >= stop) break;
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) {
                __m512i a = _mm512_set1_epi32((int)x[(size_t)m * x_ld + (size_t)(w + i)]);
                sum[m] = pairs ? _mm512_dpbf16_ps(sum[m], (__m512bh)a, (__m512bh)r[i])
                               : _mm512_fmadd_ps(vf_of(a), vf_of(r[i]), sum[m]);
            }
        }
    }
    for (int m = 0; m < M; m++) {
        if (p->bias) sum[m] += _mm512_maskz_loadu_ps(mask, p->bias + n0);
        _mm512_mask_storeu_ps(p->c + (size_t)m * (size_t)p->N + (size_t)n0, mask, sum[m]);
    }
}

typedef void few_fn(const product *p, const uint32_t *x, size_t x_ld, int n0, int n1);

#define TL_FEW_OF(M)                                                                                                   \
    static void few_##M(const product *p, const uint32_t *x, size_t x_ld, int n0, int n1)                              \
    {                                                                                                                  \
        const bool narrow = p->b_type == TL_DTYPE_BF16;                                                                \
        for (int n = n0; n < n1; n += 16) {                                                                            \
            int nr = n1 - n < 16 ? n1 - n : 16;                                                                        \
            if (in_pairs(p) && narrow)                                                                                 \
                few_columns(M, true, TL_DTYPE_BF16, p, x, x_ld, n, nr);                                                \
            else if (in_pairs(p))                                                                                      \
                few_columns(M, true, TL_DTYPE_F32, p, x, x_ld, n, nr);                                                 \
            else if (narrow)                                                                                           \
                few_columns(M, false, TL_DTYPE_BF16, p, x, x_ld, n, nr);                                               \
            else                                                                                                       \
                few_columns(M, false, TL_DTYPE_F32, p, x, x_ld, n, nr);                                                \
        }                                                                                                              \
    }
TL_FEW_OF(1)
TL_FEW_OF(2)
TL_FEW_OF(3)
TL_FEW_OF(4)
TL_FEW_OF(5)
TL_FEW_OF(6)
TL_FEW_OF(7)
TL_FEW_OF(8)

static few_fn *const few_of[FEW] = { few_1, few_2, few_3, few_4, few_5, few_6, few_7, few_8 };

/* Words of a row of x, a whole number of lines. */
static inline size_t few_row_words(const product *p)
{
    return ((size_t)(p->K + each_of(in_pairs(p)) - 1) / (size_t)each_of(in_pairs(p)) + 15) / 16 * 16;
}

/* Whether this way is open: few rows that fit into the scratch.  AMX adds in another order, so it keeps its own. */
static inline bool few_rows(const product *p)
{
    return p->M <= FEW && !p->a_by_k && !p->b_by_k && !(AMX && in_pairs(p)) &&
           (size_t)p->M * few_row_words(p) * 4 <= TL_PRODUCT_SCRATCH;
}

/* x as words, row by row. */
static void few_pack(uint32_t *out, const product *p)
{
    const bool pairs = in_pairs(p), narrow = p->precision == TL_PRECISION_BF16;
    const size_t ld = few_row_words(p);
    const int numbers = 16 * each_of(pairs);
    for (int m = 0; m < p->M; m++)
        for (int k = 0; k < p->K; k += numbers) {
            int n = p->K - k < numbers ? p->K - k : numbers;
            size_t from = (size_t)m * (size_t)p->lda + (size_t)k;
            __m512i v = pairs ? pairs_of(p->a, TL_DTYPE_F32, from, n) : floats_of(p->a, TL_DTYPE_F32, from, n, narrow);
            _mm512_storeu_si512(out + (size_t)m * ld + (size_t)k / (size_t)each_of(pairs), v);
        }
}
#endif

#endif
