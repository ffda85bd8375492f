/* unicode.c - characters by utf8proc. */
#include "text/unicode.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

size_t tl_unicode_valid(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        uint64_t eight;
        while (size - i >= sizeof eight && (memcpy(&eight, text + i, sizeof eight), !(eight & 0x8080808080808080u)))
            i += sizeof eight;
        if (i == size) break;
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

bool tl_unicode_is_letter(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool tl_unicode_is_number(int c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
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

/* Letters and signs that NFC leaves alone and that join nothing before them; far from all, but most of a text.  First
 * and last of each range. */
static const int steady[][2] = {
    { 0x0, 0x2ff },     { 0x38e, 0x3ff },   { 0x400, 0x482 },     { 0x48a, 0x52f },   { 0x5d0, 0x5ea },
    { 0x621, 0x64a },   { 0x660, 0x66f },   { 0x904, 0x928 },     { 0xe01, 0xe30 },   { 0x1e00, 0x1eff },
    { 0x2010, 0x2027 }, { 0x2030, 0x205e }, { 0x2070, 0x20bf },   { 0x2190, 0x21ff }, { 0x2500, 0x26ff },
    { 0x3000, 0x3029 }, { 0x3041, 0x3096 }, { 0x30a1, 0x30ff },   { 0x3400, 0x4dbf }, { 0x4e00, 0x9fff },
    { 0xac00, 0xd7a3 }, { 0xff01, 0xffdc }, { 0x1f300, 0x1f9ff },
};

bool tl_unicode_is_steady(int c)
{
    size_t low = 0, high = sizeof steady / sizeof *steady;
    if (c < 0x300) return true;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (steady[middle][0] <= c)
            low = middle;
        else
            high = middle;
    }
    return c <= steady[low][1];
}

static int map_all(tl_unicode_form form, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    static const utf8proc_option_t options[] = {
        [TL_UNICODE_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [TL_UNICODE_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [TL_UNICODE_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [TL_UNICODE_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &normal, options[form]);
    if (n < 0) return tl_fail(err, TL_ENOMEM, "normal form of %zu bytes: %s", size, utf8proc_errmsg(n));
    int rc = tl_buf_append(out, normal, (size_t)n, err);
    free(normal);
    return rc;
}

/* Where the steady characters from i on end; *last is where the last of them begins (i: there is none). */
static size_t steady_to(const char *text, size_t size, size_t i, size_t *last)
{
    size_t n;
    *last = i;
    while (i < size) {
        if (!(text[i] & 0x80))
            n = 1;
        else if (!tl_unicode_is_steady(tl_unicode_first(text + i, size - i, &n)))
            break;
        *last = i;
        i += n;
    }
    return i;
}

/* What stands between two steady characters, with the first of them, is composed for itself. */
static int compose(const char *text, size_t size, tl_buf *out, tl_err *err)
{
    for (size_t i = 0; i < size;) {
        size_t last, end = steady_to(text, size, i, &last), n;
        if (end == size) return tl_buf_append(out, text + i, size - i, err);
        TL_TRY(tl_buf_append(out, text + i, last - i, err));
        for (i = end; i < size && !tl_unicode_is_steady(tl_unicode_first(text + i, size - i, &n)); i += n) continue;
        TL_TRY(map_all(TL_UNICODE_NFC, text + last, i - last, out, err));
    }
    return 0;
}

int tl_unicode_normalize(tl_unicode_form form, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    if (form == TL_UNICODE_NFC) return compose(text, size, out, err);
    size_t i = 0;
    while (i < size && !(text[i] & 0x80)) i++;
    return i == size ? tl_buf_append(out, text, size, err) /* ASCII is its own normal form */
                     : map_all(form, text, size, out, err);
}
