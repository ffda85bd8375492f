/* word_cut.c - one matcher for all of them, their differences in a row of a table.
 *
 * A pattern's alternatives are tried in this order, the first that matches counts:
 *
 *     contraction        's 't 're 've 'm 'll 'd, in GPT-4's in any case ('\u017f, the long s, is an s there)
 *     letters            one sign or space may stand in front: GPT-2's wants a space, GPT-4's takes all but line ends
 *     digits             as many as follow behind an optional space (GPT-2); at most three, at most one
 *     signs              behind an optional space; GPT-4's takes the line ends behind them along
 *     line ends          with the white space before, up to the last one of the run (GPT-4's alone)
 *     white space        all but its last character, which the next word may want; all where nothing follows
 *
 * ASCII's classes stand in a table; the others are asked of utf8proc. */
#include "text/word_cut.h"

#include "text/unicode.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

struct tl_word_cut {
    const char *pattern;
    bool any_case;   /* contractions */
    bool any_prefix; /* of letters: what is neither letter, digit nor line end; else a space */
    bool space_digits;
    int digits;
    bool line_ends;
    bool whole_end; /* white space that ends the text is one word before anything else is said of it */
};

static const tl_word_cut cuts[] = {
    { TL_WORD_CUT_GPT2, false, false, true, INT_MAX, false, false },
    { TL_WORD_CUT_LLAMA3, true, true, false, 3, true, false },
    { TL_WORD_CUT_QWEN2, true, true, false, 1, true, false },
    { TL_WORD_CUT_CL100K, true, true, false, 3, true, true },
};

const tl_word_cut *tl_word_cut_of(const char *pattern, size_t size)
{
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        if (strlen(cuts[i].pattern) == size && memcmp(cuts[i].pattern, pattern, size) == 0) return &cuts[i];
    return NULL;
}

typedef enum class {
    SIGN, /* what is none of the others */
    LETTER,
    DIGIT,
    SPACE,
    LINE_END, /* white space too */
    NOTHING   /* the text has ended */
} class;

#define A LETTER
#define D DIGIT
#define W SPACE
#define E LINE_END
static const unsigned char ascii[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, W, E, W, W, E, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    W, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, D, D, D, D, D, D, D, D, D, D, 0, 0, 0, 0, 0, 0, /* signs, digits */
    0, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, 0, 0, 0, 0, 0, /* capitals */
    0, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, 0, 0, 0, 0, 0, /* small letters */
};
#undef A
#undef D
#undef W
#undef E

/* The class of the character at, and its bytes. */
static class look(const char *text, size_t size, size_t at, size_t *n)
{
    *n = 0;
    if (at >= size) return NOTHING;
    unsigned char b = (unsigned char)text[at];
    if (b < 0x80) {
        *n = 1;
        return (class)ascii[b];
    }
    int c = tl_unicode_first(text + at, size - at, n);
    if (tl_unicode_is_letter(c)) return LETTER;
    if (tl_unicode_is_number(c)) return DIGIT;
    return tl_unicode_is_space(c) ? SPACE : SIGN;
}

/* The end of the characters of class k from at on, at most `most` of them. */
static size_t run(const char *text, size_t size, size_t at, class k, int most)
{
    size_t n;
    while (at < size && most > 0) {
        unsigned char b = (unsigned char)text[at];
        if (b < 0x80) {
            if (ascii[b] != k) return at;
            n = 1;
        } else if (look(text, size, at, &n) != k) {
            return at;
        }
        at += n;
        most--;
    }
    return at;
}

/* The letter at, small where any_case says so; 0: none of a contraction. */
static char small(const char *text, size_t size, size_t at, bool any_case, size_t *n)
{
    *n = 1;
    if (at >= size) return 0;
    char c = text[at];
    if (any_case && c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    if (any_case && size - at >= 2 && memcmp(text + at, "\xc5\xbf", 2) == 0) {
        *n = 2;
        return 's';
    }
    return c;
}

/* The end of the contraction whose apostrophe stands at, or 0. */
static size_t contraction(const tl_word_cut *c, const char *text, size_t size, size_t at)
{
    size_t n, m;
    char one = small(text, size, at + 1, c->any_case, &n), two;
    if (one == 's' || one == 't' || one == 'm' || one == 'd') return at + 1 + n;
    if (one != 'r' && one != 'v' && one != 'l') return 0;
    two = small(text, size, at + 1 + n, c->any_case, &m);
    return two == (one == 'l' ? 'l' : 'e') ? at + 1 + n + m : 0;
}

/* A run of white space that begins at: where its word ends. */
static size_t spaces(const tl_word_cut *c, const char *text, size_t size, size_t at)
{
    size_t end = at, last = at, line = 0, n;
    for (class k; k = look(text, size, end, &n), k == SPACE || k == LINE_END; end += n) {
        last = end;
        if (k == LINE_END) line = end + n;
    }
    if (c->whole_end && end == size) return end;
    if (c->line_ends && line > 0) return line;
    return end == size || last == at ? end : last;
}

size_t tl_word_cut_next(const tl_word_cut *c, const char *text, size_t size, size_t from)
{
    size_t n, m, end;
    class k = look(text, size, from, &n);
    bool space = text[from] == ' ';
    if (text[from] == '\'' && (end = contraction(c, text, size, from)) > 0) return end;
    if (k == LETTER) return run(text, size, from + n, LETTER, INT_MAX);
    class next = k == SIGN || k == SPACE ? look(text, size, from + n, &m) : NOTHING;
    if (next == LETTER && (space || c->any_prefix)) return run(text, size, from + n + m, LETTER, INT_MAX);
    if (k == DIGIT) return run(text, size, from, DIGIT, c->digits);
    if (space && next == DIGIT && c->space_digits) return run(text, size, from + n, DIGIT, c->digits);
    if (k == SIGN || (space && next == SIGN)) {
        end = run(text, size, from + n, SIGN, INT_MAX);
        return c->line_ends ? run(text, size, end, LINE_END, INT_MAX) : end;
    }
    return spaces(c, text, size, from);
}
