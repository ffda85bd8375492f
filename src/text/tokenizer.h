/* tokenizer.h - text to token ids and back, as the model's own tokenizer does it.
 *
 *     tl_tokenizer *t = NULL;
 *     TL_TRY(tl_tokenizer_open(&t, "models/base", err));
 *     tl_ids ids = { 0 };
 *     TL_TRY(tl_tokenizer_encode(t, text, size, TL_ENCODE_SPECIAL, &ids, err));
 *     TL_TRY(tl_tokenizer_decode(t, ids.data, ids.size, true, &buf, err));
 *     tl_tokenizer_free(t);
 *
 * BPE on bytes (GPT-2, Llama 3, Qwen2, SmolLM) and on characters (Llama 2, Mistral, Gemma), Unigram (T5, ALBERT),
 * WordPiece (BERT), read from Hugging Face files, SentencePiece models and rank files of tiktoken.  The ids are those
 * of the Python packages `tokenizers` and `sentencepiece` on the same files; a part of a file that this module does not
 * know is refused by name, never skipped.  A tokenizer is read-only once open: any number of threads may use one at a
 * time. */
#ifndef TL_TEXT_TOKENIZER_H
#define TL_TEXT_TOKENIZER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "text/decoder.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_tokenizer tl_tokenizer;

/* Read the tokenizer of the GGUF file or directory dir: tokenizer.json, or, where there is none, vocab.json and
 * merges.txt (the class named in tokenizer_config.json, GPT-2's without one), or a rank file of tiktoken
 * (tokenizer_tiktoken.h), or a SentencePiece model (tokenizer.model, spiece.model).  BOS and EOS come from
 * tokenizer_config.json, else from special_tokens_map.json, else from the model. */
int tl_tokenizer_open(tl_tokenizer **out, const char *dir, tl_err *err);
void tl_tokenizer_free(tl_tokenizer *t);

/* Whether the GGUF file or directory dir holds a tokenizer at all, one that opens or not. */
int tl_tokenizer_any(bool *out, const char *dir, tl_err *err);

enum {
    TL_ENCODE_PLAIN = 0,
    TL_ENCODE_SPECIAL = 1, /* add what the post-processor adds: one BOS in front, say */
    TL_ENCODE_AS_TEXT = 2, /* special tokens written in the text are letters, not tokens: for text of strangers */
};

/* Append the ids of size bytes of text to *out (NUL bytes are text).  Added
 * tokens written in the text become their ids, unless TL_ENCODE_AS_TEXT says
 * otherwise for the special ones.  Bytes that are not UTF-8 are refused with
 * their place, since a tokenizer that sees characters has no answer for them.
 * On failure the ids already in *out stay, and no others. */
int tl_tokenizer_encode(const tl_tokenizer *t, const char *text, size_t size, unsigned flags, tl_ids *out, tl_err *err);

/* Append the bytes of n ids to *out.  A character cut in two by the end of the
 * ids stays cut: whoever streams waits for the rest.  An added token gives its
 * own text, also where a letter in it is one that spells a byte (the package
 * gives the byte).  An id outside the vocabulary is refused. */
int tl_tokenizer_decode(const tl_tokenizer *t, const int *ids, size_t n, bool skip_special, tl_buf *out, tl_err *err);

/* Append what one more token adds to the text.  Zeroed, s stands at the text's beginning; decoder.h. */
int tl_tokenizer_decode_next(const tl_tokenizer *t, tl_decode_state *s, int id, bool skip_special, tl_buf *out,
                             tl_err *err);

/* The bytes of one token as the vocabulary spells it, borrowed from t, not NUL-terminated; NULL for an id that names
 * none. */
const char *tl_tokenizer_piece(const tl_tokenizer *t, int id, size_t *size);

/* The id whose text is exactly content (an added token) or whose bytes are (any other), or -1. */
int tl_tokenizer_find(const tl_tokenizer *t, const char *content, size_t size);

/* Largest id and one: the rows of an embedding that fits. */
int tl_tokenizer_size(const tl_tokenizer *t);

int tl_tokenizer_bos(const tl_tokenizer *t); /* -1 where there is none */
int tl_tokenizer_eos(const tl_tokenizer *t); /* -1 where there is none */

/* Whether the id is a special added token: dropped by decode's skip_special. */
bool tl_tokenizer_is_special(const tl_tokenizer *t, int id);

/* Whether TL_ENCODE_SPECIAL puts the BOS in front. */
bool tl_tokenizer_adds_bos(const tl_tokenizer *t);

#endif
