/* base64.h - bytes from their spelling in tokenizer files (RFC 4648, padded). */
#ifndef TL_TEXT_BASE64_H
#define TL_TEXT_BASE64_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* Append the bytes that text spells. */
int tl_base64_read(const char *text, size_t size, tl_buf *out, tl_err *err);

#endif
