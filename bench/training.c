/* training.c - rows of training: steps of random models on random tokens. */
#include "bench/bench.h"
#include "bench/ceilings.h"

#include "base/clock.h"
#include "model/adapter.h"
#include "train/train.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What a row's kind stands for. */
static const struct kind {
    const char *name;
    bool lora; /* r = 8 on every product; else all weights */
    tl_precision precision;
    tl_memory memory;
} kinds[] = {
    { "full", false, TL_PRECISION_BF16, { .recompute = TL_RECOMPUTE_OFF } },
    { "full-f32", false, TL_PRECISION_F32, { .recompute = TL_RECOMPUTE_OFF } },
    { "full-fused", false, TL_PRECISION_BF16, { .recompute = TL_RECOMPUTE_ON, .gradients = TL_GRADIENT_FUSED } },
    { "low",
      false,
      TL_PRECISION_BF16,
      { TL_RECOMPUTE_ON, TL_DTYPE_BF16, TL_STATE_8BIT, TL_GRADIENT_FUSED } }, /* tl_memory_low */
    { "lora", true, TL_PRECISION_BF16, { .recompute = TL_RECOMPUTE_OFF } },
    { "lora-recompute", true, TL_PRECISION_BF16, { .recompute = TL_RECOMPUTE_ON } },
};

typedef struct training {
    const struct kind *kind;
    int threads;
    tl_stream stream;
    tl_model *model;        /* owned */
    tl_adapter *adapter;    /* owned, or NULL */
    tl_trainer *trainer;    /* owned */
    tl_sample *samples;     /* owned */
    const tl_sample **list; /* owned */
    int n, length;
} training;

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    assert(!"a row names a kind that there is");
    return NULL;
}

static int make_samples(training *t, int n, tl_err *err)
{
    t->samples = calloc((size_t)n, sizeof *t->samples);
    t->list = calloc((size_t)n, sizeof(tl_sample *));
    if (!t->samples || !t->list) return tl_fail(err, TL_ENOMEM, "no memory for %d samples", n);
    for (t->n = 0; t->n < n;) {
        tl_sample *s = &t->samples[t->n];
        t->list[t->n++] = s;
        s->n = t->length + 1;
        s->ids = calloc((size_t)s->n, sizeof *s->ids);
        s->trained = malloc((size_t)s->n);
        if (!s->ids || !s->trained) return tl_fail(err, TL_ENOMEM, "no memory for a sample of %d tokens", t->length);
        memset(s->trained, 1, (size_t)s->n);
        for (int i = 0; i < s->n; i++)
            s->ids[i] = (int)((uint32_t)(t->n * 8191 + i * 127 + 1) * 2654435761u % (uint32_t)t->model->config.V);
    }
    return 0;
}

static int open_model(training *t, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    char dir[512];
    tl_config config;
    if (strcmp(row->shape, "gpt2") != 0) {
        TL_TRY(tl_shape_dir(dir, sizeof dir, row->shape, o->cache, err));
        return tl_model_open(&t->model, dir, err);
    }
    TL_TRY(tl_shape_config(&config, row->shape, err));
    return tl_model_create(&t->model, &config, 1, err);
}

static int make(training *t, const char *kind, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    tl_train_options options = tl_train_defaults();
    t->kind = kind_of(kind);
    t->threads = o->threads;
    t->length = row->length;
    options.max_rows = row->rows * row->length;
    options.memory = t->kind->memory;
    if (options.memory.gradients == TL_GRADIENT_FUSED) options.max_grad_norm = 0;
    TL_TRY(open_model(t, row, o, err));
    TL_TRY(tl_stream_create(&t->stream, o->threads, t->kind->precision, row->length, t->model->config.h, err));
    if (t->kind->lora) {
        tl_adapter_options a = tl_adapter_defaults();
        a.r = 8;
        TL_TRY(tl_adapter_create(&t->adapter, t->model, &a, err));
    } else {
        tl_unfreeze how = tl_memory_unfreeze(&options.memory);
        TL_TRY(tl_model_unfreeze_as(t->model, &how, err));
    }
    TL_TRY(tl_trainer_create(&t->trainer, t->model, t->adapter, &t->stream, &options, err));
    return make_samples(t, row->rows, err);
}

static void training_reset(training *t)
{
    for (int i = 0; i < t->n; i++) tl_sample_reset(&t->samples[i]);
    free(t->samples);
    free(t->list);
    tl_trainer_free(t->trainer);
    tl_adapter_release(t->adapter);
    tl_stream_free(&t->stream);
    tl_model_free(t->model);
}

/* Seconds of a step, and its useful operations. */
static int step(training *t, double *seconds, double *flops, tl_err *err)
{
    tl_train_report report;
    const double before = t->trainer->flops, start = tl_seconds();
    TL_TRY(tl_train_step(t->trainer, t->list, t->n, &report, err));
    *seconds = tl_seconds() - start;
    *flops = t->trainer->flops - before;
    return 0;
}

/* ---- tokens a second ---- */

static int train_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    training *t = *state = calloc(1, sizeof *t);
    double seconds, flops;
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for training");
    TL_TRY(make(t, row->kind, row, o, err));
    TL_TRY(step(t, &seconds, &flops, err));
    return step(t, &seconds, &flops, err); /* the second meets what the first has left behind */
}

static int train_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    training *t = state;
    double seconds, flops;
    tl_ceiling_meter meter =
        tl_ceiling_begin(t->kind->precision == TL_PRECISION_F32 ? TL_CEILING_F32 : TL_CEILING_BF16, t->threads);
    TL_TRY(step(t, &seconds, &flops, err));
    out->n = 1;
    out->part[0].value = t->n * t->length / seconds;
    out->part[0].ratio = flops / seconds / 1e9 / tl_ceiling_end(&meter);
    return 0;
}

static void train_close(void *state)
{
    training_reset(state);
    free(state);
}

const tl_bench_work tl_bench_train = { train_open, train_turn, train_close };
const tl_bench_work tl_bench_train_memory = { train_open, NULL, train_close };

/* ---- LoRA's step and full fine-tuning's, in turn ---- */

typedef struct both {
    training lora, full;
} both;

static int both_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    both *t = *state = calloc(1, sizeof *t);
    double seconds, flops;
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for training");
    TL_TRY(make(&t->lora, "lora", row, o, err));
    TL_TRY(make(&t->full, "full", row, o, err));
    TL_TRY(step(&t->lora, &seconds, &flops, err));
    return step(&t->full, &seconds, &flops, err);
}

/* LoRA's between two of full's, whose mean it is held against. */
static int both_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    both *t = state;
    double lora = 0, before = 0, after = 0, flops;
    TL_TRY(step(&t->full, &before, &flops, err));
    TL_TRY(step(&t->lora, &lora, &flops, err));
    TL_TRY(step(&t->full, &after, &flops, err));
    out->n = 1;
    out->part[0].value = 2 * lora / (before + after);
    return 0;
}

static void both_close(void *state)
{
    both *t = state;
    training_reset(&t->lora);
    training_reset(&t->full);
    free(t);
}

const tl_bench_work tl_bench_lora_step = { both_open, both_turn, both_close };
