/* adapter_peft.c - PEFT's adapter_config.json, read and written.
 *
 * It has some fifty fields and gains more each year.  Those we compute with are read, those that touch only training or
 * bookkeeping are passed over by name, and any other that is active is refused by name: an adapter that loads is an
 * adapter that is understood.
 *
 * Which modules are adapted follows from target_modules, less exclude_modules and modules_to_save; layers_to_transform
 * narrows what names choose, but not modules that are named by their whole path.  A module's rank and alpha are those
 * of the first key of rank_pattern and alpha_pattern that its path ends with, as an expression. */
#include "base/buf.h"
#include "io/json.h"
#include "model/adapter_formats.h"
#include "model/adapter_targets.h"

#include <stdlib.h>
#include <string.h>

enum {
    PATTERNS_MORE = 1000 /* keys of a pattern beyond the modules of the base that are still looked at */
};

/* Read below, each in its own way. */
static const char *const understood[] = { "peft_type",
                                          "task_type",
                                          "r",
                                          "lora_alpha",
                                          "target_modules",
                                          "exclude_modules",
                                          "layers_to_transform",
                                          "layers_pattern",
                                          "rank_pattern",
                                          "alpha_pattern",
                                          "bias",
                                          "modules_to_save",
                                          "trainable_token_indices",
                                          "use_rslora",
                                          "use_dora",
                                          "init_lora_weights",
                                          "ensure_weight_tying",
                                          NULL };

/* Of no effect on what a finished adapter computes.  fan_in_fan_out follows from the base. */
static const char *const passed_over[] = {
    "auto_mapping",
    "peft_version",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "fan_in_fan_out",
    "lora_dropout",
    "megatron_core",
    "runtime_config",
    "velora_config",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "qalora_group_size",
    NULL,
};

static bool listed(const char *const *list, const char *key)
{
    while (*list && strcmp(*list, key) != 0) list++;
    return *list != NULL;
}

bool tl_json_inert(const json_t *v)
{
    const char *key = NULL;
    json_t *inner = NULL;
    if (json_is_string(v)) return json_string_length(v) == 0;
    if (json_is_array(v)) return json_array_size(v) == 0;
    if (!json_is_object(v)) return !v || json_is_null(v) || json_is_false(v);
    json_object_foreach((json_t *)v, key, inner) if (!json_is_null(inner) && !json_is_false(inner)) return false;
    return true;
}

/* What the reading of one config knows. */
typedef struct reading {
    tl_adapter *a;
    const tl_config *c;
    json_t *o;
    const char *where;
    bool *chosen; /* owned by tl_peft_plan: of all modules */
    int *r;       /* likewise, 0 where no pattern has spoken */
    float *alpha; /* likewise, negative */
} reading;

/* f for each string of a list under key; null and missing are an empty one. */
static int each_string(const reading *rd, const char *key, int (*f)(const reading *rd, const char *s, tl_err *err),
                       tl_err *err)
{
    json_t *list = NULL;
    TL_TRY(tl_json_value_or_null(rd->o, rd->where, key, JSON_ARRAY, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s) return tl_fail(err, TL_EFORMAT, "%s: %s holds something that is no name", rd->where, key);
        TL_TRY(f(rd, s, err));
    }
    return 0;
}

/* A string field that must hold wanted, or nothing. */
static int want_word(json_t *o, const char *where, const char *key, const char *wanted, tl_err *err)
{
    const char *found = NULL;
    TL_TRY(tl_json_string_or(o, where, key, wanted, &found, err));
    if (strcmp(found, wanted) == 0) return 0;
    return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is '%.100s', only '%s' is supported", where, key, found, wanted);
}

/* Some ways to begin change the base too (PiSSA, OLoRA, LoftQ): their A and B alone are not the adapter. */
static int check_begin(const json_t *o, const char *where, tl_err *err)
{
    static const char *const plain[] = { "gaussian", "orthogonal", "eva", NULL };
    const char *begin = json_string_value(json_object_get(o, "init_lora_weights"));
    if (!begin || listed(plain, begin)) return 0;
    return tl_fail(err, TL_EUNSUPPORTED,
                   "%s: init_lora_weights is '%.100s', which may change the base; convert the adapter to plain LoRA",
                   where, begin);
}

