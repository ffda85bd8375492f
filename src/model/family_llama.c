/* family_llama.c - Llama 1 to 3.1 and what is built like it (Touvron et al., arXiv 2302.13971), Qwen2 with its biases
 * of q, k and v among them.
 *
 * RMS norms, rotary positions, gated hidden layers, grouped key/value heads.  Of rotary schemes the plain one:
 * transformers writes its base as rope_theta, or since version 5 inside rope_parameters. */
#include "io/json.h"
#include "model/names.h"

#include <string.h>

/* clang-format off */
#define AT(member) offsetof(tl_model, member)
static const tl_name model_names[] = {
    { "model.embed_tokens.weight", AT(tokens), false, 0, 1 },
    { "model.norm.weight",         AT(norm),   false, 0, 1 },
    { "lm_head.weight",            AT(head),   false, 0, 1 },
    { 0 }
};
#undef AT

#define AT(member) offsetof(tl_layer, member)
static const tl_name layer_names[] = {
    { "model.layers.%d.input_layernorm.weight",          AT(norm1),           false, 0, 1 },
    { "model.layers.%d.self_attn.q_proj.weight",         AT(linear[TL_Q]),    false, 0, 1 },
    { "model.layers.%d.self_attn.q_proj.bias",           AT(bias[TL_Q]),      false, 0, 1 },
    { "model.layers.%d.self_attn.k_proj.weight",         AT(linear[TL_K]),    false, 0, 1 },
    { "model.layers.%d.self_attn.k_proj.bias",           AT(bias[TL_K]),      false, 0, 1 },
    { "model.layers.%d.self_attn.v_proj.weight",         AT(linear[TL_V]),    false, 0, 1 },
    { "model.layers.%d.self_attn.v_proj.bias",           AT(bias[TL_V]),      false, 0, 1 },
    { "model.layers.%d.self_attn.o_proj.weight",         AT(linear[TL_O]),    false, 0, 1 },
    { "model.layers.%d.self_attn.o_proj.bias",           AT(bias[TL_O]),      false, 0, 1 },
    { "model.layers.%d.post_attention_layernorm.weight", AT(norm2),           false, 0, 1 },
    { "model.layers.%d.mlp.gate_proj.weight",            AT(linear[TL_GATE]), false, 0, 1 },
    { "model.layers.%d.mlp.gate_proj.bias",              AT(bias[TL_GATE]),   false, 0, 1 },
    { "model.layers.%d.mlp.up_proj.weight",              AT(linear[TL_UP]),   false, 0, 1 },
    { "model.layers.%d.mlp.up_proj.bias",                AT(bias[TL_UP]),     false, 0, 1 },
    { "model.layers.%d.mlp.down_proj.weight",            AT(linear[TL_DOWN]), false, 0, 1 },
    { "model.layers.%d.mlp.down_proj.bias",              AT(bias[TL_DOWN]),   false, 0, 1 },
    { 0 }
};
#undef AT
/* clang-format on */

static const tl_module modules[] = {
    { "self_attn.q_proj", TL_Q, 1 }, { "self_attn.k_proj", TL_K, 1 },
    { "self_attn.v_proj", TL_V, 1 }, { "self_attn.o_proj", TL_O, 1 },
    { "mlp.gate_proj", TL_GATE, 1 }, { "mlp.up_proj", TL_UP, 1 },
    { "mlp.down_proj", TL_DOWN, 1 }, { 0 },
};

static const char *const ignored[] = { ".rotary_emb.inv_freq", NULL };

/* The base of the angles, from wherever it stands; any scheme but the plain one is refused. */
static int parse_rope(tl_config *c, json_t *object, const char *where, tl_err *err)
{
    static const char *const places[] = { "rope_scaling", "rope_parameters" };
    TL_TRY(tl_json_double_or(object, where, "rope_theta", 1, 1e12, 10000, &c->rope_theta, err));
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        json_t *rope = NULL;
        TL_TRY(tl_json_value_or_null(object, where, places[i], JSON_OBJECT, &rope, err));
        if (!rope) continue;
        const char *type = NULL, *old = NULL; /* "type" is the older word for "rope_type" */
        TL_TRY(tl_json_string_or(rope, where, "type", "default", &old, err));
        TL_TRY(tl_json_string_or(rope, where, "rope_type", old, &type, err));
        if (strcmp(type, "default") != 0)
            return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is of type '%s', only 'default' is supported", where,
                           places[i], type);
        TL_TRY(tl_json_double_or(rope, where, "rope_theta", 1, 1e12, c->rope_theta, &c->rope_theta, err));
        double part = 1;
        TL_TRY(tl_json_double_or(rope, where, "partial_rotary_factor", 0, 1, 1, &part, err));
        if (part != 1)
            return tl_fail(err, TL_EUNSUPPORTED, "%s: partial_rotary_factor is %g, only 1 is supported", where, part);
    }
    return 0;
}

