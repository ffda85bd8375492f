/* http.h - GET and HEAD over HTTP and HTTPS, several at a time, for the one command that opens connections.
 *
 *     tl_http *h = NULL;
 *     tl_http_options o = tl_http_defaults();
 *     TL_TRY(tl_http_create(&h, &o, err));
 *     tl_http_request r = { .url = "https://hub.example/list", .limit = 1 << 20, .take = take, .owner = me };
 *     rc = tl_http_perform(h, &r, err);                          one request, to its end
 *
 *     rc = tl_http_start(h, &a, err); ... tl_http_start(h, &b, err);
 *     for (tl_http_request *done; busy && (rc = tl_http_step(h, &done, err)) == 0;)
 *         if (done) ... done->rc, done->err.text, done->answer ...     several, in any order
 *     tl_http_free(h);
 *
 * A request is a promise to bring the bytes [first, first + count) of a thing, and takes as many connections as that
 * needs.  Its life:
 *
 *     start -> connect -> headers -> body -> done
 *                 ^          |         |
 *                 |  redirect, 429,    cut, stalled: asks for the rest by Range, with If-Range where the server
 *                 +-- 5xx: waits ------+                gave a strong ETag
 *
 * A try that brought something to speak of is not counted; so many that did not, one after the other, end the request.
 *
 * The server is not trusted.  Redirects are counted, go to http and https only, and from https never to http.  The
 * token goes to the origin it is for (scheme, host and port), never to where that one redirects.  Certificates are
 * checked (against the system's, or those in the file SSL_CERT_FILE).  Headers are bounded; a body is taken up to
 * what was asked for; an answer whose Content-Range or Content-Length contradicts what is known ends the request.
 *
 * One thread at a time.  While a request runs, Ctrl-C is looked for ten times a second (interrupt.h). */
#ifndef TL_IO_HTTP_H
#define TL_IO_HTTP_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_http_options {
    const char *token;   /* sent as "Authorization: Bearer" to origin; NULL: none */
    const char *origin;  /* a URL whose scheme, host and port the token is for; NULL where there is none */
    int stall_seconds;   /* a connection not made, or below a kilobyte a second, for so long has failed */
    int tries;           /* in a row without progress */
    int redirects;       /* at most */
    double first_wait;   /* seconds before the second try; doubled for each further one */
    double longest_wait; /* a server that asks (Retry-After) for more has refused */
    void (*note)(void *owner, const char *text); /* told why a request waits; NULL: nobody */
    void *note_owner;
} tl_http_options;

tl_http_options tl_http_defaults(void);

/* Bytes of the body, n of them, which lie at the offset at of the thing.  Offsets go up without a gap; a request
 * without a range that is tried again begins at 0 again.  A failure ends the request. */
typedef int tl_http_take(void *owner, size_t at, const void *bytes, size_t n, tl_err *err);

/* Headers of the last answer, empty where they did not come; the linked ones and commit of the first that had them. */
typedef struct tl_http_answer {
    int status;          /* 0: no answer */
    bool elsewhere;      /* a HEAD that was not followed: the answer redirects to another origin */
    bool no_ranges;      /* the server sent the whole where a part was asked for: that failed the request */
    bool changed;        /* the ETag is another than that of the request's beginning: that failed it too */
    const char *url;     /* that answered; the client's, for take alone */
    long content_length; /* -1: not said */
    char etag[200];
    char linked_etag[200], linked_size[40], commit[80]; /* X-Linked-Etag, X-Linked-Size, X-Repo-Commit */
    char error_code[80], error_message[300];            /* X-Error-Code, X-Error-Message: printable only */
} tl_http_answer;

typedef struct tl_http_request {
    /* Set by the caller, and left alone until the request is done. */
    const char *url;            /* borrowed */
    bool head;                  /* headers only; a redirect to another origin is not followed */
    size_t first, count, total; /* wanted bytes, and how many the thing has; count 0: all of it, as many as it has */
    size_t limit;               /* where count is 0: more is a failure */
    tl_http_take *take;
    void *owner;
    /* Set by the client. */
    int rc; /* 0, or the code of err: one sentence with the URL in front */
    tl_err err;
    tl_http_answer answer;
} tl_http_request;

typedef struct tl_http tl_http;

int tl_http_create(tl_http **out, const tl_http_options *o, tl_err *err);
void tl_http_free(tl_http *h); /* stops what still runs; accepts NULL */

/* Begin r, which must stay where it is until tl_http_step gives it back or tl_http_stop takes it out. */
int tl_http_start(tl_http *h, tl_http_request *r, tl_err *err);

/* Work for a tenth of a second or until a request is done; *done is that one, or NULL.  Fails when the user asks to
 * stop, with TL_EINTERRUPTED, and where memory is short; a request that fails does so in its rc alone. */
int tl_http_step(tl_http *h, tl_http_request **done, tl_err *err);

/* Forget r; fine where it is not running. */
void tl_http_stop(tl_http *h, tl_http_request *r);

/* Start r and step to its end, with nothing else running; r->err is copied to err. */
int tl_http_perform(tl_http *h, tl_http_request *r, tl_err *err);

/* A URL for a person: without its query (signatures stand there) and without bytes that are not printable. */
void tl_http_shown(char out[200], const char *url);

/* Append text to url, every byte but letters, digits and "-._~" as %XX; with slashes, '/' stays too. */
int tl_http_escape(tl_buf *url, const char *text, bool slashes, tl_err *err);

/* Is url one of http or https, with a host and without a user's name? */
int tl_http_url_check(const char *url, tl_err *err);

#endif
