/* safetensors.c - reading: from the mapped bytes to a checked table of tensors.  Writing is safetensors_save.c.
 *
 * A shard is opened in three looks at its header: the length, then every entry by itself (type, shape, offsets, and
 * that they agree), then the entries against each other in the order of their offsets, which must cover the data
 * without gap or overlap.  Tensor data is not touched, except for a tensor that its writer left unaligned for its
 * type: that one is copied, so that no reader has to think of it. */
#include "io/safetensors.h"

#include "base/size.h"
#include "io/atomic.h"
#include "io/json.h"
#include "io/map.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const size_t HEADER_LIMIT = (size_t)100 << 20;

typedef struct shard {
    char *path;      /* owned */
    tl_map *map;     /* owned */
    json_t *header;  /* owned; the tensors' names are borrowed from it */
    int first, last; /* its items: first..last-1 */
} shard;

typedef struct item {
    tl_stored stored; /* first: tl_safetensors_at gives its address */
    size_t begin;     /* offset in the shard's data */
    int shard;
    void *copy; /* owned; the aligned copy, or NULL where the mapping serves */
} item;

struct tl_safetensors {
    shard *shards; /* n_shards of them */
    int n_shards;
    item *items; /* n of them, shard by shard, by offset */
    int n, capacity;
    const item **by_name; /* [n] borrowed from items, sorted */
};

/* One entry of the header, as it stands: { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }. */
static int parse_entry(item *it, const char *path, const char *name, const json_t *entry, size_t data_size, tl_err *err)
{
    char where[600];
    snprintf(where, sizeof where, "%s: tensor %s", path, name);
    if (!json_is_object(entry)) return tl_fail(err, TL_EFORMAT, "%s: its entry in the header is no object", where);
    it->stored.name = name;
    const char *dtype;
    json_t *shape, *offsets;
    TL_TRY(tl_json_string(entry, where, "dtype", &dtype, err));
    if (!tl_dtype_parse(&it->stored.dtype, dtype) || tl_dtype_block(it->stored.dtype) > 1)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: dtype is %s, wanted F32, F16, BF16 or one of their kind", where,
                       dtype);
    TL_TRY(tl_json_value(entry, where, "shape", JSON_ARRAY, &shape, err));
    if (json_array_size(shape) > TL_STORED_DIMS)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: has %zu dimensions, at most %d are read", where,
                       json_array_size(shape), TL_STORED_DIMS);
    it->stored.n_dims = (int)json_array_size(shape);
    size_t bytes = tl_dtype_size(it->stored.dtype);
    for (int i = 0; i < it->stored.n_dims; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return tl_fail(err, TL_EFORMAT, "%s: shape[%d] is no whole number from 0", where, i);
        it->stored.dims[i] = (size_t)json_integer_value(dim);
        if (!tl_size_mul(&bytes, bytes, it->stored.dims[i]))
            return tl_fail(err, TL_ESHAPE, "%s: the product of its shape does not fit in memory at all", where);
    }
    TL_TRY(tl_json_value(entry, where, "data_offsets", JSON_ARRAY, &offsets, err));
    const json_t *b = json_array_get(offsets, 0), *e = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(b) || !json_is_integer(e) || json_integer_value(b) < 0 ||
        json_integer_value(e) < json_integer_value(b))
        return tl_fail(err, TL_EFORMAT, "%s: data_offsets is no pair [begin, end] with 0 <= begin <= end", where);
    it->begin = (size_t)json_integer_value(b);
    size_t end = (size_t)json_integer_value(e);
    if (end > data_size)
        return tl_fail(err, TL_EFORMAT, "%s: ends at byte %zu of the data, the file has %zu: is it cut short?", where,
                       end, data_size);
    if (end - it->begin != bytes)
        return tl_fail(err, TL_ESHAPE, "%s: data_offsets hold %zu bytes, its shape and dtype want %zu", where,
                       end - it->begin, bytes);
    it->stored.bytes = bytes;
    return 0;
}

