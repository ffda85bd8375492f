/* backend_test.c - every back end this machine can run, every row, against `ref`; and the promises on sums.
 *
 * A trial runs one row on one back end.  Its inputs come from its sizes alone, so every back end gets the same; what
 * it writes goes on a tape, output after output, each with the error that it may have.  Two tapes are then compared:
 * with those errors between back ends, bit by bit between numbers of threads.  Between outputs lie guards, so a write
 * past an end shows, and outputs start at odd addresses; inputs are blocks of their own, so that the address
 * sanitizer sees a read past an end.
 *
 * Errors: a sum of L products of numbers near 1 is a random walk of sqrt(L) steps, rounded L times at about its own
 * size, so two orders differ by about L epsilon; allowed is a few times that.  A forgotten term is off by about 1,
 * a factor rounded to bf16 against the promise by sqrt(L)/256. */
#include "backend/backend.h"
#include "backend/rounding.h"
#include "base/rng.h"
#include "tests/check.h"

#include <float.h>
#include <unistd.h>

enum {
    GUARD = 19,
    GIVEN_MAX = 64,
    MARKS_MAX = 16,
    MAX_THREADS = 3,
    POSITIONS = 256,
    HEAD = 256,
    REPORTS = 12
};

typedef struct sizes {
    int N, O, I; /* N rows; O outputs; I inputs, or the width of what has one width */
    int H, G, h;
    tl_dtype dtype;
    tl_precision precision;
    bool accumulate;
} sizes;

typedef struct tape {
    struct {
        size_t from, n;
        double error, least; /* allowed: error * max(|ref|, least); INFINITY: not compared between back ends */
    } marks[MARKS_MAX];
    int n_marks;
    float *data; /* owned */
    size_t used, room;
} tape;

typedef struct trial {
    const tl_backend *b;
    tl_stream *s;
    sizes z;
    tl_rng r;
    tape *t;
    void *given[GIVEN_MAX]; /* owned until the trial ends */
    int n_given;
} trial;

typedef void row_fn(trial *t);

static tl_stream streams[MAX_THREADS + 1][2]; /* by threads and precision */
static float numbers[8191];                   /* uniform, variance 1 */
static int failures;

static int setup(void **state)
{
    tl_err err;
    tl_rng r = tl_rng_make(11, 1);
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        numbers[i] = (float)((2 * tl_rng_unit(&r) - 1) * sqrt(3));
    for (int threads = 1; threads <= MAX_THREADS; threads++)
        for (int p = 0; p < 2; p++)
            if (tl_stream_create(&streams[threads][p], threads, (tl_precision)p, POSITIONS, HEAD, &err) < 0) return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int threads = 1; threads <= MAX_THREADS; threads++)
        for (int p = 0; p < 2; p++) tl_stream_free(&streams[threads][p]);
    return 0;
}

/* What two orders of a sum of L products may differ by. */
static double tol_sum(int L)
{
    return 4.0 * (L + 8) * FLT_EPSILON;
}

/* ---- what a trial takes ---- */

static void *given_bytes(trial *t, size_t bytes)
{
    CHECK(t->n_given < GIVEN_MAX);
    void *p = malloc(bytes ? bytes : 1);
    CHECK(p);
    return t->given[t->n_given++] = p;
}

static void fill(trial *t, float *x, size_t n)
{
    size_t have = sizeof numbers / sizeof numbers[0], at = tl_rng_below(&t->r, (uint32_t)have);
    for (size_t i = 0; i < n; i++) x[i] = numbers[(at + i) % have];
}

static float *given(trial *t, size_t n)
{
    float *x = given_bytes(t, n * sizeof *x);
    fill(t, x, n);
    return x;
}

