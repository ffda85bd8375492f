/* bpe_train.c - count words, then join the most frequent pair until the vocabulary is full.
 *
 * Each different word is kept once with its count.  Learning works on a copy of
 * all words as ids, and on a table of pairs: how often each occurs, and in which
 * words.  A merge visits those words only, and corrects the counts of the pairs
 * next to each place it changes.  The most frequent pair comes from a heap
 * whose entries may be out of date: a pair whose count fell is put back with
 * its new count when it comes up, one whose count rose was pushed again.
 *
 * Ties go to the lower left id, then the lower right.  A merge depends on counts
 * and ids only, so neither hashing nor the order of the texts shows in the files. */
#include "text/bpe_train.h"

#include "base/buf.h"
#include "base/ids.h"
#include "base/size.h"
#include "io/atomic.h"
#include "io/json.h"
#include "text/bytelevel.h"
#include "text/pretoken.h"
#include "text/unicode.h"
#include "text/word_cut.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_WORD = 256,      /* longer words are counted in pieces of this many bytes: they teach nothing more */
    MAX_BYTES = 1 << 30, /* of different words */
    MAX_VOCAB = 1 << 20,
    MAX_TOKEN = 2 * MAX_WORD, /* bytes of a token as spelt */
    MAX_SPECIAL = 256,
};

typedef struct word {
    int start; /* in words' bytes */
    int size;
    int64_t count;
} word;

struct tl_bpe_trainer {
    tl_pretoken *pretoken; /* owned */
    json_t *specials;      /* owned: array of strings */
    tl_buf bytes;          /* of the different words */
    word *words;           /* owned */
    size_t n, capacity;
    int *table; /* owned: words by hash, -1 where empty */
    size_t mask;
};

static int add_special(json_t *specials, const char *name, tl_err *err)
{
    size_t size = strlen(name), i;
    json_t *other;
    if (size == 0 || tl_unicode_valid(name, size) != size)
        return tl_fail(err, TL_EUSAGE, "special token '%s': wanted UTF-8 of at least one byte", name);
    if (size > MAX_SPECIAL)
        return tl_fail(err, TL_EUSAGE, "special token of %zu bytes, the most is %d", size, MAX_SPECIAL);
    char read[MAX_SPECIAL];
    size_t n;
    if (tl_bytelevel_read(read, &n, name, size) && n == 1)
        return tl_fail(err, TL_EUSAGE, "special token '%s': this is how a vocabulary spells byte 0x%02x", name,
                       (unsigned char)read[0]);
    json_array_foreach(specials, i, other) if (strcmp(json_string_value(other), name) == 0) return tl_fail(
        err, TL_EUSAGE, "special token '%s': there twice", name);
    if (json_array_append_new(specials, json_string(name)) < 0)
        return tl_fail(err, TL_ENOMEM, "special token '%s': no memory", name);
    return 0;
}

static int make_pretoken(tl_pretoken *p, tl_err *err)
{
    TL_TRY(tl_pretoken_add_regex(p, "\\p{N}", err));
    return tl_pretoken_add_regex(p, TL_WORD_CUT_GPT2, err);
}

int tl_bpe_trainer_create(tl_bpe_trainer **out, const char *const *extra, size_t n_extra, tl_err *err)
{
    enum {
        FIRST_TABLE = 1 << 12
    };
    tl_bpe_trainer *t = calloc(1, sizeof *t);
    if (!t) return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory");
    t->bytes = tl_buf_make(MAX_BYTES);
    t->specials = json_array();
    t->table = malloc(FIRST_TABLE * sizeof *t->table);
    t->mask = FIRST_TABLE - 1;
    int rc = t->specials && t->table ? 0 : tl_fail(err, TL_ENOMEM, "tokenizer training: no memory");
    if (rc == 0) {
        for (size_t i = 0; i < FIRST_TABLE; i++) t->table[i] = -1;
        rc = tl_pretoken_create(&t->pretoken, err);
    }
    if (rc == 0) rc = make_pretoken(t->pretoken, err);
    if (rc == 0) rc = add_special(t->specials, "<|bos|>", err);
    if (rc == 0) rc = add_special(t->specials, "<|eos|>", err);
    for (size_t i = 0; rc == 0 && i < n_extra; i++) rc = add_special(t->specials, extra[i], err);
    if (rc == 0) {
        *out = t;
        t = NULL;
    }
    tl_bpe_trainer_free(t);
    return rc;
}

