/* json.c - typed getters over jansson. */
#include "io/json.h"

#include "io/atomic.h"

#include <stdlib.h>
#include <string.h>

static const size_t FILE_LIMIT = (size_t)100 << 20;

/* jansson takes its memory here, so that a request that failed is remembered even where jansson forgets it. */
static _Thread_local bool memory_failed;

static void *noted_malloc(size_t size)
{
    void *p = malloc(size);
    if (!p) memory_failed = true;
    return p;
}

/* Before main, when no other thread can be inside jansson. */
__attribute__((constructor)) static void note_failures(void)
{
    json_set_alloc_funcs(noted_malloc, free);
}

/* Python writes integers of any length, jansson has 64 bits: a copy in which those of 19 digits and more are reals.
 * NULL: no memory. */
static char *with_reals(const char *bytes, size_t size, size_t *out_size)
{
    char *out = noted_malloc(size + size / 19 * 2 + 1);
    size_t n = 0, i = 0;
    while (out && i < size) {
        size_t from = i;
        if (bytes[i] == '"') {
            for (i++; i < size && bytes[i] != '"'; i++)
                if (bytes[i] == '\\') i++;
            i = i < size ? i + 1 : size;
        } else {
            while (i < size && bytes[i] && strchr("+-.0123456789eE", bytes[i])) i++;
            if (i == from) i++;
        }
        memcpy(out + n, bytes + from, i - from);
        n += i - from;
        size_t digits = 0;
        while (from + digits < i && strchr("-0123456789", bytes[from + digits])) digits++;
        if (digits < 19 || from + digits < i) continue;
        out[n++] = 'e';
        out[n++] = '0';
    }
    *out_size = n;
    return out;
}

static json_t *parse(const char *bytes, size_t size, json_error_t *bad)
{
    json_t *value = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, bad);
    if (value || json_error_code(bad) != json_error_numeric_overflow) return value;
    size_t n = 0;
    char *reals = with_reals(bytes, size, &n);
    if (reals) value = json_loadb(reals, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, bad);
    free(reals);
    return value;
}

json_t *tl_json_parse(const char *bytes, size_t size, json_error_t *bad)
{
    memory_failed = false;
    json_t *value = parse(bytes, size, bad);
    if (!memory_failed) return value;
    json_decref(value);
    *bad = (json_error_t){ .text = "memory is short" };
    return NULL;
}

char *tl_json_print(const json_t *value, size_t flags)
{
    memory_failed = false;
    char *text = json_dumps(value, flags);
    if (!memory_failed) return text;
    free(text);
    return NULL;
}

static const char *type_name(json_type type)
{
    switch (type) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    }
    return "a value";
}

int tl_json_load(json_t **out, const char *path, tl_err *err)
{
    int rc;
    json_t *value = NULL;
    tl_buf text = tl_buf_make(FILE_LIMIT);
    rc = tl_file_read(path, FILE_LIMIT, &text, err);
    if (rc < 0) goto done;
    json_error_t bad;
    value = tl_json_parse(text.data, text.size, &bad);
    if (!value) {
        rc = tl_fail(err, TL_EFORMAT, "%s:%d:%d: not JSON: %s", path, bad.line, bad.column, bad.text);
        goto done;
    }
    if (!json_is_object(value)) {
        rc = tl_fail(err, TL_EFORMAT, "%s: holds %s, wanted an object", path, type_name(json_typeof(value)));
        goto done;
    }
    *out = value;
    value = NULL;
done:
    json_decref(value);
    tl_buf_reset(&text);
    return rc;
}

