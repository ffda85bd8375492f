/* adapter_targets.c - PEFT's target_modules and what narrows them.
 *
 * A list holds endings of module paths, a string is a regular expression for whole paths. */
#include "model/adapter_targets.h"

#include "model/model_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t tl_modules_count(const tl_config *c)
{
    return (size_t)c->L * (size_t)tl_family_modules(c->family);
}

void tl_module_path(char *out, size_t size, const tl_family *f, int layer, int module)
{
    char below[TL_NAME_MAX];
    tl_name_print(below, sizeof below, f->layer_path, layer, 0);
    snprintf(out, size, "%s%s", below, f->modules[module].name);
}

/* The path of module i of all layers. */
static void path_of(char out[TL_NAME_MAX], const tl_config *c, size_t i)
{
    size_t n = (size_t)tl_family_modules(c->family);
    tl_module_path(out, TL_NAME_MAX, c->family, (int)(i / n), (int)(i % n));
}

static int no_module(const tl_config *c, const char *target, const char *where, tl_err *err)
{
    char known[400] = "";
    for (const tl_module *m = c->family->modules; m->name; m++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", m->name);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: target '%.200s' is no module that can be adapted; a %s layer has %s",
                   where, target, c->family->model_type, known);
}

static bool path_ends_with(const char *path, const char *name)
{
    size_t n = strlen(path), m = strlen(name);
    return n >= m && strcmp(path + n - m, name) == 0 && (n == m || path[n - m - 1] == '.');
}

/* Set chosen of the modules that name means to yes; whether there is any. */
static bool set_named(bool *chosen, const tl_config *c, const char *name, bool yes)
{
    bool any = false;
    for (size_t i = 0; i < tl_modules_count(c); i++) {
        char path[TL_NAME_MAX];
        path_of(path, c, i);
        if (!path_ends_with(path, name)) continue;
        chosen[i] = yes;
        any = true;
    }
    return any;
}

static int set_matching(bool *chosen, const tl_config *c, const char *pattern, const char *field, const char *where,
                        bool yes, tl_err *err)
{
    tl_path_pattern *p = NULL;
    TL_TRY(tl_path_pattern_open(&p, "%s", pattern, field, where, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < tl_modules_count(c); i++) {
        char path[TL_NAME_MAX];
        bool matches = false;
        path_of(path, c, i);
        rc = tl_path_pattern_match(p, path, &matches, NULL, err);
        if (matches) chosen[i] = yes;
    }
    tl_path_pattern_close(p);
    return rc;
}

int tl_targets_name(bool *chosen, const tl_config *c, const char *name, const char *where, tl_err *err)
{
    return set_named(chosen, c, name, true) ? 0 : no_module(c, name, where, err);
}

int tl_targets_pattern(bool *chosen, const tl_config *c, const char *pattern, const char *where, tl_err *err)
{
    size_t n = tl_modules_count(c);
    if (strcasecmp(pattern, "all-linear") == 0) {
        for (size_t i = 0; i < n; i++) chosen[i] = true;
        return 0;
    }
    TL_TRY(set_matching(chosen, c, pattern, "target_modules", where, true, err));
    for (size_t i = 0; i < n; i++)
        if (chosen[i]) return 0;
    return no_module(c, pattern, where, err);
}

void tl_targets_path(bool *chosen, const tl_config *c, const char *path)
{
    for (size_t i = 0; i < tl_modules_count(c); i++) {
        char own[TL_NAME_MAX];
        path_of(own, c, i);
        if (strcmp(own, path) == 0) chosen[i] = true;
    }
}

void tl_targets_drop_name(bool *chosen, const tl_config *c, const char *name)
{
    set_named(chosen, c, name, false);
}

int tl_targets_drop_pattern(bool *chosen, const tl_config *c, const char *pattern, const char *where, tl_err *err)
{
    return set_matching(chosen, c, pattern, "exclude_modules", where, false, err);
}

/* Do whole parts of path, in a row, read as name? */
static bool has_parts(const char *path, const char *name, size_t n)
{
    for (const char *at = path; at; at = strchr(at, '.')) {
        if (*at == '.') at++;
        if (strncmp(at, name, n) == 0 && (at[n] == '.' || at[n] == '\0')) return true;
    }
    return false;
}

void tl_targets_drop_below(bool *chosen, const tl_config *c, const char *name, size_t n)
{
    for (size_t i = 0; n > 0 && i < tl_modules_count(c); i++) {
        char path[TL_NAME_MAX];
        path_of(path, c, i);
        if (has_parts(path, name, n)) chosen[i] = false;
    }
}

static bool among(const int *numbers, size_t n, int x)
{
    for (size_t i = 0; i < n; i++)
        if (numbers[i] == x) return true;
    return false;
}

int tl_targets_keep_layers(bool *chosen, const tl_config *c, const int *numbers, size_t n, const char *pattern,
                           const char *where, tl_err *err)
{
    tl_path_pattern *p = NULL;
    if (pattern)
        TL_TRY(tl_path_pattern_open(&p, "(?:|.*?\\.)(?:%s)\\.(?<number>[0-9]+)\\..*", pattern, "layers_pattern", where,
                                    err));
    else
        TL_TRY(
            tl_path_pattern_open(&p, ".*?\\.[^.]*\\.(?<number>[0-9]+)\\..*%s", "", "layers_to_transform", where, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < tl_modules_count(c); i++) {
        char path[TL_NAME_MAX];
        bool matches = false;
        int number = -1;
        if (!chosen[i]) continue;
        path_of(path, c, i);
        rc = tl_path_pattern_match(p, path, &matches, &number, err);
        chosen[i] = matches && among(numbers, n, number);
    }
    tl_path_pattern_close(p);
    return rc;
}
