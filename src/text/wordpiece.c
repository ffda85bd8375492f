/* wordpiece.c - longest match first. */
#include "text/wordpiece.h"

#include <string.h>

/* The longest piece that text[start..size) begins with; *end is its end. */
static int longest(const tl_tokenizer *t, const char *text, size_t start, size_t size, size_t *end)
{
    char spelt[TL_WORDPIECE_BYTES];
    size_t prefix = start > 0 ? strlen(t->prefix) : 0, room = sizeof spelt - prefix;
    size_t most = size - start < room ? size - start : room;
    if (most > (size_t)t->longest) most = (size_t)t->longest;
    while (most > 0 && start + most < size && ((unsigned char)text[start + most] & 0xc0) == 0x80) most--;
    memcpy(spelt, t->prefix, prefix);
    memcpy(spelt + prefix, text + start, most);
    while (most > 0) {
        int id = tl_tokenizer_find_bytes(t, spelt, prefix + most);
        *end = start + most;
        if (id >= 0) return id;
        most--;
        while (most > 0 && ((unsigned char)text[start + most] & 0xc0) == 0x80) most--;
    }
    return -1;
}

static size_t characters(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

int tl_wordpiece_encode(const tl_tokenizer *t, const char *word, size_t size, tl_ids *out, tl_err *err)
{
    size_t before = out->size, start = 0, end = 0;
    bool known = characters(word, size) <= (size_t)t->max_characters;
    while (known && start < size) {
        int id = longest(t, word, start, size, &end);
        known = id >= 0;
        if (known) TL_TRY(tl_ids_push(out, id, err));
        start = end;
    }
    if (known) return 0;
    out->size = before;
    return tl_ids_push(out, t->unk, err);
}
