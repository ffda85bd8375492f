/* forgetting_test.c - nothing is forgotten by the same weights, something by others; broken texts are refused. */
#define _GNU_SOURCE /* nftw */
#include "eval/forgetting.h"

#include "tests/small_task.h"

static void losses(double *out, const tl_general *g, small_task *s, tl_model *m)
{
    tl_err err = { 0 };
    tl_engine *e = NULL;
    tl_engine_options eo = tl_engine_defaults();
    eo.cache_bytes = 4 << 20;
    CHECK_OK(tl_engine_create(&e, m, &s->stream, &eo, &err), err);
    CHECK_OK(tl_general_loss(out, g, e, NULL, &err), err);
    tl_engine_free(e);
}

static tl_general *general(small_task *s, const char *text)
{
    tl_err err = { 0 };
    tl_general *g = NULL;
    CHECK_OK(tl_general_open(&g, scratch_text("general.jsonl", text), s->tokenizer, &err), err);
    return g;
}

static int noise(void *context, const char *name, tl_weight *w)
{
    (void)name;
    float *x = (float *)(uintptr_t)w->data;
    for (size_t i = 0; x && i < (size_t)w->rows * (size_t)w->cols; i++) x[i] += 0.3f * (float)tl_rng_normal(context);
    return 0;
}

#define THREE "{\"text\": \"red on the tower\"}\n\n{\"text\": \"a\"}\n{\"text\": \"day 5 in the shop\"}"

TEST(the_same_weights_forget_nothing_and_worse_ones_a_positive_amount)
{
    small_task s;
    tl_err err = { 0 };
    tl_interval change;
    double before[3], after[3];
    small_begin(&s, SMALL_LABELS, 1);
    tl_general *g = general(&s, THREE);
    CHECK_INT(g->n, 3);
    losses(before, g, &s, s.base);
    losses(after, g, &s, s.base);
    CHECK_OK(tl_forgetting(&change, g, before, after, 1, &err), err);
    CHECK(change.value == 0 && change.low == 0 && change.high == 0 && change.n == 3);

    /* A base that has learnt these lines, and then lost them to noise. */
    tl_method_options o = small_options();
    o.epochs = 8;
    tl_variant *v = small_variant(&s, "full", &o, 1, NULL);
    tl_general *own = general(&s, "{\"text\": \"Light: red on the tower, day 1\\nMark: stop\"}\n"
                                  "{\"text\": \"Light: green on the train, day 2\\nMark: go\"}\n");
    losses(before, own, &s, v->weights);
    tl_rng r = tl_rng_make(1, 1);
    tl_model_each(v->weights, noise, &r);
    losses(after, own, &s, v->weights);
    CHECK_OK(tl_forgetting(&change, own, before, after, 1, &err), err);
    CHECK(change.value > 0 && change.n == 2);
    CHECK(fabs(change.value - (tl_general_mean(own, after) - tl_general_mean(own, before))) < 1e-9);
    tl_general_free(g);
    tl_general_free(own);
    tl_variant_free(v);
    small_end(&s);
}

TEST(the_mean_is_over_tokens_each_but_the_bos_counted_once)
{
    small_task s;
    double loss[3];
    small_begin(&s, SMALL_LABELS, 1);
    tl_general *g = general(&s, THREE);
    CHECK_INT(tl_general_tokens(g, 1), 1); /* "a" */
    losses(loss, g, &s, s.base);
    double sum = 0, tokens = 0;
    for (int i = 0; i < 3; i++) {
        CHECK(loss[i] > 0);
        CHECK_INT(g->texts[i].data[0], tl_tokenizer_bos(s.tokenizer));
        CHECK_INT(tl_general_tokens(g, i), (int)g->texts[i].size - 1);
        sum += loss[i];
        tokens += (double)g->texts[i].size - 1;
    }
    CHECK(fabs(tl_general_mean(g, loss) - sum / tokens) < 1e-12);
    tl_general_free(g);
    small_end(&s);
}

TEST(a_broken_document_is_refused_with_its_file_and_line)
{
    static const struct {
        const char *text, *words;
    } broken[] = {
        { "{\"text\": \"fine\"}\n\n{\"text\": \"\"}\n", "/general.jsonl:3: 1 tokens, at least 2 are wanted" },
        { "{\"text\": \"fine\"}\n{\"text\": 5}\n", "/general.jsonl:2: " },
        { "{\"words\": \"fine\"}\n", "/general.jsonl:1: text is missing" },
        { "{\"text\": \"fine\"}\nfine\n", "/general.jsonl:2: not a JSON object" },
        { "[\"text\"]\n", "/general.jsonl:1: text is missing" },
        { "\n\n", "/general.jsonl: no document in it" },
        { "", "/general.jsonl: no document in it" },
    };
    small_task s;
    small_begin(&s, SMALL_LABELS, 1);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        tl_err err = { 0 };
        tl_general *g = NULL;
        CHECK(tl_general_open(&g, scratch_text("general.jsonl", broken[i].text), s.tokenizer, &err) < 0);
        CHECK(!g);
        CHECK_HAS(err.text, broken[i].words);
    }
    small_end(&s);
}

RUN_TESTS(CASE(the_same_weights_forget_nothing_and_worse_ones_a_positive_amount),
          CASE(the_mean_is_over_tokens_each_but_the_bos_counted_once),
          CASE(a_broken_document_is_refused_with_its_file_and_line))
