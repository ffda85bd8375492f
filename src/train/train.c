/* train.c - the step. */
#include "train/train.h"

#include "base/clock.h"
#include "base/rng.h"
#include "model/flops.h"

#include <math.h>
#include <stdlib.h>

enum {
    STREAM_ROUNDING = 0x70000000
};

tl_train_options tl_train_defaults(void)
{
    return (tl_train_options){ .schedule = { .kind = TL_SCHEDULE_COSINE, .peak = 1e-3, .last_ratio = 0.1, .total = 1 },
                               .beta1 = 0.9f,
                               .beta2 = 0.999f,
                               .eps = 1e-8f,
                               .max_grad_norm = 1.0f,
                               .table_lr_ratio = 1.0f,
                               .max_rows = 2048,
                               .memory = tl_memory_defaults() };
}

/* Samples are rarely below eight tokens; a pack of many shorter ones ends sooner. */
static int max_segments(const tl_train_options *o)
{
    return o->max_rows / 8 + 8;
}

static tl_acts_size acts_size(const tl_adapter *adapter, const tl_train_options *o, bool recompute)
{
    return (tl_acts_size){ .max_rows = o->max_rows,
                           .max_rank = adapter ? adapter->max_r : 0,
                           .magnitudes = adapter && adapter->dora,
                           .training = true,
                           .recompute = recompute,
                           .max_segments = max_segments(o) };
}

/* The rule that the help states. */
static bool recompute_wanted(const tl_model *m, const tl_adapter *adapter, const tl_train_options *o)
{
    if (o->memory.recompute != TL_RECOMPUTE_AUTO) return o->memory.recompute == TL_RECOMPUTE_ON;
    tl_acts_size all = acts_size(adapter, o, false);
    size_t there = tl_free_bytes();
    return there > 0 && tl_acts_bytes(m, &all) > there / 2;
}

tl_train_plan tl_trainer_plan(const tl_model *m, const tl_adapter *adapter, const tl_train_options *o)
{
    tl_unfreeze how = tl_memory_unfreeze(&o->memory);
    bool recompute = recompute_wanted(m, adapter, o);
    tl_acts_size size = acts_size(adapter, o, recompute);
    return (tl_train_plan){ .weights = adapter ? tl_adapter_bytes(adapter) : tl_model_unfreeze_bytes(m, &how),
                            .state = tl_params_bytes(m, adapter, &o->memory),
                            .acts = tl_acts_bytes(m, &size),
                            .recompute = recompute };
}

size_t tl_trainer_bytes(const tl_model *m, const tl_adapter *adapter, const tl_train_options *o)
{
    tl_train_plan p = tl_trainer_plan(m, adapter, o);
    return p.weights + p.state + p.acts;
}

static int check_memory(const tl_model *m, const tl_adapter *adapter, const tl_train_options *o, tl_err *err)
{
    tl_unfreeze how = tl_memory_unfreeze(&o->memory);
    char text[120];
    tl_memory_text(text, sizeof text, &o->memory);
    if (o->memory.gradients == TL_GRADIENT_FUSED && o->max_grad_norm > 0)
        return tl_fail(
            err, TL_EUSAGE,
            "gradients fused: each group is updated before the norm of all gradients is known, so clipping at "
            "%g cannot be; a max-grad-norm of 0 is wanted",
            (double)o->max_grad_norm);
    if (adapter && !tl_memory_plain(&o->memory))
        return tl_fail(err, TL_EUSAGE, "memory (%s): an adapter is trained in f32, with gradients of its own", text);
    if (!adapter && m->tokens.grad && !tl_model_unfrozen_as(m, &how))
        return tl_fail(err, TL_EUSAGE, "memory (%s): the model was not unfrozen so", text);
    return 0;
}

