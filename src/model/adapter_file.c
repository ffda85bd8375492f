/* adapter_file.c - adapters in PEFT's format.
 *
 *     adapter_config.json         { "peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": [...], ... }
 *     adapter_model.safetensors   base_model.model.PATH.lora_A.weight [r, I] and .lora_B.weight [O, r] of each module
 *
 * PEFT's config has some fifty fields and gains more each year.  Those we compute with are read, those that touch only
 * training or bookkeeping are passed over by name, and any other that is active is refused by name: an adapter that
 * loads is an adapter that is understood. */
#include "io/atomic.h"
#include "io/json.h"
#include "model/adapter_memory.h"
#include "model/adapter_targets.h"
#include "model/model_memory.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "base_model.model."

/* Read below, each in its own way. */
static const char *const understood[] = { "peft_type",  "task_type",         "r",
                                          "lora_alpha", "target_modules",    "bias",
                                          "use_rslora", "init_lora_weights", NULL };

/* Of no effect on what a finished adapter computes.  fan_in_fan_out follows from the base. */
static const char *const passed_over[] = {
    "auto_mapping",      "peft_version",   "base_model_name_or_path",
    "revision",          "inference_mode", "fan_in_fan_out",
    "lora_dropout",      "megatron_core",  "layers_pattern",
    "qalora_group_size", "loftq_config",   "eva_config",
    "corda_config",      "lora_ga_config", NULL,
};

typedef struct fields {
    int r;
    float alpha;
    bool rslora;
    bool *chosen; /* owned by tl_adapter_load */
} fields;

static bool listed(const char *const *list, const char *key)
{
    while (*list && strcmp(*list, key) != 0) list++;
    return *list != NULL;
}

/* Null, false and empty are as good as absent, and so is an object of such. */
static bool inert(const json_t *v)
{
    const char *key = NULL;
    json_t *inner = NULL;
    if (json_is_string(v)) return json_string_length(v) == 0;
    if (json_is_array(v)) return json_array_size(v) == 0;
    if (!json_is_object(v)) return !v || json_is_null(v) || json_is_false(v);
    json_object_foreach((json_t *)v, key, inner) if (!json_is_null(inner) && !json_is_false(inner)) return false;
    return true;
}

static int read_targets(bool *chosen, const tl_config *c, const json_t *targets, const char *where, tl_err *err)
{
    if (json_is_string(targets)) return tl_targets_pattern(chosen, c, json_string_value(targets), where, err);
    if (!json_is_array(targets) || json_array_size(targets) == 0)
        return tl_fail(err, TL_EFORMAT, "%s: target_modules is neither a list of names nor a pattern", where);
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const char *name = json_string_value(json_array_get(targets, i));
        if (!name) return tl_fail(err, TL_EFORMAT, "%s: target_modules holds something that is no name", where);
        TL_TRY(tl_targets_name(chosen, c, name, where, err));
    }
    return 0;
}

/* A string field that must hold wanted, or nothing. */
static int want_word(json_t *o, const char *where, const char *key, const char *wanted, tl_err *err)
{
    const char *found = NULL;
    TL_TRY(tl_json_string_or(o, where, key, wanted, &found, err));
    if (strcmp(found, wanted) == 0) return 0;
    return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is '%s', only '%s' is supported", where, key, found, wanted);
}

/* Some ways to begin change the base too (PiSSA, OLoRA, LoftQ): their A and B alone are not the adapter. */
static int check_begin(const json_t *o, const char *where, tl_err *err)
{
    static const char *const plain[] = { "gaussian", "orthogonal", "eva", NULL };
    const char *begin = json_string_value(json_object_get(o, "init_lora_weights"));
    if (!begin || listed(plain, begin)) return 0;
    return tl_fail(err, TL_EUNSUPPORTED,
                   "%s: init_lora_weights is '%s', which may change the base; convert the adapter to plain LoRA", where,
                   begin);
}

static int read_fields(fields *f, const tl_config *c, json_t *o, const char *where, tl_err *err)
{
    const char *key = NULL, *type = NULL;
    json_t *value = NULL;
    double alpha = 0;
    TL_TRY(tl_json_string(o, where, "peft_type", &type, err));
    if (strcmp(type, "LORA") != 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: peft_type is '%s', only 'LORA' is supported", where, type);
    json_object_foreach(o, key, value) if (!listed(understood, key) && !listed(passed_over, key) &&
                                           !inert(value)) return tl_fail(err, TL_EUNSUPPORTED,
                                                                         "%s: %s is set, which is not supported", where,
                                                                         key);
    TL_TRY(want_word(o, where, "task_type", "CAUSAL_LM", err));
    TL_TRY(want_word(o, where, "bias", "none", err));
    TL_TRY(check_begin(o, where, err));
    TL_TRY(tl_json_int(o, where, "r", 1, TL_RANK_MAX, &f->r, err));
    TL_TRY(tl_json_double(o, where, "lora_alpha", 0, 1e6, &alpha, err));
    f->alpha = (float)alpha;
    TL_TRY(tl_json_bool_or(o, where, "use_rslora", false, &f->rslora, err));
    return read_targets(f->chosen, c, json_object_get(o, "target_modules"), where, err);
}

static bool all_zero(const tl_weight *w)
{
    const float *x = w->data;
    size_t n = (size_t)w->rows * (size_t)w->cols;
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0) return false;
    return true;
}

