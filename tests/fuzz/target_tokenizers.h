/* target_tokenizers.h - the tokenizers of targets.h, which need neither a base nor a back end. */
#ifndef TL_TESTS_FUZZ_TARGET_TOKENIZERS_H
#define TL_TESTS_FUZZ_TARGET_TOKENIZERS_H

#include "tests/scratch.h"
#include "text/tokenizer.h"
#include "text/tokenizer_copy.h"
#include "text/tokenizer_gguf_write.h"

#include <stdint.h>

static inline void fuzz_check(bool holds)
{
    if (!holds) abort();
}

/* What was opened stands a little use; frees it. */
static inline void fuzz_use_tokenizer(tl_tokenizer *t)
{
    static const char text[] =
        " Chest pain since 11:30,\r\n\n  it's <|eos|> caf\303\251 e\314\201 word<s> \342\226\201x";
    tl_ids ids = { 0 };
    tl_buf back = tl_buf_make(1 << 20);
    tl_decode_state state = { 0 };
    for (unsigned flags = 0; flags < 4; flags++)
        if (tl_tokenizer_encode(t, text, sizeof text - 1, flags, &ids, NULL) < 0) break;
    for (size_t i = 0; i < ids.size; i++) fuzz_check(ids.data[i] >= 0 && ids.data[i] < tl_tokenizer_size(t));
    fuzz_check(tl_tokenizer_decode(t, ids.data, ids.size, false, &back, NULL) == 0);
    for (size_t i = 0; i < ids.size; i++)
        fuzz_check(tl_tokenizer_decode_next(t, &state, ids.data[i], true, &back, NULL) == 0);
    tl_ids_reset(&ids);
    tl_buf_reset(&back);
    tl_tokenizer_free(t);
}

/* A tokenizer may go into a GGUF file; then that is well formed. */
static inline void fuzz_put_tokenizer(int V)
{
    tl_gguf_draft *d = NULL;
    tl_gguf *g = NULL;
    tl_buf image = tl_buf_make(64 << 20);
    const tl_gguf_ids ids = { V, -1, -1 };
    fuzz_check(tl_gguf_draft_create(&d, NULL) == 0);
    if (tl_tokenizer_gguf_put(d, scratch_dir, &ids, NULL) == 0) {
        fuzz_check(tl_gguf_draft_image(d, &image, NULL) == 0);
        fuzz_check(tl_gguf_read(&g, "image", image.data, image.size, NULL) == 0);
        tl_gguf_close(g);
    }
    tl_gguf_draft_free(d);
    tl_buf_reset(&image);
}

static inline void fuzz_tokenizer(const uint8_t *bytes, size_t size)
{
    tl_tokenizer *t = NULL;
    scratch_write("tokenizer.json", bytes, size);
    if (tl_tokenizer_open(&t, scratch_dir, NULL) < 0) return;
    const int V = tl_tokenizer_size(t);
    fuzz_use_tokenizer(t);
    fuzz_put_tokenizer(V + 1);
}

static inline void fuzz_sentencepiece(const uint8_t *bytes, size_t size)
{
    tl_tokenizer *t = NULL;
    scratch_write("tokenizer.model", bytes, size);
    if (tl_tokenizer_open(&t, scratch_dir, NULL) == 0) fuzz_use_tokenizer(t);
}

/* Ranks; where the bytes begin with a brace, tokenizer_config.json up to a line %% stands before them. */
static inline void fuzz_tiktoken(const uint8_t *bytes, size_t size)
{
    static const char plain[] = "{\"added_tokens_decoder\": {}}";
    tl_tokenizer *t = NULL;
    const char *text = (const char *)bytes;
    size_t config = 0, skip = 0;
    if (size && bytes[0] == '{')
        for (config = 0; config + 3 <= size && memcmp(text + config, "%%\n", 3) != 0; config++) skip = config + 4;
    if (skip > size) skip = size;
    scratch_write("tokenizer_config.json", skip ? text : plain, skip ? config : sizeof plain - 1);
    scratch_write("cl100k_base.tiktoken", text + skip, size - skip);
    if (tl_tokenizer_open(&t, scratch_dir, NULL) == 0) fuzz_use_tokenizer(t);
}

#endif
