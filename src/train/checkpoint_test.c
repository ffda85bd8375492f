/* checkpoint_test.c - a resumed run goes on to the same bits, and what is no checkpoint of this run is refused. */
#define _GNU_SOURCE /* nftw */
#include "tests/check.h"
#include "tests/small_training.h"
#include "train/checkpoint.h"

#include "base/buf.h"
#include "io/atomic.h"
#include "io/safetensors.h"

#define RUN "data a.jsonl lr 0.01 seed 1"

/* Steps from .. to of a run whose samples differ from step to step and whose rate falls. */
static void run_steps(training *t, int from, int to)
{
    tl_err err = { 0 };
    tl_train_report r;
    for (int i = from; i < to; i++) {
        small_samples s;
        samples_fill(&s, 4, 100 + (uint64_t)i);
        CHECK_OK(tl_train_step(t->trainer, s.list, s.n, &r, &err), err);
    }
}

static void begin_in(training *t, int lora, const tl_memory *memory)
{
    tl_train_options o = training_options(1e-2);
    o.memory = *memory;
    if (memory->gradients == TL_GRADIENT_FUSED) o.max_grad_norm = 0;
    o.schedule = (tl_schedule){ .kind = TL_SCHEDULE_COSINE, .peak = 1e-2, .last_ratio = 0.1, .warmup = 2, .total = 8 };
    o.weight_decay = 0.1f;
    training_begin(t, LLAMA_TIED, lora, 1, &o);
}

static void begin(training *t, bool lora)
{
    tl_memory memory = tl_memory_defaults();
    begin_in(t, lora, &memory);
}

TEST(a_resumed_run_ends_in_the_bits_of_one_that_was_never_stopped)
{
    tl_err err = { 0 };
    for (int i = 0; i < 6; i++) {
        int lora = i == 0 ? 1 : i == 5 ? 2 : 0;
        tl_memory memory = i == 4 ? tl_memory_low() : tl_memory_defaults();
        if (i == 2) memory.weights = TL_DTYPE_BF16;
        if (i == 2) memory.state = TL_STATE_BF16;
        if (i == 3) memory.state = TL_STATE_8BIT;
        if (i == 3) memory.gradients = TL_GRADIENT_BF16;
        training whole, first, second;
        begin_in(&whole, lora, &memory);
        run_steps(&whole, 0, 8);
        begin_in(&first, lora, &memory);
        begin_in(&second, lora, &memory);
        run_steps(&first, 0, 3);
        scratch_begin();
        CHECK_OK(tl_checkpoint_save(first.trainer, scratch("run.checkpoint"), RUN, 1234567, &err), err);
        double flops = first.trainer->flops;
        training_end(&first);
        long place = 0;
        CHECK_OK(tl_checkpoint_load(second.trainer, scratch("run.checkpoint"), RUN, &place, &err), err);
        scratch_end();
        CHECK_INT(place, 1234567);
        CHECK_INT(second.trainer->step, 3);
        CHECK(second.trainer->flops == flops && flops > 0);
        run_steps(&second, 3, 8);
        tl_hash a = training_hash(&whole), b = training_hash(&second);
        CHECK_SAME_HASH(a, b);
        CHECK(second.trainer->flops == whole.trainer->flops);
        training_end(&whole);
        training_end(&second);
    }
}

/* Load what lies in the scratch directory into t; it must fail, with the file's name, and change neither weights nor
 * step. */
static tl_err load_fails(training *t, const char *run, int code)
{
    tl_err err = { 0 };
    long place = -7;
    tl_hash before = training_hash(t);
    int rc = tl_checkpoint_load(t->trainer, scratch("run.checkpoint"), run, &place, &err);
    if (rc != code) fail_msg("%d instead of %d: %s", rc, code, err.text);
    CHECK_HAS(err.text, "run.checkpoint");
    tl_hash after = training_hash(t);
    CHECK_SAME_HASH(before, after);
    CHECK_INT(place, -7);
    CHECK_INT(t->trainer->step, 2);
    return err;
}

/* t after two steps, and beside it the checkpoint of another run of the same kind. */
static void begin_saved(training *t)
{
    tl_err err = { 0 };
    training saved;
    begin(&saved, true);
    run_steps(&saved, 0, 1);
    begin(t, true);
    run_steps(t, 2, 4);
    scratch_begin(); /* only now: begin takes a scratch directory for a moment */
    CHECK_OK(tl_checkpoint_save(saved.trainer, scratch("run.checkpoint"), RUN, 0, &err), err);
    training_end(&saved);
}

TEST(a_checkpoint_of_a_run_with_other_settings_is_refused_and_both_are_shown)
{
    training t;
    begin_saved(&t);
    tl_err err = load_fails(&t, "data a.jsonl lr 0.02 seed 1", TL_EUSAGE);
    CHECK_HAS(err.text, "lr 0.01");
    CHECK_HAS(err.text, "lr 0.02");
    scratch_end();
    training_end(&t);
}

