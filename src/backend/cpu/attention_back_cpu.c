/* attention_back_cpu.c - attention's backward: gradients to queries, keys and values, scores computed again.
 *
 *     p_rt = 2^(s_rt - lse_r),   dp_rt = do_r . v_t,   ds_rt = scale p_rt (dp_rt - do_r . o_r)
 *     dq_r += ds_rt k_t,         dk_t += ds_rt q_r,    dv_t += p_rt do_r
 *
 * (with a cap, ds also times 1 - tanh^2).  Nothing grows with the sequence: a task is one sequence, one key head and a
 * chunk of KEYS keys, whose gradients gather in scratch while the rows that see them pass by in blocks of ROWS, head
 * after head:
 *
 *     kt, vt  [hw][KEYS]         words along h, turned: b of the scores and of dp
 *     kr      [KEYS/each][hp]    words along the key: b of dq
 *     q, do   [ROWS][hw]         words along h: a of the scores and of dp
 *     qa, da  [ROWS/each][hp]    words along the row: b of dk and dv (f32: q and do again)
 *     s, ds   [ROWS][KEYS]       f32; then p and ds as words along the row, a of dv and dk (f32: in place), and ds as
 *                                words along the key, a of dq
 *     dk, dv  [KEYS][hp]         f32
 *
 * 250 KiB with h = 64 in bf16, in the second-level cache.  Packing a block's rows costs a twentieth of its products,
 * which is why KEYS is not less.
 *
 * Rows take their dq from one chunk after the other, in order.  Tasks are begun in the order of their chunks, all heads
 * of the first chunk first; a thread that comes to a row block before the task of the chunk ahead has left it waits.
 * That task was begun earlier and waits for earlier ones only, so there is always one that goes on.  With more than one
 * head a wait is rare: the chunk ahead was begun a round of heads ago. */
#include "backend/cpu/attention.h"

#include <assert.h>
#include <limits.h>
#include <omp.h>
#include <sched.h>

#define WORTH(s, n) ((s)->threads > 1 && (n) > 200000)

enum {
    ROWS = 64,
    KEYS = 128,
    LINE = 64 /* bytes */
};

/* What a thread is at, for the others: at the head of its scratch. */
typedef struct place {
    long task; /* chunk of head of segment: (segment * G + head) << 32 | chunk; -1: none */
    long done; /* blocks of rows it has left */
} place;

typedef struct chunk {
    const tl_attention *a;
    const tl_segment *g;
    tl_scores how;
    bool pairs;
    int head, t0, n; /* key head; keys t0 .. t0+n-1 */
    uint32_t *kt, *vt, *kr, *q, *dout, *qa, *da, *p, *ds_rows, *ds_keys;
    float *s, *ds, *dk, *dv, *edge;
    float delta[ROWS], lse[ROWS]; /* do . o; lse */
} chunk;

/* Where the inputs and outputs lie: [N, H, h] and [N, G, h]. */
typedef struct tensors {
    float *dq, *dk, *dv;
    const float *dout, *o, *lse, *q, *k, *v;
} tensors;

static uint32_t *take(char **at, size_t words)
{
    uint32_t *p = (uint32_t *)(void *)*at;
    *at += (words * 4 + LINE - 1) / LINE * LINE;
    return p;
}

static void lay_out(chunk *c, char *scratch)
{
    const size_t hw = words_along(c->pairs, c->a->h), ld = tl_q_ld(c->a), hp = (size_t)tl_head_padded(c->a->h);
    char *at = scratch + LINE;
    c->kt = take(&at, hw * KEYS);
    c->vt = take(&at, hw * KEYS);
    c->kr = take(&at, words_along(c->pairs, KEYS) * hp);
    c->q = take(&at, ROWS * ld);
    c->dout = take(&at, ROWS * ld);
    c->s = (float *)take(&at, ROWS * KEYS);
    c->ds = (float *)take(&at, ROWS * KEYS);
    c->dk = (float *)take(&at, KEYS * hp);
    c->dv = (float *)take(&at, KEYS * hp);
    c->edge = (float *)take(&at, TILE_ROWS * hp);
    if (c->pairs) {
        c->qa = take(&at, ROWS / 2 * hp);
        c->da = take(&at, ROWS / 2 * hp);
        c->p = take(&at, ROWS / 2 * KEYS);
        c->ds_rows = take(&at, ROWS / 2 * KEYS);
        c->ds_keys = take(&at, ROWS * KEYS / 2);
    } else {
        c->qa = c->q;
        c->da = c->dout;
        c->p = (uint32_t *)c->s;
        c->ds_rows = c->ds_keys = (uint32_t *)c->ds;
    }
    assert(at - scratch <= TL_PRODUCT_SCRATCH);
}

