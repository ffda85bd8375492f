/* experts_test.c - what a row gets from its experts depends on nothing but the row. */
#include "model/experts.h"

#include "base/rng.h"
#include "tests/check.h"
#include "tests/golden_bases.h"

enum {
    N = 37
};

typedef struct fixture {
    tl_model *m;
    tl_arena *arena;
    tl_stream stream;
    tl_expert_acts acts;
    float *x, *out, *dout, *dx;
} fixture;

static void lay_out(fixture *f, tl_arena *arena)
{
    size_t n = N * (size_t)f->m->config.D;
    tl_experts_lay(&f->acts, arena, &f->m->config, N, true);
    f->x = tl_arena_floats(arena, n);
    f->out = tl_arena_floats(arena, n);
    f->dout = tl_arena_floats(arena, n);
    f->dx = tl_arena_floats(arena, n);
}

static fixture fixture_make(const tl_backend *backend, tl_precision precision, int threads)
{
    fixture f = { 0 };
    tl_err err = { 0 };
    tl_arena *measure = NULL;
    tl_rng r = tl_rng_make(3, 1);
    CHECK_OK(tl_model_open(&f.m, GOLDEN_HOME "qwen3-moe", &err), err);
    f.m->backend = backend;
    CHECK_OK(tl_stream_create(&f.stream, threads, precision, 32, 8, &err), err);
    CHECK_OK(tl_arena_measure(&measure, &err), err);
    lay_out(&f, measure);
    CHECK_OK(tl_arena_create(&f.arena, tl_arena_peak(measure), "experts", &err), err);
    tl_arena_free(measure);
    lay_out(&f, f.arena);
    for (int i = 0; i < N * f.m->config.D; i++) {
        f.x[i] = (float)tl_rng_normal(&r);
        f.dout[i] = (float)tl_rng_normal(&r);
    }
    return f;
}

static void fixture_free(fixture *f)
{
    tl_arena_free(f->arena);
    tl_stream_free(&f->stream);
    tl_model_free(f->m);
}

static void run(fixture *f, float *out, float *dx, int first, int n)
{
    size_t D = (size_t)f->m->config.D, at = (size_t)first * D;
    tl_experts(f->m, &f->stream, &f->acts, 1, f->x + at, n);
    memcpy(out, f->acts.out, (size_t)n * D * sizeof *out);
    tl_experts_back(f->m, &f->stream, &f->acts, 1, dx, f->dout + at, f->x + at, n);
}

TEST(a_row_alone_gets_the_bits_it_gets_among_others)
{
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        for (int precision = TL_PRECISION_F32; precision <= TL_PRECISION_BF16; precision++) {
            fixture f = fixture_make(*b, (tl_precision)precision, 3);
            size_t D = (size_t)f.m->config.D, bytes = D * sizeof(float);
            float out[64], dx[64];
            run(&f, f.out, f.dx, 0, N);
            for (int n = 0; n < N; n++) {
                run(&f, out, dx, n, 1);
                CHECK(memcmp(out, f.out + (size_t)n * D, bytes) == 0);
                CHECK(memcmp(dx, f.dx + (size_t)n * D, bytes) == 0);
            }
            fixture_free(&f);
        }
}

TEST(any_number_of_threads_gives_the_same_bits)
{
    fixture one = fixture_make(tl_backend_all()[0], TL_PRECISION_F32, 1);
    fixture three = fixture_make(tl_backend_all()[0], TL_PRECISION_F32, 3);
    size_t bytes = N * (size_t)one.m->config.D * sizeof(float);
    run(&one, one.out, one.dx, 0, N);
    run(&three, three.out, three.dx, 0, N);
    CHECK(memcmp(one.out, three.out, bytes) == 0);
    CHECK(memcmp(one.dx, three.dx, bytes) == 0);
    fixture_free(&one);
    fixture_free(&three);
}

TEST(the_largest_are_picked_and_of_equals_the_first)
{
    fixture f = fixture_make(tl_backend_all()[0], TL_PRECISION_F32, 2);
    const tl_config *c = &f.m->config;
    run(&f, f.out, f.dx, 0, N);
    for (int n = 0; n < N; n++) {
        const float *p = f.acts.p + (size_t)n * (size_t)c->E;
        const int *picks = f.acts.picks + (size_t)n * (size_t)c->picks;
        for (int e = 0; e < c->E; e++) {
            int larger = 0;
            bool picked = false;
            for (int o = 0; o < c->E; o++) larger += p[o] > p[e];
            for (int k = 0; k < c->picks; k++) picked = picked || picks[k] == e;
            CHECK(picked == (larger < c->picks));
        }
        for (int k = 1; k < c->picks; k++) CHECK(picks[k - 1] < picks[k]);
    }
    memset(f.x, 0, N * (size_t)c->D * sizeof *f.x); /* all experts alike */
    run(&f, f.out, f.dx, 0, N);
    for (int i = 0; i < N * c->picks; i++) CHECK_INT(f.acts.picks[i], i % c->picks);
    fixture_free(&f);
}

RUN_TESTS(CASE(a_row_alone_gets_the_bits_it_gets_among_others), CASE(any_number_of_threads_gives_the_same_bits),
          CASE(the_largest_are_picked_and_of_equals_the_first))
