/* template_test.c - what a template of a stranger can do: render as jinja2 does, and no harm.
 *
 * Byte equality with jinja2 is template_golden_test.c's; here are single claims, refusals and bounds. */
#define _GNU_SOURCE /* nftw, memmem */
#include "text/template.h"

#include "io/atomic.h"
#include "io/json.h"
#include "tests/check.h"

static tl_err err;

static int try_with(const char *template, size_t size, const char *variables, const tl_chat_options *o,
                    tl_chat_rendering *r)
{
    json_error_t bad;
    tl_chat_template *t = NULL;
    json_t *v = tl_json_parse(variables, strlen(variables), &bad);
    CHECK(v != NULL);
    err = (tl_err){ 0 };
    *r = (tl_chat_rendering){ 0 };
    int rc = tl_chat_parse(&t, "t.jinja", template, size, &err);
    if (rc == 0) rc = tl_chat_render(t, v, o, r, &err);
    tl_chat_free(t);
    json_decref(v);
    CHECK((rc < 0) == (err.text[0] != '\0'));
    return rc;
}

static char *rendered(const char *template, const char *variables)
{
    tl_chat_rendering r;
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000; /* a busy machine, a sanitizer */
    CHECK_OK(try_with(template, strlen(template), variables, &o, &r), err);
    char *text = r.text.data ? strdup(r.text.data) : strdup("");
    tl_chat_rendering_reset(&r);
    return text;
}

#define RENDERS(template, variables, wanted)                                                                           \
    do {                                                                                                               \
        char *found = rendered(template, variables);                                                                   \
        CHECK_STR(found, wanted);                                                                                      \
        free(found);                                                                                                   \
    } while (0)

static void refuses_with(const char *template, const char *variables, const tl_chat_options *o, const char *words)
{
    tl_chat_rendering r;
    int rc = try_with(template, strlen(template), variables, o, &r);
    if (rc == 0) fail_msg("'%.100s' renders '%.100s', wanted is a refusal with '%s'", template, r.text.data, words);
    CHECK(!r.text.data && !r.spans);
    CHECK_HAS(err.text, words);
    CHECK(!strchr(err.text, '\n'));
}

static void refuses(const char *template, const char *words)
{
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000;
    refuses_with(template, "{}", &o, words);
}

/* ---- the language ---- */

TEST(white_space_goes_as_transformers_sets_it)
{
    RENDERS("  {% if true %}\n  a\n  {% endif %}\nb\n", "{}", "  a\nb");
    RENDERS("x {%- if true -%} y {%- endif %}\n z", "{}", "xy z");
    RENDERS("x {%- if true -%} y {%- endif +%}\n z", "{}", "xy\n z");
    RENDERS("  {%+ if true +%}\na{% endif %}", "{}", "  \na");
    RENDERS("  {# note #}\nx{#- n -#}  y", "{}", "xy");
    RENDERS("  {{ 1 }}\n{{- 2 -}}\n 3", "{}", "  123");
    RENDERS("a\r\nb\rc\n\n", "{}", "a\nb\nc\n");
    RENDERS("{% raw %}{{ x }}{% endraw %}\n{{ '{%' }}", "{}", "{{ x }}{%");
}

TEST(a_name_set_in_a_loop_ends_with_its_turn)
{
    RENDERS("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}", "{}", "15151");
    RENDERS("{% set n = namespace(x=1) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}", "{}", "4");
    RENDERS("{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 2 %}{{ m() }}", "{\"x\": 1}", "2");
    RENDERS("{% if false %}{% set x = 2 %}{% endif %}{{ x }}", "{\"x\": 1}", "1");
    RENDERS("{% for x in [] %}{% else %}{{ x }}{% endfor %}", "{\"x\": 1}", "1");
}

