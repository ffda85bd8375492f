/* tokenizer_model.h - one word to ids, by the model of the tokenizer: BPE, Unigram, WordPiece or WordLevel. */
#ifndef TL_TEXT_TOKENIZER_MODEL_H
#define TL_TEXT_TOKENIZER_MODEL_H

#include "text/tokenizer_parts.h"

#define TL_SPACE_MARK "\xe2\x96\x81" /* U+2581, what SentencePiece spells a space with */

/* Append the ids of a word of 1 to INT_MAX bytes of valid UTF-8. */
int tl_tokenizer_word(const tl_tokenizer *t, tl_bpe_work *w, const char *word, size_t size, tl_ids *out, tl_err *err);

#endif
