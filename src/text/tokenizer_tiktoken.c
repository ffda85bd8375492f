/* tokenizer_tiktoken.c - ranks to merges.
 *
 * tiktoken has no merges: it joins the neighbours whose bytes together have the lowest rank, the leftmost of equals,
 * and takes a word that is a token for that token.  So each token is what every pair of tokens becomes whose bytes are
 * its own, at its rank: bpe.h orders them the same way. */
#include "text/tokenizer_tiktoken.h"

#include "io/atomic.h"
#include "io/json.h"
#include "io/map.h"
#include "text/base64.h"
#include "text/bytelevel.h"
#include "text/tokenizer_model.h"
#include "text/word_cut.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_TOKEN_BYTES = 1024,
    MAX_SPECIALS = 300
};

/* A special token of a family; a name with %d stands for n tokens, one id after the other, numbered from `first`. */
typedef struct special {
    const char *name;
    int id, n, first;
} special;

typedef struct family {
    const char *file;            /* its name; NULL: tokenizer.model, known by how many ranks it has */
    const char *tokenizer_class; /* or NULL */
    size_t ranks;                /* of such a file; 0: any */
    const char *pattern;
    bool nfc;
    const char *bos, *eos; /* or NULL; a BOS is put in front */
    special specials[14];
} family;

static const family families[] = {
    { "qwen.tiktoken",
      "QWenTokenizer",
      0,
      TL_WORD_CUT_QWEN2,
      true,
      NULL,
      "<|endoftext|>",
      { { "<|endoftext|>", 151643, 1, 0 },
        { "<|im_start|>", 151644, 1, 0 },
        { "<|im_end|>", 151645, 1, 0 },
        { "<|extra_%d|>", 151646, 205, 0 } } },
    /* Llama 3.1 to 3.3; 3.0 calls some of the reserved ones otherwise. */
    { NULL,
      NULL,
      128000,
      TL_WORD_CUT_LLAMA3,
      false,
      "<|begin_of_text|>",
      "<|end_of_text|>",
      { { "<|begin_of_text|>", 128000, 1, 0 },
        { "<|end_of_text|>", 128001, 1, 0 },
        { "<|reserved_special_token_%d|>", 128002, 2, 0 },
        { "<|finetune_right_pad_id|>", 128004, 1, 0 },
        { "<|step_id|>", 128005, 1, 0 },
        { "<|start_header_id|>", 128006, 1, 0 },
        { "<|end_header_id|>", 128007, 1, 0 },
        { "<|eom_id|>", 128008, 1, 0 },
        { "<|eot_id|>", 128009, 1, 0 },
        { "<|python_tag|>", 128010, 1, 0 },
        { "<|reserved_special_token_%d|>", 128011, 245, 2 } } },
    { "cl100k_base.tiktoken",
      NULL,
      0,
      TL_WORD_CUT_CL100K,
      false,
      NULL,
      "<|endoftext|>",
      { { "<|endoftext|>", 100257, 1, 0 },
        { "<|fim_prefix|>", 100258, 1, 0 },
        { "<|fim_middle|>", 100259, 1, 0 },
        { "<|fim_suffix|>", 100260, 1, 0 },
        { "<|endofprompt|>", 100276, 1, 0 } } },
    { "o200k_base.tiktoken",
      NULL,
      0,
      TL_WORD_CUT_O200K,
      false,
      NULL,
      "<|endoftext|>",
      { { "<|endoftext|>", 199999, 1, 0 }, { "<|endofprompt|>", 200018, 1, 0 } } },
    { "p50k_base.tiktoken",
      NULL,
      0,
      TL_WORD_CUT_GPT2,
      false,
      NULL,
      "<|endoftext|>",
      { { "<|endoftext|>", 50256, 1, 0 } } },
    { "r50k_base.tiktoken",
      NULL,
      0,
      TL_WORD_CUT_GPT2,
      false,
      NULL,
      "<|endoftext|>",
      { { "<|endoftext|>", 50256, 1, 0 } } },
};
enum {
    N_FAMILIES = sizeof families / sizeof *families
};

bool tl_tiktoken_is(const char *path)
{
    char line[4096] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(line, 1, sizeof line - 1, f) : 0;
    if (f) fclose(f);
    size_t letters = 0;
    while (letters < n && (isalnum((unsigned char)line[letters]) || strchr("+/=", line[letters]))) letters++;
    return letters >= 4 && line[letters] == ' ' && isdigit((unsigned char)line[letters + 1]);
}

