/* predict.h - the answers of a model to a split, and what answering costs.
 *
 * Classification: each label's answer is scored by the likelihood of its tokens after the prompt; the raw score is the
 * sum of log p, the normalized one its mean over the label's tokens, so that a long label is not worse for being long.
 * The best score wins; of equal ones the first.  Generation: greedy decoding up to EOS, to the task's limit, or to
 * where the separator between worked examples begins; what the template puts around an answer is taken off again. */
#ifndef TL_EVAL_PREDICT_H
#define TL_EVAL_PREDICT_H

#include "infer/engine.h"
#include "task/task.h"
#include "text/tokenizer.h"

typedef struct tl_predictions {
    int n;
    int *normalized, *raw; /* owned: [n] labels by either score; NULL for generation */
    double *scores;        /* owned: [n, n_labels] normalized scores; NULL for generation */
    char **texts;         /* owned: [n] generated answers, in UTF-8 (what is none is U+FFFD); NULL for classification */
    double prompt_tokens; /* mean of a request, before prefix sharing */
    double ms_per_request; /* mean of single requests, one after the other, the shared prefix warm */
} tl_predictions;

/* The tokens of a request for an input: how prompts are made belongs to the floor above. */
typedef int tl_encode_fn(tl_ids *out, const char *input, void *context, tl_err *err);

typedef struct tl_predict_options {
    tl_adapter *adapter; /* borrowed; NULL: none */
    tl_encode_fn *encode;
    void *context;
    int timed;        /* how many requests are timed one by one; 0: none, ms_per_request is then NAN */
    const char *name; /* for the progress line */
} tl_predict_options;

int tl_predict(tl_predictions *out, tl_engine *e, const tl_tokenizer *tokenizer, const tl_task *t,
               const tl_examples *split, const tl_predict_options *o, tl_err *err);
void tl_predictions_reset(tl_predictions *p);

#endif
