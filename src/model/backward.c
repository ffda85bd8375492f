/* backward.c - the layers again, from the last to the lowest that has something to train.
 *
 * The lines are forward.c's from bottom to top.  Which gradients are taken is data: a product's weight, its bias, its
 * adapter, a norm.  Below the lowest trained weight nothing is walked. */
#include "model/acts.h"
#include "model/names.h"

#include <assert.h>
#include <string.h>

/* Is anything of this layer trained?  attention: only its first block is asked. */
static bool trained(const tl_model *m, const tl_adapter *adapter, int layer, bool attention_only)
{
    const tl_layer *y = &m->layers[layer];
    for (const tl_weight_row *row = tl_layer_rows; row->name; row++)
        if ((row->attention || !attention_only) && tl_weight_row_of(row, (void *)y)->grad) return true;
    for (int j = 0; adapter && j <= (attention_only ? TL_O : TL_DOWN); j++) {
        int row;
        const tl_lora *lora = tl_adapter_of(adapter, layer, j, &row);
        if (lora && lora->a.grad) return true;
    }
    return false;
}

/* Where a product's adapter stands in the module it is part of. */
typedef struct adapted {
    const tl_lora *lora; /* NULL: none */
    int module;
    bool first, last;         /* of the module's products */
    size_t b_at;              /* the product's rows of B */
    const float *gain, *norm; /* of its outputs; NULL without magnitudes */
    float *dmagnitude;        /* likewise, and where they are not trained */
} adapted;

static adapted adapted_of(const tl_model *m, const tl_adapter *adapter, int layer, int j)
{
    adapted a = { 0 };
    int row = 0;
    const tl_lora *lora = adapter ? tl_adapter_of(adapter, layer, j, &row) : NULL;
    if (!lora || lora->r == 0) return a;
    a.lora = lora;
    a.module = tl_model_module(m, j, &a.first, &a.last);
    a.b_at = (size_t)row * (size_t)lora->r;
    a.gain = lora->gain ? lora->gain + row : NULL;
    a.norm = lora->norm ? lora->norm + row : NULL;
    a.dmagnitude = lora->magnitude.grad ? lora->magnitude.grad + row : NULL;
    return a;
}

/* The gradients to what gains multiply in product i of some that share their input, and room for that itself. */
static float *scaled_of(const tl_acts *acts, const tl_weight *w, int i, int N)
{
    float *at = acts->dscaled;
    for (int k = 0; k < i; k++) at += (size_t)N * (size_t)w[k].rows;
    return at;
}

/* From dy[i], the gradients to the layer's n products from the first on, dx (NULL: not wanted): the gradient to their
 * common input.  An adapter's part,
 *
 *     y += low B^T with low = scale x A^T:   dlow = scale dy B,   dx += dlow A
 *
 * leaves dlow behind for A's own gradient.  Where gains multiply both, dy times them stands for dy. */
static void linear_back_x(const tl_model *m, tl_stream *s, int N, const tl_adapter *adapter, const tl_acts *acts,
                          int layer, int first, int n, float *dx, const float *const *dy)
{
    const tl_backend *be = m->backend;
    const tl_weight *w = &m->layers[layer].linear[first];
    tl_product_back p[TL_LINEARS];
    for (int i = 0; i < n; i++) {
        p[i] = (tl_product_back){ .dy = dy[i], .w = tl_weight_matrix(&w[i]), .O = w[i].rows };
        adapted a = adapted_of(m, adapter, layer, first + i);
        if (!a.lora) continue;
        if (a.gain) {
            float *scaled = scaled_of(acts, w, i, N);
            be->gain(s, scaled, dy[i], a.gain, NULL, NULL, N, w[i].rows);
            p[i].dy = scaled;
        }
        float *dlow = acts->dlow[a.module];
        tl_product_back up = { .dy = p[i].dy, .O = w[i].rows };
        up.w = (tl_matrix){ (const float *)a.lora->b.data + a.b_at, TL_DTYPE_F32 };
        be->linear_dx(s, dlow, &up, 1, N, a.lora->r, !a.first);
        if (!a.last) continue; /* the module's products gather in dlow */
        be->scale(s, dlow, a.lora->scale, (size_t)N * (size_t)a.lora->r);
        p[i].low = (tl_low_product){ dlow, tl_weight_f32(&a.lora->a), a.lora->r };
    }
    if (dx) be->linear_dx(s, dx, p, n, N, w->cols, false);
}

