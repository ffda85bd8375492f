/* model_gguf_write_test.c - bases into GGUF files and back: the same numbers, or a refusal by name. */
#define _GNU_SOURCE /* nftw */
#include "model/model_gguf_write.h"

#include "base/block_formats.h"
#include "base/interrupt.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/model_gguf.h"
#include "tests/check.h"
#include "tests/edited_tensors.h"
#include "tests/golden_bases.h"
#include "tests/scratch.h"

#include <signal.h>
#include <sys/stat.h>

#define GGUF_HOME "tests/golden/gguf/"

static tl_model *open_rows(const char *path)
{
    tl_err err;
    tl_model *m = NULL;
    CHECK_OK(tl_model_open_rows(&m, path, &err), err);
    return m;
}

static int to_gguf(const tl_model *m, const char *path, tl_dtype layers, tl_dtype tables, tl_err *err)
{
    tl_gguf_base b = { 0 };
    const tl_gguf_types types = { layers, tables };
    TL_TRY(tl_gguf_base_make(&b, m, "a base", &types, err));
    int rc = tl_gguf_draft_save(b.draft, path, tl_layout_list_write, &b.list, err);
    tl_gguf_base_reset(&b);
    return rc;
}

static void to_hf(const tl_model *m, const char *dir, tl_dtype dtype, size_t shard)
{
    tl_err err;
    tl_write_options o = tl_write_defaults();
    o.dtype = dtype;
    o.shard_bytes = shard;
    mkdir(dir, 0777);
    CHECK_OK(tl_model_write_with(m, dir, &o, &err), err);
}

/* Every tensor of one directory is in the other, to the bit. */
static void check_same_tensors(const char *found, const char *wanted)
{
    tl_err err;
    tl_safetensors *a = NULL, *b = NULL;
    CHECK_OK(tl_safetensors_open(&a, found, &err), err);
    CHECK_OK(tl_safetensors_open(&b, wanted, &err), err);
    CHECK_INT(tl_safetensors_count(a), tl_safetensors_count(b));
    for (int i = 0; i < tl_safetensors_count(b); i++) {
        const tl_stored *w = tl_safetensors_at(b, i), *f = tl_safetensors_find(a, w->name);
        if (!f || f->dtype != w->dtype || f->bytes != w->bytes || memcmp(f->data, w->data, w->bytes) != 0)
            fail_msg("%s: %s is another", found, w->name);
    }
    tl_safetensors_close(a);
    tl_safetensors_close(b);
}

/* Golden bases with settings for which the format has no words. */
static const struct {
    const char *name, *words;
} unsaid[] = {
    { "mistral", "'llama' cannot say that sliding_window is 9: it would be read as null" },
    { "qwen2", "'qwen2' cannot say that use_sliding_window is true" },
    { "smollm3", "'smollm3' cannot say that no_rope_layers is [1,0]: it would be read as [1,1]" },
    { "gemma2", "'gemma2' cannot say that query_pre_attn_scalar is 5: it would be read as 8" },
    { "gemma3", "'gemma3' cannot say that query_pre_attn_scalar is 11: it would be read as 8" },
    { "qwen3-moe", "'qwen3moe' cannot say that norm_topk_prob is false: it would be read as true" },
};

static const char *refusal(const char *name)
{
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++)
        if (strcmp(unsaid[i].name, name) == 0) return unsaid[i].words;
    return NULL;
}

