/* gguf_save.c - pairs as bytes as they come, tensors as a table until their places are known. */
#include "io/gguf_save.h"

#include "base/size.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 32,
    NAME_LIMIT = 200
};

typedef struct draft_tensor {
    tl_stored stored; /* its name is not used */
    char name[NAME_LIMIT];
} draft_tensor;

struct tl_gguf_draft {
    tl_buf pairs; /* as they lie in the file */
    uint64_t n_pairs;
    size_t elements;       /* of the array that was begun last and are still to come */
    draft_tensor *tensors; /* owned */
    int n_tensors, room;
    bool short_of_memory;
};

int tl_gguf_draft_create(tl_gguf_draft **out, tl_err *err)
{
    tl_gguf_draft *d = calloc(1, sizeof *d);
    if (!d) return tl_fail(err, TL_ENOMEM, "no memory for a GGUF file's header");
    d->pairs = tl_buf_make((size_t)1 << 30);
    *out = d;
    return 0;
}

void tl_gguf_draft_free(tl_gguf_draft *d)
{
    if (!d) return;
    tl_buf_reset(&d->pairs);
    free(d->tensors);
    free(d);
}

/* ---- pairs ---- */

static void put(tl_gguf_draft *d, const void *bytes, size_t n)
{
    if (tl_buf_append(&d->pairs, bytes, n, NULL) < 0) d->short_of_memory = true;
}

static void put_number(tl_gguf_draft *d, uint64_t x, size_t width)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++) bytes[i] = (unsigned char)(x >> 8 * i);
    put(d, bytes, width);
}

static void put_text(tl_gguf_draft *d, const char *s, size_t size)
{
    put_number(d, size, 8);
    put(d, s, size);
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void begin(tl_gguf_draft *d, const char *key, tl_gguf_type type)
{
    assert(d->elements == 0); /* the array before is whole */
    d->n_pairs++;
    put_text(d, key, strlen(key));
    put_number(d, type, 4);
}

void tl_gguf_draft_text(tl_gguf_draft *d, const char *key, const char *text)
{
    begin(d, key, TL_GGUF_STRING);
    put_text(d, text, strlen(text));
}

void tl_gguf_draft_u32(tl_gguf_draft *d, const char *key, uint32_t x)
{
    begin(d, key, TL_GGUF_U32);
    put_number(d, x, 4);
}

void tl_gguf_draft_f32(tl_gguf_draft *d, const char *key, float x)
{
    begin(d, key, TL_GGUF_F32);
    put_number(d, bits_of(x), 4);
}

void tl_gguf_draft_bool(tl_gguf_draft *d, const char *key, bool x)
{
    begin(d, key, TL_GGUF_BOOL);
    put_number(d, x, 1);
}

void tl_gguf_draft_array(tl_gguf_draft *d, const char *key, tl_gguf_type type, size_t n)
{
    begin(d, key, TL_GGUF_ARRAY);
    put_number(d, type, 4);
    put_number(d, n, 8);
    d->elements = n;
}

void tl_gguf_draft_copy(tl_gguf_draft *d, const tl_gguf_pair *p)
{
    begin(d, p->key, p->array ? TL_GGUF_ARRAY : p->type);
    if (p->array) {
        put_number(d, p->type, 4);
        put_number(d, p->n, 8);
    }
    put(d, p->bytes, p->size);
}

static void count_element(tl_gguf_draft *d)
{
    assert(d->elements > 0);
    d->elements--;
}

void tl_gguf_draft_string(tl_gguf_draft *d, const char *s, size_t size)
{
    count_element(d);
    put_text(d, s, size);
}

void tl_gguf_draft_i32_element(tl_gguf_draft *d, int32_t x)
{
    count_element(d);
    put_number(d, (uint32_t)x, 4);
}

void tl_gguf_draft_f32_element(tl_gguf_draft *d, float x)
{
    count_element(d);
    put_number(d, bits_of(x), 4);
}

/* ---- tensors ---- */

void tl_gguf_draft_tensor(tl_gguf_draft *d, const tl_stored *t)
{
    assert(tl_gguf_tensor_type(t->dtype) >= 0 && t->n_dims >= 1 && t->n_dims <= 4);
    assert(strlen(t->name) < NAME_LIMIT);
    if (d->n_tensors == d->room) {
        int room = d->room ? 2 * d->room : 64;
        draft_tensor *more = realloc(d->tensors, (size_t)room * sizeof *more);
        if (!more) {
            d->short_of_memory = true;
            return;
        }
        d->tensors = more;
        d->room = room;
    }
    draft_tensor *own = &d->tensors[d->n_tensors++];
    own->stored = *t;
    strcpy(own->name, t->name);
}

/* ---- the file ---- */

static int append_number(tl_buf *b, uint64_t x, size_t width, tl_err *err)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < width; i++) bytes[i] = (unsigned char)(x >> 8 * i);
    return tl_buf_append(b, bytes, width, err);
}

