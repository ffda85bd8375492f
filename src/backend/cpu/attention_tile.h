/* attention_tile.h - the small products inside attention: scores, values gathered by them, and their gradients.
 *
 *     c[m][n] = c[m][n] factor[m] + sum over k, in order, of a(m,k) b(k,n)
 *
 * a and b are words: floats, or pairs of bf16s that are neighbours along k.  a is met a word at a time, broadcast; b a
 * vector at a time.  b may lie in pieces: keys and values come in pages.
 *
 * The micro-kernel holds rows x 2 vectors of c.  AVX-512 takes 8 rows: 16 sums cover the latency of 4 to 6 cycles at
 * two multiply-adds a cycle, and of the 10 loads of a step 8 are broadcasts of a word, so the units are the limit with
 * b in the first-level cache.  AVX2 has 16 registers: 4 rows.  Without vdpbf16ps a pair is two multiply-adds. */
#ifndef TL_BACKEND_CPU_ATTENTION_TILE_H
#define TL_BACKEND_CPU_ATTENTION_TILE_H

#include "backend/cpu/words.h"

#ifdef __AVX512F__
enum {
    TILE_ROWS = 8
};
#else
enum {
    TILE_ROWS = 4
};
#endif
enum {
    TILE_WIDE = 2 * W
};

/* a(m,k): at[m * ld + k], or at[k * ld + m] where by_step. */
typedef struct words_a {
    const uint32_t *at;
    size_t ld;
    bool by_step;
} words_a;

/* b(k,n) = piece[k / each][k % each * ld + n] */
typedef struct words_b {
    const uint32_t *const *piece;
    int each;
    size_t ld;
} words_b;

typedef struct words_c {
    float *at;
    size_t ld;
    const float *factor; /* NULL: 1 */
    bool fresh;          /* c starts from zero */
} words_c;

static inline vf vf_word(const uint32_t *p)
{
    return vf_load((const float *)(const void *)p);
}

/* One step: sum[m][j] += a(m) b[j]. */
static inline __attribute__((always_inline)) void tile_step(int rows, int wide, bool pairs, bool by_step, vf (*sum)[2],
                                                            const uint32_t *a, size_t ld, const uint32_t *b)
{
    vf x[2];
#pragma GCC unroll 2
    for (int j = 0; j < wide; j++) x[j] = vf_word(b + j * W);
#ifndef __AVX512BF16__
    vf high[2];
    for (int j = 0; j < wide && pairs; j++) {
        high[j] = vf_of(vi_and(vi_of(x[j]), vi_set((int)0xffff0000u)));
        x[j] = vf_of(vi_shl(vi_of(x[j]), 16));
    }
#endif
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
        const uint32_t word = a[by_step ? (size_t)m : (size_t)m * ld];
        const vi w = vi_set((int)word);
#pragma GCC unroll 2
        for (int j = 0; j < wide; j++) {
#ifdef __AVX512BF16__
            sum[m][j] =
                pairs ? _mm512_dpbf16_ps(sum[m][j], (__m512bh)w, (__m512bh)x[j]) : vf_fma(vf_of(w), x[j], sum[m][j]);
#else
            if (pairs) {
                sum[m][j] = vf_fma(vf_of(vi_shl(w, 16)), x[j], sum[m][j]);
                sum[m][j] = vf_fma(vf_of(vi_and(w, vi_set((int)0xffff0000u))), high[j], sum[m][j]);
            } else
                sum[m][j] = vf_fma(vf_of(w), x[j], sum[m][j]);
#endif
        }
    }
}

static inline __attribute__((always_inline)) void tile(int rows, int wide, bool pairs, bool by_step, words_c c,
                                                       const uint32_t *a, size_t ld, words_b b, int n, int steps)
{
    vf sum[TILE_ROWS][2];
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
#pragma GCC unroll 2
        for (int j = 0; j < wide; j++) {
            sum[m][j] = c.fresh ? vf_set(0) : vf_load(c.at + (size_t)m * c.ld + (size_t)(n + j * W));
            if (c.factor) sum[m][j] *= vf_set(c.factor[m]);
        }
    }
    for (int k = 0, p = 0, here; k < steps; k += here, p++) {
        here = steps - k < b.each ? steps - k : b.each;
        const uint32_t *at = b.piece[p] + n;
        for (int i = 0; i < here; i++, at += b.ld, a += by_step ? ld : 1)
            tile_step(rows, wide, pairs, by_step, sum, a, ld, at);
    }
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
#pragma GCC unroll 2
        for (int j = 0; j < wide; j++) vf_store(c.at + (size_t)m * c.ld + (size_t)(n + j * W), sum[m][j]);
    }
}

static inline __attribute__((always_inline)) void multiply_as(bool pairs, bool by_step, words_c c, words_a a, words_b b,
                                                              int M, int N, int steps)
{
    for (int m = 0; m < M;) {
        const int rows = M - m >= 8 && TILE_ROWS == 8 ? 8 : M - m >= 4 ? 4 : M - m >= 2 ? 2 : 1;
        const uint32_t *am = a.at + (by_step ? (size_t)m : (size_t)m * a.ld);
        const words_c cm = { c.at + (size_t)m * c.ld, c.ld, c.factor ? c.factor + m : NULL, c.fresh };
        int n = 0;
        for (; n + TILE_WIDE <= N; n += TILE_WIDE) {
            if (rows == 8)
                tile(TILE_ROWS, 2, pairs, by_step, cm, am, a.ld, b, n, steps);
            else if (rows == 4)
                tile(4, 2, pairs, by_step, cm, am, a.ld, b, n, steps);
            else if (rows == 2)
                tile(2, 2, pairs, by_step, cm, am, a.ld, b, n, steps);
            else
                tile(1, 2, pairs, by_step, cm, am, a.ld, b, n, steps);
        }
        if (n < N) { /* one vector is left */
            if (rows == 8)
                tile(TILE_ROWS, 1, pairs, by_step, cm, am, a.ld, b, n, steps);
            else if (rows == 4)
                tile(4, 1, pairs, by_step, cm, am, a.ld, b, n, steps);
            else
                for (int i = 0; i < rows; i++)
                    tile(1, 1, pairs, by_step,
                         (words_c){ cm.at + (size_t)i * c.ld, c.ld, cm.factor ? cm.factor + i : NULL, c.fresh },
                         am + (by_step ? (size_t)i : (size_t)i * a.ld), a.ld, b, n, steps);
        }
        m += rows;
    }
}

/* M rows, N columns (a multiple of W), so many words along k. */
static __attribute__((noinline)) void multiply(bool pairs, words_c c, words_a a, words_b b, int M, int N, int steps)
{
    if (pairs && a.by_step)
        multiply_as(true, true, c, a, b, M, N, steps);
    else if (pairs)
        multiply_as(true, false, c, a, b, M, N, steps);
    else if (a.by_step)
        multiply_as(false, true, c, a, b, M, N, steps);
    else
        multiply_as(false, false, c, a, b, M, N, steps);
}

#endif
