/* jinja_strings.c - the methods of strings that look for text and take it apart. */
#define _GNU_SOURCE /* memmem */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <string.h>

/* What str.isspace() and \s hold for space. */
bool tl_jspace(int c)
{
    if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

static int self(tl_jinja *x, const tl_jvalue *a, tl_jstr **out)
{
    return tl_jarg_str(x, a[0], "what the method is called on", out);
}

/* A string or none: NULL. */
static int optional(tl_jinja *x, tl_jvalue v, const char *what, tl_jstr **out)
{
    *out = NULL;
    return v.type == TL_J_MISSING || v.type == TL_J_NONE ? 0 : tl_jarg_str(x, v, what, out);
}

static int push_cut(tl_jinja *x, tl_jlist *l, size_t *room, const tl_jstr *s, size_t from, size_t to)
{
    tl_jvalue v;
    TL_TRY(tl_jsteps(x, 1));
    TL_TRY(tl_jstr_cut_bytes(x, s, from, to, &v));
    return tl_jlist_push(x, l, room, v);
}

/* ---- strip ---- */

static bool strips(const tl_jstr *chars, const char *p, size_t n)
{
    if (chars) return memmem(chars->bytes, chars->size, p, n) != NULL;
    size_t k;
    return tl_jspace(tl_jchar(p, &k));
}

void tl_jstrip(const tl_jstr *s, const tl_jstr *chars, char side, size_t *from, size_t *to)
{
    *from = 0;
    *to = s->size;
    while (side != 'r' && *from < *to) {
        size_t n;
        tl_jchar(s->bytes + *from, &n);
        if (!strips(chars, s->bytes + *from, n)) break;
        *from += n;
    }
    while (side != 'l' && *to > *from) {
        size_t at = *to - 1;
        while (((unsigned char)s->bytes[at] & 0xc0) == 0x80) at--;
        if (!strips(chars, s->bytes + at, *to - at)) break;
        *to = at;
    }
}

static int strip(tl_jinja *x, const tl_jvalue *a, char side, tl_jvalue *out)
{
    tl_jstr *s = NULL, *chars = NULL;
    size_t from, to;
    TL_TRY(self(x, a, &s));
    TL_TRY(optional(x, a[1], "strip(): chars", &chars));
    if (chars && chars->size > 64) TL_TRY(tl_jsteps(x, s->size * (chars->size / 64)));
    tl_jstrip(s, chars, side, &from, &to);
    TL_TRY(tl_jbytes(x, s->size - (to - from)));
    return tl_jstr_cut_bytes(x, s, from, to, out);
}

static int m_strip(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return strip(x, a, 'b', out);
}

static int m_lstrip(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return strip(x, a, 'l', out);
}

static int m_rstrip(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return strip(x, a, 'r', out);
}

static int affix(tl_jinja *x, const tl_jvalue *a, bool front, tl_jvalue *out)
{
    tl_jstr *s = NULL, *what = NULL;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_str(x, a[1], "what is removed", &what));
    size_t n = what->size, at = front ? 0 : s->size - n;
    if (n > s->size || memcmp(s->bytes + at, what->bytes, n) != 0) n = 0;
    return tl_jstr_cut_bytes(x, s, front ? n : 0, front ? s->size : s->size - n, out);
}

static int m_removeprefix(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return affix(x, a, true, out);
}

static int m_removesuffix(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return affix(x, a, false, out);
}

/* ---- split ---- */

static int split_space(tl_jinja *x, const tl_jstr *s, int64_t most, tl_jlist *l, size_t *room)
{
    for (size_t at = 0, n;;) {
        while (at < s->size && tl_jspace(tl_jchar(s->bytes + at, &n))) at += n;
        if (at == s->size) return 0;
        size_t to = at;
        if (most-- == 0) return push_cut(x, l, room, s, at, s->size); /* the rest, with the space behind it */
        while (to < s->size && !tl_jspace(tl_jchar(s->bytes + to, &n))) to += n;
        TL_TRY(push_cut(x, l, room, s, at, to));
        at = to;
    }
}

