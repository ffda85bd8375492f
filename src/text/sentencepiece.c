/* sentencepiece.c - the protobuf, and a tokenizer of its pieces.
 *
 * Of the message ModelProto these fields are read (number: wire type):
 *
 *     1 pieces: { 1 piece: bytes, 2 score: float, 3 type: varint }
 *     2 trainer_spec: { 3 model_type, 24 treat_whitespace_as_suffix, 35 byte_fallback, 40 unk_id, 41 bos_id, 42 eos_id
 * } 3 normalizer_spec: { 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5 escape_whitespaces }
 *
 * The others say how the model was made. */
#include "text/sentencepiece.h"

#include "io/map.h"
#include "text/tokenizer_model.h"
#include "text/unicode.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PIECES = 1 << 24,
    MAX_PIECE_BYTES = 1024, /* each cut of a piece is looked up: their square is the time */
    MODEL_UNIGRAM = 1,
    MODEL_BPE = 2
};

int tl_spm_create(tl_spm **out, tl_err *err)
{
    tl_spm *s = calloc(1, sizeof *s);
    if (!s) return tl_fail(err, TL_ENOMEM, "SentencePiece: no memory");
    s->bytes = tl_buf_make((size_t)1 << 30);
    s->charsmap = tl_buf_make((size_t)1 << 28);
    s->unigram = true;
    s->rules = (tl_spm_rules){ true, true, true };
    s->bos = 1;
    s->eos = 2;
    *out = s;
    return 0;
}

void tl_spm_free(tl_spm *s)
{
    if (!s) return;
    free(s->pieces);
    tl_buf_reset(&s->bytes);
    tl_buf_reset(&s->charsmap);
    free(s);
}

int tl_spm_put(tl_spm *s, const char *piece, size_t size, float score, tl_spm_type type, tl_err *err)
{
    if (size == 0 || size > MAX_PIECE_BYTES || memchr(piece, 0, size) || tl_unicode_valid(piece, size) != size)
        return tl_fail(err, TL_EFORMAT, "piece %zu has %zu bytes, wanted is text of 1 to %d", s->n, size,
                       MAX_PIECE_BYTES);
    if (type < TL_SPM_NORMAL || type > TL_SPM_BYTE)
        return tl_fail(err, TL_EFORMAT, "piece %zu has type %d, wanted 1 to 6", s->n, (int)type);
    if (!(score > -1e30f && score < 1e30f)) return tl_fail(err, TL_EFORMAT, "piece %zu: its score is no number", s->n);
    if (s->n == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 1024;
        tl_spm_piece *pieces = capacity <= MAX_PIECES ? realloc(s->pieces, capacity * sizeof *pieces) : NULL;
        if (!pieces) return tl_fail(err, TL_ENOMEM, "no memory for %zu pieces", capacity);
        s->pieces = pieces;
        s->capacity = capacity;
    }
    s->pieces[s->n++] = (tl_spm_piece){ s->bytes.size, size, score, type };
    return tl_buf_append(&s->bytes, piece, size, err);
}

/* ---- the protobuf ---- */

/* What is left of a message. */
typedef struct message {
    const unsigned char *at, *end;
} message;

typedef struct field {
    int number, wire; /* 0 varint, 1 eight bytes, 2 bytes, 5 four bytes */
    uint64_t value;   /* of a varint */
    message bytes;    /* of the others */
} field;

