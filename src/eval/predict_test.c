/* predict_test.c - the label that is chosen and the text that is cut, against what the model itself says. */
#define _GNU_SOURCE /* nftw */
#include "eval/predict.h"

#include "model/forward.h"
#include "tests/small_task.h"

static const char prefix[] = SMALL_INSTRUCTION "\n\n";

/* Answers of the base behind a prefix, with prefixes shared or not. */
static tl_predictions predict(const small_task *s, const char *front, bool share, int timed)
{
    tl_err err = { 0 };
    tl_engine *e = NULL;
    tl_predictions p;
    tl_engine_options eo = tl_engine_defaults();
    small_encoding context = { s->tokenizer, front };
    tl_predict_options po = { .encode = small_encode, .context = &context, .timed = timed, .name = "test" };
    eo.cache_bytes = 4 << 20;
    eo.max_rank = 0;
    eo.share_prefixes = share;
    CHECK_OK(tl_engine_create(&e, s->base, (tl_stream *)&s->stream, &eo, &err), err);
    CHECK_OK(tl_predict(&p, e, s->tokenizer, s->task, tl_task_split(s->task, TL_SPLIT_TEST), &po, &err), err);
    tl_engine_free(e);
    return p;
}

/* log p of a label's tokens behind a request: one forward pass, no engine. */
static double log_p(small_task *s, const tl_ids *request, const tl_ids *label)
{
    static int ids[SMALL_CONTEXT + 1], positions[SMALL_CONTEXT];
    static float logits[320];
    tl_err err = { 0 };
    tl_acts *acts = NULL;
    tl_acts_size size = { .max_rows = SMALL_CONTEXT, .max_segments = 1 };
    int n = (int)(request->size + label->size) - 1;
    double sum = 0;
    memcpy(ids, request->data, request->size * sizeof *ids);
    memcpy(ids + request->size, label->data, label->size * sizeof *ids);
    for (int i = 0; i < SMALL_CONTEXT; i++) positions[i] = i;
    CHECK_OK(tl_acts_create(&acts, s->base, &size, &err), err);
    tl_segment segment = { .rows = n };
    tl_batch b = { .N = n, .ids = ids, .positions = positions, .n_segments = 1, .segments = &segment };
    tl_forward(s->base, &s->stream, &b, acts);
    for (size_t i = 0; i < label->size; i++) {
        int row = (int)(request->size + i) - 1;
        tl_logits(s->base, &s->stream, acts, &row, 1, logits);
        double z = exp((double)logits[0]);
        for (int v = 1; v < s->base->config.V; v++) z += exp((double)logits[v]);
        sum += (double)logits[label->data[i]] - log(z);
    }
    tl_acts_free(acts);
    return sum;
}

TEST(a_label_is_chosen_by_its_log_p_or_by_the_mean_over_its_tokens)
{
    small_task s;
    tl_err err = { 0 };
    small_begin(&s, SMALL_LABELS, 1);
    const tl_examples *test = tl_task_split(s.task, TL_SPLIT_TEST);
    tl_predictions p = predict(&s, prefix, true, 0);
    tl_ids labels[3] = { { 0 }, { 0 }, { 0 } };
    int differ = 0;
    for (int l = 0; l < 3; l++) {
        char *text = NULL;
        CHECK_OK(tl_task_label_answer(&text, s.task, l, &err), err);
        CHECK_OK(tl_tokenizer_encode(s.tokenizer, text, strlen(text), TL_ENCODE_PLAIN, &labels[l], &err), err);
        free(text);
    }
    CHECK(labels[0].size != labels[2].size); /* else the two scores choose alike */
    for (int i = 0; i < p.n; i++) {
        tl_ids request = { 0 };
        double raw[3], mean[3];
        int best_raw = 0, best_mean = 0;
        CHECK_OK(tl_prompt_encode(&request, s.tokenizer, prefix, test->items[i].input, &err), err);
        for (int l = 0; l < 3; l++) {
            raw[l] = log_p(&s, &request, &labels[l]);
            mean[l] = raw[l] / (double)labels[l].size;
            if (raw[l] > raw[best_raw]) best_raw = l;
            if (mean[l] > mean[best_mean]) best_mean = l;
        }
        CHECK_CLOSE(p.scores + 3 * i, mean, 3, 1e-5, 1);
        CHECK_INT(p.raw[i], best_raw);
        CHECK_INT(p.normalized[i], best_mean);
        differ += best_raw != best_mean;
        tl_ids_reset(&request);
    }
    CHECK(differ > 0);
    CHECK(!p.texts);
    for (int l = 0; l < 3; l++) tl_ids_reset(&labels[l]);
    tl_predictions_reset(&p);
    small_end(&s);
}

