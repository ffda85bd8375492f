/* model_quantize.h - matrices into panels while a base is opened; for model_open.c. */
#ifndef TL_MODEL_MODEL_QUANTIZE_H
#define TL_MODEL_MODEL_QUANTIZE_H

#include "io/stored.h"
#include "model/names.h"

/* Where a weight's rows are read from. */
typedef struct tl_rows {
    const tl_stored *stored;
    bool turned;                                  /* stored [I, O]: row o is column row(context, o) */
    size_t (*row)(const void *context, size_t o); /* which row of the tensor */
    const void *context;
} tl_rows;

/* The type that a stored matrix gets where `wanted` is asked of it (TL_DTYPE_COUNT: nothing is). */
tl_dtype tl_quantized_type(tl_dtype stored, tl_dtype wanted, size_t I);

/* Floats that tl_quantize wants to work in, for rows of I numbers. */
size_t tl_quantize_scratch(size_t I);

/* O rows of I numbers into panels of type t.  Rows stored in that type keep their bits. */
int tl_quantize(tl_dtype t, void *panels, const tl_rows *rows, size_t O, size_t I, float *scratch, const char *where,
                tl_err *err);

#endif
