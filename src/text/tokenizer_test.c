/* tokenizer_test.c - ids held against those of the Python package `tokenizers` (tests/golden/tokenizer/README.md),
 * and files that are cut short or lie. */
#include "text/tokenizer.h"

#include "base/clock.h"
#include "base/rng.h"
#include "io/atomic.h"
#include "io/json.h"
#include "text/unicode.h"

#include <unistd.h>

#include "tests/check.h"

#define GOLDEN "tests/golden/tokenizer"
#define SHARED "../shared/data/tokenizers"

static tl_tokenizer *open_or_die(const char *dir)
{
    tl_err err;
    tl_tokenizer *t = NULL;
    CHECK_OK(tl_tokenizer_open(&t, dir, &err), err);
    return t;
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!j) fail_msg("%s: %s", path, error.text);
    return j;
}

/* The strings from first on, encoded with flags, have the ids listed under name. */
static void check_golden(const char *dir, const char *name, size_t first, unsigned flags)
{
    tl_err err;
    tl_tokenizer *t = open_or_die(dir);
    json_t *strings = load(GOLDEN "/strings.json"), *all = load(GOLDEN "/ids.json");
    json_t *rows = json_object_get(all, name);
    CHECK(json_array_size(rows) > 0);
    tl_ids ids = { 0 };
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *s = json_array_get(strings, first + i), *row = json_array_get(rows, i);
        ids.size = 0;
        CHECK_OK(tl_tokenizer_encode(t, json_string_value(s), json_string_length(s), flags, &ids, &err), err);
        bool same = ids.size == json_array_size(row);
        for (size_t k = 0; same && k < ids.size; k++) same = ids.data[k] == json_integer_value(json_array_get(row, k));
        if (same) continue;
        for (size_t k = 0; k < ids.size || k < json_array_size(row); k++)
            print_message("%d %d\n", k < ids.size ? ids.data[k] : -1, (int)json_integer_value(json_array_get(row, k)));
        fail_msg("%s: string %zu '%s' has other ids", name, first + i, json_string_value(s));
    }
    tl_ids_reset(&ids);
    json_decref(strings);
    json_decref(all);
    tl_tokenizer_free(t);
}

TEST(ids_are_those_of_the_python_package)
{
    check_golden(GOLDEN "/tiny", "tiny", 0, TL_ENCODE_SPECIAL);
    check_golden(GOLDEN "/tiny", "tiny-plain", 0, TL_ENCODE_PLAIN);
    check_golden(GOLDEN "/tiny", "tiny-as-text", 80, TL_ENCODE_SPECIAL | TL_ENCODE_AS_TEXT);
}

TEST(ids_in_the_style_of_llama_3_are_those_of_the_python_package)
{
    check_golden(GOLDEN "/styled", "styled", 0, TL_ENCODE_SPECIAL);
    check_golden(GOLDEN "/styled", "styled-plain", 0, TL_ENCODE_PLAIN);
    check_golden(GOLDEN "/styled", "styled-as-text", 80, TL_ENCODE_SPECIAL | TL_ENCODE_AS_TEXT);
}

TEST(ids_of_gpt2_are_those_of_the_python_package)
{
    if (access(SHARED "/gpt2/merges.txt", R_OK) != 0) SKIP("no " SHARED "/gpt2");
    check_golden(SHARED "/gpt2", "gpt2", 0, TL_ENCODE_PLAIN);
}

TEST(ids_of_qwen2_are_those_of_the_python_package)
{
    if (access(SHARED "/qwen2/merges.txt", R_OK) != 0) SKIP("no " SHARED "/qwen2");
    check_golden(SHARED "/qwen2", "qwen2", 0, TL_ENCODE_PLAIN);
    tl_tokenizer *t = open_or_die(SHARED "/qwen2");
    CHECK_INT(tl_tokenizer_bos(t), -1);
    CHECK_INT(tl_tokenizer_eos(t), 151645);
    CHECK_INT(tl_tokenizer_size(t), 151646);
    tl_tokenizer_free(t);
}

