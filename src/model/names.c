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

static bool gated(const tl_config *c)
{
    return c->activation == TL_ACTIVATION_SWIGLU;
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
    return c->mlp_bias && gated(c);
}

/* clang-format off */
#define AT(member) offsetof(tl_model, member)
const tl_weight_row tl_model_rows[] = {
    { "tokens.weight",    AT(tokens),    'V', 'D', false, NULL },
    { "positions.weight", AT(positions), 'T', 'D', false, learned_positions },
    { "norm.weight",      AT(norm),      '1', 'D', false, NULL },
    { "norm.bias",        AT(norm_bias), '1', 'D', false, layer_norm },
    { "head.weight",      AT(head),      'V', 'D', false, untied },
    { 0 }
};
#undef AT

#define AT(member) offsetof(tl_layer, member)
const tl_weight_row tl_layer_rows[] = {
    { "norm1.weight", AT(norm1),           '1', 'D', false, NULL },
    { "norm1.bias",   AT(norm1_bias),      '1', 'D', false, layer_norm },
    { "q.weight",     AT(linear[TL_Q]),    'Q', 'D', false, NULL },
    { "q.bias",       AT(bias[TL_Q]),      '1', 'Q', false, qkv_bias },
    { "k.weight",     AT(linear[TL_K]),    'K', 'D', false, NULL },
    { "k.bias",       AT(bias[TL_K]),      '1', 'K', false, qkv_bias },
    { "v.weight",     AT(linear[TL_V]),    'K', 'D', false, NULL },
    { "v.bias",       AT(bias[TL_V]),      '1', 'K', false, qkv_bias },
    { "o.weight",     AT(linear[TL_O]),    'D', 'Q', true,  NULL },
    { "o.bias",       AT(bias[TL_O]),      '1', 'D', false, out_bias },
    { "norm2.weight", AT(norm2),           '1', 'D', false, NULL },
    { "norm2.bias",   AT(norm2_bias),      '1', 'D', false, layer_norm },
    { "gate.weight",  AT(linear[TL_GATE]), 'F', 'D', false, gated },
    { "gate.bias",    AT(bias[TL_GATE]),   '1', 'F', false, gate_bias },
    { "up.weight",    AT(linear[TL_UP]),   'F', 'D', false, NULL },
    { "up.bias",      AT(bias[TL_UP]),     '1', 'F', false, mlp_bias },
    { "down.weight",  AT(linear[TL_DOWN]), 'D', 'F', true,  NULL },
    { "down.bias",    AT(bias[TL_DOWN]),   '1', 'D', false, mlp_bias },
    { 0 }
};
#undef AT
/* clang-format on */
