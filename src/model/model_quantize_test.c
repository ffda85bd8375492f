/* model_quantize_test.c - bases held in panels: made at load or kept from a GGUF file, they are the same matrices, they
 * compute, they are small while they are made, and they cannot be unfrozen. */
#define _GNU_SOURCE /* nftw */
#include "base/panels.h"
#include "io/json.h"
#include "model/model_memory.h"
#include "tests/logits.h"
#include "tests/small_training.h" /* widths that are neither blocks nor panels */

#include <fcntl.h>

#define GGUF "tests/golden/gguf/"

static const tl_dtype types[] = { TL_DTYPE_Q8_0, TL_DTYPE_Q4_0, TL_DTYPE_Q4_K, TL_DTYPE_NF4 };

static tl_model *opened(const char *path, tl_dtype layers, tl_dtype tables)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    CHECK_OK(tl_model_open_as(&m, path, &(tl_model_options){ layers, tables }, &err), err);
    return m;
}

/* A random base of that config as a directory; remove with scratch_end. */
static void write_base(const char *config, tl_dtype dtype)
{
    tl_err err = { 0 };
    tl_model *m = training_model(config);
    scratch_begin();
    CHECK_OK(tl_model_write(m, scratch_dir, dtype, &err), err);
    tl_model_free(m);
}

static const int ids[] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8 };
enum {
    IDS = sizeof ids / sizeof *ids
};

/* ---- the same matrices ---- */

typedef struct pairs {
    const tl_weight *weights[200];
    int n, at;
} pairs;

static int remember(void *context, const char *name, tl_weight *w)
{
    (void)name;
    pairs *p = context;
    CHECK(p->n < 200);
    p->weights[p->n++] = w;
    return 0;
}

/* w is the next of the remembered ones, quantized: its panels are those of the plain one's rows. */
static int compare_panels(void *context, const char *name, tl_weight *w)
{
    pairs *p = context;
    const tl_weight *plain = p->weights[p->at++];
    const size_t I = (size_t)w->cols, bytes = tl_panel_bytes(w->dtype, I);
    if (!tl_panels_known(w->dtype)) {
        CHECK_INT(w->dtype, plain->dtype);
        CHECK(memcmp(w->data, plain->data, tl_weight_bytes(w)) == 0);
        return 0;
    }
    float *rows = malloc(TL_PANEL * I * sizeof *rows);
    char *panel = aligned_alloc(64, bytes);
    CHECK(rows && panel);
    for (int o = 0; o < w->rows; o += TL_PANEL) {
        const int n = w->rows - o < TL_PANEL ? w->rows - o : TL_PANEL;
        for (int r = 0; r < n; r++) tl_weight_widen_row(plain, o + r, rows + (size_t)r * I);
        CHECK(tl_panel_from_f32(w->dtype, panel, rows, n, I));
        if (memcmp(panel, (const char *)w->data + (size_t)(o / TL_PANEL) * bytes, bytes) != 0)
            fail_msg("%s in %s: the panel of row %d", name, tl_dtype_name(w->dtype), o);
    }
    free(panel);
    free(rows);
    return 0;
}

static void check_panels(const char *path)
{
    tl_model *plain = opened(path, TL_DTYPE_F32, TL_DTYPE_F32);
    for (int t = 0; t < 4; t++) {
        tl_model *m = opened(path, types[t], t == 0 ? TL_DTYPE_COUNT : TL_DTYPE_Q8_0);
        pairs p = { .n = 0 };
        tl_model_each(plain, remember, &p);
        tl_model_each(m, compare_panels, &p);
        CHECK(t > 0 ? m->tokens.dtype == TL_DTYPE_Q8_0 : m->tokens.dtype == plain->tokens.dtype);
        CHECK_INT(m->layers[1].norm1.dtype, TL_DTYPE_F32);
        if (m->config.position == TL_POSITION_LEARNED) CHECK_INT(m->positions.dtype, plain->positions.dtype);
        tl_model_free(m);
    }
    tl_model_free(plain);
}