int tl_tiktoken_find(tl_reading *r, bool *found, tl_err *err)
{
    char name[256] = "";
    DIR *d = opendir(r->dir);
    *found = false;
    if (!d) return 0; /* the file that is missed is named by the caller */
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d));) {
        size_t n = strlen(e->d_name), end = strlen(".tiktoken");
        if (n <= end || strcmp(e->d_name + n - end, ".tiktoken") != 0) continue;
        if (*name)
            rc =
                tl_fail(err, TL_EUNSUPPORTED, "%s: %s and %s: one rank file is wanted", r->dir,
                        strcmp(name, e->d_name) < 0 ? name : e->d_name, strcmp(name, e->d_name) < 0 ? e->d_name : name);
        snprintf(name, sizeof name, "%s", e->d_name);
    }
    closedir(d);
    if (rc < 0 || !*name) return rc;
    *found = true;
    return tl_path_join(r->path, sizeof r->path, r->dir, name, err);
}

/* ---- the lines ---- */

/* "IQ== 0" into vocab, spelt as vocab.json spells bytes; spelt holds twice a token. */
static int read_line(json_t *vocab, const char *line, size_t size, tl_buf *bytes, char *spelt, tl_err *err)
{
    const char *space = memchr(line, ' ', size);
    size_t letters = space ? (size_t)(space - line) : size, digits = space ? size - letters - 1 : 0;
    char number[12] = "";
    if (digits > 0 && digits < sizeof number) memcpy(number, space + 1, digits);
    if (digits == 0 || digits >= sizeof number || strspn(number, "0123456789") != digits || atoll(number) > INT_MAX)
        return tl_fail(err, TL_EFORMAT, "wanted are base64, a space and a rank");
    if (letters == 0 || letters > MAX_TOKEN_BYTES / 3 * 4)
        return tl_fail(err, TL_EFORMAT, "a token of %zu letters, wanted are 1 to %d", letters, MAX_TOKEN_BYTES / 3 * 4);
    tl_buf_clear(bytes);
    TL_TRY(tl_base64_read(line, letters, bytes, err));
    if (bytes->size == 0) return tl_fail(err, TL_EFORMAT, "an empty token");
    size_t n = tl_bytelevel_spell(spelt, bytes->data, bytes->size);
    if (json_object_getn(vocab, spelt, n)) return tl_fail(err, TL_EFORMAT, "its token is there twice");
    if (json_object_setn_new(vocab, spelt, n, json_integer(atoll(number))) < 0)
        return tl_fail(err, TL_ENOMEM, "no memory for %zu tokens", json_object_size(vocab));
    return 0;
}

static int read_lines(json_t *vocab, const char *text, size_t size, const char *path, tl_err *err)
{
    tl_buf bytes = tl_buf_make(2 * MAX_TOKEN_BYTES);
    char spelt[4 * MAX_TOKEN_BYTES];
    int rc = 0;
    size_t number = 1;
    for (size_t at = 0, n; rc == 0 && at < size; at += n + 1, number++) {
        const char *end = memchr(text + at, '\n', size - at);
        n = end ? (size_t)(end - text) - at : size - at;
        size_t used = n > 0 && text[at + n - 1] == '\r' ? n - 1 : n;
        if (used > 0 && read_line(vocab, text + at, used, &bytes, spelt, err) < 0)
            rc = tl_fail_in(err, "%s: line %zu", path, number);
    }
    tl_buf_reset(&bytes);
    return rc;
}

static int read_ranks(json_t **out, const char *path, tl_err *err)
{
    tl_map *map = NULL;
    size_t size;
    TL_TRY(tl_map_open(&map, path, err));
    const char *text = (const char *)tl_map_bytes(map, &size);
    json_t *vocab = json_object();
    int rc = vocab ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory", path);
    if (rc == 0 && text) rc = read_lines(vocab, text, size, path, err);
    tl_map_close(map);
    if (rc < 0)
        json_decref(vocab);
    else
        *out = vocab;
    return rc;
}

/* ---- the family ---- */

static int no_family(const tl_reading *r, size_t ranks, const char *class, tl_err *err)
{
    char known[200] = "";
    for (int i = 0; i < N_FAMILIES; i++) {
        size_t used = strlen(known);
        if (families[i].file) snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", families[i].file);
    }
    return tl_fail(
        err, TL_EUNSUPPORTED,
        "%s: nothing says how its text is cut: it has %zu ranks, tokenizer_config.json has no pat_str and %s%.60s; "
        "known are QWenTokenizer, tokenizer.model with Llama 3's 128000 ranks, %s",
        r->path, ranks, *class ? "the tokenizer_class " : "no tokenizer_class", class, known);
}

/* The pattern of the config makes a family of its own, without special tokens. */
static int find_family(tl_reading *r, size_t ranks, family *out, tl_err *err)
{
    const char *where = "tokenizer_config.json", *pattern = "", *class = "", *name = strrchr(r->path, '/');
    name = name ? name + 1 : r->path;
    if (r->config) TL_TRY(tl_json_string_or(r->config, where, "pat_str", "", &pattern, err));
    if (r->config) TL_TRY(tl_json_string_or(r->config, where, "tokenizer_class", "", &class, err));
    if (*pattern) {
        if (strchr(pattern, '$'))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: pat_str: $ is not supported: engines differ on it", where);
        *out = (family){ .pattern = pattern };
        return 0;
    }
    for (int pass = 0; pass < 2; pass++) /* the class is more than a name */
        for (int i = 0; i < N_FAMILIES; i++) {
            const family *f = &families[i];
            bool named = f->file ? strcmp(f->file, name) == 0 : strcmp(name, "tokenizer.model") == 0;
            bool same = pass == 0 ? f->tokenizer_class && strcmp(f->tokenizer_class, class) == 0 : named;
            if (!same || (f->ranks && f->ranks != ranks)) continue;
            *out = *f;
            return 0;
        }
    return no_family(r, ranks, class, err);
}

