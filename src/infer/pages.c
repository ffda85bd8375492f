/* pages.c - the idle list, the table of names, and the memory behind them. */
#include "infer/pages.h"

#include <assert.h>
#include <string.h>

void tl_page_pool_lay(tl_page_pool *p, tl_arena *a, int n, size_t k_words, size_t v_words)
{
    assert(n > 0 && n <= 1 << 30);
    *p = (tl_page_pool){ .n = n, .k_words = k_words, .v_words = v_words, .n_buckets = 1 };
    while (p->n_buckets < n) p->n_buckets *= 2;
    p->k = tl_arena_take(a, (size_t)n * k_words * sizeof *p->k);
    p->v = tl_arena_take(a, (size_t)n * v_words * sizeof *p->v);
    p->pages = tl_arena_take(a, (size_t)n * sizeof *p->pages);
    p->buckets = tl_arena_ints(a, (size_t)p->n_buckets);
    if (p->pages) tl_page_pool_clear(p); /* else measuring */
}

void tl_page_pool_clear(tl_page_pool *p)
{
    memset(p->k, 0, (size_t)p->n * p->k_words * sizeof *p->k);
    memset(p->v, 0, (size_t)p->n * p->v_words * sizeof *p->v);
    for (int i = 0; i < p->n_buckets; i++) p->buckets[i] = -1;
    for (int i = 0; i < p->n; i++) {
        assert(p->pages[i].references == 0);
        p->pages[i] = (tl_page){ .before = i - 1, .after = i + 1 < p->n ? i + 1 : -1, .chain = -1 };
    }
    p->first = 0;
    p->last = p->n - 1;
    p->idle = p->n;
}

/* The bucket of a name; sha256 is mixed well enough to take its first bytes. */
static int *bucket(tl_page_pool *p, const tl_hash *name)
{
    uint32_t x;
    memcpy(&x, name->bytes, sizeof x);
    return &p->buckets[x & ((uint32_t)p->n_buckets - 1)];
}

static int lookup(tl_page_pool *p, const tl_hash *name)
{
    int i = *bucket(p, name);
    while (i >= 0 && memcmp(&p->pages[i].name, name, sizeof *name) != 0) i = p->pages[i].chain;
    return i;
}

static void unname(tl_page_pool *p, int i)
{
    tl_page *g = &p->pages[i];
    if (!g->named) return;
    int *link = bucket(p, &g->name);
    while (*link != i) link = &p->pages[*link].chain;
    *link = g->chain;
    g->named = g->ready = false;
}

static void idle_remove(tl_page_pool *p, int i)
{
    tl_page *g = &p->pages[i];
    *(g->before >= 0 ? &p->pages[g->before].after : &p->first) = g->after;
    *(g->after >= 0 ? &p->pages[g->after].before : &p->last) = g->before;
    p->idle--;
}

/* Put a page at the front of the idle list, or at its back. */
static void idle_insert(tl_page_pool *p, int i, bool front)
{
    tl_page *g = &p->pages[i];
    g->before = front ? -1 : p->last;
    g->after = front ? p->first : -1;
    *(g->before >= 0 ? &p->pages[g->before].after : &p->first) = i;
    *(g->after >= 0 ? &p->pages[g->after].before : &p->last) = i;
    p->idle++;
}

int tl_page_take(tl_page_pool *p)
{
    assert(p->idle > 0);
    int i = p->first;
    idle_remove(p, i);
    unname(p, i);
    p->pages[i].ready = false;
    p->pages[i].references = 1;
    return i;
}

void tl_page_hold(tl_page_pool *p, int i)
{
    assert(p->pages[i].references > 0);
    p->pages[i].references++;
}

void tl_page_release(tl_page_pool *p, int i)
{
    tl_page *g = &p->pages[i];
    assert(g->references > 0);
    if (--g->references > 0) return;
    bool keep = g->named && g->ready;
    if (!keep) unname(p, i);
    idle_insert(p, i, !keep);
}

int tl_page_find(tl_page_pool *p, const tl_hash *name)
{
    int i = lookup(p, name);
    if (i < 0) return -1;
    if (p->pages[i].references++ == 0) idle_remove(p, i);
    return i;
}

void tl_page_name(tl_page_pool *p, int i, const tl_hash *name)
{
    tl_page *g = &p->pages[i];
    assert(g->references > 0 && !g->named);
    if (lookup(p, name) >= 0) return;
    int *b = bucket(p, name);
    g->name = *name;
    g->named = true;
    g->ready = false;
    g->chain = *b;
    *b = i;
}

void tl_page_ready(tl_page_pool *p, int i)
{
    p->pages[i].ready = true;
}

void tl_page_copy(tl_page_pool *p, int to, int from)
{
    memcpy(p->k + (size_t)to * p->k_words, p->k + (size_t)from * p->k_words, p->k_words * sizeof *p->k);
    memcpy(p->v + (size_t)to * p->v_words, p->v + (size_t)from * p->v_words, p->v_words * sizeof *p->v);
}
