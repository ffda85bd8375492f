/* rope.h - the angles of rotary positions (Su et al., arXiv 2104.09864), and the schemes that stretch them.
 *
 * Pair i of the w numbers of a head that are turned goes round by f_i a position, f_i = theta^(-2i/w), and
 *
 *     linear    f_i / factor
 *     dynamic   f_i: above the context of training theta would grow with the sequence, and T is that context
 *     llama3    f_i / factor where a turn takes more than original / low positions, f_i where it takes fewer than
 *               original / high, between them by how far it is
 *     yarn      f_i / factor for slow pairs, f_i for fast ones, between them by i (Peng et al., arXiv 2309.00071);
 *               cosines and sines are multiplied by 1 + ln(factor) / 10 unless the base says otherwise
 *     long      f_i / short_factor_i (Ding et al., arXiv 2402.13753); cosines and sines are multiplied likewise by
 *               sqrt(1 + ln(factor) / ln(original)).  Beyond the original context long_factor would take its place, for
 *               the whole of a sequence: T is that context here, and no such sequence is computed */
#ifndef TL_MODEL_ROPE_H
#define TL_MODEL_ROPE_H

#include "base/arena.h"
#include "model/config.h"

/* cos and sin of each position's angles, [T][w/2] each.  A context may be far longer than what is ever run, and a row
 * costs w sines; so rows are filled as far as positions are met (tl_rope_reach). */
typedef struct tl_rope_table {
    float *cos, *sin;            /* borrowed from the arena; NULL while it measures */
    struct tl_rope_fill *filled; /* likewise: how far, and from what; shared by copies of the table */
} tl_rope_table;

/* The w/2 frequencies of a scheme, and what its cosines and sines are multiplied by. */
float tl_rope_frequencies(float *f, const tl_rope *r, int w, int T);

/* Lay the table of a scheme out in arena; no row is filled. */
tl_rope_table tl_rope_make(tl_arena *arena, const tl_rope *r, int w, int T);

/* See to it that rows 0 .. positions - 1 are filled; at most T.  Any thread may ask, while others read what they asked
 * for. */
void tl_rope_reach(const tl_rope_table *t, int positions);

#endif
