/* optimizer_cpu.c - AdamW in one pass over value, gradient and both moments, and what goes with it.
 *
 * The pass is bound by memory: 28 bytes a parameter in f32, 12 with bf16 weights and 8-bit moments, and about 25
 * instructions a vector.  Blocks of 256 numbers, the blocks of the 8-bit code, are a thread's: what does not lie in f32
 * is widened into arrays of its own (4 KB, in L1), updated there and rounded again, so there is one loop for all types.
 */
#include "backend/cpu/cpu.h"
#include "backend/rounding.h"

#include <assert.h>
#include <math.h>
#include <omp.h>

#define WORTH(s, n) ((s)->threads > 1 && (n) > 16384)

enum {
    BLOCK = TL_STATE_BLOCK
};

#ifdef __AVX512F__
#define vi_mul(a, b)          _mm512_mullo_epi32(a, b)
#define vi_xor(a, b)          _mm512_xor_si512(a, b)
#define vi_whole(v)           _mm512_cvttps_epi32(v)
#define vf_whole(v)           _mm512_cvtepi32_ps(v)
#define vf_less(a, b, x, y)   _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x)
#define vf_nan(a, x, y)       _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), y, x)
#define vi_bytes(p)           _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(p)))
#define vi_halves(p)          _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(p)))
#define vi_store_bytes(p, v)  _mm_storeu_si128((void *)(p), _mm512_cvtepi32_epi8(v))
#define vi_store_halves(p, v) _mm256_storeu_si256((void *)(p), _mm512_cvtepi32_epi16(v))
static inline vi vi_counting(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
#else
#define vi_mul(a, b)          _mm256_mullo_epi32(a, b)
#define vi_xor(a, b)          _mm256_xor_si256(a, b)
#define vi_whole(v)           _mm256_cvttps_epi32(v)
#define vf_whole(v)           _mm256_cvtepi32_ps(v)
#define vf_less(a, b, x, y)   _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ))
#define vf_nan(a, x, y)       _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, a, _CMP_UNORD_Q))
#define vi_bytes(p)           _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p)))
#define vi_halves(p)          _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p)))
static inline __m128i vi_packed(vi v)
{
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}
#define vi_store_halves(p, v) _mm_storeu_si128((void *)(p), vi_packed(v))
#define vi_store_bytes(p, v)  _mm_storel_epi64((void *)(p), _mm_packus_epi16(vi_packed(v), vi_packed(v)))
static inline vi vi_counting(void)
{
    return _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
}
#endif

/* ---- rounding.h, W numbers at a time ---- */

static inline vi mix(vi x)
{
    x = vi_mul(vi_xor(x, vi_shr(x, 16)), vi_set((int)0x85ebca6bu));
    x = vi_mul(vi_xor(x, vi_shr(x, 13)), vi_set((int)0xc2b2ae35u));
    return vi_xor(x, vi_shr(x, 16));
}

static inline vi chance(uint32_t key, size_t at)
{
    vi i = vi_add(vi_set((int)(uint32_t)at), vi_counting());
    return mix(vi_add(vi_mul(i, vi_set((int)0x9e3779b1u)), vi_set((int)key)));
}

static inline vi chance_next(vi c)
{
    return mix(vi_add(c, vi_set((int)0x9e3779b1u)));
}

static inline vi low_half(vi x)
{
    return vi_and(x, vi_set(0xffff));
}

static inline vi bf16_by(vf x, vi c)
{
    return vi_shr(vi_add(vi_of(x), c), 16);
}

/* Both branches of tl_code_of, as bits of a float so that they can be blended. */
static inline vi code_of(vf x, int fraction, vi c)
{
    vf small = vf_fma(vf_whole(c), vf_set(0x1p-16f), x * vf_set((float)(1 << (14 + fraction))));
    vi large = vi_sub(vi_shr(vi_add(vi_of(x), vi_shl(c, (unsigned)(7 - fraction))), (unsigned)(23 - fraction)),
                      vi_set(112 << fraction));
    return vi_of(vf_less(x, vf_set(0x1p-14f), vf_of(vi_whole(small)), vf_of(large)));
}

static inline vf code_value(vi c, int fraction)
{
    vf n = vf_whole(c);
    vf small = n * vf_set(1.0f / (float)(1 << (14 + fraction)));
    vf large = vf_of(vi_shl(vi_add(c, vi_set(112 << fraction)), (unsigned)(23 - fraction)));
    return vf_less(n, vf_set((float)(1 << fraction)), small, large);
}

/* ---- a block, widened and rounded again ---- */

static inline vf widened(const tl_bf16 *x)
{
    return vf_of(vi_shl(vi_halves(x), 16));
}

/* Numbers at .. at+n-1 of x as f32: where they lie, or in room. */
static const float *floats(const void *x, tl_dtype dtype, size_t at, size_t n, float *room)
{
    const float *f = (const float *)x + at;
    const tl_bf16 *h = (const tl_bf16 *)x + at;
    size_t i = 0;
    if (dtype == TL_DTYPE_F32 && n % W == 0) return f;
    if (dtype == TL_DTYPE_F32)
        memcpy(room, f, n * sizeof *room);
    else {
        for (; i + W <= n; i += W) vf_store(room + i, widened(h + i));
        for (; i < n; i++) room[i] = tl_bf16_to_f32(h[i]);
    }
    return room;
}

/* codes are padded to whole vectors. */
static void load_codes(float *m, float *v, const uint8_t *mc, const uint8_t *vc, size_t n, float m_scale, float v_scale)
{
    for (size_t i = 0; i < n; i += W) {
        vi c = vi_bytes(mc + i);
        vf size = code_value(vi_and(c, vi_set(127)), TL_FRACTION_M) * vf_set(m_scale);
        vf root = code_value(vi_bytes(vc + i), TL_FRACTION_V) * vf_set(v_scale);
        vf_store(m + i, vf_of(vi_or(vi_of(size), vi_shl(vi_shr(c, 7), 31))));
        vf_store(v + i, root * root);
    }
}

/* One over it, or 0 where the block holds nothing worth a code. */
static float block_scale(float *scale, float largest, int fraction)
{
    *scale = largest < 1e-30f ? 0 : largest / tl_code_top(fraction);
    return *scale > 0 ? 1.0f / *scale : 0;
}

static void store_codes(const tl_adamw *a, size_t at, size_t n, const float *m, const float *v, uint8_t *mc,
                        uint8_t *vc)
{
    vf m_most = vf_set(0), v_most = vf_set(0), minus = vf_of(vi_set((int)0x80000000u));
    for (size_t i = 0; i < n; i += W) {
        m_most = vf_max(m_most, vf_max(vf_load(m + i), vf_set(0) - vf_load(m + i)));
        v_most = vf_max(v_most, vf_load(v + i));
    }
    vf m_over = vf_set(block_scale(&a->m_scale[at / BLOCK], vf_top(m_most), TL_FRACTION_M));
    vf v_over = vf_set(block_scale(&a->v_scale[at / BLOCK], sqrtf(vf_top(v_most)), TL_FRACTION_V));
    for (size_t i = 0; i < n; i += W) {
        vi c = chance_next(chance(a->key, at + i)), sign = vi_and(vi_of(vf_load(m + i)), vi_of(minus));
        vf x = vf_min(vf_of(vi_xor(vi_of(vf_load(m + i)), sign)) * m_over, vf_set(tl_code_top(TL_FRACTION_M)));
        vf y = vf_min(vf_sqrt(vf_load(v + i)) * v_over, vf_set(tl_code_top(TL_FRACTION_V)));
        vi code = code_of(y, TL_FRACTION_V, vi_shr(c, 16));
        vf some = vf_less(vf_set(0), y, vf_of(vi_set(1)), vf_set(0)); /* never from something to nothing */
        code = vi_of(vf_less(vf_whole(code), vf_set(0.5f), some, vf_of(code)));
        vi_store_bytes(mc + i, vi_or(code_of(x, TL_FRACTION_M, low_half(c)), vi_shr(sign, 24)));
        vi_store_bytes(vc + i, code);
    }
}

static void store_halves(tl_bf16 *y, const float *x, size_t n, uint32_t key, size_t at, int which)
{
    for (size_t i = 0; i < n; i += W) {
        tl_bf16 room[W];
        vi c = chance(key, at + i);
        if (which > 0) c = chance_next(c);
        c = which > 1 ? vi_shr(c, 16) : low_half(c);
        bool whole = n - i >= W;
        vi_store_halves(whole ? y + i : room, bf16_by(vf_load(x + i), c));
        if (!whole) memcpy(y + i, room, (n - i) * sizeof *y);
    }
}

typedef struct factors {
    vf b1, c1, b2, c2, scale, rate, root, eps, decay;
} factors;

/* whole vectors of all four */
static void update(const factors *f, float *p, const float *g, float *m, float *v, size_t n)
{
    for (size_t i = 0; i < n; i += W) {
        vf gi = vf_load(g + i) * f->scale;
        vf mi = vf_fma(f->b1, vf_load(m + i), f->c1 * gi);
        vf vi_ = vf_fma(f->b2, vf_load(v + i), f->c2 * gi * gi);
        vf pi = vf_load(p + i);
        pi -= vf_fma(f->decay, pi, f->rate * mi / (vf_sqrt(vi_) * f->root + f->eps));
        vf_store(m + i, mi);
        vf_store(v + i, vi_);
        vf_store(p + i, pi);
    }
}

static void block(const tl_adamw *a, const factors *f, size_t at, size_t n)
{
    float p_room[BLOCK] = { 0 }, g_room[BLOCK] = { 0 }, m_room[BLOCK] = { 0 }, v_room[BLOCK] = { 0 };
    uint8_t mc_room[BLOCK] = { 0 }, vc_room[BLOCK] = { 0 };
    uint8_t *mc = (uint8_t *)a->m + at, *vc = (uint8_t *)a->v + at;
    tl_dtype moments = a->state == TL_STATE_BF16 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
    float *p = (float *)floats(a->p, a->p_dtype, at, n, p_room), *m = m_room, *v = v_room;
    const float *g = floats(a->g, a->g_dtype, at, n, g_room);
    bool part = n % W != 0, codes = a->state == TL_STATE_8BIT;
    if (codes && part) { /* the codes' tail, padded */
        mc = memcpy(mc_room, mc, n);
        vc = memcpy(vc_room, vc, n);
    }
    if (codes) {
        load_codes(m, v, mc, vc, n, a->m_scale[at / BLOCK], a->v_scale[at / BLOCK]);
    } else {
        m = (float *)floats(a->m, moments, at, n, m_room);
        v = (float *)floats(a->v, moments, at, n, v_room);
    }
    update(f, p, g, m, v, n);
    if (a->p_dtype == TL_DTYPE_BF16)
        store_halves((tl_bf16 *)a->p + at, p, n, a->key, at, 0);
    else if (part)
        memcpy((float *)a->p + at, p, n * sizeof *p);
    if (codes) {
        store_codes(a, at, n, m, v, mc, vc);
        if (part) {
            memcpy((uint8_t *)a->m + at, mc, n);
            memcpy((uint8_t *)a->v + at, vc, n);
        }
    } else if (moments == TL_DTYPE_BF16) {
        store_halves((tl_bf16 *)a->m + at, m, n, a->key, at, 1);
        store_halves((tl_bf16 *)a->v + at, v, n, a->key, at, 2);
    } else if (part) {
        memcpy((float *)a->m + at, m, n * sizeof *m);
        memcpy((float *)a->v + at, v, n * sizeof *v);
    }
}

void TL_CPU(adamw)(tl_stream *s, const tl_adamw *a, const tl_adamw_step *step)
{
    const factors f = { .b1 = vf_set(step->beta1),
                        .c1 = vf_set(1 - step->beta1),
                        .b2 = vf_set(step->beta2),
                        .c2 = vf_set(1 - step->beta2),
                        .scale = vf_set(step->grad_scale),
                        .rate = vf_set(step->lr / step->correction1),
                        .root = vf_set(1.0f / sqrtf(step->correction2)),
                        .eps = vf_set(step->eps),
                        .decay = vf_set(step->lr * step->weight_decay) };
    assert(a->n <= UINT32_MAX);
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, a->n))
    for (size_t at = 0; at < a->n; at += BLOCK) block(a, &f, at, a->n - at < BLOCK ? a->n - at : BLOCK);
}

