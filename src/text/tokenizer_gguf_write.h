/* tokenizer_gguf_write.h - the tokenizer and chat template of a base into a GGUF file's metadata.
 *
 *     TL_TRY(tl_tokenizer_gguf_put(draft, "models/tiny", &ids, err));
 *
 * Byte-level BPE (tokenizer.json, or vocab.json and merges.txt) becomes llama.cpp's "gpt2", BPE over characters with
 * bytes for the rest (tokenizer.json, or a SentencePiece model) its "llama"; from a GGUF file every key is carried
 * along. */
#ifndef TL_TEXT_TOKENIZER_GGUF_WRITE_H
#define TL_TEXT_TOKENIZER_GGUF_WRITE_H

#include "io/gguf_save.h"

/* What the base beside it says. */
typedef struct tl_gguf_ids {
    int V;        /* rows of the token table: those without a token are padded */
    int bos, eos; /* where the tokenizer names none; -1: none */
} tl_gguf_ids;

/* A model without tokenizer files gets the word for that, and the ids.  A pre-tokenizer without a name in the format, a
 * model of another kind, a template that puts other tokens around a text than BOS and EOS: refused by name. */
int tl_tokenizer_gguf_put(tl_gguf_draft *d, const char *model, const tl_gguf_ids *ids, tl_err *err);

#endif
