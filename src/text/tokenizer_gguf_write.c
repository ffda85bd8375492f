/* tokenizer_gguf_write.c - the keys of a tokenizer, from the files of a directory.
 *
 * The vocabulary is read as text, since that is what a GGUF file holds; what is put around a text is asked of the
 * tokenizer itself (tokenizer.h), which thereby has read and checked the files first. */
#include "text/tokenizer_gguf_write.h"

#include "base/log.h"
#include "io/json.h"
#include "text/gguf_tokens.h"
#include "text/sentencepiece.h"
#include "text/template_model.h"
#include "text/tokenizer_gguf_pre.h"
#include "text/tokenizer_model.h"
#include "text/tokenizer_parts.h"
#include "text/tokenizer_vocab.h"
#include "text/word_cut.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY(name) "tokenizer.ggml." name

typedef struct token {
    const char *text; /* borrowed; NULL: no token has this id */
    size_t size;
    float score;
    int type;
} token;

typedef struct putting {
    tl_gguf_draft *d;
    const char *dir;
    const tl_gguf_ids *ids;
    tl_tokenizer *t; /* owned, as all below */
    json_t *whole;   /* tokenizer.json, or what stands for it */
    json_t *config;  /* tokenizer_config.json, or NULL */
    tl_spm *spm;     /* where there is nothing else */
    token *tokens;   /* [V] */
} putting;

static int no_memory(const putting *p, tl_err *err)
{
    return tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", p->dir);
}

static int load_if_any(json_t **out, const putting *p, const char *name, tl_err *err)
{
    char path[PATH_MAX];
    TL_TRY(tl_path_join(path, sizeof path, p->dir, name, err));
    return access(path, F_OK) == 0 ? tl_json_load(out, path, err) : 0;
}

/* ---- the vocabulary ---- */

static int set_token(putting *p, json_int_t id, const char *text, size_t size, int type, tl_err *err)
{
    if (id < 0 || id >= p->ids->V)
        return tl_fail(err, TL_ESHAPE, "%s: token %lld, and the base's table has rows for %d", p->dir, (long long)id,
                       p->ids->V);
    p->tokens[id] = (token){ .text = text, .size = size, .type = type };
    return 0;
}

/* "<0x0A>" */
static bool is_byte(const char *text)
{
    unsigned byte;
    return strlen(text) == 6 && sscanf(text, "<0x%2X>", &byte) == 1 && text[5] == '>';
}

/* Tokens that text is searched for; white space and words around them are nothing that the format speaks of. */
static int set_added(putting *p, tl_err *err)
{
    json_t *list = json_object_get(p->whole, "added_tokens"), *row = NULL;
    size_t i = 0;
    int picky = 0;
    json_array_foreach(list, i, row)
    {
        tl_added_row a;
        TL_TRY(tl_added_row_read(&a, row, p->dir, err));
        const json_int_t id = json_integer_value(json_object_get(row, "id"));
        TL_TRY(
            set_token(p, id, a.token.content, a.token.size, a.token.special ? TL_TOKEN_CONTROL : TL_TOKEN_USER, err));
        picky += a.token.lstrip || a.token.rstrip || a.token.single_word;
    }
    if (picky)
        tl_log("convert: %d added tokens take white space along or stand alone, which a GGUF file cannot say", picky);
    return 0;
}

/* token -> id */
static int set_vocabulary(putting *p, const json_t *model, bool bytes, tl_err *err)
{
    const char *text;
    json_t *id;
    json_object_foreach(json_object_get(model, "vocab"), text, id)
    {
        int type = bytes && is_byte(text) ? TL_TOKEN_BYTE : TL_TOKEN_NORMAL;
        TL_TRY(set_token(p, json_integer_value(id), text, strlen(text), type, err));
    }
    return set_added(p, err);
}

