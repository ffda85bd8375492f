/* tokenizer_gguf_write_test.c - tokenizers into GGUF files: read from there they give the ids of the Python packages
 * (tests/golden/tokenizer), and what the format has no words for is refused. */
#define _GNU_SOURCE /* nftw */
#include "text/tokenizer_gguf_write.h"

#include "tests/check.h"
#include "tests/scratch.h"
#include "text/template_model.h"
#include "text/tokenizer.h"
#include "text/tokenizer_copy.h"

#include <sys/stat.h>

#define GOLDEN "tests/golden/tokenizer"
#define SHARED "../shared/data/tokenizers"

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!j) fail_msg("%s: %s", path, error.text);
    return j;
}

/* The vocabulary of dir as a file at path; rows: beyond its tokens. */
static int put(const char *dir, const char *path, int rows, tl_err *err)
{
    tl_tokenizer *t = NULL;
    tl_gguf_draft *d = NULL;
    TL_TRY(tl_tokenizer_open(&t, dir, err));
    const tl_gguf_ids ids = { tl_tokenizer_size(t) + rows, -1, -1 };
    tl_tokenizer_free(t);
    TL_TRY(tl_gguf_draft_create(&d, err));
    tl_gguf_draft_text(d, "general.architecture", "llama");
    int rc = tl_tokenizer_gguf_put(d, dir, &ids, err);
    if (rc == 0) rc = tl_gguf_draft_save(d, path, NULL, NULL, err);
    tl_gguf_draft_free(d);
    return rc;
}

/* Rows of golden ids for the golden strings; a row may be [ids, text]. */
static void check_ids(const char *path, const char *golden, const char *name, unsigned flags)
{
    tl_err err;
    tl_tokenizer *t = NULL;
    tl_ids ids = { 0 };
    CHECK_OK(tl_tokenizer_open(&t, path, &err), err);
    json_t *strings = load(GOLDEN "/strings.json"), *all = load(golden), *rows = json_object_get(all, name);
    CHECK(json_array_size(rows) > 200);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *s = json_array_get(strings, i), *row = json_array_get(rows, i);
        if (json_is_null(row) || (flags & TL_ENCODE_AS_TEXT && memchr(json_string_value(s), 0, json_string_length(s))))
            continue; /* the package ends a text there */
        if (json_is_array(json_array_get(row, 0))) row = json_array_get(row, 0);
        ids.size = 0;
        CHECK_OK(tl_tokenizer_encode(t, json_string_value(s), json_string_length(s), flags, &ids, &err), err);
        bool same = ids.size == json_array_size(row);
        for (size_t k = 0; same && k < ids.size; k++) same = ids.data[k] == json_integer_value(json_array_get(row, k));
        if (!same) fail_msg("%s: string %zu '%s' has other ids", name, i, json_string_value(s));
    }
    tl_ids_reset(&ids);
    json_decref(strings);
    json_decref(all);
    tl_tokenizer_free(t);
}

/* From the GGUF file, and from the directory made of that. */
static void check_both(const char *dir, const char *golden, const char *name, unsigned flags)
{
    tl_err err;
    scratch_begin();
    CHECK_OK(put(dir, scratch("v.gguf"), 3, &err), err);
    check_ids(scratch("v.gguf"), golden, name, flags);
    mkdir(scratch("back"), 0777);
    CHECK_OK(tl_tokenizer_copy(scratch("v.gguf"), scratch("back"), &err), err);
    check_ids(scratch("back"), golden, name, flags);
    scratch_end();
}

TEST(bytes_come_back_with_their_ids)
{
    check_both(GOLDEN "/tiny", GOLDEN "/ids.json", "tiny", TL_ENCODE_SPECIAL);
}

TEST(characters_with_bytes_for_the_rest_come_back_with_their_ids)
{
    check_both(GOLDEN "/models/llama", GOLDEN "/models.json", "llama", TL_ENCODE_SPECIAL);
}

TEST(ids_of_vocab_json_and_merges_txt_come_back)
{
    if (access(SHARED "/gpt2/merges.txt", R_OK) != 0) SKIP("no " SHARED);
    check_both(SHARED "/gpt2", GOLDEN "/ids.json", "gpt2", TL_ENCODE_PLAIN);
    check_both(SHARED "/qwen2", GOLDEN "/ids.json", "qwen2", TL_ENCODE_PLAIN);
}

