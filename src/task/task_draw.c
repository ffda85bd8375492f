/* task_draw.c - a few of the examples, by seed.
 *
 * First the examples of each label are shuffled; then labels are asked in turn for their next example.  Neither
 * depends on k, so a draw of 4 is the beginning of a draw of 8: more shots are the same shots and others.
 *
 * Balanced, the turn goes round.  With shares kept, it is a schedule: label l, with n_l of n examples, is due its
 * next one (its c-th, from 0) not before n_l (i+1) > c n, and by step ceil((c+1) n / n_l).  Of the labels that may,
 * the one with the nearest deadline goes; then every count stays within one of its share at every step (Steiner
 * and Yeomans, "Level schedules for mixed-model, just-in-time processes", Management Science 39, 1993). */
#include "task/task.h"

#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_DRAW = 0x64726177
};

typedef struct label_queue {
    int first, n; /* its examples: order[first..first+n-1] */
    int used;
} label_queue;

/* The examples of each label in an order of their own. */
static void shuffle_by_label(label_queue *queues, int *order, const tl_examples *e, int n_labels, tl_rng *r)
{
    for (int i = 0; i < e->n; i++) queues[e->items[i].label].n++;
    for (int l = 1; l < n_labels; l++) queues[l].first = queues[l - 1].first + queues[l - 1].n;
    for (int i = 0; i < e->n; i++) {
        label_queue *q = &queues[e->items[i].label];
        order[q->first + q->used++] = i;
    }
    for (int l = 0; l < n_labels; l++) {
        queues[l].used = 0;
        tl_rng_shuffle(r, order + queues[l].first, (size_t)queues[l].n);
    }
}

static void draw_balanced(label_queue *queues, const int *order, int *turn, int n_labels, int k, int *indices,
                          tl_rng *r)
{
    for (int done = 0; done < k;) {
        tl_rng_shuffle(r, turn, (size_t)n_labels);
        for (int i = 0; i < n_labels && done < k; i++) {
            label_queue *q = &queues[turn[i]];
            if (q->used < q->n) indices[done++] = order[q->first + q->used++];
        }
    }
}

static void draw_shares(label_queue *queues, const int *order, int *turn, int n_labels, int n, int k, int *indices,
                        tl_rng *r)
{
    tl_rng_shuffle(r, turn, (size_t)n_labels); /* who goes first among equals */
    for (int i = 0; i < k; i++) {
        label_queue *next = NULL;
        int64_t nearest = INT64_MAX;
        for (int t = 0; t < n_labels; t++) {
            label_queue *q = &queues[turn[t]];
            if ((int64_t)q->n * (i + 1) <= (int64_t)q->used * n) continue; /* has its share and more */
            int64_t deadline = ((int64_t)(q->used + 1) * n + q->n - 1) / q->n;
            if (deadline < nearest) nearest = deadline, next = q;
        }
        assert(next && next->used < next->n);
        indices[i] = order[next->first + next->used++];
    }
}

int tl_task_draw(const tl_examples *e, int n_labels, int k, uint64_t seed, bool balanced, int *indices, tl_err *err)
{
    if (k < 0 || k > e->n) return tl_fail(err, TL_EUSAGE, "%s: %d examples wanted, it has %d", e->path, k, e->n);
    tl_rng r = tl_rng_make(seed, STREAM_DRAW);
    label_queue *queues = calloc((size_t)n_labels + 1, sizeof *queues);
    int *order = calloc((size_t)e->n + 1, sizeof *order), *turn = calloc((size_t)n_labels + 1, sizeof *turn);
    int rc = 0;
    if (!queues || !order || !turn) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to draw from its %d examples", e->path, e->n);
        goto done;
    }
    if (n_labels == 0) {
        for (int i = 0; i < e->n; i++) order[i] = i;
        tl_rng_shuffle(&r, order, (size_t)e->n);
        memcpy(indices, order, (size_t)k * sizeof *order);
        goto done;
    }
    shuffle_by_label(queues, order, e, n_labels, &r);
    for (int l = 0; l < n_labels; l++) turn[l] = l;
    if (balanced)
        draw_balanced(queues, order, turn, n_labels, k, indices, &r);
    else
        draw_shares(queues, order, turn, n_labels, e->n, k, indices, &r);
done:
    free(queues);
    free(order);
    free(turn);
    return rc;
}
