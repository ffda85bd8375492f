/* calibration.c - one pass over the rows, one over the bins. */
#include "eval/calibration.h"

#include <float.h>
#include <math.h>
#include <string.h>

static int check_row(const double *p, int item, int truth, int K, tl_err *err)
{
    if (truth < 0 || truth >= K)
        return tl_fail(err, TL_EDATA, "calibration: the true label of item %d is %d, 0 to %d wanted", item, truth,
                       K - 1);
    double sum = 0;
    for (int k = 0; k < K; k++) {
        if (!(p[k] >= 0 && p[k] <= 1))
            return tl_fail(err, TL_ENUMERIC, "calibration: the probability of label %d of item %d is %g, 0 to 1 wanted",
                           k, item, p[k]);
        sum += p[k];
    }
    if (fabs(sum - 1) > 1e-3)
        return tl_fail(err, TL_ENUMERIC, "calibration: the probabilities of item %d sum to %g, 1 wanted", item, sum);
    return 0;
}

/* The b with b/B < confidence <= (b+1)/B; the quotients are compared as they round, so that
 * a confidence of 0.3 is in the third bin of ten. */
static int bin_of(double confidence, int B)
{
    int b = (int)(confidence * B);
    if (b >= B) b = B - 1;
    while (b > 0 && confidence <= (double)b / B) b--;
    while (b < B - 1 && confidence > (double)(b + 1) / B) b++;
    return b;
}

int tl_calibration_measure(tl_calibration *out, tl_bin *bins, int n_bins, const double *probabilities, const int *truth,
                           int n, int K, tl_err *err)
{
    if (n < 1) return tl_fail(err, TL_EDATA, "calibration: %d items, at least 1 wanted", n);
    if (n_bins < 1) return tl_fail(err, TL_EDATA, "calibration: %d bins, at least 1 wanted", n_bins);
    tl_calibration m = { 0 };
    memset(bins, 0, (size_t)n_bins * sizeof *bins);
    for (int i = 0; i < n; i++) {
        const double *p = probabilities + (size_t)i * (size_t)K;
        TL_TRY(check_row(p, i, truth[i], K, err));
        int answer = 0;
        for (int k = 0; k < K; k++) {
            double off = p[k] - (k == truth[i]);
            m.brier += off * off;
            if (p[k] > p[answer]) answer = k;
        }
        m.log_loss -= log(fmin(fmax(p[truth[i]], DBL_EPSILON), 1 - DBL_EPSILON));
        tl_bin *bin = &bins[bin_of(p[answer], n_bins)];
        bin->n++;
        bin->confidence += p[answer];
        bin->accuracy += answer == truth[i];
    }
    for (int b = 0; b < n_bins; b++) {
        if (bins[b].n == 0) continue;
        bins[b].confidence /= bins[b].n;
        bins[b].accuracy /= bins[b].n;
        m.ece += (double)bins[b].n / n * fabs(bins[b].accuracy - bins[b].confidence);
    }
    m.brier /= n;
    m.log_loss /= n;
    *out = m;
    return 0;
}