TEST(a_base_comes_back_from_gguf_to_the_bit)
{
    static const tl_dtype types[] = { TL_DTYPE_F32, TL_DTYPE_BF16 };
    int whole = 0;
    for (int i = 0; i < 2 * GOLDEN_BASES; i++) {
        tl_err err;
        char home[100];
        const tl_dtype type = types[i % 2];
        snprintf(home, sizeof home, GOLDEN_HOME "%s", golden_bases[i / 2].name);
        if (refusal(golden_bases[i / 2].name)) continue;
        scratch_begin();
        tl_model *m = open_rows(home);
        to_hf(m, scratch("first"), type, 0); /* in that type */
        tl_model_free(m);
        m = open_rows(scratch("first"));
        CHECK_OK(to_gguf(m, scratch("base.gguf"), type, type, &err), err);
        tl_model *back = open_rows(scratch("base.gguf"));
        to_hf(back, scratch("second"), type, 0);
        check_same_tensors(scratch("second"), scratch("first"));
        if (type == TL_DTYPE_F32) check_same_tensors(scratch("first"), home);
        back->config.bos = m->config.bos; /* those are the tokenizer's to say */
        back->config.eos = m->config.eos;
        back->config.pad = m->config.pad;
        if (m->config.rope.kind == TL_ROPE_LONG)
            back->config.rope.attention = 0; /* said where it went without saying */
        json_t *was = tl_config_json(&m->config), *is = tl_config_json(&back->config);
        if (!json_equal(was, is)) fail_msg("%s: another config: %s", home, json_dumps(is, JSON_COMPACT));
        json_decref(was);
        json_decref(is);
        tl_model_free(m);
        tl_model_free(back);
        scratch_end();
        whole++;
    }
    CHECK_INT(whole, 2 * (GOLDEN_BASES - (int)(sizeof unsaid / sizeof *unsaid)));
}

TEST(what_the_format_cannot_say_is_refused_by_name)
{
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++) {
        tl_err err;
        char home[100];
        scratch_begin();
        snprintf(home, sizeof home, GOLDEN_HOME "%s", unsaid[i].name);
        tl_model *m = open_rows(home);
        CHECK_INT(to_gguf(m, scratch("base.gguf"), TL_DTYPE_F32, TL_DTYPE_F32, &err), TL_EUNSUPPORTED);
        CHECK_HAS(err.text, unsaid[i].words);
        CHECK_INT(scratch_count(scratch_dir), 0);
        m->config.rope.kind = TL_ROPE_DYNAMIC;
        m->config.rope.factor = 2;
        CHECK_INT(to_gguf(m, scratch("base.gguf"), TL_DTYPE_F32, TL_DTYPE_F32, &err), TL_EUNSUPPORTED);
        CHECK_HAS(err.text, "'dynamic'");
        tl_model_free(m);
        scratch_end();
    }
}

/* The files that the gguf package and transformers' models made, all types of blocks among them. */
static const char *const files[] = {
    "llama-f32", "llama-bias", "llama-mixed", "llama-q4_0", "llama-q8_0", "qwen2",  "gpt2",
    "llama3",    "qwen3",      "smollm3",     "granite",    "olmo2",      "gemma2", "gemma3",
    "phi3",      "starcoder2", "gpt-neox",    "qwen3-moe",  "mixtral",
};

TEST(a_file_of_other_programs_is_written_again_tensor_by_tensor)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tl_err err;
        tl_gguf *a = NULL, *b = NULL;
        char path[100];
        scratch_begin();
        snprintf(path, sizeof path, GGUF_HOME "%s.gguf", files[i]);
        tl_model *m = open_rows(path);
        CHECK_OK(to_gguf(m, scratch("again.gguf"), TL_DTYPE_COUNT, TL_DTYPE_COUNT, &err), err);
        CHECK_OK(tl_gguf_open(&a, scratch("again.gguf"), &err), err);
        CHECK_OK(tl_gguf_open(&b, path, &err), err);
        for (int k = 0; k < tl_gguf_count(b); k++) {
            const tl_stored *w = tl_gguf_at(b, k), *f = tl_gguf_find(a, w->name);
            if (m->config.tied && strcmp(w->name, "output.weight") == 0) continue; /* was there twice */
            if (!f || f->n_dims != w->n_dims || memcmp(f->dims, w->dims, sizeof w->dims) != 0)
                fail_msg("%s: %s is another", path, w->name);
            bool same = f->dtype == w->dtype && memcmp(f->data, w->data, w->bytes) == 0;
            bool factors = strncmp(w->name, "rope_f", 6) == 0; /* llama3's are computed again */
            bool router =
                strstr(w->name, "ffn_gate_inp") != NULL || strstr(w->name, "position_embd") != NULL; /* F32 now */
            if (!same && !factors && !router) fail_msg("%s: %s has other bytes", path, w->name);
        }
        tl_config was, is;
        tl_layout layout;
        CHECK_OK(tl_gguf_config(&was, &layout, b, &err), err);
        CHECK_OK(tl_gguf_config(&is, &layout, a, &err), err);
        was.bos = was.eos = -1; /* those are the tokenizer's to say */
        json_t *x = tl_config_json(&was), *y = tl_config_json(&is);
        if (!json_equal(x, y)) fail_msg("%s: another config: %s", path, json_dumps(y, JSON_COMPACT));
        json_decref(x);
        json_decref(y);
        tl_gguf_close(a);
        tl_gguf_close(b);
        tl_model_free(m);
        scratch_end();
    }
}

