/* optimizer_ref.c - AdamW's update, and the sum of squares that clipping asks for.
 *
 *     g' = grad_scale g,    m = b1 m + (1-b1) g',    v = b2 v + (1-b2) g'^2
 *     p -= lr (m/c1 / (sqrt(v/c2) + eps) + weight_decay p)
 *
 * The decay stands outside the quotient: it pulls every parameter alike, however large its gradients. */
#include "backend/ref/ref.h"

#include <math.h>

void tl_ref_adamw(tl_stream *s, float *p, const float *g, float *m, float *v, size_t n, const tl_adamw_step *step)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float d = g[i] * step->grad_scale;
        m[i] = step->beta1 * m[i] + (1.0f - step->beta1) * d;
        v[i] = step->beta2 * v[i] + (1.0f - step->beta2) * d * d;
        float move = m[i] / step->correction1 / (sqrtf(v[i] / step->correction2) + step->eps);
        p[i] -= step->lr * (move + step->weight_decay * p[i]);
    }
}

double tl_ref_sum_squares(tl_stream *s, const float *x, size_t n)
{
    (void)s; /* one sum, in order: one thread */
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}
