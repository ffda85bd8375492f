/* open.c - the pieces in their order, and back. */
#include "cmd/open.h"

#include "base/panels.h"
#include "io/atomic.h"
#include "io/hub.h"
#include "io/hub_cache.h"
#include "io/hub_env.h"
#include "text/tokenizer_gguf.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int precision_parse(tl_precision *out, const char *word, tl_err *err)
{
    static const char *const words[] = { "f32", "bf16", "int8" };
    for (int i = 0; i < 3; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *out = (tl_precision)i;
        return 0;
    }
    return tl_fail(err, TL_EUSAGE, "--precision '%s': f32, bf16 and int8 are known", word);
}

static int add_quantized(void *context, const char *name, tl_weight *w)
{
    (void)name;
    *(bool *)context |= tl_panels_known(w->dtype);
    return 0;
}

int tl_open_base(tl_model **out, tl_precision *precision, const tl_open_flags *f, tl_err *err)
{
    tl_model_options options;
    bool quantized = false;
    TL_TRY(precision_parse(precision, f->precision, err));
    TL_TRY(tl_model_options_parse(&options, f->quantize, f->quantize_tables, err));
    TL_TRY(tl_model_open_as(out, f->model, &options, err));
    tl_model_each(*out, add_quantized, &quantized);
    if (*precision != TL_PRECISION_INT8 || quantized) return 0;
    return tl_fail(err, TL_EUSAGE,
                   "--precision int8 multiplies quantized matrices, and %s has none: --quantize makes them", f->model);
}

int tl_tokenizer_open_if_any(tl_tokenizer **out, const char *dir, tl_err *err)
{
    static const char *const files[] = {
        "tokenizer.json", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", NULL
    };
    *out = NULL;
    if (tl_gguf_is(dir)) {
        tl_gguf *g = NULL;
        TL_TRY(tl_gguf_open(&g, dir, err));
        bool any = tl_tokenizer_gguf_any(g);
        tl_gguf_close(g);
        return any ? tl_tokenizer_open(out, dir, err) : 0;
    }
    for (int i = 0; files[i]; i++) {
        char path[PATH_MAX];
        TL_TRY(tl_path_join(path, sizeof path, dir, files[i], err));
        if (access(path, F_OK) == 0) return tl_tokenizer_open(out, dir, err);
    }
    return 0;
}

int tl_tokens_parse(tl_ids *out, const char *text, int V, tl_err *err)
{
    if (tl_ids_parse(out, text, err) < 0) return tl_fail_in(err, "--tokens");
    for (size_t i = 0; i < out->size; i++)
        if (out->data[i] < 0 || out->data[i] >= V)
            return tl_fail(err, TL_EDATA, "--tokens: token %zu is %d, the vocabulary has 0 to %d", i, out->data[i],
                           V - 1);
    if (out->size == 0) return tl_fail(err, TL_EUSAGE, "--tokens: no id is there, wanted is at least one");
    return 0;
}

/* "org/name/a/b": where "/a/b" begins; the end of a name that has no more than two parts. */
static size_t repo_part(const char *model)
{
    size_t first = strcspn(model, "/");
    return model[first] ? first + 1 + strcspn(model + first + 1, "/") : first;
}

int tl_base_find(const char **model, tl_err *err)
{
    static char kept[4][PATH_MAX]; /* a command names two bases at most */
    static int n;
    char repo[PATH_MAX], cache[PATH_MAX], path[PATH_MAX], whole[PATH_MAX];
    bool found = false;
    size_t size = repo_part(*model);
    if (access(*model, F_OK) == 0 || size >= sizeof repo) return 0;
    memcpy(repo, *model, size);
    repo[size] = '\0';
    const char *file = (*model)[size] ? *model + size + 1 : "";
    /* What cannot be a repository is a path that is not there: for whoever opens it to say. */
    if (tl_hub_repo_check(repo, NULL) < 0 || (*file && !tl_hub_name_ok(file))) return 0;
    if (tl_hub_cache_dir(cache, sizeof cache, NULL) < 0) return 0;
    TL_TRY(tl_hub_cache_find(path, &found, cache, repo, "main", err));
    if (found) TL_TRY(tl_path_join(whole, sizeof whole, path, file, err));
    if (!found || access(whole, F_OK) != 0)
        return tl_fail(err, TL_EIO,
                       "%s: No such file or directory, and not in the cache %s; `tailor pull %s` downloads", *model,
                       cache, repo);
    assert(n < 4);
    snprintf(kept[n], sizeof kept[n], "%s", *file ? whole : path);
    *model = kept[n++];
    return 0;
}

static void add_stop(tl_opened *o, int id)
{
    if (id >= 0 && (o->n_stop == 0 || o->stop[0] != id)) o->stop[o->n_stop++] = id;
}

static int open_all(tl_opened *o, tl_open_flags *f, tl_err *err)
{
    tl_precision precision = TL_PRECISION_F32;
    if (f->threads < 0) return tl_fail(err, TL_EUSAGE, "--threads is %d, wanted 1 or more, or 0 for all", f->threads);
    TL_TRY(tl_base_find(&f->model, err));
    TL_TRY(tl_open_base(&o->model, &precision, f, err));
    const tl_config *c = &o->model->config;
    TL_TRY(tl_tokenizer_open_if_any(&o->tokenizer, f->model, err));
    if (o->tokenizer && tl_tokenizer_size(o->tokenizer) > c->V)
        return tl_fail(err, TL_ESHAPE, "%s: vocab_size is %d, the tokenizer beside it has %d", f->model, c->V,
                       tl_tokenizer_size(o->tokenizer));
    if (f->adapter) TL_TRY(tl_adapter_load(&o->adapter, o->model, f->adapter, err));
    o->bos = o->tokenizer && tl_tokenizer_bos(o->tokenizer) >= 0 ? tl_tokenizer_bos(o->tokenizer) : c->bos;
    if (o->tokenizer) add_stop(o, tl_tokenizer_eos(o->tokenizer));
    add_stop(o, c->eos);
    return tl_stream_create(&o->stream, f->threads, precision, c->T, c->h, err);
}

int tl_open(tl_opened *out, tl_open_flags *f, tl_err *err)
{
    *out = (tl_opened){ 0 };
    int rc = open_all(out, f, err);
    if (rc < 0) tl_close(out);
    return rc;
}

int tl_opened_engine(tl_opened *o, int sequences, size_t tokens, tl_err *err)
{
    const tl_config *c = &o->model->config;
    tl_engine_options e = tl_engine_defaults();
    size_t positions = tokens < (size_t)c->T ? tokens : (size_t)c->T;
    /* Each sequence, and the page that a branch copies. */
    size_t pages = (positions + TL_PAGE - 1) / TL_PAGE + 1;
    size_t page = (size_t)c->L * tl_page_bytes(tl_precision_dtype(o->stream.precision), c->G, c->h);
    e.max_sequences = sequences < 2 ? 2 : sequences;
    e.max_rank = o->adapter ? o->adapter->max_r : 0;
    e.cache_bytes = (size_t)e.max_sequences * pages * page;
    return tl_engine_create(&o->engine, o->model, &o->stream, &e, err);
}

void tl_close(tl_opened *o)
{
    tl_engine_free(o->engine);
    tl_adapter_release(o->adapter);
    tl_stream_free(&o->stream);
    tl_tokenizer_free(o->tokenizer);
    tl_model_free(o->model);
    *o = (tl_opened){ 0 };
}
