/* cpu.h - the rows the files of this folder fill, declared once; table_cpu.c puts them into the table. */
#ifndef TL_BACKEND_CPU_CPU_H
#define TL_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "backend/cpu/simd.h"

#include <stdbool.h>

#if defined __AMX_BF16__ || defined __AMXBF16__ /* clang 14's word */
#define TL_AMX 1
#else
#define TL_AMX 0
#endif

void TL_CPU(linear)(tl_stream *, const tl_product *, int, const float *, int, int);
void TL_CPU(linear_dx)(tl_stream *, float *, const tl_product_back *, int, int, int, bool);
void TL_CPU(linear_dw)(tl_stream *, float *, const float *, const float *, int, int, int, bool);
/* quantized_cpu.c: what the table has in place of these and embed, for weights of any kind and every precision. */
void TL_CPU(linear_any)(tl_stream *, const tl_product *, int, const float *, int, int);
void TL_CPU(linear_dx_any)(tl_stream *, float *, const tl_product_back *, int, int, int, bool);
void TL_CPU(linear_dw_any)(tl_stream *, float *, const float *, const float *, int, int, int, bool);
void TL_CPU(embed_any)(tl_stream *, float *, tl_matrix, const int *, int, int, bool);
void TL_CPU(bias_back)(tl_stream *, float *, const float *, int, int);
void TL_CPU(rmsnorm)(tl_stream *, float *, float *, const float *, const float *, int, int, float);
void TL_CPU(rmsnorm_back)(tl_stream *, float *, float *, const float *, const float *, const float *, const float *,
                          int, int);
void TL_CPU(layernorm)(tl_stream *, float *, float *, float *, const float *, const float *, const float *, int, int,
                       float);
void TL_CPU(layernorm_back)(tl_stream *, float *, float *, float *, const float *, const float *, const float *,
                            const float *, const float *, int, int);
void TL_CPU(rope)(tl_stream *, float *, const int *, const float *, const float *, int, int, int, int, bool);
void TL_CPU(kv_write)(tl_stream *, const tl_attention *, const float *, const float *);
void TL_CPU(attention)(tl_stream *, const tl_attention *, float *, float *, const float *);
void TL_CPU(attention_back)(tl_stream *, const tl_attention *, float *, float *, float *, const float *, const float *,
                            const float *, const float *, const float *, const float *);
void TL_CPU(swiglu)(tl_stream *, float *, const float *, const float *, size_t);
void TL_CPU(swiglu_back)(tl_stream *, float *, float *, float *, const float *, const float *, const float *, size_t);
void TL_CPU(gelu)(tl_stream *, float *, const float *, size_t);
void TL_CPU(gelu_back)(tl_stream *, float *, float *, const float *, const float *, size_t);
void TL_CPU(geglu)(tl_stream *, float *, const float *, const float *, size_t);
void TL_CPU(geglu_back)(tl_stream *, float *, float *, float *, const float *, const float *, const float *, size_t);
void TL_CPU(gelu_exact)(tl_stream *, float *, const float *, size_t);
void TL_CPU(gelu_exact_back)(tl_stream *, float *, float *, const float *, const float *, size_t);
void TL_CPU(gain)(tl_stream *, float *, const float *, const float *, const float *, const float *, int, int);
void TL_CPU(gain_back)(tl_stream *, float *, const float *, const float *, const float *, int, int);
void TL_CPU(scale)(tl_stream *, float *, float, size_t);
void TL_CPU(add)(tl_stream *, float *, const float *, float, size_t);
void TL_CPU(embed)(tl_stream *, float *, tl_matrix, const int *, int, int, bool);
void TL_CPU(embed_back)(tl_stream *, float *, const float *, const int *, int, int);
void TL_CPU(softcap)(tl_stream *, float *, float, size_t);
void TL_CPU(cross_entropy)(tl_stream *, float *, float *, const int *, const float *, int, int, float);
void TL_CPU(log_prob)(tl_stream *, float *, const float *, const int *, int, int);
void TL_CPU(adamw)(tl_stream *, const tl_adamw *, const tl_adamw_step *);
double TL_CPU(sum_squares)(tl_stream *, const void *, tl_dtype, size_t);
void TL_CPU(narrow)(tl_stream *, tl_bf16 *, const float *, size_t, bool);

#endif
