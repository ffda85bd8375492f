/* jinja_eval.c - expressions: one case a kind of node. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

static int eval_items(tl_jinja *x, const tl_jnodes *nodes, tl_jscope *s, tl_jlist **out)
{
    TL_TRY(tl_jlist_new(x, (size_t)nodes->n, out));
    for (int i = 0; i < nodes->n; i++) TL_TRY(tl_jeval(x, nodes->at[i], s, &(*out)->items[i]));
    return 0;
}

static int eval_dict(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    tl_jdict *d = NULL;
    TL_TRY(tl_jdict_new(x, (size_t)n->list.n / 2, &d));
    for (int i = 0; i < n->list.n; i += 2) {
        tl_jvalue key, value;
        TL_TRY(tl_jeval(x, n->list.at[i], s, &key));
        TL_TRY(tl_jeval(x, n->list.at[i + 1], s, &value));
        TL_TRY(tl_jdict_put(x, d, key, value));
    }
    *out = tl_jof(TL_J_DICT, d);
    return 0;
}

static int eval_name(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    *out = *tl_jslot(s, n->at);
    if (out->type != TL_J_MISSING) return 0;
    return tl_jundefined_new(x, NULL, NULL, tl_jof(TL_J_STR, &n->name->str), out);
}

static int compare(tl_jinja *x, int op, tl_jvalue a, tl_jvalue b, bool *out)
{
    switch (op) {
    case TL_JEQ:
    case TL_JNE:
        TL_TRY(tl_jequal(x, a, b, out));
        *out ^= op == TL_JNE;
        return 0;
    case TL_JIN:
    case TL_JNOT_IN:
        TL_TRY(tl_jcontains(x, a, b, out));
        *out ^= op == TL_JNOT_IN;
        return 0;
    default:
        return tl_jorder(x, op, a, b, out);
    }
}

/* a < b < c is a < b and b < c, b computed once. */
static int eval_compare(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    tl_jvalue left, right;
    bool holds = true;
    TL_TRY(tl_jeval(x, n->a, s, &left));
    for (int i = 0; i < n->list.n && holds; i++) {
        TL_TRY(tl_jeval(x, n->list.at[i]->a, s, &right));
        TL_TRY(compare(x, n->list.at[i]->op, left, right, &holds));
        left = right;
    }
    *out = tl_jbool(holds);
    return 0;
}

static int eval_concat(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    for (int i = 0; i < n->list.n; i++) {
        tl_jvalue v;
        tl_jstr *part = NULL;
        TL_TRY(tl_jeval(x, n->list.at[i], s, &v));
        TL_TRY(tl_jstring(x, v, &part));
        if (i == 0)
            TL_TRY(tl_jstr_cut_bytes(x, part, 0, part->size, out));
        else
            TL_TRY(tl_jstr_join(x, out->as.s, part, out));
        if (i == 0) out->as.s->room = part->room;
        out->as.s->markup = false;
    }
    return 0;
}

static int eval_slice(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    tl_jvalue v, part[3];
    const tl_jnode *nodes[] = { n->b->a, n->b->b, n->b->c };
    TL_TRY(tl_jeval(x, n->a, s, &v));
    for (int i = 0; i < 3; i++)
        if (nodes[i]) TL_TRY(tl_jeval(x, nodes[i], s, &part[i]));
    return tl_jslice(x, v, nodes[0] ? &part[0] : NULL, nodes[1] ? &part[1] : NULL, nodes[2] ? &part[2] : NULL, out);
}

/* ---- calls ---- */

static int add_unpacked(tl_jinja *x, tl_jvalue more, tl_jargs *args)
{
    tl_jlist *l = NULL, all = { args->n, args->at, false };
    size_t room = args->n;
    TL_TRY(tl_jto_list(x, more, &l));
    for (size_t i = 0; i < l->n; i++) TL_TRY(tl_jlist_push(x, &all, &room, l->items[i]));
    args->at = all.items;
    args->n = all.n;
    return 0;
}

static int add_named(tl_jinja *x, tl_jvalue more, tl_jargs *args)
{
    if (more.type == TL_J_UNDEFINED) return tl_jundefined_fail(x, more);
    if (more.type != TL_J_DICT)
        return tl_jfail(x, TL_EDATA, "'**' is in front of %s, wanted is a dict", tl_jtype_name(more));
    for (size_t i = 0; i < more.as.d->n; i++) {
        const tl_jentry *e = &more.as.d->entries[i];
        tl_jvalue there;
        if (e->key.type != TL_J_STR)
            return tl_jfail(x, TL_EDATA, "the name of an argument is %s", tl_jtype_name(e->key));
        TL_TRY(tl_jdict_get(x, args->named, e->key, &there));
        if (there.type != TL_J_MISSING)
            return tl_jfail(x, TL_EDATA, "the argument '%.*s' is given twice", (int)e->key.as.s->size,
                            e->key.as.s->bytes);
        TL_TRY(tl_jdict_put(x, args->named, e->key, e->value));
    }
    return 0;
}

