/* arena.c - bump allocation over one aligned block. */
#include "base/arena.h"

#include "base/size.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGN = 64
}; /* a cache line, and the widest vector */

struct tl_arena {
    char *block;     /* owned; NULL for a measuring arena */
    size_t capacity; /* bytes of block */
    size_t used;
    size_t peak;
};

static int arena_new(tl_arena **out, tl_err *err)
{
    tl_arena *a = calloc(1, sizeof *a);
    if (!a) return tl_fail(err, TL_ENOMEM, "arena: no memory for its header");
    *out = a;
    return 0;
}

int tl_arena_create(tl_arena **out, size_t bytes, const char *name, tl_err *err)
{
    tl_arena *a = NULL;
    TL_TRY(arena_new(&a, err));
    a->capacity = tl_size_up(bytes ? bytes : 1, ALIGN);
    a->block = aligned_alloc(ALIGN, a->capacity);
    if (!a->block) {
        free(a);
        return tl_fail(err, TL_ENOMEM, "%s: %zu bytes wanted, the system has no such block free", name, bytes);
    }
    memset(a->block, 0, a->capacity);
    *out = a;
    return 0;
}

int tl_arena_measure(tl_arena **out, tl_err *err)
{
    return arena_new(out, err);
}

void tl_arena_free(tl_arena *a)
{
    if (!a) return;
    free(a->block);
    free(a);
}

void *tl_arena_take(tl_arena *a, size_t bytes)
{
    size_t size = tl_size_up(bytes, ALIGN);
    assert(size >= bytes);
    char *p = a->block ? a->block + a->used : NULL;
    a->used += size;
    assert(!a->block || a->used <= a->capacity);
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

size_t tl_arena_mark(const tl_arena *a)
{
    return a->used;
}

void tl_arena_rewind(tl_arena *a, size_t mark)
{
    assert(mark <= a->used);
    a->used = mark;
}

size_t tl_arena_peak(const tl_arena *a)
{
    return a->peak;
}
