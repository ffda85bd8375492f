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
        CHECK_OK(tl_prompt_fit(&k, s.task, s.tokenizer, indices, 9, context, &err), err);
        CHECK(k >= 0 && k <= 9);
        for (int more = 0; more < 2; more++) {
            char *prefix = prefix_of(&s, indices, k + more);
            for (int split = 0; split < TL_SPLIT_COUNT; split++) {
                const tl_examples *e = tl_task_split(s.task, (tl_split)split);
                for (int i = 0; i < e->n; i++) {
                    int n = tokens_of(&s, prefix, e->items[i].input) + answer;
                    if (n > longest[more]) longest[more] = n;
                }
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

TEST(the_longest_input_decides_whichever_split_it_is_in)
{
    for (int split = 0; split < TL_SPLIT_COUNT; split++) {
        small_task s;
        tl_err err = { 0 };
        tl_buf b = tl_buf_make(1 << 20);
        int indices[4] = { 1, 2, 3, 4 }, before = -1, after = -1, context = 180;
        char path[200], name[40];
        small_begin(&s, SMALL_LABELS, 1);
        CHECK_OK(tl_prompt_fit(&before, s.task, s.tokenizer, indices, 4, context, &err), err);
        CHECK_INT(before, 4);
        snprintf(name, sizeof name, "%s.jsonl", tl_split_name((tl_split)split));
        CHECK_OK(tl_path_join(path, sizeof path, s.task_dir, name, &err), err);
        CHECK_OK(tl_file_read(path, 1 << 20, &b, &err), err);
        int line = tl_task_split(s.task, (tl_split)split)->n + 1;
        CHECK_OK(tl_buf_puts(&b,
                             "{\"text\": \"red on the tower, on the kettle, on the train, on the shop, on the tower, "
                             "on the kettle, on the train, on the shop, day 3\", \"label\": \"stop\"}\n",
                             &err),
                 err);
        CHECK_OK(tl_file_save(path, b.data, b.size, &err), err);
        small_close(&s);
        small_open(&s, 1);
        CHECK_OK(tl_prompt_fit(&after, s.task, s.tokenizer, indices, 4, context, &err), err);
        CHECK(after < before);
        snprintf(name, sizeof name, "%s.jsonl:%d: ", tl_split_name((tl_split)split), line);
        CHECK_INT(tl_prompt_fit(&after, s.task, s.tokenizer, indices, 4, 40, &err), TL_EDATA);
        CHECK_HAS(err.text, name);
        tl_buf_reset(&b);
        small_end(&s);
    }
}

TEST(an_input_that_does_not_fit_even_without_examples_is_refused)
{
    small_task s;
    tl_err err = { 0 };
    int k = 0, indices[1] = { 0 };
    small_begin(&s, SMALL_LABELS, 1);
    CHECK(tl_prompt_fit(&k, s.task, s.tokenizer, indices, 1, 20, &err) == TL_EDATA);
    CHECK_HAS(err.text, ".jsonl:");
    CHECK_HAS(err.text, ": the input has ");
    CHECK_HAS(err.text, "the context of 20");
    small_end(&s);
}

RUN_TESTS(CASE(without_examples_the_instruction_and_a_blank_line_stand_in_front),
          CASE(without_an_instruction_nothing_stands_in_front),
          CASE(the_drawn_examples_stand_in_front_in_their_order_each_with_its_answer),
          CASE(a_request_has_one_bos_whatever_its_input_says), CASE(the_fit_is_the_largest_number_of_examples_that_fit),
          CASE(the_longest_input_decides_whichever_split_it_is_in),
          CASE(an_input_that_does_not_fit_even_without_examples_is_refused))
