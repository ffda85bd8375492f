/* shapes.c - config.json, names and numbers of the models. */
#include "bench/shapes.h"

#include "base/buf.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "io/atomic.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct shape {
    const char *name, *config;
} shape;

static const shape shapes[] = {
    { "135M", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"num_hidden_layers\": 30, "
              "\"hidden_size\": 576, \"num_attention_heads\": 9, \"num_key_value_heads\": 3, "
              "\"intermediate_size\": 1536, \"vocab_size\": 49152, \"max_position_embeddings\": 4096, "
              "\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"tie_word_embeddings\": true, \"hidden_act\": "
              "\"silu\"}" },
    { "0.5B", "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"num_hidden_layers\": 24, "
              "\"hidden_size\": 896, \"num_attention_heads\": 14, \"num_key_value_heads\": 2, "
              "\"intermediate_size\": 4864, \"vocab_size\": 151936, \"max_position_embeddings\": 4096, "
              "\"rms_norm_eps\": 1e-6, \"rope_theta\": 1000000.0, \"tie_word_embeddings\": true, \"hidden_act\": "
              "\"silu\"}" },
    { "1.1B", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"num_hidden_layers\": 22, "
              "\"hidden_size\": 2048, \"num_attention_heads\": 32, \"num_key_value_heads\": 4, "
              "\"intermediate_size\": 5632, \"vocab_size\": 32000, \"max_position_embeddings\": 4096, "
              "\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"tie_word_embeddings\": false, \"hidden_act\": "
              "\"silu\"}" },
    { "gpt2", "{\"model_type\": \"gpt2\", \"n_layer\": 12, \"n_embd\": 768, \"n_head\": 12, \"vocab_size\": 50257, "
              "\"n_positions\": 1024, \"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-5}" },
};

static const shape *find(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    assert(!"a row names a shape that there is");
    return NULL;
}

int tl_shape_config(tl_config *out, const char *name, tl_err *err)
{
    json_t *object = json_loads(find(name)->config, 0, NULL);
    if (!object) return tl_fail(err, TL_ENOMEM, "%s: no memory for its config", name);
    int rc = tl_config_parse(out, object, name, err);
    json_decref(object);
    return rc;
}

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
    BIASES = 3,
    NAME = 80,
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

/* A model's tensors.  All matrices are read from the beginning of one block of random numbers. */
typedef struct tensors {
    tl_stored *list;     /* owned */
    char (*names)[NAME]; /* owned */
    int n;
    tl_bf16 *random; /* owned: as many numbers as the largest matrix has */
    float *ones;     /* owned: as many as the longest vector has */
} tensors;

static void tensors_reset(tensors *t)
{
    free(t->list);
    free(t->names);
    free(t->random);
    free(t->ones);
}

static void add(tensors *t, const tl_config *c, const row *r, int layer, bool gguf)
{
    tl_stored *s = &t->list[t->n];
    const size_t rows = dimension(c, r->rows), cols = dimension(c, r->cols);
    const bool vector = r->rows == '1';
    snprintf(t->names[t->n], NAME, gguf ? r->gguf : r->hf, layer);
    *s = (tl_stored){ .name = t->names[t->n++],
                      .dtype = vector ? TL_DTYPE_F32 : TL_DTYPE_BF16,
                      .n_dims = vector ? 1 : 2,
                      .dims = { vector ? cols : rows, vector ? 0 : cols },
                      .data = vector ? (const void *)t->ones : t->random,
                      .bytes = rows * cols * (vector ? sizeof(float) : sizeof(tl_bf16)) };
}

static int tensors_make(tensors *t, const tl_config *c, bool gguf, tl_err *err)
{
    const size_t most = (size_t)c->L * OF_LAYER + OUTSIDE, largest = (size_t)(c->V > c->F ? c->V : c->F) * (size_t)c->D;
    const size_t longest = (size_t)(c->F > c->D ? c->F : c->D);
    *t = (tensors){ .list = calloc(most, sizeof *t->list),
                    .names = calloc(most, sizeof *t->names),
                    .random = malloc(largest * sizeof *t->random),
                    .ones = malloc(longest * sizeof *t->ones) };
    if (!t->list || !t->names || !t->random || !t->ones)
        return tl_fail(err, TL_ENOMEM, "no memory for a random model of %d x %d", c->V, c->D);
    tl_rng rng = tl_rng_make(1, 0);
    for (size_t i = 0; i < largest; i++)
        t->random[i] = tl_f32_to_bf16(((float)(tl_rng_next(&rng) >> 40) / 16777216.0f - 0.5f) * 0.07f);
    for (size_t i = 0; i < longest; i++) t->ones[i] = 1;
    for (int i = 0; i < OUTSIDE - (c->tied ? 1 : 0); i++) add(t, c, &outside[i], 0, gguf);
    for (int l = 0; l < c->L; l++)
        for (int i = 0; i < OF_LAYER - (c->qkv_bias ? 0 : BIASES); i++) add(t, c, &of_layer[i], l, gguf);
    return 0;
}

int tl_shape_dir(char *out, size_t size, const char *name, const char *cache, tl_err *err)
{
    char path[512];
    tl_config c;
    tensors t = { 0 };
    snprintf(out, size, "%s/%s", cache, name);
    snprintf(path, sizeof path, "%s/model.safetensors", out);
    if (access(path, R_OK) == 0) return 0;
    TL_TRY(tl_dir_make(cache, err));
    TL_TRY(tl_dir_make(out, err));
    TL_TRY(tl_shape_config(&c, name, err));
    int rc = tensors_make(&t, &c, false, err);
    char config[512];
    snprintf(config, sizeof config, "%s/config.json", out);
    if (rc == 0) rc = tl_file_save(config, find(name)->config, strlen(find(name)->config), err);
    if (rc == 0) rc = tl_safetensors_save(path, t.list, t.n, NULL, 0, err); /* last: its presence says all is there */
    tensors_reset(&t);
    return rc;
}

