/* gguf_test.c - a file of the gguf package, and files that lie. */
#define _GNU_SOURCE /* nftw */
#include "tests/gguf_writer.h"

#include "base/block_formats.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define SAMPLE "tests/golden/gguf/sample.gguf"

TEST(a_file_of_the_gguf_package_is_read)
{
    tl_err err;
    tl_gguf *g = NULL;
    const char *text;
    const tl_gguf_pair *p;
    int i;
    double x;
    bool b;
    CHECK(tl_gguf_is(SAMPLE));
    CHECK_OK(tl_gguf_open(&g, SAMPLE, &err), err);
    CHECK_INT(tl_gguf_version(g), 3);
    CHECK_OK(tl_gguf_string(g, "general.architecture", &text, &err), err);
    CHECK_STR(text, "sample");
    /* make.py writes one of each type: its name, and a number that only it can hold. */
    static const struct {
        const char *key;
        int64_t value;
    } whole[] = {
        { "u8", 255 },         { "i8", -128 },       { "u16", 65535 },     { "i16", -32768 },
        { "u32", 4294967295 }, { "i32", INT32_MIN }, { "u64", INT64_MAX }, { "i64", INT64_MIN },
    };
    for (size_t k = 0; k < sizeof whole / sizeof *whole; k++) {
        int64_t found;
        p = tl_gguf_get(g, whole[k].key);
        CHECK(p && !p->array && p->n == 1);
        CHECK_STR(tl_gguf_type_name(p->type), whole[k].key);
        CHECK(tl_gguf_whole(p, 0, &found) && found == whole[k].value);
    }
    CHECK_OK(tl_gguf_double(g, "f32", -1, 1, &x, &err), err);
    CHECK(x == 0.25);
    CHECK_OK(tl_gguf_double(g, "f64", 0, 1, &x, &err), err);
    CHECK(x == 0.1);
    CHECK_OK(tl_gguf_double(g, "i8", -200, 0, &x, &err), err);
    CHECK(x == -128);
    CHECK_OK(tl_gguf_bool_or(g, "bool", false, &b, &err), err);
    CHECK(b);
    CHECK_OK(tl_gguf_int(g, "u8", 0, 255, &i, &err), err);
    CHECK_INT(i, 255);

    CHECK_OK(tl_gguf_array(g, "strings", TL_GGUF_STRING, &p, &err), err);
    static const char *const strings[] = { "one", "", "caf\303\251" };
    size_t at = 0, size, n = 0;
    for (const char *s; (s = tl_gguf_next(p, &at, &size)); n++) {
        CHECK_INT(size, strlen(strings[n]));
        CHECK(memcmp(s, strings[n], size) == 0);
    }
    CHECK(n == 3 && p->n == 3);
    CHECK_OK(tl_gguf_array(g, "numbers", TL_GGUF_I32, &p, &err), err);
    CHECK(p->n == 2 && tl_gguf_real(p, 0) == 7 && tl_gguf_real(p, 1) == -7);

    const tl_stored *t = tl_gguf_find(g, "w");
    CHECK(t && t->n_dims == 2 && t->dims[0] == 2 && t->dims[1] == 3 && t->dtype == TL_DTYPE_F32 && t->bytes == 24);
    for (i = 0; i < 6; i++) CHECK(((const float *)t->data)[i] == (float)i / 4);
    t = tl_gguf_find(g, "half");
    CHECK(t && t->n_dims == 1 && t->dims[0] == 5 && t->dtype == TL_DTYPE_F16);
    t = tl_gguf_find(g, "blocks");
    CHECK(t && t->dtype == TL_DTYPE_Q8_0 && t->dims[0] == 2 && t->dims[1] == 64 && t->bytes == 136);
    float row[64];
    tl_block_to_f32(t->dtype, row, t->data, 64);
    for (i = 0; i < 64; i++) CHECK_CLOSE(&row[i], (float[]){ (float)i - 31 }, 1, 0.5 / 32, 32);
    for (i = 0; i < tl_gguf_count(g); i++) CHECK((uintptr_t)tl_gguf_at(g, i)->data % 32 == 0);
    CHECK_INT(tl_gguf_count(g), 3);
    CHECK(!tl_gguf_find(g, "absent") && !tl_gguf_get(g, "absent"));
    tl_gguf_close(g);
}

