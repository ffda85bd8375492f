/* words.h - numbers as they lie in memory into words of four bytes, sixteen at a time: an f32, or a pair of bf16s that
 * are neighbours along the sum of a product, the first one in the low half. */
#ifndef TL_BACKEND_CPU_WORDS_H
#define TL_BACKEND_CPU_WORDS_H

#include "backend/cpu/cpu.h"

/* Numbers in a word. */
static inline int each_of(bool pairs)
{
    return pairs ? 2 : 1;
}

static inline uint32_t word_of(float low, float high)
{
    return (uint32_t)tl_f32_to_bf16(low) | (uint32_t)tl_f32_to_bf16(high) << 16;
}

static inline uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Word w of a row of n floats; zero behind its end. */
static inline uint32_t word_at(const float *x, int n, int w, bool pairs)
{
    if (!pairs) return w < n ? float_bits(x[w]) : 0;
    return 2 * w >= n ? 0 : word_of(x[2 * w], 2 * w + 1 < n ? x[2 * w + 1] : 0);
}

#ifdef __AVX512F__
/* 16 x 16 words turned over their diagonal. */
static inline __attribute__((always_inline)) void transpose(__m512i *r)
{
    __m512i t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) { /* pairs of rows: words interleaved */
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* fours: r[i + j] holds column j of each quarter */
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) { /* quarters gathered over the four fours */
        __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88), b = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
        __m512i c = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd), d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
        t[j] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[8 + j] = _mm512_shuffle_i32x4(a, b, 0xdd);
        t[4 + j] = _mm512_shuffle_i32x4(c, d, 0x88);
        t[12 + j] = _mm512_shuffle_i32x4(c, d, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) r[i] = t[i];
}

static inline __mmask16 mask16(int n)
{
    return n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}

/* n <= 16 floats from p, as factors of the precision, zeros behind. */
static inline __attribute__((always_inline)) __m512i floats_of(const void *p, tl_dtype type, size_t from, int n,
                                                               bool narrow)
{
    if (type == TL_DTYPE_BF16) {
        __m256i v = _mm256_maskz_loadu_epi16(mask16(n), (const uint16_t *)p + from);
        return _mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16);
    }
    __m512 v = _mm512_maskz_loadu_ps(mask16(n), (const float *)p + from);
    if (!narrow) return _mm512_castps_si512(v);
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v)), 16);
}

/* n <= 32 numbers from p as 16 pairs, zeros behind. */
static inline __attribute__((always_inline)) __m512i pairs_of(const void *p, tl_dtype type, size_t from, int n)
{
    if (type == TL_DTYPE_BF16) {
        if (n >= 32) return _mm512_loadu_si512((const uint16_t *)p + from);
        return _mm512_maskz_loadu_epi16(((__mmask32)1 << n) - 1, (const uint16_t *)p + from);
    }
    const float *f = (const float *)p + from;
    __m512 low = _mm512_maskz_loadu_ps(mask16(n), f);
    __m512 high = n > 16 ? _mm512_maskz_loadu_ps(mask16(n - 16), f + 16) : _mm512_setzero_ps();
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* n <= 16 pairs of p's rows k and k + 1 (only the first where odd is false): neighbours along k, side by side. */
static inline __attribute__((always_inline)) __m512i pairs_across(const void *p, tl_dtype type, size_t from, size_t ld,
                                                                  int n, bool odd)
{
    const __mmask16 mask = mask16(n), second = odd ? mask : 0;
    /* Numbers 0 .. 15 are row k's, 16 .. 31 row k + 1's. */
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512i both;
    if (type == TL_DTYPE_BF16) {
        const uint16_t *row = (const uint16_t *)p + from;
        both = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi16(mask, row)),
                                  _mm256_maskz_loadu_epi16(second, row + ld), 1);
    } else {
        const float *row = (const float *)p + from;
        both = (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(second, row + ld), _mm512_maskz_loadu_ps(mask, row));
    }
    return _mm512_permutexvar_epi16(zip, both);
}

