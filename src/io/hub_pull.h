/* hub_pull.h - a repository of a hub into the cache: the one function in tailor that opens connections.
 *
 *     tl_hub_options o = tl_hub_defaults();
 *     o.endpoint = tl_hub_endpoint(); o.cache = cache; o.token = token;
 *     tl_hub_pulled p = { 0 };
 *     rc = tl_hub_pull(&p, "org/name", &o, err);
 *     ... p.path is a base's folder ...
 *     tl_hub_pulled_reset(&p);
 *
 * The life of a pull: the listing of a revision names a commit, and from then on that commit is asked for, so a branch
 * that moves meanwhile is no matter; a HEAD for each chosen file gives its size and the hash of its content; what the
 * cache lacks is downloaded, file by file, each blob under its lock; then the snapshot's links are made, and the branch
 * points to it last.  Stopped anywhere before that, the same call goes on where this one was. */
#ifndef TL_IO_HUB_PULL_H
#define TL_IO_HUB_PULL_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct tl_hub_options {
    const char *endpoint, *cache;  /* a URL; a folder, which is made */
    const char *revision;          /* branch, tag or commit */
    const char *token;             /* for the endpoint alone; NULL: none */
    const char *include, *exclude; /* globs, see tl_hub_choose */
    bool dry_run;                  /* find out what is there and what would come */
    int connections;               /* at once, for a large file */
    int stall_seconds;             /* http.h */
    size_t part;                   /* bytes of a part; 0: hub_fetch.h's choice */
    double first_wait;             /* http.h */
} tl_hub_options;

tl_hub_options tl_hub_defaults(void);

typedef struct tl_hub_file {
    char *name; /* owned */
    size_t size;
    char etag[65];
    bool linked; /* in the snapshot already */
    bool there;  /* its blob is in the cache, from earlier or now */
} tl_hub_file;

typedef struct tl_hub_pulled {
    char sha[41];
    char path[PATH_MAX]; /* of the snapshot */
    tl_hub_file *files;  /* owned: those chosen, by name */
    int n;
    int pickles;    /* files that were left out for what they may be */
    size_t bytes;   /* of all chosen files */
    size_t missing; /* that were not there when it began */
    size_t came;    /* that were downloaded */
} tl_hub_pulled;

/* out is zeroed, and to be reset whatever comes back.  Progress goes to standard error where that is a terminal. */
int tl_hub_pull(tl_hub_pulled *out, const char *repo, const tl_hub_options *o, tl_err *err);
void tl_hub_pulled_reset(tl_hub_pulled *p);

/* "1.2 GB", as people count bytes; in out. */
const char *tl_hub_bytes(char out[32], size_t bytes);

#endif
