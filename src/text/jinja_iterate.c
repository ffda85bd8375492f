/* jinja_iterate.c - walking values: the items of a list, the characters of a string, the keys of a dict, what a filter
 * makes as it is asked.  An iterator is used up by whoever walks it, as in Python. */
#include "text/jinja.h"

#include <assert.h>
#include <string.h>

struct tl_jiter {
    tl_jvalue over; /* what is walked; MISSING: next makes the items */
    bool pending;   /* over is still to be asked for its iterator */
    size_t at;      /* of the next item, byte of a string */
    tl_jnext_fn *next;
    void *state;
    tl_jiter *inner; /* pending, and then found */
    bool ended;
    int depth; /* of iterators that draw from one another */
};

enum {
    DEPTH_MAX = 200
};

bool tl_jiterable(tl_jvalue v)
{
    switch (v.type) {
    case TL_J_UNDEFINED:
    case TL_J_STR:
    case TL_J_LIST:
    case TL_J_TUPLE:
    case TL_J_DICT:
    case TL_J_RANGE:
    case TL_J_VIEW:
    case TL_J_ITERATOR:
        return true;
    default:
        return false;
    }
}

static int not_iterable(tl_jinja *x, tl_jvalue v)
{
    return tl_jfail(x, TL_EDATA, "%s has no items to walk, wanted is a list or the like", tl_jtype_name(v));
}

static int iter_new(tl_jinja *x, tl_jiter **out)
{
    tl_jiter *it = tl_jtake(x, sizeof *it);
    if (!it) return TL_ENOMEM;
    memset(it, 0, sizeof *it);
    *out = it;
    return 0;
}

int tl_jiterate(tl_jinja *x, tl_jvalue v, tl_jiter **out)
{
    if (v.type == TL_J_ITERATOR) {
        *out = v.as.it;
        return 0;
    }
    if (!tl_jiterable(v)) return not_iterable(x, v);
    TL_TRY(iter_new(x, out));
    (*out)->over = v;
    return 0;
}

int tl_jlazily(tl_jinja *x, tl_jvalue v, tl_jiter **out)
{
    TL_TRY(iter_new(x, out));
    (*out)->over = v;
    (*out)->pending = true;
    (*out)->depth = v.type == TL_J_ITERATOR ? v.as.it->depth : 0;
    return 0;
}

int tl_jgenerate(tl_jinja *x, tl_jnext_fn *next, void *state, const tl_jiter *from, tl_jvalue *out)
{
    tl_jiter *it = NULL;
    int depth = from ? from->depth + 1 : 1;
    if (depth > DEPTH_MAX)
        return tl_jfail(x, TL_EDATA, "iterators that draw from one another are nested deeper than %d", DEPTH_MAX);
    TL_TRY(iter_new(x, &it));
    it->next = next;
    it->state = state;
    it->depth = depth;
    *out = tl_jof(TL_J_ITERATOR, it);
    return 0;
}

tl_jvalue tl_jrange_at(const tl_jrange *r, size_t i)
{
    return tl_jint(r->start + (int64_t)i * r->step);
}

static int entry(tl_jinja *x, const tl_jview *v, size_t at, tl_jvalue *out)
{
    const tl_jentry *e = &v->d->entries[at];
    if (v->what == 'k' || v->what == 'v') {
        *out = v->what == 'k' ? e->key : e->value;
        return 0;
    }
    tl_jlist *pair = NULL;
    TL_TRY(tl_jlist_new(x, 2, &pair));
    pair->items[0] = e->key;
    pair->items[1] = e->value;
    *out = tl_jof(TL_J_TUPLE, pair);
    return 0;
}

/* A list of a long text's letters has many, and few that differ. */
static tl_jstr ascii[128];
static char ascii_bytes[128];

/* Before main, when there is one thread. */
__attribute__((constructor)) static void make_ascii(void)
{
    for (int c = 0; c < 128; c++) {
        ascii_bytes[c] = (char)c;
        ascii[c] = (tl_jstr){ .bytes = ascii_bytes + c, .size = 1, .length = 1, .shared = true };
        ascii[c].hash = tl_jhash_bytes(ascii_bytes + c, 1);
    }
}

