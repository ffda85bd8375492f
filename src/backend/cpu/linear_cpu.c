/* linear_cpu.c - the three matrix products, one loop nest (the loop itself: linear_product.h).
 *
 * The forward, the gradient to the input and the gradient to the weight are this loop with a and b read along different
 * strides; packing (linear_pack.h) hides the strides, so one micro-kernel (linear_tile.h) serves all three.  Weights
 * are read as they lie, row-major: nothing is repacked at load.
 *
 * Blocking.  All of a that fits - rows by words, 4 MiB - is packed first, once, by all threads: tiles of MR rows,
 * blocks of up to KC words along k.  Then each thread takes its panels of NR columns of b one after the other: for each
 * block along k it packs the panel (96 KiB at most, in the second-level cache) and runs every tile
 * of a over it.  A panel's column of c stays in the second-level cache over all blocks along k.  a streams from the
 * cache the threads share at 2 to 4 bytes a cycle; while it does, the micro-kernel asks for the lines of the next
 * panel, so that packing never waits for memory.  K is cut into equal blocks, M into equal tiles: no short rest that
 * costs a whole one.
 *
 * An adapter's part, y += low B^T, is a few steps more at the end of each chain, while the sums are in registers: its
 * rows of low and its columns of B are packed behind those of a and b.  A pass of its own would read and write all of
 * c.
 *
 * Few rows (decoding) go another way, linear_few.h.
 *
 * With AMX a panel of pairs is what its tiles want already ([k/2][n][2]): 2 x 2 tiles of c, 32 x 32, take 16 pairs a
 * step.  An AMX step sums even and odd products apart and then together, and flushes denormals: another order than
 * vdpbf16ps, the same for every M.
 *
 * Threads split columns - the panels of all products of a list, so that no panel is packed twice - or rows where
 * columns are few.  Neither changes a sum: each element of c is one chain along k, the same for every M. */
#include "backend/cpu/linear_few.h"
#include "backend/cpu/linear_pack.h"
#include "backend/cpu/linear_tile.h"

#include <assert.h>
#include <omp.h>

/* ---- how a product is cut ---- */

/* K in blocks of kc words (the last one shorter), M in tiles. */
typedef struct cuts {
    int words, kc, blocks; /* along k */
    int tiles;             /* of all rows */
    size_t tile;           /* words of a packed tile */
    int group;             /* tiles packed at a time */
    int deep;              /* blocks packed at a time */
} cuts;

static int up(int n, int d)
{
    return (n + d - 1) / d;
}

enum {
    LIST_MOST = 8, /* products of a layer are 7 */
    LOW_MOST = 64  /* rank up to which an adapter's part is taken along: its columns of B fit behind a panel */
};

/* Steps that an adapter's part of p takes. */
static int low_steps(const product *p)
{
    return p->low ? up(p->r, each_of(in_pairs(p))) : 0;
}

/* An adapter's part of p as a product that adds to c. */
static product low_part(const product *p)
{
    product q = *p;
    q.K = q.lda = p->r;
    q.a = p->low;
    q.a_by_k = false;
    q.b = p->up;
    q.b_type = TL_DTYPE_F32;
    q.ldb = p->b_by_k ? p->N : p->r;
    q.from = p->c;
    q.bias = q.low = NULL;
    return q;
}

/* Words of a packed tile of low, and of those of all products. */
static size_t low_tile(const product *p)
{
    return p->low ? tile_words(in_pairs(p), low_steps(p)) : 0;
}
static size_t low_words(const product *list, int count)
{
    const size_t tiles = (size_t)up(list[0].M, in_pairs(&list[0]) ? MR_PAIRS : MR);
    size_t words = 0;
    for (int i = 0; i < count; i++) words += tiles * low_tile(&list[i]);
    return words;
}

static cuts cuts_of(const product *p, int count)
{
    const bool pairs = in_pairs(p);
    cuts c = { .words = up(p->K, each_of(pairs)), .tiles = up(p->M, pairs ? MR_PAIRS : MR) };
    c.kc = up(up(c.words, up(c.words, KC)), TILE) * TILE;
    c.blocks = up(c.words, c.kc);
    c.tile = tile_words(pairs, c.kc);
    const int room = (int)((TL_PRODUCT_SHARED / 4 - low_words(p, count)) / c.tile);
    c.group = up(c.tiles, up(c.tiles, room));
    c.deep = room / c.group < c.blocks ? room / c.group : c.blocks;
    return c;
}

