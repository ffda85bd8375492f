/* http_curl.c - one walk over the names in http_curl.h. */
#include "io/http_curl.h"

#include <dlfcn.h>
#include <stdbool.h>

#define LIBRARY "libcurl.so.4"

int tl_curl_load(const tl_curl **out, tl_err *err)
{
    static tl_curl curl;
    static bool loaded;
    if (!loaded) {
        void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return tl_fail(err, TL_EUNSUPPORTED, "downloads want libcurl (Debian's package libcurl4): %s", dlerror());
        const struct {
            const char *name;
            void *place; /* of a pointer to a function */
        } rows[] = {
#define ROW(n) { "curl_" #n, &curl.n },
            TL_CURL_FUNCTIONS(ROW)
#undef ROW
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            void *found = dlsym(library, rows[i].name);
            if (!found)
                return tl_fail(err, TL_EUNSUPPORTED, LIBRARY ": has no %s, wanted is libcurl 7.85 or later",
                               rows[i].name);
            *(void **)rows[i].place = found;
        }
        if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            return tl_fail(err, TL_EUNSUPPORTED, LIBRARY ": does not start");
        loaded = true;
    }
    *out = &curl;
    return 0;
}
