/* gguf_architectures.h - GGUF's architectures: which family computes the same, and under which names; for model_gguf.c,
 * which reads by it, and model_gguf_write.c. */
#ifndef TL_MODEL_GGUF_ARCHITECTURES_H
#define TL_MODEL_GGUF_ARCHITECTURES_H

#include "model/layout.h"

typedef enum tl_gguf_field_kind {
    TL_GGUF_WHOLE,
    TL_GGUF_REAL,
    TL_GGUF_SWITCH
} tl_gguf_field_kind;

/* "llama.block_count" is row "block_count" of llama. */
typedef struct tl_gguf_field {
    const char *key, *field; /* field: of the family's config.json */
    tl_gguf_field_kind kind;
    bool required; /* by the format; for the others the family's default is the format's too */
    bool zero;     /* 0 says that there is none */
} tl_gguf_field;

typedef struct tl_gguf_architecture {
    const char *name;                          /* general.architecture, and what its keys begin with */
    const char *model_type;                    /* of the family */
    const tl_gguf_field *fields;               /* ends with key == NULL */
    const tl_name *layer_names, *expert_names; /* the second of rows of experts, else NULL */
    const char *const *interleaved;            /* as in tl_layout */
    int square_layers; /* Gemma of so many layers scales its scores by D / H, which no key says, others by the head; 0
                        */
} tl_gguf_architecture;

extern const tl_name tl_gguf_model_names[];

/* The i-th architecture, or NULL after the last.  Of several with one name the first is what a file is read as, the
 * others are families that compute the same and are written so. */
const tl_gguf_architecture *tl_gguf_architecture_at(int i);

/* Its tensors. */
tl_layout tl_gguf_layout(const tl_gguf_architecture *a);

#endif
