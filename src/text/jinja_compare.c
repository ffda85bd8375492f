/* jinja_compare.c - truth, equality, order, membership, hashes and sorting, as Python has them. */
#define _GNU_SOURCE /* memmem */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <math.h>
#include <string.h>

static bool is_number(tl_jvalue v)
{
    return v.type == TL_J_BOOL || v.type == TL_J_INT || v.type == TL_J_FLOAT;
}

static int64_t whole(tl_jvalue v)
{
    return v.type == TL_J_BOOL ? v.as.b : v.as.i;
}

int tl_jtrue(tl_jinja *x, tl_jvalue v, bool *out)
{
    size_t n = 1;
    switch (v.type) {
    case TL_J_MISSING:
    case TL_J_UNDEFINED:
    case TL_J_NONE:
        n = 0;
        break;
    case TL_J_BOOL:
    case TL_J_INT:
        n = whole(v) != 0;
        break;
    case TL_J_FLOAT:
        n = v.as.f != 0;
        break;
    case TL_J_STR:
        n = v.as.s->size;
        break;
    default:
        if (tl_jhas_length(v)) TL_TRY(tl_jlength(x, v, &n));
    }
    *out = n != 0;
    return 0;
}

bool tl_jsame(tl_jvalue a, tl_jvalue b)
{
    if (a.type != b.type) return false;
    switch (a.type) {
    case TL_J_MISSING:
    case TL_J_NONE:
        return true;
    case TL_J_BOOL:
        return a.as.b == b.as.b;
    case TL_J_INT:
        return a.as.i == b.as.i;
    case TL_J_FLOAT:
        return a.as.f == b.as.f;
    case TL_J_STR: /* equal short strings are mostly one object in Python */
        return a.as.s == b.as.s || (a.as.s->bytes == b.as.s->bytes && a.as.s->size == b.as.s->size);
    case TL_J_FUNCTION:
        return a.as.fn->builtin == b.as.fn->builtin && tl_jsame(a.as.fn->self, b.as.fn->self);
    default:
        return a.as.any == b.as.any;
    }
}

/* -1, 0, 1 and 2 where one is not a number: exact, also where the whole one has more digits than a double. */
static int compare_numbers(tl_jvalue a, tl_jvalue b)
{
    if (a.type != TL_J_FLOAT && b.type != TL_J_FLOAT) return whole(a) < whole(b) ? -1 : whole(a) > whole(b);
    if (a.type == TL_J_FLOAT && b.type == TL_J_FLOAT) {
        double p = a.as.f, q = b.as.f;
        return isnan(p) || isnan(q) ? 2 : p < q ? -1 : p > q;
    }
    if (a.type == TL_J_FLOAT) {
        int r = compare_numbers(b, a);
        return r == 2 ? 2 : -r;
    }
    double q = b.as.f;
    if (isnan(q)) return 2;
    if (q >= TL_J_2_63) return -1;
    if (q < -TL_J_2_63) return 1;
    int64_t p = whole(a), floor_q = (int64_t)floor(q);
    return p < floor_q ? -1 : p > floor_q ? 1 : q > floor(q) ? -1 : 0;
}

static int compare_strings(tl_jinja *x, const tl_jstr *a, const tl_jstr *b, int *out)
{
    size_t n = a->size < b->size ? a->size : b->size;
    TL_TRY(tl_jbytes(x, n));
    int r = n ? memcmp(a->bytes, b->bytes, n) : 0; /* the order of UTF-8's bytes is that of its characters */
    *out = r ? (r < 0 ? -1 : 1) : a->size < b->size ? -1 : a->size > b->size;
    return 0;
}

/* ---- equality ---- */

static int equal_items(tl_jinja *x, const tl_jlist *a, const tl_jlist *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) TL_TRY(tl_jequal(x, a->items[i], b->items[i], out));
    return 0;
}

static int equal_dicts(tl_jinja *x, const tl_jdict *a, const tl_jdict *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        tl_jvalue v;
        TL_TRY(tl_jdict_get(x, b, a->entries[i].key, &v));
        if (v.type == TL_J_MISSING)
            *out = false;
        else
            TL_TRY(tl_jequal(x, a->entries[i].value, v, out));
    }
    return 0;
}

static int equal_ranges(const tl_jrange *a, const tl_jrange *b)
{
    return a->n == b->n && (a->n == 0 || a->start == b->start) && (a->n < 2 || a->step == b->step);
}

static int equal_deep(tl_jinja *x, tl_jvalue a, tl_jvalue b, bool *out)
{
    TL_TRY(tl_jenter(x));
    int rc = a.type == TL_J_DICT ? equal_dicts(x, a.as.d, b.as.d, out) : equal_items(x, a.as.l, b.as.l, out);
    tl_jleave(x);
    return rc;
}

