/* model_open.c - a base from disk.
 *
 * The family's table says which stored tensors there must be.  Each is checked (shape, type, finite numbers) and used
 * where it lies if the kernels can: matrices in f32 and bf16, vectors in f32.  The rest is copied as f32: f16, bf16
 * vectors, and matrices stored [I, O].  The table is walked twice, first to measure the copies, then to make them.
 *
 * A tensor that is missing is an error, and so is one that nobody asked for: weights left lying there would silently
 * make another model than the one that was saved. */
#include "model/model_memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct loader {
    tl_model *m;
    const char *dir;
    tl_safetensors *file;      /* borrowed from the model */
    tl_arena *copies;          /* measuring, or the real one, or NULL where nothing is copied */
    bool measuring;            /* this is the first walk */
    const tl_stored **claimed; /* owned: tensors that found their place */
    size_t n_claimed;
} loader;

static const char *shape_text(char out[60], size_t rows, size_t cols, bool vector)
{
    if (vector)
        snprintf(out, 60, "[%zu]", rows);
    else
        snprintf(out, 60, "[%zu, %zu]", rows, cols);
    return out;
}

static int check_stored(const loader *l, const tl_stored *t, const tl_group *g, tl_err *err)
{
    size_t rows = g->name->transposed ? g->I : g->O, cols = g->name->transposed ? g->O : g->I;
    char found[60], wanted[60];
    bool as_wanted =
        g->vector ? t->n_dims == 1 && t->dims[0] == g->O : t->n_dims == 2 && t->dims[0] == rows && t->dims[1] == cols;
    if (!as_wanted && (t->n_dims < 1 || t->n_dims > 2))
        return tl_fail(err, TL_ESHAPE, "%s: tensor %s has %d dimensions, config.json wants %s", l->dir, t->name,
                       t->n_dims, shape_text(wanted, g->vector ? g->O : rows, cols, g->vector));
    if (!as_wanted)
        return tl_fail(err, TL_ESHAPE, "%s: tensor %s is %s, config.json wants %s", l->dir, t->name,
                       shape_text(found, t->dims[0], t->n_dims == 2 ? t->dims[1] : 1, t->n_dims == 1),
                       shape_text(wanted, g->vector ? g->O : rows, cols, g->vector));
    if (t->dtype != TL_DTYPE_F32 && t->dtype != TL_DTYPE_F16 && t->dtype != TL_DTYPE_BF16)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s is stored as %s, supported are F32, F16 and BF16", l->dir,
                       t->name, tl_dtype_name(t->dtype));
    return 0;
}

/* NaN and infinity are the numbers whose exponent is all ones. */
static bool finite_f32(const uint32_t *x, size_t n)
{
    bool bad = false;
#pragma omp parallel for reduction(|| : bad)
    for (size_t i = 0; i < n; i++) bad = bad || (x[i] & 0x7f800000u) == 0x7f800000u;
    return !bad;
}

static bool finite_16(const uint16_t *x, size_t n, uint16_t exponent)
{
    bool bad = false;
#pragma omp parallel for reduction(|| : bad)
    for (size_t i = 0; i < n; i++) bad = bad || (x[i] & exponent) == exponent;
    return !bad;
}