static void put_tokens(const putting *p, bool scores)
{
    const size_t n = (size_t)p->ids->V;
    tl_gguf_draft_array(p->d, KEY("tokens"), TL_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        char pad[24];
        const token *t = &p->tokens[i];
        tl_gguf_pad_name(pad, (int)i);
        tl_gguf_draft_string(p->d, t->text ? t->text : pad, t->text ? t->size : strlen(pad));
    }
    if (scores) {
        tl_gguf_draft_array(p->d, KEY("scores"), TL_GGUF_F32, n);
        for (size_t i = 0; i < n; i++)
            tl_gguf_draft_f32_element(p->d, p->tokens[i].text ? p->tokens[i].score : TL_SPM_LAST);
    }
    tl_gguf_draft_array(p->d, KEY("token_type"), TL_GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        tl_gguf_draft_i32_element(p->d, p->tokens[i].text ? p->tokens[i].type : TL_TOKEN_UNUSED);
}

/* Both sides of a merge, of either spelling; false: a side holds a space, which in "a b" it cannot. */
typedef struct merge {
    const char *left, *right; /* the left one is not ended by a NUL */
    size_t left_size;
} merge;

static bool read_merge(merge *out, const json_t *node)
{
    const char *text = json_string_value(node);
    if (text) {
        const char *space = strchr(text, ' '); /* one is there: the tokenizer was opened */
        *out = (merge){ text, space + 1, (size_t)(space - text) };
        return true;
    }
    *out = (merge){ json_string_value(json_array_get(node, 0)), json_string_value(json_array_get(node, 1)), 0 };
    out->left_size = strlen(out->left);
    return !strchr(out->left, ' ') && !strchr(out->right, ' ');
}

/* Both sides with `between` between them. */
static int join(tl_buf *out, const merge *m, const char *between, tl_err *err)
{
    tl_buf_clear(out);
    TL_TRY(tl_buf_append(out, m->left, m->left_size, err));
    TL_TRY(tl_buf_puts(out, between, err));
    return tl_buf_puts(out, m->right, err);
}

static int put_merges(const putting *p, const json_t *merges, tl_err *err)
{
    const size_t n = json_array_size(merges);
    tl_buf text = tl_buf_make(1 << 20);
    int rc = 0;
    tl_gguf_draft_array(p->d, KEY("merges"), TL_GGUF_STRING, n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        merge m;
        if (!read_merge(&m, json_array_get(merges, i)))
            rc = tl_fail(err, TL_EUNSUPPORTED, "%s: merge %zu joins tokens with spaces, which a GGUF file cannot say",
                         p->dir, i);
        if (rc == 0) rc = join(&text, &m, " ", err);
        if (rc == 0) tl_gguf_draft_string(p->d, text.data, text.size);
    }
    tl_buf_reset(&text);
    return rc;
}

/* ---- byte-level BPE: the name of what cuts the text ---- */

/* What the stages of tokenizer.json come to. */
typedef struct stages {
    bool digits, nfc, prefix, bytes, unknown;
    const char *regex; /* NULL: GPT-2's */
} stages;

static void read_stage(stages *s, const json_t *node)
{
    const char *type = json_string_value(json_object_get(node, "type"));
    const json_t *pattern = json_object_get(json_object_get(node, "pattern"), "Regex");
    const char *behavior = json_string_value(json_object_get(node, "behavior"));
    if (!type) {
        s->unknown = s->unknown || node;
    } else if (strcmp(type, "Sequence") == 0) {
        json_t *list = json_object_get(node, "pretokenizers"), *inner = NULL;
        size_t i = 0;
        if (!list) list = json_object_get(node, "normalizers");
        json_array_foreach(list, i, inner) read_stage(s, inner);
    } else if (strcmp(type, "NFC") == 0) {
        s->nfc = true;
    } else if (strcmp(type, "Digits") == 0 && json_is_true(json_object_get(node, "individual_digits"))) {
        s->digits = true;
    } else if (strcmp(type, "ByteLevel") == 0) {
        const bool gpt2 = !json_is_false(json_object_get(node, "use_regex"));
        s->unknown = s->unknown || (gpt2 && s->regex);
        s->prefix = json_is_true(json_object_get(node, "add_prefix_space"));
        s->bytes = true;
        if (gpt2) s->regex = TL_WORD_CUT_GPT2;
    } else if (strcmp(type, "Split") == 0 && pattern && !s->regex && behavior && strcmp(behavior, "Isolated") == 0 &&
               !json_is_true(json_object_get(node, "invert"))) {
        s->regex = json_string_value(pattern);
    } else {
        s->unknown = true;
    }
}

static stages stages_of(const putting *p)
{
    stages s = { 0 };
    const json_t *normalizer = json_object_get(p->whole, "normalizer"),
                 *cut = json_object_get(p->whole, "pre_tokenizer");
    if (json_is_object(normalizer)) read_stage(&s, normalizer);
    if (json_is_object(cut)) read_stage(&s, cut);
    return s;
}

static int put_pre(const putting *p, const stages *s, bool ignore_merges, tl_err *err)
{
    char name[32];
    const char *pre =
        !s->unknown && s->regex ? tl_gguf_pre_name(name, s->regex, s->digits, s->nfc, ignore_merges) : NULL;
    if (!pre)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: its normalizer and pre_tokenizer%s are none that GGUF files have a name for", p->dir,
                       ignore_merges ? " (with ignore_merges)" : "");
    tl_gguf_draft_text(p->d, KEY("model"), "gpt2");
    tl_gguf_draft_text(p->d, KEY("pre"), pre);
    if (s->prefix) tl_gguf_draft_bool(p->d, KEY("add_space_prefix"), true);
    return 0;
}

