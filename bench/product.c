/* product.c - rows of matrix products: five shapes, weights that come from memory. */
#include "bench/bench.h"
#include "bench/ceilings.h"

#include "backend/backend.h"
#include "base/clock.h"
#include "base/panels.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    WEIGHTS = 128 << 20 /* bytes that the weights of a shape rotate over, at least */
};

static const struct {
    const char *name;
    int inner, outer;
} shapes[TL_BENCH_PARTS] = {
    { "576x1536", 576, 1536 },   { "896x4864", 896, 4864 },   { "2048x2048", 2048, 2048 },
    { "2048x8192", 2048, 8192 }, { "768x50257", 768, 50257 },
};

static const struct {
    const char *kind;
    tl_dtype weights;
    tl_precision precision;
    tl_ceiling_kind ceiling;
} kinds[] = {
    { "f32", TL_DTYPE_F32, TL_PRECISION_F32, TL_CEILING_F32 },
    { "bf16", TL_DTYPE_BF16, TL_PRECISION_BF16, TL_CEILING_BF16 },
    { "int8", TL_DTYPE_Q8_0, TL_PRECISION_INT8, TL_CEILING_INT8 }, /* 8 bits, a scale for 32 numbers */
};

typedef struct product {
    char *weights; /* owned: `copies` matrices */
    size_t bytes;  /* of one */
    int copies, next;
    int K, N;
} product;

typedef struct products {
    const tl_backend *backend;
    tl_stream stream;
    int kind, threads, M;
    float *x, *y; /* owned: as large as the largest shape wants */
    product shape[TL_BENCH_PARTS];
} products;

static void *block(size_t bytes)
{
    const size_t huge = (size_t)2 << 20, whole = (bytes + huge) / huge * huge;
    void *p = aligned_alloc(huge, whole);
    if (p) madvise(p, whole, MADV_HUGEPAGE);
    return p;
}

/* Number i: about 1, all different enough. */
static float number(size_t i)
{
    return (float)((uint32_t)i * 2654435761u >> 16) / 65536 - 0.5f;
}

/* Panels of 32 rows, all as the first. */
static int fill_panels(product *s, tl_dtype type, tl_err *err)
{
    const size_t K = (size_t)s->K, each = tl_panel_bytes(type, K), n = s->bytes / each * (size_t)s->copies;
    float *x = malloc(TL_PANEL * K * sizeof *x);
    if (!x) return tl_fail(err, TL_ENOMEM, "no memory for products of %d x %d", s->K, s->N);
    for (size_t i = 0; i < TL_PANEL * K; i++) x[i] = number(i);
    tl_panel_from_f32(type, s->weights, x, TL_PANEL, K);
    for (size_t i = 1; i < n; i++) memcpy(s->weights + i * each, s->weights, each);
    free(x);
    return 0;
}

static int make_shape(product *s, tl_dtype type, tl_err *err)
{
    const size_t K = (size_t)s->K, N = (size_t)s->N;
    s->bytes = tl_panels_known(type) ? tl_panels_bytes(type, N, K) : N * K * tl_dtype_size(type);
    s->copies = (int)(WEIGHTS / s->bytes) + 1;
    s->weights = block(s->bytes * (size_t)s->copies);
    if (!s->weights) return tl_fail(err, TL_ENOMEM, "no memory for products of %d x %d", s->K, s->N);
    if (tl_panels_known(type)) return fill_panels(s, type, err);
    for (size_t i = 0; i < N * K * (size_t)s->copies; i++)
        if (type == TL_DTYPE_BF16)
            ((tl_bf16 *)(void *)s->weights)[i] = tl_f32_to_bf16(number(i));
        else
            ((float *)(void *)s->weights)[i] = number(i);
    return 0;
}

static void product_once(products *t, product *s)
{
    const tl_matrix w = { .data = s->weights + s->bytes * (size_t)(s->next++ % s->copies),
                          .dtype = kinds[t->kind].weights };
    t->backend->linear(&t->stream, &(tl_product){ .y = t->y, .w = w, .O = s->N }, 1, t->x, t->M, s->K);
}

static int product_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    products *t = *state = calloc(1, sizeof *t);
    size_t widest = 0, deepest = 0;
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for products");
    t->threads = o->threads;
    t->M = row->rows;
    while (strcmp(kinds[t->kind].kind, row->kind) != 0) t->kind++;
    TL_TRY(tl_backend_pick(&t->backend, err));
    TL_TRY(tl_stream_create(&t->stream, o->threads, kinds[t->kind].precision, 64, 64, err));
    for (int i = 0; i < TL_BENCH_PARTS; i++) {
        product *s = &t->shape[i];
        s->K = shapes[i].inner;
        s->N = shapes[i].outer;
        if ((size_t)s->K > deepest) deepest = (size_t)s->K;
        if ((size_t)s->N > widest) widest = (size_t)s->N;
        TL_TRY(make_shape(s, kinds[t->kind].weights, err));
    }
    t->x = block((size_t)t->M * deepest * sizeof *t->x);
    t->y = block((size_t)t->M * widest * sizeof *t->y);
    if (!t->x || !t->y) return tl_fail(err, TL_ENOMEM, "no memory for products of %d rows", t->M);
    for (size_t i = 0; i < (size_t)t->M * deepest; i++) t->x[i] = (float)(i % 101) / 101 - 0.5f;
    memset(t->y, 0, (size_t)t->M * widest * sizeof *t->y);
    for (int i = 0; i < TL_BENCH_PARTS; i++) product_once(t, &t->shape[i]);
    return 0;
}

static void product_close(void *state)
{
    products *t = state;
    for (int i = 0; i < TL_BENCH_PARTS; i++) free(t->shape[i].weights);
    free(t->x);
    free(t->y);
    tl_stream_free(&t->stream);
    free(t);
}

/* GFLOP/s over about 30 ms. */
static double rate(products *t, product *s)
{
    const double start = tl_seconds();
    double seconds;
    int n = 0;
    do {
        product_once(t, s);
        n++;
        seconds = tl_seconds() - start;
    } while (seconds < 0.03);
    return 2.0 * t->M * s->K * s->N * n / seconds / 1e9;
}

static int product_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    products *t = state;
    (void)err;
    tl_ceiling_meter meter = tl_ceiling_begin(kinds[t->kind].ceiling, t->threads);
    for (out->n = 0; out->n < TL_BENCH_PARTS; out->n++) {
        out->part[out->n].name = shapes[out->n].name;
        out->part[out->n].value = rate(t, &t->shape[out->n]);
        out->part[out->n].ratio = out->part[out->n].value / tl_ceiling_end(&meter);
    }
    return 0;
}

const tl_bench_work tl_bench_product = { product_open, product_turn, product_close };