static int split_space_right(tl_jinja *x, const tl_jstr *s, int64_t most, tl_jlist *l, size_t *room)
{
    for (size_t to = s->size;;) {
        tl_jstr rest = { .bytes = s->bytes, .size = to };
        size_t from, end, at, n;
        tl_jstrip(&rest, NULL, 'r', &from, &end);
        if (end == 0) return 0;
        if (most-- == 0) return push_cut(x, l, room, s, 0, end);
        for (at = end; at > 0;) {
            size_t before = at - 1;
            while (((unsigned char)s->bytes[before] & 0xc0) == 0x80) before--;
            if (tl_jspace(tl_jchar(s->bytes + before, &n))) break;
            at = before;
        }
        TL_TRY(push_cut(x, l, room, s, at, end));
        to = at;
    }
}

static int split_by(tl_jinja *x, const tl_jstr *s, const tl_jstr *by, int64_t most, tl_jlist *l, size_t *room)
{
    size_t at = 0;
    for (; most != 0; most--) {
        const char *p = s->size - at < by->size ? NULL : memmem(s->bytes + at, s->size - at, by->bytes, by->size);
        if (!p) break;
        TL_TRY(push_cut(x, l, room, s, at, (size_t)(p - s->bytes)));
        at = (size_t)(p - s->bytes) + by->size;
    }
    return push_cut(x, l, room, s, at, s->size);
}

/* The last place where `what` begins in p[0 .. size), or NULL. */
static const char *find_last(const char *p, size_t size, const tl_jstr *what)
{
    for (size_t at = size; at >= what->size; at--) {
        const char *c = p + at - what->size;
        if (what->size == 0) return c;
        if (c[0] == what->bytes[0] && memcmp(c, what->bytes, what->size) == 0) return c;
        if (at == what->size) break;
    }
    return NULL;
}

static int split_by_right(tl_jinja *x, const tl_jstr *s, const tl_jstr *by, int64_t most, tl_jlist *l, size_t *room)
{
    size_t to = s->size;
    for (; most != 0; most--) {
        const char *p = find_last(s->bytes, to, by);
        if (!p) break;
        size_t at = (size_t)(p - s->bytes);
        TL_TRY(push_cut(x, l, room, s, at + by->size, to));
        to = at;
    }
    return push_cut(x, l, room, s, 0, to);
}

static int split(tl_jinja *x, const tl_jvalue *a, bool right, tl_jvalue *out)
{
    tl_jstr *s = NULL, *by = NULL;
    tl_jlist *l = NULL;
    size_t room = 0;
    int64_t most;
    TL_TRY(self(x, a, &s));
    TL_TRY(optional(x, a[1], "split(): sep", &by));
    TL_TRY(tl_jarg_int(x, a[2], -1, "split(): maxsplit", &most));
    if (by && by->size == 0) return tl_jfail(x, TL_EDATA, "split(): the separator is empty");
    TL_TRY(tl_jbytes(x, s->size * (right && by ? 1 + by->size / 32 : 1)));
    TL_TRY(tl_jlist_new(x, 0, &l));
    if (by)
        TL_TRY((right ? split_by_right : split_by)(x, s, by, most, l, &room));
    else
        TL_TRY((right ? split_space_right : split_space)(x, s, most, l, &room));
    for (size_t i = 0; right && i < l->n / 2; i++) {
        tl_jvalue v = l->items[i];
        l->items[i] = l->items[l->n - 1 - i];
        l->items[l->n - 1 - i] = v;
    }
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int m_split(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return split(x, a, false, out);
}

static int m_rsplit(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return split(x, a, true, out);
}

/* Bytes of the line's end that begins at p, or 0. */
static size_t line_end(const char *p, size_t size)
{
    size_t n;
    int c = tl_jchar(p, &n);
    if (c == '\r') return size > 1 && p[1] == '\n' ? 2 : 1;
    bool ends = (c >= 0x0a && c <= 0x0c) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    return ends ? n : 0;
}

int tl_jlines(tl_jinja *x, const tl_jstr *s, bool keep, tl_jlist **out)
{
    size_t room = 0, from = 0, n;
    TL_TRY(tl_jlist_new(x, 0, out));
    TL_TRY(tl_jbytes(x, s->size));
    for (size_t at = 0; at < s->size;) {
        size_t end = line_end(s->bytes + at, s->size - at);
        if (end) {
            TL_TRY(push_cut(x, *out, &room, s, from, at + (keep ? end : 0)));
            from = at += end;
        } else {
            tl_jchar(s->bytes + at, &n);
            at += n;
        }
    }
    return from < s->size ? push_cut(x, *out, &room, s, from, s->size) : 0;
}

static int m_splitlines(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jlist *l = NULL;
    bool keep;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_true(x, a[1], false, &keep));
    TL_TRY(tl_jlines(x, s, keep, &l));
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int partition(tl_jinja *x, const tl_jvalue *a, bool right, tl_jvalue *out)
{
    tl_jstr *s = NULL, *by = NULL;
    tl_jlist *l = NULL;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_str(x, a[1], "partition(): sep", &by));
    if (by->size == 0) return tl_jfail(x, TL_EDATA, "partition(): the separator is empty");
    TL_TRY(tl_jbytes(x, s->size * (right ? 1 + by->size / 32 : 1)));
    TL_TRY(tl_jlist_new(x, 3, &l));
    const char *p = right ? find_last(s->bytes, s->size, by) : memmem(s->bytes, s->size, by->bytes, by->size);
    size_t at = p ? (size_t)(p - s->bytes) : right ? 0 : s->size, behind = p ? at + by->size : at;
    TL_TRY(tl_jstr_cut_bytes(x, s, 0, at, &l->items[0]));
    TL_TRY(tl_jstr_cut_bytes(x, s, at, behind, &l->items[1]));
    TL_TRY(tl_jstr_cut_bytes(x, s, behind, s->size, &l->items[2]));
    *out = tl_jof(TL_J_TUPLE, l);
    return 0;
}

