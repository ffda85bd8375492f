/* engine_test.c - the engine's promise, held against an oracle: every sequence computed from scratch, alone, in one
 * piece and without a cache gives the same bits. */
#include "infer/engine.h"

#include "base/size.h"
#include "infer/schedule.h"
#include "model/names.h"
#include "tests/check.h"

enum {
    V = 97,
    T = 256,
    RANK = 4,
    ADAPTERS = 5
};

static const struct {
    const char *model_type;
    tl_norm norm;
    tl_position position;
    tl_activation activation;
    bool biases, tied;
} kinds[] = {
    { "llama", TL_NORM_RMS, TL_POSITION_ROPE, TL_ACTIVATION_SWIGLU, false, false },
    { "gpt2", TL_NORM_LAYER, TL_POSITION_LEARNED, TL_ACTIVATION_GELU, true, true },
};
enum {
    KINDS = sizeof kinds / sizeof *kinds
};

/* ---- a small model, an oracle and an engine ---- */

typedef struct fixture {
    tl_model *model;
    tl_stream stream;
    tl_acts *acts;                  /* the oracle's */
    tl_adapter *adapters[ADAPTERS]; /* the first is NULL */
} fixture;

/* Weights of deviation 0.02 barely tell tokens apart; ten times as much does. */
static int enlarge(void *context, const char *name, tl_weight *w)
{
    tl_rng *r = context;
    (void)name;
    float *x = (float *)(uintptr_t)w->data;
    for (size_t i = 0; i < (size_t)w->rows * (size_t)w->cols; i++)
        x[i] = w->rows > 1 ? 10 * x[i] : x[i] + 0.1f * (float)tl_rng_normal(r);
    return 0;
}

static int randomize(void *context, const char *name, tl_weight *w)
{
    (void)name;
    float *x = (float *)(uintptr_t)w->data;
    for (size_t i = 0; i < (size_t)w->rows * (size_t)w->cols; i++) x[i] = 0.3f * (float)tl_rng_normal(context);
    return 0;
}

static fixture fixture_make(int kind, int threads, bool adapters)
{
    fixture f = { 0 };
    tl_err err;
    tl_config c = { .family = tl_family_find(kinds[kind].model_type),
                    .L = 2,
                    .D = 32,
                    .H = 4,
                    .G = kinds[kind].position == TL_POSITION_ROPE ? 2 : 4,
                    .h = 8,
                    .F = 48,
                    .V = V,
                    .T = T,
                    .norm = kinds[kind].norm,
                    .position = kinds[kind].position,
                    .activation = kinds[kind].activation,
                    .norm_eps = 1e-5f,
                    .rope = { .theta = 10000 },
                    .qkv_bias = kinds[kind].biases,
                    .out_bias = kinds[kind].biases,
                    .mlp_bias = kinds[kind].biases,
                    .tied = kinds[kind].tied,
                    .bos = -1,
                    .eos = -1 };
    CHECK_OK(tl_model_create(&f.model, &c, 7, &err), err);
    tl_rng r = tl_rng_make(5, 0);
    tl_model_each(f.model, enlarge, &r);
    f.model->named = true; /* as of a base that is not being trained */
    CHECK_OK(tl_stream_create(&f.stream, threads, TL_PRECISION_F32, T, c.h, &err), err);
    tl_acts_size size = { .max_rows = T, .max_rank = RANK, .max_segments = 1 };
    CHECK_OK(tl_acts_create(&f.acts, f.model, &size, &err), err);
    for (int i = 1; adapters && i < ADAPTERS; i++) { /* the last two: with magnitudes, with weights of its own */
        tl_adapter_options o = tl_adapter_defaults();
        o.r = i == 1 ? 2 : RANK;
        o.targets = i == 1 ? (kind == 0 ? "q_proj,v_proj" : "c_attn") : "all-linear";
        o.dora = i == 3;
        o.own = i == 4 ? "lm_head" : "";
        o.bias = i == 4 ? TL_BIAS_ALL : TL_BIAS_NONE;
        o.seed = (uint64_t)i;
        CHECK_OK(tl_adapter_create(&f.adapters[i], f.model, &o, &err), err);
        tl_adapter_each(f.adapters[i], randomize, &r);
        tl_adapter_renorm(f.adapters[i], &f.stream);
        f.adapters[i]->hash = tl_hash_bytes(&i, sizeof i);
    }
    return f;
}

