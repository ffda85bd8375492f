/* http_url.c - URLs taken apart, put together and shown. */
#include "io/http_url.h"

#include "io/http.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t URL_LIMIT = 8000; /* signed addresses have two thousand */

void tl_http_shown(char out[200], const char *url)
{
    size_t n = 0;
    for (; n < 196 && url[n] && url[n] != '?' && url[n] != '#'; n++)
        out[n] = url[n] > ' ' && url[n] <= '~' ? url[n] : '?';
    if (n == 196)
        for (int i = 0; i < 3; i++) out[n++] = '.';
    out[n] = '\0';
}

int tl_http_escape(tl_buf *url, const char *text, bool slashes, tl_err *err)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) ||
                     (slashes && c == '/');
        if (plain)
            TL_TRY(tl_buf_append(url, p, 1, err));
        else
            TL_TRY(tl_buf_printf(url, err, "%%%02X", c));
    }
    return 0;
}

/* One part of a URL as text of at most size - 1 bytes; "" where it has none. */
static bool part_of(char *out, size_t size, const tl_curl *c, CURLU *u, CURLUPart what)
{
    char *text = NULL;
    *out = '\0';
    CURLUcode code = c->url_get(u, what, &text, what == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0);
    bool fits = code != CURLUE_OUT_OF_MEMORY && (!text || strlen(text) < size);
    if (fits && text) snprintf(out, size, "%s", text);
    c->free(text);
    return fits;
}

int tl_origin_of(tl_origin *out, const tl_curl *c, const char *url, tl_err *err)
{
    char shown[200], scheme[10] = "", user[2], password[2], port[8] = "";
    *out = (tl_origin){ 0 };
    tl_http_shown(shown, url);
    if (strlen(url) > URL_LIMIT)
        return tl_fail(err, TL_EDATA, "%s: an address of %zu bytes, at most %zu are followed", shown, strlen(url),
                       URL_LIMIT);
    CURLU *u = c->url();
    if (!u) return tl_fail(err, TL_ENOMEM, "%s: no memory to take the address apart", shown);
    bool parsed = c->url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
    bool known = parsed && part_of(scheme, sizeof scheme, c, u, CURLUPART_SCHEME) &&
                 (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    bool whole = known && part_of(out->host, sizeof out->host, c, u, CURLUPART_HOST) && out->host[0] &&
                 part_of(port, sizeof port, c, u, CURLUPART_PORT);
    bool bare = known && part_of(user, sizeof user, c, u, CURLUPART_USER) && !user[0] &&
                part_of(password, sizeof password, c, u, CURLUPART_PASSWORD) && !password[0];
    c->url_cleanup(u);
    if (!parsed) return tl_fail(err, TL_EDATA, "%s: is no address, wanted is one like https://host", shown);
    if (!known) return tl_fail(err, TL_EDATA, "%s: only http and https are spoken", shown);
    if (!whole) return tl_fail(err, TL_EDATA, "%s: has no host, or too long a one", shown);
    if (!bare) return tl_fail(err, TL_EDATA, "an address with a user's name or password in it is not followed");
    out->https = scheme[4] == 's';
    out->port = strtol(port, NULL, 10);
    for (char *p = out->host; *p; p++) *p = (char)tolower((unsigned char)*p);
    return 0;
}

bool tl_origin_same(const tl_origin *a, const tl_origin *b)
{
    return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

int tl_http_url_check(const char *url, tl_err *err)
{
    const tl_curl *c = NULL;
    tl_origin o;
    TL_TRY(tl_curl_load(&c, err));
    return tl_origin_of(&o, c, url, err);
}
