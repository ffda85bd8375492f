/* tokenizer_gguf.c - from GGUF's keys to the JSON of a tokenizer.
 *
 * WordPiece is tokenizer_gguf_bert.c's, SentencePiece is tokenizer_gguf_spm.c's.  A byte-level BPE in GGUF is four
 * arrays (tokens and merges, spelt as in vocab.json and merges.txt; types; scores, which BPE has no use for), ids of
 * the special tokens, and a name for what came before the merges: tokenizer.ggml.pre. The name stands for a regular
 * expression and a few switches that are nowhere in the file, so it must be one that is known.
 *
 * What the file does not say: whether added tokens take white space along or must stand alone (taken for no), and the
 * normalizer (taken from the family that gave the pre-tokenizer its name; llama.cpp has none). */
#include "text/tokenizer_gguf.h"

#include "text/gguf_tokens.h"
#include "text/tokenizer_gguf_bert.h"
#include "text/tokenizer_gguf_pre.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

typedef struct reading {
    const tl_gguf *g;
    const tl_gguf_pre *pre;
    const tl_gguf_pair *tokens, *types; /* types may be NULL */
    const char **texts;                 /* owned; borrowed from the file, tokens->n of them */
    size_t *sizes;                      /* owned; theirs */
    int bos, eos;                       /* -1: none */
} reading;

static int no_memory(const reading *r, tl_err *err)
{
    return tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", tl_gguf_path(r->g));
}

/* ---- the keys ---- */

/* Keys that are read, or that change no ids. */
int tl_tokenizer_gguf_check(const tl_gguf *g, const char *also, const char *also2, tl_err *err)
{
    static const char *const known[] = {
        "model",
        "pre",
        "tokens",
        "token_type",
        "merges",
        "scores",
        "token_type_count",
        "add_bos_token",
        "add_eos_token",
        "add_sep_token",
        "add_space_prefix",
        "bos_token_id",
        "eos_token_id",
        "eot_token_id",
        "eom_token_id",
        "unknown_token_id",
        "seperator_token_id",
        "separator_token_id",
        "padding_token_id",
        "cls_token_id",
        "mask_token_id",
        "prefix_token_id",
        "suffix_token_id",
        "middle_token_id",
        "fim_pre_token_id",
        "fim_suf_token_id",
        "fim_mid_token_id",
        "fim_pad_token_id",
        "fim_rep_token_id",
        "fim_sep_token_id",
        NULL,
    };
    const size_t n = strlen(KEY(""));
    bool separator;
    for (int i = 0; i < tl_gguf_pairs(g); i++) {
        const char *key = tl_gguf_pair_at(g, i)->key;
        if (strncmp(key, KEY(""), n) != 0) continue;
        int k = 0;
        while (known[k] && strcmp(known[k], key + n) != 0) k++;
        if (!known[k] && (!also || strcmp(also, key + n) != 0) && (!also2 || strcmp(also2, key + n) != 0))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: key %.200s is not supported", tl_gguf_path(g), key);
    }
    TL_TRY(tl_gguf_bool_or(g, KEY("add_sep_token"), false, &separator, err));
    if (separator)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: key " KEY("add_sep_token") " is true, which is not supported",
                       tl_gguf_path(g));
    return 0;
}

static int find_pre(reading *r, tl_err *err)
{
    const char *model, *name, *path = tl_gguf_path(r->g);
    TL_TRY(tl_gguf_string(r->g, KEY("model"), &model, err));
    if (strcmp(model, "gpt2") != 0)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: key " KEY("model") " is '%.100s', supported are gpt2, llama, t5 and bert", path, model);
    if (!tl_gguf_get(r->g, KEY("pre")))
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: key " KEY("pre") " is missing: nothing says how text is cut before the merges", path);
    TL_TRY(tl_gguf_string(r->g, KEY("pre"), &name, err));
    return tl_gguf_pre_find(&r->pre, name, path, err);
}

