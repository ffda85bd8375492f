/* table_cpu.c - the table of this instruction set, and whether this machine has it. */
#include "backend/cpu/cpu.h"

#include <cpuid.h>
#if TL_AMX
#include <sys/syscall.h>
#include <unistd.h>

/* The CPU has the tiles (CPUID leaf 7: edx bit 22 amx-bf16, bit 24 amx-tile), and the kernel grants this process their
 * 8 KiB of state (Linux 5.16: Documentation/arch/x86/xstate.rst); threads started later inherit the grant. */
static bool tiles_granted(void)
{
    enum {
        ARCH_REQ_XCOMP_PERM = 0x1023,
        XFEATURE_XTILEDATA = 18
    };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & 1u << 22) || !(d & 1u << 24)) return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
static bool tiles_granted(void)
{
    return true; /* none are asked for */
}
#endif

static bool usable(void)
{
    __builtin_cpu_init();
#ifdef __AVX512F__
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni") && tiles_granted();
#else
    unsigned a, b, c, d;
    const bool halves = __get_cpuid(1, &a, &b, &c, &d) && c & 1u << 29; /* f16c */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && halves && tiles_granted();
#endif
}

#define NAME_OF(isa)   NAME_TEXT(isa)
#define NAME_TEXT(isa) #isa

const tl_backend TL_CPU(backend) = {
    .name = NAME_OF(TL_ISA),
    .usable = usable,
    .linear = TL_CPU(linear_any),
    .linear_dx = TL_CPU(linear_dx_any),
    .linear_dw = TL_CPU(linear_dw_any),
    .bias_back = TL_CPU(bias_back),
    .rmsnorm = TL_CPU(rmsnorm),
    .rmsnorm_back = TL_CPU(rmsnorm_back),
    .layernorm = TL_CPU(layernorm),
    .layernorm_back = TL_CPU(layernorm_back),
    .rope = TL_CPU(rope),
    .kv_write = TL_CPU(kv_write),
    .attention = TL_CPU(attention),
    .attention_back = TL_CPU(attention_back),
    .swiglu = TL_CPU(swiglu),
    .swiglu_back = TL_CPU(swiglu_back),
    .gelu = TL_CPU(gelu),
    .gelu_back = TL_CPU(gelu_back),
    .geglu = TL_CPU(geglu),
    .geglu_back = TL_CPU(geglu_back),
    .gelu_exact = TL_CPU(gelu_exact),
    .gelu_exact_back = TL_CPU(gelu_exact_back),
    .gain = TL_CPU(gain),
    .gain_back = TL_CPU(gain_back),
    .scale = TL_CPU(scale),
    .add = TL_CPU(add),
    .embed = TL_CPU(embed_any),
    .embed_back = TL_CPU(embed_back),
    .softcap = TL_CPU(softcap),
    .cross_entropy = TL_CPU(cross_entropy),
    .log_prob = TL_CPU(log_prob),
    .adamw = TL_CPU(adamw),
    .sum_squares = TL_CPU(sum_squares),
    .narrow = TL_CPU(narrow),
};
