/* compare.h - the bake-off: several methods, each with several seeds, on one base, task and evaluation.
 *
 *     tl_compare_options o = tl_compare_defaults();
 *     o.methods = methods, o.n_methods = 3, o.output = "runs/triage";
 *     TL_TRY(tl_compare(&c, &work, &o, err));
 *     tl_report_table(tl_compared_report(c), stdout, 100);
 *     tl_compared_free(c);
 *
 * Every method and seed is a run of its own: OUTPUT/METHOD/seed-S/ holds its variant and, written last, run.json with
 * settings, cost, metrics and predictions.  What an earlier comparison left there is replaced: its report is taken away
 * before the first run, a run's run.json before that run, so that neither outlives what it describes. */
#ifndef TL_REPORT_COMPARE_H
#define TL_REPORT_COMPARE_H

#include "eval/forgetting.h"
#include "eval/predict.h"
#include "method/method.h"
#include "report/report.h"

typedef struct tl_compare_options {
    const tl_method *methods;
    int n_methods;
    int n_seeds; /* of each method that draws anything; zero-shot draws nothing and runs once */
    uint64_t first_seed;
    const char *output;  /* directory */
    const char *general; /* the general text; NULL: BASE/general.jsonl */
    const char *command; /* as typed, for the report */
    int timed;           /* requests timed one by one */
    tl_method_options method;
} tl_compare_options;

/* 3 seeds from 1, 32 timed requests. */
tl_compare_options tl_compare_defaults(void);

typedef struct tl_compared tl_compared;

int tl_compare(tl_compared **out, const tl_work *w, const tl_compare_options *o, tl_err *err);
const tl_report *tl_compared_report(const tl_compared *c); /* borrowed from c and from what compare was given */
void tl_compared_free(tl_compared *c);

/* One variant on one split, as compare evaluates it. */
typedef struct tl_evaluated {
    tl_predictions predictions;
    double *general_loss; /* owned: [documents]; NULL without a general text */
} tl_evaluated;

int tl_evaluate(tl_evaluated *out, const tl_work *w, const tl_variant *v, const tl_examples *split,
                const tl_general *general, int timed, const char *name, tl_err *err);
void tl_evaluated_reset(tl_evaluated *e);

/* "Intel ... / AMD ..., 2 threads" into out. */
void tl_machine_name(char *out, size_t size, int threads);

#endif
