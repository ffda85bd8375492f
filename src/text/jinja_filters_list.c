/* jinja_filters_list.c - filters on what has items.
 *
 * map, select, batch and their kin give an iterator, as in Python: nothing is computed before somebody asks, an error
 * comes when its item is reached, and what has been walked is gone. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <string.h>

/* An iterator's state, one for all of them. */
typedef struct source {
    tl_jiter *from;
    tl_jvalue over;
    const tl_jbuiltin *call; /* filter or test of each item; NULL: none */
    tl_jargs args;           /* its further arguments */
    bool begun;              /* call and path are known */
    bool attribute;          /* the test is on an attribute */
    tl_jvalue path, fallback;
    bool turned;    /* reject: those for which it does not hold */
    bool sensitive; /* to case */
    int64_t n;
    tl_jvalue fill;
    tl_jdict *seen;
    tl_jlist *all;
    size_t at;
} source;

static int generate(tl_jinja *x, tl_jnext_fn *next, tl_jvalue over, const source *begin, tl_jvalue *out)
{
    source *s = tl_jtake(x, sizeof *s);
    if (!s) return TL_ENOMEM;
    *s = *begin;
    s->over = over;
    TL_TRY(tl_jlazily(x, over, &s->from));
    return tl_jgenerate(x, next, s, s->from, out);
}

/* A string without its case, where that does not count. */
static int caseless(tl_jinja *x, bool sensitive, tl_jvalue v, tl_jvalue *out)
{
    *out = v;
    return sensitive || v.type != TL_J_STR ? 0 : tl_jcased(x, TL_JLOWER, v.as.s, out);
}

/* ---- ends ---- */

static int f_first(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jiter *it = NULL;
    TL_TRY(tl_jiterate(x, a[0], &it));
    TL_TRY(tl_jnext(x, it, out));
    if (out->type != TL_J_MISSING) return 0;
    return tl_jundefined_new(x, "the first item of what has none is used", NULL, tl_jnone(), out);
}

static int f_last(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    size_t n;
    if (a[0].type == TL_J_ITERATOR || !tl_jiterable(a[0]))
        return tl_jfail(x, TL_EDATA, "last() is on %s, wanted is a list or the like", tl_jtype_name(a[0]));
    TL_TRY(tl_jlength(x, a[0], &n));
    if (n == 0) return tl_jundefined_new(x, "the last item of what has none is used", NULL, tl_jnone(), out);
    if (a[0].type != TL_J_DICT && a[0].type != TL_J_VIEW) return tl_jgetitem(x, a[0], tl_jint((int64_t)n - 1), out);
    tl_jlist *l = NULL;
    TL_TRY(tl_jto_list(x, a[0], &l));
    *out = l->items[n - 1];
    return 0;
}

