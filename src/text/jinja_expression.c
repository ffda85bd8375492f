/* jinja_expression.c - expressions, from the loosest binding to the tightest:
 *
 *     a if b else c    or    and    not    == != < in ...    + -    ~    * / // %    **    unary - +
 *     and behind a value: .name [key] (arguments) |filter is test
 */
#include "text/jinja_parser.h"

#include <string.h>

static int nest(tl_jparser *p)
{
    if (++p->nested <= TL_JNEST_DEPTH) return 0;
    return tl_jparse_fail(p->src, p->now.line, p->err, "expressions and blocks are nested deeper than %d",
                          TL_JNEST_DEPTH);
}

static int two(tl_jparser *p, tl_jkind kind, int op, int line, tl_jnode *a, tl_jnode *b, tl_jnode **out)
{
    tl_jnode *n = NULL;
    TL_TRY(tl_jp_node(p, kind, line, &n));
    n->op = (uint8_t)op;
    n->a = a;
    n->b = b;
    TL_TRY(tl_jp_adopt(p, n, a));
    if (b) TL_TRY(tl_jp_adopt(p, n, b));
    *out = n;
    return 0;
}

static int constant(tl_jparser *p, tl_jvalue v, int line, tl_jnode **out)
{
    TL_TRY(tl_jp_node(p, TL_JK_CONST, line, out));
    (*out)->value = v;
    return 0;
}

static int unary(tl_jparser *p, bool with_filters, tl_jnode **out);

/* ---- calls ---- */

/* (a, *b, c=d, **e) into n. */
static int call_arguments(tl_jparser *p, tl_jnode *n)
{
    bool comma = false, named = false;
    TL_TRY(tl_jp_expect(p, TL_JT_LPAREN));
    while (p->now.type != TL_JT_RPAREN) {
        if (comma) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        if (comma && p->now.type == TL_JT_RPAREN) break;
        comma = true;
        tl_jtoken_type type = p->now.type;
        if (type == TL_JT_NAME) TL_TRY(tl_jp_look(p));
        bool keyword = type == TL_JT_NAME && p->ahead.type == TL_JT_ASSIGN;
        if (n->c || (type == TL_JT_MUL && n->b) ||
            (type != TL_JT_MUL && type != TL_JT_POW && !keyword && (named || n->b)))
            return tl_jparse_fail(p->src, p->now.line, p->err,
                                  "arguments come in the order: by position, by name, *list, **names");
        tl_jnode *value = NULL;
        if (type == TL_JT_MUL || type == TL_JT_POW) {
            TL_TRY(tl_jp_advance(p));
            TL_TRY(tl_jp_expression(p, true, &value));
            if (type == TL_JT_MUL)
                n->b = value;
            else
                n->c = value;
            TL_TRY(tl_jp_adopt(p, n, value));
        } else if (keyword) {
            tl_jnode *k = NULL;
            named = true;
            TL_TRY(tl_jp_node(p, TL_JK_KEYWORD, p->now.line, &k));
            k->name = p->now.name;
            for (int i = 0; i < n->more.n; i++)
                if (n->more.at[i]->name == k->name)
                    return tl_jparse_fail(p->src, p->now.line, p->err, "the argument %.*s is given twice",
                                          (int)k->name->str.size, k->name->str.bytes);
            TL_TRY(tl_jp_advance(p));
            TL_TRY(tl_jp_advance(p));
            TL_TRY(tl_jp_expression(p, true, &k->a));
            TL_TRY(tl_jp_adopt(p, k, k->a));
            TL_TRY(tl_jp_push(p, n, &n->more, k));
        } else {
            TL_TRY(tl_jp_expression(p, true, &value));
            TL_TRY(tl_jp_push(p, n, &n->list, value));
        }
    }
    return tl_jp_expect(p, TL_JT_RPAREN);
}

static int call(tl_jparser *p, tl_jnode *callee, tl_jnode **out)
{
    tl_jnode *n = NULL;
    TL_TRY(two(p, TL_JK_CALL, 0, p->now.line, callee, NULL, &n));
    TL_TRY(call_arguments(p, n));
    *out = n;
    return 0;
}

