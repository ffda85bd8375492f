/* jinja_parser.c - statements. */
#include "text/jinja_parser.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- failing ---- */

int tl_jparse_fail(const tl_jsource *src, int line, tl_err *err, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = ' ';
    return tl_fail(err, TL_EFORMAT, "%s:%d: %s", src->name, line, text);
}

int tl_jp_unexpected(tl_jparser *p, const char *wanted)
{
    const tl_jtoken *t = &p->now;
    char inside[100] = "";
    if (p->tag) snprintf(inside, sizeof inside, "; open is '%.40s' of line %d", p->tag, p->tag_line);
    if (t->type == TL_JT_NAME || t->type == TL_JT_INTEGER || t->type == TL_JT_FLOAT)
        return tl_jparse_fail(p->src, t->line, p->err, "found '%.*s', wanted %s%s", (int)(t->size < 60 ? t->size : 60),
                              t->text, wanted, inside);
    return tl_jparse_fail(p->src, t->line, p->err, "found %s, wanted %s%s", tl_jtoken_words(t->type), wanted, inside);
}

/* ---- tokens ---- */

int tl_jp_advance(tl_jparser *p)
{
    if (p->has_ahead) {
        p->now = p->ahead;
        p->has_ahead = false;
        return 0;
    }
    return tl_jlexer_next(&p->lexer, &p->now, p->err);
}

int tl_jp_look(tl_jparser *p)
{
    if (p->has_ahead) return 0;
    TL_TRY(tl_jlexer_next(&p->lexer, &p->ahead, p->err));
    p->has_ahead = true;
    return 0;
}

bool tl_jp_is(const tl_jparser *p, const char *word)
{
    return p->now.type == TL_JT_NAME && tl_jstr_is(&p->now.name->str, word);
}

int tl_jp_skip(tl_jparser *p, tl_jtoken_type type, bool *was)
{
    *was = p->now.type == type;
    return *was ? tl_jp_advance(p) : 0;
}

int tl_jp_skip_word(tl_jparser *p, const char *word, bool *was)
{
    *was = tl_jp_is(p, word);
    return *was ? tl_jp_advance(p) : 0;
}

int tl_jp_expect(tl_jparser *p, tl_jtoken_type type)
{
    return p->now.type == type ? tl_jp_advance(p) : tl_jp_unexpected(p, tl_jtoken_words(type));
}

int tl_jp_expect_word(tl_jparser *p, const char *word)
{
    char wanted[60];
    snprintf(wanted, sizeof wanted, "'%s'", word);
    return tl_jp_is(p, word) ? tl_jp_advance(p) : tl_jp_unexpected(p, wanted);
}

/* ---- the tree ---- */

int tl_jp_node(tl_jparser *p, tl_jkind kind, int line, tl_jnode **out)
{
    tl_jnode *n = tl_jregion_take(p->src->region, sizeof *n, p->err);
    if (!n) return TL_ENOMEM;
    memset(n, 0, sizeof *n);
    n->kind = (uint8_t)kind;
    n->line = line;
    n->depth = 1;
    *out = n;
    return 0;
}

int tl_jp_adopt(tl_jparser *p, tl_jnode *parent, const tl_jnode *child)
{
    if (child->depth >= parent->depth) parent->depth = child->depth + 1;
    if (parent->depth <= TL_JTREE_DEPTH) return 0;
    return tl_jparse_fail(p->src, parent->line, p->err, "what is written there is nested deeper than %d",
                          TL_JTREE_DEPTH);
}

int tl_jp_push(tl_jparser *p, tl_jnode *parent, tl_jnodes *list, tl_jnode *child)
{
    if ((list->n & (list->n - 1)) == 0) { /* full at each power of two */
        tl_jnode **at = tl_jregion_take(p->src->region, (size_t)(list->n ? 2 * list->n : 1) * sizeof *at, p->err);
        if (!at) return TL_ENOMEM;
        if (list->n) memcpy(at, list->at, (size_t)list->n * sizeof *at);
        list->at = at;
    }
    list->at[list->n++] = child;
    return tl_jp_adopt(p, parent, child);
}