TEST(a_value_of_the_wrong_kind_is_refused_by_its_key)
{
    tl_err err;
    tl_gguf *g = NULL;
    const tl_gguf_pair *p;
    const char *text;
    int i;
    double x;
    bool b;
    CHECK_OK(tl_gguf_open(&g, SAMPLE, &err), err);
    CHECK(tl_gguf_int(g, "absent", 0, 1, &i, &err) < 0);
    CHECK_HAS(err.text, "sample.gguf: key absent is missing");
    CHECK(tl_gguf_int(g, "u8", 0, 254, &i, &err) < 0);
    CHECK_HAS(err.text, "key u8 is 255, wanted 0 to 254");
    CHECK(tl_gguf_int(g, "f32", 0, 1, &i, &err) < 0);
    CHECK_HAS(err.text, "key f32 is f32, wanted a whole number");
    CHECK(tl_gguf_int(g, "numbers", 0, 1, &i, &err) < 0);
    CHECK_HAS(err.text, "an array of i32");
    CHECK(tl_gguf_double(g, "bool", 0, 1, &x, &err) < 0);
    CHECK(tl_gguf_double(g, "f64", 1, 2, &x, &err) < 0);
    CHECK_HAS(err.text, "key f64 is 0.1, wanted 1 to 2");
    CHECK(tl_gguf_bool_or(g, "u8", true, &b, &err) < 0);
    CHECK(tl_gguf_string(g, "u8", &text, &err) < 0);
    CHECK_HAS(err.text, "wanted a string");
    CHECK(tl_gguf_string(g, "absent", &text, &err) < 0);
    CHECK(tl_gguf_array(g, "strings", TL_GGUF_I32, &p, &err) < 0);
    CHECK_HAS(err.text, "wanted an array of i32");
    CHECK(tl_gguf_array(g, "absent", TL_GGUF_I32, &p, &err) < 0);
    CHECK_OK(tl_gguf_array_or_null(g, "absent", TL_GGUF_I32, &p, &err), err);
    CHECK(!p);
    CHECK_OK(tl_gguf_int_or(g, "absent", 0, 1, 7, &i, &err), err);
    CHECK_INT(i, 7);
    tl_gguf_close(g);
}

/* Opening the writer's bytes must fail with these words. */
static void refused(const gguf_writer *w, int code, const char *words)
{
    tl_err err = { 0 };
    tl_gguf *g = NULL;
    int rc = tl_gguf_open(&g, scratch_write("lie.gguf", w->bytes, w->size), &err);
    CHECK(!g);
    CHECK_HAS(err.text, "lie.gguf");
    CHECK_HAS(err.text, words);
    CHECK_INT(rc, code);
}

static const float four[8] = { 1, 2, 3, 4 };
static const uint64_t dims4[4] = { 4, 1, 1, 1 };

static gguf_writer small(void)
{
    gguf_writer w = gguf_begin(3);
    gguf_text(&w, "name", "small");
    gguf_array(&w, "list", TL_GGUF_STRING, 2);
    gguf_string(&w, "a");
    gguf_string(&w, "bc");
    gguf_array(&w, "nested", TL_GGUF_ARRAY, 2);
    for (int i = 0; i < 2; i++) {
        gguf_u32(&w, TL_GGUF_U8);
        gguf_u64(&w, 2);
        gguf_put(&w, "xy", 2);
    }
    gguf_tensor(&w, "t", 0, 1, dims4, 0);
    gguf_tensor(&w, "u", 0, 1, dims4, 32);
    return w;
}

