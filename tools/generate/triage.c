/* triage.c - the clinic's rules, its ways of writing, and the files of the task.
 *
 * A case is drawn, judged by the rules and then told, as a patient's message or as an intake note.  Whatever a
 * rule asks about is in the text, sometimes in the clinic's own codes, so that the label follows from the text
 * but for the stated noise.  The complaint alone gives the base level, which is right in about 73 % of cases and
 * is what a few worked examples can show; the rest hangs on modifiers that act together and need many examples:
 *
 *     at once     chest pain from age 60 with sweating or since today; wheezing with oxygen below 90;
 *                 bleeding with blood thinner (code lmk)
 *     urgent      pregnant with fever, bleeding or headache; under 2 years with fever or cough;
 *                 back within days (code rtv); on blood thinner otherwise
 *     home        seen and settled by the nurse (code brk)
 *     soon        a wish for pills when none are left
 *     one up      temp from 39.5 on with cough, headache or fever; weakness on one side with headache counts two
 *     one down    known for it for long (code vno; never for chest pain); longer than two weeks with cough, itch or
 *                 headache
 *
 * The first line that fits decides, the last two add up, and nothing but the first line makes a case immediate.
 *
 * Five complaints have a code of their own (kip is bleeding), as clinics do, and patients pick it up.
 *
 * Label noise: 4 % of labels are moved to a level beside the right one. */
#include "triage.h"
#include "episode.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LEVELS = 5,
    TRAIN = 1000,
    VALIDATION = 200,
    TEST = 500,
    NOISE_PERCENT = 4,
    BASE_PERCENT = 73,
    STREAM_TRIAGE = 0x747269
};

static const char *const levels[LEVELS] = { "immediate", "urgent", "soon", "routine", "home" };

typedef enum complaint {
    CHEST,
    WHEEZING,
    BLEEDING,
    FEVER,
    HEADACHE,
    COUGH,
    ITCH,
    PILLS,
    COMPLAINTS
} complaint;

static const struct {
    const char *words;
    const char *code; /* in place of the words now and then; NULL: none */
    int base;         /* level */
    int weight;       /* how often */
} complaints[COMPLAINTS] = {
    [CHEST] = { "chest pain", NULL, 1, 9 },    [WHEEZING] = { "wheezing", "zet", 1, 8 },
    [BLEEDING] = { "bleeding", "kip", 2, 11 }, [FEVER] = { "fever", NULL, 2, 11 },
    [HEADACHE] = { "headache", "wol", 3, 12 }, [COUGH] = { "cough", "dux", 3, 14 },
    [ITCH] = { "itch", "jat", 4, 9 },          [PILLS] = { "pills", NULL, 4, 9 },
};

typedef struct patient {
    complaint what;
    int age, days, pulse, tenths, oxygen;
    bool woman, pregnant, sweating, weak_side, thinner, returned, known, dressed, none_left;
    bool coded; /* written with the complaint's code */
} patient;

static complaint draw_complaint(tl_teller *t)
{
    complaint what = 0;
    int sum = 0;
    for (int c = 0; c < COMPLAINTS; c++) sum += complaints[c].weight;
    for (int at = tl_draw(t, sum); at >= complaints[what].weight; what++) at -= complaints[what].weight;
    return what;
}

