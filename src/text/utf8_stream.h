/* utf8_stream.h - bytes that come in pieces, given on as whole characters.
 *
 *     tl_utf8_stream u = { 0 };
 *     TL_TRY(tl_utf8_push(&u, piece, size, &text, err));      text: whole characters only; the cut one waits in u
 *     TL_TRY(tl_utf8_end(&u, &text, err));                    what waited is now known to be broken
 *
 * A token of a byte-level vocabulary may end inside a character, and a model may draw bytes that spell none.  What
 * cannot be part of a character becomes U+FFFD, one for each longest piece that began like one (Unicode 15, 3.9,
 * "substitution of maximal subparts"), so what comes out is always UTF-8. */
#ifndef TL_TEXT_UTF8_STREAM_H
#define TL_TEXT_UTF8_STREAM_H

#include "base/buf.h"

typedef struct tl_utf8_stream {
    unsigned char held[4]; /* the beginning of a character */
    int n;                 /* bytes of it */
} tl_utf8_stream;

/* Append to out the characters that size more bytes complete. */
int tl_utf8_push(tl_utf8_stream *u, const char *bytes, size_t size, tl_buf *out, tl_err *err);

/* No more bytes will come. */
int tl_utf8_end(tl_utf8_stream *u, tl_buf *out, tl_err *err);

#endif
