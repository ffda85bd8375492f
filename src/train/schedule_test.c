/* schedule_test.c - learning rates against formulas written for themselves, and at the places one looks first. */
#include "tests/check.h"
#include "train/schedule.h"

#define NEAR(found, wanted) CHECK(fabs((found) - (wanted)) <= 1e-12)

static tl_schedule make(tl_schedule_kind kind)
{
    return (tl_schedule){ .kind = kind, .peak = 0.02, .last_ratio = 0.1, .warmup = 10, .total = 110 };
}

TEST(the_warm_up_rises_by_equal_steps_to_the_peak_and_never_starts_at_zero)
{
    for (int kind = TL_SCHEDULE_CONSTANT; kind <= TL_SCHEDULE_COSINE; kind++) {
        tl_schedule s = make(kind);
        for (int step = 0; step < 10; step++) NEAR(tl_schedule_lr(&s, step), 0.002 * (step + 1));
        NEAR(tl_schedule_lr(&s, 10), 0.02); /* the first step after it starts from the peak too */
    }
}

TEST(after_the_warm_up_each_kind_follows_its_curve)
{
    tl_schedule constant = make(TL_SCHEDULE_CONSTANT), linear = make(TL_SCHEDULE_LINEAR),
                cosine = make(TL_SCHEDULE_COSINE);
    for (long step = 10; step < 110; step++) {
        double left = (double)(110 - step) / 100; /* 1 at step 10, 0 at step 110, behind the last */
        NEAR(tl_schedule_lr(&constant, step), 0.02);
        NEAR(tl_schedule_lr(&linear, step), 0.02 * left + 0.002 * (1 - left));
        double s = sin(left * acos(-1) / 2); /* sin^2(x/2) = (1 - cos x) / 2 */
        NEAR(tl_schedule_lr(&cosine, step), 0.002 + 0.018 * s * s);
    }
}

TEST(the_curve_ends_at_the_last_ratio_behind_the_last_step_and_half_way_is_the_mean)
{
    tl_schedule linear = make(TL_SCHEDULE_LINEAR), cosine = make(TL_SCHEDULE_COSINE);
    NEAR(tl_schedule_lr(&linear, 110), 0.002);
    NEAR(tl_schedule_lr(&cosine, 110), 0.002);
    NEAR(tl_schedule_lr(&linear, 60), 0.011);
    NEAR(tl_schedule_lr(&cosine, 60), 0.011);
    NEAR(tl_schedule_lr(&linear, 500), 0.002); /* past the end it stays */
    NEAR(tl_schedule_lr(&cosine, 500), 0.002);
}

TEST(the_last_step_learns_also_when_the_curve_ends_at_zero)
{
    for (int kind = TL_SCHEDULE_CONSTANT; kind <= TL_SCHEDULE_COSINE; kind++) {
        for (long total = 1; total <= 40; total++) {
            for (long warmup = 0; warmup <= total; warmup++) {
                tl_schedule s = { .kind = (tl_schedule_kind)kind, .peak = 1, .warmup = warmup, .total = total };
                for (long step = 0; step < total; step++) CHECK(tl_schedule_lr(&s, step) > 0);
                CHECK(kind == TL_SCHEDULE_CONSTANT || tl_schedule_lr(&s, total) == 0);
            }
        }
    }
}

TEST(a_run_that_is_all_warm_up_or_has_no_warm_up_is_fine)
{
    tl_schedule s = make(TL_SCHEDULE_LINEAR);
    s.total = 5; /* the warm-up is longer: its part is what happens */
    for (int step = 0; step < 5; step++) NEAR(tl_schedule_lr(&s, step), 0.002 * (step + 1));
    s.warmup = 0;
    NEAR(tl_schedule_lr(&s, 0), 0.02);
    NEAR(tl_schedule_lr(&s, 4), 0.02 - 0.018 * 4 / 5);
    NEAR(tl_schedule_lr(&s, 5), 0.002);
    s.kind = TL_SCHEDULE_CONSTANT;
    s.total = 1;
    NEAR(tl_schedule_lr(&s, 0), 0.02);
}

TEST(names_go_around_and_an_unknown_one_is_refused_with_those_there_are)
{
    tl_err err = { 0 };
    for (int kind = TL_SCHEDULE_CONSTANT; kind <= TL_SCHEDULE_COSINE; kind++) {
        tl_schedule_kind back = (tl_schedule_kind)-1;
        CHECK_OK(tl_schedule_kind_parse(&back, tl_schedule_kind_name(kind), &err), err);
        CHECK_INT(back, kind);
    }
    tl_schedule_kind kept = TL_SCHEDULE_LINEAR;
    CHECK_INT(tl_schedule_kind_parse(&kept, "cosin", &err), TL_EUSAGE);
    CHECK_HAS(err.text, "'cosin'");
    CHECK_HAS(err.text, "constant, linear and cosine");
    CHECK_INT(kept, TL_SCHEDULE_LINEAR);
}

RUN_TESTS(CASE(the_warm_up_rises_by_equal_steps_to_the_peak_and_never_starts_at_zero),
          CASE(after_the_warm_up_each_kind_follows_its_curve),
          CASE(the_curve_ends_at_the_last_ratio_behind_the_last_step_and_half_way_is_the_mean),
          CASE(the_last_step_learns_also_when_the_curve_ends_at_zero),
          CASE(a_run_that_is_all_warm_up_or_has_no_warm_up_is_fine),
          CASE(names_go_around_and_an_unknown_one_is_refused_with_those_there_are))
