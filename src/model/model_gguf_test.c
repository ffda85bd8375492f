/* model_gguf_test.c - bases in GGUF files against transformers
 * (tests/golden/gguf), and metadata that is refused. */
#define _GNU_SOURCE /* nftw */
#include "model/model_gguf.h"

#include "base/size.h"
#include "io/safetensors.h"
#include "model/model_memory.h"
#include "tests/check.h"
#include "tests/gguf_writer.h"
#include "tests/logits.h"
#include "tests/scratch.h"

#define HOME "tests/golden/gguf/"

/* Logits of the golden ids at every position, the caller's to free. */
static void check_base(const char *golden_path, const char *name, const tl_backend *backend)
{
    tl_err err = { 0 };
    tl_safetensors *golden = NULL;
    tl_model *m = NULL;
    char path[200];
    CHECK_OK(tl_safetensors_open(&golden, golden_path, &err), err);
    const tl_stored *ids = tl_safetensors_find(golden, "ids");
    snprintf(path, sizeof path, "%s.logits", name);
    const tl_stored *wanted = tl_safetensors_find(golden, path);
    CHECK(ids && wanted);
    snprintf(path, sizeof path, HOME "%s.gguf", name);
    CHECK_OK(tl_model_open(&m, path, &err), err);
    m->backend = backend;
    CHECK_INT(wanted->dims[1], m->config.V);
    float *found = logits_of(m, TL_PRECISION_F32, ids->data, (int)wanted->dims[0]);
    CHECK_CLOSE(found, (const float *)wanted->data, wanted->bytes / sizeof(float), 1e-4, 1.0);
    free(found);
    tl_model_free(m);
    tl_safetensors_close(golden);
}

TEST(logits_of_every_type_and_architecture_are_those_of_transformers)
{
    static const char *const names[] = { "llama-f32",   "llama-q8_0", "llama-q4_0", "llama-bias",
                                         "llama-mixed", "qwen2",      "gpt2" };
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            print_message("  %s on %s\n", names[i], (*b)->name);
            check_base(HOME "golden.safetensors", names[i], *b);
        }
}

TEST(logits_of_every_other_architecture_are_those_of_transformers)
{
    static const char *const names[] = { "llama3", "qwen3", "smollm3",    "granite",  "olmo2",     "gemma2",
                                         "gemma3", "phi3",  "starcoder2", "gpt-neox", "qwen3-moe", "mixtral" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        print_message("  %s\n", names[i]);
        check_base(HOME "architectures.safetensors", names[i], tl_backend_all()[0]);
    }
}

/* The names and layouts of the family are those of a directory: what was read
 * is what is written. */
static void write_and_read(const char *name)
{
    tl_err err = { 0 };
    tl_model *m = NULL, *back = NULL;
    char path[200];
    int ids[] = { 3, 1, 4, 1, 5 };
    snprintf(path, sizeof path, HOME "%s.gguf", name);
    CHECK_OK(tl_model_open(&m, path, &err), err);
    scratch_begin();
    CHECK_OK(tl_model_write(m, scratch_dir, TL_DTYPE_F32, &err), err);
    CHECK_OK(tl_model_open(&back, scratch_dir, &err), err);
    CHECK_INT(back->config.tied, m->config.tied);
    CHECK_INT(tl_model_parameters(back), tl_model_parameters(m));
    float *a = logits_of(m, TL_PRECISION_F32, ids, 5), *b = logits_of(back, TL_PRECISION_F32, ids, 5);
    CHECK(memcmp(a, b, 5 * (size_t)m->config.V * sizeof *a) == 0);
    free(a);
    free(b);
    scratch_end();
    tl_model_free(back);
    tl_model_free(m);
}

TEST(a_base_written_as_a_directory_computes_the_same)
{
    write_and_read("llama-q8_0");
    write_and_read("llama-bias");
    write_and_read("qwen2");
    write_and_read("gpt2");
    write_and_read("llama3"); /* its stored factors as a scheme of long factors */
    write_and_read("phi3");
    write_and_read("gemma3");
    write_and_read("gpt-neox");
}

TEST(an_unfrozen_base_lets_go_of_its_file_and_computes_the_same)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    int ids[] = { 3, 1, 4, 1, 5 };
    const tl_model_options wide = { TL_DTYPE_F32, TL_DTYPE_F32 }; /* blocks cannot be trained */
    CHECK_OK(tl_model_open_as(&m, HOME "llama-q4_0.gguf", &wide, &err), err);
    CHECK_INT(m->config.bos, -1);
    float *a = logits_of(m, TL_PRECISION_F32, ids, 5);
    CHECK_OK(tl_model_unfreeze(m, &err), err);
    float *b = logits_of(m, TL_PRECISION_F32, ids, 5);
    CHECK_CLOSE(b, a, 5 * m->config.V, 1e-6, 1.0);
    free(a);
    free(b);
    tl_model_free(m);
}

