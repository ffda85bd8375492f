/* linear_cpu.c - the three matrix products, one loop nest.
 *
 *     for m, n:  c[m][n] = from[m][n] + (sum over k, in order, of a[m][k] * b[k][n]) + bias[n]
 *
 * The forward, the gradient to the input and the gradient to the weight are this loop with a and b read along different
 * strides; packing hides the strides, so one micro-kernel serves all three.  Weights are read as they lie, row-major:
 * nothing is repacked at load.
 *
 * Packed numbers come in words of four bytes: an f32, or two bf16s that are neighbours along k (a pair).  b is packed
 * into panels of NR columns, KC words deep.  Where b lies by columns (the forward: a weight's row is a column) a panel
 * is a transposition: 16 x 16 words turn in registers, 64 shuffles for a kilobyte.  Where it lies by k, two rows are
 * interleaved.  A slab of KC x NC words (512 KiB) stays in the second-level cache while every tile of a passes over it;
 * a tile of a (MR x 256 words, 14 KiB) stays in the first.  c is reloaded once per KC words.
 *
 * The micro-kernel holds an MR x NR tile of c in registers and walks k: two vectors of b, MR broadcasts of a, 2 MR
 * multiply-adds.  AVX-512 has 32 registers: 14 x 2 sums, 2 of b, 1 broadcast, 1 spare; AVX2 has 16: 6 x 2 sums.
 * At 14 x 32 each loaded word of b meets 14 rows, so the units, not the loads, are the limit.
 *
 * With AMX a panel of pairs is what its tiles want already ([k/2][n][2]): 2 x 2 tiles of c, 32 x 32, take 16 pairs a
 * step.  An AMX step sums even and odd products apart and then together, and flushes denormals: another order than
 * vdpbf16ps, the same for every M.
 *
 * Few rows (M <= FEW: decoding) cannot hide the packing behind the product: panels are packed a few at a time, so that
 * they are still near when they are used, and the rows ahead are prefetched; memory is the limit then.
 *
 * Threads split columns - the panels of all products of a list, so that no panel is packed twice - or rows where
 * columns are few.  Neither changes a sum: each element of c is one chain along k, the same for every M.  Without
 * vdpbf16ps both factors are rounded to bf16 while packing and the f32 chain is used. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/simd.h"

#include <assert.h>
#include <omp.h>

enum {
    NR = 2 * W,
    KC = 256, /* words */
    NC = 512,
    NC_FEW = 128,
    AHEAD = 512 /* bytes of a weight's row that are asked for ahead of their use */
};
#ifdef __AVX512F__
enum {
    MR = 14
};
#else
enum {
    MR = 6
};
#endif

#ifdef __AVX512BF16__
#define BF16_PAIRS 1
#else
#define BF16_PAIRS 0
#endif
#ifdef __AMX_BF16__
#define AMX 1
#else
#define AMX 0
#endif

enum {
    TILE = 16,                      /* rows and words of an AMX tile */
    MR_PAIRS = AMX ? 2 * TILE : MR, /* rows of a tile of pairs */
    FEW = MR
};

typedef struct product {
    int M, N, K;
    const float *a; /* a(m,k) = a[m * lda + k], or a[k * lda + m] where a_by_k */
    int lda;
    bool a_by_k;
    const void *b; /* b(k,n) = b[n * ldb + k], or b[k * ldb + n] where b_by_k; f32 or bf16 */
    tl_dtype b_type;
    int ldb;
    bool b_by_k;
    float *c;          /* [M, N] */
    const float *from; /* [M, N], what c starts from: c itself, or apart from it; NULL: zero */
    const float *bias; /* [N], added last; NULL: none */
    tl_precision precision;
} product;

/* ---- packing ---- */

static inline float rounded(float x)
{
    return tl_bf16_to_f32(tl_f32_to_bf16(x));
}

static void rows_to_f32(float *out, const void *row, tl_dtype type, size_t from, int n, tl_precision precision)
{
    if (type == TL_DTYPE_BF16) {
        const uint16_t *p = (const uint16_t *)row + from;
        for (int i = 0; i < n; i++) out[i] = tl_bf16_to_f32(p[i]);
    } else {
        const float *p = (const float *)row + from;
        if (precision == TL_PRECISION_BF16)
            for (int i = 0; i < n; i++) out[i] = rounded(p[i]);
        else
            memcpy(out, p, (size_t)n * sizeof *out);
    }
}

