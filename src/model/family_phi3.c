/* family_phi3.c - Phi-3 and Phi-4-mini (arXiv 2404.14219).
 *
 * Llama's layers, with q, k and v in one tensor, gate and up in another; a window in all layers or none, a part of each
 * head turned, and contexts stretched by long factors (rope.h). */
#include "model/family_rows.h"

/* clang-format off */
static const tl_name layer_names[] = {
    TL_OF_LAYER("model.layers.%d.input_layernorm.weight", norm1),
    TL_QKV_AS(TL_FORM_ROWS, "model.layers.%d.self_attn.qkv_proj.weight", linear),
    TL_OF_LAYER("model.layers.%d.self_attn.o_proj.weight", linear[TL_O]),
    TL_OF_LAYER("model.layers.%d.post_attention_layernorm.weight", norm2),
    TL_GATE_UP("model.layers.%d.mlp.gate_up_proj.weight", linear),
    TL_OF_LAYER("model.layers.%d.mlp.down_proj.weight", linear[TL_DOWN]),
    { 0 }
};

static const tl_field fields[] = {
    TL_LLAMA_SIZES(4096), TL_KEY_VALUE_HEADS(0), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-5), TL_TIED(false), { 0 }
};
/* clang-format on */

static const tl_module modules[] = {
    { "self_attn.qkv_proj", TL_Q, 3 },
    { "self_attn.o_proj", TL_O, 1 },
    { "mlp.gate_up_proj", TL_GATE, 2 },
    { "mlp.down_proj", TL_DOWN, 1 },
    { 0 },
};

static const tl_config base = { .rope = { .theta = 10000, .original = 4096 } };

static const char *const keys[] = { "sliding_window", NULL };

static int parse(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    TL_TRY(tl_window_parse(c, o, where, 0, err));
    tl_window_layers(c, 0);
    return 0;
}

const tl_family tl_family_phi3 = { .model_type = "phi3",
                                   .architecture = "Phi3ForCausalLM",
                                   .prefix = "model.",
                                   .layer_path = "model.layers.%d.",
                                   .model_names = tl_llama_model_names,
                                   .layer_names = layer_names,
                                   .modules = modules,
                                   .ignored = tl_llama_ignored,
                                   .base = &base,
                                   .pads = true,
                                   .fields = fields,
                                   .activation = "hidden_act",
                                   .silent = "silu",
                                   .theta = "rope_theta",
                                   .part = "partial_rotary_factor",
                                   .reads = keys,
                                   .parse = parse,
                                   .print = tl_window_print };