static void fixture_free(fixture *f)
{
    for (int i = 0; i < ADAPTERS; i++) tl_adapter_release(f->adapters[i]);
    tl_acts_free(f->acts);
    tl_stream_free(&f->stream);
    tl_model_free(f->model);
}

static tl_engine *engine_make(fixture *f, int max_rows, int max_sequences, int pages, bool share)
{
    tl_engine *e = NULL;
    tl_err err;
    const tl_config *c = &f->model->config;
    size_t page = (size_t)c->L * tl_page_bytes(TL_DTYPE_F32, c->G, c->h);
    tl_engine_options o = { .max_rows = max_rows,
                            .max_sequences = max_sequences,
                            .cache_bytes = (size_t)pages * page,
                            .max_rank = RANK,
                            .share_prefixes = share };
    CHECK_OK(tl_engine_create(&e, f->model, &f->stream, &o, &err), err);
    return e;
}

/* Logits of positions first .. n-1 of a sequence. */
static void oracle_logits(fixture *f, const int *ids, int first, int n, tl_adapter *a, float *logits)
{
    static int positions[T];
    for (int i = 0; i < T; i++) positions[i] = i;
    tl_segment segment = { .rows = n };
    tl_batch b = {
        .N = n, .ids = ids, .positions = positions, .n_segments = 1, .segments = &segment, .adapters = a ? &a : NULL
    };
    tl_forward(f->model, &f->stream, &b, f->acts);
    tl_logits(f->model, &f->stream, f->acts, positions + first, n - first, logits);
}

static double oracle_score(fixture *f, const int *prompt, int n_prompt, const tl_ids *c, tl_adapter *a)
{
    static int ids[T + 1];
    static float logits[T * V], log_probs[T];
    double sum = 0;
    memcpy(ids, prompt, (size_t)n_prompt * sizeof *ids);
    memcpy(ids + n_prompt, c->data, c->size * sizeof *ids);
    oracle_logits(f, ids, n_prompt - 1, n_prompt + (int)c->size - 1, a, logits);
    f->model->backend->log_prob(&f->stream, log_probs, logits, ids + n_prompt, (int)c->size, V);
    for (size_t i = 0; i < c->size; i++) sum += (double)log_probs[i];
    return sum;
}

static void oracle_generate(fixture *f, const tl_generate_request *r, tl_ids *out)
{
    static float logits[V];
    static int ids[T], scratch[V];
    tl_err err;
    tl_rng rng = tl_sampler_rng(&r->sampling);
    memcpy(ids, r->prompt, (size_t)r->n_prompt * sizeof *ids);
    for (int n = r->n_prompt; n <= T && (int)out->size < r->max_tokens; n++) {
        oracle_logits(f, ids, n - 1, n, r->adapter, logits);
        int id = tl_sampling_draw(logits, V, &r->sampling, &rng, scratch);
        for (int i = 0; i < r->n_stop; i++)
            if (id == r->stop[i]) return;
        CHECK_OK(tl_ids_push(out, id, &err), err);
        if (n < T) ids[n] = id;
    }
}

/* ---- requests: prompts that begin alike in groups, lengths around the pages' ends ---- */

enum {
    REQUESTS = 18,
    CONTINUATIONS = 5,
    CONTINUATION_TOKENS = 40
};

typedef struct requests {
    int prompts[REQUESTS][T];
    int continuation_ids[REQUESTS][CONTINUATIONS][CONTINUATION_TOKENS];
    tl_ids continuations[REQUESTS][CONTINUATIONS];
    double log_probs[REQUESTS][CONTINUATIONS], wanted[REQUESTS][CONTINUATIONS];
    tl_score_request score[REQUESTS];
    tl_generate_request generate[REQUESTS];
    tl_ids answers[REQUESTS];
} requests;

