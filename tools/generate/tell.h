/* tell.h - sentences from templates.
 *
 *     tl_teller t = tl_teller_make(seed, stream);
 *     tl_line line = { 0 };
 *     tl_tell(&t, &line, " the @j {saw|found} the @a near the ^l{| on @d} .");
 *
 * A template is text in which
 *
 *     @x      is a word of kind x, the first ones of the kind more often
 *     ^x      is the topic's word of kind x: the same one until tl_teller_topic
 *     {p|q|}  is one of the parts, each as likely; parts nest
 *     $x      is the phrase x of the table in tell.c
 *     #x      is a number of range x of the table in tell.c
 *     %       is the argument given by tl_teller.argument
 *
 * and everything else is itself.  Words carry the space before them, so that a word has one spelling, and with
 * it one token, wherever it stands.  Templates are written here, not read from files: a wrong one is an assert. */
#ifndef TL_GENERATE_TELL_H
#define TL_GENERATE_TELL_H

#include "base/rng.h"
#include "lexicon.h"

#include <stdbool.h>

enum {
    TL_LINE_MAX = 1200
};

typedef struct tl_line {
    int size;
    char text[TL_LINE_MAX]; /* NUL-terminated; what does not fit is left out */
} tl_line;

typedef struct tl_teller {
    tl_rng rng;
    short topic[128];                    /* word id of a kind's topic, -1 before the first use */
    const char *argument;                /* borrowed from the caller; what % stands for */
    unsigned char taken[TL_LEXICON_MAX]; /* words that @ and ^ leave out: the cues of an episode */
} tl_teller;

tl_teller tl_teller_make(uint64_t seed, uint64_t stream);

/* Forget the topic's words. */
void tl_teller_topic(tl_teller *t);

/* Append what the template says. */
void tl_tell(tl_teller *t, tl_line *line, const char *template);

/* Append text as it is. */
void tl_line_put(tl_line *line, const char *text);

/* 0..n-1, and whether a thing of this many percent happens. */
int tl_draw(tl_teller *t, int n);
bool tl_chance(tl_teller *t, int percent);

/* low..high, both ends included. */
int tl_between(tl_teller *t, int low, int high);

/* A word id of a kind, all as likely. */
int tl_draw_word(tl_teller *t, char kind);

/* About how many tokens the tokenizer of the base will make of text: words, marks and digits. */
int tl_tokens_about(const char *text);

#endif
