/* template_spans_test.c - answers are found where they are, or it is said why not. */
#include "text/template.h"

#include "io/json.h"
#include "tests/check.h"

static tl_err err;

/* The answers with a bar at each end, or NULL and err. */
static char *answers(const char *template, const char *messages)
{
    char variables[2000];
    json_error_t bad;
    tl_chat_template *t = NULL;
    tl_chat_rendering r = { 0 };
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000;
    err = (tl_err){ 0 };
    snprintf(variables, sizeof variables, "{\"messages\": %s}", messages);
    json_t *v = tl_json_parse(variables, strlen(variables), &bad);
    CHECK(v != NULL);
    CHECK_OK(tl_chat_parse(&t, "t.jinja", template, strlen(template), &err), err);
    int rc = tl_chat_answers(t, v, &o, &r, &err);
    tl_buf out = tl_buf_make(10000);
    size_t at = 0;
    for (size_t i = 0; rc == 0 && i < r.n_spans; i++) {
        CHECK_OK(tl_buf_append(&out, r.text.data + at, r.spans[i].start - at, &err), err);
        CHECK_OK(tl_buf_puts(&out, "|", &err), err);
        CHECK_OK(tl_buf_append(&out, r.text.data + r.spans[i].start, r.spans[i].end - r.spans[i].start, &err), err);
        CHECK_OK(tl_buf_puts(&out, "|", &err), err);
        at = r.spans[i].end;
    }
    if (rc == 0) CHECK_OK(tl_buf_append(&out, r.text.data + at, r.text.size - at, &err), err);
    tl_chat_rendering_reset(&r);
    tl_chat_free(t);
    json_decref(v);
    return rc < 0 ? NULL : out.data;
}

static void finds(const char *template, const char *messages, const char *wanted)
{
    char *found = answers(template, messages);
    if (!found) fail_msg("%s", err.text);
    CHECK_STR(found, wanted);
    free(found);
}

static void misses(const char *template, const char *messages, const char *words)
{
    char *found = answers(template, messages);
    if (found) fail_msg("found %s, wanted is a refusal", found);
    CHECK_HAS(err.text, words);
}

#define TWO                                                                                                            \
    "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"},"                               \
    "{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"b\"}]"

TEST(turns_show_their_answers)
{
    finds("{% for m in messages %}<{{ m.role[0] }}>{{ m.content }};{% endfor %}{% if add_generation_prompt %}<a>{% "
          "endif %}",
          TWO, "<u>q;<a>|a;|<u>r;<a>|b;|");
    /* Without a generation prompt the header is part of the answer. */
    finds("{% for m in messages %}<{{ m.role[0] }}>{{ m.content }};{% endfor %}", TWO, "<u>q;|<a>a;|<u>r;|<a>b;|");
    finds("{% for m in messages %}{{ m.content }}{% endfor %}", "[{\"role\":\"user\",\"content\":\"q\"}]", "q");
}

TEST(a_template_that_rewrites_earlier_turns_is_told_so)
{
    misses("{% for m in messages %}<{{ m.content if loop.last or m.role == 'user' else '-' }}>{% endfor %}", TWO,
           "the answer of message 2 cannot be found: later messages change the text before them, from byte 4 on");
    misses("{{ messages|length }}{% for m in messages %}{{ m.content }}{% endfor %}", TWO,
           "the answer of message 2 cannot be found: with it the text is another than the prompt was, from byte 0 on");
    misses("{% for m in messages %}{{ m.content }}{% endfor %}{% if messages|length == 3 %}{{ raise_exception('odd') "
           "}}{% endif %}",
           TWO, "the first 3 of 4 messages: t.jinja:1: the template refuses this: odd");
}

TEST(generation_blocks_say_it_themselves)
{
    finds("{% for m in messages %}{% if m.role == 'user' %}\xc3\xa9{{ m.content }}{% else %}>{% generation %}{{ "
          "m.content }}.{% endgeneration %}\n"
          "{% endif %}{% endfor %}",
          TWO, "\xc3\xa9q>|a.|\xc3\xa9r>|b.|");
    finds("{% generation %}{% endgeneration %}", TWO, "||");
}

TEST(a_block_keeps_its_place_while_its_text_is_not_changed)
{
    finds("{% macro say(m) %}[{% generation %}{{ m.content }}{% endgeneration %}]{% endmacro %}"
          "{% for m in messages %}{{ say(m) if m.role == 'assistant' }}{% endfor %}",
          TWO, "[|a|][|b|]");
    finds("{% set x %}({% generation %}1{% endgeneration %}{% generation %}2{% endgeneration %}){% endset %}{{ 'y' "
          "}}{{ x }}",
          TWO, "y(|1||2|)");
    finds("{% for m in messages recursive %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}", TWO,
          "|q||a||r||b|");
    misses("\n{% macro say(m) %}{% generation %}{{ m }}{% endgeneration %}{% endmacro %}{{ 'a' ~ say(1) }}", TWO,
           "the text of {% generation %} in line 2 goes through an expression");
    misses("{% filter trim %} {% generation %}x{% endgeneration %}{% endfilter %}", TWO, "goes through an expression");
}

RUN_TESTS(CASE(turns_show_their_answers), CASE(a_template_that_rewrites_earlier_turns_is_told_so),
          CASE(generation_blocks_say_it_themselves), CASE(a_block_keeps_its_place_while_its_text_is_not_changed))
