/* hash.h - sha256 of bytes and files: names of content, in reports, manifests and cache keys. */
#ifndef TL_BASE_HASH_H
#define TL_BASE_HASH_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct tl_hash {
    uint8_t bytes[32];
} tl_hash;

/* sha256 of size bytes. */
tl_hash tl_hash_bytes(const void *data, size_t size);

/* sha256 of a chain: what came before, then size bytes. */
tl_hash tl_hash_chain(const tl_hash *before, const void *data, size_t size);

/* sha256 of a file's bytes. */
int tl_hash_file(tl_hash *out, const char *path, tl_err *err);

/* 64 hex digits and a NUL. */
void tl_hash_hex(char out[65], const tl_hash *h);

#endif
