/* gguf_pre.c - the pre-tokenizers that GGUF files name. */
#include "text/gguf_pre.h"

#include <stdio.h>

#define LLAMA3_REGEX                                                                                                   \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"           \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define QWEN2_REGEX                                                                                                    \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"  \
    "\\s+(?!\\S)|\\s+"
#define TEKKEN_REGEX                                                                                                   \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"                       \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|"                \
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#define GPT4O_WORD(first, rest)                                                                                        \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]" first "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]" rest            \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
#define GPT4O_REGEX                                                                                                    \
    GPT4O_WORD("*", "+")                                                                                               \
    GPT4O_WORD("+", "*")                                                                                               \
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* clang-format off */
static const tl_gguf_pre pres[] = {
    { "gpt-2",     NULL,         false, false, false, false },
    { "olmo",      NULL,         false, true,  false, false },
    { "smollm",    NULL,         true,  false, false, false },
    { "starcoder", NULL,         true,  false, false, false },
    { "llama-bpe", LLAMA3_REGEX, false, false, true,  true  },
    { "llama3",    LLAMA3_REGEX, false, false, true,  true  },
    { "llama-v3",  LLAMA3_REGEX, false, false, true,  true  },
    { "dbrx",      LLAMA3_REGEX, false, false, false, false },
    { "smaug-bpe", LLAMA3_REGEX, false, false, false, false },
    { "qwen2",     QWEN2_REGEX,  false, true,  false, false },
    { "stablelm2", QWEN2_REGEX,  false, false, false, false },
    { "tekken",    TEKKEN_REGEX, false, false, true,  true  },
    { "gpt-4o",    GPT4O_REGEX,  false, false, false, false },
};
/* clang-format on */

const tl_gguf_pre *tl_gguf_pre_at(int i)
{
    return i < (int)(sizeof pres / sizeof *pres) ? &pres[i] : NULL;
}

void tl_gguf_pad_name(char out[24], int id)
{
    snprintf(out, 24, "[PAD%d]", id);
}
