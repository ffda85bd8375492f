/* interval_test.c - intervals that cover as often as they say, tests that agree with scipy and with each other. */
#include "eval/interval.h"

#include "base/rng.h"
#include "eval/metrics.h"
#include "tests/check.h"

#include <float.h>
#include <jansson.h>

#define GOLDEN "tests/golden/eval/interval.json"
enum {
    MOST = 4096
};

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v)) fail_msg("%s: a case without the number %s", GOLDEN, key);
    return json_number_value(v);
}

static int numbers(double *out, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    CHECK(json_array_size(v) <= MOST);
    for (size_t i = 0; i < json_array_size(v); i++) out[i] = json_number_value(json_array_get(v, i));
    return (int)json_array_size(v);
}

/* Call check on every golden case of a kind, of which there are at least some. */
static void each(const char *kind, int some, void (*check)(const json_t *o))
{
    json_error_t e;
    json_t *cases = json_load_file(GOLDEN, 0, &e), *o = NULL;
    size_t i;
    if (!cases) fail_msg("%s: %s", GOLDEN, e.text);
    json_array_foreach(cases, i, o)
    {
        if (strcmp(json_string_value(json_object_get(o, "kind")), kind) != 0) continue;
        check(o);
        some--;
    }
    CHECK(some <= 0);
    json_decref(cases);
}

static void check_quantile(const json_t *o)
{
    double x[MOST];
    int n = numbers(x, o, "x");
    double found = tl_quantile(x, n, number(o, "q")), wanted = number(o, "value");
    CHECK_CLOSE(&found, &wanted, 1, 1e-13, 1e-2);
}

TEST(quantiles_are_numpys)
{
    each("quantile", 36, check_quantile);
}

static void check_share(const json_t *o)
{
    tl_err err;
    tl_interval r;
    int n = (int)number(o, "n"), right = (int)number(o, "right");
    CHECK_OK(tl_interval_share(&r, right, n, &err), err);
    double found[] = { r.value, r.low, r.high }, wanted[] = { (double)right / n, number(o, "low"), number(o, "high") };
    CHECK_CLOSE(found, wanted, 3, 1e-12, 1e-3);
    CHECK(r.low >= 0 && r.high <= 1 && r.low < r.high && r.n == n);
}

TEST(the_interval_of_a_share_is_scipys_wilson)
{
    each("share", 20, check_share);
}

static void check_mcnemar(const json_t *o)
{
    tl_err err;
    static bool a[MOST], b[MOST];
    int na = (int)number(o, "a"), nb = (int)number(o, "b"), n = na + nb + 3;
    CHECK(n <= MOST);
    for (int i = 0; i < n; i++) {
        a[i] = i < na || i >= na + nb;
        b[i] = i >= na;
    }
    tl_paired t;
    CHECK_OK(tl_paired_mcnemar(&t, a, b, n, &err), err);
    double wanted = fmax(number(o, "p"), DBL_MIN); /* the peer's may vanish, ours may not */
    CHECK_CLOSE(&t.p, &wanted, 1, 1e-10, DBL_MIN);
    CHECK(t.only_a == na && t.only_b == nb && t.exact && t.difference == (double)(na - nb) / n);
}

TEST(mcnemar_is_the_exact_binomial_test)
{
    each("mcnemar", 10, check_mcnemar);
}

static void check_permutation(const json_t *o)
{
    tl_err err;
    double a[MOST], b[MOST];
    int n = numbers(a, o, "a");
    CHECK_INT(numbers(b, o, "b"), n);
    tl_bootstrap how = tl_bootstrap_defaults(1);
    tl_paired t;
    CHECK_OK(tl_paired_permutation(&t, a, b, n, &how, &err), err);
    double wanted = number(o, "p");
    CHECK_CLOSE(&t.p, &wanted, 1, 1e-12, 1e-3);
    CHECK(t.exact);
}

TEST(on_few_items_the_permutation_test_is_exact_as_scipys)
{
    each("permutation", 40, check_permutation);
}

static void check_bootstrap(const json_t *o)
{
    tl_err err;
    double x[MOST];
    int n = numbers(x, o, "x");
    tl_bootstrap how = { .resamples = 20000, .seed = 5 };
    tl_interval r;
    CHECK_OK(tl_interval_mean(&r, x, n, &how, &err), err);
    /* An end drawn from R resamples spreads by sqrt(q (1 - q) / R) / density: 0.5 % of the width at
     * 20000 for a normal mean, and a step of 1/n where the scores are 0 and 1. */
    double width = number(o, "high") - number(o, "low"), slack = 0.03 * width;
    if (x[0] == 0 || x[0] == 1) slack = 1.0 / n + 1e-12;
    CHECK(fabs(r.low - number(o, "low")) < slack);
    CHECK(fabs(r.high - number(o, "high")) < slack);
    CHECK(r.low <= r.value && r.value <= r.high && r.n == n);
}