static patient draw_patient(tl_teller *t, complaint what)
{
    patient p = { .what = what };
    bool infant = (p.what == FEVER || p.what == COUGH) && tl_chance(t, 10);
    p.age = infant ? 1 : p.what == PILLS || p.what == CHEST ? tl_between(t, 25, 88) : tl_between(t, 3, 88);
    p.woman = tl_chance(t, 52);
    p.days = tl_chance(t, 12) ? 0 : tl_chance(t, 95) ? tl_between(t, 1, 9) : tl_between(t, 15, 40);
    p.pulse = tl_between(t, 56, 112);
    p.oxygen = p.what == WHEEZING && tl_chance(t, 10) ? tl_between(t, 80, 89) : tl_between(t, 92, 99);
    bool may_burn = p.what == FEVER || p.what == COUGH || p.what == HEADACHE;
    p.tenths = may_burn && tl_chance(t, 12) ? tl_between(t, 395, 407)
               : p.what == FEVER            ? tl_between(t, 380, 392)
                                            : tl_between(t, 364, 379);
    p.pregnant = p.woman && p.age >= 18 && p.age <= 42 && tl_chance(t, 15);
    p.sweating = p.what == CHEST && tl_chance(t, 20);
    p.weak_side = p.what == HEADACHE && tl_chance(t, 8);
    p.thinner = (p.what == BLEEDING || p.what == HEADACHE || p.what == ITCH) && tl_chance(t, 10);
    p.returned = tl_chance(t, 4);
    p.known = !p.returned && tl_chance(t, 3);
    p.dressed = !p.returned && !p.known && tl_chance(t, 3);
    p.none_left = p.what == PILLS && tl_chance(t, 15);
    p.coded = complaints[p.what].code && tl_chance(t, 6);
    return p;
}

static int clamp_level(int level, int lowest)
{
    return level < lowest ? lowest : level >= LEVELS ? LEVELS - 1 : level;
}

static int judge(const patient *p)
{
    int level = complaints[p->what].base;
    bool slow = p->what == COUGH || p->what == ITCH || p->what == HEADACHE;
    if (p->what == CHEST && p->age >= 60 && (p->sweating || p->days == 0)) return 0;
    if (p->what == WHEEZING && p->oxygen < 90) return 0;
    if (p->what == BLEEDING && p->thinner) return 0;
    if (p->pregnant && (p->what == FEVER || p->what == BLEEDING || p->what == HEADACHE)) return 1;
    if (p->age < 2 && (p->what == FEVER || p->what == COUGH)) return 1;
    if (p->returned || p->thinner) return 1;
    if (p->dressed) return 4;
    if (p->none_left) return 2;
    if (p->tenths >= 395) level--;
    if (p->weak_side) level -= 2;
    if (p->known && p->what != CHEST) level++;
    if (slow && p->days > 14) level++;
    return clamp_level(level, 1);
}

/* ---- telling --------------------------------------------------------------------------------------------- */

static void tell_since(tl_teller *t, const patient *p, bool note, tl_line *line)
{
    char days[40];
    snprintf(days, sizeof days, " for %d days", p->days);
    if (p->days == 0)
        tl_tell(t, line, note ? " today" : "{ since today| today}");
    else if (p->days == 1)
        tl_tell(t, line, " since yesterday");
    else if (p->days < 7 && tl_chance(t, 30))
        tl_tell(t, line, " since @d");
    else
        tl_line_put(line, days);
}

/* What the rules ask about, each as a clause; a clause starts with a space and ends without a mark. */
static int tell_facts(tl_teller *t, const patient *p, bool note, tl_line facts[])
{
    int n = 0;
    char text[160];
#define FACT(...)                                                                                                      \
    do {                                                                                                               \
        facts[n].size = 0;                                                                                             \
        snprintf(text, sizeof text, __VA_ARGS__);                                                                      \
        tl_tell(t, &facts[n++], text);                                                                                 \
    } while (0)
    if (p->sweating) FACT(note ? " sweating" : " i am sweating");
    if (p->what == WHEEZING || (note && tl_chance(t, 10))) FACT(note ? " oxygen %d" : " my oxygen is %d", p->oxygen);
    if (note && tl_chance(t, 20)) FACT(note ? " pulse %d" : " my pulse is %d", p->pulse);
    if (p->what == FEVER || p->tenths >= 395 || tl_chance(t, note ? 15 : 5))
        FACT(note ? " temp %d.%d" : " temp is %d.%d", p->tenths / 10, p->tenths % 10);
    if (p->pregnant) FACT(note ? " pregnant" : " i am pregnant");
    if (p->weak_side) FACT(note ? " weakness of the @7 arm" : " my @7 arm has weakness");
    if (p->thinner) FACT(note ? " lmk" : " i take lmk pills");
    if (p->returned) FACT(note ? " rtv" : "{ i was there on @d| i am back again} , rtv");
    if (p->known) FACT(note ? " vno" : " it is known , vno");
    if (p->dressed) FACT(note ? " brk" : " the nurse saw it , brk");
    if (p->what == PILLS) FACT(p->none_left ? "{ none left| no more pills}" : "{ some left| for next month}");
#undef FACT
    return n;
}

