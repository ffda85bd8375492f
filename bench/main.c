/* main.c - make bench: which rows, children, turns with peers, the table.
 *
 *     bench [--rows PART] [--quick] [--json] [--threads N] [--python PATH] [--llama-bench PATH] [--list]
 *
 * --child NAME is the program calling itself: it runs one row and prints its samples. */
#include "bench/ceilings.h"
#include "bench/verdict.h"

#include "base/buf.h"
#include "io/json.h"

#include <getopt.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *rows, *child;
    bool json, list;
    tl_bench_options o;
} run = { .rows = "", .o = { .threads = 0, .cache = "build/bench/models" } };

static const tl_bench_row *row_of(const char *name)
{
    for (const tl_bench_row *r = tl_bench_rows; r->name; r++)
        if (strcmp(r->name, name) == 0) return r;
    return NULL;
}

/* ---- the child ---- */

static int child(tl_err *err)
{
    const tl_bench_row *row = row_of(run.child);
    tl_bench_samples s = { .n = 0 };
    if (!row) return tl_fail(err, TL_EUSAGE, "--child '%s': there is no such row", run.child);
    TL_TRY(row->run(row, &run.o, &s, err));
    printf("{\"value\": [");
    for (int i = 0; i < s.n; i++) printf("%s%.17g", i ? ", " : "", s.value[i]);
    printf("], \"ratio\": [");
    for (int i = 0; i < s.n; i++) printf("%s%.17g", i ? ", " : "", s.ratio[i]);
    printf("]}\n");
    return 0;
}

static int read_samples(tl_bench_samples *s, const tl_buf *text, const char *name, tl_err *err)
{
    json_t *object = json_loadb(text->data, text->size, 0, NULL);
    json_t *value = json_object_get(object, "value"), *ratio = json_object_get(object, "ratio");
    int n = (int)json_array_size(value);
    if (n < 1 || n > TL_BENCH_SAMPLES || (int)json_array_size(ratio) != n) {
        json_decref(object);
        return tl_fail(err, TL_EFORMAT, "%s: its process printed no samples", name);
    }
    for (s->n = 0; s->n < n; s->n++) {
        s->value[s->n] = json_number_value(json_array_get(value, (size_t)s->n));
        s->ratio[s->n] = json_number_value(json_array_get(ratio, (size_t)s->n));
    }
    json_decref(object);
    return 0;
}

/* Run a row in a process of its own; its samples, and its peak memory. */
static int run_child(tl_bench_samples *s, double *peak_gb, const tl_bench_row *row, tl_err *err)
{
    char threads[16], piece[4096];
    int ends[2], status = 0;
    struct rusage usage = { .ru_maxrss = 0 };
    snprintf(threads, sizeof threads, "%d", run.o.threads);
    fflush(stdout);
    if (pipe(ends) < 0) return tl_fail(err, TL_EIO, "%s: no pipe could be made", row->name);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "bench", "--child", row->name, "--threads", threads, run.o.quick ? "--quick" : NULL,
              (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    tl_buf text = tl_buf_make((size_t)1 << 16);
    int rc = pid < 0 ? tl_fail(err, TL_EIO, "%s: no process could be started", row->name) : 0;
    for (ssize_t n; rc == 0 && (n = read(ends[0], piece, sizeof piece)) > 0;)
        rc = tl_buf_append(&text, piece, (size_t)n, err);
    close(ends[0]);
    if (pid > 0) wait4(pid, &status, 0, &usage);
    if (rc == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        rc = tl_fail(err, TL_EIO, "%s: its process ended with status %d", row->name, status);
    if (rc == 0) rc = read_samples(s, &text, row->name, err);
    *peak_gb = (double)usage.ru_maxrss * 1024 / 1e9;
    tl_buf_reset(&text);
    return rc;
}

/* ---- the parent ---- */

static bool least_counts(const tl_bench_row *row)
{
    return row->run == tl_bench_product; /* samples are shapes: the worst one must reach the target */
}

/* Turns of child and peer; without a peer one turn is enough, a child takes its own samples. */
static int measure(tl_bench_verdict *v, const tl_bench_row *row, tl_err *err)
{
    enum {
        TURNS = 3
    };
    double value[TURNS * TL_BENCH_SAMPLES], ceiling[TURNS * TL_BENCH_SAMPLES], peer[TURNS], theirs[TURNS];
    int n = 0, turns = 1, peers = 0;
    *v = (tl_bench_verdict){ .row = row };
    for (int turn = 0; turn < turns; turn++) {
        tl_bench_samples s;
        double peak, found;
        TL_TRY(run_child(&s, &peak, row, err));
        if (peak > v->peak_gb) v->peak_gb = peak;
        if (row->memory) s.value[0] = peak;
        memcpy(value + n, s.value, (size_t)s.n * sizeof *value);
        memcpy(ceiling + n, s.ratio, (size_t)s.n * sizeof *ceiling);
        n += s.n;
        TL_TRY(tl_bench_peer(&found, row, &run.o, err));
        if (found <= 0) continue;
        turns = run.o.quick ? 1 : TURNS;
        theirs[peers] = found;
        peer[peers++] = tl_bench_spread_of(s.value, s.n).median / found;
    }
    v->value = tl_bench_spread_of(value, n);
    v->ceiling = tl_bench_spread_of(ceiling, n);
    if (least_counts(row)) v->ceiling.median = v->ceiling.low;
    if (peers) {
        v->peer = tl_bench_spread_of(peer, peers);
        v->peer_value = tl_bench_spread_of(theirs, peers).median;
    }
    return 0;
}

static void first_line(char *out, size_t size, const char *path, const char *key)
{
    char line[256];
    FILE *f = fopen(path, "r");
    out[0] = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *at = strchr(line, ':');
            snprintf(out, size, "%s", at ? at + 2 : line);
            out[strcspn(out, "\n")] = 0;
            break;
        }
    if (f) fclose(f);
}

/* What was measured on: also where a commit is meant, TAILOR_COMMIT from the Makefile. */
static json_t *machine_json(double ceilings[TL_CEILINGS], tl_err *err)
{
    char cpu[200], date[40];
    const tl_backend *backend;
    if (tl_backend_pick(&backend, err) < 0) return NULL;
    first_line(cpu, sizeof cpu, "/proc/cpuinfo", "model name");
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    const char *commit = getenv("TAILOR_COMMIT");
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:{s:f, s:f, s:f, s:f}}", "cpu", cpu, "threads", run.o.threads,
                     "backend", backend->name, "date", date, "commit", commit ? commit : "", "ceilings", "f32_gflops",
                     ceilings[TL_CEILING_F32], "bf16_gflops", ceilings[TL_CEILING_BF16], "int8_gops",
                     ceilings[TL_CEILING_INT8], "read_gb_per_s", ceilings[TL_CEILING_READ]);
}

