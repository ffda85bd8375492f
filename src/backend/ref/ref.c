/* ref.c - the table of the `ref` back end: every row, usable everywhere. */
#include "backend/ref/ref.h"

static bool usable(void)
{
    return true;
}

const tl_backend tl_backend_ref = {
    .name = "ref",
    .usable = usable,
    .linear = tl_ref_linear,
    .linear_dx = tl_ref_linear_dx,
    .linear_dw = tl_ref_linear_dw,
    .bias_back = tl_ref_bias_back,
    .rmsnorm = tl_ref_rmsnorm,
    .rmsnorm_back = tl_ref_rmsnorm_back,
    .layernorm = tl_ref_layernorm,
    .layernorm_back = tl_ref_layernorm_back,
    .rope = tl_ref_rope,
    .kv_write = tl_ref_kv_write,
    .attention = tl_ref_attention,
    .attention_back = tl_ref_attention_back,
    .swiglu = tl_ref_swiglu,
    .swiglu_back = tl_ref_swiglu_back,
    .gelu = tl_ref_gelu,
    .gelu_back = tl_ref_gelu_back,
    .geglu = tl_ref_geglu,
    .geglu_back = tl_ref_geglu_back,
    .gelu_exact = tl_ref_gelu_exact,
    .gelu_exact_back = tl_ref_gelu_exact_back,
    .gain = tl_ref_gain,
    .gain_back = tl_ref_gain_back,
    .scale = tl_ref_scale,
    .add = tl_ref_add,
    .embed = tl_ref_embed,
    .embed_back = tl_ref_embed_back,
    .softcap = tl_ref_softcap,
    .cross_entropy = tl_ref_cross_entropy,
    .log_prob = tl_ref_log_prob,
    .adamw = tl_ref_adamw,
    .sum_squares = tl_ref_sum_squares,
    .narrow = tl_ref_narrow,
};
