/* ref.h - the rows of the `ref` back end, and how its threads share work.
 *
 * Each row is the plain loop of its formula, so that it can be checked by eye; the contracts stand in backend.h.
 * Threads divide outputs (rows of a batch, or columns), never a sum: each sum is one thread's, in index order. */
#ifndef TL_BACKEND_REF_REF_H
#define TL_BACKEND_REF_REF_H

#include "backend/backend.h"

#include <omp.h>

/* The columns from .. to-1 of n that the calling thread of a parallel region takes. */
typedef struct tl_ref_share {
    int from, to;
} tl_ref_share;

static inline tl_ref_share tl_ref_share_of(int n)
{
    long thread = omp_get_thread_num(), threads = omp_get_num_threads();
    return (tl_ref_share){ (int)(n * thread / threads), (int)(n * (thread + 1) / threads) };
}

/* The calling thread's scratch, s->scratch_each bytes. */
static inline float *tl_ref_scratch(const tl_stream *s)
{
    return (float *)(void *)(s->scratch + (size_t)omp_get_thread_num() * s->scratch_each);
}

/* linear_ref.c */
void tl_ref_linear(tl_stream *s, const tl_product *p, int n, const float *x, int N, int I);
void tl_ref_linear_dx(tl_stream *s, float *dx, const tl_product_back *p, int n, int N, int I, bool accumulate);
void tl_ref_linear_dw(tl_stream *s, float *dw, const float *dy, const float *x, int N, int O, int I, bool accumulate);

/* quantized_ref.c: one product under TL_PRECISION_INT8 */
void tl_ref_linear_int8(tl_stream *s, const tl_product *p, const float *x, int N, int I);

/* norm_ref.c */
void tl_ref_rmsnorm(tl_stream *s, float *y, float *rstd, const float *x, const float *g, int N, int D, float eps);
void tl_ref_rmsnorm_back(tl_stream *s, float *dx, float *dg, const float *dy, const float *x, const float *rstd,
                         const float *g, int N, int D);
void tl_ref_layernorm(tl_stream *s, float *y, float *mean, float *rstd, const float *x, const float *g, const float *b,
                      int N, int D, float eps);
void tl_ref_layernorm_back(tl_stream *s, float *dx, float *dg, float *db, const float *dy, const float *x,
                           const float *mean, const float *rstd, const float *g, int N, int D);

/* attention_ref.c */
void tl_ref_rope(tl_stream *s, float *x, const int *positions, const float *cosines, const float *sines, int N,
                 int heads, int h, int w, bool inverse);
void tl_ref_kv_write(tl_stream *s, const tl_attention *a, const float *k, const float *v);
void tl_ref_attention(tl_stream *s, const tl_attention *a, float *o, float *lse, const float *q);
void tl_ref_attention_back(tl_stream *s, const tl_attention *a, float *dq, float *dk, float *dv, const float *dout,
                           const float *o, const float *lse, const float *q, const float *k, const float *v);

/* pointwise_ref.c */
void tl_ref_bias_back(tl_stream *s, float *db, const float *dy, int N, int D);
void tl_ref_swiglu(tl_stream *s, float *y, const float *gate, const float *up, size_t n);
void tl_ref_swiglu_back(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, size_t n);
void tl_ref_gelu(tl_stream *s, float *y, const float *x, size_t n);
void tl_ref_gelu_back(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n);
void tl_ref_geglu(tl_stream *s, float *y, const float *gate, const float *up, size_t n);
void tl_ref_geglu_back(tl_stream *s, float *y, float *dgate, float *dup, const float *dy, const float *gate,
                       const float *up, size_t n);
void tl_ref_gelu_exact(tl_stream *s, float *y, const float *x, size_t n);
void tl_ref_gelu_exact_back(tl_stream *s, float *y, float *dx, const float *dy, const float *x, size_t n);
void tl_ref_gain(tl_stream *s, float *y, const float *x, const float *g, const float *b, const float *add, int N,
                 int D);
void tl_ref_gain_back(tl_stream *s, float *dm, const float *dy, const float *x, const float *norm, int N, int D);
void tl_ref_scale(tl_stream *s, float *x, float a, size_t n);
void tl_ref_add(tl_stream *s, float *y, const float *x, float a, size_t n);
void tl_ref_embed(tl_stream *s, float *y, tl_matrix table, const int *ids, int N, int D, bool accumulate);
void tl_ref_embed_back(tl_stream *s, float *dtable, const float *dy, const int *ids, int N, int D);

/* loss_ref.c */
void tl_ref_softcap(tl_stream *s, float *x, float cap, size_t n);
void tl_ref_cross_entropy(tl_stream *s, float *loss, float *logits, const int *targets, const float *weights, int N,
                          int V, float cap);
void tl_ref_log_prob(tl_stream *s, float *out, const float *logits, const int *targets, int N, int V);

/* optimizer_ref.c */
void tl_ref_adamw(tl_stream *s, const tl_adamw *a, const tl_adamw_step *step);
double tl_ref_sum_squares(tl_stream *s, const void *x, tl_dtype dtype, size_t n);
void tl_ref_narrow(tl_stream *s, tl_bf16 *y, const float *x, size_t n, bool add);

#endif
