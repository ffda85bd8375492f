/* tokenizer_ids.c - the other half of tokenizer.py: texts in, ids out, over pipes.
 *
 *     tokenizer_ids DIR FLAGS < texts > ids
 *
 * A text comes as its size in decimal, a newline, its bytes; its ids go out on one line, and behind them, after a
 * '|', the size of what they decode to, a newline and those bytes.  A refusal goes out as "! sentence". */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

static int answer(const tl_tokenizer *t, const char *text, size_t size, unsigned flags, tl_err *err)
{
    tl_ids ids = { 0 };
    tl_buf back = tl_buf_make((size_t)1 << 30);
    int rc = tl_tokenizer_encode(t, text, size, flags, &ids, err);
    if (rc == 0) rc = tl_tokenizer_decode(t, ids.data, ids.size, true, &back, err);
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
    return rc;
}

int main(int argc, char **argv)
{
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    size_t size;
    if (argc != 3) return 2;
    if (tl_tokenizer_open(&t, argv[1], &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    while (scanf("%zu", &size) == 1 && getchar() == '\n') {
        char *text = malloc(size + 1);
        if (!text || fread(text, 1, size, stdin) != size) return 1;
        answer(t, text, size, (unsigned)atoi(argv[2]), &err);
        free(text);
    }
    tl_tokenizer_free(t);
    return 0;
}
