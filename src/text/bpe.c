/* bpe.c - merging with a heap over a linked list.
 *
 * The symbols of a word form a list; each neighbouring pair that can be merged
 * lies in a heap under (rank, place), so that the lowest rank goes first and,
 * among equals, the leftmost.  A merge spoils at most two entries, which are
 * recognized when they come up: the pair now at that place has another rank.
 * n symbols cost O(n log n), a megabyte without a space included.
 *
 * Text repeats its words, so short ones are remembered: a table of CACHE
 * entries, newest wins, born when a text turns out to have more than a few. */
#include "text/bpe.h"

#include "base/size.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct merge {
    uint64_t pair; /* left << 32 | right; NONE where empty */
    int rank;
    int merged;
} merge;

#define NONE UINT64_MAX

struct tl_bpe {
    merge *table; /* owned; open addressing, at most half full */
    size_t mask;
    size_t n, limit;
};

enum {
    CACHE = 4096,
    CACHE_BYTES = 23,
    CACHE_IDS = 6,
    CACHE_AFTER = 64
};

typedef struct cached {
    uint8_t size; /* 0: empty */
    uint8_t n;
    char bytes[CACHE_BYTES];
    int ids[CACHE_IDS];
} cached;

typedef struct symbol {
    int id;         /* -1: merged into the one before */
    int prev, next; /* -1 at the ends */
} symbol;

struct tl_bpe_work {
    tl_ids spelt;    /* the word before any merge */
    symbol *symbols; /* owned */
    uint64_t *heap;  /* owned; rank << 32 | place */
    size_t symbols_capacity, heap_capacity, heap_size;
    cached *cache; /* owned; NULL until CACHE_AFTER words went by */
    size_t words;
};

int tl_bpe_create(tl_bpe **out, size_t n_merges, tl_err *err)
{
    size_t entries = 16, bytes;
    while (entries < n_merges && entries < SIZE_MAX / 4) entries *= 2;
    entries *= 2;
    tl_bpe *b = calloc(1, sizeof *b);
    if (b && tl_size_mul(&bytes, entries, sizeof *b->table)) b->table = malloc(bytes);
    if (!b || !b->table) {
        free(b);
        return tl_fail(err, TL_ENOMEM, "BPE: no memory for %zu merges", n_merges);
    }
    for (size_t i = 0; i < entries; i++) b->table[i].pair = NONE;
    b->mask = entries - 1;
    b->limit = n_merges;
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

/* The entry of the pair, or the empty one where it would go. */
static merge *slot(const tl_bpe *b, int left, int right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t i = mix(pair) & b->mask;
    while (b->table[i].pair != pair && b->table[i].pair != NONE) i = (i + 1) & b->mask;
    return &b->table[i];
}

void tl_bpe_put(tl_bpe *b, int left, int right, int rank, int merged)
{
    assert(left >= 0 && right >= 0 && rank >= 0 && merged >= 0);
    merge *m = slot(b, left, right);
    if (m->pair == NONE) {
        assert(b->n < b->limit);
        b->n++;
    }
    *m = (merge){ (uint64_t)left << 32 | (uint32_t)right, rank, merged };
}

int tl_bpe_work_create(tl_bpe_work **out, tl_err *err)
{
    tl_bpe_work *w = calloc(1, sizeof *w);
    if (!w) return tl_fail(err, TL_ENOMEM, "BPE: no memory for scratch");
    *out = w;
    return 0;
}

void tl_bpe_work_free(tl_bpe_work *w)
{
    if (!w) return;
    tl_ids_reset(&w->spelt);
    free(w->symbols);
    free(w->heap);
    free(w->cache);
    free(w);
}

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
    const symbol *s = &w->symbols[place];
    if (s->next < 0) return;
    const merge *m = slot(b, s->id, w->symbols[s->next].id);
    if (m->pair != NONE) heap_push(w, (uint64_t)m->rank << 32 | (uint32_t)place);
}

static int merge_word(const tl_bpe *b, tl_bpe_work *w, tl_ids *out, tl_err *err)
{
    int n = (int)w->spelt.size;
    if (n == 0) return 0; /* letters that have no symbol */
    TL_TRY(reserve(w, w->spelt.size, err));
    symbol *s = w->symbols;
    for (int i = 0; i < n; i++) s[i] = (symbol){ w->spelt.data[i], i - 1, i + 1 < n ? i + 1 : -1 };
    w->heap_size = 0;
    for (int i = 0; i < n; i++) push_pair(b, w, i);
    while (w->heap_size) {
        uint64_t top = heap_pop(w);
        int place = (int)(uint32_t)top, next = s[place].next;
        if (s[place].id < 0 || next < 0) continue;
        const merge *m = slot(b, s[place].id, s[next].id);
        if (m->pair == NONE || (uint64_t)m->rank != top >> 32) continue;
        s[place].id = m->merged;
        s[place].next = s[next].next;
        s[next].id = -1;
        if (s[place].next >= 0) s[s[place].next].prev = place;
        if (s[place].prev >= 0) push_pair(b, w, s[place].prev);
        push_pair(b, w, place);
    }
    for (int i = 0; i >= 0; i = s[i].next) TL_TRY(tl_ids_push(out, s[i].id, err));
    return 0;
}

static cached *cache_entry(tl_bpe_work *w, const char *word, size_t size)
{
    if (size > CACHE_BYTES || w->words++ < CACHE_AFTER) return NULL;
    if (!w->cache) w->cache = calloc(CACHE, sizeof *w->cache);
    if (!w->cache) return NULL; /* slower, not wrong */
    uint64_t h = size;
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)word[i]) * 0x100000001b3u;
    return &w->cache[mix(h) % CACHE];
}

int tl_bpe_encode(const tl_bpe *b, tl_bpe_work *w, tl_bpe_spell_fn *spell, const void *alphabet, const char *word,
                  size_t size, tl_ids *out, tl_err *err)
{
    assert(size > 0 && size <= INT_MAX);
    cached *c = cache_entry(w, word, size);
    if (c && c->size == size && memcmp(c->bytes, word, size) == 0) return tl_ids_append(out, c->ids, c->n, err);
    size_t start = out->size;
    w->spelt.size = 0;
    TL_TRY(spell(alphabet, word, size, &w->spelt, err));
    TL_TRY(merge_word(b, w, out, err));
    size_t n = out->size - start;
    if (c && n <= CACHE_IDS) {
        c->size = (uint8_t)size;
        c->n = (uint8_t)n;
        memcpy(c->bytes, word, size);
        memcpy(c->ids, out->data + start, n * sizeof(int));
    }
    return 0;
}
