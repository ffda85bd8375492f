/* added.c - leftmost-longest search for a few fixed strings.
 *
 * The tokens lie sorted by first byte, long ones before short, and a table says
 * where each first byte begins: nearly every byte of a text begins no token and
 * costs one look.  Where all begin with the same byte ('<', mostly), memchr looks. */
#include "text/added.h"

#include "text/unicode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tl_added {
    tl_added_token *tokens; /* owned, and each content too */
    size_t n, capacity;
    size_t first[257]; /* tokens that begin with byte b: first[b] .. first[b+1]-1 */
    int only;          /* the first byte of all tokens; -1: they differ */
    bool sealed;
};

int tl_added_create(tl_added **out, tl_err *err)
{
    tl_added *a = calloc(1, sizeof *a);
    if (!a) return tl_fail(err, TL_ENOMEM, "added tokens: no memory");
    *out = a;
    return 0;
}

void tl_added_free(tl_added *a)
{
    if (!a) return;
    for (size_t i = 0; i < a->n; i++) free((char *)a->tokens[i].content);
    free(a->tokens);
    free(a);
}

int tl_added_put(tl_added *a, const tl_added_token *t, tl_err *err)
{
    assert(!a->sealed && t->size > 0);
    if (a->n == a->capacity) {
        size_t capacity = a->capacity ? 2 * a->capacity : 16;
        tl_added_token *tokens = realloc(a->tokens, capacity * sizeof *tokens);
        if (!tokens) return tl_fail(err, TL_ENOMEM, "added tokens: no memory for %zu", capacity);
        a->tokens = tokens;
        a->capacity = capacity;
    }
    char *content = malloc(t->size);
    if (!content) return tl_fail(err, TL_ENOMEM, "added tokens: no memory for %zu bytes", t->size);
    memcpy(content, t->content, t->size);
    a->tokens[a->n] = *t;
    a->tokens[a->n++].content = content;
    return 0;
}

static int by_first_byte_long_first(const void *x, const void *y)
{
    const tl_added_token *a = x, *b = y;
    int ca = (unsigned char)a->content[0], cb = (unsigned char)b->content[0];
    if (ca != cb) return ca - cb;
    if (a->size != b->size) return a->size > b->size ? -1 : 1;
    return memcmp(a->content, b->content, a->size);
}

int tl_added_seal(tl_added *a, tl_err *err)
{
    if (a->n) qsort(a->tokens, a->n, sizeof *a->tokens, by_first_byte_long_first);
    for (size_t i = 1; i < a->n; i++)
        if (by_first_byte_long_first(&a->tokens[i - 1], &a->tokens[i]) == 0)
            return tl_fail(err, TL_EFORMAT, "the added token '%.*s' is there twice",
                           (int)(a->tokens[i].size < 100 ? a->tokens[i].size : 100), a->tokens[i].content);
    size_t i = 0;
    for (int b = 0; b < 256; b++) {
        a->first[b] = i;
        while (i < a->n && (unsigned char)a->tokens[i].content[0] == b) i++;
    }
    a->first[256] = i;
    a->only = a->n ? (unsigned char)a->tokens[0].content[0] : -1;
    if (a->n && a->tokens[a->n - 1].content[0] != a->tokens[0].content[0]) a->only = -1;
    a->sealed = true;
    return 0;
}

int tl_added_find(const tl_added *a, const char *content, size_t size)
{
    if (size == 0) return -1;
    unsigned char b = (unsigned char)content[0];
    for (size_t i = a->first[b]; i < a->first[b + 1]; i++)
        if (a->tokens[i].size == size && memcmp(a->tokens[i].content, content, size) == 0) return a->tokens[i].id;
    return -1;
}

static const tl_added_token *longest_at(const tl_added *a, const char *text, size_t size)
{
    unsigned char b = (unsigned char)text[0];
    for (size_t i = a->first[b]; i < a->first[b + 1]; i++) {
        const tl_added_token *t = &a->tokens[i];
        if (t->size <= size && memcmp(t->content, text, t->size) == 0) return t;
    }
    return NULL;
}

/* The next place from i on where a token may begin, or size. */
static size_t next_place(const tl_added *a, const char *text, size_t size, size_t i)
{
    if (a->n == 0 || i == size) return size;
    if (a->only >= 0) {
        const char *found = memchr(text + i, a->only, size - i);
        return found ? (size_t)(found - text) : size;
    }
    for (; i < size; i++) {
        unsigned char b = (unsigned char)text[i];
        if (a->first[b] < a->first[b + 1]) return i;
    }
    return size;
}

static bool touches_a_word(const char *text, size_t size, size_t start, size_t end)
{
    size_t n;
    return (start > 0 && tl_unicode_is_word(tl_unicode_last(text, start, &n))) ||
           (end < size && tl_unicode_is_word(tl_unicode_first(text + end, size - end, &n)));
}

static size_t spaces_before(const char *text, size_t end)
{
    size_t n;
    while (end > 0 && tl_unicode_is_space(tl_unicode_last(text, end, &n))) end -= n;
    return end;
}

static size_t spaces_behind(const char *text, size_t size, size_t start)
{
    size_t n;
    while (start < size && tl_unicode_is_space(tl_unicode_first(text + start, size - start, &n))) start += n;
    return start;
}

int tl_added_split(const tl_added *a, const char *text, size_t size, bool skip_special, tl_added_fn *each, void *arg,
                   tl_err *err)
{
    assert(a->sealed);
    size_t done = 0; /* all before is handed out */
    for (size_t i = 0; (i = next_place(a, text, size, i)) < size;) {
        const tl_added_token *t = longest_at(a, text + i, size - i);
        if (!t) {
            i++;
            continue;
        }
        size_t start = i, end = i + t->size;
        i = end; /* a refused match is passed over whole, as the package does */
        if ((skip_special && t->special) || start < done) continue;
        if (t->single_word && touches_a_word(text, size, start, end)) continue;
        if (t->lstrip) {
            size_t left = spaces_before(text, start);
            start = left > done ? left : done;
        }
        if (t->rstrip) end = spaces_behind(text, size, end);
        if (start > done) TL_TRY(each(arg, -1, text + done, start - done, err));
        TL_TRY(each(arg, t->id, text + start, end - start, err));
        done = end;
    }
    if (done < size) TL_TRY(each(arg, -1, text + done, size - done, err));
    return 0;
}
