/* family_gpt2.c - GPT-2 (Radford et al. 2019).
 *
 * Layer norms, learned positions, plain hidden layers with the tanh GELU, biases everywhere, a tied head.  Its products
 * are stored as [I, O], and q, k, v as one tensor c_attn.  The files of the first release leave out "transformer." and
 * hold the causal mask as attn.bias. */
#include "model/family_rows.h"

/* clang-format off */
#define TURNED(stored, member) TL_OF_LAYER_AS(TL_FORM_TRANSPOSED, stored, member)

static const tl_name model_names[] = {
    TL_OF_MODEL("transformer.wte.weight",  tokens),
    TL_OF_MODEL("transformer.wpe.weight",  positions),
    TL_OF_MODEL("transformer.ln_f.weight", norm),
    TL_OF_MODEL("transformer.ln_f.bias",   norm_bias),
    TL_OF_MODEL("lm_head.weight",          head),
    { 0 }
};

static const tl_name layer_names[] = {
    TL_OF_LAYER("transformer.h.%d.ln_1.weight",   norm1),
    TL_OF_LAYER("transformer.h.%d.ln_1.bias",     norm1_bias),
    TL_QKV_AS(TL_FORM_TRANSPOSED, "transformer.h.%d.attn.c_attn.weight", linear),
    TL_QKV_AS(TL_FORM_ROWS,       "transformer.h.%d.attn.c_attn.bias",   bias),
    TURNED("transformer.h.%d.attn.c_proj.weight", linear[TL_O]),
    TL_OF_LAYER("transformer.h.%d.attn.c_proj.bias", bias[TL_O]),
    TL_OF_LAYER("transformer.h.%d.ln_2.weight",   norm2),
    TL_OF_LAYER("transformer.h.%d.ln_2.bias",     norm2_bias),
    TURNED("transformer.h.%d.mlp.c_fc.weight",    linear[TL_UP]),
    TL_OF_LAYER("transformer.h.%d.mlp.c_fc.bias", bias[TL_UP]),
    TURNED("transformer.h.%d.mlp.c_proj.weight",  linear[TL_DOWN]),
    TL_OF_LAYER("transformer.h.%d.mlp.c_proj.bias", bias[TL_DOWN]),
    { 0 }
};

static const tl_field fields[] = {
    TL_WHOLE("vocab_size",  V, 1, TL_VOCABULARY_MAX, NAN),
    TL_WHOLE("n_embd",      D, 1, (double)TL_WIDTH_MAX / 4, NAN),
    TL_WHOLE("n_inner",     F, 1, TL_WIDTH_MAX,      0),
    TL_WHOLE("n_layer",     L, 1, TL_LAYERS_MAX,     NAN),
    TL_WHOLE("n_head",      H, 1, TL_HEADS_MAX,      NAN),
    TL_WHOLE("n_positions", T, 1, TL_POSITIONS_MAX,  1024),
    TL_REAL("layer_norm_epsilon", norm_eps, 0, 1, 1e-5),
    TL_TIED(true),
    TL_FIXED("scale_attn_weights",              true),
    TL_FIXED("scale_attn_by_inverse_layer_idx", false),
    TL_FIXED("reorder_and_upcast_attn",         false),
    { 0 }
};
/* clang-format on */

static const tl_module modules[] = {
    { "attn.c_attn", TL_Q, 3 },
    { "attn.c_proj", TL_O, 1 },
    { "mlp.c_fc", TL_UP, 1 },
    { "mlp.c_proj", TL_DOWN, 1 },
    { 0 },
};

static const char *const ignored[] = { ".attn.bias", ".attn.masked_bias", NULL };

static const tl_config base = { .norm = TL_NORM_LAYER,
                                .position = TL_POSITION_LEARNED,
                                .activation = TL_ACTIVATION_GELU,
                                .qkv_bias = true,
                                .out_bias = true,
                                .mlp_bias = true };

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
    .base = &base,
    .fields = fields,
    .activation = "activation_function",
    .silent = "gelu_new",
};
