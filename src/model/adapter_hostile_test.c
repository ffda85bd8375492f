/* adapter_hostile_test.c - adapters of strangers: cut anywhere, with a tensor lost, added, misshapen, of another type
 * or not of numbers, with keys twice.  Each is an error that names the thing, in every format. */
#define _GNU_SOURCE /* nftw */
#include "model/adapter.h"
#include "tests/edited_tensors.h"

#include "io/atomic.h"

#include <sys/stat.h>

#define HOME  "tests/golden/adapter/"
#define BASES "tests/golden/model/"

static const struct {
    const char *name, *base;
} cases[] = {
    { "together", "llama-bias" }, { "saved", "smollm3" },       { "saved-gpt2", "gpt2" }, { "tokens", "llama" },
    { "dora-neox", "gpt-neox" },  { "bias-all", "llama-bias" }, { "layers", "qwen2" },
};

enum {
    CASES = sizeof cases / sizeof *cases,
    FILE_MAX = 1 << 22
};

static tl_model *open_base(const char *name)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    char path[400];
    snprintf(path, sizeof path, BASES "%s", name);
    CHECK_OK(tl_model_open(&m, path, &err), err);
    return m;
}

static void copy_file(const char *from, const char *name)
{
    tl_err err = { 0 };
    char path[400];
    tl_buf b = tl_buf_make(FILE_MAX);
    snprintf(path, sizeof path, HOME "%s/%s", from, name);
    CHECK_OK(tl_file_read(path, FILE_MAX, &b, &err), err);
    scratch_write(name, b.data, b.size);
    tl_buf_reset(&b);
}

static void copy_adapter(const char *name)
{
    copy_file(name, "adapter_config.json");
    copy_file(name, "adapter_model.safetensors");
}

/* The sentence of the failure. */
static const char *refusal(const tl_model *m, const char *path)
{
    static tl_err err;
    tl_adapter *a = NULL;
    memset(&err, 0, sizeof err);
    if (tl_adapter_load(&a, m, path, &err) >= 0) fail_msg("%s is taken", path);
    CHECK(!a && err.text[0]);
    return err.text;
}

/* ---- cut ---- */

/* The file of that name in the scratch directory cut after each byte but the last `spare` ones; whole, it is taken. */
static void cut_everywhere(const tl_model *m, const char *name, const char *load, size_t spare)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    tl_buf b = tl_buf_make(FILE_MAX);
    CHECK_OK(tl_file_read(scratch(name), FILE_MAX, &b, &err), err);
    CHECK(b.size > spare + 100);
    for (size_t n = 0; n + spare < b.size; n++) {
        scratch_write(name, b.data, n);
        const char *says = refusal(m, load);
        if (!strstr(says, name) && !strstr(says, "adapter_config.json")) fail_msg("cut at %zu: %s", n, says);
    }
    scratch_write(name, b.data, b.size);
    CHECK_OK(tl_adapter_load(&a, m, load, &err), err);
    tl_adapter_release(a);
    tl_buf_reset(&b);
}

TEST(an_adapter_cut_after_any_byte_is_refused_by_name)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    tl_model *m = open_base("qwen2");
    scratch_begin();
    copy_adapter("layers");
    CHECK_OK(tl_adapter_load(&a, m, scratch_dir, &err), err);
    /* Spaces may follow the last brace. */
    cut_everywhere(m, "adapter_config.json", scratch_dir, 1);
    cut_everywhere(m, "adapter_model.safetensors", scratch_dir, 0);
    CHECK_OK(tl_adapter_write_gguf(a, scratch("a.gguf"), "base", &err), err);
    cut_everywhere(m, "a.gguf", scratch("a.gguf"), 31); /* zeros up to the alignment */
    tl_adapter_release(a);
    tl_model_free(m);
    scratch_end();
}

