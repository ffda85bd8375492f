/* memory_test.c - what is held in another way gives the same bits, or numbers nearly as good, in the bytes that were
 * planned. */
#define _GNU_SOURCE /* nftw */
#include "tests/check.h"
#include "tests/small_training.h"

#include "base/clock.h"

#include <sys/wait.h>
#include <unistd.h>

static const char *const families[] = { LLAMA, LLAMA_TIED, GPT2 };
enum {
    FAMILIES = 3,
    STEPS = 3,
    MODES = 6
};

/* Every kind of everything at least once. */
static tl_memory mode(int i)
{
    static const tl_memory modes[MODES] = {
        { TL_RECOMPUTE_OFF, TL_DTYPE_F32, TL_STATE_F32, TL_GRADIENT_F32 },
        { TL_RECOMPUTE_ON, TL_DTYPE_F32, TL_STATE_BF16, TL_GRADIENT_F32 },
        { TL_RECOMPUTE_ON, TL_DTYPE_F32, TL_STATE_F32, TL_GRADIENT_BF16 },
        { TL_RECOMPUTE_OFF, TL_DTYPE_F32, TL_STATE_8BIT, TL_GRADIENT_FUSED },
        { TL_RECOMPUTE_OFF, TL_DTYPE_BF16, TL_STATE_BF16, TL_GRADIENT_BF16 },
        { TL_RECOMPUTE_ON, TL_DTYPE_BF16, TL_STATE_8BIT, TL_GRADIENT_FUSED },
    };
    return modes[i];
}

static tl_train_options options_in(double lr, const tl_memory *memory)
{
    tl_train_options o = training_options(lr);
    o.max_rows = 640;
    o.memory = *memory;
    if (memory->gradients == TL_GRADIENT_FUSED) o.max_grad_norm = 0;
    return o;
}

/* STEPS steps; the hash of all weights and moments then. */
static tl_hash trained(const char *config, bool lora, int threads, const tl_backend *backend, const tl_train_options *o)
{
    tl_err err = { 0 };
    tl_train_report r;
    small_samples s;
    training t;
    training_begin(&t, config, lora, threads, o);
    if (backend) t.model->backend = backend;
    for (int i = 0; i < STEPS; i++) {
        samples_fill(&s, 12, 3 + (uint64_t)i);
        CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
    }
    tl_hash h = training_hash_state(&t);
    training_end(&t);
    return h;
}

TEST(a_layer_run_again_gives_the_bits_of_one_that_was_kept_on_every_back_end)
{
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        for (int f = 0; f < FAMILIES; f++)
            for (int lora = 0; lora < 2; lora++) {
                tl_memory memory = tl_memory_defaults();
                memory.recompute = TL_RECOMPUTE_OFF;
                tl_train_options o = options_in(1e-2, &memory);
                o.max_rows = 256; /* several micro-batches */
                tl_hash kept = trained(families[f], lora, 2, *b, &o);
                o.memory.recompute = TL_RECOMPUTE_ON;
                tl_hash again = trained(families[f], lora, 2, *b, &o);
                CHECK_SAME_HASH(kept, again);
            }
}

TEST(an_update_inside_the_backward_gives_the_bits_of_one_after_it_on_every_back_end)
{
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        for (int f = 0; f < FAMILIES; f++)
            for (int low = 0; low < 2; low++) {
                tl_memory memory = low ? tl_memory_low() : tl_memory_defaults();
                memory.gradients = TL_GRADIENT_FUSED;
                tl_train_options o = options_in(1e-2, &memory);
                tl_hash fused = trained(families[f], false, 2, *b, &o);
                o.memory.gradients = TL_GRADIENT_F32;
                tl_hash apart = trained(families[f], false, 2, *b, &o);
                CHECK_SAME_HASH(fused, apart);
            }
}

TEST(every_mode_gives_the_same_bits_with_any_number_of_threads_and_other_bits_by_another_seed)
{
    for (int f = 0; f < FAMILIES; f++)
        for (int i = 0; i < MODES; i++) {
            tl_memory memory = mode(i);
            tl_train_options o = options_in(1e-2, &memory);
            tl_hash one = trained(families[f], false, 1, NULL, &o), three = trained(families[f], false, 3, NULL, &o);
            CHECK_SAME_HASH(one, three);
            o.seed = 2;
            tl_hash other = trained(families[f], false, 1, NULL, &o);
            bool chance = memory.weights == TL_DTYPE_BF16 || memory.state != TL_STATE_F32;
            if (chance)
                CHECK_OTHER_HASH(one, other);
            else
                CHECK_SAME_HASH(one, other);
        }
}

