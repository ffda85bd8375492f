/* hub_server.h - a hub on 127.0.0.1 for tests: one repository, and what can go wrong with it.
 *
 *     hub_server *h = hub_begin("org/tiny");
 *     hub_add(h, "config.json", text, strlen(text), false);         a small file: git's sha1
 *     hub_add(h, "model.safetensors", weights, size, true);         a large one: sha256, and it lies on another origin
 *     h->most = size / 10;                                          every connection is cut after so many bytes
 *     ... hub_url(h) is the endpoint; hub_asked(h, "GET", "/blob/") counts requests ...
 *     hub_end(h);
 */
#ifndef TL_TESTS_HUB_SERVER_H
#define TL_TESTS_HUB_SERVER_H

#include "tests/http_server.h"

#include <openssl/evp.h>
#include <time.h>

enum {
    HUB_FILES_MAX = 64
};

#define HUB_SHA "0123456789abcdef0123456789abcdef01234567"

typedef struct hub_file {
    char name[200], etag[65];
    const char *bytes; /* borrowed */
    size_t size;
    bool large;
} hub_file;

typedef struct hub_server {
    http_server web, store; /* the hub, and where its large files lie */
    char repo[100];
    hub_file files[HUB_FILES_MAX];
    int n;
    const char *listing; /* instead of the true one; its size is listing_size, or that of the text */
    size_t listing_size;
    /* What goes wrong. */
    const char *token;   /* without it nothing but 401 comes */
    bool gated;          /* files are 403 */
    const char *fail_at; /* the first fails requests whose path has this in it are answered with status */
    int fails, status;
    const char *fail_headers;
    size_t most;            /* bytes of a body that a connection sends */
    bool no_ranges, spoilt; /* spoilt: the last byte is another */
    bool short_size;        /* X-Linked-Size is one too few */
    bool no_etag, other_commit;
    int expired;                           /* so many requests of the store that ask for a part are 403 */
    int stalls;                            /* so many answers of the store stop half-way, and nobody hangs up */
    long cut_pause_ms;                     /* in front of each 10,000 bytes of the store's */
    void (*between)(struct hub_server *h); /* called once, in the middle of a large file */
} hub_server;

