/* linear_product.h - a matrix product as the kernels of this folder see it, and the numbers they all agree on.
 *
 *     for m, n:  c[m][n] = from[m][n] + (sum over k, in order, of a[m][k] * b[k][n]) + bias[n]
 *                        + (sum over j, in order, of low[m][j] * up[j][n])
 *
 * Packed numbers come in words of four bytes: an f32, or two bf16s that are neighbours along k (a pair).  With pairs a
 * step of the chain along k is vdpbf16ps, with f32s a multiply-add; without vdpbf16ps bf16 factors are rounded while
 * packing and the f32 chain is used. */
#ifndef TL_BACKEND_CPU_LINEAR_PRODUCT_H
#define TL_BACKEND_CPU_LINEAR_PRODUCT_H

#include "backend/cpu/words.h"

#ifdef __AVX512BF16__
#define BF16_PAIRS 1
#else
#define BF16_PAIRS 0
#endif
#if TL_AMX
#define AMX 1
#else
#define AMX 0
#endif

enum {
    NR = 2 * W, /* columns of a panel of b */
#ifdef __AVX512F__
    MR = 14, /* rows of a tile of a */
#else
    MR = 6,
#endif
    TILE = 16,                      /* rows and words of an AMX tile */
    MR_PAIRS = AMX ? 2 * TILE : MR, /* rows of a tile of pairs */
    KC = 768,                       /* words of a block along k, at most; a multiple of TILE */
};

typedef struct product {
    int M, N, K;
    const float *a; /* a(m,k) = a[m * lda + k], or a[k * lda + m] where a_by_k */
    int lda;
    bool a_by_k;
    const void *b; /* b(k,n) = b[n * ldb + k], or b[k * ldb + n] where b_by_k; f32 or bf16, or in panels */
    tl_dtype b_type;
    int ldb;
    bool b_by_k;
    float *c;          /* [M, N], or [N, M] where c_turned; from likewise */
    bool c_turned;     /* few rows only (linear_few.h) */
    const float *from; /* [M, N], what c starts from: c itself, or apart from it; NULL: zero */
    const float *bias; /* [N], added last, but for an adapter's part; NULL: none */
    const float *low;  /* [M, r] of an adapter, whose product with `up` goes on the chain; NULL: none */
    const float *up;   /* up(j,n) = up[n * r + j], or up[j * N + n] where b_by_k */
    int r;
    tl_precision precision;
} product;

static inline bool in_pairs(const product *p)
{
    return BF16_PAIRS && p->precision == TL_PRECISION_BF16;
}

static inline size_t b_bytes(const product *p)
{
    return p->b_type == TL_DTYPE_BF16 ? 2 : 4;
}

#endif
