/* config.c - config.json to tl_config and back.
 *
 * The family's row says which keys are its own; what all families share is here: the activation's name, the token ids,
 * the fields that would change the mathematics under any family, and the checks of the sizes against each other.  Keys
 * that neither list knows are left alone: config.json is also where training scripts keep their notes. */
#include "io/atomic.h"
#include "io/json.h"
#include "model/config_parts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Fields that change the answer and that we do not compute, but for families that say they read them; null, false, 0
 * and empty are as if absent. */
static const char *const refused[] = {
    "quantization_config",
    "compression_config",
    "add_cross_attention",
    "is_encoder_decoder",
    "use_bidirectional_attention",
    "pruned_heads",
    "sliding_window",
    "use_sliding_window",
    "layer_types",
    "no_rope_layers",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "query_pre_attn_scalar",
    "logit_scale",
    "logits_scaling",
    "logits_scale",
    "embedding_multiplier",
    "residual_multiplier",
    "attention_multiplier",
    "num_experts",
    "num_local_experts",
    "use_qk_norm",
    "qk_layernorm",
    "query_key_norm",
    "clip_qkv",
    "alibi",
    NULL,
};

static bool inert(const json_t *v)
{
    if (json_is_number(v)) return json_number_value(v) == 0;
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* Nothing is computed from it, so one that is no token of this base is as good as none. */
static int pad_token(json_t *o, int V)
{
    const json_t *v = json_object_get(o, "pad_token_id");
    json_int_t id = json_integer_value(v);
    return json_is_integer(v) && id >= 0 && id < V ? (int)id : -1;
}

static bool reads(const tl_family *f, const char *key)
{
    for (const char *const *own = f->reads; own && *own; own++)
        if (strcmp(*own, key) == 0) return true;
    return false;
}

/* The names of the activations we compute, with a gate and without. */
static const struct {
    const char *name;
    tl_activation activation;
} activations[] = {
    { "silu", TL_ACTIVATION_SWIGLU },
    { "swish", TL_ACTIVATION_SWIGLU },
    { "gelu_pytorch_tanh", TL_ACTIVATION_GEGLU },
    { "gelu_new", TL_ACTIVATION_GEGLU },
    { "gelu_new", TL_ACTIVATION_GELU },
    { "gelu_pytorch_tanh", TL_ACTIVATION_GELU },
    { "gelu_fast", TL_ACTIVATION_GELU },
    { "gelu", TL_ACTIVATION_GELU_EXACT },
};

enum {
    N_ACTIVATIONS = sizeof activations / sizeof *activations
};

static int parse_activation(tl_config *c, const json_t *o, const char *where, tl_err *err)
{
    const tl_family *f = c->family;
    const char *name = NULL;
    bool gated = tl_config_gated(c);
    char known[120] = "";
    TL_TRY(tl_json_string_or(o, where, f->activation, f->silent, &name, err));
    for (int i = 0; i < N_ACTIVATIONS; i++) {
        c->activation = activations[i].activation;
        if (tl_config_gated(c) != gated) continue;
        if (strcmp(activations[i].name, name) == 0) return 0;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s'%s'", used ? ", " : "", activations[i].name);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is '%s', %s is supported with %s", where, f->activation, name,
                   f->model_type, known);
}

/* The family's own word where it means the same. */
static const char *activation_name(const tl_config *c)
{
    const char *first = NULL;
    for (int i = 0; i < N_ACTIVATIONS; i++) {
        if (activations[i].activation != c->activation) continue;
        if (strcmp(activations[i].name, c->family->silent) == 0) return c->family->silent;
        if (!first) first = activations[i].name;
    }
    return first;
}

/* A token id, -1 where there is none.  Bases with several ends of text list them: the first is the text's own. */
static int parse_token(json_t *o, const char *where, const char *key, int V, int *out, tl_err *err)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_array(v)) return tl_json_int_or(o, where, key, -1, V - 1, -1, out, err);
    *out = -1;
    if (json_array_size(v) == 0) return 0;
    json_int_t id = json_integer_value(json_array_get(v, 0));
    if (!json_is_integer(json_array_get(v, 0)) || id < 0 || id >= V)
        return tl_fail(err, TL_EFORMAT, "%s: %s does not begin with a token id below %d", where, key, V);
    *out = (int)id;
    return 0;
}

/* Sizes that follow from others where nothing is said. */
static int fill_sizes(tl_config *c, const char *where, tl_err *err)
{
    if (!c->G) c->G = c->H;
    if (!c->F) c->F = 4 * c->D;
    if (!c->h && c->D % c->H != 0)
        return tl_fail(err, TL_ESHAPE, "%s: a width of %d is not divided by %d attention heads", where, c->D, c->H);
    if (!c->h) c->h = c->D / c->H;
    return 0;
}

