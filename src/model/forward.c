/* forward.c - the layers, one line an operation, and the buffers they fill.
 *
 * A layer, with norm, positions, gating and biases as the config says:
 *
 *     mid = x   + O( attention( rope(Q n), rope(K n), V n ) )      n  = norm1(x)
 *     x'  = mid + Down( act(Gate n', Up n') )                      n' = norm2(mid)
 *
 * Layout of the buffers: acts.h.  They are laid out twice by the same lines, first on a measuring arena: the plan. */
#include "model/forward.h"

#include "model/acts.h"
#include "model/names.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    LOSS_FLOATS = 10 << 20, /* logits held at once by the loss, 40 MiB: 64 rows of the largest vocabularies */
    LOSS_LEAST = 64,
    LOSS_MOST = 256,
};

/* ---- buffers ---- */

/* A layer's own, whatever is recomputed: where it starts, and what A makes of the hidden layer's output, for which the
 * whole layer would have to run again. */
static void kept_layout(tl_layer_acts *a, tl_arena *arena, const tl_model *m, const tl_acts_size *size)
{
    bool first, last;
    a->x = tl_arena_floats(arena, (size_t)size->max_rows * (size_t)m->config.D);
    if (size->max_rank > 0)
        a->low[tl_model_module(m, TL_DOWN, &first, &last)] =
            tl_arena_floats(arena, (size_t)size->max_rows * (size_t)size->max_rank);
}

static void rest_layout(tl_layer_acts *a, tl_arena *arena, const tl_model *m, const tl_acts_size *size)
{
    const tl_config *c = &m->config;
    bool first, last;
    size_t N = (size_t)size->max_rows, D = (size_t)c->D, F = (size_t)c->F;
    size_t Q = (size_t)c->H * (size_t)c->h, K = (size_t)c->G * (size_t)c->h;
    a->q = tl_arena_floats(arena, N * Q);
    a->k = tl_arena_floats(arena, N * K);
    a->v = tl_arena_floats(arena, N * K);
    a->att = tl_arena_floats(arena, N * Q);
    a->lse = tl_arena_floats(arena, N * (size_t)c->H);
    a->mid = tl_arena_floats(arena, N * D);
    a->gate = c->activation == TL_ACTIVATION_SWIGLU ? tl_arena_floats(arena, N * F) : NULL;
    a->up = tl_arena_floats(arena, N * F);
    for (int i = 0; size->max_rank > 0 && i < tl_family_modules(c->family); i++)
        if (i != tl_model_module(m, TL_DOWN, &first, &last))
            a->low[i] = tl_arena_floats(arena, N * (size_t)size->max_rank);
}

/* Rows of logits at a time in the loss.  A product wants 64 rows or more to fill its tiles, and a trained head's
 * gradient is read and written once a chunk; LOSS_FLOATS bounds what they cost. */
static int loss_rows(const tl_model *m, int max_rows)
{
    int rows = LOSS_FLOATS / m->config.V / LOSS_LEAST * LOSS_LEAST;
    if (rows < LOSS_LEAST) rows = LOSS_LEAST;
    if (rows > LOSS_MOST) rows = LOSS_MOST;
    return rows < max_rows ? rows : max_rows;
}

