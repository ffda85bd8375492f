/* gguf_architectures.c - names of tensors and keys in GGUF files.
 *
 * Most architectures share one table of tensors: rows that a config does not want are passed over. */
#include "model/gguf_architectures.h"

#include <stddef.h>

/* clang-format off */
#define AT(member) offsetof(tl_model, member)
const tl_name tl_gguf_model_names[] = {
    { "token_embd.weight",    AT(tokens),    TL_FORM_ROWS, 0, 1 },
    { "position_embd.weight", AT(positions), TL_FORM_ROWS, 0, 1 },
    { "output_norm.weight",   AT(norm),      TL_FORM_ROWS, 0, 1 },
    { "output_norm.bias",     AT(norm_bias), TL_FORM_ROWS, 0, 1 },
    { "output.weight",        AT(head),      TL_FORM_ROWS, 0, 1 },
    { 0 }
};
#undef AT

#define AT(member) offsetof(tl_layer, member)
#define ROW(stored, member)                { stored, AT(member), TL_FORM_ROWS, 0, 1 }
#define PART(stored, member, part, parts)  { stored, AT(member), TL_FORM_ROWS, part, parts }
#define BESIDES_QKV_AND_UP                               \
    ROW("blk.%d.attn_norm.weight",           norm1),           \
    ROW("blk.%d.attn_norm.bias",             norm1_bias),      \
    ROW("blk.%d.attn_output.weight",         linear[TL_O]),    \
    ROW("blk.%d.attn_output.bias",           bias[TL_O]),      \
    ROW("blk.%d.post_attention_norm.weight", after1),          \
    ROW("blk.%d.ffn_norm.weight",            norm2),           \
    ROW("blk.%d.ffn_norm.bias",              norm2_bias),      \
    ROW("blk.%d.ffn_down.weight",            linear[TL_DOWN]), \
    ROW("blk.%d.ffn_down.bias",              bias[TL_DOWN]),   \
    ROW("blk.%d.post_ffw_norm.weight",       after2)
#define GATE_AND_UP                                      \
    ROW("blk.%d.ffn_gate.weight",            linear[TL_GATE]), \
    ROW("blk.%d.ffn_gate.bias",              bias[TL_GATE]),   \
    ROW("blk.%d.ffn_up.weight",              linear[TL_UP]),   \
    ROW("blk.%d.ffn_up.bias",                bias[TL_UP])
#define FUSED_QKV                                        \
    PART("blk.%d.attn_qkv.weight", linear[TL_Q], 0, 3),        \
    PART("blk.%d.attn_qkv.weight", linear[TL_K], 1, 3),        \
    PART("blk.%d.attn_qkv.weight", linear[TL_V], 2, 3),        \
    PART("blk.%d.attn_qkv.bias",   bias[TL_Q],   0, 3),        \
    PART("blk.%d.attn_qkv.bias",   bias[TL_K],   1, 3),        \
    PART("blk.%d.attn_qkv.bias",   bias[TL_V],   2, 3)

static const tl_name layer_names[] = {
    ROW("blk.%d.attn_q.weight",      linear[TL_Q]),
    ROW("blk.%d.attn_q.bias",        bias[TL_Q]),
    ROW("blk.%d.attn_k.weight",      linear[TL_K]),
    ROW("blk.%d.attn_k.bias",        bias[TL_K]),
    ROW("blk.%d.attn_v.weight",      linear[TL_V]),
    ROW("blk.%d.attn_v.bias",        bias[TL_V]),
    ROW("blk.%d.attn_q_norm.weight", q_norm),
    ROW("blk.%d.attn_k_norm.weight", k_norm),
    ROW("blk.%d.ffn_gate_inp.weight", router),
    BESIDES_QKV_AND_UP,
    GATE_AND_UP,
    { 0 }
};

static const tl_name fused_layer_names[] = { FUSED_QKV, BESIDES_QKV_AND_UP, GATE_AND_UP, { 0 } };

