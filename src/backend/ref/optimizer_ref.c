/* optimizer_ref.c - AdamW's update, the sum of squares that clipping asks for, and gradients kept in bf16.
 *
 *     g' = grad_scale g,    m = b1 m + (1-b1) g',    v = b2 v + (1-b2) g'^2
 *     p -= lr (m/c1 / (sqrt(v/c2) + eps) + weight_decay p)
 *
 * The decay stands outside the quotient: it pulls every parameter alike, however large its gradients.  Whatever type a
 * number lies in, it is f32 here; how it is rounded again stands in rounding.h. */
#include "backend/ref/ref.h"
#include "backend/rounding.h"

#include <assert.h>
#include <math.h>

static float number(const void *x, tl_dtype dtype, size_t i)
{
    return dtype == TL_DTYPE_BF16 ? tl_bf16_to_f32(((const tl_bf16 *)x)[i]) : ((const float *)x)[i];
}

static void load_moments(const tl_adamw *a, size_t at, size_t n, float *m, float *v)
{
    const uint8_t *mc = a->m, *vc = a->v;
    for (size_t i = 0; i < n; i++) {
        if (a->state != TL_STATE_8BIT) {
            tl_dtype dtype = a->state == TL_STATE_BF16 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
            m[i] = number(a->m, dtype, at + i);
            v[i] = number(a->v, dtype, at + i);
            continue;
        }
        float size = tl_code_value(mc[at + i] & 127u, TL_FRACTION_M) * a->m_scale[at / TL_STATE_BLOCK];
        float root = tl_code_value(vc[at + i], TL_FRACTION_V) * a->v_scale[at / TL_STATE_BLOCK];
        m[i] = mc[at + i] & 128u ? -size : size;
        v[i] = root * root;
    }
}

/* One over it, or 0 where the block holds nothing worth a code. */
static float block_scale(float *scale, float largest, int fraction)
{
    *scale = largest < 1e-30f ? 0 : largest / tl_code_top(fraction);
    return *scale > 0 ? 1.0f / *scale : 0;
}

static void store_codes(const tl_adamw *a, size_t at, size_t n, const float *m, const float *v)
{
    uint8_t *mc = a->m, *vc = a->v;
    float m_top = 0, v_top = 0;
    for (size_t i = 0; i < n; i++) {
        m_top = fmaxf(m_top, fabsf(m[i]));
        v_top = fmaxf(v_top, v[i]);
    }
    float m_over = block_scale(&a->m_scale[at / TL_STATE_BLOCK], m_top, TL_FRACTION_M);
    float v_over = block_scale(&a->v_scale[at / TL_STATE_BLOCK], sqrtf(v_top), TL_FRACTION_V);
    for (size_t i = 0; i < n; i++) {
        uint32_t chance = tl_chance_next(tl_chance(a->key, (uint32_t)(at + i)));
        float x = fminf(fabsf(m[i]) * m_over, tl_code_top(TL_FRACTION_M));
        float y = fminf(sqrtf(v[i]) * v_over, tl_code_top(TL_FRACTION_V));
        uint32_t code = tl_code_of(y, TL_FRACTION_V, chance >> 16);
        mc[at + i] = (uint8_t)(tl_code_of(x, TL_FRACTION_M, chance & 0xffffu) | (signbit(m[i]) ? 128u : 0));
        vc[at + i] = (uint8_t)(y > 0 && code == 0 ? 1 : code);
    }
}

static void store_moments(const tl_adamw *a, size_t at, size_t n, const float *m, const float *v)
{
    if (a->state == TL_STATE_8BIT) {
        store_codes(a, at, n, m, v);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t chance = tl_chance_next(tl_chance(a->key, (uint32_t)(at + i)));
        if (a->state == TL_STATE_F32) {
            ((float *)a->m)[at + i] = m[i];
            ((float *)a->v)[at + i] = v[i];
        } else {
            ((tl_bf16 *)a->m)[at + i] = tl_f32_to_bf16_by(m[i], chance & 0xffffu);
            ((tl_bf16 *)a->v)[at + i] = tl_f32_to_bf16_by(v[i], chance >> 16);
        }
    }
}

static void block(const tl_adamw *a, const tl_adamw_step *step, size_t at, size_t n)
{
    float m[TL_STATE_BLOCK], v[TL_STATE_BLOCK];
    load_moments(a, at, n, m, v);
    for (size_t i = 0; i < n; i++) {
        float d = number(a->g, a->g_dtype, at + i) * step->grad_scale, p = number(a->p, a->p_dtype, at + i);
        m[i] = step->beta1 * m[i] + (1.0f - step->beta1) * d;
        v[i] = step->beta2 * v[i] + (1.0f - step->beta2) * d * d;
        float move = m[i] / step->correction1 / (sqrtf(v[i] / step->correction2) + step->eps);
        p -= step->lr * (move + step->weight_decay * p);
        if (a->p_dtype == TL_DTYPE_BF16)
            ((tl_bf16 *)a->p)[at + i] = tl_f32_to_bf16_by(p, tl_chance(a->key, (uint32_t)(at + i)) & 0xffffu);
        else
            ((float *)a->p)[at + i] = p;
    }
    store_moments(a, at, n, m, v);
}

void tl_ref_adamw(tl_stream *s, const tl_adamw *a, const tl_adamw_step *step)
{
    assert(a->n <= UINT32_MAX);
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t at = 0; at < a->n; at += TL_STATE_BLOCK)
        block(a, step, at, a->n - at < TL_STATE_BLOCK ? a->n - at : TL_STATE_BLOCK);
}

double tl_ref_sum_squares(tl_stream *s, const void *x, tl_dtype dtype, size_t n)
{
    (void)s; /* one sum, in order: one thread */
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)number(x, dtype, i) * (double)number(x, dtype, i);
    return sum;
}

void tl_ref_narrow(tl_stream *s, tl_bf16 *y, const float *x, size_t n, bool add)
{
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t i = 0; i < n; i++) y[i] = tl_f32_to_bf16(add ? tl_bf16_to_f32(y[i]) + x[i] : x[i]);
}
