/* cmd_convert.c - a base from one format into another: a table of what becomes what, by which function, reading which
 * flags. */
#include "cmd/convert.h"
#include "cmd/open.h"

#include <stdio.h>
#include <string.h>

static tl_convert_flags f = { .model = "models/tailor-base" };
static const char *to;

static const tl_option rows[] = {
    { "model", 's', &f.model, "BASE", "the base: a directory or a GGUF file" },
    { "to", 's', &to, "FORMAT", "gguf or hf" },
    { "output", 's', &f.output, "PATH", "where it goes: a directory, a file for gguf" },
    { "type", 's', &f.type, "TYPE",
      "of a base's matrices: f32, f16 or bf16, for gguf q8_0, q4_0 or q4_k too; without it the one they have" },
    { "tables", 's', &f.tables, "TYPE",
      "gguf: of the token table and the head; without it as --type, but q8_0 for q4_0 and q4_k" },
    { "shard-size", 's', &f.shard_size, "SIZE", "hf: of a file at most, as 5GB; without it all is in one" },
    { 0 },
};

typedef struct conversion {
    const char *to;
    tl_convert *run;
    const char *reads[3]; /* flags that others leave alone */
} conversion;

static const conversion conversions[] = {
    { "gguf", tl_convert_model_gguf, { "type", "tables" } },
    { "hf", tl_convert_model_hf, { "type", "shard-size" } },
};

static int find_conversion(const conversion **out, tl_err *err)
{
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        *out = &conversions[i];
        if (strcmp((*out)->to, to) == 0) return 0;
    }
    return tl_fail(err, TL_EUSAGE, "--to '%s': a base can become gguf or hf", to);
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
        if (!read) return tl_fail(err, TL_EUSAGE, "--%s says nothing of a base that becomes %s", own[i].name, c->to);
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
    TL_TRY(tl_base_find(&f.model, err));
    return c->run(&f, err);
}

const tl_command tl_cmd_convert = { "convert", "a base into the format of another tool", "--to gguf|hf --output PATH",
                                    run_convert };
