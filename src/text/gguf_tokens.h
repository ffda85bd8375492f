/* gguf_tokens.h - how GGUF files mark tokens: for those who read vocabularies from them and write them. */
#ifndef TL_TEXT_GGUF_TOKENS_H
#define TL_TEXT_GGUF_TOKENS_H

#include <stdio.h>

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

/* What a row of the token table without a token is called: "[PAD7]". */
static inline void tl_gguf_pad_name(char out[24], int id)
{
    snprintf(out, 24, "[PAD%d]", id);
}

#endif
