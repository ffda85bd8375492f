/* interrupt.c - one flag, set by the handler. */
#include "base/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t noted;

static void note(int signal_number)
{
    (void)signal_number;
    noted = 1;
}

void tl_interrupt_watch(void)
{
    struct sigaction a = { .sa_handler = note, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool tl_interrupted(void)
{
    return noted != 0;
}

int tl_interrupt_check(const char *what, tl_err *err)
{
    return noted ? tl_fail(err, TL_EINTERRUPTED, "%s: stopped by the user", what) : 0;
}
