/* hub_cache_test.c - the layout on the disk, its locks and its pointers. */
#define _GNU_SOURCE /* nftw */
#include "io/hub_cache.h"

#include "base/log.h"
#include "io/atomic.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define SHA  "0123456789abcdef0123456789abcdef01234567"
#define ETAG "89abcdef0123456789abcdef0123456789abcdef"

static tl_hub_cache cache;
static tl_err err;

static void begin(void)
{
    scratch_begin();
    tl_log_quiet(true);
    CHECK_OK(tl_hub_cache_open(&cache, scratch_dir, "org/name", &err), err);
}

static const char *link_of(const char *path)
{
    static char target[400];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0) return "";
    target[n] = '\0';
    return target;
}

TEST(folders_are_named_as_the_python_tools_name_them)
{
    char path[PATH_MAX];
    begin();
    CHECK_STR(cache.repo, scratch("models--org--name"));
    CHECK_STR(cache.locks, scratch(".locks/models--org--name"));
    CHECK_OK(tl_hub_cache_blob(path, &cache, ETAG, false, &err), err);
    CHECK_STR(path, scratch("models--org--name/blobs/" ETAG));
    CHECK_INT(scratch_count(scratch_dir), 0); /* nothing is made before something is written */
    CHECK_OK(tl_hub_cache_open(&cache, scratch_dir, "gpt2", &err), err);
    CHECK_STR(cache.repo, scratch("models--gpt2"));
    CHECK_INT(tl_hub_cache_open(&cache, scratch_dir, "../x", &err), TL_EUSAGE);
    scratch_end();
}

TEST(a_link_leads_to_the_blob_from_any_depth_and_is_replaced_in_one_step)
{
    char path[PATH_MAX], etag[65];
    size_t size = 0;
    begin();
    CHECK_OK(tl_hub_cache_blob(path, &cache, ETAG, true, &err), err);
    CHECK_OK(tl_file_save(path, "hello", 5, &err), err);
    CHECK(!tl_hub_cache_has(&cache, SHA, "config.json", etag, &size));
    CHECK_OK(tl_hub_cache_link(&cache, SHA, "config.json", ETAG, &err), err);
    CHECK_STR(link_of(scratch("models--org--name/snapshots/" SHA "/config.json")), "../../blobs/" ETAG);
    CHECK_OK(tl_hub_cache_link(&cache, SHA, "a/b/c.json", ETAG, &err), err);
    CHECK_STR(link_of(scratch("models--org--name/snapshots/" SHA "/a/b/c.json")), "../../../../blobs/" ETAG);
    CHECK(tl_hub_cache_has(&cache, SHA, "a/b/c.json", etag, &size));
    CHECK_STR(etag, ETAG);
    CHECK_INT(size, 5);
    CHECK_OK(tl_hub_cache_link(&cache, SHA, "config.json", SHA, &err), err); /* to another, which is not there */
    CHECK_STR(link_of(scratch("models--org--name/snapshots/" SHA "/config.json")), "../../blobs/" SHA);
    CHECK(!tl_hub_cache_has(&cache, SHA, "config.json", etag, &size));
    CHECK_INT(scratch_count(scratch("models--org--name/snapshots/" SHA)), 2);
    /* A file where a folder is wanted. */
    CHECK_INT(tl_hub_cache_link(&cache, SHA, "a/b/c.json/d", ETAG, &err), TL_EIO);
    scratch_end();
}

TEST(a_branch_is_found_by_its_pointer_and_a_commit_by_itself)
{
    char path[PATH_MAX];
    bool found = true;
    begin();
    CHECK_OK(tl_hub_cache_find(path, &found, scratch_dir, "org/name", "main", &err), err);
    CHECK(!found);
    CHECK_OK(tl_hub_cache_refer(&cache, "main", SHA, &err), err);
    CHECK_OK(tl_hub_cache_find(path, &found, scratch_dir, "org/name", "main", &err), err);
    CHECK(!found); /* a pointer to nothing */
    CHECK_OK(tl_hub_cache_link(&cache, SHA, "x", ETAG, &err), err);
    CHECK_OK(tl_hub_cache_find(path, &found, scratch_dir, "org/name", "main", &err), err);
    CHECK(found);
    CHECK_STR(path, scratch("models--org--name/snapshots/" SHA));
    CHECK_OK(tl_hub_cache_refer(&cache, "refs/pr/1", SHA, &err), err);
    CHECK_OK(tl_hub_cache_find(path, &found, scratch_dir, "org/name", "refs/pr/1", &err), err);
    CHECK(found);
    CHECK_OK(tl_hub_cache_find(path, &found, scratch_dir, "org/name", SHA, &err), err);
    CHECK(found);
    CHECK_OK(tl_hub_cache_refer(&cache, SHA, SHA, &err), err);
    CHECK_INT(scratch_count(scratch("models--org--name/refs")), 2); /* main and refs: a commit needs no pointer */
    /* A pointer that leads astray leads nowhere. */
    scratch_text("models--org--name/refs/main", "../../../etc");
    CHECK_OK(tl_hub_cache_find(path, &found, scratch_dir, "org/name", "main", &err), err);
    CHECK(!found);
    CHECK_INT(tl_hub_cache_find(path, &found, scratch_dir, "org/name", "../blobs/x", &err), TL_EUSAGE);
    scratch_end();
}

static int held = -1;

static void *let_go(void *unused)
{
    nanosleep(&(struct timespec){ .tv_nsec = 250000000 }, NULL);
    tl_hub_cache_unlock(held);
    return unused;
}

TEST(one_at_a_time_has_the_lock_of_a_blob)
{
    int lock = -1;
    struct timespec before, after;
    pthread_t thread;
    begin();
    CHECK_OK(tl_hub_cache_lock(&held, &cache, ETAG, &err), err);
    CHECK(access(scratch(".locks/models--org--name/" ETAG ".lock"), F_OK) == 0);
    CHECK_OK(tl_hub_cache_lock(&lock, &cache, SHA, &err), err); /* that of another is free */
    tl_hub_cache_unlock(lock);
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK(pthread_create(&thread, NULL, let_go, NULL) == 0);
    CHECK_OK(tl_hub_cache_lock(&lock, &cache, ETAG, &err), err);
    clock_gettime(CLOCK_MONOTONIC, &after);
    pthread_join(thread, NULL);
    CHECK((double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec) >= 0.2);
    tl_hub_cache_unlock(lock);
    scratch_end();
}

RUN_TESTS(CASE(folders_are_named_as_the_python_tools_name_them),
          CASE(a_link_leads_to_the_blob_from_any_depth_and_is_replaced_in_one_step),
          CASE(a_branch_is_found_by_its_pointer_and_a_commit_by_itself), CASE(one_at_a_time_has_the_lock_of_a_blob))
