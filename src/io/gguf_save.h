/* gguf_save.h - a GGUF file (gguf.h) in the making: pairs and a list of tensors, then all of it on disk.
 *
 *     tl_gguf_draft *d = NULL;
 *     TL_TRY(tl_gguf_draft_create(&d, err));
 *     tl_gguf_draft_text(d, "general.architecture", "llama");
 *     tl_gguf_draft_u32(d, "llama.block_count", 2);
 *     tl_gguf_draft_array(d, "tokenizer.ggml.tokens", TL_GGUF_STRING, 2);
 *     tl_gguf_draft_string(d, "a", 1);
 *     tl_gguf_draft_string(d, "b", 1);
 *     tl_gguf_draft_tensor(d, &(tl_stored){ ... });
 *     rc = tl_gguf_draft_save(d, "model.gguf", write, context, err);
 *     tl_gguf_draft_free(d);
 *
 * Version 3, little endian, an alignment of 32.  The bytes depend on nothing but what is put in and in which order.
 * Memory that is short while pairs are put is remembered and said by what ends the draft: _save or _image. */
#ifndef TL_IO_GGUF_SAVE_H
#define TL_IO_GGUF_SAVE_H

#include "io/gguf.h"

typedef struct tl_gguf_draft tl_gguf_draft;

int tl_gguf_draft_create(tl_gguf_draft **out, tl_err *err);
void tl_gguf_draft_free(tl_gguf_draft *d); /* accepts NULL */

/* Pairs; no key twice. */
void tl_gguf_draft_text(tl_gguf_draft *d, const char *key, const char *text);
void tl_gguf_draft_u32(tl_gguf_draft *d, const char *key, uint32_t x);
void tl_gguf_draft_f32(tl_gguf_draft *d, const char *key, float x);
void tl_gguf_draft_bool(tl_gguf_draft *d, const char *key, bool x);

/* A pair of another file, as it is there. */
void tl_gguf_draft_copy(tl_gguf_draft *d, const tl_gguf_pair *p);

/* An array of n elements, which are put behind it one by one, by the call for their type: strings, i32 or f32. */
void tl_gguf_draft_array(tl_gguf_draft *d, const char *key, tl_gguf_type type, size_t n);
void tl_gguf_draft_string(tl_gguf_draft *d, const char *s, size_t size);
void tl_gguf_draft_i32_element(tl_gguf_draft *d, int32_t x);
void tl_gguf_draft_f32_element(tl_gguf_draft *d, float x);

/* A tensor of a type that the format has, 1 to 4 dimensions, the fastest last.  Its name is copied; its bytes are data
 * (borrowed until the draft ends) or, where that is NULL, come from the save's write. */
void tl_gguf_draft_tensor(tl_gguf_draft *d, const tl_stored *t);

/* Whether all that was put has found memory: for who hands a draft on. */
int tl_gguf_draft_check(const tl_gguf_draft *d, tl_err *err);

/* Write it all to path, whole or not at all (atomic.h); write is asked for each tensor without data, i counting all
 * tensors in the order they were put. */
int tl_gguf_draft_save(const tl_gguf_draft *d, const char *path, tl_stored_write *write, void *context, tl_err *err);

/* The same bytes behind those in out; every tensor has data. */
int tl_gguf_draft_image(const tl_gguf_draft *d, tl_buf *out, tl_err *err);

#endif
