/* model_test.c - bases on disk: what is read back, and what is refused and how. */
#define _GNU_SOURCE /* nftw */
#include "model/model.h"
#include "tests/edited_tensors.h"
#include "tests/golden_bases.h"

#include "base/hash.h"
#include "io/atomic.h"
#include "io/json.h"
#include "model/init.h"
#include "model/names.h"

static const char llama_text[] =
    "{\"model_type\": \"llama\", \"vocab_size\": 11, \"hidden_size\": 8, \"intermediate_size\": 10,"
    " \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"head_dim\": 6,"
    " \"max_position_embeddings\": 16, \"tie_word_embeddings\": true}";
static const char gpt2_text[] = "{\"model_type\": \"gpt2\", \"vocab_size\": 11, \"n_embd\": 8, \"n_layer\": 2,"
                                " \"n_head\": 2, \"n_positions\": 16}";

/* The config of text, with key set to the JSON value. */
static int parse_with(tl_config *c, const char *text, const char *key, const char *value, tl_err *err)
{
    json_t *o = json_loads(text, 0, NULL);
    if (key) json_object_set_new(o, key, json_loads(value, JSON_DECODE_ANY, NULL));
    int rc = tl_config_parse(c, o, "config.json", err);
    json_decref(o);
    return rc;
}

/* A base with fresh weights, written to the scratch directory. */
static void write_base(const char *text, tl_dtype dtype)
{
    tl_err err = { 0 };
    tl_config c;
    tl_model *m = NULL;
    CHECK_OK(parse_with(&c, text, NULL, NULL, &err), err);
    CHECK_OK(tl_model_create(&m, &c, 7, &err), err);
    CHECK_OK(tl_model_write(m, scratch_dir, dtype, &err), err);
    tl_model_free(m);
}

static tl_err open_fails(int code)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    CHECK_INT(tl_model_open(&m, scratch_dir, &err), code);
    CHECK(m == NULL);
    return err;
}

TEST(parameters_are_counted_once_and_products_without_tables)
{
    tl_err err = { 0 };
    tl_config c;
    tl_model *m = NULL;
    size_t layer = 12 * 8 + 2 * 6 * 8 + 8 * 12 + 3 * 80;
    CHECK_OK(parse_with(&c, llama_text, NULL, NULL, &err), err);
    CHECK_OK(tl_model_create(&m, &c, 1, &err), err);
    CHECK_INT(tl_model_parameters(m), 11 * 8 + 8 + 2 * (layer + 16));
    CHECK_INT(tl_model_product_parameters(m), 11 * 8 + 2 * layer);
    CHECK(m->head.data == m->tokens.data && m->head.grad == m->tokens.grad);
    tl_model_free(m);
}

static int hash_weight(void *context, const char *name, tl_weight *w)
{
    (void)name;
    tl_hash *h = context;
    *h = tl_hash_chain(h, w->data, (size_t)w->rows * (size_t)w->cols * tl_dtype_size(w->dtype));
    return 0;
}

static tl_hash created(uint64_t seed)
{
    tl_err err = { 0 };
    tl_config c;
    tl_model *m = NULL;
    tl_hash h = { 0 };
    CHECK_OK(parse_with(&c, gpt2_text, NULL, NULL, &err), err);
    CHECK_OK(tl_model_create(&m, &c, seed, &err), err);
    tl_model_each(m, hash_weight, &h);
    tl_model_free(m);
    return h;
}

TEST(a_seed_makes_the_same_weights_and_another_seed_others)
{
    tl_hash a = created(3), b = created(3), c = created(4);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    CHECK(memcmp(&a, &c, sizeof a) != 0);
}

TEST(fresh_weights_have_the_deviation_asked_for)
{
    tl_err err = { 0 };
    tl_config c;
    tl_model *m = NULL;
    CHECK_OK(parse_with(&c, llama_text, "hidden_size", "256", &err), err);
    CHECK_OK(tl_model_create(&m, &c, 1, &err), err);
    double up = 0, down = 0, n = 256 * 10;
    for (int i = 0; i < 256 * 10; i++) {
        up += pow(tl_weight_f32(&m->layers[1].linear[TL_UP])[i], 2) / n;
        down += pow(tl_weight_f32(&m->layers[1].linear[TL_DOWN])[i], 2) / n;
    }
    CHECK(fabs(sqrt(up) - 0.02) < 0.001);
    CHECK(fabs(sqrt(down) - 0.01) < 0.0005); /* 0.02 / sqrt(2L), L = 2 */
    CHECK(tl_weight_f32(&m->layers[0].norm1)[3] == 1);
    tl_model_free(m);
}

