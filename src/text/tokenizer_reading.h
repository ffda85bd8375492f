/* tokenizer_reading.h - what is held while the files of one tokenizer are read; private to tokenizer_file.c,
 * tokenizer_stages.c and tokenizer_tiktoken.c. */
#ifndef TL_TEXT_TOKENIZER_READING_H
#define TL_TEXT_TOKENIZER_READING_H

#include "text/tokenizer_vocab.h"

#include <limits.h>

typedef struct tl_reading {
    tl_tokenizer *t; /* borrowed */
    const char *dir; /* borrowed */
    char path[PATH_MAX];
    char where[PATH_MAX + 100]; /* path and the part being read, for errors */
    json_t *config;             /* owned: tokenizer_config.json, or NULL */
    json_t *map;                /* owned: special_tokens_map.json, or NULL */
    tl_added_row *rows;         /* owned; contents borrowed from the JSON files */
    size_t n_rows;
    bool spells; /* a stage of the pre_tokenizer stands behind ByteLevel and sees the letters that it makes of bytes */
} tl_reading;

/* "path: part", kept in where. */
const char *tl_reading_at(tl_reading *r, const char *part);

/* Every key of obj is one of the NULL-ended list. */
int tl_only_keys(json_t *obj, const char *where, const char *const *known, tl_err *err);
#define TL_ONLY_KEYS(obj, where, err, ...) tl_only_keys(obj, where, (const char *const[]){ __VA_ARGS__, NULL }, err)

/* Rows from added_tokens_decoder of tokenizer_config.json: { "id": {content, ...} }. */
int tl_read_config_rows(tl_reading *r, json_t *list, tl_err *err);

/* The id of the token that config or map name under key ("bos_token"), or else of the token `otherwise` (NULL: none);
 * -1 where there is none. */
int tl_find_named(tl_reading *r, const char *key, const char *otherwise, int *out, tl_err *err);

/* The parts of tokenizer.json around the model; root is the whole. */
int tl_read_normalizer(tl_reading *r, json_t *root, tl_err *err);
int tl_read_pre_tokenizer(tl_reading *r, json_t *root, tl_err *err);
int tl_read_decoder(tl_reading *r, json_t *root, tl_err *err);
int tl_read_post_processor(tl_reading *r, json_t *root, tl_err *err); /* once the vocabulary is there */

#endif