#ifdef __AVX512F__
/* 16 x 16 words turned over their diagonal. */
static inline __attribute__((always_inline)) void transpose(__m512i *r)
{
    __m512i t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) { /* pairs of rows: words interleaved */
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* fours: r[i + j] holds column j of each quarter */
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) { /* quarters gathered over the four fours */
        __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88), b = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
        __m512i c = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd), d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
        t[j] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[8 + j] = _mm512_shuffle_i32x4(a, b, 0xdd);
        t[4 + j] = _mm512_shuffle_i32x4(c, d, 0x88);
        t[12 + j] = _mm512_shuffle_i32x4(c, d, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) r[i] = t[i];
}

/* n <= 16 floats from p, as factors of the precision, zeros behind. */
static inline __m512i floats_of(const void *p, tl_dtype type, size_t from, int n, bool narrow)
{
    __mmask16 mask = (__mmask16)((1u << n) - 1);
    if (type == TL_DTYPE_BF16) {
        __m256i v = _mm256_maskz_loadu_epi16(mask, (const uint16_t *)p + from);
        return _mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16);
    }
    __m512 v = _mm512_maskz_loadu_ps(mask, (const float *)p + from);
    if (!narrow) return _mm512_castps_si512(v);
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v)), 16);
}

/* n <= 32 bf16s from p: 16 pairs, zeros behind. */
static inline __m512i pairs_of(const void *p, tl_dtype type, size_t from, int n)
{
    __mmask32 mask = n >= 32 ? ~(__mmask32)0 : (((__mmask32)1 << n) - 1);
    if (type == TL_DTYPE_BF16) return _mm512_maskz_loadu_epi16(mask, (const uint16_t *)p + from);
    const float *f = (const float *)p + from;
    __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, f);
    __m512 high = n > 16 ? _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), f + 16) : _mm512_setzero_ps();
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* n <= 16 pairs of p's rows k and k + 1 (only the first where odd is false): neighbours along k, side by side. */
static inline __m512i pairs_across(const void *p, tl_dtype type, size_t from, size_t ld, int n, bool odd)
{
    __mmask16 mask = (__mmask16)((1u << n) - 1);
    __m256i even, next = _mm256_setzero_si256();
    if (type == TL_DTYPE_BF16) {
        even = _mm256_maskz_loadu_epi16(mask, (const uint16_t *)p + from);
        if (odd) next = _mm256_maskz_loadu_epi16(mask, (const uint16_t *)p + from + ld);
    } else {
        even = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, (const float *)p + from));
        if (odd) next = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, (const float *)p + from + ld));
    }
    return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(next), 16));
}

/* 16 rows of b from n on, words k0 .. k0+15 of them (k0 in numbers), turned: r[i] holds word i of every row. */
static inline __attribute__((always_inline)) void turned_rows(__m512i *r, const product *p, bool pairs, int k, int left,
                                                              int n0, int nr)
{
    size_t wide = p->b_type == TL_DTYPE_BF16 ? 2 : 4;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        size_t from = (size_t)(n0 + i) * (size_t)p->ldb + (size_t)k;
        if (i >= nr) {
            r[i] = _mm512_setzero_si512();
            continue;
        }
        _mm_prefetch((const char *)p->b + from * wide + AHEAD, _MM_HINT_T0);
        r[i] = pairs ? pairs_of(p->b, p->b_type, from, left)
                     : floats_of(p->b, p->b_type, from, left, p->precision == TL_PRECISION_BF16);
    }
    transpose(r);
}

