/* family_rows.h - how a row of a family's tables is written; for the family_*.c files.
 *
 * Rows that a config does not want are passed over, so a table may hold more than any one base of its family has. */
#ifndef TL_MODEL_FAMILY_ROWS_H
#define TL_MODEL_FAMILY_ROWS_H

#include "model/config_parts.h"

#include <stddef.h>

/* clang-format off */

/* A tensor of its own. */
#define TL_OF_MODEL(stored, member) { stored, offsetof(tl_model, member), TL_FORM_ROWS, 0, 1 }
#define TL_OF_LAYER(stored, member) { stored, offsetof(tl_layer, member), TL_FORM_ROWS, 0, 1 }
#define TL_OF_MODEL_AS(form, stored, member) { stored, offsetof(tl_model, member), form, 0, 1 }
#define TL_OF_LAYER_AS(form, stored, member) { stored, offsetof(tl_layer, member), form, 0, 1 }

/* One tensor for q, k and v; for gate and up. */
#define TL_AT(array, i) (offsetof(tl_layer, array) + (i) * sizeof(tl_weight))
#define TL_QKV_AS(form, stored, array)                                                                                 \
    { stored, TL_AT(array, TL_Q), form, 0, 3 },                                                                        \
    { stored, TL_AT(array, TL_K), form, 1, 3 },                                                                        \
    { stored, TL_AT(array, TL_V), form, 2, 3 }
#define TL_GATE_UP(stored, array)                                                                                      \
    { stored, TL_AT(array, TL_GATE), TL_FORM_ROWS, 0, 2 },                                                             \
    { stored, TL_AT(array, TL_UP),   TL_FORM_ROWS, 1, 2 }

/* Llama's tensors, which most families have. */
#define TL_LLAMA_ATTENTION                                                                                             \
    TL_OF_LAYER("model.layers.%d.self_attn.q_proj.weight", linear[TL_Q]),                                              \
    TL_OF_LAYER("model.layers.%d.self_attn.q_proj.bias",   bias[TL_Q]),                                                \
    TL_OF_LAYER("model.layers.%d.self_attn.k_proj.weight", linear[TL_K]),                                              \
    TL_OF_LAYER("model.layers.%d.self_attn.k_proj.bias",   bias[TL_K]),                                                \
    TL_OF_LAYER("model.layers.%d.self_attn.v_proj.weight", linear[TL_V]),                                              \
    TL_OF_LAYER("model.layers.%d.self_attn.v_proj.bias",   bias[TL_V]),                                                \
    TL_OF_LAYER("model.layers.%d.self_attn.o_proj.weight", linear[TL_O]),                                              \
    TL_OF_LAYER("model.layers.%d.self_attn.o_proj.bias",   bias[TL_O])
#define TL_LLAMA_MLP                                                                                                   \
    TL_OF_LAYER("model.layers.%d.mlp.gate_proj.weight", linear[TL_GATE]),                                              \
    TL_OF_LAYER("model.layers.%d.mlp.gate_proj.bias",   bias[TL_GATE]),                                                \
    TL_OF_LAYER("model.layers.%d.mlp.up_proj.weight",   linear[TL_UP]),                                                \
    TL_OF_LAYER("model.layers.%d.mlp.up_proj.bias",     bias[TL_UP]),                                                  \
    TL_OF_LAYER("model.layers.%d.mlp.down_proj.weight", linear[TL_DOWN]),                                              \
    TL_OF_LAYER("model.layers.%d.mlp.down_proj.bias",   bias[TL_DOWN])

/* A key and its field. */
#define TL_WHOLE(key, member, least, most, standard)                                                                   \
    { key, TL_FIELD_WHOLE, offsetof(tl_config, member), least, most, standard }
#define TL_REAL(key, member, least, most, standard)                                                                    \
    { key, TL_FIELD_REAL, offsetof(tl_config, member), least, most, standard }
#define TL_SWITCH(key, member, standard) { key, TL_FIELD_SWITCH, offsetof(tl_config, member), 0, 1, standard }
#define TL_FIXED(key, standard) { key, TL_FIELD_FIXED, 0, 0, 1, standard }

/* The sizes under Llama's names, but for the width of a head. */
#define TL_LLAMA_SIZES(positions)                                                                                      \
    TL_WHOLE("vocab_size",              V, 1, TL_VOCABULARY_MAX, NAN),                                                 \
    TL_WHOLE("hidden_size",             D, 1, TL_WIDTH_MAX,      NAN),                                                 \
    TL_WHOLE("intermediate_size",       F, 1, TL_WIDTH_MAX,      NAN),                                                 \
    TL_WHOLE("num_hidden_layers",       L, 1, TL_LAYERS_MAX,     NAN),                                                 \
    TL_WHOLE("num_attention_heads",     H, 1, TL_HEADS_MAX,      NAN),                                                 \
    TL_WHOLE("max_position_embeddings", T, 1, TL_POSITIONS_MAX,  positions)
#define TL_KEY_VALUE_HEADS(standard) TL_WHOLE("num_key_value_heads", G, 1, TL_HEADS_MAX, standard)
#define TL_HEAD_WIDTH(standard)      TL_WHOLE("head_dim", h, 1, TL_HEAD_MAX, standard)
#define TL_RMS_EPS(standard)         TL_REAL("rms_norm_eps", norm_eps, 0, 1, standard)
#define TL_TIED(standard)            TL_SWITCH("tie_word_embeddings", tied, standard)

/* clang-format on */

/* Shared by the families that are built like Llama (family_llama.c). */
extern const tl_name tl_llama_model_names[];
extern const tl_module tl_llama_modules[];
extern const char *const tl_llama_ignored[];

#endif
