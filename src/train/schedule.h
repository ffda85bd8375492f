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
    double last_ratio; /* of the peak, at the last step (linear and cosine) */
    long warmup;       /* steps of linear warm-up */
    long total;        /* steps in all */
} tl_schedule;

/* The learning rate of step 0, 1, ... total - 1: warm-up (step + 1) / warmup, then
 * constant; or peak to last_ratio * peak along a line or half a cosine. */
double tl_schedule_lr(const tl_schedule *s, long step);

/* "constant", "linear" or "cosine"; anything else is an error that lists them. */
int tl_schedule_kind_parse(tl_schedule_kind *out, const char *name, tl_err *err);
const char *tl_schedule_kind_name(tl_schedule_kind kind);

#endif