/* A panel of b: [words][NR], columns past nr zero, as are words past the last up to a tile's end. */
static inline __attribute__((always_inline)) void pack_panel(uint32_t *out, const product *p, bool pairs, int k0,
                                                             int kc, int n0, int nr)
{
    const int each = pairs ? 2 : 1, words = (kc + each - 1) / each;
    const int end = AMX && pairs ? (words + TILE - 1) / TILE * TILE : words;
    if (p->b_by_k) {
        for (int w = 0; w < end; w++) {
            for (int half = 0; half < NR; half += 16) {
                int n = nr - half < 0 ? 0 : nr - half < 16 ? nr - half : 16;
                size_t from = (size_t)(k0 + w * each) * (size_t)p->ldb + (size_t)(n0 + half);
                __m512i v = _mm512_setzero_si512();
                if (w < words && n > 0)
                    v = pairs ? pairs_across(p->b, p->b_type, from, (size_t)p->ldb, n, 2 * w + 1 < kc)
                              : floats_of(p->b, p->b_type, from, n, p->precision == TL_PRECISION_BF16);
                _mm512_storeu_si512(out + (size_t)w * NR + half, v);
            }
        }
        return;
    }
    for (int half = 0; half < NR; half += 16) {
        int n = nr - half < 0 ? 0 : nr - half < 16 ? nr - half : 16;
        for (int w = 0; w < end; w += 16) {
            __m512i r[16];
            int left = kc - w * each;
            if (n == 16 && left >= 16 * each) {
                turned_rows(r, p, pairs, k0 + w * each, 16 * each, n0 + half, 16);
            } else {
                turned_rows(r, p, pairs, k0 + w * each, left < 16 * each ? left : 16 * each, n0 + half, n);
            }
            int stop = end - w < 16 ? end - w : 16;
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                if (i < stop) _mm512_storeu_si512(out + (size_t)(w + i) * NR + half, r[i]);
        }
    }
}

static void pack_b(uint32_t *out, const product *p, int k0, int kc, int n0, int nr)
{
    pack_panel(out, p, false, k0, kc, n0, nr);
}

static void pack_b_pairs(uint32_t *out, const product *p, int k0, int kc, int n0, int nr)
{
    pack_panel(out, p, true, k0, kc, n0, nr);
}

/* A tile of a: [mr][KC] words by rows; or [words][MR] where a lies by k (AMX: by rows always). */
static void pack_a(uint32_t *out, const product *p, int k0, int kc, int m0, int mr)
{
    if (p->a_by_k) {
        for (int k = 0; k < kc; k++) {
            size_t from = (size_t)(k0 + k) * (size_t)p->lda + (size_t)m0;
            __m512i v = floats_of(p->a, TL_DTYPE_F32, from, mr, p->precision == TL_PRECISION_BF16);
            _mm512_mask_storeu_epi32(out + (size_t)k * MR, (__mmask16)((1u << MR) - 1), v);
        }
        return;
    }
    for (int m = 0; m < mr; m++)
        rows_to_f32((float *)(void *)(out + (size_t)m * KC), p->a, TL_DTYPE_F32,
                    (size_t)(m0 + m) * (size_t)p->lda + (size_t)k0, kc, p->precision);
}

static void pack_a_pairs(uint32_t *out, const product *p, int k0, int kc, int m0, int mr)
{
    const int words = (kc + 1) / 2;
    if (!p->a_by_k) {
        for (int m = 0; m < mr; m++) {
            size_t from = (size_t)(m0 + m) * (size_t)p->lda + (size_t)k0;
            for (int w = 0; w < words; w += 16) {
                int left = kc - 2 * w < 32 ? kc - 2 * w : 32;
                _mm512_storeu_si512(out + (size_t)m * KC + w, pairs_of(p->a, TL_DTYPE_F32, from + 2 * (size_t)w, left));
            }
        }
        return;
    }
#if AMX
    for (int half = 0; half < mr; half += 16) {
        int n = mr - half < 16 ? mr - half : 16;
        for (int w = 0; w < words; w += 16) {
            __m512i r[16];
            for (int i = 0; i < 16; i++) {
                size_t from = (size_t)(k0 + 2 * (w + i)) * (size_t)p->lda + (size_t)(m0 + half);
                r[i] = w + i < words ? pairs_across(p->a, TL_DTYPE_F32, from, (size_t)p->lda, n, 2 * (w + i) + 1 < kc)
                                     : _mm512_setzero_si512();
            }
            transpose(r);
            for (int i = 0; i < n; i++) _mm512_storeu_si512(out + (size_t)(half + i) * KC + w, r[i]);
        }
    }
#else
    for (int w = 0; w < words; w++) {
        size_t from = (size_t)(k0 + 2 * w) * (size_t)p->lda + (size_t)m0;
        __m512i v = pairs_across(p->a, TL_DTYPE_F32, from, (size_t)p->lda, mr, 2 * w + 1 < kc);
        _mm512_mask_storeu_epi32(out + (size_t)w * MR, (__mmask16)((1u << MR) - 1), v);
    }
#endif
}
#else
/* A panel of b: [kc][NR], columns past nr zero. */
static void pack_b(uint32_t *words, const product *p, int k0, int kc, int n0, int nr)
{
    float row[KC], *out = (float *)(void *)words;
    if (p->b_by_k) {
        for (int k = 0; k < kc; k++) {
            float *o = out + (size_t)k * NR;
            rows_to_f32(o, p->b, p->b_type, (size_t)(k0 + k) * (size_t)p->ldb + (size_t)n0, nr, p->precision);
            for (int n = nr; n < NR; n++) o[n] = 0;
        }
        return;
    }
    for (int n = 0; n < NR; n++) {
        if (n < nr)
            rows_to_f32(row, p->b, p->b_type, (size_t)(n0 + n) * (size_t)p->ldb + (size_t)k0, kc, p->precision);
        else
            memset(row, 0, sizeof row);
        for (int k = 0; k < kc; k++) out[(size_t)k * NR + (size_t)n] = row[k];
    }
}

