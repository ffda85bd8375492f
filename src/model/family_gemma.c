/* family_gemma.c - Gemma 2 (arXiv 2408.00118) and the text of Gemma 3 (arXiv 2503.19786).
 *
 * RMS norms before and after each block, stored as what they differ from one by; token rows times sqrt(D); gates by the
 * tanh GELU; scores scaled by a width of their own; a tied head; layers with a window between layers without.  Gemma 2
 * caps scores and logits.  Gemma 3 norms each query and key, and turns those of layers with a window by another scheme.
 */
#include "io/json.h"
#include "model/family_rows.h"

/* clang-format off */
#define GAINS(stored, member) TL_OF_LAYER_AS(TL_FORM_LESS_ONE, stored, member)

static const tl_name model_names[] = {
    TL_OF_MODEL("model.embed_tokens.weight", tokens),
    TL_OF_MODEL_AS(TL_FORM_LESS_ONE, "model.norm.weight", norm),
    TL_OF_MODEL("lm_head.weight", head),
    { 0 }
};

static const tl_name layer_names[] = {
    GAINS("model.layers.%d.input_layernorm.weight",            norm1),
    TL_LLAMA_ATTENTION,
    GAINS("model.layers.%d.self_attn.q_norm.weight",           q_norm),
    GAINS("model.layers.%d.self_attn.k_norm.weight",           k_norm),
    GAINS("model.layers.%d.post_attention_layernorm.weight",   after1),
    GAINS("model.layers.%d.pre_feedforward_layernorm.weight",  norm2),
    TL_LLAMA_MLP,
    GAINS("model.layers.%d.post_feedforward_layernorm.weight", after2),
    { 0 }
};

#define FIELDS(positions)                                                                                              \
    TL_LLAMA_SIZES(positions), TL_KEY_VALUE_HEADS(4), TL_HEAD_WIDTH(256), TL_RMS_EPS(1e-6), TL_TIED(true),             \
    TL_SWITCH("attention_bias", qkv_bias, false),                                                                      \
    TL_SWITCH("attention_bias", out_bias, false),                                                                      \
    TL_WHOLE("query_pre_attn_scalar", score_width, 1, TL_WIDTH_MAX, 256)

static const tl_field gemma2_fields[] = {
    FIELDS(8192),
    TL_REAL("attn_logit_softcapping",  score_cap, 1e-3, 1e6, 50),
    TL_REAL("final_logit_softcapping", logit_cap, 1e-3, 1e6, 30),
    { 0 }
};

static const tl_field gemma3_fields[] = {
    FIELDS(131072),
    TL_REAL("final_logit_softcapping", logit_cap, 1e-3, 1e6, 0),
    { 0 }
};
/* clang-format on */

static const tl_config gemma2_base = { .order = TL_ORDER_AROUND,
                                       .activation = TL_ACTIVATION_GEGLU,
                                       .rope = { .theta = 10000 } };
static const tl_config gemma3_base = { .order = TL_ORDER_AROUND,
                                       .activation = TL_ACTIVATION_GEGLU,
                                       .qk_norm = TL_QK_NORM_HEAD,
                                       .rope = { .theta = 1000000 },
                                       .local = { .theta = 10000 } };

static const char *const gemma2_keys[] = { "sliding_window",          "layer_types",           "attn_logit_softcapping",
                                           "final_logit_softcapping", "query_pre_attn_scalar", NULL };
static const char *const gemma3_keys[] = { "sliding_window", "layer_types", "final_logit_softcapping",
                                           "query_pre_attn_scalar", NULL };

/* Every `every`-th layer sees all. */
static int parse_layers(tl_config *c, json_t *o, const char *where, int every, tl_err *err)
{
    c->embed_scale = sqrtf((float)c->D);
    TL_TRY(tl_window_parse(c, o, where, 4096, err));
    for (int l = 0; c->window && l < c->L; l++)
        if ((l + 1) % every != 0) c->layers[l] |= TL_LAYER_WINDOW;
    return tl_layer_types_parse(c, o, where, err);
}

/* A cap that is null is none, one that is missing the family's. */
static void drop_null_caps(tl_config *c, const json_t *o)
{
    if (json_is_null(json_object_get(o, "attn_logit_softcapping"))) c->score_cap = 0;
    if (json_is_null(json_object_get(o, "final_logit_softcapping"))) c->logit_cap = 0;
}

static int parse_gemma2(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    drop_null_caps(c, o);
    return parse_layers(c, o, where, 2, err);
}

static int parse_gemma3(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    int every;
    TL_TRY(tl_json_int_or(o, where, "sliding_window_pattern", 1, TL_LAYERS_MAX, 6, &every, err));
    return parse_layers(c, o, where, every, err);
}

static int print(const tl_config *c, json_t *o)
{
    return tl_window_print(c, o) | tl_layer_types_print(c, o);
}

#define GEMMA_LIKE                                                                                                     \
    .prefix = "model.", .layer_path = "model.layers.%d.", .model_names = model_names, .layer_names = layer_names,      \
    .modules = tl_llama_modules, .ignored = tl_llama_ignored, .activation = "hidden_activation",                       \
    .silent = "gelu_pytorch_tanh", .theta = "rope_theta", .pads = true, .print = print

const tl_family tl_family_gemma2 = { .model_type = "gemma2",
                                     .architecture = "Gemma2ForCausalLM",
                                     GEMMA_LIKE,
                                     .base = &gemma2_base,
                                     .fields = gemma2_fields,
                                     .reads = gemma2_keys,
                                     .parse = parse_gemma2 };

const tl_family tl_family_gemma3 = { .model_type = "gemma3_text",
                                     .architecture = "Gemma3ForCausalLM",
                                     GEMMA_LIKE,
                                     .base = &gemma3_base,
                                     .fields = gemma3_fields,
                                     .reads = gemma3_keys,
                                     .parse = parse_gemma3 };
