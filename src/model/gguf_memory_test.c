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

TEST(reading_a_config_survives_each_failed_allocation)
{
    each_failure(read_config, HOME "llama-q4_0.gguf", 1, true);
    each_failure(read_config, HOME "gpt2.gguf", 1, true);
}

/* Thousands, mostly of one kind: a token, a merge.  Every seventh will meet all kinds.  PCRE2 goes on without its
 * compiled code. */
TEST(opening_a_vocabulary_survives_failed_allocations)
{
    each_failure(open_vocabulary, HOME "tiny-vocab.gguf", 7, false);
}

RUN_TESTS(CASE(reading_a_config_survives_each_failed_allocation),
          CASE(opening_a_vocabulary_survives_failed_allocations))
