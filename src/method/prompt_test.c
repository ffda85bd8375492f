/* prompt_test.c - what stands in front of an input, to the byte; its tokens; and how much of it fits. */
#define _GNU_SOURCE /* nftw */
#include "method/prompt.h"

#include "tests/small_task.h"

static char *prefix_of(const small_task *s, const int *indices, int k)
{
    tl_err err = { 0 };
    tl_buf b = tl_buf_make(TL_PROMPT_LIMIT);
    CHECK_OK(tl_prompt_prefix(&b, s->task, tl_task_split(s->task, TL_SPLIT_TRAIN), indices, k, &err), err);
    char *text = strdup(b.data ? b.data : "");
    tl_buf_reset(&b);
    return text;
}

static int tokens_of(const small_task *s, const char *prefix, const char *input)
{
    tl_err err = { 0 };
    tl_ids ids = { 0 };
    CHECK_OK(tl_prompt_encode(&ids, s->tokenizer, prefix, input, &err), err);
    int n = (int)ids.size;
    tl_ids_reset(&ids);
    return n;
}

TEST(without_examples_the_instruction_and_a_blank_line_stand_in_front)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    char *prefix = prefix_of(&s, NULL, 0);
    CHECK_STR(prefix, SMALL_INSTRUCTION "\n\n");
    free(prefix);
    small_end(&s);
}

TEST(without_an_instruction_nothing_stands_in_front)
{
    small_task s;
    small_begin(&s, SMALL_KIND SMALL_TEMPLATE, 1);
    char *prefix = prefix_of(&s, NULL, 0);
    CHECK_STR(prefix, "");
    free(prefix);
    small_end(&s);
}

TEST(the_drawn_examples_stand_in_front_in_their_order_each_with_its_answer)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    char *prefix = prefix_of(&s, (const int[]){ 7, 2, 0 }, 3);
    CHECK_STR(prefix, SMALL_INSTRUCTION "\n\n"
                                        "Light: green on the train, day 7\nMark: go\n"
                                        "Light: blue on the tower, day 2\nMark: not at all clear\n"
                                        "Light: red on the tower, day 0\nMark: stop\n");
    free(prefix);
    small_end(&s);
}

TEST(a_request_has_one_bos_whatever_its_input_says)
{
    small_task s;
    tl_err err = { 0 };
    tl_ids ids = { 0 };
    small_begin(&s, SMALL_LABELS, 1);
    int bos = tl_tokenizer_bos(s.tokenizer), found = 0;
    CHECK(bos >= 0);
    CHECK_OK(tl_prompt_encode(&ids, s.tokenizer, "a <|bos|> in front\n", "and <|bos|><|eos|> behind", &err), err);
    for (size_t i = 0; i < ids.size; i++) {
        found += ids.data[i] == bos;
        CHECK(ids.data[i] != tl_tokenizer_eos(s.tokenizer));
    }
    CHECK_INT(ids.data[0], bos);
    CHECK_INT(found, 1);
    tl_ids_reset(&ids);
    small_end(&s);
}

/* Three tokens may stay free: the BOS is counted with prefix and input, one is kept for their seam, and the last
 * token of an answer is never read. */
TEST(the_fit_is_the_largest_number_of_examples_that_fit)
{
    small_task s;
    tl_err err = { 0 };
    small_begin(&s, SMALL_LABELS, 1);
    const tl_examples *train = tl_task_split(s.task, TL_SPLIT_TRAIN), *test = tl_task_split(s.task, TL_SPLIT_TEST);
    int indices[SMALL_TRAIN], answer = 0;
    for (int i = 0; i < SMALL_TRAIN; i++) indices[i] = (i * 5) % SMALL_TRAIN;
    for (int l = 0; l < s.task->n_labels; l++) {
        char *text = NULL;
        tl_ids ids = { 0 };
        CHECK_OK(tl_task_label_answer(&text, s.task, l, &err), err);
        CHECK_OK(tl_tokenizer_encode(s.tokenizer, text, strlen(text), TL_ENCODE_PLAIN, &ids, &err), err);
        if ((int)ids.size > answer) answer = (int)ids.size;
        free(text);
        tl_ids_reset(&ids);
    }
    int cut = 0;
    for (int context = 60; context <= 400; context += 17) {
        int k = -1, longest[2] = { 0, 0 };
        CHECK_OK(tl_prompt_fit(&k, s.task, s.tokenizer, train, indices, 9, test, context, &err), err);
        CHECK(k >= 0 && k <= 9);
        for (int more = 0; more < 2; more++) {
            char *prefix = prefix_of(&s, indices, k + more);
            for (int i = 0; i < test->n; i++) {
                int n = tokens_of(&s, prefix, test->items[i].input) + answer;
                if (n > longest[more]) longest[more] = n;
            }
            free(prefix);
        }
        CHECK(longest[0] <= context + 1);
        if (k < 9) CHECK(longest[1] > context + 1 - 3);
        cut += k > 0 && k < 9;
    }
    CHECK(cut > 3);
    small_end(&s);
}

TEST(an_input_that_does_not_fit_even_without_examples_is_refused)
{
    small_task s;
    tl_err err = { 0 };
    int k = 0, indices[1] = { 0 };
    small_begin(&s, SMALL_LABELS, 1);
    CHECK(tl_prompt_fit(&k, s.task, s.tokenizer, tl_task_split(s.task, TL_SPLIT_TRAIN), indices, 1,
                        tl_task_split(s.task, TL_SPLIT_TEST), 20, &err) == TL_EDATA);
    CHECK_HAS(err.text, "lights: the longest input has ");
    CHECK_HAS(err.text, "the context of 20");
    small_end(&s);
}

RUN_TESTS(CASE(without_examples_the_instruction_and_a_blank_line_stand_in_front),
          CASE(without_an_instruction_nothing_stands_in_front),
          CASE(the_drawn_examples_stand_in_front_in_their_order_each_with_its_answer),
          CASE(a_request_has_one_bos_whatever_its_input_says), CASE(the_fit_is_the_largest_number_of_examples_that_fit),
          CASE(an_input_that_does_not_fit_even_without_examples_is_refused))
