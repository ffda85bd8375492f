/* adapter_file.c - adapters read from disk, whichever of the three formats (adapter_formats.h) they lie in.
 *
 * The format's own words make an adapter of nothing know its modules, ranks and own weights; then every tensor that
 * must be there is looked for and checked, and that there are no others; only then is memory taken and filled. */
#include "io/atomic.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/adapter_formats.h"
#include "model/adapter_targets.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is on disk, and what is known of it. */
typedef struct source {
    tl_adapter_format format;
    char config_path[PATH_MAX], path[PATH_MAX]; /* of the config, where there is one, and of the tensors */
    json_t *config;                             /* owned; NULL for GGUF */
    tl_safetensors *file;                       /* owned, one of the two */
    tl_gguf *gguf;
    const tl_stored **claimed; /* owned: tensors that have found their place */
    size_t n_claimed;
} source;

static int stored_count(const source *s)
{
    return s->gguf ? tl_gguf_count(s->gguf) : tl_safetensors_count(s->file);
}

static const tl_stored *stored_at(const source *s, int i)
{
    return s->gguf ? tl_gguf_at(s->gguf, i) : tl_safetensors_at(s->file, i);
}

static const tl_stored *stored_find(const source *s, const char *name)
{
    return s->gguf ? tl_gguf_find(s->gguf, name) : tl_safetensors_find(s->file, name);
}

static int missing(const source *s, const char *name, tl_err *err)
{
    return tl_fail(err, TL_EFORMAT, "%s: tensor %s is missing", s->path, name);
}

/* It is there for a reason, its numbers can be read and are numbers. */
static int claim(source *s, const tl_stored *t, tl_err *err)
{
    s->claimed[s->n_claimed++] = t;
    if (t->dtype != TL_DTYPE_F32 && t->dtype != TL_DTYPE_F16 && t->dtype != TL_DTYPE_BF16)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s is stored as %s, supported are F32, F16 and BF16", s->path,
                       t->name, tl_dtype_name(t->dtype));
    if (!tl_stored_finite(t)) return tl_fail(err, TL_ENUMERIC, "%s: tensor %s holds NaN or infinity", s->path, t->name);
    return 0;
}

/* Is it [rows, cols], or [cols]?  GGUF leaves sizes of one away. */
static int check_shape(const source *s, const tl_stored *t, size_t rows, size_t cols, bool vector, tl_err *err)
{
    size_t found[2] = { t->n_dims > 0 ? t->dims[0] : 0, t->n_dims > 1 ? t->dims[1] : 1 };
    bool two = t->n_dims == 2 || (s->gguf && t->n_dims == 1);
    if (s->gguf && t->n_dims == 1 && rows == 1) { /* its one size is that of its only row */
        found[1] = found[0];
        found[0] = 1;
    }
    if (vector && t->n_dims == 1 && t->dims[0] == cols) return 0;
    if (!vector && two && found[0] == rows && found[1] == cols) return 0;
    if (vector)
        return tl_fail(err, TL_ESHAPE, "%s: tensor %s has %d dimensions and %zu rows, this base wants [%zu]", s->path,
                       t->name, t->n_dims, found[0], cols);
    return tl_fail(err, TL_ESHAPE, "%s: tensor %s is [%zu, %zu]%s, this base wants [%zu, %zu]", s->path, t->name,
                   found[0], t->n_dims > 1 || s->gguf ? found[1] : 0, t->n_dims > 2 ? " and more" : "", rows, cols);
}

/* ---- the tensors of modules ---- */

static int check_piece(source *s, const tl_piece *p, tl_err *err)
{
    const tl_stored *t = stored_find(s, p->name);
    if (!t) return missing(s, p->name, err);
    TL_TRY(claim(s, t, err));
    return check_shape(s, t, (size_t)(p->turned ? p->cols : p->rows), (size_t)(p->turned ? p->rows : p->cols),
                       p->vector, err);
}

static int fill_piece(source *s, const tl_piece *p, tl_err *err)
{
    const tl_stored *t = stored_find(s, p->name);
    size_t size = tl_dtype_size(t->dtype), cols = (size_t)p->cols;
    (void)err;
    for (size_t o = 0; o < (size_t)p->rows; o++) {
        float *row = (float *)p->w->data + o * cols;
        const char *from = (const char *)t->data;
        if (!p->turned && !p->vector) {
            tl_dtype_widen(row, from + tl_piece_at(p, o, 0) * size, t->dtype, cols);
            continue;
        }
        for (size_t i = 0; i < cols; i++) tl_dtype_widen(row + i, from + tl_piece_at(p, o, i) * size, t->dtype, 1);
    }
    return 0;
}

