/* report.h - several methods on one task, side by side: a table, report.json, report.html.
 *
 *     tl_report r = { .task = ..., .methods = results, .n_methods = 5 };
 *     tl_report_table(&r, stdout, width);
 *     TL_TRY(tl_report_write(&r, "runs/7", err));       report.json and report.html
 *
 * A report only shows what was measured.  It computes nothing but layout; every number comes with its interval and n.
 * Where a number was not measured the field is NAN (or -1 for counts) and the report shows a dash. */
#ifndef TL_REPORT_REPORT_H
#define TL_REPORT_REPORT_H

#include "base/err.h"
#include "base/hash.h"
#include "eval/interval.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct tl_named_interval {
    const char *name; /* borrowed, as all strings here: "accuracy", "macro_f1", "rouge1", ... */
    tl_interval value;
    bool lower_is_better; /* a cost */
    bool share;           /* lies in 0..1 on any task */
} tl_named_interval;

typedef struct tl_setting {
    const char *name, *value; /* "k" "8", "learning_rate" "0.002", "r" "8", ... */
} tl_setting;

typedef struct tl_curve_point {
    long step;
    double loss;       /* mean over the step's trained tokens */
    double validation; /* NAN where it was not measured at this step */
} tl_curve_point;

typedef struct tl_method_cost {
    double trainable_parameters, trained_tokens; /* 0 for prompting */
    double train_seconds, train_flops;
    double peak_bytes;    /* of the process while this method ran */
    double stored_bytes;  /* what has to be kept for this task besides the base */
    double prompt_tokens; /* per request, mean */
    double ms_per_request;
} tl_method_cost;

typedef struct tl_method_result {
    const char *name; /* "few-shot", "lora", "lora+few-shot" */
    const tl_named_interval *metrics;
    int n_metrics;
    /* The same with raw instead of length-normalized label scores; may be empty. */
    const tl_named_interval *metrics_raw;
    int n_metrics_raw;
    /* [n_labels * n_labels] row truth, column prediction; NULL for generation; mean over seeds. */
    const double *confusion;
    double loss_before, loss_after; /* on the general text, mean nats a token; equal for prompting */
    tl_interval forgetting;         /* after - before, over the text's windows */
    tl_method_cost cost;
    const uint64_t *seeds;
    const double *seed_scores; /* the first metric of each seed */
    int n_seeds;
    const tl_setting *settings;
    int n_settings;
    const tl_curve_point *curve; /* of the first seed; may be empty */
    int n_curve;
} tl_method_result;

/* Two methods on the same test items: difference of the first metric, a - b. */
typedef struct tl_comparison {
    const char *a, *b;
    tl_interval difference;
    double p;
    const char *test; /* "exact McNemar", "paired permutation", ... */
} tl_comparison;

typedef struct tl_report {
    const char *task_name, *task_kind, *task_description, *task_provenance;
    int n_train, n_validation, n_test;
    tl_hash train_hash, validation_hash, test_hash;
    const char *const *labels;
    int n_labels;
    const char *base_name, *base_type; /* "tailor-base", "llama" */
    tl_hash base_hash;
    double base_parameters, base_bytes;
    const char *general_name; /* the text forgetting was measured on */
    tl_hash general_hash;
    const char *command, *version, *backend, *machine; /* machine: CPU model and threads */
    const char *started;                               /* ISO 8601, UTC */
    double seconds;
    const tl_method_result *methods;
    int n_methods;
    const tl_comparison *comparisons;
    int n_comparisons;
} tl_report;

/* The table on a terminal of this width (columns drop out, least important first, below about 100). */
int tl_report_table(const tl_report *r, FILE *out, int width);

/* report.json and report.html in the directory dir, each whole or not at all. */
int tl_report_write(const tl_report *r, const char *dir, tl_err *err);

/* Take away what tl_report_write left in dir, if anything: the runs it speaks of are about to change. */
int tl_report_remove(const char *dir, tl_err *err);

#endif
