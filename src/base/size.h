/* size.h - arithmetic on sizes that come from files, flags and requests.
 *
 * One place where multiplication may overflow: everything that turns a number
 * from outside into a count of bytes goes through here. */
#ifndef TL_BASE_SIZE_H
#define TL_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* *out = a * b, or false (and *out untouched) where it does not fit. */
static inline bool tl_size_mul(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

/* *out = a + b, or false (and *out untouched) where it does not fit. */
static inline bool tl_size_add(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

/* n rounded up to a multiple of to, a power of two. */
static inline size_t tl_size_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

#endif