/* The same ids from both, for texts of every script. */
static void check_same(const char *a, const char *b)
{
    tl_err err;
    tl_tokenizer *t[2] = { NULL, NULL };
    tl_ids ids[2] = { { 0 }, { 0 } };
    CHECK_OK(tl_tokenizer_open(&t[0], a, &err), err);
    CHECK_OK(tl_tokenizer_open(&t[1], b, &err), err);
    json_t *strings = load(GOLDEN "/strings.json");
    for (size_t i = 0; i < json_array_size(strings); i++) {
        json_t *s = json_array_get(strings, i);
        for (int k = 0; k < 2; k++) {
            ids[k].size = 0;
            CHECK_OK(tl_tokenizer_encode(t[k], json_string_value(s), json_string_length(s), TL_ENCODE_SPECIAL, &ids[k],
                                         &err),
                     err);
        }
        if (ids[0].size != ids[1].size || memcmp(ids[0].data, ids[1].data, ids[0].size * sizeof(int)) != 0)
            fail_msg("%s: string %zu '%s' has other ids", b, i, json_string_value(s));
    }
    json_decref(strings);
    for (int k = 0; k < 2; k++) {
        tl_ids_reset(&ids[k]);
        tl_tokenizer_free(t[k]);
    }
}

TEST(a_sentencepiece_model_alone_becomes_a_vocabulary)
{
    tl_err err;
    scratch_begin();
    if (access(SHARED "/mistral-v1/tokenizer.model", R_OK) != 0) SKIP("no " SHARED);
    CHECK_OK(put(SHARED "/mistral-v1", scratch("v.gguf"), 0, &err), err);
    check_same(SHARED "/mistral-v1", scratch("v.gguf"));
    scratch_end();
}

TEST(what_else_a_directory_says_goes_along)
{
    tl_err err;
    tl_gguf *g = NULL;
    const char *text = NULL;
    const tl_gguf_pair *tokens = NULL, *types = NULL;
    int id;
    bool on;
    json_t *templates = NULL;
    scratch_begin();
    mkdir(scratch("dir"), 0777);
    CHECK_OK(tl_tokenizer_copy(GOLDEN "/tiny", scratch("dir"), &err), err);
    scratch_text("dir/tokenizer_config.json",
                 "{\"bos_token\": \"<|bos|>\", \"eos_token\": \"<|eos|>\", \"pad_token\": {\"content\": \"<|eos|>\"},"
                 "\"chat_template\": [{\"name\": \"default\", \"template\": \"{{ messages }}\"},"
                 "{\"name\": \"tool_use\", \"template\": \"{{ tools }}\"}]}");
    CHECK_OK(put(scratch("dir"), scratch("v.gguf"), 2, &err), err);
    CHECK_OK(tl_gguf_open(&g, scratch("v.gguf"), &err), err);
    CHECK_OK(tl_gguf_string(g, "tokenizer.ggml.model", &text, &err), err);
    CHECK_STR(text, "gpt2");
    CHECK_OK(tl_gguf_string(g, "tokenizer.ggml.pre", &text, &err), err);
    CHECK_STR(text, "smollm");
    CHECK_OK(tl_gguf_int(g, "tokenizer.ggml.padding_token_id", 0, 9, &id, &err), err);
    CHECK_INT(id, 1);
    CHECK_OK(tl_gguf_bool_or(g, "tokenizer.ggml.add_bos_token", false, &on, &err), err);
    CHECK(on);
    CHECK_OK(tl_gguf_string(g, "tokenizer.chat_template.tool_use", &text, &err), err);
    CHECK_STR(text, "{{ tools }}");
    CHECK_OK(tl_gguf_array(g, "tokenizer.ggml.tokens", TL_GGUF_STRING, &tokens, &err), err);
    CHECK_OK(tl_gguf_array(g, "tokenizer.ggml.token_type", TL_GGUF_I32, &types, &err), err);
    CHECK_INT(tokens->n, types->n);
    CHECK(tl_gguf_real(types, 1) == 3 && tl_gguf_real(types, 5) == 1 && tl_gguf_real(types, types->n - 1) == 5);
    tl_tokenizer *was = NULL, *is = NULL; /* rows without a token are none */
    CHECK_OK(tl_tokenizer_open(&was, GOLDEN "/tiny", &err), err);
    CHECK_OK(tl_tokenizer_open(&is, scratch("v.gguf"), &err), err);
    CHECK_INT(tl_tokenizer_size(is), tl_tokenizer_size(was));
    CHECK_INT(tokens->n, tl_tokenizer_size(was) + 2);
    tl_tokenizer_free(was);
    tl_tokenizer_free(is);
    tl_gguf_close(g);

    mkdir(scratch("back"), 0777);
    CHECK_OK(tl_tokenizer_copy(scratch("v.gguf"), scratch("back"), &err), err);
    CHECK_OK(tl_chat_templates(&templates, scratch("back"), &err), err);
    CHECK_STR(json_string_value(json_object_get(templates, "default")), "{{ messages }}");
    CHECK_STR(json_string_value(json_object_get(templates, "tool_use")), "{{ tools }}");
    json_decref(templates);
    json_t *config = load(scratch("back/tokenizer_config.json"));
    CHECK_STR(json_string_value(json_object_get(config, "pad_token")), "<|eos|>");
    json_decref(config);
    scratch_end();
}

