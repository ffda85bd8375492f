/* sampler_test.c - greedy, the two cuts and the distribution that is drawn. */
#include "infer/sampler.h"

#include "tests/check.h"

enum {
    V = 7
};
static const float logits[V] = { 0.5f, 2.0f, -1.0f, 2.0f, 1.0f, 0.0f, -3.0f };
static int scratch[V];

/* Draw n tokens and count them. */
static void draw(int counts[V], const tl_sampling *o, int n)
{
    tl_rng r = tl_sampler_rng(o);
    memset(counts, 0, V * sizeof *counts);
    for (int i = 0; i < n; i++) counts[tl_sampling_draw(logits, V, o, &r, scratch)]++;
}

/* Pearson's statistic of counts against the softmax of the allowed tokens; a token not allowed must not appear. */
static double chi_square(const int counts[V], const char allowed[V], double temperature, int n)
{
    double p[V], sum = 0, x = 0;
    for (int i = 0; i < V; i++) sum += p[i] = allowed[i] ? exp(logits[i] / temperature) : 0;
    for (int i = 0; i < V; i++) {
        double wanted = n * p[i] / sum;
        if (!allowed[i]) CHECK_INT(counts[i], 0);
        if (allowed[i]) x += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
    }
    return x;
}

TEST(greedy_takes_the_likeliest_and_of_equals_the_lowest_id)
{
    tl_sampling o = tl_sampling_defaults();
    tl_rng r = tl_sampler_rng(&o), start = r;
    CHECK_INT(tl_sampling_draw(logits, V, &o, &r, scratch), 1);
    CHECK(r.state == start.state);
}

TEST(greedy_finds_the_likeliest_and_a_nan_wherever_they_stand_in_a_large_vocabulary)
{
    enum {
        LARGE = 2600
    };
    static float l[LARGE];
    static int s[LARGE];
    tl_sampling o = tl_sampling_defaults();
    tl_rng r = tl_sampler_rng(&o);
    for (int i = 0; i < LARGE; i++) l[i] = (float)(i % 7) - 9;
    for (int at = 0; at < LARGE; at += 13) {
        l[at] = l[LARGE - 1] = 3; /* of equals the lowest id */
        CHECK_INT(tl_sampling_draw(l, LARGE, &o, &r, s), at);
        l[at] = -INFINITY; /* of no likelihood, but a number */
        CHECK_INT(tl_sampling_draw(l, LARGE, &o, &r, s), LARGE - 1);
        l[at] = NAN;
        CHECK_INT(tl_sampling_draw(l, LARGE, &o, &r, s), -1);
        l[at] = INFINITY;
        CHECK_INT(tl_sampling_draw(l, LARGE, &o, &r, s), -1);
        l[at] = -9;
    }
    for (int i = 0; i < LARGE; i++) l[i] = -INFINITY;
    CHECK_INT(tl_sampling_draw(l, LARGE, &o, &r, s), -1);
}

TEST(draws_follow_the_softmax_at_every_temperature)
{
    /* With six degrees of freedom the statistic has mean 6 and variance 12: five standard errors over 60 seeds. */
    int counts[V];
    const double temperatures[] = { 0.5, 1, 2 };
    for (size_t t = 0; t < 3; t++) {
        double sum = 0;
        for (uint64_t seed = 0; seed < 60; seed++) {
            tl_sampling o = { .temperature = temperatures[t], .top_p = 1, .seed = seed };
            draw(counts, &o, 20000);
            sum += chi_square(counts, "\1\1\1\1\1\1\1", o.temperature, 20000);
        }
        CHECK(fabs(sum / 60 - 6) < 5 * sqrt(12.0 / 60));
    }
}

TEST(top_k_keeps_the_k_likeliest_and_their_proportions)
{
    int counts[V];
    tl_sampling o = { .temperature = 1, .top_k = 3, .top_p = 1, .seed = 5 };
    draw(counts, &o, 50000);
    CHECK(chi_square(counts, "\0\1\0\1\1\0\0", 1, 50000) < 13.8);
    o.top_k = 1; /* of the two equal ones the lower id stays */
    draw(counts, &o, 100);
    CHECK_INT(counts[1], 100);
    o.top_k = V + 5; /* more than there are: no cut */
    draw(counts, &o, 50000);
    CHECK(chi_square(counts, "\1\1\1\1\1\1\1", 1, 50000) < 22.5);
}

TEST(top_p_keeps_the_smallest_set_that_reaches_it)
{
    /* Shares, likeliest first: 1 and 3 have 0.365 each, 4 has 0.134, 0 has 0.082. */
    int counts[V];
    tl_sampling o = { .temperature = 1, .top_p = 0.8, .seed = 6 };
    draw(counts, &o, 50000);
    CHECK(chi_square(counts, "\0\1\0\1\1\0\0", 1, 50000) < 13.8);
    o.top_p = 1e-9; /* one token always stays */
    draw(counts, &o, 100);
    CHECK_INT(counts[1], 100);
}

