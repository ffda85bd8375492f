/* tokenizer_gguf_bert.c - WordPiece in GGUF: what begins a word carries U+2581 in front, what continues one has lost
 * its
 * "##", and names in brackets are as they were. */
#include "text/tokenizer_gguf_bert.h"

#include "text/tokenizer_gguf.h"

#include <stdio.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name
#define MARK      "\xe2\x96\x81"

enum {
    TYPE_NORMAL = 1,
    MAX_TOKEN_BYTES = 1000
};

typedef struct reading {
    const tl_gguf *g;
    json_t *vocab, *added; /* owned */
} reading;

static int put_token(reading *r, int id, const char *text, size_t size, bool normal, tl_err *err)
{
    char spelt[MAX_TOKEN_BYTES + 3];
    const char *path = tl_gguf_path(r->g);
    if (size == 0 || size > MAX_TOKEN_BYTES || memchr(text, 0, size))
        return tl_fail(err, TL_EFORMAT, "%s: key " KEY("tokens") ": token %d has %zu bytes or a NUL", path, id, size);
    bool begins = size > strlen(MARK) && memcmp(text, MARK, strlen(MARK)) == 0;
    bool name = !normal || (text[0] == '[' && text[size - 1] == ']');
    const char *front = begins || name ? "" : "##";
    size_t skip = begins && !name ? strlen(MARK) : 0;
    int n = snprintf(spelt, sizeof spelt, "%s%.*s", front, (int)(size - skip), text + skip);
    json_t *content = json_stringn(spelt, (size_t)n);
    if (!content) return tl_fail(err, TL_EFORMAT, "%s: key " KEY("tokens") ": token %d is not UTF-8", path, id);
    if (json_object_get(r->vocab, spelt)) {
        json_decref(content);
        return tl_fail(err, TL_EFORMAT, "%s: key " KEY("tokens") ": token %d is there twice", path, id);
    }
    int rc = json_object_set_new(r->vocab, spelt, json_integer(id));
    if (!normal)
        rc |= json_array_append_new(
            r->added, json_pack("{s:i, s:O, s:b, s:b}", "id", id, "content", content, "special", 1, "normalized", 0));
    json_decref(content);
    return rc < 0 ? tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", path) : 0;
}

static int put_tokens(reading *r, tl_err *err)
{
    const tl_gguf_pair *tokens = NULL, *types = NULL;
    TL_TRY(tl_gguf_array(r->g, KEY("tokens"), TL_GGUF_STRING, &tokens, err));
    TL_TRY(tl_gguf_array(r->g, KEY("token_type"), TL_GGUF_I32, &types, err));
    if (types->n != tokens->n || tokens->n > 1u << 24)
        return tl_fail(err, TL_EFORMAT, "%s: %zu tokens, and types for %zu", tl_gguf_path(r->g), tokens->n, types->n);
    size_t at = 0, size;
    int id = 0;
    for (const char *text; (text = tl_gguf_next(tokens, &at, &size)); id++) {
        int64_t type = 0;
        tl_gguf_whole(types, (size_t)id, &type);
        TL_TRY(put_token(r, id, text, size, type == TYPE_NORMAL, err));
    }
    return 0;
}

/* The id and the text of the token that a key names; def: the key may be missing. */
static int find_token(reading *r, const char *key, int def, int *id, const char **text, tl_err *err)
{
    int last = (int)json_object_size(r->vocab) - 1;
    const char *name;
    json_t *value;
    TL_TRY(tl_gguf_int_or(r->g, key, 0, last < 0 ? 0 : last, def, id, err));
    json_object_foreach(r->vocab, name, value) if (json_integer_value(value) == *id) *text = name;
    if (*text) return 0;
    return tl_fail(err, TL_EFORMAT, "%s: key %s is %d: there is no such token", tl_gguf_path(r->g), key, *id);
}

static int put_parts(json_t *whole, json_t *config, reading *r, tl_err *err)
{
    const char *unk = NULL, *cls = NULL, *sep = NULL;
    int unk_id, cls_id, sep_id;
    TL_TRY(find_token(r, KEY("unknown_token_id"), 100, &unk_id, &unk, err));
    TL_TRY(find_token(r, KEY("cls_token_id"), 101, &cls_id, &cls, err));
    TL_TRY(find_token(
        r, tl_gguf_get(r->g, KEY("separator_token_id")) ? KEY("separator_token_id") : KEY("seperator_token_id"), 102,
        &sep_id, &sep, err));
    int rc = json_object_set(whole, "added_tokens", r->added);
    rc |= json_object_set_new(whole, "normalizer",
                              json_pack("{s:s, s:b, s:b, s:n, s:b}", "type", "BertNormalizer", "clean_text", 1,
                                        "handle_chinese_chars", 1, "strip_accents", "lowercase", 1));
    rc |= json_object_set_new(whole, "pre_tokenizer", json_pack("{s:s}", "type", "BertPreTokenizer"));
    rc |= json_object_set_new(
        whole, "post_processor",
        json_pack("{s:s, s:[s, i], s:[s, i]}", "type", "BertProcessing", "sep", sep, sep_id, "cls", cls, cls_id));
    rc |= json_object_set_new(whole, "decoder",
                              json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1));
    rc |= json_object_set_new(whole, "model",
                              json_pack("{s:s, s:s, s:s, s:i, s:O}", "type", "WordPiece", "unk_token", unk,
                                        "continuing_subword_prefix", "##", "max_input_chars_per_word", 100, "vocab",
                                        r->vocab));
    rc |= json_object_set_new(config, "tokenizer_class", json_string("BertTokenizer"));
    rc |= json_object_set_new(config, "cls_token", json_string(cls));
    rc |= json_object_set_new(config, "sep_token", json_string(sep));
    rc |= json_object_set_new(config, "unk_token", json_string(unk));
    return rc < 0 ? tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", tl_gguf_path(r->g)) : 0;
}

int tl_gguf_bert(json_t *whole, json_t *config, const tl_gguf *g, tl_err *err)
{
    const char *pre = "";
    TL_TRY(tl_tokenizer_gguf_check(g, NULL, NULL, err));
    TL_TRY(tl_gguf_string_or(g, KEY("pre"), "", &pre, err));
    if (strcmp(pre, "bert-bge") != 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: key " KEY("pre") " is '%.100s', supported for bert is bert-bge",
                       tl_gguf_path(g), pre);
    reading r = { .g = g, .vocab = json_object(), .added = json_array() };
    int rc = r.vocab && r.added ? put_tokens(&r, err)
                                : tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", tl_gguf_path(g));
    if (rc == 0) rc = put_parts(whole, config, &r, err);
    json_decref(r.vocab);
    json_decref(r.added);
    return rc;
}
