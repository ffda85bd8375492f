/* hub_pull_test.c - whole pulls from a hub in this process that breaks in every way a test can name.
 *
 * Each claim ends with the state on the disk: a snapshot whose files have the bytes that the hub promised, or none. */
#define _GNU_SOURCE /* nftw */
#include "io/hub_pull.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/atomic.h"
#include "io/hub_cache.h"
#include "io/hub_fetch.h"
#include "tests/check.h"
#include "tests/hub_server.h"
#include "tests/scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define REPO     "org/tiny"
#define SNAPSHOT "models--org--tiny/snapshots/" HUB_SHA
#define CONFIG   "{\"model_type\": \"llama\"}\n"

enum {
    SIZE = 400000
};

static char weights[SIZE];
static hub_server *hub;
static tl_err err;
static tl_hub_options o;
static tl_hub_pulled pulled;

static void begin(void)
{
    for (size_t i = 0; i < SIZE; i++) weights[i] = (char)(i * 31 % 251 + i / 1000);
    scratch_begin();
    tl_log_quiet(true);
    signal(SIGXFSZ, SIG_IGN);
    hub = hub_begin(REPO);
    hub_add(hub, "config.json", CONFIG, strlen(CONFIG), false);
    hub_add(hub, "model.safetensors", weights, SIZE, true);
    hub_add(hub, "README.md", "# tiny\n", 7, false);
    hub_add(hub, "pytorch_model.bin", "pickle", 6, true);
    hub_add(hub, "nested/extra.json", "{}", 2, false);
    o = tl_hub_defaults();
    o.endpoint = hub_url(hub);
    o.cache = scratch_dir;
    o.first_wait = 0.001;
    o.stall_seconds = 1;
    o.part = 50000;
}

static void end(void)
{
    hub_end(hub);
    scratch_end();
}

static int pull(void)
{
    tl_hub_pulled_reset(&pulled);
    err = (tl_err){ 0 };
    return tl_hub_pull(&pulled, REPO, &o, &err);
}

/* Is the file of the snapshot there with these bytes? */
static bool holds(const char *name, const void *bytes, size_t size)
{
    char path[300];
    tl_buf b = tl_buf_make(1 << 20);
    snprintf(path, sizeof path, SNAPSHOT "/%s", name);
    bool same =
        tl_file_read(scratch(path), 1 << 20, &b, NULL) == 0 && b.size == size && memcmp(b.data, bytes, size) == 0;
    tl_buf_reset(&b);
    return same;
}

static bool whole(void)
{
    return holds("config.json", CONFIG, strlen(CONFIG)) && holds("model.safetensors", weights, SIZE) &&
           access(scratch("models--org--tiny/refs/main"), F_OK) == 0;
}

/* No snapshot and no branch: nothing that a reader of the cache would take for a base. */
static bool nothing(void)
{
    return access(scratch("models--org--tiny/snapshots"), F_OK) != 0 &&
           access(scratch("models--org--tiny/refs"), F_OK) != 0;
}

static const char *blob(const char *ending)
{
    char path[300];
    snprintf(path, sizeof path, "models--org--tiny/blobs/%s%s", hub->files[1].etag, ending);
    return scratch(path);
}

TEST(a_repository_becomes_a_snapshot_with_what_a_base_needs)
{
    begin();
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK_STR(pulled.sha, HUB_SHA);
    CHECK_STR(pulled.path, scratch(SNAPSHOT));
    CHECK_INT(pulled.n, 2);
    CHECK_INT(pulled.bytes, SIZE + strlen(CONFIG));
    CHECK_INT(pulled.came, pulled.bytes);
    CHECK_INT(scratch_count(scratch(SNAPSHOT)), 2);
    CHECK_INT(scratch_count(scratch("models--org--tiny/blobs")), 2);
    /* Again it is one question: what commit the branch is at. */
    int before = hub_asked(hub, NULL, "/");
    CHECK_OK(pull(), err);
    CHECK_INT(hub_asked(hub, NULL, "/"), before + 1);
    CHECK_INT(pulled.came, 0);
    /* Other files of the same commit come beside them. */
    o.include = "*.md,nested/*";
    CHECK_OK(pull(), err);
    CHECK_INT(scratch_count(scratch(SNAPSHOT)), 4);
    CHECK(holds("nested/extra.json", "{}", 2));
    end();
}