static const tl_name phi3_layer_names[] = {
    FUSED_QKV,
    BESIDES_QKV_AND_UP,
    PART("blk.%d.ffn_up.weight", linear[TL_GATE], 0, 2),
    PART("blk.%d.ffn_up.weight", linear[TL_UP],   1, 2),
    { 0 }
};
#undef AT

#define STACK(stored, member) { stored, offsetof(tl_expert, member), TL_FORM_STACKED, 0, 1 }
static const tl_name expert_names[] = {
    STACK("blk.%d.ffn_gate_exps.weight", gate),
    STACK("blk.%d.ffn_up_exps.weight",   up),
    STACK("blk.%d.ffn_down_exps.weight", down),
    { 0 }
};

#define SIZES                                                                        \
    { "block_count",             "num_hidden_layers",       TL_GGUF_WHOLE, true,  false }, \
    { "embedding_length",        "hidden_size",             TL_GGUF_WHOLE, true,  false }, \
    { "feed_forward_length",     "intermediate_size",       TL_GGUF_WHOLE, true,  false }, \
    { "attention.head_count",    "num_attention_heads",     TL_GGUF_WHOLE, true,  false }, \
    { "context_length",          "max_position_embeddings", TL_GGUF_WHOLE, true,  false }
#define SHARED_HEADS                                                                 \
    { "attention.head_count_kv", "num_key_value_heads",     TL_GGUF_WHOLE, false, false }, \
    { "attention.key_length",    "head_dim",                TL_GGUF_WHOLE, false, false }, \
    { "rope.freq_base",          "rope_theta",              TL_GGUF_REAL,  false, false }
#define RMS_EPS                                                                      \
    { "attention.layer_norm_rms_epsilon", "rms_norm_eps",   TL_GGUF_REAL,  true,  false }
#define WINDOW                                                                       \
    { "attention.sliding_window", "sliding_window",         TL_GGUF_WHOLE, false, true }
#define FINAL_CAP                                                                    \
    { "final_logit_softcapping", "final_logit_softcapping", TL_GGUF_REAL,  false, true }

static const tl_gguf_field llama_fields[] = { SIZES, SHARED_HEADS, RMS_EPS, { 0 } };
static const tl_gguf_field phi3_fields[] = { SIZES, SHARED_HEADS, RMS_EPS, WINDOW, { 0 } };

#define EXPERTS(count)                                                               \
    { "expert_count",               count,                 TL_GGUF_WHOLE, true,  false }, \
    { "expert_used_count",          "num_experts_per_tok", TL_GGUF_WHOLE, true,  false }
static const tl_gguf_field mixtral_fields[] = { SIZES, SHARED_HEADS, RMS_EPS, EXPERTS("num_local_experts"), { 0 } };
static const tl_gguf_field qwen3_moe_fields[] = {
    SIZES, SHARED_HEADS, RMS_EPS, EXPERTS("num_experts"),
    { "expert_feed_forward_length", "moe_intermediate_size", TL_GGUF_WHOLE, true,  false },
    { 0 }
};

static const tl_gguf_field granite_fields[] = {
    SIZES, SHARED_HEADS, RMS_EPS,
    { "attention.scale", "attention_multiplier", TL_GGUF_REAL, true,  false },
    { "embedding_scale", "embedding_multiplier", TL_GGUF_REAL, false, false },
    { "residual_scale",  "residual_multiplier",  TL_GGUF_REAL, false, false },
    { "logit_scale",     "logits_scaling",       TL_GGUF_REAL, false, false },
    { 0 }
};

static const tl_gguf_field gemma2_fields[] = {
    SIZES, SHARED_HEADS, RMS_EPS, WINDOW, FINAL_CAP,
    { "attn_logit_softcapping", "attn_logit_softcapping", TL_GGUF_REAL, false, true },
    { 0 }
};

