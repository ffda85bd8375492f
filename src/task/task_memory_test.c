/* task_memory_test.c - every allocation of opening a task fails once, and comes back as an error without a leak. */
#define _GNU_SOURCE /* nftw */
#include "task/task.h"
#include "tests/check.h"
#include "tests/failing_malloc.h"
#include "tests/scratch.h"

#include <openssl/crypto.h>

#if FAILING_MALLOC
/* The hashes' memory is not under test: running out of it is an assert. */
static void *hash_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return __libc_malloc(n);
}

static void *hash_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return __libc_realloc(p, n);
}

static void hash_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    __libc_free(p);
}

static int open_and_draw(const char *path, tl_err *err)
{
    tl_task *t = NULL;
    char *answer = NULL;
    int index[2];
    int rc = tl_task_open(&t, path, TL_TASK_ALL, err);
    if (rc == 0) rc = tl_task_draw(tl_task_split(t, TL_SPLIT_TRAIN), 2, 2, 1, true, index, err);
    if (rc == 0) rc = tl_task_label_answer(&answer, t, 1, err);
    free(answer);
    tl_task_free(t);
    return rc;
}

TEST(opening_a_task_survives_each_failed_allocation)
{
    CHECK(CRYPTO_set_mem_functions(hash_malloc, hash_realloc, hash_free));
    scratch_begin();
    scratch_text("task.yaml", "name: t\nkind: classification\nlabels: [a, b]\nmetrics: [accuracy]\n"
                              "template: {input: \"{x}?\", answer: \" {y}\"}\n"
                              "costs: [[0, 2], [1, 0]]\n");
    scratch_text("train.jsonl", "{\"x\": 1, \"y\": \"a\"}\n{\"x\": 2.5, \"y\": \"b\", \"id\": \"i\"}\n");
    scratch_text("validation.jsonl", "{\"x\": 3, \"y\": \"a\"}\n");
    scratch_text("test.jsonl", "{\"x\": 4, \"y\": \"b\"}\n");
    each_failure(open_and_draw, scratch_dir, 1, true);
    scratch_end();
}
#else
TEST(opening_a_task_survives_each_failed_allocation)
{
    SKIP("the sanitizer has the allocator");
}
#endif

RUN_TESTS(CASE(opening_a_task_survives_each_failed_allocation))
