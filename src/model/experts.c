/* experts.c - rows to experts and back.
 *
 * Forward and backward walk the experts in order; an expert's rows are gathered, computed as one dense hidden layer,
 * and added to where they came from.  No two rows of one expert are the same row, so threads divide rows. */
#include "model/experts.h"

#include <math.h>
#include <string.h>

void tl_experts_lay(tl_expert_acts *a, tl_arena *arena, const tl_config *c, int rows, bool training)
{
    size_t N = (size_t)rows, D = (size_t)c->D, F = (size_t)c->F, E = (size_t)c->E, K = (size_t)c->picks;
    a->p = tl_arena_floats(arena, N * E);
    a->picks = tl_arena_ints(arena, N * K);
    a->w = tl_arena_floats(arena, N * K);
    a->rows = tl_arena_ints(arena, N * K);
    a->first = tl_arena_ints(arena, E + 1);
    a->x = tl_arena_floats(arena, N * D);
    a->y = tl_arena_floats(arena, N * D);
    a->gate = tl_arena_floats(arena, N * F);
    a->up = tl_arena_floats(arena, N * F);
    a->hidden = tl_arena_floats(arena, N * F);
    a->out = tl_arena_floats(arena, N * D);
    if (!training) return;
    a->dw = tl_arena_floats(arena, N * K);
    a->dp = tl_arena_floats(arena, N * E);
}

static void softmax(float *p, int E)
{
    float most = p[0], sum = 0;
    for (int e = 1; e < E; e++) most = fmaxf(most, p[e]);
    for (int e = 0; e < E; e++) sum += p[e] = expf(p[e] - most);
    for (int e = 0; e < E; e++) p[e] /= sum;
}

/* The K largest of p, in ascending order of their numbers; of equals the first ones. */
static void pick(int *picks, const float *p, int E, int K)
{
    for (int e = 0, n = 0; e < E; e++) { /* picks[0 .. n-1] are the largest so far, falling */
        int at = n;
        while (at > 0 && p[e] > p[picks[at - 1]]) at--;
        if (at == K) continue;
        if (n < K) n++;
        memmove(picks + at + 1, picks + at, (size_t)(n - 1 - at) * sizeof *picks);
        picks[at] = e;
    }
    for (int k = 1; k < K; k++) { /* by number: few of them */
        int e = picks[k], at = k;
        for (; at > 0 && picks[at - 1] > e; at--) picks[at] = picks[at - 1];
        picks[at] = e;
    }
}

/* Probabilities, picks, weights, and the places in picks sorted by expert. */
static void route(const tl_model *m, tl_stream *s, const tl_expert_acts *a, int layer, const float *x, int N)
{
    const tl_config *c = &m->config;
    const tl_weight *router = &m->layers[layer].router;
    int E = c->E, K = c->picks;
    tl_stream exact = *s;
    exact.precision = TL_PRECISION_F32;
    tl_product product = { .y = a->p, .w = tl_weight_matrix(router), .O = E };
    m->backend->linear(&exact, &product, 1, x, N, c->D);
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) {
        float *p = a->p + (size_t)n * (size_t)E, *w = a->w + (size_t)n * (size_t)K, sum = 0;
        int *picks = a->picks + (size_t)n * (size_t)K;
        softmax(p, E);
        pick(picks, p, E, K);
        for (int k = 0; k < K; k++) sum += w[k] = p[picks[k]];
        for (int k = 0; k < K && c->picks_sum_to_one; k++) w[k] /= sum;
    }
    memset(a->first, 0, (size_t)(E + 1) * sizeof *a->first);
    for (int i = 0; i < N * K; i++) a->first[a->picks[i] + 1]++;
    for (int e = 0; e < E; e++) a->first[e + 1] += a->first[e];
    for (int i = 0; i < N * K; i++) a->rows[a->first[a->picks[i]]++] = i; /* each first moves to the next one's place */
    for (int e = E; e > 0; e--) a->first[e] = a->first[e - 1];
    a->first[0] = 0;
}

/* y[i] = from the row of place rows[i], i < n. */
static void gather(tl_stream *s, float *y, const float *from, const int *rows, int n, int K, int D)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int i = 0; i < n; i++)
        memcpy(y + (size_t)i * (size_t)D, from + (size_t)(rows[i] / K) * (size_t)D, (size_t)D * sizeof *y);
}

/* The row of place rows[i] += w * y[i], with its weight, or 1 where w is NULL. */
static void scatter(tl_stream *s, float *to, const float *y, const int *rows, const float *w, int n, int K, int D)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int i = 0; i < n; i++) {
        float *row = to + (size_t)(rows[i] / K) * (size_t)D, weight = w ? w[rows[i]] : 1;
        for (int d = 0; d < D; d++) row[d] += weight * y[(size_t)i * (size_t)D + (size_t)d];
    }
}

