/* backend.h - the table of kernels, and the contract of each row.
 *
 * The model knows this table and nothing below it.  `ref` fills every row in plain C and is their definition;
 * avx2, avx512 and amx replace what they are better at.  The best usable one is taken at start (TAILOR_BACKEND=ref,
 * avx2, avx512 or amx forces one) and named in the log.
 *
 * Shapes.  Activations are f32, row-major, over a ragged batch of tokens: [N, D].  Weights are [O, I], one row an
 * output: as they lie on disk, in f32 or bf16, or quantized, in panels (base/panels.h).  Letters: N tokens, D model
 * width, H query heads, G key/value heads, h head width, F hidden, V vocabulary, T positions.
 *
 * Sums.  Every element is summed in an order fixed by the shapes alone: along the inner dimension in a product,
 * along the key position in attention, along the row index where rows are summed.  So the number of threads, the
 * neighbours in the batch and the split of a prompt into chunks never change a bit of the answer.
 *
 * Rows fail only by assert: sizes were checked when the model and the plan were made.  No row allocates; scratch
 * comes with the stream.  Outputs overlap inputs only where a row says so. */
#ifndef TL_BACKEND_BACKEND_H
#define TL_BACKEND_BACKEND_H

#include "base/dtype.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tl_precision {
    TL_PRECISION_F32,  /* products of f32 by f32 */
    TL_PRECISION_BF16, /* both factors rounded to bf16 first, summed in f32 */
    TL_PRECISION_INT8, /* y = x w^T with a quantized w in whole numbers, see tl_matrix; all else as BF16 */
} tl_precision;

/* What factors are stored in where they are stored for a product: keys and values. */
static inline tl_dtype tl_precision_dtype(tl_precision p)
{
    return p == TL_PRECISION_BF16 ? TL_DTYPE_BF16 : TL_DTYPE_F32;
}

/* What a kernel runs on: so many threads, scratch for each, and the precision of products. */
typedef struct tl_stream {
    int threads;
    tl_precision precision;
    char *scratch;       /* owned by whoever called tl_stream_create: threads blocks, 64-aligned */
    size_t scratch_each; /* bytes of each */
    char *shared;        /* TL_PRODUCT_SHARED bytes behind them, for the threads of a product together */
} tl_stream;

/* What a row may use of a thread's scratch, and a matrix product of what the threads share. */
enum {
    TL_PRODUCT_SCRATCH = 1 << 20,
    TL_PRODUCT_SHARED = 4 << 20
};

/* threads = 0: as many as the machine has, or OMP_NUM_THREADS.  max_positions and max_head add scratch
 * that no row needs since attention works in steps. */
int tl_stream_create(tl_stream *s, int threads, tl_precision precision, int max_positions, int max_head, tl_err *err);
void tl_stream_free(tl_stream *s);

/* A weight matrix as a kernel sees it.  A quantized one is read only: linear, linear_dx and embed know it.
 *
 * Under F32 and BF16 its numbers are widened to f32 (and rounded to bf16) and multiplied as any others are.  Under INT8
 * linear rounds x too.  A row of x is cut into blocks of 32 along I, the last one filled up with zeros; a block with
 * the largest magnitude a becomes
 *
 *     d_x = a / 127,   q_x = x (1 / d_x) to the nearest whole number, ties to even       (f32; all zero where d_x is
 *                                                                                          below 2^-100)
 * and with the weights' codes q, their zero z (128, 8, or 0) and scales of the block
 *
 *     t    = d_w * (sum of q_x (q - z))                      the sum is exact; one rounding
 *     t    = t - (m_w) * (sum of q_x)                        Q4_K only: one rounding more (fma)
 *     y   += d_x * t                                         block after block, one rounding each (fma)
 *
 * where d_w, m_w are Q4_K's d s and m t, exact in f32, and for NF4 q - z is 127 level[q] to the nearest whole number,
 * d_w the block's scale / 127.  y starts as add and ends with the bias, as always.  So the bits are the same for every
 * N, and on every back end. */
