/* memory_flags.h - the flags of what training holds (train/memory.h), for the commands that train. */
#ifndef TL_CMD_MEMORY_FLAGS_H
#define TL_CMD_MEMORY_FLAGS_H

/* NULL: not said. */
typedef struct tl_memory_flags {
    const char *recompute, *weights, *state, *gradients;
} tl_memory_flags;

/* Rows for a command's table of options, of a tl_memory_flags. */
#define TL_MEMORY_ROWS(flags)                                                                                          \
    { "recompute", 's', &(flags).recompute, "WHEN",                                                                    \
      "run a layer again in the backward, not keep it: on, off, or (the default) auto: where all would take more "     \
      "than half of the machine's free memory" },                                                                      \
        { "weights", 's', &(flags).weights, "KIND",                                                                    \
          "of full training: f32 (the default), or bf16 rounded by chance" },                                          \
        { "optimizer-state", 's', &(flags).state, "KIND", "of full training: f32 (the default), bf16 or 8bit" },       \
    {                                                                                                                  \
        "gradients", 's', &(flags).gradients, "KIND",                                                                  \
            "of full training: f32 (the default); bf16; fused: updated inside the backward, without clipping, in one " \
            "micro-batch a step"                                                                                       \
    }

#endif