void tl_bpe_trainer_free(tl_bpe_trainer *t)
{
    if (!t) return;
    tl_pretoken_free(t->pretoken);
    json_decref(t->specials);
    tl_buf_reset(&t->bytes);
    free(t->words);
    free(t->table);
    free(t);
}

/* ---- counting words ---- */

static uint64_t hash(const char *bytes, size_t size)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, spread downwards for the mask */
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static size_t word_slot(const tl_bpe_trainer *t, const char *bytes, size_t size)
{
    size_t i = hash(bytes, size) & t->mask;
    for (; t->table[i] >= 0; i = (i + 1) & t->mask) {
        const word *w = &t->words[t->table[i]];
        if ((size_t)w->size == size && memcmp(t->bytes.data + w->start, bytes, size) == 0) break;
    }
    return i;
}

static int grow_words(tl_bpe_trainer *t, tl_err *err)
{
    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 1024;
        word *words = realloc(t->words, capacity * sizeof *words);
        if (!words) return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for %zu words", capacity);
        t->words = words;
        t->capacity = capacity;
    }
    if (2 * (t->n + 1) <= t->mask) return 0;
    size_t entries = 2 * (t->mask + 1);
    int *table = malloc(entries * sizeof *table);
    if (!table) return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for %zu words", t->n);
    free(t->table);
    t->table = table;
    t->mask = entries - 1;
    for (size_t i = 0; i < entries; i++) table[i] = -1;
    for (size_t i = 0; i < t->n; i++)
        table[word_slot(t, t->bytes.data + t->words[i].start, (size_t)t->words[i].size)] = (int)i;
    return 0;
}

static int count_word(void *arg, const char *bytes, size_t size, tl_err *err)
{
    tl_bpe_trainer *t = arg;
    for (; size > MAX_WORD; bytes += MAX_WORD, size -= MAX_WORD) TL_TRY(count_word(t, bytes, MAX_WORD, err));
    TL_TRY(grow_words(t, err));
    size_t slot = word_slot(t, bytes, size);
    if (t->table[slot] < 0) {
        t->words[t->n] = (word){ (int)t->bytes.size, (int)size, 0 };
        TL_TRY(tl_buf_append(&t->bytes, bytes, size, err));
        t->table[slot] = (int)t->n++;
    }
    t->words[t->table[slot]].count++;
    return 0;
}

int tl_bpe_trainer_add(tl_bpe_trainer *t, const char *text, size_t size, tl_err *err)
{
    size_t valid = tl_unicode_valid(text, size);
    if (valid < size)
        return tl_fail(err, TL_EDATA, "text of %zu bytes: byte %zu (0x%02x) is not UTF-8", size, valid,
                       (unsigned char)text[valid]);
    return tl_pretoken_split(t->pretoken, text, size, true, count_word, t, err);
}

/* ---- learning ---- */

typedef struct pair {
    int left, right;
    int64_t count;
    tl_ids words; /* where it occurs or did; repeats allowed */
    bool touched; /* its count rose during the present merge */
} pair;

typedef struct candidate {
    int64_t count;
    int left, right, pair;
} candidate;

typedef struct learning {
    const tl_bpe_trainer *from; /* borrowed */
    word *words;                /* owned: a copy; start and size count ids */
    int *ids;                   /* owned: all words, one after the other */
    pair *pairs;                /* owned */
    size_t n_pairs, pairs_capacity;
    int *table; /* owned: pairs by hash, -1 where empty */
    size_t mask;
    candidate *heap; /* owned */
    size_t heap_size, heap_capacity;
    tl_ids touched;  /* pairs to push when the merge is done */
    json_t *vocab;   /* owned: spelt token -> id */
    json_t *merges;  /* owned: "a b" */
    char **spelt;    /* owned, and each: by id */
    int n_ids, size; /* tokens there, tokens wanted */
} learning;

