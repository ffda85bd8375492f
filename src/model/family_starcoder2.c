/* family_starcoder2.c - StarCoder2 (Lozhkov et al., arXiv 2402.19173).
 *
 * Llama's attention with layer norms, biases everywhere and a window; a plain hidden layer with the tanh GELU; a tied
 * head. */
#include "model/family_rows.h"

/* clang-format off */
static const tl_name layer_names[] = {
    TL_OF_LAYER("model.layers.%d.input_layernorm.weight",          norm1),
    TL_OF_LAYER("model.layers.%d.input_layernorm.bias",            norm1_bias),
    TL_LLAMA_ATTENTION,
    TL_OF_LAYER("model.layers.%d.post_attention_layernorm.weight", norm2),
    TL_OF_LAYER("model.layers.%d.post_attention_layernorm.bias",   norm2_bias),
    TL_OF_LAYER("model.layers.%d.mlp.c_fc.weight",                 linear[TL_UP]),
    TL_OF_LAYER("model.layers.%d.mlp.c_fc.bias",                   bias[TL_UP]),
    TL_OF_LAYER("model.layers.%d.mlp.c_proj.weight",               linear[TL_DOWN]),
    TL_OF_LAYER("model.layers.%d.mlp.c_proj.bias",                 bias[TL_DOWN]),
    { 0 }
};

static const tl_field fields[] = {
    TL_LLAMA_SIZES(4096), TL_KEY_VALUE_HEADS(2), TL_HEAD_WIDTH(0), TL_TIED(true),
    TL_REAL("norm_epsilon", norm_eps, 0, 1, 1e-5),
    TL_SWITCH("use_bias", qkv_bias, true),
    TL_SWITCH("use_bias", out_bias, true),
    TL_SWITCH("use_bias", mlp_bias, true),
    { 0 }
};
/* clang-format on */

static const tl_module modules[] = {
    { "self_attn.q_proj", TL_Q, 1 },
    { "self_attn.k_proj", TL_K, 1 },
    { "self_attn.v_proj", TL_V, 1 },
    { "self_attn.o_proj", TL_O, 1 },
    { "mlp.c_fc", TL_UP, 1 },
    { "mlp.c_proj", TL_DOWN, 1 },
    { 0 },
};

static const tl_config base = { .norm = TL_NORM_LAYER, .activation = TL_ACTIVATION_GELU, .rope = { .theta = 10000 } };

static const char *const keys[] = { "sliding_window", NULL };

static int parse(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    TL_TRY(tl_window_parse(c, o, where, 0, err));
    tl_window_layers(c, 0);
    return 0;
}

const tl_family tl_family_starcoder2 = { .model_type = "starcoder2",
                                         .architecture = "Starcoder2ForCausalLM",
                                         .prefix = "model.",
                                         .layer_path = "model.layers.%d.",
                                         .model_names = tl_llama_model_names,
                                         .layer_names = layer_names,
                                         .modules = modules,
                                         .ignored = tl_llama_ignored,
                                         .base = &base,
                                         .fields = fields,
                                         .activation = "hidden_act",
                                         .silent = "gelu_pytorch_tanh",
                                         .theta = "rope_theta",
                                         .reads = keys,
                                         .parse = parse,
                                         .print = tl_window_print };
