/* cmd_merge.c - an adapter into its base: a base of its own, for tools that know no adapters.
 *
 * What is measured is what was written: the directory is read again before it gets its name, and its logits are held
 * against those of the base with the adapter.  So the drift is that of rounding to the type that is stored. */
#include "base/rng.h"
#include "cmd/open.h"
#include "eval/drift.h"
#include "eval/forgetting.h"
#include "io/atomic.h"
#include "io/json.h"
#include "text/tokenizer_copy.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TEXT_LIMIT = 1 << 24,
    DRAWN = 128 /* ids, where there is no text */
};

static tl_open_flags flags = { .model = "models/tailor-base", .precision = "f32" };

static struct {
    const char *output, *text, *dtype;
    bool json;
} o = { .dtype = "base" };

static const tl_option rows[] = {
    { "model", 's', &flags.model, "BASE", "the base: a directory or a GGUF file" },
    { "adapter", 's', &flags.adapter, "PATH", "the adapter: PEFT's or MLX's directory, or a GGUF file" },
    { "output", 's', &o.output, "DIR", "where the merged base goes" },
    { "dtype", 's', &o.dtype, "TYPE", "of the merged base's tensors: f32, bf16 or base, as the base has them" },
    { "text", 's', &o.text, "FILE",
      "a text to measure the drift on; without it the base's general.jsonl, or ids drawn at random" },
    { "threads", 'i', &flags.threads, "N", "0: all" },
    { "json", 'b', &o.json, NULL, "write the drift as one JSON object" },
    { 0 },
};

/* What the drift was measured on. */
typedef struct sample {
    tl_ids ids; /* owned */
    const char *from;
} sample;

static int read_text(sample *t, const tl_opened *m, tl_err *err)
{
    tl_buf text = tl_buf_make(TEXT_LIMIT);
    if (!m->tokenizer)
        return tl_fail(err, TL_EUSAGE, "--text %s: %s has no tokenizer to read it with", o.text, flags.model);
    int rc = tl_file_read(o.text, TEXT_LIMIT, &text, err);
    if (rc == 0)
        rc = tl_tokenizer_encode(m->tokenizer, text.data ? text.data : "", text.size, TL_ENCODE_SPECIAL, &t->ids, err);
    tl_buf_reset(&text);
    t->from = o.text;
    return rc;
}

/* The documents of the base's general text one after the other. */
static int read_general(sample *t, const tl_opened *m, const char *path, tl_err *err)
{
    tl_general *g = NULL;
    TL_TRY(tl_general_open(&g, path, m->tokenizer, err));
    int rc = 0;
    for (int i = 0; rc == 0 && i < g->n && t->ids.size < TL_DRIFT_POSITIONS; i++)
        rc = tl_ids_append(&t->ids, g->texts[i].data, g->texts[i].size, err);
    tl_general_free(g);
    t->from = "general.jsonl";
    return rc;
}

static int draw(sample *t, const tl_opened *m, tl_err *err)
{
    tl_rng r = tl_rng_make(1, 0);
    for (int i = 0; i < DRAWN; i++)
        TL_TRY(tl_ids_push(&t->ids, (int)tl_rng_below(&r, (uint32_t)m->model->config.V), err));
    t->from = "ids drawn at random";
    return 0;
}

static int take_sample(sample *t, const tl_opened *m, tl_err *err)
{
    char path[PATH_MAX];
    if (o.text) return read_text(t, m, err);
    bool found = m->tokenizer && tl_path_join(path, sizeof path, flags.model, "general.jsonl", NULL) == 0 &&
                 access(path, F_OK) == 0;
    return found ? read_general(t, m, path, err) : draw(t, m, err);
}