TEST(four_samples_are_learnt_by_heart_in_every_mode)
{
    tl_err err = { 0 };
    tl_train_report r;
    small_samples s;
    samples_fill(&s, 4, 9);
    for (int f = 0; f < FAMILIES; f++)
        for (int i = 0; i < MODES; i++) {
            tl_memory memory = mode(i);
            tl_train_options o = options_in(1e-2, &memory);
            training t;
            training_begin(&t, families[f], false, 2, &o);
            double before = 0, after = 0;
            CHECK_OK(tl_train_loss(t.trainer, s.list, s.n, &before, &err), err);
            for (int k = 0; k < 80; k++) CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
            CHECK_OK(tl_train_loss(t.trainer, s.list, s.n, &after, &err), err);
            if (!(after < 0.1 * before)) fail_msg("family %d, mode %d: %g after %g", f, i, after, before);
            training_end(&t);
        }
}

/* bf16 keeps eight bits: a gradient's element, and so the norm, is off by up to 2^-8 of itself. */
TEST(gradients_kept_in_bf16_have_the_norm_of_those_in_f32)
{
    tl_err err = { 0 };
    small_samples s;
    samples_fill(&s, 12, 3);
    for (int f = 0; f < FAMILIES; f++) {
        tl_train_report r[2];
        for (int i = 0; i < 2; i++) {
            tl_memory memory = tl_memory_defaults();
            if (i) memory.gradients = TL_GRADIENT_BF16;
            tl_train_options o = options_in(1e-2, &memory);
            o.max_rows = 256; /* micro-batches that add up */
            training t;
            training_begin(&t, families[f], false, 1, &o);
            CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r[i], &err), err);
            training_end(&t);
        }
        CHECK(r[0].loss == r[1].loss);
        CHECK(r[0].grad_norm != r[1].grad_norm && fabs(r[1].grad_norm / r[0].grad_norm - 1) < 0x1p-8);
    }
}

