/* normalizer.h - what happens to a text before it is cut: the stages of tokenizer.json's normalizer, and
 * SentencePiece's.
 *
 *     tl_normalizer *n = NULL;
 *     TL_TRY(tl_normalizer_create(&n, err));
 *     TL_TRY(tl_normalizer_add(n, TL_NORMALIZE_NFKC, err));
 *     TL_TRY(tl_normalizer_add_replace(n, " ", 1, false, "\u2581", 3, err));
 *     TL_TRY(tl_normalizer_run(n, text, size, &first, &out, err));
 *     tl_normalizer_free(n);
 *
 * Stages run one after the other, each on the whole text. */
#ifndef TL_TEXT_NORMALIZER_H
#define TL_TEXT_NORMALIZER_H

#include "base/buf.h"
#include "base/err.h"
#include "text/added.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_normalizer tl_normalizer; /* read-only once made: safe from several threads */

int tl_normalizer_create(tl_normalizer **out, tl_err *err);
void tl_normalizer_free(tl_normalizer *n);

/* No stage: a text is its own normal form. */
bool tl_normalizer_empty(const tl_normalizer *n);

typedef enum tl_normalize {
    TL_NORMALIZE_NFC,
    TL_NORMALIZE_NFD,
    TL_NORMALIZE_NFKC,
    TL_NORMALIZE_NFKD,
    TL_NORMALIZE_LOWERCASE,
    TL_NORMALIZE_STRIP_LEFT,    /* white space at the beginning */
    TL_NORMALIZE_STRIP_RIGHT,   /* at the end */
    TL_NORMALIZE_STRIP_ACCENTS, /* marks of every kind */
    TL_NORMALIZE_NMT,           /* SentencePiece's table of controls and odd spaces */
    TL_NORMALIZE_BERT_CLEAN,    /* controls go, white space becomes spaces */
    TL_NORMALIZE_BERT_CHINESE,  /* spaces around ideographs */
    TL_NORMALIZE_BERT_ACCENTS,  /* NFD, then marks without width go */
} tl_normalize;

int tl_normalizer_add(tl_normalizer *n, tl_normalize what, tl_err *err);

/* text in front of what is not empty. */
int tl_normalizer_add_prepend(tl_normalizer *n, const char *text, size_t size, tl_err *err);

/* Each match of pattern, a regular expression or a string, becomes to. */
int tl_normalizer_add_replace(tl_normalizer *n, const char *pattern, size_t pattern_size, bool regex, const char *to,
                              size_t to_size, tl_err *err);

/* A charsmap (charsmap.h) as the package `tokenizers` applies it: to grapheme clusters of less than 6 bytes, else to
 * characters, the shortest entry first. */
int tl_normalizer_add_charsmap(tl_normalizer *n, const void *bytes, size_t size, tl_err *err);

/* SentencePiece's own normalization: the longest entry of the charsmap (size 0: none) at each place, then spaces.  What
 * `kept` finds (NULL: nothing) passes unchanged; it is borrowed and must outlive n. */
typedef struct tl_spm_rules {
    bool add_dummy_prefix;         /* a space in front of the text */
    bool remove_extra_whitespaces; /* spaces at the ends and repeated ones go */
    bool escape_whitespaces;       /* spaces become U+2581 */
} tl_spm_rules;

int tl_normalizer_add_spm(tl_normalizer *n, const void *charsmap, size_t size, const tl_spm_rules *rules,
                          const tl_added *kept, tl_err *err);

/* Append the normal form of valid UTF-8.  *first: nothing stood before it (SentencePiece puts its space only there);
 * afterwards, whether its normal form still begins with what the text began with: a Metaspace asks that. */
int tl_normalizer_run(const tl_normalizer *n, const char *text, size_t size, bool *first, tl_buf *out, tl_err *err);

#endif
