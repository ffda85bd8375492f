/* tune_test.c - both ways of tuning learn, repeat to the bit, keep the best epoch and leave alone what is not theirs.
 */
#define _GNU_SOURCE /* nftw */
#include "method/tune.h"

#include "method/samples.h"
#include "tests/small_task.h"
#include "train/train.h"

static const char *const ways[] = { "lora", "full", "lora+few-shot", "full+few-shot" };

static int add_weight(void *context, const char *name, tl_weight *w)
{
    tl_hash *h = context;
    (void)name;
    if (w->data) *h = tl_hash_chain(h, w->data, (size_t)w->rows * (size_t)w->cols * tl_dtype_size(w->dtype));
    return 0;
}

/* Of every bit of what answers: the model's weights, and the adapter's. */
static tl_hash hash_of(tl_model *m, tl_adapter *a)
{
    tl_hash h = { 0 };
    tl_model_each(m, add_weight, &h);
    if (a) tl_adapter_each(a, add_weight, &h);
    return h;
}

static bool same(tl_hash a, tl_hash b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

TEST(tuning_leaves_the_bytes_of_the_base_as_they_were)
{
    small_task s;
    tl_method_options o = small_options();
    small_begin(&s, SMALL_LABELS, 1);
    tl_hash before = hash_of(s.base, NULL);
    for (int i = 0; i < 4; i++) {
        tl_variant *v = small_variant(&s, ways[i], &o, 1, NULL);
        CHECK(same(hash_of(s.base, NULL), before));
        CHECK(!same(hash_of(tl_variant_model(v), v->adapter), before)); /* and something was trained */
        tl_variant_free(v);
    }
    small_end(&s);
}

TEST(a_single_step_moves_the_weights)
{
    small_task s;
    tl_method_options o = small_options();
    o.epochs = 1;
    o.batch = SMALL_TRAIN;
    small_begin(&s, SMALL_LABELS, 1);
    for (int kind = TL_SCHEDULE_CONSTANT; kind <= TL_SCHEDULE_COSINE; kind++) {
        o.schedule = (tl_schedule_kind)kind;
        tl_variant *v = small_variant(&s, "full", &o, 1, NULL);
        CHECK(!same(hash_of(v->weights, NULL), hash_of(s.base, NULL)));
        tl_variant_free(v);
    }
    small_end(&s);
}

TEST(a_seed_repeats_its_bits_with_one_thread_or_two_and_another_seed_has_others)
{
    small_task s;
    tl_method_options o = small_options();
    o.k = 1;
    small_begin(&s, SMALL_LABELS, 1);
    for (int i = 0; i < 4; i++) {
        tl_hash h[4];
        for (int run = 0; run < 4; run++) { /* once, again, with two threads, another seed */
            if (run == 2) {
                small_close(&s);
                small_open(&s, 2);
            }
            tl_variant *v = small_variant(&s, ways[i], &o, run < 3 ? 7 : 8, NULL);
            h[run] = hash_of(tl_variant_model(v), v->adapter);
            tl_variant_free(v);
        }
        CHECK(same(h[0], h[1]));
        CHECK(same(h[0], h[2]));
        CHECK(!same(h[0], h[3]));
        small_close(&s);
        small_open(&s, 1);
    }
    small_end(&s);
}

/* Loss of what answers on the validation split, computed anew. */
static double validation_loss(small_task *s, tl_variant *v, const tl_method_options *o)
{
    tl_err err = { 0 };
    tl_samples samples;
    tl_trainer *t = NULL;
    double loss = 0;
    tl_train_options to = tl_train_defaults();
    to.schedule = (tl_schedule){ .kind = TL_SCHEDULE_CONSTANT, .peak = 0, .total = 1 };
    to.max_rows = o->max_rows;
    CHECK_OK(tl_samples_make(&samples, s->task, s->tokenizer, tl_task_split(s->task, TL_SPLIT_VALIDATION), NULL, 1,
                             SMALL_CONTEXT + 1, &err),
             err);
    CHECK_OK(tl_trainer_create(&t, tl_variant_model(v), v->adapter, &s->stream, &to, &err), err);
    CHECK_OK(tl_train_loss(t, samples.list, samples.n, &loss, &err), err);
    tl_trainer_free(t);
    tl_samples_reset(&samples);
    return loss;
}

/* A rate far too high, so that the last epoch is not the best. */
TEST(the_epoch_with_the_lowest_validation_loss_is_kept_or_the_last_where_that_was_asked_for)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    int not_last = 0;
    for (int i = 0; i < 2; i++) {
        for (int best = 0; best < 2; best++) {
            tl_method_spent spent;
            tl_method_options o = small_options();
            o.epochs = 5;
            o.batch = 6;
            o.lora_lr = 3;
            o.full_lr = 0.3;
            o.schedule = TL_SCHEDULE_CONSTANT;
            o.keep_best = best;
            tl_variant *v = small_variant(&s, ways[i], &o, 1, &spent);
            int per_epoch = SMALL_TRAIN / o.batch, lowest = 1;
            CHECK_INT(spent.n_curve, o.epochs * per_epoch);
            double by_epoch[6] = { 0 };
            for (int p = 0; p < spent.n_curve; p++) {
                CHECK_INT(spent.curve[p].step, p + 1);
                CHECK(isfinite(spent.curve[p].loss));
                bool end = (p + 1) % per_epoch == 0;
                CHECK(isnan(spent.curve[p].validation) == !end);
                if (end) by_epoch[(p + 1) / per_epoch] = spent.curve[p].validation;
            }
            for (int e = 2; e <= o.epochs; e++)
                if (by_epoch[e] < by_epoch[lowest]) lowest = e;
            not_last += lowest != o.epochs;
            CHECK_INT(spent.best_epoch, best ? lowest : o.epochs);
            CHECK(validation_loss(&s, v, &o) == by_epoch[spent.best_epoch]);
            tl_variant_free(v);
            tl_method_spent_reset(&spent);
        }
    }
    CHECK(not_last >= 2); /* else nothing was told apart */
    small_end(&s);
}

