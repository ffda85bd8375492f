/* quantized_cpu.c - products with quantized weights in whole numbers, and the rows of the table that choose between
 * them and the others.
 *
 *     for each panel of 32 rows of weights, taken one by one by whichever thread is free:
 *         open it                               types of 4 bits: a byte a code and f32 scales, in the thread's scratch
 *         for each tile of rows of x:           quantized_tile.h
 *
 * x is rounded and packed first, once, by all threads; a panel of 2,048 numbers a row is 72 KB and stays in the
 * second-level cache while every tile passes over it; meanwhile the lines of the next one are asked for.  Opening costs
 * about two instructions a vector of codes, met by as many vpdpbusd as there are rows of x.
 *
 * Few rows (decoding: N <= ROWS) are one tile: each thread packs x for itself, no barrier, and codes are taken apart in
 * registers; memory is the limit then, and a panel is read in one straight run.
 *
 * Where a row of weights is too long for the scratch it is cut into pieces, and y holds the sums in between.  The order
 * of every sum is that of the blocks, whatever N, the threads and the pieces are. */
#include "backend/cpu/quantized_tile.h"
#include "backend/ref/ref.h"

#include <assert.h>
#include <omp.h>

enum {
    DEEP = 512 /* blocks of a piece, 16,384 numbers */
};

_Static_assert((size_t)DEEP *OPEN_BLOCK + (size_t)DEEP * SLOT <= TL_PRODUCT_SCRATCH,
               "a thread's scratch holds a piece");
_Static_assert((size_t)DEEP *SLOT <= TL_PRODUCT_SHARED, "what the threads share holds a tile of a piece");

static int up(int n, int d)
{
    return (n + d - 1) / d;
}

/* ---- x in whole numbers ---- */

static inline vf vf_scale_of(vf most, vf *inverse)
{
    const vf d = most / vf_set(127), one = vf_set(1);
    const vf small = vf_set(0x1p-100f), large = vf_set(3.0e38f);
#ifdef __AVX512F__
    const __mmask16 tiny = _mm512_cmp_ps_mask(most, small, _CMP_LT_OQ);
    const __mmask16 fine = _mm512_cmp_ps_mask(d, large, _CMP_LE_OQ) & (__mmask16)~tiny;
    *inverse = _mm512_maskz_div_ps(fine, one, d);
    return _mm512_mask_blend_ps(tiny, d, vf_set(0));
#else
    const vf tiny = _mm256_cmp_ps(most, small, _CMP_LT_OQ), fine = _mm256_cmp_ps(d, large, _CMP_LE_OQ);
    *inverse = _mm256_and_ps(one / d, _mm256_andnot_ps(tiny, fine));
    return _mm256_andnot_ps(tiny, d);
#endif
}