static const tl_gguf_field gemma3_fields[] = {
    SIZES, SHARED_HEADS, RMS_EPS, WINDOW, FINAL_CAP,
    { "attention.sliding_window_pattern", "sliding_window_pattern", TL_GGUF_WHOLE, false, false },
    { "rope.freq_base_swa",               "rope_local_base_freq",   TL_GGUF_REAL,  false, false },
    { 0 }
};

static const tl_gguf_field starcoder2_fields[] = {
    SIZES, SHARED_HEADS, WINDOW,
    { "attention.layer_norm_epsilon", "norm_epsilon", TL_GGUF_REAL, true, false },
    { 0 }
};

static const tl_gguf_field neox_fields[] = {
    SIZES,
    { "attention.layer_norm_epsilon", "layer_norm_eps",        TL_GGUF_REAL,   true,  false },
    { "use_parallel_residual",        "use_parallel_residual", TL_GGUF_SWITCH, false, false },
    { "rope.freq_base",               "rotary_emb_base",       TL_GGUF_REAL,   false, false },
    { 0 }
};

static const tl_gguf_field gpt2_fields[] = {
    { "block_count",                  "n_layer",            TL_GGUF_WHOLE, true, false },
    { "embedding_length",             "n_embd",             TL_GGUF_WHOLE, true, false },
    { "feed_forward_length",          "n_inner",            TL_GGUF_WHOLE, true, false },
    { "attention.head_count",         "n_head",             TL_GGUF_WHOLE, true, false },
    { "context_length",               "n_positions",        TL_GGUF_WHOLE, true, false },
    { "attention.layer_norm_epsilon", "layer_norm_epsilon", TL_GGUF_REAL,  true, false },
    { 0 }
};
/* clang-format on */

/* What llama.cpp's converter reorders, of the architectures for which it does. */
static const char *const interleaved[] = { "blk.%d.attn_q.weight", "blk.%d.attn_q.bias", "blk.%d.attn_k.weight",
                                           "blk.%d.attn_k.bias", NULL };
static const char *const none[] = { NULL };

static const tl_gguf_architecture architectures[] = {
    { "llama", "llama", llama_fields, layer_names, NULL, interleaved, 0 },
    { "llama", "mistral", llama_fields, layer_names, NULL, interleaved, 0 },
    { "qwen2", "qwen2", llama_fields, layer_names, NULL, none, 0 },
    { "llama", "mixtral", mixtral_fields, layer_names, expert_names, interleaved, 0 },
    { "qwen3", "qwen3", llama_fields, layer_names, NULL, none, 0 },
    { "qwen3moe", "qwen3_moe", qwen3_moe_fields, layer_names, expert_names, none, 0 },
    { "smollm3", "smollm3", llama_fields, layer_names, NULL, interleaved, 0 },
    { "granite", "granite", granite_fields, layer_names, NULL, interleaved, 0 },
    { "olmo2", "olmo2", llama_fields, layer_names, NULL, none, 0 },
    { "gemma2", "gemma2", gemma2_fields, layer_names, NULL, none, 46 },
    { "gemma3", "gemma3_text", gemma3_fields, layer_names, NULL, none, 62 },
    { "phi3", "phi3", phi3_fields, phi3_layer_names, NULL, none, 0 },
    { "starcoder2", "starcoder2", starcoder2_fields, layer_names, NULL, none, 0 },
    { "gptneox", "gpt_neox", neox_fields, fused_layer_names, NULL, none, 0 },
    { "gpt2", "gpt2", gpt2_fields, fused_layer_names, NULL, none, 0 },
};

const tl_gguf_architecture *tl_gguf_architecture_at(int i)
{
    return i < (int)(sizeof architectures / sizeof *architectures) ? &architectures[i] : NULL;
}

/* Buffers, and the factors that model_gguf.c has read. */
static const char *const ignored[] = { "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight",
                                       ".attn_rot_embd.weight", NULL };

tl_layout tl_gguf_layout(const tl_gguf_architecture *a)
{
    return (tl_layout){ tl_gguf_model_names, a->layer_names, a->expert_names, "", ignored, a->interleaved };
}
