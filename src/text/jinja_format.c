/* jinja_format.c - str.format() and its small language: {name.attribute[key]!r:fill align sign # 0 width , .precision
 * type}. */
#include "text/jinja.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRECISION_MAX = 400 /* digits behind the point: floats have fewer */
};

/* ---- one value ---- */

static int fill(tl_jinja *x, tl_jtext *to, int c, int64_t n)
{
    for (; n > 0; n--) {
        TL_TRY(tl_jsteps(x, 1));
        TL_TRY(tl_jtext_char(x, to, c ? c : ' '));
    }
    return 0;
}

/* sign and text, padded to the width: `length` characters both together. */
static int padded(tl_jinja *x, const tl_jspec *o, char usual, const char *sign, const char *text, size_t size,
                  int64_t length, tl_jtext *to)
{
    int64_t more = o->width > length ? o->width - length : 0;
    char align = o->align ? o->align : usual;
    int64_t left = align == '>' ? more : align == '^' ? more / 2 : 0;
    TL_TRY(fill(x, to, o->fill, left));
    TL_TRY(tl_jtext_c(x, to, sign));
    if (align == '=') TL_TRY(fill(x, to, o->fill, more));
    TL_TRY(tl_jtext_add(x, to, text, size));
    return align == '=' ? 0 : fill(x, to, o->fill, more - left);
}

int tl_jspec_str(tl_jinja *x, const tl_jspec *o, tl_jstr *s, tl_jtext *to)
{
    tl_jvalue cut = tl_jof(TL_J_STR, s);
    if (o->align == '=') return tl_jfail(x, TL_EDATA, "a str is aligned by '=', which is for numbers");
    if (o->precision >= 0 && (size_t)o->precision < tl_jstr_length(s))
        TL_TRY(tl_jstr_cut(x, s, 0, (size_t)o->precision, &cut));
    s = cut.as.s;
    return padded(x, o, '<', "", s->bytes, s->size, (int64_t)tl_jstr_length(s), to);
}

/* A number of digits with what stands behind them (".50", "e+10"), grouped, signed and padded. */
static int number(tl_jinja *x, const tl_jspec *o, bool negative, const char *prefix, const char *digits, int64_t n,
                  const char *rest, int every, tl_jtext *to)
{
    char sign[8];
    snprintf(sign, sizeof sign, "%s%s", negative ? "-" : o->sign == '+' ? "+" : o->sign == ' ' ? " " : "", prefix);
    tl_jspec plain = *o;
    tl_jtext t = { 0 };
    int64_t beside = (int64_t)(strlen(sign) + strlen(rest)), zeros = 0;
    if (o->zero && !o->align) {
        plain.align = '=';
        plain.fill = '0';
    }
    /* Zeros in front are grouped too. */
    bool grouped_zeros = o->group && plain.align == '=' && plain.fill == '0';
    while (grouped_zeros && n + zeros + (n + zeros - 1) / every + beside < o->width) zeros++;
    for (int64_t i = 0; i < n + zeros; i++) {
        int64_t behind = n + zeros - i;
        if (o->group && i && behind % every == 0) TL_TRY(tl_jtext_add(x, &t, &o->group, 1));
        TL_TRY(tl_jtext_add(x, &t, i < zeros ? "0" : digits + i - zeros, 1));
    }
    TL_TRY(tl_jtext_c(x, &t, rest));
    return padded(x, &plain, '>', sign, t.data ? t.data : "", t.size, (int64_t)(t.size + strlen(sign)), to);
}

