/* ceilings.c - the loops.  Their instructions are written out, so this file needs no compiler flags of its own and the
 * compiler cannot keep anything from the units.  Registers above 15 are unknown to a compiler without AVX-512 and need
 * not be named as clobbered. */
#include "bench/ceilings.h"

#include "backend/backend.h"
#include "base/clock.h"

#include <omp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LOW_REGISTERS                                                                                                  \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",         \
        "xmm13", "xmm14", "xmm15"

/* 28 chains: more than latency times units of any CPU so far. */
#define CHAINS28(op)                                                                                                   \
    op " %%zmm30, %%zmm31, %%zmm0\n\t" op " %%zmm30, %%zmm31, %%zmm1\n\t" op " %%zmm30, %%zmm31, %%zmm2\n\t" op        \
       " %%zmm30, %%zmm31, %%zmm3\n\t" op " %%zmm30, %%zmm31, %%zmm4\n\t" op " %%zmm30, %%zmm31, %%zmm5\n\t" op        \
       " %%zmm30, %%zmm31, %%zmm6\n\t" op " %%zmm30, %%zmm31, %%zmm7\n\t" op " %%zmm30, %%zmm31, %%zmm8\n\t" op        \
       " %%zmm30, %%zmm31, %%zmm9\n\t" op " %%zmm30, %%zmm31, %%zmm10\n\t" op " %%zmm30, %%zmm31, %%zmm11\n\t" op      \
       " %%zmm30, %%zmm31, %%zmm12\n\t" op " %%zmm30, %%zmm31, %%zmm13\n\t" op " %%zmm30, %%zmm31, %%zmm14\n\t" op     \
       " %%zmm30, %%zmm31, %%zmm15\n\t" op " %%zmm30, %%zmm31, %%zmm16\n\t" op " %%zmm30, %%zmm31, %%zmm17\n\t" op     \
       " %%zmm30, %%zmm31, %%zmm18\n\t" op " %%zmm30, %%zmm31, %%zmm19\n\t" op " %%zmm30, %%zmm31, %%zmm20\n\t" op     \
       " %%zmm30, %%zmm31, %%zmm21\n\t" op " %%zmm30, %%zmm31, %%zmm22\n\t" op " %%zmm30, %%zmm31, %%zmm23\n\t" op     \
       " %%zmm30, %%zmm31, %%zmm24\n\t" op " %%zmm30, %%zmm31, %%zmm25\n\t" op " %%zmm30, %%zmm31, %%zmm26\n\t" op     \
       " %%zmm30, %%zmm31, %%zmm27\n\t"

/* 12 for the sixteen registers of AVX2. */
#define CHAINS12(op)                                                                                                   \
    op " %%ymm14, %%ymm15, %%ymm0\n\t" op " %%ymm14, %%ymm15, %%ymm1\n\t" op " %%ymm14, %%ymm15, %%ymm2\n\t" op        \
       " %%ymm14, %%ymm15, %%ymm3\n\t" op " %%ymm14, %%ymm15, %%ymm4\n\t" op " %%ymm14, %%ymm15, %%ymm5\n\t" op        \
       " %%ymm14, %%ymm15, %%ymm6\n\t" op " %%ymm14, %%ymm15, %%ymm7\n\t" op " %%ymm14, %%ymm15, %%ymm8\n\t" op        \
       " %%ymm14, %%ymm15, %%ymm9\n\t" op " %%ymm14, %%ymm15, %%ymm10\n\t" op " %%ymm14, %%ymm15, %%ymm11\n\t"

/* Bytes without VNNI: products of neighbours added in 16 bits, those of neighbours in 32, that to the sum. */
#define BYTES_STEP(t, sum)                                                                                             \
    "vpmaddubsw %%ymm14, %%ymm15, %%" t "\n\tvpmaddwd %%ymm13, %%" t ", %%" t "\n\tvpaddd %%" t ", %%" sum ", %%" sum  \
    "\n\t"
