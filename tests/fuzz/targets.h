/* targets.h - files of strangers, as functions of their bytes: what a fuzzer calls and what fuzz_replay_test replays.
 *
 *     fuzz_begin();  fuzz_run("config", bytes, size);  fuzz_end();
 *
 * A target writes the bytes where the reader looks for them and reads them.  Refusing is fine, and so is taking them;
 * what is taken must stand a little use.  Anything else is for the sanitizers to find.  From the source's root: some
 * targets need a base beside the bytes. */
#ifndef TL_TESTS_FUZZ_TARGETS_H
#define TL_TESTS_FUZZ_TARGETS_H

#include "base/log.h"
#include "io/gguf.h"
#include "io/http_answer.h"
#include "io/hub.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/adapter.h"
#include "model/model_gguf.h"
#include "task/task.h"
#include "tests/fuzz/target_tokenizers.h"
#include "tests/scratch.h"
#include "text/template.h"

#include <stdint.h>
#include <sys/stat.h>

#define FUZZ_BASE    "tests/golden/model/llama"
#define FUZZ_SHARDED "tests/golden/safetensors/sharded"

static tl_model *fuzz_base; /* for adapters */

/* DIR/name becomes a link to the file at path. */
static inline void fuzz_link(const char *path, const char *name)
{
    char *whole = realpath(path, NULL);
    fuzz_check(whole && symlink(whole, scratch(name)) == 0);
    free(whole);
}

static inline void fuzz_begin(void)
{
    scratch_begin();
    tl_log_quiet(true);
    fuzz_check(tl_model_open(&fuzz_base, FUZZ_BASE, NULL) == 0);
    fuzz_link(FUZZ_BASE "/adapter/adapter_model.safetensors", "adapter_model.safetensors");
    fuzz_check(mkdir(scratch("whole"), 0700) == 0);
    fuzz_link(FUZZ_SHARDED "/model-00001-of-00002.safetensors", "model-00001-of-00002.safetensors");
    fuzz_link(FUZZ_SHARDED "/model-00002-of-00002.safetensors", "model-00002-of-00002.safetensors");
}

static inline void fuzz_end(void)
{
    tl_model_free(fuzz_base);
    fuzz_base = NULL;
    scratch_end();
}

/* A file of tensors; where the bytes begin with a brace, an index over two shards. */
static inline void fuzz_safetensors(const uint8_t *bytes, size_t size)
{
    tl_safetensors *s = NULL;
    bool index = size && bytes[0] == '{';
    scratch_write(index ? "model.safetensors.index.json" : "one.safetensors", bytes, size);
    if (tl_safetensors_open(&s, index ? scratch_dir : scratch("one.safetensors"), NULL) < 0) return;
    volatile unsigned sum = 0; /* every byte that a tensor claims can be read */
    for (int i = 0; i < tl_safetensors_count(s); i++) {
        const tl_stored *t = tl_safetensors_at(s, i);
        fuzz_check(tl_safetensors_find(s, t->name) == t);
        for (size_t k = 0; k < t->bytes; k++) sum += ((const uint8_t *)t->data)[k];
    }
    (void)sum;
    tl_safetensors_meta(s, "format");
    tl_safetensors_close(s);
}

/* A GGUF file: every value and every byte of a tensor can be read, and it may be a base and hold a tokenizer. */
static inline void fuzz_gguf(const uint8_t *bytes, size_t size)
{
    tl_gguf *g = NULL;
    const char *path = scratch_write("one.gguf", bytes, size);
    if (tl_gguf_open(&g, path, NULL) < 0) return;
    volatile unsigned sum = 0;
    for (int i = 0; i < tl_gguf_pairs(g); i++) {
        const tl_gguf_pair *p = tl_gguf_pair_at(g, i);
        size_t at = 0, n = 0;
        fuzz_check(tl_gguf_get(g, p->key) == p);
        for (size_t k = 0; k < p->size; k++) sum += p->bytes[k];
        if (p->array && p->type == TL_GGUF_STRING)
            while (tl_gguf_next(p, &at, &n)) sum += (unsigned)n;
        else if (p->type != TL_GGUF_STRING && p->type != TL_GGUF_ARRAY)
            for (size_t k = 0; k < p->n; k++) sum += tl_gguf_real(p, k) > 0;
    }
    for (int i = 0; i < tl_gguf_count(g); i++) {
        const tl_stored *t = tl_gguf_at(g, i);
        fuzz_check(tl_gguf_find(g, t->name) == t);
        for (size_t k = 0; k < t->bytes; k++) sum += ((const uint8_t *)t->data)[k];
    }
    (void)sum;
    tl_config c;
    tl_layout layout;
    tl_model *m = NULL;
    tl_tokenizer *tokenizer = NULL;
    bool base = tl_gguf_config(&c, &layout, g, NULL) == 0;
    tl_gguf_close(g);
    if (tl_tokenizer_open(&tokenizer, path, NULL) == 0) fuzz_use_tokenizer(tokenizer);
    /* A long context is no lie, but its rotary tables take seconds. */
    if (!base || (size_t)c.T * (size_t)c.h > 1u << 16 || tl_model_open(&m, path, NULL) < 0) return;
    fuzz_check(m->config.V == c.V && m->config.L == c.L);
    tl_model_free(m);
}

