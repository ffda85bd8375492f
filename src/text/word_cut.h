/* word_cut.h - the regular expressions of the families of GPT-2 and GPT-4, matched without an engine.
 *
 *     const tl_word_cut *cut = tl_word_cut_of(pattern, size);            NULL: not one of them
 *     for (size_t from = 0; from < size; from = end) end = tl_word_cut_next(cut, text, size, from);
 *
 * Whatever the text, each match begins where the last one ended: nothing lies between.  The words are those of regex.h
 * on the same pattern; word_cut_test.c holds them together. */
#ifndef TL_TEXT_WORD_CUT_H
#define TL_TEXT_WORD_CUT_H

#include <stddef.h>

/* GPT-2, RoBERTa, GPT-NeoX, StarCoder; Llama 3, GPT-4; Qwen2: spelt as in their tokenizer.json. */
#define TL_WORD_CUT_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define TL_WORD_CUT_LLAMA3                                                                                             \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"           \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TL_WORD_CUT_QWEN2                                                                                              \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"  \
    "\\s+(?!\\S)|\\s+"

/* tiktoken's own: as Llama 3's, but white space that ends the text is one word, line ends or not. */
#define TL_WORD_CUT_CL100K                                                                                             \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"           \
    "\\s+(?![\\s\\S])|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* GPT-4o's, gpt-oss', Llama 4's.  Not cut by hand: tl_word_cut_of does not know it. */
#define TL_WORD_CUT_O200K                                                                                              \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"                        \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"                                                                                   \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"                        \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"                                                                                   \
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

typedef struct tl_word_cut tl_word_cut; /* constant */

const tl_word_cut *tl_word_cut_of(const char *pattern, size_t size);

/* The end of the word that begins at from < size, in valid UTF-8. */
size_t tl_word_cut_next(const tl_word_cut *c, const char *text, size_t size, size_t from);

#endif
