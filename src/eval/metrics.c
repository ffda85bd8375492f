/* metrics.c - the confusion matrix and what follows from it.
 *
 * Counts are ints and sums of them 64-bit integers or doubles below 2^53, so every
 * measure is one correctly rounded quotient or a short sum of such, in label order. */
#include "eval/metrics.h"

#include "base/size.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int tl_confusion_create(tl_confusion **out, int n_labels, tl_err *err)
{
    if (n_labels < 1) return tl_fail(err, TL_EDATA, "confusion matrix: %d labels, at least 1 wanted", n_labels);
    size_t K = (size_t)n_labels, cells, bytes;
    tl_confusion *c = NULL;
    if (tl_size_mul(&cells, K, K + 1) && tl_size_mul(&bytes, cells, sizeof *c->counts)) c = calloc(1, sizeof *c);
    if (c) c->counts = calloc(cells, sizeof *c->counts);
    if (!c || !c->counts) {
        tl_confusion_free(c);
        return tl_fail(err, TL_ENOMEM, "confusion matrix: no memory for %d by %d counts", n_labels, n_labels);
    }
    c->n_labels = n_labels;
    *out = c;
    return 0;
}

void tl_confusion_free(tl_confusion *c)
{
    if (!c) return;
    free(c->counts);
    free(c);
}

int tl_confusion_count(tl_confusion *c, const int *truth, const int *predicted, const int *items, int n, tl_err *err)
{
    int K = c->n_labels;
    c->n = 0;
    memset(c->counts, 0, (size_t)K * ((size_t)K + 1) * sizeof *c->counts);
    if (n < 1) return tl_fail(err, TL_EDATA, "confusion matrix: %d items, at least 1 wanted", n);
    for (int i = 0; i < n; i++) {
        int item = items ? items[i] : i, t = truth[item], p = predicted[item];
        if (t < 0 || t >= K)
            return tl_fail(err, TL_EDATA, "item %d: its true label is %d, the task has 0 to %d", item, t, K - 1);
        if (p != TL_NO_ANSWER && (p < 0 || p >= K))
            return tl_fail(err, TL_EDATA, "item %d: its predicted label is %d, the task has 0 to %d and %d for none",
                           item, p, K - 1, TL_NO_ANSWER);
        c->counts[(size_t)t * ((size_t)K + 1) + (size_t)(p == TL_NO_ANSWER ? K : p)]++;
    }
    c->n = n;
    return 0;
}

double tl_confusion_accuracy(const tl_confusion *c)
{
    assert(c->n > 0);
    int right = 0;
    for (int k = 0; k < c->n_labels; k++) right += tl_confusion_at(c, k, k);
    return (double)right / c->n;
}

double tl_confusion_unanswered(const tl_confusion *c)
{
    assert(c->n > 0);
    int none = 0;
    for (int k = 0; k < c->n_labels; k++) none += tl_confusion_at(c, k, TL_NO_ANSWER);
    return (double)none / c->n;
}

tl_class_score tl_confusion_class(const tl_confusion *c, int label)
{
    assert(c->n > 0 && label >= 0 && label < c->n_labels);
    tl_class_score s = { .support = tl_confusion_at(c, label, TL_NO_ANSWER) };
    for (int k = 0; k < c->n_labels; k++) {
        s.support += tl_confusion_at(c, label, k);
        s.predicted += tl_confusion_at(c, k, label);
    }
    double right = tl_confusion_at(c, label, label);
    if (s.predicted) s.precision = right / s.predicted;
    if (s.support) s.recall = right / s.support;
    if (s.predicted || s.support) s.f1 = 2 * right / ((double)s.predicted + s.support);
    return s;
}

double tl_confusion_macro_f1(const tl_confusion *c)
{
    double sum = 0;
    for (int k = 0; k < c->n_labels; k++) sum += tl_confusion_class(c, k).f1;
    return sum / c->n_labels;
}

