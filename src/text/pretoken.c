/* pretoken.c - the stages, each a split by a regular expression or a change of spaces.
 *
 * A split that keeps or drops its matches goes through the text once and hands out words as it meets them.  One that
 * joins a match to its neighbour first lists the pieces: what a match becomes depends on the next. */
#include "text/pretoken.h"

#include "base/buf.h"
#include "text/bytelevel.h"
#include "text/regex.h"
#include "text/word_cut.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_STAGES = 16,
    MAX_MARK = 8
};

typedef enum stage_kind {
    STAGE_SPLIT,
    STAGE_PREFIX,
    STAGE_SPELLING,
    STAGE_METASPACE
} stage_kind;

typedef struct stage {
    stage_kind kind;
    tl_regex *regex;        /* owned; of a split, and of a metaspace that splits */
    const tl_word_cut *cut; /* in its place where the pattern is known and every match a word of its own */
    tl_behavior behavior;
    bool invert;
    char mark[MAX_MARK];
    tl_prepend prepend;
} stage;

struct tl_pretoken {
    stage stages[MAX_STAGES];
    int n;
    bool spelt; /* one of them is STAGE_SPELLING */
};

int tl_pretoken_create(tl_pretoken **out, tl_err *err)
{
    tl_pretoken *p = calloc(1, sizeof *p);
    if (!p) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: no memory");
    *out = p;
    return 0;
}

void tl_pretoken_free(tl_pretoken *p)
{
    if (!p) return;
    for (int i = 0; i < p->n; i++) tl_regex_free(p->stages[i].regex);
    free(p);
}

static int next_stage(stage **out, tl_pretoken *p, tl_err *err)
{
    if (p->n == MAX_STAGES) return tl_fail(err, TL_EUNSUPPORTED, "pre-tokenizer: more than %d stages", MAX_STAGES);
    *out = &p->stages[p->n];
    **out = (stage){ .kind = STAGE_SPLIT };
    return 0;
}

int tl_pretoken_add_split(tl_pretoken *p, const tl_split *s, tl_err *err)
{
    stage *x = NULL;
    TL_TRY(next_stage(&x, p, err));
    x->behavior = s->behavior;
    x->invert = s->invert;
    bool each_match = s->behavior == TL_SPLIT_ISOLATED || (s->behavior == TL_SPLIT_REMOVED && s->invert);
    if (s->regex && each_match) x->cut = tl_word_cut_of(s->pattern, s->size);
    if (!x->cut)
        TL_TRY(s->regex ? tl_regex_create(&x->regex, s->pattern, s->size, err)
                        : tl_regex_create_literal(&x->regex, s->pattern, s->size, err));
    p->n++;
    return 0;
}

int tl_pretoken_add_regex(tl_pretoken *p, const char *pattern, tl_err *err)
{
    return tl_pretoken_add_split(p, &(tl_split){ pattern, strlen(pattern), .regex = true }, err);
}

/* \w of UTS 18: tl_unicode_is_word's list. */
#define WORD                                                                                                           \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200c}\\x{200d}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-"           \
    "\\x{1f169}\\x{1f170}-\\x{1f189}"

int tl_pretoken_add_charset(tl_pretoken *p, tl_charset set, tl_behavior behavior, bool invert, tl_err *err)
{
    static const char *const patterns[] = {
        [TL_CHARSET_SPACE] = "\\p{WSpace}",
        [TL_CHARSET_PUNCTUATION] = "[\\p{P}$+<=>^`|~]",
        [TL_CHARSET_WORDS] = "[" WORD "]+|[^" WORD "\\p{WSpace}]+",
    };
    stage *x = NULL;
    TL_TRY(next_stage(&x, p, err));
    x->behavior = behavior;
    x->invert = invert;
    TL_TRY(tl_regex_create_pcre(&x->regex, patterns[set], err));
    p->n++;
    return 0;
}

int tl_pretoken_add_prefix_space(tl_pretoken *p, tl_err *err)
{
    stage *x = NULL;
    TL_TRY(next_stage(&x, p, err));
    x->kind = STAGE_PREFIX;
    p->n++;
    return 0;
}

int tl_pretoken_add_spelling(tl_pretoken *p, tl_err *err)
{
    stage *x = NULL;
    TL_TRY(next_stage(&x, p, err));
    x->kind = STAGE_SPELLING;
    p->spelt = true;
    p->n++;
    return 0;
}

