/* variant_test.c - what was written answers as what was made; what does not belong together is refused. */
#define _GNU_SOURCE /* nftw */
#include "method/variant.h"

#include "tests/small_task.h"

#include <sys/stat.h>

static const char *const kinds[] = { "few-shot", "lora", "full", "lora+few-shot" };

static const char *write_variant(const small_task *s, tl_variant *v)
{
    tl_err err = { 0 };
    const char *dir = scratch("variant");
    CHECK_OK(tl_variant_write(v, s->base_dir, dir, &err), err);
    return dir;
}

static tl_variant *made(const small_task *s, const char *method)
{
    tl_method_options o = small_options();
    o.epochs = 1;
    o.k = 2;
    return small_variant(s, method, &o, 1, NULL);
}

static void remove_all(const char *dir)
{
    CHECK_INT(nftw(dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

TEST(a_variant_read_back_gives_the_same_scores_to_the_bit)
{
    small_task s;
    tl_err err = { 0 };
    small_begin(&s, SMALL_LABELS, 1);
    for (int i = 0; i < 4; i++) {
        tl_variant *v = made(&s, kinds[i]), *back = NULL;
        CHECK_OK(tl_variant_open(&back, s.base, write_variant(&s, v), &err), err);
        CHECK_STR(back->method, kinds[i]);
        CHECK_STR(back->prefix, v->prefix);
        CHECK(!back->adapter == !v->adapter && !back->weights == !v->weights);
        tl_predictions a = small_predict(&s, v), b = small_predict(&s, back);
        CHECK(memcmp(a.scores, b.scores, (size_t)(a.n * s.task->n_labels) * sizeof *a.scores) == 0);
        tl_predictions_reset(&a);
        tl_predictions_reset(&b);
        tl_variant_free(v);
        tl_variant_free(back);
    }
    small_end(&s);
}

TEST(a_variant_of_another_base_is_refused)
{
    small_task s;
    tl_err err = { 0 };
    tl_model *other = NULL;
    small_begin(&s, SMALL_LABELS, 1);
    small_write_base(scratch("other"), 4);
    CHECK_OK(tl_model_open(&other, scratch("other"), &err), err);
    for (int i = 0; i < 3; i++) {
        tl_variant *v = made(&s, kinds[i]), *back = NULL;
        CHECK_INT(tl_variant_open(&back, other, write_variant(&s, v), &err), TL_EDATA);
        CHECK(!back);
        CHECK_HAS(err.text, "variant.json: made for the base ");
        tl_variant_free(v);
    }
    tl_model_free(other);
    small_end(&s);
}

TEST(a_directory_that_is_no_variant_is_not_overwritten)
{
    small_task s;
    tl_err err = { 0 };
    small_begin(&s, SMALL_LABELS, 1);
    tl_variant *v = made(&s, "few-shot");
    CHECK(tl_variant_write(v, s.base_dir, s.task_dir, &err) < 0);
    CHECK_HAS(err.text, s.task_dir);
    CHECK_INT(scratch_count(s.task_dir), 4);
    write_variant(&s, v);
    CHECK_OK(tl_variant_write(v, s.base_dir, scratch("variant"), &err), err); /* a variant is */
    tl_variant_free(v);
    small_end(&s);
}

TEST(a_missing_part_is_an_error_that_names_it)
{
    static const struct {
        const char *method, *part, *words;
    } parts[] = {
        { "few-shot", "variant.json", "variant/variant.json" },
        { "few-shot", "prompt.txt", "variant/prompt.txt" },
        { "lora", "adapter", "variant/adapter" },
        { "lora", "adapter/adapter_config.json", "variant/adapter/adapter_config.json" },
        { "full", "weights", "variant/weights" },
        { "full", "weights/model.safetensors", "variant/weights: holds neither" },
    };
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        tl_err err = { 0 };
        tl_variant *v = made(&s, parts[i].method), *back = NULL;
        char part[100];
        snprintf(part, sizeof part, "variant/%s", parts[i].part);
        write_variant(&s, v);
        remove_all(scratch(part));
        if (tl_variant_open(&back, s.base, scratch("variant"), &err) >= 0) fail_msg("accepted without %s", part);
        CHECK(!back);
        CHECK_HAS(err.text, parts[i].words);
        tl_variant_free(v);
        remove_all(scratch("variant"));
    }
    small_end(&s);
}

TEST(a_manifest_that_is_broken_is_refused)
{
    static const struct {
        const char *text, *words;
    } broken[] = {
        { "{", "variant.json" },
        { "{\"base\": {\"sha256\": \"\"}}", "method" },
        { "{\"method\": \"lora\", \"base\": {\"sha256\": \"\"}}", "part" },
        { "{\"method\": \"lora\", \"part\": \"adapter\"}", "base" },
        { "{\"method\": \"lora\", \"part\": \"adapter\", \"base\": {\"sha256\": 5}}", "sha256" },
        { "{\"method\": \"lora\", \"part\": \"soup\", \"base\": {\"sha256\": \"%s\"}}", "part is 'soup'" },
    };
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    tl_variant *v = made(&s, "few-shot");
    write_variant(&s, v);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        tl_err err = { 0 };
        tl_variant *back = NULL;
        char text[200], hex[65];
        tl_hash base = tl_model_hash(s.base);
        tl_hash_hex(hex, &base);
        snprintf(text, sizeof text, broken[i].text, hex);
        scratch_text("variant/variant.json", text);
        CHECK(tl_variant_open(&back, s.base, scratch("variant"), &err) < 0);
        CHECK_HAS(err.text, broken[i].words);
    }
    tl_variant_free(v);
    small_end(&s);
}

TEST(the_bytes_of_a_directory_are_those_of_its_files)
{
    tl_err err = { 0 };
    size_t bytes = 0;
    scratch_begin();
    scratch_text("a", "12345");
    CHECK_INT(mkdir(scratch("in"), 0777), 0);
    scratch_text("in/b", "123");
    CHECK_INT(symlink(scratch("a"), scratch("c")), 0); /* what it points to is counted where it is */
    CHECK_OK(tl_directory_bytes(&bytes, scratch_dir, &err), err);
    CHECK_INT(bytes, 8);
    CHECK_INT(tl_directory_bytes(&bytes, scratch("nowhere"), &err), TL_EIO);
    scratch_end();
}

RUN_TESTS(CASE(a_variant_read_back_gives_the_same_scores_to_the_bit), CASE(a_variant_of_another_base_is_refused),
          CASE(a_directory_that_is_no_variant_is_not_overwritten), CASE(a_missing_part_is_an_error_that_names_it),
          CASE(a_manifest_that_is_broken_is_refused), CASE(the_bytes_of_a_directory_are_those_of_its_files))