static int check_fields(json_t *o, const char *where, tl_err *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    TL_TRY(want_word(o, where, "peft_type", "LORA", err));
    json_object_foreach(o, key, value) if (!listed(understood, key) && !listed(passed_over, key) &&
                                           !tl_json_inert(value)) return tl_fail(err, TL_EUNSUPPORTED,
                                                                                 "%s: %.100s is set, which is not "
                                                                                 "supported",
                                                                                 where, key);
    TL_TRY(want_word(o, where, "task_type", "CAUSAL_LM", err));
    if (json_is_true(json_object_get(o, "ensure_weight_tying")) &&
        !tl_json_inert(json_object_get(o, "modules_to_save")))
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: ensure_weight_tying is set along with modules_to_save, which is not supported", where);
    return check_begin(o, where, err);
}

/* ---- which modules ---- */

static int add_target(const reading *rd, const char *name, tl_err *err)
{
    return tl_targets_name(rd->chosen, rd->c, name, rd->where, err);
}

static int add_path(const reading *rd, const char *name, tl_err *err)
{
    (void)err;
    tl_targets_path(rd->chosen, rd->c, name);
    return 0;
}

static int drop_target(const reading *rd, const char *name, tl_err *err)
{
    (void)err;
    tl_targets_drop_name(rd->chosen, rd->c, name);
    return 0;
}

static int drop_saved(const reading *rd, const char *name, tl_err *err)
{
    (void)err;
    tl_targets_drop_below(rd->chosen, rd->c, name, strlen(name));
    return 0;
}

/* The parts of paths that layers_pattern allows before a layer's number, as one expression; empty: any. */
static int read_layers_pattern(tl_buf *out, const reading *rd, tl_err *err)
{
    const json_t *v = json_object_get(rd->o, "layers_pattern");
    if (json_is_string(v)) return tl_buf_puts(out, json_string_value(v), err);
    if (v && !json_is_null(v) && !json_is_array(v))
        return tl_fail(err, TL_EFORMAT, "%s: layers_pattern is neither a name nor a list of names", rd->where);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = json_string_value(json_array_get(v, i));
        if (!s) return tl_fail(err, TL_EFORMAT, "%s: layers_pattern holds something that is no name", rd->where);
        TL_TRY(tl_buf_printf(out, err, "%s(?:%s)", i ? "|" : "", s));
    }
    return 0;
}

static int keep_layers(const reading *rd, const int *numbers, size_t n, tl_err *err)
{
    tl_buf pattern = tl_buf_make(1 << 16);
    int rc = read_layers_pattern(&pattern, rd, err);
    if (rc == 0)
        rc = tl_targets_keep_layers(rd->chosen, rd->c, numbers, n, pattern.size ? pattern.data : NULL, rd->where, err);
    tl_buf_reset(&pattern);
    return rc;
}

/* layers_to_transform: a number or a list of numbers. */
static int read_layers(const reading *rd, tl_err *err)
{
    const json_t *v = json_object_get(rd->o, "layers_to_transform");
    bool one = json_is_integer(v), any = one || json_array_size(v) > 0;
    size_t n = one ? 1 : json_array_size(v);
    if (v && !json_is_null(v) && !one && !json_is_array(v))
        return tl_fail(err, TL_EFORMAT, "%s: layers_to_transform is neither a number nor a list of numbers", rd->where);
    if (!any && !tl_json_inert(json_object_get(rd->o, "layers_pattern")))
        return tl_fail(err, TL_EUNSUPPORTED, "%s: layers_pattern is set without layers_to_transform", rd->where);
    if (!any) return 0;
    if (json_is_string(json_object_get(rd->o, "target_modules")))
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: layers_to_transform is set and target_modules is a pattern, which speaks of layers itself",
                       rd->where);
    int *numbers = malloc(n * sizeof *numbers);
    if (!numbers) return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", rd->where);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const json_t *x = one ? v : json_array_get(v, i);
        json_int_t number = json_is_integer(x) ? json_integer_value(x) : -1;
        if (number < 0 || number >= rd->c->L)
            rc = tl_fail(err, TL_EFORMAT, "%s: layers_to_transform holds no layer of this base, which has 0 to %d",
                         rd->where, rd->c->L - 1);
        else
            numbers[i] = (int)number;
    }
    if (rc == 0) rc = keep_layers(rd, numbers, n, err);
    free(numbers);
    return rc;
}

static int read_excluded(const reading *rd, tl_err *err)
{
    const json_t *v = json_object_get(rd->o, "exclude_modules");
    if (!json_is_string(v)) return each_string(rd, "exclude_modules", drop_target, err);
    const char *pattern = json_string_value(v);
    return *pattern ? tl_targets_drop_pattern(rd->chosen, rd->c, pattern, rd->where, err) : 0;
}