static void layout(tl_acts *a, tl_arena *arena, const tl_model *m, const tl_acts_size *size)
{
    const tl_config *c = &m->config;
    size_t N = (size_t)size->max_rows, D = (size_t)c->D, F = (size_t)c->F;
    size_t Q = (size_t)c->H * (size_t)c->h, K = (size_t)c->G * (size_t)c->h;
    a->layers = tl_arena_take(arena, (size_t)c->L * sizeof *a->layers);
    tl_layer_acts shared = { 0 };
    bool own = size->training && !size->recompute;
    if (!size->training) kept_layout(&shared, arena, m, size);
    if (!own) rest_layout(&shared, arena, m, size);
    for (int l = 0; l < c->L; l++) {
        tl_layer_acts layer = shared;
        if (size->training) kept_layout(&layer, arena, m, size);
        if (own) rest_layout(&layer, arena, m, size);
        if (a->layers) a->layers[l] = layer;
    }
    a->x = size->training ? tl_arena_floats(arena, N * D) : shared.x;
    a->norm = tl_arena_floats(arena, N * D);
    a->mean = tl_arena_floats(arena, N);
    a->rstd = tl_arena_floats(arena, N);
    if (size->max_segments > 0) {
        size_t pages = N / TL_PAGE + (size_t)size->max_segments;
        a->pages.k = tl_arena_floats(arena, pages * tl_page_k(c->G, c->h));
        a->pages.v = tl_arena_floats(arena, pages * tl_page_v(c->G, c->h));
        a->page_list = tl_arena_ints(arena, pages);
        a->segments = tl_arena_take(arena, (size_t)size->max_segments * sizeof *a->segments);
    }
    a->chunk = loss_rows(m, size->max_rows);
    size_t C = (size_t)a->chunk;
    a->gathered = tl_arena_floats(arena, C * D);
    a->losses = tl_arena_floats(arena, C);
    a->loss_weights = tl_arena_floats(arena, C);
    a->loss_targets = tl_arena_ints(arena, C);
    a->loss_rows = tl_arena_ints(arena, N);
    size_t mark = tl_arena_mark(arena); /* while there are logits, none of the buffers below holds anything */
    a->logits = tl_arena_floats(arena, C * (size_t)c->V);
    size_t logits_end = tl_arena_mark(arena);
    tl_arena_rewind(arena, mark);
    a->hidden = tl_arena_floats(arena, N * F);
    if (size->training) {
        a->dx = tl_arena_floats(arena, N * D);
        a->dq = tl_arena_floats(arena, N * Q);
        a->dk = tl_arena_floats(arena, N * K);
        a->dv = tl_arena_floats(arena, N * K);
    }
    if (tl_arena_mark(arena) < logits_end) tl_arena_take(arena, logits_end - tl_arena_mark(arena));
    if (!size->training) return;
    a->dnorm = tl_arena_floats(arena, N * (D > Q ? D : Q));
    for (int i = 0; size->max_rank > 0 && i < tl_family_modules(c->family); i++)
        a->dlow[i] = tl_arena_floats(arena, N * (size_t)size->max_rank);
    a->dgathered = tl_arena_floats(arena, C * D);
}

static int measured(size_t *bytes, const tl_model *m, const tl_acts_size *size, tl_err *err)
{
    tl_arena *arena = NULL;
    TL_TRY(tl_arena_measure(&arena, err));
    tl_acts a = { 0 };
    tl_arena_take(arena, sizeof a);
    layout(&a, arena, m, size);
    *bytes = tl_arena_peak(arena);
    tl_arena_free(arena);
    return 0;
}

size_t tl_acts_bytes(const tl_model *m, const tl_acts_size *size)
{
    size_t bytes = 0;
    return measured(&bytes, m, size, NULL) < 0 ? 0 : bytes;
}

int tl_acts_create(tl_acts **out, const tl_model *m, const tl_acts_size *size, tl_err *err)
{
    size_t bytes;
    tl_arena *arena = NULL;
    TL_TRY(measured(&bytes, m, size, err));
    TL_TRY(tl_arena_create(&arena, bytes, "activations", err));
    tl_acts *a = tl_arena_take(arena, sizeof *a);
    a->size = *size;
    a->arena = arena;
    layout(a, arena, m, size);
    *out = a;
    return 0;
}

void tl_acts_free(tl_acts *a)
{
    if (a) tl_arena_free(a->arena); /* a lies in its own arena */
}

/* ---- walking a batch ---- */

tl_run tl_batch_run(const tl_batch *b, int first)
{
    tl_run run = { .row = b->segments[first].row, .adapter = b->adapters ? b->adapters[first] : NULL };
    int i = first;
    for (; i < b->n_segments && (b->adapters ? b->adapters[i] : NULL) == run.adapter; i++)
        run.rows += b->segments[i].rows;
    run.next = i;
    return run;
}

int tl_model_module(const tl_model *m, int linear, bool *first, bool *last)
{
    const tl_module *module = m->config.family->modules;
    for (int i = 0; module[i].name; i++) {
        int j = linear - module[i].first;
        if (j < 0 || j >= module[i].count) continue;
        *first = j == 0;
        *last = j == module[i].count - 1;
        return i;
    }
    assert(!"every product belongs to a module");
    return -1;
}

