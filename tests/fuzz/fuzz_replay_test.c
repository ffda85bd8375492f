/* fuzz_replay_test.c - what the fuzzers start from and what they found goes through its target again, as it is, cut
 * short and with bytes changed by a seed.  No fuzzer is needed for that; under SAN=address,undefined it sees most. */
#define _GNU_SOURCE /* nftw, memmem */
#include "base/rng.h"
#include "io/atomic.h"
#include "tests/check.h"
#include "tests/fuzz/targets.h"

#include <dirent.h>

#define CORPUS "tests/fuzz/corpus"

enum {
    CUTS = 16,
    SMALL = 1500, /* bytes of a seed that is cut everywhere */
    CHANGES = 48
};

static void replay(int target, const tl_buf *file, uint64_t seed)
{
    /* An exact copy on the heap: reading past its end is seen. */
    uint8_t *copy = malloc(file->size + 1);
    CHECK(copy != NULL);
    const void *bytes = file->size ? file->data : "";
    memcpy(copy, bytes, file->size);
    fuzz_targets[target].run(copy, file->size);
    const size_t cuts = file->size <= SMALL ? file->size : CUTS;
    for (size_t i = 0; i < cuts; i++) fuzz_targets[target].run(copy, file->size * i / cuts);
    tl_rng r = tl_rng_make(seed, 1);
    for (int i = 0; i < CHANGES && file->size; i++) {
        memcpy(copy, bytes, file->size);
        for (uint32_t k = 0; k <= tl_rng_below(&r, 3); k++)
            copy[tl_rng_below(&r, (uint32_t)file->size)] = (uint8_t)tl_rng_below(&r, 256);
        fuzz_targets[target].run(copy, file->size);
    }
    free(copy);
}

static void replay_corpus(int target)
{
    tl_err err = { 0 };
    char dir[100], path[400];
    int n = 0;
    snprintf(dir, sizeof dir, CORPUS "/%s", fuzz_targets[target].name);
    DIR *d = opendir(dir);
    if (!d) fail_msg("%s cannot be read", dir);
    fuzz_begin();
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        tl_buf file = tl_buf_make(1 << 20);
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK_OK(tl_file_read(path, 1 << 20, &file, &err), err);
        replay(target, &file, (uint64_t)n++);
        tl_buf_reset(&file);
    }
    fuzz_end();
    closedir(d);
    CHECK(n > 0);
}

TEST(safetensors_of_strangers_do_no_harm)
{
    replay_corpus(0);
}
TEST(tokenizers_of_strangers_do_no_harm)
{
    replay_corpus(1);
}
TEST(configs_of_strangers_do_no_harm)
{
    replay_corpus(2);
}
TEST(tasks_of_strangers_do_no_harm)
{
    replay_corpus(3);
}
TEST(adapters_of_strangers_do_no_harm)
{
    replay_corpus(4);
}
TEST(gguf_files_of_strangers_do_no_harm)
{
    replay_corpus(5);
}
TEST(hubs_of_strangers_do_no_harm)
{
    replay_corpus(6);
}
TEST(templates_of_strangers_do_no_harm)
{
    replay_corpus(7);
}

TEST(sentencepiece_models_of_strangers_do_no_harm)
{
    replay_corpus(8);
}

TEST(rank_files_of_strangers_do_no_harm)
{
    replay_corpus(9);
}

/* Each seed of a target for tokenizers opens. */
static void check_seeds_open(const char *target)
{
    char dir[100], path[400];
    snprintf(dir, sizeof dir, CORPUS "/%s", target);
    DIR *d = opendir(dir);
    if (!d) fail_msg("%s cannot be read", dir);
    for (struct dirent *e; (e = readdir(d));) {
        tl_err err = { 0 };
        tl_tokenizer *t = NULL;
        tl_buf file = tl_buf_make(1 << 20);
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK_OK(tl_file_read(path, 1 << 20, &file, &err), err);
        scratch_begin();
        if (strcmp(target, "tokenizer") == 0) fuzz_tokenizer((const uint8_t *)file.data, file.size);
        if (strcmp(target, "sentencepiece") == 0) fuzz_sentencepiece((const uint8_t *)file.data, file.size);
        if (strcmp(target, "tiktoken") == 0) fuzz_tiktoken((const uint8_t *)file.data, file.size);
        if (tl_tokenizer_open(&t, scratch_dir, &err) < 0) fail_msg("%s: %s", path, err.text);
        tl_tokenizer_free(t);
        scratch_end();
        tl_buf_reset(&file);
    }
    closedir(d);
}

