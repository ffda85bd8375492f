/* adapter_test.c - adapters in PEFT's format: what goes around, and what is refused and how. */
#define _GNU_SOURCE /* nftw */
#include "model/adapter.h"
#include "model/model_memory.h"
#include "tests/edited_tensors.h"
#include "tests/golden_bases.h"

#include "io/atomic.h"
#include "io/json.h"

#define LLAMA "tests/golden/model/llama"
#define GPT2  "tests/golden/model/gpt2"

static tl_model *open_base(const char *dir)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    CHECK_OK(tl_model_open(&m, dir, &err), err);
    return m;
}

static int grow(void *context, const char *name, tl_weight *w)
{
    (void)context, (void)name;
    for (size_t i = 0; i < (size_t)w->rows * (size_t)w->cols; i++) ((float *)w->data)[i] += 0.01f * (float)(i % 7);
    return 0;
}

/* An adapter with numbers in it, over these targets. */
static tl_adapter *make(const tl_model *m, const char *targets)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    tl_adapter_options o = tl_adapter_defaults();
    o.targets = targets;
    o.r = 3;
    CHECK_OK(tl_adapter_create(&a, m, &o, &err), err);
    tl_adapter_each(a, grow, NULL);
    return a;
}

static void write_scratch(const tl_adapter *a)
{
    tl_err err = { 0 };
    CHECK_OK(tl_adapter_write(a, scratch_dir, "models/base", &err), err);
}

static tl_err load_fails(const tl_model *m, int code)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    int rc = tl_adapter_load(&a, m, scratch_dir, &err);
    if (rc != code) fail_msg("%d instead of %d: %s", rc, code, err.text);
    CHECK(a == NULL);
    return err;
}

/* The tensors of an adapter, one after the other. */
typedef struct list {
    char names[64][200];
    tl_weight weights[64];
    int n;
} list;

static int note(void *context, const char *name, tl_weight *w)
{
    list *l = context;
    CHECK(l->n < 64);
    snprintf(l->names[l->n], sizeof l->names[0], "%s", name);
    l->weights[l->n++] = *w;
    return 0;
}

static void check_same(tl_adapter *a, tl_adapter *b)
{
    static list x, y;
    x.n = y.n = 0;
    tl_adapter_each(a, note, &x);
    tl_adapter_each(b, note, &y);
    CHECK_INT(x.n, y.n);
    for (int i = 0; i < x.n; i++) {
        CHECK_STR(x.names[i], y.names[i]);
        CHECK_INT(x.weights[i].rows, y.weights[i].rows);
        size_t bytes = (size_t)x.weights[i].rows * (size_t)x.weights[i].cols * sizeof(float);
        CHECK(memcmp(x.weights[i].data, y.weights[i].data, bytes) == 0);
    }
}

static void check_round_trip(const char *base, const char *targets, const char *stored_as)
{
    tl_err err = { 0 };
    tl_buf text = tl_buf_make(1 << 16);
    tl_model *m = open_base(base);
    tl_adapter *a = make(m, targets), *b = NULL;
    scratch_begin();
    write_scratch(a);
    CHECK_OK(tl_file_read(scratch("adapter_config.json"), 1 << 16, &text, &err), err);
    json_t *o = json_loads(text.data, 0, NULL), *wanted = json_loads(stored_as, 0, NULL);
    CHECK(json_equal(json_object_get(o, "target_modules"), wanted));
    json_decref(o);
    json_decref(wanted);
    CHECK_OK(tl_adapter_load(&b, m, scratch_dir, &err), err);
    check_same(a, b);
    CHECK_INT(tl_adapter_parameters(a), tl_adapter_parameters(b));
    CHECK(b->loras[0].r == 0 || b->loras[0].scale == 16.0f / 3);
    tl_adapter_release(a);
    tl_adapter_release(b);
    tl_model_free(m);
    tl_buf_reset(&text);
    scratch_end();
}

TEST(an_adapter_written_and_loaded_is_the_same_adapter)
{
    check_round_trip(LLAMA, "q_proj,down_proj", "[\"q_proj\", \"down_proj\"]");
    check_round_trip(LLAMA, "model.layers.1.self_attn.q_proj", "[\"model.layers.1.self_attn.q_proj\"]");
    check_round_trip(GPT2, "all-linear", "[\"c_attn\", \"c_proj\", \"c_fc\"]");
    check_round_trip(GPT2, "attn.c_proj", "[\"attn.c_proj\"]"); /* c_proj alone would be the hidden layer's too */
}

