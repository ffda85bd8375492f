/* json.h - jansson with our errors: values are fetched by type and range, and a failure names file and key.
 *
 *     json_t *config = NULL;
 *     TL_TRY(tl_json_load(&config, path, err));
 *     rc = tl_json_int(config, path, "hidden_size", 1, 1 << 20, &D, err);
 *     if (rc == 0) rc = tl_json_double_or(config, path, "rms_norm_eps", 0, 1, 1e-6, &eps, err);
 *     json_decref(config);
 *
 * The plain getters want the key; those ending in _or give the default where it is missing or null.
 * file is only for the error: a path, or a path and a place in it ("config.json: rope_scaling").  Strings,
 * arrays and objects are borrowed from obj. */
#ifndef TL_IO_JSON_H
#define TL_IO_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/* Read the JSON object in the file at path (at most 100 MiB; a key given twice is an error).  *out is the
 * caller's: json_decref. */
int tl_json_load(json_t **out, const char *path, tl_err *err);

/* Write value to path with two spaces of indent and keys in the order they were set; whole or not at all. */
int tl_json_save(const char *path, const json_t *value, tl_err *err);

/* json_loadb and json_dumps that never take a failed allocation for an end of the text (jansson 2.14 drops the
 * bytes it had no room for): then they give NULL.  A key given twice is refused; an integer beyond 64 bits is read as a
 * real, as Python's model_max_length wants it; the text is the caller's to free. */
json_t *tl_json_parse(const char *bytes, size_t size, json_error_t *bad);
char *tl_json_print(const json_t *value, size_t flags);

int tl_json_int(const json_t *obj, const char *file, const char *key, int min, int max, int *out, tl_err *err);
int tl_json_int_or(const json_t *obj, const char *file, const char *key, int min, int max, int def, int *out,
                   tl_err *err);

/* A number; an integer will do. */
int tl_json_double(const json_t *obj, const char *file, const char *key, double min, double max, double *out,
                   tl_err *err);
int tl_json_double_or(const json_t *obj, const char *file, const char *key, double min, double max, double def,
                      double *out, tl_err *err);

int tl_json_bool(const json_t *obj, const char *file, const char *key, bool *out, tl_err *err);
int tl_json_bool_or(const json_t *obj, const char *file, const char *key, bool def, bool *out, tl_err *err);

int tl_json_string(const json_t *obj, const char *file, const char *key, const char **out, tl_err *err);
int tl_json_string_or(const json_t *obj, const char *file, const char *key, const char *def, const char **out,
                      tl_err *err);

/* The value of that type (JSON_OBJECT, JSON_ARRAY, ...); with _or, NULL where the key is missing or null. */
int tl_json_value(const json_t *obj, const char *file, const char *key, json_type type, json_t **out, tl_err *err);
int tl_json_value_or_null(const json_t *obj, const char *file, const char *key, json_type type, json_t **out,
                          tl_err *err);

#endif
