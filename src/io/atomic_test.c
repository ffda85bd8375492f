/* atomic_test.c - what is there after a save, and after one that failed. */
#define _GNU_SOURCE /* nftw */
#include "io/atomic.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <signal.h>
#include <sys/resource.h>

static const char *content(const char *path)
{
    static char text[100];
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

TEST(a_save_replaces_the_file_and_leaves_nothing_beside_it)
{
    tl_err err;
    scratch_begin();
    CHECK_OK(tl_file_save(scratch("a"), "old", 3, &err), err);
    CHECK_OK(tl_file_save(scratch("a"), "newer", 5, &err), err);
    CHECK_STR(content(scratch("a")), "newer");
    CHECK_INT(scratch_count(scratch_dir), 1);
    scratch_end();
}

TEST(a_save_that_runs_out_of_room_keeps_the_old_file)
{
    /* A limit on the size of files stands for the full disk: write fails in the middle. */
    tl_err err;
    scratch_begin();
    CHECK_OK(tl_file_save(scratch("a"), "old", 3, &err), err);
    struct rlimit before, small;
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    static char big[10000];
    int rc = tl_file_save(scratch("a"), big, sizeof big, &err);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK_INT(rc, TL_EIO);
    CHECK_HAS(err.text, "5904 left");
    CHECK_STR(content(scratch("a")), "old");
    CHECK_INT(scratch_count(scratch_dir), 1);
    scratch_end();
}

TEST(a_file_is_removed_and_one_that_is_not_there_is_no_failure)
{
    tl_err err;
    scratch_begin();
    CHECK_OK(tl_file_save(scratch("a"), "old", 3, &err), err);
    CHECK_OK(tl_file_remove(scratch("a"), &err), err);
    CHECK_INT(scratch_count(scratch_dir), 0);
    CHECK_OK(tl_file_remove(scratch("a"), &err), err);
    CHECK_INT(tl_file_remove(scratch_dir, &err), TL_EIO);
    CHECK_HAS(err.text, "cannot be removed");
    scratch_end();
}

TEST(a_save_into_a_place_that_cannot_be_written_says_so)
{
    tl_err err;
    scratch_begin();
    CHECK_INT(tl_file_save(scratch("nowhere/a"), "x", 1, &err), TL_EIO);
    CHECK_HAS(err.text, "nowhere/a");
    CHECK_HAS(err.text, "No such file");
    CHECK_OK(tl_dir_make(scratch("d"), &err), err);
    CHECK_INT(tl_file_save(scratch("d"), "x", 1, &err), TL_EIO); /* a directory stands there */
    CHECK_INT(scratch_count(scratch_dir), 1);
    scratch_end();
}

TEST(an_aborted_save_leaves_nothing)
{
    tl_err err;
    tl_save *s = NULL;
    scratch_begin();
    CHECK_OK(tl_save_begin(&s, scratch("a"), &err), err);
    CHECK_OK(tl_save_write(s, "half", 4, &err), err);
    tl_save_abort(s);
    CHECK_INT(scratch_count(scratch_dir), 0);
    scratch_end();
}

/* Build DIR/name holding the files mark and "x" with text. */
static int build(const char *name, const char *text, tl_err *err)
{
    char path[500];
    tl_dir *d = NULL;
    TL_TRY(tl_dir_begin(&d, scratch(name), "mark", err));
    CHECK_OK(tl_path_join(path, sizeof path, tl_dir_path(d), "mark", err), *err);
    CHECK_OK(tl_file_save(path, "", 0, err), *err);
    CHECK_OK(tl_path_join(path, sizeof path, tl_dir_path(d), "sub", err), *err);
    CHECK_OK(tl_dir_make(path, err), *err);
    CHECK_OK(tl_path_join(path, sizeof path, tl_dir_path(d), "sub/x", err), *err);
    CHECK_OK(tl_file_save(path, text, strlen(text), err), *err);
    return tl_dir_commit(d, err);
}

TEST(a_directory_appears_whole_and_replaces_one_of_its_kind)
{
    tl_err err;
    scratch_begin();
    CHECK_OK(build("deep/out/", "one", &err), err); /* parents are made, a slash at the end is no matter */
    CHECK_STR(content(scratch("deep/out/sub/x")), "one");
    CHECK_OK(build("deep/out", "two", &err), err);
    CHECK_STR(content(scratch("deep/out/sub/x")), "two");
    CHECK_INT(scratch_count(scratch("deep")), 1);
    CHECK_OK(tl_dir_make(scratch("empty"), &err), err);
    CHECK_OK(build("empty", "three", &err), err);
    CHECK_STR(content(scratch("empty/sub/x")), "three");
    scratch_end();
}

TEST(a_directory_with_other_peoples_files_is_not_replaced)
{
    tl_err err;
    scratch_begin();
    CHECK_OK(tl_dir_make(scratch("home"), &err), err);
    scratch_text("home/letter", "dear");
    CHECK_INT(build("home", "mine", &err), TL_EUSAGE);
    CHECK_HAS(err.text, "home");
    CHECK_HAS(err.text, "no mark");
    CHECK_STR(content(scratch("home/letter")), "dear");
    CHECK_INT(build("home/letter", "mine", &err), TL_EUSAGE);
    CHECK_INT(build("home/..", "mine", &err), TL_EUSAGE);
    CHECK_INT(scratch_count(scratch_dir), 1);
    scratch_end();
}

TEST(an_aborted_directory_leaves_the_old_one)
{
    tl_err err;
    tl_dir *d = NULL;
    scratch_begin();
    CHECK_OK(build("out", "one", &err), err);
    CHECK_OK(tl_dir_begin(&d, scratch("out"), "mark", &err), err);
    tl_dir_abort(d);
    CHECK_STR(content(scratch("out/sub/x")), "one");
    CHECK_INT(scratch_count(scratch_dir), 1);
    scratch_end();
}

TEST(a_file_longer_than_the_limit_is_not_read)
{
    tl_err err;
    tl_buf b = tl_buf_make(100);
    scratch_begin();
    const char *path = scratch_text("a", "12345");
    CHECK_OK(tl_file_read(path, 5, &b, &err), err);
    CHECK_STR(b.data, "12345");
    tl_buf_clear(&b);
    CHECK_INT(tl_file_read(path, 4, &b, &err), TL_EDATA);
    CHECK_HAS(err.text, "longer than 4 bytes");
    tl_buf_reset(&b);
    CHECK_OK(tl_file_read(scratch_text("empty", ""), 4, &b, &err), err);
    CHECK_STR(b.data, "");
    tl_buf_reset(&b);
    scratch_end();
}

TEST(a_path_that_does_not_fit_is_an_error)
{
    tl_err err;
    char out[8];
    CHECK_OK(tl_path_join(out, sizeof out, "a/b", "cde", &err), err);
    CHECK_STR(out, "a/b/cde");
    CHECK_OK(tl_path_join(out, sizeof out, "/", "cde", &err), err);
    CHECK_STR(out, "/cde");
    CHECK_INT(tl_path_join(out, sizeof out, "a/b", "cdef", &err), TL_EUSAGE);
}

RUN_TESTS(CASE(a_save_replaces_the_file_and_leaves_nothing_beside_it),
          CASE(a_save_that_runs_out_of_room_keeps_the_old_file),
          CASE(a_file_is_removed_and_one_that_is_not_there_is_no_failure),
          CASE(a_save_into_a_place_that_cannot_be_written_says_so), CASE(an_aborted_save_leaves_nothing),
          CASE(a_directory_appears_whole_and_replaces_one_of_its_kind),
          CASE(a_directory_with_other_peoples_files_is_not_replaced), CASE(an_aborted_directory_leaves_the_old_one),
          CASE(a_file_longer_than_the_limit_is_not_read), CASE(a_path_that_does_not_fit_is_an_error))