TEST(f32_and_bf16_matrices_are_used_where_they_lie)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    CHECK_OK(tl_model_open(&m, HOME "llama-f32.gguf", &err), err);
    CHECK(m->layers[1].linear[TL_DOWN].data == tl_gguf_find(m->memory->gguf, "blk.1.ffn_down.weight")->data);
    CHECK(m->layers[1].linear[TL_Q].data != tl_gguf_find(m->memory->gguf, "blk.1.attn_q.weight")->data);
    tl_model_free(m);
    CHECK_OK(tl_model_open(&m, HOME "llama-bias.gguf", &err), err);
    CHECK(m->layers[0].linear[TL_UP].data == tl_gguf_find(m->memory->gguf, "blk.0.ffn_up.weight")->data);
    CHECK_INT(m->layers[0].linear[TL_K].dtype, TL_DTYPE_BF16); /* reordered in its own type */
    CHECK_INT(m->layers[0].linear[TL_Q].dtype, TL_DTYPE_F32);  /* stored as F16 */
    tl_model_free(m);
}

/* ---- what is refused ---- */

/* The keys of a one-layer llama, D 4, two heads. */
static gguf_writer tiny(const char *architecture)
{
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {
        { "block_count", 1 },         { "context_length", 8 },       { "embedding_length", 4 },
        { "feed_forward_length", 8 }, { "attention.head_count", 2 },
    };
    char key[100];
    gguf_writer w = gguf_begin(3);
    gguf_text(&w, "general.architecture", architecture);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(key, sizeof key, "%s.%s", architecture, keys[i].key);
        gguf_number(&w, key, TL_GGUF_U32, keys[i].value);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", architecture);
    gguf_f32(&w, key, 1e-5f);
    return w;
}

/* With a token table of three rows; opening must fail with these words. */
static void refused(gguf_writer *w, int code, const char *words)
{
    static const float zeros[64];
    tl_err err = { 0 };
    tl_model *m = NULL;
    gguf_tensor(w, "token_embd.weight", 0, 2, (uint64_t[]){ 4, 3 }, 0);
    gguf_end(w, zeros, sizeof zeros);
    int rc = tl_model_open(&m, scratch_write("base.gguf", w->bytes, w->size), &err);
    CHECK(!m);
    CHECK_HAS(err.text, "base.gguf");
    CHECK_HAS(err.text, words);
    CHECK_INT(rc, code);
}

TEST(an_architecture_or_kind_of_file_we_do_not_compute_is_refused_by_name)
{
    scratch_begin();
    gguf_writer w = tiny("mamba");
    refused(&w, TL_EUNSUPPORTED, "general.architecture is 'mamba', supported are llama, qwen2, qwen3, ");
    w = gguf_begin(3);
    refused(&w, TL_EFORMAT, "key general.architecture is missing");
    w = tiny("llama");
    gguf_text(&w, "general.type", "adapter");
    refused(&w, TL_EUNSUPPORTED, "general.type is 'adapter'");
    w = tiny("llama");
    gguf_number(&w, "split.count", TL_GGUF_U16, 3);
    refused(&w, TL_EUNSUPPORTED, "split.count is 3");
    scratch_end();
}

TEST(metadata_that_changes_the_mathematics_is_refused_by_key)
{
    static const struct {
        const char *key;
        float value;
        const char *words;
    } bad[] = {
        { "llama.attention.value_length", 4, "is 4, supported is 2" },
        { "llama.rope.dimension_count", 1, "is 1, supported is 2" },
        { "llama.vocab_size", 4, "is 4, supported is 3" },
        { "llama.rope.scaling.factor", 8, "is 8, supported is 1" },
        { "llama.expert_used_count", 8, "is 8, supported is 0" },
        { "llama.attention.sliding_window", 4096, "is 4096, supported is 0" },
        { "llama.logit_scale", 0.5f, "is 0.5, which is not supported" },
        { "llama.attention.layer_norm_epsilon", 1e-5f, "not supported" },
        { "llama.some.new.thing", 1, "llama.some.new.thing is 1, which is not supported" },
    };
    scratch_begin();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_writer w = tiny("llama");
        gguf_f32(&w, bad[i].key, bad[i].value);
        refused(&w, TL_EUNSUPPORTED, bad[i].words);
    }
    gguf_writer w = tiny("llama");
    gguf_text(&w, "llama.rope.scaling.type", "mrope");
    refused(&w, TL_EUNSUPPORTED, "rotary scheme is 'mrope'");
    w = tiny("llama");
    gguf_text(&w, "llama.rope.scaling.type", "linear");
    refused(&w, TL_EFORMAT, "factor is missing");
    w = tiny("llama");
    gguf_text(&w, "llama.rope.scaling.type", "linear");
    gguf_f32(&w, "llama.rope.scaling.factor", 4);
    gguf_number(&w, "llama.rope.scaling.original_context_length", TL_GGUF_U32, 4);
    refused(&w, TL_EUNSUPPORTED, "rope.scaling.original_context_length is 4");
    w = tiny("llama");
    gguf_array(&w, "llama.attention.head_count_kv", TL_GGUF_U32, 1);
    gguf_u32(&w, 1);
    refused(&w, TL_EFORMAT, "llama.attention.head_count_kv is an array");
    w = tiny("llama");
    gguf_number(&w, "llama.attention.head_count_kv", TL_GGUF_U32, 0);
    refused(&w, TL_EFORMAT, "num_key_value_heads");
    scratch_end();
}

