/* adapter_targets.h - which modules of a base an adapter adapts, by PEFT's rules.
 *
 *     bool *chosen = calloc(tl_modules_count(c), sizeof *chosen);
 *     TL_TRY(tl_targets_name(chosen, c, "q_proj", where, err));
 *     ... chosen[layer * tl_family_modules(c->family) + module] ...
 *
 * tl_targets_name, _pattern and _path add to chosen, the others take away.  A target that names no module is
 * refused; what is to be taken away and is not there is fine, as it is in PEFT.  where stands in front of messages. */
#ifndef TL_MODEL_ADAPTER_TARGETS_H
#define TL_MODEL_ADAPTER_TARGETS_H

#include "model/names.h"
#include "model/path_pattern.h"

/* Modules of all layers. */
size_t tl_modules_count(const tl_config *c);

/* "model.layers.3.self_attn.q_proj" */
void tl_module_path(char *out, size_t size, const tl_family *f, int layer, int module);

/* Modules whose path is name or ends with "." and name. */
int tl_targets_name(bool *chosen, const tl_config *c, const char *name, const char *where, tl_err *err);

/* Modules whose whole path the pattern matches; "all-linear": every module. */
int tl_targets_pattern(bool *chosen, const tl_config *c, const char *pattern, const char *where, tl_err *err);

/* The module at that path, if there is one. */
void tl_targets_path(bool *chosen, const tl_config *c, const char *path);

/* Drop those that a name or a pattern of exclude_modules would choose. */
void tl_targets_drop_name(bool *chosen, const tl_config *c, const char *name);
int tl_targets_drop_pattern(bool *chosen, const tl_config *c, const char *pattern, const char *where, tl_err *err);

/* Drop the module of that name (n bytes) and those below it: what is saved whole is not adapted. */
void tl_targets_drop_below(bool *chosen, const tl_config *c, const char *name, size_t n);

/* Drop all but those whose path has one of the numbers behind a part that the pattern matches ("layers", "h"; NULL: any
 * part). */
int tl_targets_keep_layers(bool *chosen, const tl_config *c, const int *numbers, size_t n, const char *pattern,
                           const char *where, tl_err *err);

#endif