static int m_partition(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return partition(x, a, false, out);
}

static int m_rpartition(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return partition(x, a, true, out);
}

/* ---- look ---- */

/* The part of s between two characters, as slices count them; false: it is empty because it begins behind its end. */
static int window(tl_jinja *x, tl_jstr *s, tl_jvalue start, tl_jvalue end, size_t *from, size_t *to, bool *ok)
{
    int64_t ends[2] = { 0, INT64_MAX };
    tl_jvalue given[2] = { start, end };
    if (s->length == TL_J_UNCOUNTED) TL_TRY(tl_jbytes(x, s->size));
    int64_t n = (int64_t)tl_jstr_length(s);
    for (int i = 0; i < 2; i++) {
        if (given[i].type != TL_J_NONE) TL_TRY(tl_jarg_int(x, given[i], ends[i], "where to look", &ends[i]));
        if (ends[i] < 0) ends[i] = ends[i] + n < 0 ? 0 : ends[i] + n;
    }
    if (ends[1] > n) ends[1] = n;
    *ok = ends[0] <= ends[1];
    *from = *ok ? tl_jstr_byte(s, (size_t)ends[0]) : 0;
    *to = *ok ? tl_jstr_byte(s, (size_t)ends[1]) : 0;
    return tl_jbytes(x, *to - *from);
}

static int find(tl_jinja *x, const tl_jvalue *a, bool last, bool must, tl_jvalue *out)
{
    tl_jstr *s = NULL, *what = NULL;
    size_t from, to;
    bool ok;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_str(x, a[1], "what is looked for", &what));
    TL_TRY(window(x, s, a[2], a[3], &from, &to, &ok));
    if (last) TL_TRY(tl_jbytes(x, (to - from) * (what->size / 32)));
    const char *p = NULL;
    if (ok && to - from >= what->size)
        p = last              ? find_last(s->bytes + from, to - from, what)
            : what->size == 0 ? s->bytes + from
                              : memmem(s->bytes + from, to - from, what->bytes, what->size);
    if (!p && must) return tl_jfail(x, TL_EDATA, "index(): the text is not there");
    *out = tl_jint(p ? (int64_t)tl_jstr_character(s, (size_t)(p - s->bytes)) : -1);
    return 0;
}

static int m_find(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return find(x, a, false, false, out);
}

static int m_rfind(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return find(x, a, true, false, out);
}

static int m_index(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return find(x, a, false, true, out);
}

static int m_rindex(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return find(x, a, true, true, out);
}

static int m_count(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL, *what = NULL;
    size_t from, to;
    bool ok;
    int64_t n = 0;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_str(x, a[1], "what is counted", &what));
    TL_TRY(window(x, s, a[2], a[3], &from, &to, &ok));
    if (ok && what->size == 0) {
        n = 1;
        for (size_t i = from; i < to; i++) n += ((unsigned char)s->bytes[i] & 0xc0) != 0x80;
    }
    for (const char *p; what->size && ok && (p = memmem(s->bytes + from, to - from, what->bytes, what->size)); n++)
        from = (size_t)(p - s->bytes) + what->size;
    *out = tl_jint(n);
    return 0;
}

