/* calibration.h - whether a model that says 80 % is right four times in five.
 *
 *     tl_bin bins[10];
 *     TL_TRY(tl_calibration_measure(&m, bins, 10, probabilities, truth, n, K, err));
 *     ... m.ece, m.brier, bins[9].accuracy against bins[9].confidence ...
 *
 * probabilities[n,K] are rows that sum to 1.  The answer to item i is its likeliest
 * label (of equals, the first), the confidence its probability.  Answers are sorted
 * by confidence into equal-width bins; bin b of B holds b/B < confidence <= (b+1)/B
 * (the first also 0). */
#ifndef TL_EVAL_CALIBRATION_H
#define TL_EVAL_CALIBRATION_H

#include "base/err.h"

typedef struct tl_bin {
    int n;             /* answers in it; what follows is 0 where there are none */
    double confidence; /* their mean confidence */
    double accuracy;   /* the share of them that is right */
} tl_bin;

typedef struct tl_calibration {
    double ece;      /* expected calibration error: sum over bins of n_b / n |accuracy - confidence|
                      * (Guo et al. 2017); it depends on the number of bins, so name it beside it */
    double brier;    /* mean over items of sum_k (p_k - [k is true])^2, 0 to 2 (Brier 1950) */
    double log_loss; /* mean of -ln p(truth), p not below 2^-52, as scikit-learn has it for doubles */
} tl_calibration;

/* Measure and fill bins[n_bins].  truth[i] is in 0..K-1.  n = 0, n_bins < 1 or a label outside is
 * TL_EDATA; a probability outside 0..1, or a row whose sum is off 1 by more than 0.001, TL_ENUMERIC. */
int tl_calibration_measure(tl_calibration *out, tl_bin *bins, int n_bins, const double *probabilities, const int *truth,
                           int n, int K, tl_err *err);

#endif
