/* adapter_targets.h - which modules of a base an adapter adapts.
 *
 *     bool *chosen = calloc(tl_modules_count(c), sizeof *chosen);
 *     TL_TRY(tl_targets_name(chosen, c, "q_proj", where, err));
 *     ... chosen[layer * tl_family_modules(c->family) + module] ...
 *
 * Each call adds to chosen.  A target that names no module is refused: where stands in front of the message. */
#ifndef TL_MODEL_ADAPTER_TARGETS_H
#define TL_MODEL_ADAPTER_TARGETS_H

#include "model/names.h"

/* Modules of all layers. */
size_t tl_modules_count(const tl_config *c);

/* "model.layers.3.self_attn.q_proj" */
void tl_module_path(char *out, size_t size, const tl_family *f, int layer, int module);

/* Modules whose path is name or ends with "." and name. */
int tl_targets_name(bool *chosen, const tl_config *c, const char *name, const char *where, tl_err *err);

/* Modules whose whole path the pattern matches; "all-linear": every module. */
int tl_targets_pattern(bool *chosen, const tl_config *c, const char *pattern, const char *where, tl_err *err);

#endif
