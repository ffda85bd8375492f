/* peers.c - the same work by others, as they are installed: one number from a process of theirs. */
#include "bench/bench.h"

#include "base/buf.h"
#include "io/json.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What argv prints on its standard output. */
static int output_of(tl_buf *out, const char *const argv[], tl_err *err)
{
    int ends[2], status;
    char piece[4096];
    if (pipe(ends) < 0) return tl_fail(err, TL_EIO, "%s: no pipe could be made", argv[0]);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (!freopen("/dev/null", "w", stderr)) _exit(127);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(ends[1]);
    int rc = child < 0 ? tl_fail(err, TL_EIO, "%s: it could not be started", argv[0]) : 0;
    for (ssize_t n; rc == 0 && (n = read(ends[0], piece, sizeof piece)) > 0;)
        rc = tl_buf_append(out, piece, (size_t)n, err);
    close(ends[0]);
    if (child > 0 && waitpid(child, &status, 0) < 0) status = -1;
    if (rc == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        rc = tl_fail(err, TL_EIO, "%s: the peer ended with status %d", argv[0], status);
    return rc;
}

static int number_in(double *out, json_t *object, const char *key, const char *who, tl_err *err)
{
    json_t *x = json_object_get(object, key);
    if (!json_is_number(x)) return tl_fail(err, TL_EFORMAT, "%s: its JSON has no number '%s'", who, key);
    *out = json_number_value(x);
    return 0;
}

/* llama-bench prints an array with one object a test; its rate is avg_ts. */
static int llama_bench(double *value, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    char model[512], threads[16], n[16];
    TL_TRY(tl_shape_gguf(model, sizeof model, row->shape, o->cache, err));
    snprintf(threads, sizeof threads, "%d", o->threads);
    snprintf(n, sizeof n, "%d", row->length);
    const bool prompt = row->run == tl_bench_prompt;
    const char *argv[] = {
        o->llama_bench,       "-m", model,  "-t",   threads, "-p", prompt ? n : "0", "-n", prompt ? "0" : n, "-r",
        o->quick ? "1" : "3", "-o", "json", "-rtr", "1",     NULL
    };
    tl_buf text = tl_buf_make((size_t)1 << 20);
    int rc = output_of(&text, argv, err);
    if (rc < 0) { /* -rtr is ik_llama.cpp's own */
        tl_buf_clear(&text);
        argv[13] = NULL;
        rc = output_of(&text, argv, err);
    }
    json_t *tests = rc == 0 ? json_loadb(text.data, text.size, 0, NULL) : NULL;
    if (rc == 0 && json_array_size(tests) != 1)
        rc = tl_fail(err, TL_EFORMAT, "%s: its output is not JSON of one test", o->llama_bench);
    if (rc == 0) rc = number_in(value, json_array_get(tests, 0), "avg_ts", o->llama_bench, err);
    json_decref(tests);
    tl_buf_reset(&text);
    return rc;
}

static int torch(double *value, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    char rows[16], length[16], threads[16];
    snprintf(rows, sizeof rows, "%d", row->rows);
    snprintf(length, sizeof length, "%d", row->length);
    snprintf(threads, sizeof threads, "%d", o->threads);
    const char *argv[] = { o->python, "bench/peer_torch.py", row->kind, rows, length,
                           threads,   o->quick ? "1" : "3",  NULL };
    tl_buf text = tl_buf_make((size_t)1 << 20);
    int rc = output_of(&text, argv, err);
    json_t *object = rc == 0 ? json_loadb(text.data, text.size, 0, NULL) : NULL;
    if (rc == 0) rc = number_in(value, object, "tokens_per_second", "bench/peer_torch.py", err);
    json_decref(object);
    tl_buf_reset(&text);
    return rc;
}

int tl_bench_peer(double *value, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    *value = 0;
    if (row->peer && strcmp(row->peer, "llama-bench") == 0 && o->llama_bench) return llama_bench(value, row, o, err);
    if (row->peer && strcmp(row->peer, "torch") == 0 && o->python) return torch(value, row, o, err);
    return 0;
}
