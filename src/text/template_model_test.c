/* template_model_test.c - a base's template is found wherever bases have it, and its tokens with it. */
#define _GNU_SOURCE /* nftw */
#include "text/template_model.h"

#include "tests/check.h"
#include "tests/gguf_writer.h"
#include "tests/scratch.h"

#include <sys/stat.h>

static tl_err err;

static void tokens_of_three(gguf_writer *w)
{
    gguf_array(w, "tokenizer.ggml.tokens", TL_GGUF_STRING, 3);
    gguf_string(w, "a");
    gguf_string(w, "<s>");
    gguf_string(w, "</s>");
}

/* What the template of path renders with its tokens; NULL and err where it is refused. */
static char *rendered(const char *path, const char *name, bool tools)
{
    tl_chat_template *t = NULL;
    json_t *tokens = NULL;
    tl_chat_rendering r = { 0 };
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000;
    err = (tl_err){ 0 };
    int rc = tl_chat_open(&t, &tokens, path, name, tools, &err);
    if (rc == 0) rc = tl_chat_render(t, tokens, &o, &r, &err);
    tl_chat_free(t);
    json_decref(tokens);
    CHECK(rc == 0 || !r.text.data);
    return rc < 0 ? NULL : r.text.data;
}

static void renders(const char *path, const char *name, bool tools, const char *wanted)
{
    char *found = rendered(path, name, tools);
    if (!found) fail_msg("%s", err.text);
    CHECK_STR(found, wanted);
    free(found);
}

static void refuses(const char *path, const char *name, const char *words)
{
    char *found = rendered(path, name, false);
    if (found) fail_msg("rendered %s", found);
    CHECK_HAS(err.text, words);
}

TEST(a_text_in_tokenizer_config_is_the_template)
{
    scratch_begin();
    scratch_text("tokenizer_config.json",
                 "{\"chat_template\": \"1{{ bos_token }}{{ eos_token }}{{ pad_token }}\\n\","
                 "\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"</s>\", \"lstrip\": false},"
                 "\"pad_token\": null}");
    renders(scratch_dir, NULL, false, "1<s></s>");
    refuses(scratch_dir, "other", "has no chat template 'other'; there are: default");
    scratch_end();
}

TEST(a_list_of_templates_is_chosen_from)
{
    scratch_begin();
    scratch_text("tokenizer_config.json",
                 "{\"chat_template\": [{\"name\": \"default\", \"template\": \"d\"},"
                 "{\"name\": \"tool_use\", \"template\": \"t\"}, {\"name\": \"rag\", \"template\": \"r\"}]}");
    renders(scratch_dir, NULL, false, "d");
    renders(scratch_dir, NULL, true, "t");
    renders(scratch_dir, "rag", true, "r");
    scratch_text("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"r\"}]}");
    refuses(scratch_dir, NULL, "has no chat template 'default'; there are: rag");
    scratch_text("tokenizer_config.json", "{\"chat_template\": [{\"name\": 1}]}");
    refuses(scratch_dir, NULL, "name is an integer, wanted a string");
    scratch_text("tokenizer_config.json", "{\"chat_template\": 7}");
    refuses(scratch_dir, NULL, "chat_template is neither a text nor a list");
    scratch_end();
}

TEST(files_of_their_own_come_before_the_config)
{
    scratch_begin();
    scratch_text("tokenizer_config.json", "{\"chat_template\": \"config\", \"bos_token\": \"B\"}");
    scratch_text("chat_template.jinja", "file {{ bos_token }}\n");
    renders(scratch_dir, NULL, true, "file B");
    char folder[200];
    snprintf(folder, sizeof folder, "%s/additional_chat_templates", scratch_dir);
    CHECK(mkdir(folder, 0700) == 0);
    scratch_text("additional_chat_templates/tool_use.jinja", "tools");
    renders(scratch_dir, NULL, true, "tools");
    renders(scratch_dir, NULL, false, "file B");
    scratch_write("chat_template.jinja", "\xff", 1);
    refuses(scratch_dir, NULL, "not UTF-8");
    scratch_end();
}

/* transformers reads special_tokens_map.json only for configs that list no added tokens. */
TEST(special_tokens_are_those_of_transformers)
{
    scratch_begin();
    scratch_text("chat_template.jinja", "{{ bos_token }} {{ eos_token }} {{ unk_token }}");
    scratch_text("tokenizer_config.json", "{\"bos_token\": \"B\", \"eos_token\": \"E\"}");
    scratch_text("special_tokens_map.json", "{\"eos_token\": {\"content\": \"M\"}, \"unk_token\": \"U\"}");
    renders(scratch_dir, NULL, false, "B M U");
    scratch_text("tokenizer_config.json", "{\"bos_token\": \"B\", \"eos_token\": \"E\", \"added_tokens_decoder\": {}}");
    renders(scratch_dir, NULL, false, "B E ");
    scratch_text("tokenizer_config.json", "{\"bos_token\": 5}");
    refuses(scratch_dir, NULL, "bos_token is no text");
    scratch_end();
}

TEST(a_gguf_file_has_template_and_tokens)
{
    scratch_begin();
    gguf_writer w = gguf_begin(3);
    gguf_text(&w, "tokenizer.chat_template", "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}");
    gguf_text(&w, "tokenizer.chat_template.tool_use", "tools");
    tokens_of_three(&w);
    gguf_number(&w, "tokenizer.ggml.bos_token_id", TL_GGUF_U32, 1);
    gguf_number(&w, "tokenizer.ggml.eos_token_id", TL_GGUF_U32, 2);
    gguf_end(&w, NULL, 0);
    const char *path = scratch_write("x.gguf", w.bytes, w.size);
    renders(path, NULL, false, "<s>|</s>|");
    renders(path, NULL, true, "tools");
    gguf_writer bad = gguf_begin(3);
    gguf_text(&bad, "tokenizer.chat_template", "x");
    tokens_of_three(&bad);
    gguf_number(&bad, "tokenizer.ggml.bos_token_id", TL_GGUF_U32, 3);
    gguf_end(&bad, NULL, 0);
    refuses(scratch_write("y.gguf", bad.bytes, bad.size), NULL, "bos_token_id is 3, no token has that number");
    scratch_end();
}

TEST(a_base_without_a_template_says_so)
{
    scratch_begin();
    scratch_text("tokenizer_config.json", "{\"bos_token\": \"<s>\"}");
    refuses(scratch_dir, NULL, "has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)");
    scratch_text("chat_template.jinja", "\n{{ oh no }}");
    refuses(scratch_dir, NULL, "chat template:2: found 'no', wanted '}}'");
    scratch_end();
}

RUN_TESTS(CASE(a_text_in_tokenizer_config_is_the_template), CASE(a_list_of_templates_is_chosen_from),
          CASE(files_of_their_own_come_before_the_config), CASE(special_tokens_are_those_of_transformers),
          CASE(a_gguf_file_has_template_and_tokens), CASE(a_base_without_a_template_says_so))