TEST(every_golden_adapter_is_written_back_with_the_same_tensors)
{
    for (int i = 0; i < GOLDEN_BASES; i++) {
        tl_err err = { 0 };
        char path[200];
        tl_adapter *a = NULL;
        tl_safetensors *wanted = NULL, *found = NULL;
        scratch_begin();
        snprintf(path, sizeof path, GOLDEN_HOME "%s", golden_bases[i].name);
        tl_model *m = open_base(path);
        snprintf(path, sizeof path, GOLDEN_HOME "%s/adapter", golden_bases[i].name);
        CHECK_OK(tl_adapter_load(&a, m, path, &err), err);
        write_scratch(a);
        snprintf(path, sizeof path, GOLDEN_HOME "%s/adapter/adapter_model.safetensors", golden_bases[i].name);
        CHECK_OK(tl_safetensors_open(&wanted, path, &err), err);
        CHECK_OK(tl_safetensors_open(&found, scratch("adapter_model.safetensors"), &err), err);
        CHECK_INT(tl_safetensors_count(found), tl_safetensors_count(wanted));
        for (int k = 0; k < tl_safetensors_count(wanted); k++) {
            const tl_stored *w = tl_safetensors_at(wanted, k), *t = tl_safetensors_find(found, w->name);
            if (!t || t->bytes != w->bytes || memcmp(t->data, w->data, w->bytes) != 0)
                fail_msg("%s: %s comes back as another", golden_bases[i].name, w->name);
        }
        tl_safetensors_close(wanted);
        tl_safetensors_close(found);
        tl_adapter_release(a);
        tl_model_free(m);
        scratch_end();
    }
}

TEST(a_fresh_adapter_begins_as_the_base_and_by_its_seed)
{
    tl_err err = { 0 };
    tl_model *m = open_base(LLAMA);
    tl_adapter *a = NULL, *b = NULL;
    tl_adapter_options o = tl_adapter_defaults();
    CHECK_OK(tl_adapter_create(&a, m, &o, &err), err);
    CHECK_OK(tl_adapter_create(&b, m, &o, &err), err);
    check_same(a, b);
    static list l;
    l.n = 0;
    tl_adapter_each(a, note, &l);
    CHECK_INT(l.n, 2 * 2 * 7);
    for (int i = 0; i < l.n; i++) {
        const tl_weight *w = &l.weights[i];
        double most = 0;
        for (int j = 0; j < w->rows * w->cols; j++) most = fmax(most, fabs(tl_weight_f32(w)[j]));
        CHECK(w->grad);
        if (strstr(l.names[i], "lora_B"))
            CHECK(most == 0);
        else
            CHECK(most <= 1 / sqrt(w->cols) && most > 0.9 / sqrt(w->cols));
    }
    tl_adapter_release(a);
    tl_adapter_release(b);
    tl_model_free(m);
}

static int same_as_base(void *context, const char *name, tl_weight *w)
{
    const tl_model *m = context;
    (void)name;
    if (w->rows == m->config.V) CHECK(memcmp(w->data, m->head.data, (size_t)w->rows * (size_t)w->cols * 4) == 0);
    return 0;
}

TEST(a_fresh_adapter_with_magnitudes_and_weights_of_its_own_begins_as_the_base)
{
    tl_err err = { 0 };
    tl_model *m = open_base(LLAMA);
    tl_adapter *a = NULL;
    tl_adapter_options o = tl_adapter_defaults();
    o.dora = true;
    o.own = "lm_head,input_layernorm";
    CHECK_OK(tl_adapter_create(&a, m, &o, &err), err);
    for (int i = 0; i < m->config.L * a->n_modules; i++)
        for (int k = 0; k < a->loras[i].b.rows; k++) CHECK(a->loras[i].gain[k] == 1);
    CHECK_INT(a->n_owns, 1 + m->config.L);
    tl_adapter_each(a, same_as_base, m);
    const tl_model *seen = tl_adapter_model(m, a);
    CHECK(seen != m && seen->head.data != m->head.data && seen->head.grad && seen->layers[1].norm1.grad);
    CHECK(seen->tokens.data == m->tokens.data && !seen->tokens.grad && !m->head.grad);
    tl_adapter_release(a);
    tl_model_free(m);
}

