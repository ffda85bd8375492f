/* compare.c - runs, one after the other, gathered into a report. */
#include "report/compare.h"

#include "base/clock.h"
#include "base/log.h"
#include "eval/score.h"
#include "io/atomic.h"
#include "io/json.h"
#include "method/prompt.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef TL_VERSION
#define TL_VERSION "0.1.0"
#endif

enum {
    PATH = 4096,
    SETTINGS = 16,
    TEXT = 48,
    SETTING_TEXT = 400,
    COMPARISONS = 64
};

/* Settings, as they are shown. */
typedef struct settings {
    tl_setting items[SETTINGS]; /* into texts: the struct is filled where it stays */
    char texts[SETTINGS][SETTING_TEXT];
    int n;
} settings;

/* All that one method leaves in memory. */
typedef struct entry {
    tl_method method;
    int n_seeds;
    uint64_t *seeds;             /* owned */
    tl_predictions *predictions; /* owned: [n_seeds] */
    const tl_predictions **list; /* owned: pointers to them */
    double *general_loss;        /* owned: [documents] mean over seeds */
    tl_scored scored, scored_raw;
    tl_named_interval metrics[TL_SCORES_MAX], metrics_raw[TL_SCORES_MAX];
    settings settings;     /* of the first seed */
    tl_curve_point *curve; /* owned */
    int n_curve;
    tl_method_cost cost;
} entry;

struct tl_compared {
    tl_report report;
    entry *entries; /* owned: [n] */
    int n;
    tl_method_result *results; /* owned: [n] */
    tl_comparison comparisons[COMPARISONS];
    char tests[COMPARISONS][TEXT];
    double *before;      /* owned: the base's loss on each general document */
    tl_general *general; /* owned */
    char machine[200], started[32];
};

tl_compare_options tl_compare_defaults(void)
{
    return (tl_compare_options){ .n_seeds = 3, .first_seed = 1, .timed = 32, .method = tl_method_defaults() };
}

void tl_machine_name(char *out, size_t size, int threads)
{
    char line[256], model[160] = "unknown CPU";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %159[^\n]", model) == 1) break;
    if (f) fclose(f);
    snprintf(out, size, "%s, %d threads", model, threads);
}

/* ---- one variant, evaluated ---- */

typedef struct encoding {
    const tl_tokenizer *tokenizer;
    const char *prefix;
} encoding;

static int encode(tl_ids *out, const char *input, void *context, tl_err *err)
{
    const encoding *e = context;
    return tl_prompt_encode(out, e->tokenizer, e->prefix, input, err);
}

/* Eight whole contexts of keys and values, or limit: a small base should not look large for its cache. */
static size_t cache_for(const tl_config *c, const tl_stream *s, size_t limit)
{
    size_t page = tl_page_bytes(tl_precision_dtype(s->precision), c->G, c->h) * (size_t)c->L;
    size_t wanted = 8 * page * ((size_t)c->T / TL_PAGE + 2);
    return wanted < limit ? wanted : limit;
}

int tl_evaluate(tl_evaluated *out, const tl_work *w, const tl_variant *v, const tl_examples *split,
                const tl_general *general, int timed, const char *name, tl_err *err)
{
    tl_engine *e = NULL;
    tl_engine_options eo = tl_engine_defaults();
    encoding context = { w->tokenizer, v->prefix };
    tl_predict_options po = {
        .adapter = v->adapter, .encode = encode, .context = &context, .timed = timed, .name = name
    };
    *out = (tl_evaluated){ 0 };
    eo.max_rank = v->adapter ? v->adapter->max_r : 0;
    eo.cache_bytes = cache_for(&w->base->config, w->stream, eo.cache_bytes);
    TL_TRY(tl_engine_create(&e, tl_variant_model(v), w->stream, &eo, err));
    int rc = tl_predict(&out->predictions, e, w->tokenizer, w->task, split, &po, err);
    if (rc == 0 && general) {
        out->general_loss = calloc((size_t)general->n, sizeof *out->general_loss);
        rc = out->general_loss ? tl_general_loss(out->general_loss, general, e, v->adapter, err)
                               : tl_fail(err, TL_ENOMEM, "general text: no memory for %d losses", general->n);
    }
    tl_engine_free(e);
    if (rc < 0) tl_evaluated_reset(out);
    return rc;
}

void tl_evaluated_reset(tl_evaluated *e)
{
    tl_predictions_reset(&e->predictions);
    free(e->general_loss);
    *e = (tl_evaluated){ 0 };
}