static const int stops[] = { 3, 50 };

/* The lengths a request may have; continuation 0 has one token where there are several of them. */
static void requests_make(requests *q, fixture *f)
{
    static const int lengths[] = { 1, 31, 32, 33, 64, 65, 100, 160, 200 };
    tl_rng r = tl_rng_make(9, 0);
    memset(q, 0, sizeof *q);
    for (int i = 0; i < REQUESTS; i++) {
        int n = lengths[i % 9], K = 1 + i % CONTINUATIONS, alike = i % 3 == 0 ? 70 : i % 3 == 1 ? 32 : 0;
        for (int t = 0; t < T; t++) q->prompts[i][t] = (int)tl_rng_below(&r, V);
        if (i >= 3) memcpy(q->prompts[i], q->prompts[i % 3], (size_t)alike * sizeof(int));
        for (int k = 0; k < K; k++) {
            size_t size = k == 0 && K > 1 ? 1 : 1 + tl_rng_below(&r, CONTINUATION_TOKENS);
            for (int t = 0; t < CONTINUATION_TOKENS; t++) q->continuation_ids[i][k][t] = (int)tl_rng_below(&r, V);
            q->continuations[i][k] = (tl_ids){ .data = q->continuation_ids[i][k], .size = size };
        }
        tl_adapter *a = f->adapters[i / 2 % ADAPTERS];
        q->score[i] = (tl_score_request){ .prompt = q->prompts[i],
                                          .n_prompt = n,
                                          .continuations = q->continuations[i],
                                          .n_continuations = K,
                                          .adapter = a,
                                          .log_probs = q->log_probs[i] };
        tl_generate_request *g = &q->generate[i];
        *g = tl_generate_defaults();
        g->prompt = q->prompts[i], g->n_prompt = n, g->adapter = a;
        g->max_tokens = 1 + (int)tl_rng_below(&r, 70);
        g->stop = stops, g->n_stop = i % 3;
        if (i % 2)
            g->sampling = (tl_sampling){ .temperature = 0.9, .top_k = i % 5 * 7, .top_p = 0.95, .seed = (uint64_t)i };
        for (int k = 0; k < K; k++) q->wanted[i][k] = oracle_score(f, q->prompts[i], n, &q->continuations[i][k], a);
        oracle_generate(f, g, &q->answers[i]);
    }
}

static void requests_reset(requests *q)
{
    for (int i = 0; i < REQUESTS; i++) {
        tl_ids_reset(&q->generate[i].ids);
        tl_ids_reset(&q->answers[i]);
    }
}

/* Run all requests and hold them against the oracle's bits. */
static void check_requests(tl_engine *e, requests *q)
{
    tl_err err;
    memset(q->log_probs, 0, sizeof q->log_probs);
    CHECK_OK(tl_engine_score(e, q->score, REQUESTS, &err), err);
    for (int i = 0; i < REQUESTS; i++)
        for (int k = 0; k < q->score[i].n_continuations; k++)
            if (q->log_probs[i][k] != q->wanted[i][k])
                fail_msg("request %d, continuation %d: %.17g, alone %.17g", i, k, q->log_probs[i][k], q->wanted[i][k]);
    CHECK_OK(tl_engine_generate(e, q->generate, REQUESTS, &err), err);
    for (int i = 0; i < REQUESTS; i++) {
        CHECK_INT(q->generate[i].ids.size, q->answers[i].size);
        for (size_t t = 0; t < q->answers[i].size; t++)
            if (q->generate[i].ids.data[t] != q->answers[i].data[t])
                fail_msg("request %d: token %zu is %d, alone %d", i, t, q->generate[i].ids.data[t],
                         q->answers[i].data[t]);
    }
}

static void check_idle(const tl_engine *e)
{
    CHECK_INT(e->pool.idle, e->pool.n);
    CHECK_INT(e->free_lanes, e->options.max_sequences);
    CHECK_INT(e->n_jobs, 0);
}