static void tell_patient(tl_teller *t, const patient *p, const char *what, bool note, tl_line *line)
{
    static const char *const chatter[] = {
        " the % is worse at night",
        " the % began at the @l",
        " i slept badly with the %",
        " my @5 is with me",
        " please call after #h",
        " i work as a @j",
        " tea did not help the %",
        " i live near the @l",
        " the % comes and goes",
        " i ate @f and drank @f",
        " no @s",
        " it is about the %",
        " @n said to ask about it",
        " my @k is @q",
        " my @a is @e",
        " the @b is fine",
    };
    static const char *const remarks[] = {
        " works as @j", " lives near the @l", " % worse at night", " no @s",       " @b fine",
        " seen by @n",  " came by @v",        " weight #w",        " pressure #b", " @5 waits",
        " bed #n",      " % again",           " % at the @l",      " @k @q",       " sent by the @j",
        " % and no @s",
    };
    /* Remarks name none of the complaints: what is not there would read like one. */
    static const char *const symptoms[] = { "wheezing", "bleeding", "fever", "headache", "cough", "itch" };
    tl_line facts[12];
    char text[160];
    int n = tell_facts(t, p, note, facts), order[12];
    const char *const *extra = note ? remarks : chatter;
    for (int i = 0; i < 6; i++) t->taken[tl_lexicon_find(symptoms[i])] = 1;
    t->argument = what;
    int wanted = tl_chance(t, 40);
    for (int i = 0, before = -1; i < wanted; i++) {
        int at = tl_draw(t, 16);
        if (at == before) continue;
        before = at;
        facts[n].size = 0;
        tl_tell(t, &facts[n++], extra[at]);
    }
    t->argument = "";
    for (int i = 0; i < n; i++) order[i] = i;
    tl_rng_shuffle(&t->rng, order, (size_t)n);
    line->size = 0;
    /* Who, then what was found, the complaint last: it stands right before the answer. */
    if (note) {
        snprintf(text, sizeof text, "%c %d", p->woman ? 'f' : 'm', p->age);
        tl_tell(t, line, text);
        for (int i = 0; i < n; i++) {
            tl_line_put(line, ",");
            tl_line_put(line, facts[order[i]].text);
        }
        tl_line_put(line, ",");
        tell_since(t, p, note, line);
        snprintf(text, sizeof text, " , %s", what);
        tl_tell(t, line, text);
    } else {
        if (p->age < 16)
            snprintf(text, sizeof text, "my {child|baby|%s} is %d", p->woman ? "daughter" : "son", p->age);
        else
            snprintf(text, sizeof text, "{i am %d|hello , i am %d}", p->age, p->age);
        tl_tell(t, line, text);
        for (int i = 0; i < n; i++) {
            tl_line_put(line, tl_chance(t, 70) ? "." : ",");
            tl_line_put(line, facts[order[i]].text);
        }
        tl_line_put(line, ".");
        tell_since(t, p, note, line);
        snprintf(text, sizeof text,
                 p->age < 16        ? " it has %s ."
                 : p->what == PILLS ? " i {need|want} %s ."
                                    : " i have %s .",
                 what);
        tl_tell(t, line, text);
    }
    for (int i = 0; i < 6; i++) t->taken[tl_lexicon_find(symptoms[i])] = 0;
}

/* ---- the clinic's other work: sorting by complaint --------------------------------------------------------- */

/* Messages and notes as above, sorted by complaint alone into labels redrawn each time: the corpus' second phase, so
 * that a base has read this clinic's way of writing.  No rule of urgency is in it, and no label keeps a meaning.  In
 * half of the episodes other words stand where the complaints would. */