static size_t key_at(const chunk *c, int t)
{
    return ((size_t)(c->g->row + t) * (size_t)c->a->G + (size_t)c->head) * (size_t)c->a->h;
}

static size_t row_at(const chunk *c, int r, int j)
{
    return (size_t)(c->g->row + r) * (size_t)c->a->H + (size_t)j;
}

/* The chunk's keys and values, packed; its gradients zero. */
static void begin(chunk *c, const tensors *x)
{
    const int h = c->a->h, hp = tl_head_padded(h);
    const size_t ld = (size_t)c->a->G * (size_t)h;
    for (int t = 0; t < c->n; t += 16) {
        const int rows = c->n - t < 16 ? c->n - t : 16;
        words_turned(c->kt + t, KEYS, x->k + key_at(c, c->t0 + t), ld, rows, h, c->pairs);
        words_turned(c->vt + t, KEYS, x->v + key_at(c, c->t0 + t), ld, rows, h, c->pairs);
    }
    for (int t = (c->n + 15) / 16 * 16; t % TILE_WIDE != 0; t += 16) { /* a tile's other half */
        words_turned(c->kt + t, KEYS, x->k, ld, 0, h, c->pairs);
        words_turned(c->vt + t, KEYS, x->v, ld, 0, h, c->pairs);
    }
    for (int t = 0; t < c->n; t += c->pairs ? 2 : 1) {
        const float *k = x->k + key_at(c, c->t0 + t);
        if (c->pairs)
            words_across(c->kr + t / 2 * hp, k, ld, h, hp, t + 1 < c->n);
        else
            words_of_row(c->kr + t * hp, k, h, hp, false);
    }
    memset(c->dk, 0, (size_t)c->n * (size_t)hp * sizeof *c->dk);
    memset(c->dv, 0, (size_t)c->n * (size_t)hp * sizeof *c->dv);
}

static void end(const chunk *c, const tensors *x)
{
    const int h = c->a->h, hp = tl_head_padded(h);
    for (int t = 0; t < c->n; t++) {
        memcpy(x->dk + key_at(c, c->t0 + t), c->dk + t * hp, (size_t)h * sizeof *x->dk);
        memcpy(x->dv + key_at(c, c->t0 + t), c->dv + t * hp, (size_t)h * sizeof *x->dv);
    }
}

/* Rows r0 .. r0+rows-1 of head j, packed. */
static void begin_rows(chunk *c, const tensors *x, int r0, int rows, int j)
{
    const int h = c->a->h, hp = tl_head_padded(h);
    const size_t ld = tl_q_ld(c->a), row = (size_t)c->a->H * (size_t)h;
    for (int r = 0; r < rows; r++) {
        const size_t at = row_at(c, r0 + r, j) * (size_t)h;
        const float *q = x->q + at, *dout = x->dout + at, *o = x->o + at;
        words_of_row(c->q + (size_t)r * ld, q, h, (int)ld, c->pairs);
        words_of_row(c->dout + (size_t)r * ld, dout, h, (int)ld, c->pairs);
        if (c->pairs && r % 2 == 0) {
            words_across(c->qa + r / 2 * hp, q, row, h, hp, r + 1 < rows);
            words_across(c->da + r / 2 * hp, dout, row, h, hp, r + 1 < rows);
        }
        vf sum = vf_set(0);
        int d = 0;
        for (; d + W <= h; d += W) sum = vf_fma(vf_load(dout + d), vf_load(o + d), sum);
        if (d < h) sum = vf_fma(vf_part(dout + d, (size_t)(h - d), 0), vf_part(o + d, (size_t)(h - d), 0), sum);
        c->delta[r] = vf_sum(sum);
        c->lse[r] = x->lse[row_at(c, r0 + r, j)];
    }
}

