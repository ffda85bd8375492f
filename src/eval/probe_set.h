/* probe_set.h - questions that tell whether a base learns from the examples in its prompt.
 *
 *     TL_TRY(tl_probe_set_read(&p, "probes.jsonl", tokenizer, err));     what `tailor-generate probe` writes
 *     TL_TRY(tl_probe_set_answer(p, engine, err));                       score every label, keep the best
 *     tl_probe_filter f = { .condition = TL_PROBE_TRUE, .k = 8, .held_out = true };
 *     TL_TRY(tl_probe_set_score(&s, p, &f, err));                        0.612 [0.585, 0.638] n=1200
 *     tl_probe_set_free(p);
 *
 * A question is a prompt of k worked examples and a query, the labels that may follow, and the right one.  Under the
 * condition "true" the examples are as they are; "shuffled" deals their labels out at random, and a reader of examples
 * falls to chance; "flipped" puts another label in the place of each, the same way throughout, and a reader follows.
 *
 * The answer is the label with the highest mean log p of its tokens after the prompt, so that a label of two tokens is
 * not behind for its length; the choice by the plain sum is kept beside it.  Of equal scores the first label is taken.
 */
#ifndef TL_EVAL_PROBE_SET_H
#define TL_EVAL_PROBE_SET_H

#include "base/err.h"
#include "base/ids.h"
#include "eval/interval.h"
#include "infer/engine.h"
#include "text/tokenizer.h"

#include <stdbool.h>

typedef enum tl_probe_condition {
    TL_PROBE_TRUE,
    TL_PROBE_SHUFFLED,
    TL_PROBE_FLIPPED,
    TL_PROBE_CONDITIONS
} tl_probe_condition;

extern const char *const tl_probe_condition_names[TL_PROBE_CONDITIONS];

typedef struct tl_probe_question {
    char *family; /* owned */
    bool held_out;
    bool knowable; /* an ideal reader knows the answer from this prompt */
    tl_probe_condition condition;
    int k;
    int n_labels;
    int answer;     /* which label is right */
    int before;     /* flipped: which one was right before, else -1 */
    int chosen;     /* by mean log p; -1 until answered */
    int chosen_raw; /* by summed log p; -1 until answered */
    tl_ids prompt;  /* with BOS where the tokenizer adds it */
    tl_ids *labels; /* owned: n_labels of them, none empty */
    long line;      /* in the file, from 1 */
} tl_probe_question;

typedef struct tl_probe_set {
    char *path; /* owned; for messages */
    int n;
    tl_probe_question *questions; /* owned, in the order of the file */
} tl_probe_set;

/* Read and encode the questions of the JSON lines at path.  A line that is no question, and a file without one, are
 * TL_EDATA with file and line. */
int tl_probe_set_read(tl_probe_set **out, const char *path, const tl_tokenizer *t, tl_err *err);
void tl_probe_set_free(tl_probe_set *p);

/* Fill chosen and chosen_raw.  A question that does not fit into the context is TL_EDATA with file and line. */
int tl_probe_set_answer(tl_probe_set *p, tl_engine *e, tl_err *err);

/* Which questions are meant. */
typedef struct tl_probe_filter {
    tl_probe_condition condition;
    int k;
    bool held_out;
    const char *family; /* borrowed; NULL: every family that is or is not held out */
} tl_probe_filter;

int tl_probe_set_count(const tl_probe_set *p, const tl_probe_filter *f);

typedef struct tl_probe_score {
    tl_interval accuracy;
    tl_interval of_knowable; /* accuracy on what an ideal reader knows; n 0 where that is nothing */
    tl_interval kept;        /* flipped: how often the label from before the flip was chosen; else n 0 */
    double accuracy_raw;     /* by summed log p */
    double chance;           /* the mean of 1 / labels */
    double knowable;         /* the ceiling: the share an ideal reader knows */
} tl_probe_score;

/* After tl_probe_set_answer.  A filter that leaves no question is TL_EDATA. */
int tl_probe_set_score(tl_probe_score *out, const tl_probe_set *p, const tl_probe_filter *f, tl_err *err);

#endif
