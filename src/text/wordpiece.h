/* wordpiece.h - a word cut into the longest pieces of a vocabulary, from the left (BERT).
 *
 * A piece that does not begin the word is spelt with a prefix ("##").  A word with a part that no piece spells, or of
 * more than max_characters, is one unknown token. */
#ifndef TL_TEXT_WORDPIECE_H
#define TL_TEXT_WORDPIECE_H

#include "text/tokenizer_parts.h"

/* Append the ids of one word of valid UTF-8. */
int tl_wordpiece_encode(const tl_tokenizer *t, const char *word, size_t size, tl_ids *out, tl_err *err);

#endif
