/* template_render.c - for tests/parity/template.py: renders what it is asked to.
 *
 * A line of standard input is {"template": "...", "variables": {...}}; to each there is a line of standard output,
 * {"text": "...", "spans": [[start, end], ...]} or {"error": "..."}.  With the argument "answers" the spans are those
 * of tl_chat_answers. */
#include "io/json.h"
#include "text/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *answer(const json_t *asked, bool answers)
{
    const json_t *text = json_object_get(asked, "template"), *variables = json_object_get(asked, "variables");
    tl_chat_template *t = NULL;
    tl_chat_rendering r = { 0 };
    tl_err err = { 0 };
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 2000; /* the machine may be busy; steps are counted all the same */
    int rc = tl_chat_parse(&t, "template", json_string_value(text), json_string_length(text), &err);
    if (rc == 0) rc = (answers ? tl_chat_answers : tl_chat_render)(t, variables, &o, &r, &err);
    json_t *out = json_object();
    if (rc < 0) {
        json_object_set_new(out, "error", json_string_nocheck(err.text));
    } else {
        json_t *spans = json_array();
        for (size_t i = 0; i < r.n_spans; i++)
            json_array_append_new(spans, json_pack("[I,I]", (json_int_t)r.spans[i].start, (json_int_t)r.spans[i].end));
        json_object_set_new(out, "text", json_stringn(r.text.data ? r.text.data : "", r.text.size));
        json_object_set_new(out, "spans", spans);
    }
    tl_chat_rendering_reset(&r);
    tl_chat_free(t);
    return out;
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    bool answers = argc > 1 && strcmp(argv[1], "answers") == 0;
    while ((size = getline(&line, &room, stdin)) > 0) {
        json_error_t bad;
        json_t *asked = json_loadb(line, (size_t)size, JSON_ALLOW_NUL, &bad);
        if (!asked) {
            fprintf(stderr, "template_render: %s\n", bad.text);
            return 1;
        }
        json_t *out = answer(asked, answers);
        char *text = json_dumps(out, JSON_COMPACT | JSON_ENSURE_ASCII);
        printf("%s\n", text ? text : "{\"error\": \"the answer is not JSON\"}");
        fflush(stdout);
        free(text);
        json_decref(out);
        json_decref(asked);
    }
    free(line);
    return 0;
}
