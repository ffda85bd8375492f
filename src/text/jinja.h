/* jinja.h - the values of templates and the machine that computes with them; private to src/text/jinja*.c and
 * template.c, whose names all begin with tl_j.
 *
 *     tl_jinja x   one rendering: its memory, its bounds, where it stands
 *     tl_jvalue    what an expression gives: sixteen bytes, passed by value
 *
 * The rules are Python's, as jinja2 shows them to a template: what compares, adds, is true, prints.  A value that has
 * been made is never changed, so values are shared freely; the exceptions are those a template can see change: a
 * namespace, a loop, a cycler, a joiner, and an iterator that is used up.  Memory is taken from x->region and given
 * back with it.
 *
 * A function that can fail returns 0 or a code of err.h; then x->err has the sentence, with template and line in front.
 * The files:
 *
 *     jinja_lexer jinja_parser jinja_expression jinja_names   text to a tree (jinja_ast.h), every name a place in a
 * scope jinja_eval jinja_run jinja_call                         expressions, statements, calls jinja_value
 * jinja_compare jinja_iterate jinja_show      values: made, compared, walked, printed jinja_number jinja_access
 * jinja_printf jinja_format     operators, attributes and items, '%' and format() jinja_filters* jinja_tests
 * jinja_globals                what templates call by name jinja_strings jinja_letters jinja_json methods of strings,
 * letter case, tojson */
#ifndef TL_TEXT_JINJA_H
#define TL_TEXT_JINJA_H

#include "base/err.h"
#include "text/jinja_region.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef enum tl_jtype {
    TL_J_MISSING, /* nothing: a name that was not set, an argument not given, the end of an iterator; no template sees
                     it */
    TL_J_UNDEFINED,
    TL_J_NONE,
    TL_J_BOOL,
    TL_J_INT,
    TL_J_FLOAT,
    TL_J_STR,
    TL_J_LIST,
    TL_J_TUPLE,
    TL_J_DICT,
    TL_J_RANGE,
    TL_J_VIEW,     /* keys(), values(), items() of a dict */
    TL_J_ITERATOR, /* gives its items once: what map, select, reverse, ... make */
    TL_J_NAMESPACE,
    TL_J_MACRO,
    TL_J_FUNCTION, /* of jinja, maybe bound to the value it is a method of */
    TL_J_LOOP,
    TL_J_CYCLER,
    TL_J_JOINER,
} tl_jtype;

typedef struct tl_jinja tl_jinja;
typedef struct tl_jnode tl_jnode;
typedef struct tl_jscope tl_jscope;
typedef struct tl_jundefined tl_jundefined;
typedef struct tl_jstr tl_jstr;
typedef struct tl_jlist tl_jlist;
typedef struct tl_jdict tl_jdict;
typedef struct tl_jrange tl_jrange;
typedef struct tl_jview tl_jview;
typedef struct tl_jiter tl_jiter;
typedef struct tl_jmacro tl_jmacro;
typedef struct tl_jfunction tl_jfunction;
typedef struct tl_jloop tl_jloop;
typedef struct tl_jcycler tl_jcycler;
typedef struct tl_jjoiner tl_jjoiner;
typedef struct tl_jspans tl_jspans;

typedef struct tl_jvalue {
    tl_jtype type;
    union {
        bool b;
        int64_t i;
        double f;
        tl_jstr *s;
        tl_jlist *l; /* LIST, TUPLE */
        tl_jdict *d; /* DICT, NAMESPACE */
        tl_jrange *r;
        tl_jview *v;
        tl_jiter *it;
        tl_jmacro *m;
        tl_jfunction *fn;
        tl_jloop *loop;
        tl_jcycler *c;
        tl_jjoiner *j;
        tl_jundefined *u;
        void *any;
    } as;
} tl_jvalue;

/* ---- the kinds of values ---- */

#define TL_J_UNCOUNTED ((size_t)-1)

