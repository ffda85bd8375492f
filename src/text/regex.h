/* regex.h - the regular expressions of tokenizer files: Oniguruma's syntax (Ruby), run on PCRE2.
 *
 *     tl_regex *r = NULL;
 *     TL_TRY(tl_regex_create(&r, "\\p{N}{1,3}", 11, err));
 *     tl_regex_work *w = NULL;                                  one per thread
 *     TL_TRY(tl_regex_work_create(&w, err));
 *     TL_TRY(tl_regex_next(r, w, text, size, 0, &start, &end, err));
 *     tl_regex_work_free(w);
 *     tl_regex_free(r);
 *
 * What the two engines read differently is rewritten, or refused by name. */
#ifndef TL_TEXT_REGEX_H
#define TL_TEXT_REGEX_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_regex tl_regex;           /* read-only once made: safe from several threads */
typedef struct tl_regex_work tl_regex_work; /* where a match is noted */

/* Compile a pattern as tokenizer.json has it. */
int tl_regex_create(tl_regex **out, const char *pattern, size_t size, tl_err *err);

/* The string itself is what is looked for. */
int tl_regex_create_literal(tl_regex **out, const char *string, size_t size, tl_err *err);

/* A pattern of our own in PCRE2's syntax: nothing is rewritten. */
int tl_regex_create_pcre(tl_regex **out, const char *pattern, tl_err *err);

void tl_regex_free(tl_regex *r);

int tl_regex_work_create(tl_regex_work **out, tl_err *err);
void tl_regex_work_free(tl_regex_work *w);

/* The next match at or after from in valid UTF-8; *end is 0 where there is none (a match ends after 0, for empty ones
 * are passed by). */
int tl_regex_next(const tl_regex *r, tl_regex_work *w, const char *text, size_t size, size_t from, size_t *start,
                  size_t *end, tl_err *err);

#endif
