/* decoder.c - the steps. */
#include "text/decoder.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int tl_decoder_add(tl_decoder *d, const tl_decode_step *step, tl_err *err)
{
    if (d->n == TL_DECODE_STEPS) return tl_fail(err, TL_EUNSUPPORTED, "decoder: more than %d steps", TL_DECODE_STEPS);
    d->steps[d->n++] = *step;
    return 0;
}

static int replace(const char *text, size_t size, const char *from, const char *to, tl_buf *out, tl_err *err)
{
    size_t n = strlen(from);
    for (size_t i = 0; i < size;) {
        if (n > 0 && size - i >= n && memcmp(text + i, from, n) == 0) {
            TL_TRY(tl_buf_puts(out, to, err));
            i += n;
        } else {
            TL_TRY(tl_buf_append(out, text + i++, 1, err));
        }
    }
    return 0;
}

/* The byte of "<0xHH>", or -1. */
static int byte_of(const char *text, size_t size)
{
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    if (!isxdigit((unsigned char)text[3]) || !isxdigit((unsigned char)text[4])) return -1;
    char digits[3] = { text[3], text[4], '\0' };
    return (int)strtol(digits, NULL, 16);
}

static int bytes(const char *text, size_t size, tl_buf *out, tl_err *err)
{
    int b = byte_of(text, size);
    char byte = (char)b;
    return b < 0 ? tl_buf_append(out, text, size, err) : tl_buf_append(out, &byte, 1, err);
}

/* How often `from` stands at the beginning, at most `most` times. */
static int leading(const tl_decode_step *s, const char *text, size_t size, int most)
{
    size_t n = strlen(s->from);
    int times = 0;
    while (times < most && n > 0 && size >= n && memcmp(text, s->from, n) == 0) {
        text += n;
        size -= n;
        times++;
    }
    return times;
}

static int strip(const tl_decode_step *s, const char *text, size_t size, tl_buf *out, tl_err *err)
{
    size_t n = strlen(s->from), skip = n * (size_t)leading(s, text, size, s->left);
    text += skip;
    size -= skip;
    for (int i = 0; n > 0 && i < s->right && size >= n && memcmp(text + size - n, s->from, n) == 0; i++) size -= n;
    return tl_buf_append(out, text, size, err);
}

/* The signs that English is written with no space before, as transformers cleans up. */
static int clean(const char *text, size_t size, tl_buf *out, tl_err *err)
{
    static const char *const signs[][2] = { { " .", "." },     { " ?", "?" },           { " !", "!" },
                                            { " ,", "," },     { " ' ", "'" },          { " n't", "n't" },
                                            { " 'm", "'m" },   { " do not", " don't" }, { " 's", "'s" },
                                            { " 've", "'ve" }, { " 're", "'re" } };
    enum {
        N_SIGNS = sizeof signs / sizeof *signs
    };
    tl_buf turn[2] = { tl_buf_make(INT_MAX), tl_buf_make(INT_MAX) };
    int rc = 0;
    for (int i = 0; rc == 0 && i < N_SIGNS && size > 0; i++) {
        tl_buf_clear(&turn[i % 2]);
        rc = replace(text, size, signs[i][0], signs[i][1], &turn[i % 2], err);
        text = turn[i % 2].data;
        size = turn[i % 2].size;
    }
    if (rc == 0 && size > 0) rc = tl_buf_append(out, text, size, err);
    for (int i = 0; i < 2; i++) tl_buf_reset(&turn[i]);
    return rc;
}

static int wordpiece(const tl_decode_step *s, const char *text, size_t size, bool first, tl_buf *out, tl_err *err)
{
    size_t n = strlen(s->from);
    tl_buf word = tl_buf_make(INT_MAX);
    bool joined = !first && n > 0 && size >= n && memcmp(text, s->from, n) == 0;
    int rc = first || joined ? 0 : tl_buf_puts(&word, " ", err);
    if (rc == 0 && size > (joined ? n : 0))
        rc = tl_buf_append(&word, text + (joined ? n : 0), size - (joined ? n : 0), err);
    if (rc == 0 && word.size > 0)
        rc = s->drop ? clean(word.data, word.size, out, err) : tl_buf_append(out, word.data, word.size, err);
    tl_buf_reset(&word);
    return rc;
}

static int metaspace(const tl_decode_step *s, const char *text, size_t size, bool first, tl_buf *out, tl_err *err)
{
    size_t n = strlen(s->from);
    bool drop = s->drop && first && size >= n && memcmp(text, s->from, n) == 0;
    return replace(text + (drop ? n : 0), size - (drop ? n : 0), s->from, " ", out, err);
}

