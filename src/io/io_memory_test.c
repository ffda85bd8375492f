/* io_memory_test.c - every allocation on the way in and out fails once, and comes back as an error without a leak. */
#define _GNU_SOURCE /* nftw */
#include "io/gguf.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "tests/check.h"
#include "tests/failing_malloc.h"
#include "tests/scratch.h"

#define GOLDEN "tests/golden/safetensors"

static int open_and_close(const char *path, tl_err *err)
{
    tl_safetensors *s = NULL;
    int rc = tl_safetensors_open(&s, path, err);
    CHECK(rc == 0 || !s);
    tl_safetensors_close(s);
    return rc;
}

static int open_gguf(const char *path, tl_err *err)
{
    tl_gguf *g = NULL;
    int rc = tl_gguf_open(&g, path, err);
    CHECK(rc == 0 || !g);
    tl_gguf_close(g);
    return rc;
}

static int load_and_free(const char *path, tl_err *err)
{
    json_t *o = NULL;
    int rc = tl_json_load(&o, path, err);
    CHECK(rc == 0 || !o);
    json_decref(o);
    return rc;
}

static int save(const char *path, tl_err *err)
{
    static const float w[2] = { 1, 2 };
    const tl_stored tensors[2] = { { "a", TL_DTYPE_F32, 1, { 2 }, w, sizeof w }, { "b", TL_DTYPE_U8, 0, { 0 }, w, 1 } };
    const tl_meta meta = { "format", "pt" };
    return tl_safetensors_save(path, tensors, 2, &meta, 1, err);
}

TEST(opening_a_file_survives_each_failed_allocation)
{
    each_failure(open_and_close, GOLDEN "/python.safetensors", 1, true);
}

TEST(opening_shards_survives_each_failed_allocation)
{
    each_failure(open_and_close, GOLDEN "/sharded", 1, true);
}

TEST(opening_a_gguf_file_survives_each_failed_allocation)
{
    each_failure(open_gguf, "tests/golden/gguf/sample.gguf", 1, true);
}

TEST(reading_json_survives_each_failed_allocation)
{
    each_failure(load_and_free, GOLDEN "/sharded/model.safetensors.index.json", 1, true);
}

TEST(saving_survives_each_failed_allocation_and_leaves_no_file_behind)
{
    if (!FAILING_MALLOC) SKIP("the sanitizer has the allocator");
    scratch_begin();
    char path[100];
    snprintf(path, sizeof path, "%s/x.safetensors", scratch_dir);
    each_failure(save, path, 1, true);
    CHECK_INT(scratch_count(scratch_dir), 1);
    scratch_end();
}

RUN_TESTS(CASE(opening_a_file_survives_each_failed_allocation), CASE(opening_shards_survives_each_failed_allocation),
          CASE(opening_a_gguf_file_survives_each_failed_allocation), CASE(reading_json_survives_each_failed_allocation),
          CASE(saving_survives_each_failed_allocation_and_leaves_no_file_behind))
