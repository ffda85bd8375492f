/* train_test.c - the step: what an update is made of, what it leaves alone, and that it is the same every time. */
#define _GNU_SOURCE /* nftw */
#include "tests/check.h"
#include "tests/small_training.h"
#include "train/train.h"

static const char *const families[] = { LLAMA, LLAMA_TIED, GPT2 };
enum {
    FAMILIES = 3,
    STEPS = 2
};

/* Train STEPS steps on the same samples; the hash of all weights then. */
static tl_hash trained_hash(const char *config, int lora, int threads, int max_rows)
{
    tl_err err = { 0 };
    tl_train_report r;
    tl_train_options o = training_options(1e-2);
    o.max_rows = max_rows;
    small_samples s;
    samples_fill(&s, 12, 3);
    training t;
    training_begin(&t, config, lora, threads, &o);
    for (int i = 0; i < STEPS; i++) CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
    tl_hash h = training_hash(&t);
    training_end(&t);
    return h;
}

TEST(training_gives_the_same_bits_with_one_thread_and_with_two_and_every_time)
{
    for (int f = 0; f < FAMILIES; f++) {
        for (int lora = 0; lora < 3; lora++) {
            tl_hash one = trained_hash(families[f], lora, 1, 256);
            tl_hash two = trained_hash(families[f], lora, 2, 256);
            tl_hash again = trained_hash(families[f], lora, 2, 256);
            CHECK_SAME_HASH(one, two);
            CHECK_SAME_HASH(two, again);
        }
    }
}

/* The gradients of one step that moves nothing (its rate is 0), copied; and their number. */
static float *gradients(const char *config, int lora, int max_rows, size_t *count, tl_train_report *r)
{
    tl_err err = { 0 };
    tl_train_options o = training_options(0);
    o.max_rows = max_rows;
    small_samples s;
    samples_fill(&s, 12, 3);
    training t;
    training_begin(&t, config, lora, 1, &o);
    if (lora) { /* away from B = 0, where A has no gradient */
        for (int i = 0; i < t.trainer->params->n; i++)
            for (size_t k = 0; k < t.trainer->params->items[i].n; k++)
                tl_param_f32(&t.trainer->params->items[i])[k] += 0.01f * (float)(k % 5);
    }
    CHECK_OK(tl_train_step(t.trainer, s.list, s.n, r, &err), err);
    *count = t.trainer->params->count;
    float *out = calloc(*count, sizeof *out), *at = out;
    CHECK(out != NULL);
    for (int i = 0; i < t.trainer->params->n; i++) {
        const tl_param *p = &t.trainer->params->items[i];
        memcpy(at, p->grad, p->n * sizeof *at);
        at += p->n;
    }
    training_end(&t);
    return out;
}

/* A sum of up to 300 rows in another order: each element is off by some epsilons of the terms, which are as large as
 * the largest gradients.  1e-5 of the largest is 80 epsilons. */
TEST(micro_batches_add_up_to_the_gradient_of_one_batch)
{
    for (int f = 0; f < FAMILIES; f++) {
        for (int lora = 0; lora < 3; lora++) {
            size_t n = 0, n_split = 0;
            tl_train_report whole, split;
            float *a = gradients(families[f], lora, 640, &n, &whole);
            float *b = gradients(families[f], lora, SMALL_T, &n_split, &split);
            CHECK_INT(n, n_split);
            CHECK_INT(whole.targets, split.targets);
            CHECK_INT(whole.tokens, split.tokens);
            double largest = 0;
            for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)a[i]));
            CHECK(largest > 1e-3);
            CHECK_CLOSE(b, a, n, 1e-5, largest);
            CHECK(fabs(whole.loss - split.loss) < 1e-6 * whole.loss);
            CHECK(fabs(whole.grad_norm - split.grad_norm) < 1e-5 * whole.grad_norm);
            free(a);
            free(b);
        }
    }
}

TEST(packed_samples_have_the_hidden_rows_they_have_alone)
{
    tl_train_options o = training_options(0);
    o.max_rows = 640;
    small_samples s;
    samples_fill(&s, 12, 3);
    for (int f = 0; f < FAMILIES; f++) {
        training t;
        training_begin(&t, families[f], false, 1, &o);
        size_t D = (size_t)t.model->config.D, row = 0;
        tl_pack *p = &t.trainer->pack;
        tl_pack_reset(p);
        for (int i = 0; i < s.n; i++) CHECK(tl_pack_add(p, s.list[i]));
        tl_batch b = tl_pack_batch(p, NULL);
        tl_forward(t.model, &t.stream, &b, t.trainer->acts);
        float *packed = malloc((size_t)p->N * D * sizeof *packed);
        CHECK(packed != NULL);
        memcpy(packed, tl_acts_hidden(t.trainer->acts), (size_t)p->N * D * sizeof *packed);
        for (int i = 0; i < s.n; i++) {
            tl_pack_reset(p);
            CHECK(tl_pack_add(p, s.list[i]));
            b = tl_pack_batch(p, NULL);
            tl_forward(t.model, &t.stream, &b, t.trainer->acts);
            CHECK(memcmp(packed + row * D, tl_acts_hidden(t.trainer->acts), (size_t)p->N * D * sizeof(float)) == 0);
            row += (size_t)p->N;
        }
        free(packed);
        training_end(&t);
    }
}

