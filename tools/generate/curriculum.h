/* curriculum.h - the corpus: document i of a total, from easy to full.
 *
 * A document depends on (seed, i, total) alone, so any part of a corpus can be made anywhere, in any order. */
#ifndef TL_GENERATE_CURRICULUM_H
#define TL_GENERATE_CURRICULUM_H

#include "base/buf.h"

#include <stdint.h>

/* Append document i of a phase (1: the curriculum, 2: what a base is finished on) as one JSON line. */
int tl_document(uint64_t seed, long i, long total, int phase, tl_buf *out, tl_err *err);

/* How many documents hold about this many tokens. */
long tl_documents_for(double tokens, int phase);

/* Append one document of the general text of which nothing is ever trained on: prose, and every fourth time an
 * episode, as {"text":"..."}. */
int tl_general_document(uint64_t seed, long i, tl_buf *out, tl_err *err);

#endif
