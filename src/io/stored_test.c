/* stored_test.c - the search for what is no number. */
#include "io/stored.h"

#include "base/block_formats.h"
#include "tests/check.h"

#include <stdint.h>
#include <stdlib.h>

enum {
    N = 3 << 20, /* numbers: several pieces in every type */
};

typedef struct kind {
    tl_dtype dtype;
    uint32_t largest, infinity, nan; /* bits */
} kind;

static const kind kinds[] = {
    { TL_DTYPE_F32, 0x7f7fffffu, 0x7f800000u, 0xffc00001u },
    { TL_DTYPE_BF16, 0x7f7fu, 0xff80u, 0x7fc1u },
    { TL_DTYPE_F16, 0x7bffu, 0xfc00u, 0x7e01u },
    { TL_DTYPE_Q8_0, 0x7bffu, 0xfc00u, 0x7e01u }, /* each block begins with a scale in f16 */
};

/* The number at i, or the scale of the block it is in. */
static void put(const kind *k, char *data, size_t i, uint32_t bits)
{
    size_t bytes = k->dtype == TL_DTYPE_F32 ? 4 : 2;
    memcpy(data + i / tl_dtype_block(k->dtype) * tl_dtype_block_bytes(k->dtype), &bits, bytes);
}

TEST(what_is_no_number_is_found_wherever_it_stands_in_every_type)
{
    static const size_t places[] = { 0, 1, N / 3, (1 << 19) - 1, 1 << 19, 1 << 20, (1 << 21) + 7, N - 40, N - 1 };
    for (size_t j = 0; j < sizeof kinds / sizeof *kinds; j++) {
        const kind *k = &kinds[j];
        size_t bytes = tl_dtype_row_bytes(k->dtype, N);
        char *data = calloc(1, bytes);
        CHECK(data != NULL);
        tl_stored t = { .name = "t", .dtype = k->dtype, .n_dims = 1, .dims = { N }, .data = data, .bytes = bytes };
        CHECK(tl_stored_finite(&t));
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            put(k, data, places[i], k->infinity);
            CHECK(!tl_stored_finite(&t));
            put(k, data, places[i], k->nan);
            CHECK(!tl_stored_finite(&t));
            put(k, data, places[i], k->largest);
            CHECK(tl_stored_finite(&t));
        }
        free(data);
    }
}

TEST(of_several_tensors_the_first_is_named_and_empty_ones_hold_nothing)
{
    enum {
        TENSORS = 40
    };
    static float numbers[TENSORS][1000];
    tl_stored t[TENSORS];
    const tl_stored *list[TENSORS];
    for (int i = 0; i < TENSORS; i++) {
        t[i] = (tl_stored){ .dtype = TL_DTYPE_F32, .n_dims = 1, .dims = { 1000 }, .data = numbers[i], .bytes = 4000 };
        if (i % 5 == 0) t[i].dims[0] = t[i].bytes = 0;
        list[i] = &t[i];
    }
    CHECK_INT(tl_stored_not_finite(list, TENSORS, false), -1);
    CHECK_INT(tl_stored_not_finite(list, 0, false), -1);
    for (int i = TENSORS - 1; i > 0; i--) {
        numbers[i][999] = NAN;
        int first = i % 5 ? i : i + 1;
        CHECK_INT(tl_stored_not_finite(list, TENSORS, false), first < TENSORS ? first : -1);
    }
}

RUN_TESTS(CASE(what_is_no_number_is_found_wherever_it_stands_in_every_type),
          CASE(of_several_tensors_the_first_is_named_and_empty_ones_hold_nothing))