/* ---- settings, as they are shown ---- */

static void set(settings *s, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void set(settings *s, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->texts[s->n], SETTING_TEXT, format, arguments);
    va_end(arguments);
    s->items[s->n] = (tl_setting){ name, s->texts[s->n] };
    s->n++;
}

static void describe(settings *s, const tl_method *m, const tl_method_options *o, const tl_method_spent *spent)
{
    s->n = 0;
    if (m->few_shot) set(s, "k", "%d", spent->k);
    if (m->tuning == TL_TUNING_NONE) return;
    bool lora = m->tuning == TL_TUNING_LORA;
    set(s, "learning_rate", "%g", lora ? o->lora_lr : o->full_lr);
    set(s, "epochs", "%d", tl_method_epochs(m, o));
    set(s, "batch", "%d", o->batch);
    set(s, "best_epoch", "%d", spent->best_epoch);
    set(s, "memory", "%s", spent->memory);
    if (!lora) return;
    set(s, "r", "%d", o->lora_r);
    set(s, "alpha", "%g", (double)o->lora_alpha);
    set(s, "targets", "%s", o->lora_targets);
    if (o->rslora) set(s, "rslora", "on");
    if (o->dora) set(s, "dora", "on");
    if (*o->lora_own) set(s, "own", "%s", o->lora_own);
    if (o->lora_bias != TL_BIAS_NONE) set(s, "bias", "%s", tl_bias_name(o->lora_bias));
}

/* ---- one run ---- */

/* {"accuracy": {"value": ..., "low": ..., "high": ..., "n": ...}, ...} of one seed. */
static int put_metrics(json_t *out, const entry *e, int seed, const tl_work *w, tl_err *err)
{
    tl_scored s;
    TL_TRY(tl_score(&s, w->task, tl_task_split(w->task, TL_SPLIT_TEST), &e->list[seed], 1, false, e->seeds[0], err));
    for (int i = 0; i < s.n_metrics; i++) {
        const tl_interval *v = &s.metrics[i].value;
        json_object_set_new(
            out, s.metrics[i].metric->name,
            json_pack("{s:f, s:f, s:f, s:i}", "value", v->value, "low", v->low, "high", v->high, "n", v->n));
    }
    tl_scored_reset(&s);
    return 0;
}

static int write_run(const entry *e, int seed, const tl_work *w, const settings *shown, const tl_method_spent *spent,
                     const char *dir, tl_err *err)
{
    char path[PATH], hex[65];
    TL_TRY(tl_path_join(path, sizeof path, dir, "run.json", err));
    const tl_hash base_hash = tl_model_hash(w->base);
    tl_hash_hex(hex, &base_hash);
    json_t *o =
        json_pack("{s:s, s:I, s:s, s:s, s:{s:f, s:f, s:f, s:f, s:f}}", "method", e->method.name, "seed",
                  (json_int_t)e->seeds[seed], "task", w->task->name, "base_sha256", hex, "cost", "train_seconds",
                  spent->seconds, "train_flops", spent->flops, "trainable_parameters", spent->trainable_parameters,
                  "trained_tokens", spent->trained_tokens, "planned_bytes", spent->planned_bytes);
    json_t *pairs = json_object(), *metrics = json_object(), *predictions = json_array();
    const tl_predictions *p = &e->predictions[seed];
    for (int i = 0; i < shown->n; i++)
        json_object_set_new(pairs, shown->items[i].name, json_string(shown->items[i].value));
    int rc = put_metrics(metrics, e, seed, w, err);
    for (int i = 0; i < p->n; i++)
        json_array_append_new(predictions,
                              p->texts ? json_string(p->texts[i]) : json_string(w->task->labels[p->normalized[i]]));
    json_object_set_new(o, "settings", pairs);
    json_object_set_new(o, "metrics", metrics);
    json_object_set_new(o, "predictions", predictions);
    if (rc == 0) rc = o ? tl_json_save(path, o, err) : tl_fail(err, TL_ENOMEM, "%s: no memory for it", path);
    json_decref(o);
    return rc;
}

static int keep_curve(entry *e, const tl_method_spent *spent, tl_err *err)
{
    if (e->curve || spent->n_curve == 0) return 0;
    e->curve = calloc((size_t)spent->n_curve, sizeof *e->curve);
    if (!e->curve) return tl_fail(err, TL_ENOMEM, "loss curve: no memory for %d points", spent->n_curve);
    for (int i = 0; i < spent->n_curve; i++)
        e->curve[i] = (tl_curve_point){ spent->curve[i].step, spent->curve[i].loss, spent->curve[i].validation };
    e->n_curve = spent->n_curve;
    return 0;
}

