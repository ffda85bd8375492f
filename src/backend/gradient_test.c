/* gradient_test.c - the definition is held against mathematics: each row of `ref` against its formula written once
 * more here in double, and each backward against central differences of that double forward.
 *
 * A problem has inputs and outputs in double, and a forward between them.  Its loss is sum over outputs of c . y with
 * random c, so that c is the gradient the backward starts from.  The f32 inputs given to ref are the same numbers. */
#include "backend/backend.h"
#include "backend/rounding.h"
#include "base/rng.h"
#include "tests/check.h"

enum {
    INPUTS = 4
};

typedef struct problem {
    int N, D, O; /* rows, width, outputs of a linear layer or rows of a table */
    int H, G, h;
    int window;
    double softcap;
    int n_segments;
    const tl_segment *segments;
    const int *ids; /* targets or rows of a table */
    const int *positions;
    double eps;
    void (*forward)(struct problem *p);
    size_t n_in[INPUTS], n_out;
    double *in[INPUTS], *out; /* owned */
    double *c;                /* [n_out] owned */
    float *in32[INPUTS];      /* owned: the same numbers */
    float *c32, *out32;       /* owned */
    float *back[INPUTS];      /* owned: zeros, for the gradients */
} problem;

static void *take(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    CHECK(p);
    return p;
}

/* A multiple of 2^-12 near a standard normal: the same in float and double. */
static double draw(tl_rng *r)
{
    return rint(tl_rng_normal(r) * 4096) / 4096;
}

static void problem_init(problem *p)
{
    tl_rng r = tl_rng_make(7, p->n_out + p->n_in[0]);
    for (int k = 0; k < INPUTS; k++) {
        p->in[k] = take(p->n_in[k], sizeof(double));
        p->in32[k] = take(p->n_in[k], sizeof(float));
        p->back[k] = take(p->n_in[k], sizeof(float));
        for (size_t i = 0; i < p->n_in[k]; i++) p->in32[k][i] = (float)(p->in[k][i] = draw(&r));
    }
    p->out = take(p->n_out, sizeof(double));
    p->c = take(p->n_out, sizeof(double));
    p->c32 = take(p->n_out, sizeof(float));
    p->out32 = take(p->n_out, sizeof(float));
    for (size_t i = 0; i < p->n_out; i++) p->c32[i] = (float)(p->c[i] = draw(&r));
}

static void problem_reset(problem *p)
{
    for (int k = 0; k < INPUTS; k++) {
        free(p->in[k]);
        free(p->in32[k]);
        free(p->back[k]);
    }
    free(p->out);
    free(p->out32);
    free(p->c);
    free(p->c32);
}

static double problem_loss(problem *p)
{
    double sum = 0;
    p->forward(p);
    for (size_t i = 0; i < p->n_out; i++) sum += p->c[i] * p->out[i];
    return sum;
}

/* p->out32 against the double forward. */
static void check_forward(problem *p)
{
    p->forward(p);
    CHECK_CLOSE(p->out32, p->out, p->n_out, 1e-5, 1.0);
}

/* p->back[k] against differences of the double forward. */
static void check_back(problem *p, int k)
{
    const double step = 1e-5;
    for (size_t i = 0; i < p->n_in[k]; i++) {
        double *x = &p->in[k][i], was = *x;
        *x = was + step;
        double above = problem_loss(p);
        *x = was - step;
        double below = problem_loss(p);
        *x = was;
        double wanted = (above - below) / (2 * step), found = p->back[k][i];
        if (!(fabs(found - wanted) <= 1e-4 * fmax(fabs(wanted), 0.1)))
            fail_msg("input %d, number %zu: the gradient is %.9g, the difference quotient %.9g", k, i, found, wanted);
    }
}

static const tl_backend *const ref = &tl_backend_ref;

static tl_stream stream_make(void)
{
    tl_stream s;
    tl_err err;
    CHECK_OK(tl_stream_create(&s, 1, TL_PRECISION_F32, 256, 64, &err), err);
    return s;
}

/* ---- linear and bias: y = x w^T + b ---- */