TEST(strings_are_counted_in_characters)
{
    RENDERS("{{ s|length }}{{ s[1] }}{{ s[-1] }}{{ s[::-1] }}{{ s.find('o') }}",
            "{\"s\": \"h\\u00e9ll\\ud83d\\ude00o\"}", "6\xc3\xa9oo\xf0\x9f\x98\x80ll\xc3\xa9h5");
}

TEST(tojson_writes_what_json_dumps_does)
{
    RENDERS("{{ v|tojson }}", "{\"v\": {\"a\": [1, 2.0, null, true, \"\\u00e9<'\\\"\\n\\u0007\"]}}",
            "{\"a\": [1, 2.0, null, true, \"\xc3\xa9<'\\\"\\n\\u0007\"]}");
    RENDERS("{{ {'b': 1, 'a': {}}|tojson(indent=2, sort_keys=true) }}", "{}", "{\n  \"a\": {},\n  \"b\": 1\n}");
    RENDERS("{{ ['\xf0\x9f\x98\x80']|tojson(ensure_ascii=true, separators=(',', ':')) }}", "{}",
            "[\"\\ud83d\\ude00\"]");
}

TEST(floats_are_written_with_the_fewest_digits)
{
    RENDERS("{{ 0.1 }} {{ 1e16 }} {{ 1e15 }} {{ 1e-5 }} {{ 0.0001 }} {{ 5.684341886080802e-14 }} {{ 2.0 ** -1074 }}",
            "{}", "0.1 1e+16 1000000000000000.0 1e-05 0.0001 5.684341886080802e-14 5e-324");
}

TEST(what_was_walked_is_gone)
{
    RENDERS("{% set g = [1, 2]|map('string') %}{{ g|join }}{{ g|join }}", "{}", "12");
}

TEST(the_clock_can_be_set)
{
    tl_chat_rendering r;
    tl_chat_options o = tl_chat_defaults();
    o.now = 1751630400;
    setenv("TZ", "UTC", 1);
    tzset();
    const char *t = "{{ strftime_now('%d %b %Y %H:%M %% %j') }}";
    CHECK_OK(try_with(t, strlen(t), "{}", &o, &r), err);
    CHECK_STR(r.text.data, "04 Jul 2025 12:00 % 185");
    tl_chat_rendering_reset(&r);
}

/* ---- refusals ---- */

