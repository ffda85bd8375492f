/* block_formats_test.c - the block formats against the gguf package (tests/golden/blocks), and our own Q4_K. */
#include "base/block_formats.h"
#include "base/rng.h"
#include "tests/check.h"

#define HOME "tests/golden/blocks/"

/* The bytes of a golden file, the caller's to free. */
static unsigned char *golden(const char *name, const char *ending, size_t *size)
{
    char path[200];
    snprintf(path, sizeof path, HOME "%s%s", name, ending);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s cannot be read", path);
    unsigned char *bytes = malloc(1 << 20);
    CHECK(bytes != NULL);
    *size = fread(bytes, 1, 1 << 20, f);
    CHECK(*size > 0);
    fclose(f);
    return bytes;
}

TEST(every_format_reads_the_numbers_that_gguf_reads)
{
    int known = 0;
    for (int t = 0; t < TL_DTYPE_COUNT; t++) {
        if (!tl_block_readable((tl_dtype)t)) continue;
        size_t size, block = tl_dtype_block((tl_dtype)t), bytes = tl_dtype_block_bytes((tl_dtype)t);
        unsigned char *file = golden(tl_dtype_name((tl_dtype)t), ".bin", &size);
        size_t n = size / (bytes + block * sizeof(float)) * block;
        CHECK_INT(size, tl_dtype_row_bytes((tl_dtype)t, n) + n * sizeof(float));
        /* At an odd address: a mapping promises none. */
        unsigned char *odd = malloc(tl_dtype_row_bytes((tl_dtype)t, n) + 1);
        float *y = malloc(n * sizeof *y);
        CHECK(odd && y);
        memcpy(odd + 1, file, tl_dtype_row_bytes((tl_dtype)t, n));
        CHECK(tl_block_finite((tl_dtype)t, odd + 1, n));
        tl_block_to_f32((tl_dtype)t, y, odd + 1, n);
        if (memcmp(y, file + tl_dtype_row_bytes((tl_dtype)t, n), n * sizeof *y) != 0)
            fail_msg("%s: not the same bits", tl_dtype_name((tl_dtype)t));
        known++;
        free(y);
        free(odd);
        free(file);
    }
    CHECK_INT(known, 10);
}

TEST(q8_0_q5_0_and_q4_0_are_packed_to_the_bytes_that_gguf_makes)
{
    static const tl_dtype types[] = { TL_DTYPE_Q8_0, TL_DTYPE_Q5_0, TL_DTYPE_Q4_0 };
    size_t size, packed_size;
    unsigned char *x = golden("x", ".f32", &size);
    for (int i = 0; i < 3; i++) {
        unsigned char *wanted = golden(tl_dtype_name(types[i]), ".packed", &packed_size);
        unsigned char *found = malloc(packed_size);
        CHECK(found != NULL);
        CHECK_INT(packed_size, tl_dtype_row_bytes(types[i], size / sizeof(float)));
        tl_block_from_f32(types[i], found, (const float *)(void *)x, size / sizeof(float));
        for (size_t k = 0; k < packed_size; k++)
            if (found[k] != wanted[k])
                fail_msg("%s: byte %zu of block %zu is %d, wanted %d", tl_dtype_name(types[i]),
                         k % tl_dtype_block_bytes(types[i]), k / tl_dtype_block_bytes(types[i]), found[k], wanted[k]);
        free(found);
        free(wanted);
    }
    free(x);
}

/* sqrt(sum (y - x)^2 / sum x^2) after packing and reading back. */
static double relative_error(tl_dtype t, const float *x, size_t n)
{
    unsigned char *blocks = malloc(tl_dtype_row_bytes(t, n));
    float *y = malloc(n * sizeof *y);
    double e = 0, all = 0;
    CHECK(blocks && y);
    tl_block_from_f32(t, blocks, x, n);
    CHECK(tl_block_finite(t, blocks, n));
    tl_block_to_f32(t, y, blocks, n);
    for (size_t i = 0; i < n; i++) {
        e += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
        all += (double)x[i] * (double)x[i];
    }
    free(y);
    free(blocks);
    return sqrt(e / all);
}

