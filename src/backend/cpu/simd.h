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
    float t[W];
    vf_store(t, v);
    for (int n = W / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) t[i] += t[i + n];
    return t[0];
}

static inline float vf_top(vf v)
{
    float t[W];
    vf_store(t, v);
    float m = t[0];
    for (int i = 1; i < W; i++) m = t[i] > m ? t[i] : m;
    return m;
}

/* e^x: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its series to the seventh power (truncation below 2e-8 there), 2^n
 * put into the exponent's bits.  Below -87 the answer is 0, above 88 it stays at e^88: no infinities are made here. */
static inline vf vf_exp(vf x)
{
    const vf magic = vf_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    vf low = vf_max(vf_set(-88.0f), x);   /* the number second: a NaN stays one */
    vf y = vf_min(vf_set(88.0f), low);
    vf t = vf_fma(y, vf_set(1.44269504088896341f), magic);
    vf n = t - magic;
    vf r = vf_fma(n, vf_set(-0.693359375f), y);
    r = vf_fma(n, vf_set(2.12194440e-4f), r);
    vf p = vf_set(1.0f / 5040);
    p = vf_fma(p, r, vf_set(1.0f / 720));
    p = vf_fma(p, r, vf_set(1.0f / 120));
    p = vf_fma(p, r, vf_set(1.0f / 24));
    p = vf_fma(p, r, vf_set(1.0f / 6));
    p = vf_fma(p, r, vf_set(0.5f));
    p = vf_fma(p, r, vf_set(1.0f));
    p = vf_fma(p, r, vf_set(1.0f));
    vi e = vi_shl(vi_sub(vi_of(t), vi_of(magic)), 23);
    vf v = vf_of(vi_add(vi_of(p), e));
#ifdef __AVX512F__
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, vf_set(-87.0f), _CMP_LT_OQ), v, vf_set(0));
#else
    return _mm256_andnot_ps(_mm256_cmp_ps(x, vf_set(-87.0f), _CMP_LT_OQ), v);
#endif
}

#endif