static void linear_double(problem *p)
{
    for (int n = 0; n < p->N; n++) {
        for (int o = 0; o < p->O; o++) {
            double sum = p->in[2][o];
            for (int i = 0; i < p->D; i++) sum += p->in[0][n * p->D + i] * p->in[1][o * p->D + i];
            p->out[n * p->O + o] = sum;
        }
    }
}

TEST(linear_and_bias_follow_their_formula_and_its_differences)
{
    problem p = { .N = 5, .D = 7, .O = 6, .n_in = { 35, 42, 6 }, .n_out = 30, .forward = linear_double };
    tl_stream s = stream_make();
    problem_init(&p);
    tl_matrix w = { p.in32[1], TL_DTYPE_F32 };
    ref->linear(&s, &(tl_product){ .y = p.out32, .w = w, .O = p.O, .bias = p.in32[2] }, 1, p.in32[0], p.N, p.D);
    check_forward(&p);
    ref->linear_dx(&s, p.back[0], &(tl_product_back){ .dy = p.c32, .w = w, .O = p.O }, 1, p.N, p.D, false);
    ref->linear_dw(&s, p.back[1], p.c32, p.in32[0], p.N, p.O, p.D, false);
    ref->bias_back(&s, p.back[2], p.c32, p.N, p.O);
    for (int k = 0; k < 3; k++) check_back(&p, k);
    problem_reset(&p);
    tl_stream_free(&s);
}

/* ---- gains: x, magnitudes m, b, add; the norms are constants ---- */

static const float gain_norms[] = { 0.5f, 2.0f, 1.25f, 3.0f, 0.75f, 1.5f, 1.0f };

static void gain_double(problem *p)
{
    for (int n = 0; n < p->N; n++)
        for (int d = 0; d < p->D; d++) {
            int at = n * p->D + d;
            p->out[at] = p->in[3][at] + p->in[0][at] * p->in[1][d] / (double)gain_norms[d] + p->in[2][d];
        }
}

TEST(gains_follow_their_formula_and_its_differences)
{
    problem p = { .N = 5, .D = 7, .n_in = { 35, 7, 7, 35 }, .n_out = 35, .forward = gain_double };
    tl_stream s = stream_make();
    float g[7];
    problem_init(&p);
    for (int d = 0; d < 7; d++) g[d] = p.in32[1][d] / gain_norms[d];
    ref->gain(&s, p.out32, p.in32[0], g, p.in32[2], p.in32[3], p.N, p.D);
    check_forward(&p);
    ref->gain(&s, p.back[0], p.c32, g, NULL, NULL, p.N, p.D);
    ref->gain_back(&s, p.back[1], p.c32, p.in32[0], gain_norms, p.N, p.D);
    for (int k = 0; k < 2; k++) check_back(&p, k);
    problem_reset(&p);
    tl_stream_free(&s);
}

/* ---- norms: x, g, b ---- */

static void norm_double(problem *p, bool centred)
{
    for (int n = 0; n < p->N; n++) {
        const double *x = p->in[0] + n * p->D;
        double mean = 0, var = 0;
        for (int i = 0; i < p->D && centred; i++) mean += x[i] / p->D;
        for (int i = 0; i < p->D; i++) var += (x[i] - mean) * (x[i] - mean) / p->D;
        for (int i = 0; i < p->D; i++)
            p->out[n * p->D + i] = (x[i] - mean) / sqrt(var + p->eps) * p->in[1][i] + (centred ? p->in[2][i] : 0);
    }
}

static void rmsnorm_double(problem *p)
{
    norm_double(p, false);
}

static void layernorm_double(problem *p)
{
    norm_double(p, true);
}

