/* rng.c - splitmix64 and what is drawn from it. */
#include "base/rng.h"

#include <assert.h>
#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

tl_rng tl_rng_make(uint64_t seed, uint64_t stream)
{
    return (tl_rng){ mix(mix(seed + UINT64_C(0x9e3779b97f4a7c15)) ^ (stream * UINT64_C(0xd1342543de82ef95) + 1)) };
}

uint64_t tl_rng_next(tl_rng *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(r->state);
}

uint32_t tl_rng_below(tl_rng *r, uint32_t n)
{
    assert(n > 0);
    uint32_t limit = UINT32_MAX - UINT32_MAX % n; /* the part of the range that n divides */
    for (;;) {
        uint32_t x = (uint32_t)(tl_rng_next(r) >> 32);
        if (x < limit) return x % n;
    }
}

double tl_rng_unit(tl_rng *r)
{
    return (double)(tl_rng_next(r) >> 11) * 0x1p-53;
}

double tl_rng_normal(tl_rng *r)
{
    double u = 1.0 - tl_rng_unit(r); /* (0, 1]: its logarithm is finite */
    double v = tl_rng_unit(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void tl_rng_shuffle(tl_rng *r, int *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = tl_rng_below(r, (uint32_t)i);
        int t = items[i - 1];
        items[i - 1] = items[j];
        items[j] = t;
    }
}
