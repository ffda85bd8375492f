/* unicode.h - the few questions tokenizers ask about characters, answered by utf8proc. */
#ifndef TL_TEXT_UNICODE_H
#define TL_TEXT_UNICODE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* The place of the first byte that breaks UTF-8 (surrogates, overlong forms and numbers past U+10FFFF do), or size. */
size_t tl_unicode_valid(const char *text, size_t size);

/* The character at the start of, or at the end of, size > 0 bytes of valid UTF-8; *n is its length in bytes. */
int tl_unicode_first(const char *text, size_t size, size_t *n);
int tl_unicode_last(const char *text, size_t size, size_t *n);

bool tl_unicode_is_space(int c); /* the property White_Space */
bool tl_unicode_is_word(int c);  /* \w of UTS 18: letters, marks, decimal digits, connectors, joiners */

bool tl_unicode_is_letter(int c);    /* category L */
bool tl_unicode_is_number(int c);    /* category N */
bool tl_unicode_is_mark(int c);      /* category M */
bool tl_unicode_is_flat_mark(int c); /* category Mn */
bool tl_unicode_is_other(int c);     /* controls, formats, private use */

/* Bytes of the grapheme cluster (UAX 29) that size > 0 bytes of valid UTF-8 begin with. */
size_t tl_unicode_cluster(const char *text, size_t size);

/* Append c in lower case: what Unicode maps it to alone, wherever it stands. */
int tl_unicode_lower(int c, tl_buf *out, tl_err *err);

typedef enum tl_unicode_form {
    TL_UNICODE_NFC,
    TL_UNICODE_NFD,
    TL_UNICODE_NFKC,
    TL_UNICODE_NFKD
} tl_unicode_form;

/* Whether NFC is known to leave the character alone and to join it to nothing before it: a text may be cut in front of
 * such ones and composed part by part.  False says nothing. */
bool tl_unicode_is_steady(int c);

/* Append the normalization form of valid UTF-8. */
int tl_unicode_normalize(tl_unicode_form form, const char *text, size_t size, tl_buf *out, tl_err *err);

#endif
