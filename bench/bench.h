/* bench.h - one row of `make bench`: what is measured, against which ceiling, which peers and which targets.
 *
 * A row is measured in turns.  Our side of it is a process of its own (child.c), which sets up once, says what memory
 * that took, and measures once whenever it is asked; a peer is another such process, or a program run once a turn
 * (peers.c).  Turns of ours and theirs alternate, and ours takes the ceiling before and after each measure: cores
 * shared with other machines change their speed by half within minutes, so only neighbours in time are compared.
 * measure.c asks, verdict.c judges and prints. */
#ifndef TL_BENCH_BENCH_H
#define TL_BENCH_BENCH_H

#include "base/err.h"
#include "bench/shapes.h"

#include <stdbool.h>

typedef struct tl_bench_options {
    int threads;
    bool quick;          /* fewer turns */
    const char *program; /* tailor itself */
    const char *cache;   /* folder of the random models */

    /* Peers, by path; NULL: not there.  python is one with torch (bench/peers). */
    const char *python, *llama_bench, *ik_llama_bench, *llama_server, *llm_c;
} tl_bench_options;

/* What a turn has measured: one figure, or for products one for each shape. */
enum {
    TL_BENCH_PARTS = 5
};

typedef struct tl_bench_turn {
    int n;
    struct {
        const char *name; /* of the part; NULL where there is one only */
        double value;     /* in the row's unit */
        double ratio;     /* of the ceiling around it; 0: there is none */
    } part[TL_BENCH_PARTS];
} tl_bench_turn;

typedef struct tl_bench_row tl_bench_row;

/* How a kind of row is measured.  open sets up and does everything once, so that nothing is met for the first time
 * later; it leaves in *state what close takes, also where it fails. */
typedef struct tl_bench_work {
    int (*open)(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err);
    int (*turn)(void *state, tl_bench_turn *out, tl_err *err); /* NULL: what open took in memory is all (in GB) */
    void (*close)(void *state);
} tl_bench_work;

extern const tl_bench_work tl_bench_product, tl_bench_train, tl_bench_train_memory, tl_bench_lora_step, tl_bench_prompt,
    tl_bench_decode, tl_bench_clients, tl_bench_start, tl_bench_tokenize;

/* Whose vocabulary the rows of encoding have: a directory. */
const char *tl_bench_tokenizer_dir(void);

typedef enum tl_bench_peer_kind {
    TL_PEER_NONE,
    TL_PEER_TORCH,     /* PyTorch, transformers, peft */
    TL_PEER_LLAMA,     /* llama-bench of llama.cpp, of ik_llama.cpp: the better one counts */
    TL_PEER_SERVER,    /* llama-server */
    TL_PEER_LLM_C,     /* llm.c's train_gpt2 */
    TL_PEER_TOKENIZERS /* the package, one thread */
} tl_bench_peer_kind;

/* How a target is meant. */
typedef enum tl_bench_aim {
    TL_AIM_NONE,
    TL_AIM_CEILING, /* ceiling_ratio at least so much */
    TL_AIM_PEER,    /* peer_ratio at least so much */
    TL_AIM_LEAST,   /* value at least so much */
    TL_AIM_MOST     /* value at most so much */
} tl_bench_aim;

enum {
    TL_BENCH_TARGETS = 2 /* of a row, at most */
};

struct tl_bench_row {
    const char *name, *unit;
    const tl_bench_work *work;
    const char *shape; /* a name of shapes.h; NULL for products */
    const char *kind;  /* a word for the work: training.c, product.c; for inference what the weights lie in */
    int rows, length;  /* sequences by tokens; rows of a product */
    tl_bench_peer_kind peer;
    bool less; /* is better; peer_ratio is theirs over ours then, so that more is always better for us */
    struct {
        tl_bench_aim aim;
        double than;
    } target[TL_BENCH_TARGETS];
};

/* All rows, name NULL at the end (rows.c): the one table of targets. */
extern const tl_bench_row tl_bench_rows[];

/* NULL: there is no such row. */
const tl_bench_row *tl_bench_row_of(const char *name);

/* The process that measures our side of a row: prints {"peak_gb": ...} when it is set up, then for each line on its
 * standard input {"parts": [{"name", "value", "ratio"}, ...]}. */
int tl_bench_child(const tl_bench_row *row, const tl_bench_options *o, tl_err *err);

#endif