TEST(a_fused_update_refuses_clipping_and_more_than_one_micro_batch_by_name)
{
    tl_err err = { 0 };
    tl_train_report r;
    tl_trainer *refused = NULL;
    tl_memory memory = tl_memory_low();
    tl_train_options o = options_in(1e-2, &memory);
    small_samples s;
    samples_fill(&s, 12, 3);
    o.max_rows = 100;
    training t;
    training_begin(&t, LLAMA, false, 1, &o);
    o.max_grad_norm = 1;
    CHECK_INT(tl_trainer_create(&refused, t.model, NULL, &t.stream, &o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "gradients fused");
    CHECK_HAS(err.text, "clipping");
    tl_hash before = training_hash_state(&t);
    CHECK_INT(tl_train_step(t.trainer, s.list, s.n, &r, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "gradients fused: a step is one micro-batch");
    CHECK_HAS(err.text, "100 tokens");
    tl_hash after = training_hash_state(&t);
    CHECK_SAME_HASH(before, after);
    CHECK_OK(tl_train_step(t.trainer, s.list, 2, &r, &err), err);
    training_end(&t);
}

TEST(a_fused_step_whose_loss_is_no_number_changes_nothing)
{
    tl_err err = { 0 };
    tl_train_report r;
    small_samples s;
    samples_fill(&s, 4, 3);
    for (int f = 0; f < FAMILIES; f++) {
        tl_memory memory = tl_memory_defaults();
        memory.gradients = TL_GRADIENT_FUSED;
        tl_train_options o = options_in(1e-2, &memory);
        training t;
        training_begin(&t, families[f], false, 1, &o);
        CHECK_OK(tl_train_step(t.trainer, s.list, s.n, &r, &err), err);
        tl_param *p = &t.trainer->params->items[t.trainer->params->n - 1];
        tl_param_f32(p)[0] = NAN;
        tl_hash before = training_hash_state(&t);
        CHECK_INT(tl_train_step(t.trainer, s.list, s.n, &r, &err), TL_ENUMERIC);
        CHECK_HAS(err.text, "step 2");
        tl_hash after = training_hash_state(&t);
        CHECK_SAME_HASH(before, after);
        training_end(&t);
    }
}

TEST(what_an_adapter_cannot_be_trained_with_and_what_a_model_was_not_unfrozen_for_is_refused)
{
    tl_err err = { 0 };
    tl_trainer *refused = NULL;
    tl_memory memory = tl_memory_defaults();
    tl_train_options o = options_in(1e-2, &memory);
    training lora, full;
    training_begin(&lora, LLAMA, true, 1, &o);
    training_begin(&full, LLAMA, false, 1, &o);
    o.memory.state = TL_STATE_8BIT;
    CHECK_INT(tl_trainer_create(&refused, lora.model, lora.adapter, &lora.stream, &o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "state 8bit");
    CHECK_HAS(err.text, "adapter");
    o.memory.weights = TL_DTYPE_BF16;
    CHECK_INT(tl_trainer_create(&refused, full.model, NULL, &full.stream, &o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "weights bf16");
    CHECK_HAS(err.text, "unfrozen");
    training_end(&lora);
    training_end(&full);
}

TEST(words_of_memory_are_read_and_others_refused_with_what_is_known)
{
    tl_err err = { 0 };
    char text[120];
    tl_memory m = tl_memory_defaults();
    tl_memory_text(text, sizeof text, &m);
    CHECK_STR(text, "recompute auto, weights f32, state f32, gradients f32");
    CHECK(tl_memory_plain(&m));
    CHECK_OK(tl_memory_parse(&m, "off", "bf16", "bf16", "bf16", &err), err);
    tl_memory_text(text, sizeof text, &m);
    CHECK_STR(text, "recompute off, weights bf16, state bf16, gradients bf16");
    CHECK_OK(tl_memory_parse(&m, NULL, NULL, "8bit", "fused", &err), err);
    tl_memory_text(text, sizeof text, &m);
    CHECK_STR(text, "recompute off, weights bf16, state 8bit, gradients fused");
    CHECK(!tl_memory_plain(&m));
    m = tl_memory_low();
    tl_memory_text(text, sizeof text, &m);
    CHECK_STR(text, "recompute on, weights bf16, state 8bit, gradients fused");
    CHECK_INT(tl_memory_parse(&m, "yes", NULL, NULL, NULL, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "--recompute 'yes': auto, on and off");
    CHECK_INT(tl_memory_parse(&m, NULL, "f16", NULL, NULL, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "--weights 'f16': f32 and bf16");
    CHECK_INT(tl_memory_parse(&m, NULL, NULL, "4bit", NULL, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "--optimizer-state '4bit': f32, bf16 and 8bit");
    CHECK_INT(tl_memory_parse(&m, NULL, NULL, NULL, "none", &err), TL_EUSAGE);
    CHECK_HAS(err.text, "--gradients 'none': f32, bf16 and fused");
    tl_memory_text(text, sizeof text, &m);
    CHECK_STR(text, "recompute on, weights bf16, state 8bit, gradients fused");
}

/* ---- the plan ---- */

/* 10 million parameters, so that what is measured is not the process's own few hundred KB. */
#define MIDDLE                                                                                                         \
    "{\"model_type\": \"llama\", \"vocab_size\": 12000, \"hidden_size\": 256, \"intermediate_size\": 768,"             \
    " \"num_hidden_layers\": 9, \"num_attention_heads\": 8, \"num_key_value_heads\": 4,"                               \
    " \"max_position_embeddings\": 256, \"tie_word_embeddings\": true}"

enum {
    MIDDLE_ROWS = 512
};

static void middle_samples(tl_sample *s, int ids[2][257], uint8_t learnt[2][257])
{
    for (int i = 0; i < 2; i++) {
        s[i] = (tl_sample){ .ids = ids[i], .trained = learnt[i], .n = 257 };
        for (int k = 0; k < 257; k++) {
            ids[i][k] = (i * 1000 + k * 37) % 12000;
            learnt[i][k] = 1;
        }
    }
}

/* In a process of its own: bytes it holds at most while it trains, over what it held before. */
static double measured_bytes(const tl_memory *memory)
{
    tl_err err = { 0 };
    static int ids[2][257];
    static uint8_t learnt[2][257];
    tl_sample samples[2];
    const tl_sample *list[] = { &samples[0], &samples[1] };
    tl_train_options o = options_in(1e-3, memory);
    tl_unfreeze how = tl_memory_unfreeze(memory);
    tl_model *m = NULL;
    tl_trainer *t = NULL;
    tl_stream stream;
    tl_train_report r;
    o.max_rows = MIDDLE_ROWS;
    middle_samples(samples, ids, learnt);
    CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);
    CHECK_OK(tl_stream_create(&stream, 2, TL_PRECISION_F32, m->config.T, m->config.h, &err), err);
    memset(stream.scratch, 0xff, 2 * stream.scratch_each + TL_PRODUCT_SHARED); /* the program's, not the trainer's */
    tl_model_rest(m);
    tl_peak_reset();
    size_t before = tl_peak_bytes();
    CHECK_OK(tl_model_unfreeze_as(m, &how, &err), err);
    CHECK_OK(tl_trainer_create(&t, m, NULL, &stream, &o, &err), err);
    for (int i = 0; i < 2; i++) CHECK_OK(tl_train_step(t, list, 2, &r, &err), err);
    return (double)(tl_peak_bytes() - before);
}

static size_t planned_bytes(const tl_memory *memory)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    tl_train_options o = options_in(1e-3, memory);
    o.max_rows = MIDDLE_ROWS;
    CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);
    tl_train_plan p = tl_trainer_plan(m, NULL, &o);
    double parameters = (double)tl_model_parameters(m);
    double weights = memory->weights == TL_DTYPE_BF16 ? 2 : 4, moment = (double)tl_state_size(memory->state);
    CHECK((double)p.weights >= weights * parameters);
    CHECK((double)p.state >= 2 * moment * parameters);
    CHECK_INT(p.weights + p.state + p.acts, tl_trainer_bytes(m, NULL, &o));
    if (memory->gradients == TL_GRADIENT_FUSED) /* and of gradients only those of the largest groups */
        CHECK((double)p.weights < (weights + 4) * parameters - 4 * 6e6);
    tl_model_free(m);
    return p.weights + p.state + p.acts;
}

/* Threads do not outlive a fork, so every model of this test lives in a child and the parent has none: it stands first.
 */
static double in_child(double (*work)(int mode), int i)
{
    int ends[2], status = 0;
    double out = 0;
    CHECK_INT(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        out = work(i);
        _exit(write(ends[1], &out, sizeof out) == (ssize_t)sizeof out ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK_INT(read(ends[0], &out, sizeof out), sizeof out);
    close(ends[0]);
    close(ends[1]);
    return out;
}

static double write_middle(int i)
{
    tl_err err = { 0 };
    CHECK_OK(tl_model_write(training_model(MIDDLE), scratch_dir, TL_DTYPE_BF16, &err), err);
    return i;
}

static double planned_in(int i)
{
    tl_memory memory = mode(i);
    return (double)planned_bytes(&memory);
}

static double measured_in(int i)
{
    tl_memory memory = mode(i);
    return measured_bytes(&memory);
}

TEST(what_the_kernel_counts_is_what_was_planned)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer holds memory of its own */
#endif
    scratch_begin();
    in_child(write_middle, 0);
    for (int i = 0; i < MODES; i++) {
        double planned = in_child(planned_in, i), measured = in_child(measured_in, i);
        print_message("  mode %d: planned %.1f MB, measured %.1f MB\n", i, planned * 1e-6, measured * 1e-6);
        /* 2 MB: the list of parameters, huge pages not quite filled, pages of the program touched for the first time */
        CHECK(fabs(measured - planned) < 0.01 * planned + 2e6);
    }
    scratch_end();
}

TEST(recompute_by_itself_is_off_where_there_is_room_and_the_plan_says_so)
{
    tl_err err = { 0 };
    tl_memory memory = tl_memory_defaults();
    tl_train_options o = options_in(1e-2, &memory);
    training t;
    training_begin(&t, LLAMA, false, 1, &o);
    CHECK(tl_free_bytes() > 1 << 20);
    CHECK_INT(t.trainer->options.memory.recompute, TL_RECOMPUTE_OFF);
    CHECK(!tl_trainer_plan(t.model, NULL, &o).recompute);
    o.max_rows = 1 << 30; /* of activations of terabytes only the inputs could be kept */
    CHECK(tl_trainer_plan(t.model, NULL, &o).recompute);
    tl_trainer *none = NULL;
    CHECK_INT(tl_trainer_create(&none, t.model, NULL, &t.stream, &o, &err), TL_ENOMEM);
    training_end(&t);
}

RUN_TESTS(CASE(what_the_kernel_counts_is_what_was_planned),
          CASE(a_layer_run_again_gives_the_bits_of_one_that_was_kept_on_every_back_end),
          CASE(an_update_inside_the_backward_gives_the_bits_of_one_after_it_on_every_back_end),
          CASE(every_mode_gives_the_same_bits_with_any_number_of_threads_and_other_bits_by_another_seed),
          CASE(four_samples_are_learnt_by_heart_in_every_mode),
          CASE(gradients_kept_in_bf16_have_the_norm_of_those_in_f32),
          CASE(a_fused_update_refuses_clipping_and_more_than_one_micro_batch_by_name),
          CASE(a_fused_step_whose_loss_is_no_number_changes_nothing),
          CASE(what_an_adapter_cannot_be_trained_with_and_what_a_model_was_not_unfrozen_for_is_refused),
          CASE(words_of_memory_are_read_and_others_refused_with_what_is_known),
          CASE(recompute_by_itself_is_off_where_there_is_room_and_the_plan_says_so))
