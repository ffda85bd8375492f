/* schedule.c - admitting requests, the step, and what is done with its logits.  The words are in schedule.h. */
#include "infer/schedule.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- names of pages ---- */

static bool is_zero(const tl_hash *h)
{
    static const tl_hash zero;
    return memcmp(h, &zero, sizeof zero) == 0;
}

/* What all page names of a job begin with: the adapter - the base is the engine's, and only one.  Where one of the two
 * is being trained and so has no name: this call and the adapter's address, which no other call finds again. */
static tl_hash root_name(const tl_engine *e, const tl_call *call, const tl_adapter *a)
{
    struct {
        tl_hash adapter, serial;
        uintptr_t address;
    } root;
    memset(&root, 0, sizeof root);
    if (a) root.adapter = a->hash;
    if (!e->model->named || (a && is_zero(&root.adapter))) {
        root.serial = call->serial;
        root.address = (uintptr_t)a;
    }
    return tl_hash_bytes(&root, sizeof root);
}

static int id_at(const tl_lane *l, int position)
{
    int n = l->job->n_prompt;
    return position < n ? l->job->prompt[position] : l->tail[position - n];
}

/* The name of page number `page` of a lane, given that of the one before it. */
static tl_hash next_name(const tl_lane *l, const tl_hash *before, int page)
{
    int ids[TL_PAGE];
    for (int i = 0; i < TL_PAGE; i++) ids[i] = id_at(l, page * TL_PAGE + i);
    return tl_hash_chain(before, ids, sizeof ids);
}

static void name_page(tl_engine *e, tl_lane *l)
{
    tl_job *j = l->job;
    j->name = next_name(l, &j->name, j->named);
    tl_page_name(&e->pool, l->pages[j->named++], &j->name);
}

/* ---- jobs and lanes ---- */

static tl_lane *lane_take(tl_engine *e, tl_job *j)
{
    tl_lane *l = e->lanes;
    while (l->job) l++;
    *l = (tl_lane){ .job = j, .pages = l->pages, .continuation = -1 };
    e->free_lanes--;
    return l;
}

/* The last page first: of what is kept, the beginnings of prompts shall stay longest. */
static void lane_release(tl_engine *e, tl_lane *l)
{
    while (l->n_pages > l->owned) tl_page_release(&e->pool, l->pages[--l->n_pages]);
    l->job = NULL;
    e->free_lanes++;
}

static void job_release(tl_engine *e, tl_job *j)
{
    for (tl_lane *l = j->lane, *more; l; l = more) {
        more = l->more;
        lane_release(e, l);
    }
    j->lane = NULL;
    int at = 0;
    while (e->order[at] != j) at++;
    memmove(e->order + at, e->order + at + 1, (size_t)(--e->n_jobs - at) * sizeof(tl_job *));
}

/* ---- admission ---- */

/* What a request needs beside its prompt's pages: positions of the prompt's lane, and the sets of pages for branches.
 */
typedef struct needs {
    int positions, branches, branch_pages;
} needs;

static needs needs_of(const tl_engine *e, const tl_job *j)
{
    needs r = { .positions = j->n_prompt };
    if (j->generate) {
        int T = e->model->config.T, more = j->generate->max_tokens - 1;
        r.positions = more < T - j->n_prompt ? j->n_prompt + more : T;
    } else if (j->score->n_continuations == 1) {
        r.positions += (int)j->score->continuations[0].size - 1;
    } else {
        for (int i = 0; i < j->score->n_continuations; i++) {
            int size = (int)j->score->continuations[i].size;
            if (size < 2) continue; /* the prompt's last row says it all */
            int pages = tl_pages_for(j->n_prompt + size - 1) - j->n_prompt / TL_PAGE;
            r.branches++;
            if (pages > r.branch_pages) r.branch_pages = pages;
        }
    }
    return r;
}

/* Hold what the cache has of the prompt's beginning.  At least the last position stays to be computed: its logits are
 * what the prompt is run for. */
static void find_prefix(tl_engine *e, tl_lane *l)
{
    tl_job *j = l->job;
    int most = (j->n_prompt - 1) / TL_PAGE;
    for (; j->named < most; j->named++) {
        tl_hash name = next_name(l, &j->name, j->named);
        int page = tl_page_find(&e->pool, &name);
        if (page < 0) break;
        l->pages[l->n_pages++] = page;
        j->name = name;
    }
    l->shared = l->n_pages;
    l->next = l->shared * TL_PAGE;
}

