/* main.c - make bench: flags, the machine, which rows, the table or the object. */
#include "bench/ceilings.h"
#include "bench/measure.h"

#include "backend/backend.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/spin.h"

#include <getopt.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *rows, *child;
    bool json, list;
    tl_bench_options o;
} run = { .rows = "", .o = { .program = "build/tailor", .cache = "build/bench/models" } };

/* ---- flags ---- */

static const struct flag {
    const char *name, *argument, *help; /* argument NULL: none is taken */
    const char **text;
    bool *given;
    bool program; /* it names one, which must be there */
} flags[] = {
    { "rows", "PART", "those whose name has that", &run.rows, NULL, false },
    { "quick", NULL, "fewer turns", NULL, &run.o.quick, false },
    { "json", NULL, "one object on standard output", NULL, &run.json, false },
    { "list", NULL, "the rows and their targets", NULL, &run.list, false },
    { "threads", "N", "as many as there are", NULL, NULL, false },
    { "python", "PATH", "one with torch, transformers, peft: bench/peers makes it", &run.o.python, NULL, true },
    { "llama-bench", "PATH", "llama.cpp's", &run.o.llama_bench, NULL, true },
    { "ik-llama-bench", "PATH", "ik_llama.cpp's", &run.o.ik_llama_bench, NULL, true },
    { "llama-server", "PATH", "of either", &run.o.llama_server, NULL, true },
    { "llm-c", "PATH", "llm.c's train_gpt2", &run.o.llm_c, NULL, true },
    { "tailor", "PATH", "this program", &run.o.program, NULL, true },
    { "cache", "DIR", "where the random models are kept", &run.o.cache, NULL, false },
    { "child", "ROW", "be the process that measures it", &run.child, NULL, false }, /* the bench calls itself so */
};

enum {
    FLAGS = sizeof flags / sizeof *flags
};

static void usage(void)
{
    puts("bench - speed and memory against this machine's ceilings, and peers where they are (bench/README.md)\n");
    for (int i = 0; i < FLAGS - 1; i++) {
        char flag[40];
        snprintf(flag, sizeof flag, "%s %s", flags[i].name, flags[i].argument ? flags[i].argument : "");
        printf("  --%-20s %s\n", flag, flags[i].help);
    }
}

static int take_threads(const char *text, tl_err *err)
{
    char *end;
    const long n = strtol(text, &end, 10);
    if (*end || end == text || n < 1 || n > 1024)
        return tl_fail(err, TL_EUSAGE, "--threads is '%s', wanted is 1 to 1024", text);
    run.o.threads = (int)n;
    return 0;
}

static int parse(int argc, char **argv, tl_err *err)
{
    struct option options[FLAGS + 2] = { { "help", no_argument, NULL, 0 } };
    run.o.threads = omp_get_max_threads();
    for (int i = 0; i < FLAGS; i++)
        options[i + 1] = (struct option){ flags[i].name, flags[i].argument ? required_argument : no_argument, NULL, 0 };
    for (int c, i = 0; (c = getopt_long(argc, argv, "", options, &i)) != -1;) {
        if (c != 0) return tl_fail(err, TL_EUSAGE, "--help names the flags"); /* getopt has said what is wrong */
        if (i == 0) {
            usage();
            exit(0);
        }
        const struct flag *f = &flags[i - 1];
        if (f->given) *f->given = true;
        if (f->text) *f->text = optarg;
        if (!f->given && !f->text) TL_TRY(take_threads(optarg, err));
    }
    if (optind < argc) return tl_fail(err, TL_EUSAGE, "'%s': rows are chosen with --rows PART", argv[optind]);
    for (int i = 0; i < FLAGS; i++)
        if (flags[i].program && *flags[i].text && access(*flags[i].text, X_OK) < 0)
            return tl_fail(err, TL_EUSAGE, "--%s %s: there is no such program", flags[i].name, *flags[i].text);
    return 0;
}

/* ---- the machine ---- */

static void cpu_model(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            line[strcspn(line, "\n")] = 0;
            snprintf(out, size, "%s", strchr(line, ':') + 2);
            break;
        }
    if (f) fclose(f);
}

