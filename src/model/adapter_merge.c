/* adapter_merge.c - an adapter into its base: what it makes of a weight, written down as a weight. */
#include "base/arena.h"
#include "model/adapter_memory.h"

#include <string.h>

/* y = row o of W + scale B A, times its gain; from: the row of B that the product begins with. */
static void merge_row(float *y, const tl_lora *lora, const tl_weight *w, int from, int o)
{
    size_t I = (size_t)w->cols, r = (size_t)lora->r, at = (size_t)from + (size_t)o;
    const float *A = lora->a.data, *b = (const float *)lora->b.data + at * r;
    tl_weight_widen_row(w, o, y);
    for (size_t j = 0; j < r; j++) {
        float s = lora->scale * b[j];
        const float *x = A + j * I;
        for (size_t i = 0; i < I; i++) y[i] += s * x[i];
    }
    for (size_t i = 0; lora->gain && i < I; i++) y[i] *= lora->gain[at];
}

/* Merged products and own weights into arena, which may be measuring, and m's weights to them. */
static void merge_into(tl_model *m, const tl_adapter *a, tl_arena *arena)
{
    for (int l = 0; l < m->config.L; l++)
        for (int j = 0; j < TL_LINEARS; j++) {
            int from = 0;
            const tl_lora *lora = tl_adapter_of(a, l, j, &from);
            const tl_weight *w = &a->model->layers[l].linear[j];
            if (!lora) continue;
            float *merged = tl_arena_floats(arena, (size_t)w->rows * (size_t)w->cols);
            if (!merged) continue;
#pragma omp parallel for
            for (int o = 0; o < w->rows; o++) merge_row(merged + (size_t)o * (size_t)w->cols, lora, w, from, o);
            m->layers[l].linear[j].data = merged;
            m->layers[l].linear[j].dtype = TL_DTYPE_F32;
        }
    for (int i = 0; i < a->n_owns; i++)
        for (int p = 0; p < a->owns[i].name->parts; p++) {
            const tl_weight *w = &a->owns[i].weights[p];
            size_t n = (size_t)w->rows * (size_t)w->cols;
            float *copy = tl_arena_floats(arena, n);
            tl_weight *there = tl_own_weight_in(m, &a->owns[i], p);
            if (!copy) continue;
            memcpy(copy, w->data, n * sizeof *copy);
            there->data = copy;
            there->grad = NULL;
        }
}

int tl_adapter_merge(tl_model **out, const tl_adapter *a, tl_err *err)
{
    tl_model *m = NULL;
    tl_arena *measure = NULL;
    TL_TRY(tl_model_share(&m, tl_adapter_model(a->model, a), err));
    int rc = tl_arena_measure(&measure, err);
    if (rc == 0) merge_into(m, a, measure);
    if (rc == 0) rc = tl_arena_create(&m->memory->copies, tl_arena_peak(measure), "the merged weights", err);
    tl_arena_free(measure);
    if (rc < 0) {
        tl_model_free(m);
        return rc;
    }
    merge_into(m, a, m->memory->copies);
    tl_model_tie(m);
    *out = m;
    return 0;
}