static void dw(const tl_model *m, tl_stream *s, const tl_gradients *g, const tl_weight *w, size_t at, const float *dy,
               const float *x, int N, int O, int I)
{
    if (w->grad) m->backend->linear_dw(s, w->grad + at, dy, x, N, O, I, g->add && !w->shared);
}

/* To the magnitudes of a product: sum of dy (x W^T + low B^T) / norm.  What the gains multiply was not kept; it is made
 * again where the gradients to it were. */
static void magnitudes_back(const tl_model *m, tl_stream *s, int N, const adapted *a, const tl_weight *w,
                            const tl_gradients *g, const float *dy, const float *x, const float *low, float *room)
{
    const tl_backend *be = m->backend;
    tl_matrix b = { (const float *)a->lora->b.data + a->b_at, TL_DTYPE_F32 };
    if (!a->dmagnitude) return;
    be->linear(s, &(tl_product){ .y = room, .w = tl_weight_matrix(w), .O = w->rows }, 1, x, N, w->cols);
    be->linear(s, &(tl_product){ .y = room, .w = b, .O = w->rows, .add = room }, 1, low, N, a->lora->r);
    if (!g->add) memset(a->dmagnitude, 0, (size_t)w->rows * sizeof(float));
    be->gain_back(s, a->dmagnitude, dy, room, a->norm, N, w->rows);
}

/* After linear_back_x: the gradients of the products' weights, biases and adapters, from their input x:
 *
 *     dW = dy^T x,   dB = dy^T low,   dA = dlow^T x */
static void linear_back_w(const tl_model *m, tl_stream *s, int N, const tl_adapter *adapter, const tl_acts *acts,
                          int layer, int first, int n, const tl_gradients *g, const float *const *dy, const float *x)
{
    for (int i = 0; i < n; i++) {
        const tl_weight *w = &m->layers[layer].linear[first + i], *bias = &m->layers[layer].bias[first + i];
        adapted a = adapted_of(m, adapter, layer, first + i);
        float *scaled = a.gain ? scaled_of(acts, &m->layers[layer].linear[first], i, N) : NULL;
        const float *d = scaled ? scaled : dy[i];
        dw(m, s, g, w, 0, d, x, N, w->rows, w->cols);
        if (bias->grad) m->backend->bias_back(s, bias->grad, dy[i], N, w->rows);
        if (!a.lora) continue;
        const float *low = acts->layers[layer].low[a.module];
        dw(m, s, g, &a.lora->b, a.b_at, d, low, N, w->rows, a.lora->r);
        if (a.last) dw(m, s, g, &a.lora->a, 0, acts->dlow[a.module], x, N, a.lora->r, w->cols);
        if (scaled) magnitudes_back(m, s, N, &a, w, g, dy[i], x, low, scaled);
    }
}

/* dx += the norm's gradient; its gains' and biases' too where trained. */
static void norm_back(const tl_model *m, tl_stream *s, float *dx, const float *dy, const float *x, const float *mean,
                      const float *rstd, const tl_weight *g, const tl_weight *b, int N)
{
    const tl_config *c = &m->config;
    if (c->norm == TL_NORM_RMS)
        m->backend->rmsnorm_back(s, dx, g->grad, dy, x, rstd, tl_weight_f32(g), N, c->D);
    else
        m->backend->layernorm_back(s, dx, g->grad, b->grad, dy, x, mean, rstd, tl_weight_f32(g), N, c->D);
}

/* The gradient to what a block gave, from the stream's at dx:  y = x + multiplier * norm(out). */
static const float *join_back(const tl_model *m, tl_stream *s, const tl_acts *acts, int l, int j, int N)
{
    const tl_config *c = &m->config;
    const tl_layer *y = &m->layers[l];
    const tl_weight *g = j == TL_O ? &y->after1 : &y->after2, *b = j == TL_O ? &y->after1_bias : &y->after2_bias;
    const float *out = acts->layers[l].out[j == TL_DOWN], *dy = acts->dx;
    size_t n = (size_t)N * (size_t)c->D;
    if (!acts->dout) return dy;
    if (c->order == TL_ORDER_PARALLEL && j == TL_O) return acts->dout; /* as it was before the hidden layer's part */
    memcpy(acts->dout, acts->dx, n * sizeof(float));
    if (tl_scales(c->residual_scale)) m->backend->scale(s, acts->dout, c->residual_scale, n);
    if (!tl_config_after(c)) return acts->dout;
    /* Through the norm, whose statistics are made again: its gradient is added to, so what it comes from makes room. */
    tl_norm_rows(m, s, acts->norm, acts->mean, acts->rstd, out, g, b, N);
    memcpy(acts->norm, acts->dout, n * sizeof(float));
    memset(acts->dout, 0, n * sizeof(float));
    norm_back(m, s, acts->dout, acts->norm, out, acts->mean, acts->rstd, g, b, N);
    return acts->dout;
}

