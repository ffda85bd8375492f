/* pack_test.c - samples in a batch: rows, targets, positions, and what does not fit. */
#include "tests/check.h"
#include "train/pack.h"

static int first_ids[] = { 1, 10, 11, 2 }, second_ids[] = { 1, 20, 2 };
static uint8_t first_trained[] = { 0, 0, 1, 1 }, second_trained[] = { 1, 1, 0 };
static const tl_sample first = { .ids = first_ids, .trained = first_trained, .n = 4 };
static const tl_sample second = { .ids = second_ids, .trained = second_trained, .n = 3 };

static void check_ints(const int *found, const int *wanted, int n)
{
    for (int i = 0; i < n; i++) CHECK_INT(found[i], wanted[i]);
}

TEST(a_row_sees_a_token_and_is_asked_for_the_next_where_that_one_is_trained)
{
    tl_err err = { 0 };
    tl_pack p;
    CHECK_OK(tl_pack_init(&p, 8, 8, &err), err);
    CHECK(tl_pack_add(&p, &first));
    CHECK_INT(p.N, 3);
    check_ints(p.ids, (int[]){ 1, 10, 11 }, 3);
    check_ints(p.targets, (int[]){ -1, 11, 2 }, 3);
    CHECK_INT(p.n_targets, 2);
    CHECK_INT(tl_sample_targets(&first), 2);
    CHECK_INT(tl_sample_targets(&second), 1); /* its first token follows nothing */
    tl_pack_free(&p);
}

TEST(positions_start_again_with_each_sample)
{
    tl_err err = { 0 };
    tl_pack p;
    CHECK_OK(tl_pack_init(&p, 8, 8, &err), err);
    CHECK(tl_pack_add(&p, &first) && tl_pack_add(&p, &second));
    tl_pack_weigh(&p, 0.25f);
    tl_batch b = tl_pack_batch(&p, NULL);
    CHECK_INT(b.N, 5);
    CHECK_INT(b.n_segments, 2);
    check_ints(b.positions, (int[]){ 0, 1, 2, 0, 1 }, 5);
    CHECK_INT(b.segments[0].row, 0);
    CHECK_INT(b.segments[0].rows, 3);
    CHECK_INT(b.segments[1].row, 3);
    CHECK_INT(b.segments[1].rows, 2);
    CHECK_INT(b.segments[1].start, 0);
    CHECK(b.adapters == NULL);
    for (int i = 0; i < 5; i++) CHECK(p.weights[i] == 0.25f);
    tl_pack_free(&p);
}

TEST(every_segment_gets_the_adapter)
{
    tl_err err = { 0 };
    tl_pack p;
    tl_adapter a = { 0 };
    CHECK_OK(tl_pack_init(&p, 8, 8, &err), err);
    CHECK(tl_pack_add(&p, &first) && tl_pack_add(&p, &second));
    tl_batch b = tl_pack_batch(&p, &a);
    CHECK(b.adapters[0] == &a && b.adapters[1] == &a);
    tl_pack_free(&p);
}

TEST(what_does_not_fit_is_left_out_whole)
{
    tl_err err = { 0 };
    tl_pack p;
    CHECK_OK(tl_pack_init(&p, 4, 8, &err), err);
    CHECK(tl_pack_add(&p, &first));
    CHECK(!tl_pack_add(&p, &second)); /* 3 rows and 2 are more than 4 */
    CHECK_INT(p.N, 3);
    CHECK_INT(p.n_segments, 1);
    CHECK_INT(p.n_targets, 2);
    tl_pack_reset(&p);
    CHECK_INT(p.N, 0);
    CHECK(tl_pack_add(&p, &second) && tl_pack_add(&p, &second)); /* exactly 4 */
    CHECK_INT(p.n_targets, 2);
    tl_pack_free(&p);

    CHECK_OK(tl_pack_init(&p, 100, 1, &err), err);
    CHECK(tl_pack_add(&p, &first));
    CHECK(!tl_pack_add(&p, &second)); /* one segment is all there is */
    tl_pack_free(&p);
}

TEST(a_sample_of_one_token_or_none_takes_no_row)
{
    tl_err err = { 0 };
    tl_pack p;
    tl_sample one = { .ids = first_ids, .trained = first_trained, .n = 1 }, none = { 0 };
    CHECK_OK(tl_pack_init(&p, 4, 8, &err), err);
    CHECK(tl_pack_add(&p, &one) && tl_pack_add(&p, &none));
    CHECK_INT(p.N, 0);
    CHECK_INT(p.n_segments, 0);
    CHECK_INT(tl_sample_targets(&none), 0);
    tl_pack_free(&p);
}

RUN_TESTS(CASE(a_row_sees_a_token_and_is_asked_for_the_next_where_that_one_is_trained),
          CASE(positions_start_again_with_each_sample), CASE(every_segment_gets_the_adapter),
          CASE(what_does_not_fit_is_left_out_whole), CASE(a_sample_of_one_token_or_none_takes_no_row))