/* A block of n <= 32 numbers into row m of a slot. */
static inline void whole(byte *slot, int m, const float *x, int n)
{
    float padded[32];
    signed char *q = (signed char *)slot + m * 32;
    int sum = 0, most = 0;
    if (n < 32) {
        memset(padded, 0, sizeof padded);
        memcpy(padded, x, (size_t)n * sizeof *x);
        x = padded;
    }
    /* Magnitudes in the order of their bits: a NaN is above all. */
    for (int i = 0; i < 32; i++) {
        int bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    vf inverse, d = vf_scale_of(vf_of(vi_set(most)), &inverse);
    const bool some = _mm_cvtss_f32(
#ifdef __AVX512F__
                          _mm512_castps512_ps128(inverse)
#else
                          _mm256_castps256_ps128(inverse)
#endif
                              ) != 0;
    int whole_numbers[32];
    for (int i = 0; i < 32; i += W) {
        vi v = vi_set(0);
        if (some)
#ifdef __AVX512F__
            v = _mm512_cvtps_epi32(vf_load(x + i) * inverse);
        _mm512_storeu_si512(whole_numbers + i, v);
#else
            v = _mm256_cvtps_epi32(vf_load(x + i) * inverse);
        _mm256_storeu_si256((__m256i *)(void *)(whole_numbers + i), v);
#endif
    }
    for (int i = 0; i < 32; i++) {
        q[i] = (signed char)whole_numbers[i];
        sum += whole_numbers[i];
    }
    const int zeros[2] = { -128 * sum, -8 * sum };
    memcpy(slot + AT_128 + m * 4, &zeros[0], 4);
    memcpy(slot + AT_8 + m * 4, &zeros[1], 4);
#ifdef __AVX512F__
    _mm_store_ss((float *)(void *)(slot + AT_D + m * 4), _mm512_castps512_ps128(d));
#else
    _mm_store_ss((float *)(void *)(slot + AT_D + m * 4), _mm256_castps256_ps128(d));
#endif
}

/* A tile of rows of x, blocks b0 .. b1-1: [b1 - b0] slots. */
static void pack_tile(byte *out, const float *x, int rows, int I, int b0, int b1)
{
    for (int m = 0; m < rows; m++)
        for (int b = b0; b < b1; b++)
            whole(out + (size_t)(b - b0) * SLOT, m, x + (size_t)m * (size_t)I + (size_t)b * 32,
                  I - b * 32 < 32 ? I - b * 32 : 32);
}

/* ---- panels ---- */

/* Blocks b0 .. b1-1 of a panel as f32 scales and bytes. */
static inline __attribute__((always_inline)) void open_as(form f, byte *out, const byte *panel, size_t b0, size_t b1)
{
    const tl_dtype t = type_of(f);
    const vi levels = vi_table(nf4_bytes);
    for (size_t b = b0; b < b1; b++, out += OPEN_BLOCK) {
        const byte *group = panel + tl_panel_group_at(t, b), *block = panel + tl_panel_block_at(t, b);
        for (int row = 0; row < TL_PANEL; row += W) {
            vf min, d = block_scale(t, &min, group_scales_of(t, group, row), group, block, b, row);
            if (f == FORM_NF4) d = d * vf_set(1.0f / 127);
            vf_store((float *)(void *)out + row, d);
            vf_store((float *)(void *)out + TL_PANEL + row, min * vf_set(0.125f));
            const byte *codes = block + tl_panel_form_of(t).scales + row * 4;
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++) {
                vi v = quad_of(t, codes, k);
                if (f == FORM_NF4) v = vi_look(levels, v);
                vf_store((float *)(void *)(out + 256 + k * 128 + row * 4), vf_of(v));
            }
        }
    }
}

static void open_panel(form f, byte *out, const byte *panel, size_t b0, size_t b1)
{
    if (f == FORM_Q4_0)
        open_as(FORM_Q4_0, out, panel, b0, b1);
    else if (f == FORM_Q4_K)
        open_as(FORM_Q4_K, out, panel, b0, b1);
    else
        open_as(FORM_NF4, out, panel, b0, b1);
}

/* ---- the nest ---- */

/* What a thread of the team works on: tiles of x, packed from block b0 on. */
typedef struct work {
    const tl_product *list;
    int count, N, I;
    int b0, b1;    /* blocks of this piece */
    int m0, m1;    /* rows of x */
    const byte *x; /* their tiles */
    byte *open;    /* its own scratch */
    int *taken;    /* shared: panels are taken one by one */
    int all;       /* panels of the list's products, counted on from one to the next */
} work;

/* Tile i of n rows in tiles that are as equal as can be. */
static int tile_at(int n, int tiles, int i)
{
    return (int)((long)n * i / tiles);
}

/* The panel that stands n-th in the list. */
static const tl_product *product_of(const work *w, int *n)
{
    const tl_product *p = w->list;
    for (; *n >= up(p->O, TL_PANEL); p++) *n -= up(p->O, TL_PANEL);
    return p;
}

static const byte *panel_of(const work *w, const tl_product *p, int n)
{
    return (const byte *)p->w.data + (size_t)n * tl_panel_bytes(p->w.dtype, (size_t)w->I);
}

