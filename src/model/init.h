/* init.h - the weights a model is born with.
 *
 *     tl_init options = tl_init_defaults();
 *     tl_init_weights(m, seed, &options);      m as tl_model_create left it */
#ifndef TL_MODEL_INIT_H
#define TL_MODEL_INIT_H

#include "model/model.h"

typedef struct tl_init {
    float std; /* 0.02: the deviation of a matrix */
} tl_init;

tl_init tl_init_defaults(void);

/* Fill every weight of an unfrozen model: matrices normal with deviation std, those that write into the residual stream
 * divided by sqrt(2L), so that the sum of 2L of them keeps its size (GPT-2's choice); norms one, biases zero.  Each
 * tensor draws from a stream of its own, named by it: a weight does not depend on what other weights there are. */
void tl_init_weights(tl_model *m, uint64_t seed, const tl_init *options);

/* The random stream of a tensor of that name. */
uint64_t tl_init_stream(const char *name);

#endif
