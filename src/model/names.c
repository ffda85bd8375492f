/* names.c - the weights of a base: the one list of them. */
#include "model/names.h"

#include <stddef.h>

static bool layer_norm(const tl_config *c)
{
    return c->norm == TL_NORM_LAYER;
}

static bool learned_positions(const tl_config *c)
{
    return c->position == TL_POSITION_LEARNED;
}

static bool untied(const tl_config *c)
{
    return !c->tied;
}

static bool before(const tl_config *c)
{
    return tl_config_before(c);
}

static bool before_bias(const tl_config *c)
{
    return tl_config_before(c) && layer_norm(c);
}

static bool after(const tl_config *c)
{
    return tl_config_after(c);
}

static bool after_bias(const tl_config *c)
{
    return tl_config_after(c) && layer_norm(c);
}

static bool qk_norm(const tl_config *c)
{
    return c->qk_norm != TL_QK_NORM_NONE;
}

static bool gated(const tl_config *c)
{
    return tl_config_gated(c);
}

static bool qkv_bias(const tl_config *c)
{
    return c->qkv_bias;
}

static bool out_bias(const tl_config *c)
{
    return c->out_bias;
}

static bool mlp_bias(const tl_config *c)
{
    return c->mlp_bias;
}

static bool gate_bias(const tl_config *c)
{
    return c->mlp_bias && tl_config_gated(c);
}

/* clang-format off */
#define AT(member) offsetof(tl_model, member)
const tl_weight_row tl_model_rows[] = {
    { "tokens.weight",    AT(tokens),    'V', 'D', false, false, NULL },
    { "positions.weight", AT(positions), 'T', 'D', false, false, learned_positions },
    { "norm.weight",      AT(norm),      '1', 'D', false, false, NULL },
    { "norm.bias",        AT(norm_bias), '1', 'D', false, false, layer_norm },
    { "head.weight",      AT(head),      'V', 'D', false, false, untied },
    { 0 }
};
#undef AT

#define AT(member) offsetof(tl_layer, member)
const tl_weight_row tl_layer_rows[] = {
    { "norm1.weight",  AT(norm1),           '1', 'D', false, true,  before },
    { "norm1.bias",    AT(norm1_bias),      '1', 'D', false, true,  before_bias },
    { "q.weight",      AT(linear[TL_Q]),    'Q', 'D', false, true,  NULL },
    { "q.bias",        AT(bias[TL_Q]),      '1', 'Q', false, true,  qkv_bias },
    { "k.weight",      AT(linear[TL_K]),    'K', 'D', false, true,  NULL },
    { "k.bias",        AT(bias[TL_K]),      '1', 'K', false, true,  qkv_bias },
    { "v.weight",      AT(linear[TL_V]),    'K', 'D', false, true,  NULL },
    { "v.bias",        AT(bias[TL_V]),      '1', 'K', false, true,  qkv_bias },
    { "q_norm.weight", AT(q_norm),          '1', 'q', false, true,  qk_norm },
    { "k_norm.weight", AT(k_norm),          '1', 'k', false, true,  qk_norm },
    { "o.weight",      AT(linear[TL_O]),    'D', 'Q', true,  true,  NULL },
    { "o.bias",        AT(bias[TL_O]),      '1', 'D', false, true,  out_bias },
    { "after1.weight", AT(after1),          '1', 'D', false, true,  after },
    { "after1.bias",   AT(after1_bias),     '1', 'D', false, true,  after_bias },
    { "norm2.weight",  AT(norm2),           '1', 'D', false, false, before },
    { "norm2.bias",    AT(norm2_bias),      '1', 'D', false, false, before_bias },
    { "gate.weight",   AT(linear[TL_GATE]), 'F', 'D', false, false, gated },
    { "gate.bias",     AT(bias[TL_GATE]),   '1', 'F', false, false, gate_bias },
    { "up.weight",     AT(linear[TL_UP]),   'F', 'D', false, false, NULL },
    { "up.bias",       AT(bias[TL_UP]),     '1', 'F', false, false, mlp_bias },
    { "down.weight",   AT(linear[TL_DOWN]), 'D', 'F', true,  false, NULL },
    { "down.bias",     AT(bias[TL_DOWN]),   '1', 'D', false, false, mlp_bias },
    { "after2.weight", AT(after2),          '1', 'D', false, false, after },
    { "after2.bias",   AT(after2_bias),     '1', 'D', false, false, after_bias },
    { 0 }
};
#undef AT
/* clang-format on */
