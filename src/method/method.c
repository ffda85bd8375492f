/* method.c - the ways, as data: what is drawn to stand in front, and what is given gradients. */
#include "method/method.h"

#include "method/prompt.h"
#include "method/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    tl_tuning tuning;
    bool few_shot;
} ways[] = {
    { "zero-shot", TL_TUNING_NONE, false },    { "few-shot", TL_TUNING_NONE, true },
    { "lora", TL_TUNING_LORA, false },         { "full", TL_TUNING_FULL, false },
    { "lora+few-shot", TL_TUNING_LORA, true }, { "full+few-shot", TL_TUNING_FULL, true },
};

int tl_method_parse(tl_method *out, const char *name, tl_err *err)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].name, name) != 0) continue;
        *out = (tl_method){ .tuning = ways[i].tuning, .few_shot = ways[i].few_shot };
        snprintf(out->name, sizeof out->name, "%s", name);
        return 0;
    }
    return tl_fail(err, TL_EUSAGE,
                   "method '%s' is not known; zero-shot, few-shot, lora, full, lora+few-shot and full+few-shot are",
                   name);
}

tl_method_options tl_method_defaults(void)
{
    tl_adapter_options a = tl_adapter_defaults();
    return (tl_method_options){ .k = -1,
                                .balanced = false,
                                .batch = 16,
                                .lora_lr = 1e-3,
                                .full_lr = 5e-4,
                                .schedule = TL_SCHEDULE_COSINE,
                                .warmup = 0.06,
                                .max_grad_norm = -1,
                                .max_rows = 1024,
                                .memory = tl_memory_defaults(),
                                .keep_best = true,
                                .lora_r = 16,
                                .lora_alpha = 32,
                                .rslora = a.rslora,
                                .dora = a.dora,
                                .lora_targets = a.targets,
                                .lora_own = a.own,
                                .lora_bias = a.bias };
}

/* A low-rank change wants a smaller rate for longer: at twice the steps and half the rate it is as good and the base
 * forgets less (docs/speed.md). */
int tl_method_epochs(const tl_method *m, const tl_method_options *o)
{
    if (o->epochs > 0) return o->epochs;
    return m->tuning == TL_TUNING_LORA ? 20 : 10;
}

void tl_method_spent_reset(tl_method_spent *s)
{
    free(s->curve);
    *s = (tl_method_spent){ 0 };
}

/* The worked examples: drawn by the seed, as many as fit. */
static int draw(int **out, int *k, const tl_method *m, const tl_work *w, const tl_method_options *o, uint64_t seed,
                tl_err *err)
{
    const tl_examples *train = tl_task_split(w->task, TL_SPLIT_TRAIN);
    int wanted = o->k >= 0 ? o->k : m->tuning == TL_TUNING_NONE ? 16 : 4;
    if (!m->few_shot) wanted = 0;
    if (o->k < 0 && wanted > train->n) wanted = train->n;
    if (wanted > train->n)
        return tl_fail(err, TL_EUSAGE, "%s: %d worked examples wanted, the training split has %d", w->task->name,
                       wanted, train->n);
    *out = malloc((size_t)(wanted + 1) * sizeof **out);
    if (!*out) return tl_fail(err, TL_ENOMEM, "worked examples: no memory for %d", wanted);
    TL_TRY(tl_task_draw(train, w->task->n_labels, wanted, seed, o->balanced, *out, err));
    TL_TRY(tl_prompt_fit(k, w->task, w->tokenizer, *out, wanted, w->base->config.T, err));
    if (o->k >= 0 && *k < wanted)
        return tl_fail(err, TL_EUSAGE, "%s: %d worked examples do not fit into the context of %d; %d do", w->task->name,
                       wanted, w->base->config.T, *k);
    if (m->few_shot && *k == 0)
        return tl_fail(err, TL_EUSAGE, "%s: not one worked example fits into the context of %d", w->task->name,
                       w->base->config.T);
    return 0;
}

static int tune(tl_variant *v, const tl_method *m, const tl_work *w, const tl_method_options *o, int group,
                uint64_t seed, tl_method_spent *spent, tl_err *err)
{
    bool lora = m->tuning == TL_TUNING_LORA;
    tl_method_options own = *o;
    own.epochs = tl_method_epochs(m, o);
    if (lora) {
        tl_adapter_options a = { .r = o->lora_r,
                                 .alpha = o->lora_alpha,
                                 .rslora = o->rslora,
                                 .dora = o->dora,
                                 .targets = o->lora_targets,
                                 .own = o->lora_own,
                                 .bias = o->lora_bias,
                                 .seed = seed };
        TL_TRY(tl_adapter_create(&v->adapter, w->base, &a, err));
        return tl_tune(w->base, v->adapter, w, &own, m->name, o->lora_lr, group, seed, spent, err);
    }
    /* Blocks of a GGUF file that nobody asked for are widened; what --quantize made, unfreezing refuses. */
    tl_model_options held = w->base->options;
    if (held.layers == TL_DTYPE_COUNT) held.layers = TL_DTYPE_F32;
    if (held.tables == TL_DTYPE_COUNT) held.tables = TL_DTYPE_F32;
    TL_TRY(tl_model_open_as(&v->weights, w->base_dir, &held, err));
    tl_unfreeze how = tl_memory_unfreeze(&o->memory);
    tl_model_rest(w->base); /* not used until the variant is measured against it */
    TL_TRY(tl_model_unfreeze_as(v->weights, &how, err));
    return tl_tune(v->weights, NULL, w, &own, m->name, o->full_lr, group, seed, spent, err);
}

static int make(tl_variant *v, const tl_method *m, const tl_work *w, const tl_method_options *o, uint64_t seed,
                tl_method_spent *spent, tl_err *err)
{
    int *indices = NULL;
    tl_buf prefix = tl_buf_make(TL_PROMPT_LIMIT);
    int rc = draw(&indices, &spent->k, m, w, o, seed, err);
    if (rc == 0)
        rc = tl_prompt_prefix(&prefix, w->task, tl_task_split(w->task, TL_SPLIT_TRAIN), indices, spent->k, err);
    if (rc == 0 && (!(v->method = strdup(m->name)) || !(v->prefix = strdup(prefix.data ? prefix.data : ""))))
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory for its prompt", m->name);
    free(indices);
    tl_buf_reset(&prefix);
    if (rc == 0 && m->tuning != TL_TUNING_NONE) rc = tune(v, m, w, o, spent->k + 1, seed, spent, err);
    return rc;
}

int tl_method_run(tl_variant **out, const tl_method *m, const tl_work *w, const tl_method_options *o, uint64_t seed,
                  tl_method_spent *spent, tl_err *err)
{
    tl_variant *v = calloc(1, sizeof *v);
    if (!v) return tl_fail(err, TL_ENOMEM, "%s: no memory for its variant", m->name);
    v->base = w->base;
    *spent = (tl_method_spent){ 0 };
    int rc = make(v, m, w, o, seed, spent, err);
    if (rc < 0) {
        tl_variant_free(v);
        tl_method_spent_reset(spent);
        return rc;
    }
    *out = v;
    return 0;
}