static int read_targets(const reading *rd, tl_err *err)
{
    const json_t *targets = json_object_get(rd->o, "target_modules");
    if (json_is_string(targets)) {
        TL_TRY(tl_targets_pattern(rd->chosen, rd->c, json_string_value(targets), rd->where, err));
    } else {
        if (!json_is_array(targets) || json_array_size(targets) == 0)
            return tl_fail(err, TL_EFORMAT, "%s: target_modules is neither a list of names nor a pattern", rd->where);
        TL_TRY(each_string(rd, "target_modules", add_target, err));
    }
    TL_TRY(read_layers(rd, err));
    if (json_is_array(targets)) TL_TRY(each_string(rd, "target_modules", add_path, err));
    TL_TRY(read_excluded(rd, err));
    return each_string(rd, "modules_to_save", drop_saved, err);
}

/* ---- rank and alpha of each ---- */

/* Give the modules that key matches value, where no earlier key has. */
static int give(const reading *rd, const char *field, const char *key, double value, tl_err *err)
{
    tl_path_pattern *p = NULL;
    bool rank = strcmp(field, "rank_pattern") == 0;
    TL_TRY(tl_path_pattern_open(&p, "(?:.*\\.)?(?:%s)", key, field, rd->where, err));
    int rc = 0;
    for (int i = 0; rc == 0 && i < rd->c->L * rd->a->n_modules; i++) {
        char path[TL_NAME_MAX];
        bool matches = false;
        if (!rd->chosen[i] || (rank ? rd->r[i] > 0 : rd->alpha[i] >= 0)) continue;
        tl_module_path(path, sizeof path, rd->c->family, i / rd->a->n_modules, i % rd->a->n_modules);
        rc = tl_path_pattern_match(p, path, &matches, NULL, err);
        if (matches && rank) rd->r[i] = (int)value;
        if (matches && !rank) rd->alpha[i] = (float)value;
    }
    tl_path_pattern_close(p);
    return rc;
}

/* { "q_proj": 4, "layers\\.0\\..*": 16 } */
static int read_pattern(const reading *rd, const char *field, double least, double most, tl_err *err)
{
    json_t *object = NULL, *value = NULL;
    const char *key = NULL;
    TL_TRY(tl_json_value_or_null(rd->o, rd->where, field, JSON_OBJECT, &object, err));
    if (json_object_size(object) > tl_modules_count(rd->c) + PATTERNS_MORE)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: %s has %zu keys, the base has %zu modules", rd->where, field,
                       json_object_size(object), tl_modules_count(rd->c));
    json_object_foreach(object, key, value)
    {
        double x = json_number_value(value);
        bool whole = least < 1 || json_is_integer(value);
        if (!json_is_number(value) || !whole || !(x >= least && x <= most))
            return tl_fail(err, TL_EFORMAT, "%s: %s gives '%.100s' something that is no number from %g to %g",
                           rd->where, field, key, least, most);
        TL_TRY(give(rd, field, key, x, err));
    }
    return 0;
}

static int read_modules(const reading *rd, tl_err *err)
{
    tl_adapter *a = rd->a;
    int r;
    double alpha;
    TL_TRY(tl_json_int(rd->o, rd->where, "r", 1, TL_RANK_MAX, &r, err));
    TL_TRY(tl_json_double(rd->o, rd->where, "lora_alpha", 0, 1e6, &alpha, err));
    TL_TRY(tl_json_bool_or(rd->o, rd->where, "use_rslora", false, &a->rslora, err));
    TL_TRY(tl_json_bool_or(rd->o, rd->where, "use_dora", false, &a->dora, err));
    TL_TRY(read_targets(rd, err));
    for (int i = 0; i < rd->c->L * a->n_modules; i++) rd->alpha[i] = -1;
    TL_TRY(read_pattern(rd, "rank_pattern", 1, TL_RANK_MAX, err));
    TL_TRY(read_pattern(rd, "alpha_pattern", 0, 1e6, err));
    for (int i = 0; i < rd->c->L * a->n_modules; i++)
        if (rd->chosen[i])
            tl_adapter_adapt(a, i / a->n_modules, i % a->n_modules, rd->r[i] > 0 ? rd->r[i] : r,
                             rd->alpha[i] >= 0 ? rd->alpha[i] : (float)alpha);
    return 0;
}

/* ---- weights of its own ---- */

static int add_saved(const reading *rd, const char *name, tl_err *err)
{
    return tl_adapter_own_module(rd->a, name, rd->where, err);
}