TEST(the_loss_of_a_batch_is_the_mean_over_its_trained_tokens_not_over_its_samples)
{
    tl_err err = { 0 };
    tl_train_options o = training_options(0);
    small_samples s;
    samples_fill(&s, 12, 4);
    training t;
    training_begin(&t, LLAMA, false, 1, &o);
    double sum = 0, all = 0;
    int targets = 0;
    for (int i = 0; i < s.n; i++) {
        double loss = 0;
        CHECK_OK(tl_train_loss(t.trainer, &s.list[i], 1, &loss, &err), err);
        sum += loss * tl_sample_targets(s.list[i]);
        targets += tl_sample_targets(s.list[i]);
    }
    CHECK_OK(tl_train_loss(t.trainer, s.list, s.n, &all, &err), err);
    CHECK(fabs(all - sum / targets) < 1e-6 * all);
    training_end(&t);
}

TEST(only_trained_tokens_count_and_each_by_its_log_probability)
{
    tl_err err = { 0 };
    tl_train_options o = training_options(0);
    training t;
    training_begin(&t, LLAMA, false, 1, &o);
    int ids[] = { 1, 7, 30, 82, 4, 60 };
    uint8_t trained[] = { 1, 0, 1, 0, 1, 0 }; /* the first has nothing before it and cannot count */
    tl_sample s = { .ids = ids, .trained = trained, .n = 6 };
    const tl_sample *list[] = { &s };
    double loss = 0, wanted = 0;
    CHECK_INT(tl_sample_targets(&s), 2);
    CHECK_OK(tl_train_loss(t.trainer, list, 1, &loss, &err), err);
    int rows[] = { 1, 3 }, next[] = { 30, 4 };
    static float logits[2][SMALL_V];
    tl_logits(t.model, &t.stream, t.trainer->acts, rows, 2, &logits[0][0]);
    for (int i = 0; i < 2; i++) {
        double z = 0;
        for (int v = 0; v < SMALL_V; v++) z += exp((double)logits[i][v]);
        wanted += (log(z) - (double)logits[i][next[i]]) / 2;
    }
    CHECK(fabs(loss - wanted) < 1e-5 * wanted);

    double other = 0;
    ids[5] = 61; /* not trained, and nothing comes after it */
    CHECK_OK(tl_train_loss(t.trainer, list, 1, &other, &err), err);
    CHECK(other == loss);
    ids[3] = 9; /* not trained, but seen by what is */
    CHECK_OK(tl_train_loss(t.trainer, list, 1, &other, &err), err);
    CHECK(other != loss);
    training_end(&t);
}

/* Log-probability of the last token of a sample. */
static double last_log_probability(const training *t, const tl_sample *s)
{
    tl_err err = { 0 };
    double loss = 0;
    uint8_t only[SMALL_T] = { 0 };
    only[s->n - 1] = 1;
    tl_sample last = { .ids = s->ids, .trained = only, .n = s->n };
    const tl_sample *list[] = { &last };
    CHECK_OK(tl_train_loss(t->trainer, list, 1, &loss, &err), err);
    return -loss;
}

TEST(an_end_of_text_is_learnt_where_it_is_trained_and_only_there)
{
    tl_err err = { 0 };
    tl_train_report r;
    tl_train_options o = training_options(1e-2);
    for (int with = 0; with < 2; with++) {
        training t;
        training_begin(&t, LLAMA, false, 1, &o);
        int ids[] = { 1, 20, 21, 22, 23, 2 }; /* 2 ends the text */
        uint8_t trained[] = { 0, 0, 1, 1, 1, (uint8_t)with };
        tl_sample s = { .ids = ids, .trained = trained, .n = 6 };
        const tl_sample *list[] = { &s };
        for (int i = 0; i < 40; i++) CHECK_OK(tl_train_step(t.trainer, list, 1, &r, &err), err);
        double p = exp(last_log_probability(&t, &s));
        CHECK(with ? p > 0.9 : p < 0.2);
        training_end(&t);
    }
}

