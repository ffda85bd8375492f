/* temporary.h - what atomic.c and atomic_dir.c share: names for what is not whole yet, and the flush after a rename. */
#ifndef TL_IO_TEMPORARY_H
#define TL_IO_TEMPORARY_H

#include "base/err.h"

#include <stddef.h>

/* A name beside path, hidden and not used before by this process: DIR/.NAME.tmp-PID-N. */
int tl_temporary_name(char *out, size_t size, const char *path, tl_err *err);

/* Flush the directory that holds path, so that a rename in it survives a crash. */
int tl_flush_parent(const char *path, tl_err *err);

#endif