/* The instruction, repeated until it fills more than two pages of the cache. */
static const char long_prefix[] = SMALL_INSTRUCTION SMALL_INSTRUCTION SMALL_INSTRUCTION SMALL_INSTRUCTION "\n\n";

TEST(sharing_prefixes_and_timing_requests_change_no_bit_of_the_answers)
{
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    tl_predictions a = predict(&s, long_prefix, true, 0), b = predict(&s, long_prefix, false, 0),
                   c = predict(&s, long_prefix, true, 5);
    size_t bytes = (size_t)(a.n * s.task->n_labels) * sizeof *a.scores;
    CHECK(memcmp(a.scores, b.scores, bytes) == 0);
    CHECK(memcmp(a.scores, c.scores, bytes) == 0);
    CHECK(isnan(a.ms_per_request) && c.ms_per_request > 0);
    tl_predictions_reset(&a);
    tl_predictions_reset(&b);
    tl_predictions_reset(&c);
    small_end(&s);
}

TEST(the_tokens_of_a_request_are_counted_before_any_are_shared)
{
    small_task s;
    tl_err err = { 0 };
    double tokens = 0;
    small_begin(&s, SMALL_LABELS, 1);
    const tl_examples *test = tl_task_split(s.task, TL_SPLIT_TEST);
    tl_predictions p = predict(&s, long_prefix, true, 0);
    for (int i = 0; i < test->n; i++) {
        tl_ids ids = { 0 };
        CHECK_OK(tl_prompt_encode(&ids, s.tokenizer, long_prefix, test->items[i].input, &err), err);
        tokens += (double)ids.size / test->n;
        tl_ids_reset(&ids);
    }
    CHECK(fabs(p.prompt_tokens - tokens) < 1e-9 * tokens);
    tl_predictions_reset(&p);
    small_end(&s);
}

/* What the base writes by itself behind a request, cut nowhere. */
static char *written(small_task *s, const char *input, int max_tokens)
{
    tl_err err = { 0 };
    tl_engine *e = NULL;
    tl_ids ids = { 0 };
    tl_buf text = tl_buf_make(1000);
    tl_engine_options eo = tl_engine_defaults();
    tl_generate_request r = tl_generate_defaults();
    eo.cache_bytes = 4 << 20;
    CHECK_OK(tl_engine_create(&e, s->base, &s->stream, &eo, &err), err);
    CHECK_OK(tl_prompt_encode(&ids, s->tokenizer, prefix, input, &err), err);
    int eos = tl_tokenizer_eos(s->tokenizer);
    r.prompt = ids.data, r.n_prompt = (int)ids.size, r.max_tokens = max_tokens, r.stop = &eos, r.n_stop = 1;
    CHECK_OK(tl_engine_generate(e, &r, 1, &err), err);
    for (size_t i = 0; i < r.ids.size; i++) /* the model has twenty ids that the tokenizer has no text for */
        if (r.ids.data[i] < 300) CHECK_OK(tl_tokenizer_decode(s->tokenizer, r.ids.data + i, 1, true, &text, &err), err);
    char *out = strdup(text.data ? text.data : "");
    tl_buf_reset(&text);
    tl_ids_reset(&ids);
    tl_ids_reset(&r.ids);
    tl_engine_free(e);
    return out;
}

static bool ascii(const char *s)
{
    for (; *s; s++)
        if (*s < ' ' || *s > '~') return false;
    return true;
}

