/* family.c - the rules.
 *
 * Order: what families share, the recall tasks, cue tasks over fields of words, rules on numbers and on the
 * place of words, free answers, the held-out families, the table. */
#include "family.h"
#include "prose.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    CUES_MAX = 4
};

/* ---- shared ---------------------------------------------------------------------------------------------- */

static int any_of(tl_teller *t, const char *kinds)
{
    return tl_draw_word(t, kinds[tl_draw(t, (int)strlen(kinds))]);
}

/* A word of the kinds not yet taken in this episode, which is taken now. */
static int take_cue(tl_teller *t, const char *kinds)
{
    int id = any_of(t, kinds);
    for (int attempt = 0; t->taken[id]; attempt++) {
        assert(attempt < 100000);
        id = any_of(t, kinds);
    }
    t->taken[id] = 1;
    return id;
}

static void soup(tl_teller *t, tl_line *line, int words)
{
    static const char fillers[] = "abcdefhijklmnopqrstuvwxyz23456789";
    static const char *const small[] = { " the", " and", " of", " in", " on", " with", " for", " was", " is", " it" };
    for (int i = 0; i < words; i++) {
        if (tl_chance(t, 40)) {
            tl_line_put(line, small[tl_draw(t, 10)]);
            continue;
        }
        int id = any_of(t, fillers);
        if (t->taken[id]) continue;
        tl_line_put(line, " ");
        tl_line_put(line, tl_lexicon_word(id));
    }
}

/* A style of this episode: how many clauses before and after the core, whether words or clauses. */
typedef struct style {
    tl_dress dress;
    bool soup;
    int before, after; /* at most; words or clauses */
} style;

static style draw_style(tl_teller *t, tl_dress dress)
{
    style s = { .dress = dress };
    switch (dress) {
    case TL_DRESS_BARE:
        s.soup = true, s.before = tl_draw(t, 2), s.after = 0;
        break;
    case TL_DRESS_WORDS:
        s.soup = true, s.before = tl_draw(t, 5), s.after = tl_draw(t, 4);
        break;
    case TL_DRESS_ONE:
        s.soup = tl_chance(t, 30);
        s.before = s.soup ? tl_draw(t, 7) : tl_draw(t, 2);
        s.after = s.soup ? tl_draw(t, 7) : 1 - s.before;
        break;
    case TL_DRESS_FULL:
        s.soup = tl_chance(t, 15);
        s.before = s.soup ? tl_draw(t, 13) : tl_draw(t, 3);
        s.after = s.soup ? tl_draw(t, 13) : tl_between(t, s.before ? 0 : 1, 2);
        break;
    }
    return s;
}

/* Put the clauses of the style around the core template; argument is the core's %. */
static void dress(tl_teller *t, const style *s, tl_line *line, const char *core, const char *argument)
{
    int before = tl_draw(t, s->before + 1), after = tl_draw(t, s->after + 1);
    const char *kept = t->argument;
    if (s->soup) {
        soup(t, line, before);
    } else {
        for (int i = 0; i < before; i++) {
            tl_prose_clause(t, line);
            tl_line_put(line, tl_chance(t, 50) ? "," : ".");
        }
    }
    t->argument = argument;
    tl_tell(t, line, core);
    t->argument = kept;
    if (s->soup) {
        soup(t, line, after);
        return;
    }
    for (int i = 0; i < after; i++) {
        tl_line_put(line, tl_chance(t, 50) ? "," : ".");
        tl_prose_clause(t, line);
    }
    if (before + after > 0 && tl_chance(t, 80)) tl_line_put(line, ".");
}

/* Fixed labels, in an order of this episode that does not matter: the class is the meaning. */
static void fixed_labels(tl_episode *e, const char *const *labels)
{
    for (int c = 0; c < e->classes; c++) e->labels[c] = labels[c];
    e->fixed = true;
}

/* Share of example labels that are redrawn at random: none in most episodes. */
static void add_noise(tl_teller *t, tl_episode *e, int percent)
{
    for (int i = 0; i < e->n - 1; i++)
        if (tl_chance(t, percent)) {
            e->examples[i].cls = tl_draw(t, e->classes);
            e->examples[i].noisy = true;
        }
}

