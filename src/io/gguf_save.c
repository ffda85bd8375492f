/* gguf_save.c - a GGUF file from pairs and tensors: its header as one buffer, then the tensors' bytes. */
#include "io/gguf_save.h"

#include "io/atomic.h"
#include "io/gguf.h"

#include <assert.h>
#include <string.h>

enum {
    ALIGN = 32,
    VERSION = 3,
    HEADER_MAX = 1 << 30
};

tl_gguf_meta tl_gguf_meta_make(void)
{
    return (tl_gguf_meta){ .pairs = tl_buf_make(HEADER_MAX) };
}

void tl_gguf_meta_reset(tl_gguf_meta *m)
{
    tl_buf_reset(&m->pairs);
    m->n = 0;
}

/* The low `width` bytes of x. */
static int put_number(tl_buf *b, uint64_t x, size_t width, tl_err *err)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++) bytes[i] = (unsigned char)(x >> 8 * i);
    return tl_buf_append(b, bytes, width, err);
}

static int put_text(tl_buf *b, const char *s, tl_err *err)
{
    size_t n = strlen(s);
    TL_TRY(put_number(b, n, 8, err));
    return tl_buf_append(b, s, n, err);
}

static int put_key(tl_gguf_meta *m, const char *key, tl_gguf_type type, tl_err *err)
{
    m->n++;
    TL_TRY(put_text(&m->pairs, key, err));
    return put_number(&m->pairs, type, 4, err);
}

int tl_gguf_put_string(tl_gguf_meta *m, const char *key, const char *value, tl_err *err)
{
    TL_TRY(put_key(m, key, TL_GGUF_STRING, err));
    return put_text(&m->pairs, value, err);
}

int tl_gguf_put_u32(tl_gguf_meta *m, const char *key, uint32_t value, tl_err *err)
{
    TL_TRY(put_key(m, key, TL_GGUF_U32, err));
    return put_number(&m->pairs, value, 4, err);
}

int tl_gguf_put_f32(tl_gguf_meta *m, const char *key, float value, tl_err *err)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    TL_TRY(put_key(m, key, TL_GGUF_F32, err));
    return put_number(&m->pairs, bits, 4, err);
}

static int put_tensor(tl_buf *b, const tl_stored *t, uint64_t offset, tl_err *err)
{
    int type = tl_gguf_number_of(t->dtype);
    assert(type >= 0 && t->n_dims >= 1 && t->n_dims <= 4);
    TL_TRY(put_text(b, t->name, err));
    TL_TRY(put_number(b, (uint64_t)t->n_dims, 4, err));
    for (int d = t->n_dims; d-- > 0;) TL_TRY(put_number(b, t->dims[d], 8, err));
    TL_TRY(put_number(b, (uint64_t)type, 4, err));
    return put_number(b, offset, 8, err);
}

static size_t padding(size_t n)
{
    return -n & (ALIGN - 1);
}

static int put_header(tl_buf *b, const tl_gguf_meta *m, const tl_stored *tensors, int n, tl_err *err)
{
    static const char zeros[ALIGN];
    uint64_t offset = 0;
    TL_TRY(tl_buf_append(b, "GGUF", 4, err));
    TL_TRY(put_number(b, VERSION, 4, err));
    TL_TRY(put_number(b, (uint64_t)n, 8, err));
    TL_TRY(put_number(b, m->n, 8, err));
    if (m->pairs.size) TL_TRY(tl_buf_append(b, m->pairs.data, m->pairs.size, err));
    for (int i = 0; i < n; i++) {
        TL_TRY(put_tensor(b, &tensors[i], offset, err));
        offset += tensors[i].bytes + padding(tensors[i].bytes);
    }
    return tl_buf_append(b, zeros, padding(b->size), err);
}

static int write_all(tl_save *s, const tl_buf *header, const tl_stored *tensors, int n, tl_err *err)
{
    static const char zeros[ALIGN];
    TL_TRY(tl_save_write(s, header->data, header->size, err));
    for (int i = 0; i < n; i++) {
        TL_TRY(tl_save_write(s, tensors[i].data, tensors[i].bytes, err));
        TL_TRY(tl_save_write(s, zeros, padding(tensors[i].bytes), err));
    }
    return 0;
}

int tl_gguf_save(const char *path, const tl_gguf_meta *m, const tl_stored *tensors, int n, tl_err *err)
{
    tl_buf header = tl_buf_make(HEADER_MAX);
    tl_save *s = NULL;
    int rc = put_header(&header, m, tensors, n, err);
    if (rc < 0) {
        tl_fail_in(err, "%s", path);
        goto done;
    }
    rc = tl_save_begin(&s, path, err);
    if (rc < 0) goto done;
    rc = write_all(s, &header, tensors, n, err);
    if (rc < 0) goto done;
    rc = tl_save_commit(s, err);
    s = NULL;
done:
    tl_save_abort(s);
    tl_buf_reset(&header);
    return rc;
}
