/* adapter_golden_test.c - every field of PEFT's adapter_config.json that we take, against peft: logits, loss,
 * gradients, and what comes back from the three formats.
 *
 * The numbers are in tests/golden/adapter, over the bases of tests/golden/model.  Gradients are stored there as an
 * adapter is: read with our own reader they are laid out as ours. */
#define _GNU_SOURCE /* nftw */
#include "model/adapter_memory.h"
#include "model/forward.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include "io/safetensors.h"

#include <float.h>

#define HOME  "tests/golden/adapter/"
#define BASES "tests/golden/model/"

enum {
    SEGMENTS = 2,
    RANK = 4
};

static const struct {
    const char *name, *base;
    bool mlx, gguf; /* can the format hold it? */
} cases[] = {
    { "dora", "qwen3", true, false },
    { "dora-gpt2", "gpt2", true, false },
    { "dora-neox", "gpt-neox", true, false },
    { "dora-moe", "qwen3-moe", true, false },
    { "dora-gemma2", "gemma2", true, false },
    { "patterns", "mistral", false, true },
    { "layers", "qwen2", false, true },
    { "excluded", "olmo2", false, true },
    { "bias-all", "llama-bias", false, false },
    { "bias-some", "gpt2", false, false },
    { "bias-neox", "gpt-neox", false, false },
    { "saved", "smollm3", false, false },
    { "saved-tokens", "llama-bias", false, false },
    { "saved-head", "qwen3", false, false },
    { "saved-norms", "gemma2", false, false },
    { "saved-gpt2", "gpt2", false, false },
    { "tokens", "llama", false, false },
    { "tokens-tied", "qwen3", false, false },
    { "together", "llama-bias", false, false },
};

enum {
    CASES = sizeof cases / sizeof *cases
};

/* A base, a case's adapter over it, and one batch of the base's two sequences. */
typedef struct golden {
    int at; /* of cases */
    tl_model *model;
    tl_adapter *adapter;
    tl_safetensors *of_base, *of_adapter;
    tl_stream stream;
    tl_acts *acts;
    tl_segment segments[SEGMENTS];
    tl_adapter *adapters[SEGMENTS];
    int positions[200];
    tl_batch batch;
} golden;

static const void *numbers(const tl_safetensors *file, const char *name)
{
    const tl_stored *t = tl_safetensors_find(file, name);
    if (!t) fail_msg("golden.safetensors lacks %s", name);
    return t->data;
}

static tl_adapter *load(const golden *g, const char *path)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    CHECK_OK(tl_adapter_load(&a, g->model, path, &err), err);
    return a;
}

static const char *path_of(int at, const char *below)
{
    static char path[400];
    snprintf(path, sizeof path, HOME "%s%s", cases[at].name, below);
    return path;
}

static void use(golden *g, tl_adapter *a)
{
    g->adapters[0] = g->adapters[1] = a;
}

static void golden_begin(golden *g, int at, const tl_backend *backend, bool recompute)
{
    tl_err err = { 0 };
    char path[400];
    memset(g, 0, sizeof *g);
    g->at = at;
    snprintf(path, sizeof path, BASES "%s", cases[at].base);
    CHECK_OK(tl_model_open(&g->model, path, &err), err);
    g->model->backend = backend;
    snprintf(path, sizeof path, BASES "%s/golden.safetensors", cases[at].base);
    CHECK_OK(tl_safetensors_open(&g->of_base, path, &err), err);
    CHECK_OK(tl_safetensors_open(&g->of_adapter, path_of(at, "/golden.safetensors"), &err), err);
    g->adapter = load(g, path_of(at, ""));
    const tl_config *c = &g->model->config;
    const int *lengths = numbers(g->of_base, "lengths");
    int N = 0;
    for (int s = 0; s < SEGMENTS; s++) {
        g->segments[s] = (tl_segment){ .row = N, .rows = lengths[s] };
        for (int i = 0; i < lengths[s]; i++) g->positions[N++] = i;
    }
    g->batch = (tl_batch){ .N = N,
                           .ids = numbers(g->of_base, "ids"),
                           .positions = g->positions,
                           .n_segments = SEGMENTS,
                           .segments = g->segments,
                           .adapters = g->adapters };
    tl_acts_size size = { .max_rows = N,
                          .max_rank = RANK,
                          .magnitudes = g->adapter->dora,
                          .training = true,
                          .recompute = recompute,
                          .max_segments = SEGMENTS };
    CHECK_OK(tl_stream_create(&g->stream, 2, TL_PRECISION_F32, c->T, c->h, &err), err);
    CHECK_OK(tl_acts_create(&g->acts, g->model, &size, &err), err);
    use(g, g->adapter);
}

static void golden_end(golden *g)
{
    tl_acts_free(g->acts);
    tl_stream_free(&g->stream);
    tl_adapter_release(g->adapter);
    tl_safetensors_close(g->of_base);
    tl_safetensors_close(g->of_adapter);
    tl_model_free(g->model);
}