static void refused(const char *dir, const char *words)
{
    tl_err err;
    scratch_begin();
    CHECK_INT(put(dir, scratch("v.gguf"), 0, &err), TL_EUNSUPPORTED);
    CHECK_HAS(err.text, dir);
    CHECK_HAS(err.text, words);
    CHECK_INT(scratch_count(scratch_dir), 0);
    scratch_end();
}

TEST(what_the_format_has_no_words_for_is_refused)
{
    refused(GOLDEN "/models/t5", "no BPE");
    refused(GOLDEN "/models/bert", "no BPE");
    refused(GOLDEN "/models/spm-unigram", "a unigram vocabulary");
    refused(GOLDEN "/models/gemma", "neither of bytes nor with bytes for the rest");
    refused(GOLDEN "/models/clip", "its normalizer or pre_tokenizer does what a GGUF file cannot say");
}

TEST(a_base_without_a_tokenizer_says_so_and_names_its_ids)
{
    tl_err err;
    tl_gguf *g = NULL;
    tl_gguf_draft *d = NULL;
    int id;
    scratch_begin();
    const tl_gguf_ids ids = { 10, 3, 4 };
    CHECK_OK(tl_gguf_draft_create(&d, &err), err);
    CHECK_OK(tl_tokenizer_gguf_put(d, scratch_dir, &ids, &err), err);
    CHECK_OK(tl_gguf_draft_save(d, scratch("v.gguf"), NULL, NULL, &err), err);
    CHECK_OK(tl_gguf_open(&g, scratch("v.gguf"), &err), err);
    CHECK_INT(tl_gguf_pairs(g), 3);
    CHECK_OK(tl_gguf_int(g, "tokenizer.ggml.eos_token_id", 0, 9, &id, &err), err);
    CHECK_INT(id, 4);
    tl_gguf_close(g);
    tl_gguf_draft_free(d);
    const tl_gguf_ids few = { 10, -1, -1 };
    CHECK_OK(tl_gguf_draft_create(&d, &err), err);
    CHECK_INT(tl_tokenizer_gguf_put(d, GOLDEN "/tiny", &few, &err), TL_ESHAPE); /* a table that is too small */
    CHECK_HAS(err.text, "the base's table has rows for 10");
    tl_gguf_draft_free(d);
    scratch_end();
}

RUN_TESTS(CASE(bytes_come_back_with_their_ids), CASE(characters_with_bytes_for_the_rest_come_back_with_their_ids),
          CASE(ids_of_vocab_json_and_merges_txt_come_back), CASE(a_sentencepiece_model_alone_becomes_a_vocabulary),
          CASE(what_else_a_directory_says_goes_along), CASE(what_the_format_has_no_words_for_is_refused),
          CASE(a_base_without_a_tokenizer_says_so_and_names_its_ids))
