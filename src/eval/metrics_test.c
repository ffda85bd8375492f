/* metrics_test.c - measures of labels against scikit-learn's, and what is not to be measured. */
#include "eval/metrics.h"
#include "tests/check.h"

#include <jansson.h>

#define GOLDEN "tests/golden/eval/metrics.json"

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v)) fail_msg("%s: a case without the number %s", GOLDEN, key);
    return json_number_value(v);
}

static double *numbers(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    double *x = calloc(json_array_size(v) + 1, sizeof *x);
    for (size_t i = 0; i < json_array_size(v); i++) x[i] = json_number_value(json_array_get(v, i));
    return x;
}

static int *ints(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    int *x = calloc(json_array_size(v) + 1, sizeof *x);
    for (size_t i = 0; i < json_array_size(v); i++) x[i] = (int)json_integer_value(json_array_get(v, i));
    return x;
}

static void check_case(const json_t *o)
{
    tl_err err;
    tl_confusion *c = NULL;
    int K = (int)number(o, "labels"), n = (int)json_array_size(json_object_get(o, "truth"));
    int *truth = ints(o, "truth"), *predicted = ints(o, "predicted"), *support = ints(o, "support");
    int *counts = ints(o, "confusion");
    double *precision = numbers(o, "precision"), *recall = numbers(o, "recall"), *f1 = numbers(o, "f1");
    double *cost = numbers(o, "cost_matrix");
    CHECK_OK(tl_confusion_create(&c, K, &err), err);
    CHECK_OK(tl_confusion_count(c, truth, predicted, NULL, n, &err), err);
    CHECK_INT(c->n, n);
    for (int i = 0; i < K * (K + 1); i++) CHECK_INT(c->counts[i], counts[i]);

    double mean_cost = -1, kappa = -9;
    CHECK_OK(tl_confusion_cost(&mean_cost, c, cost, &err), err);
    tl_triage t = tl_confusion_triage(c);
    double found[] = {
        tl_confusion_accuracy(c),  tl_confusion_macro_f1(c), mean_cost, t.exact, t.under, t.over, t.unanswered,
        tl_confusion_unanswered(c)
    };
    double wanted[] = {
        number(o, "accuracy"), number(o, "macro_f1"), number(o, "cost"),       number(o, "accuracy"),
        number(o, "under"),    number(o, "over"),     number(o, "unanswered"), number(o, "unanswered")
    };
    CHECK_CLOSE(found, wanted, 8, 1e-13, 1e-3);
    for (int k = 0; k < K; k++) {
        tl_class_score s = tl_confusion_class(c, k);
        double fs[] = { s.precision, s.recall, s.f1 }, ws[] = { precision[k], recall[k], f1[k] };
        CHECK_CLOSE(fs, ws, 3, 1e-13, 1e-3);
        CHECK_INT(s.support, support[k]);
    }
    if (json_is_null(json_object_get(o, "kappa"))) {
        CHECK_INT(tl_confusion_kappa(&kappa, c, &err), TL_ENUMERIC);
        CHECK(kappa == -9);
    } else {
        double w = number(o, "kappa");
        CHECK_OK(tl_confusion_kappa(&kappa, c, &err), err);
        CHECK_CLOSE(&kappa, &w, 1, 1e-12, 1e-1);
    }
    tl_confusion_free(c);
    free(truth);
    free(predicted);
    free(support);
    free(counts);
    free(precision);
    free(recall);
    free(f1);
    free(cost);
}

TEST(every_measure_of_labels_is_scikit_learns)
{
    json_error_t e;
    json_t *cases = json_load_file(GOLDEN, 0, &e);
    if (!cases) fail_msg("%s: %s", GOLDEN, e.text);
    CHECK(json_array_size(cases) >= 200);
    for (size_t i = 0; i < json_array_size(cases); i++) check_case(json_array_get(cases, i));
    json_decref(cases);
}

TEST(no_items_are_refused_and_nothing_is_written)
{
    tl_err err;
    tl_confusion *c = NULL;
    int none = 0;
    double x = 7;
    CHECK_INT(tl_confusion_create(&c, 0, &err), TL_EDATA);
    CHECK_OK(tl_confusion_create(&c, 2, &err), err);
    CHECK_INT(tl_confusion_count(c, &none, &none, NULL, 0, &err), TL_EDATA);
    CHECK_HAS(err.text, "0 items");
    CHECK_INT(tl_exact_match(&x, NULL, NULL, 0, &err), TL_EDATA);
    CHECK(x == 7);
    tl_confusion_free(c);
    tl_confusion_free(NULL);
}