/* What a run adds to its method's means. */
static void add_cost(entry *e, const tl_method_spent *spent, const tl_predictions *p, size_t stored)
{
    double part = 1.0 / e->n_seeds;
    e->cost.trainable_parameters = spent->trainable_parameters;
    e->cost.trained_tokens += part * spent->trained_tokens;
    e->cost.train_seconds += part * spent->seconds;
    e->cost.train_flops += part * spent->flops;
    e->cost.stored_bytes += part * (double)stored;
    e->cost.prompt_tokens += part * p->prompt_tokens;
    e->cost.ms_per_request += part * p->ms_per_request;
}

/* An earlier run's numbers must not stand beside the variant that replaces its own. */
static int remove_run(const char *dir, tl_err *err)
{
    char path[PATH];
    TL_TRY(tl_path_join(path, sizeof path, dir, "run.json", err));
    return tl_file_remove(path, err);
}

static int one_run(tl_compared *c, entry *e, int seed, const tl_work *w, const tl_compare_options *o, const char *dir,
                   tl_err *err)
{
    tl_variant *v = NULL;
    tl_method_spent spent;
    tl_evaluated evaluated = { 0 };
    settings shown;
    char path[PATH];
    size_t stored = 0;
    TL_TRY(remove_run(dir, err));
    TL_TRY(tl_method_run(&v, &e->method, w, &o->method, e->seeds[seed], &spent, err));
    bool tuned = e->method.tuning != TL_TUNING_NONE;
    int rc = tl_path_join(path, sizeof path, dir, "variant", err);
    if (rc == 0) rc = tl_variant_write(v, w->base_dir, path, err);
    if (rc == 0) rc = tl_directory_bytes(&stored, path, err);
    if (rc == 0)
        rc = tl_evaluate(&evaluated, w, v, tl_task_split(w->task, TL_SPLIT_TEST), tuned ? c->general : NULL, o->timed,
                         e->method.name, err);
    tl_variant_free(v);
    if (rc == 0) {
        for (int i = 0; tuned && c->general && i < c->general->n; i++)
            e->general_loss[i] += evaluated.general_loss[i] / e->n_seeds;
        e->predictions[seed] = evaluated.predictions;
        evaluated.predictions = (tl_predictions){ 0 };
        add_cost(e, &spent, &e->predictions[seed], stored);
        describe(&shown, &e->method, &o->method, &spent);
        if (seed == 0) describe(&e->settings, &e->method, &o->method, &spent);
        rc = keep_curve(e, &spent, err);
        if (rc == 0) rc = write_run(e, seed, w, &shown, &spent, dir, err);
    }
    tl_evaluated_reset(&evaluated);
    tl_method_spent_reset(&spent);
    return rc;
}

static void show_metrics(const tl_scored *s, tl_named_interval *out)
{
    for (int i = 0; i < s->n_metrics; i++) {
        const tl_metric *m = s->metrics[i].metric;
        out[i] = (tl_named_interval){ m->name, s->metrics[i].value, m->lower_is_better, m->share };
    }
}

static int run_method(tl_compared *c, entry *e, const tl_work *w, const tl_compare_options *o, tl_err *err)
{
    const tl_examples *test = tl_task_split(w->task, TL_SPLIT_TEST);
    char dir[PATH], part[64];
    tl_peak_reset();
    for (int s = 0; s < e->n_seeds; s++) {
        e->seeds[s] = o->first_seed + (uint64_t)s;
        snprintf(part, sizeof part, "%s/seed-%llu", e->method.name, (unsigned long long)e->seeds[s]);
        TL_TRY(tl_path_join(dir, sizeof dir, o->output, part, err));
        TL_TRY(tl_dir_make(dir, err));
        TL_TRY(one_run(c, e, s, w, o, dir, err));
    }
    e->cost.peak_bytes = (double)tl_peak_bytes();
    TL_TRY(tl_score(&e->scored, w->task, test, e->list, e->n_seeds, false, o->first_seed, err));
    show_metrics(&e->scored, e->metrics);
    if (w->task->kind == TL_TASK_CLASSIFICATION) {
        TL_TRY(tl_score(&e->scored_raw, w->task, test, e->list, e->n_seeds, true, o->first_seed, err));
        show_metrics(&e->scored_raw, e->metrics_raw);
    }
    tl_log("%s: %s %.3f [%.3f, %.3f]", e->method.name, e->metrics[0].name, e->metrics[0].value.value,
           e->metrics[0].value.low, e->metrics[0].value.high);
    return 0;
}

