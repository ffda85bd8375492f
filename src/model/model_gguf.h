/* model_gguf.h - a base in a GGUF file: its config, and which of its tensors are which weights of ours.
 *
 *     TL_TRY(tl_gguf_config(&config, &layout, g, err));
 *
 * For model_open.c, and for whoever wants to know whether a file could be a base. */
#ifndef TL_MODEL_MODEL_GGUF_H
#define TL_MODEL_MODEL_GGUF_H

#include "io/gguf.h"
#include "model/layout.h"

/* The metadata as a config.  An architecture or a key of it that is not known here changes the mathematics for all we
 * know: it is refused by name. */
int tl_gguf_config(tl_config *out, tl_layout *layout, const tl_gguf *g, tl_err *err);

#endif