static int next_character(tl_jinja *x, tl_jiter *it, tl_jvalue *out)
{
    const tl_jstr *s = it->over.as.s;
    size_t n;
    if (it->at >= s->size) return 0;
    int c = tl_jchar(s->bytes + it->at, &n);
    if (c < 128 && !s->markup) {
        it->at++;
        *out = tl_jof(TL_J_STR, &ascii[c]);
        return 0;
    }
    TL_TRY(tl_jstr_cut_bytes(x, s, it->at, it->at + n, out));
    out->as.s->length = 1;
    it->at += n;
    return 0;
}

static int next_item(tl_jinja *x, tl_jiter *it, tl_jvalue *out)
{
    tl_jvalue v = it->over;
    switch (v.type) {
    case TL_J_STR:
        return next_character(x, it, out);
    case TL_J_LIST:
    case TL_J_TUPLE:
        if (it->at < v.as.l->n) *out = v.as.l->items[it->at++];
        return 0;
    case TL_J_DICT:
        if (it->at < v.as.d->n) *out = v.as.d->entries[it->at++].key;
        return 0;
    case TL_J_RANGE:
        if (it->at < v.as.r->n) *out = tl_jrange_at(v.as.r, it->at++);
        return 0;
    case TL_J_VIEW:
        return it->at < v.as.v->d->n ? entry(x, v.as.v, it->at++, out) : 0;
    default:
        return 0;
    }
}

int tl_jnext(tl_jinja *x, tl_jiter *it, tl_jvalue *out)
{
    assert(it);
    *out = tl_jmissing();
    TL_TRY(tl_jsteps(x, 1));
    if (it->ended) return 0;
    if (it->pending) {
        TL_TRY(tl_jiterate(x, it->over, &it->inner));
        it->pending = false;
    }
    if (it->inner)
        TL_TRY(tl_jnext(x, it->inner, out));
    else if (it->next)
        TL_TRY(it->next(x, it->state, out));
    else
        TL_TRY(next_item(x, it, out));
    it->ended = out->type == TL_J_MISSING;
    return 0;
}

bool tl_jhas_length(tl_jvalue v)
{
    return (tl_jiterable(v) && v.type != TL_J_ITERATOR) || v.type == TL_J_LOOP;
}

int tl_jlength(tl_jinja *x, tl_jvalue v, size_t *out)
{
    switch (v.type) {
    case TL_J_UNDEFINED:
        *out = 0;
        return 0;
    case TL_J_STR:
        if (v.as.s->length == TL_J_UNCOUNTED) TL_TRY(tl_jbytes(x, v.as.s->size));
        *out = tl_jstr_length(v.as.s);
        return 0;
    case TL_J_LIST:
    case TL_J_TUPLE:
        *out = v.as.l->n;
        return 0;
    case TL_J_DICT:
        *out = v.as.d->n;
        return 0;
    case TL_J_RANGE:
        *out = v.as.r->n;
        return 0;
    case TL_J_VIEW:
        *out = v.as.v->d->n;
        return 0;
    case TL_J_LOOP:
        return tl_jloop_length(x, v.as.loop, out);
    default:
        return tl_jfail(x, TL_EDATA, "%s has no length", tl_jtype_name(v));
    }
}

int tl_jto_list(tl_jinja *x, tl_jvalue v, tl_jlist **out)
{
    tl_jiter *it = NULL;
    tl_jlist *l = NULL;
    size_t room = 0;
    if (v.type == TL_J_LIST || v.type == TL_J_TUPLE) {
        TL_TRY(tl_jlist_new(x, v.as.l->n, &l));
        if (l->n) memcpy(l->items, v.as.l->items, l->n * sizeof *l->items);
        *out = l;
        return 0;
    }
    TL_TRY(tl_jiterate(x, v, &it));
    TL_TRY(tl_jlist_new(x, 0, &l));
    for (;;) {
        tl_jvalue item;
        TL_TRY(tl_jnext(x, it, &item));
        if (item.type == TL_J_MISSING) break;
        TL_TRY(tl_jlist_push(x, l, &room, item));
    }
    *out = l;
    return 0;
}