TEST(own_modules_that_name_nothing_or_leave_nothing_to_adapt_are_refused)
{
    static const char *const wrong[][2] = { { "lm_hed", "'lm_hed'" },
                                            { "lm_head,lm_head", "'lm_head'" },
                                            { "mlp,self_attn", "no target" } };
    tl_model *m = open_base(LLAMA);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tl_err err = { 0 };
        tl_adapter *a = NULL;
        tl_adapter_options o = tl_adapter_defaults();
        o.own = wrong[i][0];
        CHECK(tl_adapter_create(&a, m, &o, &err) < 0);
        CHECK_HAS(err.text, wrong[i][1]);
    }
    tl_model_free(m);
}

TEST(parts_of_a_fused_module_share_a_and_take_their_rows_of_b)
{
    tl_model *m = open_base(GPT2);
    tl_adapter *a = make(m, "c_attn");
    int row = -1;
    const tl_lora *q = tl_adapter_of(a, 1, TL_Q, &row);
    CHECK_INT(row, 0);
    CHECK(tl_adapter_of(a, 1, TL_V, &row) == q && q != NULL);
    CHECK_INT(row, 2 * 48);
    CHECK_INT(q->b.rows, 3 * 48);
    CHECK(tl_adapter_of(a, 1, TL_O, &row) == NULL);
    tl_adapter_release(a);
    tl_model_free(m);
}

TEST(targets_that_name_no_module_are_refused)
{
    static const char *const wrong[] = { "lm_head", "q_prj", "proj", "q_proj,embed_tokens" };
    tl_model *m = open_base(LLAMA);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tl_err err = { 0 };
        tl_adapter *a = NULL;
        tl_adapter_options o = tl_adapter_defaults();
        o.targets = wrong[i];
        CHECK_INT(tl_adapter_create(&a, m, &o, &err), TL_EUNSUPPORTED);
        CHECK_HAS(err.text, "self_attn.q_proj");
    }
    tl_model_free(m);
}

TEST(an_adapter_for_another_base_is_refused)
{
    tl_err err = { 0 };
    tl_model *m = open_base(LLAMA), *other = open_base(LLAMA), *third = NULL;
    tl_adapter *a = make(m, "q_proj");
    scratch_begin();
    write_scratch(a);
    tl_model_hash(other);
    other->memory->digests.hash.bytes[3] ^= 1; /* as good as another base of the same shapes */
    err = load_fails(other, TL_EUSAGE);
    CHECK_HAS(err.text, "for another base");
    scratch_end();
    tl_adapter_release(a);

    /* Without our hash the shapes still tell. */
    third = open_base("tests/golden/model/llama-bias");
    CHECK_INT(tl_adapter_load(&a, third, LLAMA "/adapter", &err), TL_ESHAPE);
    CHECK_HAS(err.text, "this base wants [4, 24]");
    tl_model_free(m);
    tl_model_free(other);
    tl_model_free(third);
}

static float numbers[4096];

static void lose_one(edit *e)
{
    e->n--;
}

static void add_one(edit *e)
{
    e->tensors[e->n] = e->tensors[0];
    e->tensors[e->n++].name = "base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight";
}

static void add_dora(edit *e)
{
    e->tensors[e->n] = e->tensors[0];
    e->tensors[e->n++].name = "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector";
}

static void reshape(edit *e)
{
    e->tensors[0].dims[0] = e->tensors[0].dims[1];
    e->tensors[0].dims[1] = 3;
}

static void zero_b(edit *e)
{
    memset(numbers, 0, sizeof numbers);
    for (int i = 0; i < e->n; i++)
        if (strstr(e->tensors[i].name, "lora_B")) e->tensors[i].data = numbers;
}

static void spoil(edit *e)
{
    memset(numbers, 0xff, sizeof numbers);
    e->tensors[1].data = numbers;
}

TEST(tensors_missing_unmatched_misshapen_idle_or_not_numbers_are_refused)
{
    static const struct {
        void (*change)(edit *e);
        int code;
        const char *says;
    } cases[] = {
        { lose_one, TL_EFORMAT, "lora_B.weight is missing" },
        { add_one, TL_EUNSUPPORTED, "k_proj.lora_A.weight belongs to no targeted module" },
        { add_dora, TL_EUNSUPPORTED, "lora_magnitude_vector belongs to no targeted module" },
        { reshape, TL_ESHAPE, "is [32, 3], this base wants [3, 32]" },
        { zero_b, TL_EDATA, "has no effect" },
        { spoil, TL_ENUMERIC, "NaN" },
    };
    tl_model *m = open_base(LLAMA);
    tl_adapter *a = make(m, "q_proj");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_begin();
        write_scratch(a);
        edited_tensors("adapter_model.safetensors", cases[i].change);
        tl_err err = load_fails(m, cases[i].code);
        CHECK_HAS(err.text, cases[i].says);
        CHECK_HAS(err.text, "adapter_model.safetensors");
        scratch_end();
    }
    tl_adapter_release(a);
    tl_model_free(m);
}