/* Open what write_base wrote, twice over: the second base is written from the first. */
static void check_round_trip(const char *text, tl_dtype dtype)
{
    tl_err err = { 0 };
    tl_model *a = NULL, *b = NULL;
    scratch_begin();
    write_base(text, dtype);
    CHECK_OK(tl_model_open(&a, scratch_dir, &err), err);
    CHECK_OK(tl_model_write(a, scratch_dir, dtype, &err), err);
    CHECK_OK(tl_model_open(&b, scratch_dir, &err), err);
    tl_hash of_a = tl_model_hash(a), of_b = tl_model_hash(b);
    CHECK(memcmp(&of_a, &of_b, sizeof of_a) == 0);
    CHECK_INT(a->stored_bytes, tl_model_parameters(a) * tl_dtype_size(dtype));
    CHECK_OK(tl_model_unfreeze(b, &err), err);
    tl_model_free(a); /* an unfrozen model stands on its own */
    tl_model_free(b);
    scratch_end();
}

TEST(a_base_written_and_read_back_is_the_same_base)
{
    check_round_trip(llama_text, TL_DTYPE_F32);
    check_round_trip(llama_text, TL_DTYPE_BF16);
    check_round_trip(gpt2_text, TL_DTYPE_F32);
}

TEST(weights_come_back_bit_for_bit_through_fused_and_transposed_tensors)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    tl_hash wanted = created(7), found = { 0 };
    scratch_begin();
    write_base(gpt2_text, TL_DTYPE_F32);
    CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);
    tl_model_each(m, hash_weight, &found);
    CHECK(memcmp(&wanted, &found, sizeof found) == 0);
    tl_model_free(m);
    scratch_end();
}

TEST(every_golden_base_is_written_back_as_the_same_base)
{
    for (int i = 0; i < GOLDEN_BASES; i++) {
        tl_err err = { 0 };
        tl_model *a = NULL, *b = NULL;
        char dir[100];
        snprintf(dir, sizeof dir, GOLDEN_HOME "%s", golden_bases[i].name);
        scratch_begin();
        CHECK_OK(tl_model_open(&a, dir, &err), err);
        CHECK_OK(tl_model_write_as_it_is(a, scratch_dir, &err), err);
        CHECK_OK(tl_model_open(&b, scratch_dir, &err), err);
        tl_hash of_a = tl_model_hash(a), of_b = tl_model_hash(b);
        if (memcmp(&of_a, &of_b, sizeof of_a) != 0) fail_msg("%s comes back as another base", dir);
        tl_model_free(a);
        tl_model_free(b);
        scratch_end();
    }
}

TEST(a_model_in_two_types_is_written_as_it_is_and_comes_back_bit_for_bit)
{
    static const char *const texts[] = { llama_text, gpt2_text };
    tl_err err = { 0 };
    for (int i = 0; i < 2; i++) {
        tl_model *m = NULL, *back = NULL;
        tl_unfreeze how = { .matrices = TL_DTYPE_BF16, .room = TL_ROOM_GROUP };
        tl_hash wanted = { 0 }, found = { 0 };
        scratch_begin();
        write_base(texts[i], TL_DTYPE_F32);
        CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);
        CHECK_OK(tl_model_unfreeze_as(m, &how, &err), err);
        CHECK_INT(m->layers[0].linear[TL_Q].dtype, TL_DTYPE_BF16);
        CHECK_INT(m->norm.dtype, TL_DTYPE_F32);
        scratch_end();
        scratch_begin();
        CHECK_OK(tl_model_write_as_it_is(m, scratch_dir, &err), err);
        CHECK_OK(tl_model_open(&back, scratch_dir, &err), err);
        how.matrices = TL_DTYPE_F32; /* GPT-2's turned matrices are f32 copies anyway */
        CHECK_OK(tl_model_unfreeze_as(m, &how, &err), err);
        CHECK_OK(tl_model_unfreeze_as(back, &how, &err), err);
        tl_model_each(m, hash_weight, &wanted);
        tl_model_each(back, hash_weight, &found);
        CHECK(memcmp(&wanted, &found, sizeof found) == 0);
        tl_model_free(m);
        tl_model_free(back);
        scratch_end();
    }
}

