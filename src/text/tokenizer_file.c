/* tokenizer_file.c - tokenizer.json, vocab.json and merges.txt, or a SentencePiece model, into the parts of a
 * tokenizer; rank files are tokenizer_tiktoken.c's.
 *
 * Of tokenizer.json this file reads the vocabulary and the model (BPE, Unigram, WordPiece, WordLevel), and
 * tokenizer_stages.c what stands around it.  Anything that is not known here would give other ids than ours, so it is
 * refused by name; so is a key not known. */
#include "io/atomic.h"
#include "io/json.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_gguf_spm.h"
#include "text/tokenizer_reading.h"
#include "text/tokenizer_tiktoken.h"
#include "text/word_cut.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_MERGES_BYTES = 100 << 20
};

const char *tl_reading_at(tl_reading *r, const char *part)
{
    snprintf(r->where, sizeof r->where, "%s: %s", r->path, part);
    return r->where;
}

/* Every key of obj is one of the NULL-ended list. */
int tl_only_keys(json_t *obj, const char *where, const char *const *known, tl_err *err)
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

static int read_rows(tl_reading *r, json_t *root, tl_err *err)
{
    json_t *list = NULL;
    const char *where = tl_reading_at(r, "added_tokens");
    TL_TRY(tl_json_value_or_null(root, r->path, "added_tokens", JSON_ARRAY, &list, err));
    size_t n = json_array_size(list);
    r->rows = calloc(n + 1, sizeof *r->rows);
    if (!r->rows) return tl_fail(err, TL_ENOMEM, "%s: no memory for %zu of them", where, n);
    for (; r->n_rows < n; r->n_rows++) {
        json_t *row = json_array_get(list, r->n_rows);
        TL_TRY(tl_added_row_read(&r->rows[r->n_rows], row, where, err));
        TL_TRY(
            TL_ONLY_KEYS(row, where, err, "id", "content", "special", "normalized", "single_word", "lstrip", "rstrip"));
        TL_TRY(tl_json_int(row, where, "id", 0, INT_MAX, &r->rows[r->n_rows].token.id, err));
    }
    return 0;
}

/* ---- the models of tokenizer.json ---- */

/* The id of the token named by key, -1 where it is null. */
static int read_unk(tl_reading *r, json_t *model, int *out, tl_err *err)
{
    const char *name = NULL;
    TL_TRY(tl_json_string_or(model, r->where, "unk_token", "", &name, err));
    *out = *name ? tl_tokenizer_find_bytes(r->t, name, strlen(name)) : -1;
    if (*name && *out < 0)
        return tl_fail(err, TL_EFORMAT, "%s: the unk_token '%.100s' is not in the vocabulary", r->where, name);
    return 0;
}

static int read_affix(json_t *model, const char *where, const char *key, const char *otherwise, char out[16],
                      tl_err *err)
{
    const char *affix = NULL;
    TL_TRY(tl_json_string_or(model, where, key, otherwise, &affix, err));
    if (strlen(affix) >= 16) return tl_fail(err, TL_EUNSUPPORTED, "%s: %s '%.100s' is too long", where, key, affix);
    snprintf(out, 16, "%s", affix);
    return 0;
}

static int read_bpe(tl_reading *r, json_t *model, tl_err *err)
{
    tl_tokenizer *t = r->t;
    json_t *merges = NULL;
    const char *where = tl_reading_at(r, "model");
    double dropout = 0;
    TL_TRY(TL_ONLY_KEYS(model, where, err, "type", "dropout", "unk_token", "continuing_subword_prefix",
                        "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"));
    TL_TRY(tl_json_double_or(model, where, "dropout", 0, 1, 0, &dropout, err));
    if (dropout > 0) return tl_fail(err, TL_EUNSUPPORTED, "%s: dropout %g is not supported", where, dropout);
    TL_TRY(read_affix(model, where, "continuing_subword_prefix", "", t->prefix, err));
    if (*t->prefix)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: continuing_subword_prefix '%s' is not supported, only none", where,
                       t->prefix);
    TL_TRY(read_affix(model, where, "end_of_word_suffix", "", t->suffix, err));
    if (*t->suffix && t->byte_level)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: end_of_word_suffix '%s' is not supported on bytes", where, t->suffix);
    TL_TRY(tl_json_bool_or(model, where, "ignore_merges", false, &t->ignore_merges, err));
    TL_TRY(tl_json_bool_or(model, where, "byte_fallback", false, &t->byte_fallback, err));
    TL_TRY(tl_json_bool_or(model, where, "fuse_unk", false, &t->fuse_unk, err));
    TL_TRY(read_unk(r, model, &t->unk, err));
    TL_TRY(tl_json_value(model, where, "merges", JSON_ARRAY, &merges, err));
    t->kind = TL_MODEL_BPE;
    TL_TRY(tl_tokenizer_fill_merges(t, json_object_get(model, "vocab"), merges, r->path, err));
    if (!*t->suffix) tl_tokenizer_find_cuts(t);
    return 0;
}

