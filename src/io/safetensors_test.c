/* safetensors_test.c - files of ours and of the Python package, and files that lie. */
#define _GNU_SOURCE /* nftw */
#include "io/safetensors.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define GOLDEN "tests/golden/safetensors"

/* A file with this header and n bytes 0, 1, 2, ... of data. */
static const char *lie(const char *name, const char *header, size_t n)
{
    static unsigned char bytes[4096];
    uint64_t length = strlen(header);
    memcpy(bytes, &length, 8);         /* the tests run on little-endian machines only, as the program does */
    memcpy(bytes + 8, header, length); /* NOLINT(bugprone-not-null-terminated-result): its length says where it ends */
    for (size_t i = 0; i < n; i++) bytes[8 + length + i] = (unsigned char)i;
    return scratch_write(name, bytes, 8 + length + n);
}

/* Opening must fail with these words. */
static void refused(const char *path, int code, const char *words)
{
    tl_err err = { 0 };
    tl_safetensors *s = NULL;
    int rc = tl_safetensors_open(&s, path, &err);
    CHECK(!s);
    CHECK_HAS(err.text, words);
    CHECK_INT(rc, code);
}

static const float w[6] = { 0, 0.25f, 0.5f, 0.75f, 1, 1.25f };
static const tl_f16 half[4] = { 0x3c00, 0xc000, 0x7bff, 0x0001 };
static const int64_t ids[2] = { -1, (int64_t)1 << 40 };
static const uint8_t scalar = 7;

/* What tests/golden/safetensors/make.py writes, and checks. */
static const tl_stored golden[] = {
    { "scalar", TL_DTYPE_U8, 0, { 0 }, &scalar, 1 },       { "w", TL_DTYPE_F32, 2, { 2, 3 }, w, sizeof w },
    { "half", TL_DTYPE_F16, 1, { 4 }, half, sizeof half }, { "ids", TL_DTYPE_I64, 2, { 1, 2 }, ids, sizeof ids },
    { "empty", TL_DTYPE_F32, 2, { 0, 4 }, NULL, 0 },
};
enum {
    N_GOLDEN = sizeof golden / sizeof *golden
};

static void check_same(const tl_stored *found, const tl_stored *want)
{
    CHECK(found);
    CHECK_STR(found->name, want->name);
    CHECK_INT(found->dtype, want->dtype);
    CHECK_INT(found->n_dims, want->n_dims);
    for (int d = 0; d < want->n_dims; d++) CHECK_INT(found->dims[d], want->dims[d]);
    CHECK_INT(found->bytes, want->bytes);
    CHECK((uintptr_t)found->data % tl_dtype_size(found->dtype) == 0);
    if (want->bytes) CHECK(!memcmp(found->data, want->data, want->bytes));
}

static void check_golden(const char *path)
{
    tl_err err;
    tl_safetensors *s = NULL;
    CHECK_OK(tl_safetensors_open(&s, path, &err), err);
    CHECK_INT(tl_safetensors_count(s), N_GOLDEN);
    for (int i = 0; i < N_GOLDEN; i++) check_same(tl_safetensors_find(s, golden[i].name), &golden[i]);
    CHECK_STR(tl_safetensors_meta(s, "format"), "pt");
    CHECK(!tl_safetensors_meta(s, "absent"));
    CHECK(!tl_safetensors_find(s, "absent"));
    CHECK(!tl_safetensors_find(s, "__metadata__"));
    tl_safetensors_close(s);
}

TEST(a_file_written_by_the_python_package_is_read)
{
    check_golden(GOLDEN "/python.safetensors");
}

TEST(a_file_written_here_is_read_again_and_is_the_one_the_python_package_accepted)
{
    tl_err err;
    tl_meta meta = { "format", "pt" };
    scratch_begin();
    CHECK_OK(tl_safetensors_save(scratch("ours.safetensors"), golden, N_GOLDEN, &meta, 1, &err), err);
    check_golden(scratch("ours.safetensors"));
    /* ours.safetensors was checked with make.py; the same bytes are still written. */
    char found[1000], accepted[1000];
    FILE *f = fopen(scratch("ours.safetensors"), "rb"), *g = fopen(GOLDEN "/ours.safetensors", "rb");
    CHECK(f && g);
    size_t n = fread(found, 1, sizeof found, f);
    CHECK_INT(fread(accepted, 1, sizeof accepted, g), n);
    CHECK(!memcmp(found, accepted, n));
    fclose(f);
    fclose(g);
    scratch_end();
}