TEST(an_mlx_adapter_cut_after_any_byte_is_refused_by_name)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    tl_model *m = open_base("gpt-neox");
    scratch_begin();
    CHECK_OK(tl_adapter_load(&a, m, HOME "dora-neox", &err), err);
    CHECK_OK(tl_adapter_write_mlx(a, scratch_dir, "base", &err), err);
    cut_everywhere(m, "adapter_config.json", scratch_dir, 1);
    cut_everywhere(m, "adapters.safetensors", scratch_dir, 0);
    tl_adapter_release(a);
    tl_model_free(m);
    scratch_end();
}

/* ---- one tensor changed, each in turn ---- */

static int at;            /* which */
static char changed[400]; /* its name */
static float zeros[1 << 14], spoilt[1 << 14];

static void pick(edit *e)
{
    snprintf(changed, sizeof changed, "%s", e->tensors[at].name);
}

static void lose(edit *e)
{
    pick(e);
    e->tensors[at] = e->tensors[--e->n];
}

static void rename_one(edit *e)
{
    static char name[500];
    pick(e);
    snprintf(name, sizeof name, "%s2", changed);
    e->tensors[at].name = name;
}

static void shorten(edit *e)
{
    pick(e);
    tl_stored *t = &e->tensors[at];
    t->bytes = t->bytes / t->dims[0] * (t->dims[0] - 1);
    t->dims[0]--;
}

static void lengthen(edit *e)
{
    pick(e);
    tl_stored *t = &e->tensors[at];
    t->data = zeros;
    t->bytes = t->bytes / t->dims[0] * (t->dims[0] + 1);
    t->dims[0]++;
}

static void deepen(edit *e)
{
    pick(e);
    tl_stored *t = &e->tensors[at];
    t->dims[t->n_dims++] = 1;
}

static void spoil(edit *e)
{
    pick(e);
    tl_stored *t = &e->tensors[at];
    memcpy(spoilt, t->data, t->bytes);
    spoilt[t->bytes / sizeof *spoilt - 1] = (float)INFINITY;
    t->data = spoilt;
}

static void retype(edit *e)
{
    pick(e);
    e->tensors[at].dtype = TL_DTYPE_I32;
}

static void each_tensor(const tl_model *m, const char *name, void (*change)(edit *e))
{
    tl_err err = { 0 };
    tl_safetensors *s = NULL;
    char path[400];
    snprintf(path, sizeof path, HOME "%s/adapter_model.safetensors", name);
    CHECK_OK(tl_safetensors_open(&s, path, &err), err);
    int n = tl_safetensors_count(s);
    tl_safetensors_close(s);
    for (at = 0; at < n; at++) {
        scratch_begin();
        copy_adapter(name);
        edited_tensors("adapter_model.safetensors", change);
        const char *says = refusal(m, scratch_dir);
        if (!strstr(says, changed)) fail_msg("%s changed: %s", changed, says);
        scratch_end();
    }
}

TEST(one_tensor_lost_renamed_misshapen_spoilt_or_retyped_is_named)
{
    void (*const changes[])(edit * e) = { lose, rename_one, shorten, lengthen, deepen, spoil, retype };
    for (int i = 0; i < CASES; i++) {
        tl_model *m = open_base(cases[i].base);
        for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) each_tensor(m, cases[i].name, changes[k]);
        tl_model_free(m);
    }
}

/* ---- keys twice ---- */

