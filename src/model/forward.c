/* forward.c - the layers, one line an operation, and the buffers they fill.
 *
 * A layer, with norm, positions, gating and biases as the config says:
 *
 *     mid = x   + O( attention( rope(Q n), rope(K n), V n ) )      n  = norm1(x)
 *     x'  = mid + Down( act(Gate n', Up n') )                      n' = norm2(mid)
 *
 * and where the config says so: norms of queries and keys before they turn, norms of what the blocks give before it is
 * added, no norm before them, norm2 of x in place of mid (tl_order), and multipliers.
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

/* A layer's own, whatever is recomputed: where it starts, and for what the whole layer would have to run again: its
 * hidden layer's output before a norm, and what A makes of that layer. */
static void kept_layout(tl_layer_acts *a, tl_arena *arena, const tl_model *m, const tl_acts_size *size)
{
    bool first, last;
    int down = tl_model_module(m, TL_DOWN, &first, &last);
    a->x = tl_arena_floats(arena, (size_t)size->max_rows * (size_t)m->config.D);
    if (tl_config_after(&m->config)) a->out[1] = tl_arena_floats(arena, (size_t)size->max_rows * (size_t)m->config.D);
    if (size->max_rank > 0 && down >= 0)
        a->low[down] = tl_arena_floats(arena, (size_t)size->max_rows * (size_t)size->max_rank);
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
    if (tl_config_after(c)) a->out[0] = tl_arena_floats(arena, N * D);
    a->gate = tl_config_gated(c) && !c->E ? tl_arena_floats(arena, N * F) : NULL;
    if (!c->E) a->up = tl_arena_floats(arena, N * F);
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
    if (c->qk_norm != TL_QK_NORM_NONE) {
        a->q = tl_arena_floats(arena, N * Q);
        a->k = tl_arena_floats(arena, N * K);
        a->q_rstd = tl_arena_floats(arena, N * (size_t)c->H);
        a->k_rstd = tl_arena_floats(arena, N * (size_t)c->G);
    }
    if (c->E) tl_experts_lay(&a->experts, arena, c, size->max_rows, size->training);
    if (size->max_segments > 0) {
        size_t pages = N / TL_PAGE + (size_t)size->max_segments;
        /* in f32: whether half of it would do, the stream says only when they are written */
        a->pages.k = tl_arena_take(arena, pages * tl_page_k(TL_DTYPE_F32, c->G, c->h) * sizeof *a->pages.k);
        a->pages.v = tl_arena_take(arena, pages * tl_page_v(TL_DTYPE_F32, c->G, c->h) * sizeof *a->pages.v);
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
    if (!c->E) a->hidden = tl_arena_floats(arena, N * F);
    if (size->training) {
        a->dx = tl_arena_floats(arena, N * D);
        a->dq = tl_arena_floats(arena, N * Q);
        a->dk = tl_arena_floats(arena, N * K);
        a->dv = tl_arena_floats(arena, N * K);
    }
    if (tl_arena_mark(arena) < logits_end) tl_arena_take(arena, logits_end - tl_arena_mark(arena));
    if (!size->training) return;
    a->dnorm = tl_arena_floats(arena, N * (D > Q ? D : Q));
    if (tl_config_after(c) || tl_scales(c->residual_scale) || c->order == TL_ORDER_PARALLEL)
        a->dout = tl_arena_floats(arena, N * D);
    for (int i = 0; size->max_rank > 0 && i < tl_family_modules(c->family); i++)
        a->dlow[i] = tl_arena_floats(arena, N * (size_t)size->max_rank);
    if (size->magnitudes) {
        size_t hidden = c->E ? 0 : (tl_config_gated(c) ? 2 : 1) * F, most = Q + 2 * K;
        most = hidden > most ? hidden : most;
        a->dscaled = tl_arena_floats(arena, N * (D > most ? D : most));
    }
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

const tl_model *tl_batch_model(const tl_model *m, const tl_batch *b)
{
    const tl_model *seen = b->adapters ? tl_adapter_model(m, b->adapters[0]) : m;
    for (int i = 1; b->adapters && i < b->n_segments; i++) assert(tl_adapter_model(m, b->adapters[i]) == seen);
    return seen;
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
    *first = *last = false;
    return -1;
}

tl_attention tl_batch_attention(const tl_model *m, const tl_stream *s, const tl_batch *b, const tl_acts *acts,
                                int layer)
{
    const tl_config *c = &m->config;
    tl_dtype type = b->pages.k ? b->pages.type : tl_precision_dtype(s->precision);
    size_t k = tl_page_k(type, c->G, c->h), v = tl_page_v(type, c->G, c->h);
    tl_attention a = { .H = c->H,
                       .G = c->G,
                       .h = c->h,
                       .scale = tl_config_score_scale(c),
                       .softcap = c->score_cap,
                       .window = c->layers[layer] & TL_LAYER_WINDOW ? c->window : 0,
                       .n_segments = b->n_segments,
                       .type = type };
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

/* The gains of the product's outputs, and the norms they come from; NULL without magnitudes. */
static const float *gains(const tl_adapter *a, int layer, int j)
{
    int row;
    const tl_lora *lora = a ? tl_adapter_of(a, layer, j, &row) : NULL;
    return lora && lora->gain ? lora->gain + row : NULL;
}

/* Does the adapter scale what some of the layer's n products from the first on give? */
static bool has_gains(const tl_adapter *a, int layer, int first, int n)
{
    for (int i = 0; a && a->dora && i < n; i++)
        if (gains(a, layer, first + i)) return true;
    return false;
}

/* What a run's adapter adds to y = x W^T of layer's product j; x: the run's first row.  x NULL in it: nothing. */
static tl_low_product low_of(const tl_model *m, tl_stream *s, const tl_run *run, const tl_acts *acts, int layer, int j,
                             const float *x)
{
    const tl_backend *be = m->backend;
    bool first, last;
    int module = tl_model_module(m, j, &first, &last), row_of_b;
    const tl_lora *lora = run->adapter ? tl_adapter_of(run->adapter, layer, j, &row_of_b) : NULL;
    if (!lora || lora->r == 0) return (tl_low_product){ .x = NULL };
    /* runs may differ in r */
    float *low = acts->layers[layer].low[module] + (size_t)run->row * (size_t)acts->size.max_rank;
    if (first) { /* the products of a module share scale * x A^T */
        tl_product down = { .y = low, .w = tl_weight_matrix(&lora->a), .O = lora->r };
        be->linear(s, &down, 1, x, run->rows, m->layers[layer].linear[j].cols);
        be->scale(s, low, lora->scale, (size_t)run->rows * (size_t)lora->r);
    }
    return (tl_low_product){ low, (const float *)lora->b.data + (size_t)row_of_b * (size_t)lora->r, lora->r };
}

/* What the adapter of each of several runs, of segments from .. to - 1, adds to y. */
static void adapt(const tl_model *m, tl_stream *s, const tl_batch *b, int from, int to, const tl_acts *acts, int layer,
                  int j, float *y, const float *x)
{
    const tl_weight *w = &m->layers[layer].linear[j];
    for (int i = from; i < to;) {
        tl_run run = tl_batch_run(b, i);
        i = run.next;
        tl_low_product low = low_of(m, s, &run, acts, layer, j, x + (size_t)run.row * (size_t)w->cols);
        float *out = y + (size_t)run.row * (size_t)w->rows;
        tl_product part = { .y = out, .w = { low.w, TL_DTYPE_F32 }, .O = w->rows, .add = out };
        if (low.x) m->backend->linear(s, &part, 1, low.x, run.rows, low.r);
    }
}

/* The rows from segment `from` on whose products are taken in one go: up to the next run whose adapter scales what
 * comes out, or such a run alone. */
static tl_run span_of(const tl_batch *b, int from, int layer, int first, int n)
{
    tl_run span = tl_batch_run(b, from);
    if (has_gains(span.adapter, layer, first, n)) return span;
    span.adapter = NULL;
    while (span.next < b->n_segments) {
        tl_run run = tl_batch_run(b, span.next);
        if (has_gains(run.adapter, layer, first, n)) break;
        span.rows += run.rows;
        span.next = run.next;
    }
    return span;
}

/* y[i] = x W^T + b for the layer's n products from the first on, which share their input; add starts the sums (NULL:
 * nothing).  Where all rows of a span have the same adapter it goes along with the products; the sums are the same
 * either way.  Where gains multiply the sum, bias and add wait until they have. */
static void linear(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer, int first, int n,
                   float *const *y, const float *x, const float *add)
{
    const tl_backend *be = m->backend;
    const tl_weight *w = &m->layers[layer].linear[first], *bias = &m->layers[layer].bias[first];
    for (int at = 0; at < b->n_segments;) {
        tl_product p[TL_LINEARS];
        const tl_run span = span_of(b, at, layer, first, n), run = tl_batch_run(b, at);
        const bool one = run.next == span.next;
        const float *rows = x + (size_t)span.row * (size_t)w->cols;
        for (int i = 0; i < n; i++) {
            bool waits = one && gains(run.adapter, layer, first + i);
            size_t from = (size_t)span.row * (size_t)w[i].rows;
            p[i] = (tl_product){ .y = y[i] + from,
                                 .w = tl_weight_matrix(&w[i]),
                                 .O = w[i].rows,
                                 .bias = waits ? NULL : tl_weight_f32(&bias[i]),
                                 .add = add && !waits ? add + from : NULL };
            if (one) p[i].low = low_of(m, s, &run, acts, layer, first + i, rows);
        }
        be->linear(s, p, n, rows, span.rows, w->cols);
        for (int i = 0; !one && i < n; i++) adapt(m, s, b, at, span.next, acts, layer, first + i, y[i], x);
        for (int i = 0; one && i < n; i++) {
            const float *g = gains(run.adapter, layer, first + i);
            const float *start = add ? add + (size_t)span.row * (size_t)w[i].rows : NULL;
            if (g) be->gain(s, p[i].y, p[i].y, g, tl_weight_f32(&bias[i]), start, span.rows, w[i].rows);
        }
        at = span.next;
    }
}

void tl_norm_rows(const tl_model *m, tl_stream *s, float *y, float *mean, float *rstd, const float *x,
                  const tl_weight *g, const tl_weight *b, int N)
{
    const tl_config *c = &m->config;
    if (c->norm == TL_NORM_RMS)
        m->backend->rmsnorm(s, y, rstd, x, tl_weight_f32(g), N, c->D, c->norm_eps);
    else
        m->backend->layernorm(s, y, mean, rstd, x, tl_weight_f32(g), tl_weight_f32(b), N, c->D, c->norm_eps);
}

const float *tl_layer_input(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer,
                            int which, const float *x)
{
    const tl_layer *y = &m->layers[layer];
    if (!tl_config_before(&m->config)) return x;
    tl_norm_rows(m, s, acts->norm, acts->mean, acts->rstd, x, which == 1 ? &y->norm1 : &y->norm2,
                 which == 1 ? &y->norm1_bias : &y->norm2_bias, b->N);
    return acts->norm;
}

void tl_layer_turn(const tl_model *m, tl_stream *s, const tl_batch *b, int layer, float *x, int heads, bool inverse)
{
    const tl_config *c = &m->config;
    const tl_rope_table *t = c->layers[layer] & TL_LAYER_WINDOW ? &m->local : &m->rope;
    if (c->position != TL_POSITION_ROPE || c->layers[layer] & TL_LAYER_NO_ROPE) return;
    m->backend->rope(s, x, b->positions, t->cos, t->sin, b->N, heads, c->h, tl_rope_width(c), inverse);
}

/* Heads x [N, heads, h] normed each by itself, or a row's as one. */
static void norm_heads(const tl_model *m, tl_stream *s, float *y, float *rstd, const float *x, const tl_weight *g,
                       int N, int heads)
{
    const tl_config *c = &m->config;
    bool all = c->qk_norm == TL_QK_NORM_ALL;
    m->backend->rmsnorm(s, y, rstd, x, tl_weight_f32(g), all ? N : N * heads, all ? heads * c->h : c->h, c->norm_eps);
}

void tl_layer_queries(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer, float **q,
                      float **k)
{
    const tl_config *c = &m->config;
    *q = acts->layers[layer].q;
    *k = acts->layers[layer].k;
    if (c->qk_norm != TL_QK_NORM_NONE) {
        norm_heads(m, s, acts->q, acts->q_rstd, *q, &m->layers[layer].q_norm, b->N, c->H);
        norm_heads(m, s, acts->k, acts->k_rstd, *k, &m->layers[layer].k_norm, b->N, c->G);
        *q = acts->q;
        *k = acts->k;
    }
    tl_layer_turn(m, s, b, layer, *q, c->H, false);
    tl_layer_turn(m, s, b, layer, *k, c->G, false);
}

/* y = x + what product j, the last of a block, makes of in: normed and multiplied as the config says. */
static void join(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l, int j, float *y,
                 const float *in, const float *x)
{
    const tl_config *c = &m->config;
    const tl_layer *w = &m->layers[l];
    size_t n = (size_t)b->N * (size_t)c->D;
    bool after = tl_config_after(c);
    if (!after && !tl_scales(c->residual_scale)) {
        linear(m, s, b, acts, l, j, 1, &y, in, x);
        return;
    }
    float *out = after ? acts->layers[l].out[j == TL_DOWN] : acts->norm;
    linear(m, s, b, acts, l, j, 1, &out, in, NULL);
    if (after)
        tl_norm_rows(m, s, acts->norm, acts->mean, acts->rstd, out, j == TL_O ? &w->after1 : &w->after2,
                     j == TL_O ? &w->after1_bias : &w->after2_bias, b->N);
    memcpy(y, x, n * sizeof *y);
    m->backend->add(s, y, acts->norm, tl_scales(c->residual_scale) ? c->residual_scale : 1, n);
}

static void attention_block(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l)
{
    const tl_backend *be = m->backend;
    tl_layer_acts *a = &acts->layers[l];
    float *q, *k;
    tl_attention att = tl_batch_attention(m, s, b, acts, l);
    const float *x = tl_layer_input(m, s, b, acts, l, 1, a->x);
    linear(m, s, b, acts, l, TL_Q, 3, (float *const[]){ a->q, a->k, a->v }, x, NULL);
    tl_layer_queries(m, s, b, acts, l, &q, &k);
    be->kv_write(s, &att, k, a->v);
    be->attention(s, &att, a->att, a->lse, q);
    join(m, s, b, acts, l, TL_O, a->mid, a->att, a->x);
}

/* Into the hidden layer, before its activation. */
static void rise(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l)
{
    tl_layer_acts *a = &acts->layers[l];
    const float *x = tl_layer_input(m, s, b, acts, l, 2, tl_hidden_stream(m, a));
    if (tl_config_gated(&m->config))
        linear(m, s, b, acts, l, TL_GATE, 2, (float *const[]){ a->gate, a->up }, x, NULL);
    else
        linear(m, s, b, acts, l, TL_UP, 1, &a->up, x, NULL);
}

static void activate(const tl_model *m, tl_stream *s, float *y, const tl_layer_acts *a, size_t n)
{
    const tl_backend *be = m->backend;
    switch (m->config.activation) {
    case TL_ACTIVATION_SWIGLU:
        be->swiglu(s, y, a->gate, a->up, n);
        break;
    case TL_ACTIVATION_GEGLU:
        be->geglu(s, y, a->gate, a->up, n);
        break;
    case TL_ACTIVATION_GELU:
        be->gelu(s, y, a->up, n);
        break;
    case TL_ACTIVATION_GELU_EXACT:
        be->gelu_exact(s, y, a->up, n);
        break;
    }
}

/* next = mid + what the experts make of its norm. */
static void expert_block(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l, float *next)
{
    const tl_config *c = &m->config;
    const tl_layer_acts *a = &acts->layers[l];
    size_t n = (size_t)b->N * (size_t)c->D;
    assert(c->order == TL_ORDER_BEFORE && !tl_scales(c->residual_scale));
    tl_experts(m, s, &acts->experts, l, tl_layer_input(m, s, b, acts, l, 2, a->mid), b->N);
    memcpy(next, a->mid, n * sizeof *next);
    m->backend->add(s, next, acts->experts.out, 1, n);
}

static void hidden_block(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int l, float *next)
{
    tl_layer_acts *a = &acts->layers[l];
    if (m->config.E) {
        expert_block(m, s, b, acts, l, next);
        return;
    }
    rise(m, s, b, acts, l);
    activate(m, s, acts->hidden, a, (size_t)b->N * (size_t)m->config.F);
    join(m, s, b, acts, l, TL_DOWN, next, acts->hidden, a->mid);
}

void tl_layer_again(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, int layer)
{
    attention_block(m, s, b, acts, layer);
    if (!m->config.E) rise(m, s, b, acts, layer);
}

/* The tables of angles reach as far as the batch. */
static void reach(const tl_model *m, const tl_batch *b)
{
    int positions = 0;
    if (m->config.position != TL_POSITION_ROPE) return;
    for (int i = 0; i < b->n_segments; i++) {
        int end = b->segments[i].start + b->segments[i].rows;
        if (end > positions) positions = end;
    }
    tl_rope_reach(&m->rope, positions);
    tl_rope_reach(&m->local, positions);
}

void tl_forward(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts)
{
    m = acts->model = tl_batch_model(m, b);
    const tl_config *c = &m->config;
    const tl_backend *be = m->backend;
    assert(b->N > 0 && b->N <= acts->size.max_rows);
    if (!b->pages.k) lay_pages(b, acts);
    reach(m, b);
    be->embed(s, acts->layers[0].x, tl_weight_matrix(&m->tokens), b->ids, b->N, c->D, false);
    if (tl_scales(c->embed_scale)) be->scale(s, acts->layers[0].x, c->embed_scale, (size_t)b->N * (size_t)c->D);
    if (c->position == TL_POSITION_LEARNED)
        be->embed(s, acts->layers[0].x, tl_weight_matrix(&m->positions), b->positions, b->N, c->D, true);
    for (int l = 0; l < c->L; l++) {
        attention_block(m, s, b, acts, l);
        hidden_block(m, s, b, acts, l, l + 1 < c->L ? acts->layers[l + 1].x : acts->x);
    }
    tl_norm_rows(m, s, acts->norm, acts->mean, acts->rstd, acts->x, &m->norm, &m->norm_bias, b->N);
}

const float *tl_acts_hidden(const tl_acts *a)
{
    return a->norm;
}

void tl_logits(const tl_model *m, tl_stream *s, const tl_acts *acts, const int *rows, int n_rows, float *logits)
{
    if (acts->model) m = acts->model;
    const tl_config *c = &m->config;
    size_t D = (size_t)c->D, V = (size_t)c->V;
    for (int at = 0; at < n_rows; at += acts->chunk) {
        int n = n_rows - at < acts->chunk ? n_rows - at : acts->chunk;
        for (int i = 0; i < n; i++)
            memcpy(acts->gathered + (size_t)i * D, acts->norm + (size_t)rows[at + i] * D, D * sizeof(float));
        tl_head_logits(m, s, acts, n, logits + (size_t)at * V);
    }
}
