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

bool tl_unicode_is_mark(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
}

bool tl_unicode_is_flat_mark(int c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_MN;
}

bool tl_unicode_is_other(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO;
}

size_t tl_unicode_cluster(const char *text, size_t size)
{
    size_t at, n;
    utf8proc_int32_t state = 0;
    int last = tl_unicode_first(text, size, &at);
    while (at < size) {
        int c = tl_unicode_first(text + at, size - at, &n);
        if (utf8proc_grapheme_break_stateful(last, c, &state)) break;
        last = c;
        at += n;
    }
    return at;
}

int tl_unicode_lower(int c, tl_buf *out, tl_err *err)
{
    utf8proc_uint8_t bytes[4];
    if (c == 0x130) return tl_buf_puts(out, "i\xcc\x87", err); /* the one letter that becomes two */
    utf8proc_ssize_t n = utf8proc_encode_char(utf8proc_tolower(c), bytes);
    return tl_buf_append(out, bytes, (size_t)n, err);
}

int tl_unicode_normalize(tl_unicode_form form, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    static const utf8proc_option_t options[] = {
        [TL_UNICODE_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [TL_UNICODE_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [TL_UNICODE_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [TL_UNICODE_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    size_t i = 0;
    while (i < size && !(text[i] & 0x80)) i++;
    if (i == size) return tl_buf_append(out, text, size, err); /* ASCII is its own normal form */
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &normal, options[form]);
    if (n < 0) return tl_fail(err, TL_ENOMEM, "normal form of %zu bytes: %s", size, utf8proc_errmsg(n));
    int rc = tl_buf_append(out, normal, (size_t)n, err);
    free(normal);
    return rc;
}
