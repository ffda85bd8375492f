/* jinja_ast.h - the tree of a template: made by the parser, finished by jinja_names.c, read by any number of threads.
 *
 * One struct for all nodes, so that walking it is one function; what the fields hold stands with each kind:
 *
 *     kind        a            b            c         list           more           body
 *     CONST       (value)
 *     NAME        (name, at; flag: a parameter)
 *     NSREF       (name, at; attr is the attribute's name)
 *     LIST TUPLE                                      items
 *     DICT                                            keys and values in turn
 *     COND        test         then         else, NULL
 *     AND OR      left         right
 *     NOT NEG POS operand
 *     BINARY      left         right                                              (op)
 *     COMPARE     first                               OPERANDs (op, a)
 *     CONCAT                                          parts
 *     GETATTR     of           (name)
 *     GETITEM     of           key or SLICE
 *     SLICE       start, NULL  stop, NULL   step, NULL
 *     CALL        callee       *args, NULL  **kw, NULL  arguments      KEYWORDs (name, a)
 *     FILTER TEST operand      the same                                           (name, builtin); the operand of a
 *                                                                    filter block's first filter is NULL
 *     DATA        (value)
 *     PRINT       expression
 *     IF                                              CLAUSEs (a test or NULL, body)
 *     FOR         target       over         filter    .              else           body      (flag: recursive)
 *     SET         target       value
 *     SETBLOCK    target       filter, NULL                                         body
 *     MACRO       (name)                              parameters     defaults       body
 *     CALLBLOCK   the CALL                            parameters     defaults       body
 *     FILTERBLOCK              filter                                               body
 *     WITH                                            targets        values         body
 *     GENERATION                                                                    body
 *     BREAK CONTINUE
 *     TEMPLATE                                                                      body
 */
#ifndef TL_TEXT_JINJA_AST_H
#define TL_TEXT_JINJA_AST_H

#include "text/jinja.h"

#include <assert.h>

typedef enum tl_jkind {
    TL_JK_CONST,
    TL_JK_NAME,
    TL_JK_NSREF,
    TL_JK_LIST,
    TL_JK_TUPLE,
    TL_JK_DICT,
    TL_JK_COND,
    TL_JK_AND,
    TL_JK_OR,
    TL_JK_NOT,
    TL_JK_NEG,
    TL_JK_POS,
    TL_JK_BINARY,
    TL_JK_COMPARE,
    TL_JK_OPERAND,
    TL_JK_CONCAT,
    TL_JK_GETATTR,
    TL_JK_GETITEM,
    TL_JK_SLICE,
    TL_JK_CALL,
    TL_JK_KEYWORD,
    TL_JK_FILTER,
    TL_JK_TEST,
    TL_JK_DATA,
    TL_JK_PRINT,
    TL_JK_IF,
    TL_JK_CLAUSE,
    TL_JK_FOR,
    TL_JK_SET,
    TL_JK_SETBLOCK,
    TL_JK_MACRO,
    TL_JK_CALLBLOCK,
    TL_JK_FILTERBLOCK,
    TL_JK_WITH,
    TL_JK_GENERATION,
    TL_JK_BREAK,
    TL_JK_CONTINUE,
    TL_JK_TEMPLATE,
} tl_jkind;

/* Operators of BINARY and COMPARE. */
enum {
    TL_JADD,
    TL_JSUB,
    TL_JMUL,
    TL_JDIV,
    TL_JFLOORDIV,
    TL_JMOD,
    TL_JPOW,
    TL_JEQ,
    TL_JNE,
    TL_JLESS,
    TL_JLESS_EQ,
    TL_JMORE,
    TL_JMORE_EQ,
    TL_JIN,
    TL_JNOT_IN,
};

typedef struct tl_jbinding tl_jbinding;

/* A name, once per template. */
typedef struct tl_jname {
    tl_jstr str;
    tl_jbinding *bound; /* while names are resolved: the innermost frame that has it */
} tl_jname;

/* Where a variable is: so many scopes outward, in that slot. */
typedef struct tl_jplace {
    int outward, slot;
} tl_jplace;

static inline tl_jvalue *tl_jslot(tl_jscope *s, tl_jplace at)
{
    for (int k = at.outward; k > 0; k--) {
        assert(s->around);
        s = s->around;
    }
    return &s->slots[at.slot];
}

/* What a scope begins with.  Parameters have no row: whoever enters sets them. */
typedef struct tl_jload {
    int slot;
    enum {
        TL_JLOAD_NOTHING,  /* MISSING */
        TL_JLOAD_VARIABLE, /* the variable or global of that name */
        TL_JLOAD_OUTER,    /* the value that it has further out */
    } from;
    tl_jname *name;
    tl_jplace outer; /* counted from the scope around */
} tl_jload;

typedef struct tl_jframe {
    int slots;
    int n_loads;
    tl_jload *loads;
    int loop;                    /* FOR: slot of `loop`, -1: nobody asks for it */
    int caller, kwargs, varargs; /* MACRO, CALLBLOCK: slots, -1: nobody asks */
    bool caller_in_parameters;   /* a parameter is called so */
} tl_jframe;

typedef struct tl_jnodes {
    tl_jnode **at;
    int n;
} tl_jnodes;

struct tl_jnode {
    uint8_t kind, op;
    bool flag;
    bool store; /* NAME, TUPLE: is assigned to */
    int line;
    int depth; /* of the tree below */
    union {
        tl_jvalue value;
        struct {
            tl_jname *name;
            tl_jplace at;
        };
    };
    union {
        tl_jname *attr;
        const tl_jbuiltin *builtin; /* NULL: none of that name, which is an error once it is called */
    };
    tl_jnode *a, *b, *c;
    tl_jnodes list, more, body;
    tl_jframe *frame; /* of the body; FOR has three: of the body, of the filter, of the else */
};

/* What parsing works with and in; the tree lives in region. */
typedef struct tl_jsource {
    const char *name; /* of the template, for errors */
    tl_jregion *region;
    const char *text; /* as the lexer made it: lines end with \n, the last newline is gone */
    size_t size;
    tl_jname **names; /* by hash of their text */
    size_t n_names, mask;
} tl_jsource;

/* The name with these bytes. */
int tl_jname_get(tl_jsource *src, const char *bytes, size_t size, tl_jname **out, tl_err *err);

/* Fail with template and line in front. */
int tl_jparse_fail(const tl_jsource *src, int line, tl_err *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

enum {
    TL_JTREE_DEPTH = 400, /* of a tree */
    TL_JNEST_DEPTH = 100, /* of parentheses, or of blocks, while it is read */
};

/* jinja_parser.c, jinja_names.c */
int tl_jparse(tl_jnode **out, tl_jsource *src, const char *text, size_t size, tl_err *err);
int tl_jnames_resolve(tl_jnode *root, tl_jsource *src, tl_err *err);

#endif