TEST(every_matrix_is_quantized_however_it_is_stored)
{
    static const char *const configs[] = { LLAMA, LLAMA_TIED, GPT2 }; /* GPT-2's lie turned, three to a tensor */
    for (int i = 0; i < 3; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            write_base(configs[i], bf16 ? TL_DTYPE_BF16 : TL_DTYPE_F32);
            check_panels(scratch_dir);
            scratch_end();
        }
    check_panels(GGUF "llama-f32.gguf"); /* rows of q and k in another order */
    check_panels(GGUF "gpt2.gguf");
    check_panels(GGUF "qwen2.gguf");
}

/* Every number of a base is one of the other, whatever the types. */
static int compare_numbers(void *context, const char *name, tl_weight *w)
{
    pairs *p = context;
    const tl_weight *other = p->weights[p->at++];
    float *x = malloc((size_t)w->cols * sizeof *x), *y = malloc((size_t)w->cols * sizeof *y);
    CHECK(x && y);
    for (int o = 0; o < w->rows; o++) {
        tl_weight_widen_row(w, o, x);
        tl_weight_widen_row(other, o, y);
        if (memcmp(x, y, (size_t)w->cols * sizeof *x) != 0) fail_msg("%s: row %d", name, o);
    }
    free(x);
    free(y);
    return 0;
}

typedef struct seen {
    int of[TL_DTYPE_COUNT];
} seen;

static int count_type(void *context, const char *name, tl_weight *w)
{
    (void)name;
    ((seen *)context)->of[w->dtype]++;
    return 0;
}

TEST(blocks_of_a_gguf_file_are_kept_and_no_number_of_them_changes)
{
    static const char *const files[] = { "llama-q8_0", "llama-q4_0", "llama-mixed", "gpt2", "qwen2" };
    seen all = { { 0 } };
    for (int i = 0; i < 5; i++) {
        char path[100];
        snprintf(path, sizeof path, GGUF "%s.gguf", files[i]);
        tl_model *kept = opened(path, TL_DTYPE_COUNT, TL_DTYPE_COUNT), *wide = opened(path, TL_DTYPE_F32, TL_DTYPE_F32);
        pairs p = { .n = 0 };
        tl_model_each(wide, remember, &p);
        tl_model_each(kept, compare_numbers, &p);
        tl_model_each(kept, count_type, &all);
        CHECK(!tl_panels_known(wide->layers[0].linear[TL_Q].dtype));
        tl_model_free(kept);
        tl_model_free(wide);
    }
    CHECK(all.of[TL_DTYPE_Q8_0] > 0 && all.of[TL_DTYPE_Q4_0] > 0 && all.of[TL_DTYPE_Q4_K] > 0);
    CHECK(all.of[TL_DTYPE_Q6_K] == 0 && all.of[TL_DTYPE_F32] > 0); /* what no kernel knows is widened */
}

TEST(rows_that_are_no_blocks_of_256_become_q4_0_in_place_of_q4_k)
{
    write_base(LLAMA, TL_DTYPE_F32);
    tl_model *m = opened(scratch_dir, TL_DTYPE_Q4_K, TL_DTYPE_Q4_K);
    CHECK_INT(m->layers[0].linear[TL_Q].dtype, TL_DTYPE_Q4_0);
    CHECK_INT(m->tokens.dtype, TL_DTYPE_Q4_0);
    tl_model_free(m);
    scratch_end();
}

/* ---- what it computes ---- */

/* Written, it is widened: the base that computes the same. */
TEST(a_quantized_base_computes_what_its_numbers_do)
{
    static const char *const configs[] = { LLAMA, LLAMA_TIED, GPT2 };
    tl_err err = { 0 };
    for (int i = 0; i < 3; i++)
        for (int t = 0; t < 4; t++) {
            write_base(configs[i], TL_DTYPE_F32);
            tl_model *m = opened(scratch_dir, types[t], types[t]);
            scratch_end();
            scratch_begin();
            CHECK_OK(t % 2 ? tl_model_write(m, scratch_dir, TL_DTYPE_F32, &err)
                           : tl_model_write_as_it_is(m, scratch_dir, &err),
                     err);
            tl_model *wide = opened(scratch_dir, TL_DTYPE_COUNT, TL_DTYPE_COUNT);
            scratch_end();
            CHECK_INT(wide->layers[0].linear[TL_UP].dtype, TL_DTYPE_F32);
            for (int p = 0; p < 2; p++) {
                float *found = logits_of(m, (tl_precision)p, ids, IDS);
                float *wanted = logits_of(wide, (tl_precision)p, ids, IDS);
                CHECK(memcmp(found, wanted, (size_t)IDS * (size_t)m->config.V * sizeof *found) == 0);
                free(found);
                free(wanted);
            }
            tl_model_free(m);
            tl_model_free(wide);
        }
}

