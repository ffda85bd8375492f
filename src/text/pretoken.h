/* pretoken.h - cutting text into the words that BPE merges within.
 *
 *     tl_pretoken *p = NULL;
 *     TL_TRY(tl_pretoken_create(&p, err));
 *     TL_TRY(tl_pretoken_add_regex(p, "\\p{N}", 5, err));            each digit alone,
 *     TL_TRY(tl_pretoken_add_regex(p, TL_PRETOKEN_GPT2, n, err));    then the rest by GPT-2's rule
 *     TL_TRY(tl_pretoken_split(p, text, size, each_word, arg, err));
 *     tl_pretoken_free(p);
 *
 * Stages run one inside the other: what the first cuts, the second cuts again.
 * Matches and what lies between them are both words ("Isolated").  Patterns are
 * Oniguruma's (Ruby syntax), as in tokenizer.json, and run on PCRE2: what the
 * two read differently is rewritten, or refused by name. */
#ifndef TL_TEXT_PRETOKEN_H
#define TL_TEXT_PRETOKEN_H

#include "base/err.h"

#include <stddef.h>

#define TL_PRETOKEN_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef struct tl_pretoken tl_pretoken; /* read-only once made: safe from several threads */

int tl_pretoken_create(tl_pretoken **out, tl_err *err);
void tl_pretoken_free(tl_pretoken *p);

int tl_pretoken_add_regex(tl_pretoken *p, const char *pattern, size_t size, tl_err *err);
int tl_pretoken_add_literal(tl_pretoken *p, const char *string, size_t size, tl_err *err);
int tl_pretoken_add_prefix_space(tl_pretoken *p, tl_err *err); /* a space in front of what has none */

/* Called once per word, in order, none empty; a negative code ends the splitting and is passed on. */
typedef int tl_pretoken_fn(void *arg, const char *word, size_t size, tl_err *err);

/* text must be valid UTF-8. */
int tl_pretoken_split(const tl_pretoken *p, const char *text, size_t size, tl_pretoken_fn *each, void *arg,
                      tl_err *err);

#endif
