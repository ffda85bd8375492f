/* layout_write.h - the tensors of a base as a layout has them: a list, and the bytes of each as they are asked for.
 *
 *     tl_layout_list list = { 0 };
 *     TL_TRY(tl_layout_list_make(&list, m, &layout, type_of, &context, err));
 *     rc = tl_safetensors_stream(path, list.tensors, list.n, NULL, 0, tl_layout_list_write, &list, err);
 *     tl_layout_list_reset(&list);
 *
 * Bytes are made in pieces of a few megabytes by all threads, from a base in memory or from one opened by rows
 * (origin.h); a tensor that lies turned is made whole.  Where type and order of rows allow, they are copied as they
 * lie. */
#ifndef TL_MODEL_LAYOUT_WRITE_H
#define TL_MODEL_LAYOUT_WRITE_H

#include "model/layout.h"
#include "model/origin.h"

typedef struct tl_layout_item tl_layout_item; /* where its numbers come from */

typedef struct tl_layout_list {
    const tl_model *m;     /* borrowed */
    tl_stored *tensors;    /* owned: [n], without data */
    tl_layout_item *items; /* owned: [n] */
    int n;
    int first; /* tensor 0 of whoever calls tl_layout_list_write is this one: for shards */
} tl_layout_list;

/* What is known of a tensor that is to be written. */
typedef struct tl_layout_tensor {
    const tl_name *name;     /* of its first weight */
    const tl_weight *weight; /* that */
    bool vector;
    bool turned; /* stored [I, O] */
    size_t row;  /* numbers in a row */
} tl_layout_tensor;

/* The type it is written in: F32, F16, BF16 or one that block_formats.h can write, or the one it has (origin.h). */
typedef tl_dtype tl_layout_type(const void *context, const tl_model *m, const tl_layout_tensor *t);

/* The type that a weight has where it lies: of a quantized one in memory F32. */
tl_dtype tl_weight_own_type(const tl_weight *w);

int tl_layout_list_make(tl_layout_list *out, const tl_model *m, const tl_layout *layout, tl_layout_type *type,
                        const void *context, tl_err *err);
void tl_layout_list_reset(tl_layout_list *list);

/* A tl_stored_write.  A number that is NaN, infinite or too large for the type is an error that names the tensor; so is
 * a signal to stop. */
int tl_layout_list_write(void *list, int i, tl_save *s, tl_err *err);

#endif
