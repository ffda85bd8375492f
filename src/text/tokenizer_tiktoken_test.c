/* tokenizer_tiktoken_test.c - rank files against the package `tiktoken`: tests/golden/tokenizer/ranks.py made the files
 * and what the package answered. */
#define _GNU_SOURCE /* nftw */
#include "io/atomic.h"
#include "io/json.h"
#include "tests/check.h"
#include "tests/scratch.h"
#include "text/tokenizer.h"

#define GOLDEN "tests/golden/tokenizer/"

static json_t *load(const char *path)
{
    json_t *o = json_load_file(path, JSON_ALLOW_NUL, NULL);
    if (!o) fail_msg("%s cannot be read", path);
    return o;
}

static void check_family(const char *name)
{
    char dir[100];
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    tl_ids ids = { 0 };
    json_t *texts = load(GOLDEN "strings.json"), *all = load(GOLDEN "ranks.json"), *rows = json_object_get(all, name);
    snprintf(dir, sizeof dir, GOLDEN "ranks/%s", name);
    CHECK_OK(tl_tokenizer_open(&t, dir, &err), err);
    CHECK(json_array_size(rows) > 200);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *text = json_array_get(texts, i), *want = json_array_get(rows, i);
        ids.size = 0;
        CHECK_OK(tl_tokenizer_encode(t, json_string_value(text), json_string_length(text), TL_ENCODE_PLAIN, &ids, &err),
                 err);
        bool same = ids.size == json_array_size(want);
        for (size_t k = 0; same && k < ids.size; k++) same = ids.data[k] == json_integer_value(json_array_get(want, k));
        if (!same) fail_msg("%s: '%s' has other ids", name, json_string_value(text));
    }
    tl_ids_reset(&ids);
    tl_tokenizer_free(t);
    json_decref(texts);
    json_decref(all);
}

TEST(ranks_give_the_ids_of_the_package)
{
    check_family("qwen");
    check_family("cl100k");
    check_family("o200k");
    check_family("r50k");
}

TEST(a_pattern_of_ones_own_is_read_from_the_config)
{
    check_family("own");
}

/* The golden file of name in a fresh folder, as file, size bytes of it and then `more`. */
static int open_ranks(tl_tokenizer **out, const char *file, size_t size, const char *more, const char *config,
                      tl_err *err)
{
    tl_buf whole = tl_buf_make(1 << 20);
    scratch_begin();
    CHECK_OK(tl_file_read(GOLDEN "ranks/cl100k/cl100k_base.tiktoken", 1 << 20, &whole, err), *err);
    if (size < whole.size) whole.size = size;
    CHECK_OK(tl_buf_puts(&whole, more, err), *err);
    scratch_write(file, whole.data, whole.size);
    if (config) scratch_write("tokenizer_config.json", config, strlen(config));
    int rc = tl_tokenizer_open(out, scratch_dir, err);
    tl_buf_reset(&whole);
    scratch_end();
    return rc;
}

static void check_refused(const char *file, size_t size, const char *more, const char *config, const char *named)
{
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    if (open_ranks(&t, file, size, more, config, &err) >= 0) fail_msg("%s with '%s' was taken", file, more);
    CHECK_HAS(err.text, named);
}

#define PLAIN "{\"added_tokens_decoder\": {}}"

TEST(a_file_that_no_name_explains_is_refused_by_name)
{
    check_refused("clinic.tiktoken", SIZE_MAX, "", NULL, "clinic.tiktoken");
    check_refused("clinic.tiktoken", SIZE_MAX, "", "{\"tokenizer_class\": \"OtherTokenizer\"}", "OtherTokenizer");
    check_refused("tokenizer.model", SIZE_MAX, "", PLAIN, "128000");
    check_refused("clinic.tiktoken", SIZE_MAX, "", "{\"pat_str\": \"a$\"}", "$");
    check_refused("clinic.tiktoken", SIZE_MAX, "", "{\"pat_str\": \"(a\"}", "regex");
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    CHECK_OK(open_ranks(&t, "clinic.tiktoken", SIZE_MAX, "",
                        "{\"tokenizer_class\": \"QWenTokenizer\", \"added_tokens_decoder\": {}}", &err),
             err);
    CHECK_INT(tl_tokenizer_bos(t), -1);
    tl_tokenizer_free(t);
}

TEST(lines_that_lie_are_refused_with_their_number)
{
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "IQ== 0\n", PLAIN, "twice");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "IQ==\n", PLAIN, "a space and a rank");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "enp6eg== -1\n", PLAIN, "a space and a rank");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "enp6eg== 7x\n", PLAIN, "a space and a rank");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "enp6eg== 99999999999\n", PLAIN, "a space and a rank");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "enp6eg== 2000000000\n", PLAIN, "no id between");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "enp6eg== 7\n", PLAIN, "two tokens");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "e 7\n", PLAIN, "base64");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "e=== 7\n", PLAIN, "base64");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, " 7\n", PLAIN, "letters");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, "*!== 7\n", PLAIN, "base64");
    check_refused("cl100k_base.tiktoken", 35, "\n", PLAIN, "byte 0x");
    check_refused("cl100k_base.tiktoken", 0, "", PLAIN, "byte 0x");
    char line[3000];
    memset(line, 'A', sizeof line);
    strcpy(line + sizeof line - 4, " 9\n");
    check_refused("cl100k_base.tiktoken", SIZE_MAX, line, PLAIN, "letters");
}

TEST(a_truncated_rank_file_is_refused_or_has_fewer_tokens)
{
    tl_err err = { 0 };
    size_t size = 0;
    tl_buf whole = tl_buf_make(1 << 20);
    CHECK_OK(tl_file_read(GOLDEN "ranks/cl100k/cl100k_base.tiktoken", 1 << 20, &whole, &err), err);
    for (; size < whole.size; size++) {
        tl_tokenizer *t = NULL;
        if (open_ranks(&t, "cl100k_base.tiktoken", size, "", PLAIN, &err) < 0)
            CHECK_HAS(err.text, "cl100k_base.tiktoken");
        else
            CHECK(tl_tokenizer_size(t) >= 95 && tl_tokenizer_size(t) < 430);
        tl_tokenizer_free(t);
    }
    tl_buf_reset(&whole);
}

RUN_TESTS(CASE(ranks_give_the_ids_of_the_package), CASE(a_pattern_of_ones_own_is_read_from_the_config),
          CASE(a_file_that_no_name_explains_is_refused_by_name), CASE(lines_that_lie_are_refused_with_their_number),
          CASE(a_truncated_rank_file_is_refused_or_has_fewer_tokens))
