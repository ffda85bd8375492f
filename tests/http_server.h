/* http_server.h - a small HTTP server on 127.0.0.1 for tests: it reads requests, and the test answers them.
 *
 *     static void answer(http_server *s, http_request *q)      in a thread of the connection's own
 *     {
 *         if (strcmp(q->path, "/hello") == 0) http_reply(q, 200, "ETag: \"1\"\r\n", "hello", 5);
 *         else http_reply(q, 404, "", "", 0);
 *     }
 *     http_server s;
 *     http_server_begin(&s, answer, owner);     ... http_url(&s, "/hello"), s.log[0 .. s.n_log - 1] ...
 *     http_server_end(&s);
 *
 * Connections are kept alive.  For an answer that is wrong on purpose there are http_send, which sends any bytes, and
 * http_cut, after which the connection ends without a word.  With HTTP_SERVER_TLS defined (and -lssl), s.tls may be set
 * before anybody connects. */
#ifndef TL_TESTS_HTTP_SERVER_H
#define TL_TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef HTTP_SERVER_TLS
#include <openssl/ssl.h>
#endif

enum {
    HTTP_LOG_MAX = 4096,
    HTTP_CONNECTIONS_MAX = 4096
};

typedef struct http_server http_server;

typedef struct http_request {
    char method[8], path[2000], range[64], if_range[100], authorization[200];
    size_t first, last; /* of the range; last is SIZE_MAX without one */
    bool head;
    bool cut; /* the connection ends behind this answer */
    http_server *server;
    int fd;
#ifdef HTTP_SERVER_TLS
    SSL *ssl;
#endif
} http_request;

struct http_server {
    void (*answer)(http_server *s, http_request *q);
    void *owner;
    int fd, port;
    bool stop;
    pthread_t thread, connections[HTTP_CONNECTIONS_MAX];
    int fds[HTTP_CONNECTIONS_MAX], n_connections;
    pthread_mutex_t lock; /* of what stands below, of fds, and of what the test's answer shares */
    http_request log[HTTP_LOG_MAX];
    int n_log;
#ifdef HTTP_SERVER_TLS
    SSL_CTX *tls; /* borrowed; NULL: plain */
#endif
};

static inline bool http_send(http_request *q, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        int chunk = n < 1 << 20 ? (int)n : 1 << 20;
#ifdef HTTP_SERVER_TLS
        ssize_t sent = q->ssl ? SSL_write(q->ssl, p, chunk) : send(q->fd, p, (size_t)chunk, MSG_NOSIGNAL);
#else
        ssize_t sent = send(q->fd, p, (size_t)chunk, MSG_NOSIGNAL);
#endif
        if (sent <= 0) return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline ssize_t http_receive(http_request *q, char *bytes, size_t n)
{
#ifdef HTTP_SERVER_TLS
    if (q->ssl) return SSL_read(q->ssl, bytes, (int)n);
#endif
    return recv(q->fd, bytes, n, 0);
}

static inline void http_cut(http_request *q)
{
    q->cut = true;
}

/* Status line, headers (each with its \r\n) and the length that the body is said to have. */
static inline bool http_head(http_request *q, int status, const char *headers, size_t length)
{
    char head[4000];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n%s\r\n", status, length, headers);
    return http_send(q, head, (size_t)n);
}

static inline void http_reply(http_request *q, int status, const char *headers, const void *body, size_t n)
{
    if (!http_head(q, status, headers, n) || (!q->head && !http_send(q, body, n))) http_cut(q);
}

static inline void http_take_line(http_request *q, char *line)
{
    char *value = strchr(line, ':');
    if (!value) return;
    *value++ = '\0';
    while (*value == ' ') value++;
    if (strcasecmp(line, "Range") == 0) {
        snprintf(q->range, sizeof q->range, "%s", value);
        if (sscanf(value, "bytes=%zu-%zu", &q->first, &q->last) < 1) q->range[0] = '\0';
    }
    if (strcasecmp(line, "If-Range") == 0) snprintf(q->if_range, sizeof q->if_range, "%s", value);
    if (strcasecmp(line, "Authorization") == 0) snprintf(q->authorization, sizeof q->authorization, "%s", value);
}

/* One request; false where the connection is over. */
static inline bool http_read_request(http_request *q)
{
    char text[8000] = "";
    size_t n = 0;
    q->method[0] = q->path[0] = q->range[0] = q->if_range[0] = q->authorization[0] = '\0';
    q->first = 0;
    q->last = SIZE_MAX;
    while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0) {
        if (n == sizeof text - 1 || http_receive(q, text + n, 1) != 1) return false;
        n++;
    }
    text[n] = '\0';
    char *rest = text, *line = strtok_r(rest, "\r\n", &rest);
    if (!line || sscanf(line, "%7s %1999s", q->method, q->path) != 2) return false;
    while ((line = strtok_r(NULL, "\r\n", &rest))) http_take_line(q, line);
    q->head = strcmp(q->method, "HEAD") == 0;
    return true;
}

