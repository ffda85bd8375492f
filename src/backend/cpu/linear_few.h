/* linear_few.h - products of few rows, straight from where their numbers lie, through registers only.
 *
 * Decoding multiplies every weight with one row, or a few; an adapter's products have its rank for a dimension.  What
 * meets so few rows must not have anything done to it that costs more than reading it from memory.  The few rows are
 * packed as words, [words][M]; the large matrix is taken 16 columns (2 x 16 where it lies by k) and 16 words at
 * a time, in two ways:
 *
 *     by columns    16 of them, 16 words of each, are turned over in registers; word k of all 16 is then one vector
 *     by k          rows k and k + 1 are zipped to pairs in registers
 *
 * and each of the sums takes its step along k.  That is the chain of linear_tile.h, so the bits are the same for every
 * M. A thin c - few columns, many rows - is the same product turned over, its sums turned back when they are stored.
 *
 * Turning costs 64 shuffles a kilobyte: 16 bytes a cycle, more than a core's share of memory.  Sixteen columns are
 * sixteen streams, more than memory likes: read so it gave 20 to 24 GB/s where one stream a thread gave 28 to 30.  So a
 * thread asks for lines in the order in which they lie, LEAD bytes before it comes to them, into its second-level
 * cache; there sixteen streams are fine. */
#ifndef TL_BACKEND_CPU_LINEAR_FEW_H
#define TL_BACKEND_CPU_LINEAR_FEW_H

#include "backend/cpu/linear_pack.h"

#ifdef __AVX512F__
enum {
    FEW = 8,       /* rows of sums held at a time */
    FEW_MOST = 16, /* rows of a product that goes this way */
    LEAD = 96 << 10
};

/* Columns n0 .. n1-1 of a product. */
typedef struct few_part {
    const product *p;
    int n0, n1;
} few_part;

/* What a thread asks for: the lines up to end, then those from `then` on. */
typedef struct few_ahead {
    const char *at, *end, *then, *then_end;
} few_ahead;

/* The next n lines. */
static inline __attribute__((always_inline)) void ask_few(few_ahead *h, int n)
{
    const char *at = h->at;
#pragma GCC unroll 32
    for (int i = 0; i < n; i++) _mm_prefetch(at + i * 64, _MM_HINT_T1);
    h->at = at + n * 64;
    if (h->at < h->end) return;
    h->at = h->then;
    h->end = h->then_end;
}

/* Steps along k. */
static inline int few_words(const product *p)
{
    return (p->K + each_of(in_pairs(p)) - 1) / each_of(in_pairs(p));
}

/* The few rows as words: [words][M].  Each step's store runs past its M words, into what the next one writes. */
static void few_pack(uint32_t *out, const product *p)
{
    const bool pairs = in_pairs(p), narrow = p->precision == TL_PRECISION_BF16;
    if (p->a_by_k)
        pack_across(out, (size_t)p->M, p->a, TL_DTYPE_F32, 0, (size_t)p->lda, p->M, p->K, few_words(p), pairs, narrow);
    else
        pack_turned(out, (size_t)p->M, p->a, TL_DTYPE_F32, 0, (size_t)p->lda, p->M, p->K, few_words(p), pairs, narrow);
}

/* Sums m0 .. m0+M-1 of nr <= 16 columns from n0 on: where they start, and where they end up.  Called once for a whole
 * chain along k, so they are functions, and `sum` lies in memory. */
static __attribute__((noinline)) void few_begin(vf *sum, int M, const product *p, int m0, int n0, int nr)
{
    const __mmask16 mask = mask16(nr);
    if (!p->from) {
        for (int m = 0; m < M; m++) sum[m] = vf_set(0);
    } else if (!p->c_turned) {
        for (int m = 0; m < M; m++)
            sum[m] = _mm512_maskz_loadu_ps(mask, p->from + (size_t)(m0 + m) * (size_t)p->N + (size_t)n0);
    } else {
        __m512i r[16];
        for (int i = 0; i < 16; i++)
            r[i] = i < nr ? _mm512_maskz_loadu_epi32(mask16(M), p->from + (size_t)(n0 + i) * (size_t)p->M + (size_t)m0)
                          : _mm512_setzero_si512();
        transpose(r);
        for (int m = 0; m < M; m++) sum[m] = vf_of(r[m]);
    }
}

static __attribute__((noinline)) void few_end(vf *sum, int M, const product *p, int m0, int n0, int nr)
{
    const __mmask16 mask = mask16(nr);
    if (!p->c_turned) {
        for (int m = 0; m < M; m++) {
            if (p->bias) sum[m] += _mm512_maskz_loadu_ps(mask, p->bias + n0);
            _mm512_mask_storeu_ps(p->c + (size_t)(m0 + m) * (size_t)p->N + (size_t)n0, mask, sum[m]);
        }
        return;
    }
    __m512i r[16];
    for (int i = 0; i < 16; i++) r[i] = i < M ? vi_of(sum[i]) : _mm512_setzero_si512();
    transpose(r);
    for (int i = 0; i < nr; i++)
        _mm512_mask_storeu_epi32(p->c + (size_t)(n0 + i) * (size_t)p->M + (size_t)m0, mask16(M), r[i]);
}

