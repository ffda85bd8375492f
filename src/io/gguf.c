/* gguf.c - from the mapped bytes to two checked tables, of pairs and of tensors.
 *
 * One pass reads the header with a cursor that never leaves the file; counts are held against the bytes that are left
 * before anything is allocated for them (a pair takes at least 13 bytes, a tensor 33), so a lying count cannot cost
 * more than the file itself has.  Then the tables are sorted by name to find doubles, and the tensors by offset to find
 * overlaps.  Tensor data is not touched. */
#include "io/gguf.h"

#include "base/size.h"
#include "io/map.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PAIR_BYTES = 8 + 4 + 1,           /* the least that a pair takes: its key's length, type, a bool */
    TENSOR_BYTES = 8 + 4 + 8 + 4 + 8, /* and a tensor: its name's length, n, one size, type, offset */
    MAX_DIMS = 4,                     /* as in ggml */
    MAX_DEPTH = 4,                    /* of arrays; known files have one */
    MAX_ALIGNMENT = 1 << 20,
    DEFAULT_ALIGNMENT = 32,
};

struct tl_gguf {
    char *path;  /* owned */
    tl_map *map; /* owned */
    uint32_t version;
    tl_gguf_pair *pairs; /* owned: n_pairs; their keys and texts too */
    int n_pairs;
    tl_stored *tensors; /* owned: n_tensors; their names too */
    int n_tensors;
    const tl_gguf_pair **by_key; /* owned; borrowed from pairs, sorted */
    const tl_stored **by_name;   /* owned; borrowed from tensors, sorted */
};

static const struct {
    const char *name;
    size_t size; /* 0 for what has its length in the file */
} value_types[TL_GGUF_TYPES] = {
    [TL_GGUF_U8] = { "u8", 1 },       [TL_GGUF_I8] = { "i8", 1 },     [TL_GGUF_U16] = { "u16", 2 },
    [TL_GGUF_I16] = { "i16", 2 },     [TL_GGUF_U32] = { "u32", 4 },   [TL_GGUF_I32] = { "i32", 4 },
    [TL_GGUF_F32] = { "f32", 4 },     [TL_GGUF_BOOL] = { "bool", 1 }, [TL_GGUF_STRING] = { "string", 0 },
    [TL_GGUF_ARRAY] = { "array", 0 }, [TL_GGUF_U64] = { "u64", 8 },   [TL_GGUF_I64] = { "i64", 8 },
    [TL_GGUF_F64] = { "f64", 8 },
};

/* The types of tensors by ggml's numbers.  Those without a type of ours are known by name, to be refused by it. */
static const struct {
    const char *name;
    bool readable;
    tl_dtype dtype;
} tensor_types[] = {
    [0] = { "F32", true, TL_DTYPE_F32 },    [1] = { "F16", true, TL_DTYPE_F16 },
    [2] = { "Q4_0", true, TL_DTYPE_Q4_0 },  [3] = { "Q4_1", true, TL_DTYPE_Q4_1 },
    [6] = { "Q5_0", true, TL_DTYPE_Q5_0 },  [7] = { "Q5_1", true, TL_DTYPE_Q5_1 },
    [8] = { "Q8_0", true, TL_DTYPE_Q8_0 },  [9] = { "Q8_1", false, 0 },
    [10] = { "Q2_K", true, TL_DTYPE_Q2_K }, [11] = { "Q3_K", true, TL_DTYPE_Q3_K },
    [12] = { "Q4_K", true, TL_DTYPE_Q4_K }, [13] = { "Q5_K", true, TL_DTYPE_Q5_K },
    [14] = { "Q6_K", true, TL_DTYPE_Q6_K }, [15] = { "Q8_K", false, 0 },
    [16] = { "IQ2_XXS", false, 0 },         [17] = { "IQ2_XS", false, 0 },
    [18] = { "IQ3_XXS", false, 0 },         [19] = { "IQ1_S", false, 0 },
    [20] = { "IQ4_NL", false, 0 },          [21] = { "IQ3_S", false, 0 },
    [22] = { "IQ2_S", false, 0 },           [23] = { "IQ4_XS", false, 0 },
    [24] = { "I8", true, TL_DTYPE_I8 },     [25] = { "I16", true, TL_DTYPE_I16 },
    [26] = { "I32", true, TL_DTYPE_I32 },   [27] = { "I64", true, TL_DTYPE_I64 },
    [28] = { "F64", true, TL_DTYPE_F64 },   [29] = { "IQ1_M", false, 0 },
    [30] = { "BF16", true, TL_DTYPE_BF16 }, [34] = { "TQ1_0", false, 0 },
    [35] = { "TQ2_0", false, 0 },           [39] = { "MXFP4", false, 0 },
};