int tl_jname_get(tl_jsource *src, const char *bytes, size_t size, tl_jname **out, tl_err *err)
{
    uint32_t hash = tl_jhash_bytes(bytes, size);
    if (2 * (src->n_names + 1) > src->mask) {
        size_t room = src->mask ? 2 * (src->mask + 1) : 64;
        tl_jname **names = tl_jregion_take(src->region, room * sizeof *names, err);
        if (!names) return TL_ENOMEM;
        memset(names, 0, room * sizeof *names);
        for (size_t i = 0; src->names && i <= src->mask; i++) {
            if (!src->names[i]) continue;
            size_t k = src->names[i]->str.hash & (room - 1);
            while (names[k]) k = (k + 1) & (room - 1);
            names[k] = src->names[i];
        }
        src->names = names;
        src->mask = room - 1;
    }
    size_t k = hash & src->mask;
    for (; src->names[k]; k = (k + 1) & src->mask) {
        tl_jstr *s = &src->names[k]->str;
        if (s->hash != hash || s->size != size || memcmp(s->bytes, bytes, size) != 0) continue;
        *out = src->names[k];
        return 0;
    }
    tl_jname *n = tl_jregion_take(src->region, sizeof *n + size + 1, err);
    if (!n) return TL_ENOMEM;
    char *copy = (char *)(n + 1);
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    *n = (tl_jname){ .str = { .bytes = copy, .size = size, .length = TL_J_UNCOUNTED, .hash = hash } };
    tl_jstr_length(&n->str);
    n->str.shared = true;
    src->names[k] = *out = n;
    src->n_names++;
    return 0;
}

/* ---- statements ---- */

static int body(tl_jparser *p, tl_jnode *parent, tl_jnodes *to, const char *const *ends);

/* What is between the end of this tag and one of the tags in ends; stands at that tag's name. */
static int block(tl_jparser *p, tl_jnode *parent, tl_jnodes *to, const char *const *ends)
{
    bool colon;
    TL_TRY(tl_jp_skip(p, TL_JT_COLON, &colon));
    TL_TRY(tl_jp_expect(p, TL_JT_BLOCK_END));
    return body(p, parent, to, ends);
}

static int block_to(tl_jparser *p, tl_jnode *parent, tl_jnodes *to, const char *end)
{
    const char *const ends[] = { end, NULL };
    TL_TRY(block(p, parent, to, ends));
    return tl_jp_advance(p);
}

static int target(tl_jparser *p, bool namespaces, const char *end, tl_jnode *parent, tl_jnode **out)
{
    TL_TRY(tl_jp_tuple(p, (tl_jp_tuple_rules){ .names_only = true, .namespaces = namespaces, .end = end }, out));
    TL_TRY(tl_jp_target(p, *out));
    return tl_jp_adopt(p, parent, *out);
}

static int set(tl_jparser *p, int line, tl_jnode **out)
{
    tl_jnode *n = NULL;
    bool value;
    TL_TRY(tl_jp_node(p, TL_JK_SET, line, &n));
    *out = n;
    TL_TRY(target(p, true, NULL, n, &n->a));
    TL_TRY(tl_jp_skip(p, TL_JT_ASSIGN, &value));
    if (value) {
        TL_TRY(tl_jp_tuple(p, (tl_jp_tuple_rules){ .conditional = true }, &n->b));
        return tl_jp_adopt(p, n, n->b);
    }
    n->kind = TL_JK_SETBLOCK;
    TL_TRY(tl_jp_filters(p, NULL, false, &n->b));
    if (n->b) TL_TRY(tl_jp_adopt(p, n, n->b));
    return block_to(p, n, &n->body, "endset");
}

