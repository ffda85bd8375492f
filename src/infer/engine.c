/* engine.c - the engine's plan, its memory, and the calls: requests checked here, run in schedule.c. */
#include "infer/engine.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/size.h"
#include "infer/schedule.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

tl_engine_options tl_engine_defaults(void)
{
    return (tl_engine_options){
        .max_rows = 512, .max_sequences = 64, .cache_bytes = (size_t)256 << 20, .max_rank = 64, .share_prefixes = true
    };
}

/* ---- plan and memory ---- */

static size_t page_bytes(const tl_config *c, tl_precision precision)
{
    return (size_t)c->L * tl_page_bytes(tl_precision_dtype(precision), c->G, c->h);
}

/* Pages of the cache. */
static int plan_pages(int *out, const tl_model *m, tl_precision precision, const tl_engine_options *o, tl_err *err)
{
    size_t one = page_bytes(&m->config, precision), n = o->cache_bytes / one;
    size_t most = 2 * (size_t)o->max_sequences * (size_t)(tl_pages_for(m->config.T) + 1);
    if (n < 2)
        return tl_fail(err, TL_EUSAGE,
                       "cache: %zu bytes hold %zu pages of %d positions, at least 2 are wanted: %zu bytes",
                       o->cache_bytes, n, (int)TL_PAGE, 2 * one);
    *out = (int)(n < most ? n : most);
    return 0;
}

static int check_options(const tl_engine_options *o, tl_err *err)
{
    enum {
        ROWS = 1 << 16,
        SEQUENCES = 1 << 12,
        RANK = 1 << 16
    };
    if (o->max_rows < 1 || o->max_rows > ROWS)
        return tl_fail(err, TL_EUSAGE, "max_rows is %d, wanted 1 to %d", o->max_rows, (int)ROWS);
    if (o->max_sequences < 2 || o->max_sequences > SEQUENCES)
        return tl_fail(err, TL_EUSAGE, "max_sequences is %d, wanted 2 to %d", o->max_sequences, (int)SEQUENCES);
    if (o->max_rank < 0 || o->max_rank > RANK)
        return tl_fail(err, TL_EUSAGE, "max_rank is %d, wanted 0 to %d", o->max_rank, (int)RANK);
    return 0;
}

/* Everything of the engine's but the activations; run on a measuring arena first. */
static void lay_out(tl_engine *e, tl_arena *a, const tl_model *m, tl_precision precision, const tl_engine_options *o,
                    int pages)
{
    const tl_config *c = &m->config;
    tl_dtype type = tl_precision_dtype(precision);
    size_t rows = (size_t)o->max_rows, sequences = (size_t)o->max_sequences;
    size_t table = (size_t)tl_pages_for(c->T), logit_rows = rows < LOGIT_ROWS ? rows : LOGIT_ROWS;
    tl_page_pool_lay(&e->pool, a, pages, (size_t)c->L * tl_page_k(type, c->G, c->h),
                     (size_t)c->L * tl_page_v(type, c->G, c->h));
    e->lanes = tl_arena_take(a, sequences * sizeof *e->lanes);
    int *tables = tl_arena_ints(a, sequences * table);
    for (size_t i = 0; e->lanes && i < sequences; i++) e->lanes[i].pages = tables + i * table;
    e->jobs = tl_arena_take(a, sequences * sizeof *e->jobs);
    e->order = tl_arena_take(a, sequences * sizeof(tl_job *));
    e->ids = tl_arena_ints(a, rows);
    e->positions = tl_arena_ints(a, rows);
    e->segments = tl_arena_take(a, sequences * sizeof *e->segments);
    e->adapters = tl_arena_take(a, sequences * sizeof(tl_adapter *));
    e->pieces = tl_arena_take(a, sequences * sizeof *e->pieces);
    e->wanted = tl_arena_take(a, rows * sizeof *e->wanted);
    e->wanted_rows = tl_arena_ints(a, rows);
    e->logits = tl_arena_floats(a, logit_rows * (size_t)c->V);
    e->log_probs = tl_arena_floats(a, logit_rows);
    e->targets = tl_arena_ints(a, logit_rows);
    e->scratch = tl_arena_ints(a, (size_t)c->V);
    e->free_lanes = o->max_sequences;
}

static tl_acts_size acts_size(const tl_engine_options *o)
{
    return (tl_acts_size){ .max_rows = o->max_rows, .max_rank = o->max_rank };
}

