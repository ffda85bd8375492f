/* unicode.c - characters by utf8proc. */
#include "text/unicode.h"

#include <assert.h>
#include <stdlib.h>
#include <utf8proc.h>

size_t tl_unicode_valid(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        if (!(text[i] & 0x80)) {
            i++;
            continue;
        }
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(size - i), &c);
        if (n <= 0) break;
        i += (size_t)n;
    }
    return i;
}

int tl_unicode_first(const char *text, size_t size, size_t *n)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &c);
    assert(used > 0);
    *n = (size_t)used;
    return c;
}

int tl_unicode_last(const char *text, size_t size, size_t *n)
{
    size_t start = size - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xc0) == 0x80) start--;
    return tl_unicode_first(text + start, size - start, n);
}

bool tl_unicode_is_space(int c)
{
    if ((c >= 9 && c <= 13) || c == 0x85) return true;
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
}

bool tl_unicode_is_word(int c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default: /* the joiners, and the letters in circles and squares, which are symbols and yet alphabetic */
        return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
               (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
    }
}

int tl_unicode_nfc(const char *text, size_t size, tl_buf *out, tl_err *err)
{
    size_t i = 0;
    while (i < size && !(text[i] & 0x80)) i++;
    if (i == size) return tl_buf_append(out, text, size, err); /* ASCII is its own normal form */
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &normal,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0) return tl_fail(err, TL_ENOMEM, "NFC of %zu bytes: %s", size, utf8proc_errmsg(n));
    int rc = tl_buf_append(out, normal, (size_t)n, err);
    free(normal);
    return rc;
}
