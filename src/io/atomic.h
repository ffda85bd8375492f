/* atomic.h - files and directories that are there whole or not at all.
 *
 *     TL_TRY(tl_file_save("run/metrics.json", text, size, err));
 *
 *     tl_dir *d = NULL;                                      a directory, built beside its place
 *     TL_TRY(tl_dir_begin(&d, "out/adapter", "adapter_config.json", err));
 *     rc = tl_path_join(path, sizeof path, tl_dir_path(d), "adapter_config.json", err);
 *     if (rc == 0) rc = tl_file_save(path, ...);
 *     if (rc == 0) rc = tl_dir_commit(d, err); else tl_dir_abort(d);
 *
 * Bytes go to a temporary name (.NAME.tmp-PID-N) in the directory of the final one, are flushed to the disk, and are
 * renamed into place; the directory is flushed too.  So a reader finds the old content or the new, also
 * after a crash, and a failure (a full disk, say) leaves the old content and no half of the new. */
#ifndef TL_IO_ATOMIC_H
#define TL_IO_ATOMIC_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* Write size bytes as the file at path. */
int tl_file_save(const char *path, const void *bytes, size_t size, tl_err *err);

/* The same for a file written in pieces.  After begin, write as often as needed (each may fail), then exactly one of
 * commit and abort; both end the life of s, and a failed commit has aborted. */
typedef struct tl_save tl_save;
int tl_save_begin(tl_save **out, const char *path, tl_err *err);
int tl_save_write(tl_save *s, const void *bytes, size_t size, tl_err *err);
size_t tl_save_size(const tl_save *s);      /* bytes written so far */
const char *tl_save_path(const tl_save *s); /* as begin was given it */
int tl_save_commit(tl_save *s, tl_err *err);
void tl_save_abort(tl_save *s); /* accepts NULL */

/* Build a directory under a temporary name beside path.  Commit puts it at path, abort removes it; both end the
 * life of d, and a failed commit has aborted.  What was at path before is replaced: that may be nothing, an empty
 * directory, or a directory that holds a file named mark, the sign that it was made by the same code.  Anything
 * else is refused, by begin, so that a mistyped path costs no one their files. */
typedef struct tl_dir tl_dir;
int tl_dir_begin(tl_dir **out, const char *path, const char *mark, tl_err *err);
const char *tl_dir_path(const tl_dir *d); /* where to write, until commit or abort */
int tl_dir_commit(tl_dir *d, tl_err *err);
void tl_dir_abort(tl_dir *d); /* accepts NULL */

/* Take the file at path away; that there is none is fine. */
int tl_file_remove(const char *path, tl_err *err);

/* Append the bytes of the file at path to b; more than limit is an error. */
int tl_file_read(const char *path, size_t limit, tl_buf *b, tl_err *err);

/* Make the directory and its parents; one that is there already is fine. */
int tl_dir_make(const char *path, tl_err *err);

/* out = dir/name; a name that does not fit in size bytes is an error. */
int tl_path_join(char *out, size_t size, const char *dir, const char *name, tl_err *err);

#endif
