/* rows.c - what is measured and what is wanted: the one table of targets.
 *
 * Targets are those of two cores; ratios are to what the same minutes' ceilings and peers gave. */
#include "bench/bench.h"

#include <string.h>

#define CEILING(x)                                                                                                     \
    {                                                                                                                  \
        TL_AIM_CEILING, x                                                                                              \
    }
#define PEER(x)                                                                                                        \
    {                                                                                                                  \
        TL_AIM_PEER, x                                                                                                 \
    }
#define LEAST(x)                                                                                                       \
    {                                                                                                                  \
        TL_AIM_LEAST, x                                                                                                \
    }
#define MOST(x)                                                                                                        \
    {                                                                                                                  \
        TL_AIM_MOST, x                                                                                                 \
    }
#define NONE                                                                                                           \
    {                                                                                                                  \
        TL_AIM_NONE, 0                                                                                                 \
    }

#define PRODUCT(type, m, aim)                                                                                          \
    {                                                                                                                  \
        .name = "product-" type "-m" #m, .unit = "GFLOP/s", .work = &tl_bench_product, .kind = (type), .rows = (m),    \
        .target = {                                                                                                    \
            aim                                                                                                        \
        }                                                                                                              \
    }

#define TRAIN(text, what, form, b, t, other, aim, aim2)                                                                \
    {                                                                                                                  \
        .name = "train-" text "-" #b "x" #t, .unit = "tokens/s", .work = &tl_bench_train, .shape = (form),             \
        .kind = (what), .rows = (b), .length = (t), .peer = (other), .target = {                                       \
            aim,                                                                                                       \
            aim2                                                                                                       \
        }                                                                                                              \
    }

#define LORA_STEP(b, t)                                                                                                \
    {                                                                                                                  \
        .name = "lora-step-of-full-" #b "x" #t, .unit = "of full's", .work = &tl_bench_lora_step, .shape = "135M",     \
        .kind = "lora", .rows = (b), .length = (t), .less = true, .target = {                                          \
            MOST(0.70)                                                                                                 \
        }                                                                                                              \
    }

#define MEMORY(text, what, form, gb)                                                                                   \
    {                                                                                                                  \
        .name = "memory-" text "-4x256", .unit = "GB", .work = &tl_bench_train_memory, .shape = (form),                \
        .kind = (what), .rows = 4, .length = 256, .peer = TL_PEER_TORCH, .less = true, .target = {                     \
            MOST(gb)                                                                                                   \
        }                                                                                                              \
    }

#define INFER(what, form, type, n, tokens, text, other, aim, aim2)                                                     \
    {                                                                                                                  \
        .name = #what "-" form "-" text, .unit = "tokens/s", .work = &tl_bench_##what, .shape = (form),                \
        .kind = (type), .rows = (n), .length = (tokens), .peer = (other), .target = {                                  \
            aim,                                                                                                       \
            aim2                                                                                                       \
        }                                                                                                              \
    }

#define M135 0.134515008 /* parameters, in billions, as peak memory is in GB */
#define M500 0.494032768
#define A135 0.002442240 /* numbers of LoRA r = 8 on every product */
#define A500 0.004399104

