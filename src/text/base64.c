/* base64.c - by libcrypto. */
#include "text/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

int tl_base64_read(const char *text, size_t size, tl_buf *out, tl_err *err)
{
    size_t padding = size > 0 && text[size - 1] == '=';
    if (padding && size > 1) padding += text[size - 2] == '=';
    if (size % 4 || size > INT_MAX) return tl_fail(err, TL_EFORMAT, "base64 of %zu letters: wanted are fours", size);
    if (size > 0 && memchr(text, '=', size - padding))
        return tl_fail(err, TL_EFORMAT, "base64 of %zu letters: padding that is not its end", size);
    unsigned char *bytes = malloc(size / 4 * 3 + 1);
    if (!bytes) return tl_fail(err, TL_ENOMEM, "base64: no memory for %zu letters", size);
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)size);
    int rc = n < (int)padding
                 ? tl_fail(err, TL_EFORMAT, "base64 of %zu letters: one of them is none of its alphabet", size)
                 : tl_buf_append(out, bytes, (size_t)n - padding, err);
    free(bytes);
    return rc;
}
