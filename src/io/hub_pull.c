/* hub_pull.c - listing, choice, facts, blobs, links: the steps of a pull in their order. */
#include "io/hub_pull.h"

#include "base/log.h"
#include "base/size.h"
#include "io/atomic.h"
#include "io/http.h"
#include "io/http_answer.h"
#include "io/hub.h"
#include "io/hub_cache.h"
#include "io/hub_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    URL_LIMIT = 8000
};

typedef struct pull {
    const char *repo;
    const tl_hub_options *o;
    tl_hub_pulled *out;
    tl_hub_cache cache;
    tl_hub_listing listing;
    tl_http *http;
    tl_progress line;
    bool shows;        /* the line is a terminal's */
    size_t unit, came; /* bytes of a step of the line; bytes that came */
    const char *name;  /* of the file that is on its way */
} pull;

tl_hub_options tl_hub_defaults(void)
{
    return (tl_hub_options){
        .endpoint = TL_HUB_ENDPOINT, .revision = "main", .connections = 4, .stall_seconds = 30, .first_wait = 1
    };
}

const char *tl_hub_bytes(char out[32], size_t bytes)
{
    static const char *const units[] = { "kB", "MB", "GB", "TB" };
    double x = (double)bytes / 1000;
    int i = 0;
    while (x >= 999.95 && i < 3) {
        x /= 1000;
        i++;
    }
    if (bytes < 1000)
        snprintf(out, 32, "%zu bytes", bytes);
    else
        snprintf(out, 32, "%.1f %s", x, units[i]);
    return out;
}

/* ---- refusals, in the hub's own words ---- */

/* What a status means here; the sentence in err names the address and the number. */
static int explain(const pull *p, const tl_http_answer *a, tl_err *err)
{
    char said[340] = "";
    const char *code = a->error_code;
    bool gated = strcmp(code, "GatedRepo") == 0;
    if (a->error_message[0]) snprintf(said, sizeof said, " (the hub says: %s)", a->error_message);
    if (a->status == 401 && p->o->token && !gated)
        return tl_fail(err, TL_EIO, "%s: %s does not take the token it was sent%s", p->repo, p->o->endpoint, said);
    if (a->status == 401 && !gated)
        return tl_fail(err, TL_EIO,
                       "%s: %s has no such repository, or wants to know who asks: set HF_TOKEN to a token%s", p->repo,
                       p->o->endpoint, said);
    if (a->status == 403 || gated)
        return tl_fail(
            err, TL_EIO, "%s: its authors give it to those alone who accepted their terms, at %s/%s, and send %s%s",
            p->repo, p->o->endpoint, p->repo, p->o->token ? "a token that may read it" : "a token (HF_TOKEN)", said);
    if (a->status == 404 && strcmp(code, "RevisionNotFound") == 0)
        return tl_fail(err, TL_EIO, "%s: has no revision '%s'%s", p->repo, p->o->revision, said);
    if (a->status == 404 && strcmp(code, "EntryNotFound") != 0)
        return tl_fail(err, TL_EIO, "%s: %s has no such repository or no revision '%s'%s", p->repo, p->o->endpoint,
                       p->o->revision, said);
    return a->status >= 400 && said[0] ? tl_fail_in(err, "%s%s", p->repo, said) : tl_fail_in(err, "%s", p->repo);
}

/* ---- what there is ---- */

static int take_listing(void *owner, size_t at, const void *bytes, size_t n, tl_err *err)
{
    tl_buf *b = owner;
    if (at == 0) tl_buf_clear(b); /* tried again */
    return tl_buf_append(b, bytes, n, err);
}

static int list(pull *p, tl_err *err)
{
    char shown[200];
    tl_buf url = tl_buf_make(URL_LIMIT), body = tl_buf_make(TL_HUB_LISTING_LIMIT);
    int rc = tl_hub_listing_url(&url, p->o->endpoint, p->repo, p->o->revision, err);
    if (rc < 0) goto done;
    tl_http_request r = { .url = url.data, .limit = TL_HUB_LISTING_LIMIT, .take = take_listing, .owner = &body };
    rc = tl_http_perform(p->http, &r, err);
    if (rc < 0 && rc != TL_EINTERRUPTED) rc = explain(p, &r.answer, err);
    if (rc < 0) goto done;
    tl_http_shown(shown, url.data);
    rc = tl_hub_listing_parse(&p->listing, body.size ? body.data : "", body.size, shown, err);
    if (rc == 0) memcpy(p->out->sha, p->listing.sha, sizeof p->out->sha);
    if (rc == 0) rc = tl_hub_cache_snapshot(p->out->path, &p->cache, p->out->sha, err);
done:
    tl_buf_reset(&url);
    tl_buf_reset(&body);
    return rc;
}