TEST(a_file_cut_at_any_byte_is_refused)
{
    tl_err err = { 0 };
    tl_gguf *g = NULL;
    gguf_writer w = small();
    float data[12] = { 1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8 };
    scratch_begin();
    gguf_end(&w, data, sizeof data);
    CHECK_OK(tl_gguf_open(&g, scratch_write("whole.gguf", w.bytes, w.size), &err), err);
    CHECK(((const float *)tl_gguf_find(g, "u")->data)[3] == 8);
    const tl_gguf_pair *p = tl_gguf_get(g, "nested");
    CHECK(p && p->array && p->type == TL_GGUF_ARRAY && p->n == 2 && p->size == 28);
    tl_gguf_close(g);
    for (size_t n = 0; n < w.size; n++) {
        g = NULL;
        if (tl_gguf_open(&g, scratch_write("cut.gguf", w.bytes, n), &err) == 0)
            fail_msg("cut to %zu of %zu", n, w.size);
        CHECK(!g);
        CHECK_HAS(err.text, "cut.gguf");
    }
    scratch_end();
}

TEST(what_is_no_gguf_file_of_a_known_version_is_refused)
{
    scratch_begin();
    gguf_writer w = gguf_begin(1);
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EUNSUPPORTED, "GGUF version 1, read are 2 and 3");
    w = gguf_begin(3u << 24);
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EUNSUPPORTED, "big-endian");
    w.bytes[0] = 'X';
    refused(&w, TL_EFORMAT, "begins with 58 47 55 46");
    CHECK(!tl_gguf_is(scratch("lie.gguf")));
    CHECK(!tl_gguf_is(scratch("absent")));
    CHECK(!tl_gguf_is(scratch_dir));
    scratch_end();
}

TEST(counts_that_the_file_cannot_hold_are_refused)
{
    static const uint64_t huge[] = { 100, 1u << 31, 1ull << 60, UINT64_MAX };
    scratch_begin();
    for (int i = 0; i < 4; i++) {
        gguf_writer w = gguf_begin(3);
        w.pairs = huge[i];
        gguf_end(&w, NULL, 0);
        refused(&w, TL_EFORMAT, "pairs, which do not fit");
        w = gguf_begin(3);
        w.tensors = huge[i];
        gguf_end(&w, NULL, 0);
        refused(&w, TL_EFORMAT, "tensors, which do not fit");
        for (int type = 0; type < TL_GGUF_TYPES; type++) {
            w = gguf_begin(3);
            gguf_array(&w, "long", (tl_gguf_type)type, huge[i]);
            gguf_end(&w, NULL, 0);
            refused(&w, TL_EFORMAT, "key long");
        }
        w = gguf_begin(3);
        gguf_key(&w, "text", TL_GGUF_STRING);
        gguf_u64(&w, huge[i]);
        gguf_end(&w, NULL, 0);
        refused(&w, TL_EFORMAT, "key text");
        w = gguf_begin(3);
        gguf_tensor(&w, "wide", 0, 1, &huge[i], 0);
        gguf_end(&w, four, sizeof four);
        refused(&w, i == 3 ? TL_ESHAPE : i == 2 ? TL_EFORMAT : TL_EFORMAT, "tensor wide");
        w = gguf_begin(3);
        gguf_tensor(&w, "square", 0, 4, (uint64_t[]){ huge[i], huge[i], huge[i], 4 }, 0);
        gguf_end(&w, four, sizeof four);
        refused(&w, i == 0 ? TL_EFORMAT : TL_ESHAPE, "tensor square");
        w = gguf_begin(3);
        gguf_tensor(&w, "far", 0, 1, dims4, huge[i] & ~31ull);
        gguf_end(&w, four, sizeof four);
        refused(&w, TL_EFORMAT, "tensor far");
    }
    scratch_end();
}