TEST(a_step_without_a_trained_token_is_refused)
{
    tl_err err = { 0 };
    tl_train_report r;
    double loss;
    tl_train_options o = training_options(1e-2);
    small_samples s;
    samples_fill(&s, 2, 3);
    memset(s.trained, 0, sizeof s.trained);
    s.trained[0][0] = 1; /* the first token follows nothing */
    training t;
    training_begin(&t, LLAMA, false, 1, &o);
    tl_hash before = training_hash(&t);
    CHECK_INT(tl_train_step(t.trainer, s.list, s.n, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "trained tokens: 0");
    CHECK_INT(tl_train_step(t.trainer, s.list, 0, &r, &err), TL_EDATA);
    CHECK_INT(tl_train_loss(t.trainer, s.list, s.n, &loss, &err), TL_EDATA);
    tl_hash after = training_hash(&t);
    CHECK_SAME_HASH(before, after);
    CHECK_INT(t.trainer->step, 0);
    training_end(&t);
}

TEST(a_sample_longer_than_the_context_or_the_batch_is_refused_with_its_size)
{
    tl_err err = { 0 };
    tl_train_report r;
    static int ids[SMALL_T + 2];
    static uint8_t trained[SMALL_T + 2];
    memset(trained, 1, sizeof trained);
    tl_sample s = { .ids = ids, .trained = trained, .n = SMALL_T + 2 };
    const tl_sample *list[] = { &s };
    tl_train_options o = training_options(1e-2);
    training t;
    training_begin(&t, LLAMA, false, 1, &o);
    CHECK_INT(tl_train_step(t.trainer, list, 1, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "66 tokens");
    CHECK_HAS(err.text, "65");
    s.n = SMALL_T + 1; /* the last one is only a target */
    CHECK_OK(tl_train_step(t.trainer, list, 1, &r, &err), err);
    CHECK_INT(r.tokens, SMALL_T);
    training_end(&t);

    o.max_rows = 16;
    training_begin(&t, LLAMA, false, 1, &o);
    s.n = 18;
    CHECK_INT(tl_train_step(t.trainer, list, 1, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "18 tokens");
    CHECK_HAS(err.text, "17");
    training_end(&t);
}

TEST(a_loss_that_is_not_a_number_changes_no_weight_and_no_moment)
{
    tl_err err = { 0 };
    tl_train_report r;
    tl_train_options o = training_options(1e-2);
    small_samples s;
    samples_fill(&s, 4, 3);
    for (int lora = 0; lora < 3; lora++) {
        training t;
        training_begin(&t, LLAMA, lora, 1, &o);
        CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
        tl_param *p = &t.trainer->params->items[t.trainer->params->n - 1];
        tl_param_f32(p)[0] = NAN;
        tl_hash before = training_hash_state(&t);
        CHECK_INT(tl_train_step(t.trainer, s.list, s.n, &r, &err), TL_ENUMERIC);
        CHECK_HAS(err.text, "step 2");
        tl_hash after = training_hash_state(&t);
        CHECK_SAME_HASH(before, after);
        CHECK_INT(t.trainer->step, 1);
        training_end(&t);
    }
}

/* eps is 1, so that the first update is lr g / (|g| + 1): it shows the gradient's size, which Adam's own hides. */
TEST(a_huge_gradient_moves_the_weights_as_one_of_the_largest_norm_allowed)
{
    tl_err err = { 0 };
    tl_train_report r;
    small_samples s;
    samples_fill(&s, 4, 3);
    double const lr = 0.5;
    for (int clipped = 0; clipped < 2; clipped++) {
        tl_train_options o = training_options(lr);
        o.eps = 1;
        o.max_grad_norm = clipped ? 0.01f : 1e6f;
        training t;
        training_begin(&t, LLAMA, false, 1, &o);
        const tl_params *ps = t.trainer->params;
        float *was = malloc(ps->count * sizeof *was), *at = was;
        CHECK(was != NULL);
        for (int i = 0; i < ps->n; at += ps->items[i++].n) memcpy(at, ps->items[i].value, ps->items[i].n * sizeof *at);
        CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
        CHECK(r.grad_norm > 0.1);
        double scale = clipped ? 0.01 / r.grad_norm : 1, moment = 0;
        at = was;
        for (int i = 0; i < ps->n; at += ps->items[i++].n) {
            for (size_t k = 0; k < ps->items[i].n; k++) {
                double g = (double)ps->items[i].grad[k] * scale,
                       moved = (double)tl_param_f32(&ps->items[i])[k] - (double)at[k];
                moment += pow((double)((const float *)ps->items[i].m)[k], 2);
                if (!(fabs(moved + lr * g / (fabs(g) + 1)) <= 1e-6 * fabs((double)at[k]) + 1e-4 * lr * fabs(g) + 1e-12))
                    fail_msg("%s[%zu] moved by %g, its gradient is %g", ps->items[i].name, k, moved, g);
            }
        }
        double wanted = 0.1 * (clipped ? 0.01 : r.grad_norm); /* m = (1 - beta1) g */
        CHECK(fabs(sqrt(moment) - wanted) < 1e-4 * wanted);
        free(was);
        training_end(&t);
    }
}

static int no_gradient(void *context, const char *name, tl_weight *w)
{
    (void)context;
    if (w->grad) fail_msg("%s has a gradient", name);
    return 0;
}

TEST(training_an_adapter_leaves_the_base_as_it_was_and_without_gradients)
{
    tl_err err = { 0 };
    tl_train_report r;
    tl_train_options o = training_options(1e-2);
    small_samples s;
    samples_fill(&s, 8, 3);
    for (int f = 0; f < 2 * FAMILIES; f++) {
        training t;
        training_begin(&t, families[f / 2], 1 + f % 2, 1, &o);
        tl_hash base = training_hash_base(&t), both = training_hash(&t);
        tl_model_each(t.model, no_gradient, NULL);
        CHECK_INT(t.trainer->params->count, tl_adapter_parameters(t.adapter));
        for (int i = 0; i < STEPS; i++) CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
        tl_hash base_after = training_hash_base(&t), both_after = training_hash(&t);
        CHECK_SAME_HASH(base, base_after);
        CHECK_OTHER_HASH(both, both_after);
        tl_model_each(t.model, no_gradient, NULL);
        training_end(&t);
    }
}

TEST(four_samples_are_learnt_by_heart)
{
    tl_err err = { 0 };
    tl_train_report r;
    small_samples s;
    samples_fill(&s, 4, 9);
    for (int f = 0; f < FAMILIES; f++) {
        for (int lora = 0; lora < 3; lora++) {
            tl_train_options o = training_options(lora ? 2e-2 : 1e-2);
            training t;
            training_begin(&t, families[f], lora, 1, &o);
            double before = 0, after = 0;
            CHECK_OK(tl_train_loss(t.trainer, s.list, s.n, &before, &err), err);
            for (int i = 0; i < 80; i++) CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
            CHECK_OK(tl_train_loss(t.trainer, s.list, s.n, &after, &err), err);
            CHECK(before > 4); /* log 83 is 4.4 */
            if (!(after < 0.1 * before)) fail_msg("%s, lora %d: %g after %g", families[f], lora, after, before);
            training_end(&t);
        }
    }
}

TEST(measuring_the_loss_changes_nothing)
{
    tl_err err = { 0 };
    tl_train_options o = training_options(1e-2);
    small_samples s;
    samples_fill(&s, 8, 3);
    training t;
    training_begin(&t, GPT2, false, 1, &o);
    tl_hash before = training_hash(&t);
    double a = 0, b = 0;
    CHECK_OK(tl_train_loss(t.trainer, s.list, s.n, &a, &err), err);
    CHECK_OK(tl_train_loss(t.trainer, s.list, s.n, &b, &err), err);
    tl_hash after = training_hash(&t);
    CHECK(a == b);
    CHECK_SAME_HASH(before, after);
    CHECK_INT(t.trainer->step, 0);
    training_end(&t);
}

TEST(a_frozen_model_without_an_adapter_has_nothing_to_train)
{
    tl_err err = { 0 };
    tl_trainer *t = NULL;
    tl_stream stream;
    tl_train_options o = training_options(1e-2);
    tl_model *m = training_frozen(LLAMA);
    CHECK_OK(tl_stream_create(&stream, 1, TL_PRECISION_F32, m->config.T, m->config.h, &err), err);
    CHECK_INT(tl_trainer_create(&t, m, NULL, &stream, &o, &err), TL_EDATA);
    CHECK_HAS(err.text, "trainable parameters: 0");
    CHECK(t == NULL);
    tl_stream_free(&stream);
    tl_model_free(m);
}

RUN_TESTS(CASE(training_gives_the_same_bits_with_one_thread_and_with_two_and_every_time),
          CASE(micro_batches_add_up_to_the_gradient_of_one_batch),
          CASE(packed_samples_have_the_hidden_rows_they_have_alone),
          CASE(the_loss_of_a_batch_is_the_mean_over_its_trained_tokens_not_over_its_samples),
          CASE(only_trained_tokens_count_and_each_by_its_log_probability),
          CASE(an_end_of_text_is_learnt_where_it_is_trained_and_only_there),
          CASE(a_step_without_a_trained_token_is_refused),
          CASE(a_sample_longer_than_the_context_or_the_batch_is_refused_with_its_size),
          CASE(a_loss_that_is_not_a_number_changes_no_weight_and_no_moment),
          CASE(a_huge_gradient_moves_the_weights_as_one_of_the_largest_norm_allowed),
          CASE(training_an_adapter_leaves_the_base_as_it_was_and_without_gradients),
          CASE(four_samples_are_learnt_by_heart), CASE(measuring_the_loss_changes_nothing),
          CASE(a_frozen_model_without_an_adapter_has_nothing_to_train))