/* Bytes of lay_out. */
static int plan_layout(size_t *out, int *pages, const tl_model *m, tl_precision precision, const tl_engine_options *o,
                       tl_err *err)
{
    tl_arena *measure = NULL;
    tl_engine e = { 0 };
    TL_TRY(check_options(o, err));
    TL_TRY(plan_pages(pages, m, precision, o, err));
    TL_TRY(tl_arena_measure(&measure, err));
    lay_out(&e, measure, m, precision, o, *pages);
    *out = tl_arena_peak(measure);
    tl_arena_free(measure);
    return 0;
}

int tl_engine_bytes(size_t *out, const tl_model *m, tl_precision precision, const tl_engine_options *o, tl_err *err)
{
    size_t layout;
    int pages;
    TL_TRY(plan_layout(&layout, &pages, m, precision, o, err));
    tl_acts_size size = acts_size(o);
    *out = sizeof(tl_engine) + layout + tl_acts_bytes(m, &size);
    return 0;
}

int tl_engine_create(tl_engine **out, const tl_model *m, tl_stream *s, const tl_engine_options *o, tl_err *err)
{
    size_t layout;
    int pages;
    TL_TRY(plan_layout(&layout, &pages, m, s->precision, o, err));
    tl_engine *e = calloc(1, sizeof *e);
    if (!e) return tl_fail(err, TL_ENOMEM, "engine: no memory for its header");
    e->model = m;
    e->stream = s;
    e->options = *o;
    tl_acts_size size = acts_size(o);
    int rc = tl_arena_create(&e->arena, layout, "engine and its cache", err);
    if (rc < 0) goto fail;
    lay_out(e, e->arena, m, s->precision, o, pages);
    rc = tl_acts_create(&e->acts, m, &size, err);
    if (rc < 0) goto fail;
    *out = e;
    return 0;
fail:
    tl_engine_free(e);
    return rc;
}

void tl_engine_free(tl_engine *e)
{
    if (!e) return;
    tl_acts_free(e->acts);
    tl_arena_free(e->arena);
    free(e);
}

int tl_engine_positions(const tl_engine *e)
{
    /* One page less than there are: a branch copies the page its prompt ends in. */
    int T = e->model->config.T;
    return e->pool.n - 1 < tl_pages_for(T) ? (e->pool.n - 1) * TL_PAGE : T;
}

void tl_engine_watch(tl_engine *e, tl_engine_watch_fn *watch, void *context)
{
    e->watch = watch;
    e->watch_context = context;
}

tl_engine_counts tl_engine_count(const tl_engine *e)
{
    return e->counts;
}

/* ---- checking requests ---- */

static int check_ids(const tl_engine *e, const int *ids, size_t n, tl_err *err)
{
    int V = e->model->config.V;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= V)
            return tl_fail(err, TL_EDATA, "token %zu is %d, the vocabulary has %d", i, ids[i], V);
    return 0;
}

static int check_adapter(const tl_engine *e, const tl_adapter *a, tl_err *err)
{
    if (!a) return 0;
    if (a->model != e->model)
        return tl_fail(err, TL_EUSAGE, "the adapter was loaded for another base than the engine's");
    if (a->max_r > e->options.max_rank)
        return tl_fail(err, TL_EUSAGE, "the adapter's rank is %d, the engine was made for at most %d", a->max_r,
                       e->options.max_rank);
    return 0;
}

/* A sequence of so many tokens, of which all are read. */
static int check_length(const tl_engine *e, size_t tokens, const char *what, tl_err *err)
{
    int T = e->model->config.T, most = tl_engine_positions(e);
    if (tokens > (size_t)T)
        return tl_fail(err, TL_EDATA, "%s has %zu tokens to read, the context has %d", what, tokens, T);
    if (tokens > (size_t)most)
        return tl_fail(err, TL_EUSAGE,
                       "%s needs %zu positions, the cache of %d pages holds %d for one sequence: wanted are %zu bytes",
                       what, tokens, e->pool.n, most,
                       (size_t)(tl_pages_for((int)tokens) + 1) * page_bytes(&e->model->config, e->stream->precision));
    return 0;
}

static int check_prompt(const tl_engine *e, const int *prompt, int n, const tl_adapter *a, tl_err *err)
{
    if (n < 1) return tl_fail(err, TL_EDATA, "the prompt is empty, wanted is at least one token");
    TL_TRY(check_length(e, (size_t)n, "the prompt", err));
    if (check_ids(e, prompt, (size_t)n, err) < 0) return tl_fail_in(err, "the prompt");
    return check_adapter(e, a, err);
}

