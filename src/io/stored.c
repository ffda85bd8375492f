/* stored.c - the search for NaN and infinity in a file's tensors, at the speed of memory.
 *
 * The tensors are cut into pieces that threads take one by one.  A piece's pages are asked for at once, where touching
 * them one after the other would enter the kernel for every few; then its numbers are read.  NaN and infinity are those
 * whose exponent is all ones: without the sign, as integers, they are above all others. */
#define _GNU_SOURCE /* madvise */
#include "io/stored.h"

#include "base/block_formats.h"
#include "io/map.h"

#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
    PIECE = 1 << 21, /* bytes */
    PAGE = 4096
};

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; an older kernel refuses, and pages come when they are touched */
#endif

static void fetch(const char *from, size_t bytes)
{
    uintptr_t first = (uintptr_t)from / PAGE * PAGE, last = (uintptr_t)from + bytes;
    madvise((void *)first, last - first, MADV_POPULATE_READ); /* a wish */
}

/* The largest is found, not asked for: a loop without an exit becomes vectors. */
static bool finite_32(const uint32_t *x, size_t n)
{
    int32_t most = 0;
#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++) {
        int32_t size = (int32_t)(x[i] & 0x7fffffffu);
        most = size > most ? size : most;
    }
    return most < 0x7f800000;
}

static bool finite_16(const uint16_t *x, size_t n, int16_t exponent)
{
    int16_t most = 0;
#pragma omp simd reduction(max : most)
    for (size_t i = 0; i < n; i++) {
        int16_t size = (int16_t)(x[i] & 0x7fff);
        most = size > most ? size : most;
    }
    return most < exponent;
}

/* Bytes of what is not cut: a number, or a block. */
static size_t grain(tl_dtype dtype)
{
    return tl_block_readable(dtype) ? tl_dtype_block_bytes(dtype) : tl_dtype_size(dtype);
}

/* Bytes of a tensor's pieces, but the last. */
static size_t piece_bytes(tl_dtype dtype)
{
    return PIECE / grain(dtype) * grain(dtype);
}

static size_t pieces(const tl_stored *t)
{
    size_t each = piece_bytes(t->dtype);
    return (t->bytes + each - 1) / each;
}

static bool numbers_finite(const tl_stored *t, const char *x, size_t bytes)
{
    if (t->dtype == TL_DTYPE_F32) return finite_32((const uint32_t *)x, bytes / 4);
    if (t->dtype == TL_DTYPE_BF16) return finite_16((const uint16_t *)x, bytes / 2, 0x7f80);
    if (t->dtype == TL_DTYPE_F16) return finite_16((const uint16_t *)x, bytes / 2, 0x7c00);
    return tl_block_finite(t->dtype, x, bytes / grain(t->dtype) * tl_dtype_block(t->dtype));
}

static bool piece_finite(const tl_stored *t, size_t piece, bool rest)
{
    size_t each = piece_bytes(t->dtype), at = piece * each, bytes = t->bytes - at < each ? t->bytes - at : each;
    const char *x = (const char *)t->data + at;
    fetch(x, bytes);
    bool finite = numbers_finite(t, x, bytes);
    if (rest) tl_map_rest_part(x, bytes);
    return finite;
}

int tl_stored_not_finite(const tl_stored *const *list, int n, bool rest)
{
    int bad = INT_MAX;
#pragma omp parallel reduction(min : bad)
    for (int i = 0; i < n; i++) {
        size_t all = pieces(list[i]);
#pragma omp for schedule(dynamic) nowait
        for (size_t k = 0; k < all; k++)
            if (bad > i && !piece_finite(list[i], k, rest)) bad = i;
    }
    return bad == INT_MAX ? -1 : bad;
}

bool tl_stored_finite(const tl_stored *t)
{
    return tl_stored_not_finite(&t, 1, false) < 0;
}