static int read_tokens(reading *r, tl_err *err)
{
    const char *path = tl_gguf_path(r->g);
    TL_TRY(tl_gguf_array(r->g, KEY("tokens"), TL_GGUF_STRING, &r->tokens, err));
    TL_TRY(tl_gguf_array_or_null(r->g, KEY("token_type"), TL_GGUF_I32, &r->types, err));
    size_t n = r->tokens->n, at = 0, i = 0;
    if (n > INT_MAX || (r->types && r->types->n != n))
        return tl_fail(err, TL_EFORMAT, "%s: %zu tokens, and types for %zu", path, n, r->types ? r->types->n : n);
    r->texts = calloc(n + 1, sizeof *r->texts);
    r->sizes = calloc(n + 1, sizeof *r->sizes);
    if (!r->texts || !r->sizes) return no_memory(r, err);
    for (; (r->texts[i] = tl_gguf_next(r->tokens, &at, &r->sizes[i])); i++)
        if (r->sizes[i] == 0 || memchr(r->texts[i], 0, r->sizes[i]))
            return tl_fail(err, TL_EFORMAT, "%s: key " KEY("tokens") ": token %zu is empty or holds a NUL", path, i);
    int last = n ? (int)n - 1 : 0;
    TL_TRY(tl_gguf_int_or(r->g, KEY("bos_token_id"), 0, last, -1, &r->bos, err));
    return tl_gguf_int_or(r->g, KEY("eos_token_id"), 0, last, -1, &r->eos, err);
}

/* ---- the parts ---- */

static json_t *text_of(const reading *r, int id)
{
    return json_stringn(r->texts[id], r->sizes[id]);
}

/* Rows of the token table that no token has are named by their numbers. */
static bool is_pad(const char *text, size_t size, int id)
{
    char name[24];
    tl_gguf_pad_name(name, id);
    return strlen(name) == size && memcmp(name, text, size) == 0;
}

/* Ordinary tokens into vocab, those that are looked for in the text into added. */
static int put_token(const reading *r, int id, json_t *vocab, json_t *added, tl_err *err)
{
    const char *path = tl_gguf_path(r->g), *text = r->texts[id];
    size_t size = r->sizes[id];
    int shown = size < 100 ? (int)size : 100;
    int64_t type = TL_TOKEN_NORMAL;
    if (r->types) tl_gguf_whole(r->types, (size_t)id, &type);
    if (type < TL_TOKEN_UNDEFINED || type >= TL_TOKEN_BYTE)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: key " KEY("token_type") ": token %d ('%.*s') has type %d, wanted 0 to 5", path, id, shown,
                       text, (int)type);
    if (type == TL_TOKEN_UNUSED && is_pad(text, size, id)) return 0;
    json_t *content = text_of(r, id);
    if (!content) return tl_fail(err, TL_EFORMAT, "%s: key " KEY("tokens") ": token %d is not UTF-8", path, id);
    if (type == TL_TOKEN_CONTROL || type == TL_TOKEN_USER || type == TL_TOKEN_UNKNOWN) {
        json_t *row = json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", content, "single_word", 0,
                                "lstrip", 0, "rstrip", 0, "normalized", 0, "special", type != TL_TOKEN_USER);
        return json_array_append_new(added, row) < 0 ? no_memory(r, err) : 0;
    }
    json_decref(content);
    const json_t *twin = json_object_getn(vocab, text, size);
    if (twin)
        return tl_fail(err, TL_EFORMAT, "%s: key " KEY("tokens") ": '%.*s' is token %d and token %d", path, shown, text,
                       (int)json_integer_value(twin), id);
    return json_object_setn_new(vocab, text, size, json_integer(id)) < 0 ? no_memory(r, err) : 0;
}

static int make_merges(json_t *out, const reading *r, tl_err *err)
{
    const tl_gguf_pair *merges = NULL;
    size_t at = 0, size, i = 0;
    TL_TRY(tl_gguf_array(r->g, KEY("merges"), TL_GGUF_STRING, &merges, err));
    for (const char *text; (text = tl_gguf_next(merges, &at, &size)); i++) {
        json_t *merge = json_stringn(text, size);
        if (!merge)
            return tl_fail(err, TL_EFORMAT, "%s: key " KEY("merges") ": merge %zu is not UTF-8", tl_gguf_path(r->g), i);
        if (json_array_append_new(out, merge) < 0) return no_memory(r, err);
    }
    return 0;
}

