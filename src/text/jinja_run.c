/* jinja_run.c - statements: scopes are entered, output is written, loops and macros run. */
#include "text/jinja.h"
#include "text/jinja_ast.h"

#include <string.h>

/* What a statement leaves behind. */
typedef enum flow {
    FLOW_ON,
    FLOW_BREAK,
    FLOW_CONTINUE,
} flow;

static int run_all(tl_jinja *x, const tl_jnodes *body, tl_jscope *s, flow *f);

/* ---- scopes ---- */

static int scope_new(tl_jinja *x, const tl_jframe *f, tl_jscope *around, tl_jscope **out)
{
    TL_TRY(tl_jsteps(x, (size_t)f->slots / 8));
    tl_jscope *s = tl_jtake(x, sizeof *s + (size_t)f->slots * sizeof *s->slots);
    if (!s) return TL_ENOMEM;
    s->around = around;
    for (int i = 0; i < f->slots; i++) s->slots[i] = tl_jmissing();
    *out = s;
    return 0;
}

static int variable(tl_jinja *x, tl_jname *name, tl_jvalue *out)
{
    TL_TRY(tl_jdict_get(x, x->variables, tl_jof(TL_J_STR, &name->str), out));
    if (out->type != TL_J_MISSING) return 0;
    const tl_jbuiltin *b = tl_jglobal(name->str.bytes, name->str.size);
    return b ? tl_jfunction_new(x, b, tl_jmissing(), out) : 0;
}

/* Set all that is no parameter to what the scope begins with. */
static int scope_begin(tl_jinja *x, const tl_jframe *f, tl_jscope *s)
{
    for (int i = 0; i < f->n_loads; i++) {
        const tl_jload *l = &f->loads[i];
        tl_jvalue *to = &s->slots[l->slot];
        TL_TRY(tl_jsteps(x, 1));
        *to = tl_jmissing();
        if (l->from == TL_JLOAD_VARIABLE) TL_TRY(variable(x, l->name, to));
        if (l->from != TL_JLOAD_OUTER) continue;
        *to = *tl_jslot(s, (tl_jplace){ l->outer.outward + 1, l->outer.slot });
    }
    return 0;
}

/* ---- assignment ---- */

static int assign_attribute(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue v)
{
    tl_jvalue *ns = tl_jslot(s, n->at);
    x->line = n->line;
    if (ns->type != TL_J_NAMESPACE)
        return tl_jfail(x, TL_EDATA, "'%s' is assigned an attribute and is no namespace", n->name->str.bytes);
    if (n->attr->str.bytes[0] == '_')
        return tl_jfail(x, TL_EDATA, "a namespace stores no names that begin with '_', found is '%s'",
                        n->attr->str.bytes);
    return tl_jdict_put(x, ns->as.d, tl_jof(TL_J_STR, &n->attr->str), v);
}

static int assign(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue v)
{
    if (n->kind == TL_JK_NAME) {
        *tl_jslot(s, n->at) = v;
        return 0;
    }
    if (n->kind == TL_JK_NSREF) return assign_attribute(x, n, s, v);
    tl_jiter *it = NULL;
    tl_jvalue item;
    x->line = n->line;
    TL_TRY(tl_jiterate(x, v, &it));
    for (int i = 0; i <= n->list.n; i++) {
        TL_TRY(tl_jnext(x, it, &item));
        if (i < n->list.n && item.type == TL_J_MISSING)
            return tl_jfail(x, TL_EDATA, "%d names are assigned to and there are %d items", n->list.n, i);
        if (i == n->list.n && item.type != TL_J_MISSING)
            return tl_jfail(x, TL_EDATA, "%d names are assigned to and there are more items", n->list.n);
        if (i < n->list.n) TL_TRY(assign(x, n->list.at[i], s, item));
    }
    return 0;
}

/* ---- output ---- */