static int f_list(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jlist *l = NULL;
    TL_TRY(tl_jto_list(x, a[0], &l));
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int next_of_list(tl_jinja *x, void *state, tl_jvalue *out)
{
    source *s = state;
    (void)x;
    if (s->at < s->all->n) *out = s->all->items[s->at++];
    return 0;
}

static int f_reverse(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jvalue back = tl_jint(-1);
    if (a[0].type == TL_J_STR) return tl_jslice(x, a[0], NULL, NULL, &back, out);
    tl_jlist *l = NULL;
    TL_TRY(tl_jto_list(x, a[0], &l));
    for (size_t i = 0; i < l->n / 2; i++) {
        tl_jvalue v = l->items[i];
        l->items[i] = l->items[l->n - 1 - i];
        l->items[l->n - 1 - i] = v;
    }
    *out = tl_jof(TL_J_LIST, l);
    if (a[0].type == TL_J_ITERATOR) return 0;
    source *s = tl_jtake(x, sizeof *s);
    if (!s) return TL_ENOMEM;
    *s = (source){ .all = l };
    return tl_jgenerate(x, next_of_list, s, NULL, out);
}

/* ---- joining and adding ---- */

static int f_join(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jtext t = { 0 };
    tl_jstr *between = NULL;
    tl_jiter *it = NULL;
    if (a[1].type != TL_J_MISSING) TL_TRY(tl_jstring(x, a[1], &between));
    TL_TRY(tl_jiterate(x, a[0], &it));
    for (bool first = true;; first = false) {
        tl_jvalue v;
        TL_TRY(tl_jnext(x, it, &v));
        if (v.type == TL_J_MISSING) return tl_jtext_done(x, &t, out);
        if (!first && between) TL_TRY(tl_jtext_add(x, &t, between->bytes, between->size));
        if (a[2].type != TL_J_MISSING) TL_TRY(tl_jpath(x, v, a[2], tl_jmissing(), &v));
        TL_TRY(tl_jtext_value(x, &t, v));
    }
}

static int f_sum(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jiter *it = NULL;
    *out = a[2].type == TL_J_MISSING ? tl_jint(0) : a[2];
    if (out->type == TL_J_STR) return tl_jfail(x, TL_EDATA, "sum() starts with a str, strings are joined by join()");
    TL_TRY(tl_jiterate(x, a[0], &it));
    for (;;) {
        tl_jvalue v;
        TL_TRY(tl_jnext(x, it, &v));
        if (v.type == TL_J_MISSING) return 0;
        if (a[1].type != TL_J_MISSING) TL_TRY(tl_jpath(x, v, a[1], tl_jmissing(), &v));
        TL_TRY(tl_jarithmetic(x, TL_JADD, *out, v, out));
    }
}

/* ---- order ---- */

/* min and max: the first of the smallest or largest. */
static int extreme(tl_jinja *x, const tl_jvalue *a, int op, tl_jvalue *out)
{
    tl_jiter *it = NULL;
    tl_jvalue v, key, best = tl_jmissing();
    bool sensitive, better;
    TL_TRY(tl_jarg_true(x, a[1], false, &sensitive));
    TL_TRY(tl_jiterate(x, a[0], &it));
    for (*out = tl_jmissing();;) {
        TL_TRY(tl_jnext(x, it, &v));
        if (v.type == TL_J_MISSING) break;
        TL_TRY(tl_jpath(x, v, a[2], tl_jmissing(), &key));
        TL_TRY(caseless(x, sensitive, key, &key));
        better = best.type == TL_J_MISSING;
        if (!better) TL_TRY(tl_jorder(x, op, key, best, &better));
        if (!better) continue;
        best = key;
        *out = v;
    }
    if (out->type != TL_J_MISSING) return 0;
    return tl_jundefined_new(x, "the smallest or largest item of what has none is used", NULL, tl_jnone(), out);
}

static int f_min(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return extreme(x, a, TL_JLESS, out);
}

static int f_max(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return extreme(x, a, TL_JMORE, out);
}

/* The values at "a,b.c" of v, as a list: what sort compares. */
static int sort_key(tl_jinja *x, tl_jvalue v, tl_jvalue paths, bool sensitive, tl_jvalue *out)
{
    tl_jlist *key = NULL;
    size_t room = 0;
    tl_jvalue part;
    TL_TRY(tl_jlist_new(x, 0, &key));
    *out = tl_jof(TL_J_LIST, key);
    if (paths.type != TL_J_STR) {
        TL_TRY(tl_jpath(x, v, paths, tl_jmissing(), &part));
        TL_TRY(caseless(x, sensitive, part, &part));
        return tl_jlist_push(x, key, &room, part);
    }
    const tl_jstr *s = paths.as.s;
    for (size_t from = 0, to; from <= s->size; from = to + 1) {
        for (to = from; to < s->size && s->bytes[to] != ',';) to++;
        TL_TRY(tl_jstr_cut_bytes(x, s, from, to, &part));
        TL_TRY(tl_jpath(x, v, part, tl_jmissing(), &part));
        TL_TRY(caseless(x, sensitive, part, &part));
        TL_TRY(tl_jlist_push(x, key, &room, part));
    }
    return 0;
}

static int f_sort(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    bool reverse, sensitive;
    tl_jlist *l = NULL;
    TL_TRY(tl_jarg_true(x, a[1], false, &reverse));
    TL_TRY(tl_jarg_true(x, a[2], false, &sensitive));
    TL_TRY(tl_jto_list(x, a[0], &l));
    tl_jvalue *keys = tl_jtake_n(x, l->n, sizeof *keys);
    if (!keys) return TL_ENOMEM;
    for (size_t i = 0; i < l->n; i++) TL_TRY(sort_key(x, l->items[i], a[3], sensitive, &keys[i]));
    TL_TRY(tl_jsort(x, l->items, keys, l->n, reverse));
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int f_dictsort(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    bool reverse, sensitive;
    tl_jlist *l = NULL;
    tl_jstr *by = NULL;
    TL_TRY(tl_jarg_true(x, a[1], false, &sensitive));
    TL_TRY(tl_jarg_true(x, a[3], false, &reverse));
    if (a[2].type != TL_J_MISSING) TL_TRY(tl_jarg_str(x, a[2], "dictsort(): by", &by));
    bool value = by && tl_jstr_is(by, "value");
    if (by && !value && !tl_jstr_is(by, "key"))
        return tl_jfail(x, TL_EDATA, "dictsort(): by is '%.*s', wanted is key or value", (int)by->size, by->bytes);
    if (a[0].type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a[0]);
    if (a[0].type != TL_J_DICT)
        return tl_jfail(x, TL_EDATA, "dictsort() is on %s, wanted is a dict", tl_jtype_name(a[0]));
    tl_jview view = { a[0].as.d, 'i' };
    TL_TRY(tl_jto_list(x, tl_jof(TL_J_VIEW, &view), &l));
    tl_jvalue *keys = tl_jtake_n(x, l->n, sizeof *keys);
    if (!keys) return TL_ENOMEM;
    for (size_t i = 0; i < l->n; i++) TL_TRY(caseless(x, sensitive, l->items[i].as.l->items[value], &keys[i]));
    TL_TRY(tl_jsort(x, l->items, keys, l->n, reverse));
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int f_groupby(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    bool sensitive, equal = false;
    tl_jlist *l = NULL, *groups = NULL, *members = NULL;
    size_t n_groups = 0, n_members = 0;
    TL_TRY(tl_jarg_true(x, a[3], false, &sensitive));
    TL_TRY(tl_jto_list(x, a[0], &l));
    tl_jvalue *keys = tl_jtake_n(x, l->n, sizeof *keys);
    if (!keys) return TL_ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        TL_TRY(tl_jpath(x, l->items[i], a[1], a[2], &keys[i]));
        TL_TRY(caseless(x, sensitive, keys[i], &keys[i]));
    }
    TL_TRY(tl_jsort(x, l->items, keys, l->n, false));
    TL_TRY(tl_jlist_new(x, 0, &groups));
    for (size_t i = 0; i < l->n; i++) {
        if (i) TL_TRY(tl_jequal(x, keys[i - 1], keys[i], &equal));
        if (!equal) {
            tl_jlist *group = NULL;
            TL_TRY(tl_jlist_new(x, 2, &group));
            TL_TRY(tl_jlist_new(x, 0, &members));
            n_members = 0;
            group->group = true;
            TL_TRY(tl_jpath(x, l->items[i], a[1], a[2], &group->items[0])); /* with its own case */
            group->items[1] = tl_jof(TL_J_LIST, members);
            TL_TRY(tl_jlist_push(x, groups, &n_groups, tl_jof(TL_J_TUPLE, group)));
        }
        TL_TRY(tl_jlist_push(x, members, &n_members, l->items[i]));
        equal = true;
    }
    *out = tl_jof(TL_J_LIST, groups);
    return 0;
}

/* ---- one by one ---- */

static int next_of_nothing(tl_jinja *x, void *state, tl_jvalue *out)
{
    (void)x, (void)state, (void)out;
    return 0;
}

/* The filter or test whose name stands in s->args at `skip`; what is behind it are its arguments. */
static int find_call(tl_jinja *x, source *s, bool filter, size_t skip)
{
    tl_jvalue name = s->args.at[skip];
    s->call = name.type == TL_J_STR ? (filter ? tl_jfilter : tl_jtest)(name.as.s->bytes, name.as.s->size) : NULL;
    s->args.at += skip + 1;
    s->args.n -= skip + 1;
    if (s->call) return 0;
    if (name.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, name);
    if (name.type == TL_J_STR)
        return tl_jfail(x, TL_EDATA, "there is no %s '%.*s'", filter ? "filter" : "test", (int)name.as.s->size,
                        name.as.s->bytes);
    return tl_jfail(x, TL_EDATA, "the name of a %s is %s", filter ? "filter" : "test", tl_jtype_name(name));
}

static int begin_map(tl_jinja *x, source *s)
{
    if (s->args.n) return find_call(x, s, true, 0);
    const tl_jdict *named = s->args.named;
    if (named) TL_TRY(tl_jdict_at(x, named, "attribute", &s->path));
    if (named) TL_TRY(tl_jdict_at(x, named, "default", &s->fallback));
    if (!named || s->path.type == TL_J_MISSING)
        return tl_jfail(x, TL_EDATA, "map() wants the name of a filter, or attribute=");
    if (named->n == 1 + (size_t)(s->fallback.type != TL_J_MISSING)) return 0;
    return tl_jfail(x, TL_EDATA, "map() knows attribute= and default=, and there is another");
}

static int next_mapped(tl_jinja *x, void *state, tl_jvalue *out)
{
    source *s = state;
    TL_TRY(tl_jnext(x, s->from, out));
    if (out->type == TL_J_MISSING) return 0;
    if (!s->begun) TL_TRY(begin_map(x, s));
    s->begun = true;
    if (!s->call) return tl_jpath(x, *out, s->path, s->fallback, out);
    return tl_jcall_builtin(x, s->call, *out, &s->args, out);
}

static int begin_select(tl_jinja *x, source *s)
{
    size_t skip = s->attribute;
    if (s->args.n < skip) return tl_jfail(x, TL_EDATA, "selectattr() and rejectattr() want the name of an attribute");
    if (skip) s->path = s->args.at[0];
    return s->args.n > skip ? find_call(x, s, false, skip) : 0;
}

static int next_selected(tl_jinja *x, void *state, tl_jvalue *out)
{
    source *s = state;
    for (bool yes = false;;) {
        tl_jvalue v;
        TL_TRY(tl_jnext(x, s->from, out));
        if (out->type == TL_J_MISSING) return 0;
        if (!s->begun) TL_TRY(begin_select(x, s));
        s->begun = true;
        TL_TRY(tl_jpath(x, *out, s->path, tl_jmissing(), &v));
        if (s->call) TL_TRY(tl_jcall_builtin(x, s->call, v, &s->args, &v));
        TL_TRY(tl_jtrue(x, v, &yes));
        if (yes != s->turned) return 0;
    }
}

/* What is false has no items here, also where it is no list: jinja2 looks no further. */
static int one_by_one(tl_jinja *x, tl_jnext_fn *next, const tl_jvalue *a, bool attribute, bool turned, tl_jvalue *out)
{
    source s = { .path = tl_jmissing(), .fallback = tl_jmissing(), .attribute = attribute, .turned = turned };
    bool any;
    TL_TRY(tl_jtrue(x, a[0], &any));
    s.args = (tl_jargs){ a[1].as.l->items, a[1].as.l->n, a[2].as.d->n ? a[2].as.d : NULL };
    return generate(x, any ? next : next_of_nothing, a[0], &s, out);
}

static int f_map(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return one_by_one(x, next_mapped, a, false, false, out);
}

static int f_select(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return one_by_one(x, next_selected, a, false, false, out);
}

static int f_reject(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return one_by_one(x, next_selected, a, false, true, out);
}

static int f_selectattr(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return one_by_one(x, next_selected, a, true, false, out);
}

static int f_rejectattr(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return one_by_one(x, next_selected, a, true, true, out);
}

static int next_unique(tl_jinja *x, void *state, tl_jvalue *out)
{
    source *s = state;
    for (;;) {
        tl_jvalue key, there;
        TL_TRY(tl_jnext(x, s->from, out));
        if (out->type == TL_J_MISSING) return 0;
        TL_TRY(tl_jpath(x, *out, s->path, tl_jmissing(), &key));
        TL_TRY(caseless(x, s->sensitive, key, &key));
        TL_TRY(tl_jdict_get(x, s->seen, key, &there));
        if (there.type == TL_J_MISSING) return tl_jdict_put(x, s->seen, key, tl_jnone());
    }
}

static int f_unique(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    source s = { .path = a[2] };
    TL_TRY(tl_jarg_true(x, a[1], false, &s.sensitive));
    TL_TRY(tl_jdict_new(x, 0, &s.seen));
    return generate(x, next_unique, a[0], &s, out);
}

static int next_pair(tl_jinja *x, void *state, tl_jvalue *out)
{
    source *s = state;
    if (s->over.type == TL_J_UNDEFINED) return 0;
    if (s->over.type != TL_J_DICT)
        return tl_jfail(x, TL_EDATA, "items() is on %s, wanted is a dict", tl_jtype_name(s->over));
    if (!s->all) {
        tl_jview view = { s->over.as.d, 'i' };
        TL_TRY(tl_jto_list(x, tl_jof(TL_J_VIEW, &view), &s->all));
    }
    return next_of_list(x, s, out);
}

static int f_items(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    source s = { .n = 0 };
    return generate(x, next_pair, a[0], &s, out);
}

/* ---- several at a time ---- */

static int next_batch(tl_jinja *x, void *state, tl_jvalue *out)
{
    source *s = state;
    tl_jlist *l = NULL;
    size_t room = 0;
    TL_TRY(tl_jlist_new(x, 0, &l));
    while (l->n == 0 || (int64_t)l->n != s->n) {
        tl_jvalue v;
        TL_TRY(tl_jnext(x, s->from, &v));
        if (v.type == TL_J_MISSING) break;
        TL_TRY(tl_jlist_push(x, l, &room, v));
    }
    if (l->n == 0) return 0;
    while (s->fill.type != TL_J_NONE && (int64_t)l->n < s->n) {
        TL_TRY(tl_jsteps(x, 1));
        TL_TRY(tl_jlist_push(x, l, &room, s->fill));
    }
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int f_batch(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    source s = { .fill = a[2].type == TL_J_MISSING ? tl_jnone() : a[2] };
    TL_TRY(tl_jarg_int(x, a[1], 0, "batch(): linecount", &s.n));
    return generate(x, next_batch, a[0], &s, out);
}

static int next_slice(tl_jinja *x, void *state, tl_jvalue *out)
{
    source *s = state;
    if (!s->all) TL_TRY(tl_jto_list(x, s->over, &s->all));
    if (s->n == 0) return tl_jfail(x, TL_EDATA, "slice() into 0 parts");
    if (s->n < 0 || s->at >= (size_t)s->n) return 0;
    size_t each = s->all->n / (size_t)s->n, larger = s->all->n % (size_t)s->n, i = s->at++;
    size_t from = i * each + (i < larger ? i : larger), n = each + (i < larger);
    bool fill = s->fill.type != TL_J_NONE && i >= larger;
    tl_jlist *l = NULL;
    TL_TRY(tl_jlist_new(x, n + fill, &l));
    if (n) memcpy(l->items, s->all->items + from, n * sizeof *l->items);
    if (fill) l->items[n] = s->fill;
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int f_slice(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    source s = { .fill = a[2].type == TL_J_MISSING ? tl_jnone() : a[2] };
    TL_TRY(tl_jarg_int(x, a[1], 0, "slice(): slices", &s.n));
    return generate(x, next_slice, a[0], &s, out);
}

const tl_jbuiltin tl_jfilters_list[] = {
    { "batch", "value,linecount,fill_with?", f_batch },
    { "dictsort", "value,case_sensitive?,by?,reverse?", f_dictsort },
    { "first", "seq", f_first },
    { "groupby", "value,attribute,default?,case_sensitive?", f_groupby },
    { "items", "value", f_items },
    { "join", "value,d?,attribute?", f_join },
    { "last", "seq", f_last },
    { "list", "value", f_list },
    { "map", "value,args*,kwargs**", f_map },
    { "max", "value,case_sensitive?,attribute?", f_max },
    { "min", "value,case_sensitive?,attribute?", f_min },
    { "reject", "value,args*,kwargs**", f_reject },
    { "rejectattr", "value,args*,kwargs**", f_rejectattr },
    { "reverse", "value", f_reverse },
    { "select", "value,args*,kwargs**", f_select },
    { "selectattr", "value,args*,kwargs**", f_selectattr },
    { "slice", "value,slices,fill_with?", f_slice },
    { "sort", "value,reverse?,case_sensitive?,attribute?", f_sort },
    { "sum", "iterable,attribute?,start?", f_sum },
    { "unique", "value,case_sensitive?,attribute?", f_unique },
    { 0 },
};