TEST(a_generated_answer_ends_where_the_separator_begins)
{
    small_task s;
    int cut = 0;
    tl_method_options o = small_options();
    o.epochs = 8;
    small_begin(&s, SMALL_TEXTS, 1);
    tl_variant *v = small_variant(&s, "full", &o, 1, NULL); /* whose answers are words */
    tl_model *base = s.base;
    s.base = v->weights;
    const tl_examples *test = tl_task_split(s.task, TL_SPLIT_TEST);
    tl_predictions whole = predict(&s, prefix, true, 2);
    for (int i = 0; i < whole.n; i++) {
        char *text = written(&s, test->items[i].input, s.task->max_answer_tokens);
        if (ascii(text)) CHECK_STR(whole.texts[i], text + (text[0] == ' ')); /* the space is the template's */
        /* The middle of what was written becomes the separator. */
        size_t n = strlen(text);
        if (ascii(text) && n > 4) {
            char separator[2] = { text[n / 2], '\0' };
            free(s.task->separator);
            s.task->separator = strdup(separator);
            tl_predictions p = predict(&s, prefix, true, 0);
            const char *answer = text + (text[0] == ' ');
            CHECK_INT(strlen(p.texts[i]), strcspn(answer, separator));
            CHECK(memcmp(p.texts[i], answer, strlen(p.texts[i])) == 0);
            tl_predictions_reset(&p);
            cut++;
        }
        free(text);
    }
    CHECK(cut > 0);
    CHECK(!whole.normalized && !whole.raw && !whole.scores);
    s.base = base;
    tl_variant_free(v);
    tl_predictions_reset(&whole);
    small_end(&s);
}

TEST(what_the_template_puts_around_an_answer_is_taken_off_a_generated_one)
{
    small_task s;
    tl_method_options o = small_options();
    int stripped = 0;
    o.epochs = 10;
    small_begin(&s,
                "name: words\nkind: generation\nmax_answer_tokens: 12\n"
                "template: {input: \"Light: {text}\\nMark:\", answer: \" = {label}.\", separator: \"\\n\"}\n",
                1);
    tl_variant *v = small_variant(&s, "full", &o, 1, NULL);
    tl_predictions p = small_predict(&s, v);
    for (int i = 0; i < p.n; i++) {
        CHECK(strncmp(p.texts[i], " = ", 3) != 0);
        stripped += strcmp(p.texts[i], "stop") == 0 || strcmp(p.texts[i], "go") == 0;
    }
    CHECK(stripped > 0);
    tl_predictions_reset(&p);
    tl_variant_free(v);
    small_end(&s);
}

/* Greedy bytes of a random model now and then spell no character: reports and JSON want UTF-8. */
TEST(a_generated_answer_is_always_utf_8)
{
    small_task s;
    int broken = 0;
    small_begin(&s, SMALL_TEXTS, 1);
    s.task->max_answer_tokens = 20;
    const tl_examples *test = tl_task_split(s.task, TL_SPLIT_TEST);
    tl_predictions p = predict(&s, prefix, true, 0);
    for (int i = 0; i < p.n; i++) {
        char *text = written(&s, test->items[i].input, 20);
        json_t *found = json_string(p.texts[i]), *as_written = json_string(text); /* NULL for what is not UTF-8 */
        CHECK(found != NULL);
        broken += !as_written;
        json_decref(found);
        json_decref(as_written);
        free(text);
    }
    CHECK(broken > 0);
    tl_predictions_reset(&p);
    small_end(&s);
}

RUN_TESTS(CASE(a_label_is_chosen_by_its_log_p_or_by_the_mean_over_its_tokens),
          CASE(sharing_prefixes_and_timing_requests_change_no_bit_of_the_answers),
          CASE(the_tokens_of_a_request_are_counted_before_any_are_shared),
          CASE(a_generated_answer_ends_where_the_separator_begins), CASE(a_generated_answer_is_always_utf_8),
          CASE(what_the_template_puts_around_an_answer_is_taken_off_a_generated_one))