tl_attention tl_batch_attention(const tl_model *m, const tl_batch *b, const tl_acts *acts, int layer)
{
    const tl_config *c = &m->config;
    size_t k = tl_page_k(c->G, c->h), v = tl_page_v(c->G, c->h);
    tl_attention a = {
        .H = c->H, .G = c->G, .h = c->h, .scale = 1.0f / sqrtf((float)c->h), .n_segments = b->n_segments
    };
    if (b->pages.k) {
        a.segments = b->segments;
        a.k = b->pages.k + (size_t)layer * k;
        a.v = b->pages.v + (size_t)layer * v;
        a.k_stride = k * (size_t)c->L;
        a.v_stride = v * (size_t)c->L;
    } else { /* our own: one layer's, written anew by each */
        a.segments = acts->segments;
        a.k = acts->pages.k;
        a.v = acts->pages.v;
        a.k_stride = k;
        a.v_stride = v;
    }
    return a;
}

/* Give each segment of a batch without pages its run of our own. */
static void lay_pages(const tl_batch *b, tl_acts *acts)
{
    assert(b->n_segments <= acts->size.max_segments);
    int next = 0;
    for (int i = 0; i < b->n_segments; i++) {
        acts->segments[i] = b->segments[i];
        acts->segments[i].pages = acts->page_list + next;
        assert(b->segments[i].start == 0);
        for (int p = 0; p * TL_PAGE < b->segments[i].rows; p++, next++) acts->page_list[next] = next;
    }
}

/* ---- the operations ---- */

/* What each run's adapter adds to y = x W^T of layer's product j. */
static void adapt(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer, int j, float *y,
                  const float *x)
{
    const tl_backend *be = m->backend;
    const tl_layer_acts *a = &acts->layers[layer];
    const tl_weight *w = &m->layers[layer].linear[j];
    bool first, last;
    int module = tl_model_module(m, j, &first, &last);
    for (int i = 0; i < b->n_segments;) {
        tl_run run = tl_batch_run(b, i);
        i = run.next;
        int row_of_b;
        const tl_lora *lora = run.adapter ? tl_adapter_of(run.adapter, layer, j, &row_of_b) : NULL;
        if (!lora || lora->r == 0) continue;
        size_t row = (size_t)run.row;
        float *low = a->low[module] + row * (size_t)acts->size.max_rank; /* runs may differ in r */
        if (first) { /* the products of a module share scale * x A^T */
            tl_product down = { .y = low, .w = tl_weight_matrix(&lora->a), .O = lora->r };
            be->linear(s, &down, 1, x + row * (size_t)w->cols, run.rows, w->cols);
            be->scale(s, low, lora->scale, (size_t)run.rows * (size_t)lora->r);
        }
        float *out = y + row * (size_t)w->rows;
        tl_matrix part = { (const float *)lora->b.data + (size_t)row_of_b * (size_t)lora->r, TL_DTYPE_F32 };
        be->linear(s, &(tl_product){ .y = out, .w = part, .O = w->rows, .add = out }, 1, low, run.rows, lora->r);
    }
}

/* y[i] = x W^T + b for the layer's n products from the first on, which share their input; add starts the sums (NULL:
 * nothing). */
static void linear(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer, int first, int n,
                   float *const *y, const float *x, const float *add)
{
    tl_product p[TL_LINEARS];
    const tl_weight *w = &m->layers[layer].linear[first], *bias = &m->layers[layer].bias[first];
    for (int i = 0; i < n; i++)
        p[i] = (tl_product){
            .y = y[i], .w = tl_weight_matrix(&w[i]), .O = w[i].rows, .bias = tl_weight_f32(&bias[i]), .add = add
        };
    m->backend->linear(s, p, n, x, b->N, w->cols);
    for (int i = 0; b->adapters && i < n; i++) adapt(m, s, b, acts, layer, first + i, y[i], x);
}

static void norm(const tl_model *m, tl_stream *s, float *y, float *mean, float *rstd, const float *x,
                 const tl_weight *g, const tl_weight *b, int N)
{
    const tl_config *c = &m->config;
    if (c->norm == TL_NORM_RMS)
        m->backend->rmsnorm(s, y, rstd, x, tl_weight_f32(g), N, c->D, c->norm_eps);
    else
        m->backend->layernorm(s, y, mean, rstd, x, tl_weight_f32(g), tl_weight_f32(b), N, c->D, c->norm_eps);
}