static int by_offset(const void *pa, const void *pb)
{
    const item *a = pa, *b = pb;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->stored.bytes != b->stored.bytes) return a->stored.bytes < b->stored.bytes ? -1 : 1;
    return strcmp(a->stored.name, b->stored.name); /* empty tensors at one place */
}

/* The tensors, in order of offset, cover the data exactly. */
static int check_cover(const char *path, const item *items, int n, size_t data_size, tl_err *err)
{
    size_t end = 0;
    for (int i = 0; i < n; i++) {
        const char *name = items[i].stored.name;
        if (items[i].begin < end)
            return tl_fail(err, TL_EFORMAT,
                           "%s: tensor %s begins at byte %zu of the data, inside %s, which ends at %zu", path, name,
                           items[i].begin, items[i - 1].stored.name, end);
        if (items[i].begin > end)
            return tl_fail(err, TL_EFORMAT, "%s: bytes %zu to %zu of the data, before tensor %s, belong to no tensor",
                           path, end, items[i].begin, name);
        end = items[i].begin + items[i].stored.bytes;
    }
    if (end != data_size)
        return tl_fail(err, TL_EFORMAT, "%s: the last %zu bytes of the data belong to no tensor", path,
                       data_size - end);
    return 0;
}

/* MLX writes null where it has none. */
static int check_metadata(const char *path, const json_t *meta, tl_err *err)
{
    if (json_is_null(meta)) return 0;
    if (!json_is_object(meta)) return tl_fail(err, TL_EFORMAT, "%s: __metadata__ is no object", path);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)meta, key, value)
    {
        if (!json_is_string(value)) return tl_fail(err, TL_EFORMAT, "%s: __metadata__ %s is no string", path, key);
    }
    return 0;
}

static int add_item(tl_safetensors *s, const item *it, tl_err *err)
{
    if (s->n == s->capacity) {
        int capacity = s->capacity ? 2 * s->capacity : 64;
        item *items = realloc(s->items, (size_t)capacity * sizeof *items);
        if (!items) return tl_fail(err, TL_ENOMEM, "%s: no memory for its list of tensors", s->shards[it->shard].path);
        s->items = items;
        s->capacity = capacity;
    }
    s->items[s->n++] = *it;
    return 0;
}

/* Let data point into the mapping, or to an aligned copy. */
static int place(item *it, const char *path, const unsigned char *data, tl_err *err)
{
    it->stored.data = data + it->begin;
    if (it->stored.bytes == 0 || (uintptr_t)it->stored.data % tl_dtype_size(it->stored.dtype) == 0) return 0;
    it->copy = malloc(it->stored.bytes);
    if (!it->copy)
        return tl_fail(err, TL_ENOMEM, "%s: tensor %s is not aligned, and there are no %zu bytes for a copy", path,
                       it->stored.name, it->stored.bytes);
    memcpy(it->copy, it->stored.data, it->stored.bytes);
    it->stored.data = it->copy;
    return 0;
}

