/* tokenizer_stages.c - the parts of tokenizer.json around the model: normalizer, pre_tokenizer, decoder,
 * post_processor.
 *
 * Each kind of stage is a row of a table: its "type", and what reads the rest.  A Sequence is the rows one after the
 * other.  What is in no table would give other ids than ours, so it is refused by name; so is a key not known here. */
#include "io/json.h"
#include "text/base64.h"
#include "text/tokenizer_model.h"
#include "text/tokenizer_reading.h"
#include "text/word_cut.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef struct stage_row {
    const char *type;
    int (*read)(tl_reading *r, json_t *node, const char *where, tl_err *err);
} stage_row;

static const stage_row *find_row(const stage_row *rows, const char *type)
{
    while (rows->type && strcmp(rows->type, type) != 0) rows++;
    return rows->type ? rows : NULL;
}

/* One stage, or a Sequence of them: the list under key. */
static int read_stages(tl_reading *r, json_t *node, const char *part, const char *key, const stage_row *rows,
                       tl_err *err)
{
    json_t *list = NULL;
    const char *type = NULL, *where = tl_reading_at(r, part);
    TL_TRY(tl_json_string(node, where, "type", &type, err));
    if (strcmp(type, "Sequence") == 0) {
        TL_TRY(TL_ONLY_KEYS(node, where, err, "type", key));
        TL_TRY(tl_json_value(node, where, key, JSON_ARRAY, &list, err));
        for (size_t i = 0; i < json_array_size(list); i++)
            TL_TRY(read_stages(r, json_array_get(list, i), part, key, rows, err));
        return 0;
    }
    const stage_row *row = find_row(rows, type);
    if (row) return row->read(r, node, where, err);
    char known[400] = "";
    for (; rows->type; rows++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", rows->type);
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: the type '%.100s' is not supported, only %s", where, type, known);
}

/* A pattern: {"Regex": text} or {"String": text}. */
static int read_pattern(json_t *node, const char *where, tl_split *out, tl_err *err)
{
    json_t *pattern = NULL;
    TL_TRY(tl_json_value(node, where, "pattern", JSON_OBJECT, &pattern, err));
    TL_TRY(TL_ONLY_KEYS(pattern, where, err, "Regex", "String"));
    if (json_object_size(pattern) != 1) return tl_fail(err, TL_EFORMAT, "%s: one pattern is wanted", where);
    const char *key = json_object_get(pattern, "Regex") ? "Regex" : "String";
    out->regex = *key == 'R';
    TL_TRY(tl_json_string(pattern, where, key, &out->pattern, err));
    out->size = json_string_length(json_object_get(pattern, key));
    return 0;
}

/* ---- normalizer ---- */

static int plain(tl_reading *r, tl_normalize what, json_t *node, const char *where, tl_err *err)
{
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type"));
    return tl_normalizer_add(r->t->normalizer, what, err);
}

#define PLAIN(name, what)                                                                                              \
    static int name(tl_reading *r, json_t *node, const char *where, tl_err *err)                                       \
    {                                                                                                                  \
        return plain(r, what, node, where, err);                                                                       \
    }
PLAIN(normalize_nfc, TL_NORMALIZE_NFC)
PLAIN(normalize_nfd, TL_NORMALIZE_NFD)
PLAIN(normalize_nfkc, TL_NORMALIZE_NFKC)
PLAIN(normalize_nfkd, TL_NORMALIZE_NFKD)
PLAIN(normalize_lowercase, TL_NORMALIZE_LOWERCASE)
PLAIN(normalize_strip_accents, TL_NORMALIZE_STRIP_ACCENTS)
PLAIN(normalize_nmt, TL_NORMALIZE_NMT)

static int normalize_strip(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    bool left, right;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "strip_left", "strip_right"));
    TL_TRY(tl_json_bool(node, where, "strip_left", &left, err));
    TL_TRY(tl_json_bool(node, where, "strip_right", &right, err));
    if (left) TL_TRY(tl_normalizer_add(r->t->normalizer, TL_NORMALIZE_STRIP_LEFT, err));
    return right ? tl_normalizer_add(r->t->normalizer, TL_NORMALIZE_STRIP_RIGHT, err) : 0;
}

