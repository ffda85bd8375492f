/* jinja_names.c - every name becomes a place, every filter and test a function, before anything is run.
 *
 * The template, each loop, macro, call, filter and set block, `with` and generation block has a scope of its own (a
 * frame here: what is known of it beforehand); `if` has none.  What a name means in a scope is decided by the whole of
 * it, as jinja2's compiler does:
 *
 *     only read in it     the outer scope's where one has it, else the variable of that name
 *     assigned in it      its own, which begins as the outer scope's where one has it; else as the variable of that
 * name where it is read first or assigned inside an `if`; else as nothing
 *
 * So {% set x = 1 %} in a loop ends with the iteration, and a macro sees what its surroundings have when it is called.
 *
 * Each name has a stack of the frames that know it, the innermost on top; frames nest, so a lookup is one step. */
#include "text/jinja_ast.h"

#include <string.h>

struct tl_jbinding {
    const struct frame *frame;
    int slot;
    tl_jname *name;
    tl_jbinding *below; /* of the same name, further out */
    tl_jbinding *next;  /* of the same frame */
};

typedef struct frame {
    struct frame *outer;
    int depth;
    tl_jframe *known;
    int room; /* of its loads */
    tl_jbinding *bindings;
} frame;

typedef struct resolver {
    tl_jsource *src;
    tl_err *err;
    frame *now;
    bool soft;    /* inside an `if`: an unknown filter is an error only when it is called */
    bool in_loop; /* `break` has something to leave */
    int loops;    /* around */
} resolver;

static int fail_at(resolver *r, const tl_jnode *n, const char *what, const tl_jname *name)
{
    return tl_jparse_fail(r->src, n->line, r->err, "%s '%s'", what, name->str.bytes);
}

/* ---- frames ---- */

static int bind_here(resolver *r, tl_jname *name, tl_jbinding **out)
{
    tl_jbinding *b = tl_jregion_take(r->src->region, sizeof *b, r->err);
    if (!b) return TL_ENOMEM;
    *b = (tl_jbinding){ r->now, r->now->known->slots++, name, name->bound, r->now->bindings };
    r->now->bindings = name->bound = *out = b;
    return 0;
}

/* A slot that whoever enters the frame fills. */
static int parameter(resolver *r, tl_jname *name, int *slot)
{
    tl_jbinding *b = name->bound;
    if (!b || b->frame != r->now) TL_TRY(bind_here(r, name, &b));
    if (slot) *slot = b->slot;
    return 0;
}

static int load(resolver *r, tl_jname *name, int from)
{
    frame *f = r->now;
    tl_jbinding *outer = name->bound, *b = NULL;
    TL_TRY(bind_here(r, name, &b));
    tl_jload row = { .slot = b->slot, .name = name };
    row.from = from;
    if (from == TL_JLOAD_OUTER) row.outer = (tl_jplace){ f->depth - 1 - outer->frame->depth, outer->slot };
    if (f->known->n_loads == f->room) {
        f->room = f->room ? 2 * f->room : 4;
        tl_jload *rows = tl_jregion_take(r->src->region, (size_t)f->room * sizeof *rows, r->err);
        if (!rows) return TL_ENOMEM;
        if (f->known->n_loads) memcpy(rows, f->known->loads, (size_t)f->known->n_loads * sizeof *rows);
        f->known->loads = rows;
    }
    f->known->loads[f->known->n_loads++] = row;
    return 0;
}

static int read_name(resolver *r, tl_jname *name)
{
    return name->bound ? 0 : load(r, name, TL_JLOAD_VARIABLE);
}

static int assign_name(resolver *r, tl_jname *name, bool in_if)
{
    if (name->bound && name->bound->frame == r->now) return 0;
    return load(r, name, name->bound ? TL_JLOAD_OUTER : in_if ? TL_JLOAD_VARIABLE : TL_JLOAD_NOTHING);
}

static int enter(resolver *r, tl_jframe *known)
{
    frame *f = tl_jregion_take(r->src->region, sizeof *f, r->err);
    if (!f) return TL_ENOMEM;
    *known = (tl_jframe){ .loop = -1, .caller = -1, .kwargs = -1, .varargs = -1 };
    *f = (frame){ .outer = r->now, .depth = r->now ? r->now->depth + 1 : 0, .known = known };
    r->now = f;
    return 0;
}