static void measure_ceilings(double out[TL_CEILINGS])
{
    for (int k = 0; k < TL_CEILINGS; k++) {
        double x[5];
        for (int i = 0; i < 5; i++) x[i] = tl_ceiling((tl_ceiling_kind)k, run.o.threads);
        out[k] = tl_bench_spread_of(x, 5).median;
    }
}

static int parent(tl_err *err)
{
    double ceilings[TL_CEILINGS];
    json_t *rows = json_array();
    int n = 0, rc = 0;
    measure_ceilings(ceilings);
    json_t *machine = machine_json(ceilings, err);
    if (!rows || !machine) return tl_fail(err, TL_ENOMEM, "no memory for the table");
    if (!run.json) {
        printf("%s, %d threads: f32 %.0f, bf16 %.0f GFLOP/s, int8 %.0f GOP/s, reading %.1f GB/s\n",
               json_string_value(json_object_get(machine, "cpu")), run.o.threads, ceilings[TL_CEILING_F32],
               ceilings[TL_CEILING_BF16], ceilings[TL_CEILING_INT8], ceilings[TL_CEILING_READ]);
        tl_bench_print_head();
    }
    for (const tl_bench_row *r = tl_bench_rows; rc == 0 && r->name; r++) {
        tl_bench_verdict v;
        if (!strstr(r->name, run.rows)) continue;
        n++;
        if (run.json) fprintf(stderr, "%s\n", r->name);
        rc = measure(&v, r, err);
        if (rc < 0) break;
        if (!run.json) tl_bench_print(&v);
        json_array_append_new(rows, tl_bench_json(&v));
    }
    if (rc == 0 && n == 0)
        rc = tl_fail(err, TL_EUSAGE, "--rows '%s': no row's name has that; --list prints them", run.rows);
    json_t *all = json_pack("{s:o, s:o}", "machine", machine, "rows", rows);
    if (rc == 0 && run.json && json_dumpf(all, stdout, JSON_INDENT(1)) == 0) putchar('\n');
    json_decref(all);
    return rc;
}

static int parse(int argc, char **argv, tl_err *err)
{
    static const struct option options[] = { { "rows", required_argument, NULL, 'r' },
                                             { "quick", no_argument, NULL, 'q' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "list", no_argument, NULL, 'l' },
                                             { "threads", required_argument, NULL, 't' },
                                             { "python", required_argument, NULL, 'p' },
                                             { "llama-bench", required_argument, NULL, 'b' },
                                             { "child", required_argument, NULL, 'c' },
                                             { 0 } };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            run.rows = optarg;
            break;
        case 'q':
            run.o.quick = true;
            break;
        case 'j':
            run.json = true;
            break;
        case 'l':
            run.list = true;
            break;
        case 't':
            run.o.threads = atoi(optarg);
            break;
        case 'p':
            run.o.python = optarg;
            break;
        case 'b':
            run.o.llama_bench = optarg;
            break;
        case 'c':
            run.child = optarg;
            break;
        default: /* getopt has said what */
            return tl_fail(err, TL_EUSAGE,
                           "usage: bench [--rows PART] [--quick] [--json] [--list] [--threads N] "
                           "[--python PATH] [--llama-bench PATH]");
        }
    }
    if (optind < argc) return tl_fail(err, TL_EUSAGE, "'%s': rows are chosen with --rows PART", argv[optind]);
    if (run.o.threads < 0 || run.o.threads > 1024)
        return tl_fail(err, TL_EUSAGE, "--threads is %d, wanted 1 to 1024, or 0 for all", run.o.threads);
    if (run.o.threads == 0) run.o.threads = omp_get_max_threads();
    if (run.o.python && access(run.o.python, X_OK) < 0)
        return tl_fail(err, TL_EUSAGE, "--python %s: no such program; bench/peers makes one", run.o.python);
    if (run.o.llama_bench && access(run.o.llama_bench, X_OK) < 0)
        return tl_fail(err, TL_EUSAGE, "--llama-bench %s: no such program", run.o.llama_bench);
    return 0;
}

int main(int argc, char **argv)
{
    tl_err err = { 0 };
    int rc = parse(argc, argv, &err);
    if (rc == 0 && run.list) {
        char target[64];
        for (const tl_bench_row *r = tl_bench_rows; r->name; r++)
            printf("%-25s %-14s %s\n", r->name, r->unit, tl_bench_target(target, sizeof target, r));
        return 0;
    }
    if (rc == 0) rc = run.child ? child(&err) : parent(&err);
    if (rc < 0) fprintf(stderr, "bench: %s\n", err.text);
    return rc < 0 ? 1 : 0;
}
