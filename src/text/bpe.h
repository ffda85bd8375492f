/* bpe.h - byte-pair merging: a word's symbols - bytes, or characters - joined, pair by pair, in the order the pairs
 * were learnt.
 *
 *     tl_bpe *b = NULL;
 *     TL_TRY(tl_bpe_create(&b, n_merges, err));
 *     tl_bpe_put(b, left, right, rank, merged);         once per merge
 *     tl_bpe_work *w = NULL;                            one per thread
 *     TL_TRY(tl_bpe_work_create(&w, err));
 *     TL_TRY(tl_bpe_encode(b, w, spell, alphabet, word, size, &ids, err));
 */
#ifndef TL_TEXT_BPE_H
#define TL_TEXT_BPE_H

#include "base/err.h"
#include "base/ids.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_bpe tl_bpe;           /* the merges; read-only once filled */
typedef struct tl_bpe_work tl_bpe_work; /* scratch and a cache of words, for one tl_bpe only */

int tl_bpe_create(tl_bpe **out, size_t n_merges, tl_err *err);
void tl_bpe_free(tl_bpe *b);

/* The pair (left, right) becomes merged; low ranks go first.  At most n_merges pairs; one put twice counts as put
 * last. */
void tl_bpe_put(tl_bpe *b, int left, int right, int rank, int merged);

int tl_bpe_work_create(tl_bpe_work **out, tl_err *err);
void tl_bpe_work_free(tl_bpe_work *w);

/* Append the ids that the symbols of a word have before any merge. */
typedef int tl_bpe_spell_fn(const void *alphabet, const char *word, size_t size, tl_ids *out, tl_err *err);

/* Append the ids of one word of 1 to INT_MAX bytes.  The same alphabet in every call with w. */
int tl_bpe_encode(const tl_bpe *b, tl_bpe_work *w, tl_bpe_spell_fn *spell, const void *alphabet, const char *word,
                  size_t size, tl_ids *out, tl_err *err);

#endif