int tl_gguf_number_of(tl_dtype dtype)
{
    for (int i = 0; i < (int)(sizeof tensor_types / sizeof *tensor_types); i++)
        if (tensor_types[i].readable && tensor_types[i].dtype == dtype) return i;
    return -1;
}

const char *tl_gguf_type_name(tl_gguf_type t)
{
    assert(t < TL_GGUF_TYPES);
    return value_types[t].name;
}

/* ---- the cursor ---- */

typedef struct cursor {
    const unsigned char *bytes; /* borrowed: the whole file */
    size_t size, at;
    const char *path; /* borrowed */
    char what[140];   /* being read: "key general.name", "tensor 3" */
} cursor;

static uint64_t little(const unsigned char *b, size_t n)
{
    uint64_t x = 0;
    for (size_t i = n; i-- > 0;) x = x << 8 | b[i];
    return x;
}

static int cut_short(const cursor *c, uint64_t wanted, tl_err *err)
{
    return tl_fail(err, TL_EFORMAT, "%s: %s: wants %" PRIu64 " bytes at byte %zu, the file has %zu more", c->path,
                   c->what, wanted, c->at, c->size - c->at);
}

/* Step over n bytes; *out is where they begin. */
static int take(cursor *c, uint64_t n, const unsigned char **out, tl_err *err)
{
    if (n > c->size - c->at) return cut_short(c, n, err);
    *out = c->bytes + c->at;
    c->at += (size_t)n;
    return 0;
}

static int take_number(cursor *c, size_t width, uint64_t *out, tl_err *err)
{
    const unsigned char *b = NULL;
    TL_TRY(take(c, width, &b, err));
    *out = little(b, width);
    return 0;
}

static int take_string(cursor *c, const unsigned char **out, size_t *size, tl_err *err)
{
    uint64_t n;
    TL_TRY(take_number(c, 8, &n, err));
    TL_TRY(take(c, n, out, err));
    *size = (size_t)n;
    return 0;
}

/* A string as a C string of its own; empty ones and NULs in it are refused where it is to be a name. */
static int take_text(cursor *c, char **out, bool name, tl_err *err)
{
    const unsigned char *b = NULL;
    size_t n = 0;
    TL_TRY(take_string(c, &b, &n, err));
    if (memchr(b, 0, n)) return tl_fail(err, TL_EFORMAT, "%s: %s: a string with a NUL in it", c->path, c->what);
    if (name && n == 0) return tl_fail(err, TL_EFORMAT, "%s: %s: has an empty name", c->path, c->what);
    *out = strndup((const char *)b, n);
    return *out ? 0 : tl_fail(err, TL_ENOMEM, "%s: %s: no memory for %zu bytes", c->path, c->what, n);
}

static int take_type(cursor *c, tl_gguf_type *out, tl_err *err)
{
    uint64_t type;
    TL_TRY(take_number(c, 4, &type, err));
    if (type >= TL_GGUF_TYPES)
        return tl_fail(err, TL_EFORMAT, "%s: %s: has type %" PRIu64 ", known are 0 to %d", c->path, c->what, type,
                       TL_GGUF_TYPES - 1);
    *out = (tl_gguf_type)type;
    return 0;
}

/* ---- pairs ---- */

static int skip_array(cursor *c, int depth, tl_gguf_type *type, size_t *n, const unsigned char **first, tl_err *err);

