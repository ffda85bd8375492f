/* lines.h - a text file line by line, none longer than a bound: what a stranger's file can cost is known beforehand.
 *
 *     tl_lines *l = NULL;
 *     const char *line;
 *     TL_TRY(tl_lines_open(&l, path, err));
 *     while ((rc = tl_lines_next(l, &line, &size, err)) == 0 && line)
 *         ... line[0 .. size - 1], until the next call; tl_lines_number(l) is its number, from 1 ...
 *     tl_lines_close(l);
 */
#ifndef TL_IO_LINES_H
#define TL_IO_LINES_H

#include "base/err.h"

#include <stddef.h>

#define TL_LINE_LIMIT ((size_t)16 << 20) /* bytes of a line */

typedef struct tl_lines tl_lines;

int tl_lines_open(tl_lines **out, const char *path, tl_err *err);
void tl_lines_close(tl_lines *l); /* accepts NULL */

/* The next line without its newline, a NUL behind it; *line is NULL at the end.  The last line needs no newline.  A
 * line of more than TL_LINE_LIMIT bytes is an error with file and line, and is not read further. */
int tl_lines_next(tl_lines *l, const char **line, size_t *size, tl_err *err);
long tl_lines_number(const tl_lines *l); /* of the line read last; 0 before the first */

/* The place of the next line, to go on from there later; its number is counted anew. */
long tl_lines_tell(const tl_lines *l);
int tl_lines_seek(tl_lines *l, long place, tl_err *err);

#endif
