/* methods.c - flags checked, things opened. */
#include "cmd/methods.h"

#include "base/log.h"
#include "base/panels.h"

tl_method_flags tl_flags = { .open = { .model = "models/tailor-base", .precision = "f32" },
                             .schedule = "cosine",
                             .lora_bias = "none" };

/* Defaults that are not constants, set before any flag is read. */
__attribute__((constructor)) static void set_defaults(void)
{
    tl_flags.o = tl_method_defaults();
}

static int check(tl_err *err)
{
    tl_method_options *o = &tl_flags.o;
    TL_TRY(tl_schedule_kind_parse(&o->schedule, tl_flags.schedule, err));
    if (tl_flags.low_memory) o->memory = tl_memory_low();
    TL_TRY(tl_memory_parse(&o->memory, tl_flags.memory.recompute, tl_flags.memory.weights, tl_flags.memory.state,
                           tl_flags.memory.gradients, err));
    if (o->memory.gradients == TL_GRADIENT_FUSED && o->max_grad_norm > 0)
        return tl_fail(err, TL_EUSAGE,
                       "--gradients fused updates before the norm of all is known: --max-grad-norm %g cannot be",
                       o->max_grad_norm);
    if (o->max_grad_norm < 0 && o->max_grad_norm != -1)
        return tl_fail(err, TL_EUSAGE, "--max-grad-norm %g: 0 or more is wanted, or -1", o->max_grad_norm);
    o->keep_best = !tl_flags.last_epoch;
    o->balanced = tl_flags.balanced;
    if (o->k < -1) return tl_fail(err, TL_EUSAGE, "--k %d: 0 or more is wanted", o->k);
    if (o->epochs < 0)
        return tl_fail(err, TL_EUSAGE, "--epochs is %d, wanted 1 or more, or 0 for the method's own", o->epochs);
    if (o->batch < 1 || o->max_rows < 2) return tl_fail(err, TL_EUSAGE, "--batch and --micro-batch must be positive");
    if (!(o->lora_lr > 0) || !(o->full_lr > 0)) return tl_fail(err, TL_EUSAGE, "learning rates must be above 0");
    if (!(o->warmup >= 0 && o->warmup <= 1))
        return tl_fail(err, TL_EUSAGE, "--warmup %g: a share from 0 to 1 is wanted", o->warmup);
    if (tl_bias_parse(&o->lora_bias, tl_flags.lora_bias, err) < 0)
        return tl_fail(err, TL_EUSAGE, "--lora-bias %s: none, lora_only and all are known", tl_flags.lora_bias);
    if (o->lora_r < 1) return tl_fail(err, TL_EUSAGE, "--lora-r %d: 1 or more is wanted", o->lora_r);
    return 0;
}

int tl_flags_check_methods(const tl_method *methods, int n, tl_err *err)
{
    const char *said = tl_flags.memory.weights     ? "--weights"
                       : tl_flags.memory.state     ? "--optimizer-state"
                       : tl_flags.memory.gradients ? "--gradients"
                                                   : NULL;
    tl_model_options held;
    bool full = false;
    for (int i = 0; i < n; i++) full = full || methods[i].tuning == TL_TUNING_FULL;
    TL_TRY(tl_model_options_parse(&held, tl_flags.open.quantize, tl_flags.open.quantize_tables, err));
    if (full && (tl_panels_known(held.layers) || tl_panels_known(held.tables)))
        return tl_fail(err, TL_EUSAGE,
                       "full fine-tuning trains every weight, and quantized ones cannot be trained: "
                       "--quantize goes with adapters and prompts");
    if (!said || full) return 0;
    return tl_fail(err, TL_EUSAGE, "%s concerns full fine-tuning, and none is asked for; an adapter is trained in f32",
                   said);
}

static int open_all(tl_working *w, const char *task_dir, tl_err *err)
{
    TL_TRY(tl_task_open(&w->task, task_dir, TL_TASK_ALL, err));
    TL_TRY(tl_open(&w->opened, &tl_flags.open, err));
    if (!w->opened.tokenizer)
        return tl_fail(err, TL_EDATA, "%s: has no tokenizer, and a task is text", tl_flags.open.model);
    w->work = (tl_work){ tl_flags.open.model, w->opened.model, w->opened.tokenizer, w->task, &w->opened.stream };
    return 0;
}

int tl_working_open(tl_working *out, const char *task_dir, tl_err *err)
{
    *out = (tl_working){ 0 };
    TL_TRY(check(err));
    tl_log_quiet(tl_flags.quiet);
    int rc = open_all(out, task_dir, err);
    if (rc < 0) {
        tl_working_close(out);
        return rc;
    }
    tl_log("base %s: %zu parameters, %s, %d threads", tl_flags.open.model, tl_model_parameters(out->work.base),
           out->work.base->backend->name, out->work.stream->threads);
    return 0;
}

void tl_working_close(tl_working *w)
{
    tl_task_free(w->task);
    tl_close(&w->opened);
    *w = (tl_working){ 0 };
}
