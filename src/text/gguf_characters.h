/* gguf_characters.h - GGUF's "llama" vocabularies: BPE over characters, with bytes for the rest; for tokenizer_gguf.c.
 *
 * Such a file has a score for each token and no merges: of two neighbours, those are joined whose whole has the highest
 * score.  tokenizer.json wants the merges, one after the other: every way to cut a token in two that are tokens, the
 * tokens by falling score. */
#ifndef TL_TEXT_GGUF_CHARACTERS_H
#define TL_TEXT_GGUF_CHARACTERS_H

#include "io/gguf.h"

#include <jansson.h>

/* Below this no merge makes a token: tokenizer_gguf_write.c says so of tokens that its merges do not make. */
#define TL_GGUF_UNMADE (-3e38f)

/* Append [left, right] for each merge.  types may be NULL; scores has n numbers. */
int tl_gguf_character_merges(json_t *merges, const tl_gguf *g, const char *const *texts, const size_t *sizes, size_t n,
                             const tl_gguf_pair *scores, const tl_gguf_pair *types, tl_err *err);

/* Its normalizer and decoder into whole: spaces become U+2581, one is put in front where prefix says so. */
int tl_gguf_character_stages(json_t *whole, bool prefix);

#endif