/* Where tile i of the rows begins. */
static int tile_at(const product *p, const cuts *c, int i)
{
    return (int)((long)p->M * i / c->tiles);
}

/* Numbers in block kb. */
static int block_numbers(const product *p, const cuts *c, int kb)
{
    const int each = each_of(in_pairs(p)), from = kb * c->kc * each;
    return p->K - from < c->kc * each ? p->K - from : c->kc * each;
}

static int panels_of(const product *p)
{
    return up(p->N, NR);
}

/* The same of quantized weights: blocks of one panel of theirs, or one block of each of some. */
static ahead ahead_of_quantized(const product *p, int k0, int kc, int n0)
{
    const size_t I = (size_t)p->ldb, block = tl_panel_form_of(p->b_type).block;
    const panels w = { p->b, p->b_type, I };
    const size_t row = (size_t)(p->b_by_k ? k0 : n0), number = (size_t)(p->b_by_k ? n0 : k0);
    ahead h = { .ld = tl_panel_bytes(p->b_type, I), .left = p->b_by_k ? up(kc, TL_PANEL) : 1 };
    h.at = (const char *)panel_at(&w, row) + tl_panel_block_at(p->b_type, number / TL_PANEL_BLOCK);
    h.run = up((int)block, 64) * (p->b_by_k ? 1 : up(kc, TL_PANEL_BLOCK));
    return h;
}

/* The lines that panel n of block kb will be packed from. */
static ahead ahead_of(const product *p, const cuts *c, int n, int kb)
{
    const size_t wide = b_bytes(p), ld = (size_t)p->ldb * wide;
    const size_t k0 = (size_t)kb * (size_t)c->kc * (size_t)each_of(in_pairs(p)), n0 = (size_t)n * NR;
    const int kc = block_numbers(p, c, kb), nr = p->N - n * NR < NR ? p->N - n * NR : NR;
    ahead h = { .ld = ld };
    if (tl_panels_known(p->b_type)) return ahead_of_quantized(p, (int)k0, kc, (int)n0);
    const size_t bytes = (size_t)(p->b_by_k ? nr : kc) * wide;
    h.at = (const char *)p->b + (p->b_by_k ? k0 * ld + n0 * wide : n0 * ld + k0 * wide);
    h.run = (int)((bytes + 63) / 64);
    h.left = p->b_by_k ? kc : nr;
    return h;
}

/* ---- the nest ---- */

/* Rows and blocks that lie packed: tiles t0 .. t0+wide-1 of the blocks k0 .. k1-1. */
typedef struct packed {
    const cuts *c;
    int t0, wide, k0, k1;
    uint32_t *tiles;          /* [k1 - k0][wide][c->tile], the threads' together */
    uint32_t *low[LIST_MOST]; /* [wide][low_tile] of each product */
} packed;

static uint32_t *packed_tile(const packed *a, int kb, int i)
{
    return a->tiles + ((size_t)(kb - a->k0) * (size_t)a->wide + (size_t)(i - a->t0)) * a->c->tile;
}

/* A thread of the team. */
typedef struct worker {
    int thread, threads;
    int t0, t1;      /* tiles it passes over each panel */
    int all;         /* panels of the list's products, counted on from one to the next */
    int next;        /* the panel it will take */
    int *taken;      /* shared: panels are taken one by one, by whoever is free; NULL: each thread takes all */
    uint32_t *panel; /* its own scratch */
} worker;

/* The panel that a worker takes next; the one after is known by then, so that its lines can be asked for. */
static int take(worker *w)
{
    int mine = w->next;
    w->next = w->taken ? __atomic_fetch_add(w->taken, 1, __ATOMIC_RELAXED) : mine + 1;
    return mine;
}

/* A thread's share of n things. */
static int share_of(int n, int thread, int threads)
{
    return (int)((long)n * thread / threads);
}

/* The lines of tile i of c in n columns from n0 on. */
static ahead ahead_of_c(const product *p, const cuts *c, int i, int n0, int n)
{
    const int m0 = tile_at(p, c, i);
    ahead h = { .ld = (size_t)p->N * sizeof *p->c, .left = tile_at(p, c, i + 1) - m0 };
    h.at = (const char *)(p->c + (size_t)m0 * (size_t)p->N + (size_t)n0);
    h.run = (int)(((uintptr_t)h.at % 64 + (size_t)n * sizeof *p->c + 63) / 64);
    return h;
}

