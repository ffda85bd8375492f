/* measure.c - one process of ours, peers beside it, a turn each until all have had theirs. */
#include "bench/measure.h"

#include "bench/peers.h"
#include "bench/process.h"

#include <stdio.h>
#include <string.h>

enum {
    TURNS = 7,
    QUICK_TURNS = 2
};

/* Figures turn by turn. */
typedef struct figures {
    double value[TL_BENCH_PARTS][TURNS], ratio[TL_BENCH_PARTS][TURNS];
    double peer[TL_PEERS][TURNS], peer_ratio[TL_PEERS][TURNS];
    int turns;
} figures;

static int ours(const tl_bench_row *row, const tl_bench_options *o, tl_process *p, tl_err *err)
{
    char threads[16];
    snprintf(threads, sizeof threads, "%d", o->threads);
    const char *const argv[] = { "/proc/self/exe", "--child",  row->name, "--threads", threads,
                                 "--tailor",       o->program, "--cache", o->cache,    NULL };
    return tl_process_start(p, argv, false, err);
}

static int take_parts(tl_bench_verdict *v, figures *f, json_t *answer, tl_err *err)
{
    json_t *parts = json_object_get(answer, "parts");
    const size_t n = json_array_size(parts);
    if (n < 1 || n > TL_BENCH_PARTS)
        return tl_fail(err, TL_EFORMAT, "%s: its process answered with %zu figures", v->row->name, n);
    v->parts = (int)n;
    for (int i = 0; i < v->parts; i++) {
        json_t *part = json_array_get(parts, (size_t)i);
        f->value[i][f->turns] = json_number_value(json_object_get(part, "value"));
        f->ratio[i][f->turns] = json_number_value(json_object_get(part, "ratio"));
        const char *name = json_string_value(json_object_get(part, "name"));
        snprintf(v->part[i].name, sizeof v->part[i].name, "%s", name ? name : "");
        if (!(f->value[i][f->turns] > 0))
            return tl_fail(err, TL_EFORMAT, "%s: its process answered with no rate", v->row->name);
    }
    return 0;
}

/* The middle of our parts, turn for turn what peers are held against: they have one part. */
static int turn(tl_bench_verdict *v, figures *f, tl_process *p, tl_peers *peers, tl_err *err)
{
    json_t *answer = NULL;
    int rc = tl_process_ask(p, &answer, err);
    if (rc == 0) rc = take_parts(v, f, answer, err);
    json_decref(answer);
    for (int i = 0; rc == 0 && i < peers->n; i++) {
        double theirs = 0, own = f->value[0][f->turns];
        rc = tl_peer_turn(&peers->peer[i], &theirs, err);
        if (rc == 0 && !(theirs > 0))
            rc = tl_fail(err, TL_EFORMAT, "%s: %s answered with no rate", v->row->name, peers->peer[i].name);
        f->peer[i][f->turns] = theirs;
        f->peer_ratio[i][f->turns] = v->row->less ? theirs / own : own / theirs;
    }
    f->turns++;
    return rc;
}

static void sum_up(tl_bench_verdict *v, figures *f, const tl_peers *peers)
{
    double medians[TL_BENCH_PARTS];
    for (int i = 0; i < v->parts; i++) {
        tl_bench_part *p = &v->part[i];
        p->value = tl_spread_of(f->value[i], f->turns);
        p->ceiling = tl_spread_of(f->ratio[i], f->turns);
        medians[i] = p->value.median;
        if (i == 0 || p->value.low < v->value.low) v->value.low = p->value.low;
        if (i == 0 || p->value.high > v->value.high) v->value.high = p->value.high;
        if (i == 0 || p->ceiling.median < v->ceiling.median) v->ceiling = p->ceiling;
    }
    v->value.median = tl_spread_of(medians, v->parts).median;
    for (int i = 0; i < peers->n; i++) { /* the best peer is the one we are least ahead of */
        tl_spread ratio = tl_spread_of(f->peer_ratio[i], f->turns);
        if (v->peer && ratio.median >= v->peer_ratio.median) continue;
        v->peer = peers->peer[i].name;
        v->peer_ratio = ratio;
        v->peer_value = tl_spread_of(f->peer[i], f->turns).median;
        v->peer_peak_gb = peers->peer[i].peak_gb;
    }
}

int tl_bench_measure(tl_bench_verdict *out, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    figures f = { .turns = 0 };
    tl_process p;
    tl_peers peers = { .n = 0 };
    json_t *ready = NULL;
    *out = (tl_bench_verdict){ .row = row };
    TL_TRY(ours(row, o, &p, err));
    int rc = tl_process_read(&p, &ready, err);
    if (rc == 0) out->peak_gb = json_number_value(json_object_get(ready, "peak_gb"));
    json_decref(ready);
    if (rc == 0) rc = tl_peers_open(&peers, row, o, err);
    const int turns = !row->work->turn ? 1 : o->quick ? QUICK_TURNS : TURNS;
    while (rc == 0 && f.turns < turns) rc = turn(out, &f, &p, &peers, err);
    if (rc == 0) sum_up(out, &f, &peers);
    tl_peers_close(&peers);
    tl_process_end(&p);
    return rc;
}
