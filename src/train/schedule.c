/* schedule.c - warm-up, then down along the chosen curve. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

static const char *const names[] = { "constant", "linear", "cosine" };

double tl_schedule_lr(const tl_schedule *s, long step)
{
    if (step < s->warmup) return s->peak * (double)(step + 1) / (double)s->warmup;
    double done = step < s->total ? (double)(step - s->warmup) / (double)(s->total - s->warmup) : 1.0;
    double left = s->kind == TL_SCHEDULE_CONSTANT ? 1.0
                  : s->kind == TL_SCHEDULE_LINEAR ? 1.0 - done
                                                  : 0.5 * (1.0 + cos(3.14159265358979324 * done));
    return s->kind == TL_SCHEDULE_CONSTANT ? s->peak : s->peak * (s->last_ratio + (1.0 - s->last_ratio) * left);
}

int tl_schedule_kind_parse(tl_schedule_kind *out, const char *name, tl_err *err)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (tl_schedule_kind)i;
            return 0;
        }
    }
    return tl_fail(err, TL_EUSAGE, "schedule '%s' is not known; constant, linear and cosine are", name);
}

const char *tl_schedule_kind_name(tl_schedule_kind kind)
{
    return names[kind];
}