/* ---- the promise ---- */

static const struct {
    int max_rows, max_sequences, pages;
    bool share;
} settings[] = {
    { 512, 64, 1000, true }, { 512, 64, 1000, false }, { 7, 64, 1000, true }, { 1, 3, 9, false },
    { 33, 5, 20, true },     { 64, 2, 12, true },      { 512, 64, 9, true },
};

static void check_settings(int threads, bool adapters)
{
    static requests q;
    for (int kind = 0; kind < KINDS; kind++) {
        fixture f = fixture_make(kind, threads, adapters);
        requests_make(&q, &f);
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
            tl_engine *e =
                engine_make(&f, settings[i].max_rows, settings[i].max_sequences, settings[i].pages, settings[i].share);
            check_requests(e, &q);
            check_requests(e, &q); /* and from a cache that has been used */
            check_idle(e);
            tl_engine_free(e);
        }
        requests_reset(&q);
        fixture_free(&f);
    }
}

TEST(rows_a_step_sequences_cache_and_sharing_do_not_change_a_bit)
{
    check_settings(1, false);
}

TEST(adapters_mixed_in_a_batch_give_the_bits_of_each_alone)
{
    check_settings(1, true);
}

TEST(one_and_two_threads_give_the_same_bits)
{
    static requests one, two;
    for (int kind = 0; kind < KINDS; kind++) {
        fixture f = fixture_make(kind, 1, false), g = fixture_make(kind, 2, false);
        requests_make(&one, &f);
        requests_make(&two, &g);
        tl_engine *e = engine_make(&g, 100, 16, 200, true);
        check_requests(e, &two);
        for (int i = 0; i < REQUESTS; i++) {
            assert_memory_equal(one.wanted[i], two.wanted[i], sizeof one.wanted[i]);
            CHECK_INT(one.answers[i].size, two.answers[i].size);
        }
        tl_engine_free(e);
        requests_reset(&one);
        requests_reset(&two);
        fixture_free(&f);
        fixture_free(&g);
    }
}

/* ---- sharing ---- */

static void score_all(tl_engine *e, tl_score_request *r, int n, double *computed)
{
    tl_err err;
    size_t before = tl_engine_count(e).prompt_computed;
    CHECK_OK(tl_engine_score(e, r, n, &err), err);
    *computed = (double)(tl_engine_count(e).prompt_computed - before);
}

/* Twenty prompts of 100 tokens that differ in the last four, so three pages are alike. */
enum {
    ALIKE = 20,
    ALIKE_TOKENS = 100
};
static int alike[ALIKE][ALIKE_TOKENS];

static void alike_make(tl_score_request r[ALIKE], double log_probs[ALIKE], tl_adapter *a)
{
    static int id = 5;
    static tl_ids c;
    c = (tl_ids){ .data = &id, .size = 1 };
    for (int i = 0; i < ALIKE; i++) {
        for (int t = 0; t < ALIKE_TOKENS; t++) alike[i][t] = (t * 7 + (t >= 96 ? i : 0)) % V;
        r[i] = (tl_score_request){ .prompt = alike[i],
                                   .n_prompt = ALIKE_TOKENS,
                                   .continuations = &c,
                                   .n_continuations = 1,
                                   .adapter = a,
                                   .log_probs = &log_probs[i] };
    }
}

TEST(a_prefix_is_computed_once_in_a_call_and_kept_for_the_next)
{
    fixture f = fixture_make(0, 1, false);
    tl_engine *e = engine_make(&f, 512, 64, 1000, true), *alone = engine_make(&f, 512, 64, 1000, false);
    tl_score_request r[ALIKE];
    double log_probs[ALIKE], computed;
    alike_make(r, log_probs, NULL);
    score_all(e, r, ALIKE, &computed);
    CHECK(computed == 100 + (ALIKE - 1) * 4);
    score_all(e, r, ALIKE, &computed);
    CHECK(computed == ALIKE * 4);
    score_all(alone, r, ALIKE, &computed);
    CHECK(computed == ALIKE * 100);
    CHECK_INT(tl_engine_count(e).prompt_tokens, 2 * ALIKE * 100);
    CHECK_INT(tl_engine_count(e).scored_tokens, 2 * ALIKE);
    CHECK(tl_engine_count(e).seconds > 0);
    tl_engine_free(e);
    tl_engine_free(alone);
    fixture_free(&f);
}

