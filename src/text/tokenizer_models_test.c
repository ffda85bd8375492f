/* tokenizer_models_test.c - BPE of characters, Unigram, WordPiece, WordLevel and SentencePiece models against the
 * Python packages: tests/golden/tokenizer/models.py made both the small tokenizers and what the packages answered. */
#define _GNU_SOURCE /* nftw */
#include "io/atomic.h"
#include "io/json.h"
#include "tests/check.h"
#include "tests/scratch.h"
#include "text/charsmap.h"
#include "text/sentencepiece.h"
#include "text/tokenizer.h"

#include <string.h>

#define GOLDEN "tests/golden/tokenizer/"

static json_t *load(const char *path)
{
    json_t *o = json_load_file(path, JSON_ALLOW_NUL, NULL);
    if (!o) fail_msg("%s cannot be read", path);
    return o;
}

static bool same_ids(const tl_ids *ids, const json_t *wanted)
{
    if (ids->size != json_array_size(wanted)) return false;
    for (size_t i = 0; i < ids->size; i++)
        if (ids->data[i] != json_integer_value(json_array_get(wanted, i))) return false;
    return true;
}

/* The text that the packages give back: U+FFFD for each byte that is part of no character, where ours gives the byte.
 */
static bool same_text(const tl_buf *text, const char *wanted)
{
    return strstr(wanted, "\xef\xbf\xbd") || strcmp(text->data ? text->data : "", wanted) == 0;
}

/* One text: its ids, their text, and the same text from one token after the other. */
static void check_text(const tl_tokenizer *t, const char *name, bool spm, const char *text, size_t size,
                       const json_t *wanted)
{
    tl_err err = { 0 };
    tl_ids ids = { 0 };
    tl_buf back = tl_buf_make(1 << 20);
    const json_t *want = json_array_get(wanted, 0);
    CHECK_OK(tl_tokenizer_encode(t, text, size, spm ? TL_ENCODE_AS_TEXT : TL_ENCODE_SPECIAL, &ids, &err), err);
    if (!same_ids(&ids, want)) fail_msg("%s: '%s' has other ids", name, text);
    bool unknown = false; /* the package spells an unknown token, we leave it out */
    for (size_t i = 0; i < ids.size; i++) unknown = unknown || (spm && ids.data[i] == 0);
    CHECK_OK(tl_tokenizer_decode(t, ids.data, ids.size, true, &back, &err), err);
    if (!unknown && !same_text(&back, json_string_value(json_array_get(wanted, 1))))
        fail_msg("%s: the ids of '%s' give '%s'", name, text, back.data ? back.data : "");
    tl_buf_reset(&back);
    tl_ids_reset(&ids);
}

static void check_model(const char *name)
{
    char dir[100];
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    json_t *texts = load(GOLDEN "strings.json"), *all = load(GOLDEN "models.json"), *rows = json_object_get(all, name);
    bool spm = strncmp(name, "spm", 3) == 0;
    snprintf(dir, sizeof dir, GOLDEN "models/%s", name);
    CHECK_OK(tl_tokenizer_open(&t, dir, &err), err);
    CHECK(json_array_size(rows) > 200);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *text = json_array_get(texts, i);
        size_t size = json_string_length(text);
        if (spm && memchr(json_string_value(text), 0, size)) continue; /* the package ends a text there */
        if (json_is_null(json_array_get(rows, i))) continue;           /* its tables are older than ours */
        check_text(t, name, spm, json_string_value(text), size, json_array_get(rows, i));
    }
    tl_tokenizer_free(t);
    json_decref(texts);
    json_decref(all);
}

TEST(characters_with_bytes_for_the_rest_are_merged_as_the_package_does)
{
    check_model("llama");
    check_model("gemma");
    check_model("clip");
}

TEST(unigram_cuts_as_the_package_does)
{
    check_model("t5");
    check_model("xlnet");
}

TEST(whole_words_and_their_pieces_are_those_of_the_package)
{
    check_model("bert");
    check_model("bert-cased");
    check_model("words");
}

TEST(sentencepiece_models_are_read_and_answer_as_the_package_does)
{
    check_model("spm-bpe");
    check_model("spm-unigram");
    check_model("spm-bare");
}

