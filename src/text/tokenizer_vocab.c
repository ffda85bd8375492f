/* tokenizer_vocab.c - tokens, ids and merges: every number checked before it sizes or indexes anything.
 *
 * The JSON object of the vocabulary is itself the map from token to id while
 * the merges are read; afterwards only bytes and ids remain. */
#define _GNU_SOURCE /* memmem */
#include "text/tokenizer_vocab.h"

#include "io/json.h"
#include "text/bytelevel.h"
#include "text/tokenizer_model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ids beyond the number of tokens leave holes; some files have a few, none has many. */
enum {
    MAX_HOLES = 1 << 16,
    MAX_TOKENS = 1 << 24,
    MAX_TOKEN_BYTES = 1 << 16
};

#define SHOWN(size) ((int)((size) < 100 ? (size) : 100))

int tl_added_row_read(tl_added_row *out, json_t *json, const char *where, tl_err *err)
{
    tl_added_row r = { 0 };
    const char *content = NULL;
    if (!json_is_object(json)) return tl_fail(err, TL_EFORMAT, "%s: an added token that is no object", where);
    TL_TRY(tl_json_string(json, where, "content", &content, err));
    TL_TRY(tl_json_bool_or(json, where, "special", false, &r.token.special, err));
    TL_TRY(tl_json_bool_or(json, where, "single_word", false, &r.token.single_word, err));
    TL_TRY(tl_json_bool_or(json, where, "lstrip", false, &r.token.lstrip, err));
    TL_TRY(tl_json_bool_or(json, where, "rstrip", false, &r.token.rstrip, err));
    TL_TRY(tl_json_bool_or(json, where, "normalized", !r.token.special, &r.normalized, err));
    r.token.content = content;
    r.token.size = json_string_length(json_object_get(json, "content"));
    if (r.token.size == 0 || r.token.size > MAX_TOKEN_BYTES)
        return tl_fail(err, TL_EFORMAT, "%s: an added token of %zu bytes, wanted 1 to %d", where, r.token.size,
                       MAX_TOKEN_BYTES);
    *out = r;
    return 0;
}

static int set_piece(tl_tokenizer *t, int id, const char *bytes, size_t size, int kind, tl_err *err)
{
    t->pieces[id] = (tl_piece){ t->bytes.size, (int)size, kind };
    return tl_buf_append(&t->bytes, bytes, size, err);
}

static int fill_from_vocab(tl_tokenizer *t, json_t *vocab, const char *where, tl_err *err)
{
    char read[MAX_TOKEN_BYTES];
    const char *key;
    json_t *value;
    json_object_foreach(vocab, key, value)
    {
        size_t size = strlen(key), n;
        int id = (int)json_integer_value(value);
        if (t->pieces[id].kind != PIECE_NONE)
            return tl_fail(err, TL_EFORMAT, "%s: id %d names two tokens, '%.*s' is the second", where, id, SHOWN(size),
                           key);
        if (size > MAX_TOKEN_BYTES)
            return tl_fail(err, TL_EFORMAT, "%s: token %d has %zu bytes, the most is %d", where, id, size,
                           MAX_TOKEN_BYTES);
        if (!t->byte_level)
            TL_TRY(set_piece(t, id, key, size, PIECE_MODEL, err));
        else if (tl_bytelevel_read(read, &n, key, size))
            TL_TRY(set_piece(t, id, read, n, PIECE_MODEL, err));
        else
            TL_TRY(set_piece(t, id, key, size, PIECE_TEXT, err));
    }
    return 0;
}

/* The id that the vocabulary gives a token, or -1. */
static int vocab_id(const json_t *vocab, const char *token, size_t size)
{
    const json_t *value = json_object_getn(vocab, token, size);
    return value ? (int)json_integer_value(value) : -1;
}

static int fill_from_rows(tl_tokenizer *t, const json_t *vocab, const tl_added_row *rows, size_t n, const char *where,
                          tl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const tl_added_token *a = &rows[i].token;
        int known = vocab_id(vocab, a->content, a->size);
        if (known >= 0 && known != a->id)
            return tl_fail(err, TL_EFORMAT, "%s: the added token '%.*s' has id %d, the vocabulary says %d", where,
                           SHOWN(a->size), a->content, a->id, known);
        if (known < 0 && t->pieces[a->id].kind != PIECE_NONE)
            return tl_fail(err, TL_EFORMAT, "%s: id %d names two tokens, '%.*s' is the second", where, a->id,
                           SHOWN(a->size), a->content);
        if (known < 0) TL_TRY(set_piece(t, a->id, a->content, a->size, PIECE_TEXT, err));
        if (a->special) t->pieces[a->id].kind |= PIECE_SPECIAL;
    }
    return 0;
}