int tl_json_save(const char *path, const json_t *value, tl_err *err)
{
    char *text = tl_json_print(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (!text) return tl_fail(err, TL_ENOMEM, "%s: its JSON cannot be made into text", path);
    size_t n = strlen(text);
    text[n] = '\n'; /* in the place of the NUL: the size says where it ends */
    int rc = tl_file_save(path, text, n + 1, err);
    free(text);
    return rc;
}

/* The value of key, or NULL where it is missing or null. */
static json_t *present(const json_t *obj, const char *key)
{
    json_t *v = json_object_get(obj, key);
    return json_is_null(v) ? NULL : v;
}

static int missing(const char *file, const char *key, const char *wanted, tl_err *err)
{
    return tl_fail(err, TL_EFORMAT, "%s: %s is missing, wanted %s", file, key, wanted);
}

static int mistyped(const char *file, const char *key, const json_t *v, const char *wanted, tl_err *err)
{
    return tl_fail(err, TL_EFORMAT, "%s: %s is %s, wanted %s", file, key, type_name(json_typeof(v)), wanted);
}

int tl_json_int_or(const json_t *obj, const char *file, const char *key, int min, int max, int def, int *out,
                   tl_err *err)
{
    const json_t *v = present(obj, key);
    if (!v) {
        *out = def;
        return 0;
    }
    if (!json_is_integer(v)) return mistyped(file, key, v, "an integer", err);
    json_int_t n = json_integer_value(v);
    if (n < min || n > max)
        return tl_fail(err, TL_EFORMAT, "%s: %s is %" JSON_INTEGER_FORMAT ", wanted %d to %d", file, key, n, min, max);
    *out = (int)n;
    return 0;
}

int tl_json_int(const json_t *obj, const char *file, const char *key, int min, int max, int *out, tl_err *err)
{
    if (!present(obj, key)) return missing(file, key, "an integer", err);
    return tl_json_int_or(obj, file, key, min, max, 0, out, err);
}

int tl_json_double_or(const json_t *obj, const char *file, const char *key, double min, double max, double def,
                      double *out, tl_err *err)
{
    const json_t *v = present(obj, key);
    if (!v) {
        *out = def;
        return 0;
    }
    if (!json_is_number(v)) return mistyped(file, key, v, "a number", err);
    double x = json_number_value(v);
    if (!(x >= min && x <= max))
        return tl_fail(err, TL_EFORMAT, "%s: %s is %g, wanted %g to %g", file, key, x, min, max);
    *out = x;
    return 0;
}

int tl_json_double(const json_t *obj, const char *file, const char *key, double min, double max, double *out,
                   tl_err *err)
{
    if (!present(obj, key)) return missing(file, key, "a number", err);
    return tl_json_double_or(obj, file, key, min, max, 0, out, err);
}

int tl_json_bool_or(const json_t *obj, const char *file, const char *key, bool def, bool *out, tl_err *err)
{
    const json_t *v = present(obj, key);
    if (v && !json_is_boolean(v)) return mistyped(file, key, v, "true or false", err);
    *out = v ? json_is_true(v) : def;
    return 0;
}

int tl_json_bool(const json_t *obj, const char *file, const char *key, bool *out, tl_err *err)
{
    if (!present(obj, key)) return missing(file, key, "true or false", err);
    return tl_json_bool_or(obj, file, key, false, out, err);
}

int tl_json_string_or(const json_t *obj, const char *file, const char *key, const char *def, const char **out,
                      tl_err *err)
{
    const json_t *v = present(obj, key);
    if (v && !json_is_string(v)) return mistyped(file, key, v, "a string", err);
    *out = v ? json_string_value(v) : def;
    return 0;
}

int tl_json_string(const json_t *obj, const char *file, const char *key, const char **out, tl_err *err)
{
    if (!present(obj, key)) return missing(file, key, "a string", err);
    return tl_json_string_or(obj, file, key, NULL, out, err);
}

int tl_json_value_or_null(const json_t *obj, const char *file, const char *key, json_type type, json_t **out,
                          tl_err *err)
{
    json_t *v = present(obj, key);
    if (v && json_typeof(v) != type) return mistyped(file, key, v, type_name(type), err);
    *out = v;
    return 0;
}

int tl_json_value(const json_t *obj, const char *file, const char *key, json_type type, json_t **out, tl_err *err)
{
    if (!present(obj, key)) return missing(file, key, type_name(type), err);
    return tl_json_value_or_null(obj, file, key, type, out, err);
}
