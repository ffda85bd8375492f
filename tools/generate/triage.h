/* triage.h - the shipped task: messages and notes of an invented clinic, five levels of urgency.
 *
 * Synthetic: the rules are this project's, no medicine stands behind them. */
#ifndef TL_GENERATE_TRIAGE_H
#define TL_GENERATE_TRIAGE_H

#include "base/err.h"
#include "episode.h"

#include <stdint.h>

/* Write task.yaml, README.md, train.jsonl, validation.jsonl and test.jsonl into dir, which is made if missing. */
int tl_triage_task(uint64_t seed, const char *dir, tl_err *err);

/* Episodes in the clinic's way of writing: sorted by complaint into labels redrawn each time, nothing about urgency. */
void tl_fill_clinic(tl_teller *t, tl_episode *e);

#endif
