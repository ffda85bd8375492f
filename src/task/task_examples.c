/* task_examples.c - a .jsonl file to rendered examples: one JSON object a line, each checked where it stands. */
#include "base/buf.h"
#include "io/json.h"
#include "io/map.h"
#include "task/task_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t FILE_LIMIT = (size_t)1 << 30, LINE_LIMIT = (size_t)4 << 20;

static bool blank(const char *s)
{
    return !s[strspn(s, " \t\r\n")];
}

/* The string so far as a copy for *out; the buffer is empty again. */
static int keep(char **out, tl_buf *b, tl_err *err)
{
    *out = strdup(b->data ? b->data : "");
    tl_buf_clear(b);
    return *out ? 0 : tl_fail(err, TL_ENOMEM, "no memory for its text");
}

static int find_label(tl_example *x, const tl_task *t, tl_err *err)
{
    for (int i = 0; i < t->n_labels; i++) {
        if (strcmp(t->labels[i], x->answer)) continue;
        x->label = i;
        return 0;
    }
    char known[300] = "";
    size_t used = 0;
    for (int i = 0; i < t->n_labels && used < sizeof known; i++) {
        int n = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", t->labels[i]);
        used += (size_t)n;
    }
    return tl_fail(err, TL_EDATA, "the %s '%.100s' is none of the labels: %s%s", t->answer_field, x->answer, known,
                   used >= sizeof known ? " ..." : "");
}

/* Every field of the input is blank: there is nothing to answer to. */
static int check_input(const json_t *line, const tl_template *input, tl_buf *b, tl_err *err)
{
    bool empty = true;
    for (int i = 0; i < tl_template_fields(input) && empty; i++) {
        TL_TRY(tl_line_field(line, tl_template_field(input, i), b, err));
        empty = blank(b->data);
        tl_buf_clear(b);
    }
    return empty ? tl_fail(err, TL_EDATA, "the field %s is empty", tl_template_field(input, 0)) : 0;
}

/* Fill *x from the object line; the caller resets it, also after a failure. */
static int make_example(tl_example *x, const tl_task *t, tl_split split, const tl_template *input, const json_t *line,
                        tl_buf *b, tl_err *err)
{
    if (!json_is_object(line)) return tl_fail(err, TL_EDATA, "is no JSON object");
    TL_TRY(check_input(line, input, b, err));
    TL_TRY(tl_template_fill(input, line, b, err));
    TL_TRY(keep(&x->input, b, err));
    TL_TRY(tl_line_field(line, t->answer_field, b, err));
    TL_TRY(keep(&x->answer, b, err));
    if (blank(x->answer)) return tl_fail(err, TL_EDATA, "the field %s is empty", t->answer_field);
    x->label = -1;
    if (t->kind == TL_TASK_CLASSIFICATION) TL_TRY(find_label(x, t, err));
    if (json_object_get(line, "id"))
        TL_TRY(tl_line_field(line, "id", b, err));
    else
        TL_TRY(tl_buf_printf(b, err, "%s:%d", tl_split_name(split), x->line));
    TL_TRY(keep(&x->id, b, err));
    tl_hash h = tl_hash_bytes(x->input, strlen(x->input));
    x->hash = tl_hash_chain(&h, x->answer, strlen(x->answer));
    return 0;
}

static void example_reset(tl_example *x)
{
    free(x->id);
    free(x->input);
    free(x->answer);
}

static int add_line(tl_examples *e, int *capacity, const tl_task *t, tl_split split, const tl_template *input,
                    const char *text, size_t size, int line, tl_buf *b, tl_err *err)
{
    if (size > LINE_LIMIT)
        return tl_fail(err, TL_EDATA, "%s:%d: the line has %zu bytes, at most %zu are read", e->path, line, size,
                       LINE_LIMIT);
    json_error_t bad;
    json_t *object = tl_json_parse(text, size, &bad);
    if (!object)
        return tl_fail(err, TL_EDATA, "%s:%d: %s: %s", e->path, line, size ? "not JSON" : "an empty line", bad.text);
    tl_example x = { .line = line };
    int rc = make_example(&x, t, split, input, object, b, err);
    json_decref(object);
    if (rc == 0 && e->n == *capacity) {
        int more = *capacity ? 2 * *capacity : 256;
        tl_example *items = realloc(e->items, (size_t)more * sizeof *items);
        if (items) {
            e->items = items;
            *capacity = more;
        } else {
            rc = tl_fail(err, TL_ENOMEM, "no memory for %d examples", more);
        }
    }
    if (rc < 0) {
        example_reset(&x);
        tl_buf_clear(b);
        return tl_fail_in(err, "%s:%d", e->path, line);
    }
    e->items[e->n++] = x;
    return 0;
}

int tl_examples_read(tl_examples *e, const tl_task *t, tl_split split, const tl_template *input, const char *path,
                     tl_err *err)
{
    int rc, capacity = 0, line = 0;
    tl_map *map = NULL;
    tl_buf b = tl_buf_make(2 * LINE_LIMIT + (1 << 20)); /* a line and the template around it */
    e->path = strdup(path);
    if (!e->path) return tl_fail(err, TL_ENOMEM, "%s: no memory for its name", path);
    rc = tl_map_open(&map, path, err);
    if (rc < 0) goto done;
    size_t size;
    const char *p = (const char *)tl_map_bytes(map, &size);
    if (size > FILE_LIMIT) {
        rc = tl_fail(err, TL_EDATA, "%s: has %zu bytes, at most %zu are read", path, size, FILE_LIMIT);
        goto done;
    }
    e->hash = tl_hash_bytes(p, size);
    for (size_t left = size; left > 0;) {
        const char *newline = memchr(p, '\n', left);
        size_t n = newline ? (size_t)(newline - p) : left;
        rc = add_line(e, &capacity, t, split, input, p, n, ++line, &b, err);
        if (rc < 0) goto done;
        p += n;
        left -= n;
        if (newline) p++, left--;
    }
    if (e->n == 0) rc = tl_fail(err, TL_EDATA, "%s: is empty, wanted at least one example", path);
done:
    tl_map_close(map);
    tl_buf_reset(&b);
    return rc;
}

void tl_examples_reset(tl_examples *e)
{
    for (int i = 0; i < e->n; i++) example_reset(&e->items[i]);
    free(e->items);
    free(e->path);
    *e = (tl_examples){ .n = 0 };
}