/* Gains of Gemma are stored as they multiply: from there to a directory and back no bit changes. */
TEST(gemma_keeps_the_gains_of_its_file)
{
    for (int i = 0; i < 2; i++) {
        tl_err err;
        tl_gguf *a = NULL, *b = NULL;
        const char *path = i ? GGUF_HOME "gemma3.gguf" : GGUF_HOME "gemma2.gguf";
        scratch_begin();
        tl_model *m = open_rows(path);
        to_hf(m, scratch("hf"), TL_DTYPE_F32, 0);
        tl_model_free(m);
        m = open_rows(scratch("hf"));
        CHECK_OK(to_gguf(m, scratch("back.gguf"), TL_DTYPE_F16, TL_DTYPE_F16, &err), err);
        CHECK_OK(tl_gguf_open(&a, scratch("back.gguf"), &err), err);
        CHECK_OK(tl_gguf_open(&b, path, &err), err);
        for (int k = 0; k < tl_gguf_count(b); k++) {
            const tl_stored *w = tl_gguf_at(b, k), *f = tl_gguf_find(a, w->name);
            CHECK(f && f->dtype == w->dtype && f->bytes == w->bytes);
            if (memcmp(f->data, w->data, w->bytes) != 0) fail_msg("%s: %s has other bytes", path, w->name);
        }
        tl_gguf_close(a);
        tl_gguf_close(b);
        tl_model_free(m);
        scratch_end();
    }
}

static double error_of(const tl_stored *found, const tl_stored *wanted)
{
    const size_t n = wanted->bytes / 4;
    const float *w = wanted->data;
    float *x = malloc(n * sizeof *x);
    double off = 0, all = 0;
    if (tl_block_readable(found->dtype))
        tl_block_to_f32(found->dtype, x, found->data, n);
    else
        tl_dtype_widen(x, found->data, found->dtype, n);
    for (size_t i = 0; i < n; i++) {
        off += (double)(x[i] - w[i]) * (double)(x[i] - w[i]);
        all += (double)w[i] * (double)w[i];
    }
    free(x);
    return sqrt(off / all);
}