static int read_wordpiece(tl_reading *r, json_t *model, tl_err *err)
{
    const char *where = tl_reading_at(r, "model");
    TL_TRY(TL_ONLY_KEYS(model, where, err, "type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
                        "vocab"));
    r->t->kind = TL_MODEL_WORDPIECE;
    TL_TRY(read_affix(model, where, "continuing_subword_prefix", "##", r->t->prefix, err));
    TL_TRY(tl_json_int_or(model, where, "max_input_chars_per_word", 0, INT_MAX, 100, &r->t->max_characters, err));
    TL_TRY(read_unk(r, model, &r->t->unk, err));
    return r->t->unk >= 0 ? 0 : tl_fail(err, TL_EFORMAT, "%s: no unk_token", where);
}

static int read_wordlevel(tl_reading *r, json_t *model, tl_err *err)
{
    const char *where = tl_reading_at(r, "model");
    TL_TRY(TL_ONLY_KEYS(model, where, err, "type", "unk_token", "vocab"));
    r->t->kind = TL_MODEL_WORDLEVEL;
    TL_TRY(read_unk(r, model, &r->t->unk, err));
    return r->t->unk >= 0 ? 0 : tl_fail(err, TL_EFORMAT, "%s: no unk_token", where);
}

static int read_unigram(tl_reading *r, json_t *model, tl_err *err)
{
    tl_tokenizer *t = r->t;
    const char *where = tl_reading_at(r, "model");
    json_t *list = json_object_get(model, "vocab");
    TL_TRY(TL_ONLY_KEYS(model, where, err, "type", "unk_id", "byte_fallback", "vocab"));
    TL_TRY(tl_json_bool_or(model, where, "byte_fallback", false, &t->byte_fallback, err));
    TL_TRY(tl_json_int(model, where, "unk_id", 0, (int)json_array_size(list) - 1, &t->unk, err));
    t->kind = TL_MODEL_UNIGRAM;
    TL_TRY(tl_unigram_create(&t->unigram, err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *piece = json_array_get(json_array_get(list, i), 0),
                     *score = json_array_get(json_array_get(list, i), 1);
        TL_TRY(tl_unigram_put(t->unigram, json_string_value(piece), json_string_length(piece), (int)i,
                              json_number_value(score), err));
    }
    return tl_unigram_seal(t->unigram, t->unk, false, err);
}

/* Unigram's vocabulary is a list of [token, score]; as the others' it becomes token -> id, owned by the caller. */
static int vocabulary_of(tl_reading *r, json_t *model, bool unigram, json_t **out, tl_err *err)
{
    json_t *list = NULL;
    const char *where = tl_reading_at(r, "model");
    if (!unigram) {
        TL_TRY(tl_json_value(model, where, "vocab", JSON_OBJECT, out, err));
        json_incref(*out);
        return 0;
    }
    TL_TRY(tl_json_value(model, where, "vocab", JSON_ARRAY, &list, err));
    *out = json_object();
    for (size_t i = 0; *out && i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i), *piece = json_array_get(row, 0);
        if (!json_is_string(piece) || json_string_length(piece) == 0 || !json_is_number(json_array_get(row, 1)) ||
            json_object_get(*out, json_string_value(piece)))
            return tl_fail(err, TL_EFORMAT, "%s: entry %zu of the vocabulary is not [new token, score]", where, i);
        if (json_object_set_new(*out, json_string_value(piece), json_integer((json_int_t)i)) < 0) break;
    }
    return *out && json_object_size(*out) == json_array_size(list)
               ? 0
               : tl_fail(err, TL_ENOMEM, "%s: no memory for %zu tokens", where, json_array_size(list));
}

