/* arena.h - one block of memory, taken whole and handed out in order.
 *
 *     TL_TRY(tl_arena_create(&a, bytes_planned, "activations", err));
 *     float *x = tl_arena_floats(a, (size_t)N * D);
 *     size_t mark = tl_arena_mark(a);  ...  tl_arena_rewind(a, mark);
 *     tl_arena_free(a);
 *
 * The size is known before the block is taken (the plan is the allocation), so
 * running out later is a mistake of ours and an assert.  A measuring arena
 * (tl_arena_measure) has no block: the code that lays tensors out runs on it
 * first and leaves the exact size behind.  One thread at a time. */
#ifndef TL_BASE_ARENA_H
#define TL_BASE_ARENA_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_arena tl_arena;

/* A block of bytes, zeroed, aligned to 64; name is used in the error. */
int tl_arena_create(tl_arena **out, size_t bytes, const char *name, tl_err *err);

/* An arena without a block: every request returns NULL and is counted. */
int tl_arena_measure(tl_arena **out, tl_err *err);

void tl_arena_free(tl_arena *a);

/* bytes from the block, aligned to 64; zeroed on first use only. */
void *tl_arena_take(tl_arena *a, size_t bytes);

static inline float *tl_arena_floats(tl_arena *a, size_t n)
{
    return tl_arena_take(a, n * sizeof(float));
}

static inline int *tl_arena_ints(tl_arena *a, size_t n)
{
    return tl_arena_take(a, n * sizeof(int));
}

size_t tl_arena_mark(const tl_arena *a);
void tl_arena_rewind(tl_arena *a, size_t mark);

/* The most bytes ever in use at once, measured or real. */
size_t tl_arena_peak(const tl_arena *a);

#endif
