/* variant.c - parts to files and back. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "method/variant.h"

#include "io/atomic.h"
#include "io/json.h"
#include "text/tokenizer_copy.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH = 4096,
    PROMPT_LIMIT = 1 << 24
};

tl_model *tl_variant_model(const tl_variant *v)
{
    return v->weights ? v->weights : v->base;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static const char *part_name(const tl_variant *v)
{
    return v->weights ? "weights" : v->adapter ? "adapter" : "none";
}

static int write_manifest(const tl_variant *v, const char *base_dir, const char *dir, tl_err *err)
{
    char path[PATH], hex[65];
    TL_TRY(tl_path_join(path, sizeof path, dir, "variant.json", err));
    const tl_hash base_hash = tl_model_hash(v->base);
    tl_hash_hex(hex, &base_hash);
    json_t *o = json_pack("{s:s, s:s, s:{s:s, s:s}}", "method", v->method, "part", part_name(v), "base", "name",
                          last_part(base_dir), "sha256", hex);
    int rc = o ? tl_json_save(path, o, err) : tl_fail(err, TL_ENOMEM, "%s: no memory for it", path);
    json_decref(o);
    return rc;
}

static int write_weights(const tl_variant *v, const char *base_dir, const char *dir, tl_err *err)
{
    char path[PATH];
    TL_TRY(tl_path_join(path, sizeof path, dir, "weights", err));
    TL_TRY(tl_dir_make(path, err));
    TL_TRY(tl_tokenizer_copy(base_dir, path, err));
    return tl_model_write_as_it_is(v->weights, path, err);
}

static int write_parts(const tl_variant *v, const char *base_dir, const char *dir, tl_err *err)
{
    char path[PATH];
    TL_TRY(tl_path_join(path, sizeof path, dir, "prompt.txt", err));
    TL_TRY(tl_file_save(path, v->prefix, strlen(v->prefix), err));
    if (v->adapter) {
        TL_TRY(tl_path_join(path, sizeof path, dir, "adapter", err));
        TL_TRY(tl_dir_make(path, err));
        TL_TRY(tl_adapter_write(v->adapter, path, last_part(base_dir), err));
    }
    if (v->weights) TL_TRY(write_weights(v, base_dir, dir, err));
    return write_manifest(v, base_dir, dir, err);
}

int tl_variant_write(const tl_variant *v, const char *base_dir, const char *dir, tl_err *err)
{
    tl_dir *d = NULL;
    TL_TRY(tl_dir_begin(&d, dir, "variant.json", err));
    int rc = write_parts(v, base_dir, tl_dir_path(d), err);
    if (rc == 0) return tl_dir_commit(d, err);
    tl_dir_abort(d);
    return rc;
}

/* The adapter or weights that the manifest says are there. */
static int read_part(tl_variant *v, const char *manifest, const char *part, const char *dir, tl_err *err)
{
    char path[PATH];
    TL_TRY(tl_path_join(path, sizeof path, dir, part, err));
    if (strcmp(part, "adapter") == 0) return tl_adapter_load(&v->adapter, v->base, path, err);
    if (strcmp(part, "weights") == 0) return tl_model_open(&v->weights, path, err);
    if (strcmp(part, "none") == 0) return 0;
    return tl_fail(err, TL_EDATA, "%s: part is '%s'; none, adapter and weights are known", manifest, part);
}

static int read_manifest(tl_variant *v, const char *dir, tl_err *err)
{
    char path[PATH], hex[65];
    const char *method, *part, *sha;
    json_t *o = NULL, *base;
    TL_TRY(tl_path_join(path, sizeof path, dir, "variant.json", err));
    TL_TRY(tl_json_load(&o, path, err));
    const tl_hash base_hash = tl_model_hash(v->base);
    tl_hash_hex(hex, &base_hash);
    int rc = tl_json_string(o, path, "method", &method, err);
    if (rc == 0) rc = tl_json_string(o, path, "part", &part, err);
    if (rc == 0) rc = tl_json_value(o, path, "base", JSON_OBJECT, &base, err);
    if (rc == 0) rc = tl_json_string(base, path, "sha256", &sha, err);
    if (rc == 0 && strcmp(sha, hex) != 0)
        rc = tl_fail(err, TL_EDATA, "%s: made for the base %.12s..., this one is %.12s...", path, sha, hex);
    if (rc == 0 && !(v->method = strdup(method))) rc = tl_fail(err, TL_ENOMEM, "%s: no memory for it", path);
    if (rc == 0) rc = read_part(v, path, part, dir, err);
    json_decref(o);
    return rc;
}

static int read_prompt(tl_variant *v, const char *dir, tl_err *err)
{
    char path[PATH];
    tl_buf prompt = tl_buf_make(PROMPT_LIMIT);
    TL_TRY(tl_path_join(path, sizeof path, dir, "prompt.txt", err));
    int rc = tl_file_read(path, PROMPT_LIMIT, &prompt, err);
    if (rc == 0 && !(v->prefix = strdup(prompt.data ? prompt.data : "")))
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory for it", path);
    tl_buf_reset(&prompt);
    return rc;
}

int tl_variant_open(tl_variant **out, tl_model *base, const char *dir, tl_err *err)
{
    tl_variant *v = calloc(1, sizeof *v);
    if (!v) return tl_fail(err, TL_ENOMEM, "%s: no memory for it", dir);
    v->base = base;
    int rc = read_manifest(v, dir, err);
    if (rc == 0) rc = read_prompt(v, dir, err);
    if (rc < 0) {
        tl_variant_free(v);
        return rc;
    }
    *out = v;
    return 0;
}

void tl_variant_free(tl_variant *v)
{
    if (!v) return;
    free(v->method);
    free(v->prefix);
    tl_adapter_release(v->adapter);
    tl_model_free(v->weights);
    free(v);
}

static _Thread_local size_t walked;

static int add_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (type == FTW_F) walked += (size_t)st->st_size;
    return 0;
}

int tl_directory_bytes(size_t *out, const char *dir, tl_err *err)
{
    walked = 0;
    if (nftw(dir, add_file, 16, FTW_PHYS) != 0)
        return tl_fail(err, TL_EIO, "%s: cannot be walked: %s", dir, strerror(errno));
    *out = walked;
    return 0;
}