/* One more than the largest id, all ids checked. */
static int count_ids(int *out, json_t *vocab, const tl_added_row *rows, size_t n, const char *where, tl_err *err)
{
    const char *key;
    json_t *value;
    size_t count = json_object_size(vocab) + n;
    if (count > MAX_TOKENS)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: %zu tokens, the most is %d", where, count, MAX_TOKENS);
    long long limit = (long long)count + MAX_HOLES, max = -1;
    json_object_foreach(vocab, key, value)
    {
        long long id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= limit)
            return tl_fail(err, TL_EFORMAT, "%s: the token '%.*s' has no id between 0 and %lld (%zu tokens)", where,
                           SHOWN(strlen(key)), key, limit - 1, count);
        if (id > max) max = id;
    }
    for (size_t i = 0; i < n; i++) {
        if (rows[i].token.id < 0 || rows[i].token.id >= limit)
            return tl_fail(err, TL_EFORMAT, "%s: the added token '%.*s' has id %d, wanted 0 to %lld (%zu tokens)",
                           where, SHOWN(rows[i].token.size), rows[i].token.content, rows[i].token.id, limit - 1, count);
        if (rows[i].token.id > max) max = rows[i].token.id;
    }
    *out = (int)(max + 1);
    return 0;
}

int tl_tokenizer_fill_pieces(tl_tokenizer *t, json_t *vocab, const tl_added_row *rows, size_t n, const char *where,
                             tl_err *err)
{
    TL_TRY(count_ids(&t->n_pieces, vocab, rows, n, where, err));
    t->bytes = tl_buf_make((size_t)1 << 30);
    t->pieces = calloc((size_t)t->n_pieces + 1, sizeof *t->pieces);
    if (!t->pieces) return tl_fail(err, TL_ENOMEM, "%s: no memory for %d tokens", where, t->n_pieces);
    TL_TRY(fill_from_vocab(t, vocab, where, err));
    TL_TRY(fill_from_rows(t, vocab, rows, n, where, err));
    TL_TRY(tl_tokenizer_index(t, err));
    for (int b = 0; b < 256; b++) {
        char byte = (char)b, name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        t->byte_ids[b] = t->byte_level ? tl_tokenizer_find_bytes(t, &byte, 1) : tl_tokenizer_find_bytes(t, name, 6);
        if (t->byte_level && t->byte_ids[b] < 0 && b >= ' ' && b <= '~')
            return tl_fail(err, TL_EUNSUPPORTED,
                           "%s: the vocabulary has no token for byte 0x%02x alone; a byte-level one has those of ASCII",
                           where, (unsigned)b);
    }
    return 0;
}

int tl_tokenizer_fill_added(tl_tokenizer *t, const tl_added_row *rows, size_t n, const char *where, tl_err *err)
{
    for (int i = 0; i < 2; i++) TL_TRY(tl_added_create(&t->added[i], err));
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].normalized || tl_normalizer_empty(t->normalizer)) {
            TL_TRY(tl_added_put(t->added[rows[i].normalized], &rows[i].token, err));
            continue;
        }
        tl_added_token token = rows[i].token;
        tl_buf normal = tl_buf_make(INT_MAX);
        bool first = true;
        int rc = tl_normalizer_run(t->normalizer, token.content, token.size, &first, &normal, err);
        token.content = normal.data;
        token.size = normal.size;
        if (rc == 0 && token.size > 0) rc = tl_added_put(t->added[1], &token, err);
        tl_buf_reset(&normal);
        TL_TRY(rc);
    }
    for (int i = 0; i < 2; i++)
        if (tl_added_seal(t->added[i], err) < 0) return tl_fail_in(err, "%s", where);
    return 0;
}

