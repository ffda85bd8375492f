/* hub_cache.c - folders, locks, links and pointers. */
#include "io/hub_cache.h"

#include "base/interrupt.h"
#include "base/log.h"
#include "io/atomic.h"
#include "io/hub.h"
#include "io/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int tl_hub_cache_open(tl_hub_cache *out, const char *root, const char *repo, tl_err *err)
{
    char name[300], locks[PATH_MAX];
    TL_TRY(tl_hub_repo_check(repo, err));
    const char *slash = strchr(repo, '/');
    int org = slash ? (int)(slash - repo) : 0;
    snprintf(name, sizeof name, "models--%.*s%s%s", org, repo, slash ? "--" : "", slash ? slash + 1 : repo);
    TL_TRY(tl_path_join(out->repo, sizeof out->repo, root, name, err));
    TL_TRY(tl_path_join(locks, sizeof locks, root, ".locks", err));
    return tl_path_join(out->locks, sizeof out->locks, locks, name, err);
}

/* REPO/FOLDER/NAME */
static int path_in(char out[PATH_MAX], const tl_hub_cache *c, const char *folder, const char *name, tl_err *err)
{
    char path[PATH_MAX];
    TL_TRY(tl_path_join(path, sizeof path, c->repo, folder, err));
    return tl_path_join(out, PATH_MAX, path, name, err);
}

/* Make the folder that path is in. */
static int make_parent(const char *path, tl_err *err)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir) return 0;
    *slash = '\0';
    return tl_dir_make(dir, err);
}

int tl_hub_cache_blob(char out[PATH_MAX], const tl_hub_cache *c, const char *etag, bool make, tl_err *err)
{
    TL_TRY(path_in(out, c, "blobs", etag, err));
    return make ? make_parent(out, err) : 0;
}

int tl_hub_cache_snapshot(char out[PATH_MAX], const tl_hub_cache *c, const char *sha, tl_err *err)
{
    return path_in(out, c, "snapshots", sha, err);
}

bool tl_hub_cache_has(const tl_hub_cache *c, const char *sha, const char *name, char etag[65], size_t *size)
{
    char dir[PATH_MAX], path[PATH_MAX], target[PATH_MAX];
    struct stat st;
    *etag = '\0';
    if (tl_hub_cache_snapshot(dir, c, sha, NULL) < 0 || tl_path_join(path, sizeof path, dir, name, NULL) < 0 ||
        stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    *size = (size_t)st.st_size;
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0) return true;
    target[n] = '\0';
    const char *last = strrchr(target, '/');
    if (last && (tl_hub_hex(last + 1, 40) || tl_hub_hex(last + 1, 64))) snprintf(etag, 65, "%s", last + 1);
    return true;
}

int tl_hub_cache_lock(int *lock, const tl_hub_cache *c, const char *etag, tl_err *err)
{
    char name[80], path[PATH_MAX];
    bool said = false;
    snprintf(name, sizeof name, "%s.lock", etag);
    TL_TRY(tl_path_join(path, sizeof path, c->locks, name, err));
    TL_TRY(tl_dir_make(c->locks, err));
    for (;;) {
        struct stat mine, there;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
        if (fd < 0) return tl_fail(err, TL_EIO, "%s: cannot be made: %s", path, strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            /* Its holder may have removed the file before we had it: then the name is another's. */
            if (fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino) {
                *lock = fd;
                return 0;
            }
            close(fd);
            continue;
        }
        int why = errno;
        close(fd);
        if (why != EWOULDBLOCK && why != EINTR)
            return tl_fail(err, TL_EIO, "%s: cannot be locked: %s", path, strerror(why));
        if (!said) tl_log("pull: another program is downloading %s, waiting for it", etag);
        said = true;
        TL_TRY(tl_interrupt_check("pull", err));
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
}

void tl_hub_cache_unlock(int lock)
{
    if (lock >= 0) close(lock);
}

int tl_hub_cache_link(const tl_hub_cache *c, const char *sha, const char *name, const char *etag, tl_err *err)
{
    char dir[PATH_MAX], path[PATH_MAX], temporary[PATH_MAX], target[PATH_MAX], there[PATH_MAX];
    TL_TRY(tl_hub_cache_snapshot(dir, c, sha, err));
    TL_TRY(tl_path_join(path, sizeof path, dir, name, err));
    TL_TRY(make_parent(path, err));
    size_t n = (size_t)snprintf(target, sizeof target, "../../");
    for (const char *p = name; *p; p++)
        if (*p == '/' && n < sizeof target) n += (size_t)snprintf(target + n, sizeof target - n, "../");
    if (n + 80 > sizeof target) return tl_fail(err, TL_EDATA, "%s: lies too deep", name);
    snprintf(target + n, sizeof target - n, "blobs/%s", etag);
    ssize_t size = readlink(path, there, sizeof there - 1);
    if (size >= 0) {
        there[size] = '\0';
        if (strcmp(there, target) == 0) return 0;
    }
    TL_TRY(tl_temporary_name(temporary, sizeof temporary, path, err));
    if (symlink(target, temporary) < 0)
        return tl_fail(err, TL_EIO, "%s: cannot be made: %s", temporary, strerror(errno));
    if (rename(temporary, path) < 0) {
        int rc = tl_fail(err, TL_EIO, "%s: %s cannot be renamed to it: %s", path, temporary, strerror(errno));
        unlink(temporary);
        return rc;
    }
    return tl_flush_parent(path, err);
}

int tl_hub_cache_refer(const tl_hub_cache *c, const char *revision, const char *sha, tl_err *err)
{
    char path[PATH_MAX];
    if (strcmp(revision, sha) == 0) return 0;
    TL_TRY(path_in(path, c, "refs", revision, err));
    TL_TRY(make_parent(path, err));
    return tl_file_save(path, sha, strlen(sha), err);
}

int tl_hub_cache_find(char out[PATH_MAX], bool *found, const char *root, const char *repo, const char *revision,
                      tl_err *err)
{
    tl_hub_cache c;
    char path[PATH_MAX];
    struct stat st;
    *found = false;
    TL_TRY(tl_hub_cache_open(&c, root, repo, err));
    TL_TRY(tl_hub_revision_check(revision, err));
    TL_TRY(path_in(path, &c, "refs", revision, err));
    tl_buf sha = tl_buf_make(200);
    int rc = access(path, F_OK) == 0 ? tl_file_read(path, 200, &sha, err) : 0;
    while (sha.size && strchr(" \r\n", sha.data[sha.size - 1])) sha.data[--sha.size] = '\0';
    const char *commit = sha.size ? sha.data : revision;
    if (rc == 0 && tl_hub_hex(commit, 40)) {
        rc = tl_hub_cache_snapshot(out, &c, commit, err);
        *found = rc == 0 && stat(out, &st) == 0 && S_ISDIR(st.st_mode);
    }
    tl_buf_reset(&sha);
    return rc;
}
