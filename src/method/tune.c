/* tune.c - the loop around the step. */

#include "method/tune.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/rng.h"
#include "io/atomic.h"
#include "method/samples.h"
#include "train/train.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STREAM_ORDER = 0x7e00
};

typedef struct tuning {
    tl_trainer *trainer;
    tl_samples train, validation;
    int *order;              /* owned: of the samples */
    const tl_sample **batch; /* owned */
    FILE *best;              /* owned: the trained values at the best epoch */
    double best_loss;
    long steps; /* in all */
} tuning;

/* ---- the best epoch's values, in a file without a name: memory is for what every step needs ---- */

static int best_open(FILE **out, tl_err *err)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];
    if (!dir || !*dir) dir = "/tmp";
    TL_TRY(tl_path_join(path, sizeof path, dir, "tailor-best-XXXXXX", err));
    int fd = mkstemp(path);
    if (fd >= 0) unlink(path);
    if (fd < 0 || !(*out = fdopen(fd, "w+b"))) {
        int why = errno;
        if (fd >= 0) close(fd);
        return tl_fail(
            err, TL_EIO,
            "%s: no place for the weights of the best epoch (TMPDIR says where; the last epoch's need none): "
            "%s",
            path, strerror(why));
    }
    return 0;
}

/* All trained values into the file, and back. */
static int best_write(FILE *f, const tl_params *p, tl_err *err)
{
    bool whole = fseek(f, 0, SEEK_SET) == 0;
    for (int i = 0; whole && i < p->n; i++) {
        const tl_param *q = &p->items[i];
        whole = fwrite(q->value, tl_dtype_size(q->dtype), q->n, f) == q->n;
    }
    if (whole && fflush(f) == 0) return 0;
    return tl_fail(err, TL_EIO, "the weights of the best epoch: writing fails: %s", strerror(errno));
}

static int best_read(FILE *f, const tl_params *p, tl_err *err)
{
    bool whole = fseek(f, 0, SEEK_SET) == 0;
    for (int i = 0; whole && i < p->n; i++) {
        const tl_param *q = &p->items[i];
        whole = fread(q->value, tl_dtype_size(q->dtype), q->n, f) == q->n;
    }
    return whole ? 0 : tl_fail(err, TL_EIO, "the weights of the best epoch: reading fails: %s", strerror(errno));
}

static int by_size(const void *a, const void *b)
{
    return *(const int *)b - *(const int *)a;
}

/* A fused step is one micro-batch: the largest samples must fit into one together, whatever order chance brings. */
static int check_fused(const tl_samples *s, const tl_method_options *o, tl_err *err)
{
    int *sizes = malloc((size_t)s->n * sizeof *sizes), most = 0;
    if (!sizes) return tl_fail(err, TL_ENOMEM, "tuning: no memory for the sizes of %d samples", s->n);
    for (int i = 0; i < s->n; i++) sizes[i] = s->items[i].n - 1;
    qsort(sizes, (size_t)s->n, sizeof *sizes, by_size);
    for (int i = 0; i < o->batch && i < s->n; i++) most += sizes[i];
    free(sizes);
    if (most <= o->max_rows) return 0;
    return tl_fail(
        err, TL_EUSAGE,
        "gradients fused: a step is one micro-batch, and %d samples have up to %d tokens together where %d are "
        "run at once; --micro-batch %d or a smaller --batch is wanted",
        o->batch, most, o->max_rows, most);
}

static int prepare(tuning *t, tl_model *model, tl_adapter *adapter, const tl_work *w, const tl_method_options *o,
                   double learning_rate, int group, uint64_t seed, tl_err *err)
{
    const tl_examples *train = tl_task_split(w->task, TL_SPLIT_TRAIN);
    const tl_examples *validation = tl_task_split(w->task, TL_SPLIT_VALIDATION);
    int limit = (model->config.T < o->max_rows ? model->config.T : o->max_rows) + 1;
    int *examples = malloc((size_t)train->n * sizeof *examples);
    if (!examples) return tl_fail(err, TL_ENOMEM, "tuning: no memory for %d examples", train->n);
    for (int i = 0; i < train->n; i++) examples[i] = i;
    tl_rng r = tl_rng_make(seed, STREAM_ORDER); /* so that groups mix the labels whatever the file's order */
    tl_rng_shuffle(&r, examples, (size_t)train->n);
    int rc = tl_samples_make(&t->train, w->task, w->tokenizer, train, examples, group, limit, err);
    free(examples);
    if (rc == 0) rc = tl_samples_make(&t->validation, w->task, w->tokenizer, validation, NULL, group, limit, err);
    TL_TRY(rc);
    t->steps = (t->train.n + o->batch - 1) / o->batch * (long)o->epochs;
    tl_train_options to = tl_train_defaults();
    to.schedule = (tl_schedule){ .kind = o->schedule,
                                 .peak = learning_rate,
                                 .last_ratio = 0,
                                 .warmup = (long)(o->warmup * (double)t->steps + 0.5),
                                 .total = t->steps };
    to.weight_decay = (float)o->weight_decay;
    to.memory = tl_memory_defaults();
    to.memory.recompute = o->memory.recompute;
    if (!adapter) to.memory = o->memory;
    to.max_grad_norm = (float)o->max_grad_norm;
    if (o->max_grad_norm < 0) to.max_grad_norm = to.memory.gradients == TL_GRADIENT_FUSED ? 0 : 1;
    to.max_rows = o->max_rows;
    to.seed = seed;
    if (to.memory.gradients == TL_GRADIENT_FUSED) TL_TRY(check_fused(&t->train, o, err));
    TL_TRY(tl_trainer_create(&t->trainer, model, adapter, w->stream, &to, err));
    t->order = malloc((size_t)t->train.n * sizeof *t->order);
    t->batch = malloc((size_t)o->batch * sizeof *t->batch);
    if (!t->order || !t->batch) return tl_fail(err, TL_ENOMEM, "tuning: no memory for its lists");
    if (o->keep_best) TL_TRY(best_open(&t->best, err));
    for (int i = 0; i < t->train.n; i++) t->order[i] = i;
    return 0;
}

