/* train.c - the step. */
#include "train/train.h"

#include "model/flops.h"

#include <math.h>
#include <stdlib.h>

tl_train_options tl_train_defaults(void)
{
    return (tl_train_options){ .schedule = { .kind = TL_SCHEDULE_COSINE, .peak = 1e-3, .last_ratio = 0.1, .total = 1 },
                               .beta1 = 0.9f,
                               .beta2 = 0.999f,
                               .eps = 1e-8f,
                               .max_grad_norm = 1.0f,
                               .table_lr_ratio = 1.0f,
                               .max_rows = 2048 };
}

static tl_acts_size acts_size(const tl_adapter *adapter, const tl_train_options *o)
{
    return (tl_acts_size){
        .max_rows = o->max_rows, .max_rank = adapter ? adapter->max_r : 0, .training = true, .max_segments = o->max_rows
    };
}

size_t tl_trainer_bytes(const tl_model *m, const tl_adapter *adapter, const tl_train_options *o)
{
    tl_acts_size size = acts_size(adapter, o);
    size_t trained = adapter ? tl_adapter_parameters(adapter) : tl_model_parameters(m);
    return tl_acts_bytes(m, &size) + 4 * sizeof(float) * trained; /* value, gradient, two moments */
}

int tl_trainer_create(tl_trainer **out, tl_model *m, tl_adapter *adapter, tl_stream *s, const tl_train_options *o,
                      tl_err *err)
{
    tl_trainer *t = calloc(1, sizeof *t);
    if (!t) return tl_fail(err, TL_ENOMEM, "trainer: no memory for it");
    t->model = m;
    t->adapter = adapter;
    t->stream = s;
    t->options = *o;
    tl_acts_size size = acts_size(adapter, o);
    int rc = tl_params_create(&t->params, m, adapter, o->table_lr_ratio, err);
    if (rc == 0) rc = tl_acts_create(&t->acts, m, &size, err);
    if (rc == 0) rc = tl_pack_init(&t->pack, o->max_rows, o->max_rows, err);
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

int tl_train_step(tl_trainer *t, const tl_sample *const *samples, int n, tl_train_report *r, tl_err *err)
{
    const tl_train_options *o = &t->options;
    const tl_backend *be = t->model->backend;
    double weight;
    *r = (tl_train_report){ 0 };
    TL_TRY(check_samples(t, samples, n, &r->targets, &weight, err));
    tl_gradients g = { 0 }; /* the first micro-batch writes, the others add */
    for (int i = 0; i < n; g.add = true) {
        i = fill(&t->pack, samples, i, n);
        tl_pack_weigh(&t->pack, (float)(1.0 / weight));
        tl_batch b = tl_pack_batch(&t->pack, t->adapter);
        tl_forward(t->model, t->stream, &b, t->acts);
        r->loss += tl_loss(t->model, t->stream, &b, t->acts, t->pack.targets, t->pack.weights, &g);
        tl_backward(t->model, t->stream, &b, t->acts, &g);
        r->tokens += t->pack.N;
        t->flops += tl_flops_train(t->model, t->adapter, &b, t->pack.n_targets);
    }
    r->grad_norm = tl_params_norm(t->params, be, t->stream);
    if (!isfinite(r->loss) || !isfinite(r->grad_norm))
        return tl_fail(err, TL_ENUMERIC,
                       "step %ld: the loss is %g and the gradient's norm %g; a lower learning rate than %g may help",
                       t->step + 1, r->loss, r->grad_norm, o->schedule.peak);
    r->lr = tl_schedule_lr(&o->schedule, t->step);
    double scale = o->max_grad_norm > 0 && r->grad_norm > o->max_grad_norm ? o->max_grad_norm / r->grad_norm : 1.0;
    double count = (double)++t->step;
    tl_adamw_step step = { .lr = (float)r->lr,
                           .beta1 = o->beta1,
                           .beta2 = o->beta2,
                           .eps = o->eps,
                           .weight_decay = o->weight_decay,
                           .correction1 = (float)(1 - pow(o->beta1, count)),
                           .correction2 = (float)(1 - pow(o->beta2, count)),
                           .grad_scale = (float)scale };
    tl_params_update(t->params, be, t->stream, &step);
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