/* What the walk over the stored tensors knows. */
typedef struct reader {
    const tl_safetensors *file;
    const char *where;
    const tl_model *model; /* borrowed */
    bool effective;        /* some module has neither A nor B zero */
} reader;

/* The row of a file's B that holds row r of ours: the module's products stand one after the other here, by heads there.
 */
static size_t row_by_heads(const tl_model *m, const tl_module *u, int r, int rows)
{
    int each = rows / u->count;
    return tl_by_heads((size_t)(r % each), r / each, u->count, m->config.h);
}

/* by_heads: the module whose rows lie so, or NULL. */
static int read_tensor(const reader *rd, const char *path, const char *which, int rows, int cols, tl_weight *into,
                       const tl_module *by_heads, tl_err *err)
{
    char name[2 * TL_NAME_MAX];
    snprintf(name, sizeof name, PREFIX "%s.%s.weight", path, which);
    const tl_stored *t = tl_safetensors_find(rd->file, name);
    if (!t) return tl_fail(err, TL_EFORMAT, "%s: tensor %s is missing", rd->where, name);
    if (into) {
        size_t n = (size_t)cols, size = tl_dtype_size(t->dtype);
        for (int r = 0; r < rows; r++) {
            size_t from = by_heads ? row_by_heads(rd->model, by_heads, r, rows) : (size_t)r;
            tl_dtype_widen((float *)into->data + (size_t)r * n, (const char *)t->data + from * n * size, t->dtype, n);
        }
        return 0;
    }
    if (t->dtype != TL_DTYPE_F32 && t->dtype != TL_DTYPE_F16 && t->dtype != TL_DTYPE_BF16)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s is stored as %s, supported are F32, F16 and BF16",
                       rd->where, name, tl_dtype_name(t->dtype));
    if (t->n_dims != 2 || t->dims[0] != (size_t)rows || t->dims[1] != (size_t)cols)
        return tl_fail(err, TL_ESHAPE, "%s: tensor %s is [%zu, %zu]%s, this base wants [%d, %d]", rd->where, name,
                       t->n_dims > 0 ? t->dims[0] : 0, t->n_dims > 1 ? t->dims[1] : 0, t->n_dims > 2 ? " and more" : "",
                       rows, cols);
    if (!tl_stored_finite(t)) return tl_fail(err, TL_ENUMERIC, "%s: tensor %s holds NaN or infinity", rd->where, name);
    return 0;
}

/* Both tensors of every chosen module: checked while a is NULL, read into a after. */
static int read_modules(reader *rd, const tl_model *m, const fields *f, tl_adapter *a, tl_err *err)
{
    int n = tl_family_modules(m->config.family);
    for (int l = 0; l < m->config.L; l++)
        for (int i = 0; i < n; i++) {
            char path[TL_NAME_MAX];
            int O, I;
            const tl_module *u = &m->config.family->modules[i];
            if (!f->chosen[l * n + i]) continue;
            tl_lora *lora = a ? &a->loras[l * n + i] : NULL;
            tl_module_path(path, sizeof path, m->config.family, l, i);
            tl_module_widths(m, l, i, &O, &I);
            TL_TRY(read_tensor(rd, path, "lora_A", f->r, I, lora ? &lora->a : NULL, NULL, err));
            TL_TRY(read_tensor(rd, path, "lora_B", O, f->r, lora ? &lora->b : NULL,
                               tl_module_by_heads(m->config.family, u) ? u : NULL, err));
            if (lora) rd->effective |= f->alpha != 0 && !all_zero(&lora->a) && !all_zero(&lora->b);
        }
    return 0;
}

/* Is name that of a tensor of some chosen module? */
static bool has_module(const tl_model *m, const fields *f, const char *name)
{
    int n = tl_family_modules(m->config.family);
    for (int l = 0; l < m->config.L; l++)
        for (int i = 0; i < n; i++) {
            char path[TL_NAME_MAX];
            if (!f->chosen[l * n + i]) continue;
            tl_module_path(path, sizeof path, m->config.family, l, i);
            size_t k = strlen(PREFIX), p = strlen(path);
            if (strncmp(name, PREFIX, k) != 0 || strncmp(name + k, path, p) != 0) continue;
            const char *rest = name + k + p;
            if (strcmp(rest, ".lora_A.weight") == 0 || strcmp(rest, ".lora_B.weight") == 0) return true;
        }
    return false;
}

