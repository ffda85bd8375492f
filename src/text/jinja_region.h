/* jinja_region.h - memory that grows by pieces up to a limit and is given back at once: a parsed template's, a
 * rendering's.
 *
 *     tl_jregion r = { .limit = 1 << 20 };
 *     char *p = tl_jregion_take(&r, n, err);     NULL, and *err says why
 *     tl_jregion_reset(&r);
 *
 * What a template makes is bounded by the limit, whatever it does; nothing of it needs to be freed one by one. */
#ifndef TL_TEXT_JINJA_REGION_H
#define TL_TEXT_JINJA_REGION_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_jpiece tl_jpiece;

typedef struct tl_jregion {
    tl_jpiece *last;   /* owned; the piece that is being filled, and those before it */
    size_t used, size; /* of the last piece */
    size_t total;      /* bytes of all pieces */
    size_t limit;      /* of total */
} tl_jregion;

/* bytes aligned to 16, not zeroed. */
void *tl_jregion_take(tl_jregion *r, size_t bytes, tl_err *err);

/* Give everything back; the limit stays. */
void tl_jregion_reset(tl_jregion *r);

#endif
