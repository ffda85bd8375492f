/* tokenizer_copy.h - a model directory takes its tokenizer along. */
#ifndef TL_TEXT_TOKENIZER_COPY_H
#define TL_TEXT_TOKENIZER_COPY_H

#include "base/err.h"

/* Copy the tokenizer's files that are in from (tokenizer.json, vocab.json, ...) and the chat template into to.  Where
 * from is a GGUF file, write its tokenizer as tokenizer.json and tokenizer_config.json; nothing where it has none. */
int tl_tokenizer_copy(const char *from, const char *to, tl_err *err);

#endif
