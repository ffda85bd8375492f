/* stored.h - a tensor in a file, whatever the file's format: what safetensors.h and gguf.h give out, and what is saved
 * with them. */
#ifndef TL_IO_STORED_H
#define TL_IO_STORED_H

#include "base/dtype.h"
#include "io/atomic.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TL_STORED_DIMS = 8
};

typedef struct tl_stored {
    const char *name; /* borrowed from the reader (or, when saving, from the caller) */
    tl_dtype dtype;
    int n_dims; /* 0 for a scalar */
    size_t dims[TL_STORED_DIMS];
    const void *data; /* borrowed from the reader's mapping; aligned to the size of its dtype */
    size_t bytes;     /* product of dims times the size of dtype; of rows of blocks where it has blocks */
} tl_stored;

/* Writes the bytes of tensor i, all of them and in order, by tl_save_write: for a save whose tensors are made while
 * they are written. */
typedef int tl_stored_write(void *context, int i, tl_save *s, tl_err *err);

/* The first of n tensors that holds NaN or infinity, or -1.  They are in F32, F16, BF16 or readable blocks
 * (block_formats.h); all threads read them together.  With rest, each piece's pages are given back once it is read:
 * for tensors in a mapped file that are not used as they lie. */
int tl_stored_not_finite(const tl_stored *const *list, int n, bool rest);

/* That of a single tensor: it holds neither. */
bool tl_stored_finite(const tl_stored *t);

#endif
