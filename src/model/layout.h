/* layout.h - which tensors a file of some format holds, and how the weights lie in them: to be read, and written. */
#ifndef TL_MODEL_LAYOUT_H
#define TL_MODEL_LAYOUT_H

#include "model/names.h"

#include <string.h>

/* Tables as those of names.h, all shared. */
typedef struct tl_layout {
    const tl_name *model_names, *layer_names; /* each ends with stored == NULL */
    const tl_name *expert_names;              /* likewise, or NULL */
    const char *prefix;                       /* in front of stored names, which some files leave out; "": none */
    const char *const *ignored;               /* endings of stored buffers that hold no weights; ends with NULL */
    const char *const
        *interleaved; /* of layer_names: the rows of a head lie as 0, h/2, 1, h/2 + 1, ...; ends with NULL */
} tl_layout;

/* That of a directory of the family's. */
static inline tl_layout tl_layout_of(const tl_family *f)
{
    static const char *const nothing[] = { NULL };
    return (tl_layout){ f->model_names, f->layer_names, f->expert_names, f->prefix, f->ignored, nothing };
}

/* The width of a head where the rows of that tensor are interleaved within heads, or 0. */
static inline int tl_layout_interleaved(const tl_layout *y, const tl_name *name, const tl_config *c)
{
    for (const char *const *stored = y->interleaved; *stored; stored++)
        if (strcmp(*stored, name->stored) == 0) return c->h;
    return 0;
}

#endif
