/* jinja_value.c - the machine's bounds; strings, lists, dicts and undefined values as they are made. */
#include "text/jinja.h"

#include "base/size.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- failing, memory, work ---- */

int tl_jfail(tl_jinja *x, int code, const char *format, ...)
{
    char text[800];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = ' ';
    return tl_fail(x->err, code, "%s:%d: %s", x->name, x->line, text);
}

void *tl_jtake(tl_jinja *x, size_t bytes)
{
    tl_err why = { 0 };
    void *p = tl_jregion_take(x->region, bytes, &why);
    if (!p) tl_jfail(x, why.code, "%s", why.text);
    return p;
}

void *tl_jtake_n(tl_jinja *x, size_t n, size_t each)
{
    size_t bytes;
    if (tl_size_mul(&bytes, n, each)) return tl_jtake(x, bytes);
    tl_jfail(x, TL_EDATA, "%zu things at once, there is no such memory", n);
    return NULL;
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int tl_jlook(tl_jinja *x)
{
    if (x->steps >= x->max_steps) return tl_jfail(x, TL_EDATA, "it takes more than %zu steps", x->max_steps);
    if (x->start == 0) x->start = processor_seconds();
    if (x->seconds > 0 && processor_seconds() - x->start > x->seconds)
        return tl_jfail(x, TL_EDATA, "it takes longer than %g ms", x->seconds * 1e3);
    x->look = x->steps + 4096 < x->max_steps ? x->steps + 4096 : x->max_steps;
    return 0;
}

int tl_jenter(tl_jinja *x)
{
    if (++x->depth <= x->max_depth) return 0;
    x->depth--;
    return tl_jfail(x, TL_EDATA, "calls or values are nested deeper than %d", x->max_depth);
}

/* ---- strings ---- */

/* Bytes that several strings begin with and the longest of them ends at: appending to that one copies nothing. */
struct tl_jroom {
    char *data;
    size_t used, size;
};

enum {
    ROOM_FROM = 64 /* shorter strings are copied */
};

static int str_new(tl_jinja *x, const char *bytes, size_t size, tl_jvalue *out)
{
    tl_jstr *s = tl_jtake(x, sizeof *s);
    if (!s) return TL_ENOMEM;
    *s = (tl_jstr){ .bytes = bytes ? bytes : "", .size = size, .length = TL_J_UNCOUNTED };
    *out = tl_jof(TL_J_STR, s);
    return 0;
}

int tl_jstr_wrap(tl_jinja *x, const char *bytes, size_t size, tl_jvalue *out)
{
    return str_new(x, bytes, size, out);
}

int tl_jstr_copy(tl_jinja *x, const char *bytes, size_t size, tl_jvalue *out)
{
    TL_TRY(tl_jbytes(x, size));
    char *copy = tl_jtake(x, size);
    if (!copy) return TL_ENOMEM;
    if (size) memcpy(copy, bytes, size);
    return str_new(x, copy, size, out);
}

int tl_jstr_c(tl_jinja *x, const char *text, tl_jvalue *out)
{
    return str_new(x, text, strlen(text), out);
}

int tl_jstr_cut_bytes(tl_jinja *x, const tl_jstr *s, size_t from, size_t to, tl_jvalue *out)
{
    TL_TRY(str_new(x, s->bytes + from, to - from, out));
    out->as.s->markup = s->markup;
    if (s->length == s->size) out->as.s->length = to - from;
    return 0;
}

int tl_jstr_cut(tl_jinja *x, tl_jstr *s, size_t from, size_t to, tl_jvalue *out)
{
    if (s->length == TL_J_UNCOUNTED) TL_TRY(tl_jbytes(x, s->size));
    if (from >= to) from = to;
    size_t near = s->near_byte, first = tl_jstr_byte(s, from), last = tl_jstr_byte(s, to);
    TL_TRY(tl_jbytes(x, (first > near ? first - near : near - first) + last - first));
    TL_TRY(tl_jstr_cut_bytes(x, s, first, last, out));
    out->as.s->length = to - from;
    return 0;
}

int tl_jstr_join(tl_jinja *x, tl_jstr *a, tl_jstr *b, tl_jvalue *out)
{
    size_t size;
    if (!tl_size_add(&size, a->size, b->size)) return tl_jfail(x, TL_EDATA, "a string of more bytes than there are");
    struct tl_jroom *room = a->room;
    if (!room || a->bytes + a->size != room->data + room->used || room->size - room->used < b->size) {
        size_t spare = size < ROOM_FROM ? 0 : size;
        TL_TRY(tl_jbytes(x, a->size));
        char *data = tl_jtake(x, size + spare);
        if (!data) return TL_ENOMEM;
        if (a->size) memcpy(data, a->bytes, a->size);
        room = NULL;
        if (spare) {
            room = tl_jtake(x, sizeof *room);
            if (!room) return TL_ENOMEM;
            *room = (struct tl_jroom){ data, a->size, size + spare };
        }
        TL_TRY(str_new(x, data, size, out));
    } else {
        TL_TRY(str_new(x, a->bytes, size, out));
    }
    TL_TRY(tl_jbytes(x, b->size));
    if (b->size) memcpy((char *)out->as.s->bytes + a->size, b->bytes, b->size);
    out->as.s->room = room;
    if (room) room->used += b->size;
    if (a->length != TL_J_UNCOUNTED && b->length != TL_J_UNCOUNTED) out->as.s->length = a->length + b->length;
    return 0;
}

size_t tl_jstr_length(tl_jstr *s)
{
    if (s->length != TL_J_UNCOUNTED) return s->length;
    size_t n = 0;
    for (size_t i = 0; i < s->size; i++) n += ((unsigned char)s->bytes[i] & 0xc0) != 0x80;
    return s->length = n;
}

/* Walk from where somebody looked last, so that a loop over the characters by number is linear. */
static void seek(const tl_jstr *s, size_t *character, size_t *byte, size_t to, bool to_byte)
{
    while ((to_byte ? *byte : *character) < to) {
        (*byte)++;
        while (*byte < s->size && ((unsigned char)s->bytes[*byte] & 0xc0) == 0x80) (*byte)++;
        (*character)++;
    }
    while ((to_byte ? *byte : *character) > to) {
        (*byte)--;
        while (((unsigned char)s->bytes[*byte] & 0xc0) == 0x80) (*byte)--;
        (*character)--;
    }
}

static void find_place(tl_jstr *s, size_t to, bool to_byte, size_t *character, size_t *byte)
{
    *character = s->near_character;
    *byte = s->near_byte;
    size_t here = to_byte ? *byte : *character, end = to_byte ? s->size : s->length;
    if (to < here / 2) *character = *byte = 0;
    if (to > here && to - here > end - to) *character = s->length, *byte = s->size;
    seek(s, character, byte, to, to_byte);
    if (s->shared) return;
    s->near_character = *character;
    s->near_byte = *byte;
}

size_t tl_jstr_byte(tl_jstr *s, size_t character)
{
    size_t length = tl_jstr_length(s), at, byte;
    assert(character <= length);
    if (length == s->size) return character;
    if (character == length) return s->size;
    find_place(s, character, false, &at, &byte);
    return byte;
}

size_t tl_jstr_character(tl_jstr *s, size_t byte)
{
    size_t at, there;
    if (tl_jstr_length(s) == s->size) return byte;
    find_place(s, byte, true, &at, &there);
    return at;
}

bool tl_jstr_is(const tl_jstr *s, const char *text)
{
    return strlen(text) == s->size && memcmp(s->bytes, text, s->size) == 0;
}

/* ---- lists ---- */

int tl_jlist_new(tl_jinja *x, size_t n, tl_jlist **out)
{
    TL_TRY(tl_jsteps(x, n / 4));
    tl_jlist *l = tl_jtake(x, sizeof *l);
    if (!l) return TL_ENOMEM;
    *l = (tl_jlist){ .n = n };
    if (n && !(l->items = tl_jtake_n(x, n, sizeof *l->items))) return TL_ENOMEM;
    if (n) memset(l->items, 0, n * sizeof *l->items); /* all MISSING */
    *out = l;
    return 0;
}

int tl_jlist_push(tl_jinja *x, tl_jlist *l, size_t *room, tl_jvalue v)
{
    if (l->n == *room) {
        size_t more = *room ? 2 * *room : 4;
        tl_jvalue *items = tl_jtake_n(x, more, sizeof *items);
        if (!items) return TL_ENOMEM;
        if (l->n) memcpy(items, l->items, l->n * sizeof *items);
        l->items = items;
        *room = more;
    }
    l->items[l->n++] = v;
    return 0;
}

/* ---- dicts ---- */

enum {
    SEARCHED = 8 /* up to so many entries are looked through */
};

int tl_jdict_new(tl_jinja *x, size_t room, tl_jdict **out)
{
    tl_jdict *d = tl_jtake(x, sizeof *d);
    if (!d) return TL_ENOMEM;
    *d = (tl_jdict){ .room = room };
    if (room && !(d->entries = tl_jtake_n(x, room, sizeof *d->entries))) return TL_ENOMEM;
    *out = d;
    return 0;
}

/* The entry of key, or d->n. */
static int find(tl_jinja *x, const tl_jdict *d, tl_jvalue key, uint32_t hash, size_t *out)
{
    size_t k = d->find ? hash & d->mask : 0;
    for (;; k = d->find ? (k + 1) & d->mask : k + 1) {
        size_t at = d->find ? (d->find[k] ? d->find[k] - 1 : d->n) : k;
        if (at >= d->n) break;
        TL_TRY(tl_jsteps(x, 1)); /* many keys of one hash are work, and counted */
        if (d->entries[at].hash != hash) continue;
        bool equal;
        TL_TRY(tl_jequal(x, d->entries[at].key, key, &equal));
        if (!equal) continue;
        *out = at;
        return 0;
    }
    *out = d->n;
    return 0;
}

static void note(tl_jdict *d, size_t at)
{
    size_t k = d->entries[at].hash & d->mask;
    while (d->find[k]) k = (k + 1) & d->mask;
    d->find[k] = (uint32_t)at + 1;
}

static int grow(tl_jinja *x, tl_jdict *d)
{
    size_t room = d->room ? 2 * d->room : 4;
    if (d->room == 0 || d->n == d->room) {
        if (room > UINT32_MAX / 4) return tl_jfail(x, TL_EDATA, "a dict of more than %zu entries", d->n);
        tl_jentry *entries = tl_jtake_n(x, room, sizeof *entries);
        if (!entries) return TL_ENOMEM;
        if (d->n) memcpy(entries, d->entries, d->n * sizeof *entries);
        d->entries = entries;
        d->room = room;
    }
    if (d->n < SEARCHED || (d->find && 2 * (d->n + 1) <= d->mask)) return 0;
    size_t size = 32;
    while (size < 4 * (d->n + 1)) size *= 2;
    TL_TRY(tl_jsteps(x, size / 8));
    uint32_t *table = tl_jtake_n(x, size, sizeof *table);
    if (!table) return TL_ENOMEM;
    memset(table, 0, size * sizeof *table);
    d->find = table;
    d->mask = size - 1;
    for (size_t i = 0; i < d->n; i++) note(d, i);
    return 0;
}

int tl_jdict_put(tl_jinja *x, tl_jdict *d, tl_jvalue key, tl_jvalue value)
{
    uint32_t hash;
    size_t at;
    TL_TRY(tl_jhash(x, key, &hash));
    TL_TRY(find(x, d, key, hash, &at));
    if (at < d->n) {
        d->entries[at].value = value;
        return 0;
    }
    TL_TRY(grow(x, d));
    d->entries[d->n] = (tl_jentry){ key, value, hash };
    if (d->find) note(d, d->n);
    d->n++;
    return 0;
}

int tl_jdict_get(tl_jinja *x, const tl_jdict *d, tl_jvalue key, tl_jvalue *out)
{
    uint32_t hash;
    size_t at;
    TL_TRY(tl_jhash(x, key, &hash));
    TL_TRY(find(x, d, key, hash, &at));
    *out = at < d->n ? d->entries[at].value : tl_jmissing();
    return 0;
}

int tl_jdict_at(tl_jinja *x, const tl_jdict *d, const char *key, tl_jvalue *out)
{
    tl_jstr s = { .bytes = key, .size = strlen(key), .length = TL_J_UNCOUNTED };
    return tl_jdict_get(x, d, tl_jof(TL_J_STR, &s), out);
}

/* ---- undefined, functions, names of types ---- */

int tl_jundefined_new(tl_jinja *x, const char *hint, const char *of, tl_jvalue name, tl_jvalue *out)
{
    tl_jundefined *u = tl_jtake(x, sizeof *u);
    if (!u) return TL_ENOMEM;
    *u = (tl_jundefined){ hint, of, name };
    *out = tl_jof(TL_J_UNDEFINED, u);
    return 0;
}

int tl_jundefined_fail(tl_jinja *x, tl_jvalue v)
{
    const tl_jundefined *u = v.as.u;
    if (u->hint) return tl_jfail(x, TL_EDATA, "%s", u->hint);
    tl_jtext name = { 0 };
    TL_TRY(tl_jtext_repr(x, &name, u->name));
    if (name.size > 100) name.size = 100;
    if (!u->of) return tl_jfail(x, TL_EDATA, "%.*s is undefined", (int)name.size, name.data);
    return tl_jfail(x, TL_EDATA, "%s has no %s %.*s", u->of, u->name.type == TL_J_STR ? "attribute" : "element",
                    (int)name.size, name.data);
}

int tl_jfunction_new(tl_jinja *x, const tl_jbuiltin *b, tl_jvalue self, tl_jvalue *out)
{
    tl_jfunction *f = tl_jtake(x, sizeof *f);
    if (!f) return TL_ENOMEM;
    *f = (tl_jfunction){ b, self };
    *out = tl_jof(TL_J_FUNCTION, f);
    return 0;
}

static const struct {
    const char *type, *object;
} names[] = {
    [TL_J_MISSING] = { "nothing", "nothing" },
    [TL_J_UNDEFINED] = { "Undefined", "Undefined object" },
    [TL_J_NONE] = { "NoneType", "None" },
    [TL_J_BOOL] = { "bool", "bool object" },
    [TL_J_INT] = { "int", "int object" },
    [TL_J_FLOAT] = { "float", "float object" },
    [TL_J_STR] = { "str", "str object" },
    [TL_J_LIST] = { "list", "list object" },
    [TL_J_TUPLE] = { "tuple", "tuple object" },
    [TL_J_DICT] = { "dict", "dict object" },
    [TL_J_RANGE] = { "range", "range object" },
    [TL_J_VIEW] = { "dict view", "dict view object" },
    [TL_J_ITERATOR] = { "generator", "generator object" },
    [TL_J_NAMESPACE] = { "Namespace", "namespace object" },
    [TL_J_MACRO] = { "Macro", "macro object" },
    [TL_J_FUNCTION] = { "function", "function object" },
    [TL_J_LOOP] = { "LoopContext", "loop object" },
    [TL_J_CYCLER] = { "Cycler", "cycler object" },
    [TL_J_JOINER] = { "Joiner", "joiner object" },
};

const char *tl_jtype_name(tl_jvalue v)
{
    return names[v.type].type;
}

const char *tl_jobject_name(tl_jvalue v)
{
    return names[v.type].object;
}

const tl_jbuiltin *tl_jfind(const tl_jbuiltin *rows, const char *name, size_t size)
{
    for (; rows->name; rows++)
        if (strlen(rows->name) == size && memcmp(rows->name, name, size) == 0) return rows;
    return NULL;
}
