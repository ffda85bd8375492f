/* spread.c - by sorting. */
#include "bench/spread.h"

#include <assert.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

tl_spread tl_spread_of(double *x, int n)
{
    assert(n > 0);
    qsort(x, (size_t)n, sizeof *x, compare);
    return (tl_spread){ n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2, x[0], x[n - 1] };
}