/* A tile of a: [mr][KC] by rows, or [kc][MR] where a lies by k. */
static void pack_a(uint32_t *words, const product *p, int k0, int kc, int m0, int mr)
{
    float *out = (float *)(void *)words;
    if (p->a_by_k) {
        for (int k = 0; k < kc; k++)
            rows_to_f32(out + (size_t)k * MR, p->a, TL_DTYPE_F32, (size_t)(k0 + k) * (size_t)p->lda + (size_t)m0, mr,
                        p->precision);
        return;
    }
    for (int m = 0; m < mr; m++)
        rows_to_f32(out + (size_t)m * KC, p->a, TL_DTYPE_F32, (size_t)(m0 + m) * (size_t)p->lda + (size_t)k0, kc,
                    p->precision);
}
#endif

/* ---- the micro-kernel ---- */

/* What a tile reads and writes besides a and b: c [rows][n] with row stride ld. */
typedef struct target {
    float *c;
    const float *from; /* NULL: the sums start at zero */
    const float *bias; /* NULL: none, or not yet */
    size_t ld;
    int n;
} target;

/* c = from + a b + bias for one tile: `rows`, `row_stride` and `k_stride` are constants where this is inlined. */
static inline __attribute__((always_inline)) void tile(int rows, size_t row_stride, size_t k_stride, bool pairs,
                                                       const void *a, const void *b, int steps, target t)
{
    vf sum[MR][2];
    float edge[MR * NR], bias[NR] = { 0 };
    const int n = t.n;
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
    for (int k = 0; k < steps; k++) {
#if BF16_PAIRS
        if (pairs) {
            const uint32_t *pa = (const uint32_t *)a + (size_t)k * k_stride;
            __m512bh b0 = (__m512bh)_mm512_loadu_si512((const uint32_t *)b + (size_t)k * NR);
            __m512bh b1 = (__m512bh)_mm512_loadu_si512((const uint32_t *)b + (size_t)k * NR + W);
#pragma GCC unroll 14
            for (int m = 0; m < rows; m++) {
                __m512bh x = (__m512bh)_mm512_set1_epi32((int)pa[(size_t)m * row_stride]);
                sum[m][0] = _mm512_dpbf16_ps(sum[m][0], x, b0);
                sum[m][1] = _mm512_dpbf16_ps(sum[m][1], x, b1);
            }
            continue;
        }
#else
        (void)pairs;
#endif
        const float *pa = (const float *)a + (size_t)k * k_stride;
        vf b0 = vf_load((const float *)b + (size_t)k * NR), b1 = vf_load((const float *)b + (size_t)k * NR + W);
#pragma GCC unroll 14
        for (int m = 0; m < rows; m++) {
            vf x = vf_set(pa[(size_t)m * row_stride]);
            sum[m][0] = vf_fma(x, b0, sum[m][0]);
            sum[m][1] = vf_fma(x, b1, sum[m][1]);
        }
    }
#pragma GCC unroll 14
    for (int m = 0; m < rows; m++) {
        if (t.bias) {
            sum[m][0] += vf_load(bias);
            sum[m][1] += vf_load(bias + W);
        }
        vf_store(at + (size_t)m * ld, sum[m][0]);
        vf_store(at + (size_t)m * ld + W, sum[m][1]);
    }
    if (n < NR)
        for (int m = 0; m < rows; m++) memcpy(t.c + (size_t)m * t.ld, edge + m * NR, (size_t)n * sizeof *edge);
}

