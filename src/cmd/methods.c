/* methods.c - flags checked, things opened. */
#include "cmd/methods.h"

#include "base/log.h"

#include <string.h>

tl_method_flags tl_flags = { .model = "models/tailor-base", .schedule = "cosine", .precision = "f32" };

/* Defaults that are not constants, set before any flag is read. */
__attribute__((constructor)) static void set_defaults(void)
{
    tl_flags.o = tl_method_defaults();
}

static int check(tl_precision *precision, tl_err *err)
{
    tl_method_options *o = &tl_flags.o;
    TL_TRY(tl_schedule_kind_parse(&o->schedule, tl_flags.schedule, err));
    bool bf16 = strcmp(tl_flags.precision, "bf16") == 0;
    if (!bf16 && strcmp(tl_flags.precision, "f32") != 0)
        return tl_fail(err, TL_EUSAGE, "--precision '%s': f32 and bf16 are known", tl_flags.precision);
    *precision = bf16 ? TL_PRECISION_BF16 : TL_PRECISION_F32;
    o->keep_best = !tl_flags.last_epoch;
    o->balanced = !tl_flags.unbalanced;
    if (o->k < -1) return tl_fail(err, TL_EUSAGE, "--k %d: 0 or more is wanted", o->k);
    if (o->epochs < 1 || o->batch < 1 || o->max_rows < 2)
        return tl_fail(err, TL_EUSAGE, "--epochs, --batch and --micro-batch must be positive");
    if (!(o->lora_lr > 0) || !(o->full_lr > 0)) return tl_fail(err, TL_EUSAGE, "learning rates must be above 0");
    if (!(o->warmup >= 0 && o->warmup <= 1))
        return tl_fail(err, TL_EUSAGE, "--warmup %g: a share from 0 to 1 is wanted", o->warmup);
    if (o->lora_r < 1) return tl_fail(err, TL_EUSAGE, "--lora-r %d: 1 or more is wanted", o->lora_r);
    if (tl_flags.threads < 0) return tl_fail(err, TL_EUSAGE, "--threads %d: 0 or more is wanted", tl_flags.threads);
    return 0;
}

int tl_opened_open(tl_opened *out, const char *task_dir, unsigned splits, tl_err *err)
{
    tl_precision precision = TL_PRECISION_F32;
    *out = (tl_opened){ 0 };
    TL_TRY(check(&precision, err));
    tl_log_quiet(tl_flags.quiet);
    int rc = tl_task_open(&out->task, task_dir, splits, err);
    if (rc == 0) rc = tl_model_open(&out->base, tl_flags.model, err);
    if (rc == 0) rc = tl_tokenizer_open(&out->tokenizer, tl_flags.model, err);
    if (rc == 0 && tl_tokenizer_size(out->tokenizer) > out->base->config.V)
        rc = tl_fail(err, TL_ESHAPE, "%s: the tokenizer has %d tokens, the model %d", tl_flags.model,
                     tl_tokenizer_size(out->tokenizer), out->base->config.V);
    if (rc == 0)
        rc = tl_stream_create(&out->stream, tl_flags.threads, precision, out->base->config.T, out->base->config.h, err);
    if (rc < 0) {
        tl_opened_close(out);
        return rc;
    }
    out->work = (tl_work){ tl_flags.model, out->base, out->tokenizer, out->task, &out->stream };
    tl_log("base %s: %zu parameters, %s, %d threads", tl_flags.model, tl_model_parameters(out->base),
           out->base->backend->name, out->stream.threads);
    return 0;
}

void tl_opened_close(tl_opened *w)
{
    tl_task_free(w->task);
    tl_model_free(w->base);
    tl_tokenizer_free(w->tokenizer);
    tl_stream_free(&w->stream);
    *w = (tl_opened){ 0 };
}
