/* process.c - fork, exec, two pipes. */
#define _GNU_SOURCE /* pipe2 */
#include "bench/process.h"

#include "base/interrupt.h"
#include "io/json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the new process: ends[0] to read from, ends[1] to write to. */
static void become(const char *const argv[], const int ends[2], bool quiet)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(ends[0], STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    if (quiet) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    }
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

int tl_process_start(tl_process *p, const char *const argv[], bool quiet, tl_err *err)
{
    int in[2], out[2];
    *p = (tl_process){ .name = argv[0] };
    if (pipe2(in, O_CLOEXEC) < 0) return tl_fail(err, TL_EIO, "%s: no pipe could be made", p->name);
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[0]);
        close(in[1]);
        return tl_fail(err, TL_EIO, "%s: no pipe could be made", p->name);
    }
    fflush(stdout);
    p->pid = fork();
    if (p->pid == 0) become(argv, (const int[2]){ in[0], out[1] }, quiet);
    close(in[0]);
    close(out[1]);
    p->in = fdopen(in[1], "w");
    p->out = fdopen(out[0], "r");
    if (p->pid > 0 && p->in && p->out) return 0;
    int rc = tl_fail(err, TL_EIO, "%s: it could not be started", p->name);
    if (!p->in) close(in[1]);
    if (!p->out) close(out[0]);
    if (p->pid < 0) p->pid = 0;
    tl_process_end(p);
    return rc;
}

int tl_process_read(tl_process *p, json_t **out, tl_err *err)
{
    char *line = NULL;
    size_t size = 0;
    json_error_t bad;
    ssize_t n = getline(&line, &size, p->out);
    *out = n > 0 ? tl_json_parse(line, (size_t)n, &bad) : NULL;
    free(line);
    TL_TRY(tl_interrupt_check("bench", err));
    if (n <= 0) return tl_fail(err, TL_EIO, "%s: it ended where an answer was wanted", p->name);
    if (json_is_object(*out)) return 0;
    json_decref(*out);
    *out = NULL;
    return tl_fail(err, TL_EFORMAT, "%s: what it printed is no line of JSON", p->name);
}

int tl_process_ask(tl_process *p, json_t **out, tl_err *err)
{
    if (fputc('\n', p->in) == EOF || fflush(p->in) != 0)
        return tl_fail(err, TL_EIO, "%s: it ended before it was asked", p->name);
    return tl_process_read(p, out, err);
}

void tl_process_end(tl_process *p)
{
    if (p->in) fclose(p->in);
    if (p->out) fclose(p->out);
    for (int i = 0; p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == 0; i++) {
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        if (i == 1000 || tl_interrupted()) kill(p->pid, SIGKILL);
    }
    *p = (tl_process){ 0 };
}

int tl_process_run(tl_buf *out, double *peak_gb, const char *const argv[], bool quiet, tl_err *err)
{
    tl_process p;
    char piece[4096];
    int status = 0, rc = 0;
    struct rusage usage = { 0 };
    TL_TRY(tl_process_start(&p, argv, quiet, err));
    fclose(p.in);
    p.in = NULL;
    for (size_t n; rc == 0 && (n = fread(piece, 1, sizeof piece, p.out)) > 0;)
        if (out) rc = tl_buf_append(out, piece, n, err);
    if (rc == 0) rc = tl_interrupt_check("bench", err);
    if (rc == 0 && wait4(p.pid, &status, 0, &usage) == p.pid) p.pid = 0;
    if (rc == 0 && !(p.pid == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0))
        rc = tl_fail(err, TL_EIO, "%s: it ended with %s %d", p.name, WIFSIGNALED(status) ? "signal" : "code",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (peak_gb) *peak_gb = (double)usage.ru_maxrss * 1024 / 1e9;
    tl_process_end(&p);
    return rc;
}
