/* charsmap.c - the walk of a double-array trie whose numbers are a stranger's: every step is checked.
 *
 * A unit of Darts-clone (Yata 2008): bit 31 marks a leaf, whose lower bits are the value; else bits 0-7 and 31 are the
 * label, bit 8 says that a leaf hangs below, and the offset is bits 10-30, shifted left by 8 where bit 9 is set.  From
 * unit i the child for byte b is at i ^ offset(i) ^ b, and the leaf of i at i ^ offset(i). */
#include "text/charsmap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct tl_charsmap {
    uint32_t *units; /* owned */
    size_t n;
    char *texts; /* owned; ends with NUL */
    size_t size;
};

int tl_charsmap_create(tl_charsmap **out, const void *bytes, size_t size, tl_err *err)
{
    uint32_t trie = 0;
    if (size >= sizeof trie) memcpy(&trie, bytes, sizeof trie);
    if (size < sizeof trie || trie > size - sizeof trie || trie % sizeof(uint32_t) || trie == 0)
        return tl_fail(err, TL_EFORMAT, "charsmap of %zu bytes: its trie has %u", size, trie);
    const char *texts = (const char *)bytes + sizeof trie + trie;
    size_t n_texts = size - sizeof trie - trie;
    if (n_texts == 0 || texts[n_texts - 1] != '\0')
        return tl_fail(err, TL_EFORMAT, "charsmap of %zu bytes: its replacements do not end", size);
    tl_charsmap *c = calloc(1, sizeof *c);
    if (c) c->units = malloc(trie);
    if (c) c->texts = malloc(n_texts);
    if (!c || !c->units || !c->texts) {
        tl_charsmap_free(c);
        return tl_fail(err, TL_ENOMEM, "charsmap: no memory for %zu bytes", size);
    }
    memcpy(c->units, (const char *)bytes + sizeof trie, trie);
    memcpy(c->texts, texts, n_texts);
    c->n = trie / sizeof(uint32_t);
    c->size = n_texts;
    *out = c;
    return 0;
}

void tl_charsmap_free(tl_charsmap *c)
{
    if (!c) return;
    free(c->units);
    free(c->texts);
    free(c);
}

static size_t offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

const char *tl_charsmap_find(const tl_charsmap *c, const char *text, size_t size, bool longest, size_t *used)
{
    size_t at = offset(c->units[0]);
    const char *found = NULL;
    *used = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        at ^= byte;
        if (byte == 0 || at >= c->n || (c->units[at] & (1u << 31 | 0xffu)) != byte) break;
        uint32_t unit = c->units[at];
        at ^= offset(unit);
        if (!(unit >> 8 & 1)) continue;
        size_t place = at < c->n ? c->units[at] & 0x7fffffffu : c->size;
        if (place >= c->size) break;
        found = c->texts + place;
        *used = i + 1;
        if (!longest) break;
    }
    return found;
}
