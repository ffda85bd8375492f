/* sampler.c - greedy choice, and drawing with the top-k and top-p cuts.
 *
 * Without cuts the mass is walked in id order and nothing is sorted.  With a cut only the likeliest tokens are needed
 * in order, so the ids are made a heap (V steps) and taken from its top until the cut is reached: a few dozen takes of
 * log V each instead of sorting a vocabulary.  Equal logits stand in id order, so the order is total and the draw does
 * not depend on how the heap was built. */
#include "infer/sampler.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    STREAM_SAMPLE = 0x5a
}; /* the random stream of sampling */

tl_sampling tl_sampling_defaults(void)
{
    return (tl_sampling){ .temperature = 0, .top_k = 0, .top_p = 1, .seed = 0 };
}

int tl_sampling_check(const tl_sampling *o, tl_err *err)
{
    if (!(o->temperature >= 0 && o->temperature <= 1e6))
        return tl_fail(err, TL_EUSAGE, "temperature is %g, wanted 0 (greedy) to 1e6", o->temperature);
    if (o->temperature > 0 && o->temperature < 1e-6)
        return tl_fail(err, TL_EUSAGE, "temperature is %g, wanted at least 1e-6, or 0 for greedy", o->temperature);
    if (o->top_k < 0) return tl_fail(err, TL_EUSAGE, "top_k is %d, wanted 0 (no cut) or more", o->top_k);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return tl_fail(err, TL_EUSAGE, "top_p is %g, wanted above 0 and at most 1 (no cut)", o->top_p);
    return 0;
}

tl_rng tl_sampler_rng(const tl_sampling *o)
{
    return tl_rng_make(o->seed, STREAM_SAMPLE);
}

/* Bits of a float as a whole number of the same order, and back. */
static inline int32_t ordered(int32_t bits)
{
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

/* The largest of n; *nan where one is no number.  Neither is asked on the way, and both are whole numbers: so the loop
 * becomes vectors. */
static float largest(const float *x, int n, bool *nan)
{
    int32_t most = INT32_MIN, size = 0;
    float out;
#pragma omp simd reduction(max : most, size)
    for (int i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        const int32_t key = ordered(bits), magnitude = bits & 0x7fffffff;
        most = key > most ? key : most;
        size = magnitude > size ? magnitude : size;
    }
    *nan = size > 0x7f800000;
    most = ordered(most);
    memcpy(&out, &most, sizeof out);
    return out;
}

/* The first of the largest logits, or -1.  A greedy token is nothing else, so it is looked for by blocks, and then in
 * the block that has it. */
static int likeliest(const float *logits, int V)
{
    enum {
        BLOCK = 1024
    };
    float most = -INFINITY;
    int at = 0;
    for (int from = 0; from < V; from += BLOCK) {
        bool nan;
        float here = largest(logits + from, V - from < BLOCK ? V - from : BLOCK, &nan);
        if (nan) return -1;
        if (here <= most) continue;
        most = here;
        at = from;
    }
    if (!isfinite(most)) return -1;
    while (logits[at] != most) at++;
    return at;
}

static inline bool before(const float *logits, int a, int b)
{
    if (logits[a] != logits[b]) return logits[a] > logits[b];
    return a < b;
}

static void sift(int *heap, int n, int i, const float *logits)
{
    int id = heap[i];
    for (;;) {
        int child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && before(logits, heap[child + 1], heap[child])) child++;
        if (!before(logits, heap[child], id)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = id;
}

/* Take the top and put it behind the n - 1 that stay: the taken ones end up at the back, the likeliest last. */
static void take(int *heap, int n, const float *logits)
{
    int top = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = top;
    sift(heap, n - 1, 0, logits);
}

int tl_sampling_draw(const float *logits, int V, const tl_sampling *o, tl_rng *r, int *scratch)
{
    assert(V > 0);
    int best = likeliest(logits, V);
    if (best < 0 || o->temperature == 0) return best;

    double max = logits[best], rate = 1 / o->temperature;
#define WEIGHT(id) exp((logits[id] - max) * rate)
    double u = tl_rng_unit(r), mass = 0;
    bool cut_k = o->top_k > 0 && o->top_k < V, cut_p = o->top_p < 1;
    if (!cut_k || cut_p)
        for (int i = 0; i < V; i++) mass += WEIGHT(i);

    if (!cut_k && !cut_p) {
        double left = u * mass;
        int last = best;
        for (int i = 0; i < V; i++) {
            double w = WEIGHT(i);
            if (w > 0) last = i;
            if (left < w) return i;
            left -= w;
        }
        return last; /* rounding ate the last sliver: it belongs to the last token that has any */
    }

    int *heap = scratch, kept = 0, most = cut_k ? o->top_k : V;
    for (int i = 0; i < V; i++) heap[i] = i;
    for (int i = V / 2; i-- > 0;) sift(heap, V, i, logits);
    if (cut_k && cut_p) { /* top_p is a share of what top_k leaves */
        mass = 0;
        for (; kept < most; kept++) {
            take(heap, V - kept, logits);
            mass += WEIGHT(heap[V - 1 - kept]);
        }
    }
    double sum = 0;
    int n = 0;
    while (n < most && (n == 0 || !cut_p || sum < o->top_p * mass)) {
        if (n == kept) take(heap, V - kept++, logits);
        sum += WEIGHT(heap[V - 1 - n++]);
    }
    double left = u * sum;
    for (int i = 0; i < n - 1; i++) {
        double w = WEIGHT(heap[V - 1 - i]);
        if (left < w) return heap[V - 1 - i];
        left -= w;
    }
    return heap[V - n];
#undef WEIGHT
}
