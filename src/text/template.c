/* template.c - the way in and out: a parsed template, variables to values, output to bytes and spans. */
#include "text/template.h"

#include "text/jinja.h"
#include "text/jinja_ast.h"
#include "text/unicode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEMPLATE_LIMIT = 16 << 20, /* bytes of a template */
    DEPTH = 1000
};

struct tl_chat_template {
    char *name;        /* owned */
    tl_jregion region; /* owned: the tree and its strings */
    tl_jnode *root;
    size_t size;
    bool marks_answers;
};

/* ---- parsing ---- */

static bool has_generation(const tl_jnode *n)
{
    if (!n || n->kind == TL_JK_GENERATION) return n != NULL;
    const tl_jnodes *lists[] = { &n->list, &n->more, &n->body };
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < lists[k]->n; i++)
            if (has_generation(lists[k]->at[i])) return true;
    return false;
}

static int parse(tl_chat_template *t, const char *text, size_t size, tl_err *err)
{
    tl_jsource src = { .name = t->name, .region = &t->region };
    if (size > TEMPLATE_LIMIT)
        return tl_fail(err, TL_EFORMAT, "%s: a template of %zu bytes, at most %d are read", t->name, size,
                       TEMPLATE_LIMIT);
    size_t valid = tl_unicode_valid(text, size);
    if (valid < size) return tl_fail(err, TL_EFORMAT, "%s: byte %zu breaks UTF-8", t->name, valid);
    t->size = size;
    t->region.limit = 256 * size + (64 << 10); /* a node is bought by two letters at least */
    TL_TRY(tl_jparse(&t->root, &src, text, size, err));
    t->marks_answers = has_generation(t->root);
    return 0;
}

int tl_chat_parse(tl_chat_template **out, const char *name, const char *text, size_t size, tl_err *err)
{
    tl_chat_template *t = calloc(1, sizeof *t);
    if (t) t->name = strdup(name);
    if (!t || !t->name) {
        tl_chat_free(t);
        return tl_fail(err, TL_ENOMEM, "%s: no memory for the template", name);
    }
    tl_err why = { 0 };
    int rc = parse(t, text, size, &why);
    if (rc < 0) {
        /* What ran out of memory has no line. */
        rc = why.code == TL_ENOMEM || strncmp(why.text, name, strlen(name)) != 0
                 ? tl_fail(err, why.code, "%s: %s", name, why.text)
                 : tl_fail(err, why.code, "%s", why.text);
        tl_chat_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tl_chat_free(tl_chat_template *t)
{
    if (!t) return;
    tl_jregion_reset(&t->region);
    free(t->name);
    free(t);
}

bool tl_chat_marks_answers(const tl_chat_template *t)
{
    return t->marks_answers;
}

/* ---- variables ---- */

static int value_of(tl_jinja *x, const json_t *v, size_t *bytes, tl_jvalue *out);

static int list_of(tl_jinja *x, const json_t *v, size_t *bytes, tl_jvalue *out)
{
    tl_jlist *l = NULL;
    TL_TRY(tl_jlist_new(x, json_array_size(v), &l));
    for (size_t i = 0; i < l->n; i++) TL_TRY(value_of(x, json_array_get(v, i), bytes, &l->items[i]));
    *out = tl_jof(TL_J_LIST, l);
    return 0;
}

static int dict_of(tl_jinja *x, const json_t *v, size_t *bytes, tl_jvalue *out)
{
    tl_jdict *d = NULL;
    TL_TRY(tl_jdict_new(x, json_object_size(v), &d));
    /* jansson's loop over an object takes one that may be changed; this one is only read. */
    json_t *o = (json_t *)v;
    for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it)) {
        const char *name = json_object_iter_key(it);
        tl_jvalue key, value;
        *bytes += strlen(name);
        TL_TRY(tl_jstr_wrap(x, name, strlen(name), &key));
        TL_TRY(value_of(x, json_object_iter_value(it), bytes, &value));
        TL_TRY(tl_jdict_put(x, d, key, value));
    }
    *out = tl_jof(TL_J_DICT, d);
    return 0;
}

