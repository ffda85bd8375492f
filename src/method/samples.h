/* samples.h - a task's examples as training samples: the answer and the EOS after it are learnt, the rest is read.
 *
 * group 1: each example is a sample of its own, asked as zero-shot asks.  group k + 1: so many examples stand in one
 * sample as in a few-shot prompt, and every answer is learnt (the last with its EOS): the tokens of plain tuning,
 * and the model keeps reading examples (Min et al., MetaICL, arXiv 2110.15943; ManyICL, arXiv 2506.11103). */
#ifndef TL_METHOD_SAMPLES_H
#define TL_METHOD_SAMPLES_H

#include "task/task.h"
#include "text/tokenizer.h"
#include "train/pack.h"

typedef struct tl_samples {
    tl_sample *items;       /* owned */
    const tl_sample **list; /* owned: pointers to them, for tl_train_step */
    int n;
} tl_samples;

/* Samples of e's examples in the order given (NULL: as they stand), group to a sample while they fit into max_tokens.
 * An example that does not fit alone is an error that names it: no answer is ever cut away.  So is a tokenizer without
 * EOS where answers are generated. */
int tl_samples_make(tl_samples *out, const tl_task *t, const tl_tokenizer *tokenizer, const tl_examples *e,
                    const int *order, int group, int max_tokens, tl_err *err);
void tl_samples_reset(tl_samples *s);

#endif
