/* adapter_write.c - adapters to disk, in each of the three formats (adapter_formats.h).
 *
 * Tensors that lie in the file as they do in memory are written from there; others are copied: turned, their rows put
 * elsewhere, or B multiplied where the format has one scale and the module another.  The list is made twice, first on a
 * measuring arena. */
#include "base/arena.h"
#include "io/atomic.h"
#include "io/gguf_save.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/adapter_formats.h"
#include "model/adapter_targets.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const tl_adapter *a;
    tl_adapter_format format;
    float one;          /* the number that stands for all scales (MLX) or alphas (GGUF); 0: each module has its own */
    const char *path;   /* of the tensors, for errors */
    tl_arena *arena;    /* measuring, or the real one: names and copies */
    tl_stored *tensors; /* owned by write_tensors; NULL while measuring */
    int n;
} writer;

/* What the format's one number stands for in this module. */
static float number_of(const writer *w, const tl_lora *lora)
{
    return w->format == TL_ADAPTER_MLX ? lora->scale : lora->scale * (float)lora->r;
}

/* The number most modules have, so that the fewest B are multiplied; of equals the first. */
static float most_frequent(const writer *w)
{
    const tl_adapter *a = w->a;
    int n = a->model->config.L * a->n_modules, best = 0;
    float value = 0;
    for (int i = 0; i < n; i++) {
        int count = 0;
        const tl_lora *x = &a->loras[i];
        if (!x->r || number_of(w, x) == 0 || number_of(w, x) == value) continue;
        for (int k = 0; k < n; k++) count += a->loras[k].r && number_of(w, &a->loras[k]) == number_of(w, x);
        if (count <= best) continue;
        best = count;
        value = number_of(w, x);
    }
    return value;
}

static void add(writer *w, const char *name, size_t rows, size_t cols, bool vector, const float *data)
{
    char *copy = tl_arena_take(w->arena, strlen(name) + 1);
    if (!w->tensors) {
        w->n++;
        return;
    }
    tl_stored *t = &w->tensors[w->n++];
    memcpy(copy, name, strlen(name) + 1);
    *t = (tl_stored){ .name = copy, .dtype = TL_DTYPE_F32, .n_dims = vector ? 1 : 2, .data = data };
    t->dims[0] = vector ? cols : rows;
    t->dims[1] = cols;
    t->bytes = rows * cols * sizeof(float);
}

/* factor: of B. */
static void add_piece(writer *w, const tl_piece *p, float factor)
{
    size_t rows = (size_t)p->rows, cols = (size_t)p->cols;
    const float *x = p->w->data;
    bool as_is = !p->turned && !p->parts && !p->interleaved && factor == 1;
    float *copy = as_is ? NULL : tl_arena_floats(w->arena, rows * cols);
    for (size_t o = 0; copy && o < rows; o++)
        for (size_t i = 0; i < cols; i++) copy[tl_piece_at(p, o, i)] = factor * x[o * cols + i];
    add(w, p->name, p->turned ? cols : rows, p->turned ? rows : cols, p->vector, copy ? copy : x);
}

static void add_module(writer *w, int layer, int module)
{
    const tl_lora *lora = tl_adapter_lora(w->a, layer, module);
    for (int kind = 0; kind < (w->a->dora ? TL_PIECES : TL_PIECE_MAGNITUDE); kind++) {
        tl_piece p;
        bool scaled = kind == TL_PIECE_B && w->one != 0 && number_of(w, lora) != w->one;
        bool there = tl_piece_of(&p, w->format, w->a, layer, module, (tl_piece_kind)kind);
        assert(there); /* who writes has seen to it */
        add_piece(w, &p, scaled ? number_of(w, lora) / w->one : 1);
    }
}

static void add_own(writer *w, const tl_own *own)
{
    char name[2 * TL_NAME_MAX];
    tl_group g;
    size_t D = (size_t)w->a->model->config.D, n = (size_t)w->a->n_token_ids;
    bool tokens = own->kind == TL_OWN_TOKENS, turned = own->name->form == TL_FORM_TRANSPOSED;
    tl_own_group(&g, w->a, own);
    tl_own_peft_name(name, sizeof name, w->a, own, 0);
    size_t rows = tokens ? n : g.O, cols = tokens ? D : g.I;
    float *copy = tl_arena_floats(w->arena, rows * cols);
    const float *table = own->weights[0].data;
    for (size_t i = 0; copy && tokens && i < n; i++)
        memcpy(copy + i * D, table + (size_t)w->a->token_ids[i] * D, D * sizeof *copy);
    if (copy && !tokens) tl_group_write(copy, &g, w->a->model->config.h);
    if (g.vector)
        add(w, name, 1, g.O, true, copy);
    else
        add(w, name, turned ? cols : rows, turned ? rows : cols, false, copy);
}

static void add_all(writer *w)
{
    w->n = 0;
    for (int l = 0; l < w->a->model->config.L; l++)
        for (int i = 0; i < w->a->n_modules; i++)
            if (tl_adapter_lora(w->a, l, i)->r) add_module(w, l, i);
    for (int i = 0; i < w->a->n_owns; i++) add_own(w, &w->a->owns[i]);
}