TEST(rmsnorm_follows_its_formula_and_its_differences)
{
    problem p = { .N = 4, .D = 9, .eps = 1e-2, .n_in = { 36, 9 }, .n_out = 36, .forward = rmsnorm_double };
    tl_stream s = stream_make();
    float rstd[4], *dx = take(36, sizeof *dx);
    problem_init(&p);
    ref->rmsnorm(&s, p.out32, rstd, p.in32[0], p.in32[1], p.N, p.D, (float)p.eps);
    check_forward(&p);
    ref->rmsnorm_back(&s, p.back[0], p.back[1], p.c32, p.in32[0], rstd, p.in32[1], p.N, p.D);
    check_back(&p, 0);
    check_back(&p, 1);
    ref->rmsnorm_back(&s, dx, NULL, p.c32, p.in32[0], rstd, p.in32[1], p.N, p.D);
    CHECK(memcmp(dx, p.back[0], 36 * sizeof *dx) == 0);
    free(dx);
    problem_reset(&p);
    tl_stream_free(&s);
}

TEST(layernorm_follows_its_formula_and_its_differences)
{
    problem p = { .N = 4, .D = 9, .eps = 1e-2, .n_in = { 36, 9, 9 }, .n_out = 36, .forward = layernorm_double };
    tl_stream s = stream_make();
    float mean[4], rstd[4];
    problem_init(&p);
    ref->layernorm(&s, p.out32, mean, rstd, p.in32[0], p.in32[1], p.in32[2], p.N, p.D, (float)p.eps);
    check_forward(&p);
    ref->layernorm_back(&s, p.back[0], p.back[1], p.back[2], p.c32, p.in32[0], mean, rstd, p.in32[1], p.N, p.D);
    for (int k = 0; k < 3; k++) check_back(&p, k);
    problem_reset(&p);
    tl_stream_free(&s);
}

/* ---- rotary positions ---- */

enum {
    ROPE_T = 12
};

static double rope_angle(const problem *p, int position, int i)
{
    return position * pow(100, -2.0 * i / p->h);
}

static void rope_double(problem *p)
{
    int half = p->h / 2;
    for (int n = 0; n < p->N; n++) {
        for (int j = 0; j < p->H; j++) {
            for (int i = 0; i < half; i++) {
                int at = (n * p->H + j) * p->h + i;
                double angle = rope_angle(p, p->positions[n], i), x = p->in[0][at], y = p->in[0][at + half];
                p->out[at] = x * cos(angle) - y * sin(angle);
                p->out[at + half] = y * cos(angle) + x * sin(angle);
            }
        }
    }
}

TEST(rope_turns_by_its_angle_and_back)
{
    static const int positions[] = { 3, 0, 11, 4, 5 };
    problem p = { .N = 5, .H = 3, .h = 6, .positions = positions, .n_in = { 90 }, .n_out = 90, .forward = rope_double };
    tl_stream s = stream_make();
    float cosines[ROPE_T * 3], sines[ROPE_T * 3];
    problem_init(&p);
    for (int t = 0; t < ROPE_T; t++) {
        for (int i = 0; i < 3; i++) {
            cosines[t * 3 + i] = (float)cos(rope_angle(&p, t, i));
            sines[t * 3 + i] = (float)sin(rope_angle(&p, t, i));
        }
    }
    memcpy(p.out32, p.in32[0], 90 * sizeof(float));
    ref->rope(&s, p.out32, positions, cosines, sines, p.N, p.H, p.h, p.h, false);
    check_forward(&p);
    memcpy(p.back[0], p.c32, 90 * sizeof(float));
    ref->rope(&s, p.back[0], positions, cosines, sines, p.N, p.H, p.h, p.h, true);
    check_back(&p, 0);
    problem_reset(&p);
    tl_stream_free(&s);
}

TEST(rope_of_a_part_leaves_the_rest_of_a_head)
{
    static const int positions[] = { 3, 0, 11, 4, 5 };
    enum {
        N = 5,
        H = 2,
        WHOLE = 10,
        PART = 6
    };
    float x[N * H * WHOLE], part[N * H * PART], cosines[ROPE_T * 3], sines[ROPE_T * 3];
    tl_stream s = stream_make();
    tl_rng r = tl_rng_make(4, 4);
    for (int i = 0; i < ROPE_T * 3; i++) {
        cosines[i] = cosf((float)i);
        sines[i] = sinf((float)i);
    }
    for (int i = 0; i < N * H * WHOLE; i++) {
        x[i] = (float)draw(&r);
        if (i % WHOLE < PART) part[i / WHOLE * PART + i % WHOLE] = x[i];
    }
    float before[N * H * WHOLE];
    memcpy(before, x, sizeof x);
    ref->rope(&s, x, positions, cosines, sines, N, H, WHOLE, PART, false);
    ref->rope(&s, part, positions, cosines, sines, N, H, PART, PART, false);
    for (int i = 0; i < N * H * WHOLE; i++)
        CHECK(x[i] == (i % WHOLE < PART ? part[i / WHOLE * PART + i % WHOLE] : before[i]));
    tl_stream_free(&s);
}

