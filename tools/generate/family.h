/* family.h - the families of tasks; each call makes one task and examples of it.
 *
 * A family is a rule with parameters: which words are cues, what they lead to, where a threshold lies, how the
 * sentences look.  All are drawn anew for every episode, so that what a label means has to come from the
 * examples.  Cue tasks keep 1 to 4 cues a class: of 600 words taken 2 to 15 at a time there are far more than
 * 10,000 tasks in the smallest of them.  Families marked held_out appear in probes only. */
#ifndef TL_GENERATE_FAMILY_H
#define TL_GENERATE_FAMILY_H

#include "episode.h"

/* How much text stands around what matters. */
typedef enum tl_dress {
    TL_DRESS_BARE,  /* nothing, or a word or two */
    TL_DRESS_WORDS, /* up to six words */
    TL_DRESS_ONE,   /* up to one clause */
    TL_DRESS_FULL,  /* one to three clauses */
} tl_dress;

/* Fill the examples of e (begun) and its labels, drawn from the words of role.  Cues stay in t->taken until the
 * caller clears it, after the format is drawn. */
typedef void tl_fill_fn(tl_teller *t, tl_episode *e, tl_dress dress, tl_role role);

typedef enum tl_cue {
    TL_CUE_NO,
    TL_CUE_SENTENCE, /* in sentences only */
    TL_CUE_WORD,     /* from a few words on */
} tl_cue;

typedef struct tl_family {
    const char *name;
    tl_fill_fn *fill;
    int weight;    /* how often, among the families */
    bool held_out; /* never in the corpus */
    tl_cue cue;    /* whether one cue decides: the middle stages of the curriculum take such families alone */
    bool classes;  /* answers are labels: used in probes */
} tl_family;

extern const tl_family tl_families[];
extern const int tl_families_count;

/* The two recall tasks of the first stages: lists of "key -> label" that repeat, and longer keys and values. */
void tl_fill_recall(tl_teller *t, tl_episode *e, int keys_a_class);
void tl_fill_recall_long(tl_teller *t, tl_episode *e);

#endif
