/* config_parts.h - pieces of config.json that several families share; for the files that read configs. */
#ifndef TL_MODEL_CONFIG_PARTS_H
#define TL_MODEL_CONFIG_PARTS_H

#include "model/names.h"

/* The fields of a table. */
int tl_fields_parse(tl_config *c, const tl_field *fields, const json_t *o, const char *where, tl_err *err);
int tl_fields_print(const tl_config *c, const tl_field *fields, json_t *o);

/* sliding_window: standard where the key is missing, none where it is null. */
int tl_window_parse(tl_config *c, const json_t *o, const char *where, int standard, tl_err *err);
int tl_window_print(const tl_config *c, json_t *o);

/* Every layer from first on has a window, if there is one. */
void tl_window_layers(tl_config *c, int first);

/* layer_types: which layers have a window; where it is missing, the layers are left as they are. */
int tl_layer_types_parse(tl_config *c, json_t *o, const char *where, tl_err *err);
int tl_layer_types_print(const tl_config *c, json_t *o);

/* Rotary positions, from wherever versions of transformers write them; T is known.  In c stands what holds where
 * nothing is written. */
int tl_rope_parse(tl_config *c, const json_t *o, const char *where, tl_err *err);
int tl_rope_print(const tl_config *c, json_t *o);

#endif
