/* family_llama.c - Llama (Touvron et al., arXiv 2302.13971) and what is built like it.
 *
 * RMS norms before each block, rotary positions, gated hidden layers, grouped key/value heads.  From that differ
 *
 *     mistral   a window over the positions seen           (Jiang et al., arXiv 2310.06825)
 *     qwen2     biases of q, k and v, windows in the upper layers, if any      (arXiv 2407.10671)
 *     qwen3     norms of each query and key in their place                     (arXiv 2505.09388)
 *     smollm3   layers whose queries and keys are not turned
 *     granite   multipliers of embeddings, scores, what blocks add, and logits (IBM Granite 3)
 *     olmo2     norms after the blocks, and of all queries and keys as one     (arXiv 2501.00656) */
#include "io/json.h"
#include "model/family_rows.h"

#include <string.h>

/* clang-format off */
const tl_name tl_llama_model_names[] = {
    TL_OF_MODEL("model.embed_tokens.weight", tokens),
    TL_OF_MODEL("model.norm.weight",         norm),
    TL_OF_MODEL("model.norm.bias",           norm_bias),
    TL_OF_MODEL("lm_head.weight",            head),
    { 0 }
};

static const tl_name layer_names[] = {
    TL_OF_LAYER("model.layers.%d.input_layernorm.weight",          norm1),
    TL_LLAMA_ATTENTION,
    TL_OF_LAYER("model.layers.%d.self_attn.q_norm.weight",         q_norm),
    TL_OF_LAYER("model.layers.%d.self_attn.k_norm.weight",         k_norm),
    TL_OF_LAYER("model.layers.%d.post_attention_layernorm.weight", norm2),
    TL_LLAMA_MLP,
    { 0 }
};

static const tl_name olmo2_layer_names[] = {
    TL_LLAMA_ATTENTION,
    TL_OF_LAYER("model.layers.%d.self_attn.q_norm.weight",           q_norm),
    TL_OF_LAYER("model.layers.%d.self_attn.k_norm.weight",           k_norm),
    TL_OF_LAYER("model.layers.%d.post_attention_layernorm.weight",   after1),
    TL_LLAMA_MLP,
    TL_OF_LAYER("model.layers.%d.post_feedforward_layernorm.weight", after2),
    { 0 }
};
/* clang-format on */

const tl_module tl_llama_modules[] = {
    { "self_attn.q_proj", TL_Q, 1 }, { "self_attn.k_proj", TL_K, 1 },
    { "self_attn.v_proj", TL_V, 1 }, { "self_attn.o_proj", TL_O, 1 },
    { "mlp.gate_proj", TL_GATE, 1 }, { "mlp.up_proj", TL_UP, 1 },
    { "mlp.down_proj", TL_DOWN, 1 }, { 0 },
};

const char *const tl_llama_ignored[] = { ".rotary_emb.inv_freq", NULL };

static const tl_config base = { .rope = { .theta = 10000 } };

/* ---- llama ---- */

/* clang-format off */
static const tl_field llama_fields[] = {
    TL_LLAMA_SIZES(2048), TL_KEY_VALUE_HEADS(0), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-6), TL_TIED(false),
    TL_SWITCH("attention_bias", qkv_bias, false),
    TL_SWITCH("attention_bias", out_bias, false),
    TL_SWITCH("mlp_bias",       mlp_bias, false),
    { 0 }
};
/* clang-format on */

#define LLAMA_LIKE                                                                                                     \
    .prefix = "model.", .layer_path = "model.layers.%d.", .model_names = tl_llama_model_names,                         \
    .layer_names = layer_names, .modules = tl_llama_modules, .ignored = tl_llama_ignored, .activation = "hidden_act",  \
    .silent = "silu", .theta = "rope_theta"

const tl_family tl_family_llama = {
    .model_type = "llama", .architecture = "LlamaForCausalLM", LLAMA_LIKE, .base = &base, .fields = llama_fields
};

/* ---- mistral ---- */

/* clang-format off */
static const tl_field mistral_fields[] = {
    TL_LLAMA_SIZES(4096 * 32), TL_KEY_VALUE_HEADS(8), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-6), TL_TIED(false), { 0 }
};
/* clang-format on */

static const char *const window_keys[] = { "sliding_window", NULL };

static int parse_mistral(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    TL_TRY(tl_window_parse(c, o, where, 4096, err));
    tl_window_layers(c, 0);
    return 0;
}

