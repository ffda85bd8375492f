/* tokenizer_file.c - tokenizer.json, or vocab.json and merges.txt, into the parts of a tokenizer.
 *
 * tokenizer.json names each part by its "type":
 *
 *     added_tokens   [{id, content, special, normalized, single_word, lstrip, rstrip}]
 *     normalizer     null, NFC
 *     pre_tokenizer  ByteLevel, or a Sequence of Split (Regex or String, Isolated) and Digits that ends in ByteLevel
 *     model          BPE: vocab, merges, ignore_merges
 *     post_processor null, ByteLevel (changes no ids), TemplateProcessing, or a Sequence of these
 *     decoder        ByteLevel
 *
 * Anything else in any of these places would give other ids than ours, so it is
 * refused by name; so is a key not known here. */
#include "io/atomic.h"
#include "io/json.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_vocab.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_MERGES_BYTES = 100 << 20
};

/* What is held while the files of one directory are read. */
typedef struct reading {
    tl_tokenizer *t; /* borrowed */
    const char *dir; /* borrowed */
    char path[PATH_MAX];
    char where[PATH_MAX + 100]; /* path and the part being read, for errors */
    json_t *config;             /* owned: tokenizer_config.json, or NULL */
    json_t *map;                /* owned: special_tokens_map.json, or NULL */
    tl_added_row *rows;         /* owned; contents borrowed from the JSON files */
    size_t n_rows;
} reading;

static const char *at(reading *r, const char *part)
{
    snprintf(r->where, sizeof r->where, "%s: %s", r->path, part);
    return r->where;
}

/* Every key of obj is one of the NULL-ended list. */
static int only_keys(json_t *obj, const char *where, const char *const *known, tl_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(obj, key, value)
    {
        int i = 0;
        while (known[i] && strcmp(known[i], key) != 0) i++;
        if (!known[i]) return tl_fail(err, TL_EUNSUPPORTED, "%s: the key '%.100s' is not supported", where, key);
    }
    return 0;
}

#define ONLY_KEYS(obj, where, err, ...) only_keys(obj, where, (const char *const[]){ __VA_ARGS__, NULL }, err)

static int refuse_type(const char *where, const char *type, const char *wanted, tl_err *err)
{
    return tl_fail(err, TL_EUNSUPPORTED, "%s: the type '%.100s' is not supported, only %s", where, type, wanted);
}

/* ---- tokenizer.json, part by part ---- */

static int read_normalizer(reading *r, json_t *root, tl_err *err)
{
    json_t *n = NULL;
    const char *type = NULL, *where = at(r, "normalizer");
    TL_TRY(tl_json_value_or_null(root, r->path, "normalizer", JSON_OBJECT, &n, err));
    if (!n) return 0;
    TL_TRY(tl_json_string(n, where, "type", &type, err));
    if (strcmp(type, "NFC") != 0) return refuse_type(where, type, "NFC and null", err);
    r->t->nfc = true;
    return 0;
}

static int read_byte_level(reading *r, json_t *node, const char *where, tl_err *err)
{
    bool prefix, regex;
    TL_TRY(ONLY_KEYS(node, where, err, "type", "add_prefix_space", "trim_offsets", "use_regex"));
    TL_TRY(tl_json_bool(node, where, "add_prefix_space", &prefix, err));
    TL_TRY(tl_json_bool_or(node, where, "use_regex", true, &regex, err));
    if (prefix) TL_TRY(tl_pretoken_add_prefix_space(r->t->pretoken, err));
    if (regex) TL_TRY(tl_pretoken_add_regex(r->t->pretoken, TL_PRETOKEN_GPT2, strlen(TL_PRETOKEN_GPT2), err));
    return 0;
}

