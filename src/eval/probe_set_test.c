/* probe_set_test.c - questions against a small random model: what is refused, chosen and counted. */
#define _GNU_SOURCE /* nftw, of scratch.h */
#include "eval/probe_set.h"

#include "io/json.h"
#include "tests/check.h"
#include "tests/scratch.h"
#include "text/bpe_train.h"

#define CONFIG                                                                                                         \
    "{\"model_type\":\"llama\",\"vocab_size\":300,\"hidden_size\":24,\"intermediate_size\":32,\"num_hidden_layers\":"  \
    "2,"                                                                                                               \
    "\"num_attention_heads\":2,\"num_key_value_heads\":2,\"max_position_embeddings\":64,\"tie_word_embeddings\":true}"

static tl_tokenizer *tokenizer;
static tl_model *model;
static tl_stream stream;
static tl_engine *engine;

static int begin(void **state)
{
    (void)state;
    tl_err err = { 0 };
    tl_bpe_trainer *t = NULL;
    tl_config c = { 0 };
    const char *text = "Note: the red kettle\nMark: red red blue red green\n";
    scratch_begin();
    CHECK_OK(tl_bpe_trainer_create(&t, NULL, 0, &err), err);
    CHECK_OK(tl_bpe_trainer_add(t, text, strlen(text), &err), err);
    CHECK_OK(tl_bpe_trainer_save(t, 300, scratch("tokenizer"), &err), err);
    tl_bpe_trainer_free(t);
    CHECK_OK(tl_tokenizer_open(&tokenizer, scratch("tokenizer"), &err), err);
    json_t *config = json_loads(CONFIG, 0, NULL);
    CHECK_OK(tl_config_parse(&c, config, "config.json", &err), err);
    json_decref(config);
    CHECK_OK(tl_model_create(&model, &c, 3, &err), err);
    CHECK_OK(tl_stream_create(&stream, 1, TL_PRECISION_F32, c.T, c.h, &err), err);
    tl_engine_options o = tl_engine_defaults();
    o.max_rank = 0;
    CHECK_OK(tl_engine_create(&engine, model, &stream, &o, &err), err);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tl_engine_free(engine);
    tl_stream_free(&stream);
    tl_model_free(model);
    tl_tokenizer_free(tokenizer);
    scratch_end();
    return 0;
}

#define PROBE(condition, k, answer, more)                                                                              \
    "{\"family\":\"music\",\"held_out\":true,\"k\":" k ",\"condition\":\"" condition "\",\"prompt\":\"Note: the "      \
    "kettle\\nMark:\",\"labels\":[\" red\",\" green\",\" blue\"],\"answer\":\"" answer "\"," more                      \
    "\"chance\":0.3333,\"knowable\":true,\"fixed\":false}\n"
#define GOOD PROBE("true", "8", " red", "")

static tl_probe_set *read_text(const char *text)
{
    tl_err err = { 0 };
    tl_probe_set *p = NULL;
    CHECK_OK(tl_probe_set_read(&p, scratch_text("probe.jsonl", text), tokenizer, &err), err);
    return p;
}

TEST(a_broken_line_is_refused_with_its_file_and_line)
{
    static const struct {
        const char *line, *words;
    } broken[] = {
        { "{\"family\":\n", "not JSON" },
        { "[1]\n", "a JSON object" },
        { "\n", "not JSON" },
        { "{\"family\":\"music\"}\n", "held_out is missing" },
        { PROBE("reversed", "8", " red", ""), "'reversed'; true, shuffled and flipped are known" },
        { PROBE("true", "-1", " red", ""), "k is -1" },
        { PROBE("true", "8", "red", ""), "answer is 'red', which is none of its labels" },
        { PROBE("flipped", "8", " red", ""), "before is missing" },
        { PROBE("flipped", "8", " red", "\"before\":\"pink\","), "before is 'pink'" },
        { "{\"family\":\"a\",\"held_out\":true,\"k\":0,\"condition\":\"true\",\"prompt\":\"x\",\"labels\":[\" a\"],"
          "\"answer\":\" a\",\"knowable\":true}\n",
          "1 labels, a question has 2 to 64" },
        { "{\"family\":\"a\",\"held_out\":true,\"k\":0,\"condition\":\"true\",\"prompt\":\"x\",\"labels\":[\" "
          "a\",\"\"],"
          "\"answer\":\" a\",\"knowable\":true}\n",
          "label 2 is empty" },
        { "{\"family\":\"a\",\"held_out\":true,\"k\":0,\"condition\":\"true\",\"prompt\":\"x\",\"labels\":[\" a\",7],"
          "\"answer\":\" a\",\"knowable\":true}\n",
          "label 2 is no string" },
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char text[2000];
        tl_err err = { 0 };
        tl_probe_set *p = NULL;
        snprintf(text, sizeof text, "%s%s%s%s", GOOD, GOOD, broken[i].line, GOOD);
        int rc = tl_probe_set_read(&p, scratch_text("broken.jsonl", text), tokenizer, &err);
        if (rc >= 0) fail_msg("accepted: %s", broken[i].line);
        CHECK(!p);
        CHECK_HAS(err.text, "/broken.jsonl:3: ");
        CHECK_HAS(err.text, broken[i].words);
    }
}

TEST(a_file_without_questions_is_refused)
{
    tl_err err = { 0 };
    tl_probe_set *p = NULL;
    CHECK(tl_probe_set_read(&p, scratch_text("empty.jsonl", ""), tokenizer, &err) == TL_EDATA);
    CHECK_HAS(err.text, "empty.jsonl:1: 0 lines");
    CHECK(tl_probe_set_read(&p, scratch("missing.jsonl"), tokenizer, &err) == TL_EIO);
    CHECK_HAS(err.text, "missing.jsonl");
}

