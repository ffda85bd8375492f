/* sentencepiece.h - SentencePiece vocabularies: pieces with scores and types, and how text is normalized.
 *
 *     tl_spm *s = NULL;
 *     TL_TRY(tl_spm_open(&s, "models/mistral/tokenizer.model", err));    the protobuf of the package
 *     TL_TRY(tl_spm_fill(s, t, err));
 *     tl_spm_free(s);
 *
 * BPE merges the pair whose piece has the highest score, the leftmost of equals; Unigram takes the cut with the highest
 * sum.  Ids are those of the package `sentencepiece`. */
#ifndef TL_TEXT_SENTENCEPIECE_H
#define TL_TEXT_SENTENCEPIECE_H

#include "base/err.h"
#include "text/normalizer.h"
#include "text/tokenizer_vocab.h"

#include <stdbool.h>
#include <stddef.h>

/* Types of pieces, as the format numbers them. */
typedef enum tl_spm_type {
    TL_SPM_NORMAL = 1,
    TL_SPM_UNKNOWN,
    TL_SPM_CONTROL,
    TL_SPM_USER, /* looked for in the text before anything else */
    TL_SPM_UNUSED,
    TL_SPM_BYTE,
} tl_spm_type;

/* The score of pieces of BPE that no merge makes: unused ones, and characters. */
#define TL_SPM_LAST (-9e29f)

typedef struct tl_spm_piece {
    size_t start, size; /* in tl_spm.bytes */
    float score;
    tl_spm_type type;
} tl_spm_piece;

typedef struct tl_spm {
    tl_spm_piece *pieces; /* owned; by id */
    size_t n, capacity;
    tl_buf bytes;    /* of all pieces */
    tl_buf charsmap; /* empty: none */
    bool unigram;    /* or BPE */
    bool byte_fallback;
    tl_spm_rules rules;
    int bos, eos, unk; /* -1: none */
} tl_spm;

/* Read the protobuf at path.  *out is the caller's. */
int tl_spm_open(tl_spm **out, const char *path, tl_err *err);

/* An empty vocabulary with the package's defaults, and one piece more: for files that hold the same in other words. */
int tl_spm_create(tl_spm **out, tl_err *err);
int tl_spm_put(tl_spm *s, const char *piece, size_t size, float score, tl_spm_type type, tl_err *err);

void tl_spm_free(tl_spm *s);

/* Write what tl_spm_open reads, and the package too. */
int tl_spm_save(const tl_spm *s, const char *path, tl_err *err);

/* Fill the zeroed parts of t: pieces, model, normalizer, pre-tokenizer, decoder, added tokens, bos and eos - all but
 * what is put around a text.  where names the file in errors. */
int tl_spm_fill(const tl_spm *s, tl_tokenizer *t, const char *where, tl_err *err);

#endif
