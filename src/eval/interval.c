/* interval.c - the bootstrap, Wilson's interval, and three paired tests.
 *
 * Each use of chance has a stream of its own, seeded by the caller: resampling and
 * swapping never share draws, and the resamples of two statistics over the same n
 * items are the same resamples. */
#include "eval/interval.h"

#include "base/rng.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum {
    STREAM_RESAMPLE = 0xe7a10001,
    STREAM_SWAP = 0xe7a10002
};
enum {
    EXACT_FLIPS = 16
};                                              /* 2^16 assignments are counted in a blink */
static const double z95 = 1.959963984540054235; /* the normal's 97.5 % quantile */

tl_bootstrap tl_bootstrap_defaults(uint64_t seed)
{
    return (tl_bootstrap){ .resamples = 2000, .seed = seed };
}

static int check(const char *what, int n, const tl_bootstrap *how, tl_err *err)
{
    if (n < 1) return tl_fail(err, TL_EDATA, "%s: %d items, at least 1 wanted", what, n);
    if (how && (how->resamples < 100 || how->resamples > 1000000))
        return tl_fail(err, TL_EUSAGE, "%s: %d resamples, 100 to 1000000 wanted", what, how->resamples);
    return 0;
}

static int check_finite(const char *what, const double *x, int n, tl_err *err)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i])) return tl_fail(err, TL_ENUMERIC, "%s: the score of item %d is %g", what, i, x[i]);
    return 0;
}

static int check_value(const char *what, double x, tl_err *err)
{
    return isfinite(x) ? 0 : tl_fail(err, TL_ENUMERIC, "%s: the value measured is %g, a finite number wanted", what, x);
}

double tl_quantile(const double *sorted, int n, double q)
{
    assert(n > 0 && q >= 0 && q <= 1);
    double at = q * (n - 1), below = floor(at);
    int i = (int)below;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]);
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int tl_interval_share(tl_interval *out, int right, int n, tl_err *err)
{
    TL_TRY(check("interval of a share", n, NULL, err));
    if (right < 0 || right > n) return tl_fail(err, TL_EDATA, "interval of a share: %d right of %d items", right, n);
    /* The p for which |right/n - p| = z sqrt(p (1 - p) / n): a quadratic in p. */
    double share = (double)right / n, zz = z95 * z95 / n;
    double middle = (share + zz / 2) / (1 + zz);
    double reach = z95 * sqrt(share * (1 - share) / n + zz / n / 4) / (1 + zz);
    /* At the ends one root is 0 or 1 and rounding must not say otherwise. */
    *out = (tl_interval){ share, right == 0 ? 0 : middle - reach, right == n ? 1 : middle + reach, n };
    return 0;
}

int tl_interval_statistic(tl_interval *out, tl_statistic_fn *statistic, void *context, int n, const tl_bootstrap *how,
                          tl_err *err)
{
    TL_TRY(check("bootstrap", n, how, err));
    int rc = 0, kept = 0;
    double value = 0;
    tl_rng rng = tl_rng_make(how->seed, STREAM_RESAMPLE);
    int *items = malloc((size_t)n * sizeof *items);
    double *found = malloc((size_t)how->resamples * sizeof *found);
    if (!items || !found) {
        rc = tl_fail(err, TL_ENOMEM, "bootstrap: no memory for %d resamples of %d items", how->resamples, n);
        goto done;
    }
    for (int i = 0; i < n; i++) items[i] = i;
    rc = statistic(&value, items, n, context, err);
    if (rc == 0) rc = check_value("bootstrap", value, err);
    if (rc < 0) goto done;
    for (int b = 0; b < how->resamples; b++) {
        for (int i = 0; i < n; i++) items[i] = (int)tl_rng_below(&rng, (uint32_t)n);
        rc = statistic(&found[kept], items, n, context, err);
        if (rc == TL_ENUMERIC) continue;
        if (rc == 0) rc = check_value("bootstrap", found[kept++], err);
        if (rc < 0) goto done;
    }
    rc = 0;
    if (how->resamples - kept > how->resamples / 20) {
        rc = tl_fail(err, TL_ENUMERIC, "bootstrap: undefined on %d of %d resamples of %d items, at most 1 in 20 wanted",
                     how->resamples - kept, how->resamples, n);
        goto done;
    }
    qsort(found, (size_t)kept, sizeof *found, rising);
    *out = (tl_interval){ value, tl_quantile(found, kept, 0.025), tl_quantile(found, kept, 0.975), n };
done:
    free(items);
    free(found);
    return rc;
}

static int mean(double *out, const int *items, int n, void *context, tl_err *err)
{
    (void)err;
    const double *scores = context;
    double sum = 0;
    for (int i = 0; i < n; i++) sum += scores[items[i]];
    *out = sum / n;
    return 0;
}

int tl_interval_mean(tl_interval *out, const double *scores, int n, const tl_bootstrap *how, tl_err *err)
{
    TL_TRY(check_finite("bootstrap", scores, n, err));
    return tl_interval_statistic(out, mean, (void *)(uintptr_t)scores, n, how, err);
}

