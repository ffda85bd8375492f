/* normalizer.c - the stages. */
#include "text/normalizer.h"

#include "text/charsmap.h"
#include "text/regex.h"
#include "text/unicode.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MARK "\xe2\x96\x81" /* U+2581, SentencePiece's space */

enum {
    MAX_STAGES = 24,
    CLUSTER_MOST = 6 /* bytes from which on `tokenizers` looks at the characters of a cluster */
};

typedef enum stage_kind {
    STAGE_PLAIN,
    STAGE_PREPEND,
    STAGE_REPLACE,
    STAGE_CHARSMAP,
    STAGE_SPM
} stage_kind;

typedef struct stage {
    stage_kind kind;
    tl_normalize what;
    tl_regex *regex; /* owned */
    char *text;      /* owned; what is put in front or in a match's place */
    size_t size;
    tl_charsmap *map; /* owned; NULL: none */
    tl_spm_rules rules;
    const tl_added *kept; /* borrowed */
} stage;

struct tl_normalizer {
    stage stages[MAX_STAGES];
    int n;
};

int tl_normalizer_create(tl_normalizer **out, tl_err *err)
{
    tl_normalizer *n = calloc(1, sizeof *n);
    if (!n) return tl_fail(err, TL_ENOMEM, "normalizer: no memory");
    *out = n;
    return 0;
}

void tl_normalizer_free(tl_normalizer *n)
{
    if (!n) return;
    for (int i = 0; i < MAX_STAGES; i++) {
        tl_regex_free(n->stages[i].regex);
        free(n->stages[i].text);
        tl_charsmap_free(n->stages[i].map);
    }
    free(n);
}

bool tl_normalizer_empty(const tl_normalizer *n)
{
    return n->n == 0;
}

/* The next stage, with a copy of text; it counts once n->n is raised, and is freed in any case. */
static int next_stage(stage **out, tl_normalizer *n, stage_kind kind, const char *text, size_t size, tl_err *err)
{
    if (n->n == MAX_STAGES) return tl_fail(err, TL_EUNSUPPORTED, "normalizer: more than %d stages", MAX_STAGES);
    stage *s = &n->stages[n->n];
    s->kind = kind;
    s->text = malloc(size + 1);
    if (!s->text) return tl_fail(err, TL_ENOMEM, "normalizer: no memory for %zu bytes", size);
    if (size > 0) memcpy(s->text, text, size);
    s->size = size;
    *out = s;
    return 0;
}

int tl_normalizer_add(tl_normalizer *n, tl_normalize what, tl_err *err)
{
    stage *s = NULL;
    TL_TRY(next_stage(&s, n, STAGE_PLAIN, NULL, 0, err));
    s->what = what;
    n->n++;
    return 0;
}

int tl_normalizer_add_prepend(tl_normalizer *n, const char *text, size_t size, tl_err *err)
{
    stage *s = NULL;
    TL_TRY(next_stage(&s, n, STAGE_PREPEND, text, size, err));
    n->n++;
    return 0;
}

int tl_normalizer_add_replace(tl_normalizer *n, const char *pattern, size_t pattern_size, bool regex, const char *to,
                              size_t to_size, tl_err *err)
{
    stage *s = NULL;
    TL_TRY(next_stage(&s, n, STAGE_REPLACE, to, to_size, err));
    TL_TRY(regex ? tl_regex_create(&s->regex, pattern, pattern_size, err)
                 : tl_regex_create_literal(&s->regex, pattern, pattern_size, err));
    n->n++;
    return 0;
}

int tl_normalizer_add_charsmap(tl_normalizer *n, const void *bytes, size_t size, tl_err *err)
{
    stage *s = NULL;
    TL_TRY(next_stage(&s, n, STAGE_CHARSMAP, NULL, 0, err));
    TL_TRY(tl_charsmap_create(&s->map, bytes, size, err));
    n->n++;
    return 0;
}

int tl_normalizer_add_spm(tl_normalizer *n, const void *charsmap, size_t size, const tl_spm_rules *rules,
                          const tl_added *kept, tl_err *err)
{
    stage *s = NULL;
    TL_TRY(next_stage(&s, n, STAGE_SPM, NULL, 0, err));
    if (size > 0) TL_TRY(tl_charsmap_create(&s->map, charsmap, size, err));
    s->rules = *rules;
    s->kept = kept;
    n->n++;
    return 0;
}

/* ---- character by character ---- */