static bool take_varint(message *m, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        unsigned char byte = *m->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

/* The next field; false at the end, and where the bytes are no message (then at < end). */
static bool take_field(message *m, field *f)
{
    uint64_t key, size;
    message rest = *m;
    if (rest.at == rest.end || !take_varint(&rest, &key) || key >> 3 > INT_MAX) return false;
    f->number = (int)(key >> 3);
    f->wire = (int)(key & 7);
    if (f->wire == 0) {
        if (!take_varint(&rest, &f->value)) return false;
        size = 0;
    } else if (f->wire == 2) {
        if (!take_varint(&rest, &size)) return false;
    } else if (f->wire == 1 || f->wire == 5) {
        size = f->wire == 1 ? 8 : 4;
    } else {
        return false;
    }
    if (size > (uint64_t)(rest.end - rest.at)) return false;
    f->bytes = (message){ rest.at, rest.at + size };
    m->at = rest.at + size;
    return true;
}

static int broken(const message *m, const char *what, tl_err *err)
{
    return m->at == m->end
               ? 0
               : tl_fail(err, TL_EFORMAT, "%s is no protobuf %zu bytes before its end", what, (size_t)(m->end - m->at));
}

static int read_piece(tl_spm *s, message m, tl_err *err)
{
    message text = { 0 };
    float score = 0;
    uint64_t type = TL_SPM_NORMAL;
    field f;
    while (take_field(&m, &f)) {
        if (f.number == 1 && f.wire == 2) text = f.bytes;
        if (f.number == 2 && f.wire == 5) memcpy(&score, f.bytes.at, sizeof score);
        if (f.number == 3 && f.wire == 0) type = f.value;
    }
    TL_TRY(broken(&m, "a piece", err));
    return tl_spm_put(s, (const char *)text.at, (size_t)(text.end - text.at), score,
                      type <= TL_SPM_BYTE ? (tl_spm_type)type : (tl_spm_type)0, err);
}

/* An id as the trainer's spec has it: negative where there is none. */
static int id_of(const field *f)
{
    int64_t id = (int64_t)f->value;
    return id >= 0 && id < MAX_PIECES ? (int)id : -1;
}

static int read_trainer(tl_spm *s, message m, tl_err *err)
{
    field f;
    uint64_t model = MODEL_UNIGRAM;
    bool suffix = false;
    while (take_field(&m, &f)) {
        if (f.wire != 0) continue;
        if (f.number == 3) model = f.value;
        if (f.number == 24) suffix = f.value != 0;
        if (f.number == 35) s->byte_fallback = f.value != 0;
        if (f.number == 40) s->unk = id_of(&f);
        if (f.number == 41) s->bos = id_of(&f);
        if (f.number == 42) s->eos = id_of(&f);
    }
    TL_TRY(broken(&m, "trainer_spec", err));
    if (model != MODEL_UNIGRAM && model != MODEL_BPE)
        return tl_fail(err, TL_EUNSUPPORTED, "model_type %d is not supported, only unigram (1) and bpe (2)",
                       (int)model);
    if (suffix) return tl_fail(err, TL_EUNSUPPORTED, "treat_whitespace_as_suffix is not supported");
    s->unigram = model == MODEL_UNIGRAM;
    return 0;
}

static int read_normalizer(tl_spm *s, message m, tl_err *err)
{
    field f;
    while (take_field(&m, &f)) {
        if (f.number == 2 && f.wire == 2) {
            tl_buf_clear(&s->charsmap);
            TL_TRY(tl_buf_append(&s->charsmap, f.bytes.at, (size_t)(f.bytes.end - f.bytes.at), err));
        }
        if (f.wire != 0) continue;
        if (f.number == 3) s->rules.add_dummy_prefix = f.value != 0;
        if (f.number == 4) s->rules.remove_extra_whitespaces = f.value != 0;
        if (f.number == 5) s->rules.escape_whitespaces = f.value != 0;
    }
    return broken(&m, "normalizer_spec", err);
}

static int read_model(tl_spm *s, message m, tl_err *err)
{
    field f;
    while (take_field(&m, &f)) {
        if (f.wire != 2) continue;
        if (f.number == 1) TL_TRY(read_piece(s, f.bytes, err));
        if (f.number == 2) TL_TRY(read_trainer(s, f.bytes, err));
        if (f.number == 3) TL_TRY(read_normalizer(s, f.bytes, err));
    }
    return broken(&m, "the file", err);
}

int tl_spm_open(tl_spm **out, const char *path, tl_err *err)
{
    tl_map *map = NULL;
    tl_spm *s = NULL;
    size_t size;
    TL_TRY(tl_map_open(&map, path, err));
    const unsigned char *bytes = tl_map_bytes(map, &size);
    int rc = tl_spm_create(&s, err);
    if (rc == 0 && bytes) rc = read_model(s, (message){ bytes, bytes + size }, err);
    if (rc == 0 && s->n == 0) rc = tl_fail(err, TL_EFORMAT, "no pieces");
    tl_map_close(map);
    if (rc < 0) {
        tl_spm_free(s);
        return tl_fail_in(err, "%s", path);
    }
    *out = s;
    return 0;
}

/* ---- a tokenizer of it ---- */

static const char *text_of(const tl_spm *s, size_t id)
{
    return s->bytes.data + s->pieces[id].start;
}

/* Pieces that text is made of; the others are found by id alone. */
static bool is_word(tl_spm_type type)
{
    return type == TL_SPM_NORMAL || type == TL_SPM_USER;
}

static int fill_vocabulary(const tl_spm *s, tl_tokenizer *t, const char *where, tl_err *err)
{
    json_t *vocab = json_object();
    tl_added_row *rows = calloc(s->n, sizeof *rows);
    size_t n_rows = 0;
    int rc = vocab && rows ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory for %zu pieces", where, s->n);
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        const tl_spm_piece *p = &s->pieces[i];
        if (json_object_getn(vocab, text_of(s, i), p->size))
            rc = tl_fail(err, TL_EFORMAT, "%s: the piece '%.*s' is there twice", where,
                         (int)(p->size < 100 ? p->size : 100), text_of(s, i));
        else if (json_object_setn_new(vocab, text_of(s, i), p->size, json_integer((json_int_t)i)) < 0)
            rc = tl_fail(err, TL_ENOMEM, "%s: no memory for %zu pieces", where, s->n);
        if (p->type != TL_SPM_CONTROL && p->type != TL_SPM_USER && p->type != TL_SPM_UNKNOWN) continue;
        tl_added_token token = { text_of(s, i), p->size, (int)i, p->type != TL_SPM_USER, false, false, false };
        rows[n_rows++] = (tl_added_row){ token, p->type == TL_SPM_USER };
    }
    if (rc == 0) rc = tl_tokenizer_fill_pieces(t, vocab, rows, n_rows, where, err);
    if (rc == 0) rc = tl_tokenizer_fill_added(t, rows, n_rows, where, err);
    json_decref(vocab);
    free(rows);
    return rc;
}

