/* family_gpt_neox.c - GPT-NeoX (Black et al., arXiv 2204.06745), and Pythia with it (arXiv 2304.01373).
 *
 * Layer norms; the hidden layer beside attention rather than after it; a quarter of each head turned; q, k and v in one
 * tensor, a head's three after the other; biases everywhere, the exact GELU, a head of its own. */
#include "io/json.h"
#include "model/family_rows.h"

/* clang-format off */
static const tl_name model_names[] = {
    TL_OF_MODEL("gpt_neox.embed_in.weight",         tokens),
    TL_OF_MODEL("gpt_neox.final_layer_norm.weight", norm),
    TL_OF_MODEL("gpt_neox.final_layer_norm.bias",   norm_bias),
    TL_OF_MODEL("embed_out.weight",                 head),
    { 0 }
};

static const tl_name layer_names[] = {
    TL_OF_LAYER("gpt_neox.layers.%d.input_layernorm.weight", norm1),
    TL_OF_LAYER("gpt_neox.layers.%d.input_layernorm.bias",   norm1_bias),
    TL_QKV_AS(TL_FORM_BY_HEADS, "gpt_neox.layers.%d.attention.query_key_value.weight", linear),
    TL_QKV_AS(TL_FORM_BY_HEADS, "gpt_neox.layers.%d.attention.query_key_value.bias",   bias),
    TL_OF_LAYER("gpt_neox.layers.%d.attention.dense.weight",          linear[TL_O]),
    TL_OF_LAYER("gpt_neox.layers.%d.attention.dense.bias",            bias[TL_O]),
    TL_OF_LAYER("gpt_neox.layers.%d.post_attention_layernorm.weight", norm2),
    TL_OF_LAYER("gpt_neox.layers.%d.post_attention_layernorm.bias",   norm2_bias),
    TL_OF_LAYER("gpt_neox.layers.%d.mlp.dense_h_to_4h.weight",        linear[TL_UP]),
    TL_OF_LAYER("gpt_neox.layers.%d.mlp.dense_h_to_4h.bias",          bias[TL_UP]),
    TL_OF_LAYER("gpt_neox.layers.%d.mlp.dense_4h_to_h.weight",        linear[TL_DOWN]),
    TL_OF_LAYER("gpt_neox.layers.%d.mlp.dense_4h_to_h.bias",          bias[TL_DOWN]),
    { 0 }
};

static const tl_field fields[] = {
    TL_LLAMA_SIZES(2048), TL_REAL("layer_norm_eps", norm_eps, 0, 1, 1e-5), TL_TIED(false),
    TL_SWITCH("attention_bias", qkv_bias, true),
    TL_SWITCH("attention_bias", out_bias, true),
    { 0 }
};
/* clang-format on */

static const tl_module modules[] = {
    { "attention.query_key_value", TL_Q, 3 },
    { "attention.dense", TL_O, 1 },
    { "mlp.dense_h_to_4h", TL_UP, 1 },
    { "mlp.dense_4h_to_h", TL_DOWN, 1 },
    { 0 },
};

static const char *const ignored[] = { ".rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias", NULL };

static const tl_config base = { .norm = TL_NORM_LAYER,
                                .activation = TL_ACTIVATION_GELU_EXACT,
                                .rope = { .theta = 10000, .part = 0.25 },
                                .mlp_bias = true };

static int parse(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    bool parallel;
    TL_TRY(tl_json_bool_or(o, where, "use_parallel_residual", true, &parallel, err));
    c->order = parallel ? TL_ORDER_PARALLEL : TL_ORDER_BEFORE;
    return 0;
}

static int print(const tl_config *c, json_t *o)
{
    return json_object_set_new(o, "use_parallel_residual", json_boolean(c->order == TL_ORDER_PARALLEL));
}

const tl_family tl_family_gpt_neox = { .model_type = "gpt_neox",
                                       .architecture = "GPTNeoXForCausalLM",
                                       .prefix = "gpt_neox.",
                                       .layer_path = "gpt_neox.layers.%d.",
                                       .model_names = model_names,
                                       .layer_names = layer_names,
                                       .modules = modules,
                                       .ignored = ignored,
                                       .base = &base,
                                       .fields = fields,
                                       .activation = "hidden_act",
                                       .silent = "gelu",
                                       .theta = "rotary_emb_base",
                                       .part = "rotary_pct",
                                       .parse = parse,
                                       .print = print };
