/* word_cache.h - the ids of words met before, in memory of a fixed size.
 *
 *     tl_word_cache *c = NULL;                                       one per thread
 *     TL_TRY(tl_word_cache_create(&c, err));
 *     const int *ids = tl_word_cache_find(c, word, size, &n);        NULL: not met, or forgotten
 *     tl_word_cache_put(c, word, size, ids, n);
 *     tl_word_cache_free(c);
 *
 * Text repeats its words.  Long words and words of many ids are not kept; a new word takes the place of another, so
 * what is kept never grows. */
#ifndef TL_TEXT_WORD_CACHE_H
#define TL_TEXT_WORD_CACHE_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_word_cache tl_word_cache;

int tl_word_cache_create(tl_word_cache **out, tl_err *err);
void tl_word_cache_free(tl_word_cache *c);

/* The ids of a word of size > 0 bytes, borrowed until the next put, and how many they are. */
const int *tl_word_cache_find(const tl_word_cache *c, const char *word, size_t size, size_t *n);

/* Keep them, if they are few. */
void tl_word_cache_put(tl_word_cache *c, const char *word, size_t size, const int *ids, size_t n);

#endif