TEST(a_model_in_shards_is_read_as_one)
{
    tl_err err;
    tl_safetensors *s = NULL;
    CHECK_OK(tl_safetensors_open(&s, GOLDEN "/sharded", &err), err);
    CHECK_INT(tl_safetensors_count(s), 3);
    for (int i = 1; i < 4; i++) check_same(tl_safetensors_find(s, golden[i].name), &golden[i]);
    CHECK_STR(tl_safetensors_at(s, 2)->name, "ids");
    tl_safetensors_close(s);
}

TEST(a_file_cut_anywhere_is_refused)
{
    unsigned char bytes[1000];
    FILE *f = fopen(GOLDEN "/python.safetensors", "rb");
    CHECK(f);
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    CHECK(size > 100 && size < sizeof bytes);
    scratch_begin();
    for (size_t n = 0; n < size; n++)
        refused(scratch_write("cut.safetensors", bytes, n), TL_EFORMAT, "cut.safetensors");
    bytes[size] = 0;
    refused(scratch_write("long.safetensors", bytes, size + 1), TL_EFORMAT, "last 1 bytes of the data");
    scratch_end();
}

TEST(no_changed_byte_of_a_header_leads_outside_the_file)
{
    /* Whether a changed file is accepted is its own matter; every byte it then offers must be there. */
    unsigned char bytes[1000];
    FILE *f = fopen(GOLDEN "/python.safetensors", "rb");
    CHECK(f);
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    scratch_begin();
    static const unsigned char flips[] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80 };
    long sum = 0;
    for (size_t i = 0; i < size - 50; i++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            bytes[i] ^= flips[k];
            tl_safetensors *s = NULL;
            tl_err err = { 0 };
            if (tl_safetensors_open(&s, scratch_write("flip.safetensors", bytes, size), &err) == 0) {
                for (int t = 0; t < tl_safetensors_count(s); t++) {
                    const tl_stored *st = tl_safetensors_at(s, t);
                    for (size_t b = 0; b < st->bytes; b++) sum += ((const unsigned char *)st->data)[b];
                }
            } else {
                CHECK_HAS(err.text, "flip.safetensors");
            }
            tl_safetensors_close(s);
            bytes[i] ^= flips[k];
        }
    }
    CHECK(sum > 0);
    scratch_end();
}