void tl_fill_clinic(tl_teller *t, tl_episode *e)
{
    static const char kinds[] = "s2o8afkbmp";
    const char *what[COMPLAINTS];
    int group[COMPLAINTS] = { 0 }, order[COMPLAINTS];
    bool own = tl_chance(t, 50);
    for (int c = 0; c < COMPLAINTS; c++) {
        order[c] = c;
        what[c] = tl_chance(t, 10) && complaints[c].code ? complaints[c].code : complaints[c].words;
    }
    for (int c = 0; !own && c < COMPLAINTS; c++) {
        int id;
        do {
            char kind = kinds[tl_draw(t, (int)sizeof kinds - 1)];
            id = tl_lexicon_first(kind) + tl_draw(t, tl_lexicon_size(kind));
        } while (t->taken[id]);
        t->taken[id] = 1;
        what[c] = tl_lexicon_word(id);
    }
    tl_rng_shuffle(&t->rng, order, COMPLAINTS);
    e->classes = tl_between(t, 2, 5);
    int used = tl_between(t, e->classes, COMPLAINTS);
    for (int c = 0; c < used; c++) group[c] = c < e->classes ? c : tl_draw(t, e->classes);
    tl_episode_labels(t, e, TL_ROLE_LABEL);
    tl_episode_classes(t, e);
    int notes = tl_draw(t, 3); /* all messages, all notes, or both */
    for (int i = 0; i < e->n; i++) {
        tl_example *x = &e->examples[i];
        int c;
        do c = tl_draw(t, used);
        while (group[c] != x->cls);
        patient p = draw_patient(t, (complaint)order[c]);
        tl_line text;
        tell_patient(t, &p, what[order[c]], notes == 1 || (notes == 2 && tl_chance(t, 50)), &text);
        tl_line_put(&x->input, " ");
        tl_line_put(&x->input, text.text);
        x->key = c;
    }
}

/* ---- files ----------------------------------------------------------------------------------------------- */

static const char task_yaml[] =
    "name: triage\n"
    "description: Messages and intake notes of an invented clinic, to be sorted into five levels of urgency.\n"
    "provenance: synthetic\n"
    "kind: classification\n"
    "instruction: \"Read the message and answer with its urgency.\"\n"
    "template: { input: \"Message: {text}\\nUrgency:\", answer: \" {label}\", separator: \"\\n\" }\n"
    "labels: [ immediate, urgent, soon, routine, home ]   # most urgent first\n"
    "metrics: [ accuracy, macro_f1 ]\n"
    "costs:            # rows: truth, columns: prediction; seeing too little costs more than seeing too much\n"
    "  - [ 0, 4, 8, 12, 16 ]\n"
    "  - [ 1, 0, 2, 4, 6 ]\n"
    "  - [ 2, 1, 0, 2, 4 ]\n"
    "  - [ 3, 2, 1, 0, 2 ]\n"
    "  - [ 4, 3, 2, 1, 0 ]\n";

static const char readme[] =
    "# triage: a synthetic task\n"
    "\n"
    "Messages of patients and intake notes of a clinic that does not exist, with five levels of urgency:\n"
    "immediate, urgent, soon, routine, home. Every text and label comes from a generator and its rules; nobody's\n"
    "data is in it, and no medicine: the levels must not guide the care of anyone.\n"
    "\n"
    "Made by `tailor-generate task triage --seed %llu --output tasks/triage`; the same command gives the same\n"
    "bytes. 1,000 training, 200 validation and 500 test examples; no text occurs twice.\n"
    "\n"
    "The rules, in outline (in full at the top of `tools/generate/triage.c`):\n"
    "\n"
    "- Eight complaints have a base level each; it alone is right in about %d %% of cases. Five of them also go by a\n"
    "  code of the clinic (kip, zet, wol, dux, jat).\n"
    "- Some findings make a complaint immediate: chest pain from 60 on with sweating or since today, wheezing with\n"
    "  oxygen below 90, bleeding on blood thinner (lmk).\n"
    "- Pregnancy and an age under two raise some complaints to urgent, blood thinner and coming back within days\n"
    "  (rtv) all of them; what the nurse has settled (brk) stays at home; a wish for pills is soon where none are\n"
    "  left; a temp of 39.5 or weakness on one side raise, known for long (vno) or longer than two weeks lower some\n"
    "  complaints by a level or two.\n"
    "- %d %% of the labels, drawn at random in every split, are moved to the level beside the right one, as people\n"
    "  differ. So about %d %% is the best that any method can reach.\n"
    "\n"
    "Costs count under-triage double, and four times for an immediate case; over-triage counts once a level.\n";