TEST(a_question_longer_than_the_context_is_refused_with_its_line)
{
    char text[4000], prompt[200] = "";
    tl_err err = { 0 };
    for (int i = 0; i < 70; i++) strcat(prompt, "7"); /* digits are a token each; the context has 64 */
    snprintf(
        text, sizeof text,
        "%s{\"family\":\"a\",\"held_out\":true,\"k\":0,\"condition\":\"true\",\"prompt\":\"%s\",\"labels\":[\" a\",\" "
        "b\"],\"answer\":\" a\",\"knowable\":true}",
        GOOD, prompt);
    tl_probe_set *p = read_text(text);
    CHECK_INT(p->n, 2); /* the last line needs no line break */
    CHECK(tl_probe_set_answer(p, engine, &err) == TL_EDATA);
    CHECK_HAS(err.text, "probe.jsonl:2: ");
    CHECK_HAS(err.text, "the context has 64");
    tl_probe_set_free(p);
}

TEST(a_prompt_begins_with_bos_and_a_label_does_not)
{
    tl_probe_set *p = read_text(GOOD);
    const tl_probe_question *q = &p->questions[0];
    CHECK_INT(q->prompt.data[0], tl_tokenizer_bos(tokenizer));
    for (size_t i = 1; i < q->prompt.size; i++) CHECK(q->prompt.data[i] != tl_tokenizer_bos(tokenizer));
    for (int l = 0; l < 3; l++) CHECK(q->labels[l].data[0] != tl_tokenizer_bos(tokenizer));
    CHECK_INT(q->labels[0].size, 1); /* " red" was learnt as one token, " green" was not */
    CHECK(q->labels[1].size > 1);
    tl_probe_set_free(p);
}

/* The choice is that of each label scored alone. */
TEST(the_answer_is_the_label_with_the_highest_mean_log_p)
{
    tl_err err = { 0 };
    tl_probe_set *p = read_text(GOOD PROBE("shuffled", "4", " blue", ""));
    CHECK_OK(tl_probe_set_answer(p, engine, &err), err);
    for (int i = 0; i < p->n; i++) {
        const tl_probe_question *q = &p->questions[i];
        int best = 0, best_raw = 0;
        double sum[3] = { 0 };
        for (int l = 0; l < 3; l++) {
            tl_score_request r = { .prompt = q->prompt.data,
                                   .n_prompt = (int)q->prompt.size,
                                   .continuations = &q->labels[l],
                                   .n_continuations = 1,
                                   .log_probs = &sum[l] };
            CHECK_OK(tl_engine_score(engine, &r, 1, &err), err);
            if (sum[l] / (double)q->labels[l].size > sum[best] / (double)q->labels[best].size) best = l;
            if (sum[l] > sum[best_raw]) best_raw = l;
        }
        CHECK_INT(q->chosen, best);
        CHECK_INT(q->chosen_raw, best_raw);
    }
    tl_probe_set_free(p);
}

TEST(shares_count_what_the_filter_means_and_nothing_else)
{
    tl_err err = { 0 };
    tl_probe_score s;
    tl_probe_set *p = read_text(GOOD GOOD GOOD GOOD PROBE("true", "4", " red", "") PROBE("shuffled", "8", " red", "")
                                    PROBE("flipped", "8", " green", "\"before\":\" red\",")
                                        PROBE("flipped", "8", " green", "\"before\":\" red\","));
    static const int chosen[] = { 0, 0, 0, 1, 2, 2, 0, 1 }, raw[] = { 1, 1, 0, 1, 1, 1, 1, 1 };
    for (int i = 0; i < 8; i++) p->questions[i].chosen = chosen[i], p->questions[i].chosen_raw = raw[i];
    p->questions[3].knowable = false;

    tl_probe_filter f = { .condition = TL_PROBE_TRUE, .k = 8, .held_out = true };
    CHECK_INT(tl_probe_set_count(p, &f), 4);
    CHECK_OK(tl_probe_set_score(&s, p, &f, &err), err);
    CHECK_INT(s.accuracy.n, 4);
    CHECK(s.accuracy.value == 0.75 && s.accuracy_raw == 0.25 && s.knowable == 0.75);
    CHECK(s.of_knowable.value == 1 && s.of_knowable.n == 3);
    CHECK(fabs(s.chance - 1.0 / 3) < 1e-12);
    CHECK(s.accuracy.low > 0.2 && s.accuracy.low < 0.75 && s.accuracy.high > 0.75 && s.accuracy.high < 1);
    CHECK_INT(s.kept.n, 0);

    f.condition = TL_PROBE_FLIPPED;
    CHECK_OK(tl_probe_set_score(&s, p, &f, &err), err);
    CHECK(s.accuracy.value == 0.5 && s.kept.value == 0.5 && s.kept.n == 2);

    f.family = "weather";
    CHECK_INT(tl_probe_set_count(p, &f), 0);
    CHECK(tl_probe_set_score(&s, p, &f, &err) == TL_EDATA);
    CHECK_HAS(err.text, "no question with k 8 under 'flipped'");
    tl_probe_set_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_broken_line_is_refused_with_its_file_and_line),
        CASE(a_file_without_questions_is_refused),
        CASE(a_question_longer_than_the_context_is_refused_with_its_line),
        CASE(a_prompt_begins_with_bos_and_a_label_does_not),
        CASE(the_answer_is_the_label_with_the_highest_mean_log_p),
        CASE(shares_count_what_the_filter_means_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
