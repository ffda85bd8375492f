/* verdict.h - a row's figures against its targets, as a line of the table and as JSON. */
#ifndef TL_BENCH_VERDICT_H
#define TL_BENCH_VERDICT_H

#include "bench/bench.h"
#include "bench/spread.h"

#include <jansson.h>

typedef struct tl_bench_part {
    char name[24];
    tl_spread value, ceiling; /* over the turns */
} tl_bench_part;

typedef struct tl_bench_verdict {
    const tl_bench_row *row;
    tl_bench_part part[TL_BENCH_PARTS]; /* products: the shapes; else one */
    int parts;
    tl_spread value;      /* median: that of the parts' */
    tl_spread ceiling;    /* median: that of the worst part; 0: there is no ceiling */
    const char *peer;     /* the best that was there; NULL: none */
    tl_spread peer_ratio; /* over the turns: how many times better we are */
    double peer_value, peer_peak_gb;
    double peak_gb;
} tl_bench_verdict;

typedef enum tl_bench_met {
    TL_MET_NO,
    TL_MET_YES,
    TL_MET_UNKNOWN /* there is no target, or it speaks of a peer that was not there */
} tl_bench_met;

tl_bench_met tl_bench_judge(const tl_bench_verdict *v);

/* By how much the row misses the target it misses most, as a share of the target; 0 where it misses none. */
double tl_bench_short(const tl_bench_verdict *v);

/* "ceiling >= 0.87, peer >= 2" or "" into out. */
const char *tl_bench_target(char *out, size_t size, const tl_bench_row *row);

void tl_bench_print_head(void);
void tl_bench_print(const tl_bench_verdict *v);

/* One of rows[]; the caller's to decref; NULL: no memory. */
json_t *tl_bench_json(const tl_bench_verdict *v);

#endif