/* x, gate, up and hidden of expert e's n rows. */
static void rise(const tl_model *m, tl_stream *s, const tl_expert_acts *a, const tl_expert *expert, const int *rows,
                 int n, const float *x)
{
    const tl_config *c = &m->config;
    gather(s, a->x, x, rows, n, c->picks, c->D);
    const tl_product p[] = { { .y = a->gate, .w = tl_weight_matrix(&expert->gate), .O = c->F },
                             { .y = a->up, .w = tl_weight_matrix(&expert->up), .O = c->F } };
    m->backend->linear(s, p, 2, a->x, n, c->D);
    m->backend->swiglu(s, a->hidden, a->gate, a->up, (size_t)n * (size_t)c->F);
}

static void fall(const tl_model *m, tl_stream *s, const tl_expert_acts *a, const tl_expert *expert, int n)
{
    tl_product p = { .y = a->y, .w = tl_weight_matrix(&expert->down), .O = m->config.D };
    m->backend->linear(s, &p, 1, a->hidden, n, m->config.F);
}

void tl_experts(const tl_model *m, tl_stream *s, const tl_expert_acts *a, int layer, const float *x, int N)
{
    const tl_config *c = &m->config;
    route(m, s, a, layer, x, N);
    memset(a->out, 0, (size_t)N * (size_t)c->D * sizeof *a->out);
    for (int e = 0; e < c->E; e++) {
        const tl_expert *expert = &m->layers[layer].experts[e];
        const int *rows = a->rows + a->first[e];
        int n = a->first[e + 1] - a->first[e];
        if (n == 0) continue;
        rise(m, s, a, expert, rows, n, x);
        fall(m, s, a, expert, n);
        scatter(s, a->out, a->y, rows, a->w, n, c->picks, c->D);
    }
}

/* From dw, the gradients to the weights of what was picked, to those of the router's logits, in dp:
 *
 *     of p_e:    dw_e, or (dw_e - sum of dw w) / (sum of the picked p) where w = p / that sum
 *     of logits: p (dp - sum of dp p) */
static void route_back(const tl_config *c, const tl_expert_acts *a, int n)
{
    const float *p = a->p + (size_t)n * (size_t)c->E, *w = a->w + (size_t)n * (size_t)c->picks;
    const float *dw = a->dw + (size_t)n * (size_t)c->picks;
    const int *picks = a->picks + (size_t)n * (size_t)c->picks;
    float *dp = a->dp + (size_t)n * (size_t)c->E, sum = 0, share = 0, all = 0;
    for (int k = 0; k < c->picks; k++) {
        sum += p[picks[k]];
        share += dw[k] * w[k];
    }
    memset(dp, 0, (size_t)c->E * sizeof *dp);
    for (int k = 0; k < c->picks; k++) {
        float d = c->picks_sum_to_one ? (dw[k] - share) / sum : dw[k];
        dp[picks[k]] = d;
        all += d * p[picks[k]];
    }
    for (int e = 0; e < c->E; e++) dp[e] = p[e] * (dp[e] - all);
}

void tl_experts_back(const tl_model *m, tl_stream *s, const tl_expert_acts *a, int layer, float *dx, const float *dout,
                     const float *x, int N)
{
    const tl_config *c = &m->config;
    const tl_backend *be = m->backend;
    int D = c->D, K = c->picks;
    route(m, s, a, layer, x, N);
    memset(dx, 0, (size_t)N * (size_t)D * sizeof *dx);
    for (int e = 0; e < c->E; e++) {
        const tl_expert *expert = &m->layers[layer].experts[e];
        const int *rows = a->rows + a->first[e];
        int n = a->first[e + 1] - a->first[e];
        if (n == 0) continue;
        rise(m, s, a, expert, rows, n, x);
        fall(m, s, a, expert, n);
        gather(s, a->x, dout, rows, n, K, D);
#pragma omp parallel for num_threads(s->threads) schedule(static)
        for (int i = 0; i < n; i++) {
            float *d = a->x + (size_t)i * (size_t)D, dot = 0;
            const float *y = a->y + (size_t)i * (size_t)D;
            for (int j = 0; j < D; j++) dot += d[j] * y[j];
            a->dw[rows[i]] = dot;
            for (int j = 0; j < D; j++) d[j] *= a->w[rows[i]]; /* the gradient to y */
        }
        be->linear_dx(s, a->hidden, &(tl_product_back){ .dy = a->x, .w = tl_weight_matrix(&expert->down), .O = D }, 1,
                      n, c->F, false);
        be->swiglu_back(s, a->hidden, a->gate, a->up, a->hidden, a->gate, a->up, (size_t)n * (size_t)c->F);
        const tl_product_back p[] = { { .dy = a->gate, .w = tl_weight_matrix(&expert->gate), .O = c->F },
                                      { .dy = a->up, .w = tl_weight_matrix(&expert->up), .O = c->F } };
        be->linear_dx(s, a->y, p, 2, n, D, false);
        scatter(s, dx, a->y, rows, NULL, n, K, D);
    }
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int n = 0; n < N; n++) route_back(c, a, n);
    tl_stream exact = *s;
    exact.precision = TL_PRECISION_F32;
    tl_product_back router = { .dy = a->dp, .w = tl_weight_matrix(&m->layers[layer].router), .O = c->E };
    be->linear_dx(&exact, dx, &router, 1, N, D, true);
}
