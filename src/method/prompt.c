/* prompt.c - texts put together, and counted. */
#include "method/prompt.h"

#include <stdlib.h>
#include <string.h>

int tl_prompt_prefix(tl_buf *out, const tl_task *t, const tl_examples *e, const int *indices, int k, tl_err *err)
{
    if (t->instruction[0]) TL_TRY(tl_buf_printf(out, err, "%s\n\n", t->instruction));
    for (int i = 0; i < k; i++) {
        const tl_example *x = &e->items[indices[i]];
        char *answer = NULL;
        TL_TRY(tl_task_example_answer(&answer, t, x, err));
        int rc = tl_buf_printf(out, err, "%s%s%s", x->input, answer, t->separator);
        free(answer);
        TL_TRY(rc);
    }
    return 0;
}

int tl_prompt_encode(tl_ids *out, const tl_tokenizer *tokenizer, const char *prefix, const char *input, tl_err *err)
{
    tl_buf text = tl_buf_make(TL_PROMPT_LIMIT);
    int rc = tl_buf_puts(&text, prefix, err);
    if (rc == 0) rc = tl_buf_puts(&text, input, err);
    if (rc == 0)
        rc = tl_tokenizer_encode(tokenizer, text.data, text.size, TL_ENCODE_SPECIAL | TL_ENCODE_AS_TEXT, out, err);
    tl_buf_reset(&text);
    return rc;
}

/* Tokens of the longest answer of the task: of a label, or what generation allows. */
static int longest_answer(int *out, const tl_task *t, const tl_tokenizer *tokenizer, tl_err *err)
{
    *out = t->max_answer_tokens;
    for (int i = 0; i < t->n_labels; i++) {
        char *text = NULL;
        tl_ids ids = { 0 };
        TL_TRY(tl_task_label_answer(&text, t, i, err));
        int rc = tl_tokenizer_encode(tokenizer, text, strlen(text), TL_ENCODE_PLAIN | TL_ENCODE_AS_TEXT, &ids, err);
        if ((int)ids.size > *out) *out = (int)ids.size;
        free(text);
        tl_ids_reset(&ids);
        TL_TRY(rc);
    }
    return 0;
}

static int tokens(int *out, const tl_tokenizer *tokenizer, const char *prefix, const char *input, tl_err *err)
{
    tl_ids ids = { 0 };
    int rc = tl_prompt_encode(&ids, tokenizer, prefix, input, err);
    *out = (int)ids.size;
    tl_ids_reset(&ids);
    return rc;
}

typedef struct longest_input {
    int tokens, line;
    const char *path; /* borrowed from the task */
} longest_input;

static int find_longest(longest_input *out, const tl_task *t, const tl_tokenizer *tokenizer, tl_err *err)
{
    *out = (longest_input){ .path = "" };
    for (int s = 0; s < TL_SPLIT_COUNT; s++) {
        const tl_examples *e = tl_task_split(t, (tl_split)s);
        for (int i = 0; i < e->n; i++) {
            int n;
            TL_TRY(tokens(&n, tokenizer, "", e->items[i].input, err));
            if (n > out->tokens) *out = (longest_input){ n, e->items[i].line, e->path };
        }
    }
    return 0;
}

int tl_prompt_fit(int *k, const tl_task *t, const tl_tokenizer *tokenizer, const int *indices, int wanted, int context,
                  tl_err *err)
{
    int answer;
    longest_input longest;
    TL_TRY(longest_answer(&answer, t, tokenizer, err));
    TL_TRY(find_longest(&longest, t, tokenizer, err));
    for (*k = wanted; *k >= 0; (*k)--) {
        tl_buf prefix = tl_buf_make(TL_PROMPT_LIMIT);
        int n = 0, rc = tl_prompt_prefix(&prefix, t, tl_task_split(t, TL_SPLIT_TRAIN), indices, *k, err);
        if (rc == 0) rc = tokens(&n, tokenizer, prefix.data ? prefix.data : "", "", err);
        tl_buf_reset(&prefix);
        TL_TRY(rc);
        /* One more for a token that prefix and input may not share when they are encoded together. */
        if (n + longest.tokens + answer + 1 <= context) return 0;
    }
    return tl_fail(err, TL_EDATA,
                   "%s:%d: the input has %d tokens, with the instruction and an answer of %d it does not fit into the "
                   "context of %d",
                   longest.path, longest.line, longest.tokens, answer, context);
}
