/* pretoken.h - cutting text into the words that the model works within.
 *
 *     tl_pretoken *p = NULL;
 *     TL_TRY(tl_pretoken_create(&p, err));
 *     TL_TRY(tl_pretoken_add_regex(p, "\\p{N}", err));                  each digit alone,
 *     TL_TRY(tl_pretoken_add_regex(p, TL_WORD_CUT_GPT2, err));          then the rest by GPT-2's rule
 *     TL_TRY(tl_pretoken_split(p, text, size, true, each_word, arg, err));
 *     tl_pretoken_free(p);
 *
 * Stages run one inside the other: what the first cuts, the second cuts again. */
#ifndef TL_TEXT_PRETOKEN_H
#define TL_TEXT_PRETOKEN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_pretoken tl_pretoken; /* read-only once made: safe from several threads */

int tl_pretoken_create(tl_pretoken **out, tl_err *err);
void tl_pretoken_free(tl_pretoken *p);

/* What becomes of the matches of a split; what lies between them is always a word. */
typedef enum tl_behavior {
    TL_SPLIT_ISOLATED, /* words of their own */
    TL_SPLIT_REMOVED,
    TL_SPLIT_MERGED_PREVIOUS, /* the end of the word before, where that is no match */
    TL_SPLIT_MERGED_NEXT,     /* the beginning of the word behind, likewise */
    TL_SPLIT_CONTIGUOUS,      /* matches that touch are one word */
} tl_behavior;

typedef struct tl_split {
    const char *pattern; /* borrowed for the call */
    size_t size;
    bool regex; /* or the string itself */
    tl_behavior behavior;
    bool invert; /* what lies between matches is taken for the match */
} tl_split;

int tl_pretoken_add_split(tl_pretoken *p, const tl_split *s, tl_err *err);

/* The commonest: each match of a regular expression a word of its own. */
int tl_pretoken_add_regex(tl_pretoken *p, const char *pattern, tl_err *err);

/* Sets of characters that are there by name: BertPreTokenizer is SPACE removed, then PUNCTUATION isolated. */
typedef enum tl_charset {
    TL_CHARSET_SPACE,       /* White_Space */
    TL_CHARSET_PUNCTUATION, /* P*, and ASCII's signs */
    TL_CHARSET_WORDS,       /* runs of \w, and of what is neither that nor space */
} tl_charset;

int tl_pretoken_add_charset(tl_pretoken *p, tl_charset set, tl_behavior behavior, bool invert, tl_err *err);

int tl_pretoken_add_prefix_space(tl_pretoken *p, tl_err *err); /* a space in front of what has none */

/* Bytes become the letters of bytelevel.h for the stages behind; the words that come out are bytes again.  Once. */
int tl_pretoken_add_spelling(tl_pretoken *p, tl_err *err);

/* Spaces become mark (U+2581), one is put in front - always, of the beginning of the text only, never - of what has
 * none there, and words begin at marks if split. */
typedef enum tl_prepend {
    TL_PREPEND_ALWAYS,
    TL_PREPEND_FIRST,
    TL_PREPEND_NEVER
} tl_prepend;

int tl_pretoken_add_metaspace(tl_pretoken *p, const char *mark, tl_prepend prepend, bool split, tl_err *err);

/* Called once per word, in order, none empty; a negative code ends the splitting and is passed on. */
typedef int tl_pretoken_fn(void *arg, const char *word, size_t size, tl_err *err);

/* text must be valid UTF-8; first: nothing stood before it. */
int tl_pretoken_split(const tl_pretoken *p, const char *text, size_t size, bool first, tl_pretoken_fn *each, void *arg,
                      tl_err *err);

#endif
