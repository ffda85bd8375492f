/* http_url.h - where a URL points: the part of it that a token and a redirect are judged by. */
#ifndef TL_IO_HTTP_URL_H
#define TL_IO_HTTP_URL_H

#include "base/err.h"
#include "io/http_curl.h"

#include <stdbool.h>

typedef struct tl_origin {
    bool https;
    char host[256]; /* in small letters */
    long port;
} tl_origin;

/* By libcurl's own parser, the one that decides where a connection goes.  Refuses what is not http or https, a user's
 * name or password in it, and what is too long. */
int tl_origin_of(tl_origin *out, const tl_curl *c, const char *url, tl_err *err);

bool tl_origin_same(const tl_origin *a, const tl_origin *b);

#endif
