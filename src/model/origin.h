/* origin.h - a base that is opened and not loaded: its weights' numbers stay in the file, and are asked for by rows.
 *
 *     TL_TRY(tl_model_open_rows(&m, "models/big", err));
 *     tl_weight_rows(m, &m->layers[0].linear[TL_Q], 0, 32, D, 0, out);      32 rows of D numbers as f32
 *
 * For who writes a base in another form: whatever its size and type, no more of it is in memory than is being written.
 * The same calls serve a base that was loaded, or trained. */
#ifndef TL_MODEL_ORIGIN_H
#define TL_MODEL_ORIGIN_H

#include "io/stored.h"
#include "model/names.h"

/* Where the rows of a weight stand in its tensor. */
typedef struct tl_row_order {
    size_t start;            /* the first, where they follow each other */
    int h;                   /* the width of a head within which they are interleaved, or 0 */
    const tl_name *by_heads; /* or NULL */
} tl_row_order;

/* The tensor's row that holds row o of the weight, and the way back from what lies interleaved. */
size_t tl_row_order_at(const tl_row_order *r, size_t o);
size_t tl_row_interleaved(size_t row, int h);

typedef struct tl_origin {
    const tl_weight *weight;
    const tl_stored *stored;
    tl_form form; /* ROWS of a stacked one, whose order says where this expert's begin */
    tl_row_order order;
} tl_origin;

/* As tl_model_open, but no weight has data: dtype is that of the file, of any type that can be read.  Names, shapes and
 * types are checked, numbers are not. */
int tl_model_open_rows(tl_model **out, const char *path, tl_err *err);

/* Of a weight of a base opened so; NULL: its data is in memory. */
const tl_origin *tl_weight_origin(const tl_model *m, const tl_weight *w);

/* Rows o to o + n - 1 of a weight, of I numbers each, as f32, less the number `less` (0, or 1 for Gemma's files).  The
 * numbers of a vector are rows of one number. */
void tl_weight_rows(const tl_model *m, const tl_weight *w, size_t o, size_t n, size_t I, float less, float *out);

/* Row o as it lies, in *type; NULL where it does not lie in one piece as it counts. */
const void *tl_weight_row_bytes(const tl_model *m, const tl_weight *w, size_t o, size_t I, tl_dtype *type);

#endif
