/* word_cache.c - a table of cache lines: three words of letters, their number, the ids.
 *
 * A word of up to 24 bytes is three numbers that overlap where it is shorter, so that hashing and comparing read no
 * byte alone.  Each word has two places, one beside the other; a new one comes into the first and pushes what was there
 * into the second.  The table is taken as zeroed pages: what a short text does not touch costs nothing. */
#include "text/word_cache.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRIES = 1 << 14, /* of 64 bytes: a mebibyte */
    MOST_BYTES = 24,
    MOST_IDS = 9
};

typedef struct entry {
    uint64_t letters[3];
    uint8_t size; /* 0: empty */
    uint8_t n;
    int32_t ids[MOST_IDS];
} entry;

struct tl_word_cache {
    entry entries[ENTRIES];
};

int tl_word_cache_create(tl_word_cache **out, tl_err *err)
{
    tl_word_cache *c = calloc(1, sizeof *c);
    if (!c) return tl_fail(err, TL_ENOMEM, "word cache: no memory for %zu bytes", sizeof *c);
    *out = c;
    return 0;
}

void tl_word_cache_free(tl_word_cache *c)
{
    free(c);
}

static uint64_t eight(const char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

static uint64_t four(const char *at)
{
    uint32_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

/* The same for the same bytes; with the size it is the word. */
static void read_letters(uint64_t out[3], const char *word, size_t size)
{
    out[1] = out[2] = 0;
    if (size >= 16) {
        out[0] = eight(word);
        out[1] = eight(word + 8);
        out[2] = eight(word + size - 8);
    } else if (size >= 8) {
        out[0] = eight(word);
        out[1] = eight(word + size - 8);
    } else if (size >= 4) {
        out[0] = four(word) | four(word + size - 4) << 32;
    } else {
        const unsigned char *w = (const unsigned char *)word;
        out[0] = w[0] | (uint64_t)w[size / 2] << 8 | (uint64_t)w[size - 1] << 16;
    }
}

static size_t place_of(const uint64_t letters[3], size_t size)
{
    uint64_t h = (letters[0] ^ size) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32 ^ letters[1]) * 0xd6e8feb86659fd93u;
    h = (h ^ h >> 32 ^ letters[2]) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 40) & (ENTRIES - 1);
}

static bool same(const entry *e, const uint64_t letters[3], size_t size)
{
    return e->size == size && e->letters[0] == letters[0] && e->letters[1] == letters[1] && e->letters[2] == letters[2];
}

const int *tl_word_cache_find(const tl_word_cache *c, const char *word, size_t size, size_t *n)
{
    uint64_t letters[3];
    if (size > MOST_BYTES) return NULL;
    read_letters(letters, word, size);
    size_t at = place_of(letters, size);
    for (size_t i = 0; i < 2; i++) {
        const entry *e = &c->entries[at ^ i];
        if (!same(e, letters, size)) continue;
        *n = e->n;
        return e->ids;
    }
    return NULL;
}

void tl_word_cache_put(tl_word_cache *c, const char *word, size_t size, const int *ids, size_t n)
{
    entry e = { .size = (uint8_t)size, .n = (uint8_t)n };
    if (size > MOST_BYTES || n > MOST_IDS) return;
    read_letters(e.letters, word, size);
    for (size_t i = 0; i < n; i++) e.ids[i] = ids[i];
    size_t at = place_of(e.letters, size);
    c->entries[at ^ 1] = c->entries[at];
    c->entries[at] = e;
}