int tl_jeval_args(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jargs *out)
{
    tl_jlist *at = NULL;
    tl_jvalue v = tl_jmissing();
    *out = (tl_jargs){ 0 };
    TL_TRY(eval_items(x, &n->list, s, &at));
    out->at = at->items;
    out->n = at->n;
    if (n->more.n || n->c) TL_TRY(tl_jdict_new(x, (size_t)n->more.n, &out->named));
    for (int i = 0; i < n->more.n; i++) {
        TL_TRY(tl_jeval(x, n->more.at[i]->a, s, &v));
        TL_TRY(tl_jdict_put(x, out->named, tl_jof(TL_J_STR, &n->more.at[i]->name->str), v));
    }
    if (n->b) {
        TL_TRY(tl_jeval(x, n->b, s, &v));
        TL_TRY(add_unpacked(x, v, out));
    }
    if (n->c) {
        TL_TRY(tl_jeval(x, n->c, s, &v));
        TL_TRY(add_named(x, v, out));
    }
    return 0;
}

static int eval_call(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    tl_jvalue f;
    tl_jargs args;
    TL_TRY(tl_jeval(x, n->a, s, &f));
    TL_TRY(tl_jeval_args(x, n, s, &args));
    x->line = n->line;
    return tl_jcall(x, f, &args, out);
}

/* A filter or test on v. */
static int apply(tl_jinja *x, const tl_jnode *n, tl_jvalue v, tl_jscope *s, tl_jvalue *out)
{
    tl_jargs args;
    bool filter = n->kind == TL_JK_FILTER;
    TL_TRY(tl_jeval_args(x, n, s, &args));
    x->line = n->line;
    if (!n->builtin)
        return tl_jfail(x, TL_EUNSUPPORTED, "there is no %s '%s'", filter ? "filter" : "test", n->name->str.bytes);
    return tl_jcall_builtin(x, n->builtin, v, &args, out);
}

int tl_jeval_filter(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue text, tl_jvalue *out)
{
    tl_jvalue v = text;
    if (n->a && n->kind == TL_JK_FILTER) TL_TRY(tl_jeval_filter(x, n->a, s, text, &v));
    return apply(x, n, v, s, out);
}

static int eval_filter(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    tl_jvalue v;
    TL_TRY(tl_jeval(x, n->a, s, &v));
    return apply(x, n, v, s, out);
}

/* ---- everything ---- */

static int eval_inside(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    tl_jvalue a, b;
    tl_jlist *l = NULL;
    bool yes;
    switch (n->kind) {
    case TL_JK_LIST:
    case TL_JK_TUPLE:
        TL_TRY(eval_items(x, &n->list, s, &l));
        *out = tl_jof(n->kind == TL_JK_LIST ? TL_J_LIST : TL_J_TUPLE, l);
        return 0;
    case TL_JK_DICT:
        return eval_dict(x, n, s, out);
    case TL_JK_COND:
        TL_TRY(tl_jeval(x, n->a, s, &a));
        TL_TRY(tl_jtrue(x, a, &yes));
        if (yes || n->c) return tl_jeval(x, yes ? n->b : n->c, s, out);
        return tl_jundefined_new(x, "an inline `if` was false and has no `else`", NULL, tl_jnone(), out);
    case TL_JK_AND:
    case TL_JK_OR:
        TL_TRY(tl_jeval(x, n->a, s, out));
        TL_TRY(tl_jtrue(x, *out, &yes));
        return yes == (n->kind == TL_JK_AND) ? tl_jeval(x, n->b, s, out) : 0;
    case TL_JK_NOT:
        TL_TRY(tl_jeval(x, n->a, s, &a));
        TL_TRY(tl_jtrue(x, a, &yes));
        *out = tl_jbool(!yes);
        return 0;
    case TL_JK_NEG:
    case TL_JK_POS:
        TL_TRY(tl_jeval(x, n->a, s, &a));
        return n->kind == TL_JK_NEG ? tl_jnegate(x, a, out) : tl_jplus(x, a, out);
    case TL_JK_BINARY:
        TL_TRY(tl_jeval(x, n->a, s, &a));
        TL_TRY(tl_jeval(x, n->b, s, &b));
        return tl_jarithmetic(x, n->op, a, b, out);
    case TL_JK_COMPARE:
        return eval_compare(x, n, s, out);
    case TL_JK_CONCAT:
        return eval_concat(x, n, s, out);
    case TL_JK_GETATTR:
        TL_TRY(tl_jeval(x, n->a, s, &a));
        return tl_jgetattr(x, a, &n->name->str, out);
    case TL_JK_GETITEM:
        if (n->b->kind == TL_JK_SLICE) return eval_slice(x, n, s, out);
        TL_TRY(tl_jeval(x, n->a, s, &a));
        TL_TRY(tl_jeval(x, n->b, s, &b));
        return tl_jgetitem(x, a, b, out);
    case TL_JK_CALL:
        return eval_call(x, n, s, out);
    case TL_JK_FILTER:
    case TL_JK_TEST:
        return eval_filter(x, n, s, out);
    default:
        return tl_jfail(x, TL_EUNSUPPORTED, "a slice stands where a value is wanted");
    }
}

int tl_jeval(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    TL_TRY(tl_jsteps(x, 1));
    x->line = n->line;
    if (n->kind == TL_JK_NAME) return eval_name(x, n, s, out);
    if (n->kind == TL_JK_CONST) {
        *out = n->value;
        return 0;
    }
    TL_TRY(tl_jenter(x));
    int rc = eval_inside(x, n, s, out);
    tl_jleave(x);
    return rc;
}
