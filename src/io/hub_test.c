/* hub_test.c - names, listings, choices, headers and the environment. */
#define _GNU_SOURCE /* nftw */
#include "io/hub.h"

#include "io/hub_env.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"

TEST(a_name_that_leads_out_of_the_repository_is_none)
{
    static const char *const good[] = { "config.json",    "a/b/c.safetensors", "..a",        "a..b",
                                        ".gitattributes", "caf\xc3\xa9.json",  "with space", "a\\b" };
    static const char *const bad[] = { "",      "/etc/passwd", "..",     "../x",    "a/../../x", "a/..",
                                       "./a",   "a/./b",       "a//b",   "a/",      "a\nb",      "a\x1b[31m",
                                       "a\x7f", "aÂb",      "a\xffz", "aâ®b" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!tl_hub_name_ok(good[i])) fail_msg("'%s' is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (tl_hub_name_ok(bad[i])) fail_msg("'%s' is taken", bad[i]);
    char name[TL_HUB_NAME_MAX + 2];
    memset(name, 'a', sizeof name);
    name[255] = '\0';
    CHECK(tl_hub_name_ok(name));
    name[255] = 'a';
    name[256] = '\0';
    CHECK(!tl_hub_name_ok(name)); /* a part that no file system takes */
    for (size_t i = 0; i < sizeof name; i++) name[i] = i % 100 == 99 ? '/' : 'a';
    name[TL_HUB_NAME_MAX + 1] = '\0';
    CHECK(!tl_hub_name_ok(name));
}

TEST(a_repository_and_a_revision_are_names_that_hubs_have)
{
    tl_err err;
    static const char *const good[] = { "gpt2", "org/name", "Qwen/Qwen2.5-0.5B", "a_b/c.d-e" };
    static const char *const bad[] = { "",     "/a",   "a/",  "a/b/c", "../x", "a/..", "a--b/c",    "-a/b",
                                       "a/.b", "a/b.", "a b", "a?b",   "a%2f", "a\nb", "models/a/b" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK_OK(tl_hub_repo_check(good[i], &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (tl_hub_repo_check(bad[i], &err) != TL_EUSAGE) fail_msg("'%s' is taken", bad[i]);
    CHECK_OK(tl_hub_revision_check("main", &err), err);
    CHECK_OK(tl_hub_revision_check("refs/pr/1", &err), err);
    CHECK_INT(tl_hub_revision_check("../../x", &err), TL_EUSAGE);
    CHECK_INT(tl_hub_revision_check("a b", &err), TL_EUSAGE);
    CHECK_INT(tl_hub_revision_check("", &err), TL_EUSAGE);
}

static int parse(tl_hub_listing *l, const char *text, tl_err *err)
{
    return tl_hub_listing_parse(l, text, strlen(text), "http://hub/x", err);
}

TEST(a_listing_gives_its_commit_and_its_names_in_order)
{
    tl_err err;
    tl_hub_listing l = { 0 };
    CHECK_OK(parse(&l,
                   "{\"sha\": \"" SHA "\", \"private\": false, \"siblings\": [{\"rfilename\": \"b\"}, "
                   "{\"rfilename\": \"a/c\", \"size\": 3}]}",
                   &err),
             err);
    CHECK_STR(l.sha, SHA);
    CHECK_INT(l.n, 2);
    CHECK_STR(l.names[0], "a/c");
    CHECK_STR(l.names[1], "b");
    tl_hub_listing_reset(&l);
    tl_hub_listing_reset(&l);
}

TEST(a_listing_that_lies_is_refused)
{
    tl_err err;
    tl_hub_listing l = { 0 };
    static const struct {
        const char *text, *says;
    } rows[] = { { "", "not JSON" },
                 { "<html>", "not JSON" },
                 { "[]", "no object" },
                 { "{\"siblings\": []}", "sha is missing" },
                 { "{\"sha\": \"../../../../../../../../../../../../../../x\", \"siblings\": []}", "no commit" },
                 { "{\"sha\": \"0123456789ABCDEF0123456789abcdef01234567\", \"siblings\": []}", "no commit" },
                 { "{\"sha\": \"" SHA "\"}", "siblings is missing" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": {}}", "siblings is" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [1]}", "siblings[0] is no object" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [{}]}", "rfilename is missing" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [{\"rfilename\": 1}]}", "rfilename is" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [{\"rfilename\": \"../../x\"}]}", "lists '../../x'" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [{\"rfilename\": \"/x\"}]}", "lists '/x'" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [{\"rfilename\": \"a\\u001b\"}]}", "lists 'a?'" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [{\"rfilename\": \"a\\u0000b\"}]}", "not JSON" },
                 { "{\"sha\": \"" SHA "\", \"siblings\": [{\"rfilename\": \"a\"}, {\"rfilename\": \"a\"}]}",
                   "twice" } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(parse(&l, rows[i].text, &err) < 0);
        CHECK_HAS(err.text, rows[i].says);
        CHECK_HAS(err.text, "http://hub/x: ");
        CHECK(!l.json && !l.names);
    }
}

TEST(a_listing_without_end_is_refused)
{
    tl_err err;
    tl_hub_listing l = { 0 };
    tl_buf b = tl_buf_make(4 << 20);
    CHECK_OK(tl_buf_puts(&b, "{\"sha\": \"" SHA "\", \"siblings\": [", &err), err);
    for (int i = 0; i <= TL_HUB_FILES_MAX; i++)
        CHECK_OK(tl_buf_printf(&b, &err, "%s{\"rfilename\": \"%d\"}", i ? "," : "", i), err);
    CHECK_OK(tl_buf_puts(&b, "]}", &err), err);
    CHECK_INT(parse(&l, b.data, &err), TL_EDATA);
    CHECK_HAS(err.text, "lists 20001 files");
    tl_buf_reset(&b);
}

TEST(what_a_base_needs_is_taken_and_pickles_never)
{
    static const char *const taken[] = { "config.json",
                                         "model.safetensors",
                                         "model-00001-of-00002.safetensors",
                                         "model.safetensors.index.json",
                                         "tokenizer.model",
                                         "spiece.model",
                                         "merges.txt",
                                         "vocab.txt",
                                         "chat_template.jinja",
                                         "LICENSE",
                                         "adapter_model.safetensors" };
    static const char *const left[] = { "README.md",
                                        "pytorch_model.bin",
                                        "onnx/config.json",
                                        "consolidated.safetensors",
                                        "consolidated.00-of-02.safetensors",
                                        "model.gguf",
                                        "tf_model.h5",
                                        "x.py",
                                        "original/params.json",
                                        ".gitattributes",
                                        "flax_model.msgpack" };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (tl_hub_choose(taken[i], NULL, NULL) != TL_HUB_TAKEN) fail_msg("%s is left", taken[i]);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (tl_hub_choose(left[i], NULL, NULL) != TL_HUB_LEFT) fail_msg("%s is taken", left[i]);
    CHECK_INT(tl_hub_choose("a/model-Q4_K_M.gguf", "*Q4_K_M.gguf", NULL), TL_HUB_TAKEN);
    CHECK_INT(tl_hub_choose("config.json", "*.gguf,*.json", NULL), TL_HUB_TAKEN);
    CHECK_INT(tl_hub_choose("config.json", "*.gguf,*.json", "conf*"), TL_HUB_LEFT);
    CHECK_INT(tl_hub_choose("config.json", NULL, "x,config.json"), TL_HUB_LEFT);
    CHECK_INT(tl_hub_choose("README.md", "*.gguf,,", NULL), TL_HUB_LEFT);
    static const char *const pickles[] = { "pytorch_model.bin", "a/b.PT", "c.pth", "d.ckpt", "e.pkl", "f.pickle" };
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++)
        CHECK_INT(tl_hub_choose(pickles[i], "*", NULL), TL_HUB_PICKLE);
    CHECK_INT(tl_hub_choose("c.pth", "*", "*.pth"), TL_HUB_LEFT);
}

TEST(an_etag_names_content_or_is_none)
{
    char out[65];
    CHECK(tl_hub_etag(out, "\"" SHA "\""));
    CHECK_STR(out, SHA);
    CHECK(tl_hub_etag(out, "W/\"" SHA "\""));
    CHECK(tl_hub_etag(out, SHA SHA "") == false); /* 80 */
    CHECK(tl_hub_etag(out, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
    static const char *const bad[] = { "",       "\"",
                                       "\"\"",   "\"../../../x\"",
                                       "5f-abc", "\"0123456789abcdef0123456789abcdef01234567",
                                       "W/",     "0123456789ABCDEF0123456789abcdef01234567" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!tl_hub_etag(out, bad[i]));
}

TEST(addresses_are_put_together_from_escaped_parts)
{
    tl_err err;
    tl_buf b = tl_buf_make(1000);
    CHECK_OK(tl_hub_listing_url(&b, "http://hub/base//", "org/name", "refs/pr/1", &err), err);
    CHECK_STR(b.data, "http://hub/base/api/models/org/name/revision/refs%2Fpr%2F1");
    tl_buf_clear(&b);
    CHECK_OK(tl_hub_file_url(&b, "http://hub", "gpt2", SHA, "a b/c#?.json", &err), err);
    CHECK_STR(b.data, "http://hub/gpt2/resolve/" SHA "/a%20b/c%23%3F.json");
    tl_buf_reset(&b);
}

static void unset_all(void)
{
    static const char *const names[] = { "HF_ENDPOINT",   "HF_HUB_CACHE",   "HUGGINGFACE_HUB_CACHE",
                                         "HF_HOME",       "HF_TOKEN",       "HUGGING_FACE_HUB_TOKEN",
                                         "HF_TOKEN_PATH", "XDG_CACHE_HOME", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                         "HF_HUB_OFFLINE" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
    setenv("HOME", scratch_dir, 1);
}

TEST(the_cache_is_where_the_python_tools_have_it)
{
    tl_err err;
    char path[4096];
    scratch_begin();
    unset_all();
    CHECK_OK(tl_hub_cache_dir(path, sizeof path, &err), err);
    CHECK_STR(path, scratch(".cache/huggingface/hub"));
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    CHECK_OK(tl_hub_cache_dir(path, sizeof path, &err), err);
    CHECK_STR(path, "/xdg/huggingface/hub");
    setenv("HF_HOME", "~/hf", 1);
    CHECK_OK(tl_hub_cache_dir(path, sizeof path, &err), err);
    CHECK_STR(path, scratch("hf/hub"));
    setenv("HUGGINGFACE_HUB_CACHE", "/legacy", 1);
    CHECK_OK(tl_hub_cache_dir(path, sizeof path, &err), err);
    CHECK_STR(path, "/legacy");
    setenv("HF_HUB_CACHE", "~", 1);
    CHECK_OK(tl_hub_cache_dir(path, sizeof path, &err), err);
    CHECK_STR(path, scratch_dir);
    unsetenv("HOME");
    CHECK_INT(tl_hub_cache_dir(path, sizeof path, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "HOME is not set");
    CHECK_STR(tl_hub_endpoint(), "https://huggingface.co");
    setenv("HF_ENDPOINT", "http://mirror", 1);
    CHECK_STR(tl_hub_endpoint(), "http://mirror");
    setenv("HF_ENDPOINT", "", 1);
    CHECK_STR(tl_hub_endpoint(), "https://huggingface.co");
    CHECK(!tl_hub_offline());
    setenv("HF_HUB_OFFLINE", "1", 1);
    CHECK(tl_hub_offline());
    unset_all();
    scratch_end();
}

static const char *token(const char **from)
{
    static char text[200];
    tl_err err;
    tl_buf b = tl_buf_make(1000);
    CHECK_OK(tl_hub_token(&b, from, &err), err);
    snprintf(text, sizeof text, "%s", b.data ? b.data : "");
    tl_buf_reset(&b);
    return text;
}

TEST(the_token_is_that_of_the_python_tools)
{
    const char *from = "x";
    scratch_begin();
    unset_all();
    CHECK_STR(token(&from), "");
    CHECK(!from);
    setenv("HF_HOME", scratch_dir, 1);
    scratch_text("token", " hf_file\n");
    CHECK_STR(token(&from), "hf_file");
    CHECK_STR(from, "the token file");
    scratch_text("other", "hf_other");
    setenv("HF_TOKEN_PATH", scratch("other"), 1);
    CHECK_STR(token(&from), "hf_other");
    setenv("HUGGING_FACE_HUB_TOKEN", "hf_legacy", 1);
    CHECK_STR(token(&from), "hf_legacy");
    setenv("HF_TOKEN", "hf_env\r\n", 1);
    CHECK_STR(token(&from), "hf_env");
    CHECK_STR(from, "HF_TOKEN");
    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "true", 1);
    CHECK_STR(token(&from), "");
    CHECK(!from);
    unset_all();
    setenv("HF_TOKEN_PATH", scratch("empty"), 1);
    scratch_text("empty", "\n");
    CHECK_STR(token(&from), "");
    CHECK(!from);
    unset_all();
    scratch_end();
}

RUN_TESTS(CASE(a_name_that_leads_out_of_the_repository_is_none),
          CASE(a_repository_and_a_revision_are_names_that_hubs_have),
          CASE(a_listing_gives_its_commit_and_its_names_in_order), CASE(a_listing_that_lies_is_refused),
          CASE(a_listing_without_end_is_refused), CASE(what_a_base_needs_is_taken_and_pickles_never),
          CASE(an_etag_names_content_or_is_none), CASE(addresses_are_put_together_from_escaped_parts),
          CASE(the_cache_is_where_the_python_tools_have_it), CASE(the_token_is_that_of_the_python_tools))
