/* rng.h - random numbers that a seed repeats on every machine.
 *
 *     tl_rng r = tl_rng_make(seed, TL_STREAM_SHUFFLE);
 *     tl_rng_shuffle(&r, order, n);
 *
 * splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
 * generators", OOPSLA 2014): a counter times the golden ratio, mixed.  The state
 * is one word, so a checkpoint stores it and a resume continues it.  Each use has
 * its own stream: adding a draw in one place never moves another's. */
#ifndef TL_BASE_RNG_H
#define TL_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct tl_rng {
    uint64_t state;
} tl_rng;

tl_rng tl_rng_make(uint64_t seed, uint64_t stream);

uint64_t tl_rng_next(tl_rng *r);

/* Uniform in 0..n-1, without bias; n > 0. */
uint32_t tl_rng_below(tl_rng *r, uint32_t n);

/* Uniform in [0, 1). */
double tl_rng_unit(tl_rng *r);

/* Standard normal (Box-Muller, one of the pair). */
double tl_rng_normal(tl_rng *r);

/* Fisher-Yates over n ints. */
void tl_rng_shuffle(tl_rng *r, int *items, size_t n);

#endif
