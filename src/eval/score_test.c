/* score_test.c - a task's metrics against numbers worked out by hand, with one seed and with several. */
#include "eval/score.h"

#include "tests/check.h"

enum {
    N = 8
};

/* Eight items of three labels; answers of two seeds. */
static const int truth[N] = { 0, 0, 0, 0, 1, 1, 2, 2 };
static int first[N] = { 0, 0, 0, 1, 1, 1, 2, 0 };  /* six right */
static int second[N] = { 0, 0, 1, 1, 1, 2, 2, 2 }; /* five right */
static char task_name[] = "lights";
static char *labels[] = { (char[]){ "stop" }, (char[]){ "wait" }, (char[]){ "go" } };
static double costs[9] = { 0, 1, 5, 2, 0, 1, 9, 3, 0 };

static tl_task label_task(char **metrics, int n)
{
    return (tl_task){ .name = task_name,
                      .kind = TL_TASK_CLASSIFICATION,
                      .labels = labels,
                      .n_labels = 3,
                      .metrics = metrics,
                      .n_metrics = n,
                      .costs = costs };
}

static tl_examples label_examples(tl_example *items)
{
    for (int i = 0; i < N; i++) items[i] = (tl_example){ .label = truth[i] };
    return (tl_examples){ .items = items, .n = N };
}

static const tl_interval *metric(const tl_scored *s, const char *name)
{
    for (int i = 0; i < s->n_metrics; i++)
        if (strcmp(s->metrics[i].metric->name, name) == 0) return &s->metrics[i].value;
    fail_msg("no metric %s", name);
    return NULL;
}

static void check_value(const tl_scored *s, const char *name, double wanted)
{
    const tl_interval *v = metric(s, name);
    if (!(fabs(v->value - wanted) < 1e-12)) fail_msg("%s is %.15g, wanted %.15g", name, v->value, wanted);
    CHECK(v->low <= v->value && v->value <= v->high);
    CHECK(v->low < v->high);
}

/* F1 of a label is 2 right / (given + there are).  first: 6/8, 4/5, 2/3.  second: 4/6, 2/5, 4/5. */
static const double f1_first = (0.75 + 0.8 + 2.0 / 3) / 3, f1_second = (2.0 / 3 + 0.4 + 0.8) / 3;

/* Quadratic weights.  first: truths 4 2 2, answers 4 3 1; seen 1 x 1 + 1 x 4 = 5; expected
 * (1 (4 3 + 2 4 + 2 1 + 2 3) + 4 (4 1 + 2 4)) / 8 = (28 + 48) / 8 = 9.5.
 * second: answers 2 3 3; seen 2 + 1 = 3; expected (1 (4 3 + 2 2 + 2 3 + 2 3) + 4 (4 3 + 2 2)) / 8 = (28 + 64) / 8
 * = 11.5. */
static const double kappa_first = 1 - 5 / 9.5, kappa_second = 1 - 3 / 11.5;

/* first: 0 for 1 costs 1, 2 for 0 costs 9; second: 1 + 1, and 1 for 2 costs 1. */
static const double cost_first = 10.0 / N, cost_second = 3.0 / N;

TEST(one_seed_has_the_values_of_its_confusion_matrix)
{
    tl_err err = { 0 };
    tl_example items[N];
    char *metrics[] = { (char[]){ "accuracy" }, (char[]){ "kappa" }, (char[]){ "cost" } };
    tl_task t = label_task(metrics, 3);
    tl_examples e = label_examples(items);
    tl_predictions a = { .n = N, .normalized = first, .raw = second },
                   b = { .n = N, .normalized = second, .raw = first };
    const tl_predictions *one[] = { &a }, *other[] = { &b };
    tl_scored s;
    for (int k = 0; k < 4; k++) { /* the second seed's answers are those of raw scores of the first, and back */
        bool is_first = k == 0 || k == 3;
        CHECK_OK(tl_score(&s, &t, &e, k < 2 ? one : other, 1, k % 2, 1, &err), err);
        CHECK_INT(s.n_metrics, 4);
        CHECK_STR(s.metrics[0].metric->name, "accuracy");
        CHECK_STR(s.metrics[1].metric->name, "macro_f1");
        check_value(&s, "accuracy", is_first ? 0.75 : 0.625);
        check_value(&s, "macro_f1", is_first ? f1_first : f1_second);
        check_value(&s, "kappa", is_first ? kappa_first : kappa_second);
        check_value(&s, "cost", is_first ? cost_first : cost_second);
        CHECK(s.per_seed[0] == (is_first ? 0.75 : 0.625));
        for (int i = 0; i < s.n_metrics; i++) {
            const tl_metric *m = s.metrics[i].metric;
            bool cost = strcmp(m->name, "cost") == 0;
            CHECK(m->lower_is_better == cost);
            CHECK(m->share == (!cost && strcmp(m->name, "kappa") != 0));
        }
        tl_scored_reset(&s);
    }
}

TEST(one_seed_gives_accuracy_the_interval_of_a_share)
{
    tl_err err = { 0 };
    tl_example items[N];
    tl_interval wanted;
    tl_task t = label_task(NULL, 0);
    tl_examples e = label_examples(items);
    tl_predictions a = { .n = N, .normalized = first };
    const tl_predictions *list[] = { &a };
    tl_scored s;
    CHECK_OK(tl_score(&s, &t, &e, list, 1, false, 1, &err), err);
    CHECK_OK(tl_interval_share(&wanted, 6, N, &err), err);
    const tl_interval *found = metric(&s, "accuracy");
    CHECK(found->low == wanted.low && found->high == wanted.high && found->n == N);
    CHECK_INT(s.n_metrics, 2);
    tl_scored_reset(&s);
}

