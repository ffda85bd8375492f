/* unicode_test.c - composing a text part by part gives what composing it whole gives. */
#include "text/unicode.h"

#include "base/rng.h"

#include "tests/check.h"

#include <utf8proc.h>

static char *nfc(const char *text, size_t size)
{
    utf8proc_uint8_t *out = NULL;
    CHECK(utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &out,
                       UTF8PROC_STABLE | UTF8PROC_COMPOSE) >= 0);
    return (char *)out;
}

TEST(a_steady_character_is_its_own_normal_form_and_joins_nothing_before_it)
{
    static bool second[0x110000]; /* stands behind the first in what a character is made of */
    for (int c = 0; c < 0x110000; c++) {
        utf8proc_int32_t apart[32];
        int boundary = 0;
        utf8proc_ssize_t n = utf8proc_decompose_char(c, apart, 32, UTF8PROC_DECOMPOSE, &boundary);
        for (int i = 1; i < n && n <= 32; i++) second[apart[i]] = true;
    }
    int steady = 0;
    for (int c = 1; c < 0x110000; c++) {
        char text[5] = { 0 };
        if (!tl_unicode_is_steady(c)) continue;
        steady++;
        CHECK(!second[c] && utf8proc_get_property(c)->combining_class == 0);
        size_t n = (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)text);
        char *normal = nfc(text, n);
        CHECK_STR(normal, text);
        free(normal);
    }
    CHECK(steady > 40000);
}

TEST(a_text_is_composed_part_by_part_as_it_is_whole)
{
    static const int pool[] = { 'a',    'e',    ' ',    'E',    0xe9,   0x301,   0x302,   0x323,  0x327,
                                0x1100, 0x1161, 0x11a8, 0xac00, 0xac01, 0x212b,  0x2126,  0x958,  0x915,
                                0x93c,  0x928,  0x4e2d, 0xf900, 0x3099, 0x304b,  0x1f600, 0x344,  0x340,
                                0x37e,  0x653,  0x627,  0x1e9b, 0x200d, 0x11099, 0x110ba, 0xfb1d, 0x1d15e };
    tl_rng r = tl_rng_make(9, 1);
    tl_err err = { 0 };
    for (int i = 0; i < 40000; i++) {
        char text[100];
        size_t n = 0;
        for (uint32_t k = tl_rng_below(&r, 14) + 1; k > 0; k--)
            n += (size_t)utf8proc_encode_char(pool[tl_rng_below(&r, sizeof pool / sizeof *pool)],
                                              (utf8proc_uint8_t *)text + n);
        char *whole = nfc(text, n);
        tl_buf parts = tl_buf_make(1000);
        CHECK_OK(tl_unicode_normalize(TL_UNICODE_NFC, text, n, &parts, &err), err);
        CHECK_STR(parts.data, whole);
        tl_buf_reset(&parts);
        free(whole);
    }
}

TEST(the_first_byte_that_is_no_utf8_is_found_wherever_it_stands)
{
    char text[40];
    for (size_t size = 1; size <= sizeof text; size++)
        for (size_t bad = 0; bad < size; bad++) {
            memset(text, 'x', sizeof text);
            CHECK_INT(tl_unicode_valid(text, size), size);
            text[bad] = (char)0x80;
            CHECK_INT(tl_unicode_valid(text, size), bad);
        }
}

RUN_TESTS(CASE(a_steady_character_is_its_own_normal_form_and_joins_nothing_before_it),
          CASE(a_text_is_composed_part_by_part_as_it_is_whole),
          CASE(the_first_byte_that_is_no_utf8_is_found_wherever_it_stands))
