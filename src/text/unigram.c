/* unigram.c - Viterbi's search over a trie of the pieces.
 *
 *     best[end] = max over pieces text[start..end) of  best[start] + score(piece)
 *
 * From each character's start the trie is walked as far as the text follows it: that finds every piece that begins
 * there.  On a tie the earlier start stays, as in the reference.  The trie is an open hash of (node,
 * byte) -> node: three words an edge, and an edge looked up is one cache line. */
#include "text/unigram.h"

#include "base/size.h"
#include "text/unicode.h"

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define UNKNOWN_PENALTY 10.0

typedef struct edge {
    uint32_t from; /* node << 8 | byte, plus 1; 0: empty */
    uint32_t to;
} edge;

typedef struct node {
    int id; /* of the piece that ends here; -1: none */
    double score;
} node;

struct tl_unigram {
    edge *edges; /* owned; open addressing, at most half full */
    size_t mask, n_edges;
    node *nodes; /* owned; 0 is the root */
    size_t n_nodes, capacity;
    double unknown; /* score of an unknown character */
    int unk;
    bool single;
};

enum {
    MAX_NODES = 1 << 24 /* node << 8 | byte fits in 32 bits */
};

int tl_unigram_create(tl_unigram **out, tl_err *err)
{
    tl_unigram *u = calloc(1, sizeof *u);
    if (u) u->edges = calloc(1024, sizeof *u->edges);
    if (u) u->nodes = calloc(512, sizeof *u->nodes);
    if (!u || !u->edges || !u->nodes) {
        tl_unigram_free(u);
        return tl_fail(err, TL_ENOMEM, "unigram: no memory");
    }
    u->mask = 1023;
    u->capacity = 512;
    u->n_nodes = 1;
    u->nodes[0].id = -1;
    *out = u;
    return 0;
}

void tl_unigram_free(tl_unigram *u)
{
    if (!u) return;
    free(u->edges);
    free(u->nodes);
    free(u);
}

static edge *edge_slot(edge *edges, size_t mask, uint32_t from)
{
    size_t i = (size_t)(from * 0x9e3779b97f4a7c15u >> 29) & mask;
    while (edges[i].from && edges[i].from != from) i = (i + 1) & mask;
    return &edges[i];
}

static int grow_edges(tl_unigram *u, tl_err *err)
{
    size_t mask = 2 * u->mask + 1;
    edge *edges = calloc(mask + 1, sizeof *edges);
    if (!edges) return tl_fail(err, TL_ENOMEM, "unigram: no memory for %zu edges", mask);
    for (size_t i = 0; i <= u->mask; i++)
        if (u->edges[i].from) *edge_slot(edges, mask, u->edges[i].from) = u->edges[i];
    free(u->edges);
    u->edges = edges;
    u->mask = mask;
    return 0;
}

static int grow_nodes(tl_unigram *u, tl_err *err)
{
    size_t bytes;
    node *nodes = tl_size_mul(&bytes, 2 * u->capacity, sizeof *nodes) ? realloc(u->nodes, bytes) : NULL;
    if (!nodes) return tl_fail(err, TL_ENOMEM, "unigram: no memory for %zu nodes", 2 * u->capacity);
    u->nodes = nodes;
    u->capacity *= 2;
    return 0;
}

static uint32_t edge_key(uint32_t node_at, char byte)
{
    return (node_at << 8 | (unsigned char)byte) + 1;
}

int tl_unigram_put(tl_unigram *u, const char *piece, size_t size, int id, double score, tl_err *err)
{
    uint32_t at = 0;
    for (size_t i = 0; i < size; i++) {
        if (2 * u->n_edges > u->mask) TL_TRY(grow_edges(u, err));
        if (u->n_nodes == u->capacity) TL_TRY(grow_nodes(u, err));
        if (u->n_nodes >= MAX_NODES - 1) return tl_fail(err, TL_EUNSUPPORTED, "unigram: pieces of too many letters");
        edge *e = edge_slot(u->edges, u->mask, edge_key(at, piece[i]));
        if (!e->from) {
            u->nodes[u->n_nodes] = (node){ .id = -1 };
            *e = (edge){ edge_key(at, piece[i]), (uint32_t)u->n_nodes++ };
            u->n_edges++;
        }
        at = e->to;
    }
    u->nodes[at] = (node){ id, score };
    return 0;
}

int tl_unigram_seal(tl_unigram *u, int unk, bool single, tl_err *err)
{
    double low = DBL_MAX;
    for (size_t i = 0; i < u->n_nodes; i++)
        if (u->nodes[i].id >= 0 && u->nodes[i].score < low) low = u->nodes[i].score;
    if (low == DBL_MAX) return tl_fail(err, TL_EFORMAT, "unigram: no piece");
    u->unknown = single ? (double)(float)(low - UNKNOWN_PENALTY) : low - UNKNOWN_PENALTY;
    u->unk = unk;
    u->single = single;
    return 0;
}

/* The best way to a place of the text. */
typedef struct way {
    double score;
    uint32_t start; /* of its last piece */
    int id;         /* of that; -1: nothing ends here */
} way;

static void offer(const tl_unigram *u, way *to, double score, size_t start, int id)
{
    if (u->single) score = (double)(float)score;
    if (to->id < 0 || score > to->score) *to = (way){ score, (uint32_t)start, id };
}

static void search(const tl_unigram *u, way *ways, const char *text, size_t size)
{
    for (size_t i = 0; i <= size; i++) ways[i].id = -1;
    ways[0].score = 0;
    for (size_t start = 0, n; start < size; start += n) {
        bool whole = false; /* a piece of just this character */
        uint32_t at = 0;
        tl_unicode_first(text + start, size - start, &n);
        for (size_t end = start; end < size;) {
            const edge *e = edge_slot(u->edges, u->mask, edge_key(at, text[end++]));
            if (!e->from) break;
            at = e->to;
            if (u->nodes[at].id < 0) continue;
            offer(u, &ways[end], ways[start].score + u->nodes[at].score, start, u->nodes[at].id);
            whole = whole || end == start + n;
        }
        if (!whole) offer(u, &ways[start + n], ways[start].score + u->unknown, start, u->unk);
    }
}

/* The pieces from the end backwards, their starts into out, last first; how many. */
static size_t trace(const way *ways, size_t size, uint32_t *out)
{
    size_t n = 0;
    for (size_t end = size; end > 0; end = ways[end].start) out[n++] = (uint32_t)end;
    return n;
}

static int hand_out(const tl_unigram *u, const way *ways, const char *text, const uint32_t *ends, size_t n,
                    tl_unigram_fn *each, void *arg, tl_err *err)
{
    while (n-- > 0) {
        size_t start = ways[ends[n]].start, end = ends[n];
        int id = ways[end].id;
        while (id == u->unk && n > 0 && ways[ends[n - 1]].id == u->unk) end = ends[--n];
        TL_TRY(each(arg, id, text + start, end - start, err));
    }
    return 0;
}

int tl_unigram_encode(const tl_unigram *u, const char *text, size_t size, tl_unigram_fn *each, void *arg, tl_err *err)
{
    way *ways = calloc(size + 1, sizeof *ways);
    uint32_t *ends = calloc(size + 1, sizeof *ends);
    int rc = 0;
    if (ways && ends) {
        search(u, ways, text, size);
        rc = hand_out(u, ways, text, ends, trace(ways, size, ends), each, arg, err);
    } else {
        rc = tl_fail(err, TL_ENOMEM, "unigram: no memory for a text of %zu bytes", size);
    }
    free(ways);
    free(ends);
    return rc;
}
