/* interrupt.h - Ctrl-C and SIGTERM as a question that long loops ask, so that they can put things in order first. */
#ifndef TL_BASE_INTERRUPT_H
#define TL_BASE_INTERRUPT_H

#include "base/err.h"

#include <stdbool.h>

/* From now on the first SIGINT or SIGTERM is only noted; a second one ends the process at once. */
void tl_interrupt_watch(void);

bool tl_interrupted(void);

/* TL_EINTERRUPTED with "WHAT: stopped by the user" where a signal was noted, else 0. */
int tl_interrupt_check(const char *what, tl_err *err);

#endif
