/* jinja_access.c - v.name, v[key] and v[from:to].
 *
 * v.name is the attribute of that name, else the item; v[key] the item, else the attribute: jinja2's two orders.
 * Attributes are a fixed list for each type, nothing else can be reached.  What begins with '_' and what would change a
 * list or dict is undefined, as in jinja2's immutable sandbox. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <string.h>

/* ---- attributes ---- */

static int method(tl_jinja *x, const tl_jbuiltin *rows, tl_jvalue v, const tl_jstr *name, tl_jvalue *out)
{
    const tl_jbuiltin *b = tl_jfind(rows, name->bytes, name->size);
    return b ? tl_jfunction_new(x, b, v, out) : 0;
}

static int loop_attribute(tl_jinja *x, tl_jvalue v, const tl_jstr *name, tl_jvalue *out)
{
    tl_jloop *l = v.as.loop;
    size_t n;
    if (tl_jstr_is(name, "index") || tl_jstr_is(name, "index0")) {
        *out = tl_jint((int64_t)l->index0 + (name->size == 5));
    } else if (tl_jstr_is(name, "first")) {
        *out = tl_jbool(l->index0 == 0);
    } else if (tl_jstr_is(name, "last") || tl_jstr_is(name, "nextitem")) {
        tl_jvalue next;
        TL_TRY(tl_jloop_peek(x, l, &next));
        *out = name->size == 4 ? tl_jbool(next.type == TL_J_MISSING) : next;
        if (out->type == TL_J_MISSING) return tl_jundefined_new(x, "there is no next item", NULL, tl_jnone(), out);
    } else if (tl_jstr_is(name, "previtem")) {
        *out = l->before;
        if (l->index0 == 0) return tl_jundefined_new(x, "there is no previous item", NULL, tl_jnone(), out);
    } else if (tl_jstr_is(name, "length") || tl_jstr_is(name, "revindex") || tl_jstr_is(name, "revindex0")) {
        TL_TRY(tl_jloop_length(x, l, &n));
        *out = tl_jint((int64_t)(name->size == 6 ? n : name->size == 8 ? n - l->index0 : n - l->index0 - 1));
    } else if (tl_jstr_is(name, "depth") || tl_jstr_is(name, "depth0")) {
        *out = tl_jint(l->depth0 + (name->size == 5));
    } else {
        return method(x, tl_jmethods_loop, v, name, out);
    }
    return 0;
}

static int macro_attribute(tl_jinja *x, const tl_jmacro *m, const tl_jstr *name, tl_jvalue *out)
{
    const tl_jnode *n = m->node;
    tl_jlist *l = NULL;
    if (tl_jstr_is(name, "name")) {
        *out = n->kind == TL_JK_MACRO ? tl_jof(TL_J_STR, &n->name->str) : tl_jnone();
    } else if (tl_jstr_is(name, "catch_kwargs")) {
        *out = tl_jbool(n->frame->kwargs >= 0);
    } else if (tl_jstr_is(name, "catch_varargs")) {
        *out = tl_jbool(n->frame->varargs >= 0);
    } else if (tl_jstr_is(name, "caller")) {
        *out = tl_jbool(n->frame->caller >= 0);
    } else if (tl_jstr_is(name, "arguments")) {
        TL_TRY(tl_jlist_new(x, (size_t)n->list.n, &l));
        for (int i = 0; i < n->list.n; i++) l->items[i] = tl_jof(TL_J_STR, &n->list.at[i]->name->str);
        *out = tl_jof(TL_J_TUPLE, l);
    }
    return 0;
}

static int number_attribute(tl_jinja *x, tl_jvalue v, const tl_jstr *name, tl_jvalue *out)
{
    bool whole = v.type != TL_J_FLOAT;
    if (tl_jstr_is(name, "real") || (whole && tl_jstr_is(name, "numerator"))) return tl_jplus(x, v, out);
    if (tl_jstr_is(name, "imag"))
        *out = whole ? tl_jint(0) : tl_jfloat(0);
    else if (whole && tl_jstr_is(name, "denominator"))
        *out = tl_jint(1);
    else
        return method(x, tl_jmethods_number, v, name, out);
    return 0;
}

