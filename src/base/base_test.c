/* base_test.c - errors, arenas, sizes, random numbers, hashes. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/size.h"
#include "tests/check.h"
#include "tests/failing_malloc.h"

TEST(a_failure_carries_its_code_and_sentence)
{
    tl_err err = { 0 };
    CHECK_INT(tl_fail(&err, TL_ESHAPE, "rank is %d", 3), TL_ESHAPE);
    CHECK_INT(tl_fail_in(&err, "file %s", "a.json"), TL_ESHAPE);
    CHECK_STR(err.text, "file a.json: rank is 3");
}

TEST(products_that_do_not_fit_are_noticed)
{
    size_t n = 7;
    CHECK(!tl_size_mul(&n, SIZE_MAX / 2, 3));
    CHECK(!tl_size_add(&n, SIZE_MAX, 1));
    CHECK_INT(n, 7);
    CHECK(tl_size_mul(&n, 6, 7));
    CHECK_INT(n, 42);
}

TEST(measuring_an_arena_gives_the_size_it_needs)
{
    tl_err err;
    tl_arena *m, *a;
    CHECK_OK(tl_arena_measure(&m, &err), err);
    for (int i = 0; i < 3; i++) tl_arena_floats(m, 100);
    size_t mark = tl_arena_mark(m);
    tl_arena_floats(m, 1000);
    tl_arena_rewind(m, mark);
    tl_arena_floats(m, 10);
    CHECK_OK(tl_arena_create(&a, tl_arena_peak(m), "test", &err), err);
    for (int i = 0; i < 3; i++) CHECK(((uintptr_t)tl_arena_floats(a, 100) & 63) == 0);
    mark = tl_arena_mark(a);
    float *x = tl_arena_floats(a, 1000);
    x[999] = 1;
    tl_arena_rewind(a, mark);
    CHECK(tl_arena_floats(a, 10) == x);
    CHECK_INT(tl_arena_peak(a), tl_arena_peak(m));
    tl_arena_free(a);
    tl_arena_free(m);
}

TEST(a_seed_repeats_and_streams_differ)
{
    tl_rng a = tl_rng_make(1, 2), b = tl_rng_make(1, 2), c = tl_rng_make(1, 3);
    int same = 0;
    double sum = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = tl_rng_next(&a);
        CHECK(x == tl_rng_next(&b));
        same += x == tl_rng_next(&c);
        sum += tl_rng_unit(&a);
        CHECK(tl_rng_unit(&b) >= 0);
    }
    CHECK_INT(same, 0);
    CHECK(fabs(sum / 1000 - 0.5) < 0.05);
    int order[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, seen = 0;
    tl_rng_shuffle(&a, order, 10);
    for (int i = 0; i < 10; i++) seen |= 1 << order[i];
    CHECK_INT(seen, 1023);
}

TEST(a_buffer_stops_at_its_limit)
{
    tl_err err;
    tl_buf b = tl_buf_make(10);
    CHECK_OK(tl_buf_printf(&b, &err, "%d", 12345), err);
    CHECK_OK(tl_buf_puts(&b, "67890", &err), err);
    CHECK(tl_buf_puts(&b, "1", &err) < 0);
    CHECK_STR(b.data, "1234567890");
    tl_buf_reset(&b);
}

TEST(sha256_agrees_with_the_standard)
{
    /* FIPS 180-4, example "abc". */
    tl_hash h = tl_hash_bytes("abc", 3);
    char hex[65];
    tl_hash_hex(hex, &h);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(a_hash_takes_no_memory_so_it_cannot_fail)
{
    if (!FAILING_MALLOC) SKIP("the sanitizer has the allocator");
    failing_malloc_begin(0);
    tl_hash h = tl_hash_bytes("ab", 2);
    h = tl_hash_chain(&h, "c", 1);
    failing_malloc_end();
    CHECK(!failing_malloc_hit);
    char hex[65];
    tl_hash_hex(hex, &h);
    CHECK(strlen(hex) == 64);
}

RUN_TESTS(CASE(a_failure_carries_its_code_and_sentence), CASE(products_that_do_not_fit_are_noticed),
          CASE(measuring_an_arena_gives_the_size_it_needs), CASE(a_seed_repeats_and_streams_differ),
          CASE(a_buffer_stops_at_its_limit), CASE(sha256_agrees_with_the_standard),
          CASE(a_hash_takes_no_memory_so_it_cannot_fail))
