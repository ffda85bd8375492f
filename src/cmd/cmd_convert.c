/* cmd_convert.c - an adapter from one format into another, over the base it is for: its shapes, and the places of rows
 * in GGUF, are the base's to say.
 *
 * A conversion is a row: what is converted, the word for the format, and who writes it. */
#include "cmd/open.h"
#include "io/atomic.h"

#include <stdio.h>
#include <string.h>

static struct {
    const char *model, *adapter, *to, *output;
} o = { .model = "models/tailor-base" };

static const tl_option rows[] = {
    { "model", 's', &o.model, "BASE", "the base: a directory or a GGUF file" },
    { "adapter", 's', &o.adapter, "PATH", "an adapter over it: PEFT's or MLX's directory, or a GGUF file" },
    { "to", 's', &o.to, "FORMAT", "of the adapter: peft, mlx or gguf" },
    { "output", 's', &o.output, "PATH", "where it goes: a directory, a file for gguf" },
    { 0 },
};

/* What there is to be converted. */
typedef struct things {
    const char *base_name; /* as --model said it */
    tl_model *model;       /* owned */
    tl_adapter *adapter;   /* owned; NULL without --adapter */
} things;

/* A directory by write, whole or not at all. */
static int adapter_directory(const things *t, tl_err *err,
                             int (*write)(const tl_adapter *a, const char *dir, const char *base_name, tl_err *err))
{
    tl_dir *dir = NULL;
    TL_TRY(tl_dir_begin(&dir, o.output, "adapter_config.json", err));
    int rc = write(t->adapter, tl_dir_path(dir), t->base_name, err);
    if (rc == 0) return tl_dir_commit(dir, err);
    tl_dir_abort(dir);
    return rc;
}

static int adapter_to_peft(const things *t, tl_err *err)
{
    return adapter_directory(t, err, tl_adapter_write);
}

static int adapter_to_mlx(const things *t, tl_err *err)
{
    return adapter_directory(t, err, tl_adapter_write_mlx);
}

static int adapter_to_gguf(const things *t, tl_err *err)
{
    return tl_adapter_write_gguf(t->adapter, o.output, t->base_name, err);
}

static const struct conversion {
    bool of_adapter;
    const char *to;
    int (*run)(const things *t, tl_err *err);
} conversions[] = {
    { true, "peft", adapter_to_peft },
    { true, "mlx", adapter_to_mlx },
    { true, "gguf", adapter_to_gguf },
};

static int find_conversion(const struct conversion **out, tl_err *err)
{
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        *out = &conversions[i];
        if ((*out)->of_adapter == (o.adapter != NULL) && strcmp((*out)->to, o.to) == 0) return 0;
    }
    return tl_fail(err, TL_EUSAGE, "--to '%s': an adapter can become peft, mlx or gguf", o.to);
}

static int open_things(things *t, tl_err *err)
{
    t->base_name = o.model;
    TL_TRY(tl_base_find(&o.model, err));
    TL_TRY(tl_model_open(&t->model, o.model, err));
    return o.adapter ? tl_adapter_load(&t->adapter, t->model, o.adapter, err) : 0;
}

static int run_convert(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    const struct conversion *c = NULL;
    things t = { .base_name = NULL };
    TL_TRY(tl_options_parse(&tl_cmd_convert, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (!o.adapter || !o.to || !o.output)
        return tl_fail(err, TL_EUSAGE, "tailor convert: --adapter PATH, --to FORMAT and --output PATH are wanted");
    TL_TRY(find_conversion(&c, err));
    int rc = open_things(&t, err);
    if (rc == 0) rc = c->run(&t, err);
    if (rc == 0) printf("%s: an adapter of %zu numbers, as %s\n", o.output, tl_adapter_parameters(t.adapter), c->to);
    tl_adapter_release(t.adapter);
    tl_model_free(t.model);
    return rc;
}

const tl_command tl_cmd_convert = { "convert", "an adapter into the format of another tool",
                                    "--model BASE --adapter PATH --to peft|mlx|gguf --output PATH", run_convert };