/* A piece's sum: sixteen chains, then one. */
static double piece_squares(const void *x, tl_dtype dtype, size_t at, size_t n)
{
    double sum[16] = { 0 }, total = 0;
    float room[BLOCK];
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t k = n - done < BLOCK ? n - done : BLOCK, i = 0;
        const float *f = floats(x, dtype, at + done, k, room);
        for (; i + 16 <= k; i += 16)
            for (size_t j = 0; j < 16; j++) sum[j] += (double)f[i + j] * f[i + j];
        for (size_t j = 0; i < k; i++, j++) sum[j] += (double)f[i] * f[i];
    }
    for (int j = 0; j < 16; j++) total += sum[j];
    return total;
}

/* Pieces follow from n alone, and their sums are added in order: any number of threads gives the same. */
double TL_CPU(sum_squares)(tl_stream *s, const void *x, tl_dtype dtype, size_t n)
{
    enum {
        PIECES = 256,
        LEAST = 16384
    };
    double sums[PIECES + 1], total = 0;
    size_t each = (n / PIECES / BLOCK + 1) * BLOCK, count;
    if (each < LEAST) each = LEAST;
    count = (n + each - 1) / each;
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, n))
    for (size_t i = 0; i < count; i++)
        sums[i] = piece_squares(x, dtype, i * each, n - i * each < each ? n - i * each : each);
    for (size_t i = 0; i < count; i++) total += sums[i];
    return total;
}

void TL_CPU(narrow)(tl_stream *s, tl_bf16 *y, const float *x, size_t n, bool add)
{
#pragma omp parallel for num_threads(s->threads) schedule(static) if (WORTH(s, n))
    for (size_t i = 0; i < n; i += W) {
        tl_bf16 room[W] = { 0 };
        size_t c = n - i < W ? n - i : W;
        tl_bf16 *to = c == W ? y + i : memcpy(room, y + i, c * sizeof *y);
        vf z = c == W ? vf_load(x + i) : vf_part(x + i, c, 0);
        if (add) z += widened(to);
        vi bits = vi_of(z), odd = vi_and(vi_shr(bits, 16), vi_set(1));
        vi near = vi_shr(vi_add(vi_add(bits, vi_set(0x7fff)), odd), 16), nan = vi_or(vi_shr(bits, 16), vi_set(0x40));
        vi_store_halves(to, vi_of(vf_nan(z, vf_of(nan), vf_of(near))));
        if (c < W) memcpy(y + i, room, c * sizeof *y);
    }
}
