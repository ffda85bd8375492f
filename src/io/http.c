/* http.c - libcurl's multi interface, one transfer a request; redirects, ranges and second tries are decided here.
 *
 * libcurl could follow redirects itself.  It is told not to: which hop gets the token, which address may be followed
 * and what an answer is worth are then questions with one place each (launch, follow, begin_body). */
#include "io/http.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "io/http_answer.h"
#include "io/http_curl.h"
#include "io/http_url.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOW_BYTES = 1000,      /* a second: below this a connection is stalled */
    PROGRESS = 64 << 10,    /* bytes that make a try worth another */
    DROPPED_MAX = 64 << 10, /* bytes read of a body that nobody wants, so that its connection can be used again */
    STEP_MS = 100
};

typedef struct transfer {
    tl_http *client;
    tl_http_request *r;
    CURL *easy;               /* owned */
    struct curl_slist *lines; /* owned: the request's headers */
    char *hop;                /* owned: the address of this hop */
    tl_origin origin;         /* of it */
    bool running;             /* in the multi handle */
    bool done;
    bool by_get;  /* the server knows no HEAD: a GET that is cut behind its headers */
    bool enough;  /* we ended it ourselves, and have what we want */
    bool refused; /* we ended it ourselves, with the sentence in r->err */
    double wake;  /* when the next try begins */
    int redirects, failures;
    size_t at;           /* the next byte of the thing for take */
    size_t credited;     /* at, when a try was last found worth another */
    size_t skip;         /* bytes of this body in front of at */
    size_t end;          /* of this body's bytes, exclusive */
    size_t dropped;      /* bytes of a body that nobody wants */
    double since;        /* when this try was last found to move */
    size_t moved;        /* bytes that came since then, of head and body */
    char validator[200]; /* a strong ETag of the thing, from an earlier try; "" */
    tl_head head;
    char said[CURL_ERROR_SIZE];
    struct transfer *next;
} transfer;

struct tl_http {
    const tl_curl *c;
    tl_http_options o;
    CURLM *multi;
    char *authorization; /* owned: the header's line; NULL without a token */
    char *ca_file;       /* owned; NULL: the system's */
    tl_origin origin;
    transfer *transfers;
    bool answered; /* somebody did, so the network is there: a failed connection is worth another try */
};

tl_http_options tl_http_defaults(void)
{
    return (tl_http_options){ .stall_seconds = 30, .tries = 5, .redirects = 10, .first_wait = 1, .longest_wait = 120 };
}

/* A token goes into a header's line as it is, so it must be one word. */
static int set_token(tl_http *h, tl_err *err)
{
    for (const char *p = h->o.token; *p; p++)
        if (*p <= ' ' || *p > '~')
            return tl_fail(err, TL_EUSAGE, "the token holds a byte that no token has (0x%02x)", (unsigned char)*p);
    static const char before[] = "Authorization: Bearer ";
    size_t size = sizeof before + strlen(h->o.token);
    h->authorization = malloc(size);
    if (!h->authorization) return tl_fail(err, TL_ENOMEM, "no memory for the token");
    snprintf(h->authorization, size, "%s%s", before, h->o.token);
    return tl_origin_of(&h->origin, h->c, h->o.origin, err);
}

int tl_http_create(tl_http **out, const tl_http_options *o, tl_err *err)
{
    tl_http *h = calloc(1, sizeof *h);
    if (!h) return tl_fail(err, TL_ENOMEM, "no memory for a connection");
    h->o = *o;
    int rc = tl_curl_load(&h->c, err);
    if (rc < 0) goto done;
    if (o->token && o->origin) rc = set_token(h, err);
    if (rc < 0) goto done;
    const char *ca = getenv("SSL_CERT_FILE");
    if (ca && *ca) h->ca_file = strdup(ca);
    h->multi = h->c->multi_init();
    if (!h->multi || (ca && *ca && !h->ca_file)) {
        rc = tl_fail(err, TL_ENOMEM, "no memory for a connection");
        goto done;
    }
    *out = h;
    h = NULL;
done:
    tl_http_free(h);
    return rc;
}

static void halt(transfer *t)
{
    if (t->running) t->client->c->multi_remove_handle(t->client->multi, t->easy);
    t->running = false;
}

