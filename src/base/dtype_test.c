/* dtype_test.c - the small floats, every one of them. */
#include "base/dtype.h"
#include "tests/check.h"

static uint32_t bits_of(float f)
{
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return b;
}

TEST(every_bf16_survives_the_way_to_f32_and_back)
{
    for (uint32_t b = 0; b < 65536; b++) {
        float f = tl_bf16_to_f32((tl_bf16)b);
        if (isnan(f))
            CHECK(isnan(tl_bf16_to_f32(tl_f32_to_bf16(f))));
        else
            CHECK_INT(tl_f32_to_bf16(f), b);
    }
}

TEST(bf16_rounds_to_the_nearest_and_ties_to_even)
{
    /* 1 + 1/128 is the next bf16 after 1; halfway between lies 1 + 1/256. */
    CHECK_INT(tl_f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
    CHECK_INT(tl_f32_to_bf16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);
    CHECK_INT(tl_f32_to_bf16(1.0f + 3 * 0x1p-8f), 0x3f82);
    CHECK_INT(tl_f32_to_bf16(-1.0f - 0x1p-8f), 0xbf80);
    CHECK_INT(tl_f32_to_bf16(3.4e38f), 0x7f80); /* nearer to infinity than to the largest bf16 */
    CHECK_INT(tl_f32_to_bf16(INFINITY), 0x7f80);
    uint32_t only_low_bits = 0x7f800001u; /* a NaN whose upper half alone would be infinity */
    float nan_low;
    memcpy(&nan_low, &only_low_bits, sizeof nan_low);
    CHECK(isnan(tl_bf16_to_f32(tl_f32_to_bf16(nan_low))));
}

TEST(every_f16_has_the_value_its_bits_say)
{
    for (uint32_t h = 0; h < 65536; h++) {
        int sign = h >> 15 ? -1 : 1, exponent = h >> 10 & 31, fraction = h & 1023;
        float f = tl_f16_to_f32((tl_f16)h);
        if (exponent == 31 && fraction) {
            CHECK(isnan(f));
            continue;
        }
        double want = exponent == 31 ? INFINITY
                      : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                     : ldexp(fraction, -24);
        CHECK(f == sign * want);
        CHECK_INT(bits_of(f) >> 31, h >> 15); /* minus zero keeps its sign */
    }
}

TEST(widening_reads_bytes_at_any_address)
{
    unsigned char bytes[9];
    tl_bf16 one_two[2] = { 0x3f80, 0x4000 };
    memcpy(bytes + 1, one_two, sizeof one_two);
    float y[2], want[2] = { 1, 2 };
    tl_dtype_widen(y, bytes + 1, TL_DTYPE_BF16, 2);
    CHECK_CLOSE(y, want, 2, 0, 0);
    memcpy(bytes + 1, want, sizeof want);
    tl_dtype_widen(y, bytes + 1, TL_DTYPE_F32, 2);
    CHECK_CLOSE(y, want, 2, 0, 0);
}

TEST(every_type_is_found_by_its_name)
{
    tl_dtype t;
    for (int i = 0; i < TL_DTYPE_COUNT; i++) {
        CHECK(tl_dtype_parse(&t, tl_dtype_name((tl_dtype)i)));
        CHECK_INT(t, i);
        CHECK(tl_dtype_block(t) > 0 && tl_dtype_block_bytes(t) > 0);
        if (tl_dtype_block(t) == 1) CHECK_INT(tl_dtype_size(t), tl_dtype_block_bytes(t));
    }
    CHECK(!tl_dtype_parse(&t, "F4"));
}

TEST(every_f16_survives_the_way_to_f32_and_back)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = tl_f16_to_f32((tl_f16)h);
        if (isnan(f))
            CHECK(isnan(tl_f16_to_f32(tl_f32_to_f16(f))));
        else
            CHECK_INT(tl_f32_to_f16(f), h);
    }
}

/* Halfway between two neighbours lies an f32; its own neighbours go to one side each, it goes to the even one. */
TEST(f16_rounds_to_the_nearest_and_ties_to_even)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double low = (double)tl_f16_to_f32((tl_f16)h),
               high = h == 0x7bff ? 65536 : (double)tl_f16_to_f32((tl_f16)(h + 1));
        float half = (float)((low + high) / 2);
        CHECK_INT(tl_f32_to_f16(half), h + (h & 1));
        CHECK_INT(tl_f32_to_f16(nextafterf(half, 0)), h);
        CHECK_INT(tl_f32_to_f16(-nextafterf(half, INFINITY)), (h + 1) | 0x8000);
    }
    CHECK_INT(tl_f32_to_f16(3e38f), 0x7c00);
    CHECK_INT(tl_f32_to_f16(1e-40f), 0);
}

TEST(a_row_of_blocks_has_their_bytes)
{
    CHECK_INT(tl_dtype_row_bytes(TL_DTYPE_F32, 7), 28);
    CHECK_INT(tl_dtype_row_bytes(TL_DTYPE_Q8_0, 64), 68);
    CHECK_INT(tl_dtype_row_bytes(TL_DTYPE_Q4_0, 2048), 1152);
    CHECK_INT(tl_dtype_row_bytes(TL_DTYPE_Q4_K, 512), 288);
    CHECK_INT(tl_dtype_row_bytes(TL_DTYPE_NF4, 128), 64);
    CHECK_INT(tl_dtype_row_bytes(TL_DTYPE_Q6_K, 0), 0);
}

RUN_TESTS(CASE(every_bf16_survives_the_way_to_f32_and_back), CASE(bf16_rounds_to_the_nearest_and_ties_to_even),
          CASE(every_f16_has_the_value_its_bits_say), CASE(widening_reads_bytes_at_any_address),
          CASE(every_type_is_found_by_its_name), CASE(every_f16_survives_the_way_to_f32_and_back),
          CASE(f16_rounds_to_the_nearest_and_ties_to_even), CASE(a_row_of_blocks_has_their_bytes))