#define BYTES6                                                                                                         \
    BYTES_STEP("ymm6", "ymm0")                                                                                         \
    BYTES_STEP("ymm7", "ymm1")                                                                                         \
    BYTES_STEP("ymm8", "ymm2") BYTES_STEP("ymm9", "ymm3") BYTES_STEP("ymm10", "ymm4") BYTES_STEP("ymm11", "ymm5")

enum {
    LOOPS = 400000
};

static void zero_wide(void)
{
    __asm__ volatile("vpxord %%zmm30, %%zmm30, %%zmm30\n\tvpxord %%zmm31, %%zmm31, %%zmm31" ::: LOW_REGISTERS);
}

static void zero_narrow(void)
{
    __asm__ volatile("vpxor %%ymm13, %%ymm13, %%ymm13\n\tvpxor %%ymm14, %%ymm14, %%ymm14\n\t"
                     "vpxor %%ymm15, %%ymm15, %%ymm15" ::
                         : LOW_REGISTERS);
}

static void loop_f32_wide(void)
{
    zero_wide();
    for (int i = 0; i < LOOPS; i++) __asm__ volatile(CHAINS28("vfmadd231ps")::: LOW_REGISTERS);
}

static void loop_bf16_wide(void)
{
    zero_wide();
    for (int i = 0; i < LOOPS; i++) __asm__ volatile(CHAINS28("vdpbf16ps")::: LOW_REGISTERS);
}

static void loop_int8_wide(void)
{
    zero_wide();
    for (int i = 0; i < LOOPS; i++) __asm__ volatile(CHAINS28("vpdpbusd")::: LOW_REGISTERS);
}

static void loop_f32_narrow(void)
{
    zero_narrow();
    for (int i = 0; i < LOOPS; i++) __asm__ volatile(CHAINS12("vfmadd231ps")::: LOW_REGISTERS);
}

static void loop_int8_narrow(void)
{
    zero_narrow();
    for (int i = 0; i < LOOPS; i++) __asm__ volatile(BYTES6 BYTES6::: LOW_REGISTERS);
}

/* One AMX step is 16 x 16 sums of 32 products; four tiles of sums. */
static void loop_amx(void)
{
    struct {
        unsigned char palette, start_row, reserved[14];
        unsigned short bytes[16];
        unsigned char rows[16];
    } c;
    memset(&c, 0, sizeof c);
    c.palette = 1;
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %0\n\ttilezero %%tmm4\n\ttilezero %%tmm5" ::"m"(c));
    for (int i = 0; i < LOOPS / 8; i++)
        __asm__ volatile("tdpbf16ps %tmm5, %tmm4, %tmm0\n\ttdpbf16ps %tmm5, %tmm4, %tmm1\n\t"
                         "tdpbf16ps %tmm5, %tmm4, %tmm2\n\ttdpbf16ps %tmm5, %tmm4, %tmm3");
    __asm__ volatile("tilerelease");
}

typedef struct way {
    const char *instruction;
    void (*loop)(void);
    double operations; /* of a call, by one thread */
} way;

/* What the back end in use has; a kernel's ceiling is that of the instructions it is made of. */
static way way_of(tl_ceiling_kind kind)
{
    const double wide = 28.0 * LOOPS * 32, narrow = 12.0 * LOOPS * 16;
    const tl_backend *b = NULL;
    const bool amx = tl_backend_pick(&b, NULL) == 0 && strcmp(b->name, "amx") == 0;
    __builtin_cpu_init();
    if (amx && kind == TL_CEILING_BF16) return (way){ "tdpbf16ps", loop_amx, LOOPS * (4.0 / 8) * 16 * 16 * 64 };
    if (amx || (b && strcmp(b->name, "avx512") == 0)) {
        if (kind == TL_CEILING_BF16) return (way){ "vdpbf16ps zmm", loop_bf16_wide, 2 * wide };
        if (kind == TL_CEILING_INT8 && __builtin_cpu_supports("avx512vnni"))
            return (way){ "vpdpbusd zmm", loop_int8_wide, 4 * wide };
        if (kind == TL_CEILING_F32) return (way){ "vfmadd231ps zmm", loop_f32_wide, wide };
    }
    if (kind == TL_CEILING_INT8 && __builtin_cpu_supports("avx2"))
        return (way){ "vpmaddubsw, vpmaddwd, vpaddd ymm", loop_int8_narrow, 4 * narrow };
    return (way){ "vfmadd231ps ymm", loop_f32_narrow, narrow };
}

