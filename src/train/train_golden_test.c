/* train_golden_test.c - full fine-tuning takes the steps that PyTorch's AdamW takes (tests/golden/train), on every back
 * end.  Losses and norms within 1e-4: sums of f32 in two orders, carried through five updates. */
#include "tests/check.h"
#include "train/train.h"

#include <jansson.h>

#define GOLDEN "tests/golden/train/golden.json"

enum {
    SAMPLES = 8
};

static int read_samples(const json_t *list, tl_sample *out)
{
    int n = (int)json_array_size(list);
    CHECK(n > 0 && n <= SAMPLES);
    for (int i = 0; i < n; i++) {
        const json_t *s = json_array_get(list, (size_t)i), *ids = json_object_get(s, "ids");
        size_t size = json_array_size(ids);
        out[i] = (tl_sample){ .ids = calloc(size, sizeof(int)), .trained = calloc(size, 1), .n = (int)size };
        CHECK(out[i].ids && out[i].trained);
        for (size_t k = 0; k < size; k++) {
            out[i].ids[k] = (int)json_integer_value(json_array_get(ids, k));
            out[i].trained[k] = (uint8_t)json_integer_value(json_array_get(json_object_get(s, "trained"), k));
        }
    }
    return n;
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void close_to(const char *backend, const char *what, size_t step, double found, double wanted)
{
    if (!(fabs(found - wanted) <= 1e-4 * wanted))
        fail_msg("%s, step %zu: %s is %.8g, PyTorch's is %.8g", backend, step + 1, what, found, wanted);
}

static void check_steps(const json_t *golden, const tl_backend *backend, int max_rows)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    tl_trainer *t = NULL;
    tl_stream stream;
    tl_train_report r;
    tl_sample samples[SAMPLES] = { { 0 } };
    const tl_sample *list[SAMPLES];
    const json_t *full = json_object_get(golden, "full"), *steps = json_object_get(full, "steps");
    int n = read_samples(json_object_get(golden, "samples"), samples);
    for (int i = 0; i < n; i++) list[i] = &samples[i];
    CHECK_OK(tl_model_open(&m, "tests/golden/model/llama", &err), err);
    m->backend = backend;
    CHECK_OK(tl_model_unfreeze(m, &err), err);
    CHECK_OK(tl_stream_create(&stream, 1, TL_PRECISION_F32, m->config.T, m->config.h, &err), err);
    tl_train_options o = tl_train_defaults();
    o.schedule = (tl_schedule){ .kind = TL_SCHEDULE_CONSTANT, .peak = number(golden, "lr"), .total = 5 };
    o.weight_decay = (float)number(golden, "weight_decay");
    o.max_grad_norm = (float)number(golden, "max_grad_norm");
    o.max_rows = max_rows;
    CHECK_OK(tl_trainer_create(&t, m, NULL, &stream, &o, &err), err);
    CHECK_INT(json_array_size(steps), 5);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        CHECK_OK(tl_train_step(t, list, n, &r, &err), err);
        close_to(backend->name, "the loss", i, r.loss, number(json_array_get(steps, i), "loss"));
        close_to(backend->name, "the norm", i, r.grad_norm, number(json_array_get(steps, i), "grad_norm"));
    }
    double after = 0;
    CHECK_OK(tl_train_loss(t, list, n, &after, &err), err);
    close_to(backend->name, "the loss after it", 4, after, number(full, "after"));
    tl_trainer_free(t);
    tl_stream_free(&stream);
    tl_model_free(m);
    for (int i = 0; i < n; i++) tl_sample_reset(&samples[i]);
}

TEST(five_steps_are_those_of_pytorch_on_every_back_end)
{
    json_error_t bad;
    json_t *golden = json_load_file(GOLDEN, 0, &bad);
    if (!golden) fail_msg("%s: %s", GOLDEN, bad.text);
    for (const tl_backend *const *b = tl_backend_all(); *b; b++) {
        check_steps(golden, *b, 256);
        check_steps(golden, *b, 48); /* as several micro-batches */
    }
    json_decref(golden);
}

RUN_TESTS(CASE(five_steps_are_those_of_pytorch_on_every_back_end))
