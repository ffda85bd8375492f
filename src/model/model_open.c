/* model_open.c - a base from disk.
 *
 * A table of names says which stored tensors there must be: the family's for a directory, that of model_gguf.c for a
 * GGUF file.  Each is checked (shape, type, finite numbers) and used where it lies if the kernels can: matrices in f32
 * and bf16, vectors in f32.  The rest is copied as f32: f16, blocks, bf16 vectors, and matrices stored [I, O]. Matrices
 * whose rows stand in another order are copied in their own type.  Quantized matrices are made into panels
 * (model_quantize.c), and what they were made of is given back to the kernel at once.  The table is walked twice, first
 * to measure the copies, then to make them.
 *
 * A tensor that is missing is an error, and so is one that nobody asked for: weights left lying there would silently
 * make another model than the one that was saved. */
#include "base/block_formats.h"
#include "base/panels.h"
#include "io/map.h"
#include "model/model_gguf.h"
#include "model/model_memory.h"
#include "model/model_quantize.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct loader {
    tl_model *m;
    tl_model_options options;
    const char *dir;      /* or the GGUF file */
    const char *settings; /* what the shapes are held against, for errors: "config.json", "its metadata" */
    tl_layout layout;     /* which tensors there must be */
    tl_safetensors *file; /* borrowed from the model; NULL for a GGUF file */
    tl_gguf *gguf;        /* likewise; NULL for a directory */
    tl_arena *copies;     /* measuring, or the real one, or NULL where nothing is copied */
    bool measuring;       /* this is the first walk */
    bool by_rows;         /* nothing is loaded: the first walk is the only one */
    size_t room;          /* then: for origins */
    float *scratch;       /* owned: for rows on their way into panels */
    size_t scratch_floats;
    const tl_stored **claimed; /* owned: tensors that found their place */
    size_t n_claimed;
} loader;

static int stored_count(const loader *l)
{
    return l->gguf ? tl_gguf_count(l->gguf) : tl_safetensors_count(l->file);
}

static const tl_stored *stored_at(const loader *l, int i)
{
    return l->gguf ? tl_gguf_at(l->gguf, i) : tl_safetensors_at(l->file, i);
}

static const tl_stored *stored_find(const loader *l, const char *name)
{
    return l->gguf ? tl_gguf_find(l->gguf, name) : tl_safetensors_find(l->file, name);
}

static const char *shape_text(char out[60], size_t rows, size_t cols, bool vector)
{
    if (vector)
        snprintf(out, 60, "[%zu]", rows);
    else
        snprintf(out, 60, "[%zu, %zu]", rows, cols);
    return out;
}

static int check_type(const loader *l, const tl_stored *t, const tl_group *g, tl_err *err)
{
    tl_form form = g->name->form;
    bool blocks = tl_block_readable(t->dtype) && !g->vector && (form == TL_FORM_ROWS || form == TL_FORM_STACKED);
    if (t->dtype != TL_DTYPE_F32 && t->dtype != TL_DTYPE_F16 && t->dtype != TL_DTYPE_BF16 && !blocks)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s is stored as %s, supported are F32, F16 and BF16%s", l->dir,
                       t->name, tl_dtype_name(t->dtype), l->gguf && !g->vector ? " and blocks" : "");
    return 0;
}

static int check_stacked(const loader *l, const tl_stored *t, const tl_group *g, tl_err *err)
{
    size_t E = (size_t)l->m->config.E;
    if (t->n_dims == 3 && t->dims[0] == E && t->dims[1] == g->O && t->dims[2] == g->I) return check_type(l, t, g, err);
    return tl_fail(err, TL_ESHAPE, "%s: tensor %s has %d dimensions and %zu rows, %s wants [%zu, %zu, %zu]", l->dir,
                   t->name, t->n_dims, t->dims[0], l->settings, E, g->O, g->I);
}

static int check_stored(const loader *l, const tl_stored *t, const tl_group *g, tl_err *err)
{
    bool turned = g->name->form == TL_FORM_TRANSPOSED;
    size_t rows = turned ? g->I : g->O, cols = turned ? g->O : g->I;
    char found[60], wanted[60];
    if (g->name->form == TL_FORM_STACKED) return check_stacked(l, t, g, err);
    bool as_wanted =
        g->vector ? t->n_dims == 1 && t->dims[0] == g->O : t->n_dims == 2 && t->dims[0] == rows && t->dims[1] == cols;
    if (!as_wanted && (t->n_dims < 1 || t->n_dims > 2))
        return tl_fail(err, TL_ESHAPE, "%s: tensor %s has %d dimensions, %s wants %s", l->dir, t->name, t->n_dims,
                       l->settings, shape_text(wanted, g->vector ? g->O : rows, cols, g->vector));
    if (!as_wanted)
        return tl_fail(err, TL_ESHAPE, "%s: tensor %s is %s, %s wants %s", l->dir, t->name,
                       shape_text(found, t->dims[0], t->n_dims == 2 ? t->dims[1] : 1, t->n_dims == 1), l->settings,
                       shape_text(wanted, g->vector ? g->O : rows, cols, g->vector));
    return check_type(l, t, g, err);
}

