/* engine.h - all inference: scoring and generating for many sequences at once, over one model.
 *
 *     tl_engine_options o = tl_engine_defaults();
 *     TL_TRY(tl_engine_create(&e, model, &stream, &o, err));
 *     tl_score_request r = { .prompt = ids, .n_prompt = n, .continuations = labels, .n_continuations = K,
 *                            .adapter = a, .log_probs = out };
 *     TL_TRY(tl_engine_score(e, &r, 1, err));             out[k] = log p(labels[k] | prompt)
 *     tl_generate_request g = tl_generate_defaults();     greedy, 128 tokens
 *     g.prompt = ids, g.n_prompt = n, g.stop = &eos, g.n_stop = 1;
 *     TL_TRY(tl_engine_generate(e, &g, 1, err));          g.ids.data[0 .. g.ids.size-1]
 *     tl_ids_reset(&g.ids);
 *     tl_engine_free(e);
 *
 * Give all requests of a kind in one call: the engine runs as many together as rows, sequences and cache allow, and
 * takes in the next as others end.  Each may have its own adapter.  Whole pages (TL_PAGE positions) that begin alike
 * under the same base and adapter are computed once and kept for later calls while the cache has room.
 *
 * What comes out for a request is the same to the bit whether it runs alone or among others, with prefixes shared or
 * not, with any number of rows a step, any order, any number of threads.
 *
 * One engine is one timeline: one call at a time.  A model or adapter being trained may be used between its steps; what
 * was computed with it is then shared within a call and forgotten after it. */
#ifndef TL_INFER_ENGINE_H
#define TL_INFER_ENGINE_H

#include "base/err.h"
#include "base/ids.h"
#include "infer/sampler.h"
#include "model/adapter.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tl_engine tl_engine;

typedef struct tl_engine_options {
    int max_rows;        /* rows of one step: what a prompt is cut into, and what many sequences share */
    int max_sequences;   /* running together, at least 2: a prompt, and a continuation branching off it */
    size_t cache_bytes;  /* of key/value pages, f32 or bf16 as the stream multiplies, at most: no more is taken than
                          * twice max_sequences whole contexts */
    int max_rank;        /* of any adapter in any request; 0: none will be used */
    bool share_prefixes; /* false: every prompt is computed for itself */
} tl_engine_options;

/* 512 rows, 64 sequences, 256 MiB, rank 64, shared. */
tl_engine_options tl_engine_defaults(void);

/* Bytes tl_engine_create will take with a stream of this precision, the activations included: the plan.  Refuses what
 * create would refuse. */
int tl_engine_bytes(size_t *out, const tl_model *m, tl_precision precision, const tl_engine_options *o, tl_err *err);

/* m and s are borrowed and must outlive the engine; s was made for at least T positions. */
int tl_engine_create(tl_engine **out, const tl_model *m, tl_stream *s, const tl_engine_options *o, tl_err *err);
void tl_engine_free(tl_engine *e);

/* The longest sequence that can be run, in positions: the model's T, or less where the cache is small. */
int tl_engine_positions(const tl_engine *e);

/* Every call below checks all its requests before it computes anything: an empty prompt or continuation, a sequence
 * longer than the context or the cache, an id outside the vocabulary, an adapter of another model or of too large a
 * rank are errors that name the request.  Logits that are not finite are TL_ENUMERIC.  After an error the outputs are
 * not to be used; the engine is. */

typedef struct tl_score_request {
    const int *prompt; /* borrowed */
    int n_prompt;
    const tl_ids *continuations; /* borrowed: n_continuations of them, none empty */
    int n_continuations;
    tl_adapter *adapter; /* borrowed for the call; NULL: the base alone */
    double *log_probs;   /* out: for each continuation, the sum of log p of its tokens after the prompt */
} tl_score_request;

/* Prompt and continuation together have at most T + 1 tokens: the last is predicted and not read. */
int tl_engine_score(tl_engine *e, tl_score_request *requests, int n, tl_err *err);

/* sum of log p over tokens 1 .. n-1 of a text, each predicted from those before it in its window; windows are T
 * inputs long and follow each other without overlap.  *count is n - 1; n >= 2. */
int tl_engine_text_loss(tl_engine *e, const int *ids, size_t n, tl_adapter *adapter, double *sum, size_t *count,
                        tl_err *err);

typedef enum tl_finish {
    TL_FINISH_STOP,    /* a stop id was drawn; it is not among the ids */
    TL_FINISH_LENGTH,  /* max_tokens are there */
    TL_FINISH_CONTEXT, /* the context is full */
    TL_FINISH_CALLER,  /* on_token said so */
} tl_finish;

typedef struct tl_generate_request {
    const int *prompt; /* borrowed */
    int n_prompt;
    int max_tokens;  /* at least 1 */
    const int *stop; /* borrowed: n_stop ids that end the answer */
    int n_stop;
    tl_sampling sampling;
    tl_adapter *adapter; /* borrowed for the call; NULL: the base alone */

    /* Told every token as it is drawn (no stop ids); false ends this request.  NULL: nobody listens. */
    bool (*on_token)(void *context, int id);
    void *context;

    tl_ids ids;       /* out, the caller's to reset: emptied first */
    tl_finish finish; /* out */
} tl_generate_request;

/* Greedy, at most 128 tokens, no stop ids. */
tl_generate_request tl_generate_defaults(void);

int tl_engine_generate(tl_engine *e, tl_generate_request *requests, int n, tl_err *err);

/* Have watch told, whenever a request ends, how many of the call's n have; false stops the call with TL_EINTERRUPTED.
 * For progress and Ctrl-C.  NULL: nobody watches. */
typedef bool tl_engine_watch_fn(void *context, int done, int n);
void tl_engine_watch(tl_engine *e, tl_engine_watch_fn *watch, void *context);

/* What has been done since the engine was made, for reports: take the difference of two. */
typedef struct tl_engine_counts {
    size_t prompt_tokens;    /* submitted in prompts */
    size_t prompt_computed;  /* of those, run through the layers; the others were found in the cache */
    size_t scored_tokens;    /* of continuations and texts */
    size_t generated_tokens; /* drawn, stop ids included */
    size_t rows;             /* run through the layers, for whatever purpose */
    size_t steps;
    double seconds; /* spent in calls */
} tl_engine_counts;

tl_engine_counts tl_engine_count(const tl_engine *e);

#endif