/* n integers of 0 .. below-1. */
static int *given_ints(trial *t, size_t n, int below)
{
    int *x = given_bytes(t, n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (int)tl_rng_below(&t->r, (uint32_t)below);
    return x;
}

static tl_matrix given_matrix(trial *t, size_t n)
{
    float *wide = given(t, n);
    if (t->z.dtype == TL_DTYPE_F32) return (tl_matrix){ wide, TL_DTYPE_F32 };
    tl_bf16 *narrow = given_bytes(t, n * sizeof *narrow);
    for (size_t i = 0; i < n; i++) narrow[i] = tl_f32_to_bf16(wide[i]);
    return (tl_matrix){ narrow, TL_DTYPE_BF16 };
}

/* n outputs on the tape, NaN until written. */
static float *fresh(trial *t, size_t n, double error, double least)
{
    tape *a = t->t;
    CHECK(a->n_marks < MARKS_MAX && a->used + n + GUARD <= a->room);
    float *x = a->data + a->used;
    a->marks[a->n_marks].from = a->used;
    a->marks[a->n_marks].n = n;
    a->marks[a->n_marks].error = error;
    a->marks[a->n_marks++].least = least;
    a->used += n + GUARD;
    for (size_t i = 0; i < n; i++) x[i] = NAN;
    for (size_t i = n; i < n + GUARD; i++) x[i] = 0x1.2345p40f;
    return x;
}

/* n outputs that are added to. */
static float *grown(trial *t, size_t n, double error, double least)
{
    float *x = fresh(t, n, error, least);
    fill(t, x, n);
    return x;
}

static void trial_run(row_fn *row, const tl_backend *b, int threads, const sizes *z, tape *a)
{
    uint64_t seed = (uint64_t)z->N << 40 ^ (uint64_t)z->O << 20 ^ (uint64_t)z->I;
    trial t = { .b = b, .s = &streams[threads][z->precision], .z = *z, .r = tl_rng_make(seed, 5), .t = a };
    /* What another kernel left in the scratch may be any bits: here NaN, in f32 and in bf16. */
    for (int i = 0; i < threads; i++) memset(t.s->scratch + (size_t)i * t.s->scratch_each, 0xff, TL_PRODUCT_SCRATCH);
    a->used = 1;
    a->n_marks = 0;
    row(&t);
    for (int i = 0; i < t.n_given; i++) free(t.given[i]);
}

/* ---- comparison ---- */

static void report(const char *name, const tl_backend *b, int threads, const sizes *z, const char *what, double found,
                   double wanted)
{
    if (failures++ >= REPORTS) return;
    print_error(
        "%s %s, %d threads, N %d O %d I %d, H %d G %d h %d, weights %s, products %s%s: %s is %.9g, wanted %.9g\n",
        b->name, name, threads, z->N, z->O, z->I, z->H, z->G, z->h, z->dtype == TL_DTYPE_F32 ? "f32" : "bf16",
        z->precision == TL_PRECISION_F32 ? "f32" : "bf16", z->accumulate ? ", accumulate" : "", what, found, wanted);
}

static void compare(const char *name, const tl_backend *b, int threads, const sizes *z, const tape *found,
                    const tape *wanted)
{
    char what[80];
    for (int k = 0; k < wanted->n_marks; k++) {
        size_t from = wanted->marks[k].from, n = wanted->marks[k].n;
        double error = threads > 1 ? 0 : wanted->marks[k].error, least = wanted->marks[k].least;
        const float *x = found->data + from, *y = wanted->data + from;
        size_t i = 0;
        if (memcmp(x, y, (n + GUARD) * sizeof *x) == 0) continue;
        for (; i < n && !isinf(error); i++) {
            if (memcmp(x + i, y + i, sizeof *x) == 0) continue;
            if (error == 0 || !(fabs((double)x[i] - y[i]) <= error * fmax(fabs((double)y[i]), least))) break;
        }
        for (i = isinf(error) ? n : i; i >= n && i < n + GUARD && x[i] == y[i]; i++) continue;
        if (i == n + GUARD) continue;
        snprintf(what, sizeof what, "output %d [%zu of %zu]%s", k, i, n, i >= n ? ", past its end," : "");
        report(name, b, threads, z, what, x[i], y[i]);
        return;
    }
}

/* One row at one size on every back end; with more threads too where asked. */
static void check_row(const char *name, row_fn *row, const sizes *z, bool threads)
{
    enum {
        ROOM = 3 << 20
    };
    static float room[3][ROOM];
    tape wanted = { .data = room[0], .room = ROOM }, one = { .data = room[1], .room = ROOM };
    tape more = { .data = room[2], .room = ROOM };
    const tl_backend *const *all = tl_backend_all();
    trial_run(row, &tl_backend_ref, 1, z, &wanted);
    for (int i = 0; all[i]; i++) {
        trial_run(row, all[i], 1, z, &one);
        compare(name, all[i], 1, z, &one, &wanted);
        for (int n = 2; threads && n <= MAX_THREADS; n++) {
            trial_run(row, all[i], n, z, &more);
            compare(name, all[i], n, z, &more, &one);
        }
    }
}

static void check_done(void)
{
    int n = failures;
    failures = 0;
    if (n) fail_msg("%d trials failed", n);
}

/* ---- matrix products ---- */

static size_t times(int a, int b)
{
    return (size_t)a * (size_t)b;
}

/* What an adapter adds to rows of n numbers, in about a third of all trials: ranks on both sides of what is taken
 * along. */
static tl_low_product given_low(trial *t, int n, int salt)
{
    const int r = 1 + (t->z.N * 3 + t->z.O + t->z.I + salt) % 70;
    if ((t->z.N + t->z.O + t->z.I + salt) % 3 > 0) return (tl_low_product){ .x = NULL };
    float *x = given(t, times(t->z.N, r)), *w = given(t, times(n, r));
    return (tl_low_product){ x, w, r };
}

static void linear_row(trial *t)
{
    int N = t->z.N, O = t->z.O, I = t->z.I;
    float *x = given(t, times(N, I)), *bias = given(t, (size_t)O), *residual = given(t, times(N, O / 2));
    tl_matrix w = given_matrix(t, times(O, I)), half = given_matrix(t, times(O / 2, I));
    float *y = t->z.accumulate ? grown(t, times(N, O), tol_sum(I), 1) : fresh(t, times(N, O), tol_sum(I), 1);
    float *z = fresh(t, times(N, O / 2), tol_sum(I), 1);
    tl_product p[2] = { { .y = y, .w = w, .O = O, .add = t->z.accumulate ? y : NULL, .bias = I & 1 ? bias : NULL },
                        { .y = z, .w = half, .O = O / 2, .add = residual, .bias = I & 2 ? bias : NULL } };
    p[0].low = given_low(t, O, 0);
    p[1].low = given_low(t, O / 2, 1);
    t->b->linear(t->s, p, O > 1 ? 2 : 1, x, N, I);
}

static void linear_dx_row(trial *t)
{
    int N = t->z.N, O = t->z.O, I = t->z.I;
    float *dy = given(t, times(N, O)), *other = given(t, times(N, O / 2));
    tl_matrix w = given_matrix(t, times(O, I)), half = given_matrix(t, times(O / 2, I));
    float *dx = t->z.accumulate ? grown(t, times(N, I), tol_sum(2 * O), 1) : fresh(t, times(N, I), tol_sum(2 * O), 1);
    tl_product_back p[2] = { { .dy = dy, .w = w, .O = O }, { .dy = other, .w = half, .O = O / 2 } };
    p[0].low = given_low(t, I, 0);
    p[1].low = given_low(t, I, 1);
    t->b->linear_dx(t->s, dx, p, O > 1 ? 2 : 1, N, I, t->z.accumulate);
}

static void linear_dw_row(trial *t)
{
    int N = t->z.N, O = t->z.O, I = t->z.I;
    float *dy = given(t, times(N, O)), *x = given(t, times(N, I));
    float *dw = t->z.accumulate ? grown(t, times(O, I), tol_sum(N), 1) : fresh(t, times(O, I), tol_sum(N), 1);
    t->b->linear_dw(t->s, dw, dy, x, N, O, I, t->z.accumulate);
}

static const int row_counts[] = { 1, 2, 3, 13, 14, 15, 29, 64, 131 };
static const int widths[] = { 1, 5, 16, 17, 31, 33, 63, 64, 100, 192, 257 };

enum {
    ROW_COUNTS = sizeof row_counts / sizeof row_counts[0],
    WIDTHS = sizeof widths / sizeof widths[0]
};

TEST(matrix_products_of_every_back_end_agree_with_ref)
{
    int k = 0;
    for (int n = 0; n < ROW_COUNTS; n++) {
        for (int a = 0; a < WIDTHS; a++) {
            for (int c = 0; c < 8; c++, k++) { /* each width meets another as inputs and as outputs */
                int other = widths[(a * 7 + n * 3 + c / 4) % WIDTHS];
                sizes z = { .N = row_counts[n], .O = c / 4 ? widths[a] : other, .I = c / 4 ? other : widths[a] };
                z.dtype = c & 1 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
                z.precision = c & 2 ? TL_PRECISION_BF16 : TL_PRECISION_F32;
                z.accumulate = k / 8 & 1;
                check_row("linear", linear_row, &z, k % 21 == 0);
                check_row("linear_dx", linear_dx_row, &z, k % 21 == 8);
                check_row("linear_dw", linear_dw_row, &z, k % 21 == 15);
            }
        }
    }
    check_done();
}

/* ---- norms, bias, embedding: N rows of width I ---- */

static void rmsnorm_row(trial *t)
{
    int N = t->z.N, D = t->z.I;
    /* A narrow row may lie near zero; r then enlarges it and its errors. */
    double least = D < 8 ? 100 : 4;
    float *x = given(t, times(N, D)), *g = given(t, (size_t)D), *dy = given(t, times(N, D));
    float *y = fresh(t, times(N, D), tol_sum(D), 1), *rstd = fresh(t, (size_t)N, tol_sum(D), 1);
    float *dx = grown(t, times(N, D), tol_sum(D), least), *dg = grown(t, (size_t)D, tol_sum(N + D), least);
    float *alone = grown(t, times(N, D), tol_sum(D), least);
    t->b->rmsnorm(t->s, y, rstd, x, g, N, D, 1e-5f);
    t->b->rmsnorm_back(t->s, dx, dg, dy, x, rstd, g, N, D);
    t->b->rmsnorm_back(t->s, alone, NULL, dy, x, rstd, g, N, D);
}

static void layernorm_row(trial *t)
{
    int N = t->z.N, D = t->z.I;
    double least = D < 8 ? 100 : 4;
    float *x = given(t, times(N, D)), *g = given(t, (size_t)D), *b = given(t, (size_t)D), *dy = given(t, times(N, D));
    float *y = fresh(t, times(N, D), tol_sum(D), least), *mean = fresh(t, (size_t)N, tol_sum(D), 1);
    float *rstd = fresh(t, (size_t)N, tol_sum(D), 1), *dx = grown(t, times(N, D), tol_sum(D), least);
    float *dg = grown(t, (size_t)D, tol_sum(N + D), least), *db = grown(t, (size_t)D, tol_sum(N), 1);
    t->b->layernorm(t->s, y, mean, rstd, x, g, b, N, D, 1e-5f);
    t->b->layernorm_back(t->s, dx, dg, db, dy, x, mean, rstd, g, N, D);
}

static void bias_row(trial *t)
{
    int N = t->z.N, D = t->z.I;
    float *dy = given(t, times(N, D));
    t->b->bias_back(t->s, grown(t, (size_t)D, tol_sum(N), 1), dy, N, D);
}

static void gain_row(trial *t)
{
    int N = t->z.N, D = t->z.I;
    size_t n = times(N, D);
    float *x = given(t, n), *g = given(t, (size_t)D), *b = given(t, (size_t)D), *add = given(t, n), *dy = given(t, n);
    float *norm = given(t, (size_t)D);
    for (int d = 0; d < D; d++) norm[d] = norm[d] * norm[d] + 0.5f;
    t->b->gain(t->s, fresh(t, n, tol_sum(2), 1), x, g, b, add, N, D);
    t->b->gain(t->s, fresh(t, n, tol_sum(1), 1), x, g, NULL, NULL, N, D);
    t->b->gain_back(t->s, grown(t, (size_t)D, tol_sum(N), 1), dy, x, norm, N, D);
    t->b->gain(t->s, x, x, g, b, NULL, N, D); /* in place, as a product's output is */
    memcpy(fresh(t, n, tol_sum(2), 1), x, n * sizeof *x);
}

static void embed_row(trial *t)
{
    int N = t->z.N, D = t->z.I, V = 1 + N / 2; /* some id repeats */
    tl_matrix table = given_matrix(t, times(V, D));
    int *ids = given_ints(t, (size_t)N, V);
    float *dy = given(t, times(N, D));
    float *y = t->z.accumulate ? grown(t, times(N, D), FLT_EPSILON, 1) : fresh(t, times(N, D), 0, 1);
    t->b->embed(t->s, y, table, ids, N, D, t->z.accumulate);
    t->b->embed_back(t->s, grown(t, times(V, D), tol_sum(N), 1), dy, ids, N, D);
}

TEST(matrix_products_larger_than_a_kernels_blocks_agree_with_ref)
{
    static const int shapes[][3] = { { 7, 1100, 600 }, { 150, 70, 1030 }, { 600, 33, 90 }, { 1, 2049, 300 } };
    for (int i = 0; i < 4; i++) {
        for (int c = 0; c < 4; c++) {
            sizes z = { .N = shapes[i][0], .O = shapes[i][1], .I = shapes[i][2], .accumulate = i & 1 };
            z.dtype = c & 1 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
            z.precision = c & 2 ? TL_PRECISION_BF16 : TL_PRECISION_F32;
            check_row("linear", linear_row, &z, true);
            check_row("linear_dx", linear_dx_row, &z, true);
            check_row("linear_dw", linear_dw_row, &z, true);
        }
    }
    check_done();
}

TEST(norms_bias_and_embedding_of_every_back_end_agree_with_ref)
{
    int k = 0;
    for (int n = 0; n < ROW_COUNTS; n++) {
        for (int a = 0; a < WIDTHS; a++, k++) {
            sizes z = { .N = row_counts[n], .I = widths[a], .accumulate = k & 1 };
            z.dtype = k / 2 & 1 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
            check_row("rmsnorm", rmsnorm_row, &z, k % 8 == 0);
            check_row("layernorm", layernorm_row, &z, k % 8 == 1);
            check_row("bias", bias_row, &z, k % 8 == 2);
            check_row("embed", embed_row, &z, k % 8 == 3);
            check_row("gain", gain_row, &z, k % 8 == 4);
        }
    }
    sizes large = { .N = 200, .I = 257, .dtype = TL_DTYPE_BF16 }; /* work enough that a kernel wakes its threads */
    check_row("rmsnorm", rmsnorm_row, &large, true);
    check_row("layernorm", layernorm_row, &large, true);
    check_row("bias", bias_row, &large, true);
    check_row("gain", gain_row, &large, true);
    check_row("embed", embed_row, &large, true);
    check_done();
}

/* ---- rope and attention ---- */

static void rope_row(trial *t)
{
    int N = t->z.N, T = 40, heads = t->z.H, h = t->z.h;
    float *cosines = given(t, times(T, h / 2)), *sines = given(t, times(T, h / 2));
    int *positions = given_ints(t, (size_t)N, T);
    for (int part = 0; part < 3; part++) { /* the whole of a head, half of it, a quarter */
        int w = part == 0 ? h : h >> part & ~1;
        for (int inverse = 0; w > 0 && inverse < 2; inverse++)
            t->b->rope(t->s, grown(t, times(N, heads * h), tol_sum(2), 1), positions, cosines, sines, N, heads, h, w,
                       inverse);
    }
}

enum {
    SEQUENCES_MAX = 8,
    PAGES_EACH = POSITIONS / TL_PAGE
};

typedef struct sequences {
    tl_attention a;
    tl_segment segments[SEQUENCES_MAX];
    int pages[SEQUENCES_MAX][PAGES_EACH];
    int N;
} sequences;

/* n sequences of so many rows, with pages of their own, scattered, NaN where nothing was written yet. */
static void sequences_init(trial *t, sequences *q, const int *rows, int n)
{
    int H = t->z.H, G = t->z.G, h = t->z.h, all[SEQUENCES_MAX * PAGES_EACH];
    memset(q, 0, sizeof *q);
    for (int i = 0; i < SEQUENCES_MAX * PAGES_EACH; i++) all[i] = i;
    tl_rng_shuffle(&t->r, all, SEQUENCES_MAX * PAGES_EACH);
    memcpy(q->pages, all, sizeof all);
    for (int i = 0; i < n; i++) {
        q->segments[i] = (tl_segment){ .row = q->N, .rows = rows[i], .start = 0, .pages = q->pages[i] };
        q->N += rows[i];
    }
    q->a = (tl_attention){ .H = H, .G = G, .h = h, .scale = 1 / sqrtf((float)h), .n_segments = n, .type = t->z.dtype };
    q->a.window = t->z.O;
    q->a.softcap = t->z.accumulate ? 1.5f : 0;
    q->a.segments = q->segments;
    q->a.k_stride = tl_page_k(t->z.dtype, G, h) + 32;
    q->a.v_stride = tl_page_v(t->z.dtype, G, h) + 16;
    size_t n_k = SEQUENCES_MAX * PAGES_EACH * q->a.k_stride, n_v = SEQUENCES_MAX * PAGES_EACH * q->a.v_stride;
    CHECK(t->n_given + 2 <= GIVEN_MAX);
    t->given[t->n_given++] = q->a.k = aligned_alloc(64, n_k * sizeof(uint32_t));
    t->given[t->n_given++] = q->a.v = aligned_alloc(64, n_v * sizeof(uint32_t));
    CHECK(q->a.k && q->a.v);
    memset(q->a.k, 0xff, n_k * sizeof(uint32_t));
    memset(q->a.v, 0xff, n_v * sizeof(uint32_t));
}

/* A term of the softmax may be rounded to another bf16 than ref's where the score before it, or the largest score it
 * stands relative to, differs: by 2^-8 of it.  What the terms are sums of are averages of them. */
static double tol_attention(const trial *t, int L)
{
    return tol_sum(L) + (t->z.dtype == TL_DTYPE_BF16 ? 0x1p-7 : 0);
}

/* Sequences that grew by some rows: what came before was written by an earlier batch. */
static void attention_row(trial *t)
{
    static const int before[] = { 0, 31, 32, 30, 0, 3, 64, 95 }, now[] = { 1, 1, 1, 5, 33, 70, 13, 3 };
    int H = t->z.H, G = t->z.G, h = t->z.h, T = 100, N = 0;
    sequences q;
    sequences_init(t, &q, before, SEQUENCES_MAX);
    t->b->kv_write(t->s, &q.a, given(t, times(q.N, G * h)), given(t, times(q.N, G * h)));
    for (int i = 0; i < SEQUENCES_MAX; i++) {
        q.segments[i].start = before[i];
        q.segments[i].row = N;
        q.segments[i].rows = now[i];
        N += now[i];
    }
    float *o = fresh(t, times(N, H * h), tol_attention(t, h + T), 1), *lse = fresh(t, times(N, H), tol_sum(h + T), 1);
    t->b->kv_write(t->s, &q.a, given(t, times(N, G * h)), given(t, times(N, G * h)));
    t->b->attention(t->s, &q.a, o, lse, given(t, times(N, H * h)));
    /* One page of the last sequence as it was written: moved, not computed. */
    size_t page = (size_t)q.pages[SEQUENCES_MAX - 1][2];
    size_t n_k = tl_page_k(q.a.type, G, h), n_v = tl_page_v(q.a.type, G, h);
    memcpy(fresh(t, n_k, 0, 0), q.a.k + page * q.a.k_stride, n_k * sizeof(float));
    memcpy(fresh(t, n_v, 0, 0), q.a.v + page * q.a.v_stride, n_v * sizeof(float));
}

static void attention_back_row(trial *t)
{
    static const int rows[] = { 1, 33, 5, 64, 150, 2 };
    int H = t->z.H, G = t->z.G, h = t->z.h, L = 150 * (H / G) + h;
    sequences q;
    sequences_init(t, &q, rows, 6);
    size_t n_q = times(q.N, H * h), n_k = times(q.N, G * h);
    float *k = given(t, n_k), *v = given(t, n_k), *query = given(t, n_q), *dout = given(t, n_q);
    float *o = fresh(t, n_q, tol_attention(t, h + 150), 1), *lse = fresh(t, times(q.N, H), tol_sum(h + 150), 1);
    float *dq = fresh(t, n_q, tol_attention(t, L), 1), *dk = fresh(t, n_k, tol_attention(t, L), 1);
    float *dv = fresh(t, n_k, tol_attention(t, L), 1);
    t->b->kv_write(t->s, &q.a, k, v);
    t->b->attention(t->s, &q.a, o, lse, query);
    t->b->attention_back(t->s, &q.a, dq, dk, dv, dout, o, lse, query, k, v);
}

TEST(rope_and_attention_of_every_back_end_agree_with_ref)
{
    static const int heads[][2] = { { 1, 1 }, { 2, 1 }, { 2, 2 }, { 3, 1 }, { 4, 2 }, { 5, 5 }, { 6, 2 }, { 6, 3 } };
    static const int head_widths[] = { 8, 16, 20, 32, 48, 64 }, windows[] = { 0, 0, 1, 33, 70, 64 };
    int k = 0;
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 6; j++, k++) {
            sizes z = { .N = row_counts[k % ROW_COUNTS], .H = heads[i][0], .G = heads[i][1], .h = head_widths[j] };
            check_row("rope", rope_row, &z, k % 6 == 0);
            for (int c = 0; c < 4; c++) { /* f32 or bf16; all or a window of that many positions; capped or not */
                z.dtype = c & 1 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
                z.O = windows[(k + c) % 6];
                z.accumulate = (k + c / 2) & 1;
                check_row("attention", attention_row, &z, k % 6 == 1);
                check_row("attention_back", attention_back_row, &z, k % 6 == 2);
            }
        }
    }
    for (int h = 80; h <= HEAD; h += 44) {
        sizes z = { .N = 300, .H = 4, .G = 2, .h = h, .dtype = h / 4 % 2 ? TL_DTYPE_BF16 : TL_DTYPE_F32 };
        check_row("rope", rope_row, &z, true);
        check_row("attention", attention_row, &z, true);
        check_row("attention_back", attention_back_row, &z, true);
    }
    for (int c = 0; c < 4; c++) { /* as many heads to a key head as fit into a block, and more */
        sizes z = { .H = c & 2 ? 70 : 64, .G = 1, .h = 8, .O = 40, .dtype = c & 1 ? TL_DTYPE_BF16 : TL_DTYPE_F32 };
        check_row("attention", attention_row, &z, true);
        check_row("attention_back", attention_back_row, &z, true);
    }
    check_done();
}