TEST(names_and_types_that_are_none_are_refused)
{
    scratch_begin();
    gguf_writer w = gguf_begin(3);
    gguf_text(&w, "twice", "a");
    gguf_text(&w, "twice", "b");
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EFORMAT, "key twice is there twice");
    w = gguf_begin(3);
    gguf_text(&w, "", "a");
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EFORMAT, "pair 0: has an empty name");
    w = gguf_begin(3);
    gguf_key(&w, "nul", TL_GGUF_STRING);
    gguf_u64(&w, 3);
    gguf_put(&w, "a\0b", 3);
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EFORMAT, "key nul: a string with a NUL");
    w = gguf_begin(3);
    gguf_key(&w, "odd", TL_GGUF_TYPES);
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EFORMAT, "key odd: has type 13");
    w = gguf_begin(3);
    gguf_number(&w, "maybe", TL_GGUF_BOOL, 2);
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EFORMAT, "key maybe: a bool is 2");
    w = gguf_begin(3);
    gguf_array(&w, "deep", TL_GGUF_ARRAY, 1);
    for (int i = 0; i < 100; i++) {
        gguf_u32(&w, TL_GGUF_ARRAY);
        gguf_u64(&w, 1);
    }
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EUNSUPPORTED, "key deep: arrays within arrays");
    w = gguf_begin(3);
    gguf_number(&w, "general.alignment", TL_GGUF_U32, 24);
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EFORMAT, "general.alignment is 24, wanted a power of two");
    w = gguf_begin(3);
    gguf_number(&w, "general.alignment", TL_GGUF_U32, 0);
    gguf_end(&w, NULL, 0);
    refused(&w, TL_EFORMAT, "general.alignment is 0");
    scratch_end();
}

TEST(tensors_that_lie_are_refused)
{
    scratch_begin();
    gguf_writer w = small();
    gguf_tensor(&w, "inside", 0, 1, dims4, 32);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_EFORMAT, "begins inside tensor");
    w = small();
    gguf_tensor(&w, "t", 0, 1, dims4, 64);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_EFORMAT, "tensor t is there twice");
    w = small();
    gguf_tensor(&w, "askew", 0, 1, dims4, 68);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_EFORMAT, "tensor askew: begins at byte 68 of the data, wanted a multiple of 32");
    w = small();
    gguf_tensor(&w, "iq", 16, 1, (uint64_t[]){ 256 }, 64);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_EUNSUPPORTED, "tensor iq: is stored as type 16 (IQ2_XXS)");
    w = small();
    gguf_tensor(&w, "new", 4711, 1, dims4, 64);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_EUNSUPPORTED, "type 4711 (unknown)");
    w = small();
    gguf_tensor(&w, "ragged", 8, 1, (uint64_t[]){ 33 }, 64);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_ESHAPE, "tensor ragged: rows of 33 numbers, Q8_0 wants a multiple of 32");
    w = small();
    gguf_tensor(&w, "empty", 0, 2, (uint64_t[]){ 4, 0 }, 64);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_ESHAPE, "tensor empty: a dimension is 0");
    w = small();
    gguf_tensor(&w, "scalar", 0, 0, dims4, 64);
    gguf_end(&w, (float[32]){ 0 }, 128);
    refused(&w, TL_EFORMAT, "tensor scalar: has 0 dimensions");
    scratch_end();
}

TEST(a_file_of_metadata_alone_is_read)
{
    tl_err err;
    tl_gguf *g = NULL;
    scratch_begin();
    gguf_writer w = gguf_begin(2);
    gguf_text(&w, "general.name", "");
    gguf_end(&w, NULL, 0);
    CHECK_OK(tl_gguf_open(&g, scratch_write("meta.gguf", w.bytes, 24 + 8 + 12 + 4 + 8), &err), err); /* no padding */
    CHECK(tl_gguf_count(g) == 0 && tl_gguf_pairs(g) == 1 && !tl_gguf_find(g, "x"));
    CHECK_STR(tl_gguf_pair_at(g, 0)->text, "");
    tl_gguf_close(g);
    scratch_end();
}

RUN_TESTS(CASE(a_file_of_the_gguf_package_is_read), CASE(a_value_of_the_wrong_kind_is_refused_by_its_key),
          CASE(a_file_cut_at_any_byte_is_refused), CASE(what_is_no_gguf_file_of_a_known_version_is_refused),
          CASE(counts_that_the_file_cannot_hold_are_refused), CASE(names_and_types_that_are_none_are_refused),
          CASE(tensors_that_lie_are_refused), CASE(a_file_of_metadata_alone_is_read))
