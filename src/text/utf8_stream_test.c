/* utf8_stream_test.c - characters come out whole, whatever the cuts. */
#include "text/utf8_stream.h"

#include "tests/check.h"

#include <utf8proc.h>

/* The text, given in pieces of so many bytes; every step's output must be UTF-8 by utf8proc's word. */
static tl_buf through(const char *text, size_t size, size_t piece)
{
    tl_utf8_stream u = { 0 };
    tl_buf out = tl_buf_make(1 << 16);
    for (size_t i = 0; i < size; i += piece) {
        size_t n = size - i < piece ? size - i : piece, before = out.size;
        CHECK(tl_utf8_push(&u, text + i, n, &out, NULL) == 0);
        for (size_t at = before; at < out.size;) {
            utf8proc_int32_t c;
            utf8proc_ssize_t k =
                utf8proc_iterate((const utf8proc_uint8_t *)out.data + at, (utf8proc_ssize_t)(out.size - at), &c);
            CHECK(k > 0);
            at += (size_t)k;
        }
    }
    CHECK(tl_utf8_end(&u, &out, NULL) == 0);
    CHECK(tl_buf_append(&out, "", 0, NULL) == 0);
    return out;
}

TEST(text_comes_through_as_it_is_however_it_is_cut)
{
    static const char text[] =
        "caf\xc3\xa9 \xe2\x82\xac 37.5\xc2\xb0 \xf0\x9f\xa9\xba \xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf.";
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        tl_buf out = through(text, sizeof text - 1, piece);
        CHECK_STR(out.data, text);
        tl_buf_reset(&out);
    }
}

TEST(what_spells_no_character_becomes_one_mark_for_each_longest_beginning)
{
#define MARK "\xef\xbf\xbd"
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "a\x80z", "a" MARK "z" },                  /* nothing begins with it */
        { "a\xe2\x82z", "a" MARK "z" },              /* two bytes of three */
        { "\xf0\x9f\xa9", MARK },                    /* the end comes too early */
        { "\xc0\xaf", MARK MARK },                   /* overlong */
        { "\xe0\x80\x80", MARK MARK MARK },          /* overlong */
        { "\xed\xa0\x80", MARK MARK MARK },          /* a surrogate */
        { "\xf4\x90\x80\x80", MARK MARK MARK MARK }, /* beyond the last */
        { "\xe2\xc3\xa9", MARK "\xc3\xa9" },         /* broken by a good one */
        { "a\xf1\x80\x80\xe1\x80\xc2"
          "b\x80"
          "c",
          "a" MARK MARK MARK "b" MARK "c" }, /* the standard's example */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece <= 3; piece++) {
            tl_buf out = through(cases[i].in, strlen(cases[i].in), piece);
            CHECK_STR(out.data, cases[i].out);
            tl_buf_reset(&out);
        }
}

TEST(a_full_buffer_is_an_error)
{
    tl_utf8_stream u = { 0 };
    tl_buf out = tl_buf_make(2);
    CHECK(tl_utf8_push(&u, "abcd", 4, &out, NULL) < 0);
    tl_buf_reset(&out);
}

RUN_TESTS(CASE(text_comes_through_as_it_is_however_it_is_cut),
          CASE(what_spells_no_character_becomes_one_mark_for_each_longest_beginning), CASE(a_full_buffer_is_an_error))
