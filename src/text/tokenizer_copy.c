/* tokenizer_copy.c - file by file, those that are there. */
#include "text/tokenizer_copy.h"

#include "base/buf.h"
#include "io/atomic.h"

#include <unistd.h>

static const char *const files[] = {
    "tokenizer.json",  "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
    "tokenizer.model", "chat_template.jinja",   "generation_config.json",  NULL
};
enum {
    FILE_LIMIT = 1 << 28,
    PATH = 4096
};

int tl_tokenizer_copy(const char *from, const char *to, tl_err *err)
{
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
