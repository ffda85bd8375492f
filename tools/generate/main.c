/* main.c - tailor-generate: the project's own data, from a seed. */
#include "base/log.h"
#include "curriculum.h"
#include "lexicon.h"
#include "output.h"
#include "probe.h"
#include "triage.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    uint64_t seed;
    long documents;   /* 0: not given */
    double tokens;    /* 0: not given */
    long from, count; /* count 0: to the end */
    long queries;
    long phase;         /* of the corpus, 1 or 2 */
    const char *output; /* borrowed from argv; NULL: standard output */
} options;

typedef struct command {
    const char *name;
    const char *takes; /* letters of the options it reads, as in the table below */
    const char *help;
    int (*run)(const options *o, const char *argument, tl_err *err);
    const char *argument; /* what stands after the name, or NULL */
} command;

static const struct option long_options[] = {
    { "seed", required_argument, NULL, 's' },    { "documents", required_argument, NULL, 'n' },
    { "from", required_argument, NULL, 'i' },    { "tokens-about", required_argument, NULL, 't' },
    { "count", required_argument, NULL, 'c' },   { "phase", required_argument, NULL, 'p' },
    { "queries", required_argument, NULL, 'q' }, { "output", required_argument, NULL, 'o' },
    { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
};

static int run_corpus(const options *o, const char *argument, tl_err *err)
{
    (void)argument;
    if (o->phase > 2) return tl_fail(err, TL_EUSAGE, "corpus: --phase %ld, there are 1 and 2", o->phase);
    if ((o->documents > 0) == (o->tokens > 0))
        return tl_fail(err, TL_EUSAGE, "corpus: wants either --documents or --tokens-about, found %s",
                       o->documents > 0 ? "both" : "neither");
    long total = o->documents > 0 ? o->documents : tl_documents_for(o->tokens, (int)o->phase);
    if (o->from >= total)
        return tl_fail(err, TL_EUSAGE, "corpus: --from %ld, the corpus has documents 0 to %ld", o->from, total - 1);
    long end = o->count > 0 && o->count < total - o->from ? o->from + o->count : total;
    tl_output out;
    int rc = tl_output_open(&out, o->output, err);
    if (rc < 0) return rc;
    for (long i = o->from; rc == 0 && i < end; i++) {
        rc = tl_document(o->seed, i, total, (int)o->phase, &out.text, err);
        if (rc == 0) rc = tl_output_flush(&out, false, err);
    }
    int closed = tl_output_close(&out, rc == 0, err);
    return rc < 0 ? rc : closed;
}

static int run_probe(const options *o, const char *argument, tl_err *err)
{
    (void)argument;
    tl_output out;
    int rc = tl_output_open(&out, o->output, err);
    if (rc < 0) return rc;
    rc = tl_probe(o->seed, (int)o->queries, &out, err);
    int closed = tl_output_close(&out, rc == 0, err);
    return rc < 0 ? rc : closed;
}

static int run_task(const options *o, const char *argument, tl_err *err)
{
    if (strcmp(argument, "triage") != 0)
        return tl_fail(err, TL_EUSAGE, "task: found '%s', the only task is triage", argument);
    if (!o->output) return tl_fail(err, TL_EUSAGE, "task triage: wants --output DIR");
    return tl_triage_task(o->seed, o->output, err);
}

static int run_general(const options *o, const char *argument, tl_err *err)
{
    (void)argument;
    if (o->documents <= 0) return tl_fail(err, TL_EUSAGE, "general: wants --documents");
    tl_output out;
    int rc = tl_output_open(&out, o->output, err);
    if (rc < 0) return rc;
    for (long i = 0; rc == 0 && i < o->documents; i++) {
        rc = tl_general_document(o->seed, i, &out.text, err);
        if (rc == 0) rc = tl_output_flush(&out, false, err);
    }
    int closed = tl_output_close(&out, rc == 0, err);
    return rc < 0 ? rc : closed;
}

static const command commands[] = {
    { "corpus", "snticop",
      "usage: tailor-generate corpus --seed S (--tokens-about N | --documents N) [--from I] [--count C] [--output "
      "FILE]\n"
      "The training corpus, one JSON document a line: {\"text\":...} or {\"spans\":[[text,loss],...]}.\n"
      "  --seed S           what everything is drawn from (0)\n"
      "  --tokens-about N   as many documents as hold about N tokens\n"
      "  --documents N      exactly N documents\n"
      "  --from I           start at document I of the whole (0); document I is the same from any start\n"
      "  --count C          stop after C documents\n"
      "  --phase P          1: from easy to full; 2: what a base is finished on (1)\n"
      "  --output FILE      instead of standard output\n",
      run_corpus, NULL },
    { "probe", "sqo",
      "usage: tailor-generate probe --seed S [--queries N] [--output FILE]\n"
      "Questions that tell whether a base learns from its context, one JSON object a line.\n"
      "  --seed S           what everything is drawn from (0)\n"
      "  --queries N        for each family and setting (100)\n"
      "  --output FILE      instead of standard output\n",
      run_probe, NULL },
    { "task", "so",
      "usage: tailor-generate task triage --seed S --output DIR\n"
      "The shipped task: task.yaml, README.md and the three splits.\n"
      "  --seed S           what everything is drawn from (0)\n"
      "  --output DIR       made if missing\n",
      run_task, "a task's name" },
    { "general", "sno",
      "usage: tailor-generate general --seed S --documents N [--output FILE]\n"
      "Text on which forgetting is measured, never part of a corpus: {\"text\":...} a line.\n"
      "  --seed S           what everything is drawn from (0)\n"
      "  --documents N      how many\n"
      "  --output FILE      instead of standard output\n",
      run_general, NULL },
};

enum {
    COMMANDS = sizeof commands / sizeof commands[0]
};

static const char usage[] = "usage: tailor-generate corpus|probe|task|general [options]\n"
                            "tailor-generate COMMAND --help tells more.\n";

/* A whole number of low..high. */
static int parse_number(const char *flag, const char *text, double low, double high, double *out, tl_err *err)
{
    char *end = NULL;
    errno = 0;
    double x = strtod(text, &end);
    if (end == text || *end || errno || !(x >= low && x <= high) || x != (double)(int64_t)x)
        return tl_fail(err, TL_EUSAGE, "%s: found '%s', wanted a whole number from %.0f to %.0f", flag, text, low,
                       high);
    *out = x;
    return 0;
}

static int parse(options *o, const command *c, int argc, char **argv, bool *help, tl_err *err)
{
    opterr = 0;
    for (int letter = 0, at = 0; (letter = getopt_long(argc, argv, "", long_options, &at)) != -1;) {
        double x = 0;
        if (letter == 'h') {
            *help = true;
            return 0;
        }
        if (letter == '?')
            return tl_fail(err, TL_EUSAGE, "%s: '%s' is no flag of it or lacks its value", c->name, argv[optind - 1]);
        if (!strchr(c->takes, letter))
            return tl_fail(err, TL_EUSAGE, "%s: --%s is no flag of it", c->name, long_options[at].name);
        const char *flag = long_options[at].name;
        if (letter == 'o') {
            o->output = optarg;
            continue;
        }
        TL_TRY(parse_number(flag, optarg, letter == 's' || letter == 'i' ? 0 : 1, letter == 'q' ? 1e6 : 9e15, &x, err));
        switch (letter) {
        case 's':
            o->seed = (uint64_t)x;
            break;
        case 'n':
            o->documents = (long)x;
            break;
        case 't':
            o->tokens = x;
            break;
        case 'i':
            o->from = (long)x;
            break;
        case 'c':
            o->count = (long)x;
            break;
        case 'p':
            o->phase = (long)x;
            break;
        default:
            o->queries = (long)x;
            break;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    tl_err err = { 0 };
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    const command *c = NULL;
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) c = &commands[i];
    if (!c) {
        fprintf(stderr, "tailor-generate: '%s' is no command of it\n%s", argv[1], usage);
        return 2;
    }
    options o = { .queries = 100, .phase = 1 };
    bool help = false;
    int rc = parse(&o, c, argc - 1, argv + 1, &help, &err);
    if (rc == 0 && help) {
        fputs(c->help, stdout);
        return 0;
    }
    const char *argument = optind < argc - 1 ? argv[1 + optind++] : NULL;
    if (rc == 0 && !argument && c->argument) rc = tl_fail(&err, TL_EUSAGE, "%s: wants %s", c->name, c->argument);
    if (rc == 0 && ((argument && !c->argument) || optind < argc - 1))
        rc = tl_fail(&err, TL_EUSAGE, "%s: '%s' is too much", c->name, argv[optind < argc - 1 ? 1 + optind : optind]);
    tl_lexicon_init();
    if (rc == 0) rc = c->run(&o, argument, &err);
    if (rc < 0) {
        fprintf(stderr, "tailor-generate: %s\n", err.text);
        return rc == TL_EUSAGE ? 2 : 1;
    }
    return 0;
}
