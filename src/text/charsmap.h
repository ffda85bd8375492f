/* charsmap.h - SentencePiece's compiled normalization: strings and what each becomes.
 *
 * The bytes of a charsmap: u32 n, a double-array trie of n bytes (Darts-clone: units of u32), then the replacements,
 * each ended by NUL.  A string's value in the trie is the place of its replacement. */
#ifndef TL_TEXT_CHARSMAP_H
#define TL_TEXT_CHARSMAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_charsmap tl_charsmap; /* read-only once made */

/* Keep a copy of the bytes. */
int tl_charsmap_create(tl_charsmap **out, const void *bytes, size_t size, tl_err *err);
void tl_charsmap_free(tl_charsmap *c);

/* What the longest (or the shortest) string of the map that text begins with becomes; *used is that string's length, 0
 * where there is none.  The result is NUL-terminated and borrowed. */
const char *tl_charsmap_find(const tl_charsmap *c, const char *text, size_t size, bool longest, size_t *used);

#endif
