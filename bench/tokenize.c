/* tokenize.c - the rows of encoding: the source's own text and pages, by one core.
 *
 * The vocabulary is Qwen2's where ../shared has it, else the shipped base's.  "text" encodes all of it at once, "lines"
 * line by line, as a batch of short texts comes. */
#include "bench/bench.h"

#include "base/buf.h"
#include "base/clock.h"
#include "io/atomic.h"
#include "text/tokenizer.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST = 64 << 20
};

typedef struct encoding {
    tl_tokenizer *tokenizer; /* owned */
    tl_buf text;
    tl_ids ids;
    bool lines;
} encoding;

const char *tl_bench_tokenizer_dir(void)
{
    static const char shared[] = "../shared/data/tokenizers/qwen2";
    return access(shared, R_OK) == 0 ? shared : "models/tailor-base";
}

static int read_tree(tl_buf *out, tl_err *err)
{
    static const char *const patterns[] = { "src/*/*.c", "src/*/*.h", "docs/*.md" };
    glob_t found = { .gl_pathc = 0 };
    int rc = 0;
    for (int i = 0; i < 3; i++) glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) rc = tl_file_read(found.gl_pathv[i], MOST, out, err);
    globfree(&found);
    return rc < 0 || out->size > 0 ? rc : tl_fail(err, TL_EIO, "src/*/*.c: nothing there; run from the source's root");
}

static int encode(encoding *e, tl_err *err)
{
    e->ids.size = 0;
    if (!e->lines) return tl_tokenizer_encode(e->tokenizer, e->text.data, e->text.size, TL_ENCODE_PLAIN, &e->ids, err);
    for (const char *at = e->text.data, *end = at + e->text.size, *next; at < end; at = next) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        next = line ? line + 1 : end;
        TL_TRY(tl_tokenizer_encode(e->tokenizer, at, (size_t)(next - at), TL_ENCODE_PLAIN, &e->ids, err));
    }
    return 0;
}

static int encoding_open(void **state, const tl_bench_row *row, const tl_bench_options *o, tl_err *err)
{
    (void)o;
    encoding *e = *state = calloc(1, sizeof *e);
    if (!e) return tl_fail(err, TL_ENOMEM, "no memory for a text");
    e->text = tl_buf_make(MOST);
    e->lines = strcmp(row->kind, "lines") == 0;
    TL_TRY(tl_tokenizer_open(&e->tokenizer, tl_bench_tokenizer_dir(), err));
    TL_TRY(read_tree(&e->text, err));
    return encode(e, err);
}

static int encoding_turn(void *state, tl_bench_turn *out, tl_err *err)
{
    encoding *e = state;
    const double before = tl_seconds();
    TL_TRY(encode(e, err));
    out->n = 1;
    out->part[0].value = (double)e->text.size / 1e6 / (tl_seconds() - before);
    return 0;
}

static void encoding_close(void *state)
{
    encoding *e = state;
    tl_tokenizer_free(e->tokenizer);
    tl_buf_reset(&e->text);
    tl_ids_reset(&e->ids);
    free(e);
}

const tl_bench_work tl_bench_tokenize = { encoding_open, encoding_turn, encoding_close };
