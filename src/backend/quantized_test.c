/* quantized_test.c - products with quantized weights, on every back end this machine can run.
 *
 * In f32 and bf16 they are the products of the widened matrix, bit by bit; in whole numbers they are ref's, bit by bit,
 * and ref's are the formula's.  Neither the threads, nor the other rows of the batch, nor the list's other products
 * leave a trace.  Outputs begin at odd addresses with guards behind them; panels are blocks of their own, so that the
 * address sanitizer sees a read past an end. */
#include "backend/backend.h"
#include "base/panels.h"
#include "base/rng.h"
#include "tests/check.h"

enum {
    GUARD = 17,
    MOST_THREADS = 3
};

static const tl_dtype types[] = { TL_DTYPE_Q8_0, TL_DTYPE_Q4_0, TL_DTYPE_Q4_K, TL_DTYPE_NF4 };
enum {
    TYPES = sizeof types / sizeof *types
};

static const char *const precisions[] = { "f32", "bf16", "int8" };

typedef struct sizes {
    int N, O, I;
} sizes;

/* N below, at and above the rows of a tile; O and I inside blocks and panels, at their ends and past them. */
static const sizes all_sizes[] = { { 1, 1, 1 },      { 1, 33, 31 },  { 1, 64, 256 },   { 2, 31, 64 },
                                   { 3, 32, 100 },   { 4, 96, 320 }, { 5, 40, 512 },   { 7, 70, 544 },
                                   { 8, 33, 96 },    { 9, 65, 576 }, { 13, 17, 1056 }, { 16, 48, 260 },
                                   { 29, 100, 768 }, { 64, 37, 33 }, { 65, 130, 288 }, { 6, 16, 33000 },
                                   { 20, 70, 17000 } };
enum {
    SIZES = sizeof all_sizes / sizeof *all_sizes
};

static void *take(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    CHECK(p != NULL);
    return p;
}