/* A user's piece has its score of 0, more than any other: it wins over whatever else its letters could be. */
static int fill_unigram(const tl_spm *s, tl_tokenizer *t, tl_err *err)
{
    t->kind = TL_MODEL_UNIGRAM;
    TL_TRY(tl_unigram_create(&t->unigram, err));
    for (size_t i = 0; i < s->n; i++)
        if (is_word(s->pieces[i].type))
            TL_TRY(
                tl_unigram_put(t->unigram, text_of(s, i), s->pieces[i].size, (int)i, (double)s->pieces[i].score, err));
    return tl_unigram_seal(t->unigram, s->unk, true, err);
}

/* The id of a piece that text is made of, or -1. */
static int word_id(const tl_spm *s, const tl_tokenizer *t, const char *text, size_t size)
{
    int id = tl_tokenizer_find_bytes(t, text, size);
    return id >= 0 && is_word(s->pieces[id].type) ? id : -1;
}

typedef struct ranked {
    float score;
    int id;
} ranked;

static int higher_first(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->id - b->id;
}

/* Every pair that makes the piece, at one rank: which of them goes first is a question of their places alone. */
static int put_pairs(const tl_spm *s, tl_tokenizer *t, int id, int rank, tl_err *err)
{
    const char *text = text_of(s, (size_t)id);
    size_t size = s->pieces[id].size, n;
    for (size_t cut = 0; cut < size; cut += n) {
        tl_unicode_first(text + cut, size - cut, &n);
        int left = cut ? word_id(s, t, text, cut) : -1;
        int right = cut ? word_id(s, t, text + cut, size - cut) : -1;
        if (left >= 0 && right >= 0) TL_TRY(tl_bpe_put(t->bpe, left, right, rank, id, err));
    }
    return 0;
}

