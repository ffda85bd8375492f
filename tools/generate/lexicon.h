/* lexicon.h - every word the generator may write, by kind.
 *
 *     tl_lexicon_init();
 *     int id = tl_lexicon_first('a') + 3;          the fourth animal
 *     puts(tl_lexicon_word(id));
 *
 * A small model has room for few words, so the lexicon is closed: about six hundred words, each of one kind,
 * each common enough to become one token.  A kind is a letter or digit (the table in lexicon.c); templates
 * name kinds by it.  Words have a role as labels: most never are one, some may be an episode's label, and
 * some are held out: they occur in text and never as an answer of the training corpus, so that a probe with
 * them asks for matching and not for memory. */
#ifndef TL_GENERATE_LEXICON_H
#define TL_GENERATE_LEXICON_H

#include <stdbool.h>

enum {
    TL_LEXICON_MAX = 1600
};

typedef enum tl_role {
    TL_ROLE_PLAIN, /* not a label */
    TL_ROLE_LABEL, /* may be an episode's label */
    TL_ROLE_HELD,  /* held out: never an answer in the corpus */
} tl_role;

/* Split the table into words; once, before anything else. */
void tl_lexicon_init(void);

int tl_lexicon_count(void);
const char *tl_lexicon_word(int id);
tl_role tl_lexicon_role(int id);

/* The kind a word belongs to. */
char tl_lexicon_kind(int id);

/* The ids of a kind are first .. first + size - 1; size is 0 for a letter that names no kind. */
int tl_lexicon_first(char kind);
int tl_lexicon_size(char kind);

/* What a kind is called in a sentence ("animals"), or NULL where it has no such name. */
const char *tl_lexicon_title(char kind);

/* The id of a word, or -1. */
int tl_lexicon_find(const char *word);

/* All words of one role, as ids; the count in *n. */
const int *tl_lexicon_of_role(tl_role role, int *n);

#endif
