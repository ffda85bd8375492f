/* verdict_test.c - a row's figures are judged as its targets say, and told as they are. */
#include "bench/verdict.h"
#include "tests/check.h"

#include <math.h>

static const tl_bench_row both = {
    .name = "r", .unit = "u", .peer = TL_PEER_TORCH, .target = { { TL_AIM_CEILING, 0.5 }, { TL_AIM_PEER, 2 } }
};
static const tl_bench_row at_most = { .name = "r", .unit = "s", .less = true, .target = { { TL_AIM_MOST, 0.10 } } };

TEST(the_median_of_an_even_number_lies_between)
{
    double x[] = { 4, 1, 3, 2 };
    tl_spread s = tl_spread_of(x, 4);
    CHECK(s.median == 2.5 && s.low == 1 && s.high == 4);
}

TEST(both_targets_must_be_met)
{
    tl_bench_verdict v = { .row = &both, .ceiling = { 0.6, 0.6, 0.6 }, .peer = "torch", .peer_ratio = { 3, 3, 3 } };
    CHECK_INT(tl_bench_judge(&v), TL_MET_YES);
    v.peer_ratio.median = 1.9;
    CHECK_INT(tl_bench_judge(&v), TL_MET_NO);
    v.peer_ratio.median = 3;
    v.ceiling.median = 0.49;
    CHECK_INT(tl_bench_judge(&v), TL_MET_NO);
}

TEST(without_its_peer_a_row_is_neither_met_nor_missed_unless_it_misses_the_rest)
{
    tl_bench_verdict v = { .row = &both, .ceiling = { 0.6, 0.6, 0.6 } };
    CHECK_INT(tl_bench_judge(&v), TL_MET_UNKNOWN);
    v.ceiling.median = 0.4;
    CHECK_INT(tl_bench_judge(&v), TL_MET_NO);
}

TEST(a_row_without_a_target_is_neither_met_nor_missed)
{
    const tl_bench_row none = { .name = "r", .unit = "u" };
    tl_bench_verdict v = { .row = &none, .value = { 1, 1, 1 }, .ceiling = { 0.9, 0.9, 0.9 } };
    CHECK_INT(tl_bench_judge(&v), TL_MET_UNKNOWN);
    CHECK(tl_bench_short(&v) == 0);
}

TEST(what_is_short_is_told_as_a_share_of_the_target_missed_most)
{
    tl_bench_verdict v = { .row = &both, .ceiling = { 0.45, 0.4, 0.6 }, .peer_ratio = { 1.5, 1, 2 } };
    CHECK(fabs(tl_bench_short(&v) - 0.25) < 1e-9);
    v.row = &at_most;
    v.value.median = 0.12;
    CHECK_INT(tl_bench_judge(&v), TL_MET_NO);
    CHECK(fabs(tl_bench_short(&v) - 0.2) < 1e-9);
    v.value.median = 0.09;
    CHECK_INT(tl_bench_judge(&v), TL_MET_YES);
    CHECK(tl_bench_short(&v) == 0);
}

TEST(a_verdict_as_json_has_null_for_what_is_not_known)
{
    tl_bench_verdict v = { .row = &both, .value = { 7, 6, 8 }, .ceiling = { 0.6, 0.5, 0.7 } };
    json_t *o = tl_bench_json(&v);
    CHECK(o != NULL);
    CHECK(json_number_value(json_object_get(o, "value")) == 7);
    CHECK(json_number_value(json_object_get(o, "ceiling_ratio")) == 0.6);
    CHECK(json_is_null(json_object_get(o, "peer")));
    CHECK(json_is_null(json_object_get(o, "peer_ratio")));
    CHECK(json_is_null(json_object_get(o, "met")));
    CHECK(json_is_null(json_object_get(o, "short_by")));
    CHECK_STR(json_string_value(json_object_get(o, "target")), "ceiling >= 0.5, peer >= 2");
    v.ceiling.median = 0.4;
    json_t *missed = tl_bench_json(&v);
    CHECK(json_is_false(json_object_get(missed, "met")));
    CHECK(json_number_value(json_object_get(missed, "short_by")) > 0.19);
    json_decref(missed);
    json_decref(o);
}

TEST(a_product_tells_each_shape)
{
    tl_bench_verdict v = { .row = tl_bench_row_of("product-bf16-m64"),
                           .parts = 2,
                           .part = { { "2x3", { 5, 4, 6 }, { 0.8, 0.7, 0.9 } },
                                     { "3x4", { 7, 6, 8 }, { 0.9, 0.8, 1 } } } };
    json_t *o = tl_bench_json(&v), *parts = json_object_get(o, "parts");
    CHECK_INT((int)json_array_size(parts), 2);
    CHECK_STR(json_string_value(json_object_get(json_array_get(parts, 0), "name")), "2x3");
    CHECK(json_number_value(json_object_get(json_array_get(parts, 1), "ceiling_ratio")) == 0.9);
    json_decref(o);
}

TEST(every_row_has_a_name_of_its_own_a_unit_and_targets_that_can_be_judged)
{
    for (const tl_bench_row *a = tl_bench_rows; a->name; a++) {
        CHECK(a->unit && a->work && a->kind);
        CHECK(tl_bench_row_of(a->name) == a);
        for (int i = 0; i < TL_BENCH_TARGETS; i++) {
            CHECK(a->target[i].aim == TL_AIM_NONE || a->target[i].than > 0);
            CHECK(a->target[i].aim != TL_AIM_PEER || a->peer != TL_PEER_NONE);
        }
    }
    CHECK(tl_bench_row_of("no-such-row") == NULL);
}

RUN_TESTS(CASE(the_median_of_an_even_number_lies_between), CASE(both_targets_must_be_met),
          CASE(without_its_peer_a_row_is_neither_met_nor_missed_unless_it_misses_the_rest),
          CASE(a_row_without_a_target_is_neither_met_nor_missed),
          CASE(what_is_short_is_told_as_a_share_of_the_target_missed_most),
          CASE(a_verdict_as_json_has_null_for_what_is_not_known), CASE(a_product_tells_each_shape),
          CASE(every_row_has_a_name_of_its_own_a_unit_and_targets_that_can_be_judged))