TEST(the_bootstrap_agrees_with_scipys_percentile)
{
    each("bootstrap", 12, check_bootstrap);
}

/* Of 400 simulated data sets, the share whose interval holds the truth: within 3 standard
 * deviations of 0.95 lie 0.917 to 0.983; the bootstrap itself is some 0.01 short at n = 100. */
TEST(intervals_hold_the_truth_about_as_often_as_they_say)
{
    enum {
        SETS = 400,
        N = 100
    };
    tl_err err;
    tl_rng rng = tl_rng_make(11, 1);
    const double truths[] = { 0.3, 0.5, 0.85 };
    for (int k = 0; k < 3; k++) {
        int by_mean = 0, by_share = 0;
        for (int s = 0; s < SETS; s++) {
            double x[N];
            int right = 0;
            for (int i = 0; i < N; i++) right += (x[i] = tl_rng_unit(&rng) < truths[k]) > 0;
            tl_bootstrap how = { .resamples = 1000, .seed = (uint64_t)s };
            tl_interval m, w;
            CHECK_OK(tl_interval_mean(&m, x, N, &how, &err), err);
            CHECK_OK(tl_interval_share(&w, right, N, &err), err);
            by_mean += m.low <= truths[k] && truths[k] <= m.high;
            by_share += w.low <= truths[k] && truths[k] <= w.high;
        }
        CHECK(by_mean >= 0.90 * SETS && by_mean <= 0.98 * SETS);
        CHECK(by_share >= 0.90 * SETS && by_share <= 0.98 * SETS);
    }
}

/* Methods that are equal: the tests may call at most about one pair in twenty different. */
TEST(equal_methods_are_rarely_called_different)
{
    enum {
        SETS = 300,
        N = 60
    };
    tl_err err;
    tl_rng rng = tl_rng_make(12, 1);
    int by_permutation = 0, by_mcnemar = 0, lowest = 0;
    for (int s = 0; s < SETS; s++) {
        double a[N], b[N];
        bool ra[N], rb[N];
        for (int i = 0; i < N; i++) {
            double common = tl_rng_normal(&rng);
            a[i] = common + tl_rng_normal(&rng);
            b[i] = common + tl_rng_normal(&rng);
            ra[i] = a[i] > 0;
            rb[i] = b[i] > 0;
        }
        tl_bootstrap how = { .resamples = 500, .seed = (uint64_t)s };
        tl_paired t;
        CHECK_OK(tl_paired_permutation(&t, a, b, N, &how, &err), err);
        CHECK(!t.exact && t.p > 0 && t.p <= 1 && t.only_a + t.only_b == N);
        by_permutation += t.p <= 0.05;
        lowest += t.p <= 0.5;
        CHECK_OK(tl_paired_mcnemar(&t, ra, rb, N, &err), err);
        by_mcnemar += t.p <= 0.05;
    }
    /* 0.05 and three standard deviations of 300 draws: 0.088. */
    CHECK(by_permutation <= 0.088 * SETS && by_mcnemar <= 0.088 * SETS);
    CHECK(lowest > 0.41 * SETS && lowest < 0.59 * SETS); /* p is uniform, not merely large */
}

TEST(on_right_and_wrong_the_permutation_test_is_mcnemars)
{
    tl_err err;
    enum {
        N = 400
    };
    double a[N], b[N];
    bool ra[N], rb[N];
    const int differ[] = { 3, 22, 60, 150, 380 }; /* 3: counted exactly; the others: drawn */
    for (int k = 0; k < 5; k++) {
        int only = differ[k];
        for (int i = 0; i < N; i++) {
            ra[i] = i < only * 5 / 9;
            rb[i] = i >= only * 5 / 9 && i < only;
            a[i] = ra[i];
            b[i] = rb[i];
        }
        tl_bootstrap how = { .resamples = 20000, .seed = 3 };
        tl_paired t, m;
        CHECK_OK(tl_paired_permutation(&t, a, b, N, &how, &err), err);
        CHECK_OK(tl_paired_mcnemar(&m, ra, rb, N, &err), err);
        CHECK(t.exact == (only == 3) && t.only_a == m.only_a && t.only_b == m.only_b);
        CHECK(fabs(t.difference - m.difference) < 1e-12);
        /* Four standard deviations of a share of 20000 draws. */
        CHECK(fabs(t.p - m.p) <= (t.exact ? 1e-12 : 4 * sqrt(m.p * (1 - m.p) / 20000) + 1e-4));
    }
}

