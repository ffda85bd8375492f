/* jinja_globals.c - the functions every template has, and the methods of lists, dicts, loops, cyclers and numbers. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    RANGE_MAX = 100000 /* items of a range: jinja2's sandbox allows no more */
};

/* ---- range ---- */

static int g_range(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    const tl_jlist *l = a[0].as.l;
    int64_t v[3] = { 0, 0, 1 };
    if (l->n < 1 || l->n > 3) return tl_jfail(x, TL_EDATA, "range() is given %zu arguments, it takes 1 to 3", l->n);
    for (size_t i = 0; i < l->n; i++)
        TL_TRY(tl_jarg_int(x, l->items[i], 0, "range(): an argument", &v[l->n == 1 ? 1 : i]));
    if (v[2] == 0) return tl_jfail(x, TL_EDATA, "range() steps by 0");
    uint64_t span = v[2] > 0 ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t step = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    bool none = v[2] > 0 ? v[1] <= v[0] : v[1] >= v[0];
    uint64_t n = none ? 0 : (span - 1) / step + 1;
    if (n > RANGE_MAX)
        return tl_jfail(x, TL_EDATA, "range() of %llu items, at most %d are allowed", (unsigned long long)n, RANGE_MAX);
    tl_jrange *r = tl_jtake(x, sizeof *r);
    if (!r) return TL_ENOMEM;
    *r = (tl_jrange){ v[0], v[1], v[2], (size_t)n };
    *out = tl_jof(TL_J_RANGE, r);
    return 0;
}

/* ---- dict and namespace ---- */

/* What dict() is given: a dict or pairs, and names. */
static int dict_of(tl_jinja *x, const tl_jvalue *a, bool public_names, tl_jdict **out)
{
    const tl_jlist *given = a[0].as.l;
    const tl_jdict *named = a[1].as.d;
    TL_TRY(tl_jdict_new(x, named->n, out));
    if (given->n > 1) return tl_jfail(x, TL_EDATA, "dict() is given %zu arguments by position, it takes one", given->n);
    if (given->n == 1 && given->items[0].type == TL_J_DICT) {
        const tl_jdict *d = given->items[0].as.d;
        for (size_t i = 0; i < d->n; i++) TL_TRY(tl_jdict_put(x, *out, d->entries[i].key, d->entries[i].value));
    } else if (given->n == 1) {
        tl_jiter *it = NULL;
        TL_TRY(tl_jiterate(x, given->items[0], &it));
        for (;;) {
            tl_jvalue v;
            tl_jlist *pair = NULL;
            TL_TRY(tl_jnext(x, it, &v));
            if (v.type == TL_J_MISSING) break;
            TL_TRY(tl_jto_list(x, v, &pair));
            if (pair->n != 2)
                return tl_jfail(x, TL_EDATA, "dict(): %zu values where a key and a value are wanted", pair->n);
            TL_TRY(tl_jdict_put(x, *out, pair->items[0], pair->items[1]));
        }
    }
    for (size_t i = 0; i < named->n; i++) TL_TRY(tl_jdict_put(x, *out, named->entries[i].key, named->entries[i].value));
    for (size_t i = 0; public_names && i < (*out)->n; i++) {
        tl_jvalue key = (*out)->entries[i].key;
        if (key.type == TL_J_STR && key.as.s->size && key.as.s->bytes[0] == '_')
            return tl_jfail(x, TL_EDATA, "a namespace stores no names that begin with '_', found is '%.*s'",
                            (int)key.as.s->size, key.as.s->bytes);
    }
    return 0;
}

static int g_dict(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jdict *d = NULL;
    TL_TRY(dict_of(x, a, false, &d));
    *out = tl_jof(TL_J_DICT, d);
    return 0;
}

static int g_namespace(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jdict *d = NULL;
    TL_TRY(dict_of(x, a, true, &d));
    *out = tl_jof(TL_J_NAMESPACE, d);
    return 0;
}

static int m_fromkeys(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jiter *it = NULL;
    tl_jdict *d = NULL;
    TL_TRY(tl_jdict_new(x, 0, &d));
    TL_TRY(tl_jiterate(x, a[1], &it));
    for (;;) {
        tl_jvalue key;
        TL_TRY(tl_jnext(x, it, &key));
        if (key.type == TL_J_MISSING) break;
        TL_TRY(tl_jdict_put(x, d, key, a[2].type == TL_J_MISSING ? tl_jnone() : a[2]));
    }
    *out = tl_jof(TL_J_DICT, d);
    return 0;
}

/* ---- the others ---- */

