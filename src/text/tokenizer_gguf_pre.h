/* tokenizer_gguf_pre.h - what the names of tokenizer.ggml.pre stand for.
 *
 * A name stands for a pre-tokenizer and a few switches that are nowhere in the file: those of the tokenizer.json that
 * the family publishes. */
#ifndef TL_TEXT_TOKENIZER_GGUF_PRE_H
#define TL_TEXT_TOKENIZER_GGUF_PRE_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct tl_gguf_pre {
    const char *names; /* with a space around each; the first is written */
    bool nfc, ignore_merges, add_bos;
    /* The stages of a Sequence, NULL-ended: a regular expression, each match a word of its own; or one of TL_GGUF_*,
     * compared as pointers.  Behind the last comes ByteLevel without its own expression, unless it was there. */
    const char *stages[8];
} tl_gguf_pre;

extern const char TL_GGUF_DIGITS[];      /* each digit alone */
extern const char TL_GGUF_NUMBERS[];     /* runs of digits */
extern const char TL_GGUF_PUNCTUATION[]; /* runs of punctuation */
extern const char TL_GGUF_GPT2[];        /* ByteLevel with GPT-2's expression */

/* The row of a name; path is for the error. */
int tl_gguf_pre_find(const tl_gguf_pre **out, const char *name, const char *path, tl_err *err);

/* The name under which a text is cut by `regex` alone, or after its digits are; NULL: there is none. */
const char *tl_gguf_pre_name(char out[32], const char *regex, bool digits, bool nfc, bool ignore_merges);

/* tokenizer.json's pre_tokenizer, the caller's; NULL: no memory.  prefix: ByteLevel's add_prefix_space. */
json_t *tl_gguf_pre_json(const tl_gguf_pre *pre, bool prefix);

#endif