TEST(a_seed_repeats_the_interval_to_the_bit)
{
    tl_err err;
    double x[50], y[50];
    tl_rng rng = tl_rng_make(2, 1);
    for (int i = 0; i < 50; i++) {
        x[i] = tl_rng_normal(&rng);
        y[i] = tl_rng_normal(&rng);
    }
    tl_bootstrap one = tl_bootstrap_defaults(1), two = tl_bootstrap_defaults(2);
    tl_interval a, b, c;
    tl_paired p, q;
    CHECK_OK(tl_interval_difference(&a, x, y, 50, &one, &err), err);
    CHECK_OK(tl_interval_difference(&b, x, y, 50, &one, &err), err);
    CHECK_OK(tl_interval_difference(&c, x, y, 50, &two, &err), err);
    CHECK(a.low == b.low && a.high == b.high && a.value == b.value);
    CHECK(a.low != c.low && a.high != c.high && a.value == c.value);
    CHECK_OK(tl_paired_permutation(&p, x, y, 50, &one, &err), err);
    CHECK_OK(tl_paired_permutation(&q, x, y, 50, &one, &err), err);
    CHECK(p.p == q.p && fabs(p.difference - a.value) < 1e-15);
}

/* Two methods' answers to the same items, as a caller holds them. */
typedef struct answers {
    const int *truth, *a, *b;
    tl_confusion *c;
    int *mixed; /* [n] */
} answers;

static int macro_f1(double *out, const int *items, int n, void *context, tl_err *err)
{
    answers *s = context;
    TL_TRY(tl_confusion_count(s->c, s->truth, s->a, items, n, err));
    *out = tl_confusion_macro_f1(s->c);
    return 0;
}

static int kappa(double *out, const int *items, int n, void *context, tl_err *err)
{
    answers *s = context;
    TL_TRY(tl_confusion_count(s->c, s->truth, s->a, items, n, err));
    return tl_confusion_kappa(out, s->c, err);
}

static int accuracy_swapped(double *out, const bool *swap, int n, void *context, tl_err *err)
{
    answers *s = context;
    double of[2];
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < n; i++) s->mixed[i] = swap[i] == (side == 0) ? s->b[i] : s->a[i];
        TL_TRY(tl_confusion_count(s->c, s->truth, s->mixed, NULL, n, err));
        of[side] = tl_confusion_accuracy(s->c);
    }
    *out = of[0] - of[1];
    return 0;
}

TEST(a_drawn_p_is_never_zero)
{
    enum {
        N = 40
    };
    tl_err err;
    double a[N], b[N] = { 0 };
    int truth[N] = { 0 }, wrong[N], mixed[N];
    for (int i = 0; i < N; i++) a[i] = wrong[i] = 1;
    tl_bootstrap how = tl_bootstrap_defaults(1);
    tl_paired t;
    CHECK_OK(tl_paired_permutation(&t, a, b, N, &how, &err), err);
    CHECK(t.difference == 1 && t.p == 1.0 / 2001);
    answers s = { truth, truth, wrong, NULL, mixed };
    CHECK_OK(tl_confusion_create(&s.c, 2, &err), err);
    CHECK_OK(tl_paired_statistic(&t, accuracy_swapped, &s, N, &how, &err), err);
    CHECK(t.difference == 1 && t.p == 1.0 / 2001);
    tl_confusion_free(s.c);
}

TEST(any_statistic_has_an_interval_and_a_paired_test)
{
    enum {
        N = 90
    };
    tl_err err;
    int truth[N], a[N], b[N], mixed[N];
    bool ra[N], rb[N];
    tl_rng rng = tl_rng_make(4, 1);
    for (int i = 0; i < N; i++) {
        truth[i] = i % 3;
        a[i] = tl_rng_unit(&rng) < 0.8 ? truth[i] : (int)tl_rng_below(&rng, 3);
        b[i] = tl_rng_unit(&rng) < 0.6 ? truth[i] : TL_NO_ANSWER;
        ra[i] = a[i] == truth[i];
        rb[i] = b[i] == truth[i];
    }
    answers s = { truth, a, b, NULL, mixed };
    tl_bootstrap how = { .resamples = 5000, .seed = 1 };
    tl_interval r;
    tl_paired t, m;
    CHECK_OK(tl_confusion_create(&s.c, 3, &err), err);
    CHECK_OK(tl_interval_statistic(&r, macro_f1, &s, N, &how, &err), err);
    CHECK(r.low < r.value && r.value < r.high && r.high - r.low > 0.05 && r.high - r.low < 0.3);
    CHECK_OK(tl_paired_statistic(&t, accuracy_swapped, &s, N, &how, &err), err);
    CHECK_OK(tl_paired_mcnemar(&m, ra, rb, N, &err), err);
    CHECK(fabs(t.difference - m.difference) < 1e-12 && !t.exact);
    CHECK(fabs(t.p - m.p) <= 4 * sqrt(m.p * (1 - m.p) / 5000) + 3e-4);
    tl_confusion_free(s.c);
}