static void leave(resolver *r)
{
    for (tl_jbinding *b = r->now->bindings; b; b = b->next) b->name->bound = b->below;
    r->now = r->now->outer;
}

static int frames_new(resolver *r, tl_jnode *n, int count)
{
    n->frame = tl_jregion_take(r->src->region, (size_t)count * sizeof *n->frame, r->err);
    return n->frame ? 0 : TL_ENOMEM;
}

/* ---- what a frame's own statements read and assign ---- */

static int scan(resolver *r, const tl_jnode *n, bool in_if);

static int scan_all(resolver *r, const tl_jnodes *list, bool in_if)
{
    for (int i = 0; i < list->n; i++) TL_TRY(scan(r, list->at[i], in_if));
    return 0;
}

static int scan(resolver *r, const tl_jnode *n, bool in_if)
{
    if (!n) return 0;
    switch (n->kind) {
    case TL_JK_CONST:
    case TL_JK_DATA:
    case TL_JK_BREAK:
    case TL_JK_CONTINUE:
    case TL_JK_GENERATION:
        return 0;
    case TL_JK_NAME:
        return n->store ? assign_name(r, n->name, in_if) : read_name(r, n->name);
    case TL_JK_NSREF:
        return read_name(r, n->name);
    case TL_JK_IF:
        for (int i = 0; i < n->list.n; i++) {
            TL_TRY(scan(r, n->list.at[i]->a, in_if || i));
            TL_TRY(scan_all(r, &n->list.at[i]->body, true));
        }
        return 0;
    case TL_JK_FOR: /* the rest is a frame of its own, here and below */
        return scan(r, n->b, in_if);
    case TL_JK_SET:
        TL_TRY(scan(r, n->b, in_if));
        return scan(r, n->a, in_if);
    case TL_JK_SETBLOCK:
    case TL_JK_CALLBLOCK:
        return scan(r, n->a, in_if);
    case TL_JK_MACRO:
        return assign_name(r, n->name, in_if);
    case TL_JK_FILTERBLOCK:
        return scan(r, n->b, in_if);
    case TL_JK_WITH:
        return scan_all(r, &n->more, in_if);
    default:
        TL_TRY(scan(r, n->a, in_if));
        TL_TRY(scan(r, n->b, in_if));
        TL_TRY(scan(r, n->c, in_if));
        TL_TRY(scan_all(r, &n->list, in_if));
        return scan_all(r, &n->more, in_if);
    }
}

/* ---- whether a body reads a special name ---- */

typedef enum mention {
    NOT_YET,
    READ,
    ASSIGNED /* first: the special one is never seen */
} mention;

static mention mentions(const tl_jnode *n, const tl_jname *name);

static mention mentions_any(const tl_jnodes *list, const tl_jname *name)
{
    mention m = NOT_YET;
    for (int i = 0; i < list->n && m == NOT_YET; i++) m = mentions(list->at[i], name);
    return m;
}

/* In the order in which jinja2 walks: a SET's target before its value, a filter block's body before the filter. */
static mention mentions(const tl_jnode *n, const tl_jname *name)
{
    if (!n || n->kind == TL_JK_CONST || n->kind == TL_JK_DATA) return NOT_YET;
    if (n->kind == TL_JK_NAME) return n->name != name ? NOT_YET : n->store ? ASSIGNED : READ;
    bool body_first = n->kind == TL_JK_FILTERBLOCK;
    mention m = mentions(n->a, name);
    if (m == NOT_YET && body_first) m = mentions_any(&n->body, name);
    if (m == NOT_YET) m = mentions(n->b, name);
    if (m == NOT_YET && n->kind != TL_JK_FOR) m = mentions(n->c, name);
    if (m == NOT_YET) m = mentions_any(&n->list, name);
    if (m == NOT_YET && n->kind != TL_JK_FOR) m = mentions_any(&n->more, name);
    if (m == NOT_YET && !body_first) m = mentions_any(&n->body, name);
    if (m == NOT_YET && n->kind == TL_JK_FOR) m = mentions_any(&n->more, name);
    if (m == NOT_YET && n->kind == TL_JK_FOR) m = mentions(n->c, name);
    return m;
}