int tl_jspec_int(tl_jinja *x, const tl_jspec *o, int64_t i, tl_jtext *to)
{
    char digits[70], one[4];
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    int base = o->type == 'b'                     ? 2
               : o->type == 'o'                   ? 8
               : o->type == 'x' || o->type == 'X' ? 16
                                                  : 10,
        at = sizeof digits - 1;
    if (o->type && strchr("eEfFgG%", o->type)) return tl_jspec_float(x, o, (double)i, to);
    if (o->type == 'c') {
        if (i < 0 || i > 0x10ffff || (i >= 0xd800 && i < 0xe000))
            return tl_jfail(x, TL_EDATA, "%lld is the number of no character", (long long)i);
        return padded(x, o, '<', "", one, tl_jencode((int)i, one), 1, to);
    }
    if (o->type && !strchr("bdoxXn", o->type))
        return tl_jfail(x, TL_EDATA, "the format '%c' is not for whole numbers", o->type);
    if (o->precision >= 0) return tl_jfail(x, TL_EDATA, "a whole number is formatted with a precision");
    digits[at] = '\0';
    do {
        digits[--at] = (o->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % (unsigned)base];
        u /= (unsigned)base;
    } while (u);
    const char *prefix = !o->alternate || base == 10 ? ""
                         : base == 2                 ? "0b"
                         : base == 8                 ? "0o"
                         : o->type == 'X'            ? "0X"
                                                     : "0x";
    return number(x, o, i < 0, prefix, digits + at, (int64_t)sizeof digits - 1 - at, "", base == 10 ? 3 : 4, to);
}

/* A float without a type: as few digits as there are, or `precision` of them; always with a point or an exponent. */
static void plain_float(double f, int64_t precision, char *text, size_t size)
{
    if (precision < 0 || isinf(f) || isnan(f)) {
        tl_jfloat_repr(f, text);
        return;
    }
    int p = precision ? (int)precision : 1;
    snprintf(text, size, "%.*e", p - 1, f);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent < -4 || exponent >= (p > 1 ? p - 1 : p)) {
        char *e = strchr(text, 'e'), tail[16], *end = e;
        strcpy(tail, e);
        if (strchr(text, '.'))
            while (end[-1] == '0' || end[-1] == '.')
                if (*--end == '.') break;
        strcpy(end, tail);
        return;
    }
    snprintf(text, size, "%.*g", p, f);
    if (!strchr(text, '.')) strcat(text, ".0");
}

int tl_jspec_float(tl_jinja *x, const tl_jspec *o, double f, tl_jtext *to)
{
    char text[800], format[16];
    char type = o->type == 'n' ? 'g' : o->type;
    if (type && !strchr("eEfFgG%", type)) return tl_jfail(x, TL_EDATA, "the format '%c' is not for floats", o->type);
    if (o->precision > PRECISION_MAX)
        return tl_jfail(x, TL_EDATA, "a precision of %lld, at most %d are computed", (long long)o->precision,
                        PRECISION_MAX);
    bool negative = signbit(f) && !isnan(f);
    double a = isnan(f) ? f : fabs(f);
    if (!type) {
        plain_float(a, o->precision, text, sizeof text);
    } else {
        snprintf(format, sizeof format, "%%%s.*%c", o->alternate ? "#" : "", type == '%' ? 'f' : type);
        /* nan and inf without C's sign */
        if (isnan(f) || isinf(f))
            strcpy(text, isnan(f)                    ? (type < 'a' && type != '%' ? "NAN" : "nan")
                         : type < 'a' && type != '%' ? "INF"
                                                     : "inf");
        else
            snprintf(text, sizeof text, format, o->precision < 0 ? 6 : (int)o->precision, type == '%' ? a * 100 : a);
        if (type == '%') strcat(text, "%");
    }
    size_t n = strspn(text, "0123456789");
    if (n == 0) n = strlen(text);
    return number(x, o, negative, "", text, (int64_t)n, text + n, 3, to);
}

/* ---- the language ---- */

static const char *read_number(const char *p, const char *end, int64_t *out)
{
    *out = -1;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        *out = *out < 0 ? *p - '0' : *out < 1000000000 ? *out * 10 + (*p - '0') : *out;
    return p;
}