static int value_of(tl_jinja *x, const json_t *v, size_t *bytes, tl_jvalue *out)
{
    int rc;
    *bytes += 4; /* about what it takes in a file */
    switch (json_typeof(v)) {
    case JSON_NULL:
        *out = tl_jnone();
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = tl_jbool(json_is_true(v));
        return 0;
    case JSON_INTEGER:
        *out = tl_jint(json_integer_value(v));
        return 0;
    case JSON_REAL:
        *out = tl_jfloat(json_real_value(v));
        return 0;
    case JSON_STRING:
        *bytes += json_string_length(v);
        return tl_jstr_wrap(x, json_string_value(v), json_string_length(v), out);
    default:
        TL_TRY(tl_jenter(x));
        rc = json_is_array(v) ? list_of(x, v, bytes, out) : dict_of(x, v, bytes, out);
        tl_jleave(x);
        return rc;
    }
}

/* ---- rendering ---- */

tl_chat_options tl_chat_defaults(void)
{
    return (tl_chat_options){ 0 };
}

static void set_bounds(tl_jinja *x, const tl_chat_options *o, size_t input)
{
    size_t output = input > SIZE_MAX / 8 ? SIZE_MAX : 8 * input;
    x->max_output = o->output ? o->output : output > 64 << 10 ? output : 64 << 10;
    x->max_steps = o->steps ? o->steps : 2000000 + 4 * input;
    x->seconds = 1e-3 * (o->milliseconds > 0 ? o->milliseconds : 50 * (1 + (double)(input >> 20)));
    x->region->limit = o->memory ? o->memory : ((size_t)32 << 20) + 64 * input;
    x->look = 0;
}

/* Output and spans from the region to the caller's memory. */
static int hand_over(tl_jinja *x, const tl_jtext *text, tl_chat_rendering *out)
{
    size_t n = 0;
    for (const tl_jspans *p = text->spans; p; p = p->before) {
        p->of->placed = true;
        n++;
    }
    for (const tl_jgeneration *g = x->generations; g; g = g->before)
        if (!g->placed) out->lost = g->line;
    out->text = tl_buf_make(text->size);
    TL_TRY(tl_buf_append(&out->text, text->data, text->size, x->err));
    if (n == 0) return 0;
    out->spans = malloc(n * sizeof *out->spans);
    if (!out->spans) return tl_jfail(x, TL_ENOMEM, "no memory for %zu spans", n);
    out->n_spans = n;
    for (const tl_jspans *p = text->spans; p; p = p->before) out->spans[--n] = (tl_chat_span){ p->start, p->end };
    return 0;
}

static int render(tl_jinja *x, const tl_chat_template *t, const json_t *variables, const tl_chat_options *o,
                  tl_chat_rendering *out)
{
    size_t bytes = t->size;
    tl_jvalue v = tl_jmissing();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    x->now = o->now ? o->now : now.tv_sec;
    x->microseconds = o->now ? 0 : now.tv_nsec / 1000;
    /* The variables are there already: what they take is counted, not bounded. */
    x->max_depth = o->depth > 0 ? o->depth : DEPTH;
    x->max_steps = x->look = SIZE_MAX;
    x->region->limit = SIZE_MAX;
    TL_TRY(dict_of(x, variables, &bytes, &v));
    x->variables = v.as.d;
    x->steps = 0;
    set_bounds(x, o, bytes);
    x->region->limit = x->region->limit > SIZE_MAX - x->region->total ? SIZE_MAX : x->region->limit + x->region->total;
    TL_TRY(tl_jrun_template(x, t->root));
    return hand_over(x, x->out, out);
}

int tl_chat_render(const tl_chat_template *t, const json_t *variables, const tl_chat_options *o, tl_chat_rendering *out,
                   tl_err *err)
{
    assert(json_is_object(variables) && !out->text.data && !out->spans);
    tl_jregion region = { 0 };
    tl_err none = { 0 };
    tl_jtext text = { .counts = true };
    tl_jinja x = { .name = t->name, .region = &region, .err = err ? err : &none, .line = 1, .out = &text };
    int rc = render(&x, t, variables, o, out);
    if (rc < 0) {
        tl_chat_rendering_reset(out);
        rc = x.err->code; /* a failed request for memory has said why */
    }
    tl_jregion_reset(&region);
    return rc;
}

void tl_chat_rendering_reset(tl_chat_rendering *r)
{
    tl_buf_reset(&r->text);
    free(r->spans);
    *r = (tl_chat_rendering){ 0 };
}
