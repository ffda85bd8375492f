/* ids.c - growth by doubling. */
#include "base/ids.h"

#include "base/size.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int grow(tl_ids *v, size_t n, tl_err *err)
{
    size_t want, bytes;
    if (!tl_size_add(&want, v->size, n) || !tl_size_mul(&bytes, want, 2 * sizeof(int)))
        return tl_fail(err, TL_ENOMEM, "ids: %zu and %zu more are beyond what memory can address", v->size, n);
    if (want <= v->capacity) return 0;
    size_t capacity = v->capacity ? v->capacity : 64;
    while (capacity < want) capacity *= 2;
    int *data = realloc(v->data, capacity * sizeof(int));
    if (!data) return tl_fail(err, TL_ENOMEM, "ids: room for %zu wanted, none free", capacity);
    v->data = data;
    v->capacity = capacity;
    return 0;
}

int tl_ids_append(tl_ids *v, const int *ids, size_t n, tl_err *err)
{
    TL_TRY(grow(v, n, err));
    if (n) memcpy(v->data + v->size, ids, n * sizeof(int));
    v->size += n;
    return 0;
}

int tl_ids_push(tl_ids *v, int id, tl_err *err)
{
    if (v->size == v->capacity) TL_TRY(grow(v, 1, err));
    v->data[v->size++] = id;
    return 0;
}

void tl_ids_reset(tl_ids *v)
{
    free(v->data);
    *v = (tl_ids){ 0 };
}

int tl_ids_parse(tl_ids *v, const char *text, tl_err *err)
{
    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        long id = strtol(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT_MAX || (*end && *end != ','))
            return tl_fail(err, TL_EUSAGE, "token ids '%s': whole numbers with commas are wanted", text);
        TL_TRY(tl_ids_push(v, (int)id, err));
        if (!*end) return 0;
        at = end;
    }
}
