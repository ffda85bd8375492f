/* params_test.c - what is on the list of the trained, and what AdamW does to each. */
#define _GNU_SOURCE /* nftw */
#include "model/forward.h"
#include "tests/check.h"
#include "tests/small_training.h"
#include "train/params.h"

static const tl_memory plain = { .recompute = TL_RECOMPUTE_OFF }; /* f32 all over */

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
    CHECK_OK(tl_params_create(&own, a, NULL, 1, &plain, &err), err);
    CHECK_OK(tl_params_create(&tied, b, NULL, 1, &plain, &err), err);
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
    CHECK_OK(tl_params_create(&p, m, NULL, 1, &plain, &err), err);
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
    CHECK_OK(tl_params_create(&p, m, a, 1, &plain, &err), err);
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
    CHECK_OK(tl_params_create(&p, m, NULL, 1, &plain, &err), err);
    const tl_param *norm = find(p, "norm.weight"), *q = find(p, "layers.1.q.weight");
    float norm_was = tl_param_f32(norm)[3], q_was = tl_param_f32(q)[3];
    tl_adamw_step step = { .lr = 0.1f,
                           .beta1 = 0.9f,
                           .beta2 = 0.999f,
                           .eps = 1e-8f,
                           .weight_decay = 0.5f,
                           .correction1 = 0.1f,
                           .correction2 = 0.001f,
                           .grad_scale = 1 };
    for (int i = 0; i < p->n; i++) memset(p->items[i].grad, 0, p->items[i].n * sizeof(float));
    CHECK(tl_params_norm(p, TL_GROUP_ALL, m->backend, &s) == 0);
    tl_params_update(p, TL_GROUP_ALL, m->backend, &s, &step, 1);
    CHECK(tl_param_f32(norm)[3] == norm_was);
    CHECK(q_was != 0 && fabs((double)tl_param_f32(q)[3] - 0.95 * (double)q_was) < 1e-6 * fabs((double)q_was));
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
    CHECK_OK(tl_params_create(&p, m, NULL, 0.25f, &plain, &err), err);
    tl_adamw_step step = {
        .lr = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .correction1 = 0.1f, .correction2 = 0.001f, .grad_scale = 1
    };
    for (int i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->items[i].n; k++) p->items[i].grad[k] = -2;
    CHECK(fabs(tl_params_norm(p, TL_GROUP_ALL, m->backend, &s) - 2 * sqrt((double)p->count)) <
          1e-6 * sqrt((double)p->count));
    const tl_param *q = find(p, "layers.0.q.weight");
    float q_was = tl_param_f32(q)[5];
    for (int i = 0; i < 2; i++) CHECK(find(p, tables[i])->lr_ratio == 0.25f);
    float token_was = tl_param_f32(find(p, tables[0]))[5];
    tl_params_update(p, TL_GROUP_ALL, m->backend, &s, &step, 1);
    CHECK(fabs((double)(tl_param_f32(q)[5] - q_was) - 0.1) < 1e-4);
    CHECK(fabs((double)(tl_param_f32(find(p, tables[0]))[5] - token_was) - 0.025) < 1e-4);
    for (int i = 0, others = 0; i < p->n; i++) {
        others += p->items[i].lr_ratio == 1;
        if (i == p->n - 1) CHECK_INT(others, p->n - 2);
    }
    tl_params_free(p);
    tl_stream_free(&s);
    tl_model_free(m);
}

/* Each group once, and every parameter in one of them. */
TEST(groups_are_the_layers_the_tables_and_a_head_of_its_own)
{
    static const char *const configs[] = { LLAMA, LLAMA_TIED, GPT2 };
    tl_err err = { 0 };
    for (int f = 0; f < 3; f++) {
        tl_params *p = NULL;
        tl_model *m = training_model(configs[f]);
        int L = m->config.L, seen[8] = { 0 };
        CHECK_OK(tl_params_create(&p, m, NULL, 1, &plain, &err), err);
        for (int i = 0; i < p->n; i++) seen[p->items[i].group]++;
        for (int l = 1; l < L; l++) CHECK_INT(seen[l], seen[0]);
        CHECK_INT(seen[L + TL_HEAD], f == 0);
        CHECK_INT(seen[0] * L + seen[L + TL_HEAD] + seen[L + TL_TABLES], p->n);
        CHECK_INT(find(p, "tokens.weight")->group, L + TL_TABLES);
        CHECK_INT(find(p, "layers.1.down.weight")->group, 1);
        tl_params_free(p);
        tl_model_free(m);
    }
}

TEST(vectors_keep_their_moments_in_f32)
{
    tl_err err = { 0 };
    tl_params *p = NULL;
    tl_memory memory = tl_memory_low();
    tl_model *m = training_model(GPT2);
    CHECK_OK(tl_params_create(&p, m, NULL, 1, &memory, &err), err);
    for (int i = 0; i < p->n; i++) CHECK_INT(p->items[i].state, p->items[i].decayed ? TL_STATE_8BIT : TL_STATE_F32);
    tl_params_free(p);
    tl_model_free(m);
}

RUN_TESTS(CASE(a_tied_head_is_one_parameter), CASE(matrices_decay_and_norms_and_biases_do_not),
          CASE(both_matrices_of_an_adapter_decay_also_at_rank_one),
          CASE(an_update_without_gradients_is_the_decay_alone), CASE(the_tables_learn_at_their_own_ratio_of_the_rate),
          CASE(groups_are_the_layers_the_tables_and_a_head_of_its_own), CASE(vectors_keep_their_moments_in_f32))