TEST(a_large_file_comes_in_parts_over_several_connections)
{
    begin();
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK_INT(hub_asked(hub, "GET", "/blob/model.safetensors"), 8);
    /* The signed address is asked for once: the parts after the first go where it led. */
    CHECK_INT(hub_asked(hub, "GET", "/resolve/" HUB_SHA "/model.safetensors"), 1);
    CHECK_STR(hub->store.log[0].range, "bytes=0-49999");
    end();
}

TEST(one_connection_is_enough)
{
    begin();
    o.connections = 1;
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK_INT(hub_asked(hub, "GET", "/blob/model.safetensors"), 1);
    end();
}

TEST(a_connection_cut_at_any_tenth_costs_nothing_but_another)
{
    for (size_t tenth = 1; tenth < 10; tenth++) {
        begin();
        o.connections = 1;
        hub->most = SIZE / 10 * tenth;
        CHECK_OK(pull(), err);
        CHECK(whole());
        CHECK_INT(hub_asked(hub, "GET", "/blob/model.safetensors"), (10 + tenth - 1) / tenth);
        end();
        begin();
        hub->most = o.part / 10 * tenth;
        CHECK_OK(pull(), err);
        CHECK(whole());
        CHECK_INT(hub_asked(hub, "GET", "/blob/model.safetensors"), 8 * ((10 + tenth - 1) / tenth));
        end();
    }
}

/* From the middle of the large file on the store has nothing any more. */
static void lose_the_rest(hub_server *h)
{
    h->fail_at = "/blob/";
    h->status = 404;
    h->fails = 1000;
}

TEST(a_pull_that_failed_goes_on_where_it_was)
{
    struct stat st;
    for (int connections = 1; connections <= 4; connections += 3) {
        begin();
        o.connections = connections;
        hub->most = connections == 1 ? SIZE / 4 : 0; /* so that the second half is asked for by itself */
        hub->between = lose_the_rest;
        CHECK_INT(pull(), TL_EIO);
        CHECK_HAS(err.text, "org/tiny: model.safetensors: ");
        CHECK_HAS(err.text, "answered 404 Not Found");
        CHECK(nothing());
        CHECK(stat(blob(".incomplete"), &st) == 0 && st.st_size < SIZE);
        if (connections == 1) CHECK_INT(st.st_size, SIZE / 2);
        hub->fails = 0;
        int before = hub->store.n_log;
        CHECK_OK(pull(), err);
        CHECK(whole());
        CHECK_INT(pulled.came, SIZE - st.st_size); /* and config.json was there */
        CHECK_INT(hub->store.log[before].first, st.st_size);
        end();
    }
}

TEST(a_beginning_of_another_file_is_thrown_away)
{
    static char other[SIZE + 1];
    begin();
    CHECK(tl_dir_make(scratch("models--org--tiny/blobs"), &err) == 0);
    CHECK_OK(tl_file_save(blob(".incomplete"), other, 60000, &err), err);
    CHECK_OK(pull(), err);
    CHECK(whole());
    unlink(blob(""));
    unlink(scratch(SNAPSHOT "/model.safetensors"));
    CHECK_OK(tl_file_save(blob(".incomplete"), other, SIZE + 1, &err), err); /* longer than the file */
    CHECK_OK(pull(), err);
    CHECK(whole());
    unlink(blob(""));
    unlink(scratch(SNAPSHOT "/model.safetensors"));
    CHECK_OK(tl_file_save(blob(".incomplete"), weights, SIZE, &err), err); /* all of it, before the last step */
    int before = hub_asked(hub, "GET", "/blob/");
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK_INT(hub_asked(hub, "GET", "/blob/"), before);
    CHECK(access(blob(".incomplete"), F_OK) != 0);
    end();
}