/* The last words, or columns, of a matrix turned: rare, so one function for all. */
static __attribute__((noinline)) void turned_part(__m512i *r, const product *p, bool pairs, size_t from, int rows,
                                                  int left)
{
    const int most = 16 * each_of(pairs);
    turned(r, p->b, p->b_type, from, (size_t)p->ldb, rows, left < most ? left : most, pairs,
           p->precision == TL_PRECISION_BF16);
}

static inline __attribute__((always_inline)) vf few_step(vf sum, bool pairs, uint32_t a, __m512i b)
{
    __m512i x = _mm512_set1_epi32((int)a);
    return pairs ? _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)b) : _mm512_fmadd_ps(vf_of(x), vf_of(b), sum);
}

/* 16 columns that lie by themselves; M, pairs and the type are constants where this is inlined. */
static inline __attribute__((always_inline)) void few_turned(int M, bool pairs, tl_dtype type, const product *p,
                                                             const uint32_t *x, int m0, int n0, int nr,
                                                             few_ahead *ahead)
{
    const bool narrow = p->precision == TL_PRECISION_BF16;
    const int each = each_of(pairs), words = few_words(p), whole = nr == 16 ? p->K / each / 16 * 16 : 0;
    const int lines = each * (type == TL_DTYPE_BF16 ? 2 : 4) * 4; /* of 16 words of 16 columns */
    const size_t ld = (size_t)p->ldb, first = (size_t)n0 * ld, stride = (size_t)p->M;
    vf ends[FEW], sum[FEW];
    few_begin(ends, M, p, m0, n0, nr);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) sum[m] = ends[m];
    x += m0;
    for (int w = 0; w < whole; w += 16) {
        __m512i r[16];
        ask_few(ahead, lines);
        turned(r, p->b, type, first + (size_t)(w * each), ld, 16, 16 * each, pairs, narrow);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++, x += stride)
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) sum[m] = few_step(sum[m], pairs, x[m], r[i]);
    }
    for (int w = whole; w < words; w += 16) {
        __m512i part[16];
        turned_part(part, p, pairs, first + (size_t)(w * each), nr, p->K - w * each);
        for (int i = 0; i < 16 && w + i < words; i++, x += stride)
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) sum[m] = few_step(sum[m], pairs, x[m], part[i]);
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) ends[m] = sum[m];
    few_end(ends, M, p, m0, n0, nr);
}

/* 2 x 16 columns of a matrix that lies by k, which is f32: activations and gradients. */
static inline __attribute__((always_inline)) void few_across(int M, bool pairs, const product *p, const uint32_t *x,
                                                             int m0, int n0, int nr)
{
    enum {
        STEPS = 16
    };
    const bool narrow = p->precision == TL_PRECISION_BF16;
    const int each = each_of(pairs), words = few_words(p), low = nr < 16 ? nr : 16, high = nr - low;
    const size_t ld = (size_t)p->ldb;
    vf ends[2][FEW], sum[2][FEW];
    few_begin(ends[0], M, p, m0, n0, low);
    few_begin(ends[1], M, p, m0, n0 + 16, high);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
        sum[0][m] = ends[0][m];
        sum[1][m] = ends[1][m];
    }
    x += m0;
    for (int w = 0; w < words; w++, x += p->M) {
        const size_t at = (size_t)w * (size_t)each * ld + (size_t)n0;
        const float *next = (const float *)p->b + at + (size_t)(STEPS * each) * ld;
        for (int i = 0; i < each; i++, next += ld) {
            _mm_prefetch((const char *)next, _MM_HINT_T0);
            _mm_prefetch((const char *)(next + 16), _MM_HINT_T0);
        }
        const bool odd = (w + 1) * each <= p->K;
        __m512i b0 =
            pairs ? pairs_across(p->b, TL_DTYPE_F32, at, ld, low, odd) : floats_of(p->b, TL_DTYPE_F32, at, low, narrow);
        __m512i b1 = pairs ? pairs_across(p->b, TL_DTYPE_F32, at + 16, ld, high, odd)
                           : floats_of(p->b, TL_DTYPE_F32, at + 16, high, narrow);
#pragma GCC unroll 8
        for (int m = 0; m < M; m++) {
            sum[0][m] = few_step(sum[0][m], pairs, x[m], b0);
            sum[1][m] = few_step(sum[1][m], pairs, x[m], b1);
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
        ends[0][m] = sum[0][m];
        ends[1][m] = sum[1][m];
    }
    few_end(ends[0], M, p, m0, n0, low);
    few_end(ends[1], M, p, m0, n0 + 16, high);
}

/* Columns that a call takes. */
static inline int few_wide(const product *p)
{
    return p->b_by_k ? 32 : 16;
}