static int push_span(tl_jinja *x, tl_jspans **to, size_t start, size_t end, tl_jgeneration *of)
{
    tl_jspans *p = tl_jtake(x, sizeof *p);
    if (!p) return TL_ENOMEM;
    *p = (tl_jspans){ start, end, of, *to };
    *to = p;
    return 0;
}

/* The blocks in a string that is written at `at` have their place there; they are listed from the last to the first. */
static int place_spans(tl_jinja *x, tl_jtext *to, size_t at, const tl_jspans *spans)
{
    tl_jspans *turned = NULL;
    for (; spans; spans = spans->before) TL_TRY(push_span(x, &turned, spans->start, spans->end, spans->of));
    for (spans = turned; spans; spans = spans->before)
        TL_TRY(push_span(x, &to->spans, at + spans->start, at + spans->end, spans->of));
    return 0;
}

static int write_value(tl_jinja *x, tl_jvalue v)
{
    size_t at = x->out->size;
    TL_TRY(tl_jtext_value(x, x->out, v));
    return v.type == TL_J_STR ? place_spans(x, x->out, at, v.as.s->spans) : 0;
}

/* Run body with its output kept; *out is the string. */
static int capture(tl_jinja *x, const tl_jnodes *body, tl_jscope *s, flow *f, tl_jvalue *out)
{
    tl_jtext t = { .counts = true }, *before = x->out;
    x->out = &t;
    int rc = run_all(x, body, s, f);
    x->out = before;
    return rc < 0 ? rc : tl_jtext_done(x, &t, out);
}

static int run_generation(tl_jinja *x, const tl_jnode *n, tl_jscope *s)
{
    tl_jscope *inner = NULL;
    flow f = FLOW_ON;
    size_t start = x->out->size;
    TL_TRY(scope_new(x, n->frame, s, &inner));
    TL_TRY(scope_begin(x, n->frame, inner));
    TL_TRY(run_all(x, &n->body, inner, &f));
    tl_jgeneration *g = tl_jtake(x, sizeof *g);
    if (!g) return TL_ENOMEM;
    *g = (tl_jgeneration){ n->line, false, x->generations };
    x->generations = g;
    return push_span(x, &x->out->spans, start, x->out->size, g);
}

/* ---- macros ---- */

int tl_jmacro_show(tl_jinja *x, tl_jtext *t, const tl_jmacro *m)
{
    if (m->node->kind != TL_JK_MACRO) return tl_jtext_c(x, t, "<Macro anonymous>");
    TL_TRY(tl_jtext_c(x, t, "<Macro "));
    TL_TRY(tl_jtext_repr(x, t, tl_jof(TL_J_STR, &m->node->name->str)));
    return tl_jtext_c(x, t, ">");
}

static const char *macro_name(const tl_jnode *n)
{
    return n->kind == TL_JK_MACRO ? n->name->str.bytes : "caller";
}

/* The named argument is taken out: MISSING where there was none.  named is a copy of the caller's. */
static int take_named(tl_jinja *x, tl_jdict *named, bool *taken, tl_jstr *name, tl_jvalue *out)
{
    *out = tl_jmissing();
    for (size_t i = 0; named && i < named->n; i++) {
        TL_TRY(tl_jsteps(x, 1));
        const tl_jstr *key = named->entries[i].key.as.s;
        if (taken[i] || key->size != name->size || memcmp(key->bytes, name->bytes, key->size) != 0) continue;
        taken[i] = true;
        *out = named->entries[i].value;
    }
    return 0;
}