/* Lanes for the branches, as many as there are lanes and pages, one at least. */
static void take_branches(tl_engine *e, tl_job *j, const needs *need)
{
    tl_lane *last = j->lane;
    for (int i = 0; i < need->branches && e->free_lanes > 0; i++) {
        if (e->pool.idle < need->branch_pages) break;
        tl_lane *l = last->more = lane_take(e, j);
        l->owned = l->n_pages = j->n_prompt / TL_PAGE;
        for (int p = 0; p < need->branch_pages; p++) l->pages[l->n_pages++] = tl_page_take(&e->pool);
        last = l;
    }
    assert(need->branches == 0 || j->lane->more);
}

/* Make the call's next request a job; false where lanes or pages for it are not free yet. */
static bool admit(tl_engine *e, tl_call *call)
{
    if (e->free_lanes == 0) return false;
    tl_job *j = e->jobs; /* every job has a lane: where a lane is free, a job is */
    while (j->lane) j++;
    *j = (tl_job){ .request = call->next };
    if (call->score) {
        tl_score_request *r = j->score = &call->score[call->next];
        j->prompt = r->prompt, j->n_prompt = r->n_prompt, j->adapter = r->adapter;
        j->unscored = r->n_continuations;
    } else {
        tl_generate_request *r = j->generate = &call->generate[call->next];
        j->prompt = r->prompt, j->n_prompt = r->n_prompt, j->adapter = r->adapter;
        j->rng = tl_sampler_rng(&r->sampling);
    }
    needs need = needs_of(e, j);
    if (e->free_lanes < 1 + (need.branches > 0)) return false;

    tl_lane *l = j->lane = lane_take(e, j);
    e->order[e->n_jobs++] = j;
    bool share = e->options.share_prefixes;
    if (share) {
        j->name = root_name(e, call, j->adapter);
        find_prefix(e, l);
    }
    int pages = tl_pages_for(need.positions);
    if (e->pool.idle < pages - l->n_pages + need.branch_pages) {
        job_release(e, j);
        return false;
    }
    while (l->n_pages < pages) l->pages[l->n_pages++] = tl_page_take(&e->pool);
    while (share && j->named < j->n_prompt / TL_PAGE) name_page(e, l);
    take_branches(e, j, &need);

    l->wanted = j->n_prompt - 1;
    l->end = j->n_prompt;
    if (j->score) {
        const tl_score_request *r = j->score;
        for (int i = 0; i < r->n_continuations; i++) {
            r->log_probs[i] = 0;
            e->counts.scored_tokens += r->continuations[i].size;
        }
        if (r->n_continuations == 1) {
            l->tail = r->continuations[0].data;
            l->continuation = 0;
            l->end = need.positions;
        }
    }
    e->counts.prompt_tokens += (size_t)j->n_prompt;
    call->next++;
    return true;
}

/* ---- the batch ---- */

/* A lane that begins with another's pages waits until they are there.  That other is older, so it never waits for us.
 */
static bool waits(const tl_engine *e, const tl_lane *l)
{
    if (l->next != l->shared * TL_PAGE) return false;
    for (int i = 0; i < l->shared; i++)
        if (!e->pool.pages[l->pages[i]].ready) return true;
    return false;
}

/* A batch is run by one model: lanes whose adapter has weights of its own wait for a step of theirs. */
static int gather(tl_engine *e)
{
    int n = 0, left = e->options.max_rows;
    const tl_model *seen = NULL;
    for (int i = 0; i < e->n_jobs; i++) {
        for (tl_lane *l = e->order[i]->lane; l && left > 0; l = l->more) {
            int rows = l->end - l->next < left ? l->end - l->next : left;
            const tl_model *m = tl_adapter_model(e->model, l->job->adapter);
            if (rows <= 0 || waits(e, l) || (seen && m != seen)) continue;
            seen = m;
            e->pieces[n++] = (tl_piece){ .lane = l, .rows = rows };
            left -= rows;
        }
    }
    return n;
}

/* Append a piece to the batch. */
static void place(tl_engine *e, tl_piece *piece)
{
    tl_lane *l = piece->lane;
    piece->placed = true;
    e->adapters[e->n_segments] = l->job->adapter;
    e->segments[e->n_segments++] =
        (tl_segment){ .row = e->n_rows, .rows = piece->rows, .start = l->next, .pages = l->pages };
    for (int i = 0; i < piece->rows; i++, e->n_rows++) {
        int position = l->next + i;
        e->ids[e->n_rows] = id_at(l, position);
        e->positions[e->n_rows] = position;
        if (position < l->wanted) continue;
        e->wanted_rows[e->n_wanted] = e->n_rows;
        e->wanted[e->n_wanted++] = (tl_wanted){ l, position };
    }
}