static int normalize_prepend(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    const char *text = NULL;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "prepend"));
    TL_TRY(tl_json_string(node, where, "prepend", &text, err));
    return tl_normalizer_add_prepend(r->t->normalizer, text, strlen(text), err);
}

static int normalize_replace(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    tl_split pattern = { 0 };
    const char *to = NULL;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "pattern", "content"));
    TL_TRY(read_pattern(node, where, &pattern, err));
    TL_TRY(tl_json_string(node, where, "content", &to, err));
    return tl_normalizer_add_replace(r->t->normalizer, pattern.pattern, pattern.size, pattern.regex, to, strlen(to),
                                     err);
}

static int normalize_bert(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    bool clean, chinese, accents, lower;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"));
    TL_TRY(tl_json_bool_or(node, where, "clean_text", true, &clean, err));
    TL_TRY(tl_json_bool_or(node, where, "handle_chinese_chars", true, &chinese, err));
    TL_TRY(tl_json_bool_or(node, where, "lowercase", true, &lower, err));
    TL_TRY(tl_json_bool_or(node, where, "strip_accents", lower, &accents, err)); /* null: as lowercase */
    if (clean) TL_TRY(tl_normalizer_add(r->t->normalizer, TL_NORMALIZE_BERT_CLEAN, err));
    if (chinese) TL_TRY(tl_normalizer_add(r->t->normalizer, TL_NORMALIZE_BERT_CHINESE, err));
    if (accents) TL_TRY(tl_normalizer_add(r->t->normalizer, TL_NORMALIZE_BERT_ACCENTS, err));
    return lower ? tl_normalizer_add(r->t->normalizer, TL_NORMALIZE_LOWERCASE, err) : 0;
}

static int normalize_precompiled(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    const char *text = NULL;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "precompiled_charsmap"));
    TL_TRY(tl_json_string(node, where, "precompiled_charsmap", &text, err));
    if (!*text) return 0;
    tl_buf bytes = tl_buf_make(INT_MAX);
    int rc = tl_base64_read(text, strlen(text), &bytes, err);
    if (rc == 0) rc = tl_normalizer_add_charsmap(r->t->normalizer, bytes.data, bytes.size, err);
    tl_buf_reset(&bytes);
    return rc < 0 ? tl_fail_in(err, "%s", where) : 0;
}

int tl_read_normalizer(tl_reading *r, json_t *root, tl_err *err)
{
    static const stage_row rows[] = {
        { "NFC", normalize_nfc },
        { "NFD", normalize_nfd },
        { "NFKC", normalize_nfkc },
        { "NFKD", normalize_nfkd },
        { "Lowercase", normalize_lowercase },
        { "Strip", normalize_strip },
        { "StripAccents", normalize_strip_accents },
        { "Nmt", normalize_nmt },
        { "Prepend", normalize_prepend },
        { "Replace", normalize_replace },
        { "BertNormalizer", normalize_bert },
        { "Precompiled", normalize_precompiled },
        { 0 },
    };
    json_t *node = NULL;
    TL_TRY(tl_normalizer_create(&r->t->normalizer, err));
    TL_TRY(tl_json_value_or_null(root, r->path, "normalizer", JSON_OBJECT, &node, err));
    return node ? read_stages(r, node, "normalizer", "normalizers", rows, err) : 0;
}

/* ---- pre_tokenizer ---- */

static int cut_byte_level(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    bool prefix, regex;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "add_prefix_space", "trim_offsets", "use_regex"));
    TL_TRY(tl_json_bool(node, where, "add_prefix_space", &prefix, err));
    TL_TRY(tl_json_bool_or(node, where, "use_regex", true, &regex, err));
    r->t->byte_level = true;
    if (prefix) TL_TRY(tl_pretoken_add_prefix_space(r->t->pretoken, err));
    if (regex) TL_TRY(tl_pretoken_add_regex(r->t->pretoken, TL_WORD_CUT_GPT2, err));
    return r->spells ? tl_pretoken_add_spelling(r->t->pretoken, err) : 0;
}

