/* arena.c - bump allocation over one aligned block. */
#include "base/arena.h"

#include "base/size.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    ALIGN = 64, /* a cache line, and the widest vector */
    HUGE =
        2 << 20, /* a huge page: matrices whose rows lie a page apart would have the CPU look up every row's address */
    LARGE = 4 * HUGE /* from here on an arena asks for huge pages */
};

struct tl_arena {
    void *memory;    /* owned: what the system gave, block lies in it */
    char *block;     /* NULL for a measuring arena */
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
    const size_t align = a->capacity < LARGE ? ALIGN : HUGE;
    size_t all;
    /* calloc, for a large block, is fresh pages of the system's: zero without being touched. */
    if (a->capacity >= bytes && tl_size_add(&all, a->capacity, align)) a->memory = calloc(1, all);
    if (!a->memory) {
        free(a);
        return tl_fail(err, TL_ENOMEM, "%s: %zu bytes wanted, the system has no such block free", name, bytes);
    }
    a->block = (char *)a->memory + (align - (uintptr_t)a->memory % align);
    if (align == HUGE)
        madvise(a->block, a->capacity / HUGE * HUGE, MADV_HUGEPAGE); /* a wish: without it, it works too */
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
    free(a->memory);
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
