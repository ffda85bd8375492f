/* convert.h - what `tailor convert` can make, a function for each; cmd_convert.c has the table of them. */
#ifndef TL_CMD_CONVERT_H
#define TL_CMD_CONVERT_H

#include "base/err.h"

typedef struct tl_convert_flags {
    const char *base_name; /* the base, as --model said it */
    const char *model;     /* and found (tl_base_find) */
    const char *adapter;   /* NULL: the base is converted */
    const char *output;
    const char *type, *tables, *shard_size; /* NULL: not given */
} tl_convert_flags;

/* Each says on standard output what it has made. */
typedef int tl_convert(const tl_convert_flags *f, tl_err *err);

/* A base as a GGUF file, and as a directory in the Hugging Face layout. */
tl_convert tl_convert_model_gguf, tl_convert_model_hf;

/* An adapter over the base: its shapes, and the places of rows in GGUF, are the base's to say. */
tl_convert tl_convert_adapter_peft, tl_convert_adapter_mlx, tl_convert_adapter_gguf;

#endif
