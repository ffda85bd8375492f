/* names.h - what the weights are called: by us, and by each family of bases.
 *
 * Two kinds of tables, and nothing else in the program knows a tensor's name, place or shape:
 *
 *     tl_weight_row   one a weight of ours: its name, where it lies in tl_model or tl_layer, its shape, and which
 *                     configs have it.  Walking, counting, unfreezing, initializing and checkpoints go by these rows.
 *     tl_name         one a weight of a family: which stored tensor fills it, and how it lies there.  Loading and
 *                     saving go by these, adapters by the family's modules.
 *
 * and a third for the families' config.json: tl_field. */
#ifndef TL_MODEL_NAMES_H
#define TL_MODEL_NAMES_H

#include "model/model.h"

typedef struct tl_weight_row {
    const char *name;                   /* "q.weight"; in a walk with "layers.0." in front */
    size_t offset;                      /* of the tl_weight in tl_layer, or in tl_model */
    char rows, cols;                    /* letters of tl_config_dimension */
    bool residual;                      /* its product is added to the residual stream */
    bool attention;                     /* it is of a layer's first block */
    bool (*wanted)(const tl_config *c); /* does such a base have it?  NULL: always */
} tl_weight_row;

/* Each ends with name == NULL. */
extern const tl_weight_row tl_model_rows[], tl_layer_rows[];

static inline bool tl_weight_row_wanted(const tl_weight_row *row, const tl_config *c)
{
    return !row->wanted || row->wanted(c);
}

static inline tl_weight *tl_weight_row_of(const tl_weight_row *row, void *model_or_layer)
{
    return (tl_weight *)((char *)model_or_layer + row->offset);
}

/* How a tensor lies in the file. */
typedef enum tl_form {
    TL_FORM_ROWS,       /* as in memory: [O, I] */
    TL_FORM_TRANSPOSED, /* [I, O], as GPT-2's Conv1D does */
    TL_FORM_BY_HEADS,   /* the rows of its parts in turn, a head's at a time, as GPT-NeoX's query_key_value */
    TL_FORM_LESS_ONE,   /* gains stored as what they differ from one by, as Gemma's */
} tl_form;

/* The stored tensor that fills a weight of ours.  parts > 1: it holds several of ours one after the other along their
 * output, this one being the part-th; such rows stand together in the table, in order. */
typedef struct tl_name {
    const char *stored; /* "model.layers.%d.self_attn.q_proj.weight"; a %d takes the layer */
    size_t offset;      /* of the weight's tl_weight_row */
    tl_form form;
    int part, parts; /* 0, 1 for a tensor of its own */
} tl_name;

/* A row of config.json in a family's table: which key is which field, read and written by one walk. */
typedef enum tl_field_kind {
    TL_FIELD_WHOLE,  /* an int */
    TL_FIELD_REAL,   /* a float */
    TL_FIELD_SWITCH, /* a bool */
    TL_FIELD_FIXED,  /* no field of ours: a switch that must stand at standard */
} tl_field_kind;

typedef struct tl_field {
    const char *key;
    tl_field_kind kind;
    size_t offset; /* in tl_config */
    double least, most;
    double standard; /* the family's where the key is missing or null; NAN: it must be there */
} tl_field;

/* A module as PEFT names it, and the products of ours in it. */
typedef struct tl_module {
    const char *name; /* "self_attn.q_proj": the path below the layer */
    int first, count; /* linear[first .. first+count-1] */
} tl_module;

struct tl_family {
    const char *model_type;
    const char *architecture; /* the class that reads it in transformers: "LlamaForCausalLM" */
    const char *prefix;       /* "model.": in front of every stored name but the head's; some files go without */
    const char *layer_path;   /* "model.layers.%d.": the module path of a layer */
    const tl_name *model_names, *layer_names; /* each ends with stored == NULL */
    const tl_module *modules;                 /* ends with name == NULL */
    const char *const *ignored;               /* endings of stored buffers that hold no weights; ends with NULL */
    bool fan_in_fan_out;                      /* PEFT's word for transposed weights */

    /* Its config.json: what holds for all of its bases, the keys of the rest, and what is no plain field. */
    const tl_config *base;  /* shared; rope.theta and rope.part are those of a config.json that has none */
    const tl_field *fields; /* ends with key == NULL */
    const char *activation; /* the key of the activation's name, and the name where it is missing */
    const char *silent;
    const char *theta, *part; /* the keys of rope.theta and rope.part; part NULL: heads are turned whole */
    bool pads;                /* transformers takes a pad_token_id of its own where there is none: null says so */
    const char *const *reads; /* keys that config.c refuses for families that do not list them; ends with NULL */
    int (*parse)(tl_config *c, json_t *object, const char *where, tl_err *err); /* after the fields; may be NULL */
    int (*print)(const tl_config *c, json_t *object); /* sets the keys that parse reads; < 0 without memory */
};

extern const tl_family tl_family_llama, tl_family_mistral, tl_family_qwen2, tl_family_qwen3, tl_family_smollm3,
    tl_family_granite, tl_family_olmo2, tl_family_gemma2, tl_family_gemma3, tl_family_phi3, tl_family_gpt2,
    tl_family_gpt_neox, tl_family_starcoder2;

/* The i-th family, or NULL after the last. */
const tl_family *tl_family_at(int i);

/* The family of that model_type, or NULL. */
const tl_family *tl_family_find(const char *model_type);

/* How many modules a layer of it has. */
int tl_family_modules(const tl_family *f);

/* What we take from a config.json at most. */
enum {
    TL_WIDTH_MAX = 1 << 20,
    TL_HEADS_MAX = 1 << 12,
    TL_HEAD_MAX = 1 << 12,
    TL_VOCABULARY_MAX = 1 << 24,
    TL_POSITIONS_MAX = 1 << 20,
};

/* The size a dimension letter stands for: D F V T as in backend.h, Q = H*h, K = G*h, q and k the widths that the norms
 * of queries and keys have, and 1. */
int tl_config_dimension(const tl_config *c, char letter);

/* A JSON number for a float: the shortest that reads back to it, so that 1e-05 stays 1e-05. */
json_t *tl_config_real(float x);

#endif
