/* adapter_dora.h - what adapter.c takes from adapter_dora.c. */
#ifndef TL_MODEL_ADAPTER_DORA_H
#define TL_MODEL_ADAPTER_DORA_H

#include "model/adapter_memory.h"

/* The sums of squares of w's rows; row: room for one. */
void tl_lora_squares(double *square, float *row, const tl_weight *w);

/* Numbers of scratch that the norms of a module want. */
size_t tl_renorm_floats(const tl_model *m, int layer, int module, int r);

#endif