static int check_sizes(const tl_config *c, const char *where, tl_err *err)
{
    if (c->H % c->G != 0)
        return tl_fail(err, TL_ESHAPE, "%s: %d attention heads cannot share %d key/value heads evenly", where, c->H,
                       c->G);
    if ((size_t)c->T * (size_t)c->h > (size_t)1 << 28) /* the rotary tables: 1 GiB */
        return tl_fail(err, TL_ESHAPE, "%s: %d positions of heads %d wide, at most 2^28 numbers are taken", where, c->T,
                       c->h);
    return 0;
}

static int unknown_family(const char *model_type, const char *where, tl_err *err)
{
    char known[300] = "";
    for (int i = 0; tl_family_at(i); i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", tl_family_at(i)->model_type);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: model_type is '%s', supported are %s", where, model_type, known);
}

int tl_config_parse(tl_config *out, json_t *object, const char *where, tl_err *err)
{
    const char *model_type = NULL;
    TL_TRY(tl_json_string(object, where, "model_type", &model_type, err));
    const tl_family *f = tl_family_find(model_type);
    if (!f) return unknown_family(model_type, where, err);
    for (const char *const *key = refused; *key; key++)
        if (!inert(json_object_get(object, *key)) && !reads(f, *key))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is set, which is not supported for %s", where, *key,
                           model_type);
    tl_config c = *f->base;
    c.family = f;
    TL_TRY(tl_fields_parse(&c, f->fields, object, where, err));
    TL_TRY(fill_sizes(&c, where, err));
    TL_TRY(parse_activation(&c, object, where, err));
    if (f->parse) TL_TRY(f->parse(&c, object, where, err));
    if (c.position == TL_POSITION_ROPE) TL_TRY(tl_rope_parse(&c, object, where, err));
    TL_TRY(parse_token(object, where, "bos_token_id", c.V, &c.bos, err));
    TL_TRY(parse_token(object, where, "eos_token_id", c.V, &c.eos, err));
    c.pad = pad_token(object, c.V);
    TL_TRY(check_sizes(&c, where, err));
    *out = c;
    return 0;
}

int tl_config_read(tl_config *out, const char *dir, tl_err *err)
{
    char path[PATH_MAX];
    json_t *object = NULL;
    TL_TRY(tl_path_join(path, sizeof path, dir, "config.json", err));
    TL_TRY(tl_json_load(&object, path, err));
    int rc = tl_config_parse(out, object, path, err);
    json_decref(object);
    return rc;
}

json_t *tl_config_json(const tl_config *c)
{
    json_t *o = json_object();
    int rc = 0;
    rc |= json_object_set_new(o, "architectures", json_pack("[s]", c->family->architecture));
    rc |= json_object_set_new(o, "model_type", json_string(c->family->model_type));
    rc |= tl_fields_print(c, c->family->fields, o);
    rc |= json_object_set_new(o, c->family->activation, json_string(activation_name(c)));
    if (c->position == TL_POSITION_ROPE) rc |= tl_rope_print(c, o);
    if (c->family->print) rc |= c->family->print(c, o);
    if (c->bos >= 0) rc |= json_object_set_new(o, "bos_token_id", json_integer(c->bos));
    if (c->eos >= 0) rc |= json_object_set_new(o, "eos_token_id", json_integer(c->eos));
    if (c->pad >= 0) rc |= json_object_set_new(o, "pad_token_id", json_integer(c->pad));
    if (c->pad < 0 && c->family->pads) rc |= json_object_set_new(o, "pad_token_id", json_null());
    if (rc == 0) return o;
    json_decref(o);
    return NULL;
}

const char *tl_config_model_type(const tl_config *c)
{
    return c->family->model_type;
}

int tl_config_dimension(const tl_config *c, char letter)
{
    switch (letter) {
    case 'D':
        return c->D;
    case 'F':
        return c->F;
    case 'V':
        return c->V;
    case 'T':
        return c->T;
    case 'Q':
        return c->H * c->h;
    case 'K':
        return c->G * c->h;
    case 'q':
        return c->qk_norm == TL_QK_NORM_ALL ? c->H * c->h : c->h;
    case 'k':
        return c->qk_norm == TL_QK_NORM_ALL ? c->G * c->h : c->h;
    default:
        return 1;
    }
}

json_t *tl_config_real(float x)
{
    char text[40];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) break;
    }
    return json_real(strtod(text, NULL));
}