/* The ids of trainable_token_indices: a list, or an object whose one key is the token table's module. */
static int token_list(json_t **out, const reading *rd, tl_err *err)
{
    json_t *v = json_object_get(rd->o, "trainable_token_indices"), *list = NULL;
    const tl_name *name = rd->c->family->model_names;
    const char *key = NULL, *end;
    *out = NULL;
    if (!v || json_is_null(v)) return 0;
    while (name->offset != offsetof(tl_model, tokens)) name++;
    if (json_is_object(v)) {
        json_object_foreach(v, key, list)
        {
            size_t n = strlen(name->stored) - strlen(".weight"), k = strlen(key);
            end = k <= n ? name->stored + n - k : "";
            if (strncmp(end, key, k) != 0 || json_object_size(v) != 1)
                return tl_fail(
                    err, TL_EUNSUPPORTED,
                    "%s: trainable_token_indices speaks of '%.100s', supported is the token table alone (%.*s)",
                    rd->where, key, (int)n, name->stored);
            *out = list;
        }
        return 0;
    }
    *out = v;
    return 0;
}

static int read_tokens(const reading *rd, tl_err *err)
{
    tl_adapter *a = rd->a;
    json_t *list = NULL;
    TL_TRY(token_list(&list, rd, err));
    if (!list) return 0;
    size_t n = json_array_size(list);
    if (n == 0 || n > (size_t)rd->c->V)
        return tl_fail(err, TL_EFORMAT, "%s: trainable_token_indices is no list of 1 to %d ids", rd->where, rd->c->V);
    for (int i = 0; i < a->n_owns; i++)
        if (a->owns[i].layer < 0 && a->owns[i].name->offset == offsetof(tl_model, tokens))
            return tl_fail(err, TL_EUNSUPPORTED,
                           "%s: trainable_token_indices and modules_to_save both speak of the token table", rd->where);
    a->token_ids = calloc(n, sizeof *a->token_ids);
    bool *seen = calloc((size_t)rd->c->V, sizeof *seen);
    int rc = a->token_ids && seen ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory to read it", rd->where);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const json_t *x = json_array_get(list, i);
        json_int_t id = json_is_integer(x) ? json_integer_value(x) : -1;
        if (id < 0 || id >= rd->c->V || seen[id])
            rc =
                tl_fail(err, TL_EFORMAT, "%s: trainable_token_indices holds an id twice, or what is no id from 0 to %d",
                        rd->where, rd->c->V - 1);
        else
            seen[a->token_ids[i] = (int)id] = true;
    }
    free(seen);
    a->n_token_ids = (int)n;
    return rc == 0 ? tl_adapter_own_tokens(a, err) : rc;
}

static int read_owns(const reading *rd, tl_err *err)
{
    const char *bias = NULL;
    TL_TRY(tl_json_string_or(rd->o, rd->where, "bias", "none", &bias, err));
    if (tl_bias_parse(&rd->a->bias, bias, err) < 0) return tl_fail_in(err, "%s", rd->where);
    TL_TRY(each_string(rd, "modules_to_save", add_saved, err));
    TL_TRY(read_tokens(rd, err));
    return tl_adapter_own_biases(rd->a, err);
}

int tl_peft_plan(tl_adapter *a, json_t *config, const char *where, tl_err *err)
{
    const tl_config *c = &a->model->config;
    size_t n = tl_modules_count(c);
    reading rd = { .a = a, .c = c, .o = config, .where = where };
    TL_TRY(check_fields(config, where, err));
    rd.chosen = calloc(n, sizeof *rd.chosen);
    rd.r = calloc(n, sizeof *rd.r);
    rd.alpha = calloc(n, sizeof *rd.alpha);
    int rc = rd.chosen && rd.r && rd.alpha ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory to read it", where);
    if (rc == 0) rc = read_modules(&rd, err);
    if (rc == 0) rc = read_owns(&rd, err);
    free(rd.chosen);
    free(rd.r);
    free(rd.alpha);
    return rc;
}

/* ---- and back ---- */

/* In every layer? */
static bool adapts(const tl_adapter *a, int module)
{
    for (int l = 0; l < a->model->config.L; l++)
        if (!tl_adapter_lora(a, l, module)->r) return false;
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

static int add_word(json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0) return 0;
    return json_array_append_new(list, json_string(name));
}

/* A module adapted in every layer goes by its name, one adapted in some by its paths there. */
static int put_targets(json_t *o, const tl_adapter *a)
{
    json_t *list = json_array();
    int rc = json_object_set_new(o, "target_modules", list);
    for (int i = 0; rc == 0 && i < a->n_modules; i++) {
        if (adapts(a, i)) rc |= add_word(list, target_name(a, i));
        for (int l = 0; l < a->model->config.L && !adapts(a, i); l++) {
            char path[TL_NAME_MAX];
            if (!tl_adapter_lora(a, l, i)->r) continue;
            tl_module_path(path, sizeof path, a->model->config.family, l, i);
            rc |= add_word(list, path);
        }
    }
    return rc;
}