/* Step over n values, checked. */
static int skip_values(cursor *c, tl_gguf_type type, uint64_t n, int depth, tl_err *err)
{
    const unsigned char *b = NULL;
    size_t size = value_types[type].size, bytes = 0;
    if (size > 0) {
        if (n > SIZE_MAX || !tl_size_mul(&bytes, (size_t)n, size)) return cut_short(c, n, err);
        TL_TRY(take(c, bytes, &b, err));
        for (size_t i = 0; type == TL_GGUF_BOOL && i < bytes; i++)
            if (b[i] > 1)
                return tl_fail(err, TL_EFORMAT, "%s: %s: a bool is %d, wanted 0 or 1", c->path, c->what, b[i]);
        return 0;
    }
    /* Every string and array takes at least its length: a count without its bytes ends at the end of the file. */
    for (uint64_t i = 0; i < n; i++) {
        tl_gguf_type inner;
        if (type == TL_GGUF_STRING)
            TL_TRY(take_string(c, &b, &bytes, err));
        else
            TL_TRY(skip_array(c, depth + 1, &inner, &bytes, &b, err));
    }
    return 0;
}

static int skip_array(cursor *c, int depth, tl_gguf_type *type, size_t *n, const unsigned char **first, tl_err *err)
{
    uint64_t count;
    if (depth > MAX_DEPTH)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: %s: arrays within arrays, more than %d deep", c->path, c->what,
                       MAX_DEPTH);
    TL_TRY(take_type(c, type, err));
    TL_TRY(take_number(c, 8, &count, err));
    *first = c->bytes + c->at;
    TL_TRY(skip_values(c, *type, count, depth, err));
    *n = (size_t)count; /* no more than there are bytes */
    return 0;
}

static int read_pair(tl_gguf_pair *p, cursor *c, tl_err *err)
{
    char *key = NULL, *text = NULL;
    TL_TRY(take_text(c, &key, true, err));
    p->key = key; /* closing frees it from here on */
    snprintf(c->what, sizeof c->what, "key %.120s", key);
    TL_TRY(take_type(c, &p->type, err));
    p->n = 1;
    p->array = p->type == TL_GGUF_ARRAY;
    p->bytes = c->bytes + c->at;
    if (p->array) {
        TL_TRY(skip_array(c, 1, &p->type, &p->n, &p->bytes, err));
    } else if (p->type == TL_GGUF_STRING) {
        TL_TRY(take_text(c, &text, false, err));
        p->text = text;
    } else {
        TL_TRY(skip_values(c, p->type, 1, 1, err));
    }
    p->size = (size_t)(c->bytes + c->at - p->bytes);
    return 0;
}

static int compare_keys(const void *pa, const void *pb)
{
    const tl_gguf_pair *const *a = pa, *const *b = pb;
    return strcmp((*a)->key, (*b)->key);
}

/* n things of which each takes at least so many bytes of what is left of the file. */
static int check_count(const cursor *c, uint64_t n, size_t least, const char *what, tl_err *err)
{
    if (n <= (c->size - c->at) / least && n < INT_MAX) return 0;
    return tl_fail(err, TL_EFORMAT, "%s: is said to hold %" PRIu64 " %s, which do not fit in the %zu bytes left",
                   c->path, n, what, c->size - c->at);
}

static int no_table(const cursor *c, uint64_t n, const char *what, tl_err *err)
{
    return tl_fail(err, TL_ENOMEM, "%s: no memory for its %" PRIu64 " %s", c->path, n, what);
}

static int read_pairs(tl_gguf *g, cursor *c, uint64_t n, tl_err *err)
{
    TL_TRY(check_count(c, n, PAIR_BYTES, "pairs", err));
    g->pairs = calloc((size_t)n + 1, sizeof *g->pairs);
    g->by_key = calloc((size_t)n + 1, sizeof *g->by_key);
    if (!g->pairs || !g->by_key) return no_table(c, n, "pairs", err);
    while ((uint64_t)g->n_pairs < n) {
        snprintf(c->what, sizeof c->what, "pair %d", g->n_pairs);
        g->by_key[g->n_pairs] = &g->pairs[g->n_pairs];
        TL_TRY(read_pair(&g->pairs[g->n_pairs++], c, err));
    }
    qsort(g->by_key, (size_t)g->n_pairs, sizeof *g->by_key, compare_keys);
    for (int i = 1; i < g->n_pairs; i++)
        if (strcmp(g->by_key[i - 1]->key, g->by_key[i]->key) == 0)
            return tl_fail(err, TL_EFORMAT, "%s: key %.200s is there twice", g->path, g->by_key[i]->key);
    return 0;
}

/* ---- tensors ---- */