/* ---- recall ---------------------------------------------------------------------------------------------- */

static const char every_kind[] = "abcdefhijklmnopqrstuvwxyz023456789";

void tl_fill_recall(tl_teller *t, tl_episode *e, int keys_a_class)
{
    char key[TL_CLASSES_MAX][CUES_MAX][64];
    e->classes = tl_between(t, 2, 6);
    for (int c = 0; c < e->classes; c++)
        for (int k = 0; k < keys_a_class; k++)
            snprintf(key[c][k], sizeof key[c][k], " %s", tl_lexicon_word(take_cue(t, every_kind)));
    tl_episode_labels(t, e, TL_ROLE_LABEL);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int k = tl_draw(t, keys_a_class);
        x->key = x->cls * CUES_MAX + k;
        tl_line_put(&x->input, key[x->cls][k]);
    }
}

void tl_fill_recall_long(tl_teller *t, tl_episode *e)
{
    static const char *const shapes[] = { " @q %", " % of the @8", " % @3", " @c @q %", " % and @a", " @7 %", " %" };
    int keys = tl_between(t, 4, 12), words = tl_between(t, 1, 3);
    tl_line key[12] = { 0 }, value[12] = { 0 };
    int drawn = 0;
    const int *pool = tl_lexicon_of_role(TL_ROLE_LABEL, &drawn);
    for (int k = 0; k < keys; k++) {
        t->argument = tl_lexicon_word(take_cue(t, every_kind));
        key[k].size = value[k].size = 0;
        tl_tell(t, &key[k], shapes[tl_draw(t, 7)]);
        for (int w = tl_between(t, 1, words); w > 0; w--) {
            tl_line_put(&value[k], " ");
            tl_line_put(&value[k], tl_lexicon_word(pool[tl_draw(t, drawn)]));
        }
    }
    t->argument = "";
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        x->key = tl_draw(t, keys);
        tl_line_put(&x->input, key[x->key].text);
        snprintf(x->answer, sizeof x->answer, "%.100s", value[x->key].text);
    }
}

/* ---- one cue decides ------------------------------------------------------------------------------------- */

/* A task in which one of 1 to 4 words a class decides; cores hold the place of the word. */
static void cue_task(tl_teller *t, tl_episode *e, const style *s, tl_role role, const char *kinds,
                     const char *const *cores, int n_cores, int classes_max)
{
    int cue[TL_CLASSES_MAX][CUES_MAX], a_class = 1 + tl_draw(t, 3), words = 0;
    for (const char *k = kinds; *k; k++) words += tl_lexicon_size(*k);
    e->classes = tl_between(t, 2, classes_max);
    while (a_class > 1 && 2 * a_class * e->classes > words) a_class--;
    if (a_class == 3 && tl_chance(t, 30)) a_class = words > 60 ? CUES_MAX : 3;
    for (int c = 0; c < e->classes; c++)
        for (int k = 0; k < a_class; k++) cue[c][k] = take_cue(t, kinds);
    tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    int one = tl_chance(t, 35) ? tl_draw(t, n_cores) : -1; /* one sentence for the whole episode */
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int k = tl_draw(t, a_class);
        x->key = x->cls * CUES_MAX + k;
        dress(t, s, &x->input, cores[one >= 0 ? one : tl_draw(t, n_cores)], tl_lexicon_word(cue[x->cls][k]));
    }
}

#define CUE_TASK(t, e, s, role, kinds, cores, classes)                                                                 \
    cue_task(t, e, s, role, kinds, cores, (int)(sizeof(cores) / sizeof(cores)[0]), classes)

/* What may be a cue: no instruments, weather or vehicles, the fields of three of the held-out families.  Symptoms may:
 * of the fourth, urgency, it is the rules that are held out. */
static const char cue_kinds[] = "abcdefhjklmnopqstuwxyz02345678";