/* A filter's or test's name: words with dots between. */
static int dotted(tl_jparser *p, tl_jname **out)
{
    char text[200];
    size_t size = 0;
    tl_jname *name = p->now.name;
    TL_TRY(tl_jp_expect(p, TL_JT_NAME));
    while (p->now.type == TL_JT_DOT) {
        TL_TRY(tl_jp_advance(p));
        if (p->now.type != TL_JT_NAME) return tl_jp_unexpected(p, "a name");
        if (!size && name->str.size < sizeof text) memcpy(text, name->str.bytes, size = name->str.size);
        if (!size || size + 1 + p->now.name->str.size > sizeof text)
            return tl_jparse_fail(p->src, p->now.line, p->err, "a name of more than %zu letters", sizeof text);
        text[size++] = '.';
        memcpy(text + size, p->now.name->str.bytes, p->now.name->str.size);
        size += p->now.name->str.size;
        TL_TRY(tl_jname_get(p->src, text, size, &name, p->err));
        TL_TRY(tl_jp_advance(p));
    }
    *out = name;
    return 0;
}

int tl_jp_filters(tl_jparser *p, tl_jnode *on, bool first_is_open, tl_jnode **out)
{
    while (first_is_open || p->now.type == TL_JT_PIPE) {
        if (!first_is_open) TL_TRY(tl_jp_advance(p));
        first_is_open = false;
        tl_jnode *n = NULL;
        TL_TRY(tl_jp_node(p, TL_JK_FILTER, p->now.line, &n));
        n->a = on;
        if (on) TL_TRY(tl_jp_adopt(p, n, on));
        TL_TRY(dotted(p, &n->name));
        if (p->now.type == TL_JT_LPAREN) TL_TRY(call_arguments(p, n));
        on = n;
    }
    *out = on;
    return 0;
}

/* ---- values ---- */

static int list(tl_jparser *p, tl_jnode **out)
{
    TL_TRY(tl_jp_node(p, TL_JK_LIST, p->now.line, out));
    TL_TRY(tl_jp_expect(p, TL_JT_LBRACKET));
    while (p->now.type != TL_JT_RBRACKET) {
        if ((*out)->list.n) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        if (p->now.type == TL_JT_RBRACKET) break;
        tl_jnode *item = NULL;
        TL_TRY(tl_jp_expression(p, true, &item));
        TL_TRY(tl_jp_push(p, *out, &(*out)->list, item));
    }
    return tl_jp_advance(p);
}

static int dict(tl_jparser *p, tl_jnode **out)
{
    TL_TRY(tl_jp_node(p, TL_JK_DICT, p->now.line, out));
    TL_TRY(tl_jp_expect(p, TL_JT_LBRACE));
    while (p->now.type != TL_JT_RBRACE) {
        if ((*out)->list.n) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        if (p->now.type == TL_JT_RBRACE) break;
        for (int i = 0; i < 2; i++) {
            tl_jnode *item = NULL;
            if (i) TL_TRY(tl_jp_expect(p, TL_JT_COLON));
            TL_TRY(tl_jp_expression(p, true, &item));
            TL_TRY(tl_jp_push(p, *out, &(*out)->list, item));
        }
    }
    return tl_jp_advance(p);
}

static int shared_string(tl_jparser *p, const char *bytes, size_t size, tl_jvalue *out)
{
    tl_jstr *s = tl_jregion_take(p->src->region, sizeof *s, p->err);
    if (!s) return TL_ENOMEM;
    *s = (tl_jstr){ .bytes = bytes, .size = size, .length = TL_J_UNCOUNTED, .hash = tl_jhash_bytes(bytes, size) };
    tl_jstr_length(s);
    s->shared = true;
    *out = tl_jof(TL_J_STR, s);
    return 0;
}