static int8_target target_of(const work *w, const tl_product *p, int m, int o)
{
    const size_t at = (size_t)m * (size_t)p->O + (size_t)o;
    const bool first = w->b0 == 0, last = w->b1 == up(w->I, TL_PANEL_BLOCK);
    return (int8_target){ .y = p->y + at,
                          .from = !first   ? p->y + at
                                  : p->add ? p->add + at
                                           : NULL,
                          .bias = last && p->bias ? p->bias + o : NULL,
                          .ld = (size_t)p->O,
                          .n = p->O - o < NR ? p->O - o : NR };
}

/* One panel by all tiles; `next` is the one that comes after, or NULL. */
static void sweep(const work *w, const tl_product *p, int n, const byte *next, size_t next_bytes)
{
    const int N = w->m1 - w->m0, tiles = up(N, ROWS);
    const byte *panel = panel_of(w, p, n);
    form f = form_of(p->w.dtype);
    size_t b0 = (size_t)w->b0;
    if (tiles > 1 && f != FORM_Q8_0) {
        open_panel(f, w->open, panel, b0, (size_t)w->b1);
        panel = w->open;
        f = opened(f);
    }
    /* Few rows take the lines of the next panel along as they go, many have them asked for tile by tile. */
    const size_t lines = tiles > 1 ? (next_bytes + 63) / 64 : 0, share = (lines + (size_t)tiles - 1) / (size_t)tiles;
    for (int i = 0; i < tiles; i++) {
        const int m = tile_at(N, tiles, i), rows = tile_at(N, tiles, i + 1) - m;
        for (size_t l = (size_t)i * share; next && l < (size_t)(i + 1) * share && l < lines; l++)
            _mm_prefetch((const char *)next + l * 64, _MM_HINT_T1);
        for (int row = 0; row < TL_PANEL && n * TL_PANEL + row < p->O; row += NR) {
            int8_target t = target_of(w, p, w->m0 + m, n * TL_PANEL + row);
            if (tiles == 1 && next && row == 0) t.ahead = next - (panel + tl_panel_group_at(p->w.dtype, b0));
            int8_tiles[rows - 1][f](w->x + (size_t)i * (size_t)(w->b1 - w->b0) * SLOT, panel, b0, (size_t)w->b1, row,
                                    t);
        }
    }
}

static void sweep_all(const work *w)
{
    int n = __atomic_fetch_add(w->taken, 1, __ATOMIC_RELAXED);
    while (n < w->all) {
        const int after = __atomic_fetch_add(w->taken, 1, __ATOMIC_RELAXED);
        int here = n, there = after;
        const tl_product *p = product_of(w, &here), *q = after < w->all ? product_of(w, &there) : NULL;
        const tl_dtype t = q ? q->w.dtype : TL_DTYPE_Q8_0;
        const size_t from = q ? tl_panel_group_at(t, (size_t)w->b0) : 0;
        const size_t to = q ? tl_panel_block_at(t, (size_t)w->b1 - 1) + tl_panel_form_of(t).block : 0;
        sweep(w, p, here, q ? panel_of(w, q, there) + from : NULL, to - from);
        n = after;
    }
}

