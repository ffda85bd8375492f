/* cmd_pull.c - a base or adapter from a hub into the cache that the Python tools share. */
#include "base/log.h"
#include "cmd/options.h"
#include "io/hub_env.h"
#include "io/hub_pull.h"

#include <stdio.h>

static struct {
    const char *revision, *include, *exclude, *endpoint, *cache;
    int connections, timeout;
    bool dry_run;
} o = { .revision = "main", .connections = 4, .timeout = 30 };

static const tl_option rows[] = {
    { "revision", 's', &o.revision, "REV", "branch, tag or commit" },
    { "include", 's', &o.include, "GLOBS", "files to take, with commas; without it what a base needs, in safetensors" },
    { "exclude", 's', &o.exclude, "GLOBS", "files to leave, with commas" },
    { "dry-run", 'b', &o.dry_run, NULL, "say what would come, and take nothing" },
    { "cache", 's', &o.cache, "DIR", "where it goes; without it HF_HUB_CACHE, or hub in HF_HOME" },
    { "endpoint", 's', &o.endpoint, "URL", "the hub, or a mirror; without it HF_ENDPOINT, or https://huggingface.co" },
    { "connections", 'i', &o.connections, "N", "at once, for a large file" },
    { "timeout", 'i', &o.timeout, "SECONDS", "a connection that brings nothing for so long is tried again" },
    { 0 },
};

static void print_files(const tl_hub_pulled *p)
{
    char size[32], all[32];
    for (int i = 0; i < p->n; i++)
        printf("%12s  %-7s %s\n", tl_hub_bytes(size, p->files[i].size), p->files[i].there ? "there" : "missing",
               p->files[i].name);
    printf("%12s  %s missing, commit %s\n", tl_hub_bytes(all, p->bytes), tl_hub_bytes(size, p->missing), p->sha);
}

static int pull(const char *repo, const char *token, tl_err *err)
{
    char cache[4096], all[32], came[32];
    tl_hub_pulled p = { 0 };
    tl_hub_options how = tl_hub_defaults();
    if (!o.cache) TL_TRY(tl_hub_cache_dir(cache, sizeof cache, err));
    how.cache = o.cache ? o.cache : cache;
    how.endpoint = o.endpoint ? o.endpoint : tl_hub_endpoint();
    how.revision = o.revision;
    how.token = token;
    how.include = o.include;
    how.exclude = o.exclude;
    how.dry_run = o.dry_run;
    how.connections = o.connections;
    how.stall_seconds = o.timeout;
    int rc = tl_hub_pull(&p, repo, &how, err);
    if (rc == 0 && p.pickles) tl_log("pull: %d files are left out: pickles, and to open one is to run it", p.pickles);
    if (rc == 0 && o.dry_run) print_files(&p);
    if (rc == 0 && !o.dry_run) {
        tl_log("pull: %d files, %s, of which %s came now", p.n, tl_hub_bytes(all, p.bytes), tl_hub_bytes(came, p.came));
        printf("%s\n", p.path);
    }
    tl_hub_pulled_reset(&p);
    return rc;
}

static int run_pull(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    const char *from = NULL;
    TL_TRY(tl_options_parse(&tl_cmd_pull, rows, argc, argv, 1, &p, err));
    if (p.help) return 0;
    if (tl_hub_offline())
        return tl_fail(err, TL_EUSAGE, "tailor pull: HF_HUB_OFFLINE is set, so no connection is opened");
    tl_buf token = tl_buf_make(1 << 16);
    int rc = tl_hub_token(&token, &from, err);
    if (rc == 0) rc = pull(p.items[0], from ? token.data : NULL, err);
    tl_buf_reset(&token);
    return rc;
}

const tl_command tl_cmd_pull = { "pull", "download a base or an adapter from a hub into the cache",
                                 "REPO [--include GLOBS]", run_pull };