/* The shape, and the bytes that it takes. */
static int read_shape(tl_stored *t, cursor *c, uint64_t n_dims, tl_err *err)
{
    size_t numbers = 1;
    if (n_dims < 1 || n_dims > MAX_DIMS)
        return tl_fail(err, TL_EFORMAT, "%s: %s: has %" PRIu64 " dimensions, wanted 1 to %d", c->path, c->what, n_dims,
                       MAX_DIMS);
    t->n_dims = (int)n_dims;
    for (int d = t->n_dims - 1; d >= 0; d--) { /* the file begins with the fastest */
        uint64_t size;
        TL_TRY(take_number(c, 8, &size, err));
        if (size < 1 || size > SIZE_MAX || !tl_size_mul(&numbers, numbers, (size_t)size))
            return tl_fail(err, TL_ESHAPE, "%s: %s: a dimension is %" PRIu64 ", which leaves no size to count", c->path,
                           c->what, size);
        t->dims[d] = (size_t)size;
    }
    return 0;
}

static int read_type(tl_stored *t, cursor *c, tl_err *err)
{
    uint64_t type;
    TL_TRY(take_number(c, 4, &type, err));
    bool known = type < sizeof tensor_types / sizeof *tensor_types && tensor_types[type].name;
    if (!known || !tensor_types[type].readable)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: %s: is stored as type %" PRIu64 " (%s); read are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, "
                       "Q5_1 and Q2_K to Q6_K",
                       c->path, c->what, type, known ? tensor_types[type].name : "unknown");
    t->dtype = tensor_types[type].dtype;
    size_t row = t->dims[t->n_dims - 1], block = tl_dtype_block(t->dtype);
    if (row % block != 0)
        return tl_fail(err, TL_ESHAPE, "%s: %s: rows of %zu numbers, %s wants a multiple of %zu", c->path, c->what, row,
                       tl_dtype_name(t->dtype), block);
    size_t blocks = row / block;
    bool fits = true;
    for (int d = 0; d < t->n_dims - 1; d++) fits = fits && tl_size_mul(&blocks, blocks, t->dims[d]);
    if (!fits || !tl_size_mul(&t->bytes, blocks, tl_dtype_block_bytes(t->dtype)))
        return tl_fail(err, TL_ESHAPE, "%s: %s: its shape is larger than any memory", c->path, c->what);
    return 0;
}

/* data holds the offset until the place of all data is known. */
static int read_tensor(tl_stored *t, size_t *offset, size_t alignment, cursor *c, tl_err *err)
{
    char *name = NULL;
    uint64_t n_dims, at;
    TL_TRY(take_text(c, &name, true, err));
    t->name = name;
    snprintf(c->what, sizeof c->what, "tensor %.120s", name);
    TL_TRY(take_number(c, 4, &n_dims, err));
    TL_TRY(read_shape(t, c, n_dims, err));
    TL_TRY(read_type(t, c, err));
    TL_TRY(take_number(c, 8, &at, err));
    if (at % alignment != 0)
        return tl_fail(err, TL_EFORMAT, "%s: %s: begins at byte %" PRIu64 " of the data, wanted a multiple of %zu",
                       c->path, c->what, at, alignment);
    if (at > c->size || t->bytes > c->size - (size_t)at) /* before it is added to anything */
        return tl_fail(err, TL_EFORMAT, "%s: %s: %zu bytes from byte %" PRIu64 " of the data, the file has %zu in all",
                       c->path, c->what, t->bytes, at, c->size);
    *offset = (size_t)at;
    return 0;
}

static int compare_names(const void *pa, const void *pb)
{
    const tl_stored *const *a = pa, *const *b = pb;
    return strcmp((*a)->name, (*b)->name);
}

static int compare_places(const void *pa, const void *pb)
{
    const tl_stored *const *a = pa, *const *b = pb;
    uintptr_t x = (uintptr_t)(*a)->data, y = (uintptr_t)(*b)->data;
    return (x > y) - (x < y);
}

