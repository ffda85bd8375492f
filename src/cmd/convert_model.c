/* convert_model.c - a base in another format: opened by rows, written tensor by tensor. */
#include "base/log.h"
#include "cmd/convert.h"
#include "io/atomic.h"
#include "io/json.h"
#include "model/model_gguf_write.h"
#include "text/tokenizer_copy.h"
#include "text/tokenizer_gguf_write.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct type_word {
    const char *word;
    tl_dtype type;
} type_word;

static const type_word words[] = {
    { "f32", TL_DTYPE_F32 },   { "f16", TL_DTYPE_F16 },   { "bf16", TL_DTYPE_BF16 },
    { "q8_0", TL_DTYPE_Q8_0 }, { "q4_0", TL_DTYPE_Q4_0 }, { "q4_k", TL_DTYPE_Q4_K },
};

/* One of the first n words; without a word, as stored. */
static int parse_type(tl_dtype *out, const char *flag, const char *word, int n, tl_err *err)
{
    char known[80] = "";
    *out = TL_DTYPE_COUNT;
    for (int i = 0; word && i < n; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", words[i].word);
        if (strcmp(words[i].word, word) != 0) continue;
        *out = words[i].type;
        return 0;
    }
    return word ? tl_fail(err, TL_EUSAGE, "--%s '%s': %s are known", flag, word, known) : 0;
}

/* ---- to GGUF ---- */

/* What the base calls itself, or its path does. */
static int name_of(char out[200], const char *model, tl_err *err)
{
    if (tl_gguf_is(model)) {
        const char *name;
        tl_gguf *g = NULL;
        TL_TRY(tl_gguf_open(&g, model, err));
        int rc = tl_gguf_string_or(g, "general.name", "", &name, err);
        snprintf(out, 200, "%s", rc == 0 ? name : "");
        tl_gguf_close(g);
        return rc;
    }
    size_t n = strlen(model);
    while (n > 1 && model[n - 1] == '/') n--;
    size_t start = n;
    while (start > 0 && model[start - 1] != '/') start--;
    snprintf(out, 200, "%.*s", (int)(n - start), model + start);
    return 0;
}

/* A file that is no GGUF file is left alone, so that a mistyped path costs no one theirs. */
static int check_place(const char *path, tl_err *err)
{
    struct stat st;
    if (lstat(path, &st) < 0 || tl_gguf_is(path)) return 0;
    return tl_fail(err, TL_EUSAGE, "%s: is there and no GGUF file, it stays as it is", path);
}

static int write_gguf(const tl_model *m, const tl_convert_flags *f, const tl_gguf_types *types, tl_err *err)
{
    char name[200];
    tl_gguf_base b = { 0 };
    TL_TRY(name_of(name, f->model, err));
    int rc = tl_gguf_base_make(&b, m, name, types, err);
    if (rc < 0) return tl_fail_in(err, "%s", f->model);
    const tl_gguf_ids ids = { m->config.V, m->config.bos, m->config.eos };
    if (rc == 0) rc = tl_tokenizer_gguf_put(b.draft, f->model, &ids, err);
    if (rc == 0) rc = tl_gguf_draft_save(b.draft, f->output, tl_layout_list_write, &b.list, err);
    if (rc == 0) printf("%s: a base of %zu numbers, as gguf\n", f->output, tl_model_parameters(m));
    tl_gguf_base_reset(&b);
    return rc;
}

int tl_convert_model_gguf(const tl_convert_flags *f, tl_err *err)
{
    tl_gguf_types types;
    tl_model *m = NULL;
    TL_TRY(parse_type(&types.layers, "type", f->type, 6, err));
    TL_TRY(parse_type(&types.tables, "tables", f->tables, 6, err));
    if (!f->tables)
        types.tables = types.layers >= TL_DTYPE_Q8_0 && types.layers < TL_DTYPE_COUNT ? TL_DTYPE_Q8_0 : types.layers;
    TL_TRY(check_place(f->output, err));
    TL_TRY(tl_model_open_rows(&m, f->model, err));
    int rc = write_gguf(m, f, &types, err);
    tl_model_free(m);
    return rc;
}

/* ---- to a directory ---- */

/* "5GB", "200MB", "1000000": bytes. */
static int parse_size(size_t *out, const char *word, tl_err *err)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = { { "", 1 }, { "KB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 } };
    char *end = NULL;
    *out = 0;
    if (!word) return 0;
    double x = strtod(word, &end);
    for (int i = 0; i < 4 && end != word; i++)
        if (strcmp(units[i].unit, end) == 0 && x * units[i].bytes >= 1 && x * units[i].bytes < 1e18) {
            *out = (size_t)(x * units[i].bytes);
            return 0;
        }
    return tl_fail(err, TL_EUSAGE, "--shard-size '%s': a number of bytes is wanted, or one with KB, MB or GB", word);
}

/* The config.json to carry along: NULL where the base has none. */
static int config_of(json_t **out, const char *model, tl_err *err)
{
    char path[PATH_MAX];
    *out = NULL;
    if (tl_gguf_is(model)) return 0;
    TL_TRY(tl_path_join(path, sizeof path, model, "config.json", err));
    return tl_json_load(out, path, err);
}

/* What a GGUF file leaves unsaid of generation: the ids that its config has. */
static int write_generation(const tl_model *m, const char *dir, tl_err *err)
{
    char path[PATH_MAX];
    const struct {
        const char *key;
        int id;
    } ids[] = { { "bos_token_id", m->config.bos },
                { "eos_token_id", m->config.eos },
                { "pad_token_id", m->config.pad } };
    TL_TRY(tl_path_join(path, sizeof path, dir, "generation_config.json", err));
    json_t *o = json_pack("{s:b}", "_from_model_config", 1);
    int rc = o ? 0 : -1;
    for (int i = 0; i < 3; i++)
        if (ids[i].id >= 0) rc |= json_object_set_new(o, ids[i].key, json_integer(ids[i].id));
    rc = rc < 0 ? tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path) : tl_json_save(path, o, err);
    json_decref(o);
    return rc;
}

static int write_dir(const tl_model *m, const char *model, const char *dir, tl_write_options *o, tl_err *err)
{
    json_t *config = NULL;
    TL_TRY(tl_tokenizer_copy(model, dir, err));
    if (tl_gguf_is(model)) TL_TRY(write_generation(m, dir, err));
    TL_TRY(config_of(&config, model, err));
    o->config = config;
    int rc = tl_model_write_with(m, dir, o, err);
    json_decref(config);
    return rc;
}

int tl_convert_model_hf(const tl_convert_flags *f, tl_err *err)
{
    tl_write_options o = tl_write_defaults();
    tl_model *m = NULL;
    tl_dir *d = NULL;
    TL_TRY(parse_type(&o.dtype, "type", f->type, 3, err));
    TL_TRY(parse_size(&o.shard_bytes, f->shard_size, err));
    TL_TRY(tl_dir_begin(&d, f->output, "config.json", err));
    int rc = tl_model_open_rows(&m, f->model, err);
    if (rc == 0) rc = write_dir(m, f->model, tl_dir_path(d), &o, err);
    size_t n = rc == 0 ? tl_model_parameters(m) : 0;
    tl_model_free(m);
    if (rc == 0)
        rc = tl_dir_commit(d, err);
    else
        tl_dir_abort(d);
    if (rc == 0) printf("%s: a base of %zu numbers, as hf\n", f->output, n);
    return rc;
}
