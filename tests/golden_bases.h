/* golden_bases.h - the bases in tests/golden/model, for the tests that run over all of them. */
#ifndef TL_TESTS_GOLDEN_BASES_H
#define TL_TESTS_GOLDEN_BASES_H

#define GOLDEN_HOME "tests/golden/model/"

static const struct {
    const char *name;    /* the directory */
    const char *targets; /* of its adapter, as we name them */
} golden_bases[] = {
    { "llama", "q_proj,v_proj,o_proj,down_proj" },
    { "llama-bias", "all-linear" },
    { "gpt2", "c_attn,c_fc,mlp.c_proj" },
    { "llama3", "q_proj,k_proj" },
    { "qwen3", "all-linear" },
    { "smollm3", "k_proj,o_proj" },
    { "granite", "v_proj,down_proj" },
    { "olmo2", "q_proj,o_proj,down_proj" },
    { "gpt-neox", "query_key_value,dense,dense_4h_to_h" },
};

enum {
    GOLDEN_BASES = sizeof golden_bases / sizeof *golden_bases
};

#endif