/* The characters that SentencePiece's nmt rules drop, and those that they make spaces. */
static bool nmt_drops(int c)
{
    return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

static bool nmt_space(int c)
{
    return c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 ||
           c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
}

/* The blocks of ideographs of BERT's reference code. */
static bool is_chinese(int c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

/* One character (bytes text[0..n-1]) of a stage that looks at characters alone. */
static int put_character(tl_normalize what, int c, const char *text, size_t n, tl_buf *out, tl_err *err)
{
    switch (what) {
    case TL_NORMALIZE_LOWERCASE:
        return tl_unicode_lower(c, out, err);
    case TL_NORMALIZE_STRIP_ACCENTS:
        return tl_unicode_is_mark(c) ? 0 : tl_buf_append(out, text, n, err);
    case TL_NORMALIZE_BERT_ACCENTS:
        return tl_unicode_is_flat_mark(c) ? 0 : tl_buf_append(out, text, n, err);
    case TL_NORMALIZE_NMT:
        if (nmt_drops(c)) return 0;
        return nmt_space(c) ? tl_buf_append(out, " ", 1, err) : tl_buf_append(out, text, n, err);
    case TL_NORMALIZE_BERT_CLEAN:
        if (c == '\t' || c == '\n' || c == '\r') return tl_buf_append(out, " ", 1, err);
        if (c == 0xfffd || tl_unicode_is_other(c)) return 0;
        return tl_unicode_is_space(c) ? tl_buf_append(out, " ", 1, err) : tl_buf_append(out, text, n, err);
    case TL_NORMALIZE_BERT_CHINESE:
        if (!is_chinese(c)) return tl_buf_append(out, text, n, err);
        return tl_buf_printf(out, err, " %.*s ", (int)n, text);
    default:
        return tl_buf_append(out, text, n, err);
    }
}

static int each_character(tl_normalize what, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    for (size_t i = 0, n; i < size; i += n) {
        int c = tl_unicode_first(text + i, size - i, &n);
        TL_TRY(put_character(what, c, text + i, n, out, err));
    }
    return 0;
}

static int bert_accents(const char *text, size_t size, tl_buf *out, tl_err *err)
{
    tl_buf apart = tl_buf_make(INT_MAX);
    int rc = tl_unicode_normalize(TL_UNICODE_NFD, text, size, &apart, err);
    if (rc == 0) rc = each_character(TL_NORMALIZE_BERT_ACCENTS, apart.data, apart.size, out, err);
    tl_buf_reset(&apart);
    return rc;
}

static int strip(bool left, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    size_t n;
    while (left && size > 0 && tl_unicode_is_space(tl_unicode_first(text, size, &n))) {
        text += n;
        size -= n;
    }
    while (!left && size > 0 && tl_unicode_is_space(tl_unicode_last(text, size, &n))) size -= n;
    return tl_buf_append(out, text, size, err);
}

static int plain(tl_normalize what, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    switch (what) {
    case TL_NORMALIZE_NFC:
        return tl_unicode_normalize(TL_UNICODE_NFC, text, size, out, err);
    case TL_NORMALIZE_NFD:
        return tl_unicode_normalize(TL_UNICODE_NFD, text, size, out, err);
    case TL_NORMALIZE_NFKC:
        return tl_unicode_normalize(TL_UNICODE_NFKC, text, size, out, err);
    case TL_NORMALIZE_NFKD:
        return tl_unicode_normalize(TL_UNICODE_NFKD, text, size, out, err);
    case TL_NORMALIZE_STRIP_LEFT:
    case TL_NORMALIZE_STRIP_RIGHT:
        return strip(what == TL_NORMALIZE_STRIP_LEFT, text, size, out, err);
    case TL_NORMALIZE_BERT_ACCENTS:
        return bert_accents(text, size, out, err);
    default:
        return each_character(what, text, size, out, err);
    }
}

/* ---- the others ---- */

static int replace(const stage *s, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    tl_regex_work *w = NULL;
    TL_TRY(tl_regex_work_create(&w, err));
    int rc = 0;
    for (size_t from = 0; rc == 0 && from < size;) {
        size_t start, end;
        rc = tl_regex_next(s->regex, w, text, size, from, &start, &end, err);
        if (rc < 0) break;
        bool found = end > 0;
        if (!found) start = end = size;
        rc = tl_buf_append(out, text + from, start - from, err);
        if (rc == 0 && found) rc = tl_buf_append(out, s->text, s->size, err);
        from = end;
    }
    tl_regex_work_free(w);
    return rc;
}

static int put_mapped(const stage *s, const char *text, size_t size, bool *done, tl_buf *out, tl_err *err)
{
    size_t used;
    const char *to = tl_charsmap_find(s->map, text, size, false, &used);
    *done = to != NULL;
    return to ? tl_buf_puts(out, to, err) : 0;
}

static int charsmap(const stage *s, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    for (size_t i = 0, n; i < size; i += n) {
        bool done = false;
        n = tl_unicode_cluster(text + i, size - i);
        if (n < CLUSTER_MOST) TL_TRY(put_mapped(s, text + i, n, &done, out, err));
        for (size_t k = 0, one; !done && k < n; k += one) {
            bool mapped;
            tl_unicode_first(text + i + k, n - k, &one);
            TL_TRY(put_mapped(s, text + i + k, one, &mapped, out, err));
            if (!mapped) TL_TRY(tl_buf_append(out, text + i + k, one, err));
        }
    }
    return 0;
}

/* What runs through a SentencePiece normalization. */
typedef struct spm_run {
    const stage *s;
    bool leading;     /* nothing but spaces so far */
    bool after_space; /* what was put last ends with a space, so that another one is extra */
    tl_buf *out;
} spm_run;

static int spm_put(spm_run *r, const char *text, size_t size, tl_err *err)
{
    const tl_spm_rules *rules = &r->s->rules;
    while (r->after_space && size > 0 && *text == ' ') {
        text++;
        size--;
    }
    if (size == 0) return 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ' && rules->escape_whitespaces)
            TL_TRY(tl_buf_append(r->out, MARK, sizeof MARK - 1, err));
        else
            TL_TRY(tl_buf_append(r->out, text + i, 1, err));
    }
    r->after_space = rules->remove_extra_whitespaces && text[size - 1] == ' ';
    return 0;
}

/* A piece of the text: one that is kept, or one to map. */
static int spm_piece(void *arg, int id, const char *text, size_t size, tl_err *err)
{
    spm_run *r = arg;
    const tl_spm_rules *rules = &r->s->rules;
    for (size_t i = 0, n; i < size; i += n) {
        const char *to = id < 0 && r->s->map ? tl_charsmap_find(r->s->map, text + i, size - i, true, &n) : NULL;
        size_t to_size;
        if (to) {
            to_size = strlen(to);
        } else {
            to = text + i;
            tl_unicode_first(to, size - i, &n);
            if (id >= 0) n = size;
            to_size = n;
        }
        if (r->leading && rules->remove_extra_whitespaces && to_size == 1 && *to == ' ') continue;
        if (r->leading) {
            r->leading = false;
            if (rules->add_dummy_prefix) TL_TRY(spm_put(r, " ", 1, err));
            r->after_space = rules->remove_extra_whitespaces;
        }
        TL_TRY(spm_put(r, to, to_size, err));
    }
    return 0;
}

static bool ends_with(const tl_buf *b, size_t start, const char *end)
{
    size_t n = strlen(end);
    return b->size - start >= n && memcmp(b->data + b->size - n, end, n) == 0;
}

static int spm(const stage *s, const char *text, size_t size, bool first, tl_buf *out, tl_err *err)
{
    size_t start = out->size;
    spm_run r = { .s = s, .leading = first, .out = out };
    TL_TRY(s->kept ? tl_added_split(s->kept, text, size, false, spm_piece, &r, err)
                   : spm_piece(&r, -1, text, size, err));
    const char *space = s->rules.escape_whitespaces ? MARK : " ";
    while (s->rules.remove_extra_whitespaces && ends_with(out, start, space)) {
        out->size -= strlen(space);
        out->data[out->size] = '\0';
    }
    return 0;
}

static int run_stage(const stage *s, const char *text, size_t size, bool first, tl_buf *out, tl_err *err)
{
    switch (s->kind) {
    case STAGE_PREPEND:
        TL_TRY(tl_buf_append(out, s->text, s->size, err));
        return tl_buf_append(out, text, size, err);
    case STAGE_REPLACE:
        return replace(s, text, size, out, err);
    case STAGE_CHARSMAP:
        return charsmap(s, text, size, out, err);
    case STAGE_SPM:
        return spm(s, text, size, first, out, err);
    default:
        return plain(s->what, text, size, out, err);
    }
}

/* Whether the stage makes nothing of the text's first character. */
static int drops_front(const stage *s, const char *text, size_t size, bool *out, tl_err *err)
{
    size_t n;
    tl_buf one = tl_buf_make(INT_MAX);
    tl_unicode_first(text, size, &n);
    bool looks = s->kind == STAGE_PLAIN && s->what != TL_NORMALIZE_STRIP_RIGHT;
    int rc = looks || s->kind == STAGE_CHARSMAP ? run_stage(s, text, n, true, &one, err) : 0;
    *out = (looks || s->kind == STAGE_CHARSMAP) && one.size == 0;
    tl_buf_reset(&one);
    return rc;
}

int tl_normalizer_run(const tl_normalizer *n, const char *text, size_t size, bool *first, tl_buf *out, tl_err *err)
{
    tl_buf turn[2] = { tl_buf_make(INT_MAX), tl_buf_make(INT_MAX) };
    int rc = 0;
    for (int i = 0; rc == 0 && i < n->n && size > 0; i++) {
        tl_buf *to = &turn[i % 2];
        bool dropped = false;
        tl_buf_clear(to);
        rc = run_stage(&n->stages[i], text, size, *first, to, err);
        if (rc == 0 && *first) rc = drops_front(&n->stages[i], text, size, &dropped, err);
        *first = *first && !dropped;
        text = to->data;
        size = to->size;
    }
    if (rc == 0 && size > 0) rc = tl_buf_append(out, text, size, err);
    for (int i = 0; i < 2; i++) tl_buf_reset(&turn[i]);
    return rc;
}
