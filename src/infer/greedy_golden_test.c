/* greedy_golden_test.c - the engine against transformers: 64 tokens, each the most likely one, with the cache on.
 *
 * The numbers are in tests/golden/model; their maker has seen to it that no two tokens were close. */
#include "infer/engine.h"
#include "tests/check.h"
#include "tests/golden_bases.h"

#include "io/safetensors.h"

enum {
    GREEDY = 64
};

static const int *numbers(const tl_safetensors *file, const char *name)
{
    const tl_stored *t = tl_safetensors_find(file, name);
    if (!t) fail_msg("golden.safetensors lacks %s", name);
    return t->data;
}

/* rows: of a step, so that the prompt is read in one or in several. */
static void check_base(const char *name, int rows)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    tl_safetensors *file = NULL;
    tl_stream stream;
    tl_engine *e = NULL;
    char dir[100], path[160];
    snprintf(dir, sizeof dir, GOLDEN_HOME "%s", name);
    snprintf(path, sizeof path, "%s/golden.safetensors", dir);
    CHECK_OK(tl_model_open(&m, dir, &err), err);
    CHECK_OK(tl_safetensors_open(&file, path, &err), err);
    CHECK_OK(tl_stream_create(&stream, 2, TL_PRECISION_F32, m->config.T, m->config.h, &err), err);
    tl_engine_options o = tl_engine_defaults();
    o.max_rows = rows;
    o.cache_bytes = 1 << 20;
    CHECK_OK(tl_engine_create(&e, m, &stream, &o, &err), err);
    const int *lengths = numbers(file, "lengths"), *wanted = numbers(file, "greedy");
    tl_generate_request r = tl_generate_defaults();
    r.prompt = numbers(file, "ids") + lengths[0];
    r.n_prompt = lengths[1];
    r.max_tokens = GREEDY;
    r.sampling.temperature = 0;
    CHECK_OK(tl_engine_generate(e, &r, 1, &err), err);
    CHECK_INT(r.ids.size, GREEDY);
    for (int i = 0; i < GREEDY; i++)
        if (r.ids.data[i] != wanted[i]) fail_msg("%s: token %d is %d, wanted %d", name, i, r.ids.data[i], wanted[i]);
    tl_ids_reset(&r.ids);
    tl_engine_free(e);
    tl_stream_free(&stream);
    tl_safetensors_close(file);
    tl_model_free(m);
}

TEST(the_most_likely_tokens_are_those_of_transformers)
{
    for (int i = 0; i < GOLDEN_BASES; i++) {
        check_base(golden_bases[i].name, 512);
        check_base(golden_bases[i].name, 4);
    }
}

RUN_TESTS(CASE(the_most_likely_tokens_are_those_of_transformers))
