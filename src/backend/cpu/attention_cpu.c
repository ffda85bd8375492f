/* attention_cpu.c - attention over pages of keys and values (the backward: attention_back_cpu.c).
 *
 *     s_rt = scale q_r . k_t           for the t that row r sees
 *     p_rt = e^s_rt / sum over t of e^s_rt
 *     o_r  = sum over t of p_rt v_t
 *
 * No row of scores is ever whole: keys come in steps of KEYS positions, and a row carries its largest score so far, the
 * sum of its terms relative to that, and its output likewise; where a step brings a larger score, sum and output are
 * scaled down (Milakov & Gimelshein, arXiv 1805.02867; Dao et al., arXiv 2205.14135).  Steps begin at multiples of KEYS
 * of the sequence's own positions, and a factor of 1 changes no bit, so how a sequence was cut into batches, and which
 * rows share a block, leaves no trace.
 *
 * A block is so many rows and the heads that share a key head, up to M_MOST of them together: a decoded token of a
 * group of heads reads its keys once.  Scores are rounded before the largest is taken off, so that one becomes 1
 * whatever its size, and no term is ever above it.  A block's buffers, all in the thread's scratch:
 *
 *     q  [M][hw]  words along h, packed once        o  [M][hp]         f32
 *     s  [M][KEYS]  f32: scores                     p  [M][KEYS/each]  words along t (f32: s again)
 *
 * With h = 64 in bf16 the keys and values of a step are 16 KiB, and a block's buffers 48 KiB: the first-level cache
 * holds what a tile reads again, the second everything. */
#include "backend/cpu/attention.h"

#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <omp.h>

/* Fewer multiply-adds are not worth waking a thread. */
#define WORTH(s, n) ((s)->threads > 1 && (n) > 200000)

enum {
    KEYS = 2 * TL_PAGE,
    M_MOST = 64
};

typedef struct block {
    const tl_attention *a;
    const tl_segment *g;
    tl_scores how;
    int head, j, heads; /* key head; first query head, and how many */
    int r0, M;          /* first row; row m is r0 + m / heads with head j + m % heads */
    bool pairs;
    uint32_t *q, *p;                                 /* [M][tl_q_ld], [M][KEYS/each] */
    float *s, *o;                                    /* [M][KEYS], [M][hp] */
    float most[M_MOST], top[M_MOST], factor[M_MOST]; /* largest score so far and in this step; what sums shrink by */
    float sum[M_MOST][W];
} block;

static int position(const block *b, int m)
{
    return b->g->start + b->r0 + m / b->heads;
}

/* Scores of the n positions from t0 on. */
static void score(block *b, int t0, int n)
{
    const tl_attention *a = b->a;
    const size_t words = words_along(b->pairs, a->h), ld = tl_q_ld(a);
    for (int i = 0; i < n; i += TL_PAGE) {
        const uint32_t *page = a->k + (size_t)b->g->pages[(t0 + i) / TL_PAGE] * a->k_stride;
        page += (size_t)b->head * words * TL_PAGE;
        multiply(b->pairs, (words_c){ b->s + i, KEYS, NULL, true }, (words_a){ b->q, ld, false },
                 (words_b){ &page, INT_MAX, TL_PAGE }, b->M, TL_PAGE, (int)words);
    }
}

/* The step's scores become terms; most, factor and sum go on. */
static void soften(block *b, int t0, int n)
{
    const vf scale = vf_set(b->how.scale);
    const int window = b->a->window;
    for (int m = 0; m < b->M; m++) {
        float *s = b->s + m * KEYS;
        const int last = position(b, m) - t0, first = window > 0 ? last + 1 - window : 0;
        vf top = vf_set(-INFINITY);
        if (b->how.cap > 0)
            for (int t = 0; t < n; t += W) vf_store(s + t, capped(&b->how, vf_load(s + t)));
        if (last < n - 1 || first > 0)
            for (int t = 0; t < n; t += W) vf_store(s + t, vf_between(vf_load(s + t), first - t, last - t, -INFINITY));
        for (int t = 0; t < n; t += W) top = vf_max(top, vf_load(s + t));
        b->top[m] = vf_top(top);
    }
    for (int m = 0; m < b->M; m += W) {
        vf was = vf_load(b->most + m), now = vf_max(vf_load(b->top + m) * scale, was);
        vf_store(b->most + m, now);
        vf_store(b->factor + m, vf_exp2(was - now));
    }
    for (int m = 0; m < b->M; m++) {
        float *s = b->s + m * KEYS;
        tl_bf16 *p = (tl_bf16 *)(void *)b->p + m * KEYS;
        const vf most = vf_set(b->most[m]);
        vf sum = vf_load(b->sum[m]) * vf_set(b->factor[m]);
        for (int t = 0; t < n; t += W) {
            vf e = vf_exp2(vf_load(s + t) * scale - most);
            if (b->pairs)
                vf_store_bf16(p + t, e);
            else
                vf_store(s + t, e);
            sum += e;
        }
        vf_store(b->sum[m], sum);
    }
}

