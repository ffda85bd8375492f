/* simd.h - one vector type for the kernels of this folder, as wide as the instruction set they are compiled for.
 *
 * The files beside this one are compiled once per instruction set with TL_ISA naming it; TL_CPU(name) gives each copy
 * its own symbol (tl_linear_avx512).  Tails go through a padded copy (vf_part), so an element gets the same arithmetic
 * wherever in a vector it falls. */
#ifndef TL_BACKEND_CPU_SIMD_H
#define TL_BACKEND_CPU_SIMD_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TL_CPU_PASTE(name, isa)  tl_##name##_##isa
#define TL_CPU_EXPAND(name, isa) TL_CPU_PASTE(name, isa)
#define TL_CPU(name)             TL_CPU_EXPAND(name, TL_ISA)

#ifdef __AVX512F__
enum {
    W = 16
};
typedef __m512 vf;
typedef __m512i vi;
#define vf_load(p)      _mm512_loadu_ps(p)
#define vf_store(p, v)  _mm512_storeu_ps(p, v)
#define vf_set(x)       _mm512_set1_ps(x)
#define vf_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vf_max(a, b)    _mm512_max_ps(a, b)
#define vf_min(a, b)    _mm512_min_ps(a, b)
#define vf_sqrt(a)      _mm512_sqrt_ps(a)
#define vi_of(v)        _mm512_castps_si512(v)
#define vf_of(v)        _mm512_castsi512_ps(v)
#define vi_set(x)       _mm512_set1_epi32(x)
#define vi_add(a, b)    _mm512_add_epi32(a, b)
#define vi_sub(a, b)    _mm512_sub_epi32(a, b)
#define vi_shl(a, n)    _mm512_slli_epi32(a, n)
#define vi_shr(a, n)    _mm512_srli_epi32(a, n)
#define vi_or(a, b)     _mm512_or_si512(a, b)
#define vi_and(a, b)    _mm512_and_si512(a, b)
#else
enum {
    W = 8
};
typedef __m256 vf;
typedef __m256i vi;
#define vf_load(p)      _mm256_loadu_ps(p)
#define vf_store(p, v)  _mm256_storeu_ps(p, v)
#define vf_set(x)       _mm256_set1_ps(x)
#define vf_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vf_max(a, b)    _mm256_max_ps(a, b)
#define vf_min(a, b)    _mm256_min_ps(a, b)
#define vf_sqrt(a)      _mm256_sqrt_ps(a)
#define vi_of(v)        _mm256_castps_si256(v)
#define vf_of(v)        _mm256_castsi256_ps(v)
#define vi_set(x)       _mm256_set1_epi32(x)
#define vi_add(a, b)    _mm256_add_epi32(a, b)
#define vi_sub(a, b)    _mm256_sub_epi32(a, b)
#define vi_shl(a, n)    _mm256_slli_epi32(a, n)
#define vi_shr(a, n)    _mm256_srli_epi32(a, n)
#define vi_or(a, b)     _mm256_or_si256(a, b)
#define vi_and(a, b)    _mm256_and_si256(a, b)
#endif

/* The first n of W floats, the rest filled. */
static inline vf vf_part(const float *p, size_t n, float fill)
{
    float t[W];
    for (int i = 0; i < W; i++) t[i] = fill;
    memcpy(t, p, n * sizeof *t);
    return vf_load(t);
}

static inline void vf_store_part(float *p, vf v, size_t n)
{
    float t[W];
    vf_store(t, v);
    memcpy(p, t, n * sizeof *t);
}

/* The lanes' sum, halves added to halves: one order for every call. */
static inline float vf_sum(vf v)
{
#ifdef __AVX512F__
    __m256 w = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#else
    __m256 w = v;
#endif
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(w), _mm256_extractf128_ps(w, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

static inline float vf_top(vf v)
{
#ifdef __AVX512F__
    __m256 w = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#else
    __m256 w = v;
#endif
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(w), _mm256_extractf128_ps(w, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

/* W numbers to the nearest bf16. */
static inline void vf_store_bf16(uint16_t *p, vf v)
{
#ifdef __AVX512BF16__
    _mm256_storeu_si256((void *)p, (__m256i)_mm512_cvtneps_pbh(v));
#else
    vi bits = vi_of(v), odd = vi_and(vi_shr(bits, 16), vi_set(1));
    vi near = vi_shr(vi_add(vi_add(bits, vi_set(0x7fff)), odd), 16);
    vf nan = vf_of(vi_or(vi_shr(bits, 16), vi_set(0x40))); /* rounding might make a NaN zero */
    vi w = vi_of(_mm256_blendv_ps(vf_of(near), nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
    _mm_storeu_si128((void *)p, _mm_packus_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1)));
#endif
}

/* W pairs of bf16, low[i] in the low half of word i. */
static inline void vf_store_pairs(uint32_t *p, vf low, vf high)
{
#ifdef __AVX512BF16__
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_storeu_si512(p, _mm512_permutexvar_epi16(zip, (__m512i)_mm512_cvtne2ps_pbh(high, low)));
#else
    uint16_t a[W], b[W];
    vf_store_bf16(a, low);
    vf_store_bf16(b, high);
    for (int i = 0; i < W; i++) p[i] = (uint32_t)a[i] | (uint32_t)b[i] << 16;
#endif
}

/* 2^r for |r| <= 1/2: the polynomial of degree 6 through 1 whose largest relative error there is least, 2.5e-9. */
static inline vf vf_exp2_part(vf r)
{
    vf p = vf_set(1.54614448547e-4f);
    p = vf_fma(p, r, vf_set(1.3400427997e-3f));
    p = vf_fma(p, r, vf_set(9.6180569381e-3f));
    p = vf_fma(p, r, vf_set(5.5503271520e-2f));
    p = vf_fma(p, r, vf_set(2.4022650719e-1f));
    p = vf_fma(p, r, vf_set(6.9314718246e-1f));
    return vf_fma(p, r, vf_set(1.0f));
}

/* x to the nearest whole number. */
static inline vf vf_round(vf x)
{
#ifdef __AVX512F__
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#endif
}

/* p 2^n for whole n <= 127, and 0 where n < -126. */
static inline vf vf_scaled(vf p, vf n)
{
#ifdef __AVX512F__
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(n, vf_set(-126), _CMP_NLT_UQ), p, n);
#else
    vf power = vf_of(vi_shl(vi_add(_mm256_cvtps_epi32(n), vi_set(127)), 23)); /* the exponent's bits */
    return _mm256_andnot_ps(_mm256_cmp_ps(n, vf_set(-126), _CMP_LT_OQ), p * power);
#endif
}

/* 2^x for x < 127.5; exactly 1 at 0, and 0 below -126.5 (and at -infinity). */
static inline vf vf_exp2(vf x)
{
    vf n = vf_round(x);
    return vf_scaled(vf_exp2_part(x - n), n);
}

/* e^x = 2^n 2^r, r what is left of x log2 e when its nearest whole number n is taken off.  Below -87.6 the answer is 0,
 * above 88 it stays at e^88: no infinities are made here. */
static inline vf vf_exp(vf x)
{
    const vf log2e = vf_set(1.44269502163f), rest = vf_set(1.92596303e-8f);
    vf y = vf_min(vf_set(88.0f), x); /* the number second: a NaN stays one */
    vf n = vf_round(y * log2e);
    vf r = vf_fma(y, rest, vf_fma(y, log2e, vf_set(0) - n));
    return vf_scaled(vf_exp2_part(r), n);
}

#endif
