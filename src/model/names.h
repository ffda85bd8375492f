/* names.h - how a family calls its tensors and modules: the one table that loading, saving and adapters walk. */
#ifndef TL_MODEL_NAMES_H
#define TL_MODEL_NAMES_H

#include "model/model.h"

/* One tensor of a layer (or of the model) and the weight of ours it fills.  parts > 1: the stored tensor holds several
 * of ours one after the other along its output, this row being one of them. */
typedef struct tl_name {
    const char *stored;   /* "model.layers.%d.self_attn.q_proj.weight"; a %d takes the layer */
    size_t offset;        /* of the tl_weight in tl_layer, or in tl_model for the model's own */
    char rows, cols;      /* 'D','Q' (H*h), 'K' (G*h), 'F','V','T', '1': the shape it must have */
    bool transposed;      /* stored [I, O], as GPT-2's Conv1D does */
    int part, parts;      /* 0, 1 for a tensor of its own */
    bool optional;        /* absent in some bases of the family (biases) */
} tl_name;

/* A module as PEFT names it, and the products of ours in it. */
typedef struct tl_module {
    const char *name;     /* "self_attn.q_proj": the path below the layer */
    int first, count;     /* linear[first .. first+count-1] */
} tl_module;

struct tl_family {
    const char *model_type;
    const char *layer_path; /* "model.layers.%d." : the module path of a layer */
    const tl_name *model_names, *layer_names; /* each ends with stored == NULL */
    const tl_module *modules;                 /* ends with name == NULL */
    bool fan_in_fan_out;                      /* PEFT's word for transposed weights */
    int (*parse)(tl_config *c, json_t *object, const char *where, tl_err *err);
    json_t *(*print)(const tl_config *c);
};

const tl_family *tl_family_find(const char *model_type);
int tl_family_modules(const tl_family *f);

/* The size a dimension letter stands for. */
int tl_config_dimension(const tl_config *c, char letter);

#endif
