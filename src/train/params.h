/* params.h - the list of what is trained, and AdamW over it.
 *
 *     TL_TRY(tl_params_create(&p, model, adapter, err));    every weight with a gradient, of both
 *     tl_params_zero(p);  ... forward, backward ...
 *     norm = tl_params_norm(p, backend, stream);
 *     tl_params_update(p, backend, stream, &step);
 *
 * Full fine-tuning and adapter tuning differ in this list and nowhere below it. */
#ifndef TL_TRAIN_PARAMS_H
#define TL_TRAIN_PARAMS_H

#include "backend/backend.h"
#include "base/err.h"
#include "model/adapter.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_param {
    char name[96];
    float *value, *grad; /* borrowed from the model or adapter */
    float *m, *v;        /* AdamW's moments, owned by the list */
    size_t n;
    int rows, cols;
    bool decayed;   /* weight decay applies: matrices, not norms and biases */
    float lr_ratio; /* of the schedule's learning rate */
} tl_param;

typedef struct tl_params {
    tl_param *items; /* owned */
    int n;
    size_t count;   /* of numbers in all */
    float *moments; /* owned: every m and v */
} tl_params;

/* An empty list is an error: nothing would be trained.  table_ratio is the lr_ratio of the token and position tables.
 */
int tl_params_create(tl_params **out, tl_model *m, tl_adapter *adapter, float table_ratio, tl_err *err);
void tl_params_free(tl_params *p);

void tl_params_zero(tl_params *p);

/* The gradient's L2 norm over all parameters; not finite where any gradient is not. */
double tl_params_norm(const tl_params *p, const tl_backend *b, tl_stream *s);

/* One AdamW step; weight_decay reaches only decayed parameters. */
void tl_params_update(tl_params *p, const tl_backend *b, tl_stream *s, const tl_adamw_step *step);

#endif