TEST(top_p_is_a_share_of_what_top_k_leaves)
{
    /* Of 1, 3 and 4 alone the first two have 0.845: at 0.84 token 4 goes, though of all they have only 0.73. */
    int counts[V];
    tl_sampling o = { .temperature = 1, .top_k = 3, .top_p = 0.84, .seed = 7 };
    draw(counts, &o, 50000);
    CHECK(chi_square(counts, "\0\1\0\1\0\0\0", 1, 50000) < 10.8);
    o.top_p = 0.85;
    draw(counts, &o, 50000);
    CHECK(chi_square(counts, "\0\1\0\1\1\0\0", 1, 50000) < 13.8);
}

TEST(a_seed_repeats_its_draws_and_another_gives_others)
{
    tl_sampling a = { .temperature = 1, .top_p = 0.99, .seed = 1 }, b = a;
    b.seed = 2;
    tl_rng ra = tl_sampler_rng(&a), again = tl_sampler_rng(&a), rb = tl_sampler_rng(&b);
    int different = 0;
    for (int i = 0; i < 100; i++) {
        int id = tl_sampling_draw(logits, V, &a, &ra, scratch);
        CHECK_INT(tl_sampling_draw(logits, V, &a, &again, scratch), id);
        different += tl_sampling_draw(logits, V, &b, &rb, scratch) != id;
    }
    CHECK(different > 20);
}

TEST(a_cut_that_cuts_nothing_draws_from_the_same_distribution_over_a_large_vocabulary)
{
    enum {
        LARGE = 1000
    };
    static float l[LARGE];
    static int s[LARGE];
    tl_rng fill = tl_rng_make(3, 0);
    for (int i = 0; i < LARGE; i++) l[i] = (float)(i % 10); /* many ties */
    tl_sampling o = { .temperature = 1, .top_k = 100, .top_p = 1, .seed = 8 };
    tl_rng r = tl_sampler_rng(&o);
    for (int i = 0; i < 1000; i++) CHECK_INT(tl_sampling_draw(l, LARGE, &o, &r, s) % 10, 9);
    for (int i = 0; i < LARGE; i++) l[i] = (float)tl_rng_normal(&fill);
    o.top_k = LARGE - 1; /* the heap gives every token but the least likely */
    double seen = 0, wanted = 0, sum = 0;
    for (int i = 0; i < 20000; i++) seen += l[tl_sampling_draw(l, LARGE, &o, &r, s)];
    for (int i = 0; i < LARGE; i++) sum += exp(l[i]), wanted += exp(l[i]) * l[i];
    CHECK(fabs(seen / 20000 - wanted / sum) < 0.035); /* five standard errors */
}

TEST(logits_that_are_not_numbers_are_noticed)
{
    const float nan[3] = { 1, NAN, 0 }, none[3] = { -INFINITY, -INFINITY, -INFINITY },
                one[3] = { -INFINITY, 0, -INFINITY };
    tl_sampling o = { .temperature = 1, .top_p = 0.9 };
    tl_rng r = tl_sampler_rng(&o);
    CHECK_INT(tl_sampling_draw(nan, 3, &o, &r, scratch), -1);
    CHECK_INT(tl_sampling_draw(none, 3, &o, &r, scratch), -1);
    CHECK_INT(tl_sampling_draw(one, 3, &o, &r, scratch), 1);
    o.top_p = 1;
    CHECK_INT(tl_sampling_draw(one, 3, &o, &r, scratch), 1);
}

TEST(settings_out_of_range_are_refused_by_name)
{
    tl_err err;
    tl_sampling good = { .temperature = 1, .top_k = 5, .top_p = 0.5 }, o = good;
    CHECK_OK(tl_sampling_check(&o, &err), err);
    o.temperature = -1;
    CHECK_INT(tl_sampling_check(&o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "temperature is -1");
    o.temperature = NAN;
    CHECK_INT(tl_sampling_check(&o, &err), TL_EUSAGE);
    o = good, o.top_k = -2;
    CHECK_INT(tl_sampling_check(&o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "top_k is -2");
    o = good, o.top_p = 0;
    CHECK_INT(tl_sampling_check(&o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "top_p is 0");
}

RUN_TESTS(CASE(greedy_takes_the_likeliest_and_of_equals_the_lowest_id),
          CASE(greedy_finds_the_likeliest_and_a_nan_wherever_they_stand_in_a_large_vocabulary),
          CASE(draws_follow_the_softmax_at_every_temperature), CASE(top_k_keeps_the_k_likeliest_and_their_proportions),
          CASE(top_p_keeps_the_smallest_set_that_reaches_it), CASE(top_p_is_a_share_of_what_top_k_leaves),
          CASE(a_seed_repeats_its_draws_and_another_gives_others),
          CASE(a_cut_that_cuts_nothing_draws_from_the_same_distribution_over_a_large_vocabulary),
          CASE(logits_that_are_not_numbers_are_noticed), CASE(settings_out_of_range_are_refused_by_name))
