/* qlora_test.c - an adapter over a quantized base (Dettmers et al. 2023, arXiv 2305.14314): its gradients, its bits,
 * and what it is for: most of what four bits lose comes back. */
#define _GNU_SOURCE /* nftw */
#include "base/panels.h"
#include "model/forward.h"
#include "tests/check.h"
#include "tests/small_training.h"

static const tl_dtype types[] = { TL_DTYPE_Q8_0, TL_DTYPE_Q4_0, TL_DTYPE_Q4_K, TL_DTYPE_NF4 };

/* The model as whoever opens it quantized gets it. */
static tl_model *quantized(tl_model *m, tl_dtype type)
{
    tl_err err = { 0 };
    tl_model *q = NULL;
    scratch_begin();
    CHECK_OK(tl_model_write(m, scratch_dir, TL_DTYPE_F32, &err), err);
    CHECK_OK(tl_model_open_as(&q, scratch_dir, &(tl_model_options){ type, type }, &err), err);
    scratch_end();
    return q;
}

/* An adapter on all products of m, and a trainer for it; takes m. */
static void adapted(training *t, tl_model *m, tl_precision precision, int threads, const tl_train_options *o)
{
    tl_err err = { 0 };
    *t = (training){ .model = m };
    tl_adapter_options a = tl_adapter_defaults();
    a.targets = "all-linear";
    a.seed = 5;
    CHECK_OK(tl_adapter_create(&t->adapter, m, &a, &err), err);
    CHECK_OK(tl_stream_create(&t->stream, threads, precision, m->config.T, m->config.h, &err), err);
    CHECK_OK(tl_trainer_create(&t->trainer, m, t->adapter, &t->stream, o, &err), err);
}

/* ---- gradients ---- */

typedef struct runner {
    tl_model *model;
    tl_adapter *adapter;
    tl_stream stream;
    tl_acts *acts;
    tl_batch batch;
    int targets[20];
} runner;

static double loss_of(runner *r, const tl_gradients *g)
{
    tl_forward(r->model, &r->stream, &r->batch, r->acts);
    double loss = tl_loss(r->model, &r->stream, &r->batch, r->acts, r->targets, NULL, g);
    if (g) tl_backward(r->model, &r->stream, &r->batch, r->acts, g);
    return loss;
}

/* Some numbers of each tensor, against central differences of the loss. */
static int check_tensor(void *context, const char *name, tl_weight *w)
{
    runner *r = context;
    const size_t n = (size_t)w->rows * (size_t)w->cols;
    const float step = 0.01f;
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)w->grad[i]));
    CHECK(most > 0);
    for (size_t i = n / 7; i < n; i += n / 3 + 1) {
        float *x = (float *)w->data + i, was = *x;
        *x = was + step;
        const double above = loss_of(r, NULL);
        *x = was - step;
        const double below = loss_of(r, NULL);
        *x = was;
        const double wanted = (above - below) / (2 * (double)step), found = (double)w->grad[i];
        /* A third derivative of the size of the gradient would be off by step^2 / 6 of it. */
        if (!(fabs(found - wanted) <= 0.02 * fmax(fabs(wanted), 0.1 * most)))
            fail_msg("%s, number %zu: the gradient is %g, the difference quotient %g", name, i, found, wanted);
    }
    return 0;
}

static int randomize(void *context, const char *name, tl_weight *w)
{
    (void)name;
    for (size_t i = 0; i < (size_t)w->rows * (size_t)w->cols; i++)
        ((float *)w->data)[i] = 0.1f * (float)tl_rng_normal(context);
    return 0;
}