/* One string, or several one after the other. */
static int strings(tl_jparser *p, tl_jnode **out)
{
    int line = p->now.line;
    const char *text = p->now.text;
    size_t size = p->now.size, room = 0;
    char *joined = NULL;
    TL_TRY(tl_jp_advance(p));
    while (p->now.type == TL_JT_STRING) {
        if (!joined || size + p->now.size > room) {
            room = 2 * (size + p->now.size);
            char *more = tl_jregion_take(p->src->region, room, p->err);
            if (!more) return TL_ENOMEM;
            memcpy(more, text, size);
            text = joined = more;
        }
        memcpy(joined + size, p->now.text, p->now.size);
        size += p->now.size;
        TL_TRY(tl_jp_advance(p));
    }
    tl_jvalue v;
    TL_TRY(shared_string(p, text, size, &v));
    return constant(p, v, line, out);
}

static int name(tl_jparser *p, bool namespaces, tl_jnode **out)
{
    tl_jtoken t = p->now;
    bool yes = tl_jp_is(p, "true") || tl_jp_is(p, "True"), no = tl_jp_is(p, "false") || tl_jp_is(p, "False");
    bool none = tl_jp_is(p, "none") || tl_jp_is(p, "None");
    TL_TRY(tl_jp_advance(p));
    if (yes || no) return constant(p, tl_jbool(yes), t.line, out);
    if (none) return constant(p, tl_jnone(), t.line, out);
    bool reference = namespaces && p->now.type == TL_JT_DOT;
    TL_TRY(tl_jp_node(p, reference ? TL_JK_NSREF : TL_JK_NAME, t.line, out));
    (*out)->name = t.name;
    if (!reference) return 0;
    TL_TRY(tl_jp_advance(p));
    (*out)->attr = p->now.name;
    return tl_jp_expect(p, TL_JT_NAME);
}

static int primary(tl_jparser *p, bool namespaces, tl_jnode **out)
{
    tl_jtoken t = p->now;
    switch (t.type) {
    case TL_JT_NAME:
        return name(p, namespaces, out);
    case TL_JT_STRING:
        return strings(p, out);
    case TL_JT_INTEGER:
    case TL_JT_FLOAT:
        TL_TRY(tl_jp_advance(p));
        return constant(p, t.type == TL_JT_FLOAT ? tl_jfloat(t.f) : tl_jint(t.i), t.line, out);
    case TL_JT_LPAREN:
        TL_TRY(tl_jp_advance(p));
        TL_TRY(tl_jp_tuple(p, (tl_jp_tuple_rules){ .conditional = true, .parentheses = true }, out));
        return tl_jp_expect(p, TL_JT_RPAREN);
    case TL_JT_LBRACKET:
        return list(p, out);
    case TL_JT_LBRACE:
        return dict(p, out);
    default:
        return tl_jp_unexpected(p, "an expression");
    }
}

static bool tuple_ends(const tl_jparser *p, const char *end)
{
    return p->now.type == TL_JT_PRINT_END || p->now.type == TL_JT_BLOCK_END || p->now.type == TL_JT_RPAREN ||
           (end && tl_jp_is(p, end));
}

int tl_jp_tuple(tl_jparser *p, tl_jp_tuple_rules rules, tl_jnode **out)
{
    tl_jnode *t = NULL, *item = NULL;
    bool comma = false;
    TL_TRY(nest(p));
    TL_TRY(tl_jp_node(p, TL_JK_TUPLE, p->now.line, &t));
    for (;;) {
        if (t->list.n) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        if (tuple_ends(p, rules.end)) break;
        if (rules.names_only)
            TL_TRY(primary(p, rules.namespaces, &item));
        else
            TL_TRY(tl_jp_expression(p, rules.conditional, &item));
        TL_TRY(tl_jp_push(p, t, &t->list, item));
        if (p->now.type != TL_JT_COMMA) break;
        comma = true;
    }
    p->nested--;
    if (!comma && t->list.n) {
        *out = item;
        return 0;
    }
    if (!comma && !rules.parentheses) return tl_jp_unexpected(p, "an expression");
    *out = t;
    return 0;
}

/* ---- behind a value ---- */

static int slice_part(tl_jparser *p, tl_jnode *slice, tl_jnode **part)
{
    if (p->now.type == TL_JT_COLON || p->now.type == TL_JT_RBRACKET || p->now.type == TL_JT_COMMA) return 0;
    TL_TRY(tl_jp_expression(p, true, part));
    return tl_jp_adopt(p, slice, *part);
}

