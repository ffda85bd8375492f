/* score.c - from answers to named numbers. */
#include "eval/score.h"

#include "eval/metrics.h"
#include "eval/rouge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACCURACY,
    MACRO_F1,
    KAPPA,
    COST,
    ROUGE1,
    ROUGE2,
    ROUGE_L,
    ROUGE_LSUM,
    EXACT,
    METRICS,
    TEXT_METRICS = METRICS - ROUGE1
};
static const tl_metric table[METRICS] = {
    [ACCURACY] = { "accuracy", TL_TASK_CLASSIFICATION, .share = true },
    [MACRO_F1] = { "macro_f1", TL_TASK_CLASSIFICATION, .share = true },
    [KAPPA] = { "kappa", TL_TASK_CLASSIFICATION, .share = false }, /* below 0 where chance agrees more */
    [COST] = { "cost", TL_TASK_CLASSIFICATION, .lower_is_better = true },
    [ROUGE1] = { "rouge1", TL_TASK_GENERATION, .share = true },
    [ROUGE2] = { "rouge2", TL_TASK_GENERATION, .share = true },
    [ROUGE_L] = { "rougeL", TL_TASK_GENERATION, .share = true },
    [ROUGE_LSUM] = { "rougeLsum", TL_TASK_GENERATION, .share = true },
    [EXACT] = { "exact_match", TL_TASK_GENERATION, .share = true },
};

typedef struct scoring {
    const tl_task *t;
    const tl_examples *split;
    const tl_predictions *const *seeds;
    int n_seeds, n;
    bool raw;
    int *truth;      /* owned */
    tl_confusion *c; /* owned: scratch of the statistics */
    tl_bootstrap how;
} scoring;

static const int *predicted(const scoring *s, int seed)
{
    return s->raw ? s->seeds[seed]->raw : s->seeds[seed]->normalized;
}

static int put(tl_scored *out, int metric, tl_interval value)
{
    out->metrics[out->n_metrics].metric = &table[metric];
    out->metrics[out->n_metrics++].value = value;
    return 0;
}

/* The interval of a mean of items; of plain right or wrong by one seed, that of a share. */
static int put_mean(tl_scored *out, const scoring *s, int metric, const double *items, bool right_or_wrong, tl_err *err)
{
    tl_interval v;
    int right = 0;
    for (int i = 0; i < s->n; i++) right += items[i] > 0.5;
    if (right_or_wrong && s->n_seeds == 1)
        TL_TRY(tl_interval_share(&v, right, s->n, err));
    else
        TL_TRY(tl_interval_mean(&v, items, s->n, &s->how, err));
    return put(out, metric, v);
}

static int macro_f1(double *out, const int *items, int n, void *context, tl_err *err)
{
    scoring *s = context;
    *out = 0;
    for (int k = 0; k < s->n_seeds; k++) {
        TL_TRY(tl_confusion_count(s->c, s->truth, predicted(s, k), items, n, err));
        *out += tl_confusion_macro_f1(s->c) / s->n_seeds;
    }
    return 0;
}

static int kappa(double *out, const int *items, int n, void *context, tl_err *err)
{
    scoring *s = context;
    *out = 0;
    for (int k = 0; k < s->n_seeds; k++) {
        double one;
        TL_TRY(tl_confusion_count(s->c, s->truth, predicted(s, k), items, n, err));
        TL_TRY(tl_confusion_kappa(&one, s->c, err));
        *out += one / s->n_seeds;
    }
    return 0;
}

static int put_statistic(tl_scored *out, scoring *s, int metric, tl_statistic_fn *f, tl_err *err)
{
    tl_interval v;
    TL_TRY(tl_interval_statistic(&v, f, s, s->n, &s->how, err));
    return put(out, metric, v);
}

static int put_cost(tl_scored *out, scoring *s, tl_err *err)
{
    double *items = calloc((size_t)s->n, sizeof *items);
    if (!items) return tl_fail(err, TL_ENOMEM, "metrics: no memory for %d items", s->n);
    for (int k = 0; k < s->n_seeds; k++)
        for (int i = 0; i < s->n; i++)
            items[i] += tl_cost_of(s->t->costs, s->t->n_labels, s->truth[i], predicted(s, k)[i]) / s->n_seeds;
    int rc = put_mean(out, s, COST, items, false, err);
    free(items);
    return rc;
}

/* Its place in the table; -1 where there is none of that name for such a task. */
static int find_metric(const tl_task *t, const char *name)
{
    for (int m = 0; m < METRICS; m++)
        if (table[m].kind == t->kind && strcmp(table[m].name, name) == 0) return m;
    return -1;
}

/* "accuracy, macro_f1, kappa, cost" */
static const char *list_metrics(char out[200], tl_task_kind kind)
{
    size_t used = 0;
    for (int m = 0; m < METRICS; m++)
        if (table[m].kind == kind)
            used += (size_t)snprintf(out + used, 200 - used, "%s%s", used ? ", " : "", table[m].name);
    return out;
}

