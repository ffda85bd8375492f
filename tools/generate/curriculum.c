/* curriculum.c - which kind of document stands where.
 *
 * Matching a query to the right example comes in a jump, and only where the data asks for little else: so the
 * corpus opens with short lists that repeat, then grows keys, words around the cue, whole sentences, and at last
 * all families and formats with prose at about half.  Each stage keeps a tenth of what came before, since what
 * is no longer asked for fades.  The two tables below are what tuning turns. */
#include "curriculum.h"
#include "family.h"
#include "prose.h"
#include "triage.h"

#include <assert.h>
#include <string.h>

enum {
    STAGES = 5
};

typedef enum doc_kind {
    DOC_RECALL,      /* lists: key -> label, repeated queries */
    DOC_RECALL_LONG, /* more keys, of some words, values too */
    DOC_WORD,        /* examples of one cue and a few words */
    DOC_SENTENCE,    /* cue tasks in sentences with fillers */
    DOC_FAMILY,      /* all families, all formats */
    DOC_PROSE,
    DOC_CLINIC, /* messages of the triage task's clinic, sorted by complaint */
    DOC_KINDS
} doc_kind;

/* Shares are of tokens: of the corpus for a stage, of the stage for a kind (in percent). */
static const struct {
    double share;
    int mix[DOC_KINDS]; /* recall, long, word, sentence, family, prose */
} stages[STAGES] = {
    { 0.04, { 90, 0, 0, 0, 0, 10 } },   { 0.03, { 35, 15, 40, 0, 0, 10 } }, { 0.06, { 10, 6, 50, 16, 0, 18 } },
    { 0.14, { 5, 3, 12, 45, 10, 25 } }, { 0.73, { 3, 2, 6, 22, 27, 40 } },
};

/* The second phase, a corpus of its own without stages. */
static const int second[DOC_KINDS] = { 3, 2, 6, 14, 15, 20, 40 };

/* Mean tokens of a document of each kind, as tl_tokens_about counts, measured over a corpus of 5 million tokens. */
static const double mean_tokens[DOC_KINDS] = { 125, 181, 175, 290, 165, 137, 330 };

enum {
    TOKENS_MAX = 900
}; /* of a document: the context is 1,024, and the true tokenizer needs some more */

static double documents_of(const int *mix)
{
    double sum = 0;
    for (int k = 0; k < DOC_KINDS; k++) sum += mix[k] / 100.0 / mean_tokens[k];
    return sum;
}

/* Documents of each stage for one token of corpus. */
static double documents_per_token(int stage)
{
    return stages[stage].share * documents_of(stages[stage].mix);
}

long tl_documents_for(double tokens, int phase)
{
    double sum = 0;
    for (int s = 0; s < STAGES; s++) sum += documents_per_token(s);
    if (phase == 2) sum = documents_of(second);
    long n = (long)(tokens * sum + 0.5);
    return n > 0 ? n : 1;
}

static int stage_at(long i, long total)
{
    double at[STAGES], sum = 0, before = 0;
    for (int s = 0; s < STAGES; s++) sum += at[s] = documents_per_token(s);
    for (int s = 0; s < STAGES - 1; s++) {
        before += at[s];
        if ((double)i < before / sum * (double)total) return s;
    }
    return STAGES - 1;
}

static doc_kind draw_kind(tl_teller *t, const int *mix)
{
    double weight[DOC_KINDS], sum = 0;
    for (int k = 0; k < DOC_KINDS; k++) sum += weight[k] = mix[k] / mean_tokens[k];
    double at = tl_rng_unit(&t->rng) * sum;
    for (int k = 0; k < DOC_KINDS - 1; k++) {
        if (at < weight[k]) return (doc_kind)k;
        at -= weight[k];
    }
    return mix[DOC_CLINIC] > 0 ? DOC_CLINIC : DOC_PROSE;
}

/* A family of the corpus in which a cue decides at least in this way. */
static const tl_family *draw_family(tl_teller *t, tl_cue least)
{
    int sum = 0, at = 0;
    for (int f = 0; f < tl_families_count; f++)
        if (!tl_families[f].held_out && tl_families[f].cue >= least) sum += tl_families[f].weight;
    at = tl_draw(t, sum);
    for (int f = 0; f < tl_families_count; f++) {
        if (tl_families[f].held_out || tl_families[f].cue < least) continue;
        if (at < tl_families[f].weight) return &tl_families[f];
        at -= tl_families[f].weight;
    }
    assert(!"weights that do not add up");
    return &tl_families[0];
}

/* k worked examples and the query: k is 0..16, mostly more than 3, since every answer teaches. */
static int draw_examples(tl_teller *t)
{
    return 1 + (tl_chance(t, 12) ? tl_draw(t, 4) : tl_between(t, 4, 16));
}

