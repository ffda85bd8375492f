/* tokenizer_gguf.h - the tokenizer in a GGUF file, as the files of a directory would have it.
 *
 *     json_t *whole = NULL, *config = NULL;
 *     TL_TRY(tl_tokenizer_gguf(&whole, &config, g, err));
 *
 * One way in: what is made here is read by tokenizer_file.c, and written by tokenizer_copy.c where a base becomes a
 * directory. */
#ifndef TL_TEXT_TOKENIZER_GGUF_H
#define TL_TEXT_TOKENIZER_GGUF_H

#include "base/err.h"
#include "io/gguf.h"

#include <jansson.h>

/* Whether the file has a vocabulary at all. */
bool tl_tokenizer_gguf_any(const tl_gguf *g);

/* Refuse by name a tokenizer.ggml key that is not known and is none of the two (NULL: none). */
int tl_tokenizer_gguf_check(const tl_gguf *g, const char *also, const char *also2, tl_err *err);

/* chat_template into tokenizer_config.json's object: a text, or where there are several a list of them with names. */
int tl_tokenizer_gguf_templates(json_t *config, const tl_gguf *g, tl_err *err);

/* The objects of tokenizer.json and tokenizer_config.json, the caller's to decref.  A vocabulary that is neither
 * byte-level BPE nor WordPiece (SentencePiece's are tokenizer_gguf_spm.h's), a pre-tokenizer or a key that is not
 * known: refused by name. */
int tl_tokenizer_gguf(json_t **whole, json_t **config, const tl_gguf *g, tl_err *err);

#endif
