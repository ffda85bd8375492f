/* acts.h - the buffers that forward.c fills and backward.c reads; private to the two and to loss.c.
 *
 * Training keeps one tl_layer_acts for each layer.  Inference keeps one: every layer's pointers are the same, so the
 * same lines run and the memory is that of a single layer. */
#ifndef TL_MODEL_ACTS_H
#define TL_MODEL_ACTS_H

#include "base/arena.h"
#include "model/forward.h"

typedef struct tl_layer_acts {
    float *x;                     /* [N, D] the residual stream as it came in */
    float *norm1, *mean1, *rstd1; /* [N, D], [N], [N] */
    float *q, *k, *v;             /* [N, H*h], [N, G*h] twice; q and k after rotation */
    float *att, *lse;             /* [N, H*h], [N, H] */
    float *mid;                   /* [N, D] the stream after attention */
    float *norm2, *mean2, *rstd2;
    float *gate, *up, *hidden;  /* [N, F]; gate is absent without gating */
    float *low[TL_MODULES_MAX]; /* [N, r]: scale * x A^T of each module; absent without adapters */
} tl_layer_acts;

struct tl_acts {
    tl_acts_size size;
    tl_arena *arena;               /* owned: everything below lies in it */
    tl_layer_acts *layers;         /* [L] */
    float *x;                      /* [N, D] the stream after the last layer */
    float *out, *mean, *rstd;      /* [N, D], [N], [N] after the last norm */
    tl_pages pages;                /* one layer's, for batches that bring none */
    int *page_list;                /* [pages] numbers handed to the segments */
    tl_segment *segments;          /* [max_segments] copies with pages filled in */
    int chunk;                     /* rows of logits at a time in the loss */
    float *logits, *gathered;      /* [chunk, V], [chunk, D] */
    float *losses, *loss_weights;  /* [chunk] */
    int *loss_rows, *loss_targets; /* [N], [chunk] */
    /* Training only. */
    float *dout;                  /* [N, D] gradient to out, set by tl_loss */
    float *dx, *dnorm;            /* [N, D] */
    float *dhidden, *dgate, *dup; /* [N, F] */
    float *datt, *dq, *dk, *dv;   /* [N, H*h] twice, [N, G*h] twice */
    float *dlow;                  /* [N, r] */
    float *dgathered;             /* [chunk, D] */
};

/* The adapter of a run of consecutive segments and its rows; for walking a batch by adapters. */
typedef struct tl_run {
    int row, rows, next; /* next: the first segment after the run */
    const tl_adapter *adapter;
} tl_run;

/* The run that starts at segment first. */
tl_run tl_batch_run(const tl_batch *b, int first);

/* The module that product `linear` belongs to, and whether it is the module's first or last product. */
int tl_model_module(const tl_model *m, int linear, bool *first, bool *last);

/* How attention sees a layer of this batch. */
tl_attention tl_batch_attention(const tl_model *m, const tl_batch *b, const tl_acts *acts, int layer);

#endif
