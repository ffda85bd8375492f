/* gguf_characters.c - from scores to merges. */
#include "text/gguf_characters.h"

#include "text/gguf_pre.h"
#include "text/tokenizer_model.h"
#include "text/unicode.h"

#include <stdlib.h>

typedef struct ranked {
    double score;
    int id;
} ranked;

static int higher_first(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->id - b->id;
}

/* Tokens that text is made of; the others are found by id alone. */
static bool is_word(const tl_gguf_pair *types, size_t id)
{
    int64_t type = TL_TOKEN_NORMAL;
    if (types) tl_gguf_whole(types, id, &type);
    return type == TL_TOKEN_NORMAL || type == TL_TOKEN_USER || type == TL_TOKEN_UNDEFINED;
}

static json_t *words_of(const char *const *texts, const size_t *sizes, size_t n, const tl_gguf_pair *types)
{
    json_t *words = json_object();
    for (size_t i = 0; i < n; i++)
        if (words && is_word(types, i) && json_object_setn_new(words, texts[i], sizes[i], json_true()) < 0) {
            json_decref(words);
            return NULL;
        }
    return words;
}

/* Every cut of one token. */
static int put_cuts(json_t *merges, const json_t *words, const char *text, size_t size)
{
    size_t n;
    for (size_t cut = 0; cut < size; cut += n) {
        tl_unicode_first(text + cut, size - cut, &n);
        if (cut == 0 || !json_object_getn(words, text, cut) || !json_object_getn(words, text + cut, size - cut))
            continue;
        json_t *pair = json_pack("[s%, s%]", text, cut, text + cut, size - cut);
        if (json_array_append_new(merges, pair) < 0) return -1;
    }
    return 0;
}

int tl_gguf_character_merges(json_t *merges, const tl_gguf *g, const char *const *texts, const size_t *sizes, size_t n,
                             const tl_gguf_pair *scores, const tl_gguf_pair *types, tl_err *err)
{
    ranked *order = calloc(n + 1, sizeof *order);
    json_t *words = words_of(texts, sizes, n, types);
    size_t ranks = 0;
    int rc = order && words ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const double score = tl_gguf_real(scores, i);
        if (is_word(types, i) && score > (double)TL_GGUF_UNMADE) order[ranks++] = (ranked){ score, (int)i };
    }
    if (rc == 0) qsort(order, ranks, sizeof *order, higher_first);
    for (size_t i = 0; rc == 0 && i < ranks; i++) rc = put_cuts(merges, words, texts[order[i].id], sizes[order[i].id]);
    free(order);
    json_decref(words);
    return rc < 0 ? tl_fail(err, TL_ENOMEM, "%s: no memory for its merges", tl_gguf_path(g)) : 0;
}

static json_t *replace(const char *from, const char *to)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", from, "content", to);
}

int tl_gguf_character_stages(json_t *whole, bool prefix)
{
    json_t *normalizers = json_array(), *decoders = json_array();
    int rc = 0;
    if (prefix)
        rc |= json_array_append_new(normalizers, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", TL_SPACE_MARK));
    rc |= json_array_append_new(normalizers, replace(" ", TL_SPACE_MARK));
    rc |= json_array_append_new(decoders, replace(TL_SPACE_MARK, " "));
    rc |= json_array_append_new(decoders, json_pack("{s:s}", "type", "ByteFallback"));
    rc |= json_array_append_new(decoders, json_pack("{s:s}", "type", "Fuse"));
    if (prefix)
        rc |= json_array_append_new(
            decoders, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
    rc |= json_object_set_new(whole, "normalizer",
                              json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", normalizers));
    rc |= json_object_set_new(whole, "pre_tokenizer", json_null());
    rc |= json_object_set_new(whole, "decoder", json_pack("{s:s, s:o}", "type", "Sequence", "decoders", decoders));
    return rc;
}
