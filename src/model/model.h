/* model.h - a base in memory: its config, its weights, and which of them have gradients.
 *
 *     TL_TRY(tl_model_open(&m, "models/tailor-base", err));
 *     TL_TRY(tl_model_unfreeze(m, err));           full fine-tuning: every weight becomes trainable
 *     TL_TRY(tl_model_write(m, tl_dir_path(d), TL_DTYPE_F32, err));
 *     tl_model_free(m);
 *
 * Weights are used where they lie: f32 and bf16 straight from the mapped file; f16, blocks and the transposed matrices
 * of GPT-2 as f32 copies.  A model that nobody unfreezes is read-only and shared by any number of engines and threads.
 *
 * Quantized matrices.  Blocks that the kernels know (Q8_0, Q4_0, Q4_K of a GGUF file) and what tl_model_options asks
 * for lie in panels (base/panels.h), which the model owns; the pages of the file they were made of are given back one
 * tensor after the other.  Norms, biases and learned positions are never quantized.  Such a base is frozen: it can be
 * run and carry adapters, unfreezing refuses it.  Its hash is that of the panels, so an adapter belongs to the base as
 * it was quantized.  Written to disk (tl_model_write) it is widened.
 *
 * What is trained is data: a weight with grad != NULL is trained.  Nothing else tells full fine-tuning, adapter
 * tuning and inference apart below this line. */
#ifndef TL_MODEL_MODEL_H
#define TL_MODEL_MODEL_H

#include "backend/backend.h"
#include "base/err.h"
#include "base/hash.h"
#include "model/config.h"
#include "model/rope.h"

#include <stddef.h>
#include <stdint.h>

typedef struct tl_weight {
    const void *data; /* NULL: this architecture has no such weight */
    tl_dtype dtype;   /* f32 or bf16; a matrix may be quantized (tl_panels_known) */
    int rows, cols;   /* a vector has rows 1 */
    float *grad;      /* NULL: frozen */
    bool shared;      /* grad is a buffer for several weights in turn: it holds the latest one's */
} tl_weight;

static inline tl_matrix tl_weight_matrix(const tl_weight *w)
{
    return (tl_matrix){ w->data, w->dtype };
}
static inline const float *tl_weight_f32(const tl_weight *w)
{
    return w->data; /* norms and biases are f32 in memory */
}

/* The products of a layer, in the order the forward meets them. */
enum {
    TL_Q,
    TL_K,
    TL_V,
    TL_O,
    TL_GATE,
    TL_UP,
    TL_DOWN,
    TL_LINEARS
};

/* One of several hidden layers beside each other. */
typedef struct tl_expert {
    tl_weight gate, up, down; /* [F, D], [F, D], [D, F] */
} tl_expert;

typedef struct tl_layer {
    tl_weight norm1, norm1_bias;   /* before attention: [1, D] */
    tl_weight after1, after1_bias; /* after it */
    tl_weight norm2, norm2_bias;   /* before the hidden layer */
    tl_weight after2, after2_bias; /* after it */
    tl_weight q_norm, k_norm;      /* [1, h], or [1, H*h] and [1, G*h] */
    tl_weight linear[TL_LINEARS];  /* [O, I]; gate is absent without gating */
    tl_weight bias[TL_LINEARS];    /* [1, O] or absent */
    tl_weight router;              /* [E, D], with experts in place of gate, up and down */
    tl_expert *experts;            /* borrowed from the model: E, or NULL */
} tl_layer;

/* In what matrices are held.  TL_DTYPE_COUNT: as they are stored. */
typedef struct tl_model_options {
    tl_dtype layers; /* the layers' products: Q8_0, Q4_0, Q4_K, NF4; or F32: every block is widened */
    tl_dtype tables; /* the token table and the head, likewise */
} tl_model_options;

typedef struct tl_model {
    tl_config config;
    tl_weight tokens;          /* [V, D] */
    tl_weight positions;       /* [T, D], learned positions only */
    tl_weight norm, norm_bias; /* the last norm */
    tl_weight head;            /* [V, D]; the same data and grad as tokens where tied */
    tl_layer *layers;          /* owned: L of them */
    tl_expert *experts;        /* owned: L * E, or NULL */
    const tl_backend *backend; /* shared */
    tl_rope_table rope, local; /* owned, rotary positions only; local: of layers with a window */
    bool named;          /* the weights do not change: the base has a hash, and what was computed with it can be kept */
    size_t stored_bytes; /* of the tensors in the weight files */
    tl_model_options options;       /* as it was opened */
    struct tl_model_memory *memory; /* owned: mapping and copies (model.c) */
} tl_model;

