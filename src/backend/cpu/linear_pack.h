/* linear_pack.h - numbers as they lie in memory into words as the micro-kernel reads them.
 *
 *     a tile of a    [words][MR], the rows of a step side by side; for AMX [2 TILE][KC], row by row
 *     a panel of b   [words][NR], columns past the matrix zero
 *
 * Where b lies by columns (the forward: a weight's row is a column) a panel is a transposition, and so is a tile where
 * a lies by rows: 16 x 16 words turn in registers, 64 shuffles for a kilobyte.  Where they lie by k, two rows are
 * interleaved. */
#ifndef TL_BACKEND_CPU_LINEAR_PACK_H
#define TL_BACKEND_CPU_LINEAR_PACK_H

#include "backend/cpu/linear_product.h"
#include "backend/cpu/quantized_pack.h"
#include "backend/cpu/words.h"

enum {
    PACKED_TOGETHER = 16
};

/* A panel of b from quantized weights; words past the last up to a tile's end are zero. */
static inline void pack_quantized(uint32_t *out, const product *p, int k0, int kc, int n0, int nr)
{
    const panels w = { p->b, p->b_type, (size_t)p->ldb };
    const int words = (kc + each_of(in_pairs(p)) - 1) / each_of(in_pairs(p)), stop = (words + TILE - 1) / TILE * TILE;
    widen_panel(out, NR, &w, p->b_by_k, (size_t)k0, (size_t)kc, (size_t)n0, (size_t)nr, in_pairs(p),
                p->precision == TL_PRECISION_BF16);
    memset(out + (size_t)words * NR, 0, (size_t)(stop - words) * NR * sizeof *out);
}

/* Words a packed tile takes: the last step's store runs past its rows. */
static inline size_t tile_words(bool pairs, int kc)
{
    return AMX && pairs ? (size_t)MR_PAIRS * KC : ((size_t)kc * MR + 31) / 16 * 16;
}

#ifdef __AVX512F__
/* Words from .. of up to 16 rows of a matrix of type `type`, turned and stored `stride` words apart; `stop` words are
 * written, those past the numbers zero. */