TEST(one_changed_number_changes_the_hash)
{
    tl_err err = { 0 };
    tl_model *a = NULL, *b = NULL;
    scratch_begin();
    write_base(llama_text, TL_DTYPE_F32);
    CHECK_OK(tl_model_open(&a, scratch_dir, &err), err);
    CHECK_OK(tl_model_unfreeze(a, &err), err);
    tl_hash none = { 0 }, changing = tl_model_hash(a);
    CHECK(memcmp(&changing, &none, sizeof none) == 0);
    CHECK_OK(tl_model_open(&b, scratch_dir, &err), err);
    tl_hash before = tl_model_hash(b);
    tl_model_free(b);
    ((float *)a->layers[1].linear[TL_V].data)[5] += 1;
    CHECK_OK(tl_model_write(a, scratch_dir, TL_DTYPE_F32, &err), err);
    CHECK_OK(tl_model_open(&b, scratch_dir, &err), err);
    tl_hash after = tl_model_hash(b);
    CHECK(memcmp(&before, &after, sizeof before) != 0);
    tl_model_free(a);
    tl_model_free(b);
    scratch_end();
}

static uint16_t halves[88];

static void to_f16(edit *e)
{
    tl_stored *t = edit_find(e, "model.embed_tokens.weight");
    for (int i = 0; i < 88; i++) halves[i] = (uint16_t)(0x3c00 + i); /* 1 + i/1024 */
    t->dtype = TL_DTYPE_F16;
    t->data = halves;
    t->bytes = sizeof halves;
}

TEST(f16_weights_are_read_as_f32)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    scratch_begin();
    write_base(llama_text, TL_DTYPE_F32);
    edited_tensors("model.safetensors", to_f16);
    CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);
    CHECK_INT(m->tokens.dtype, TL_DTYPE_F32);
    for (int i = 0; i < 88; i++) CHECK(tl_weight_f32(&m->tokens)[i] == 1 + (float)i / 1024);
    tl_model_free(m);
    scratch_end();
}

static void drop_prefix(edit *e)
{
    for (int i = 0; i < e->n; i++)
        if (strncmp(e->tensors[i].name, "transformer.", 12) == 0) e->tensors[i].name += 12;
    static const float mask[4];
    e->tensors[e->n++] = (tl_stored){ "h.0.attn.bias", TL_DTYPE_F32, 4, { 1, 1, 2, 2 }, mask, sizeof mask };
}

TEST(gpt2_without_its_prefix_and_with_its_masks_is_read)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    scratch_begin();
    write_base(gpt2_text, TL_DTYPE_F32);
    edited_tensors("model.safetensors", drop_prefix);
    CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);
    tl_model_free(m);
    scratch_end();
}

static void add_head(edit *e)
{
    e->tensors[e->n] = *edit_find(e, "model.embed_tokens.weight");
    e->tensors[e->n++].name = "lm_head.weight";
}

static void add_other_head(edit *e)
{
    static const float zeros[88];
    add_head(e);
    e->tensors[e->n - 1].data = zeros;
}

TEST(a_tied_base_may_repeat_its_table_as_head_but_not_change_it)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    scratch_begin();
    write_base(llama_text, TL_DTYPE_F32);
    edited_tensors("model.safetensors", add_head);
    CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);
    tl_model_free(m);
    write_base(llama_text, TL_DTYPE_F32);
    edited_tensors("model.safetensors", add_other_head);
    err = open_fails(TL_EFORMAT);
    CHECK_HAS(err.text, "lm_head.weight differs from model.embed_tokens.weight");
    scratch_end();
}

static void lose_tensor(edit *e)
{
    *edit_find(e, "model.layers.1.mlp.up_proj.weight") = e->tensors[e->n - 1];
    e->n--;
}

static void add_tensor(edit *e)
{
    static const float x[2];
    e->tensors[e->n++] = (tl_stored){ "model.layers.0.mlp.up_proj.bias", TL_DTYPE_F32, 1, { 2 }, x, sizeof x };
}