TEST(both_ways_learn_a_task_that_the_base_cannot_do)
{
    small_task s;
    tl_method_options o = small_options();
    o.epochs = 16;
    o.batch = 6;
    small_begin(&s, SMALL_LABELS, 1);
    tl_variant *zero = small_variant(&s, "zero-shot", &o, 1, NULL);
    tl_predictions p = small_predict(&s, zero);
    CHECK(small_accuracy(&s, &p) < 0.6);
    tl_predictions_reset(&p);
    tl_variant_free(zero);
    for (int i = 0; i < 2; i++) {
        tl_method_spent spent;
        tl_variant *v = small_variant(&s, ways[i], &o, 1, &spent);
        p = small_predict(&s, v);
        if (small_accuracy(&s, &p) < 0.9) fail_msg("%s: accuracy %.2f", ways[i], small_accuracy(&s, &p));
        CHECK(spent.seconds > 0 && spent.flops > 0);
        CHECK(spent.trainable_parameters ==
              (double)(v->adapter ? tl_adapter_parameters(v->adapter) : tl_model_parameters(v->weights)));
        tl_predictions_reset(&p);
        tl_variant_free(v);
        tl_method_spent_reset(&spent);
    }
    small_end(&s);
}

TEST(trained_tokens_are_answers_and_eos_of_every_epoch)
{
    small_task s;
    tl_err err = { 0 };
    tl_method_spent spent;
    tl_samples samples;
    tl_method_options o = small_options();
    small_begin(&s, SMALL_LABELS, 1);
    CHECK_OK(tl_samples_make(&samples, s.task, s.tokenizer, tl_task_split(s.task, TL_SPLIT_TRAIN), NULL, 1,
                             SMALL_CONTEXT + 1, &err),
             err);
    int tokens = 0;
    for (int i = 0; i < samples.n; i++) tokens += tl_sample_targets(&samples.items[i]);
    tl_variant *v = small_variant(&s, "lora", &o, 1, &spent);
    CHECK(spent.trained_tokens == tokens * o.epochs);
    tl_samples_reset(&samples);
    tl_variant_free(v);
    tl_method_spent_reset(&spent);
    small_end(&s);
}

TEST(without_a_place_for_the_best_epoch_nothing_is_trained_and_the_place_is_named)
{
    small_task s;
    tl_err err = { 0 };
    tl_method m;
    tl_method_spent spent;
    tl_variant *v = NULL;
    tl_method_options o = small_options();
    small_begin(&s, SMALL_LABELS, 1);
    CHECK_OK(tl_method_parse(&m, "lora", &err), err);
    setenv("TMPDIR", "/nowhere/at/all", 1);
    CHECK_INT(tl_method_run(&v, &m, &s.work, &o, 1, &spent, &err), TL_EIO);
    CHECK_HAS(err.text, "/nowhere/at/all");
    CHECK_HAS(err.text, "best epoch");
    o.keep_best = false;
    v = small_variant(&s, "lora", &o, 1, NULL);
    unsetenv("TMPDIR");
    tl_variant_free(v);
    small_end(&s);
}

/* An adapter is small: memory for full fine-tuning leaves its bits alone. */
TEST(memory_changes_full_fine_tuning_and_leaves_adapters_alone)
{
    small_task s;
    tl_method_options o = small_options(), low = small_options();
    low.memory = tl_memory_low();
    low.max_rows = o.max_rows = 800;
    small_begin(&s, SMALL_LABELS, 1);
    for (int i = 0; i < 2; i++) {
        tl_method_spent a, b;
        tl_variant *x = small_variant(&s, ways[i], &o, 1, &a), *y = small_variant(&s, ways[i], &low, 1, &b);
        bool lora = i == 0;
        CHECK(same(hash_of(tl_variant_model(x), x->adapter), hash_of(tl_variant_model(y), y->adapter)) == lora);
        CHECK(strstr(b.memory, lora ? "state f32" : "state 8bit") && strstr(a.memory, "state f32"));
        CHECK(b.planned_bytes > 0 && b.planned_bytes < a.planned_bytes);
        tl_variant_free(x);
        tl_variant_free(y);
        tl_method_spent_reset(&a);
        tl_method_spent_reset(&b);
    }
    small_end(&s);
}

RUN_TESTS(CASE(without_a_place_for_the_best_epoch_nothing_is_trained_and_the_place_is_named),
          CASE(memory_changes_full_fine_tuning_and_leaves_adapters_alone),
          CASE(tuning_leaves_the_bytes_of_the_base_as_they_were), CASE(a_single_step_moves_the_weights),
          CASE(a_seed_repeats_its_bits_with_one_thread_or_two_and_another_seed_has_others),
          CASE(the_epoch_with_the_lowest_validation_loss_is_kept_or_the_last_where_that_was_asked_for),
          CASE(both_ways_learn_a_task_that_the_base_cannot_do), CASE(trained_tokens_are_answers_and_eos_of_every_epoch))
