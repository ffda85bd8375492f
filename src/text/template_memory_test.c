/* template_memory_test.c - every allocation of parsing, rendering and finding answers fails once: said, and no leak. */
#define _GNU_SOURCE /* nftw */
#include "text/template_model.h"

#include "io/atomic.h"
#include "io/json.h"
#include "tests/check.h"
#include "tests/failing_malloc.h"
#include "tests/scratch.h"

static json_t *variables;

static void load_variables(void)
{
    tl_err err = { 0 };
    json_t *golden = NULL;
    CHECK_OK(tl_json_load(&golden, "tests/golden/template/renderings.json", &err), err);
    variables = json_incref(json_array_get(json_object_get(golden, "cases"), 5));
    json_decref(golden);
}

static int render_file(const char *path, tl_err *err)
{
    tl_buf text = tl_buf_make(1 << 20);
    tl_chat_template *t = NULL;
    tl_chat_rendering r = { 0 };
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000;
    int rc = tl_file_read(path, 1 << 20, &text, err);
    if (rc == 0) rc = tl_chat_parse(&t, path, text.data, text.size, err);
    if (rc == 0) rc = tl_chat_answers(t, variables, &o, &r, err);
    CHECK(rc == 0 || (!r.text.data && !r.spans));
    tl_chat_rendering_reset(&r);
    tl_chat_free(t);
    tl_buf_reset(&text);
    return rc;
}

static int open_base(const char *path, tl_err *err)
{
    tl_chat_template *t = NULL;
    json_t *tokens = NULL;
    int rc = tl_chat_open(&t, &tokens, path, NULL, false, err);
    CHECK((rc == 0) == (t != NULL));
    tl_chat_free(t);
    json_decref(tokens);
    return rc;
}

TEST(rendering_survives_each_failed_allocation)
{
    load_variables();
    each_failure(render_file, "tests/golden/template/smollm-generation.jinja", 1, true);
    each_failure(render_file, "tests/golden/template/zephyr-blocks.jinja", 1, true);
    json_decref(variables);
}

TEST(opening_a_base_survives_each_failed_allocation)
{
    if (!FAILING_MALLOC) SKIP("the sanitizer has the allocator");
    scratch_begin();
    char dir[100];
    snprintf(dir, sizeof dir, "%s", scratch_dir);
    scratch_text("tokenizer_config.json",
                 "{\"chat_template\": [{\"name\": \"default\", \"template\": \"d\"}], \"bos_token\": \"B\"}");
    each_failure(open_base, dir, 1, true);
    scratch_text("chat_template.jinja", "{{ bos_token }}");
    each_failure(open_base, dir, 1, true);
    scratch_end();
}

RUN_TESTS(CASE(rendering_survives_each_failed_allocation), CASE(opening_a_base_survives_each_failed_allocation))