/* p and ds of W keys of a row from their scores and dp; the row sees lanes first .. last. */
static inline __attribute__((always_inline)) void terms(const chunk *c, bool cap, bool whole, int r, int t, int first,
                                                        int last, vf *p, vf *ds)
{
    vf s = vf_load(c->s + r * KEYS + t), slope = vf_set(c->a->scale);
    if (cap) {
        s = capped(&c->how, s);
        vf tanh = s * vf_set(1 / c->how.cap);
        slope *= vf_set(1) - tanh * tanh;
    }
    *p = vf_exp2(s * vf_set(c->how.scale) - vf_set(c->lse[r]));
    *ds = *p * (vf_load(c->ds + r * KEYS + t) - vf_set(c->delta[r])) * slope;
    if (whole) return;
    *p = vf_between(*p, first - t, last - t, 0);
    *ds = vf_between(*ds, first - t, last - t, 0);
}

/* Two rows of the block, or one, and the first n keys: scores and dp become words of p and ds. */
static inline __attribute__((always_inline)) void soften(const chunk *c, bool cap, bool whole, bool both, int r0, int r,
                                                         int n)
{
    const int last = r0 + r - c->t0, first = c->a->window > 0 ? last + 1 - c->a->window : 0;
    for (int t = 0; t < n; t += W) {
        const int at = r * KEYS + t;
        vf p[2] = { vf_set(0), vf_set(0) }, ds[2] = { vf_set(0), vf_set(0) };
        terms(c, cap, whole, r, t, first, last, &p[0], &ds[0]);
        if (both) terms(c, cap, whole, r + 1, t, c->a->window > 0 ? first + 1 : 0, last + 1, &p[1], &ds[1]);
        if (c->pairs) {
            vf_store_pairs(c->p + r / 2 * KEYS + t, p[0], p[1]);
            vf_store_pairs(c->ds_rows + r / 2 * KEYS + t, ds[0], ds[1]);
            vf_store_bf16((tl_bf16 *)c->ds_keys + at, ds[0]);
            if (both) vf_store_bf16((tl_bf16 *)c->ds_keys + at + KEYS, ds[1]);
        } else {
            vf_store(c->s + at, p[0]);
            vf_store(c->ds + at, ds[0]);
            if (both) vf_store(c->s + at + KEYS, p[1]);
            if (both) vf_store(c->ds + at + KEYS, ds[1]);
        }
    }
}

/* Rows from .. to-1, an even one first. */
static void soften_rows(const chunk *c, int r0, int from, int to, int n)
{
    const int window = c->a->window;
    for (int r = from; r < to; r += 2) {
        const bool both = r + 1 < to, whole = r0 + r - c->t0 >= n - 1 && (window == 0 || r0 + r + 1 < c->t0 + window);
        if (c->how.cap > 0)
            soften(c, true, false, both, r0, r, n);
        else if (whole && both)
            soften(c, false, true, true, r0, r, n);
        else
            soften(c, false, false, both, r0, r, n);
    }
}

/* Keys that rows up to r see of the chunk. */
static int seen(const chunk *c, int r)
{
    return r + 1 - c->t0 < c->n ? r + 1 - c->t0 : c->n;
}

/* Ask for row r of head j, which is needed soon: pieces of rows are no stream that the hardware would follow. */
static void ask(const chunk *c, const tensors *x, int r, int j)
{
    const size_t at = row_at(c, r, j) * (size_t)c->a->h;
    for (int d = 0; d < c->a->h; d += LINE / 4) {
        _mm_prefetch((const char *)(x->q + at + d), _MM_HINT_T1);
        _mm_prefetch((const char *)(x->dout + at + d), _MM_HINT_T1);
        _mm_prefetch((const char *)(x->o + at + d), _MM_HINT_T1);
    }
}

