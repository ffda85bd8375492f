/* log.h - what a person watching sees, on standard error; results go to standard output.
 *
 *     tl_log("base: %s, %zu parameters", path, n);
 *     tl_progress p = tl_progress_start("lora", total_steps);
 *     tl_progress_show(&p, step, "loss %.3f  %.0f tokens/s", loss, rate);
 *     tl_progress_end(&p);
 *
 * On a terminal the progress line is redrawn in place, cut to the width, at most ten times a second, with
 * the time left; elsewhere a plain line comes out every ten seconds and at the end. */
#ifndef TL_BASE_LOG_H
#define TL_BASE_LOG_H

#include <stdbool.h>

/* Nothing but errors from now on (--quiet). */
void tl_log_quiet(bool quiet);

void tl_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

typedef struct tl_progress {
    const char *name; /* borrowed from the caller */
    long total;
    double started;
    double shown;   /* when a line was last written */
    bool terminal;  /* standard error is one */
    bool pending;   /* something is on the terminal's line */
    char last[200]; /* the newest text, shown again at the end */
    long done;
} tl_progress;

tl_progress tl_progress_start(const char *name, long total);
void tl_progress_show(tl_progress *p, long done, const char *format, ...) __attribute__((format(printf, 3, 4)));
void tl_progress_end(tl_progress *p);

#endif
