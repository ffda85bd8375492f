/* hub_fetch.h - one file of a hub onto the disk: whole, and the one that was promised, or not at all.
 *
 *     tl_hub_fetch f = { .http = h, .url = url, .etag = etag, .size = size,
 *                        .path = "blobs/ETAG", .connections = 4 };
 *     TL_TRY(tl_hub_fetch_file(&f, err));
 *
 * Bytes go to PATH.incomplete, which at every moment is a beginning of the file, without holes: so its size alone says
 * where to go on, in this process or a later one.  A large file comes over several connections at once:
 *
 *     PATH.incomplete   |######################|        written
 *     parts                                    |aaaa..|bbbbbb|cc....|dddd..|      16 MiB each
 *                                               ^ the first goes to the file as it comes;
 *                                                        the others wait in memory for their turn
 *
 * When all of it is there it is flushed, read back and hashed; only what has the hash that its ETag is (64 hex digits:
 * sha256; 40: git's sha1) is renamed to PATH.  A beginning from earlier that turns out not to be of this file is
 * thrown away and the file read once more from the start. */
#ifndef TL_IO_HUB_FETCH_H
#define TL_IO_HUB_FETCH_H

#include "io/http.h"

enum {
    TL_HUB_CONNECTIONS_MAX = 16
};

typedef struct tl_hub_fetch {
    tl_http *http; /* borrowed, as all of these */
    const char *url;
    const char *etag; /* as tl_hub_etag gives it */
    const char *path;
    size_t size;
    size_t part;     /* bytes of a part; 0: 16 MiB */
    int connections; /* 1 to TL_HUB_CONNECTIONS_MAX */
    /* Told of every byte that came, and of those that came for nothing (a negative number); NULL: nobody. */
    void (*moved)(void *owner, long bytes);
    void *owner;
} tl_hub_fetch;

/* How many bytes of it are there from earlier. */
size_t tl_hub_fetch_begun(const char *path, size_t size);

/* Who calls holds the lock of the blob (hub_cache.h).  A failure leaves PATH.incomplete to go on from, but where its
 * content was wrong. */
int tl_hub_fetch_file(const tl_hub_fetch *f, tl_err *err);

/* Does the file at path have the content that etag names?  *good says so; reading it may fail, and Ctrl-C ends it. */
int tl_hub_verify(bool *good, const char *path, const char *etag, tl_err *err);

#endif
