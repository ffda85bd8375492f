/* http_test.c - the client against a server that does everything wrong that servers do. */
#define HTTP_SERVER_TLS
#define _GNU_SOURCE /* nftw */
#include "io/http.h"

#include "base/clock.h"
#include "io/http_answer.h"
#include "tests/check.h"
#include "tests/http_server.h"
#include "tests/scratch.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <time.h>

/* What the server does with its thing of SIZE bytes. */
static struct {
    size_t most;         /* bytes a connection sends, then it is cut; 0: all */
    int fails, status;   /* so many answers of that status first */
    const char *headers; /* of those */
    bool no_ranges, shifted, other_total, silent_range, longer_range;
    const char *etag, *second_etag; /* the second from the second answer on */
    int answers;
    int pause_ms;         /* for each byte */
    size_t extra, length; /* bytes behind the end; Content-Length, where it lies */
    const char *location;
} f;

enum {
    SIZE = 100000
};
static char thing[SIZE];

static void thing_part(http_request *q)
{
    char headers[500];
    bool part = q->range[0] && !f.no_ranges;
    pthread_mutex_lock(&q->server->lock);
    const char *etag = f.answers++ && f.second_etag ? f.second_etag : f.etag ? f.etag : "\"one\"";
    if (q->if_range[0] && strcmp(q->if_range, etag) != 0) part = false;
    pthread_mutex_unlock(&q->server->lock);
    size_t first = part ? q->first : 0, end = part && q->last < SIZE ? q->last + 1 : SIZE;
    int n = snprintf(headers, sizeof headers, "ETag: %s\r\n", etag);
    if (part && !f.silent_range)
        snprintf(headers + n, sizeof headers - (size_t)n, "Content-Range: bytes %zu-%zu/%d\r\n",
                 first + (f.shifted ? 10 : 0), end - 1 + (f.longer_range ? 5 : 0), f.other_total ? SIZE + 1 : SIZE);
    size_t size = end - first, send = f.most && f.most < size ? f.most : size;
    if (!http_head(q, part ? 206 : 200, headers, f.length ? f.length : size)) http_cut(q);
    if (q->head) return;
    for (size_t i = 0; f.pause_ms && i < send; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = f.pause_ms * 1000000L }, NULL);
        if (!http_send(q, thing + first + i, 1)) break;
    }
    if (f.pause_ms || !http_send(q, thing + first, send) || send < size) http_cut(q);
    if (f.extra) {
        static const char more[1000];
        http_send(q, more, f.extra);
        http_cut(q);
    }
}

static void answer(http_server *s, http_request *q)
{
    char location[2200];
    pthread_mutex_lock(&s->lock);
    bool failing = f.fails > 0;
    f.fails -= failing;
    pthread_mutex_unlock(&s->lock);
    if (failing && f.status == 0)
        http_cut(q);
    else if (failing)
        http_reply(q, f.status, f.headers ? f.headers : "", "no", 2);
    else if (strcmp(q->path, "/thing") == 0 || strcmp(q->path, "/other/thing") == 0)
        thing_part(q);
    else if (strcmp(q->path, "/away") == 0) {
        snprintf(location, sizeof location,
                 "Location: %s\r\nX-Linked-Etag: \"linked\"\r\nX-Linked-Size: 100000\r\nX-Repo-Commit: abc\r\n",
                 f.location);
        http_reply(q, 302, location, "over there", 10);
    } else if (strcmp(q->path, "/nohead") == 0 && q->head)
        http_reply(q, 501, "", "", 0);
    else if (strcmp(q->path, "/nohead") == 0)
        thing_part(q);
    else if (strcmp(q->path, "/endless") == 0) {
        http_send(q, "HTTP/1.1 200 OK\r\n", 17);
        for (int i = 0; i < 5000 && http_send(q, "X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 43); i++) {
        }
        http_cut(q);
    } else
        http_reply(q, 404, "X-Error-Code: EntryNotFound\r\nX-Error-Message: no\x1b[31m such\r\n", "no", 2);
}

static http_server server, second;

static void begin(void)
{
    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < SIZE; i++) thing[i] = (char)('a' + i * 7 % 26 + i / 1000 % 3);
    http_server_begin(&server, answer, NULL);
    http_server_begin(&second, answer, NULL);
}

