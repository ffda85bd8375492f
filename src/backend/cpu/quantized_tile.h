/* quantized_tile.h - the micro-kernel of products in whole numbers: some rows of x by one panel of weights.
 *
 *     for each block b:   s[m][r] = zero[m] + sum over 8 quads of q_x[m][quad] . q[r][quad]      vpdpbusd
 *                         y[m][r] = y[m][r] + d_x[m] (d_w[r] s[m][r])                            two roundings
 *
 * vpdpbusd takes four products of an unsigned by a signed byte a lane.  The weights are the unsigned ones: they lie
 * with their zero added (128 or 8), and what that adds to a block's sum, zero times the sum of q_x, is the same for all
 * rows of the panel.  So the whole-number sums start from it and it costs nothing.  AVX2 has no such instruction; its
 * vpmaddubsw adds two products in 16 bits and saturates there.  With codes up to 15 two products stay below 3,811;
 * codes up to 255 are taken signed, |q| by q_x with q's sign, at most 2 x 128 x 127 = 32,512.
 *
 * AVX-512 has 32 registers: 7 rows x 2 vectors of whole numbers, as many sums, 2 of weights and a broadcast.  A block
 * is 8 x 14 vpdpbusd and 14 x (convert, multiply, multiply-add).  The last two compete with vpdpbusd for the two units
 * that multiply: 8 of 10 slots are left, which is what scales of 32 cost.  Measured on Zen 4, all in the second-level
 * cache: 95 % of vpdpbusd's peak without scales, 77 % with them.
 *
 * Rows of x are packed in tiles, [tile][block]: q_x [ROWS][32], then four bytes a row of each of
 *
 *     -128 and -8 times the sum of q_x, as whole numbers;   d_x
 */
#ifndef TL_BACKEND_CPU_QUANTIZED_TILE_H
#define TL_BACKEND_CPU_QUANTIZED_TILE_H

#include "backend/cpu/quantized.h"

enum {
    NR = 2 * W, /* columns of y that a tile takes: rows of a panel */
#ifdef __AVX512F__
    ROWS = 7,
#else
    ROWS = 4, /* 8 whole-number sums, 2 + 2 of weights and their magnitudes, 3 others; the sums of y in memory */
#endif
    SLOT = ROWS * (32 + 3 * 4), /* bytes of a block of a tile */
    AT_128 = ROWS * 32,
    AT_8 = ROWS * 36,
    AT_D = ROWS * 40
};

/* How the weights lie: as one of the types, or opened: f32 scales, and one byte a code. */
typedef enum form {
    FORM_Q8_0,
    FORM_Q4_0,
    FORM_Q4_K,
    FORM_NF4,
    FORM_OPEN_8,   /* zero 8 */
    FORM_OPEN_MIN, /* zero 0 and minima: of Q4_K */
    FORM_OPEN_128, /* zero 128: of NF4 */
    FORMS
} form;

enum {
    OPEN_BLOCK = 2 * TL_PANEL * 4 + 1024 /* d_w, m_w, codes */
};

static inline tl_dtype type_of(form f)
{
    return f == FORM_Q8_0   ? TL_DTYPE_Q8_0
           : f == FORM_Q4_0 ? TL_DTYPE_Q4_0
           : f == FORM_Q4_K ? TL_DTYPE_Q4_K
                            : TL_DTYPE_NF4;
}
static inline form form_of(tl_dtype t)
{
    return t == TL_DTYPE_Q8_0 ? FORM_Q8_0 : t == TL_DTYPE_Q4_0 ? FORM_Q4_0 : t == TL_DTYPE_Q4_K ? FORM_Q4_K : FORM_NF4;
}
static inline form opened(form f)
{
    return f == FORM_Q4_0 ? FORM_OPEN_8 : f == FORM_Q4_K ? FORM_OPEN_MIN : f == FORM_NF4 ? FORM_OPEN_128 : f;
}

#ifdef __AVX512F__
/* acc + four products a lane.  In words, since gcc 12 copies and spills the sums of the intrinsic. */
static inline __attribute__((always_inline)) vi dot(vi acc, vi w, vi x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(w), "v"(x));
    return acc;
}
#endif

/* What a tile reads and writes besides the factors. */
typedef struct int8_target {
    float *y;          /* [rows][n] with row stride ld */
    const float *from; /* likewise; NULL: the sums start at zero */
    const float *bias; /* [n]; NULL: none, or not yet */
    size_t ld;
    int n;
    ptrdiff_t ahead; /* bytes from each block to the one whose lines are asked for meanwhile; 0: none is */
} int8_target;

