/* corpus.h - the documents a base is pretrained on, one JSON object a line, read as they are needed.
 *
 *     {"text": "..."}                                     every token is learnt
 *     {"spans": [["Message: ...\nUrgency:", 0], [" red\n", 1], ...]}   those of spans with 1 are
 *
 * A document becomes BOS, its tokens, EOS (learnt too).  Neighbouring spans of the same kind are one text; each text is
 * encoded for itself, as prompts and answers are when the base is used.  Other keys are notes for people. */
#ifndef TL_TRAIN_CORPUS_H
#define TL_TRAIN_CORPUS_H

#include "base/err.h"
#include "text/tokenizer.h"
#include "train/pack.h"

#include <stdbool.h>

typedef struct tl_corpus tl_corpus;

/* t is borrowed and must outlive the corpus; max_tokens cuts longer documents (counted in tl_corpus_cut).
 * text_weight is what a token of a text counts in the loss beside an answer of spans (0: the same): prose has many
 * tokens to learn in a document and episodes few. */
int tl_corpus_open(tl_corpus **out, const char *path, const tl_tokenizer *t, int max_tokens, float text_weight,
                   tl_err *err);
void tl_corpus_close(tl_corpus *c);

/* The next document; *more is false at the end.  *out is the caller's to reset.  A line is at most TL_LINE_LIMIT bytes
 * (io/lines.h); what is wrong with one is an error with file and line. */
int tl_corpus_next(tl_corpus *c, tl_sample *out, bool *more, tl_err *err);

/* The place of the next line, to go on from after a resume. */
long tl_corpus_tell(const tl_corpus *c);
int tl_corpus_seek(tl_corpus *c, long place, tl_err *err);

long tl_corpus_cut(const tl_corpus *c);

#endif
