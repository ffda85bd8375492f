/* acts.h - the buffers that forward.c fills and backward.c reads; private to the two and to loss.c.
 *
 * What is held when.  Inference holds one tl_layer_acts: every layer's pointers are the same, so the same lines run and
 * the memory is that of a single layer.  Training holds one for each layer; with recompute only x (and the little that
 * needs the whole layer again) is each layer's own, the rest is one layer's, and the backward runs the layer's forward
 * again up to what it needs.  What is cheap to make again from these is never kept: the norms' outputs, and the hidden
 * layer's, which swiglu_back gives along.
 *
 * Gradients share what is dead by then.  Down a layer: hidden holds d(hidden), then hidden again, for the weight's
 * gradient; gate and up become their gradients in place; dnorm is d(out) at the top, then in each layer the gradient to
 * norm2's output, to attention's output, to norm1's output, in turn.  The loss's logits lie where hidden, dx, dq, dk
 * and dv will be. */
#ifndef TL_MODEL_ACTS_H
#define TL_MODEL_ACTS_H

#include "base/arena.h"
#include "model/experts.h"
#include "model/forward.h"

typedef struct tl_layer_acts {
    float *x;                   /* [N, D] the residual stream as it came in */
    float *q, *k, *v;           /* [N, H*h], [N, G*h] twice; q and k after rotation, or before their norms */
    float *att, *lse;           /* [N, H*h], [N, H] */
    float *mid;                 /* [N, D] the stream after attention */
    float *out[2];              /* [N, D] what attention and the hidden layer gave, where norms come after them */
    float *gate, *up;           /* [N, F]; gate is absent without gating */
    float *low[TL_MODULES_MAX]; /* [N, r]: scale * x A^T of each module; absent without adapters */
} tl_layer_acts;

struct tl_acts {
    tl_acts_size size;
    const tl_model *model;        /* borrowed: what the latest forward was run by */
    tl_arena *arena;              /* owned: everything below lies in it */
    tl_layer_acts *layers;        /* [L] */
    float *x;                     /* [N, D] the stream after the last layer */
    float *norm, *mean, *rstd;    /* [N, D], [N], [N] of the latest norm: after a forward, the last one */
    float *hidden;                /* [N, F] of the latest layer */
    float *q, *k;                 /* [N, H*h], [N, G*h] of the latest layer, normed and turned; absent without q_norm */
    float *q_rstd, *k_rstd;       /* [N, H], [N, G] of those norms, likewise */
    tl_expert_acts experts;       /* of the latest layer; empty without experts */
    tl_pages pages;               /* one layer's, for batches that bring none */
    int *page_list;               /* [pages] numbers handed to the segments */
    tl_segment *segments;         /* [max_segments] copies with pages filled in */
    int chunk;                    /* rows of logits at a time in the loss */
    float *logits, *gathered;     /* [chunk, V] over hidden and what follows it, [chunk, D] */
    float *losses, *loss_weights; /* [chunk] */
    int *loss_rows, *loss_targets; /* [N], [chunk] */
    /* Training only. */
    float *dx;                   /* [N, D] gradient to the stream */
    float *dnorm;                /* [N, D or H*h] gradient to what the latest norm or attention gave; set by tl_loss */
    float *dq, *dk, *dv;         /* [N, H*h], [N, G*h] twice */
    float *dout;                 /* [N, D] gradient to what a block gave, where it is not dx itself; else absent */
    float *dlow[TL_MODULES_MAX]; /* [N, r] */
    float *dscaled;              /* [N, all O of products with one input]: gradients to what gains multiply, then that;
                                  * absent without magnitudes */
    float *dgathered;            /* [chunk, D] */
};

/* The adapter of a run of consecutive segments and its rows; for walking a batch by adapters. */
typedef struct tl_run {
    int row, rows, next; /* next: the first segment after the run */
    const tl_adapter *adapter;
} tl_run;

/* The run that starts at segment first. */
tl_run tl_batch_run(const tl_batch *b, int first);

/* The module that product `linear` belongs to (-1: none), and whether it is the module's first or last product. */
int tl_model_module(const tl_model *m, int linear, bool *first, bool *last);

/* y = x normed with gains g and biases b, and its statistics; the kind and width of the norm are the model's. */
void tl_norm_rows(const tl_model *m, tl_stream *s, float *y, float *mean, float *rstd, const float *x,
                  const tl_weight *g, const tl_weight *b, int N);

/* What block 1 or 2 of a layer reads of the stream x: its norm, in acts->norm with mean and rstd; or x itself. */
const float *tl_layer_input(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer,
                            int which, const float *x);

/* The stream that a layer's hidden layer reads. */
static inline const float *tl_hidden_stream(const tl_model *m, const tl_layer_acts *a)
{
    return m->config.order == TL_ORDER_PARALLEL ? a->x : a->mid;
}

/* Norms and rotation of a layer's queries and keys, as attention sees them: in *q and *k.  Without norms these are the
 * layer's own, turned in place: once only. */
void tl_layer_queries(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer, float **q,
                      float **k);

/* Turn a layer's heads x [N, heads, h] by their positions, or back; where it turns any. */
void tl_layer_turn(const tl_model *m, tl_stream *s, const tl_batch *b, int layer, float *x, int heads, bool inverse);

/* Everything of a layer that its backward reads, again from its x: all but the hidden layer and the way back into the
 * stream. */
void tl_layer_again(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer);

/* logits [n, V] of the n rows in acts->gathered, divided and capped as the config says; the rows are divided with them.
 */
void tl_head_logits(const tl_model *m, tl_stream *s, const tl_acts *acts, int n, float *logits);

/* How attention sees a layer of this batch. */
tl_attention tl_batch_attention(const tl_model *m, const tl_stream *s, const tl_batch *b, const tl_acts *acts,
                                int layer);

#endif