TEST(a_label_outside_the_task_is_refused_by_item)
{
    tl_err err;
    tl_confusion *c = NULL;
    int good[] = { 0, 1, 2 }, high[] = { 0, 1, 3 }, none[] = { 0, -1, 2 }, low[] = { 0, -2, 2 };
    CHECK_OK(tl_confusion_create(&c, 3, &err), err);
    CHECK_OK(tl_confusion_count(c, good, good, NULL, 3, &err), err);
    CHECK_INT(tl_confusion_count(c, high, good, NULL, 3, &err), TL_EDATA);
    CHECK_HAS(err.text, "item 2");
    CHECK_INT(c->n, 0); /* the count before does not show through */
    CHECK_INT(tl_confusion_count(c, none, good, NULL, 3, &err), TL_EDATA);
    CHECK_HAS(err.text, "item 1");
    CHECK_INT(tl_confusion_count(c, good, high, NULL, 3, &err), TL_EDATA);
    CHECK_INT(tl_confusion_count(c, good, low, NULL, 3, &err), TL_EDATA);
    CHECK_OK(tl_confusion_count(c, good, none, NULL, 3, &err), err);
    tl_confusion_free(c);
}

TEST(counting_chosen_items_counts_only_those_and_forgets_the_rest)
{
    tl_err err;
    tl_confusion *c = NULL;
    int truth[] = { 0, 0, 1, 1 }, predicted[] = { 0, 1, 1, -1 }, items[] = { 2, 2, 3 };
    CHECK_OK(tl_confusion_create(&c, 2, &err), err);
    CHECK_OK(tl_confusion_count(c, truth, predicted, NULL, 4, &err), err);
    CHECK_OK(tl_confusion_count(c, truth, predicted, items, 3, &err), err);
    CHECK_INT(c->n, 3);
    CHECK_INT(tl_confusion_at(c, 1, 1), 2);
    CHECK_INT(tl_confusion_at(c, 1, TL_NO_ANSWER), 1);
    CHECK_INT(tl_confusion_at(c, 0, 0), 0);
    tl_confusion_free(c);
}

TEST(the_mean_of_the_items_costs_is_the_cost)
{
    tl_err err;
    tl_confusion *c = NULL;
    double cost[] = { 0, 5, 20, 1, 0, 4, 2, 1, 0 }, found = 0, sum = 0;
    int truth[] = { 0, 0, 1, 2, 1 }, predicted[] = { 2, -1, 1, 0, -1 };
    CHECK_OK(tl_confusion_create(&c, 3, &err), err);
    CHECK_OK(tl_confusion_count(c, truth, predicted, NULL, 5, &err), err);
    CHECK_OK(tl_confusion_cost(&found, c, cost, &err), err);
    for (int i = 0; i < 5; i++) sum += tl_cost_of(cost, 3, truth[i], predicted[i]);
    CHECK(found == sum / 5 && sum == 20 + 20 + 0 + 2 + 4);
    cost[3] = NAN;
    CHECK_INT(tl_confusion_cost(&found, c, cost, &err), TL_EDATA);
    cost[3] = -1;
    CHECK_INT(tl_confusion_cost(&found, c, cost, &err), TL_EDATA);
    tl_confusion_free(c);
}

TEST(an_urgent_item_called_harmless_is_under_triage)
{
    tl_err err;
    tl_confusion *c = NULL;
    int truth[] = { 0, 0, 2, 1 }, predicted[] = { 2, 1, 0, -1 };
    CHECK_OK(tl_confusion_create(&c, 3, &err), err);
    CHECK_OK(tl_confusion_count(c, truth, predicted, NULL, 4, &err), err);
    tl_triage t = tl_confusion_triage(c);
    CHECK(t.exact == 0 && t.under == 0.5 && t.over == 0.25 && t.unanswered == 0.25);
    tl_confusion_free(c);
}

TEST(texts_match_but_for_the_white_space_around_them)
{
    CHECK(tl_text_same("a b", " \t\r\na b\n"));
    CHECK(tl_text_same("", " \v\f"));
    CHECK(!tl_text_same("a b", "a  b"));
    CHECK(!tl_text_same("a", "A"));
    CHECK(!tl_text_same("a", "ab"));
    CHECK(!tl_text_same("a", ""));
    CHECK(!tl_text_same("a", "a\xc2\xa0"));
    const char *truth[] = { "yes", "no", "" }, *predicted[] = { "yes\n", "yes", "" };
    double share = 0;
    tl_err err;
    CHECK_OK(tl_exact_match(&share, truth, predicted, 3, &err), err);
    CHECK(share == 2.0 / 3);
}

RUN_TESTS(CASE(every_measure_of_labels_is_scikit_learns), CASE(no_items_are_refused_and_nothing_is_written),
          CASE(a_label_outside_the_task_is_refused_by_item),
          CASE(counting_chosen_items_counts_only_those_and_forgets_the_rest),
          CASE(the_mean_of_the_items_costs_is_the_cost), CASE(an_urgent_item_called_harmless_is_under_triage),
          CASE(texts_match_but_for_the_white_space_around_them))
