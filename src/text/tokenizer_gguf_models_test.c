/* tokenizer_gguf_models_test.c - SentencePiece and WordPiece vocabularies in GGUF: the golden tokenizers written as
 * GGUF files give the ids that the packages gave (tests/golden/tokenizer/models.py), there and in the directory that a
 * copy makes of them. */
#define _GNU_SOURCE /* nftw */
#include "io/atomic.h"
#include "tests/check.h"
#include "tests/gguf_writer.h"
#include "tests/scratch.h"
#include "text/sentencepiece.h"
#include "text/tokenizer.h"
#include "text/tokenizer_copy.h"

#define GOLDEN "tests/golden/tokenizer/"

static json_t *load(const char *path)
{
    json_t *o = json_load_file(path, JSON_ALLOW_NUL, NULL);
    if (!o) fail_msg("%s cannot be read", path);
    return o;
}

static void put_pieces(gguf_writer *w, const tl_spm *s)
{
    gguf_array(w, "tokenizer.ggml.tokens", TL_GGUF_STRING, s->n);
    for (size_t i = 0; i < s->n; i++) {
        gguf_u64(w, s->pieces[i].size);
        gguf_put(w, s->bytes.data + s->pieces[i].start, s->pieces[i].size);
    }
    gguf_array(w, "tokenizer.ggml.scores", TL_GGUF_F32, s->n);
    for (size_t i = 0; i < s->n; i++) gguf_put(w, &s->pieces[i].score, 4);
    gguf_array(w, "tokenizer.ggml.token_type", TL_GGUF_I32, s->n);
    for (size_t i = 0; i < s->n; i++) gguf_u32(w, s->pieces[i].type);
}

/* The golden model of name as a GGUF file in the scratch directory. */
static const char *write_spm(const char *name)
{
    static gguf_writer w;
    char path[200];
    tl_err err = { 0 };
    tl_spm *s = NULL;
    snprintf(path, sizeof path, GOLDEN "models/%s/tokenizer.model", name);
    CHECK_OK(tl_spm_open(&s, path, &err), err);
    w = gguf_begin(3);
    gguf_text(&w, "tokenizer.ggml.model", s->unigram ? "t5" : "llama");
    gguf_text(&w, "tokenizer.ggml.pre", "default");
    put_pieces(&w, s);
    gguf_number(&w, "tokenizer.ggml.add_space_prefix", TL_GGUF_BOOL, s->rules.add_dummy_prefix);
    gguf_number(&w, "tokenizer.ggml.remove_extra_whitespaces", TL_GGUF_BOOL, s->rules.remove_extra_whitespaces);
    gguf_number(&w, "tokenizer.ggml.bos_token_id", TL_GGUF_U32, (uint64_t)s->bos);
    gguf_number(&w, "tokenizer.ggml.eos_token_id", TL_GGUF_U32, (uint64_t)s->eos);
    gguf_number(&w, "tokenizer.ggml.unknown_token_id", TL_GGUF_U32, (uint64_t)s->unk);
    gguf_text(&w, "tokenizer.chat_template", "{{ messages }}");
    if (s->charsmap.size) {
        gguf_array(&w, "tokenizer.ggml.precompiled_charsmap", TL_GGUF_U8, s->charsmap.size);
        gguf_put(&w, s->charsmap.data, s->charsmap.size);
    }
    gguf_end(&w, NULL, 0);
    tl_spm_free(s);
    return scratch_write("vocab.gguf", w.bytes, w.size);
}

