/* episode.c - labels, classes, formats and the two ways out: spans for training, a prompt for probes. */
#include "episode.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void tl_episode_begin(tl_episode *e, const char *family, int n)
{
    assert(n > 0 && n <= TL_EXAMPLES_MAX);
    e->family = family;
    e->n = n;
    e->classes = 0;
    e->fixed = false;
    for (int i = 0; i < n; i++) {
        tl_example *x = &e->examples[i];
        x->input.size = 0;
        x->input.text[0] = x->answer[0] = '\0';
        x->cls = 0;
        x->key = TL_KEY_NONE;
        x->noisy = false;
    }
}

void tl_episode_labels(tl_teller *t, tl_episode *e, tl_role role)
{
    assert(e->classes <= TL_CLASSES_MAX);
    int n = 0, drawn[TL_CLASSES_MAX];
    const int *pool = tl_lexicon_of_role(role, &n);
    /* Half of the episodes take their labels from one kind: colors, letters, sides. */
    char kind = '\0';
    if (role == TL_ROLE_LABEL && tl_chance(t, 40)) kind = "acfmop1248"[tl_draw(t, 10)];
    for (int c = 0; c < e->classes; c++) {
        bool again = true;
        for (int attempt = 0; again; attempt++) {
            assert(attempt < 10000);
            drawn[c] = kind && attempt < 500 ? tl_draw_word(t, kind) : pool[tl_draw(t, n)];
            again = tl_lexicon_role(drawn[c]) != role || t->taken[drawn[c]];
            for (int b = 0; b < c; b++) again |= drawn[b] == drawn[c];
        }
        e->labels[c] = tl_lexicon_word(drawn[c]);
    }
}

void tl_episode_classes(tl_teller *t, tl_episode *e)
{
    int weight[TL_CLASSES_MAX] = { 0 }, sum = 0;
    for (int c = 0; c < e->classes; c++) sum += weight[c] = tl_between(t, 5, 10);
    for (int i = 0; i < e->n; i++) {
        int at = tl_draw(t, sum), c = 0;
        while (at >= weight[c]) at -= weight[c++];
        e->examples[i].cls = c;
    }
    if (e->n < 4 || tl_chance(t, 10)) return;
    /* Bursty: the last example's class stands two to four times before it. */
    int want = tl_between(t, 2, 4), last = e->examples[e->n - 1].cls, have = 0;
    for (int i = 0; i < e->n - 1; i++) have += e->examples[i].cls == last;
    for (int attempt = 0; attempt < 8 && have < want; attempt++) {
        tl_example *x = &e->examples[tl_draw(t, e->n - 1)];
        have += x->cls != last;
        x->cls = last;
    }
}

static const char *const inputs[] = {
    "Message", "Note", "Text",   "Input", "Case",    "Report", "Item",     "Entry", "Line", "Letter",
    "Memo",    "Word", "Record", "Story", "Request", "Key",    "Sentence", "Q",     "X",    "Question",
};
static const char *const outputs[] = {
    "Label", "Class", "Group", "Output", "Team",   "Code", "Kind", "Tag",    "Mark",    "Desk",  "Part",     "Sign",
    "Type",  "Route", "Value", "Bin",    "Result", "A",    "Y",    "Answer", "Urgency", "Level", "Priority",
};
/* The same words inside an instruction, in small letters. */
static const char *const things[] = { "message", "note", "text", "case", "report", "item", "line", "letter", "word" };
static const char *const kinds[] = { "label", "class",  "group", "code",    "kind", "mark",
                                     "sign",  "answer", "name",  "urgency", "level" };

enum {
    INPUTS = sizeof inputs / sizeof inputs[0],
    OUTPUTS = sizeof outputs / sizeof outputs[0]
};