static int note(tl_method_spent *s, long step, double loss, tl_err *err)
{
    tl_tuned_point *curve = realloc(s->curve, (size_t)(s->n_curve + 1) * sizeof *curve);
    if (!curve) return tl_fail(err, TL_ENOMEM, "tuning: no memory for its curve");
    s->curve = curve;
    curve[s->n_curve++] = (tl_tuned_point){ .step = step, .loss = loss, .validation = NAN };
    return 0;
}

static int epoch(tuning *t, const tl_method_options *o, tl_progress *p, tl_method_spent *spent, tl_err *err)
{
    for (int at = 0; at < t->train.n; at += o->batch) {
        int n = t->train.n - at < o->batch ? t->train.n - at : o->batch;
        tl_train_report r;
        for (int i = 0; i < n; i++) t->batch[i] = t->train.list[t->order[at + i]];
        double start = tl_seconds();
        TL_TRY(tl_train_step(t->trainer, t->batch, n, &r, err));
        spent->seconds += tl_seconds() - start;
        spent->trained_tokens += r.targets;
        TL_TRY(note(spent, t->trainer->step, r.loss, err));
        tl_progress_show(p, t->trainer->step, "loss %.3f  %.0f tokens/s", r.loss, r.tokens / (tl_seconds() - start));
        TL_TRY(tl_interrupt_check("tuning", err));
    }
    return 0;
}

static int run(tuning *t, const tl_method_options *o, const char *name, uint64_t seed, tl_method_spent *spent,
               tl_err *err)
{
    tl_progress p = tl_progress_start(name, t->steps);
    for (int e = 1; e <= o->epochs; e++) {
        tl_rng r = tl_rng_make(seed, STREAM_ORDER + (uint64_t)e);
        tl_rng_shuffle(&r, t->order, (size_t)t->train.n);
        TL_TRY(epoch(t, o, &p, spent, err));
        double loss;
        TL_TRY(tl_train_loss(t->trainer, t->validation.list, t->validation.n, &loss, err));
        spent->curve[spent->n_curve - 1].validation = loss;
        if (e > 1 && loss >= t->best_loss) continue;
        t->best_loss = loss;
        if (o->keep_best) spent->best_epoch = e;
        if (o->keep_best) TL_TRY(best_write(t->best, t->trainer->params, err));
    }
    if (o->keep_best) {
        TL_TRY(best_read(t->best, t->trainer->params, err));
        tl_adapter_renorm(t->trainer->adapter, t->trainer->stream);
    } else
        spent->best_epoch = o->epochs;
    tl_progress_end(&p);
    spent->flops = t->trainer->flops;
    spent->trainable_parameters = (double)t->trainer->params->count;
    return 0;
}

int tl_tune(tl_model *model, tl_adapter *adapter, const tl_work *w, const tl_method_options *o, const char *name,
            double learning_rate, int group, uint64_t seed, tl_method_spent *spent, tl_err *err)
{
    tuning t = { 0 };
    int rc = prepare(&t, model, adapter, w, o, learning_rate, group, seed, err);
    if (rc == 0) {
        int tokens = 0;
        for (int i = 0; i < t.train.n; i++) tokens += tl_sample_targets(&t.train.items[i]);
        tl_log("%s: trainable parameters %zu, trained tokens %d an epoch, %ld steps of %d samples", name,
               t.trainer->params->count, tokens, t.steps, o->batch);
        tl_memory_text(spent->memory, sizeof spent->memory, &t.trainer->options.memory);
        spent->planned_bytes = (double)tl_trainer_bytes(model, adapter, &t.trainer->options);
        tl_log("%s: %s, clipping at %g: %.0f MB for training", name, spent->memory,
               (double)t.trainer->options.max_grad_norm, spent->planned_bytes * 1e-6);
        rc = run(&t, o, name, seed, spent, err);
    }
    tl_trainer_free(t.trainer);
    tl_samples_reset(&t.train);
    tl_samples_reset(&t.validation);
    free(t.order);
    free(t.batch);
    if (t.best) fclose(t.best);
    return rc;
}