/* llama-f32.gguf has rows of 256 and of 64 numbers. */
TEST(matrices_get_the_type_that_is_asked_for_or_the_next_that_fits)
{
    static const struct {
        tl_dtype wanted, whole, part, odd;
        double error; /* of normal numbers, at most */
    } rows[] = {
        { TL_DTYPE_F32, TL_DTYPE_F32, TL_DTYPE_F32, TL_DTYPE_F32, 0 },
        { TL_DTYPE_F16, TL_DTYPE_F16, TL_DTYPE_F16, TL_DTYPE_F16, 0.0005 },
        { TL_DTYPE_BF16, TL_DTYPE_BF16, TL_DTYPE_BF16, TL_DTYPE_BF16, 0.004 },
        { TL_DTYPE_Q8_0, TL_DTYPE_Q8_0, TL_DTYPE_Q8_0, TL_DTYPE_F16, 0.008 },
        { TL_DTYPE_Q4_0, TL_DTYPE_Q4_0, TL_DTYPE_Q4_0, TL_DTYPE_F16, 0.11 },
        { TL_DTYPE_Q4_K, TL_DTYPE_Q4_K, TL_DTYPE_Q5_0, TL_DTYPE_F16, 0.09 },
    };
    static const char *const bases[] = { GGUF_HOME "llama-mixed.gguf", GOLDEN_HOME "llama" };
    int seen[TL_DTYPE_COUNT] = { 0 };
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        tl_err err;
        tl_gguf *exact = NULL, *g = NULL;
        const size_t r = i / 2;
        scratch_begin();
        tl_model *m = open_rows(bases[i % 2]);
        CHECK_OK(to_gguf(m, scratch("exact.gguf"), TL_DTYPE_F32, TL_DTYPE_F32, &err), err);
        CHECK_OK(to_gguf(m, scratch("some.gguf"), rows[r].wanted, TL_DTYPE_Q8_0, &err), err);
        CHECK_OK(tl_gguf_open(&exact, scratch("exact.gguf"), &err), err);
        CHECK_OK(tl_gguf_open(&g, scratch("some.gguf"), &err), err);
        for (int k = 0; k < tl_gguf_count(g); k++) {
            const tl_stored *t = tl_gguf_at(g, k);
            const bool table = strcmp(t->name, "token_embd.weight") == 0 || strcmp(t->name, "output.weight") == 0;
            const size_t row = t->dims[t->n_dims - 1];
            const tl_dtype fits = row % 256 == 0 ? rows[r].whole : row % 32 == 0 ? rows[r].part : rows[r].odd;
            const tl_dtype wanted = t->n_dims == 1           ? TL_DTYPE_F32
                                    : table && row % 32 == 0 ? TL_DTYPE_Q8_0
                                    : table                  ? TL_DTYPE_F16
                                                             : fits;
            CHECK_STR(tl_dtype_name(t->dtype), tl_dtype_name(wanted));
            seen[wanted]++;
            const double error = error_of(t, tl_gguf_find(exact, t->name));
            if (error > (table ? 0.008 : rows[r].error + 1e-9))
                fail_msg("%s as %s errs %g", t->name, tl_dtype_name(wanted), error);
        }
        int type, version;
        CHECK_OK(tl_gguf_int(g, "general.file_type", 0, 100, &type, &err), err);
        CHECK_OK(tl_gguf_int_or(g, "general.quantization_version", 2, 2, 0, &version, &err), err);
        tl_gguf_close(exact);
        tl_gguf_close(g);
        tl_model_free(m);
        scratch_end();
    }
    CHECK(seen[TL_DTYPE_Q4_K] && seen[TL_DTYPE_Q5_0] && seen[TL_DTYPE_F16] && seen[TL_DTYPE_Q4_0] &&
          seen[TL_DTYPE_BF16]);
}

TEST(what_a_file_was_made_of_changes_nothing_in_it)
{
    tl_err err;
    tl_buf by_rows = tl_buf_make(1 << 20), loaded = tl_buf_make(1 << 20);
    tl_model *m = NULL;
    scratch_begin();
    const tl_model_options as_they_are = tl_model_defaults();
    for (int i = 0; i < 3; i++) { /* transposed, by heads, blocks in panels */
        static const char *const bases[] = { GOLDEN_HOME "gpt2", GOLDEN_HOME "gpt-neox", GGUF_HOME "llama-q4_0.gguf" };
        const tl_dtype type = i == 2 ? TL_DTYPE_Q4_0 : TL_DTYPE_F32; /* which its own numbers go into again */
        tl_buf_clear(&by_rows);
        tl_buf_clear(&loaded);
        m = open_rows(bases[i]);
        CHECK_OK(to_gguf(m, scratch("a.gguf"), type, type, &err), err);
        tl_model_free(m);
        CHECK_OK(tl_model_open_as(&m, bases[i], &as_they_are, &err), err);
        CHECK_OK(to_gguf(m, scratch("b.gguf"), type, type, &err), err);
        tl_model_free(m);
        CHECK_OK(tl_file_read(scratch("a.gguf"), 1 << 20, &by_rows, &err), err);
        CHECK_OK(tl_file_read(scratch("b.gguf"), 1 << 20, &loaded, &err), err);
        CHECK(by_rows.size == loaded.size && memcmp(by_rows.data, loaded.data, loaded.size) == 0);
    }
    tl_buf_reset(&by_rows);
    tl_buf_reset(&loaded);
    scratch_end();
}