/* The tokens of a text one after the other add up to the text of all. */
TEST(a_text_grows_token_by_token)
{
    static const char *const names[] = { "llama", "t5", "bert-cased", "spm-unigram" };
    static const char *const texts[] = { "A woman fell from a ladder, \xf0\x9f\x98\x80 since this morning.",
                                         "<s>  two spaces <s> more", "<unk> word", "   ", "'K 'K" };
    for (size_t n = 0; n < sizeof texts / sizeof *texts; n++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            char dir[100];
            tl_err err = { 0 };
            tl_tokenizer *t = NULL;
            tl_ids ids = { 0 };
            tl_buf whole = tl_buf_make(1000), grown = tl_buf_make(1000);
            snprintf(dir, sizeof dir, GOLDEN "models/%s", names[k]);
            CHECK_OK(tl_tokenizer_open(&t, dir, &err), err);
            CHECK_OK(tl_tokenizer_encode(t, texts[n], strlen(texts[n]), TL_ENCODE_PLAIN, &ids, &err), err);
            CHECK_OK(tl_tokenizer_decode(t, ids.data, ids.size, true, &whole, &err), err);
            tl_decode_state s = { 0 };
            for (size_t i = 0; i < ids.size; i++)
                CHECK_OK(tl_tokenizer_decode_next(t, &s, ids.data[i], true, &grown, &err), err);
            CHECK_STR(grown.data ? grown.data : "", whole.data ? whole.data : "");
            tl_buf_reset(&whole);
            tl_buf_reset(&grown);
            tl_ids_reset(&ids);
            tl_tokenizer_free(t);
        }
}

TEST(a_megabyte_without_a_space_is_cut_in_seconds)
{
    static const char *const names[] = { "llama", "t5", "spm-bpe", "spm-unigram" };
    const size_t size = 1 << 20;
    char *text = malloc(size);
    CHECK(text != NULL);
    for (size_t i = 0; i < size; i++) text[i] = "patient"[i % 7];
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char dir[100];
        tl_err err = { 0 };
        tl_tokenizer *t = NULL;
        tl_ids ids = { 0 };
        snprintf(dir, sizeof dir, GOLDEN "models/%s", names[k]);
        CHECK_OK(tl_tokenizer_open(&t, dir, &err), err);
        CHECK_OK(tl_tokenizer_encode(t, text, size, TL_ENCODE_PLAIN, &ids, &err), err);
        CHECK(ids.size > size / 20);
        tl_ids_reset(&ids);
        tl_tokenizer_free(t);
    }
    free(text);
}

TEST(a_truncated_sentencepiece_model_is_refused)
{
    tl_err err = { 0 };
    tl_buf whole = tl_buf_make(1 << 20);
    char path[200];
    scratch_begin();
    snprintf(path, sizeof path, "%s/tokenizer.model", scratch_dir);
    CHECK_OK(tl_file_read(GOLDEN "models/spm-bare/tokenizer.model", 1 << 20, &whole, &err), err);
    int refused = 0;
    for (size_t n = 0; n < whole.size; n += 7) {
        tl_tokenizer *t = NULL;
        CHECK_OK(tl_file_save(path, whole.data, n, &err), err);
        if (tl_tokenizer_open(&t, scratch_dir, &err) < 0) {
            CHECK_HAS(err.text, path);
            refused++;
        }
        tl_tokenizer_free(t); /* cut between two fields it is a model of fewer pieces */
    }
    CHECK(refused > (int)whole.size / 7 * 3 / 4);
    tl_buf_reset(&whole);
    scratch_end();
}

TEST(a_charsmap_that_lies_is_refused_or_finds_nothing)
{
    tl_err err = { 0 };
    tl_charsmap *c = NULL;
    size_t used;
    unsigned char bytes[20] = { 8 };
    CHECK_INT(tl_charsmap_create(&c, bytes, 3, &err), TL_EFORMAT);
    CHECK_INT(tl_charsmap_create(&c, bytes, 12, &err), TL_EFORMAT); /* no replacement's end */
    memset(bytes + 4, 0xff, 8);
    CHECK_OK(tl_charsmap_create(&c, bytes, 13, &err), err);
    CHECK(tl_charsmap_find(c, "abc", 3, true, &used) == NULL);
    tl_charsmap_free(c);
}

RUN_TESTS(CASE(characters_with_bytes_for_the_rest_are_merged_as_the_package_does),
          CASE(unigram_cuts_as_the_package_does), CASE(whole_words_and_their_pieces_are_those_of_the_package),
          CASE(sentencepiece_models_are_read_and_answer_as_the_package_does), CASE(a_text_grows_token_by_token),
          CASE(a_megabyte_without_a_space_is_cut_in_seconds), CASE(a_truncated_sentencepiece_model_is_refused),
          CASE(a_charsmap_that_lies_is_refused_or_finds_nothing))
