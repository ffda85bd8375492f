/* http_answer.c - a table of the headers that are kept. */
#include "io/http_answer.h"

#include "base/size.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const size_t HEAD_LIMIT = 64 << 10;

static const struct {
    const char *name;
    size_t place, size;
    bool first; /* of several answers the first counts: the one before the redirect */
} kept[] = {
#define FIELD(name) offsetof(tl_http_answer, name), sizeof(((tl_http_answer *)0)->name)
    { "etag", FIELD(etag), false },
    { "x-linked-etag", FIELD(linked_etag), true },
    { "x-linked-size", FIELD(linked_size), true },
    { "x-repo-commit", FIELD(commit), true },
    { "x-error-code", FIELD(error_code), false },
    { "x-error-message", FIELD(error_message), false },
#undef FIELD
};

bool tl_head_size(size_t *out, const char *text)
{
    size_t n = 0;
    if (!*text) return false;
    for (; *text; text++)
        if (*text < '0' || *text > '9' || !tl_size_mul(&n, n, 10) || !tl_size_add(&n, n, (size_t)(*text - '0')))
            return false;
    if (n > SSIZE_MAX) return false; /* no file has more */
    *out = n;
    return true;
}

/* "bytes 100-199/5000" */
static void read_range(tl_head *h, char *text)
{
    h->range_said = true;
    h->range_good = false;
    if (strncasecmp(text, "bytes ", 6) != 0) return;
    char *first = text + 6, *dash = strchr(first, '-'), *slash = strchr(first, '/');
    if (!dash || !slash || slash < dash) return;
    *dash = *slash = '\0';
    h->range_total_said = strcmp(slash + 1, "*") != 0;
    h->range_good = tl_head_size(&h->range_first, first) && tl_head_size(&h->range_last, dash + 1) &&
                    (!h->range_total_said || tl_head_size(&h->range_total, slash + 1)) &&
                    h->range_first <= h->range_last && (!h->range_total_said || h->range_last < h->range_total);
}

static void read_field(tl_head *h, const char *name, char *value)
{
    if (strcasecmp(name, "content-range") == 0) read_range(h, value);
    if (strcasecmp(name, "content-length") == 0) {
        size_t n;
        h->answer->content_length = tl_head_size(&n, value) ? (long)n : -1;
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        char *place = (char *)h->answer + kept[i].place;
        if (strcasecmp(name, kept[i].name) != 0 || (kept[i].first && *place)) continue;
        /* What does not fit is no value of ours: an ETag cut short would be another one. */
        if (strlen(value) < kept[i].size) snprintf(place, kept[i].size, "%s", value);
    }
}

void tl_head_begin(tl_head *h, tl_http_answer *answer)
{
    size_t bytes = h->bytes;
    *h = (tl_head){ .answer = answer, .bytes = bytes };
    answer->status = 0;
    answer->content_length = -1;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (!kept[i].first) *((char *)answer + kept[i].place) = '\0';
}

bool tl_head_line(tl_head *h, const char *line, size_t size)
{
    h->bytes += size;
    if (h->bytes > HEAD_LIMIT) return false;
    if (h->whole) return true;
    while (size && (line[size - 1] == '\n' || line[size - 1] == '\r')) size--;
    if (size == 0) {
        h->whole = h->answer->status >= 200; /* 1xx: another head follows */
        return true;
    }
    char text[1024];
    if (size >= sizeof text) return true; /* none of ours is so long */
    for (size_t i = 0; i < size; i++) text[i] = line[i] >= ' ' && line[i] <= '~' ? line[i] : '?';
    text[size] = '\0';
    if (strncasecmp(text, "HTTP/", 5) == 0) {
        const char *space = strchr(text, ' ');
        int status = 0;
        for (const char *p = space ? space + 1 : ""; *p >= '0' && *p <= '9' && status < 1000; p++)
            status = 10 * status + *p - '0';
        tl_head_begin(h, h->answer);
        h->answer->status = status;
        h->redirects = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
        return true;
    }
    char *colon = strchr(text, ':');
    if (!colon) return true;
    *colon = '\0';
    char *value = colon + 1;
    while (*value == ' ') value++;
    for (size_t n = strlen(value); n && value[n - 1] == ' '; n--) value[n - 1] = '\0';
    read_field(h, text, value);
    return true;
}

bool tl_etags_differ(const char *a, const char *b)
{
    return *a == '"' && *b == '"' && strcmp(a, b) != 0;
}

const char *tl_status_name(int status)
{
    static const struct {
        int status;
        const char *name;
    } names[] = { { 400, "Bad Request" },
                  { 401, "Unauthorized" },
                  { 403, "Forbidden" },
                  { 404, "Not Found" },
                  { 408, "Request Timeout" },
                  { 410, "Gone" },
                  { 416, "Range Not Satisfiable" },
                  { 429, "Too Many Requests" },
                  { 451, "Unavailable For Legal Reasons" },
                  { 500, "Internal Server Error" },
                  { 502, "Bad Gateway" },
                  { 503, "Service Unavailable" },
                  { 504, "Gateway Timeout" } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].status == status) return names[i].name;
    return "";
}