/* ---- numbers one by one: N of them ---- */

/* Where exp overflows, and where nothing is left of it. */
static float *given_with_extremes(trial *t, size_t n)
{
    static const float extremes[] = { 0, -100, 100, 1e4f, -1e4f, -0.0f, 20, -20, 88, -88 };
    float *x = given(t, n);
    for (size_t i = 0; i < n; i += 7) x[i] = extremes[i / 7 % (sizeof extremes / sizeof extremes[0])];
    return x;
}

/* The same numbers by two calls. */
static void want_same(const trial *t, const char *name, const float *x, const float *y, size_t n)
{
    if (memcmp(x, y, n * sizeof *x) != 0 && failures++ < REPORTS)
        print_error("%s: %s of %zu numbers\n", t->b->name, name, n);
}

static float *copied(trial *t, const float *x, size_t n)
{
    return memcpy(given_bytes(t, n * sizeof *x), x, n * sizeof *x);
}

static void pointwise_row(trial *t)
{
    size_t n = (size_t)t->z.N;
    double error = 32 * FLT_EPSILON; /* of exp and tanh by polynomial */
    float *x = given_with_extremes(t, n), *up = given(t, n), *dy = given(t, n), *y = given(t, n);
    float *gated = fresh(t, n, error, 1), *dgate = fresh(t, n, error, 1), *dup = fresh(t, n, error, 1);
    t->b->swiglu(t->s, gated, x, up, n);
    t->b->swiglu_back(t->s, y, dgate, dup, dy, x, up, n);
    want_same(t, "swiglu_back makes another y than swiglu", y, gated, n);
    float *a = copied(t, x, n), *b = copied(t, up, n), *c = copied(t, dy, n);
    t->b->swiglu_back(t->s, c, a, b, c, a, b, n);
    want_same(t, "swiglu_back in place makes another y", c, gated, n);
    want_same(t, "swiglu_back in place makes another dgate", a, dgate, n);
    want_same(t, "swiglu_back in place makes another dup", b, dup, n);
    float *bent = fresh(t, n, error, 1), *dx = fresh(t, n, error, 1);
    t->b->gelu(t->s, bent, x, n);
    t->b->gelu_back(t->s, y, dx, dy, x, n);
    want_same(t, "gelu_back makes another y than gelu", y, bent, n);
    a = copied(t, x, n), c = copied(t, dy, n);
    t->b->gelu_back(t->s, c, a, c, a, n);
    want_same(t, "gelu_back in place makes another y", c, bent, n);
    want_same(t, "gelu_back in place makes another dx", a, dx, n);
    t->b->geglu(t->s, gated = fresh(t, n, error, 1), x, up, n);
    dgate = fresh(t, n, error, 1), dup = fresh(t, n, error, 1);
    t->b->geglu_back(t->s, y, dgate, dup, dy, x, up, n);
    want_same(t, "geglu_back makes another y than geglu", y, gated, n);
    a = copied(t, x, n), b = copied(t, up, n), c = copied(t, dy, n);
    t->b->geglu_back(t->s, c, a, b, c, a, b, n);
    want_same(t, "geglu_back in place makes another y", c, gated, n);
    want_same(t, "geglu_back in place makes another dgate", a, dgate, n);
    want_same(t, "geglu_back in place makes another dup", b, dup, n);
    t->b->gelu_exact(t->s, bent = fresh(t, n, error, 1), x, n);
    t->b->gelu_exact_back(t->s, y, dx = fresh(t, n, error, 1), dy, x, n);
    want_same(t, "gelu_exact_back makes another y than gelu_exact", y, bent, n);
    a = copied(t, x, n), c = copied(t, dy, n);
    t->b->gelu_exact_back(t->s, c, a, c, a, n);
    want_same(t, "gelu_exact_back in place makes another y", c, bent, n);
    want_same(t, "gelu_exact_back in place makes another dx", a, dx, n);
    float *capped = fresh(t, n, error, 1);
    memcpy(capped, x, n * sizeof *x);
    t->b->softcap(t->s, capped, 1.5f, n);
    t->b->scale(t->s, grown(t, n, 0, 1), 0.7f, n);
    t->b->add(t->s, grown(t, n, tol_sum(1), 1), up, -0.3f, n);
}

