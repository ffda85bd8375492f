/* prose.h - running text: stories, notes and letters of an invented clinic and its town. */
#ifndef TL_GENERATE_PROSE_H
#define TL_GENERATE_PROSE_H

#include "base/buf.h"
#include "tell.h"

/* Append one document of 3 to 14 sentences (50 to 300 tokens); its topic words recur. */
int tl_prose(tl_teller *t, tl_buf *out, tl_err *err);

/* One clause without its full stop, for use inside an example: a few to a dozen words. */
void tl_prose_clause(tl_teller *t, tl_line *line);

#endif
