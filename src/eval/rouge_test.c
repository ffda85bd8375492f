/* rouge_test.c - overlaps against rouge_score's. */
#include "eval/rouge.h"
#include "tests/check.h"

#include <jansson.h>

#define GOLDEN "tests/golden/eval/rouge.json"

static void check_score(tl_rouge_score found, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    double f[] = { found.precision, found.recall, found.f }, w[3];
    for (size_t i = 0; i < 3; i++) w[i] = json_number_value(json_array_get(v, i));
    for (int i = 0; i < 3; i++)
        if (f[i] != w[i])
            fail_msg("%s of '%s' and '%s': number %d is %.17g, rouge_score says %.17g", key,
                     json_string_value(json_object_get(o, "reference")),
                     json_string_value(json_object_get(o, "candidate")), i, f[i], w[i]);
}

TEST(every_score_is_rouge_scores_to_the_bit)
{
    tl_err err;
    json_error_t e;
    json_t *cases = json_load_file(GOLDEN, 0, &e), *o = NULL;
    size_t i;
    if (!cases) fail_msg("%s: %s", GOLDEN, e.text);
    CHECK(json_array_size(cases) >= 200);
    json_array_foreach(cases, i, o)
    {
        tl_rouge r;
        CHECK_OK(tl_rouge_measure(&r, json_string_value(json_object_get(o, "reference")),
                                  json_string_value(json_object_get(o, "candidate")), &err),
                 err);
        check_score(r.one, o, "rouge1");
        check_score(r.two, o, "rouge2");
        check_score(r.l, o, "rougeL");
        check_score(r.lsum, o, "rougeLsum");
    }
    json_decref(cases);
}

TEST(the_same_text_scores_one_and_an_empty_one_nothing)
{
    tl_err err;
    tl_rouge r;
    CHECK_OK(tl_rouge_measure(&r, "No chest pain.\nNo fever.", "no chest PAIN\nno fever", &err), err);
    CHECK(r.one.f == 1 && r.two.f == 1 && r.l.f == 1 && r.lsum.f == 1);
    CHECK_OK(tl_rouge_measure(&r, "No chest pain.", "", &err), err);
    CHECK(r.one.f == 0 && r.two.f == 0 && r.l.f == 0 && r.lsum.f == 0);
    CHECK_OK(tl_rouge_measure(&r, "", "", &err), err);
    CHECK(r.one.f == 0 && r.two.f == 0 && r.l.f == 0 && r.lsum.f == 0);
}

TEST(bytes_that_are_no_utf8_only_separate)
{
    tl_err err;
    tl_rouge r;
    CHECK_OK(tl_rouge_measure(&r,
                              "a\xff"
                              "b\xe2\x84",
                              "a b \xc4", &err),
             err);
    CHECK(r.l.f == 1);
}

TEST(a_text_too_long_is_refused_by_its_number_of_words)
{
    tl_err err;
    tl_rouge r;
    size_t n = TL_ROUGE_WORDS + 1;
    char *text = malloc(2 * n + 1);
    for (size_t i = 0; i < n; i++) memcpy(text + 2 * i, "a ", 3);
    CHECK_INT(tl_rouge_measure(&r, "a", text, &err), TL_EDATA);
    CHECK_HAS(err.text, "candidate has 16385 words");
    CHECK_INT(tl_rouge_measure(&r, text, "a", &err), TL_EDATA);
    CHECK_HAS(err.text, "reference has 16385 words");
    text[2 * TL_ROUGE_WORDS] = '\0';
    CHECK_OK(tl_rouge_measure(&r, text, "a a", &err), err);
    CHECK(r.lsum.precision == 1 && r.lsum.recall == 2.0 / TL_ROUGE_WORDS);
    free(text);
}

RUN_TESTS(CASE(every_score_is_rouge_scores_to_the_bit), CASE(the_same_text_scores_one_and_an_empty_one_nothing),
          CASE(bytes_that_are_no_utf8_only_separate), CASE(a_text_too_long_is_refused_by_its_number_of_words))