static float *random_floats(tl_rng *r, size_t n, double deviation)
{
    float *x = take(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(deviation * tl_rng_normal(r));
    return x;
}

/* A matrix quantized, and the same numbers wide. */
typedef struct weights {
    tl_matrix quantized;
    float *wide;      /* owned */
    tl_bf16 *rounded; /* owned */
    int O, I;
} weights;

static weights weights_make(tl_rng *r, tl_dtype t, int O, int I)
{
    const size_t o = (size_t)O, i = (size_t)I;
    weights w = { .O = O, .I = I, .wide = random_floats(r, o * i, 1 / sqrt(I)) };
    char *panels = aligned_alloc(64, (tl_panels_bytes(t, o, i) + 63) / 64 * 64);
    CHECK(panels != NULL);
    for (size_t at = 0; at < o; at += TL_PANEL)
        CHECK(tl_panel_from_f32(t, panels + at / TL_PANEL * tl_panel_bytes(t, i), w.wide + at * i,
                                (int)(o - at < TL_PANEL ? o - at : TL_PANEL), i));
    for (size_t at = 0; at < o; at++) tl_panels_row(t, w.wide + at * i, panels, i, at);
    w.rounded = take(o * i * sizeof *w.rounded);
    for (size_t k = 0; k < o * i; k++) w.rounded[k] = tl_f32_to_bf16(w.wide[k]);
    w.quantized = (tl_matrix){ panels, t };
    return w;
}

static void weights_reset(weights *w)
{
    free((void *)w->quantized.data);
    free(w->wide);
    free(w->rounded);
}

/* n outputs, NaN until written, guarded. */
static float *fresh(size_t n)
{
    float *x = (float *)take((n + GUARD + 1) * sizeof *x) + 1;
    for (size_t i = 0; i < n; i++) x[i] = NAN;
    for (size_t i = n; i < n + GUARD; i++) x[i] = 0x1.2345p40f;
    return x;
}

static void fresh_free(float *x)
{
    free(x - 1);
}

static void same(const float *found, const float *wanted, size_t n, const char *what, const tl_backend *b, tl_dtype t,
                 const sizes *z, const char *precision)
{
    for (size_t i = 0; i < n + GUARD; i++)
        if (memcmp(found + i, wanted + i, sizeof *found) != 0)
            fail_msg("%s, %s, %s, %s, N %d O %d I %d: number %zu of %zu is %.9g, wanted %.9g", what, b->name,
                     tl_dtype_name(t), precision, z->N, z->O, z->I, i, n, (double)found[i], (double)wanted[i]);
}

static tl_stream stream_of(int threads, tl_precision p)
{
    tl_stream s;
    tl_err err;
    CHECK_OK(tl_stream_create(&s, threads, p, 64, 64, &err), err);
    memset(s.scratch, 0xff, (size_t)threads * s.scratch_each); /* what another kernel left: NaN */
    memset(s.shared, 0xff, TL_PRODUCT_SHARED);
    return s;
}

/* One product of z on b. */
static float *product(const tl_backend *b, int threads, tl_precision precision, const sizes *z, tl_matrix w,
                      const float *x, const float *add, const float *bias)
{
    tl_stream s = stream_of(threads, precision);
    float *y = fresh((size_t)z->N * (size_t)z->O);
    tl_product p = { .y = y, .w = w, .O = z->O, .bias = bias, .add = add };
    b->linear(&s, &p, 1, x, z->N, z->I);
    tl_stream_free(&s);
    return y;
}

static float *gradient(const tl_backend *b, int threads, tl_precision precision, const sizes *z, tl_matrix w,
                       const float *dy, const float *start)
{
    tl_stream s = stream_of(threads, precision);
    const size_t n = (size_t)z->N * (size_t)z->I;
    float *dx = fresh(n);
    if (start) memcpy(dx, start, n * sizeof *dx);
    b->linear_dx(&s, dx, &(tl_product_back){ .dy = dy, .w = w, .O = z->O }, 1, z->N, z->I, start != NULL);
    tl_stream_free(&s);
    return dx;
}

TEST(in_f32_and_bf16_a_quantized_matrix_is_its_numbers)
{
    tl_rng r = tl_rng_make(1, 1);
    for (int k = 0; k < SIZES; k++)
        for (int t = 0; t < TYPES; t++) {
            const sizes *z = &all_sizes[k];
            weights w = weights_make(&r, types[t], z->O, z->I);
            float *x = random_floats(&r, (size_t)z->N * (size_t)z->I, 1), *bias = random_floats(&r, (size_t)z->O, 1);
            float *dy = random_floats(&r, (size_t)z->N * (size_t)z->O, 1);
            const tl_matrix wide = { w.wide, TL_DTYPE_F32 };
            for (const tl_backend *const *b = tl_backend_all(); *b; b++)
                for (int p = 0; p < 2; p++) {
                    const int threads = 1 + k % MOST_THREADS;
                    float *found = product(*b, threads, (tl_precision)p, z, w.quantized, x, dy, bias);
                    float *wanted = product(*b, threads, (tl_precision)p, z, wide, x, dy, bias);
                    same(found, wanted, (size_t)z->N * (size_t)z->O, "linear", *b, types[t], z, precisions[p]);
                    fresh_free(found);
                    fresh_free(wanted);
                    found = gradient(*b, threads, (tl_precision)p, z, w.quantized, dy, k % 2 ? x : NULL);
                    wanted = gradient(*b, threads, (tl_precision)p, z, wide, dy, k % 2 ? x : NULL);
                    same(found, wanted, (size_t)z->N * (size_t)z->I, "linear_dx", *b, types[t], z, precisions[p]);
                    fresh_free(found);
                    fresh_free(wanted);
                }
            free(dy);
            free(bias);
            free(x);
            weights_reset(&w);
        }
}

TEST(in_whole_numbers_every_back_end_gives_the_bits_of_ref)
{
    tl_rng r = tl_rng_make(1, 2);
    for (int k = 0; k < SIZES; k++)
        for (int t = 0; t < TYPES; t++) {
            const sizes *z = &all_sizes[k];
            const size_t n = (size_t)z->N * (size_t)z->O;
            weights w = weights_make(&r, types[t], z->O, z->I);
            float *x = random_floats(&r, (size_t)z->N * (size_t)z->I, 1), *bias = random_floats(&r, (size_t)z->O, 1);
            float *add = random_floats(&r, n, 1);
            for (int i = 0; i < 40 && i < z->I; i++)
                x[i] = i < 32 ? 0 : x[i] * 1e-35f; /* a block of zeros, a tiny one */
            const float *biases[] = { NULL, bias }, *adds[] = { NULL, add };
            for (int with = 0; with < 2; with++) {
                float *wanted =
                    product(&tl_backend_ref, 1, TL_PRECISION_INT8, z, w.quantized, x, adds[with], biases[with]);
                for (const tl_backend *const *b = tl_backend_all(); *b; b++)
                    for (int threads = 1; threads <= MOST_THREADS; threads++) {
                        float *found =
                            product(*b, threads, TL_PRECISION_INT8, z, w.quantized, x, adds[with], biases[with]);
                        same(found, wanted, n, "linear", *b, types[t], z, "int8");
                        fresh_free(found);
                    }
                fresh_free(wanted);
            }
            free(add);
            free(bias);
            free(x);
            weights_reset(&w);
        }
}

/* The formula of backend.h once more, in double, and what rounding x may cost: half a step of each of its numbers. */
TEST(whole_numbers_err_by_the_rounding_of_x_alone)
{
    tl_rng r = tl_rng_make(1, 3);
    const sizes z = { 5, 40, 608 };
    for (int t = 0; t < TYPES; t++) {
        weights w = weights_make(&r, types[t], z.O, z.I);
        float *x = random_floats(&r, (size_t)z.N * (size_t)z.I, 1);
        float *y = product(&tl_backend_ref, 1, TL_PRECISION_INT8, &z, w.quantized, x, NULL, NULL);
        double squares = 0, all = 0;
        for (int n = 0; n < z.N; n++)
            for (int o = 0; o < z.O; o++) {
                double sum = 0, room = 1e-5;
                for (int b = 0; b < z.I; b += 32) {
                    double most = 0, weight = 0;
                    for (int i = b; i < b + 32; i++) {
                        const double xi = (double)x[n * z.I + i], wi = (double)w.wide[o * z.I + i];
                        most = fmax(most, fabs(xi));
                        weight += fabs(wi);
                        sum += xi * wi;
                    }
                    room += weight * most / 127 * 0.501;
                    /* NF4's levels are rounded as well: by half of 1/127 of the block's largest weight, at most */
                    if (types[t] == TL_DTYPE_NF4) room += 32 * most * 3 / sqrt(z.I) / 127 * 0.75;
                }
                const double e = (double)y[n * z.O + o] - sum;
                if (fabs(e) > room) fail_msg("%s: %g off, allowed are %g", tl_dtype_name(types[t]), e, room);
                squares += e * e;
                all += sum * sum;
            }
        print_message("  %s: products err %.4f by the rounding of x\n", tl_dtype_name(types[t]), sqrt(squares / all));
        CHECK(sqrt(squares / all) < 0.01);
        fresh_free(y);
        free(x);
        weights_reset(&w);
    }
}

TEST(a_row_alone_has_the_bits_it_has_in_a_batch)
{
    tl_rng r = tl_rng_make(1, 4);
    const sizes z = { 100, 70, 640 };
    for (int t = 0; t < TYPES; t++) {
        weights w = weights_make(&r, types[t], z.O, z.I);
        float *x = random_floats(&r, (size_t)z.N * (size_t)z.I, 1);
        for (const tl_backend *const *b = tl_backend_all(); *b; b++)
            for (int p = 0; p < 3; p++) {
                float *together = product(*b, 2, (tl_precision)p, &z, w.quantized, x, NULL, NULL);
                for (int from = 0, n = 1; from < z.N; from += n, n = n * 2 % 13 + 1) {
                    const sizes some = { from + n < z.N ? n : z.N - from, z.O, z.I };
                    float *alone =
                        product(*b, 1, (tl_precision)p, &some, w.quantized, x + (size_t)from * (size_t)z.I, NULL, NULL);
                    for (int i = 0; i < some.N * z.O; i++)
                        if (memcmp(alone + i, together + from * z.O + i, sizeof *alone) != 0)
                            fail_msg("%s, %s, %s: row %d of %d", (*b)->name, tl_dtype_name(types[t]), precisions[p],
                                     from + i / z.O, some.N);
                    fresh_free(alone);
                }
                fresh_free(together);
            }
        free(x);
        weights_reset(&w);
    }
}

TEST(a_list_may_mix_all_kinds_of_weights)
{
    tl_rng r = tl_rng_make(1, 5);
    const int O[] = { 33, 70, 32, 5, 64 };
    const sizes z = { 11, 0, 512 };
    weights w[5];
    tl_matrix m[5];
    float *x = random_floats(&r, (size_t)z.N * (size_t)z.I, 1), *dys[5];
    for (int i = 0; i < 5; i++) {
        w[i] = weights_make(&r, types[i % TYPES], O[i], z.I);
        m[i] = i == 2 ? (tl_matrix){ w[i].rounded, TL_DTYPE_BF16 } : w[i].quantized;
        dys[i] = random_floats(&r, (size_t)z.N * (size_t)O[i], 1);
    }
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        for (int p = 0; p < 3; p++) {
            tl_product list[5];
            tl_product_back back[5];
            tl_stream s = stream_of(2, (tl_precision)p);
            for (int i = 0; i < 5; i++) {
                list[i] = (tl_product){ .y = fresh((size_t)z.N * (size_t)O[i]), .w = m[i], .O = O[i] };
                back[i] = (tl_product_back){ .dy = dys[i], .w = m[i], .O = O[i] };
            }
            (*b)->linear(&s, list, 5, x, z.N, z.I);
            for (int i = 0; i < 5; i++) {
                const sizes one = { z.N, O[i], z.I };
                float *wanted = product(*b, 1, (tl_precision)p, &one, m[i], x, NULL, NULL);
                same(list[i].y, wanted, (size_t)z.N * (size_t)O[i], "list", *b, m[i].dtype, &one, precisions[p]);
                fresh_free(wanted);
                fresh_free(list[i].y);
            }
            float *found = fresh((size_t)z.N * (size_t)z.I), *wanted = NULL;
            (*b)->linear_dx(&s, found, back, 5, z.N, z.I, false);
            for (int i = 0; i < 5; i++) {
                const sizes one = { z.N, O[i], z.I };
                float *next = gradient(*b, 1, (tl_precision)p, &one, m[i], dys[i], wanted);
                if (wanted) fresh_free(wanted);
                wanted = next;
            }
            same(found, wanted, (size_t)z.N * (size_t)z.I, "list of gradients", *b, TL_DTYPE_Q8_0, &z, precisions[p]);
            fresh_free(found);
            fresh_free(wanted);
            tl_stream_free(&s);
        }
    for (int i = 0; i < 5; i++) {
        weights_reset(&w[i]);
        free(dys[i]);
    }
    free(x);
}

TEST(weights_that_are_not_quantized_are_multiplied_as_in_bf16)
{
    tl_rng r = tl_rng_make(1, 6);
    const sizes z = { 9, 50, 200 };
    weights w = weights_make(&r, TL_DTYPE_Q8_0, z.O, z.I);
    float *x = random_floats(&r, (size_t)z.N * (size_t)z.I, 1);
    const tl_matrix m = { w.wide, TL_DTYPE_F32 };
    for (const tl_backend *const *b = tl_backend_all(); *b; b++) {
        float *found = product(*b, 2, TL_PRECISION_INT8, &z, m, x, NULL, NULL);
        float *wanted = product(*b, 2, TL_PRECISION_BF16, &z, m, x, NULL, NULL);
        same(found, wanted, (size_t)z.N * (size_t)z.O, "linear", *b, TL_DTYPE_F32, &z, "int8");
        fresh_free(found);
        fresh_free(wanted);
    }
    free(x);
    weights_reset(&w);
}

/* A number that is none must not become a whole one. */
TEST(nan_and_infinity_stay_seen)
{
    tl_rng r = tl_rng_make(1, 7);
    const sizes z = { 12, 40, 128 };
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    weights w = weights_make(&r, TL_DTYPE_Q4_0, z.O, z.I);
    for (int k = 0; k < 3; k++) {
        float *x = random_floats(&r, (size_t)z.N * (size_t)z.I, 1);
        x[5 * z.I + 70] = bad[k];
        for (const tl_backend *const *b = tl_backend_all(); *b; b++) {
            float *y = product(*b, 1, TL_PRECISION_INT8, &z, w.quantized, x, NULL, NULL);
            for (int i = 0; i < z.N * z.O; i++) CHECK(isnan(y[i]) == (i / z.O == 5));
            fresh_free(y);
        }
        free(x);
    }
    weights_reset(&w);
}

TEST(a_quantized_table_gives_its_rows)
{
    tl_rng r = tl_rng_make(1, 8);
    static const int ids[] = { 4, 0, 69, 33, 4, 31, 32 };
    for (int t = 0; t < TYPES; t++) {
        weights w = weights_make(&r, types[t], 70, 300);
        for (const tl_backend *const *b = tl_backend_all(); *b; b++)
            for (int more = 0; more < 2; more++) {
                tl_stream s = stream_of(2, TL_PRECISION_INT8);
                float *y = fresh(7 * 300);
                for (int i = 0; more && i < 7 * 300; i++) y[i] = 1;
                (*b)->embed(&s, y, w.quantized, ids, 7, 300, more);
                for (int i = 0; i < 7 * 300; i++) {
                    const float row = w.wide[ids[i / 300] * 300 + i % 300];
                    CHECK(y[i] == (more ? 1 + row : row));
                }
                fresh_free(y);
                tl_stream_free(&s);
            }
        weights_reset(&w);
    }
}

RUN_TESTS(CASE(in_f32_and_bf16_a_quantized_matrix_is_its_numbers),
          CASE(in_whole_numbers_every_back_end_gives_the_bits_of_ref),
          CASE(whole_numbers_err_by_the_rounding_of_x_alone), CASE(a_row_alone_has_the_bits_it_has_in_a_batch),
          CASE(a_list_may_mix_all_kinds_of_weights), CASE(weights_that_are_not_quantized_are_multiplied_as_in_bf16),
          CASE(nan_and_infinity_stay_seen), CASE(a_quantized_table_gives_its_rows))