/* Map and check the file at path as the next shard; s->shards has room. */
static int open_shard(tl_safetensors *s, const char *path, tl_err *err)
{
    int index = s->n_shards;
    shard *sh = &s->shards[index];
    s->n_shards++; /* from here on, close cleans up whatever there is */
    sh->path = strdup(path);
    if (!sh->path) return tl_fail(err, TL_ENOMEM, "%s: no memory for its name", path);
    TL_TRY(tl_map_open(&sh->map, path, err));
    size_t size;
    const unsigned char *bytes = tl_map_bytes(sh->map, &size);
    if (size < 8) return tl_fail(err, TL_EFORMAT, "%s: has %zu bytes, a safetensors file has at least 8", path, size);
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | bytes[i];
    if (length > size - 8)
        return tl_fail(err, TL_EFORMAT, "%s: its header is said to have %" PRIu64 " bytes, the file has %zu after it",
                       path, length, size - 8);
    if (length > HEADER_LIMIT)
        return tl_fail(err, TL_EFORMAT, "%s: its header has %" PRIu64 " bytes, at most %zu are read", path, length,
                       HEADER_LIMIT);
    json_error_t bad;
    sh->header = tl_json_parse((const char *)bytes + 8, (size_t)length, &bad);
    if (!sh->header)
        return tl_fail(err, TL_EFORMAT, "%s: byte %d of its header is not JSON: %s", path, bad.position, bad.text);
    if (!json_is_object(sh->header)) return tl_fail(err, TL_EFORMAT, "%s: its header is no JSON object", path);

    const unsigned char *data = bytes + 8 + length;
    size_t data_size = size - 8 - (size_t)length;
    sh->first = sh->last = s->n;
    const char *name;
    json_t *entry;
    json_object_foreach(sh->header, name, entry)
    {
        if (!strcmp(name, "__metadata__")) {
            TL_TRY(check_metadata(path, entry, err));
            continue;
        }
        item it = { .shard = index };
        TL_TRY(parse_entry(&it, path, name, entry, data_size, err));
        TL_TRY(add_item(s, &it, err));
        sh->last = s->n;
    }
    item *items = s->items + sh->first;
    int n = sh->last - sh->first;
    if (n) qsort(items, (size_t)n, sizeof *items, by_offset);
    TL_TRY(check_cover(path, items, n, data_size, err));
    for (int i = 0; i < n; i++) TL_TRY(place(&items[i], path, data, err));
    return 0;
}

static int by_name(const void *pa, const void *pb)
{
    const item *const *a = pa, *const *b = pb;
    return strcmp((*a)->stored.name, (*b)->stored.name);
}

static int sort_names(tl_safetensors *s, const char *path, tl_err *err)
{
    s->by_name = calloc((size_t)s->n + 1, sizeof *s->by_name);
    if (!s->by_name) return tl_fail(err, TL_ENOMEM, "%s: no memory for its list of names", path);
    for (int i = 0; i < s->n; i++) s->by_name[i] = &s->items[i];
    qsort(s->by_name, (size_t)s->n, sizeof *s->by_name, by_name);
    for (int i = 1; i < s->n; i++) {
        const item *a = s->by_name[i - 1], *b = s->by_name[i];
        if (!strcmp(a->stored.name, b->stored.name)) /* within a shard, the JSON reader has said so already */
            return tl_fail(err, TL_EFORMAT, "%s: tensor %s is in %s and in %s", path, a->stored.name,
                           s->shards[a->shard].path, s->shards[b->shard].path);
    }
    return 0;
}

