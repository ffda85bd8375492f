/* method.h - the ways to customize a base, and their settings.
 *
 *     tl_method m;
 *     TL_TRY(tl_method_parse(&m, "lora+few-shot", err));      m.tuning = TL_TUNING_LORA, m.few_shot
 *     tl_method_options o = tl_method_defaults();
 *     TL_TRY(tl_method_run(&variant, &m, &work, &o, seed, &cost, err));
 *
 * A method turns (base, task, budget) into a variant.  Tuning only says what has gradients; prompting only says what
 * stands in front. */
#ifndef TL_METHOD_METHOD_H
#define TL_METHOD_METHOD_H

#include "method/variant.h"
#include "task/task.h"
#include "text/tokenizer.h"
#include "train/memory.h"
#include "train/schedule.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum tl_tuning {
    TL_TUNING_NONE,
    TL_TUNING_LORA,
    TL_TUNING_FULL
} tl_tuning;

typedef struct tl_method {
    tl_tuning tuning;
    bool few_shot; /* k worked examples stand in front of each request */
    char name[32]; /* "zero-shot", "few-shot", "lora", "full", "lora+few-shot", "full+few-shot" */
} tl_method;

int tl_method_parse(tl_method *out, const char *name, tl_err *err);

typedef struct tl_method_options {
    int k;                   /* worked examples; -1: as many of 16 as fit (4 where tuning comes along) */
    bool balanced;           /* drawn label by label in turn */
    int epochs;              /* over the training split; 0: 20 for an adapter, 10 for full */
    int batch;               /* samples of a step */
    double lora_lr, full_lr; /* peak learning rates */
    tl_schedule_kind schedule;
    double warmup; /* share of the steps */
    double weight_decay;
    double max_grad_norm; /* clipping; 0: none; -1: at 1, and none where gradients are fused */
    int max_rows;         /* of a micro-batch */
    tl_memory memory;     /* of full fine-tuning; of an adapter's only whether to recompute */
    bool keep_best;       /* the weights of the epoch with the lowest validation loss, not the last */
    int lora_r;
    float lora_alpha;
    bool rslora, dora;
    const char *lora_targets;
    const char *lora_own; /* modules trained whole beside the adapter, with commas; "": none */
    tl_bias lora_bias;    /* biases that are trained too */
} tl_method_options;

tl_method_options tl_method_defaults(void);

/* Epochs of a tuning method: those asked for, or its own. */
int tl_method_epochs(const tl_method *m, const tl_method_options *o);

/* What a method works with; all borrowed. */
typedef struct tl_work {
    const char *base_dir;
    tl_model *base; /* frozen */
    const tl_tokenizer *tokenizer;
    const tl_task *task;
    tl_stream *stream;
} tl_work;

typedef struct tl_tuned_point {
    long step;
    double loss;
    double validation; /* NAN where it was not measured */
} tl_tuned_point;

/* What making the variant took. */
typedef struct tl_method_spent {
    double seconds, flops, trainable_parameters, trained_tokens;
    char memory[120];      /* what was held, in words; empty where nothing was trained */
    double planned_bytes;  /* of training, over what was there before */
    tl_tuned_point *curve; /* owned: tl_method_spent_reset */
    int n_curve;
    int best_epoch; /* 0: nothing was trained */
    int k;          /* worked examples in front of a request */
} tl_method_spent;

void tl_method_spent_reset(tl_method_spent *s);

/* Run one method with one seed (of the draw of examples, of the first weights, of the order of samples). */
int tl_method_run(tl_variant **out, const tl_method *m, const tl_work *w, const tl_method_options *o, uint64_t seed,
                  tl_method_spent *spent, tl_err *err);

#endif
