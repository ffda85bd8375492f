/* adapter.h - small changes over a frozen model: low-rank products (LoRA: Hu et al., arXiv 2106.09685), magnitudes of
 * rows (DoRA: Liu et al., arXiv 2402.09353), and weights of the adapter's own.
 *
 *     TL_TRY(tl_adapter_create(&a, m, &options, err));       fresh: begins as the base, trainable
 *     TL_TRY(tl_adapter_load(&a, m, "runs/7/adapter", err)); PEFT's or MLX's directory, or a GGUF file; frozen
 *     TL_TRY(tl_adapter_write(a, tl_dir_path(d), "base", err));
 *
 * An adapted module computes y = x W^T + scale (x A^T) B^T + bias with A [r, I], B [O, r]; with magnitudes m [O] each
 * output is scaled,
 *
 *     y = gain (x W^T + scale (x A^T) B^T) + bias        gain = m / |rows of W + scale B A|
 *
 * where the norm takes no part in the gradient.  A module is what PEFT adapts as one: usually one product of ours;
 * GPT-2's c_attn is three (q, k, v), which then share A and each take their rows of B.  Modules may differ in rank and
 * alpha; scale is alpha/r, or alpha/sqrt(r) with rsLoRA.
 *
 * Weights of its own take the place of the base's: PEFT's modules_to_save, trained biases, rows of the token table.
 * They are seen through tl_adapter_model: a model that shares all else with the base.  Sequences of one batch must see
 * the same model; adapters without weights of their own all see the base.
 *
 * A loaded adapter is read-only and shared by counted references: acquire one more, release each.  It sees the base as
 * it was when it was loaded. */
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
    float alpha, scale;
    tl_weight a;         /* [r, I] */
    tl_weight b;         /* [O, r], O the sum over the module's products */
    tl_weight magnitude; /* [1, O], or absent */
    float *gain, *norm;  /* [O] with magnitudes: see tl_adapter_renorm; else NULL */
    double *square;      /* [O] likewise: the base's rows, squared and summed */
} tl_lora;

/* How the adapter came to a weight of its own, which is how files speak of it. */
typedef enum tl_own_kind {
    TL_OWN_MODULE, /* PEFT's modules_to_save */
    TL_OWN_BIAS,   /* its bias = "all" or "lora_only" */
    TL_OWN_TOKENS, /* its trainable_token_indices: all of the table here, the rows of token_ids in files */
} tl_own_kind;

typedef struct tl_own {
    tl_own_kind kind;
    int layer;                  /* -1: outside the layers */
    const struct tl_name *name; /* shared: the family's row of the stored tensor, the first of its parts */
    tl_weight weights[3];       /* its parts, in f32 */
} tl_own;

typedef enum tl_bias {
    TL_BIAS_NONE,
    TL_BIAS_ADAPTED, /* those of adapted modules: "lora_only" */
    TL_BIAS_ALL
} tl_bias;

typedef struct tl_adapter {
    const tl_model *model; /* borrowed: the base it was made for, which must outlive it */
    int n_modules;         /* modules a layer of this family has */
    tl_lora *loras;        /* owned: [L][n_modules] */
    int max_r;             /* the largest r of all modules */
    bool rslora, dora;
    tl_bias bias; /* which biases are its own */
    tl_own *owns; /* owned: n_owns weights of its own */
    int n_owns;
    int *token_ids; /* owned: n_token_ids rows of the token table, for TL_OWN_TOKENS */
    int n_token_ids;
    tl_model *view;          /* owned: the base with the owns in place; NULL without any */
    tl_hash hash;            /* of its tensors and scales; zero while it is being trained */
    int references;          /* atomic */
    struct tl_arena *memory; /* owned: the tensors, and their gradients while trained */
    float *scratch;          /* borrowed from memory: for tl_adapter_renorm */
} tl_adapter;

typedef struct tl_adapter_options {
    int r;               /* 8 */
    float alpha;         /* 16 */
    bool rslora, dora;   /* false */
    const char *targets; /* "all-linear", or module names with commas: "q_proj,v_proj" */
    const char *own;     /* modules to be trained whole, with commas: "lm_head"; "": none */
    tl_bias bias;        /* which biases are trained: none */
    uint64_t seed;       /* of A */
} tl_adapter_options;

tl_adapter_options tl_adapter_defaults(void);

/* "none", "lora_only" or "all", as PEFT calls them. */
int tl_bias_parse(tl_bias *out, const char *word, tl_err *err);
const char *tl_bias_name(tl_bias bias);

/* A fresh adapter with gradients.  A is uniform in +-1/sqrt(I), the field's default (kaiming_uniform with a = sqrt 5);
 * B is zero, magnitudes are the base's norms and own weights the base's, so it starts as the base.  A target or own
 * module that names nothing is refused. */
int tl_adapter_create(tl_adapter **out, const tl_model *m, const tl_adapter_options *o, tl_err *err);

/* Read the adapter at path: a directory of PEFT (adapter_config.json, adapter_model.safetensors) or MLX
 * (adapter_config.json, adapters.safetensors), or a GGUF file.  Every tensor must find its module and every target its
 * tensors; a field that changes the mathematics and is not understood is refused by name; an adapter without any effect
 * (each B zero, nothing of its own) is refused; one made for another base (its tailor base hash, or its shapes) is
 * refused. */
int tl_adapter_load(tl_adapter **out, const tl_model *m, const char *path, tl_err *err);

/* Write PEFT's two files into the directory being built at dir.  The base's hash goes along (metadata
 * "tailor.base_hash"); base_name is what PEFT will look for as the base. */
int tl_adapter_write(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err);

/* MLX's two files into dir; llama.cpp's one file.  What these formats cannot say is refused by name: ranks that differ
 * and layers that are not the last ones (MLX), magnitudes (GGUF), weights of the adapter's own (both).  Scales that
 * differ where the format has one number go into B. */
int tl_adapter_write_mlx(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err);
int tl_adapter_write_gguf(const tl_adapter *a, const char *path, const char *base_name, tl_err *err);

tl_adapter *tl_adapter_acquire(tl_adapter *a);
void tl_adapter_release(tl_adapter *a); /* NULL is fine */

/* Walk the adapter's trainable tensors, as tl_model_each. */
int tl_adapter_each(tl_adapter *a, tl_weight_visit *visit, void *context);

size_t tl_adapter_parameters(const tl_adapter *a);

/* Bytes of its tensors and their gradients. */
size_t tl_adapter_bytes(const tl_adapter *a);

/* The model that sequences with this adapter see, given their base; a NULL: the base. */
static inline const tl_model *tl_adapter_model(const tl_model *base, const tl_adapter *a)
{
    return a && a->view ? a->view : base;
}

/* The gains again, after A, B or magnitudes have changed.  Nothing without magnitudes. */
void tl_adapter_renorm(tl_adapter *a, tl_stream *s);

/* The base with the adapter in it, a model of its own: W + scale B A, times the gains, in f32 for every adapted
 * product; weights of the adapter's own are copied, all else is borrowed from the base, which must outlive it. */
int tl_adapter_merge(tl_model **out, const tl_adapter *a, tl_err *err);

/* The lora of product `linear` of a layer (NULL: not adapted) and the first row of its B that belongs to it. */
const tl_lora *tl_adapter_of(const tl_adapter *a, int layer, int linear, int *b_row);

#endif
