/* regex.c - Oniguruma's patterns over PCRE2.
 *
 * Three things need care.  Meaning: the engines agree on most syntax but not on \s (PCRE2's holds U+180E, which left
 * White_Space with Unicode 6.3), on scripts (PCRE2's \p{Han} counts script extensions), on \w, \h, \v, \b, on classes
 * within classes; translate() settles each.  Speed: the text is known to be UTF-8 and PCRE2 is told so, or it would
 * check all of it again at each match.  Depth: a match that outgrows the JIT's stack is run again by the interpreter,
 * whose memory and steps PCRE2 limits. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include "base/buf.h"
#include "text/unicode.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    MAX_PATTERN = 1 << 16
};

/* One escape, from the backslash at s; *used is its length.  General categories have names of one or two letters;
 * longer ones are taken for scripts. */
static int translate_escape(const char *s, size_t n, size_t *used, tl_buf *out, tl_err *err)
{
    if (n < 2) return tl_fail(err, TL_EFORMAT, "regex: a backslash at its end");
    char c = s[1];
    *used = 2;
    if (c == 's' || c == 'S') return tl_buf_puts(out, c == 's' ? "\\p{WSpace}" : "\\P{WSpace}", err);
    if (c == 'd' || c == 'D') return tl_buf_puts(out, c == 'd' ? "\\p{Nd}" : "\\P{Nd}", err);
    if (c == 'p' || c == 'P') {
        const char *end = n > 2 && s[2] == '{' ? memchr(s, '}', n) : NULL;
        if (!end) return tl_fail(err, TL_EFORMAT, "regex: \\%c without {name}", c);
        *used = (size_t)(end - s) + 1;
        const char *name = s + 3;
        bool not = *name == '^';
        if (not ) name++;
        int size = (int)(end - name);
        for (int i = 0; i < size; i++)
            if (!isalpha((unsigned char)name[i]) && name[i] != '_')
                return tl_fail(err, TL_EUNSUPPORTED, "regex: \\%c{%.*s} is not a name of a category or script", c, size,
                               name);
        return tl_buf_printf(out, err, "\\%c{%s%.*s}", not != (c == 'P') ? 'P' : 'p', size <= 2 ? "" : "sc:", size,
                             name);
    }
    if (c == 'u') {
        for (size_t i = 2; i < 6; i++)
            if (i >= n || !isxdigit((unsigned char)s[i]))
                return tl_fail(err, TL_EFORMAT, "regex: \\u wants four hexadecimal digits");
        *used = 6;
        return tl_buf_printf(out, err, "\\x{%.4s}", s + 2);
    }
    if (strchr("rntfxae", c) || !isalnum((unsigned char)c)) return tl_buf_append(out, s, 2, err);
    return tl_fail(err, TL_EUNSUPPORTED, "regex: \\%c is not supported here: PCRE2 and Oniguruma differ on it", c);
}

/* From "(?": the groups both engines read alike. */
static int check_group(const char *s, size_t n, tl_err *err)
{
    static const char *const known[] = { "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= strlen(known[i]) && memcmp(s, known[i], strlen(known[i])) == 0) return 0;
    return tl_fail(err, TL_EUNSUPPORTED, "regex: the group '%.*s' is not supported", n < 4 ? (int)n : 4, s);
}

static int translate(const char *s, size_t n, tl_buf *out, tl_err *err)
{
    size_t class_start = 0;
    bool in_class = false;
    for (size_t i = 0; i < n;) {
        size_t used = 1;
        if (s[i] == '\\') {
            TL_TRY(translate_escape(s + i, n - i, &used, out, err));
            i += used;
            continue;
        }
        if (in_class) {
            if (s[i] == '[') return tl_fail(err, TL_EUNSUPPORTED, "regex: a class within a class");
            if (s[i] == '&' && i + 1 < n && s[i + 1] == '&')
                return tl_fail(err, TL_EUNSUPPORTED, "regex: && within a class");
            if (s[i] == ']' && i > class_start) in_class = false;
        } else if (s[i] == '[') {
            in_class = true;
            class_start = i + 1 < n && s[i + 1] == '^' ? i + 2 : i + 1;
            TL_TRY(tl_buf_append(out, s + i, class_start - i, err));
            i = class_start;
            continue;
        } else if (s[i] == '(' && i + 1 < n && s[i + 1] == '?') {
            TL_TRY(check_group(s + i, n - i, err));
        } else if (s[i] == '(' && i + 1 < n && s[i + 1] == '*') {
            return tl_fail(err, TL_EUNSUPPORTED, "regex: (* is not supported");
        } else if (s[i] == '}' && i + 1 < n && s[i + 1] == '+') {
            return tl_fail(err, TL_EUNSUPPORTED, "regex: }+ is not supported: PCRE2 and Oniguruma differ on it");
        }
        TL_TRY(tl_buf_append(out, s + i, used, err));
        i += used;
    }
    return 0;
}

static int compile(tl_regex **out, const char *pattern, size_t size, uint32_t options, tl_err *err)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, size, options, &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR why[200];
        pcre2_get_error_message(error, why, sizeof why);
        return tl_fail(err, TL_EFORMAT, "regex '%.*s': %s, near its byte %zu", (int)(size < 300 ? size : 300), pattern,
                       (char *)why, at);
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where it cannot, pcre2_match interprets */
    *out = (tl_regex *)code;
    return 0;
}