static void end(void)
{
    http_server_end(&server);
    http_server_end(&second);
}

static char got[SIZE + 2000];
static size_t got_end;

static int take(void *owner, size_t at, const void *bytes, size_t n, tl_err *err)
{
    (void)owner, (void)err;
    CHECK(at <= got_end && at + n <= sizeof got);
    memcpy(got + at, bytes, n);
    got_end = at + n;
    return 0;
}

/* One request with a client of its own; waits are short. */
static int ask(tl_http_request *r, const char *token, int tries, tl_err *err)
{
    tl_http *h = NULL;
    tl_http_options o = tl_http_defaults();
    o.first_wait = 0.001;
    o.stall_seconds = 1;
    if (tries) o.tries = tries;
    o.token = token;
    o.origin = http_url(&server, "");
    TL_TRY(tl_http_create(&h, &o, err));
    r->take = take;
    memset(got, 0, sizeof got);
    got_end = r->count ? r->first : 0;
    int rc = tl_http_perform(h, r, err);
    tl_http_free(h);
    return rc;
}

static int ask_part(size_t first, size_t count, tl_http_request *r, tl_err *err)
{
    *r = (tl_http_request){ .url = http_url(&server, "/thing"), .first = first, .count = count, .total = SIZE };
    return ask(r, NULL, 0, err);
}

TEST(all_of_a_thing_and_a_part_of_it_are_read)
{
    tl_err err;
    tl_http_request r = { .url = NULL };
    begin();
    r = (tl_http_request){ .url = http_url(&server, "/thing"), .limit = SIZE };
    CHECK_OK(ask(&r, NULL, 0, &err), err);
    CHECK(got_end == SIZE && memcmp(got, thing, SIZE) == 0);
    CHECK_STR(r.answer.etag, "\"one\"");
    CHECK_INT(r.answer.content_length, SIZE);
    CHECK_OK(ask_part(0, SIZE, &r, &err), err);
    CHECK(got_end == SIZE && memcmp(got, thing, SIZE) == 0);
    CHECK_OK(ask_part(1234, 4321, &r, &err), err);
    CHECK(got_end == 1234 + 4321 && memcmp(got + 1234, thing + 1234, 4321) == 0);
    CHECK_STR(server.log[2].range, "bytes=1234-5554");
    CHECK_INT(server.log[1].range[0], 0); /* all of it in one answer needs no range */
    end();
}

TEST(a_body_cut_at_any_tenth_is_gone_on_with)
{
    tl_err err;
    tl_http_request r;
    begin();
    for (size_t tenth = 1; tenth < 10; tenth++) {
        f.most = SIZE / 10 * tenth;
        int before = server.n_log;
        CHECK_OK(ask_part(0, SIZE, &r, &err), err);
        CHECK(got_end == SIZE && memcmp(got, thing, SIZE) == 0);
        CHECK_INT(server.n_log - before, (10 + tenth - 1) / tenth);
        CHECK_STR(server.log[before + 1].if_range, "\"one\"");
    }
    end();
}

TEST(a_server_that_gives_nothing_is_given_up_after_five_tries)
{
    tl_err err;
    tl_http_request r;
    begin();
    f.most = 1; /* a byte a connection is no progress */
    CHECK_INT(ask_part(0, SIZE, &r, &err), TL_EIO);
    CHECK_HAS(err.text, "5 of 100000 bytes were there; tried 5 times");
    CHECK_INT(server.n_log, 5);
    f.fails = 100; /* cut before a word */
    CHECK_INT(ask_part(0, SIZE, &r, &err), TL_EIO);
    CHECK_HAS(err.text, "/thing: ");
    CHECK_INT(server.n_log, 10);
    end();
}

TEST(a_server_in_trouble_is_asked_again)
{
    tl_err err;
    tl_http_request r;
    begin();
    static const int passing[] = { 408, 429, 500, 502, 503, 504 };
    for (int i = 0; i < 6; i++) {
        f.fails = 2;
        f.status = passing[i];
        CHECK_OK(ask_part(0, SIZE, &r, &err), err);
        CHECK(got_end == SIZE && memcmp(got, thing, SIZE) == 0);
    }
    f.fails = 5;
    f.status = 500;
    CHECK_INT(ask_part(0, SIZE, &r, &err), TL_EIO);
    CHECK_HAS(err.text, "answered 500 Internal Server Error; tried 5 times");
    CHECK_INT(r.answer.status, 500);
    end();
}