static int g_cycler(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    if (a[0].as.l->n == 0) return tl_jfail(x, TL_EDATA, "cycler() wants at least one item");
    tl_jcycler *c = tl_jtake(x, sizeof *c);
    if (!c) return TL_ENOMEM;
    *c = (tl_jcycler){ a[0].as.l, 0 };
    *out = tl_jof(TL_J_CYCLER, c);
    return 0;
}

static int m_cycler_next(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jcycler *c = a[0].as.c;
    (void)x;
    *out = c->items->items[c->at];
    c->at = (c->at + 1) % c->items->n;
    return 0;
}

static int m_cycler_reset(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    a[0].as.c->at = 0;
    *out = tl_jnone();
    return 0;
}

static int g_joiner(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jjoiner *j = tl_jtake(x, sizeof *j);
    if (!j) return TL_ENOMEM;
    *j = (tl_jjoiner){ a[0], false };
    if (a[0].type == TL_J_MISSING) TL_TRY(tl_jstr_c(x, ", ", &j->separator));
    *out = tl_jof(TL_J_JOINER, j);
    return 0;
}

static int g_raise_exception(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    (void)out;
    TL_TRY(tl_jstring(x, a[0], &s));
    return tl_jfail(x, TL_EDATA, "the template refuses this: %.*s", (int)(s->size < 600 ? s->size : 600), s->bytes);
}

static int g_strftime_now(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jtext t = { 0 };
    struct tm now;
    TL_TRY(tl_jarg_str(x, a[0], "strftime_now(): format", &s));
    if (!localtime_r(&x->now, &now)) return tl_jfail(x, TL_EDATA, "strftime_now(): the time has no date");
    /* One directive at a time: how long each becomes is known, and %f, %z and %Z are Python's, not C's. */
    for (size_t i = 0, n; i < s->size; i += n) {
        char directive[5] = "%", text[200];
        tl_jchar(s->bytes + i, &n);
        if (s->bytes[i] != '%' || i + 1 == s->size) {
            TL_TRY(tl_jtext_add(x, &t, s->bytes + i, n));
            continue;
        }
        size_t flags = strchr("-_0^#EO", s->bytes[i + 1]) && s->bytes[i + 1] && i + 2 < s->size ? 1 : 0;
        memcpy(directive + 1, s->bytes + i + 1, 1 + flags);
        directive[2 + flags] = '\0';
        n = 2 + flags;
        if ((unsigned char)directive[1 + flags] >= 0x80) { /* no directive: as it stands */
            n = 1 + flags;
            TL_TRY(tl_jtext_add(x, &t, s->bytes + i, n));
            continue;
        }
        size_t size = strftime(text, sizeof text, directive, &now);
        if (directive[1] == 'f') size = (size_t)sprintf(text, "%06ld", x->microseconds);
        if (directive[1] == 'z' || directive[1] == 'Z') size = 0;
        TL_TRY(tl_jtext_add(x, &t, text, size));
    }
    return tl_jtext_done(x, &t, out);
}

static const tl_jbuiltin globals[] = {
    { "range", "args*", g_range },
    { "dict", "args*,kwargs**", g_dict },
    { "namespace", "args*,kwargs**", g_namespace },
    { "cycler", "items*", g_cycler },
    { "joiner", "sep?", g_joiner },
    { "raise_exception", "message", g_raise_exception },
    { "strftime_now", "format", g_strftime_now },
    { "lipsum", "n?", NULL },
    { 0 },
};

const tl_jbuiltin *tl_jglobal(const char *name, size_t size)
{
    return tl_jfind(globals, name, size);
}

/* ---- methods of dicts ---- */

static int m_get(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    TL_TRY(tl_jdict_get(x, a[0].as.d, a[1], out));
    if (out->type == TL_J_MISSING) *out = a[2].type == TL_J_MISSING ? tl_jnone() : a[2];
    return 0;
}

static int view(tl_jinja *x, const tl_jvalue *a, char what, tl_jvalue *out)
{
    tl_jview *v = tl_jtake(x, sizeof *v);
    if (!v) return TL_ENOMEM;
    *v = (tl_jview){ a[0].as.d, what };
    *out = tl_jof(TL_J_VIEW, v);
    return 0;
}

static int m_keys(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return view(x, a, 'k', out);
}

static int m_values(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return view(x, a, 'v', out);
}

static int m_items(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return view(x, a, 'i', out);
}