static int special(resolver *r, const tl_jnodes *body, const char *word, tl_jname **name, bool *read)
{
    TL_TRY(tl_jname_get(r->src, word, strlen(word), name, r->err));
    *read = mentions_any(body, *name) == READ;
    return 0;
}

/* ---- places ---- */

static int resolve(resolver *r, tl_jnode *n);

static int resolve_all(resolver *r, const tl_jnodes *list)
{
    for (int i = 0; i < list->n; i++) TL_TRY(resolve(r, list->at[i]));
    return 0;
}

/* The frame that is entered: its own statements, then their names. */
static int resolve_body(resolver *r, const tl_jnodes *body)
{
    TL_TRY(scan_all(r, body, false));
    return resolve_all(r, body);
}

static int declare_target(resolver *r, const tl_jnode *n)
{
    if (n->kind == TL_JK_NAME) return parameter(r, n->name, NULL);
    for (int i = 0; i < n->list.n; i++) TL_TRY(declare_target(r, n->list.at[i]));
    return 0;
}

static int resolve_for(resolver *r, tl_jnode *n)
{
    bool soft = r->soft, in_loop = r->in_loop, reads_loop;
    tl_jname *loop = NULL;
    TL_TRY(frames_new(r, n, 3));
    TL_TRY(special(r, &n->body, "loop", &loop, &reads_loop));
    TL_TRY(resolve(r, n->b));
    r->loops++;
    r->soft = false;
    TL_TRY(enter(r, &n->frame[1]));
    if (n->c) {
        TL_TRY(declare_target(r, n->a));
        TL_TRY(scan(r, n->c, false));
        TL_TRY(resolve(r, n->c));
    }
    leave(r);
    TL_TRY(enter(r, &n->frame[0]));
    r->in_loop = true;
    TL_TRY(declare_target(r, n->a)); /* first in both frames, so that the names have the same slots */
    if (reads_loop || n->flag) TL_TRY(parameter(r, loop, &n->frame[0].loop));
    TL_TRY(scan_all(r, &n->body, false));
    TL_TRY(resolve(r, n->a));
    TL_TRY(resolve_all(r, &n->body));
    leave(r);
    r->in_loop = in_loop && !n->flag;
    TL_TRY(enter(r, &n->frame[2]));
    TL_TRY(resolve_body(r, &n->more));
    leave(r);
    r->loops--;
    r->in_loop = in_loop;
    r->soft = soft;
    return 0;
}

/* The body of a macro, call block or generation block, which runs somewhere else. */
static int resolve_macro(resolver *r, tl_jnode *n)
{
    static const char *const words[] = { "caller", "kwargs", "varargs" };
    bool soft = r->soft, in_loop = r->in_loop;
    TL_TRY(frames_new(r, n, 1));
    TL_TRY(enter(r, n->frame));
    int *slots[] = { &n->frame->caller, &n->frame->kwargs, &n->frame->varargs };
    r->soft = r->in_loop = false;
    for (int i = 0; i < n->list.n; i++) TL_TRY(parameter(r, n->list.at[i]->name, NULL));
    for (int k = 0; k < 3; k++) {
        tl_jname *name = NULL;
        bool read;
        int at = 0;
        TL_TRY(special(r, &n->body, words[k], &name, &read));
        while (at < n->list.n && n->list.at[at]->name != name) at++;
        if (k == 0) n->frame->caller_in_parameters = at < n->list.n;
        if (!read) continue;
        if (at == n->list.n)
            TL_TRY(parameter(r, name, slots[k]));
        else if (k == 0 && at < n->list.n - n->more.n)
            return tl_jparse_fail(r->src, n->line, r->err, "the parameter 'caller' has no default, wanted is one");
    }
    TL_TRY(scan_all(r, &n->more, false));
    TL_TRY(scan_all(r, &n->body, false));
    TL_TRY(resolve_all(r, &n->list));
    TL_TRY(resolve_all(r, &n->more));
    TL_TRY(resolve_all(r, &n->body));
    leave(r);
    r->soft = soft;
    r->in_loop = in_loop;
    return 0;
}

