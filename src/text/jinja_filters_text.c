/* jinja_filters_text.c - filters on strings. */
#define _GNU_SOURCE /* memrchr */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <string.h>

static int text_of(tl_jinja *x, tl_jvalue v, tl_jstr **out)
{
    return tl_jstring(x, v, out);
}

/* str(v): as text_of, and no longer markup. */
static int plain_of(tl_jinja *x, tl_jvalue v, tl_jstr **out)
{
    TL_TRY(tl_jstring(x, v, out));
    if (!(*out)->markup) return 0;
    TL_TRY(tl_jstr_wrap(x, (*out)->bytes, (*out)->size, &v));
    *out = v.as.s;
    return 0;
}

/* ---- letter case, space ---- */

static int recased(tl_jinja *x, tl_jcase how, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    TL_TRY(text_of(x, a[0], &s));
    return tl_jcased(x, how, s, out);
}

static int f_upper(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recased(x, TL_JUPPER, a, out);
}

static int f_lower(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recased(x, TL_JLOWER, a, out);
}

static int f_capitalize(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return recased(x, TL_JCAPITALIZE, a, out);
}

/* Words begin behind space and any of -({[<, unlike str.title()'s. */
static int f_title(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jtext t = { 0 };
    TL_TRY(text_of(x, a[0], &s));
    for (size_t from = 0, to; from < s->size; from = to) {
        bool between = false;
        size_t n = 0;
        for (to = from; to < s->size; to += n) {
            int c = tl_jchar(s->bytes + to, &n);
            bool is = tl_jspace(c) || (c < 0x80 && strchr("-({[<", c) && c);
            if (to == from) between = is;
            if (is != between) break;
        }
        tl_jchar(s->bytes + from, &n);
        tl_jstr first = { .bytes = s->bytes + from, .size = n },
                rest = { .bytes = s->bytes + from + n, .size = to - from - n };
        TL_TRY(tl_jrecase(x, TL_JUPPER, &first, &t));
        TL_TRY(tl_jrecase(x, TL_JLOWER, &rest, &t));
    }
    return tl_jtext_done(x, &t, out);
}

static int f_trim(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL, *chars = NULL;
    size_t from, to;
    TL_TRY(text_of(x, a[0], &s));
    if (a[1].type != TL_J_MISSING && a[1].type != TL_J_NONE) TL_TRY(tl_jarg_str(x, a[1], "trim(): chars", &chars));
    if (chars && chars->size > 64) TL_TRY(tl_jsteps(x, s->size * (chars->size / 64)));
    tl_jstrip(s, chars, 'b', &from, &to);
    TL_TRY(tl_jbytes(x, s->size - (to - from)));
    return tl_jstr_cut_bytes(x, s, from, to, out);
}

static int spaces(tl_jinja *x, tl_jtext *t, size_t n)
{
    static const char blank[] = "                                ";
    for (size_t k; n; n -= k) {
        k = n < sizeof blank - 1 ? n : sizeof blank - 1;
        TL_TRY(tl_jtext_add(x, t, blank, k));
    }
    return 0;
}

static int f_indent(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jvalue with_newline, newline;
    tl_jtext t = { 0 };
    bool first, blank;
    int64_t width = 4;
    const tl_jstr *by = a[1].type == TL_J_STR ? a[1].as.s : NULL;
    if (!by) TL_TRY(tl_jarg_int(x, a[1], 4, "indent(): width", &width));
    TL_TRY(tl_jarg_true(x, a[2], false, &first));
    TL_TRY(tl_jarg_true(x, a[3], false, &blank));
    if (a[0].type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a[0]);
    TL_TRY(tl_jarg_str(x, a[0], "what indent() is on", &s));
    TL_TRY(tl_jstr_c(x, "\n", &newline));
    TL_TRY(tl_jstr_join(x, s, newline.as.s, &with_newline));
    tl_jlist *lines = NULL;
    TL_TRY(tl_jlines(x, with_newline.as.s, false, &lines));
    for (size_t i = 0; i < lines->n; i++) {
        const tl_jstr *line = lines->items[i].as.s;
        if (i) TL_TRY(tl_jtext_c(x, &t, "\n"));
        if (i ? blank || line->size : first) {
            if (by)
                TL_TRY(tl_jtext_add(x, &t, by->bytes, by->size));
            else
                TL_TRY(spaces(x, &t, width > 0 ? (size_t)width : 0));
        }
        TL_TRY(tl_jtext_add(x, &t, line->bytes, line->size));
    }
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = s->markup;
    return 0;
}