static int bind_rest(tl_jinja *x, const tl_jnode *n, tl_jscope *s, const tl_jargs *args, const bool *taken)
{
    size_t wanted = (size_t)n->list.n;
    tl_jdict *others = NULL;
    if (n->frame->kwargs >= 0) TL_TRY(tl_jdict_new(x, 0, &others));
    for (size_t i = 0; args->named && i < args->named->n; i++) {
        const tl_jentry *e = &args->named->entries[i];
        if (taken[i]) continue;
        if (!others)
            return tl_jfail(x, TL_EDATA, "the macro '%s' takes no argument called '%.*s'", macro_name(n),
                            (int)e->key.as.s->size, e->key.as.s->bytes);
        TL_TRY(tl_jdict_put(x, others, e->key, e->value));
    }
    if (others) s->slots[n->frame->kwargs] = tl_jof(TL_J_DICT, others);
    if (n->frame->varargs < 0) {
        if (args->n <= wanted) return 0;
        return tl_jfail(x, TL_EDATA, "the macro '%s' is given %zu arguments, it takes at most %zu", macro_name(n),
                        args->n, wanted);
    }
    tl_jlist *rest = NULL;
    TL_TRY(tl_jlist_new(x, args->n > wanted ? args->n - wanted : 0, &rest));
    if (rest->n) memcpy(rest->items, args->at + wanted, rest->n * sizeof *rest->items);
    s->slots[n->frame->varargs] = tl_jof(TL_J_TUPLE, rest);
    return 0;
}

/* Arguments to parameters as jinja2 does it: by position, by name, then defaults, which may read those before. */
static int bind_macro(tl_jinja *x, const tl_jnode *n, tl_jscope *s, const tl_jargs *args)
{
    size_t named = args->named ? args->named->n : 0;
    bool *taken = tl_jtake_n(x, named, sizeof *taken);
    if (!taken) return TL_ENOMEM;
    if (named) memset(taken, 0, named * sizeof *taken);
    for (int i = 0; i < n->list.n; i++) {
        tl_jvalue *to = tl_jslot(s, n->list.at[i]->at);
        if ((size_t)i < args->n)
            *to = args->at[i];
        else
            TL_TRY(take_named(x, args->named, taken, &n->list.at[i]->name->str, to));
    }
    if (n->frame->caller >= 0) {
        tl_jstr word = { .bytes = "caller", .size = 6 };
        tl_jvalue *to = &s->slots[n->frame->caller];
        TL_TRY(take_named(x, args->named, taken, &word, to));
        if (to->type == TL_J_MISSING || to->type == TL_J_NONE)
            TL_TRY(tl_jundefined_new(x, "no caller is there, {% call %} gives one", NULL, tl_jnone(), to));
    }
    TL_TRY(bind_rest(x, n, s, args, taken));
    TL_TRY(scope_begin(x, n->frame, s));
    for (int i = 0; i < n->list.n; i++) {
        const tl_jnode *p = n->list.at[i];
        tl_jvalue *to = tl_jslot(s, p->at);
        int k = i - (n->list.n - n->more.n);
        if (to->type != TL_J_MISSING) continue;
        if (k >= 0)
            TL_TRY(tl_jeval(x, n->more.at[k], s, to));
        else
            TL_TRY(tl_jundefined_new(x, NULL, "this call of the macro", tl_jof(TL_J_STR, &p->name->str), to));
    }
    return 0;
}

int tl_jcall_macro(tl_jinja *x, const tl_jmacro *m, const tl_jargs *args, tl_jvalue *out)
{
    tl_jscope *s = NULL;
    flow f = FLOW_ON;
    TL_TRY(tl_jenter(x));
    TL_TRY(scope_new(x, m->node->frame, m->scope, &s));
    TL_TRY(bind_macro(x, m->node, s, args));
    TL_TRY(capture(x, &m->node->body, s, &f, out));
    tl_jleave(x);
    return 0;
}

static int macro_new(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out)
{
    tl_jmacro *m = tl_jtake(x, sizeof *m);
    if (!m) return TL_ENOMEM;
    *m = (tl_jmacro){ n, s };
    *out = tl_jof(TL_J_MACRO, m);
    return 0;
}

