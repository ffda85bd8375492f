/* peers.c - how each peer is asked. */
#include "bench/peers.h"

#include "base/interrupt.h"
#include "base/log.h"
#include "io/json.h"

#include <string.h>

static int number_in(double *out, json_t *object, const char *key, const char *who, tl_err *err)
{
    json_t *x = json_object_get(object, key);
    if (!json_is_number(x)) return tl_fail(err, TL_EFORMAT, "%s: its JSON has no number '%s'", who, key);
    *out = json_number_value(x);
    return 0;
}

static const char *number(tl_peer *p, int i, int n)
{
    snprintf(p->numbers[i], sizeof p->numbers[i], "%d", n);
    return p->numbers[i];
}

/* ---- peers with a process of their own, a script of bench/: a line of JSON when it is warm, one for each turn ---- */

static int script_open(tl_peer *p, const char *const argv[], tl_err *err)
{
    json_t *ready = NULL;
    TL_TRY(tl_process_start(&p->process, argv, false, err));
    int rc = tl_process_read(&p->process, &ready, err);
    if (rc == 0) rc = number_in(&p->peak_gb, ready, "peak_gb", argv[1], err);
    json_decref(ready);
    return rc;
}

static int script_turn(tl_peer *p, double *value, tl_err *err)
{
    json_t *answer = NULL;
    TL_TRY(tl_process_ask(&p->process, &answer, err));
    int rc = number_in(value, answer, "value", p->name, err);
    json_decref(answer);
    return rc;
}

static int torch_open(tl_peer *p, tl_err *err)
{
    const tl_bench_row *r = p->row;
    TL_TRY(tl_shape_dir(p->model, sizeof p->model, r->shape, p->options->cache, err));
    const char *const argv[] = { p->path,
                                 "bench/peer_torch.py",
                                 p->model,
                                 strncmp(r->kind, "lora", 4) == 0 ? "lora" : "full",
                                 number(p, 0, r->rows),
                                 number(p, 1, r->length),
                                 number(p, 2, p->options->threads),
                                 r->work == &tl_bench_train_memory ? "memory" : "speed",
                                 NULL };
    return script_open(p, argv, err);
}

static int torch_turn(tl_peer *p, double *value, tl_err *err)
{
    *value = p->peak_gb;
    return p->row->work == &tl_bench_train_memory ? 0 : script_turn(p, value, err);
}

static const char *python_of(const tl_bench_options *o)
{
    return o->python ? o->python : "/usr/bin/python3"; /* scripts that need no package */
}

static int server_open(tl_peer *p, tl_err *err)
{
    TL_TRY(tl_shape_gguf(p->model, sizeof p->model, p->row->shape, TL_DTYPE_BF16, p->options->cache, err));
    const char *const argv[] = { python_of(p->options),
                                 "bench/peer_server.py",
                                 p->path,
                                 p->model,
                                 number(p, 0, p->row->rows),
                                 number(p, 1, p->row->length),
                                 number(p, 2, p->options->threads),
                                 NULL };
    return script_open(p, argv, err);
}

static int llm_c_open(tl_peer *p, tl_err *err)
{
    const char *const argv[] = { python_of(p->options), "bench/peer_llm_c.py", p->path,
                                 number(p, 0, p->options->threads), NULL };
    return script_open(p, argv, err);
}

static int tokenizers_open(tl_peer *p, tl_err *err)
{
    const char *const argv[] = { p->path, "bench/peer_tokenizers.py", tl_bench_tokenizer_dir(), p->row->kind, NULL };
    return script_open(p, argv, err);
}

/* ---- llama-bench: run once a turn ---- */

static int llama_open(tl_peer *p, tl_err *err)
{
    tl_dtype type;
    if (!tl_dtype_parse(&type, p->row->kind)) return tl_fail(err, TL_EUSAGE, "%s: no type of GGUF", p->row->kind);
    return tl_shape_gguf(p->model, sizeof p->model, p->row->shape, type, p->options->cache, err);
}

/* It prints an array with one object for each test; the rate is avg_ts. */
static int llama_turn(tl_peer *p, double *value, tl_err *err)
{
    const bool prompt = p->row->work == &tl_bench_prompt;
    const char *n = number(p, 0, p->row->length);
    const char *argv[] = { p->path,
                           "-m",
                           p->model,
                           "-t",
                           number(p, 1, p->options->threads),
                           "-p",
                           prompt ? n : "0",
                           "-n",
                           prompt ? "0" : n,
                           "-r",
                           "1",
                           "-o",
                           "json",
                           NULL,
                           NULL,
                           NULL };
    if (strcmp(p->name, "ik_llama.cpp") == 0) { /* weights repacked when they are loaded: its best */
        argv[13] = "-rtr";
        argv[14] = "1";
    }
    double peak = 0;
    tl_buf text = tl_buf_make((size_t)1 << 20);
    int rc = tl_process_run(&text, &peak, argv, true, err);
    json_t *tests = rc == 0 ? tl_json_parse(text.data, text.size, &(json_error_t){ 0 }) : NULL;
    if (rc == 0 && json_array_size(tests) != 1)
        rc = tl_fail(err, TL_EFORMAT, "%s: its output is not JSON of one test", p->path);
    if (rc == 0) rc = number_in(value, json_array_get(tests, 0), "avg_ts", p->path, err);
    if (rc == 0 && peak > p->peak_gb) p->peak_gb = peak;
    json_decref(tests);
    tl_buf_reset(&text);
    return rc;
}

/* ---- all of them ---- */

static const struct {
    tl_bench_peer_kind kind;
    const char *name;
    size_t path; /* in tl_bench_options */
    int (*open)(tl_peer *p, tl_err *err);
    tl_peer_turn_fn *turn;
} known[] = {
    { TL_PEER_TORCH, "torch", offsetof(tl_bench_options, python), torch_open, torch_turn },
    { TL_PEER_LLAMA, "llama.cpp", offsetof(tl_bench_options, llama_bench), llama_open, llama_turn },
    { TL_PEER_LLAMA, "ik_llama.cpp", offsetof(tl_bench_options, ik_llama_bench), llama_open, llama_turn },
    { TL_PEER_SERVER, "llama-server", offsetof(tl_bench_options, llama_server), server_open, script_turn },
    { TL_PEER_TOKENIZERS, "tokenizers", offsetof(tl_bench_options, python), tokenizers_open, script_turn },
    { TL_PEER_LLM_C, "llm.c", offsetof(tl_bench_options, llm_c), llm_c_open, script_turn },
};

int tl_peers_open(tl_peers *out, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    *out = (tl_peers){ .n = 0 };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *path = *(const char *const *)(const void *)((const char *)o + known[i].path);
        if (known[i].kind != row->peer || !path) continue;
        tl_peer *p = &out->peer[out->n];
        *p = (tl_peer){ .name = known[i].name, .turn = known[i].turn, .row = row, .options = o, .path = path };
        tl_err failed = { 0 };
        if (known[i].open(p, &failed) == 0) {
            out->n++;
            continue;
        }
        tl_process_end(&p->process);
        TL_TRY(tl_interrupt_check("bench", err));
        tl_log("%s: without %s: %s", row->name, p->name, failed.text);
    }
    return 0;
}

int tl_peer_turn(tl_peer *p, double *value, tl_err *err)
{
    return p->turn(p, value, err);
}

void tl_peers_close(tl_peers *p)
{
    for (int i = 0; i < p->n; i++) tl_process_end(&p->peer[i].process);
    p->n = 0;
}
