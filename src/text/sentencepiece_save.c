/* sentencepiece_save.c - the fields that sentencepiece.c reads, written. */
#include "text/sentencepiece.h"

#include "io/atomic.h"

#include <string.h>

enum {
    WIRE_VARINT = 0,
    WIRE_BYTES = 2,
    WIRE_FOUR = 5
};

static int put_varint(tl_buf *b, uint64_t x, tl_err *err)
{
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)((x & 0x7f) | (x > 0x7f ? 0x80 : 0));
        x >>= 7;
    } while (bytes[n++] & 0x80);
    return tl_buf_append(b, bytes, n, err);
}

static int put_key(tl_buf *b, int number, int wire, tl_err *err)
{
    return put_varint(b, (uint64_t)number << 3 | (uint64_t)wire, err);
}

/* Negative numbers as protobuf has them: in 64 bits. */
static int put_number(tl_buf *b, int number, int value, tl_err *err)
{
    TL_TRY(put_key(b, number, WIRE_VARINT, err));
    return put_varint(b, (uint64_t)(int64_t)value, err);
}

static int put_bytes(tl_buf *b, int number, const void *bytes, size_t size, tl_err *err)
{
    TL_TRY(put_key(b, number, WIRE_BYTES, err));
    TL_TRY(put_varint(b, size, err));
    return tl_buf_append(b, bytes, size, err);
}

static int put_piece(tl_buf *b, tl_buf *part, const tl_spm *s, const tl_spm_piece *p, tl_err *err)
{
    tl_buf_clear(part);
    TL_TRY(put_bytes(part, 1, s->bytes.data + p->start, p->size, err));
    TL_TRY(put_key(part, 2, WIRE_FOUR, err));
    TL_TRY(tl_buf_append(part, &p->score, sizeof p->score, err));
    TL_TRY(put_number(part, 3, (int)p->type, err));
    return put_bytes(b, 1, part->data, part->size, err);
}

static int put_trainer(tl_buf *part, const tl_spm *s, tl_err *err)
{
    TL_TRY(put_number(part, 3, s->unigram ? 1 : 2, err));
    TL_TRY(put_number(part, 4, (int)s->n, err));
    TL_TRY(put_number(part, 35, s->byte_fallback, err));
    TL_TRY(put_number(part, 40, s->unk, err));
    TL_TRY(put_number(part, 41, s->bos, err));
    return put_number(part, 42, s->eos, err);
}

static int put_normalizer(tl_buf *part, const tl_spm *s, tl_err *err)
{
    TL_TRY(put_bytes(part, 1, s->charsmap.size ? "user_defined" : "identity", s->charsmap.size ? 12 : 8, err));
    if (s->charsmap.size) TL_TRY(put_bytes(part, 2, s->charsmap.data, s->charsmap.size, err));
    TL_TRY(put_number(part, 3, s->rules.add_dummy_prefix, err));
    TL_TRY(put_number(part, 4, s->rules.remove_extra_whitespaces, err));
    return put_number(part, 5, s->rules.escape_whitespaces, err);
}

static int put_model(tl_buf *b, tl_buf *part, const tl_spm *s, tl_err *err)
{
    for (size_t i = 0; i < s->n; i++) TL_TRY(put_piece(b, part, s, &s->pieces[i], err));
    tl_buf_clear(part);
    TL_TRY(put_trainer(part, s, err));
    TL_TRY(put_bytes(b, 2, part->data, part->size, err));
    tl_buf_clear(part);
    TL_TRY(put_normalizer(part, s, err));
    return put_bytes(b, 3, part->data, part->size, err);
}

int tl_spm_save(const tl_spm *s, const char *path, tl_err *err)
{
    tl_buf whole = tl_buf_make((size_t)1 << 31), part = tl_buf_make((size_t)1 << 30);
    int rc = put_model(&whole, &part, s, err);
    if (rc == 0) rc = tl_file_save(path, whole.data, whole.size, err);
    tl_buf_reset(&whole);
    tl_buf_reset(&part);
    return rc;
}