TEST(an_error_names_template_and_line_and_what_was_found)
{
    refuses("a\n{% if x %}\nb",
            "t.jinja:3: found the end of the template, wanted 'elif', 'else' or 'endif'; open is 'if' of line 2");
    refuses("a\n\n{{ 1 + }}", "t.jinja:3: found '}}', wanted an expression");
    refuses("{% for x in y %}\n{% endif %}", "t.jinja:2: found 'endif', wanted 'endfor' or 'else'");
    refuses("\n{{ missing.name }}", "t.jinja:2: 'missing' is undefined");
    refuses("{{ {'a': 1}.b.c }}", "dict object has no attribute 'b'");
    refuses("\n\n{{ 'a' + 1 }}", "t.jinja:3: '+' is between str and int");
    refuses("{{ x|no_such }}", "there is no filter 'no_such'");
    refuses("{{ raise_exception('roles\nmust alternate') }}",
            "t.jinja:1: the template refuses this: roles must alternate");
    refuses("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "the macro 'm' is given 2 arguments, it takes at most 1");
    refuses("{{ 'x'.split(1, 2, 3) }}", "split() is given 3 arguments, it takes at most 2");
    refuses("{{ [1, 2", "found the end of the template, wanted ','");
    refuses("{{ (1] }}", "found ']', wanted ')'");
    refuses("{{ 'open }}", "a string is open");
    refuses("{% break %}", "found 'break', no loop is around it");
    refuses("{% set x = 1 %}{% set x.y = 2 %}", "is no namespace");
}

TEST(what_is_left_out_is_refused_by_name)
{
    refuses("{% include 'x' %}", "the tag 'include' is not supported");
    refuses("{% extends 'x' %}", "the tag 'extends' is not supported");
    refuses("{{ [1]|random }}", "'random' is not supported");
    refuses("{{ 'x'.encode() }}", "'encode' is not supported");
    refuses("{{ lipsum() }}", "'lipsum' is not supported");
    refuses("{{ [1]|map('upper') }}", "behind |list it has");
}

TEST(a_number_past_64_bits_is_an_error)
{
    refuses("{{ 9223372036854775807 + 1 }}", "does not fit in 64 bits");
    refuses("{{ 9223372036854775808 }}", "does not fit in 64 bits");
    refuses("{{ 3 ** 99 }}", "does not fit in 64 bits");
    refuses("{{ '9223372036854775808'|int }}", "does not fit in 64 bits");
    RENDERS("{{ 9223372036854775807 }} {{ -9223372036854775807 - 1 }} {{ 2 ** 62 }}", "{}",
            "9223372036854775807 -9223372036854775808 4611686018427387904");
}

TEST(nothing_but_data_can_be_reached)
{
    static const char *const ways[] = {
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__bases__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ ''|attr('__class__')|attr('__mro__') }}",
        "{{ '{0.__class__.__mro__}'.format(1) }}",
        "{{ [].append(1) }}",
        "{{ {}.update(a=1) }}",
        "{{ d.pop('a') }}",
        "{{ namespace(_x=1) }}",
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        tl_chat_rendering r;
        tl_chat_options o = tl_chat_defaults();
        CHECK(try_with(ways[i], strlen(ways[i]), "{\"messages\": [], \"d\": {\"a\": 1}}", &o, &r) < 0);
    }
    RENDERS("{{ ''.__class__ }}{{ [].append }}{{ d.pop }}{{ d['pop'] }}", "{\"d\": {\"pop\": 1}}", "1");
}

TEST(bytes_that_are_not_utf8_are_refused_with_their_place)
{
    refuses("ab\xff", "t.jinja: byte 2 breaks UTF-8");
    refuses("{{ '\\ud800' }}", "broken or unknown escape");
}

/* ---- bounds ---- */

