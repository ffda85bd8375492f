/* sampler.h - one token out of a row of logits.
 *
 *     tl_rng r = tl_sampler_rng(&o);                  one per request, kept over its tokens
 *     int id = tl_sampling_draw(logits, V, &o, &r, scratch); one draw a token, none where greedy
 *
 * The order of the cuts is the field's: temperature, then the top_k likeliest, then of those the smallest set whose
 * mass reaches top_p.  Weights and sums are double, taken in an order fixed by the logits alone, and a request has its
 * own generator; so its tokens depend on its logits and its seed and on nothing else in the batch. */
#ifndef TL_INFER_SAMPLER_H
#define TL_INFER_SAMPLER_H

#include "base/err.h"
#include "base/rng.h"

#include <stdint.h>

typedef struct tl_sampling {
    double temperature; /* 0: greedy, the likeliest token and of equals the lowest id; else > 0 and finite */
    int top_k;          /* 0: no cut */
    double top_p;       /* in (0, 1]; 1: no cut */
    uint64_t seed;
} tl_sampling;

/* Greedy, no cuts, seed 0. */
tl_sampling tl_sampling_defaults(void);

/* Settings out of range are TL_EUSAGE. */
int tl_sampling_check(const tl_sampling *o, tl_err *err);

tl_rng tl_sampler_rng(const tl_sampling *o);

/* A token id, or -1 where the logits hold a NaN or their maximum is not finite.  scratch has room for V ints. */
int tl_sampling_draw(const float *logits, int V, const tl_sampling *o, tl_rng *r, int *scratch);

#endif
