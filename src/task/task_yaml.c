/* task_yaml.c - task.yaml to a tl_task, by schema.
 *
 * libcyaml checks keys and types against the tables below; what a schema cannot say (labels differ, a kind
 * wants its own keys) is checked after.  Its complaints come as lines of a log, from which one
 * sentence is made.  Numbers are read as text and parsed here, since its integers end where the digits do: "3x"
 * would be 3. */
#include "base/buf.h"
#include "io/atomic.h"
#include "task/task_parts.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_LIMIT = 1 << 20,
    MAX_TEXT = 1 << 18,
    MAX_LABELS = 1000,
    MAX_METRICS = 50,
    MAX_ANSWER_TOKENS = 100000,
};

typedef struct yaml_template {
    char *input;
    char *answer;
    char *separator;
} yaml_template;

typedef struct yaml_task {
    char *name;
    char *description;
    char *provenance;
    char *instruction;
    tl_task_kind kind;
    yaml_template template;
    char **labels;
    unsigned n_labels;
    char **metrics;
    unsigned n_metrics;
    char *max_answer_tokens;
} yaml_task;

typedef struct yaml_costs {
    char ***rows; /* n_rows of them, each of as many cells as there are labels */
    unsigned n_rows;
} yaml_costs;

enum {
    WANTED = CYAML_FLAG_POINTER,
    OPTIONAL = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL
};

static const cyaml_schema_value_t text_value = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, MAX_TEXT) };

static const cyaml_schema_field_t template_fields[] = {
    CYAML_FIELD_STRING_PTR("input", WANTED, yaml_template, input, 0, MAX_TEXT),
    CYAML_FIELD_STRING_PTR("answer", WANTED, yaml_template, answer, 0, MAX_TEXT),
    CYAML_FIELD_STRING_PTR("separator", OPTIONAL, yaml_template, separator, 0, MAX_TEXT),
    CYAML_FIELD_END,
};

static const cyaml_strval_t kinds[] = {
    { "classification", TL_TASK_CLASSIFICATION },
    { "generation", TL_TASK_GENERATION },
};

static const cyaml_schema_field_t task_fields[] = {
    CYAML_FIELD_STRING_PTR("name", WANTED, yaml_task, name, 1, 200),
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, yaml_task, kind, kinds, CYAML_ARRAY_LEN(kinds)),
    CYAML_FIELD_STRING_PTR("description", OPTIONAL, yaml_task, description, 0, MAX_TEXT),
    CYAML_FIELD_STRING_PTR("provenance", OPTIONAL, yaml_task, provenance, 0, MAX_TEXT),
    CYAML_FIELD_STRING_PTR("instruction", OPTIONAL, yaml_task, instruction, 0, MAX_TEXT),
    CYAML_FIELD_MAPPING("template", CYAML_FLAG_DEFAULT, yaml_task, template, template_fields),
    CYAML_FIELD_SEQUENCE_COUNT("labels", OPTIONAL, yaml_task, labels, n_labels, &text_value, 0, MAX_LABELS),
    CYAML_FIELD_SEQUENCE_COUNT("metrics", OPTIONAL, yaml_task, metrics, n_metrics, &text_value, 0, MAX_METRICS),
    CYAML_FIELD_IGNORE("costs", CYAML_FLAG_OPTIONAL), /* their shape is known with the labels: read_costs */
    CYAML_FIELD_STRING_PTR("max_answer_tokens", OPTIONAL, yaml_task, max_answer_tokens, 0, 20),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t task_value = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, yaml_task, task_fields) };

/* What the library logs on its way out of a failure: the message, then the places it was in, innermost first. */
typedef struct complaint {
    char message[400];
    char field[60]; /* the innermost key */
    int line;       /* of that place; 0 where it said none */
    bool documents; /* a second document was left unread */
} complaint;

static void listen(cyaml_log_t level, void *context, const char *format, va_list args)
{
    (void)level;
    complaint *c = context;
    char text[400];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    if (strstr(text, "Ignoring documents")) c->documents = true;
    if (strstr(text, "Backtrace")) return;
    if (!strncmp(text, "Load: ", 6) && !c->message[0]) memcpy(c->message, text + 6, strlen(text + 6) + 1);
    const char *line = strstr(text, "(line: ");
    if (line && !c->line) c->line = atoi(line + 7);
    if (!c->field[0]) sscanf(text, "  in mapping field '%59[^']'", c->field);
}

