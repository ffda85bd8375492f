/* jinja_json.c - tojson: what Python's json.dumps writes. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int write_string(tl_jinja *x, const tl_jjson *o, const tl_jstr *s, tl_jtext *t)
{
    size_t from = 0;
    TL_TRY(tl_jtext_add(x, t, "\"", 1));
    for (size_t i = 0, n; i < s->size; i += n) {
        unsigned char c = (unsigned char)s->bytes[i];
        char escape[16];
        n = 1;
        if (c >= ' ' && c != '"' && c != '\\' && c < 0x80) continue;
        if (c >= 0x80) {
            int u = tl_jchar(s->bytes + i, &n);
            if (!o->ensure_ascii) continue;
            if (u < 0x10000)
                sprintf(escape, "\\u%04x", (unsigned)u);
            else
                sprintf(escape, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((u - 0x10000) >> 10)),
                        (unsigned)(0xdc00 + (u & 0x3ff)));
        } else {
            static const char from_c[] = "\"\\\n\r\t\f\b", to_c[] = "\"\\nrtfb";
            const char *known = c ? strchr(from_c, c) : NULL;
            sprintf(escape, known ? "\\%c" : "\\u%04x", known ? (unsigned)to_c[known - from_c] : c);
        }
        TL_TRY(tl_jtext_add(x, t, s->bytes + from, i - from));
        TL_TRY(tl_jtext_c(x, t, escape));
        from = i + n;
    }
    TL_TRY(tl_jtext_add(x, t, s->bytes + from, s->size - from));
    return tl_jtext_add(x, t, "\"", 1);
}

static int write_float(tl_jinja *x, double f, tl_jtext *t)
{
    char text[40];
    tl_jfloat_repr(f, text);
    return tl_jtext_c(x, t, isnan(f) ? "NaN" : isinf(f) ? (f > 0 ? "Infinity" : "-Infinity") : text);
}

static int line(tl_jinja *x, const tl_jjson *o, int level, tl_jtext *t)
{
    if (!o->indented) return 0;
    TL_TRY(tl_jtext_c(x, t, "\n"));
    for (int i = 0; i < level; i++) TL_TRY(tl_jtext_add(x, t, o->indent->bytes, o->indent->size));
    return 0;
}

static int between(tl_jinja *x, const tl_jjson *o, int level, bool first, tl_jtext *t)
{
    if (!first && o->item) TL_TRY(tl_jtext_add(x, t, o->item->bytes, o->item->size));
    if (!first && !o->item) TL_TRY(tl_jtext_c(x, t, o->indented ? "," : ", "));
    return line(x, o, level, t);
}

static int write(tl_jinja *x, const tl_jjson *o, tl_jvalue v, int level, tl_jtext *t);

static int write_list(tl_jinja *x, const tl_jjson *o, const tl_jlist *l, int level, tl_jtext *t)
{
    if (l->n == 0) return tl_jtext_c(x, t, "[]");
    TL_TRY(tl_jtext_c(x, t, "["));
    for (size_t i = 0; i < l->n; i++) {
        TL_TRY(between(x, o, level + 1, i == 0, t));
        TL_TRY(write(x, o, l->items[i], level + 1, t));
    }
    TL_TRY(line(x, o, level, t));
    return tl_jtext_c(x, t, "]");
}

/* Keys are strings, or numbers, true, false and null written as such. */
static int write_key(tl_jinja *x, const tl_jjson *o, tl_jvalue key, tl_jtext *t)
{
    tl_jtext text = { 0 };
    switch (key.type) {
    case TL_J_STR:
        return write_string(x, o, key.as.s, t);
    case TL_J_NONE:
    case TL_J_BOOL:
    case TL_J_INT:
    case TL_J_FLOAT:
        TL_TRY(write(x, o, key, 0, &text));
        TL_TRY(tl_jtext_c(x, t, "\""));
        TL_TRY(tl_jtext_add(x, t, text.data, text.size));
        return tl_jtext_c(x, t, "\"");
    default:
        return tl_jfail(x, TL_EDATA, "tojson(): a key is %s, wanted is a str or number", tl_jtype_name(key));
    }
}

static int write_dict(tl_jinja *x, const tl_jjson *o, const tl_jdict *d, int level, tl_jtext *t)
{
    if (d->n == 0) return tl_jtext_c(x, t, "{}");
    tl_jvalue *keys = tl_jtake_n(x, d->n, 2 * sizeof *keys);
    if (!keys) return TL_ENOMEM;
    for (size_t i = 0; i < d->n; i++) {
        keys[i] = d->entries[i].key;
        keys[d->n + i] = d->entries[i].value;
    }
    if (o->sort_keys) TL_TRY(tl_jsort(x, keys + d->n, keys, d->n, false));
    TL_TRY(tl_jtext_c(x, t, "{"));
    for (size_t i = 0; i < d->n; i++) {
        TL_TRY(between(x, o, level + 1, i == 0, t));
        TL_TRY(write_key(x, o, keys[i], t));
        TL_TRY(o->key ? tl_jtext_add(x, t, o->key->bytes, o->key->size) : tl_jtext_c(x, t, ": "));
        TL_TRY(write(x, o, keys[d->n + i], level + 1, t));
    }
    TL_TRY(line(x, o, level, t));
    return tl_jtext_c(x, t, "}");
}

static int write(tl_jinja *x, const tl_jjson *o, tl_jvalue v, int level, tl_jtext *t)
{
    int rc;
    TL_TRY(tl_jsteps(x, 1));
    switch (v.type) {
    case TL_J_NONE:
        return tl_jtext_c(x, t, "null");
    case TL_J_BOOL:
        return tl_jtext_c(x, t, v.as.b ? "true" : "false");
    case TL_J_INT:
        return tl_jtext_value(x, t, v);
    case TL_J_FLOAT:
        return write_float(x, v.as.f, t);
    case TL_J_STR:
        return write_string(x, o, v.as.s, t);
    case TL_J_LIST:
    case TL_J_TUPLE:
    case TL_J_DICT:
        TL_TRY(tl_jenter(x));
        rc = v.type == TL_J_DICT ? write_dict(x, o, v.as.d, level, t) : write_list(x, o, v.as.l, level, t);
        tl_jleave(x);
        return rc;
    case TL_J_UNDEFINED:
        if (v.as.u->hint == NULL && v.as.u->name.type == TL_J_STR)
            return tl_jfail(x, TL_EDATA, "tojson(): '%.*s' is undefined", (int)v.as.u->name.as.s->size,
                            v.as.u->name.as.s->bytes);
        /* fall through */
    default:
        return tl_jfail(x, TL_EDATA, "tojson(): %s has no form in JSON", tl_jtype_name(v));
    }
}

int tl_jjson_print(tl_jinja *x, const tl_jjson *o, tl_jvalue v, tl_jtext *to)
{
    return write(x, o, v, 0, to);
}
