/* tune.h - training on a task's training split: epochs, batches, validation, the best weights kept. */
#ifndef TL_METHOD_TUNE_H
#define TL_METHOD_TUNE_H

#include "method/method.h"

/* Train what has gradients in model and adapter (NULL: none) on group examples to a sample.  spent's seconds, FLOPs,
 * parameters, tokens, curve and best epoch are filled. */
int tl_tune(tl_model *model, tl_adapter *adapter, const tl_work *w, const tl_method_options *o, const char *name,
            double learning_rate, int group, uint64_t seed, tl_method_spent *spent, tl_err *err);

#endif