static int put_bpe(putting *p, const json_t *model, const stages *s, tl_err *err)
{
    TL_TRY(put_pre(p, s, json_is_true(json_object_get(model, "ignore_merges")), err));
    TL_TRY(set_vocabulary(p, model, false, err));
    put_tokens(p, false);
    return put_merges(p, json_object_get(model, "merges"), err);
}

/* ---- BPE over characters ---- */

/* A piece's score is minus the rank of the first merge that makes it: of two, the one that is made first is higher. */
static int score_by_merges(putting *p, const json_t *model, tl_err *err)
{
    const json_t *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
    tl_buf text = tl_buf_make(1 << 20);
    for (int i = 0; i < p->ids->V; i++)
        if (p->tokens[i].type == TL_TOKEN_NORMAL) p->tokens[i].score = TL_SPM_LAST;
    int rc = 0;
    for (size_t i = json_array_size(merges); rc == 0 && i-- > 0;) {
        merge m;
        read_merge(&m, json_array_get(merges, i));
        rc = join(&text, &m, "", err);
        const json_t *id = rc == 0 ? json_object_get(vocab, text.data) : NULL;
        if (id) p->tokens[json_integer_value(id)].score = -(float)i;
    }
    tl_buf_reset(&text);
    return rc;
}

static void put_characters(const putting *p, bool prefix, int unk)
{
    tl_gguf_draft_text(p->d, KEY("model"), "llama");
    tl_gguf_draft_text(p->d, KEY("pre"), "default");
    tl_gguf_draft_bool(p->d, KEY("add_space_prefix"), prefix);
    if (unk >= 0) p->tokens[unk].type = TL_TOKEN_UNKNOWN;
    put_tokens(p, true);
}

/* What stands around such a model in tokenizer.json. */
typedef struct around {
    bool prefix;  /* a mark is put in front */
    bool unless;  /* but where the text begins with one */
    bool split;   /* words are cut at marks */
    bool unknown; /* something else happens */
} around;

static bool is_text(const json_t *node, const char *key, const char *wanted)
{
    const char *text = json_string_value(json_object_get(node, key));
    return text && strcmp(text, wanted) == 0;
}

static void look_around(around *a, const json_t *node)
{
    const char *text = json_string_value(json_object_get(json_object_get(node, "pattern"), "String"));
    json_t *list = json_object_get(node, "normalizers"), *inner = NULL;
    size_t i = 0;
    const bool space = text && strcmp(text, " ") == 0;
    if (!list) list = json_object_get(node, "pretokenizers");
    json_array_foreach(list, i, inner) look_around(a, inner);
    if (list || json_is_null(node) || !node) return;
    if (is_text(node, "type", "Prepend") && is_text(node, "prepend", TL_SPACE_MARK)) {
        a->prefix = true;
    } else if (is_text(node, "type", "Metaspace") && is_text(node, "replacement", TL_SPACE_MARK)) {
        a->prefix = a->unless = !is_text(node, "prepend_scheme", "never");
        a->split = !json_is_false(json_object_get(node, "split"));
    } else if (!(is_text(node, "type", "Replace") && space && is_text(node, "content", TL_SPACE_MARK)) &&
               !(is_text(node, "type", "Split") && space)) { /* Gemma's, of text that has no space any more */
        a->unknown = true;
    }
}