const tl_family tl_family_mistral = { .model_type = "mistral",
                                      .architecture = "MistralForCausalLM",
                                      LLAMA_LIKE,
                                      .base = &base,
                                      .fields = mistral_fields,
                                      .reads = window_keys,
                                      .parse = parse_mistral,
                                      .print = tl_window_print };

/* ---- qwen2, qwen3 ---- */

/* clang-format off */
static const tl_config qwen2_base = { .rope = { .theta = 10000 }, .qkv_bias = true };
static const tl_field qwen2_fields[] = {
    TL_LLAMA_SIZES(32768), TL_KEY_VALUE_HEADS(0), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-6), TL_TIED(false), { 0 }
};

static const tl_config qwen3_base = { .rope = { .theta = 10000 }, .qk_norm = TL_QK_NORM_HEAD };
static const tl_field qwen3_fields[] = {
    TL_LLAMA_SIZES(32768), TL_KEY_VALUE_HEADS(0), TL_HEAD_WIDTH(128), TL_RMS_EPS(1e-6), TL_TIED(false),
    TL_SWITCH("attention_bias", qkv_bias, false),
    TL_SWITCH("attention_bias", out_bias, false),
    { 0 }
};
/* clang-format on */

static const char *const switched_window_keys[] = { "sliding_window", "use_sliding_window", "layer_types", NULL };

/* A window is used only where it is switched on: the width is written anyway. */
static int parse_qwen(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    bool on;
    int first;
    TL_TRY(tl_json_bool_or(o, where, "use_sliding_window", false, &on, err));
    TL_TRY(tl_json_int_or(o, where, "max_window_layers", 0, INT32_MAX, 28, &first, err));
    if (on) TL_TRY(tl_window_parse(c, o, where, 4096, err));
    tl_window_layers(c, first);
    return tl_layer_types_parse(c, o, where, err);
}

static int print_qwen(const tl_config *c, json_t *o)
{
    int first = 0, rc = json_object_set_new(o, "use_sliding_window", json_boolean(c->window != 0));
    if (!c->window) return rc;
    while (first < c->L && !(c->layers[first] & TL_LAYER_WINDOW)) first++;
    rc |= json_object_set_new(o, "max_window_layers", json_integer(first));
    return rc | tl_window_print(c, o) | tl_layer_types_print(c, o);
}

const tl_family tl_family_qwen2 = { .model_type = "qwen2",
                                    .architecture = "Qwen2ForCausalLM",
                                    LLAMA_LIKE,
                                    .base = &qwen2_base,
                                    .fields = qwen2_fields,
                                    .reads = switched_window_keys,
                                    .parse = parse_qwen,
                                    .print = print_qwen };

const tl_family tl_family_qwen3 = { .model_type = "qwen3",
                                    .architecture = "Qwen3ForCausalLM",
                                    LLAMA_LIKE,
                                    .base = &qwen3_base,
                                    .fields = qwen3_fields,
                                    .reads = switched_window_keys,
                                    .parse = parse_qwen,
                                    .print = print_qwen };

/* ---- smollm3 ---- */

/* clang-format off */
static const tl_config smollm3_base = { .rope = { .theta = 2000000 } };
static const tl_field smollm3_fields[] = {
    TL_LLAMA_SIZES(32768), TL_KEY_VALUE_HEADS(4), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-6), TL_TIED(true),
    TL_SWITCH("attention_bias", qkv_bias, false),
    TL_SWITCH("attention_bias", out_bias, false),
    TL_SWITCH("mlp_bias",       mlp_bias, false),
    { 0 }
};
/* clang-format on */

static const char *const smollm3_keys[] = { "sliding_window", "use_sliding_window", "layer_types", "no_rope_layers",
                                            NULL };

/* no_rope_layers holds a 1 for each layer that does turn. */
static int parse_no_rope(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    json_t *list = NULL;
    int every;
    TL_TRY(tl_json_int_or(o, where, "no_rope_layer_interval", 1, TL_LAYERS_MAX, 4, &every, err));
    TL_TRY(tl_json_value_or_null(o, where, "no_rope_layers", JSON_ARRAY, &list, err));
    if (list && json_array_size(list) != (size_t)c->L)
        return tl_fail(err, TL_ESHAPE, "%s: no_rope_layers names %zu layers, num_hidden_layers is %d", where,
                       json_array_size(list), c->L);
    for (int l = 0; l < c->L; l++) {
        const json_t *v = json_array_get(list, (size_t)l);
        if (list && !(json_is_integer(v) && (json_integer_value(v) == 0 || json_integer_value(v) == 1)))
            return tl_fail(err, TL_EFORMAT, "%s: no_rope_layers[%d] is neither 0 nor 1", where, l);
        bool turns = list ? json_integer_value(v) == 1 : (l + 1) % every != 0;
        if (!turns) c->layers[l] |= TL_LAYER_NO_ROPE;
    }
    return 0;
}