static int check_unmatched(const reader *rd, const tl_model *m, const fields *f, tl_err *err)
{
    for (int i = 0; i < tl_safetensors_count(rd->file); i++) {
        const char *name = tl_safetensors_at(rd->file, i)->name;
        if (!has_module(m, f, name))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s belongs to no targeted module of this base", rd->where,
                           name);
    }
    return 0;
}

static int check_base(const reader *rd, const tl_model *m, tl_err *err)
{
    const char *stored = tl_safetensors_meta(rd->file, "tailor.base_hash");
    char ours[65];
    if (!stored) return 0;
    tl_hash hash = tl_model_hash(m);
    tl_hash_hex(ours, &hash);
    if (strcmp(stored, ours) == 0) return 0;
    return tl_fail(err, TL_EUSAGE, "%s: the adapter is for another base: it was made for %.12s, this one is %.12s",
                   rd->where, stored, ours);
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
    snprintf(line, sizeof line, "lora %d %a %d", a->max_r, (double)a->alpha, a->rslora);
    a->hash = tl_hash_bytes(line, strlen(line));
    tl_adapter_each(a, chain_tensor, &a->hash);
}

static int load_tensors(tl_adapter **out, const tl_model *m, const fields *f, const char *path, tl_err *err)
{
    tl_safetensors *file = NULL;
    tl_adapter *a = NULL;
    TL_TRY(tl_safetensors_open(&file, path, err));
    reader rd = { .file = file, .where = path, .model = m };
    int rc = check_base(&rd, m, err);
    if (rc == 0) rc = read_modules(&rd, m, f, NULL, err);
    if (rc == 0) rc = check_unmatched(&rd, m, f, err);
    if (rc == 0) rc = tl_adapter_make(&a, m, f->chosen, f->r, f->alpha, f->rslora, false, err);
    if (rc == 0) rc = read_modules(&rd, m, f, a, err);
    if (rc == 0 && !rd.effective)
        rc = tl_fail(err, TL_EDATA, "%s: the adapter has no effect: lora_A or lora_B is zero in every module", path);
    if (rc < 0) goto done;
    assert(a);
    hash_adapter(a);
    *out = a;
    a = NULL;
done:
    tl_adapter_release(a);
    tl_safetensors_close(file);
    return rc;
}

int tl_adapter_load(tl_adapter **out, const tl_model *m, const char *dir, tl_err *err)
{
    char path[PATH_MAX];
    json_t *object = NULL;
    fields f = { 0 };
    TL_TRY(tl_path_join(path, sizeof path, dir, "adapter_config.json", err));
    TL_TRY(tl_json_load(&object, path, err));
    int rc = 0;
    f.chosen = calloc(tl_modules_count(&m->config), sizeof *f.chosen);
    if (!f.chosen) rc = tl_fail(err, TL_ENOMEM, "%s: no memory to read it", path);
    if (rc == 0) rc = read_fields(&f, &m->config, object, path, err);
    if (rc == 0) rc = tl_path_join(path, sizeof path, dir, "adapter_model.safetensors", err);
    if (rc == 0) rc = load_tensors(out, m, &f, path, err);
    free(f.chosen);
    json_decref(object);
    return rc;
}

/* In every layer? */
static bool adapts(const tl_adapter *a, int module)
{
    for (int l = 0; l < a->model->config.L; l++)
        if (!a->loras[l * a->n_modules + module].r) return false;
    return true;
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* "q_proj" rather than "self_attn.q_proj", unless it would take in a module that is not adapted (c_proj). */
static const char *target_name(const tl_adapter *a, int module)
{
    const tl_module *modules = a->model->config.family->modules;
    const char *last = last_part(modules[module].name);
    for (int i = 0; i < a->n_modules; i++)
        if (!adapts(a, i) && strcmp(last_part(modules[i].name), last) == 0) return modules[module].name;
    return last;
}

static int add_target(json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0) return 0;
    return json_array_append_new(list, json_string(name));
}

/* A module adapted in every layer goes by its name, one adapted in some by its paths there. */
static json_t *targets_json(const tl_adapter *a)
{
    json_t *list = json_array();
    int rc = 0;
    for (int i = 0; i < a->n_modules; i++) {
        if (adapts(a, i)) rc |= add_target(list, target_name(a, i));
        for (int l = 0; l < a->model->config.L && !adapts(a, i); l++) {
            char path[TL_NAME_MAX];
            if (!a->loras[l * a->n_modules + i].r) continue;
            tl_module_path(path, sizeof path, a->model->config.family, l, i);
            rc |= add_target(list, path);
        }
    }
    if (rc == 0) return list;
    json_decref(list);
    return NULL;
}