static inline __attribute__((always_inline)) void pack_turned(uint32_t *out, size_t stride, const void *p,
                                                              tl_dtype type, size_t from, size_t ld, int rows, int kc,
                                                              int stop, bool pairs, bool narrow)
{
    const int each = each_of(pairs), whole = kc / (16 * each) * 16;
    __m512i r[16];
    for (int w = 0; w < stop; w += 16) {
        const size_t at = from + (size_t)(w * each);
        if (rows == 16 && w < whole) { /* constants, for the compiler */
            turned(r, p, type, at, ld, 16, 16 * each, pairs, narrow);
        } else if (rows == MR && w < whole) {
            turned(r, p, type, at, ld, MR, 16 * each, pairs, narrow);
        } else {
            int left = kc - w * each < 0 ? 0 : kc - w * each < 16 * each ? kc - w * each : 16 * each;
            turned(r, p, type, at, ld, rows, left, pairs, narrow);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            if (w + i < stop) _mm512_storeu_si512(out + (size_t)(w + i) * stride, r[i]);
    }
}

/* The same where a step's numbers lie side by side: up to 16 columns of rows ld apart. */
static inline __attribute__((always_inline)) void pack_across(uint32_t *out, size_t stride, const void *p,
                                                              tl_dtype type, size_t from, size_t ld, int columns,
                                                              int kc, int stop, bool pairs, bool narrow)
{
    const int each = each_of(pairs);
    for (int w = 0; w < stop; w++) {
        const int k = w * each;
        size_t at = from + (size_t)k * ld;
        __m512i v = _mm512_setzero_si512();
        if (k < kc && columns > 0)
            v = pairs ? pairs_across(p, type, at, ld, columns, k + 1 < kc) : floats_of(p, type, at, columns, narrow);
        _mm512_storeu_si512(out + (size_t)w * stride, v);
    }
}

/* A panel of b from number k0 and column n0 on: kc numbers deep, nr columns wide. */
static inline __attribute__((always_inline)) void pack_panel_as(uint32_t *out, const product *p, tl_dtype type,
                                                                bool pairs, int k0, int kc, int n0, int nr)
{
    const int words = (kc + each_of(pairs) - 1) / each_of(pairs);
    const int stop = AMX && pairs ? (words + TILE - 1) / TILE * TILE : words;
    const bool narrow = p->precision == TL_PRECISION_BF16;
    const size_t ld = (size_t)p->ldb;
    for (int half = 0; half < NR; half += 16) {
        int n = nr - half < 0 ? 0 : nr - half < 16 ? nr - half : 16;
        if (p->b_by_k)
            pack_across(out + half, NR, p->b, type, (size_t)k0 * ld + (size_t)(n0 + half), ld, n, kc, stop, pairs,
                        narrow);
        else
            pack_turned(out + half, NR, p->b, type, (size_t)(n0 + half) * ld + (size_t)k0, ld, n, kc, stop, pairs,
                        narrow);
    }
}

static void pack_panel(uint32_t *out, const product *p, int k0, int kc, int n0, int nr)
{
    if (tl_panels_known(p->b_type))
        pack_quantized(out, p, k0, kc, n0, nr);
    else if (in_pairs(p) && p->b_type == TL_DTYPE_BF16)
        pack_panel_as(out, p, TL_DTYPE_BF16, true, k0, kc, n0, nr);
    else if (in_pairs(p))
        pack_panel_as(out, p, TL_DTYPE_F32, true, k0, kc, n0, nr);
    else if (p->b_type == TL_DTYPE_BF16)
        pack_panel_as(out, p, TL_DTYPE_BF16, false, k0, kc, n0, nr);
    else
        pack_panel_as(out, p, TL_DTYPE_F32, false, k0, kc, n0, nr);
}

#if AMX
/* A tile of a for AMX, row by row; rows and words past the last are left as they are or zero. */
static void pack_rows(uint32_t *out, const product *p, int k0, int kc, int m0, int mr)
{
    const int words = (kc + 1) / 2;
    if (!p->a_by_k) {
        for (int m = 0; m < mr; m++) {
            size_t from = (size_t)(m0 + m) * (size_t)p->lda + (size_t)k0;
            for (int w = 0; w < words; w += 16) {
                int left = kc - 2 * w < 32 ? kc - 2 * w : 32;
                _mm512_storeu_si512(out + (size_t)m * KC + w, pairs_of(p->a, TL_DTYPE_F32, from + 2 * (size_t)w, left));
            }
        }
        return;
    }
    for (int half = 0; half < mr; half += 16) {
        int n = mr - half < 16 ? mr - half : 16;
        for (int w = 0; w < words; w += 16) {
            __m512i r[16];
            for (int i = 0; i < 16; i++) {
                size_t from = (size_t)(k0 + 2 * (w + i)) * (size_t)p->lda + (size_t)(m0 + half);
                r[i] = w + i < words ? pairs_across(p->a, TL_DTYPE_F32, from, (size_t)p->lda, n, 2 * (w + i) + 1 < kc)
                                     : _mm512_setzero_si512();
            }
            transpose(r);
            for (int i = 0; i < n; i++) _mm512_storeu_si512(out + (size_t)(half + i) * KC + w, r[i]);
        }
    }
}
#endif

/* Tiles whose rows lie side by side at each step of k, all in one pass: a line of memory is met once. */
static inline __attribute__((always_inline)) void pack_tiles_across(uint32_t *out, size_t tile, const product *p,
                                                                    bool pairs, int k0, int kc, int m0, const int *rows,
                                                                    int n)
{
    const int each = each_of(pairs), words = (kc + each - 1) / each;
    const bool narrow = p->precision == TL_PRECISION_BF16;
    const size_t ld = (size_t)p->lda;
    for (int w = 0; w < words; w++, out += MR) {
        size_t at = (size_t)(k0 + w * each) * ld + (size_t)m0;
        for (int i = 0; i < n; at += (size_t)rows[i++]) {
            __m512i v = pairs ? pairs_across(p->a, TL_DTYPE_F32, at, ld, rows[i], w * each + 1 < kc)
                              : floats_of(p->a, TL_DTYPE_F32, at, rows[i], narrow);
            _mm512_storeu_si512(out + (size_t)i * tile, v);
        }
    }
}

/* n <= PACKED_TOGETHER tiles of a, `tile` words apart, from row m0 and number k0 on: rows[i] rows each, kc numbers. */
static void pack_tiles(uint32_t *out, size_t tile, const product *p, int k0, int kc, int m0, const int *rows, int n)
{
    const bool pairs = in_pairs(p), narrow = p->precision == TL_PRECISION_BF16;
    const int words = (kc + each_of(pairs) - 1) / each_of(pairs);
    if (p->a_by_k && !(AMX && pairs)) {
        if (pairs)
            pack_tiles_across(out, tile, p, true, k0, kc, m0, rows, n);
        else
            pack_tiles_across(out, tile, p, false, k0, kc, m0, rows, n);
        return;
    }
    for (int i = 0; i < n; m0 += rows[i++], out += tile) {
        const size_t from = (size_t)m0 * (size_t)p->lda + (size_t)k0, ld = (size_t)p->lda;
#if AMX
        if (pairs) {
            pack_rows(out, p, k0, kc, m0, rows[i]);
            continue;
        }
#endif
        if (pairs)
            pack_turned(out, MR, p->a, TL_DTYPE_F32, from, ld, rows[i], kc, words, true, narrow);
        else
            pack_turned(out, MR, p->a, TL_DTYPE_F32, from, ld, rows[i], kc, words, false, narrow);
    }
}
#else

/* n numbers of p from index `from` on as factors of the precision, `step` floats apart. */
static inline void spread(float *out, size_t step, const void *p, tl_dtype type, size_t from, int n, bool narrow)
{
    for (int i = 0; i < n; i++) {
        float x = type == TL_DTYPE_BF16 ? tl_bf16_to_f32(((const tl_bf16 *)p)[from + (size_t)i])
                                        : ((const float *)p)[from + (size_t)i];
        out[(size_t)i * step] = narrow ? tl_bf16_to_f32(tl_f32_to_bf16(x)) : x;
    }
}

/* kc steps of `wide` numbers, `stride` apart: n of them from the matrix, the others zero. */
static void pack_steps(uint32_t *words, int wide, const void *p, tl_dtype type, bool by_k, size_t ld, int k0, int kc,
                       int n0, int n, bool narrow)
{
    float *out = (float *)(void *)words;
    if (n < wide) memset(out, 0, (size_t)kc * (size_t)wide * sizeof *out);
    if (by_k)
        for (int k = 0; k < kc; k++)
            spread(out + (size_t)k * (size_t)wide, 1, p, type, (size_t)(k0 + k) * ld + (size_t)n0, n, narrow);
    else
        for (int i = 0; i < n; i++)
            spread(out + i, (size_t)wide, p, type, (size_t)(n0 + i) * ld + (size_t)k0, kc, narrow);
}

static void pack_panel(uint32_t *out, const product *p, int k0, int kc, int n0, int nr)
{
    if (tl_panels_known(p->b_type))
        pack_quantized(out, p, k0, kc, n0, nr);
    else
        pack_steps(out, NR, p->b, p->b_type, p->b_by_k, (size_t)p->ldb, k0, kc, n0, nr,
                   p->precision == TL_PRECISION_BF16);
}

static void pack_tiles(uint32_t *out, size_t tile, const product *p, int k0, int kc, int m0, const int *rows, int n)
{
    for (int i = 0; i < n; m0 += rows[i++], out += tile)
        pack_steps(out, MR, p->a, TL_DTYPE_F32, p->a_by_k, (size_t)p->lda, k0, kc, m0, rows[i],
                   p->precision == TL_PRECISION_BF16);
}
#endif

#endif