static inline void hub_hash(char out[65], const EVP_MD *kind, const void *head, size_t n, const void *bytes,
                            size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (!c || !EVP_DigestInit_ex(c, kind, NULL) || !EVP_DigestUpdate(c, head, n) || !EVP_DigestUpdate(c, bytes, size) ||
        !EVP_DigestFinal_ex(c, digest, &length))
        abort();
    EVP_MD_CTX_free(c);
    for (unsigned i = 0; i < length; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static inline hub_file *hub_add(hub_server *h, const char *name, const char *bytes, size_t size, bool large)
{
    char head[40];
    hub_file *f = &h->files[h->n++];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->bytes = bytes;
    f->size = size;
    f->large = large;
    int n = snprintf(head, sizeof head, "blob %zu", size);
    hub_hash(f->etag, large ? EVP_sha256() : EVP_sha1(), head, large ? 0 : (size_t)n + 1, bytes, size);
    return f;
}

static inline hub_file *hub_find(hub_server *h, const char *name)
{
    for (int i = 0; i < h->n; i++)
        if (strcmp(h->files[i].name, name) == 0) return &h->files[i];
    return NULL;
}

static inline void hub_send_file(hub_server *h, http_request *q, const hub_file *f, const char *more)
{
    char headers[1000];
    bool part = q->range[0] && !h->no_ranges;
    size_t first = part ? q->first : 0, end = part && q->last < f->size ? q->last + 1 : f->size;
    int n = snprintf(headers, sizeof headers, "ETag: \"%s\"\r\n%s", f->etag, more);
    if (part && (first >= end || end > f->size)) {
        http_reply(q, 416, "", "", 0);
        return;
    }
    if (part)
        snprintf(headers + n, sizeof headers - (size_t)n, "Content-Range: bytes %zu-%zu/%zu\r\n", first, end - 1,
                 f->size);
    pthread_mutex_lock(&h->web.lock);
    bool stall = f->large && !q->head && h->stalls > 0;
    h->stalls -= stall;
    pthread_mutex_unlock(&h->web.lock);
    size_t size = end - first, send = h->most && h->most < size ? h->most : size;
    if (stall) send = size / 2;
    if (!http_head(q, part ? 206 : 200, headers, size)) http_cut(q);
    for (size_t at = 0; !q->head && at < send;) {
        size_t some = send - at < 10000 ? send - at : 10000;
        char last = (char)(f->bytes[f->size - 1] ^ 1);
        bool end_of_it = h->spoilt && first + at + some == f->size;
        if (h->cut_pause_ms && f->large) nanosleep(&(struct timespec){ .tv_nsec = h->cut_pause_ms * 1000000 }, NULL);
        if (!http_send(q, f->bytes + first + at, some - end_of_it) || (end_of_it && !http_send(q, &last, 1))) break;
        at += some;
        pthread_mutex_lock(&h->web.lock);
        void (*between)(hub_server *) = f->large && first + at >= f->size / 2 ? h->between : NULL;
        if (between) h->between = NULL;
        pthread_mutex_unlock(&h->web.lock);
        if (between) between(h);
    }
    struct pollfd gone = { .fd = q->fd, .events = POLLIN }; /* readable: the other end has hung up */
    if (stall) poll(&gone, 1, 5000);
    if (!q->head && send < size) http_cut(q);
}

static inline void hub_send_listing(hub_server *h, http_request *q)
{
    char text[20000];
    size_t n =
        (size_t)snprintf(text, sizeof text, "{\"id\": \"%s\", \"sha\": \"" HUB_SHA "\", \"siblings\": [", h->repo);
    for (int i = 0; i < h->n; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{\"rfilename\": \"%s\"}", i ? ", " : "", h->files[i].name);
    n += (size_t)snprintf(text + n, sizeof text - n, "]}");
    if (h->listing)
        http_reply(q, 200, "", h->listing, h->listing_size ? h->listing_size : strlen(h->listing));
    else
        http_reply(q, 200, "", text, n);
}

static inline bool hub_fails(hub_server *h, http_request *q)
{
    pthread_mutex_lock(&h->web.lock);
    bool now = h->fails > 0 && (!h->fail_at || strstr(q->path, h->fail_at));
    if (now) h->fails--;
    pthread_mutex_unlock(&h->web.lock);
    if (now) http_reply(q, h->status, h->fail_headers ? h->fail_headers : "", "sorry", 5);
    return now;
}

static inline void hub_answer(http_server *s, http_request *q)
{
    hub_server *h = s->owner;
    char listing[300], files[300], facts[1500], authorization[300] = "";
    snprintf(listing, sizeof listing, "/api/models/%s/revision/", h->repo);
    snprintf(files, sizeof files, "/%s/resolve/" HUB_SHA "/", h->repo);
    if (h->token) snprintf(authorization, sizeof authorization, "Bearer %s", h->token);
    if (hub_fails(h, q)) return;
    if (h->token && strcmp(q->authorization, authorization) != 0) {
        http_reply(q, 401, "X-Error-Message: Invalid username or password.\r\n", "", 0);
    } else if (strncmp(q->path, listing, strlen(listing)) == 0) {
        const char *revision = q->path + strlen(listing);
        if (strcmp(revision, "main") == 0 || strcmp(revision, "refs%2Fpr%2F1") == 0 || strcmp(revision, HUB_SHA) == 0)
            hub_send_listing(h, q);
        else
            http_reply(q, 404, "X-Error-Code: RevisionNotFound\r\n", "", 0);
    } else if (strncmp(q->path, files, strlen(files)) == 0) {
        const hub_file *f = hub_find(h, q->path + strlen(files));
        if (!f) {
            http_reply(q, 404, "X-Error-Code: EntryNotFound\r\n", "", 0);
        } else if (h->gated) {
            http_reply(q, 403, "X-Error-Code: GatedRepo\r\nX-Error-Message: Access to it is restricted.\r\n", "", 0);
        } else {
            const char *commit = h->other_commit ? "ffff456789abcdef0123456789abcdef01234567" : HUB_SHA;
            int n = snprintf(facts, sizeof facts, "X-Repo-Commit: %s\r\n", commit);
            if (!f->large) {
                hub_send_file(h, q, f, facts);
                return;
            }
            n += snprintf(facts + n, sizeof facts - (size_t)n, "Location: http://127.0.0.1:%d/blob/%s?signature=x\r\n",
                          h->store.port, f->name);
            if (!h->no_etag) n += snprintf(facts + n, sizeof facts - (size_t)n, "X-Linked-Etag: \"%s\"\r\n", f->etag);
            snprintf(facts + n, sizeof facts - (size_t)n, "X-Linked-Size: %zu\r\n", f->size - h->short_size);
            http_reply(q, 302, facts, "", 0);
        }
    } else {
        http_reply(q, 404, "X-Error-Code: RepoNotFound\r\nX-Error-Message: Repository not found\r\n", "", 0);
    }
}

static inline void hub_store_answer(http_server *s, http_request *q)
{
    hub_server *h = s->owner;
    char name[200] = "";
    sscanf(q->path, "/blob/%199[^?]", name);
    const hub_file *f = hub_find(h, name);
    if (hub_fails(h, q)) return;
    pthread_mutex_lock(&h->web.lock);
    bool expired = q->first > 0 && h->expired > 0;
    h->expired -= expired;
    pthread_mutex_unlock(&h->web.lock);
    if (!f || expired)
        http_reply(q, f ? 403 : 404, "", "", 0);
    else
        hub_send_file(h, q, f, "");
}

static inline hub_server *hub_begin(const char *repo)
{
    hub_server *h = calloc(1, sizeof *h);
    if (!h) abort();
    snprintf(h->repo, sizeof h->repo, "%s", repo);
    http_server_begin(&h->web, hub_answer, h);
    http_server_begin(&h->store, hub_store_answer, h);
    return h;
}

static inline void hub_end(hub_server *h)
{
    http_server_end(&h->web);
    http_server_end(&h->store);
    free(h);
}

static inline const char *hub_url(const hub_server *h)
{
    return http_url(&h->web, "");
}

static inline int hub_asked_of(http_server *s, const char *method, const char *part)
{
    int n = 0;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n_log; i++)
        n += (!method || strcmp(s->log[i].method, method) == 0) && strstr(s->log[i].path, part);
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* How many requests with that method (NULL: any) had part in their path, of hub and store. */
static inline int hub_asked(hub_server *h, const char *method, const char *part)
{
    return hub_asked_of(&h->web, method, part) + hub_asked_of(&h->store, method, part);
}

#endif
