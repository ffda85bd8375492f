/* jinja_filters.c - filters on any value: defaults, numbers, conversions, tojson; and where all filters are found. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

int tl_jarg_true(tl_jinja *x, tl_jvalue v, bool otherwise, bool *out)
{
    if (v.type != TL_J_MISSING) return tl_jtrue(x, v, out);
    *out = otherwise;
    return 0;
}

int tl_jarg_int(tl_jinja *x, tl_jvalue v, int64_t otherwise, const char *what, int64_t *out)
{
    *out = otherwise;
    if (v.type == TL_J_MISSING || tl_jindex(v, out)) return 0;
    if (v.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, v);
    return tl_jfail(x, TL_EDATA, "%s is %s, wanted is a whole number", what, tl_jtype_name(v));
}

int tl_jarg_str(tl_jinja *x, tl_jvalue v, const char *what, tl_jstr **out)
{
    if (v.type != TL_J_STR) return tl_jfail(x, TL_EDATA, "%s is %s, wanted is a str", what, tl_jtype_name(v));
    *out = v.as.s;
    return 0;
}

/* ---- values ---- */

static int f_default(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    bool falsy, yes = true;
    *out = a[0];
    TL_TRY(tl_jarg_true(x, a[2], false, &falsy));
    if (falsy) TL_TRY(tl_jtrue(x, a[0], &yes));
    if (a[0].type != TL_J_UNDEFINED && yes) return 0;
    if (a[1].type == TL_J_MISSING) return tl_jstr_c(x, "", out);
    *out = a[1];
    return 0;
}

static int f_string(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *s = NULL;
    TL_TRY(tl_jstring(x, a[0], &s));
    *out = tl_jof(TL_J_STR, s);
    return 0;
}

static int f_length(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    size_t n;
    TL_TRY(tl_jlength(x, a[0], &n));
    *out = tl_jint((int64_t)n);
    return 0;
}

static int f_attr(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jstr *name = NULL;
    tl_jvalue there;
    TL_TRY(tl_jarg_str(x, a[1], "the attribute's name", &name));
    if (a[0].type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a[0]);
    TL_TRY(tl_jattribute(x, a[0], name, &there));
    if (there.type != TL_J_MISSING) return tl_jgetattr(x, a[0], name, out);
    return tl_jundefined_new(x, NULL, tl_jobject_name(a[0]), a[1], out);
}

/* ---- numbers ---- */

static int f_abs(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    if (a[0].type == TL_J_FLOAT) {
        *out = tl_jfloat(fabs(a[0].as.f));
        return 0;
    }
    TL_TRY(tl_jplus(x, a[0], out));
    return out->as.i < 0 ? tl_jnegate(x, *out, out) : 0;
}

/* int(v), or by way of a float where v is a text of one; else the default. */
static int f_int(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    int64_t i, base;
    double f;
    bool ok = false;
    TL_TRY(tl_jarg_int(x, a[2], 10, "int(): base", &base));
    *out = a[1].type == TL_J_MISSING ? tl_jint(0) : a[1];
    switch (a[0].type) {
    case TL_J_UNDEFINED:
        return tl_jundefined_fail(x, a[0]);
    case TL_J_BOOL:
    case TL_J_INT:
        return tl_jplus(x, a[0], out);
    case TL_J_FLOAT: /* int(inf) is an OverflowError, which the filter lets through; nan gives the default */
        if (isnan(a[0].as.f)) return 0;
        TL_TRY(tl_jfloat_to_int(x, a[0].as.f, &i));
        *out = tl_jint(i);
        return 0;
    case TL_J_STR:
        TL_TRY(tl_jparse_int(x, a[0].as.s, base < -1 || base > 99 ? 1 : (int)base, &i, &ok));
        if (!ok) {
            TL_TRY(tl_jparse_float(x, a[0].as.s, &f, &ok));
            if (!ok || isnan(f) || isinf(f)) return 0;
            TL_TRY(tl_jfloat_to_int(x, f, &i));
        }
        *out = tl_jint(i);
        return 0;
    default:
        return 0;
    }
}