static int read_model(tl_reading *r, json_t *root, tl_err *err)
{
    static const struct {
        const char *type;
        int (*read)(tl_reading *r, json_t *model, tl_err *err);
    } models[] = { { "BPE", read_bpe },
                   { "Unigram", read_unigram },
                   { "WordPiece", read_wordpiece },
                   { "WordLevel", read_wordlevel } };
    json_t *model = NULL, *vocab = NULL;
    const char *type = NULL, *where = tl_reading_at(r, "model");
    TL_TRY(tl_json_value(root, r->path, "model", JSON_OBJECT, &model, err));
    TL_TRY(tl_json_string_or(model, where, "type", "BPE", &type, err));
    size_t i = 0;
    while (i < sizeof models / sizeof *models && strcmp(models[i].type, type) != 0) i++;
    if (i == sizeof models / sizeof *models)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: the type '%.100s' is not supported, only BPE, Unigram, WordPiece and WordLevel", where,
                       type);
    int rc = vocabulary_of(r, model, models[i].read == read_unigram, &vocab, err);
    if (rc == 0) rc = tl_tokenizer_fill_pieces(r->t, vocab, r->rows, r->n_rows, r->path, err);
    if (rc == 0) rc = tl_tokenizer_fill_added(r->t, r->rows, r->n_rows, r->path, err);
    if (rc == 0) rc = models[i].read(r, model, err);
    json_decref(vocab);
    return rc;
}

/* truncation and padding are left alone, as transformers leaves them: each call says them anew, and whoever saved the
 * file while training has left his own there. */
static int read_whole(tl_reading *r, json_t *root, tl_err *err)
{
    TL_TRY(TL_ONLY_KEYS(root, r->path, err, "version", "truncation", "padding", "added_tokens", "normalizer",
                        "pre_tokenizer", "post_processor", "decoder", "model"));
    TL_TRY(tl_read_normalizer(r, root, err));
    TL_TRY(tl_read_pre_tokenizer(r, root, err));
    TL_TRY(tl_read_decoder(r, root, err));
    TL_TRY(read_rows(r, root, err));
    TL_TRY(read_model(r, root, err));
    return tl_read_post_processor(r, root, err);
}

/* ---- bos and eos, named beside it ---- */

/* The content of "key" in config or map, "X" or {"content": "X"}; NULL where neither says. */
static const char *named_token(const tl_reading *r, const char *key)
{
    const json_t *files[] = { r->config, r->map };
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(files[i], key);
        if (json_is_object(v)) v = json_object_get(v, "content");
        if (json_is_string(v)) return json_string_value(v);
    }
    return NULL;
}

int tl_find_named(tl_reading *r, const char *key, const char *otherwise, int *out, tl_err *err)
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

static const known_class classes[] = {
    { "GPT2Tokenizer", TL_WORD_CUT_GPT2, false, "<|endoftext|>", "<|endoftext|>" },
    { "GPT2TokenizerFast", TL_WORD_CUT_GPT2, false, "<|endoftext|>", "<|endoftext|>" },
    { "Qwen2Tokenizer", TL_WORD_CUT_QWEN2, true, NULL, "<|endoftext|>" },
    { "Qwen2TokenizerFast", TL_WORD_CUT_QWEN2, true, NULL, "<|endoftext|>" },
};

static int choose_class(const known_class **out, tl_reading *r, tl_err *err)
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

