/* peers.h - the same work done by others, where they are installed.
 *
 *     TL_TRY(tl_peers_open(&peers, row, options, err));
 *     for each turn, for each i < peers.n: tl_peer_turn(&peers.peer[i], &value, err);
 *     tl_peers_close(&peers);
 *
 * Peers never enter the tree: each is a program given by path. */
#ifndef TL_BENCH_PEERS_H
#define TL_BENCH_PEERS_H

#include "bench/bench.h"
#include "bench/process.h"

enum {
    TL_PEERS = 2 /* of a row, at most */
};

typedef struct tl_peer tl_peer;

/* One figure, in the row's unit. */
typedef int tl_peer_turn_fn(tl_peer *p, double *value, tl_err *err);

struct tl_peer {
    const char *name; /* "ik_llama.cpp" */
    tl_peer_turn_fn *turn;
    const tl_bench_row *row;         /* borrowed */
    const tl_bench_options *options; /* borrowed */
    const char *path;                /* borrowed: the program */
    tl_process process;              /* one that is asked every turn */
    double peak_gb;                  /* what it held at most; 0: not known yet */
    char model[512], numbers[4][16];
};

typedef struct tl_peers {
    tl_peer peer[TL_PEERS];
    int n;
} tl_peers;

/* Those of the row that are there, set up and warm.  One that fails is told of in the log and left away. */
int tl_peers_open(tl_peers *out, const tl_bench_row *row, const tl_bench_options *o, tl_err *err);

int tl_peer_turn(tl_peer *p, double *value, tl_err *err);
void tl_peers_close(tl_peers *p);

#endif
