/* gguf_memory_test.c - every allocation on the way to a GGUF file's config or vocabulary fails once, and comes back as
 * an error without a leak.  The weights are left out: libcrypto, which hashes them, is not expected to fail. */
#include "model/model_gguf.h"
#include "tests/check.h"
#include "tests/failing_malloc.h"
#include "text/tokenizer.h"

#define HOME "tests/golden/gguf/"

static int read_config(const char *path, tl_err *err)
{
    tl_gguf *g = NULL;
    tl_config c;
    tl_layout layout;
    int rc = tl_gguf_open(&g, path, err);
    if (rc == 0) rc = tl_gguf_config(&c, &layout, g, err);
    tl_gguf_close(g);
    return rc;
}

static int open_vocabulary(const char *path, tl_err *err)
{
    tl_tokenizer *t = NULL;
    int rc = tl_tokenizer_open(&t, path, err);
    CHECK(rc == 0 || !t);
    tl_tokenizer_free(t);
    return rc;
}

/* Run call with the k-th allocation failing, for every step-th k that there is.  can_do_without: some are for speed. */
static void each_failure(int (*call)(const char *path, tl_err *err), const char *path, long step, bool can_do_without)
{
    tl_err warm = { 0 };
    if (!FAILING_MALLOC) SKIP("the sanitizer has the allocator");
    CHECK_OK(call(path, &warm), warm);
    for (long k = 0; k < 1000000; k += step) {
        tl_err err = { 0 };
        failing_malloc_begin(k);
        int rc = call(path, &err);
        long left = failing_malloc_end();
        bool hit = failing_malloc_hit;
        if (left > 0) fail_msg("allocation %ld fails: %ld blocks are never freed", k, left);
        if (!hit) {
            CHECK_OK(rc, err);
            CHECK(k > 10 * step);
            return;
        }
        if (rc == 0 && !can_do_without) fail_msg("allocation %ld fails and nothing is said", k);
        CHECK(rc == 0 || err.text[0]);
    }
    fail_msg("the allocations do not end");
}

TEST(reading_a_config_survives_each_failed_allocation)
{
    each_failure(read_config, HOME "llama-q4_0.gguf", 1, false);
    each_failure(read_config, HOME "gpt2.gguf", 1, false);
}

/* Thousands, mostly of one kind: a token, a merge.  Every seventh will meet all kinds.  PCRE2 goes on without its
 * compiled code. */
TEST(opening_a_vocabulary_survives_failed_allocations)
{
    each_failure(open_vocabulary, HOME "tiny-vocab.gguf", 7, true);
}

RUN_TESTS(CASE(reading_a_config_survives_each_failed_allocation),
          CASE(opening_a_vocabulary_survives_failed_allocations))