static void transfer_free(transfer *t)
{
    if (!t) return;
    const tl_curl *c = t->client->c;
    halt(t);
    if (t->easy) c->easy_cleanup(t->easy);
    c->slist_free_all(t->lines);
    free(t->hop);
    free(t);
}

void tl_http_free(tl_http *h)
{
    if (!h) return;
    while (h->transfers) tl_http_stop(h, h->transfers->r);
    if (h->multi) h->c->multi_cleanup(h->multi);
    free(h->authorization);
    free(h->ca_file);
    free(h);
}

void tl_http_stop(tl_http *h, tl_http_request *r)
{
    for (transfer **p = &h->transfers; *p; p = &(*p)->next) {
        if ((*p)->r != r) continue;
        transfer *t = *p;
        *p = t->next;
        r->answer.url = NULL;
        transfer_free(t);
        return;
    }
}

/* ---- what libcurl calls ---- */

/* Put a sentence about the request into its err; it ends with it. */
#define REFUSE(t, code, ...) (tl_fail(&(t)->r->err, code, __VA_ARGS__), refuse(t, code))

static size_t refuse(transfer *t, int code)
{
    char shown[200];
    tl_http_shown(shown, t->hop);
    tl_fail_in(&t->r->err, "%s", shown);
    t->r->rc = code;
    t->refused = true;
    return 0; /* so that a callback of libcurl's may return it: the transfer ends */
}

/* The head of a body that is wanted is whole: which bytes of the thing does it bring?  False: refused. */
static bool begin_body(transfer *t)
{
    tl_http_request *r = t->r;
    tl_http_answer *a = &r->answer;
    size_t until = r->first + r->count, length = a->content_length < 0 ? 0 : (size_t)a->content_length;
    t->skip = 0;
    if (t->at > r->first && tl_etags_differ(a->etag, t->validator)) {
        a->changed = true;
        return REFUSE(t, TL_EDATA, "changed while it was read: its ETag was %s and is %s", t->validator, a->etag);
    }
    if (a->etag[0] == '"') memcpy(t->validator, a->etag, sizeof t->validator);
    if (r->count == 0) {
        if (a->status != 200) return REFUSE(t, TL_EDATA, "answered %d to a request for all of it", a->status);
        t->end = r->limit;
        return length <= r->limit || REFUSE(t, TL_EDATA, "has %zu bytes, at most %zu are taken", length, r->limit);
    }
    if (a->status == 200) {
        if (a->content_length >= 0 && length != r->total)
            return REFUSE(t, TL_EDATA, "has %zu bytes, wanted are the %zu it was said to have", length, r->total);
        a->no_ranges = until < r->total;
        if (a->no_ranges) return REFUSE(t, TL_EUNSUPPORTED, "sends all of it where a part was asked for");
        t->skip = t->at;
        t->end = r->total;
        return true;
    }
    const tl_head *h = &t->head;
    if (!h->range_good || h->range_first != t->at || h->range_last >= until ||
        (h->range_total_said && h->range_total != r->total))
        return REFUSE(t, TL_EDATA,
                      "answered with other bytes than those asked for, %zu to %zu of %zu: its Content-Range %s", t->at,
                      until - 1, r->total, h->range_said ? "says so" : "is missing");
    t->end = h->range_last + 1;
    return a->content_length < 0 || length == t->end - t->at ||
           REFUSE(t, TL_EDATA, "contradicts itself: Content-Length is %zu, Content-Range has %zu bytes", length,
                  t->end - t->at);
}

static bool wanted(const transfer *t)
{
    return !t->r->head && (t->r->answer.status == 200 || t->r->answer.status == 206);
}

static size_t on_head(char *bytes, size_t one, size_t n, void *owner)
{
    transfer *t = owner;
    size_t size = one * n;
    bool before = t->head.whole;
    t->moved += size;
    if (!tl_head_line(&t->head, bytes, size)) return REFUSE(t, TL_EDATA, "sends headers without an end");
    if (before || !t->head.whole) return size;
    if (wanted(t) && !begin_body(t)) return 0;
    if (t->by_get && !t->head.redirects) {
        t->enough = true;
        return 0;
    }
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *owner)
{
    transfer *t = owner;
    tl_http_request *r = t->r;
    size_t size = one * n, given = size;
    t->moved += size;
    if (!wanted(t)) {
        t->dropped += size;
        t->enough = t->dropped > DROPPED_MAX;
        return t->enough ? 0 : size;
    }
    if (t->skip) {
        size_t drop = size < t->skip ? size : t->skip;
        t->skip -= drop;
        bytes += drop;
        size -= drop;
    }
    if (size > t->end - t->at) return REFUSE(t, TL_EDATA, "sends more than the %zu bytes it may", t->end);
    if (size == 0) return given;
    r->answer.url = t->hop;
    int rc = r->take(r->owner, t->at, bytes, size, &r->err);
    if (rc < 0) {
        r->rc = rc; /* the sentence is take's own, and not about the server */
        t->refused = true;
        return 0;
    }
    t->at += size;
    return given;
}

