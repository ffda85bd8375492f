/* ceilings.c - the loops.  Their instructions are written out, so this file needs no compiler flags of its own and the
 * compiler cannot keep anything from the units.  Registers above 15 are unknown to a compiler without AVX-512 and need
 * not be named as clobbered. */
#include "bench/ceilings.h"

#include "base/clock.h"

#include <omp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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

enum {
    LOOPS = 400000
};

static void zero_wide(void)
{
    __asm__ volatile("vpxord %%zmm30, %%zmm30, %%zmm30\n\tvpxord %%zmm31, %%zmm31, %%zmm31" ::: LOW_REGISTERS);
}

static void zero_narrow(void)
{
    __asm__ volatile("vpxor %%ymm14, %%ymm14, %%ymm14\n\tvpxor %%ymm15, %%ymm15, %%ymm15" ::: LOW_REGISTERS);
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
    void (*loop)(void);
    double operations; /* of a call, by one thread */
} way;

static bool has_amx(void)
{
    enum {
        ARCH_REQ_XCOMP_PERM = 0x1023,
        XFEATURE_XTILEDATA = 18
    };
    unsigned a = 7, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (d & 1u << 22) && (d & 1u << 24) && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static way way_of(tl_ceiling_kind kind)
{
    const double wide = 28.0 * LOOPS * 32;
    __builtin_cpu_init();
    if (kind == TL_CEILING_BF16 && has_amx()) return (way){ loop_amx, 4.0 * (LOOPS / 8) * 16 * 16 * 64 };
    if (kind == TL_CEILING_BF16 && __builtin_cpu_supports("avx512bf16")) return (way){ loop_bf16_wide, 2 * wide };
    if (kind == TL_CEILING_INT8 && __builtin_cpu_supports("avx512vnni")) return (way){ loop_int8_wide, 4 * wide };
    if (__builtin_cpu_supports("avx512f")) return (way){ loop_f32_wide, wide };
    return (way){ loop_f32_narrow, 12.0 * LOOPS * 16 };
}

static double arithmetic(tl_ceiling_kind kind, int threads)
{
    const way w = way_of(kind);
    double start = tl_seconds();
#pragma omp parallel num_threads(threads)
    w.loop();
    return threads * w.operations / (tl_seconds() - start) / 1e9;
}

static double reading(int threads)
{
    enum {
        STREAMS = 4,
        AHEAD = 4096
    };
    static const size_t size = (size_t)256 << 20;
    static char *block; /* kept: filling it takes longer than reading it */
    if (!block) {
        block = aligned_alloc((size_t)2 << 20, size);
        if (!block) return 0;
        madvise(block, size, MADV_HUGEPAGE);
        memset(block, 1, size);
    }
    const size_t each = size / (size_t)threads / STREAMS / 64 * 64;
    long total = 0;
    double start = tl_seconds();
#pragma omp parallel num_threads(threads) reduction(+ : total)
    {
        const char *p = block + (size_t)omp_get_thread_num() * STREAMS * each;
        long sum = 0;
        for (size_t i = 0; i < each; i += 64)
            for (int k = 0; k < STREAMS; k++) {
                const char *at = p + (size_t)k * each + i;
                __builtin_prefetch(at + AHEAD);
                sum += *(const long *)(const void *)at; /* a line is read whole or not at all */
            }
        total += sum;
    }
    double seconds = tl_seconds() - start;
    return total == 1 ? 0 : (double)(each * STREAMS * (size_t)threads) / seconds / 1e9; /* the sum is wanted */
}

double tl_ceiling(tl_ceiling_kind kind, int threads)
{
    return kind == TL_CEILING_READ ? reading(threads) : arithmetic(kind, threads);
}

const char *tl_ceiling_name(tl_ceiling_kind kind)
{
    static const char *const names[TL_CEILINGS] = { "f32", "bf16", "int8", "read" };
    return names[kind];
}