/* The step's values, of n positions, gathered by its terms. */
static void gather(block *b, int t0, int n, bool fresh)
{
    const tl_attention *a = b->a;
    const int hp = tl_head_padded(a->h), each = b->pairs ? TL_PAGE / 2 : TL_PAGE;
    const uint32_t *piece[KEYS / TL_PAGE];
    for (int i = 0; i < KEYS / TL_PAGE; i++) {
        const size_t page = i * TL_PAGE < n ? (size_t)b->g->pages[t0 / TL_PAGE + i] : 0; /* 0: not read */
        piece[i] = a->v + page * a->v_stride + (size_t)(b->head * each * hp);
    }
    multiply(b->pairs, (words_c){ b->o, (size_t)hp, b->factor, fresh },
             (words_a){ b->p, b->pairs ? KEYS / 2 : KEYS, false }, (words_b){ piece, each, (size_t)hp }, b->M, hp,
             (int)words_along(b->pairs, n));
}

static void attend(block *b, float *o, float *lse, const float *q)
{
    const tl_attention *a = b->a;
    const int h = a->h, hp = tl_head_padded(h), end = position(b, b->M - 1) + 1;
    const size_t ld = tl_q_ld(a), row = (size_t)(b->g->row + b->r0) * (size_t)a->H + (size_t)b->j;
    for (int m = 0; m < b->M; m++) {
        size_t at = (row + (size_t)(m / b->heads * a->H + m % b->heads)) * (size_t)h;
        words_of_row(b->q + (size_t)m * ld, q + at, h, (int)ld, b->pairs);
        vf_store(b->sum[m], vf_set(0));
    }
    for (int m = 0; m < M_MOST; m++) b->most[m] = -FLT_MAX; /* finite: a step may hold nothing a row sees */
    const int first = a->window > 0 && position(b, 0) >= a->window ? position(b, 0) - a->window + 1 : 0;
    const int begin = first / KEYS * KEYS;
    for (int t0 = begin; t0 < end; t0 += KEYS) {
        const int here = end - t0 < KEYS ? end - t0 : KEYS, n = (here + TL_PAGE - 1) / TL_PAGE * TL_PAGE;
        score(b, t0, n);
        soften(b, t0, n);
        gather(b, t0, here, t0 == begin);
    }
    for (int m = 0; m < b->M; m++) {
        size_t at = row + (size_t)(m / b->heads * a->H + m % b->heads);
        float *from = b->o + m * hp, *to = o + at * (size_t)h, total = vf_sum(vf_load(b->sum[m]));
        const vf inverse = vf_set(1.0f / total);
        for (int d = 0; d < hp; d += W) vf_store(from + d, vf_load(from + d) * inverse);
        memcpy(to, from, (size_t)h * sizeof *to);
        lse[at] = b->most[m] + log2f(total);
    }
}

/* Rows in a block of so many heads: as many as fit, whole tiles where that is possible. */
static int rows_of(int heads)
{
    int rows = M_MOST / heads;
    return rows >= TILE_ROWS ? rows / TILE_ROWS * TILE_ROWS : rows;
}

