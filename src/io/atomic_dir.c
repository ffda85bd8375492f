/* atomic_dir.c - directories that appear whole.
 *
 * A directory is built under a temporary name.  Where nothing stands at its place, a rename puts it there.  Where an
 * older one stands, the kernel exchanges the two names in one step (renameat2), so at no moment is the place empty,
 * and the older one is then removed under the temporary name.  A file system without the exchange gets two renames,
 * and the first is taken back should the second fail. */
#define _GNU_SOURCE /* renameat2 */
#include "io/atomic.h"

#include "io/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tl_dir {
    char path[PATH_MAX];
    char temporary[PATH_MAX];
};

/* Remove what is called name in the directory at, with all that is in it; links are removed, not followed. */
static void remove_tree(int at, const char *name)
{
    if (unlinkat(at, name, 0) == 0) return;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d) {
        for (const struct dirent *e = readdir(d); e; e = readdir(d))
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) remove_tree(dirfd(d), e->d_name);
        closedir(d);
    } else if (fd >= 0) {
        close(fd);
    }
    unlinkat(at, name, AT_REMOVEDIR);
}

/* Flush the files and directories under name to the disk. */
static int flush_tree(int at, const char *name, tl_err *err)
{
    int rc = 0;
    int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return tl_fail(err, TL_EIO, "%s: cannot be opened to flush it: %s", name, strerror(errno));
    struct stat st;
    DIR *d = NULL;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        int again = dup(fd);
        d = again < 0 ? NULL : fdopendir(again);
        if (!d) {
            rc = tl_fail(err, TL_EIO, "%s: cannot be listed: %s", name, strerror(errno));
            if (again >= 0) close(again);
            goto done;
        }
        for (const struct dirent *e = readdir(d); e && rc == 0; e = readdir(d))
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) rc = flush_tree(fd, e->d_name, err);
        if (rc < 0) goto done;
    }
    if (fsync(fd) < 0 && errno != EINVAL)
        rc = tl_fail(err, TL_EIO, "%s: cannot be flushed to the disk: %s", name, strerror(errno));
done:
    if (d) closedir(d);
    close(fd);
    return rc;
}

/* May what stands at path be replaced? */
static int check_replaceable(const char *path, const char *mark, tl_err *err)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        if (errno == ENOENT) return 0;
        return tl_fail(err, TL_EIO, "%s: cannot be looked at: %s", path, strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) return tl_fail(err, TL_EUSAGE, "%s: is there and no directory, it stays as it is", path);
    DIR *d = opendir(path);
    if (!d) return tl_fail(err, TL_EIO, "%s: cannot be listed: %s", path, strerror(errno));
    bool empty = true, marked = false;
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        empty = false;
        if (!strcmp(e->d_name, mark)) marked = true;
    }
    closedir(d);
    if (empty || marked) return 0;
    return tl_fail(err, TL_EUSAGE, "%s: holds files and no %s, so it is not ours to replace: name another directory",
                   path, mark);
}

int tl_dir_begin(tl_dir **out, const char *path, const char *mark, tl_err *err)
{
    int rc;
    tl_dir *d = calloc(1, sizeof *d);
    if (!d) return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    int wrote = snprintf(d->path, sizeof d->path, "%.*s", (int)n, path);
    if (wrote < 0 || (size_t)wrote >= sizeof d->path) {
        rc = tl_fail(err, TL_EUSAGE, "%s: a path of %zu bytes is too long", path, n);
        goto done;
    }
    char *slash = strrchr(d->path, '/');
    const char *last = slash ? slash + 1 : d->path;
    if (!*last || !strcmp(last, ".") || !strcmp(last, "..")) {
        rc = tl_fail(err, TL_EUSAGE, "%s: cannot be replaced as a whole, wanted a path that ends in a name", path);
        goto done;
    }
    if (slash && slash != d->path) {
        *slash = '\0';
        rc = tl_dir_make(d->path, err);
        *slash = '/';
        if (rc < 0) goto done;
    }
    rc = check_replaceable(d->path, mark, err);
    if (rc < 0) goto done;
    rc = tl_temporary_name(d->temporary, sizeof d->temporary, d->path, err);
    if (rc < 0) goto done;
    if (mkdir(d->temporary, 0777) < 0) {
        rc = tl_fail(err, TL_EIO, "%s: cannot be made: %s", d->temporary, strerror(errno));
        goto done;
    }
    *out = d;
    d = NULL;
done:
    free(d);
    return rc;
}

const char *tl_dir_path(const tl_dir *d)
{
    return d->temporary;
}

/* Exchange two names where the kernel can, otherwise step by step. */
static int swap_names(const tl_dir *d, tl_err *err)
{
    if (renameat2(AT_FDCWD, d->temporary, AT_FDCWD, d->path, RENAME_EXCHANGE) == 0) return 0;
    char old[PATH_MAX];
    TL_TRY(tl_temporary_name(old, sizeof old, d->path, err));
    if (rename(d->path, old) < 0)
        return tl_fail(err, TL_EIO, "%s: cannot be moved aside: %s", d->path, strerror(errno));
    if (rename(d->temporary, d->path) < 0) {
        int why = errno;
        if (rename(old, d->path) < 0)
            return tl_fail(err, TL_EIO, "%s: cannot be replaced: %s; what was there is now %s", d->path, strerror(why),
                           old);
        return tl_fail(err, TL_EIO, "%s: cannot be replaced: %s", d->path, strerror(why));
    }
    remove_tree(AT_FDCWD, old);
    return 0;
}

int tl_dir_commit(tl_dir *d, tl_err *err)
{
    int rc = flush_tree(AT_FDCWD, d->temporary, err);
    if (rc < 0) goto done;
    if (rename(d->temporary, d->path) < 0) { /* nothing or an empty directory was there: done */
        if (errno != ENOTEMPTY && errno != EEXIST) {
            rc = tl_fail(err, TL_EIO, "%s: %s cannot be renamed to it: %s", d->path, d->temporary, strerror(errno));
            goto done;
        }
        rc = swap_names(d, err);
        if (rc < 0) goto done;
    }
    rc = tl_flush_parent(d->path, err);
done:
    tl_dir_abort(d); /* removes what is left under the temporary name: the old content, or the new after a failure */
    return rc;
}

void tl_dir_abort(tl_dir *d)
{
    if (!d) return;
    remove_tree(AT_FDCWD, d->temporary);
    free(d);
}

int tl_dir_make(const char *path, tl_err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return tl_fail(err, TL_EUSAGE, "'%s': a directory's path has 1 to %zu bytes, this has %zu", path,
                       sizeof part - 1, n);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) == 0 || errno == EEXIST) continue;
        return tl_fail(err, TL_EIO, "%s: cannot be made: %s", part, strerror(errno));
    }
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) return tl_fail(err, TL_EIO, "%s: is there and no directory", path);
    return 0;
}