TEST(resamples_without_a_value_are_left_out_while_they_are_few)
{
    tl_err err;
    tl_interval r = { .value = 7 };
    tl_bootstrap how = tl_bootstrap_defaults(1);
    /* All of n items drawn alike, and all the same label right, has no kappa: with one of ten items
     * different that is one resample in three, with three of ten one in 35. */
    int rare[10] = { 1 }, often[10] = { 1, 1, 1 };
    answers s = { rare, rare, NULL, NULL, NULL };
    CHECK_OK(tl_confusion_create(&s.c, 2, &err), err);
    CHECK_INT(tl_interval_statistic(&r, kappa, &s, 10, &how, &err), TL_ENUMERIC);
    CHECK_HAS(err.text, "of 2000 resamples of 10 items");
    CHECK(r.value == 7);
    s.truth = s.a = often;
    CHECK_OK(tl_interval_statistic(&r, kappa, &s, 10, &how, &err), err);
    CHECK(r.value == 1 && r.low == 1 && r.high == 1);
    tl_confusion_free(s.c);
}

TEST(nothing_to_measure_is_an_error_and_never_nan)
{
    tl_err err;
    tl_interval r = { .value = 7 };
    tl_paired t = { .p = 7 };
    double good[] = { 1, 2 }, bad[] = { 1, NAN }, huge[] = { 1e308, 1e308 }, low[] = { -1e308, -1e308 };
    bool b[2] = { 0 };
    tl_bootstrap how = tl_bootstrap_defaults(1), few = { .resamples = 99 };
    CHECK_INT(tl_interval_mean(&r, good, 0, &how, &err), TL_EDATA);
    CHECK_INT(tl_interval_share(&r, 0, 0, &err), TL_EDATA);
    CHECK_INT(tl_interval_share(&r, 3, 2, &err), TL_EDATA);
    CHECK_INT(tl_interval_difference(&r, good, good, 0, &how, &err), TL_EDATA);
    CHECK_INT(tl_paired_mcnemar(&t, b, b, 0, &err), TL_EDATA);
    CHECK_INT(tl_paired_permutation(&t, good, good, 0, &how, &err), TL_EDATA);
    CHECK_INT(tl_paired_statistic(&t, accuracy_swapped, NULL, 0, &how, &err), TL_EDATA);
    CHECK_INT(tl_interval_mean(&r, bad, 2, &how, &err), TL_ENUMERIC);
    CHECK_HAS(err.text, "item 1");
    CHECK_INT(tl_interval_mean(&r, huge, 2, &how, &err), TL_ENUMERIC);
    CHECK_HAS(err.text, "value measured is inf");
    CHECK_INT(tl_interval_difference(&r, good, bad, 2, &how, &err), TL_ENUMERIC);
    CHECK_INT(tl_paired_permutation(&t, bad, good, 2, &how, &err), TL_ENUMERIC);
    CHECK_INT(tl_paired_permutation(&t, huge, low, 2, &how, &err), TL_ENUMERIC);
    CHECK_INT(tl_interval_mean(&r, good, 2, &few, &err), TL_EUSAGE);
    CHECK(r.value == 7 && t.p == 7);
}

TEST(one_item_is_its_own_interval_and_proves_nothing)
{
    tl_err err;
    tl_interval r;
    tl_paired t;
    tl_bootstrap how = tl_bootstrap_defaults(1);
    double a = 0.25, b = 0.75;
    CHECK_OK(tl_interval_mean(&r, &a, 1, &how, &err), err);
    CHECK(r.value == a && r.low == a && r.high == a && r.n == 1);
    CHECK_OK(tl_paired_permutation(&t, &a, &b, 1, &how, &err), err);
    CHECK(t.p == 1 && t.difference == -0.5 && t.only_b == 1);
    CHECK_OK(tl_paired_permutation(&t, &a, &a, 1, &how, &err), err);
    CHECK(t.p == 1 && t.difference == 0);
}

RUN_TESTS(CASE(quantiles_are_numpys), CASE(the_interval_of_a_share_is_scipys_wilson),
          CASE(mcnemar_is_the_exact_binomial_test), CASE(on_few_items_the_permutation_test_is_exact_as_scipys),
          CASE(the_bootstrap_agrees_with_scipys_percentile), CASE(intervals_hold_the_truth_about_as_often_as_they_say),
          CASE(equal_methods_are_rarely_called_different), CASE(on_right_and_wrong_the_permutation_test_is_mcnemars),
          CASE(a_seed_repeats_the_interval_to_the_bit), CASE(a_drawn_p_is_never_zero),
          CASE(any_statistic_has_an_interval_and_a_paired_test),
          CASE(resamples_without_a_value_are_left_out_while_they_are_few),
          CASE(nothing_to_measure_is_an_error_and_never_nan), CASE(one_item_is_its_own_interval_and_proves_nothing))