void TL_CPU(attention)(tl_stream *s, const tl_attention *a, float *o, float *lse, const float *q)
{
    const int share = a->H / a->G, heads = share < M_MOST ? share : M_MOST, rows = rows_of(heads);
    const size_t hp = (size_t)tl_head_padded(a->h);
    double work = 0;
    int next = 0;
    assert(a->h <= TL_HEAD_WIDEST);
    for (int i = 0; i < a->n_segments; i++)
        work += (double)a->segments[i].rows * (a->segments[i].start + a->segments[i].rows) * a->H * a->h;
#pragma omp parallel num_threads(s->threads) if (WORTH(s, work))
    {
        float *scratch = (float *)(void *)(s->scratch + (size_t)omp_get_thread_num() * s->scratch_each);
        block b = { .a = a, .how = tl_scores_of(a), .pairs = a->type == TL_DTYPE_BF16 };
        b.q = (uint32_t *)(void *)scratch;
        b.o = scratch + M_MOST * tl_q_ld(a);
        b.s = b.o + M_MOST * hp;
        b.p = (uint32_t *)(void *)(b.pairs ? b.s + M_MOST * KEYS : b.s);
        int mine, turn = 0;
#pragma omp atomic capture
        mine = next++;
        for (int i = 0; i < a->n_segments; i++) {
            b.g = &a->segments[i];
            for (int r = (b.g->rows - 1) / rows * rows; r >= 0; r -= rows) { /* the longest first */
                for (int j = 0; j < a->H; j += b.heads) {
                    const int left = share - j % share;
                    b.head = j / share;
                    b.j = j;
                    b.heads = left < heads ? left : heads;
                    if (turn++ != mine) continue;
                    b.r0 = r;
                    b.M = (b.g->rows - r < rows ? b.g->rows - r : rows) * b.heads;
                    attend(&b, o, lse, q);
#pragma omp atomic capture
                    mine = next++;
                }
            }
        }
    }
}

_Static_assert(M_MOST *(2 * TL_HEAD_WIDEST + 2 * KEYS) * 4 <= TL_PRODUCT_SCRATCH, "the stream's scratch holds a block");

/* ---- pages ---- */

/* Positions of one page, slots from .. to-1, of one head: keys turned, values as they come or in pairs. */
static void write_page(const tl_attention *a, uint32_t *kp, uint32_t *vp, const float *k, const float *v, int from,
                       int to)
{
    const int h = a->h, hp = tl_head_padded(h);
    const size_t ld = (size_t)a->G * (size_t)h;
    const bool pairs = a->type == TL_DTYPE_BF16;
    for (int t = from; t < to;) {
        const float *kt = k + (size_t)(t - from) * ld;
        if (t % 16 == 0 && to - t >= 16) {
            words_turned(kp + t, TL_PAGE, kt, ld, 16, h, pairs);
            t += 16;
            continue;
        }
        for (int d = 0; d < (int)words_along(pairs, h); d++) kp[d * TL_PAGE + t] = word_at(kt, h, d, pairs);
        t++;
    }
    for (int t = from; t < to; t++) {
        const float *vt = v + (size_t)(t - from) * ld;
        if (!pairs) {
            memcpy(vp + t * hp, vt, (size_t)h * sizeof *vt);
            memset(vp + t * hp + h, 0, (size_t)(hp - h) * sizeof *vp);
        } else if (t % 2 == 0) { /* with its neighbour, or zero in its place */
            bool both = t + 1 < to;
            words_across(vp + t / 2 * hp, vt, ld, h, hp, both);
            t += both;
        } else {
            for (int d = 0; d < h; d++) {
                uint32_t *w = vp + t / 2 * hp + d;
                *w = (*w & 0xffffu) | (uint32_t)tl_f32_to_bf16(vt[d]) << 16;
            }
        }
    }
}

void TL_CPU(kv_write)(tl_stream *s, const tl_attention *a, const float *k, const float *v)
{
    const bool pairs = a->type == TL_DTYPE_BF16;
    const size_t k_words = words_along(pairs, a->h) * TL_PAGE;
    const size_t v_words = (size_t)(pairs ? TL_PAGE / 2 : TL_PAGE) * (size_t)tl_head_padded(a->h);
    int rows = 0;
    for (int i = 0; i < a->n_segments; i++) rows += a->segments[i].rows;
#pragma omp parallel num_threads(s->threads) if (s->threads > 1 && rows * a->G * a->h > 65536)
    {
        int me = omp_get_thread_num(), n = omp_get_num_threads(), turn = 0;
        for (int i = 0; i < a->n_segments; i++) {
            const tl_segment *g = &a->segments[i];
            for (int r = 0; r < g->rows;) {
                const int from = (g->start + r) % TL_PAGE, left = g->rows - r;
                const int to = left < TL_PAGE - from ? from + left : TL_PAGE;
                const size_t page = (size_t)g->pages[(g->start + r) / TL_PAGE];
                for (int j = 0; turn % n == me && j < a->G; j++) {
                    size_t at = ((size_t)(g->row + r) * (size_t)a->G + (size_t)j) * (size_t)a->h;
                    write_page(a, a->k + page * a->k_stride + (size_t)j * k_words,
                               a->v + page * a->v_stride + (size_t)j * v_words, k + at, v + at, from, to);
                }
                turn++;
                r += to - from;
            }
        }
    }
}
