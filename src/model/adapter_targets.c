/* adapter_targets.c - which modules of a base an adapter adapts: PEFT's target_modules, by its rules.
 *
 * A list holds endings of module paths, a string is a regular expression for whole paths.  Patterns come from files, so
 * their matching is bounded. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/adapter_targets.h"

#include "model/model_memory.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

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

static int no_module(const tl_config *c, const char *target, const char *where, tl_err *err)
{
    char known[400] = "";
    for (const tl_module *m = c->family->modules; m->name; m++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", m->name);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: target '%s' is no module that can be adapted; a %s layer has %s", where,
                   target, c->family->model_type, known);
}

static bool path_ends_with(const char *path, const char *name)
{
    size_t n = strlen(path), m = strlen(name);
    return n >= m && strcmp(path + n - m, name) == 0 && (n == m || path[n - m - 1] == '.');
}

int tl_targets_name(bool *chosen, const tl_config *c, const char *name, const char *where, tl_err *err)
{
    int n = tl_family_modules(c->family);
    bool any = false;
    for (int l = 0; l < c->L; l++)
        for (int i = 0; i < n; i++) {
            char path[TL_NAME_MAX];
            tl_module_path(path, sizeof path, c->family, l, i);
            if (path_ends_with(path, name)) any = chosen[l * n + i] = true;
        }
    return any ? 0 : no_module(c, name, where, err);
}

static int match_all(bool *chosen, const tl_config *c, const pcre2_code *code, pcre2_match_data *data,
                     pcre2_match_context *limits, const char *where, tl_err *err)
{
    int n = tl_family_modules(c->family);
    for (int l = 0; l < c->L; l++)
        for (int i = 0; i < n; i++) {
            char path[TL_NAME_MAX];
            tl_module_path(path, sizeof path, c->family, l, i);
            int rc = pcre2_match(code, (PCRE2_SPTR)path, strlen(path), 0, 0, data, limits);
            if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
                return tl_fail(err, TL_EFORMAT, "%s: target_modules is a pattern too costly to match", where);
            chosen[l * n + i] |= rc >= 0;
        }
    return 0;
}

int tl_targets_pattern(bool *chosen, const tl_config *c, const char *pattern, const char *where, tl_err *err)
{
    size_t n = tl_modules_count(c);
    if (strcmp(pattern, "all-linear") == 0) {
        for (size_t i = 0; i < n; i++) chosen[i] = true;
        return 0;
    }
    int error = 0, rc = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED | PCRE2_ENDANCHORED,
                                     &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR why[120] = "";
        pcre2_get_error_message(error, why, sizeof why);
        return tl_fail(err, TL_EFORMAT, "%s: target_modules is '%s', no pattern: %s at %zu", where, pattern,
                       (char *)why, (size_t)at);
    }
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (data && limits) {
        pcre2_set_match_limit(limits, 100000);
        pcre2_set_depth_limit(limits, 10000);
        rc = match_all(chosen, c, code, data, limits, where, err);
    } else {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to match target_modules", where);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    if (rc < 0) return rc;
    for (size_t i = 0; i < n; i++)
        if (chosen[i]) return 0;
    return no_module(c, pattern, where, err);
}