/* A tile of mr rows, whole or in the pieces the compiler has whole loops for. */
static inline __attribute__((always_inline)) void tiles(int mr, size_t row_stride, size_t k_stride, bool pairs,
                                                        const char *a, const void *b, int steps, target t)
{
    if (mr == MR) {
        tile(MR, row_stride, k_stride, pairs, a, b, steps, t);
        return;
    }
    size_t bytes = row_stride * 4; /* of a word */
    for (int m = 0; m < mr;) {
        int rows = mr - m >= 8 ? 8 : mr - m >= 4 ? 4 : mr - m >= 2 ? 2 : 1;
        if (rows == 8 && MR >= 8)
            tile(8, row_stride, k_stride, pairs, a, b, steps, t);
        else if (rows == 4)
            tile(4, row_stride, k_stride, pairs, a, b, steps, t);
        else if (rows == 2)
            tile(2, row_stride, k_stride, pairs, a, b, steps, t);
        else
            tile(1, row_stride, k_stride, pairs, a, b, steps, t);
        m += rows;
        a += (size_t)rows * bytes;
        t.c += (size_t)rows * t.ld;
        if (t.from) t.from += (size_t)rows * t.ld;
    }
}

#if AMX
/* ---- the AMX tile ---- */

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

/* Rows m0..m1 and columns n0..n1 of the product, by one thread with its scratch. */
static void block(const product *p, int m0, int m1, int n0, int n1, char *scratch)
{
    const bool pairs = BF16_PAIRS && p->precision == TL_PRECISION_BF16;
    const int depth = pairs ? 2 * KC : KC, mr_most = pairs ? MR_PAIRS : MR, nc_most = m1 - m0 <= FEW ? NC_FEW : NC;
    uint32_t *slab = (uint32_t *)(void *)scratch; /* [NC/NR][KC][NR] */
    uint32_t *ta = slab + (size_t)KC * NC;        /* [MR_PAIRS][KC] */
    for (int nc = n0; nc < n1; nc += nc_most) {
        int n_end = nc + nc_most < n1 ? nc + nc_most : n1;
        for (int k0 = 0; k0 < p->K; k0 += depth) {
            int kc = p->K - k0 < depth ? p->K - k0 : depth;
            const float *from = k0 > 0 ? p->c : p->from;
            const float *bias = k0 + kc == p->K ? p->bias : NULL;
            int words = pairs ? (kc + 1) / 2 : kc;
            for (int n = nc; n < n_end; n += NR) {
                int nr = n_end - n < NR ? n_end - n : NR;
                uint32_t *panel = slab + (size_t)(n - nc) * KC;
#if BF16_PAIRS
                if (pairs) {
                    pack_b_pairs(panel, p, k0, kc, n, nr);
                    continue;
                }
#endif
                pack_b(panel, p, k0, kc, n, nr);
            }
            for (int m = m0; m < m1; m += mr_most) {
                int mr = m1 - m < mr_most ? m1 - m : mr_most;
#if BF16_PAIRS
                if (pairs)
                    pack_a_pairs(ta, p, k0, kc, m, mr);
                else
#endif
                    pack_a(ta, p, k0, kc, m, mr);
                for (int n = nc; n < n_end; n += NR) {
                    int nr = n_end - n < NR ? n_end - n : NR;
                    const uint32_t *panel = slab + (size_t)(n - nc) * KC;
                    size_t at = (size_t)m * (size_t)p->N + (size_t)n;
                    target t = { p->c + at, from ? from + at : NULL, bias ? bias + n : NULL, (size_t)p->N, nr };
                    const char *a = (const char *)ta;
#if AMX
                    if (pairs) {
                        amx_tile(mr, ta, panel, (words + TILE - 1) / TILE * TILE, t);
                        continue;
                    }
#endif
                    if (p->a_by_k && pairs)
                        tiles(mr, 1, MR, true, a, panel, words, t);
                    else if (p->a_by_k)
                        tiles(mr, 1, MR, false, a, panel, words, t);
                    else if (pairs)
                        tiles(mr, KC, 1, true, a, panel, words, t);
                    else
                        tiles(mr, KC, 1, false, a, panel, words, t);
                }
            }
        }
    }
}

_Static_assert(((size_t)KC * NC + (size_t)MR_PAIRS * KC) * 4 <= TL_PRODUCT_SCRATCH,
               "the stream's scratch holds a slab and a tile");

/* How the products of a list are laid side by side. */
typedef enum list_kind {
    ABREAST, /* each has columns of its own: threads split all panels of the list */
    STACKED, /* all add to the same c: a thread does its columns of one after the other */
} list_kind;

static int panels_of(const product *p)
{
    return (p->N + NR - 1) / NR;
}

