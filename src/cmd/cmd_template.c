/* cmd_template.c - messages to the text that a model reads, by its chat template. */
#include "cmd/options.h"
#include "io/atomic.h"
#include "io/json.h"
#include "text/template_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INPUT_LIMIT = 256 << 20
};

static struct {
    const char *model, *template, *name, *messages, *tools, *set;
    bool add_generation_prompt, spans;
} o;

static const tl_option rows[] = {
    { "model", 's', &o.model, "BASE", "whose template and special tokens: a directory or a GGUF file" },
    { "template", 's', &o.template, "FILE", "a template from outside, in place of the base's" },
    { "name", 's', &o.name, "NAME", "which of the base's templates, where there are several" },
    { "messages", 's', &o.messages, "FILE", "JSON: [{\"role\": \"user\", \"content\": \"...\"}, ...]" },
    { "tools", 's', &o.tools, "FILE", "JSON: the list of tools" },
    { "add-generation-prompt", 'b', &o.add_generation_prompt, NULL, "end where the answer begins" },
    { "set", 's', &o.set, "NAME=VALUE", "a variable, JSON or else a text; may be repeated" },
    { "spans", 'b', &o.spans, NULL, "write {\"text\", \"spans\"}: where the answers are, in bytes" },
    { 0 },
};

static int read_file(const char *path, tl_buf *out, tl_err *err)
{
    *out = tl_buf_make(INPUT_LIMIT);
    return tl_file_read(path, INPUT_LIMIT, out, err);
}

/* The list in the file at path, or that of the key in an object there. */
static int read_list(json_t **out, const char *path, const char *key, tl_err *err)
{
    tl_buf text;
    json_error_t bad;
    json_t *whole = NULL;
    int rc = read_file(path, &text, err);
    if (rc == 0 && !(whole = tl_json_parse(text.data ? text.data : "", text.size, &bad)))
        rc = tl_fail(err, TL_EFORMAT, "%s:%d:%d: not JSON: %s", path, bad.line, bad.column, bad.text);
    json_t *list = json_is_object(whole) ? json_object_get(whole, key) : whole;
    if (rc == 0 && !json_is_array(list)) rc = tl_fail(err, TL_EDATA, "%s: holds no list of %s", path, key);
    if (rc == 0) *out = json_incref(list);
    json_decref(whole);
    tl_buf_reset(&text);
    return rc;
}

static int set_new(json_t *variables, const char *name, json_t *value, tl_err *err)
{
    return json_object_set_new(variables, name, value) ? tl_fail(err, TL_ENOMEM, "%s: no memory for it", name) : 0;
}

/* "NAME=VALUE": what JSON reads is that, all else a text. */
static int set_given(json_t *variables, const char *text, tl_err *err)
{
    const char *equals = strchr(text, '=');
    char name[200];
    json_error_t bad;
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof name)
        return tl_fail(err, TL_EUSAGE, "tailor template: --set wants NAME=VALUE, '%s' is none", text);
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    json_t *value = tl_json_parse(equals + 1, strlen(equals + 1), &bad);
    if (!value) value = json_string(equals + 1);
    if (!value) return tl_fail(err, TL_EDATA, "--set %s: its value is not UTF-8", name);
    return set_new(variables, name, value, err);
}

/* What transformers hands to a template, and then what was set. */
static int gather(json_t *variables, char **set, int n_set, tl_err *err)
{
    json_t *list = NULL;
    if (o.messages) {
        TL_TRY(read_list(&list, o.messages, "messages", err));
        TL_TRY(set_new(variables, "messages", list, err));
        TL_TRY(set_new(variables, "tools", json_null(), err));
        TL_TRY(set_new(variables, "documents", json_null(), err));
    }
    if (o.tools) {
        TL_TRY(read_list(&list, o.tools, "tools", err));
        TL_TRY(set_new(variables, "tools", list, err));
    }
    if (o.messages || o.add_generation_prompt)
        TL_TRY(set_new(variables, "add_generation_prompt", json_boolean(o.add_generation_prompt), err));
    for (int i = 0; i < n_set; i++) TL_TRY(set_given(variables, set[i], err));
    return 0;
}