/* A worker's tiles over panel n of block kb. */
static void sweep(const product *p, const packed *a, const uint32_t *low, const worker *w, int n, int kb, ahead next)
{
    const cuts *c = a->c;
    const bool pairs = in_pairs(p);
    const int words = up(block_numbers(p, c, kb), each_of(pairs)), n0 = n * NR;
    const int nr = p->N - n0 < NR ? p->N - n0 : NR;
    const float *from = kb > 0 ? p->c : p->from;
    const bool last = kb + 1 == c->blocks;
    const float *bias = last ? p->bias : NULL;
    asking q = { .panel = next, .lines = up(next.run * next.left, w->t1 - w->t0) };
    for (int i = w->t0; i < w->t1; i++) {
        const int m0 = tile_at(p, c, i), rows = tile_at(p, c, i + 1) - m0;
        const size_t at = (size_t)m0 * (size_t)p->N + (size_t)n0;
        target t = { p->c + at, from ? from + at : NULL, bias ? bias + n0 : NULL, (size_t)p->N, nr, NULL, 0 };
        if (last && p->low) {
            t.low = low + (size_t)(i - a->t0) * low_tile(p);
            t.low_steps = low_steps(p);
        }
        q.c = i + 1 < w->t1 ? ahead_of_c(p, c, i + 1, n0, nr) : (ahead){ .left = 0 };
#if AMX
        if (pairs) {
            for (int j = 0; j < q.lines && q.panel.left > 0; j++) ask(&q.panel);
            while (q.c.left > 0) ask(&q.c);
            amx_tile(rows, packed_tile(a, kb, i), w->panel, up(words, TILE) * TILE, t);
            continue;
        }
#endif
        tiles_of[rows - 1][pairs](packed_tile(a, kb, i), w->panel, words, t, &q);
    }
}

/* The product that a list's panel belongs to; n becomes its number there. */
static const product *product_of(const product *list, int *n)
{
    for (; *n >= panels_of(list); list++) *n -= panels_of(list);
    return list;
}

/* Panel n of p over all that lies packed; after: the list's panel that comes next, if there is one. */
static void column(const product *list, const product *p, const packed *a, const worker *w, int n, int after)
{
    const int each = each_of(in_pairs(p));
    for (int kb = a->k0; kb < a->k1; kb++) {
        ahead next = { .left = 0 };
        if (kb + 1 < a->k1) {
            next = ahead_of(p, a->c, n, kb + 1);
        } else if (after < w->all) {
            const product *q = product_of(list, &after);
            next = ahead_of(q, a->c, after, a->k0);
        }
        const int nr = p->N - n * NR < NR ? p->N - n * NR : NR, numbers = block_numbers(p, a->c, kb);
        pack_panel(w->panel, p, kb * a->c->kc * each, numbers, n * NR, nr);
        if (kb + 1 == a->c->blocks && p->low) {
            const product part = low_part(p);
            pack_panel(w->panel + (size_t)up(numbers, each) * NR, &part, 0, p->r, n * NR, nr);
        }
        sweep(p, a, a->low[p - list], w, n, kb, next);
    }
}

/* Tiles t0 .. t1-1 of numbers k0 .. k0+kc-1 of p's a, the first of them to out. */
static void pack_from(uint32_t *out, size_t tile, const product *p, const cuts *c, int k0, int kc, int t0, int t1)
{
    for (int i = t0, n; i < t1; i += n, out += (size_t)n * tile) {
        int rows[PACKED_TOGETHER];
        n = t1 - i < PACKED_TOGETHER ? t1 - i : PACKED_TOGETHER;
        for (int j = 0; j < n; j++) rows[j] = tile_at(p, c, i + j + 1) - tile_at(p, c, i + j);
        pack_tiles(out, tile, p, k0, kc, tile_at(p, c, i), rows, n);
    }
}

