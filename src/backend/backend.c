/* backend.c - the choice of a back end, and the stream that its kernels run on. */
#include "backend/backend.h"
#include "base/size.h"

#include <assert.h>
#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Fastest first. */
static const tl_backend *const backends[] = { &tl_backend_amx, &tl_backend_avx512, &tl_backend_avx2, &tl_backend_ref };

enum {
    BACKENDS = sizeof backends / sizeof backends[0]
};

static const tl_backend *usable[BACKENDS + 1]; /* NULL at the end; filled once */

static void find_usable(void)
{
    int n = 0;
    for (int i = 0; i < BACKENDS; i++)
        if (backends[i]->usable()) usable[n++] = backends[i];
}

const tl_backend *const *tl_backend_all(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_usable);
    return usable;
}

int tl_backend_pick(const tl_backend **out, tl_err *err)
{
    const tl_backend *const *all = tl_backend_all();
    const char *name = getenv("TAILOR_BACKEND");
    if (!name || !*name) {
        *out = all[0];
        return 0;
    }
    for (int i = 0; all[i]; i++) {
        if (strcmp(all[i]->name, name) == 0) {
            *out = all[i];
            return 0;
        }
    }
    assert(all[0]); /* ref runs everywhere */
    for (int i = 0; i < BACKENDS; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return tl_fail(err, TL_EUNSUPPORTED,
                           "TAILOR_BACKEND is %s, which this CPU cannot run; the best it can is %s", name,
                           all[0]->name);
    return tl_fail(err, TL_EUSAGE, "TAILOR_BACKEND is '%s', wanted amx, avx512, avx2 or ref", name);
}

/* What one thread may need is TL_PRODUCT_SCRATCH; what comes on top for positions and heads, attention needed before it
 * worked in steps.  Pages of it that no kernel touches are never taken from the system. */
static bool scratch_size(size_t *out, int max_positions, int max_head)
{
    size_t positions = tl_size_up((size_t)max_positions, TL_PAGE), floats;
    return tl_size_mul(&floats, positions, 16 + 4 * (size_t)tl_head_padded(max_head)) &&
           tl_size_mul(out, floats, sizeof(float)) && tl_size_add(out, *out, TL_PRODUCT_SCRATCH);
}

int tl_stream_create(tl_stream *s, int threads, tl_precision precision, int max_positions, int max_head, tl_err *err)
{
    size_t each = 0, total = 0;
    memset(s, 0, sizeof *s);
    if (threads < 0) return tl_fail(err, TL_EUSAGE, "threads is %d, wanted 1 or more, or 0 for all", threads);
    if (threads == 0) threads = omp_get_max_threads();
    if (max_positions < 0 || max_head < 0 || max_head > 1 << 20 || !scratch_size(&each, max_positions, max_head) ||
        !tl_size_mul(&total, each, (size_t)threads) || !tl_size_add(&total, total, TL_PRODUCT_SHARED))
        return tl_fail(err, TL_ESHAPE, "scratch for %d threads, %d positions and heads of %d does not fit in memory",
                       threads, max_positions, max_head);
    s->scratch = aligned_alloc(64, total); /* each is a multiple of 64, so every block is aligned */
    if (!s->scratch)
        return tl_fail(err, TL_ENOMEM, "scratch: %zu bytes for %d threads could not be had", total, threads);
    s->threads = threads;
    s->precision = precision;
    s->scratch_each = each;
    s->shared = s->scratch + (size_t)threads * each;
    return 0;
}

void tl_stream_free(tl_stream *s)
{
    if (!s) return;
    free(s->scratch);
    memset(s, 0, sizeof *s);
}
