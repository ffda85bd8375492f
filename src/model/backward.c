/* backward.c - the layers again, from the last to the lowest that has something to train.
 *
 * The lines are forward.c's from bottom to top.  Which gradients are taken is data: a product's weight, its bias, its
 * adapter, a norm.  Below the lowest trained weight nothing is walked. */
#include "model/acts.h"

#include <assert.h>
#include <string.h>

/* Is anything of this layer trained?  attention: only norm1, q, k, v, o are asked. */
static bool trained(const tl_model *m, const tl_adapter *adapter, int layer, bool attention_only)
{
    const tl_layer *y = &m->layers[layer];
    int last = attention_only ? TL_O : TL_DOWN;
    if (y->norm1.grad || y->norm1_bias.grad) return true;
    if (!attention_only && (y->norm2.grad || y->norm2_bias.grad)) return true;
    for (int j = 0; j <= last; j++) {
        int row;
        const tl_lora *lora = adapter ? tl_adapter_of(adapter, layer, j, &row) : NULL;
        if (y->linear[j].grad || y->bias[j].grad || (lora && lora->a.grad)) return true;
    }
    return false;
}

/* From dy, the gradient to a product's output: its adapter's gradients, and what dx (NULL: not wanted) gains by it. */
static void adapt_back(const tl_model *m, tl_stream *s, int N, const tl_adapter *adapter, tl_acts *acts, int layer,
                       int j, float *dx, const float *dy, const float *x)
{
    const tl_backend *be = m->backend;
    const tl_weight *w = &m->layers[layer].linear[j];
    int O = w->rows, I = w->cols, row_of_b = 0;
    const tl_lora *lora = tl_adapter_of(adapter, layer, j, &row_of_b);
    if (!lora || lora->r == 0) return;
    /* y += low B^T with low = scale x A^T:  dB += dy^T low,  dlow = dy B,  dA += scale dlow^T x,  dx += scale dlow A.
     */
    bool first, last;
    int module = tl_model_module(m, j, &first, &last);
    size_t b_at = (size_t)row_of_b * (size_t)lora->r;
    tl_matrix b = { (const float *)lora->b.data + b_at, TL_DTYPE_F32 };
    if (lora->b.grad) be->linear_dw(s, lora->b.grad + b_at, dy, acts->layers[layer].low[module], N, O, lora->r, true);
    be->linear_dx(s, acts->dlow, &(tl_product_back){ dy, b, O }, 1, N, lora->r, !first);
    if (!last) return; /* the module's products gather in dlow */
    be->scale(s, acts->dlow, lora->scale, (size_t)N * (size_t)lora->r);
    if (lora->a.grad) be->linear_dw(s, lora->a.grad, acts->dlow, x, N, lora->r, I, true);
    if (!dx) return;
    tl_product_back a = { acts->dlow, tl_weight_matrix(&lora->a), lora->r };
    be->linear_dx(s, dx, &a, 1, N, I, true);
}

/* From dy[i], the gradients to the layer's n products of x from the first on: their weights', biases' and adapters'
 * gradients, and dx (NULL: not wanted). */
