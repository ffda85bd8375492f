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

/* Append the normalization form C of valid UTF-8. */
int tl_unicode_nfc(const char *text, size_t size, tl_buf *out, tl_err *err);

#endif