TEST(bos_is_added_once_and_only_when_asked_for)
{
    tl_err err;
    tl_tokenizer *t = open_or_die(GOLDEN "/tiny");
    tl_ids ids = { 0 };
    CHECK_INT(tl_tokenizer_bos(t), 0);
    CHECK_INT(tl_tokenizer_eos(t), 1);
    CHECK(tl_tokenizer_adds_bos(t));
    CHECK_OK(tl_tokenizer_encode(t, "", 0, TL_ENCODE_SPECIAL, &ids, &err), err);
    CHECK_INT(ids.size, 1);
    CHECK_INT(ids.data[0], 0);
    CHECK_OK(tl_tokenizer_encode(t, "<|eos|>", 7, TL_ENCODE_PLAIN, &ids, &err), err);
    CHECK_INT(ids.size, 2);
    CHECK_INT(ids.data[1], 1);
    CHECK_OK(tl_tokenizer_encode(t, "<|eos|>", 7, TL_ENCODE_AS_TEXT, &ids, &err), err);
    for (size_t i = 2; i < ids.size; i++) CHECK(!tl_tokenizer_is_special(t, ids.data[i]));
    tl_buf text = tl_buf_make(100);
    CHECK_OK(tl_tokenizer_decode(t, ids.data, ids.size, true, &text, &err), err);
    CHECK_STR(text.data, "<|eos|>");
    tl_buf_clear(&text);
    CHECK_OK(tl_tokenizer_decode(t, ids.data, 2, false, &text, &err), err);
    CHECK_STR(text.data, "<|bos|><|eos|>");
    tl_buf_reset(&text);
    tl_ids_reset(&ids);
    tl_tokenizer_free(t);
}

/* A character of 1 to 4 bytes, each length as likely. */
static size_t random_character(tl_rng *r, char *out)
{
    static const uint32_t limit[] = { 0x80, 0x800, 0x10000, 0x110000 };
    uint32_t c;
    do c = tl_rng_below(r, limit[tl_rng_below(r, 4)]);
    while (c >= 0xd800 && c < 0xe000);
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

TEST(decoding_what_was_encoded_gives_the_text_back)
{
    tl_err err;
    tl_tokenizer *t = open_or_die(GOLDEN "/tiny");
    tl_rng r = tl_rng_make(3, 1);
    tl_ids ids = { 0 };
    tl_buf back = tl_buf_make(1000);
    for (int i = 0; i < 1000; i++) {
        char text[400];
        size_t size = 0;
        for (uint32_t n = tl_rng_below(&r, 90); n > 0; n--) size += random_character(&r, text + size);
        ids.size = 0;
        tl_buf_clear(&back);
        CHECK_OK(tl_tokenizer_encode(t, text, size, TL_ENCODE_SPECIAL, &ids, &err), err);
        CHECK_OK(tl_tokenizer_decode(t, ids.data, ids.size, true, &back, &err), err);
        CHECK_INT(back.size, size);
        if (size) CHECK(memcmp(back.data, text, size) == 0);
    }
    tl_buf_reset(&back);
    tl_ids_reset(&ids);
    tl_tokenizer_free(t);
}

TEST(bytes_that_are_not_utf8_are_refused_with_their_place)
{
    static const char *const bad[] = {
        "abc\xff", "abc\xc3", "abc\xc3(", "abc\xed\xa0\x80", "abc\xf4\x90\x80\x80", "abc\xc0\xaf", "abc\xe2\x82"
    };
    tl_tokenizer *t = open_or_die(GOLDEN "/tiny");
    tl_ids ids = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tl_err err = { 0 };
        CHECK_INT(tl_tokenizer_encode(t, bad[i], strlen(bad[i]), TL_ENCODE_SPECIAL, &ids, &err), TL_EDATA);
        CHECK_HAS(err.text, "byte 3 ");
        CHECK_INT(ids.size, 0);
    }
    tl_ids_reset(&ids);
    tl_tokenizer_free(t);
}

TEST(random_bytes_are_encoded_or_refused_never_more)
{
    tl_tokenizer *t = open_or_die(GOLDEN "/styled");
    tl_rng r = tl_rng_make(4, 1);
    tl_ids ids = { 0 };
    for (int i = 0; i < 2000; i++) {
        char text[60];
        size_t size = tl_rng_below(&r, sizeof text);
        for (size_t k = 0; k < size; k++) text[k] = (char)tl_rng_below(&r, i % 2 ? 256 : 0x90);
        tl_err err = { 0 };
        ids.size = 0;
        int rc = tl_tokenizer_encode(t, text, size, TL_ENCODE_PLAIN, &ids, &err);
        CHECK_INT(rc, tl_unicode_valid(text, size) == size ? 0 : TL_EDATA);
        for (size_t k = 0; k < ids.size; k++) CHECK(ids.data[k] >= 0 && ids.data[k] < tl_tokenizer_size(t));
    }
    tl_ids_reset(&ids);
    tl_tokenizer_free(t);
}

