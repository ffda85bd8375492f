/* methods.h - what the commands that run methods share: their flags, and the base, task and stream they work on. */
#ifndef TL_CMD_METHODS_H
#define TL_CMD_METHODS_H

#include "cmd/memory_flags.h"
#include "cmd/open.h"
#include "method/method.h"

/* Flags of tuning and prompting, as rows for a command's table: { TL_METHOD_ROWS, ..., { 0 } }. */
typedef struct tl_method_flags {
    tl_open_flags open;
    const char *schedule, *lora_bias;
    tl_memory_flags memory;
    bool quiet, last_epoch, balanced, low_memory;
    tl_method_options o;
} tl_method_flags;

extern tl_method_flags tl_flags;

#define TL_WORK_ROWS                                                                                                   \
    { "model", 's', &tl_flags.open.model, "BASE", "the base: a directory or a GGUF file" },                            \
        { "threads", 'i', &tl_flags.open.threads, "N", "0: all" }, TL_QUANTIZE_ROWS(tl_flags.open),                    \
    {                                                                                                                  \
        "quiet", 'b', &tl_flags.quiet, NULL, "say nothing but results and errors"                                      \
    }

#define TL_PROMPT_ROWS                                                                                                 \
    { "k", 'i', &tl_flags.o.k, "N", "worked examples; -1: as many of 16 as fit (of 4 where tuning comes along)" },     \
    {                                                                                                                  \
        "balanced", 'b', &tl_flags.balanced, NULL, "draw them label by label in turn, not by the labels' shares"       \
    }

#define TL_TUNE_ROWS                                                                                                   \
    { "epochs", 'i', &tl_flags.o.epochs, "N", "over the training split; 0: 20 for an adapter, 10 for full" },          \
        { "batch", 'i', &tl_flags.o.batch, "N", "samples of a step" },                                                 \
        { "lora-lr", 'd', &tl_flags.o.lora_lr, "RATE", "peak learning rate of adapters" },                             \
        { "full-lr", 'd', &tl_flags.o.full_lr, "RATE", "peak learning rate of full fine-tuning" },                     \
        { "schedule", 's', &tl_flags.schedule, "KIND", "constant, linear or cosine" },                                 \
        { "warmup", 'd', &tl_flags.o.warmup, "SHARE", "of the steps" },                                                \
        { "weight-decay", 'd', &tl_flags.o.weight_decay, "W", "of AdamW, on matrices" },                               \
        { "max-grad-norm", 'd', &tl_flags.o.max_grad_norm, "NORM",                                                     \
          "clipping; 0: none; -1: at 1, and none where gradients are fused" },                                         \
        { "micro-batch", 'i', &tl_flags.o.max_rows, "N", "tokens run at once" }, TL_MEMORY_ROWS(tl_flags.memory),      \
        { "low-memory", 'b', &tl_flags.low_memory, NULL,                                                               \
          "recompute on, weights bf16, optimizer-state 8bit, gradients fused, unless they are said" },                 \
        { "last-epoch", 'b', &tl_flags.last_epoch, NULL,                                                               \
          "keep the last weights, not those of the lowest validation loss" },                                          \
        { "lora-r", 'i', &tl_flags.o.lora_r, "N", "rank" },                                                            \
        { "lora-alpha", 'f', &tl_flags.o.lora_alpha, "A", "scale is alpha / r" },                                      \
        { "rslora", 'b', &tl_flags.o.rslora, NULL, "scale is alpha / sqrt(r)" },                                       \
        { "dora", 'b', &tl_flags.o.dora, NULL, "magnitudes of the adapted rows are trained too" },                     \
        { "lora-own", 's', &tl_flags.o.lora_own, "NAMES", "modules trained whole, with commas: lm_head" },             \
        { "lora-bias", 's', &tl_flags.lora_bias, "KIND", "biases trained too: none, lora_only (of targets) or all" },  \
    {                                                                                                                  \
        "lora-targets", 's', &tl_flags.o.lora_targets, "NAMES", "all-linear, or modules with commas"                   \
    }

/* A base and a task; work borrows from here. */
typedef struct tl_working {
    tl_opened opened;
    tl_task *task; /* owned */
    tl_work work;
} tl_working;

/* An error that names a flag which does not go with the methods asked for: what training holds where nothing is fully
 * trained, a quantized base where something is. */
int tl_flags_check_methods(const tl_method *methods, int n, tl_err *err);

/* Open what tl_flags and the task's directory say, with all splits. */
int tl_working_open(tl_working *out, const char *task_dir, tl_err *err);
void tl_working_close(tl_working *w); /* a zeroed struct is fine */

#endif