/* "Read the note and answer with its class. One of: red, blue or green." */
static void instruct(tl_teller *t, tl_episode *e)
{
    char *s = e->format.instruction;
    int room = sizeof e->format.instruction, n = 0;
    const char *thing = things[tl_draw(t, 9)], *kind = kinds[tl_draw(t, (int)(sizeof kinds / sizeof kinds[0]))];
    switch (tl_draw(t, 5)) {
    case 0:
        n = snprintf(s, (size_t)room, "Read the %s and answer with its %s.", thing, kind);
        break;
    case 1:
        n = snprintf(s, (size_t)room, "Read the %s and name the %s.", thing, kind);
        break;
    case 2:
        n = snprintf(s, (size_t)room, "See the %s and answer with the %s.", thing, kind);
        break;
    case 3:
        n = snprintf(s, (size_t)room, "Give the %s its %s.", thing, kind);
        break;
    default:
        n = snprintf(s, (size_t)room, "Name the %s of each %s.", kind, thing);
        break;
    }
    if (!e->classes || !tl_chance(t, 35)) return;
    int order[TL_CLASSES_MAX] = { 0 };
    for (int c = 0; c < e->classes; c++) order[c] = c;
    tl_rng_shuffle(&t->rng, order, (size_t)e->classes);
    for (int c = 0; c < e->classes; c++)
        n += snprintf(s + n, (size_t)(room - n), "%s %s",
                      c == 0               ? " One of:"
                      : c + 1 < e->classes ? ","
                                           : " or",
                      e->labels[order[c]]);
    snprintf(s + n, (size_t)(room - n), ".");
}

static void set_marks(tl_episode *e, const char *before, const char *between, const char *after)
{
    snprintf(e->format.before, sizeof e->format.before, "%s", before);
    snprintf(e->format.between, sizeof e->format.between, "%s", between);
    snprintf(e->format.after, sizeof e->format.after, "%s", after);
}

static void set_fields(tl_teller *t, tl_episode *e)
{
    const char *in = inputs[tl_draw(t, INPUTS)], *out = outputs[tl_draw(t, OUTPUTS)];
    switch (tl_chance(t, 70) ? 0 : tl_draw(t, 4)) {
    case 0:
        snprintf(e->format.before, sizeof e->format.before, "%s:", in);
        snprintf(e->format.between, sizeof e->format.between, "\n%s:", out);
        snprintf(e->format.after, sizeof e->format.after, "%s", tl_chance(t, 70) ? "\n" : "\n\n");
        break;
    case 1:
        snprintf(e->format.before, sizeof e->format.before, "%s:", in);
        snprintf(e->format.between, sizeof e->format.between, " %s:", out);
        snprintf(e->format.after, sizeof e->format.after, "\n");
        break;
    case 2:
        snprintf(e->format.before, sizeof e->format.before, "%s", in);
        snprintf(e->format.between, sizeof e->format.between, " ->");
        snprintf(e->format.after, sizeof e->format.after, "\n");
        break;
    default:
        snprintf(e->format.before, sizeof e->format.before, "%s =", in);
        snprintf(e->format.between, sizeof e->format.between, "\n%s =", out);
        snprintf(e->format.after, sizeof e->format.after, "\n---\n");
        break;
    }
}

void tl_episode_format(tl_teller *t, tl_episode *e, tl_look look)
{
    static const char *const marks[][3] = {
        { "", " ->", "\n" },  { "-", " ->", "\n" }, { "", " :", " ;" },     { "", " =", "\n" },
        { "", " |", "\n" },   { "[", " ]", "\n" },  { "(", " ) ->", "\n" }, { "*", " :", "\n" },
        { ">", " ->", "\n" }, { "", " ->", " ," },  { "<", " >", "\n" },    { "-", " :", "\n\n" },
    };
    e->format.instruction[0] = '\0';
    if (look == TL_LOOK_LIST || (look == TL_LOOK_ANY && tl_chance(t, 30))) {
        const char *const *m = marks[tl_draw(t, sizeof marks / sizeof marks[0])];
        set_marks(e, m[0], m[1], m[2]);
    } else {
        set_fields(t, e);
    }
    if (tl_chance(t, look == TL_LOOK_LIST ? 5 : 45)) instruct(t, e);
}

bool tl_episode_known(const tl_episode *e, int i)
{
    const tl_example *x = &e->examples[i];
    if (e->fixed || x->key == TL_KEY_NONE) return true;
    for (int j = 0; j < i; j++)
        if (e->examples[j].key == x->key && !e->examples[j].noisy) return true;
    return false;
}