typedef struct http_connection {
    http_server *server;
    int fd, slot;
} http_connection;

static inline void *http_serve(void *argument)
{
    http_connection *c = argument;
    http_server *s = c->server;
    http_request q = { .server = s, .fd = c->fd };
#ifdef HTTP_SERVER_TLS
    if (s->tls) {
        q.ssl = SSL_new(s->tls);
        SSL_set_fd(q.ssl, q.fd);
        q.cut = SSL_accept(q.ssl) != 1;
    }
#endif
    while (!q.cut && http_read_request(&q)) {
        pthread_mutex_lock(&s->lock);
        if (s->n_log < HTTP_LOG_MAX) s->log[s->n_log++] = q;
        pthread_mutex_unlock(&s->lock);
        s->answer(s, &q);
    }
#ifdef HTTP_SERVER_TLS
    SSL_free(q.ssl);
#endif
    pthread_mutex_lock(&s->lock);
    s->fds[c->slot] = -1;
    close(c->fd);
    pthread_mutex_unlock(&s->lock);
    free(c);
    return NULL;
}

static inline void *http_accept(void *argument)
{
    http_server *s = argument;
    for (;;) {
        struct pollfd p = { .fd = s->fd, .events = POLLIN };
        poll(&p, 1, 20);
        pthread_mutex_lock(&s->lock);
        bool stop = s->stop;
        pthread_mutex_unlock(&s->lock);
        if (stop) return NULL;
        int one = 1, fd = p.revents & POLLIN ? accept(s->fd, NULL, NULL) : -1;
        if (fd < 0) continue;
        if (s->n_connections == HTTP_CONNECTIONS_MAX) abort();
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        http_connection *c = malloc(sizeof *c);
        if (!c) abort();
        *c = (http_connection){ s, fd, s->n_connections };
        pthread_mutex_lock(&s->lock);
        s->fds[s->n_connections] = fd;
        pthread_mutex_unlock(&s->lock);
        if (pthread_create(&s->connections[s->n_connections++], NULL, http_serve, c) != 0) abort();
    }
}

static inline void http_server_begin(http_server *s, void (*answer)(http_server *, http_request *), void *owner)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    memset(s, 0, sizeof *s);
    s->answer = answer;
    s->owner = owner;
    pthread_mutex_init(&s->lock, NULL);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(s->fd, 64) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &size) != 0)
        abort();
    s->port = ntohs(a.sin_port);
    setenv("no_proxy", "*", 1); /* whatever proxy the machine has, it is not for this */
    if (pthread_create(&s->thread, NULL, http_accept, s) != 0) abort();
}

static inline void http_server_end(http_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n_connections; i++)
        if (s->fds[i] >= 0) shutdown(s->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_connections; i++) pthread_join(s->connections[i], NULL);
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
}

/* http://127.0.0.1:PORT and path, in one of eight buffers taken in turn. */
static inline const char *http_url(const http_server *s, const char *path)
{
    static char urls[8][2100];
    static int next;
    char *url = urls[next++ % 8];
    bool tls = false;
#ifdef HTTP_SERVER_TLS
    tls = s->tls;
#endif
    snprintf(url, sizeof urls[0], "http%s://127.0.0.1:%d%s", tls ? "s" : "", s->port, path);
    return url;
}

#endif