/* The base's hash in hexadecimal digits; empty where it has none. */
static void base_hash(char out[65], const tl_model *m)
{
    static const tl_hash none;
    const tl_hash hash = tl_model_hash(m);
    tl_hash_hex(out, &hash);
    if (memcmp(&hash, &none, sizeof none) == 0) *out = '\0';
}

static int save_gguf(const writer *w, const char *base_name, const char *hash, tl_err *err)
{
    tl_gguf_meta meta = tl_gguf_meta_make();
    int rc = tl_gguf_put_string(&meta, "general.architecture", tl_gguf_adapter_architecture(&w->a->model->config), err);
    if (rc == 0) rc = tl_gguf_put_string(&meta, "general.type", "adapter", err);
    if (rc == 0) rc = tl_gguf_put_string(&meta, "general.base_model.0.name", base_name, err);
    if (rc == 0) rc = tl_gguf_put_u32(&meta, "general.base_model.count", 1, err);
    if (rc == 0) rc = tl_gguf_put_string(&meta, "adapter.type", "lora", err);
    if (rc == 0) rc = tl_gguf_put_f32(&meta, "adapter.lora.alpha", w->one, err);
    if (rc == 0 && *hash) rc = tl_gguf_put_string(&meta, "tailor.base_hash", hash, err);
    if (rc == 0) rc = tl_gguf_save(w->path, &meta, w->tensors, w->n, err);
    tl_gguf_meta_reset(&meta);
    return rc;
}

static int save(const writer *w, const char *base_name, tl_err *err)
{
    char hash[65];
    base_hash(hash, w->a->model);
    const tl_meta meta[] = { { "format", w->format == TL_ADAPTER_MLX ? "mlx" : "pt" }, { "tailor.base_hash", hash } };
    if (w->format == TL_ADAPTER_GGUF) return save_gguf(w, base_name, hash, err);
    return tl_safetensors_save(w->path, w->tensors, w->n, meta, *hash ? 2 : 1, err);
}

static int write_tensors(writer *w, const char *base_name, tl_err *err)
{
    tl_arena *measure = NULL;
    TL_TRY(tl_arena_measure(&measure, err));
    w->arena = measure;
    add_all(w);
    size_t bytes = tl_arena_peak(measure);
    tl_arena_free(measure);
    w->arena = NULL;
    w->tensors = calloc((size_t)w->n, sizeof *w->tensors);
    int rc = w->tensors ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory to write it", w->path);
    if (rc == 0) rc = tl_arena_create(&w->arena, bytes, "the adapter to be written", err);
    if (rc == 0) {
        add_all(w);
        rc = save(w, base_name, err);
    }
    tl_arena_free(w->arena);
    free(w->tensors);
    return rc;
}

/* An adapter of modules alone: the two other formats know no more. */
static int check_plain(const tl_adapter *a, const char *where, const char *format, tl_err *err)
{
    char name[TL_NAME_MAX];
    if (a->n_owns == 0) return 0;
    tl_own_stored_name(name, sizeof name, &a->owns[0]);
    return tl_fail(err, TL_EUNSUPPORTED, "%s: the adapter has %s of its own, which an adapter of %s cannot hold", where,
                   name, format);
}

static int save_config(json_t *config, const char *path, tl_err *err)
{
    int rc = tl_json_save(path, config, err);
    json_decref(config);
    return rc;
}

int tl_adapter_write(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err)
{
    char config_path[PATH_MAX], path[PATH_MAX];
    json_t *config = NULL;
    writer w = { .a = a, .format = TL_ADAPTER_PEFT, .path = path };
    TL_TRY(tl_path_join(config_path, sizeof config_path, dir, "adapter_config.json", err));
    TL_TRY(tl_path_join(path, sizeof path, dir, "adapter_model.safetensors", err));
    TL_TRY(tl_peft_config(&config, a, base_name, config_path, err));
    TL_TRY(save_config(config, config_path, err));
    return write_tensors(&w, base_name, err);
}

int tl_adapter_write_mlx(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err)
{
    char config_path[PATH_MAX], path[PATH_MAX];
    json_t *config = NULL;
    writer w = { .a = a, .format = TL_ADAPTER_MLX, .path = path };
    TL_TRY(tl_path_join(config_path, sizeof config_path, dir, "adapter_config.json", err));
    TL_TRY(tl_path_join(path, sizeof path, dir, "adapters.safetensors", err));
    TL_TRY(check_plain(a, path, "MLX", err));
    w.one = most_frequent(&w);
    TL_TRY(tl_mlx_config(&config, a, w.one, base_name, config_path, err));
    TL_TRY(save_config(config, config_path, err));
    return write_tensors(&w, base_name, err);
}

int tl_adapter_write_gguf(const tl_adapter *a, const char *path, const char *base_name, tl_err *err)
{
    writer w = { .a = a, .format = TL_ADAPTER_GGUF, .path = path };
    if (!tl_gguf_adapter_architecture(&a->model->config))
        return tl_fail(err, TL_EUNSUPPORTED, "%s: there are no GGUF adapters for a %s base", path,
                       tl_config_model_type(&a->model->config));
    if (a->dora)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: the adapter has magnitudes (DoRA), which a GGUF adapter cannot hold",
                       path);
    TL_TRY(check_plain(a, path, "GGUF", err));
    w.one = most_frequent(&w);
    return write_tensors(&w, base_name, err);
}
