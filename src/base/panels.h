/* panels.h - a quantized matrix in memory: 32 rows side by side, as the kernels read them.
 *
 *     size_t bytes = tl_panels_bytes(TL_DTYPE_Q4_K, O, I);
 *     tl_panel_from_f32(TL_DTYPE_Q4_K, panels + p * tl_panel_bytes(TL_DTYPE_Q4_K, I), x, 32, I);    for each p, by
 * anyone tl_panels_row(TL_DTYPE_Q4_K, row, panels, I, o);
 *
 * On disk a quantized matrix lies by rows, in GGML's blocks (block_formats.h).  In memory it lies in panels, made once
 * when a base is opened: a tl_matrix whose type is Q8_0, Q4_0, Q4_K or NF4 is always this.  The numbers are those of
 * the blocks, to the bit.  A product meets 32 rows at once: with panels it reads memory in one straight run, and no
 * number is turned or gathered on the way.
 *
 * A matrix [O, I] is ceil(O / 32) panels one after the other, a panel its groups one after the other along I, a group
 * a header and blocks.  r is the row in the panel, number n of a block of 32 is 4k + j; a byte of nibbles holds number
 * 4k + j in its low half and 16 + 4k + j in its high one, as GGML's Q4_0 has them:
 *
 *     Q8_0   header  none
 *            block   f16 d[32], u8 q[8 k][32 r][4 j]                      x = d (q - 128)
 *     Q4_0   header  none
 *            block   f16 d[32], u8 nibbles[4 k][32 r][4 j]                x = d (q - 8)
 *     Q4_K   header  f16 d[32], f16 m[32], for up to eight blocks
 *            block   u8 s[32], u8 t[32], nibbles as Q4_0                  x = d s q - m t
 *     NF4    header  f32 mean, f32 step, 56 zeros, e4m3 c[8][32], for up to sixteen blocks
 *            block   nibbles as Q4_0; c of two blocks, 64 numbers, is the same
 *                    x = (mean + step c / 256) level[q]
 *
 * All of it begins at multiples of 64 bytes.  Where I ends inside a block the rest of it counts as zero (Q4_K: is not
 * used); where O ends inside a panel the other rows are zero.
 *
 * NF4 (Dettmers et al. 2023, arXiv 2305.14314): 16 levels at the quantiles of a normal distribution, 64 numbers to a
 * scale, the largest magnitude among them.  The scales are quantized too: 256 of them - here those of a group - share a
 * mean and a step. */
#ifndef TL_BASE_PANELS_H
#define TL_BASE_PANELS_H

#include "base/dtype.h"

enum {
    TL_PANEL = 32,      /* rows of a panel */
    TL_PANEL_BLOCK = 32 /* numbers of a row that a product takes together */
};

/* Whether matrices of that type lie in panels. */
static inline bool tl_panels_known(tl_dtype t)
{
    return t == TL_DTYPE_Q8_0 || t == TL_DTYPE_Q4_0 || t == TL_DTYPE_Q4_K || t == TL_DTYPE_NF4;
}

/* Blocks of a group, bytes of its header, bytes of a block, and those of them before the codes. */
typedef struct tl_panel_form {
    size_t group, header, block, scales;
} tl_panel_form;

static inline tl_panel_form tl_panel_form_of(tl_dtype t)
{
    if (t == TL_DTYPE_Q8_0) return (tl_panel_form){ 1, 0, 64 + 1024, 64 };
    if (t == TL_DTYPE_Q4_0) return (tl_panel_form){ 1, 0, 64 + 512, 64 };
    if (t == TL_DTYPE_Q4_K) return (tl_panel_form){ 8, 128, 64 + 512, 64 };
    return (tl_panel_form){ 16, 64 + 256, 512, 0 };
}

/* Blocks of a row of I numbers; NF4 has them in twos. */
static inline size_t tl_panel_blocks(tl_dtype t, size_t I)
{
    return t == TL_DTYPE_NF4 ? (I + 63) / 64 * 2 : (I + 31) / 32;
}

/* Where the group of block b begins, and where the block does. */
static inline size_t tl_panel_group_at(tl_dtype t, size_t b)
{
    tl_panel_form f = tl_panel_form_of(t);
    return b / f.group * (f.header + f.group * f.block);
}
static inline size_t tl_panel_block_at(tl_dtype t, size_t b)
{
    tl_panel_form f = tl_panel_form_of(t);
    return tl_panel_group_at(t, b) + f.header + b % f.group * f.block;
}

/* Bytes of a panel of rows of I numbers, and of all panels of a matrix [O, I].  I, O < 2^31. */
static inline size_t tl_panel_bytes(tl_dtype t, size_t I)
{
    return tl_panel_block_at(t, tl_panel_blocks(t, I) - 1) + tl_panel_form_of(t).block;
}
static inline size_t tl_panels_bytes(tl_dtype t, size_t O, size_t I)
{
    return (O + TL_PANEL - 1) / TL_PANEL * tl_panel_bytes(t, I);
}

/* One panel from n <= 32 rows of I finite numbers, one after the other.  False: a number is too large for its scale. */
bool tl_panel_from_f32(tl_dtype t, void *panel, const float *x, int n, size_t I);

/* The same from n rows in GGML's blocks, rows[i] each at any address: no number changes.  Not for NF4; I is a multiple
 * of the type's block. */
void tl_panel_from_blocks(tl_dtype t, void *panel, const void *const *rows, int n, size_t I);

/* Row o of a matrix in panels as f32: I numbers. */
void tl_panels_row(tl_dtype t, float *out, const void *panels, size_t I, size_t o);

/* What the definition of whole-number products (backend.h, tl_matrix) needs of block b of a panel: the codes less their
 * zero of row r, and the scale and, of Q4_K, the minimum (else 0) of every row. */
void tl_panel_codes(tl_dtype t, signed char out[32], const void *panel, size_t b, int r);
void tl_panel_scales(tl_dtype t, float d[32], float m[32], const void *panel, size_t b);

/* NF4's levels, rising, and what they are in whole numbers: 127 times as much, to the nearest. */
extern const float tl_nf4_levels[16];
extern const signed char tl_nf4_whole[16];

#endif
