/* gguf_memory_test.c - every allocation on the way to a GGUF file's config or vocabulary, and to a file, fails once,
 * and comes back as an error without a leak.  The weights are left out: libcrypto, which hashes them, is not expected
 * to fail. */
#include "model/model_gguf_write.h"

#include "model/model_gguf.h"
#include "tests/check.h"
#include "tests/failing_malloc.h"
#include "text/tokenizer.h"
#include "text/tokenizer_gguf_write.h"

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

static int make_file(const char *path, tl_err *err)
{
    tl_model *m = NULL;
    tl_gguf_base b = { 0 };
    const tl_gguf_types types = { TL_DTYPE_F32, TL_DTYPE_F32 };
    int rc = tl_model_open_rows(&m, path, err);
    if (rc == 0) rc = tl_gguf_base_make(&b, m, "a base", &types, err);
    tl_gguf_base_reset(&b);
    tl_model_free(m);
    return rc;
}

/* The vocabulary as the metadata of a file. */
static int put_vocabulary(const char *dir, tl_err *err)
{
    const tl_gguf_ids ids = { 2000, -1, -1 };
    tl_gguf_draft *d = NULL;
    tl_buf image = tl_buf_make(1 << 20);
    TL_TRY(tl_gguf_draft_create(&d, err));
    int rc = tl_tokenizer_gguf_put(d, dir, &ids, err);
    if (rc == 0) rc = tl_gguf_draft_image(d, &image, err);
    tl_gguf_draft_free(d);
    tl_buf_reset(&image);
    return rc;
}

TEST(making_a_file_survives_each_failed_allocation)
{
    each_failure(make_file, HOME "llama-q4_0.gguf", 1, true);
    each_failure(make_file, "tests/golden/model/phi3", 3, true);
}

TEST(putting_a_vocabulary_survives_failed_allocations)
{
    each_failure(put_vocabulary, "tests/golden/tokenizer/tiny", 7, false);
    each_failure(put_vocabulary, "tests/golden/tokenizer/models/llama", 31, false);
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

RUN_TESTS(CASE(making_a_file_survives_each_failed_allocation), CASE(putting_a_vocabulary_survives_failed_allocations),
          CASE(reading_a_config_survives_each_failed_allocation),
          CASE(opening_a_vocabulary_survives_failed_allocations))
