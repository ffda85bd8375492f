/* dtype.c - one table of sizes and names, and the widening loop. */
#include "base/dtype.h"

#include <assert.h>

static const struct {
    const char *name;
    size_t block, bytes; /* numbers in a block, bytes of a block */
} types[TL_DTYPE_COUNT] = {
    [TL_DTYPE_F32] = { "F32", 1, 4 },         [TL_DTYPE_F16] = { "F16", 1, 2 },
    [TL_DTYPE_BF16] = { "BF16", 1, 2 },       [TL_DTYPE_F64] = { "F64", 1, 8 },
    [TL_DTYPE_F8_E4M3] = { "F8_E4M3", 1, 1 }, [TL_DTYPE_F8_E5M2] = { "F8_E5M2", 1, 1 },
    [TL_DTYPE_I8] = { "I8", 1, 1 },           [TL_DTYPE_I16] = { "I16", 1, 2 },
    [TL_DTYPE_I32] = { "I32", 1, 4 },         [TL_DTYPE_I64] = { "I64", 1, 8 },
    [TL_DTYPE_U8] = { "U8", 1, 1 },           [TL_DTYPE_U16] = { "U16", 1, 2 },
    [TL_DTYPE_U32] = { "U32", 1, 4 },         [TL_DTYPE_U64] = { "U64", 1, 8 },
    [TL_DTYPE_BOOL] = { "BOOL", 1, 1 },       [TL_DTYPE_Q8_0] = { "Q8_0", 32, 34 },
    [TL_DTYPE_Q4_0] = { "Q4_0", 32, 18 },     [TL_DTYPE_Q4_1] = { "Q4_1", 32, 20 },
    [TL_DTYPE_Q5_0] = { "Q5_0", 32, 22 },     [TL_DTYPE_Q5_1] = { "Q5_1", 32, 24 },
    [TL_DTYPE_Q2_K] = { "Q2_K", 256, 84 },    [TL_DTYPE_Q3_K] = { "Q3_K", 256, 110 },
    [TL_DTYPE_Q4_K] = { "Q4_K", 256, 144 },   [TL_DTYPE_Q5_K] = { "Q5_K", 256, 176 },
    [TL_DTYPE_Q6_K] = { "Q6_K", 256, 210 },   [TL_DTYPE_NF4] = { "NF4", 64, 32 },
};

size_t tl_dtype_size(tl_dtype t)
{
    assert(t < TL_DTYPE_COUNT && types[t].block == 1);
    return types[t].bytes;
}

size_t tl_dtype_block(tl_dtype t)
{
    assert(t < TL_DTYPE_COUNT);
    return types[t].block;
}

size_t tl_dtype_block_bytes(tl_dtype t)
{
    assert(t < TL_DTYPE_COUNT);
    return types[t].bytes;
}

size_t tl_dtype_row_bytes(tl_dtype t, size_t n)
{
    assert(t < TL_DTYPE_COUNT && n % types[t].block == 0);
    return n / types[t].block * types[t].bytes;
}

const char *tl_dtype_name(tl_dtype t)
{
    assert(t < TL_DTYPE_COUNT);
    return types[t].name;
}

bool tl_dtype_parse(tl_dtype *out, const char *name)
{
    for (int i = 0; i < TL_DTYPE_COUNT; i++) {
        if (strcmp(types[i].name, name)) continue;
        *out = (tl_dtype)i;
        return true;
    }
    return false;
}

void tl_dtype_widen(float *y, const void *x, tl_dtype t, size_t n)
{
    assert(t == TL_DTYPE_F32 || t == TL_DTYPE_F16 || t == TL_DTYPE_BF16);
    if (t == TL_DTYPE_F32) {
        if (n) memcpy(y, x, n * sizeof(float));
        return;
    }
    const char *from = x;
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof half);
        y[i] = t == TL_DTYPE_BF16 ? tl_bf16_to_f32(half) : tl_f16_to_f32(half);
    }
}
