/* lines.c - pieces of a line into a buffer that was born with the bound. */
#include "io/lines.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tl_lines {
    char *path;  /* owned */
    FILE *file;  /* owned */
    tl_buf line; /* the one read last */
    long number;
};

int tl_lines_open(tl_lines **out, const char *path, tl_err *err)
{
    tl_lines *l = calloc(1, sizeof *l);
    if (!l || !(l->path = strdup(path))) {
        free(l);
        return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", path);
    }
    l->line = tl_buf_make(TL_LINE_LIMIT);
    l->file = fopen(path, "r");
    if (!l->file) {
        int rc = tl_fail(err, TL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
        tl_lines_close(l);
        return rc;
    }
    *out = l;
    return 0;
}

void tl_lines_close(tl_lines *l)
{
    if (!l) return;
    if (l->file) fclose(l->file);
    tl_buf_reset(&l->line);
    free(l->path);
    free(l);
}

int tl_lines_next(tl_lines *l, const char **line, size_t *size, tl_err *err)
{
    char piece[4096];
    int c = 0;
    *line = NULL;
    tl_buf_clear(&l->line);
    errno = 0;
    while (c != EOF && c != '\n') {
        size_t n = 0;
        while (n < sizeof piece && (c = getc_unlocked(l->file)) != EOF && c != '\n') piece[n++] = (char)c;
        if (l->line.size + n > TL_LINE_LIMIT)
            return tl_fail(err, TL_EDATA, "%s:%ld: the line has more than %zu bytes, the most that are read", l->path,
                           l->number + 1, TL_LINE_LIMIT);
        if (tl_buf_append(&l->line, piece, n, err) < 0) return tl_fail_in(err, "%s:%ld", l->path, l->number + 1);
    }
    if (ferror(l->file)) return tl_fail(err, TL_EIO, "%s: cannot be read: %s", l->path, strerror(errno));
    if (c == EOF && l->line.size == 0) return 0;
    l->number++;
    *line = l->line.data;
    *size = l->line.size;
    return 0;
}

long tl_lines_number(const tl_lines *l)
{
    return l->number;
}

long tl_lines_tell(const tl_lines *l)
{
    return ftell(l->file);
}

int tl_lines_seek(tl_lines *l, long place, tl_err *err)
{
    /* Read up to it, so that messages go on with the right line. */
    char block[1 << 14];
    long left = place, lines = 0;
    rewind(l->file);
    while (left > 0) {
        size_t n = fread(block, 1, left < (long)sizeof block ? (size_t)left : sizeof block, l->file);
        if (n == 0) break;
        for (size_t i = 0; i < n; i++) lines += block[i] == '\n';
        left -= (long)n;
    }
    if (left != 0) return tl_fail(err, TL_EIO, "%s: cannot go on from byte %ld, it ends before", l->path, place);
    l->number = lines;
    return 0;
}
