/* tokenizer_gguf_test.c - vocabularies in GGUF files: the ids of the Python package `tokenizers` on the files that they
 * were made from (tests/golden/tokenizer), and keys that are refused. */
#define _GNU_SOURCE /* nftw */
#include "text/tokenizer_gguf.h"

#include "io/json.h"
#include "tests/check.h"
#include "tests/gguf_writer.h"
#include "tests/scratch.h"
#include "text/tokenizer.h"
#include "text/tokenizer_copy.h"

#define GOLDEN "tests/golden/tokenizer"
#define SHARED "../shared/data/tokenizers"

/* ---- a GGUF file from vocab.json and merges.txt ---- */

static void put(FILE *f, const void *bytes, size_t n)
{
    CHECK(fwrite(bytes, 1, n, f) == n);
}

static void put_u32(FILE *f, uint32_t x)
{
    put(f, &x, sizeof x);
}

static void put_u64(FILE *f, uint64_t x)
{
    put(f, &x, sizeof x);
}

static void put_string(FILE *f, const char *s, size_t n)
{
    put_u64(f, n);
    put(f, s, n);
}

static void put_text(FILE *f, const char *key, const char *value)
{
    put_string(f, key, strlen(key));
    put_u32(f, TL_GGUF_STRING);
    put_string(f, value, strlen(value));
}

static void put_array(FILE *f, const char *key, tl_gguf_type type, size_t n)
{
    put_string(f, key, strlen(key));
    put_u32(f, TL_GGUF_ARRAY);
    put_u32(f, type);
    put_u64(f, n);
}

/* Tokens in the order of their ids; those of special that are there are control tokens. */
static void convert(const char *path, json_t *vocab, json_t *merges, const char *const *special, const char *pre)
{
    size_t n = json_object_size(vocab);
    const char *key;
    json_t *value;
    const char **tokens = calloc(n, sizeof *tokens);
    FILE *f = fopen(path, "wb");
    CHECK(f && tokens);
    put(f, "GGUF", 4);
    put_u32(f, 3);
    put_u64(f, 0);
    put_u64(f, 6);
    put_text(f, "general.architecture", "llama");
    put_text(f, "tokenizer.ggml.model", "gpt2");
    put_text(f, "tokenizer.ggml.pre", pre);
    json_object_foreach(vocab, key, value) tokens[json_integer_value(value)] = key;
    put_array(f, "tokenizer.ggml.tokens", TL_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) put_string(f, tokens[i], strlen(tokens[i]));
    put_array(f, "tokenizer.ggml.token_type", TL_GGUF_I32, n);
    for (size_t i = 0; i < n; i++) {
        bool control = false;
        for (int k = 0; special[k]; k++) control = control || strcmp(special[k], tokens[i]) == 0;
        put_u32(f, control ? 3 : 1);
    }
    put_array(f, "tokenizer.ggml.merges", TL_GGUF_STRING, json_array_size(merges));
    for (size_t i = 0; i < json_array_size(merges); i++) {
        json_t *m = json_array_get(merges, i);
        char line[1000];
        if (json_is_array(m))
            snprintf(line, sizeof line, "%s %s", json_string_value(json_array_get(m, 0)),
                     json_string_value(json_array_get(m, 1)));
        else
            snprintf(line, sizeof line, "%s", json_string_value(m));
        put_string(f, line, strlen(line));
    }
    CHECK(fclose(f) == 0);
    free(tokens);
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!j) fail_msg("%s: %s", path, error.text);
    return j;
}

/* The lines of merges.txt below its first. */
static json_t *load_merges(const char *path)
{
    json_t *merges = json_array();
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen(path, "rb");
    CHECK(f);
    for (ssize_t n; (n = getline(&line, &room, f)) > 0;) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
        if (n > 0 && strncmp(line, "#version", 8) != 0) json_array_append_new(merges, json_stringn(line, (size_t)n));
    }
    free(line);
    fclose(f);
    return merges;
}

/* ---- ids ---- */

