/* cmd_eval.c - a base or a variant on one split of a task. */
#include "cmd/methods.h"
#include "eval/score.h"
#include "report/compare.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *variant, *split;
    int timed;
    bool raw, json;
} o = { .split = "test", .timed = 16 };

static const tl_option rows[] = {
    TL_WORK_ROWS,
    { "variant", 's', &o.variant, "DIR", "what to evaluate; without it the base, zero-shot" },
    { "split", 's', &o.split, "NAME", "train, validation or test" },
    { "raw", 'b', &o.raw, NULL, "raw label scores instead of length-normalized ones" },
    { "timed", 'i', &o.timed, "N", "requests timed one by one" },
    { "json", 'b', &o.json, NULL, "write JSON" },
    { 0 },
};

static int find_split(tl_split *out, tl_err *err)
{
    for (int i = 0; i < TL_SPLIT_COUNT; i++) {
        if (strcmp(o.split, tl_split_name((tl_split)i)) != 0) continue;
        *out = (tl_split)i;
        return 0;
    }
    return tl_fail(err, TL_EUSAGE, "--split '%s': train, validation and test are known", o.split);
}

static void print_text(const tl_variant *v, const tl_scored *s, const tl_predictions *p)
{
    printf("%s on %s:\n", v->method, o.split);
    for (int i = 0; i < s->n_metrics; i++)
        printf("  %-12s %.4f [%.4f, %.4f] n=%d\n", s->metrics[i].metric->name, s->metrics[i].value.value,
               s->metrics[i].value.low, s->metrics[i].value.high, s->metrics[i].value.n);
    printf("  %-12s %.1f\n", "prompt tokens", p->prompt_tokens);
    if (!isnan(p->ms_per_request)) printf("  %-12s %.2f\n", "ms/request", p->ms_per_request);
}

static int print_json(const tl_variant *v, const tl_scored *s, const tl_predictions *p, const tl_task *t, tl_err *err)
{
    json_t *metrics = json_object(), *answers = json_array();
    for (int i = 0; i < s->n_metrics; i++)
        json_object_set_new(metrics, s->metrics[i].metric->name,
                            json_pack("{s:f, s:f, s:f, s:i}", "value", s->metrics[i].value.value, "low",
                                      s->metrics[i].value.low, "high", s->metrics[i].value.high, "n",
                                      s->metrics[i].value.n));
    for (int i = 0; i < p->n; i++)
        json_array_append_new(answers,
                              json_string(p->texts ? p->texts[i] : t->labels[o.raw ? p->raw[i] : p->normalized[i]]));
    json_t *all = json_pack("{s:s, s:s, s:o, s:o, s:f}", "method", v->method, "split", o.split, "metrics", metrics,
                            "predictions", answers, "prompt_tokens", p->prompt_tokens);
    if (!all) return tl_fail(err, TL_ENOMEM, "eval: no memory for its JSON");
    if (!isnan(p->ms_per_request)) json_object_set_new(all, "ms_per_request", json_real(p->ms_per_request));
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return 0;
}

static int evaluate(const tl_working *w, const tl_variant *v, tl_split split, tl_err *err)
{
    tl_evaluated e;
    tl_scored s = { 0 };
    const tl_examples *examples = tl_task_split(w->task, split);
    TL_TRY(tl_evaluate(&e, &w->work, v, examples, NULL, o.timed, "eval", err));
    const tl_predictions *list[] = { &e.predictions };
    int rc = tl_score(&s, w->task, examples, list, 1, o.raw, 1, err);
    if (rc == 0 && o.json) rc = print_json(v, &s, &e.predictions, w->task, err);
    if (rc == 0 && !o.json) print_text(v, &s, &e.predictions);
    tl_scored_reset(&s);
    tl_evaluated_reset(&e);
    return rc;
}

static int run_eval(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    tl_working w;
    tl_split split = TL_SPLIT_TEST;
    tl_variant *v = NULL;
    TL_TRY(tl_options_parse(&tl_cmd_eval, rows, argc, argv, 1, &p, err));
    if (p.help) return 0;
    if (o.timed < 0) return tl_fail(err, TL_EUSAGE, "--timed %d: 0 or more is wanted", o.timed);
    TL_TRY(find_split(&split, err));
    TL_TRY(tl_working_open(&w, p.items[0], err));
    int rc;
    if (o.variant) {
        rc = tl_variant_open(&v, w.work.base, o.variant, err);
    } else {
        tl_method zero;
        tl_method_spent spent = { 0 };
        rc = tl_method_parse(&zero, "zero-shot", err);
        if (rc == 0) rc = tl_method_run(&v, &zero, &w.work, &tl_flags.o, 1, &spent, err);
        tl_method_spent_reset(&spent);
    }
    if (rc == 0) rc = evaluate(&w, v, split, err);
    tl_variant_free(v);
    tl_working_close(&w);
    return rc;
}

const tl_command tl_cmd_eval = { "eval", "a base or a variant on one split of a task",
                                 "TASK [--variant DIR] [--model DIR] [--split NAME]", run_eval };
