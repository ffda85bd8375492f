/* output.c - temporary name, rename. */
#include "output.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 1 << 20,
    LIMIT = 1 << 26
};

int tl_output_open(tl_output *o, const char *path, tl_err *err)
{
    *o = (tl_output){ .path = path, .text = tl_buf_make(LIMIT) };
    if (!path) {
        o->file = stdout;
        return 0;
    }
    struct stat s;
    if (stat(path, &s) == 0 && !S_ISREG(s.st_mode))
        return tl_fail(err, TL_EUSAGE, "%s: is no regular file; leave --output out to write to standard output", path);
    int n = snprintf(o->temp, sizeof o->temp, "%s.part-%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof o->temp)
        return tl_fail(err, TL_EUSAGE, "%.80s...: a path of %zu bytes, at most %zu are possible", path, strlen(path),
                       sizeof o->temp - 20);
    o->file = fopen(o->temp, "wb");
    if (!o->file) return tl_fail(err, TL_EIO, "%s: cannot be created: %s", o->temp, strerror(errno));
    return 0;
}

int tl_output_flush(tl_output *o, bool now, tl_err *err)
{
    if (o->text.size == 0 || (!now && o->text.size < CHUNK)) return 0;
    if (fwrite(o->text.data, 1, o->text.size, o->file) != o->text.size)
        return tl_fail(err, TL_EIO, "%s: writing failed: %s", o->path ? o->path : "standard output", strerror(errno));
    o->written += o->text.size;
    tl_buf_clear(&o->text);
    return 0;
}

int tl_output_close(tl_output *o, bool keep, tl_err *err)
{
    int rc = 0;
    if (o->file && keep) {
        rc = tl_output_flush(o, true, err);
        if (rc == 0 && (fflush(o->file) != 0 || (o->path && fsync(fileno(o->file)) != 0)))
            rc = tl_fail(err, TL_EIO, "%s: writing failed: %s", o->path ? o->path : "standard output", strerror(errno));
    }
    if (o->file && o->path) {
        fclose(o->file);
        if (rc == 0 && keep && rename(o->temp, o->path) != 0)
            rc = tl_fail(err, TL_EIO, "%s: cannot be renamed to %s: %s", o->temp, o->path, strerror(errno));
        if (rc < 0 || !keep) unlink(o->temp);
    }
    o->file = NULL;
    tl_buf_reset(&o->text);
    return rc;
}
