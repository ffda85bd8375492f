/* predict.c - requests made, sent to the engine all at once, read back; then some of them timed alone. */
#include "eval/predict.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "text/utf8_stream.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_LIMIT = 1 << 24
};

typedef struct asking {
    tl_engine *e;
    const tl_tokenizer *tokenizer;
    const tl_task *t;
    const tl_predict_options *o;
    int n;
    tl_ids *prompts;              /* owned: [n] */
    tl_ids *labels;               /* owned: [n_labels] the answers' tokens */
    double *log_probs;            /* owned: [n, n_labels] */
    tl_score_request *scores;     /* owned: [n] */
    tl_generate_request *answers; /* owned: [n] */
    int eos;
    tl_progress progress;
} asking;

static bool watch(void *context, int done, int n)
{
    asking *a = context;
    (void)n;
    tl_progress_show(&a->progress, done, "requests");
    return !tl_interrupted();
}

static int encode_labels(asking *a, tl_err *err)
{
    for (int k = 0; k < a->t->n_labels; k++) {
        char *text = NULL;
        TL_TRY(tl_task_label_answer(&text, a->t, k, err));
        int rc = tl_tokenizer_encode(a->tokenizer, text, strlen(text), TL_ENCODE_PLAIN | TL_ENCODE_AS_TEXT,
                                     &a->labels[k], err);
        free(text);
        TL_TRY(rc);
    }
    return 0;
}

static void make_request(asking *a, int i)
{
    const tl_ids *p = &a->prompts[i];
    if (a->t->kind == TL_TASK_CLASSIFICATION) {
        a->scores[i] = (tl_score_request){ .prompt = p->data,
                                           .n_prompt = (int)p->size,
                                           .continuations = a->labels,
                                           .n_continuations = a->t->n_labels,
                                           .adapter = a->o->adapter,
                                           .log_probs = a->log_probs + (size_t)i * (size_t)a->t->n_labels };
        return;
    }
    a->answers[i] = tl_generate_defaults();
    a->answers[i].prompt = p->data;
    a->answers[i].n_prompt = (int)p->size;
    a->answers[i].max_tokens = a->t->max_answer_tokens;
    a->answers[i].stop = &a->eos;
    a->answers[i].n_stop = a->eos >= 0;
    a->answers[i].adapter = a->o->adapter;
}

/* Requests first .. first + n - 1 through the engine. */
static int ask(asking *a, int first, int n, tl_err *err)
{
    return a->t->kind == TL_TASK_CLASSIFICATION ? tl_engine_score(a->e, a->scores + first, n, err)
                                                : tl_engine_generate(a->e, a->answers + first, n, err);
}

static void read_labels(const asking *a, tl_predictions *out)
{
    int K = a->t->n_labels;
    assert(out->scores && out->raw && out->normalized);
    for (int i = 0; i < a->n; i++) {
        const double *raw = a->log_probs + (size_t)i * (size_t)K;
        double *normalized = out->scores + (size_t)i * (size_t)K;
        out->raw[i] = out->normalized[i] = 0;
        for (int k = 0; k < K; k++) {
            normalized[k] = raw[k] / (double)a->labels[k].size;
            if (raw[k] > raw[out->raw[i]]) out->raw[i] = k;
            if (normalized[k] > normalized[out->normalized[i]]) out->normalized[i] = k;
        }
    }
}

/* The answer in what was generated: up to the separator, without what the template puts around an answer. */
static char *read_answer(const tl_task *t, const char *s)
{
    char *end = t->separator[0] ? strstr((char *)s, t->separator) : NULL;
    size_t n = end ? (size_t)(end - s) : strlen(s), before = strlen(t->answer_before), after = strlen(t->answer_after);
    if (n >= before && memcmp(s, t->answer_before, before) == 0) s += before, n -= before;
    if (n >= after && memcmp(s + n - after, t->answer_after, after) == 0) n -= after;
    return strndup(s, n);
}

static int read_texts(const asking *a, tl_predictions *out, tl_err *err)
{
    for (int i = 0; i < a->n; i++) {
        tl_ids *ids = &a->answers[i].ids;
        size_t kept = 0, piece;
        for (size_t k = 0; k < ids->size; k++) /* a table may be longer than the vocabulary: the rest has no text */
            if (tl_tokenizer_piece(a->tokenizer, ids->data[k], &piece)) ids->data[kept++] = ids->data[k];
        ids->size = kept;
        tl_buf bytes = tl_buf_make(TEXT_LIMIT), text = tl_buf_make(TEXT_LIMIT);
        tl_utf8_stream characters = { 0 };
        int rc = tl_tokenizer_decode(a->tokenizer, ids->data, ids->size, true, &bytes, err);
        if (rc == 0) rc = tl_utf8_push(&characters, bytes.data, bytes.size, &text, err);
        if (rc == 0) rc = tl_utf8_end(&characters, &text, err);
        if (rc == 0 && !(out->texts[i] = read_answer(a->t, text.data ? text.data : "")))
            rc = tl_fail(err, TL_ENOMEM, "answers: no memory for one of %zu bytes", text.size);
        tl_buf_reset(&bytes);
        tl_buf_reset(&text);
        TL_TRY(rc);
    }
    return 0;
}

