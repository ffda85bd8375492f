/* samples_test.c - the tokens that are trained on are those that are asked, and every answer is learnt whole. */
#define _GNU_SOURCE /* nftw */
#include "method/samples.h"

#include "io/json.h"
#include "tests/small_task.h"

static tl_samples make(const small_task *s, const int *order, int group, int max_tokens)
{
    tl_err err = { 0 };
    tl_samples out;
    CHECK_OK(tl_samples_make(&out, s->task, s->tokenizer, tl_task_split(s->task, TL_SPLIT_TRAIN), order, group,
                             max_tokens, &err),
             err);
    return out;
}

static void answer_ids(tl_ids *out, const small_task *s, const tl_example *x)
{
    tl_err err = { 0 };
    char *text = NULL;
    CHECK_OK(tl_task_example_answer(&text, s->task, x, &err), err);
    CHECK_OK(tl_tokenizer_encode(s->tokenizer, text, strlen(text), TL_ENCODE_PLAIN, out, &err), err);
    free(text);
}

/* The request for item x behind the examples in front, its answer and EOS. */
static tl_ids asked(const small_task *s, const int *front, int k, int x)
{
    tl_err err = { 0 };
    tl_ids ids = { 0 };
    tl_buf prefix = tl_buf_make(TL_PROMPT_LIMIT);
    const tl_examples *train = tl_task_split(s->task, TL_SPLIT_TRAIN);
    CHECK_OK(tl_prompt_prefix(&prefix, s->task, train, front, k, &err), err);
    CHECK_OK(tl_prompt_encode(&ids, s->tokenizer, prefix.data, train->items[x].input, &err), err);
    answer_ids(&ids, s, &train->items[x]);
    CHECK_OK(tl_ids_push(&ids, tl_tokenizer_eos(s->tokenizer), &err), err);
    tl_buf_reset(&prefix);
    return ids;
}

static void check_ids(const tl_sample *found, const tl_ids *wanted)
{
    CHECK_INT(found->n, (int)wanted->size);
    CHECK(memcmp(found->ids, wanted->data, wanted->size * sizeof(int)) == 0);
}

TEST(a_sample_is_the_request_its_answer_and_eos)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    tl_samples all = make(&s, NULL, 1, 200);
    CHECK_INT(all.n, SMALL_TRAIN);
    for (int i = 0; i < all.n; i++) {
        tl_ids wanted = asked(&s, NULL, 0, i);
        check_ids(&all.items[i], &wanted);
        CHECK(all.list[i] == &all.items[i]);
        tl_ids_reset(&wanted);
    }
    tl_samples_reset(&all);
    small_end(&s);
}

TEST(only_the_answer_and_eos_are_learnt)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    tl_samples all = make(&s, NULL, 1, 200);
    for (int i = 0; i < all.n; i++) {
        tl_ids answer = { 0 };
        answer_ids(&answer, &s, &tl_task_split(s.task, TL_SPLIT_TRAIN)->items[i]);
        const tl_sample *x = &all.items[i];
        int first = x->n - (int)answer.size - 1;
        for (int k = 0; k < x->n; k++) CHECK_INT(x->trained[k], k >= first);
        CHECK(memcmp(x->ids + first, answer.data, answer.size * sizeof(int)) == 0);
        tl_ids_reset(&answer);
    }
    tl_samples_reset(&all);
    small_end(&s);
}

TEST(a_group_is_one_few_shot_request_in_which_every_answer_is_learnt)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    int order[SMALL_TRAIN], eos = tl_tokenizer_eos(s.tokenizer);
    for (int i = 0; i < SMALL_TRAIN; i++) order[i] = (i * 5 + 3) % SMALL_TRAIN;
    tl_samples all = make(&s, order, 4, 1000);
    CHECK_INT(all.n, SMALL_TRAIN / 4);
    for (int i = 0; i < all.n; i++) {
        const tl_sample *x = &all.items[i];
        const int *of = order + 4 * i;
        tl_ids wanted = asked(&s, of, 3, of[3]), learnt = { 0 };
        tl_err err = { 0 };
        check_ids(x, &wanted);
        for (int e = 0; e < 4; e++) answer_ids(&learnt, &s, &tl_task_split(s.task, TL_SPLIT_TRAIN)->items[of[e]]);
        CHECK_OK(tl_ids_push(&learnt, eos, &err), err);
        size_t at = 0;
        for (int k = 0; k < x->n; k++) {
            if (!x->trained[k]) continue;
            CHECK(at < learnt.size);
            CHECK_INT(x->ids[k], learnt.data[at++]);
        }
        CHECK_INT(at, learnt.size);
        tl_ids_reset(&wanted);
        tl_ids_reset(&learnt);
    }
    tl_samples_reset(&all);
    small_end(&s);
}

