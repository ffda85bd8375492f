/* pretoken.c - stages of regular expressions over PCRE2.
 *
 * Three things need care.  Meaning: Oniguruma and PCRE2 agree on most syntax but
 * not on \s (PCRE2's holds U+180E, which left White_Space with Unicode 6.3), on
 * scripts (PCRE2's \p{Han} counts script extensions), on \w, \h, \v, \b, on
 * classes within classes; translate() settles each.  Speed: the text is
 * known to be UTF-8 and PCRE2 is told so, or it would check all of it again at
 * each match.  Depth: a match that outgrows the JIT's stack is run again by the
 * interpreter, whose memory and steps PCRE2 limits. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pretoken.h"

#include "base/buf.h"
#include "text/unicode.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_STAGES = 16,
    MAX_PATTERN = 1 << 16
};

typedef struct stage {
    pcre2_code *code; /* owned; NULL: this stage puts a space in front */
} stage;

struct tl_pretoken {
    stage stages[MAX_STAGES];
    int n;
};

int tl_pretoken_create(tl_pretoken **out, tl_err *err)
{
    tl_pretoken *p = calloc(1, sizeof *p);
    if (!p) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: no memory");
    *out = p;
    return 0;
}

void tl_pretoken_free(tl_pretoken *p)
{
    if (!p) return;
    for (int i = 0; i < p->n; i++) pcre2_code_free(p->stages[i].code);
    free(p);
}

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

static int add_code(tl_pretoken *p, const char *pattern, size_t size, uint32_t options, tl_err *err)
{
    if (p->n == MAX_STAGES) return tl_fail(err, TL_EUNSUPPORTED, "pre-tokenizer: more than %d stages", MAX_STAGES);
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
    p->stages[p->n++].code = code;
    return 0;
}

int tl_pretoken_add_regex(tl_pretoken *p, const char *pattern, size_t size, tl_err *err)
{
    if (size == 0 || size > MAX_PATTERN)
        return tl_fail(err, TL_EFORMAT, "regex: %zu bytes, wanted 1 to %d", size, MAX_PATTERN);
    if (tl_unicode_valid(pattern, size) != size) return tl_fail(err, TL_EFORMAT, "regex: not UTF-8");
    tl_buf translated = tl_buf_make(16 * (size_t)MAX_PATTERN);
    int rc = translate(pattern, size, &translated, err);
    if (rc == 0)
        rc = add_code(p, translated.data, translated.size,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, err);
    tl_buf_reset(&translated);
    return rc;
}

int tl_pretoken_add_literal(tl_pretoken *p, const char *string, size_t size, tl_err *err)
{
    if (size == 0 || size > MAX_PATTERN)
        return tl_fail(err, TL_EFORMAT, "split string: %zu bytes, wanted 1 to %d", size, MAX_PATTERN);
    return add_code(p, string, size, PCRE2_UTF | PCRE2_LITERAL, err);
}

int tl_pretoken_add_prefix_space(tl_pretoken *p, tl_err *err)
{
    if (p->n == MAX_STAGES) return tl_fail(err, TL_EUNSUPPORTED, "pre-tokenizer: more than %d stages", MAX_STAGES);
    p->stages[p->n++].code = NULL;
    return 0;
}

typedef struct call {
    const tl_pretoken *p;
    pcre2_match_data *match; /* one pair; free again once its two numbers are read */
    tl_pretoken_fn *each;
    void *arg;
} call;

static int run(const call *c, int k, const char *text, size_t size, tl_err *err);

static int run_prefix(const call *c, int k, const char *text, size_t size, tl_err *err)
{
    if (text[0] == ' ') return run(c, k + 1, text, size, err);
    char *spaced = malloc(size + 1);
    if (!spaced) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: %zu bytes wanted, none free", size + 1);
    spaced[0] = ' ';
    memcpy(spaced + 1, text, size);
    int rc = run(c, k + 1, spaced, size + 1, err);
    free(spaced);
    return rc;
}

/* The next match at or after from; *end is 0 where there is none (a match ends after 0, for empty ones are passed by).
 */
static int next_match(const call *c, const pcre2_code *code, const char *text, size_t size, size_t from, size_t *start,
                      size_t *end, tl_err *err)
{
    *start = *end = 0;
    while (from < size) {
        int n = pcre2_match(code, (PCRE2_SPTR)text, size, from, PCRE2_NO_UTF_CHECK, c->match, NULL);
        if (n == PCRE2_ERROR_JIT_STACKLIMIT)
            n = pcre2_match(code, (PCRE2_SPTR)text, size, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, c->match, NULL);
        if (n == PCRE2_ERROR_NOMATCH) return 0;
        if (n < 0) {
            PCRE2_UCHAR why[200];
            pcre2_get_error_message(n, why, sizeof why);
            return tl_fail(err, TL_EDATA, "pre-tokenizer: at byte %zu of %zu: %s", from, size, (char *)why);
        }
        const PCRE2_SIZE *pair = pcre2_get_ovector_pointer(c->match);
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

static int run(const call *c, int k, const char *text, size_t size, tl_err *err)
{
    if (k == c->p->n) return c->each(c->arg, text, size, err);
    const pcre2_code *code = c->p->stages[k].code;
    if (!code) return run_prefix(c, k, text, size, err);
    size_t from = 0;
    while (from < size) {
        size_t start, end;
        TL_TRY(next_match(c, code, text, size, from, &start, &end, err));
        if (end == 0) return run(c, k + 1, text + from, size - from, err);
        if (start > from) TL_TRY(run(c, k + 1, text + from, start - from, err));
        TL_TRY(run(c, k + 1, text + start, end - start, err));
        from = end;
    }
    return 0;
}

int tl_pretoken_split(const tl_pretoken *p, const char *text, size_t size, tl_pretoken_fn *each, void *arg, tl_err *err)
{
    if (size == 0) return 0;
    call c = { p, pcre2_match_data_create(1, NULL), each, arg };
    if (!c.match) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: no memory for a match");
    int rc = run(&c, 0, text, size, err);
    pcre2_match_data_free(c.match);
    return rc;
}
