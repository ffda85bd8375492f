/* rope.c - frequencies by scheme, and their tables.
 *
 * Bases are trained with the f32 angles of their makers: a frequency and its product with the position are rounded to
 * f32 as there, the rest is taken in double. */
#include "model/rope.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

static const double turn = 6.283185307179586; /* 2 pi */

static void divide(float *f, int n, const tl_rope *r)
{
    for (int i = 0; i < n; i++) f[i] /= (float)r->factor;
}

static void llama3(float *f, int n, const tl_rope *r)
{
    double slow = r->original / r->low, fast = r->original / r->high; /* positions a turn */
    for (int i = 0; i < n; i++) {
        double length = turn / f[i];
        double share = (r->original / length - r->low) / (r->high - r->low); /* of f itself */
        if (length > slow)
            f[i] /= (float)r->factor;
        else if (length >= fast)
            f[i] = (float)((1 - share) * f[i] / r->factor + share * f[i]);
    }
}

/* The index of the pair that goes round so often in the original context. */
static double pair_of(double rounds, const tl_rope *r, int w)
{
    return w * log(r->original / (rounds * turn)) / (2 * log(r->theta));
}

static double yarn_factor(const tl_rope *r, int T)
{
    return r->factor != 0 ? r->factor : (double)T / r->original;
}

static void yarn(float *f, int n, const tl_rope *r, int T)
{
    double low = pair_of(r->high, r, 2 * n), high = pair_of(r->low, r, 2 * n), factor = yarn_factor(r, T);
    if (!r->exact) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, 2 * n - 1);
    if (low == high) high += 0.001;
    for (int i = 0; i < n; i++) {
        double slow = fmin(fmax((i - low) / (high - low), 0), 1);
        f[i] = (float)(f[i] / factor * slow + f[i] * (1 - slow));
    }
}

static double yarn_scale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static double yarn_attention(const tl_rope *r, int T)
{
    double factor = yarn_factor(r, T);
    if (r->attention != 0) return r->attention;
    if (r->mscale == 0 || r->mscale_all == 0) return yarn_scale(factor, 1);
    return yarn_scale(factor, r->mscale) / yarn_scale(factor, r->mscale_all);
}

static double long_attention(const tl_rope *r)
{
    double factor = r->factor != 0 ? r->factor : (double)r->stretched / r->original;
    if (r->attention != 0) return r->attention;
    return factor <= 1 ? 1 : sqrt(1 + log(factor) / log(r->original));
}

float tl_rope_frequencies(float *f, const tl_rope *r, int w, int T)
{
    int n = w / 2;
    for (int i = 0; i < n; i++) {
        float exponent = (float)(2 * i) / (float)w;
        f[i] = 1.0f / (float)pow(r->theta, exponent);
    }
    switch (r->kind) {
    case TL_ROPE_DEFAULT:
    case TL_ROPE_DYNAMIC:
        return 1;
    case TL_ROPE_LINEAR:
        divide(f, n, r);
        return 1;
    case TL_ROPE_LLAMA3:
        llama3(f, n, r);
        return 1;
    case TL_ROPE_YARN:
        yarn(f, n, r, T);
        return (float)yarn_attention(r, T);
    case TL_ROPE_LONG:
        for (int i = 0; i < n; i++) f[i] /= r->short_factor[i];
        return (float)long_attention(r);
    }
    assert(!"a scheme that was parsed");
    return 1;
}

struct tl_rope_fill {
    atomic_int rows; /* filled */
    int T, half;
    double scale;
    float *f; /* [half], in the arena */
};

tl_rope_table tl_rope_make(tl_arena *arena, const tl_rope *r, int w, int T)
{
    size_t half = (size_t)(w / 2), n = (size_t)T * half;
    tl_rope_table t = { tl_arena_floats(arena, n), tl_arena_floats(arena, n), NULL };
    float *f = tl_arena_floats(arena, half);
    t.filled = tl_arena_take(arena, sizeof *t.filled);
    if (!t.filled) return t;
    t.filled->T = T;
    t.filled->half = (int)half;
    t.filled->f = f;
    t.filled->scale = tl_rope_frequencies(f, r, w, T);
    atomic_init(&t.filled->rows, 0);
    return t;
}

static void fill_rows(const tl_rope_table *t, int from, int to)
{
    const struct tl_rope_fill *r = t->filled;
    size_t half = (size_t)r->half;
#pragma omp parallel for
    for (int p = from; p < to; p++)
        for (size_t i = 0; i < half; i++) {
            float angle = (float)p * r->f[i];
            t->cos[(size_t)p * half + i] = (float)(r->scale * cos(angle));
            t->sin[(size_t)p * half + i] = (float)(r->scale * sin(angle));
        }
}

void tl_rope_reach(const tl_rope_table *t, int positions)
{
    enum {
        LEAST = 64 /* rows at a time, and from then on as many as there are: a token that grows the table is rare */
    };
    static pthread_mutex_t filling = PTHREAD_MUTEX_INITIALIZER;
    struct tl_rope_fill *r = t->filled;
    assert(positions <= r->T);
    if (atomic_load_explicit(&r->rows, memory_order_acquire) >= positions) return;
    pthread_mutex_lock(&filling);
    int rows = atomic_load_explicit(&r->rows, memory_order_relaxed), to = rows > LEAST / 2 ? 2 * rows : LEAST;
    if (rows < positions) {
        if (to < positions) to = positions;
        if (to > r->T) to = r->T;
        fill_rows(t, rows, to);
        atomic_store_explicit(&r->rows, to, memory_order_release); /* a row is read only after it is filled */
    }
    pthread_mutex_unlock(&filling);
}
