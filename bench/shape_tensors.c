/* shape_tensors.c - names, sizes and random numbers. */
#include "bench/shape_tensors.h"

#include "base/block_formats.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>

/* A tensor's names in the two layouts; %d is the layer.  Sizes as letters: D, V, F, Q = H h, K = G h. */
typedef struct row {
    const char *hf, *gguf;
    char rows, cols; /* rows '1': a vector */
} row;

static const row outside[] = {
    { "model.embed_tokens.weight", "token_embd.weight", 'V', 'D' },
    { "model.norm.weight", "output_norm.weight", '1', 'D' },
    { "lm_head.weight", "output.weight", 'V', 'D' }, /* where it is not tied: stays last */
};

static const row of_layer[] = {
    { "model.layers.%d.input_layernorm.weight", "blk.%d.attn_norm.weight", '1', 'D' },
    { "model.layers.%d.post_attention_layernorm.weight", "blk.%d.ffn_norm.weight", '1', 'D' },
    { "model.layers.%d.self_attn.q_proj.weight", "blk.%d.attn_q.weight", 'Q', 'D' },
    { "model.layers.%d.self_attn.k_proj.weight", "blk.%d.attn_k.weight", 'K', 'D' },
    { "model.layers.%d.self_attn.v_proj.weight", "blk.%d.attn_v.weight", 'K', 'D' },
    { "model.layers.%d.self_attn.o_proj.weight", "blk.%d.attn_output.weight", 'D', 'Q' },
    { "model.layers.%d.mlp.gate_proj.weight", "blk.%d.ffn_gate.weight", 'F', 'D' },
    { "model.layers.%d.mlp.up_proj.weight", "blk.%d.ffn_up.weight", 'F', 'D' },
    { "model.layers.%d.mlp.down_proj.weight", "blk.%d.ffn_down.weight", 'D', 'F' },
    { "model.layers.%d.self_attn.q_proj.bias", "blk.%d.attn_q.bias", '1', 'Q' }, /* qwen2: from here on */
    { "model.layers.%d.self_attn.k_proj.bias", "blk.%d.attn_k.bias", '1', 'K' },
    { "model.layers.%d.self_attn.v_proj.bias", "blk.%d.attn_v.bias", '1', 'K' },
};

enum {
    OUTSIDE = sizeof outside / sizeof *outside,
    OF_LAYER = sizeof of_layer / sizeof *of_layer,
    BIASES = 3
};

static size_t dimension(const tl_config *c, char letter)
{
    switch (letter) {
    case 'D':
        return (size_t)c->D;
    case 'V':
        return (size_t)c->V;
    case 'F':
        return (size_t)c->F;
    case 'Q':
        return (size_t)c->H * (size_t)c->h;
    case 'K':
        return (size_t)c->G * (size_t)c->h;
    default:
        return 1;
    }
}

static void add(tl_shape_tensors *t, const tl_config *c, tl_dtype type, const row *r, int layer, bool gguf)
{
    tl_stored *s = &t->list[t->n];
    const size_t rows = dimension(c, r->rows), cols = dimension(c, r->cols);
    const bool vector = r->rows == '1';
    snprintf(t->names[t->n], TL_SHAPE_NAME, gguf ? r->gguf : r->hf, layer);
    *s = (tl_stored){ .name = t->names[t->n++],
                      .dtype = vector ? TL_DTYPE_F32 : type,
                      .n_dims = vector ? 1 : 2,
                      .dims = { vector ? cols : rows, vector ? 0 : cols },
                      .data = vector ? t->ones : t->random,
                      .bytes = vector ? cols * sizeof(float) : rows * tl_dtype_row_bytes(type, cols) };
}

/* n numbers of the type, a row at a time. */
static void fill(void *out, tl_dtype type, size_t n)
{
    enum {
        SOME = 256
    };
    float x[SOME];
    tl_rng rng = tl_rng_make(1, 0);
    for (size_t at = 0; at < n; at += SOME) {
        char *to = (char *)out + tl_dtype_row_bytes(type, at);
        for (int i = 0; i < SOME; i++) x[i] = ((float)(tl_rng_next(&rng) >> 40) / 16777216.0f - 0.5f) * 0.07f;
        if (tl_block_writable(type))
            tl_block_from_f32(type, to, x, SOME);
        else
            for (int i = 0; i < SOME; i++) ((tl_bf16 *)(void *)to)[i] = tl_f32_to_bf16(x[i]);
    }
}

int tl_shape_tensors_make(tl_shape_tensors *t, const tl_config *c, tl_dtype type, bool gguf, tl_err *err)
{
    const size_t most = (size_t)c->L * OF_LAYER + OUTSIDE, longest = (size_t)(c->F > c->D ? c->F : c->D);
    const size_t largest = ((size_t)(c->V > c->F ? c->V : c->F) * (size_t)c->D + 255) / 256 * 256;
    *t = (tl_shape_tensors){ .list = calloc(most, sizeof *t->list),
                             .names = calloc(most, sizeof *t->names),
                             .random = malloc(tl_dtype_row_bytes(type, largest)),
                             .ones = malloc(longest * sizeof *t->ones) };
    if (!t->list || !t->names || !t->random || !t->ones)
        return tl_fail(err, TL_ENOMEM, "no memory for a random model of %d x %d", c->V, c->D);
    fill(t->random, type, largest);
    for (size_t i = 0; i < longest; i++) t->ones[i] = 1;
    for (int i = 0; i < OUTSIDE - (c->tied ? 1 : 0); i++) add(t, c, type, &outside[i], 0, gguf);
    for (int l = 0; l < c->L; l++)
        for (int i = 0; i < OF_LAYER - (c->qkv_bias ? 0 : BIASES); i++) add(t, c, type, &of_layer[i], l, gguf);
    return 0;
}

void tl_shape_tensors_reset(tl_shape_tensors *t)
{
    free(t->list);
    free(t->names);
    free(t->random);
    free(t->ones);
    *t = (tl_shape_tensors){ 0 };
}