/* { "type": "BPE", ... } into whole, and its added_tokens. */
static int put_model(json_t *whole, const reading *r, tl_err *err)
{
    json_t *vocab = json_object(), *merges = json_array(), *added = json_array();
    int rc = vocab && merges && added ? 0 : no_memory(r, err);
    for (int id = 0; rc == 0 && id < (int)r->tokens->n; id++) rc = put_token(r, id, vocab, added, err);
    if (rc == 0) rc = make_merges(merges, r, err);
    if (rc == 0) {
        json_t *model =
            json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout", "unk_token",
                      "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                      "ignore_merges", r->pre->ignore_merges, "vocab", vocab, "merges", merges);
        if (json_object_set(whole, "added_tokens", added) < 0 || json_object_set_new(whole, "model", model) < 0)
            rc = no_memory(r, err);
    }
    json_decref(vocab);
    json_decref(merges);
    json_decref(added);
    return rc;
}

static json_t *byte_level(bool prefix, bool regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix, "trim_offsets", 1,
                     "use_regex", regex);
}

/* Normalizer, pre-tokenizer and decoder. */
static int put_stages(json_t *whole, const reading *r, tl_err *err)
{
    bool prefix;
    TL_TRY(tl_gguf_bool_or(r->g, KEY("add_space_prefix"), false, &prefix, err));
    int rc = json_object_set_new(whole, "normalizer", r->pre->nfc ? json_pack("{s:s}", "type", "NFC") : json_null());
    rc |= json_object_set_new(whole, "pre_tokenizer", tl_gguf_pre_json(r->pre, prefix));
    rc |= json_object_set_new(whole, "decoder", byte_level(false, true));
    return rc < 0 ? no_memory(r, err) : 0;
}

/* A special token of the template: its step, and its entry in special_tokens. */
static int put_special(const reading *r, json_t *steps, json_t *specials, int id)
{
    int rc =
        json_array_append_new(steps, json_pack("{s:{s:o, s:i}}", "SpecialToken", "id", text_of(r, id), "type_id", 0));
    return rc | json_object_setn_new(
                    specials, r->texts[id], r->sizes[id],
                    json_pack("{s:o, s:[i], s:[o]}", "id", text_of(r, id), "ids", id, "tokens", text_of(r, id)));
}

/* What is put around a text.  The format wants a rule for pairs too: both, one after the other. */
static int put_processor(json_t *whole, const reading *r, bool bos, bool eos, tl_err *err)
{
    int rc = 0;
    json_t *single = json_array(), *pair = json_array(), *specials = json_object();
    for (int i = 0; i < 2; i++) {
        json_t *steps = i ? pair : single;
        if (bos) rc |= put_special(r, steps, specials, r->bos);
        rc |= json_array_append_new(steps, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0));
        if (i) rc |= json_array_append_new(steps, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1));
        if (eos) rc |= put_special(r, steps, specials, r->eos);
    }
    rc |= json_object_set_new(whole, "post_processor",
                              json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair",
                                        pair, "special_tokens", specials));
    return rc < 0 ? no_memory(r, err) : 0;
}

/* chat_template: a text, or where there are several a list of them with names. */
int tl_tokenizer_gguf_templates(json_t *config, const tl_gguf *g, tl_err *err)
{
    static const char prefix[] = "tokenizer.chat_template";
    const size_t n = sizeof prefix - 1;
    json_t *list = json_array();
    int rc = 0;
    for (int i = 0; i < tl_gguf_pairs(g); i++) {
        const tl_gguf_pair *p = tl_gguf_pair_at(g, i);
        if (strncmp(p->key, prefix, n) != 0 || !p->text || (p->key[n] && p->key[n] != '.')) continue;
        const char *name = p->key[n] ? p->key + n + 1 : "default";
        rc |= json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "template", p->text));
    }
    const json_t *only = json_array_size(list) == 1 ? json_array_get(list, 0) : NULL;
    if (only && strcmp(json_string_value(json_object_get(only, "name")), "default") == 0)
        rc |= json_object_set(config, "chat_template", json_object_get(only, "template"));
    else if (json_array_size(list) > 0)
        rc |= json_object_set(config, "chat_template", list);
    json_decref(list);
    return rc < 0 ? tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", tl_gguf_path(g)) : 0;
}

