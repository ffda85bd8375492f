/* bytelevel.h - the letters that stand for bytes in a byte-level vocabulary.
 *
 * GPT-2's vocabulary files spell every byte as one printable letter: the bytes
 * 33-126, 161-172 and 174-255 as the character of that number, the 68 others,
 * in order, as U+0100, U+0101, ...  So a space is written U+0120. */
#ifndef TL_TEXT_BYTELEVEL_H
#define TL_TEXT_BYTELEVEL_H

#include <stdbool.h>
#include <stddef.h>

/* n bytes spelt in out, which has room for 2n; returns the bytes written. */
size_t tl_bytelevel_spell(char *out, const char *bytes, size_t n);

/* The bytes that n bytes of UTF-8 spell, in out with room for n; false (and *size untouched) where a letter stands
 * for none. */
bool tl_bytelevel_read(char *out, size_t *size, const char *spelt, size_t n);

#endif