static int by_text(const void *pa, const void *pb)
{
    return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

/* The index says which tensor is in which file: { "weight_map": { "NAME": "model-00001-of-00002.safetensors" } }. */
static int open_index(tl_safetensors *s, const char *dir, const char *index_path, tl_err *err)
{
    int rc;
    json_t *index = NULL, *map = NULL, *value;
    const char **files = NULL; /* borrowed from index */
    const char *name;
    rc = tl_json_load(&index, index_path, err);
    if (rc < 0) goto done;
    rc = tl_json_value(index, index_path, "weight_map", JSON_OBJECT, &map, err);
    if (rc < 0) goto done;
    files = calloc(json_object_size(map) + 1, sizeof *files);
    if (!files) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory for its list of files", index_path);
        goto done;
    }
    int n = 0, unique = 0;
    json_object_foreach(map, name, value)
    {
        const char *file = json_string_value(value);
        if (!file || !*file || *file == '.' || strchr(file, '/')) { /* a name beside the index, not a path */
            rc = tl_fail(err, TL_EFORMAT, "%s: tensor %s is in '%s', wanted the name of a file beside the index",
                         index_path, name, file ? file : "(no string)");
            goto done;
        }
        files[n++] = file;
    }
    if (n == 0) {
        rc = tl_fail(err, TL_EFORMAT, "%s: weight_map names no tensor", index_path);
        goto done;
    }
    qsort(files, (size_t)n, sizeof *files, by_text);
    for (int i = 0; i < n; i++)
        if (i == 0 || strcmp(files[i], files[unique - 1])) files[unique++] = files[i];
    s->shards = calloc((size_t)unique, sizeof *s->shards);
    if (!s->shards) {
        rc = tl_fail(err, TL_ENOMEM, "%s: no memory for %d shards", index_path, unique);
        goto done;
    }
    for (int i = 0; i < unique; i++) {
        char path[PATH_MAX];
        rc = tl_path_join(path, sizeof path, dir, files[i], err);
        if (rc == 0) rc = open_shard(s, path, err);
        if (rc < 0) {
            rc = tl_fail_in(err, "%s", index_path);
            goto done;
        }
    }
    assert(s->n_shards == unique);
    rc = sort_names(s, index_path, err);
    if (rc < 0) goto done;
    json_object_foreach(map, name, value)
    {
        const item *it = (const item *)tl_safetensors_find(s, name);
        const char *path = it ? s->shards[it->shard].path : "none of the files";
        const char *slash = strrchr(path, '/');
        if (it && !strcmp(slash ? slash + 1 : path, json_string_value(value))) continue;
        rc = tl_fail(err, TL_EFORMAT, "%s: tensor %s is said to be in %s, and is in %s", index_path, name,
                     json_string_value(value), path);
        goto done;
    }
done:
    free(files);
    json_decref(index);
    return rc;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int open_file(tl_safetensors *s, const char *path, tl_err *err)
{
    s->shards = calloc(1, sizeof *s->shards);
    if (!s->shards) return tl_fail(err, TL_ENOMEM, "%s: no memory to open it", path);
    TL_TRY(open_shard(s, path, err));
    return sort_names(s, path, err);
}

static int open_dir(tl_safetensors *s, const char *dir, tl_err *err)
{
    char path[PATH_MAX];
    TL_TRY(tl_path_join(path, sizeof path, dir, "model.safetensors", err));
    if (is_file(path)) return open_file(s, path, err);
    TL_TRY(tl_path_join(path, sizeof path, dir, "model.safetensors.index.json", err));
    if (is_file(path)) return open_index(s, dir, path, err);
    return tl_fail(err, TL_EIO, "%s: holds neither model.safetensors nor model.safetensors.index.json", dir);
}

int tl_safetensors_open(tl_safetensors **out, const char *path, tl_err *err)
{
    tl_safetensors *s = calloc(1, sizeof *s);
    if (!s) return tl_fail(err, TL_ENOMEM, "%s: no memory to open it", path);
    struct stat st;
    int rc = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? open_dir(s, path, err) : open_file(s, path, err);
    if (rc < 0) {
        tl_safetensors_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void tl_safetensors_close(tl_safetensors *s)
{
    if (!s) return;
    for (int i = 0; i < s->n; i++) free(s->items[i].copy);
    for (int i = 0; i < s->n_shards; i++) {
        free(s->shards[i].path);
        json_decref(s->shards[i].header);
        tl_map_close(s->shards[i].map);
    }
    free(s->by_name);
    free(s->items);
    free(s->shards);
    free(s);
}

void tl_safetensors_rest(const tl_safetensors *s)
{
    for (int i = 0; i < s->n_shards; i++) tl_map_rest(s->shards[i].map);
}

int tl_safetensors_count(const tl_safetensors *s)
{
    return s->n;
}

const tl_stored *tl_safetensors_at(const tl_safetensors *s, int i)
{
    return &s->items[i].stored;
}

const tl_stored *tl_safetensors_find(const tl_safetensors *s, const char *name)
{
    item key = { .stored = { .name = name } };
    const item *pkey = &key;
    const item *const *found = bsearch(&pkey, s->by_name, (size_t)s->n, sizeof *s->by_name, by_name);
    return found ? &(*found)->stored : NULL;
}

const char *tl_safetensors_meta(const tl_safetensors *s, const char *key)
{
    for (int i = 0; i < s->n_shards; i++) {
        const json_t *meta = json_object_get(s->shards[i].header, "__metadata__");
        const char *value = json_string_value(json_object_get(meta, key));
        if (value) return value;
    }
    return NULL;
}
