/* report_json.c - report.json: every number of the report under a documented name (docs/report.md).
 *
 * jansson has no NaN: what was not measured is null.  It takes no string that is not UTF-8 either: such bytes
 * become U+FFFD.  A setter that fails marks the writer, and one look at the end tells. */
#include "report/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
    tl_err *err;
    int rc;
} writer;

/* jansson fails only where there is no memory: everything it is given here is of the right type. */
static void out_of_memory(writer *w)
{
    if (w->rc == 0) w->rc = tl_fail(w->err, TL_ENOMEM, "report.json: no memory for its values");
}

static void set(writer *w, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0) out_of_memory(w);
}

static void append(writer *w, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0) out_of_memory(w);
}

static json_t *text(writer *w, const char *s)
{
    if (!s) return json_null();
    tl_buf clean = tl_buf_make(16 << 20);
    if (w->rc == 0) w->rc = tl_text_clean(&clean, s, true, w->err);
    json_t *v = json_stringn(clean.data ? clean.data : "", clean.size);
    tl_buf_reset(&clean);
    return v;
}

/* A key that comes from outside; each may come once. */
static void set_named(writer *w, json_t *object, const char *name, json_t *value)
{
    tl_buf key = tl_buf_make(1 << 20);
    if (w->rc == 0) w->rc = tl_text_clean(&key, name, true, w->err);
    if (w->rc == 0 && json_object_get(object, key.data ? key.data : ""))
        w->rc =
            tl_fail(w->err, TL_EDATA, "report.json: '%.200s' stands twice in one list, wanted each name once", name);
    set(w, object, key.data ? key.data : "", value);
    tl_buf_reset(&key);
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* A count or a size: a whole number where it is one, null where it is -1 or NAN. */
static json_t *count(double x)
{
    if (!(x >= 0)) return json_null();
    return x == floor(x) && x < 0x1p53 ? json_integer((json_int_t)x) : number(x);
}

static json_t *hash(writer *w, const tl_hash *h)
{
    static const tl_hash none;
    char hex[65];
    if (memcmp(h, &none, sizeof none) == 0) return json_null();
    tl_hash_hex(hex, h);
    return text(w, hex);
}

static json_t *interval(writer *w, const tl_interval *x)
{
    json_t *o = json_object();
    set(w, o, "value", number(x->value));
    set(w, o, "low", number(x->low));
    set(w, o, "high", number(x->high));
    set(w, o, "n", count(x->n));
    return o;
}

static json_t *metrics(writer *w, const tl_named_interval *list, int n)
{
    json_t *o = json_object();
    for (int i = 0; i < n; i++) {
        json_t *metric = interval(w, &list[i].value);
        set(w, metric, "higher_is_better", json_boolean(!list[i].lower_is_better));
        set(w, metric, "share", json_boolean(list[i].share));
        set_named(w, o, list[i].name, metric);
    }
    return o;
}

static json_t *confusion(writer *w, const double *counts, int K)
{
    if (!counts) return json_null();
    json_t *rows = json_array();
    for (int t = 0; t < K; t++) {
        json_t *row = json_array();
        for (int p = 0; p < K; p++) append(w, row, number(counts[(size_t)t * (size_t)K + (size_t)p]));
        append(w, rows, row);
    }
    return rows;
}

static json_t *cost(writer *w, const tl_method_cost *c)
{
    json_t *o = json_object();
    set(w, o, "trainable_parameters", count(c->trainable_parameters));
    set(w, o, "trained_tokens", count(c->trained_tokens));
    set(w, o, "train_seconds", number(c->train_seconds));
    set(w, o, "train_flops", count(c->train_flops));
    set(w, o, "peak_bytes", count(c->peak_bytes));
    set(w, o, "stored_bytes", count(c->stored_bytes));
    set(w, o, "prompt_tokens", count(c->prompt_tokens));
    set(w, o, "ms_per_request", number(c->ms_per_request));
    return o;
}

/* Seeds are 64 bits without a sign; what JSON's integers (63 bits) cannot hold is a string of digits. */
static json_t *seed(uint64_t s)
{
    char digits[24];
    if (s <= INT64_MAX) return json_integer((json_int_t)s);
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)s);
    return json_string(digits);
}