typedef struct tl_matrix {
    const void *data; /* borrowed: [rows, cols], row-major; or panels */
    tl_dtype dtype;   /* f32 or bf16; or what tl_panels_known knows */
} tl_matrix;

/* One of several products that read the same x [N, I]:
 *
 *     y[N,O] = add[N,O] + x[N,I] w[O,I]^T + bias[O]
 *
 * add is what the product is added to - y itself, or the residual stream - and starts each element's sum; the bias ends
 * it. */
/* What an adapter adds, after the bias: of a product x w^T, [N,r] by [O,r]^T; of a gradient, [N,r] by [r,I]. */
typedef struct tl_low_product {
    const float *x; /* [N, r]; NULL: nothing is added */
    const float *w;
    int r;
} tl_low_product;

typedef struct tl_product {
    float *y; /* overlaps neither x nor another product's y */
    tl_matrix w;
    int O;
    const float *bias; /* [O]; NULL: none */
    const float *add;  /* [N, O]: y, or apart from it; NULL: none */
    tl_low_product low;
} tl_product;

/* One of several products whose gradients to their common input are summed: dx[N,I] (+)= dy[N,O] w[O,I]. */
typedef struct tl_product_back {
    const float *dy; /* [N, O] */
    tl_matrix w;
    int O;
    tl_low_product low;
} tl_product_back;

/* Key/value pages.  Positions come in pages of TL_PAGE; a page holds, for one layer, words of four bytes: f32s, or
 * pairs of bf16s, the first one in the low half,
 *
 *     f32    k [G][h][TL_PAGE]          keys with the position innermost: scores are computed for a page at a time
 *            v [G][TL_PAGE][hp]         values, head width padded to hp = tl_head_padded(h) with zeros
 *     bf16   k [G][(h+1)/2][TL_PAGE]    pairs along h, an odd one out with zero
 *            v [G][TL_PAGE/2][hp]       pairs along the position
 *
 * Training lays its batch out in pages too, so there is one attention forward. */
enum {
    TL_PAGE = 32,
    TL_HEAD_WIDEST = 256 /* h at most */
};

static inline int tl_head_padded(int h)
{
    return (h + 15) & ~15;
}

/* Words of k, and of v, in one page of one layer. */
static inline size_t tl_page_k(tl_dtype type, int G, int h)
{
    return (size_t)G * (size_t)(type == TL_DTYPE_BF16 ? (h + 1) / 2 : h) * TL_PAGE;
}
static inline size_t tl_page_v(tl_dtype type, int G, int h)
{
    return (size_t)G * (type == TL_DTYPE_BF16 ? TL_PAGE / 2 : TL_PAGE) * (size_t)tl_head_padded(h);
}
/* Bytes of both. */
static inline size_t tl_page_bytes(tl_dtype type, int G, int h)
{
    return (tl_page_k(type, G, h) + tl_page_v(type, G, h)) * sizeof(uint32_t);
}

/* Rows row .. row+rows-1 of the batch are positions start .. start+rows-1 of one sequence, whose key/value pages are
 * pages[0 ..]: position p lies in pages[p / TL_PAGE].  A row sees its own sequence, itself and what is before it. */
typedef struct tl_segment {
    int row, rows, start;
    const int *pages; /* borrowed from the batch's maker */
} tl_segment;

/* bf16 as the type: q, k, v, the softmax's terms and what the backward multiplies by these are rounded to bf16, sums
 * are f32.  The terms are rounded relative to the largest of the row so far. */
typedef struct tl_attention {
    int H, G, h;   /* H is a multiple of G */
    float scale;   /* of the scores, usually 1/sqrt(h) */
    float softcap; /* c: a scaled score s becomes c tanh(s / c); 0: it stays */
    int window;    /* w: a row sees its last w positions, itself among them; 0: all */
    int n_segments;
    const tl_segment *segments;
    tl_dtype type;             /* of the pages, and of the factors: f32 or bf16 */
    uint32_t *k, *v;           /* pages of this layer: page i at k + i * k_stride */
    size_t k_stride, v_stride; /* words */
} tl_attention;