int tl_read_config_rows(tl_reading *r, json_t *list, tl_err *err)
{
    const char *key;
    json_t *row;
    const char *where = "tokenizer_config.json: added_tokens_decoder";
    r->rows = calloc(json_object_size(list) + 1, sizeof *r->rows);
    if (!r->rows) return tl_fail(err, TL_ENOMEM, "%s: no memory for %zu of them", where, json_object_size(list));
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
static int default_rows(tl_reading *r, const known_class *c, const json_t *vocab, tl_err *err)
{
    static const char *const keys[] = { "bos_token", "eos_token", "unk_token", "pad_token" };
    const char *names[6] = { c->bos, c->eos };
    for (int i = 0; i < 4; i++) names[2 + i] = named_token(r, keys[i]);
    r->rows = calloc(6, sizeof *r->rows);
    if (!r->rows) return tl_fail(err, TL_ENOMEM, "%s: no memory for its special tokens", r->dir);
    for (int i = 0; i < 6; i++) {
        const json_t *id = names[i] ? json_object_get(vocab, names[i]) : NULL;
        bool again = false;
        for (size_t k = 0; k < r->n_rows; k++) again |= names[i] && strcmp(r->rows[k].token.content, names[i]) == 0;
        if (!json_is_integer(id) || again) continue;
        tl_added_token token = { .content = names[i], .size = strlen(names[i]), .special = true };
        token.id = (int)json_integer_value(id);
        r->rows[r->n_rows++] = (tl_added_row){ .token = token };
    }
    return 0;
}

static int read_legacy_parts(tl_reading *r, const known_class *c, json_t *vocab, const tl_buf *merges, tl_err *err)
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
    TL_TRY(list ? tl_read_config_rows(r, list, err) : default_rows(r, c, vocab, err));
    t->byte_level = true;
    TL_TRY(tl_normalizer_create(&t->normalizer, err));
    if (c->nfc) TL_TRY(tl_normalizer_add(t->normalizer, TL_NORMALIZE_NFC, err));
    TL_TRY(tl_pretoken_create(&t->pretoken, err));
    if (prefix) TL_TRY(tl_pretoken_add_prefix_space(t->pretoken, err));
    TL_TRY(tl_pretoken_add_regex(t->pretoken, c->regex, err));
    TL_TRY(tl_tokenizer_fill_pieces(t, vocab, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_tokenizer_fill_added(t, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_tokenizer_fill_merges_text(t, vocab, merges, tl_reading_at(r, "merges.txt"), err));
    TL_TRY(tl_find_named(r, "bos_token", c->bos, &t->bos, err));
    TL_TRY(tl_find_named(r, "eos_token", c->eos, &t->eos, err));
    if (bos && t->bos < 0)
        return tl_fail(err, TL_EFORMAT, "%s: add_bos_token is true and no file names a bos_token", r->dir);
    return bos ? tl_ids_push(&t->before, t->bos, err) : 0;
}

static int read_legacy(tl_reading *r, tl_err *err)
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

/* ---- a SentencePiece model ---- */

/* What is put around a text where no tokenizer.json says so: by the class named in tokenizer_config.json. */
typedef struct spm_class {
    const char *name, *before, *after; /* tokens; NULL: none */
} spm_class;

static const spm_class spm_classes[] = {
    { "LlamaTokenizer", "bos_token", NULL }, { "LlamaTokenizerFast", "bos_token", NULL },
    { "GemmaTokenizer", "bos_token", NULL }, { "GemmaTokenizerFast", "bos_token", NULL },
    { "T5Tokenizer", NULL, "eos_token" },    { "T5TokenizerFast", NULL, "eos_token" },
    { "AlbertTokenizer", "[CLS]", "[SEP]" }, { "AlbertTokenizerFast", "[CLS]", "[SEP]" },
    { "XLNetTokenizer", NULL, NULL },        { 0 },
};

static int put_around(tl_reading *r, const char *token, tl_ids *to, tl_err *err)
{
    tl_tokenizer *t = r->t;
    if (!token) return 0;
    int id = strcmp(token, "bos_token") == 0   ? t->bos
             : strcmp(token, "eos_token") == 0 ? t->eos
                                               : tl_tokenizer_find(t, token, strlen(token));
    if (id < 0) return tl_fail(err, TL_EFORMAT, "%s: its class wants %s, which the vocabulary has not", r->dir, token);
    return tl_ids_push(to, id, err);
}

/* Without tokenizer_config.json, or of a class not listed: the BOS, where there is one. */
static int read_spm_sides(tl_reading *r, tl_err *err)
{
    const char *name = "", *file = "tokenizer_config.json";
    spm_class c = { NULL, r->t->bos >= 0 ? "bos_token" : NULL, NULL };
    if (r->config) {
        bool bos, eos;
        TL_TRY(tl_json_string_or(r->config, file, "tokenizer_class", "", &name, err));
        for (const spm_class *known = spm_classes; known->name; known++)
            if (strcmp(known->name, name) == 0) c = *known;
        TL_TRY(tl_json_bool_or(r->config, file, "add_bos_token", c.before != NULL, &bos, err));
        TL_TRY(tl_json_bool_or(r->config, file, "add_eos_token", c.after != NULL, &eos, err));
        if (bos != (c.before != NULL)) c.before = bos ? "bos_token" : NULL;
        if (eos != (c.after != NULL)) c.after = eos ? "eos_token" : NULL;
        TL_TRY(tl_find_named(r, "bos_token", NULL, &r->t->bos, err));
        TL_TRY(tl_find_named(r, "eos_token", NULL, &r->t->eos, err));
    }
    TL_TRY(put_around(r, c.before, &r->t->before, err));
    return put_around(r, c.after, &r->t->after, err);
}

static int read_spm(tl_reading *r, tl_err *err)
{
    tl_spm *s = NULL;
    TL_TRY(tl_spm_open(&s, r->path, err));
    int rc = tl_spm_fill(s, r->t, r->path, err);
    if (rc == 0) rc = read_spm_sides(r, err);
    tl_spm_free(s);
    return rc;
}

/* ---- the directory ---- */

static int load_beside(tl_reading *r, const char *name, json_t **out, tl_err *err)
{
    TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, name, err));
    return access(r->path, F_OK) == 0 ? tl_json_load(out, r->path, err) : 0;
}

