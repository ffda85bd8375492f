/* adapter_mlx.c - the adapter_config.json of MLX's mlx-lm.
 *
 *     { "fine_tune_type": "lora",               or "dora"
 *       "num_layers": 16,                       the last so many layers are adapted; 0 or less: all
 *       "lora_parameters": { "rank": 8, "scale": 20.0, "dropout": 0.0,
 *                            "keys": ["self_attn.q_proj", ...] } }      below a layer; missing: all linear modules
 *
 * beside the settings of the training run, which change nothing in what an adapter computes and are passed over.  The
 * scale is what the low-rank product is multiplied by, whatever the rank. */
#include "io/json.h"
#include "model/adapter_formats.h"
#include "model/adapter_targets.h"

#include <stdlib.h>
#include <string.h>

static int choose_key(bool *chosen, const tl_family *f, const char *key, const char *where, tl_err *err)
{
    for (int i = 0; f->modules[i].name; i++)
        if (strcmp(f->modules[i].name, key) == 0) {
            chosen[i] = true;
            return 0;
        }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: keys name '%.200s', which is no module of a %s layer that can be adapted",
                   where, key, f->model_type);
}

/* The modules of a layer. */
static int read_keys(bool *chosen, const tl_family *f, json_t *parameters, const char *where, tl_err *err)
{
    json_t *keys = NULL;
    TL_TRY(tl_json_value_or_null(parameters, where, "keys", JSON_ARRAY, &keys, err));
    for (int i = 0; !keys && i < tl_family_modules(f); i++) chosen[i] = true;
    if (keys && json_array_size(keys) == 0) return tl_fail(err, TL_EFORMAT, "%s: keys are empty", where);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        if (!key) return tl_fail(err, TL_EFORMAT, "%s: keys hold something that is no name", where);
        TL_TRY(choose_key(chosen, f, key, where, err));
    }
    return 0;
}

static int check_parameters(json_t *parameters, const char *where, tl_err *err)
{
    static const char *const known[] = { "rank", "scale", "dropout", "keys", NULL };
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(parameters, key, value)
    {
        const char *const *k = known;
        while (*k && strcmp(*k, key) != 0) k++;
        if (!*k && !tl_json_inert(value))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: %.100s of lora_parameters is set, which is not supported", where,
                           key);
    }
    return 0;
}

int tl_mlx_plan(tl_adapter *a, json_t *config, const char *where, tl_err *err)
{
    const tl_config *c = &a->model->config;
    const char *type = NULL;
    json_t *parameters = NULL;
    bool chosen[TL_MODULES_MAX] = { false };
    int layers, r;
    double scale;
    TL_TRY(tl_json_string_or(config, where, "fine_tune_type", "lora", &type, err));
    a->dora = strcmp(type, "dora") == 0;
    if (!a->dora && strcmp(type, "lora") != 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: fine_tune_type is '%.100s', supported are 'lora' and 'dora'", where,
                       type);
    /* Before October 2024 it was called lora_layers. */
    bool old = !json_object_get(config, "num_layers") && json_object_get(config, "lora_layers");
    TL_TRY(tl_json_int(config, where, old ? "lora_layers" : "num_layers", -1, INT32_MAX, &layers, err));
    TL_TRY(tl_json_value(config, where, "lora_parameters", JSON_OBJECT, &parameters, err));
    TL_TRY(check_parameters(parameters, where, err));
    TL_TRY(tl_json_int(parameters, where, "rank", 1, TL_RANK_MAX, &r, err));
    TL_TRY(tl_json_double(parameters, where, "scale", -1e6, 1e6, &scale, err));
    TL_TRY(read_keys(chosen, c->family, parameters, where, err));
    int first = layers <= 0 || layers > c->L ? 0 : c->L - layers;
    for (int l = first; l < c->L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            if (!chosen[i]) continue;
            tl_adapter_adapt(a, l, i, r, (float)(scale * r));
            tl_adapter_lora(a, l, i)->scale = (float)scale;
        }
    return 0;
}

/* Do two layers adapt the same modules? */
static bool alike(const tl_adapter *a, int l, int k)
{
    for (int i = 0; i < a->n_modules; i++)
        if ((tl_adapter_lora(a, l, i)->r > 0) != (tl_adapter_lora(a, k, i)->r > 0)) return false;
    return true;
}

static bool bare(const tl_adapter *a, int l)
{
    for (int i = 0; i < a->n_modules; i++)
        if (tl_adapter_lora(a, l, i)->r) return false;
    return true;
}

/* How many layers at the end are adapted, all alike, the others not at all. */
static int count_layers(int *out, const tl_adapter *a, const char *where, tl_err *err)
{
    int L = a->model->config.L, l = L - 1;
    while (l > 0 && alike(a, l - 1, L - 1)) l--;
    *out = L - l;
    if (bare(a, L - 1))
        return tl_fail(err, TL_EUNSUPPORTED, "%s: layer %d is not adapted; MLX adapts the last layers", where, L - 1);
    while (l > 0)
        if (!bare(a, --l))
            return tl_fail(err, TL_EUNSUPPORTED,
                           "%s: layer %d adapts other modules than layer %d; MLX knows one list for the last layers",
                           where, l, L - 1);
    return 0;
}

int tl_mlx_config(json_t **out, const tl_adapter *a, float scale, const char *base_name, const char *where, tl_err *err)
{
    int layers, last = a->model->config.L - 1;
    for (int i = 0; i < a->model->config.L * a->n_modules; i++)
        if (a->loras[i].r && a->loras[i].r != a->max_r)
            return tl_fail(err, TL_EUNSUPPORTED, "%s: the adapter has ranks %d and %d; MLX knows one for all modules",
                           where, a->loras[i].r, a->max_r);
    TL_TRY(count_layers(&layers, a, where, err));
    json_t *o = json_object(), *parameters = json_object(), *keys = json_array();
    int rc = json_object_set_new(o, "fine_tune_type", json_string(a->dora ? "dora" : "lora"));
    rc |= json_object_set_new(o, "model", json_string(base_name));
    rc |= json_object_set_new(o, "num_layers", json_integer(layers));
    rc |= json_object_set_new(o, "lora_parameters", parameters);
    rc |= json_object_set_new(parameters, "rank", json_integer(a->max_r));
    rc |= json_object_set_new(parameters, "scale", tl_config_real(scale));
    rc |= json_object_set_new(parameters, "dropout", json_real(0));
    rc |= json_object_set_new(parameters, "keys", keys);
    for (int i = 0; i < a->n_modules; i++)
        if (tl_adapter_lora(a, last, i)->r)
            rc |= json_array_append_new(keys, json_string(a->model->config.family->modules[i].name));
    if (rc < 0) {
        json_decref(o);
        return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", where);
    }
    *out = o;
    return 0;
}