/* Texts of at most `most` bytes have the golden ids of name. */
static void check_ids(const char *path, const char *name, unsigned flags, size_t most)
{
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    tl_ids ids = { 0 };
    int compared = 0;
    CHECK_OK(tl_tokenizer_open(&t, path, &err), err);
    json_t *texts = load(GOLDEN "strings.json"), *all = load(GOLDEN "models.json"), *rows = json_object_get(all, name);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *text = json_array_get(texts, i), *want = json_array_get(json_array_get(rows, i), 0);
        size_t size = json_string_length(text);
        if (!want || size > most || memchr(json_string_value(text), 0, size)) continue;
        ids.size = 0;
        CHECK_OK(tl_tokenizer_encode(t, json_string_value(text), size, flags, &ids, &err), err);
        bool same = ids.size == json_array_size(want);
        for (size_t k = 0; same && k < ids.size; k++) same = ids.data[k] == json_integer_value(json_array_get(want, k));
        if (!same) fail_msg("%s: '%s' has other ids", name, json_string_value(text));
        compared++;
    }
    CHECK(compared > 100);
    tl_ids_reset(&ids);
    tl_tokenizer_free(t);
    json_decref(texts);
    json_decref(all);
}

TEST(sentencepiece_in_gguf_gives_the_ids_of_the_package)
{
    static const char *const names[] = { "spm-bpe", "spm-unigram", "spm-bare" };
    for (int i = 0; i < 3; i++) {
        scratch_begin();
        check_ids(write_spm(names[i]), names[i], TL_ENCODE_AS_TEXT, SIZE_MAX);
        scratch_end();
    }
}

TEST(sentencepiece_copied_from_gguf_into_a_directory_gives_the_same_ids)
{
    static const char *const names[] = { "spm-bpe", "spm-unigram" };
    for (int i = 0; i < 2; i++) {
        tl_err err = { 0 };
        scratch_begin();
        const char *to = scratch("copy");
        CHECK_OK(tl_dir_make(to, &err), err);
        CHECK_OK(tl_tokenizer_copy(write_spm(names[i]), to, &err), err);
        check_ids(to, names[i], TL_ENCODE_AS_TEXT, SIZE_MAX);
        json_t *config = load(scratch("copy/tokenizer_config.json"));
        CHECK_STR(json_string_value(json_object_get(config, "chat_template")), "{{ messages }}");
        json_decref(config);
        scratch_end();
    }
}

TEST(bos_stands_in_front_of_bpe_and_eos_behind_unigram)
{
    tl_err err = { 0 };
    for (int unigram = 0; unigram < 2; unigram++) {
        tl_tokenizer *t = NULL;
        tl_ids ids = { 0 };
        scratch_begin();
        CHECK_OK(tl_tokenizer_open(&t, write_spm(unigram ? "spm-unigram" : "spm-bpe"), &err), err);
        CHECK_OK(tl_tokenizer_encode(t, "pain", 4, TL_ENCODE_SPECIAL, &ids, &err), err);
        CHECK(ids.size > 1);
        CHECK_INT(ids.data[0] == tl_tokenizer_bos(t), !unigram);
        CHECK_INT(ids.data[ids.size - 1] == tl_tokenizer_eos(t), unigram);
        tl_ids_reset(&ids);
        tl_tokenizer_free(t);
        scratch_end();
    }
}

static void refused(gguf_writer *w, const char *words)
{
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    gguf_end(w, NULL, 0);
    CHECK(tl_tokenizer_open(&t, scratch_write("vocab.gguf", w->bytes, w->size), &err) < 0);
    CHECK_HAS(err.text, words);
    CHECK_HAS(err.text, "vocab.gguf");
}

/* Two pieces of these types, with n scores. */
static gguf_writer two(const char *a, const char *b, uint32_t type_a, uint32_t type_b, uint64_t scores)
{
    gguf_writer w = gguf_begin(3);
    gguf_text(&w, "tokenizer.ggml.model", "llama");
    gguf_array(&w, "tokenizer.ggml.tokens", TL_GGUF_STRING, 2);
    gguf_string(&w, a);
    gguf_string(&w, b);
    gguf_array(&w, "tokenizer.ggml.scores", TL_GGUF_F32, scores);
    for (uint64_t i = 0; i < scores; i++) gguf_u32(&w, 0);
    gguf_array(&w, "tokenizer.ggml.token_type", TL_GGUF_I32, 2);
    gguf_u32(&w, type_a);
    gguf_u32(&w, type_b);
    return w;
}

