/* pages.h - the block-wise key/value cache: pages that are counted, named by content, and forgotten oldest first.
 *
 *     int i = tl_page_find(p, &key);            a page already computed or being computed, held; or -1
 *     if (i < 0) i = tl_page_take(p), tl_page_name(p, i, &key);
 *     ... compute it ...  tl_page_ready(p, i);
 *     tl_page_release(p, i);
 *
 * A page is TL_PAGE positions of one sequence, over all layers.  Its name is the hash of everything its numbers follow
 * from: base, adapter, and all tokens up to its end, as a chain, so that equal names mean equal numbers.  A page is
 *
 *     taken ----- name ----> named, pending ----- ready ----> named, ready
 *       |                        |                                |
 *       +------- release --------+                             release
 *                    v                                            v
 *           idle, without a name <------ taken by another --- idle, kept
 *
 * Idle pages stand in one list: those without a name in front, the kept ones behind in the order of their release; take
 * takes the front.  So what was used last is forgotten last.  (The scheme: Kwon et al. 2023,
 * arXiv 2309.06180.) */
#ifndef TL_INFER_PAGES_H
#define TL_INFER_PAGES_H

#include "base/arena.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tl_page {
    tl_hash name;
    bool named, ready;
    int references;
    int before, after; /* in the idle list, -1 at its ends */
    int chain;         /* the next page of its bucket, -1 at the end */
} tl_page;

typedef struct tl_page_pool {
    int n;
    size_t k_words, v_words; /* of one page, over all layers */
    uint32_t *k, *v;         /* in the arena: [n][k_words], [n][v_words] */
    tl_page *pages;          /* in the arena: [n] */
    int *buckets;            /* in the arena: by name, -1 where empty */
    int n_buckets;           /* a power of two */
    int first, last;         /* of the idle list */
    int idle;                /* how many tl_page_take can give */
} tl_page_pool;

/* Lay n pages out in the arena (zeroed, as the kernels want it); with a measuring arena only their bytes are counted.
 */
void tl_page_pool_lay(tl_page_pool *p, tl_arena *a, int n, size_t k_words, size_t v_words);

/* Forget every page and zero all memory; none may be held. */
void tl_page_pool_clear(tl_page_pool *p);

/* A page for the caller, without a name, held once; idle must not be 0. */
int tl_page_take(tl_page_pool *p);

/* One more hold on a page that is held; and one less. */
void tl_page_hold(tl_page_pool *p, int i);
void tl_page_release(tl_page_pool *p, int i);

/* The page of that name, held once more, or -1. */
int tl_page_find(tl_page_pool *p, const tl_hash *name);

/* Give a held page a name.  Where another page has it already, that one keeps it. */
void tl_page_name(tl_page_pool *p, int i, const tl_hash *name);

/* Say that a page's numbers are all there; without a name that means nothing. */
void tl_page_ready(tl_page_pool *p, int i);

/* Copy all layers of a page. */
void tl_page_copy(tl_page_pool *p, int to, int from);

#endif