/* As MLX writes it. */
TEST(metadata_that_is_null_is_none)
{
    tl_err err = { 0 };
    tl_safetensors *s = NULL;
    scratch_begin();
    const char *path = lie("x.safetensors",
                           "{\"__metadata__\":null,\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    CHECK_OK(tl_safetensors_open(&s, path, &err), err);
    CHECK_INT(tl_safetensors_count(s), 1);
    CHECK(!tl_safetensors_meta(s, "format"));
    tl_safetensors_close(s);
    scratch_end();
}

TEST(a_header_that_lies_is_refused_by_tensor)
{
    scratch_begin();
    const char *at = "x.safetensors";
    refused(lie(at, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4), TL_ESHAPE,
            "tensor a: data_offsets hold 4 bytes, its shape and dtype want 8");
    refused(lie(at, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4), TL_EFORMAT,
            "tensor a: ends at byte 8 of the data, the file has 4");
    refused(lie(at, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4), TL_EFORMAT, "shape[0]");
    refused(lie(at, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4), TL_EFORMAT, "shape[0]");
    refused(lie(at, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4), TL_EFORMAT,
            "data_offsets is no pair");
    refused(lie(at, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4), TL_EFORMAT,
            "data_offsets is no pair");
    refused(lie(at, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4), TL_EFORMAT,
            "data_offsets is no pair");
    refused(lie(at, "{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), TL_EUNSUPPORTED,
            "dtype is F4");
    refused(lie(at, "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4), TL_EFORMAT, "tensor a: dtype is missing");
    refused(lie(at, "{\"a\":7}", 0), TL_EFORMAT, "tensor a");
    refused(lie(at, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1),
            TL_EUNSUPPORTED, "9 dimensions");
    /* 2^62 * 8: the product wraps to 0 in 64 bits and would fit an empty range. */
    refused(lie(at, "{\"a\":{\"dtype\":\"U8\",\"shape\":[4611686018427387904,8],\"data_offsets\":[0,0]}}", 0),
            TL_ESHAPE, "product of its shape");
    refused(lie(at, "[]", 0), TL_EFORMAT, "no JSON object");
    refused(lie(at, "{\"__metadata__\":{\"k\":1}}", 0), TL_EFORMAT, "__metadata__ k is no string");
    refused(lie(at, "{\"__metadata__\":[]}", 0), TL_EFORMAT, "__metadata__ is no object");
    uint64_t huge[2] = { UINT64_MAX, 0 };
    refused(scratch_write(at, huge, sizeof huge), TL_EFORMAT, "18446744073709551615 bytes, the file has 8");
    scratch_end();
}

TEST(tensors_that_overlap_or_leave_a_gap_are_refused)
{
    scratch_begin();
    refused(lie("x",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
                7),
            TL_EFORMAT, "tensor b begins at byte 3 of the data, inside a, which ends at 4");
    refused(lie("x",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]}}",
                9),
            TL_EFORMAT, "bytes 4 to 5 of the data, before tensor b");
    refused(lie("x",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                "\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
                8),
            TL_EFORMAT, "duplicate");
    scratch_end();
}

TEST(an_unaligned_tensor_is_read_through_an_aligned_copy)
{
    tl_err err;
    tl_safetensors *s = NULL;
    scratch_begin();
    const char *path = lie("x",
                           "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                           "\"b\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
                           5);
    CHECK_OK(tl_safetensors_open(&s, path, &err), err);
    const tl_stored *b = tl_safetensors_find(s, "b");
    CHECK((uintptr_t)b->data % 4 == 0);
    CHECK_INT(*(const uint32_t *)b->data, 0x04030201);
    tl_safetensors_close(s);
    scratch_end();
}

static const char *ONE = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";

TEST(an_index_that_lies_is_refused)
{
    scratch_begin();
    const char *index = "model.safetensors.index.json";
    refused(scratch_dir, TL_EIO, "holds neither");
    scratch_text(index, "{\"weight_map\": {\"a\": \"s1\", \"b\": \"s2\"}}");
    lie("s1", ONE, 1);
    refused(scratch_dir, TL_EIO, "s2: cannot be opened");
    refused(scratch_dir, TL_EIO, "index.json");
    lie("s2", ONE, 1);
    refused(scratch_dir, TL_EFORMAT, "tensor a is in ");
    lie("s2", "{}", 0);
    refused(scratch_dir, TL_EFORMAT, "tensor b is said to be in s2, and is in none of the files");
    scratch_text(index, "{\"weight_map\": {\"a\": \"../s1\"}}");
    refused(scratch_dir, TL_EFORMAT, "tensor a is in '../s1', wanted the name of a file");
    scratch_text(index, "{\"weight_map\": {}}");
    refused(scratch_dir, TL_EFORMAT, "names no tensor");
    scratch_end();
}

TEST(two_tensors_of_one_name_are_not_saved)
{
    tl_err err;
    tl_stored twice[2] = { golden[0], golden[0] };
    scratch_begin();
    CHECK_INT(tl_safetensors_save(scratch("x"), twice, 2, NULL, 0, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "tensor scalar");
    twice[1].name = "not \xff text";
    CHECK_INT(tl_safetensors_save(scratch("x"), twice, 2, NULL, 0, &err), TL_EDATA);
    CHECK_INT(scratch_count(scratch_dir), 0);
    scratch_end();
}

RUN_TESTS(CASE(a_file_written_by_the_python_package_is_read),
          CASE(a_file_written_here_is_read_again_and_is_the_one_the_python_package_accepted),
          CASE(a_model_in_shards_is_read_as_one), CASE(a_file_cut_anywhere_is_refused),
          CASE(no_changed_byte_of_a_header_leads_outside_the_file), CASE(metadata_that_is_null_is_none),
          CASE(a_header_that_lies_is_refused_by_tensor), CASE(tensors_that_overlap_or_leave_a_gap_are_refused),
          CASE(an_unaligned_tensor_is_read_through_an_aligned_copy), CASE(an_index_that_lies_is_refused),
          CASE(two_tensors_of_one_name_are_not_saved))