bool tl_stored_finite(const tl_stored *t)
{
    size_t n = t->bytes / tl_dtype_size(t->dtype);
    if (t->dtype == TL_DTYPE_F32) return finite_f32(t->data, n);
    return finite_16(t->data, n, t->dtype == TL_DTYPE_BF16 ? 0x7f80u : 0x7c00u);
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

/* Give each weight of the group its data. */
static void place(loader *l, const tl_stored *t, const tl_group *g)
{
    size_t start = 0;
    for (int p = 0; p < g->name->parts; p++) {
        tl_weight *w = g->weights[p];
        size_t O = (size_t)(g->vector ? w->cols : w->rows), n = O * g->I;
        const char *there = (const char *)t->data + start * g->I * tl_dtype_size(t->dtype);
        bool usable = t->dtype == TL_DTYPE_F32 || (t->dtype == TL_DTYPE_BF16 && !g->vector);
        if (usable && !g->name->transposed) {
            w->data = there;
            w->dtype = t->dtype;
        } else {
            float *copy = tl_arena_floats(l->copies, n);
            w->data = copy;
            w->dtype = TL_DTYPE_F32;
            if (copy && g->name->transposed)
                transpose(copy, t, start, O, g->I, g->O);
            else if (copy)
                tl_dtype_widen(copy, there, t->dtype, n);
        }
        start += O;
    }
}

/* The tensor of that name, with or without the family's prefix. */
static const tl_stored *find(const loader *l, const char *name)
{
    const tl_stored *t = tl_safetensors_find(l->file, name);
    const char *prefix = l->m->config.family->prefix;
    size_t n = strlen(prefix);
    return !t && strncmp(name, prefix, n) == 0 ? tl_safetensors_find(l->file, name + n) : t;
}

static int load_table(loader *l, const tl_name *name, const tl_weight_row *rows, void *owner, int layer, tl_err *err)
{
    for (; name->stored; name += name->parts) {
        tl_group g;
        if (!tl_group_take(&g, &l->m->config, name, rows, owner)) continue;
        char stored[TL_NAME_MAX];
        tl_name_print(stored, sizeof stored, name->stored, layer);
        const tl_stored *t = find(l, stored);
        if (!t) return tl_fail(err, TL_EFORMAT, "%s: tensor %s is missing", l->dir, stored);
        if (l->measuring) TL_TRY(check_stored(l, t, &g, err));
        if (l->measuring && !tl_stored_finite(t))
            return tl_fail(err, TL_ENUMERIC, "%s: tensor %s holds NaN or infinity", l->dir, t->name);
        if (!l->measuring) l->claimed[l->n_claimed++] = t;
        place(l, t, &g);
    }
    return 0;
}

static int load_tables(loader *l, tl_err *err)
{
    const tl_family *f = l->m->config.family;
    TL_TRY(load_table(l, f->model_names, tl_model_rows, l->m, 0, err));
    for (int i = 0; i < l->m->config.L; i++)
        TL_TRY(load_table(l, f->layer_names, tl_layer_rows, &l->m->layers[i], i, err));
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
    const tl_family *f = l->m->config.family;
    for (const char *const *end = f->ignored; *end; end++)
        if (ends_with(t->name, *end)) return 0;
    if (l->m->config.tied && strcmp(t->name, stored_name_of(f->model_names, offsetof(tl_model, head))) == 0) {
        const tl_stored *table = find(l, stored_name_of(f->model_names, offsetof(tl_model, tokens)));
        if (t->dtype == table->dtype && t->bytes == table->bytes && memcmp(t->data, table->data, t->bytes) == 0)
            return 0;
        return tl_fail(err, TL_EFORMAT,
                       "%s: config.json ties the head to the token table, but tensor %s differs from %s", l->dir,
                       t->name, table->name);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s has no place in a %s model", l->dir, t->name, f->model_type);
}

static int check_all_claimed(loader *l, tl_err *err)
{
    qsort(l->claimed, l->n_claimed, sizeof *l->claimed, compare_pointers);
    for (int i = 0; i < tl_safetensors_count(l->file); i++) {
        const tl_stored *t = tl_safetensors_at(l->file, i);
        l->m->stored_bytes += t->bytes;
        if (!bsearch(&t, l->claimed, l->n_claimed, sizeof *l->claimed, compare_pointers))
            TL_TRY(check_unclaimed(l, t, err));
    }
    return 0;
}

/* The base's name: the config, then the digest of each weight (name, type, shape, bytes) in the order of our rows.
 * Weights are digested side by side; the chain is over their digests. */
typedef struct digests {
    const tl_weight **weights; /* owned, as hashes */
    tl_hash *hashes;           /* of the head line first, then of the whole */
    size_t n;
} digests;

static int collect(void *context, const char *name, tl_weight *w)
{
    digests *d = context;
    char line[120];
    snprintf(line, sizeof line, "%s %s %d %d", name, tl_dtype_name(w->dtype), w->rows, w->cols);
    d->weights[d->n] = w;
    d->hashes[d->n++] = tl_hash_bytes(line, strlen(line));
    return 0;
}

static int count_weight(void *context, const char *name, tl_weight *w)
{
    (void)name;
    (void)w;
    ++*(size_t *)context;
    return 0;
}

static int hash_model(tl_model *m, tl_err *err)
{
    size_t n = 0;
    tl_model_each_row(m, count_weight, &n);
    json_t *object = tl_config_json(&m->config);
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    digests d = { calloc(n, sizeof *d.weights), calloc(n, sizeof *d.hashes), 0 };
    int rc = 0;
    if (!text || !d.weights || !d.hashes) {
        rc = tl_fail(err, TL_ENOMEM, "no memory to hash the base");
        goto done;
    }
    tl_model_each_row(m, collect, &d);
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < n; i++) {
        const tl_weight *w = d.weights[i];
        size_t bytes = (size_t)w->rows * tl_dtype_row_bytes(w->dtype, (size_t)w->cols);
        d.hashes[i] = tl_hash_chain(&d.hashes[i], w->data, bytes);
    }
    m->hash = tl_hash_bytes(text, strlen(text));
    m->hash = tl_hash_chain(&m->hash, d.hashes, n * sizeof *d.hashes);
done:
    free(d.weights);
    free(d.hashes);
    free(text);
    json_decref(object);
    return rc;
}

int tl_model_open(tl_model **out, const char *dir, tl_err *err)
{
    tl_config config;
    tl_model *m = NULL;
    loader l = { .dir = dir };
    size_t bytes = 0;
    int rc = tl_config_read(&config, dir, err);
    if (rc == 0) rc = tl_model_make(&m, &config, err);
    if (rc == 0) rc = tl_safetensors_open(&m->memory->file, dir, err);
    if (rc < 0) goto done;
    l.m = m;
    l.file = m->memory->file;
    rc = measure_copies(&l, &bytes, err);
    if (rc == 0 && bytes > 0) rc = tl_arena_create(&m->memory->copies, bytes, "copies of weights", err);
    if (rc < 0) goto done;
    l.copies = m->memory->copies;
    l.claimed = calloc((size_t)tl_safetensors_count(l.file), sizeof(*l.claimed));
    if (!l.claimed) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to read it", dir);
        goto done;
    }
    rc = load_tables(&l, err);
    if (rc == 0) rc = check_all_claimed(&l, err);
    if (rc < 0) goto done;
    tl_model_tie(m);
    rc = hash_model(m, err);
    if (rc < 0) goto done;
    *out = m;
    m = NULL;
done:
    free(l.claimed);
    tl_model_free(m);
    return rc;
}
