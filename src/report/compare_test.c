/* compare_test.c - all methods end to end on a task of a minute's size: what is reported, what is left on disk, and
 * what is refused or stopped without leaving half of it. */
#define _GNU_SOURCE /* nftw */
#include "report/compare.h"

#include "base/interrupt.h"
#include "io/json.h"
#include "tests/small_task.h"

#include <signal.h>

enum {
    METHODS = 6
};
static const char *const names[METHODS] = { "zero-shot", "few-shot", "lora", "full", "lora+few-shot", "full+few-shot" };

static void parse_all(tl_method *methods)
{
    tl_err err = { 0 };
    for (int i = 0; i < METHODS; i++) CHECK_OK(tl_method_parse(&methods[i], names[i], &err), err);
}

static tl_compare_options options(const tl_method *methods, int n, const char *output)
{
    tl_compare_options o = tl_compare_defaults();
    o.methods = methods;
    o.n_methods = n;
    o.n_seeds = 2;
    o.output = output;
    o.command = "tailor compare";
    o.timed = 2;
    o.method = small_options();
    o.method.k = 2;
    return o;
}

static json_t *load(const char *dir, const char *file)
{
    tl_err err = { 0 };
    char path[500];
    json_t *o = NULL;
    CHECK_OK(tl_path_join(path, sizeof path, dir, file, &err), err);
    CHECK_OK(tl_json_load(&o, path, &err), err);
    return o;
}

/* Compare and report into the directory; the report, without what a clock or the kernel measured. */
static json_t *compared(small_task *s, const char *output, int n_seeds)
{
    static const char *const measured[] = { "train_seconds", "peak_bytes", "ms_per_request" };
    tl_err err = { 0 };
    tl_method methods[METHODS];
    tl_compared *c = NULL;
    parse_all(methods);
    tl_compare_options o = options(methods, METHODS, output);
    o.n_seeds = n_seeds;
    CHECK_OK(tl_compare(&c, &s->work, &o, &err), err);
    CHECK_OK(tl_report_write(tl_compared_report(c), output, &err), err);
    tl_compared_free(c);
    json_t *report = load(output, "report.json"), *m;
    size_t i;
    json_object_del(report, "seconds");
    json_object_del(report, "started");
    json_array_foreach(json_object_get(report, "methods"), i, m)
    {
        json_t *cost = json_object_get(m, "cost");
        for (int k = 0; k < 3; k++) {
            CHECK(json_is_number(json_object_get(cost, measured[k])));
            json_object_del(cost, measured[k]);
        }
    }
    return report;
}

static double number(const json_t *o, const char *a, const char *b, const char *c)
{
    const json_t *v = json_object_get(o, a);
    if (b) v = json_object_get(v, b);
    if (c) v = json_object_get(v, c);
    if (!json_is_number(v)) fail_msg("%s %s %s: no number", a, b ? b : "", c ? c : "");
    return json_number_value(v);
}

static void has(const json_t *o, const char *const *keys)
{
    for (; *keys; keys++)
        if (!json_object_get(o, *keys)) fail_msg("no %s", *keys);
}

static void check_method(const json_t *m, int i)
{
    static const char *const fields[] = { "name",  "metrics",     "metrics_raw", "confusion", "forgetting", "cost",
                                          "seeds", "seed_scores", "settings",    "curve",     NULL };
    bool tuned = i >= 2, few = i == 1 || i >= 4;
    has(m, fields);
    CHECK_STR(json_string_value(json_object_get(m, "name")), names[i]);
    CHECK_INT(json_array_size(json_object_get(m, "seeds")), i == 0 ? 1 : 3); /* zero-shot draws nothing */
    CHECK_INT(json_array_size(json_object_get(m, "seed_scores")), i == 0 ? 1 : 3);
    CHECK(number(m, "metrics", "accuracy", "n") == SMALL_TEST);
    CHECK(number(m, "metrics_raw", "macro_f1", "n") == SMALL_TEST);
    CHECK((json_array_size(json_object_get(m, "curve")) > 0) == tuned);
    CHECK((number(m, "cost", "trainable_parameters", NULL) > 0) == tuned);
    CHECK((number(m, "cost", "trained_tokens", NULL) > 0) == tuned);
    CHECK((number(m, "cost", "train_flops", NULL) > 0) == tuned);
    CHECK(number(m, "cost", "stored_bytes", NULL) > 0);
    CHECK(number(m, "cost", "prompt_tokens", NULL) > 0);
    CHECK(json_is_string(json_object_get(json_object_get(m, "settings"), "k")) == few);
    /* Prompting changes no weight, and the mean over three seeds adds no rounding. */
    const char *const parts[] = { "value", "low", "high" };
    for (int p = 0; p < 3; p++) {
        double change =
            json_number_value(json_object_get(json_object_get(json_object_get(m, "forgetting"), "change"), parts[p]));
        if (!tuned) CHECK(change == 0);
    }
    CHECK((number(m, "forgetting", "loss_before", NULL) == number(m, "forgetting", "loss_after", NULL)) == !tuned);
}