/* y[O, I] from columns start .. start+O-1 of x[I, all].  64 outputs at a time: their lines of y stay in L1 while x
 * is read row by row. */
static void transpose(float *y, const tl_stored *t, size_t start, size_t O, size_t I, size_t all)
{
    const char *x = t->data;
    size_t size = tl_dtype_size(t->dtype);
    for (size_t o0 = 0; o0 < O; o0 += 64) {
        size_t n = O - o0 < 64 ? O - o0 : 64;
        for (size_t i = 0; i < I; i++) {
            float row[64];
            tl_dtype_widen(row, x + (i * all + start + o0) * size, t->dtype, n);
            for (size_t o = 0; o < n; o++) y[(o0 + o) * I + i] = row[o];
        }
    }
}

/* The type that a weight has in memory. */
static tl_dtype type_in_memory(const loader *l, const tl_stored *t, const tl_weight *w, bool vector)
{
    const tl_model *m = l->m;
    if (vector) return TL_DTYPE_F32;
    if (w == &m->positions) return tl_quantized_type(t->dtype, TL_DTYPE_F32, (size_t)w->cols);
    const bool table = w == &m->tokens || w == &m->head;
    return tl_quantized_type(t->dtype, table ? m->options.tables : m->options.layers, (size_t)w->cols);
}

static size_t stored_row(const void *order, size_t o)
{
    return tl_row_order_at(order, o);
}

/* O rows of I numbers of the tensor into y, in the type and order of memory. */
static void copy_rows(void *y, tl_dtype type, const tl_stored *t, const tl_row_order *order, size_t O, size_t I)
{
    size_t from = tl_dtype_row_bytes(t->dtype, I), to = tl_dtype_row_bytes(type, I);
#pragma omp parallel for
    for (size_t o = 0; o < O; o++) {
        const char *x = (const char *)t->data + stored_row(order, o) * from;
        void *there = (char *)y + o * to;
        if (type == t->dtype)
            memcpy(there, x, to);
        else if (tl_block_readable(t->dtype))
            tl_block_to_f32(t->dtype, there, x, I);
        else
            tl_dtype_widen(there, x, t->dtype, I);
    }
}

static int place_panels(loader *l, const tl_stored *t, tl_weight *w, const tl_row_order *order, bool turned,
                        tl_err *err)
{
    const size_t O = (size_t)w->rows, I = (size_t)w->cols, floats = tl_quantize_scratch(I);
    const tl_rows rows = { .stored = t, .turned = turned, .row = stored_row, .context = order };
    void *panels = tl_arena_take(l->copies, tl_panels_bytes(w->dtype, O, I));
    w->data = panels;
    if (l->measuring && floats > l->scratch_floats) l->scratch_floats = floats;
    return panels ? tl_quantize(w->dtype, panels, &rows, O, I, l->scratch, l->dir, err) : 0;
}

/* Where the weight lies is all that is wanted of it. */
static int remember(loader *l, const tl_stored *t, tl_weight *w, const tl_row_order *order, tl_form form, tl_err *err)
{
    struct tl_model_memory *k = l->m->memory;
    if (k->n_origins == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        tl_origin *more = realloc(k->origins, room * sizeof *more);
        if (!more) return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", l->dir);
        k->origins = more;
        l->room = room;
    }
    k->origins[k->n_origins++] = (tl_origin){ w, t, form, *order };
    w->dtype = t->dtype;
    return 0;
}

