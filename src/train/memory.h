/* memory.h - what training holds: which numbers, in what type, for how long.
 *
 *     tl_memory memory = tl_memory_defaults();
 *     TL_TRY(tl_memory_parse(&memory, "auto", "bf16", "8bit", "fused", err));
 *     tl_unfreeze how = tl_memory_unfreeze(&memory);
 *     TL_TRY(tl_model_unfreeze_as(model, &how, err));        full fine-tuning: weights and gradients so
 *
 * Bytes a parameter of full fine-tuning: value, AdamW's two moments, gradient.  A group is a layer, or the tables.
 *
 *     weights  state  gradients
 *     f32      f32    f32            4 + 8 + 4 = 16       the default
 *     f32      f32    bf16           4 + 8 + 2 = 14       a layer's are rounded when its backward is done
 *     f32      f32    fused          4 + 8     = 12       and those of the largest group in f32
 *     bf16     8bit   fused          2 + 2     =  4       likewise: tl_memory_low
 *
 * Adapters are small and trained in f32 throughout; of all this only recompute concerns them. */
#ifndef TL_TRAIN_MEMORY_H
#define TL_TRAIN_MEMORY_H

#include "backend/backend.h"
#include "base/err.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum tl_recompute {
    TL_RECOMPUTE_AUTO, /* on where all activations take more than half of the machine's free memory */
    TL_RECOMPUTE_ON,   /* each layer is run again in the backward: the same bits, from its input alone */
    TL_RECOMPUTE_OFF
} tl_recompute;

typedef enum tl_gradient_kind {
    TL_GRADIENT_F32,
    TL_GRADIENT_BF16, /* of layers, after the layer's backward; micro-batches add up in bf16 */
    TL_GRADIENT_FUSED /* none is kept: a group is updated as soon as its gradients are complete */
} tl_gradient_kind;

typedef struct tl_memory {
    tl_recompute recompute;
    tl_dtype weights; /* of matrices: f32 or bf16 */
    tl_state state;
    tl_gradient_kind gradients;
} tl_memory;

/* auto, f32, f32, f32. */
tl_memory tl_memory_defaults(void);

/* on, bf16, 8bit, fused: the least there is. */
tl_memory tl_memory_low(void);

/* The words of the command line; NULL leaves what is there. */
int tl_memory_parse(tl_memory *out, const char *recompute, const char *weights, const char *state,
                    const char *gradients, tl_err *err);

/* Only recompute is away from the defaults: what an adapter can be trained with. */
bool tl_memory_plain(const tl_memory *m);

/* "recompute on, weights bf16, state 8bit, gradients fused" into out. */
void tl_memory_text(char *out, size_t size, const tl_memory *m);

/* How a model is unfrozen for it. */
tl_unfreeze tl_memory_unfreeze(const tl_memory *m);

#endif