static int run_call_block(tl_jinja *x, const tl_jnode *n, tl_jscope *s)
{
    tl_jvalue f, caller, result;
    tl_jargs args;
    tl_jstr *word = NULL;
    TL_TRY(macro_new(x, n, s, &caller));
    TL_TRY(tl_jeval(x, n->a->a, s, &f));
    TL_TRY(tl_jeval_args(x, n->a, s, &args));
    if (!args.named) TL_TRY(tl_jdict_new(x, 1, &args.named));
    TL_TRY(tl_jstr_c(x, "caller", &result));
    word = result.as.s;
    TL_TRY(tl_jdict_put(x, args.named, tl_jof(TL_J_STR, word), caller));
    x->line = n->line;
    TL_TRY(tl_jcall(x, f, &args, &result));
    if (result.type != TL_J_STR)
        return tl_jfail(x, TL_EDATA, "{%% call %%} got %s, wanted is a str", tl_jtype_name(result));
    return write_value(x, result);
}

/* ---- loops ---- */

int tl_jloop_peek(tl_jinja *x, tl_jloop *l, tl_jvalue *out)
{
    if (l->after.type == TL_J_MISSING) TL_TRY(tl_jnext(x, l->it, &l->after));
    *out = l->after;
    return 0;
}

int tl_jloop_length(tl_jinja *x, tl_jloop *l, size_t *out)
{
    if (l->length == TL_J_UNCOUNTED && tl_jhas_length(l->over)) {
        TL_TRY(tl_jlength(x, l->over, &l->length));
    } else if (l->length == TL_J_UNCOUNTED) { /* the rest is walked now, and kept */
        tl_jlist *rest = NULL;
        tl_jiter *it = NULL;
        TL_TRY(tl_jto_list(x, tl_jof(TL_J_ITERATOR, l->it), &rest));
        TL_TRY(tl_jiterate(x, tl_jof(TL_J_LIST, rest), &it));
        l->it = it;
        l->length = rest->n + l->index0 + 1 + (l->after.type != TL_J_MISSING);
    }
    *out = l->length;
    return 0;
}

/* The items of a `for ... if`: those for which the condition holds, found as they are asked for. */
typedef struct filtered {
    const tl_jnode *node;
    tl_jscope *scope;
    tl_jiter *from;
    bool begun;
} filtered;

/* The names of a target as the tuple they were unpacked from: that is what such a loop goes on with. */
static int pack(tl_jinja *x, const tl_jnode *target, const tl_jscope *s, tl_jvalue *out)
{
    tl_jlist *l = NULL;
    if (target->kind != TL_JK_TUPLE) {
        *out = s->slots[target->at.slot];
        return 0;
    }
    TL_TRY(tl_jlist_new(x, (size_t)target->list.n, &l));
    for (int i = 0; i < target->list.n; i++) TL_TRY(pack(x, target->list.at[i], s, &l->items[i]));
    *out = tl_jof(TL_J_TUPLE, l);
    return 0;
}

static int next_filtered(tl_jinja *x, void *state, tl_jvalue *out)
{
    filtered *f = state;
    bool yes = false;
    if (!f->begun) TL_TRY(scope_begin(x, &f->node->frame[1], f->scope));
    f->begun = true;
    while (!yes) {
        tl_jvalue v;
        TL_TRY(tl_jnext(x, f->from, out));
        if (out->type == TL_J_MISSING) return 0;
        TL_TRY(assign(x, f->node->a, f->scope, *out));
        TL_TRY(tl_jeval(x, f->node->c, f->scope, &v));
        TL_TRY(tl_jtrue(x, v, &yes));
    }
    return pack(x, f->node->a, f->scope, out);
}

static int filter_items(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue over, tl_jvalue *out)
{
    filtered *f = tl_jtake(x, sizeof *f);
    if (!f) return TL_ENOMEM;
    *f = (filtered){ .node = n };
    TL_TRY(scope_new(x, &n->frame[1], s, &f->scope));
    TL_TRY(tl_jiterate(x, over, &f->from));
    return tl_jgenerate(x, next_filtered, f, f->from, out);
}

