/* tokenizer_gguf_bert.h - the WordPiece vocabulary in a GGUF file, as tokenizer.json would have it; for
 * tokenizer_gguf.c. */
#ifndef TL_TEXT_TOKENIZER_GGUF_BERT_H
#define TL_TEXT_TOKENIZER_GGUF_BERT_H

#include "base/err.h"
#include "io/gguf.h"

#include <jansson.h>

/* Fill the objects of tokenizer.json and tokenizer_config.json.  Whether letters are made small is nowhere in the file:
 * tokenizer.ggml.pre must name a family that is known (bert-bge: they are). */
int tl_gguf_bert(json_t *whole, json_t *config, const tl_gguf *g, tl_err *err);

#endif