TEST(weights_that_are_being_trained_are_shared_within_a_call_and_not_after_it)
{
    fixture f = fixture_make(0, 1, false);
    f.model->named = false;
    tl_engine *e = engine_make(&f, 512, 64, 1000, true);
    tl_score_request r[ALIKE];
    double log_probs[ALIKE], before, computed;
    alike_make(r, log_probs, NULL);
    score_all(e, r, ALIKE, &computed);
    CHECK(computed == 100 + (ALIKE - 1) * 4);
    before = log_probs[0];
    tl_rng rng = tl_rng_make(1, 1);
    randomize(&rng, "v", &f.model->layers[0].linear[TL_V]); /* a step of training */
    score_all(e, r, ALIKE, &computed);
    CHECK(computed == 100 + (ALIKE - 1) * 4);
    CHECK(log_probs[0] != before);
    CHECK(log_probs[0] == oracle_score(&f, alike[0], ALIKE_TOKENS, r[0].continuations, NULL));
    tl_engine_free(e);
    fixture_free(&f);
}

TEST(prefixes_are_not_shared_between_adapters)
{
    fixture f = fixture_make(0, 1, true);
    tl_engine *e = engine_make(&f, 512, 64, 1000, true);
    tl_score_request r[ALIKE];
    double log_probs[ALIKE], computed;
    for (int i = 0; i < ADAPTERS; i++) {
        alike_make(r, log_probs, f.adapters[i]);
        score_all(e, r, ALIKE, &computed);
        CHECK(computed == 100 + (ALIKE - 1) * 4);
    }
    /* Trained between two calls: what was computed with it before is not found again. */
    memset(&f.adapters[1]->hash, 0, sizeof f.adapters[1]->hash);
    alike_make(r, log_probs, f.adapters[1]);
    for (int i = 0; i < 2; i++) {
        score_all(e, r, ALIKE, &computed);
        CHECK(computed == 100 + (ALIKE - 1) * 4);
    }
    tl_engine_free(e);
    fixture_free(&f);
}

TEST(a_conversation_goes_on_from_its_answer_without_computing_it_again)
{
    fixture f = fixture_make(0, 1, false);
    tl_engine *e = engine_make(&f, 512, 8, 100, true);
    tl_err err;
    static int ids[T];
    for (int i = 0; i < T; i++) ids[i] = i * 5 % V;
    tl_generate_request g = tl_generate_defaults();
    g.prompt = ids, g.n_prompt = 40, g.max_tokens = 60;
    CHECK_OK(tl_engine_generate(e, &g, 1, &err), err);
    CHECK_INT(g.finish, TL_FINISH_LENGTH);
    CHECK_INT(g.ids.size, 60);
    CHECK_INT(tl_engine_count(e).prompt_computed, 40);
    CHECK_INT(tl_engine_count(e).generated_tokens, 60);
    memcpy(ids + 40, g.ids.data, 60 * sizeof(int)); /* 99 positions were computed: three whole pages */
    g.n_prompt = 110;
    CHECK_OK(tl_engine_generate(e, &g, 1, &err), err);
    CHECK_INT(tl_engine_count(e).prompt_computed, 40 + 110 - 96);
    tl_ids wanted = { 0 };
    oracle_generate(&f, &g, &wanted);
    assert_memory_equal(g.ids.data, wanted.data, 60 * sizeof(int));
    tl_ids_reset(&wanted);
    tl_ids_reset(&g.ids);
    tl_engine_free(e);
    fixture_free(&f);
}

/* ---- text ---- */

