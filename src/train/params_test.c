/* params_test.c - what is on the list of the trained, and what AdamW does to each. */
#define _GNU_SOURCE /* nftw */
#include "tests/check.h"
#include "tests/small_training.h"
#include "train/params.h"

static const tl_param *find(const tl_params *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->items[i].name, name) == 0) return &p->items[i];
    fail_msg("no parameter %s", name);
    return NULL;
}

TEST(a_tied_head_is_one_parameter)
{
    tl_err err = { 0 };
    tl_params *own = NULL, *tied = NULL;
    tl_model *a = training_model(LLAMA), *b = training_model(LLAMA_TIED);
    CHECK_OK(tl_params_create(&own, a, NULL, 1, &err), err);
    CHECK_OK(tl_params_create(&tied, b, NULL, 1, &err), err);
    CHECK_INT(own->count, tl_model_parameters(a));
    CHECK_INT(tied->count, tl_model_parameters(b));
    CHECK_INT(own->count - tied->count, SMALL_V * 48);
    CHECK_INT(own->n - tied->n, 1);
    tl_params_free(own);
    tl_params_free(tied);
    tl_model_free(a);
    tl_model_free(b);
}

TEST(matrices_decay_and_norms_and_biases_do_not)
{
    tl_err err = { 0 };
    tl_params *p = NULL;
    tl_model *m = training_model(GPT2);
    CHECK_OK(tl_params_create(&p, m, NULL, 1, &err), err);
    int vectors = 0;
    for (int i = 0; i < p->n; i++) {
        const tl_param *q = &p->items[i];
        bool vector = strstr(q->name, "norm") || strstr(q->name, "bias");
        vectors += vector;
        if (q->decayed == vector) fail_msg("%s: decayed is %d", q->name, q->decayed);
    }
    CHECK_INT(vectors, 2 + 2 * (4 + 6)); /* norms with biases, biases of q k v o up down */
    tl_params_free(p);
    tl_model_free(m);
}

TEST(both_matrices_of_an_adapter_decay_also_at_rank_one)
{
    tl_err err = { 0 };
    tl_params *p = NULL;
    tl_adapter *a = NULL;
    tl_model *m = training_frozen(LLAMA);
    tl_adapter_options o = tl_adapter_defaults();
    o.targets = "all-linear";
    o.r = 1;
    CHECK_OK(tl_adapter_create(&a, m, &o, &err), err);
    CHECK_OK(tl_params_create(&p, m, a, 1, &err), err);
    CHECK_INT(p->count, tl_adapter_parameters(a));
    CHECK_INT(p->n, 2 * 7 * 2);
    for (int i = 0; i < p->n; i++)
        if (!p->items[i].decayed) fail_msg("%s does not decay", p->items[i].name);
    tl_params_free(p);
    tl_adapter_release(a);
    tl_model_free(m);
}

/* With no gradient at all, one update is the decay alone: p (1 - lr decay), nothing where nothing decays. */
TEST(an_update_without_gradients_is_the_decay_alone)
{
    tl_err err = { 0 };
    tl_params *p = NULL;
    tl_stream s;
    tl_model *m = training_model(LLAMA);
    CHECK_OK(tl_stream_create(&s, 1, TL_PRECISION_F32, m->config.T, m->config.h, &err), err);
    CHECK_OK(tl_params_create(&p, m, NULL, 1, &err), err);
    const tl_param *norm = find(p, "norm.weight"), *q = find(p, "layers.1.q.weight");
    float norm_was = norm->value[3], q_was = q->value[3];
    tl_adamw_step step = { .lr = 0.1f,
                           .beta1 = 0.9f,
                           .beta2 = 0.999f,
                           .eps = 1e-8f,
                           .weight_decay = 0.5f,
                           .correction1 = 0.1f,
                           .correction2 = 0.001f,
                           .grad_scale = 1 };
    tl_params_zero(p);
    CHECK(tl_params_norm(p, m->backend, &s) == 0);
    tl_params_update(p, m->backend, &s, &step);
    CHECK(norm->value[3] == norm_was);
    CHECK(q_was != 0 && fabs((double)q->value[3] - 0.95 * (double)q_was) < 1e-6 * fabs((double)q_was));
    tl_params_free(p);
    tl_stream_free(&s);
    tl_model_free(m);
}

/* Adam's first step is lr * sign(g): the tables' is table_ratio of it. */
TEST(the_tables_learn_at_their_own_ratio_of_the_rate)
{
    tl_err err = { 0 };
    static const char *const tables[] = { "tokens.weight", "positions.weight" };
    tl_params *p = NULL;
    tl_stream s;
    tl_model *m = training_model(GPT2);
    CHECK_OK(tl_stream_create(&s, 1, TL_PRECISION_F32, m->config.T, m->config.h, &err), err);
    CHECK_OK(tl_params_create(&p, m, NULL, 0.25f, &err), err);
    tl_adamw_step step = {
        .lr = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .correction1 = 0.1f, .correction2 = 0.001f, .grad_scale = 1
    };
    for (int i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->items[i].n; k++) p->items[i].grad[k] = -2;
    CHECK(fabs(tl_params_norm(p, m->backend, &s) - 2 * sqrt((double)p->count)) < 1e-6 * sqrt((double)p->count));
    const tl_param *q = find(p, "layers.0.q.weight");
    float q_was = q->value[5];
    for (int i = 0; i < 2; i++) CHECK(find(p, tables[i])->lr_ratio == 0.25f);
    float token_was = find(p, tables[0])->value[5];
    tl_params_update(p, m->backend, &s, &step);
    CHECK(fabs((double)(q->value[5] - q_was) - 0.1) < 1e-4);
    CHECK(fabs((double)(find(p, tables[0])->value[5] - token_was) - 0.025) < 1e-4);
    for (int i = 0, others = 0; i < p->n; i++) {
        others += p->items[i].lr_ratio == 1;
        if (i == p->n - 1) CHECK_INT(others, p->n - 2);
    }
    tl_params_free(p);
    tl_stream_free(&s);
    tl_model_free(m);
}

TEST(zeroing_leaves_no_gradient)
{
    tl_err err = { 0 };
    tl_params *p = NULL;
    tl_model *m = training_model(LLAMA_TIED);
    CHECK_OK(tl_params_create(&p, m, NULL, 1, &err), err);
    for (int i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->items[i].n; k++) p->items[i].grad[k] = NAN;
    tl_params_zero(p);
    for (int i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->items[i].n; k++) CHECK(p->items[i].grad[k] == 0);
    tl_params_free(p);
    tl_model_free(m);
}

RUN_TESTS(CASE(a_tied_head_is_one_parameter), CASE(matrices_decay_and_norms_and_biases_do_not),
          CASE(both_matrices_of_an_adapter_decay_also_at_rank_one),
          CASE(an_update_without_gradients_is_the_decay_alone), CASE(the_tables_learn_at_their_own_ratio_of_the_rate),
          CASE(zeroing_leaves_no_gradient))