/* Which of the tokens the text is; behind FUSE, all of them. */
typedef struct place {
    bool first, last;
} place;

static int run_step(const tl_decode_step *s, const char *text, size_t size, place p, tl_buf *out, tl_err *err)
{
    switch (s->kind) {
    case TL_DECODE_REPLACE:
        return replace(text, size, s->from, s->to, out, err);
    case TL_DECODE_BYTES:
        return bytes(text, size, out, err);
    case TL_DECODE_STRIP:
        return strip(s, text, size, out, err);
    case TL_DECODE_METASPACE:
        return metaspace(s, text, size, p.first, out, err);
    case TL_DECODE_WORDPIECE:
        return wordpiece(s, text, size, p.first, out, err);
    case TL_DECODE_SUFFIX:
        return replace(text, size, s->from, p.last ? "" : " ", out, err);
    default:
        return tl_buf_append(out, text, size, err);
    }
}

/* Steps from .. to on one text; turn[2] are scratch. */
static int run_steps(const tl_decoder *d, int from, int to, tl_token_text t, place p, tl_buf *turn, tl_buf *out,
                     tl_err *err)
{
    for (int k = from; k < to && t.size > 0; k++) {
        tl_buf *next = &turn[k % 2];
        tl_buf_clear(next);
        TL_TRY(run_step(&d->steps[k], t.text, t.size, p, next, err));
        t = (tl_token_text){ next->data, next->size };
    }
    return t.size > 0 ? tl_buf_append(out, t.text, t.size, err) : 0;
}

static int fuse_at(const tl_decoder *d)
{
    int k = 0;
    while (k < d->n && d->steps[k].kind != TL_DECODE_FUSE) k++;
    return k;
}

int tl_decoder_run(const tl_decoder *d, const tl_token_text *tokens, size_t n, tl_buf *out, tl_err *err)
{
    const place whole = { true, true };
    int fuse = fuse_at(d), rc = 0;
    tl_buf turn[2] = { tl_buf_make(INT_MAX), tl_buf_make(INT_MAX) }, all = tl_buf_make(INT_MAX);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = run_steps(d, 0, fuse, tokens[i], (place){ i == 0, i + 1 == n }, turn, &all, err);
    if (rc == 0) rc = run_steps(d, fuse, d->n, (tl_token_text){ all.data, all.size }, whole, turn, out, err);
    tl_buf_reset(&all);
    for (int i = 0; i < 2; i++) tl_buf_reset(&turn[i]);
    return rc;
}

tl_decode_state tl_decode_behind(void)
{
    tl_decode_state s = { .begun = true };
    for (int k = 0; k < TL_DECODE_STEPS; k++) s.passed[k] = true;
    return s;
}

/* A step behind FUSE on what one more token adds: of STRIP only the beginning, and that only while there. */
static int run_on(const tl_decoder *d, int k, tl_decode_state *s, tl_token_text t, place p, tl_buf *out, tl_err *err)
{
    const tl_decode_step *step = &d->steps[k];
    if (t.size == 0) return 0;
    if (step->kind != TL_DECODE_STRIP) return run_step(step, t.text, t.size, p, out, err);
    int times = s->passed[k] ? 0 : leading(step, t.text, t.size, step->left - s->stripped[k]);
    size_t skip = strlen(step->from) * (size_t)times;
    s->stripped[k] += times;
    s->passed[k] = s->passed[k] || skip < t.size;
    return tl_buf_append(out, t.text + skip, t.size - skip, err);
}

int tl_decoder_next(const tl_decoder *d, tl_decode_state *s, tl_token_text token, tl_buf *out, tl_err *err)
{
    const place p = { !s->begun, false };
    int fuse = fuse_at(d);
    tl_buf turn[2] = { tl_buf_make(INT_MAX), tl_buf_make(INT_MAX) }, text = tl_buf_make(INT_MAX);
    int rc = run_steps(d, 0, fuse, token, p, turn, &text, err);
    tl_token_text t = { text.data, text.size };
    for (int k = fuse; rc == 0 && k < d->n; k++) {
        tl_buf_clear(&turn[k % 2]);
        rc = run_on(d, k, s, t, p, &turn[k % 2], err);
        t = (tl_token_text){ turn[k % 2].data, turn[k % 2].size };
    }
    if (rc == 0 && t.size > 0) rc = tl_buf_append(out, t.text, t.size, err);
    s->begun = true;
    tl_buf_reset(&text);
    for (int i = 0; i < 2; i++) tl_buf_reset(&turn[i]);
    return rc;
}
