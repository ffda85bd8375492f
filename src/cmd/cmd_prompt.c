/* cmd_prompt.c - customize a base by what stands in front: the instruction, and worked examples. */
#include "cmd/methods.h"

#include <stdio.h>

static struct {
    const char *output;
    int seed;
} o = { .seed = 1 };

static const tl_option rows[] = {
    TL_WORK_ROWS,
    { "output", 's', &o.output, "DIR", "where the variant goes; without it the prompt is printed" },
    { "seed", 'i', &o.seed, "N", "of the draw of worked examples" },
    TL_PROMPT_ROWS,
    { 0 },
};

static int run_prompt(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    tl_working w;
    tl_method m;
    tl_method_spent spent = { 0 };
    tl_variant *v = NULL;
    TL_TRY(tl_options_parse(&tl_cmd_prompt, rows, argc, argv, 1, &p, err));
    if (p.help) return 0;
    TL_TRY(tl_method_parse(&m, tl_flags.o.k == 0 ? "zero-shot" : "few-shot", err));
    TL_TRY(tl_working_open(&w, p.items[0], err));
    int rc = tl_method_run(&v, &m, &w.work, &tl_flags.o, (uint64_t)o.seed, &spent, err);
    if (rc == 0 && o.output) {
        rc = tl_variant_write(v, tl_flags.open.model, o.output, err);
        if (rc == 0) printf("%s: %d worked examples; variant in %s\n", m.name, spent.k, o.output);
    } else if (rc == 0) {
        fputs(v->prefix, stdout);
    }
    tl_variant_free(v);
    tl_method_spent_reset(&spent);
    tl_working_close(&w);
    return rc;
}

const tl_command tl_cmd_prompt = { "prompt", "customize a base by worked examples in front of each request",
                                   "TASK [--output DIR] [--k N] [--model DIR]", run_prompt };