static int parse_smollm3(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    bool on;
    TL_TRY(parse_no_rope(c, o, where, err));
    TL_TRY(tl_json_bool_or(o, where, "use_sliding_window", false, &on, err));
    if (on) TL_TRY(tl_window_parse(c, o, where, 0, err));
    for (int l = 0; c->window && l < c->L; l++)
        if (c->layers[l] & TL_LAYER_NO_ROPE) c->layers[l] |= TL_LAYER_WINDOW;
    return tl_layer_types_parse(c, o, where, err);
}

static int print_smollm3(const tl_config *c, json_t *o)
{
    json_t *list = json_array();
    int rc = 0;
    for (int l = 0; l < c->L; l++)
        rc |= json_array_append_new(list, json_integer(c->layers[l] & TL_LAYER_NO_ROPE ? 0 : 1));
    rc |= json_object_set_new(o, "no_rope_layers", list);
    rc |= json_object_set_new(o, "use_sliding_window", json_boolean(c->window != 0));
    if (!c->window) return rc;
    return rc | tl_window_print(c, o) | tl_layer_types_print(c, o);
}

const tl_family tl_family_smollm3 = { .model_type = "smollm3",
                                      .architecture = "SmolLM3ForCausalLM",
                                      LLAMA_LIKE,
                                      .base = &smollm3_base,
                                      .pads = true,
                                      .fields = smollm3_fields,
                                      .reads = smollm3_keys,
                                      .parse = parse_smollm3,
                                      .print = print_smollm3 };

/* ---- granite ---- */

/* clang-format off */
static const tl_field granite_fields[] = {
    TL_LLAMA_SIZES(2048), TL_KEY_VALUE_HEADS(0), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-6), TL_TIED(false),
    TL_SWITCH("attention_bias",     qkv_bias, false),
    TL_SWITCH("attention_bias",     out_bias, false),
    TL_SWITCH("mlp_bias",           mlp_bias, false),
    TL_REAL("embedding_multiplier", embed_scale,    1e-6, 1e6, 1),
    TL_REAL("attention_multiplier", score_scale,    1e-6, 1e6, 1),
    TL_REAL("residual_multiplier",  residual_scale, 1e-6, 1e6, 1),
    TL_REAL("logits_scaling",       logit_divisor,  1e-6, 1e6, 1),
    { 0 }
};
/* clang-format on */

static const char *const granite_keys[] = { "embedding_multiplier", "attention_multiplier", "residual_multiplier",
                                            "logits_scaling", NULL };

const tl_family tl_family_granite = { .model_type = "granite",
                                      .architecture = "GraniteForCausalLM",
                                      LLAMA_LIKE,
                                      .base = &base,
                                      .fields = granite_fields,
                                      .reads = granite_keys };

/* ---- olmo2 ---- */

/* clang-format off */
static const tl_config olmo2_base = {
    .rope = { .theta = 10000 }, .order = TL_ORDER_AFTER, .qk_norm = TL_QK_NORM_ALL
};
static const tl_field olmo2_fields[] = {
    TL_LLAMA_SIZES(2048), TL_KEY_VALUE_HEADS(0), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-5), TL_TIED(false),
    TL_SWITCH("attention_bias", qkv_bias, false),
    TL_SWITCH("attention_bias", out_bias, false),
    { 0 }
};
/* clang-format on */

const tl_family tl_family_olmo2 = { .model_type = "olmo2",
                                    .architecture = "Olmo2ForCausalLM",
                                    .prefix = "model.",
                                    .layer_path = "model.layers.%d.",
                                    .model_names = tl_llama_model_names,
                                    .layer_names = olmo2_layer_names,
                                    .modules = tl_llama_modules,
                                    .ignored = tl_llama_ignored,
                                    .base = &olmo2_base,
                                    .pads = true,
                                    .fields = olmo2_fields,
                                    .activation = "hidden_act",
                                    .silent = "silu",
                                    .theta = "rope_theta" };
