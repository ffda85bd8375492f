/* adapter_memory.h - how adapters are made; for the files that make them.
 *
 *     TL_TRY(tl_adapter_new(&a, m, err));
 *     tl_adapter_adapt(a, layer, module, r, alpha);  ...  tl_adapter_own_path(a, "lm_head", ...)
 *     rc = tl_adapter_lay(a, trained, err);               tensors: zero, own weights as the base's
 *     ... fill ...
 *     rc = tl_adapter_settle(a, err);                     gains */
#ifndef TL_MODEL_ADAPTER_MEMORY_H
#define TL_MODEL_ADAPTER_MEMORY_H

#include "model/adapter.h"
#include "model/model_memory.h"

/* An adapter of nothing, with one reference. */
int tl_adapter_new(tl_adapter **out, const tl_model *m, tl_err *err);

/* Adapt a module; rslora is set before. */
void tl_adapter_adapt(tl_adapter *a, int layer, int module, int r, float alpha);

/* Is this module of the base adapted? */
static inline tl_lora *tl_adapter_lora(const tl_adapter *a, int layer, int module)
{
    return &a->loras[layer * a->n_modules + module];
}

/* Take the stored tensors of the base as the adapter's own whose names are chosen (adapter_own.c).  *any is set where
 * there is one that it did not own before. */
typedef bool tl_own_choose(void *context, const char *stored, int layer);
int tl_adapter_own(tl_adapter *a, tl_own_kind kind, tl_own_choose *choose, void *context, bool *any, tl_err *err);

/* Those of the module at that path, or below it: its last parts will do ("lm_head", "mlp").  One that names nothing is
 * refused. */
int tl_adapter_own_module(tl_adapter *a, const char *path, const char *where, tl_err *err);

/* Those that a->bias says, after the modules are adapted. */
int tl_adapter_own_biases(tl_adapter *a, tl_err *err);

/* The token table, for rows a->token_ids. */
int tl_adapter_own_tokens(tl_adapter *a, tl_err *err);

/* "model.layers.3.mlp.up_proj.weight" */
void tl_own_stored_name(char *out, size_t size, const tl_own *own);

/* The group of an own weight: its weights those of the adapter, or the base's. */
void tl_own_group(tl_group *out, const tl_adapter *a, const tl_own *own);
void tl_own_base(tl_group *out, const tl_adapter *a, const tl_own *own);

/* Where part p of it lies in a model of the base's shapes. */
tl_weight *tl_own_weight_in(tl_model *m, const tl_own *own, int part);

/* Make the view, where there are own weights, which have been laid out. */
int tl_adapter_see(tl_adapter *a, tl_err *err);

/* Lay all tensors out, zero, with gradients where trained; own weights get the base's numbers, and the view is made. */
int tl_adapter_lay(tl_adapter *a, bool trained, tl_err *err);

/* Gains; one that is no finite number is an error. */
int tl_adapter_settle(tl_adapter *a, tl_err *err);

/* The widths of a module in layer l. */
void tl_module_widths(const tl_model *m, int layer, int module, int *O, int *I);

/* Part p of a group, from the stored tensor and back; h: the width of a head. */
void tl_group_read(float *w, const tl_group *g, int part, const void *data, tl_dtype dtype, int h);
void tl_group_write(float *data, const tl_group *g, int h);

#endif
