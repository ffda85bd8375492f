/* inspect.h - the facts of a thing on disk, as JSON: for `tailor inspect`.
 *
 * Each gives an object that begins with "what"; it is the caller's to decref.  The thing is opened by the code that
 * will use it, so what is inspected without an error can be used. */
#ifndef TL_CMD_INSPECT_H
#define TL_CMD_INSPECT_H

#include "base/err.h"
#include "cmd/open.h"

#include <jansson.h>

/* The object for whatever is at path.  f->model: a base to hold an adapter against or to count a task's tokens with;
 * NULL: without.  A base is held as the other flags say.  What is given and not read is an error. */
int tl_inspect(json_t **out, const char *path, const tl_open_flags *f, tl_err *err);

/* Of this machine: back ends, threads, memory. */
int tl_inspect_machine(json_t **out, tl_err *err);

#endif
