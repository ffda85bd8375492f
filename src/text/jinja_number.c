/* jinja_number.c - arithmetic: Python's, with whole numbers of 64 bits, past which it fails. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const signs[] = {
    [TL_JADD] = "+",       [TL_JSUB] = "-", [TL_JMUL] = "*",  [TL_JDIV] = "/",
    [TL_JFLOORDIV] = "//", [TL_JMOD] = "%", [TL_JPOW] = "**",
};

static bool is_whole(tl_jvalue v)
{
    return v.type == TL_J_INT || v.type == TL_J_BOOL;
}

static bool is_number(tl_jvalue v)
{
    return is_whole(v) || v.type == TL_J_FLOAT;
}

bool tl_jindex(tl_jvalue v, int64_t *out)
{
    if (!is_whole(v)) return false;
    *out = v.type == TL_J_BOOL ? v.as.b : v.as.i;
    return true;
}

static int64_t whole(tl_jvalue v)
{
    int64_t i = 0;
    tl_jindex(v, &i);
    return i;
}

static double real(tl_jvalue v)
{
    return v.type == TL_J_FLOAT ? v.as.f : (double)whole(v);
}

static int too_large(tl_jinja *x, int op)
{
    return tl_jfail(x, TL_EDATA, "the result of '%s' does not fit in 64 bits", signs[op]);
}

static int zero(tl_jinja *x, int op)
{
    return tl_jfail(x, TL_EDATA, "'%s' by zero", signs[op]);
}

/* ---- whole numbers ---- */

static int power_whole(tl_jinja *x, int64_t a, int64_t b, tl_jvalue *out)
{
    int64_t r = 1;
    while (b > 0) {
        if (b & 1 && __builtin_mul_overflow(r, a, &r)) return too_large(x, TL_JPOW);
        b >>= 1;
        if (b && __builtin_mul_overflow(a, a, &a)) return too_large(x, TL_JPOW);
    }
    *out = tl_jint(r);
    return 0;
}

static int real_result(tl_jinja *x, int op, double f, bool finite, tl_jvalue *out)
{
    if (finite && isinf(f)) return tl_jfail(x, TL_EDATA, "the result of '%s' is too large for a float", signs[op]);
    *out = tl_jfloat(f);
    return 0;
}

static bool exact(int64_t a)
{
    return a >= -((int64_t)1 << 53) && a <= (int64_t)1 << 53;
}

/* a / b to the nearest float; of numbers past 2^53 a long double keeps all 64 bits. */
static int divide_whole(tl_jinja *x, int64_t a, int64_t b, tl_jvalue *out)
{
    if (b == 0) return zero(x, TL_JDIV);
    *out = tl_jfloat(exact(a) && exact(b) ? (double)a / (double)b : (double)((long double)a / (long double)b));
    return 0;
}

static int whole_by_whole(tl_jinja *x, int op, int64_t a, int64_t b, tl_jvalue *out)
{
    int64_t r;
    switch (op) {
    case TL_JADD:
        if (__builtin_add_overflow(a, b, &r)) return too_large(x, op);
        break;
    case TL_JSUB:
        if (__builtin_sub_overflow(a, b, &r)) return too_large(x, op);
        break;
    case TL_JMUL:
        if (__builtin_mul_overflow(a, b, &r)) return too_large(x, op);
        break;
    case TL_JDIV:
        return divide_whole(x, a, b, out);
    case TL_JFLOORDIV:
    case TL_JMOD:
        if (b == 0) return zero(x, op);
        if (b == -1 && a == INT64_MIN) {
            if (op == TL_JFLOORDIV) return too_large(x, op);
            r = 0;
            break;
        }
        /* Towards minus infinity, the remainder with the sign of b. */
        if (op == TL_JFLOORDIV)
            r = a / b - (a % b != 0 && (a < 0) != (b < 0));
        else
            r = a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);
        break;
    default:
        if (b >= 0) return power_whole(x, a, b, out);
        if (a == 0) return zero(x, op);
        return real_result(x, op, pow((double)a, (double)b), true, out);
    }
    *out = tl_jint(r);
    return 0;
}

/* ---- floats ---- */

static void floor_divide(double a, double b, double *quotient, double *remainder)
{
    double m = fmod(a, b), q = (a - m) / b;
    if (m != 0) {
        if ((b < 0) != (m < 0)) {
            m += b;
            q -= 1;
        }
    } else {
        m = copysign(0, b);
    }
    double f = q != 0 ? floor(q) : copysign(0, a / b);
    if (q != 0 && q - f > 0.5) f += 1;
    *quotient = f;
    *remainder = m;
}