TEST(endless_loops_end)
{
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000;
    refuses("{% for i in range(10 ** 9) %}{% endfor %}", "range() of 1000000000 items, at most 100000 are allowed");
    refuses("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "it takes more than");
    refuses("{% set n = namespace(l=[1]) %}{% for i in range(90000) %}{% set n.l = n.l + [1] %}{% endfor %}",
            "the limit is");
    refuses("{% for i in range(100000) %}{{ range(100000)|sum }}{% endfor %}", "it takes more than");
    o.steps = 1000;
    refuses_with("{% for i in range(1000) %}{% endfor %}", "{}", &o, "t.jinja:1: it takes more than 1000 steps");
    o.steps = 0;
    o.milliseconds = 5;
    refuses_with("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "{}", &o,
                 "it takes");
}

TEST(output_and_memory_have_an_end)
{
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000;
    refuses("{% for i in range(100000) %}bomb bomb bomb{% endfor %}",
            "it writes more than 65536 bytes, the limit for its input");
    refuses("{{ 'a' * 100000 }}", "it writes more than 65536 bytes");
    refuses("{{ ('a' * 10 ** 12)|length }}", "the limit is");
    refuses("{{ ([1] * 10 ** 12)|length }}", "takes more than");
    refuses("{% set n = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            "the limit is");
    refuses("{{ '%1000000000d'|format(1) }}", "takes more than");
    refuses("{{ '{:1000000000}'.format(1) }}", "takes more than");
    refuses("{{ ''.center(10 ** 12) }}", "takes more than");
    refuses("{{ 'ab'|replace('', 'x' * 10 ** 7)|length }}", "");
    o.output = 10;
    refuses_with("0123456789a", "{}", &o, "it writes more than 10 bytes");
    o = tl_chat_defaults();
    o.memory = 10000;
    refuses_with("{{ ('a' * 20000)|length }}", "{}", &o, "the limit is");
}

/* n times a, then middle, then n times b. */
static char *nested(int n, const char *a, const char *middle, const char *b)
{
    char *text = malloc((size_t)n * (strlen(a) + strlen(b)) + strlen(middle) + 1);
    CHECK(text != NULL);
    text[0] = '\0';
    char *p = text;
    for (int i = 0; i < n; i++) p = stpcpy(p, a);
    p = stpcpy(p, middle);
    for (int i = 0; i < n; i++) p = stpcpy(p, b);
    return text;
}

TEST(deep_nesting_is_refused_and_not_followed)
{
    static const struct {
        const char *a, *middle, *b;
    } rows[] = {
        { "(", "1", ")" },     { "[", "", "]" },
        { "{1:", "1", "}" },   { "-", "1", "" },
        { "not ", "1", "" },   { "", "1", "+1" },
        { "", "x", ".y" },     { "", "x", "|e" },
        { "", "x", "()" },     { "a if b else ", "c", "" },
        { "", "1", " and 1" }, { "", "x", "[0]" },
        { "f(", "1", ")" },    { "'a' ~ (", "1", ")" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *inner = nested(100000, rows[i].a, rows[i].middle, rows[i].b);
        char *text = nested(1, "{{ ", inner, " }}");
        refuses(text, "nested deeper than");
        free(text);
        free(inner);
    }
    char *blocks = nested(10000, "{% if 1 %}", "", "{% endif %}");
    refuses(blocks, "nested deeper than");
    free(blocks);
    refuses("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}", "nested deeper than");
    refuses("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested deeper than");
    refuses("{% set n = namespace(l=[]) %}{% for i in range(5000) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}",
            "nested deeper than");
    refuses("{% set n = namespace(l=[]) %}{% for i in range(5000) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l|tojson }}",
            "nested deeper than");
    refuses("{% set n = namespace(l=[1]) %}{% for i in range(5000) %}{% set n.l = n.l|map('string') %}{% endfor %}{{ "
            "n.l|list }}",
            "nested deeper than");
    refuses("{% set n = namespace(a=[], b=[]) %}{% for i in range(5000) %}{% set n.a = [n.a] %}{% set n.b = [n.b] %}{% "
            "endfor %}"
            "{{ n.a == n.b }}",
            "nested deeper than");
    char *deep = nested(1500, "[", "", "]");
    char *variables = nested(1, "{\"x\": ", deep, "}");
    tl_chat_options o = tl_chat_defaults();
    refuses_with("{{ x }}", variables, &o, "nested deeper than");
    free(variables);
    free(deep);
}

TEST(a_megabyte_goes_through_in_linear_work)
{
    static const char *const filters[] = {
        "s",
        "s|trim",
        "s|upper|length",
        "s|title|length",
        "s.split()|length",
        "s|replace('b', 'cc')|length",
        "s|tojson|length",
        "s.strip('a ')|length",
        "s.splitlines()|length",
        "s|length",
        "s[::-1]|length",
        "s ~ s|length",
        "(s + s)[5:]|length",
        "s|indent|length",
        "s|e|length",
        "s.find('zz')",
        "s.count('ab')",
        "s|wordcount",
        "s.rsplit('b')|length",
        "'zz' in s",
        "s|urlencode|length",
        "s|list|length",
        "s == s ~ ''",
        "s.rfind('zz')",
        "[s]|string|length",
        "s.startswith(s)",
        "s.partition('zz')|length",
        "s|reverse|length",
        "s|batch(7)|list|length",
        "s.lower().islower()",
        "('%s' % s)|length",
        "'{}'.format(s)|length",
    };
    enum {
        SIZE = 1 << 20
    };
    json_t *v = json_object();
    char *s = malloc(SIZE);
    CHECK(v && s);
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < SIZE; i++) s[i] = i % 7 == 6 ? ' ' : i % 31 == 30 ? '\n' : (char)('a' + i % 3);
        for (int i = 0; kind && i + 1 < SIZE; i += 2) memcpy(s + i, "\xc3\xa9", 2);
        CHECK(json_object_set_new(v, "s", json_stringn(s, SIZE)) == 0);
        for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
            char template[100];
            tl_chat_template *t = NULL;
            tl_chat_rendering r = { 0 };
            tl_chat_options o = tl_chat_defaults();
            o.milliseconds = 20000;
            o.steps = 6 * SIZE; /* a few a byte, whatever is done */
            snprintf(template, sizeof template, "{{ %s }}", filters[i]);
            CHECK_OK(tl_chat_parse(&t, template, template, strlen(template), &err), err);
            CHECK_OK(tl_chat_render(t, v, &o, &r, &err), err);
            tl_chat_rendering_reset(&r);
            tl_chat_free(t);
        }
    }
    json_decref(v);
    free(s);
}

