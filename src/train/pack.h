/* pack.h - samples packed into ragged batches: no padding, positions from 0 in each, no attention between them.
 *
 *     tl_pack_reset(p);
 *     while (i < n && tl_pack_add(p, &samples[i])) i++;
 *     tl_pack_batch(p) -> what tl_forward takes; p->targets and p->weights -> what tl_loss takes
 *
 * A sample of n tokens fills n - 1 rows: row i sees tokens 0..i and is asked for token i + 1, if that one is trained.
 */
#ifndef TL_TRAIN_PACK_H
#define TL_TRAIN_PACK_H

#include "base/err.h"
#include "model/forward.h"

#include <stdbool.h>
#include <stdint.h>

/* Owned by whoever made it (sample.h). */
typedef struct tl_sample {
    int *ids;         /* owned: [n] BOS first */
    uint8_t *trained; /* owned: [n] 1: this token is to be learnt */
    int n;
    float weight; /* of its targets in the loss; 0 stands for 1, the usual */
} tl_sample;

/* How many tokens of the sample are learnt, and what they weigh in the loss together. */
int tl_sample_targets(const tl_sample *s);
double tl_sample_weight(const tl_sample *s);
void tl_sample_reset(tl_sample *s);

typedef struct tl_pack {
    int max_rows, max_segments;
    int *ids, *positions, *targets; /* owned: [max_rows] */
    float *weights;                 /* owned: [max_rows] */
    tl_segment *segments;           /* owned: [max_segments] */
    tl_adapter **adapters;          /* owned: [max_segments], all the same */
    int N, n_segments, n_targets;
} tl_pack;

int tl_pack_init(tl_pack *p, int max_rows, int max_segments, tl_err *err);
void tl_pack_free(tl_pack *p); /* what init took; p itself is the caller's */
void tl_pack_reset(tl_pack *p);

/* False where it does not fit; a sample longer than max_rows + 1 never does. */
bool tl_pack_add(tl_pack *p, const tl_sample *s);

/* Multiply every weight: by 1 / (what the targets of the whole step weigh), so that micro-batches add up to the mean.
 */
void tl_pack_weigh(tl_pack *p, float scale);

/* The batch, every segment with this adapter (NULL: none).  Borrows p. */
tl_batch tl_pack_batch(tl_pack *p, tl_adapter *adapter);

#endif
