/* block_formats.h - numbers that share scales: the block layouts of GGML, and the way to f32 and back.
 *
 *     tl_block_to_f32(TL_DTYPE_Q4_K, row, (const char *)w->data + o * tl_dtype_row_bytes(TL_DTYPE_Q4_K, I), I);
 *
 * Bytes of a block, in order; d and m are f16, little endian, a nibble pair holds number i in its low half and number
 * i + half of the block (Q4_K, Q5_K: of 64 numbers) in its high one:
 *
 *     Q8_0   32   d, int8 q[32]                                      x = d q
 *     Q4_0   32   d, nibbles[16]                                     x = d (q - 8)
 *     Q4_1   32   d, m, nibbles[16]                                  x = d q + m
 *     Q5_0   32   d, fifth bits[4], nibbles[16]                      x = d (q - 16)
 *     Q5_1   32   d, m, fifth bits[4], nibbles[16]                   x = d q + m
 *     Q2_K  256   scale and min nibbles[16], 2 bits[64], d, m        x = d s q - m t, s and t for each 16
 *     Q3_K  256   third bits[32], 2 bits[64], 6-bit scales[12], d    x = d (s - 32) (q - 4), for each 16
 *     Q4_K  256   d, m, 6-bit scales and mins[12], nibbles[128]      x = d s q - m t, for each 32
 *     Q5_K  256   d, m, as Q4_K[12], fifth bits[32], nibbles[128]    as Q4_K
 *     Q6_K  256   nibbles[128], upper 2 bits[64], int8 s[16], d      x = d s (q - 32), for each 16
 *
 * The products are taken in f32 from left to right, so a number here is the number that others read from the same
 * bytes.  NF4 is not here: its scales do not lie in its blocks. */
#ifndef TL_BASE_BLOCK_FORMATS_H
#define TL_BASE_BLOCK_FORMATS_H

#include "base/dtype.h"

/* Whether the two functions below know the type: to_f32 all of the list, from_f32 Q8_0, Q5_0, Q4_0 and Q4_K. */
bool tl_block_readable(tl_dtype t);
bool tl_block_writable(tl_dtype t);

/* n numbers, whole blocks of a readable type, as f32.  blocks may have any alignment; out does not overlap them. */
void tl_block_to_f32(tl_dtype t, float *out, const void *blocks, size_t n);

/* n finite numbers into whole blocks of a writable type.  Q8_0, Q5_0 and Q4_0 are rounded as the format's authors do,
 * to the bit; for Q4_K scales and minima are searched for the least squared error.  A number too large for an f16 scale
 * (above 65504 times the largest code) leaves an infinity, which tl_block_finite sees. */
void tl_block_from_f32(tl_dtype t, void *blocks, const float *x, size_t n);

/* The scales s and t of a Q4_K block's eight groups of 32 numbers. */
void tl_q4_k_scales(const void *block, unsigned char s[8], unsigned char t[8]);

/* No NaN and no infinity among the scales of n numbers of a readable type; then there is none among the numbers. */
bool tl_block_finite(tl_dtype t, const void *blocks, size_t n);

#endif