static double relative(const float *x, const float *y, size_t n)
{
    double e = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        e += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        all += (double)y[i] * (double)y[i];
    }
    return sqrt(e / all);
}

TEST(whole_numbers_and_eight_bits_stay_near_the_base)
{
    write_base(LLAMA, TL_DTYPE_F32);
    tl_model *plain = opened(scratch_dir, TL_DTYPE_COUNT, TL_DTYPE_COUNT);
    tl_model *m = opened(scratch_dir, TL_DTYPE_Q8_0, TL_DTYPE_Q8_0);
    const size_t n = (size_t)IDS * (size_t)m->config.V;
    float *wanted = logits_of(plain, TL_PRECISION_F32, ids, IDS), *held = logits_of(m, TL_PRECISION_F32, ids, IDS);
    float *whole = logits_of(m, TL_PRECISION_INT8, ids, IDS);
    print_message("  logits of a random base: q8_0 %.4f off in f32, %.4f in int8\n", relative(held, wanted, n),
                  relative(whole, wanted, n));
    /* A product errs half a hundredth; some 20 stand behind a logit. */
    CHECK(relative(held, wanted, n) < 0.04);
    CHECK(relative(whole, wanted, n) < 0.05);
    CHECK(relative(whole, held, n) > 1e-4); /* it is another arithmetic */
    free(whole);
    free(held);
    free(wanted);
    tl_model_free(m);
    tl_model_free(plain);
    scratch_end();
}

TEST(a_quantized_base_has_a_name_of_its_own)
{
    write_base(LLAMA, TL_DTYPE_F32);
    tl_model *models[5] = { opened(scratch_dir, TL_DTYPE_COUNT, TL_DTYPE_COUNT) };
    for (int t = 0; t < 4; t++) models[t + 1] = opened(scratch_dir, types[t], types[t]);
    tl_model *again = opened(scratch_dir, TL_DTYPE_NF4, TL_DTYPE_NF4);
    tl_hash h[5], same = tl_model_hash(again);
    for (int t = 0; t < 5; t++) h[t] = tl_model_hash(models[t]);
    CHECK(memcmp(&h[4], &same, sizeof same) == 0);
    CHECK(memcmp(&h[2], &h[3], sizeof same) == 0); /* Q4_K fell back to Q4_0: the same matrices */
    CHECK(memcmp(&h[0], &h[1], sizeof same) != 0);
    CHECK(memcmp(&h[1], &h[2], sizeof same) != 0);
    CHECK(memcmp(&h[3], &h[4], sizeof same) != 0);
    for (int t = 0; t < 5; t++) tl_model_free(models[t]);
    tl_model_free(again);
    scratch_end();
}

TEST(unfreezing_a_quantized_base_is_refused_by_name_and_leaves_it_as_it_was)
{
    tl_err err = { 0 };
    write_base(LLAMA, TL_DTYPE_F32);
    tl_model *m = opened(scratch_dir, TL_DTYPE_NF4, TL_DTYPE_COUNT);
    float *before = logits_of(m, TL_PRECISION_F32, ids, IDS);
    CHECK(tl_model_unfreeze(m, &err) == TL_EUNSUPPORTED);
    CHECK_HAS(err.text, "layers.0.q.weight");
    CHECK_HAS(err.text, "NF4");
    float *after = logits_of(m, TL_PRECISION_F32, ids, IDS);
    CHECK(memcmp(before, after, (size_t)IDS * (size_t)m->config.V * sizeof *after) == 0);
    free(before);
    free(after);
    tl_model_free(m);
    scratch_end();
}

TEST(a_number_too_large_for_its_scale_is_refused_by_tensor)
{
    tl_err err = { 0 };
    tl_model *m = training_model(LLAMA), *none = NULL;
    ((float *)m->layers[1].linear[TL_UP].data)[77] = 1e30f;
    scratch_begin();
    CHECK_OK(tl_model_write(m, scratch_dir, TL_DTYPE_F32, &err), err);
    CHECK(tl_model_open_as(&none, scratch_dir, &(tl_model_options){ TL_DTYPE_Q4_0, TL_DTYPE_Q4_0 }, &err) < 0);
    CHECK_HAS(err.text, "model.layers.1.mlp.up_proj.weight");
    CHECK_HAS(err.text, "Q4_0");
    tl_model_free(m);
    scratch_end();
}

