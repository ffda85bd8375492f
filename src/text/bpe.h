/* bpe.h - byte-pair merging: a word's symbols - bytes, or characters - joined, pair by pair, in the order the pairs
 * were learnt.
 *
 *     tl_bpe *b = NULL;
 *     TL_TRY(tl_bpe_create(&b, err));
 *     TL_TRY(tl_bpe_put(b, left, right, rank, merged, err));      once per merge
 *     tl_bpe_work *w = NULL;                                      one per thread
 *     TL_TRY(tl_bpe_work_create(&w, err));
 *     TL_TRY(tl_bpe_merge(b, w, symbols, n, &ids, err));
 *
 * Time and memory are linear in the symbols, but for the logarithm of a heap in long words. */
#ifndef TL_TEXT_BPE_H
#define TL_TEXT_BPE_H

#include "base/err.h"
#include "base/ids.h"

#include <stddef.h>

typedef struct tl_bpe tl_bpe;           /* the merges; read-only once filled */
typedef struct tl_bpe_work tl_bpe_work; /* scratch, for one tl_bpe only */

int tl_bpe_create(tl_bpe **out, tl_err *err);
void tl_bpe_free(tl_bpe *b);

/* The pair (left, right) becomes merged; low ranks go first, and of equal ones the leftmost.  No number is negative.
 * A pair put twice counts as put last. */
int tl_bpe_put(tl_bpe *b, int left, int right, int rank, int merged, tl_err *err);

int tl_bpe_work_create(tl_bpe_work **out, tl_err *err);
void tl_bpe_work_free(tl_bpe_work *w);

/* Append what is left of the n symbols of one word once nothing can be merged.  n is at most INT_MAX. */
int tl_bpe_merge(const tl_bpe *b, tl_bpe_work *w, const int *symbols, size_t n, tl_ids *out, tl_err *err);

#endif