/* Valid UTF-8, not NUL-terminated. */
struct tl_jstr {
    const char *bytes; /* of the region, of the template or of the variables: whichever outlives the rendering */
    size_t size;
    size_t length;                    /* characters, or TL_J_UNCOUNTED: nobody has asked yet */
    uint32_t hash;                    /* 0: nobody has asked yet */
    bool markup;                      /* escaped for HTML: what joins it is escaped too */
    bool shared;                      /* of the template: read by several threads, never written */
    size_t near_character, near_byte; /* where somebody looked last */
    struct tl_jroom *room;            /* bytes behind it that a longer string may grow into, or NULL */
    tl_jspans *spans;                 /* {% generation %} blocks in it, or NULL */
};

struct tl_jlist {
    size_t n;
    tl_jvalue *items;
    bool group; /* a tuple of groupby: its items are also called grouper and list */
};

/* In the order of insertion; a namespace's is the one that still grows. */
typedef struct tl_jentry {
    tl_jvalue key, value;
    uint32_t hash;
} tl_jentry;

struct tl_jdict {
    size_t n, room;
    tl_jentry *entries;
    uint32_t *find; /* entry and one, by hash; NULL while there are few */
    size_t mask;
};

struct tl_jrange {
    int64_t start, stop, step; /* stop is only shown */
    size_t n;
};

struct tl_jview {
    tl_jdict *d;
    char what; /* 'k', 'v', 'i' */
};

struct tl_jundefined {
    const char *hint; /* the whole sentence, or NULL: made of the next two */
    const char *of;   /* "dict object": what was asked; NULL: a variable */
    tl_jvalue name;
};

struct tl_jmacro {
    const tl_jnode *node;
    tl_jscope *scope; /* where it was defined */
};

struct tl_jloop {
    const tl_jnode *node;
    tl_jscope *scope; /* around it */
    tl_jvalue over;   /* what it walks */
    tl_jiter *it;
    size_t length; /* or TL_J_UNCOUNTED */
    size_t index0;
    int depth0;
    tl_jvalue before, now, after; /* MISSING: none, or not looked at yet */
    tl_jvalue changed;            /* the last arguments of changed(); MISSING: none */
};

struct tl_jcycler {
    tl_jlist *items;
    size_t at;
};

struct tl_jjoiner {
    tl_jvalue separator;
    bool used;
};

/* Values by name: slots of a scope, those of the scopes around it behind. */
struct tl_jscope {
    tl_jscope *around; /* NULL: the template's */
    tl_jvalue slots[];
};

/* ---- calls ---- */

typedef struct tl_jargs {
    tl_jvalue *at; /* by position */
    size_t n;
    tl_jdict *named; /* NULL: none */
} tl_jargs;

/* What templates call by name: filters, tests, globals, methods.  params says what it takes: "value,width?,first?":
 * '?' may be left out (MISSING), '*' the rest by position (a tuple), '**' by name (a dict), '/' those before only by
 * position.  For a filter, test or method the first is what it is applied to. */
/* A method that changes what it is called on has no params and no call: jinja2's sandbox does not give it away. */
typedef int tl_jcall_fn(tl_jinja *x, const tl_jvalue *arg, tl_jvalue *out);
typedef struct tl_jbuiltin {
    const char *name, *params;
    tl_jcall_fn *call; /* NULL: known to jinja2 and not to us */
} tl_jbuiltin;

struct tl_jfunction {
    const tl_jbuiltin *builtin;
    tl_jvalue self; /* MISSING: none */
};

enum {
    TL_J_PARAMS_MAX = 8
};

/* ---- text that grows ---- */

typedef struct tl_jtext {
    char *data;
    size_t size, room;
    tl_jspans *spans; /* of {% generation %} blocks written into it */
    bool counts;      /* it is output: bounded by max_output */
} tl_jtext;

/* A block's text has a place in the rendering once it has been written there; as long as it travels in a string that
 * nobody has changed, the place goes with it. */
typedef struct tl_jgeneration {
    int line;
    bool placed;
    struct tl_jgeneration *before;
} tl_jgeneration;

struct tl_jspans {
    size_t start, end;
    tl_jgeneration *of;
    tl_jspans *before;
};

#define TL_J_2_63 9223372036854775808.0 /* floats below it, and from -2^63 on, are whole numbers of 64 bits */

/* ---- the machine ---- */

