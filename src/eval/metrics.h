/* metrics.h - how good answers are: labels counted, ordered, weighed; texts compared.
 *
 *     TL_TRY(tl_confusion_create(&c, n_labels, err));
 *     TL_TRY(tl_confusion_count(c, truth, predicted, NULL, n, err));
 *     double f1 = tl_confusion_macro_f1(c);
 *     tl_confusion_free(c);
 *
 * A label is its place 0..K-1 in the task's list; a prediction may also be
 * TL_NO_ANSWER, for an output in which no label could be read.  That is never
 * left out: it is wrong for accuracy and F1, and where a measure needs a place
 * for it on a scale, it takes the worst one (each function says which).
 *
 * Every measure of labels follows from the confusion matrix, so one count gives
 * all of them, and recounting chosen items (a bootstrap's resample) takes no
 * memory.  No measure is ever NaN: what is undefined is an error. */
#ifndef TL_EVAL_METRICS_H
#define TL_EVAL_METRICS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TL_NO_ANSWER = -1
};

/* Rows are the truth, columns the prediction; the last column is "no answer". */
typedef struct tl_confusion {
    int n_labels; /* K */
    int n;        /* items counted; 0 until tl_confusion_count succeeds */
    int *counts;  /* owned, [K, K+1] */
} tl_confusion;

/* An empty matrix for K >= 1 labels. */
int tl_confusion_create(tl_confusion **out, int n_labels, tl_err *err);
void tl_confusion_free(tl_confusion *c);

/* Forget what was counted and count truth[items[i]] against predicted[items[i]]
 * for i < n; items NULL means 0..n-1.  An item may stand there twice.  n = 0 and a
 * label outside the list are TL_EDATA.  The functions below want this to have
 * succeeded. */
int tl_confusion_count(tl_confusion *c, const int *truth, const int *predicted, const int *items, int n, tl_err *err);

static inline int tl_confusion_at(const tl_confusion *c, int truth, int predicted)
{
    size_t K = (size_t)c->n_labels, column = predicted == TL_NO_ANSWER ? K : (size_t)predicted;
    return c->counts[(size_t)truth * (K + 1) + column];
}

/* The share of items whose label is right. */
double tl_confusion_accuracy(const tl_confusion *c);

/* The share of items that got no answer. */
double tl_confusion_unanswered(const tl_confusion *c);

typedef struct tl_class_score {
    double precision; /* right / predicted, 0 where nothing was predicted */
    double recall;    /* right / support, 0 where there is no such item */
    double f1;        /* 2 right / (predicted + support), 0 where both are 0 */
    int support;      /* items that have this label */
    int predicted;    /* items that were given it */
} tl_class_score;

tl_class_score tl_confusion_class(const tl_confusion *c, int label);

/* The mean of f1 over all K labels of the task, also those that no item has:
 * scikit-learn's f1_score(average="macro", labels=all K, zero_division=0).  So the
 * number means the same on every split and resample of a task; on a split that
 * lacks a label it is lower than scikit-learn's default of labels present. */
double tl_confusion_macro_f1(const tl_confusion *c);

/* Cohen's kappa with quadratic weights, for ordered labels: 1 - (sum w O) / (sum w E),
 * w = (i - j)^2, O counted, E expected from the margins (Cohen 1968).  No answer counts
 * as the label furthest from the truth, of two equally far the last.  Truth and
 * predictions all being one and the same label leaves it undefined: TL_ENUMERIC. */
int tl_confusion_kappa(double *out, const tl_confusion *c, tl_err *err);

/* The mean cost of an item: cost[K,K], row truth, column prediction, finite and not
 * negative (else TL_EDATA).  No answer costs what the dearest answer of its row does. */
int tl_confusion_cost(double *out, const tl_confusion *c, const double *cost, tl_err *err);

/* The cost of one item by the same rule, for intervals and paired tests; takes cost as checked. */
double tl_cost_of(const double *cost, int n_labels, int truth, int predicted);

/* For labels ordered from the most urgent to the least: shares of all items, which sum to 1. */
typedef struct tl_triage {
    double exact;
    double under;      /* judged less urgent than it is: the dangerous side */
    double over;       /* judged more urgent than it is: the expensive side */
    double unanswered; /* not judged at all */
} tl_triage;

tl_triage tl_confusion_triage(const tl_confusion *c);

/* Whether two texts are the same bytes once ASCII white space at both ends is cut. */
bool tl_text_same(const char *a, const char *b);

/* The share of i < n with tl_text_same(truth[i], predicted[i]); n = 0 is TL_EDATA. */
int tl_exact_match(double *out, const char *const *truth, const char *const *predicted, int n, tl_err *err);

#endif