TEST(a_server_that_asks_to_wait_is_waited_for_and_not_for_ever)
{
    tl_err err;
    tl_http_request r;
    begin();
    f.fails = 1;
    f.status = 429;
    f.headers = "Retry-After: 1\r\n";
    double before = tl_seconds();
    CHECK_OK(ask_part(0, SIZE, &r, &err), err);
    CHECK(tl_seconds() - before >= 1);
    f.fails = 1;
    f.headers = "Retry-After: 3600\r\n";
    before = tl_seconds();
    CHECK_INT(ask_part(0, SIZE, &r, &err), TL_EIO);
    CHECK_HAS(err.text, "answered 429 Too Many Requests, and asks to come back in 3600 seconds");
    CHECK(tl_seconds() - before < 1);
    end();
}

TEST(a_refusal_is_not_asked_again)
{
    tl_err err;
    begin();
    static const int final[] = { 400, 401, 403, 404, 410, 416, 451, 204, 999 };
    for (int i = 0; i < 9; i++) {
        tl_http_request r;
        int before = server.n_log;
        f.fails = 1;
        f.status = final[i];
        f.headers = final[i] == 404 ? "X-Error-Code: EntryNotFound\r\nX-Error-Message: a\x1b[31mb\r\n" : "";
        CHECK_INT(ask_part(0, SIZE, &r, &err), TL_EIO);
        CHECK_INT(r.answer.status, final[i]);
        CHECK_INT(server.n_log, before + 1);
        if (final[i] != 404) continue;
        CHECK_HAS(err.text, "/thing: answered 404 Not Found");
        CHECK_STR(r.answer.error_code, "EntryNotFound");
        CHECK_STR(r.answer.error_message, "a?[31mb");
    }
    end();
}

TEST(the_token_goes_to_its_origin_alone)
{
    tl_err err;
    begin();
    f.location = http_url(&second, "/thing");
    tl_http_request r = { .url = http_url(&server, "/away"), .count = SIZE, .total = SIZE };
    CHECK_OK(ask(&r, "secret", 0, &err), err);
    CHECK(got_end == SIZE && memcmp(got, thing, SIZE) == 0);
    CHECK_STR(server.log[0].authorization, "Bearer secret");
    CHECK_INT(second.n_log, 1);
    CHECK_STR(second.log[0].authorization, "");
    /* Within the origin it goes along. */
    f.location = "/thing";
    r = (tl_http_request){ .url = http_url(&server, "/away"), .count = SIZE, .total = SIZE };
    CHECK_OK(ask(&r, "secret", 0, &err), err);
    CHECK_STR(server.log[2].path, "/thing");
    CHECK_STR(server.log[2].authorization, "Bearer secret");
    /* Another name of the same machine is another host. */
    char other[100];
    snprintf(other, sizeof other, "http://localhost:%d/thing", server.port);
    f.location = other;
    r = (tl_http_request){ .url = http_url(&server, "/away"), .count = SIZE, .total = SIZE };
    CHECK_OK(ask(&r, "secret", 0, &err), err);
    CHECK_STR(server.log[4].authorization, "");
    /* A token of two lines would be a header of its own. */
    r = (tl_http_request){ .url = http_url(&server, "/thing"), .limit = SIZE };
    CHECK_INT(ask(&r, "secret\r\nX-Evil: 1", 0, &err), TL_EUSAGE);
    CHECK_INT(server.n_log, 5);
    end();
}

TEST(redirects_are_bounded_and_go_to_the_web_alone)
{
    tl_err err;
    begin();
    static const struct {
        const char *location, *says;
    } rows[] = { { "/away", "redirects on and on, 10 times are followed" },
                 { "ftp://127.0.0.1/thing", "only http and https" },
                 { "file:///etc/passwd", "only http and https" },
                 { "gopher://127.0.0.1:70/_x", "only http and https" },
                 { "http://user:pw@127.0.0.1/", "a user's name" },
                 { "http://", "redirect" } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tl_http_request r = { .url = http_url(&server, "/away"), .limit = SIZE };
        f.location = rows[i].location;
        CHECK_INT(ask(&r, NULL, 0, &err), TL_EDATA);
        CHECK_HAS(err.text, rows[i].says);
        CHECK(!strstr(err.text, "pw@"));
    }
    end();
}