/* ---- attention: q, k, v ---- */

static void attention_double(problem *p)
{
    int H = p->H, G = p->G, h = p->h;
    double scores[256];
    for (int i = 0; i < p->n_segments; i++) {
        for (int t = 0; t < p->segments[i].rows; t++) {
            for (int j = 0; j < H; j++) {
                int first = p->segments[i].row, g = j / (H / G);
                const double *q = p->in[0] + ((first + t) * H + j) * h;
                double *o = p->out + ((first + t) * H + j) * h, sum = 0;
                int oldest = p->window > 0 && t >= p->window ? t - p->window + 1 : 0;
                for (int u = oldest; u <= t; u++) {
                    double z = 0;
                    for (int e = 0; e < h; e++) z += q[e] * p->in[1][((first + u) * G + g) * h + e];
                    z /= sqrt(h);
                    if (p->softcap > 0) z = p->softcap * tanh(z / p->softcap);
                    sum += scores[u] = exp(z);
                }
                for (int e = 0; e < h; e++) {
                    o[e] = 0;
                    for (int u = oldest; u <= t; u++) o[e] += scores[u] / sum * p->in[2][((first + u) * G + g) * h + e];
                }
            }
        }
    }
}

static void check_attention(int H, int G, int h, int rows_a, int rows_b, int window, double softcap, bool differences)
{
    int N = rows_a + rows_b, pages_a[8], pages_b[8];
    tl_segment segments[] = { { 0, rows_a, 0, pages_a }, { rows_a, rows_b, 0, pages_b } };
    size_t n_q = (size_t)N * (size_t)H * (size_t)h, n_k = (size_t)N * (size_t)G * (size_t)h;
    problem p = { .N = N, .H = H, .G = G, .h = h, .n_segments = 2, .segments = segments };
    p.window = window, p.softcap = softcap;
    p.n_in[0] = n_q, p.n_in[1] = p.n_in[2] = n_k, p.n_out = n_q;
    p.forward = attention_double;
    for (int i = 0; i < 8; i++) pages_a[i] = 2 * i + 1, pages_b[i] = 14 - 2 * i;
    tl_attention a = { .H = H, .G = G, .h = h, .scale = (float)(1 / sqrt(h)), .n_segments = 2, .segments = segments };
    a.window = window, a.softcap = (float)softcap;
    a.k_stride = tl_page_k(a.type, G, h), a.v_stride = tl_page_v(a.type, G, h);
    a.k = take(16 * a.k_stride, sizeof *a.k);
    a.v = take(16 * a.v_stride, sizeof *a.v);
    float *lse = take((size_t)N * (size_t)H, sizeof *lse);
    tl_stream s = stream_make();
    problem_init(&p);
    ref->kv_write(&s, &a, p.in32[1], p.in32[2]);
    ref->attention(&s, &a, p.out32, lse, p.in32[0]);
    check_forward(&p);
    ref->attention_back(&s, &a, p.back[0], p.back[1], p.back[2], p.c32, p.out32, lse, p.in32[0], p.in32[1], p.in32[2]);
    for (int k = 0; k < 3 && differences; k++) check_back(&p, k);
    free(a.k);
    free(a.v);
    free(lse);
    problem_reset(&p);
    tl_stream_free(&s);
}

TEST(attention_follows_its_formula_and_its_differences)
{
    check_attention(2, 2, 4, 6, 3, 0, 0, true);
}

TEST(attention_with_shared_key_heads_follows_its_formula_and_its_differences)
{
    check_attention(6, 2, 5, 3, 7, 0, 0, true);
}