static json_t *ceilings_json(void)
{
    static const char *const units[TL_CEILINGS] = { "GFLOP/s", "GFLOP/s", "GOP/s", "GB/s" };
    json_t *all = json_object();
    for (int k = 0; k < TL_CEILINGS; k++) {
        double x[7];
        const int n = run.o.quick ? 3 : 7;
        for (int i = 0; i < n; i++) x[i] = tl_ceiling((tl_ceiling_kind)k, run.o.threads);
        const tl_spread s = tl_spread_of(x, n);
        json_object_set_new(all, tl_ceiling_name((tl_ceiling_kind)k),
                            json_pack("{s:f, s:f, s:f, s:s, s:s}", "value", s.median, "low", s.low, "high", s.high,
                                      "unit", units[k], "with", tl_ceiling_instruction((tl_ceiling_kind)k)));
    }
    return all;
}

static json_t *machine_json(const tl_backend *backend)
{
    char cpu[200], date[40];
    const time_t now = time(NULL);
    const char *commit = getenv("TAILOR_COMMIT"); /* the Makefile knows it */
    cpu_model(cpu, sizeof cpu);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:o}", "cpu", cpu, "threads", run.o.threads, "backend", backend->name,
                     "date", date, "commit", commit ? commit : "", "ceilings", ceilings_json());
}

static void print_machine(const json_t *machine)
{
    const char *name;
    json_t *c;
    printf("%s, %d threads, %s, %s, commit %s\nceilings:", json_string_value(json_object_get(machine, "cpu")),
           run.o.threads, json_string_value(json_object_get(machine, "backend")),
           json_string_value(json_object_get(machine, "date")), json_string_value(json_object_get(machine, "commit")));
    json_object_foreach(json_object_get(machine, "ceilings"), name, c)
        printf(" %s %.0f [%.0f-%.0f] %s;", name, json_number_value(json_object_get(c, "value")),
               json_number_value(json_object_get(c, "low")), json_number_value(json_object_get(c, "high")),
               json_string_value(json_object_get(c, "unit")));
    puts("\n");
    tl_bench_print_head();
}

/* ---- the rows ---- */

static int measure_rows(json_t *rows, tl_err *err)
{
    int n = 0, done = 0;
    for (const tl_bench_row *r = tl_bench_rows; r->name; r++) n += strstr(r->name, run.rows) != NULL;
    if (n == 0) return tl_fail(err, TL_EUSAGE, "--rows '%s': no row's name has that; --list prints them", run.rows);
    for (const tl_bench_row *r = tl_bench_rows; r->name; r++) {
        tl_bench_verdict v;
        if (!strstr(r->name, run.rows)) continue;
        tl_log("%d of %d: %s", ++done, n, r->name);
        TL_TRY(tl_bench_measure(&v, r, &run.o, err));
        if (!run.json) tl_bench_print(&v);
        json_t *row = tl_bench_json(&v);
        if (!row || json_array_append_new(rows, row) < 0) return tl_fail(err, TL_ENOMEM, "no memory for the table");
    }
    return 0;
}

static int all(tl_err *err)
{
    const tl_backend *backend;
    TL_TRY(tl_backend_pick(&backend, err));
    json_t *machine = machine_json(backend), *rows = json_array();
    json_t *whole = json_pack("{s:o, s:o}", "machine", machine, "rows", rows);
    if (!whole) return tl_fail(err, TL_ENOMEM, "no memory for the table");
    if (!run.json) print_machine(machine);
    int rc = measure_rows(rows, err);
    if (rc == 0 && run.json && json_dumpf(whole, stdout, JSON_INDENT(1)) == 0) putchar('\n');
    json_decref(whole);
    return rc;
}

static int list(void)
{
    char target[64];
    for (const tl_bench_row *r = tl_bench_rows; r->name; r++)
        printf("%-26s %-10s %s\n", r->name, r->unit, tl_bench_target(target, sizeof target, r));
    return 0;
}

int main(int argc, char **argv)
{
    tl_err err = { 0 };
    int rc = parse(argc, argv, &err);
    const tl_bench_row *row = run.child ? tl_bench_row_of(run.child) : NULL;
    if (rc == 0 && run.child) tl_spin_briefly(argv); /* as the program itself; peers are not to inherit it */
    signal(SIGPIPE, SIG_IGN);                        /* a process that ended is told of where it is asked */
    if (rc == 0 && run.child && !row) rc = tl_fail(&err, TL_EUSAGE, "--child '%s': there is no such row", run.child);
    if (rc == 0 && !run.child) tl_interrupt_watch();
    if (rc == 0) rc = row ? tl_bench_child(row, &run.o, &err) : run.list ? list() : all(&err);
    if (rc < 0) fprintf(stderr, "bench: %s\n", err.text);
    return rc == TL_EINTERRUPTED ? 130 : rc < 0 ? 1 : 0;
}
