/* linear_tile.h - the micro-kernel: a tile of c in registers, walked along k.
 *
 *     a step:  two vectors of b, a broadcast for each of `rows` words of a, two multiply-adds each
 *
 * AVX-512 has 32 registers: 14 x 2 sums, 2 of b, 1 broadcast, 1 spare; AVX2 has 16: 6 x 2 sums.  At 14 x 32 each loaded
 * word of b meets 14 rows, so the units, not the loads, are the limit: 98 % of their peak with everything in the
 * second-level cache.  Tiles of fewer rows run at the same rate down to where 2 x rows sums no longer cover the latency
 * of a multiply-add (4 to 6 cycles).
 *
 * While it computes, memory would be idle: the kernel asks for the lines that the next panel will be packed from and
 * for the next tile of c, a few every 16 steps, since a burst of them would wait for itself. */
#ifndef TL_BACKEND_CPU_LINEAR_TILE_H
#define TL_BACKEND_CPU_LINEAR_TILE_H

#include "backend/cpu/linear_product.h"

/* What a tile reads and writes besides a and b: c [rows][n] with row stride ld. */
typedef struct target {
    float *c;
    const float *from; /* NULL: the sums start at zero */
    const float *bias; /* NULL: none, or not yet */
    size_t ld;
    int n;
    const uint32_t *low; /* an adapter's steps, which go on after the bias: their words of a; b's follow the others */
    int low_steps;       /* 0: none */
} target;

/* Lines to be asked for: `left` runs of `run` lines, runs `ld` bytes apart; `at` is the next line, `in_run` of the
 * current run are done. */
typedef struct ahead {
    const char *at;
    size_t ld;
    int run, in_run, left;
} ahead;

static inline __attribute__((always_inline)) void ask(ahead *h)
{
    _mm_prefetch(h->at, _MM_HINT_T1);
    h->at += 64;
    if (++h->in_run < h->run) return;
    h->at += h->ld - (size_t)h->run * 64;
    h->in_run = 0;
    h->left--;
}

/* What a tile asks for on its way: some lines of the next panel, and the next tile of c. */
typedef struct asking {
    ahead panel, c;
    int lines; /* of the panel */
} asking;

/* c = from + a b + bias, and an adapter's part, for one tile; `rows` and `pairs` are constants where this is inlined.
 */
static inline __attribute__((always_inline)) void tile(int rows, bool pairs, const uint32_t *a, const uint32_t *b,
                                                       int steps, target t, asking *q)
{
    enum {
        GROUP = 16
    };
    vf sum[MR][2];
    float edge[MR * NR], bias[NR] = { 0 };
    const int n = t.n, groups = (steps + GROUP - 1) / GROUP;
    const int of_panel = (q->lines + groups - 1) / groups, of_c = (q->c.run * q->c.left + groups - 1) / groups;
    const size_t from_ld = t.ld;
    float *at = t.c;
    const float *from = t.from;
    size_t ld = t.ld;
    if (n < NR) { /* the last columns: work on a padded copy */
        at = edge;
        ld = NR;
        for (int m = 0; m < rows && from; m++)
            memcpy(edge + m * NR, from + (size_t)m * from_ld, (size_t)n * sizeof *edge);
    }
    const float *start = n < NR ? edge : from;
    if (t.bias) memcpy(bias, t.bias, (size_t)n * sizeof *bias);
#pragma GCC unroll 14
    for (int m = 0; m < rows; m++) {
        sum[m][0] = from ? vf_load(start + (size_t)m * ld) : vf_set(0);
        sum[m][1] = from ? vf_load(start + (size_t)m * ld + W) : vf_set(0);
    }
    for (int k0 = 0, k1; k0 < steps; k0 = k1) {
        k1 = steps - k0 < GROUP ? steps : k0 + GROUP;
        for (int i = 0; i < of_panel && q->panel.left > 0; i++) ask(&q->panel);
        for (int i = 0; i < of_c && q->c.left > 0; i++) ask(&q->c);
        for (int k = k0; k < k1; k++, a += MR, b += NR) {
#if BF16_PAIRS
            if (pairs) {
                __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + W);
#pragma GCC unroll 14
                for (int m = 0; m < rows; m++) {
                    __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[m]);
                    sum[m][0] = _mm512_dpbf16_ps(sum[m][0], x, b0);
                    sum[m][1] = _mm512_dpbf16_ps(sum[m][1], x, b1);
                }
                continue;
            }
#else
            (void)pairs;
#endif
            const float *fa = (const float *)(const void *)a, *fb = (const float *)(const void *)b;
            vf b0 = vf_load(fb), b1 = vf_load(fb + W);
#pragma GCC unroll 14
            for (int m = 0; m < rows; m++) {
                vf x = vf_set(fa[m]);
                sum[m][0] = vf_fma(x, b0, sum[m][0]);
                sum[m][1] = vf_fma(x, b1, sum[m][1]);
            }
        }
        if (k1 < steps) continue;
        if (t.bias) {
#pragma GCC unroll 14
            for (int m = 0; m < rows; m++) {
                sum[m][0] += vf_load(bias);
                sum[m][1] += vf_load(bias + W);
            }
        }
        t.bias = NULL;
        a = t.low; /* and once more, where there is something */
        steps = t.low_steps;
        t.low_steps = k1 = 0;
    }
