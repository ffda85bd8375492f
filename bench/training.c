/* training.c - rows of training: steps of random models on random tokens. */
#include "bench/bench.h"
#include "bench/ceilings.h"

#include "base/clock.h"
#include "model/adapter.h"
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

typedef struct training {
    tl_stream stream;
    tl_model *model;        /* owned */
    tl_adapter *adapter;    /* owned, or NULL */
    tl_trainer *trainer;    /* owned */
    tl_sample *samples;     /* owned */
    const tl_sample **list; /* owned */
    int n;
} training;

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int make_samples(training *t, int n, int length, tl_err *err)
{
    t->samples = calloc((size_t)n, sizeof *t->samples);
    t->list = calloc((size_t)n, sizeof(tl_sample *));
    if (!t->samples || !t->list) return tl_fail(err, TL_ENOMEM, "no memory for %d samples", n);
    for (t->n = 0; t->n < n; t->n++) {
        tl_sample *s = &t->samples[t->n];
        t->list[t->n] = s;
        s->n = length + 1;
        s->ids = calloc((size_t)s->n, sizeof *s->ids);
        s->trained = malloc((size_t)s->n);
        if (!s->ids || !s->trained) return tl_fail(err, TL_ENOMEM, "no memory for a sample of %d tokens", length);
        memset(s->trained, 1, (size_t)s->n);
        for (int i = 0; i < s->n; i++)
            s->ids[i] = (int)((uint32_t)(t->n * 8191 + i * 127 + 1) * 2654435761u % (uint32_t)t->model->config.V);
    }
    return 0;
}

/* kind: full, full-f32, full-fused, low; lora, lora-recompute. */
static int make(training *t, const char *kind, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    tl_train_options options = tl_train_defaults();
    char dir[512];
    tl_config config;
    options.max_rows = row->rows * row->length;
    options.memory.recompute = TL_RECOMPUTE_OFF;
    if (strcmp(kind, "low") == 0) options.memory = tl_memory_low();
    if (strcmp(kind, "full-fused") == 0) options.memory.gradients = TL_GRADIENT_FUSED;
    if (strcmp(kind, "full-fused") == 0 || strcmp(kind, "lora-recompute") == 0)
        options.memory.recompute = TL_RECOMPUTE_ON;
    if (options.memory.gradients == TL_GRADIENT_FUSED) options.max_grad_norm = 0;
    if (strcmp(row->shape, "gpt2") == 0) {
        TL_TRY(tl_shape_config(&config, row->shape, err));
        TL_TRY(tl_model_create(&t->model, &config, 1, err));
    } else {
        TL_TRY(tl_shape_dir(dir, sizeof dir, row->shape, o->cache, err));
        TL_TRY(tl_model_open(&t->model, dir, err));
    }
    const tl_precision precision = strcmp(kind, "full-f32") == 0 ? TL_PRECISION_F32 : TL_PRECISION_BF16;
    TL_TRY(tl_stream_create(&t->stream, o->threads, precision, row->length, t->model->config.h, err));
    if (starts(kind, "lora")) {
        tl_adapter_options a = tl_adapter_defaults();
        a.r = 8;
        TL_TRY(tl_adapter_create(&t->adapter, t->model, &a, err));
    } else {
        tl_unfreeze how = tl_memory_unfreeze(&options.memory);
        TL_TRY(tl_model_unfreeze_as(t->model, &how, err));
    }
    TL_TRY(tl_trainer_create(&t->trainer, t->model, t->adapter, &t->stream, &options, err));
    return make_samples(t, row->rows, row->length, err);
}

static void training_free(training *t)
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

int tl_bench_train(const tl_bench_row *row, const tl_bench_options *o, tl_bench_samples *out, tl_err *err)
{
    training t = { 0 };
    const tl_ceiling_kind kind = strcmp(row->kind, "full-f32") == 0 ? TL_CEILING_F32 : TL_CEILING_BF16;
    double seconds, flops;
    int rc = make(&t, row->kind, row, o, err);
    if (rc == 0) rc = step(&t, &seconds, &flops, err);
    if (rc == 0 && row->memory) { /* two steps meet all there is */
        rc = step(&t, &seconds, &flops, err);
        out->n = 1;
        training_free(&t);
        return rc;
    }
    double before = tl_ceiling(kind, o->threads);
    for (int i = 0; rc == 0 && i < (o->quick ? 2 : 5); i++) {
        rc = step(&t, &seconds, &flops, err);
        double after = tl_ceiling(kind, o->threads);
        out->value[out->n] = row->rows * row->length / seconds;
        out->ratio[out->n++] = flops / seconds / 1e9 / ((before + after) / 2);
        before = after;
    }
    training_free(&t);
    return rc;
}

/* LoRA's step and full fine-tuning's in turn. */
int tl_bench_lora_step(const tl_bench_row *row, const tl_bench_options *o, tl_bench_samples *out, tl_err *err)
{
    training lora = { 0 }, full = { 0 };
    double a = 0, b = 0, flops;
    int rc = make(&lora, "lora", row, o, err);
    if (rc == 0) rc = make(&full, "full", row, o, err);
    if (rc == 0) rc = step(&lora, &a, &flops, err);
    if (rc == 0) rc = step(&full, &b, &flops, err);
    for (int i = 0; rc == 0 && i < (o->quick ? 2 : 7); i++) {
        rc = step(&lora, &a, &flops, err);
        if (rc == 0) rc = step(&full, &b, &flops, err);
        out->value[out->n++] = a / b;
    }
    training_free(&lora);
    training_free(&full);
    return rc;
}