static void fill_cue(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const bare[] = { " %" };
    static const char *const cores[] = {
        " %",         " the %",        " about the %",      " with %",        " it is %",
        " @n said %", " % and the @8", " not the @8 but %", " the word is %", " there was %$l",
        " % again$t", " one more %",
    };
    style s = draw_style(t, d);
    if (d <= TL_DRESS_WORDS)
        CUE_TASK(t, e, &s, role, cue_kinds, bare, 6);
    else
        CUE_TASK(t, e, &s, role, cue_kinds, cores, 6);
}

static void fill_field(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const struct {
        const char *kinds;
        const char *cores[8];
    } fields[] = {
        { "a", { " the % @6$l", " @n saw the %$t", " one @q %", " the % ate the @f", " a @c % was @e" } },
        { "f", { " some % , please", " @n ate %$t", " we have no % left", " the % was @q", " % with @f" } },
        { "o", { " the % broke$t", " @n @w the %", " a % made of @m", " the @j asked for the %", " bring the %$t" } },
        { "k", { " the @c %", " the % of @n", " a @q % of @m", " @n lost the %$l" } },
        { "l", { " at the %", " near the %$t", " from the %", " @n @6 in the %", " the % is @q" } },
        { "j", { " the % called$t", " said the %", " a % and the @j", " the % was @q", " ask the %" } },
        { "n", { " % called$t", " written by %", " % and the @j", " from % , with thanks", " ask % about it" } },
        { "m", { " made of %", " a @8 of %", " % and nothing else", " the % is @q", " more %$t" } },
        { "p", { " the % by the @8", " a @q %", " the % grows$l", " @n cut the %" } },
        { "2", { " the % is @e", " about the %", " @n has a %", " no % at all", " my % for the @5" } },
        { "8", { " the % is @q", " near the %", " @n @w the %", " no % in the @l", " the @c %" } },
        { "b",
          { " the % is @q", " the % of @n", " asks about the %", " a @c mark on the %",
            " the left % , not the right" } },
        { "xy", { " took %$t", " code % on the form", " % is not there", " wants % again", " % for #d days" } },
        { "z5", { " sent to %", " from % , thanks", " ask % about it", " % called$t" } },
        { "w", { " @n % the @o", " they % the @f$t", " who % it", " the @j % the @k" } },
        { "cq", { " the % @o", " it is %", " all of it is %", " a % @k" } },
        { "47", { " the %", " on the % side", " with the % on it", " a @c %" } },
    };
    style s = draw_style(t, d);
    int f = tl_draw(t, sizeof fields / sizeof fields[0]), n = 0;
    while (n < 8 && fields[f].cores[n]) n++;
    cue_task(t, e, &s, role, fields[f].kinds, fields[f].cores, n, 5);
}

/* Two words of a pair stand in each input; only the first kind decides, the other one is there to mislead. */
static void fill_attribute(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const pairs[][2] = {
        { "c", " the % @k" },         { "c", " a % @o" },
        { "m", " the @o of %" },      { "q", " the % @8" },
        { "n", " % @w the @o" },      { "l", " the @j in the %" },
        { "b", " @s in the %" },      { "j", " the % with the @a" },
        { "a", " the % and the @j" }, { "f", " the @5 ate %" },
        { "w", " the @j % the @o" },  { "x", " % for the @b" },
    };
    style s = draw_style(t, d);
    int p = tl_draw(t, sizeof pairs / sizeof pairs[0]);
    cue_task(t, e, &s, role, pairs[p][0], &pairs[p][1], 1, 5);
}