bool tl_episode_seen(const tl_episode *e, int i)
{
    if (e->fixed) return true;
    if (!e->classes) return i > 0; /* one example shows what is asked */
    for (int j = 0; j < i; j++)
        if (e->examples[j].cls == e->examples[i].cls) return true;
    return false;
}

bool tl_episode_learnt(const tl_episode *e, int i)
{
    return !e->examples[i].noisy && tl_episode_known(e, i) && tl_episode_seen(e, i);
}

void tl_episode_answer(const tl_episode *e, int i, tl_line *line)
{
    const tl_example *x = &e->examples[i];
    line->size = 0;
    if (x->answer[0]) {
        tl_line_put(line, x->answer);
        return;
    }
    assert(x->cls >= 0 && x->cls < e->classes);
    tl_line_put(line, " ");
    tl_line_put(line, e->labels[x->cls]);
}

int tl_json_put(tl_buf *out, const char *s, tl_err *err)
{
    TL_TRY(tl_buf_puts(out, "\"", err));
    while (*s) {
        size_t n = strcspn(s, "\"\\\n");
        TL_TRY(tl_buf_append(out, s, n, err));
        s += n;
        if (!*s) break;
        TL_TRY(tl_buf_puts(out, *s == '\n' ? "\\n" : *s == '"' ? "\\\"" : "\\\\", err));
        s++;
    }
    return tl_buf_puts(out, "\"", err);
}

/* What stands between the previous answer and the next one. */
static void question(const tl_episode *e, int i, tl_line *line)
{
    line->size = 0;
    if (i == 0 && e->format.instruction[0]) {
        tl_line_put(line, e->format.instruction);
        tl_line_put(line, "\n\n");
    }
    tl_line_put(line, e->format.before);
    tl_line_put(line, e->examples[i].input.text);
    tl_line_put(line, e->format.between);
}

int tl_episode_write(const tl_episode *e, tl_buf *out, tl_err *err)
{
    tl_line line;
    TL_TRY(tl_buf_puts(out, "{\"spans\":[", err));
    for (int i = 0; i < e->n; i++) {
        question(e, i, &line);
        TL_TRY(tl_buf_puts(out, i ? ",[" : "[", err));
        TL_TRY(tl_json_put(out, line.text, err));
        TL_TRY(tl_buf_puts(out, ",0],[", err));
        tl_episode_answer(e, i, &line);
        TL_TRY(tl_json_put(out, line.text, err));
        TL_TRY(tl_buf_puts(out, tl_episode_learnt(e, i) ? ",1],[" : ",0],[", err));
        line.size = 0; /* what follows the answer is not learnt: it is the same each time and would drown the labels */
        tl_line_put(&line, e->format.after);
        TL_TRY(tl_json_put(out, line.text, err));
        TL_TRY(tl_buf_puts(out, ",0]", err));
    }
    TL_TRY(tl_buf_puts(out, "],\"kind\":\"episode\",\"family\":\"", err));
    TL_TRY(tl_buf_puts(out, e->family, err));
    return tl_buf_puts(out, "\"}\n", err);
}

/* The examples in a row, the last one with its answer or without. */
static int run_together(const tl_episode *e, bool last_answer, tl_buf *out, tl_err *err)
{
    tl_line line;
    for (int i = 0; i < e->n; i++) {
        question(e, i, &line);
        TL_TRY(tl_buf_append(out, line.text, (size_t)line.size, err));
        if (i + 1 == e->n && !last_answer) break;
        tl_episode_answer(e, i, &line);
        tl_line_put(&line, e->format.after);
        TL_TRY(tl_buf_append(out, line.text, (size_t)line.size, err));
    }
    return 0;
}

int tl_episode_text(const tl_episode *e, tl_buf *out, tl_err *err)
{
    tl_buf text = tl_buf_make(1 << 16);
    int rc = run_together(e, true, &text, err);
    if (rc == 0) rc = tl_buf_puts(out, "{\"text\":", err);
    if (rc == 0) rc = tl_json_put(out, text.data, err);
    if (rc == 0) rc = tl_buf_puts(out, "}\n", err);
    tl_buf_reset(&text);
    return rc;
}

int tl_episode_prompt(const tl_episode *e, tl_buf *out, tl_err *err)
{
    return run_together(e, false, out, err);
}