/* dx += what comes through a block's input, whose gradient is dnorm: through its norm, where it has one. */
static void input_back(const tl_model *m, tl_stream *s, const tl_acts *acts, const float *x, const tl_weight *g,
                       const tl_weight *b, int N)
{
    if (tl_config_before(&m->config))
        norm_back(m, s, acts->dx, acts->dnorm, x, acts->mean, acts->rstd, g, b, N);
    else
        m->backend->add(s, acts->dx, acts->dnorm, 1, (size_t)N * (size_t)m->config.D);
}

/* In place: gradients where gate and up were, and the hidden layer where its gradient was. */
static void activation_back(const tl_model *m, tl_stream *s, float *hidden, const tl_layer_acts *a, size_t n)
{
    const tl_backend *be = m->backend;
    switch (m->config.activation) {
    case TL_ACTIVATION_SWIGLU:
        be->swiglu_back(s, hidden, a->gate, a->up, hidden, a->gate, a->up, n);
        break;
    case TL_ACTIVATION_GEGLU:
        be->geglu_back(s, hidden, a->gate, a->up, hidden, a->gate, a->up, n);
        break;
    case TL_ACTIVATION_GELU:
        be->gelu_back(s, hidden, a->up, hidden, a->up, n);
        break;
    case TL_ACTIVATION_GELU_EXACT:
        be->gelu_exact_back(s, hidden, a->up, hidden, a->up, n);
        break;
    }
}

static void hidden_block_back(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_adapter *adapter,
                              const tl_acts *acts, int l, const tl_gradients *g)
{
    const tl_layer_acts *a = &acts->layers[l];
    const tl_layer *y = &m->layers[l];
    int N = b->N;
    bool gated = tl_config_gated(&m->config);
    const float *const dout[] = { join_back(m, s, acts, l, TL_DOWN, N) };
    const float *const dgate[] = { a->gate, a->up }, *const dup[] = { a->up };
    if (m->config.E) {
        const float *x = tl_layer_input(m, s, b, acts, l, 2, a->mid);
        tl_experts_back(m, s, &acts->experts, l, acts->dnorm, dout[0], x, N);
        input_back(m, s, acts, a->mid, &y->norm2, &y->norm2_bias, N);
        return;
    }
    linear_back_x(m, s, N, adapter, acts, l, TL_DOWN, 1, acts->hidden, dout);
    activation_back(m, s, acts->hidden, a, (size_t)N * (size_t)m->config.F);
    linear_back_w(m, s, N, adapter, acts, l, TL_DOWN, 1, g, dout, acts->hidden);
    const float *in = tl_hidden_stream(m, a), *x = tl_layer_input(m, s, b, acts, l, 2, in);
    linear_back_x(m, s, N, adapter, acts, l, gated ? TL_GATE : TL_UP, gated ? 2 : 1, acts->dnorm, gated ? dgate : dup);
    linear_back_w(m, s, N, adapter, acts, l, gated ? TL_GATE : TL_UP, gated ? 2 : 1, g, gated ? dgate : dup, x);
    input_back(m, s, acts, in, &y->norm2, &y->norm2_bias, N);
}

/* Through the norms of queries and keys: the gradients to what they were given, in acts->q and k. */
static void norm_heads_back(const tl_model *m, tl_stream *s, float *dx, const float *dy, const float *x,
                            const float *rstd, const tl_weight *g, int N, int heads)
{
    const tl_config *c = &m->config;
    bool all = c->qk_norm == TL_QK_NORM_ALL;
    memset(dx, 0, (size_t)N * (size_t)heads * (size_t)c->h * sizeof *dx);
    m->backend->rmsnorm_back(s, dx, g->grad, dy, x, rstd, tl_weight_f32(g), all ? N : N * heads,
                             all ? heads * c->h : c->h);
}