int tl_pretoken_add_metaspace(tl_pretoken *p, const char *mark, tl_prepend prepend, bool split, tl_err *err)
{
    stage *x = NULL;
    size_t size = strlen(mark);
    TL_TRY(next_stage(&x, p, err));
    if (size == 0 || size >= MAX_MARK)
        return tl_fail(err, TL_EFORMAT, "the mark for spaces has %zu bytes, wanted one character", size);
    x->kind = STAGE_METASPACE;
    memcpy(x->mark, mark, size + 1);
    x->prepend = prepend;
    x->behavior = TL_SPLIT_MERGED_NEXT;
    if (split) TL_TRY(tl_regex_create_literal(&x->regex, mark, size, err));
    p->n++;
    return 0;
}

typedef struct call {
    const tl_pretoken *p;
    tl_regex_work *match; /* free again once its two numbers are read */
    tl_pretoken_fn *each;
    void *arg;
} call;

static int run(const call *c, int k, const char *text, size_t size, bool first, tl_err *err);

static int run_prefix(const call *c, int k, const char *text, size_t size, bool first, tl_err *err)
{
    if (text[0] == ' ') return run(c, k + 1, text, size, first, err);
    char *spaced = malloc(size + 1);
    if (!spaced) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: %zu bytes wanted, none free", size + 1);
    spaced[0] = ' ';
    memcpy(spaced + 1, text, size);
    int rc = run(c, k + 1, spaced, size + 1, first, err);
    free(spaced);
    return rc;
}

/* ---- splits ---- */

typedef struct piece {
    size_t start, end;
    bool match;
} piece;

typedef struct pieces {
    piece *list; /* owned */
    size_t n, capacity;
} pieces;

static int pieces_push(pieces *p, size_t start, size_t end, bool match, tl_err *err)
{
    if (start == end) return 0;
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        piece *list = realloc(p->list, capacity * sizeof *list);
        if (!list) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: no memory for %zu words", capacity);
        p->list = list;
        p->capacity = capacity;
    }
    p->list[p->n++] = (piece){ start, end, match };
    return 0;
}

static int list_pieces(pieces *out, const call *c, const stage *s, const char *text, size_t size, tl_err *err)
{
    size_t from = 0;
    while (from < size) {
        size_t start, end;
        TL_TRY(tl_regex_next(s->regex, c->match, text, size, from, &start, &end, err));
        if (end == 0) start = end = size;
        TL_TRY(pieces_push(out, from, start, s->invert, err));
        TL_TRY(pieces_push(out, start, end, !s->invert, err));
        from = end;
    }
    return 0;
}

/* Matches joined to their neighbours; only a match that follows no other is.  Backwards for MERGED_NEXT, as the rule is
 * stated on the text's mirror. */
static void join(pieces *p, tl_behavior behavior)
{
    size_t n = 0;
    bool was_match = false;
    if (behavior == TL_SPLIT_MERGED_NEXT) {
        size_t to = p->n;
        for (size_t i = p->n; i-- > 0;) {
            piece x = p->list[i];
            if (x.match && !was_match && to < p->n)
                p->list[to].start = x.start;
            else
                p->list[--to] = x;
            was_match = x.match;
        }
        n = p->n - to;
        memmove(p->list, p->list + to, n * sizeof *p->list);
    } else {
        for (size_t i = 0; i < p->n; i++) {
            piece x = p->list[i];
            bool with_last = behavior == TL_SPLIT_CONTIGUOUS ? x.match == was_match : x.match && !was_match;
            if (with_last && n > 0)
                p->list[n - 1].end = x.end;
            else
                p->list[n++] = x;
            was_match = x.match;
        }
    }
    p->n = n;
}

static int run_joined(const call *c, int k, const char *text, size_t size, bool first, tl_err *err)
{
    pieces p = { 0 };
    int rc = list_pieces(&p, c, &c->p->stages[k], text, size, err);
    if (rc == 0 && p.n > 0) join(&p, c->p->stages[k].behavior);
    for (size_t i = 0; rc == 0 && i < p.n; i++)
        rc = run(c, k + 1, text + p.list[i].start, p.list[i].end - p.list[i].start, first && p.list[i].start == 0, err);
    free(p.list);
    return rc;
}

static int run_cut(const call *c, int k, const char *text, size_t size, bool first, tl_err *err)
{
    const tl_word_cut *cut = c->p->stages[k].cut;
    const bool last = k + 1 == c->p->n && !c->p->spelt;
    for (size_t from = 0, end; from < size; from = end) {
        end = tl_word_cut_next(cut, text, size, from);
        TL_TRY(last ? c->each(c->arg, text + from, end - from, err)
                    : run(c, k + 1, text + from, end - from, first && from == 0, err));
    }
    return 0;
}