/* "name, kind, ...": the keys of the mapping the complaint is about. */
static void list_keys(char *out, size_t size, const complaint *c)
{
    const cyaml_schema_field_t *f = !strcmp(c->field, "template") ? template_fields : task_fields;
    size_t used = 0;
    out[0] = '\0';
    for (; f->key && used < size; f++) {
        int n = snprintf(out + used, size - used, "%s%s", used ? ", " : "", f->key);
        if (n > 0) used += (size_t)n;
    }
}

static int complain(const complaint *c, cyaml_err_t code, const char *path, tl_err *err)
{
    const char *name = strstr(c->message, ": ");
    if (code == CYAML_ERR_OOM) return tl_fail(err, TL_ENOMEM, "%s: no memory to read it", path);
    if (code == CYAML_ERR_INVALID_KEY && name) {
        char keys[300];
        list_keys(keys, sizeof keys, c);
        return tl_fail(err, TL_EDATA, "%s: the key %s is not known here, wanted one of %s", path, name + 2, keys);
    }
    if (code == CYAML_ERR_MAPPING_FIELD_MISSING && name)
        return tl_fail(err, TL_EDATA, "%s: the key %s is missing", path, name + 2);
    const char *what = c->message[0] ? c->message : cyaml_strerror(code);
    if (c->field[0]) return tl_fail(err, TL_EDATA, "%s:%d: at the key %s: %s", path, c->line, c->field, what);
    return tl_fail(err, TL_EDATA, "%s:%d: %s", path, c->line ? c->line : 1, what);
}

/* Move a string over; one that is not given becomes def. */
static int take(char **to, char **from, const char *def, const char *path, tl_err *err)
{
    *to = *from ? *from : strdup(def);
    *from = NULL;
    return *to ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory for its text", path);
}

/* No empty and no repeated name in a list. */
static int check_names(char **names, int n, const char *what, const char *path, tl_err *err)
{
    for (int i = 0; i < n; i++) {
        if (!names[i][strspn(names[i], " \t\r\n")])
            return tl_fail(err, TL_EDATA, "%s: %s: the entry number %d is empty", path, what, i + 1);
        for (int j = 0; j < i; j++)
            if (!strcmp(names[i], names[j]))
                return tl_fail(err, TL_EDATA, "%s: %s: '%s' is there twice", path, what, names[i]);
    }
    return 0;
}

static int parse_number(double *out, const char *text, double min, double max, const char *where, tl_err *err)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !(x >= min && x <= max)) /* a NaN fails the comparison */
        return tl_fail(err, TL_EDATA, "%s is '%s', wanted a number from %g to %g", where, text, min, max);
    *out = x;
    return 0;
}

static cyaml_config_t configure(complaint *c, unsigned flags)
{
    return (cyaml_config_t){
        .log_fn = listen,
        .log_ctx = c,
        .mem_fn = cyaml_mem, /* realloc and free, so what it made can be handed on to be freed */
        .log_level = CYAML_LOG_WARNING,
        .flags = CYAML_CFG_NO_ALIAS | flags,
    };
}

/* The costs, a list of lists.  The library takes lists in a list of one length only, known beforehand: so the file
 * is read a second time, for this key alone, when the number of labels is known. */
static int read_costs(tl_task *t, const tl_buf *text, const char *path, tl_err *err)
{
    int rc = 0;
    unsigned n = t->kind == TL_TASK_GENERATION ? 1 : (unsigned)t->n_labels; /* a generation has none, whatever n */
    const cyaml_schema_value_t row = { CYAML_VALUE_SEQUENCE_FIXED(CYAML_FLAG_POINTER, char *, &text_value, n) };
    const cyaml_schema_field_t fields[] = {
        CYAML_FIELD_SEQUENCE_COUNT("costs", OPTIONAL, yaml_costs, rows, n_rows, &row, n, n),
        CYAML_FIELD_END,
    };
    const cyaml_schema_value_t value = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, yaml_costs, fields) };
    complaint c = { .line = 0 };
    const cyaml_config_t config = configure(&c, CYAML_CFG_IGNORE_UNKNOWN_KEYS);
    yaml_costs *y = NULL;
    cyaml_err_t code =
        cyaml_load_data((const uint8_t *)text->data, text->size, &config, &value, (cyaml_data_t **)&y, NULL);
    if (code == CYAML_ERR_OOM) {
        rc = complain(&c, code, path, err);
        goto done;
    }
    if (code == CYAML_OK && (!y || !y->rows)) goto done; /* there are none */
    if (t->kind == TL_TASK_GENERATION) {
        rc = tl_fail(err, TL_EDATA, "%s: costs are for a classification, this is a generation", path);
        goto done;
    }
    if (code != CYAML_OK) {
        rc = tl_fail(err, TL_EDATA, "%s:%d: costs want a row of %u numbers for each of the %u labels: %s", path, c.line,
                     n, n, c.message);
        goto done;
    }
    t->costs = calloc((size_t)n * n, sizeof *t->costs);
    if (!t->costs) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory for the costs of %u labels", path, n);
        goto done;
    }
    for (unsigned i = 0; i < n * n && rc == 0; i++) {
        char where[400];
        snprintf(where, sizeof where, "%s: costs: row %u, column %u", path, i / n + 1, i % n + 1);
        rc = parse_number(&t->costs[i], y->rows[i / n][i % n], 0, 1e12, where, err);
    }
