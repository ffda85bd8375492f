/* family_gpt2.c - GPT-2 (Radford et al. 2019).
 *
 * Layer norms, learned positions, plain hidden layers with the tanh GELU, biases everywhere, a tied head.  Its products
 * are stored as [I, O], and q, k, v as one tensor c_attn.  The files of the first release leave out "transformer." and
 * hold the causal mask as attn.bias. */
#include "io/json.h"
#include "model/names.h"

#include <string.h>

/* clang-format off */
#define AT(member) offsetof(tl_model, member)
static const tl_name model_names[] = {
    { "transformer.wte.weight",  AT(tokens),    false, 0, 1 },
    { "transformer.wpe.weight",  AT(positions), false, 0, 1 },
    { "transformer.ln_f.weight", AT(norm),      false, 0, 1 },
    { "transformer.ln_f.bias",   AT(norm_bias), false, 0, 1 },
    { "lm_head.weight",          AT(head),      false, 0, 1 },
    { 0 }
};
#undef AT

#define AT(member) offsetof(tl_layer, member)
static const tl_name layer_names[] = {
    { "transformer.h.%d.ln_1.weight",        AT(norm1),           false, 0, 1 },
    { "transformer.h.%d.ln_1.bias",          AT(norm1_bias),      false, 0, 1 },
    { "transformer.h.%d.attn.c_attn.weight", AT(linear[TL_Q]),    true,  0, 3 },
    { "transformer.h.%d.attn.c_attn.weight", AT(linear[TL_K]),    true,  1, 3 },
    { "transformer.h.%d.attn.c_attn.weight", AT(linear[TL_V]),    true,  2, 3 },
    { "transformer.h.%d.attn.c_attn.bias",   AT(bias[TL_Q]),      false, 0, 3 },
    { "transformer.h.%d.attn.c_attn.bias",   AT(bias[TL_K]),      false, 1, 3 },
    { "transformer.h.%d.attn.c_attn.bias",   AT(bias[TL_V]),      false, 2, 3 },
    { "transformer.h.%d.attn.c_proj.weight", AT(linear[TL_O]),    true,  0, 1 },
    { "transformer.h.%d.attn.c_proj.bias",   AT(bias[TL_O]),      false, 0, 1 },
    { "transformer.h.%d.ln_2.weight",        AT(norm2),           false, 0, 1 },
    { "transformer.h.%d.ln_2.bias",          AT(norm2_bias),      false, 0, 1 },
    { "transformer.h.%d.mlp.c_fc.weight",    AT(linear[TL_UP]),   true,  0, 1 },
    { "transformer.h.%d.mlp.c_fc.bias",      AT(bias[TL_UP]),     false, 0, 1 },
    { "transformer.h.%d.mlp.c_proj.weight",  AT(linear[TL_DOWN]), true,  0, 1 },
    { "transformer.h.%d.mlp.c_proj.bias",    AT(bias[TL_DOWN]),   false, 0, 1 },
    { 0 }
};
#undef AT
/* clang-format on */

static const tl_module modules[] = {
    { "attn.c_attn", TL_Q, 3 },
    { "attn.c_proj", TL_O, 1 },
    { "mlp.c_fc", TL_UP, 1 },
    { "mlp.c_proj", TL_DOWN, 1 },
    { 0 },
};

static const char *const ignored[] = { ".attn.bias", ".attn.masked_bias", NULL };

/* A switch of the family that must stand at the one value we compute. */
static int want_bool(json_t *o, const char *where, const char *key, bool wanted, tl_err *err)
{
    bool found = wanted;
    TL_TRY(tl_json_bool_or(o, where, key, wanted, &found, err));
    if (found == wanted) return 0;
    return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is %s, gpt2 is supported with %s", where, key,
                   found ? "true" : "false", wanted ? "true" : "false");
}

static int parse(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    c->norm = TL_NORM_LAYER;
    c->position = TL_POSITION_LEARNED;
    c->activation = TL_ACTIVATION_GELU;
    c->qkv_bias = c->out_bias = c->mlp_bias = true;
    TL_TRY(tl_json_int(o, where, "n_layer", 1, TL_LAYERS_MAX, &c->L, err));
    TL_TRY(tl_json_int(o, where, "n_embd", 1, TL_WIDTH_MAX / 4, &c->D, err));
    TL_TRY(tl_json_int(o, where, "n_head", 1, TL_HEADS_MAX, &c->H, err));
    if (c->D % c->H != 0)
        return tl_fail(err, TL_ESHAPE, "%s: n_embd is %d, which n_head %d does not divide", where, c->D, c->H);
    c->G = c->H;
    c->h = c->D / c->H;
    TL_TRY(tl_json_int_or(o, where, "n_inner", 1, TL_WIDTH_MAX, 4 * c->D, &c->F, err));
    TL_TRY(tl_json_int(o, where, "vocab_size", 1, TL_VOCABULARY_MAX, &c->V, err));
    TL_TRY(tl_json_int_or(o, where, "n_positions", 1, TL_POSITIONS_MAX, 1024, &c->T, err));
    double eps = 0;
    TL_TRY(tl_json_double_or(o, where, "layer_norm_epsilon", 0, 1, 1e-5, &eps, err));
    c->norm_eps = (float)eps;
    TL_TRY(tl_json_bool_or(o, where, "tie_word_embeddings", true, &c->tied, err));
    const char *act = NULL;
    TL_TRY(tl_json_string_or(o, where, "activation_function", "gelu_new", &act, err));
    if (strcmp(act, "gelu_new") != 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: activation_function is '%s', gpt2 is supported with 'gelu_new'",
                       where, act);
    TL_TRY(want_bool(o, where, "scale_attn_weights", true, err));
    TL_TRY(want_bool(o, where, "scale_attn_by_inverse_layer_idx", false, err));
    TL_TRY(want_bool(o, where, "reorder_and_upcast_attn", false, err));
    return 0;
}

static int print(const tl_config *c, json_t *o)
{
    int rc = 0;
    rc |= json_object_set_new(o, "vocab_size", json_integer(c->V));
    rc |= json_object_set_new(o, "n_embd", json_integer(c->D));
    rc |= json_object_set_new(o, "n_inner", json_integer(c->F));
    rc |= json_object_set_new(o, "n_layer", json_integer(c->L));
    rc |= json_object_set_new(o, "n_head", json_integer(c->H));
    rc |= json_object_set_new(o, "n_positions", json_integer(c->T));
    rc |= json_object_set_new(o, "activation_function", json_string("gelu_new"));
    rc |= json_object_set_new(o, "layer_norm_epsilon", tl_config_real(c->norm_eps));
    return rc;
}

const tl_family tl_family_gpt2 = {
    .model_type = "gpt2",
    .architecture = "GPT2LMHeadModel",
    .prefix = "transformer.",
    .layer_path = "transformer.h.%d.",
    .model_names = model_names,
    .layer_names = layer_names,
    .modules = modules,
    .ignored = ignored,
    .fan_in_fan_out = true,
    .parse = parse,
    .print = print,
};
