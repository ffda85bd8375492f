/* safetensors_save.c - writing: the header first, so the layout is fixed before the first byte goes out.
 *
 * The format allows no gaps, so alignment comes from the order: wide types before narrow ones, and a header padded
 * with spaces to a multiple of 64 bytes.  Every tensor then begins at a multiple of its type's size. */
#include "io/safetensors.h"

#include "base/size.h"
#include "io/atomic.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGN = 64,
    WIDEST = 8
};

/* The header's JSON as text: *out is the caller's, to be freed. */
static int make_header(char **out, const char *path, const tl_stored *tensors, int n, const tl_meta *meta, int n_meta,
                       tl_err *err)
{
    int rc = 0;
    json_t *header = json_object();
    if (n_meta > 0) {
        json_t *pairs = json_object();
        for (int i = 0; i < n_meta; i++)
            if (json_object_set_new(pairs, meta[i].key, json_string(meta[i].value)) < 0) {
                rc = tl_fail(err, TL_EDATA, "%s: metadata %s: is not UTF-8 text", path, meta[i].key);
                json_decref(pairs);
                goto done;
            }
        json_object_set_new(header, "__metadata__", pairs);
    }
    size_t offset = 0;
    for (size_t width = WIDEST; width > 0; width /= 2) {
        for (int i = 0; i < n; i++) {
            const tl_stored *t = &tensors[i];
            if (tl_dtype_size(t->dtype) != width) continue;
            if (json_object_get(header, t->name) || !strcmp(t->name, "__metadata__")) {
                rc = tl_fail(err, TL_EUSAGE, "%s: tensor %s: its name is taken already", path, t->name);
                goto done;
            }
            size_t end;
            json_t *shape = json_array();
            for (int d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
            json_t *entry = tl_size_add(&end, offset, t->bytes)
                                ? json_pack("{s:s, s:o, s:[I,I]}", "dtype", tl_dtype_name(t->dtype), "shape", shape,
                                            "data_offsets", (json_int_t)offset, (json_int_t)end)
                                : NULL;
            if (!entry || json_object_set_new(header, t->name, entry) < 0) {
                rc = tl_fail(err, TL_EDATA, "%s: tensor %s: cannot be described, is its name UTF-8 text?", path,
                             t->name);
                goto done;
            }
            offset = end;
        }
    }
    *out = json_dumps(header, JSON_COMPACT);
    if (!*out) rc = tl_fail(err, TL_ENOMEM, "%s: no memory for its header", path);
done:
    json_decref(header);
    return rc;
}

static int write_all(tl_save *s, const char *header, const tl_stored *tensors, int n, tl_err *err)
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
            if (tl_dtype_size(tensors[i].dtype) == width)
                TL_TRY(tl_save_write(s, tensors[i].data, tensors[i].bytes, err));
    return 0;
}

int tl_safetensors_save(const char *path, const tl_stored *tensors, int n, const tl_meta *meta, int n_meta, tl_err *err)
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
    rc = write_all(s, header, tensors, n, err);
    if (rc < 0) goto done;
    rc = tl_save_commit(s, err);
    s = NULL;
done:
    tl_save_abort(s);
    free(header);
    return rc;
}