static int check_score(const tl_engine *e, const tl_score_request *r, tl_err *err)
{
    TL_TRY(check_prompt(e, r->prompt, r->n_prompt, r->adapter, err));
    if (r->n_continuations < 1) return tl_fail(err, TL_EDATA, "no continuation is there to be scored");
    for (int i = 0; i < r->n_continuations; i++) {
        const tl_ids *c = &r->continuations[i];
        if (c->size == 0) return tl_fail(err, TL_EDATA, "continuation %d is empty", i);
        TL_TRY(check_length(e, (size_t)r->n_prompt - 1 + c->size, "the prompt with a continuation", err));
        if (check_ids(e, c->data, c->size, err) < 0) return tl_fail_in(err, "continuation %d", i);
    }
    return 0;
}

static int check_generate(const tl_engine *e, const tl_generate_request *r, tl_err *err)
{
    TL_TRY(check_prompt(e, r->prompt, r->n_prompt, r->adapter, err));
    if (r->max_tokens < 1) return tl_fail(err, TL_EUSAGE, "max_tokens is %d, wanted is at least 1", r->max_tokens);
    int T = e->model->config.T;
    size_t positions = (size_t)r->n_prompt + (size_t)r->max_tokens - 1;
    TL_TRY(check_length(e, positions < (size_t)T ? positions : (size_t)T, "the prompt with max_tokens", err));
    if (check_ids(e, r->stop, (size_t)r->n_stop, err) < 0) return tl_fail_in(err, "the stop ids");
    return tl_sampling_check(&r->sampling, err);
}

/* ---- calls ---- */

static int call_run(tl_engine *e, tl_call *call, tl_err *err)
{
    double start = tl_seconds();
    size_t serial = e->calls++;
    call->serial = tl_hash_bytes(&serial, sizeof serial);
    int rc = tl_engine_run(e, call, err);
    e->counts.seconds += tl_seconds() - start;
    return rc;
}

int tl_engine_score(tl_engine *e, tl_score_request *requests, int n, tl_err *err)
{
    for (int i = 0; i < n; i++)
        if (check_score(e, &requests[i], err) < 0) return tl_fail_in(err, "request %d", i);
    return call_run(e, &(tl_call){ .score = requests, .n = n }, err);
}

int tl_engine_text_loss(tl_engine *e, const int *ids, size_t n, tl_adapter *adapter, double *sum, size_t *count,
                        tl_err *err)
{
    /* A window is a prompt of one token and one continuation: all its inputs but the first, and the token after. */
    if (n < 2) return tl_fail(err, TL_EDATA, "the text has %zu tokens, wanted are at least 2", n);
    if (check_ids(e, ids, n, err) < 0) return tl_fail_in(err, "the text");
    size_t T = (size_t)e->model->config.T, windows = (n - 1 + T - 1) / T, each;
    if (windows > INT_MAX || !tl_size_mul(&each, windows, sizeof(tl_score_request) + sizeof(tl_ids) + sizeof(double)))
        return tl_fail(err, TL_EDATA, "the text has %zu tokens, more than can be scored in one call", n);
    tl_score_request *requests = calloc(windows, sizeof *requests);
    tl_ids *texts = calloc(windows, sizeof *texts);
    double *log_probs = calloc(windows, sizeof *log_probs);
    int rc = 0;
    if (!requests || !texts || !log_probs) {
        rc = tl_fail(err, TL_ENOMEM, "text of %zu tokens: no memory for its %zu windows", n, windows);
        goto done;
    }
    for (size_t i = 0; i < windows; i++) {
        size_t first = i * T, inputs = n - 1 - first < T ? n - 1 - first : T;
        texts[i] = (tl_ids){ .data = (int *)ids + first + 1, .size = inputs }; /* read only */
        requests[i] = (tl_score_request){ .prompt = ids + first,
                                          .n_prompt = 1,
                                          .continuations = &texts[i],
                                          .n_continuations = 1,
                                          .adapter = adapter,
                                          .log_probs = &log_probs[i] };
    }
    rc = tl_engine_score(e, requests, (int)windows, err);
    if (rc < 0) goto done;
    *sum = 0;
    for (size_t i = 0; i < windows; i++) *sum += log_probs[i];
    *count = n - 1;
done:
    free(requests);
    free(texts);
    free(log_probs);
    return rc;
}

tl_generate_request tl_generate_defaults(void)
{
    return (tl_generate_request){ .max_tokens = 128, .sampling = tl_sampling_defaults() };
}

int tl_engine_generate(tl_engine *e, tl_generate_request *requests, int n, tl_err *err)
{
    for (int i = 0; i < n; i++)
        if (check_generate(e, &requests[i], err) < 0) return tl_fail_in(err, "request %d", i);
    for (int i = 0; i < n; i++) requests[i].ids.size = 0;
    return call_run(e, &(tl_call){ .generate = requests, .n = n }, err);
}