TEST(a_head_stops_at_the_redirect_to_another_origin)
{
    tl_err err;
    begin();
    f.location = http_url(&second, "/thing");
    tl_http_request r = { .url = http_url(&server, "/away"), .head = true };
    CHECK_OK(ask(&r, "secret", 0, &err), err);
    CHECK(r.answer.elsewhere);
    CHECK_STR(r.answer.linked_etag, "\"linked\"");
    CHECK_STR(r.answer.linked_size, "100000");
    CHECK_STR(r.answer.commit, "abc");
    CHECK_INT(second.n_log, 0);
    /* One that stays is followed; what stood on the way is kept. */
    f.location = "/thing";
    r = (tl_http_request){ .url = http_url(&server, "/away"), .head = true };
    CHECK_OK(ask(&r, "secret", 0, &err), err);
    CHECK(!r.answer.elsewhere);
    CHECK_STR(r.answer.linked_etag, "\"linked\"");
    CHECK_STR(r.answer.etag, "\"one\"");
    CHECK_INT(r.answer.content_length, SIZE);
    /* A server without HEAD is asked by GET, and its body left alone. */
    r = (tl_http_request){ .url = http_url(&server, "/nohead"), .head = true };
    CHECK_OK(ask(&r, NULL, 0, &err), err);
    CHECK_STR(r.answer.etag, "\"one\"");
    CHECK_INT(r.answer.content_length, SIZE);
    CHECK_INT(got_end, 0);
    end();
}