static int read_split(reading *r, json_t *node, const char *where, tl_err *err)
{
    json_t *pattern = NULL;
    const char *behavior = NULL, *text = NULL;
    bool invert;
    TL_TRY(ONLY_KEYS(node, where, err, "type", "pattern", "behavior", "invert"));
    TL_TRY(tl_json_value(node, where, "pattern", JSON_OBJECT, &pattern, err));
    TL_TRY(tl_json_string(node, where, "behavior", &behavior, err));
    TL_TRY(tl_json_bool(node, where, "invert", &invert, err));
    if (strcmp(behavior, "Isolated") != 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: the Split behavior '%.100s' is not supported, only Isolated", where,
                       behavior);
    if (invert) return tl_fail(err, TL_EUNSUPPORTED, "%s: an inverted Split is not supported", where);
    TL_TRY(ONLY_KEYS(pattern, where, err, "Regex", "String"));
    if (json_object_size(pattern) != 1) return tl_fail(err, TL_EFORMAT, "%s: a Split wants one pattern", where);
    bool regex = json_object_get(pattern, "Regex") != NULL;
    const char *key = regex ? "Regex" : "String";
    TL_TRY(tl_json_string(pattern, where, key, &text, err));
    size_t size = json_string_length(json_object_get(pattern, key));
    int rc = regex ? tl_pretoken_add_regex(r->t->pretoken, text, size, err)
                   : tl_pretoken_add_literal(r->t->pretoken, text, size, err);
    return rc < 0 ? tl_fail_in(err, "%s", where) : 0;
}

static int read_digits(reading *r, json_t *node, const char *where, tl_err *err)
{
    bool alone;
    TL_TRY(ONLY_KEYS(node, where, err, "type", "individual_digits"));
    TL_TRY(tl_json_bool(node, where, "individual_digits", &alone, err));
    return alone ? tl_pretoken_add_regex(r->t->pretoken, "\\p{N}", 5, err)
                 : tl_pretoken_add_regex(r->t->pretoken, "\\p{N}+", 6, err);
}

/* One stage; *last says that the bytes are letters from here on, so nothing may follow. */
static int read_stage(reading *r, json_t *node, bool *last, tl_err *err)
{
    const char *type = NULL, *where = at(r, "pre_tokenizer");
    TL_TRY(tl_json_string(node, where, "type", &type, err));
    if (*last) return tl_fail(err, TL_EUNSUPPORTED, "%s: '%.100s' behind ByteLevel is not supported", where, type);
    if (strcmp(type, "ByteLevel") == 0) {
        *last = true;
        return read_byte_level(r, node, where, err);
    }
    if (strcmp(type, "Split") == 0) return read_split(r, node, where, err);
    if (strcmp(type, "Digits") == 0) return read_digits(r, node, where, err);
    return refuse_type(where, type, "ByteLevel and a Sequence of Split and Digits that ends in it", err);
}

static int read_pre_tokenizer(reading *r, json_t *root, tl_err *err)
{
    json_t *node = NULL, *list = NULL;
    const char *type = NULL;
    bool last = false;
    TL_TRY(tl_pretoken_create(&r->t->pretoken, err));
    TL_TRY(tl_json_value(root, r->path, "pre_tokenizer", JSON_OBJECT, &node, err));
    TL_TRY(tl_json_string(node, at(r, "pre_tokenizer"), "type", &type, err));
    if (strcmp(type, "Sequence") == 0) {
        TL_TRY(ONLY_KEYS(node, r->where, err, "type", "pretokenizers"));
        TL_TRY(tl_json_value(node, r->where, "pretokenizers", JSON_ARRAY, &list, err));
        for (size_t i = 0; i < json_array_size(list); i++) TL_TRY(read_stage(r, json_array_get(list, i), &last, err));
    } else {
        TL_TRY(read_stage(r, node, &last, err));
    }
    if (!last) return tl_fail(err, TL_EUNSUPPORTED, "%s: no ByteLevel, so this is no byte-level BPE", r->where);
    return 0;
}

/* The ids a template's special token stands for, behind those in out. */
static int template_ids(reading *r, json_t *specials, const char *name, tl_ids *out, tl_err *err)
{
    json_t *special = json_object_get(specials, name), *ids = NULL;
    size_t size;
    if (!json_is_object(special))
        return tl_fail(err, TL_EFORMAT, "%s: the template's '%.100s' is not among its special_tokens", r->where, name);
    TL_TRY(tl_json_value(special, r->where, "ids", JSON_ARRAY, &ids, err));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        json_t *id = json_array_get(ids, i);
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || value > INT_MAX || !tl_tokenizer_piece(r->t, (int)value, &size))
            return tl_fail(err, TL_EFORMAT, "%s: the template's '%.100s' has id %lld, the vocabulary has no such token",
                           r->where, name, (long long)value);
        TL_TRY(tl_ids_push(out, (int)value, err));
    }
    return 0;
}