/* Python's: an odd blank goes to the left where the width is odd. */
int tl_jpad(tl_jinja *x, tl_jstr *s, int64_t width, const tl_jstr *fill, char side, tl_jvalue *out)
{
    tl_jtext t = { 0 };
    int64_t length = (int64_t)tl_jstr_length(s), more = width > length ? width - length : 0;
    int64_t left = side == 'l' ? 0 : side == 'r' ? more : more / 2 + (more & width & 1);
    for (int64_t i = 0; i < more + 1; i++) {
        if (i == left) TL_TRY(tl_jtext_add(x, &t, s->bytes, s->size));
        if (i == more) break;
        if (fill)
            TL_TRY(tl_jtext_add(x, &t, fill->bytes, fill->size));
        else
            TL_TRY(tl_jtext_c(x, &t, " "));
        TL_TRY(tl_jsteps(x, 1));
    }
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = s->markup;
    return 0;
}

static int f_center(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    int64_t width;
    TL_TRY(text_of(x, a[0], &s));
    TL_TRY(tl_jarg_int(x, a[1], 80, "center(): width", &width));
    return tl_jpad(x, s, width, NULL, 'c', out);
}

/* ---- parts ---- */

static int f_replace(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL, *old = NULL, *new_ = NULL;
    int64_t count = -1;
    TL_TRY(plain_of(x, a[0], &s));
    TL_TRY(plain_of(x, a[1], &old));
    TL_TRY(plain_of(x, a[2], &new_));
    if (a[3].type != TL_J_NONE) TL_TRY(tl_jarg_int(x, a[3], -1, "replace(): count", &count));
    return tl_jreplace(x, s, old, new_, count, out);
}

static int f_truncate(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL, *end = NULL;
    int64_t length, leeway = 5;
    bool kill;
    tl_jvalue dots, cut;
    size_t n;
    TL_TRY(tl_jlength(x, a[0], &n));
    TL_TRY(tl_jarg_int(x, a[1], 255, "truncate(): length", &length));
    TL_TRY(tl_jarg_true(x, a[2], false, &kill));
    TL_TRY(tl_jstr_c(x, "...", &dots));
    if (a[3].type != TL_J_MISSING) dots = a[3];
    TL_TRY(tl_jarg_str(x, dots, "truncate(): end", &end));
    if (a[4].type != TL_J_NONE) TL_TRY(tl_jarg_int(x, a[4], 5, "truncate(): leeway", &leeway));
    int64_t n_end = (int64_t)tl_jstr_length(end), allowed;
    if (length < n_end)
        return tl_jfail(x, TL_EDATA, "truncate(): length is %lld, its end has %lld", (long long)length,
                        (long long)n_end);
    if (leeway < 0) return tl_jfail(x, TL_EDATA, "truncate(): leeway is %lld", (long long)leeway);
    if (__builtin_add_overflow(length, leeway, &allowed)) allowed = INT64_MAX;
    *out = a[0];
    if ((int64_t)n <= allowed) return 0;
    TL_TRY(tl_jarg_str(x, a[0], "what truncate() is on", &s));
    TL_TRY(tl_jstr_cut(x, s, 0, (size_t)(length - n_end), &cut));
    const char *space = kill || !cut.as.s->size ? NULL : memrchr(cut.as.s->bytes, ' ', cut.as.s->size);
    if (space) TL_TRY(tl_jstr_cut_bytes(x, cut.as.s, 0, (size_t)(space - cut.as.s->bytes), &cut));
    return tl_jarithmetic(x, TL_JADD, cut, dots, out);
}

static int f_wordcount(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    int64_t words = 0;
    bool inside = false;
    TL_TRY(text_of(x, a[0], &s));
    TL_TRY(tl_jbytes(x, s->size));
    for (size_t i = 0, n; i < s->size; i += n) {
        bool is = tl_jword_letter(tl_jchar(s->bytes + i, &n));
        words += is && !inside;
        inside = is;
    }
    *out = tl_jint(words);
    return 0;
}

static int f_format(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    if (a[1].as.l->n && a[2].as.d->n)
        return tl_jfail(x, TL_EDATA, "format() takes arguments by position or by name, not both");
    TL_TRY(text_of(x, a[0], &s));
    return tl_jprintf(x, s, a[2].as.d->n ? a[2] : a[1], out);
}

/* ---- for HTML and URLs ---- */

static int escape_into(tl_jinja *x, const tl_jstr *s, tl_jtext *t)
{
    static const char from[] = "&><'\"";
    static const char *const to[] = { "&amp;", "&gt;", "&lt;", "&#39;", "&#34;" };
    size_t start = 0;
    for (size_t i = 0; i < s->size; i++) {
        const char *c = s->bytes[i] ? strchr(from, s->bytes[i]) : NULL;
        if (!c) continue;
        TL_TRY(tl_jtext_add(x, t, s->bytes + start, i - start));
        TL_TRY(tl_jtext_c(x, t, to[c - from]));
        start = i + 1;
    }
    return tl_jtext_add(x, t, s->bytes + start, s->size - start);
}

int tl_jescape(tl_jinja *x, tl_jvalue v, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jtext t = { 0 };
    TL_TRY(text_of(x, v, &s));
    *out = v;
    if (s->markup) return 0;
    TL_TRY(escape_into(x, s, &t));
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = true;
    return 0;
}

