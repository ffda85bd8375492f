/* variant.h - what a method leaves behind, and what is evaluated and served: a base with nothing, an adapter or weights
 * of its own, and nothing or a prompt in front.
 *
 * On disk, a directory:
 *
 *     variant.json    {"method": "lora+few-shot", "part": "adapter", "base": {"name": ..., "sha256": ...}}, written
 * last prompt.txt      what stands in front of each input adapter/        PEFT's files, where the part is "adapter"
 *     weights/        a Hugging Face directory with the tokenizer, where it is "weights"; "none" has neither */
#ifndef TL_METHOD_VARIANT_H
#define TL_METHOD_VARIANT_H

#include "base/err.h"
#include "model/adapter.h"
#include "model/model.h"

#include <stddef.h>

typedef struct tl_variant {
    char *method;        /* owned */
    char *prefix;        /* owned: prompt.txt */
    tl_model *base;      /* borrowed */
    tl_model *weights;   /* owned; NULL: the base's own */
    tl_adapter *adapter; /* a counted reference; NULL: none */
} tl_variant;

/* The model that answers: weights, or the base. */
tl_model *tl_variant_model(const tl_variant *v);

/* Write the variant as the directory dir, whole or not at all.  base_dir gives the tokenizer and the base's name. */
int tl_variant_write(const tl_variant *v, const char *base_dir, const char *dir, tl_err *err);

/* Read it back over base; another base than it was made for is an error. */
int tl_variant_open(tl_variant **out, tl_model *base, const char *dir, tl_err *err);

void tl_variant_free(tl_variant *v);

/* Bytes of all files under dir. */
int tl_directory_bytes(size_t *out, const char *dir, tl_err *err);

#endif