TEST(bytes_that_are_not_those_promised_are_not_kept)
{
    begin();
    hub->spoilt = true;
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "org/tiny: config.json: the bytes that came are not those promised: their git sha1 is not");
    CHECK(nothing());
    CHECK_INT(scratch_count(scratch("models--org--tiny/blobs")), 0);
    o.include = "*.safetensors";
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "model.safetensors: the bytes that came are not those promised: their sha256 is not");
    CHECK(nothing());
    CHECK_INT(scratch_count(scratch("models--org--tiny/blobs")), 0);
    hub->spoilt = false;
    hub->short_size = true;
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "other bytes than those asked for");
    CHECK(nothing());
    end();
}

TEST(a_blob_of_the_wrong_size_is_read_again)
{
    begin();
    CHECK_OK(pull(), err);
    CHECK_OK(tl_file_save(blob(""), weights, 100, &err), err);
    unlink(scratch(SNAPSHOT "/model.safetensors"));
    CHECK_OK(pull(), err);
    CHECK(whole());
    end();
}

TEST(a_hub_that_refuses_says_why)
{
    begin();
    hub->token = "right";
    CHECK_INT(pull(), TL_EIO);
    CHECK_HAS(err.text, "org/tiny: http://127.0.0.1:");
    CHECK_HAS(err.text, "wants to know who asks: set HF_TOKEN");
    CHECK_HAS(err.text, "Invalid username or password.");
    o.token = "wrong";
    CHECK_INT(pull(), TL_EIO);
    CHECK_HAS(err.text, "does not take the token it was sent");
    CHECK(!strstr(err.text, "wrong"));
    o.token = "right";
    hub->gated = true;
    CHECK_INT(pull(), TL_EIO);
    CHECK_HAS(err.text, "its authors give it to those alone who accepted their terms, at http://127.0.0.1:");
    CHECK_HAS(err.text, "Access to it is restricted.");
    hub->gated = false;
    o.revision = "dev";
    CHECK_INT(pull(), TL_EIO);
    CHECK_HAS(err.text, "org/tiny: has no revision 'dev'");
    CHECK_INT(tl_hub_pull(&pulled, "org/other", &o, &err), TL_EIO);
    CHECK_HAS(err.text, "org/other: http://127.0.0.1:");
    CHECK_HAS(err.text, "has no such repository or no revision 'dev'");
    CHECK(nothing());
    end();
}

TEST(the_token_goes_to_the_hub_and_to_nobody_else)
{
    begin();
    hub->token = o.token = "hf_secret";
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK(hub->web.n_log >= 4 && hub->store.n_log == 8);
    for (int i = 0; i < hub->web.n_log; i++) CHECK_STR(hub->web.log[i].authorization, "Bearer hf_secret");
    for (int i = 0; i < hub->store.n_log; i++) CHECK_STR(hub->store.log[i].authorization, "");
    end();
}

TEST(a_hub_in_trouble_is_asked_again)
{
    static const char *const places[] = { "/api/", "/resolve/", "/blob/" };
    static const int statuses[] = { 429, 500, 503 };
    for (int i = 0; i < 3; i++) {
        begin();
        hub->fail_at = places[i];
        hub->fails = 3;
        hub->status = statuses[i];
        CHECK_OK(pull(), err);
        CHECK(whole());
        CHECK_INT(hub->fails, 0);
        end();
    }
    begin();
    hub->fail_at = "/blob/";
    hub->fails = 100;
    hub->status = 429;
    hub->fail_headers = "Retry-After: 7200\r\n";
    CHECK_INT(pull(), TL_EIO);
    CHECK_HAS(err.text, "asks to come back in 7200 seconds");
    CHECK(nothing());
    end();
}

TEST(an_address_whose_signature_ran_out_is_asked_for_anew)
{
    begin();
    hub->expired = 3;
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK(hub_asked(hub, "GET", "/resolve/" HUB_SHA "/model.safetensors") > 1);
    end();
}

TEST(a_store_without_ranges_is_read_in_one_go)
{
    begin();
    hub->no_ranges = true;
    CHECK_OK(pull(), err);
    CHECK(whole());
    unlink(blob(""));
    unlink(scratch(SNAPSHOT "/model.safetensors"));
    CHECK_OK(tl_file_save(blob(".incomplete"), weights, 123456, &err), err);
    CHECK_OK(pull(), err);
    CHECK(whole());
    end();
}

