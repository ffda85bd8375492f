/* interval.h - how sure a number is, and whether two methods differ.
 *
 *     tl_bootstrap how = tl_bootstrap_defaults(seed);
 *     TL_TRY(tl_interval_mean(&f, rouge_l, n, &how, err));              0.412 [0.388, 0.437] n=500
 *     TL_TRY(tl_interval_difference(&d, lora, prompt, n, &how, err));   the gain and its interval
 *     TL_TRY(tl_paired_permutation(&t, lora, prompt, n, &how, err));    t.p
 *
 * Which to take:
 *   a share of items (accuracy, a rate)      tl_interval_share: honest also at 0 of n
 *   a mean of scores (ROUGE, cost)           tl_interval_mean
 *   anything else (macro-F1, kappa)          tl_interval_statistic
 *   two methods, right or wrong              tl_paired_mcnemar
 *   two methods, means of scores             tl_interval_difference, tl_paired_permutation
 *   two methods, anything else               tl_interval_statistic, of the difference;
 *                                            tl_paired_statistic
 *
 * All intervals are for 95 %.  "Paired" means that both methods answered the same
 * items, a[i] and b[i] being about the same one.  n = 0 is TL_EDATA everywhere, a score
 * that is not finite TL_ENUMERIC: no result is NaN.  The same seed, n and number of
 * resamples give the same bits, and the same resamples for every statistic. */
#ifndef TL_EVAL_INTERVAL_H
#define TL_EVAL_INTERVAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct tl_interval {
    double value, low, high; /* low <= high; value is that of the items as they are */
    int n;                   /* items */
} tl_interval;

typedef struct tl_bootstrap {
    int resamples; /* 100 to 1000000 */
    uint64_t seed;
} tl_bootstrap;

/* 2000 resamples: from seed to seed the ends then spread (one standard deviation) by 1.5 % of the width. */
tl_bootstrap tl_bootstrap_defaults(uint64_t seed);

/* right of n: Wilson's score interval (Wilson 1927).  Unlike the bootstrap's it has
 * a width when all or none are right, and on few items. */
int tl_interval_share(tl_interval *out, int right, int n, tl_err *err);

/* The mean of scores, by the percentile bootstrap (Efron 1979): draw n items with
 * replacement, take the mean, again and again; the interval is what the middle 95 %
 * of these means span.  Of normal scores it holds the truth in 94 % of cases at n = 100, 93 % at 30,
 * 90 % at 10, and it has no width where all scores are the same or n is 1: print n. */
int tl_interval_mean(tl_interval *out, const double *scores, int n, const tl_bootstrap *how, tl_err *err);

/* A statistic of chosen items: *out from items[0..n-1], indices with repeats.
 * TL_ENUMERIC says that it is undefined on these items. */
typedef int tl_statistic_fn(double *out, const int *items, int n, void *context, tl_err *err);

/* Any statistic by the same bootstrap.  Resamples on which it is undefined are left out;
 * more than one in twenty of them is TL_ENUMERIC, since the rest would then be a
 * selection.  Every other failure of the statistic is passed up. */
int tl_interval_statistic(tl_interval *out, tl_statistic_fn *statistic, void *context, int n, const tl_bootstrap *how,
                          tl_err *err);

/* The paired bootstrap: the mean of a[i] - b[i]. */
int tl_interval_difference(tl_interval *out, const double *a, const double *b, int n, const tl_bootstrap *how,
                           tl_err *err);

/* A paired test's result: p is the probability of a difference at least this large, in
 * either direction, were the two methods equal. */
typedef struct tl_paired {
    double difference; /* a's value - b's value */
    double p;          /* in (0, 1]; never 0, be it ever so small */
    int only_a;        /* items on which a is the better one */
    int only_b;        /* items on which b is */
    bool exact;        /* p is computed, not drawn */
} tl_paired;

/* McNemar's test in its exact form (1947): of the items on which just one method is right, the
 * number that is a's is binomial with 1/2.  p = min(1, 2 P(X <= min(only_a, only_b))); 1
 * where the methods never differ.  difference is that of the accuracies. */
int tl_paired_mcnemar(tl_paired *out, const bool *a_right, const bool *b_right, int n, tl_err *err);

/* The sign-flip permutation test (Fisher 1935) of the mean difference: were the methods
 * equal, each a[i] - b[i] would as likely have the other sign.  Up to 16 items that differ,
 * all assignments are counted; beyond, how->resamples are drawn and
 * p = (1 + as extreme) / (1 + drawn), which is never 0 (Phipson and Smyth 2010). */
int tl_paired_permutation(tl_paired *out, const double *a, const double *b, int n, const tl_bootstrap *how,
                          tl_err *err);

/* a's statistic - b's statistic when the answers of the items with swap[i] are exchanged
 * between the methods. */
typedef int tl_swapped_fn(double *out, const bool *swap, int n, void *context, tl_err *err);

/* The same idea for any statistic, always drawn: approximate randomization (Noreen 1989).
 * only_a and only_b are 0 here; a failure of the statistic is passed up. */
int tl_paired_statistic(tl_paired *out, tl_swapped_fn *statistic, void *context, int n, const tl_bootstrap *how,
                        tl_err *err);

/* The q-quantile, 0 <= q <= 1, of n >= 1 values in rising order, linear between
 * neighbours: numpy.quantile's default. */
double tl_quantile(const double *sorted, int n, double q);

#endif
