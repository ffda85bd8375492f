/* measure.h - a row measured: turns of ours and of its peers. */
#ifndef TL_BENCH_MEASURE_H
#define TL_BENCH_MEASURE_H

#include "bench/verdict.h"

int tl_bench_measure(tl_bench_verdict *out, const tl_bench_row *row, const tl_bench_options *o, tl_err *err);

#endif
