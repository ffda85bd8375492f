/* small_task.h - for tests: a base and a task small enough to customize in a second.
 *
 *     small_task s;
 *     small_begin(&s, SMALL_LABELS, 1);          a classification, one thread; SMALL_TEXTS: a generation
 *     ... s.work is what a method works with, s.base_dir and s.task_dir are directories ...
 *     small_end(&s);
 *
 * The base is random; its tokenizer was learnt from the task's own words, so that some labels are one token and
 * others many.  The answer follows from one word of the message: a task that tuning learns and chance does not. */
#ifndef TL_TESTS_SMALL_TASK_H
#define TL_TESTS_SMALL_TASK_H

#include "base/log.h"
#include "eval/predict.h"
#include "io/atomic.h"
#include "method/method.h"
#include "method/prompt.h"
#include "model/init.h"
#include "tests/check.h"
#include "tests/scratch.h"
#include "text/bpe_train.h"

#define SMALL_INSTRUCTION "Say what the light means."
#define SMALL_TEMPLATE    "template: {input: \"Light: {text}\\nMark:\", answer: \" {label}\", separator: \"\\n\"}\n"
#define SMALL_KIND        "name: lights\nkind: classification\nlabels: [stop, go, not at all clear]\n"
#define SMALL_LABELS      SMALL_KIND "instruction: " SMALL_INSTRUCTION "\n" SMALL_TEMPLATE
#define SMALL_TEXTS                                                                                                    \
    "name: words\nkind: generation\nmax_answer_tokens: 6\ninstruction: " SMALL_INSTRUCTION "\n" SMALL_TEMPLATE

enum {
    SMALL_TRAIN = 36,
    SMALL_VALIDATION = 9,
    SMALL_TEST = 12,
    SMALL_CONTEXT = 192
};

typedef struct small_task {
    char base_dir[100], task_dir[100];
    tl_model *base;
    tl_tokenizer *tokenizer;
    tl_task *task;
    tl_stream stream;
    tl_work work; /* borrows from the above */
} small_task;

/* Lines first .. first + n - 1 of the task's examples. */
static inline void small_lines(tl_buf *b, int first, int n)
{
    static const char *const lights[] = { "red", "green", "blue" };
    static const char *const labels[] = { "stop", "go", "not at all clear" };
    static const char *const places[] = { "tower", "kettle", "train", "shop" };
    tl_err err = { 0 };
    for (int i = first; i < first + n; i++)
        CHECK_OK(tl_buf_printf(b, &err, "{\"text\": \"%s on the %s, day %d\", \"label\": \"%s\"}\n", lights[i % 3],
                               places[i / 3 % 4], i, labels[i % 3]),
                 err);
}

static inline void small_write_task(const char *dir, const char *yaml)
{
    static const struct {
        const char *name;
        int first, n;
    } splits[] = { { "train.jsonl", 0, SMALL_TRAIN },
                   { "validation.jsonl", 100, SMALL_VALIDATION },
                   { "test.jsonl", 200, SMALL_TEST } };
    tl_err err = { 0 };
    char path[200];
    CHECK_OK(tl_dir_make(dir, &err), err);
    CHECK_OK(tl_path_join(path, sizeof path, dir, "task.yaml", &err), err);
    CHECK_OK(tl_file_save(path, yaml, strlen(yaml), &err), err);
    for (int i = 0; i < 3; i++) {
        tl_buf b = tl_buf_make(1 << 20);
        small_lines(&b, splits[i].first, splits[i].n);
        CHECK_OK(tl_path_join(path, sizeof path, dir, splits[i].name, &err), err);
        CHECK_OK(tl_file_save(path, b.data, b.size, &err), err);
        tl_buf_reset(&b);
    }
}

static inline void small_write_base(const char *dir, uint64_t seed)
{
    static const char general[] = "{\"text\": \"The shop is shut on Monday.\"}\n"
                                  "{\"text\": \"A kettle sings when the water in it boils.\"}\n"
                                  "{\"text\": \"Trains are late, and so are the people in them.\"}\n"
                                  "{\"text\": \"Green is what red becomes.\"}\n";
    tl_err err = { 0 };
    tl_bpe_trainer *t = NULL;
    tl_model *m = NULL;
    char path[200];
    json_t *o =
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b}", "model_type", "llama", "vocab_size", 320,
                  "hidden_size", 32, "intermediate_size", 64, "num_hidden_layers", 2, "num_attention_heads", 4,
                  "num_key_value_heads", 2, "max_position_embeddings", (int)SMALL_CONTEXT, "tie_word_embeddings", 1);
    tl_config c = { 0 };
    tl_buf text = tl_buf_make(1 << 20);
    small_lines(&text, 0, SMALL_TRAIN);
    CHECK_OK(tl_buf_puts(&text, " Light: Mark: " SMALL_INSTRUCTION, &err), err);
    CHECK_OK(tl_dir_make(dir, &err), err);
    CHECK_OK(tl_bpe_trainer_create(&t, NULL, 0, &err), err);
    CHECK_OK(tl_bpe_trainer_add(t, text.data, text.size, &err), err);
    CHECK_OK(tl_bpe_trainer_save(t, 300, dir, &err), err);
    tl_bpe_trainer_free(t);
    tl_buf_reset(&text);
    CHECK_OK(tl_config_parse(&c, o, "config.json", &err), err);
    json_decref(o);
    CHECK_OK(tl_model_create(&m, &c, seed, &err), err);
    tl_init_weights(m, seed, &(tl_init){ .std = 0.3f });
    CHECK_OK(tl_model_write(m, dir, TL_DTYPE_F32, &err), err);
    tl_model_free(m);
    CHECK_OK(tl_path_join(path, sizeof path, dir, "general.jsonl", &err), err);
    CHECK_OK(tl_file_save(path, general, strlen(general), &err), err);
}

