/* small_training.h - for tests: a random model small enough to train in milliseconds, samples for it, and a trainer.
 *
 *     training t;
 *     training_begin(&t, LLAMA, 1, 2, &options);     1: an adapter on the frozen base; 2: one with all that it may have
 *     CHECK_OK(tl_train_step(t.trainer, samples.list, samples.n, &report, &err), err);
 *     training_end(&t);
 *
 * The sizes are odd, so that tails of kernels take part, and the batch is large enough for several threads. */
#ifndef TL_TESTS_SMALL_TRAINING_H
#define TL_TESTS_SMALL_TRAINING_H

#include "base/hash.h"
#include "base/rng.h"
#include "model/init.h"
#include "tests/check.h"
#include "tests/scratch.h"
#include "train/train.h"

#define LLAMA                                                                                                          \
    "{\"model_type\": \"llama\", \"vocab_size\": 83, \"hidden_size\": 48, \"intermediate_size\": 101,"                 \
    " \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 10,"             \
    " \"max_position_embeddings\": 64}"
#define LLAMA_TIED                                                                                                     \
    "{\"model_type\": \"llama\", \"vocab_size\": 83, \"hidden_size\": 48, \"intermediate_size\": 101,"                 \
    " \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 10,"             \
    " \"max_position_embeddings\": 64, \"tie_word_embeddings\": true}"
#define GPT2                                                                                                           \
    "{\"model_type\": \"gpt2\", \"vocab_size\": 83, \"n_embd\": 48, \"n_inner\": 101, \"n_layer\": 2, \"n_head\": 4,"  \
    " \"n_positions\": 64}"

enum {
    SMALL_V = 83,
    SMALL_T = 64
};

typedef struct training {
    tl_model *model;
    tl_adapter *adapter; /* NULL: full fine-tuning */
    tl_stream stream;
    tl_trainer *trainer;
} training;

static inline tl_train_options training_options(double lr)
{
    tl_train_options o = tl_train_defaults();
    o.schedule = (tl_schedule){ .kind = TL_SCHEDULE_CONSTANT, .peak = lr, .last_ratio = 1, .total = 1000 };
    o.max_rows = 256;
    return o;
}

/* A model with weights large enough that every part shows in the loss; unfrozen. */
static inline tl_model *training_model(const char *config)
{
    tl_err err = { 0 };
    tl_config c = { 0 };
    tl_model *m = NULL;
    json_t *o = json_loads(config, 0, NULL);
    CHECK_OK(tl_config_parse(&c, o, "config.json", &err), err);
    json_decref(o);
    CHECK_OK(tl_model_create(&m, &c, 11, &err), err);
    tl_init_weights(m, 11, &(tl_init){ .std = 0.15f });
    return m;
}

/* The same model as whoever opens it gets it: frozen. */
static inline tl_model *training_frozen(const char *config)
{
    tl_err err = { 0 };
    tl_model *m = training_model(config), *frozen = NULL;
    scratch_begin();
    CHECK_OK(tl_model_write(m, scratch_dir, TL_DTYPE_F32, &err), err);
    tl_model_free(m);
    CHECK_OK(tl_model_open(&frozen, scratch_dir, &err), err);
    scratch_end(); /* the mapping outlives the name */
    return frozen;
}

static inline void training_begin(training *t, const char *config, int lora, int threads, const tl_train_options *o)
{
    tl_err err = { 0 };
    *t = (training){ .model = lora ? training_frozen(config) : training_model(config) };
    const tl_config *c = &t->model->config;
    if (lora) {
        tl_adapter_options a = tl_adapter_defaults();
        a.targets = "all-linear";
        a.seed = 5;
        a.dora = lora == 2;
        a.own = lora == 2 ? "lm_head" : "";
        a.bias = lora == 2 ? TL_BIAS_ALL : TL_BIAS_NONE;
        CHECK_OK(tl_adapter_create(&t->adapter, t->model, &a, &err), err);
    }
    tl_unfreeze how = tl_memory_unfreeze(&o->memory);
    if (!lora) CHECK_OK(tl_model_unfreeze_as(t->model, &how, &err), err);
    CHECK_OK(tl_stream_create(&t->stream, threads, TL_PRECISION_F32, c->T, c->h, &err), err);
    CHECK_OK(tl_trainer_create(&t->trainer, t->model, t->adapter, &t->stream, o, &err), err);
}

static inline void training_end(training *t)
{
    tl_trainer_free(t->trainer);
    tl_adapter_release(t->adapter);
    tl_model_free(t->model);
    tl_stream_free(&t->stream);
}

/* n samples of random ids and lengths: the first third of each is a prompt, the rest is learnt. */
enum {
    SMALL_SAMPLES = 16
};
typedef struct small_samples {
    tl_sample items[SMALL_SAMPLES];
    const tl_sample *list[SMALL_SAMPLES];
    int ids[SMALL_SAMPLES][SMALL_T];
    uint8_t trained[SMALL_SAMPLES][SMALL_T];
    int n;
} small_samples;

static inline void samples_fill(small_samples *s, int n, uint64_t seed)
{
    tl_rng r = tl_rng_make(seed, 1);
    s->n = n;
    for (int i = 0; i < n; i++) {
        int size = 9 + (int)tl_rng_below(&r, 40);
        s->items[i] = (tl_sample){ .ids = s->ids[i], .trained = s->trained[i], .n = size };
        s->list[i] = &s->items[i];
        for (int k = 0; k < size; k++) {
            s->ids[i][k] = (int)tl_rng_below(&r, SMALL_V);
            s->trained[i][k] = k >= size / 3;
        }
    }
}

static inline int training_hash_weight(void *context, const char *name, tl_weight *w)
{
    (void)name;
    tl_hash *h = context;
    if (w->data) *h = tl_hash_chain(h, w->data, (size_t)w->rows * (size_t)w->cols * tl_dtype_size(w->dtype));
    return 0;
}

/* Of every byte of the base, or of the adapter. */
static inline tl_hash training_hash_base(const training *t)
{
    tl_hash h = { 0 };
    tl_model_each(t->model, training_hash_weight, &h);
    return h;
}
static inline tl_hash training_hash(const training *t)
{
    tl_hash h = training_hash_base(t);
    if (t->adapter) tl_adapter_each(t->adapter, training_hash_weight, &h);
    return h;
}

/* Of every bit that the next step starts from: weights, adapter, moments. */
static inline tl_hash training_hash_state(const training *t)
{
    tl_hash h = training_hash(t);
    for (int i = 0; i < t->trainer->params->n; i++) {
        const tl_param *p = &t->trainer->params->items[i];
        size_t blocks = (p->n + TL_STATE_BLOCK - 1) / TL_STATE_BLOCK;
        h = tl_hash_chain(&h, p->m, p->n * tl_state_size(p->state));
        h = tl_hash_chain(&h, p->v, p->n * tl_state_size(p->state));
        if (p->m_scale) h = tl_hash_chain(&h, p->m_scale, blocks * sizeof(float));
        if (p->v_scale) h = tl_hash_chain(&h, p->v_scale, blocks * sizeof(float));
    }
    return h;
}

#define CHECK_SAME_HASH(a, b)  CHECK(memcmp(&(a), &(b), sizeof(tl_hash)) == 0)
#define CHECK_OTHER_HASH(a, b) CHECK(memcmp(&(a), &(b), sizeof(tl_hash)) != 0)

#endif