TEST(an_answer_with_other_bytes_than_asked_for_is_refused)
{
    tl_err err;
    tl_http_request r;
    begin();
    f.shifted = true;
    CHECK_INT(ask_part(500, 100, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "other bytes than those asked for, 500 to 599 of 100000");
    f.shifted = false;
    f.other_total = true;
    CHECK_INT(ask_part(500, 100, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "other bytes");
    f.other_total = false;
    f.silent_range = true;
    CHECK_INT(ask_part(500, 100, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "Content-Range is missing");
    f.silent_range = false;
    f.longer_range = true;
    CHECK_INT(ask_part(500, 100, &r, &err), TL_EDATA);
    f.longer_range = false;
    f.length = 50;
    CHECK_INT(ask_part(500, 100, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "Content-Length is 50, Content-Range has 100");
    f.length = SIZE + 1;
    CHECK_INT(ask_part(0, SIZE, &r, &err), TL_EDATA);
    CHECK_HAS(err.text, "has 100001 bytes, wanted are the 100000");
    CHECK_INT(got_end, 0);
    end();
}

TEST(a_server_without_ranges_is_said_to_have_none_and_can_still_be_read_to_its_end)
{
    tl_err err;
    tl_http_request r;
    begin();
    f.no_ranges = true;
    CHECK_INT(ask_part(0, 1000, &r, &err), TL_EUNSUPPORTED);
    CHECK(r.answer.no_ranges);
    CHECK_INT(got_end, 0);
    CHECK_OK(ask_part(70000, SIZE - 70000, &r, &err), err); /* the first 70,000 are dropped */
    CHECK(got_end == SIZE && memcmp(got + 70000, thing + 70000, SIZE - 70000) == 0);
    end();
}

TEST(a_thing_that_changes_under_way_is_noticed)
{
    tl_err err;
    tl_http_request r;
    begin();
    f.most = 40000;
    f.second_etag = "\"two\"";
    CHECK_INT(ask_part(0, SIZE, &r, &err), TL_EDATA);
    CHECK(r.answer.changed);
    CHECK_HAS(err.text, "changed while it was read: its ETag was \"one\" and is \"two\"");
    /* Weak ones say nothing about bytes. */
    f.answers = 0;
    f.etag = "W/\"one\"";
    f.second_etag = "W/\"two\"";
    CHECK_OK(ask_part(0, SIZE, &r, &err), err);
    CHECK(memcmp(got, thing, SIZE) == 0);
    end();
}

TEST(a_body_longer_than_it_may_be_is_refused)
{
    tl_err err;
    begin();
    tl_http_request r = { .url = http_url(&server, "/thing"), .limit = SIZE - 1 };
    CHECK_INT(ask(&r, NULL, 0, &err), TL_EDATA);
    CHECK_HAS(err.text, "has 100000 bytes, at most 99999 are taken");
    CHECK_INT(got_end, 0);
    r = (tl_http_request){ .url = http_url(&server, "/endless"), .limit = SIZE };
    CHECK_INT(ask(&r, NULL, 0, &err), TL_EDATA);
    CHECK_HAS(err.text, "headers without an end");
    end();
}

TEST(a_stalled_connection_is_not_waited_for)
{
    tl_err err;
    begin();
    f.pause_ms = 50; /* twenty bytes a second */
    double before = tl_seconds();
    tl_http_request r = { .url = http_url(&server, "/thing"), .count = SIZE, .total = SIZE };
    CHECK_INT(ask(&r, NULL, 1, &err), TL_EIO);
    CHECK_HAS(err.text, " bytes came in 1 seconds, ");
    CHECK(tl_seconds() - before < 4);
    end();
}

TEST(nobody_there_is_said_at_once)
{
    tl_err err;
    begin();
    end(); /* the ports are free again */
    double before = tl_seconds();
    tl_http_request r = { .url = http_url(&server, "/thing"), .limit = SIZE };
    CHECK_INT(ask(&r, NULL, 0, &err), TL_EIO);
    CHECK_HAS(err.text, "connect");
    CHECK(tl_seconds() - before < 1);
    r = (tl_http_request){ .url = "nonsense://x", .limit = SIZE };
    CHECK_INT(ask(&r, NULL, 0, &err), TL_EDATA);
}

TEST(several_requests_run_at_once_and_one_can_be_stopped)
{
    tl_err err;
    tl_http *h = NULL;
    tl_http_options o = tl_http_defaults();
    begin();
    CHECK_OK(tl_http_create(&h, &o, &err), err);
    tl_http_request r[4], stopped = { .url = http_url(&server, "/thing"), .head = true };
    const char *url = http_url(&server, "/thing");
    for (int i = 0; i < 4; i++) {
        r[i] = (tl_http_request){ .url = url, .head = true };
        CHECK_OK(tl_http_start(h, &r[i], &err), err);
    }
    CHECK_OK(tl_http_start(h, &stopped, &err), err);
    tl_http_stop(h, &stopped);
    for (int busy = 4; busy;) {
        tl_http_request *done = NULL;
        CHECK_OK(tl_http_step(h, &done, &err), err);
        if (!done) continue;
        CHECK(done != &stopped);
        CHECK_OK(done->rc, done->err);
        busy--;
    }
    tl_http_free(h);
    end();
}

/* ---- TLS ---- */

/* A certificate that nobody signed, for 127.0.0.1, and its key; written to path too. */
static SSL_CTX *own_certificate(const char *path)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    CHECK(tls && key && x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_EXTENSION *name = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(x, name, -1);
    X509_EXTENSION_free(name);
    CHECK(X509_sign(x, key, EVP_sha256()) > 0);
    CHECK(SSL_CTX_use_certificate(tls, x) == 1 && SSL_CTX_use_PrivateKey(tls, key) == 1);
    BIO *file = BIO_new_file(path, "w");
    CHECK(file && PEM_write_bio_X509(file, x) == 1);
    BIO_free(file);
    X509_free(x);
    EVP_PKEY_free(key);
    return tls;
}

TEST(a_certificate_that_nobody_vouches_for_is_refused)
{
    tl_err err;
    scratch_begin();
    begin();
    signal(SIGPIPE, SIG_IGN); /* of the server's SSL_write */
    server.tls = own_certificate(scratch("ca.pem"));
    unsetenv("SSL_CERT_FILE");
    tl_http_request r = { .url = http_url(&server, "/thing"), .limit = SIZE };
    CHECK_INT(ask(&r, "secret", 0, &err), TL_EIO);
    CHECK_HAS(err.text, "certificate");
    CHECK_INT(server.n_log, 0);
    /* Vouched for, it is taken; but not for another name. */
    setenv("SSL_CERT_FILE", scratch("ca.pem"), 1);
    CHECK_OK(ask(&r, "secret", 0, &err), err);
    CHECK(got_end == SIZE && memcmp(got, thing, SIZE) == 0);
    char other[100];
    snprintf(other, sizeof other, "https://localhost:%d/thing", server.port);
    r = (tl_http_request){ .url = other, .limit = SIZE };
    CHECK_INT(ask(&r, "secret", 0, &err), TL_EIO);
    CHECK_INT(server.n_log, 1);
    /* And from there no redirect leads to where everybody can read along. */
    f.location = http_url(&second, "/thing");
    r = (tl_http_request){ .url = http_url(&server, "/away"), .limit = SIZE };
    CHECK_INT(ask(&r, "secret", 0, &err), TL_EDATA);
    CHECK_HAS(err.text, "which is not encrypted");
    CHECK_INT(second.n_log, 0);
    setenv("SSL_CERT_FILE", scratch("none.pem"), 1);
    r = (tl_http_request){ .url = http_url(&server, "/thing"), .limit = SIZE };
    CHECK_INT(ask(&r, "secret", 0, &err), TL_EIO);
    unsetenv("SSL_CERT_FILE");
    SSL_CTX *tls = server.tls;
    end();
    SSL_CTX_free(tls);
    scratch_end();
}

/* ---- the pieces ---- */

TEST(sizes_are_digits_that_fit)
{
    size_t n = 7;
    CHECK(tl_head_size(&n, "0") && n == 0);
    CHECK(tl_head_size(&n, "9223372036854775807") && n == 9223372036854775807u);
    static const char *const bad[] = { "",
                                       "-1",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "0x10",
                                       "1e3",
                                       "9223372036854775808",
                                       "18446744073709551616",
                                       "99999999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!tl_head_size(&n, bad[i]));
}

TEST(texts_become_parts_of_addresses_and_addresses_are_shown_without_their_secrets)
{
    tl_err err;
    tl_buf b = tl_buf_make(1000);
    CHECK_OK(tl_http_escape(&b, "a b/c%?#\xc3\xa9~-._", true, &err), err);
    CHECK_STR(b.data, "a%20b/c%25%3F%23%C3%A9~-._");
    tl_buf_clear(&b);
    CHECK_OK(tl_http_escape(&b, "refs/pr/1", false, &err), err);
    CHECK_STR(b.data, "refs%2Fpr%2F1");
    tl_buf_reset(&b);
    char shown[200], long_url[500];
    tl_http_shown(shown, "https://cdn/x?signature=secret");
    CHECK_STR(shown, "https://cdn/x");
    memset(long_url, 'a', sizeof long_url);
    long_url[499] = '\0';
    tl_http_shown(shown, long_url);
    CHECK_INT(strlen(shown), 199);
    CHECK_OK(tl_http_url_check("https://hub.example/base", &err), err);
    CHECK_INT(tl_http_url_check("hub.example", &err), TL_EDATA);
}

RUN_TESTS(CASE(all_of_a_thing_and_a_part_of_it_are_read), CASE(a_body_cut_at_any_tenth_is_gone_on_with),
          CASE(a_server_that_gives_nothing_is_given_up_after_five_tries), CASE(a_server_in_trouble_is_asked_again),
          CASE(a_server_that_asks_to_wait_is_waited_for_and_not_for_ever), CASE(a_refusal_is_not_asked_again),
          CASE(the_token_goes_to_its_origin_alone), CASE(redirects_are_bounded_and_go_to_the_web_alone),
          CASE(a_head_stops_at_the_redirect_to_another_origin),
          CASE(an_answer_with_other_bytes_than_asked_for_is_refused),
          CASE(a_server_without_ranges_is_said_to_have_none_and_can_still_be_read_to_its_end),
          CASE(a_thing_that_changes_under_way_is_noticed), CASE(a_body_longer_than_it_may_be_is_refused),
          CASE(a_stalled_connection_is_not_waited_for), CASE(nobody_there_is_said_at_once),
          CASE(several_requests_run_at_once_and_one_can_be_stopped),
          CASE(a_certificate_that_nobody_vouches_for_is_refused), CASE(sizes_are_digits_that_fit),
          CASE(texts_become_parts_of_addresses_and_addresses_are_shown_without_their_secrets))
