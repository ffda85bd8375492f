/* model_gguf.h - a base in a GGUF file: its config, and which of its tensors are which weights of ours.
 *
 *     TL_TRY(tl_gguf_config(&config, &layout, g, err));
 *
 * For model_open.c, and for whoever wants to know whether a file could be a base. */
#ifndef TL_MODEL_MODEL_GGUF_H
#define TL_MODEL_MODEL_GGUF_H

#include "io/gguf.h"
#include "model/names.h"

/* The tensors that a file of some format must hold: tables as those of names.h, all shared. */
typedef struct tl_layout {
    const tl_name *model_names, *layer_names; /* each ends with stored == NULL */
    const tl_name *expert_names;              /* likewise, or NULL */
    const char *prefix;                       /* in front of stored names, which some files leave out; "": none */
    const char *const *ignored;               /* endings of stored buffers that hold no weights; ends with NULL */
    const char *const
        *interleaved; /* of layer_names: the rows of a head lie as 0, h/2, 1, h/2 + 1, ...; ends with NULL */
} tl_layout;

/* The metadata as a config.  An architecture or a key of it that is not known here changes the mathematics for all we
 * know: it is refused by name. */
int tl_gguf_config(tl_config *out, tl_layout *layout, const tl_gguf *g, tl_err *err);

#endif
