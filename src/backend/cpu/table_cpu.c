/* table_cpu.c - the table of this instruction set, and whether this machine has it. */
#include "backend/cpu/cpu.h"

#ifdef __AMX_BF16__
#include <cpuid.h>
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
           __builtin_cpu_supports("avx512bf16") && tiles_granted();
#else
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && tiles_granted();
#endif
}

#define NAME_OF(isa)   NAME_TEXT(isa)
#define NAME_TEXT(isa) #isa

const tl_backend TL_CPU(backend) = {
    .name = NAME_OF(TL_ISA),
    .usable = usable,
    .linear = TL_CPU(linear),
    .linear_dx = TL_CPU(linear_dx),
    .linear_dw = TL_CPU(linear_dw),
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
    .embed = TL_CPU(embed),
    .embed_back = TL_CPU(embed_back),
    .softcap = TL_CPU(softcap),
    .cross_entropy = TL_CPU(cross_entropy),
    .log_prob = TL_CPU(log_prob),
    .adamw = TL_CPU(adamw),
    .sum_squares = TL_CPU(sum_squares),
    .narrow = TL_CPU(narrow),
};