static int read_spec(tl_jinja *x, const char *p, size_t size, tl_jspec *o)
{
    const char *end = p + size;
    size_t n = 0;
    *o = (tl_jspec){ .sign = '-', .width = -1, .precision = -1 };
    if (p < end) tl_jchar(p, &n);
    if (p + n < end && strchr("<>^=", p[n]) && p[n]) {
        o->fill = tl_jchar(p, &n);
        o->align = p[n];
        p += n + 1;
    } else if (p < end && *p && strchr("<>^=", *p)) {
        o->align = *p++;
    }
    o->signed_ = p < end && *p && strchr("+- ", *p);
    if (o->signed_) o->sign = *p++;
    if (p < end && *p == '#') o->alternate = *p++;
    if (p < end && *p == '0') {
        o->zero = true;
        if (o->align && !o->fill) o->fill = '0';
        p++;
    }
    p = read_number(p, end, &o->width);
    if (p < end && (*p == ',' || *p == '_')) o->group = *p++;
    if (p < end && *p == '.') {
        p = read_number(p + 1, end, &o->precision);
        if (o->precision < 0) return tl_jfail(x, TL_EDATA, "a format has '.' and no precision behind it");
    }
    if (p<end && * p> ' ' && *p < 0x7f) o->type = *p++;
    if (p < end) return tl_jfail(x, TL_EDATA, "a format is not understood: %.*s", (int)size, end - size);
    return 0;
}

static int format_value(tl_jinja *x, tl_jvalue v, const char *spec, size_t size, tl_jtext *to)
{
    tl_jspec o;
    if (size == 0) return tl_jtext_value(x, to, v);
    TL_TRY(read_spec(x, spec, size, &o));
    switch (v.type) {
    case TL_J_STR:
        if (o.type && o.type != 's') return tl_jfail(x, TL_EDATA, "the format '%c' is not for a str", o.type);
        if (o.signed_ || o.alternate || o.group || o.align == '=')
            return tl_jfail(x, TL_EDATA, "a str is formatted by '%.*s', which is for numbers", (int)size, spec);
        if (o.zero && !o.align) o.fill = '0';
        return tl_jspec_str(x, &o, v.as.s, to);
    case TL_J_BOOL:
        return tl_jspec_int(x, &o, v.as.b, to);
    case TL_J_INT:
        return tl_jspec_int(x, &o, v.as.i, to);
    case TL_J_FLOAT:
        return tl_jspec_float(x, &o, v.as.f, to);
    default:
        return tl_jfail(x, TL_EDATA, "%s is formatted by '%.*s', which is for numbers and strings", tl_jtype_name(v),
                        (int)size, spec);
    }
}

/* ---- the template of format() ---- */

typedef struct formatting {
    const tl_jlist *args;
    const tl_jdict *named;
    int64_t next; /* of the fields without a name; -1: numbers are given */
    int depth;
} formatting;

static int expand(tl_jinja *x, formatting *f, const char *p, size_t size, tl_jtext *to);

static int cut(tl_jinja *x, const char *p, const char *end, tl_jvalue *out)
{
    return tl_jstr_wrap(x, p, (size_t)(end - p), out);
}

/* "name.attribute[key]" up to end. */
static int field_value(tl_jinja *x, formatting *f, const char *p, const char *end, tl_jvalue *out)
{
    const char *first = p;
    int64_t i;
    tl_jvalue name;
    while (p < end && *p != '.' && *p != '[') p++;
    bool numbered = p > first && read_number(first, p, &i) == p;
    if (p == first || numbered) {
        if (p == first && f->next < 0)
            return tl_jfail(x, TL_EDATA, "format(): some fields have numbers and some have none");
        if (numbered && f->next > 0)
            return tl_jfail(x, TL_EDATA, "format(): some fields have numbers and some have none");
        if (p == first)
            i = f->next++;
        else
            f->next = -1;
        if ((uint64_t)i >= f->args->n)
            return tl_jfail(x, TL_EDATA, "format(): field %lld, and %zu arguments are given", (long long)i, f->args->n);
        *out = f->args->items[i];
    } else {
        TL_TRY(cut(x, first, p, &name));
        TL_TRY(tl_jdict_get(x, f->named, name, out));
        if (out->type == TL_J_MISSING)
            return tl_jfail(x, TL_EDATA, "format(): no argument is called '%.*s'", (int)(p - first), first);
    }
    while (p < end) {
        bool attribute = *p++ == '.';
        first = p;
        while (p < end && (attribute ? *p != '.' && *p != '[' : *p != ']')) p++;
        if (p == first || (!attribute && p == end)) return tl_jfail(x, TL_EDATA, "format(): a field is broken off");
        TL_TRY(cut(x, first, p, &name));
        if (attribute) {
            TL_TRY(tl_jgetattr(x, *out, name.as.s, out));
            continue;
        }
        TL_TRY(tl_jgetitem(x, *out, read_number(first, p, &i) == p ? tl_jint(i) : name, out));
        p++;
        if (p < end && *p != '.' && *p != '[') return tl_jfail(x, TL_EDATA, "format(): behind ']' comes '.' or '['");
    }
    return 0;
}