TEST(a_field_that_is_not_understood_is_refused_by_name)
{
    static const struct {
        const char *key, *value;
        int code;
        const char *says;
    } cases[] = {
        { "peft_type", "\"IA3\"", TL_EUNSUPPORTED, "'IA3'" },
        { "task_type", "\"SEQ_CLS\"", TL_EUNSUPPORTED, "'SEQ_CLS'" },
        { "bias", "\"some\"", TL_EUNSUPPORTED, "bias is 'some'" },
        { "use_dora", "true", TL_EFORMAT, "q_proj.lora_magnitude_vector is missing" },
        { "use_dora", "1", TL_EFORMAT, "use_dora" },
        { "rank_pattern", "{\"q_proj\": 4}", TL_ESHAPE, "this base wants [4, 32]" },
        { "rank_pattern", "{\"q_proj\": 0}", TL_EFORMAT, "rank_pattern gives 'q_proj'" },
        { "rank_pattern", "{\"q_proj\": 2.5}", TL_EFORMAT, "rank_pattern gives 'q_proj'" },
        { "rank_pattern", "{\"(\": 2}", TL_EFORMAT, "rank_pattern is '(', no pattern" },
        { "rank_pattern", "{\"(.*.*.*.*.*.*.*.*)*[xz]\": 2}", TL_EFORMAT, "rank_pattern is a pattern too costly" },
        { "alpha_pattern", "{\"q_proj\": \"4\"}", TL_EFORMAT, "alpha_pattern gives 'q_proj'" },
        { "alpha_pattern", "{\"q_proj\": 0}", TL_EDATA, "no effect" },
        { "modules_to_save", "[\"lm_head\"]", TL_EFORMAT, "lm_head.weight is missing" },
        { "modules_to_save", "[\"score\"]", TL_EUNSUPPORTED, "modules_to_save names 'score'" },
        { "modules_to_save", "[\"\"]", TL_EUNSUPPORTED, "modules_to_save names ''" },
        { "modules_to_save", "[\"q_proj\"]", TL_EFORMAT, "no module of the base is adapted" },
        { "modules_to_save", "[7]", TL_EFORMAT, "modules_to_save holds" },
        { "layers_to_transform", "0", TL_EUNSUPPORTED, "layers.1.self_attn.q_proj.lora_A.weight belongs to no" },
        { "layers_to_transform", "[0, 2]", TL_EFORMAT, "layers_to_transform holds no layer of this base" },
        { "layers_to_transform", "\"0\"", TL_EFORMAT, "layers_to_transform is neither" },
        { "layers_pattern", "\"layers\"", TL_EUNSUPPORTED, "layers_pattern is set without" },
        { "exclude_modules", "[\"q_proj\"]", TL_EFORMAT, "no module of the base is adapted" },
        { "exclude_modules", "\".*layers.1.*\"", TL_EUNSUPPORTED, "belongs to no targeted module" },
        { "exclude_modules", "\"(\"", TL_EFORMAT, "exclude_modules is '(', no pattern" },
        { "exclude_modules", "7", TL_EFORMAT, "exclude_modules" },
        { "trainable_token_indices", "[1, 1]", TL_EFORMAT, "holds an id twice" },
        { "trainable_token_indices", "[97]", TL_EFORMAT, "no id from 0 to 96" },
        { "trainable_token_indices", "[-1]", TL_EFORMAT, "no id from 0 to 96" },
        { "trainable_token_indices", "[]", TL_EFORMAT, "no list of 1 to 97 ids" },
        { "trainable_token_indices", "[3]", TL_EFORMAT, "trainable_tokens_delta is missing" },
        { "trainable_token_indices", "{\"lm_head\": [3]}", TL_EUNSUPPORTED, "speaks of 'lm_head'" },
        { "lora_bias", "true", TL_EUNSUPPORTED, "lora_bias" },
        { "target_parameters", "[\"experts.down\"]", TL_EUNSUPPORTED, "target_parameters" },
        { "layer_replication", "[[0, 2]]", TL_EUNSUPPORTED, "layer_replication" },
        { "alora_invocation_tokens", "[1]", TL_EUNSUPPORTED, "alora_invocation_tokens" },
        { "target_modules", "null", TL_EFORMAT, "target_modules" },
        { "init_lora_weights", "\"pissa\"", TL_EUNSUPPORTED, "'pissa'" },
        { "a_field_of_tomorrow", "\"on\"", TL_EUNSUPPORTED, "a_field_of_tomorrow" },
        { "target_modules", "[\"q_proj\", \"lm_head\"]", TL_EUNSUPPORTED, "'lm_head'" },
        { "target_modules", "\"(\"", TL_EFORMAT, "no pattern" },
        { "target_modules", "\"(.*.*.*.*.*.*.*.*)*[xz]\"", TL_EFORMAT, "too costly" },
        { "target_modules", "[]", TL_EFORMAT, "target_modules" },
        { "r", "0", TL_EFORMAT, "r" },
        { "lora_alpha", "0", TL_EDATA, "no effect" },
    };
    tl_model *m = open_base(LLAMA);
    tl_adapter *a = make(m, "q_proj");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *o = NULL;
        tl_err err = { 0 };
        scratch_begin();
        write_scratch(a);
        CHECK_OK(tl_json_load(&o, scratch("adapter_config.json"), &err), err);
        json_object_set_new(o, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        CHECK_OK(tl_json_save(scratch("adapter_config.json"), o, &err), err);
        json_decref(o);
        err = load_fails(m, cases[i].code);
        CHECK_HAS(err.text, cases[i].says);
        scratch_end();
    }
    tl_adapter_release(a);
    tl_model_free(m);
}

