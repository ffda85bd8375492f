/* failing_malloc.h - for tests: let the k-th allocation fail, and count what is never freed.
 *
 *     for (long k = 0;; k++) {
 *         failing_malloc_begin(k);
 *         rc = ...the call under test, and the free of its result...;
 *         if (failing_malloc_end() > 0) fail_msg("leak");
 *         if (!failing_malloc_hit) break;              k was past the last one: the call succeeded
 *         CHECK(rc < 0);
 *     }
 *
 * The program's own malloc takes the place of the C library's, for the libraries it links too; this thread's
 * allocations between begin and end are counted.  Under a sanitizer, which has its own, the header defines
 * FAILING_MALLOC 0 and such a test is skipped. */
#ifndef TL_TESTS_FAILING_MALLOC_H
#define TL_TESTS_FAILING_MALLOC_H

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

static inline bool failing_malloc_now(void)
{
    if (!failing_malloc_on || failing_malloc_left < 0) return false;
    if (failing_malloc_left-- > 0) return false;
    failing_malloc_hit = true;
    return true;
}

void *malloc(size_t size)
{
    if (failing_malloc_now()) return NULL;
    void *p = __libc_malloc(size);
    if (failing_malloc_on && p) failing_malloc_live++;
    return p;
}

void *calloc(size_t n, size_t size)
{
    if (failing_malloc_now()) return NULL;
    void *p = __libc_calloc(n, size);
    if (failing_malloc_on && p) failing_malloc_live++;
    return p;
}

void *realloc(void *old, size_t size)
{
    if (failing_malloc_now()) return NULL;
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

#endif