/* ---- the parts ---- */

/* The family's special tokens as rows; names is where those with a number are spelt. */
static int special_rows(tl_reading *r, const family *f, tl_buf *names, tl_err *err)
{
    size_t start[MAX_SPECIALS] = { 0 };
    r->rows = calloc(MAX_SPECIALS, sizeof *r->rows);
    if (!r->rows) return tl_fail(err, TL_ENOMEM, "%s: no memory for its special tokens", r->path);
    for (const special *s = f->specials; s->name; s++)
        for (int i = 0; i < s->n; i++) {
            const char *number = strstr(s->name, "%d");
            start[r->n_rows] = names->size;
            TL_TRY(number ? tl_buf_printf(names, err, "%.*s%d%s", (int)(number - s->name), s->name, s->first + i,
                                          number + 2)
                          : tl_buf_puts(names, s->name, err));
            tl_added_token token = { .size = names->size - start[r->n_rows], .id = s->id + i, .special = true };
            r->rows[r->n_rows++].token = token;
        }
    for (size_t i = 0; i < r->n_rows; i++) r->rows[i].token.content = names->data + start[i];
    return 0;
}

/* Every pair of tokens that makes the token. */
static int put_pairs(tl_tokenizer *t, int id, tl_err *err)
{
    const char *bytes = t->bytes.data + t->pieces[id].start;
    size_t size = (size_t)t->pieces[id].size;
    for (size_t cut = 1; cut < size; cut++) {
        int left = tl_tokenizer_find_bytes(t, bytes, cut);
        int right = left >= 0 ? tl_tokenizer_find_bytes(t, bytes + cut, size - cut) : -1;
        if (right >= 0) TL_TRY(tl_bpe_put(t->bpe, left, right, id, id, err));
    }
    return 0;
}

static int fill(tl_reading *r, const family *f, json_t *vocab, tl_err *err)
{
    tl_tokenizer *t = r->t;
    t->kind = TL_MODEL_BPE;
    t->byte_level = true;
    t->ignore_merges = true;
    TL_TRY(tl_normalizer_create(&t->normalizer, err));
    if (f->nfc) TL_TRY(tl_normalizer_add(t->normalizer, TL_NORMALIZE_NFC, err));
    TL_TRY(tl_pretoken_create(&t->pretoken, err));
    TL_TRY(tl_pretoken_add_regex(t->pretoken, f->pattern, err));
    TL_TRY(tl_tokenizer_fill_pieces(t, vocab, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_tokenizer_fill_added(t, r->rows, r->n_rows, r->path, err));
    TL_TRY(tl_bpe_create(&t->bpe, err));
    for (int id = 0; id < t->n_pieces; id++)
        if (t->pieces[id].kind & PIECE_MODEL) TL_TRY(put_pairs(t, id, err));
    TL_TRY(tl_find_named(r, "bos_token", f->bos, &t->bos, err));
    TL_TRY(tl_find_named(r, "eos_token", f->eos, &t->eos, err));
    bool bos = f->bos != NULL;
    if (r->config) TL_TRY(tl_json_bool_or(r->config, "tokenizer_config.json", "add_bos_token", bos, &bos, err));
    if (bos && t->bos < 0)
        return tl_fail(err, TL_EFORMAT, "%s: add_bos_token is true and no file names a bos_token", r->dir);
    return bos ? tl_ids_push(&t->before, t->bos, err) : 0;
}

int tl_tiktoken_read(tl_reading *r, tl_err *err)
{
    json_t *vocab = NULL, *list = NULL;
    family f = { 0 };
    tl_buf names = tl_buf_make(1 << 16);
    TL_TRY(read_ranks(&vocab, r->path, err));
    int rc = find_family(r, json_object_size(vocab), &f, err);
    if (rc == 0 && r->config)
        rc = tl_json_value_or_null(r->config, "tokenizer_config.json", "added_tokens_decoder", JSON_OBJECT, &list, err);
    if (rc == 0) rc = list ? tl_read_config_rows(r, list, err) : special_rows(r, &f, &names, err);
    for (size_t i = 0; rc == 0 && i < r->n_rows; i++) r->rows[i].normalized = true; /* the whole text is, before all */
    if (rc == 0) rc = fill(r, &f, vocab, err);
    tl_buf_reset(&names);
    json_decref(vocab);
    return rc;
}