/* Leave in path the first of the names that dir has. */
static int find_file(tl_reading *r, const char *const *names, bool *found, tl_err *err)
{
    for (*found = false; *names && !*found; names++) {
        TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, *names, err));
        *found = access(r->path, F_OK) == 0;
    }
    return 0;
}

static const char *const whole[] = { "tokenizer.json", NULL }, *const legacy[] = { "vocab.json", "merges.txt", NULL };
static const char *const spm[] = { "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", NULL };

int tl_tokenizer_any(bool *out, const char *dir, tl_err *err)
{
    tl_reading r = { .dir = dir };
    *out = false;
    if (tl_gguf_is(dir)) {
        tl_gguf *g = NULL;
        TL_TRY(tl_gguf_open(&g, dir, err));
        *out = tl_tokenizer_gguf_any(g);
        tl_gguf_close(g);
        return 0;
    }
    TL_TRY(find_file(&r, whole, out, err));
    if (!*out) TL_TRY(find_file(&r, legacy, out, err));
    if (!*out) TL_TRY(tl_tiktoken_find(&r, out, err));
    return *out ? 0 : find_file(&r, spm, out, err);
}

static int read_dir(tl_reading *r, tl_err *err)
{
    bool found;
    json_t *root = NULL;
    TL_TRY(load_beside(r, "tokenizer_config.json", &r->config, err));
    TL_TRY(load_beside(r, "special_tokens_map.json", &r->map, err));
    TL_TRY(find_file(r, whole, &found, err));
    if (!found) {
        TL_TRY(find_file(r, legacy, &found, err));
        if (found) return read_legacy(r, err);
        TL_TRY(tl_tiktoken_find(r, &found, err));
        if (found) return tl_tiktoken_read(r, err);
        TL_TRY(find_file(r, spm, &found, err));
        if (found) return tl_tiktoken_is(r->path) ? tl_tiktoken_read(r, err) : read_spm(r, err);
        TL_TRY(tl_path_join(r->path, sizeof r->path, r->dir, "tokenizer.json", err)); /* the one that is missed */
    }
    int rc = tl_json_load(&root, r->path, err);
    if (rc == 0) rc = read_whole(r, root, err);
    json_decref(root);
    if (rc < 0) return rc;
    TL_TRY(tl_find_named(r, "bos_token", NULL, &r->t->bos, err));
    TL_TRY(tl_find_named(r, "eos_token", NULL, &r->t->eos, err));
    if (r->t->bos < 0 && r->t->before.size == 1) r->t->bos = r->t->before.data[0]; /* the template's word for it */
    return 0;
}

/* A GGUF file says the same in other words. */
static int read_gguf_parts(tl_reading *r, const tl_gguf *g, tl_err *err)
{
    json_t *root = NULL;
    tl_spm *s = NULL;
    if (tl_gguf_spm_is(g)) {
        int rc = tl_gguf_spm(&s, &r->config, g, err);
        if (rc == 0) rc = tl_spm_fill(s, r->t, r->path, err);
        if (rc == 0) rc = read_spm_sides(r, err);
        tl_spm_free(s);
        return rc;
    }
    int rc = tl_tokenizer_gguf(&root, &r->config, g, err);
    if (rc == 0) rc = read_whole(r, root, err);
    if (rc == 0) rc = tl_gguf_int_or(g, "tokenizer.ggml.bos_token_id", 0, INT_MAX, -1, &r->t->bos, err);
    if (rc == 0) rc = tl_gguf_int_or(g, "tokenizer.ggml.eos_token_id", 0, INT_MAX, -1, &r->t->eos, err);
    json_decref(root);
    return rc;
}

static int read_gguf(tl_reading *r, tl_err *err)
{
    tl_gguf *g = NULL;
    TL_TRY(tl_gguf_open(&g, r->dir, err));
    snprintf(r->path, sizeof r->path, "%s", r->dir);
    int rc = read_gguf_parts(r, g, err);
    tl_gguf_close(g);
    return rc;
}

int tl_tokenizer_read(tl_tokenizer *t, const char *dir, tl_err *err)
{
    tl_reading r = { .t = t, .dir = dir };
    t->bos = t->eos = t->unk = -1;
    int rc = tl_gguf_is(dir) ? read_gguf(&r, err) : read_dir(&r, err);
    free(r.rows);
    json_decref(r.config);
    json_decref(r.map);
    return rc;
}