/* ---- GGUF, version 3: magic, counts, pairs, tensor lines, padding, data ---- */

enum {
    GGUF_U32 = 4,
    GGUF_F32 = 6,
    GGUF_STRING = 8,
    GGUF_ALIGN = 32,
    GGML_F32 = 0,
    GGML_BF16 = 30
};

static int put_u32(tl_buf *b, uint32_t x, tl_err *err)
{
    return tl_buf_append(b, &x, sizeof x, err);
}

static int put_u64(tl_buf *b, uint64_t x, tl_err *err)
{
    return tl_buf_append(b, &x, sizeof x, err);
}

static int put_text(tl_buf *b, const char *s, tl_err *err)
{
    TL_TRY(put_u64(b, strlen(s), err));
    return tl_buf_append(b, s, strlen(s), err);
}

static int put_pair_text(tl_buf *b, const char *key, const char *value, tl_err *err)
{
    TL_TRY(put_text(b, key, err));
    TL_TRY(put_u32(b, GGUF_STRING, err));
    return put_text(b, value, err);
}

static int put_pair(tl_buf *b, const char *family, const char *key, uint32_t type, const void *value, tl_err *err)
{
    char whole[80];
    snprintf(whole, sizeof whole, "%s.%s", family, key);
    TL_TRY(put_text(b, whole, err));
    TL_TRY(put_u32(b, type, err));
    return tl_buf_append(b, value, 4, err);
}

static int gguf_head(tl_buf *b, const tl_config *c, const tensors *t, tl_err *err)
{
    const char *family = c->qkv_bias ? "qwen2" : "llama";
    const struct {
        const char *key;
        uint32_t value;
    } counts[] = { { "block_count", (uint32_t)c->L },
                   { "context_length", (uint32_t)c->T },
                   { "embedding_length", (uint32_t)c->D },
                   { "feed_forward_length", (uint32_t)c->F },
                   { "attention.head_count", (uint32_t)c->H },
                   { "attention.head_count_kv", (uint32_t)c->G },
                   { "vocab_size", (uint32_t)c->V } };
    const int n = sizeof counts / sizeof *counts;
    const float eps = c->norm_eps, theta = (float)c->rope_theta;
    TL_TRY(tl_buf_append(b, "GGUF", 4, err));
    TL_TRY(put_u32(b, 3, err));
    TL_TRY(put_u64(b, (uint64_t)t->n, err));
    TL_TRY(put_u64(b, (uint64_t)n + 4, err));
    TL_TRY(put_pair_text(b, "general.architecture", family, err));
    TL_TRY(put_pair_text(b, "tokenizer.ggml.model", "no_vocab", err));
    for (int i = 0; i < n; i++) TL_TRY(put_pair(b, family, counts[i].key, GGUF_U32, &counts[i].value, err));
    TL_TRY(put_pair(b, family, "attention.layer_norm_rms_epsilon", GGUF_F32, &eps, err));
    TL_TRY(put_pair(b, family, "rope.freq_base", GGUF_F32, &theta, err));
    uint64_t at = 0;
    for (int i = 0; i < t->n; i++) {
        const tl_stored *s = &t->list[i];
        TL_TRY(put_text(b, s->name, err));
        TL_TRY(put_u32(b, (uint32_t)s->n_dims, err));
        for (int d = s->n_dims; d-- > 0;) TL_TRY(put_u64(b, s->dims[d], err));
        TL_TRY(put_u32(b, s->dtype == TL_DTYPE_F32 ? GGML_F32 : GGML_BF16, err));
        TL_TRY(put_u64(b, at, err));
        at += (s->bytes + GGUF_ALIGN - 1) / GGUF_ALIGN * GGUF_ALIGN;
    }
    return 0;
}

static int gguf_write(const char *path, const tl_buf *head, const tensors *t, tl_err *err)
{
    static const char zeros[GGUF_ALIGN];
    tl_save *f = NULL;
    TL_TRY(tl_save_begin(&f, path, err));
    int rc = tl_save_write(f, head->data, head->size, err);
    if (rc == 0) rc = tl_save_write(f, zeros, -head->size % GGUF_ALIGN, err);
    for (int i = 0; rc == 0 && i < t->n; i++) {
        rc = tl_save_write(f, t->list[i].data, t->list[i].bytes, err);
        if (rc == 0) rc = tl_save_write(f, zeros, -t->list[i].bytes % GGUF_ALIGN, err);
    }
    if (rc == 0) return tl_save_commit(f, err);
    tl_save_abort(f);
    return rc;
}

int tl_shape_gguf(char *out, size_t size, const char *name, const char *cache, tl_err *err)
{
    tl_config c;
    tensors t = { 0 };
    tl_buf head = tl_buf_make((size_t)1 << 20);
    snprintf(out, size, "%s/%s-bf16.gguf", cache, name);
    if (access(out, R_OK) == 0) return 0;
    TL_TRY(tl_dir_make(cache, err));
    TL_TRY(tl_shape_config(&c, name, err));
    int rc = tensors_make(&t, &c, true, err);
    if (rc == 0) rc = gguf_head(&head, &c, &t, err);
    if (rc == 0) rc = gguf_write(out, &head, &t, err);
    tl_buf_reset(&head);
    tensors_reset(&t);
    return rc;
}
