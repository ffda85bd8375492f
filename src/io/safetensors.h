/* safetensors.h - named tensors in a file, the format of Hugging Face model directories.
 *
 *     tl_safetensors *s = NULL;
 *     TL_TRY(tl_safetensors_open(&s, "models/tiny", err));
 *     const tl_stored *w = tl_safetensors_find(s, "model.embed_tokens.weight");
 *     tl_safetensors_close(s);
 *
 * A file is
 *
 *     8 bytes   length L of the header, little endian
 *     L bytes   JSON: { "NAME": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, ...,
 *                       "__metadata__": { "KEY": "VALUE", ... } }
 *     the rest  the tensors' bytes, row major, little endian; offsets count from here
 *
 * and the tensors cover the rest exactly: no gap, no overlap.  A model too large for one file is several,
 * with model.safetensors.index.json telling which tensor is in which.  Files are not trusted: every length,
 * offset and product of dimensions is checked before it is used, and a lie is one sentence naming the file
 * and the tensor. */
#ifndef TL_IO_SAFETENSORS_H
#define TL_IO_SAFETENSORS_H

#include "base/err.h"
#include "io/stored.h"

typedef struct tl_safetensors tl_safetensors;

/* Read a .safetensors file, or a directory holding model.safetensors.index.json and its shards, or
 * model.safetensors.  On success *out is the caller's, to be closed; what _at, _find and _meta return lives as
 * long. */
int tl_safetensors_open(tl_safetensors **out, const char *path, tl_err *err);
void tl_safetensors_close(tl_safetensors *s);

/* Give the pages back to the kernel until they are read again. */
void tl_safetensors_rest(const tl_safetensors *s);

/* How many tensors, and the i-th of them: the order of their bytes, shard by shard. */
int tl_safetensors_count(const tl_safetensors *s);
const tl_stored *tl_safetensors_at(const tl_safetensors *s, int i);

/* The tensor of that name, or NULL. */
const tl_stored *tl_safetensors_find(const tl_safetensors *s, const char *name);

/* The value of a __metadata__ key (of the first shard that has it), or NULL. */
const char *tl_safetensors_meta(const tl_safetensors *s, const char *key);

typedef struct tl_meta {
    const char *key, *value; /* borrowed from the caller */
} tl_meta;

/* Write n tensors (and n_meta pairs) to path, whole or not at all (atomic.h).  The bytes of the file depend
 * on nothing but what is given: wide types first, then the caller's order; the data begins at a multiple
 * of 64, so every tensor is aligned to the size of its type. */
int tl_safetensors_save(const char *path, const tl_stored *tensors, int n, const tl_meta *meta, int n_meta,
                        tl_err *err);

/* The same where the bytes come from write, one tensor after the other in the file's order; data is not looked at. */
int tl_safetensors_stream(const char *path, const tl_stored *tensors, int n, const tl_meta *meta, int n_meta,
                          tl_stored_write *write, void *context, tl_err *err);

#endif
