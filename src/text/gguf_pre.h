/* gguf_pre.h - what GGUF leaves to names and numbers in a tokenizer: pre-tokenizers, types of tokens. */
#ifndef TL_TEXT_GGUF_PRE_H
#define TL_TEXT_GGUF_PRE_H

#include <stdbool.h>

/* Types of tokens, as llama.cpp numbers them. */
enum {
    TL_TOKEN_UNDEFINED,
    TL_TOKEN_NORMAL,
    TL_TOKEN_UNKNOWN,
    TL_TOKEN_CONTROL,
    TL_TOKEN_USER,
    TL_TOKEN_UNUSED,
    TL_TOKEN_BYTE,
};

/* What a name stands for.  Two stages: digits first, each alone, where `digits` says so, then the regex. */
typedef struct tl_gguf_pre {
    const char *name;
    const char *regex; /* NULL: GPT-2's */
    bool digits, nfc, ignore_merges;
    bool add_bos; /* where no key says */
} tl_gguf_pre;

/* The i-th, or NULL after the last.  Of those that stand for the same the first is written. */
const tl_gguf_pre *tl_gguf_pre_at(int i);

/* What a row of the token table without a token is called: "[PAD7]". */
void tl_gguf_pad_name(char out[24], int id);

#endif