/* ---- the whole ---- */

static int measure_base(tl_compared *c, const tl_work *w, const tl_compare_options *o, tl_err *err)
{
    char path[PATH];
    tl_engine *e = NULL;
    tl_engine_options eo = tl_engine_defaults();
    if (o->general)
        snprintf(path, sizeof path, "%s", o->general);
    else
        TL_TRY(tl_path_join(path, sizeof path, w->base_dir, "general.jsonl", err));
    if (!o->general && access(path, F_OK) != 0) {
        tl_log("forgetting: not measured, there is no %s; --general FILE names a text", path);
        return 0;
    }
    TL_TRY(tl_general_open(&c->general, path, w->tokenizer, err));
    c->before = calloc((size_t)c->general->n, sizeof *c->before);
    if (!c->before) return tl_fail(err, TL_ENOMEM, "general text: no memory for %d losses", c->general->n);
    eo.max_rank = 0;
    eo.cache_bytes = cache_for(&w->base->config, w->stream, eo.cache_bytes);
    TL_TRY(tl_engine_create(&e, w->base, w->stream, &eo, err));
    int rc = tl_general_loss(c->before, c->general, e, NULL, err);
    tl_engine_free(e);
    return rc;
}

static int make_entry(tl_compared *c, entry *e, const tl_method *m, const tl_compare_options *o, tl_err *err)
{
    e->method = *m;
    e->n_seeds = m->tuning == TL_TUNING_NONE && !m->few_shot ? 1 : o->n_seeds;
    size_t n = (size_t)e->n_seeds, documents = c->general ? (size_t)c->general->n : 1;
    e->seeds = calloc(n, sizeof *e->seeds);
    e->predictions = calloc(n, sizeof *e->predictions);
    e->list = calloc(n, sizeof *e->list);
    e->general_loss = calloc(documents, sizeof *e->general_loss);
    if (!e->seeds || !e->predictions || !e->list || !e->general_loss)
        return tl_fail(err, TL_ENOMEM, "%s: no memory for %d seeds", m->name, e->n_seeds);
    for (int s = 0; s < e->n_seeds; s++) e->list[s] = &e->predictions[s];
    return 0;
}

static int show_method(const tl_compared *c, const entry *e, tl_method_result *r, const tl_compare_options *o,
                       tl_err *err)
{
    *r = (tl_method_result){ .name = e->method.name,
                             .metrics = e->metrics,
                             .n_metrics = e->scored.n_metrics,
                             .metrics_raw = e->metrics_raw,
                             .n_metrics_raw = e->scored_raw.n_metrics,
                             .confusion = e->scored.confusion,
                             .loss_before = NAN,
                             .loss_after = NAN,
                             .forgetting = { NAN, NAN, NAN, 0 },
                             .cost = e->cost,
                             .seeds = e->seeds,
                             .seed_scores = e->scored.per_seed,
                             .n_seeds = e->n_seeds,
                             .settings = e->settings.items,
                             .n_settings = e->settings.n,
                             .curve = e->curve,
                             .n_curve = e->n_curve };
    if (!c->general) return 0;
    /* A prompt changes no weights. */
    const double *after = e->method.tuning == TL_TUNING_NONE ? c->before : e->general_loss;
    r->loss_before = tl_general_mean(c->general, c->before);
    r->loss_after = tl_general_mean(c->general, after);
    return tl_forgetting(&r->forgetting, c->general, c->before, after, o->first_seed, err);
}

/* Each method with the one before it, on the same items. */
static int compare_neighbours(tl_compared *c, const tl_work *w, const tl_compare_options *o, tl_err *err)
{
    int n = tl_task_split(w->task, TL_SPLIT_TEST)->n;
    tl_bootstrap how = tl_bootstrap_defaults(o->first_seed);
    const char *metric = c->entries[0].metrics[0].name;
    for (int i = 1; i < c->n && i <= COMPARISONS; i++) {
        const entry *a = &c->entries[i], *b = &c->entries[i - 1];
        tl_comparison *x = &c->comparisons[i - 1];
        tl_paired p;
        TL_TRY(tl_interval_difference(&x->difference, a->scored.items, b->scored.items, n, &how, err));
        TL_TRY(tl_paired_permutation(&p, a->scored.items, b->scored.items, n, &how, err));
        snprintf(c->tests[i - 1], TEXT, "%s, paired permutation", metric);
        x->a = a->method.name;
        x->b = b->method.name;
        x->p = p.p;
        x->test = c->tests[i - 1];
        c->report.n_comparisons = i;
    }
    c->report.comparisons = c->comparisons;
    return 0;
}