/* Read the base at path: a directory (config.json, safetensors) or a GGUF file (model_gguf.c). */
int tl_model_open(tl_model **out, const char *path, tl_err *err);

/* All as stored. */
tl_model_options tl_model_defaults(void);

/* What --quantize and --quantize-tables say: "q8_0", "q4_0", "q4_k", "nf4" or "none"; either may be NULL.  Tables
 * follow the layers in q8_0 where nothing is said of them: the head is the product whose errors nothing after it evens
 * out. */
int tl_model_options_parse(tl_model_options *out, const char *layers, const char *tables, tl_err *err);

/* As tl_model_open.  Q4_K wants rows of 256 numbers: matrices of others become Q4_0. */
int tl_model_open_as(tl_model **out, const char *path, const tl_model_options *options, tl_err *err);

/* Row `row` of a matrix, whatever its type, as f32: cols numbers. */
void tl_weight_widen_row(const tl_weight *w, int row, float *out);

/* Bytes that its numbers take in memory. */
size_t tl_weight_bytes(const tl_weight *w);

/* A model of this config with fresh weights from seed: matrices normal with deviation 0.02 (those that write into the
 * residual stream divided by sqrt(2L)), norms one, biases zero; already unfrozen, in f32. */
int tl_model_create(tl_model **out, const tl_config *config, uint64_t seed, tl_err *err);

void tl_model_free(tl_model *m);

/* The hash of the weights' bytes and the config: names this base in adapters, variants and reports.  Zero where the
 * weights may change: from the moment it is unfrozen, or made anew.  The first call reads every weight; any thread may
 * ask. */
tl_hash tl_model_hash(const tl_model *m);

/* Give the pages of the mapped file back to the kernel: for a base that is not used for a while.  They come again when
 * they are read. */
void tl_model_rest(const tl_model *m);

/* Where gradients lie. */
typedef enum tl_room {
    TL_ROOM_EACH,  /* every weight has a place for its own */
    TL_ROOM_LAYER, /* the layers share one layer's places */
    TL_ROOM_GROUP, /* so do the token table and a head of its own */
} tl_room;

typedef struct tl_unfreeze {
    tl_dtype matrices; /* f32 or bf16; norms and biases are f32 always */
    tl_room room;
} tl_unfreeze;

/* Make every weight trainable: copies and places for gradients in one block.  Gradients hold nothing yet.  A base of
 * experts is refused: it can be run and carry adapters. */
int tl_model_unfreeze_as(tl_model *m, const tl_unfreeze *how, tl_err *err);

/* Has that been done, and so? */
bool tl_model_unfrozen_as(const tl_model *m, const tl_unfreeze *how);

/* In f32, each with its own gradient. */
int tl_model_unfreeze(tl_model *m, tl_err *err);

/* Bytes of that block: the plan. */
size_t tl_model_unfreeze_bytes(const tl_model *m, const tl_unfreeze *how);

typedef struct tl_write_options {
    tl_dtype dtype;       /* f32, f16 or bf16 for every tensor; TL_DTYPE_COUNT: the one it has (quantized: f32) */
    size_t shard_bytes;   /* of a file's tensors at most, where they are more than one; 0: one file for all */
    const json_t *config; /* borrowed: the config.json to carry along, with its type changed; NULL: made from m's */
} tl_write_options;
tl_write_options tl_write_defaults(void);

/* Write config.json and model.safetensors (or shards and their index) into the directory being built at dir, with the
 * tensor names and layouts of the family.  Nothing is copied but what is being written. */
int tl_model_write_with(const tl_model *m, const char *dir, const tl_write_options *options, tl_err *err);

/* The same in one file, in dtype. */
int tl_model_write(const tl_model *m, const char *dir, tl_dtype dtype, tl_err *err);

/* The same with every weight in the type it has in memory (a quantized one widened to f32): nothing is rounded. */
int tl_model_write_as_it_is(const tl_model *m, const char *dir, tl_err *err);

/* Walk every weight: visit gets the Hugging Face-like name of ours ("layers.0.q.weight") and the weight; stops at the
 * first negative return and gives it back.  Loading, counting, saving and the optimizer walk this. */
typedef int tl_weight_visit(void *context, const char *name, tl_weight *w);
int tl_model_each(tl_model *m, tl_weight_visit *visit, void *context);

/* Parameters, each counted once (a tied head is not counted again). */
size_t tl_model_parameters(const tl_model *m);

/* Parameters in matrix products for one token: what FLOP counts are made of (the head included, tables not). */
size_t tl_model_product_parameters(const tl_model *m);

#endif
