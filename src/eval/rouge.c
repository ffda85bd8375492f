/* rouge.c - words to numbers, then n-grams by sorting and subsequences by the table.
 *
 * Both texts become one list of words, the reference's first.  Sorting them gives
 * equal words equal numbers, so all that follows compares ints; a pair of
 * neighbours is one 64-bit key.
 *
 * The longest common subsequence of x[0..m) and y[0..n) is the usual table
 *
 *     t[i][j] = t[i-1][j-1] + 1                   where x[i-1] = y[j-1]
 *               max(t[i-1][j], t[i][j-1])         elsewhere
 *
 * of which two rows suffice for the length.  Lsum must also know which words are
 * in it, and where several sequences are longest, the same one as its model: it
 * walks back from t[m][n], to the left only where that is strictly longer than
 * up.  That question is one bit a cell, kept for the walk. */
#include "eval/rouge.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct word {
    const char *text; /* borrowed from small letters */
    int size;
    int place; /* in the list of both texts */
    int line;
} word;

typedef struct text {
    int n;      /* words */
    int *ids;   /* [n], borrowed from the work */
    int *lines; /* [n], the line each word stands on, rising; borrowed from the work */
} text;

/* What one measurement takes, in few blocks. */
typedef struct work {
    char *small;    /* owned; both texts in small letters */
    word *words;    /* owned, [n_words] */
    int *ids;       /* owned, [n_words] */
    int *lines;     /* owned, [n_words] */
    uint64_t *keys; /* owned, [n_words]: n-grams to be sorted */
    int *row;       /* owned, [candidate's words + 1]: a row of the table */
    int *left;      /* owned, [n_ids]: how often a word may still be hit */
    bool *hit;      /* owned, [reference's words] */
    uint8_t *bits;  /* owned; the walk's question, a bit a cell */
    int n_ids;      /* different words */
    text ref, can;
} work;

static void work_reset(work *w)
{
    free(w->small);
    free(w->words);
    free(w->ids);
    free(w->lines);
    free(w->keys);
    free(w->row);
    free(w->left);
    free(w->hit);
    free(w->bits);
}

static bool is_word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
}

/* Bytes outside ASCII separate, so they become spaces; but for two characters whose small
 * letter is ASCII: the Kelvin sign (U+212A) is a k, and the capital I with a dot (U+0130)
 * an i followed by a combining dot, which separates.  out holds strlen(s) + 1 bytes. */
static void lower(char *out, const char *s)
{
    while (*s) {
        if (*s >= 'A' && *s <= 'Z') {
            *out++ = (char)(*s++ - 'A' + 'a');
        } else if (strncmp(s, "\xe2\x84\xaa", 3) == 0) {
            *out++ = 'k';
            s += 3;
        } else if (strncmp(s, "\xc4\xb0", 2) == 0) {
            *out++ = 'i';
            *out++ = ' ';
            s += 2;
        } else {
            *out++ = *s & (char)0x80 ? ' ' : *s;
            s++;
        }
    }
    *out = '\0';
}

/* Count the words of s; where words is not NULL, also list them, numbered from first on. */
static size_t split(const char *s, word *words, int first)
{
    size_t n = 0;
    int line = 0;
    while (*s) {
        if (!is_word(*s)) {
            line += *s++ == '\n';
            continue;
        }
        const char *start = s;
        while (is_word(*s)) s++;
        if (words) words[n] = (word){ start, (int)(s - start), first + (int)n, line };
        n++;
    }
    return n;
}

static int by_text(const void *a, const void *b)
{
    const word *x = a, *y = b;
    int shorter = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, (size_t)shorter);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int read_texts(work *w, const char *reference, const char *candidate, tl_err *err)
{
    size_t nr = strlen(reference), nc = strlen(candidate);
    if (nr >= INT32_MAX / 2 || nc >= INT32_MAX / 2)
        return tl_fail(err, TL_EDATA, "ROUGE: texts of %zu and %zu bytes, at most 1 GiB each wanted", nr, nc);
    w->small = malloc(nr + nc + 2);
    if (!w->small) return tl_fail(err, TL_ENOMEM, "ROUGE: no memory for texts of %zu and %zu bytes", nr, nc);
    char *small_can = w->small + nr + 1;
    lower(w->small, reference);
    lower(small_can, candidate);

    size_t m = split(w->small, NULL, 0), n = split(small_can, NULL, 0);
    if (m > TL_ROUGE_WORDS || n > TL_ROUGE_WORDS)
        return tl_fail(err, TL_EDATA, "ROUGE: the %s has %zu words, at most %d wanted",
                       m > TL_ROUGE_WORDS ? "reference" : "candidate", m > TL_ROUGE_WORDS ? m : n, TL_ROUGE_WORDS);
    size_t all = m + n;
    w->words = calloc(all + 1, sizeof *w->words);
    w->ids = calloc(all + 1, sizeof *w->ids);
    w->lines = calloc(all + 1, sizeof *w->lines);
    w->keys = calloc(all + 1, sizeof *w->keys);
    w->row = calloc(n + 1, sizeof *w->row);
    w->hit = calloc(m + 1, sizeof *w->hit);
    if (!w->words || !w->ids || !w->lines || !w->keys || !w->row || !w->hit)
        return tl_fail(err, TL_ENOMEM, "ROUGE: no memory for %zu words", all);
    split(w->small, w->words, 0);
    split(small_can, w->words + m, (int)m);

    qsort(w->words, all, sizeof *w->words, by_text);
    for (size_t i = 0; i < all; i++) {
        if (i == 0 || by_text(&w->words[i - 1], &w->words[i]) != 0) w->n_ids++;
        w->ids[w->words[i].place] = w->n_ids - 1;
        w->lines[w->words[i].place] = w->words[i].line;
    }
    w->ref = (text){ (int)m, w->ids, w->lines };
    w->can = (text){ (int)n, w->ids + m, w->lines + m };
    return 0;
}