static int loop_new(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue over, tl_jiter *it, int depth,
                    tl_jloop **out)
{
    tl_jloop *l = tl_jtake(x, sizeof *l);
    if (!l) return TL_ENOMEM;
    *l = (tl_jloop){ .node = n, .scope = s, .over = over, .it = it, .length = TL_J_UNCOUNTED, .depth0 = depth };
    *out = l;
    return 0;
}

static int loop_next(tl_jinja *x, tl_jloop *l, tl_jvalue *out)
{
    *out = l->after;
    if (out->type == TL_J_MISSING) TL_TRY(tl_jnext(x, l->it, out));
    l->after = tl_jmissing();
    l->before = l->now;
    l->now = *out;
    return 0;
}

/* The loop n over the items of `over`. */
static int walk(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue over, int depth, flow *f)
{
    const tl_jframe *frame = &n->frame[0];
    tl_jiter *it = NULL;
    tl_jloop *loop = NULL;
    tl_jscope *inner = NULL;
    bool whole_turn = false; /* one went to its end: `else` is for loops that had none */
    if (n->c) TL_TRY(filter_items(x, n, s, over, &over));
    TL_TRY(tl_jiterate(x, over, &it));
    if (frame->loop >= 0) TL_TRY(loop_new(x, n, s, over, it, depth, &loop));
    TL_TRY(scope_new(x, frame, s, &inner));
    for (size_t turn = 0;; turn++) {
        tl_jvalue item;
        x->line = n->line;
        if (loop)
            TL_TRY(loop_next(x, loop, &item));
        else
            TL_TRY(tl_jnext(x, it, &item));
        if (item.type == TL_J_MISSING) break;
        if (loop) {
            loop->index0 = turn;
            inner->slots[frame->loop] = tl_jof(TL_J_LOOP, loop);
        }
        TL_TRY(assign(x, n->a, inner, item));
        TL_TRY(scope_begin(x, frame, inner));
        flow inside = FLOW_ON;
        TL_TRY(run_all(x, &n->body, inner, &inside));
        if (inside == FLOW_BREAK) break;
        if (inside == FLOW_ON) whole_turn = true;
    }
    if (whole_turn || !n->more.n) return 0;
    TL_TRY(scope_new(x, &n->frame[2], s, &inner));
    TL_TRY(scope_begin(x, &n->frame[2], inner));
    return run_all(x, &n->more, inner, f);
}

static int walk_captured(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue over, int depth, tl_jvalue *out)
{
    tl_jtext t = { .counts = true }, *before = x->out;
    flow f = FLOW_ON;
    TL_TRY(tl_jenter(x));
    x->out = &t;
    int rc = walk(x, n, s, over, depth, &f);
    x->out = before;
    tl_jleave(x);
    return rc < 0 ? rc : tl_jtext_done(x, &t, out);
}

int tl_jcall_loop(tl_jinja *x, const tl_jloop *l, tl_jvalue over, tl_jvalue *out)
{
    if (!l->node->flag) return tl_jfail(x, TL_EDATA, "loop() is called and the loop is not marked 'recursive'");
    return walk_captured(x, l->node, l->scope, over, l->depth0 + 1, out);
}

static int run_for(tl_jinja *x, const tl_jnode *n, tl_jscope *s, flow *f)
{
    tl_jvalue over, text;
    TL_TRY(tl_jeval(x, n->b, s, &over));
    if (!n->flag) return walk(x, n, s, over, 0, f);
    TL_TRY(walk_captured(x, n, s, over, 0, &text));
    return write_value(x, text);
}

/* ---- blocks ---- */