TEST(gradients_of_an_adapter_go_through_the_quantized_matrices)
{
    static const char *const configs[] = { LLAMA_TIED, GPT2 };
    static const int ids[] = { 3, 14, 15, 9, 26, 5, 35, 8, 9, 79, 3, 23 };
    enum {
        N = sizeof ids / sizeof *ids
    };
    tl_err err = { 0 };
    for (int k = 0; k < 2; k++)
        for (int t = 0; t < 4; t++) {
            tl_model *plain = training_model(configs[k]);
            runner r = { .model = quantized(plain, types[t]) };
            tl_model_free(plain);
            tl_rng rng = tl_rng_make(2, 2);
            tl_adapter_options a = tl_adapter_defaults();
            int positions[N];
            tl_segment segment = { .rows = N };
            for (int i = 0; i < N; i++) {
                positions[i] = i;
                r.targets[i] = i + 1 < N ? ids[i + 1] : -1;
            }
            a.r = 3;
            CHECK_OK(tl_adapter_create(&r.adapter, r.model, &a, &err), err);
            tl_adapter_each(r.adapter, randomize, &rng); /* a fresh B is zero, and so would be A's gradient */
            CHECK_OK(tl_stream_create(&r.stream, 2, TL_PRECISION_F32, SMALL_T, 64, &err), err);
            tl_acts_size size = { .max_rows = N, .max_rank = 3, .max_segments = 1, .training = true };
            CHECK_OK(tl_acts_create(&r.acts, r.model, &size, &err), err);
            r.batch = (tl_batch){ .N = N,
                                  .ids = ids,
                                  .positions = positions,
                                  .n_segments = 1,
                                  .segments = &segment,
                                  .adapters = &r.adapter };
            loss_of(&r, &(tl_gradients){ .add = false });
            tl_adapter_each(r.adapter, check_tensor, &r);
            tl_acts_free(r.acts);
            tl_stream_free(&r.stream);
            tl_adapter_release(r.adapter);
            tl_model_free(r.model);
        }
}

/* ---- training ---- */

static void steps(training *t, const small_samples *s, int n, double *last)
{
    tl_err err = { 0 };
    tl_train_report report;
    for (int i = 0; i < n; i++) {
        CHECK_OK(tl_train_step(t->trainer, s->list, s->n, &report, &err), err);
        *last = report.loss;
    }
}

TEST(an_adapter_over_a_quantized_base_learns_the_same_bits_with_any_threads_in_every_precision)
{
    small_samples s;
    samples_fill(&s, 6, 3);
    tl_train_options o = training_options(1e-2);
    for (int t = 0; t < 4; t++)
        for (int p = 0; p < 3; p++) {
            tl_hash hashes[2] = { { { 0 } } };
            for (int threads = 1; threads <= 2; threads++) {
                tl_model *plain = training_model(LLAMA);
                training run;
                adapted(&run, quantized(plain, types[t]), (tl_precision)p, threads, &o);
                double loss;
                tl_model_free(plain);
                steps(&run, &s, 3, &loss);
                tl_adapter_each(run.adapter, training_hash_weight, &hashes[threads - 1]);
                training_end(&run);
            }
            CHECK_SAME_HASH(hashes[0], hashes[1]);
        }
}

/* A base that knows some samples by heart, held in four bits, knows them worse; an adapter brings most of it back. */
TEST(an_adapter_over_four_bits_recovers_most_of_what_they_lose)
{
    tl_err err = { 0 };
    small_samples s;
    double wide = 0, held = 0, tuned = 0, last;
    samples_fill(&s, 8, 4);
    tl_train_options o = training_options(3e-3);
    training full;
    training_begin(&full, LLAMA, false, 2, &o);
    steps(&full, &s, 60, &last);
    CHECK_OK(tl_train_loss(full.trainer, s.list, s.n, &wide, &err), err);
    for (int t = 1; t < 4; t++) {
        training q;
        adapted(&q, quantized(full.model, types[t]), TL_PRECISION_F32, 2, &o);
        CHECK_OK(tl_train_loss(q.trainer, s.list, s.n, &held, &err), err);
        steps(&q, &s, 30, &last);
        CHECK_OK(tl_train_loss(q.trainer, s.list, s.n, &tuned, &err), err);
        print_message("  %s: loss %.4f in f32, %.4f quantized, %.4f after an adapter\n", tl_dtype_name(types[t]), wide,
                      held, tuned);
        CHECK(held > wide);
        CHECK(tuned < wide + 0.3 * (held - wide));
        training_end(&q);
    }
    training_end(&full);
}

RUN_TESTS(CASE(gradients_of_an_adapter_go_through_the_quantized_matrices),
          CASE(an_adapter_over_a_quantized_base_learns_the_same_bits_with_any_threads_in_every_precision),
          CASE(an_adapter_over_four_bits_recovers_most_of_what_they_lose))