static void check_run(const small_task *s, const char *output, int i, int seed)
{
    static const char *const fields[] = { "method", "seed",    "task",        "base_sha256", "settings",
                                          "cost",   "metrics", "predictions", NULL };
    char dir[500];
    tl_err err = { 0 };
    tl_variant *v = NULL;
    snprintf(dir, sizeof dir, "%s/%s/seed-%d", output, names[i], seed);
    json_t *run = load(dir, "run.json");
    has(run, fields);
    CHECK_STR(json_string_value(json_object_get(run, "method")), names[i]);
    CHECK_INT(json_integer_value(json_object_get(run, "seed")), seed);
    CHECK_INT(json_array_size(json_object_get(run, "predictions")), SMALL_TEST);
    strcat(dir, "/variant");
    CHECK_OK(tl_variant_open(&v, s->base, dir, &err), err);
    tl_predictions p = small_predict(s, v);
    for (int k = 0; k < p.n; k++)
        CHECK_STR(s->task->labels[p.normalized[k]],
                  json_string_value(json_array_get(json_object_get(run, "predictions"), (size_t)k)));
    CHECK(fabs(number(run, "metrics", "accuracy", "value") - small_accuracy(s, &p)) < 1e-12);
    tl_predictions_reset(&p);
    tl_variant_free(v);
    json_decref(run);
}

TEST(six_methods_with_three_seeds_leave_a_report_and_runs_that_answer_as_they_say)
{
    static const char *const fields[] = { "task",    "base",    "methods", "comparisons", "general_text",
                                          "command", "version", "backend", "machine",     NULL };
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    char output[200];
    snprintf(output, sizeof output, "%s", scratch("runs"));
    json_t *report = compared(&s, output, 3), *methods = json_object_get(report, "methods");
    has(report, fields);
    CHECK_INT(json_array_size(methods), METHODS);
    CHECK_INT(json_array_size(json_object_get(report, "comparisons")), METHODS - 1);
    for (int i = 0; i < METHODS; i++) {
        check_method(json_array_get(methods, (size_t)i), i);
        for (int seed = 1; seed <= (i == 0 ? 1 : 3); seed++) check_run(&s, output, i, seed);
    }
    json_decref(report);
    small_end(&s);
}

TEST(the_same_comparison_again_gives_the_same_numbers)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    json_t *a = compared(&s, scratch("runs"), 1), *b = compared(&s, scratch("runs"), 1); /* over the first */
    CHECK(json_equal(a, b));
    CHECK_INT(json_array_size(json_object_get(json_array_get(json_object_get(a, "methods"), 3), "seeds")), 1);
    json_decref(a);
    json_decref(b);
    small_end(&s);
}

/* The best epoch and the number of examples are those of each seed, and long target lists are not cut. */
TEST(a_run_names_the_settings_it_had_itself)
{
    static const char targets[] = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";
    small_task s;
    tl_err err = { 0 };
    tl_method m;
    tl_compared *c = NULL;
    small_begin(&s, SMALL_LABELS, 1);
    CHECK_OK(tl_method_parse(&m, "lora", &err), err);
    tl_compare_options o = options(&m, 1, scratch("runs"));
    o.n_seeds = 6;
    o.method.epochs = 5;
    o.method.batch = 6;
    o.method.lora_lr = 3; /* so high that the best epoch is chance */
    o.method.schedule = TL_SCHEDULE_CONSTANT;
    o.method.lora_targets = targets;
    CHECK_OK(tl_compare(&c, &s.work, &o, &err), err);
    tl_compared_free(c);
    int other = 0;
    char first[20] = "";
    for (int seed = 1; seed <= 6; seed++) {
        char dir[300];
        tl_method_spent spent;
        snprintf(dir, sizeof dir, "%s/lora/seed-%d", o.output, seed);
        json_t *run = load(dir, "run.json"), *settings = json_object_get(run, "settings");
        const char *epoch = json_string_value(json_object_get(settings, "best_epoch"));
        CHECK_STR(json_string_value(json_object_get(settings, "targets")), targets);
        tl_variant *v = small_variant(&s, "lora", &o.method, (uint64_t)seed, &spent);
        CHECK_INT(atoi(epoch), spent.best_epoch);
        if (seed == 1) snprintf(first, sizeof first, "%s", epoch);
        other += strcmp(epoch, first) != 0;
        tl_variant_free(v);
        tl_method_spent_reset(&spent);
        json_decref(run);
    }
    CHECK(other > 0);
    small_end(&s);
}

