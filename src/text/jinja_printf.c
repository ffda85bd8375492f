/* jinja_printf.c - "%s of %d" % values: the operator, and the filter format(). */
#include "text/jinja.h"

#include <math.h>
#include <string.h>

typedef struct printing {
    const char *p, *end;
    tl_jvalue args;
    size_t used; /* of a tuple, or of the one value */
    bool named;  /* a %(name) was there */
} printing;

static bool is_mapping(tl_jvalue v)
{
    return v.type == TL_J_DICT || v.type == TL_J_LIST || v.type == TL_J_UNDEFINED || v.type == TL_J_RANGE;
}

static int next_value(tl_jinja *x, printing *f, tl_jvalue *out)
{
    bool tuple = f->args.type == TL_J_TUPLE;
    if (f->used >= (tuple ? f->args.as.l->n : 1))
        return tl_jfail(x, TL_EDATA, "'%%' has fewer values than its text wants");
    *out = tuple ? f->args.as.l->items[f->used] : f->args;
    f->used++;
    return 0;
}

/* Behind '(': the value of that name. */
static int named_value(tl_jinja *x, printing *f, tl_jvalue *out)
{
    const char *first = f->p;
    int open = 1;
    tl_jvalue key;
    for (; f->p < f->end; f->p++) {
        open += *f->p == '(' ? 1 : *f->p == ')' ? -1 : 0;
        if (open == 0) break;
    }
    if (f->p == f->end) return tl_jfail(x, TL_EDATA, "'%%(' is open, its ')' is missing");
    if (f->args.type != TL_J_DICT)
        return tl_jfail(x, TL_EDATA, "'%%(name)' wants a dict, found is %s", tl_jtype_name(f->args));
    TL_TRY(tl_jstr_wrap(x, first, (size_t)(f->p - first), &key));
    f->p++;
    TL_TRY(tl_jdict_get(x, f->args.as.d, key, out));
    if (out->type == TL_J_MISSING)
        return tl_jfail(x, TL_EDATA, "'%%' is given no value called '%.*s'", (int)key.as.s->size, key.as.s->bytes);
    f->named = true;
    return 0;
}

/* Digits, or '*' and the next value. */
static int size_at(tl_jinja *x, printing *f, int64_t *out)
{
    tl_jvalue v = tl_jmissing();
    if (f->p < f->end && *f->p == '*') {
        f->p++;
        TL_TRY(next_value(x, f, &v));
        return tl_jarg_int(x, v, 0, "'%*'", out);
    }
    for (; f->p < f->end && *f->p >= '0' && *f->p <= '9'; f->p++)
        *out = *out < 0 ? *f->p - '0' : *out < 1000000000 ? *out * 10 + (*f->p - '0') : *out;
    return 0;
}

static int write_whole(tl_jinja *x, tl_jspec *o, tl_jvalue v, tl_jtext *to)
{
    int64_t i;
    bool decimal = o->type == 'd' || o->type == 'i' || o->type == 'u';
    if (v.type == TL_J_FLOAT && decimal) {
        TL_TRY(tl_jfloat_to_int(x, v.as.f, &i));
    } else if (v.type == TL_J_UNDEFINED) {
        return tl_jundefined_fail(x, v);
    } else if (!tl_jindex(v, &i)) {
        return tl_jfail(x, TL_EDATA, "'%%%c' wants a number, found is %s", o->type, tl_jtype_name(v));
    }
    if (decimal) o->type = 'd';
    if (o->precision < 0) return tl_jspec_int(x, o, i, to);
    /* At least so many digits: zeros between the sign and them, and then the width. */
    tl_jtext t = { 0 };
    tl_jvalue digits;
    tl_jspec inner = { .sign = o->sign, .alternate = o->alternate, .type = o->type, .width = -1, .precision = -1 };
    int64_t beside = (i < 0 || o->sign != '-') + (o->alternate && o->type != 'd' ? 2 : 0);
    inner.align = '=';
    inner.fill = '0';
    inner.width = o->precision + beside;
    TL_TRY(tl_jspec_int(x, &inner, i, &t));
    TL_TRY(tl_jtext_done(x, &t, &digits));
    o->precision = -1;
    o->align = o->align == '<' ? '<' : '>';
    return tl_jspec_str(x, o, digits.as.s, to);
}

