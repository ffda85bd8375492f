/* pack.c - filling a batch, sample after sample. */
#include "train/pack.h"

#include <stdlib.h>
#include <string.h>

int tl_sample_targets(const tl_sample *s)
{
    int n = 0;
    for (int i = 1; i < s->n; i++) n += s->trained[i];
    return n;
}

static float weight_of(const tl_sample *s)
{
    return s->weight > 0 ? s->weight : 1.0f;
}

double tl_sample_weight(const tl_sample *s)
{
    return (double)weight_of(s) * tl_sample_targets(s);
}

void tl_sample_reset(tl_sample *s)
{
    free(s->ids);
    free(s->trained);
    *s = (tl_sample){ 0 };
}

int tl_pack_init(tl_pack *p, int max_rows, int max_segments, tl_err *err)
{
    size_t n = (size_t)max_rows, k = (size_t)max_segments;
    *p = (tl_pack){ .max_rows = max_rows, .max_segments = max_segments };
    p->ids = malloc(n * sizeof *p->ids);
    p->positions = malloc(n * sizeof *p->positions);
    p->targets = malloc(n * sizeof *p->targets);
    p->weights = malloc(n * sizeof *p->weights);
    p->segments = malloc(k * sizeof *p->segments);
    p->adapters = malloc(k * sizeof *p->adapters);
    if (p->ids && p->positions && p->targets && p->weights && p->segments && p->adapters) return 0;
    tl_pack_free(p);
    return tl_fail(err, TL_ENOMEM, "batch of %d rows: no memory for it", max_rows);
}

void tl_pack_free(tl_pack *p)
{
    free(p->ids);
    free(p->positions);
    free(p->targets);
    free(p->weights);
    free(p->segments);
    free(p->adapters);
    *p = (tl_pack){ 0 };
}

void tl_pack_reset(tl_pack *p)
{
    p->N = p->n_segments = p->n_targets = 0;
}

bool tl_pack_add(tl_pack *p, const tl_sample *s)
{
    int rows = s->n - 1;
    if (rows < 1) return true; /* nothing follows anything in it */
    if (rows > p->max_rows - p->N || p->n_segments == p->max_segments) return false;
    p->segments[p->n_segments++] = (tl_segment){ .row = p->N, .rows = rows };
    for (int i = 0; i < rows; i++, p->N++) {
        p->ids[p->N] = s->ids[i];
        p->positions[p->N] = i;
        p->targets[p->N] = s->trained[i + 1] ? s->ids[i + 1] : -1;
        p->weights[p->N] = weight_of(s);
        p->n_targets += s->trained[i + 1];
    }
    return true;
}

void tl_pack_weigh(tl_pack *p, float scale)
{
    for (int i = 0; i < p->N; i++) p->weights[i] *= scale;
}

tl_batch tl_pack_batch(tl_pack *p, tl_adapter *adapter)
{
    for (int i = 0; i < p->n_segments; i++) p->adapters[i] = adapter;
    return (tl_batch){ .N = p->N,
                       .ids = p->ids,
                       .positions = p->positions,
                       .n_segments = p->n_segments,
                       .segments = p->segments,
                       .adapters = adapter ? p->adapters : NULL };
}