/* The names that other tokens have in tokenizer_config.json. */
static int put_named(json_t *config, const reading *r, tl_err *err)
{
    static const char *const names[][2] = {
        { "unk_token", KEY("unknown_token_id") }, { "sep_token", KEY("seperator_token_id") },
        { "pad_token", KEY("padding_token_id") }, { "cls_token", KEY("cls_token_id") },
        { "mask_token", KEY("mask_token_id") },
    };
    int rc = json_object_set_new(config, "tokenizer_class", json_string("PreTrainedTokenizerFast"));
    if (r->bos >= 0) rc |= json_object_set_new(config, "bos_token", text_of(r, r->bos));
    if (r->eos >= 0) rc |= json_object_set_new(config, "eos_token", text_of(r, r->eos));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int id;
        TL_TRY(tl_gguf_int_or(r->g, names[i][1], 0, (int)r->tokens->n - 1, -1, &id, err));
        if (id >= 0) rc |= json_object_set_new(config, names[i][0], text_of(r, id));
    }
    rc |= json_object_set_new(config, "clean_up_tokenization_spaces", json_false());
    return rc < 0 ? no_memory(r, err) : 0;
}

static int make(json_t *whole, json_t *config, reading *r, tl_err *err)
{
    bool bos, eos;
    TL_TRY(find_pre(r, err));
    TL_TRY(tl_tokenizer_gguf_check(r->g, NULL, NULL, err));
    TL_TRY(read_tokens(r, err));
    TL_TRY(put_model(whole, r, err));
    TL_TRY(put_stages(whole, r, err));
    TL_TRY(tl_gguf_bool_or(r->g, KEY("add_bos_token"), r->pre->add_bos && r->bos >= 0, &bos, err));
    TL_TRY(tl_gguf_bool_or(r->g, KEY("add_eos_token"), false, &eos, err));
    if ((bos && r->bos < 0) || (eos && r->eos < 0))
        return tl_fail(err, TL_EFORMAT, "%s: key %s is true, and no key names the token", tl_gguf_path(r->g),
                       bos && r->bos < 0 ? KEY("add_bos_token") : KEY("add_eos_token"));
    if (bos || eos) TL_TRY(put_processor(whole, r, bos, eos, err));
    TL_TRY(put_named(config, r, err));
    return tl_tokenizer_gguf_templates(config, r->g, err);
}

bool tl_tokenizer_gguf_any(const tl_gguf *g)
{
    const tl_gguf_pair *model = tl_gguf_get(g, KEY("model"));
    if (model && model->text && strcmp(model->text, "none") == 0) return false;
    return model || tl_gguf_get(g, KEY("tokens"));
}

int tl_tokenizer_gguf(json_t **whole, json_t **config, const tl_gguf *g, tl_err *err)
{
    reading r = { .g = g };
    json_t *w = json_pack("{s:s, s:n, s:n}", "version", "1.0", "truncation", "padding"), *c = json_object();
    const char *model = "";
    int rc = w && c ? tl_gguf_string_or(g, KEY("model"), "", &model, err) : no_memory(&r, err);
    if (rc == 0) rc = strcmp(model, "bert") == 0 ? tl_gguf_bert(w, c, g, err) : make(w, c, &r, err);
    free(r.texts);
    free(r.sizes);
    if (rc < 0) {
        json_decref(w);
        json_decref(c);
        return rc;
    }
    *whole = w;
    *config = c;
    return 0;
}
