/* layout_write.c - rows of weights into the rows of tensors.
 *
 * A tensor's rows are asked for one after the other; place_of says which row of which weight each one is.  Runs of rows
 * that follow each other in a weight are made together. */
#include "model/layout_write.h"

#include "base/block_formats.h"
#include "base/interrupt.h"
#include "base/panels.h"
#include "base/size.h"
#include "io/map.h"
#include "model/model_memory.h"

#include <assert.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 4 << 20, /* bytes made before they are written */
    RUN = 64         /* rows that a thread makes at a time */
};

struct tl_layout_item {
    tl_group group;
    char name[TL_NAME_MAX];
    int layer;
    int h;       /* the width of a head, where the order of rows goes by it */
    bool mixed;  /* rows are interleaved within heads */
    size_t rows; /* of the tensor, experts included */
};

tl_dtype tl_weight_own_type(const tl_weight *w)
{
    return w->data && tl_panels_known(w->dtype) ? TL_DTYPE_F32 : w->dtype;
}

/* ---- the list ---- */

typedef struct making {
    tl_layout_list *list;
    const tl_layout *layout;
    tl_layout_type *type;
    const void *context;
    int room;
} making;

static int grow(making *k, tl_err *err)
{
    tl_layout_list *l = k->list;
    if (l->n < k->room) return 0;
    int room = k->room ? 2 * k->room : 64;
    tl_stored *tensors = realloc(l->tensors, (size_t)room * sizeof *tensors);
    if (tensors) l->tensors = tensors;
    tl_layout_item *items = realloc(l->items, (size_t)room * sizeof *items);
    if (items) l->items = items;
    if (!tensors || !items) return tl_fail(err, TL_ENOMEM, "no memory to list the tensors of a base");
    k->room = room;
    return 0;
}

static void set_dims(tl_stored *t, const tl_group *g, size_t experts)
{
    const bool turned = g->name->form == TL_FORM_TRANSPOSED;
    t->n_dims = 0;
    if (g->name->form == TL_FORM_STACKED) t->dims[t->n_dims++] = experts;
    t->dims[t->n_dims++] = turned ? g->I : g->O;
    if (!g->vector) t->dims[t->n_dims++] = turned ? g->O : g->I;
}

static int add(making *k, const tl_group *g, int layer, int expert, tl_err *err)
{
    tl_layout_list *l = k->list;
    const tl_config *c = &l->m->config;
    const bool stacked = g->name->form == TL_FORM_STACKED, turned = g->name->form == TL_FORM_TRANSPOSED;
    if (stacked && expert > 0) return 0; /* all are in the first one's */
    TL_TRY(grow(k, err));
    tl_layout_item *item = &l->items[l->n];
    tl_stored *t = &l->tensors[l->n];
    const tl_layout_tensor known = { g->name, g->weights[0], g->vector, turned, turned ? g->O : g->I };
    *item = (tl_layout_item){ .group = *g, .layer = layer, .h = c->h, .rows = g->O * (stacked ? (size_t)c->E : 1) };
    item->mixed = tl_layout_interleaved(k->layout, g->name, c) > 0;
    tl_name_print(item->name, sizeof item->name, g->name->stored, layer, expert);
    *t = (tl_stored){ .dtype = k->type(k->context, l->m, &known) };
    set_dims(t, g, (size_t)c->E);
    assert(g->I % tl_dtype_block(t->dtype) == 0);
    t->bytes = item->rows * tl_dtype_row_bytes(t->dtype, g->I);
    l->n++;
    return 0;
}

static int add_table(making *k, const tl_name *name, const tl_weight_row *rows, void *owner, int layer, int expert,
                     tl_err *err)
{
    for (; name->stored; name += name->parts) {
        tl_group g;
        if (tl_group_take(&g, &k->list->m->config, name, rows, owner)) TL_TRY(add(k, &g, layer, expert, err));
    }
    return 0;
}

static int add_all(making *k, tl_err *err)
{
    const tl_model *m = k->list->m;
    const tl_layout *y = k->layout;
    TL_TRY(add_table(k, y->model_names, tl_model_rows, (void *)m, 0, 0, err));
    for (int i = 0; i < m->config.L; i++) {
        TL_TRY(add_table(k, y->layer_names, tl_layer_rows, &m->layers[i], i, 0, err));
        for (int e = 0; e < m->config.E; e++)
            TL_TRY(add_table(k, y->expert_names, tl_expert_rows, &m->layers[i].experts[e], i, e, err));
    }
    return 0;
}