/* The pieces in an order in which rows of one adapter stand together. */
static void arrange(tl_engine *e, int n_pieces)
{
    e->n_rows = e->n_segments = e->n_wanted = 0;
    for (int i = 0; i < n_pieces; i++) {
        if (e->pieces[i].placed) continue;
        const tl_adapter *a = e->pieces[i].lane->job->adapter;
        for (int k = i; k < n_pieces; k++)
            if (!e->pieces[k].placed && e->pieces[k].lane->job->adapter == a) place(e, &e->pieces[k]);
    }
}

static void forward(tl_engine *e)
{
    tl_batch b = { .N = e->n_rows,
                   .ids = e->ids,
                   .positions = e->positions,
                   .n_segments = e->n_segments,
                   .segments = e->segments,
                   .adapters = e->adapters,
                   .pages = { e->pool.k, e->pool.v, tl_precision_dtype(e->stream->precision) } };
    tl_forward(e->model, e->stream, &b, e->acts);
    e->counts.rows += (size_t)e->n_rows;
    e->counts.steps++;
}

/* The piece's positions are computed: pages that are full now may be read by others, and an answer's get names, since
 * the next turn of a conversation begins with them. */
static void advance(tl_engine *e, const tl_piece *piece)
{
    tl_lane *l = piece->lane;
    tl_job *j = l->job;
    int from = l->next / TL_PAGE, prompt_left = j->n_prompt - l->next;
    if (prompt_left > 0) e->counts.prompt_computed += (size_t)(piece->rows < prompt_left ? piece->rows : prompt_left);
    l->next += piece->rows;
    while (j->generate && e->options.share_prefixes && (j->named + 1) * TL_PAGE <= l->next) name_page(e, l);
    for (int p = from; (p + 1) * TL_PAGE <= l->next; p++) tl_page_ready(&e->pool, l->pages[p]);
}

/* ---- what is done with logits ---- */

static int not_finite(const tl_wanted *w, tl_err *err)
{
    return tl_fail(err, TL_ENUMERIC, "request %d: the logits at position %d are not finite numbers",
                   w->lane->job->request, w->position);
}

/* The lane's next token stands in its tail, so a row has one target. */
static bool follows_tail(const tl_wanted *w)
{
    return w->lane->continuation >= 0;
}

static int add_log_prob(const tl_wanted *w, int continuation, float log_prob, tl_err *err)
{
    if (!isfinite(log_prob)) return not_finite(w, err);
    w->lane->job->score->log_probs[continuation] += (double)log_prob;
    return 0;
}

/* Rows of lanes that read their tail. */
static int score_rows(tl_engine *e, const tl_wanted *w, int n, float *logits, tl_err *err)
{
    for (int i = 0; i < n; i++) e->targets[i] = id_at(w[i].lane, w[i].position + 1);
    e->model->backend->log_prob(e->stream, e->log_probs, logits, e->targets, n, e->model->config.V);
    for (int i = 0; i < n; i++) TL_TRY(add_log_prob(&w[i], w[i].lane->continuation, e->log_probs[i], err));
    return 0;
}

/* The last row of a prompt where continuations part. */
static int score_parting(tl_engine *e, const tl_wanted *w, float *logits, tl_err *err)
{
    const tl_score_request *r = w->lane->job->score;
    for (int i = 0; i < r->n_continuations; i++) {
        e->model->backend->log_prob(e->stream, e->log_probs, logits, r->continuations[i].data, 1, e->model->config.V);
        TL_TRY(add_log_prob(w, i, e->log_probs[0], err));
    }
    return 0;
}

static bool is_stop(const tl_generate_request *r, int id)
{
    for (int i = 0; i < r->n_stop; i++)
        if (r->stop[i] == id) return true;
    return false;
}

/* Draw a token; unless it ends the request, the lane gets one more position. */
static int draw(tl_engine *e, const tl_wanted *w, const float *logits, tl_err *err)
{
    tl_lane *l = w->lane;
    tl_generate_request *r = l->job->generate;
    int id = tl_sampling_draw(logits, e->model->config.V, &r->sampling, &l->job->rng, e->scratch);
    if (id < 0) return not_finite(w, err);
    e->counts.generated_tokens++;
    if (is_stop(r, id)) {
        r->finish = TL_FINISH_STOP;
        return 0;
    }
    TL_TRY(tl_ids_push(&r->ids, id, err));
    l->tail = r->ids.data;
    if (r->on_token && !r->on_token(r->context, id))
        r->finish = TL_FINISH_CALLER;
    else if (r->ids.size == (size_t)r->max_tokens)
        r->finish = TL_FINISH_LENGTH;
    else if (w->position + 1 == e->model->config.T)
        r->finish = TL_FINISH_CONTEXT;
    else
        l->end = w->position + 2;
    return 0;
}

