/* quantized_ref.c - y = x w^T in whole numbers, block after block: the formula of tl_matrix in backend.h, letter by
 * letter. */
#include "backend/ref/ref.h"
#include "base/panels.h"

#include <assert.h>
#include <math.h>

enum {
    BLOCK = TL_PANEL_BLOCK
};

/* A block of x in whole numbers, and its scale.  Where a number is not finite the scale is not either. */
static float whole(signed char q[BLOCK], const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++) most = most < fabsf(x[i]) || isnan(x[i]) ? fabsf(x[i]) : most;
    const float d = most >= 0x1p-100f || isnan(most) ? most / 127 : 0, inverse = d > 0 && isfinite(d) ? 1 / d : 0;
    for (int i = 0; i < BLOCK; i++) q[i] = i < n && inverse > 0 ? (signed char)rintf(x[i] * inverse) : 0;
    return d;
}

void tl_ref_linear_int8(tl_stream *s, const tl_product *p, const float *x, int N, int I)
{
    const tl_dtype t = p->w.dtype;
    const int blocks = (I + BLOCK - 1) / BLOCK;
    const size_t bytes = tl_panel_bytes(t, (size_t)I);
#pragma omp parallel num_threads(s->threads)
    {
        tl_ref_share share = tl_ref_share_of(p->O);
        float *d_x = tl_ref_scratch(s);
        signed char *q_x = (signed char *)(d_x + blocks), q[BLOCK];
        assert((size_t)blocks * (sizeof *d_x + BLOCK) <= s->scratch_each);
        for (int n = 0; n < N; n++) {
            const float *xn = x + (size_t)n * (size_t)I;
            for (int b = 0; b < blocks; b++)
                d_x[b] = whole(q_x + b * BLOCK, xn + b * BLOCK, I - b * BLOCK < BLOCK ? I - b * BLOCK : BLOCK);
            for (int o = share.from; o < share.to; o++) {
                const char *panel = (const char *)p->w.data + (size_t)(o / TL_PANEL) * bytes;
                const size_t at = (size_t)n * (size_t)p->O + (size_t)o;
                const int r = o % TL_PANEL;
                float y = p->add ? p->add[at] : 0;
                for (int b = 0; b < blocks; b++) {
                    float d_w[TL_PANEL], m_w[TL_PANEL];
                    int sum = 0, sum_x = 0;
                    tl_panel_codes(t, q, panel, (size_t)b, r);
                    tl_panel_scales(t, d_w, m_w, panel, (size_t)b);
                    for (int i = 0; i < BLOCK; i++) {
                        sum += q_x[b * BLOCK + i] * q[i];
                        sum_x += q_x[b * BLOCK + i];
                    }
                    float product = (float)sum * d_w[r];
                    if (t == TL_DTYPE_Q4_K) product = fmaf(-m_w[r], (float)sum_x, product);
                    y = fmaf(d_x[b], product, y);
                }
                p->y[at] = p->bias ? y + p->bias[o] : y;
            }
        }
    }
}
