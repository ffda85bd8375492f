/* config.h - what a base's architecture is: one struct, read from config.json through one table of families.
 *
 * A family is a row: how its keys are called, which fields it sets, how its tensors are named (names.h).  One forward
 * and one backward serve all rows; they look at the fields, never at the family's name.  A model_type without a row, an
 * activation or rotary scheme we do not compute, a field that changes the mathematics and is not understood: refused by
 * name. */
#ifndef TL_MODEL_CONFIG_H
#define TL_MODEL_CONFIG_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

typedef enum tl_norm {
    TL_NORM_RMS,
    TL_NORM_LAYER
} tl_norm;
typedef enum tl_position {
    TL_POSITION_ROPE,
    TL_POSITION_LEARNED
} tl_position;
typedef enum tl_activation {
    TL_ACTIVATION_SWIGLU,
    TL_ACTIVATION_GELU
} tl_activation;

typedef struct tl_family tl_family; /* a row of the table in config.c */

typedef struct tl_config {
    const tl_family *family; /* shared: the row this was read by */
    int L, D, H, G, h, F, V, T;
    tl_norm norm;
    tl_position position;
    tl_activation activation;
    float norm_eps;
    double rope_theta;
    bool qkv_bias, out_bias, mlp_bias; /* of q,k,v; of the attention's output; of the hidden layers */
    bool tied;                         /* the head is the token table */
    int bos, eos;                      /* token ids, -1 where config.json has none */
} tl_config;

/* Read DIR/config.json. */
int tl_config_read(tl_config *out, const char *dir, tl_err *err);

/* From a parsed object; where is used in messages. */
int tl_config_parse(tl_config *out, json_t *object, const char *where, tl_err *err);

/* A config.json object that reads back to the same config; the caller's to decref. */
json_t *tl_config_json(const tl_config *c);

const char *tl_config_model_type(const tl_config *c);

#endif