int tl_trainer_create(tl_trainer **out, tl_model *m, tl_adapter *adapter, tl_stream *s, const tl_train_options *o,
                      tl_err *err)
{
    TL_TRY(check_memory(m, adapter, o, err));
    tl_trainer *t = calloc(1, sizeof *t);
    if (!t) return tl_fail(err, TL_ENOMEM, "trainer: no memory for it");
    t->model = m;
    t->adapter = adapter;
    t->stream = s;
    t->options = *o;
    bool recompute = recompute_wanted(m, adapter, o);
    t->options.memory.recompute = recompute ? TL_RECOMPUTE_ON : TL_RECOMPUTE_OFF;
    tl_acts_size size = acts_size(adapter, o, recompute);
    int rc = tl_params_create(&t->params, m, adapter, o->table_lr_ratio, &o->memory, err);
    if (rc == 0) rc = tl_acts_create(&t->acts, m, &size, err);
    if (rc == 0) rc = tl_pack_init(&t->pack, o->max_rows, max_segments(o), err);
    if (rc < 0) {
        tl_trainer_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tl_trainer_free(tl_trainer *t)
{
    if (!t) return;
    tl_params_free(t->params);
    tl_acts_free(t->acts);
    tl_pack_free(&t->pack);
    free(t);
}

static int check_samples(const tl_trainer *t, const tl_sample *const *samples, int n, int *targets, double *weight,
                         tl_err *err)
{
    int limit = t->options.max_rows < t->model->config.T ? t->options.max_rows : t->model->config.T;
    *targets = 0;
    *weight = 0;
    for (int i = 0; i < n; i++) {
        if (samples[i]->n - 1 > limit)
            return tl_fail(err, TL_EDATA, "a sample has %d tokens, the context and the batch hold %d", samples[i]->n,
                           limit + 1);
        *targets += tl_sample_targets(samples[i]);
        *weight += tl_sample_weight(samples[i]);
    }
    if (*targets == 0)
        return tl_fail(err, TL_EDATA, "trained tokens: 0 in a step of %d samples, nothing would be learnt", n);
    return 0;
}

/* Fill the pack from samples[i..]; where the next one starts. */
static int fill(tl_pack *p, const tl_sample *const *samples, int i, int n)
{
    tl_pack_reset(p);
    while (i < n && tl_pack_add(p, samples[i])) i++;
    return i;
}

/* A step under way: what its groups of gradients are met with as they are completed. */
typedef struct stepping {
    tl_trainer *t;
    tl_adamw_step adamw;
    tl_gradients gradients;
    uint32_t key;   /* of what is rounded by chance */
    double squares; /* of the gradients so far, where the update is fused */
} stepping;

static void group_done(void *context, int group)
{
    stepping *st = context;
    const tl_backend *be = st->t->model->backend;
    tl_params *p = st->t->params;
    if (st->t->options.memory.gradients == TL_GRADIENT_BF16)
        tl_params_keep(p, group, be, st->t->stream, st->gradients.add);
    if (st->t->options.memory.gradients != TL_GRADIENT_FUSED) return;
    st->squares += pow(tl_params_norm(p, group, be, st->t->stream), 2);
    if (isfinite(st->squares)) tl_params_update(p, group, be, st->t->stream, &st->adamw, st->key);
}

static uint32_t rounding_key(uint64_t seed, long step)
{
    tl_rng r = tl_rng_make(seed, STREAM_ROUNDING + (uint64_t)step);
    return (uint32_t)tl_rng_next(&r);
}

static stepping step_begin(tl_trainer *t)
{
    const tl_train_options *o = &t->options;
    double count = (double)t->step + 1;
    bool grouped = !t->adapter && o->memory.gradients != TL_GRADIENT_F32;
    return (stepping){ .t = t,
                       .adamw = { .lr = (float)tl_schedule_lr(&o->schedule, t->step),
                                  .beta1 = o->beta1,
                                  .beta2 = o->beta2,
                                  .eps = o->eps,
                                  .weight_decay = o->weight_decay,
                                  .correction1 = (float)(1 - pow(o->beta1, count)),
                                  .correction2 = (float)(1 - pow(o->beta2, count)),
                                  .grad_scale = 1 },
                       .gradients = { .done = grouped ? group_done : NULL },
                       .key = rounding_key(o->seed, t->step) };
}

static int not_finite(const tl_trainer *t, const tl_train_report *r, tl_err *err)
{
    return tl_fail(err, TL_ENUMERIC,
                   "step %ld: the loss is %g and the gradient's norm %g; a lower learning rate than %g may help",
                   t->step + 1, r->loss, r->grad_norm, t->options.schedule.peak);
}

/* Forward, loss and backward of every micro-batch. */
static int gather_gradients(stepping *st, const tl_sample *const *samples, int n, double weight, tl_train_report *r,
                            tl_err *err)
{
    tl_trainer *t = st->t;
    bool fused = t->options.memory.gradients == TL_GRADIENT_FUSED;
    for (int i = 0; i < n; st->gradients.add = true) { /* the first one writes, the others add */
        i = fill(&t->pack, samples, i, n);
        if (fused && i < n)
            return tl_fail(
                err, TL_EUSAGE,
                "gradients fused: a step is one micro-batch, and %d samples do not fit into one of %d tokens "
                "and %d sequences; a smaller batch or a larger micro-batch is wanted",
                n, t->options.max_rows, t->pack.max_segments);
        tl_pack_weigh(&t->pack, (float)(1.0 / weight));
        tl_batch b = tl_pack_batch(&t->pack, t->adapter);
        tl_forward(t->model, t->stream, &b, t->acts);
        r->loss += tl_loss(t->model, t->stream, &b, t->acts, t->pack.targets, t->pack.weights, &st->gradients);
        if (fused && !isfinite(r->loss)) return not_finite(t, r, err);
        tl_backward(t->model, t->stream, &b, t->acts, &st->gradients);
        r->tokens += t->pack.N;
        t->flops += tl_flops_train(t->model, t->adapter, &b, t->pack.n_targets);
    }
    return 0;
}

int tl_train_step(tl_trainer *t, const tl_sample *const *samples, int n, tl_train_report *r, tl_err *err)
{
    const tl_train_options *o = &t->options;
    const tl_backend *be = t->model->backend;
    bool fused = o->memory.gradients == TL_GRADIENT_FUSED;
    double weight;
    *r = (tl_train_report){ 0 };
    TL_TRY(check_samples(t, samples, n, &r->targets, &weight, err));
    stepping st = step_begin(t);
    st.gradients.context = &st;
    r->lr = tl_schedule_lr(&o->schedule, t->step);
    TL_TRY(gather_gradients(&st, samples, n, weight, r, err));
    r->grad_norm = fused ? sqrt(st.squares) : tl_params_norm(t->params, TL_GROUP_ALL, be, t->stream);
    if (!isfinite(r->loss) || !isfinite(r->grad_norm)) return not_finite(t, r, err);
    if (!fused) {
        if (o->max_grad_norm > 0 && r->grad_norm > o->max_grad_norm)
            st.adamw.grad_scale = (float)(o->max_grad_norm / r->grad_norm);
        tl_params_update(t->params, TL_GROUP_ALL, be, t->stream, &st.adamw, st.key);
    }
    tl_adapter_renorm(t->adapter, t->stream);
    t->step++;
    return 0;
}

int tl_train_loss(tl_trainer *t, const tl_sample *const *samples, int n, double *loss, tl_err *err)
{
    int targets;
    double weight;
    TL_TRY(check_samples(t, samples, n, &targets, &weight, err));
    *loss = 0;
    for (int i = 0; i < n;) {
        i = fill(&t->pack, samples, i, n);
        tl_pack_weigh(&t->pack, (float)(1.0 / weight));
        tl_batch b = tl_pack_batch(&t->pack, t->adapter);
        tl_forward(t->model, t->stream, &b, t->acts);
        *loss += tl_loss(t->model, t->stream, &b, t->acts, t->pack.targets, t->pack.weights, NULL);
    }
    return 0;
}
