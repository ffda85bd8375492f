/* jinja_lexer.h - a template's text to tokens, one at a time.
 *
 *     tl_jlexer l;
 *     tl_jlexer_begin(&l, src);
 *     TL_TRY(tl_jlexer_next(&l, &token, err));     ... until token.type is TL_JT_END
 *
 * jinja2's lexer with trim_blocks and lstrip_blocks, as transformers sets them: the newline behind a block's end goes,
 * and so do the blanks in front of a block that begins its line; a '-' in the tag takes all space on its side, a '+'
 * keeps it.  Comments and what delimits raw blocks give no tokens. */
#ifndef TL_TEXT_JINJA_LEXER_H
#define TL_TEXT_JINJA_LEXER_H

#include "text/jinja_ast.h"

typedef enum tl_jtoken_type {
    TL_JT_END,
    TL_JT_DATA,
    TL_JT_PRINT_BEGIN, /* {{ */
    TL_JT_PRINT_END,
    TL_JT_BLOCK_BEGIN, /* {% */
    TL_JT_BLOCK_END,
    TL_JT_NAME,
    TL_JT_STRING,
    TL_JT_INTEGER,
    TL_JT_FLOAT,
    TL_JT_ADD,
    TL_JT_SUB,
    TL_JT_MUL,
    TL_JT_DIV,
    TL_JT_FLOORDIV,
    TL_JT_MOD,
    TL_JT_POW,
    TL_JT_EQ,
    TL_JT_NE,
    TL_JT_LESS,
    TL_JT_LESS_EQ,
    TL_JT_MORE,
    TL_JT_MORE_EQ,
    TL_JT_TILDE,
    TL_JT_LBRACKET,
    TL_JT_RBRACKET,
    TL_JT_LPAREN,
    TL_JT_RPAREN,
    TL_JT_LBRACE,
    TL_JT_RBRACE,
    TL_JT_ASSIGN,
    TL_JT_DOT,
    TL_JT_COLON,
    TL_JT_PIPE,
    TL_JT_COMMA,
    TL_JT_SEMICOLON,
} tl_jtoken_type;

typedef struct tl_jtoken {
    tl_jtoken_type type;
    int line;
    const char *text; /* DATA, STRING: what it says; else as written */
    size_t size;
    tl_jname *name; /* NAME */
    int64_t i;      /* INTEGER */
    double f;       /* FLOAT */
} tl_jtoken;

typedef struct tl_jlexer {
    tl_jsource *src;
    size_t at;
    int line;
    tl_jtoken_type inside; /* PRINT_BEGIN, BLOCK_BEGIN, or END: between tags */
    bool line_starts;      /* what came last ended with a newline */
    bool raw;              /* a raw block's text comes next */
    bool data_done;        /* between tags: the text in front of the next tag has been given */
    char open[TL_JNEST_DEPTH];
    int n_open; /* brackets */
} tl_jlexer;

void tl_jlexer_begin(tl_jlexer *l, tl_jsource *src);
int tl_jlexer_next(tl_jlexer *l, tl_jtoken *out, tl_err *err);

/* "'|'", "a string", ...: for errors. */
const char *tl_jtoken_words(tl_jtoken_type t);

#endif
