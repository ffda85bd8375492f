/* model_gguf_write.h - a base as a GGUF file: its config as metadata, its weights as tensors.
 *
 *     tl_gguf_base b = { 0 };
 *     TL_TRY(tl_gguf_base_make(&b, m, "tiny", &types, err));
 *     ... whoever has a tokenizer puts its pairs into b.draft ...
 *     rc = tl_gguf_draft_save(b.draft, "tiny.gguf", tl_layout_list_write, &b.list, err);
 *     tl_gguf_base_reset(&b);
 *
 * The tables of gguf_architectures.c that read (model_gguf.h) also write. */
#ifndef TL_MODEL_MODEL_GGUF_WRITE_H
#define TL_MODEL_MODEL_GGUF_WRITE_H

#include "io/gguf_save.h"
#include "model/layout_write.h"

/* What matrices are stored in: F32, F16, BF16, Q8_0, Q4_0, Q4_K, or TL_DTYPE_COUNT for the type they have.  As in
 * llama.cpp, vectors, routers and learned positions are F32 always; where rows are no whole blocks, Q4_K becomes Q5_0,
 * and that, Q8_0 and Q4_0 become F16. */
typedef struct tl_gguf_types {
    tl_dtype layers, tables; /* tables: of tokens, and the head */
} tl_gguf_types;

typedef struct tl_gguf_base {
    tl_gguf_draft *draft;          /* owned */
    tl_layout_list list;           /* the draft's first tensors */
    float factors[2][TL_LONG_MAX]; /* of a rotary scheme, for the draft */
} tl_gguf_base;

/* name: general.name.  What is written is read back before it is said to be done: a base whose architecture has no name
 * in the format, or a setting that its keys cannot say, is refused by name.  m must outlive *out. */
int tl_gguf_base_make(tl_gguf_base *out, const tl_model *m, const char *name, const tl_gguf_types *types, tl_err *err);
void tl_gguf_base_reset(tl_gguf_base *b);

#endif