static int each_piece(source *s, tl_adapter *a, int (*f)(source *s, const tl_piece *p, tl_err *err), tl_err *err)
{
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++)
            for (int kind = 0; kind < (a->dora ? TL_PIECES : TL_PIECE_MAGNITUDE); kind++) {
                tl_piece p;
                if (!tl_adapter_lora(a, l, i)->r) continue;
                bool there = tl_piece_of(&p, s->format, a, l, i, (tl_piece_kind)kind);
                assert(there); /* GGUF has no magnitudes, and no module that was not found there */
                TL_TRY(f(s, &p, err));
            }
    return 0;
}

/* ---- weights of its own: PEFT's alone ---- */

static const tl_stored *find_own(const source *s, const tl_adapter *a, const tl_own *own)
{
    char name[2 * TL_NAME_MAX];
    for (int i = 0; tl_own_peft_name(name, sizeof name, a, own, i); i++) {
        const tl_stored *t = stored_find(s, name);
        if (t) return t;
    }
    return NULL;
}

static int check_own(source *s, const tl_adapter *a, const tl_own *own, tl_err *err)
{
    char name[2 * TL_NAME_MAX];
    tl_group g;
    const tl_stored *t = find_own(s, a, own);
    tl_own_peft_name(name, sizeof name, a, own, 0);
    if (!t) return missing(s, name, err);
    tl_own_base(&g, a, own);
    bool turned = own->name->form == TL_FORM_TRANSPOSED;
    TL_TRY(claim(s, t, err));
    if (own->kind == TL_OWN_TOKENS)
        return check_shape(s, t, (size_t)a->n_token_ids, (size_t)a->model->config.D, false, err);
    if (g.vector) return check_shape(s, t, 1, g.O, true, err);
    return check_shape(s, t, turned ? g.I : g.O, turned ? g.O : g.I, false, err);
}

static void fill_own(const source *s, tl_adapter *a, tl_own *own)
{
    const tl_stored *t = find_own(s, a, own);
    tl_group g;
    size_t D = (size_t)a->model->config.D;
    tl_own_group(&g, a, own);
    if (own->kind == TL_OWN_TOKENS) {
        for (int i = 0; i < a->n_token_ids; i++)
            tl_dtype_widen((float *)own->weights[0].data + (size_t)a->token_ids[i] * D,
                           (const char *)t->data + (size_t)i * D * tl_dtype_size(t->dtype), t->dtype, D);
        return;
    }
    for (int p = 0; p < own->name->parts; p++)
        tl_group_read((float *)own->weights[p].data, &g, p, t->data, t->dtype, a->model->config.h);
}

/* ---- all of it ---- */

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const tl_stored *const *)a, y = (uintptr_t) * (const tl_stored *const *)b;
    return (x > y) - (x < y);
}

static int check_all(source *s, tl_adapter *a, tl_err *err)
{
    size_t most = TL_PIECES * tl_modules_count(&a->model->config) + (size_t)a->n_owns;
    s->claimed = calloc(most, sizeof(*s->claimed));
    if (!s->claimed) return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", s->path);
    TL_TRY(each_piece(s, a, check_piece, err));
    for (int i = 0; i < a->n_owns; i++) TL_TRY(check_own(s, a, &a->owns[i], err));
    qsort(s->claimed, s->n_claimed, sizeof(*s->claimed), compare_pointers);
    for (int i = 0; i < stored_count(s); i++) {
        const tl_stored *t = stored_at(s, i);
        if (!bsearch(&t, s->claimed, s->n_claimed, sizeof(*s->claimed), compare_pointers))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s belongs to no targeted module of this base", s->path,
                           t->name);
    }
    return 0;
}

static bool all_zero(const tl_weight *w)
{
    const float *x = w->data;
    size_t n = (size_t)w->rows * (size_t)w->cols;
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0) return false;
    return true;
}

/* Whether it does anything: some module has neither A nor B zero; what is its own, and magnitudes, always do. */
static bool effective(const tl_adapter *a)
{
    if (a->n_owns > 0 || a->dora) return true;
    for (int i = 0; i < a->model->config.L * a->n_modules; i++) {
        const tl_lora *x = &a->loras[i];
        if (x->r && x->scale != 0 && !all_zero(&x->a) && !all_zero(&x->b)) return true;
    }
    return false;
}