static int put_character_bpe(putting *p, const json_t *model, tl_err *err)
{
    around a = { 0 };
    look_around(&a, json_object_get(p->whole, "normalizer"));
    look_around(&a, json_object_get(p->whole, "pre_tokenizer"));
    if (a.unknown || (a.split && !p->t->cut_at_marks))
        return tl_fail(err, TL_EUNSUPPORTED, "%s: its normalizer or pre_tokenizer does what a GGUF file cannot say",
                       p->dir);
    if (!p->t->byte_fallback)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "%s: a BPE neither of bytes nor with bytes for the rest has no name in GGUF", p->dir);
    if (a.unless)
        tl_log("convert: in GGUF a text that begins with a space gets one more in front, and here it does not");
    TL_TRY(set_vocabulary(p, model, true, err));
    TL_TRY(score_by_merges(p, model, err));
    put_characters(p, a.prefix, p->t->unk);
    return 0;
}

/* tokenizer.model alone. */
static int put_spm(putting *p, const char *path, tl_err *err)
{
    TL_TRY(tl_spm_open(&p->spm, path, err));
    if (p->spm->unigram)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: a unigram vocabulary is not written to GGUF, only BPE", path);
    for (size_t i = 0; i < p->spm->n; i++) {
        const tl_spm_piece *piece = &p->spm->pieces[i]; /* its types are numbered as llama.cpp's */
        TL_TRY(set_token(p, (json_int_t)i, p->spm->bytes.data + piece->start, piece->size, (int)piece->type, err));
        p->tokens[i].score = piece->score;
    }
    put_characters(p, p->spm->rules.add_dummy_prefix, p->spm->unk);
    return 0;
}

/* ---- ids, and what is put around a text ---- */

/* The token that tokenizer_config.json or special_tokens_map.json calls so; else the base's. */
static void put_id(const putting *p, const json_t *named, const char *name, const char *key, int otherwise)
{
    const json_t *text = json_object_get(named, name);
    int id = json_is_string(text) ? tl_tokenizer_find(p->t, json_string_value(text), json_string_length(text)) : -1;
    if (id < 0) id = otherwise;
    if (id >= 0 && id < p->ids->V) tl_gguf_draft_u32(p->d, key, (uint32_t)id);
}

static int check_sides(const putting *p, const tl_ids *side, int id, const char *what, tl_err *err)
{
    if (side->size == 0 || (side->size == 1 && side->data[0] == id)) return 0;
    return tl_fail(err, TL_EUNSUPPORTED,
                   "%s: its post_processor puts other tokens than %s around a text, a GGUF file can "
                   "say that one alone",
                   p->dir, what);
}

static int put_around(const putting *p, tl_err *err)
{
    const int bos = tl_tokenizer_bos(p->t) >= 0 ? tl_tokenizer_bos(p->t) : p->ids->bos;
    const int eos = tl_tokenizer_eos(p->t) >= 0 ? tl_tokenizer_eos(p->t) : p->ids->eos;
    json_t *named = NULL;
    TL_TRY(check_sides(p, &p->t->before, bos, "BOS", err));
    TL_TRY(check_sides(p, &p->t->after, eos, "EOS", err));
    TL_TRY(tl_chat_tokens(&named, p->dir, err));
    put_id(p, NULL, "", KEY("bos_token_id"), bos);
    put_id(p, NULL, "", KEY("eos_token_id"), eos);
    put_id(p, named, "unk_token", KEY("unknown_token_id"), p->t->unk);
    put_id(p, named, "sep_token", KEY("seperator_token_id"), -1); /* spelt so in the format */
    put_id(p, named, "pad_token", KEY("padding_token_id"), -1);
    put_id(p, named, "cls_token", KEY("cls_token_id"), -1);
    put_id(p, named, "mask_token", KEY("mask_token_id"), -1);
    json_decref(named);
    tl_gguf_draft_bool(p->d, KEY("add_bos_token"), p->t->before.size > 0);
    tl_gguf_draft_bool(p->d, KEY("add_eos_token"), p->t->after.size > 0);
    return 0;
}

