/* jinja_call.c - arguments to parameters, and calls of whatever can be called. */
#include "text/jinja.h"

#include <string.h>

/* One parameter of a builtin: its name, and the marks behind it. */
typedef struct param {
    const char *name;
    size_t size;
    bool optional, rest, named; /* '?', '*', '**' */
} param;

/* "value,width?,first?": what they are; *positional: so many in front of '/' are given by position only. */
static int read_params(const char *text, param *out, int *positional)
{
    int n = 0;
    *positional = 0;
    while (*text) {
        param p = { .name = text };
        while (*text && *text != ',' && *text != '?' && *text != '*' && *text != '/') text++;
        p.size = (size_t)(text - p.name);
        for (; *text && *text != ','; text++) {
            p.named |= *text == '*' && p.rest;
            p.rest |= *text == '*';
            p.optional |= *text == '?';
            if (*text == '/') *positional = n + (p.size > 0);
        }
        if (*text) text++;
        if (p.size) out[n++] = p;
    }
    return n;
}

static int rest_of(tl_jinja *x, const tl_jargs *args, size_t from, tl_jvalue *out)
{
    tl_jlist *l = NULL;
    size_t n = args->n > from ? args->n - from : 0;
    TL_TRY(tl_jlist_new(x, n, &l));
    if (n) memcpy(l->items, args->at + from, n * sizeof *l->items);
    *out = tl_jof(TL_J_TUPLE, l);
    return 0;
}

/* The arguments by name go to their parameters; what has none goes to the dict, or fails. */
static int bind_named(tl_jinja *x, const tl_jbuiltin *b, const param *params, int n, int positional,
                      const tl_jargs *args, tl_jvalue *bound)
{
    tl_jdict *others = NULL;
    int dict = -1;
    for (int i = 0; i < n; i++)
        if (params[i].named) dict = i;
    if (dict >= 0) {
        TL_TRY(tl_jdict_new(x, 0, &others));
        bound[dict] = tl_jof(TL_J_DICT, others);
    }
    for (size_t k = 0; args->named && k < args->named->n; k++) {
        const tl_jentry *e = &args->named->entries[k];
        const tl_jstr *name = e->key.as.s;
        int i = positional;
        while (i < n &&
               (params[i].rest || params[i].size != name->size || memcmp(params[i].name, name->bytes, name->size) != 0))
            i++;
        if (i == n && !others)
            return tl_jfail(x, TL_EDATA, "%s() has no argument called '%.*s'", b->name, (int)name->size, name->bytes);
        if (i == n) {
            TL_TRY(tl_jdict_put(x, others, e->key, e->value));
            continue;
        }
        if (bound[i].type != TL_J_MISSING)
            return tl_jfail(x, TL_EDATA, "%s(): the argument '%.*s' is given twice", b->name, (int)name->size,
                            name->bytes);
        bound[i] = e->value;
    }
    return 0;
}

int tl_jcall_builtin(tl_jinja *x, const tl_jbuiltin *b, tl_jvalue first, const tl_jargs *args, tl_jvalue *out)
{
    param params[TL_J_PARAMS_MAX];
    tl_jvalue bound[TL_J_PARAMS_MAX];
    int positional;
    TL_TRY(tl_jsteps(x, 1));
    if (!b->call) return tl_jfail(x, TL_EUNSUPPORTED, "'%s' is not supported", b->name);
    int n = read_params(b->params, params, &positional), at = 0;
    size_t given = 0;
    for (int i = 0; i < n; i++) bound[i] = tl_jmissing();
    if (first.type != TL_J_MISSING) bound[at++] = first;
    for (; at < n && !params[at].rest && given < args->n; at++) bound[at] = args->at[given++];
    for (int i = 0; i < n; i++) {
        if (!params[i].rest || params[i].named) continue;
        TL_TRY(rest_of(x, args, given, &bound[i]));
        given = args->n;
    }
    if (given < args->n)
        return tl_jfail(x, TL_EDATA, "%s() is given %zu arguments, it takes at most %zu", b->name, args->n, given);
    TL_TRY(bind_named(x, b, params, n, positional, args, bound));
    for (int i = 0; i < n; i++)
        if (bound[i].type == TL_J_MISSING && !params[i].optional && !params[i].rest)
            return tl_jfail(x, TL_EDATA, "%s() wants an argument '%.*s'", b->name, (int)params[i].size, params[i].name);
    TL_TRY(tl_jenter(x));
    int rc = b->call(x, bound, out);
    tl_jleave(x);
    return rc;
}

static int call_joiner(tl_jinja *x, tl_jjoiner *j, const tl_jargs *args, tl_jvalue *out)
{
    if (args->n || (args->named && args->named->n)) return tl_jfail(x, TL_EDATA, "a joiner takes no arguments");
    if (!j->used) {
        j->used = true;
        return tl_jstr_c(x, "", out);
    }
    *out = j->separator;
    return 0;
}

static int call_loop(tl_jinja *x, const tl_jloop *l, const tl_jargs *args, tl_jvalue *out)
{
    tl_jvalue over = args->n ? args->at[0] : tl_jmissing();
    if (args->n == 0 && args->named) TL_TRY(tl_jdict_at(x, args->named, "iterable", &over));
    if (over.type == TL_J_MISSING || args->n + (args->named ? args->named->n : 0) != 1)
        return tl_jfail(x, TL_EDATA, "loop() wants one argument, what to walk");
    return tl_jcall_loop(x, l, over, out);
}

int tl_jcall(tl_jinja *x, tl_jvalue f, const tl_jargs *args, tl_jvalue *out)
{
    switch (f.type) {
    case TL_J_FUNCTION:
        return tl_jcall_builtin(x, f.as.fn->builtin, f.as.fn->self, args, out);
    case TL_J_MACRO:
        return tl_jcall_macro(x, f.as.m, args, out);
    case TL_J_LOOP:
        return call_loop(x, f.as.loop, args, out);
    case TL_J_JOINER:
        return call_joiner(x, f.as.j, args, out);
    case TL_J_UNDEFINED:
        return tl_jundefined_fail(x, f);
    default:
        return tl_jfail(x, TL_EDATA, "%s cannot be called", tl_jtype_name(f));
    }
}
