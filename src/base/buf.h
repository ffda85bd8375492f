/* buf.h - a growing string of bytes, born with its upper limit.
 *
 *     tl_buf b = tl_buf_make(1 << 20);
 *     TL_TRY(tl_buf_printf(&b, err, "step %d\n", step));
 *     ... b.data is NUL-terminated, b.size without the NUL ...
 *     tl_buf_reset(&b);
 */
#ifndef TL_BASE_BUF_H
#define TL_BASE_BUF_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_buf {
    char *data;      /* owned; NULL until the first byte, then NUL-terminated */
    size_t size;     /* bytes in use, without the NUL */
    size_t capacity; /* bytes of data */
    size_t limit;    /* growing past it is an error */
} tl_buf;

tl_buf tl_buf_make(size_t limit);

int tl_buf_append(tl_buf *b, const void *bytes, size_t n, tl_err *err);
int tl_buf_puts(tl_buf *b, const char *s, tl_err *err);
int tl_buf_printf(tl_buf *b, tl_err *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Forget the bytes, keep the memory. */
void tl_buf_clear(tl_buf *b);

/* Give the memory back; the limit stays. */
void tl_buf_reset(tl_buf *b);

#endif