TEST(words_for_types_are_understood_or_refused)
{
    tl_err err = { 0 };
    tl_model_options o;
    CHECK_OK(tl_model_options_parse(&o, "nf4", NULL, &err), err);
    CHECK(o.layers == TL_DTYPE_NF4 && o.tables == TL_DTYPE_Q8_0);
    CHECK_OK(tl_model_options_parse(&o, "q4_k", "q4_0", &err), err);
    CHECK(o.layers == TL_DTYPE_Q4_K && o.tables == TL_DTYPE_Q4_0);
    CHECK_OK(tl_model_options_parse(&o, "none", NULL, &err), err);
    CHECK(o.layers == TL_DTYPE_F32 && o.tables == TL_DTYPE_F32);
    CHECK_OK(tl_model_options_parse(&o, NULL, NULL, &err), err);
    CHECK(o.layers == TL_DTYPE_COUNT && o.tables == TL_DTYPE_COUNT);
    CHECK(tl_model_options_parse(&o, "q3_k", NULL, &err) == TL_EUSAGE);
    CHECK_HAS(err.text, "q3_k");
    CHECK(tl_model_options_parse(&o, "q8_0", "int4", &err) == TL_EUSAGE);
    CHECK_HAS(err.text, "--quantize-tables");
}

/* ---- memory ---- */

/* A line of /proc/self/status in bytes. */
static size_t status(const char *key)
{
    char line[200];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) kib = strtoul(line + strlen(key) + 1, NULL, 10);
    fclose(f);
    return kib << 10;
}

/* The highest mark of resident memory starts again from here. */
static bool reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return false;
    const bool done = fputs("5", f) >= 0;
    return fclose(f) == 0 && done;
}

TEST(while_a_base_is_quantized_no_more_than_a_tensor_of_it_is_in_memory)
{
    tl_err err = { 0 };
    tl_model *big = training_model("{\"model_type\": \"llama\", \"vocab_size\": 1000, \"hidden_size\": 512,"
                                   " \"intermediate_size\": 2048, \"num_hidden_layers\": 6, \"num_attention_heads\": 8,"
                                   " \"max_position_embeddings\": 64}");
    scratch_begin();
    CHECK_OK(tl_model_write(big, scratch_dir, TL_DTYPE_F32, &err), err);
    const size_t stored = 4 * tl_model_parameters(big);
    tl_model_free(big);
    if (!reset_peak()) SKIP("the kernel does not let this process reset its peak");
    const size_t before = status("VmRSS:");
    tl_model *m = opened(scratch_dir, TL_DTYPE_Q4_0, TL_DTYPE_Q4_0);
    const size_t peak = status("VmHWM:") - before, after = status("VmRSS:") - before;
    print_message("  %zu MB stored, at most %zu MB resident while it was opened, %zu MB after\n", stored >> 20,
                  peak >> 20, after >> 20);
    /* 4.5 bits a number, the largest tensor (4 MiB), rows on their way, tables, and the pages of small ones; the
     * arena's last huge page. */
    CHECK(after < stored * 9 / 64 + (6u << 20));
    CHECK(peak < stored * 9 / 64 + (12u << 20) && peak < stored / 2);
    tl_model_free(m);
    scratch_end();
}

RUN_TESTS(CASE(every_matrix_is_quantized_however_it_is_stored),
          CASE(blocks_of_a_gguf_file_are_kept_and_no_number_of_them_changes),
          CASE(rows_that_are_no_blocks_of_256_become_q4_0_in_place_of_q4_k),
          CASE(a_quantized_base_computes_what_its_numbers_do), CASE(whole_numbers_and_eight_bits_stay_near_the_base),
          CASE(a_quantized_base_has_a_name_of_its_own),
          CASE(unfreezing_a_quantized_base_is_refused_by_name_and_leaves_it_as_it_was),
          CASE(a_number_too_large_for_its_scale_is_refused_by_tensor), CASE(words_for_types_are_understood_or_refused),
          CASE(while_a_base_is_quantized_no_more_than_a_tensor_of_it_is_in_memory))
