/* verdict_test.c - a row's figures are judged as its targets say. */
#include "bench/verdict.h"
#include "tests/check.h"

static const tl_bench_row row_to_ceiling = {
    .name = "r", .unit = "u", .aim = TL_AIM_CEILING, .target = 0.5, .aim2 = TL_AIM_PEER, .target2 = 2, .peer = "torch"
};

TEST(the_median_of_an_even_number_lies_between)
{
    double x[] = { 4, 1, 3, 2 };
    tl_bench_spread s = tl_bench_spread_of(x, 4);
    CHECK(s.median == 2.5 && s.low == 1 && s.high == 4);
}

TEST(both_targets_must_be_met)
{
    tl_bench_verdict v = { .row = &row_to_ceiling, .ceiling = { 0.6, 0.6, 0.6 }, .peer = { 3, 3, 3 } };
    CHECK_INT(tl_bench_judge(&v), TL_MET_YES);
    v.peer.median = 1.9;
    CHECK_INT(tl_bench_judge(&v), TL_MET_NO);
    v.peer.median = 3;
    v.ceiling.median = 0.49;
    CHECK_INT(tl_bench_judge(&v), TL_MET_NO);
}

TEST(without_its_peer_a_row_is_neither_met_nor_missed_unless_it_misses_the_rest)
{
    tl_bench_verdict v = { .row = &row_to_ceiling, .ceiling = { 0.6, 0.6, 0.6 } };
    CHECK_INT(tl_bench_judge(&v), TL_MET_UNKNOWN);
    v.ceiling.median = 0.4;
    CHECK_INT(tl_bench_judge(&v), TL_MET_NO);
}

TEST(a_verdict_as_json_has_null_for_what_is_not_known)
{
    tl_bench_verdict v = { .row = &row_to_ceiling, .value = { 7, 6, 8 }, .ceiling = { 0.6, 0.6, 0.6 } };
    json_t *o = tl_bench_json(&v);
    CHECK(o != NULL);
    CHECK(json_number_value(json_object_get(o, "value")) == 7);
    CHECK(json_is_null(json_object_get(o, "peer_ratio")));
    CHECK(json_is_null(json_object_get(o, "met")));
    CHECK_STR(json_string_value(json_object_get(o, "target")), "ceiling >= 0.5, peer >= 2");
    json_decref(o);
}

TEST(every_row_has_a_name_of_its_own_a_unit_and_something_to_run)
{
    for (const tl_bench_row *a = tl_bench_rows; a->name; a++) {
        CHECK(a->unit && a->run);
        for (const tl_bench_row *b = a + 1; b->name; b++) CHECK(strcmp(a->name, b->name) != 0);
    }
}

RUN_TESTS(CASE(the_median_of_an_even_number_lies_between), CASE(both_targets_must_be_met),
          CASE(without_its_peer_a_row_is_neither_met_nor_missed_unless_it_misses_the_rest),
          CASE(a_verdict_as_json_has_null_for_what_is_not_known),
          CASE(every_row_has_a_name_of_its_own_a_unit_and_something_to_run))
