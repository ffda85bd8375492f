/* bpe.c - the merges in a hash table, words merged in place or over a heap.
 *
 * A word of a few symbols is merged where it lies: the lowest rank is looked for, two symbols become one and the rest
 * moves up.  Of a long word the symbols form a list; each neighbouring pair that can be merged lies in a heap under
 * (rank, place), so that the lowest rank goes first and, among equals, the leftmost.  A merge spoils at most two
 * entries, which are recognized when they come up: the pair now at that place has another rank.  n symbols cost
 * O(n log n), a megabyte without a space included.
 *
 * The table of a large vocabulary is megabytes of which a text asks for a little again and again, one entry here and
 * one there; what was asked lately, found or not, stands together in a table that the second-level cache holds. */
#include "text/bpe.h"

#include "base/size.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct merge {
    uint64_t pair; /* left << 32 | right; NONE where empty */
    int rank;      /* NEVER: this pair is not merged */
    int merged;
} merge;

#define NONE UINT64_MAX

enum {
    NEVER = INT_MAX,
    FIRST_ENTRIES = 64,
    RECENT = 1 << 13, /* of 16 bytes */
    SHORT = 40        /* symbols; from here on the heap is faster */
};

struct tl_bpe {
    merge *table; /* owned; open addressing, at most five eighths full */
    size_t mask, n;
};

typedef struct symbol {
    int id;           /* -1: merged into the one before */
    int prev, next;   /* -1 at the ends */
    int rank, merged; /* of the pair with the next */
} symbol;

struct tl_bpe_work {
    merge recent[RECENT];
    symbol *symbols; /* owned */
    uint64_t *heap;  /* owned; rank << 32 | place */
    size_t symbols_capacity, heap_capacity, heap_size;
};

static merge *new_table(size_t entries)
{
    size_t bytes;
    merge *table = tl_size_mul(&bytes, entries, sizeof *table) ? malloc(bytes) : NULL;
    for (size_t i = 0; table && i < entries; i++) table[i].pair = NONE;
    return table;
}

int tl_bpe_create(tl_bpe **out, tl_err *err)
{
    tl_bpe *b = calloc(1, sizeof *b);
    if (b) b->table = new_table(FIRST_ENTRIES);
    if (!b || !b->table) {
        free(b);
        return tl_fail(err, TL_ENOMEM, "BPE: no memory");
    }
    b->mask = FIRST_ENTRIES - 1;
    *out = b;
    return 0;
}

void tl_bpe_free(tl_bpe *b)
{
    if (!b) return;
    free(b->table);
    free(b);
}

static uint64_t mix(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 32;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static uint64_t pair_of(int left, int right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* The entry of the pair, or the empty one where it would go. */
static merge *slot(merge *table, size_t mask, uint64_t pair, uint64_t hash)
{
    size_t i = hash & mask;
    while (table[i].pair != pair && table[i].pair != NONE) i = (i + 1) & mask;
    return &table[i];
}

static int grow(tl_bpe *b, tl_err *err)
{
    size_t entries = 2 * (b->mask + 1);
    merge *table = new_table(entries);
    if (!table) return tl_fail(err, TL_ENOMEM, "BPE: no memory for more than %zu merges", b->n);
    for (size_t i = 0; i <= b->mask; i++)
        if (b->table[i].pair != NONE) *slot(table, entries - 1, b->table[i].pair, mix(b->table[i].pair)) = b->table[i];
    free(b->table);
    b->table = table;
    b->mask = entries - 1;
    return 0;
}

int tl_bpe_put(tl_bpe *b, int left, int right, int rank, int merged, tl_err *err)
{
    assert(left >= 0 && right >= 0 && rank >= 0 && rank < NEVER && merged >= 0);
    if (8 * b->n >= 5 * b->mask) TL_TRY(grow(b, err));
    uint64_t pair = pair_of(left, right);
    merge *m = slot(b->table, b->mask, pair, mix(pair));
    if (m->pair == NONE) b->n++;
    *m = (merge){ pair, rank, merged };
    return 0;
}

int tl_bpe_work_create(tl_bpe_work **out, tl_err *err)
{
    tl_bpe_work *w = malloc(sizeof *w);
    if (!w) return tl_fail(err, TL_ENOMEM, "BPE: no memory for scratch");
    memset(w, 0, sizeof *w);
    for (int i = 0; i < RECENT; i++) w->recent[i].pair = NONE;
    *out = w;
    return 0;
}

void tl_bpe_work_free(tl_bpe_work *w)
{
    if (!w) return;
    free(w->symbols);
    free(w->heap);
    free(w);
}

/* What becomes of a pair; rank NEVER: nothing. */
static merge look_up(const tl_bpe *b, tl_bpe_work *w, int left, int right)
{
    uint64_t pair = pair_of(left, right), hash = mix(pair);
    merge *recent = &w->recent[(hash >> 32) & (RECENT - 1)];
    if (recent->pair != pair) {
        const merge *m = slot(b->table, b->mask, pair, hash);
        *recent = m->pair == NONE ? (merge){ pair, NEVER, 0 } : *m;
    }
    return *recent;
}

/* ---- a short word ---- */

static size_t merge_short(const tl_bpe *b, tl_bpe_work *w, int *ids, size_t n)
{
    int rank[SHORT], merged[SHORT]; /* of the pair that begins at each place */
    for (size_t i = 0; i + 1 < n; i++) {
        merge m = look_up(b, w, ids[i], ids[i + 1]);
        rank[i] = m.rank;
        merged[i] = m.merged;
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NEVER) break;
        ids[best] = merged[best];
        n--;
        for (size_t i = best + 1; i < n; i++) ids[i] = ids[i + 1];
        for (size_t i = best + 1; i + 1 < n; i++) {
            rank[i] = rank[i + 1];
            merged[i] = merged[i + 1];
        }
        for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < n; i++) {
            merge m = look_up(b, w, ids[i], ids[i + 1]);
            rank[i] = m.rank;
            merged[i] = m.merged;
        }
    }
    return n;
}

