/* tune.c - the loop around the step. */

#include "method/tune.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/rng.h"
#include "method/samples.h"
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_ORDER = 0x7e00
};

typedef struct tuning {
    tl_trainer *trainer;
    tl_samples train, validation;
    int *order;              /* owned: of the samples */
    const tl_sample **batch; /* owned */
    char *best;              /* owned: the trained values at the best epoch */
    double best_loss;
    long steps; /* in all */
} tuning;

static void copy_values(const tl_params *p, char *to, bool back)
{
    for (int i = 0; i < p->n; i++) {
        size_t bytes = p->items[i].n * tl_dtype_size(p->items[i].dtype);
        if (back)
            memcpy(p->items[i].value, to, bytes);
        else
            memcpy(to, p->items[i].value, bytes);
        to += bytes;
    }
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
    to.max_grad_norm = (float)o->max_grad_norm;
    to.max_rows = o->max_rows;
    TL_TRY(tl_trainer_create(&t->trainer, model, adapter, w->stream, &to, err));
    t->order = malloc((size_t)t->train.n * sizeof *t->order);
    t->batch = malloc((size_t)o->batch * sizeof *t->batch);
    t->best = o->keep_best ? malloc(t->trainer->params->count * sizeof(float)) : NULL;
    if (!t->order || !t->batch || (o->keep_best && !t->best))
        return tl_fail(err, TL_ENOMEM, "tuning: no memory for its lists");
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
        if (o->keep_best) copy_values(t->trainer->params, t->best, false);
    }
    if (o->keep_best)
        copy_values(t->trainer->params, t->best, true);
    else
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
        rc = run(&t, o, name, seed, spent, err);
    }
    tl_trainer_free(t.trainer);
    tl_samples_reset(&t.train);
    tl_samples_reset(&t.validation);
    free(t.order);
    free(t.batch);
    free(t.best);
    return rc;
}
