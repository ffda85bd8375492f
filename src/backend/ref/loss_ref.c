/* loss_ref.c - log softmax of a row of logits at its target, and its gradient.
 *
 *     log softmax(z)[c] = z_c - max - log(sum over v of exp(z_v - max)),    d(-log softmax(z)[c])/dz = softmax(z) -
 * onehot(c)
 *
 * Logits may be capped, z = cap tanh(x / cap): dz/dx = 1 - (z / cap)^2.
 *
 * The largest logit is taken off first, so no exponential overflows and the sum is at least 1. */
#include "backend/ref/ref.h"

#include <assert.h>
#include <math.h>

/* The largest of z[V], and the sum of exp(z - largest). */
static float largest_and_sum(float *sum, const float *z, int V)
{
    float most = z[0];
    for (int v = 1; v < V; v++) most = fmaxf(most, z[v]);
    *sum = 0;
    for (int v = 0; v < V; v++) *sum += expf(z[v] - most);
    return most;
}

void tl_ref_softcap(tl_stream *s, float *x, float cap, size_t n)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) x[i] = cap * tanhf(x[i] / cap);
}

void tl_ref_cross_entropy(tl_stream *s, float *loss, float *logits, const int *targets, const float *weights, int N,
                          int V, float cap)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        float *z = logits + (size_t)n * (size_t)V, sum, most = largest_and_sum(&sum, z, V);
        assert(targets[n] >= 0 && targets[n] < V);
        loss[n] = (logf(sum) - (z[targets[n]] - most)) * weights[n];
        for (int v = 0; v < V; v++) {
            float slope = cap == 0 ? 1 : 1 - z[v] / cap * (z[v] / cap);
            z[v] = (expf(z[v] - most) / sum - (v == targets[n] ? 1.0f : 0.0f)) * weights[n] * slope;
        }
    }
}

void tl_ref_log_prob(tl_stream *s, float *out, const float *logits, const int *targets, int N, int V)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        const float *z = logits + (size_t)n * (size_t)V;
        float sum, most = largest_and_sum(&sum, z, V);
        assert(targets[n] >= 0 && targets[n] < V);
        out[n] = z[targets[n]] - most - logf(sum);
    }
}