static int append_tensor(tl_buf *b, const draft_tensor *t, size_t offset, tl_err *err)
{
    const tl_stored *s = &t->stored;
    TL_TRY(append_number(b, strlen(t->name), 8, err));
    TL_TRY(tl_buf_puts(b, t->name, err));
    TL_TRY(append_number(b, (uint64_t)s->n_dims, 4, err));
    for (int i = s->n_dims - 1; i >= 0; i--) TL_TRY(append_number(b, s->dims[i], 8, err));
    TL_TRY(append_number(b, (uint64_t)tl_gguf_tensor_type(s->dtype), 4, err));
    return append_number(b, offset, 8, err);
}

static int pad(tl_buf *b, tl_err *err)
{
    static const char zeros[ALIGNMENT];
    return tl_buf_append(b, zeros, -b->size & (ALIGNMENT - 1), err);
}

int tl_gguf_draft_check(const tl_gguf_draft *d, tl_err *err)
{
    assert(d->elements == 0);
    return d->short_of_memory ? tl_fail(err, TL_ENOMEM, "no memory for a GGUF file's header") : 0;
}

/* All that stands before the tensors' bytes. */
static int header(const tl_gguf_draft *d, tl_buf *b, tl_err *err)
{
    size_t offset = 0;
    TL_TRY(tl_gguf_draft_check(d, err));
    TL_TRY(tl_buf_puts(b, "GGUF", err));
    TL_TRY(append_number(b, 3, 4, err));
    TL_TRY(append_number(b, (uint64_t)d->n_tensors, 8, err));
    TL_TRY(append_number(b, d->n_pairs, 8, err));
    TL_TRY(tl_buf_append(b, d->pairs.data ? d->pairs.data : "", d->pairs.size, err));
    for (int i = 0; i < d->n_tensors; i++) {
        const draft_tensor *t = &d->tensors[i];
        TL_TRY(append_tensor(b, t, offset, err));
        offset = tl_size_up(offset + t->stored.bytes, ALIGNMENT);
    }
    return pad(b, err);
}

static int write_tensors(const tl_gguf_draft *d, tl_save *s, tl_stored_write *write, void *context, tl_err *err)
{
    static const char zeros[ALIGNMENT];
    for (int i = 0; i < d->n_tensors; i++) {
        const tl_stored *t = &d->tensors[i].stored;
        size_t before = tl_save_size(s);
        TL_TRY(t->data ? tl_save_write(s, t->data, t->bytes, err) : write(context, i, s, err));
        assert(tl_save_size(s) - before == t->bytes);
        TL_TRY(tl_save_write(s, zeros, -t->bytes & (ALIGNMENT - 1), err));
    }
    return 0;
}

int tl_gguf_draft_save(const tl_gguf_draft *d, const char *path, tl_stored_write *write, void *context, tl_err *err)
{
    tl_save *s = NULL;
    tl_buf b = tl_buf_make((size_t)1 << 31);
    int rc = header(d, &b, err);
    if (rc < 0) rc = tl_fail_in(err, "%s", path);
    if (rc == 0) rc = tl_save_begin(&s, path, err);
    if (rc == 0) rc = tl_save_write(s, b.data, b.size, err);
    if (rc == 0) rc = write_tensors(d, s, write, context, err);
    tl_buf_reset(&b);
    if (rc == 0) return tl_save_commit(s, err);
    tl_save_abort(s);
    return rc;
}

int tl_gguf_draft_image(const tl_gguf_draft *d, tl_buf *out, tl_err *err)
{
    assert(out->size % ALIGNMENT == 0);
    TL_TRY(header(d, out, err));
    for (int i = 0; i < d->n_tensors; i++) {
        const tl_stored *t = &d->tensors[i].stored;
        assert(t->data);
        TL_TRY(tl_buf_append(out, t->data, t->bytes, err));
        TL_TRY(pad(out, err));
    }
    return 0;
}