/* What is in base_dir and task_dir, opened. */
static inline void small_open(small_task *s, int threads)
{
    tl_err err = { 0 };
    CHECK_OK(tl_model_open(&s->base, s->base_dir, &err), err);
    CHECK_OK(tl_tokenizer_open(&s->tokenizer, s->base_dir, &err), err);
    CHECK_OK(tl_task_open(&s->task, s->task_dir, TL_TASK_ALL, &err), err);
    CHECK_OK(tl_stream_create(&s->stream, threads, TL_PRECISION_F32, s->base->config.T, s->base->config.h, &err), err);
    s->work = (tl_work){ s->base_dir, s->base, s->tokenizer, s->task, &s->stream };
}

static inline void small_close(small_task *s)
{
    tl_task_free(s->task);
    tl_tokenizer_free(s->tokenizer);
    tl_model_free(s->base);
    tl_stream_free(&s->stream);
}

static inline void small_begin(small_task *s, const char *yaml, int threads)
{
    memset(s, 0, sizeof *s);
    tl_log_quiet(true);
    scratch_begin();
    snprintf(s->base_dir, sizeof s->base_dir, "%s", scratch("base"));
    snprintf(s->task_dir, sizeof s->task_dir, "%s", scratch("task"));
    small_write_base(s->base_dir, 3);
    small_write_task(s->task_dir, yaml);
    small_open(s, threads);
}

static inline void small_end(small_task *s)
{
    small_close(s);
    scratch_end();
}

/* Few steps, large ones. */
static inline tl_method_options small_options(void)
{
    tl_method_options o = tl_method_defaults();
    o.epochs = 2;
    o.batch = 12;
    o.lora_lr = 2e-2;
    o.full_lr = 5e-3;
    o.max_rows = 256;
    return o;
}

static inline tl_variant *small_variant(const small_task *s, const char *method, const tl_method_options *o,
                                        uint64_t seed, tl_method_spent *spent)
{
    tl_err err = { 0 };
    tl_method m;
    tl_method_spent none = { 0 };
    tl_variant *v = NULL;
    CHECK_OK(tl_method_parse(&m, method, &err), err);
    CHECK_OK(tl_method_run(&v, &m, &s->work, o, seed, spent ? spent : &none, &err), err);
    if (!spent) tl_method_spent_reset(&none);
    return v;
}

typedef struct small_encoding {
    const tl_tokenizer *tokenizer;
    const char *prefix;
} small_encoding;

static inline int small_encode(tl_ids *out, const char *input, void *context, tl_err *err)
{
    const small_encoding *e = context;
    return tl_prompt_encode(out, e->tokenizer, e->prefix, input, err);
}

/* The variant's answers to the test split. */
static inline tl_predictions small_predict(const small_task *s, const tl_variant *v)
{
    tl_err err = { 0 };
    tl_engine *e = NULL;
    tl_engine_options eo = tl_engine_defaults();
    tl_predictions p;
    small_encoding context = { s->tokenizer, v->prefix };
    tl_predict_options po = { .adapter = v->adapter, .encode = small_encode, .context = &context, .name = "test" };
    eo.cache_bytes = 4 << 20;
    CHECK_OK(tl_engine_create(&e, tl_variant_model(v), (tl_stream *)&s->stream, &eo, &err), err);
    CHECK_OK(tl_predict(&p, e, s->tokenizer, s->task, tl_task_split(s->task, TL_SPLIT_TEST), &po, &err), err);
    tl_engine_free(e);
    return p;
}

static inline double small_accuracy(const small_task *s, const tl_predictions *p)
{
    int right = 0;
    for (int i = 0; i < p->n; i++) right += p->normalized[i] == tl_task_split(s->task, TL_SPLIT_TEST)->items[i].label;
    return right / (double)p->n;
}

#endif
