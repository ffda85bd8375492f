/* probe.c - the same episodes under every condition, cut to k examples before one query. */
#include "probe.h"
#include "family.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    STREAM_PROBE = 0x707262,
    K_MAX = 16
};

typedef enum condition {
    AS_IT_IS,
    SHUFFLED,
    FLIPPED
} condition;

static const struct {
    int k;
    condition condition;
} settings[] = {
    { 0, AS_IT_IS },  { 1, AS_IT_IS }, { 2, AS_IT_IS },  { 4, AS_IT_IS }, { 8, AS_IT_IS },
    { 16, AS_IT_IS }, { 8, SHUFFLED }, { 16, SHUFFLED }, { 8, FLIPPED },  { 16, FLIPPED },
};

static const char *const condition_names[] = { "true", "shuffled", "flipped" };

/* The last k examples before the query, and the query. */
static void cut(tl_episode *e, int k)
{
    int from = e->n - 1 - k;
    assert(from >= 0);
    memmove(e->examples, e->examples + from, (size_t)(k + 1) * sizeof e->examples[0]);
    e->n = k + 1;
}

static void shuffle_labels(tl_teller *t, tl_episode *e)
{
    for (int i = e->n - 2; i > 0; i--) {
        int j = tl_draw(t, i + 1), kept = e->examples[i].cls;
        e->examples[i].cls = e->examples[j].cls;
        e->examples[j].cls = kept;
    }
}

/* Every class takes the label of the next one. */
static void flip_labels(tl_episode *e)
{
    const char *first = e->labels[0];
    for (int c = 0; c + 1 < e->classes; c++) e->labels[c] = e->labels[c + 1];
    e->labels[e->classes - 1] = first;
}

/* before: the label that was right until the flip, or NULL. */
static int put(const tl_family *family, const tl_episode *e, condition how, bool knowable, const char *before,
               tl_buf *out, tl_err *err)
{
    tl_buf prompt = tl_buf_make(1 << 16);
    tl_line answer;
    int rc = tl_episode_prompt(e, &prompt, err);
    if (rc == 0)
        rc = tl_buf_printf(out, err,
                           "{\"family\":\"%s\",\"held_out\":%s,\"k\":%d,\"condition\":\"%s\",\"prompt\":", family->name,
                           family->held_out ? "true" : "false", e->n - 1, condition_names[how]);
    if (rc == 0) rc = tl_json_put(out, prompt.data, err);
    for (int c = 0; rc == 0 && c < e->classes; c++)
        rc = tl_buf_printf(out, err, "%s\" %s\"", c ? "," : ",\"labels\":[", e->labels[c]);
    tl_episode_answer(e, e->n - 1, &answer);
    if (rc == 0) rc = tl_buf_printf(out, err, "],\"answer\":\"%s\"", answer.text);
    if (rc == 0 && before) rc = tl_buf_printf(out, err, ",\"before\":\" %s\"", before);
    if (rc == 0)
        rc = tl_buf_printf(out, err, ",\"chance\":%.4f,\"knowable\":%s,\"fixed\":%s}\n", 1.0 / e->classes,
                           knowable ? "true" : "false", e->fixed ? "true" : "false");
    tl_buf_reset(&prompt);
    return rc;
}

/* Question q of a family is one episode of 17 examples; each setting cuts and relabels a copy of it. */
static int question(uint64_t seed, int f, int q, tl_output *o, tl_err *err)
{
    static tl_episode whole, e; /* too large for a stack */
    const tl_family *family = &tl_families[f];
    tl_teller t = tl_teller_make(seed, STREAM_PROBE + ((uint64_t)f << 24) + ((uint64_t)q << 32));
    tl_episode_begin(&whole, family->name, K_MAX + 1);
    family->fill(&t, &whole, q % 2 ? TL_DRESS_WORDS : TL_DRESS_ONE, family->held_out ? TL_ROLE_HELD : TL_ROLE_LABEL);
    tl_episode_format(&t, &whole, q % 3 ? TL_LOOK_FIELDS : TL_LOOK_ANY);
    memset(t.taken, 0, sizeof t.taken);
    for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
        e = whole;
        cut(&e, settings[s].k);
        bool knowable = tl_episode_known(&e, e.n - 1);
        if (settings[s].condition == SHUFFLED) shuffle_labels(&t, &e), knowable = false;
        const char *before = NULL;
        if (settings[s].condition == FLIPPED) {
            before = e.labels[e.examples[e.n - 1].cls];
            flip_labels(&e);
        }
        TL_TRY(put(family, &e, settings[s].condition, knowable, before, &o->text, err));
    }
    return tl_output_flush(o, false, err);
}

int tl_probe(uint64_t seed, int queries_a_family, tl_output *o, tl_err *err)
{
    for (int f = 0; f < tl_families_count; f++)
        for (int q = 0; tl_families[f].classes && q < queries_a_family; q++) TL_TRY(question(seed, f, q, o, err));
    return 0;
}
