/* hub_env.c - variables and their order. */
#include "io/hub_env.h"

#include "io/atomic.h"
#include "io/hub.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    TOKEN_LIMIT = 4096
};

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_on(const char *name)
{
    static const char *const words[] = { "1", "on", "yes", "true" };
    const char *value = variable(name);
    for (int i = 0; i < 4 && value; i++)
        if (strcasecmp(value, words[i]) == 0) return true;
    return false;
}

const char *tl_hub_endpoint(void)
{
    const char *endpoint = variable("HF_ENDPOINT");
    return endpoint ? endpoint : TL_HUB_ENDPOINT;
}

bool tl_hub_offline(void)
{
    return is_on("HF_HUB_OFFLINE");
}

/* path, or HOME and what stands behind its "~". */
static int expand(char *out, size_t size, const char *path, tl_err *err)
{
    bool from_home = path[0] == '~' && (!path[1] || path[1] == '/');
    const char *home = from_home ? variable("HOME") : "";
    if (!home) return tl_fail(err, TL_EUSAGE, "%s: HOME is not set, so it leads nowhere", path);
    int n = snprintf(out, size, "%s%s", home, from_home ? path + 1 : path);
    if (n < 0 || (size_t)n >= size) return tl_fail(err, TL_EUSAGE, "%s: a path of %d bytes is too long", path, n);
    return 0;
}

/* A file or folder in HF_HOME. */
static int in_home(char *out, size_t size, const char *name, tl_err *err)
{
    char home[PATH_MAX], base[PATH_MAX];
    const char *set = variable("HF_HOME"), *xdg = variable("XDG_CACHE_HOME");
    if (set) {
        TL_TRY(expand(home, sizeof home, set, err));
    } else {
        TL_TRY(expand(base, sizeof base, xdg ? xdg : "~/.cache", err));
        TL_TRY(tl_path_join(home, sizeof home, base, "huggingface", err));
    }
    return tl_path_join(out, size, home, name, err);
}

int tl_hub_cache_dir(char *out, size_t size, tl_err *err)
{
    const char *set = variable("HF_HUB_CACHE");
    if (!set) set = variable("HUGGINGFACE_HUB_CACHE");
    return set ? expand(out, size, set, err) : in_home(out, size, "hub", err);
}

int tl_hub_token(tl_buf *out, const char **from, tl_err *err)
{
    char path[PATH_MAX];
    const char *token = variable("HF_TOKEN"), *name = "HF_TOKEN", *file = variable("HF_TOKEN_PATH");
    *from = NULL;
    if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return 0;
    if (!token) {
        name = "HUGGING_FACE_HUB_TOKEN";
        token = variable(name);
    }
    if (token) {
        TL_TRY(tl_buf_puts(out, token, err));
    } else {
        name = "the token file";
        if (!file && !variable("HF_HOME") && !variable("XDG_CACHE_HOME") && !variable("HOME")) return 0;
        TL_TRY(file ? expand(path, sizeof path, file, err) : in_home(path, sizeof path, "token", err));
        if (access(path, F_OK) != 0) return 0;
        TL_TRY(tl_file_read(path, TOKEN_LIMIT, out, err));
    }
    /* White space around it comes from editors and shells. */
    size_t front = strspn(out->data, " \t\r\n");
    while (out->size > front && strchr(" \t\r\n", out->data[out->size - 1])) out->size--;
    out->size -= front;
    memmove(out->data, out->data + front, out->size);
    out->data[out->size] = '\0';
    if (out->size) *from = name;
    return 0;
}