done:
    cyaml_free(&config, &value, y, 0);
    return rc;
}

static int fill(tl_task *t, yaml_task *y, const char *path, tl_err *err)
{
    t->kind = y->kind;
    TL_TRY(take(&t->name, &y->name, "", path, err));
    TL_TRY(take(&t->description, &y->description, "", path, err));
    TL_TRY(take(&t->provenance, &y->provenance, "", path, err));
    TL_TRY(take(&t->instruction, &y->instruction, "", path, err));
    TL_TRY(take(&t->input_template, &y->template.input, "", path, err));
    TL_TRY(take(&t->answer_template, &y->template.answer, "", path, err));
    TL_TRY(take(&t->separator, &y->template.separator, "\n\n", path, err));
    t->labels = y->labels;
    t->n_labels = (int)y->n_labels;
    t->metrics = y->metrics;
    t->n_metrics = (int)y->n_metrics;
    y->labels = y->metrics = NULL;
    y->n_labels = y->n_metrics = 0;
    TL_TRY(check_names(t->labels, t->n_labels, "labels", path, err));
    TL_TRY(check_names(t->metrics, t->n_metrics, "metrics", path, err));
    if (t->kind == TL_TASK_CLASSIFICATION) {
        if (t->n_labels < 2)
            return tl_fail(err, TL_EDATA, "%s: has %d labels, a classification wants at least 2", path, t->n_labels);
        if (y->max_answer_tokens)
            return tl_fail(err, TL_EDATA, "%s: max_answer_tokens is for a generation, this is a classification", path);
        return 0;
    }
    if (t->n_labels) return tl_fail(err, TL_EDATA, "%s: labels are for a classification, this is a generation", path);
    if (!y->max_answer_tokens)
        return tl_fail(err, TL_EDATA, "%s: the key max_answer_tokens is missing, a generation wants it", path);
    char where[400];
    double tokens;
    snprintf(where, sizeof where, "%s: max_answer_tokens", path);
    TL_TRY(parse_number(&tokens, y->max_answer_tokens, 1, MAX_ANSWER_TOKENS, where, err));
    if (tokens != floor(tokens))
        return tl_fail(err, TL_EDATA, "%s is %s, wanted a whole number", where, y->max_answer_tokens);
    t->max_answer_tokens = (int)tokens;
    return 0;
}

int tl_task_yaml(tl_task *t, const char *path, tl_err *err)
{
    int rc;
    yaml_task *y = NULL;
    complaint c = { .line = 0 };
    const cyaml_config_t config = configure(&c, 0);
    tl_buf text = tl_buf_make(FILE_LIMIT);
    rc = tl_file_read(path, FILE_LIMIT, &text, err);
    if (rc < 0) goto done;
    t->yaml_hash = tl_hash_bytes(text.data, text.size);
    cyaml_err_t code =
        cyaml_load_data((const uint8_t *)text.data, text.size, &config, &task_value, (cyaml_data_t **)&y, NULL);
    if (code != CYAML_OK) {
        rc = complain(&c, code, path, err);
        goto done;
    }
    if (!y || c.documents) {
        rc = tl_fail(err, TL_EDATA, "%s: holds %s, wanted one document", path, y ? "several" : "nothing");
        goto done;
    }
    rc = fill(t, y, path, err);
    if (rc == 0) rc = read_costs(t, &text, path, err);
done:
    cyaml_free(&config, &task_value, y, 0);
    tl_buf_reset(&text);
    return rc;
}