TEST(a_key_or_tensor_twice_is_refused)
{
    static const char config[] =
        "{\"peft_type\": \"LORA\", \"r\": 2, \"r\": 2, \"lora_alpha\": 5, \"target_modules\": [\"q_proj\"]}";
    static const char tensors[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
                                  "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    tl_model *m = open_base("qwen2");
    scratch_begin();
    copy_adapter("layers");
    scratch_text("adapter_config.json", config);
    const char *says = refusal(m, scratch_dir);
    CHECK_HAS(says, "adapter_config.json");
    copy_adapter("layers");
    char bytes[8 + sizeof tensors - 1] = { (char)(sizeof tensors - 1) };
    memcpy(bytes + 8, tensors, sizeof tensors - 1);
    scratch_write("adapter_model.safetensors", bytes, sizeof bytes);
    says = refusal(m, scratch_dir);
    CHECK_HAS(says, "adapter_model.safetensors");
    scratch_end();
    tl_model_free(m);
}

/* ---- MLX's and GGUF's own words ---- */

/* MLX's two files of an adapter of Llama's q_proj, with this config. */
static const char *mlx_refusal(const tl_model *m, const char *config)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    tl_adapter_options o = tl_adapter_defaults();
    o.targets = "q_proj";
    o.r = 2;
    CHECK_OK(tl_adapter_create(&a, m, &o, &err), err);
    ((float *)a->loras[0].b.data)[0] = 1;
    CHECK_OK(tl_adapter_write_mlx(a, scratch_dir, "base", &err), err);
    tl_adapter_release(a);
    a = NULL;
    CHECK_OK(tl_adapter_load(&a, m, scratch_dir, &err), err);
    tl_adapter_release(a);
    scratch_text("adapter_config.json", config);
    return refusal(m, scratch_dir);
}

TEST(what_mlx_says_and_is_not_understood_is_refused_by_name)
{
#define PARAMETERS(rest) "\"lora_parameters\": {\"rank\": 2, \"scale\": 8" rest "}"
    static const struct {
        const char *config, *says;
    } wrong[] = {
        { "{\"fine_tune_type\": \"full\", \"num_layers\": 2, " PARAMETERS("") "}", "fine_tune_type is 'full'" },
        { "{\"num_layers\": \"all\", " PARAMETERS("") "}", "num_layers" },
        { "{" PARAMETERS("") "}", "num_layers" },
        { "{\"num_layers\": 2, \"lora_parameters\": 7}", "lora_parameters" },
        { "{\"num_layers\": 2, \"lora_parameters\": {\"scale\": 8}}", "rank" },
        { "{\"num_layers\": 2, \"lora_parameters\": {\"rank\": 0, \"scale\": 8}}", "rank" },
        { "{\"num_layers\": 2, \"lora_parameters\": {\"rank\": 2}}", "scale" },
        { "{\"num_layers\": 2, " PARAMETERS(", \"alpha\": 16") "}", "alpha of lora_parameters is set" },
        { "{\"num_layers\": 2, " PARAMETERS(", \"keys\": []") "}", "keys are empty" },
        { "{\"num_layers\": 2, " PARAMETERS(", \"keys\": [3]") "}", "keys hold something" },
        { "{\"num_layers\": 2, " PARAMETERS(", \"keys\": [\"q_proj\"]") "}", "keys name 'q_proj'" },
        { "{\"num_layers\": 2, " PARAMETERS("") "}", "k_proj.lora_a is missing" },
        { "{\"num_layers\": 1, " PARAMETERS(", \"keys\": [\"self_attn.q_proj\"]") "}", "belongs to no targeted" },
        { "{\"num_layers\": 2, \"lora_parameters\": {\"rank\": 3, \"scale\": 8, \"keys\": [\"self_attn.q_proj\"]}}",
          "this base wants [32, 3]" },
        { "{\"num_layers\": 2, \"fine_tune_type\": \"dora\", " PARAMETERS(", \"keys\": [\"self_attn.q_proj\"]") "}",
          "q_proj.m is missing" },
        { "{\"num_layers\": 2, \"lora_parameters\": {\"rank\": 2, \"scale\": 0, \"keys\": [\"self_attn.q_proj\"]}}",
          "has no effect" },
    };
    tl_model *m = open_base("llama");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        scratch_begin();
        const char *says = mlx_refusal(m, wrong[i].config);
        CHECK_HAS(says, wrong[i].says);
        scratch_end();
    }
    tl_model_free(m);
}

RUN_TESTS(CASE(an_adapter_cut_after_any_byte_is_refused_by_name),
          CASE(an_mlx_adapter_cut_after_any_byte_is_refused_by_name),
          CASE(one_tensor_lost_renamed_misshapen_spoilt_or_retyped_is_named), CASE(a_key_or_tensor_twice_is_refused),
          CASE(what_mlx_says_and_is_not_understood_is_refused_by_name))
