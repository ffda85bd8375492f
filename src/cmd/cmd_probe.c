/* cmd_probe.c - does a base learn from the examples in its prompt?  Accuracy by number of examples and condition. */
#include "base/hash.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "eval/probe_set.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAMILY_K = 8 /* where families are looked at one by one */
};

static tl_open_flags flags = { .model = "models/tailor-base", .precision = "f32" };

static struct {
    const char *data;
    bool json;
} o;

static const tl_option rows[] = {
    { "model", 's', &flags.model, "BASE", "the base: a directory or a GGUF file" },
    { "data", 's', &o.data, "FILE", "questions: JSON lines of tailor-generate probe" },
    TL_QUANTIZE_ROWS(flags),
    { "json", 'b', &o.json, NULL, "write JSON instead of tables" },
    { "threads", 'i', &flags.threads, "N", "0: all" },
    { 0 },
};

/* One row of the tables: a filter and what it gave. */
typedef struct row {
    tl_probe_filter filter;
    tl_probe_score score;
} row;

typedef struct run {
    tl_tokenizer *tokenizer;
    tl_model *model;
    tl_stream stream;
    tl_engine *engine;
    tl_probe_set *probes;
    row *groups, *families; /* owned; by condition and k over all families; each family at FAMILY_K */
    int n_groups, n_families;
    tl_progress progress;
} run;

static bool watch(void *context, int done, int n)
{
    (void)n;
    tl_progress_show(context, done, "questions");
    return !tl_interrupted();
}

static int prepare(run *r, tl_err *err)
{
    tl_precision precision;
    if (flags.threads < 0) return tl_fail(err, TL_EUSAGE, "--threads %d: wanted 0 or more", flags.threads);
    tl_engine_options how = tl_engine_defaults();
    how.max_rank = 0;
    TL_TRY(tl_base_find(&flags.model, err));
    TL_TRY(tl_tokenizer_open(&r->tokenizer, flags.model, err));
    TL_TRY(tl_probe_set_read(&r->probes, o.data, r->tokenizer, err));
    TL_TRY(tl_open_base(&r->model, &precision, &flags, err));
    TL_TRY(tl_stream_create(&r->stream, flags.threads, precision, r->model->config.T, r->model->config.h, err));
    return tl_engine_create(&r->engine, r->model, &r->stream, &how, err);
}

static int compare_rows(const void *left, const void *right)
{
    const tl_probe_filter *a = &((const row *)left)->filter, *b = &((const row *)right)->filter;
    if (a->held_out != b->held_out) return a->held_out ? -1 : 1;
    if (a->condition != b->condition) return a->condition < b->condition ? -1 : 1;
    if (a->k != b->k) return a->k < b->k ? -1 : 1;
    return a->family && b->family ? strcmp(a->family, b->family) : 0;
}

/* Every setting that occurs in the questions, once: with_family, those of k = FAMILY_K by family. */
static int find_rows(row **out, int *n, const tl_probe_set *p, bool with_family, tl_err *err)
{
    row *found = NULL;
    int count = 0, room = 0;
    for (int i = 0; i < p->n; i++) {
        const tl_probe_question *q = &p->questions[i];
        if (with_family && q->k != FAMILY_K) continue;
        row one = { .filter = { q->condition, q->k, q->held_out, with_family ? q->family : NULL } };
        bool again = false;
        for (int j = 0; j < count && !again; j++) again = compare_rows(&found[j], &one) == 0;
        if (again) continue;
        if (count == room) {
            row *more = realloc(found, (size_t)(room = room ? 2 * room : 64) * sizeof *found);
            if (!more) {
                free(found);
                return tl_fail(err, TL_ENOMEM, "%s: no memory for %d settings", p->path, room);
            }
            found = more;
        }
        found[count++] = one;
    }
    if (count > 1) qsort(found, (size_t)count, sizeof *found, compare_rows);
    *out = found;
    *n = count;
    return 0;
}

static int score_rows(row *list, int n, const tl_probe_set *p, tl_err *err)
{
    for (int i = 0; i < n; i++) TL_TRY(tl_probe_set_score(&list[i].score, p, &list[i].filter, err));
    return 0;
}

static int answer(run *r, tl_err *err)
{
    r->progress = tl_progress_start("probe", r->probes->n);
    tl_engine_watch(r->engine, watch, &r->progress);
    int rc = tl_probe_set_answer(r->probes, r->engine, err);
    tl_progress_end(&r->progress);
    TL_TRY(rc);
    TL_TRY(find_rows(&r->groups, &r->n_groups, r->probes, false, err));
    TL_TRY(find_rows(&r->families, &r->n_families, r->probes, true, err));
    TL_TRY(score_rows(r->groups, r->n_groups, r->probes, err));
    return score_rows(r->families, r->n_families, r->probes, err);
}

