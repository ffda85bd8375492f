/* pages_test.c - pages are shared by name, kept while there is room, and forgotten oldest first. */
#include "infer/pages.h"

#include "base/rng.h"
#include "tests/check.h"

enum {
    K = 6,
    W = 10
};

static tl_arena *pool_make(tl_page_pool *p, int n)
{
    tl_err err;
    tl_arena *measure = NULL, *a = NULL;
    CHECK_OK(tl_arena_measure(&measure, &err), err);
    tl_page_pool_lay(p, measure, n, K, W);
    CHECK_OK(tl_arena_create(&a, tl_arena_peak(measure), "pages", &err), err);
    tl_page_pool_lay(p, a, n, K, W);
    CHECK_INT(tl_arena_peak(a), tl_arena_peak(measure));
    tl_arena_free(measure);
    return a;
}

static tl_hash name_of(int x)
{
    return tl_hash_bytes(&x, sizeof x);
}

/* A page of that name, computed and let go. */
static int keep(tl_page_pool *p, int x)
{
    tl_hash name = name_of(x);
    int i = tl_page_take(p);
    tl_page_name(p, i, &name);
    tl_page_ready(p, i);
    tl_page_release(p, i);
    return i;
}

static bool has(tl_page_pool *p, int x)
{
    tl_hash name = name_of(x);
    int i = tl_page_find(p, &name);
    if (i >= 0) tl_page_release(p, i);
    return i >= 0;
}

TEST(a_finished_page_is_found_by_its_name_and_an_unfinished_one_is_forgotten)
{
    tl_page_pool p;
    tl_arena *a = pool_make(&p, 4);
    int i = keep(&p, 1);
    tl_hash one = name_of(1), two = name_of(2);
    CHECK_INT(tl_page_find(&p, &one), i);
    CHECK_INT(p.idle, 3);
    tl_page_hold(&p, i);
    tl_page_release(&p, i);
    tl_page_release(&p, i);
    CHECK_INT(p.idle, 4);
    int j = tl_page_take(&p);
    CHECK(j != i); /* pages without a name go first */
    tl_page_name(&p, j, &two);
    CHECK_INT(tl_page_find(&p, &two), j); /* pending, and shared already */
    CHECK(!p.pages[j].ready);
    tl_page_release(&p, j);
    tl_page_release(&p, j);
    CHECK(!has(&p, 2));
    CHECK(has(&p, 1));
    tl_arena_free(a);
}

TEST(what_was_used_last_is_forgotten_last)
{
    tl_page_pool p;
    tl_arena *a = pool_make(&p, 3);
    for (int x = 0; x < 3; x++) keep(&p, x);
    CHECK(has(&p, 0)); /* used again: now 1 is the oldest */
    keep(&p, 3);
    CHECK(!has(&p, 1));
    CHECK(has(&p, 0) && has(&p, 2) && has(&p, 3));
    tl_hash name = name_of(0);
    int held = tl_page_find(&p, &name); /* held pages are never taken */
    for (int x = 10; x < 20; x++) CHECK(keep(&p, x) != held);
    CHECK(has(&p, 18) && has(&p, 19) && has(&p, 0));
    tl_page_release(&p, held);
    tl_arena_free(a);
}

TEST(of_two_pages_with_one_name_the_first_keeps_it)
{
    tl_page_pool p;
    tl_arena *a = pool_make(&p, 3);
    int i = keep(&p, 1), j = tl_page_take(&p);
    tl_hash one = name_of(1);
    tl_page_name(&p, j, &one);
    tl_page_ready(&p, j);
    tl_page_release(&p, j);
    CHECK_INT(tl_page_find(&p, &one), i);
    tl_page_release(&p, i);
    CHECK_INT(tl_page_take(&p), j); /* it went to the front */
    tl_arena_free(a);
}

TEST(a_copy_is_all_of_a_page)
{
    tl_page_pool p;
    tl_arena *a = pool_make(&p, 3);
    int from = tl_page_take(&p), to = tl_page_take(&p), other = tl_page_take(&p);
    for (int i = 0; i < K; i++) p.k[from * K + i] = (uint32_t)i + 1;
    for (int i = 0; i < W; i++) p.v[from * W + i] = (uint32_t)i + 100;
    tl_page_copy(&p, to, from);
    for (int i = 0; i < K; i++) CHECK(p.k[to * K + i] == (uint32_t)i + 1 && p.k[other * K + i] == 0);
    for (int i = 0; i < W; i++) CHECK(p.v[to * W + i] == (uint32_t)i + 100 && p.v[other * W + i] == 0);
    tl_arena_free(a);
}

TEST(any_order_of_taking_and_releasing_keeps_the_accounts)
{
    enum {
        N = 37,
        HELD = 30
    };
    tl_page_pool p;
    tl_arena *a = pool_make(&p, N);
    tl_rng r = tl_rng_make(1, 1);
    int held[HELD], n = 0;
    for (int step = 0; step < 20000; step++) {
        if (n < HELD && tl_rng_below(&r, 2)) {
            int x = (int)tl_rng_below(&r, 60);
            tl_hash name = name_of(x);
            int i = tl_page_find(&p, &name);
            if (i < 0) {
                i = tl_page_take(&p);
                if (tl_rng_below(&r, 4)) tl_page_name(&p, i, &name);
                if (tl_rng_below(&r, 4)) tl_page_ready(&p, i);
            }
            held[n++] = i;
        } else if (n > 0) {
            int k = (int)tl_rng_below(&r, (uint32_t)n);
            tl_page_release(&p, held[k]);
            held[k] = held[--n];
        }
    }
    int references = 0, idle = 0, listed = 0;
    for (int i = 0; i < N; i++) {
        references += p.pages[i].references;
        idle += p.pages[i].references == 0;
    }
    for (int i = p.first, before = -1; i >= 0; before = i, i = p.pages[i].after, listed++)
        CHECK_INT(p.pages[i].before, before);
    CHECK_INT(references, n);
    CHECK_INT(p.idle, idle);
    CHECK_INT(listed, idle);
    tl_arena_free(a);
}

RUN_TESTS(CASE(a_finished_page_is_found_by_its_name_and_an_unfinished_one_is_forgotten),
          CASE(what_was_used_last_is_forgotten_last), CASE(of_two_pages_with_one_name_the_first_keeps_it),
          CASE(a_copy_is_all_of_a_page), CASE(any_order_of_taking_and_releasing_keeps_the_accounts))