TEST(a_store_that_stalls_is_asked_again)
{
    begin();
    hub->stalls = 1;
    double before = tl_seconds();
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK_INT(hub->stalls, 0);
    CHECK(tl_seconds() - before < 4); /* the server would have waited for five */
    end();
}

TEST(facts_that_do_not_fit_together_are_refused)
{
    begin();
    hub->no_etag = true; /* then the redirect has none at all */
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "model.safetensors has the ETag '', which is no sha256 and no git sha1");
    hub->no_etag = false;
    hub->other_commit = true;
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "is of commit ffff456789");
    hub->other_commit = false;
    snprintf(hub->files[1].etag, sizeof hub->files[1].etag, "../../../../x");
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "'\"../../../../x\"'");
    CHECK(nothing());
    end();
}

TEST(names_that_lead_out_of_the_cache_end_the_pull)
{
    static const char *const names[] = { "../../../escape.json", "/tmp/escape.json", "a/../../escape.json",
                                         "x\\u001b[2Jescape.json" };
    char text[300];
    begin();
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "{\"sha\": \"" HUB_SHA "\", \"siblings\": [{\"rfilename\": \"%s\"}]}", names[i]);
        hub->listing = text;
        CHECK_INT(pull(), TL_EDATA);
        CHECK_HAS(err.text, "no name for a file inside a repository");
        CHECK_HAS(err.text, "escape.json'");
        CHECK(!strchr(err.text, '\x1b'));
    }
    CHECK_INT(scratch_count(scratch_dir), 0);
    end();
}

TEST(a_huge_listing_is_not_read)
{
    begin();
    size_t size = (size_t)9 << 20;
    char *text = malloc(size);
    CHECK(text != NULL);
    memset(text, ' ', size);
    hub->listing = text;
    hub->listing_size = size;
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "has 9437184 bytes, at most 8388608 are taken");
    free(text);
    end();
}

TEST(a_dry_run_says_what_would_come_and_takes_nothing)
{
    begin();
    o.dry_run = true;
    CHECK_OK(pull(), err);
    CHECK_INT(pulled.n, 2);
    CHECK_STR(pulled.files[1].name, "model.safetensors");
    CHECK_INT(pulled.files[1].size, SIZE);
    CHECK(!pulled.files[1].there);
    CHECK_INT(pulled.missing, SIZE + strlen(CONFIG));
    CHECK_INT(scratch_count(scratch_dir), 0);
    CHECK_INT(hub->store.n_log, 0);
    o.dry_run = false;
    CHECK_OK(pull(), err);
    o.dry_run = true;
    CHECK_OK(pull(), err);
    CHECK(pulled.files[0].there && pulled.files[1].there);
    CHECK_INT(pulled.missing, 0);
    end();
}

TEST(what_is_of_no_use_is_not_begun)
{
    begin();
    o.include = "pytorch_model.bin";
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "to open a pickle is to run it");
    o.include = "*.gguf";
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "none of its 5 files is asked for");
    o.include = NULL;
    snprintf(hub->files[1].name, sizeof hub->files[1].name, "tiny-q8_0.gguf");
    CHECK_INT(pull(), TL_EDATA);
    CHECK_HAS(err.text, "has no safetensors, but GGUF files (tiny-q8_0.gguf)");
    o.include = "*q8_0.gguf";
    CHECK_OK(pull(), err);
    CHECK(holds("tiny-q8_0.gguf", weights, SIZE));
    o.include = "*";
    CHECK_OK(pull(), err);
    CHECK_INT(pulled.pickles, 1);
    CHECK_INT(pulled.n, 4);
    end();
}

TEST(a_full_disk_is_one_sentence_and_what_came_is_kept)
{
    struct rlimit before, small;
    struct stat st;
    begin();
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = 123456;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    int rc = pull();
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK_INT(rc, TL_EIO);
    CHECK_HAS(err.text, "writing it failed after 123456 of 400000 bytes: File too large");
    CHECK(nothing());
    CHECK(stat(blob(".incomplete"), &st) == 0 && st.st_size == 123456);
    CHECK_OK(pull(), err);
    CHECK(whole());
    CHECK_INT(pulled.came, SIZE - 123456);
    end();
}