/* This worker's share of packing: some tiles of each block, and of what the list's adapters add. */
static void pack_share(const product *list, int count, const packed *a, const worker *w)
{
    const int t0 = a->t0 + share_of(a->wide, w->thread, w->threads);
    const int t1 = a->t0 + share_of(a->wide, w->thread + 1, w->threads);
    for (int kb = a->k0; kb < a->k1; kb++)
        pack_from(packed_tile(a, kb, t0), a->c->tile, &list[0], a->c, kb * a->c->kc * each_of(in_pairs(&list[0])),
                  block_numbers(&list[0], a->c, kb), t0, t1);
    for (int i = 0; i < count && a->k1 == a->c->blocks; i++) {
        const product part = low_part(&list[i]);
        const size_t tile = low_tile(&list[i]);
        if (part.a) pack_from(a->low[i] + (size_t)(t0 - a->t0) * tile, tile, &part, a->c, 0, part.K, t0, t1);
    }
}

/* Products that read the same a, by every thread of the team: all walk the same blocks, so that barriers meet.  taken:
 * two shared counters, zero when the first product begins; blocks use them in turn. */
static void abreast(tl_stream *s, const product *list, int count, bool by_rows, int *taken, int *turn)
{
    const cuts c = cuts_of(list, count);
    worker w = { .thread = omp_get_thread_num(), .threads = omp_get_num_threads() };
    w.panel = (uint32_t *)(void *)(s->scratch + (size_t)w.thread * s->scratch_each);
    for (int i = 0; i < count; i++) w.all += panels_of(&list[i]);
    for (int t0 = 0; t0 < c.tiles; t0 += c.group)
        for (int k0 = 0; k0 < c.blocks; k0 += c.deep, *turn ^= 1) {
            packed a = { .c = &c, .t0 = t0, .k0 = k0, .tiles = (uint32_t *)(void *)s->shared };
            a.wide = c.tiles - t0 < c.group ? c.tiles - t0 : c.group;
            a.k1 = k0 + c.deep < c.blocks ? k0 + c.deep : c.blocks;
            uint32_t *low = a.tiles + TL_PRODUCT_SHARED / 4 - low_words(list, count);
            for (int i = 0; i < count; low += (size_t)c.tiles * low_tile(&list[i++])) a.low[i] = low;
            w.t0 = by_rows ? t0 + share_of(a.wide, w.thread, w.threads) : t0;
            w.t1 = by_rows ? t0 + share_of(a.wide, w.thread + 1, w.threads) : t0 + a.wide;
            w.taken = by_rows ? NULL : &taken[*turn];
            w.next = 0;
            pack_share(list, count, &a, &w);
#pragma omp barrier
            if (w.thread == 0) taken[*turn ^ 1] = 0; /* nobody is there now */
            if (w.taken) take(&w);
            for (int n = take(&w); n < w.all && w.t0 < w.t1; n = take(&w)) {
                int here = n;
                const product *p = product_of(list, &here);
                column(list, p, &a, &w, here, w.next);
            }
#pragma omp barrier
        }
}

#ifdef __AVX512F__
/* Take the next columns of a list: an eighth of a thread's share of what is left, so that reading runs on in long
 * stretches and yet all threads end together; of one product.  False: nothing is left. */
