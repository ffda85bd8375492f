/* cmd_inspect.c - the facts of a base, adapter, task, safetensors or GGUF file or of the machine, as JSON or as lines.
 *
 * There is one set of facts, and the lines are a walk over its JSON: what a person reads and what a program reads
 * cannot differ. */
#include "cmd/inspect.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tl_open_flags flags = { .precision = "f32" };

static struct {
    bool json, machine;
} o;

static const tl_option rows[] = {
    { "model", 's', &flags.model, "BASE", "a base: to count a task's tokens with, or to hold an adapter against" },
    { "quantize", 's', &flags.quantize, "KIND", "hold the base's matrices in q8_0, q4_0, q4_k or nf4" },
    { "quantize-tables", 's', &flags.quantize_tables, "KIND", "likewise the token table and the head" },
    { "machine", 'b', &o.machine, NULL, "this machine in place of a PATH: back ends, threads, memory" },
    { "json", 'b', &o.json, NULL, "write one JSON object" },
    { 0 },
};

/* A number, word or list of such in a line; objects have lines of their own. */
static void print_value(const json_t *v)
{
    if (json_is_string(v)) printf("%s", json_string_value(v));
    if (json_is_integer(v)) printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
    if (json_is_real(v)) printf("%.6g", json_real_value(v));
    if (json_is_boolean(v)) printf(json_is_true(v) ? "yes" : "no");
    if (json_is_null(v)) printf("none");
    for (size_t i = 0; i < json_array_size(v); i++) {
        printf(i ? ", " : "");
        print_value(json_array_get(v, i));
    }
}

/* "name  F32  [2, 3]" */
static void print_tensor(const json_t *t)
{
    printf("  %-52s %-5s [", json_string_value(json_object_get(t, "name")),
           json_string_value(json_object_get(t, "dtype")));
    print_value(json_object_get(t, "shape"));
    puts("]");
}

static void print_object(json_t *object, int indent)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(object, key, value)
    {
        if (json_is_object(value)) {
            printf("%*s%s\n", indent, "", key);
            print_object(value, indent + 2);
            continue;
        }
        printf("%*s%-*s ", indent, "", 25 - indent, key);
        if (json_is_object(json_array_get(value, 0))) {
            printf("%zu\n", json_array_size(value));
            for (size_t i = 0; i < json_array_size(value); i++) print_tensor(json_array_get(value, i));
        } else {
            print_value(value);
            putchar('\n');
        }
    }
}

static int print_facts(json_t *found, tl_err *err)
{
    if (!o.json) {
        print_object(found, 0);
        return 0;
    }
    char *text = tl_json_print(found, JSON_INDENT(2));
    if (!text) return tl_fail(err, TL_ENOMEM, "inspect: no memory to write what was found");
    puts(text);
    free(text);
    return 0;
}

static int run_inspect(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    json_t *found = NULL;
    int paths = 1; /* wanted: none with --machine */
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--machine") == 0) paths = 0;
    TL_TRY(tl_options_parse(&tl_cmd_inspect, rows, argc, argv, paths, &p, err));
    if (p.help) return 0;
    if (o.machine && (flags.model || flags.quantize || flags.quantize_tables))
        return tl_fail(err, TL_EUSAGE, "tailor inspect: --machine goes with no base");
    if (flags.model) TL_TRY(tl_base_find(&flags.model, err));
    if (!o.machine) TL_TRY(tl_base_find(&p.items[0], err));
    TL_TRY(o.machine ? tl_inspect_machine(&found, err) : tl_inspect(&found, p.items[0], &flags, err));
    int rc = print_facts(found, err);
    json_decref(found);
    return rc;
}

const tl_command tl_cmd_inspect = { "inspect", "what a base, adapter, task, safetensors or GGUF file holds",
                                    "PATH [--model DIR] | --machine", run_inspect };
