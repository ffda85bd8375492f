/* checkpoint.h - a training run's state in one file, so that a resumed run goes on to the same bits.
 *
 * A safetensors file: for each trained tensor NAME its value/NAME, m/NAME and v/NAME in the types they have in memory,
 * for 8-bit moments (codes, U8) m_scale/NAME and v_scale/NAME; in the metadata the step, the FLOPs so far, the place in
 * the data, and the run's own description, which a resume must repeat. */
#ifndef TL_TRAIN_CHECKPOINT_H
#define TL_TRAIN_CHECKPOINT_H

#include "train/train.h"

/* run describes what must not change between save and load (data, sizes, rates): any text. */
int tl_checkpoint_save(const tl_trainer *t, const char *path, const char *run, long place, tl_err *err);

/* Fill values, moments and step; another run text, a missing tensor or another shape is an error that changes nothing.
 */
int tl_checkpoint_load(tl_trainer *t, const char *path, const char *run, long *place, tl_err *err);

#endif
