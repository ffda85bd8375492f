/* tokenizer_vocab.h - vocabulary, merges and added tokens of a tokenizer file, checked; private to the reading. */
#ifndef TL_TEXT_TOKENIZER_VOCAB_H
#define TL_TEXT_TOKENIZER_VOCAB_H

#include "text/tokenizer_parts.h"

#include <jansson.h>

/* An added token and how its text is looked for, as both tokenizer.json and tokenizer_config.json write it. */
typedef struct tl_added_row {
    tl_added_token token; /* content borrowed from the JSON */
    bool normalized;
} tl_added_row;

/* One JSON object into a row; the id comes from elsewhere. */
int tl_added_row_read(tl_added_row *out, json_t *json, const char *where, tl_err *err);

/* The pieces and byte_ids of t from vocab (token -> id) and the rows; then the index.  After this, ids can be checked
 * with tl_tokenizer_piece. */
int tl_tokenizer_fill_pieces(tl_tokenizer *t, json_t *vocab, const tl_added_row *rows, size_t n, const char *where,
                             tl_err *err);

/* t->added from the rows; contents that are looked for in normalized text are normalized themselves. */
int tl_tokenizer_fill_added(tl_tokenizer *t, const tl_added_row *rows, size_t n, const char *where, tl_err *err);

/* t->bpe from the merges of tokenizer.json: "a b" or ["a", "b"]. */
int tl_tokenizer_fill_merges(tl_tokenizer *t, json_t *vocab, json_t *merges, const char *where, tl_err *err);

/* t->bpe from the text of merges.txt. */
int tl_tokenizer_fill_merges_text(tl_tokenizer *t, json_t *vocab, const tl_buf *text, const char *where, tl_err *err);

/* Whether BPE may take each mark's word alone: t->cut_at_marks. */
void tl_tokenizer_find_cuts(tl_tokenizer *t);

#endif