typedef struct tl_adamw_step {
    float lr, beta1, beta2, eps, weight_decay;
    float correction1, correction2; /* 1 - beta^t */
    float grad_scale;               /* clipping: the gradient is multiplied by this first */
} tl_adamw_step;

/* What AdamW's moments lie in; the 8-bit code is rounding.h's. */
typedef enum tl_state {
    TL_STATE_F32,
    TL_STATE_BF16,
    TL_STATE_8BIT
} tl_state;

enum {
    TL_STATE_BLOCK = 256 /* numbers that share a scale in 8 bits */
};

/* A trained tensor, its gradient and its moments: n numbers each, at most 2^32 - 1. */
typedef struct tl_adamw {
    void *p;
    tl_dtype p_dtype; /* f32, or bf16: rounded by chance, right on average */
    const void *g;
    tl_dtype g_dtype; /* f32 or bf16 */
    tl_state state;
    void *m, *v;              /* f32; bf16, rounded by chance; or codes */
    float *m_scale, *v_scale; /* codes only: one for each TL_STATE_BLOCK numbers */
    size_t n;
    uint32_t key; /* of the chance: another one for each step and tensor */
} tl_adamw;

typedef struct tl_backend {
    const char *name;
    bool (*usable)(void);

    /* n products of x[N,I]. */
    void (*linear)(tl_stream *s, const tl_product *p, int n, const float *x, int N, int I);
    /* dx[N,I] = the sum of n products' gradients, in the list's order (+ dx where accumulate). */
    void (*linear_dx)(tl_stream *s, float *dx, const tl_product_back *p, int n, int N, int I, bool accumulate);
    /* dw[O,I] = dy[N,O]^T x[N,I] (+ dw where accumulate). */
    void (*linear_dw)(tl_stream *s, float *dw, const float *dy, const float *x, int N, int O, int I, bool accumulate);
    /* db[:] += sum over n of dy[n,:]. */
    void (*bias_back)(tl_stream *s, float *db, const float *dy, int N, int D);

    /* y = x * r * g with r = 1/sqrt(mean(x^2) + eps), kept in rstd[N] (Zhang & Sennrich 2019).
     * back: dx += ..., dg += ... (dg NULL: not wanted). */
    void (*rmsnorm)(tl_stream *s, float *y, float *rstd, const float *x, const float *g, int N, int D, float eps);
    void (*rmsnorm_back)(tl_stream *s, float *dx, float *dg, const float *dy, const float *x, const float *rstd,
                         const float *g, int N, int D);
    /* y = (x - mean) * r * g + b, r = 1/sqrt(var + eps) (Ba, Kiros, Hinton 2016); statistics are kept. */
    void (*layernorm)(tl_stream *s, float *y, float *mean, float *rstd, const float *x, const float *g, const float *b,
                      int N, int D, float eps);
    void (*layernorm_back)(tl_stream *s, float *dx, float *dg, float *db, const float *dy, const float *x,
                           const float *mean, const float *rstd, const float *g, int N, int D);

    /* Rotary positions on the first w numbers of heads [N, heads, h], in place, halves rotated: (x_i, x_{i+w/2}) turned
     * by the angle whose cosine and sine stand in tables cos, sin [T][w/2] at row positions[n].  inverse turns back
     * (the backward). */
    void (*rope)(tl_stream *s, float *x, const int *positions, const float *cos, const float *sin, int N, int heads,
                 int h, int w, bool inverse);

    /* Put k, v [N, G, h] of the batch into their pages.  A sequence's positions are written in order: what a page holds
     * behind the latest one is not kept. */
    void (*kv_write)(tl_stream *s, const tl_attention *a, const float *k, const float *v);
    /* o[N,H,h] = softmax(capped scale q k^T) v over what each row sees; lse[N,H] = log2 of the softmax's denominator,
     * for the backward. */
    void (*attention)(tl_stream *s, const tl_attention *a, float *o, float *lse, const float *q);
    /* dq, dk, dv (all written, not added to) from d(o); only for segments with start = 0.  k, v: [N, G, h]. */
    void (*attention_back)(tl_stream *s, const tl_attention *a, float *dq, float *dk, float *dv, const float *dout,
                           const float *o, const float *lse, const float *q, const float *k, const float *v);

    /* y = silu(gate) * up; back writes dgate and dup, and y again, so that nobody has to keep it.  y may be dy, dgate
     * gate, dup up. */
    void (*swiglu)(tl_stream *s, float *y, const float *gate, const float *up, size_t n);
    void (*swiglu_back)(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, size_t n);
    /* y = gelu(x) by the tanh formula of GPT-2 (Hendrycks & Gimpel 2016); back writes dx, and y again.  y may be dy, dx
     * x. */
    void (*gelu)(tl_stream *s, float *y, const float *x, size_t n);
    void (*gelu_back)(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n);

    /* y = gelu(gate) * up by the same formula; back as swiglu's. */
    void (*geglu)(tl_stream *s, float *y, const float *gate, const float *up, size_t n);
    void (*geglu_back)(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                       const float *up, size_t n);
    /* y = x P(normal < x), which the tanh formula stands for; back as gelu's. */
    void (*gelu_exact)(tl_stream *s, float *y, const float *x, size_t n);
    void (*gelu_exact_back)(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n);

    /* y[n,:] = add[n,:] + x[n,:] g + b, number by number (add, b NULL: nothing); y may be x, but is not add.
     * back, to the m of g = m / norm: dm += sum over n of dy[n,:] x[n,:] / norm. */
    void (*gain)(tl_stream *s, float *y, const float *x, const float *g, const float *b, const float *add, int N,
                 int D);
    void (*gain_back)(tl_stream *s, float *dm, const float *dy, const float *x, const float *norm, int N, int D);

    /* x *= a. */
    void (*scale)(tl_stream *s, float *x, float a, size_t n);
    /* y += a * x. */
    void (*add)(tl_stream *s, float *y, const float *x, float a, size_t n);

    /* y[n,:] = table[ids[n],:] (+ y where accumulate); back: dtable[ids[n],:] += dy[n,:]. */
    void (*embed)(tl_stream *s, float *y, tl_matrix table, const int *ids, int N, int D, bool accumulate);
    void (*embed_back)(tl_stream *s, float *dtable, const float *dy, const int *ids, int N, int D);

    /* x = cap tanh(x / cap). */
    void (*softcap)(tl_stream *s, float *x, float cap, size_t n);
    /* loss[n] = -log softmax(logits[n])[target[n]] * weight[n]; logits become their gradients,
     * (softmax - onehot) * weight[n].  Where cap is not 0 the logits come from softcap, and become the gradients to
     * what it was given: times 1 - (logit / cap)^2. */
    void (*cross_entropy)(tl_stream *s, float *loss, float *logits, const int *targets, const float *weights, int N,
                          int V, float cap);
    /* out[n] = log softmax(logits[n])[target[n]]; logits stay. */
    void (*log_prob)(tl_stream *s, float *out, const float *logits, const int *targets, int N, int V);

    /* AdamW (Loshchilov & Hutter 2019) on one tensor; its numbers are finite. */
    void (*adamw)(tl_stream *s, const tl_adamw *a, const tl_adamw_step *step);
    /* Sum of squares of f32 or bf16 numbers, in double. */
    double (*sum_squares)(tl_stream *s, const void *x, tl_dtype dtype, size_t n);
    /* y = x (+ y where add), to the nearest bf16. */
    void (*narrow)(tl_stream *s, tl_bf16 *y, const float *x, size_t n, bool add);
} tl_backend;

extern const tl_backend tl_backend_ref, tl_backend_avx2, tl_backend_avx512, tl_backend_amx;

/* The fastest usable back end, or the one TAILOR_BACKEND names; an unknown or unusable name is an error. */
int tl_backend_pick(const tl_backend **out, tl_err *err);

/* Every back end this machine can run, fastest first, NULL at the end: for tests and for `tailor inspect`. */
const tl_backend *const *tl_backend_all(void);

#endif
