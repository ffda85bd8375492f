/* json_test.c - every error names the file, the key, what was found and what was wanted. */
#define _GNU_SOURCE /* nftw */
#include "io/json.h"
#include "tests/check.h"
#include "tests/scratch.h"

TEST(a_value_is_fetched_by_type_and_a_missing_one_has_its_default)
{
    tl_err err;
    json_t *o = json_loads("{\"n\": 4, \"eps\": 1e-5, \"tied\": true, \"type\": \"llama\", \"none\": null, \"a\": []}",
                           0, NULL);
    int n;
    double eps;
    bool tied;
    const char *type;
    json_t *a;
    CHECK_OK(tl_json_int(o, "f", "n", 1, 8, &n, &err), err);
    CHECK_INT(n, 4);
    CHECK_OK(tl_json_int_or(o, "f", "none", 1, 8, 7, &n, &err), err);
    CHECK_INT(n, 7);
    CHECK_OK(tl_json_double(o, "f", "eps", 0, 1, &eps, &err), err);
    CHECK(eps == 1e-5);
    CHECK_OK(tl_json_double(o, "f", "n", 0, 9, &eps, &err), err);
    CHECK(eps == 4);
    CHECK_OK(tl_json_bool(o, "f", "tied", &tied, &err), err);
    CHECK(tied);
    CHECK_OK(tl_json_bool_or(o, "f", "absent", false, &tied, &err), err);
    CHECK(!tied);
    CHECK_OK(tl_json_string(o, "f", "type", &type, &err), err);
    CHECK_STR(type, "llama");
    CHECK_OK(tl_json_value(o, "f", "a", JSON_ARRAY, &a, &err), err);
    CHECK_INT(json_array_size(a), 0);
    CHECK_OK(tl_json_value_or_null(o, "f", "absent", JSON_OBJECT, &a, &err), err);
    CHECK(!a);
    json_decref(o);
}

TEST(a_wrong_value_is_named_with_what_was_wanted)
{
    tl_err err;
    json_t *o = json_loads("{\"n\": 40, \"x\": \"7\", \"big\": 5000000000, \"null\": null}", 0, NULL);
    int n;
    bool b;
    json_t *v;
    CHECK_INT(tl_json_int(o, "config.json", "n", 1, 8, &n, &err), TL_EFORMAT);
    CHECK_STR(err.text, "config.json: n is 40, wanted 1 to 8");
    CHECK(tl_json_int(o, "config.json", "big", 1, 8, &n, &err) < 0);
    CHECK_HAS(err.text, "5000000000");
    CHECK(tl_json_int(o, "config.json", "x", 1, 8, &n, &err) < 0);
    CHECK_STR(err.text, "config.json: x is a string, wanted an integer");
    CHECK(tl_json_bool(o, "config.json", "n", &b, &err) < 0);
    CHECK_STR(err.text, "config.json: n is an integer, wanted true or false");
    CHECK(tl_json_value(o, "config.json", "n", JSON_OBJECT, &v, &err) < 0);
    CHECK_STR(err.text, "config.json: n is an integer, wanted an object");
    CHECK(tl_json_int(o, "config.json", "null", 1, 8, &n, &err) < 0);
    CHECK_STR(err.text, "config.json: null is missing, wanted an integer");
    json_decref(o);
}

TEST(a_broken_file_is_named_with_line_and_column)
{
    tl_err err;
    json_t *o = NULL;
    scratch_begin();
    CHECK_INT(tl_json_load(&o, scratch_text("a.json", "{\n  \"a\": 1,\n  b\n}"), &err), TL_EFORMAT);
    CHECK_HAS(err.text, "a.json:3:3: not JSON");
    CHECK(tl_json_load(&o, scratch_text("a.json", "{\"a\": 1, \"a\": 2}"), &err) < 0);
    CHECK_HAS(err.text, "duplicate");
    CHECK(tl_json_load(&o, scratch_text("a.json", "[1]"), &err) < 0);
    CHECK_HAS(err.text, "holds an array, wanted an object");
    CHECK(tl_json_load(&o, scratch_text("a.json", ""), &err) < 0);
    CHECK(tl_json_load(&o, scratch("missing.json"), &err) < 0);
    CHECK_HAS(err.text, "missing.json: cannot be opened");
    CHECK(!o);
    scratch_end();
}

TEST(what_is_saved_is_loaded_again_with_its_keys_in_order)
{
    tl_err err;
    scratch_begin();
    json_t *o = json_pack("{s:i, s:s, s:[f]}", "z", 1, "a", "h\xc3\xa9", "l", 0.5), *back = NULL;
    CHECK_OK(tl_json_save(scratch("o.json"), o, &err), err);
    CHECK_OK(tl_json_load(&back, scratch("o.json"), &err), err);
    CHECK(json_equal(o, back));
    char text[100] = "";
    FILE *f = fopen(scratch("o.json"), "r");
    CHECK(f && fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    CHECK_STR(text, "{\n  \"z\": 1,\n  \"a\": \"h\xc3\xa9\",\n  \"l\": [\n    0.5\n  ]\n}\n");
    json_decref(o);
    json_decref(back);
    scratch_end();
}

TEST(an_integer_beyond_64_bits_is_read_as_a_number)
{
    static const char text[] =
        "{\"model_max_length\": 1000000000000000019884624838656, \"s\": \"9\\\"99999999999999999999\","
        " \"n\": -123456789012345678901234567890, \"fits\": 9223372036854775807, \"r\":"
        " 12345678901234567890.5}";
    json_error_t bad;
    json_t *o = tl_json_parse(text, sizeof text - 1, &bad);
    if (!o) fail_msg("%s", bad.text);
    CHECK(json_real_value(json_object_get(o, "model_max_length")) == 1e30);
    CHECK(json_real_value(json_object_get(o, "n")) < -1.2e29);
    CHECK(json_integer_value(json_object_get(o, "fits")) == INT64_MAX ||
          json_is_real(json_object_get(o, "fits"))); /* one long neighbour makes reals of all long ones */
    CHECK(json_real_value(json_object_get(o, "r")) == 12345678901234567890.5);
    CHECK_STR(json_string_value(json_object_get(o, "s")), "9\"99999999999999999999");
    json_decref(o);
    static const char *const broken[] = { "[99999999999999999999", "99999999999999999999x", "{\"a\": 1e999}",
                                          "[99999999999999999999, \"" };
    for (int i = 0; i < 4; i++) CHECK(!tl_json_parse(broken[i], strlen(broken[i]), &bad));
}

RUN_TESTS(CASE(an_integer_beyond_64_bits_is_read_as_a_number),
          CASE(a_value_is_fetched_by_type_and_a_missing_one_has_its_default),
          CASE(a_wrong_value_is_named_with_what_was_wanted), CASE(a_broken_file_is_named_with_line_and_column),
          CASE(what_is_saved_is_loaded_again_with_its_keys_in_order))
