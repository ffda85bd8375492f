/* init_mimetic.c - the circuits, written into q, k, v and o.
 *
 * Dimension 0 of the embedding is the constant direction; 1 .. D-1 carry content.  R, a random rotation of the content,
 * leads from the space of tokens to that of bags.  P_h, the columns of another rotation, split the content over the
 * heads.  A vector norm of about 1 an embedding row (deviation s = 1/sqrt(D)) makes the norms' gains 1 fit.
 *
 *   local head   q = k = amplitude_i e_0^T on the pairs with frequency in [0.01, 0.4],   o v = 1.5 s (R P_h) P_h^T
 *   match head   q = k = 2 a S R^T on the pairs with frequency <= 0.02, S with orthonormal rows,   o v = s P_h P_h^T */
#include "model/init_mimetic.h"

#include "base/rng.h"
#include "model/init.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* Found by small trials (two layers, width 128): with these the jump came at 0.8 million tokens, without at over 7. */
static const struct {
    double constant, noise, local_low, local_high, local_gain, match_frequency, match_gain, last_gain;
} shape = { .constant = 0.25,
            .noise = 0.25,
            .local_low = 0.01,
            .local_high = 0.4,
            .local_gain = 1.5,
            .match_frequency = 0.02,
            .match_gain = 2.0,
            .last_gain = 0.5 };

static void normal(float *x, size_t n, double deviation, tl_rng *r)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)(deviation * tl_rng_normal(r));
}

/* rows orthonormal rows of n numbers, by Gram and Schmidt (twice, for rounding). */
static void orthonormal(double *q, int rows, int n, tl_rng *r)
{
    assert(rows <= n);
    for (int i = 0; i < rows; i++) {
        double *x = q + (size_t)i * (size_t)n;
        for (int k = 0; k < n; k++) x[k] = tl_rng_normal(r);
        for (int pass = 0; pass < 2; pass++) {
            for (int j = 0; j < i; j++) {
                const double *y = q + (size_t)j * (size_t)n;
                double dot = 0;
                for (int k = 0; k < n; k++) dot += x[k] * y[k];
                for (int k = 0; k < n; k++) x[k] -= dot * y[k];
            }
        }
        double norm = 0;
        for (int k = 0; k < n; k++) norm += x[k] * x[k];
        for (int k = 0; k < n; k++) x[k] /= sqrt(norm);
    }
}

typedef struct space {
    int n;         /* D - 1 */
    double *bag;   /* [n][n] R, rows orthonormal */
    double *split; /* [n][n] row i: the content direction that value i of all heads carries */
    double *match; /* [n][n] scratch for S */
    tl_rng rng;
} space;

static double frequency(const tl_config *c, int i)
{
    return pow(c->rope.theta, -2.0 * i / c->h);
}

/* v reads the head's directions, o writes them back: turned by R (local) or as they are (match). */
static void copy_values(const tl_config *c, tl_layer *y, const space *p, int head, double gain, bool turned)
{
    float *v = (float *)y->linear[TL_V].data, *o = (float *)y->linear[TL_O].data;
    int Q = c->H * c->h;
    for (int i = 0; i < c->h; i++) {
        int value = head * c->h + i;
        if (value >= p->n) return;
        const double *direction = p->split + (size_t)value * (size_t)p->n;
        for (int k = 0; k < p->n; k++) v[(size_t)value * (size_t)c->D + 1 + (size_t)k] += (float)direction[k];
        for (int j = 0; j < p->n; j++) {
            double out = 0;
            if (turned)
                for (int k = 0; k < p->n; k++) out += p->bag[(size_t)j * (size_t)p->n + (size_t)k] * direction[k];
            else
                out = direction[j];
            o[(size_t)(1 + j) * (size_t)Q + (size_t)value] += (float)(gain * out);
        }
    }
}