static void each(void (*check)(golden *g))
{
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        for (int i = 0; i < 2 * CASES; i++) {
            golden g;
            print_message("  %s on %s%s\n", cases[i / 2].name, (*b)->name, i % 2 ? ", recomputing" : "");
            golden_begin(&g, i / 2, *b, i % 2);
            check(&g);
            golden_end(&g);
        }
}

static float *all_logits(golden *g)
{
    size_t V = (size_t)g->model->config.V;
    float *logits = calloc((size_t)g->batch.N * V, sizeof *logits);
    int rows[200];
    for (int i = 0; i < g->batch.N; i++) rows[i] = i;
    tl_forward(g->model, &g->stream, &g->batch, g->acts);
    tl_logits(g->model, &g->stream, g->acts, rows, g->batch.N, logits);
    return logits;
}

static void check_logits(golden *g)
{
    float *found = all_logits(g);
    const float *wanted = numbers(g->of_adapter, "logits");
    CHECK_CLOSE(found, wanted, (size_t)g->batch.N * (size_t)g->model->config.V, 1e-4, 1.0);
    free(found);
}

static void check_applied_and_merged(golden *g)
{
    tl_err err = { 0 };
    tl_model *base = g->model;
    check_logits(g);
    use(g, NULL);
    CHECK_OK(tl_adapter_merge(&g->model, g->adapter, &err), err);
    check_logits(g);
    tl_model_free(g->model);
    g->model = base;
}

TEST(logits_are_those_of_peft_applied_and_merged)
{
    each(check_applied_and_merged);
}

/* ---- gradients ---- */

typedef struct walk {
    tl_weight found[200];
    int n, at;
} walk;

static int remember(void *context, const char *name, tl_weight *w)
{
    (void)name;
    walk *k = context;
    CHECK(k->n < 200);
    k->found[k->n++] = *w;
    return 0;
}

static int copy_data(void *context, const char *name, tl_weight *w)
{
    (void)name;
    walk *k = context;
    memcpy((void *)w->data, k->found[k->at++].data, (size_t)w->rows * (size_t)w->cols * sizeof(float));
    return 0;
}

static int spoil(void *context, const char *name, tl_weight *w)
{
    (void)context, (void)name;
    for (size_t i = 0; i < (size_t)w->rows * (size_t)w->cols; i++) w->grad[i] = NAN;
    return 0;
}

/* The same adapter, trainable. */
static tl_adapter *twin(const tl_adapter *a)
{
    tl_err err = { 0 };
    tl_adapter *b = NULL;
    walk k = { 0 };
    CHECK_OK(tl_adapter_new(&b, a->model, &err), err);
    b->rslora = a->rslora;
    b->dora = a->dora;
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            const tl_lora *x = tl_adapter_lora(a, l, i);
            if (x->r) tl_adapter_adapt(b, l, i, x->r, x->alpha);
        }
    b->owns = calloc((size_t)a->n_owns + 1, sizeof *b->owns);
    for (int i = 0; i < a->n_owns; i++)
        b->owns[b->n_owns++] = (tl_own){ a->owns[i].kind, a->owns[i].layer, a->owns[i].name, { { 0 } } };
    CHECK_OK(tl_adapter_lay(b, true, &err), err);
    tl_adapter_each((tl_adapter *)a, remember, &k);
    tl_adapter_each(b, copy_data, &k);
    CHECK_INT(k.at, k.n);
    CHECK_OK(tl_adapter_settle(b, &err), err);
    return b;
}

/* Relative to the tensor's largest; 1e-8 besides for those that are zero but for rounding, and what adding one to gains
 * rounds away. */
static void compare(const char *what, const float *found, const float *wanted, size_t n, bool vector)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(wanted[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)found[i] - (double)wanted[i]) <=
              1e-3 * fmax(fabs(wanted[i]), most * 1e-2) + 1e-8 + (vector ? 2 * FLT_EPSILON : 0)))
            fail_msg("d(%s)[%zu] is %.9g, wanted %.9g", what, i, (double)found[i], (double)wanted[i]);
}

typedef struct comparing {
    walk found;
    const tl_adapter *wanted;
} comparing;

static int compare_weight(void *context, const char *name, tl_weight *w)
{
    comparing *c = context;
    const tl_weight *found = &c->found.found[c->found.at++];
    const tl_adapter *a = c->wanted;
    size_t D = (size_t)w->cols;
    CHECK_INT(found->rows, w->rows);
    CHECK_INT(found->cols, w->cols);
    if (a->n_token_ids > 0 && w->data == a->owns[0].weights[0].data) {
        for (int i = 0; i < a->n_token_ids; i++) {
            size_t at = (size_t)a->token_ids[i] * D;
            compare(name, found->grad + at, (const float *)w->data + at, D, false);
        }
        return 0;
    }
    compare(name, found->grad, w->data, (size_t)w->rows * D, w->rows == 1);
    return 0;
}

