/* path_pattern.h - regular expressions for paths of modules, as adapters' configs hold them.
 *
 *     TL_TRY(tl_path_pattern_open(&p, "(?:.*\\.)?(?:%s)", key, "rank_pattern", where, err));
 *     rc = tl_path_pattern_match(p, "model.layers.3.mlp.up_proj", &yes, NULL, err);
 *     tl_path_pattern_close(p);
 *
 * They come from files: their length and what matching them may cost are bounded, and one that costs too much is an
 * error. */
#ifndef TL_MODEL_PATH_PATTERN_H
#define TL_MODEL_PATH_PATTERN_H

#include "base/err.h"

#include <stdbool.h>

typedef struct tl_path_pattern tl_path_pattern;

/* The expression text set into frame where that has its %s, for whole paths.  field and where (a file) are for errors;
 * both must live as long. */
int tl_path_pattern_open(tl_path_pattern **out, const char *frame, const char *text, const char *field,
                         const char *where, tl_err *err);
void tl_path_pattern_close(tl_path_pattern *p); /* NULL is fine */

/* number: what the group named "number" took, or -1; may be NULL. */
int tl_path_pattern_match(const tl_path_pattern *p, const char *path, bool *yes, int *number, tl_err *err);

#endif
