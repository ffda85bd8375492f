/* schedule.h - the engine's inside: jobs, lanes, and the step that runs them; for engine.c and schedule.c alone.
 *
 * A request that runs is a job.  It has one lane for its prompt (and what follows it), and where several continuations
 * branch off the prompt, some more for those.  A lane is a sequence with its page table and the positions still to be
 * computed:
 *
 *     0 ........ shared ........ next ........ end            wanted .. end-1 give logits
 *     found in the cache   computed   to do
 *
 * A step takes rows from the lanes, oldest job first, until the batch is full; so a job never waits for a younger one.
 *
 *   score, one continuation   the prompt's lane goes on through the continuation.
 *   score, several            the prompt's last row gives the first token of each.  What has more tokens branches: a
 * lane sees the prompt's whole pages, copies the page begun, and goes on in pages of its own. generate each token drawn
 * moves the end of the prompt's lane by one.
 *
 * All pages a job may need are taken when it is admitted, so a job that runs can end; branches, which may be many,
 * share the lanes and pages that were to be had then, one set at least. */
#ifndef TL_INFER_SCHEDULE_H
#define TL_INFER_SCHEDULE_H

#include "infer/engine.h"
#include "infer/pages.h"
#include "model/forward.h"

enum {
    LOGIT_ROWS = 64
}; /* rows of logits held at a time */

typedef struct tl_job tl_job;

typedef struct tl_lane {
    tl_job *job;          /* NULL: free */
    struct tl_lane *more; /* of the same job */
    const int *tail;      /* ids from n_prompt on, borrowed from the request */
    int shared, next, end, wanted;
    int *pages;         /* in the arena: [pages of T] */
    int owned, n_pages; /* pages[owned .. n_pages-1] are released by this lane */
    int continuation;   /* which one its tail is, where it is scored; else -1 */
} tl_lane;

struct tl_job {
    int request; /* its number in the call */
    const int *prompt;
    int n_prompt;
    tl_adapter *adapter;
    tl_score_request *score; /* one of these two */
    tl_generate_request *generate;
    tl_lane *lane;           /* the prompt's; branches follow it */
    tl_rng rng;              /* generate */
    tl_hash name;            /* of the last page named */
    int named;               /* pages that have been given their names */
    int unscored, branching; /* score: continuations not finished; the next one to look at for a branch */
};

/* A row of the batch whose logits are wanted. */
typedef struct tl_wanted {
    tl_lane *lane;
    int position;
} tl_wanted;

/* The pieces a lane gave to this step's batch. */
typedef struct tl_piece {
    tl_lane *lane;
    int rows;
    bool placed;
} tl_piece;

/* What is being worked on in a call: n requests of one kind. */
typedef struct tl_call {
    tl_score_request *score; /* one of these two */
    tl_generate_request *generate;
    int n, next, done; /* requests; the next to be admitted; ended */
    tl_hash serial;    /* names what this call computes with weights that have no name */
} tl_call;

struct tl_engine {
    const tl_model *model; /* borrowed */
    tl_stream *stream;     /* borrowed */
    tl_engine_options options;
    tl_acts *acts;   /* owned */
    tl_arena *arena; /* owned: everything below */
    tl_page_pool pool;
    tl_lane *lanes; /* [max_sequences] */
    tl_job *jobs;   /* [max_sequences] */
    tl_job **order; /* [max_sequences] those that run, oldest first */
    int n_jobs, free_lanes;
    /* The batch: */
    int *ids, *positions;  /* [max_rows] */
    tl_segment *segments;  /* [max_sequences] */
    tl_adapter **adapters; /* [max_sequences] */
    tl_piece *pieces;      /* [max_sequences] */
    tl_wanted *wanted;     /* [max_rows] */
    int *wanted_rows;      /* [max_rows] */
    int n_rows, n_segments, n_wanted;
    /* What comes out of it: */
    float *logits;    /* [logit rows, V] */
    float *log_probs; /* [logit rows] */
    int *targets;     /* [logit rows] */
    int *scratch;     /* [V] for the sampler */

    tl_engine_watch_fn *watch;
    void *watch_context; /* borrowed */
    tl_engine_counts counts;
    size_t calls;
};

/* Run a call whose requests have been checked to its end. */
int tl_engine_run(tl_engine *e, tl_call *call, tl_err *err);

static inline int tl_pages_for(int positions)
{
    return (positions + TL_PAGE - 1) / TL_PAGE;
}

#endif