/* Products in whole numbers of quantized weights by the same x. */
static void linear_int8(tl_stream *s, const tl_product *list, int count, const float *x, int N, int I)
{
    const int blocks = up(I, TL_PANEL_BLOCK), pieces = up(blocks, DEEP);
    /* Rows that fit into what the threads share, in groups that are as equal as can be. */
    const int deep = up(blocks, pieces), most = (int)(TL_PRODUCT_SHARED / ((size_t)deep * SLOT)) * ROWS;
    const int groups = up(N, most);
    const bool few = N <= ROWS && pieces == 1;
    double size = 0;
    int all = 0, taken[2] = { 0, 0 };
    for (int i = 0; i < count; i++) {
        all += up(list[i].O, TL_PANEL);
        size += (double)N * list[i].O * I;
    }
    /* A quarter of a million products take about 5 microseconds: what waking a second thread may cost. */
    const int threads = size < 500000 ? 1 : s->threads < all ? s->threads : all;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int thread = omp_get_thread_num(), team = omp_get_num_threads();
        byte *own = (byte *)s->scratch + (size_t)thread * s->scratch_each;
        work w = { .list = list, .count = count, .N = N, .I = I, .open = own, .all = all };
        int turn = 0;
        if (few) {
            pack_tile(own, x, N, I, 0, blocks);
            w.x = own;
            w.b1 = blocks;
            w.m1 = N;
            w.taken = taken;
            sweep_all(&w);
        }
        for (int g = 0; g < groups && !few; g++)
            for (int k = 0; k < pieces; k++, turn ^= 1) {
                w.m0 = tile_at(N, groups, g);
                w.m1 = tile_at(N, groups, g + 1);
                w.b0 = tile_at(blocks, pieces, k);
                w.b1 = tile_at(blocks, pieces, k + 1);
                const int rows = w.m1 - w.m0, tiles = up(rows, ROWS);
                byte *shared = (byte *)s->shared;
                for (int i = tile_at(tiles, team, thread); i < tile_at(tiles, team, thread + 1); i++) {
                    const int m = tile_at(rows, tiles, i);
                    pack_tile(shared + (size_t)i * (size_t)(w.b1 - w.b0) * SLOT, x + (size_t)(w.m0 + m) * (size_t)I,
                              tile_at(rows, tiles, i + 1) - m, I, w.b0, w.b1);
                }
#pragma omp barrier
                w.x = shared;
                w.taken = &taken[turn];
                if (thread == 0) taken[turn ^ 1] = 0; /* nobody is there now */
                sweep_all(&w);
#pragma omp barrier
            }
    }
}

/* ---- the table's rows ---- */

/* Streams of products that are not in whole numbers. */
static tl_stream plain_of(const tl_stream *s)
{
    tl_stream t = *s;
    if (t.precision == TL_PRECISION_INT8) t.precision = TL_PRECISION_BF16;
    return t;
}

void TL_CPU(linear_any)(tl_stream *s, const tl_product *list, int n, const float *x, int N, int I)
{
    tl_stream plain = plain_of(s);
    if (N <= 0) return;
    for (int i = 0, next; i < n; i = next) { /* neighbours of one kind go together */
        const bool whole_numbers = s->precision == TL_PRECISION_INT8 && tl_panels_known(list[i].w.dtype);
        for (next = i + 1; next < n; next++)
            if ((s->precision == TL_PRECISION_INT8 && tl_panels_known(list[next].w.dtype)) != whole_numbers) break;
        if (!whole_numbers) TL_CPU(linear)(&plain, list + i, next - i, x, N, I);
        if (!whole_numbers) continue;
        linear_int8(s, list + i, next - i, x, N, I);
        for (int k = i; k < next; k++) {
            const tl_low_product *low = &list[k].low;
            const tl_product part = { list[k].y, { low->w, TL_DTYPE_F32 }, list[k].O, .add = list[k].y };
            if (low->x) TL_CPU(linear)(&plain, &part, 1, low->x, N, low->r);
        }
    }
}

void TL_CPU(linear_dx_any)(tl_stream *s, float *dx, const tl_product_back *list, int n, int N, int I, bool accumulate)
{
    tl_stream plain = plain_of(s);
    TL_CPU(linear_dx)(&plain, dx, list, n, N, I, accumulate);
}

void TL_CPU(linear_dw_any)(tl_stream *s, float *dw, const float *dy, const float *x, int N, int O, int I,
                           bool accumulate)
{
    tl_stream plain = plain_of(s);
    TL_CPU(linear_dw)(&plain, dw, dy, x, N, O, I, accumulate);
}

void TL_CPU(embed_any)(tl_stream *s, float *y, tl_matrix table, const int *ids, int N, int D, bool accumulate)
{
    if (tl_panels_known(table.dtype))
        tl_ref_embed(s, y, table, ids, N, D, accumulate); /* some rows only: nothing to be gained */
    else
        TL_CPU(embed)(s, y, table, ids, N, D, accumulate);
}
