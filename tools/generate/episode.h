/* episode.h - worked examples in a row: what families fill in and the corpus and the probes write out.
 *
 *     tl_episode e;                             large: keep it off the stack
 *     tl_episode_begin(&e, "sentiment", 9);
 *     fill(t, &e);                              inputs, classes, keys
 *     tl_episode_format(t, &e, TL_LOOK_ANY);    a look for this episode
 *     tl_episode_write(&e, out, err);           {"spans":[...]}
 *
 * An example's answer is the label of its class, or free text.  `key` names what an ideal reader has to
 * have seen before to know the answer for sure: the cue in a cue task, the class itself where any example
 * of the class teaches it; TL_KEY_NONE where the answer follows from the input alone. */
#ifndef TL_GENERATE_EPISODE_H
#define TL_GENERATE_EPISODE_H

#include "base/buf.h"
#include "tell.h"

enum {
    TL_EXAMPLES_MAX = 64,
    TL_CLASSES_MAX = 8,
    TL_KEY_NONE = -1
};

typedef struct tl_example {
    tl_line input;
    char answer[160]; /* free text with the space before it; empty: the label of the class */
    int cls;
    int key;
    bool noisy; /* its label was redrawn at random: nothing to learn from as an answer */
} tl_example;

typedef struct tl_format {
    char before[24];       /* the input: "Message:" */
    char between[24];      /* input and answer: "\nUrgency:" */
    char after[12];        /* the answer: "\n" */
    char instruction[300]; /* the first line, without its newline; or "" */
} tl_format;

typedef struct tl_episode {
    const char *family;                 /* static */
    int n;                              /* examples, the last one is the query of a probe */
    int classes;                        /* 0 for free answers */
    const char *labels[TL_CLASSES_MAX]; /* words of the lexicon, without space */
    bool fixed;                         /* labels mean what they say: known without an example */
    tl_format format;
    tl_example examples[TL_EXAMPLES_MAX];
} tl_episode;

/* Empty, with n examples wanted. */
void tl_episode_begin(tl_episode *e, const char *family, int n);

/* Draw the labels of e->classes classes from the words of one role, none of them twice and none a taken word. */
void tl_episode_labels(tl_teller *t, tl_episode *e, tl_role role);

/* Draw every example's class: uneven weights, and most often such that each class occurs again. */
void tl_episode_classes(tl_teller *t, tl_episode *e);

typedef enum tl_look {
    TL_LOOK_LIST,   /* short marks: " key -> label\n" */
    TL_LOOK_ANY,    /* lists, marks, field names, with and without an instruction */
    TL_LOOK_FIELDS, /* "Message: ...\nLabel: ...\n", as prompts have it */
} tl_look;

void tl_episode_format(tl_teller *t, tl_episode *e, tl_look look);

/* Whether the ideal reader knows answer i from those before it, and whether its class was seen. */
bool tl_episode_known(const tl_episode *e, int i);
bool tl_episode_seen(const tl_episode *e, int i);

/* Whether answer i is trained on: the ideal reader knows it, and it is no noise.  Answers that nobody can know
 * teach to guess among the labels in sight, which is where learning to match gets stuck. */
bool tl_episode_learnt(const tl_episode *e, int i);

/* The answer of example i with its space: " red". */
void tl_episode_answer(const tl_episode *e, int i, tl_line *line);

/* One JSON line of the corpus. */
int tl_episode_write(const tl_episode *e, tl_buf *out, tl_err *err);

/* The same episode as plain text: {"text":"..."}. */
int tl_episode_text(const tl_episode *e, tl_buf *out, tl_err *err);

/* The text up to where the answer of the last example is due. */
int tl_episode_prompt(const tl_episode *e, tl_buf *out, tl_err *err);

/* s as a JSON string, quotes included. */
int tl_json_put(tl_buf *out, const char *s, tl_err *err);

#endif
