/* rounding.h - numbers stored in fewer bits than they are computed in: by chance, so that they are right on average.
 *
 * A weight that moves by a thousandth of the distance between two bf16 numbers would stay for ever if it were rounded
 * to the nearest; rounded up one time in a thousand it arrives.  The chance is a function of a key and the number's
 * index, so it is the same for any number of threads and after a resume.
 *
 * 8 bits for AdamW's moments, in blocks of TL_STATE_BLOCK numbers with an f32 scale each (Dettmers et al., arXiv
 * 2110.02861; the code is a small float instead of their tree).  A number over its scale is a float of 4 bits of
 * exponent and F of fraction, F = 3 beside a sign for m, F = 4 for the root of v, which is never below zero:
 *
 *     code   0 .. 2^F-1        code * 2^-(14+F)                              as subnormals
 *            2^F .. 2^(4+F)-1  (1 + fraction/2^F) 2^(exponent-15)            top: 2 - 2^-F
 *
 * so neighbours are 6 to 12 % apart (m; the root of v: 3 to 6 %) over four and a half orders of magnitude. */
#ifndef TL_BACKEND_ROUNDING_H
#define TL_BACKEND_ROUNDING_H

#include "base/dtype.h"

#include <stdint.h>
#include <string.h>

enum {
    TL_FRACTION_M = 3,
    TL_FRACTION_V = 4
};

/* 32 bits to 32 bits, every bit in on every bit out (the finalizer of MurmurHash3). */
static inline uint32_t tl_mix32(uint32_t x)
{
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

/* The chance of number i: of the weight in the low half of the first word; of m and v in the halves of the second. */
static inline uint32_t tl_chance(uint32_t key, uint32_t i)
{
    return tl_mix32(i * 0x9e3779b1u + key);
}
static inline uint32_t tl_chance_next(uint32_t chance)
{
    return tl_mix32(chance + 0x9e3779b1u);
}

/* chance: 16 bits; x is finite. */
static inline tl_bf16 tl_f32_to_bf16_by(float x, uint32_t chance)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (tl_bf16)((bits + chance) >> 16);
}

static inline float tl_code_top(int fraction)
{
    return 2.0f - 1.0f / (float)(1 << fraction);
}

/* 0 <= x <= top, chance: 16 bits. */
static inline uint32_t tl_code_of(float x, int fraction, uint32_t chance)
{
    uint32_t bits;
    if (x < 0x1p-14f) return (uint32_t)(x * (float)(1 << (14 + fraction)) + (float)chance * 0x1p-16f);
    memcpy(&bits, &x, sizeof bits);
    return ((bits + (chance << (7 - fraction))) >> (23 - fraction)) - (112u << fraction);
}

static inline float tl_code_value(uint32_t code, int fraction)
{
    float x;
    if (code < 1u << fraction) return (float)code / (float)(1 << (14 + fraction));
    code = (code + (112u << fraction)) << (23 - fraction);
    memcpy(&x, &code, sizeof x);
    return x;
}

#endif