static int time_some(asking *a, tl_predictions *out, tl_err *err)
{
    int others = a->n > 1 ? a->n - 1 : 1; /* than the first, whose prompt is then found whole */
    int n = a->o->timed < others ? a->o->timed : others;
    out->ms_per_request = NAN;
    if (n == 0) return 0;
    TL_TRY(ask(a, 0, 1, err)); /* the shared prefix is warm from here on */
    double start = tl_seconds();
    for (int i = 0; i < n; i++) TL_TRY(ask(a, (i + 1) % a->n, 1, err));
    out->ms_per_request = 1000 * (tl_seconds() - start) / n;
    return 0;
}

static int run(asking *a, tl_predictions *out, const tl_examples *split, tl_err *err)
{
    double tokens = 0;
    TL_TRY(encode_labels(a, err));
    for (int i = 0; i < a->n; i++) {
        TL_TRY(a->o->encode(&a->prompts[i], split->items[i].input, a->o->context, err));
        tokens += (double)a->prompts[i].size;
        make_request(a, i);
    }
    out->prompt_tokens = tokens / a->n;
    /* Timed first, on a cache that holds no answer yet: prompts are not found whole. */
    TL_TRY(time_some(a, out, err));
    a->progress = tl_progress_start(a->o->name, a->n);
    tl_engine_watch(a->e, watch, a);
    int rc = ask(a, 0, a->n, err);
    tl_engine_watch(a->e, NULL, NULL);
    if (rc == 0) tl_progress_end(&a->progress);
    TL_TRY(rc);
    if (a->t->kind == TL_TASK_GENERATION) return read_texts(a, out, err);
    read_labels(a, out);
    return 0;
}

int tl_predict(tl_predictions *out, tl_engine *e, const tl_tokenizer *tokenizer, const tl_task *t,
               const tl_examples *split, const tl_predict_options *o, tl_err *err)
{
    size_t n = (size_t)split->n, K = (size_t)t->n_labels + 1;
    bool labels = t->kind == TL_TASK_CLASSIFICATION;
    asking a = { .e = e, .tokenizer = tokenizer, .t = t, .o = o, .n = split->n, .eos = tl_tokenizer_eos(tokenizer) };
    *out = (tl_predictions){ .n = split->n };
    a.prompts = calloc(n, sizeof *a.prompts);
    a.labels = calloc(K, sizeof *a.labels);
    a.log_probs = calloc(n * K, sizeof *a.log_probs);
    a.scores = calloc(n, sizeof *a.scores);
    a.answers = calloc(n, sizeof *a.answers);
    out->normalized = labels ? calloc(n, sizeof *out->normalized) : NULL;
    out->raw = labels ? calloc(n, sizeof *out->raw) : NULL;
    out->scores = labels ? calloc(n * K, sizeof *out->scores) : NULL;
    out->texts = labels ? NULL : calloc(n, sizeof *out->texts);
    bool got = a.prompts && a.labels && a.log_probs && a.scores && a.answers &&
               (labels ? out->normalized && out->raw && out->scores : out->texts != NULL);
    int rc =
        got ? run(&a, out, split, err) : tl_fail(err, TL_ENOMEM, "predictions: no memory for %d requests", split->n);
    for (size_t i = 0; a.prompts && i < n; i++) tl_ids_reset(&a.prompts[i]);
    for (size_t k = 0; a.labels && k < K; k++) tl_ids_reset(&a.labels[k]);
    for (size_t i = 0; a.answers && i < n; i++) tl_ids_reset(&a.answers[i].ids);
    free(a.prompts);
    free(a.labels);
    free(a.log_probs);
    free(a.scores);
    free(a.answers);
    if (rc < 0) tl_predictions_reset(out);
    return rc;
}

void tl_predictions_reset(tl_predictions *p)
{
    for (int i = 0; p->texts && i < p->n; i++) free(p->texts[i]);
    free(p->normalized);
    free(p->raw);
    free(p->scores);
    free(p->texts);
    *p = (tl_predictions){ 0 };
}