/* ---- tries ---- */

static int add_line(transfer *t, const char *line, tl_err *err)
{
    struct curl_slist *more = t->client->c->slist_append(t->lines, line);
    if (!more) return tl_fail(err, TL_ENOMEM, "no memory for a request");
    t->lines = more;
    return 0;
}

static int request_lines(transfer *t, tl_err *err)
{
    const tl_http *h = t->client;
    const tl_http_request *r = t->r;
    char line[300];
    h->c->slist_free_all(t->lines);
    t->lines = NULL;
    TL_TRY(add_line(t, "Accept-Encoding: identity", err));
    if (h->authorization && tl_origin_same(&t->origin, &h->origin)) TL_TRY(add_line(t, h->authorization, err));
    if (r->count == 0 || (t->at == 0 && r->count == r->total)) return 0;
    snprintf(line, sizeof line, "Range: bytes=%zu-%zu", t->at, r->first + r->count - 1);
    TL_TRY(add_line(t, line, err));
    if (t->at > r->first && t->validator[0]) {
        snprintf(line, sizeof line, "If-Range: %s", t->validator);
        TL_TRY(add_line(t, line, err));
    }
    return 0;
}

/* Ask for t->hop. */
static int launch(transfer *t, tl_err *err)
{
    const tl_http *h = t->client;
    const tl_curl *c = h->c;
    int rc = tl_origin_of(&t->origin, c, t->hop, &t->r->err);
    if (rc < 0) { /* a redirect to such an address was refused before: it is the caller's */
        t->r->rc = rc;
        t->done = true;
        return 0;
    }
    TL_TRY(request_lines(t, err));
    if (t->r->count == 0) t->at = 0;
    t->enough = t->refused = false;
    t->dropped = 0;
    t->said[0] = '\0';
    t->head.bytes = 0;
    tl_head_begin(&t->head, &t->r->answer);
    c->easy_reset(t->easy);
    bool bad = false;
#define SET(option, value) bad |= c->easy_setopt(t->easy, option, value) != CURLE_OK
    SET(CURLOPT_URL, t->hop);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->said);
    SET(CURLOPT_HTTPHEADER, t->lines);
    SET(CURLOPT_USERAGENT, "tailor");
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    /* One connection for each request at a time: over HTTP/2 the parts of a file would share one. */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (h->ca_file) SET(CURLOPT_CAINFO, h->ca_file);
    SET(CURLOPT_CONNECTTIMEOUT, (long)h->o.stall_seconds);
    SET(CURLOPT_BUFFERSIZE, 256L << 10);
    if (t->r->head && !t->by_get) SET(CURLOPT_NOBODY, 1L);
#undef SET
    if (bad)
        return tl_fail(err, TL_EUNSUPPORTED, "libcurl lacks an option, or memory is short; wanted is 7.85 or later");
    CURLMcode code = c->multi_add_handle(h->multi, t->easy);
    if (code != CURLM_OK) return tl_fail(err, TL_ENOMEM, "a request cannot begin: %s", c->multi_strerror(code));
    t->running = true;
    t->since = tl_seconds();
    t->moved = 0;
    return 0;
}

static int set_hop(transfer *t, const char *url, tl_err *err)
{
    char *copy = strdup(url);
    if (!copy) return tl_fail(err, TL_ENOMEM, "no memory for an address");
    free(t->hop);
    t->hop = copy;
    return 0;
}