/* What stands in brackets: a key, or start:stop:step. */
static int key(tl_jparser *p, tl_jnode **out)
{
    tl_jnode *first = NULL, *s = NULL;
    int line = p->now.line;
    if (p->now.type != TL_JT_COLON) TL_TRY(tl_jp_expression(p, true, &first));
    if (p->now.type != TL_JT_COLON) {
        *out = first;
        return 0;
    }
    TL_TRY(tl_jp_node(p, TL_JK_SLICE, line, &s));
    s->a = first;
    if (first) TL_TRY(tl_jp_adopt(p, s, first));
    TL_TRY(tl_jp_advance(p));
    TL_TRY(slice_part(p, s, &s->b));
    bool step;
    TL_TRY(tl_jp_skip(p, TL_JT_COLON, &step));
    if (step) TL_TRY(slice_part(p, s, &s->c));
    *out = s;
    return 0;
}

static int subscript(tl_jparser *p, tl_jnode *of, tl_jnode **out)
{
    tl_jnode *n = NULL, *arg = NULL;
    int line = p->now.line;
    if (p->now.type == TL_JT_DOT) {
        TL_TRY(tl_jp_advance(p));
        tl_jtoken t = p->now;
        if (t.type != TL_JT_NAME && t.type != TL_JT_INTEGER) return tl_jp_unexpected(p, "a name or number behind '.'");
        TL_TRY(tl_jp_advance(p));
        if (t.type == TL_JT_NAME) {
            TL_TRY(two(p, TL_JK_GETATTR, 0, line, of, NULL, out));
            (*out)->name = t.name;
            return 0;
        }
        TL_TRY(constant(p, tl_jint(t.i), line, &arg));
        return two(p, TL_JK_GETITEM, 0, line, of, arg, out);
    }
    tl_jnode *keys = NULL;
    TL_TRY(tl_jp_node(p, TL_JK_TUPLE, line, &keys));
    TL_TRY(tl_jp_expect(p, TL_JT_LBRACKET));
    while (p->now.type != TL_JT_RBRACKET) {
        if (keys->list.n) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        TL_TRY(key(p, &arg));
        if (arg->kind == TL_JK_SLICE && (keys->list.n || p->now.type != TL_JT_RBRACKET))
            return tl_jparse_fail(p->src, line, p->err, "a slice stands alone in its brackets");
        TL_TRY(tl_jp_push(p, keys, &keys->list, arg));
    }
    TL_TRY(tl_jp_advance(p));
    TL_TRY(two(p, TL_JK_GETITEM, 0, line, of, keys->list.n == 1 ? arg : keys, &n));
    *out = n;
    return 0;
}

static int postfix(tl_jparser *p, tl_jnode **n)
{
    for (;;) {
        if (p->now.type == TL_JT_DOT || p->now.type == TL_JT_LBRACKET)
            TL_TRY(subscript(p, *n, n));
        else if (p->now.type == TL_JT_LPAREN)
            TL_TRY(call(p, *n, n));
        else
            return 0;
    }
}

/* x is [not] name [argument] */
static int test(tl_jparser *p, tl_jnode *on, tl_jnode **out)
{
    tl_jnode *n = NULL, *arg = NULL;
    bool negated;
    int line = p->now.line;
    TL_TRY(tl_jp_advance(p));
    TL_TRY(tl_jp_skip_word(p, "not", &negated));
    TL_TRY(two(p, TL_JK_TEST, 0, line, on, NULL, &n));
    TL_TRY(dotted(p, &n->name));
    switch (p->now.type) {
    case TL_JT_LPAREN:
        TL_TRY(call_arguments(p, n));
        break;
    case TL_JT_NAME:
        if (tl_jp_is(p, "else") || tl_jp_is(p, "or") || tl_jp_is(p, "and")) break;
        if (tl_jp_is(p, "is"))
            return tl_jparse_fail(p->src, p->now.line, p->err, "found 'is' behind a test, tests cannot be chained");
        /* fall through */
    case TL_JT_STRING:
    case TL_JT_INTEGER:
    case TL_JT_FLOAT:
    case TL_JT_LBRACKET:
    case TL_JT_LBRACE:
        TL_TRY(primary(p, false, &arg));
        TL_TRY(postfix(p, &arg));
        TL_TRY(tl_jp_push(p, n, &n->list, arg));
        break;
    default:
        break;
    }
    *out = n;
    return negated ? two(p, TL_JK_NOT, 0, line, n, NULL, out) : 0;
}