const tl_bench_row tl_bench_rows[] = {
    PRODUCT("bf16", 1, NONE),
    PRODUCT("bf16", 8, CEILING(0.33)),
    PRODUCT("bf16", 64, CEILING(0.87)),
    PRODUCT("bf16", 512, CEILING(0.87)),
    PRODUCT("bf16", 2048, CEILING(0.87)),
    PRODUCT("f32", 1, NONE),
    PRODUCT("f32", 8, NONE),
    PRODUCT("f32", 64, CEILING(0.87)),
    PRODUCT("f32", 512, CEILING(0.87)),
    PRODUCT("f32", 2048, CEILING(0.87)),
    PRODUCT("int8", 1, NONE),
    PRODUCT("int8", 8, NONE),
    PRODUCT("int8", 64, CEILING(0.85)),
    PRODUCT("int8", 512, CEILING(0.85)),
    PRODUCT("int8", 2048, CEILING(0.85)),

    TRAIN("full-bf16", "full", "135M", 4, 256, TL_PEER_TORCH, CEILING(0.62), PEER(2)),
    TRAIN("full-bf16", "full", "135M", 1, 512, TL_PEER_TORCH, CEILING(0.62), PEER(2)),
    TRAIN("lora-bf16", "lora", "135M", 4, 256, TL_PEER_TORCH, CEILING(0.60), PEER(2)),
    TRAIN("lora-bf16", "lora", "135M", 1, 512, TL_PEER_TORCH, CEILING(0.60), PEER(2)),
    LORA_STEP(4, 256),
    LORA_STEP(1, 512),
    TRAIN("full-f32-gpt2", "full-f32", "gpt2", 4, 64, TL_PEER_LLM_C, CEILING(0.60), PEER(4)),

    /* 14 bytes a parameter + 0.3 GB; 5 + 0.3; the base's bytes + 16 for each of an adapter's numbers + 0.25. */
    MEMORY("full", "full-fused", "135M", 14 * M135 + 0.3),
    MEMORY("low", "low", "135M", 5 * M135 + 0.3),
    MEMORY("lora", "lora-recompute", "135M", 2 * M135 + 16 * A135 + 0.25),
    MEMORY("full-0.5B", "full-fused", "0.5B", 14 * M500 + 0.3),
    MEMORY("low-0.5B", "low", "0.5B", 5 * M500 + 0.3),
    MEMORY("lora-0.5B", "lora-recompute", "0.5B", 2 * M500 + 16 * A500 + 0.25),

    INFER(prompt, "135M", "BF16", 1, 512, "512", TL_PEER_LLAMA, PEER(1.25), NONE),
    INFER(prompt, "135M", "BF16", 1, 2048, "2048", TL_PEER_LLAMA, PEER(1.25), NONE),
    INFER(prompt, "0.5B", "BF16", 1, 512, "512", TL_PEER_LLAMA, NONE, NONE),
    INFER(prompt, "1.1B", "BF16", 1, 512, "512", TL_PEER_LLAMA, PEER(1.1), NONE),
    INFER(prompt, "1.1B", "BF16", 1, 2048, "2048", TL_PEER_LLAMA, PEER(1.1), NONE),
    INFER(prompt, "135M", "Q8_0", 1, 512, "q8_0-512", TL_PEER_LLAMA, NONE, NONE),
    INFER(prompt, "135M", "Q4_0", 1, 512, "q4_0-512", TL_PEER_LLAMA, NONE, NONE),
    INFER(prompt, "1.1B", "Q8_0", 1, 512, "q8_0-512", TL_PEER_LLAMA, PEER(1.3), NONE),
    INFER(prompt, "1.1B", "Q4_0", 1, 512, "q4_0-512", TL_PEER_LLAMA, PEER(1.3), NONE),

    INFER(decode, "135M", "BF16", 1, 64, "1", TL_PEER_LLAMA, PEER(1.15), NONE),
    INFER(decode, "0.5B", "BF16", 1, 32, "1", TL_PEER_LLAMA, NONE, NONE),
    INFER(decode, "1.1B", "BF16", 1, 32, "1", TL_PEER_LLAMA, CEILING(0.88), NONE),
    INFER(decode, "135M", "Q8_0", 1, 64, "q8_0-1", TL_PEER_LLAMA, PEER(1.15), NONE),
    INFER(decode, "135M", "Q4_0", 1, 64, "q4_0-1", TL_PEER_LLAMA, PEER(1.15), NONE),
    INFER(decode, "1.1B", "Q8_0", 1, 32, "q8_0-1", TL_PEER_LLAMA, CEILING(0.80), NONE),
    INFER(decode, "1.1B", "Q4_0", 1, 32, "q4_0-1", TL_PEER_LLAMA, CEILING(0.75), NONE),
    INFER(decode, "135M", "BF16", 16, 64, "16", TL_PEER_NONE, LEAST(600), NONE),
    INFER(clients, "135M", "BF16", 16, 64, "16", TL_PEER_SERVER, NONE, NONE),

    { .name = "start-135M",
      .unit = "s",
      .work = &tl_bench_start,
      .shape = "135M",
      .kind = "BF16",
      .less = true,
      .target = { MOST(0.12) } },
    { 0 }
};

const tl_bench_row *tl_bench_row_of(const char *name)
{
    for (const tl_bench_row *r = tl_bench_rows; r->name; r++)
        if (strcmp(r->name, name) == 0) return r;
    return NULL;
}
