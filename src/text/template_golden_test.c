/* template_golden_test.c - renderings and spans byte for byte as jinja2 made them (tests/golden/template). */
#include "text/template.h"

#include "io/atomic.h"
#include "io/json.h"
#include "tests/check.h"

#define GOLDEN "tests/golden/template"

static json_t *golden;

static void load(void)
{
    tl_err err = { 0 };
    setenv("TZ", "UTC", 1);
    tzset();
    CHECK_OK(tl_json_load(&golden, GOLDEN "/renderings.json", &err), err);
}

static tl_chat_template *parse(const char *name)
{
    tl_err err = { 0 };
    char path[200];
    tl_buf text = tl_buf_make(1 << 20);
    tl_chat_template *t = NULL;
    snprintf(path, sizeof path, GOLDEN "/%s", name);
    CHECK_OK(tl_file_read(path, 1 << 20, &text, &err), err);
    CHECK_OK(tl_chat_parse(&t, name, text.data, text.size, &err), err);
    tl_buf_reset(&text);
    return t;
}

static tl_chat_options options(void)
{
    tl_chat_options o = tl_chat_defaults();
    o.now = (time_t)json_integer_value(json_object_get(golden, "now"));
    o.milliseconds = 10000;
    return o;
}

/* The text, or the refusal where wanted is null; how many texts there were. */
static int compare(const char *name, const tl_chat_template *t, const json_t *variables, const json_t *wanted, size_t k)
{
    tl_err err = { 0 };
    tl_chat_rendering r = { 0 };
    tl_chat_options o = options();
    int rc = tl_chat_render(t, variables, &o, &r, &err);
    if (json_is_null(wanted)) {
        if (rc == 0) fail_msg("%s, case %zu: rendered, jinja2 refuses", name, k);
        return 0;
    }
    if (rc < 0) fail_msg("%s, case %zu: %s", name, k, err.text);
    const json_t *text = json_object_get(wanted, "text"), *spans = json_object_get(wanted, "spans");
    CHECK_STR(r.text.data ? r.text.data : "", json_string_value(text));
    CHECK_INT(r.text.size, json_string_length(text));
    CHECK_INT(r.n_spans, json_array_size(spans));
    CHECK_INT(r.lost, 0);
    for (size_t i = 0; i < r.n_spans; i++) {
        CHECK_INT(r.spans[i].start, json_integer_value(json_array_get(json_array_get(spans, i), 0)));
        CHECK_INT(r.spans[i].end, json_integer_value(json_array_get(json_array_get(spans, i), 1)));
    }
    tl_chat_rendering_reset(&r);
    return 1;
}

TEST(renderings_are_those_of_jinja2)
{
    load();
    const json_t *cases = json_object_get(golden, "cases");
    json_t *all = json_object_get(golden, "renderings");
    int texts = 0, spans = 0;
    for (void *it = json_object_iter(all); it; it = json_object_iter_next(all, it)) {
        const char *name = json_object_iter_key(it);
        const json_t *wanted = json_object_iter_value(it);
        tl_chat_template *t = parse(name);
        CHECK_INT(json_array_size(wanted), json_array_size(cases));
        for (size_t k = 0; k < json_array_size(cases); k++)
            texts += compare(name, t, json_array_get(cases, k), json_array_get(wanted, k), k);
        spans += tl_chat_marks_answers(t);
        tl_chat_free(t);
    }
    CHECK(texts > 150 && spans >= 2);
    json_decref(golden);
}

/* What jinja2's {% generation %} marks and what turns show differ in the role's header alone. */
TEST(answers_by_turns_end_where_marked_ones_do)
{
    load();
    static const char *const templates[] = { "zephyr-blocks.jinja", "granite-documents.jinja", "phi-roles.jinja" };
    tl_err err = { 0 };
    tl_chat_options o = options();
    const json_t *variables = json_array_get(json_object_get(golden, "cases"), 5); /* two answers */
    for (int i = 0; i < 3; i++) {
        tl_chat_template *t = parse(templates[i]);
        tl_chat_rendering r = { 0 };
        int rc = tl_chat_answers(t, variables, &o, &r, &err);
        if (i == 2) { /* ends with an eos that is no turn's */
            CHECK(rc < 0);
            CHECK_HAS(err.text, "the answer of message 3 cannot be found: later messages change the text before them");
        } else {
            CHECK_OK(rc, err);
            CHECK_INT(r.n_spans, 2);
            for (int k = 0; k < 2; k++) {
                const char *start = r.text.data + r.spans[k].start;
                CHECK_HAS(start, k ? "Routine." : "<think>\nRed flags.");
                CHECK(strstr(start, k ? "Routine." : "<think>") - start <= 1);
                CHECK(r.spans[k].end <= r.text.size && r.spans[k].start < r.spans[k].end);
            }
            CHECK(r.spans[0].end <= r.spans[1].start);
        }
        tl_chat_rendering_reset(&r);
        tl_chat_free(t);
    }
    json_decref(golden);
}

RUN_TESTS(CASE(renderings_are_those_of_jinja2), CASE(answers_by_turns_end_where_marked_ones_do))
