/* drift_test.c - a model is no distance from itself, and a known change has a known distance. */
#include "eval/drift.h"
#include "tests/check.h"

#define LLAMA "tests/golden/model/llama"

enum {
    IDS = 40
};

typedef struct pair {
    tl_model *a, *b;
    tl_stream stream;
    int ids[IDS];
} pair;

static pair pair_make(void)
{
    tl_err err = { 0 };
    pair p = { .a = NULL };
    CHECK_OK(tl_model_open(&p.a, LLAMA, &err), err);
    CHECK_OK(tl_model_open(&p.b, LLAMA, &err), err);
    CHECK_OK(tl_model_unfreeze(p.b, &err), err);
    CHECK_OK(tl_stream_create(&p.stream, 1, TL_PRECISION_F32, p.a->config.T, p.a->config.h, &err), err);
    for (int i = 0; i < IDS; i++) p.ids[i] = (i * 37 + 5) % p.a->config.V;
    return p;
}

static void pair_reset(pair *p)
{
    tl_stream_free(&p->stream);
    tl_model_free(p->a);
    tl_model_free(p->b);
}

TEST(a_model_is_no_distance_from_itself)
{
    tl_err err = { 0 };
    tl_drift d;
    pair p = pair_make();
    CHECK_OK(tl_drift_measure(&d, p.a, NULL, p.b, NULL, &p.stream, p.ids, IDS, &err), err);
    CHECK_INT(d.positions, IDS);
    CHECK_INT(d.same, IDS);
    CHECK(d.largest == 0 && d.mean == 0 && d.kl == 0 && d.size > 0.1);
    pair_reset(&p);
}

/* A head of twice the size gives twice the logits: the differences are the logits themselves. */
TEST(twice_the_logits_differ_by_the_logits)
{
    tl_err err = { 0 };
    tl_drift d;
    pair p = pair_make();
    float *head = (float *)p.b->head.data;
    for (int i = 0; i < p.b->config.V * p.b->config.D; i++) head[i] *= 2;
    CHECK_OK(tl_drift_measure(&d, p.a, NULL, p.b, NULL, &p.stream, p.ids, IDS, &err), err);
    CHECK_INT(d.same, IDS);
    CHECK(d.mean >= d.size && d.largest > d.mean && d.kl > 0.01);
    pair_reset(&p);
}

TEST(what_is_longer_than_the_context_is_cut_and_nothing_is_an_error)
{
    tl_err err = { 0 };
    tl_drift d;
    pair p = pair_make();
    int ids[200] = { 0 };
    CHECK_OK(tl_drift_measure(&d, p.a, NULL, p.b, NULL, &p.stream, ids, 200, &err), err);
    CHECK_INT(d.positions, p.a->config.T);
    CHECK_INT(tl_drift_measure(&d, p.a, NULL, p.b, NULL, &p.stream, ids, 0, &err), TL_EDATA);
    ((float *)p.b->head.data)[3] = NAN;
    CHECK_INT(tl_drift_measure(&d, p.a, NULL, p.b, NULL, &p.stream, ids, 5, &err), TL_ENUMERIC);
    CHECK_HAS(err.text, "position 0");
    pair_reset(&p);
}

TEST(an_adapter_is_as_far_from_its_base_as_its_merged_model)
{
    tl_err err = { 0 };
    tl_drift applied, merged, between;
    tl_adapter *a = NULL;
    tl_model *m = NULL;
    pair p = pair_make();
    CHECK_OK(tl_adapter_load(&a, p.a, LLAMA "/adapter", &err), err);
    CHECK_OK(tl_adapter_merge(&m, a, &err), err);
    CHECK_OK(tl_drift_measure(&applied, p.a, NULL, p.a, a, &p.stream, p.ids, IDS, &err), err);
    CHECK_OK(tl_drift_measure(&merged, p.a, NULL, m, NULL, &p.stream, p.ids, IDS, &err), err);
    CHECK_OK(tl_drift_measure(&between, p.a, a, m, NULL, &p.stream, p.ids, IDS, &err), err);
    CHECK(applied.mean > 0.1 && fabs(applied.mean - merged.mean) < 1e-4);
    CHECK(between.largest < 1e-4);
    tl_model_free(m);
    tl_adapter_release(a);
    pair_reset(&p);
}

RUN_TESTS(CASE(a_model_is_no_distance_from_itself), CASE(twice_the_logits_differ_by_the_logits),
          CASE(what_is_longer_than_the_context_is_cut_and_nothing_is_an_error),
          CASE(an_adapter_is_as_far_from_its_base_as_its_merged_model))