static size_t pair_slot(const learning *l, int left, int right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t i = (h ^ h >> 32) & l->mask;
    for (; l->table[i] >= 0; i = (i + 1) & l->mask) {
        const pair *p = &l->pairs[l->table[i]];
        if (p->left == left && p->right == right) break;
    }
    return i;
}

static int grow_pairs(learning *l, tl_err *err)
{
    if (l->n_pairs < l->pairs_capacity) return 0;
    size_t capacity = l->pairs_capacity ? 2 * l->pairs_capacity : 4096;
    pair *pairs = realloc(l->pairs, capacity * sizeof *pairs);
    if (pairs) l->pairs = pairs;
    int *table = malloc(2 * capacity * sizeof *table);
    if (!pairs || !table) {
        free(table);
        return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for %zu pairs", capacity);
    }
    free(l->table);
    l->table = table;
    l->mask = 2 * capacity - 1;
    l->pairs_capacity = capacity;
    for (size_t i = 0; i < 2 * capacity; i++) table[i] = -1;
    for (size_t i = 0; i < l->n_pairs; i++) table[pair_slot(l, l->pairs[i].left, l->pairs[i].right)] = (int)i;
    return 0;
}

/* delta more of (left, right) in word w. */
static int count_pair(learning *l, int left, int right, int w, int64_t delta, tl_err *err)
{
    TL_TRY(grow_pairs(l, err));
    size_t slot = pair_slot(l, left, right);
    if (l->table[slot] < 0) {
        l->pairs[l->n_pairs] = (pair){ .left = left, .right = right };
        l->table[slot] = (int)l->n_pairs++;
    }
    pair *p = &l->pairs[l->table[slot]];
    p->count += delta;
    assert(p->count >= 0);
    if (delta < 0) return 0;
    if (p->words.size == 0 || p->words.data[p->words.size - 1] != w) TL_TRY(tl_ids_push(&p->words, w, err));
    if (p->touched) return 0;
    p->touched = true;
    return tl_ids_push(&l->touched, l->table[slot], err);
}

static bool goes_first(const candidate *a, const candidate *b)
{
    if (a->count != b->count) return a->count > b->count;
    if (a->left != b->left) return a->left < b->left;
    return a->right < b->right;
}

static int heap_push(learning *l, int index, tl_err *err)
{
    if (l->heap_size == l->heap_capacity) {
        size_t capacity = l->heap_capacity ? 2 * l->heap_capacity : 4096;
        candidate *heap = realloc(l->heap, capacity * sizeof *heap);
        if (!heap) return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for %zu pairs", capacity);
        l->heap = heap;
        l->heap_capacity = capacity;
    }
    const pair *p = &l->pairs[index];
    candidate c = { p->count, p->left, p->right, index };
    size_t i = l->heap_size++;
    for (; i > 0 && goes_first(&c, &l->heap[(i - 1) / 2]); i = (i - 1) / 2) l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = c;
    return 0;
}

static candidate heap_pop(learning *l)
{
    candidate top = l->heap[0], c = l->heap[--l->heap_size];
    size_t i = 0, n = l->heap_size;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && goes_first(&l->heap[child + 1], &l->heap[child])) child++;
        if (!goes_first(&l->heap[child], &c)) break;
        l->heap[i] = l->heap[child];
    }
    l->heap[i] = c;
    return top;
}

static int push_touched(learning *l, tl_err *err)
{
    for (size_t i = 0; i < l->touched.size; i++) {
        l->pairs[l->touched.data[i]].touched = false;
        TL_TRY(heap_push(l, l->touched.data[i], err));
    }
    l->touched.size = 0;
    return 0;
}

/* A new token; its id is the number of those before. */
static int new_token(learning *l, const char *spelt, tl_err *err)
{
    l->spelt[l->n_ids] = strdup(spelt);
    if (!l->spelt[l->n_ids] || json_object_set_new(l->vocab, spelt, json_integer(l->n_ids)) < 0)
        return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for token %d", l->n_ids);
    l->n_ids++;
    return 0;
}

