/* spread.h - the middle and the ends of a few numbers. */
#ifndef TL_BENCH_SPREAD_H
#define TL_BENCH_SPREAD_H

typedef struct tl_spread {
    double median, low, high;
} tl_spread;

/* Of n >= 1 numbers; sorts them. */
tl_spread tl_spread_of(double *x, int n);

#endif