int tl_http_start(tl_http *h, tl_http_request *r, tl_err *err)
{
    assert(r->head || r->take);
    assert(r->count == 0 || (r->first <= r->total && r->count <= r->total - r->first));
    r->rc = 0;
    r->err = (tl_err){ 0 };
    r->answer = (tl_http_answer){ .content_length = -1 };
    transfer *t = calloc(1, sizeof *t);
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for a request");
    t->client = h;
    t->r = r;
    t->at = t->credited = r->first;
    t->easy = h->c->easy_init();
    int rc = t->easy ? set_hop(t, r->url, err) : tl_fail(err, TL_ENOMEM, "no memory for a request");
    if (rc < 0) {
        transfer_free(t);
        return rc;
    }
    t->next = h->transfers;
    h->transfers = t;
    return 0; /* the next step launches it */
}

static void fail(transfer *t, int code, const char *why)
{
    char shown[200];
    tl_http_shown(shown, t->hop);
    t->r->rc = tl_fail(&t->r->err, code, "%s: %s", shown, why);
    t->done = true;
}

/* Try again later, or not at all. */
static int again(transfer *t, const char *why, double asked, tl_err *err)
{
    const tl_http_options *o = &t->client->o;
    char text[500];
    size_t some = t->r->count / 16 < PROGRESS ? t->r->count / 16 : PROGRESS;
    if (t->r->count && t->at > t->credited && t->at - t->credited >= some) {
        t->credited = t->at;
        t->failures = 0;
    }
    t->failures++;
    if (t->failures >= o->tries) {
        snprintf(text, sizeof text, "%s; tried %d times", why, t->failures);
        fail(t, TL_EIO, text);
        return 0;
    }
    double wait = o->first_wait * (double)(1 << (t->failures < 10 ? t->failures - 1 : 9));
    if (asked > wait) wait = asked;
    if (wait > o->longest_wait) {
        snprintf(text, sizeof text, "%s, and asks to come back in %.0f seconds", why, wait);
        fail(t, TL_EIO, text);
        return 0;
    }
    if (o->note && wait >= 2) {
        snprintf(text, sizeof text, "%s; trying again in %.0f s", why, wait);
        o->note(o->note_owner, text);
    }
    t->wake = tl_seconds() + wait;
    t->redirects = 0;
    return set_hop(t, t->r->url, err);
}

/* The answer is a redirect: on to its address, now. */
static int follow(transfer *t, tl_err *err)
{
    const tl_http *h = t->client;
    char *next = NULL, shown[200], text[300];
    tl_origin to;
    h->c->easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &next);
    if (!next) {
        fail(t, TL_EDATA, "redirects, and not where to");
        return 0;
    }
    tl_http_shown(shown, next);
    if (tl_origin_of(&to, h->c, next, &t->r->err) < 0) {
        t->r->rc = tl_fail_in(&t->r->err, "a redirect goes where it may not");
        t->done = true;
        return 0;
    }
    if (t->origin.https && !to.https) {
        snprintf(text, sizeof text, "redirects from https to %s, which is not encrypted", shown);
        fail(t, TL_EDATA, text);
        return 0;
    }
    if (t->r->head && !tl_origin_same(&t->origin, &to)) {
        t->r->answer.elsewhere = true;
        t->done = true;
        return 0;
    }
    if (++t->redirects > h->o.redirects) {
        snprintf(text, sizeof text, "redirects on and on, %d times are followed", h->o.redirects);
        fail(t, TL_EDATA, text);
        return 0;
    }
    t->wake = 0;
    return set_hop(t, next, err);
}

/* Whether what libcurl reports is worth another try. */
static bool passing(const tl_http *h, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return h->answered;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
        return true;
    default:
        return false;
    }
}

/* How far a body came that was cut. */
static void cut_text(const transfer *t, const char *why, char text[400])
{
    if (t->r->count && t->at > t->r->first)
        snprintf(text, 400, "%s, %zu of %zu bytes were there", why, t->at - t->r->first, t->r->count);
    else
        snprintf(text, 400, "%s", why);
}