TEST(attention_over_several_pages_follows_its_formula)
{
    check_attention(4, 2, 20, 100, 65, 0, 0, false);
}

TEST(attention_in_a_window_follows_its_formula_and_its_differences)
{
    check_attention(2, 1, 4, 9, 4, 3, 0, true);
    check_attention(2, 1, 4, 5, 4, 1, 0, true);
    check_attention(4, 2, 20, 100, 65, 33, 0, false);
}

TEST(attention_of_capped_scores_follows_its_formula_and_its_differences)
{
    check_attention(2, 1, 4, 6, 3, 0, 1.5, true);
    check_attention(2, 1, 4, 9, 4, 3, 0.75, true);
}

/* ---- activations and add ---- */

static void swiglu_double(problem *p)
{
    for (size_t i = 0; i < p->n_out; i++) p->out[i] = p->in[0][i] / (1 + exp(-p->in[0][i])) * p->in[1][i];
}

static void gelu_double(problem *p)
{
    for (size_t i = 0; i < p->n_out; i++) {
        double x = p->in[0][i];
        p->out[i] = 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    }
}

static void geglu_double(problem *p)
{
    gelu_double(p);
    for (size_t i = 0; i < p->n_out; i++) p->out[i] *= p->in[1][i];
}

static void gelu_exact_double(problem *p)
{
    for (size_t i = 0; i < p->n_out; i++) p->out[i] = p->in[0][i] * erfc(-p->in[0][i] / sqrt(2)) / 2;
}

static void check_activation(void (*forward)(problem *p), bool gated)
{
    problem p = { .n_in = { 50, gated ? 50 : 0 }, .n_out = 50, .forward = forward };
    const float *x, *up;
    float again[50];
    tl_stream s = stream_make();
    problem_init(&p);
    x = p.in32[0], up = p.in32[1];
    if (forward == swiglu_double) {
        ref->swiglu(&s, p.out32, x, up, 50);
        ref->swiglu_back(&s, again, p.back[0], p.back[1], p.c32, x, up, 50);
    } else if (forward == geglu_double) {
        ref->geglu(&s, p.out32, x, up, 50);
        ref->geglu_back(&s, again, p.back[0], p.back[1], p.c32, x, up, 50);
    } else if (forward == gelu_double) {
        ref->gelu(&s, p.out32, x, 50);
        ref->gelu_back(&s, again, p.back[0], p.c32, x, 50);
    } else {
        ref->gelu_exact(&s, p.out32, x, 50);
        ref->gelu_exact_back(&s, again, p.back[0], p.c32, x, 50);
    }
    check_forward(&p);
    check_back(&p, 0);
    if (gated) check_back(&p, 1);
    CHECK(memcmp(again, p.out32, sizeof again) == 0);
    problem_reset(&p);
    tl_stream_free(&s);
}

TEST(gated_activations_follow_their_formulas_and_their_differences)
{
    check_activation(swiglu_double, true);
    check_activation(geglu_double, true);
}

TEST(gelu_follows_its_formulas_and_their_differences)
{
    check_activation(gelu_double, false);
    check_activation(gelu_exact_double, false);
}

/* ---- embedding: a table [O, D] ---- */

static void embed_double(problem *p)
{
    for (int n = 0; n < p->N; n++)
        for (int i = 0; i < p->D; i++) p->out[n * p->D + i] = p->in[0][p->ids[n] * p->D + i];
}

TEST(embedding_follows_its_formula_and_adds_up_ids_that_repeat)
{
    static const int ids[] = { 3, 0, 3, 2, 3 };
    problem p = { .N = 5, .D = 6, .O = 4, .ids = ids, .n_in = { 24 }, .n_out = 30, .forward = embed_double };
    tl_stream s = stream_make();
    problem_init(&p);
    ref->embed(&s, p.out32, (tl_matrix){ p.in32[0], TL_DTYPE_F32 }, ids, p.N, p.D, false);
    check_forward(&p);
    ref->embed_back(&s, p.back[0], p.c32, ids, p.N, p.D);
    check_back(&p, 0);
    problem_reset(&p);
    tl_stream_free(&s);
}

/* ---- loss: logits; c are the weights ---- */