TEST(shards_hold_what_one_file_holds)
{
    tl_err err;
    json_t *index = NULL;
    scratch_begin();
    tl_model *m = open_rows(GOLDEN_HOME "llama");
    to_hf(m, scratch("whole"), TL_DTYPE_BF16, 0);
    to_hf(m, scratch("cut"), TL_DTYPE_BF16, 3000);
    to_hf(m, scratch("each"), TL_DTYPE_BF16, 1);
    check_same_tensors(scratch("cut"), scratch("whole"));
    check_same_tensors(scratch("each"), scratch("whole"));
    CHECK(access(scratch("whole/model.safetensors.index.json"), F_OK) != 0);
    CHECK(access(scratch("cut/model.safetensors"), F_OK) != 0);
    CHECK_OK(tl_json_load(&index, scratch("each/model.safetensors.index.json"), &err), err);
    tl_safetensors *s = NULL;
    CHECK_OK(tl_safetensors_open(&s, scratch("whole"), &err), err);
    size_t bytes = 0;
    for (int i = 0; i < tl_safetensors_count(s); i++) bytes += tl_safetensors_at(s, i)->bytes;
    CHECK_INT(json_integer_value(json_object_get(json_object_get(index, "metadata"), "total_size")), bytes);
    CHECK_INT(scratch_count(scratch("each")), tl_safetensors_count(s) + 2); /* the index and config.json */
    tl_safetensors_close(s);
    json_decref(index);
    tl_model_free(m);
    scratch_end();
}

static float odd_number;

static void put_odd_number(edit *e)
{
    static float numbers[4096];
    tl_stored *t = edit_find(e, "model.layers.1.mlp.down_proj.weight");
    CHECK(t->dtype == TL_DTYPE_F32 && t->bytes <= sizeof numbers);
    memcpy(numbers, t->data, t->bytes);
    numbers[t->bytes / sizeof(float) - 3] = odd_number;
    t->data = numbers;
}

TEST(a_number_that_the_type_cannot_hold_is_refused_by_its_tensor)
{
    static const struct {
        tl_dtype type;
        float number;
        const char *words;
    } rows[] = { { TL_DTYPE_F16, 70000, "down_proj.weight holds a number that is NaN, infinite or too large for F16" },
                 { TL_DTYPE_F32, NAN, "down_proj.weight holds" },
                 { TL_DTYPE_BF16, INFINITY, "down_proj.weight holds NaN or infinity" } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tl_err err = { 0 };
        scratch_begin();
        tl_model *m = open_rows(GOLDEN_HOME "llama");
        to_hf(m, scratch("odd"), TL_DTYPE_F32, 0);
        tl_model_free(m);
        odd_number = rows[i].number;
        edited_tensors("odd/model.safetensors", put_odd_number);
        mkdir(scratch("out"), 0777);
        m = open_rows(scratch("odd"));
        CHECK_INT(tl_model_write(m, scratch("out"), rows[i].type, &err), TL_ENUMERIC);
        CHECK_HAS(err.text, rows[i].words);
        CHECK(access(scratch("out/model.safetensors"), F_OK) != 0);
        tl_model_free(m);
        scratch_end();
    }
}

/* The last of all: from here on every loop that asks is told to stop. */
TEST(a_signal_to_stop_leaves_what_was_there)
{
    tl_err err;
    tl_buf b = tl_buf_make(100);
    scratch_begin();
    tl_model *m = open_rows(GOLDEN_HOME "llama");
    scratch_text("base.gguf", "before");
    tl_interrupt_watch();
    raise(SIGINT);
    CHECK_INT(to_gguf(m, scratch("base.gguf"), TL_DTYPE_F32, TL_DTYPE_F32, &err), TL_EINTERRUPTED);
    CHECK_OK(tl_file_read(scratch("base.gguf"), 100, &b, &err), err);
    CHECK_STR(b.data, "before");
    CHECK_INT(scratch_count(scratch_dir), 1);
    tl_buf_reset(&b);
    tl_model_free(m);
    scratch_end();
}

RUN_TESTS(CASE(a_base_comes_back_from_gguf_to_the_bit), CASE(what_the_format_cannot_say_is_refused_by_name),
          CASE(a_file_of_other_programs_is_written_again_tensor_by_tensor), CASE(gemma_keeps_the_gains_of_its_file),
          CASE(matrices_get_the_type_that_is_asked_for_or_the_next_that_fits),
          CASE(what_a_file_was_made_of_changes_nothing_in_it), CASE(shards_hold_what_one_file_holds),
          CASE(a_number_that_the_type_cannot_hold_is_refused_by_its_tensor),
          CASE(a_signal_to_stop_leaves_what_was_there))