TEST(the_loss_of_a_text_is_that_of_its_windows)
{
    fixture f = fixture_make(1, 1, false);
    tl_engine *e = engine_make(&f, 100, 8, 100, true);
    tl_err err;
    static int ids[600];
    static const size_t lengths[] = { 2, 3, T, T + 1, T + 2, 600 };
    for (int i = 0; i < 600; i++) ids[i] = (i * i + 3 * i) % V;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        double sum = 0, wanted = 0;
        size_t count = 0, n = lengths[i];
        CHECK_OK(tl_engine_text_loss(e, ids, n, NULL, &sum, &count, &err), err);
        for (size_t at = 0; at < n - 1; at += T) {
            size_t inputs = n - 1 - at < T ? n - 1 - at : T;
            tl_ids rest = { .data = ids + at + 1, .size = inputs };
            wanted += oracle_score(&f, ids + at, 1, &rest, NULL);
        }
        CHECK_INT(count, n - 1);
        CHECK(sum == wanted);
    }
    double sum;
    size_t count;
    CHECK_INT(tl_engine_text_loss(e, ids, 1, NULL, &sum, &count, &err), TL_EDATA);
    CHECK_HAS(err.text, "the text has 1 tokens");
    tl_engine_free(e);
    fixture_free(&f);
}

/* ---- how answers end ---- */

typedef struct listener {
    int ids[T], n, patience;
} listener;

static bool listen(void *context, int id)
{
    listener *l = context;
    l->ids[l->n++] = id;
    return l->n < l->patience;
}

TEST(an_answer_says_why_it_ended)
{
    fixture f = fixture_make(0, 1, false);
    tl_engine *e = engine_make(&f, 64, 8, 100, true);
    tl_err err;
    static int ids[T];
    for (int i = 0; i < T; i++) ids[i] = i * 11 % V;
    static listener patient = { .patience = T + 1 }, impatient = { .patience = 3 };
    tl_generate_request g[4];
    for (int i = 0; i < 4; i++) g[i] = tl_generate_defaults(), g[i].prompt = ids, g[i].n_prompt = 20;
    g[0].max_tokens = 9, g[0].on_token = listen, g[0].context = &patient;
    g[1].on_token = listen, g[1].context = &impatient;
    g[2].n_prompt = T - 4, g[2].max_tokens = 100;
    g[3].n_prompt = T, g[3].max_tokens = 1;
    CHECK_OK(tl_engine_generate(e, g, 4, &err), err);
    CHECK_INT(g[0].finish, TL_FINISH_LENGTH);
    CHECK_INT(g[0].ids.size, 9);
    CHECK_INT(patient.n, 9);
    assert_memory_equal(patient.ids, g[0].ids.data, 9 * sizeof(int));
    CHECK_INT(g[1].finish, TL_FINISH_CALLER);
    CHECK_INT(g[1].ids.size, 3);
    CHECK_INT(g[2].finish, TL_FINISH_CONTEXT);
    CHECK_INT(g[2].ids.size, 5); /* four are read, the fifth is not */
    CHECK_INT(g[3].finish, TL_FINISH_LENGTH);

    /* Stop at the first token that is new after some others: it and what follows are not there. */
    int at = 1;
    for (bool seen = true; seen && at < 9; at += seen) {
        seen = false;
        for (int i = 0; i < at; i++) seen |= g[0].ids.data[i] == g[0].ids.data[at];
    }
    CHECK(at < 9);
    int stop = g[0].ids.data[at];
    tl_generate_request h = tl_generate_defaults();
    h.prompt = ids, h.n_prompt = 20, h.stop = &stop, h.n_stop = 1;
    CHECK_OK(tl_engine_generate(e, &h, 1, &err), err);
    CHECK_INT(h.finish, TL_FINISH_STOP);
    CHECK_INT(h.ids.size, at);
    assert_memory_equal(h.ids.data, g[0].ids.data, (size_t)at * sizeof(int));
    check_idle(e);
    for (int i = 0; i < 4; i++) tl_ids_reset(&g[i].ids);
    tl_ids_reset(&h.ids);
    tl_engine_free(e);
    fixture_free(&f);
}

