/* rouge.h - overlap of a text with a reference: ROUGE-1, -2, -L and -Lsum.
 *
 *     TL_TRY(tl_rouge_measure(&r, reference, candidate, err));
 *     ... r.l.f ...
 *
 * The measures of Lin, "ROUGE: a package for automatic evaluation of summaries"
 * (2004), to the digit those of Google's rouge_score package with
 * use_stemmer=False, which is what published numbers mostly come from:
 *
 *   words   the text in small letters; a word is a longest run of a-z and 0-9.
 *           All else separates, so "naïve" is "na" and "ve", and a text in a
 *           script without these letters has no words and scores 0.
 *   1, 2    words and pairs of neighbours in common, each counted as often as
 *           the poorer side has it
 *   L       the longest common subsequence of the two texts
 *   Lsum    the same line by line: of each line of the reference, the words that
 *           some line of the candidate has in sequence, none counted more often
 *           than both sides have it
 *
 * A side without words scores 0 everywhere: no error, since a model may well
 * say nothing.  That references are not empty is for the task's data checks. */
#ifndef TL_EVAL_ROUGE_H
#define TL_EVAL_ROUGE_H

#include "base/err.h"

/* L and Lsum take time and memory in the product of the two lengths; longer texts are refused. */
enum {
    TL_ROUGE_WORDS = 16384
};

typedef struct tl_rouge_score {
    double precision; /* hits / candidate's */
    double recall;    /* hits / reference's */
    double f;         /* 2 precision recall / (precision + recall), 0 where both are 0 */
} tl_rouge_score;

typedef struct tl_rouge {
    tl_rouge_score one, two, l, lsum;
} tl_rouge;

/* Texts are UTF-8; a side with more than TL_ROUGE_WORDS words is TL_EDATA. */
int tl_rouge_measure(tl_rouge *out, const char *reference, const char *candidate, tl_err *err);

#endif
