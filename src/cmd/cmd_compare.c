/* cmd_compare.c - the methods side by side. */
#include "cmd/methods.h"
#include "report/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    METHODS_MAX = 12
};

static struct {
    const char *methods, *output, *general;
    int seeds, first_seed, timed, width;
} o = { .methods = "zero-shot,few-shot,lora,full", .seeds = 3, .first_seed = 1, .timed = 32 };

static const tl_option rows[] = {
    TL_WORK_ROWS,
    { "methods", 's', &o.methods, "LIST", "zero-shot, few-shot, lora, full, lora+few-shot, full+few-shot" },
    { "seeds", 'i', &o.seeds, "N", "runs of each method that draws anything" },
    { "first-seed", 'i', &o.first_seed, "N", "the others follow it" },
    { "output", 's', &o.output, "DIR", "runs, report.json and report.html" },
    { "general", 's', &o.general, "FILE", "text on which forgetting is measured; without it BASE/general.jsonl" },
    { "timed", 'i', &o.timed, "N", "requests timed one by one" },
    { "width", 'i', &o.width, "COLUMNS", "of the table; 0: the terminal's, or 100" },
    TL_PROMPT_ROWS,
    TL_TUNE_ROWS,
    { 0 },
};

static int parse_methods(tl_method *out, int *n, tl_err *err)
{
    char name[32];
    *n = 0;
    for (const char *at = o.methods; *at;) {
        size_t length = strcspn(at, ",");
        if (*n == METHODS_MAX) return tl_fail(err, TL_EUSAGE, "--methods: at most %d", METHODS_MAX);
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        TL_TRY(tl_method_parse(&out[*n], name, err));
        for (int i = 0; i < *n; i++)
            if (strcmp(out[i].name, name) == 0)
                return tl_fail(err, TL_EUSAGE, "--methods: %s stands there twice", name);
        (*n)++;
        at += length + (at[length] == ',');
    }
    return *n > 0 ? 0 : tl_fail(err, TL_EUSAGE, "--methods: none is named");
}

static int width(void)
{
    struct winsize w;
    if (o.width > 0) return o.width;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 100;
}

/* The command as it was typed, words with spaces quoted. */
static void command_line(char *out, size_t size, int argc, char **argv)
{
    size_t at = (size_t)snprintf(out, size, "tailor");
    for (int i = 0; i < argc && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, strchr(argv[i], ' ') ? " '%s'" : " %s", argv[i]);
}

static int run_compare(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    tl_working w;
    tl_method methods[METHODS_MAX];
    tl_compare_options c = tl_compare_defaults();
    tl_compared *result = NULL;
    char command[2000];
    TL_TRY(tl_options_parse(&tl_cmd_compare, rows, argc, argv, 1, &p, err));
    if (p.help) return 0;
    if (!o.output) return tl_fail(err, TL_EUSAGE, "tailor compare: --output DIR is wanted");
    if (o.seeds < 1 || o.timed < 0) return tl_fail(err, TL_EUSAGE, "--seeds must be 1 or more, --timed 0 or more");
    TL_TRY(parse_methods(methods, &c.n_methods, err));
    TL_TRY(tl_flags_check_methods(methods, c.n_methods, err));
    TL_TRY(tl_working_open(&w, p.items[0], err));
    command_line(command, sizeof command, argc, argv);
    c.methods = methods;
    c.n_seeds = o.seeds;
    c.first_seed = (uint64_t)o.first_seed;
    c.output = o.output;
    c.general = o.general;
    c.command = command;
    c.timed = o.timed;
    c.method = tl_flags.o;
    int rc = tl_compare(&result, &w.work, &c, err);
    if (rc == 0) rc = tl_report_write(tl_compared_report(result), o.output, err);
    if (rc == 0) rc = tl_report_table(tl_compared_report(result), stdout, width());
    if (rc == 0) printf("\nreport: %s/report.html\n", o.output);
    tl_compared_free(result);
    tl_working_close(&w);
    return rc;
}

const tl_command tl_cmd_compare = { "compare", "several methods on one task, side by side",
                                    "TASK --output DIR [--model DIR] [--methods a,b,c] [--seeds N]", run_compare };
