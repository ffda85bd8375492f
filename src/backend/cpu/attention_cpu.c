/* attention_cpu.c - causal attention over pages of keys and values, forward beside backward.
 *
 *     s_rt = scale q_r . k_t           for t up to r's own position
 *     p_rt = e^(s_rt - lse_r),         lse_r = log of the sum over t of e^s_rt
 *     o_r  = sum over t of p_rt v_t
 *
 *     dp_rt = do_r . v_t,   ds_rt = scale p_rt (dp_rt - do_r . o_r)
 *     dq_r += ds_rt k_t,    dk_t += ds_rt q_r,    dv_t += p_rt do_r
 *
 * Forward: a block of up to RB rows of one head takes its scores page by page: keys lie with the position innermost, so
 * a page's 32 scores of a row are two vectors, summed along h in order.  The scores of the block (RB x positions
 * floats) stay in scratch; never more.  Then the softmax over each row, then the values, two vectors of h at a time,
 * summed along t in order.  A position's lane depends on the position alone, so how a sequence was cut into batches
 * leaves no trace.
 *
 * Backward: a task is one sequence and one key/value head.  Keys and values are turned into [h][T] once, scores are
 * computed again from lse, and dk, dv gather in scratch over all heads and rows that share them, in order.
 *
 * RB = 8 rows: 8 x 2 sums, 2 loads and a broadcast fit the 32 registers of AVX-512; with 16 registers and half the
 * width, 2 rows by 4 vectors. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <omp.h>

#ifdef __AVX512F__
enum {
    RB = 8
};
#else
enum {
    RB = 2
};
#endif
enum {
    PV = TL_PAGE / W
}; /* vectors in a page's row of scores */

/* out[rows][TL_PAGE] (row stride ld) = x[rows][h] kt[h][TL_PAGE] (row stride kt_ld); `rows` is a constant here. */
static inline __attribute__((always_inline)) void page_dots(int rows, float *out, size_t ld, const float *x,
                                                            size_t x_ld, const float *kt, size_t kt_ld, int h)
{
    vf sum[RB][PV];
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < PV; j++) sum[r][j] = vf_set(0);
    for (int d = 0; d < h; d++) {
        vf k[PV];
        for (int j = 0; j < PV; j++) k[j] = vf_load(kt + (size_t)d * kt_ld + (size_t)j * W);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf q = vf_set(x[(size_t)r * x_ld + (size_t)d]);
            for (int j = 0; j < PV; j++) sum[r][j] = vf_fma(q, k[j], sum[r][j]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < PV; j++) vf_store(out + (size_t)r * ld + (size_t)j * W, sum[r][j]);
}

static void dots(int rows, float *out, size_t ld, const float *x, size_t x_ld, const float *kt, size_t kt_ld, int h)
{
    if (rows == RB) {
        page_dots(RB, out, ld, x, x_ld, kt, kt_ld, h);
        return;
    }
    for (int r = 0; r < rows; r++) page_dots(1, out + (size_t)r * ld, ld, x + (size_t)r * x_ld, x_ld, kt, kt_ld, h);
}

/* sum[r][0..1] += over n positions of p[r][t] * rows[t][0 .. 2W) ; rows t apart by ld. */
static inline __attribute__((always_inline)) void gather(int rows, vf (*sum)[2], const float *p, size_t p_ld,
                                                         const float *v, size_t ld, int n)
{
    for (int t = 0; t < n; t++) {
        vf v0 = vf_load(v + (size_t)t * ld), v1 = vf_load(v + (size_t)t * ld + W);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf x = vf_set(p[(size_t)r * p_ld + (size_t)t]);
            sum[r][0] = vf_fma(x, v0, sum[r][0]);
            sum[r][1] = vf_fma(x, v1, sum[r][1]);
        }
    }
}

