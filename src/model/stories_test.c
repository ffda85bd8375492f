/* stories_test.c - a model that others trained tells its story to the letter.
 *
 * stories260K (in ../shared, or where TAILOR_SHARED says) is a llama2.c checkpoint: 7 int32 and then f32 tensors, all
 * layers of a kind together:
 *
 *     dim hidden_dim n_layers n_heads n_kv_heads vocab_size seq_len
 *     tokens; norm1; q; k; v; o; norm2; gate; down; up; norm; (rotary tables)
 *
 * Its rotary pairs are neighbours (2i, 2i+1) where Hugging Face turns halves (i, i+h/2), so rows of q and k change
 * places.  The checkpoint is put into a model of ours, written, read back as any base, and asked for 200 tokens. */
#define _GNU_SOURCE /* nftw */
#include "model/forward.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include "io/atomic.h"

enum {
    STEPS = 200
};

static void shared_path(char out[400], const char *name)
{
    const char *home = getenv("TAILOR_SHARED");
    snprintf(out, 400, "%s/models/stories260K/%s", home ? home : "../shared", name);
}

/* The whole file, or false. */
static bool read_shared(tl_buf *b, const char *name)
{
    char path[400];
    shared_path(path, name);
    *b = tl_buf_make(4 << 20);
    return tl_file_read(path, 4 << 20, b, NULL) == 0;
}

/* The next rows * cols floats of the file into w. */
static void take(tl_weight *w, const float **from)
{
    size_t n = (size_t)w->rows * (size_t)w->cols;
    memcpy((void *)w->data, *from, n * sizeof(float));
    *from += n;
}

/* The same for q and k: row 2i of a head becomes row i, row 2i+1 row i + h/2. */
static void take_turned(tl_weight *w, const float **from, int h)
{
    float *to = (float *)w->data;
    for (int r = 0; r < w->rows; r++) {
        int head = r / h, i = r % h;
        int row = head * h + i / 2 + (i % 2) * (h / 2);
        memcpy(to + (size_t)row * (size_t)w->cols, *from, (size_t)w->cols * sizeof(float));
        *from += w->cols;
    }
}

static tl_model *convert(const tl_buf *file)
{
    tl_err err = { 0 };
    int32_t header[7];
    tl_model *m = NULL;
    tl_config c = { 0 };
    CHECK(file->size > sizeof header);
    memcpy(header, file->data, sizeof header);
    json_t *o =
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:b, s:i, s:i}", "model_type", "llama", "hidden_size",
                  header[0], "intermediate_size", header[1], "num_hidden_layers", header[2], "num_attention_heads",
                  header[3], "num_key_value_heads", header[4], "vocab_size", header[5], "max_position_embeddings",
                  header[6], "rms_norm_eps", 1e-5, "tie_word_embeddings", 1, "bos_token_id", 1, "eos_token_id", 2);
    CHECK_OK(tl_config_parse(&c, o, "stories260K", &err), err);
    json_decref(o);
    CHECK_OK(tl_model_create(&m, &c, 0, &err), err);
    CHECK_INT(tl_model_parameters(m), 260032);
    CHECK(file->size >= sizeof header + 260032 * sizeof(float));

    const float *at = (const float *)(file->data + sizeof header);
    take(&m->tokens, &at);
    for (int l = 0; l < c.L; l++) take(&m->layers[l].norm1, &at);
    for (int l = 0; l < c.L; l++) take_turned(&m->layers[l].linear[TL_Q], &at, c.h);
    for (int l = 0; l < c.L; l++) take_turned(&m->layers[l].linear[TL_K], &at, c.h);
    for (int l = 0; l < c.L; l++) take(&m->layers[l].linear[TL_V], &at);
    for (int l = 0; l < c.L; l++) take(&m->layers[l].linear[TL_O], &at);
    for (int l = 0; l < c.L; l++) take(&m->layers[l].norm2, &at);
    for (int l = 0; l < c.L; l++) take(&m->layers[l].linear[TL_GATE], &at);
    for (int l = 0; l < c.L; l++) take(&m->layers[l].linear[TL_DOWN], &at);
    for (int l = 0; l < c.L; l++) take(&m->layers[l].linear[TL_UP], &at);
    take(&m->norm, &at);
    return m;
}

