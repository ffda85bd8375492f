/* main.c - the program: find the subcommand, run it, turn a failure into one sentence and an exit code. */
#include "base/interrupt.h"
#include "base/spin.h"
#include "cmd/options.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

const tl_command *const tl_commands[] = { &tl_cmd_compare,  &tl_cmd_prompt,   &tl_cmd_train,
                                          &tl_cmd_eval,     &tl_cmd_generate, &tl_cmd_logits,
                                          &tl_cmd_inspect,  &tl_cmd_merge,    &tl_cmd_convert,
                                          &tl_cmd_tokenize, &tl_cmd_template, &tl_cmd_pretrain,
                                          &tl_cmd_probe,    &tl_cmd_pull,     NULL };

static void usage(FILE *out)
{
    fprintf(out, "tailor - customize a language model by prompting, adapters or full fine-tuning, and compare them\n\n"
                 "usage: tailor COMMAND ...        tailor COMMAND --help explains one\n\n");
    for (int i = 0; tl_commands[i]; i++) fprintf(out, "  %-10s %s\n", tl_commands[i]->name, tl_commands[i]->summary);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    tl_spin_briefly(argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file past its limit is a failed write, with its sentence */
    tl_interrupt_watch();
    for (int i = 0; tl_commands[i]; i++) {
        if (strcmp(argv[1], tl_commands[i]->name) != 0) continue;
        tl_err err = { 0 };
        int rc = tl_commands[i]->run(argc - 1, argv + 1, &err);
        if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)))
            rc = tl_fail(&err, TL_EIO, "standard output: could not be written to the end");
        if (rc >= 0) return 0;
        fprintf(stderr, "tailor: %s\n", err.text);
        return rc == TL_EUSAGE ? 2 : rc == TL_EINTERRUPTED ? 130 : 1;
    }
    fprintf(stderr, "tailor: '%s' is no command; tailor --help lists them\n", argv[1]);
    return 2;
}
