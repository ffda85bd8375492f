/* jinja_show.c - text that grows, and values as text: str() for what a template prints, repr() for what stands inside
 * of lists and dicts. */
#include "text/jinja.h"

#include "base/size.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tl_jtext_add(tl_jinja *x, tl_jtext *t, const char *bytes, size_t size)
{
    size_t want;
    TL_TRY(tl_jbytes(x, size));
    if (!tl_size_add(&want, t->size, size)) return tl_jfail(x, TL_EDATA, "a text of more bytes than there are");
    if (t->counts && want > x->max_output)
        return tl_jfail(x, TL_EDATA, "it writes more than %zu bytes, the limit for its input", x->max_output);
    if (want > t->room) {
        size_t room = t->room < 64 ? 64 : 2 * t->room;
        if (room < want) room = want;
        char *data = tl_jtake(x, room);
        if (!data) return TL_ENOMEM;
        if (t->size) memcpy(data, t->data, t->size);
        t->data = data;
        t->room = room;
    }
    assert(t->data || size == 0);
    if (size) memcpy(t->data + t->size, bytes, size);
    t->size = want;
    return 0;
}

int tl_jtext_c(tl_jinja *x, tl_jtext *t, const char *text)
{
    return tl_jtext_add(x, t, text, strlen(text));
}

int tl_jtext_char(tl_jinja *x, tl_jtext *t, int c)
{
    char bytes[4];
    return tl_jtext_add(x, t, bytes, tl_jencode(c, bytes));
}

int tl_jtext_done(tl_jinja *x, tl_jtext *t, tl_jvalue *out)
{
    TL_TRY(tl_jstr_wrap(x, t->data, t->size, out));
    out->as.s->spans = t->spans;
    return 0;
}

/* ---- numbers ---- */

/* "0.00012" or "1.2e-05" of the digits of |f| = 0.DIGITS * 10^point, as Python's repr places the point. */
static void place_point(const char *digits, int n, int point, char *out)
{
    int at = 0;
    if (point > 16 || point < -3) {
        out[at++] = digits[0];
        if (n > 1) out[at++] = '.';
        for (int i = 1; i < n; i++) out[at++] = digits[i];
        int e = point - 1;
        sprintf(out + at, "e%c%02d", e < 0 ? '-' : '+', abs(e));
        return;
    }
    if (point <= 0) at += sprintf(out, "0.%.*s", -point, "000");
    for (int i = 0; i < n || i < point; i++) {
        if (i == point && point > 0) out[at++] = '.';
        out[at++] = (char)(i < n ? digits[i] : '0');
    }
    if (n <= point) at += sprintf(out + at, ".0");
    out[at] = '\0';
}

/* A number's digits one up or down in the last place; false where that would change how many there are. */
static bool step_digits(char *digits, int n, int by)
{
    for (int i = n - 1; i >= 0; i--) {
        int d = digits[i] - '0' + by;
        digits[i] = (char)('0' + (d + 10) % 10);
        if (d >= 0 && d <= 9) return i > 0 || digits[0] != '0';
    }
    return false;
}

static bool reads_back(const char *digits, int n, int point, double f)
{
    char text[48];
    sprintf(text, "0.%.*se%d", n, digits, point);
    return strtod(text, NULL) == f;
}

void tl_jfloat_repr(double f, char out[40])
{
    if (isnan(f) || isinf(f) || f == 0) {
        strcpy(out, isnan(f) ? "nan" : isinf(f) ? (f > 0 ? "inf" : "-inf") : signbit(f) ? "-0.0" : "0.0");
        return;
    }
    double a = fabs(f);
    char text[40], digits[20] = "";
    int point = 0, n;
    /* The fewest digits that are read back as f.  Fifteen always are where fewer would do, but for the numbers too
     * small to have all their bits; of sixteen the nearest may miss and a neighbour hit, at powers of two. */
    for (n = a < DBL_MIN ? 1 : 15; n <= 17; n++) {
        bool ok = false;
        static const int by[] = { 0, 1, -1 };
        for (int k = 0; k < (n == 16 ? 3 : 1) && !ok; k++) {
            sprintf(text, "%.*e", n - 1, a);
            digits[0] = text[0];
            memcpy(digits + 1, text + 2, (size_t)n - 1);
            point = atoi(strchr(text, 'e') + 1) + 1;
            ok = (by[k] == 0 || step_digits(digits, n, by[k])) && reads_back(digits, n, point, a);
        }
        if (ok) break;
    }
    if (n > 17) n = 17;
    while (n > 1 && digits[n - 1] == '0') n--;
    if (f < 0) *out++ = '-';
    place_point(digits, n, point, out);
}

/* ---- strings inside of others ---- */

