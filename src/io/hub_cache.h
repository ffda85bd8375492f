/* hub_cache.h - the cache of downloads, in the layout of the Python tools (huggingface_hub), which use it too.
 *
 *     ROOT/models--ORG--NAME/blobs/ETAG                what was downloaded, named by its content
 *                            blobs/ETAG.incomplete     its beginning, while it is not whole
 *                            refs/main                 the commit that the branch was at, 40 hex digits
 *                            snapshots/COMMIT/NAME     a link ../../blobs/ETAG
 *     ROOT/.locks/models--ORG--NAME/ETAG.lock          held (flock) by who downloads that blob
 *
 *     tl_hub_cache c;
 *     TL_TRY(tl_hub_cache_open(&c, root, "org/name", err));
 *     TL_TRY(tl_hub_cache_lock(&lock, &c, etag, err));  ... blobs/ETAG comes to be ...  tl_hub_cache_unlock(lock);
 *     TL_TRY(tl_hub_cache_link(&c, sha, "config.json", etag, err));
 *     TL_TRY(tl_hub_cache_refer(&c, "main", sha, err));
 *
 * In this order a snapshot holds whole files only, and a branch points to a snapshot that has all that was asked for.
 * Names and identifiers have passed the checks of hub.h. */
#ifndef TL_IO_HUB_CACHE_H
#define TL_IO_HUB_CACHE_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct tl_hub_cache {
    char repo[PATH_MAX];  /* ROOT/models--ORG--NAME */
    char locks[PATH_MAX]; /* ROOT/.locks/models--ORG--NAME */
} tl_hub_cache;

/* The paths; nothing is made. */
int tl_hub_cache_open(tl_hub_cache *out, const char *root, const char *repo, tl_err *err);

/* Where the blob of that content is or would be; its folder is made where make is set. */
int tl_hub_cache_blob(char out[PATH_MAX], const tl_hub_cache *c, const char *etag, bool make, tl_err *err);

/* The folder of a commit's files. */
int tl_hub_cache_snapshot(char out[PATH_MAX], const tl_hub_cache *c, const char *sha, tl_err *err);

/* Is the file there, whole?  Then *etag (65 bytes) names its content, "" where it is no link into blobs, and *size is
 * its size. */
bool tl_hub_cache_has(const tl_hub_cache *c, const char *sha, const char *name, char etag[65], size_t *size);

/* Wait until nobody else downloads that blob, and keep others from it until unlock.  Says that it waits when it does;
 * Ctrl-C ends the waiting. */
int tl_hub_cache_lock(int *lock, const tl_hub_cache *c, const char *etag, tl_err *err);
void tl_hub_cache_unlock(int lock); /* -1 is fine */

/* snapshots/SHA/NAME becomes a link to the blob, in one step. */
int tl_hub_cache_link(const tl_hub_cache *c, const char *sha, const char *name, const char *etag, tl_err *err);

/* revision points to sha from now on.  A revision that is the commit itself needs no pointer. */
int tl_hub_cache_refer(const tl_hub_cache *c, const char *revision, const char *sha, tl_err *err);

/* The snapshot that revision points to, as the folder's path; *found false where the cache has none. */
int tl_hub_cache_find(char out[PATH_MAX], bool *found, const char *root, const char *repo, const char *revision,
                      tl_err *err);

#endif
