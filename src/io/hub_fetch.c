/* hub_fetch.c - a window of parts moves over the file; its first part is written as it comes, the others in memory. */
#include "io/hub_fetch.h"

#include "io/temporary.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t PART = (size_t)16 << 20;

typedef struct fetch fetch;

typedef struct part {
    tl_http_request r;
    char *url;   /* owned: that r asks */
    char *bytes; /* owned: what came before it was this part's turn; NULL: nothing yet */
    size_t first, count, got;
    bool done;
    fetch *f;
} part;

struct fetch {
    const tl_hub_fetch *want;
    char path[PATH_MAX]; /* of what is not whole */
    int fd;
    size_t written; /* bytes of the file */
    size_t next;    /* where the part after the last begins */
    part parts[TL_HUB_CONNECTIONS_MAX];
    int head, n;     /* a ring: the part that is written now, and how many there are */
    char *direct;    /* owned: where the address of the file led, for the parts after the first; NULL */
    bool answered;   /* bytes came, so what there is to know about the server is known */
    bool whole_only; /* the server knows no ranges: one request to the end */
};

static void moved(const fetch *f, long bytes)
{
    if (f->want->moved && bytes) f->want->moved(f->want->owner, bytes);
}

/* The bytes behind those that are written. */
static int append(fetch *f, const char *bytes, size_t n, tl_err *err)
{
    while (n > 0) {
        ssize_t wrote = pwrite(f->fd, bytes, n, (off_t)f->written);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0)
            return tl_fail(err, TL_EIO, "%s: writing it failed after %zu of %zu bytes: %s", f->path, f->written,
                           f->want->size, wrote < 0 ? strerror(errno) : "nothing was taken");
        f->written += (size_t)wrote;
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

static int take(void *owner, size_t at, const void *bytes, size_t n, tl_err *err)
{
    part *p = owner;
    fetch *f = p->f;
    assert(at == p->first + p->got && n <= p->count - p->got);
    f->answered = true;
    /* Signed addresses that a hub redirects to are good for some time: the other parts spare it their questions. */
    if (!f->direct && strcmp(p->r.answer.url, f->want->url) != 0) f->direct = strdup(p->r.answer.url);
    if (p == &f->parts[f->head]) {
        TL_TRY(append(f, bytes, n, err));
    } else {
        if (!p->bytes) p->bytes = malloc(p->count);
        if (!p->bytes) return tl_fail(err, TL_ENOMEM, "no memory for a part of %zu bytes", p->count);
        memcpy(p->bytes + p->got, bytes, n);
    }
    p->got += n;
    moved(f, (long)n);
    return 0;
}

/* Ask for what of a part is missing. */
static int start(fetch *f, part *p, tl_err *err)
{
    const char *url = f->direct ? f->direct : f->want->url;
    free(p->url);
    p->url = strdup(url);
    if (!p->url) return tl_fail(err, TL_ENOMEM, "no memory for an address");
    p->r = (tl_http_request){ .url = p->url,
                              .first = p->first + p->got,
                              .count = p->count - p->got,
                              .total = f->want->size,
                              .take = take,
                              .owner = p };
    return tl_http_start(f->want->http, &p->r, err);
}

static void drop(part *p)
{
    if (p->url && !p->done) tl_http_stop(p->f->want->http, &p->r);
    free(p->url);
    free(p->bytes);
    *p = (part){ 0 };
}

static void drop_all(fetch *f)
{
    for (; f->n; f->n--, f->head = (f->head + 1) % TL_HUB_CONNECTIONS_MAX) {
        part *p = &f->parts[f->head];
        if (p->bytes) moved(f, -(long)p->got); /* they were never written */
        drop(p);
    }
    f->next = f->written;
}

/* As many parts as there may be at once: one, until it is known that ranges are understood. */
static int fill(fetch *f, tl_err *err)
{
    const tl_hub_fetch *w = f->want;
    int most = f->whole_only || !f->answered ? 1 : w->connections;
    while (f->n < most && f->next < w->size) {
        part *p = &f->parts[(f->head + f->n) % TL_HUB_CONNECTIONS_MAX];
        size_t left = w->size - f->next, size = w->part ? w->part : PART;
        *p = (part){ .f = f, .first = f->next };
        p->count = f->whole_only || w->connections == 1 || left < size ? left : size;
        f->n++;
        f->next += p->count;
        TL_TRY(start(f, p, err));
    }
    return 0;
}

/* A part that is done makes way for the next, which brings what it has. */
static int advance(fetch *f, tl_err *err)
{
    while (f->n && f->parts[f->head].done) {
        drop(&f->parts[f->head]);
        f->head = (f->head + 1) % TL_HUB_CONNECTIONS_MAX;
        f->n--;
        part *p = &f->parts[f->head];
        if (f->n && p->bytes) {
            TL_TRY(append(f, p->bytes, p->got, err));
            free(p->bytes);
            p->bytes = NULL;
        }
    }
    return 0;
}

/* A request ended without its bytes.  There may be another way to them. */
static int recover(fetch *f, part *p, tl_err *err)
{
    int status = p->r.answer.status;
    if (p->r.answer.no_ranges && !f->whole_only) {
        drop_all(f);
        f->whole_only = true;
        return 0;
    }
    if (strcmp(p->url, f->want->url) != 0 && status >= 400 && status < 500) {
        free(f->direct); /* the signature has run out: ask the hub for another */
        f->direct = NULL;
        return start(f, p, err);
    }
    *err = p->r.err;
    return p->r.rc;
}

static int download(fetch *f, bool *changed, tl_err *err)
{
    int rc = 0;
    f->next = f->written;
    f->answered = f->whole_only = false;
    while (rc == 0 && f->written < f->want->size) {
        tl_http_request *done = NULL;
        rc = fill(f, err);
        if (rc == 0) rc = tl_http_step(f->want->http, &done, err);
        if (rc < 0 || !done) continue;
        part *p = done->owner;
        if (done->rc == 0) {
            p->done = true;
            rc = advance(f, err);
        } else {
            *changed = done->answer.changed;
            rc = recover(f, p, err);
        }
    }
    drop_all(f);
    return rc;
}

static int open_begun(fetch *f, tl_err *err)
{
    struct stat st;
    f->fd = open(f->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        return tl_fail(err, TL_EIO, "%s: cannot be written: %s", f->path, strerror(errno));
    f->written = tl_hub_fetch_begun(f->want->path, f->want->size);
    if (f->written != (size_t)st.st_size && ftruncate(f->fd, 0) < 0)
        return tl_fail(err, TL_EIO, "%s: cannot be written: %s", f->path, strerror(errno));
    return 0;
}

static int start_over(fetch *f, tl_err *err)
{
    if (ftruncate(f->fd, 0) < 0) return tl_fail(err, TL_EIO, "%s: cannot be emptied: %s", f->path, strerror(errno));
    moved(f, -(long)f->written);
    f->written = 0;
    return 0;
}

/* All of it is there: is it the right one, and is it on the disk? */
static int check(fetch *f, bool *good, tl_err *err)
{
    if (fsync(f->fd) < 0)
        return tl_fail(err, TL_EIO, "%s: cannot be flushed to the disk: %s", f->path, strerror(errno));
    return tl_hub_verify(good, f->path, f->want->etag, err);
}

static int wrong(const fetch *f, tl_err *err)
{
    const tl_hub_fetch *w = f->want;
    unlink(f->path);
    return tl_fail(err, TL_EDATA, "the bytes that came are not those promised: their %s is not %s",
                   strlen(w->etag) == 40 ? "git sha1" : "sha256", w->etag);
}

static int put_in_place(fetch *f, tl_err *err)
{
    if (rename(f->path, f->want->path) < 0)
        return tl_fail(err, TL_EIO, "%s: cannot be renamed to %s: %s", f->path, f->want->path, strerror(errno));
    return tl_flush_parent(f->want->path, err);
}

size_t tl_hub_fetch_begun(const char *path, size_t size)
{
    char begun[PATH_MAX];
    struct stat st;
    int n = snprintf(begun, sizeof begun, "%s.incomplete", path);
    if (n < 0 || (size_t)n >= sizeof begun || lstat(begun, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
    return (size_t)st.st_size <= size ? (size_t)st.st_size : 0;
}

int tl_hub_fetch_file(const tl_hub_fetch *want, tl_err *err)
{
    assert(want->connections >= 1 && want->connections <= TL_HUB_CONNECTIONS_MAX);
    fetch f = { .want = want, .fd = -1 };
    int n = snprintf(f.path, sizeof f.path, "%s.incomplete", want->path);
    if (n < 0 || (size_t)n >= sizeof f.path) return tl_fail(err, TL_EUSAGE, "%s: is too long a path", want->path);
    int rc = open_begun(&f, err);
    bool good = false, earlier = f.written > 0, over = false; /* what is there from earlier may be to blame */
    while (rc == 0 && !good) {
        bool changed = false;
        rc = download(&f, &changed, err);
        if (rc == 0) rc = check(&f, &good, err);
        if (good || (rc < 0 && !changed)) break;
        if (over || (rc == 0 && !earlier)) {
            if (rc == 0) rc = wrong(&f, err);
            break;
        }
        over = true;
        rc = start_over(&f, err);
    }
    if (rc == 0) rc = put_in_place(&f, err);
    if (f.fd >= 0) close(f.fd);
    free(f.direct);
    return rc;
}