/* The most frequent of the modules' ranks or alphas; of equals the first. */
static double most_frequent(const tl_adapter *a, bool rank)
{
    int n = a->model->config.L * a->n_modules, best = 0;
    double value = 0;
    for (int i = 0; i < n; i++) {
        int count = 0;
        const tl_lora *x = &a->loras[i];
        if (!x->r || (value != 0 && (rank ? x->r : (double)x->alpha) == value)) continue;
        for (int k = 0; k < n; k++)
            count += a->loras[k].r && (rank ? a->loras[k].r == x->r : a->loras[k].alpha == x->alpha);
        if (count > best) {
            best = count;
            value = rank ? x->r : (double)x->alpha;
        }
    }
    return value;
}

/* r and lora_alpha, and the modules that have others, by their paths. */
static int put_ranks(json_t *o, const tl_adapter *a)
{
    double r = most_frequent(a, true), alpha = most_frequent(a, false);
    json_t *ranks = json_object(), *alphas = json_object();
    int rc = 0;
    for (int i = 0; i < a->model->config.L * a->n_modules; i++) {
        char path[TL_NAME_MAX];
        const tl_lora *x = &a->loras[i];
        tl_module_path(path, sizeof path, a->model->config.family, i / a->n_modules, i % a->n_modules);
        if (x->r && x->r != r) rc |= json_object_set_new(ranks, path, json_integer(x->r));
        if (x->r && (double)x->alpha != alpha) rc |= json_object_set_new(alphas, path, tl_config_real(x->alpha));
    }
    rc |= json_object_set_new(o, "r", json_integer((json_int_t)r));
    rc |= json_object_set_new(o, "lora_alpha", tl_config_real((float)alpha));
    rc |= json_object_set_new(o, "rank_pattern", ranks);
    return rc | json_object_set_new(o, "alpha_pattern", alphas);
}

/* Modules outside the layers by their last name where that names nothing else, others by their paths. */
static int put_owns(json_t *o, const tl_adapter *a)
{
    json_t *saved = json_array(), *tokens = json_array();
    int rc = saved && tokens ? 0 : -1;
    for (int i = 0; rc == 0 && i < a->n_owns; i++) {
        char name[2 * TL_NAME_MAX];
        const tl_own *own = &a->owns[i];
        size_t offset = own->name->offset;
        if (own->kind != TL_OWN_MODULE) continue;
        tl_own_peft_name(name, sizeof name, a, own, 0);
        *strrchr(name, '.') = '\0';
        const char *path = name + strlen(TL_PEFT_PREFIX);
        bool table = offset == offsetof(tl_model, tokens) || offset == offsetof(tl_model, head);
        rc |= add_word(saved, own->layer < 0 && table ? last_part(path) : path);
    }
    for (int i = 0; i < a->n_token_ids; i++) rc |= json_array_append_new(tokens, json_integer(a->token_ids[i]));
    bool any_saved = json_array_size(saved) > 0, any_token = a->n_token_ids > 0;
    rc |= json_object_set(o, "modules_to_save", any_saved ? saved : json_null());
    rc |= json_object_set(o, "trainable_token_indices", any_token ? tokens : json_null());
    json_decref(saved);
    json_decref(tokens);
    return rc;
}

int tl_peft_config(json_t **out, const tl_adapter *a, const char *base_name, const char *where, tl_err *err)
{
    json_t *o = json_object();
    int rc = 0;
    rc |= json_object_set_new(o, "peft_type", json_string("LORA"));
    rc |= json_object_set_new(o, "task_type", json_string("CAUSAL_LM"));
    rc |= json_object_set_new(o, "base_model_name_or_path", json_string(base_name));
    rc |= json_object_set_new(o, "revision", json_null());
    rc |= json_object_set_new(o, "inference_mode", json_true());
    rc |= put_ranks(o, a);
    rc |= json_object_set_new(o, "lora_dropout", json_real(0));
    rc |= json_object_set_new(o, "use_rslora", json_boolean(a->rslora));
    rc |= json_object_set_new(o, "use_dora", json_boolean(a->dora));
    rc |= put_targets(o, a);
    rc |= json_object_set_new(o, "fan_in_fan_out", json_boolean(a->model->config.family->fan_in_fan_out));
    rc |= json_object_set_new(o, "bias", json_string(tl_bias_name(a->bias)));
    rc |= put_owns(o, a);
    if (rc < 0) {
        json_decref(o);
        return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", where);
    }
    *out = o;
    return 0;
}