int tl_jequal(tl_jinja *x, tl_jvalue a, tl_jvalue b, bool *out)
{
    TL_TRY(tl_jsteps(x, 1));
    *out = false;
    if (is_number(a) && is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return 0;
    }
    if (a.type != b.type) return 0;
    switch (a.type) {
    case TL_J_UNDEFINED:
        *out = true;
        return 0;
    case TL_J_STR:
        if (a.as.s->size != b.as.s->size) return 0;
        TL_TRY(tl_jbytes(x, a.as.s->size));
        *out = a.as.s->bytes == b.as.s->bytes || memcmp(a.as.s->bytes, b.as.s->bytes, a.as.s->size) == 0;
        return 0;
    case TL_J_LIST:
    case TL_J_TUPLE:
    case TL_J_DICT:
        if (tl_jsame(a, b)) {
            *out = true;
            return 0;
        }
        return equal_deep(x, a, b, out);
    case TL_J_RANGE:
        *out = equal_ranges(a.as.r, b.as.r);
        return 0;
    default:
        *out = tl_jsame(a, b);
        return 0;
    }
}

/* ---- order ---- */

static bool holds(int op, int r)
{
    return op == TL_JLESS ? r < 0 : op == TL_JLESS_EQ ? r <= 0 : op == TL_JMORE ? r > 0 : r >= 0;
}

static int order_items(tl_jinja *x, int op, const tl_jlist *a, const tl_jlist *b, bool *out)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool equal;
        TL_TRY(tl_jequal(x, a->items[i], b->items[i], &equal));
        if (!equal) return tl_jorder(x, op, a->items[i], b->items[i], out);
    }
    *out = holds(op, a->n < b->n ? -1 : a->n > b->n);
    return 0;
}

int tl_jorder(tl_jinja *x, int op, tl_jvalue a, tl_jvalue b, bool *out)
{
    static const char *const signs[] = {
        [TL_JLESS] = "<", [TL_JLESS_EQ] = "<=", [TL_JMORE] = ">", [TL_JMORE_EQ] = ">="
    };
    TL_TRY(tl_jsteps(x, 1));
    if (is_number(a) && is_number(b)) {
        int r = compare_numbers(a, b);
        *out = r != 2 && holds(op, r);
        return 0;
    }
    if (a.type == TL_J_STR && b.type == TL_J_STR) {
        int r;
        TL_TRY(compare_strings(x, a.as.s, b.as.s, &r));
        *out = holds(op, r);
        return 0;
    }
    if (a.type == b.type && (a.type == TL_J_LIST || a.type == TL_J_TUPLE)) {
        TL_TRY(tl_jenter(x));
        int rc = order_items(x, op, a.as.l, b.as.l, out);
        tl_jleave(x);
        return rc;
    }
    if (a.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, a);
    if (b.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, b);
    return tl_jfail(x, TL_EDATA, "'%s' is between %s and %s, which have no order", signs[op], tl_jtype_name(a),
                    tl_jtype_name(b));
}

/* ---- membership ---- */

static int contained(tl_jinja *x, tl_jvalue item, tl_jvalue in, bool *out)
{
    tl_jiter *it = NULL;
    *out = false;
    TL_TRY(tl_jiterate(x, in, &it));
    for (;;) {
        tl_jvalue v;
        TL_TRY(tl_jnext(x, it, &v));
        if (v.type == TL_J_MISSING) return 0;
        *out = tl_jsame(v, item);
        if (!*out) TL_TRY(tl_jequal(x, v, item, out));
        if (*out) return 0;
    }
}

int tl_jcontains(tl_jinja *x, tl_jvalue item, tl_jvalue in, bool *out)
{
    tl_jvalue found;
    switch (in.type) {
    case TL_J_STR:
        if (item.type != TL_J_STR)
            return tl_jfail(x, TL_EDATA, "'in' a str wants a str, found is %s", tl_jtype_name(item));
        TL_TRY(tl_jbytes(x, in.as.s->size));
        *out = item.as.s->size == 0 || memmem(in.as.s->bytes, in.as.s->size, item.as.s->bytes, item.as.s->size) != NULL;
        return 0;
    case TL_J_DICT:
        TL_TRY(tl_jdict_get(x, in.as.d, item, &found));
        *out = found.type != TL_J_MISSING;
        return 0;
    case TL_J_VIEW:
        if (in.as.v->what != 'k') return contained(x, item, in, out);
        return tl_jcontains(x, item, tl_jof(TL_J_DICT, in.as.v->d), out);
    case TL_J_RANGE:
        if (item.type == TL_J_INT || item.type == TL_J_BOOL) {
            const tl_jrange *r = in.as.r;
            /* The distance may not fit in 64 bits with a sign, but does in those without. */
            uint64_t step = r->step > 0 ? (uint64_t)r->step : 0 - (uint64_t)r->step;
            bool beyond = r->step > 0 ? whole(item) < r->start : whole(item) > r->start;
            uint64_t off =
                r->step > 0 ? (uint64_t)whole(item) - (uint64_t)r->start : (uint64_t)r->start - (uint64_t)whole(item);
            *out = !beyond && off % step == 0 && off / step < r->n;
            return 0;
        }
        return contained(x, item, in, out);
    default:
        return contained(x, item, in, out);
    }
}