/* Give each weight of the group its data; expert: whose part of a stacked tensor it is. */
static int place(loader *l, const tl_stored *t, const tl_group *g, int expert, tl_err *err)
{
    tl_row_order order = { .h = tl_layout_interleaved(&l->layout, g->name, &l->m->config) };
    bool stacked = g->name->form == TL_FORM_STACKED, rest = !g->vector;
    if (stacked) order.start = (size_t)expert * g->O;
    for (int p = 0; p < g->name->parts; p++) {
        tl_weight *w = g->weights[p];
        size_t O = (size_t)(g->vector ? w->cols : w->rows), I = g->I;
        tl_form form = stacked ? TL_FORM_ROWS : g->name->form;
        w->dtype = type_in_memory(l, t, w, g->vector);
        if (form == TL_FORM_BY_HEADS) order = (tl_row_order){ .h = l->m->config.h, .by_heads = &g->name[p] };
        if (l->by_rows) {
            TL_TRY(remember(l, t, w, &order, form, err));
        } else if (tl_panels_known(w->dtype)) {
            TL_TRY(place_panels(l, t, w, &order, form == TL_FORM_TRANSPOSED, err));
        } else if (form == TL_FORM_TRANSPOSED) { /* from numbers only: check_stored has seen to it */
            float *copy = tl_arena_floats(l->copies, O * I);
            w->dtype = TL_DTYPE_F32;
            w->data = copy;
            if (copy) transpose(copy, t, order.start, O, I, g->O);
        } else if (form != TL_FORM_ROWS || w->dtype != t->dtype || order.h) {
            void *copy = tl_arena_take(l->copies, O * tl_dtype_row_bytes(w->dtype, I));
            w->data = copy;
            if (copy) copy_rows(copy, w->dtype, t, &order, O, I);
            for (size_t i = 0; copy && form == TL_FORM_LESS_ONE && i < O; i++) ((float *)copy)[i] += 1;
        } else {
            w->data = (const char *)t->data + tl_dtype_row_bytes(t->dtype, order.start * I);
        }
        rest = rest && !l->by_rows && tl_panels_known(w->dtype);
        order.start += O;
    }
    const size_t mine = stacked ? g->O * tl_dtype_row_bytes(t->dtype, g->I) : t->bytes;
    if (rest) tl_map_rest_part((const char *)t->data + (size_t)expert * mine, mine);
    return 0;
}

/* The tensor of that name, with or without the family's prefix. */
static const tl_stored *find(const loader *l, const char *name)
{
    const tl_stored *t = stored_find(l, name);
    const char *prefix = l->layout.prefix;
    size_t n = strlen(prefix);
    return !t && n > 0 && strncmp(name, prefix, n) == 0 ? stored_find(l, name + n) : t;
}

/* expert: which one's table it is; 0 for others. */
static int load_table(loader *l, const tl_name *name, const tl_weight_row *rows, void *owner, int layer, int expert,
                      tl_err *err)
{
    for (; name->stored; name += name->parts) {
        tl_group g;
        if (!tl_group_take(&g, &l->m->config, name, rows, owner)) continue;
        char stored[TL_NAME_MAX];
        tl_name_print(stored, sizeof stored, name->stored, layer, expert);
        const tl_stored *t = find(l, stored);
        if (!t) return tl_fail(err, TL_EFORMAT, "%s: tensor %s is missing", l->dir, stored);
        bool again = name->form == TL_FORM_STACKED && expert > 0; /* the first one has looked at all of it */
        if (l->measuring && !again) TL_TRY(check_stored(l, t, &g, err));
        if (l->measuring && !again) l->claimed[l->n_claimed++] = t;
        TL_TRY(place(l, t, &g, expert, err));
    }
    return 0;
}

static int load_tables(loader *l, tl_err *err)
{
    TL_TRY(load_table(l, l->layout.model_names, tl_model_rows, l->m, 0, 0, err));
    for (int i = 0; i < l->m->config.L; i++) {
        tl_layer *y = &l->m->layers[i];
        TL_TRY(load_table(l, l->layout.layer_names, tl_layer_rows, y, i, 0, err));
        for (int e = 0; e < l->m->config.E; e++)
            TL_TRY(load_table(l, l->layout.expert_names, tl_expert_rows, &y->experts[e], i, e, err));
    }
    return 0;
}

static int measure_copies(loader *l, size_t *bytes, tl_err *err)
{
    TL_TRY(tl_arena_measure(&l->copies, err));
    l->measuring = true;
    int rc = load_tables(l, err);
    l->measuring = false;
    *bytes = tl_arena_peak(l->copies);
    tl_arena_free(l->copies);
    l->copies = NULL;
    return rc;
}

/* While the claimed tensors are still in the order of the tables.  A base that will be quantized is not kept. */
static int check_finite(const loader *l, tl_err *err)
{
    int bad = tl_stored_not_finite(l->claimed, (int)l->n_claimed, l->scratch_floats > 0);
    if (bad < 0) return 0;
    return tl_fail(err, TL_ENUMERIC, "%s: tensor %s holds NaN or infinity", l->dir, l->claimed[bad]->name);
}

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const tl_stored *const *)a, y = (uintptr_t) * (const tl_stored *const *)b;
    return (x > y) - (x < y);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static const char *stored_name_of(const tl_name *name, size_t offset)
{
    while (name->offset != offset) name++;
    return name->stored;
}