static int deliver(tl_engine *e, tl_err *err)
{
    size_t V = (size_t)e->model->config.V;
    for (int at = 0, n; at < e->n_wanted; at += n) {
        n = e->n_wanted - at < LOGIT_ROWS ? e->n_wanted - at : LOGIT_ROWS;
        tl_logits(e->model, e->stream, e->acts, e->wanted_rows + at, n, e->logits);
        for (int i = 0, run = 1; i < n; i += run) {
            const tl_wanted *w = &e->wanted[at + i];
            float *logits = e->logits + (size_t)i * V;
            for (run = 1; follows_tail(w) && i + run < n && follows_tail(w + run);) run++;
            if (w->lane->job->generate)
                TL_TRY(draw(e, w, logits, err));
            else if (follows_tail(w))
                TL_TRY(score_rows(e, w, run, logits, err));
            else
                TL_TRY(score_parting(e, w, logits, err));
        }
    }
    return 0;
}

/* ---- ends ---- */

/* Set idle branch lanes on the continuations that wait. */
static void start_branches(tl_engine *e, tl_job *j)
{
    const tl_score_request *r = j->score;
    int whole = j->n_prompt / TL_PAGE;
    for (tl_lane *l = j->lane->more; l; l = l->more) {
        if (l->next < l->end) continue;
        while (j->branching < r->n_continuations && r->continuations[j->branching].size < 2) j->branching++;
        if (j->branching == r->n_continuations) return;
        l->continuation = j->branching++;
        l->tail = r->continuations[l->continuation].data;
        l->next = l->wanted = j->n_prompt;
        l->end = j->n_prompt + (int)r->continuations[l->continuation].size - 1;
        memcpy(l->pages, j->lane->pages, (size_t)whole * sizeof *l->pages);
        if (j->n_prompt % TL_PAGE) tl_page_copy(&e->pool, l->pages[whole], j->lane->pages[whole]);
    }
}

/* A lane has computed all it was to compute: count what that has scored. */
static void lane_count(const tl_lane *l)
{
    tl_job *j = l->job;
    if (j->generate) return;
    if (l->continuation >= 0)
        j->unscored--;
    else
        for (int i = 0; i < j->score->n_continuations; i++) j->unscored -= j->score->continuations[i].size == 1;
}

/* Whether a job whose lanes are counted is done; else its idle lanes go on with what waits. */
static bool job_done(tl_engine *e, tl_job *j)
{
    if (j->generate) return true; /* drawing has not moved the end */
    start_branches(e, j);
    return j->unscored == 0;
}

static int step(tl_engine *e, tl_call *call, tl_err *err)
{
    while (call->next < call->n && admit(e, call)) continue;
    int n_pieces = gather(e);
    assert(n_pieces > 0); /* the oldest job waits for nobody */
    arrange(e, n_pieces);
    forward(e);
    for (int i = 0; i < n_pieces; i++) advance(e, &e->pieces[i]);
    TL_TRY(deliver(e, err));
    /* All are counted before any goes on: two lanes of a job may end in the same step, and the first one's end must not
     * set the second on another continuation before its own is counted. */
    for (int i = 0; i < n_pieces; i++)
        if (e->pieces[i].lane->next == e->pieces[i].lane->end) lane_count(e->pieces[i].lane);
    for (int i = 0; i < n_pieces; i++) {
        tl_lane *l = e->pieces[i].lane;
        if (!l->job || l->next < l->end || !job_done(e, l->job)) continue;
        job_release(e, l->job);
        call->done++;
        if (e->watch && !e->watch(e->watch_context, call->done, call->n))
            return tl_fail(err, TL_EINTERRUPTED, "stopped with %d of %d requests done", call->done, call->n);
    }
    return 0;
}

int tl_engine_run(tl_engine *e, tl_call *call, tl_err *err)
{
    int rc = 0;
    while (rc == 0 && call->done < call->n) rc = step(e, call, err);
    if (rc == 0) return 0;
    /* What failed may have left NaN in its pages, which would spoil whoever gets them next. */
    while (e->n_jobs > 0) job_release(e, e->order[e->n_jobs - 1]);
    tl_page_pool_clear(&e->pool);
    return rc;
}
