/* task_template.c - "Message: {text}" and a line's fields make one text.
 *
 * A template is a run of pieces, each a text and then, but for the last, a field.  So n fields stand between n + 1
 * texts, some of them empty. */
#include "task/task_parts.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FIELDS = 100,
    MAX_TEXT = 1 << 20
};

struct tl_template {
    int n_fields;
    char *fields[MAX_FIELDS];    /* owned */
    char *texts[MAX_FIELDS + 1]; /* owned */
};

static int add(char **out, tl_buf *b, const char *where, tl_err *err)
{
    *out = strdup(b->data ? b->data : "");
    tl_buf_clear(b);
    return *out ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory for it", where);
}

/* The name in {name}: *p stands after the brace, and is left after the closing one. */
static int parse_field(tl_template *t, const char **p, const char *where, tl_err *err)
{
    const char *start = *p;
    size_t n = strcspn(start, "{}");
    if (start[n] != '}') return tl_fail(err, TL_EDATA, "%s: '{%.40s' is never closed by a }", where, start);
    if (n == 0) return tl_fail(err, TL_EDATA, "%s: has {} without a field's name, {{}} stands for the braces", where);
    for (size_t i = 0; i < n; i++)
        if (isspace((unsigned char)start[i]))
            return tl_fail(err, TL_EDATA, "%s: '{%.*s}' names no field, {{ stands for the brace", where, (int)n, start);
    if (t->n_fields == MAX_FIELDS) return tl_fail(err, TL_EDATA, "%s: has more than %d fields", where, MAX_FIELDS);
    char *name = strndup(start, n);
    if (!name) return tl_fail(err, TL_ENOMEM, "%s: no memory for it", where);
    t->fields[t->n_fields++] = name;
    *p = start + n + 1;
    return 0;
}

static int parse(tl_template *t, const char *text, tl_buf *b, const char *where, tl_err *err)
{
    for (const char *p = text; *p;) {
        char c = *p++;
        if ((c == '{' || c == '}') && *p == c) { /* doubled: the brace itself */
            p++;
        } else if (c == '{') {
            TL_TRY(parse_field(t, &p, where, err));
            TL_TRY(add(&t->texts[t->n_fields - 1], b, where, err));
            continue;
        } else if (c == '}') {
            return tl_fail(err, TL_EDATA, "%s: has a } without a {, }} stands for the brace", where);
        }
        TL_TRY(tl_buf_append(b, &c, 1, err));
    }
    return add(&t->texts[t->n_fields], b, where, err);
}

int tl_template_parse(tl_template **out, const char *text, const char *where, tl_err *err)
{
    tl_buf b = tl_buf_make(MAX_TEXT);
    tl_template *t = calloc(1, sizeof *t);
    if (!t) return tl_fail(err, TL_ENOMEM, "%s: no memory for it", where);
    int rc = parse(t, text, &b, where, err);
    if (rc == 0) {
        *out = t;
        t = NULL;
    }
    tl_template_free(t);
    tl_buf_reset(&b);
    return rc;
}

void tl_template_free(tl_template *p)
{
    if (!p) return;
    for (int i = 0; i <= p->n_fields; i++) {
        if (i < p->n_fields) free(p->fields[i]);
        free(p->texts[i]);
    }
    free(p);
}

int tl_template_fields(const tl_template *p)
{
    return p->n_fields;
}

const char *tl_template_field(const tl_template *p, int i)
{
    return p->fields[i];
}

const char *tl_template_before(const tl_template *p)
{
    assert(p->n_fields == 1);
    return p->texts[0];
}

const char *tl_template_after(const tl_template *p)
{
    assert(p->n_fields == 1);
    return p->texts[1];
}

/* The shortest decimal that reads back as x. */
static int put_real(tl_buf *b, double x, tl_err *err)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    return tl_buf_puts(b, text, err);
}

int tl_line_field(const json_t *line, const char *name, tl_buf *b, tl_err *err)
{
    const json_t *v = json_object_get(line, name);
    if (!v) return tl_fail(err, TL_EDATA, "the field %s is missing", name);
    if (json_is_string(v)) return tl_buf_append(b, json_string_value(v), json_string_length(v), err);
    if (json_is_integer(v)) return tl_buf_printf(b, err, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    if (json_is_real(v)) return put_real(b, json_real_value(v), err);
    return tl_fail(err, TL_EDATA, "the field %s is %s, wanted a string or a number", name,
                   json_is_null(v)      ? "null"
                   : json_is_boolean(v) ? "true or false"
                   : json_is_array(v)   ? "an array"
                                        : "an object");
}

int tl_template_fill(const tl_template *p, const json_t *line, tl_buf *b, tl_err *err)
{
    for (int i = 0; i < p->n_fields; i++) {
        TL_TRY(tl_buf_puts(b, p->texts[i], err));
        TL_TRY(tl_line_field(line, p->fields[i], b, err));
    }
    return tl_buf_puts(b, p->texts[p->n_fields], err);
}