static int write_spans(const tl_chat_rendering *r, tl_err *err)
{
    json_t *spans = json_array(), *whole = json_object();
    int bad = !spans || !whole;
    for (size_t i = 0; i < r->n_spans && !bad; i++)
        bad = json_array_append_new(spans,
                                    json_pack("[I,I]", (json_int_t)r->spans[i].start, (json_int_t)r->spans[i].end));
    bad = bad || json_object_set_new(whole, "text", json_stringn(r->text.data ? r->text.data : "", r->text.size)) ||
          json_object_set(whole, "spans", spans);
    char *text = bad ? NULL : tl_json_print(whole, JSON_COMPACT);
    if (text) printf("%s\n", text);
    bad = !text;
    free(text);
    json_decref(spans);
    json_decref(whole);
    return bad ? tl_fail(err, TL_ENOMEM, "no memory for the spans") : 0;
}

static int open_template(tl_chat_template **t, json_t **tokens, tl_err *err)
{
    tl_buf text;
    if (o.model && !o.template) return tl_chat_open(t, tokens, o.model, o.name, o.tools != NULL, err);
    if (o.name) return tl_fail(err, TL_EUSAGE, "tailor template: --name chooses among the templates of --model");
    if (!o.template) return tl_fail(err, TL_EUSAGE, "tailor template: --model BASE or --template FILE is wanted");
    if (o.model) TL_TRY(tl_chat_tokens(tokens, o.model, err));
    int rc = *tokens || (*tokens = json_object()) ? 0 : tl_fail(err, TL_ENOMEM, "no memory for the variables");
    if (rc == 0) rc = read_file(o.template, &text, err);
    if (rc == 0) rc = tl_chat_parse(t, o.template, text.data ? text.data : "", text.size, err);
    tl_buf_reset(&text);
    return rc;
}

static int render(char **set, int n_set, tl_err *err)
{
    tl_chat_template *t = NULL;
    json_t *variables = NULL;
    tl_chat_rendering r = { 0 };
    tl_chat_options options = tl_chat_defaults();
    int rc = open_template(&t, &variables, err);
    if (rc == 0) rc = gather(variables, set, n_set, err);
    if (rc == 0) rc = (o.spans ? tl_chat_answers : tl_chat_render)(t, variables, &options, &r, err);
    if (rc == 0 && o.spans) rc = write_spans(&r, err);
    if (rc == 0 && !o.spans && r.text.size) fwrite(r.text.data, 1, r.text.size, stdout);
    tl_chat_rendering_reset(&r);
    json_decref(variables);
    tl_chat_free(t);
    return rc;
}

static int run_template(int argc, char **argv, tl_err *err)
{
    /* --set may come several times, which the table of flags does not know; what is left goes to it. */
    char **set = calloc((size_t)argc + 1, sizeof *set), **rest = calloc((size_t)argc + 1, sizeof *rest);
    int n_set = 0, n = 0, rc = set && rest ? 0 : tl_fail(err, TL_ENOMEM, "no memory for the arguments");
    for (int i = 0; i < argc && rc == 0; i++) {
        if (i && strncmp(argv[i], "--set=", 6) == 0)
            set[n_set++] = argv[i] + 6;
        else if (i && strcmp(argv[i], "--set") == 0 && i + 1 < argc)
            set[n_set++] = argv[++i];
        else
            rest[n++] = argv[i];
    }
    tl_positional p = { 0 };
    if (rc == 0) rc = tl_options_parse(&tl_cmd_template, rows, n, rest, 0, &p, err);
    if (rc == 0 && !p.help) rc = render(set, n_set, err);
    free(set);
    free(rest);
    return rc;
}

const tl_command tl_cmd_template = { "template", "messages to the text a model reads, by its chat template",
                                     "--model BASE --messages FILE [--tools FILE] [--add-generation-prompt]",
                                     run_template };