int tl_layout_list_make(tl_layout_list *out, const tl_model *m, const tl_layout *layout, tl_layout_type *type,
                        const void *context, tl_err *err)
{
    *out = (tl_layout_list){ .m = m };
    making k = { out, layout, type, context, 0 };
    int rc = add_all(&k, err);
    for (int i = 0; rc == 0 && i < out->n; i++) out->tensors[i].name = out->items[i].name; /* where they will stay */
    if (rc < 0) tl_layout_list_reset(out);
    return rc;
}

void tl_layout_list_reset(tl_layout_list *list)
{
    free(list->tensors);
    free(list->items);
    *list = (tl_layout_list){ 0 };
}

/* ---- the bytes of one tensor ---- */

typedef struct writing {
    const tl_model *m;
    const tl_layout_item *item;
    const tl_stored *t;
    const char *path; /* of the file, for errors */
    float less;
    bool not_finite; /* found by some thread */
} writing;

typedef struct place {
    const tl_weight *w;
    size_t o;
} place;

/* The weight and row that row r of the tensor is. */
static place place_of(const tl_layout_item *item, const tl_model *m, size_t r)
{
    const tl_group *g = &item->group;
    const size_t h = (size_t)item->h, parts = (size_t)g->name->parts;
    if (g->name->form == TL_FORM_STACKED) {
        char *expert = (char *)&m->layers[item->layer].experts[r / g->O];
        return (place){ (const tl_weight *)(expert + g->name->offset), r % g->O };
    }
    if (g->name->form == TL_FORM_BY_HEADS) return (place){ g->weights[r / h % parts], r / (h * parts) * h + r % h };
    if (item->mixed) return (place){ g->weights[0], tl_row_interleaved(r, item->h) };
    int p = 0;
    for (;; p++) {
        const tl_weight *w = g->weights[p];
        size_t O = (size_t)(g->vector ? w->cols : w->rows);
        if (r < O) break;
        r -= O;
    }
    return (place){ g->weights[p], r };
}

static void narrow(void *out, tl_dtype type, const float *x, size_t n)
{
    if (type == TL_DTYPE_F32) memcpy(out, x, n * sizeof *x);
    for (size_t i = 0; type == TL_DTYPE_BF16 && i < n; i++) ((tl_bf16 *)out)[i] = tl_f32_to_bf16(x[i]);
    for (size_t i = 0; type == TL_DTYPE_F16 && i < n; i++) ((tl_f16 *)out)[i] = tl_f32_to_f16(x[i]);
    if (tl_block_writable(type)) tl_block_from_f32(type, out, x, n);
}

static bool all_finite(const float *x, size_t n)
{
    float zero = 0;
    for (size_t i = 0; i < n; i++) zero += x[i] * 0;
    return zero == 0;
}

/* n rows of a weight from o on into out, in the tensor's type; row: room for them as f32. */
static void make_run(writing *k, const tl_weight *w, size_t o, size_t n, char *out, float *rows)
{
    const size_t I = k->item->group.I, bytes = tl_dtype_row_bytes(k->t->dtype, I);
    tl_dtype type;
    if (k->less == 0 && tl_weight_row_bytes(k->m, w, o, I, &type) && type == k->t->dtype) {
        for (size_t r = 0; r < n; r++) memcpy(out + r * bytes, tl_weight_row_bytes(k->m, w, o + r, I, &type), bytes);
        return;
    }
    tl_weight_rows(k->m, w, o, n, I, k->less, rows);
    if (!all_finite(rows, n * I)) {
#pragma omp atomic write
        k->not_finite = true;
        return; /* what becomes of it in blocks is not defined */
    }
    for (size_t r = 0; r < n; r++) narrow(out + r * bytes, k->t->dtype, rows + r * I, I);
}

/* Rows from to end of the tensor into out. */
static void make_rows(writing *k, size_t from, size_t end, char *out, float *rows)
{
    const size_t bytes = tl_dtype_row_bytes(k->t->dtype, k->item->group.I);
    while (from < end) {
        place p = place_of(k->item, k->m, from);
        size_t n = 1;
        for (; from + n < end; n++) {
            place next = place_of(k->item, k->m, from + n);
            if (next.w != p.w || next.o != p.o + n) break;
        }
        make_run(k, p.w, p.o, n, out, rows);
        out += n * bytes;
        from += n;
    }
}

/* The piece that was made holds numbers. */
static int check_piece(const writing *k, const void *bytes, size_t n, tl_err *err)
{
    const tl_stored piece = {
        .dtype = k->t->dtype, .n_dims = 1, .dims = { n }, .data = bytes, .bytes = tl_dtype_row_bytes(k->t->dtype, n)
    };
    if (k->not_finite) return tl_fail(err, TL_ENUMERIC, "%s: tensor %s holds NaN or infinity", k->path, k->t->name);
    if (tl_stored_finite(&piece)) return tl_interrupt_check(k->path, err);
    return tl_fail(err, TL_ENUMERIC, "%s: tensor %s holds a number that is NaN, infinite or too large for %s", k->path,
                   k->t->name, tl_dtype_name(k->t->dtype));
}