/* Where on the scale an answer stands; none stands at the end further from the truth. */
static int place(int K, int truth, int predicted)
{
    if (predicted != TL_NO_ANSWER) return predicted;
    return truth > K - 1 - truth ? 0 : K - 1;
}

/* With r and s the places of truth and prediction, the sum of w O is that of (r - s)^2, and
 * n times the sum of w E is that over all pairs of items, which opens into moments:
 * sum_i sum_j (r_i - s_j)^2 = n sum r^2 - 2 sum r sum s + n sum s^2.  No [K,K] of E is needed. */
int tl_confusion_kappa(double *out, const tl_confusion *c, tl_err *err)
{
    assert(c->n > 0);
    double observed = 0, r1 = 0, r2 = 0, s1 = 0, s2 = 0, n = c->n;
    for (int t = 0; t < c->n_labels; t++)
        for (int p = TL_NO_ANSWER; p < c->n_labels; p++) {
            double count = tl_confusion_at(c, t, p), r = t, s = place(c->n_labels, t, p);
            observed += count * (r - s) * (r - s);
            r1 += count * r;
            r2 += count * r * r;
            s1 += count * s;
            s2 += count * s * s;
        }
    double expected = n * r2 - 2 * r1 * s1 + n * s2;
    if (expected <= 0)
        return tl_fail(err, TL_ENUMERIC,
                       "kappa: all %d true and predicted labels are the same one, at least two are wanted", c->n);
    *out = 1 - observed * n / expected;
    return 0;
}

double tl_cost_of(const double *cost, int n_labels, int truth, int predicted)
{
    const double *row = cost + (size_t)truth * (size_t)n_labels;
    if (predicted != TL_NO_ANSWER) return row[predicted];
    double dearest = row[0];
    for (int k = 1; k < n_labels; k++) dearest = fmax(dearest, row[k]);
    return dearest;
}

int tl_confusion_cost(double *out, const tl_confusion *c, const double *cost, tl_err *err)
{
    assert(c->n > 0);
    int K = c->n_labels;
    for (int t = 0; t < K; t++)
        for (int p = 0; p < K; p++) {
            double x = cost[(size_t)t * (size_t)K + (size_t)p];
            if (!isfinite(x) || x < 0)
                return tl_fail(err, TL_EDATA, "cost of label %d answered as %d is %g, a finite number from 0 on wanted",
                               t, p, x);
        }
    double sum = 0;
    for (int t = 0; t < K; t++)
        for (int p = TL_NO_ANSWER; p < K; p++) {
            int count = tl_confusion_at(c, t, p);
            if (count) sum += count * tl_cost_of(cost, K, t, p);
        }
    *out = sum / c->n;
    return 0;
}

tl_triage tl_confusion_triage(const tl_confusion *c)
{
    assert(c->n > 0);
    int under = 0, over = 0;
    for (int t = 0; t < c->n_labels; t++)
        for (int p = 0; p < c->n_labels; p++) {
            if (p > t) under += tl_confusion_at(c, t, p);
            if (p < t) over += tl_confusion_at(c, t, p);
        }
    return (tl_triage){ tl_confusion_accuracy(c), (double)under / c->n, (double)over / c->n,
                        tl_confusion_unanswered(c) };
}

/* ASCII only, whatever the locale. */
static bool white(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

static const char *trim(const char *s, size_t *size)
{
    while (white(*s)) s++;
    *size = strlen(s);
    while (*size && white(s[*size - 1])) --*size;
    return s;
}

bool tl_text_same(const char *a, const char *b)
{
    size_t na, nb;
    a = trim(a, &na);
    b = trim(b, &nb);
    return na == nb && memcmp(a, b, na) == 0;
}

int tl_exact_match(double *out, const char *const *truth, const char *const *predicted, int n, tl_err *err)
{
    if (n < 1) return tl_fail(err, TL_EDATA, "exact match: %d items, at least 1 wanted", n);
    int same = 0;
    for (int i = 0; i < n; i++) same += tl_text_same(truth[i], predicted[i]);
    *out = (double)same / n;
    return 0;
}
