/* gguf_cost_test.c - what a stranger's GGUF file costs: memory by its bytes, whatever it says of itself.
 *
 * The program's malloc counts here.  Files are cut at every byte, their counts and lengths made to lie, their bytes
 * changed by a seed: reading one takes a small multiple of its own size at most. */
#define _GNU_SOURCE /* nftw */
#include "io/gguf.h"

#include "base/rng.h"
#include "io/atomic.h"
#include "io/safetensors.h"
#include "model/model_gguf.h"
#include "tests/check.h"
#include "text/tokenizer_gguf.h"

#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS false
#else
#define COUNTS true
static _Thread_local size_t live, peak;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static void *count(void *p)
{
    live += p ? malloc_usable_size(p) : 0;
    if (live > peak) peak = live;
    return p;
}

void *malloc(size_t size)
{
    return count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    live -= p ? malloc_usable_size(p) : 0;
    return count(__libc_realloc(p, size));
}

void free(void *p)
{
    live -= p ? malloc_usable_size(p) : 0;
    __libc_free(p);
}
#endif

enum {
    TIMES = 64,       /* an object of JSON takes most: about a hundred bytes for a token that takes nine */
    ANYWAY = 64 << 10 /* an empty file's */
};

/* Everything that is made of a file before its tensors are looked at. */
static void read_all(const void *bytes, size_t size)
{
    tl_gguf *g = NULL;
    tl_config c;
    tl_layout layout;
    json_t *whole = NULL, *config = NULL;
    if (tl_gguf_read(&g, "file", bytes, size, NULL) < 0) return;
    tl_gguf_config(&c, &layout, g, NULL);
    if (tl_tokenizer_gguf(&whole, &config, g, NULL) == 0) {
        json_decref(whole);
        json_decref(config);
    }
    tl_gguf_close(g);
}

static void check_cost(const unsigned char *bytes, size_t size, const char *what, size_t where)
{
#if COUNTS
    size_t before = live;
    peak = live;
    read_all(bytes, size);
    if (live != before) fail_msg("%s (%zu): %zd bytes are not given back", what, where, live - before);
    if (peak - before > ANYWAY + TIMES * size)
        fail_msg("%s (%zu): %zu bytes of file take %zu of memory", what, where, size, peak - before);
#else
    (void)what, (void)where;
    read_all(bytes, size);
#endif
}

static const char *const files[] = { "tests/golden/gguf/sample.gguf",    "tests/golden/gguf/tiny-vocab.gguf",
                                     "tests/golden/gguf/llama3.gguf",    "tests/golden/gguf/phi3.gguf",
                                     "tests/golden/gguf/qwen3-moe.gguf", "tests/fuzz/corpus/gguf/characters.gguf" };
enum {
    FILES = sizeof files / sizeof *files
};

static tl_buf load(const char *path)
{
    tl_err err;
    tl_buf b = tl_buf_make(1 << 20);
    CHECK_OK(tl_file_read(path, 1 << 20, &b, &err), err);
    return b;
}

/* Where the tensors' bytes begin: no byte behind it says anything. */
static size_t header_size(const tl_buf *b)
{
    tl_gguf *g = NULL;
    tl_err err;
    CHECK_OK(tl_gguf_read(&g, "file", b->data, b->size, &err), err);
    const char *first = b->data + b->size;
    for (int i = 0; i < tl_gguf_count(g); i++)
        if ((const char *)tl_gguf_at(g, i)->data < first) first = tl_gguf_at(g, i)->data;
    tl_gguf_close(g);
    return (size_t)(first - b->data);
}

TEST(a_file_cut_at_any_byte_of_its_header_costs_little)
{
    for (int i = 0; i < FILES; i++) {
        tl_buf b = load(files[i]);
        size_t n = header_size(&b);
        for (size_t k = 0; k <= n; k++) check_cost((unsigned char *)b.data, k, files[i], k);
        tl_buf_reset(&b);
    }
}

/* Every eight bytes that could be a length or a count, as if they were a large one. */
TEST(lengths_and_counts_that_lie_cost_little)
{
    static const uint64_t lies[] = { 0, 1000, 1u << 20, 1u << 31, 1ull << 40, UINT64_MAX };
    for (int i = 0; i < FILES; i++) {
        tl_buf b = load(files[i]);
        size_t n = header_size(&b);
        for (size_t k = 8; k + 8 <= n; k++) {
            unsigned char was[8];
            uint64_t length;
            memcpy(was, b.data + k, 8);
            memcpy(&length, was, 8);
            if (length > b.size) continue; /* letters */
            for (size_t l = 0; l < sizeof lies / sizeof *lies; l++) {
                memcpy(b.data + k, &lies[l], 8);
                check_cost((unsigned char *)b.data, b.size, files[i], k);
            }
            memcpy(b.data + k, was, 8);
        }
        tl_buf_reset(&b);
    }
}

TEST(changed_bytes_cost_little)
{
    for (int i = 0; i < FILES; i++) {
        tl_buf b = load(files[i]);
        size_t n = header_size(&b);
        tl_rng r = tl_rng_make(11, (uint64_t)i);
        for (int k = 0; k < 2000; k++) {
            unsigned char was[4];
            size_t at[4];
            for (int c = 0; c < 4; c++) {
                at[c] = tl_rng_below(&r, (uint32_t)n);
                was[c] = (unsigned char)b.data[at[c]];
                b.data[at[c]] = (char)tl_rng_below(&r, c ? 256 : 4);
            }
            check_cost((unsigned char *)b.data, b.size, files[i], (size_t)k);
            for (int c = 4; c-- > 0;) b.data[at[c]] = (char)was[c];
        }
        tl_buf_reset(&b);
    }
}

RUN_TESTS(CASE(a_file_cut_at_any_byte_of_its_header_costs_little), CASE(lengths_and_counts_that_lie_cost_little),
          CASE(changed_bytes_cost_little))
