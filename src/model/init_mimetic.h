/* init_mimetic.h - weights that begin as the circuits in-context learning needs, for pretraining a small base.
 *
 * From random weights a small model spends millions of tokens on a plateau ("answer with any label seen") before it
 * finds that it can match the query to an example.  Trockman & Kolter (arXiv 2305.09828, "Mimetic initialization of
 * self-attention layers") start attention from products that resemble trained ones; here
 *
 *   layer 0   every head looks at its neighbourhood: a constant direction of the embedding, through rotary frequencies
 *             of middle length, makes scores that fall with distance; it gathers what it sees into a space of its own;
 *   layer 1   every head compares those gathered bags by content, through the slow rotary frequencies, which see no
 *             distance, and copies what stands where it matches;
 *   the rest  small random weights.
 *
 * Nothing is learnt yet: before training the model answers at chance.  Its measurement stands in init_mimetic.c. */
#ifndef TL_MODEL_INIT_MIMETIC_H
#define TL_MODEL_INIT_MIMETIC_H

#include "base/err.h"
#include "model/model.h"

#include <stdint.h>

/* m: just created (unfrozen), rotary positions, RMS norms, gating, at least two layers; anything else is refused. */
int tl_init_mimetic(tl_model *m, uint64_t seed, tl_err *err);

#endif
