/* flops.c - counting along the lines of forward.c and backward.c. */
#include "model/flops.h"

/* Multiply-adds of one row through a product and its adapter. */
static double product(const tl_model *m, const tl_adapter *adapter, int l, int j)
{
    const tl_weight *w = &m->layers[l].linear[j];
    int row;
    const tl_lora *lora = adapter ? tl_adapter_of(adapter, l, j, &row) : NULL;
    double low = lora ? (double)lora->r * ((row == 0 ? w->cols : 0) + w->rows) : 0; /* A once for a module */
    return w->data ? (double)w->rows * w->cols + low : 0;
}

/* Those of the experts a row meets, and of the router. */
static double experts(const tl_model *m)
{
    const tl_config *c = &m->config;
    return (double)c->E * c->D + 3.0 * c->picks * c->D * c->F;
}

/* What the first n positions of a sequence see, each its last `window` ones. */
static double seen(double n, double window)
{
    return n <= window ? n * (n + 1) / 2 : window * (window + 1) / 2 + (n - window) * window;
}

/* Of one layer. */
static double attention(const tl_model *m, const tl_batch *b, int l)
{
    const tl_config *c = &m->config;
    double window = c->layers[l] & TL_LAYER_WINDOW ? c->window : c->T, pairs = 0;
    for (int i = 0; i < b->n_segments; i++) {
        double start = b->segments[i].start;
        pairs += seen(start + b->segments[i].rows, window) - seen(start, window);
    }
    return 4.0 * c->H * c->h * pairs;
}

double tl_flops_forward(const tl_model *m, const tl_batch *b, int head_rows)
{
    m = tl_batch_model(m, b);
    double sum = 2.0 * b->N * m->config.L * experts(m) + 2.0 * head_rows * m->config.D * m->config.V;
    for (int l = 0; l < m->config.L; l++) sum += attention(m, b, l);
    for (int i = 0; i < b->n_segments; i++)
        for (int l = 0; l < m->config.L; l++)
            for (int j = 0; j < TL_LINEARS; j++)
                sum += 2.0 * b->segments[i].rows * product(m, b->adapters ? b->adapters[i] : NULL, l, j);
    return sum;
}

double tl_flops_train(const tl_model *m, const tl_adapter *adapter, const tl_batch *b, int targets)
{
    m = tl_adapter_model(m, adapter);
    double N = b->N, sum = tl_flops_forward(m, b, targets) + 2.0 * targets * m->config.D * m->config.V;
    if (m->head.grad) sum += 2.0 * targets * m->config.D * m->config.V;
    bool below = m->tokens.grad || m->positions.grad; /* something under this layer wants its input's gradient */
    for (int l = 0; l < m->config.L; l++) {
        const tl_layer *y = &m->layers[l];
        bool here = y->norm1.grad || y->norm2.grad;
        double dx = 0, dw = 0;
        for (int j = 0; j < TL_LINEARS; j++) {
            int row;
            const tl_lora *lora = adapter ? tl_adapter_of(adapter, l, j, &row) : NULL;
            double all = product(m, adapter, l, j), own = (double)y->linear[j].rows * y->linear[j].cols;
            if (!y->linear[j].data) continue;
            if (y->linear[j].grad) dw += own;
            if (lora && lora->a.grad) dw += all - own;
            here = here || y->linear[j].grad || (lora && lora->a.grad);
            bool takes_input = j == TL_Q || j == TL_K || j == TL_V;
            if (!takes_input || below) dx += all;
        }
        if (!here && !below) continue;
        dx += 2 * experts(m); /* computed again, and back */
        sum += 2.0 * N * (dx + dw) + 2.0 * attention(m, b, l);
        below = true;
    }
    return sum;
}