static void scores(const chunk *c, const tensors *x, int r0, int rows, int j, int next)
{
    const size_t ld = tl_q_ld(c->a);
    const int words = (int)words_along(c->pairs, c->a->h);
    const uint32_t *kt = c->kt, *vt = c->vt;
    for (int r = 0; r < rows; r += TILE_ROWS) {
        const int here = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
        const int n = (seen(c, r0 + r + here - 1) + TILE_WIDE - 1) / TILE_WIDE * TILE_WIDE;
        multiply(c->pairs, (words_c){ c->s + r * KEYS, KEYS, NULL, true },
                 (words_a){ c->q + (size_t)r * ld, ld, false }, (words_b){ &kt, INT_MAX, KEYS }, here, n, words);
        multiply(c->pairs, (words_c){ c->ds + r * KEYS, KEYS, NULL, true },
                 (words_a){ c->dout + (size_t)r * ld, ld, false }, (words_b){ &vt, INT_MAX, KEYS }, here, n, words);
        soften_rows(c, r0, r, r + here, n);
        /* The next block's rows; behind the last one, the first block's of the next head. */
        for (int i = r; i < r + here && c->t0 + i < c->g->rows; i++)
            ask(c, x, r0 + ROWS + i < c->g->rows ? r0 + ROWS + i : c->t0 + i, r0 + ROWS < c->g->rows ? j : next);
    }
}

/* dk and dv: a tile of keys takes the rows from its own on. */
static void gather_keys(const chunk *c, int r0, int rows)
{
    const int hp = tl_head_padded(c->a->h), each = c->pairs ? 2 : 1, end = seen(c, r0 + rows - 1);
    for (int t = 0; t < end; t += TILE_ROWS) {
        const int here = end - t < TILE_ROWS ? end - t : TILE_ROWS, ahead = c->t0 + t - r0;
        const int from = ahead > 0 ? ahead / TILE_ROWS * TILE_ROWS : 0, steps = (rows - from + each - 1) / each;
        const uint32_t *q = c->qa + from / each * hp, *dout = c->da + from / each * hp;
        const size_t at = (size_t)(from / each) * KEYS + (size_t)t;
        multiply(c->pairs, (words_c){ c->dv + t * hp, (size_t)hp, NULL, false }, (words_a){ c->p + at, KEYS, true },
                 (words_b){ &dout, INT_MAX, (size_t)hp }, here, hp, steps);
        multiply(c->pairs, (words_c){ c->dk + t * hp, (size_t)hp, NULL, false },
                 (words_a){ c->ds_rows + at, KEYS, true }, (words_b){ &q, INT_MAX, (size_t)hp }, here, hp, steps);
    }
}

/* dq of the block's rows: written by the first chunk that they see, added to by the others. */
static void gather_rows(const chunk *c, float *dq, int r0, int rows, int j, bool fresh)
{
    const int h = c->a->h, hp = tl_head_padded(h);
    const size_t row = (size_t)c->a->H * (size_t)h, ld = c->pairs ? KEYS / 2 : KEYS;
    const uint32_t *kr = c->kr;
    for (int r = 0; r < rows; r += TILE_ROWS) {
        const int here = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
        const int steps = (int)words_along(c->pairs, seen(c, r0 + r + here - 1));
        float *at = dq + row_at(c, r0 + r, j) * (size_t)h, *to = h == hp ? at : c->edge;
        for (int i = 0; to != at && !fresh && i < here; i++)
            memcpy(to + i * hp, at + (size_t)i * row, (size_t)h * sizeof *to);
        multiply(c->pairs, (words_c){ to, h == hp ? row : (size_t)hp, NULL, fresh },
                 (words_a){ c->ds_keys + (size_t)r * ld, ld, false }, (words_b){ &kr, INT_MAX, (size_t)hp }, here, hp,
                 steps);
        for (int i = 0; to != at && i < here; i++) memcpy(at + (size_t)i * row, to + i * hp, (size_t)h * sizeof *to);
    }
}

/* ---- the order of chunks ---- */

static place *place_of(const tl_stream *s, int thread)
{
    return (place *)(void *)(s->scratch + (size_t)thread * s->scratch_each);
}

