/* shapes.h - models of known sizes with random weights: what a speed does not depend on. */
#ifndef TL_BENCH_SHAPES_H
#define TL_BENCH_SHAPES_H

#include "base/dtype.h"
#include "base/err.h"
#include "model/config.h"

/* "135M", "0.5B", "1.1B", "gpt2". */
int tl_shape_config(tl_config *out, const char *shape, tl_err *err);

/* The folder of that model in the Hugging Face layout, bf16, made under cache where it is not there. */
int tl_shape_dir(char *out, size_t size, const char *shape, const char *cache, tl_err *err);

/* The same shape as a GGUF file, every matrix in that type (BF16, Q8_0 or Q4_0), with a vocabulary of made-up pieces.
 */
int tl_shape_gguf(char *out, size_t size, const char *shape, tl_dtype type, const char *cache, tl_err *err);

#endif