static int f_escape(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return tl_jescape(x, a[0], out);
}

static int f_forceescape(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    TL_TRY(plain_of(x, a[0], &s));
    return tl_jescape(x, tl_jof(TL_J_STR, s), out);
}

static int f_safe(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    TL_TRY(text_of(x, a[0], &s));
    TL_TRY(tl_jstr_wrap(x, s->bytes, s->size, out));
    out->as.s->markup = true;
    return 0;
}

static int f_xmlattr(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jtext t = { 0 };
    bool space;
    TL_TRY(tl_jarg_true(x, a[1], true, &space));
    if (a[0].type != TL_J_DICT)
        return tl_jfail(x, TL_EDATA, "xmlattr() is on %s, wanted is a dict", tl_jtype_name(a[0]));
    for (size_t i = 0; i < a[0].as.d->n; i++) {
        const tl_jentry *e = &a[0].as.d->entries[i];
        tl_jvalue v;
        tl_jstr *key = NULL;
        if (e->value.type == TL_J_NONE || e->value.type == TL_J_UNDEFINED) continue;
        TL_TRY(tl_jarg_str(x, e->key, "xmlattr(): a key", &key));
        for (size_t k = 0; k < key->size; k++)
            if (key->bytes[k] && strchr(" \t\n\r\f\v/>=", key->bytes[k]))
                return tl_jfail(x, TL_EDATA, "xmlattr(): the key '%.*s' is no name of an attribute", (int)key->size,
                                key->bytes);
        if (t.size || space) TL_TRY(tl_jtext_c(x, &t, " "));
        TL_TRY(tl_jescape(x, e->key, &v));
        TL_TRY(tl_jtext_value(x, &t, v));
        TL_TRY(tl_jtext_c(x, &t, "=\""));
        TL_TRY(tl_jescape(x, e->value, &v));
        TL_TRY(tl_jtext_value(x, &t, v));
        TL_TRY(tl_jtext_c(x, &t, "\""));
    }
    return tl_jtext_done(x, &t, out);
}

static int url_quote(tl_jinja *x, tl_jvalue v, bool query, tl_jtext *t)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
    static const char digits[] = "0123456789ABCDEF";
    tl_jstr *s = NULL;
    TL_TRY(text_of(x, v, &s));
    for (size_t i = 0; i < s->size; i++) {
        unsigned char c = (unsigned char)s->bytes[i];
        char code[3] = { '%', digits[c >> 4], digits[c & 15] };
        bool as_is = (c && strchr(plain, c)) || (!query && c == '/');
        TL_TRY(as_is               ? tl_jtext_add(x, t, s->bytes + i, 1)
               : query && c == ' ' ? tl_jtext_add(x, t, "+", 1)
                                   : tl_jtext_add(x, t, code, 3));
    }
    return 0;
}

static int f_urlencode(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jtext t = { 0 };
    tl_jvalue over = a[0], pair;
    tl_jview view = { a[0].as.d, 'i' };
    tl_jiter *it = NULL;
    if (over.type == TL_J_STR || !tl_jiterable(over)) {
        TL_TRY(url_quote(x, over, false, &t));
        return tl_jtext_done(x, &t, out);
    }
    if (over.type == TL_J_DICT) over = tl_jof(TL_J_VIEW, &view);
    TL_TRY(tl_jiterate(x, over, &it));
    for (bool first = true;; first = false) {
        tl_jlist *l = NULL;
        TL_TRY(tl_jnext(x, it, &pair));
        if (pair.type == TL_J_MISSING) return tl_jtext_done(x, &t, out);
        TL_TRY(tl_jto_list(x, pair, &l));
        if (l->n != 2)
            return tl_jfail(x, TL_EDATA, "urlencode(): %zu values where a name and a value are wanted", l->n);
        if (!first) TL_TRY(tl_jtext_c(x, &t, "&"));
        TL_TRY(url_quote(x, l->items[0], true, &t));
        TL_TRY(tl_jtext_c(x, &t, "="));
        TL_TRY(url_quote(x, l->items[1], true, &t));
    }
}

const tl_jbuiltin tl_jfilters_text[] = {
    { "capitalize", "s", f_capitalize },
    { "center", "value,width?", f_center },
    { "e", "s/", f_escape },
    { "escape", "s/", f_escape },
    { "forceescape", "value", f_forceescape },
    { "format", "value,args*,kwargs**", f_format },
    { "indent", "s,width?,first?,blank?", f_indent },
    { "lower", "s", f_lower },
    { "replace", "s,old,new,count?", f_replace },
    { "safe", "value", f_safe },
    { "title", "s", f_title },
    { "trim", "value,chars?", f_trim },
    { "truncate", "s,length?,killwords?,end?,leeway?", f_truncate },
    { "upper", "s", f_upper },
    { "urlencode", "value", f_urlencode },
    { "wordcount", "s", f_wordcount },
    { "xmlattr", "d,autospace?", f_xmlattr },
    { 0 },
};
