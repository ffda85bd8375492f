/* tokenizer_tiktoken.h - rank files of the package `tiktoken`: a line for each token, its bytes in base64, a space, its
 * rank, which is its id; private to the reading.
 *
 * Nothing in such a file says how text is cut before the merges, nor what the special tokens are.  In this order that
 * is known from
 *
 *     tokenizer_config.json   "pat_str": the pattern itself; special tokens are those of "added_tokens_decoder"
 *     tokenizer_config.json   "tokenizer_class": QWenTokenizer
 *     the file's name         qwen.tiktoken, cl100k_base.tiktoken, o200k_base.tiktoken, p50k_base.tiktoken,
 *                             r50k_base.tiktoken; tokenizer.model where it has Llama 3's 128,000 ranks
 *
 * and otherwise the file is refused.  "added_tokens_decoder", where it is there, takes the place of the family's
 * special tokens. */
#ifndef TL_TEXT_TOKENIZER_TIKTOKEN_H
#define TL_TEXT_TOKENIZER_TIKTOKEN_H

#include "text/tokenizer_reading.h"

/* Whether the file at path begins as a rank file does. */
bool tl_tiktoken_is(const char *path);

/* Leave in r->path the one file of r->dir that is named *.tiktoken.  Two of them are an error. */
int tl_tiktoken_find(tl_reading *r, bool *found, tl_err *err);

/* Fill the zeroed parts of r->t from the rank file r->path; r->config is what stands beside it, or NULL. */
int tl_tiktoken_read(tl_reading *r, tl_err *err);

#endif