/* Offsets become addresses, and no two tensors share a byte. */
static int place(tl_gguf *g, const size_t *offsets, const cursor *c, size_t alignment, tl_err *err)
{
    size_t start = 0;
    if (!tl_size_add(&start, c->at, alignment - 1)) start = SIZE_MAX;
    start -= start % alignment;
    for (int i = 0; i < g->n_tensors; i++) {
        tl_stored *t = &g->tensors[i];
        size_t end = 0;
        if (!tl_size_add(&end, start, offsets[i]) || !tl_size_add(&end, end, t->bytes) || end > c->size)
            return tl_fail(err, TL_EFORMAT,
                           "%s: tensor %s ends %zu bytes into the data, which begin at byte %zu of %zu: is it cut "
                           "short?",
                           g->path, t->name, offsets[i] + t->bytes, start, c->size);
        t->data = c->bytes + start + offsets[i];
        g->by_name[i] = t;
    }
    qsort(g->by_name, (size_t)g->n_tensors, sizeof *g->by_name, compare_places);
    for (int i = 1; i < g->n_tensors; i++) {
        const tl_stored *a = g->by_name[i - 1], *b = g->by_name[i];
        if ((const char *)a->data + a->bytes > (const char *)b->data)
            return tl_fail(err, TL_EFORMAT, "%s: tensor %s begins inside tensor %s", g->path, b->name, a->name);
    }
    qsort(g->by_name, (size_t)g->n_tensors, sizeof *g->by_name, compare_names);
    for (int i = 1; i < g->n_tensors; i++)
        if (strcmp(g->by_name[i - 1]->name, g->by_name[i]->name) == 0)
            return tl_fail(err, TL_EFORMAT, "%s: tensor %s is there twice", g->path, g->by_name[i]->name);
    return 0;
}

static int read_tensors(tl_gguf *g, cursor *c, uint64_t n, tl_err *err)
{
    int alignment;
    TL_TRY(tl_gguf_int_or(g, "general.alignment", 8, MAX_ALIGNMENT, DEFAULT_ALIGNMENT, &alignment, err));
    if ((alignment & (alignment - 1)) != 0)
        return tl_fail(err, TL_EFORMAT, "%s: key general.alignment is %d, wanted a power of two", g->path, alignment);
    TL_TRY(check_count(c, n, TENSOR_BYTES, "tensors", err));
    g->tensors = calloc((size_t)n + 1, sizeof *g->tensors);
    g->by_name = calloc((size_t)n + 1, sizeof *g->by_name);
    if (!g->tensors || !g->by_name) return no_table(c, n, "tensors", err);
    size_t *offsets = calloc((size_t)n + 1, sizeof *offsets);
    int rc = offsets ? 0 : no_table(c, n, "tensors", err);
    while (rc == 0 && (uint64_t)g->n_tensors < n) {
        snprintf(c->what, sizeof c->what, "tensor %d", g->n_tensors);
        tl_stored *t = &g->tensors[g->n_tensors];
        rc = read_tensor(t, &offsets[g->n_tensors++], (size_t)alignment, c, err);
    }
    if (rc == 0 && n > 0) rc = place(g, offsets, c, (size_t)alignment, err);
    free(offsets);
    return rc;
}

/* ---- the file ---- */

static int read_file(tl_gguf *g, tl_err *err)
{
    cursor c = { .path = g->path, .what = "the header" };
    const unsigned char *magic = NULL;
    uint64_t version, tensors, pairs;
    c.bytes = tl_map_bytes(g->map, &c.size);
    TL_TRY(take(&c, 4, &magic, err));
    if (memcmp(magic, "GGUF", 4) != 0)
        return tl_fail(err, TL_EFORMAT, "%s: begins with %02x %02x %02x %02x, a GGUF file begins with its name",
                       g->path, magic[0], magic[1], magic[2], magic[3]);
    TL_TRY(take_number(&c, 4, &version, err));
    if (version == 2u << 24 || version == 3u << 24)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: is a big-endian GGUF file, read are little-endian ones", g->path);
    if (version != 2 && version != 3)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: is GGUF version %" PRIu64 ", read are 2 and 3", g->path, version);
    g->version = (uint32_t)version;
    TL_TRY(take_number(&c, 8, &tensors, err));
    TL_TRY(take_number(&c, 8, &pairs, err));
    TL_TRY(read_pairs(g, &c, pairs, err));
    return read_tensors(g, &c, tensors, err);
}

bool tl_gguf_is(const char *path)
{
    char head[4] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is no file, and not waited for */
    if (fd < 0) return false;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    return n == sizeof head && memcmp(head, "GGUF", 4) == 0;
}