/* Notes of a counter, workshop or stable: the thing decides most, the rest is noise, and so are some labels. */
static void fill_desk(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const struct {
        const char *kinds;
        const char *cores[6];
    } desks[] = {
        { "o",
          { " my % broke$t , it is @q now", " @j #a , % broke , bought$t , @c", " the % from the @l is @q and @q",
            " % , @m , #d years old , code @y" } },
        { "a",
          { " @q % , #d years , does not eat since @d", " the % of the @j is @q and slept$t",
            " % , @c , seen$t , temp #t", " our % @6$t and will not eat @f" } },
        { "k", { " the @c % is @q , i bought it$t", " % of @m , @c , price #n", " @j wants the % back , paid #n" } },
        { "f", { " #d boxes of % , @q , for the @l", " the % was @h , sent$t", " % for @n , #d , by the @7 gate" } },
        { "8",
          { " the % in the @l is @q since @d", " @j #a wrote about the % , code @y",
            " % , @7 side , @q , not fixed" } },
        { "2", { " i have a % about the @o , sent$t", " the % is not @e , asks @n", " % , page #n , from the @j$t" } },
    };
    style s = draw_style(t, d == TL_DRESS_FULL ? TL_DRESS_FULL : TL_DRESS_ONE);
    int f = tl_draw(t, sizeof desks / sizeof desks[0]), n = 0;
    while (n < 6 && desks[f].cores[n]) n++;
    cue_task(t, e, &s, role, desks[f].kinds, desks[f].cores, n, 5);
    if (tl_chance(t, 40)) add_noise(t, e, tl_between(t, 5, 25));
}

/* The kind of the cue decides: any animal here, any tool there. */
static void fill_category(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " the %", " %", " it is about %", " @n saw the %", " the % and the @8" };
    char kinds[] = "abfjklmnopsxcd4t", pick[TL_CLASSES_MAX];
    style s = draw_style(t, d < TL_DRESS_ONE ? d : TL_DRESS_WORDS); /* clauses hold words of every kind */
    s.soup = true, s.before = s.after = 0;
    e->classes = tl_between(t, 2, 5);
    for (int c = 0; c < e->classes; c++) {
        int n = (int)strlen(kinds), at = tl_draw(t, n);
        pick[c] = kinds[at];
        memmove(kinds + at, kinds + at + 1, (size_t)(n - at));
    }
    bool named = tl_chance(t, 20);
    for (int c = 0; c < e->classes; c++) {
        const char *title = tl_lexicon_title(pick[c]);
        if (!title || strchr(title, ' ')) named = false;
        e->labels[c] = title;
    }
    if (named && role == TL_ROLE_LABEL)
        e->fixed = true;
    else
        tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    int one = tl_draw(t, 4);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int id = tl_draw_word(t, pick[x->cls]);
        x->key = x->cls;
        dress(t, &s, &x->input, cores[one], tl_lexicon_word(id));
    }
}

static void fill_sentiment(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[2][6] = {
        { " the @o was @e", " a @e and @e @2", " @n was @e to us", " the @j is @e", " it was @e$l", " i like the @f" },
        { " the @o was @h", " a @h and @h @2", " @n was @h to us", " the @j is @h", " it was @h$l", " i hate the @f" },
    };
    static const char *const plain[][2] = { { "good", "bad" }, { "happy", "sad" }, { "yes", "no" }, { "up", "down" } };
    e->classes = 2;
    if (tl_chance(t, 35) && role == TL_ROLE_LABEL)
        fixed_labels(e, plain[tl_draw(t, 2)]);
    else
        tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        x->key = x->cls;
        if (d == TL_DRESS_FULL && tl_chance(t, 50)) {
            tl_tell(t, &x->input, "{ i was at the @l$t .| @n @6$t .| we bought the @o .|}");
        }
        tl_tell(t, &x->input, cores[x->cls][tl_draw(t, 6)]);
        if (d >= TL_DRESS_ONE) tl_tell(t, &x->input, "{ .| and the @j @6 .| , said @n .| , and it was #h .}");
    }
}

static void fill_negation(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const yes[] = { " has %", " with %", " there is %", " % is there", " again %" };
    static const char *const no[] = { " no %", " without %", " there is no %", " % is not there", " never %" };
    static const char *const kinds[] = { "s", "s", "f", "o", "8", "a" };
    style s = draw_style(t, d);
    const char *kind = kinds[tl_draw(t, 6)];
    int things = *kind == 's' ? 1 : tl_between(t, 1, 2), cue[2]; /* which symptom it is never decides */
    for (int i = 0; i < things; i++) cue[i] = take_cue(t, kind);
    e->classes = 2 * things;
    tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        x->key = x->cls;
        dress(t, &s, &x->input, (x->cls % 2 ? no : yes)[tl_draw(t, 5)], tl_lexicon_word(cue[x->cls / 2]));
    }
}

