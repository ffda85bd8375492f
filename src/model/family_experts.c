/* family_experts.c - Mixtral (Jiang et al., arXiv 2401.04088) and Qwen3's mixtures of experts (arXiv 2505.09388).
 *
 * Mistral's and Qwen3's layers with several hidden layers in place of one (experts.h), in every layer.  Mixtral's
 * weights of the picked experts sum to one, Qwen3's where norm_topk_prob says so.  Adapters are those of attention:
 * experts are no modules in transformers either. */
#include "io/json.h"
#include "model/family_rows.h"

/* clang-format off */
#define ROWS(router_name)                                                                                              \
    TL_OF_LAYER("model.layers.%d.input_layernorm.weight",          norm1),                                             \
    TL_LLAMA_ATTENTION,                                                                                                \
    TL_OF_LAYER("model.layers.%d.self_attn.q_norm.weight",         q_norm),                                            \
    TL_OF_LAYER("model.layers.%d.self_attn.k_norm.weight",         k_norm),                                            \
    TL_OF_LAYER("model.layers.%d.post_attention_layernorm.weight", norm2),                                             \
    TL_OF_LAYER(router_name,                                       router)
#define OF_EXPERT(stored, member) { stored, offsetof(tl_expert, member), TL_FORM_ROWS, 0, 1 }

static const tl_name qwen3_layer_names[] = { ROWS("model.layers.%d.mlp.gate.weight"), { 0 } };
static const tl_name qwen3_expert_names[] = {
    OF_EXPERT("model.layers.%d.mlp.experts.%d.gate_proj.weight", gate),
    OF_EXPERT("model.layers.%d.mlp.experts.%d.up_proj.weight",   up),
    OF_EXPERT("model.layers.%d.mlp.experts.%d.down_proj.weight", down),
    { 0 }
};

static const tl_name mixtral_layer_names[] = { ROWS("model.layers.%d.block_sparse_moe.gate.weight"), { 0 } };
static const tl_name mixtral_expert_names[] = {
    OF_EXPERT("model.layers.%d.block_sparse_moe.experts.%d.w1.weight", gate),
    OF_EXPERT("model.layers.%d.block_sparse_moe.experts.%d.w3.weight", up),
    OF_EXPERT("model.layers.%d.block_sparse_moe.experts.%d.w2.weight", down),
    { 0 }
};

#define SIZES                                                                                                          \
    TL_WHOLE("vocab_size",              V, 1, TL_VOCABULARY_MAX, NAN),                                                 \
    TL_WHOLE("hidden_size",             D, 1, TL_WIDTH_MAX,      NAN),                                                 \
    TL_WHOLE("num_hidden_layers",       L, 1, TL_LAYERS_MAX,     NAN),                                                 \
    TL_WHOLE("num_attention_heads",     H, 1, TL_HEADS_MAX,      NAN)
#define EXPERTS(count, experts, picked)                                                                                \
    TL_WHOLE(count,                     E,     1, TL_EXPERTS_MAX, experts),                                            \
    TL_WHOLE("num_experts_per_tok",     picks, 1, TL_EXPERTS_MAX, picked)

static const tl_field qwen3_fields[] = {
    SIZES,
    TL_WHOLE("max_position_embeddings", T,      1, TL_POSITIONS_MAX, 32768),
    TL_WHOLE("moe_intermediate_size",   F,      1, TL_WIDTH_MAX,     768),
    TL_WHOLE("intermediate_size",       idle_F, 1, TL_WIDTH_MAX,     6144),
    TL_KEY_VALUE_HEADS(4), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-6), TL_TIED(false),
    EXPERTS("num_experts", 128, 8),
    TL_SWITCH("norm_topk_prob", picks_sum_to_one, false),
    TL_SWITCH("attention_bias", qkv_bias, false),
    TL_SWITCH("attention_bias", out_bias, false),
    { 0 }
};

