/* jinja_tests.c - what stands behind `is`. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

static int answer(tl_jvalue *out, bool yes)
{
    *out = tl_jbool(yes);
    return 0;
}

/* ---- types ---- */

static int t_defined(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type != TL_J_UNDEFINED);
}

static int t_undefined(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_UNDEFINED);
}

static int t_none(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_NONE);
}

static int t_boolean(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_BOOL);
}

static int t_true(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_BOOL && a[0].as.b);
}

static int t_false(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_BOOL && !a[0].as.b);
}

static int t_integer(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_INT);
}

static int t_float(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_FLOAT);
}

static int t_number(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_INT || a[0].type == TL_J_FLOAT || a[0].type == TL_J_BOOL);
}

static int t_string(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_STR);
}

static int t_mapping(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_DICT);
}

static int t_iterable(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, tl_jiterable(a[0]) || a[0].type == TL_J_LOOP);
}

/* Has a length and items by number or key; the keys, values and items of a dict do not. */
static int t_sequence(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, tl_jiterable(a[0]) && a[0].type != TL_J_ITERATOR && a[0].type != TL_J_VIEW);
}

static int t_callable(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    bool yes = a[0].type == TL_J_FUNCTION || a[0].type == TL_J_MACRO || a[0].type == TL_J_LOOP ||
               a[0].type == TL_J_JOINER || a[0].type == TL_J_UNDEFINED;
    return answer(out, yes);
}

static int t_escaped(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, a[0].type == TL_J_STR && a[0].as.s->markup);
}

static int t_filter(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    uint32_t hash;
    TL_TRY(tl_jhash(x, a[0], &hash)); /* what cannot be a key is looked for in no table */
    const tl_jbuiltin *b = a[0].type == TL_J_STR ? tl_jfilter(a[0].as.s->bytes, a[0].as.s->size) : NULL;
    return answer(out, b != NULL);
}

static int t_test(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    uint32_t hash;
    TL_TRY(tl_jhash(x, a[0], &hash));
    const tl_jbuiltin *b = a[0].type == TL_J_STR ? tl_jtest(a[0].as.s->bytes, a[0].as.s->size) : NULL;
    return answer(out, b != NULL);
}

/* ---- letters ---- */

static int cased(tl_jinja *x, const tl_jvalue *a, const char *method, size_t size, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    tl_jargs none = { 0 };
    TL_TRY(tl_jstring(x, a[0], &s));
    return tl_jcall_builtin(x, tl_jfind(tl_jmethods_letters, method, size), tl_jof(TL_J_STR, s), &none, out);
}

static int t_lower(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return cased(x, a, "islower", 7, out);
}

static int t_upper(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return cased(x, a, "isupper", 7, out);
}

/* ---- numbers ---- */

static int divides(tl_jinja *x, tl_jvalue v, tl_jvalue by, int64_t rest, tl_jvalue *out)
{
    bool equal;
    TL_TRY(tl_jarithmetic(x, TL_JMOD, v, by, out));
    TL_TRY(tl_jequal(x, *out, tl_jint(rest), &equal));
    return answer(out, equal);
}

static int t_odd(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return divides(x, a[0], tl_jint(2), 1, out);
}

static int t_even(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return divides(x, a[0], tl_jint(2), 0, out);
}

static int t_divisibleby(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return divides(x, a[0], a[1], 0, out);
}

/* ---- comparisons ---- */

static int t_eq(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    bool yes;
    TL_TRY(tl_jequal(x, a[0], a[1], &yes));
    return answer(out, yes);
}

static int t_ne(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    bool yes;
    TL_TRY(tl_jequal(x, a[0], a[1], &yes));
    return answer(out, !yes);
}

static int order(tl_jinja *x, int op, const tl_jvalue *a, tl_jvalue *out)
{
    bool yes;
    TL_TRY(tl_jorder(x, op, a[0], a[1], &yes));
    return answer(out, yes);
}

static int t_lt(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return order(x, TL_JLESS, a, out);
}

static int t_le(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return order(x, TL_JLESS_EQ, a, out);
}

static int t_gt(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return order(x, TL_JMORE, a, out);
}

static int t_ge(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    return order(x, TL_JMORE_EQ, a, out);
}

static int t_in(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    bool yes;
    TL_TRY(tl_jcontains(x, a[0], a[1], &yes));
    return answer(out, yes);
}

static int t_sameas(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    (void)x;
    return answer(out, tl_jsame(a[0], a[1]));
}

static const tl_jbuiltin tests[] = {
    { "!=", "a,b/", t_ne },
    { "<", "a,b/", t_lt },
    { "<=", "a,b/", t_le },
    { "==", "a,b/", t_eq },
    { ">", "a,b/", t_gt },
    { ">=", "a,b/", t_ge },
    { "boolean", "value", t_boolean },
    { "callable", "value/", t_callable },
    { "defined", "value", t_defined },
    { "divisibleby", "value,num", t_divisibleby },
    { "eq", "a,b/", t_eq },
    { "equalto", "a,b/", t_eq },
    { "escaped", "value", t_escaped },
    { "even", "value", t_even },
    { "false", "value", t_false },
    { "filter", "value", t_filter },
    { "float", "value", t_float },
    { "ge", "a,b/", t_ge },
    { "greaterthan", "a,b/", t_gt },
    { "gt", "a,b/", t_gt },
    { "in", "value,seq", t_in },
    { "integer", "value", t_integer },
    { "iterable", "value", t_iterable },
    { "le", "a,b/", t_le },
    { "lessthan", "a,b/", t_lt },
    { "lower", "value", t_lower },
    { "lt", "a,b/", t_lt },
    { "mapping", "value", t_mapping },
    { "ne", "a,b/", t_ne },
    { "none", "value", t_none },
    { "number", "value", t_number },
    { "odd", "value", t_odd },
    { "sameas", "value,other", t_sameas },
    { "sequence", "value", t_sequence },
    { "string", "value", t_string },
    { "test", "value", t_test },
    { "true", "value", t_true },
    { "undefined", "value", t_undefined },
    { "upper", "value", t_upper },
    { 0 },
};

const tl_jbuiltin *tl_jtest(const char *name, size_t size)
{
    return tl_jfind(tests, name, size);
}