int tl_gguf_open(tl_gguf **out, const char *path, tl_err *err)
{
    int rc = 0;
    tl_gguf *g = calloc(1, sizeof *g);
    if (!g || !(g->path = strdup(path))) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory to open it", path);
        goto done;
    }
    rc = tl_map_open(&g->map, path, err);
    if (rc == 0) rc = read_file(g, err);
    if (rc < 0) goto done;
    *out = g;
    g = NULL;
done:
    tl_gguf_close(g);
    return rc;
}

void tl_gguf_rest(const tl_gguf *g)
{
    tl_map_rest(g->map);
}

void tl_gguf_close(tl_gguf *g)
{
    if (!g) return;
    for (int i = 0; i < g->n_pairs; i++) {
        free((char *)g->pairs[i].key);
        free((char *)g->pairs[i].text);
    }
    for (int i = 0; i < g->n_tensors; i++) free((char *)g->tensors[i].name);
    free(g->pairs);
    free(g->by_key);
    free(g->tensors);
    free(g->by_name);
    tl_map_close(g->map);
    free(g->path);
    free(g);
}

const char *tl_gguf_path(const tl_gguf *g)
{
    return g->path;
}

int tl_gguf_version(const tl_gguf *g)
{
    return (int)g->version;
}

int tl_gguf_count(const tl_gguf *g)
{
    return g->n_tensors;
}

const tl_stored *tl_gguf_at(const tl_gguf *g, int i)
{
    return &g->tensors[i];
}

const tl_stored *tl_gguf_find(const tl_gguf *g, const char *name)
{
    const tl_stored key = { .name = name }, *pkey = &key;
    const tl_stored *const *found =
        g->n_tensors ? bsearch(&pkey, g->by_name, (size_t)g->n_tensors, sizeof *g->by_name, compare_names) : NULL;
    return found ? *found : NULL;
}

int tl_gguf_pairs(const tl_gguf *g)
{
    return g->n_pairs;
}

const tl_gguf_pair *tl_gguf_pair_at(const tl_gguf *g, int i)
{
    return &g->pairs[i];
}

const tl_gguf_pair *tl_gguf_get(const tl_gguf *g, const char *key)
{
    const tl_gguf_pair wanted = { .key = key }, *pwanted = &wanted;
    const tl_gguf_pair *const *found =
        g->n_pairs ? bsearch(&pwanted, g->by_key, (size_t)g->n_pairs, sizeof *g->by_key, compare_keys) : NULL;
    return found ? *found : NULL;
}

/* ---- values ---- */

bool tl_gguf_whole(const tl_gguf_pair *p, size_t i, int64_t *out)
{
    assert(i < p->n);
    size_t size = value_types[p->type].size;
    uint64_t x = size ? little(p->bytes + i * size, size) : 0;
    switch (p->type) {
    case TL_GGUF_U8:
    case TL_GGUF_U16:
    case TL_GGUF_U32:
        *out = (int64_t)x;
        return true;
    case TL_GGUF_U64:
        *out = (int64_t)x;
        return x <= INT64_MAX;
    case TL_GGUF_I8:
        *out = (int64_t)(x ^ 0x80) - 0x80;
        return true;
    case TL_GGUF_I16:
        *out = (int16_t)x;
        return true;
    case TL_GGUF_I32:
        *out = (int32_t)x;
        return true;
    case TL_GGUF_I64:
        *out = (int64_t)x;
        return true;
    default:
        return false;
    }
}

double tl_gguf_real(const tl_gguf_pair *p, size_t i)
{
    assert(i < p->n);
    int64_t whole = 0;
    size_t size = value_types[p->type].size;
    uint64_t bits = size ? little(p->bytes + i * size, size) : 0;
    if (p->type == TL_GGUF_F32) {
        uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, sizeof f);
        return (double)f;
    }
    if (p->type == TL_GGUF_F64) {
        double d;
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    if (p->type == TL_GGUF_BOOL || p->type == TL_GGUF_U64) return (double)bits;
    return tl_gguf_whole(p, i, &whole) ? (double)whole : (double)NAN;
}

const char *tl_gguf_next(const tl_gguf_pair *p, size_t *at, size_t *size)
{
    assert(p->array && p->type == TL_GGUF_STRING);
    if (*at >= p->size) return NULL;
    *size = (size_t)little(p->bytes + *at, 8); /* checked when the file was opened */
    const char *text = (const char *)p->bytes + *at + 8;
    *at += 8 + *size;
    return text;
}