static void fill_section(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const sections[6][4] = {
        { "$s for #d days", " came with$s$t", " the @s began$t", " woke with$s" },
        { " the @b is @q", " pulse #p , temp #t", " pressure #b", " @b @q , @b @q" },
        { " give @x for #d days", " @x and @z", " send to @z", " @x$t , then @x" },
        { " works as @j", " lives with the @5", " lives near the @l", " the @5 helps at the @l" },
        { " @s #d years ago", " the @5 had @s", " @z in the year #n", " @s as a child" },
        { " come back on @d", " rest for #d days", " keep the @b warm", " drink water , no work" },
    };
    static const char *const names[] = { "history", "exam", "orders", "social", "past", "advice" };
    int order[6] = { 0, 1, 2, 3, 4, 5 };
    const char *picked[6];
    tl_rng_shuffle(&t->rng, order, 6);
    e->classes = tl_between(t, 2, 6);
    for (int c = 0; c < e->classes; c++) picked[c] = names[order[c]];
    if (tl_chance(t, 40) && role == TL_ROLE_LABEL)
        fixed_labels(e, picked);
    else
        tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        x->key = x->cls;
        for (int more = d == TL_DRESS_FULL ? tl_between(t, 1, 2) : 1; more > 0; more--) {
            tl_tell(t, &x->input, sections[order[x->cls]][tl_draw(t, 4)]);
            if (d >= TL_DRESS_ONE) tl_line_put(&x->input, ".");
        }
    }
}

static void fill_intent(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const intents[5][4] = {
        { " where is the @o ?", " who @w the @k ?", " is the @8 @q ?", " when does the @l open ?" },
        { " please bring the @f", " please @3 move the @o", " i need the @k$t", " please send @n to the @l" },
        { " thanks for the @f", " thanks to @n and the @j", " many thanks for your @2", " i thank the @j of the @l" },
        { " the @o is @h , i am angry", " nobody answered my @2", " this is @h , the @8 broke", " i waited #d hours" },
        { " good @t , @n", " hello from the @l", " greet the @5", " hello @n , hello @n" },
    };
    int order[5] = { 0, 1, 2, 3, 4 };
    (void)d;
    tl_rng_shuffle(&t->rng, order, 5);
    e->classes = tl_between(t, 2, 5);
    tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        x->key = x->cls;
        tl_tell(t, &x->input, intents[order[x->cls]][tl_draw(t, 4)]);
    }
}

/* Two cues may stand in one input: the one of the earlier class wins. */
static void fill_priority(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " %", " the %", " with %", " and %" };
    static const char *const kinds[] = { "bp", "ao", "fk", "8", "jl", "mx" };
    style s = draw_style(t, d > TL_DRESS_WORDS ? TL_DRESS_WORDS : d);
    const char *kind = kinds[tl_draw(t, 6)];
    int cue[3];
    e->classes = tl_between(t, 2, 3);
    for (int c = 0; c < e->classes; c++) cue[c] = take_cue(t, kind);
    tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int other = x->cls + tl_draw(t, e->classes - x->cls);
        bool swap = tl_chance(t, 50);
        x->key = x->cls;
        dress(t, &s, &x->input, cores[tl_draw(t, 3)], tl_lexicon_word(cue[swap ? other : x->cls]));
        if (other != x->cls) dress(t, &s, &x->input, cores[tl_draw(t, 4)], tl_lexicon_word(cue[swap ? x->cls : other]));
    }
}

