/* tokenizer.c - the road of a text: added tokens cut out, the rest normalized, cut into words, merged.
 *
 *     text -> added[0] -> normalizer -> added[1] -> pretoken -> model -> ids, between what the post-processor adds
 *
 * The files are read in tokenizer_file.c.  Everything that changes during a call
 * lives in that call, so that a tokenizer can be shared between threads. */
#include "text/tokenizer.h"

#include "text/tokenizer_model.h"
#include "text/unicode.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int tl_tokenizer_open(tl_tokenizer **out, const char *dir, tl_err *err)
{
    tl_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return tl_fail(err, TL_ENOMEM, "%s: no memory for a tokenizer", dir);
    int rc = tl_tokenizer_shelf_create(&t->shelf, err);
    if (rc == 0) rc = tl_tokenizer_read(t, dir, err);
    if (rc == 0) {
        *out = t;
        t = NULL;
    }
    tl_tokenizer_free(t);
    return rc;
}

void tl_tokenizer_free(tl_tokenizer *t)
{
    if (!t) return;
    free(t->pieces);
    tl_buf_reset(&t->bytes);
    free(t->find);
    tl_bpe_free(t->bpe);
    tl_unigram_free(t->unigram);
    tl_normalizer_free(t->normalizer);
    for (int i = 0; i < 2; i++) tl_added_free(t->added[i]);
    tl_pretoken_free(t->pretoken);
    tl_ids_reset(&t->before);
    tl_ids_reset(&t->after);
    tl_tokenizer_shelf_free(t->shelf);
    free(t);
}

static size_t hash(const char *bytes, size_t size)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then spread downwards, for the mask takes the low bits */
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 29);
}

static size_t find_slot(const tl_tokenizer *t, const char *bytes, size_t size)
{
    size_t i = hash(bytes, size) & t->find_mask;
    for (; t->find[i] >= 0; i = (i + 1) & t->find_mask) {
        const tl_piece *p = &t->pieces[t->find[i]];
        if ((size_t)p->size == size && memcmp(t->bytes.data + p->start, bytes, size) == 0) break;
    }
    return i;
}

int tl_tokenizer_find_bytes(const tl_tokenizer *t, const char *bytes, size_t size)
{
    return t->find[find_slot(t, bytes, size)];
}

int tl_tokenizer_index(tl_tokenizer *t, tl_err *err)
{
    size_t entries = 512;
    while (entries < 2 * (size_t)t->n_pieces) entries *= 2;
    t->find = malloc(entries * sizeof *t->find);
    if (!t->find) return tl_fail(err, TL_ENOMEM, "vocabulary: no memory for an index of %d tokens", t->n_pieces);
    for (size_t i = 0; i < entries; i++) t->find[i] = -1;
    t->find_mask = entries - 1;
    for (int id = 0; id < t->n_pieces; id++) {
        const tl_piece *p = &t->pieces[id];
        if (!(p->kind & PIECE_MODEL)) continue;
        t->find[find_slot(t, t->bytes.data + p->start, (size_t)p->size)] = id;
        if (p->size > t->longest) t->longest = p->size;
    }
    return 0;
}

/* What one call of encode carries along. */
typedef struct encoding {
    const tl_tokenizer *t;
    unsigned flags;
    bool first;              /* nothing of the text is behind us */
    tl_tokenizer_work *work; /* taken for the call */
    tl_ids *out;
} encoding;

static int encode_word(void *arg, const char *word, size_t size, tl_err *err)
{
    encoding *e = arg;
    return tl_tokenizer_word(e->t, e->work, word, size, e->out, err);
}

static int encode_normalized(void *arg, int id, const char *text, size_t size, tl_err *err)
{
    encoding *e = arg;
    bool first = e->first;
    e->first = false;
    if (id >= 0) return tl_ids_push(e->out, id, err);
    return tl_pretoken_split(e->t->pretoken, text, size, first, encode_word, e, err);
}

static int encode_raw(void *arg, int id, const char *text, size_t size, tl_err *err)
{
    encoding *e = arg;
    bool as_text = (e->flags & TL_ENCODE_AS_TEXT) != 0;
    if (id >= 0) {
        e->first = false;
        return tl_ids_push(e->out, id, err);
    }
    if (tl_normalizer_empty(e->t->normalizer))
        return tl_added_split(e->t->added[1], text, size, as_text, encode_normalized, e, err);
    tl_buf normal = tl_buf_make(INT_MAX);
    int rc = tl_normalizer_run(e->t->normalizer, text, size, &e->first, &normal, err);
    if (rc == 0 && e->t->model_adds && normal.size > 0)
        rc = encode_normalized(e, -1, normal.data, normal.size, err);
    else if (rc == 0)
        rc = tl_added_split(e->t->added[1], normal.data, normal.size, as_text, encode_normalized, e, err);
    e->first = false;
    tl_buf_reset(&normal);
    return rc;
}