/* Add text; false where it was there. FNV-1a, 64 bits: among a few thousand texts, equal means equal. */
static bool set_add(uint64_t *slots, size_t size, const char *text)
{
    uint64_t h = 1469598103934665603u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
    if (h == 0) h = 1;
    for (size_t at = h & (size - 1);; at = (at + 1) & (size - 1)) {
        if (slots[at] == h) return false;
        if (slots[at] == 0) {
            slots[at] = h;
            return true;
        }
    }
}

enum {
    SLOTS = 1 << 13
};

static int put_text(const char *dir, const char *name, const char *text, tl_err *err)
{
    char path[900];
    tl_output o;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    TL_TRY(tl_output_open(&o, path, err));
    int rc = tl_buf_puts(&o.text, text, err), closed = tl_output_close(&o, rc == 0, err);
    return rc < 0 ? rc : closed;
}

static int put_split(tl_teller *t, const char *dir, const char *name, int count, uint64_t *slots, tl_err *err)
{
    char path[900];
    tl_output o;
    snprintf(path, sizeof path, "%s/%s.jsonl", dir, name);
    TL_TRY(tl_output_open(&o, path, err));
    int rc = 0;
    for (int i = 0; rc == 0 && i < count;) {
        patient p = draw_patient(t, draw_complaint(t));
        tl_line line = { 0 };
        const char *what = p.coded ? complaints[p.what].code : complaints[p.what].words;
        tell_patient(t, &p, what, tl_chance(t, 50), &line);
        int tokens = tl_tokens_about(line.text), level = judge(&p);
        if (tl_chance(t, NOISE_PERCENT)) level += level == 0 ? 1 : level == LEVELS - 1 || tl_chance(t, 50) ? -1 : 1;
        if (tokens < 8 || tokens > 45 || !set_add(slots, SLOTS, line.text)) continue;
        i++;
        rc = tl_buf_puts(&o.text, "{\"text\": ", err);
        if (rc == 0) rc = tl_json_put(&o.text, line.text, err);
        if (rc == 0)
            rc = tl_buf_printf(&o.text, err, ", \"label\": \"%s\", \"id\": \"%s-%04d\"}\n", levels[level], name, i);
    }
    int closed = tl_output_close(&o, rc == 0, err);
    return rc < 0 ? rc : closed;
}

int tl_triage_task(uint64_t seed, const char *dir, tl_err *err)
{
    static uint64_t slots[SLOTS];
    char text[sizeof readme + 100];
    tl_teller t = tl_teller_make(seed, STREAM_TRIAGE);
    memset(slots, 0, sizeof slots);
    if (strlen(dir) > 800)
        return tl_fail(err, TL_EUSAGE, "%.80s...: a path of %zu bytes, at most 800 are possible", dir, strlen(dir));
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return tl_fail(err, TL_EIO, "%s: cannot be made: %s", dir, strerror(errno));
    TL_TRY(put_split(&t, dir, "train", TRAIN, slots, err));
    TL_TRY(put_split(&t, dir, "validation", VALIDATION, slots, err));
    TL_TRY(put_split(&t, dir, "test", TEST, slots, err));
    snprintf(text, sizeof text, readme, (unsigned long long)seed, BASE_PERCENT, NOISE_PERCENT, 100 - NOISE_PERCENT);
    TL_TRY(put_text(dir, "README.md", text, err));
    return put_text(dir, "task.yaml", task_yaml, err); /* last: with it the task is whole */
}