int tl_regex_create(tl_regex **out, const char *pattern, size_t size, tl_err *err)
{
    if (size == 0 || size > MAX_PATTERN)
        return tl_fail(err, TL_EFORMAT, "regex: %zu bytes, wanted 1 to %d", size, MAX_PATTERN);
    if (tl_unicode_valid(pattern, size) != size) return tl_fail(err, TL_EFORMAT, "regex: not UTF-8");
    tl_buf translated = tl_buf_make(16 * (size_t)MAX_PATTERN);
    int rc = translate(pattern, size, &translated, err);
    if (rc == 0)
        rc = compile(out, translated.data, translated.size,
                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, err);
    tl_buf_reset(&translated);
    return rc;
}

int tl_regex_create_literal(tl_regex **out, const char *string, size_t size, tl_err *err)
{
    if (size == 0 || size > MAX_PATTERN)
        return tl_fail(err, TL_EFORMAT, "a string to split at: %zu bytes, wanted 1 to %d", size, MAX_PATTERN);
    return compile(out, string, size, PCRE2_UTF | PCRE2_LITERAL, err);
}

int tl_regex_create_pcre(tl_regex **out, const char *pattern, tl_err *err)
{
    return compile(out, pattern, strlen(pattern), PCRE2_UTF | PCRE2_UCP, err);
}

void tl_regex_free(tl_regex *r)
{
    pcre2_code_free((pcre2_code *)r);
}

int tl_regex_work_create(tl_regex_work **out, tl_err *err)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (!match) return tl_fail(err, TL_ENOMEM, "regex: no memory for a match");
    *out = (tl_regex_work *)match;
    return 0;
}

void tl_regex_work_free(tl_regex_work *w)
{
    pcre2_match_data_free((pcre2_match_data *)w);
}

int tl_regex_next(const tl_regex *r, tl_regex_work *w, const char *text, size_t size, size_t from, size_t *start,
                  size_t *end, tl_err *err)
{
    const pcre2_code *code = (const pcre2_code *)r;
    pcre2_match_data *match = (pcre2_match_data *)w;
    *start = *end = 0;
    while (from < size) {
        int n = pcre2_match(code, (PCRE2_SPTR)text, size, from, PCRE2_NO_UTF_CHECK, match, NULL);
        if (n == PCRE2_ERROR_JIT_STACKLIMIT)
            n = pcre2_match(code, (PCRE2_SPTR)text, size, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, NULL);
        if (n == PCRE2_ERROR_NOMATCH) return 0;
        if (n < 0) {
            PCRE2_UCHAR why[200];
            pcre2_get_error_message(n, why, sizeof why);
            return tl_fail(err, TL_EDATA, "pre-tokenizer: at byte %zu of %zu: %s", from, size, (char *)why);
        }
        const PCRE2_SIZE *pair = pcre2_get_ovector_pointer(match);
        if (pair[1] > pair[0]) {
            *start = pair[0];
            *end = pair[1];
            return 0;
        }
        from = pair[1] + 1; /* an empty match: on to the next character */
        while (from < size && ((unsigned char)text[from] & 0xc0) == 0x80) from++;
    }
    return 0;
}