/* What "single" puts before and after the text. */
static int template_sides(reading *r, json_t *node, tl_ids *before, tl_ids *after, tl_err *err)
{
    json_t *single = NULL, *specials = NULL;
    const char *name = NULL;
    bool seen = false;
    TL_TRY(ONLY_KEYS(node, r->where, err, "type", "single", "pair", "special_tokens"));
    TL_TRY(tl_json_value(node, r->where, "single", JSON_ARRAY, &single, err));
    TL_TRY(tl_json_value(node, r->where, "special_tokens", JSON_OBJECT, &specials, err));
    for (size_t i = 0; i < json_array_size(single); i++) {
        json_t *item = json_array_get(single, i), *special = json_object_get(item, "SpecialToken");
        if (json_is_object(special)) {
            TL_TRY(tl_json_string(special, r->where, "id", &name, err));
            TL_TRY(template_ids(r, specials, name, seen ? after : before, err));
            continue;
        }
        TL_TRY(tl_json_value(item, r->where, "Sequence", JSON_OBJECT, &special, err));
        TL_TRY(tl_json_string(special, r->where, "id", &name, err));
        if (seen || strcmp(name, "A") != 0)
            return tl_fail(err, TL_EUNSUPPORTED, "%s: a template for one text wants Sequence A once", r->where);
        seen = true;
    }
    if (!seen) return tl_fail(err, TL_EUNSUPPORTED, "%s: the template leaves the text out", r->where);
    return 0;
}

/* A later processor wraps what an earlier one made. */
static int read_template(reading *r, json_t *node, tl_err *err)
{
    tl_ids before = { 0 }, after = { 0 };
    int rc = template_sides(r, node, &before, &after, err);
    if (rc == 0) rc = tl_ids_append(&before, r->t->before.data, r->t->before.size, err);
    if (rc == 0) rc = tl_ids_append(&r->t->after, after.data, after.size, err);
    if (rc == 0) {
        tl_ids_reset(&r->t->before);
        r->t->before = before;
        before = (tl_ids){ 0 };
    }
    tl_ids_reset(&before);
    tl_ids_reset(&after);
    return rc;
}

