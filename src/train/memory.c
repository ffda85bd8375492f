/* memory.c - words for what training holds. */
#include "train/memory.h"

#include <stdio.h>
#include <string.h>

static const char *const recomputes[] = { "auto", "on", "off" };
static const char *const states[] = { "f32", "bf16", "8bit" };
static const char *const gradients_of[] = { "f32", "bf16", "fused" };

tl_memory tl_memory_defaults(void)
{
    return (tl_memory){
        .recompute = TL_RECOMPUTE_AUTO, .weights = TL_DTYPE_F32, .state = TL_STATE_F32, .gradients = TL_GRADIENT_F32
    };
}

tl_memory tl_memory_low(void)
{
    return (tl_memory){
        .recompute = TL_RECOMPUTE_ON, .weights = TL_DTYPE_BF16, .state = TL_STATE_8BIT, .gradients = TL_GRADIENT_FUSED
    };
}

/* The index of word among three, or an error that lists them. */
static int choose(int *out, const char *flag, const char *word, const char *const words[3], tl_err *err)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return 0;
        }
    return tl_fail(err, TL_EUSAGE, "--%s '%s': %s, %s and %s are known", flag, word, words[0], words[1], words[2]);
}

int tl_memory_parse(tl_memory *out, const char *recompute, const char *weights, const char *state,
                    const char *gradients, tl_err *err)
{
    int r = out->recompute, s = out->state, g = out->gradients;
    tl_dtype w = out->weights;
    if (recompute) TL_TRY(choose(&r, "recompute", recompute, recomputes, err));
    if (state) TL_TRY(choose(&s, "optimizer-state", state, states, err));
    if (gradients) TL_TRY(choose(&g, "gradients", gradients, gradients_of, err));
    if (weights && strcmp(weights, "f32") != 0 && strcmp(weights, "bf16") != 0)
        return tl_fail(err, TL_EUSAGE, "--weights '%s': f32 and bf16 are known", weights);
    if (weights) w = strcmp(weights, "bf16") == 0 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
    *out = (tl_memory){ (tl_recompute)r, w, (tl_state)s, (tl_gradient_kind)g };
    return 0;
}

bool tl_memory_plain(const tl_memory *m)
{
    return m->weights == TL_DTYPE_F32 && m->state == TL_STATE_F32 && m->gradients == TL_GRADIENT_F32;
}

void tl_memory_text(char *out, size_t size, const tl_memory *m)
{
    snprintf(out, size, "recompute %s, weights %s, state %s, gradients %s", recomputes[m->recompute],
             m->weights == TL_DTYPE_BF16 ? "bf16" : "f32", states[m->state], gradients_of[m->gradients]);
}

tl_unfreeze tl_memory_unfreeze(const tl_memory *m)
{
    return (tl_unfreeze){ .matrices = m->weights,
                          .room = m->gradients == TL_GRADIENT_F32    ? TL_ROOM_EACH
                                  : m->gradients == TL_GRADIENT_BF16 ? TL_ROOM_LAYER
                                                                     : TL_ROOM_GROUP };
}