static const tl_field mixtral_fields[] = {
    SIZES,
    TL_WHOLE("max_position_embeddings", T, 1, TL_POSITIONS_MAX, 4096 * 32),
    TL_WHOLE("intermediate_size",       F, 1, TL_WIDTH_MAX,     14336),
    TL_KEY_VALUE_HEADS(8), TL_HEAD_WIDTH(0), TL_RMS_EPS(1e-5), TL_TIED(false),
    EXPERTS("num_local_experts", 8, 2),
    { 0 }
};
/* clang-format on */

static const tl_module modules[] = {
    { "self_attn.q_proj", TL_Q, 1 },
    { "self_attn.k_proj", TL_K, 1 },
    { "self_attn.v_proj", TL_V, 1 },
    { "self_attn.o_proj", TL_O, 1 },
    { 0 },
};

static const tl_config qwen3_base = { .rope = { .theta = 10000 }, .qk_norm = TL_QK_NORM_HEAD };
static const tl_config mixtral_base = { .rope = { .theta = 1000000 }, .picks_sum_to_one = true };

static const char *const qwen3_keys[] = { "sliding_window", "use_sliding_window", "num_experts", "num_local_experts",
                                          NULL };
static const char *const mixtral_keys[] = { "sliding_window", "num_local_experts", NULL };

/* Since version 5 transformers writes num_local_experts for num_experts.  Layers without experts are refused. */
static int parse_qwen3(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    json_t *list = NULL;
    int step;
    bool on;
    TL_TRY(tl_json_int_or(o, where, "num_local_experts", 1, TL_EXPERTS_MAX, c->E, &c->E, err));
    TL_TRY(tl_json_int_or(o, where, "decoder_sparse_step", 1, TL_LAYERS_MAX, 1, &step, err));
    TL_TRY(tl_json_value_or_null(o, where, "mlp_only_layers", JSON_ARRAY, &list, err));
    if (step != 1 || json_array_size(list) > 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: %s leaves layers without experts, which is not supported", where,
                       step != 1 ? "decoder_sparse_step" : "mlp_only_layers");
    TL_TRY(tl_json_bool_or(o, where, "use_sliding_window", false, &on, err));
    if (on) TL_TRY(tl_window_parse(c, o, where, 4096, err));
    tl_window_layers(c, 0);
    return 0;
}

static int print_qwen3(const tl_config *c, json_t *o)
{
    int rc = json_object_set_new(o, "use_sliding_window", json_boolean(c->window != 0));
    rc |= json_object_set_new(o, "decoder_sparse_step", json_integer(1));
    rc |= json_object_set_new(o, "mlp_only_layers", json_array());
    return rc | tl_window_print(c, o);
}

static int parse_mixtral(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    TL_TRY(tl_window_parse(c, o, where, 0, err));
    tl_window_layers(c, 0);
    return 0;
}

#define LLAMA_LIKE                                                                                                     \
    .prefix = "model.", .layer_path = "model.layers.%d.", .model_names = tl_llama_model_names, .modules = modules,     \
    .ignored = tl_llama_ignored, .activation = "hidden_act", .silent = "silu", .theta = "rope_theta"

const tl_family tl_family_qwen3_moe = { .model_type = "qwen3_moe",
                                        .architecture = "Qwen3MoeForCausalLM",
                                        LLAMA_LIKE,
                                        .layer_names = qwen3_layer_names,
                                        .expert_names = qwen3_expert_names,
                                        .base = &qwen3_base,
                                        .fields = qwen3_fields,
                                        .reads = qwen3_keys,
                                        .parse = parse_qwen3,
                                        .print = print_qwen3 };

const tl_family tl_family_mixtral = { .model_type = "mixtral",
                                      .architecture = "MixtralForCausalLM",
                                      LLAMA_LIKE,
                                      .layer_names = mixtral_layer_names,
                                      .expert_names = mixtral_expert_names,
                                      .base = &mixtral_base,
                                      .fields = mixtral_fields,
                                      .reads = mixtral_keys,
                                      .parse = parse_mixtral,
                                      .print = tl_window_print };
