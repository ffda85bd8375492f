/* buf.c - growth by doubling, up to the limit. */
#include "base/buf.h"

#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tl_buf tl_buf_make(size_t limit)
{
    return (tl_buf){ .limit = limit };
}

/* Room for n more bytes and the NUL. */
static int reserve(tl_buf *b, size_t n, tl_err *err)
{
    size_t want;
    if (!tl_size_add(&want, b->size, n) || want > b->limit)
        return tl_fail(err, TL_EDATA, "text of %zu bytes and %zu more: the limit is %zu", b->size, n, b->limit);
    want++;
    if (want <= b->capacity) return 0;
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity < want) capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data) return tl_fail(err, TL_ENOMEM, "text: %zu bytes wanted, none free", capacity);
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int tl_buf_append(tl_buf *b, const void *bytes, size_t n, tl_err *err)
{
    TL_TRY(reserve(b, n, err));
    if (n) memcpy(b->data + b->size, bytes, n);
    b->size += n;
    b->data[b->size] = '\0';
    return 0;
}

int tl_buf_puts(tl_buf *b, const char *s, tl_err *err)
{
    return tl_buf_append(b, s, strlen(s), err);
}

int tl_buf_printf(tl_buf *b, tl_err *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc = n < 0 ? tl_fail(err, TL_EFORMAT, "text: the format '%s' cannot be printed", format)
                   : reserve(b, (size_t)n, err);
    if (rc == 0) {
        vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
    return rc;
}

void tl_buf_clear(tl_buf *b)
{
    b->size = 0;
    if (b->data) b->data[0] = '\0';
}

void tl_buf_reset(tl_buf *b)
{
    free(b->data);
    b->data = NULL;
    b->size = b->capacity = 0;
}
