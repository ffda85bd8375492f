/* tokenizer_model.c - one word to ids, by the model of the tokenizer. */
#include "text/tokenizer_model.h"

#include "text/unicode.h"
#include "text/wordpiece.h"

#include <string.h>

/* ---- what BPE begins with ---- */

/* Vocabularies lack bytes that their authors' texts did not have; the package drops them, and nobody is told. */
static int spell_bytes(const tl_tokenizer *t, const char *word, size_t size, tl_ids *out, tl_err *err)
{
    for (size_t i = 0; i < size; i++) {
        int id = t->byte_ids[(unsigned char)word[i]];
        if (id < 0)
            return tl_fail(err, TL_EDATA, "a text with byte 0x%02x, for which the vocabulary has no token",
                           (unsigned)(unsigned char)word[i]);
        TL_TRY(tl_ids_push(out, id, err));
    }
    return 0;
}

/* The ids of <0xHH> for each byte, if they are all there. */
static int put_bytes(const tl_tokenizer *t, const char *text, size_t size, bool *done, tl_ids *out, tl_err *err)
{
    *done = false;
    for (size_t i = 0; i < size; i++)
        if (t->byte_ids[(unsigned char)text[i]] < 0) return 0;
    *done = true;
    return spell_bytes(t, text, size, out, err);
}

/* The id of a character; behind the word's last one stands the suffix. */
static int character_id(const tl_tokenizer *t, const char *text, size_t size, bool last)
{
    char spelt[4 + sizeof t->suffix];
    size_t suffix = last ? strlen(t->suffix) : 0;
    memcpy(spelt, text, size);
    memcpy(spelt + size, t->suffix, suffix);
    return tl_tokenizer_find_bytes(t, spelt, size + suffix);
}

static int spell_characters(const tl_tokenizer *t, const char *word, size_t size, tl_ids *out, tl_err *err)
{
    bool after_unknown = false;
    for (size_t i = 0, n; i < size; i += n) {
        bool done = false;
        tl_unicode_first(word + i, size - i, &n);
        int id = character_id(t, word + i, n, i + n == size);
        if (id < 0 && t->byte_fallback) TL_TRY(put_bytes(t, word + i, n, &done, out, err));
        bool unknown = id < 0 && !done;
        if (id >= 0) TL_TRY(tl_ids_push(out, id, err));
        if (unknown && t->unk >= 0 && !(after_unknown && t->fuse_unk)) TL_TRY(tl_ids_push(out, t->unk, err));
        if (id >= 0 || unknown) after_unknown = unknown;
    }
    return 0;
}

/* ---- the models ---- */

static int bpe_word(const tl_tokenizer *t, tl_tokenizer_work *w, const char *word, size_t size, tl_ids *out,
                    tl_err *err)
{
    if (t->ignore_merges) {
        int id = tl_tokenizer_find_bytes(t, word, size);
        if (id >= 0) return tl_ids_push(out, id, err);
    }
    w->spelt.size = 0;
    TL_TRY(t->byte_level ? spell_bytes(t, word, size, &w->spelt, err)
                         : spell_characters(t, word, size, &w->spelt, err));
    return tl_bpe_merge(t->bpe, w->bpe, w->spelt.data, w->spelt.size, out, err);
}

/* Where BPE may cut (cut_at_marks), the word that begins at from before the next mark that stands behind another
 * letter. */
static size_t mark_word(const char *text, size_t size, size_t from)
{
    size_t n = strlen(TL_SPACE_MARK);
    bool behind_mark = true;
    for (size_t i = from; i < size;) {
        bool mark = size - i >= n && memcmp(text + i, TL_SPACE_MARK, n) == 0;
        if (mark && !behind_mark) return i;
        behind_mark = mark;
        i += mark ? n : 1;
    }
    return size;
}

typedef struct unigram_call {
    const tl_tokenizer *t;
    tl_ids *out;
} unigram_call;

static int unigram_piece(void *arg, int id, const char *text, size_t size, tl_err *err)
{
    const unigram_call *c = arg;
    bool done = false;
    if (id == c->t->unk && c->t->byte_fallback) TL_TRY(put_bytes(c->t, text, size, &done, c->out, err));
    return done ? 0 : tl_ids_push(c->out, id, err);
}

static int new_word(const tl_tokenizer *t, tl_tokenizer_work *w, const char *word, size_t size, tl_ids *out,
                    tl_err *err)
{
    int id;
    switch (t->kind) {
    case TL_MODEL_UNIGRAM:
        return tl_unigram_encode(t->unigram, word, size, unigram_piece, &(unigram_call){ t, out }, err);
    case TL_MODEL_WORDPIECE:
        return tl_wordpiece_encode(t, word, size, out, err);
    case TL_MODEL_WORDLEVEL:
        id = tl_tokenizer_find_bytes(t, word, size);
        return tl_ids_push(out, id >= 0 ? id : t->unk, err);
    default:
        return bpe_word(t, w, word, size, out, err);
    }
}

/* What a word becomes depends on the word alone. */
static int any_word(const tl_tokenizer *t, tl_tokenizer_work *w, const char *word, size_t size, tl_ids *out,
                    tl_err *err)
{
    size_t n, start = out->size;
    const int *ids = tl_word_cache_find(w->cache, word, size, &n);
    if (ids) return tl_ids_append(out, ids, n, err);
    TL_TRY(new_word(t, w, word, size, out, err));
    tl_word_cache_put(w->cache, word, size, out->data + start, out->size - start);
    return 0;
}

int tl_tokenizer_word(const tl_tokenizer *t, tl_tokenizer_work *w, const char *word, size_t size, tl_ids *out,
                      tl_err *err)
{
    if (!t->cut_at_marks) return any_word(t, w, word, size, out, err);
    for (size_t from = 0, end; from < size; from = end) {
        end = mark_word(word, size, from);
        TL_TRY(any_word(t, w, word + from, end - from, out, err));
    }
    return 0;
}