static int read_behavior(json_t *node, const char *where, const char *otherwise, tl_behavior *out, tl_err *err)
{
    static const char *const names[] = {
        [TL_SPLIT_ISOLATED] = "Isolated",
        [TL_SPLIT_REMOVED] = "Removed",
        [TL_SPLIT_MERGED_PREVIOUS] = "MergedWithPrevious",
        [TL_SPLIT_MERGED_NEXT] = "MergedWithNext",
        [TL_SPLIT_CONTIGUOUS] = "Contiguous",
    };
    const char *name = NULL;
    TL_TRY(tl_json_string_or(node, where, "behavior", otherwise, &name, err));
    for (int i = 0; i <= TL_SPLIT_CONTIGUOUS; i++) {
        *out = (tl_behavior)i;
        if (strcmp(names[i], name) == 0) return 0;
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: the behavior '%.100s' is not supported", where, name);
}

static int cut_split(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    tl_split s = { 0 };
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "pattern", "behavior", "invert"));
    TL_TRY(read_pattern(node, where, &s, err));
    TL_TRY(read_behavior(node, where, "Isolated", &s.behavior, err));
    TL_TRY(tl_json_bool_or(node, where, "invert", false, &s.invert, err));
    return tl_pretoken_add_split(r->t->pretoken, &s, err) < 0 ? tl_fail_in(err, "%s", where) : 0;
}

static int cut_digits(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    bool alone;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "individual_digits"));
    TL_TRY(tl_json_bool_or(node, where, "individual_digits", false, &alone, err));
    return tl_pretoken_add_regex(r->t->pretoken, alone ? "\\p{N}" : "\\p{N}+", err);
}

static int cut_metaspace(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    static const char *const schemes[] = { "always", "first", "never" };
    const char *mark = NULL, *scheme = NULL;
    bool prefix, split;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "replacement", "prepend_scheme", "split", "add_prefix_space",
                        "str_rep"));
    TL_TRY(tl_json_string(node, where, "replacement", &mark, err));
    TL_TRY(tl_json_bool_or(node, where, "add_prefix_space", true, &prefix, err)); /* files before prepend_scheme */
    TL_TRY(tl_json_string_or(node, where, "prepend_scheme", prefix ? "always" : "never", &scheme, err));
    TL_TRY(tl_json_bool_or(node, where, "split", true, &split, err));
    int i = 0;
    while (i < 3 && strcmp(schemes[i], scheme) != 0) i++;
    if (i == 3) return tl_fail(err, TL_EUNSUPPORTED, "%s: the prepend_scheme '%.100s' is not supported", where, scheme);
    return tl_pretoken_add_metaspace(r->t->pretoken, mark, (tl_prepend)i, split, err);
}

static int cut_space(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type"));
    return tl_pretoken_add_charset(r->t->pretoken, TL_CHARSET_SPACE, TL_SPLIT_REMOVED, false, err);
}

static int cut_words(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type"));
    return tl_pretoken_add_charset(r->t->pretoken, TL_CHARSET_WORDS, TL_SPLIT_REMOVED, true, err);
}

static int cut_bert(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    TL_TRY(cut_space(r, node, where, err));
    return tl_pretoken_add_charset(r->t->pretoken, TL_CHARSET_PUNCTUATION, TL_SPLIT_ISOLATED, false, err);
}

static int cut_punctuation(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    tl_behavior behavior;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "behavior"));
    TL_TRY(read_behavior(node, where, "Isolated", &behavior, err));
    return tl_pretoken_add_charset(r->t->pretoken, TL_CHARSET_PUNCTUATION, behavior, false, err);
}

/* How many ByteLevels there are, and whether anything stands behind the first. */
static void find_spelling(tl_reading *r, json_t *node, int *bytes)
{
    const char *type = json_string_value(json_object_get(node, "type"));
    json_t *list = json_object_get(node, "pretokenizers");
    if (type && strcmp(type, "Sequence") == 0) {
        for (size_t i = 0; i < json_array_size(list); i++) find_spelling(r, json_array_get(list, i), bytes);
        return;
    }
    r->spells = r->spells || *bytes > 0;
    if (type && strcmp(type, "ByteLevel") == 0) ++*bytes;
}