static void local_head(const tl_config *c, tl_layer *y, int head)
{
    double D = c->D, raw = shape.constant * sqrt(D), seen = raw / sqrt(1 + raw * raw / D); /* after the norm */
    for (int j = TL_Q; j <= TL_K; j++) {
        float *w = (float *)y->linear[j].data + (size_t)head * (size_t)c->h * (size_t)c->D;
        for (size_t i = 0; i < (size_t)c->h * (size_t)c->D; i++) w[i] *= 0.3f;
        for (int i = 0; i < c->h / 2; i++) {
            double f = frequency(c, i);
            bool middle = f >= shape.local_low && f <= shape.local_high;
            w[(size_t)i * (size_t)c->D] = middle ? (float)(sqrt(sqrt(c->h)) / seen) : 0.0f;
        }
    }
}

static void match_head(const tl_config *c, tl_layer *y, space *p, int head)
{
    int slow = 0, half = c->h / 2;
    for (int i = 0; i < half; i++) slow += frequency(c, i) <= shape.match_frequency;
    int rows = 2 * slow < p->n ? 2 * slow : p->n;
    orthonormal(p->match, rows, p->n, &p->rng);
    double a = shape.match_gain * sqrt(sqrt(c->h) / rows);
    for (int j = TL_Q; j <= TL_K; j++) {
        float *w = (float *)y->linear[j].data + (size_t)head * (size_t)c->h * (size_t)c->D;
        for (int r = 0; r < rows; r++) {
            int i = half - slow + r % slow + (r < slow ? 0 : half); /* the slow pairs come last in each half */
            const double *s = p->match + (size_t)r * (size_t)p->n;
            for (int k = 0; k < p->n; k++) { /* (S R^T)[r][k] = sum over l of S[r][l] R[k][l] */
                double sum = 0;
                for (int l = 0; l < p->n; l++) sum += s[l] * p->bag[(size_t)k * (size_t)p->n + (size_t)l];
                w[(size_t)i * (size_t)c->D + 1 + (size_t)k] += (float)(a * sum);
            }
        }
    }
}

static void layer(const tl_config *c, tl_layer *y, space *p, int l)
{
    double s = 1 / sqrt(c->D), z = shape.noise * s;
    for (int j = 0; j < TL_LINEARS; j++) {
        const tl_weight *w = &y->linear[j];
        double deviation = j <= TL_V ? z : j == TL_O ? 0.3 * z : j == TL_DOWN ? 0.1 * s : 0.5 * s;
        normal((float *)w->data, (size_t)w->rows * (size_t)w->cols, deviation, &p->rng);
    }
    orthonormal(p->split, p->n, p->n, &p->rng);
    for (int head = 0; head < c->H && l < 2; head++) {
        if (l == 0)
            local_head(c, y, head);
        else
            match_head(c, y, p, head);
        copy_values(c, y, p, head, l == 0 ? shape.local_gain * s : s, l == 0);
    }
}

int tl_init_mimetic(tl_model *m, uint64_t seed, tl_err *err)
{
    const tl_config *c = &m->config;
    if (c->position != TL_POSITION_ROPE || c->norm != TL_NORM_RMS || c->activation != TL_ACTIVATION_SWIGLU ||
        c->L < 2 || c->G != c->H || !m->tokens.grad)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "mimetic initialization: wants a fresh model with rotary positions, RMS norms, gating, as many "
                       "key/value heads as heads and two layers or more");
    size_t n = (size_t)c->D - 1;
    space p = { .n = c->D - 1, .rng = tl_rng_make(seed, tl_init_stream("mimetic")) };
    p.bag = malloc(n * n * sizeof *p.bag);
    p.split = malloc(n * n * sizeof *p.split);
    p.match = malloc(n * n * sizeof *p.match);
    int rc = p.bag && p.split && p.match ? 0 : tl_fail(err, TL_ENOMEM, "mimetic initialization: no memory");
    if (rc == 0) {
        float *tokens = (float *)m->tokens.data;
        normal(tokens, (size_t)c->V * (size_t)c->D, 1 / sqrt(c->D), &p.rng);
        for (int v = 0; v < c->V; v++) tokens[(size_t)v * (size_t)c->D] = (float)shape.constant;
        orthonormal(p.bag, p.n, p.n, &p.rng);
        for (int l = 0; l < c->L; l++) layer(c, &m->layers[l], &p, l);
        for (int d = 0; d < c->D; d++) ((float *)m->norm.data)[d] = (float)shape.last_gain;
    }
    free(p.bag);
    free(p.split);
    free(p.match);
    return rc;
}
