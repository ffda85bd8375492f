/* map.h - a file seen as memory, read only.
 *
 *     tl_map *m = NULL;
 *     TL_TRY(tl_map_open(&m, "model.safetensors", err));
 *     size_t size;
 *     const unsigned char *bytes = tl_map_bytes(m, &size);
 *     tl_map_close(m);
 *
 * Pages are read when they are first touched and shared with every process that maps the same file, so a
 * model costs no more memory than its touched bytes.  A file that somebody shortens while it is mapped kills
 * the process (SIGBUS): model files are replaced by rename (atomic.h), never written in place. */
#ifndef TL_IO_MAP_H
#define TL_IO_MAP_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_map tl_map;

/* Map the regular file at path.  On success *out is the caller's, to be closed. */
int tl_map_open(tl_map **out, const char *path, tl_err *err);

/* The bytes (page aligned, NULL where the file is empty), valid until tl_map_close; *size is how many. */
const unsigned char *tl_map_bytes(const tl_map *m, size_t *size);

/* Give the pages back to the kernel until they are read again. */
void tl_map_rest(const tl_map *m);

/* The same of the whole pages among some bytes of any mapping. */
void tl_map_rest_part(const void *bytes, size_t size);

void tl_map_close(tl_map *m);

#endif
