/* nf4.h - what panels.c does not share between NF4 and the formats of GGML; for that file. */
#ifndef TL_BASE_NF4_H
#define TL_BASE_NF4_H

#include <stddef.h>

/* n rows of I numbers into a panel of zeros. */
void tl_nf4_panel(void *panel, const float *x, int n, size_t I);

/* The scale of row r in block i (of 64 numbers) of a group. */
float tl_nf4_scale(const void *group, size_t i, int r);

#endif