void tl_layer_norm(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer, int which,
                   const float *x)
{
    const tl_layer *y = &m->layers[layer];
    norm(m, s, acts->norm, acts->mean, acts->rstd, x, which == 1 ? &y->norm1 : &y->norm2,
         which == 1 ? &y->norm1_bias : &y->norm2_bias, b->N);
}

static void attention_block(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l)
{
    const tl_config *c = &m->config;
    const tl_backend *be = m->backend;
    tl_layer_acts *a = &acts->layers[l];
    tl_attention att = tl_batch_attention(m, b, acts, l);
    tl_layer_norm(m, s, b, acts, l, 1, a->x);
    linear(m, s, b, acts, l, TL_Q, 3, (float *const[]){ a->q, a->k, a->v }, acts->norm, NULL);
    if (c->position == TL_POSITION_ROPE) {
        be->rope(s, a->q, b->positions, m->rope_cos, m->rope_sin, b->N, c->H, c->h, c->h, false);
        be->rope(s, a->k, b->positions, m->rope_cos, m->rope_sin, b->N, c->G, c->h, c->h, false);
    }
    be->kv_write(s, &att, a->k, a->v);
    be->attention(s, &att, a->att, a->lse, a->q);
    linear(m, s, b, acts, l, TL_O, 1, &a->mid, a->att, a->x);
}

/* Into the hidden layer, before its activation. */
static void rise(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l)
{
    tl_layer_acts *a = &acts->layers[l];
    tl_layer_norm(m, s, b, acts, l, 2, a->mid);
    if (m->config.activation == TL_ACTIVATION_SWIGLU)
        linear(m, s, b, acts, l, TL_GATE, 2, (float *const[]){ a->gate, a->up }, acts->norm, NULL);
    else
        linear(m, s, b, acts, l, TL_UP, 1, &a->up, acts->norm, NULL);
}

static void hidden_block(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l, float *next)
{
    tl_layer_acts *a = &acts->layers[l];
    size_t n = (size_t)b->N * (size_t)m->config.F;
    rise(m, s, b, acts, l);
    if (m->config.activation == TL_ACTIVATION_SWIGLU)
        m->backend->swiglu(s, acts->hidden, a->gate, a->up, n);
    else
        m->backend->gelu(s, acts->hidden, a->up, n);
    linear(m, s, b, acts, l, TL_DOWN, 1, &next, acts->hidden, a->mid);
}

void tl_layer_again(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer)
{
    attention_block(m, s, b, acts, layer);
    rise(m, s, b, acts, layer);
}

void tl_forward(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts)
{
    const tl_config *c = &m->config;
    const tl_backend *be = m->backend;
    assert(b->N > 0 && b->N <= acts->size.max_rows);
    if (!b->pages.k) lay_pages(b, acts);
    be->embed(s, acts->layers[0].x, tl_weight_matrix(&m->tokens), b->ids, b->N, c->D, false);
    if (c->position == TL_POSITION_LEARNED)
        be->embed(s, acts->layers[0].x, tl_weight_matrix(&m->positions), b->positions, b->N, c->D, true);
    for (int l = 0; l < c->L; l++) {
        attention_block(m, s, b, acts, l);
        hidden_block(m, s, b, acts, l, l + 1 < c->L ? acts->layers[l + 1].x : acts->x);
    }
    norm(m, s, acts->norm, acts->mean, acts->rstd, acts->x, &m->norm, &m->norm_bias, b->N);
}

const float *tl_acts_hidden(const tl_acts *a)
{
    return a->norm;
}

void tl_logits(const tl_model *m, tl_stream *s, const tl_acts *acts, const int *rows, int n_rows, float *logits)
{
    size_t D = (size_t)m->config.D, V = (size_t)m->config.V;
    for (int at = 0; at < n_rows; at += acts->chunk) {
        int n = n_rows - at < acts->chunk ? n_rows - at : acts->chunk;
        for (int i = 0; i < n; i++)
            memcpy(acts->gathered + (size_t)i * D, acts->norm + (size_t)rows[at + i] * D, D * sizeof(float));
        tl_product head = { .y = logits + (size_t)at * V, .w = tl_weight_matrix(&m->head), .O = m->config.V };
        m->backend->linear(s, &head, 1, acts->gathered, n, m->config.D);
    }
}