static int fill_bpe(const tl_spm *s, tl_tokenizer *t, tl_err *err)
{
    ranked *order = calloc(s->n, sizeof *order);
    size_t n = 0;
    if (!order) return tl_fail(err, TL_ENOMEM, "no memory for %zu pieces", s->n);
    for (size_t i = 0; i < s->n; i++)
        if (is_word(s->pieces[i].type)) order[n++] = (ranked){ s->pieces[i].score, (int)i };
    qsort(order, n, sizeof *order, higher_first);
    t->kind = TL_MODEL_BPE;
    int rc = tl_bpe_create(&t->bpe, err);
    for (size_t i = 0, rank = 0; rc == 0 && i < n; i++) {
        if (i > 0 && order[i].score != order[i - 1].score) rank++;
        rc = put_pairs(s, t, order[i].id, (int)rank, err);
    }
    free(order);
    return rc;
}

static int fill_decoder(const tl_spm *s, tl_tokenizer *t, tl_err *err)
{
    tl_decode_step space = { .kind = TL_DECODE_REPLACE, .from = TL_SPACE_MARK, .to = " " };
    tl_decode_step bytes = { .kind = TL_DECODE_BYTES }, fuse = { .kind = TL_DECODE_FUSE };
    tl_decode_step strip = { .kind = TL_DECODE_STRIP, .from = " ", .left = 1 };
    if (s->rules.remove_extra_whitespaces) strip.left = INT_MAX;
    TL_TRY(tl_decoder_add(&t->decoder, &space, err));
    TL_TRY(tl_decoder_add(&t->decoder, &bytes, err));
    TL_TRY(tl_decoder_add(&t->decoder, &fuse, err));
    bool strips = s->rules.add_dummy_prefix || s->rules.remove_extra_whitespaces;
    return strips ? tl_decoder_add(&t->decoder, &strip, err) : 0;
}

static int check_types(const tl_spm *s, const char *where, tl_err *err)
{
    if (s->unk < 0 || (size_t)s->unk >= s->n || s->pieces[s->unk].type != TL_SPM_UNKNOWN)
        return tl_fail(err, TL_EFORMAT, "%s: unk_id is %d, which is no unknown piece", where, s->unk);
    for (size_t i = 0; !s->unigram && i < s->n; i++)
        if (s->pieces[i].type == TL_SPM_UNUSED && s->pieces[i].score > TL_SPM_LAST)
            return tl_fail(err, TL_EUNSUPPORTED, "%s: piece %zu is unused, which is not supported in BPE", where, i);
    return 0;
}

int tl_spm_fill(const tl_spm *s, tl_tokenizer *t, const char *where, tl_err *err)
{
    TL_TRY(check_types(s, where, err));
    t->byte_fallback = s->byte_fallback;
    t->fuse_unk = true;
    t->model_adds = s->unigram; /* by the scores of users' pieces */
    t->unk = s->unk;
    t->bos = s->bos >= 0 && (size_t)s->bos < s->n ? s->bos : -1;
    t->eos = s->eos >= 0 && (size_t)s->eos < s->n ? s->eos : -1;
    TL_TRY(tl_normalizer_create(&t->normalizer, err)); /* empty while the added tokens are read: they pass unchanged */
    TL_TRY(fill_vocabulary(s, t, where, err));
    int rc = tl_normalizer_add_spm(t->normalizer, s->charsmap.data, s->charsmap.size, &s->rules, t->added[1], err);
    if (rc == 0) rc = s->unigram ? fill_unigram(s, t, err) : fill_bpe(s, t, err);
    if (rc < 0) return tl_fail_in(err, "%s", where);
    TL_TRY(tl_pretoken_create(&t->pretoken, err));
    tl_tokenizer_find_cuts(t);
    return fill_decoder(s, t, err);
}
