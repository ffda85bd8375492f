/* inference.c - rows of inference: the engine on random models; and the program's start as a whole. */
#include "bench/bench.h"
#include "bench/ceilings.h"

#include "base/clock.h"
#include "infer/engine.h"
#include "model/flops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LONGEST = 4096,
    MOST = 16 /* sequences */
};

typedef struct inference {
    tl_stream stream;
    tl_model *model;   /* owned */
    tl_engine *engine; /* owned */
    int ids[MOST][LONGEST];
} inference;

static int make(inference *t, const tl_bench_row *row, int longest, const tl_bench_options *o, tl_err *err)
{
    char dir[512];
    TL_TRY(tl_shape_dir(dir, sizeof dir, row->shape, o->cache, err));
    TL_TRY(tl_model_open(&t->model, dir, err));
    const tl_config *c = &t->model->config;
    TL_TRY(tl_stream_create(&t->stream, o->threads, TL_PRECISION_BF16, c->T, c->h, err));
    tl_engine_options e = tl_engine_defaults();
    e.max_sequences = row->rows < 2 ? 2 : row->rows;
    e.max_rank = 0;
    e.share_prefixes = false;
    e.cache_bytes = (size_t)e.max_sequences * (size_t)(longest / TL_PAGE + 2) * (size_t)c->L *
                    (tl_page_k(c->G, c->h) + tl_page_v(c->G, c->h)) * sizeof(float);
    return tl_engine_create(&t->engine, t->model, &t->stream, &e, err);
}

static void inference_free(inference *t)
{
    tl_engine_free(t->engine);
    tl_stream_free(&t->stream);
    tl_model_free(t->model);
    free(t);
}

/* Generate `tokens` after prompts of `prompt` random tokens each; the seconds of it. */
static int generate(inference *t, int sequences, int prompt, int tokens, double *seconds, tl_err *err)
{
    static uint32_t salt; /* no prompt is met twice */
    tl_generate_request r[MOST];
    for (int i = 0; i < sequences; i++) {
        for (int k = 0; k < prompt; k++)
            t->ids[i][k] =
                (int)((uint32_t)(k * 127 + i * 8191 + 1 + (int)salt) * 2654435761u % (uint32_t)t->model->config.V);
        salt += 7919;
        r[i] = tl_generate_defaults();
        r[i].prompt = t->ids[i];
        r[i].n_prompt = prompt;
        r[i].max_tokens = tokens;
    }
    const double start = tl_seconds();
    int rc = tl_engine_generate(t->engine, r, sequences, err);
    *seconds = tl_seconds() - start;
    for (int i = 0; i < sequences; i++) tl_ids_reset(&r[i].ids);
    return rc;
}

int tl_bench_prompt(const tl_bench_row *row, const tl_bench_options *o, tl_bench_samples *out, tl_err *err)
{
    inference *t = calloc(1, sizeof *t);
    double seconds;
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for the prompts");
    int rc = make(t, row, row->length + 1, o, err);
    if (rc == 0) rc = generate(t, 1, row->length, 1, &seconds, err);
    double before = tl_ceiling(TL_CEILING_BF16, o->threads);
    for (int i = 0; rc == 0 && i < (o->quick ? 2 : 5); i++) {
        rc = generate(t, 1, row->length, 1, &seconds, err);
        double after = tl_ceiling(TL_CEILING_BF16, o->threads);
        tl_segment segment = { .rows = row->length };
        tl_batch b = { .N = row->length, .n_segments = 1, .segments = &segment };
        out->value[out->n] = row->length / seconds;
        out->ratio[out->n++] = tl_flops_forward(t->model, &b, 1) / seconds / 1e9 / ((before + after) / 2);
        before = after;
    }
    inference_free(t);
    return rc;
}

/* The time of tokens after the first: a run of many less a run of one.  The ceiling is reading every weight once a
 * step. */
int tl_bench_decode(const tl_bench_row *row, const tl_bench_options *o, tl_bench_samples *out, tl_err *err)
{
    enum {
        PROMPT = 16
    };
    inference *t = calloc(1, sizeof *t);
    double one, many;
    if (!t) return tl_fail(err, TL_ENOMEM, "no memory for the prompts");
    int rc = make(t, row, PROMPT + row->length + 1, o, err);
    if (rc == 0) rc = generate(t, row->rows, PROMPT, 2, &one, err);
    const double bytes = rc == 0 ? 2.0 * (double)tl_model_product_parameters(t->model) : 0;
    double before = tl_ceiling(TL_CEILING_READ, o->threads);
    for (int i = 0; rc == 0 && i < (o->quick ? 2 : 7); i++) {
        rc = generate(t, row->rows, PROMPT, 1, &one, err);
        if (rc == 0) rc = generate(t, row->rows, PROMPT, row->length + 1, &many, err);
        double after = tl_ceiling(TL_CEILING_READ, o->threads), steps = row->length;
        out->value[out->n] = row->rows * steps / (many - one);
        out->ratio[out->n++] = bytes * steps / (many - one) / 1e9 / ((before + after) / 2);
        before = after;
    }
    inference_free(t);
    return rc;
}

/* The whole program from exec to the first token, the file in the page cache. */
int tl_bench_start(const tl_bench_row *row, const tl_bench_options *o, tl_bench_samples *out, tl_err *err)
{
    char dir[512], program[512], threads[16];
    TL_TRY(tl_shape_dir(dir, sizeof dir, row->shape, o->cache, err));
    snprintf(program, sizeof program, "%s/../../tailor", o->cache);
    snprintf(threads, sizeof threads, "%d", o->threads);
    for (int i = 0; i < (o->quick ? 4 : 12); i++) {
        const double start = tl_seconds();
        pid_t child = fork();
        if (child == 0) {
            if (!freopen("/dev/null", "w", stdout)) _exit(127);
            execl(program, "tailor", "generate", "--model", dir, "--tokens", "1,2,3", "--max-tokens", "1",
                  "--precision", "bf16", "--threads", threads, (char *)NULL);
            _exit(127);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) < 0)
            return tl_fail(err, TL_EIO, "%s: it could not be started", program);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            return tl_fail(err, TL_EIO, "%s generate ended with status %d", program, status);
        if (i > 0) out->value[out->n++] = tl_seconds() - start; /* the first one warms the page cache */
    }
    return 0;
}
