/* forward.h - tokens in, hidden states out; and back again.
 *
 *     TL_TRY(tl_acts_create(&acts, model, stream, &size, err));          once, from the plan
 *     tl_forward(model, stream, &batch, acts);                           hidden states of every row
 *     tl_logits(model, stream, acts, rows, n, out);                      logits of chosen rows
 *     tl_backward(model, stream, &batch, acts);                          after tl_loss has set d(hidden)
 *
 * A batch is ragged: segments of several sequences lie one after the other in N rows, each at its own positions, with
 * no attention between them.  Training and inference run the same lines; training keeps each layer's activations and
 * its own key/value pages, inference keeps one layer's and is given the engine's pages.
 *
 * Each segment may have its own adapter, as long as all see the same model.  Rows of one adapter should stand together:
 * consecutive segments with the same adapter are one product. */
#ifndef TL_MODEL_FORWARD_H
#define TL_MODEL_FORWARD_H

#include "model/adapter.h"
#include "model/model.h"

/* Where key/value pages lie.  Page i of layer l: k at k + (i * L + l) * tl_page_k(type, G, h), v likewise. */
typedef struct tl_pages {
    uint32_t *k, *v; /* owned by the engine; NULL in a training batch: the activations' own are used */
    tl_dtype type;
} tl_pages;

typedef struct tl_batch {
    int N;                /* rows */
    const int *ids;       /* [N] token ids, checked against V by the batch's maker */
    const int *positions; /* [N], checked against T */
    int n_segments;
    const tl_segment *segments;  /* in row order, covering all rows */
    tl_adapter *const *adapters; /* [n_segments], entries may be NULL; or NULL: none */
    tl_pages pages;
} tl_batch;

typedef struct tl_acts tl_acts; /* the buffers of a run (acts in forward.c) */

typedef struct tl_acts_size {
    int max_rows;
    int max_rank;     /* of any adapter in any batch; 0: none */
    bool magnitudes;  /* training: the adapter has them */
    bool training;    /* keep what the backward needs, and pages of its own */
    bool recompute;   /* training: keep only each layer's input and run the layer again in the backward: the same bits
                       * from a tenth of the memory, for a quarter more of the work in products */
    int max_segments; /* training only: bounds the pages */
} tl_acts_size;

/* Bytes tl_acts_create will take: the plan. */
size_t tl_acts_bytes(const tl_model *m, const tl_acts_size *size);
int tl_acts_create(tl_acts **out, const tl_model *m, const tl_acts_size *size, tl_err *err);
void tl_acts_free(tl_acts *a);

/* What a batch is run by: the base m, or what its adapters make of it (tl_adapter_model), which is the same for all of
 * its sequences.  The functions below are given the base. */
const tl_model *tl_batch_model(const tl_model *m, const tl_batch *b);

/* Run the layers.  For a training batch the segments' pages may be NULL: they are laid out here. */
void tl_forward(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts);

/* The last layer's output after the last norm: [N, D], valid until the next forward or backward. */
const float *tl_acts_hidden(const tl_acts *a);

/* logits[n_rows, V] of chosen rows of the last forward. */
void tl_logits(const tl_model *m, tl_stream *s, const tl_acts *acts, const int *rows, int n_rows, float *logits);

/* The groups outside the layers, counted from L: a head of its own; the last norm, the tables and a tied head. */
enum {
    TL_HEAD,
    TL_TABLES
};

/* How gradients are taken. */
typedef struct tl_gradients {
    bool add; /* to those of an earlier batch; false: written anew.  A buffer that layers share is always written */
    void (*done)(void *context, int group); /* NULL, or told when all gradients of a group are complete and its weights
                                             * are not needed any more: layer 0 .. L-1, L + TL_HEAD, L + TL_TABLES */
    void *context;
} tl_gradients;

/* Loss over the rows with target >= 0: sum of weight[n] * -log p(target[n]) in double, in row order.  Gathers those
 * rows, takes the head's product in chunks (never [N, V]), sets d(hidden) and, where the head is trained, its gradient.
 * With g NULL only the loss is computed. */
double tl_loss(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts, const int *targets,
               const float *weights, const tl_gradients *g);

/* From d(hidden) down to the lowest trained weight: the gradients of model and adapter.  After tl_loss of the same
 * batch, with the same g.  A batch's segments must all have the same adapter (or none). */
void tl_backward(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts, const tl_gradients *g);

#endif