static int for_loop(tl_jparser *p, int line, tl_jnode **out)
{
    static const char *const ends[] = { "endfor", "else", NULL };
    tl_jnode *n = NULL;
    bool more;
    TL_TRY(tl_jp_node(p, TL_JK_FOR, line, &n));
    *out = n;
    TL_TRY(target(p, false, "in", n, &n->a));
    TL_TRY(tl_jp_expect_word(p, "in"));
    TL_TRY(tl_jp_tuple(p, (tl_jp_tuple_rules){ .end = "recursive" }, &n->b));
    TL_TRY(tl_jp_adopt(p, n, n->b));
    TL_TRY(tl_jp_skip_word(p, "if", &more));
    if (more) {
        TL_TRY(tl_jp_expression(p, true, &n->c));
        TL_TRY(tl_jp_adopt(p, n, n->c));
    }
    TL_TRY(tl_jp_skip_word(p, "recursive", &n->flag));
    TL_TRY(block(p, n, &n->body, ends));
    TL_TRY(tl_jp_skip_word(p, "else", &more));
    return more ? block_to(p, n, &n->more, "endfor") : tl_jp_advance(p);
}

static int if_block(tl_jparser *p, int line, tl_jnode **out)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL };
    tl_jnode *n = NULL;
    TL_TRY(tl_jp_node(p, TL_JK_IF, line, &n));
    *out = n;
    for (bool more = true; more;) {
        tl_jnode *clause = NULL;
        TL_TRY(tl_jp_node(p, TL_JK_CLAUSE, p->now.line, &clause));
        TL_TRY(tl_jp_tuple(p, (tl_jp_tuple_rules){ 0 }, &clause->a));
        TL_TRY(tl_jp_adopt(p, clause, clause->a));
        TL_TRY(block(p, clause, &clause->body, ends));
        TL_TRY(tl_jp_push(p, n, &n->list, clause));
        TL_TRY(tl_jp_skip_word(p, "elif", &more));
    }
    bool otherwise;
    TL_TRY(tl_jp_skip_word(p, "else", &otherwise));
    if (!otherwise) return tl_jp_advance(p);
    tl_jnode *clause = NULL;
    TL_TRY(tl_jp_node(p, TL_JK_CLAUSE, p->now.line, &clause));
    TL_TRY(block_to(p, clause, &clause->body, "endif"));
    return tl_jp_push(p, n, &n->list, clause);
}

static int parameter(tl_jparser *p, tl_jnode **out)
{
    TL_TRY(tl_jp_node(p, TL_JK_NAME, p->now.line, out));
    (*out)->name = p->now.name;
    (*out)->store = (*out)->flag = true;
    return tl_jp_expect(p, TL_JT_NAME);
}

/* (a, b=1): into list, and the last ones' defaults into more. */
static int signature(tl_jparser *p, tl_jnode *n)
{
    bool has_default;
    TL_TRY(tl_jp_expect(p, TL_JT_LPAREN));
    while (p->now.type != TL_JT_RPAREN) {
        if (n->list.n) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        tl_jnode *name = NULL, *value = NULL;
        TL_TRY(parameter(p, &name));
        for (int i = 0; i < n->list.n; i++)
            if (n->list.at[i]->name == name->name)
                return tl_jparse_fail(p->src, name->line, p->err, "the parameter %s is there twice",
                                      name->name->str.bytes);
        TL_TRY(tl_jp_skip(p, TL_JT_ASSIGN, &has_default));
        if (has_default) {
            TL_TRY(tl_jp_expression(p, true, &value));
            TL_TRY(tl_jp_push(p, n, &n->more, value));
        } else if (n->more.n) {
            return tl_jparse_fail(p->src, name->line, p->err, "the parameter %s has no default, one before it has",
                                  name->name->str.bytes);
        }
        TL_TRY(tl_jp_push(p, n, &n->list, name));
    }
    return tl_jp_advance(p);
}

static int macro(tl_jparser *p, int line, tl_jnode **out)
{
    TL_TRY(tl_jp_node(p, TL_JK_MACRO, line, out));
    (*out)->name = p->now.name;
    TL_TRY(tl_jp_expect(p, TL_JT_NAME));
    TL_TRY(signature(p, *out));
    return block_to(p, *out, &(*out)->body, "endmacro");
}

