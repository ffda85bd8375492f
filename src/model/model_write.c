/* model_write.c - a base to disk, as transformers reads it: the family's names and layouts, parts joined again,
 * matrices turned back, everything in one type. */
#include "base/panels.h"
#include "io/atomic.h"
#include "io/json.h"
#include "model/model_memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const tl_model *m;
    tl_dtype dtype;     /* of every tensor; COUNT: each its own */
    tl_arena *arena;    /* measuring, or the real one */
    tl_stored *tensors; /* owned by tl_model_write; NULL while measuring */
    int n;
} writer;

static float weight_at(const tl_weight *w, size_t i)
{
    return w->dtype == TL_DTYPE_F32 ? ((const float *)w->data)[i] : tl_bf16_to_f32(((const tl_bf16 *)w->data)[i]);
}

static void put(void *data, tl_dtype dtype, size_t i, float x)
{
    if (dtype == TL_DTYPE_F32)
        ((float *)data)[i] = x;
    else
        ((tl_bf16 *)data)[i] = tl_f32_to_bf16(x);
}

/* All parts of the group into data, in the stored layout; h: the width of a head; row: room for a row of a
 * quantized matrix. */
static void fill(void *data, tl_dtype dtype, const tl_group *g, int h, float *row)
{
    size_t start = 0;
    float less = g->name->form == TL_FORM_LESS_ONE ? 1 : 0;
    for (int p = 0; p < g->name->parts; p++) {
        const tl_weight *w = g->weights[p];
        size_t O = (size_t)(g->vector ? w->cols : w->rows), I = g->I;
        const bool panels = tl_panels_known(w->dtype);
        for (size_t o = 0; o < O; o++) {
            if (panels) tl_weight_widen_row(w, (int)o, row);
            for (size_t i = 0; i < I; i++)
                put(data, dtype, tl_group_place(g, p, start, o, i, h),
                    (panels ? row[i] : weight_at(w, o * I + i)) - less);
        }
        start += O;
    }
}

static void add_group(writer *w, const tl_group *g, int layer, int expert)
{
    const tl_weight *first = g->weights[0];
    size_t n = g->O * g->I;
    const bool panels = tl_panels_known(first->dtype);
    tl_dtype dtype = w->dtype == TL_DTYPE_COUNT ? (panels ? TL_DTYPE_F32 : first->dtype) : w->dtype;
    bool turned = g->name->form == TL_FORM_TRANSPOSED;
    bool as_is = g->name->parts == 1 && g->name->form == TL_FORM_ROWS && first->dtype == dtype;
    void *data = as_is ? NULL : tl_arena_take(w->arena, n * tl_dtype_size(dtype));
    char *name = tl_arena_take(w->arena, TL_NAME_MAX);
    float *row = panels ? tl_arena_floats(w->arena, g->I) : NULL;
    if (!w->tensors) {
        w->n++;
        return;
    }
    if (data) fill(data, dtype, g, w->m->config.h, row);
    tl_name_print(name, TL_NAME_MAX, g->name->stored, layer, expert);
    tl_stored *t = &w->tensors[w->n++];
    *t = (tl_stored){ .name = name, .dtype = dtype, .n_dims = g->vector ? 1 : 2 };
    t->dims[0] = turned ? g->I : g->O;
    if (!g->vector) t->dims[1] = turned ? g->O : g->I;
    t->data = as_is ? first->data : data;
    t->bytes = n * tl_dtype_size(dtype);
}

static void add_table(writer *w, const tl_name *name, const tl_weight_row *rows, void *owner, int layer, int expert)
{
    for (; name->stored; name += name->parts) {
        tl_group g;
        if (tl_group_take(&g, &w->m->config, name, rows, owner)) add_group(w, &g, layer, expert);
    }
}

static void add_tables(writer *w)
{
    const tl_family *f = w->m->config.family;
    add_table(w, f->model_names, tl_model_rows, (void *)w->m, 0, 0);
    for (int i = 0; i < w->m->config.L; i++) {
        tl_layer *y = &w->m->layers[i];
        add_table(w, f->layer_names, tl_layer_rows, y, i, 0);
        for (int e = 0; e < w->m->config.E; e++) add_table(w, f->expert_names, tl_expert_rows, &y->experts[e], i, e);
    }
}

static int write_config(const tl_model *m, const char *dir, tl_dtype dtype, tl_err *err)
{
    char path[PATH_MAX];
    TL_TRY(tl_path_join(path, sizeof path, dir, "config.json", err));
    json_t *object = tl_config_json(&m->config);
    if (!object ||
        json_object_set_new(object, "torch_dtype", json_string(dtype == TL_DTYPE_F32 ? "float32" : "bfloat16")) < 0) {
        json_decref(object);
        return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    }
    int rc = tl_json_save(path, object, err);
    json_decref(object);
    return rc;
}

static int write_model(const tl_model *m, const char *dir, tl_dtype dtype, tl_err *err)
{
    static const tl_meta meta[] = { { "format", "pt" } }; /* transformers wants the word */
    char path[PATH_MAX];
    writer w = { .m = m, .dtype = dtype };
    const tl_dtype own = m->layers[0].linear[TL_Q].dtype;
    TL_TRY(write_config(m, dir, dtype != TL_DTYPE_COUNT ? dtype : tl_panels_known(own) ? TL_DTYPE_F32 : own, err));
    TL_TRY(tl_path_join(path, sizeof path, dir, "model.safetensors", err));

    tl_arena *measure = NULL;
    TL_TRY(tl_arena_measure(&measure, err));
    w.arena = measure;
    add_tables(&w);
    size_t bytes = tl_arena_peak(measure);
    int n = w.n, rc = 0;
    tl_arena_free(measure);

    w.arena = NULL;
    w.n = 0;
    w.tensors = calloc((size_t)n, sizeof *w.tensors);
    if (!w.tensors) return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    rc = tl_arena_create(&w.arena, bytes, "the weights to be written", err);
    if (rc == 0) {
        add_tables(&w);
        rc = tl_safetensors_save(path, w.tensors, n, meta, 1, err);
    }
    tl_arena_free(w.arena);
    free(w.tensors);
    return rc;
}

int tl_model_write(const tl_model *m, const char *dir, tl_dtype dtype, tl_err *err)
{
    return write_model(m, dir, dtype, err);
}

int tl_model_write_as_it_is(const tl_model *m, const char *dir, tl_err *err)
{
    return write_model(m, dir, TL_DTYPE_COUNT, err);
}