static void print_share(const tl_interval *x)
{
    if (x->n > 0)
        printf("  %.3f [%.3f, %.3f]", x->value, x->low, x->high);
    else
        printf("  %20s", "-");
}

static void print_rows(const row *list, int n, bool held_out)
{
    const char *last = "";
    for (int i = 0; i < n; i++) {
        const tl_probe_filter *f = &list[i].filter;
        const tl_probe_score *s = &list[i].score;
        if (f->held_out != held_out) continue;
        if (!*last)
            printf("\n%s families%s\n\n  %-10s %-10s %3s  %-20s  %6s  %6s  %8s  %-20s  %-20s  %6s\n",
                   held_out ? "held-out" : "training", f->family ? " one by one" : "", f->family ? "family" : "",
                   "condition", "k", "accuracy [95 %]", "raw", "chance", "knowable", "of the knowable", "kept", "n");
        last = "shown";
        printf("  %-10s %-10s %3d", f->family ? f->family : "all", tl_probe_condition_names[f->condition], f->k);
        print_share(&s->accuracy);
        printf("  %6.3f  %6.3f  %8.3f", s->accuracy_raw, s->chance, s->knowable);
        print_share(&s->of_knowable);
        print_share(&s->kept);
        printf("  %6d\n", s->accuracy.n);
    }
}

static void print_tables(const run *r)
{
    printf("%s: %d questions of %s\n", flags.model, r->probes->n, o.data);
    print_rows(r->groups, r->n_groups, true);
    print_rows(r->groups, r->n_groups, false);
    print_rows(r->families, r->n_families, true);
    print_rows(r->families, r->n_families, false);
    printf(
        "\naccuracy: the label with the highest mean log p of its tokens; raw: by their sum.  shuffled: the answer is\n"
        "that of the true examples.  flipped: accuracy is how often the flipped label was followed, kept how often\n"
        "the one from before.  knowable: what an ideal reader knows from the prompt.  [ ]: Wilson, 95 %%.\n");
}

static json_t *share_json(const tl_interval *x)
{
    if (x->n == 0) return json_null();
    return json_pack("{s:f, s:f, s:f, s:i}", "value", x->value, "low", x->low, "high", x->high, "n", x->n);
}

static json_t *rows_json(const row *list, int n)
{
    json_t *array = json_array();
    for (int i = 0; i < n; i++) {
        const tl_probe_filter *f = &list[i].filter;
        const tl_probe_score *s = &list[i].score;
        json_t *one =
            json_pack("{s:s?, s:b, s:s, s:i, s:o, s:f, s:f, s:f, s:o, s:o}", "family", f->family, "held_out",
                      f->held_out, "condition", tl_probe_condition_names[f->condition], "k", f->k, "accuracy",
                      share_json(&s->accuracy), "accuracy_raw", s->accuracy_raw, "chance", s->chance, "knowable",
                      s->knowable, "of_knowable", share_json(&s->of_knowable), "kept", share_json(&s->kept));
        if (!one || json_array_append_new(array, one) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int print_json(const run *r, tl_err *err)
{
    char model[65], data[65];
    tl_hash hash;
    TL_TRY(tl_hash_file(&hash, o.data, err));
    tl_hash_hex(data, &hash);
    const tl_hash base = tl_model_hash(r->model);
    tl_hash_hex(model, &base);
    json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "model", flags.model, "model_hash", model,
                            "data", o.data, "data_hash", data, "backend", r->model->backend->name, "precision",
                            flags.precision, "questions", r->probes->n, "settings", rows_json(r->groups, r->n_groups),
                            "families", rows_json(r->families, r->n_families));
    char *text = all ? tl_json_print(all, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(all);
    if (!text) return tl_fail(err, TL_ENOMEM, "probe: no memory for the JSON of %d settings", r->n_groups);
    puts(text);
    free(text);
    return 0;
}

static void release(run *r)
{
    free(r->groups);
    free(r->families);
    tl_probe_set_free(r->probes);
    tl_engine_free(r->engine);
    tl_model_free(r->model);
    tl_tokenizer_free(r->tokenizer);
    tl_stream_free(&r->stream);
}

static int run_probe(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    TL_TRY(tl_options_parse(&tl_cmd_probe, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (!o.data) return tl_fail(err, TL_EUSAGE, "tailor probe: --data is wanted");
    run r = { 0 };
    int rc = prepare(&r, err);
    if (rc == 0) rc = answer(&r, err);
    if (rc == 0 && o.json) rc = print_json(&r, err);
    if (rc == 0 && !o.json) print_tables(&r);
    release(&r);
    return rc;
}

const tl_command tl_cmd_probe = { "probe", "measure whether a base learns from the examples in its prompt",
                                  "--model DIR --data FILE", run_probe };