static int repr_string(tl_jinja *x, tl_jtext *t, const tl_jstr *s)
{
    bool single = s->size && memchr(s->bytes, '\'', s->size), twice = s->size && memchr(s->bytes, '"', s->size);
    char quote = single && !twice ? '"' : '\'';
    TL_TRY(tl_jtext_c(x, t, s->markup ? "Markup(" : ""));
    TL_TRY(tl_jtext_add(x, t, &quote, 1));
    for (size_t i = 0, from = 0, n; i <= s->size; i += n) {
        int c = i < s->size ? tl_jchar(s->bytes + i, &n) : (n = 1, 0);
        char escape[16] = "";
        if (i == s->size)
            ;
        else if (c == quote || c == '\\')
            sprintf(escape, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            sprintf(escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < ' ' || c == 0x7f || (c > 0x7f && !tl_jprintable(c)))
            sprintf(escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
        else
            continue;
        TL_TRY(tl_jtext_add(x, t, s->bytes + from, i - from));
        TL_TRY(tl_jtext_c(x, t, escape));
        from = i + n;
    }
    TL_TRY(tl_jtext_add(x, t, &quote, 1));
    return tl_jtext_c(x, t, s->markup ? ")" : "");
}

/* ---- everything ---- */

static int repr_items(tl_jinja *x, tl_jtext *t, const tl_jlist *l, bool tuple)
{
    TL_TRY(tl_jtext_c(x, t, tuple ? "(" : "["));
    for (size_t i = 0; i < l->n; i++) {
        if (i) TL_TRY(tl_jtext_c(x, t, ", "));
        TL_TRY(tl_jtext_repr(x, t, l->items[i]));
    }
    return tl_jtext_c(x, t, tuple ? (l->n == 1 ? ",)" : ")") : "]");
}

static int repr_dict(tl_jinja *x, tl_jtext *t, const tl_jdict *d)
{
    TL_TRY(tl_jtext_c(x, t, "{"));
    for (size_t i = 0; i < d->n; i++) {
        if (i) TL_TRY(tl_jtext_c(x, t, ", "));
        TL_TRY(tl_jtext_repr(x, t, d->entries[i].key));
        TL_TRY(tl_jtext_c(x, t, ": "));
        TL_TRY(tl_jtext_repr(x, t, d->entries[i].value));
    }
    return tl_jtext_c(x, t, "}");
}

static int repr_view(tl_jinja *x, tl_jtext *t, tl_jvalue v)
{
    char what = v.as.v->what;
    tl_jlist *items = NULL;
    TL_TRY(tl_jto_list(x, v, &items));
    TL_TRY(tl_jtext_c(x, t, what == 'k' ? "dict_keys(" : what == 'v' ? "dict_values(" : "dict_items("));
    TL_TRY(repr_items(x, t, items, false));
    return tl_jtext_c(x, t, ")");
}

static int repr_inside(tl_jinja *x, tl_jtext *t, tl_jvalue v)
{
    char text[100];
    size_t n;
    switch (v.type) {
    case TL_J_NONE:
        return tl_jtext_c(x, t, "None");
    case TL_J_BOOL:
        return tl_jtext_c(x, t, v.as.b ? "True" : "False");
    case TL_J_INT:
        sprintf(text, "%lld", (long long)v.as.i);
        return tl_jtext_c(x, t, text);
    case TL_J_FLOAT:
        tl_jfloat_repr(v.as.f, text);
        return tl_jtext_c(x, t, text);
    case TL_J_STR:
        return repr_string(x, t, v.as.s);
    case TL_J_LIST:
    case TL_J_TUPLE:
        return repr_items(x, t, v.as.l, v.type == TL_J_TUPLE);
    case TL_J_DICT:
        return repr_dict(x, t, v.as.d);
    case TL_J_NAMESPACE:
        TL_TRY(tl_jtext_c(x, t, "<TemplateNamespace "));
        TL_TRY(repr_dict(x, t, v.as.d));
        return tl_jtext_c(x, t, ">");
    case TL_J_VIEW:
        return repr_view(x, t, v);
    case TL_J_RANGE: {
        const tl_jrange *r = v.as.r;
        n = (size_t)sprintf(text, "range(%lld, %lld", (long long)r->start, (long long)r->stop);
        if (r->step != 1) n += (size_t)sprintf(text + n, ", %lld", (long long)r->step);
        strcpy(text + n, ")");
        return tl_jtext_c(x, t, text);
    }
    case TL_J_UNDEFINED:
        return tl_jtext_c(x, t, "Undefined");
    case TL_J_LOOP:
        TL_TRY(tl_jloop_length(x, v.as.loop, &n));
        sprintf(text, "<LoopContext %zu/%zu>", v.as.loop->index0 + 1, n);
        return tl_jtext_c(x, t, text);
    case TL_J_MACRO:
        return tl_jmacro_show(x, t, v.as.m);
    default: /* Python writes an address, which is of no use to a model */
        return tl_jfail(x, TL_EDATA, "%s is written, which has no text%s", tl_jtype_name(v),
                        v.type == TL_J_ITERATOR ? "; behind |list it has" : "");
    }
}

int tl_jtext_repr(tl_jinja *x, tl_jtext *t, tl_jvalue v)
{
    TL_TRY(tl_jsteps(x, 1));
    TL_TRY(tl_jenter(x));
    int rc = repr_inside(x, t, v);
    tl_jleave(x);
    return rc;
}

int tl_jtext_value(tl_jinja *x, tl_jtext *t, tl_jvalue v)
{
    if (v.type == TL_J_STR) return tl_jtext_add(x, t, v.as.s->bytes, v.as.s->size);
    if (v.type == TL_J_UNDEFINED) return 0;
    return tl_jtext_repr(x, t, v);
}

int tl_jstring(tl_jinja *x, tl_jvalue v, tl_jstr **out)
{
    tl_jtext t = { 0 };
    if (v.type != TL_J_STR) {
        TL_TRY(tl_jtext_value(x, &t, v));
        TL_TRY(tl_jtext_done(x, &t, &v));
    }
    *out = v.as.s;
    return 0;
}