/* Until nobody is at `task` before its block `done`. */
static void wait_for(const tl_stream *s, int threads, long task, long done)
{
    for (int i = 0; i < threads; i++) {
        place *p = place_of(s, i);
        for (int spins = 0;
             __atomic_load_n(&p->task, __ATOMIC_ACQUIRE) == task && __atomic_load_n(&p->done, __ATOMIC_ACQUIRE) < done;
             spins++) {
            if (spins < 100)
                _mm_pause();
            else
                sched_yield();
        }
    }
}

/* The first chunk that a row of the block from r0 on sees. */
static int first_chunk(const tl_attention *a, int r0)
{
    return a->window > 0 && r0 >= a->window ? (r0 - a->window + 1) / KEYS : 0;
}

static void attend_back(chunk *c, const tl_stream *s, int threads, place *me, const tensors *x)
{
    const tl_attention *a = c->a;
    const int share = a->H / a->G, blocks = (c->g->rows + ROWS - 1) / ROWS, number = c->t0 / KEYS;
    begin(c, x);
    for (int j = 0; j < share; j++) {
        for (int i = c->t0 / ROWS; i < blocks && first_chunk(a, i * ROWS) <= number; i++) {
            const int r0 = i * ROWS, rows = c->g->rows - r0 < ROWS ? c->g->rows - r0 : ROWS, head = c->head * share + j;
            const bool fresh = first_chunk(a, r0) == number;
            begin_rows(c, x, r0, rows, head);
            scores(c, x, r0, rows, head, j + 1 < share ? head + 1 : head);
            gather_keys(c, r0, rows);
            if (!fresh) wait_for(s, threads, me->task - 1, (long)j * blocks + i + 1);
            gather_rows(c, x->dq, r0, rows, head, fresh);
            __atomic_store_n(&me->done, (long)j * blocks + i + 1, __ATOMIC_RELEASE);
        }
    }
    end(c, x);
}

void TL_CPU(attention_back)(tl_stream *s, const tl_attention *a, float *dq, float *dk, float *dv, const float *dout,
                            const float *o, const float *lse, const float *q, const float *k, const float *v)
{
    const tensors x = { dq, dk, dv, dout, o, lse, q, k, v };
    int next = 0, longest = 0;
    double work = 0;
    assert(a->h <= TL_HEAD_WIDEST);
    for (int i = 0; i < a->n_segments; i++) {
        assert(a->segments[i].start == 0);
        if (a->segments[i].rows > longest) longest = a->segments[i].rows;
        work += (double)a->segments[i].rows * a->segments[i].rows * a->H * a->h;
    }
    for (int i = 0; i < s->threads; i++) place_of(s, i)->task = -1;
#pragma omp parallel num_threads(s->threads) if (WORTH(s, work))
    {
        const int threads = omp_get_num_threads();
        place *me = place_of(s, omp_get_thread_num());
        chunk c = { .a = a, .how = tl_scores_of(a), .pairs = a->type == TL_DTYPE_BF16 };
        int turn = 0;
        bool mine = false;
        lay_out(&c, (char *)me);
        for (c.t0 = 0; c.t0 < longest; c.t0 += KEYS) {
            for (int i = 0; i < a->n_segments; i++) {
                c.g = &a->segments[i];
                c.n = c.g->rows - c.t0 < KEYS ? c.g->rows - c.t0 : KEYS;
                for (c.head = 0; c.n > 0 && c.head < a->G; c.head++, turn++) {
                    /* Whoever comes first; what it is at is seen by all who come later. */
#pragma omp critical(tl_attention_back)
                    if ((mine = turn == next)) {
                        next++;
                        __atomic_store_n(&me->done, 0, __ATOMIC_RELAXED);
                        __atomic_store_n(&me->task, ((long)i * a->G + c.head) << 32 | c.t0 / KEYS, __ATOMIC_RELEASE);
                    }
                    if (mine) attend_back(&c, s, threads, me, &x);
                }
            }
        }
        __atomic_store_n(&me->task, -1, __ATOMIC_RELEASE);
    }
}