static int real_by_real(tl_jinja *x, int op, double a, double b, tl_jvalue *out)
{
    double q = 0, m = 0;
    bool finite = isfinite(a) && isfinite(b);
    switch (op) {
    case TL_JADD:
        return real_result(x, op, a + b, false, out);
    case TL_JSUB:
        return real_result(x, op, a - b, false, out);
    case TL_JMUL:
        return real_result(x, op, a * b, false, out);
    case TL_JDIV:
        if (b == 0) return zero(x, op);
        return real_result(x, op, a / b, false, out);
    case TL_JFLOORDIV:
    case TL_JMOD:
        if (b == 0) return zero(x, op);
        floor_divide(a, b, &q, &m);
        return real_result(x, op, op == TL_JMOD ? m : q, false, out);
    default:
        if (a == 0 && b < 0) return zero(x, op);
        if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
            return tl_jfail(x, TL_EDATA, "a negative number to a broken power is no real number");
        return real_result(x, op, pow(a, b), finite, out);
    }
}

/* ---- sequences ---- */

static int join_lists(tl_jinja *x, tl_jvalue a, tl_jvalue b, tl_jvalue *out)
{
    tl_jlist *l = NULL;
    TL_TRY(tl_jlist_new(x, a.as.l->n + b.as.l->n, &l));
    if (a.as.l->n) memcpy(l->items, a.as.l->items, a.as.l->n * sizeof *l->items);
    if (b.as.l->n) memcpy(l->items + a.as.l->n, b.as.l->items, b.as.l->n * sizeof *l->items);
    *out = tl_jof(a.type, l);
    return 0;
}

static int join_strings(tl_jinja *x, tl_jvalue a, tl_jvalue b, tl_jvalue *out)
{
    bool markup = a.as.s->markup || b.as.s->markup;
    if (markup) {
        TL_TRY(tl_jescape(x, a, &a));
        TL_TRY(tl_jescape(x, b, &b));
    }
    TL_TRY(tl_jstr_join(x, a.as.s, b.as.s, out));
    out->as.s->markup = markup;
    return 0;
}

static int repeat(tl_jinja *x, tl_jvalue v, int64_t times, tl_jvalue *out)
{
    size_t n = v.type == TL_J_STR ? v.as.s->size : v.as.l->n, total;
    if (times < 0) times = 0;
    if (__builtin_mul_overflow(n, (uint64_t)times, &total))
        return tl_jfail(x, TL_EDATA, "a %s repeated more often than there is memory for", tl_jtype_name(v));
    if (v.type != TL_J_STR) {
        tl_jlist *l = NULL;
        TL_TRY(tl_jlist_new(x, total, &l));
        for (size_t i = 0; i < total; i++) l->items[i] = v.as.l->items[i % n];
        *out = tl_jof(v.type, l);
        return 0;
    }
    char *data = tl_jtake(x, total);
    if (!data) return TL_ENOMEM;
    TL_TRY(tl_jbytes(x, total));
    for (size_t done = 0; done < total;) { /* what is there doubles */
        size_t k = done ? (done < total - done ? done : total - done) : n;
        memcpy(data + done, done ? data : v.as.s->bytes, k);
        done += k;
    }
    TL_TRY(tl_jstr_wrap(x, data, total, out));
    out->as.s->markup = v.as.s->markup;
    return 0;
}

int tl_jarithmetic(tl_jinja *x, int op, tl_jvalue a, tl_jvalue b, tl_jvalue *out)
{
    if (is_whole(a) && is_whole(b)) return whole_by_whole(x, op, whole(a), whole(b), out);
    if (is_number(a) && is_number(b)) return real_by_real(x, op, real(a), real(b), out);
    if (a.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a);
    if (op == TL_JMOD && a.type == TL_J_STR) return tl_jprintf(x, a.as.s, b, out);
    if (b.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, b);
    if (op == TL_JADD && a.type == TL_J_STR && b.type == TL_J_STR) return join_strings(x, a, b, out);
    bool sequence = a.type == TL_J_LIST || a.type == TL_J_TUPLE;
    if (op == TL_JADD && sequence && a.type == b.type) return join_lists(x, a, b, out);
    if (op == TL_JMUL && (sequence || a.type == TL_J_STR) && is_whole(b)) return repeat(x, a, whole(b), out);
    if (op == TL_JMUL && is_whole(a) && (b.type == TL_J_STR || b.type == TL_J_LIST || b.type == TL_J_TUPLE))
        return repeat(x, b, whole(a), out);
    return tl_jfail(x, TL_EDATA, "'%s' is between %s and %s, which it does not join", signs[op], tl_jtype_name(a),
                    tl_jtype_name(b));
}