TEST(texts_are_compared_by_rouge)
{
    small_task s;
    small_begin(&s, SMALL_TEXTS, 1);
    json_t *report = compared(&s, scratch("runs"), 1), *m;
    size_t i;
    json_array_foreach(json_object_get(report, "methods"), i, m)
    {
        CHECK(number(m, "metrics", "rouge1", "n") == SMALL_TEST);
        CHECK(json_is_null(json_object_get(m, "confusion")));
    }
    json_decref(report);
    json_t *run = load(scratch("runs/full/seed-1"), "run.json");
    CHECK_INT(json_array_size(json_object_get(run, "predictions")), SMALL_TEST);
    json_decref(run);
    small_end(&s);
}

TEST(without_a_general_text_forgetting_is_null_and_not_0)
{
    small_task s;
    tl_err err = { 0 };
    tl_method methods[METHODS];
    tl_compared *c = NULL;
    small_begin(&s, SMALL_LABELS, 1);
    CHECK_INT(remove(scratch("base/general.jsonl")), 0);
    parse_all(methods);
    tl_compare_options o = options(methods, 1, scratch("runs"));
    CHECK_OK(tl_compare(&c, &s.work, &o, &err), err);
    CHECK(isnan(tl_compared_report(c)->methods[0].forgetting.value));
    CHECK(isnan(tl_compared_report(c)->methods[0].loss_before));
    tl_compared_free(c);
    o.general = scratch("nowhere.jsonl"); /* but a file that was named must be there */
    CHECK_INT(tl_compare(&c, &s.work, &o, &err), TL_EIO);
    CHECK_HAS(err.text, "nowhere.jsonl");
    small_end(&s);
}

TEST(what_cannot_work_is_refused_before_anything_is_trained)
{
    small_task s;
    tl_err err = { 0 };
    tl_method methods[METHODS];
    tl_compared *c = NULL;
    small_begin(&s, SMALL_LABELS "metrics: [auroc]\n", 1);
    parse_all(methods);
    tl_compare_options o = options(methods, METHODS, scratch("runs"));
    CHECK_INT(tl_compare(&c, &s.work, &o, &err), TL_EUNSUPPORTED);
    CHECK_HAS(err.text, "metric 'auroc' is not known");
    CHECK(access(o.output, F_OK) != 0);
    small_end(&s);
}

/* The last test: a signal that was noted stays so. */
TEST(ctrl_c_ends_a_comparison_without_a_report)
{
    small_task s;
    tl_err err = { 0 };
    tl_method methods[METHODS];
    tl_compared *c = NULL;
    small_begin(&s, SMALL_LABELS, 1);
    parse_all(methods);
    tl_compare_options o = options(methods, METHODS, scratch("runs"));
    tl_interrupt_watch();
    raise(SIGINT);
    CHECK_INT(tl_compare(&c, &s.work, &o, &err), TL_EINTERRUPTED);
    CHECK(!c);
    CHECK(access(scratch("runs/report.json"), F_OK) != 0);
    small_end(&s);
}

RUN_TESTS(CASE(six_methods_with_three_seeds_leave_a_report_and_runs_that_answer_as_they_say),
          CASE(the_same_comparison_again_gives_the_same_numbers), CASE(a_run_names_the_settings_it_had_itself),
          CASE(texts_are_compared_by_rouge), CASE(without_a_general_text_forgetting_is_null_and_not_0),
          CASE(what_cannot_work_is_refused_before_anything_is_trained), CASE(ctrl_c_ends_a_comparison_without_a_report))