/* What stands between the braces. */
static int field(tl_jinja *x, formatting *f, const char *p, const char *end, tl_jtext *to)
{
    const char *name_end = p;
    bool bracket = false;
    char conversion = 0;
    tl_jvalue v = tl_jmissing();
    tl_jtext spec = { 0 };
    for (; name_end < end && (bracket || (*name_end != ':' && *name_end != '!')); name_end++)
        bracket = *name_end == '[' || (bracket && *name_end != ']');
    TL_TRY(field_value(x, f, p, name_end, &v));
    p = name_end;
    if (p < end && *p == '!') {
        if (p + 1 >= end || (p + 2 < end && p[2] != ':'))
            return tl_jfail(x, TL_EDATA, "format(): '!' wants r, s or a behind it");
        conversion = p[1];
        p += 2;
    }
    if (conversion) {
        tl_jtext t = { 0 };
        if (conversion == 'a') return tl_jfail(x, TL_EUNSUPPORTED, "format(): '!a' is not supported");
        if (conversion != 'r' && conversion != 's')
            return tl_jfail(x, TL_EDATA, "format(): '!%c' is unknown", conversion);
        TL_TRY(conversion == 'r' ? tl_jtext_repr(x, &t, v) : tl_jtext_value(x, &t, v));
        TL_TRY(tl_jtext_done(x, &t, &v));
    }
    if (p < end) p++;
    if (++f->depth > 2) return tl_jfail(x, TL_EDATA, "format(): fields are nested deeper than 2");
    TL_TRY(expand(x, f, p, (size_t)(end - p), &spec));
    f->depth--;
    return format_value(x, v, spec.data ? spec.data : "", spec.size, to);
}

static int expand(tl_jinja *x, formatting *f, const char *p, size_t size, tl_jtext *to)
{
    const char *end = p + size;
    while (p < end) {
        const char *from = p;
        while (p < end && *p != '{' && *p != '}') p++;
        TL_TRY(tl_jtext_add(x, to, from, (size_t)(p - from)));
        if (p == end) break;
        if (p + 1 < end && p[1] == *p) {
            TL_TRY(tl_jtext_add(x, to, p, 1));
            p += 2;
            continue;
        }
        if (*p == '}') return tl_jfail(x, TL_EDATA, "format(): a '}' stands alone");
        int open = 1;
        for (from = ++p; p < end; p++) {
            open += *p == '{' ? 1 : *p == '}' ? -1 : 0;
            if (open == 0) break;
        }
        if (p == end) return tl_jfail(x, TL_EDATA, "format(): a '{' is open, its '}' is missing");
        TL_TRY(field(x, f, from, p, to));
        p++;
    }
    return 0;
}

int tl_jformat(tl_jinja *x, tl_jstr *format, const tl_jlist *args, const tl_jdict *named, tl_jvalue *out)
{
    formatting f = { args, named, 0, 0 };
    tl_jtext t = { 0 };
    TL_TRY(expand(x, &f, format->bytes, format->size, &t));
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = format->markup;
    return 0;
}