/* The likeliest next token after n tokens, all recomputed. */
static int next_token(const tl_model *m, tl_stream *s, tl_acts *acts, const int *ids, const int *positions, int n)
{
    tl_segment segment = { .rows = n };
    tl_batch b = { .N = n, .ids = ids, .positions = positions, .n_segments = 1, .segments = &segment };
    float logits[512];
    int row = n - 1, best = 0;
    tl_forward(m, s, &b, acts);
    tl_logits(m, s, acts, &row, 1, logits);
    for (int v = 1; v < 512; v++)
        if (logits[v] > logits[best]) best = v;
    return best;
}

/* The piece of token id in tok512.bin: an int of maximal length, then score, length and bytes of each.  "<0x0A>" is
 * the byte itself, and a space right after the beginning of text is dropped. */
static void append_piece(tl_buf *text, const tl_buf *vocabulary, int id, bool first)
{
    const char *at = vocabulary->data + 4, *end = vocabulary->data + vocabulary->size;
    int32_t n = 0;
    for (int v = 0; v <= id; v++) {
        CHECK(end - at >= 8);
        at += v ? n : 0;
        memcpy(&n, at + 4, 4);
        at += 8;
        CHECK(n >= 0 && n <= end - at);
    }
    unsigned byte = 0;
    char piece[8] = "";
    if (n == 6) memcpy(piece, at, 6);
    if (sscanf(piece, "<0x%02X>", &byte) == 1) {
        char c = (char)byte;
        tl_buf_append(text, &c, 1, NULL);
        return;
    }
    if (first && n > 0 && *at == ' ') {
        at++;
        n--;
    }
    tl_buf_append(text, at, (size_t)n, NULL);
}

TEST(stories260k_tells_the_story_of_llama2c_to_the_letter)
{
    tl_err err = { 0 };
    tl_buf file, vocabulary, wanted, text = tl_buf_make(1 << 16);
    if (!read_shared(&file, "stories260K.bin")) SKIP("../shared/models/stories260K is not there");
    CHECK(read_shared(&vocabulary, "tok512.bin") && read_shared(&wanted, "expected-greedy-200.txt"));
    scratch_begin();
    tl_model *made = convert(&file), *m = NULL;
    CHECK_OK(tl_model_write(made, scratch_dir, TL_DTYPE_F32, &err), err);
    tl_model_free(made);
    CHECK_OK(tl_model_open(&m, scratch_dir, &err), err);

    tl_stream s;
    tl_acts *acts = NULL;
    tl_acts_size size = { .max_rows = STEPS + 1, .training = true, .max_segments = 1 };
    CHECK_OK(tl_stream_create(&s, 2, TL_PRECISION_F32, m->config.T, m->config.h, &err), err);
    CHECK_OK(tl_acts_create(&acts, m, &size, &err), err);
    int ids[STEPS + 1] = { m->config.bos }, positions[STEPS + 1];
    for (int i = 0; i <= STEPS; i++) positions[i] = i;
    for (int n = 1; n <= STEPS; n++) {
        ids[n] = next_token(m, &s, acts, ids, positions, n);
        if (ids[n] == m->config.bos) break;
        append_piece(&text, &vocabulary, ids[n], n == 1);
    }
    CHECK_STR(text.data, wanted.data);

    tl_acts_free(acts);
    tl_stream_free(&s);
    tl_model_free(m);
    scratch_end();
    tl_buf_reset(&file);
    tl_buf_reset(&vocabulary);
    tl_buf_reset(&wanted);
    tl_buf_reset(&text);
}

RUN_TESTS(CASE(stories260k_tells_the_story_of_llama2c_to_the_letter))