static int read_processor(reading *r, json_t *node, bool nested, tl_err *err)
{
    json_t *list = NULL;
    const char *type = NULL, *where = at(r, "post_processor");
    TL_TRY(tl_json_string(node, where, "type", &type, err));
    if (strcmp(type, "ByteLevel") == 0) return 0; /* moves offsets, not ids */
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(r, node, err);
    if (strcmp(type, "Sequence") != 0 || nested)
        return refuse_type(where, type, "ByteLevel, TemplateProcessing and a Sequence of these", err);
    TL_TRY(tl_json_value(node, where, "processors", JSON_ARRAY, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++) TL_TRY(read_processor(r, json_array_get(list, i), true, err));
    return 0;
}

static int read_decoder(reading *r, json_t *root, tl_err *err)
{
    json_t *node = NULL;
    const char *type = NULL;
    TL_TRY(tl_json_value(root, r->path, "decoder", JSON_OBJECT, &node, err));
    TL_TRY(tl_json_string(node, at(r, "decoder"), "type", &type, err));
    return strcmp(type, "ByteLevel") == 0 ? 0 : refuse_type(r->where, type, "ByteLevel", err);
}

static int read_rows(reading *r, json_t *root, tl_err *err)
{
    json_t *list = NULL;
    const char *where = at(r, "added_tokens");
    TL_TRY(tl_json_value_or_null(root, r->path, "added_tokens", JSON_ARRAY, &list, err));
    size_t n = json_array_size(list);
    r->rows = calloc(n + 1, sizeof *r->rows);
    if (!r->rows) return tl_fail(err, TL_ENOMEM, "%s: no memory for %zu of them", where, n);
    for (; r->n_rows < n; r->n_rows++) {
        json_t *row = json_array_get(list, r->n_rows);
        TL_TRY(tl_added_row_read(&r->rows[r->n_rows], row, where, err));
        TL_TRY(ONLY_KEYS(row, where, err, "id", "content", "special", "normalized", "single_word", "lstrip", "rstrip"));
        TL_TRY(tl_json_int(row, where, "id", 0, INT_MAX, &r->rows[r->n_rows].token.id, err));
    }
    return 0;
}

/* Keys that would change what BPE does, checked to be off. */
static int check_model(reading *r, json_t *model, tl_err *err)
{
    const char *type = NULL, *where = at(r, "model"), *affix = NULL;
    double dropout = 0;
    TL_TRY(tl_json_string_or(model, where, "type", "BPE", &type, err));
    if (strcmp(type, "BPE") != 0) return refuse_type(where, type, "BPE", err);
    /* unk_token, fuse_unk and byte_fallback are for characters that are not in the vocabulary: with all 256 bytes
     * there is none. */
    TL_TRY(ONLY_KEYS(model, where, err, "type", "dropout", "unk_token", "continuing_subword_prefix",
                     "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"));
    TL_TRY(tl_json_double_or(model, where, "dropout", 0, 1, 0, &dropout, err));
    if (dropout > 0) return tl_fail(err, TL_EUNSUPPORTED, "%s: dropout %g is not supported", where, dropout);
    static const char *const affixes[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    for (int i = 0; i < 2; i++) {
        TL_TRY(tl_json_string_or(model, where, affixes[i], "", &affix, err));
        if (*affix)
            return tl_fail(err, TL_EUNSUPPORTED, "%s: %s '%.100s' is not supported, only none", where, affixes[i],
                           affix);
    }
    return tl_json_bool_or(model, where, "ignore_merges", false, &r->t->ignore_merges, err);
}

static int read_whole(reading *r, json_t *root, tl_err *err)
{
    json_t *model = NULL, *vocab = NULL, *merges = NULL, *processor = NULL;
    TL_TRY(ONLY_KEYS(root, r->path, err, "version", "truncation", "padding", "added_tokens", "normalizer",
                     "pre_tokenizer", "post_processor", "decoder", "model"));
    static const char *const off[] = { "truncation", "padding" };
    for (int i = 0; i < 2; i++)
        if (json_object_get(root, off[i]) && !json_is_null(json_object_get(root, off[i])))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is set; only null is supported", r->path, off[i]);
    TL_TRY(tl_json_value(root, r->path, "model", JSON_OBJECT, &model, err));
    TL_TRY(check_model(r, model, err));
    TL_TRY(tl_json_value(model, r->where, "vocab", JSON_OBJECT, &vocab, err));
    TL_TRY(tl_json_value(model, r->where, "merges", JSON_ARRAY, &merges, err));
    TL_TRY(read_normalizer(r, root, err));
    TL_TRY(read_pre_tokenizer(r, root, err));
    TL_TRY(read_decoder(r, root, err));
    TL_TRY(read_rows(r, root, err));
    TL_TRY(tl_tokenizer_fill_pieces(r->t, vocab, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_tokenizer_fill_added(r->t, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_tokenizer_fill_merges(r->t, vocab, merges, r->path, err));
    TL_TRY(tl_json_value_or_null(root, r->path, "post_processor", JSON_OBJECT, &processor, err));
    return processor ? read_processor(r, processor, false, err) : 0;
}

/* ---- bos and eos, named beside it ---- */

/* The content of "key" in config or map, "X" or {"content": "X"}; NULL where neither says. */
static const char *named_token(const reading *r, const char *key)
{
    const json_t *files[] = { r->config, r->map };
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(files[i], key);
        if (json_is_object(v)) v = json_object_get(v, "content");
        if (json_is_string(v)) return json_string_value(v);
    }
    return NULL;
}

static int find_named(reading *r, const char *key, const char *otherwise, int *out, tl_err *err)
{
    const char *name = named_token(r, key);
    bool said = name != NULL;
    if (!said) name = otherwise;
    *out = name ? tl_tokenizer_find(r->t, name, strlen(name)) : -1;
    if (said && *out < 0)
        return tl_fail(err, TL_EFORMAT, "%s: the %s '%.100s' is not in the vocabulary", r->dir, key, name);
    return 0;
}

/* ---- vocab.json and merges.txt ---- */

/* What such a directory leaves to the class named in its tokenizer_config.json. */
typedef struct known_class {
    const char *name;
    const char *regex;
    bool nfc;
    const char *bos, *eos; /* where no file names them */
} known_class;

#define QWEN2_REGEX                                                                                                    \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"  \
    "\\s+(?!\\S)|\\s+"

static const known_class classes[] = {
    { "GPT2Tokenizer", TL_PRETOKEN_GPT2, false, "<|endoftext|>", "<|endoftext|>" },
    { "GPT2TokenizerFast", TL_PRETOKEN_GPT2, false, "<|endoftext|>", "<|endoftext|>" },
    { "Qwen2Tokenizer", QWEN2_REGEX, true, NULL, "<|endoftext|>" },
    { "Qwen2TokenizerFast", QWEN2_REGEX, true, NULL, "<|endoftext|>" },
};

static int choose_class(const known_class **out, reading *r, tl_err *err)
{
    const char *name = "GPT2Tokenizer";
    if (r->config) TL_TRY(tl_json_string_or(r->config, "tokenizer_config.json", "tokenizer_class", name, &name, err));
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(classes[i].name, name) == 0) {
            *out = &classes[i];
            return 0;
        }
    return tl_fail(err, TL_EUNSUPPORTED,
                   "%s: no tokenizer.json, and the tokenizer_class '%.100s' is not supported, only GPT2Tokenizer and "
                   "Qwen2Tokenizer",
                   r->dir, name);
}

/* added_tokens_decoder of tokenizer_config.json: { "id": {content, ...} }. */
static int read_config_rows(reading *r, json_t *list, tl_err *err)
{
    const char *key;
    json_t *row;
    const char *where = "tokenizer_config.json: added_tokens_decoder";
    json_object_foreach(list, key, row)
    {
        char *end;
        long id = strtol(key, &end, 10);
        if (*end || end == key || id < 0 || id > INT_MAX)
            return tl_fail(err, TL_EFORMAT, "%s: '%.100s' is not an id", where, key);
        TL_TRY(tl_added_row_read(&r->rows[r->n_rows], row, where, err));
        r->rows[r->n_rows++].token.id = (int)id;
    }
    return 0;
}

/* Without such a list, the tokens named in the files (or by the class) are special where the vocabulary has them. */
static void default_rows(reading *r, const known_class *c, const json_t *vocab)
{
    static const char *const keys[] = { "bos_token", "eos_token", "unk_token", "pad_token" };
    const char *names[6] = { c->bos, c->eos };
    for (int i = 0; i < 4; i++) names[2 + i] = named_token(r, keys[i]);
    for (int i = 0; i < 6; i++) {
        const json_t *id = names[i] ? json_object_get(vocab, names[i]) : NULL;
        bool again = false;
        for (size_t k = 0; k < r->n_rows; k++) again |= names[i] && strcmp(r->rows[k].token.content, names[i]) == 0;
        if (!json_is_integer(id) || again) continue;
        tl_added_token token = { .content = names[i], .size = strlen(names[i]), .special = true };
        token.id = (int)json_integer_value(id);
        r->rows[r->n_rows++] = (tl_added_row){ .token = token };
    }
}

static int read_legacy_parts(reading *r, const known_class *c, json_t *vocab, const tl_buf *merges, tl_err *err)
{
    tl_tokenizer *t = r->t;
    json_t *list = NULL;
    bool prefix = false, bos = false;
    if (r->config) {
        const char *file = "tokenizer_config.json";
        TL_TRY(tl_json_value_or_null(r->config, file, "added_tokens_decoder", JSON_OBJECT, &list, err));
        TL_TRY(tl_json_bool_or(r->config, file, "add_prefix_space", false, &prefix, err));
        TL_TRY(tl_json_bool_or(r->config, file, "add_bos_token", false, &bos, err));
    }
    r->rows = calloc(json_object_size(list) + 6, sizeof *r->rows);
    if (!r->rows) return tl_fail(err, TL_ENOMEM, "%s: no memory for its added tokens", r->dir);
    if (list)
        TL_TRY(read_config_rows(r, list, err));
    else
        default_rows(r, c, vocab);
    t->nfc = c->nfc;
    TL_TRY(tl_pretoken_create(&t->pretoken, err));
    if (prefix) TL_TRY(tl_pretoken_add_prefix_space(t->pretoken, err));
    TL_TRY(tl_pretoken_add_regex(t->pretoken, c->regex, strlen(c->regex), err));
    TL_TRY(tl_tokenizer_fill_pieces(t, vocab, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_tokenizer_fill_added(t, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_tokenizer_fill_merges_text(t, vocab, merges, at(r, "merges.txt"), err));
    TL_TRY(find_named(r, "bos_token", c->bos, &t->bos, err));
    TL_TRY(find_named(r, "eos_token", c->eos, &t->eos, err));
    if (bos && t->bos < 0)
        return tl_fail(err, TL_EFORMAT, "%s: add_bos_token is true and no file names a bos_token", r->dir);
    return bos ? tl_ids_push(&t->before, t->bos, err) : 0;
}

static int read_legacy(reading *r, tl_err *err)
{
    const known_class *c = NULL;
    json_t *vocab = NULL;
    tl_buf merges = tl_buf_make(MAX_MERGES_BYTES);
    TL_TRY(choose_class(&c, r, err));
    TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, "added_tokens.json", err));
    if (access(r->path, F_OK) == 0 && !(r->config && json_object_get(r->config, "added_tokens_decoder")))
        return tl_fail(err, TL_EUNSUPPORTED, "%s is not supported without a tokenizer.json", r->path);
    TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, "merges.txt", err));
    int rc = tl_file_read(r->path, MAX_MERGES_BYTES, &merges, err);
    if (rc == 0) rc = tl_path_join(r->path, sizeof r->path, r->dir, "vocab.json", err);
    if (rc == 0) rc = tl_json_load(&vocab, r->path, err);
    if (rc == 0) rc = read_legacy_parts(r, c, vocab, &merges, err);
    json_decref(vocab);
    tl_buf_reset(&merges);
    return rc;
}