int tl_read_pre_tokenizer(tl_reading *r, json_t *root, tl_err *err)
{
    static const stage_row rows[] = {
        { "ByteLevel", cut_byte_level },
        { "Split", cut_split },
        { "Digits", cut_digits },
        { "Metaspace", cut_metaspace },
        { "Whitespace", cut_words },
        { "WhitespaceSplit", cut_space },
        { "BertPreTokenizer", cut_bert },
        { "Punctuation", cut_punctuation },
        { 0 },
    };
    json_t *node = NULL;
    TL_TRY(tl_pretoken_create(&r->t->pretoken, err));
    TL_TRY(tl_json_value_or_null(root, r->path, "pre_tokenizer", JSON_OBJECT, &node, err));
    if (!node) return 0;
    int bytes = 0;
    find_spelling(r, node, &bytes);
    if (r->spells && bytes > 1)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: pre_tokenizer: a ByteLevel behind another is not supported", r->path);
    return read_stages(r, node, "pre_tokenizer", "pretokenizers", rows, err);
}

/* ---- decoder ---- */

static int add_step(tl_reading *r, tl_decode_kind kind, const char *from, const char *to, const char *where,
                    tl_decode_step step, tl_err *err)
{
    step.kind = kind;
    if (strlen(from) >= sizeof step.from || strlen(to) >= sizeof step.to)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: a text of more than %d bytes is not supported", where,
                       TL_DECODE_TEXT - 1);
    snprintf(step.from, sizeof step.from, "%s", from);
    snprintf(step.to, sizeof step.to, "%s", to);
    return tl_decoder_add(&r->t->decoder, &step, err);
}

static int decode_byte_level(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    (void)node;
    if (r->t->byte_level) return 0; /* pieces are bytes already */
    return tl_fail(err, TL_EUNSUPPORTED, "%s: ByteLevel, but the pre_tokenizer has none", where);
}

static int decode_replace(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    tl_split pattern = { 0 };
    const char *to = NULL;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "pattern", "content"));
    TL_TRY(read_pattern(node, where, &pattern, err));
    if (pattern.regex) return tl_fail(err, TL_EUNSUPPORTED, "%s: a Regex to replace is not supported", where);
    TL_TRY(tl_json_string(node, where, "content", &to, err));
    return add_step(r, TL_DECODE_REPLACE, pattern.pattern, to, where, (tl_decode_step){ 0 }, err);
}

static int decode_bytes(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type"));
    return add_step(r, TL_DECODE_BYTES, "", "", where, (tl_decode_step){ 0 }, err);
}

static int decode_fuse(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type"));
    return add_step(r, TL_DECODE_FUSE, "", "", where, (tl_decode_step){ 0 }, err);
}

static int decode_strip(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    tl_decode_step step = { 0 };
    const char *content = NULL;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "content", "start", "stop"));
    TL_TRY(tl_json_string(node, where, "content", &content, err));
    TL_TRY(tl_json_int_or(node, where, "start", 0, INT_MAX, 0, &step.left, err));
    TL_TRY(tl_json_int_or(node, where, "stop", 0, INT_MAX, 0, &step.right, err));
    return add_step(r, TL_DECODE_STRIP, content, "", where, step, err);
}

static int decode_metaspace(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    const char *mark = NULL, *scheme = NULL;
    bool prefix;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "replacement", "prepend_scheme", "split", "add_prefix_space",
                        "str_rep"));
    TL_TRY(tl_json_string(node, where, "replacement", &mark, err));
    TL_TRY(tl_json_bool_or(node, where, "add_prefix_space", true, &prefix, err));
    TL_TRY(tl_json_string_or(node, where, "prepend_scheme", prefix ? "always" : "never", &scheme, err));
    tl_decode_step step = { .drop = strcmp(scheme, "never") != 0 };
    return add_step(r, TL_DECODE_METASPACE, mark, "", where, step, err);
}

