/* params.c - gathering the trained weights by walking model and adapter. */
#include "train/params.h"

#include "base/size.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct gathering {
    tl_params *p;
    float table_ratio;
    bool adapter; /* its tensors are matrices, at rank 1 too */
    tl_err *err;
} gathering;

static int gather(void *context, const char *name, tl_weight *w)
{
    gathering *g = context;
    if (!w->data || !w->grad) return 0;
    tl_params *p = g->p;
    for (int i = 0; i < p->n; i++)
        if (p->items[i].value == w->data) return 0; /* a tied head: one parameter, one update */
    tl_param *items = realloc(p->items, (size_t)(p->n + 1) * sizeof *items);
    if (!items) return tl_fail(g->err, TL_ENOMEM, "parameters: no memory for their list");
    p->items = items;
    tl_param *q = &items[p->n++];
    bool table = strstr(name, "tokens") || strstr(name, "positions");
    *q = (tl_param){ .value = (float *)w->data,
                     .grad = w->grad,
                     .n = (size_t)w->rows * (size_t)w->cols,
                     .rows = w->rows,
                     .cols = w->cols,
                     .decayed = g->adapter || w->rows > 1,
                     .lr_ratio = table ? g->table_ratio : 1.0f };
    snprintf(q->name, sizeof q->name, "%s", name);
    p->count += q->n;
    return 0;
}

int tl_params_create(tl_params **out, tl_model *m, tl_adapter *adapter, float table_ratio, tl_err *err)
{
    tl_params *p = calloc(1, sizeof *p);
    if (!p) return tl_fail(err, TL_ENOMEM, "parameters: no memory for their list");
    gathering g = { .p = p, .table_ratio = table_ratio, .err = err };
    int rc = tl_model_each(m, gather, &g);
    g.adapter = true;
    if (rc == 0 && adapter) rc = tl_adapter_each(adapter, gather, &g);
    if (rc == 0 && p->count == 0) rc = tl_fail(err, TL_EDATA, "trainable parameters: 0, nothing would be learnt");
    size_t bytes = 0;
    if (rc == 0 && !tl_size_mul(&bytes, p->count, 2 * sizeof(float)))
        rc = tl_fail(err, TL_ENOMEM, "optimizer: %zu parameters are more than memory can address", p->count);
    if (rc == 0 && !(p->moments = calloc(1, bytes)))
        rc = tl_fail(err, TL_ENOMEM, "optimizer: %zu bytes for its moments, none free", bytes);
    if (rc < 0) {
        tl_params_free(p);
        return rc;
    }
    float *at = p->moments;
    for (int i = 0; i < p->n; i++) {
        p->items[i].m = at;
        p->items[i].v = at + p->items[i].n;
        at += 2 * p->items[i].n;
    }
    *out = p;
    return 0;
}

void tl_params_free(tl_params *p)
{
    if (!p) return;
    free(p->items);
    free(p->moments);
    free(p);
}

void tl_params_zero(tl_params *p)
{
    for (int i = 0; i < p->n; i++) memset(p->items[i].grad, 0, p->items[i].n * sizeof(float));
}

double tl_params_norm(const tl_params *p, const tl_backend *b, tl_stream *s)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++) sum += b->sum_squares(s, p->items[i].grad, p->items[i].n);
    return sqrt(sum);
}

void tl_params_update(tl_params *p, const tl_backend *b, tl_stream *s, const tl_adamw_step *step)
{
    for (int i = 0; i < p->n; i++) {
        tl_param *q = &p->items[i];
        tl_adamw_step own = *step;
        own.lr *= q->lr_ratio;
        if (!q->decayed) own.weight_decay = 0;
        b->adamw(s, q->value, q->grad, q->m, q->v, q->n, &own);
    }
}