struct tl_jinja {
    const char *name; /* of the template, for errors */
    tl_jregion *region;
    tl_err *err;
    int line; /* of what is being computed */
    size_t steps, max_steps;
    size_t look;           /* steps at which the clock is looked at next */
    double start, seconds; /* of this thread's processor time: when it began, how much it may take */
    int depth, max_depth;
    size_t max_output;
    time_t now; /* for strftime_now */
    long microseconds;
    tl_jtext *out; /* where output goes */
    tl_jdict *variables;
    tl_jgeneration *generations;
};

/* Fail: template and line, then the sentence.  Control characters become spaces. */
int tl_jfail(tl_jinja *x, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

void *tl_jtake(tl_jinja *x, size_t bytes);            /* NULL: failed */
void *tl_jtake_n(tl_jinja *x, size_t n, size_t each); /* the same for an array */

/* Count work: one step is an expression, or 32 bytes looked at. */
int tl_jlook(tl_jinja *x);
static inline int tl_jsteps(tl_jinja *x, size_t n)
{
    x->steps += n;
    return x->steps >= x->look ? tl_jlook(x) : 0;
}
static inline int tl_jbytes(tl_jinja *x, size_t bytes)
{
    return tl_jsteps(x, bytes / 32);
}

/* Around whatever recurses. */
int tl_jenter(tl_jinja *x);
static inline void tl_jleave(tl_jinja *x)
{
    x->depth--;
}

/* ---- jinja_value.c: making values ---- */

static inline tl_jvalue tl_jmissing(void)
{
    return (tl_jvalue){ .type = TL_J_MISSING };
}
static inline tl_jvalue tl_jnone(void)
{
    return (tl_jvalue){ .type = TL_J_NONE };
}
static inline tl_jvalue tl_jbool(bool b)
{
    return (tl_jvalue){ .type = TL_J_BOOL, .as.b = b };
}
static inline tl_jvalue tl_jint(int64_t i)
{
    return (tl_jvalue){ .type = TL_J_INT, .as.i = i };
}
static inline tl_jvalue tl_jfloat(double f)
{
    return (tl_jvalue){ .type = TL_J_FLOAT, .as.f = f };
}
static inline tl_jvalue tl_jof(tl_jtype type, void *p)
{
    return (tl_jvalue){ .type = type, .as.any = p };
}
static inline bool tl_jis_str(tl_jvalue v)
{
    return v.type == TL_J_STR;
}

/* A string of bytes that live long enough, or of a copy of them. */
int tl_jstr_wrap(tl_jinja *x, const char *bytes, size_t size, tl_jvalue *out);
int tl_jstr_copy(tl_jinja *x, const char *bytes, size_t size, tl_jvalue *out);
int tl_jstr_c(tl_jinja *x, const char *text, tl_jvalue *out); /* of a literal of ours */

/* Part of s: characters from .. to, or bytes; shares the bytes and the markup. */
int tl_jstr_cut(tl_jinja *x, tl_jstr *s, size_t from, size_t to, tl_jvalue *out);
int tl_jstr_cut_bytes(tl_jinja *x, const tl_jstr *s, size_t from, size_t to, tl_jvalue *out);

int tl_jstr_join(tl_jinja *x, tl_jstr *a, tl_jstr *b, tl_jvalue *out); /* a then b, no escaping */

size_t tl_jstr_length(tl_jstr *s);                 /* characters */
size_t tl_jstr_byte(tl_jstr *s, size_t character); /* where it begins; character <= length */
size_t tl_jstr_character(tl_jstr *s, size_t byte); /* the other way */
bool tl_jstr_is(const tl_jstr *s, const char *text);

int tl_jlist_new(tl_jinja *x, size_t n, tl_jlist **out); /* items are for the caller to fill */
int tl_jlist_push(tl_jinja *x, tl_jlist *l, size_t *room, tl_jvalue v);

int tl_jdict_new(tl_jinja *x, size_t room, tl_jdict **out);
int tl_jdict_put(tl_jinja *x, tl_jdict *d, tl_jvalue key, tl_jvalue value);
int tl_jdict_get(tl_jinja *x, const tl_jdict *d, tl_jvalue key, tl_jvalue *out); /* MISSING: not there */
int tl_jdict_at(tl_jinja *x, const tl_jdict *d, const char *key, tl_jvalue *out);

/* An undefined value; hint is a literal of ours or NULL, of is what has no such name ("dict object") or NULL. */
int tl_jundefined_new(tl_jinja *x, const char *hint, const char *of, tl_jvalue name, tl_jvalue *out);
int tl_jundefined_fail(tl_jinja *x, tl_jvalue v); /* that v was used */

int tl_jfunction_new(tl_jinja *x, const tl_jbuiltin *b, tl_jvalue self, tl_jvalue *out);

const char *tl_jtype_name(tl_jvalue v);   /* as Python calls it: "str" */
const char *tl_jobject_name(tl_jvalue v); /* "str object" */

/* ---- jinja_compare.c ---- */

int tl_jtrue(tl_jinja *x, tl_jvalue v, bool *out);
int tl_jequal(tl_jinja *x, tl_jvalue a, tl_jvalue b, bool *out);
/* a < b and the like; op is one of TL_JLESS, ... (jinja_ast.h) */
int tl_jorder(tl_jinja *x, int op, tl_jvalue a, tl_jvalue b, bool *out);
int tl_jcontains(tl_jinja *x, tl_jvalue item, tl_jvalue in, bool *out);
int tl_jhash(tl_jinja *x, tl_jvalue v, uint32_t *out); /* lists and dicts have none: refused */
bool tl_jsame(tl_jvalue a, tl_jvalue b);               /* one object */
uint32_t tl_jhash_bytes(const char *bytes, size_t size);

/* Sort n items in place by keys (stable), the order of the keys as Python compares them. */
int tl_jsort(tl_jinja *x, tl_jvalue *items, tl_jvalue *keys, size_t n, bool reverse);

/* ---- jinja_iterate.c ---- */

int tl_jiterate(tl_jinja *x, tl_jvalue v, tl_jiter **out); /* refused: not iterable */
int tl_jnext(tl_jinja *x, tl_jiter *it, tl_jvalue *out);   /* MISSING: the end */
int tl_jto_list(tl_jinja *x, tl_jvalue v, tl_jlist **out);
bool tl_jiterable(tl_jvalue v);
int tl_jlength(tl_jinja *x, tl_jvalue v, size_t *out); /* refused: has none */
bool tl_jhas_length(tl_jvalue v);
tl_jvalue tl_jrange_at(const tl_jrange *r, size_t i);

/* An iterator whose items next() makes; state is its own.  depth of what it draws from bounds how deep they nest. */
typedef int tl_jnext_fn(tl_jinja *x, void *state, tl_jvalue *out);
int tl_jgenerate(tl_jinja *x, tl_jnext_fn *next, void *state, const tl_jiter *from, tl_jvalue *out);
/* One over v that is made when its first item is asked for, as a Python generator's is. */
int tl_jlazily(tl_jinja *x, tl_jvalue v, tl_jiter **out);

/* ---- jinja_show.c: values as text ---- */

int tl_jtext_add(tl_jinja *x, tl_jtext *t, const char *bytes, size_t size);
int tl_jtext_c(tl_jinja *x, tl_jtext *t, const char *text);
int tl_jtext_char(tl_jinja *x, tl_jtext *t, int c);
int tl_jtext_value(tl_jinja *x, tl_jtext *t, tl_jvalue v); /* str(v) */
int tl_jtext_repr(tl_jinja *x, tl_jtext *t, tl_jvalue v);
int tl_jtext_done(tl_jinja *x, tl_jtext *t, tl_jvalue *out); /* the string; t is not used further */
int tl_jstring(tl_jinja *x, tl_jvalue v, tl_jstr **out);     /* str(v) */
void tl_jfloat_repr(double f, char out[40]);                 /* "1.0", "1e-05", "nan" */

/* ---- jinja_number.c ---- */

int tl_jarithmetic(tl_jinja *x, int op, tl_jvalue a, tl_jvalue b, tl_jvalue *out);
int tl_jnegate(tl_jinja *x, tl_jvalue a, tl_jvalue *out);
int tl_jplus(tl_jinja *x, tl_jvalue a, tl_jvalue *out);
bool tl_jindex(tl_jvalue v, int64_t *out); /* what Python takes for an index: an int or bool */
/* int(text, base) and float(text); *ok says whether text is one.  A number past 64 bits fails. */
int tl_jparse_int(tl_jinja *x, const tl_jstr *s, int base, int64_t *out, bool *ok);
int tl_jparse_float(tl_jinja *x, const tl_jstr *s, double *out, bool *ok);
int tl_jfloat_to_int(tl_jinja *x, double f, int64_t *out);

/* ---- jinja_access.c ---- */

int tl_jgetattr(tl_jinja *x, tl_jvalue v, tl_jstr *name, tl_jvalue *out);
int tl_jgetitem(tl_jinja *x, tl_jvalue v, tl_jvalue key, tl_jvalue *out);
int tl_jslice(tl_jinja *x, tl_jvalue v, const tl_jvalue *start, const tl_jvalue *stop, const tl_jvalue *step,
              tl_jvalue *out);
/* The attribute itself, without jinja's way out to an item: MISSING where the type has none. */
int tl_jattribute(tl_jinja *x, tl_jvalue v, tl_jstr *name, tl_jvalue *out);
/* "a.b.0" of v, as filters take it: each part an item.  What is undefined on the way is the fallback instead, where
 * that is neither MISSING nor none. */
int tl_jpath(tl_jinja *x, tl_jvalue v, tl_jvalue path, tl_jvalue fallback, tl_jvalue *out);
bool tl_jgroup_name(const tl_jstr *name, size_t *at); /* of a group's items: grouper, list */

/* ---- jinja_call.c ---- */

int tl_jcall(tl_jinja *x, tl_jvalue f, const tl_jargs *args, tl_jvalue *out);
/* first in front of the arguments where it is not MISSING. */
int tl_jcall_builtin(tl_jinja *x, const tl_jbuiltin *b, tl_jvalue first, const tl_jargs *args, tl_jvalue *out);

/* ---- jinja_eval.c, jinja_run.c ---- */

int tl_jeval(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue *out);
int tl_jrun_template(tl_jinja *x, const tl_jnode *root);
int tl_jmacro_show(tl_jinja *x, tl_jtext *t, const tl_jmacro *m);
int tl_jcall_macro(tl_jinja *x, const tl_jmacro *m, const tl_jargs *args, tl_jvalue *out);
int tl_jcall_loop(tl_jinja *x, const tl_jloop *l, tl_jvalue over, tl_jvalue *out); /* loop(...) in a recursive one */
int tl_jloop_length(tl_jinja *x, tl_jloop *l, size_t *out);
int tl_jloop_peek(tl_jinja *x, tl_jloop *l, tl_jvalue *out);
/* Filters in front of a filter block's or set block's text: n is their node, text what the innermost takes. */
int tl_jeval_filter(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jvalue text, tl_jvalue *out);
int tl_jeval_args(tl_jinja *x, const tl_jnode *n, tl_jscope *s, tl_jargs *out);

/* ---- arguments of builtins, in jinja_filters.c: what names the argument in the sentence ---- */

int tl_jarg_true(tl_jinja *x, tl_jvalue v, bool otherwise, bool *out);
int tl_jarg_int(tl_jinja *x, tl_jvalue v, int64_t otherwise, const char *what, int64_t *out);
int tl_jarg_str(tl_jinja *x, tl_jvalue v, const char *what, tl_jstr **out);

/* ---- tables: NULL where there is none of that name ---- */

const tl_jbuiltin *tl_jfind(const tl_jbuiltin *rows, const char *name, size_t size);
const tl_jbuiltin *tl_jfilter(const char *name, size_t size);
const tl_jbuiltin *tl_jtest(const char *name, size_t size);
const tl_jbuiltin *tl_jglobal(const char *name, size_t size);
extern const tl_jbuiltin tl_jfilters_list[], tl_jfilters_text[]; /* parts of tl_jfilter's */
extern const tl_jbuiltin tl_jmethods_str[], tl_jmethods_dict[], tl_jmethods_list[], tl_jmethods_tuple[],
    tl_jmethods_loop[], tl_jmethods_cycler[], tl_jmethods_dict_type[], tl_jmethods_number[];

/* ---- strings: jinja_strings.c, jinja_letters.c, jinja_printf.c, jinja_format.c, jinja_json.c ---- */

bool tl_jspace(int c); /* as str.isspace() */
/* s with fill (NULL: blanks) up to width characters: 'l' behind it, 'r' in front, 'c' on both sides. */
int tl_jpad(tl_jinja *x, tl_jstr *s, int64_t width, const tl_jstr *fill, char side, tl_jvalue *out);
/* The bytes of s without the characters in chars (NULL: space) at its ends: 'l' left, 'r' right, 'b' both. */
void tl_jstrip(const tl_jstr *s, const tl_jstr *chars, char side, size_t *from, size_t *to);
int tl_jreplace(tl_jinja *x, tl_jstr *s, tl_jstr *old, tl_jstr *new_, int64_t count, tl_jvalue *out);
int tl_jlines(tl_jinja *x, const tl_jstr *s, bool keep, tl_jlist **out);

typedef enum tl_jcase {
    TL_JUPPER,
    TL_JLOWER,
    TL_JCAPITALIZE,
    TL_JTITLE, /* as str.title(): after anything that is no letter */
    TL_JSWAP,
    TL_JFOLD,
} tl_jcase;
int tl_jrecase(tl_jinja *x, tl_jcase how, const tl_jstr *s, tl_jtext *to);
int tl_jcased(tl_jinja *x, tl_jcase how, tl_jstr *s, tl_jvalue *out);
extern const tl_jbuiltin tl_jmethods_letters[]; /* isalpha() and its kin; a part of str's methods */
bool tl_jprintable(int c);
bool tl_jword_letter(int c); /* \w of Python's re */
bool tl_jletter(int c);
bool tl_jword(int c); /* what a name is made of: letters, digits, marks, connectors */

int tl_jescape(tl_jinja *x, tl_jvalue v, tl_jvalue *out); /* for HTML; what is markup already stays */

/* How one value is written: what stands behind ':' in "{:>8.3f}" and behind '%' in "%8.3f". */
typedef struct tl_jspec {
    int fill;     /* a character */
    char align;   /* '<', '>', '^', '=' (behind the sign), 0: as is usual */
    char sign;    /* '+', ' ', '-' */
    bool signed_; /* it was given */
    bool alternate, zero;
    int64_t width, precision; /* -1: none */
    char group;               /* ',' or '_', 0: none */
    char type;                /* 0: none */
} tl_jspec;
int tl_jspec_str(tl_jinja *x, const tl_jspec *o, tl_jstr *s, tl_jtext *to);
int tl_jspec_int(tl_jinja *x, const tl_jspec *o, int64_t i, tl_jtext *to);
int tl_jspec_float(tl_jinja *x, const tl_jspec *o, double f, tl_jtext *to);

int tl_jprintf(tl_jinja *x, tl_jstr *format, tl_jvalue args, tl_jvalue *out);
int tl_jformat(tl_jinja *x, tl_jstr *format, const tl_jlist *args, const tl_jdict *named, tl_jvalue *out);

typedef struct tl_jjson {
    bool ensure_ascii, sort_keys, indented;
    tl_jstr *indent;     /* of one level; with indented */
    tl_jstr *item, *key; /* separators; NULL: json.dumps's own */
} tl_jjson;
int tl_jjson_print(tl_jinja *x, const tl_jjson *o, tl_jvalue v, tl_jtext *to);

/* The character that size > 0 bytes of valid UTF-8 begin with; *n is its bytes. */
static inline int tl_jchar(const char *p, size_t *n)
{
    const unsigned char *u = (const unsigned char *)p;
    if (u[0] < 0x80) return *n = 1, u[0];
    if (u[0] < 0xe0) return *n = 2, (u[0] & 31) << 6 | (u[1] & 63);
    if (u[0] < 0xf0) return *n = 3, (u[0] & 15) << 12 | (u[1] & 63) << 6 | (u[2] & 63);
    return *n = 4, (u[0] & 7) << 18 | (u[1] & 63) << 12 | (u[2] & 63) << 6 | (u[3] & 63);
}

/* The bytes of c, a character or not past U+10FFFF; how many. */
static inline size_t tl_jencode(int c, char out[4])
{
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63)),
               3;
    return out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63)),
           out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

#endif
