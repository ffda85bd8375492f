/* loss.c - the head and the loss over answer rows, a chunk of logits at a time.
 *
 *     loss = sum over rows with a target of  weight * (log sum_v e^x_v - x_target),   x = hidden W_head^T
 *     dhidden = dlogits W_head,  dW_head (+)= dlogits^T hidden
 *
 * Where the config divides logits, hidden stands for what it is divided by that; where it caps them, dlogits is what
 * comes through the cap.
 *
 * Rows without a target never meet the head: on a task with short answers that is most of them.  The chunk's size
 * follows from V alone, so the order of every sum does too. */
#include "model/acts.h"

#include <assert.h>
#include <string.h>

void tl_head_logits(const tl_model *m, tl_stream *s, const tl_acts *acts, int n, float *logits)
{
    const tl_config *c = &m->config;
    if (tl_scales(c->logit_divisor))
        m->backend->scale(s, acts->gathered, 1 / c->logit_divisor, (size_t)n * (size_t)c->D);
    tl_product head = { .y = logits, .w = tl_weight_matrix(&m->head), .O = c->V };
    m->backend->linear(s, &head, 1, acts->gathered, n, c->D);
    if (c->logit_cap != 0) m->backend->softcap(s, logits, c->logit_cap, (size_t)n * (size_t)c->V);
}

double tl_loss(const tl_model *m, tl_stream *s, const tl_batch *b, tl_acts *acts, const int *targets,
               const float *weights, const tl_gradients *g)
{
    m = tl_batch_model(m, b);
    const tl_backend *be = m->backend;
    size_t D = (size_t)m->config.D;
    int V = m->config.V, count = 0;
    assert(!g || acts->size.training);
    for (int n = 0; n < b->N; n++)
        if (targets[n] >= 0) acts->loss_rows[count++] = n;
    if (g) memset(acts->dnorm, 0, (size_t)b->N * D * sizeof(float));
    bool add = g && g->add && !m->head.shared;
    float divisor = m->config.logit_divisor;
    double loss = 0;
    for (int at = 0; at < count; at += acts->chunk) {
        int n = count - at < acts->chunk ? count - at : acts->chunk;
        const int *rows = acts->loss_rows + at;
        for (int i = 0; i < n; i++) {
            memcpy(acts->gathered + (size_t)i * D, acts->norm + (size_t)rows[i] * D, D * sizeof(float));
            acts->loss_targets[i] = targets[rows[i]];
            acts->loss_weights[i] = weights ? weights[rows[i]] : 1.0f;
        }
        tl_head_logits(m, s, acts, n, acts->logits);
        be->cross_entropy(s, acts->losses, acts->logits, acts->loss_targets, acts->loss_weights, n, V,
                          m->config.logit_cap);
        for (int i = 0; i < n; i++) loss += acts->losses[i];
        if (!g) continue;
        tl_product_back back = { .dy = acts->logits, .w = tl_weight_matrix(&m->head), .O = V };
        be->linear_dx(s, acts->dgathered, &back, 1, n, (int)D, false);
        if (tl_scales(divisor)) be->scale(s, acts->dgathered, 1 / divisor, (size_t)n * D);
        for (int i = 0; i < n; i++)
            memcpy(acts->dnorm + (size_t)rows[i] * D, acts->dgathered + (size_t)i * D, D * sizeof(float));
        if (m->head.grad) be->linear_dw(s, m->head.grad, acts->logits, acts->gathered, n, V, (int)D, add);
        add = true;
    }
    if (g && m->head.grad && !add) memset(m->head.grad, 0, (size_t)V * D * sizeof(float)); /* no row had a target */
    if (g && g->done && !m->config.tied) g->done(g->context, m->config.L + TL_HEAD);
    return loss;
}