static int parse_dtype(tl_dtype *out, const tl_model *m, tl_err *err)
{
    if (strcmp(o.dtype, "base") == 0)
        *out = m->tokens.dtype == TL_DTYPE_BF16 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
    else if (strcmp(o.dtype, "f32") == 0)
        *out = TL_DTYPE_F32;
    else if (strcmp(o.dtype, "bf16") == 0)
        *out = TL_DTYPE_BF16;
    else
        return tl_fail(err, TL_EUSAGE, "--dtype '%s': base, f32 and bf16 are known", o.dtype);
    return 0;
}

static int write_merged(const tl_opened *m, const char *dir, tl_dtype dtype, tl_err *err)
{
    tl_model *merged = NULL;
    TL_TRY(tl_adapter_merge(&merged, m->adapter, err));
    int rc = tl_tokenizer_copy(flags.model, dir, err);
    if (rc == 0) rc = tl_model_write(merged, dir, dtype, err);
    tl_model_free(merged);
    return rc;
}

static int measure(tl_drift *d, tl_opened *m, const char *dir, const sample *t, tl_err *err)
{
    tl_model *written = NULL;
    TL_TRY(tl_model_open(&written, dir, err));
    int rc = tl_drift_measure(d, m->model, m->adapter, written, NULL, &m->stream, t->ids.data, (int)t->ids.size, err);
    tl_model_free(written);
    return rc;
}

static int print_json(const tl_drift *d, const sample *t, tl_dtype dtype, tl_err *err)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f}", "output", o.output, "dtype",
                               tl_dtype_name(dtype), "text", t->from, "positions", d->positions, "same_first_choice",
                               d->same, "largest", d->largest, "rms", d->mean, "logits_rms", d->size, "kl", d->kl);
    char *text = object ? tl_json_print(object, JSON_INDENT(2)) : NULL;
    json_decref(object);
    if (!text) return tl_fail(err, TL_ENOMEM, "merge: no memory to write the drift");
    puts(text);
    free(text);
    return 0;
}

static int print(const tl_drift *d, const sample *t, tl_dtype dtype, tl_err *err)
{
    if (o.json) return print_json(d, t, dtype, err);
    printf("merged into %s, tensors in %s\n"
           "drift from base and adapter on %d tokens (%s): logits differ by %.3g at most, by %.3g in the mean (rms) of "
           "%.3g; KL %.2g nats; the first choice is the same at %d of %d\n",
           o.output, tl_dtype_name(dtype), d->positions, t->from, d->largest, d->mean, d->size, d->kl, d->same,
           d->positions);
    return 0;
}

static int merge(tl_opened *m, tl_err *err)
{
    tl_dir *dir = NULL;
    tl_dtype dtype = TL_DTYPE_F32;
    tl_drift d;
    sample t = { .from = NULL };
    TL_TRY(parse_dtype(&dtype, m->model, err));
    int rc = take_sample(&t, m, err);
    if (rc == 0) rc = tl_dir_begin(&dir, o.output, "config.json", err);
    if (rc == 0) rc = write_merged(m, tl_dir_path(dir), dtype, err);
    if (rc == 0) rc = measure(&d, m, tl_dir_path(dir), &t, err);
    if (rc == 0) {
        rc = tl_dir_commit(dir, err);
        dir = NULL;
    }
    if (rc == 0) rc = print(&d, &t, dtype, err);
    tl_dir_abort(dir);
    tl_ids_reset(&t.ids);
    return rc;
}

static int run_merge(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    tl_opened m = { 0 };
    TL_TRY(tl_options_parse(&tl_cmd_merge, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (!flags.adapter || !o.output)
        return tl_fail(err, TL_EUSAGE, "tailor merge: --adapter PATH and --output DIR are wanted");
    int rc = tl_open(&m, &flags, err);
    if (rc == 0) rc = merge(&m, err);
    tl_close(&m);
    return rc;
}

const tl_command tl_cmd_merge = { "merge", "an adapter into its base, and how far that moves the logits",
                                  "--model BASE --adapter PATH --output DIR", run_merge };