static void cross_entropy_double(problem *p)
{
    for (int n = 0; n < p->N; n++) {
        const double *z = p->in[0] + n * p->D;
        double sum = 0;
        for (int v = 0; v < p->D; v++) sum += exp(z[v]);
        p->out[n] = log(sum) - z[p->ids[n]];
    }
}

TEST(cross_entropy_follows_its_formula_and_its_differences)
{
    static const int targets[] = { 0, 10, 4, 7 };
    problem p = { .N = 4, .D = 11, .ids = targets, .n_in = { 44 }, .n_out = 4, .forward = cross_entropy_double };
    tl_stream s = stream_make();
    float loss[4];
    problem_init(&p);
    ref->log_prob(&s, p.out32, p.in32[0], targets, p.N, p.D);
    for (int n = 0; n < 4; n++) p.out32[n] = -p.out32[n];
    check_forward(&p);
    memcpy(p.back[0], p.in32[0], 44 * sizeof(float));
    ref->cross_entropy(&s, loss, p.back[0], targets, p.c32, p.N, p.D, 0);
    for (int n = 0; n < 4; n++) p.out[n] *= p.c[n];
    CHECK_CLOSE(loss, p.out, 4, 1e-5, 1.0);
    check_back(&p, 0);
    problem_reset(&p);
    tl_stream_free(&s);
}

static const double cap = 1.25;

static void capped_cross_entropy_double(problem *p)
{
    for (int n = 0; n < p->N; n++) {
        const double *z = p->in[0] + n * p->D;
        double sum = 0;
        for (int v = 0; v < p->D; v++) sum += exp(cap * tanh(z[v] / cap));
        p->out[n] = log(sum) - cap * tanh(z[p->ids[n]] / cap);
    }
}

TEST(cross_entropy_of_capped_logits_gives_the_gradient_to_what_was_capped)
{
    static const int targets[] = { 0, 10, 4, 7 };
    problem p = { .N = 4, .D = 11, .ids = targets, .n_in = { 44 }, .n_out = 4, .forward = capped_cross_entropy_double };
    tl_stream s = stream_make();
    float loss[4];
    problem_init(&p);
    memcpy(p.back[0], p.in32[0], 44 * sizeof(float));
    ref->softcap(&s, p.back[0], (float)cap, 44);
    ref->log_prob(&s, p.out32, p.back[0], targets, p.N, p.D);
    for (int n = 0; n < 4; n++) p.out32[n] = -p.out32[n];
    check_forward(&p);
    ref->cross_entropy(&s, loss, p.back[0], targets, p.c32, p.N, p.D, (float)cap);
    check_back(&p, 0);
    problem_reset(&p);
    tl_stream_free(&s);
}

TEST(logits_of_any_size_give_a_finite_loss)
{
    float z[] = { 1e30f, -1e30f, 5, 90, 100, -100 }, loss[2], out[2];
    const float weights[] = { 1, 1 };
    const int targets[] = { 0, 1 };
    tl_stream s = stream_make();
    ref->log_prob(&s, out, z, targets, 2, 3);
    ref->cross_entropy(&s, loss, z, targets, weights, 2, 3, 0);
    for (int n = 0; n < 2; n++) CHECK(fabsf(loss[n]) < 1e-3f && fabsf(out[n]) < 1e-3f);
    for (int i = 0; i < 6; i++) CHECK(fabsf(z[i]) < 1e-3f);
    tl_stream_free(&s);
}

/* ---- optimizer ---- */

