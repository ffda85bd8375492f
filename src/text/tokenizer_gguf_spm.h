/* tokenizer_gguf_spm.h - the SentencePiece vocabulary in a GGUF file: pieces, scores and types in three arrays.
 *
 *     if (tl_gguf_spm_is(g)) TL_TRY(tl_gguf_spm(&s, &config, g, err));
 *
 * It becomes what tokenizer.model would have held: sentencepiece.h makes a tokenizer of it, and writes it where a base
 * becomes a directory. */
#ifndef TL_TEXT_TOKENIZER_GGUF_SPM_H
#define TL_TEXT_TOKENIZER_GGUF_SPM_H

#include "io/gguf.h"
#include "text/sentencepiece.h"

#include <jansson.h>

/* Whether tokenizer.ggml.model is "llama" (BPE) or "t5" (Unigram). */
bool tl_gguf_spm_is(const tl_gguf *g);

/* The vocabulary, and the object of tokenizer_config.json; both the caller's.  A key that is not known is refused by
 * name. */
int tl_gguf_spm(tl_spm **out, json_t **config, const tl_gguf *g, tl_err *err);

#endif