static int filters_and_tests(tl_jparser *p, tl_jnode **n)
{
    for (;;) {
        if (p->now.type == TL_JT_PIPE)
            TL_TRY(tl_jp_filters(p, *n, false, n));
        else if (tl_jp_is(p, "is"))
            TL_TRY(test(p, *n, n));
        else if (p->now.type == TL_JT_LPAREN)
            TL_TRY(call(p, *n, n));
        else
            return 0;
    }
}

/* ---- operators ---- */

static int unary(tl_jparser *p, bool with_filters, tl_jnode **out)
{
    int line = p->now.line;
    if (p->now.type == TL_JT_SUB || p->now.type == TL_JT_ADD) {
        tl_jkind kind = p->now.type == TL_JT_SUB ? TL_JK_NEG : TL_JK_POS;
        tl_jnode *a = NULL;
        TL_TRY(nest(p));
        TL_TRY(tl_jp_advance(p));
        TL_TRY(unary(p, false, &a));
        p->nested--;
        TL_TRY(two(p, kind, 0, line, a, NULL, out));
    } else {
        TL_TRY(primary(p, false, out));
    }
    TL_TRY(postfix(p, out));
    return with_filters ? filters_and_tests(p, out) : 0;
}

static int power(tl_jparser *p, tl_jnode **out)
{
    TL_TRY(unary(p, true, out));
    while (p->now.type == TL_JT_POW) {
        tl_jnode *b = NULL;
        int line = p->now.line;
        TL_TRY(tl_jp_advance(p));
        TL_TRY(unary(p, true, &b));
        TL_TRY(two(p, TL_JK_BINARY, TL_JPOW, line, *out, b, out));
    }
    return 0;
}

static int product(tl_jparser *p, tl_jnode **out)
{
    TL_TRY(power(p, out));
    for (;;) {
        tl_jtoken_type t = p->now.type;
        int op = t == TL_JT_MUL        ? TL_JMUL
                 : t == TL_JT_DIV      ? TL_JDIV
                 : t == TL_JT_FLOORDIV ? TL_JFLOORDIV
                 : t == TL_JT_MOD      ? TL_JMOD
                                       : -1;
        if (op < 0) return 0;
        tl_jnode *b = NULL;
        int line = p->now.line;
        TL_TRY(tl_jp_advance(p));
        TL_TRY(power(p, &b));
        TL_TRY(two(p, TL_JK_BINARY, op, line, *out, b, out));
    }
}

static int concatenation(tl_jparser *p, tl_jnode **out)
{
    tl_jnode *first = NULL, *n = NULL;
    int line = p->now.line;
    TL_TRY(product(p, &first));
    *out = first;
    while (p->now.type == TL_JT_TILDE) {
        if (!n) {
            TL_TRY(tl_jp_node(p, TL_JK_CONCAT, line, &n));
            TL_TRY(tl_jp_push(p, n, &n->list, first));
            *out = n;
        }
        tl_jnode *next = NULL;
        TL_TRY(tl_jp_advance(p));
        TL_TRY(product(p, &next));
        TL_TRY(tl_jp_push(p, n, &n->list, next));
    }
    return 0;
}

static int sum(tl_jparser *p, tl_jnode **out)
{
    TL_TRY(concatenation(p, out));
    while (p->now.type == TL_JT_ADD || p->now.type == TL_JT_SUB) {
        tl_jnode *b = NULL;
        int line = p->now.line, op = p->now.type == TL_JT_ADD ? TL_JADD : TL_JSUB;
        TL_TRY(tl_jp_advance(p));
        TL_TRY(concatenation(p, &b));
        TL_TRY(two(p, TL_JK_BINARY, op, line, *out, b, out));
    }
    return 0;
}