static void check_ids(const char *path, const char *name, unsigned flags)
{
    tl_err err;
    tl_tokenizer *t = NULL;
    tl_ids ids = { 0 };
    CHECK_OK(tl_tokenizer_open(&t, path, &err), err);
    json_t *strings = load(GOLDEN "/strings.json"), *all = load(GOLDEN "/ids.json"), *rows = json_object_get(all, name);
    CHECK(json_array_size(rows) > 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *s = json_array_get(strings, i), *row = json_array_get(rows, i);
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

/* make_vocab.py writes tests/golden/tokenizer/tiny with the gguf package. */
#define TINY "tests/golden/gguf/tiny-vocab.gguf"

TEST(a_vocabulary_of_the_gguf_package_gives_the_ids_of_its_tokenizer_json)
{
    tl_err err;
    tl_tokenizer *t = NULL;
    check_ids(TINY, "tiny", TL_ENCODE_SPECIAL);
    check_ids(TINY, "tiny-plain", TL_ENCODE_PLAIN);
    CHECK_OK(tl_tokenizer_open(&t, TINY, &err), err);
    CHECK_INT(tl_tokenizer_bos(t), 0);
    CHECK_INT(tl_tokenizer_eos(t), 1);
    CHECK(tl_tokenizer_adds_bos(t) && tl_tokenizer_is_special(t, 1));
    CHECK_INT(tl_tokenizer_find(t, "<|eos|>", 7), 1);
    tl_tokenizer_free(t);
}

TEST(a_vocabulary_copied_into_a_directory_gives_the_same_ids)
{
    tl_err err;
    scratch_begin();
    CHECK_OK(tl_tokenizer_copy(TINY, scratch_dir, &err), err);
    check_ids(scratch_dir, "tiny", TL_ENCODE_SPECIAL);
    json_t *config = load(scratch("tokenizer_config.json"));
    CHECK_STR(json_string_value(json_object_get(config, "bos_token")), "<|bos|>");
    CHECK_STR(json_string_value(json_object_get(config, "chat_template")), "{{ messages }}");
    json_decref(config);
    scratch_end();
}

static void check_shared(const char *dir, const char *name, const char *pre)
{
    static const char *const special[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL };
    char path[200];
    scratch_begin();
    snprintf(path, sizeof path, "%s/merges.txt", dir);
    json_t *merges = load_merges(path);
    snprintf(path, sizeof path, "%s/vocab.json", dir);
    json_t *vocab = load(path);
    if (strcmp(name, "qwen2") == 0) /* its added tokens stand in another file, behind the vocabulary */
        for (int i = 0; special[i]; i++)
            json_object_set_new(vocab, special[i], json_integer((json_int_t)json_object_size(vocab)));
    convert(scratch("vocab.gguf"), vocab, merges, special, pre);
    check_ids(scratch("vocab.gguf"), name, TL_ENCODE_PLAIN);
    json_decref(vocab);
    json_decref(merges);
    scratch_end();
}

TEST(ids_of_gpt2_are_those_of_the_python_package)
{
    if (access(SHARED "/gpt2/merges.txt", R_OK) != 0) SKIP("no " SHARED "/gpt2");
    check_shared(SHARED "/gpt2", "gpt2", "gpt-2");
}

TEST(ids_of_qwen2_are_those_of_the_python_package)
{
    if (access(SHARED "/qwen2/merges.txt", R_OK) != 0) SKIP("no " SHARED "/qwen2");
    check_shared(SHARED "/qwen2", "qwen2", "qwen2");
}

/* ---- small ones, and what is refused ---- */

/* 256 bytes, "ab", and two tokens of other types. */
static gguf_writer bytes_and(const char *model, const char *pre)
{
    gguf_writer w = gguf_begin(3);
    gguf_text(&w, "tokenizer.ggml.model", model);
    if (pre) gguf_text(&w, "tokenizer.ggml.pre", pre);
    gguf_array(&w, "tokenizer.ggml.tokens", TL_GGUF_STRING, 259);
    int beyond = 256;
    for (int b = 0; b < 256; b++) { /* the letters of bytelevel.h */
        int c = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174 ? b : beyond++;
        char letter[3] = { (char)c, 0, 0 };
        if (c >= 128) {
            letter[0] = (char)(0xc0 | c >> 6);
            letter[1] = (char)(0x80 | (c & 63));
        }
        gguf_string(&w, letter);
    }
    gguf_string(&w, "ab");
    gguf_string(&w, "<end>");
    gguf_string(&w, "<user>");
    gguf_array(&w, "tokenizer.ggml.token_type", TL_GGUF_I32, 259);
    for (uint32_t i = 0; i < 259; i++) gguf_u32(&w, i < 257 ? 1 : i == 257 ? 3 : 4);
    gguf_array(&w, "tokenizer.ggml.merges", TL_GGUF_STRING, 1);
    gguf_string(&w, "a b");
    return w;
}

static tl_tokenizer *opened(gguf_writer *w)
{
    tl_err err;
    tl_tokenizer *t = NULL;
    gguf_end(w, NULL, 0);
    CHECK_OK(tl_tokenizer_open(&t, scratch_write("vocab.gguf", w->bytes, w->size), &err), err);
    return t;
}

static void check_encoded(const tl_tokenizer *t, const char *text, const int *wanted, size_t n)
{
    tl_err err;
    tl_ids ids = { 0 };
    CHECK_OK(tl_tokenizer_encode(t, text, strlen(text), TL_ENCODE_SPECIAL, &ids, &err), err);
    CHECK_INT(ids.size, n);
    for (size_t i = 0; i < n; i++) CHECK_INT(ids.data[i], wanted[i]);
    tl_ids_reset(&ids);
}

TEST(types_say_which_tokens_are_found_in_the_text)
{
    scratch_begin();
    gguf_writer w = bytes_and("gpt2", "gpt-2");
    tl_tokenizer *t = opened(&w);
    check_encoded(t, "ab<end>b<user>", (int[]){ 256, 257, 'b', 258 }, 4);
    CHECK(tl_tokenizer_is_special(t, 257) && !tl_tokenizer_is_special(t, 258));
    CHECK_INT(tl_tokenizer_bos(t), -1);
    tl_tokenizer_free(t);
    scratch_end();
}

TEST(bos_and_eos_are_added_as_the_file_or_its_pre_tokenizer_says)
{
    scratch_begin();
    gguf_writer w = bytes_and("gpt2", "gpt-2");
    gguf_number(&w, "tokenizer.ggml.bos_token_id", TL_GGUF_U32, 257);
    gguf_number(&w, "tokenizer.ggml.eos_token_id", TL_GGUF_U32, 258);
    tl_tokenizer *t = opened(&w);
    CHECK(tl_tokenizer_bos(t) == 257 && tl_tokenizer_eos(t) == 258 && !tl_tokenizer_adds_bos(t));
    check_encoded(t, "ab", (int[]){ 256 }, 1);
    tl_tokenizer_free(t);
    w = bytes_and("gpt2", "gpt-2");
    gguf_number(&w, "tokenizer.ggml.bos_token_id", TL_GGUF_U32, 257);
    gguf_number(&w, "tokenizer.ggml.eos_token_id", TL_GGUF_U32, 258);
    gguf_number(&w, "tokenizer.ggml.add_bos_token", TL_GGUF_BOOL, 1);
    gguf_number(&w, "tokenizer.ggml.add_eos_token", TL_GGUF_BOOL, 1);
    t = opened(&w);
    check_encoded(t, "ab", (int[]){ 257, 256, 258 }, 3);
    tl_tokenizer_free(t);
    w = bytes_and("gpt2", "llama-bpe");
    gguf_number(&w, "tokenizer.ggml.bos_token_id", TL_GGUF_U32, 257);
    t = opened(&w);
    check_encoded(t, "ab1", (int[]){ 257, 256, '1' }, 3);
    tl_tokenizer_free(t);
    w = bytes_and("gpt2", "gpt-2");
    gguf_number(&w, "tokenizer.ggml.add_space_prefix", TL_GGUF_BOOL, 1);
    t = opened(&w);
    check_encoded(t, "ab", (int[]){ ' ', 256 }, 2);
    tl_tokenizer_free(t);
    scratch_end();
}

TEST(every_known_pre_tokenizer_opens)
{
    static const char *const known[] = { "gpt-2",    "smollm", "starcoder",    "llama-bpe",      "llama3",
                                         "llama-v3", "qwen2",  "tekken",       "phi-2",          "mpt",
                                         "olmo",     "refact", "falcon",       "dbrx",           "qwen35",
                                         "gpt-4o",   "llama4", "deepseek-llm", "deepseek-coder", "deepseek-v3" };
    scratch_begin();
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        gguf_writer w = bytes_and("gpt2", known[i]);
        tl_tokenizer *t = opened(&w);
        check_encoded(t, "ab", (int[]){ 256 }, 1);
        tl_tokenizer_free(t);
    }
    scratch_end();
}

static void refused(gguf_writer *w, int code, const char *words)
{
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    gguf_end(w, NULL, 0);
    int rc = tl_tokenizer_open(&t, scratch_write("vocab.gguf", w->bytes, w->size), &err);
    CHECK(!t);
    CHECK_HAS(err.text, "vocab.gguf");
    CHECK_HAS(err.text, words);
    CHECK_INT(rc, code);
}

TEST(what_would_give_other_ids_is_refused_by_key)
{
    scratch_begin();
    gguf_writer w = bytes_and("rwkv", "default");
    refused(&w, TL_EUNSUPPORTED, "tokenizer.ggml.model is 'rwkv', supported are gpt2, llama, t5 and bert");
    w = bytes_and("gpt2", "falcon9");
    refused(&w, TL_EUNSUPPORTED, "tokenizer.ggml.pre is 'falcon9', supported are gpt-2 phi-2");
    w = bytes_and("gpt2", "");
    refused(&w, TL_EUNSUPPORTED, "tokenizer.ggml.pre is ''");
    w = bytes_and("gpt2", NULL);
    refused(&w, TL_EUNSUPPORTED, "tokenizer.ggml.pre is missing");
    w = bytes_and("gpt2", "gpt-2");
    gguf_text(&w, "tokenizer.ggml.precompiled_charsmap", "x");
    refused(&w, TL_EUNSUPPORTED, "tokenizer.ggml.precompiled_charsmap is not supported");
    w = bytes_and("gpt2", "gpt-2");
    gguf_number(&w, "tokenizer.ggml.add_sep_token", TL_GGUF_BOOL, 1);
    refused(&w, TL_EUNSUPPORTED, "add_sep_token is true");
    w = bytes_and("gpt2", "gpt-2");
    gguf_number(&w, "tokenizer.ggml.bos_token_id", TL_GGUF_U32, 259);
    refused(&w, TL_EFORMAT, "bos_token_id is 259, wanted 0 to 258");
    w = bytes_and("gpt2", "gpt-2");
    gguf_number(&w, "tokenizer.ggml.add_bos_token", TL_GGUF_BOOL, 1);
    refused(&w, TL_EFORMAT, "add_bos_token is true, and no key names the token");
    w = gguf_begin(3);
    refused(&w, TL_EFORMAT, "tokenizer.ggml.model is missing");
    scratch_end();
}

/* A vocabulary of the two tokens and these types. */
static gguf_writer two(const char *a, const char *b, size_t types, uint32_t type)
{
    gguf_writer w = gguf_begin(3);
    gguf_text(&w, "tokenizer.ggml.model", "gpt2");
    gguf_text(&w, "tokenizer.ggml.pre", "gpt-2");
    gguf_array(&w, "tokenizer.ggml.tokens", TL_GGUF_STRING, 2);
    gguf_string(&w, a);
    gguf_string(&w, b);
    gguf_array(&w, "tokenizer.ggml.token_type", TL_GGUF_I32, types);
    for (size_t i = 0; i < types; i++) gguf_u32(&w, type);
    return w;
}

TEST(tokens_that_lie_are_refused)
{
    scratch_begin();
    gguf_writer w = two("a", "a", 2, 1);
    refused(&w, TL_EFORMAT, "'a' is token 0 and token 1");
    w = two("a", "b", 3, 1);
    refused(&w, TL_EFORMAT, "2 tokens, and types for 3");
    w = two("a", "b", 2, 6);
    refused(&w, TL_EUNSUPPORTED, "token 0 ('a') has type 6");
    w = two("a", "b", 2, UINT32_MAX);
    refused(&w, TL_EUNSUPPORTED, "has type -1");
    w = two("a", "", 2, 1);
    refused(&w, TL_EFORMAT, "token 1 is empty");
    w = two("a", "\xff", 2, 1);
    refused(&w, TL_EFORMAT, "token 1 is not UTF-8");
    w = two("a", "b", 2, 1);
    refused(&w, TL_EFORMAT, "tokenizer.ggml.merges is missing");
    w = two("a", "b", 2, 1);
    gguf_array(&w, "tokenizer.ggml.merges", TL_GGUF_STRING, 1);
    gguf_string(&w, "a c");
    refused(&w, TL_EUNSUPPORTED, "no token for byte");
    scratch_end();
}

TEST(a_file_without_a_tokenizer_may_say_so)
{
    tl_err err = { 0 };
    static const char *const models[] = { "none", "gpt2" };
    scratch_begin();
    for (int i = 0; i < 2; i++) {
        tl_gguf *g = NULL;
        gguf_writer w = bytes_and(models[i], "gpt-2");
        gguf_end(&w, NULL, 0);
        CHECK_OK(tl_gguf_open(&g, scratch_write("vocab.gguf", w.bytes, w.size), &err), err);
        CHECK(tl_tokenizer_gguf_any(g) == (i == 1));
        tl_gguf_close(g);
    }
    scratch_end();
}

RUN_TESTS(CASE(a_vocabulary_of_the_gguf_package_gives_the_ids_of_its_tokenizer_json),
          CASE(a_vocabulary_copied_into_a_directory_gives_the_same_ids),
          CASE(ids_of_gpt2_are_those_of_the_python_package), CASE(ids_of_qwen2_are_those_of_the_python_package),
          CASE(types_say_which_tokens_are_found_in_the_text),
          CASE(bos_and_eos_are_added_as_the_file_or_its_pre_tokenizer_says), CASE(every_known_pre_tokenizer_opens),
          CASE(what_would_give_other_ids_is_refused_by_key), CASE(tokens_that_lie_are_refused),
          CASE(a_file_without_a_tokenizer_may_say_so))