/* Cues stand first and last; the episode says which place counts. */
static void fill_place(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const kinds[] = { "a", "c", "f", "n", "8", "o", "j" };
    const char *kind = kinds[tl_draw(t, 7)];
    int cue[4];
    bool last = tl_chance(t, 50);
    e->classes = tl_between(t, 2, 4);
    for (int c = 0; c < e->classes; c++) cue[c] = take_cue(t, kind);
    tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    int words = d == TL_DRESS_BARE ? 0 : d == TL_DRESS_WORDS ? 3 : 8;
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int other = tl_draw(t, e->classes);
        x->key = x->cls;
        tl_line_put(&x->input, " ");
        tl_line_put(&x->input, tl_lexicon_word(cue[last ? other : x->cls]));
        soup(t, &x->input, tl_draw(t, words + 1));
        tl_line_put(&x->input, " ");
        tl_line_put(&x->input, tl_lexicon_word(cue[last ? x->cls : other]));
    }
}

/* ---- numbers --------------------------------------------------------------------------------------------- */

static const struct {
    const char *core; /* % is the number */
    int low, high;
} measures[] = {
    { " pulse %", 40, 160 },    { " oxygen %", 70, 99 }, { " weight %", 10, 99 },           { " age %", 1, 90 },
    { " pressure %", 80, 190 }, { " price %", 1, 99 },   { " #d boxes , % coins", 10, 99 }, { " @n is %", 10, 90 },
    { " for % days", 1, 30 },   { " page %", 10, 99 },
};

enum {
    MEASURES = sizeof measures / sizeof measures[0]
};

/* A number of the measure below (side 0) or from (side 1) the threshold on. */
static const char *draw_number(tl_teller *t, int m, int threshold, int side, char digits[16])
{
    int value = side ? tl_between(t, threshold, measures[m].high) : tl_between(t, measures[m].low, threshold - 1);
    snprintf(digits, 16, "%d", value);
    return digits;
}

static int draw_threshold(tl_teller *t, int m)
{
    int span = measures[m].high - measures[m].low;
    return measures[m].low + span / 4 + tl_draw(t, span / 2);
}

static void fill_threshold(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const plain[] = { "low", "high" };
    style s = draw_style(t, d);
    if (d == TL_DRESS_FULL) s.before = s.after = 1;
    int m = tl_draw(t, MEASURES), threshold = draw_threshold(t, m);
    char digits[16];
    e->classes = 2;
    if (tl_chance(t, 25) && role == TL_ROLE_LABEL) {
        for (int c = 0; c < 2; c++) e->labels[c] = plain[c]; /* the threshold is still the episode's */
    } else {
        tl_episode_labels(t, e, role);
    }
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        x->key = x->cls;
        dress(t, &s, &x->input, measures[m].core, draw_number(t, m, threshold, x->cls, digits));
    }
}

/* Class 0: another cue, whatever the number; 1 and 2: the cue, with the number below and above. */
static void fill_combined(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const kinds[] = { "x", "b", "a", "j", "8", "n" };
    style s = draw_style(t, d > TL_DRESS_WORDS ? TL_DRESS_WORDS : TL_DRESS_BARE);
    const char *kind = kinds[tl_draw(t, 6)];
    int m = tl_draw(t, 6), threshold = draw_threshold(t, m), other = take_cue(t, kind), cue = take_cue(t, kind);
    char digits[16];
    e->classes = 3;
    tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int side = x->cls == 0 ? tl_draw(t, 2) : x->cls - 1;
        x->key = x->cls;
        dress(t, &s, &x->input, " %", tl_lexicon_word(x->cls == 0 ? other : cue));
        tl_line_put(&x->input, ",");
        t->argument = draw_number(t, m, threshold, side, digits);
        tl_tell(t, &x->input, measures[m].core);
        t->argument = "";
    }
}

static void fill_compare(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " %d and %d", " %d, then %d", " first %d, second %d", " from %d to %d" };
    static const char *const plain[] = { "down", "up" };
    const char *core = cores[tl_draw(t, 4)];
    (void)d;
    e->classes = 2;
    if (tl_chance(t, 30) && role == TL_ROLE_LABEL)
        fixed_labels(e, plain);
    else
        tl_episode_labels(t, e, role);
    tl_episode_classes(t, e);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int small = tl_between(t, 1, 80), large = tl_between(t, small + 1, 99);
        char text[64];
        x->key = x->cls;
        /* Not a template of tl_tell: the numbers depend on each other. */
        snprintf(text, sizeof text, core, x->cls ? small : large, x->cls ? large : small);
        tl_line_put(&x->input, text);
    }
}