static tl_bf16 *narrowed(trial *t, const float *x, size_t n)
{
    tl_bf16 *y = given_bytes(t, n * sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = tl_f32_to_bf16(x[i]);
    return y;
}

static void widen(float *y, const tl_bf16 *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = tl_bf16_to_f32(x[i]);
}

/* A step of N numbers: O is the state's type, accumulate says bf16 weights, dtype is the gradient's.  What is rounded
 * by chance may come out one step apart where the last bit of the f32 before it differs. */
static void adamw_row(trial *t)
{
    enum {
        F = TL_FRACTION_M,
        G = TL_FRACTION_V
    };
    size_t n = (size_t)t->z.N, blocks = (n + TL_STATE_BLOCK - 1) / TL_STATE_BLOCK;
    tl_state state = (tl_state)t->z.O;
    bool small = t->z.accumulate, codes = state == TL_STATE_8BIT;
    double error = 16 * FLT_EPSILON, half = 0x1p-7, code = 0x1p-3 + 0x1p-8;
    double moments = codes ? code : state == TL_STATE_BF16 ? half : error;
    float *g = given(t, n), *p = grown(t, n, small ? half : error, 1);
    float *m = grown(t, n, moments, codes ? 0x1p-10 : 1), *v = grown(t, n, moments, codes ? 0x1p-10 : 1);
    float *m_scale = fresh(t, blocks, error, 0.1), *v_scale = fresh(t, blocks, error, 0.1);
    for (size_t i = 0; i < n; i++) v[i] = v[i] * v[i] + 0.01f;
    tl_adamw_step step = { .lr = 0.1f,
                           .beta1 = 0.9f,
                           .beta2 = 0.95f,
                           .eps = 1e-8f,
                           .weight_decay = 0.1f,
                           .correction1 = 0.5f,
                           .correction2 = 0.7f,
                           .grad_scale = 0.3f };
    tl_adamw a = { .p = p, .g = g, .state = state, .m = m, .v = v, .n = n, .key = 77 };
    uint8_t *mc = given_bytes(t, n), *vc = given_bytes(t, n);
    if (small) {
        a.p = narrowed(t, p, n);
        a.p_dtype = TL_DTYPE_BF16;
    }
    if (t->z.dtype == TL_DTYPE_BF16) {
        a.g = narrowed(t, g, n);
        a.g_dtype = TL_DTYPE_BF16;
    }
    if (state == TL_STATE_BF16) {
        a.m = narrowed(t, m, n);
        a.v = narrowed(t, v, n);
    }
    for (size_t i = 0; i < blocks; i++) m_scale[i] = v_scale[i] = 1 + (float)i;
    if (codes) { /* blocks of zeros too, whose scale is 0 */
        for (size_t i = 0; i < n; i++) {
            bool none = i / TL_STATE_BLOCK == 2;
            mc[i] = none ? 0 : (uint8_t)(37 * i);
            vc[i] = none ? 0 : (uint8_t)(101 * i + 3);
            if (none) g[i] = 0;
        }
        a.m = mc;
        a.v = vc;
        a.m_scale = m_scale;
        a.v_scale = v_scale;
    }
    t->b->adamw(t->s, &a, &step);
    if (small) widen(p, a.p, n);
    if (state == TL_STATE_BF16) {
        widen(m, a.m, n);
        widen(v, a.v, n);
    }
    for (size_t i = 0; codes && i < n; i++) {
        float size = tl_code_value(mc[i] & 127u, F) * m_scale[i / TL_STATE_BLOCK];
        m[i] = mc[i] & 128u ? -size : size;
        v[i] = tl_code_value(vc[i], G) * v_scale[i / TL_STATE_BLOCK];
    }
}

static void sum_squares_row(trial *t)
{
    size_t n = (size_t)t->z.N;
    float *x = given(t, n);
    tl_bf16 *h = narrowed(t, x, n);
    for (int i = 0; i < 2; i++) {
        double sum = i ? t->b->sum_squares(t->s, h, TL_DTYPE_BF16, n) : t->b->sum_squares(t->s, x, TL_DTYPE_F32, n);
        fresh(t, 1, 1e-8, 1)[0] = (float)(sum / (double)n - 1); /* what f32 keeps of it is then below 1e-8 */
        memcpy(fresh(t, 2, INFINITY, 0), &sum, sizeof sum);     /* its bits, for the comparison of threads */
    }
}

static void narrow_row(trial *t)
{
    size_t n = (size_t)t->z.N;
    float *x = given_with_extremes(t, n), *y = fresh(t, n, 0, 1), *sum = fresh(t, n, 0, 1);
    tl_bf16 *h = given_bytes(t, n * sizeof *h);
    x[n / 2] = n % 2 ? INFINITY : x[n / 2];
    t->b->narrow(t->s, h, x, n, false);
    for (size_t i = 0; i < n; i++)
        if (h[i] != tl_f32_to_bf16(x[i]) && failures++ < REPORTS)
            print_error("%s narrow: %.9g became %.9g\n", t->b->name, (double)x[i], (double)tl_bf16_to_f32(h[i]));
    x[n / 2] = 1;
    t->b->narrow(t->s, h, x, n, false);
    widen(y, h, n);
    t->b->narrow(t->s, h, given(t, n), n, true);
    widen(sum, h, n);
    uint32_t bits = 0xffffffffu; /* a NaN that rounding would make zero */
    memcpy(x, &bits, sizeof bits);
    t->b->narrow(t->s, h, x, n, false);
    if ((h[0] & 0x7fffu) <= 0x7f80u && failures++ < REPORTS) print_error("%s narrow: NaN is %x\n", t->b->name, h[0]);
}

TEST(pointwise_rows_of_every_back_end_agree_with_ref)
{
    static const int counts[] = { 1, 2, 7, 15, 16, 17, 33, 64, 100, 257, 1000, 4099, 70001 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        sizes z = { .N = counts[i] };
        check_row("pointwise", pointwise_row, &z, true);
        check_row("sum_squares", sum_squares_row, &z, true);
        check_row("narrow", narrow_row, &z, true);
        for (z.O = TL_STATE_F32; z.O <= TL_STATE_8BIT; z.O++)
            for (int types = 0; types < 4; types++) {
                z.accumulate = types & 1;
                z.dtype = types & 2 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
                check_row("adamw", adamw_row, &z, true);
            }
    }
    check_done();
}

/* ---- losses ---- */

static void loss_row(trial *t)
{
    int N = t->z.N, V = t->z.I;
    float *weights = given(t, (size_t)N), *logits = given(t, times(N, V));
    int *targets = given_ints(t, (size_t)N, V);
    for (size_t i = 0; i < times(N, V); i++) logits[i] *= 4;
    weights[0] = N > 1 ? 0 : 1;
    t->b->log_prob(t->s, fresh(t, (size_t)N, tol_sum(V), 1), logits, targets, N, V);
    float *loss = fresh(t, (size_t)N, tol_sum(V), 1), *gradients = fresh(t, times(N, V), tol_sum(V), 1.0 / V);
    memcpy(gradients, logits, times(N, V) * sizeof *logits);
    t->b->cross_entropy(t->s, loss, gradients, targets, weights, N, V, 0);
    loss = fresh(t, (size_t)N, tol_sum(V), 1), gradients = fresh(t, times(N, V), tol_sum(V), 1.0 / V);
    memcpy(gradients, logits, times(N, V) * sizeof *logits);
    t->b->cross_entropy(t->s, loss, gradients, targets, weights, N, V, 8);
}

TEST(losses_of_every_back_end_agree_with_ref)
{
    static const int vocabularies[] = { 1, 7, 16, 33, 100, 1000 };
    for (int n = 0; n < ROW_COUNTS; n++) {
        for (int i = 0; i < 6; i++) {
            sizes z = { .N = row_counts[n], .I = vocabularies[i] };
            check_row("losses", loss_row, &z, (n + i) % 5 == 0);
        }
    }
    check_done();
}

/* Logits of eighths plus 4096 are exact, and so are their differences to the largest. */
static void offset_loss(trial *t)
{
    int N = t->z.N, V = t->z.I, *targets = given_ints(t, (size_t)N, V);
    float *weights = given(t, (size_t)N), *z[2], *loss[2], *log_prob[2];
    for (int k = 0; k < 2; k++) {
        z[k] = given(t, times(N, V));
        loss[k] = fresh(t, (size_t)N, tol_sum(V), 1);
        log_prob[k] = fresh(t, (size_t)N, tol_sum(V), 1);
    }
    for (size_t i = 0; i < times(N, V); i++) z[1][i] = 4096 + (z[0][i] = rintf(z[0][i] * 16) / 8);
    for (int k = 0; k < 2; k++) {
        t->b->log_prob(t->s, log_prob[k], z[k], targets, N, V);
        t->b->cross_entropy(t->s, loss[k], z[k], targets, weights, N, V, 0);
    }
    for (int n = 0; n < N; n++) {
        if (log_prob[0][n] != log_prob[1][n])
            report("log_prob", t->b, 1, &t->z, "with 4096 added to the logits", log_prob[1][n], log_prob[0][n]);
        if (loss[0][n] != loss[1][n])
            report("cross_entropy", t->b, 1, &t->z, "with 4096 added to the logits", loss[1][n], loss[0][n]);
    }
}

TEST(a_loss_sees_only_differences_of_logits)
{
    sizes z = { .N = 13, .I = 100 };
    check_row("offset", offset_loss, &z, false);
    check_done();
}

/* ---- a row alone and among others ---- */

/* Splits of N rows: how many go together. */
static const int splits[] = { 1, 2, 13, 14, 29, 64 };

enum {
    SPLITS = sizeof splits / sizeof splits[0],
    SPLIT_N = 131
};

static void same_bits(trial *t, const char *name, const float *found, const float *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char what[80];
        if (memcmp(found + i, wanted + i, sizeof *found) == 0) continue;
        snprintf(what, sizeof what, "number %zu of a row among fewer", i);
        report(name, t->b, t->s->threads, &t->z, what, found[i], wanted[i]);
        return;
    }
}