static int decode_wordpiece(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    tl_decode_step step = { 0 };
    const char *prefix = NULL;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "prefix", "cleanup"));
    TL_TRY(tl_json_string_or(node, where, "prefix", "##", &prefix, err));
    TL_TRY(tl_json_bool_or(node, where, "cleanup", true, &step.drop, err));
    return add_step(r, TL_DECODE_WORDPIECE, prefix, "", where, step, err);
}

static int decode_suffix(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    const char *suffix = NULL;
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "suffix"));
    TL_TRY(tl_json_string_or(node, where, "suffix", "</w>", &suffix, err));
    return add_step(r, TL_DECODE_SUFFIX, suffix, "", where, (tl_decode_step){ 0 }, err);
}

int tl_read_decoder(tl_reading *r, json_t *root, tl_err *err)
{
    static const stage_row rows[] = {
        { "ByteLevel", decode_byte_level },
        { "Replace", decode_replace },
        { "ByteFallback", decode_bytes },
        { "Fuse", decode_fuse },
        { "Strip", decode_strip },
        { "Metaspace", decode_metaspace },
        { "WordPiece", decode_wordpiece },
        { "BPEDecoder", decode_suffix },
        { 0 },
    };
    json_t *node = NULL;
    TL_TRY(tl_json_value_or_null(root, r->path, "decoder", JSON_OBJECT, &node, err));
    if (node) return read_stages(r, node, "decoder", "decoders", rows, err);
    if (r->t->byte_level)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: no decoder; a byte-level vocabulary wants ByteLevel", r->path);
    /* Tokens with spaces between, as the package joins them. */
    return add_step(r, TL_DECODE_WORDPIECE, "", "", r->path, (tl_decode_step){ 0 }, err);
}

/* ---- post_processor ---- */

/* The ids a template's special token stands for, behind those in out. */
static int template_ids(tl_reading *r, json_t *specials, const char *name, tl_ids *out, tl_err *err)
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
static int template_sides(tl_reading *r, json_t *node, tl_ids *before, tl_ids *after, tl_err *err)
{
    json_t *single = NULL, *specials = NULL;
    const char *name = NULL;
    bool seen = false;
    TL_TRY(TL_ONLY_KEYS(node, r->where, err, "type", "single", "pair", "special_tokens"));
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
static int read_template(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    (void)where;
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

/* {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}: one before, one behind. */
static int read_cls_sep(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    static const char *const keys[] = { "cls", "sep" };
    tl_ids *to[] = { &r->t->before, &r->t->after };
    TL_TRY(TL_ONLY_KEYS(node, where, err, "type", "cls", "sep", "trim_offsets", "add_prefix_space"));
    for (int i = 0; i < 2; i++) {
        json_t *pair = NULL;
        size_t size;
        TL_TRY(tl_json_value(node, where, keys[i], JSON_ARRAY, &pair, err));
        json_t *id = json_array_get(pair, 1);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT_MAX ||
            !tl_tokenizer_piece(r->t, (int)json_integer_value(id), &size))
            return tl_fail(err, TL_EFORMAT, "%s: %s has no id of the vocabulary", where, keys[i]);
        TL_TRY(tl_ids_push(to[i], (int)json_integer_value(id), err));
    }
    return 0;
}

static int process_byte_level(tl_reading *r, json_t *node, const char *where, tl_err *err)
{
    (void)r, (void)node, (void)where, (void)err;
    return 0; /* moves offsets, not ids */
}

int tl_read_post_processor(tl_reading *r, json_t *root, tl_err *err)
{
    static const stage_row rows[] = {
        { "ByteLevel", process_byte_level },
        { "TemplateProcessing", read_template },
        { "BertProcessing", read_cls_sep },
        { "RobertaProcessing", read_cls_sep },
        { 0 },
    };
    json_t *node = NULL;
    TL_TRY(tl_json_value_or_null(root, r->path, "post_processor", JSON_OBJECT, &node, err));
    return node ? read_stages(r, node, "post_processor", "processors", rows, err) : 0;
}