/* Every (left, right) in word w becomes id. */
static int merge_in_word(learning *l, int w, int left, int right, int id, tl_err *err)
{
    assert(w >= 0 && (size_t)w < l->from->n);
    word *here = &l->words[w];
    int *s = l->ids + here->start, n = here->size, m = 0;
    for (int i = 0; i < n; i++) {
        if (i + 1 == n || s[i] != left || s[i + 1] != right) {
            s[m++] = s[i];
            continue;
        }
        TL_TRY(count_pair(l, left, right, w, -here->count, err));
        if (m > 0) {
            TL_TRY(count_pair(l, s[m - 1], left, w, -here->count, err));
            TL_TRY(count_pair(l, s[m - 1], id, w, here->count, err));
        }
        if (i + 2 < n) {
            TL_TRY(count_pair(l, right, s[i + 2], w, -here->count, err));
            TL_TRY(count_pair(l, id, s[i + 2], w, here->count, err));
        }
        s[m++] = id;
        i++;
    }
    here->size = m;
    return 0;
}

/* Two pairs can spell the same token: then it is one token with two merges.  What spells a special token is never made,
 * for the text would then hold what only a program may say. */
static int merge_pair(learning *l, int index, tl_err *err)
{
    int left = l->pairs[index].left, right = l->pairs[index].right;
    char spelt[2 * MAX_TOKEN + 1], line[2 * MAX_TOKEN + 2];
    strcat(strcpy(spelt, l->spelt[left]), l->spelt[right]);
    const json_t *known = json_object_get(l->vocab, spelt);
    int id = known ? (int)json_integer_value(known) : l->n_ids;
    if (id < (int)json_array_size(l->from->specials)) return 0;
    if (!known) TL_TRY(new_token(l, spelt, err));
    strcat(strcat(strcpy(line, l->spelt[left]), " "), l->spelt[right]);
    if (json_array_append_new(l->merges, json_string(line)) < 0)
        return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for merges");
    tl_ids words = l->pairs[index].words; /* taken: the table may move below */
    l->pairs[index].words = (tl_ids){ 0 };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < words.size; i++) rc = merge_in_word(l, words.data[i], left, right, id, err);
    tl_ids_reset(&words);
    return rc < 0 ? rc : push_touched(l, err);
}

static int learn(learning *l, tl_err *err)
{
    TL_TRY(push_touched(l, err));
    while (l->n_ids < l->size && l->heap_size) {
        candidate c = heap_pop(l);
        int64_t now = l->pairs[c.pair].count;
        if (now < 2) continue;
        if (c.count == now)
            TL_TRY(merge_pair(l, c.pair, err));
        else if (c.count > now)
            TL_TRY(heap_push(l, c.pair, err));
    }
    return 0;
}

static int base_tokens(learning *l, tl_err *err)
{
    size_t i;
    json_t *special;
    json_array_foreach(l->from->specials, i, special) TL_TRY(new_token(l, json_string_value(special), err));
    for (int b = 0; b < 256; b++) {
        char byte = (char)b, letter[3] = { 0 };
        tl_bytelevel_spell(letter, &byte, 1);
        TL_TRY(new_token(l, letter, err));
    }
    return 0;
}

/* All words as the ids of their bytes, and their pairs counted. */
static int copy_words(learning *l, tl_err *err)
{
    const tl_bpe_trainer *t = l->from;
    int first_byte = (int)json_array_size(t->specials);
    l->words = malloc((t->n + 1) * sizeof *l->words);
    l->ids = malloc((t->bytes.size + 1) * sizeof *l->ids);
    if (!l->words || !l->ids)
        return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for %zu bytes of words", t->bytes.size);
    for (size_t i = 0; i < t->bytes.size; i++) l->ids[i] = first_byte + (unsigned char)t->bytes.data[i];
    for (size_t w = 0; w < t->n; w++) {
        l->words[w] = t->words[w];
        const int *s = l->ids + t->words[w].start;
        for (int i = 0; i + 1 < t->words[w].size; i++)
            TL_TRY(count_pair(l, s[i], s[i + 1], (int)w, t->words[w].count, err));
    }
    return 0;
}