static inline void fuzz_config(const uint8_t *bytes, size_t size)
{
    tl_config c, back;
    scratch_write("config.json", bytes, size);
    if (tl_config_read(&c, scratch_dir, NULL) < 0) return;
    json_t *o = tl_config_json(&c); /* what was taken can be written and is taken again */
    fuzz_check(o && tl_config_parse(&back, o, "config.json", NULL) == 0);
    fuzz_check(back.L == c.L && back.D == c.D && back.H == c.H && back.G == c.G && back.h == c.h && back.F == c.F &&
               back.V == c.V && back.T == c.T && back.family == c.family);
    json_decref(o);
}

/* task.yaml, then after a line %% the training examples, after another the validation's. */
static inline void fuzz_task(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = { "task.yaml", "train.jsonl", "validation.jsonl" };
    tl_task *t = NULL;
    for (int i = 0; i < 3; i++) {
        const uint8_t *end = size ? memmem(bytes, size, "%%\n", 3) : NULL;
        size_t n = end && i < 2 ? (size_t)(end - bytes) : size;
        scratch_write(names[i], n ? (const void *)bytes : "", n);
        bytes += end && i < 2 ? n + 3 : n;
        size -= end && i < 2 ? n + 3 : n;
    }
    if (tl_task_open(&t, scratch_dir, TL_TASK_TRAIN | TL_TASK_VALIDATION, NULL) < 0) return;
    const tl_examples *e = tl_task_split(t, TL_SPLIT_TRAIN);
    for (int i = 0; i < e->n; i++) {
        char *answer = NULL;
        fuzz_check(tl_task_example_answer(&answer, t, &e->items[i], NULL) == 0);
        free(answer);
    }
    int drawn[1];
    fuzz_check(tl_task_draw(e, t->n_labels, 1, 7, true, drawn, NULL) == 0 && drawn[0] >= 0 && drawn[0] < e->n);
    tl_task_free(t);
}

/* A GGUF adapter; else adapter_config.json and, after a line %%, its tensors: without these, those of a golden one. */
static inline int fuzz_adapter_load(tl_adapter **a, const uint8_t *bytes, size_t size, tl_err *err)
{
    const uint8_t *end = size ? memmem(bytes, size, "%%\n", 3) : NULL;
    const char *path = scratch_dir;
    if (size > 4 && memcmp(bytes, "GGUF", 4) == 0) {
        path = scratch_write("adapter.gguf", bytes, size);
    } else if (end) {
        const uint8_t *tensors = end + 3;
        size_t n = size - (size_t)(tensors - bytes);
        scratch_write("whole/adapter_config.json", bytes, (size_t)(end - bytes));
        scratch_write("whole/adapter_model.safetensors", n ? (const void *)tensors : "", n); /* PEFT's name */
        scratch_write("whole/adapters.safetensors", n ? (const void *)tensors : "", n);      /* MLX's */
        path = scratch("whole");
    } else {
        scratch_write("adapter_config.json", bytes, size);
    }
    return tl_adapter_load(a, fuzz_base, path, err);
}

static inline void fuzz_adapter(const uint8_t *bytes, size_t size)
{
    tl_adapter *a = NULL;
    tl_model *m = NULL;
    if (fuzz_adapter_load(&a, bytes, size, NULL) < 0) return;
    if (tl_adapter_merge(&m, a, NULL) == 0) tl_model_free(m);
    tl_adapter_release(a);
}

