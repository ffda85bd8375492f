/* jinja_lexer.c - tokens, and the white space that tags take away.
 *
 * Two states: between tags everything up to the next of "{{", "{%", "{#" is data; inside one there are names, numbers,
 * strings and operators.  A tag does not end while a bracket is open in it, so {{ {'a': {}}}} is a dict in a print. */
#define _GNU_SOURCE /* memrchr */
#include "text/jinja_lexer.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tl_jtoken_words(tl_jtoken_type t)
{
    static const char *const words[] = {
        [TL_JT_END] = "the end of the template",
        [TL_JT_DATA] = "text",
        [TL_JT_PRINT_BEGIN] = "'{{'",
        [TL_JT_PRINT_END] = "'}}'",
        [TL_JT_BLOCK_BEGIN] = "'{%'",
        [TL_JT_BLOCK_END] = "'%}'",
        [TL_JT_NAME] = "a name",
        [TL_JT_STRING] = "a string",
        [TL_JT_INTEGER] = "a number",
        [TL_JT_FLOAT] = "a number",
        [TL_JT_ADD] = "'+'",
        [TL_JT_SUB] = "'-'",
        [TL_JT_MUL] = "'*'",
        [TL_JT_DIV] = "'/'",
        [TL_JT_FLOORDIV] = "'//'",
        [TL_JT_MOD] = "'%'",
        [TL_JT_POW] = "'**'",
        [TL_JT_EQ] = "'=='",
        [TL_JT_NE] = "'!='",
        [TL_JT_LESS] = "'<'",
        [TL_JT_LESS_EQ] = "'<='",
        [TL_JT_MORE] = "'>'",
        [TL_JT_MORE_EQ] = "'>='",
        [TL_JT_TILDE] = "'~'",
        [TL_JT_LBRACKET] = "'['",
        [TL_JT_RBRACKET] = "']'",
        [TL_JT_LPAREN] = "'('",
        [TL_JT_RPAREN] = "')'",
        [TL_JT_LBRACE] = "'{'",
        [TL_JT_RBRACE] = "'}'",
        [TL_JT_ASSIGN] = "'='",
        [TL_JT_DOT] = "'.'",
        [TL_JT_COLON] = "':'",
        [TL_JT_PIPE] = "'|'",
        [TL_JT_COMMA] = "','",
        [TL_JT_SEMICOLON] = "';'",
    };
    return words[t];
}

void tl_jlexer_begin(tl_jlexer *l, tl_jsource *src)
{
    *l = (tl_jlexer){ .src = src, .line = 1, .inside = TL_JT_END, .line_starts = true };
}

/* ---- places in the text ---- */

static int count_lines(const char *p, size_t n)
{
    int lines = 0;
    for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++) lines++;
    return lines;
}

static bool starts(const tl_jlexer *l, size_t at, const char *what)
{
    size_t n = strlen(what);
    return at <= l->src->size && l->src->size - at >= n && memcmp(l->src->text + at, what, n) == 0;
}

/* Behind the space at `at`. */
static size_t skip_space(const tl_jlexer *l, size_t at)
{
    size_t n;
    while (at < l->src->size && tl_jspace(tl_jchar(l->src->text + at, &n))) at += n;
    return at;
}

/* Where the space in front of `to` begins, not before from. */
static size_t space_before(const tl_jlexer *l, size_t from, size_t to)
{
    const char *t = l->src->text;
    while (to > from) {
        size_t at = to - 1, n;
        while (at > from && ((unsigned char)t[at] & 0xc0) == 0x80) at--;
        if (!tl_jspace(tl_jchar(t + at, &n))) break;
        to = at;
    }
    return to;
}

/* Go to `to`, counting its lines. */
static void go(tl_jlexer *l, size_t to)
{
    l->line += count_lines(l->src->text + l->at, to - l->at);
    l->at = to;
}

/* The tag's end "%}", "#}" or "}}" at `at`, with its sign in front: where it ends, or 0: none there.  trim: the newline
 * behind it goes. */