TEST(several_seeds_give_their_mean_for_every_metric_item_and_cell)
{
    tl_err err = { 0 };
    tl_example items[N];
    char *metrics[] = { (char[]){ "kappa" }, (char[]){ "cost" } };
    tl_task t = label_task(metrics, 2);
    tl_examples e = label_examples(items);
    tl_predictions a = { .n = N, .normalized = first }, b = { .n = N, .normalized = second };
    const tl_predictions *list[] = { &a, &b };
    tl_scored s;
    CHECK_OK(tl_score(&s, &t, &e, list, 2, false, 1, &err), err);
    check_value(&s, "accuracy", 11.0 / 16);
    check_value(&s, "macro_f1", (f1_first + f1_second) / 2);
    check_value(&s, "kappa", (kappa_first + kappa_second) / 2);
    check_value(&s, "cost", (cost_first + cost_second) / 2);
    CHECK_INT(s.n_seeds, 2);
    CHECK(s.per_seed[0] == 0.75 && s.per_seed[1] == 0.625);
    const double by_item[N] = { 1, 1, 0.5, 0, 1, 0.5, 1, 0.5 }, cells[9] = { 2.5, 1.5, 0, 0, 1.5, 0.5, 0.5, 0, 1.5 };
    for (int i = 0; i < N; i++) CHECK(s.items[i] == by_item[i]);
    for (int i = 0; i < 9; i++) CHECK(s.confusion[i] == cells[i]);
    CHECK_INT(metric(&s, "accuracy")->n, N); /* items, not answers */
    tl_scored_reset(&s);
}

TEST(a_metric_that_is_not_known_is_refused_with_those_that_are)
{
    tl_err err = { 0 };
    tl_example items[N];
    char *metrics[] = { (char[]){ "kappa" }, (char[]){ "auroc" } };
    tl_task t = label_task(metrics, 2);
    tl_examples e = label_examples(items);
    tl_predictions a = { .n = N, .normalized = first };
    const tl_predictions *list[] = { &a };
    tl_scored s;
    CHECK_INT(tl_score(&s, &t, &e, list, 1, false, 1, &err), TL_EUNSUPPORTED);
    CHECK_HAS(err.text, "lights: metric 'auroc' is not known for labels; accuracy, macro_f1, kappa, cost are");
    CHECK(!s.items && !s.confusion);
    CHECK_INT(tl_score_check(&t, &err), TL_EUNSUPPORTED); /* and before anything is trained */
    t.kind = TL_TASK_GENERATION;
    CHECK_INT(tl_score_check(&t, &err), TL_EUNSUPPORTED);
    CHECK_HAS(err.text, "metric 'kappa' is not known for texts; rouge1, rouge2, rougeL, rougeLsum, exact_match are");
}

TEST(a_cost_without_costs_is_refused)
{
    tl_err err = { 0 };
    char *metrics[] = { (char[]){ "cost" } };
    tl_task t = label_task(metrics, 1);
    t.costs = NULL;
    CHECK_INT(tl_score_check(&t, &err), TL_EDATA);
    CHECK_HAS(err.text, "the metric cost wants costs in task.yaml");
}

TEST(texts_have_rouge_and_exact_match_averaged_over_seeds)
{
    tl_err err = { 0 };
    char *answers[] = { (char[]){ "the red light" }, (char[]){ "go now" } };
    char *one[] = { (char[]){ " the red light\n" }, (char[]){ "stop" } };
    char *two[] = { (char[]){ "the light" }, (char[]){ "go now" } };
    tl_example items[2] = { { .answer = answers[0], .label = -1 }, { .answer = answers[1], .label = -1 } };
    tl_examples e = { .items = items, .n = 2 };
    tl_task t = { .name = (char[]){ "words" }, .kind = TL_TASK_GENERATION };
    tl_predictions a = { .n = 2, .texts = one }, b = { .n = 2, .texts = two };
    const tl_predictions *list[] = { &a, &b };
    tl_scored s;
    CHECK_OK(tl_score(&s, &t, &e, list, 2, false, 1, &err), err);
    CHECK_INT(s.n_metrics, 5);
    /* "the light": 2 of 3 words, all its own: F = 0.8; no pair of words in common. */
    CHECK(fabs(metric(&s, "rouge1")->value - (1 + 0 + 0.8 + 1) / 4) < 1e-12);
    CHECK(fabs(metric(&s, "rouge2")->value - (1 + 0 + 0 + 1) / 4.0) < 1e-12);
    CHECK(fabs(metric(&s, "rougeL")->value - (1 + 0 + 0.8 + 1) / 4) < 1e-12);
    CHECK(metric(&s, "exact_match")->value == 0.5);
    CHECK(fabs(s.items[0] - 0.9) < 1e-12 && fabs(s.items[1] - 0.5) < 1e-12);
    CHECK(fabs(s.per_seed[0] - 0.5) < 1e-12 && fabs(s.per_seed[1] - 0.9) < 1e-12);
    CHECK(!s.confusion);
    tl_scored_reset(&s);
}

RUN_TESTS(CASE(one_seed_has_the_values_of_its_confusion_matrix), CASE(one_seed_gives_accuracy_the_interval_of_a_share),
          CASE(several_seeds_give_their_mean_for_every_metric_item_and_cell),
          CASE(a_metric_that_is_not_known_is_refused_with_those_that_are), CASE(a_cost_without_costs_is_refused),
          CASE(texts_have_rouge_and_exact_match_averaged_over_seeds))
