/* added.h - tokens that are cut out of the text before anything else looks at it: <|im_start|> and its kind.
 *
 *     tl_added *a = NULL;
 *     TL_TRY(tl_added_create(&a, err));
 *     TL_TRY(tl_added_put(a, &(tl_added_token){ .content = "<|eos|>", .size = 7, .id = 1, .special = true }, err));
 *     TL_TRY(tl_added_seal(a, err));
 *     TL_TRY(tl_added_split(a, text, size, false, each, arg, err));
 *     tl_added_free(a);
 *
 * At each place the longest token wins; the search goes on behind it. */
#ifndef TL_TEXT_ADDED_H
#define TL_TEXT_ADDED_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_added_token {
    const char *content; /* borrowed by put, which copies */
    size_t size;
    int id;
    bool special;
    bool single_word; /* not where a letter or digit touches it */
    bool lstrip;      /* takes the white space before it along */
    bool rstrip;      /* and that behind it */
} tl_added_token;

typedef struct tl_added tl_added;

int tl_added_create(tl_added **out, tl_err *err);
void tl_added_free(tl_added *a);

/* Keep a copy. */
int tl_added_put(tl_added *a, const tl_added_token *t, tl_err *err);

/* No more puts; splits from now on, from any number of threads.  A content put twice is an error. */
int tl_added_seal(tl_added *a, tl_err *err);

/* The id of the token with that content, or -1 (after seal). */
int tl_added_find(const tl_added *a, const char *content, size_t size);

/* Called for each piece in order: id of an added token, or -1 and the text between. */
typedef int tl_added_fn(void *arg, int id, const char *text, size_t size, tl_err *err);

/* text must be valid UTF-8; with skip_special, special tokens are text. */
int tl_added_split(const tl_added *a, const char *text, size_t size, bool skip_special, tl_added_fn *each, void *arg,
                   tl_err *err);

#endif
