/* gguf.h - metadata and tensors in one file, the format of llama.cpp and its kin.
 *
 *     tl_gguf *g = NULL;
 *     TL_TRY(tl_gguf_open(&g, "model.gguf", err));
 *     TL_TRY(tl_gguf_int(g, "llama.block_count", 1, 1000, &L, err));
 *     const tl_stored *w = tl_gguf_find(g, "token_embd.weight");
 *     tl_gguf_close(g);
 *
 * Versions 2 and 3, little endian:
 *
 *     "GGUF"  u32 version  u64 tensors  u64 pairs
 *     pairs:    string key, u32 type, value            string: u64 length, bytes
 *               array: u32 type of its elements, u64 how many, the elements
 *     tensors:  string name, u32 n, u64 size[n] (fastest first), u32 type, u64 offset
 *     zeros up to a multiple of general.alignment (32); the offsets count from here
 *     the tensors' bytes, each beginning at a multiple of the alignment
 *
 * The file is mapped and not trusted: every length and offset is checked before it is used, nothing is allocated that
 * the file has not paid for in bytes, and a lie is one sentence naming the file and the key or tensor.  Refused are a
 * key or tensor twice, tensors that overlap, arrays nested deeper than any known file has, types of tensors that
 * block_formats.h cannot read. */
#ifndef TL_IO_GGUF_H
#define TL_IO_GGUF_H

#include "base/err.h"
#include "io/stored.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum tl_gguf_type {
    TL_GGUF_U8,
    TL_GGUF_I8,
    TL_GGUF_U16,
    TL_GGUF_I16,
    TL_GGUF_U32,
    TL_GGUF_I32,
    TL_GGUF_F32,
    TL_GGUF_BOOL,
    TL_GGUF_STRING,
    TL_GGUF_ARRAY,
    TL_GGUF_U64,
    TL_GGUF_I64,
    TL_GGUF_F64,
    TL_GGUF_TYPES
} tl_gguf_type;

typedef struct tl_gguf_pair {
    const char *key;            /* all borrowed from the reader */
    bool array;                 /* then type and n are those of its elements */
    tl_gguf_type type;          /* of the value; TL_GGUF_ARRAY for the elements of an array of arrays */
    size_t n;                   /* 1 where it is no array */
    const unsigned char *bytes; /* where the first element begins, at any address */
    size_t size;                /* of all elements */
    const char *text;           /* a string that is no array: its bytes and a NUL (it holds none itself); else NULL */
} tl_gguf_pair;

typedef struct tl_gguf tl_gguf;

/* Whether the file at path begins with GGUF's four letters. */
bool tl_gguf_is(const char *path);

/* On success *out is the caller's, to be closed; what the functions below return lives as long. */
int tl_gguf_open(tl_gguf **out, const char *path, tl_err *err);
void tl_gguf_close(tl_gguf *g);

/* Give the pages back to the kernel until they are read again. */
void tl_gguf_rest(const tl_gguf *g);

const char *tl_gguf_path(const tl_gguf *g);
int tl_gguf_version(const tl_gguf *g);

/* Tensors in the file's order; the one of that name, or NULL.  dims have the fastest last, as everywhere here. */
int tl_gguf_count(const tl_gguf *g);
const tl_stored *tl_gguf_at(const tl_gguf *g, int i);
const tl_stored *tl_gguf_find(const tl_gguf *g, const char *name);

/* Pairs in the file's order; the one of that key, or NULL. */
int tl_gguf_pairs(const tl_gguf *g);
const tl_gguf_pair *tl_gguf_pair_at(const tl_gguf *g, int i);
const tl_gguf_pair *tl_gguf_get(const tl_gguf *g, const char *key);

/* Values by type and range; a failure names file and key.  Those ending in _or give the default where the key is
 * missing.  A whole number may be stored in any integer type, a double in any number type. */
int tl_gguf_int(const tl_gguf *g, const char *key, int min, int max, int *out, tl_err *err);
int tl_gguf_int_or(const tl_gguf *g, const char *key, int min, int max, int def, int *out, tl_err *err);
int tl_gguf_double(const tl_gguf *g, const char *key, double min, double max, double *out, tl_err *err);
int tl_gguf_double_or(const tl_gguf *g, const char *key, double min, double max, double def, double *out, tl_err *err);
int tl_gguf_bool_or(const tl_gguf *g, const char *key, bool def, bool *out, tl_err *err);
int tl_gguf_string(const tl_gguf *g, const char *key, const char **out, tl_err *err);
int tl_gguf_string_or(const tl_gguf *g, const char *key, const char *def, const char **out, tl_err *err);

/* The array of that key whose elements are of that type; with _or_null, NULL where the key is missing. */
int tl_gguf_array(const tl_gguf *g, const char *key, tl_gguf_type type, const tl_gguf_pair **out, tl_err *err);
int tl_gguf_array_or_null(const tl_gguf *g, const char *key, tl_gguf_type type, const tl_gguf_pair **out, tl_err *err);

/* Element i of a pair of numbers: as a whole number (false: it is none, or too large), as a double (bool: 0 or 1). */
bool tl_gguf_whole(const tl_gguf_pair *p, size_t i, int64_t *out);
double tl_gguf_real(const tl_gguf_pair *p, size_t i);

/* The elements of an array of strings, one after the other:
 *     size_t at = 0, size;
 *     for (const char *s; (s = tl_gguf_next(p, &at, &size));) ...    size bytes, no NUL behind them */
const char *tl_gguf_next(const tl_gguf_pair *p, size_t *at, size_t *size);

/* ggml's number of a tensor's type, or -1 where it has none. */
int tl_gguf_number_of(tl_dtype dtype);

/* "u32", "string", ... */
const char *tl_gguf_type_name(tl_gguf_type t);

#endif
