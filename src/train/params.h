/* params.h - the list of what is trained, its optimizer's state, and AdamW over it.
 *
 *     TL_TRY(tl_params_create(&p, model, adapter, 1, &memory, err));   every weight with a gradient, of both
 *     ... forward, backward ...
 *     norm = tl_params_norm(p, TL_GROUP_ALL, backend, stream);
 *     tl_params_update(p, TL_GROUP_ALL, backend, stream, &step, key);
 *
 * Full fine-tuning and adapter tuning differ in this list and nowhere below it. */
#ifndef TL_TRAIN_PARAMS_H
#define TL_TRAIN_PARAMS_H

#include "backend/backend.h"
#include "base/arena.h"
#include "base/err.h"
#include "model/adapter.h"
#include "model/model.h"
#include "train/memory.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TL_GROUP_ALL = -1
};

typedef struct tl_param {
    char name[96];
    void *value; /* borrowed from the model or adapter, as grad */
    tl_dtype dtype;
    float *grad;
    tl_bf16 *kept;            /* the gradient where grad is shared and gradients are kept in bf16; else NULL */
    tl_state state;           /* what the moments lie in; a vector's in f32 always */
    void *m, *v;              /* AdamW's moments */
    float *m_scale, *v_scale; /* of the blocks of 8-bit moments; else NULL */
    size_t n;
    int rows, cols;
    int group;      /* whose gradients are complete together (tl_gradients); 0 for an adapter's */
    bool decayed;   /* weight decay applies: matrices, not norms and biases */
    float lr_ratio; /* of the schedule's learning rate */
} tl_param;

typedef struct tl_params {
    tl_param *items; /* owned */
    int n;
    size_t count;    /* of numbers in all */
    tl_arena *arena; /* owned: what lies beside the weights: kept gradients, moments, scales */
} tl_params;

/* An empty list is an error: nothing would be trained.  table_ratio is the lr_ratio of the token and position tables.
 */
int tl_params_create(tl_params **out, tl_model *m, tl_adapter *adapter, float table_ratio, const tl_memory *memory,
                     tl_err *err);
void tl_params_free(tl_params *p);

/* Bytes of the arena that create would take, for the adapter or, with NULL, for every weight of m, unfrozen or not. */
size_t tl_params_bytes(const tl_model *m, const tl_adapter *adapter, const tl_memory *memory);

/* The group's gradients in bf16, to be kept (added to what is kept where add): nothing where there is no place. */
void tl_params_keep(const tl_params *p, int group, const tl_backend *b, tl_stream *s, bool add);

/* The L2 norm of the gradients of a group, or of all; not finite where any gradient is not. */
double tl_params_norm(const tl_params *p, int group, const tl_backend *b, tl_stream *s);

/* One AdamW step of a group, or of all; weight_decay reaches only decayed parameters.  key: of what is rounded by
 * chance in this step; each parameter has its own by its place in the list. */
void tl_params_update(const tl_params *p, int group, const tl_backend *b, tl_stream *s, const tl_adamw_step *step,
                      uint32_t key);

/* Bytes of one moment. */
size_t tl_state_size(tl_state state);

/* The values of f32 parameters. */
static inline float *tl_param_f32(const tl_param *p)
{
    return p->dtype == TL_DTYPE_F32 ? p->value : NULL;
}

#endif