int tl_tokenizer_encode(const tl_tokenizer *t, const char *text, size_t size, unsigned flags, tl_ids *out, tl_err *err)
{
    if (size > INT_MAX / 4)
        return tl_fail(err, TL_EDATA, "text of %zu bytes: the most at once is %d", size, INT_MAX / 4);
    size_t valid = tl_unicode_valid(text, size);
    if (valid < size)
        return tl_fail(err, TL_EDATA, "text of %zu bytes: byte %zu (0x%02x) is not UTF-8", size, valid,
                       (unsigned char)text[valid]);
    size_t start = out->size;
    encoding e = { .t = t, .flags = flags, .first = true, .out = out };
    int rc = tl_tokenizer_work_take(&e.work, t->shelf, err);
    if (rc == 0 && flags & TL_ENCODE_SPECIAL) rc = tl_ids_append(out, t->before.data, t->before.size, err);
    if (rc == 0) rc = tl_added_split(t->added[0], text, size, (flags & TL_ENCODE_AS_TEXT) != 0, encode_raw, &e, err);
    if (rc == 0 && flags & TL_ENCODE_SPECIAL) rc = tl_ids_append(out, t->after.data, t->after.size, err);
    if (rc < 0) out->size = start;
    tl_tokenizer_work_give(t->shelf, e.work);
    return rc;
}

/* The piece of an id that decoding comes by; *size is 0 for one to skip. */
static int piece_to_decode(const tl_tokenizer *t, int id, size_t place, bool skip_special, const char **bytes,
                           size_t *size, tl_err *err)
{
    *bytes = tl_tokenizer_piece(t, id, size);
    if (!*bytes)
        return tl_fail(err, TL_EDATA, "token %d at place %zu: the vocabulary (0 to %d) has no such token", id, place,
                       t->n_pieces - 1);
    if (skip_special && tl_tokenizer_is_special(t, id)) *size = 0;
    return 0;
}

int tl_tokenizer_decode(const tl_tokenizer *t, const int *ids, size_t n, bool skip_special, tl_buf *out, tl_err *err)
{
    tl_token_text *tokens = t->byte_level ? NULL : calloc(n + 1, sizeof *tokens);
    size_t kept = 0;
    int rc = 0;
    if (!t->byte_level && !tokens) return tl_fail(err, TL_ENOMEM, "no memory to decode %zu tokens", n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const char *bytes;
        size_t size = 0;
        rc = piece_to_decode(t, ids[i], i, skip_special, &bytes, &size, err);
        if (rc < 0 || size == 0) continue;
        if (tokens)
            tokens[kept++] = (tl_token_text){ bytes, size };
        else
            rc = tl_buf_append(out, bytes, size, err);
    }
    if (rc == 0 && tokens) rc = tl_decoder_run(&t->decoder, tokens, kept, out, err);
    free(tokens);
    return rc;
}

int tl_tokenizer_decode_next(const tl_tokenizer *t, tl_decode_state *s, int id, bool skip_special, tl_buf *out,
                             tl_err *err)
{
    tl_token_text token = { 0 };
    TL_TRY(piece_to_decode(t, id, 0, skip_special, &token.text, &token.size, err));
    if (token.size == 0) return 0;
    if (t->byte_level) return tl_buf_append(out, token.text, token.size, err);
    return tl_decoder_next(&t->decoder, s, token, out, err);
}

const char *tl_tokenizer_piece(const tl_tokenizer *t, int id, size_t *size)
{
    if (id < 0 || id >= t->n_pieces || t->pieces[id].kind == PIECE_NONE) return NULL;
    *size = (size_t)t->pieces[id].size;
    return t->bytes.data + t->pieces[id].start;
}

int tl_tokenizer_find(const tl_tokenizer *t, const char *content, size_t size)
{
    for (int i = 0; i < 2; i++) {
        int id = tl_added_find(t->added[i], content, size);
        if (id >= 0) return id;
    }
    return tl_tokenizer_find_bytes(t, content, size);
}

int tl_tokenizer_size(const tl_tokenizer *t)
{
    return t->n_pieces;
}

int tl_tokenizer_bos(const tl_tokenizer *t)
{
    return t->bos;
}

int tl_tokenizer_eos(const tl_tokenizer *t)
{
    return t->eos;
}

bool tl_tokenizer_is_special(const tl_tokenizer *t, int id)
{
    return id >= 0 && id < t->n_pieces && (t->pieces[id].kind & PIECE_SPECIAL);
}

bool tl_tokenizer_adds_bos(const tl_tokenizer *t)
{
    return t->bos >= 0 && t->before.size > 0 && t->before.data[0] == t->bos;
}
