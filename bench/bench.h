/* bench.h - one row of `make bench`: what is measured, against which ceiling, which peer and which target.
 *
 * A row runs in a child process of its own, so that its peak memory is its own and an interrupted run leaves nothing.
 * The child takes its measure several times, the ceiling before and after each - cores shared with other machines
 * change their speed by half within minutes - and prints the samples as one line of JSON; the parent takes medians,
 * turns of child and peer alternating. */
#ifndef TL_BENCH_BENCH_H
#define TL_BENCH_BENCH_H

#include "backend/backend.h"
#include "base/err.h"
#include "bench/shapes.h"

#include <stdbool.h>

enum {
    TL_BENCH_SAMPLES = 32
};

/* What a child has measured. */
typedef struct tl_bench_samples {
    double value[TL_BENCH_SAMPLES]; /* in the row's unit */
    double ratio[TL_BENCH_SAMPLES]; /* of the ceiling; 0: there is none */
    int n;
} tl_bench_samples;

typedef struct tl_bench_options {
    int threads;
    bool quick;                       /* a third of the repetitions */
    const char *cache;                /* folder of the random models */
    const char *llama_bench, *python; /* NULL: this peer is not there */
} tl_bench_options;

/* How a row's target is meant. */
typedef enum tl_bench_aim {
    TL_AIM_NONE,
    TL_AIM_CEILING, /* ceiling_ratio at least so much */
    TL_AIM_PEER,    /* peer_ratio at least so much */
    TL_AIM_LEAST,   /* value at least so much */
    TL_AIM_MOST     /* value at most so much */
} tl_bench_aim;

typedef struct tl_bench_row tl_bench_row;
typedef int tl_bench_run(const tl_bench_row *row, const tl_bench_options *o, tl_bench_samples *out, tl_err *err);

struct tl_bench_row {
    const char *name, *unit;
    tl_bench_run *run; /* NULL: the value is the child's peak memory in GB after `of` has run */
    tl_bench_aim aim;
    double target;
    tl_bench_aim aim2; /* a second one, or TL_AIM_NONE */
    double target2;
    const char *shape; /* a name of shapes.h; NULL for products */
    const char *kind;  /* of the work: "full", "lora", "low"; "bf16", "f32", "int8" for products; "prompt", "decode" */
    int rows, length;  /* sequences by tokens; M for products */
    const char *peer;  /* "torch" or "llama-bench"; NULL: none */
    bool memory;       /* the value is the child's peak memory, in GB */
};

/* All rows, name NULL at the end (rows.c): the one table of targets. */
extern const tl_bench_row tl_bench_rows[];

/* The runners. */
tl_bench_run tl_bench_product, tl_bench_train, tl_bench_lora_step, tl_bench_prompt, tl_bench_decode, tl_bench_start;

/* One number from a row's peer, in the row's unit; 0 where it is not there. */
int tl_bench_peer(double *value, const tl_bench_row *row, const tl_bench_options *o, tl_err *err);

/* Median, least and most of n numbers (n >= 1); sorts them. */
typedef struct tl_bench_spread {
    double median, low, high;
} tl_bench_spread;
tl_bench_spread tl_bench_spread_of(double *x, int n);

#endif
