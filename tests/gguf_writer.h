/* gguf_writer.h - small GGUF files for tests, byte by byte, so that each of them can be made to lie.
 *
 *     gguf_writer w = gguf_begin(3);
 *     gguf_text(&w, "general.architecture", "llama");
 *     gguf_number(&w, "llama.block_count", TL_GGUF_U32, 1);
 *     gguf_tensor(&w, "norm.weight", 0, 1, (uint64_t[]){ 4 }, 0);
 *     gguf_end(&w, data, data_size);
 *     scratch_write("x.gguf", w.bytes, w.size);
 *
 * Pairs come before tensors. */
#ifndef TL_TESTS_GGUF_WRITER_H
#define TL_TESTS_GGUF_WRITER_H

#include "io/gguf.h"

#include <stdlib.h>
#include <string.h>

typedef struct gguf_writer {
    unsigned char bytes[1 << 15];
    size_t size;
    uint64_t tensors, pairs;
} gguf_writer;

static inline void gguf_put(gguf_writer *w, const void *bytes, size_t n)
{
    if (n > sizeof w->bytes - w->size) abort();
    if (n) memcpy(w->bytes + w->size, bytes, n);
    w->size += n;
}

static inline void gguf_u32(gguf_writer *w, uint32_t x)
{
    gguf_put(w, &x, sizeof x); /* tests run on little-endian machines only, as the program does */
}

static inline void gguf_u64(gguf_writer *w, uint64_t x)
{
    gguf_put(w, &x, sizeof x);
}

static inline void gguf_string(gguf_writer *w, const char *s)
{
    gguf_u64(w, strlen(s));
    gguf_put(w, s, strlen(s));
}

static inline gguf_writer gguf_begin(uint32_t version)
{
    gguf_writer w = { .size = 0 };
    gguf_put(&w, "GGUF", 4);
    gguf_u32(&w, version);
    gguf_u64(&w, 0);
    gguf_u64(&w, 0);
    return w;
}

static inline void gguf_key(gguf_writer *w, const char *key, tl_gguf_type type)
{
    w->pairs++;
    gguf_string(w, key);
    gguf_u32(w, type);
}

static inline void gguf_text(gguf_writer *w, const char *key, const char *value)
{
    gguf_key(w, key, TL_GGUF_STRING);
    gguf_string(w, value);
}

/* The low bytes of bits, as many as the type has. */
static inline void gguf_number(gguf_writer *w, const char *key, tl_gguf_type type, uint64_t bits)
{
    static const size_t sizes[TL_GGUF_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    gguf_key(w, key, type);
    gguf_put(w, &bits, sizes[type]);
}

static inline void gguf_f32(gguf_writer *w, const char *key, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    gguf_number(w, key, TL_GGUF_F32, bits);
}

/* The head of an array; its elements are put behind it. */
static inline void gguf_array(gguf_writer *w, const char *key, tl_gguf_type type, uint64_t n)
{
    gguf_key(w, key, TL_GGUF_ARRAY);
    gguf_u32(w, type);
    gguf_u64(w, n);
}

/* type is ggml's number; dims have the fastest first. */
static inline void gguf_tensor(gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims, const uint64_t *dims,
                               uint64_t offset)
{
    w->tensors++;
    gguf_string(w, name);
    gguf_u32(w, n_dims);
    for (uint32_t d = 0; d < n_dims; d++) gguf_u64(w, dims[d]);
    gguf_u32(w, type);
    gguf_u64(w, offset);
}

/* The counts, zeros up to the next multiple of 32, the data. */
static inline void gguf_end(gguf_writer *w, const void *data, size_t n)
{
    static const unsigned char zeros[32];
    memcpy(w->bytes + 8, &w->tensors, 8);
    memcpy(w->bytes + 16, &w->pairs, 8);
    gguf_put(w, zeros, -w->size & 31);
    gguf_put(w, data, n);
}

#endif
