/* adapter_memory_test.c - every allocation of ours on the way to an adapter, and from it to files and a merged base,
 * fails once, and comes back as an error without a leak. */
#define _GNU_SOURCE        /* nftw */
#define FAILING_MALLOC_OWN /* libcrypto, which hashes the adapter, is not expected to fail */
#include "model/adapter.h"
#include "tests/failing_malloc.h"
#include "tests/scratch.h"

#include <jansson.h>

#define HOME "tests/golden/adapter/"

static tl_model *base;      /* of the case at hand */
static tl_adapter *adapter; /* likewise */

static int load(const char *path, tl_err *err)
{
    tl_adapter *a = NULL;
    int rc = tl_adapter_load(&a, base, path, err);
    CHECK(rc == 0 || !a);
    tl_adapter_release(a);
    return rc;
}

static int write_peft(const char *path, tl_err *err)
{
    return tl_adapter_write(adapter, path, "base", err);
}

static int write_mlx(const char *path, tl_err *err)
{
    return tl_adapter_write_mlx(adapter, path, "base", err);
}

static int write_gguf(const char *path, tl_err *err)
{
    return tl_adapter_write_gguf(adapter, path, "base", err);
}

static int merge(const char *path, tl_err *err)
{
    tl_model *m = NULL;
    (void)path;
    int rc = tl_adapter_merge(&m, adapter, err);
    CHECK(rc == 0 || !m);
    tl_model_free(m);
    return rc;
}

static int create(const char *targets, tl_err *err)
{
    tl_adapter *a = NULL;
    tl_adapter_options o = tl_adapter_defaults();
    o.targets = targets;
    o.dora = true;
    o.own = "lm_head,norm";
    o.bias = TL_BIAS_ALL;
    int rc = tl_adapter_create(&a, base, &o, err);
    CHECK(rc == 0 || !a);
    tl_adapter_release(a);
    return rc;
}

static void begin(const char *name, const char *of)
{
    tl_err err = { 0 };
#if FAILING_MALLOC
    /* Where jansson 2.14 itself runs short it may write past what it has: io_memory_test.c looks at what can be seen.
     */
    json_set_alloc_funcs(__libc_malloc, __libc_free);
#else
    skip(); /* before anything is opened: a sanitizer has the allocator to itself */
#endif
    char path[400];
    snprintf(path, sizeof path, "tests/golden/model/%s", of);
    CHECK_OK(tl_model_open(&base, path, &err), err);
    tl_model_hash(base);
    snprintf(path, sizeof path, HOME "%s", name);
    CHECK_OK(tl_adapter_load(&adapter, base, path, &err), err);
    scratch_begin();
}

static void end(void)
{
    scratch_end();
    tl_adapter_release(adapter);
    tl_model_free(base);
}

TEST(loading_an_adapter_of_peft_survives_each_failed_allocation)
{
    static const char *const cases[][2] = { { "together", "llama-bias" }, { "patterns", "mistral" },
                                            { "excluded", "olmo2" },      { "layers", "qwen2" },
                                            { "tokens", "llama" },        { "saved", "smollm3" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[400];
        snprintf(path, sizeof path, HOME "%s", cases[i][0]);
        begin(cases[i][0], cases[i][1]);
        each_failure(load, path, 1, true);
        end();
    }
}

TEST(writing_and_reading_the_other_formats_survives_each_failed_allocation)
{
    begin("dora-neox", "gpt-neox");
    each_failure(write_mlx, scratch_dir, 1, true);
    each_failure(load, scratch_dir, 1, true);
    end();
    begin("excluded", "olmo2");
    const char *path = scratch("a.gguf");
    each_failure(write_gguf, path, 1, true);
    each_failure(load, path, 1, true);
    end();
}

TEST(writing_for_peft_and_merging_survive_each_failed_allocation)
{
    begin("together", "llama-bias");
    each_failure(write_peft, scratch_dir, 1, true);
    each_failure(merge, "", 1, true);
    each_failure(create, "q_proj,down_proj", 1, true);
    end();
}

RUN_TESTS(CASE(loading_an_adapter_of_peft_survives_each_failed_allocation),
          CASE(writing_and_reading_the_other_formats_survives_each_failed_allocation),
          CASE(writing_for_peft_and_merging_survive_each_failed_allocation))