static double arithmetic(tl_ceiling_kind kind, int threads)
{
    const way w = way_of(kind);
    double start = tl_seconds();
#pragma omp parallel num_threads(threads)
    w.loop();
    return threads * w.operations / (tl_seconds() - start) / 1e9;
}

/* ---- memory ---- */

enum {
    BLOCK = 256 << 20
};

/* GB/s of reading the block, each thread in so many streams; ahead: bytes that prefetches run before them, 0: none. */
static double read_block(const char *block, int threads, int streams, size_t ahead)
{
    const size_t each = (size_t)BLOCK / (size_t)threads / (size_t)streams / 64 * 64;
    long total = 0;
    double start = tl_seconds();
#pragma omp parallel num_threads(threads) reduction(+ : total)
    {
        const char *p = block + (size_t)omp_get_thread_num() * (size_t)streams * each;
        long sum = 0;
        for (size_t i = 0; i < each; i += 64)
            for (int k = 0; k < streams; k++) {
                const char *at = p + (size_t)k * each + i;
                if (ahead) __builtin_prefetch(at + ahead);
                sum += *(const long *)(const void *)at; /* a line is read whole or not at all */
            }
        total += sum;
    }
    double seconds = tl_seconds() - start;
    return total == 1 ? 0 : (double)(each * (size_t)streams * (size_t)threads) / seconds / 1e9; /* the sum is wanted */
}

static double reading(int threads)
{
    static const struct pattern {
        int streams;
        size_t ahead;
    } patterns[] = { { 1, 0 }, { 2, 0 }, { 4, 0 }, { 4, 1024 }, { 4, 4096 }, { 8, 0 } };
    enum {
        PATTERNS = sizeof patterns / sizeof *patterns
    };
    static const struct pattern *best = patterns;
    static bool chosen;
    static char *block; /* kept: filling it takes longer than reading it */
    if (!block) {
        block = aligned_alloc((size_t)2 << 20, BLOCK);
        if (!block) return 0;
        madvise(block, BLOCK, MADV_HUGEPAGE);
        memset(block, 1, BLOCK);
    }
    double most = 0;
    for (size_t i = 0; !chosen && i < 3 * PATTERNS; i++) {
        double rate = read_block(block, threads, patterns[i % PATTERNS].streams, patterns[i % PATTERNS].ahead);
        if (rate > most) best = &patterns[i % PATTERNS];
        if (rate > most) most = rate;
    }
    chosen = true;
    double rate = 0; /* three passes: 20 ms or so */
    for (int i = 0; i < 3; i++) rate += read_block(block, threads, best->streams, best->ahead) / 3;
    return rate;
}

double tl_ceiling(tl_ceiling_kind kind, int threads)
{
    return kind == TL_CEILING_READ ? reading(threads) : arithmetic(kind, threads);
}

tl_ceiling_meter tl_ceiling_begin(tl_ceiling_kind kind, int threads)
{
    return (tl_ceiling_meter){ kind, threads, tl_ceiling(kind, threads) };
}

double tl_ceiling_end(tl_ceiling_meter *m)
{
    double after = tl_ceiling(m->kind, m->threads), mean = (m->before + after) / 2;
    m->before = after;
    return mean;
}

const char *tl_ceiling_name(tl_ceiling_kind kind)
{
    static const char *const names[TL_CEILINGS] = { "f32", "bf16", "int8", "read" };
    return names[kind];
}

const char *tl_ceiling_instruction(tl_ceiling_kind kind)
{
    return kind == TL_CEILING_READ ? "loads" : way_of(kind).instruction;
}