void TL_CPU(kv_write)(tl_stream *s, const tl_attention *a, const float *k, const float *v)
{
    int hp = tl_head_padded(a->h);
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1 && a->n_segments > 1)
    for (int i = 0; i < a->n_segments; i++) {
        const tl_segment *g = &a->segments[i];
        for (int r = 0; r < g->rows; r++) {
            int position = g->start + r, slot = position % TL_PAGE;
            size_t page = (size_t)g->pages[position / TL_PAGE], n = (size_t)(g->row + r) * (size_t)a->G;
            for (int j = 0; j < a->G; j++) {
                const float *kin = k + (n + (size_t)j) * (size_t)a->h, *vin = v + (n + (size_t)j) * (size_t)a->h;
                float *kout = a->k + page * a->k_stride + (size_t)j * (size_t)a->h * TL_PAGE + slot;
                float *vout = a->v + page * a->v_stride + ((size_t)j * TL_PAGE + (size_t)slot) * (size_t)hp;
                for (int d = 0; d < a->h; d++) kout[(size_t)d * TL_PAGE] = kin[d];
                memcpy(vout, vin, (size_t)a->h * sizeof *vout);
                for (int d = a->h; d < hp; d++) vout[d] = 0;
            }
        }
    }
}

/* Rows r0 .. r0+rows-1 of segment g, head j. */
static void attend(const tl_attention *a, const tl_segment *g, int j, int r0, int rows, float *o, float *lse,
                   const float *q, float *scratch)
{
    int h = a->h, hp = tl_head_padded(h), head = j / (a->H / a->G);
    int last = g->start + r0 + rows - 1, n_pages = last / TL_PAGE + 1;
    size_t ld = (size_t)n_pages * TL_PAGE, row_ld = (size_t)a->H * (size_t)h;
    size_t first = ((size_t)(g->row + r0) * (size_t)a->H + (size_t)j);
    const float *qr = q + first * (size_t)h;
    float *score = scratch; /* [rows][ld] */
    for (int p = 0; p < n_pages; p++) {
        const float *kt = a->k + (size_t)g->pages[p] * a->k_stride + (size_t)head * (size_t)h * TL_PAGE;
        dots(rows, score + (size_t)p * TL_PAGE, ld, qr, row_ld, kt, TL_PAGE, h);
    }
    float inverse[RB];
    for (int r = 0; r < rows; r++) {
        float *x = score + (size_t)r * ld;
        size_t seen = (size_t)(g->start + r0 + r) + 1;
        for (size_t t = seen; t < ld; t++) x[t] = -INFINITY;
        vf top = vf_set(-INFINITY), sum = vf_set(0), scale = vf_set(a->scale);
        for (size_t t = 0; t < ld; t += W) {
            vf v = vf_load(x + t) * scale;
            vf_store(x + t, v);
            top = vf_max(top, v);
        }
        float m = vf_top(top);
        for (size_t t = 0; t < ld; t += W) {
            vf e = vf_exp(vf_load(x + t) - vf_set(m));
            vf_store(x + t, e);
            sum += e;
        }
        float total = vf_sum(sum);
        inverse[r] = 1.0f / total;
        lse[first + (size_t)r * (size_t)a->H] = m + logf(total);
    }
    for (int d = 0; d < hp; d += 2 * W) {
        vf sum[RB][2];
        for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = vf_set(0);
        for (int p = 0; p < n_pages; p++) {
            const float *v = a->v + (size_t)g->pages[p] * a->v_stride + (size_t)head * TL_PAGE * (size_t)hp + d;
            int n = last + 1 - p * TL_PAGE < TL_PAGE ? last + 1 - p * TL_PAGE : TL_PAGE;
            const float *x = score + (size_t)p * TL_PAGE;
            if (hp - d < 2 * W) { /* an odd half of padding: one vector wide */
                for (int r = 0; r < rows; r++)
                    for (int t = 0; t < n; t++)
                        sum[r][0] = vf_fma(vf_set(x[(size_t)r * ld + (size_t)t]), vf_load(v + (size_t)t * (size_t)hp),
                                           sum[r][0]);
            } else if (rows == RB) {
                gather(RB, sum, x, ld, v, (size_t)hp, n);
            } else {
                for (int r = 0; r < rows; r++) gather(1, sum + r, x + (size_t)r * ld, ld, v, (size_t)hp, n);
            }
        }
        for (int r = 0; r < rows; r++) {
            float out[2 * W];
            vf_store(out, sum[r][0] * vf_set(inverse[r]));
            vf_store(out + W, sum[r][1] * vf_set(inverse[r]));
            int n = h - d < 2 * W ? h - d : 2 * W;
            if (n > 0) memcpy(o + (first + (size_t)r * (size_t)a->H) * (size_t)h + d, out, (size_t)n * sizeof *out);
        }
    }
}

