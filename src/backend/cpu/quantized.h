/* quantized.h - panels of quantized weights (base/panels.h) as vectors: what the files that multiply them share.
 *
 * A vector has W lanes, a lane a row of the panel: AVX-512 takes a panel as two vectors, AVX2 as four.  The 4 W bytes
 * of a quad hold four numbers of each row. */
#ifndef TL_BACKEND_CPU_QUANTIZED_H
#define TL_BACKEND_CPU_QUANTIZED_H

#include "backend/cpu/cpu.h"
#include "base/panels.h"

typedef unsigned char byte;

#ifdef __AVX512F__
#define vi_load(p)      _mm512_loadu_si512(p)
#define vi_and(a, b)    _mm512_and_si512(a, b)
#define vi_xor(a, b)    _mm512_xor_si512(a, b)
#define vi_shr(a, n)    _mm512_srli_epi32(a, n)
#define vi_set8(x)      _mm512_set1_epi8(x)
#define vi_bytes(p)     _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vi_to_vf(v)     _mm512_cvtepi32_ps(v)
#define vi_look(t, i)   _mm512_shuffle_epi8(t, i)
#define vi_table(p)     _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vf_half(p)      _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define vf_halves_of(v) _mm512_cvtph_ps(v)
#else
#define vi_load(p)      _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define vi_and(a, b)    _mm256_and_si256(a, b)
#define vi_xor(a, b)    _mm256_xor_si256(a, b)
#define vi_shr(a, n)    _mm256_srli_epi32(a, n)
#define vi_set8(x)      _mm256_set1_epi8(x)
#define vi_bytes(p)     _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p)))
#define vi_to_vf(v)     _mm256_cvtepi32_ps(v)
#define vi_look(t, i)   _mm256_shuffle_epi8(t, i)
#define vi_table(p)     _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vf_half(p)      _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vf_halves_of(v) _mm256_cvtph_ps(v)
#endif

/* What a block's scales are made of, from the header of its group, for the W rows from `row` on. */
typedef struct group_scales {
    vf a, b; /* Q4_K: d, m; NF4: mean, step */
} group_scales;

static inline __attribute__((always_inline)) group_scales group_scales_of(tl_dtype t, const byte *group, int row)
{
    group_scales g = { vf_set(0), vf_set(0) };
    if (t == TL_DTYPE_Q4_K) {
        g.a = vf_half(group + 2 * row);
        g.b = vf_half(group + 64 + 2 * row);
    } else if (t == TL_DTYPE_NF4) {
        float mean_step[2];
        memcpy(mean_step, group, sizeof mean_step);
        g.a = vf_set(mean_step[0]);
        g.b = vf_set(mean_step[1]);
    }
    return g;
}

/* W E4M3s as floats of 1/256 of their value (nf4.c). */
static inline __attribute__((always_inline)) vf vf_e4m3(const byte *p)
{
#ifdef __AVX512F__
    __m256i c = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
    __m256i sign = _mm256_slli_epi16(_mm256_and_si256(c, _mm256_set1_epi16(0x80)), 8);
    return vf_halves_of(_mm256_or_si256(sign, _mm256_slli_epi16(_mm256_and_si256(c, _mm256_set1_epi16(0x7f)), 7)));
#else
    __m128i c = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p));
    __m128i sign = _mm_slli_epi16(_mm_and_si128(c, _mm_set1_epi16(0x80)), 8);
    return vf_halves_of(_mm_or_si128(sign, _mm_slli_epi16(_mm_and_si128(c, _mm_set1_epi16(0x7f)), 7)));
#endif
}

/* The scale of W rows in block b, and of Q4_K the minimum. */
static inline __attribute__((always_inline)) vf block_scale(tl_dtype t, vf *min, group_scales g, const byte *group,
                                                            const byte *block, size_t b, int row)
{
    *min = vf_set(0);
    if (t == TL_DTYPE_NF4) return g.a + g.b * vf_e4m3(group + 64 + b % 16 / 2 * TL_PANEL + (size_t)row);
    if (t != TL_DTYPE_Q4_K) return vf_half(block + 2 * row);
    *min = g.b * vi_to_vf(vi_bytes(block + 32 + row));
    return g.a * vi_to_vf(vi_bytes(block + row));
}

/* NF4's levels in whole numbers, 128 added; its first 16 bytes once more as they are. */
static const byte nf4_bytes[16] = { 1, 40, 61, 78, 92, 105, 116, 128, 138, 148, 159, 171, 184, 199, 220, 255 };
static const signed char nf4_signed[16] = { -127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127 };

/* The codes of quad k of W rows, a byte each; codes point at the rows' first quad. */
static inline __attribute__((always_inline)) vi quad_of(tl_dtype t, const byte *codes, int k)
{
    if (t == TL_DTYPE_Q8_0) return vi_load(codes + k * 128);
    vi v = vi_load(codes + k % 4 * 128);
    return vi_and(k < 4 ? v : vi_shr(v, 4), vi_set8(15));
}

#endif