/* One try is over. */
static int finish(transfer *t, CURLcode code, tl_err *err)
{
    tl_http *h = t->client;
    tl_http_request *r = t->r;
    int status = r->answer.status;
    char text[400], why[300];
    halt(t);
    if (t->refused) {
        t->done = true;
        return 0;
    }
    if (t->enough) code = CURLE_OK;
    if (code == CURLE_OUT_OF_MEMORY) return tl_fail(err, TL_ENOMEM, "no memory for a download");
    if (code != CURLE_OK) {
        snprintf(why, sizeof why, "%s", t->said[0] ? t->said : h->c->easy_strerror(code));
        for (char *p = why; *p; p++)
            if (*p < ' ' || *p > '~') *p = ' ';
        cut_text(t, why, text);
        if (passing(h, code)) return again(t, text, 0, err);
        fail(t, TL_EIO, text);
        return 0;
    }
    h->answered = true;
    if (t->head.redirects) return follow(t, err);
    if (r->head && !t->by_get && (status == 405 || status == 501)) {
        t->by_get = true;
        t->wake = 0;
        return 0;
    }
    if (wanted(t)) {
        if (r->count && t->at < r->first + r->count) { /* a shorter range than asked for, or a body without its end */
            cut_text(t, "the body ended early", text);
            return again(t, text, 0, err);
        }
        t->done = true;
        return 0;
    }
    if (r->head && (status == 200 || status == 206)) {
        t->done = true;
        return 0;
    }
    snprintf(text, sizeof text, "answered %d%s%s", status, *tl_status_name(status) ? " " : "", tl_status_name(status));
    if (status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504)) {
        curl_off_t asked = 0;
        h->c->easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &asked);
        return again(t, text, (double)asked, err);
    }
    fail(t, TL_EIO, text);
    return 0;
}

/* Every transfer that waits and need not any more; *next is how many milliseconds until another. */
static int launch_due(tl_http *h, int *next, tl_err *err)
{
    double now = tl_seconds();
    for (transfer *t = h->transfers; t; t = t->next) {
        if (t->running || t->done) continue;
        if (t->wake <= now) {
            TL_TRY(launch(t, err));
            if (t->done) *next = 0;
        } else if ((t->wake - now) * 1000 < *next) {
            *next = (int)((t->wake - now) * 1000) + 1;
        }
    }
    return 0;
}

/* Give up the tries that do not move.  libcurl's own watch looks at the mean of five seconds and more: a connection
 * that was fast is long taken for one that is. */
static int end_stalled(tl_http *h, tl_err *err)
{
    double now = tl_seconds();
    for (transfer *t = h->transfers; t; t = t->next) {
        if (!t->running || now - t->since < h->o.stall_seconds) continue;
        if (t->moved < (size_t)h->o.stall_seconds * SLOW_BYTES) {
            snprintf(t->said, sizeof t->said, "only %zu bytes came in %d seconds", t->moved, h->o.stall_seconds);
            TL_TRY(finish(t, CURLE_OPERATION_TIMEDOUT, err));
        }
        t->since = now;
        t->moved = 0;
    }
    return 0;
}

static tl_http_request *take_done(tl_http *h)
{
    for (transfer *t = h->transfers; t; t = t->next) {
        if (!t->done) continue;
        tl_http_request *r = t->r;
        tl_http_stop(h, r);
        return r;
    }
    return NULL;
}

int tl_http_step(tl_http *h, tl_http_request **done, tl_err *err)
{
    int wait = STEP_MS, running = 0, left = 0;
    *done = NULL;
    TL_TRY(tl_interrupt_check("download", err));
    *done = take_done(h);
    if (*done) return 0;
    TL_TRY(launch_due(h, &wait, err));
    CURLMcode code = h->c->multi_perform(h->multi, &running);
    bool moved = false;
    for (CURLMsg *m; (m = h->c->multi_info_read(h->multi, &left));) {
        char *owner = NULL;
        CURLcode result = m->data.result;
        if (m->msg != CURLMSG_DONE) continue;
        h->c->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &owner);
        TL_TRY(finish((transfer *)(void *)owner, result, err));
        moved = true;
    }
    TL_TRY(end_stalled(h, err));
    *done = take_done(h);
    if (*done || moved) return 0;
    if (code == CURLM_OK) code = h->c->multi_poll(h->multi, NULL, 0, wait, NULL);
    if (code != CURLM_OK) return tl_fail(err, TL_EIO, "downloading stopped: %s", h->c->multi_strerror(code));
    return 0;
}

int tl_http_perform(tl_http *h, tl_http_request *r, tl_err *err)
{
    tl_http_request *done = NULL;
    TL_TRY(tl_http_start(h, r, err));
    while (!done) {
        int rc = tl_http_step(h, &done, err);
        if (rc < 0) {
            tl_http_stop(h, r);
            return rc;
        }
    }
    if (r->rc < 0 && err) *err = r->err;
    return r->rc;
}
