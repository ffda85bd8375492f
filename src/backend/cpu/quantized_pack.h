/* quantized_pack.h - quantized weights widened into panels of words, in place of linear_pack.h's.
 *
 *     the forward   b(k, n): n a row of weights, k a number of it. A panel of weights lies so already, four numbers
 * deep: byte j of a vector of quads is number 4k + j of W rows, one vector of words dx            b(k, n): k a row of
 * weights.  NR columns are a block or half of one; a row's codes of it are gathered, 4 bytes at a time, and widened
 * with the row's scale
 *
 * So a product in f32 or bf16 reads the quantized weights from memory, and no more of them is ever wide than a panel
 * of words.  The numbers are those of tl_panels_row. */
#ifndef TL_BACKEND_CPU_QUANTIZED_PACK_H
#define TL_BACKEND_CPU_QUANTIZED_PACK_H

#include "backend/cpu/quantized.h"

/* A matrix of weights [O, I] in panels. */
typedef struct panels {
    const byte *data;
    tl_dtype type;
    size_t I;
} panels;

static inline const byte *panel_at(const panels *w, size_t row)
{
    return w->data + row / TL_PANEL * tl_panel_bytes(w->type, w->I);
}

/* Numbers j of a quad's codes, a lane a row, widened. */
static inline __attribute__((always_inline)) vf widened(tl_dtype t, vi codes, int j, vf scale, vf min)
{
    vi q = vi_and(vi_shr(codes, 8 * j), vi_set(255));
    if (t == TL_DTYPE_NF4) {
#ifdef __AVX512F__
        return _mm512_permutexvar_ps(q, _mm512_loadu_ps(tl_nf4_levels)) * scale;
#else
        const vf low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(tl_nf4_levels), q);
        const vf high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(tl_nf4_levels + 8), q);
        return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(vi_shl(q, 28))) * scale; /* by bit 3 */
#endif
    }
    if (t == TL_DTYPE_Q8_0) q = vi_sub(q, vi_set(128));
    if (t == TL_DTYPE_Q4_0) q = vi_sub(q, vi_set(8));
    vf x = vi_to_vf(q) * scale;
    if (t == TL_DTYPE_Q4_K) x = x - min;
    return x;
}

/* Rounded to bf16, kept as f32. */
static inline __attribute__((always_inline)) vf vf_narrowed(vf v)
{
    const vi bits = vi_of(v), odd = vi_and(vi_shr(bits, 16), vi_set(1));
    return vf_of(vi_and(vi_add(bits, vi_add(odd, vi_set(0x7fff))), vi_set((int)0xffff0000)));
}

/* Two vectors of numbers as pairs, lane by lane: even in the lower half. */
static inline __attribute__((always_inline)) vi vi_pairs(vf even, vf odd)
{
    const vi low = vi_shr(vi_of(vf_narrowed(even)), 16);
    return vi_add(low, vi_of(vf_narrowed(odd))); /* no bit meets another */
}

/* Words of W rows of weights from n0 on, numbers k0 .. k0+kc-1 (k0 a multiple of 4), `stride` words apart.  Beyond the
 * last number words are unspecified, up to three. */
static inline __attribute__((always_inline)) void widen_columns(uint32_t *out, size_t stride, tl_dtype t,
                                                                const panels *w, size_t k0, size_t kc, size_t n0,
                                                                bool pairs, bool narrow)
{
    const byte *panel = panel_at(w, n0);
    const int row = (int)(n0 % TL_PANEL);
    for (size_t k = k0; k < k0 + kc;) {
        const size_t b = k / TL_PANEL_BLOCK,
                     end = (b + 1) * TL_PANEL_BLOCK < k0 + kc ? (b + 1) * TL_PANEL_BLOCK : k0 + kc;
        const byte *group = panel + tl_panel_group_at(t, b), *block = panel + tl_panel_block_at(t, b);
        vf min, scale = block_scale(t, &min, group_scales_of(t, group, row), group, block, b, row);
        for (; k < end; k += 4) {
            vi codes = quad_of(t, block + tl_panel_form_of(t).scales + row * 4, (int)(k % TL_PANEL_BLOCK / 4));
            vf x[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) x[j] = widened(t, codes, j, scale, min);
            if (pairs) {
                vf_store((float *)(void *)out, vf_of(vi_pairs(x[0], x[1])));
                vf_store((float *)(void *)(out + stride), vf_of(vi_pairs(x[2], x[3])));
                out += 2 * stride;
                continue;
            }
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++, out += stride)
                vf_store((float *)(void *)out, narrow ? vf_narrowed(x[j]) : x[j]);
        }
    }
}