bool tl_jgroup_name(const tl_jstr *name, size_t *at)
{
    *at = tl_jstr_is(name, "list");
    return *at || tl_jstr_is(name, "grouper");
}

int tl_jattribute(tl_jinja *x, tl_jvalue v, tl_jstr *name, tl_jvalue *out)
{
    size_t at;
    *out = tl_jmissing();
    switch (v.type) {
    case TL_J_STR:
        TL_TRY(method(x, tl_jmethods_str, v, name, out));
        return out->type == TL_J_MISSING ? method(x, tl_jmethods_letters, v, name, out) : 0;
    case TL_J_DICT:
        return method(x, tl_jmethods_dict, v, name, out);
    case TL_J_LIST:
        return method(x, tl_jmethods_list, v, name, out);
    case TL_J_TUPLE:
        if (v.as.l->group && tl_jgroup_name(name, &at)) {
            *out = v.as.l->items[at];
            return 0;
        }
        return method(x, tl_jmethods_tuple, v, name, out);
    case TL_J_BOOL:
    case TL_J_INT:
    case TL_J_FLOAT:
        return number_attribute(x, v, name, out);
    case TL_J_RANGE:
        if (tl_jstr_is(name, "start")) *out = tl_jint(v.as.r->start);
        if (tl_jstr_is(name, "stop")) *out = tl_jint(v.as.r->stop);
        if (tl_jstr_is(name, "step")) *out = tl_jint(v.as.r->step);
        return out->type == TL_J_MISSING ? method(x, tl_jmethods_tuple, v, name, out) : 0;
    case TL_J_LOOP:
        return loop_attribute(x, v, name, out);
    case TL_J_NAMESPACE:
        return tl_jdict_get(x, v.as.d, tl_jof(TL_J_STR, name), out);
    case TL_J_MACRO:
        return macro_attribute(x, v.as.m, name, out);
    case TL_J_CYCLER:
        if (tl_jstr_is(name, "current")) *out = v.as.c->items->items[v.as.c->at];
        if (tl_jstr_is(name, "pos")) *out = tl_jint((int64_t)v.as.c->at);
        if (tl_jstr_is(name, "items")) *out = tl_jof(TL_J_TUPLE, v.as.c->items);
        return out->type == TL_J_MISSING ? method(x, tl_jmethods_cycler, v, name, out) : 0;
    case TL_J_JOINER:
        if (tl_jstr_is(name, "sep")) *out = v.as.j->separator;
        if (tl_jstr_is(name, "used")) *out = tl_jbool(v.as.j->used);
        return 0;
    case TL_J_FUNCTION:
        if (strcmp(v.as.fn->builtin->name, "dict") == 0) return method(x, tl_jmethods_dict_type, v, name, out);
        return 0;
    default:
        return 0;
    }
}

/* Names like __class__: every value has some, and none is given away.  What an undefined value has not is an error. */
static bool is_hidden(tl_jvalue v, const tl_jstr *name)
{
    static const char *const every[] = { "__class__", "__doc__",  "__init__", "__dir__",     "__eq__",     "__hash__",
                                         "__str__",   "__repr__", "__new__",  "__getattr__", "__module__", "__len__",
                                         "__iter__",  "__bool__", "__call__", "__getitem__" };
    if (name->size <= 4 || memcmp(name->bytes, "__", 2) != 0 || memcmp(name->bytes + name->size - 2, "__", 2) != 0)
        return false;
    bool known = v.type != TL_J_UNDEFINED;
    for (size_t i = 0; i < sizeof every / sizeof *every; i++) known |= tl_jstr_is(name, every[i]);
    return known;
}

/* The attribute of v, undefined where the sandbox does not give it away, MISSING where there is none. */
static int safe_attribute(tl_jinja *x, tl_jvalue v, tl_jstr *name, tl_jvalue *out)
{
    bool hidden = is_hidden(v, name);
    *out = tl_jmissing();
    if (!hidden) {
        TL_TRY(tl_jattribute(x, v, name, out));
        if (out->type == TL_J_MISSING) return 0;
        hidden = name->size && name->bytes[0] == '_';
        hidden |= out->type == TL_J_FUNCTION && out->as.fn->self.type != TL_J_MISSING && !out->as.fn->builtin->params;
    }
    if (!hidden) return 0;
    return tl_jundefined_new(x,
                             "an attribute that is not for templates is used: it begins with '_' or changes its value",
                             NULL, tl_jof(TL_J_STR, name), out);
}

