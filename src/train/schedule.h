/* schedule.h - the learning rate of each step. */
#ifndef TL_TRAIN_SCHEDULE_H
#define TL_TRAIN_SCHEDULE_H

#include "base/err.h"

typedef enum tl_schedule_kind {
    TL_SCHEDULE_CONSTANT,
    TL_SCHEDULE_LINEAR,
    TL_SCHEDULE_COSINE
} tl_schedule_kind;

typedef struct tl_schedule {
    tl_schedule_kind kind;
    double peak;       /* learning rate after the warm-up */
    double last_ratio; /* of the peak, where the curve ends (linear and cosine) */
    long warmup;       /* steps of linear warm-up */
    long total;        /* steps in all */
} tl_schedule;

/* The learning rate of step 0, 1, ... total - 1: warm-up peak * (step + 1) / warmup; then constant, or from the peak
 * at step warmup along a line or half a cosine to last_ratio * peak at step total, one behind the last: so with a
 * last_ratio of 0 the last step still learns.  From total on it stays there. */
double tl_schedule_lr(const tl_schedule *s, long step);

/* "constant", "linear" or "cosine"; anything else is an error that lists them. */
int tl_schedule_kind_parse(tl_schedule_kind *out, const char *name, tl_err *err);
const char *tl_schedule_kind_name(tl_schedule_kind kind);

#endif
