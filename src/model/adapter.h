/* adapter.h - low-rank adapters over a frozen model (LoRA: Hu et al., arXiv 2106.09685).
 *
 *     TL_TRY(tl_adapter_create(&a, m, &options, err));       fresh: A uniform, B zero, trainable
 *     TL_TRY(tl_adapter_load(&a, m, "runs/7/adapter", err)); PEFT's directory, frozen
 *
 * An adapted module computes y = x W^T + scale (x A^T) B^T with A [r, I], B [O, r].  A module is what PEFT adapts as
 * one: usually one product of ours; GPT-2's c_attn is three (q, k, v), which then share A and each take their rows of
 * B. scale is alpha/r, or alpha/sqrt(r) with rsLoRA.
 *
 * A loaded adapter is read-only and shared by counted references: acquire one more, release each. */
#ifndef TL_MODEL_ADAPTER_H
#define TL_MODEL_ADAPTER_H

#include "base/err.h"
#include "base/hash.h"
#include "model/model.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TL_MODULES_MAX = TL_LINEARS,
    TL_RANK_MAX = 4096,
};

typedef struct tl_lora {
    int r; /* 0: this module is not adapted */
    float scale;
    tl_weight a; /* [r, I] */
    tl_weight b; /* [O, r], O the sum over the module's products */
} tl_lora;

typedef struct tl_adapter {
    const tl_model *model; /* borrowed: the base it was made for, which must outlive it */
    int n_modules;         /* modules a layer of this family has */
    tl_lora *loras;        /* owned: [L][n_modules] */
    float alpha;
    int max_r; /* the largest r of all modules */
    bool rslora;
    tl_hash hash;            /* of its tensors and scales; zero while it is being trained */
    int references;          /* atomic */
    struct tl_arena *memory; /* owned: the tensors, and their gradients while trained */
} tl_adapter;

typedef struct tl_adapter_options {
    int r;               /* 8 */
    float alpha;         /* 16 */
    bool rslora;         /* false */
    const char *targets; /* "all-linear", or module names with commas: "q_proj,v_proj" */
    uint64_t seed;       /* of A */
} tl_adapter_options;

tl_adapter_options tl_adapter_defaults(void);

/* A fresh adapter with gradients.  A is uniform in +-1/sqrt(I), the field's default (kaiming_uniform with a = sqrt 5);
 * B is zero, so it starts as the base.  A target that names no module is refused. */
int tl_adapter_create(tl_adapter **out, const tl_model *m, const tl_adapter_options *o, tl_err *err);

/* Read adapter_config.json and adapter_model.safetensors in dir.  Every tensor must find its module and every target
 * its tensors; a field that changes the mathematics and is not understood is refused by name; an adapter whose B are
 * all zero (no effect) is refused; one made for another base (its tailor base hash, or its shapes) is refused. */
int tl_adapter_load(tl_adapter **out, const tl_model *m, const char *dir, tl_err *err);

/* Write both files, as PEFT reads them, into the directory being built at dir.  The base's hash goes along (metadata
 * "tailor.base_hash"); base_name is what PEFT will look for as the base. */
int tl_adapter_write(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err);

tl_adapter *tl_adapter_acquire(tl_adapter *a);
void tl_adapter_release(tl_adapter *a); /* NULL is fine */

/* Walk the adapter's trainable tensors, as tl_model_each. */
int tl_adapter_each(tl_adapter *a, tl_weight_visit *visit, void *context);

size_t tl_adapter_parameters(const tl_adapter *a);

/* Bytes of its tensors and their gradients. */
size_t tl_adapter_bytes(const tl_adapter *a);

/* W += scale B A in f32 for every adapted product of m: the base the adapter was loaded for, unfrozen since (its
 * weights are then its own f32), or another of the same shapes. */
int tl_adapter_merge(const tl_adapter *a, tl_model *m, tl_err *err);

/* The lora of product `linear` of a layer (NULL: not adapted) and the first row of its B that belongs to it. */
const tl_lora *tl_adapter_of(const tl_adapter *a, int layer, int linear, int *b_row);

#endif