/* ---- hashes ---- */

/* FNV-1a with a last mix; never 0. */
uint32_t tl_jhash_bytes(const char *bytes, size_t size)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    uint32_t r = (uint32_t)(h ^ h >> 32);
    return r ? r : 1;
}

static uint32_t hash_whole(int64_t i)
{
    uint64_t h = (uint64_t)i * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

int tl_jhash(tl_jinja *x, tl_jvalue v, uint32_t *out)
{
    double f = v.type == TL_J_FLOAT ? v.as.f : 0;
    uint64_t bits = 0;
    switch (v.type) {
    case TL_J_STR:
        if (v.as.s->hash == 0) {
            TL_TRY(tl_jbytes(x, v.as.s->size));
            v.as.s->hash = tl_jhash_bytes(v.as.s->bytes, v.as.s->size);
        }
        *out = v.as.s->hash;
        return 0;
    case TL_J_BOOL:
    case TL_J_INT:
        *out = hash_whole(whole(v));
        return 0;
    case TL_J_FLOAT: /* 1.0 is the key 1 */
        if (f >= -TL_J_2_63 && f < TL_J_2_63 && f == floor(f)) {
            *out = hash_whole((int64_t)f);
            return 0;
        }
        memcpy(&bits, &f, sizeof bits);
        *out = hash_whole((int64_t)bits);
        return 0;
    case TL_J_TUPLE: {
        uint32_t h = 17;
        TL_TRY(tl_jenter(x));
        for (size_t i = 0; i < v.as.l->n; i++) {
            uint32_t one = 0;
            TL_TRY(tl_jhash(x, v.as.l->items[i], &one));
            h = h * 31 + one;
        }
        tl_jleave(x);
        *out = h;
        return tl_jsteps(x, 1);
    }
    case TL_J_LIST:
    case TL_J_DICT:
    case TL_J_VIEW:
        return tl_jfail(x, TL_EDATA, "%s cannot be a key", tl_jtype_name(v));
    case TL_J_UNDEFINED:
    case TL_J_NONE:
        *out = (uint32_t)v.type;
        return 0;
    case TL_J_RANGE:
        *out = hash_whole((int64_t)v.as.r->n);
        return 0;
    case TL_J_FUNCTION:
        *out = hash_whole((int64_t)(uintptr_t)v.as.fn->builtin);
        return 0;
    default:
        *out = hash_whole((int64_t)(uintptr_t)v.as.any);
        return 0;
    }
}

/* ---- sorting ---- */

/* Merge order[from .. to) by its keys; a comparison that fails ends it. */
static int merge_sort(tl_jinja *x, const tl_jvalue *keys, size_t *order, size_t *spare, size_t n, bool reverse)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t middle = from + width < n ? from + width : n, to = from + 2 * width < n ? from + 2 * width : n;
            size_t a = from, b = middle;
            for (size_t k = from; k < to; k++) {
                bool right = a == middle;
                if (!right && b < to) {
                    tl_jvalue p = keys[order[a]], q = keys[order[b]];
                    TL_TRY(reverse ? tl_jorder(x, TL_JLESS, p, q, &right) : tl_jorder(x, TL_JLESS, q, p, &right));
                }
                spare[k] = right ? order[b++] : order[a++];
            }
        }
        memcpy(order, spare, n * sizeof *order);
    }
    return 0;
}

int tl_jsort(tl_jinja *x, tl_jvalue *items, tl_jvalue *keys, size_t n, bool reverse)
{
    size_t *order = tl_jtake_n(x, n, 2 * sizeof *order);
    tl_jvalue *sorted = tl_jtake_n(x, n, 2 * sizeof *sorted);
    if (!order || !sorted) return TL_ENOMEM;
    for (size_t i = 0; i < n; i++) order[i] = i;
    TL_TRY(merge_sort(x, keys, order, order + n, n, reverse));
    for (size_t i = 0; i < n; i++) {
        sorted[i] = items[order[i]];
        sorted[n + i] = keys[order[i]];
    }
    if (n) memcpy(items, sorted, n * sizeof *items);
    if (n && keys != items) memcpy(keys, sorted + n, n * sizeof *keys);
    return 0;
}