TEST(a_field_that_is_off_is_as_if_absent)
{
    tl_model *m = open_base(LLAMA);
    tl_adapter *a = make(m, "q_proj"), *b = NULL;
    json_t *o = NULL;
    tl_err err = { 0 };
    scratch_begin();
    write_scratch(a);
    CHECK_OK(tl_json_load(&o, scratch("adapter_config.json"), &err), err);
    json_object_set_new(o, "a_field_of_tomorrow", json_null());
    json_object_set_new(o, "another", json_false());
    json_object_set_new(o, "runtime_config", json_pack("{s:b}", "ephemeral_gpu_offload", 0));
    CHECK_OK(tl_json_save(scratch("adapter_config.json"), o, &err), err);
    json_decref(o);
    CHECK_OK(tl_adapter_load(&b, m, scratch_dir, &err), err);
    scratch_end();
    tl_adapter_release(a);
    tl_adapter_release(b);
    tl_model_free(m);
}

TEST(an_adapters_hash_names_its_content)
{
    tl_err err = { 0 };
    tl_model *m = open_base(LLAMA);
    tl_adapter *a = NULL, *b = NULL, *c = NULL;
    CHECK_OK(tl_adapter_load(&a, m, LLAMA "/adapter", &err), err);
    CHECK_OK(tl_adapter_load(&b, m, LLAMA "/adapter", &err), err);
    CHECK_OK(tl_adapter_load(&c, m, LLAMA "/adapter-gradients", &err), err);
    CHECK(memcmp(&a->hash, &b->hash, sizeof a->hash) == 0);
    CHECK(memcmp(&a->hash, &c->hash, sizeof a->hash) != 0);
    tl_adapter_release(tl_adapter_acquire(b));
    tl_adapter_release(a);
    tl_adapter_release(b);
    tl_adapter_release(c);
    tl_model_free(m);
}

RUN_TESTS(CASE(an_adapter_written_and_loaded_is_the_same_adapter),
          CASE(every_golden_adapter_is_written_back_with_the_same_tensors),
          CASE(a_fresh_adapter_begins_as_the_base_and_by_its_seed),
          CASE(a_fresh_adapter_with_magnitudes_and_weights_of_its_own_begins_as_the_base),
          CASE(own_modules_that_name_nothing_or_leave_nothing_to_adapt_are_refused),
          CASE(parts_of_a_fused_module_share_a_and_take_their_rows_of_b), CASE(targets_that_name_no_module_are_refused),
          CASE(an_adapter_for_another_base_is_refused),
          CASE(tensors_missing_unmatched_misshapen_idle_or_not_numbers_are_refused),
          CASE(a_field_that_is_not_understood_is_refused_by_name), CASE(a_field_that_is_off_is_as_if_absent),
          CASE(an_adapters_hash_names_its_content))