/* ---- the directory ---- */

static int load_beside(reading *r, const char *name, json_t **out, tl_err *err)
{
    TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, name, err));
    return access(r->path, F_OK) == 0 ? tl_json_load(out, r->path, err) : 0;
}

static int read_dir(reading *r, tl_err *err)
{
    json_t *root = NULL;
    TL_TRY(load_beside(r, "tokenizer_config.json", &r->config, err));
    TL_TRY(load_beside(r, "special_tokens_map.json", &r->map, err));
    TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, "vocab.json", err));
    bool legacy = access(r->path, F_OK) == 0;
    TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, "tokenizer.json", err));
    if (access(r->path, F_OK) != 0 && legacy) return read_legacy(r, err);
    int rc = tl_json_load(&root, r->path, err);
    if (rc == 0) rc = read_whole(r, root, err);
    json_decref(root);
    if (rc < 0) return rc;
    TL_TRY(find_named(r, "bos_token", NULL, &r->t->bos, err));
    TL_TRY(find_named(r, "eos_token", NULL, &r->t->eos, err));
    if (r->t->bos < 0 && r->t->before.size == 1) r->t->bos = r->t->before.data[0]; /* the template's word for it */
    return 0;
}

/* A GGUF file says the same in other words. */
static int read_gguf(reading *r, tl_err *err)
{
    tl_gguf *g = NULL;
    json_t *root = NULL;
    TL_TRY(tl_gguf_open(&g, r->dir, err));
    snprintf(r->path, sizeof r->path, "%s", r->dir);
    int rc = tl_tokenizer_gguf(&root, &r->config, g, err);
    if (rc == 0) rc = read_whole(r, root, err);
    if (rc == 0) rc = tl_gguf_int_or(g, "tokenizer.ggml.bos_token_id", 0, INT_MAX, -1, &r->t->bos, err);
    if (rc == 0) rc = tl_gguf_int_or(g, "tokenizer.ggml.eos_token_id", 0, INT_MAX, -1, &r->t->eos, err);
    json_decref(root);
    tl_gguf_close(g);
    return rc;
}

int tl_tokenizer_read(tl_tokenizer *t, const char *dir, tl_err *err)
{
    reading r = { .t = t, .dir = dir };
    t->bos = t->eos = -1;
    int rc = tl_gguf_is(dir) ? read_gguf(&r, err) : read_dir(&r, err);
    free(r.rows);
    json_decref(r.config);
    json_decref(r.map);
    return rc;
}