static int put_templates(const putting *p, tl_err *err)
{
    json_t *templates = NULL, *text = NULL;
    const char *name = NULL;
    TL_TRY(tl_chat_templates(&templates, p->dir, err));
    json_object_foreach(templates, name, text)
    {
        char key[300] = "tokenizer.chat_template";
        if (strcmp(name, "default") != 0) snprintf(key, sizeof key, "tokenizer.chat_template.%s", name);
        tl_gguf_draft_text(p->d, key, json_string_value(text));
    }
    json_decref(templates);
    return 0;
}

/* ---- the files ---- */

/* The lines of merges.txt. */
static int list_merges(json_t *merges, const putting *p, tl_err *err)
{
    char path[PATH_MAX], *rest = NULL;
    tl_buf text = tl_buf_make((size_t)100 << 20);
    TL_TRY(tl_path_join(path, sizeof path, p->dir, "merges.txt", err));
    int rc = tl_file_read(path, text.limit, &text, err);
    for (char *line = rc == 0 ? strtok_r(text.data, "\r\n", &rest) : NULL; line && rc == 0;
         line = strtok_r(NULL, "\r\n", &rest))
        if (strncmp(line, "#version", 8) != 0 && json_array_append_new(merges, json_string(line)) < 0)
            rc = no_memory(p, err);
    tl_buf_reset(&text);
    return rc;
}

/* added_tokens_decoder of tokenizer_config.json, or the special tokens that the class has. */
static int list_added(json_t *added, const putting *p, tl_err *err)
{
    json_t *decoder = json_object_get(p->config, "added_tokens_decoder"), *row = NULL;
    const char *key = NULL;
    int rc = 0;
    json_object_foreach(decoder, key, row)
    {
        json_t *copy = json_copy(row);
        rc |= json_object_set_new(copy, "id", json_integer(strtol(key, NULL, 10)));
        rc |= json_array_append_new(added, copy);
    }
    for (int id = 0; !decoder && id < tl_tokenizer_size(p->t); id++) {
        size_t size;
        const char *piece = tl_tokenizer_piece(p->t, id, &size);
        if (piece && tl_tokenizer_is_special(p->t, id))
            rc |= json_array_append_new(added,
                                        json_pack("{s:i, s:s%, s:b}", "id", id, "content", piece, size, "special", 1));
    }
    return rc < 0 ? no_memory(p, err) : 0;
}

/* Normalizer and pre_tokenizer of the class, which has been read and checked before (tokenizer_file.c). */
static int list_stages(putting *p, tl_err *err)
{
    const char *class = json_string_value(json_object_get(p->config, "tokenizer_class"));
    const bool qwen2 = class && strncmp(class, "Qwen2", 5) == 0;
    const bool prefix = json_is_true(json_object_get(p->config, "add_prefix_space"));
    const tl_gguf_pre *pre = NULL;
    TL_TRY(tl_gguf_pre_find(&pre, qwen2 ? "qwen2" : "gpt-2", p->dir, err));
    json_t *cut = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s, s:b, s:b}]}", "type", "Sequence", "pretokenizers",
                            "type", "Split", "pattern", "Regex", qwen2 ? pre->stages[0] : TL_WORD_CUT_GPT2, "behavior",
                            "Isolated", "type", "ByteLevel", "add_prefix_space", prefix, "use_regex", 0);
    int rc = json_object_set_new(p->whole, "pre_tokenizer", cut);
    if (pre->nfc) rc |= json_object_set_new(p->whole, "normalizer", json_pack("{s:s}", "type", "NFC"));
    return rc < 0 ? no_memory(p, err) : 0;
}