TEST(ids_outside_the_vocabulary_are_refused)
{
    tl_tokenizer *t = open_or_die(GOLDEN "/tiny");
    int V = tl_tokenizer_size(t);
    const int wrong[] = { -1, V, V + 1000000, INT32_MAX };
    tl_buf out = tl_buf_make(100);
    size_t size;
    for (int i = 0; i < 4; i++) {
        tl_err err = { 0 };
        CHECK_INT(tl_tokenizer_decode(t, &wrong[i], 1, false, &out, &err), TL_EDATA);
        CHECK_HAS(err.text, "no such token");
        CHECK(tl_tokenizer_piece(t, wrong[i], &size) == NULL);
    }
    CHECK_INT(tl_tokenizer_find(t, "<|eos|>", 7), 1);
    CHECK_INT(tl_tokenizer_find(t, " ", 1), 2 + ' ');
    CHECK_INT(tl_tokenizer_find(t, "nothing such", 12), -1);
    tl_buf_reset(&out);
    tl_tokenizer_free(t);
}

/* Seconds for a megabyte made of one short text again and again. */
static double seconds_for_megabyte(const tl_tokenizer *t, const char *again)
{
    enum {
        SIZE = 1 << 20
    };
    tl_err err;
    char *text = malloc(SIZE);
    CHECK(text != NULL);
    size_t n = strlen(again);
    for (size_t i = 0; i < SIZE; i++) text[i] = again[i % n];
    tl_ids ids = { 0 };
    double start = tl_seconds();
    CHECK_OK(tl_tokenizer_encode(t, text, SIZE, TL_ENCODE_PLAIN, &ids, &err), err);
    double seconds = tl_seconds() - start;
    CHECK(ids.size > 0);
    tl_ids_reset(&ids);
    free(text);
    return seconds;
}

TEST(a_megabyte_without_a_space_takes_no_more_than_seconds)
{
    /* Quadratic merging takes minutes; the bound leaves room for sanitizers and a busy machine. */
    tl_tokenizer *t = open_or_die(GOLDEN "/styled");
    static const char *const again[] = { "a", "thepatienthas", "-", "\n", " ", " \n", "<", "e-" };
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) CHECK(seconds_for_megabyte(t, again[i]) < 10);
    tl_tokenizer_free(t);
}

/* ---- files that are wrong ---- */

/* A directory for one wrong file after the other. */
static void wrong_dir(char dir[64])
{
    snprintf(dir, 64, "/tmp/tailor-tokenizer-test-%d", (int)getpid());
    tl_err err;
    CHECK_OK(tl_dir_make(dir, &err), err);
}

static int open_text(const char *text, size_t size, tl_err *err)
{
    char dir[64], path[100];
    wrong_dir(dir);
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    CHECK_OK(tl_file_save(path, text, size, err), *err);
    tl_tokenizer *t = NULL;
    int rc = tl_tokenizer_open(&t, dir, err);
    tl_tokenizer_free(t);
    unlink(path);
    rmdir(dir);
    return rc;
}

TEST(a_truncated_tokenizer_json_is_refused)
{
    tl_err err = { 0 };
    tl_buf whole = tl_buf_make(1 << 20);
    CHECK_OK(tl_file_read(GOLDEN "/styled/tokenizer.json", 1 << 20, &whole, &err), err);
    CHECK_OK(open_text(whole.data, whole.size, &err), err);
    while (whole.size > 0 && whole.data[whole.size - 1] != '}') whole.size--;
    for (size_t size = 0; size < whole.size; size += 97) {
        err = (tl_err){ 0 };
        CHECK(open_text(whole.data, size, &err) < 0);
        CHECK_HAS(err.text, "tokenizer.json");
    }
    tl_buf_reset(&whole);
}

/* The styled tokenizer with one place changed: path is keys (or numbers) with / between, value is JSON, or NULL to
 * leave the key out. */
static void check_change(const char *path, const char *value, const char *named)
{
    tl_err err = { 0 };
    json_t *root = load(GOLDEN "/styled/tokenizer.json"), *at = root;
    char copy[200], *key = copy, *slash;
    snprintf(copy, sizeof copy, "%s", path);
    for (; (slash = strchr(key, '/')); key = slash + 1) {
        *slash = '\0';
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
        CHECK(at != NULL);
    }
    json_t *v = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    CHECK(v != NULL || !value);
    if (!v)
        CHECK_INT(json_object_del(at, key), 0);
    else if (json_is_array(at))
        CHECK_INT(json_array_set_new(at, (size_t)atoi(key), v), 0);
    else
        CHECK_INT(json_object_set_new(at, key, v), 0);
    char *text = json_dumps(root, JSON_COMPACT);
    if (open_text(text, strlen(text), &err) >= 0) fail_msg("%s = %s was accepted", path, value ? value : "(left out)");
    CHECK_HAS(err.text, named);
    free(text);
    json_decref(root);
}

