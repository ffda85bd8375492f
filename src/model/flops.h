/* flops.h - how many floating-point operations a batch asks for: the useful ones, a multiply-add counted as two.
 *
 * A product of N rows by [O, I] is 2 N O I forward, as much again for the gradient to its input and for the gradient to
 * its weight, each only where it is wanted.  Attention is 4 H h for each pair of positions forward, twice that
 * backward. Norms, activations and what is computed again to save memory do not count. */
#ifndef TL_MODEL_FLOPS_H
#define TL_MODEL_FLOPS_H

#include "model/forward.h"

/* One forward of the batch, the head taken for head_rows rows. */
double tl_flops_forward(const tl_model *m, const tl_batch *b, int head_rows);

/* Forward and backward, for what has gradients in m and adapter. */
double tl_flops_train(const tl_model *m, const tl_adapter *adapter, const tl_batch *b, int targets);

#endif