static tl_rouge_score score(int hits, int in_reference, int in_candidate)
{
    tl_rouge_score s = { 0 };
    if (in_candidate > 0) s.precision = (double)hits / in_candidate;
    if (in_reference > 0) s.recall = (double)hits / in_reference;
    if (hits > 0) s.f = 2 * s.precision * s.recall / (s.precision + s.recall);
    return s;
}

/* The n-grams of x, n 1 or 2, as sorted keys; how many they are. */
static int grams(uint64_t *keys, const text *x, int n)
{
    int count = x->n - n + 1;
    if (count <= 0) return 0;
    for (int i = 0; i < count; i++) keys[i] = (uint64_t)x->ids[i] << 32 | (uint64_t)(n == 2 ? x->ids[i + 1] : 0);
    qsort(keys, (size_t)count, sizeof *keys, by_key);
    return count;
}

static tl_rouge_score score_grams(work *w, int n)
{
    uint64_t *x = w->keys, *y = w->keys + w->ref.n;
    int nx = grams(x, &w->ref, n), ny = grams(y, &w->can, n), hits = 0;
    for (int i = 0, j = 0; i < nx && j < ny;) {
        if (x[i] == y[j]) {
            hits++;
            i++;
            j++;
        } else if (x[i] < y[j]) {
            i++;
        } else {
            j++;
        }
    }
    return score(hits, nx, ny);
}

/* The length of the longest common subsequence of x[m] and y[n].  Where bits is not
 * NULL, bit i * n + j (counted from 0) says whether the walk goes left there. */
static int common(int *row, uint8_t *bits, const int *x, int m, const int *y, int n)
{
    memset(row, 0, ((size_t)n + 1) * sizeof *row);
    if (bits) memset(bits, 0, ((size_t)m * (size_t)n + 7) / 8);
    for (int i = 0; i < m; i++) {
        int corner = 0; /* t[i][j] while row[j+1] is overwritten */
        for (int j = 0; j < n; j++) {
            int up = row[j + 1], left = row[j];
            if (x[i] == y[j]) {
                row[j + 1] = corner + 1;
            } else if (left > up) {
                row[j + 1] = left;
                size_t cell = (size_t)i * (size_t)n + (size_t)j;
                if (bits) bits[cell / 8] |= (uint8_t)(1u << cell % 8);
            }
            corner = up;
        }
    }
    return row[n];
}

/* Mark in hit the words of x that the chosen subsequence has. */
static void walk_back(bool *hit, const uint8_t *bits, const int *x, int m, const int *y, int n)
{
    for (int i = m - 1, j = n - 1; i >= 0 && j >= 0;) {
        size_t cell = (size_t)i * (size_t)n + (size_t)j;
        if (x[i] == y[j]) {
            hit[i--] = true;
            j--;
        } else if (bits[cell / 8] >> cell % 8 & 1) {
            j--;
        } else {
            i--;
        }
    }
}

/* The end of the line that begins with word i. */
static int line_end(const text *x, int i)
{
    int line = x->lines[i];
    while (i < x->n && x->lines[i] == line) i++;
    return i;
}

static int longest_line(const text *x)
{
    int longest = 0;
    for (int i = 0, end; i < x->n; i = end) {
        end = line_end(x, i);
        if (end - i > longest) longest = end - i;
    }
    return longest;
}

static int score_lines(tl_rouge_score *out, work *w, tl_err *err)
{
    const text *ref = &w->ref, *can = &w->can;
    size_t cells = (size_t)longest_line(ref) * (size_t)longest_line(can);
    w->bits = malloc(cells / 8 + 1);
    w->left = calloc((size_t)w->n_ids + 1, sizeof *w->left);
    if (!w->bits || !w->left) return tl_fail(err, TL_ENOMEM, "ROUGE: no memory for a table of %zu cells", cells);

    for (int r = 0, r_end; r < ref->n; r = r_end) {
        r_end = line_end(ref, r);
        for (int c = 0, c_end; c < can->n; c = c_end) {
            c_end = line_end(can, c);
            common(w->row, w->bits, ref->ids + r, r_end - r, can->ids + c, c_end - c);
            walk_back(w->hit + r, w->bits, ref->ids + r, r_end - r, can->ids + c, c_end - c);
        }
    }
    /* The reference hits each of its words once, so only the candidate's copies can run out. */
    for (int i = 0; i < can->n; i++) w->left[can->ids[i]]++;
    int hits = 0;
    for (int i = 0; i < ref->n; i++)
        if (w->hit[i] && w->left[ref->ids[i]] > 0) {
            w->left[ref->ids[i]]--;
            hits++;
        }
    *out = score(hits, ref->n, can->n);
    return 0;
}

int tl_rouge_measure(tl_rouge *out, const char *reference, const char *candidate, tl_err *err)
{
    work w = { 0 };
    tl_rouge r = { 0 };
    int rc = read_texts(&w, reference, candidate, err);
    if (rc < 0) goto done;
    r.one = score_grams(&w, 1);
    r.two = score_grams(&w, 2);
    r.l = score(common(w.row, NULL, w.ref.ids, w.ref.n, w.can.ids, w.can.n), w.ref.n, w.can.n);
    rc = score_lines(&r.lsum, &w, err);
    if (rc == 0) *out = r;
done:
    work_reset(&w);
    return rc;
}