static int score_labels(tl_scored *out, scoring *s, tl_err *err)
{
    int K = s->t->n_labels;
    for (int i = 0; i < s->n; i++) s->truth[i] = s->split->items[i].label;
    for (int k = 0; k < s->n_seeds; k++) {
        TL_TRY(tl_confusion_count(s->c, s->truth, predicted(s, k), NULL, s->n, err));
        out->per_seed[k] = tl_confusion_accuracy(s->c);
        for (int i = 0; i < s->n; i++) out->items[i] += (s->truth[i] == predicted(s, k)[i]) / (double)s->n_seeds;
        for (int a = 0; a < K; a++)
            for (int b = 0; b < K; b++) out->confusion[a * K + b] += tl_confusion_at(s->c, a, b) / (double)s->n_seeds;
    }
    TL_TRY(put_mean(out, s, ACCURACY, out->items, true, err));
    TL_TRY(put_statistic(out, s, MACRO_F1, macro_f1, err));
    for (int i = 0; i < s->t->n_metrics; i++) {
        int m = find_metric(s->t, s->t->metrics[i]);
        if (m == KAPPA) TL_TRY(put_statistic(out, s, KAPPA, kappa, err));
        if (m == COST) TL_TRY(put_cost(out, s, err));
    }
    return 0;
}

static int measure_texts(double *by_metric, const scoring *s, tl_err *err)
{
    for (int k = 0; k < s->n_seeds; k++) {
        for (int i = 0; i < s->n; i++) {
            tl_rouge r;
            const char *truth = s->split->items[i].answer, *text = s->seeds[k]->texts[i];
            TL_TRY(tl_rouge_measure(&r, truth, text, err));
            double v[TEXT_METRICS] = { r.one.f, r.two.f, r.l.f, r.lsum.f, tl_text_same(truth, text) };
            for (int m = 0; m < TEXT_METRICS; m++) by_metric[m * s->n + i] += v[m] / s->n_seeds;
        }
    }
    return 0;
}

static int score_texts(tl_scored *out, scoring *s, tl_err *err)
{
    double *by_metric = calloc((size_t)TEXT_METRICS * (size_t)s->n, sizeof *by_metric);
    if (!by_metric) return tl_fail(err, TL_ENOMEM, "metrics: no memory for %d items", s->n);
    int rc = measure_texts(by_metric, s, err);
    for (int m = 0; rc == 0 && m < TEXT_METRICS; m++)
        rc = put_mean(out, s, ROUGE1 + m, by_metric + m * s->n, ROUGE1 + m == EXACT, err);
    memcpy(out->items, by_metric, (size_t)s->n * sizeof *out->items);
    free(by_metric);
    for (int k = 0; rc == 0 && k < s->n_seeds; k++) {
        for (int i = 0; rc == 0 && i < s->n; i++) {
            tl_rouge r;
            rc = tl_rouge_measure(&r, s->split->items[i].answer, s->seeds[k]->texts[i], err);
            if (rc == 0) out->per_seed[k] += r.one.f / s->n;
        }
    }
    return rc;
}

int tl_score_check(const tl_task *t, tl_err *err)
{
    for (int i = 0; i < t->n_metrics; i++) {
        int m = find_metric(t, t->metrics[i]);
        if (m < 0) {
            char known[200];
            return tl_fail(err, TL_EUNSUPPORTED, "%s: metric '%s' is not known for %s; %s are", t->name, t->metrics[i],
                           t->kind == TL_TASK_CLASSIFICATION ? "labels" : "texts", list_metrics(known, t->kind));
        }
        if (m == COST && !t->costs)
            return tl_fail(err, TL_EDATA, "%s: the metric cost wants costs in task.yaml", t->name);
    }
    return 0;
}

int tl_score(tl_scored *out, const tl_task *t, const tl_examples *split, const tl_predictions *const *seeds,
             int n_seeds, bool raw, uint64_t seed, tl_err *err)
{
    bool labels = t->kind == TL_TASK_CLASSIFICATION;
    size_t n = (size_t)split->n;
    scoring s = { .t = t,
                  .split = split,
                  .seeds = seeds,
                  .n_seeds = n_seeds,
                  .n = split->n,
                  .raw = raw,
                  .how = tl_bootstrap_defaults(seed) };
    *out = (tl_scored){ 0 };
    TL_TRY(tl_score_check(t, err));
    out->n = split->n, out->n_seeds = n_seeds;
    out->items = calloc(n, sizeof *out->items);
    out->per_seed = calloc((size_t)n_seeds, sizeof *out->per_seed);
    out->confusion = labels ? calloc((size_t)t->n_labels * (size_t)t->n_labels, sizeof *out->confusion) : NULL;
    s.truth = calloc(n, sizeof *s.truth);
    int rc = out->items && out->per_seed && s.truth && (!labels || out->confusion)
                 ? 0
                 : tl_fail(err, TL_ENOMEM, "metrics: no memory for %d items", split->n);
    if (rc == 0 && labels) rc = tl_confusion_create(&s.c, t->n_labels, err);
    if (rc == 0) rc = labels ? score_labels(out, &s, err) : score_texts(out, &s, err);
    tl_confusion_free(s.c);
    free(s.truth);
    if (rc < 0) tl_scored_reset(out);
    return rc;
}

void tl_scored_reset(tl_scored *s)
{
    free(s->items);
    free(s->per_seed);
    free(s->confusion);
    *s = (tl_scored){ 0 };
}
