/* cmd_train.c - tune a base on a task: an adapter, or all its weights. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/methods.h"
#include "io/atomic.h"

#include <math.h>
#include <stdio.h>

static struct {
    const char *method, *output, *curve;
    int seed;
} o = { .method = "lora", .seed = 1 };

static const tl_option rows[] = {
    TL_WORK_ROWS,
    { "method", 's', &o.method, "NAME", "lora, full, lora+few-shot or full+few-shot" },
    { "output", 's', &o.output, "DIR", "where the variant goes" },
    { "curve", 's', &o.curve, "FILE",
      "one line of JSON a step: its loss, and the validation loss where one was taken" },
    { "seed", 'i', &o.seed, "N", "of first weights, order and worked examples" },
    TL_PROMPT_ROWS,
    TL_TUNE_ROWS,
    { 0 },
};

/* {"step": 125, "loss": 0.612} and, at an epoch's end, "validation" too. */
static int write_curve(const tl_method_spent *s, tl_err *err)
{
    tl_buf text = tl_buf_make((size_t)1 << 30);
    int rc = 0;
    for (int i = 0; rc == 0 && i < s->n_curve; i++) {
        const tl_tuned_point *p = &s->curve[i];
        rc = tl_buf_printf(&text, err, "{\"step\": %ld, \"loss\": %.9g", p->step, p->loss);
        if (rc == 0 && !isnan(p->validation)) rc = tl_buf_printf(&text, err, ", \"validation\": %.9g", p->validation);
        if (rc == 0) rc = tl_buf_puts(&text, "}\n", err);
    }
    if (rc == 0) rc = tl_file_save(o.curve, text.data, text.size, err);
    tl_buf_reset(&text);
    return rc;
}

static int run_train(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    tl_working w;
    tl_method m;
    tl_method_spent spent = { 0 };
    tl_variant *v = NULL;
    TL_TRY(tl_options_parse(&tl_cmd_train, rows, argc, argv, 1, &p, err));
    if (p.help) return 0;
    if (!o.output) return tl_fail(err, TL_EUSAGE, "tailor train: --output DIR is wanted");
    TL_TRY(tl_method_parse(&m, o.method, err));
    if (m.tuning == TL_TUNING_NONE)
        return tl_fail(err, TL_EUSAGE, "tailor train: %s trains nothing; tailor prompt makes its variant", m.name);
    TL_TRY(tl_flags_check_methods(&m, 1, err));
    TL_TRY(tl_working_open(&w, p.items[0], err));
    int rc = tl_method_run(&v, &m, &w.work, &tl_flags.o, (uint64_t)o.seed, &spent, err);
    if (rc == 0) rc = tl_variant_write(v, tl_flags.open.model, o.output, err);
    if (rc == 0 && o.curve) rc = write_curve(&spent, err);
    if (rc == 0)
        printf("%s: %.0f trainable parameters, %.0f trained tokens, %.1f s, %.3g FLOPs, %.0f MB planned for training, "
               "%.0f MB held at most, best epoch %d; variant in %s\n",
               m.name, spent.trainable_parameters, spent.trained_tokens, spent.seconds, spent.flops,
               spent.planned_bytes * 1e-6, (double)tl_peak_bytes() * 1e-6, spent.best_epoch, o.output);
    tl_variant_free(v);
    tl_method_spent_reset(&spent);
    tl_working_close(&w);
    return rc;
}

const tl_command tl_cmd_train = { "train", "tune a base on a task: an adapter, or all its weights",
                                  "TASK --output DIR [--method lora|full] [--model DIR]", run_train };
