/* gguf_save_test.c - what is written is what is read, and nothing is left of what could not be written. */
#define _GNU_SOURCE /* nftw */
#include "io/gguf_save.h"

#include "tests/check.h"
#include "tests/scratch.h"

#include <signal.h>
#include <sys/resource.h>

static const float three[3] = { 1, -2.5f, 3 };

static tl_gguf_draft *draft(bool all_data)
{
    tl_err err;
    tl_gguf_draft *d = NULL;
    CHECK_OK(tl_gguf_draft_create(&d, &err), err);
    tl_gguf_draft_text(d, "general.name", "caf\303\251");
    tl_gguf_draft_u32(d, "count", UINT32_MAX);
    tl_gguf_draft_f32(d, "eps", 1e-5f);
    tl_gguf_draft_bool(d, "on", true);
    tl_gguf_draft_array(d, "words", TL_GGUF_STRING, 3);
    tl_gguf_draft_string(d, "one", 3);
    tl_gguf_draft_string(d, "", 0);
    tl_gguf_draft_string(d, "a b", 3);
    tl_gguf_draft_array(d, "types", TL_GGUF_I32, 2);
    tl_gguf_draft_i32_element(d, -7);
    tl_gguf_draft_i32_element(d, 1 << 30);
    tl_gguf_draft_array(d, "scores", TL_GGUF_F32, 1);
    tl_gguf_draft_f32_element(d, -0.5f);
    tl_gguf_draft_array(d, "none", TL_GGUF_STRING, 0);
    tl_gguf_draft_tensor(d, &(tl_stored){ .name = "given", .n_dims = 1, .dims = { 3 }, .data = three, .bytes = 12 });
    tl_gguf_draft_tensor(d, &(tl_stored){ .name = "made",
                                          .dtype = TL_DTYPE_BF16,
                                          .n_dims = 3,
                                          .dims = { 2, 1, 3 },
                                          .data = all_data ? three : NULL,
                                          .bytes = 12 });
    return d;
}

/* The bytes of three, one by one: a tensor may come in any pieces. */
static int write_three(void *context, int i, tl_save *s, tl_err *err)
{
    ++*(int *)context;
    CHECK_INT(i, 1);
    for (size_t k = 0; k < sizeof three; k++) TL_TRY(tl_save_write(s, (const char *)three + k, 1, err));
    return 0;
}

static void check_read(const tl_gguf *g)
{
    tl_err err;
    const char *text = NULL;
    const tl_gguf_pair *p = NULL;
    int64_t whole;
    size_t at = 0, size;
    CHECK_INT(tl_gguf_version(g), 3);
    CHECK_INT(tl_gguf_pairs(g), 8);
    CHECK_OK(tl_gguf_string(g, "general.name", &text, &err), err);
    CHECK_STR(text, "caf\303\251");
    CHECK(tl_gguf_whole(tl_gguf_get(g, "count"), 0, &whole) && whole == UINT32_MAX);
    CHECK(tl_gguf_real(tl_gguf_get(g, "eps"), 0) == (double)1e-5f);
    CHECK(tl_gguf_real(tl_gguf_get(g, "on"), 0) == 1);
    CHECK_OK(tl_gguf_array(g, "words", TL_GGUF_STRING, &p, &err), err);
    CHECK(p->n == 3 && memcmp(tl_gguf_next(p, &at, &size), "one", 3) == 0 && size == 3);
    CHECK(tl_gguf_next(p, &at, &size) && size == 0);
    CHECK(memcmp(tl_gguf_next(p, &at, &size), "a b", 3) == 0 && !tl_gguf_next(p, &at, &size));
    CHECK_OK(tl_gguf_array(g, "types", TL_GGUF_I32, &p, &err), err);
    CHECK(p->n == 2 && tl_gguf_real(p, 0) == -7 && tl_gguf_real(p, 1) == 1 << 30);
    CHECK_OK(tl_gguf_array(g, "scores", TL_GGUF_F32, &p, &err), err);
    CHECK(p->n == 1 && tl_gguf_real(p, 0) == -0.5);
    CHECK_OK(tl_gguf_array(g, "none", TL_GGUF_STRING, &p, &err), err);
    CHECK(p->n == 0);
    CHECK_INT(tl_gguf_count(g), 2);
    const tl_stored *t = tl_gguf_find(g, "given"), *u = tl_gguf_find(g, "made");
    CHECK(t && t->dtype == TL_DTYPE_F32 && t->n_dims == 1 && t->dims[0] == 3 && memcmp(t->data, three, 12) == 0);
    CHECK(u && u->dtype == TL_DTYPE_BF16 && u->n_dims == 3 && u->dims[0] == 2 && u->dims[2] == 3);
    CHECK(memcmp(u->data, three, 12) == 0);
}