static int missing(const tl_gguf *g, const char *key, tl_err *err)
{
    return tl_fail(err, TL_EFORMAT, "%s: key %s is missing", g->path, key);
}

static int not_a(const tl_gguf *g, const tl_gguf_pair *p, const char *wanted, tl_err *err)
{
    return tl_fail(err, TL_EFORMAT, "%s: key %s is %s%s, wanted %s", g->path, p->key, p->array ? "an array of " : "",
                   value_types[p->type].name, wanted);
}

static int int_of(const tl_gguf *g, const tl_gguf_pair *p, int min, int max, int *out, tl_err *err)
{
    int64_t x;
    if (p->array || !tl_gguf_whole(p, 0, &x)) return not_a(g, p, "a whole number", err);
    if (x < min || x > max)
        return tl_fail(err, TL_EFORMAT, "%s: key %s is %" PRId64 ", wanted %d to %d", g->path, p->key, x, min, max);
    *out = (int)x;
    return 0;
}

int tl_gguf_int(const tl_gguf *g, const char *key, int min, int max, int *out, tl_err *err)
{
    const tl_gguf_pair *p = tl_gguf_get(g, key);
    return p ? int_of(g, p, min, max, out, err) : missing(g, key, err);
}

int tl_gguf_int_or(const tl_gguf *g, const char *key, int min, int max, int def, int *out, tl_err *err)
{
    const tl_gguf_pair *p = tl_gguf_get(g, key);
    *out = def;
    return p ? int_of(g, p, min, max, out, err) : 0;
}

static int double_of(const tl_gguf *g, const tl_gguf_pair *p, double min, double max, double *out, tl_err *err)
{
    bool number = value_types[p->type].size > 0 && p->type != TL_GGUF_BOOL;
    if (p->array || !number) return not_a(g, p, "a number", err);
    double x = tl_gguf_real(p, 0);
    if (!(x >= min && x <= max))
        return tl_fail(err, TL_EFORMAT, "%s: key %s is %g, wanted %g to %g", g->path, p->key, x, min, max);
    *out = x;
    return 0;
}

int tl_gguf_double(const tl_gguf *g, const char *key, double min, double max, double *out, tl_err *err)
{
    const tl_gguf_pair *p = tl_gguf_get(g, key);
    return p ? double_of(g, p, min, max, out, err) : missing(g, key, err);
}

int tl_gguf_double_or(const tl_gguf *g, const char *key, double min, double max, double def, double *out, tl_err *err)
{
    const tl_gguf_pair *p = tl_gguf_get(g, key);
    *out = def;
    return p ? double_of(g, p, min, max, out, err) : 0;
}

int tl_gguf_bool_or(const tl_gguf *g, const char *key, bool def, bool *out, tl_err *err)
{
    const tl_gguf_pair *p = tl_gguf_get(g, key);
    *out = def;
    if (!p) return 0;
    if (p->array || p->type != TL_GGUF_BOOL) return not_a(g, p, "a bool", err);
    *out = p->bytes[0] != 0;
    return 0;
}

int tl_gguf_string_or(const tl_gguf *g, const char *key, const char *def, const char **out, tl_err *err)
{
    const tl_gguf_pair *p = tl_gguf_get(g, key);
    *out = def;
    if (!p) return 0;
    if (!p->text) return not_a(g, p, "a string", err);
    *out = p->text;
    return 0;
}

int tl_gguf_string(const tl_gguf *g, const char *key, const char **out, tl_err *err)
{
    if (!tl_gguf_get(g, key)) return missing(g, key, err);
    return tl_gguf_string_or(g, key, NULL, out, err);
}

int tl_gguf_array_or_null(const tl_gguf *g, const char *key, tl_gguf_type type, const tl_gguf_pair **out, tl_err *err)
{
    char wanted[40];
    const tl_gguf_pair *p = *out = tl_gguf_get(g, key);
    if (!p || (p->array && p->type == type)) return 0;
    snprintf(wanted, sizeof wanted, "an array of %s", value_types[type].name);
    return not_a(g, p, wanted, err);
}

int tl_gguf_array(const tl_gguf *g, const char *key, tl_gguf_type type, const tl_gguf_pair **out, tl_err *err)
{
    TL_TRY(tl_gguf_array_or_null(g, key, type, out, err));
    return *out ? 0 : missing(g, key, err);
}