static void fill_report(tl_compared *c, const tl_work *w, const tl_compare_options *o)
{
    const tl_task *t = w->task;
    const tl_examples *splits[TL_SPLIT_COUNT];
    for (int i = 0; i < TL_SPLIT_COUNT; i++) splits[i] = tl_task_split(t, (tl_split)i);
    const char *slash = strrchr(w->base_dir, '/');
    tl_report *r = &c->report;
    r->task_name = t->name;
    r->task_kind = t->kind == TL_TASK_CLASSIFICATION ? "classification" : "generation";
    r->task_description = t->description;
    r->task_provenance = t->provenance;
    r->n_train = splits[TL_SPLIT_TRAIN]->n;
    r->n_validation = splits[TL_SPLIT_VALIDATION]->n;
    r->n_test = splits[TL_SPLIT_TEST]->n;
    r->train_hash = splits[TL_SPLIT_TRAIN]->hash;
    r->validation_hash = splits[TL_SPLIT_VALIDATION]->hash;
    r->test_hash = splits[TL_SPLIT_TEST]->hash;
    r->labels = (const char *const *)t->labels;
    r->n_labels = t->n_labels;
    r->base_name = slash && slash[1] ? slash + 1 : w->base_dir;
    r->base_type = tl_config_model_type(&w->base->config);
    r->base_hash = tl_model_hash(w->base);
    r->base_parameters = (double)tl_model_parameters(w->base);
    r->base_bytes = (double)w->base->stored_bytes;
    r->general_name = c->general ? c->general->path : "";
    if (c->general) r->general_hash = c->general->hash;
    r->command = o->command;
    r->version = TL_VERSION;
    r->backend = w->base->backend->name;
    r->machine = c->machine;
    r->started = c->started;
    r->methods = c->results;
    r->n_methods = c->n;
}

static int run_all(tl_compared *c, const tl_work *w, const tl_compare_options *o, tl_err *err)
{
    double start = tl_seconds();
    time_t now = time(NULL);
    TL_TRY(tl_score_check(w->task, err));
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(c->started, sizeof c->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    tl_machine_name(c->machine, sizeof c->machine, w->stream->threads);
    TL_TRY(tl_dir_make(o->output, err));
    TL_TRY(tl_report_remove(o->output, err));
    TL_TRY(measure_base(c, w, o, err));
    for (int i = 0; i < c->n; i++) {
        TL_TRY(make_entry(c, &c->entries[i], &o->methods[i], o, err));
        TL_TRY(run_method(c, &c->entries[i], w, o, err));
        TL_TRY(show_method(c, &c->entries[i], &c->results[i], o, err));
    }
    TL_TRY(compare_neighbours(c, w, o, err));
    fill_report(c, w, o);
    c->report.seconds = tl_seconds() - start;
    return 0;
}

int tl_compare(tl_compared **out, const tl_work *w, const tl_compare_options *o, tl_err *err)
{
    tl_compared *c = calloc(1, sizeof *c);
    if (!c) return tl_fail(err, TL_ENOMEM, "comparison: no memory for it");
    c->n = o->n_methods;
    c->entries = calloc((size_t)c->n, sizeof *c->entries);
    c->results = calloc((size_t)c->n, sizeof *c->results);
    int rc = c->entries && c->results ? run_all(c, w, o, err)
                                      : tl_fail(err, TL_ENOMEM, "comparison: no memory for %d methods", c->n);
    if (rc < 0) {
        tl_compared_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

const tl_report *tl_compared_report(const tl_compared *c)
{
    return &c->report;
}

void tl_compared_free(tl_compared *c)
{
    if (!c) return;
    for (int i = 0; c->entries && i < c->n; i++) {
        entry *e = &c->entries[i];
        for (int s = 0; e->predictions && s < e->n_seeds; s++) tl_predictions_reset(&e->predictions[s]);
        tl_scored_reset(&e->scored);
        tl_scored_reset(&e->scored_raw);
        free(e->seeds);
        free(e->predictions);
        free(e->list);
        free(e->general_loss);
        free(e->curve);
    }
    free(c->entries);
    free(c->results);
    free(c->before);
    tl_general_free(c->general);
    free(c);
}