/* below: something under this block's products is trained, so their input's gradient is wanted. */
static void attention_block_back(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_adapter *adapter,
                                 const tl_acts *acts, int l, const tl_gradients *g, bool below)
{
    const tl_config *c = &m->config;
    const tl_layer_acts *a = &acts->layers[l];
    const tl_layer *y = &m->layers[l];
    int N = b->N;
    bool normed = c->qk_norm != TL_QK_NORM_NONE;
    float *q = a->q, *k = a->k;
    const float *const dout[] = { join_back(m, s, acts, l, TL_O, N) };
    const float *const dqkv[] = { normed ? acts->q : acts->dq, normed ? acts->k : acts->dk, acts->dv };
    tl_attention att = tl_batch_attention(m, s, b, acts, l);
    linear_back_x(m, s, N, adapter, acts, l, TL_O, 1, acts->dnorm, dout);
    linear_back_w(m, s, N, adapter, acts, l, TL_O, 1, g, dout, a->att);
    if (normed) tl_layer_queries(m, s, b, acts, l, &q, &k);
    m->backend->attention_back(s, &att, acts->dq, acts->dk, acts->dv, acts->dnorm, a->att, a->lse, q, k, a->v);
    tl_layer_turn(m, s, b, l, acts->dq, c->H, true);
    tl_layer_turn(m, s, b, l, acts->dk, c->G, true);
    if (normed) {
        norm_heads_back(m, s, acts->q, acts->dq, a->q, acts->q_rstd, &y->q_norm, N, c->H);
        norm_heads_back(m, s, acts->k, acts->dk, a->k, acts->k_rstd, &y->k_norm, N, c->G);
    }
    const float *x = tl_layer_input(m, s, b, acts, l, 1, a->x);
    linear_back_x(m, s, N, adapter, acts, l, TL_Q, 3, below ? acts->dnorm : NULL, dqkv);
    linear_back_w(m, s, N, adapter, acts, l, TL_Q, 3, g, dqkv, x);
    if (below) input_back(m, s, acts, a->x, &y->norm1, &y->norm1_bias, N);
}

/* Gradients that the rows below add to start from zero, unless they go on from an earlier batch's. */
static void zero(const tl_weight *w, const tl_gradients *g)
{
    if (w->grad && !(g->add && !w->shared)) memset(w->grad, 0, (size_t)w->rows * (size_t)w->cols * sizeof(float));
}

static void zero_vectors(const tl_layer *y, const tl_gradients *g)
{
    for (const tl_weight_row *row = tl_layer_rows; row->name; row++)
        if (row->rows == '1') zero(tl_weight_row_of(row, (void *)y), g);
}

static void tell(const tl_gradients *g, int group)
{
    if (g->done) g->done(g->context, group);
}

/* What lies outside the layers: the last norm at the top, the tables at the bottom. */
static void tables_back(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_acts *acts, const tl_gradients *g)
{
    int D = m->config.D;
    if (!m->config.tied) zero(&m->tokens, g); /* a tied table begins with what the head gave it */
    zero(&m->positions, g);
    if (m->positions.grad) m->backend->embed_back(s, m->positions.grad, acts->dx, b->positions, b->N, D);
    if (tl_scales(m->config.embed_scale))
        m->backend->scale(s, acts->dx, m->config.embed_scale, (size_t)b->N * (size_t)D);
    if (m->tokens.grad) m->backend->embed_back(s, m->tokens.grad, acts->dx, b->ids, b->N, D);
    tell(g, m->config.L + TL_TABLES);
}

void tl_backward(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts, const tl_gradients *g)
{
    m = tl_batch_model(m, b);
    const tl_config *c = &m->config;
    const tl_adapter *adapter = b->adapters ? b->adapters[0] : NULL;
    size_t n = (size_t)b->N * (size_t)c->D;
    assert(acts->size.training);
    for (int i = 1; b->adapters && i < b->n_segments; i++) assert(b->adapters[i] == adapter);

    bool tables = m->tokens.grad || m->positions.grad;
    int lowest = c->L;
    for (int l = c->L - 1; l >= 0; l--)
        if (tables || trained(m, adapter, l, false)) lowest = l;

    zero(&m->norm, g);
    zero(&m->norm_bias, g);
    memset(acts->dx, 0, n * sizeof(float));
    norm_back(m, s, acts->dx, acts->dnorm, acts->x, acts->mean, acts->rstd, &m->norm, &m->norm_bias, b->N);
    for (int l = c->L - 1; l >= lowest; l--) {
        bool below = l > lowest || tables, attention = below || trained(m, adapter, l, true);
        /* The last layer's are still there from the forward. */
        if (acts->size.recompute && l < c->L - 1) tl_layer_again(m, s, b, acts, l);
        zero_vectors(&m->layers[l], g);
        hidden_block_back(m, s, b, adapter, acts, l, g);
        below = below || m->layers[l].norm1.grad || m->layers[l].norm1_bias.grad;
        if (attention) attention_block_back(m, s, b, adapter, acts, l, g, below);
        tell(g, l);
    }
    tables_back(m, s, b, acts, g);
}
