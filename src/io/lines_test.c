/* lines_test.c - every byte of a file is in a line, and no line is longer than the bound. */
#define _GNU_SOURCE /* nftw */
#include "io/lines.h"

#include "tests/check.h"
#include "tests/scratch.h"

static void check_next(tl_lines *l, const char *bytes, size_t size, long number)
{
    tl_err err = { 0 };
    const char *line = NULL;
    size_t found = 0;
    CHECK_OK(tl_lines_next(l, &line, &found, &err), err);
    if (!bytes) {
        CHECK(line == NULL);
        return;
    }
    CHECK(line != NULL);
    CHECK_INT((long)found, (long)size);
    CHECK(memcmp(line, bytes, size) == 0);
    CHECK_INT(line[size], 0);
    CHECK_INT(tl_lines_number(l), number);
}

TEST(lines_come_in_order_without_their_newlines_and_the_last_needs_none)
{
    tl_err err = { 0 };
    tl_lines *l = NULL;
    static const char text[] = "one\n\nth\0ree\nfour";
    scratch_begin();
    CHECK_OK(tl_lines_open(&l, scratch_write("text", text, sizeof text - 1), &err), err);
    CHECK_INT(tl_lines_number(l), 0);
    check_next(l, "one", 3, 1);
    check_next(l, "", 0, 2);
    long place = tl_lines_tell(l);
    check_next(l, "th\0ree", 6, 3);
    check_next(l, "four", 4, 4);
    check_next(l, NULL, 0, 0);
    check_next(l, NULL, 0, 0);
    CHECK_OK(tl_lines_seek(l, place, &err), err);
    check_next(l, "th\0ree", 6, 3);
    CHECK_OK(tl_lines_seek(l, 0, &err), err);
    check_next(l, "one", 3, 1);
    CHECK_INT(tl_lines_seek(l, 100, &err), TL_EIO);
    CHECK_HAS(err.text, "byte 100");
    tl_lines_close(l);
    CHECK_OK(tl_lines_open(&l, scratch_text("nothing", ""), &err), err);
    check_next(l, NULL, 0, 0);
    tl_lines_close(l);
    scratch_end();
}

TEST(a_line_of_the_bound_is_read_and_one_byte_more_is_an_error_with_its_number)
{
    for (size_t more = 0; more < 2; more++) {
        tl_err err = { 0 };
        tl_lines *l = NULL;
        const char *line = NULL;
        size_t size = TL_LINE_LIMIT + more, found = 0;
        char *text = malloc(size + 4);
        CHECK(text != NULL);
        memcpy(text, "a\n", 2);
        memset(text + 2, 'b', size);
        memcpy(text + 2 + size, "\nc", 2);
        scratch_begin();
        CHECK_OK(tl_lines_open(&l, scratch_write("text", text, size + 4), &err), err);
        check_next(l, "a", 1, 1);
        if (!more) {
            check_next(l, text + 2, size, 2);
            check_next(l, "c", 1, 3);
        } else {
            CHECK_INT(tl_lines_next(l, &line, &found, &err), TL_EDATA);
            CHECK(line == NULL);
            CHECK_HAS(err.text, "text:2: ");
            CHECK_HAS(err.text, "more than 16777216 bytes");
        }
        tl_lines_close(l);
        free(text);
        scratch_end();
    }
}

TEST(what_cannot_be_read_is_no_end_of_the_file)
{
    tl_err err = { 0 };
    tl_lines *l = NULL;
    const char *line = NULL;
    size_t size = 0;
    scratch_begin();
    CHECK_INT(tl_lines_open(&l, scratch("nowhere"), &err), TL_EIO);
    CHECK_HAS(err.text, "nowhere");
    CHECK(l == NULL);
    CHECK_OK(tl_lines_open(&l, scratch_dir, &err), err); /* a directory opens; only reading it fails */
    CHECK_INT(tl_lines_next(l, &line, &size, &err), TL_EIO);
    CHECK_HAS(err.text, "cannot be read");
    tl_lines_close(l);
    scratch_end();
}

RUN_TESTS(CASE(lines_come_in_order_without_their_newlines_and_the_last_needs_none),
          CASE(a_line_of_the_bound_is_read_and_one_byte_more_is_an_error_with_its_number),
          CASE(what_cannot_be_read_is_no_end_of_the_file))
