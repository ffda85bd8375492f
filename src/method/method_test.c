/* method_test.c - the ways by name, and what they draw. */
#define _GNU_SOURCE /* nftw */
#include "method/method.h"

#include "tests/small_task.h"

TEST(the_six_methods_are_known_by_name_and_no_others)
{
    static const struct {
        const char *name;
        tl_tuning tuning;
        bool few_shot;
    } known[] = { { "zero-shot", TL_TUNING_NONE, false },    { "few-shot", TL_TUNING_NONE, true },
                  { "lora", TL_TUNING_LORA, false },         { "full", TL_TUNING_FULL, false },
                  { "lora+few-shot", TL_TUNING_LORA, true }, { "full+few-shot", TL_TUNING_FULL, true } };
    static const char *const unknown[] = { "", "Lora", "lora+", "few-shot+lora", "lora,full" };
    tl_method m;
    tl_err err = { 0 };
    for (int i = 0; i < 6; i++) {
        CHECK_OK(tl_method_parse(&m, known[i].name, &err), err);
        CHECK_STR(m.name, known[i].name);
        CHECK(m.tuning == known[i].tuning && m.few_shot == known[i].few_shot);
    }
    for (int i = 0; i < 5; i++) {
        CHECK_INT(tl_method_parse(&m, unknown[i], &err), TL_EUSAGE);
        for (int k = 0; k < 6; k++) CHECK_HAS(err.text, known[k].name);
    }
}

TEST(prompting_takes_nothing_but_tokens)
{
    small_task s;
    tl_method_spent spent;
    tl_method_options o = small_options();
    small_begin(&s, SMALL_LABELS, 1);
    for (int few = 0; few < 2; few++) {
        tl_variant *v = small_variant(&s, few ? "few-shot" : "zero-shot", &o, 1, &spent);
        CHECK(!v->adapter && !v->weights && tl_variant_model(v) == s.base);
        CHECK(spent.seconds == 0 && spent.flops == 0 && spent.trainable_parameters == 0 && spent.trained_tokens == 0);
        CHECK(spent.best_epoch == 0 && spent.n_curve == 0);
        CHECK(few ? spent.k > 0 : spent.k == 0);
        tl_variant_free(v);
        tl_method_spent_reset(&spent);
    }
    small_end(&s);
}

TEST(the_seed_alone_draws_the_examples)
{
    small_task s;
    tl_method_options o = small_options();
    o.k = 3;
    small_begin(&s, SMALL_LABELS, 1);
    tl_variant *a = small_variant(&s, "few-shot", &o, 1, NULL), *b = small_variant(&s, "few-shot", &o, 1, NULL),
               *c = small_variant(&s, "few-shot", &o, 2, NULL);
    CHECK_STR(a->prefix, b->prefix);
    CHECK(strcmp(a->prefix, c->prefix) != 0);
    CHECK_HAS(a->prefix, "Mark: stop\n"); /* three balanced examples show three labels */
    CHECK_HAS(a->prefix, "Mark: go\n");
    CHECK_HAS(a->prefix, "Mark: not at all clear\n");
    tl_variant_free(a);
    tl_variant_free(b);
    tl_variant_free(c);
    small_end(&s);
}

TEST(tuning_with_examples_puts_the_same_ones_in_front_as_prompting)
{
    small_task s;
    tl_method_options o = small_options();
    o.k = 2;
    o.epochs = 1;
    small_begin(&s, SMALL_LABELS, 1);
    tl_variant *a = small_variant(&s, "few-shot", &o, 4, NULL), *b = small_variant(&s, "lora+few-shot", &o, 4, NULL);
    CHECK_STR(a->prefix, b->prefix);
    CHECK(b->adapter && !b->weights);
    tl_variant_free(a);
    tl_variant_free(b);
    small_end(&s);
}

static void refused(const small_task *s, int k, const char *words)
{
    tl_err err = { 0 };
    tl_method m;
    tl_variant *v = NULL;
    tl_method_spent spent;
    tl_method_options o = small_options();
    o.k = k;
    CHECK_OK(tl_method_parse(&m, "few-shot", &err), err);
    CHECK_INT(tl_method_run(&v, &m, &s->work, &o, 1, &spent, &err), TL_EUSAGE);
    CHECK(!v);
    CHECK_HAS(err.text, words);
}

TEST(more_examples_than_fit_or_are_there_are_refused_with_what_would_do)
{
    small_task s;
    char words[60];
    tl_method_spent spent;
    tl_method_options o = small_options();
    small_begin(&s, SMALL_LABELS, 1);
    tl_variant *v = small_variant(&s, "few-shot", &o, 1, &spent); /* k = -1: as many as fit */
    CHECK(spent.k > 1 && spent.k < 16);
    snprintf(words, sizeof words, "16 worked examples do not fit into the context of 192; %d do", spent.k);
    refused(&s, 16, words);
    refused(&s, 37, "37 worked examples wanted, the training split has 36");
    tl_variant_free(v);
    tl_method_spent_reset(&spent);
    small_end(&s);
}

TEST(epochs_are_those_asked_for_or_the_methods_own)
{
    tl_err err;
    tl_method lora, full;
    tl_method_options o = tl_method_defaults();
    CHECK_OK(tl_method_parse(&lora, "lora+few-shot", &err), err);
    CHECK_OK(tl_method_parse(&full, "full", &err), err);
    CHECK_INT(tl_method_epochs(&lora, &o), 20);
    CHECK_INT(tl_method_epochs(&full, &o), 10);
    o.epochs = 3;
    CHECK_INT(tl_method_epochs(&lora, &o), 3);
    CHECK_INT(tl_method_epochs(&full, &o), 3);
}

RUN_TESTS(CASE(epochs_are_those_asked_for_or_the_methods_own), CASE(the_six_methods_are_known_by_name_and_no_others),
          CASE(prompting_takes_nothing_but_tokens), CASE(the_seed_alone_draws_the_examples),
          CASE(tuning_with_examples_puts_the_same_ones_in_front_as_prompting),
          CASE(more_examples_than_fit_or_are_there_are_refused_with_what_would_do))
