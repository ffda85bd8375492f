/* hub.c - names, listings, choices and addresses. */
#include "io/hub.h"

#include "io/http.h"
#include "io/json.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* At the top of a repository: what tailor and the Python tools read of a base or an adapter. */
static const char *const needed[] = { "*.json",    "*.safetensors", "*.model", "merges.txt",
                                      "vocab.txt", "*.tiktoken",    "*.jinja", "LICENSE*" };

/* The same weights again, in the layout of their authors' own program. */
static const char *const doubled[] = { "consolidated*.safetensors" };

static const char *const pickles[] = { ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill" };

#define COUNT(table) (sizeof(table) / sizeof *(table))

bool tl_hub_hex(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

bool tl_hub_name_ok(const char *name)
{
    size_t size = strlen(name), part = 0;
    if (size == 0 || size > TL_HUB_NAME_MAX) return false;
    for (size_t i = 0; i <= size; i++) {
        if (name[i] != '/' && name[i]) continue;
        const char *p = name + part;
        size_t n = i - part;
        if (n == 0 || n > NAME_MAX || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.')) return false;
        part = i + 1;
    }
    for (size_t i = 0; i < size;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)name + i, (utf8proc_ssize_t)(size - i), &c);
        if (n <= 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;
        /* Marks that turn the direction of writing make a name look like another. */
        if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) return false;
        i += (size_t)n;
    }
    return true;
}

int tl_hub_repo_check(const char *repo, tl_err *err)
{
    size_t n = strlen(repo);
    const char *slash = strchr(repo, '/');
    bool ok = n >= 1 && n <= 200 && (!slash || !strchr(slash + 1, '/')) && !strstr(repo, "--") && !strstr(repo, "..");
    for (const char *p = repo; *p && ok; p++) {
        bool edge = p == repo || !p[1] || p[-1] == '/' || p[1] == '/'; /* of either part */
        ok = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' ||
             ((*p == '-' || *p == '.') && !edge) || (*p == '/' && !edge);
    }
    if (ok) return 0;
    return tl_fail(err, TL_EUSAGE,
                   "'%.100s' names no repository, wanted is ORG/NAME of letters, digits and single '-', '_', '.'",
                   repo);
}

int tl_hub_revision_check(const char *revision, tl_err *err)
{
    bool ok = tl_hub_name_ok(revision) && strlen(revision) <= 200 && !strpbrk(revision, " ~^:?*[\\");
    return ok ? 0 : tl_fail(err, TL_EUSAGE, "'%.100s' names no branch, tag or commit", revision);
}

/* ---- the listing ---- */

/* A name as text for an error: what cannot be printed as '?', bounded. */
static const char *shown(char out[100], const char *name)
{
    size_t n = 0;
    for (; n < 99 && name[n]; n++) out[n] = name[n] >= ' ' && name[n] <= '~' ? name[n] : '?';
    out[n] = '\0';
    return out;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_names(tl_hub_listing *l, json_t *siblings, const char *from, tl_err *err)
{
    char text[100];
    size_t n = json_array_size(siblings);
    if (n > TL_HUB_FILES_MAX)
        return tl_fail(err, TL_EDATA, "%s: lists %zu files, at most %d are read", from, n, TL_HUB_FILES_MAX);
    l->names = calloc(n + 1, sizeof *l->names);
    if (!l->names) return tl_fail(err, TL_ENOMEM, "%s: no memory for %zu names", from, n);
    for (size_t i = 0; i < n; i++) {
        const char *name = NULL;
        const json_t *file = json_array_get(siblings, i);
        if (!json_is_object(file)) return tl_fail(err, TL_EFORMAT, "%s: siblings[%zu] is no object", from, i);
        TL_TRY(tl_json_string(file, from, "rfilename", &name, err));
        if (!tl_hub_name_ok(name))
            return tl_fail(err, TL_EDATA, "%s: lists '%s', which is no name for a file inside a repository", from,
                           shown(text, name));
        l->names[l->n++] = name;
    }
    qsort(l->names, (size_t)l->n, sizeof *l->names, compare);
    for (int i = 1; i < l->n; i++)
        if (strcmp(l->names[i - 1], l->names[i]) == 0)
            return tl_fail(err, TL_EDATA, "%s: lists '%s' twice", from, shown(text, l->names[i]));
    return 0;
}

int tl_hub_listing_parse(tl_hub_listing *out, const char *bytes, size_t size, const char *from, tl_err *err)
{
    int rc;
    json_error_t bad;
    const char *sha = NULL;
    json_t *siblings = NULL;
    tl_hub_listing l = { .json = tl_json_parse(bytes, size, &bad) };
    if (!l.json) {
        char text[100];
        return tl_fail(err, TL_EFORMAT, "%s: not JSON: %s", from, shown(text, bad.text));
    }
    rc = json_is_object((json_t *)l.json) ? 0 : tl_fail(err, TL_EFORMAT, "%s: holds no object", from);
    if (rc == 0) rc = tl_json_string(l.json, from, "sha", &sha, err);
    if (rc == 0 && !tl_hub_hex(sha, 40))
        rc = tl_fail(err, TL_EDATA, "%s: sha is no commit, wanted are 40 hex digits", from);
    if (rc == 0) rc = tl_json_value(l.json, from, "siblings", JSON_ARRAY, &siblings, err);
    if (rc == 0) rc = read_names(&l, siblings, from, err);
    if (rc < 0) {
        tl_hub_listing_reset(&l);
        return rc;
    }
    memcpy(l.sha, sha, sizeof l.sha);
    *out = l;
    return 0;
}

void tl_hub_listing_reset(tl_hub_listing *l)
{
    free(l->names);
    json_decref(l->json);
    *l = (tl_hub_listing){ 0 };
}

/* ---- choices ---- */

/* Whether one of the globs of a list with commas matches. */
static bool matches(const char *globs, const char *name)
{
    char glob[TL_HUB_NAME_MAX + 1];
    for (const char *p = globs; *p;) {
        size_t n = strcspn(p, ",");
        if (n && n < sizeof glob) {
            memcpy(glob, p, n);
            glob[n] = '\0';
            if (fnmatch(glob, name, 0) == 0) return true;
        }
        p += n + (p[n] == ',');
    }
    return false;
}

static bool is_needed(const char *name)
{
    if (strchr(name, '/')) return false;
    for (size_t i = 0; i < COUNT(doubled); i++)
        if (fnmatch(doubled[i], name, 0) == 0) return false;
    for (size_t i = 0; i < COUNT(needed); i++)
        if (fnmatch(needed[i], name, 0) == 0) return true;
    return false;
}

tl_hub_choice tl_hub_choose(const char *name, const char *include, const char *exclude)
{
    const char *dot = strrchr(name, '.');
    if (exclude && matches(exclude, name)) return TL_HUB_LEFT;
    if (!(include ? matches(include, name) : is_needed(name))) return TL_HUB_LEFT;
    for (size_t i = 0; i < COUNT(pickles) && dot; i++)
        if (strcasecmp(dot, pickles[i]) == 0) return TL_HUB_PICKLE;
    return TL_HUB_TAKEN;
}

/* ---- headers and addresses ---- */

bool tl_hub_etag(char out[65], const char *header)
{
    if (strncmp(header, "W/", 2) == 0) header += 2;
    size_t n = strlen(header);
    if (n >= 2 && header[0] == '"' && header[n - 1] == '"') {
        header++;
        n -= 2;
    }
    if (n != 40 && n != 64) return false;
    memcpy(out, header, n);
    out[n] = '\0';
    return tl_hub_hex(out, n);
}

/* The endpoint without the slashes at its end. */
static int begin_url(tl_buf *url, const char *endpoint, tl_err *err)
{
    size_t n = strlen(endpoint);
    while (n && endpoint[n - 1] == '/') n--;
    return tl_buf_append(url, endpoint, n, err);
}

int tl_hub_listing_url(tl_buf *url, const char *endpoint, const char *repo, const char *revision, tl_err *err)
{
    TL_TRY(begin_url(url, endpoint, err));
    TL_TRY(tl_buf_printf(url, err, "/api/models/%s/revision/", repo));
    return tl_http_escape(url, revision, false, err);
}

int tl_hub_file_url(tl_buf *url, const char *endpoint, const char *repo, const char *revision, const char *name,
                    tl_err *err)
{
    TL_TRY(begin_url(url, endpoint, err));
    TL_TRY(tl_buf_printf(url, err, "/%s/resolve/", repo));
    TL_TRY(tl_http_escape(url, revision, false, err));
    TL_TRY(tl_buf_puts(url, "/", err));
    return tl_http_escape(url, name, true, err);
}
