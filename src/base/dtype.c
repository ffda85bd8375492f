/* dtype.c - one table of sizes and names, and the widening loop. */
#include "base/dtype.h"

#include <assert.h>

static const struct {
    const char *name;
    size_t size;
} types[TL_DTYPE_COUNT] = {
    [TL_DTYPE_F32] = { "F32", 4 }, [TL_DTYPE_F16] = { "F16", 2 },         [TL_DTYPE_BF16] = { "BF16", 2 },
    [TL_DTYPE_F64] = { "F64", 8 }, [TL_DTYPE_F8_E4M3] = { "F8_E4M3", 1 }, [TL_DTYPE_F8_E5M2] = { "F8_E5M2", 1 },
    [TL_DTYPE_I8] = { "I8", 1 },   [TL_DTYPE_I16] = { "I16", 2 },         [TL_DTYPE_I32] = { "I32", 4 },
    [TL_DTYPE_I64] = { "I64", 8 }, [TL_DTYPE_U8] = { "U8", 1 },           [TL_DTYPE_U16] = { "U16", 2 },
    [TL_DTYPE_U32] = { "U32", 4 }, [TL_DTYPE_U64] = { "U64", 8 },         [TL_DTYPE_BOOL] = { "BOOL", 1 },
};

size_t tl_dtype_size(tl_dtype t)
{
    assert(t < TL_DTYPE_COUNT);
    return types[t].size;
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
