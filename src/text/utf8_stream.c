/* utf8_stream.c - one byte at a time: does it continue what is held, end it, or break it? */
#include "text/utf8_stream.h"

#include <stdbool.h>

/* Bytes of the character that begins with b; 0: none does. */
static int length_of(unsigned char b)
{
    if (b < 0x80) return 1;
    if (b >= 0xc2 && b <= 0xdf) return 2;
    if (b >= 0xe0 && b <= 0xef) return 3;
    return b >= 0xf0 && b <= 0xf4 ? 4 : 0;
}

/* May b follow the n bytes held?  The second byte is where overlong forms, surrogates and what lies beyond U+10FFFF
 * are shut out. */
static bool follows(const unsigned char *held, int n, unsigned char b)
{
    unsigned char low = 0x80, high = 0xbf;
    if (n == 1 && held[0] == 0xe0) low = 0xa0;
    if (n == 1 && held[0] == 0xed) high = 0x9f;
    if (n == 1 && held[0] == 0xf0) low = 0x90;
    if (n == 1 && held[0] == 0xf4) high = 0x8f;
    return b >= low && b <= high;
}

int tl_utf8_end(tl_utf8_stream *u, tl_buf *out, tl_err *err)
{
    if (u->n == 0) return 0;
    u->n = 0;
    return tl_buf_append(out, "\xef\xbf\xbd", 3, err);
}

int tl_utf8_push(tl_utf8_stream *u, const char *bytes, size_t size, tl_buf *out, tl_err *err)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char b = (unsigned char)bytes[i];
        if (u->n > 0 && !follows(u->held, u->n, b)) TL_TRY(tl_utf8_end(u, out, err));
        u->held[u->n++] = b;
        int length = length_of(u->held[0]);
        if (length == 0) {
            TL_TRY(tl_utf8_end(u, out, err));
        } else if (u->n == length) {
            u->n = 0;
            TL_TRY(tl_buf_append(out, u->held, (size_t)length, err));
        }
    }
    return 0;
}