static int run_if(tl_jinja *x, const tl_jnode *n, tl_jscope *s, flow *f)
{
    for (int i = 0; i < n->list.n; i++) {
        const tl_jnode *clause = n->list.at[i];
        bool yes = true;
        if (clause->a) {
            tl_jvalue v;
            TL_TRY(tl_jeval(x, clause->a, s, &v));
            TL_TRY(tl_jtrue(x, v, &yes));
        }
        if (yes) return run_all(x, &clause->body, s, f);
    }
    return 0;
}

/* A set or filter block. */
static int run_captured(tl_jinja *x, const tl_jnode *n, tl_jscope *s, flow *f)
{
    tl_jscope *inner = NULL;
    tl_jvalue text;
    TL_TRY(scope_new(x, n->frame, s, &inner));
    TL_TRY(scope_begin(x, n->frame, inner));
    TL_TRY(capture(x, &n->body, inner, f, &text));
    if (*f != FLOW_ON) return 0;
    if (n->b) TL_TRY(tl_jeval_filter(x, n->b, inner, text, &text));
    return n->kind == TL_JK_SETBLOCK ? assign(x, n->a, s, text) : write_value(x, text);
}

static int run_with(tl_jinja *x, const tl_jnode *n, tl_jscope *s, flow *f)
{
    tl_jscope *inner = NULL;
    TL_TRY(scope_new(x, n->frame, s, &inner));
    TL_TRY(scope_begin(x, n->frame, inner));
    for (int i = 0; i < n->list.n; i++) {
        tl_jvalue v;
        TL_TRY(tl_jeval(x, n->more.at[i], s, &v));
        TL_TRY(assign(x, n->list.at[i], inner, v));
    }
    return run_all(x, &n->body, inner, f);
}

static int run_set(tl_jinja *x, const tl_jnode *n, tl_jscope *s)
{
    tl_jvalue v;
    TL_TRY(tl_jeval(x, n->b, s, &v));
    return assign(x, n->a, s, v);
}

static int run(tl_jinja *x, const tl_jnode *n, tl_jscope *s, flow *f)
{
    tl_jvalue v;
    TL_TRY(tl_jsteps(x, 1));
    x->line = n->line;
    switch (n->kind) {
    case TL_JK_DATA:
        return tl_jtext_add(x, x->out, n->value.as.s->bytes, n->value.as.s->size);
    case TL_JK_PRINT:
        TL_TRY(tl_jeval(x, n->a, s, &v));
        return write_value(x, v);
    case TL_JK_IF:
        return run_if(x, n, s, f);
    case TL_JK_FOR:
        return run_for(x, n, s, f);
    case TL_JK_SET:
        return run_set(x, n, s);
    case TL_JK_SETBLOCK:
    case TL_JK_FILTERBLOCK:
        return run_captured(x, n, s, f);
    case TL_JK_MACRO:
        TL_TRY(macro_new(x, n, s, &v));
        *tl_jslot(s, n->at) = v;
        return 0;
    case TL_JK_CALLBLOCK:
        return run_call_block(x, n, s);
    case TL_JK_WITH:
        return run_with(x, n, s, f);
    case TL_JK_GENERATION:
        return run_generation(x, n, s);
    case TL_JK_BREAK:
    default:
        *f = n->kind == TL_JK_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
        return 0;
    }
}

static int run_all(tl_jinja *x, const tl_jnodes *body, tl_jscope *s, flow *f)
{
    TL_TRY(tl_jenter(x));
    int rc = 0;
    for (int i = 0; i < body->n && rc == 0 && *f == FLOW_ON; i++) rc = run(x, body->at[i], s, f);
    tl_jleave(x);
    return rc;
}

int tl_jrun_template(tl_jinja *x, const tl_jnode *root)
{
    tl_jscope *s = NULL;
    flow f = FLOW_ON;
    TL_TRY(scope_new(x, root->frame, NULL, &s));
    TL_TRY(scope_begin(x, root->frame, s));
    return run_all(x, &root->body, s, &f);
}
