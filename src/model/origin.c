/* origin.c - rows of weights, from the file or from memory. */
#include "model/origin.h"

#include "base/block_formats.h"
#include "base/panels.h"
#include "model/model_memory.h"

#include <stdlib.h>

size_t tl_row_order_at(const tl_row_order *r, size_t o)
{
    size_t h = (size_t)r->h;
    if (r->by_heads) return tl_by_heads(o, r->by_heads->part, r->by_heads->parts, r->h);
    if (h) o = o / h * h + (o % h < h / 2 ? o % h * 2 : (o % h - h / 2) * 2 + 1);
    return r->start + o;
}

size_t tl_row_interleaved(size_t row, int h)
{
    size_t width = (size_t)h, at = row % width;
    return row / width * width + at / 2 + (at % 2 ? width / 2 : 0);
}

static int compare_weights(const void *pa, const void *pb)
{
    const tl_origin *a = pa, *b = pb;
    uintptr_t x = (uintptr_t)a->weight, y = (uintptr_t)b->weight;
    return (x > y) - (x < y);
}

void tl_origins_sort(tl_model *m)
{
    qsort(m->memory->origins, m->memory->n_origins, sizeof *m->memory->origins, compare_weights);
}

const tl_origin *tl_weight_origin(const tl_model *m, const tl_weight *w)
{
    const tl_origin wanted = { .weight = w };
    if (m->memory->n_origins == 0) return NULL;
    return bsearch(&wanted, m->memory->origins, m->memory->n_origins, sizeof wanted, compare_weights);
}

/* y[n][I] from columns of x[I][all]. */
static void turn(float *y, const tl_stored *t, size_t column, size_t n, size_t I)
{
    const size_t size = tl_dtype_size(t->dtype), all = t->dims[1];
    for (size_t o0 = 0; o0 < n; o0 += 64) {
        float some[64];
        size_t k = n - o0 < 64 ? n - o0 : 64;
        for (size_t i = 0; i < I; i++) {
            tl_dtype_widen(some, (const char *)t->data + (i * all + column + o0) * size, t->dtype, k);
            for (size_t o = 0; o < k; o++) y[(o0 + o) * I + i] = some[o];
        }
    }
}

static void widen(float *y, tl_dtype t, const void *x, size_t I)
{
    if (tl_block_readable(t))
        tl_block_to_f32(t, y, x, I);
    else
        tl_dtype_widen(y, x, t, I);
}

const void *tl_weight_row_bytes(const tl_model *m, const tl_weight *w, size_t o, size_t I, tl_dtype *type)
{
    const tl_origin *from = tl_weight_origin(m, w);
    *type = w->dtype;
    if (!from) return tl_panels_known(w->dtype) ? NULL : (const char *)w->data + o * tl_dtype_row_bytes(*type, I);
    if (from->form == TL_FORM_TRANSPOSED || from->form == TL_FORM_LESS_ONE) return NULL;
    return (const char *)from->stored->data + tl_row_order_at(&from->order, o) * tl_dtype_row_bytes(*type, I);
}

void tl_weight_rows(const tl_model *m, const tl_weight *w, size_t o, size_t n, size_t I, float less, float *out)
{
    const tl_origin *from = tl_weight_origin(m, w);
    if (from && from->form == TL_FORM_TRANSPOSED) {
        turn(out, from->stored, from->order.start + o, n, I);
    } else if (from && from->form == TL_FORM_LESS_ONE) {
        tl_dtype_widen(out, (const char *)from->stored->data + o * tl_dtype_size(w->dtype), w->dtype, n);
        less -= 1; /* what is stored less one and wanted so is not counted up and down: that would round it */
    } else if (!from && tl_panels_known(w->dtype)) {
        for (size_t r = 0; r < n; r++) tl_weight_widen_row(w, (int)(o + r), out + r * I);
    } else {
        for (size_t r = 0; r < n; r++) {
            tl_dtype type;
            const void *row = tl_weight_row_bytes(m, w, o + r, I, &type);
            widen(out + r * I, type, row, I);
        }
    }
    for (size_t i = 0; less != 0 && i < n * I; i++) out[i] -= less;
}
