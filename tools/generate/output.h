/* output.h - a file that is there whole or not at all.
 *
 *     TL_TRY(tl_output_open(&o, path, err));        path NULL: standard output
 *     ... fill o.text, tl_output_flush(&o, err) now and then ...
 *     rc = tl_output_close(&o, rc == 0, err);       renamed into place, or removed
 */
#ifndef TL_GENERATE_OUTPUT_H
#define TL_GENERATE_OUTPUT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct tl_output {
    FILE *file;       /* owned, unless it is standard output */
    const char *path; /* borrowed; NULL for standard output */
    char temp[1024];  /* the name until it is whole */
    tl_buf text;      /* what is not yet written */
    size_t written;
} tl_output;

int tl_output_open(tl_output *o, const char *path, tl_err *err);

/* Write text out once it is large, or at once where now is true. */
int tl_output_flush(tl_output *o, bool now, tl_err *err);

/* keep: flush, rename into place; otherwise remove what was written. Frees everything. */
int tl_output_close(tl_output *o, bool keep, tl_err *err);

#endif