/* ---- free answers ---------------------------------------------------------------------------------------- */

/* A word that may be an answer: not held out. */
static int answer_word(tl_teller *t, char kind)
{
    int id = tl_draw_word(t, kind);
    while (tl_lexicon_role(id) == TL_ROLE_HELD) id = tl_draw_word(t, kind);
    return id;
}

/* Who, what, where or when: copy the one word of that kind. */
static void fill_slot(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const struct {
        char kind;
        const char *cores[4];
    } slots[] = {
        { 'n', { " % @w the @o$t", " the @o was for %", " in the @t % came to the @l", " the @j called %" } },
        { 'l', { " @n @6 in the %", " the @o is at the %", " on @d they went to the %", " the % was @q" } },
        { 'd', { " @n comes on %", " the @l opens on %", " since % the @8 is @q", " on % they had @f" } },
        { 'o', { " @n @w the %", " the % is at the @l", " the @j needs the %", " on @d the % broke" } },
        { 'f', { " @n ate %", " there was % at the @l", " % for the @j , please", " the @5 bought %" } },
        { 'j', { " the % @w the @o", " @n called the %", " the @o of the %", " ask the % on @d" } },
        { 'b', { " pain in the % since @d", " the % is @q", " the % of @n hurts", " @x for the %" } },
        { 'x', { " @n took % on @d", " the nurse gave %", " % for #d days", " no more % , said @n" } },
        { 'c', { " the % @k of @n", " @n has the % @o", " the @8 was %", " paint the @8 %" } },
    };
    (void)d, (void)role;
    int f = tl_draw(t, sizeof slots / sizeof slots[0]);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        const char *word = tl_lexicon_word(answer_word(t, slots[f].kind));
        t->argument = word;
        tl_tell(t, &x->input, slots[f].cores[tl_draw(t, 4)]);
        snprintf(x->answer, sizeof x->answer, " %s", word);
    }
    t->argument = "";
}

/* Two or three words of a sentence, in an order of the episode. */
static void fill_summary(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " ^n @w the ^o in the ^l$t .", " the ^o of ^n is at the ^l now .",
                                         " in the ^l ^n asked for the ^o .", " ^n went to the ^l with the ^o ." };
    static const char *const answers[] = {
        " ^n , ^o", " ^o , ^l", " ^n , ^l", " ^l : ^n", " ^n , ^o , ^l", " ^l : ^o"
    };
    const char *answer = answers[tl_draw(t, 6)];
    (void)role;
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        tl_line line = { 0 };
        t->topic['n'] = (short)answer_word(t, 'n');
        t->topic['o'] = (short)answer_word(t, 'o');
        t->topic['l'] = (short)answer_word(t, 'l');
        tl_tell(t, &x->input, cores[tl_draw(t, 4)]);
        if (d == TL_DRESS_FULL) tl_tell(t, &x->input, "{| it was @q .| the @j @6 .}");
        tl_tell(t, &line, answer);
        snprintf(x->answer, sizeof x->answer, "%.100s", line.text);
    }
    tl_teller_topic(t);
}