static int call_block(tl_jparser *p, int line, tl_jnode **out)
{
    tl_jnode *n = NULL;
    TL_TRY(tl_jp_node(p, TL_JK_CALLBLOCK, line, &n));
    *out = n;
    if (p->now.type == TL_JT_LPAREN) TL_TRY(signature(p, n));
    TL_TRY(tl_jp_expression(p, true, &n->a));
    if (n->a->kind != TL_JK_CALL) return tl_jparse_fail(p->src, line, p->err, "{%% call %%} wants a call behind it");
    TL_TRY(tl_jp_adopt(p, n, n->a));
    return block_to(p, n, &n->body, "endcall");
}

static int filter_block(tl_jparser *p, int line, tl_jnode **out)
{
    TL_TRY(tl_jp_node(p, TL_JK_FILTERBLOCK, line, out));
    TL_TRY(tl_jp_filters(p, NULL, true, &(*out)->b));
    TL_TRY(tl_jp_adopt(p, *out, (*out)->b));
    return block_to(p, *out, &(*out)->body, "endfilter");
}

static int with(tl_jparser *p, int line, tl_jnode **out)
{
    tl_jnode *n = NULL;
    TL_TRY(tl_jp_node(p, TL_JK_WITH, line, &n));
    *out = n;
    while (p->now.type != TL_JT_BLOCK_END) {
        tl_jnode *name = NULL, *value = NULL;
        if (n->list.n) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        TL_TRY(target(p, false, NULL, n, &name));
        name->flag = true;
        TL_TRY(tl_jp_expect(p, TL_JT_ASSIGN));
        TL_TRY(tl_jp_expression(p, true, &value));
        TL_TRY(tl_jp_push(p, n, &n->list, name));
        TL_TRY(tl_jp_push(p, n, &n->more, value));
    }
    return block_to(p, n, &n->body, "endwith");
}

static int generation(tl_jparser *p, int line, tl_jnode **out)
{
    TL_TRY(tl_jp_node(p, TL_JK_GENERATION, line, out));
    return block_to(p, *out, &(*out)->body, "endgeneration");
}

static int loop_control(tl_jparser *p, int line, tl_jnode **out)
{
    return tl_jp_node(p, p->tag[0] == 'b' ? TL_JK_BREAK : TL_JK_CONTINUE, line, out);
}

typedef int statement_fn(tl_jparser *p, int line, tl_jnode **out);

/* {% print a, b %} is as many prints. */
static int print(tl_jparser *p, tl_jnode *parent, tl_jnodes *to)
{
    for (bool first = true; p->now.type != TL_JT_BLOCK_END; first = false) {
        tl_jnode *n = NULL;
        if (!first) TL_TRY(tl_jp_expect(p, TL_JT_COMMA));
        TL_TRY(tl_jp_node(p, TL_JK_PRINT, p->now.line, &n));
        TL_TRY(tl_jp_expression(p, true, &n->a));
        TL_TRY(tl_jp_adopt(p, n, n->a));
        TL_TRY(tl_jp_push(p, parent, to, n));
    }
    return 0;
}

/* The statement whose name is the next word. */
static int statement(tl_jparser *p, tl_jnode *parent, tl_jnodes *to)
{
    static const struct {
        const char *tag;
        statement_fn *parse; /* NULL: jinja2 has it, chat templates have no use for it */
    } rows[] = {
        { "if", if_block },        { "for", for_loop },          { "set", set },    { "macro", macro },
        { "call", call_block },    { "filter", filter_block },   { "with", with },  { "generation", generation },
        { "break", loop_control }, { "continue", loop_control }, { "block", NULL }, { "extends", NULL },
        { "include", NULL },       { "import", NULL },           { "from", NULL },  { "autoescape", NULL },
    };
    if (p->now.type != TL_JT_NAME) return tl_jp_unexpected(p, "the name of a tag");
    int line = p->now.line;
    const char *tag = p->tag;
    int tag_line = p->tag_line;
    if (tl_jp_is(p, "print")) {
        TL_TRY(tl_jp_advance(p));
        return print(p, parent, to);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!tl_jp_is(p, rows[i].tag)) continue;
        if (!rows[i].parse) return tl_jparse_fail(p->src, line, p->err, "the tag '%s' is not supported", rows[i].tag);
        if (++p->nested > TL_JNEST_DEPTH)
            return tl_jparse_fail(p->src, line, p->err, "blocks are nested deeper than %d", TL_JNEST_DEPTH);
        tl_jnode *n = NULL;
        p->tag = rows[i].tag;
        p->tag_line = line;
        TL_TRY(tl_jp_advance(p));
        TL_TRY(rows[i].parse(p, line, &n));
        p->tag = tag;
        p->tag_line = tag_line;
        p->nested--;
        return tl_jp_push(p, parent, to, n);
    }
    return tl_jp_unexpected(p, "a tag that is known");
}

