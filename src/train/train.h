/* train.h - the step: one road for pretraining, full fine-tuning and adapters.
 *
 *     TL_TRY(tl_trainer_create(&t, model, adapter, stream, &options, err));
 *     for (...) TL_TRY(tl_train_step(t, samples, n, &report, err));
 *     tl_trainer_free(t);
 *
 * A step takes any number of samples, packs them into as many micro-batches as they need, and makes one update from the
 * mean loss over all their trained tokens (token-weighted: how they were cut leaves the gradient alone, up to
 * rounding). */
#ifndef TL_TRAIN_TRAIN_H
#define TL_TRAIN_TRAIN_H

#include "model/adapter.h"
#include "model/forward.h"
#include "train/memory.h"
#include "train/pack.h"
#include "train/params.h"
#include "train/schedule.h"

typedef struct tl_train_options {
    tl_schedule schedule;
    float beta1, beta2, eps; /* 0.9, 0.999, 1e-8 */
    float weight_decay;      /* 0 */
    float max_grad_norm;     /* 1; 0: no clipping */
    float table_lr_ratio;    /* 1: the token and position tables learn as fast as the rest */
    int max_rows;            /* of a micro-batch: what activations are planned for */
    tl_memory memory;        /* memory.h's defaults; the model is unfrozen the same way */
    uint64_t seed;           /* 0: of what is rounded by chance */
} tl_train_options;

tl_train_options tl_train_defaults(void);

typedef struct tl_trainer {
    tl_model *model;          /* borrowed */
    tl_adapter *adapter;      /* borrowed; NULL: none */
    tl_stream *stream;        /* borrowed */
    tl_train_options options; /* memory.recompute is decided: on or off */
    tl_params *params;        /* owned */
    tl_acts *acts;            /* owned */
    tl_pack pack;
    long step;    /* updates made */
    double flops; /* of all steps so far, by flops.h */
} tl_trainer;

typedef struct tl_train_report {
    double loss;      /* mean over trained tokens, before the update */
    double grad_norm; /* before clipping */
    double lr;
    int tokens;  /* rows run */
    int targets; /* trained tokens */
} tl_train_report;

/* Bytes that training takes, each figure from the lines that lay the memory out.  The model may be frozen still: with
 * adapter NULL all of it would be unfrozen as o->memory says. */
typedef struct tl_train_plan {
    size_t weights; /* what is trained, with places for its gradients */
    size_t state;   /* moments, and gradients kept in bf16 */
    size_t acts;    /* activations of a micro-batch, logits, gradients to them */
    bool recompute; /* as it was asked for, or as auto decides on this machine now */
} tl_train_plan;
tl_train_plan tl_trainer_plan(const tl_model *m, const tl_adapter *adapter, const tl_train_options *o);

/* The sum of the plan. */
size_t tl_trainer_bytes(const tl_model *m, const tl_adapter *adapter, const tl_train_options *o);

/* What is trained is what has gradients in model and adapter; nothing at all is an error.  So are choices of memory
 * that do not go together, or that the model was not unfrozen for. */
int tl_trainer_create(tl_trainer **out, tl_model *m, tl_adapter *adapter, tl_stream *s, const tl_train_options *o,
                      tl_err *err);
void tl_trainer_free(tl_trainer *t);

/* One update.  Errors: no trained token among the samples, a sample longer than a micro-batch or the context, a loss or
 * gradient that is not finite (the weights are then as before the step; with gradients fused, those of the groups whose
 * gradients were finite have moved), and with gradients fused more than one micro-batch. */
int tl_train_step(tl_trainer *t, const tl_sample *const *samples, int n, tl_train_report *r, tl_err *err);

/* Mean loss over the samples' trained tokens, nothing changed. */
int tl_train_loss(tl_trainer *t, const tl_sample *const *samples, int n, double *loss, tl_err *err);

#endif
