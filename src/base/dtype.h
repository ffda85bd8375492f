/* dtype.h - the kinds of numbers that tensors are stored in, and the way between the small floats and f32.
 *
 * bf16 is the upper half of an f32: 8 bits of exponent, 7 of fraction.  f16 is IEEE 754 binary16: 5 and 10.
 * From Q8_0 on, numbers lie in blocks that share scales: a row of a matrix is a whole number of blocks, and one number
 * alone has no address (block_formats.h has the layouts).  The types that are neither small floats nor blocks are named
 * so that a file holding them is refused, or skipped, by name. */
#ifndef TL_BASE_DTYPE_H
#define TL_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t tl_bf16;
typedef uint16_t tl_f16;

typedef enum tl_dtype {
    TL_DTYPE_F32,
    TL_DTYPE_F16,
    TL_DTYPE_BF16,
    TL_DTYPE_F64,
    TL_DTYPE_F8_E4M3,
    TL_DTYPE_F8_E5M2,
    TL_DTYPE_I8,
    TL_DTYPE_I16,
    TL_DTYPE_I32,
    TL_DTYPE_I64,
    TL_DTYPE_U8,
    TL_DTYPE_U16,
    TL_DTYPE_U32,
    TL_DTYPE_U64,
    TL_DTYPE_BOOL,
    TL_DTYPE_Q8_0,
    TL_DTYPE_Q4_0,
    TL_DTYPE_Q4_1,
    TL_DTYPE_Q5_0,
    TL_DTYPE_Q5_1,
    TL_DTYPE_Q2_K,
    TL_DTYPE_Q3_K,
    TL_DTYPE_Q4_K,
    TL_DTYPE_Q5_K,
    TL_DTYPE_Q6_K,
    TL_DTYPE_NF4,  /* the codes only; their scales lie apart */
    TL_DTYPE_COUNT /* how many there are; never the type of a tensor */
} tl_dtype;

/* Bytes of one number; not for types in blocks. */
size_t tl_dtype_size(tl_dtype t);

/* Numbers in a block and its bytes; of other types, 1 and the bytes of one number. */
size_t tl_dtype_block(tl_dtype t);
size_t tl_dtype_block_bytes(tl_dtype t);

/* Bytes of n numbers, a whole number of blocks; n is one whose bytes are known to be countable (size.h before). */
size_t tl_dtype_row_bytes(tl_dtype t, size_t n);

/* "F32", "BF16", ... as in the safetensors format, "Q8_0", "Q4_K", ... as in GGUF. */
const char *tl_dtype_name(tl_dtype t);

/* The type of that name, or false. */
bool tl_dtype_parse(tl_dtype *out, const char *name);

/* n numbers of type t (F32, F16 or BF16) as f32.  x may have any alignment; y does not overlap x. */
void tl_dtype_widen(float *y, const void *x, tl_dtype t, size_t n);

static inline float tl_bf16_to_f32(tl_bf16 b)
{
    uint32_t bits = (uint32_t)b << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* To the nearest, ties to even; a NaN stays one. */
static inline tl_bf16 tl_f32_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (tl_bf16)(bits >> 16 | 0x40u);
    return (tl_bf16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* To the nearest, ties to even; what is too large becomes infinity, a NaN stays one. */
static inline tl_f16 tl_f32_to_f16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return (tl_f16)(sign | 0x7e00u);
    if (rest >= 0x477ff000u) return (tl_f16)(sign | 0x7c00u); /* from 65520 on infinity is as near as 65504 */
    if (rest < 0x38800000u) {                                 /* below 2^-14: a whole number of 2^-24 */
        float magnitude;
        memcpy(&magnitude, &rest, sizeof magnitude);
        /* At 2^-1 an f32 counts in steps of 2^-24, so the sum is rounded to one, and its low bits are the count. */
        magnitude += 0.5f;
        memcpy(&rest, &magnitude, sizeof rest);
        return (tl_f16)(sign | (rest - 0x3f000000u));
    }
    rest += 0xfffu + (rest >> 13 & 1u);
    return (tl_f16)(sign | ((rest - (112u << 23)) >> 13));
}

static inline float tl_f16_to_f32(tl_f16 h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu, bits;
    float f;
    if (rest >= 0x7c00u) { /* infinity and NaN: the exponent is all ones in both */
        bits = sign | 0x7f800000u | (rest & 0x3ffu) << 13;
    } else if (rest >= 0x400u) { /* normal: the bias grows from 15 to 127 */
        bits = sign | ((rest << 13) + (112u << 23));
    } else { /* zero and subnormals: a whole number of 2^-24 */
        f = (float)rest * 0x1p-24f;
        memcpy(&bits, &f, sizeof bits);
        bits |= sign;
    }
    memcpy(&f, &bits, sizeof f);
    return f;
}

#endif