static int check_base(const source *s, const tl_model *m, tl_err *err)
{
    const char *stored = s->file ? tl_safetensors_meta(s->file, "tailor.base_hash") : NULL;
    char ours[65];
    if (s->gguf) TL_TRY(tl_gguf_string_or(s->gguf, "tailor.base_hash", NULL, &stored, err));
    if (!stored) return 0;
    tl_hash hash = tl_model_hash(m);
    tl_hash_hex(ours, &hash);
    if (strcmp(stored, ours) == 0) return 0;
    return tl_fail(err, TL_EUSAGE, "%s: the adapter is for another base: it was made for %.12s, this one is %.12s",
                   s->path, stored, ours);
}

static int chain_tensor(void *context, const char *name, tl_weight *w)
{
    tl_hash *h = context;
    *h = tl_hash_chain(h, name, strlen(name));
    *h = tl_hash_chain(h, w->data, (size_t)w->rows * (size_t)w->cols * sizeof(float));
    return 0;
}

/* Content: the scale of each module, and the numbers. */
static void hash_adapter(tl_adapter *a)
{
    char line[80];
    snprintf(line, sizeof line, "adapter %d %d", a->dora, a->n_owns);
    a->hash = tl_hash_bytes(line, strlen(line));
    for (int i = 0; i < a->model->config.L * a->n_modules; i++) {
        snprintf(line, sizeof line, "%d %a", a->loras[i].r, (double)a->loras[i].scale);
        if (a->loras[i].r) a->hash = tl_hash_chain(&a->hash, line, strlen(line));
    }
    tl_adapter_each(a, chain_tensor, &a->hash);
}

static int plan(source *s, tl_adapter *a, tl_err *err)
{
    int rc = s->format == TL_ADAPTER_PEFT  ? tl_peft_plan(a, s->config, s->config_path, err)
             : s->format == TL_ADAPTER_MLX ? tl_mlx_plan(a, s->config, s->config_path, err)
                                           : tl_gguf_plan(a, s->gguf, err);
    if (rc < 0 || a->max_r > 0) return rc;
    return tl_fail(err, TL_EFORMAT, "%s: no module of the base is adapted", s->gguf ? s->path : s->config_path);
}

static int load(tl_adapter *a, source *s, tl_err *err)
{
    TL_TRY(plan(s, a, err));
    TL_TRY(check_base(s, a->model, err));
    TL_TRY(check_all(s, a, err));
    TL_TRY(tl_adapter_lay(a, false, err));
    TL_TRY(each_piece(s, a, fill_piece, err));
    for (int i = 0; i < a->n_owns; i++) fill_own(s, a, &a->owns[i]);
    if (!effective(a))
        return tl_fail(err, TL_EDATA, "%s: the adapter has no effect: lora_A or lora_B is zero in every module",
                       s->path);
    if (tl_adapter_settle(a, err) < 0) return tl_fail_in(err, "%s", s->path);
    hash_adapter(a);
    return 0;
}

static int open_source(source *s, const char *path, tl_err *err)
{
    if (tl_gguf_is(path)) {
        s->format = TL_ADAPTER_GGUF;
        snprintf(s->path, sizeof s->path, "%s", path);
        return tl_gguf_open(&s->gguf, path, err);
    }
    TL_TRY(tl_path_join(s->config_path, sizeof s->config_path, path, "adapter_config.json", err));
    TL_TRY(tl_json_load(&s->config, s->config_path, err));
    bool mlx = !json_object_get(s->config, "peft_type") && json_object_get(s->config, "lora_parameters");
    s->format = mlx ? TL_ADAPTER_MLX : TL_ADAPTER_PEFT;
    TL_TRY(
        tl_path_join(s->path, sizeof s->path, path, mlx ? "adapters.safetensors" : "adapter_model.safetensors", err));
    return tl_safetensors_open(&s->file, s->path, err);
}

int tl_adapter_load(tl_adapter **out, const tl_model *m, const char *path, tl_err *err)
{
    source s = { 0 };
    tl_adapter *a = NULL;
    int rc = open_source(&s, path, err);
    if (rc == 0) rc = tl_adapter_new(&a, m, err);
    if (rc == 0) rc = load(a, &s, err);
    if (rc < 0)
        tl_adapter_release(a);
    else
        *out = a;
    json_decref(s.config);
    tl_safetensors_close(s.file);
    tl_gguf_close(s.gguf);
    free(s.claimed);
    return rc;
}