static size_t end_at(const tl_jlexer *l, size_t at, const char *close, bool trim, bool plus)
{
    if (starts(l, at, "-") && starts(l, at + 1, close)) return skip_space(l, at + 3);
    if (plus && starts(l, at, "+") && starts(l, at + 1, close)) return at + 3;
    if (!starts(l, at, close)) return 0;
    return at + 2 + (trim && starts(l, at + 2, "\n"));
}

/* What of the text from .. to stays in front of a tag with that sign. */
static size_t data_end(const tl_jlexer *l, size_t from, size_t to, char sign, bool print)
{
    if (sign == '-') return space_before(l, from, to);
    if (sign == '+' || print) return to;
    const char *newline = to > from ? memrchr(l->src->text + from, '\n', to - from) : NULL;
    size_t line = newline ? (size_t)(newline - l->src->text) + 1 : from;
    if (!newline && !l->line_starts) return to;
    return space_before(l, line, to) == line ? line : to;
}

static char sign_at(const tl_jlexer *l, size_t at)
{
    return starts(l, at, "-") ? '-' : starts(l, at, "+") ? '+' : 0;
}

/* ---- between tags ---- */

/* "{% raw %}" at `at`: where it ends, or 0. */
static size_t raw_begin(const tl_jlexer *l, size_t at)
{
    at += 2;
    at = skip_space(l, at + (sign_at(l, at) != 0));
    if (!starts(l, at, "raw")) return 0;
    return end_at(l, skip_space(l, at + 3), "%}", false, false);
}

/* The text of a raw block up to {% endraw %}. */
static int raw_text(tl_jlexer *l, tl_jtoken *out, tl_err *err)
{
    for (size_t at = l->at; at + 1 < l->src->size; at++) {
        if (!starts(l, at, "{%")) continue;
        char sign = sign_at(l, at + 2);
        size_t p = skip_space(l, at + 2 + (sign != 0));
        if (!starts(l, p, "endraw")) continue;
        size_t end = end_at(l, skip_space(l, p + 6), "%}", true, true);
        if (!end) continue;
        *out =
            (tl_jtoken){ TL_JT_DATA, l->line, l->src->text + l->at, data_end(l, l->at, at, sign, false) - l->at, NULL,
                         0,          0 };
        go(l, end);
        l->raw = false;
        l->line_starts = l->src->text[end - 1] == '\n';
        return 0;
    }
    return tl_jparse_fail(l->src, l->line, err, "{%% raw %%} is open, its {%% endraw %%} is missing");
}

static int skip_comment(tl_jlexer *l, tl_err *err)
{
    size_t at = l->at + 2, end = 0;
    at += sign_at(l, at) != 0;
    while (at < l->src->size && !(end = end_at(l, at, "#}", true, true))) at++;
    if (!end) return tl_jparse_fail(l->src, l->line, err, "a comment is open, its '#}' is missing");
    go(l, end);
    l->line_starts = l->src->text[end - 1] == '\n';
    return 0;
}

/* The next text or the begin of a tag; false: go on, there was neither. */
static int between(tl_jlexer *l, tl_jtoken *out, bool *got, tl_err *err)
{
    const char *t = l->src->text;
    size_t at = l->at;
    *got = true;
    if (l->raw) {
        TL_TRY(raw_text(l, out, err));
        *got = out->size > 0;
        return 0;
    }
    for (const char *p; (p = at < l->src->size ? memchr(t + at, '{', l->src->size - at) : NULL); at++) {
        at = (size_t)(p - t);
        if (at + 1 < l->src->size && strchr("{%#", t[at + 1]) && t[at + 1]) break;
    }
    if (at + 1 >= l->src->size || t[at] != '{') at = l->src->size;
    if (at == l->src->size) {
        *out = (tl_jtoken){ at > l->at ? TL_JT_DATA : TL_JT_END, l->line, t + l->at, at - l->at, NULL, 0, 0 };
        go(l, at);
        return 0;
    }
    size_t stays = data_end(l, l->at, at, sign_at(l, at + 2), t[at + 1] == '{');
    if (!l->data_done && stays > l->at) {
        *out = (tl_jtoken){ TL_JT_DATA, l->line, t + l->at, stays - l->at, NULL, 0, 0 };
        go(l, at);
        l->data_done = true;
        return 0;
    }
    go(l, at);
    l->data_done = false;
    if (t[at + 1] == '#') {
        *got = false;
        return skip_comment(l, err);
    }
    size_t end = t[at + 1] == '%' ? raw_begin(l, at) : 0;
    if (end) {
        go(l, end);
        l->raw = true;
        l->line_starts = t[end - 1] == '\n';
        *got = false;
        return 0;
    }
    l->inside = t[at + 1] == '{' ? TL_JT_PRINT_BEGIN : TL_JT_BLOCK_BEGIN;
    *out = (tl_jtoken){ l->inside, l->line, t + at, 2, NULL, 0, 0 };
    go(l, at + 2 + (sign_at(l, at + 2) != 0));
    l->line_starts = false;
    return 0;
}

