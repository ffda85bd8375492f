/* calibration_test.c - calibration against scikit-learn's curves and losses. */
#include "eval/calibration.h"
#include "tests/check.h"

#include <jansson.h>

#define GOLDEN "tests/golden/eval/calibration.json"
enum {
    MOST = 1000,
    BINS = 20
};

TEST(calibration_error_brier_score_and_log_loss_are_scikit_learns)
{
    tl_err err;
    json_error_t e;
    json_t *cases = json_load_file(GOLDEN, 0, &e), *o = NULL;
    size_t i;
    if (!cases) fail_msg("%s: %s", GOLDEN, e.text);
    CHECK(json_array_size(cases) >= 40);
    json_array_foreach(cases, i, o)
    {
        static double p[MOST];
        static int truth[MOST];
        tl_bin bins[BINS];
        const json_t *jp = json_object_get(o, "p"), *jt = json_object_get(o, "truth");
        int n = (int)json_array_size(jt), B = (int)json_integer_value(json_object_get(o, "bins")), in_bins = 0;
        CHECK(json_array_size(jp) <= MOST && n <= MOST && B <= BINS);
        for (size_t j = 0; j < json_array_size(jp); j++) p[j] = json_number_value(json_array_get(jp, j));
        for (int j = 0; j < n; j++) truth[j] = (int)json_integer_value(json_array_get(jt, (size_t)j));
        tl_calibration m;
        CHECK_OK(tl_calibration_measure(&m, bins, B, p, truth, n, (int)json_integer_value(json_object_get(o, "labels")),
                                        &err),
                 err);
        double found[] = { m.ece, m.brier, m.log_loss };
        double wanted[] = { json_number_value(json_object_get(o, "ece")),
                            json_number_value(json_object_get(o, "brier")),
                            json_number_value(json_object_get(o, "log_loss")) };
        CHECK_CLOSE(found, wanted, 3, 1e-9, 1e-3);
        for (int b = 0; b < B; b++) in_bins += bins[b].n;
        CHECK_INT(in_bins, n);
    }
    json_decref(cases);
}

TEST(a_confidence_on_an_edge_belongs_to_the_bin_below)
{
    tl_err err;
    tl_calibration m;
    tl_bin bins[10];
    int truth[] = { 0, 1 };
    double p[] = { 0.7, 0.2, 0.1, 0.3, 0.4, 0.3 };
    CHECK_OK(tl_calibration_measure(&m, bins, 10, p, truth, 2, 3, &err), err);
    CHECK(bins[6].n == 1 && bins[6].confidence == 0.7 && bins[6].accuracy == 1);
    CHECK(bins[3].n == 1 && bins[4].n == 0 && bins[7].n == 0);
}

TEST(of_equally_likely_labels_the_first_is_the_answer)
{
    tl_err err;
    tl_calibration m;
    tl_bin bin;
    int truth = 0;
    double p[] = { 0.5, 0.5 };
    CHECK_OK(tl_calibration_measure(&m, &bin, 1, p, &truth, 1, 2, &err), err);
    CHECK(bin.accuracy == 1 && m.ece == 0.5);
}

TEST(what_is_no_probability_is_refused)
{
    tl_err err;
    tl_calibration m = { .ece = 7 };
    tl_bin bin;
    int truth = 0, outside = 2;
    double good[] = { 0.5, 0.5 }, nan[] = { NAN, 1 }, short_of[] = { 0.5, 0.4 }, negative[] = { 1.5, -0.5 };
    CHECK_INT(tl_calibration_measure(&m, &bin, 1, good, &truth, 0, 2, &err), TL_EDATA);
    CHECK_INT(tl_calibration_measure(&m, &bin, 0, good, &truth, 1, 2, &err), TL_EDATA);
    CHECK_INT(tl_calibration_measure(&m, &bin, 1, good, &outside, 1, 2, &err), TL_EDATA);
    CHECK_INT(tl_calibration_measure(&m, &bin, 1, nan, &truth, 1, 2, &err), TL_ENUMERIC);
    CHECK_INT(tl_calibration_measure(&m, &bin, 1, short_of, &truth, 1, 2, &err), TL_ENUMERIC);
    CHECK_HAS(err.text, "sum to 0.9");
    CHECK_INT(tl_calibration_measure(&m, &bin, 1, negative, &truth, 1, 2, &err), TL_ENUMERIC);
    CHECK(m.ece == 7);
}

RUN_TESTS(CASE(calibration_error_brier_score_and_log_loss_are_scikit_learns),
          CASE(a_confidence_on_an_edge_belongs_to_the_bin_below),
          CASE(of_equally_likely_labels_the_first_is_the_answer), CASE(what_is_no_probability_is_refused))
