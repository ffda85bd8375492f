/* hub_memory_test.c - allocations of a pull fail, one in each, and come back as an error without a leak; what the cache
 * then holds is whole or is not there.  libcurl 7.88 loses a block where its own fail: those do not. */
#define _GNU_SOURCE /* nftw */
#define FAILING_MALLOC_OWN
#include "base/log.h"
#include "io/hub.h"
#include "io/hub_pull.h"
#include "tests/check.h"
#include "tests/failing_malloc.h"
#include "tests/hub_server.h"
#include "tests/scratch.h"

#include <sys/stat.h>

static hub_server *hub;
static char weights[3000];

static int parse(const char *text, tl_err *err)
{
    tl_hub_listing l = { 0 };
    int rc = tl_hub_listing_parse(&l, text, strlen(text), "listing", err);
    CHECK(rc == 0 || (!l.json && !l.names));
    tl_hub_listing_reset(&l);
    return rc;
}

TEST(reading_a_listing_survives_each_failed_allocation)
{
    static const char text[] =
        "{\"sha\": \"" HUB_SHA "\", \"siblings\": [{\"rfilename\": \"a\"}, {\"rfilename\": \"b/c\"}]}";
    each_failure(parse, text, 1, true);
}

static int pull(const char *endpoint, tl_err *err)
{
    tl_hub_options o = tl_hub_defaults();
    tl_hub_pulled p = { 0 };
    o.endpoint = endpoint;
    o.cache = scratch_dir;
    o.first_wait = 0.0001;
    o.part = 1000;
    o.token = "hf_secret";
    int rc = tl_hub_pull(&p, "org/tiny", &o, err);
    tl_hub_pulled_reset(&p);
    struct stat st;
    const char *path = scratch("models--org--tiny/snapshots/" HUB_SHA "/model.safetensors");
    CHECK(stat(path, &st) == 0 ? st.st_size == sizeof weights : rc < 0);
    nftw(scratch("models--org--tiny"), scratch_remove, 16, FTW_DEPTH | FTW_PHYS); /* the next begins anew */
    return rc;
}

TEST(a_pull_survives_failed_allocations)
{
    if (!FAILING_MALLOC) SKIP("the sanitizer has the allocator");
    scratch_begin();
    tl_log_quiet(true);
    hub = hub_begin("org/tiny");
    hub_add(hub, "config.json", "{}", 2, false);
    hub_add(hub, "model.safetensors", weights, sizeof weights, true);
    each_failure(pull, hub_url(hub), 1, false); /* some are for speed alone */
    hub_end(hub);
    scratch_end();
}

RUN_TESTS(CASE(reading_a_listing_survives_each_failed_allocation), CASE(a_pull_survives_failed_allocations))