TEST(what_is_written_is_what_is_read)
{
    tl_err err;
    tl_gguf *g = NULL;
    int calls = 0;
    scratch_begin();
    tl_gguf_draft *d = draft(false);
    CHECK_OK(tl_gguf_draft_save(d, scratch("a.gguf"), write_three, &calls, &err), err);
    CHECK_INT(calls, 1);
    CHECK_OK(tl_gguf_open(&g, scratch("a.gguf"), &err), err);
    check_read(g);
    tl_gguf_close(g);
    tl_gguf_draft_free(d);
    CHECK_INT(scratch_count(scratch_dir), 1);
    scratch_end();
}

TEST(an_image_is_the_file)
{
    tl_err err;
    tl_gguf *g = NULL;
    tl_buf image = tl_buf_make(1 << 20), file = tl_buf_make(1 << 20);
    scratch_begin();
    tl_gguf_draft *d = draft(true);
    CHECK_OK(tl_gguf_draft_image(d, &image, &err), err);
    CHECK_OK(tl_gguf_draft_save(d, scratch("a.gguf"), NULL, NULL, &err), err);
    CHECK_OK(tl_file_read(scratch("a.gguf"), 1 << 20, &file, &err), err);
    CHECK(file.size == image.size && memcmp(file.data, image.data, file.size) == 0);
    CHECK_OK(tl_gguf_read(&g, "image", image.data, image.size, &err), err);
    check_read(g);
    tl_gguf_rest(g);
    tl_gguf_close(g);
    for (size_t n = 0; n < image.size - 20; n++) { /* cut before the padding at its end, it is refused under its name */
        g = NULL;
        CHECK(tl_gguf_read(&g, "image", image.data, n, &err) < 0 && !g);
        CHECK_HAS(err.text, "image: ");
    }
    tl_gguf_draft_free(d);
    tl_buf_reset(&image);
    tl_buf_reset(&file);
    scratch_end();
}

static int refuse(void *context, int i, tl_save *s, tl_err *err)
{
    (void)context, (void)i, (void)s;
    return tl_fail(err, TL_ENUMERIC, "no numbers");
}

TEST(a_save_that_fails_leaves_what_was_there)
{
    tl_err err;
    tl_buf b = tl_buf_make(100);
    int calls = 0;
    scratch_begin();
    tl_gguf_draft *d = draft(false);
    scratch_text("a.gguf", "before");
    CHECK_INT(tl_gguf_draft_save(d, scratch("a.gguf"), refuse, NULL, &err), TL_ENUMERIC);
    CHECK_STR(err.text, "no numbers");

    struct rlimit all, few;
    getrlimit(RLIMIT_FSIZE, &all);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = 0; bytes < 400; bytes += 50) { /* a disk that is full after so many */
        few = all;
        few.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &few);
        int rc = tl_gguf_draft_save(d, scratch("a.gguf"), write_three, &calls, &err);
        setrlimit(RLIMIT_FSIZE, &all);
        CHECK_INT(rc, TL_EIO);
        CHECK_HAS(err.text, "a.gguf: writing");
    }
    CHECK_OK(tl_file_read(scratch("a.gguf"), 100, &b, &err), err);
    CHECK_STR(b.data, "before");
    CHECK_INT(scratch_count(scratch_dir), 1);
    CHECK(tl_gguf_draft_save(d, scratch("no/such/folder.gguf"), write_three, &calls, &err) < 0);
    CHECK_HAS(err.text, "folder.gguf");
    tl_gguf_draft_free(d);
    tl_buf_reset(&b);
    scratch_end();
}

RUN_TESTS(CASE(what_is_written_is_what_is_read), CASE(an_image_is_the_file),
          CASE(a_save_that_fails_leaves_what_was_there))
