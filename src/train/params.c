/* params.c - gathering the trained weights by walking model and adapter. */
#include "train/params.h"

#include "backend/rounding.h"
#include "model/forward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct gathering {
    tl_params *p;
    const tl_model *m;
    float table_ratio;
    bool planned; /* weights without gradients too: they would get them */
    bool adapter;
    tl_err *err;
} gathering;

static int group_of(const gathering *g, const char *name)
{
    int layer;
    if (g->adapter) return 0;
    if (sscanf(name, "layers.%d.", &layer) == 1) return layer;
    return g->m->config.L + (strncmp(name, "head", 4) == 0 ? TL_HEAD : TL_TABLES);
}

static int gather(void *context, const char *name, tl_weight *w)
{
    gathering *g = context;
    if (!w->data || (!w->grad && !g->planned)) return 0;
    tl_params *p = g->p;
    for (int i = 0; i < p->n; i++)
        if (p->items[i].value == w->data) return 0; /* a tied head: one parameter, one update */
    tl_param *items = realloc(p->items, (size_t)(p->n + 1) * sizeof *items);
    if (!items) return tl_fail(g->err, TL_ENOMEM, "parameters: no memory for their list");
    p->items = items;
    tl_param *q = &items[p->n++];
    bool table = strstr(name, "tokens") || strstr(name, "positions");
    *q = (tl_param){ .value = (void *)w->data,
                     .dtype = w->dtype,
                     .grad = w->grad,
                     .n = (size_t)w->rows * (size_t)w->cols,
                     .rows = w->rows,
                     .cols = w->cols,
                     .group = group_of(g, name),
                     .decayed = w->rows > 1 || strstr(name, ".lora_A.") || strstr(name, ".lora_B."),
                     .lr_ratio = table ? g->table_ratio : 1.0f };
    snprintf(q->name, sizeof q->name, "%s", name);
    p->count += q->n;
    return 0;
}

static int gather_all(tl_params *p, const tl_model *m, const tl_adapter *adapter, float table_ratio, bool planned,
                      tl_err *err)
{
    gathering g = { .p = p, .m = m, .table_ratio = table_ratio, .planned = planned && !adapter, .err = err };
    TL_TRY(tl_model_each((tl_model *)m, gather, &g)); /* the visitor changes nothing */
    g.adapter = true;
    if (adapter) TL_TRY(tl_adapter_each((tl_adapter *)adapter, gather, &g));
    return 0;
}

size_t tl_state_size(tl_state state)
{
    return state == TL_STATE_F32 ? sizeof(float) : state == TL_STATE_BF16 ? sizeof(tl_bf16) : 1;
}

/* The arena's lines, which may be measuring.  A group outside the layers is complete last, so its gradients stay in the
 * f32 they were taken in. */
static void lay_out(tl_params *p, tl_arena *arena, const tl_memory *memory, int layers)
{
    for (int i = 0; i < p->n; i++) {
        tl_param *q = &p->items[i];
        q->state = q->decayed ? memory->state : TL_STATE_F32;
        size_t each = tl_state_size(q->state), blocks = (q->n + TL_STATE_BLOCK - 1) / TL_STATE_BLOCK;
        if (memory->gradients == TL_GRADIENT_BF16 && q->group < layers)
            q->kept = tl_arena_take(arena, q->n * sizeof *q->kept);
        q->m = tl_arena_take(arena, q->n * each);
        q->v = tl_arena_take(arena, q->n * each);
        if (q->state != TL_STATE_8BIT) continue;
        q->m_scale = tl_arena_floats(arena, blocks);
        q->v_scale = tl_arena_floats(arena, blocks);
    }
}

static int measure(size_t *bytes, tl_params *p, const tl_memory *memory, int layers, tl_err *err)
{
    tl_arena *arena = NULL;
    TL_TRY(tl_arena_measure(&arena, err));
    lay_out(p, arena, memory, layers);
    *bytes = tl_arena_peak(arena);
    tl_arena_free(arena);
    return 0;
}

int tl_params_create(tl_params **out, tl_model *m, tl_adapter *adapter, float table_ratio, const tl_memory *memory,
                     tl_err *err)
{
    size_t bytes = 0;
    tl_params *p = calloc(1, sizeof *p);
    if (!p) return tl_fail(err, TL_ENOMEM, "parameters: no memory for their list");
    int rc = gather_all(p, m, adapter, table_ratio, false, err);
    if (rc == 0 && p->count == 0) rc = tl_fail(err, TL_EDATA, "trainable parameters: 0, nothing would be learnt");
    if (rc == 0) rc = measure(&bytes, p, memory, m->config.L, err);
    if (rc == 0) rc = tl_arena_create(&p->arena, bytes, "the optimizer's state", err);
    if (rc < 0) {
        tl_params_free(p);
        return rc;
    }
    lay_out(p, p->arena, memory, m->config.L);
    *out = p;
    return 0;
}

void tl_params_free(tl_params *p)
{
    if (!p) return;
    free(p->items);
    tl_arena_free(p->arena);
    free(p);
}

size_t tl_params_bytes(const tl_model *m, const tl_adapter *adapter, const tl_memory *memory)
{
    tl_params p = { 0 };
    size_t bytes = 0;
    int rc = gather_all(&p, m, adapter, 1, true, NULL);
    if (rc == 0) rc = measure(&bytes, &p, memory, m->config.L, NULL);
    free(p.items);
    return rc < 0 ? 0 : bytes;
}

static bool in(const tl_param *q, int group)
{
    return group == TL_GROUP_ALL || q->group == group;
}

void tl_params_keep(const tl_params *p, int group, const tl_backend *b, tl_stream *s, bool add)
{
    for (int i = 0; i < p->n; i++) {
        const tl_param *q = &p->items[i];
        if (in(q, group) && q->kept) b->narrow(s, q->kept, q->grad, q->n, add);
    }
}

double tl_params_norm(const tl_params *p, int group, const tl_backend *b, tl_stream *s)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++) {
        const tl_param *q = &p->items[i];
        if (!in(q, group)) continue;
        sum +=
            q->kept ? b->sum_squares(s, q->kept, TL_DTYPE_BF16, q->n) : b->sum_squares(s, q->grad, TL_DTYPE_F32, q->n);
    }
    return sqrt(sum);
}

void tl_params_update(const tl_params *p, int group, const tl_backend *b, tl_stream *s, const tl_adamw_step *step,
                      uint32_t key)
{
    for (int i = 0; i < p->n; i++) {
        const tl_param *q = &p->items[i];
        if (!in(q, group)) continue;
        tl_adamw_step own = *step;
        own.lr *= q->lr_ratio;
        if (!q->decayed) own.weight_decay = 0;
        tl_adamw a = { .p = q->value,
                       .p_dtype = q->dtype,
                       .g = q->kept ? (const void *)q->kept : q->grad,
                       .g_dtype = q->kept ? TL_DTYPE_BF16 : TL_DTYPE_F32,
                       .state = q->state,
                       .m = q->m,
                       .v = q->v,
                       .m_scale = q->m_scale,
                       .v_scale = q->v_scale,
                       .n = q->n,
                       .key = tl_mix32(key + (uint32_t)i) };
        b->adamw(s, &a, &own);
    }
}
