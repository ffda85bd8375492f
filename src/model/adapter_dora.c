/* adapter_dora.c - magnitudes (DoRA: Liu et al., arXiv 2402.09353): the norms of adapted rows, and the gains they make.
 *
 * The row o of W + s B A has the square
 *
 *     |W_o|^2 + 2 s B_o (A W_o) + s^2 B_o (A A^T) B_o
 *
 * whose first term is taken once, the second from one product of r rows by W, which is never touched otherwise: the
 * norms of a step cost what r tokens more would.  Products are of f32 whatever the stream's precision; the three terms
 * are added in double. */
#include "model/adapter_dora.h"

#include <math.h>

void tl_lora_squares(double *square, float *row, const tl_weight *w)
{
    for (int o = 0; o < w->rows; o++) {
        double lanes[8] = { 0 };
        tl_weight_widen_row(w, o, row);
        for (int i = 0; i < w->cols; i++) lanes[i % 8] += (double)row[i] * row[i];
        square[o] = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    }
}

/* The rows from .. of the module's outputs that product w makes; aw [r, O] is A W^T, bg [O, r] is B A A^T of them. */
static void renorm(tl_lora *lora, int from, int O, const float *aw, const float *bg)
{
    const float *B = lora->b.data, *m = lora->magnitude.data;
    double s = (double)lora->scale;
    int r = lora->r;
#pragma omp parallel for
    for (int o = 0; o < O; o++) {
        const float *b = B + (size_t)(from + o) * (size_t)r, *g = bg + (size_t)o * (size_t)r;
        double once = 0, twice = 0;
        for (int j = 0; j < r; j++) {
            once += (double)b[j] * aw[(size_t)j * (size_t)O + (size_t)o];
            twice += (double)b[j] * g[j];
        }
        double square = lora->square[from + o] + 2 * s * once + s * s * twice;
        lora->norm[from + o] = (float)sqrt(square > 0 ? square : 0);
        lora->gain[from + o] = m[from + o] / lora->norm[from + o];
    }
}

/* y = x w^T of [N, I] by [O, I]. */
static void product(const tl_model *m, tl_stream *s, float *y, const float *x, tl_matrix w, int N, int O, int I)
{
    m->backend->linear(s, &(tl_product){ .y = y, .w = w, .O = O }, 1, x, N, I);
}

size_t tl_renorm_floats(const tl_model *m, int layer, int module, int r)
{
    const tl_module *u = &m->config.family->modules[module];
    size_t most = 0;
    for (int p = 0; p < u->count; p++) {
        const tl_weight *w = &m->layers[layer].linear[u->first + p];
        size_t n = (size_t)r * (2 * (size_t)w->rows + (size_t)r);
        if (n > most) most = n;
        if ((size_t)w->cols > most) most = (size_t)w->cols;
    }
    return most;
}

void tl_adapter_renorm(tl_adapter *a, tl_stream *s)
{
    tl_stream exact;
    if (!a || !a->dora) return;
    exact = *s;
    exact.precision = TL_PRECISION_F32;
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            const tl_module *u = &a->model->config.family->modules[i];
            tl_lora *lora = tl_adapter_lora(a, l, i);
            int from = 0;
            if (!lora->r) continue;
            size_t r = (size_t)lora->r;
            float *aa = a->scratch, *aw = aa + r * r;
            product(a->model, &exact, aa, lora->a.data, tl_weight_matrix(&lora->a), lora->r, lora->r, lora->a.cols);
            for (int p = 0; p < u->count; p++) {
                const tl_weight *w = &a->model->layers[l].linear[u->first + p];
                const float *B = (const float *)lora->b.data + (size_t)from * r;
                float *bg = aw + r * (size_t)w->rows;
                product(a->model, &exact, aw, lora->a.data, tl_weight_matrix(w), lora->r, w->rows, w->cols);
                product(a->model, &exact, bg, B, (tl_matrix){ aa, TL_DTYPE_F32 }, w->rows, lora->r, lora->r);
                renorm(lora, from, w->rows, aw, bg);
                from += w->rows;
            }
        }
}