/* ---- inside a tag ---- */

/* Behind digits with single underscores between them; at: none there. */
static size_t digits(const tl_jlexer *l, size_t at, const char *set)
{
    const char *t = l->src->text;
    size_t end = l->src->size;
    bool last = false;
    for (size_t p = at; p < end; p++) {
        if (t[p] && strchr(set, t[p])) {
            at = p + 1;
            last = true;
        } else if (t[p] == '_' && last) {
            last = false;
        } else {
            break;
        }
    }
    return at;
}

#define DECIMAL "0123456789"

/* Behind a float at `at`, or 0. */
static size_t float_end(const tl_jlexer *l, size_t at)
{
    const char *t = l->src->text;
    if (at > 0 && t[at - 1] == '.') return 0;
    size_t whole = digits(l, at, DECIMAL), end = whole;
    if (whole == at) return 0;
    if (starts(l, whole, ".") && digits(l, whole + 1, DECIMAL) > whole + 1) end = digits(l, whole + 1, DECIMAL);
    if (starts(l, end, "e") || starts(l, end, "E")) {
        size_t exponent = end + 1 + (starts(l, end + 1, "+") || starts(l, end + 1, "-"));
        if (digits(l, exponent, DECIMAL) > exponent) return digits(l, exponent, DECIMAL);
    }
    return end > whole ? end : 0;
}

static size_t integer_end(const tl_jlexer *l, size_t at, int *base)
{
    static const struct {
        char letter;
        int base;
        const char *digits;
    } rows[] = { { 'b', 2, "01" }, { 'o', 8, "01234567" }, { 'x', 16, "0123456789abcdefABCDEF" } };
    const char *t = l->src->text;
    *base = 10;
    if (t[at] != '0') return digits(l, at, DECIMAL);
    for (int i = 0; i < 3 && at + 1 < l->src->size; i++) {
        if (tolower((unsigned char)t[at + 1]) != rows[i].letter) continue;
        size_t first = at + 2 + starts(l, at + 2, "_"), end = digits(l, first, rows[i].digits);
        if (end > first) return *base = rows[i].base, end;
    }
    return digits(l, at, "0");
}

/* The characters at .. end without underscores. */
static int number(tl_jlexer *l, size_t end, int base, tl_jtoken *out, tl_err *err)
{
    char *plain = tl_jregion_take(l->src->region, end - l->at + 1, err);
    if (!plain) return TL_ENOMEM;
    size_t n = 0;
    for (size_t p = l->at + (base == 10 ? 0 : 2); p < end; p++)
        if (l->src->text[p] != '_') plain[n++] = l->src->text[p];
    plain[n] = '\0';
    errno = 0;
    if (out->type == TL_JT_FLOAT) {
        out->f = strtod(plain, NULL);
    } else {
        out->i = strtoll(plain, NULL, base);
        if (errno) return tl_jparse_fail(l->src, l->line, err, "the number %.60s does not fit in 64 bits", plain);
    }
    return 0;
}