static bool take_part(few_part *part, const product *list, int count, int *taken)
{
    const int threads = omp_get_num_threads(), wide = few_wide(list);
    int from = __atomic_load_n(taken, __ATOMIC_RELAXED), step;
    do {
        int at = from, all = 0;
        part->p = NULL;
        for (int i = 0; i < count; i++) {
            const int parts = up(list[i].N, wide);
            all += parts;
            if (part->p) continue;
            if (at < parts) {
                part->p = &list[i];
                part->n0 = at;
                part->n1 = parts;
            }
            at -= parts;
        }
        if (!part->p) return false;
        step = up(all - from, 8 * threads);
        if (part->n1 - part->n0 < step) step = part->n1 - part->n0;
    } while (!__atomic_compare_exchange_n(taken, &from, from + step, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    part->n1 = (part->n0 + step) * wide < part->p->N ? (part->n0 + step) * wide : part->p->N;
    part->n0 *= wide;
    return true;
}

/* The same for few rows: some columns at a time, by whoever is free.  What comes after them is taken before they are
 * read, so that its lines can be asked for. */
static void few(tl_stream *s, const product *list, int count, int *taken)
{
    uint32_t *x = (uint32_t *)(void *)(s->scratch + (size_t)omp_get_thread_num() * s->scratch_each);
    few_part part, next;
    bool more = take_part(&part, list, count, taken);
    if (more) few_ask_first(&part);
    if (more) few_pack(x, &list[0]);
    while (more) {
        more = take_part(&next, list, count, taken);
        few_columns(&part, x, more ? &next : &part);
        part = next;
    }
}
#endif

_Static_assert((size_t)(KC + LOW_MOST + TILE) * NR * 4 <= TL_PRODUCT_SCRATCH, "the stream's scratch holds a panel");

/* How the products of a list are laid side by side. */
typedef enum list_kind {
    ABREAST, /* each has columns of its own and all read the same a */
    STACKED, /* each has an a of its own and all add to the same c: one after the other */
} list_kind;

/* How many threads a list of products is worth.  Below a quarter of a million multiply-adds, waking a second one costs
 * more than it saves. */
static int threads_for(const tl_stream *s, const product *list, int count)
{
    double work = 0;
    for (int i = 0; i < count; i++) {
        assert(list[i].N > 0 && list[i].K > 0);
        work += (double)list[i].M * list[i].N * list[i].K;
    }
    return work < 250000 ? 1 : s->threads;
}

/* A list of products of one M, with the adapters' parts that can be taken along. */
static void multiply(tl_stream *s, const product *list, int count, list_kind kind)
{
    const int M = list[0].M, tiles = up(M, in_pairs(&list[0]) ? MR_PAIRS : MR);
    if (M <= 0) return;
    int threads = threads_for(s, list, count), taken[2] = { 0, 0 };
#ifdef __AVX512F__
    const product turned = turned_over(&list[0]);
    const bool over = count == 1 && thin(&list[0]) && few_rows(&turned);
    if (over) list = &turned;
    if (over || ((kind == ABREAST || count == 1) && few_rows(&list[0]))) {
#pragma omp parallel num_threads(threads) if (threads > 1)
        few(s, list, count, taken);
        return;
    }
#endif
    int all = 0;
    for (int i = 0; i < count; i++) all = kind == ABREAST ? all + panels_of(&list[i]) : panels_of(&list[i]);
    const bool by_rows = all < 4 * threads && tiles > all;
    const int parts = by_rows ? tiles : all;
    if (threads > parts) threads = parts;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int turn = 0;
#if AMX
        if (in_pairs(&list[0])) tiles_configure();
#endif
        for (int i = 0; i < count; i += kind == ABREAST ? count : 1)
            abreast(s, &list[i], kind == ABREAST ? count : 1, by_rows, taken, &turn);
#if AMX
        if (in_pairs(&list[0])) _tile_release();
#endif
    }
}

/* Whether the adapters' parts of a list can be taken along. */
static bool taken_along(const product *list, int count)
{
    for (int i = 0; i < count; i++)
        if (list[i].r > LOW_MOST) return false;
    if (AMX && in_pairs(&list[0])) return false;
#ifdef __AVX512F__
    if (few_rows(&list[0]) || (count == 1 && thin(&list[0]))) return false;
#endif
    return low_words(list, count) <= TL_PRODUCT_SHARED / 8;
}

/* One after the other: the product, and then what its adapter adds. */
static void multiply_apart(tl_stream *s, const product *list, int count, list_kind kind)
{
    product plain[LIST_MOST];
    memcpy(plain, list, (size_t)count * sizeof *plain);
    for (int i = 0; i < count; i++) plain[i].low = NULL;
    if (kind == ABREAST) multiply(s, plain, count, kind);
    for (int i = 0; i < count; i++) {
        const product part = low_part(&list[i]);
        if (kind == STACKED) multiply(s, &plain[i], 1, kind);
        if (part.a) multiply(s, &part, 1, STACKED);
    }
}

/* A list of products of one M, and what adapters add to them. */
static void multiply_all(tl_stream *s, const product *list, int count, list_kind kind)
{
    if (low_words(list, count) == 0 || taken_along(list, count))
        multiply(s, list, count, kind);
    else
        multiply_apart(s, list, count, kind);
}

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
                          .low = list[i].low.x,
                          .up = list[i].low.w,
                          .r = list[i].low.r,
                          .precision = s->precision };
    multiply_all(s, p, n, ABREAST);
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
                          .low = list[i].low.x,
                          .up = list[i].low.w,
                          .r = list[i].low.r,
                          .precision = s->precision };
    multiply_all(s, p, n, STACKED);
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