static void linear_back(const tl_model *m, tl_stream *s, int N, const tl_adapter *adapter, tl_acts *acts, int layer,
                        int first, int n, float *dx, const float *const *dy, const float *x)
{
    const tl_backend *be = m->backend;
    const tl_weight *w = &m->layers[layer].linear[first], *bias = &m->layers[layer].bias[first];
    tl_product_back p[TL_LINEARS];
    for (int i = 0; i < n; i++) p[i] = (tl_product_back){ dy[i], tl_weight_matrix(&w[i]), w[i].rows };
    if (dx) be->linear_dx(s, dx, p, n, N, w->cols, false);
    for (int i = 0; i < n; i++) {
        if (w[i].grad) be->linear_dw(s, w[i].grad, dy[i], x, N, w[i].rows, w[i].cols, true);
        if (bias[i].grad) be->bias_back(s, bias[i].grad, dy[i], N, w[i].rows);
        if (adapter) adapt_back(m, s, N, adapter, acts, layer, first + i, dx, dy[i], x);
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

static void hidden_block_back(const tl_model *m, tl_stream *s, int N, const tl_adapter *adapter, tl_acts *acts, int l)
{
    const tl_config *c = &m->config;
    const tl_layer_acts *a = &acts->layers[l];
    size_t n = (size_t)N * (size_t)c->F;
    linear_back(m, s, N, adapter, acts, l, TL_DOWN, 1, acts->dhidden, (const float *const[]){ acts->dx }, a->hidden);
    if (c->activation == TL_ACTIVATION_SWIGLU) {
        m->backend->swiglu_back(s, acts->dgate, acts->dup, acts->dhidden, a->gate, a->up, n);
        linear_back(m, s, N, adapter, acts, l, TL_GATE, 2, acts->dnorm,
                    (const float *const[]){ acts->dgate, acts->dup }, a->norm2);
    } else {
        m->backend->gelu_back(s, acts->dup, acts->dhidden, a->up, n);
        linear_back(m, s, N, adapter, acts, l, TL_UP, 1, acts->dnorm, (const float *const[]){ acts->dup }, a->norm2);
    }
    norm_back(m, s, acts->dx, acts->dnorm, a->mid, a->mean2, a->rstd2, &m->layers[l].norm2, &m->layers[l].norm2_bias,
              N);
}

/* below: something under this block's products is trained, so their input's gradient is wanted. */
static void attention_block_back(const tl_model *m, tl_stream *s, const tl_batch *b, const tl_adapter *adapter,
                                 tl_acts *acts, int l, bool below)
{
    const tl_config *c = &m->config;
    const tl_backend *be = m->backend;
    const tl_layer_acts *a = &acts->layers[l];
    int N = b->N;
    tl_attention att = tl_batch_attention(m, b, acts, l);
    linear_back(m, s, N, adapter, acts, l, TL_O, 1, acts->datt, (const float *const[]){ acts->dx }, a->att);
    be->attention_back(s, &att, acts->dq, acts->dk, acts->dv, acts->datt, a->att, a->lse, a->q, a->k, a->v);
    if (c->position == TL_POSITION_ROPE) {
        be->rope(s, acts->dq, b->positions, m->rope_cos, m->rope_sin, N, c->H, c->h, true);
        be->rope(s, acts->dk, b->positions, m->rope_cos, m->rope_sin, N, c->G, c->h, true);
    }
    float *dnorm = below ? acts->dnorm : NULL;
    linear_back(m, s, N, adapter, acts, l, TL_Q, 3, dnorm, (const float *const[]){ acts->dq, acts->dk, acts->dv },
                a->norm1);
    if (below)
        norm_back(m, s, acts->dx, dnorm, a->x, a->mean1, a->rstd1, &m->layers[l].norm1, &m->layers[l].norm1_bias, N);
}

void tl_backward(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts)
{
    const tl_config *c = &m->config;
    const tl_adapter *adapter = b->adapters ? b->adapters[0] : NULL;
    size_t n = (size_t)b->N * (size_t)c->D;
    assert(acts->size.training);
    for (int i = 1; b->adapters && i < b->n_segments; i++) assert(b->adapters[i] == adapter);

    bool tables = m->tokens.grad || m->positions.grad;
    int lowest = c->L;
    for (int l = c->L - 1; l >= 0; l--)
        if (tables || trained(m, adapter, l, false)) lowest = l;

    memset(acts->dx, 0, n * sizeof(float));
    norm_back(m, s, acts->dx, acts->dout, acts->x, acts->mean, acts->rstd, &m->norm, &m->norm_bias, b->N);
    for (int l = c->L - 1; l >= lowest; l--) {
        hidden_block_back(m, s, b->N, adapter, acts, l);
        bool below = l > lowest || tables;
        if (!below && !trained(m, adapter, l, true)) break;
        below = below || m->layers[l].norm1.grad || m->layers[l].norm1_bias.grad;
        attention_block_back(m, s, b, adapter, acts, l, below);
    }
    if (m->tokens.grad) m->backend->embed_back(s, m->tokens.grad, acts->dx, b->ids, b->N, c->D);
    if (m->positions.grad) m->backend->embed_back(s, m->positions.grad, acts->dx, b->positions, b->N, c->D);
}