TEST(adamw_follows_its_formula)
{
    enum {
        n = 40,
        STEPS = 20
    };
    float p[n], m[n] = { 0 }, v[n] = { 0 };
    double pd[n], md[n] = { 0 }, vd[n] = { 0 }, lr = 0.01, b1 = 0.9, b2 = 0.95, eps = 1e-8, decay = 0.1, clip = 0.25;
    tl_rng r = tl_rng_make(1, 1);
    tl_stream s = stream_make();
    for (int i = 0; i < n; i++) p[i] = (float)(pd[i] = draw(&r));
    for (int t = 1; t <= STEPS; t++) {
        float g[n];
        for (int i = 0; i < n; i++) {
            g[i] = (float)draw(&r);
            double d = g[i] * clip;
            pd[i] -= lr * decay * pd[i];
            md[i] = b1 * md[i] + (1 - b1) * d;
            vd[i] = b2 * vd[i] + (1 - b2) * d * d;
            pd[i] -= lr * (md[i] / (1 - pow(b1, t))) / (sqrt(vd[i] / (1 - pow(b2, t))) + eps);
        }
        tl_adamw_step step = { .lr = (float)lr,
                               .beta1 = (float)b1,
                               .beta2 = (float)b2,
                               .eps = (float)eps,
                               .weight_decay = (float)decay,
                               .correction1 = (float)(1 - pow(b1, t)),
                               .correction2 = (float)(1 - pow(b2, t)),
                               .grad_scale = (float)clip };
        tl_adamw a = { .p = p, .g = g, .m = m, .v = v, .n = n };
        ref->adamw(&s, &a, &step);
    }
    CHECK_CLOSE(p, pd, n, 1e-5, 1.0);
    CHECK_CLOSE(m, md, n, 1e-5, 0.1);
    CHECK_CLOSE(v, vd, n, 1e-5, 0.1);
    tl_stream_free(&s);
}

/* A weight and moments that move by far less than their type can tell: on average over many numbers they arrive. */
TEST(small_moves_arrive_on_average_whatever_the_numbers_lie_in)
{
    enum {
        n = 1 << 16,
        COUNTED = n - n / TL_STATE_BLOCK,
        STEPS = 20
    };
    tl_stream s = stream_make();
    float *g = take(n, sizeof *g), *m_scale = take(n / TL_STATE_BLOCK, sizeof *m_scale);
    float *v_scale = take(n / TL_STATE_BLOCK, sizeof *v_scale);
    tl_bf16 *p = take(n, sizeof *p), *m16 = take(n, sizeof *m16), *v16 = take(n, sizeof *v16);
    uint8_t *m8 = take(n, 1), *v8 = take(n, 1);
    for (int kind = TL_STATE_BF16; kind <= TL_STATE_8BIT; kind++) {
        bool small = kind == TL_STATE_8BIT;
        double pd = 1, md = 0, vd = 0, p_mean = 0, m_mean = 0, v_mean = 0;
        memset(m16, 0, n * sizeof *m16);
        memset(v16, 0, n * sizeof *v16);
        for (int i = 0; i < n; i++) p[i] = tl_f32_to_bf16(1);
        memset(m8, 0, n);
        memset(v8, 0, n);
        for (int t = 1; t <= STEPS; t++) {
            /* g = 1, and 2 as a block's first, so that no other is the block's largest, which is exact */
            for (int i = 0; i < n; i++) g[i] = i % TL_STATE_BLOCK ? 1 : 2;
            tl_adamw_step step = { .lr = 1e-4f,
                                   .beta1 = 0.9f,
                                   .beta2 = 0.999f,
                                   .eps = 1e-8f,
                                   .correction1 = (float)(1 - pow(0.9, t)),
                                   .correction2 = (float)(1 - pow(0.999, t)),
                                   .grad_scale = 1 };
            tl_adamw a = { .p = p,
                           .p_dtype = TL_DTYPE_BF16,
                           .g = g,
                           .state = (tl_state)kind,
                           .m = small ? (void *)m8 : m16,
                           .v = small ? (void *)v8 : v16,
                           .m_scale = m_scale,
                           .v_scale = v_scale,
                           .n = n,
                           .key = (uint32_t)(1000 * kind + t) };
            ref->adamw(&s, &a, &step);
            md = 0.9 * md + 0.1;
            vd = 0.999 * vd + 0.001;
            pd -= 1e-4;
        }
        for (int i = 0; i < n; i++) {
            if (i % TL_STATE_BLOCK == 0) continue;
            size_t b = (size_t)i / TL_STATE_BLOCK;
            float root = tl_code_value(v8[i], TL_FRACTION_V) * v_scale[b];
            p_mean += (double)tl_bf16_to_f32(p[i]) / COUNTED;
            m_mean +=
                (double)(small ? tl_code_value(m8[i], TL_FRACTION_M) * m_scale[b] : tl_bf16_to_f32(m16[i])) / COUNTED;
            v_mean += (double)(small ? root * root : tl_bf16_to_f32(v16[i])) / COUNTED;
        }
        /* One step is 1/39 of the distance of two bf16 numbers below 1: rounded to the nearest, p would still be 1. Its
         * mean over 65,280 has a deviation of 1e-5; m's is below 0.1 %, v's grows by what its root's rounding adds. */
        CHECK(fabs(p_mean - pd) < 6e-5);
        CHECK(fabs(m_mean / md - 1) < 5e-3);
        CHECK(fabs(v_mean / vd - 1) < 1e-2);
    }
    free(g);
    free(m_scale);
    free(v_scale);
    free(p);
    free(m16);
    free(v16);
    free(m8);
    free(v8);
    tl_stream_free(&s);
}