/* startswith and endswith: of one text or any of a tuple. */
static int begins(tl_jinja *x, const tl_jvalue *a, bool front, tl_jvalue *out)
{
    tl_jstr *s = NULL, *what = NULL;
    size_t from, to;
    bool ok, yes = false;
    TL_TRY(self(x, a, &s));
    TL_TRY(window(x, s, a[2], a[3], &from, &to, &ok));
    size_t n = a[1].type == TL_J_TUPLE ? a[1].as.l->n : 1;
    for (size_t i = 0; i < n && !yes; i++) {
        tl_jvalue v = a[1].type == TL_J_TUPLE ? a[1].as.l->items[i] : a[1];
        TL_TRY(tl_jarg_str(x, v, "what it begins or ends with", &what));
        TL_TRY(tl_jbytes(x, what->size));
        size_t at = front ? from : to - what->size;
        yes = ok && to - from >= what->size && memcmp(s->bytes + at, what->bytes, what->size) == 0;
    }
    *out = tl_jbool(yes);
    return 0;
}

static int m_startswith(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return begins(x, a, true, out);
}

static int m_endswith(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return begins(x, a, false, out);
}

/* ---- make ---- */

int tl_jreplace(tl_jinja *x, tl_jstr *s, tl_jstr *old, tl_jstr *new_, int64_t count, tl_jvalue *out)
{
    tl_jtext t = { 0 };
    size_t at = 0;
    TL_TRY(tl_jbytes(x, s->size));
    if (old->size == 0) { /* in front of every character and at the end */
        size_t n = 0;
        for (; at <= s->size && count != 0; at += n, count--) {
            TL_TRY(tl_jtext_add(x, &t, new_->bytes, new_->size));
            n = at < s->size ? (tl_jchar(s->bytes + at, &n), n) : 1;
            if (at < s->size) TL_TRY(tl_jtext_add(x, &t, s->bytes + at, n));
            TL_TRY(tl_jsteps(x, 1));
        }
        if (at < s->size) TL_TRY(tl_jtext_add(x, &t, s->bytes + at, s->size - at));
    } else {
        for (; count != 0; count--) {
            const char *p = memmem(s->bytes + at, s->size - at, old->bytes, old->size);
            if (!p) break;
            size_t to = (size_t)(p - s->bytes);
            TL_TRY(tl_jtext_add(x, &t, s->bytes + at, to - at));
            TL_TRY(tl_jtext_add(x, &t, new_->bytes, new_->size));
            TL_TRY(tl_jsteps(x, 1));
            at = to + old->size;
        }
        if (at == 0) return tl_jstr_cut_bytes(x, s, 0, s->size, out);
        TL_TRY(tl_jtext_add(x, &t, s->bytes + at, s->size - at));
    }
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = s->markup;
    return 0;
}

static int m_replace(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL, *old = NULL, *new_ = NULL;
    tl_jvalue by = a[2];
    int64_t count;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_str(x, a[1], "replace(): old", &old));
    if (s->markup) TL_TRY(tl_jescape(x, by, &by));
    TL_TRY(tl_jarg_str(x, by, "replace(): new", &new_));
    TL_TRY(tl_jarg_int(x, a[3], -1, "replace(): count", &count));
    return tl_jreplace(x, s, old, new_, count, out);
}

static int m_join(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL, *item = NULL;
    tl_jtext t = { 0 };
    tl_jiter *it = NULL;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jiterate(x, a[1], &it));
    for (bool first = true;; first = false) {
        tl_jvalue v;
        TL_TRY(tl_jnext(x, it, &v));
        if (v.type == TL_J_MISSING) break;
        if (s->markup) TL_TRY(tl_jescape(x, v, &v));
        TL_TRY(tl_jarg_str(x, v, "join(): an item", &item));
        if (!first) TL_TRY(tl_jtext_add(x, &t, s->bytes, s->size));
        TL_TRY(tl_jtext_add(x, &t, item->bytes, item->size));
    }
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = s->markup;
    return 0;
}