void TL_CPU(attention)(tl_stream *s, const tl_attention *a, float *o, float *lse, const float *q)
{
#pragma omp parallel num_threads(s->threads) if (s->threads > 1)
    {
        int t = omp_get_thread_num(), n = omp_get_num_threads(), turn = 0;
        float *scratch = (float *)(void *)(s->scratch + (size_t)t * s->scratch_each);
        for (int i = 0; i < a->n_segments; i++) {
            const tl_segment *g = &a->segments[i];
            for (int r = 0; r < g->rows; r += RB)
                for (int j = 0; j < a->H; j++)
                    if (turn++ % n == t) attend(a, g, j, r, g->rows - r < RB ? g->rows - r : RB, o, lse, q, scratch);
        }
    }
}

/* out[h][T] from rows of one head: x[t][h], rows ld apart; columns past n are zero. */
static void turn(float *out, size_t T, const float *x, size_t ld, int n, int h)
{
    for (int d = 0; d < h; d++) {
        float *row = out + (size_t)d * T;
        for (int t = 0; t < n; t++) row[t] = x[(size_t)t * ld + (size_t)d];
        for (size_t t = (size_t)n; t < T; t++) row[t] = 0;
    }
}

/* acc[t][0 .. hp) += sum over rows, in order, of p[r][t] * x[r][0 .. h); x padded to hp. */
static inline __attribute__((always_inline)) void scatter(int rows, float *acc, int hp, const float *p, size_t p_ld,
                                                          float (*x)[256], int n)
{
    for (int d = 0; d < hp; d += W) {
        vf v[RB];
        for (int r = 0; r < rows; r++) v[r] = vf_load(x[r] + d);
        for (int t = 0; t < n; t++) {
            vf sum = vf_load(acc + (size_t)t * (size_t)hp + d);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) sum = vf_fma(vf_set(p[(size_t)r * p_ld + (size_t)t]), v[r], sum);
            vf_store(acc + (size_t)t * (size_t)hp + d, sum);
        }
    }
}