/* The comparison that begins here, or -1; goes behind it. */
static int comparison_operator(tl_jparser *p, int *op)
{
    *op = -1;
    if (p->now.type >= TL_JT_EQ && p->now.type <= TL_JT_MORE_EQ) {
        *op = (int)(p->now.type - TL_JT_EQ) + TL_JEQ;
        return tl_jp_advance(p);
    }
    if (tl_jp_is(p, "in")) {
        *op = TL_JIN;
        return tl_jp_advance(p);
    }
    if (!tl_jp_is(p, "not")) return 0;
    TL_TRY(tl_jp_look(p));
    if (p->ahead.type != TL_JT_NAME || !tl_jstr_is(&p->ahead.name->str, "in")) return 0;
    *op = TL_JNOT_IN;
    TL_TRY(tl_jp_advance(p));
    return tl_jp_advance(p);
}

static int comparison(tl_jparser *p, tl_jnode **out)
{
    tl_jnode *n = NULL, *right = NULL, *operand = NULL;
    int op, line = p->now.line;
    TL_TRY(sum(p, out));
    for (;;) {
        TL_TRY(comparison_operator(p, &op));
        if (op < 0) return 0;
        if (!n) {
            TL_TRY(two(p, TL_JK_COMPARE, 0, line, *out, NULL, &n));
            *out = n;
        }
        TL_TRY(sum(p, &right));
        TL_TRY(two(p, TL_JK_OPERAND, op, right->line, right, NULL, &operand));
        TL_TRY(tl_jp_push(p, n, &n->list, operand));
    }
}

static int negation(tl_jparser *p, tl_jnode **out)
{
    if (!tl_jp_is(p, "not")) return comparison(p, out);
    tl_jnode *a = NULL;
    int line = p->now.line;
    TL_TRY(nest(p));
    TL_TRY(tl_jp_advance(p));
    TL_TRY(negation(p, &a));
    p->nested--;
    return two(p, TL_JK_NOT, 0, line, a, NULL, out);
}

static int logical(tl_jparser *p, bool any, tl_jnode **out)
{
    bool more;
    TL_TRY(any ? logical(p, false, out) : negation(p, out));
    for (;;) {
        tl_jnode *b = NULL;
        int line = p->now.line;
        TL_TRY(tl_jp_skip_word(p, any ? "or" : "and", &more));
        if (!more) return 0;
        TL_TRY(any ? logical(p, false, &b) : negation(p, &b));
        TL_TRY(two(p, any ? TL_JK_OR : TL_JK_AND, 0, line, *out, b, out));
    }
}

static int conditional(tl_jparser *p, tl_jnode **out)
{
    bool more;
    int line = p->now.line;
    TL_TRY(logical(p, true, out));
    for (;;) {
        TL_TRY(tl_jp_skip_word(p, "if", &more));
        if (!more) return 0;
        tl_jnode *n = NULL, *condition = NULL;
        TL_TRY(logical(p, true, &condition));
        TL_TRY(two(p, TL_JK_COND, 0, line, condition, *out, &n));
        TL_TRY(tl_jp_skip_word(p, "else", &more));
        if (more) {
            TL_TRY(nest(p));
            TL_TRY(conditional(p, &n->c));
            p->nested--;
            TL_TRY(tl_jp_adopt(p, n, n->c));
        }
        *out = n;
    }
}

int tl_jp_expression(tl_jparser *p, bool with_condition, tl_jnode **out)
{
    TL_TRY(nest(p));
    TL_TRY(with_condition ? conditional(p, out) : logical(p, true, out));
    p->nested--;
    return 0;
}

int tl_jp_target(tl_jparser *p, tl_jnode *n)
{
    n->store = true;
    if (n->kind == TL_JK_NAME || n->kind == TL_JK_NSREF) return 0;
    if (n->kind != TL_JK_TUPLE)
        return tl_jparse_fail(p->src, n->line, p->err, "what is assigned to is no name, wanted is one or several");
    for (int i = 0; i < n->list.n; i++) TL_TRY(tl_jp_target(p, n->list.at[i]));
    return 0;
}