static void fill_rewrite(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    (void)d, (void)role;
    int way = tl_draw(t, 6);
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int a = tl_between(t, 1, 99), b = tl_between(t, 1, 99), c = tl_between(t, 1, 31), m = tl_between(t, 1, 12);
        const char *p = tl_lexicon_word(answer_word(t, 'a')), *q = tl_lexicon_word(answer_word(t, 'f'));
        char text[100];
        switch (way) {
        case 0:
            snprintf(text, sizeof text, " day %d month %d", c, m);
            snprintf(x->answer, sizeof x->answer, " %d / %d", c, m);
            break;
        case 1:
            snprintf(text, sizeof text, " %d / %d", c, m);
            snprintf(x->answer, sizeof x->answer, " month %d day %d", m, c);
            break;
        case 2:
            snprintf(text, sizeof text, " pulse %d, pressure %d", a, b + 80);
            snprintf(x->answer, sizeof x->answer, " %d: %d", b + 80, a);
            break;
        case 3:
            snprintf(text, sizeof text, " %s and %s", p, q);
            snprintf(x->answer, sizeof x->answer, " %s and %s", q, p);
            break;
        case 4:
            snprintf(text, sizeof text, " %d %s, %d %s", c, p, m, q);
            snprintf(x->answer, sizeof x->answer, " %s %d, %s %d", p, c, q, m);
            break;
        default:
            snprintf(text, sizeof text, " %s, %s, %s", p, q, p);
            snprintf(x->answer, sizeof x->answer, " %s %s", p, q);
            break;
        }
        tl_line_put(&x->input, text);
    }
}

/* ---- held out: probes only ------------------------------------------------------------------------------- */

static void fill_urgency(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " i have % since @d",   " f #a , % for #d days", " my @5 has % since @d",
                                         " m #a , % , pulse #p", " % , worse at night",   " again % for #d days" };
    style s = draw_style(t, d > TL_DRESS_ONE ? TL_DRESS_ONE : d);
    CUE_TASK(t, e, &s, role, "s", cores, 5);
}

static void fill_music(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " @n plays the %", " the % is @q", " a song for the %", " the % began$t",
                                         " bring the % to the @l" };
    style s = draw_style(t, d);
    CUE_TASK(t, e, &s, role, "i", cores, 4);
}

static void fill_weather(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " %$l$t", " there was %$t", " after the % we @6", " too much % for @d",
                                         " the % stayed for #d days" };
    style s = draw_style(t, d);
    CUE_TASK(t, e, &s, role, "r", cores, 4);
}

static void fill_travel(tl_teller *t, tl_episode *e, tl_dress d, tl_role role)
{
    static const char *const cores[] = { " by % to the @l", " the % left$t", " @n took the %", " no % on @d",
                                         " the % from the @l is @q" };
    style s = draw_style(t, d);
    CUE_TASK(t, e, &s, role, "v", cores, 4);
}

const tl_family tl_families[] = {
    { "cue", fill_cue, 14, false, TL_CUE_WORD, true },
    { "field", fill_field, 20, false, TL_CUE_WORD, true },
    { "attribute", fill_attribute, 8, false, TL_CUE_WORD, true },
    { "desk", fill_desk, 16, false, TL_CUE_SENTENCE, true },
    { "category", fill_category, 6, false, TL_CUE_NO, true },
    { "sentiment", fill_sentiment, 3, false, TL_CUE_NO, true },
    { "negation", fill_negation, 5, false, TL_CUE_NO, true },
    { "section", fill_section, 4, false, TL_CUE_NO, true },
    { "intent", fill_intent, 3, false, TL_CUE_NO, true },
    { "priority", fill_priority, 5, false, TL_CUE_NO, true },
    { "place", fill_place, 4, false, TL_CUE_NO, true },
    { "threshold", fill_threshold, 5, false, TL_CUE_NO, true },
    { "combined", fill_combined, 4, false, TL_CUE_NO, true },
    { "compare", fill_compare, 2, false, TL_CUE_NO, true },
    { "slot", fill_slot, 5, false, TL_CUE_NO, false },
    { "summary", fill_summary, 4, false, TL_CUE_NO, false },
    { "rewrite", fill_rewrite, 3, false, TL_CUE_NO, false },
    { "urgency", fill_urgency, 1, true, TL_CUE_WORD, true },
    { "music", fill_music, 1, true, TL_CUE_WORD, true },
    { "weather", fill_weather, 1, true, TL_CUE_WORD, true },
    { "travel", fill_travel, 1, true, TL_CUE_WORD, true },
};

const int tl_families_count = sizeof tl_families / sizeof tl_families[0];