/* ---- two at once ---- */

static void *pull_in_thread(void *argument)
{
    static tl_hub_pulled other[2];
    static tl_err errs[2];
    int *which = argument;
    int rc = tl_hub_pull(&other[*which], REPO, &o, &errs[*which]);
    if (rc < 0) fprintf(stderr, "%s\n", errs[*which].text);
    tl_hub_pulled_reset(&other[*which]);
    *which = rc;
    return NULL;
}

TEST(two_pulls_at_once_do_not_spoil_each_other)
{
    pthread_t threads[2];
    int results[2] = { 0, 1 };
    begin();
    hub->cut_pause_ms = 2;
    CHECK_OK(tl_hub_pull(&pulled, REPO,
                         &(tl_hub_options){ .endpoint = o.endpoint,
                                            .cache = o.cache,
                                            .revision = "main",
                                            .include = "README.md",
                                            .connections = 1,
                                            .stall_seconds = 1 },
                         &err),
             err); /* libcurl is loaded now */
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, pull_in_thread, &results[i]) == 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK_INT(results[0], 0);
    CHECK_INT(results[1], 0);
    CHECK(whole());
    CHECK_INT(hub_asked(hub, "GET", "/blob/model.safetensors"), 8); /* once, not twice */
    end();
}

TEST(options_without_sense_are_refused)
{
    begin();
    o.connections = 0;
    CHECK_INT(pull(), TL_EUSAGE);
    o.connections = 17;
    CHECK_INT(pull(), TL_EUSAGE);
    o.connections = 4;
    o.endpoint = "file:///etc";
    CHECK(pull() < 0);
    CHECK_HAS(err.text, "the endpoint: file:///etc: only http and https are spoken");
    o.endpoint = "http://user:secret@host";
    CHECK(pull() < 0);
    CHECK(!strstr(err.text, "secret"));
    o.endpoint = hub_url(hub);
    o.revision = "../x";
    CHECK_INT(pull(), TL_EUSAGE);
    o.revision = "main";
    CHECK_INT(tl_hub_pull(&pulled, "no repo", &o, &err), TL_EUSAGE);
    CHECK_INT(hub->web.n_log, 0);
    char text[32];
    CHECK_STR(tl_hub_bytes(text, 999), "999 bytes");
    CHECK_STR(tl_hub_bytes(text, 1000), "1.0 kB");
    CHECK_STR(tl_hub_bytes(text, 999999), "1.0 MB");
    CHECK_STR(tl_hub_bytes(text, 1234567890), "1.2 GB");
    end();
}

RUN_TESTS(CASE(a_repository_becomes_a_snapshot_with_what_a_base_needs),
          CASE(a_large_file_comes_in_parts_over_several_connections), CASE(one_connection_is_enough),
          CASE(a_connection_cut_at_any_tenth_costs_nothing_but_another), CASE(a_pull_that_failed_goes_on_where_it_was),
          CASE(a_beginning_of_another_file_is_thrown_away), CASE(bytes_that_are_not_those_promised_are_not_kept),
          CASE(a_blob_of_the_wrong_size_is_read_again), CASE(a_hub_that_refuses_says_why),
          CASE(the_token_goes_to_the_hub_and_to_nobody_else), CASE(a_hub_in_trouble_is_asked_again),
          CASE(an_address_whose_signature_ran_out_is_asked_for_anew), CASE(a_store_without_ranges_is_read_in_one_go),
          CASE(a_store_that_stalls_is_asked_again), CASE(facts_that_do_not_fit_together_are_refused),
          CASE(names_that_lead_out_of_the_cache_end_the_pull), CASE(a_huge_listing_is_not_read),
          CASE(a_dry_run_says_what_would_come_and_takes_nothing), CASE(what_is_of_no_use_is_not_begun),
          CASE(a_full_disk_is_one_sentence_and_what_came_is_kept), CASE(two_pulls_at_once_do_not_spoil_each_other),
          CASE(options_without_sense_are_refused))
