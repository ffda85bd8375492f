/* path_pattern.c - PCRE2 within bounds. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/path_pattern.h"

#include "base/buf.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_MAX = 1 << 16,
    MATCH_MAX = 100000,
    DEPTH_MAX = 10000
};

struct tl_path_pattern {
    const char *field, *where; /* borrowed */
    pcre2_code *code;          /* owned, as what follows */
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static int compile(tl_path_pattern *p, const char *frame, const char *text, tl_err *err)
{
    tl_buf whole = tl_buf_make(TEXT_MAX);
    const char *gap = strstr(frame, "%s");
    int error = 0;
    PCRE2_SIZE at = 0;
    int rc = tl_buf_printf(&whole, NULL, "%.*s%s%s", (int)(gap - frame), frame, text, gap + 2);
    if (rc < 0)
        return tl_fail(err, rc, "%s: %s is a pattern of %zu bytes, at most %d are taken", p->where, p->field,
                       strlen(text), TEXT_MAX);
    p->code = pcre2_compile((PCRE2_SPTR)whole.data, whole.size, PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &at, NULL);
    tl_buf_reset(&whole);
    if (p->code) return 0;
    if (error == PCRE2_ERROR_HEAP_FAILED || error == 121) /* 121: PCRE2 had no memory */
        return tl_fail(err, TL_ENOMEM, "%s: no memory for the pattern of %s", p->where, p->field);
    PCRE2_UCHAR why[120] = "";
    pcre2_get_error_message(error, why, sizeof why);
    return tl_fail(err, TL_EFORMAT, "%s: %s is '%.200s', no pattern: %s", p->where, p->field, text, (char *)why);
}

int tl_path_pattern_open(tl_path_pattern **out, const char *frame, const char *text, const char *field,
                         const char *where, tl_err *err)
{
    tl_path_pattern *p = calloc(1, sizeof *p);
    if (!p) return tl_fail(err, TL_ENOMEM, "%s: no memory for the pattern of %s", where, field);
    p->field = field;
    p->where = where;
    int rc = compile(p, frame, text, err);
    if (rc == 0) {
        p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
        p->limits = pcre2_match_context_create(NULL);
        if (!p->data || !p->limits) rc = tl_fail(err, TL_ENOMEM, "%s: no memory for the pattern of %s", where, field);
    }
    if (rc < 0) {
        tl_path_pattern_close(p);
        return rc;
    }
    pcre2_set_match_limit(p->limits, MATCH_MAX);
    pcre2_set_depth_limit(p->limits, DEPTH_MAX);
    *out = p;
    return 0;
}

void tl_path_pattern_close(tl_path_pattern *p)
{
    if (!p) return;
    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->code);
    free(p);
}

static int number_of(const tl_path_pattern *p, const char *path)
{
    int group = pcre2_substring_number_from_name(p->code, (PCRE2_SPTR) "number");
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);
    if (group <= 0 || at[2 * group] == PCRE2_UNSET || !isdigit((unsigned char)path[at[2 * group]])) return -1;
    return atoi(path + at[2 * group]);
}

int tl_path_pattern_match(const tl_path_pattern *p, const char *path, bool *yes, int *number, tl_err *err)
{
    int rc = pcre2_match(p->code, (PCRE2_SPTR)path, strlen(path), 0, 0, p->data, p->limits);
    if (rc == PCRE2_ERROR_NOMEMORY || rc == PCRE2_ERROR_HEAPLIMIT)
        return tl_fail(err, TL_ENOMEM, "%s: no memory to match %s", p->where, p->field);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        return tl_fail(err, TL_EFORMAT, "%s: %s is a pattern too costly to match", p->where, p->field);
    *yes = rc >= 0;
    if (number) *number = *yes ? number_of(p, path) : -1;
    return 0;
}