/* Headers, line by line as they come: what is kept of them is printable, and what an ETag names is a file's name. */
static inline void fuzz_head(const char *bytes, size_t size)
{
    tl_http_answer a = { 0 };
    tl_head h = { 0 };
    char etag[65];
    tl_head_begin(&h, &a);
    while (size) {
        const char *end = memchr(bytes, '\n', size);
        size_t n = end ? (size_t)(end - bytes) + 1 : size;
        if (!tl_head_line(&h, bytes, n)) break;
        bytes += n;
        size -= n;
    }
    fuzz_check(!h.range_good || (h.range_first <= h.range_last && h.range_last < SIZE_MAX / 2));
    fuzz_check(!h.range_good || !h.range_total_said || h.range_last < h.range_total);
    const char *const kept[] = { a.etag, a.linked_etag, a.linked_size, a.commit, a.error_code, a.error_message };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        for (const char *p = kept[i]; *p; p++) fuzz_check(*p >= ' ' && *p <= '~');
        if (tl_hub_etag(etag, kept[i])) fuzz_check(strspn(etag, "0123456789abcdef") == strlen(etag));
    }
}

/* The listing of a hub; where the bytes begin as an answer of HTTP does, its headers. */
static inline void fuzz_hub(const uint8_t *bytes, size_t size)
{
    tl_hub_listing l = { 0 };
    if (size > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        fuzz_head((const char *)bytes, size);
        return;
    }
    if (tl_hub_listing_parse(&l, (const char *)bytes, size, "listing", NULL) < 0) return;
    fuzz_check(strlen(l.sha) == 40 && strspn(l.sha, "0123456789abcdef") == 40);
    for (int i = 0; i < l.n; i++) { /* a name is a path that goes down, and an address has no room for it to escape */
        const char *name = l.names[i];
        tl_buf url = tl_buf_make(8000);
        fuzz_check(name[0] && name[0] != '/' && strncmp(name, "../", 3) != 0 && !strstr(name, "/../"));
        fuzz_check(strlen(name) <= TL_HUB_NAME_MAX && name[strlen(name) - 1] != '/' && strcmp(name, "..") != 0);
        tl_hub_choose(name, NULL, NULL);
        tl_hub_choose(name, "*.json,a?[b-d]*", "*x");
        fuzz_check(tl_hub_file_url(&url, "http://h", "o/n", l.sha, name, NULL) == 0);
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/%";
        fuzz_check(strspn(url.data, plain) == url.size);
        tl_buf_reset(&url);
    }
    tl_hub_listing_reset(&l);
}

/* A chat template, and after a line %% its variables as JSON; without them, a short conversation. */
static inline void fuzz_template(const uint8_t *bytes, size_t size)
{
    static const char usual[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"caf\\u00e9 \\n\"},"
                                "{\"role\":\"assistant\",\"content\":\"<think>\\n</think> yes\",\"tool_calls\":"
                                "[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1.5,\"b\":[null,true]}}}]}],"
                                "\"tools\":[{\"name\":\"f\"}],\"bos_token\":\"<s>\",\"n\":7,\"x\":[3,1,2]}";
    json_error_t bad;
    tl_chat_template *t = NULL;
    const uint8_t *end = size ? memmem(bytes, size, "\n%%\n", 4) : NULL;
    size_t n = end ? (size_t)(end - bytes) : size;
    json_t *v = end ? tl_json_parse((const char *)end + 4, size - n - 4, &bad) : NULL;
    if (!json_is_object(v)) {
        json_decref(v);
        v = tl_json_parse(usual, sizeof usual - 1, &bad);
        fuzz_check(v != NULL);
    }
    if (tl_chat_parse(&t, "fuzz", (const char *)bytes, n, NULL) == 0) {
        tl_chat_options o = { .output = 100000, .steps = 200000, .memory = 16 << 20, .milliseconds = 5000, .now = 1 };
        for (int answers = 0; answers < 2; answers++) {
            tl_chat_rendering r = { 0 };
            if ((answers ? tl_chat_answers : tl_chat_render)(t, v, &o, &r, NULL) < 0) continue;
            fuzz_check(r.text.size <= o.output);
            for (size_t i = 0; i < r.n_spans; i++)
                fuzz_check(r.spans[i].start <= r.spans[i].end && r.spans[i].end <= r.text.size);
            tl_chat_rendering_reset(&r);
        }
        tl_chat_free(t);
    }
    json_decref(v);
}

static const struct {
    const char *name; /* of its folder in tests/fuzz/corpus too */
    void (*run)(const uint8_t *bytes, size_t size);
} fuzz_targets[] = {
    { "safetensors", fuzz_safetensors },
    { "tokenizer", fuzz_tokenizer },
    { "config", fuzz_config },
    { "task", fuzz_task },
    { "adapter", fuzz_adapter },
    { "gguf", fuzz_gguf },
    { "hub", fuzz_hub },
    { "template", fuzz_template },
    { "sentencepiece", fuzz_sentencepiece },
    { "tiktoken", fuzz_tiktoken },
};
enum {
    FUZZ_TARGETS = 10
};

#endif