static void fill(tl_teller *t, tl_episode *e, doc_kind kind)
{
    const tl_family *family = NULL;
    switch (kind) {
    case DOC_RECALL:
        tl_episode_begin(e, "recall", tl_between(t, 14, 30));
        tl_fill_recall(t, e, tl_chance(t, 70) ? 1 : 2);
        tl_episode_format(t, e, tl_chance(t, 75) ? TL_LOOK_LIST : TL_LOOK_FIELDS);
        break;
    case DOC_RECALL_LONG:
        tl_episode_begin(e, "recall-long", tl_between(t, 14, 30));
        tl_fill_recall_long(t, e);
        tl_episode_format(t, e, tl_chance(t, 60) ? TL_LOOK_LIST : TL_LOOK_FIELDS);
        break;
    case DOC_WORD:
        family = draw_family(t, TL_CUE_WORD);
        tl_episode_begin(e, family->name, tl_between(t, 12, 26));
        family->fill(t, e, tl_chance(t, 40) ? TL_DRESS_BARE : TL_DRESS_WORDS, TL_ROLE_LABEL);
        tl_episode_format(t, e, TL_LOOK_ANY);
        break;
    case DOC_SENTENCE:
        family = draw_family(t, TL_CUE_SENTENCE);
        tl_episode_begin(e, family->name, tl_between(t, 8, 20));
        family->fill(t, e, tl_chance(t, 50) ? TL_DRESS_ONE : TL_DRESS_FULL, TL_ROLE_LABEL);
        tl_episode_format(t, e, TL_LOOK_ANY);
        break;
    case DOC_CLINIC:
        tl_episode_begin(e, "clinic", tl_between(t, 6, 20));
        tl_fill_clinic(t, e);
        tl_episode_format(t, e, tl_chance(t, 70) ? TL_LOOK_FIELDS : TL_LOOK_ANY);
        break;
    default:
        family = draw_family(t, TL_CUE_NO);
        tl_episode_begin(e, family->name, draw_examples(t));
        family->fill(t, e, (tl_dress)tl_draw(t, 4), TL_ROLE_LABEL);
        tl_episode_format(t, e, TL_LOOK_ANY);
        break;
    }
    memset(t->taken, 0, sizeof t->taken);
}

/* Leave out the last examples where all of them would not fit; whether an answer is left to learn from. */
static bool fit(tl_episode *e)
{
    int tokens = tl_tokens_about(e->format.instruction), learnt = 0;
    int marks =
        tl_tokens_about(e->format.before) + tl_tokens_about(e->format.between) + tl_tokens_about(e->format.after);
    for (int i = 0; i < e->n; i++) {
        tl_line answer;
        tl_episode_answer(e, i, &answer);
        tokens += marks + tl_tokens_about(e->examples[i].input.text) + tl_tokens_about(answer.text);
        if (tokens > TOKENS_MAX) e->n = i;
    }
    for (int i = 0; i < e->n; i++) learnt += tl_episode_learnt(e, i);
    return learnt > 0;
}

static int put_episode(tl_teller *t, doc_kind kind, bool spans, tl_buf *out, tl_err *err)
{
    tl_episode e;
    do fill(t, &e, kind);
    while (!fit(&e));
    if (spans) return tl_episode_write(&e, out, err);
    return tl_episode_text(&e, out, err);
}

static int put_prose(tl_teller *t, tl_buf *out, tl_err *err)
{
    tl_buf text = tl_buf_make(1 << 16);
    int rc = tl_prose(t, &text, err);
    if (rc == 0) rc = tl_buf_puts(out, "{\"text\":", err);
    if (rc == 0) rc = tl_json_put(out, text.data, err);
    if (rc == 0) rc = tl_buf_puts(out, "}\n", err);
    tl_buf_reset(&text);
    return rc;
}

enum {
    STREAM_CORPUS = 0x636f72,
    STREAM_GENERAL = 0x67656e
};

int tl_document(uint64_t seed, long i, long total, int phase, tl_buf *out, tl_err *err)
{
    assert(i >= 0 && i < total);
    tl_teller t = tl_teller_make(seed, STREAM_CORPUS + ((uint64_t)i << 24));
    doc_kind kind = draw_kind(&t, phase == 2 ? second : stages[stage_at(i, total)].mix);
    return kind == DOC_PROSE ? put_prose(&t, out, err) : put_episode(&t, kind, true, out, err);
}

int tl_general_document(uint64_t seed, long i, tl_buf *out, tl_err *err)
{
    tl_teller t = tl_teller_make(seed, STREAM_GENERAL + ((uint64_t)i << 24));
    return i % 4 == 3 ? put_episode(&t, DOC_FAMILY, false, out, err) : put_prose(&t, out, err);
}
