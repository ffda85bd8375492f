/* model_memory.h - what a tl_model owns; for the files that make models. */
#ifndef TL_MODEL_MODEL_MEMORY_H
#define TL_MODEL_MODEL_MEMORY_H

#include "base/arena.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "model/names.h"

/* What a base's hash is made of (model_hash.c). */
typedef struct tl_model_digests {
    const tl_weight **weights; /* owned: [n] */
    tl_hash *heads;            /* owned: [n] of each one's name, type and shape; of its bytes too once hash is known */
    size_t n;
    tl_hash config, hash;
    bool known;
} tl_model_digests;

struct tl_model_memory {
    tl_safetensors *file; /* owned: the mapped weights, until unfreezing has copied them */
    tl_gguf *gguf;        /* owned: in its place where the base is a GGUF file */
    tl_arena *copies;     /* owned: weights that could not be used where they lie, likewise */
    tl_arena *trained;    /* owned: weights and gradients of an unfrozen model, laid out so: */
    tl_unfreeze how;
    tl_arena *rope; /* owned: the tables */
    tl_model_digests digests;
};

/* All weights are in place and will not change: get ready to hash them.  And: they will change. */
int tl_model_name(tl_model *m, tl_err *err);
void tl_model_unname(tl_model *m);

/* An empty model of this config: layers, back end, rotary tables, shapes; no weight has data yet. */
int tl_model_make(tl_model **out, const tl_config *config, tl_err *err);

/* As tl_model_each, for a model that is not yet whole. */
int tl_model_each_row(tl_model *m, tl_weight_visit *visit, void *context);

/* The head of a tied model is its token table. */
void tl_model_tie(tl_model *m);

/* A model with layers of its own whose weights are those of m, which must outlive it.  It has no hash. */
int tl_model_share(tl_model **out, const tl_model *m, tl_err *err);

/* A name from a family's table, the layer and the expert put in where it has places; cut where it does not fit. */
void tl_name_print(char *out, size_t size, const char *pattern, int layer, int expert);

/* The weights of ours that lie in one stored tensor, and its shape. */
typedef struct tl_group {
    const tl_name *name; /* the first of its rows */
    tl_weight *weights[3];
    size_t O, I; /* all parts together; I is 1 for a vector */
    bool vector;
} tl_group;

enum {
    TL_NAME_MAX = 200
};

/* The row of a TL_FORM_BY_HEADS tensor that holds row o of its part-th part. */
static inline size_t tl_by_heads(size_t o, int part, int parts, int h)
{
    size_t width = (size_t)h;
    return (o / width * (size_t)parts + (size_t)part) * width + o % width;
}

/* Where number i of row o of a group's part p stands in its stored tensor; start: the rows of the parts before; h: the
 * width of a head. */
static inline size_t tl_group_place(const tl_group *g, int p, size_t start, size_t o, size_t i, int h)
{
    switch (g->name->form) {
    case TL_FORM_TRANSPOSED:
        return i * g->O + start + o;
    case TL_FORM_BY_HEADS:
        return tl_by_heads(o, p, g->name->parts, h) * g->I + i;
    case TL_FORM_ROWS:
    case TL_FORM_LESS_ONE:
    case TL_FORM_STACKED: /* of no family's own files */
        break;
    }
    return (start + o) * g->I + i;
}

/* Do the rows of a module's tensors lie by heads, as those of its products' tensor?  So does B of an adapter. */
bool tl_module_by_heads(const tl_family *f, const tl_module *module);

/* Take the group that begins at name, whose weights lie in owner (the model or a layer).  False: this config has no
 * such weight. */
bool tl_group_take(tl_group *out, const tl_config *c, const tl_name *name, const tl_weight_row *rows, void *owner);

#endif