TEST(a_text_that_grows_by_pieces_costs_what_it_is_long)
{
    tl_chat_rendering r;
    tl_chat_options o = tl_chat_defaults();
    o.milliseconds = 10000;
    o.memory = (size_t)64 << 20; /* copies of all lengths up to 800 KB would take 20 GB */
    const char *t =
        "{% set n = namespace(s='') %}{% for i in range(50000) %}{% set n.s = n.s ~ '0123456789abcdef' %}{% endfor %}"
        "{{ n.s|length }} {{ n.s[-3:] }}";
    CHECK_OK(try_with(t, strlen(t), "{}", &o, &r), err);
    CHECK_STR(r.text.data, "800000 def");
    tl_chat_rendering_reset(&r);
}

/* ---- broken templates ---- */

TEST(a_template_cut_at_any_byte_is_refused_or_renders)
{
    static const char *const files[] = { "everything", "llama3-tools", "smollm-generation", "command-sections" };
    static const char variables[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"bos_token\": \"<s>\"}";
    for (int i = 0; i < 4; i++) {
        char path[100];
        tl_buf text = tl_buf_make(1 << 20);
        snprintf(path, sizeof path, "tests/golden/template/%s.jinja", files[i]);
        CHECK_OK(tl_file_read(path, 1 << 20, &text, &err), err);
        for (size_t n = 0; n < text.size; n++) {
            /* An exact copy: reading past its end is seen. */
            char *cut = malloc(n ? n : 1);
            tl_chat_rendering r;
            tl_chat_options o = tl_chat_defaults();
            CHECK(cut != NULL);
            memcpy(cut, text.data, n);
            if (try_with(cut, n, variables, &o, &r) == 0) tl_chat_rendering_reset(&r);
            free(cut);
        }
        tl_buf_reset(&text);
    }
}

RUN_TESTS(CASE(white_space_goes_as_transformers_sets_it), CASE(a_name_set_in_a_loop_ends_with_its_turn),
          CASE(strings_are_counted_in_characters), CASE(tojson_writes_what_json_dumps_does),
          CASE(floats_are_written_with_the_fewest_digits), CASE(what_was_walked_is_gone), CASE(the_clock_can_be_set),
          CASE(an_error_names_template_and_line_and_what_was_found), CASE(what_is_left_out_is_refused_by_name),
          CASE(a_number_past_64_bits_is_an_error), CASE(nothing_but_data_can_be_reached),
          CASE(bytes_that_are_not_utf8_are_refused_with_their_place), CASE(endless_loops_end),
          CASE(output_and_memory_have_an_end), CASE(deep_nesting_is_refused_and_not_followed),
          CASE(a_megabyte_goes_through_in_linear_work), CASE(a_text_that_grows_by_pieces_costs_what_it_is_long),
          CASE(a_template_cut_at_any_byte_is_refused_or_renders))