/* Up to 16 rows of p, ld apart, 16 words of each from index `from` on (`left` numbers are there), turned: r[i] holds
 * word i of every row. */
static inline __attribute__((always_inline)) void turned(__m512i *r, const void *p, tl_dtype type, size_t from,
                                                         size_t ld, int rows, int left, bool pairs, bool narrow)
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        size_t at = from + (size_t)i * ld;
        if (i >= rows)
            r[i] = _mm512_setzero_si512();
        else
            r[i] = pairs ? pairs_of(p, type, at, left) : floats_of(p, type, at, left, narrow);
    }
    transpose(r);
}

/* Words of a row of n floats, zeros up to `words` of them, a multiple of 16. */
static inline void words_of_row(uint32_t *out, const float *x, int n, int words, bool pairs)
{
    for (int w = 0; w < words; w += 16) {
        const int left = n - w * each_of(pairs), some = left < 0 ? 0 : left;
        __m512i v;
        if (left >= 16 * each_of(pairs)) /* constants, for the compiler */
            v = pairs ? pairs_of(x, TL_DTYPE_F32, (size_t)w * 2, 32) : floats_of(x, TL_DTYPE_F32, (size_t)w, 16, false);
        else
            v = pairs ? pairs_of(x, TL_DTYPE_F32, (size_t)w * 2, some)
                      : floats_of(x, TL_DTYPE_F32, (size_t)w, some, false);
        _mm512_storeu_si512(out + w, v);
    }
}

/* Pairs of rows x and x + ld (x alone where odd is false), n wide, zeros up to `words` of them. */
static inline void words_across(uint32_t *out, const float *x, size_t ld, int n, int words, bool odd)
{
    for (int w = 0; w < words; w += 16) {
        const int left = n - w < 0 ? 0 : n - w;
        _mm512_storeu_si512(out + w, left >= 16 && odd ? pairs_across(x, TL_DTYPE_F32, (size_t)w, ld, 16, true)
                                                       : pairs_across(x, TL_DTYPE_F32, (size_t)w, ld, left, odd));
    }
}

/* Up to 16 rows of n floats, turned: word w of row i is out[w * stride + i]; 16 words at each step are written, zeros
 * where there is no row. */
static inline void words_turned(uint32_t *out, size_t stride, const float *x, size_t ld, int rows, int n, bool pairs)
{
    const int each = each_of(pairs), words = (n + each - 1) / each;
    __m512i r[16];
    for (int w = 0; w < words; w += 16) {
        int left = n - w * each;
        if (rows == 16 && left >= 16 * each)
            turned(r, x, TL_DTYPE_F32, (size_t)w * (size_t)each, ld, 16, 16 * each, pairs, false);
        else
            turned(r, x, TL_DTYPE_F32, (size_t)w * (size_t)each, ld, rows, left < 16 * each ? left : 16 * each, pairs,
                   false);
        for (int i = 0; i < 16 && w + i < words; i++) _mm512_storeu_si512(out + (size_t)(w + i) * stride, r[i]);
    }
}
#else
static inline void words_of_row(uint32_t *out, const float *x, int n, int words, bool pairs)
{
    for (int w = 0; w < words; w++) out[w] = word_at(x, n, w, pairs);
}

static inline void words_across(uint32_t *out, const float *x, size_t ld, int n, int words, bool odd)
{
    for (int w = 0; w < words; w++) out[w] = w < n ? word_of(x[w], odd ? x[ld + (size_t)w] : 0) : 0;
}

static inline void words_turned(uint32_t *out, size_t stride, const float *x, size_t ld, int rows, int n, bool pairs)
{
    for (int w = 0; w < (n + each_of(pairs) - 1) / each_of(pairs); w++)
        for (int i = 0; i < 16; i++)
            out[(size_t)w * stride + (size_t)i] = i < rows ? word_at(x + (size_t)i * ld, n, w, pairs) : 0;
}
#endif

#endif