/* Rows from n on. */
static tl_low_product low_from(tl_low_product low, int n)
{
    if (low.x) low.x += times(n, low.r);
    return low;
}

/* Some rows of a product; apart: what the adapter adds in a product of its own. */
static void linear_part(trial *t, tl_product p, const float *x, int m, bool apart)
{
    const tl_low_product low = p.low;
    if (apart) p.low.x = NULL;
    t->b->linear(t->s, &p, 1, x, m, t->z.I);
    p = (tl_product){ .y = p.y, .w = { low.w, TL_DTYPE_F32 }, .O = p.O, .add = p.y };
    if (apart && low.x) t->b->linear(t->s, &p, 1, low.x, m, low.r);
}

static void split_linear(trial *t)
{
    int N = SPLIT_N, O = t->z.O, I = t->z.I;
    float *x = given(t, times(N, I)), *dy = given(t, times(N, O)), *bias = given(t, (size_t)O);
    tl_matrix w = given_matrix(t, times(O, I));
    float *y = given(t, times(N, O)), *dx = given(t, times(N, I)),
          *part = given_bytes(t, times(N, O + I) * sizeof *part);
    float *y0 = given_bytes(t, times(N, O) * sizeof *y), *dx0 = given_bytes(t, times(N, I) * sizeof *dx);
    const int r = O % 2 ? 7 : 16;
    const tl_low_product low = { given(t, times(N, r)), given(t, times(O, r)), r };
    const tl_low_product dlow = { given(t, times(N, r)), given(t, times(r, I)), r };
    memcpy(y0, y, times(N, O) * sizeof *y);
    memcpy(dx0, dx, times(N, I) * sizeof *dx);
    tl_product whole = { .y = y, .w = w, .O = O, .add = t->z.accumulate ? y : NULL, .bias = bias, .low = low };
    tl_product_back back = { .dy = dy, .w = w, .O = O, .low = dlow };
    t->b->linear(t->s, &whole, 1, x, N, I);
    t->b->linear_dx(t->s, dx, &back, 1, N, I, t->z.accumulate);
    for (int i = 0; i < SPLITS; i++) {
        memcpy(part, y0, times(N, O) * sizeof *y);
        for (int n = 0, m; n < N; n += m) {
            m = N - n < splits[i] ? N - n : splits[i];
            tl_product p = whole;
            p.y = part + times(n, O);
            p.add = t->z.accumulate ? p.y : NULL;
            p.low = low_from(low, n);
            linear_part(t, p, x + times(n, I), m, i % 2);
        }
        same_bits(t, "linear", part, y, times(N, O));
        memcpy(part, dx0, times(N, I) * sizeof *dx);
        for (int n = 0, m; n < N; n += m) {
            m = N - n < splits[i] ? N - n : splits[i];
            tl_product_back p = back;
            p.dy = dy + times(n, O);
            p.low = low_from(dlow, n);
            t->b->linear_dx(t->s, part + times(n, I), &p, 1, m, I, t->z.accumulate);
        }
        same_bits(t, "linear_dx", part, dx, times(N, I));
    }
}