int tl_jnegate(tl_jinja *x, tl_jvalue a, tl_jvalue *out)
{
    if (a.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a);
    if (a.type == TL_J_FLOAT) {
        *out = tl_jfloat(-a.as.f);
        return 0;
    }
    if (!is_whole(a)) return tl_jfail(x, TL_EDATA, "'-' is in front of %s, wanted is a number", tl_jtype_name(a));
    if (whole(a) == INT64_MIN) return too_large(x, TL_JSUB);
    *out = tl_jint(-whole(a));
    return 0;
}

int tl_jplus(tl_jinja *x, tl_jvalue a, tl_jvalue *out)
{
    if (a.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a);
    if (!is_number(a)) return tl_jfail(x, TL_EDATA, "'+' is in front of %s, wanted is a number", tl_jtype_name(a));
    *out = a.type == TL_J_FLOAT ? a : tl_jint(whole(a));
    return 0;
}

/* ---- numbers in text ---- */

int tl_jfloat_to_int(tl_jinja *x, double f, int64_t *out)
{
    if (isnan(f) || isinf(f)) return tl_jfail(x, TL_EDATA, "%s is no whole number", isnan(f) ? "nan" : "infinity");
    if (!(f >= -TL_J_2_63 && f < TL_J_2_63)) return tl_jfail(x, TL_EDATA, "the number %g does not fit in 64 bits", f);
    *out = (int64_t)f;
    return 0;
}

/* s without space around and underscores between digits, NUL-terminated, in lower case; *ok: the underscores are where
 * they may be. */
static int plain_number(tl_jinja *x, const tl_jstr *s, char **out, bool *ok)
{
    size_t from, to, n = 0;
    tl_jstrip(s, NULL, 'b', &from, &to);
    TL_TRY(tl_jbytes(x, s->size));
    char *plain = *out = tl_jtake(x, to - from + 1);
    if (!plain) return TL_ENOMEM;
    *ok = to > from;
    for (size_t i = from; i < to; i++) {
        char c = s->bytes[i];
        bool between = i > from && i + 1 < to && isalnum((unsigned char)s->bytes[i - 1]) &&
                       isalnum((unsigned char)s->bytes[i + 1]);
        if (c == '\0') *ok = false;
        if (c == '_' && between) continue;
        if (c == '_') *ok = false;
        plain[n++] = (char)tolower((unsigned char)c);
    }
    plain[n] = '\0';
    return 0;
}

int tl_jparse_int(tl_jinja *x, const tl_jstr *s, int base, int64_t *out, bool *ok)
{
    char *text = NULL;
    TL_TRY(plain_number(x, s, &text, ok));
    if (base < 0 || base == 1 || base > 36) *ok = false;
    if (!*ok) return 0;
    char *digits = text + (*text == '-' || *text == '+'), *end = NULL;
    int prefix = digits[0] != '0' ? 0 : digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : digits[1] == 'b' ? 2 : 0;
    bool negative = *text == '-';
    if (prefix && (base == 0 || base == prefix)) {
        digits += 2;
        base = prefix;
    } else if (base == 0) {
        base = 10;
        if (digits[0] == '0' && digits[strspn(digits, "0")]) *ok = false; /* "010" could be meant in base 8 */
    }
    if (!isalnum((unsigned char)*digits)) *ok = false;
    if (!*ok) return 0;
    errno = 0;
    if (prefix == 0 && base == 16 && digits[0] == '0' && digits[1] == 'x') return *ok = false, 0;
    /* The sign goes along, so that the lowest number is read. */
    char *signed_digits = digits;
    if (negative) *--signed_digits = '-';
    *out = strtoll(signed_digits, &end, base);
    *ok = *end == '\0' && end > digits;
    if (*ok && errno == ERANGE) return tl_jfail(x, TL_EDATA, "the number %.60s does not fit in 64 bits", text);
    return 0;
}

int tl_jparse_float(tl_jinja *x, const tl_jstr *s, double *out, bool *ok)
{
    char *text = NULL, *end = NULL;
    TL_TRY(plain_number(x, s, &text, ok));
    if (!*ok) return 0;
    const char *digits = text + (*text == '-' || *text == '+');
    bool word = !strcmp(digits, "inf") || !strcmp(digits, "infinity") || !strcmp(digits, "nan");
    if (!word && strspn(digits, "0123456789.e+-") != strlen(digits)) return *ok = false, 0;
    *out = strtod(text, &end);
    *ok = end > text && *end == '\0';
    return 0;
}