static void check_gradients(golden *g)
{
    comparing c = { .wanted = load(g, path_of(g->at, "/gradients")) };
    tl_adapter *a = twin(g->adapter);
    const float *wanted = numbers(g->of_adapter, "loss");
    use(g, a);
    for (int add = 0; add < 2; add++) { /* written over what is there, then added to it: half and half */
        tl_gradients gradients = { .add = add };
        if (!add) tl_adapter_each(a, spoil, NULL);
        tl_forward(g->model, &g->stream, &g->batch, g->acts);
        const float *weights = numbers(g->of_base, "weights");
        float half[200];
        for (int i = 0; i < g->batch.N; i++) half[i] = weights[i] / 2;
        double loss =
            2 * tl_loss(g->model, &g->stream, &g->batch, g->acts, numbers(g->of_base, "targets"), half, &gradients);
        CHECK_CLOSE(&loss, wanted, 1, 1e-5, 1e-3);
        tl_backward(g->model, &g->stream, &g->batch, g->acts, &gradients);
    }
    tl_adapter_each(a, remember, &c.found);
    tl_adapter_each((tl_adapter *)c.wanted, compare_weight, &c);
    CHECK_INT(c.found.at, c.found.n);
    CHECK(g->model->tokens.grad == NULL); /* the base stayed frozen */
    tl_adapter_release(a);
    tl_adapter_release((tl_adapter *)c.wanted);
}

TEST(loss_and_every_gradient_are_those_of_peft)
{
    each(check_gradients);
}

/* ---- files ---- */

static void check_same_file(const char *found_path, const char *wanted_path)
{
    tl_err err = { 0 };
    tl_safetensors *found = NULL, *wanted = NULL;
    CHECK_OK(tl_safetensors_open(&found, found_path, &err), err);
    CHECK_OK(tl_safetensors_open(&wanted, wanted_path, &err), err);
    CHECK_INT(tl_safetensors_count(found), tl_safetensors_count(wanted));
    for (int i = 0; i < tl_safetensors_count(wanted); i++) {
        const tl_stored *w = tl_safetensors_at(wanted, i), *t = tl_safetensors_find(found, w->name);
        if (!t || t->bytes != w->bytes) fail_msg("%s does not come back", w->name);
        const float *x = t->data, *y = w->data;
        CHECK_CLOSE(x, y, w->bytes / sizeof *x, 2 * FLT_EPSILON, 1.0); /* gains come with one more and go again */
    }
    tl_safetensors_close(found);
    tl_safetensors_close(wanted);
}

static void check_written(golden *g)
{
    tl_err err = { 0 };
    scratch_begin();
    CHECK_OK(tl_adapter_write(g->adapter, scratch_dir, "base", &err), err);
    check_same_file(scratch("adapter_model.safetensors"), path_of(g->at, "/adapter_model.safetensors"));
    tl_adapter *a = load(g, scratch_dir);
    use(g, a);
    check_logits(g);
    CHECK(a->dora == g->adapter->dora && a->rslora == g->adapter->rslora && a->bias == g->adapter->bias);
    tl_adapter_release(a);
    scratch_end();
}

TEST(what_is_written_for_peft_is_what_peft_wrote)
{
    for (int i = 0; i < CASES; i++) {
        golden g;
        golden_begin(&g, i, tl_backend_all()[0], false);
        check_written(&g);
        golden_end(&g);
    }
}

/* Through another format and back; refused where that cannot hold it. */
static void check_through(golden *g, bool gguf)
{
    tl_err err = { 0 };
    bool can = gguf ? cases[g->at].gguf : cases[g->at].mlx;
    scratch_begin();
    const char *path = gguf ? scratch("a.gguf") : scratch_dir;
    int rc = gguf ? tl_adapter_write_gguf(g->adapter, path, "base", &err)
                  : tl_adapter_write_mlx(g->adapter, path, "base", &err);
    if (can) {
        CHECK_OK(rc, err);
        tl_adapter *a = load(g, path);
        use(g, a);
        check_logits(g);
        tl_adapter_release(a);
    } else {
        CHECK_INT(rc, TL_EUNSUPPORTED);
        CHECK(strstr(err.text, gguf ? "GGUF" : "MLX"));
    }
    scratch_end();
}

TEST(through_mlx_and_gguf_the_logits_stay_or_the_adapter_is_refused_by_name)
{
    for (int i = 0; i < 2 * CASES; i++) {
        golden g;
        golden_begin(&g, i / 2, tl_backend_all()[0], false);
        check_through(&g, i % 2);
        golden_end(&g);
    }
}

RUN_TESTS(CASE(logits_are_those_of_peft_applied_and_merged), CASE(loss_and_every_gradient_are_those_of_peft),
          CASE(what_is_written_for_peft_is_what_peft_wrote),
          CASE(through_mlx_and_gguf_the_logits_stay_or_the_adapter_is_refused_by_name))