TEST(a_truncated_checkpoint_is_refused_and_nothing_is_loaded)
{
    tl_err err = { 0 };
    training t;
    begin_saved(&t);
    tl_buf whole = tl_buf_make(16 << 20);
    CHECK_OK(tl_file_read(scratch("run.checkpoint"), 16 << 20, &whole, &err), err);
    size_t sizes[] = { 0, 7, 100, whole.size / 2, whole.size - 1 };
    for (int i = 0; i < 5; i++) {
        scratch_write("run.checkpoint", whole.data, sizes[i]);
        load_fails(&t, RUN, TL_EFORMAT);
    }
    tl_buf_reset(&whole);
    scratch_end();
    training_end(&t);
}

/* The checkpoint again, after its tensors and metadata were changed. */
static void rewrite(const char *rename_from, const char *rename_to, bool transpose, const tl_meta *meta, int n_meta)
{
    tl_err err = { 0 };
    tl_safetensors *s = NULL;
    static tl_stored tensors[200];
    CHECK_OK(tl_safetensors_open(&s, scratch("run.checkpoint"), &err), err);
    int n = tl_safetensors_count(s);
    CHECK(n <= 200);
    for (int i = 0; i < n; i++) {
        tensors[i] = *tl_safetensors_at(s, i);
        if (strcmp(tensors[i].name, rename_from) != 0) continue;
        tensors[i].name = rename_to;
        if (transpose) {
            size_t rows = tensors[i].dims[0];
            tensors[i].dims[0] = tensors[i].dims[1];
            tensors[i].dims[1] = rows;
        }
    }
    CHECK_OK(tl_safetensors_save(scratch("run.checkpoint"), tensors, n, meta, n_meta, &err), err);
    tl_safetensors_close(s);
}

#define LAST_A "model.layers.1.mlp.down_proj.lora_A.weight"
static const tl_meta good[] = { { "step", "1" }, { "place", "0" }, { "flops", "1" }, { "run", RUN } };

TEST(a_missing_tensor_is_named_and_nothing_is_loaded)
{
    training t;
    begin_saved(&t);
    rewrite("v/" LAST_A, "v/other", false, good, 4);
    tl_err err = load_fails(&t, RUN, TL_EFORMAT);
    CHECK_HAS(err.text, "v/" LAST_A);
    scratch_end();
    training_end(&t);
}

TEST(a_tensor_of_another_shape_is_named_and_nothing_is_loaded)
{
    training t;
    begin_saved(&t);
    rewrite("m/" LAST_A, "m/" LAST_A, true, good, 4); /* as many bytes, but turned */
    tl_err err = load_fails(&t, RUN, TL_ESHAPE);
    CHECK_HAS(err.text, "m/" LAST_A);
    scratch_end();
    training_end(&t);
}

TEST(a_step_or_place_that_is_no_number_is_refused)
{
    training t;
    const char *const bad[] = { "", "x", "-1", "1x", "99999999999999999999999" };
    for (int key = 0; key < 2; key++) {
        for (int i = 0; i < 5; i++) {
            begin_saved(&t);
            tl_meta meta[4];
            memcpy(meta, good, sizeof meta);
            meta[key].value = bad[i];
            rewrite("", "", false, meta, 4);
            load_fails(&t, RUN, TL_EFORMAT);
            scratch_end();
            training_end(&t);
        }
    }
}

TEST(weights_without_a_place_in_a_run_are_no_checkpoint)
{
    training t;
    begin_saved(&t);
    rewrite("", "", false, good, 3);
    tl_err err = load_fails(&t, RUN, TL_EFORMAT);
    CHECK_HAS(err.text, "not a checkpoint");
    scratch_end();
    training_end(&t);
}

TEST(a_checkpoint_with_another_kind_of_state_is_refused)
{
    training t, other;
    tl_err err = { 0 };
    tl_memory memory = tl_memory_defaults();
    begin(&t, false);
    run_steps(&t, 0, 2);
    memory.state = TL_STATE_BF16;
    begin_in(&other, false, &memory);
    scratch_begin();
    CHECK_OK(tl_checkpoint_save(other.trainer, scratch("run.checkpoint"), RUN, 0, &err), err);
    err = load_fails(&t, RUN, TL_ESHAPE);
    CHECK_HAS(err.text, "F32");
    scratch_end();
    training_end(&t);
    training_end(&other);
}

TEST(a_checkpoint_of_another_list_of_parameters_is_refused)
{
    training t, full;
    tl_err err = { 0 };
    begin(&full, false);
    begin_saved(&t);
    CHECK_OK(tl_checkpoint_save(full.trainer, scratch("run.checkpoint"), RUN, 0, &err), err);
    load_fails(&t, RUN, TL_ESHAPE);
    scratch_end();
    training_end(&t);
    training_end(&full);
}

RUN_TESTS(CASE(a_resumed_run_ends_in_the_bits_of_one_that_was_never_stopped),
          CASE(a_checkpoint_of_a_run_with_other_settings_is_refused_and_both_are_shown),
          CASE(a_truncated_checkpoint_is_refused_and_nothing_is_loaded),
          CASE(a_missing_tensor_is_named_and_nothing_is_loaded),
          CASE(a_tensor_of_another_shape_is_named_and_nothing_is_loaded),
          CASE(a_step_or_place_that_is_no_number_is_refused), CASE(weights_without_a_place_in_a_run_are_no_checkpoint),
          CASE(a_checkpoint_with_another_kind_of_state_is_refused),
          CASE(a_checkpoint_of_another_list_of_parameters_is_refused))