static void reset_learning(learning *l)
{
    for (size_t i = 0; i < l->n_pairs; i++) tl_ids_reset(&l->pairs[i].words);
    for (int i = 0; i < l->n_ids; i++) free(l->spelt[i]);
    free(l->spelt);
    free(l->words);
    free(l->ids);
    free(l->pairs);
    free(l->table);
    free(l->heap);
    tl_ids_reset(&l->touched);
    json_decref(l->vocab);
    json_decref(l->merges);
}

static int run_learning(learning *l, tl_err *err)
{
    l->vocab = json_object();
    l->merges = json_array();
    l->spelt = calloc((size_t)l->size, sizeof *l->spelt);
    if (!l->vocab || !l->merges || !l->spelt)
        return tl_fail(err, TL_ENOMEM, "tokenizer training: no memory for %d tokens", l->size);
    TL_TRY(base_tokens(l, err));
    TL_TRY(copy_words(l, err));
    return learn(l, err);
}

/* ---- the files ---- */

static json_t *added_tokens_json(const json_t *specials)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < json_array_size(specials); i++) {
        json_t *row =
            json_pack("{s:i, s:O, s:b, s:b, s:b, s:b, s:b}", "id", (int)i, "content", json_array_get(specials, i),
                      "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
        if (json_array_append_new(list, row) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* tokenizer.json as version 1.0 writes it; the keys stand in the order of its makers. */
static json_t *tokenizer_json(const learning *l)
{
    json_t *digits = json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1);
    json_t *bytes = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                              "use_regex", 1);
    json_t *single = json_pack("[{s:{s:s, s:i}}, {s:{s:s, s:i}}]", "SpecialToken", "id", "<|bos|>", "type_id", 0,
                               "Sequence", "id", "A", "type_id", 0);
    json_t *two = json_pack("[{s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}]", "SpecialToken", "id", "<|bos|>",
                            "type_id", 0, "Sequence", "id", "A", "type_id", 0, "Sequence", "id", "B", "type_id", 1);
    json_t *template =
        json_pack("{s:s, s:o, s:o, s:{s:{s:s, s:[i], s:[s]}}}", "type", "TemplateProcessing", "single", single, "pair",
                  two, "special_tokens", "<|bos|>", "id", "<|bos|>", "ids", 0, "tokens", "<|bos|>");
    json_t *model = json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout",
                              "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                              "byte_fallback", 0, "ignore_merges", 0, "vocab", l->vocab, "merges", l->merges);
    return json_pack("{s:s, s:n, s:n, s:o, s:n, s:{s:s, s:[o, o]}, s:o, s:O, s:o}", "version", "1.0", "truncation",
                     "padding", "added_tokens", added_tokens_json(l->from->specials), "normalizer", "pre_tokenizer",
                     "type", "Sequence", "pretokenizers", digits, bytes, "post_processor", template, "decoder", bytes,
                     "model", model);
}

static int save_in(const char *dir, const char *name, json_t *json, tl_err *err)
{
    char path[PATH_MAX];
    TL_TRY(tl_path_join(path, sizeof path, dir, name, err));
    if (!json) return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    return tl_json_save(path, json, err);
}

static int save_files(const learning *l, const char *dir, tl_err *err)
{
    TL_TRY(tl_dir_make(dir, err));
    json_t *whole = tokenizer_json(l);
    json_t *config = json_pack("{s:s, s:s, s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "bos_token",
                               "<|bos|>", "eos_token", "<|eos|>", "clean_up_tokenization_spaces", 0);
    int rc = save_in(dir, "tokenizer.json", whole, err);
    if (rc == 0) rc = save_in(dir, "tokenizer_config.json", config, err);
    json_decref(whole);
    json_decref(config);
    return rc;
}

int tl_bpe_trainer_save(const tl_bpe_trainer *t, int vocab_size, const char *dir, tl_err *err)
{
    int least = (int)json_array_size(t->specials) + 256;
    if (vocab_size < least || vocab_size > MAX_VOCAB)
        return tl_fail(err, TL_EUSAGE, "vocabulary of %d tokens: wanted %d (special tokens and bytes) to %d",
                       vocab_size, least, MAX_VOCAB);
    learning l = { .from = t, .size = vocab_size };
    int rc = run_learning(&l, err);
    if (rc == 0) rc = save_files(&l, dir, err);
    reset_learning(&l);
    return rc;
}
