/* jinja_region.c - pieces of doubling size in a list. */
#include "text/jinja_region.h"

#include "base/size.h"

#include <stdint.h>
#include <stdlib.h>

enum {
    ALIGN = 16,
    PIECE_MIN = 4096,
    PIECE_MAX = 1 << 20
};

/* Under the address sanitizer every request has a piece of its own, so that a step beyond it is seen. */
#if defined(__SANITIZE_ADDRESS__)
#define APART 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define APART 1
#endif
#endif
#ifndef APART
#define APART 0
#endif

struct tl_jpiece {
    _Alignas(ALIGN) tl_jpiece *before;
    _Alignas(ALIGN) char bytes[];
};

void *tl_jregion_take(tl_jregion *r, size_t bytes, tl_err *err)
{
    size_t want = tl_size_up(bytes ? bytes : 1, ALIGN);
    if (want < bytes) {
        tl_fail(err, TL_EDATA, "%zu bytes wanted at once, there is no such memory", bytes);
        return NULL;
    }
    if (APART) want = bytes ? bytes : 1;
    if (APART || r->size - r->used < want) {
        size_t size = r->size < PIECE_MIN / 2 ? PIECE_MIN : 2 * r->size, total;
        if (size > PIECE_MAX) size = PIECE_MAX;
        if (size < want) size = want;
        /* Near the limit a piece is no larger than what is asked for. */
        if (APART || (size > want && (r->total > r->limit || r->limit - r->total < size))) size = want;
        if (!tl_size_add(&total, r->total, size) || total > r->limit) {
            tl_fail(err, TL_EDATA, "%zu bytes of memory are in use and %zu more wanted, the limit is %zu", r->total,
                    size, r->limit);
            return NULL;
        }
        tl_jpiece *p = size > SIZE_MAX - sizeof *p ? NULL : malloc(sizeof *p + size);
        if (!p) {
            tl_fail(err, TL_ENOMEM, "%zu bytes wanted, none free", size);
            return NULL;
        }
        p->before = r->last;
        r->last = p;
        r->total = total;
        r->used = 0;
        r->size = size;
    }
    void *out = r->last->bytes + r->used;
    r->used += want;
    return out;
}

void tl_jregion_reset(tl_jregion *r)
{
    while (r->last) {
        tl_jpiece *p = r->last;
        r->last = p->before;
        free(p);
    }
    r->used = r->size = r->total = 0;
}
