/* child.c - our side of a row: set up, say what that took, measure whenever asked. */
#include "bench/bench.h"

#include "base/clock.h"

#include <stdio.h>
#include <sys/resource.h>

/* Of this process, or of what it has run. */
static double peak_gb(void)
{
    struct rusage children = { .ru_maxrss = 0 };
    getrusage(RUSAGE_CHILDREN, &children);
    double own = (double)tl_peak_bytes(), theirs = (double)children.ru_maxrss * 1024;
    return (own > theirs ? own : theirs) / 1e9;
}

static int answer(const tl_bench_row *row, void *state, tl_err *err)
{
    tl_bench_turn t = { 0 };
    if (row->work->turn)
        TL_TRY(row->work->turn(state, &t, err));
    else
        t.part[t.n++].value = peak_gb();
    printf("{\"parts\": [");
    for (int i = 0; i < t.n; i++)
        printf("%s{\"name\": \"%s\", \"value\": %.17g, \"ratio\": %.17g}", i ? ", " : "",
               t.part[i].name ? t.part[i].name : "", t.part[i].value, t.part[i].ratio);
    puts("]}");
    return fflush(stdout) == 0 ? 0 : tl_fail(err, TL_EIO, "%s: nobody reads what was measured", row->name);
}

int tl_bench_child(const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    void *state = NULL;
    int rc = row->work->open(&state, row, o, err);
    if (rc == 0) {
        printf("{\"peak_gb\": %.6f}\n", peak_gb());
        fflush(stdout);
    }
    while (rc == 0 && getchar() == '\n') rc = answer(row, state, err);
    if (state) row->work->close(state);
    return rc;
}