static void split_norms_and_losses(trial *t)
{
    int N = SPLIT_N, D = t->z.I;
    size_t n_x = times(N, D), bytes = n_x * sizeof(float);
    float *x = given(t, n_x), *g = given(t, (size_t)D), *b = given(t, (size_t)D), *weights = given(t, SPLIT_N);
    float *whole = given_bytes(t, bytes), *part = given_bytes(t, bytes), mean[SPLIT_N], r[SPLIT_N], m1[1], r1[1];
    float *dx = given_bytes(t, bytes), *dy = given(t, n_x);
    int *targets = given_ints(t, SPLIT_N, D);
    t->b->rmsnorm(t->s, whole, r, x, g, N, D, 1e-5f);
    for (int n = 0; n < N; n++) t->b->rmsnorm(t->s, part + times(n, D), r1, x + times(n, D), g, 1, D, 1e-5f);
    same_bits(t, "rmsnorm", part, whole, n_x);
    memset(whole, 0, bytes);
    memset(dx, 0, bytes);
    t->b->rmsnorm_back(t->s, whole, NULL, dy, x, r, g, N, D);
    for (int n = 0; n < N; n++) {
        size_t at = times(n, D);
        t->b->rmsnorm_back(t->s, dx + at, NULL, dy + at, x + at, r + n, g, 1, D);
    }
    same_bits(t, "rmsnorm_back", dx, whole, n_x);
    t->b->layernorm(t->s, whole, mean, r, x, g, b, N, D, 1e-5f);
    for (int n = 0; n < N; n++) t->b->layernorm(t->s, part + times(n, D), m1, r1, x + times(n, D), g, b, 1, D, 1e-5f);
    same_bits(t, "layernorm", part, whole, n_x);
    t->b->gain(t->s, whole, x, g, b, dy, N, D);
    for (int n = 0; n < N; n++) t->b->gain(t->s, part + times(n, D), x + times(n, D), g, b, dy + times(n, D), 1, D);
    same_bits(t, "gain", part, whole, n_x);
    t->b->log_prob(t->s, r, x, targets, N, D);
    for (int n = 0; n < N; n++) t->b->log_prob(t->s, mean + n, x + times(n, D), targets + n, 1, D);
    same_bits(t, "log_prob", mean, r, SPLIT_N);
    for (int cap = 0; cap < 6; cap += 5) {
        memcpy(whole, x, bytes);
        memcpy(part, x, bytes);
        t->b->cross_entropy(t->s, r, whole, targets, weights, N, D, (float)cap);
        for (int n = 0; n < N; n++)
            t->b->cross_entropy(t->s, mean + n, part + times(n, D), targets + n, weights + n, 1, D, (float)cap);
        same_bits(t, "cross_entropy", mean, r, SPLIT_N);
        same_bits(t, "cross_entropy", part, whole, n_x);
    }
}