TEST(keys_that_stand_at_what_we_compute_are_taken)
{
    scratch_begin();
    gguf_writer w = tiny("llama");
    gguf_text(&w, "llama.rope.scaling.type", "none");
    gguf_number(&w, "llama.expert_count", TL_GGUF_U32, 0);
    gguf_number(&w, "llama.rope.dimension_count", TL_GGUF_U32, 2);
    gguf_number(&w, "llama.attention.causal", TL_GGUF_BOOL, 1);
    refused(&w, TL_EFORMAT, "tensor output_norm.weight is missing"); /* the keys are not what is
                                                                        wrong */
    scratch_end();
}

TEST(tensors_that_do_not_fit_are_refused_by_name)
{
    scratch_begin();
    gguf_writer w = tiny("llama");
    gguf_tensor(&w, "rope_freqs.weight", 0, 1, (uint64_t[]){ 1 }, 64);
    refused(&w, TL_EFORMAT, "short_factor[0] is no factor");
    w = tiny("llama");
    gguf_tensor(&w, "rope_freqs.weight", 0, 1, (uint64_t[]){ 2 }, 64);
    refused(&w, TL_ESHAPE, "short_factor has 2 numbers, wanted 1");
    w = tiny("llama");
    gguf_tensor(&w, "rope_factors_long.weight", 1, 1, (uint64_t[]){ 1 }, 64);
    refused(&w, TL_EUNSUPPORTED, "tensor rope_factors_long.weight is no list");
    w = tiny("llama");
    gguf_tensor(&w, "output_norm.weight", 0, 1, (uint64_t[]){ 5 }, 64);
    refused(&w, TL_ESHAPE, "tensor output_norm.weight is [5], its metadata wants [4]");
    w = tiny("llama");
    gguf_tensor(&w, "output_norm.weight", 8, 1, (uint64_t[]){ 32 }, 64);
    refused(&w, TL_ESHAPE, "tensor output_norm.weight is [32]");
    w = gguf_begin(3);
    gguf_text(&w, "general.architecture", "llama");
    refused(&w, TL_EFORMAT, "key llama.block_count is missing");
    scratch_end();
}

TEST(a_scale_that_is_no_number_is_refused_by_tensor)
{
    static unsigned char bytes[1 << 16];
    tl_err err = { 0 };
    tl_gguf *g = NULL;
    tl_model *m = NULL;
    FILE *f = fopen(HOME "llama-q8_0.gguf", "rb");
    CHECK(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    CHECK(fclose(f) == 0 && n < sizeof bytes);
    scratch_begin();
    CHECK_OK(tl_gguf_open(&g, scratch_write("base.gguf", bytes, n), &err), err);
    const tl_stored *t = tl_gguf_find(g, "blk.1.ffn_up.weight"), *last = tl_gguf_at(g, tl_gguf_count(g) - 1);
    size_t from_end = (size_t)((const char *)last->data - (const char *)t->data) + tl_size_up(last->bytes, 32);
    bytes[n - from_end + 34 + 1] = 0x7c; /* the second block's scale */
    tl_gguf_close(g);
    CHECK_INT(tl_model_open(&m, scratch_write("base.gguf", bytes, n), &err), TL_ENUMERIC);
    CHECK_HAS(err.text, "tensor blk.1.ffn_up.weight holds NaN or infinity");
    scratch_end();
}

RUN_TESTS(CASE(logits_of_every_type_and_architecture_are_those_of_transformers),
          CASE(logits_of_every_other_architecture_are_those_of_transformers),
          CASE(a_base_written_as_a_directory_computes_the_same),
          CASE(an_unfrozen_base_lets_go_of_its_file_and_computes_the_same),
          CASE(f32_and_bf16_matrices_are_used_where_they_lie),
          CASE(an_architecture_or_kind_of_file_we_do_not_compute_is_refused_by_name),
          CASE(metadata_that_changes_the_mathematics_is_refused_by_key),
          CASE(keys_that_stand_at_what_we_compute_are_taken), CASE(tensors_that_do_not_fit_are_refused_by_name),
          CASE(a_scale_that_is_no_number_is_refused_by_tensor))