static int f_float(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    double f;
    bool ok = false;
    *out = a[1].type == TL_J_MISSING ? tl_jfloat(0) : a[1];
    switch (a[0].type) {
    case TL_J_UNDEFINED:
        return tl_jundefined_fail(x, a[0]);
    case TL_J_BOOL:
        *out = tl_jfloat(a[0].as.b);
        return 0;
    case TL_J_INT:
        *out = tl_jfloat((double)a[0].as.i);
        return 0;
    case TL_J_FLOAT:
        *out = a[0];
        return 0;
    case TL_J_STR:
        TL_TRY(tl_jparse_float(x, a[0].as.s, &f, &ok));
        if (ok) *out = tl_jfloat(f);
        return 0;
    default:
        return 0;
    }
}

/* To the nearest of `digits` decimals, halves to the even one: printf rounds what the float is exactly. */
static int round_float(tl_jinja *x, double f, int64_t digits, tl_jvalue *out)
{
    char text[700];
    *out = tl_jfloat(f);
    if (isnan(f) || isinf(f) || f == 0 || digits > 323) return 0;
    *out = tl_jfloat(copysign(0, f));
    if (digits < -308) return 0;
    snprintf(text, sizeof text, "%.30e", f);
    int64_t keep = atoi(strchr(text, 'e') + 1) + 1 + digits; /* so many of its digits stay */
    if (digits >= 0)
        snprintf(text, sizeof text, "%.*f", (int)digits, f);
    else if (keep > 0)
        snprintf(text, sizeof text, "%.*e", (int)keep - 1, f);
    else if (keep == 0 && fabs(f) > 0.5 * pow(10, (double)-digits))
        snprintf(text, sizeof text, "%c1e%d", f < 0 ? '-' : '+', (int)-digits);
    else
        return 0;
    *out = tl_jfloat(strtod(text, NULL));
    return isinf(out->as.f) ? tl_jfail(x, TL_EDATA, "round() goes past the largest float") : 0;
}

static int round_whole(tl_jinja *x, int64_t i, int64_t digits, tl_jvalue *out)
{
    int64_t unit = 1;
    *out = tl_jint(i);
    if (digits >= 0) return 0;
    if (digits < -18) {
        *out = tl_jint(0);
        return 0;
    }
    while (digits++) unit *= 10;
    int64_t rest = i % unit, below = i - rest;
    if (rest < 0) {
        rest += unit;
        if (__builtin_sub_overflow(below, unit, &below)) return tl_jfail(x, TL_EDATA, "round() goes past 64 bits");
    }
    bool up = rest > unit - rest || (rest == unit - rest && below / unit % 2 != 0);
    if (up && __builtin_add_overflow(below, unit, &below)) return tl_jfail(x, TL_EDATA, "round() goes past 64 bits");
    *out = tl_jint(below);
    return 0;
}

static int f_round(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    int64_t digits;
    tl_jstr *how = NULL;
    TL_TRY(tl_jarg_int(x, a[1], 0, "round(): precision", &digits));
    if (a[2].type != TL_J_MISSING) TL_TRY(tl_jarg_str(x, a[2], "round(): method", &how));
    bool ceiling = how && tl_jstr_is(how, "ceil"), floored = how && tl_jstr_is(how, "floor");
    if (how && !ceiling && !floored && !tl_jstr_is(how, "common"))
        return tl_jfail(x, TL_EDATA, "round(): method is '%.*s', wanted is common, ceil or floor", (int)how->size,
                        how->bytes);
    if (a[0].type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a[0]);
    if (a[0].type != TL_J_FLOAT && a[0].type != TL_J_INT && a[0].type != TL_J_BOOL)
        return tl_jfail(x, TL_EDATA, "round() is on %s, wanted is a number", tl_jtype_name(a[0]));
    bool whole = a[0].type != TL_J_FLOAT;
    int64_t i = 0;
    if (whole) tl_jindex(a[0], &i);
    if (!ceiling && !floored) return whole ? round_whole(x, i, digits, out) : round_float(x, a[0].as.f, digits, out);
    /* ceil(v * 10**digits) / 10**digits */
    if (digits > 300 || digits < -300)
        return tl_jfail(x, TL_EDATA, "round(): precision is %lld, at most 300", (long long)digits);
    double v = whole ? (double)i : a[0].as.f, unit = pow(10, (double)digits), scaled = v * unit;
    if (isnan(scaled) || isinf(scaled)) return tl_jfail(x, TL_EDATA, "round() is on a number that is not finite");
    *out = tl_jfloat((ceiling ? ceil(scaled) : floor(scaled)) / unit);
    return 0;
}

