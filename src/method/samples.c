/* samples.c - one sample after the other, each grown example by example. */
#include "method/samples.h"

#include "base/buf.h"
#include "base/ids.h"
#include "method/prompt.h"

#include <stdlib.h>
#include <string.h>

/* A sample being made. */
typedef struct growing {
    tl_ids ids, trained;
} growing;

static int put(growing *g, const tl_tokenizer *tokenizer, const char *text, unsigned flags, int learnt, tl_err *err)
{
    TL_TRY(tl_tokenizer_encode(tokenizer, text, strlen(text), flags | TL_ENCODE_AS_TEXT, &g->ids, err));
    while (g->trained.size < g->ids.size) TL_TRY(tl_ids_push(&g->trained, learnt, err));
    return 0;
}

/* What is read before x's answer, then the answer. */
static int put_example(growing *g, const tl_task *t, const tl_tokenizer *tokenizer, const tl_example *x, bool first,
                       tl_err *err)
{
    tl_buf before = tl_buf_make(TL_PROMPT_LIMIT);
    char *answer = NULL;
    int rc = first ? tl_prompt_prefix(&before, t, NULL, NULL, 0, err) : tl_buf_puts(&before, t->separator, err);
    if (rc == 0) rc = tl_buf_puts(&before, x->input, err);
    if (rc == 0) rc = put(g, tokenizer, before.data, first ? TL_ENCODE_SPECIAL : TL_ENCODE_PLAIN, 0, err);
    if (rc == 0) rc = tl_task_example_answer(&answer, t, x, err);
    if (rc == 0) rc = put(g, tokenizer, answer, TL_ENCODE_PLAIN, 1, err);
    free(answer);
    tl_buf_reset(&before);
    return rc;
}

/* EOS, learnt, and the sample is whole. */
static int finish(tl_samples *out, growing *g, const tl_tokenizer *tokenizer, tl_err *err)
{
    int eos = tl_tokenizer_eos(tokenizer);
    if (eos >= 0) {
        TL_TRY(tl_ids_push(&g->ids, eos, err));
        TL_TRY(tl_ids_push(&g->trained, 1, err));
    }
    tl_sample s = { .ids = malloc(g->ids.size * sizeof(int)), .trained = malloc(g->ids.size), .n = (int)g->ids.size };
    if (!s.ids || !s.trained) {
        tl_sample_reset(&s);
        return tl_fail(err, TL_ENOMEM, "training samples: no memory for %zu tokens", g->ids.size);
    }
    if (s.n > 0) memcpy(s.ids, g->ids.data, g->ids.size * sizeof(int));
    for (size_t i = 0; i < g->ids.size; i++) s.trained[i] = (uint8_t)g->trained.data[i];
    out->items[out->n++] = s;
    g->ids.size = g->trained.size = 0;
    return 0;
}

/* Examples from position i on into one sample; *next is the first that is not in it. */
static int grow(tl_samples *out, growing *g, const tl_task *t, const tl_tokenizer *tokenizer, const tl_examples *e,
                const int *order, int i, int group, int max_tokens, int *next, tl_err *err)
{
    int count = 0, at = i;
    for (; at < e->n && count < group; at++, count++) {
        const tl_example *x = &e->items[order ? order[at] : at];
        size_t before = g->ids.size;
        TL_TRY(put_example(g, t, tokenizer, x, count == 0, err));
        if ((int)g->ids.size + 1 <= max_tokens) continue;
        if (count == 0)
            return tl_fail(err, TL_EDATA, "%s:%d: with its instruction and answer it has %zu tokens, %d fit", e->path,
                           x->line, g->ids.size + 1, max_tokens);
        g->ids.size = g->trained.size = before; /* this one opens the next sample */
        break;
    }
    *next = at;
    return finish(out, g, tokenizer, err);
}

int tl_samples_make(tl_samples *out, const tl_task *t, const tl_tokenizer *tokenizer, const tl_examples *e,
                    const int *order, int group, int max_tokens, tl_err *err)
{
    *out = (tl_samples){ 0 };
    if (t->kind == TL_TASK_GENERATION && tl_tokenizer_eos(tokenizer) < 0)
        return tl_fail(err, TL_EDATA, "%s: the tokenizer has no EOS, so where an answer ends would never be learnt",
                       t->name);
    *out = (tl_samples){ .items = calloc((size_t)e->n, sizeof *out->items),
                         .list = calloc((size_t)e->n, sizeof *out->list) };
    growing g = { { 0 }, { 0 } };
    int rc = out->items && out->list ? 0 : tl_fail(err, TL_ENOMEM, "training samples: no memory for %d", e->n);
    for (int i = 0; rc == 0 && i < e->n;) rc = grow(out, &g, t, tokenizer, e, order, i, group, max_tokens, &i, err);
    for (int i = 0; rc == 0 && i < out->n; i++) out->list[i] = &out->items[i];
    tl_ids_reset(&g.ids);
    tl_ids_reset(&g.trained);
    if (rc < 0) tl_samples_reset(out);
    return rc;
}

void tl_samples_reset(tl_samples *s)
{
    for (int i = 0; i < s->n; i++) tl_sample_reset(&s->items[i]);
    free(s->items);
    free(s->list);
    *s = (tl_samples){ 0 };
}