/* Where fewer fit there are more samples, and each adds an EOS; the answers stay all there. */
TEST(no_answer_is_ever_cut_away)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    int wanted = 0, groups = 0;
    for (int i = 0; i < SMALL_TRAIN; i++) {
        tl_ids answer = { 0 };
        answer_ids(&answer, &s, &tl_task_split(s.task, TL_SPLIT_TRAIN)->items[i]);
        wanted += (int)answer.size;
        tl_ids_reset(&answer);
    }
    for (int limit = 60; limit < 400; limit += 13) {
        tl_samples all = make(&s, NULL, 5, limit);
        int learnt = 0;
        for (int i = 0; i < all.n; i++) {
            CHECK(all.items[i].n <= limit);
            learnt += tl_sample_targets(&all.items[i]) - 1;
        }
        CHECK_INT(learnt, wanted);
        groups += all.n > (SMALL_TRAIN + 4) / 5;
        tl_samples_reset(&all);
    }
    CHECK(groups > 3); /* some limits did cut groups */
    small_end(&s);
}

TEST(an_example_that_is_too_long_is_refused_with_its_file_and_line)
{
    small_task s;
    tl_err err = { 0 };
    tl_samples all;
    small_begin(&s, SMALL_LABELS, 1);
    tl_samples fine = make(&s, NULL, 1, 200);
    int longest = 0;
    for (int i = 0; i < fine.n; i++)
        if (fine.items[i].n > fine.items[longest].n) longest = i;
    int limit = fine.items[longest].n;
    tl_samples_reset(&fine);
    fine = make(&s, NULL, 1, limit);
    tl_samples_reset(&fine);
    int rc =
        tl_samples_make(&all, s.task, s.tokenizer, tl_task_split(s.task, TL_SPLIT_TRAIN), NULL, 3, limit - 1, &err);
    CHECK_INT(rc, TL_EDATA);
    char words[60];
    snprintf(words, sizeof words, "/train.jsonl:%d: ", longest + 1);
    CHECK_HAS(err.text, words);
    snprintf(words, sizeof words, "%d tokens, %d fit", limit, limit - 1);
    CHECK_HAS(err.text, words);
    CHECK(!all.items && !all.list && all.n == 0);
    small_end(&s);
}

TEST(generated_answers_want_a_tokenizer_with_an_eos)
{
    small_task s;
    tl_err err = { 0 };
    tl_samples all;
    small_begin(&s, SMALL_TEXTS, 1);
    const char *path = scratch("base/tokenizer_config.json");
    json_t *config = NULL;
    CHECK_OK(tl_json_load(&config, path, &err), err);
    CHECK_INT(json_object_del(config, "eos_token"), 0);
    CHECK_OK(tl_json_save(path, config, &err), err);
    json_decref(config);
    small_close(&s);
    small_open(&s, 1);
    CHECK_INT(tl_tokenizer_eos(s.tokenizer), -1);
    CHECK_INT(tl_samples_make(&all, s.task, s.tokenizer, tl_task_split(s.task, TL_SPLIT_TRAIN), NULL, 1, 200, &err),
              TL_EDATA);
    CHECK_HAS(err.text, "words: the tokenizer has no EOS");
    CHECK(!all.items && all.n == 0);
    small_end(&s);
}

RUN_TESTS(CASE(a_sample_is_the_request_its_answer_and_eos), CASE(only_the_answer_and_eos_are_learnt),
          CASE(a_group_is_one_few_shot_request_in_which_every_answer_is_learnt), CASE(no_answer_is_ever_cut_away),
          CASE(an_example_that_is_too_long_is_refused_with_its_file_and_line),
          CASE(generated_answers_want_a_tokenizer_with_an_eos))
