/* forgetting.h - what tuning costs elsewhere: the loss on a fixed general text that no method trains on.
 *
 * The text is JSON lines {"text": "..."}; the loss is the mean over all its tokens, in nats, each document with its BOS
 * and scored from its own start.  Measured for the base and for a variant's weights; a prompt changes no weights, so
 * prompting forgets nothing by construction. */
#ifndef TL_EVAL_FORGETTING_H
#define TL_EVAL_FORGETTING_H

#include "base/hash.h"
#include "eval/interval.h"
#include "infer/engine.h"
#include "text/tokenizer.h"

typedef struct tl_general {
    char *path;    /* owned */
    tl_hash hash;  /* of the file */
    tl_ids *texts; /* owned: [n] token ids */
    int n;
} tl_general;

int tl_general_open(tl_general **out, const char *path, const tl_tokenizer *t, tl_err *err);
void tl_general_free(tl_general *g);

/* out[n]: the summed loss of each document. */
int tl_general_loss(double *out, const tl_general *g, tl_engine *e, tl_adapter *adapter, tl_err *err);

/* Tokens that have a loss in document i. */
int tl_general_tokens(const tl_general *g, int i);

/* Mean loss a token, and the interval of after - before over documents drawn anew. */
double tl_general_mean(const tl_general *g, const double *loss);
int tl_forgetting(tl_interval *out, const tl_general *g, const double *before, const double *after, uint64_t seed,
                  tl_err *err);

#endif