/* A prompt of SPLIT_N rows at once, in chunks, and in chunks beside another sequence. */
static void split_attention(trial *t)
{
    int N = SPLIT_N, H = t->z.H, G = t->z.G, h = t->z.h, Q = H * h, K = G * h;
    sequences s;
    sequences_init(t, &s, (const int[]){ N, N }, 2);
    float *q = given(t, times(2 * N, Q)), *k = given(t, times(2 * N, K)), *v = given(t, times(2 * N, K));
    float *o = given(t, times(N, Q)), *lse = given(t, times(N, H)), *part = given(t, times(N, Q));
    float *both = given(t, times(2 * N, Q)), *lse_part = given(t, times(N, H)), *lse_both = given(t, times(2 * N, H));
    s.a.n_segments = 1;
    t->b->kv_write(t->s, &s.a, k, v);
    t->b->attention(t->s, &s.a, o, lse, q);
    for (int i = 0; i < SPLITS; i++) {
        sequences c;
        sequences_init(t, &c, (const int[]){ N }, 1);
        for (int n = 0, m; n < N; n += m) {
            m = N - n < splits[i] ? N - n : splits[i];
            c.segments[0].start = n;
            c.segments[0].rows = m;
            t->b->kv_write(t->s, &c.a, k + times(n, K), v + times(n, K));
            t->b->attention(t->s, &c.a, part + times(n, Q), lse_part + times(n, H), q + times(n, Q));
        }
        same_bits(t, "attention", part, o, times(N, Q));
        same_bits(t, "attention lse", lse_part, lse, times(N, H));
    }
    s.a.n_segments = 2;
    t->b->kv_write(t->s, &s.a, k, v);
    t->b->attention(t->s, &s.a, both, lse_both, q);
    same_bits(t, "attention", both, o, times(N, Q));
    same_bits(t, "attention lse", lse_both, lse, times(N, H));

    float *dout = given(t, times(2 * N, Q)), *dq[2], *dk[2], *dv[2];
    for (int i = 0; i < 2; i++) {
        dq[i] = given(t, times(2 * N, Q)), dk[i] = given(t, times(2 * N, K)), dv[i] = given(t, times(2 * N, K));
        s.a.n_segments = i + 1;
        t->b->attention_back(t->s, &s.a, dq[i], dk[i], dv[i], dout, both, lse_both, q, k, v);
    }
    same_bits(t, "attention_back dq", dq[0], dq[1], times(N, Q));
    same_bits(t, "attention_back dk", dk[0], dk[1], times(N, K));
    same_bits(t, "attention_back dv", dv[0], dv[1], times(N, K));
}

TEST(a_row_gets_the_same_bits_alone_and_among_others)
{
    static const int shapes[][2] = { { 33, 100 }, { 257, 64 }, { 16, 16 }, { 100, 257 }, { 5, 192 } };
    static const int heads[][3] = { { 2, 2, 16 }, { 6, 2, 20 }, { 3, 1, 64 } };
    const tl_backend *const *all = tl_backend_all();
    tape none = { .data = NULL };
    for (int b = 0; all[b]; b++) {
        for (int i = 0; i < 5; i++) {
            for (int c = 0; c < 4; c++) {
                sizes z = { .O = shapes[i][0], .I = shapes[i][1], .accumulate = i & 1 };
                z.dtype = c & 1 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
                z.precision = c & 2 ? TL_PRECISION_BF16 : TL_PRECISION_F32;
                trial_run(split_linear, all[b], 1, &z, &none);
            }
            sizes z = { .I = shapes[i][1] };
            trial_run(split_norms_and_losses, all[b], 1, &z, &none);
        }
        for (int i = 0; i < 12; i++) { /* in f32 and bf16; the last six in a window, capped */
            sizes z = { .H = heads[i % 3][0], .G = heads[i % 3][1], .h = heads[i % 3][2] };
            z.dtype = i / 3 % 2 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
            z.O = i < 6 ? 0 : 40;
            z.accumulate = i >= 6;
            trial_run(split_attention, all[b], 1, &z, &none);
        }
    }
    check_done();
}

/* ---- NaN ---- */