/* ---- failures ---- */

static bool stop_after_two(void *context, int done, int n)
{
    CHECK_INT(n, ALIKE);
    *(int *)context = done;
    return done < 2;
}

TEST(an_interrupted_call_leaves_an_engine_that_works)
{
    fixture f = fixture_make(0, 1, false);
    tl_engine *e = engine_make(&f, 40, 6, 30, true);
    tl_score_request r[ALIKE];
    double log_probs[ALIKE], computed;
    int done = 0;
    tl_err err;
    alike_make(r, log_probs, NULL);
    tl_engine_watch(e, stop_after_two, &done);
    CHECK_INT(tl_engine_score(e, r, ALIKE, &err), TL_EINTERRUPTED);
    CHECK_HAS(err.text, "2 of 20");
    CHECK_INT(done, 2);
    check_idle(e);
    tl_engine_watch(e, NULL, NULL);
    score_all(e, r, ALIKE, &computed);
    CHECK(log_probs[19] == oracle_score(&f, alike[19], ALIKE_TOKENS, r[19].continuations, NULL));
    tl_engine_free(e);
    fixture_free(&f);
}

TEST(numbers_that_are_not_finite_are_an_error_and_spoil_nothing)
{
    fixture f = fixture_make(0, 1, false);
    tl_engine *e = engine_make(&f, 512, 64, 1000, true);
    tl_score_request r[ALIKE];
    double log_probs[ALIKE], computed;
    tl_err err;
    alike_make(r, log_probs, NULL);
    float *w = (float *)(uintptr_t)f.model->layers[0].linear[TL_V].data, good = *w;
    *w = NAN;
    CHECK_INT(tl_engine_score(e, r, ALIKE, &err), TL_ENUMERIC);
    CHECK_HAS(err.text, "request 0: the logits at position 99 are not finite");
    tl_generate_request g = tl_generate_defaults();
    g.prompt = alike[0], g.n_prompt = 3;
    CHECK_INT(tl_engine_generate(e, &g, 1, &err), TL_ENUMERIC);
    check_idle(e);
    *w = good;
    score_all(e, r, ALIKE, &computed);
    for (int i = 0; i < ALIKE; i++)
        CHECK(log_probs[i] == oracle_score(&f, alike[i], ALIKE_TOKENS, r[i].continuations, NULL));
    tl_ids_reset(&g.ids);
    tl_engine_free(e);
    fixture_free(&f);
}

