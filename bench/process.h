/* process.h - other programs: what they print, what memory they took, and that none outlives the bench.
 *
 *     TL_TRY(tl_process_start(&p, argv, err));
 *     rc = tl_process_read(&p, &answer, err);                     a line of JSON it prints by itself
 *     if (rc == 0) rc = tl_process_ask(&p, &answer, err);         one line in, one line of JSON out
 *     tl_process_end(&p);
 *
 * A program started here gets a signal when the bench ends, however that happens.  Reading stops with TL_EINTERRUPTED
 * when the user wants so (interrupt.h). */
#ifndef TL_BENCH_PROCESS_H
#define TL_BENCH_PROCESS_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct tl_process {
    const char *name; /* borrowed: argv[0], for messages */
    pid_t pid;        /* 0: none */
    FILE *in, *out;   /* owned: its standard input and output */
} tl_process;

/* quiet: its standard error is thrown away. */
int tl_process_start(tl_process *p, const char *const argv[], bool quiet, tl_err *err);

/* The next line it prints, an object; the caller's to decref. */
int tl_process_read(tl_process *p, json_t **out, tl_err *err);
int tl_process_ask(tl_process *p, json_t **out, tl_err *err);

/* Its input ends, so it should; after ten seconds it is ended.  One that was never started is fine. */
void tl_process_end(tl_process *p);

/* Run argv to its end: what it prints (at most out's limit) and what it held at most; out and peak_gb may be NULL. */
int tl_process_run(tl_buf *out, double *peak_gb, const char *const argv[], bool quiet, tl_err *err);

#endif
