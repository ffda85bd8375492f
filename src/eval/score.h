/* score.h - a task's metrics over the answers of one or several seeds, each with its interval.
 *
 * Every seed answered the same items.  The value is the mean over seeds; the interval speaks of other items of the same
 * kind: items are drawn anew, each with its answers of all seeds. */
#ifndef TL_EVAL_SCORE_H
#define TL_EVAL_SCORE_H

#include "eval/interval.h"
#include "eval/predict.h"
#include "task/task.h"

enum {
    TL_SCORES_MAX = 16
};

/* A metric, as the table in score.c has it. */
typedef struct tl_metric {
    const char *name;
    tl_task_kind kind;    /* of the tasks it is for */
    bool lower_is_better; /* a cost, where for all others more is better */
    bool share;           /* lies in 0..1 on any task */
} tl_metric;

typedef struct tl_scored {
    struct {
        const tl_metric *metric; /* static */
        tl_interval value;
    } metrics[TL_SCORES_MAX];
    int n_metrics;
    double *items;     /* owned: [n] accuracy (or ROUGE-1 F) of each item, mean over seeds: for paired tests */
    double *per_seed;  /* owned: [n_seeds] mean of it over the items */
    double *confusion; /* owned: [n_labels, n_labels] mean over seeds; NULL for generation */
    int n, n_seeds;
} tl_scored;

/* The metrics: accuracy and macro_f1, or rouge1, rouge2, rougeL, rougeLsum and exact_match; then what task.yaml asks
 * for besides (kappa, cost).  raw takes the raw label scores.  An unknown metric is an error that lists the known. */
int tl_score_check(const tl_task *t, tl_err *err); /* only that the task's metrics are known: before a long run */
int tl_score(tl_scored *out, const tl_task *t, const tl_examples *split, const tl_predictions *const *seeds,
             int n_seeds, bool raw, uint64_t seed, tl_err *err);
void tl_scored_reset(tl_scored *s);

#endif