static void attend_back(const tl_attention *a, const tl_segment *g, int head, float *dq, float *dk, float *dv,
                        const float *dout, const float *o, const float *lse, const float *q, const float *k,
                        const float *v, float *scratch)
{
    int h = a->h, hp = tl_head_padded(h), n = g->rows, share = a->H / a->G;
    size_t T = ((size_t)n + TL_PAGE - 1) / TL_PAGE * TL_PAGE;
    size_t q_ld = (size_t)a->H * (size_t)h, k_ld = (size_t)a->G * (size_t)h;
    const float *k0 = k + (size_t)g->row * k_ld + (size_t)head * (size_t)h, *v0 = v + (k0 - k);
    float *kt = scratch, *vt = kt + (size_t)h * T;             /* [h][T] each */
    float *gk = vt + (size_t)h * T, *gv = gk + T * (size_t)hp; /* [T][hp] each */
    float *p = gv + T * (size_t)hp, *ds = p + RB * T;          /* [RB][T] each */
    turn(kt, T, k0, k_ld, n, h);
    turn(vt, T, v0, k_ld, n, h);
    memset(gk, 0, 2 * T * (size_t)hp * sizeof *gk);
    for (int j = head * share; j < (head + 1) * share; j++) {
        for (int r0 = 0; r0 < n; r0 += RB) {
            int rows = n - r0 < RB ? n - r0 : RB;
            size_t first = (size_t)(g->row + r0) * (size_t)a->H + (size_t)j;
            const float *qr = q + first * (size_t)h, *dor = dout + first * (size_t)h, *orow = o + first * (size_t)h;
            int last = r0 + rows - 1, n_pages = last / TL_PAGE + 1;
            size_t used = (size_t)n_pages * TL_PAGE;
            float qs[RB][256], ds_o[RB][256]; /* the rows, padded to whole vectors; h <= 256 */
            float delta[RB], norm[RB];
            for (int r = 0; r < rows; r++) {
                memset(qs[r], 0, (size_t)hp * sizeof qs[r][0]);
                memset(ds_o[r], 0, (size_t)hp * sizeof qs[r][0]);
                memcpy(qs[r], qr + (size_t)r * q_ld, (size_t)h * sizeof qs[r][0]);
                memcpy(ds_o[r], dor + (size_t)r * q_ld, (size_t)h * sizeof qs[r][0]);
                float sum = 0;
                for (int d = 0; d < h; d++) sum += ds_o[r][d] * orow[(size_t)r * q_ld + (size_t)d];
                delta[r] = sum;
                norm[r] = lse[first + (size_t)r * (size_t)a->H];
            }
            for (int page = 0; page < n_pages; page++) {
                size_t at = (size_t)page * TL_PAGE;
                dots(rows, p + at, T, qs[0], 256, kt + at, T, h);
                dots(rows, ds + at, T, ds_o[0], 256, vt + at, T, h);
            }
            for (int r = 0; r < rows; r++) {
                float *x = p + (size_t)r * T, *y = ds + (size_t)r * T;
                for (size_t t = (size_t)(r0 + r) + 1; t < used; t++) x[t] = -INFINITY;
                for (size_t t = 0; t < used; t += W) {
                    vf e = vf_exp(vf_load(x + t) * vf_set(a->scale) - vf_set(norm[r]));
                    vf_store(x + t, e);
                    vf_store(y + t, vf_set(a->scale) * e * (vf_load(y + t) - vf_set(delta[r])));
                }
            }
            int seen = last + 1;
            for (int d = 0; d < hp; d += W) { /* dq: W of h at a time, along t in order */
                vf sum[RB];
                for (int r = 0; r < rows; r++) sum[r] = vf_set(0);
                size_t part = h - d < W ? (size_t)(h - d) : W;
                if (h <= d) break;
                for (int t = 0; t < seen; t++) {
                    const float *kr = k0 + (size_t)t * k_ld + d;
                    vf kv = part == W ? vf_load(kr) : vf_part(kr, part, 0);
                    for (int r = 0; r < rows; r++) sum[r] = vf_fma(vf_set(ds[(size_t)r * T + (size_t)t]), kv, sum[r]);
                }
                for (int r = 0; r < rows; r++)
                    vf_store_part(dq + (first + (size_t)r * (size_t)a->H) * (size_t)h + d, sum[r], part);
            }
            if (rows == RB) {
                scatter(RB, gk, hp, ds, T, qs, seen);
                scatter(RB, gv, hp, p, T, ds_o, seen);
            } else {
                for (int r = 0; r < rows; r++) {
                    scatter(1, gk, hp, ds + (size_t)r * T, T, qs + r, seen);
                    scatter(1, gv, hp, p + (size_t)r * T, T, ds_o + r, seen);
                }
            }
        }
    }
    for (int t = 0; t < n; t++) {
        size_t at = (size_t)(g->row + t) * k_ld + (size_t)head * (size_t)h;
        memcpy(dk + at, gk + (size_t)t * (size_t)hp, (size_t)h * sizeof *dk);
        memcpy(dv + at, gv + (size_t)t * (size_t)hp, (size_t)h * sizeof *dv);
    }
}

void TL_CPU(attention_back)(tl_stream *s, const tl_attention *a, float *dq, float *dk, float *dv, const float *dout,
                            const float *o, const float *lse, const float *q, const float *k, const float *v)
{
#pragma omp parallel for num_threads(s->threads) schedule(dynamic) if (s->threads > 1)
    for (int i = 0; i < a->n_segments * a->G; i++) {
        float *scratch = (float *)(void *)(s->scratch + (size_t)omp_get_thread_num() * s->scratch_each);
        attend_back(a, &a->segments[i / a->G], i % a->G, dq, dk, dv, dout, o, lse, q, k, v, scratch);
    }
}