/* Blocks that follow each other, of one group or of a type whose groups are single blocks. */
static inline __attribute__((always_inline)) void run(int rows, form f, vf sum[ROWS][2], const byte *a,
                                                      const byte *group, const byte *block, size_t b, size_t n, int row,
                                                      ptrdiff_t ahead)
{
    const bool open = f >= FORM_OPEN_8, eight = f == FORM_Q8_0 || open, min = f == FORM_Q4_K || f == FORM_OPEN_MIN;
    const size_t step = open ? (size_t)OPEN_BLOCK : tl_panel_form_of(type_of(f)).block;
    const size_t scales = open ? 256 : tl_panel_form_of(type_of(f)).scales;
    group_scales g[2] = { { vf_set(0), vf_set(0) }, { vf_set(0), vf_set(0) } };
    for (int h = 0; h < 2 && !open; h++) g[h] = group_scales_of(type_of(f), group, row + h * W);
    const int zero = f == FORM_Q4_0 || f == FORM_OPEN_8 ? AT_8 : AT_128;
#ifdef __AVX512F__
    const vi levels = f == FORM_NF4 ? vi_table(nf4_bytes) : vi_set8(0);
    const bool starts = !min;
#else
    const vi levels = f == FORM_NF4 ? vi_table(nf4_signed) : vi_set8(0);
    const bool is_signed = f == FORM_Q8_0 || f == FORM_NF4 || f == FORM_OPEN_128;
    const bool starts = !min && !is_signed;
    const vi ones = _mm256_set1_epi16(1);
#endif
    for (size_t i = 0; i < n; i++, a += SLOT, block += step) {
        const byte *codes = block + scales + row * 4;
        const int *x = (const int *)(const void *)a, *start = (const int *)(const void *)(a + zero);
        const int *eights = (const int *)(const void *)(a + AT_8);
        const float *d = (const float *)(const void *)(a + AT_D);
        vi s[ROWS][2];
        for (size_t line = 0; ahead && line < step; line += 64)
            _mm_prefetch((const char *)block + ahead + line, _MM_HINT_T1);
#pragma GCC unroll 7
        for (int m = 0; m < rows; m++) s[m][0] = s[m][1] = starts ? vi_set(start[m]) : vi_set(0);
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) {
            vi w0 = eight ? vi_load(codes + k * 128) : quad_of(type_of(f), codes, k);
            vi w1 = eight ? vi_load(codes + W * 4 + k * 128) : quad_of(type_of(f), codes + W * 4, k);
            if (f == FORM_NF4) {
                w0 = vi_look(levels, w0);
                w1 = vi_look(levels, w1);
            }
#ifdef __AVX512F__
#pragma GCC unroll 7
            for (int m = 0; m < rows; m++) {
                vi v = vi_set(x[m * 8 + k]);
                s[m][0] = dot(s[m][0], w0, v);
                s[m][1] = dot(s[m][1], w1, v);
            }
#else
            if (is_signed && f != FORM_NF4) {
                w0 = vi_xor(w0, vi_set8((char)0x80));
                w1 = vi_xor(w1, vi_set8((char)0x80));
            }
            const vi u0 = is_signed ? _mm256_abs_epi8(w0) : w0, u1 = is_signed ? _mm256_abs_epi8(w1) : w1;
#pragma GCC unroll 7
            for (int m = 0; m < rows; m++) {
                const vi v = vi_set(x[m * 8 + k]);
                const vi p0 = _mm256_maddubs_epi16(u0, is_signed ? _mm256_sign_epi8(v, w0) : v);
                const vi p1 = _mm256_maddubs_epi16(u1, is_signed ? _mm256_sign_epi8(v, w1) : v);
                s[m][0] = vi_add(s[m][0], _mm256_madd_epi16(p0, ones));
                s[m][1] = vi_add(s[m][1], _mm256_madd_epi16(p1, ones));
            }
#endif
        }
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            vf low = vf_set(0), w;
            if (open) {
                w = vf_load((const float *)(const void *)block + row + h * W);
                if (min) low = vf_load((const float *)(const void *)block + TL_PANEL + row + h * W);
            } else {
                w = block_scale(type_of(f), &low, g[h], group, block, b + i, row + h * W);
                if (f == FORM_NF4) w = w * vf_set(1.0f / 127);
                if (min) low = low * vf_set(0.125f);
            }
#pragma GCC unroll 7
            for (int m = 0; m < rows; m++) {
                vf t = vi_to_vf(s[m][h]) * w;
                if (min) t = vf_fma(low, vi_to_vf(vi_set(eights[m])), t); /* (m / 8) by -8 times the sum: exact */
                sum[m][h] = vf_fma(vf_set(d[m]), t, sum[m][h]);
            }
        }
    }
}

