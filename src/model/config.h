/* config.h - what a base's architecture is: one struct, read from config.json through one table of families.
 *
 * A family is a row: what holds for all of its bases, which keys say the rest, how its tensors are named (names.h). One
 * forward and one backward serve all rows; they look at the fields, never at the family's name.  A model_type without a
 * row, an activation or rotary scheme we do not compute, a field that changes the mathematics and is not understood:
 * refused by name.
 *
 * Zero is plain in every field: no such norm, no window, no cap, no multiplier. */
#ifndef TL_MODEL_CONFIG_H
#define TL_MODEL_CONFIG_H

#include "base/err.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum tl_norm {
    TL_NORM_RMS,
    TL_NORM_LAYER
} tl_norm;

/* A layer is two blocks, attention and hidden layer.  Where they are normed, and what the second one reads. */
typedef enum tl_order {
    TL_ORDER_BEFORE,   /* mid = x + A(n(x)),      x' = mid + M(n(mid)) */
    TL_ORDER_AFTER,    /* mid = x + n(A(x)),      x' = mid + n(M(mid)) */
    TL_ORDER_AROUND,   /* mid = x + n(A(n(x))),   x' = mid + n(M(n(mid))) */
    TL_ORDER_PARALLEL, /* mid = x + A(n(x)),      x' = mid + M(n(x)) */
} tl_order;

/* What is normed of queries and keys before they are turned: always by RMS. */
typedef enum tl_qk_norm {
    TL_QK_NORM_NONE,
    TL_QK_NORM_HEAD, /* each head by itself, all with the same gains */
    TL_QK_NORM_ALL,  /* all heads as one */
} tl_qk_norm;

typedef enum tl_position {
    TL_POSITION_ROPE,
    TL_POSITION_LEARNED
} tl_position;

typedef enum tl_activation {
    TL_ACTIVATION_SWIGLU,     /* silu(gate) * up */
    TL_ACTIVATION_GELU,       /* by the tanh formula */
    TL_ACTIVATION_GEGLU,      /* gelu(gate) * up, likewise */
    TL_ACTIVATION_GELU_EXACT, /* by the error function */
} tl_activation;

typedef enum tl_rope_kind {
    TL_ROPE_DEFAULT,
    TL_ROPE_LINEAR,
    TL_ROPE_DYNAMIC,
    TL_ROPE_LLAMA3,
    TL_ROPE_YARN,
    TL_ROPE_LONG,
} tl_rope_kind;

enum {
    TL_LAYERS_MAX = 1024,
    TL_LONG_MAX = 128, /* pairs of numbers in a head, for TL_ROPE_LONG */
};

/* How positions become angles (rope.h); a field without a word for the kind is not looked at. */
typedef struct tl_rope {
    tl_rope_kind kind;
    double theta;
    double part;               /* of a head that is turned; 0: all of it */
    double factor;             /* by which the context is stretched */
    double low, high;          /* llama3: low_freq_factor, high_freq_factor; yarn: beta_slow, beta_fast */
    double attention;          /* attention_factor of yarn and long; 0: it follows from factor */
    double mscale, mscale_all; /* yarn, 0: absent */
    bool exact;                /* yarn: its bounds are not rounded ("truncate": false) */
    int original;              /* positions before the stretching: llama3, yarn, long */
    int stretched;             /* long: the positions config.json speaks of; T is original, see rope.h */
    float short_factor[TL_LONG_MAX], long_factor[TL_LONG_MAX]; /* long: the second is kept for writing alone */
} tl_rope;

/* What a layer has of its own. */
enum {
    TL_LAYER_WINDOW = 1,  /* attention sees config.window positions, turned by config.local */
    TL_LAYER_NO_ROPE = 2, /* queries and keys are not turned */
};

typedef struct tl_family tl_family; /* a row of the table in families.c */

typedef struct tl_config {
    const tl_family *family; /* shared: the row this was read by */
    int L, D, H, G, h, F, V, T;
    tl_norm norm;
    tl_order order;
    tl_qk_norm qk_norm;
    tl_position position;
    tl_activation activation;
    float norm_eps;
    tl_rope rope, local; /* local: of layers with a window; theta 0: as rope */
    int window;          /* positions a row of such a layer sees, itself among them */
    uint8_t layers[TL_LAYERS_MAX];
    float score_scale; /* of attention's scores; 0: 1 / sqrt(score_width), 0 there: h */
    int score_width;
    float score_cap, logit_cap;        /* cap tanh(z / cap); 0: none */
    float embed_scale, residual_scale; /* of token rows; of what a block adds to the stream; 0: 1 */
    float logit_divisor;               /* 0: 1 */
    bool qkv_bias, out_bias, mlp_bias; /* of q,k,v; of the attention's output; of the hidden layers */
    bool tied;                         /* the head is the token table */
    int bos, eos, pad;                 /* token ids, -1 where config.json has none; pad is carried along alone */
} tl_config;

static inline bool tl_config_gated(const tl_config *c)
{
    return c->activation == TL_ACTIVATION_SWIGLU || c->activation == TL_ACTIVATION_GEGLU;
}

/* Norms before the blocks, and after them? */
static inline bool tl_config_before(const tl_config *c)
{
    return c->order != TL_ORDER_AFTER;
}
static inline bool tl_config_after(const tl_config *c)
{
    return c->order == TL_ORDER_AFTER || c->order == TL_ORDER_AROUND;
}

/* Is it a multiplier that changes anything? */
static inline bool tl_scales(float factor)
{
    return factor != 0 && factor != 1;
}

/* What attention's scores are multiplied by. */
static inline float tl_config_score_scale(const tl_config *c)
{
    return c->score_scale != 0 ? c->score_scale : 1.0f / sqrtf((float)(c->score_width ? c->score_width : c->h));
}

/* How many numbers of a head are turned. */
static inline int tl_rope_width(const tl_config *c)
{
    return c->rope.part == 0 ? c->h : (int)(c->h * c->rope.part);
}

/* Read DIR/config.json. */
int tl_config_read(tl_config *out, const char *dir, tl_err *err);

/* From a parsed object; where is used in messages. */
int tl_config_parse(tl_config *out, json_t *object, const char *where, tl_err *err);

/* A config.json object that reads back to the same config; the caller's to decref. */
json_t *tl_config_json(const tl_config *c);

const char *tl_config_model_type(const tl_config *c);

#endif