static int pad(tl_jinja *x, const tl_jvalue *a, char side, tl_jvalue *out)
{
    tl_jstr *s = NULL, *fill = NULL;
    tl_jvalue by = a[2];
    int64_t width;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_int(x, a[1], 0, "the width", &width));
    if (by.type != TL_J_MISSING) {
        TL_TRY(tl_jarg_str(x, by, "what it is filled with", &fill));
        if (tl_jstr_length(fill) != 1) return tl_jfail(x, TL_EDATA, "what it is filled with is not one character");
        if (s->markup) TL_TRY(tl_jescape(x, by, &by));
        fill = by.as.s;
    }
    return tl_jpad(x, s, width, fill, side, out);
}

static int m_ljust(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return pad(x, a, 'l', out);
}

static int m_rjust(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return pad(x, a, 'r', out);
}

static int m_center(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return pad(x, a, 'c', out);
}

static int m_zfill(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jvalue sign, rest;
    tl_jstr zero = { .bytes = "0", .size = 1, .length = 1 };
    int64_t width;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_int(x, a[1], 0, "zfill(): width", &width));
    size_t n = s->size && (s->bytes[0] == '+' || s->bytes[0] == '-');
    TL_TRY(tl_jstr_cut_bytes(x, s, 0, n, &sign));
    TL_TRY(tl_jstr_cut_bytes(x, s, n, s->size, &rest));
    TL_TRY(tl_jpad(x, rest.as.s, width - (width > 0 ? (int64_t)n : 0), &zero, 'r', &rest));
    TL_TRY(tl_jstr_join(x, sign.as.s, rest.as.s, out));
    out->as.s->markup = s->markup;
    return 0;
}

static int m_expandtabs(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jtext t = { 0 };
    int64_t size, column = 0;
    TL_TRY(self(x, a, &s));
    TL_TRY(tl_jarg_int(x, a[1], 8, "expandtabs(): tabsize", &size));
    for (size_t i = 0, n; i < s->size; i += n) {
        int c = tl_jchar(s->bytes + i, &n);
        if (c == '\t') {
            for (int64_t k = size > 0 ? size - column % size : 0; k > 0; k--, column++) {
                TL_TRY(tl_jsteps(x, 1));
                TL_TRY(tl_jtext_c(x, &t, " "));
            }
            continue;
        }
        TL_TRY(tl_jtext_add(x, &t, s->bytes + i, n));
        column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = s->markup;
    return 0;
}

static int m_format(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    TL_TRY(self(x, a, &s));
    return tl_jformat(x, s, a[1].as.l, a[2].as.d, out);
}

static int m_format_map(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jlist none = { 0 };
    TL_TRY(self(x, a, &s));
    if (a[1].type != TL_J_DICT)
        return tl_jfail(x, TL_EDATA, "format_map() is given %s, wanted is a dict", tl_jtype_name(a[1]));
    return tl_jformat(x, s, &none, a[1].as.d, out);
}

const tl_jbuiltin tl_jmethods_str[] = {
    { "center", "self,width,fillchar?/", m_center },
    { "count", "self,sub,start?,end?/", m_count },
    { "encode", "self", NULL },
    { "endswith", "self,suffix,start?,end?/", m_endswith },
    { "expandtabs", "self,tabsize?", m_expandtabs },
    { "find", "self,sub,start?,end?/", m_find },
    { "format", "self/,args*,kwargs**", m_format },
    { "format_map", "self,mapping/", m_format_map },
    { "index", "self,sub,start?,end?/", m_index },
    { "join", "self,iterable/", m_join },
    { "ljust", "self,width,fillchar?/", m_ljust },
    { "lstrip", "self,chars?/", m_lstrip },
    { "maketrans", "self", NULL },
    { "partition", "self,sep/", m_partition },
    { "removeprefix", "self,prefix/", m_removeprefix },
    { "removesuffix", "self,suffix/", m_removesuffix },
    { "replace", "self,old,new,count?/", m_replace },
    { "rfind", "self,sub,start?,end?/", m_rfind },
    { "rindex", "self,sub,start?,end?/", m_rindex },
    { "rjust", "self,width,fillchar?/", m_rjust },
    { "rpartition", "self,sep/", m_rpartition },
    { "rsplit", "self/,sep?,maxsplit?", m_rsplit },
    { "rstrip", "self,chars?/", m_rstrip },
    { "split", "self/,sep?,maxsplit?", m_split },
    { "splitlines", "self/,keepends?", m_splitlines },
    { "startswith", "self,prefix,start?,end?/", m_startswith },
    { "strip", "self,chars?/", m_strip },
    { "translate", "self,table", NULL },
    { "zfill", "self,width/", m_zfill },
    { 0 },
};