/* Nothing was chosen that is of use: say what there would be. */
static int nothing(const pull *p, tl_err *err)
{
    const char *gguf = NULL, *pickle = NULL;
    for (int i = 0; i < p->listing.n; i++) {
        const char *name = p->listing.names[i];
        if (!gguf && tl_hub_choose(name, "*.gguf", NULL) == TL_HUB_TAKEN) gguf = name;
        if (!pickle && tl_hub_choose(name, "*", NULL) == TL_HUB_PICKLE) pickle = name;
    }
    if (p->out->pickles || (pickle && !gguf && !p->o->include))
        return tl_fail(err, TL_EDATA,
                       "%s: has pickles (%s) and no safetensors; to open a pickle is to run it, so none is taken",
                       p->repo, pickle);
    if (gguf && !p->o->include)
        return tl_fail(err, TL_EDATA, "%s: has no safetensors, but GGUF files (%s): --include takes one", p->repo,
                       gguf);
    return tl_fail(err, TL_EDATA, "%s: none of its %d files is %s", p->repo, p->listing.n,
                   p->o->include ? "asked for" : "what a base needs");
}

static int choose(pull *p, tl_err *err)
{
    tl_hub_pulled *out = p->out;
    bool weights = false;
    out->files = calloc((size_t)p->listing.n + 1, sizeof *out->files);
    if (!out->files) return tl_fail(err, TL_ENOMEM, "%s: no memory for %d names", p->repo, p->listing.n);
    for (int i = 0; i < p->listing.n; i++) {
        const char *name = p->listing.names[i];
        tl_hub_choice choice = tl_hub_choose(name, p->o->include, p->o->exclude);
        size_t n = strlen(name);
        if (choice == TL_HUB_PICKLE) out->pickles++;
        if (choice != TL_HUB_TAKEN) continue;
        if (n > 12 && strcmp(name + n - 12, ".safetensors") == 0) weights = true;
        tl_hub_file *f = &out->files[out->n];
        f->name = strdup(name);
        if (!f->name) return tl_fail(err, TL_ENOMEM, "%s: no memory for its names", p->repo);
        out->n++;
        f->linked = f->there = tl_hub_cache_has(&p->cache, out->sha, name, f->etag, &f->size);
    }
    return out->n == 0 || (!weights && !p->o->include && !p->o->exclude) ? nothing(p, err) : 0;
}

