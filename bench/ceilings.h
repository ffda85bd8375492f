/* ceilings.h - what this machine could do at best, measured.
 *
 *     tl_ceiling_meter meter = tl_ceiling_begin(TL_CEILING_BF16, threads);
 *     ... the measure ...
 *     double best = tl_ceiling_end(&meter);         GFLOP/s, the mean of just before and just after
 *
 * Arithmetic: independent multiply-adds on registers, the widest instruction for the type that the back end in use has.
 * Without one for the type - bf16 or whole numbers on AVX2 - it is what there is instead: f32's, or the three
 * instructions that make a sum of byte products.  Memory: reading a block far larger than the caches on huge pages,
 * each thread in several streams; the best of a few patterns is chosen at the first use.  A measure takes 20 to 60
 * ms. */
#ifndef TL_BENCH_CEILINGS_H
#define TL_BENCH_CEILINGS_H

typedef enum tl_ceiling_kind {
    TL_CEILING_F32,  /* GFLOP/s */
    TL_CEILING_BF16, /* GFLOP/s */
    TL_CEILING_INT8, /* GOP/s */
    TL_CEILING_READ, /* GB/s */
    TL_CEILINGS
} tl_ceiling_kind;

/* Once; 0 where there is no memory to read from. */
double tl_ceiling(tl_ceiling_kind kind, int threads);

typedef struct tl_ceiling_meter {
    tl_ceiling_kind kind;
    int threads;
    double before;
} tl_ceiling_meter;

/* The end of one measure is the beginning of the next where they follow each other at once. */
tl_ceiling_meter tl_ceiling_begin(tl_ceiling_kind kind, int threads);
double tl_ceiling_end(tl_ceiling_meter *m);

/* "f32", "bf16", "int8", "read". */
const char *tl_ceiling_name(tl_ceiling_kind kind);

/* The instruction that arithmetic is measured with: "vdpbf16ps zmm". */
const char *tl_ceiling_instruction(tl_ceiling_kind kind);

#endif
