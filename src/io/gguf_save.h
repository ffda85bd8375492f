/* gguf_save.h - writing GGUF files (gguf.h has the layout): pairs first, then the tensors.
 *
 *     tl_gguf_meta meta = tl_gguf_meta_make();
 *     TL_TRY(tl_gguf_put_string(&meta, "general.type", "adapter", err));
 *     TL_TRY(tl_gguf_put_f32(&meta, "adapter.lora.alpha", 16, err));
 *     rc = tl_gguf_save("adapter.gguf", &meta, tensors, n, err);
 *     tl_gguf_meta_reset(&meta);
 *
 * Version 3, little endian, tensors at multiples of 32 in the caller's order.  The bytes of the file depend on nothing
 * but what is given. */
#ifndef TL_IO_GGUF_SAVE_H
#define TL_IO_GGUF_SAVE_H

#include "base/buf.h"
#include "io/stored.h"

#include <stdint.h>

typedef struct tl_gguf_meta {
    tl_buf pairs; /* owned: their bytes */
    uint64_t n;
} tl_gguf_meta;

tl_gguf_meta tl_gguf_meta_make(void);
void tl_gguf_meta_reset(tl_gguf_meta *m);

/* Keys are the caller's to give once each. */
int tl_gguf_put_string(tl_gguf_meta *m, const char *key, const char *value, tl_err *err);
int tl_gguf_put_u32(tl_gguf_meta *m, const char *key, uint32_t value, tl_err *err);
int tl_gguf_put_f32(tl_gguf_meta *m, const char *key, float value, tl_err *err);

/* Write the file at path, whole or not at all (atomic.h).  Tensors are of a type that GGUF knows, with 1 to 4
 * dimensions, the fastest last. */
int tl_gguf_save(const char *path, const tl_gguf_meta *m, const tl_stored *tensors, int n, tl_err *err);

#endif