/* Threads, and for each room for RUN rows; NULL without memory. */
static float *make_room(size_t I, int threads)
{
    size_t bytes;
    return tl_size_mul(&bytes, I, RUN * (size_t)threads * sizeof(float)) ? malloc(bytes) : NULL;
}

static int no_memory(const writing *k, tl_err *err)
{
    return tl_fail(err, TL_ENOMEM, "%s: no memory to write tensor %s", k->path, k->t->name);
}

static int write_rows(writing *k, tl_save *s, tl_err *err)
{
    const size_t I = k->item->group.I, bytes = tl_dtype_row_bytes(k->t->dtype, I), all = k->item->rows;
    const size_t step = bytes >= PIECE / RUN ? RUN : PIECE / bytes / RUN * RUN;
    const int threads = omp_get_max_threads();
    float *rows = make_room(I, threads);
    char *out = malloc((step < all ? step : all) * bytes);
    int rc = rows && out ? 0 : no_memory(k, err);
    for (size_t from = 0; rc == 0 && from < all; from += step) {
        const size_t n = all - from < step ? all - from : step;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (size_t r = 0; r < n; r += RUN)
            make_rows(k, from + r, from + (n - r < RUN ? n : r + RUN), out + r * bytes,
                      rows + (size_t)omp_get_thread_num() * RUN * I);
        rc = check_piece(k, out, n * I, err);
        if (rc == 0) rc = tl_save_write(s, out, n * bytes, err);
    }
    free(rows);
    free(out);
    return rc;
}

/* All of a tensor [I, O], from rows of O. */
static int write_turned(writing *k, tl_save *s, tl_err *err)
{
    const tl_group *g = &k->item->group;
    const size_t I = g->I, O = g->O, size = tl_dtype_size(k->t->dtype);
    float *rows = make_room(I, 1);
    char *out = malloc(k->t->bytes), *some = malloc(RUN * I * size);
    int rc = rows && out && some ? 0 : no_memory(k, err);
    for (size_t from = 0; rc == 0 && from < O; from += RUN) {
        const size_t n = O - from < RUN ? O - from : RUN;
        make_rows(k, from, from + n, some, rows);
        for (size_t i = 0; i < I; i++)
            for (size_t o = 0; o < n; o++) memcpy(out + (i * O + from + o) * size, some + (o * I + i) * size, size);
    }
    if (rc == 0) rc = check_piece(k, out, I * O, err);
    if (rc == 0) rc = tl_save_write(s, out, k->t->bytes, err);
    free(rows);
    free(out);
    free(some);
    return rc;
}

/* The stored tensor that is this one already, to the bit. */
static const tl_stored *same_tensor(const writing *k)
{
    const tl_group *g = &k->item->group;
    const tl_origin *first = tl_weight_origin(k->m, g->weights[0]);
    if (!first || first->form != g->name->form || first->stored->dtype != k->t->dtype) return NULL;
    if (strcmp(first->stored->name, k->t->name) != 0 || first->stored->bytes != k->t->bytes) return NULL;
    return g->name->form == TL_FORM_TRANSPOSED ? first->stored : NULL; /* others are quick by rows */
}

/* Its pages are not read again. */
static void rest(const writing *k)
{
    for (int p = 0; p < k->item->group.name->parts; p++) {
        const tl_origin *from = tl_weight_origin(k->m, k->item->group.weights[p]);
        if (from) tl_map_rest_part(from->stored->data, from->stored->bytes);
    }
}

int tl_layout_list_write(void *context, int i, tl_save *s, tl_err *err)
{
    const tl_layout_list *l = context;
    i += l->first;
    writing k = { .m = l->m, .item = &l->items[i], .t = &l->tensors[i], .path = tl_save_path(s) };
    const tl_stored *same = same_tensor(&k);
    const tl_form form = k.item->group.name->form;
    int rc;
    if (form == TL_FORM_LESS_ONE) k.less = 1;
    if (same) {
        rc = check_piece(&k, same->data, same->bytes / tl_dtype_size(same->dtype), err);
        if (rc == 0) rc = tl_save_write(s, same->data, same->bytes, err);
    } else {
        rc = form == TL_FORM_TRANSPOSED ? write_turned(&k, s, err) : write_rows(&k, s, err);
    }
    rest(&k);
    return rc;
}