TEST(requests_that_cannot_be_run_are_refused_by_number_and_cause)
{
    fixture f = fixture_make(0, 1, true), other = fixture_make(0, 1, true);
    tl_engine *e = engine_make(&f, 64, 8, 5, true);
    tl_err err;
    static int ids[T + 10], bad[] = { 4, V };
    tl_ids one = { .data = ids, .size = 1 }, empty = { 0 }, outside = { .data = bad, .size = 2 };
    double out[2];
    tl_score_request good = {
        .prompt = ids, .n_prompt = 3, .continuations = &one, .n_continuations = 1, .log_probs = out
    };
    tl_score_request r[2] = { good, good };
    CHECK_OK(tl_engine_score(e, r, 2, &err), err);
    CHECK_INT(tl_engine_positions(e), 4 * TL_PAGE);

#define REFUSED(code, part)                                                                                            \
    do {                                                                                                               \
        CHECK_INT(tl_engine_score(e, r, 2, &err), code);                                                               \
        CHECK_HAS(err.text, "request 1: ");                                                                            \
        CHECK_HAS(err.text, part);                                                                                     \
        r[1] = good;                                                                                                   \
    } while (0)
    r[1].n_prompt = 0;
    REFUSED(TL_EDATA, "the prompt is empty");
    r[1].n_prompt = T + 1;
    REFUSED(TL_EDATA, "257 tokens to read, the context has 256");
    r[1].n_prompt = 4 * TL_PAGE + 1;
    REFUSED(TL_EUSAGE, "holds 128 for one sequence");
    r[1].prompt = bad, r[1].n_prompt = 2;
    REFUSED(TL_EDATA, "token 1 is 97, the vocabulary has 97");
    r[1].n_continuations = 0;
    REFUSED(TL_EDATA, "no continuation");
    r[1].continuations = &empty;
    REFUSED(TL_EDATA, "continuation 0 is empty");
    r[1].continuations = &outside;
    REFUSED(TL_EDATA, "continuation 0: token 1 is 97");
    r[1].adapter = other.adapters[1];
    REFUSED(TL_EUSAGE, "another base");
    f.adapters[1]->max_r = RANK + 1;
    r[1].adapter = f.adapters[1];
    REFUSED(TL_EUSAGE, "rank is 5, the engine was made for at most 4");
#undef REFUSED

    tl_generate_request g = tl_generate_defaults();
    g.prompt = ids, g.n_prompt = 3, g.max_tokens = 0;
    CHECK_INT(tl_engine_generate(e, &g, 1, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "max_tokens is 0");
    g.max_tokens = 200; /* the answer must not depend on the size of the cache */
    CHECK_INT(tl_engine_generate(e, &g, 1, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "202 positions");
    g.max_tokens = 5, g.sampling.top_p = 2;
    CHECK_INT(tl_engine_generate(e, &g, 1, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "request 0: top_p is 2");
    check_idle(e);
    tl_engine_free(e);
    fixture_free(&f);
    fixture_free(&other);
}

TEST(the_plan_is_the_allocation_and_settings_without_sense_are_refused)
{
    fixture f = fixture_make(1, 1, false);
    tl_engine_options o = tl_engine_defaults();
    tl_err err;
    size_t bytes = 0;
    o.cache_bytes = 1 << 20;
    CHECK_OK(tl_engine_bytes(&bytes, f.model, TL_PRECISION_F32, &o, &err), err);
    tl_engine *e = NULL;
    CHECK_OK(tl_engine_create(&e, f.model, &f.stream, &o, &err), err);
    tl_acts_size size = { .max_rows = o.max_rows, .max_rank = o.max_rank };
    CHECK_INT(bytes, sizeof *e + tl_arena_peak(e->arena) + tl_acts_bytes(f.model, &size));
    tl_engine_free(e);
    e = NULL;
    o.cache_bytes = 1000;
    CHECK_INT(tl_engine_create(&e, f.model, &f.stream, &o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "cache: 1000 bytes hold 0 pages");
    CHECK_INT(tl_engine_bytes(&bytes, f.model, TL_PRECISION_F32, &o, &err), TL_EUSAGE);
    o = tl_engine_defaults(), o.max_sequences = 1;
    CHECK_INT(tl_engine_create(&e, f.model, &f.stream, &o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "max_sequences is 1");
    o = tl_engine_defaults(), o.max_rows = 0;
    CHECK_INT(tl_engine_create(&e, f.model, &f.stream, &o, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "max_rows is 0");
    CHECK(e == NULL);
    fixture_free(&f);
}

RUN_TESTS(CASE(rows_a_step_sequences_cache_and_sharing_do_not_change_a_bit),
          CASE(adapters_mixed_in_a_batch_give_the_bits_of_each_alone), CASE(one_and_two_threads_give_the_same_bits),
          CASE(a_prefix_is_computed_once_in_a_call_and_kept_for_the_next),
          CASE(weights_that_are_being_trained_are_shared_within_a_call_and_not_after_it),
          CASE(prefixes_are_not_shared_between_adapters),
          CASE(a_conversation_goes_on_from_its_answer_without_computing_it_again),
          CASE(the_loss_of_a_text_is_that_of_its_windows), CASE(an_answer_says_why_it_ended),
          CASE(an_interrupted_call_leaves_an_engine_that_works),
          CASE(numbers_that_are_not_finite_are_an_error_and_spoil_nothing),
          CASE(requests_that_cannot_be_run_are_refused_by_number_and_cause),
          CASE(the_plan_is_the_allocation_and_settings_without_sense_are_refused))
