/* tokenizer_copy.c - file by file, those that are there. */
#include "text/tokenizer_copy.h"

#include "base/buf.h"
#include "io/atomic.h"
#include "io/json.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_gguf_spm.h"

#include <unistd.h>

static const char *const files[] = { "tokenizer.json",
                                     "tokenizer_config.json",
                                     "special_tokens_map.json",
                                     "added_tokens.json",
                                     "vocab.txt",
                                     "vocab.json",
                                     "merges.txt",
                                     "tokenizer.model",
                                     "spiece.model",
                                     "sentencepiece.bpe.model",
                                     "qwen.tiktoken",
                                     "cl100k_base.tiktoken",
                                     "o200k_base.tiktoken",
                                     "p50k_base.tiktoken",
                                     "r50k_base.tiktoken",
                                     "chat_template.jinja",
                                     "generation_config.json",
                                     NULL };
enum {
    FILE_LIMIT = 1 << 28,
    PATH = 4096
};

static int save(const json_t *object, const char *dir, const char *name, tl_err *err)
{
    char path[PATH];
    TL_TRY(tl_path_join(path, sizeof path, dir, name, err));
    return tl_json_save(path, object, err);
}

static int copy_spm(const tl_gguf *g, const char *to, tl_err *err)
{
    char path[PATH];
    tl_spm *s = NULL;
    json_t *config = NULL;
    TL_TRY(tl_path_join(path, sizeof path, to, "tokenizer.model", err));
    TL_TRY(tl_gguf_spm(&s, &config, g, err));
    int rc = tl_spm_save(s, path, err);
    if (rc == 0) rc = save(config, to, "tokenizer_config.json", err);
    json_decref(config);
    tl_spm_free(s);
    return rc;
}

static int copy_whole(const tl_gguf *g, const char *to, tl_err *err)
{
    json_t *whole = NULL, *config = NULL;
    TL_TRY(tl_tokenizer_gguf(&whole, &config, g, err));
    int rc = save(whole, to, "tokenizer.json", err);
    if (rc == 0) rc = save(config, to, "tokenizer_config.json", err);
    json_decref(whole);
    json_decref(config);
    return rc;
}

static int copy_gguf(const char *from, const char *to, tl_err *err)
{
    tl_gguf *g = NULL;
    TL_TRY(tl_gguf_open(&g, from, err));
    int rc = !tl_tokenizer_gguf_any(g) ? 0 : tl_gguf_spm_is(g) ? copy_spm(g, to, err) : copy_whole(g, to, err);
    tl_gguf_close(g);
    return rc;
}

int tl_tokenizer_copy(const char *from, const char *to, tl_err *err)
{
    if (tl_gguf_is(from)) return copy_gguf(from, to, err);
    for (int i = 0; files[i]; i++) {
        char source[PATH], target[PATH];
        TL_TRY(tl_path_join(source, sizeof source, from, files[i], err));
        TL_TRY(tl_path_join(target, sizeof target, to, files[i], err));
        if (access(source, F_OK) != 0) continue;
        tl_buf b = tl_buf_make(FILE_LIMIT);
        int rc = tl_file_read(source, FILE_LIMIT, &b, err);
        if (rc == 0) rc = tl_file_save(target, b.data, b.size, err);
        tl_buf_reset(&b);
        TL_TRY(rc);
    }
    return 0;
}
