/* inference.c - rows of inference: the engine on random models.
 *
 * A row's kind says what the weights lie in: BF16, a directory; or Q8_0, Q4_0, a GGUF file, which is then multiplied in
 * whole numbers. */
#include "bench/bench.h"
#include "bench/ceilings.h"

#include "base/clock.h"
#include "infer/engine.h"
#include "model/flops.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST = 4096,
    MOST = 16,    /* sequences */
    PROMPT = 16,  /* tokens before those whose decoding is timed */
    CLIENT = 128, /* tokens of a client's prompt */
};

typedef struct inference {
    const tl_bench_row *row;
    int threads;
    tl_dtype type; /* of the matrices */
    tl_stream stream;
    tl_model *model;   /* owned */
    tl_engine *engine; /* owned */
    uint32_t salt;     /* no prompt is met twice */
    int ids[MOST][LONGEST];
} inference;

static int make(void **state, const tl_bench_row *row, int longest, const tl_bench_options *o, tl_err *err)
{
    inference *t = *state = calloc(1, sizeof *t);
    char path[512];
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for the prompts");
    t->row = row;
    t->threads = o->threads;
    if (!tl_dtype_parse(&t->type, row->kind)) return tl_fail(err, TL_EUSAGE, "%s: no type of matrices", row->kind);
    const bool bf16 = t->type == TL_DTYPE_BF16;
    if (bf16)
        TL_TRY(tl_shape_dir(path, sizeof path, row->shape, o->cache, err));
    else
        TL_TRY(tl_shape_gguf(path, sizeof path, row->shape, t->type, o->cache, err));
    TL_TRY(tl_model_open(&t->model, path, err));
    const tl_config *c = &t->model->config;
    const tl_precision precision = bf16 ? TL_PRECISION_BF16 : TL_PRECISION_INT8;
    TL_TRY(tl_stream_create(&t->stream, o->threads, precision, c->T, c->h, err));
    tl_engine_options e = tl_engine_defaults();
    e.max_sequences = row->rows < 2 ? 2 : row->rows;
    e.max_rank = 0;
    e.share_prefixes = false;
    e.cache_bytes = (size_t)e.max_sequences * (size_t)(longest / TL_PAGE + 2) * (size_t)c->L *
                    tl_page_bytes(tl_precision_dtype(t->stream.precision), c->G, c->h);
    return tl_engine_create(&t->engine, t->model, &t->stream, &e, err);
}

static void inference_close(void *state)
{
    inference *t = state;
    tl_engine_free(t->engine);
    tl_stream_free(&t->stream);
    tl_model_free(t->model);
    free(t);
}

static void draw_prompts(inference *t, int n)
{
    for (int i = 0; i < MOST; i++, t->salt += 7919)
        for (int k = 0; k < n; k++)
            t->ids[i][k] = (int)(((uint32_t)k * 127 + t->salt + 1) * 2654435761u % (uint32_t)t->model->config.V);
}

/* So many tokens after each of the sequences first .. first+n-1, prompts of `prompt` tokens; the seconds of it. */
static int generate(inference *t, tl_generate_request *r, int first, int n, int prompt, int tokens, double *seconds,
                    tl_err *err)
{
    for (int i = 0; i < n; i++) {
        r[i] = tl_generate_defaults();
        r[i].prompt = t->ids[first + i];
        r[i].n_prompt = prompt;
        r[i].max_tokens = tokens;
    }
    const double start = tl_seconds();
    TL_TRY(tl_engine_generate(t->engine, r, n, err));
    *seconds = tl_seconds() - start;
    return 0;
}

static void forget(tl_generate_request *r, int n)
{
    for (int i = 0; i < n; i++) tl_ids_reset(&r[i].ids);
}

/* The same, what is generated thrown away. */
static int timed(inference *t, int prompt, int tokens, double *seconds, tl_err *err)
{
    tl_generate_request r[MOST] = { 0 };
    draw_prompts(t, prompt);
    int rc = generate(t, r, 0, t->row->rows, prompt, tokens, seconds, err);
    forget(r, t->row->rows);
    return rc;
}

/* ---- prompt tokens a second ---- */

static int prompt_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    double seconds;
    TL_TRY(make(state, row, row->length + 1, o, err));
    return timed(*state, row->length, 1, &seconds, err);
}

static int prompt_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    inference *t = state;
    const int n = t->row->length;
    tl_segment segment = { .rows = n };
    tl_batch b = { .N = n, .n_segments = 1, .segments = &segment };
    double seconds;
    tl_ceiling_meter meter = tl_ceiling_begin(t->type == TL_DTYPE_BF16 ? TL_CEILING_BF16 : TL_CEILING_INT8, t->threads);
    TL_TRY(timed(t, n, 1, &seconds, err));
    out->n = 1;
    out->part[0].value = n / seconds;
    out->part[0].ratio = tl_flops_forward(t->model, &b, 1) / seconds / 1e9 / tl_ceiling_end(&meter);
    return 0;
}

const tl_bench_work tl_bench_prompt = { prompt_open, prompt_turn, inference_close };

/* ---- tokens a second after the first: a run of many less a run of one; the ceiling is to read every weight once ----
 */

/* What is generated among others is what is generated alone. */
static int same_alone(inference *t, tl_err *err)
{
    tl_generate_request r[MOST] = { 0 }, alone = { 0 };
    const int n = t->row->rows, tokens = t->row->length;
    double seconds;
    draw_prompts(t, PROMPT);
    int rc = generate(t, r, 0, n, PROMPT, tokens, &seconds, err);
    for (int i = 0; rc == 0 && i < (n > 1 ? n : 0); i += 5) {
        rc = generate(t, &alone, i, 1, PROMPT, tokens, &seconds, err);
        if (rc == 0 && memcmp(alone.ids.data, r[i].ids.data, (size_t)tokens * sizeof(int)) != 0)
            rc = tl_fail(err, TL_ENUMERIC, "%s: sequence %d has other tokens alone than among %d", t->row->name, i, n);
        forget(&alone, 1);
    }
    forget(r, n);
    return rc;
}

static int decode_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    TL_TRY(make(state, row, PROMPT + row->length + 1, o, err));
    return same_alone(*state, err);
}

static int decode_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    inference *t = state;
    const double bytes = (double)tl_dtype_row_bytes(t->type, tl_model_product_parameters(t->model));
    double one, many;
    tl_ceiling_meter meter = tl_ceiling_begin(TL_CEILING_READ, t->threads);
    TL_TRY(timed(t, PROMPT, 1, &one, err));
    TL_TRY(timed(t, PROMPT, t->row->length + 1, &many, err));
    const double steps = t->row->length / (many - one);
    out->n = 1;
    out->part[0].value = t->row->rows * steps;
    out->part[0].ratio = bytes * steps / 1e9 / tl_ceiling_end(&meter);
    return 0;
}

const tl_bench_work tl_bench_decode = { decode_open, decode_turn, inference_close };

/* ---- clients at once: all tokens generated over the whole time, prompts included ---- */

static int clients_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    double seconds;
    TL_TRY(make(state, row, CLIENT + row->length + 1, o, err));
    return timed(*state, CLIENT, row->length, &seconds, err);
}

static int clients_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    inference *t = state;
    double seconds;
    TL_TRY(timed(t, CLIENT, t->row->length, &seconds, err));
    out->n = 1;
    out->part[0].value = t->row->rows * t->row->length / seconds;
    return 0;
}

const tl_bench_work tl_bench_clients = { clients_open, clients_turn, inference_close };