/* One merge: both sides and what they make must be tokens. */
static int put_merge(tl_tokenizer *t, const json_t *vocab, const char *left, size_t left_size, const char *right,
                     size_t right_size, size_t rank, tl_err *err)
{
    char both[2 * MAX_TOKEN_BYTES];
    int ids[3] = { -1, -1, -1 };
    if (left_size <= MAX_TOKEN_BYTES && right_size <= MAX_TOKEN_BYTES) {
        memcpy(both, left, left_size);
        memcpy(both + left_size, right, right_size);
        ids[0] = vocab_id(vocab, left, left_size);
        ids[1] = vocab_id(vocab, right, right_size);
        ids[2] = vocab_id(vocab, both, left_size + right_size);
    }
    for (int i = 0; i < 3; i++)
        if (ids[i] < 0)
            return tl_fail(err, TL_EFORMAT, "merge %zu ('%.*s' and '%.*s'): %s is not in the vocabulary", rank,
                           SHOWN(left_size), left, SHOWN(right_size), right,
                           i == 0   ? "the left side"
                           : i == 1 ? "the right side"
                                    : "what they make");
    return tl_bpe_put(t->bpe, ids[0], ids[1], (int)rank, ids[2], err);
}

/* "a b": one space between two letters' worth. */
static int put_merge_line(tl_tokenizer *t, const json_t *vocab, const char *line, size_t size, size_t rank, tl_err *err)
{
    const char *space = size ? memchr(line, ' ', size) : NULL;
    if (!space || memchr(space + 1, ' ', size - (size_t)(space + 1 - line)))
        return tl_fail(err, TL_EFORMAT, "merge %zu ('%.*s'): wanted two tokens with one space between", rank,
                       SHOWN(size), line);
    size_t left = (size_t)(space - line);
    return put_merge(t, vocab, line, left, space + 1, size - left - 1, rank, err);
}

static int put_merge_json(tl_tokenizer *t, const json_t *vocab, const json_t *merge, size_t rank, tl_err *err)
{
    if (json_is_string(merge))
        return put_merge_line(t, vocab, json_string_value(merge), json_string_length(merge), rank, err);
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
        return tl_fail(err, TL_EFORMAT, "merge %zu: wanted \"a b\" or [\"a\", \"b\"]", rank);
    return put_merge(t, vocab, json_string_value(left), json_string_length(left), json_string_value(right),
                     json_string_length(right), rank, err);
}

int tl_tokenizer_fill_merges(tl_tokenizer *t, json_t *vocab, json_t *merges, const char *where, tl_err *err)
{
    size_t n = json_array_size(merges);
    TL_TRY(tl_bpe_create(&t->bpe, err));
    for (size_t i = 0; i < n; i++)
        if (put_merge_json(t, vocab, json_array_get(merges, i), i, err) < 0) return tl_fail_in(err, "%s", where);
    return 0;
}

int tl_tokenizer_fill_merges_text(tl_tokenizer *t, json_t *vocab, const tl_buf *text, const char *where, tl_err *err)
{
    size_t rank = 0, at = 0;
    TL_TRY(tl_bpe_create(&t->bpe, err));
    while (at < text->size) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->size - at);
        size_t size = end ? (size_t)(end - line) : text->size - at;
        at += size + 1;
        if (size && line[size - 1] == '\r') size--;
        if (size >= 8 && memcmp(line, "#version", 8) == 0) continue;
        if (put_merge_line(t, vocab, line, size, rank++, err) < 0) return tl_fail_in(err, "%s", where);
    }
    return 0;
}

void tl_tokenizer_find_cuts(tl_tokenizer *t)
{
    const size_t n = strlen(TL_SPACE_MARK);
    t->cut_at_marks = t->kind == TL_MODEL_BPE && !t->byte_level && !t->ignore_merges;
    for (int id = 0; t->cut_at_marks && id < t->n_pieces; id++) {
        const char *text = t->bytes.data + t->pieces[id].start;
        size_t size = (size_t)t->pieces[id].size;
        if (!(t->pieces[id].kind & PIECE_MODEL)) continue;
        for (size_t i = n; i + n <= size; i++)
            if (memcmp(text + i, TL_SPACE_MARK, n) == 0 && memcmp(text + i - n, TL_SPACE_MARK, n) != 0)
                t->cut_at_marks = false;
        if (size > n && memcmp(text, TL_SPACE_MARK, n) != 0 && memmem(text, size, TL_SPACE_MARK, n))
            t->cut_at_marks = false;
    }
}