static int f_filesizeformat(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    static const char *const units[2][8] = { { "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" },
                                             { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB" } };
    bool binary, ok = a[0].type == TL_J_FLOAT || a[0].type == TL_J_INT || a[0].type == TL_J_BOOL;
    double bytes = a[0].type == TL_J_FLOAT ? a[0].as.f : a[0].type == TL_J_BOOL ? a[0].as.b : (double)a[0].as.i;
    char text[400];
    TL_TRY(tl_jarg_true(x, a[1], false, &binary));
    if (a[0].type == TL_J_STR) TL_TRY(tl_jparse_float(x, a[0].as.s, &bytes, &ok));
    if (!ok || isnan(bytes) || isinf(bytes)) return tl_jfail(x, TL_EDATA, "filesizeformat() is on no number");
    double base = binary ? 1024 : 1000, unit = base * base;
    int i = 0;
    if (bytes == 1)
        strcpy(text, "1 Byte");
    else if (bytes < base)
        snprintf(text, sizeof text, "%.0f Bytes", trunc(bytes));
    else {
        for (; i < 7 && bytes >= unit; i++) unit *= base;
        snprintf(text, sizeof text, "%.1f %s", base * bytes / unit, units[binary][i]);
    }
    return tl_jstr_copy(x, text, strlen(text), out);
}

/* ---- tojson ---- */

static int separator(tl_jinja *x, const tl_jlist *l, size_t i, tl_jstr **out)
{
    return tl_jarg_str(x, l->items[i], "tojson(): a separator", out);
}

static int f_tojson(tl_jinja *x, const tl_jvalue *a, tl_jvalue *out)
{
    tl_jjson o = { 0 };
    tl_jtext t = { 0 };
    TL_TRY(tl_jarg_true(x, a[1], false, &o.ensure_ascii));
    TL_TRY(tl_jarg_true(x, a[4], false, &o.sort_keys));
    o.indented = a[2].type != TL_J_MISSING && a[2].type != TL_J_NONE;
    if (o.indented && a[2].type == TL_J_STR) {
        o.indent = a[2].as.s;
    } else if (o.indented) {
        int64_t n;
        tl_jvalue one, all;
        TL_TRY(tl_jarg_int(x, a[2], 0, "tojson(): indent", &n));
        TL_TRY(tl_jstr_c(x, " ", &one));
        TL_TRY(tl_jarithmetic(x, TL_JMUL, one, tl_jint(n), &all));
        o.indent = all.as.s;
    }
    if (a[3].type != TL_J_MISSING && a[3].type != TL_J_NONE) {
        tl_jlist *l = NULL;
        TL_TRY(tl_jto_list(x, a[3], &l));
        if (l->n != 2) return tl_jfail(x, TL_EDATA, "tojson(): separators are %zu, wanted are two", l->n);
        TL_TRY(separator(x, l, 0, &o.item));
        TL_TRY(separator(x, l, 1, &o.key));
    }
    TL_TRY(tl_jjson_print(x, &o, a[0], &t));
    return tl_jtext_done(x, &t, out);
}

/* ---- the tables ---- */

static const tl_jbuiltin values[] = {
    { "abs", "x/", f_abs },
    { "attr", "obj,name", f_attr },
    { "count", "obj/", f_length },
    { "d", "value,default_value?,boolean?", f_default },
    { "default", "value,default_value?,boolean?", f_default },
    { "filesizeformat", "value,binary?", f_filesizeformat },
    { "float", "value,default?", f_float },
    { "int", "value,default?,base?", f_int },
    { "length", "obj/", f_length },
    { "pprint", "value", NULL },
    { "random", "seq", NULL },
    { "round", "value,precision?,method?", f_round },
    { "string", "s/", f_string },
    { "striptags", "value", NULL },
    { "tojson", "x,ensure_ascii?,indent?,separators?,sort_keys?", f_tojson },
    { "urlize", "value", NULL },
    { "wordwrap", "s", NULL },
    { 0 },
};

const tl_jbuiltin *tl_jfilter(const char *name, size_t size)
{
    const tl_jbuiltin *b = tl_jfind(values, name, size);
    if (!b) b = tl_jfind(tl_jfilters_list, name, size);
    return b ? b : tl_jfind(tl_jfilters_text, name, size);
}