/* ---- items ---- */

static int hashable(tl_jinja *x, tl_jvalue v, bool *out)
{
    *out = v.type != TL_J_LIST && v.type != TL_J_DICT && v.type != TL_J_VIEW;
    if (v.type != TL_J_TUPLE) return 0;
    TL_TRY(tl_jenter(x));
    for (size_t i = 0; i < v.as.l->n && *out; i++) TL_TRY(hashable(x, v.as.l->items[i], out));
    tl_jleave(x);
    return 0;
}

static int item(tl_jinja *x, tl_jvalue v, tl_jvalue key, tl_jvalue *out)
{
    int64_t i;
    size_t n;
    bool ok;
    *out = tl_jmissing();
    switch (v.type) {
    case TL_J_DICT:
        TL_TRY(hashable(x, key, &ok));
        return ok ? tl_jdict_get(x, v.as.d, key, out) : 0;
    case TL_J_LIST:
    case TL_J_TUPLE:
    case TL_J_STR:
    case TL_J_RANGE:
        if (!tl_jindex(key, &i)) return 0;
        TL_TRY(tl_jlength(x, v, &n));
        if (i < 0) i += (int64_t)n;
        if (i < 0 || (uint64_t)i >= n) return 0;
        if (v.type == TL_J_STR) return tl_jstr_cut(x, v.as.s, (size_t)i, (size_t)i + 1, out);
        *out = v.type == TL_J_RANGE ? tl_jrange_at(v.as.r, (size_t)i) : v.as.l->items[i];
        return 0;
    case TL_J_UNDEFINED:
        return tl_jundefined_fail(x, v);
    default:
        return 0;
    }
}

int tl_jgetattr(tl_jinja *x, tl_jvalue v, tl_jstr *name, tl_jvalue *out)
{
    TL_TRY(safe_attribute(x, v, name, out));
    if (out->type == TL_J_MISSING && v.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, v);
    if (out->type == TL_J_MISSING) TL_TRY(item(x, v, tl_jof(TL_J_STR, name), out));
    if (out->type != TL_J_MISSING) return 0;
    return tl_jundefined_new(x, NULL, tl_jobject_name(v), tl_jof(TL_J_STR, name), out);
}

int tl_jgetitem(tl_jinja *x, tl_jvalue v, tl_jvalue key, tl_jvalue *out)
{
    TL_TRY(item(x, v, key, out));
    if (out->type == TL_J_MISSING && key.type == TL_J_STR) TL_TRY(safe_attribute(x, v, key.as.s, out));
    if (out->type != TL_J_MISSING) return 0;
    return tl_jundefined_new(x, NULL, tl_jobject_name(v), key, out);
}

int tl_jpath(tl_jinja *x, tl_jvalue v, tl_jvalue path, tl_jvalue fallback, tl_jvalue *out)
{
    bool falls_back = fallback.type != TL_J_MISSING && fallback.type != TL_J_NONE;
    *out = v;
    if (path.type == TL_J_NONE || path.type == TL_J_MISSING) return 0;
    if (path.type != TL_J_STR) {
        TL_TRY(tl_jgetitem(x, v, path, out));
        if (falls_back && out->type == TL_J_UNDEFINED) *out = fallback;
        return 0;
    }
    const tl_jstr *s = path.as.s;
    for (size_t from = 0, to; from <= s->size; from = to + 1) {
        tl_jvalue part;
        int64_t i;
        bool number = false;
        bool digits = true;
        for (to = from; to < s->size && s->bytes[to] != '.'; to++) digits &= s->bytes[to] >= '0' && s->bytes[to] <= '9';
        TL_TRY(tl_jstr_cut_bytes(x, s, from, to, &part));
        if (digits && to > from) TL_TRY(tl_jparse_int(x, part.as.s, 10, &i, &number));
        TL_TRY(tl_jgetitem(x, *out, number ? tl_jint(i) : part, out));
        if (falls_back && out->type == TL_J_UNDEFINED) *out = fallback;
    }
    return 0;
}