TEST(the_code_of_8_bits_gives_back_its_own_numbers_and_the_mean_of_any_other)
{
    for (int fraction = TL_FRACTION_M; fraction <= TL_FRACTION_V; fraction++) {
        uint32_t codes = 16u << fraction;
        CHECK(tl_code_value(codes - 1, fraction) == tl_code_top(fraction));
        for (uint32_t c = 0; c < codes; c++) {
            float x = tl_code_value(c, fraction), next = c + 1 < codes ? tl_code_value(c + 1, fraction) : x;
            CHECK(c == 0 || x > tl_code_value(c - 1, fraction));
            for (uint32_t chance = 0; chance < 65536; chance += 4369) CHECK_INT(tl_code_of(x, fraction, chance), c);
            uint32_t up = 0; /* a quarter of the way: up a quarter of the times */
            for (uint32_t chance = 0; chance < 65536; chance += 16)
                up += tl_code_of(x + (next - x) / 4, fraction, chance) - c;
            CHECK_INT(up, c + 1 < codes ? 1024 : 0);
        }
    }
}

TEST(a_sum_of_squares_keeps_what_f32_would_lose)
{
    enum {
        n = 100001
    };
    float *x = take(n, sizeof *x);
    tl_stream s = stream_make();
    for (int i = 0; i < n; i++) x[i] = i ? 1.0f : 4096.0f; /* 2^24 + 1 + 1 + ...: in f32 the ones vanish */
    CHECK(ref->sum_squares(&s, x, TL_DTYPE_F32, n) == 16777216.0 + n - 1);
    free(x);
    tl_stream_free(&s);
}

RUN_TESTS(CASE(linear_and_bias_follow_their_formula_and_its_differences),
          CASE(gains_follow_their_formula_and_its_differences), CASE(rmsnorm_follows_its_formula_and_its_differences),
          CASE(layernorm_follows_its_formula_and_its_differences), CASE(rope_turns_by_its_angle_and_back),
          CASE(rope_of_a_part_leaves_the_rest_of_a_head), CASE(attention_follows_its_formula_and_its_differences),
          CASE(attention_with_shared_key_heads_follows_its_formula_and_its_differences),
          CASE(attention_over_several_pages_follows_its_formula),
          CASE(attention_in_a_window_follows_its_formula_and_its_differences),
          CASE(attention_of_capped_scores_follows_its_formula_and_its_differences),
          CASE(gated_activations_follow_their_formulas_and_their_differences),
          CASE(gelu_follows_its_formulas_and_their_differences),
          CASE(embedding_follows_its_formula_and_adds_up_ids_that_repeat),
          CASE(cross_entropy_follows_its_formula_and_its_differences),
          CASE(cross_entropy_of_capped_logits_gives_the_gradient_to_what_was_capped),
          CASE(logits_of_any_size_give_a_finite_loss), CASE(adamw_follows_its_formula),
          CASE(small_moves_arrive_on_average_whatever_the_numbers_lie_in),
          CASE(the_code_of_8_bits_gives_back_its_own_numbers_and_the_mean_of_any_other),
          CASE(a_sum_of_squares_keeps_what_f32_would_lose))
