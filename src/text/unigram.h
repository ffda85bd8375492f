/* unigram.h - the cut of a text into pieces whose scores add up to the most (Kudo 2018).
 *
 *     tl_unigram *u = NULL;
 *     TL_TRY(tl_unigram_create(&u, err));
 *     TL_TRY(tl_unigram_put(u, "\u2581the", 6, 12, -3.2, err));        once per piece
 *     TL_TRY(tl_unigram_seal(u, unk, false, err));
 *     TL_TRY(tl_unigram_encode(u, word, size, each, arg, err));
 *     tl_unigram_free(u);
 *
 * A character that no piece holds is unknown, at 10 less than the lowest score; unknown neighbours are handed out as
 * one. */
#ifndef TL_TEXT_UNIGRAM_H
#define TL_TEXT_UNIGRAM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_unigram tl_unigram; /* read-only once sealed: safe from several threads */

int tl_unigram_create(tl_unigram **out, tl_err *err);
void tl_unigram_free(tl_unigram *u);

/* A piece of size > 0 bytes, its id and its score (a log probability). */
int tl_unigram_put(tl_unigram *u, const char *piece, size_t size, int id, double score, tl_err *err);

/* No more puts.  unk: the id of unknown characters.  single: sums are rounded to single precision, as the package
 * `sentencepiece` keeps them; `tokenizers` keeps them in double, and long texts tell the two apart. */
int tl_unigram_seal(tl_unigram *u, int unk, bool single, tl_err *err);

/* Called once per piece, in order. */
typedef int tl_unigram_fn(void *arg, int id, const char *text, size_t size, tl_err *err);

/* size > 0 bytes of valid UTF-8.  Time and memory are linear in size (times the longest piece, at worst). */
int tl_unigram_encode(const tl_unigram *u, const char *text, size_t size, tl_unigram_fn *each, void *arg, tl_err *err);

#endif