static int data(tl_jparser *p, tl_jnode *parent, tl_jnodes *to)
{
    tl_jnode *n = NULL;
    tl_jstr *s = tl_jregion_take(p->src->region, sizeof *s, p->err);
    if (!s) return TL_ENOMEM;
    *s = (tl_jstr){ .bytes = p->now.text, .size = p->now.size, .shared = true };
    TL_TRY(tl_jp_node(p, TL_JK_DATA, p->now.line, &n));
    n->value = tl_jof(TL_J_STR, s);
    TL_TRY(tl_jp_push(p, parent, to, n));
    return tl_jp_advance(p);
}

/* "'endif'" or "'elif', 'else' or 'endif'" */
static void list_ends(const char *const *ends, char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; ends[i] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s'%s'", i == 0 ? "" : ends[i + 1] ? ", " : " or ", ends[i]);
}

/* Up to a tag whose name is in ends, or the end of the template where that is NULL. */
static int body(tl_jparser *p, tl_jnode *parent, tl_jnodes *to, const char *const *ends)
{
    char wanted[80] = "the end";
    if (ends) list_ends(ends, wanted, sizeof wanted);
    for (;;) {
        switch (p->now.type) {
        case TL_JT_DATA:
            TL_TRY(data(p, parent, to));
            break;
        case TL_JT_PRINT_BEGIN: {
            tl_jnode *n = NULL;
            TL_TRY(tl_jp_node(p, TL_JK_PRINT, p->now.line, &n));
            TL_TRY(tl_jp_advance(p));
            TL_TRY(tl_jp_tuple(p, (tl_jp_tuple_rules){ .conditional = true }, &n->a));
            TL_TRY(tl_jp_adopt(p, n, n->a));
            TL_TRY(tl_jp_push(p, parent, to, n));
            TL_TRY(tl_jp_expect(p, TL_JT_PRINT_END));
            break;
        }
        case TL_JT_BLOCK_BEGIN:
            TL_TRY(tl_jp_advance(p));
            for (int i = 0; ends && ends[i]; i++)
                if (tl_jp_is(p, ends[i])) return 0;
            if (ends && p->now.type == TL_JT_NAME && p->now.name->str.size > 3 && !memcmp(p->now.text, "end", 3))
                return tl_jp_unexpected(p, wanted);
            TL_TRY(statement(p, parent, to));
            TL_TRY(tl_jp_expect(p, TL_JT_BLOCK_END));
            break;
        default:
            assert(p->now.type == TL_JT_END);
            return ends ? tl_jp_unexpected(p, wanted) : 0;
        }
    }
}

int tl_jparse(tl_jnode **out, tl_jsource *src, const char *text, size_t size, tl_err *err)
{
    tl_jparser p = { .src = src, .err = err };
    /* Lines end with \n whatever they ended with, and the last newline is not part of the template. */
    char *plain = tl_jregion_take(src->region, size + 1, err);
    if (!plain) return TL_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        plain[n++] = text[i] == '\r' ? '\n' : text[i];
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n') i++;
    }
    if (n && plain[n - 1] == '\n') n--;
    plain[n] = '\0';
    src->text = plain;
    src->size = n;
    tl_jlexer_begin(&p.lexer, src);
    TL_TRY(tl_jp_advance(&p));
    TL_TRY(tl_jp_node(&p, TL_JK_TEMPLATE, 1, out));
    TL_TRY(body(&p, *out, &(*out)->body, NULL));
    return tl_jnames_resolve(*out, src, err);
}