static json_t *method(writer *w, const tl_method_result *m, int n_labels)
{
    json_t *o = json_object(), *forgetting = json_object(), *seeds = json_array(), *scores = json_array();
    json_t *settings = json_object(), *curve = json_array();
    set(w, forgetting, "loss_before", number(m->loss_before));
    set(w, forgetting, "loss_after", number(m->loss_after));
    set(w, forgetting, "change", interval(w, &m->forgetting));
    for (int i = 0; i < m->n_seeds; i++) {
        append(w, seeds, seed(m->seeds[i]));
        append(w, scores, number(m->seed_scores ? m->seed_scores[i] : NAN));
    }
    for (int i = 0; i < m->n_settings; i++) set_named(w, settings, m->settings[i].name, text(w, m->settings[i].value));
    for (int i = 0; i < m->n_curve; i++) {
        json_t *point = json_object();
        set(w, point, "step", json_integer(m->curve[i].step));
        set(w, point, "loss", number(m->curve[i].loss));
        set(w, point, "validation", number(m->curve[i].validation));
        append(w, curve, point);
    }
    set(w, o, "name", text(w, m->name));
    set(w, o, "metrics", metrics(w, m->metrics, m->n_metrics));
    set(w, o, "metrics_raw", metrics(w, m->metrics_raw, m->n_metrics_raw));
    set(w, o, "confusion", confusion(w, m->confusion, n_labels));
    set(w, o, "forgetting", forgetting);
    set(w, o, "cost", cost(w, &m->cost));
    set(w, o, "seeds", seeds);
    set(w, o, "seed_scores", scores);
    set(w, o, "settings", settings);
    set(w, o, "curve", curve);
    return o;
}

static json_t *split(writer *w, int n, const tl_hash *h)
{
    json_t *o = json_object();
    set(w, o, "n", count(n));
    set(w, o, "sha256", hash(w, h));
    return o;
}

static json_t *task(writer *w, const tl_report *r)
{
    json_t *o = json_object(), *labels = json_array(), *splits = json_object();
    for (int i = 0; i < r->n_labels; i++) append(w, labels, text(w, r->labels[i]));
    set(w, splits, "train", split(w, r->n_train, &r->train_hash));
    set(w, splits, "validation", split(w, r->n_validation, &r->validation_hash));
    set(w, splits, "test", split(w, r->n_test, &r->test_hash));
    set(w, o, "name", text(w, r->task_name));
    set(w, o, "kind", text(w, r->task_kind));
    set(w, o, "description", text(w, r->task_description));
    set(w, o, "provenance", text(w, r->task_provenance));
    set(w, o, "labels", labels);
    set(w, o, "splits", splits);
    return o;
}

static json_t *base(writer *w, const tl_report *r)
{
    json_t *o = json_object();
    set(w, o, "name", text(w, r->base_name));
    set(w, o, "type", text(w, r->base_type));
    set(w, o, "sha256", hash(w, &r->base_hash));
    set(w, o, "parameters", count(r->base_parameters));
    set(w, o, "bytes", count(r->base_bytes));
    return o;
}

static json_t *comparison(writer *w, const tl_comparison *c)
{
    json_t *o = json_object();
    set(w, o, "a", text(w, c->a));
    set(w, o, "b", text(w, c->b));
    set(w, o, "difference", interval(w, &c->difference));
    set(w, o, "p", number(c->p));
    set(w, o, "test", text(w, c->test));
    return o;
}

int tl_report_json(json_t **out, const tl_report *r, tl_err *err)
{
    writer w = { .err = err };
    json_t *o = json_object(), *methods = json_array(), *comparisons = json_array(), *general = json_object();
    for (int i = 0; i < r->n_methods; i++) append(&w, methods, method(&w, &r->methods[i], r->n_labels));
    for (int i = 0; i < r->n_comparisons; i++) append(&w, comparisons, comparison(&w, &r->comparisons[i]));
    set(&w, general, "name", text(&w, r->general_name));
    set(&w, general, "sha256", hash(&w, &r->general_hash));
    set(&w, o, "task", task(&w, r));
    set(&w, o, "base", base(&w, r));
    set(&w, o, "methods", methods);
    set(&w, o, "comparisons", comparisons);
    set(&w, o, "general_text", general);
    set(&w, o, "command", text(&w, r->command));
    set(&w, o, "version", text(&w, r->version));
    set(&w, o, "backend", text(&w, r->backend));
    set(&w, o, "machine", text(&w, r->machine));
    set(&w, o, "started", text(&w, r->started));
    set(&w, o, "seconds", number(r->seconds));
    if (w.rc < 0) {
        json_decref(o);
        return w.rc;
    }
    *out = o;
    return 0;
}