/* What has been made does not change: a copy is the thing itself. */
static int m_copy(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jlist *l = NULL;
    *out = a[0];
    if (a[0].type != TL_J_LIST) return 0;
    TL_TRY(tl_jto_list(x, a[0], &l));
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

/* ---- methods of lists and tuples ---- */

static int m_list_index(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    size_t n;
    int64_t from, to;
    tl_jlist *l = NULL;
    TL_TRY(tl_jto_list(x, a[0], &l));
    n = l->n;
    TL_TRY(tl_jarg_int(x, a[2], 0, "index(): start", &from));
    TL_TRY(tl_jarg_int(x, a[3], INT64_MAX, "index(): end", &to));
    if (from < 0) from = from + (int64_t)n < 0 ? 0 : from + (int64_t)n;
    if (to < 0) to += (int64_t)n;
    for (int64_t i = from; i < to && i < (int64_t)n; i++) {
        bool equal;
        TL_TRY(tl_jequal(x, l->items[i], a[1], &equal));
        *out = tl_jint(i);
        if (equal) return 0;
    }
    return tl_jfail(x, TL_EDATA, "index(): the item is not there");
}

static int m_list_count(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    int64_t n = 0;
    tl_jlist *l = NULL;
    TL_TRY(tl_jto_list(x, a[0], &l));
    for (size_t i = 0; i < l->n; i++) {
        bool equal;
        TL_TRY(tl_jequal(x, l->items[i], a[1], &equal));
        n += equal;
    }
    *out = tl_jint(n);
    return 0;
}

/* ---- methods of loops ---- */

static int m_loop_cycle(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    const tl_jlist *l = a[1].as.l;
    if (l->n == 0) return tl_jfail(x, TL_EDATA, "loop.cycle() wants at least one item");
    *out = l->items[a[0].as.loop->index0 % l->n];
    return 0;
}

static int m_loop_changed(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jloop *l = a[0].as.loop;
    bool same = false;
    if (l->changed.type != TL_J_MISSING) TL_TRY(tl_jequal(x, l->changed, a[1], &same));
    l->changed = a[1];
    *out = tl_jbool(!same);
    return 0;
}

static int m_is_integer(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    if (a[0].type != TL_J_FLOAT) return tl_jfail(x, TL_EDATA, "is_integer() is on %s", tl_jtype_name(a[0]));
    *out = tl_jbool(isfinite(a[0].as.f) && floor(a[0].as.f) == a[0].as.f);
    return 0;
}

const tl_jbuiltin tl_jmethods_dict[] = {
    { "get", "self,key,default?/", m_get },
    { "keys", "self/", m_keys },
    { "values", "self/", m_values },
    { "items", "self/", m_items },
    { "copy", "self/", m_copy },
    { "fromkeys", "self,iterable,value?/", m_fromkeys },
    { "clear", NULL, NULL },
    { "pop", NULL, NULL },
    { "popitem", NULL, NULL },
    { "setdefault", NULL, NULL },
    { "update", NULL, NULL },
    { 0 },
};

const tl_jbuiltin tl_jmethods_dict_type[] = { { "fromkeys", "self,iterable,value?/", m_fromkeys }, { 0 } };

const tl_jbuiltin tl_jmethods_list[] = {
    { "index", "self,value,start?,end?/", m_list_index },
    { "count", "self,value/", m_list_count },
    { "copy", "self/", m_copy },
    { "append", NULL, NULL },
    { "clear", NULL, NULL },
    { "extend", NULL, NULL },
    { "insert", NULL, NULL },
    { "pop", NULL, NULL },
    { "remove", NULL, NULL },
    { "reverse", NULL, NULL },
    { "sort", NULL, NULL },
    { 0 },
};

const tl_jbuiltin tl_jmethods_tuple[] = {
    { "index", "self,value,start?,end?/", m_list_index },
    { "count", "self,value/", m_list_count },
    { 0 },
};

const tl_jbuiltin tl_jmethods_loop[] = {
    { "cycle", "self,args*", m_loop_cycle },
    { "changed", "self,value*", m_loop_changed },
    { 0 },
};

const tl_jbuiltin tl_jmethods_cycler[] = {
    { "next", "self/", m_cycler_next },
    { "reset", "self/", m_cycler_reset },
    { 0 },
};

const tl_jbuiltin tl_jmethods_number[] = {
    { "is_integer", "self/", m_is_integer },
    { "as_integer_ratio", "self", NULL },
    { "conjugate", "self", NULL },
    { "bit_length", "self", NULL },
    { "bit_count", "self", NULL },
    { "to_bytes", "self", NULL },
    { "from_bytes", "self", NULL },
    { "hex", "self", NULL },
    { "fromhex", "self", NULL },
    { 0 },
};
