/* failing_malloc.h - for tests: let the k-th allocation fail, for each k, and count what is never freed.
 *
 *     static int call(const char *path, tl_err *err)   the call under test, and the free of its result
 *     each_failure(call, path, 1, true);
 *
 * The program's own malloc takes the place of the C library's, for the libraries it links too; this thread's
 * allocations between begin and end are counted.  Under a sanitizer, which has its own, the header defines
 * FAILING_MALLOC 0 and such a test is skipped.
 *
 * With FAILING_MALLOC_OWN defined, only allocations that the program itself asks for fail, and none of those inside the
 * libraries it calls: for a library that has leaks of its own where memory is short. */
#ifndef TL_TESTS_FAILING_MALLOC_H
#define TL_TESTS_FAILING_MALLOC_H

#include "tests/check.h"

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FAILING_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FAILING_MALLOC 0
#endif
#endif
#ifndef FAILING_MALLOC
#define FAILING_MALLOC 1
#endif

static _Thread_local long failing_malloc_left = -1; /* allocations until one fails; -1: none does */
static _Thread_local long failing_malloc_live;      /* allocated and not freed since begin */
static _Thread_local bool failing_malloc_on;
static _Thread_local bool failing_malloc_hit; /* one has failed since begin */

#if FAILING_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

extern const char __executable_start, etext; /* the linker's: where the program's own code lies */

static inline bool failing_malloc_now(const void *caller)
{
    if (!failing_malloc_on || failing_malloc_left < 0) return false;
#ifdef FAILING_MALLOC_OWN
    if ((const char *)caller < &__executable_start || (const char *)caller >= &etext) return false;
#else
    (void)caller;
#endif
    if (failing_malloc_left-- > 0) return false;
    failing_malloc_hit = true;
    return true;
}

void *malloc(size_t size)
{
    if (failing_malloc_now(__builtin_return_address(0))) return NULL;
    void *p = __libc_malloc(size);
    if (failing_malloc_on && p) failing_malloc_live++;
    return p;
}

void *calloc(size_t n, size_t size)
{
    if (failing_malloc_now(__builtin_return_address(0))) return NULL;
    void *p = __libc_calloc(n, size);
    if (failing_malloc_on && p) failing_malloc_live++;
    return p;
}

void *realloc(void *old, size_t size)
{
    if (failing_malloc_now(__builtin_return_address(0))) return NULL;
    void *p = __libc_realloc(old, size);
    if (failing_malloc_on && p && !old) failing_malloc_live++;
    return p;
}

void free(void *p)
{
    if (failing_malloc_on && p) failing_malloc_live--;
    __libc_free(p);
}
#endif

static inline void failing_malloc_begin(long k)
{
    failing_malloc_left = k;
    failing_malloc_live = 0;
    failing_malloc_hit = false;
    failing_malloc_on = true;
}

/* How many blocks are left over. */
static inline long failing_malloc_end(void)
{
    failing_malloc_on = false;
    failing_malloc_left = -1;
    return failing_malloc_live;
}

/* Run call with the k-th allocation failing, for every step-th k that there is: it says so and leaks nothing.  needed
 * false: it may also do without, some allocations are for speed. */
static inline void each_failure(int (*call)(const char *path, tl_err *err), const char *path, long step, bool needed)
{
    if (!FAILING_MALLOC) SKIP("the sanitizer has the allocator");
    tl_err warm = { 0 };
    CHECK_OK(call(path, &warm), warm); /* what libraries keep is taken now */
    for (long k = 0; k < 1000000; k += step) {
        tl_err err = { 0 };
        failing_malloc_begin(k);
        int rc = call(path, &err);
        long left = failing_malloc_end();
        bool hit = failing_malloc_hit;
        if (left > 0) fail_msg("allocation %ld fails: %ld blocks are never freed", k, left);
        if (!hit) {
            CHECK_OK(rc, err);
            CHECK(k > 3 * step); /* some did fail */
            return;
        }
        if (rc == 0 && needed) fail_msg("allocation %ld fails and nothing is said", k);
        CHECK(rc == 0 || err.text[0]);
    }
    fail_msg("the allocations do not end");
}

#endif