#pragma GCC unroll 14
    for (int m = 0; m < rows; m++) {
        vf_store(at + (size_t)m * ld, sum[m][0]);
        vf_store(at + (size_t)m * ld + W, sum[m][1]);
    }
    if (n < NR)
        for (int m = 0; m < rows; m++) memcpy(t.c + (size_t)m * t.ld, edge + m * NR, (size_t)n * sizeof *edge);
}

#define TL_TILE_ARGS const uint32_t *a, const uint32_t *b, int steps, target t, asking *q
typedef void tile_fn(TL_TILE_ARGS);

/* One function for each number of rows: registers are named in the code, not counted at run time. */
#define TL_TILE_OF(rows)                                                                                               \
    static void tile_pairs_##rows(TL_TILE_ARGS)                                                                        \
    {                                                                                                                  \
        tile(rows, true, a, b, steps, t, q);                                                                           \
    }                                                                                                                  \
    static void tile_floats_##rows(TL_TILE_ARGS)                                                                       \
    {                                                                                                                  \
        tile(rows, false, a, b, steps, t, q);                                                                          \
    }
TL_TILE_OF(1)
TL_TILE_OF(2)
TL_TILE_OF(3)
TL_TILE_OF(4)
TL_TILE_OF(5)
TL_TILE_OF(6)
#ifdef __AVX512F__
TL_TILE_OF(7)
TL_TILE_OF(8)
TL_TILE_OF(9)
TL_TILE_OF(10)
TL_TILE_OF(11)
TL_TILE_OF(12)
TL_TILE_OF(13)
TL_TILE_OF(14)
#endif

/* Of floats, of pairs. */
static tile_fn *const tiles_of[MR][2] = {
    { tile_floats_1, tile_pairs_1 },   { tile_floats_2, tile_pairs_2 },   { tile_floats_3, tile_pairs_3 },
    { tile_floats_4, tile_pairs_4 },   { tile_floats_5, tile_pairs_5 },   { tile_floats_6, tile_pairs_6 },
#ifdef __AVX512F__
    { tile_floats_7, tile_pairs_7 },   { tile_floats_8, tile_pairs_8 },   { tile_floats_9, tile_pairs_9 },
    { tile_floats_10, tile_pairs_10 }, { tile_floats_11, tile_pairs_11 }, { tile_floats_12, tile_pairs_12 },
    { tile_floats_13, tile_pairs_13 }, { tile_floats_14, tile_pairs_14 },
#endif
};

#if AMX
enum {
    T_C, /* 0..3: c, rows 0..15 and 16..31 by columns 0..15 and 16..31 */
    T_A = 4,
    T_B = 6
};

/* Every tile is 16 rows of 64 bytes. */
static void tiles_configure(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } c = { .palette = 1 };
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = TILE;
    }
    _tile_loadconfig(&c);
}

/* c = from + a b + bias for rows <= 32 rows: a [rows][KC] pairs, b [words][NR] pairs, words a multiple of TILE.  Rows
 * of a past the last are whatever lies in the scratch; their sums are dropped. */
static void amx_tile(int rows, const uint32_t *a, const uint32_t *b, int words, target t)
{
    float edge[2 * TILE * NR];
    const bool whole = rows == 2 * TILE && t.n == NR && !t.bias;
    const bool second = rows > TILE;
    float *at = whole ? t.c : edge;
    const size_t ld = (whole ? t.ld : NR) * sizeof *at;
    if (t.from && !whole)
        for (int m = 0; m < rows; m++) memcpy(edge + m * NR, t.from + (size_t)m * t.ld, (size_t)t.n * sizeof *edge);
    const float *from = whole ? t.from : edge;
    if (t.from) {
        _tile_loadd(0, from, ld);
        _tile_loadd(1, from + TILE, ld);
        if (second) {
            _tile_loadd(2, (const char *)from + TILE * ld, ld);
            _tile_loadd(3, (const char *)from + TILE * ld + 64, ld);
        }
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int w = 0; w < words; w += TILE) {
        _tile_loadd(6, b + (size_t)w * NR, NR * 4);
        _tile_loadd(7, b + (size_t)w * NR + TILE, NR * 4);
        _tile_loadd(4, a + w, KC * 4);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (!second) continue;
        _tile_loadd(5, a + (size_t)TILE * KC + w, KC * 4);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, at, ld);
    _tile_stored(1, at + TILE, ld);
    if (second) {
        _tile_stored(2, (char *)at + TILE * ld, ld);
        _tile_stored(3, (char *)at + TILE * ld + 64, ld);
    }
    if (whole) return;
    for (int m = 0; m < rows; m++) {
        float *c = t.c + (size_t)m * t.ld;
        for (int n = 0; n < t.n; n++) c[n] = t.bias ? edge[m * NR + n] + t.bias[n] : edge[m * NR + n];
    }
}
#endif

#endif
