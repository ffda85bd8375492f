/* task.c - opening a task: task.yaml, the splits, and the checks that need more than one line. */
#include "task/task.h"

#include "base/buf.h"
#include "base/log.h"
#include "io/atomic.h"
#include "task/task_parts.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const split_names[TL_SPLIT_COUNT] = { "train", "validation", "test" };

const char *tl_split_name(tl_split split)
{
    assert(split < TL_SPLIT_COUNT);
    return split_names[split];
}

/* The answer template must be TEXT{field}TEXT, and the input must not give the answer away. */
static int read_templates(tl_task *t, tl_template **input, const char *path, tl_err *err)
{
    char where[PATH_MAX + 40];
    tl_template *answer = NULL;
    snprintf(where, sizeof where, "%s: template.input", path);
    int rc = tl_template_parse(input, t->input_template, where, err);
    if (rc < 0) goto done;
    if (tl_template_fields(*input) == 0) {
        rc = tl_fail(err, TL_EDATA, "%s: names no field, every input would be the same", where);
        goto done;
    }
    snprintf(where, sizeof where, "%s: template.answer", path);
    rc = tl_template_parse(&answer, t->answer_template, where, err);
    if (rc < 0) goto done;
    if (tl_template_fields(answer) != 1) {
        rc = tl_fail(err, TL_EDATA, "%s: names %d fields, wanted the one that holds the answer", where,
                     tl_template_fields(answer));
        goto done;
    }
    t->answer_field = strdup(tl_template_field(answer, 0));
    t->answer_before = strdup(tl_template_before(answer));
    t->answer_after = strdup(tl_template_after(answer));
    if (!t->answer_field || !t->answer_before || !t->answer_after) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory for it", where);
        goto done;
    }
    for (int i = 0; i < tl_template_fields(*input); i++)
        if (!strcmp(tl_template_field(*input, i), t->answer_field)) {
            rc = tl_fail(err, TL_EDATA, "%s: template.input names the field %s, which holds the answer", path,
                         t->answer_field);
            goto done;
        }
done:
    tl_template_free(answer);
    return rc;
}

/* One example of one split, for the search for equal inputs. */
typedef struct place {
    const char *input; /* borrowed from the example */
    int split, line;
} place;