/* The body of a filter block, a set block or `with`. */
static int resolve_inner(resolver *r, tl_jnode *n)
{
    bool soft = r->soft;
    TL_TRY(frames_new(r, n, 1));
    if (n->kind == TL_JK_WITH) TL_TRY(resolve_all(r, &n->more));
    if (n->kind == TL_JK_SETBLOCK) TL_TRY(resolve(r, n->a));
    TL_TRY(enter(r, n->frame));
    r->soft = false;
    if (n->kind == TL_JK_WITH) {
        for (int i = 0; i < n->list.n; i++) TL_TRY(declare_target(r, n->list.at[i]));
        TL_TRY(resolve_all(r, &n->list));
    }
    TL_TRY(scan_all(r, &n->body, false));
    TL_TRY(scan(r, n->kind == TL_JK_WITH ? NULL : n->b, false));
    TL_TRY(resolve_all(r, &n->body));
    if (n->kind != TL_JK_WITH) TL_TRY(resolve(r, n->b));
    leave(r);
    r->soft = soft;
    return 0;
}

/* Inside an `if`, statement or expression. */
static int resolve_softly(resolver *r, tl_jnode *n)
{
    bool soft = r->soft;
    r->soft = true;
    for (int i = 0; n->kind == TL_JK_IF && i < n->list.n; i++) {
        TL_TRY(resolve(r, n->list.at[i]->a));
        TL_TRY(resolve_all(r, &n->list.at[i]->body));
    }
    TL_TRY(resolve(r, n->a));
    TL_TRY(resolve(r, n->b));
    TL_TRY(resolve(r, n->c));
    r->soft = soft;
    return 0;
}

static int resolve(resolver *r, tl_jnode *n)
{
    if (!n) return 0;
    switch (n->kind) {
    case TL_JK_CONST:
    case TL_JK_DATA:
        return 0;
    case TL_JK_NAME:
    case TL_JK_NSREF:
        if (n->store && n->kind == TL_JK_NAME && r->loops && tl_jstr_is(&n->name->str, "loop") && !n->flag)
            return tl_jparse_fail(r->src, n->line, r->err,
                                  "'loop' is assigned to inside a loop, where it means the loop");
        n->at = (tl_jplace){ r->now->depth - n->name->bound->frame->depth, n->name->bound->slot };
        return 0;
    case TL_JK_FOR:
        return resolve_for(r, n);
    case TL_JK_CALLBLOCK:
        TL_TRY(resolve(r, n->a));
        return resolve_macro(r, n);
    case TL_JK_MACRO:
        n->at = (tl_jplace){ r->now->depth - n->name->bound->frame->depth, n->name->bound->slot };
        return resolve_macro(r, n);
    case TL_JK_GENERATION:
        return resolve_macro(r, n);
    case TL_JK_FILTERBLOCK:
    case TL_JK_SETBLOCK:
    case TL_JK_WITH:
        return resolve_inner(r, n);
    case TL_JK_IF:
    case TL_JK_COND:
        return resolve_softly(r, n);
    case TL_JK_BREAK:
    case TL_JK_CONTINUE:
        if (r->in_loop) return 0;
        return tl_jparse_fail(r->src, n->line, r->err, "found '%s', no loop is around it",
                              n->kind == TL_JK_BREAK ? "break" : "continue");
    case TL_JK_FILTER:
    case TL_JK_TEST: {
        bool filter = n->kind == TL_JK_FILTER;
        n->builtin = (filter ? tl_jfilter : tl_jtest)(n->name->str.bytes, n->name->str.size);
        if (!n->builtin && !r->soft) return fail_at(r, n, filter ? "there is no filter" : "there is no test", n->name);
        break;
    }
    default:
        break;
    }
    TL_TRY(resolve(r, n->a));
    TL_TRY(resolve(r, n->b));
    TL_TRY(resolve(r, n->c));
    TL_TRY(resolve_all(r, &n->list));
    return resolve_all(r, &n->more);
}

int tl_jnames_resolve(tl_jnode *root, tl_jsource *src, tl_err *err)
{
    resolver r = { .src = src, .err = err };
    TL_TRY(frames_new(&r, root, 1));
    TL_TRY(enter(&r, root->frame));
    int rc = resolve_body(&r, &root->body);
    leave(&r);
    return rc;
}
