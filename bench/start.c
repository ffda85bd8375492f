/* start.c - the row of the program's start: from exec to the first token on its standard output, the whole process. */
#include "bench/bench.h"
#include "bench/process.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct starting {
    const char *program; /* borrowed */
    char dir[512], threads[16];
} starting;

static int start_once(const starting *t, double *seconds, tl_err *err)
{
    const char *const argv[] = { t->program, "generate",    "--model", t->dir,      "--tokens", "1,2,3", "--max-tokens",
                                 "1",        "--precision", "bf16",    "--threads", t->threads, NULL };
    const double before = tl_seconds();
    TL_TRY(tl_process_run(NULL, NULL, argv, false, err));
    *seconds = tl_seconds() - before;
    return 0;
}

static int start_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    starting *t = *state = calloc(1, sizeof *t);
    double seconds;
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for a path");
    t->program = o->program;
    snprintf(t->threads, sizeof t->threads, "%d", o->threads);
    TL_TRY(tl_shape_dir(t->dir, sizeof t->dir, row->shape, o->cache, err));
    return start_once(t, &seconds, err); /* the file comes into the page cache */
}

static int start_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    out->n = 1;
    return start_once(state, &out->part[0].value, err);
}

const tl_bench_work tl_bench_start = { start_open, start_turn, free };
