/* probe_set.c - lines to questions, questions to requests of the engine, choices to shares. */
#include "eval/probe_set.h"

#include "io/atomic.h"
#include "io/json.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const size_t FILE_LIMIT = (size_t)1 << 30;

enum {
    LABELS_MAX = 64,
    K_MAX = 1000
};

const char *const tl_probe_condition_names[TL_PROBE_CONDITIONS] = { "true", "shuffled", "flipped" };

static int parse_condition(tl_probe_question *q, const json_t *o, const char *at, tl_err *err)
{
    const char *name = NULL;
    TL_TRY(tl_json_string(o, at, "condition", &name, err));
    for (int c = 0; c < TL_PROBE_CONDITIONS; c++) {
        q->condition = (tl_probe_condition)c;
        if (strcmp(name, tl_probe_condition_names[c]) == 0) return 0;
    }
    return tl_fail(err, TL_EDATA, "%s: condition is '%s'; true, shuffled and flipped are known", at, name);
}

/* The place of the label that the field names. */
static int find_label(int *out, const json_t *o, const json_t *labels, const char *key, const char *at, tl_err *err)
{
    const char *wanted = NULL;
    TL_TRY(tl_json_string(o, at, key, &wanted, err));
    for (size_t i = 0; i < json_array_size(labels); i++) {
        *out = (int)i;
        if (strcmp(json_string_value(json_array_get(labels, i)), wanted) == 0) return 0;
    }
    return tl_fail(err, TL_EDATA, "%s: %s is '%s', which is none of its labels", at, key, wanted);
}

static int encode_labels(tl_probe_question *q, const json_t *labels, const tl_tokenizer *t, const char *at, tl_err *err)
{
    size_t n = json_array_size(labels);
    if (n < 2 || n > LABELS_MAX)
        return tl_fail(err, TL_EDATA, "%s: %zu labels, a question has 2 to %d", at, n, LABELS_MAX);
    q->labels = calloc(n, sizeof *q->labels);
    if (!q->labels) return tl_fail(err, TL_ENOMEM, "%s: no memory for %zu labels", at, n);
    q->n_labels = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_array_get(labels, i);
        if (!json_is_string(s)) return tl_fail(err, TL_EDATA, "%s: label %zu is no string", at, i + 1);
        TL_TRY(
            tl_tokenizer_encode(t, json_string_value(s), json_string_length(s), TL_ENCODE_PLAIN, &q->labels[i], err));
        if (q->labels[i].size == 0) return tl_fail(err, TL_EDATA, "%s: label %zu is empty", at, i + 1);
    }
    return 0;
}

static int parse_question(tl_probe_question *q, const json_t *o, const tl_tokenizer *t, const char *at, tl_err *err)
{
    const char *family = NULL, *prompt = NULL;
    json_t *labels = NULL;
    TL_TRY(tl_json_string(o, at, "family", &family, err));
    TL_TRY(tl_json_bool(o, at, "held_out", &q->held_out, err));
    TL_TRY(tl_json_int(o, at, "k", 0, K_MAX, &q->k, err));
    TL_TRY(parse_condition(q, o, at, err));
    TL_TRY(tl_json_string(o, at, "prompt", &prompt, err));
    TL_TRY(tl_json_value(o, at, "labels", JSON_ARRAY, &labels, err));
    TL_TRY(tl_json_bool(o, at, "knowable", &q->knowable, err));
    TL_TRY(encode_labels(q, labels, t, at, err));
    TL_TRY(find_label(&q->answer, o, labels, "answer", at, err));
    if (q->condition == TL_PROBE_FLIPPED) TL_TRY(find_label(&q->before, o, labels, "before", at, err));
    TL_TRY(tl_tokenizer_encode(t, prompt, strlen(prompt), TL_ENCODE_SPECIAL, &q->prompt, err));
    if (q->prompt.size == 0) return tl_fail(err, TL_EDATA, "%s: the prompt is empty", at);
    q->family = strdup(family);
    return q->family ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory for its family", at);
}

static int parse_line(tl_probe_question *q, const char *path, const char *line, size_t size, const tl_tokenizer *t,
                      tl_err *err)
{
    char at[4200];
    snprintf(at, sizeof at, "%s:%ld", path, q->line);
    json_error_t bad;
    json_t *o = tl_json_parse(line, size, &bad);
    int rc = 0;
    if (!o)
        rc = tl_fail(err, TL_EDATA, "%s: not JSON: %s", at, bad.text);
    else if (!json_is_object(o))
        rc = tl_fail(err, TL_EDATA, "%s: a question is a JSON object, this line is none", at);
    else if ((rc = parse_question(q, o, t, at, err)) < 0 && err && !strstr(err->text, at))
        rc = tl_fail_in(err, "%s", at); /* the tokenizer knows no lines */
    json_decref(o);
    return rc;
}

static int parse_lines(tl_probe_set *p, const tl_buf *text, const tl_tokenizer *t, tl_err *err)
{
    size_t lines = 0;
    for (size_t i = 0; i < text->size; i++) lines += text->data[i] == '\n' || i + 1 == text->size;
    if (lines == 0 || lines > INT_MAX)
        return tl_fail(err, TL_EDATA, "%s:1: %zu lines, a probe has 1 to %d questions", p->path, lines, INT_MAX);
    p->questions = calloc(lines, sizeof *p->questions);
    if (!p->questions) return tl_fail(err, TL_ENOMEM, "%s: no memory for %zu questions", p->path, lines);
    for (const char *s = text->data, *end = s + text->size; s < end;) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        if (!stop) stop = end;
        tl_probe_question *q = &p->questions[p->n++];
        *q = (tl_probe_question){ .before = -1, .chosen = -1, .chosen_raw = -1, .line = p->n };
        TL_TRY(parse_line(q, p->path, s, (size_t)(stop - s), t, err));
        s = stop + 1;
    }
    return 0;
}

