/* adapter_memory.h - how adapters are made; for the files that make them. */
#ifndef TL_MODEL_ADAPTER_MEMORY_H
#define TL_MODEL_ADAPTER_MEMORY_H

#include "model/adapter.h"

/* An adapter over the chosen modules (adapter_targets.h) with one reference, tensors zero; trained: with gradients. */
int tl_adapter_make(tl_adapter **out, const tl_model *m, const bool *chosen, int r, float alpha, bool rslora,
                    bool trained, tl_err *err);

/* The widths of a module in layer l. */
void tl_module_widths(const tl_model *m, int layer, int module, int *O, int *I);

#endif