/* Numbers i0 .. i0+15 (a multiple of 16) of row o, widened. */
static inline __attribute__((always_inline)) void widen_row(float out[16], tl_dtype t, const panels *w, size_t o,
                                                            size_t i0, const float *scales, const float *mins)
{
    const size_t b = i0 / TL_PANEL_BLOCK, r = o % TL_PANEL;
    const bool second = i0 % TL_PANEL_BLOCK != 0;
    const byte *codes = panel_at(w, o) + tl_panel_block_at(t, b) + tl_panel_form_of(t).scales + r * 4;
    byte q[16];
    for (int k = 0; k < 4; k++) memcpy(q + 4 * k, codes + (t == TL_DTYPE_Q8_0 && second ? 4 + k : k) * 128, 4);
    if (t != TL_DTYPE_Q8_0)
        for (int i = 0; i < 16; i++) q[i] = second ? q[i] >> 4 : q[i] & 15;
    for (int i = 0; i < 16; i += W) {
        vi wide = vi_bytes(q + i);
        vf_store(out + i, widened(t, wide, 0, vf_set(scales[r]), vf_set(mins[r])));
    }
}

/* Words of 16 columns from i0 (a multiple of 16) on, of rows o0 .. o0+n-1, `stride` words apart. */
static inline __attribute__((always_inline)) void widen_rows(uint32_t *out, size_t stride, tl_dtype t, const panels *w,
                                                             size_t o0, size_t n, size_t i0, bool pairs, bool narrow)
{
    const size_t b = i0 / TL_PANEL_BLOCK;
    float scales[TL_PANEL], mins[TL_PANEL];
    for (size_t o = o0; o < o0 + n; out += stride) {
        float x[2][16] = { { 0 } };
        for (int j = 0; j < (pairs ? 2 : 1) && o < o0 + n; j++, o++) {
            if (o == o0 || o % TL_PANEL == 0) {
                const byte *group = panel_at(w, o) + tl_panel_group_at(t, b);
                const byte *block = panel_at(w, o) + tl_panel_block_at(t, b);
                for (int r = 0; r < TL_PANEL; r += W) {
                    vf min, scale = block_scale(t, &min, group_scales_of(t, group, r), group, block, b, r);
                    vf_store(scales + r, scale);
                    vf_store(mins + r, min);
                }
            }
            widen_row(x[j], t, w, o, i0, scales, mins);
        }
        for (int i = 0; i < 16; i += W) {
            vf v = vf_load(x[0] + i);
            v = pairs ? vf_of(vi_pairs(v, vf_load(x[1] + i))) : narrow ? vf_narrowed(v) : v;
            vf_store((float *)(void *)(out + i), v);
        }
    }
}

static inline __attribute__((always_inline)) void widen_as(uint32_t *out, size_t columns, tl_dtype t, const panels *w,
                                                           bool by_k, size_t k0, size_t kc, size_t n0, size_t nr,
                                                           bool pairs, bool narrow)
{
    if (by_k) {
        for (size_t i = 0; i < columns; i += 16)
            if (i < nr) widen_rows(out + i, columns, t, w, k0, kc, n0 + i, pairs, narrow);
    } else {
        for (size_t n = 0; n < columns; n += W)
            if (n < nr) widen_columns(out + n, columns, t, w, k0, kc, n0 + n, pairs, narrow);
    }
}

/* A panel of words [words][columns] of a matrix of weights [O, I]: kc numbers along k from k0 on, nr columns from n0
 * on; by_k: k counts rows.  Columns past nr hold anything, words past the last up to a multiple of 16 are zero. */
static __attribute__((noinline)) void widen_panel(uint32_t *out, size_t columns, const panels *w, bool by_k, size_t k0,
                                                  size_t kc, size_t n0, size_t nr, bool pairs, bool narrow)
{
#define TL_WIDEN(t)                                                                                                    \
    if (pairs)                                                                                                         \
        widen_as(out, columns, t, w, by_k, k0, kc, n0, nr, true, true);                                                \
    else                                                                                                               \
        widen_as(out, columns, t, w, by_k, k0, kc, n0, nr, false, narrow)
    if (w->type == TL_DTYPE_Q8_0) {
        TL_WIDEN(TL_DTYPE_Q8_0);
    } else if (w->type == TL_DTYPE_Q4_0) {
        TL_WIDEN(TL_DTYPE_Q4_0);
    } else if (w->type == TL_DTYPE_Q4_K) {
        TL_WIDEN(TL_DTYPE_Q4_K);
    } else {
        TL_WIDEN(TL_DTYPE_NF4);
    }
#undef TL_WIDEN
}

#endif