static void turn_tensor(edit *e)
{
    tl_stored *t = edit_find(e, "model.layers.0.mlp.down_proj.weight");
    t->dims[0] = 10;
    t->dims[1] = 8;
}

static void as_integers(edit *e)
{
    edit_find(e, "model.norm.weight")->dtype = TL_DTYPE_I32;
}

static float spoiled[96];

static void spoil(edit *e)
{
    tl_stored *t = edit_find(e, "model.layers.1.self_attn.q_proj.weight");
    memcpy(spoiled, t->data, sizeof spoiled);
    spoiled[95] = NAN;
    t->data = spoiled;
}

static void spoil_infinite(edit *e)
{
    spoil(e);
    spoiled[95] = -INFINITY;
}

TEST(tensors_missing_extra_misshapen_or_not_numbers_are_refused_by_name)
{
    static const struct {
        void (*change)(edit *e);
        int code;
        const char *says[2];
    } cases[] = {
        { lose_tensor, TL_EFORMAT, { "model.layers.1.mlp.up_proj.weight", "is missing" } },
        { add_tensor, TL_EUNSUPPORTED, { "model.layers.0.mlp.up_proj.bias", "has no place in a llama model" } },
        { turn_tensor, TL_ESHAPE, { "model.layers.0.mlp.down_proj.weight is [10, 8]", "wants [8, 10]" } },
        { as_integers, TL_EUNSUPPORTED, { "model.norm.weight", "stored as I32" } },
        { spoil, TL_ENUMERIC, { "model.layers.1.self_attn.q_proj.weight", "NaN" } },
        { spoil_infinite, TL_ENUMERIC, { "model.layers.1.self_attn.q_proj.weight", "infinity" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_begin();
        write_base(llama_text, TL_DTYPE_F32);
        edited_tensors("model.safetensors", cases[i].change);
        tl_err err = open_fails(cases[i].code);
        CHECK_HAS(err.text, cases[i].says[0]);
        CHECK_HAS(err.text, cases[i].says[1]);
        CHECK_HAS(err.text, scratch_dir);
        scratch_end();
    }
}

TEST(bf16_weights_that_are_no_numbers_are_refused_too)
{
    scratch_begin();
    write_base(llama_text, TL_DTYPE_BF16);
    FILE *f = fopen(scratch("model.safetensors"), "r+b");
    CHECK(f && fseek(f, -2, SEEK_END) == 0 && fwrite("\x80\x7f", 1, 2, f) == 2 && fclose(f) == 0);
    tl_err err = open_fails(TL_ENUMERIC);
    CHECK_HAS(err.text, "holds NaN or infinity");
    scratch_end();
}

TEST(a_truncated_or_absent_file_is_refused_by_name)
{
    scratch_begin();
    tl_err err = open_fails(TL_EIO);
    CHECK_HAS(err.text, "config.json");
    write_base(llama_text, TL_DTYPE_F32);
    CHECK(truncate(scratch("model.safetensors"), 3000) == 0);
    err = open_fails(TL_EFORMAT);
    CHECK_HAS(err.text, "model.safetensors");
    CHECK(remove(scratch("model.safetensors")) == 0);
    err = open_fails(TL_EIO);
    CHECK_HAS(err.text, "model.safetensors");
    scratch_end();
}

RUN_TESTS(CASE(parameters_are_counted_once_and_products_without_tables),
          CASE(a_seed_makes_the_same_weights_and_another_seed_others), CASE(fresh_weights_have_the_deviation_asked_for),
          CASE(a_base_written_and_read_back_is_the_same_base),
          CASE(weights_come_back_bit_for_bit_through_fused_and_transposed_tensors),
          CASE(every_golden_base_is_written_back_as_the_same_base),
          CASE(a_model_in_two_types_is_written_as_it_is_and_comes_back_bit_for_bit),
          CASE(one_changed_number_changes_the_hash), CASE(f16_weights_are_read_as_f32),
          CASE(gpt2_without_its_prefix_and_with_its_masks_is_read),
          CASE(a_tied_base_may_repeat_its_table_as_head_but_not_change_it),
          CASE(tensors_missing_extra_misshapen_or_not_numbers_are_refused_by_name),
          CASE(bf16_weights_that_are_no_numbers_are_refused_too), CASE(a_truncated_or_absent_file_is_refused_by_name))
