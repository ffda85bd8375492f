/* verdict.h - a row's samples against its targets, as a line of the table and as JSON. */
#ifndef TL_BENCH_VERDICT_H
#define TL_BENCH_VERDICT_H

#include "bench/bench.h"

#include <jansson.h>

typedef struct tl_bench_verdict {
    const tl_bench_row *row;
    tl_bench_spread value;
    tl_bench_spread ceiling; /* median 0: there is no ceiling */
    tl_bench_spread peer;    /* our value over the peer's, turn by turn; median 0: no peer was there */
    double peer_value;       /* median */
    double peak_gb;
} tl_bench_verdict;

typedef enum tl_bench_met {
    TL_MET_NO,
    TL_MET_YES,
    TL_MET_UNKNOWN /* there is no target, or it speaks of a peer that was not there */
} tl_bench_met;

tl_bench_met tl_bench_judge(const tl_bench_verdict *v);

/* "ceiling >= 0.87, peer >= 2" or "" into out. */
const char *tl_bench_target(char *out, size_t size, const tl_bench_row *row);

void tl_bench_print_head(void);
void tl_bench_print(const tl_bench_verdict *v);

/* One of rows[]; the caller's to decref; NULL: no memory. */
json_t *tl_bench_json(const tl_bench_verdict *v);

#endif
