/* probe.h - questions that tell whether a base learns from its context.
 *
 * One JSON line a question: the prompt, the labels that could follow, the right one.  Held-out families use
 * held-out label words; families of the corpus, marked "held_out":false, use labels of the corpus.  Conditions:
 *
 *     true      the examples as they are
 *     shuffled  the same inputs, their labels dealt out at random; the answer stays: a reader falls to chance
 *     flipped   every label replaced by another one, the same way throughout, the answer too: a reader follows
 *
 * "knowable" says whether an ideal reader, who compares cues and remembers everything, knows the answer from the
 * prompt: the share of knowable questions is the ceiling, before luck. */
#ifndef TL_GENERATE_PROBE_H
#define TL_GENERATE_PROBE_H

#include "output.h"

#include <stdint.h>

/* All probes of a seed, into o. */
int tl_probe(uint64_t seed, int queries_a_family, tl_output *o, tl_err *err);

#endif