/* *out = a - b, for the caller to free. */
static int differences(double **out, const double *a, const double *b, int n, tl_err *err)
{
    TL_TRY(check("paired scores", n, NULL, err));
    TL_TRY(check_finite("first method", a, n, err));
    TL_TRY(check_finite("second method", b, n, err));
    double *d = malloc((size_t)n * sizeof *d);
    if (!d) return tl_fail(err, TL_ENOMEM, "paired scores: no memory for %d differences", n);
    for (int i = 0; i < n; i++) d[i] = a[i] - b[i];
    int rc = check_finite("difference of the methods", d, n, err);
    if (rc < 0)
        free(d);
    else
        *out = d;
    return rc;
}

int tl_interval_difference(tl_interval *out, const double *a, const double *b, int n, const tl_bootstrap *how,
                           tl_err *err)
{
    double *d = NULL;
    TL_TRY(differences(&d, a, b, n, err));
    int rc = tl_interval_mean(out, d, n, how, err);
    free(d);
    return rc;
}

int tl_paired_mcnemar(tl_paired *out, const bool *a_right, const bool *b_right, int n, tl_err *err)
{
    TL_TRY(check("McNemar's test", n, NULL, err));
    int a = 0, b = 0;
    for (int i = 0; i < n; i++) {
        a += a_right[i] && !b_right[i];
        b += b_right[i] && !a_right[i];
    }
    /* P(X <= k), a sum of m over i times 2^-m; terms in logarithms, since 2^m overflows from m = 1024 on. */
    int m = a + b, k = a < b ? a : b;
    double term = -m * log(2), tail = exp(term);
    for (int i = 1; i <= k; i++) {
        term += log((m - i + 1.0) / i);
        tail += exp(term);
    }
    *out = (tl_paired){ ((double)a - b) / n, fmin(1, fmax(2 * tail, DBL_MIN)), a, b, true };
    return 0;
}

/* The share of all sign assignments of d[m] whose sum is at least as far from 0 as that of d. */
static double count_flips(const double *d, int m, double extreme)
{
    uint32_t all = UINT32_C(1) << m, hits = 0;
    for (uint32_t signs = 0; signs < all; signs++) {
        double sum = 0;
        for (int i = 0; i < m; i++) sum += signs >> i & 1 ? -d[i] : d[i];
        hits += fabs(sum) >= extreme;
    }
    return (double)hits / all;
}

static double draw_flips(const double *d, int m, double extreme, const tl_bootstrap *how)
{
    tl_rng rng = tl_rng_make(how->seed, STREAM_SWAP);
    int hits = 0;
    for (int b = 0; b < how->resamples; b++) {
        double sum = 0;
        uint64_t signs = 0;
        for (int i = 0; i < m; i++) {
            if (i % 64 == 0) signs = tl_rng_next(&rng);
            sum += signs >> i % 64 & 1 ? -d[i] : d[i];
        }
        hits += fabs(sum) >= extreme;
    }
    return (1.0 + hits) / (1.0 + how->resamples);
}

int tl_paired_permutation(tl_paired *out, const double *a, const double *b, int n, const tl_bootstrap *how, tl_err *err)
{
    TL_TRY(check("permutation test", n, how, err));
    double *d = NULL;
    TL_TRY(differences(&d, a, b, n, err));
    tl_paired t = { 0 };
    int m = 0; /* items that differ: the others have no sign to flip */
    double sum = 0, size = 0;
    for (int i = 0; i < n; i++) {
        t.only_a += d[i] > 0;
        t.only_b += d[i] < 0;
        sum += d[i];
        size += fabs(d[i]);
        if (d[i] != 0) d[m++] = d[i];
    }
    int rc = check_value("permutation test", size, err);
    if (rc < 0) goto done;
    /* Assignments as extreme as the one found must count as such, however their sums round. */
    double extreme = fabs(sum) - 1e-12 * size;
    t.difference = sum / n;
    t.exact = m <= EXACT_FLIPS;
    t.p = t.exact ? count_flips(d, m, extreme) : draw_flips(d, m, extreme, how);
    *out = t;
done:
    free(d);
    return rc;
}

int tl_paired_statistic(tl_paired *out, tl_swapped_fn *statistic, void *context, int n, const tl_bootstrap *how,
                        tl_err *err)
{
    TL_TRY(check("randomization test", n, how, err));
    int rc = 0, hits = 0;
    double found = 0, drawn = 0;
    tl_rng rng = tl_rng_make(how->seed, STREAM_SWAP);
    bool *swap = calloc((size_t)n, sizeof *swap);
    if (!swap) return tl_fail(err, TL_ENOMEM, "randomization test: no memory for %d items", n);
    rc = statistic(&found, swap, n, context, err);
    if (rc == 0) rc = check_value("randomization test", found, err);
    for (int b = 0; rc == 0 && b < how->resamples; b++) {
        for (int i = 0; i < n; i++) swap[i] = tl_rng_next(&rng) >> 63;
        rc = statistic(&drawn, swap, n, context, err);
        if (rc == 0) rc = check_value("randomization test", drawn, err);
        hits += fabs(drawn) >= fabs(found) - 1e-12;
    }
    if (rc == 0) *out = (tl_paired){ .difference = found, .p = (1.0 + hits) / (1.0 + how->resamples) };
    free(swap);
    return rc;
}
