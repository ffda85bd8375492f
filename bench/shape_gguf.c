/* shape_gguf.c - a random model as a GGUF file, version 3 (gguf.h has the layout), for our rows and for peers.
 *
 * The vocabulary is one that every reader takes for SentencePiece's: <unk>, <s>, </s>, the 256 bytes, and made-up
 * pieces up to V, all equally likely. */
#include "bench/shapes.h"

#include "base/buf.h"
#include "bench/shape_tensors.h"
#include "io/atomic.h"
#include "io/gguf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    ALIGN = 32,
    HEAD_LIMIT = 1 << 24,
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN = 2,
    PIECE_CONTROL = 3,
    PIECE_BYTE = 6
};

/* ggml's number of a type. */
static uint32_t ggml_type(tl_dtype t)
{
    switch (t) {
    case TL_DTYPE_BF16:
        return 30;
    case TL_DTYPE_Q8_0:
        return 8;
    case TL_DTYPE_Q4_0:
        return 2;
    default:
        return 0; /* f32 */
    }
}

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
    TL_TRY(put_u32(b, TL_GGUF_STRING, err));
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

static int put_array(tl_buf *b, const char *key, tl_gguf_type type, int n, tl_err *err)
{
    TL_TRY(put_text(b, key, err));
    TL_TRY(put_u32(b, TL_GGUF_ARRAY, err));
    TL_TRY(put_u32(b, type, err));
    return put_u64(b, (uint64_t)n, err);
}

/* Piece i's text; its kind. */
static uint32_t piece(char *out, size_t size, int i)
{
    static const char *const special[] = { "<unk>", "<s>", "</s>" };
    if (i < 3)
        snprintf(out, size, "%s", special[i]);
    else if (i < 259)
        snprintf(out, size, "<0x%02X>", i - 3);
    else
        snprintf(out, size, "\xe2\x96\x81w%d", i); /* U+2581 stands for the space in front of a word */
    return i == 0 ? PIECE_UNKNOWN : i < 3 ? PIECE_CONTROL : i < 259 ? PIECE_BYTE : PIECE_NORMAL;
}

enum {
    VOCABULARY_PAIRS = 4
};

static int put_vocabulary(tl_buf *b, int V, tl_err *err)
{
    char text[32];
    TL_TRY(put_pair_text(b, "tokenizer.ggml.model", "llama", err));
    TL_TRY(put_array(b, "tokenizer.ggml.tokens", TL_GGUF_STRING, V, err));
    for (int i = 0; i < V; i++) {
        piece(text, sizeof text, i);
        TL_TRY(put_text(b, text, err));
    }
    TL_TRY(put_array(b, "tokenizer.ggml.scores", TL_GGUF_F32, V, err));
    for (int i = 0; i < V; i++) TL_TRY(put_u32(b, 0, err));
    TL_TRY(put_array(b, "tokenizer.ggml.token_type", TL_GGUF_I32, V, err));
    for (int i = 0; i < V; i++) TL_TRY(put_u32(b, piece(text, sizeof text, i), err));
    return 0;
}

static int gguf_head(tl_buf *b, const tl_config *c, const tl_shape_tensors *t, tl_err *err)
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
    const float eps = c->norm_eps, theta = (float)c->rope.theta;
    TL_TRY(tl_buf_append(b, "GGUF", 4, err));
    TL_TRY(put_u32(b, 3, err));
    TL_TRY(put_u64(b, (uint64_t)t->n, err));
    TL_TRY(put_u64(b, (uint64_t)n + 3 + VOCABULARY_PAIRS, err));
    TL_TRY(put_pair_text(b, "general.architecture", family, err));
    TL_TRY(put_vocabulary(b, c->V, err));
    for (int i = 0; i < n; i++) TL_TRY(put_pair(b, family, counts[i].key, TL_GGUF_U32, &counts[i].value, err));
    TL_TRY(put_pair(b, family, "attention.layer_norm_rms_epsilon", TL_GGUF_F32, &eps, err));
    TL_TRY(put_pair(b, family, "rope.freq_base", TL_GGUF_F32, &theta, err));
    uint64_t at = 0;
    for (int i = 0; i < t->n; i++) {
        const tl_stored *s = &t->list[i];
        TL_TRY(put_text(b, s->name, err));
        TL_TRY(put_u32(b, (uint32_t)s->n_dims, err));
        for (int d = s->n_dims; d-- > 0;) TL_TRY(put_u64(b, s->dims[d], err));
        TL_TRY(put_u32(b, ggml_type(s->dtype), err));
        TL_TRY(put_u64(b, at, err));
        at += (s->bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    return 0;
}

static int gguf_write(const char *path, const tl_buf *head, const tl_shape_tensors *t, tl_err *err)
{
    static const char zeros[ALIGN];
    tl_save *f = NULL;
    TL_TRY(tl_save_begin(&f, path, err));
    int rc = tl_save_write(f, head->data, head->size, err);
    if (rc == 0) rc = tl_save_write(f, zeros, -head->size % ALIGN, err);
    for (int i = 0; rc == 0 && i < t->n; i++) {
        rc = tl_save_write(f, t->list[i].data, t->list[i].bytes, err);
        if (rc == 0) rc = tl_save_write(f, zeros, -t->list[i].bytes % ALIGN, err);
    }
    if (rc == 0) return tl_save_commit(f, err);
    tl_save_abort(f);
    return rc;
}

int tl_shape_gguf(char *out, size_t size, const char *shape, tl_dtype type, const char *cache, tl_err *err)
{
    tl_config c;
    tl_shape_tensors t = { 0 };
    tl_buf head = tl_buf_make(HEAD_LIMIT);
    snprintf(out, size, "%s/%s-%s.gguf", cache, shape, tl_dtype_name(type));
    if (access(out, R_OK) == 0) return 0;
    TL_TRY(tl_dir_make(cache, err));
    TL_TRY(tl_shape_config(&c, shape, err));
    int rc = tl_shape_tensors_make(&t, &c, type, true, err);
    if (rc == 0) rc = gguf_head(&head, &c, &t, err);
    if (rc == 0) rc = gguf_write(out, &head, &t, err);
    tl_buf_reset(&head);
    tl_shape_tensors_reset(&t);
    return rc;
}
