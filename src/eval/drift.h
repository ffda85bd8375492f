/* drift.h - how far two models are from each other on the same tokens: for a model that ought to be the other one,
 * merged, rounded or converted.
 *
 *     tl_drift d;
 *     TL_TRY(tl_drift_measure(&d, base, adapter, merged, NULL, stream, ids, n, err)); */
#ifndef TL_EVAL_DRIFT_H
#define TL_EVAL_DRIFT_H

#include "model/forward.h"

typedef struct tl_drift {
    int positions;  /* at which the logits were compared */
    int same;       /* at which the most likely token is the same */
    double largest; /* difference of two logits */
    double mean;    /* of all differences, root mean square */
    double size;    /* of the first model's logits around their mean, root mean square: what to hold the two against */
    double kl;      /* of the second's distribution from the first's, mean over positions, nats */
} tl_drift;

/* One sequence of n ids, all of which are in both vocabularies; what is longer than the context or than
 * TL_DRIFT_POSITIONS is cut.  Logits that are no finite numbers are an error. */
int tl_drift_measure(tl_drift *out, const tl_model *a, tl_adapter *of_a, const tl_model *b, tl_adapter *of_b,
                     tl_stream *s, const int *ids, int n, tl_err *err);

enum {
    TL_DRIFT_POSITIONS = 512
};

#endif