TEST(a_lying_tokenizer_json_is_refused_by_name)
{
    check_change("model/vocab/ing", "-1", "ing");
    check_change("model/vocab/ing", "2000000000", "ing");
    check_change("model/vocab/ing", "99999999999999", "ing");
    check_change("model/vocab/ing", "\"7\"", "ing");
    check_change("model/vocab/ing", "7", "two tokens");
    check_change("model/vocab/~", NULL, "0x7e");
    check_change("model/vocab/\xc4\xa0temp", NULL, "what they make");
    check_change("model/merges/3", "[\"q\",\"zz\"]", "merge 3");
    check_change("model/merges/3", "[\"q\",\"q\"]", "what they make");
    check_change("model/merges/3", "[\"q\"]", "merge 3");
    check_change("model/merges/3", "7", "merge 3");
    check_change("model/merges/3", "\"q\"", "merge 3");
    check_change("model/merges/3", "\"a b c\"", "merge 3");
    check_change("model/merges", "{}", "merges");
    check_change("added_tokens/0/id", "5", "<|bos|>");
    check_change("added_tokens/2/id", "7", "two tokens");
    check_change("added_tokens/2/id", "-7", "id");
    check_change("added_tokens/2/content", "\"\"", "added token");
    check_change("added_tokens/2/content", "\"<|left|>\"", "<|left|>");
    check_change("post_processor/processors/1/special_tokens/<|eos|>/ids", "[100000]", "<|eos|>");
    check_change("post_processor/processors/1/special_tokens", "{}", "<|bos|>");
    check_change("pre_tokenizer/pretokenizers/0/pattern/Regex", "\"(a\"", "regex");
    check_change("pre_tokenizer/pretokenizers/0/pattern/Regex", "\"[a\"", "regex");
}

TEST(what_is_not_supported_is_refused_by_name)
{
    check_change("model/type", "\"Markov\"", "Markov");
    check_change("model/dropout", "0.1", "dropout");
    check_change("model/end_of_word_suffix", "\"</w>\"", "</w>");
    check_change("model/surprise", "1", "surprise");
    check_change("surprise", "1", "surprise");
    check_change("normalizer", "{\"type\": \"Reverse\"}", "Reverse");
    check_change("pre_tokenizer", "{\"type\": \"UnicodeScripts\"}", "UnicodeScripts");
    check_change("pre_tokenizer", "{\"type\": \"Digits\", \"individual_digits\": true}", "ByteLevel");
    check_change("pre_tokenizer/pretokenizers/0/behavior", "\"Shuffled\"", "Shuffled");
    check_change("pre_tokenizer/pretokenizers/0/pattern/Regex", "\"\\\\w+\"", "\\w");
    check_change("pre_tokenizer/pretokenizers/0/pattern/Regex", "\"[a[b]]\"", "class");
    check_change("pre_tokenizer/pretokenizers/0/pattern/Regex", "\"(?x:a)\"", "(?x");
    check_change("post_processor", "{\"type\": \"RobertaProcessing\"}", "cls");
    check_change("decoder", "{\"type\": \"CTC\"}", "CTC");
    check_change("decoder", "null", "decoder");
}

TEST(an_empty_directory_is_refused_by_name)
{
    char dir[64];
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    wrong_dir(dir);
    CHECK_INT(tl_tokenizer_open(&t, dir, &err), TL_EIO);
    CHECK_HAS(err.text, dir);
    rmdir(dir);
}

RUN_TESTS(CASE(ids_are_those_of_the_python_package), CASE(ids_in_the_style_of_llama_3_are_those_of_the_python_package),
          CASE(ids_of_gpt2_are_those_of_the_python_package), CASE(ids_of_qwen2_are_those_of_the_python_package),
          CASE(bos_is_added_once_and_only_when_asked_for), CASE(decoding_what_was_encoded_gives_the_text_back),
          CASE(bytes_that_are_not_utf8_are_refused_with_their_place),
          CASE(random_bytes_are_encoded_or_refused_never_more), CASE(ids_outside_the_vocabulary_are_refused),
          CASE(a_megabyte_without_a_space_takes_no_more_than_seconds), CASE(a_truncated_tokenizer_json_is_refused),
          CASE(a_lying_tokenizer_json_is_refused_by_name), CASE(what_is_not_supported_is_refused_by_name),
          CASE(an_empty_directory_is_refused_by_name))
