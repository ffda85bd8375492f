/* adapter_gguf_test.c - GGUF adapters as strangers write them, byte by byte: what is read, and what is refused. */
#define _GNU_SOURCE /* nftw */
#include "model/adapter_memory.h"
#include "tests/check.h"
#include "tests/gguf_writer.h"
#include "tests/scratch.h"

#define LLAMA "tests/golden/model/llama"

enum {
    D = 32,
    Q = 40,
    F32 = 0
};

static tl_model *open_base(void)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    CHECK_OK(tl_model_open(&m, LLAMA, &err), err);
    return m;
}

/* An adapter of rank 1 over layer 0's q: A is 1, 2, 3, ..., B the same. */
typedef struct written {
    gguf_writer w;
    float data[2 * (D + Q)];
} written;

static written begin(const char *type, const char *architecture, const char *kind)
{
    written x = { .w = gguf_begin(3) };
    if (type) gguf_text(&x.w, "general.type", type);
    if (architecture) gguf_text(&x.w, "general.architecture", architecture);
    if (kind) gguf_text(&x.w, "adapter.type", kind);
    for (int i = 0; i < D; i++) x.data[i] = (float)(i + 1);
    for (int i = 0; i < Q; i++) x.data[D + i] = (float)(i + 1);
    return x;
}

static void put_a(written *x, int rank_dims)
{
    gguf_tensor(&x->w, "blk.0.attn_q.weight.lora_a", F32, (uint32_t)rank_dims, (uint64_t[]){ D, 1 }, 0);
}

static void put_b(written *x)
{
    gguf_tensor(&x->w, "blk.0.attn_q.weight.lora_b", F32, 2, (uint64_t[]){ 1, Q }, D * sizeof(float));
}

static const char *end(written *x)
{
    gguf_end(&x->w, x->data, sizeof x->data);
    return scratch_write("a.gguf", x->w.bytes, x->w.size);
}

static void check_refused(const tl_model *m, written *x, int code, const char *says)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    int rc = tl_adapter_load(&a, m, end(x), &err);
    if (rc != code) fail_msg("%d instead of %d: %s", rc, code, err.text);
    CHECK_HAS(err.text, says);
    CHECK_HAS(err.text, "a.gguf");
}

/* Row o of a head 10 wide is stored at 2 o for the first half, at 2 (o - 5) + 1 for the second. */
static void check_read(const tl_model *m, written *x, float scale)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    CHECK_OK(tl_adapter_load(&a, m, end(x), &err), err);
    const tl_lora *q = tl_adapter_lora(a, 0, 0);
    CHECK_INT(q->r, 1);
    CHECK(q->scale == scale);
    const float *A = q->a.data, *B = q->b.data;
    for (int i = 0; i < D; i++) CHECK(A[i] == (float)(i + 1));
    for (int o = 0; o < Q; o++) {
        int h = o % 10, stored = o - h + (h < 5 ? 2 * h : 2 * (h - 5) + 1);
        CHECK(B[o] == (float)(stored + 1));
    }
    CHECK_INT(tl_adapter_lora(a, 1, 0)->r, 0);
    tl_adapter_release(a);
}

TEST(rows_of_llamas_queries_are_put_back_and_alpha_is_the_scale_times_the_rank)
{
    tl_model *m = open_base();
    scratch_begin();
    written x = begin("adapter", "llama", "lora");
    gguf_f32(&x.w, "adapter.lora.alpha", 0.75f);
    put_a(&x, 2);
    put_b(&x);
    check_read(m, &x, 0.75f);
    /* Without an alpha the scale is one; ggml leaves a size of one away. */
    x = begin("adapter", "llama", "lora");
    put_a(&x, 1);
    put_b(&x);
    check_read(m, &x, 1);
    scratch_end();
    tl_model_free(m);
}

TEST(what_is_no_adapter_for_this_base_is_refused_by_key_or_tensor)
{
    static const struct {
        const char *type, *architecture, *kind, *says;
    } words[] = {
        { "model", "llama", "lora", "key general.type is 'model', wanted 'adapter'" },
        { NULL, "llama", "lora", "key general.type is missing" },
        { "adapter", "qwen2", "lora", "key general.architecture is 'qwen2', wanted 'llama'" },
        { "adapter", NULL, "lora", "key general.architecture is missing" },
        { "adapter", "llama", "control", "key adapter.type is 'control'" },
        { "adapter", "llama", NULL, "key adapter.type is missing" },
    };
    tl_model *m = open_base();
    scratch_begin();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        written x = begin(words[i].type, words[i].architecture, words[i].kind);
        put_a(&x, 2);
        put_b(&x);
        check_refused(m, &x, strstr(words[i].says, "missing") ? TL_EFORMAT : TL_EUNSUPPORTED, words[i].says);
    }
    written x = begin("adapter", "llama", "lora");
    gguf_number(&x.w, "adapter.alora.invocation_tokens", TL_GGUF_U32, 3);
    check_refused(m, &x, TL_EUNSUPPORTED, "adapter.alora.invocation_tokens is set");
    x = begin("adapter", "llama", "lora");
    check_refused(m, &x, TL_EFORMAT, "no module of the base is adapted");
    x = begin("adapter", "llama", "lora");
    put_a(&x, 2);
    check_refused(m, &x, TL_EFORMAT, "attn_q.weight.lora_b is missing");
    x = begin("adapter", "llama", "lora");
    put_b(&x);
    check_refused(m, &x, TL_EFORMAT, "attn_q.weight.lora_a is missing");
    x = begin("adapter", "llama", "lora");
    put_a(&x, 2);
    put_b(&x);
    gguf_tensor(&x.w, "blk.0.attn_norm.weight", F32, 1, (uint64_t[]){ D }, (D + Q + 24) * sizeof(float));
    check_refused(m, &x, TL_EUNSUPPORTED, "attn_norm.weight belongs to no targeted module");
    x = begin("adapter", "llama", "lora");
    put_a(&x, 2);
    gguf_tensor(&x.w, "blk.0.attn_q.weight.lora_b", F32, 2, (uint64_t[]){ 1, Q - 8 }, D * sizeof(float));
    check_refused(m, &x, TL_ESHAPE, "is [32, 1], this base wants [40, 1]");
    x = begin("adapter", "llama", "lora");
    gguf_tensor(&x.w, "blk.0.attn_q.weight.lora_a", F32, 1, (uint64_t[]){ D - 8 }, 0);
    put_b(&x);
    check_refused(m, &x, TL_ESHAPE, "lora_a is [1, 24], this base wants [1, 32]");
    x = begin("adapter", "llama", "lora");
    put_a(&x, 2);
    put_b(&x);
    x.data[D + 3] = NAN;
    check_refused(m, &x, TL_ENUMERIC, "lora_b holds NaN");
    scratch_end();
    tl_model_free(m);
}

RUN_TESTS(CASE(rows_of_llamas_queries_are_put_back_and_alpha_is_the_scale_times_the_rank),
          CASE(what_is_no_adapter_for_this_base_is_refused_by_key_or_tensor))
