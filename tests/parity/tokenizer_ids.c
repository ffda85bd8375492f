/* tokenizer_ids.c - the other half of tokenizer.py: texts in, ids out, over pipes.
 *
 *     tokenizer_ids DIR FLAGS < texts > ids
 *     tokenizer_ids DIR copy TO               the tokenizer's files into the folder TO
 *
 * A text comes as its size in decimal, a newline, its bytes; its ids go out on one line, and behind them, after a
 * '|', the size of what they decode to, a newline and those bytes.  A refusal goes out as "! sentence".  FLAGS are
 * those of tl_tokenizer_encode; 4 more: bytes that are no UTF-8 become U+FFFD first.
 *
 * The ids are decoded one by one too, as a server streams them: what comes out must be whole characters each time, and
 * all of them together what decoding gave. */
#include "text/tokenizer.h"
#include "text/tokenizer_copy.h"
#include "text/unicode.h"
#include "text/utf8_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPLACE = 4,
    LIMIT = 1 << 30
};

static int replaced(tl_buf *out, const char *text, size_t size, tl_err *err)
{
    tl_utf8_stream u = { 0 };
    TL_TRY(tl_utf8_push(&u, text, size, out, err));
    return tl_utf8_end(&u, out, err);
}

/* What a reader of the stream has seen at the end. */
static int stream(const tl_tokenizer *t, const tl_ids *ids, tl_buf *seen, tl_err *err)
{
    tl_utf8_stream u = { 0 };
    tl_decode_state s = { 0 };
    tl_buf piece = tl_buf_make(LIMIT);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ids->size; i++) {
        size_t before = seen->size;
        tl_buf_clear(&piece);
        rc = tl_tokenizer_decode_next(t, &s, ids->data[i], true, &piece, err);
        if (rc == 0 && piece.size) rc = tl_utf8_push(&u, piece.data, piece.size, seen, err);
        size_t more = seen->size - before;
        if (rc == 0 && more && tl_unicode_valid(seen->data + before, more) != more)
            rc = tl_fail(err, TL_EDATA, "the stream split a character at token %zu", i);
    }
    if (rc == 0) rc = tl_utf8_end(&u, seen, err);
    tl_buf_reset(&piece);
    return rc;
}

static int check_stream(const tl_tokenizer *t, const tl_ids *ids, const tl_buf *back, tl_err *err)
{
    tl_buf seen = tl_buf_make(LIMIT), whole = tl_buf_make(LIMIT);
    int rc = stream(t, ids, &seen, err);
    if (rc == 0 && back->size) rc = replaced(&whole, back->data, back->size, err);
    if (rc == 0 && (seen.size != whole.size || (seen.size && memcmp(seen.data, whole.data, seen.size) != 0)))
        rc = tl_fail(err, TL_EDATA, "the stream gave another text");
    tl_buf_reset(&seen);
    tl_buf_reset(&whole);
    return rc;
}

static int answer(const tl_tokenizer *t, const char *text, size_t size, unsigned flags, tl_err *err)
{
    tl_ids ids = { 0 };
    tl_buf back = tl_buf_make(LIMIT), clean = tl_buf_make(LIMIT);
    int rc = flags & REPLACE ? replaced(&clean, text, size, err) : tl_buf_append(&clean, text, size, err);
    if (rc == 0) rc = tl_tokenizer_encode(t, clean.data ? clean.data : "", clean.size, flags & ~REPLACE, &ids, err);
    if (rc == 0) rc = tl_tokenizer_decode(t, ids.data, ids.size, true, &back, err);
    if (rc == 0) rc = check_stream(t, &ids, &back, err);
    if (rc == 0) {
        for (size_t i = 0; i < ids.size; i++) printf("%d ", ids.data[i]);
        printf("|%zu\n", back.size);
        if (back.size) fwrite(back.data, 1, back.size, stdout);
        putchar('\n');
    } else {
        printf("! %s\n", err->text);
    }
    tl_ids_reset(&ids);
    tl_buf_reset(&back);
    tl_buf_reset(&clean);
    return rc;
}

int main(int argc, char **argv)
{
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    size_t size;
    bool copy = argc == 4 && strcmp(argv[2], "copy") == 0;
    if (argc != 3 && !copy) return 2;
    if (copy ? tl_tokenizer_copy(argv[1], argv[3], &err) < 0 : tl_tokenizer_open(&t, argv[1], &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    while (!copy && scanf("%zu", &size) == 1 && getchar() == '\n') {
        char *text = malloc(size + 1);
        if (!text || fread(text, 1, size, stdin) != size) return 1;
        answer(t, text, size, (unsigned)atoi(argv[2]), &err);
        free(text);
    }
    tl_tokenizer_free(t);
    return 0;
}