static int write_config(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err)
{
    char path[PATH_MAX];
    TL_TRY(tl_path_join(path, sizeof path, dir, "adapter_config.json", err));
    json_t *o = json_object();
    int rc = 0;
    rc |= json_object_set_new(o, "peft_type", json_string("LORA"));
    rc |= json_object_set_new(o, "task_type", json_string("CAUSAL_LM"));
    rc |= json_object_set_new(o, "base_model_name_or_path", json_string(base_name));
    rc |= json_object_set_new(o, "revision", json_null());
    rc |= json_object_set_new(o, "inference_mode", json_true());
    rc |= json_object_set_new(o, "r", json_integer(a->max_r));
    rc |= json_object_set_new(o, "lora_alpha", tl_config_real(a->alpha));
    rc |= json_object_set_new(o, "lora_dropout", json_real(0));
    rc |= json_object_set_new(o, "use_rslora", json_boolean(a->rslora));
    rc |= json_object_set_new(o, "target_modules", targets_json(a));
    rc |= json_object_set_new(o, "fan_in_fan_out", json_boolean(a->model->config.family->fan_in_fan_out));
    rc |= json_object_set_new(o, "bias", json_string("none"));
    rc |= json_object_set_new(o, "modules_to_save", json_null());
    if (rc < 0)
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    else
        rc = tl_json_save(path, o, err);
    json_decref(o);
    return rc;
}

typedef struct list {
    tl_stored *tensors;             /* owned by tl_adapter_write */
    char (*names)[2 * TL_NAME_MAX]; /* likewise */
    int n;
} list;

static int add_tensor(void *context, const char *name, tl_weight *w)
{
    list *l = context;
    tl_stored *t = &l->tensors[l->n];
    snprintf(l->names[l->n], sizeof l->names[l->n], PREFIX "%s", name);
    *t = (tl_stored){ .name = l->names[l->n], .dtype = TL_DTYPE_F32, .n_dims = 2, .data = w->data };
    t->dims[0] = (size_t)w->rows;
    t->dims[1] = (size_t)w->cols;
    t->bytes = t->dims[0] * t->dims[1] * sizeof(float);
    l->n++;
    return 0;
}

/* Room for the tensors of l whose rows lie by heads in files, and them in it: A and B of each module follow each other.
 */
static int turn_rows(float **out, const tl_adapter *a, list *l, tl_err *err)
{
    const tl_model *m = a->model;
    size_t n = 0;
    int at = 1; /* the first B */
    *out = NULL;
    for (int pass = 0; pass < 2; pass++, at = 1) {
        float *next = *out;
        for (int i = 0; i < m->config.L * a->n_modules; i++) {
            const tl_lora *lora = &a->loras[i];
            const tl_module *u = &m->config.family->modules[i % a->n_modules];
            if (!lora->r) continue;
            tl_stored *t = &l->tensors[at];
            at += 2;
            if (!tl_module_by_heads(m->config.family, u)) continue;
            size_t r = (size_t)lora->r, rows = t->dims[0];
            n += rows * r;
            for (size_t o = 0; next && o < rows; o++)
                memcpy(next + row_by_heads(m, u, (int)o, (int)rows) * r, (const float *)t->data + o * r,
                       r * sizeof *next);
            if (next) t->data = next;
            if (next) next += rows * r;
        }
        if (pass == 0 && n == 0) return 0;
        if (pass == 0 && !(*out = malloc(n * sizeof **out)))
            return tl_fail(err, TL_ENOMEM, "no memory to write the adapter");
    }
    return 0;
}

int tl_adapter_write(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err)
{
    static const tl_hash none;
    char path[PATH_MAX], hash[65];
    TL_TRY(write_config(a, dir, base_name, err));
    TL_TRY(tl_path_join(path, sizeof path, dir, "adapter_model.safetensors", err));
    size_t most = 2 * tl_modules_count(&a->model->config);
    list l = { calloc(most, sizeof *l.tensors), calloc(most, sizeof *l.names), 0 };
    float *turned = NULL;
    int rc = 0;
    if (!l.tensors || !l.names) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    } else {
        const tl_hash base = tl_model_hash(a->model);
        tl_hash_hex(hash, &base);
        const tl_meta meta[] = { { "format", "pt" }, { "tailor.base_hash", hash } };
        bool named = memcmp(&base, &none, sizeof none) != 0;
        tl_adapter_each((tl_adapter *)a, add_tensor, &l); /* the visitor changes nothing */
        rc = turn_rows(&turned, a, &l, err);
        if (rc == 0) rc = tl_safetensors_save(path, l.tensors, l.n, meta, named ? 2 : 1, err);
    }
    free(turned);
    free(l.tensors);
    free(l.names);
    return rc;
}