/* A tensor that no row asked for: fine if it is a known buffer, or the head of a tied base written out again. */
static int check_unclaimed(const loader *l, const tl_stored *t, tl_err *err)
{
    const tl_layout *f = &l->layout;
    for (const char *const *end = f->ignored; *end; end++)
        if (ends_with(t->name, *end)) return 0;
    if (l->m->config.tied && strcmp(t->name, stored_name_of(f->model_names, offsetof(tl_model, head))) == 0) {
        const tl_stored *table = find(l, stored_name_of(f->model_names, offsetof(tl_model, tokens)));
        if (t->dtype == table->dtype && t->bytes == table->bytes && memcmp(t->data, table->data, t->bytes) == 0)
            return 0;
        return tl_fail(err, TL_EFORMAT, "%s: %s ties the head to the token table, but tensor %s differs from %s",
                       l->dir, l->settings, t->name, table->name);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s has no place in a %s model", l->dir, t->name,
                   tl_config_model_type(&l->m->config));
}

static int check_all_claimed(loader *l, tl_err *err)
{
    qsort(l->claimed, l->n_claimed, sizeof *l->claimed, compare_pointers);
    for (int i = 0; i < stored_count(l); i++) {
        const tl_stored *t = stored_at(l, i);
        l->m->stored_bytes += t->bytes;
        if (!bsearch(&t, l->claimed, l->n_claimed, sizeof *l->claimed, compare_pointers))
            TL_TRY(check_unclaimed(l, t, err));
    }
    return 0;
}

/* Fill the model that open_dir or open_gguf has made. */
static int load(loader *l, tl_err *err)
{
    tl_model *m = l->m;
    size_t bytes = 0;
    l->claimed = calloc((size_t)stored_count(l) + 1, sizeof(*l->claimed));
    if (!l->claimed) return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", l->dir);
    TL_TRY(measure_copies(l, &bytes, err));
    if (l->by_rows) {
        tl_origins_sort(m);
        TL_TRY(check_all_claimed(l, err));
        tl_model_tie(m);
        return 0;
    }
    TL_TRY(check_finite(l, err));
    if (bytes > 0) TL_TRY(tl_arena_create(&m->memory->copies, bytes, "copies of weights", err));
    l->copies = m->memory->copies;
    if (l->scratch_floats > 0 && !(l->scratch = malloc(l->scratch_floats * sizeof *l->scratch)))
        return tl_fail(err, TL_ENOMEM, "%s: no memory to quantize it", l->dir);
    TL_TRY(load_tables(l, err));
    TL_TRY(check_all_claimed(l, err));
    tl_model_tie(m);
    return tl_model_name(m, err);
}

static int open_dir(loader *l, tl_err *err)
{
    tl_config config;
    TL_TRY(tl_config_read(&config, l->dir, err));
    TL_TRY(tl_model_make(&l->m, &config, err));
    l->m->options = l->options;
    TL_TRY(tl_safetensors_open(&l->m->memory->file, l->dir, err));
    l->file = l->m->memory->file;
    l->layout = tl_layout_of(config.family);
    l->settings = "config.json";
    return load(l, err);
}

static int open_gguf(loader *l, tl_err *err)
{
    tl_gguf *g = NULL;
    tl_config config;
    TL_TRY(tl_gguf_open(&g, l->dir, err));
    int rc = tl_gguf_config(&config, &l->layout, g, err);
    if (rc == 0) rc = tl_model_make(&l->m, &config, err);
    if (rc < 0) {
        tl_gguf_close(g);
        return rc;
    }
    l->m->options = l->options;
    l->gguf = l->m->memory->gguf = g;
    l->settings = "its metadata";
    return load(l, err);
}

static int open_by(loader *l, tl_model **out, tl_err *err)
{
    int rc = tl_gguf_is(l->dir) ? open_gguf(l, err) : open_dir(l, err);
    free(l->claimed);
    free(l->scratch);
    if (rc < 0) {
        tl_model_free(l->m);
        return rc;
    }
    *out = l->m;
    return 0;
}

int tl_model_open_as(tl_model **out, const char *path, const tl_model_options *options, tl_err *err)
{
    loader l = { .dir = path, .options = *options };
    return open_by(&l, out, err);
}

int tl_model_open_rows(tl_model **out, const char *path, tl_err *err)
{
    loader l = { .dir = path, .options = tl_model_defaults(), .by_rows = true };
    return open_by(&l, out, err);
}

int tl_model_open(tl_model **out, const char *path, tl_err *err)
{
    const tl_model_options options = tl_model_defaults();
    return tl_model_open_as(out, path, &options, err);
}