TEST(pieces_that_lie_are_refused)
{
    scratch_begin();
    gguf_writer w = two("<unk>", "a", 2, 1, 3);
    refused(&w, "2 tokens, 3 scores and 2 types");
    w = two("<unk>", "a", 2, 9, 2);
    refused(&w, "type 0, wanted 1 to 6");
    w = two("<unk>", "", 2, 1, 2);
    refused(&w, "0 bytes");
    w = two("a", "a", 2, 1, 2);
    refused(&w, "twice");
    w = two("a", "b", 1, 1, 2);
    refused(&w, "no unknown piece");
    w = two("<unk>", "a", 2, 1, 2);
    gguf_text(&w, "tokenizer.ggml.surprise", "x");
    refused(&w, "surprise");
    w = two("<unk>", "a", 2, 1, 2);
    gguf_text(&w, "tokenizer.ggml.precompiled_charsmap", "x");
    refused(&w, "no array of bytes");
    scratch_end();
}

/* ---- WordPiece ---- */

static const char *write_bert(const char *pre)
{
    static gguf_writer w;
    const char *names[1000] = { NULL }, *key;
    json_t *whole = load(GOLDEN "models/bert/tokenizer.json"), *value;
    json_t *vocab = json_object_get(json_object_get(whole, "model"), "vocab");
    size_t n = json_object_size(vocab);
    CHECK(n < 1000);
    json_object_foreach(vocab, key, value) names[json_integer_value(value)] = key;
    w = gguf_begin(3);
    gguf_text(&w, "tokenizer.ggml.model", "bert");
    gguf_text(&w, "tokenizer.ggml.pre", pre);
    gguf_array(&w, "tokenizer.ggml.tokens", TL_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        char spelt[200];
        bool name = names[i][0] == '[' && names[i][strlen(names[i]) - 1] == ']';
        bool joined = strncmp(names[i], "##", 2) == 0;
        snprintf(spelt, sizeof spelt, "%s%s", name || joined ? "" : "\xe2\x96\x81", names[i] + (joined ? 2 : 0));
        gguf_string(&w, spelt);
    }
    gguf_array(&w, "tokenizer.ggml.token_type", TL_GGUF_I32, n);
    for (size_t i = 0; i < n; i++) gguf_u32(&w, i < 4 ? 3 : 1);
    gguf_number(&w, "tokenizer.ggml.unknown_token_id", TL_GGUF_U32, 0);
    gguf_number(&w, "tokenizer.ggml.cls_token_id", TL_GGUF_U32, 1);
    gguf_number(&w, "tokenizer.ggml.seperator_token_id", TL_GGUF_U32, 2);
    gguf_end(&w, NULL, 0);
    json_decref(whole);
    return scratch_write("vocab.gguf", w.bytes, w.size);
}

TEST(wordpiece_in_gguf_gives_the_ids_of_the_package)
{
    scratch_begin();
    check_ids(write_bert("bert-bge"), "bert", TL_ENCODE_SPECIAL, 20); /* longer words are unknown to the golden one */
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    CHECK(tl_tokenizer_open(&t, write_bert("jina-v2-en"), &err) < 0);
    CHECK_HAS(err.text, "jina-v2-en");
    scratch_end();
}

RUN_TESTS(CASE(sentencepiece_in_gguf_gives_the_ids_of_the_package),
          CASE(sentencepiece_copied_from_gguf_into_a_directory_gives_the_same_ids),
          CASE(bos_stands_in_front_of_bpe_and_eos_behind_unigram), CASE(pieces_that_lie_are_refused),
          CASE(wordpiece_in_gguf_gives_the_ids_of_the_package))