/* The seeds are worth something only while the readers take them. */
TEST(a_seed_of_each_kind_is_taken)
{
    tl_err err = { 0 };
    tl_safetensors *s = NULL;
    tl_config c;
    CHECK_OK(tl_safetensors_open(&s, CORPUS "/safetensors/python.safetensors", &err), err);
    tl_safetensors_close(s);
    tl_model *m = NULL;
    CHECK_OK(tl_model_open(&m, CORPUS "/gguf/llama-q4_0.gguf", &err), err);
    tl_model_free(m);
    tl_tokenizer *vocabulary = NULL;
    CHECK_OK(tl_tokenizer_open(&vocabulary, CORPUS "/gguf/tiny-vocab.gguf", &err), err);
    tl_tokenizer_free(vocabulary);
    tl_buf listing = tl_buf_make(1 << 20);
    tl_hub_listing l = { 0 };
    CHECK_OK(tl_file_read(CORPUS "/hub/listing.json", 1 << 20, &listing, &err), err);
    CHECK_OK(tl_hub_listing_parse(&l, listing.data, listing.size, "listing.json", &err), err);
    CHECK(l.n > 5);
    tl_hub_listing_reset(&l);
    tl_buf_reset(&listing);
    static const char *const vocabularies[] = { "tokenizer", "sentencepiece", "tiktoken" };
    for (int i = 0; i < 3; i++) check_seeds_open(vocabularies[i]);
    fuzz_begin();
    static const struct {
        const char *seed, *name;
    } seeds[] = { { CORPUS "/config/llama.json", "config.json" },
                  { CORPUS "/tokenizer/styled.json", "tokenizer.json" },
                  { CORPUS "/adapter/llama.json", "adapter_config.json" } };
    for (int i = 0; i < 3; i++) fuzz_link(seeds[i].seed, seeds[i].name);
    CHECK_OK(tl_config_read(&c, scratch_dir, &err), err);
    tl_tokenizer *t = NULL;
    CHECK_OK(tl_tokenizer_open(&t, scratch_dir, &err), err);
    tl_tokenizer_free(t);
    tl_adapter *a = NULL;
    CHECK_OK(tl_adapter_load(&a, fuzz_base, scratch_dir, &err), err);
    tl_adapter_release(a);
    static const char *const adapters[] = { "peft-own.txt", "peft-tokens.txt", "mlx.txt", "plain.gguf" };
    for (int i = 0; i < 4; i++) {
        char path[100];
        tl_buf whole = tl_buf_make(1 << 20);
        snprintf(path, sizeof path, CORPUS "/adapter/%s", adapters[i]);
        CHECK_OK(tl_file_read(path, 1 << 20, &whole, &err), err);
        CHECK_OK(fuzz_adapter_load(&a, (const uint8_t *)whole.data, whole.size, &err), err);
        tl_adapter_release(a);
        tl_buf_reset(&whole);
    }
    tl_buf file = tl_buf_make(1 << 20);
    CHECK_OK(tl_file_read(CORPUS "/task/triage.txt", 1 << 20, &file, &err), err);
    fuzz_task((const uint8_t *)file.data, file.size);
    tl_task *task = NULL;
    CHECK_OK(tl_task_open(&task, scratch_dir, TL_TASK_TRAIN | TL_TASK_VALIDATION, &err), err);
    tl_task_free(task);
    tl_buf_clear(&file);
    tl_chat_template *template = NULL;
    CHECK_OK(tl_file_read(CORPUS "/template/types.jinja", 1 << 20, &file, &err), err);
    CHECK_OK(tl_chat_parse(&template, "types.jinja", file.data, file.size, &err), err);
    tl_chat_free(template);
    tl_buf_reset(&file);
    fuzz_end();
}

RUN_TESTS(CASE(safetensors_of_strangers_do_no_harm), CASE(tokenizers_of_strangers_do_no_harm),
          CASE(configs_of_strangers_do_no_harm), CASE(tasks_of_strangers_do_no_harm),
          CASE(adapters_of_strangers_do_no_harm), CASE(gguf_files_of_strangers_do_no_harm),
          CASE(templates_of_strangers_do_no_harm), CASE(hubs_of_strangers_do_no_harm),
          CASE(sentencepiece_models_of_strangers_do_no_harm), CASE(rank_files_of_strangers_do_no_harm),
          CASE(a_seed_of_each_kind_is_taken))
