/* ceilings.h - what this machine could do at best, measured.
 *
 *     double before = tl_ceiling(TL_CEILING_BF16, threads);     GFLOP/s
 *
 * Arithmetic: independent multiply-adds on registers, the widest instruction the CPU has for the type.  Memory: reading
 * a block far larger than the caches, each thread in four streams with prefetch, on huge pages where they are to be
 * had. A call takes 20 to 60 ms. */
#ifndef TL_BENCH_CEILINGS_H
#define TL_BENCH_CEILINGS_H

typedef enum tl_ceiling_kind {
    TL_CEILING_F32,  /* GFLOP/s */
    TL_CEILING_BF16, /* GFLOP/s; without such an instruction, f32's */
    TL_CEILING_INT8, /* GOP/s; likewise */
    TL_CEILING_READ, /* GB/s */
    TL_CEILINGS
} tl_ceiling_kind;

double tl_ceiling(tl_ceiling_kind kind, int threads);

/* "f32", "bf16", "int8", "read". */
const char *tl_ceiling_name(tl_ceiling_kind kind);

#endif