static void want_nan(const char *name, const tl_backend *b, int at, int of, float found)
{
    if (!isnan(found) && failures++ < REPORTS)
        print_error("%s %s: NaN as number %d of %d became %.9g\n", b->name, name, at, of, (double)found);
}

/* Number at of n is NaN on the way into each row that sums or bends it. */
static void nan_rows(trial *t)
{
    int at = t->z.I, n = t->z.N, target = (at + 1) % n;
    float weight = 1, r[1], mean[1], y[1], *x = given(t, (size_t)n), *w = given(t, (size_t)n);
    float *z = given(t, (size_t)n), *u = given(t, (size_t)n);
    const tl_backend *b = t->b;
    x[at] = NAN;
    want_nan("sum_squares", b, at, n, (float)b->sum_squares(t->s, x, TL_DTYPE_F32, (size_t)n));
    b->linear(t->s, &(tl_product){ .y = y, .w = { w, TL_DTYPE_F32 }, .O = 1 }, 1, x, 1, n);
    want_nan("linear", b, at, n, y[0]);
    b->linear(t->s, &(tl_product){ .y = y, .w = { x, TL_DTYPE_F32 }, .O = 1 }, 1, w, 1, n);
    want_nan("linear, its weight,", b, at, n, y[0]);
    b->rmsnorm(t->s, z, r, x, w, 1, n, 1e-5f);
    want_nan("rmsnorm", b, at, n, z[target]);
    b->layernorm(t->s, z, mean, r, x, w, u, 1, n, 1e-5f);
    want_nan("layernorm", b, at, n, z[target]);
    b->gain(t->s, z, x, w, NULL, u, 1, n);
    want_nan("gain", b, at, n, z[at]);
    b->swiglu(t->s, z, x, w, (size_t)n);
    want_nan("swiglu", b, at, n, z[at]);
    b->gelu(t->s, z, x, (size_t)n);
    want_nan("gelu", b, at, n, z[at]);
    b->geglu(t->s, z, x, w, (size_t)n);
    want_nan("geglu", b, at, n, z[at]);
    b->gelu_exact(t->s, z, x, (size_t)n);
    want_nan("gelu_exact", b, at, n, z[at]);
    memcpy(z, x, (size_t)n * sizeof *z);
    b->softcap(t->s, z, 2, (size_t)n);
    want_nan("softcap", b, at, n, z[at]);
    b->log_prob(t->s, y, x, &target, 1, n);
    want_nan("log_prob", b, at, n, y[0]);
    memcpy(z, x, (size_t)n * sizeof *z);
    b->cross_entropy(t->s, y, z, &target, &weight, 1, n, 5);
    want_nan("cross_entropy of capped logits", b, at, n, y[0]);
    b->cross_entropy(t->s, y, x, &target, &weight, 1, n, 0);
    want_nan("cross_entropy", b, at, n, y[0]);
}

/* A key of NaN at position I of N, for the rows that see it. */
static void nan_attention(trial *t)
{
    int at = t->z.I, n = t->z.N, h = t->z.h;
    sequences s;
    sequences_init(t, &s, &n, 1);
    float *q = given(t, times(n, h)), *k = given(t, times(n, h)), *v = given(t, times(n, h));
    float *o = given(t, times(n, h)), *lse = given(t, (size_t)n);
    k[times(at, h)] = NAN;
    t->b->kv_write(t->s, &s.a, k, v);
    t->b->attention(t->s, &s.a, o, lse, q);
    for (int i = at; i < n; i++) {
        want_nan("attention", t->b, at, n, o[times(i, h)]);
        want_nan("attention lse", t->b, at, n, lse[i]);
    }
    for (int i = 0; i < at; i++) CHECK(isfinite(o[times(i, h)]));
}

TEST(a_nan_comes_out_wherever_it_went_in)
{
    const tl_backend *const *all = tl_backend_all();
    tape none = { .data = NULL };
    for (int b = 0; all[b]; b++) {
        for (int i = 0; i < 67; i++) {
            sizes z = { .N = 67, .I = i, .H = 1, .G = 1, .h = 20, .precision = i & 1 };
            z.dtype = i / 2 & 1 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
            z.accumulate = i / 4 & 1;
            trial_run(nan_rows, all[b], 1, &z, &none);
            trial_run(nan_attention, all[b], 1, &z, &none);
        }
    }
    check_done();
}

/* ---- the choice, the stream ---- */

TEST(the_environment_names_the_back_end)
{
    tl_err err = { 0 };
    const tl_backend *b = NULL, *const *all = tl_backend_all();
    unsetenv("TAILOR_BACKEND");
    CHECK_OK(tl_backend_pick(&b, &err), err);
    CHECK(b == all[0]);
    int n = 0;
    for (; all[n]; n++) {
        setenv("TAILOR_BACKEND", all[n]->name, 1);
        CHECK_OK(tl_backend_pick(&b, &err), err);
        CHECK(b == all[n]);
    }
    CHECK(all[n - 1] == &tl_backend_ref);
    setenv("TAILOR_BACKEND", "abacus", 1);
    CHECK_INT(tl_backend_pick(&b, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "abacus");
    unsetenv("TAILOR_BACKEND");
}

TEST(a_stream_has_aligned_scratch_or_says_why_not)
{
    tl_stream s;
    tl_err err = { 0 };
    CHECK_OK(tl_stream_create(&s, 3, TL_PRECISION_F32, 33, 20, &err), err);
    CHECK(((uintptr_t)s.scratch & 63) == 0 && (s.scratch_each & 63) == 0);
    CHECK(s.scratch_each >= TL_PRODUCT_SCRATCH + 33 * (16 + 4 * 32) * sizeof(float));
    tl_stream_free(&s);
    CHECK_OK(tl_stream_create(&s, 0, TL_PRECISION_F32, 0, 0, &err), err);
    CHECK(s.threads >= 1);
    tl_stream_free(&s);
    CHECK_INT(tl_stream_create(&s, -1, TL_PRECISION_F32, 1, 1, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "-1");
    CHECK(tl_stream_create(&s, 1 << 30, TL_PRECISION_F32, INT32_MAX, 1 << 20, &err) < 0);
    CHECK(s.scratch == NULL);
    tl_stream_free(&s);
}

int main(int argc, char **argv)
{
    (void)argc;
    /* Threads that wait by spinning make this test ten times slower where other programs want the cores; the library
     * reads its policy before main, so the program starts itself again. */
    if (!getenv("OMP_WAIT_POLICY") && setenv("OMP_WAIT_POLICY", "passive", 1) == 0) execv("/proc/self/exe", argv);
    const struct CMUnitTest tests[] = {
        CASE(matrix_products_of_every_back_end_agree_with_ref),
        CASE(matrix_products_larger_than_a_kernels_blocks_agree_with_ref),
        CASE(norms_bias_and_embedding_of_every_back_end_agree_with_ref),
        CASE(rope_and_attention_of_every_back_end_agree_with_ref),
        CASE(pointwise_rows_of_every_back_end_agree_with_ref),
        CASE(losses_of_every_back_end_agree_with_ref),
        CASE(a_loss_sees_only_differences_of_logits),
        CASE(a_row_gets_the_same_bits_alone_and_among_others),
        CASE(a_nan_comes_out_wherever_it_went_in),
        CASE(the_environment_names_the_back_end),
        CASE(a_stream_has_aligned_scratch_or_says_why_not),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