typedef void few_fn(const product *p, const uint32_t *x, int m0, int n0, int nr, few_ahead *ahead);

#define TL_FEW_OF(M)                                                                                                   \
    static void few_##M(const product *p, const uint32_t *x, int m0, int n0, int nr, few_ahead *ahead)                 \
    {                                                                                                                  \
        const bool bf16 = p->b_type == TL_DTYPE_BF16;                                                                  \
        if (p->b_by_k && in_pairs(p))                                                                                  \
            few_across(M, true, p, x, m0, n0, nr);                                                                     \
        else if (p->b_by_k)                                                                                            \
            few_across(M, false, p, x, m0, n0, nr);                                                                    \
        else if (in_pairs(p) && bf16)                                                                                  \
            few_turned(M, true, TL_DTYPE_BF16, p, x, m0, n0, nr, ahead);                                               \
        else if (in_pairs(p))                                                                                          \
            few_turned(M, true, TL_DTYPE_F32, p, x, m0, n0, nr, ahead);                                                \
        else if (bf16)                                                                                                 \
            few_turned(M, false, TL_DTYPE_BF16, p, x, m0, n0, nr, ahead);                                              \
        else                                                                                                           \
            few_turned(M, false, TL_DTYPE_F32, p, x, m0, n0, nr, ahead);                                               \
    }
TL_FEW_OF(1)
TL_FEW_OF(2)
TL_FEW_OF(3)
TL_FEW_OF(4)
TL_FEW_OF(5)
TL_FEW_OF(6)
TL_FEW_OF(7)
TL_FEW_OF(8)

static few_fn *const few_of[FEW] = { few_1, few_2, few_3, few_4, few_5, few_6, few_7, few_8 };

/* Where column n of a matrix that does not lie by k begins. */
static inline const char *few_column(const product *p, int n)
{
    return (const char *)p->b + (size_t)n * (size_t)p->ldb * b_bytes(p);
}

/* What to ask for while the columns from n on are read; next: what is read after the part. */
static inline few_ahead few_ahead_of(const few_part *part, int n, const few_part *next)
{
    few_ahead h = { few_column(part->p, n) + LEAD, few_column(part->p, part->n1), few_column(next->p, next->n0),
                    few_column(next->p, next->n1) };
    if (h.at < h.end) return h;
    h.at = h.then + (h.at - h.end);
    h.end = h.then_end;
    if (h.at >= h.end) h.at = h.then; /* a short one: its lines twice rather than others */
    return h;
}

/* The lines that nothing has asked for: the first LEAD bytes of a thread's first part. */
static inline void few_ask_first(const few_part *part)
{
    const char *at = few_column(part->p, part->n0), *end = few_column(part->p, part->n1);
    if (part->p->b_by_k) return;
    for (end = end - at < LEAD ? end : at + LEAD; at < end; at += 64) _mm_prefetch(at, _MM_HINT_T1);
}

/* A part; next: the one that this thread comes to then, or the same again where there is none. */
static void few_columns(const few_part *part, const uint32_t *x, const few_part *next)
{
    const product *p = part->p;
    const int wide = few_wide(p);
    for (int n = part->n0, nr; n < part->n1; n += nr) {
        few_ahead ahead = { .at = NULL };
        nr = part->n1 - n < wide ? part->n1 - n : wide;
        if (!p->b_by_k) ahead = few_ahead_of(part, n, next);
        for (int m = 0; m < p->M; m += FEW) few_of[(p->M - m < FEW ? p->M - m : FEW) - 1](p, x, m, n, nr, &ahead);
    }
}

/* Whether this way is open, and shorter: up to FEW rows, or twice as many of an adapter's, against many columns.  The
 * packed rows must fit into the scratch.  AMX adds in another order, so it keeps its own way. */
static inline bool few_rows(const product *p)
{
    const int most = p->c_turned || p->a_by_k ? FEW_MOST : FEW;
    return p->M <= most && !(AMX && in_pairs(p)) && !(p->b_by_k && p->b_type != TL_DTYPE_F32) &&
           !tl_panels_known(p->b_type) && ((size_t)few_words(p) * (size_t)p->M + 16) * 4 <= TL_PRODUCT_SCRATCH;
}

/* The same product with rows and columns exchanged: what was thin is few. */
static inline product turned_over(const product *p)
{
    product t = *p;
    t.M = p->N;
    t.N = p->M;
    t.a = p->b;
    t.lda = p->ldb;
    t.a_by_k = p->b_by_k;
    t.b = p->a;
    t.b_type = TL_DTYPE_F32;
    t.ldb = p->lda;
    t.b_by_k = p->a_by_k;
    t.c_turned = true;
    return t;
}

/* Whether it is: a c of few columns and many rows, whose b is f32 as the few rows must be. */
static inline bool thin(const product *p)
{
    return p->N <= FEW_MOST && p->M > 2 * FEW_MOST && p->b_type == TL_DTYPE_F32 && !p->bias;
}
#endif

#endif