/* vocab.json and merges.txt as a tokenizer.json would have them. */
static int make_whole(putting *p, tl_err *err)
{
    json_t *vocab = NULL, *merges = json_array(), *added = json_array();
    p->whole = json_object();
    int rc = p->whole && merges && added ? load_if_any(&vocab, p, "vocab.json", err) : no_memory(p, err);
    if (rc == 0) rc = list_merges(merges, p, err);
    if (rc == 0) rc = list_added(added, p, err);
    if (rc == 0) rc = list_stages(p, err);
    if (rc == 0 &&
        json_object_set_new(p->whole, "model", json_pack("{s:O, s:O}", "vocab", vocab, "merges", merges)) < 0)
        rc = no_memory(p, err);
    if (rc == 0 && json_object_set(p->whole, "added_tokens", added) < 0) rc = no_memory(p, err);
    json_decref(vocab);
    json_decref(merges);
    json_decref(added);
    return rc;
}

static int put_whole(putting *p, tl_err *err)
{
    const json_t *model = json_object_get(p->whole, "model");
    const stages s = stages_of(p);
    if (p->t->kind != TL_MODEL_BPE)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: its tokenizer is no BPE, which alone is written to GGUF", p->dir);
    return s.bytes ? put_bpe(p, model, &s, err) : put_character_bpe(p, model, err);
}

static int put_files(putting *p, tl_err *err)
{
    static const char *const models[] = { "tokenizer.model", "spiece.model", "sentencepiece.bpe.model" };
    char path[PATH_MAX];
    TL_TRY(load_if_any(&p->config, p, "tokenizer_config.json", err));
    TL_TRY(load_if_any(&p->whole, p, "tokenizer.json", err));
    if (p->whole) return put_whole(p, err);
    for (int i = 0; i < 3; i++) {
        TL_TRY(tl_path_join(path, sizeof path, p->dir, models[i], err));
        if (access(path, F_OK) == 0) return put_spm(p, path, err);
    }
    TL_TRY(make_whole(p, err));
    return put_whole(p, err);
}

static int put_dir(putting *p, tl_err *err)
{
    TL_TRY(tl_tokenizer_open(&p->t, p->dir, err));
    p->tokens = calloc((size_t)p->ids->V, sizeof *p->tokens);
    if (!p->tokens) return no_memory(p, err);
    TL_TRY(put_files(p, err));
    TL_TRY(put_around(p, err));
    return put_templates(p, err);
}

/* From one GGUF file to another: whatever it is. */
static int carry(tl_gguf_draft *d, const char *path, tl_err *err)
{
    tl_gguf *g = NULL;
    TL_TRY(tl_gguf_open(&g, path, err));
    for (int i = 0; i < tl_gguf_pairs(g); i++) {
        const tl_gguf_pair *p = tl_gguf_pair_at(g, i);
        if (strncmp(p->key, "tokenizer.", 10) == 0) tl_gguf_draft_copy(d, p);
    }
    tl_gguf_close(g);
    return 0;
}

/* A tokenizer's files are there. */
static bool any_files(const char *dir)
{
    static const char *const files[] = { "tokenizer.json",  "vocab.json",   "merges.txt",
                                         "tokenizer.model", "spiece.model", "sentencepiece.bpe.model" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX];
        if (tl_path_join(path, sizeof path, dir, files[i], NULL) == 0 && access(path, F_OK) == 0) return true;
    }
    return false;
}

int tl_tokenizer_gguf_put(tl_gguf_draft *d, const char *model, const tl_gguf_ids *ids, tl_err *err)
{
    putting p = { .d = d, .dir = model, .ids = ids };
    if (tl_gguf_is(model)) return carry(d, model, err);
    if (!any_files(model)) {
        tl_gguf_draft_text(d, KEY("model"), "none");
        put_id(&p, NULL, "", KEY("bos_token_id"), ids->bos);
        put_id(&p, NULL, "", KEY("eos_token_id"), ids->eos);
        return 0;
    }
    int rc = put_dir(&p, err);
    tl_tokenizer_free(p.t);
    json_decref(p.whole);
    json_decref(p.config);
    tl_spm_free(p.spm);
    free(p.tokens);
    return rc;
}
