/* cmd_convert.c - a base, or an adapter over it, from one format into another: a table of what, to what, by which
 * function, reading which flags. */
#include "cmd/convert.h"
#include "cmd/open.h"

#include <stdio.h>
#include <string.h>

static tl_convert_flags f = { .model = "models/tailor-base" };
static const char *to;

static const tl_option rows[] = {
    { "model", 's', &f.model, "BASE", "the base: a directory or a GGUF file" },
    { "adapter", 's', &f.adapter, "PATH",
      "an adapter over it, in its place: PEFT's or MLX's directory, or a GGUF file" },
    { "to", 's', &to, "FORMAT", "of a base gguf or hf, of an adapter peft, mlx or gguf" },
    { "output", 's', &f.output, "PATH", "where it goes: a directory, a file for gguf" },
    { "type", 's', &f.type, "TYPE",
      "of a base's matrices: f32, f16 or bf16, for gguf q8_0, q4_0 or q4_k too; without it the one they have" },
    { "tables", 's', &f.tables, "TYPE",
      "gguf: of the token table and the head; without it as --type, but q8_0 for q4_0 and q4_k" },
    { "shard-size", 's', &f.shard_size, "SIZE", "hf: of a file at most, as 5GB; without it all is in one" },
    { 0 },
};

typedef struct conversion {
    bool of_adapter;
    const char *to;
    tl_convert *run;
    const char *reads[3]; /* flags that others leave alone */
} conversion;

static const conversion conversions[] = {
    { false, "gguf", tl_convert_model_gguf, { "type", "tables" } },
    { false, "hf", tl_convert_model_hf, { "type", "shard-size" } },
    { true, "peft", tl_convert_adapter_peft, { NULL } },
    { true, "mlx", tl_convert_adapter_mlx, { NULL } },
    { true, "gguf", tl_convert_adapter_gguf, { NULL } },
};

static int find_conversion(const conversion **out, tl_err *err)
{
    const bool of_adapter = f.adapter != NULL;
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        *out = &conversions[i];
        if ((*out)->of_adapter == of_adapter && strcmp((*out)->to, to) == 0) return 0;
    }
    return tl_fail(err, TL_EUSAGE, "--to '%s': %s", to,
                   of_adapter ? "an adapter can become peft, mlx or gguf" : "a base can become gguf or hf");
}

/* A flag that says nothing to this conversion is an error. */
static int check_flags(const conversion *c, tl_err *err)
{
    const struct {
        const char *name, *value;
    } own[] = { { "type", f.type }, { "tables", f.tables }, { "shard-size", f.shard_size } };
    for (int i = 0; i < 3; i++) {
        bool read = !own[i].value;
        for (int k = 0; k < 3 && c->reads[k]; k++) read = read || strcmp(c->reads[k], own[i].name) == 0;
        if (!read)
            return tl_fail(err, TL_EUSAGE, "--%s says nothing of %s that becomes %s", own[i].name,
                           c->of_adapter ? "an adapter" : "a base", c->to);
    }
    return 0;
}

static int run_convert(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    const conversion *c = NULL;
    TL_TRY(tl_options_parse(&tl_cmd_convert, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (!to || !f.output) return tl_fail(err, TL_EUSAGE, "tailor convert: --to FORMAT and --output PATH are wanted");
    TL_TRY(find_conversion(&c, err));
    TL_TRY(check_flags(c, err));
    f.base_name = f.model;
    TL_TRY(tl_base_find(&f.model, err));
    return c->run(&f, err);
}

const tl_command tl_cmd_convert = { "convert", "a base or an adapter into the format of another tool",
                                    "[--adapter PATH] --to gguf|hf|peft|mlx --output PATH", run_convert };