static int write_float(tl_jinja *x, const tl_jspec *o, tl_jvalue v, tl_jtext *to)
{
    bool ok = true;
    double f = 0;
    switch (v.type) {
    case TL_J_FLOAT:
        f = v.as.f;
        break;
    case TL_J_INT:
        f = (double)v.as.i;
        break;
    case TL_J_BOOL:
        f = v.as.b;
        break;
    case TL_J_UNDEFINED:
        return tl_jundefined_fail(x, v);
    default:
        ok = false;
    }
    if (!ok) return tl_jfail(x, TL_EDATA, "'%%%c' wants a number, found is %s", o->type, tl_jtype_name(v));
    return tl_jspec_float(x, o, f, to);
}

static int write_text(tl_jinja *x, tl_jspec *o, tl_jvalue v, tl_jtext *to)
{
    tl_jtext t = { 0 };
    TL_TRY(o->type == 'r' ? tl_jtext_repr(x, &t, v) : tl_jtext_value(x, &t, v));
    TL_TRY(tl_jtext_done(x, &t, &v));
    return tl_jspec_str(x, o, v.as.s, to);
}

static int write_character(tl_jinja *x, tl_jspec *o, tl_jvalue v, tl_jtext *to)
{
    int64_t i;
    o->precision = -1;
    if (v.type == TL_J_STR && tl_jstr_length(v.as.s) == 1) return tl_jspec_str(x, o, v.as.s, to);
    if (!tl_jindex(v, &i))
        return tl_jfail(x, TL_EDATA, "'%%c' wants a character or its number, found is %s", tl_jtype_name(v));
    o->align = o->align ? o->align : '>';
    return tl_jspec_int(x, o, i, to);
}

/* Behind '%'. */
static int directive(tl_jinja *x, printing *f, const tl_jstr *format, tl_jtext *to)
{
    tl_jspec o = { .sign = '-', .width = -1, .precision = -1 };
    tl_jvalue v = tl_jmissing();
    if (f->p < f->end && *f->p == '(') {
        f->p++;
        TL_TRY(named_value(x, f, &v));
    }
    for (; f->p < f->end && *f->p && strchr("-+ #0", *f->p); f->p++) {
        if (*f->p == '-') o.align = '<';
        if (*f->p == '+' || (*f->p == ' ' && o.sign != '+')) o.sign = *f->p;
        o.alternate |= *f->p == '#';
        o.zero |= *f->p == '0';
    }
    TL_TRY(size_at(x, f, &o.width));
    if (o.width < -1) {
        o.align = '<';
        o.width = -o.width;
    }
    if (f->p < f->end && *f->p == '.') {
        f->p++;
        o.precision = 0;
        TL_TRY(size_at(x, f, &o.precision));
        if (o.precision < 0) o.precision = 0;
    }
    if (f->p < f->end && *f->p && strchr("hlL", *f->p)) f->p++;
    if (f->p == f->end) return tl_jfail(x, TL_EDATA, "the text of '%%' ends inside of a directive");
    o.type = *f->p++;
    if (o.type == '%') return tl_jtext_c(x, to, "%");
    if (!o.type || !strchr("srdiuxXoeEfFgGc", o.type))
        return tl_jfail(x, TL_EDATA, "'%%%c' is no directive that is known",
                        (unsigned char)o.type < 0x80 ? o.type : '?');
    if (v.type == TL_J_MISSING) TL_TRY(next_value(x, f, &v));
    if (format->markup && v.type == TL_J_STR) TL_TRY(tl_jescape(x, v, &v));
    if (o.align) o.zero = false;
    switch (o.type) {
    case 's':
    case 'r':
        o.zero = false;
        o.align = o.align ? o.align : '>';
        return write_text(x, &o, v, to);
    case 'c':
        o.zero = false;
        return write_character(x, &o, v, to);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        return write_float(x, &o, v, to);
    default:
        return write_whole(x, &o, v, to);
    }
}

int tl_jprintf(tl_jinja *x, tl_jstr *format, tl_jvalue args, tl_jvalue *out)
{
    printing f = { .p = format->bytes, .end = format->bytes + format->size, .args = args };
    tl_jtext t = { 0 };
    while (f.p < f.end) {
        const char *from = f.p, *percent = memchr(f.p, '%', (size_t)(f.end - f.p));
        f.p = percent ? percent : f.end;
        TL_TRY(tl_jtext_add(x, &t, from, (size_t)(f.p - from)));
        if (f.p == f.end) break;
        f.p++;
        TL_TRY(directive(x, &f, format, &t));
    }
    size_t given = args.type == TL_J_TUPLE ? args.as.l->n : is_mapping(args) ? f.used : 1;
    if (f.used < given && !f.named) return tl_jfail(x, TL_EDATA, "'%%' has more values than its text wants");
    TL_TRY(tl_jtext_done(x, &t, out));
    out->as.s->markup = format->markup;
    return 0;
}
