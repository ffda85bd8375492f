/* options.h - the flags of a subcommand as a table: parsing, checking and --help come from the same rows.
 *
 *     static const tl_option rows[] = {
 *         { "model", 's', &o.model, "DIR", "the base" },
 *         { "json", 'b', &o.json, NULL, "write JSON" },
 *         { 0 } };
 *     TL_TRY(tl_options_parse(&cmd, rows, argc, argv, &positional, err));
 *
 * --name VALUE or --name=VALUE.  An unknown flag, a missing or malformed value, a flag given twice: an error that names
 * it.  --help prints the table and ends with success. */
#ifndef TL_CMD_OPTIONS_H
#define TL_CMD_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>

typedef struct tl_option {
    const char *name;     /* without the dashes */
    char kind;            /* 's' const char *, 'i' int, 'l' long, 'f' float, 'd' double, 'b' bool (no value) */
    void *value;          /* where it goes; what is there already is the default that --help shows */
    const char *argument; /* its name in --help: "DIR" */
    const char *help;
} tl_option;

typedef struct tl_command {
    const char *name, *summary;
    const char *usage; /* what stands after the name: "TASK --model DIR" */
    int (*run)(int argc, char **argv, tl_err *err);
} tl_command;

enum {
    TL_POSITIONAL_MAX = 8
};

typedef struct tl_positional {
    const char *items[TL_POSITIONAL_MAX];
    int n;
    bool help; /* --help was given and answered: the command has nothing left to do */
} tl_positional;

/* argv[0] is the command's name.  Exactly wanted positional arguments, unless --help is given. */
int tl_options_parse(const tl_command *c, const tl_option *rows, int argc, char **argv, int wanted, tl_positional *p,
                     tl_err *err);

extern const tl_command tl_cmd_compare, tl_cmd_prompt, tl_cmd_train, tl_cmd_eval, tl_cmd_generate, tl_cmd_tokenize,
    tl_cmd_logits, tl_cmd_inspect, tl_cmd_pretrain, tl_cmd_probe, tl_cmd_pull, tl_cmd_merge, tl_cmd_convert,
    tl_cmd_template;

/* NULL at the end. */
extern const tl_command *const tl_commands[];

#endif
