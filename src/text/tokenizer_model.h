/* tokenizer_model.h - one word to ids, by the model of the tokenizer: BPE, Unigram, WordPiece or WordLevel. */
#ifndef TL_TEXT_TOKENIZER_MODEL_H
#define TL_TEXT_TOKENIZER_MODEL_H

#include "text/tokenizer_parts.h"
#include "text/word_cache.h"

#define TL_SPACE_MARK "\xe2\x96\x81" /* U+2581, what SentencePiece spells a space with */

/* What encoding writes to besides its output: one for each call at a time. */
typedef struct tl_tokenizer_work {
    tl_bpe_work *bpe;     /* owned */
    tl_word_cache *cache; /* owned */
    tl_ids spelt;         /* a word before any merge */
} tl_tokenizer_work;

/* One that is free, or a new one.  What it remembers of earlier texts makes later ones faster; give it back. */
int tl_tokenizer_work_take(tl_tokenizer_work **out, tl_tokenizer_shelf *shelf, tl_err *err);
void tl_tokenizer_work_give(tl_tokenizer_shelf *shelf, tl_tokenizer_work *w);

int tl_tokenizer_shelf_create(tl_tokenizer_shelf **out, tl_err *err);
void tl_tokenizer_shelf_free(tl_tokenizer_shelf *shelf);

/* Append the ids of a word of 1 to INT_MAX bytes of valid UTF-8. */
int tl_tokenizer_word(const tl_tokenizer *t, tl_tokenizer_work *w, const char *word, size_t size, tl_ids *out,
                      tl_err *err);

#endif
