/* tell.c - the template engine: one pass over the template, no allocation. */
#include "tell.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
    char name;
    const char *template;
} phrases[] = {
    { 't', "{ on @d| in the @t| yesterday| today| since @d| last @t| for #d days| at #h| before noon| after the @t}" },
    { 'l', "{ in the @l| near the @l| at the @l| behind the @l| from the @l to the @l|}" },
    { 'w', "{ @n| the @j| the @5| the @q @j| @n and @n| the @e @j}" },
    { 'o', "{ the @o| the @k| the @a| the @f| the @q @o| the @c @k| the @4| the @m @8| the @p| the @2| a @8| the @8}" },
    { 'c', "{ the @w @o was in the @l| @n @w the @o| the @j @6$l| it was @q| the @8 was @q|$w @w$o|$w @6$t|"
           " @n said the @2 was @e| the @5 of @n @6$l| they went to the @l$t| there was @r$l| we had @f and @f}" },
    { 's', "{ @s| @b pain| @s in the @b| @s of the @b| no @s}" },
    { 'v', "{ pulse #p| temp #t| pressure #b| oxygen #o| weight #w| height #b}" },
};

static const struct {
    char name;
    int low, high;
} ranges[] = {
    { 'p', 48, 150 }, { 'a', 1, 92 },  { 'd', 2, 9 },  { 'h', 1, 24 },
    { 'b', 80, 195 }, { 'o', 84, 99 }, { 'n', 1, 99 }, { 'w', 9, 120 },
};

tl_teller tl_teller_make(uint64_t seed, uint64_t stream)
{
    tl_teller t = { .rng = tl_rng_make(seed, stream), .argument = "" };
    tl_teller_topic(&t);
    return t;
}

void tl_teller_topic(tl_teller *t)
{
    memset(t->topic, 0xff, sizeof t->topic);
}

int tl_draw(tl_teller *t, int n)
{
    assert(n > 0);
    return (int)tl_rng_below(&t->rng, (uint32_t)n);
}

bool tl_chance(tl_teller *t, int percent)
{
    return tl_draw(t, 100) < percent;
}

int tl_between(tl_teller *t, int low, int high)
{
    return low + tl_draw(t, high - low + 1);
}

int tl_draw_word(tl_teller *t, char kind)
{
    return tl_lexicon_first(kind) + tl_draw(t, tl_lexicon_size(kind));
}

void tl_line_put(tl_line *line, const char *text)
{
    int n = (int)strlen(text);
    if (n > TL_LINE_MAX - 1 - line->size) n = TL_LINE_MAX - 1 - line->size;
    memcpy(line->text + line->size, text, (size_t)n);
    line->size += n;
    line->text[line->size] = '\0';
}

/* Plain text of a template; marks lose the space that keeps templates readable. */
static void put_plain(tl_line *line, const char *text, int n)
{
    for (int i = 0; i < n && line->size < TL_LINE_MAX - 1; i++)
        if (text[i] != ' ' || i + 1 == n || !strchr(".,:;?", text[i + 1])) line->text[line->size++] = text[i];
    line->text[line->size] = '\0';
}

/* A word by rank: the square of a uniform number makes rank r about 1/sqrt(r) as frequent. */
static int ranked_word(tl_teller *t, char kind)
{
    int size = tl_lexicon_size(kind), first = tl_lexicon_first(kind), id = first;
    assert(size > 0);
    for (int attempt = 0; attempt < 12; attempt++) {
        double u = tl_rng_unit(&t->rng);
        id = first + (int)(u * u * size);
        if (!t->taken[id]) break;
    }
    return id;
}

static void put_number(tl_teller *t, tl_line *line, char name)
{
    char digits[16];
    if (name == 't') {
        int tenths = tl_between(t, 355, 408);
        snprintf(digits, sizeof digits, "%d.%d", tenths / 10, tenths % 10);
        tl_line_put(line, digits);
        return;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i].name == name) {
            snprintf(digits, sizeof digits, "%d", tl_between(t, ranges[i].low, ranges[i].high));
            tl_line_put(line, digits);
            return;
        }
    assert(!"a range that the table lacks");
}

static void tell(tl_teller *t, tl_line *line, const char *s, const char *end);

/* The parts between a brace at s[-1] and its partner; returns what follows the partner. */
static const char *tell_choice(tl_teller *t, tl_line *line, const char *s)
{
    const char *starts[64] = { s };
    int n = 1, depth = 0;
    for (;; s++) {
        assert(*s && n < 63);
        if (*s == '{') depth++;
        if (*s == '|' && depth == 0) starts[n++] = s + 1;
        if (*s == '}' && depth-- == 0) break;
    }
    starts[n] = s + 1;
    int part = tl_draw(t, n);
    tell(t, line, starts[part], starts[part + 1] - 1);
    return s + 1;
}

static void tell_phrase(tl_teller *t, tl_line *line, char name)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].name == name) {
            tell(t, line, phrases[i].template, phrases[i].template + strlen(phrases[i].template));
            return;
        }
    assert(!"a phrase that the table lacks");
}

static void tell(tl_teller *t, tl_line *line, const char *s, const char *end)
{
    while (s < end) {
        const char *plain = s;
        while (s < end && !strchr("@^{$#%", *s)) s++;
        if (s > plain) put_plain(line, plain, (int)(s - plain));
        if (s >= end) break;
        char mark = *s++;
        if (mark == '{') {
            s = tell_choice(t, line, s);
        } else if (mark == '%') {
            tl_line_put(line, t->argument);
        } else {
            char name = *s++;
            if (mark == '$') {
                tell_phrase(t, line, name);
            } else if (mark == '#') {
                put_number(t, line, name);
            } else if (mark == '@') {
                tl_line_put(line, tl_lexicon_word(ranked_word(t, name)));
            } else {
                short *topic = &t->topic[name & 127];
                if (*topic < 0 || t->taken[*topic]) *topic = (short)ranked_word(t, name);
                tl_line_put(line, tl_lexicon_word(*topic));
            }
        }
    }
}

void tl_tell(tl_teller *t, tl_line *line, const char *template)
{
    tell(t, line, template, template + strlen(template));
}

int tl_tokens_about(const char *text)
{
    int n = 0;
    for (const char *s = text; *s;) {
        if (isalpha((unsigned char)*s)) {
            n++;
            while (isalpha((unsigned char)*s)) s++;
        } else {
            n += *s != ' ';
            if (*s == '-' && s[1] == '>') s++;
            s++;
        }
    }
    return n;
}
