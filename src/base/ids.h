/* ids.h - a growing vector of ints: token ids, mostly.
 *
 *     tl_ids ids = { 0 };
 *     TL_TRY(tl_ids_push(&ids, bos, err));
 *     TL_TRY(tl_ids_append(&ids, more, n, err));
 *     ... ids.data[0 .. ids.size-1] ...
 *     tl_ids_reset(&ids);
 *
 * A zeroed struct is an empty vector.  Set size to 0 to forget the ids and keep the memory. */
#ifndef TL_BASE_IDS_H
#define TL_BASE_IDS_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_ids {
    int *data;       /* owned; NULL until the first id */
    size_t size;     /* ids in use */
    size_t capacity; /* ids of data */
} tl_ids;

/* n ids behind those there; on failure the vector is as it was.  The ids may not lie in the vector itself. */
int tl_ids_append(tl_ids *v, const int *ids, size_t n, tl_err *err);

int tl_ids_push(tl_ids *v, int id, tl_err *err);

/* Append the whole numbers of text, with commas between ("1,15,3"). */
int tl_ids_parse(tl_ids *v, const char *text, tl_err *err);

/* Give the memory back; the vector is empty and usable again. */
void tl_ids_reset(tl_ids *v);

#endif
