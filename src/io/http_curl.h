/* http_curl.h - libcurl's functions, loaded when they are first asked for.
 *
 *     const tl_curl *c = NULL;
 *     TL_TRY(tl_curl_load(&c, err));
 *     CURL *easy = c->easy_init();
 *
 * The program is not linked with libcurl.  The library brings some thirty others (LDAP, Kerberos, SSH, ...), which cost
 * every start five milliseconds and have no business in a process that trains on patients' notes: so no command but
 * pull has a byte of it in its memory, and a machine without it lacks pull alone.  Only http.c includes this. */
#ifndef TL_IO_HTTP_CURL_H
#define TL_IO_HTTP_CURL_H

#include "base/err.h"

#include <curl/curl.h>

/* clang-format off */
#define TL_CURL_FUNCTIONS(X)                                                                                           \
    X(global_init) X(easy_init) X(easy_setopt) X(easy_getinfo) X(easy_reset) X(easy_cleanup) X(easy_strerror)          \
    X(multi_init) X(multi_add_handle) X(multi_remove_handle) X(multi_perform) X(multi_poll) X(multi_info_read)         \
    X(multi_cleanup) X(multi_strerror) X(slist_append) X(slist_free_all) X(url) X(url_set) X(url_get) X(url_cleanup)   \
    X(free)
/* clang-format on */

typedef struct tl_curl {
#define TL_CURL_FIELD(name) __typeof__(curl_##name) *(name);
    TL_CURL_FUNCTIONS(TL_CURL_FIELD)
#undef TL_CURL_FIELD
} tl_curl;

/* The library, ready for use; it stays until the process ends.  From one thread at a time. */
int tl_curl_load(const tl_curl **out, tl_err *err);

#endif