/* y = from + x w^T + bias for one tile and W * 2 rows of a panel from `row` on, blocks b0 .. b1-1; rows and f are
 * constants where this is inlined.  Of an opened panel w is block b0. */
static inline __attribute__((always_inline)) void int8_tile(int rows, form f, const byte *a, const byte *w, size_t b0,
                                                            size_t b1, int row, int8_target t)
{
    vf sum[ROWS][2];
    float edge[ROWS * NR], bias[NR] = { 0 };
    const float *from = t.from;
    float *at = t.y;
    size_t ld = t.ld;
    if (t.n < NR) { /* the last columns: work on a padded copy */
        for (int m = 0; m < rows && from; m++)
            memcpy(edge + m * NR, from + (size_t)m * t.ld, (size_t)t.n * sizeof *edge);
        from = from ? edge : NULL;
        at = edge;
        ld = NR;
    }
    if (t.bias) memcpy(bias, t.bias, (size_t)t.n * sizeof *bias);
#pragma GCC unroll 7
    for (int m = 0; m < rows; m++) {
        sum[m][0] = from ? vf_load(from + (size_t)m * ld) : vf_set(0);
        sum[m][1] = from ? vf_load(from + (size_t)m * ld + W) : vf_set(0);
    }
    const tl_dtype type = type_of(f);
    const size_t group = tl_panel_form_of(type).group;
    if (f >= FORM_OPEN_8 || group == 1) {
        run(rows, f, sum, a, NULL, f >= FORM_OPEN_8 ? w : w + tl_panel_block_at(type, b0), b0, b1 - b0, row, t.ahead);
    } else {
        for (size_t b = b0, n; b < b1; b += n, a += n * SLOT) {
            n = group - b % group < b1 - b ? group - b % group : b1 - b;
            run(rows, f, sum, a, w + tl_panel_group_at(type, b), w + tl_panel_block_at(type, b), b, n, row, t.ahead);
        }
    }
#pragma GCC unroll 7
    for (int m = 0; m < rows; m++) {
        if (t.bias) {
            sum[m][0] += vf_load(bias);
            sum[m][1] += vf_load(bias + W);
        }
        vf_store(at + (size_t)m * ld, sum[m][0]);
        vf_store(at + (size_t)m * ld + W, sum[m][1]);
    }
    if (t.n < NR)
        for (int m = 0; m < rows; m++) memcpy(t.y + (size_t)m * t.ld, edge + m * NR, (size_t)t.n * sizeof *edge);
}

typedef void int8_tile_fn(const byte *a, const byte *w, size_t b0, size_t b1, int row, int8_target t);

#define TL_TILE(rows, f, name)                                                                                         \
    static void name(const byte *a, const byte *w, size_t b0, size_t b1, int row, int8_target t)                       \
    {                                                                                                                  \
        int8_tile(rows, f, a, w, b0, b1, row, t);                                                                      \
    }
#define TL_TILES(rows)                                                                                                 \
    TL_TILE(rows, FORM_Q8_0, tile_q8_0_##rows)                                                                         \
    TL_TILE(rows, FORM_Q4_0, tile_q4_0_##rows)                                                                         \
    TL_TILE(rows, FORM_Q4_K, tile_q4_k_##rows)                                                                         \
    TL_TILE(rows, FORM_NF4, tile_nf4_##rows)                                                                           \
    TL_TILE(rows, FORM_OPEN_8, tile_open_8_##rows)                                                                     \
    TL_TILE(rows, FORM_OPEN_MIN, tile_open_min_##rows)                                                                 \
    TL_TILE(rows, FORM_OPEN_128, tile_open_128_##rows)
#define TL_TILE_ROW(rows)                                                                                              \
    {                                                                                                                  \
        tile_q8_0_##rows, tile_q4_0_##rows, tile_q4_k_##rows, tile_nf4_##rows, tile_open_8_##rows,                     \
            tile_open_min_##rows, tile_open_128_##rows                                                                 \
    }
TL_TILES(1)
TL_TILES(2)
TL_TILES(3)
TL_TILES(4)
#ifdef __AVX512F__
TL_TILES(5)
TL_TILES(6)
TL_TILES(7)
#endif

static int8_tile_fn *const int8_tiles[ROWS][FORMS] = {
    TL_TILE_ROW(1), TL_TILE_ROW(2), TL_TILE_ROW(3), TL_TILE_ROW(4),
#ifdef __AVX512F__
    TL_TILE_ROW(5), TL_TILE_ROW(6), TL_TILE_ROW(7),
#endif
};

#endif
