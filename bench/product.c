/* product.c - rows of matrix products: five shapes, weights that come from memory. */
#include "bench/bench.h"
#include "bench/ceilings.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SHAPES = 5,
    WEIGHTS = 128 << 20 /* bytes that the weights of a shape rotate over, at least */
};

static const int inner[SHAPES] = { 576, 896, 2048, 2048, 768 };
static const int outer[SHAPES] = { 1536, 4864, 2048, 8192, 50257 };

typedef struct work {
    const tl_backend *backend;
    tl_stream stream;
    tl_dtype type;
    tl_ceiling_kind ceiling;
    char *weights; /* owned: `copies` matrices */
    size_t bytes;  /* of one */
    int copies, next;
    float *x, *y; /* owned */
    int M, K, N;
} work;

static void *block(size_t bytes)
{
    const size_t huge = (size_t)2 << 20;
    void *p = aligned_alloc(huge, (bytes + huge) / huge * huge);
    if (p) madvise(p, (bytes + huge) / huge * huge, MADV_HUGEPAGE);
    return p;
}

static int work_make(work *w, tl_err *err)
{
    w->bytes = (size_t)w->K * (size_t)w->N * tl_dtype_size(w->type);
    w->copies = (int)(WEIGHTS / w->bytes) + 1;
    w->weights = block(w->bytes * (size_t)w->copies);
    w->x = block((size_t)w->M * (size_t)w->K * sizeof *w->x);
    w->y = block((size_t)w->M * (size_t)w->N * sizeof *w->y);
    if (!w->weights || !w->x || !w->y) return tl_fail(err, TL_ENOMEM, "no memory for a product of %d x %d", w->K, w->N);
    const size_t n = (size_t)w->K * (size_t)w->N * (size_t)w->copies;
    for (size_t i = 0; i < n; i++) { /* numbers of about 1, all different enough */
        float v = (float)((uint32_t)i * 2654435761u >> 16) / 65536 - 0.5f;
        if (w->type == TL_DTYPE_BF16)
            ((tl_bf16 *)(void *)w->weights)[i] = tl_f32_to_bf16(v);
        else
            ((float *)(void *)w->weights)[i] = v;
    }
    for (int i = 0; i < w->M * w->K; i++) w->x[i] = (float)(i % 101) / 101 - 0.5f;
    memset(w->y, 0, (size_t)w->M * (size_t)w->N * sizeof *w->y);
    return 0;
}

static void work_free(work *w)
{
    free(w->weights);
    free(w->x);
    free(w->y);
}

/* GFLOP/s over about 30 ms. */
static double rate(work *w)
{
    const double flops = 2.0 * w->M * w->K * w->N;
    const double start = tl_seconds();
    double seconds;
    int n = 0;
    do {
        tl_matrix m = { .data = w->weights + w->bytes * (size_t)(w->next++ % w->copies), .dtype = w->type };
        w->backend->linear(&w->stream, &(tl_product){ .y = w->y, .w = m, .O = w->N }, 1, w->x, w->M, w->K);
        n++;
        seconds = tl_seconds() - start;
    } while (seconds < 0.03);
    return flops * n / seconds / 1e9;
}

/* One shape: medians of rate and ratio. */
static int shape(double *value, double *ratio, work *w, const tl_bench_options *o, tl_err *err)
{
    double values[TL_BENCH_SAMPLES], ratios[TL_BENCH_SAMPLES];
    const int n = o->quick ? 3 : 9;
    int rc = work_make(w, err);
    if (rc == 0) {
        rate(w);
        double before = tl_ceiling(w->ceiling, o->threads);
        for (int i = 0; i < n; i++) {
            values[i] = rate(w);
            double after = tl_ceiling(w->ceiling, o->threads);
            ratios[i] = values[i] / ((before + after) / 2);
            before = after;
        }
        *value = tl_bench_spread_of(values, n).median;
        *ratio = tl_bench_spread_of(ratios, n).median;
    }
    work_free(w);
    return rc;
}

/* The samples are the shapes: the worst of them must reach the target. */
int tl_bench_product(const tl_bench_row *row, const tl_bench_options *o, tl_bench_samples *out, tl_err *err)
{
    const bool bf16 = strcmp(row->kind, "bf16") == 0;
    work w = { .type = bf16 ? TL_DTYPE_BF16 : TL_DTYPE_F32,
               .ceiling = bf16 ? TL_CEILING_BF16 : TL_CEILING_F32,
               .M = row->rows };
    TL_TRY(tl_backend_pick(&w.backend, err));
    TL_TRY(tl_stream_create(&w.stream, o->threads, bf16 ? TL_PRECISION_BF16 : TL_PRECISION_F32, 64, 64, err));
    int rc = 0;
    for (int i = 0; rc == 0 && i < SHAPES; i++) {
        w.K = inner[i];
        w.N = outer[i];
        rc = shape(&out->value[i], &out->ratio[i], &w, o, err);
    }
    out->n = SHAPES;
    tl_stream_free(&w.stream);
    return rc;
}
