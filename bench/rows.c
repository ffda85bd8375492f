/* rows.c - what is measured and what is wanted: the one table of targets.
 *
 * Targets are those of two cores; ratios are to what the same minutes' ceilings and peers gave. */
#include "bench/bench.h"

#define NO_AIM TL_AIM_NONE, 0
#define PRODUCT(type, m, aim, target)                                                                                  \
    {                                                                                                                  \
        .name = "product-" type "-m" #m, .unit = "GFLOP/s", .run = tl_bench_product, aim, target, NO_AIM, NULL, type,  \
        m, 0, NULL, false                                                                                              \
    }

const tl_bench_row tl_bench_rows[] = {
    PRODUCT("bf16", 1, TL_AIM_NONE, 0),
    PRODUCT("bf16", 8, TL_AIM_CEILING, 0.33),
    PRODUCT("bf16", 64, TL_AIM_CEILING, 0.87),
    PRODUCT("bf16", 512, TL_AIM_CEILING, 0.87),
    PRODUCT("bf16", 2048, TL_AIM_CEILING, 0.87),
    PRODUCT("f32", 64, TL_AIM_CEILING, 0.87),
    PRODUCT("f32", 512, TL_AIM_CEILING, 0.87),
    PRODUCT("f32", 2048, TL_AIM_CEILING, 0.87),
    { "train-full-bf16-4x256", "tokens/s", tl_bench_train, TL_AIM_CEILING, 0.62, TL_AIM_PEER, 2.0, "135M", "full", 4,
      256, "torch", false },
    { "train-full-bf16-1x512", "tokens/s", tl_bench_train, TL_AIM_CEILING, 0.62, TL_AIM_PEER, 2.0, "135M", "full", 1,
      512, "torch", false },
    { "train-lora-bf16-4x256", "tokens/s", tl_bench_train, TL_AIM_CEILING, 0.60, TL_AIM_PEER, 2.0, "135M", "lora", 4,
      256, "torch", false },
    { "train-lora-bf16-1x512", "tokens/s", tl_bench_train, TL_AIM_CEILING, 0.60, TL_AIM_PEER, 2.0, "135M", "lora", 1,
      512, "torch", false },
    { "lora-step-of-full-4x256", "of full's time", tl_bench_lora_step, TL_AIM_MOST, 0.70, NO_AIM, "135M", "lora", 4,
      256, NULL, false },
    { "train-full-f32-gpt2-4x64", "tokens/s", tl_bench_train, TL_AIM_CEILING, 0.60, NO_AIM, "gpt2", "full-f32", 4, 64,
      NULL, false },
    /* 14 bytes a parameter + 0.3 GB; 5 bytes + 0.3; the base's bytes + 16 for each of an adapter's numbers + 0.25. */
    { "memory-full-4x256", "GB", tl_bench_train, TL_AIM_MOST, 14 * 0.134515 + 0.3, NO_AIM, "135M", "full-fused", 4, 256,
      NULL, true },
    { "memory-low-4x256", "GB", tl_bench_train, TL_AIM_MOST, 5 * 0.134515 + 0.3, NO_AIM, "135M", "low", 4, 256, NULL,
      true },
    { "memory-lora-4x256", "GB", tl_bench_train, TL_AIM_MOST, 2 * 0.134515 + 16 * 0.002442 + 0.25, NO_AIM, "135M",
      "lora-recompute", 4, 256, NULL, true },
    { "memory-lora-0.5B-4x256", "GB", tl_bench_train, TL_AIM_MOST, 2 * 0.494033 + 16 * 0.004399 + 0.25, NO_AIM, "0.5B",
      "lora-recompute", 4, 256, NULL, true },
    { "prompt-135M-512", "tokens/s", tl_bench_prompt, TL_AIM_PEER, 1.25, NO_AIM, "135M", "bf16", 1, 512, "llama-bench",
      false },
    { "prompt-135M-2048", "tokens/s", tl_bench_prompt, TL_AIM_PEER, 1.25, NO_AIM, "135M", "bf16", 1, 2048,
      "llama-bench", false },
    { "prompt-0.5B-512", "tokens/s", tl_bench_prompt, NO_AIM, NO_AIM, "0.5B", "bf16", 1, 512, "llama-bench", false },
    { "prompt-1.1B-512", "tokens/s", tl_bench_prompt, TL_AIM_PEER, 1.1, NO_AIM, "1.1B", "bf16", 1, 512, "llama-bench",
      false },
    { "decode-135M-1", "tokens/s", tl_bench_decode, TL_AIM_PEER, 1.15, NO_AIM, "135M", "bf16", 1, 64, "llama-bench",
      false },
    { "decode-0.5B-1", "tokens/s", tl_bench_decode, NO_AIM, NO_AIM, "0.5B", "bf16", 1, 32, "llama-bench", false },
    { "decode-1.1B-1", "tokens/s", tl_bench_decode, TL_AIM_CEILING, 0.88, NO_AIM, "1.1B", "bf16", 1, 32, "llama-bench",
      false },
    { "decode-135M-16", "tokens/s", tl_bench_decode, TL_AIM_LEAST, 600, NO_AIM, "135M", "bf16", 16, 64, NULL, false },
    { "start-135M", "s", tl_bench_start, TL_AIM_MOST, 0.12, NO_AIM, "135M", "bf16", 1, 1, NULL, false },
    { 0 }
};