int tl_probe_set_read(tl_probe_set **out, const char *path, const tl_tokenizer *t, tl_err *err)
{
    tl_buf text = tl_buf_make(FILE_LIMIT);
    tl_probe_set *p = calloc(1, sizeof *p);
    if (!p || !(p->path = strdup(path))) {
        tl_probe_set_free(p);
        return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", path);
    }
    int rc = tl_file_read(path, FILE_LIMIT, &text, err);
    if (rc == 0) rc = parse_lines(p, &text, t, err);
    tl_buf_reset(&text);
    if (rc < 0) {
        tl_probe_set_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void tl_probe_set_free(tl_probe_set *p)
{
    if (!p) return;
    for (int i = 0; i < p->n; i++) {
        tl_probe_question *q = &p->questions[i];
        for (int l = 0; l < q->n_labels; l++) tl_ids_reset(&q->labels[l]);
        free(q->labels);
        free(q->family);
        tl_ids_reset(&q->prompt);
    }
    free(p->questions);
    free(p->path);
    free(p);
}

static int check_length(const tl_probe_set *p, const tl_probe_question *q, int positions, tl_err *err)
{
    for (int l = 0; l < q->n_labels; l++) {
        size_t tokens = q->prompt.size + q->labels[l].size - 1; /* the last one is predicted and not read */
        if (tokens > (size_t)positions)
            return tl_fail(err, TL_EDATA, "%s:%ld: prompt and label %d take %zu positions, the context has %d", p->path,
                           q->line, l + 1, tokens, positions);
    }
    return 0;
}

static void choose(tl_probe_question *q, const double *log_probs)
{
    q->chosen = q->chosen_raw = 0;
    for (int l = 1; l < q->n_labels; l++) {
        double mean = log_probs[l] / (double)q->labels[l].size;
        if (mean > log_probs[q->chosen] / (double)q->labels[q->chosen].size) q->chosen = l;
        if (log_probs[l] > log_probs[q->chosen_raw]) q->chosen_raw = l;
    }
}

int tl_probe_set_answer(tl_probe_set *p, tl_engine *e, tl_err *err)
{
    size_t labels = 0, at = 0;
    for (int i = 0; i < p->n; i++) {
        TL_TRY(check_length(p, &p->questions[i], tl_engine_positions(e), err));
        labels += (size_t)p->questions[i].n_labels;
    }
    assert(p->n > 0);
    tl_score_request *requests = calloc((size_t)p->n, sizeof *requests);
    double *log_probs = calloc(labels, sizeof *log_probs);
    int rc = 0;
    if (!requests || !log_probs) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory for %d requests", p->path, p->n);
        goto done;
    }
    for (int i = 0; i < p->n; i++) {
        const tl_probe_question *q = &p->questions[i];
        requests[i] = (tl_score_request){ .prompt = q->prompt.data,
                                          .n_prompt = (int)q->prompt.size,
                                          .continuations = q->labels,
                                          .n_continuations = q->n_labels,
                                          .log_probs = log_probs + at };
        at += (size_t)q->n_labels;
    }
    rc = tl_engine_score(e, requests, p->n, err);
    for (int i = 0; rc == 0 && i < p->n; i++) choose(&p->questions[i], requests[i].log_probs);
done:
    free(requests);
    free(log_probs);
    return rc;
}

static bool meant(const tl_probe_question *q, const tl_probe_filter *f)
{
    return q->condition == f->condition && q->k == f->k && q->held_out == f->held_out &&
           (!f->family || strcmp(q->family, f->family) == 0);
}

int tl_probe_set_count(const tl_probe_set *p, const tl_probe_filter *f)
{
    int n = 0;
    for (int i = 0; i < p->n; i++) n += meant(&p->questions[i], f);
    return n;
}

int tl_probe_set_score(tl_probe_score *out, const tl_probe_set *p, const tl_probe_filter *f, tl_err *err)
{
    int n = 0, right = 0, right_raw = 0, knowable = 0, right_knowable = 0, kept = 0;
    double chance = 0;
    for (int i = 0; i < p->n; i++) {
        const tl_probe_question *q = &p->questions[i];
        if (!meant(q, f)) continue;
        assert(q->chosen >= 0);
        n++;
        right += q->chosen == q->answer;
        right_raw += q->chosen_raw == q->answer;
        knowable += q->knowable;
        right_knowable += q->knowable && q->chosen == q->answer;
        kept += q->chosen == q->before;
        chance += 1.0 / q->n_labels;
    }
    if (n == 0)
        return tl_fail(err, TL_EDATA, "%s: no question with k %d under '%s'", p->path, f->k,
                       tl_probe_condition_names[f->condition]);
    *out = (tl_probe_score){ .accuracy_raw = (double)right_raw / n,
                             .chance = chance / n,
                             .knowable = (double)knowable / n };
    TL_TRY(tl_interval_share(&out->accuracy, right, n, err));
    if (knowable > 0) TL_TRY(tl_interval_share(&out->of_knowable, right_knowable, knowable, err));
    if (f->condition == TL_PROBE_FLIPPED) TL_TRY(tl_interval_share(&out->kept, kept, n, err));
    return 0;
}