static int by_input(const void *pa, const void *pb)
{
    const place *a = pa, *b = pb;
    int order = strcmp(a->input, b->input);
    if (order) return order;
    if (a->split != b->split) return a->split < b->split ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

/* An input in two splits would be learnt in one and tested in the other. */
static int check_overlap(const tl_task *t, tl_err *err)
{
    size_t total = 0, n = 0;
    int rc = 0;
    for (int s = 0; s < TL_SPLIT_COUNT; s++) total += (size_t)t->splits[s].n;
    place *places = calloc(total + 1, sizeof *places);
    if (!places) return tl_fail(err, TL_ENOMEM, "%s: no memory to compare its %zu inputs", t->dir, total);
    for (int s = 0; s < TL_SPLIT_COUNT; s++)
        for (int i = 0; i < t->splits[s].n; i++)
            places[n++] = (place){ t->splits[s].items[i].input, s, t->splits[s].items[i].line };
    qsort(places, n, sizeof *places, by_input);
    int repeats[TL_SPLIT_COUNT] = { 0 }, first[TL_SPLIT_COUNT] = { 0 }, again[TL_SPLIT_COUNT] = { 0 };
    for (size_t i = 1; i < n; i++) {
        const place *a = &places[i - 1], *b = &places[i];
        if (strcmp(a->input, b->input)) continue;
        if (a->split != b->split) {
            rc = tl_fail(err, TL_EDATA, "%s:%d: has the input of %s:%d, an input belongs to one split only",
                         t->splits[b->split].path, b->line, t->splits[a->split].path, a->line);
            goto done;
        }
        if (!repeats[a->split]++) first[a->split] = a->line, again[a->split] = b->line;
    }
    for (int s = 0; s < TL_SPLIT_COUNT; s++)
        if (repeats[s])
            tl_log("%s: %d examples repeat the input of an earlier one, such as lines %d and %d", t->splits[s].path,
                   repeats[s], first[s], again[s]);
done:
    free(places);
    return rc;
}

static int say_unseen_labels(const tl_task *t, tl_err *err)
{
    const tl_examples *train = &t->splits[TL_SPLIT_TRAIN];
    if (!train->path || t->kind != TL_TASK_CLASSIFICATION) return 0;
    bool *seen = calloc((size_t)t->n_labels, sizeof *seen);
    if (!seen) return tl_fail(err, TL_ENOMEM, "%s: no memory to count its labels", t->dir);
    for (int i = 0; i < train->n; i++) seen[train->items[i].label] = true;
    for (int l = 0; l < t->n_labels; l++)
        if (!seen[l]) tl_log("%s: no example has the label '%s'", train->path, t->labels[l]);
    free(seen);
    return 0;
}

static int read_task(tl_task *t, unsigned splits, tl_err *err)
{
    char path[PATH_MAX], name[40];
    tl_template *input = NULL;
    int rc = tl_path_join(path, sizeof path, t->dir, "task.yaml", err);
    if (rc == 0) rc = tl_task_yaml(t, path, err);
    if (rc == 0) rc = read_templates(t, &input, path, err);
    for (int s = 0; s < TL_SPLIT_COUNT && rc == 0; s++) {
        if (!(splits & 1u << s)) continue;
        snprintf(name, sizeof name, "%s.jsonl", split_names[s]);
        rc = tl_path_join(path, sizeof path, t->dir, name, err);
        if (rc == 0) rc = tl_examples_read(&t->splits[s], t, (tl_split)s, input, path, err);
    }
    if (rc == 0) rc = check_overlap(t, err);
    if (rc == 0) rc = say_unseen_labels(t, err);
    tl_template_free(input);
    return rc;
}

int tl_task_open(tl_task **out, const char *dir, unsigned splits, tl_err *err)
{
    assert(splits && !(splits & ~(unsigned)TL_TASK_ALL));
    tl_task *t = calloc(1, sizeof *t);
    if (!t) return tl_fail(err, TL_ENOMEM, "%s: no memory to open it", dir);
    t->dir = strdup(dir);
    int rc = t->dir ? read_task(t, splits, err) : tl_fail(err, TL_ENOMEM, "%s: no memory to open it", dir);
    if (rc < 0) {
        tl_task_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tl_task_free(tl_task *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_labels; i++) free(t->labels[i]);
    for (int i = 0; i < t->n_metrics; i++) free(t->metrics[i]);
    for (int s = 0; s < TL_SPLIT_COUNT; s++) tl_examples_reset(&t->splits[s]);
    char *owned[] = { t->name,           t->description,     t->provenance, t->instruction,
                      t->input_template, t->answer_template, t->separator,  t->answer_field,
                      t->answer_before,  t->answer_after,    t->dir };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(t->labels);
    free(t->metrics);
    free(t->costs);
    free(t);
}

const tl_examples *tl_task_split(const tl_task *t, tl_split split)
{
    assert(split < TL_SPLIT_COUNT);
    return &t->splits[split];
}

static int fill_answer(char **out, const tl_task *t, const char *answer, tl_err *err)
{
    size_t size = strlen(t->answer_before) + strlen(answer) + strlen(t->answer_after) + 1;
    *out = malloc(size);
    if (!*out) return tl_fail(err, TL_ENOMEM, "%s: no memory for an answer of %zu bytes", t->dir, size);
    snprintf(*out, size, "%s%s%s", t->answer_before, answer, t->answer_after);
    return 0;
}

int tl_task_label_answer(char **out, const tl_task *t, int label, tl_err *err)
{
    assert(label >= 0 && label < t->n_labels);
    return fill_answer(out, t, t->labels[label], err);
}

int tl_task_example_answer(char **out, const tl_task *t, const tl_example *e, tl_err *err)
{
    return fill_answer(out, t, e->answer, err);
}
