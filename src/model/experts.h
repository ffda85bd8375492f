/* experts.h - a hidden layer of E experts, of which each row meets a few (Shazeer et al., arXiv 1701.06538).
 *
 *     p   = softmax(Router n)                                  n: the block's input, [N, D]
 *     out = sum of w_e Down_e( act(Gate_e n, Up_e n) )         over the `picks` experts with the largest p, by their
 * number w_e = p_e, or p_e over the sum of the picked ones        (config.picks_sum_to_one)
 *
 * The router's product is taken in f32 always: what bf16 rounds would send rows to other experts.  Rows of one expert
 * are one product, so what a row gets depends on nothing but the row.
 *
 * Such a base is frozen: its experts and router have no gradients, but the gradient to n is taken, so that adapters on
 * attention can be trained.  Private to forward.c and backward.c. */
#ifndef TL_MODEL_EXPERTS_H
#define TL_MODEL_EXPERTS_H

#include "base/arena.h"
#include "model/model.h"

typedef struct tl_expert_acts {
    float *p;          /* [N, E] */
    int *picks;        /* [N, picks] experts of each row, in ascending order */
    float *w;          /* [N, picks] */
    int *rows, *first; /* [N * picks] places in picks, by expert; [E + 1] where each expert's begin */
    float *x, *y;      /* [N, D] the rows of one expert, and what it makes of them */
    float *gate, *up;  /* [N, F] */
    float *hidden;     /* [N, F] */
    float *out;        /* [N, D] */
    float *dw, *dp;    /* training: [N, picks], [N, E] */
} tl_expert_acts;

/* Lay the buffers for up to rows rows out in arena, which may be measuring. */
void tl_experts_lay(tl_expert_acts *a, tl_arena *arena, const tl_config *c, int rows, bool training);

/* a->out from x [N, D]. */
void tl_experts(const tl_model *m, tl_stream *s, const tl_expert_acts *a, int layer, const float *x, int N);

/* dx [N, D], written, from dout; everything is computed again from x. */
void tl_experts_back(const tl_model *m, tl_stream *s, const tl_expert_acts *a, int layer, float *dx, const float *dout,
                     const float *x, int N);

#endif