static int name(tl_jlexer *l, size_t end, tl_jtoken *out, tl_err *err)
{
    size_t n;
    int first = tl_jchar(l->src->text + l->at, &n);
    out->type = TL_JT_NAME;
    if (first != '_' && !tl_jletter(first))
        return tl_jparse_fail(l->src, l->line, err, "%.*s begins with what no name begins with", (int)(end - l->at),
                              l->src->text + l->at);
    return tl_jname_get(l->src, l->src->text + l->at, end - l->at, &out->name, err);
}

static int hex(const char *p, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)p[i])) return -1;
        v = v * 16 + (isdigit((unsigned char)p[i]) ? p[i] - '0' : tolower((unsigned char)p[i]) - 'a' + 10);
        if (v > 0x10ffff) return -1;
    }
    return v;
}

/* One escape behind the backslash at p[0]; how many bytes of p it takes, 0: broken.  Python first writes what is not
 * ASCII as an escape of its own, and so a backslash in front of it eats that escape's. */
static size_t escape(const char *p, size_t size, char *to, size_t *n)
{
    static const char from[] = "\\'\"abfnrtv", is[] = "\\'\"\a\b\f\n\r\t\v";
    *n = 0;
    if (size < 2) return 0;
    const char *known = p[1] ? strchr(from, p[1]) : NULL;
    if (known) return to[(*n)++] = is[known - from], 2;
    if (p[1] == '\n') return 2;
    if (p[1] >= '0' && p[1] <= '7') {
        size_t k = 1;
        int c = 0;
        while (k < 4 && k < size && p[k] >= '0' && p[k] <= '7') c = c * 8 + (p[k++] - '0');
        *n = tl_jencode(c, to);
        return k;
    }
    size_t wide = p[1] == 'x' ? 2 : p[1] == 'u' ? 4 : p[1] == 'U' ? 8 : 0;
    if (wide) {
        int c = size >= 2 + wide ? hex(p + 2, wide) : -1;
        if (c < 0 || (c >= 0xd800 && c < 0xe000)) return 0;
        *n = tl_jencode(c, to);
        return 2 + wide;
    }
    if (p[1] == 'N') return 0;
    size_t k = 1;
    int c = tl_jchar(p + 1, &k);
    if (c < 0x80) {
        to[(*n)++] = '\\';
        to[(*n)++] = (char)c;
    } else {
        *n = (size_t)sprintf(to, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    }
    return 1 + k;
}

static int string(tl_jlexer *l, tl_jtoken *out, size_t *end, tl_err *err)
{
    const char *t = l->src->text;
    size_t p = l->at + 1, n = 0;
    while (p < l->src->size && t[p] != t[l->at]) p += t[p] == '\\' ? 2 : 1;
    if (p >= l->src->size) return tl_jparse_fail(l->src, l->line, err, "a string is open, its %c is missing", t[l->at]);
    *end = p + 1;
    out->type = TL_JT_STRING;
    out->text = t + l->at + 1;
    out->size = p - l->at - 1;
    if (!memchr(out->text, '\\', out->size)) return 0;
    /* An escape of two bytes or more gives ten at most, and only where its character has two and a backslash. */
    char *to = tl_jregion_take(l->src->region, 4 * out->size + 10, err);
    if (!to) return TL_ENOMEM;
    for (size_t i = 0; i < out->size;) {
        if (out->text[i] != '\\') {
            to[n++] = out->text[i++];
            continue;
        }
        size_t made, took = escape(out->text + i, out->size - i, to + n, &made);
        if (!took)
            return tl_jparse_fail(l->src, l->line + count_lines(t + l->at, i + 1), err,
                                  "the string has a broken or unknown escape: %.10s", out->text + i);
        i += took;
        n += made;
    }
    out->text = to;
    out->size = n;
    return 0;
}

static int operator_at(tl_jlexer *l, tl_jtoken *out, size_t *end, tl_err *err)
{
    static const struct {
        char text[3];
        tl_jtoken_type type;
    } rows[] = {
        { "**", TL_JT_POW },     { "//", TL_JT_FLOORDIV }, { "==", TL_JT_EQ },    { "!=", TL_JT_NE },
        { ">=", TL_JT_MORE_EQ }, { "<=", TL_JT_LESS_EQ },  { "+", TL_JT_ADD },    { "-", TL_JT_SUB },
        { "/", TL_JT_DIV },      { "*", TL_JT_MUL },       { "%", TL_JT_MOD },    { "~", TL_JT_TILDE },
        { "[", TL_JT_LBRACKET }, { "]", TL_JT_RBRACKET },  { "(", TL_JT_LPAREN }, { ")", TL_JT_RPAREN },
        { "{", TL_JT_LBRACE },   { "}", TL_JT_RBRACE },    { ">", TL_JT_MORE },   { "<", TL_JT_LESS },
        { "=", TL_JT_ASSIGN },   { ".", TL_JT_DOT },       { ":", TL_JT_COLON },  { "|", TL_JT_PIPE },
        { ",", TL_JT_COMMA },    { ";", TL_JT_SEMICOLON },
    };
    enum {
        N = sizeof rows / sizeof *rows
    };
    int i = 0;
    while (i < N && !starts(l, l->at, rows[i].text)) i++;
    if (i == N) {
        size_t n;
        tl_jchar(l->src->text + l->at, &n);
        return tl_jparse_fail(l->src, l->line, err, "'%.*s' begins nothing that is known", (int)n,
                              l->src->text + l->at);
    }
    out->type = rows[i].type;
    *end = l->at + strlen(rows[i].text);
    char c = l->src->text[l->at], closing = c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : 0;
    if (closing) {
        if (l->n_open == TL_JNEST_DEPTH)
            return tl_jparse_fail(l->src, l->line, err, "brackets are nested deeper than %d", TL_JNEST_DEPTH);
        l->open[l->n_open++] = closing;
    } else if (c == ')' || c == ']' || c == '}') {
        if (l->n_open == 0) return tl_jparse_fail(l->src, l->line, err, "found '%c', no bracket is open", c);
        if (l->open[--l->n_open] != c)
            return tl_jparse_fail(l->src, l->line, err, "found '%c', wanted '%c'", c, l->open[l->n_open]);
    }
    return 0;
}

static int within(tl_jlexer *l, tl_jtoken *out, tl_err *err)
{
    const char *t = l->src->text;
    bool block = l->inside == TL_JT_BLOCK_BEGIN;
    size_t end;
    int base = 10;
    /* The end comes before white space: "- }}" is an operator and an end. */
    for (;;) {
        end = l->n_open ? 0 : end_at(l, l->at, block ? "%}" : "}}", block, block);
        if (end) {
            *out = (tl_jtoken){ block ? TL_JT_BLOCK_END : TL_JT_PRINT_END, l->line, t + l->at, 2, NULL, 0, 0 };
            go(l, end);
            l->inside = TL_JT_END;
            l->line_starts = t[end - 1] == '\n';
            return 0;
        }
        end = skip_space(l, l->at);
        if (end == l->at) break;
        go(l, end);
    }
    *out = (tl_jtoken){ TL_JT_END, l->line, t + l->at, 0, NULL, 0, 0 };
    if (l->at == l->src->size) return 0;
    end = l->at;
    for (size_t n; end < l->src->size && tl_jword(tl_jchar(t + end, &n));) end += n;
    if (t[l->at] >= '0' && t[l->at] <= '9') {
        size_t real = float_end(l, l->at);
        out->type = real ? TL_JT_FLOAT : TL_JT_INTEGER;
        end = real ? real : integer_end(l, l->at, &base);
        TL_TRY(number(l, end, base, out, err));
    } else if (end > l->at) {
        TL_TRY(name(l, end, out, err));
    } else if (t[l->at] == '\'' || t[l->at] == '"') {
        TL_TRY(string(l, out, &end, err));
    } else {
        TL_TRY(operator_at(l, out, &end, err));
    }
    if (out->type != TL_JT_STRING) out->size = end - l->at;
    go(l, end);
    return 0;
}

int tl_jlexer_next(tl_jlexer *l, tl_jtoken *out, tl_err *err)
{
    if (l->inside != TL_JT_END) return within(l, out, err);
    for (bool got = false; !got;) TL_TRY(between(l, out, &got, err));
    return 0;
}
