/* hub.h - what a hub with the Hugging Face URL layout says of a repository, and what of it a base needs.
 *
 *     ENDPOINT/api/models/REPO/revision/REVISION        JSON: { "sha": "40 hex digits",
 *                                                               "siblings": [ { "rfilename": "config.json" }, ... ] }
 *     ENDPOINT/REPO/resolve/REVISION/NAME               a file, or a redirect to where it lies.  Headers:
 *         X-Repo-Commit    the commit it is of
 *         ETag             of a small file: git's name of its content, the sha1 of "blob SIZE\0" and its bytes
 *         X-Linked-Etag    of a large one (LFS): the sha256 of its bytes; in front of the redirect
 *         X-Linked-Size    its bytes
 *
 * A hub is a stranger: names become paths and identifiers names of files, so both are checked here, and counts and
 * lengths are bounded.  Nothing in this file opens a connection. */
#ifndef TL_IO_HUB_H
#define TL_IO_HUB_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define TL_HUB_ENDPOINT      "https://huggingface.co"
#define TL_HUB_LISTING_LIMIT ((size_t)8 << 20) /* bytes of the JSON */

enum {
    TL_HUB_FILES_MAX = 20000, /* of a repository */
    TL_HUB_NAME_MAX = 1000    /* bytes of a file's name with its folders */
};

typedef struct tl_hub_listing {
    char sha[41];
    const char **names; /* owned array; the strings are json's */
    int n;
    void *json; /* owned */
} tl_hub_listing;

/* "org/name" or "name": letters, digits, '-', '_', '.', as hubs have them. */
int tl_hub_repo_check(const char *repo, tl_err *err);

/* A branch, tag or commit: a path of plain names. */
int tl_hub_revision_check(const char *revision, tl_err *err);

/* A path inside a repository: relative, without ".", ".." and empty parts, without control characters, in UTF-8, each
 * part and the whole of bounded length. */
bool tl_hub_name_ok(const char *name);

/* 40 hex digits in small letters: a commit, or the name of a small file's content; 64: a sha256. */
bool tl_hub_hex(const char *text, size_t digits);

/* Read the listing; from is its address, for the error.  On success to be reset. */
int tl_hub_listing_parse(tl_hub_listing *out, const char *bytes, size_t size, const char *from, tl_err *err);
void tl_hub_listing_reset(tl_hub_listing *l); /* a zeroed one is fine */

/* Which files are taken.  include and exclude are globs with commas between ("*.json,*.gguf"), in which '*' matches
 * '/' too; NULL is what a base needs, and nothing.  Never taken, whatever include says, is what may be a pickle: to
 * open one is to run it. */
typedef enum tl_hub_choice {
    TL_HUB_LEFT,
    TL_HUB_TAKEN,
    TL_HUB_PICKLE /* it would be taken, but for its ending */
} tl_hub_choice;
tl_hub_choice tl_hub_choose(const char *name, const char *include, const char *exclude);

/* The name of a file's content, for its blob, from an ETag header: without quotes and W/.  False where it is neither
 * 40 nor 64 hex digits. */
bool tl_hub_etag(char out[65], const char *header);

/* ENDPOINT/api/models/REPO/revision/REVISION and ENDPOINT/REPO/resolve/REVISION/NAME, appended to url. */
int tl_hub_listing_url(tl_buf *url, const char *endpoint, const char *repo, const char *revision, tl_err *err);
int tl_hub_file_url(tl_buf *url, const char *endpoint, const char *repo, const char *revision, const char *name,
                    tl_err *err);

#endif