/* ---- slices ---- */

/* One end of a slice in 0 .. n, or -1 .. n - 1 where it goes backwards. */
static int bound(tl_jinja *x, const tl_jvalue *v, bool back, int64_t n, int64_t otherwise, int64_t *out)
{
    int64_t low = back ? -1 : 0, high = back ? n - 1 : n;
    *out = otherwise;
    if (!v || v->type == TL_J_NONE) return 0;
    if (v->type == TL_J_UNDEFINED) return tl_jundefined_fail(x, *v);
    if (!tl_jindex(*v, out))
        return tl_jfail(x, TL_EDATA, "a slice goes to %s, wanted is a whole number", tl_jtype_name(*v));
    if (*out < 0) *out += n;
    if (*out < low) *out = low;
    if (*out > high) *out = high;
    return 0;
}

int tl_jslice(tl_jinja *x, tl_jvalue v, const tl_jvalue *start, const tl_jvalue *stop, const tl_jvalue *step,
              tl_jvalue *out)
{
    int64_t by = 1, from, to;
    size_t length;
    if (v.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, v);
    if (v.type != TL_J_LIST && v.type != TL_J_TUPLE && v.type != TL_J_STR && v.type != TL_J_RANGE)
        return tl_jfail(x, TL_EDATA, "%s has no slices", tl_jtype_name(v));
    if (step && step->type == TL_J_UNDEFINED) return tl_jundefined_fail(x, *step);
    if (step && step->type != TL_J_NONE && !tl_jindex(*step, &by))
        return tl_jfail(x, TL_EDATA, "a slice steps by %s, wanted is a whole number", tl_jtype_name(*step));
    if (by == 0) return tl_jfail(x, TL_EDATA, "a slice steps by 0");
    if (by < -INT64_MAX) by = -INT64_MAX;
    TL_TRY(tl_jlength(x, v, &length));
    int64_t n = (int64_t)length;
    TL_TRY(bound(x, start, by < 0, n, by < 0 ? n - 1 : 0, &from));
    TL_TRY(bound(x, stop, by < 0, n, by < 0 ? -1 : n, &to));
    size_t count = 0;
    if (by > 0 && to > from) count = (size_t)((to - from - 1) / by) + 1;
    if (by < 0 && to < from) count = (size_t)((from - to - 1) / -by) + 1;
    if (v.type == TL_J_RANGE) {
        tl_jrange *r = tl_jtake(x, sizeof *r);
        if (!r) return TL_ENOMEM;
        uint64_t first = (uint64_t)v.as.r->start, s = (uint64_t)v.as.r->step; /* what does not fit is never reached */
        *r = (tl_jrange){ (int64_t)(first + (uint64_t)from * s), (int64_t)(first + (uint64_t)to * s),
                          (int64_t)(s * (uint64_t)by), count };
        *out = tl_jof(TL_J_RANGE, r);
        return 0;
    }
    if (v.type == TL_J_STR && by == 1)
        return tl_jstr_cut(x, v.as.s, (size_t)from, (size_t)(from + (int64_t)count), out);
    if (v.type == TL_J_STR) {
        tl_jtext t = { 0 };
        for (size_t i = 0; i < count; i++) {
            size_t at = tl_jstr_byte(v.as.s, (size_t)(from + (int64_t)i * by)), size;
            tl_jchar(v.as.s->bytes + at, &size);
            TL_TRY(tl_jsteps(x, 1 + (size_t)(by < 0 ? -by : by) / 32));
            TL_TRY(tl_jtext_add(x, &t, v.as.s->bytes + at, size));
        }
        TL_TRY(tl_jtext_done(x, &t, out));
        out->as.s->markup = v.as.s->markup;
        return 0;
    }
    tl_jlist *l = NULL;
    TL_TRY(tl_jlist_new(x, count, &l));
    for (size_t i = 0; i < count; i++) l->items[i] = v.as.l->items[from + (int64_t)i * by];
    *out = tl_jof(v.type, l);
    return 0;
}
