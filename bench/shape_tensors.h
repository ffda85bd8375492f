/* shape_tensors.h - the tensors of a random model: for the two files that write them. */
#ifndef TL_BENCH_SHAPE_TENSORS_H
#define TL_BENCH_SHAPE_TENSORS_H

#include "base/dtype.h"
#include "base/err.h"
#include "io/stored.h"
#include "model/config.h"

#include <stdbool.h>

enum {
    TL_SHAPE_NAME = 80
};

typedef struct tl_shape_tensors {
    tl_stored *list;              /* owned */
    char (*names)[TL_SHAPE_NAME]; /* owned */
    int n;
    void *random; /* owned: numbers of the matrices' type; every matrix is their beginning */
    float *ones;  /* owned: every vector */
} tl_shape_tensors;

/* Named as in a Hugging Face directory, or as in a GGUF file.  Reset also after a failure. */
int tl_shape_tensors_make(tl_shape_tensors *t, const tl_config *c, tl_dtype type, bool gguf, tl_err *err);
void tl_shape_tensors_reset(tl_shape_tensors *t);

#endif