/* All but the biases. */
static int parse_common(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    c->norm = TL_NORM_RMS;
    c->position = TL_POSITION_ROPE;
    c->activation = TL_ACTIVATION_SWIGLU;
    TL_TRY(tl_json_int(o, where, "num_hidden_layers", 1, TL_LAYERS_MAX, &c->L, err));
    TL_TRY(tl_json_int(o, where, "hidden_size", 1, TL_WIDTH_MAX, &c->D, err));
    TL_TRY(tl_json_int(o, where, "num_attention_heads", 1, TL_HEADS_MAX, &c->H, err));
    TL_TRY(tl_json_int_or(o, where, "num_key_value_heads", 1, TL_HEADS_MAX, c->H, &c->G, err));
    if (c->D % c->H == 0) {
        TL_TRY(tl_json_int_or(o, where, "head_dim", 1, TL_HEAD_MAX, c->D / c->H, &c->h, err));
    } else {
        TL_TRY(tl_json_int(o, where, "head_dim", 1, TL_HEAD_MAX, &c->h, err));
    }
    TL_TRY(tl_json_int(o, where, "intermediate_size", 1, TL_WIDTH_MAX, &c->F, err));
    TL_TRY(tl_json_int(o, where, "vocab_size", 1, TL_VOCABULARY_MAX, &c->V, err));
    TL_TRY(tl_json_int_or(o, where, "max_position_embeddings", 1, TL_POSITIONS_MAX, 2048, &c->T, err));
    double eps = 0;
    TL_TRY(tl_json_double_or(o, where, "rms_norm_eps", 0, 1, 1e-6, &eps, err));
    c->norm_eps = (float)eps;
    TL_TRY(tl_json_bool_or(o, where, "tie_word_embeddings", false, &c->tied, err));
    const char *act = NULL;
    TL_TRY(tl_json_string_or(o, where, "hidden_act", "silu", &act, err));
    if (strcmp(act, "silu") != 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: hidden_act is '%s', %s is supported with 'silu'", where, act,
                       c->family->model_type);
    return parse_rope(c, o, where, err);
}

static int parse(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    TL_TRY(tl_json_bool_or(o, where, "attention_bias", false, &c->qkv_bias, err));
    c->out_bias = c->qkv_bias;
    TL_TRY(tl_json_bool_or(o, where, "mlp_bias", false, &c->mlp_bias, err));
    return parse_common(c, o, where, err);
}

static int parse_qwen2(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    bool window;
    c->qkv_bias = true;
    TL_TRY(tl_json_bool_or(o, where, "use_sliding_window", false, &window, err));
    if (window) return tl_fail(err, TL_EUNSUPPORTED, "%s: use_sliding_window is true, which is not supported", where);
    return parse_common(c, o, where, err);
}

static int print_common(const tl_config *c, json_t *o)
{
    int rc = 0;
    rc |= json_object_set_new(o, "vocab_size", json_integer(c->V));
    rc |= json_object_set_new(o, "hidden_size", json_integer(c->D));
    rc |= json_object_set_new(o, "intermediate_size", json_integer(c->F));
    rc |= json_object_set_new(o, "num_hidden_layers", json_integer(c->L));
    rc |= json_object_set_new(o, "num_attention_heads", json_integer(c->H));
    rc |= json_object_set_new(o, "num_key_value_heads", json_integer(c->G));
    rc |= json_object_set_new(o, "head_dim", json_integer(c->h));
    rc |= json_object_set_new(o, "max_position_embeddings", json_integer(c->T));
    rc |= json_object_set_new(o, "hidden_act", json_string("silu"));
    rc |= json_object_set_new(o, "rms_norm_eps", tl_config_real(c->norm_eps));
    rc |= json_object_set_new(o, "rope_theta", json_real(c->rope_theta));
    return rc;
}

static int print(const tl_config *c, json_t *o)
{
    int rc = print_common(c, o);
    rc |= json_object_set_new(o, "attention_bias", json_boolean(c->qkv_bias));
    rc |= json_object_set_new(o, "mlp_bias", json_boolean(c->mlp_bias));
    return rc;
}

static int print_qwen2(const tl_config *c, json_t *o)
{
    int rc = print_common(c, o);
    rc |= json_object_set_new(o, "use_sliding_window", json_false());
    return rc;
}

const tl_family tl_family_llama = {
    .model_type = "llama",
    .architecture = "LlamaForCausalLM",
    .prefix = "model.",
    .layer_path = "model.layers.%d.",
    .model_names = model_names,
    .layer_names = layer_names,
    .modules = modules,
    .ignored = ignored,
    .parse = parse,
    .print = print,
};

const tl_family tl_family_qwen2 = {
    .model_type = "qwen2",
    .architecture = "Qwen2ForCausalLM",
    .prefix = "model.",
    .layer_path = "model.layers.%d.",
    .model_names = model_names,
    .layer_names = layer_names,
    .modules = modules,
    .ignored = ignored,
    .parse = parse_qwen2,
    .print = print_qwen2,
};
