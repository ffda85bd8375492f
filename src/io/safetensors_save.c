/* safetensors_save.c - writing: the header first, so the layout is fixed before the first byte goes out.
 *
 * The format allows no gaps, so alignment comes from the order: wide types before narrow ones, and a header padded
 * with spaces to a multiple of 64 bytes.  Every tensor then begins at a multiple of its type's size. */
#include "io/safetensors.h"

#include "base/size.h"
#include "io/atomic.h"
#include "io/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGN = 64,
    WIDEST = 8
};

/* { "dtype": ..., "shape": [...], "data_offsets": [begin, end] }, or NULL where memory is short. */
static json_t *describe(const tl_stored *t, size_t begin, size_t end)
{
    json_t *shape = json_array();
    for (int d = 0; d < t->n_dims; d++)
        if (json_array_append_new(shape, json_integer((json_int_t)t->dims[d])) < 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", tl_dtype_name(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

static int add_meta(json_t *header, const char *path, const tl_meta *meta, int n_meta, tl_err *err)
{
    json_t *pairs = json_object();
    for (int i = 0; i < n_meta; i++)
        if (json_object_set_new(pairs, meta[i].key, json_string(meta[i].value)) < 0) {
            json_decref(pairs);
            return tl_fail(err, TL_EDATA, "%s: metadata %s: is not UTF-8 text, or memory is short", path, meta[i].key);
        }
    if (json_object_set_new(header, "__metadata__", pairs) < 0)
        return tl_fail(err, TL_ENOMEM, "%s: no memory for its metadata", path);
    return 0;
}

/* Describe the tensors in the order of their bytes: wide types first. */
static int add_tensors(json_t *header, const char *path, const tl_stored *tensors, int n, tl_err *err)
{
    size_t offset = 0;
    for (size_t width = WIDEST; width > 0; width /= 2) {
        for (int i = 0; i < n; i++) {
            const tl_stored *t = &tensors[i];
            size_t end;
            if (tl_dtype_size(t->dtype) != width) continue;
            if (json_object_get(header, t->name) || !strcmp(t->name, "__metadata__"))
                return tl_fail(err, TL_EUSAGE, "%s: tensor %s: its name is taken already", path, t->name);
            if (!tl_size_add(&end, offset, t->bytes))
                return tl_fail(err, TL_ESHAPE, "%s: tensor %s: the file would be longer than files can be", path,
                               t->name);
            if (json_object_set_new(header, t->name, describe(t, offset, end)) < 0)
                return tl_fail(err, TL_EDATA, "%s: tensor %s: its name is not UTF-8 text, or memory is short", path,
                               t->name);
            offset = end;
        }
    }
    return 0;
}

/* The header's JSON as text: *out is the caller's, to be freed. */
static int make_header(char **out, const char *path, const tl_stored *tensors, int n, const tl_meta *meta, int n_meta,
                       tl_err *err)
{
    json_t *header = json_object();
    if (!header) return tl_fail(err, TL_ENOMEM, "%s: no memory for its header", path);
    int rc = n_meta > 0 ? add_meta(header, path, meta, n_meta, err) : 0;
    if (rc == 0) rc = add_tensors(header, path, tensors, n, err);
    if (rc == 0) {
        *out = tl_json_print(header, JSON_COMPACT);
        if (!*out) rc = tl_fail(err, TL_ENOMEM, "%s: no memory for its header", path);
    }
    json_decref(header);
    return rc;
}

/* The bytes of tensor i, by whoever makes them. */
static int write_one(tl_save *s, const tl_stored *t, int i, tl_stored_write *write, void *context, tl_err *err)
{
    size_t before = tl_save_size(s);
    TL_TRY(write(context, i, s, err));
    assert(tl_save_size(s) - before == t->bytes);
    return 0;
}

static int write_all(tl_save *s, const char *header, const tl_stored *tensors, int n, tl_stored_write *write,
                     void *context, tl_err *err)
{
    static const char spaces[ALIGN + 1] = "                                                                ";
    size_t length = strlen(header), padded = tl_size_up(8 + length, ALIGN) - 8;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    TL_TRY(tl_save_write(s, prefix, sizeof prefix, err));
    TL_TRY(tl_save_write(s, header, length, err));
    TL_TRY(tl_save_write(s, spaces, padded - length, err));
    for (size_t width = WIDEST; width > 0; width /= 2)
        for (int i = 0; i < n; i++)
            if (tl_dtype_size(tensors[i].dtype) == width) TL_TRY(write_one(s, &tensors[i], i, write, context, err));
    return 0;
}

int tl_safetensors_stream(const char *path, const tl_stored *tensors, int n, const tl_meta *meta, int n_meta,
                          tl_stored_write *write, void *context, tl_err *err)
{
    for (int i = 0; i < n; i++) {
        size_t bytes = tl_dtype_size(tensors[i].dtype);
        for (int d = 0; d < tensors[i].n_dims; d++) bytes *= tensors[i].dims[d];
        assert(bytes == tensors[i].bytes);
    }
    char *header = NULL;
    tl_save *s = NULL;
    int rc = make_header(&header, path, tensors, n, meta, n_meta, err);
    if (rc < 0) goto done;
    rc = tl_save_begin(&s, path, err);
    if (rc < 0) goto done;
    rc = write_all(s, header, tensors, n, write, context, err);
    if (rc < 0) goto done;
    rc = tl_save_commit(s, err);
    s = NULL;
done:
    tl_save_abort(s);
    free(header);
    return rc;
}

static int write_data(void *context, int i, tl_save *s, tl_err *err)
{
    const tl_stored *t = (const tl_stored *)context + i;
    return tl_save_write(s, t->data, t->bytes, err);
}

int tl_safetensors_save(const char *path, const tl_stored *tensors, int n, const tl_meta *meta, int n_meta, tl_err *err)
{
    return tl_safetensors_stream(path, tensors, n, meta, n_meta, write_data, (void *)tensors, err);
}
