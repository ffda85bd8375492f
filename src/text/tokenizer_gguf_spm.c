/* tokenizer_gguf_spm.c - from GGUF's keys to a tl_spm.
 *
 * What the file does not say is what llama.cpp takes for granted: a BOS in front of BPE's texts, an EOS behind
 * Unigram's, white space kept as it is, spelt with U+2581, and one in front of a text unless add_space_prefix says
 * otherwise. */
#include "text/tokenizer_gguf_spm.h"

#include "text/tokenizer_gguf.h"
#include "text/unicode.h"

#include <limits.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

static bool is_unigram(const tl_gguf *g)
{
    const char *model = "";
    return tl_gguf_string_or(g, KEY("model"), "", &model, NULL) == 0 && strcmp(model, "t5") == 0;
}

bool tl_gguf_spm_is(const tl_gguf *g)
{
    const char *model = "";
    return tl_gguf_string_or(g, KEY("model"), "", &model, NULL) == 0 &&
           (strcmp(model, "t5") == 0 || strcmp(model, "llama") == 0);
}

/* Of several characters, and no merge makes it: it is found by its id alone. */
static bool is_unmade(const char *text, size_t size, double score)
{
    size_t first = 0;
    if (score > (double)TL_SPM_LAST || size == 0) return false;
    tl_unicode_first(text, size, &first);
    return first < size;
}

static int read_pieces(tl_spm *s, const tl_gguf *g, tl_err *err)
{
    const tl_gguf_pair *tokens = NULL, *scores = NULL, *types = NULL;
    const char *path = tl_gguf_path(g);
    TL_TRY(tl_gguf_array(g, KEY("tokens"), TL_GGUF_STRING, &tokens, err));
    TL_TRY(tl_gguf_array(g, KEY("scores"), TL_GGUF_F32, &scores, err));
    TL_TRY(tl_gguf_array(g, KEY("token_type"), TL_GGUF_I32, &types, err));
    if (scores->n != tokens->n || types->n != tokens->n)
        return tl_fail(err, TL_EFORMAT, "%s: %zu tokens, %zu scores and %zu types", path, tokens->n, scores->n,
                       types->n);
    size_t at = 0, size, i = 0;
    for (const char *text; (text = tl_gguf_next(tokens, &at, &size)); i++) {
        int64_t type = 0;
        tl_gguf_whole(types, i, &type);
        if (type < TL_SPM_NORMAL || type > TL_SPM_BYTE) type = 0; /* refused with its number */
        const double score = tl_gguf_real(scores, i);
        if (type == TL_SPM_NORMAL && is_unmade(text, size, score)) type = TL_SPM_UNUSED;
        if (tl_spm_put(s, text, size, (float)score, (tl_spm_type)type, err) < 0)
            return tl_fail_in(err, "%s: key " KEY("tokens"), path);
        s->byte_fallback = s->byte_fallback || type == TL_SPM_BYTE;
    }
    return 0;
}

static int read_charsmap(tl_spm *s, const tl_gguf *g, tl_err *err)
{
    const tl_gguf_pair *map = tl_gguf_get(g, KEY("precompiled_charsmap"));
    if (!map) return 0;
    if (!map->array || (map->type != TL_GGUF_U8 && map->type != TL_GGUF_I8))
        return tl_fail(err, TL_EFORMAT, "%s: key " KEY("precompiled_charsmap") " is no array of bytes",
                       tl_gguf_path(g));
    return tl_buf_append(&s->charsmap, map->bytes, map->size, err);
}

static int read_rules(tl_spm *s, const tl_gguf *g, tl_err *err)
{
    int last = s->n ? (int)s->n - 1 : 0;
    s->unigram = is_unigram(g);
    s->rules = (tl_spm_rules){ .escape_whitespaces = true };
    TL_TRY(tl_gguf_bool_or(g, KEY("add_space_prefix"), true, &s->rules.add_dummy_prefix, err));
    TL_TRY(tl_gguf_bool_or(g, KEY("remove_extra_whitespaces"), false, &s->rules.remove_extra_whitespaces, err));
    TL_TRY(tl_gguf_int_or(g, KEY("bos_token_id"), 0, last, s->unigram ? -1 : 1, &s->bos, err));
    TL_TRY(tl_gguf_int_or(g, KEY("eos_token_id"), 0, last, s->unigram ? 1 : 2, &s->eos, err));
    TL_TRY(tl_gguf_int_or(g, KEY("unknown_token_id"), 0, last, s->unigram ? 2 : 0, &s->unk, err));
    /* Some files call the unknown piece a control symbol. */
    if (s->unk >= 0 && (size_t)s->unk < s->n && s->pieces[s->unk].type == TL_SPM_CONTROL)
        s->pieces[s->unk].type = TL_SPM_UNKNOWN;
    return read_charsmap(s, g, err);
}

static int put_token(json_t *config, const char *key, const tl_spm *s, int id)
{
    if (id < 0 || (size_t)id >= s->n) return 0;
    return json_object_set_new(config, key, json_stringn(s->bytes.data + s->pieces[id].start, s->pieces[id].size));
}

static int make_config(json_t *config, const tl_spm *s, const tl_gguf *g, tl_err *err)
{
    bool bos, eos;
    TL_TRY(tl_gguf_bool_or(g, KEY("add_bos_token"), !s->unigram, &bos, err));
    TL_TRY(tl_gguf_bool_or(g, KEY("add_eos_token"), s->unigram, &eos, err));
    int rc = json_object_set_new(config, "tokenizer_class", json_string(s->unigram ? "T5Tokenizer" : "LlamaTokenizer"));
    rc |= put_token(config, "bos_token", s, s->bos);
    rc |= put_token(config, "eos_token", s, s->eos);
    rc |= put_token(config, "unk_token", s, s->unk);
    rc |= json_object_set_new(config, "add_bos_token", json_boolean(bos));
    rc |= json_object_set_new(config, "add_eos_token", json_boolean(eos));
    rc |= json_object_set_new(config, "clean_up_tokenization_spaces", json_false());
    if (rc < 0) return tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", tl_gguf_path(g));
    return tl_tokenizer_gguf_templates(config, g, err);
}

int tl_gguf_spm(tl_spm **out, json_t **config, const tl_gguf *g, tl_err *err)
{
    tl_spm *s = NULL;
    json_t *c = json_object();
    int rc = c ? tl_tokenizer_gguf_check(g, "remove_extra_whitespaces", "precompiled_charsmap", err)
               : tl_fail(err, TL_ENOMEM, "%s: no memory for its tokenizer", tl_gguf_path(g));
    if (rc == 0) rc = tl_spm_create(&s, err);
    if (rc == 0) rc = read_pieces(s, g, err);
    if (rc == 0) rc = read_rules(s, g, err);
    if (rc == 0) rc = make_config(c, s, g, err);
    if (rc < 0) {
        tl_spm_free(s);
        json_decref(c);
        return rc;
    }
    *out = s;
    *config = c;
    return 0;
}
