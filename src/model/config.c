/* config.c - config.json to tl_config and back.
 *
 * The family's row reads its own keys; what all families share is here: the token ids, the fields that would change the
 * mathematics under any family, and the checks of the sizes against each other.  Keys that neither list knows are left
 * alone: config.json is also where training scripts keep their notes. */
#include "io/atomic.h"
#include "io/json.h"
#include "model/names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Fields that change the answer and that we do not compute; null, false, 0 and empty are as if absent. */
static const char *const refused[] = {
    "quantization_config",
    "compression_config",
    "add_cross_attention",
    "is_encoder_decoder",
    "pruned_heads",
    "sliding_window",
    "attn_logit_softcapping",
    "final_logit_softcapping",
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
    "alibi",
    NULL,
};

static bool inert(const json_t *v)
{
    if (json_is_number(v)) return json_number_value(v) == 0;
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* Qwen2 writes the width of a window that it does not use. */
static bool switched_off(const json_t *object, const char *key)
{
    return strcmp(key, "sliding_window") == 0 && json_is_false(json_object_get(object, "use_sliding_window"));
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

static int check_sizes(const tl_config *c, const char *where, tl_err *err)
{
    if (c->H % c->G != 0)
        return tl_fail(err, TL_ESHAPE, "%s: %d attention heads cannot share %d key/value heads evenly", where, c->H,
                       c->G);
    if ((size_t)c->T * (size_t)c->h > (size_t)1 << 28) /* the rotary tables: 1 GiB */
        return tl_fail(err, TL_ESHAPE, "%s: %d positions of heads %d wide, at most 2^28 numbers are taken", where, c->T,
                       c->h);
    if (c->position == TL_POSITION_ROPE && c->h % 2 != 0)
        return tl_fail(err, TL_ESHAPE, "%s: heads are %d wide, rotary positions want an even width", where, c->h);
    return 0;
}

static int unknown_family(const char *model_type, const char *where, tl_err *err)
{
    char known[200] = "";
    for (int i = 0; tl_family_at(i); i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", tl_family_at(i)->model_type);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: model_type is '%s', supported are %s", where, model_type, known);
}

int tl_config_parse(tl_config *out, json_t *object, const char *where, tl_err *err)
{
    tl_config c = { 0 };
    const char *model_type = NULL;
    TL_TRY(tl_json_string(object, where, "model_type", &model_type, err));
    c.family = tl_family_find(model_type);
    if (!c.family) return unknown_family(model_type, where, err);
    for (const char *const *key = refused; *key; key++)
        if (!inert(json_object_get(object, *key)) && !switched_off(object, *key))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is set, which is not supported", where, *key);
    TL_TRY(c.family->parse(&c, object, where, err));
    TL_TRY(parse_token(object, where, "bos_token_id", c.V, &c.bos, err));
    TL_TRY(parse_token(object, where, "eos_token_id", c.V, &c.eos, err));
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
    rc |= c->family->print(c, o);
    rc |= json_object_set_new(o, "tie_word_embeddings", json_boolean(c->tied));
    if (c->bos >= 0) rc |= json_object_set_new(o, "bos_token_id", json_integer(c->bos));
    if (c->eos >= 0) rc |= json_object_set_new(o, "eos_token_id", json_integer(c->eos));
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
