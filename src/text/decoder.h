/* decoder.h - tokens back to text, for vocabularies that are not spelt in bytes.
 *
 *     tl_decoder d = { 0 };
 *     TL_TRY(tl_decoder_add(&d, &(tl_decode_step){ .kind = TL_DECODE_REPLACE, .from = "\u2581", .to = " " }, err));
 *     TL_TRY(tl_decoder_add(&d, &(tl_decode_step){ .kind = TL_DECODE_FUSE }, err));
 *     TL_TRY(tl_decoder_run(&d, tokens, n, &out, err));
 *
 * Steps run on each token, one after the other; behind FUSE on the whole text. */
#ifndef TL_TEXT_DECODER_H
#define TL_TEXT_DECODER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum tl_decode_kind {
    TL_DECODE_REPLACE,   /* each `from` becomes `to` */
    TL_DECODE_BYTES,     /* <0xHH> becomes that byte, whether or not the bytes make characters */
    TL_DECODE_FUSE,      /* one text from here on */
    TL_DECODE_STRIP,     /* up to `left` times `from` at the beginning goes, and `right` times at the end */
    TL_DECODE_METASPACE, /* `from` becomes a space; at the beginning of the first token, nothing where drop */
    TL_DECODE_WORDPIECE, /* `from` in front goes, what has none gets a space in front; drop: spaces before signs go */
    TL_DECODE_SUFFIX,    /* `from` becomes a space, in the last token nothing */
} tl_decode_kind;

enum {
    TL_DECODE_STEPS = 8,
    TL_DECODE_TEXT = 32
};

typedef struct tl_decode_step {
    tl_decode_kind kind;
    char from[TL_DECODE_TEXT], to[TL_DECODE_TEXT];
    int left, right;
    bool drop;
} tl_decode_step;

typedef struct tl_decoder {
    tl_decode_step steps[TL_DECODE_STEPS];
    int n;
} tl_decoder;

int tl_decoder_add(tl_decoder *d, const tl_decode_step *step, tl_err *err);

typedef struct tl_token_text {
    const char *text;
    size_t size;
} tl_token_text;

/* Append the text of n tokens. */
int tl_decoder_run(const tl_decoder *d, const tl_token_text *tokens, size_t n, tl_buf *out, tl_err *err);

/* Where a text stands that is decoded token by token; zeroed, at its beginning. */
typedef struct tl_decode_state {
    bool begun;                    /* a token has come */
    bool passed[TL_DECODE_STEPS];  /* something has come through the step: it is no longer at the beginning */
    int stripped[TL_DECODE_STEPS]; /* how often the step has stripped there */
} tl_decode_state;

/* Behind a text that somebody else has decoded. */
tl_decode_state tl_decode_behind(void);

/* Append what one more token adds.  What a step would do to the end of the text is left undone: nobody knows yet that
 * it is the end. */
int tl_decoder_next(const tl_decoder *d, tl_decode_state *s, tl_token_text token, tl_buf *out, tl_err *err);

#endif