/* ---- a long one ---- */

/* Every symbol but the last starts a pair, and each of at most size-1 merges adds two: 3 size entries suffice. */
static int reserve(tl_bpe_work *w, size_t size, tl_err *err)
{
    if (size <= w->symbols_capacity) return 0;
    size_t capacity = 256;
    while (capacity < size) capacity *= 2;
    symbol *symbols = realloc(w->symbols, capacity * sizeof *symbols);
    if (symbols) w->symbols = symbols;
    uint64_t *heap = realloc(w->heap, 3 * capacity * sizeof *heap);
    if (heap) w->heap = heap;
    if (!symbols || !heap) return tl_fail(err, TL_ENOMEM, "BPE: no memory for a word of %zu symbols", size);
    w->symbols_capacity = capacity;
    w->heap_capacity = 3 * capacity;
    return 0;
}

static void heap_push(tl_bpe_work *w, uint64_t key)
{
    assert(w->heap_size < w->heap_capacity);
    size_t i = w->heap_size++;
    while (i > 0 && w->heap[(i - 1) / 2] > key) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = key;
}

static uint64_t heap_pop(tl_bpe_work *w)
{
    uint64_t top = w->heap[0], key = w->heap[--w->heap_size];
    size_t i = 0, n = w->heap_size;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && w->heap[child + 1] < w->heap[child]) child++;
        if (w->heap[child] >= key) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = key;
    return top;
}

static void push_pair(const tl_bpe *b, tl_bpe_work *w, int place)
{
    symbol *s = &w->symbols[place];
    s->rank = NEVER;
    if (s->next < 0) return;
    merge m = look_up(b, w, s->id, w->symbols[s->next].id);
    s->rank = m.rank;
    s->merged = m.merged;
    if (m.rank != NEVER) heap_push(w, (uint64_t)m.rank << 32 | (uint32_t)place);
}

static int merge_long(const tl_bpe *b, tl_bpe_work *w, const int *ids, int n, tl_ids *out, tl_err *err)
{
    TL_TRY(reserve(w, (size_t)n, err));
    symbol *s = w->symbols;
    for (int i = 0; i < n; i++) s[i] = (symbol){ ids[i], i - 1, i + 1 < n ? i + 1 : -1, NEVER, 0 };
    w->heap_size = 0;
    for (int i = 0; i < n; i++) push_pair(b, w, i);
    while (w->heap_size) {
        uint64_t top = heap_pop(w);
        int place = (int)(uint32_t)top, next = s[place].next;
        if (s[place].id < 0 || (uint64_t)s[place].rank != top >> 32) continue;
        s[place].id = s[place].merged;
        s[place].next = s[next].next;
        s[next].id = -1;
        if (s[place].next >= 0) s[s[place].next].prev = place;
        if (s[place].prev >= 0) push_pair(b, w, s[place].prev);
        push_pair(b, w, place);
    }
    for (int i = 0; i >= 0; i = s[i].next) TL_TRY(tl_ids_push(out, s[i].id, err));
    return 0;
}

int tl_bpe_merge(const tl_bpe *b, tl_bpe_work *w, const int *symbols, size_t n, tl_ids *out, tl_err *err)
{
    assert(n <= INT_MAX);
    if (n > SHORT) return merge_long(b, w, symbols, (int)n, out, err);
    int ids[SHORT];
    if (n) memcpy(ids, symbols, n * sizeof *ids);
    return tl_ids_append(out, ids, merge_short(b, w, ids, n), err);
}
