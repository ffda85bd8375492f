/* jinja_parser.h - what jinja_parser.c (statements) and jinja_expression.c share; private to both.
 *
 * Recursive descent over one token and the one behind it, in the order of jinja2's own parser, since its grammar has
 * corners that templates lean on: names are no keywords, `if` may lack its `else`, a filter binds tighter than `-`. */
#ifndef TL_TEXT_JINJA_PARSER_H
#define TL_TEXT_JINJA_PARSER_H

#include "text/jinja_lexer.h"

typedef struct tl_jparser {
    tl_jsource *src;
    tl_err *err;
    tl_jlexer lexer;
    tl_jtoken now, ahead;
    bool has_ahead;
    int nested;      /* expressions and blocks that are open */
    const char *tag; /* the innermost open block, NULL: none */
    int tag_line;
} tl_jparser;

int tl_jp_advance(tl_jparser *p);
int tl_jp_look(tl_jparser *p); /* fill p->ahead */
bool tl_jp_is(const tl_jparser *p, const char *word);
int tl_jp_skip(tl_jparser *p, tl_jtoken_type type, bool *was); /* go on where it is one */
int tl_jp_skip_word(tl_jparser *p, const char *word, bool *was);
int tl_jp_expect(tl_jparser *p, tl_jtoken_type type);
int tl_jp_expect_word(tl_jparser *p, const char *word);
int tl_jp_unexpected(tl_jparser *p, const char *wanted); /* fail: found this, wanted that */

int tl_jp_node(tl_jparser *p, tl_jkind kind, int line, tl_jnode **out);
int tl_jp_adopt(tl_jparser *p, tl_jnode *parent, const tl_jnode *child); /* count the depth of the tree */
int tl_jp_push(tl_jparser *p, tl_jnode *parent, tl_jnodes *list, tl_jnode *child);

int tl_jp_expression(tl_jparser *p, bool conditional, tl_jnode **out);
/* What may be several with commas between; end: a word that ends it, or NULL. */
typedef struct tl_jp_tuple_rules {
    bool names_only; /* names and literals: a target */
    bool conditional;
    bool parentheses; /* inside of them: may be empty */
    bool namespaces;  /* ns.name is a target */
    const char *end;
} tl_jp_tuple_rules;
int tl_jp_tuple(tl_jparser *p, tl_jp_tuple_rules rules, tl_jnode **out);
int tl_jp_filters(tl_jparser *p, tl_jnode *on, bool first_is_open, tl_jnode **out);

/* Make n, a name or tuple of them, something that is assigned to. */
int tl_jp_target(tl_jparser *p, tl_jnode *n);

#endif
