/* analyzer.h - what clang's analyzer cannot see from outside err.c: a failure is negative.  scripts/lint puts it in
 * front of every file but err.c; without it the analyzer walks on after "if (!p) rc = tl_fail(...)" as if rc could be
 * 0. */
#include "base/err.h"

#define tl_fail(...)    ((void)tl_fail(__VA_ARGS__), -1)
#define tl_fail_in(...) ((void)tl_fail_in(__VA_ARGS__), -1)