/* Size and hash of a file from the answer to its HEAD. */
static int take_facts(const pull *p, tl_hub_file *f, const tl_http_answer *a, tl_err *err)
{
    const char *etag = a->linked_etag[0] ? a->linked_etag : a->etag;
    char blob[PATH_MAX];
    struct stat st;
    if (a->commit[0] && strcmp(a->commit, p->out->sha) != 0)
        return tl_fail(err, TL_EDATA, "%s: %s is of commit %.40s, asked for was %s", p->repo, f->name, a->commit,
                       p->out->sha);
    if (!tl_hub_etag(f->etag, etag))
        return tl_fail(err, TL_EDATA,
                       "%s: %s has the ETag '%.80s', which is no sha256 and no git sha1: it could not be verified",
                       p->repo, f->name, etag);
    bool sized = false;
    if (a->linked_size[0]) {
        sized = tl_head_size(&f->size, a->linked_size);
    } else if (!a->elsewhere && a->content_length >= 0) {
        f->size = (size_t)a->content_length;
        sized = true;
    }
    if (!sized) return tl_fail(err, TL_EDATA, "%s: %s has no size that can be read", p->repo, f->name);
    TL_TRY(tl_hub_cache_blob(blob, &p->cache, f->etag, false, err));
    f->there = stat(blob, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == f->size;
    return 0;
}

typedef struct question {
    tl_http_request r;
    tl_buf url;
    tl_hub_file *file;
} question;

/* A HEAD for each chosen file that is not in the snapshot, some at a time. */
static int ask(pull *p, tl_err *err)
{
    question q[TL_HUB_CONNECTIONS_MAX];
    int rc = 0, asked = 0, busy = 0, n = p->o->connections;
    for (int i = 0; i < n; i++) q[i] = (question){ .url = tl_buf_make(URL_LIMIT) };
    while (rc == 0) {
        for (int i = 0; i < n && rc == 0; i++) {
            if (q[i].file) continue;
            while (asked < p->out->n && p->out->files[asked].linked) asked++;
            if (asked == p->out->n) break;
            q[i].file = &p->out->files[asked++];
            tl_buf_clear(&q[i].url);
            rc = tl_hub_file_url(&q[i].url, p->o->endpoint, p->repo, p->out->sha, q[i].file->name, err);
            q[i].r = (tl_http_request){ .url = q[i].url.data, .head = true, .owner = &q[i] };
            if (rc == 0) rc = tl_http_start(p->http, &q[i].r, err);
            if (rc == 0) busy++;
        }
        if (rc < 0 || busy == 0) break;
        tl_http_request *done = NULL;
        rc = tl_http_step(p->http, &done, err);
        if (rc < 0 || !done) continue;
        question *answered = done->owner;
        if (done->rc < 0) {
            *err = done->err;
            rc = explain(p, &done->answer, err);
        } else {
            rc = take_facts(p, answered->file, &done->answer, err);
        }
        answered->file = NULL;
        busy--;
    }
    for (int i = 0; i < n; i++) {
        tl_http_stop(p->http, &q[i].r);
        tl_buf_reset(&q[i].url);
    }
    return rc;
}

/* What all of it is, what is missing, and whether the disk has room for that. */
static int count(pull *p, tl_err *err)
{
    tl_hub_pulled *out = p->out;
    size_t begun = 0;
    char blob[PATH_MAX], need[32], has[32];
    struct statvfs disk;
    for (int i = 0; i < out->n; i++) {
        const tl_hub_file *f = &out->files[i];
        bool fits = tl_size_add(&out->bytes, out->bytes, f->size);
        if (!f->there) fits = fits && tl_size_add(&out->missing, out->missing, f->size);
        if (!fits) return tl_fail(err, TL_EDATA, "%s: its sizes add up to more than there can be", p->repo);
        if (f->there) continue;
        TL_TRY(tl_hub_cache_blob(blob, &p->cache, f->etag, false, err));
        begun += tl_hub_fetch_begun(blob, f->size);
    }
    out->missing -= begun < out->missing ? begun : out->missing;
    if (p->o->dry_run || out->missing == 0) return 0;
    TL_TRY(tl_dir_make(p->cache.repo, err));
    if (statvfs(p->cache.repo, &disk) < 0) return 0; /* then the disk says it itself */
    size_t room = (size_t)disk.f_bavail * disk.f_frsize;
    if (room < out->missing)
        return tl_fail(err, TL_EIO, "%s: the disk has %s left, the download needs %s", p->cache.repo,
                       tl_hub_bytes(has, room), tl_hub_bytes(need, out->missing));
    return 0;
}

/* ---- what comes ---- */

static void on_moved(void *owner, long bytes)
{
    pull *p = owner;
    p->came = bytes < 0 && p->came < (size_t)-bytes ? 0 : p->came + (size_t)bytes;
    long steps = (long)(p->came / p->unit);
    if (p->shows && steps > 0)
        tl_progress_show(&p->line, steps < p->line.total ? steps : p->line.total, "%s  %s",
                         p->unit == 1000 ? "kB" : "MB", p->name);
}

/* Why a request waits, under the line and not in it. */
static void on_note(void *owner, const char *text)
{
    pull *p = owner;
    if (p->shows && p->line.pending) tl_progress_end(&p->line);
    tl_log("pull: %s", text);
}

static int fetch_blob(pull *p, tl_hub_file *f, const char *blob, tl_err *err)
{
    tl_buf url = tl_buf_make(URL_LIMIT);
    int rc = tl_hub_file_url(&url, p->o->endpoint, p->repo, p->out->sha, f->name, err);
    tl_hub_fetch want = { .http = p->http,
                          .url = url.data,
                          .etag = f->etag,
                          .path = blob,
                          .size = f->size,
                          .part = p->o->part,
                          .connections = p->o->connections,
                          .moved = on_moved,
                          .owner = p };
    p->name = f->name;
    if (rc == 0) rc = tl_hub_fetch_file(&want, err);
    if (rc < 0 && rc != TL_EINTERRUPTED) tl_fail_in(err, "%s: %s", p->repo, f->name);
    tl_buf_reset(&url);
    return rc;
}

static int fetch_one(pull *p, tl_hub_file *f, tl_err *err)
{
    char blob[PATH_MAX];
    struct stat st;
    int lock = -1;
    TL_TRY(tl_hub_cache_blob(blob, &p->cache, f->etag, true, err));
    TL_TRY(tl_hub_cache_lock(&lock, &p->cache, f->etag, err));
    /* Another program, or another name of the same content, may have brought it meanwhile. */
    f->there = stat(blob, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == f->size;
    int rc = f->there ? 0 : fetch_blob(p, f, blob, err);
    tl_hub_cache_unlock(lock);
    f->there = rc == 0;
    return rc;
}

static int fetch_all(pull *p, tl_err *err)
{
    int rc = 0;
    p->unit = p->out->missing < 10000000 ? 1000 : 1000000;
    p->line = tl_progress_start("pull", (long)(p->out->missing / p->unit));
    p->shows = p->line.terminal;
    for (int i = 0; i < p->out->n && rc == 0; i++)
        if (!p->out->files[i].there) rc = fetch_one(p, &p->out->files[i], err);
    if (p->shows && p->line.pending) tl_progress_end(&p->line);
    p->out->came = p->came;
    return rc;
}

static int link_all(const pull *p, tl_err *err)
{
    for (int i = 0; i < p->out->n; i++) {
        tl_hub_file *f = &p->out->files[i];
        if (!f->linked) TL_TRY(tl_hub_cache_link(&p->cache, p->out->sha, f->name, f->etag, err));
        f->linked = true;
    }
    return tl_hub_cache_refer(&p->cache, p->o->revision, p->out->sha, err);
}

static int check_options(const char *repo, const tl_hub_options *o, tl_err *err)
{
    TL_TRY(tl_hub_repo_check(repo, err));
    TL_TRY(tl_hub_revision_check(o->revision, err));
    if (o->connections < 1 || o->connections > TL_HUB_CONNECTIONS_MAX)
        return tl_fail(err, TL_EUSAGE, "--connections is %d, wanted is 1 to %d", o->connections,
                       TL_HUB_CONNECTIONS_MAX);
    if (o->stall_seconds < 1) return tl_fail(err, TL_EUSAGE, "--timeout is %d, wanted is 1 or more", o->stall_seconds);
    if (tl_http_url_check(o->endpoint, err) < 0) {
        tl_fail_in(err, "the endpoint");
        return err->code;
    }
    return 0;
}

int tl_hub_pull(tl_hub_pulled *out, const char *repo, const tl_hub_options *o, tl_err *err)
{
    pull p = { .repo = repo, .o = o, .out = out };
    tl_http_options h = tl_http_defaults();
    *out = (tl_hub_pulled){ 0 };
    TL_TRY(check_options(repo, o, err));
    TL_TRY(tl_hub_cache_open(&p.cache, o->cache, repo, err));
    h.token = o->token;
    h.origin = o->endpoint;
    h.stall_seconds = o->stall_seconds;
    h.first_wait = o->first_wait;
    h.note = on_note;
    h.note_owner = &p;
    int rc = tl_http_create(&p.http, &h, err);
    if (rc == 0) rc = list(&p, err);
    if (rc == 0) rc = choose(&p, err);
    if (rc == 0) rc = ask(&p, err);
    if (rc == 0) rc = count(&p, err);
    if (rc == 0 && !o->dry_run) rc = fetch_all(&p, err);
    if (rc == 0 && !o->dry_run) rc = link_all(&p, err);
    tl_http_free(p.http);
    tl_hub_listing_reset(&p.listing);
    return rc;
}

void tl_hub_pulled_reset(tl_hub_pulled *p)
{
    for (int i = 0; i < p->n; i++) free(p->files[i].name);
    free(p->files);
    *p = (tl_hub_pulled){ 0 };
}