static int run_split(const call *c, int k, const char *text, size_t size, bool first, tl_err *err)
{
    const stage *s = &c->p->stages[k];
    if (s->cut) return run_cut(c, k, text, size, first, err);
    if (s->behavior != TL_SPLIT_ISOLATED && s->behavior != TL_SPLIT_REMOVED)
        return run_joined(c, k, text, size, first, err);
    bool keep_match = s->behavior == TL_SPLIT_ISOLATED || s->invert;
    bool keep_between = s->behavior == TL_SPLIT_ISOLATED || !s->invert;
    size_t from = 0;
    while (from < size) {
        size_t start, end;
        TL_TRY(tl_regex_next(s->regex, c->match, text, size, from, &start, &end, err));
        if (end == 0) start = end = size;
        if (start > from && keep_between) TL_TRY(run(c, k + 1, text + from, start - from, first && from == 0, err));
        if (end > start && keep_match) TL_TRY(run(c, k + 1, text + start, end - start, first && start == 0, err));
        from = end;
    }
    return 0;
}

static int run_metaspace(const call *c, int k, const char *text, size_t size, bool first, tl_err *err)
{
    const stage *s = &c->p->stages[k];
    size_t mark = strlen(s->mark);
    bool begins = text[0] == ' ' || (size >= mark && memcmp(text, s->mark, mark) == 0);
    bool prepend = !begins && (s->prepend == TL_PREPEND_ALWAYS || (s->prepend == TL_PREPEND_FIRST && first));
    tl_buf marked = tl_buf_make(INT_MAX);
    int rc = prepend ? tl_buf_append(&marked, s->mark, mark, err) : 0;
    for (size_t i = 0; rc == 0 && i < size;) {
        const char *space = memchr(text + i, ' ', size - i);
        size_t n = space ? (size_t)(space - text) - i : size - i;
        if (n > 0) rc = tl_buf_append(&marked, text + i, n, err);
        if (rc == 0 && space) rc = tl_buf_append(&marked, s->mark, mark, err);
        i += n + 1;
    }
    if (rc == 0)
        rc = s->regex ? run_joined(c, k, marked.data, marked.size, first, err)
                      : run(c, k + 1, marked.data, marked.size, first, err);
    tl_buf_reset(&marked);
    return rc;
}

static int run_spelling(const call *c, int k, const char *text, size_t size, bool first, tl_err *err)
{
    char *spelt = malloc(2 * size);
    if (!spelt) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: no memory for %zu bytes", 2 * size);
    int rc = run(c, k + 1, spelt, tl_bytelevel_spell(spelt, text, size), first, err);
    free(spelt);
    return rc;
}

/* A word behind all stages. */
static int hand_out(const call *c, const char *text, size_t size, tl_err *err)
{
    if (!c->p->spelt) return c->each(c->arg, text, size, err);
    size_t n = 0;
    char *bytes = malloc(size);
    if (!bytes) return tl_fail(err, TL_ENOMEM, "pre-tokenizer: no memory for %zu bytes", size);
    int rc = tl_bytelevel_read(bytes, &n, text, size)
                 ? c->each(c->arg, bytes, n, err)
                 : tl_fail(err, TL_EUNSUPPORTED, "pre-tokenizer: a stage behind ByteLevel has written what is no byte");
    free(bytes);
    return rc;
}

static int run(const call *c, int k, const char *text, size_t size, bool first, tl_err *err)
{
    if (k == c->p->n) return hand_out(c, text, size, err);
    switch (c->p->stages[k].kind) {
    case STAGE_SPELLING:
        return run_spelling(c, k, text, size, first, err);
    case STAGE_PREFIX:
        return run_prefix(c, k, text, size, first, err);
    case STAGE_METASPACE:
        return run_metaspace(c, k, text, size, first, err);
    default:
        return run_split(c, k, text, size, first, err);
    }
}

int tl_pretoken_split(const tl_pretoken *p, const char *text, size_t size, bool first, tl_pretoken_fn *each, void *arg,
                      tl_err *err)
{
    if (size == 0) return 0;
    call c = { .p = p, .each = each, .arg = arg };
    TL_TRY(tl_regex_work_create(&c.match, err));
    int rc = run(&c, 0, text, size, first, err);
    tl_regex_work_free(c.match);
    return rc;
}