/* Panels from .. to of one product, all rows. */
static void columns(const product *p, int from, int to, char *scratch)
{
    int n1 = to * NR < p->N ? to * NR : p->N;
    if (from * NR < n1) block(p, 0, p->M, from * NR, n1, scratch);
}

/* A list of products of one M. */
static void multiply(tl_stream *s, const product *list, int count, list_kind kind)
{
    int M = list[0].M, all = 0;
    double work = 0;
    if (M <= 0) return;
    for (int i = 0; i < count; i++) {
        assert(list[i].N > 0 && list[i].K > 0);
        all = kind == ABREAST ? all + panels_of(&list[i]) : panels_of(&list[i]);
        work += (double)M * list[i].N * list[i].K;
    }
    int tiles_m = (M + MR_PAIRS - 1) / MR_PAIRS;
    /* Below a quarter of a million multiply-adds, waking a second thread costs more than it saves. */
    int threads = work < 250000 ? 1 : s->threads;
    bool by_rows = all < 4 * threads && tiles_m > all;
    int parts = by_rows ? tiles_m : all;
    if (threads > parts) threads = parts;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int t = omp_get_thread_num(), n = omp_get_num_threads();
        int from = (int)((long)parts * t / n), to = (int)((long)parts * (t + 1) / n);
        char *scratch = s->scratch + (size_t)t * s->scratch_each;
#if AMX
        if (list[0].precision == TL_PRECISION_BF16) tiles_configure();
#endif
        for (int i = 0; i < count; i++) {
            const product *p = &list[i];
            if (by_rows) {
                int m1 = to * MR_PAIRS < M ? to * MR_PAIRS : M;
                if (from * MR_PAIRS < m1) block(p, from * MR_PAIRS, m1, 0, p->N, scratch);
            } else if (kind == STACKED) {
                columns(p, from, to, scratch);
            } else { /* panels count on from product to product */
                int here = panels_of(p);
                int first = from < 0 ? 0 : from, last = to < here ? to : here;
                if (first < last) columns(p, first, last, scratch);
                from -= here;
                to -= here;
            }
        }
#if AMX
        if (list[0].precision == TL_PRECISION_BF16) _tile_release();
#endif
    }
}

enum {
    LIST_MOST = 8 /* products of a layer are 7 */
};

void TL_CPU(linear)(tl_stream *s, const tl_product *list, int n, const float *x, int N, int I)
{
    product p[LIST_MOST];
    assert(n > 0 && n <= LIST_MOST);
    for (int i = 0; i < n; i++)
        p[i] = (product){ .M = N,
                          .N = list[i].O,
                          .K = I,
                          .a = x,
                          .lda = I,
                          .b = list[i].w.data,
                          .b_type = list[i].w.dtype,
                          .ldb = I,
                          .c = list[i].y,
                          .from = list[i].add,
                          .bias = list[i].bias,
                          .precision = s->precision };
    multiply(s, p, n, ABREAST);
}

/* dx[n][i] = sum over o of dy[n][o] w[o][i]. */
void TL_CPU(linear_dx)(tl_stream *s, float *dx, const tl_product_back *list, int n, int N, int I, bool accumulate)
{
    product p[LIST_MOST];
    assert(n > 0 && n <= LIST_MOST);
    for (int i = 0; i < n; i++)
        p[i] = (product){ .M = N,
                          .N = I,
                          .K = list[i].O,
                          .a = list[i].dy,
                          .lda = list[i].O,
                          .b = list[i].w.data,
                          .b_type = list[i].w.dtype,
                          .ldb = I,
                          .b_by_k = true,
                          .c = dx,
                          .from = accumulate || i > 0 ? dx : NULL,
                          .precision = s->precision };
    multiply(s, p, n, STACKED);
}

/* dw[o][i] = sum over n of dy[n][o] x[n][i]. */
void TL_CPU(linear_dw)(tl_stream *s, float *dw, const float *dy, const float *x, int N, int O, int I, bool accumulate)
{
    product p = { .M = O,
                  .N = I,
                  .K = N,
                  .a = dy,
                  .lda = O,
                  .a_by_k = true,
                  .b = x,
                  .b_type = TL_DTYPE_F32,
                  .ldb = I,
                  .b_by_k = true,
                  .c = dw,
                  .from = accumulate ? dw : NULL,
                  .precision = s->precision };
    multiply(s, &p, 1, STACKED);
}
