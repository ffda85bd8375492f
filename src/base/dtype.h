/* dtype.h - the kinds of numbers that tensors are stored in, and the way between the small floats and f32.
 *
 * bf16 is the upper half of an f32: 8 bits of exponent, 7 of fraction.  f16 is IEEE 754 binary16: 5 and 10.
 * Only f32, f16 and bf16 are computed with; the others are named so that a file holding them is refused, or
 * skipped, by name. */
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
    TL_DTYPE_COUNT /* how many there are; never the type of a tensor */
} tl_dtype;

/* Bytes of one number. */
size_t tl_dtype_size(tl_dtype t);

/* "F32", "BF16", ...: the names of the safetensors format. */
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