enum {
    N = 256 * 256
};

/* Both take 4.5 bits a number. */
TEST(q4_k_errs_less_than_q4_0)
{
    float *x = malloc(N * sizeof *x);
    CHECK(x != NULL);
    tl_rng r = tl_rng_make(11, 1);
    for (int i = 0; i < N; i++) x[i] = 0.02f * (float)tl_rng_normal(&r);
    double q4_0 = relative_error(TL_DTYPE_Q4_0, x, N), q4_k = relative_error(TL_DTYPE_Q4_K, x, N);
    double q8_0 = relative_error(TL_DTYPE_Q8_0, x, N);
    print_message("  normal numbers: Q8_0 %.4f, Q4_0 %.4f, Q4_K %.4f\n", q8_0, q4_0, q4_k);
    CHECK(q8_0 < 0.007);
    CHECK(q4_k < 0.85 * q4_0);
    for (int i = 0; i < N; i++) x[i] += 0.05f * (float)(i / 32 % 5); /* groups off zero: minima are what Q4_K has */
    q4_0 = relative_error(TL_DTYPE_Q4_0, x, N);
    q4_k = relative_error(TL_DTYPE_Q4_K, x, N);
    print_message("  groups off zero: Q4_0 %.4f, Q4_K %.4f\n", q4_0, q4_k);
    CHECK(q4_k < 0.75 * q4_0);
    free(x);
}

static const tl_dtype writable[] = { TL_DTYPE_Q8_0, TL_DTYPE_Q4_0, TL_DTYPE_Q4_K };

TEST(zeros_and_numbers_too_small_for_a_scale_come_back_as_zeros)
{
    static const float tiny[] = { 0, 1e-45f, 1e-40f, -1e-38f, 1e-12f };
    for (int t = 0; t < 3; t++)
        for (int k = 0; k < 5; k++) {
            float x[256], y[256];
            unsigned char blocks[300];
            for (int i = 0; i < 256; i++) x[i] = i % 3 ? tiny[k] : 0;
            tl_block_from_f32(writable[t], blocks, x, 256);
            tl_block_to_f32(writable[t], y, blocks, 256);
            for (int i = 0; i < 256; i++) CHECK(y[i] == 0);
        }
}

TEST(a_number_too_large_for_a_scale_is_seen)
{
    for (int t = 0; t < 3; t++) {
        float x[256] = { 0 };
        unsigned char blocks[300];
        x[40] = 1e38f;
        tl_block_from_f32(writable[t], blocks, x, 256);
        CHECK(!tl_block_finite(writable[t], blocks, 256));
    }
}

/* What is on the grid already comes back as it is: d = 1/64 and integer scales. */
TEST(q4_k_keeps_what_is_on_its_grid)
{
    float x[256], y[256];
    unsigned char blocks[144];
    for (int i = 0; i < 256; i++) {
        int scale = 63 - i / 32;
        x[i] = (float)(scale * (i % 16)) / 64;
    }
    tl_block_from_f32(TL_DTYPE_Q4_K, blocks, x, 256);
    tl_block_to_f32(TL_DTYPE_Q4_K, y, blocks, 256);
    CHECK_CLOSE(y, x, 256, 1e-3, 1);
}

RUN_TESTS(CASE(every_format_reads_the_numbers_that_gguf_reads),
          CASE(q8_0_q5_0_and_q4_0_are_packed_to_the_bytes_that_gguf_makes), CASE(q4_k_errs_less_than_q4_0),
          CASE(zeros_and_numbers_too_small_for_a_scale_come_back_as_zeros),
          CASE(a_number_too_large_for_a_scale_is_seen), CASE(q4_k_keeps_what_is_on_its_grid))
