/* prompt.h - how a task's examples become text and tokens: the same for prompting, tuning and evaluation.
 *
 *     instruction \n\n  (input answer separator) x k  input
 *
 * The part before the last input is the prefix: the instruction alone for zero-shot, with k worked examples for
 * few-shot. */
#ifndef TL_METHOD_PROMPT_H
#define TL_METHOD_PROMPT_H

#include "base/buf.h"
#include "base/ids.h"
#include "task/task.h"
#include "text/tokenizer.h"

/* Append the prefix with the worked examples items[indices[0..k-1]]; k = 0: the instruction alone. */
int tl_prompt_prefix(tl_buf *out, const tl_task *t, const tl_examples *e, const int *indices, int k, tl_err *err);

/* Append the ids of prefix and input, with what the tokenizer adds in front. */
int tl_prompt_encode(tl_ids *out, const tl_tokenizer *tokenizer, const char *prefix, const char *input, tl_err *err);

/* How many worked examples fit in front of the longest input of the task, with its answer, into context positions: the
 * largest k <= wanted for which the drawn indices of the training split do.  Inputs of all splits count: a variant can
 * be asked any of them. */
int tl_prompt_fit(int *k, const tl_task *t, const tl_tokenizer *tokenizer, const int *indices, int wanted, int context,
                  tl_err *err);

enum {
    TL_PROMPT_LIMIT = 1 << 24
}; /* bytes of a prompt */

#endif
