/* atomic.c - temporary names, flushes and renames of files; directories are in atomic_dir.c.
 *
 * The order is what makes it safe: bytes, flush, rename, flush of the directory.  A rename before the flush could
 * survive a crash that the bytes do not. */
#include "io/atomic.h"

#include "io/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tl_save {
    int fd;
    size_t size; /* written */
    char path[PATH_MAX];
    char temporary[PATH_MAX];
};

int tl_temporary_name(char *out, size_t size, const char *path, tl_err *err)
{
    static atomic_uint count; /* two saves of one path from two threads get two names */
    const char *slash = strrchr(path, '/');
    int dir = slash ? (int)(slash + 1 - path) : 0;
    int n =
        snprintf(out, size, "%.*s.%s.tmp-%ld-%u", dir, path, path + dir, (long)getpid(), atomic_fetch_add(&count, 1));
    if (n < 0 || (size_t)n >= size)
        return tl_fail(err, TL_EIO, "%s: a path of %zu bytes is too long, at most %zu fit", path, strlen(path), size);
    return 0;
}

int tl_flush_parent(const char *path, tl_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(dir, sizeof dir, ".");
    else
        snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return tl_fail(err, TL_EIO, "%s: cannot be opened: %s", dir, strerror(errno));
    int rc = fsync(fd);
    /* EINVAL: a file system that has no such flush, and needs none. */
    if (rc < 0 && errno != EINVAL)
        rc = tl_fail(err, TL_EIO, "%s: cannot be flushed to the disk: %s", dir, strerror(errno));
    else
        rc = 0;
    close(fd);
    return rc;
}

int tl_save_begin(tl_save **out, const char *path, tl_err *err)
{
    int rc;
    tl_save *s = calloc(1, sizeof *s);
    if (!s) return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    s->fd = -1;
    rc = tl_temporary_name(s->temporary, sizeof s->temporary, path, err);
    if (rc < 0) goto done;
    snprintf(s->path, sizeof s->path, "%s", path); /* fits: the temporary name is longer */
    s->fd = open(s->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (s->fd < 0) {
        rc = tl_fail(err, TL_EIO, "%s: cannot be written, making %s failed: %s", path, s->temporary, strerror(errno));
        goto done;
    }
    *out = s;
    s = NULL;
done:
    free(s);
    return rc;
}

int tl_save_write(tl_save *s, const void *bytes, size_t size, tl_err *err)
{
    const char *p = bytes;
    size_t left = size;
    while (left > 0) {
        ssize_t n = write(s->fd, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return tl_fail(err, TL_EIO, "%s: writing %zu bytes failed with %zu left: %s", s->path, size, left,
                           n < 0 ? strerror(errno) : "nothing was taken");
        p += n;
        left -= (size_t)n;
        s->size += (size_t)n;
    }
    return 0;
}

size_t tl_save_size(const tl_save *s)
{
    return s->size;
}

const char *tl_save_path(const tl_save *s)
{
    return s->path;
}

int tl_save_commit(tl_save *s, tl_err *err)
{
    int rc = 0;
    if (fsync(s->fd) < 0) {
        rc = tl_fail(err, TL_EIO, "%s: cannot be flushed to the disk: %s", s->path, strerror(errno));
        goto done;
    }
    int fd = s->fd;
    s->fd = -1;
    if (close(fd) < 0) {
        rc = tl_fail(err, TL_EIO, "%s: closing it failed: %s", s->path, strerror(errno));
        goto done;
    }
    if (rename(s->temporary, s->path) < 0) {
        rc = tl_fail(err, TL_EIO, "%s: %s cannot be renamed to it: %s", s->path, s->temporary, strerror(errno));
        goto done;
    }
    s->temporary[0] = '\0'; /* there is nothing to remove any more */
    rc = tl_flush_parent(s->path, err);
done:
    tl_save_abort(s);
    return rc;
}

void tl_save_abort(tl_save *s)
{
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    if (s->temporary[0]) unlink(s->temporary);
    free(s);
}

int tl_file_save(const char *path, const void *bytes, size_t size, tl_err *err)
{
    tl_save *s = NULL;
    TL_TRY(tl_save_begin(&s, path, err));
    int rc = tl_save_write(s, bytes, size, err);
    if (rc < 0) {
        tl_save_abort(s);
        return rc;
    }
    return tl_save_commit(s, err);
}

int tl_file_remove(const char *path, tl_err *err)
{
    if (unlink(path) == 0) return tl_flush_parent(path, err);
    return errno == ENOENT ? 0 : tl_fail(err, TL_EIO, "%s: cannot be removed: %s", path, strerror(errno));
}

int tl_file_read(const char *path, size_t limit, tl_buf *b, tl_err *err)
{
    int rc = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tl_fail(err, TL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    char chunk[1 << 14];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            rc = tl_fail(err, TL_EIO, "%s: reading it failed: %s", path, strerror(errno));
            break;
        }
        if (n == 0) break;
        total += (size_t)n;
        if (total > limit) {
            rc = tl_fail(err, TL_EDATA, "%s: is longer than %zu bytes, the most that is read of it", path, limit);
            break;
        }
        rc = tl_buf_append(b, chunk, (size_t)n, err);
        if (rc < 0) {
            rc = tl_fail_in(err, "%s", path);
            break;
        }
    }
    if (rc == 0) rc = tl_buf_append(b, "", 0, err); /* an empty file gives an empty string, not NULL */
    close(fd);
    return rc;
}

int tl_path_join(char *out, size_t size, const char *dir, const char *name, tl_err *err)
{
    size_t n = strlen(dir);
    const char *between = n > 0 && dir[n - 1] != '/' ? "/" : "";
    int wrote = snprintf(out, size, "%s%s%s", dir, between, name);
    if (wrote < 0 || (size_t)wrote >= size)
        return tl_fail(err, TL_EUSAGE, "%s/%s: a path of %d bytes is too long, at most %zu fit", dir, name, wrote,
                       size - 1);
    return 0;
}
