/* model_golden_test.c - the model against transformers and peft: logits, loss, every gradient, on every back end.
 *
 * The numbers are in tests/golden/model, which says what made them.  Gradients are stored there as a base (or an
 * adapter) is, so reading them with our own reader brings them into our layout, to be compared weight by weight. */
#include "model/adapter.h"
#include "model/forward.h"
#include "tests/check.h"
#include "tests/golden_bases.h"

#include "io/safetensors.h"

#include <float.h>

enum {
    SEGMENTS = 2
};

/* A base, its golden numbers, and one batch of its two sequences. */
typedef struct golden {
    int base; /* of golden_bases */
    char dir[200];
    tl_model *model;
    tl_safetensors *file;
    tl_stream stream;
    tl_acts *acts;
    tl_segment segments[SEGMENTS];
    tl_adapter *adapters[SEGMENTS];
    int positions[200];
    tl_batch batch;
} golden;

static const void *numbers(const golden *g, const char *name)
{
    const tl_stored *t = tl_safetensors_find(g->file, name);
    if (!t) fail_msg("golden.safetensors lacks %s", name);
    return t->data;
}

static void golden_begin(golden *g, int base, const tl_backend *backend, bool recompute)
{
    tl_err err = { 0 };
    char path[400];
    memset(g, 0, sizeof *g);
    g->base = base;
    snprintf(g->dir, sizeof g->dir, GOLDEN_HOME "%s", golden_bases[base].name);
    snprintf(path, sizeof path, "%s/golden.safetensors", g->dir);
    CHECK_OK(tl_model_open(&g->model, g->dir, &err), err);
    CHECK_OK(tl_safetensors_open(&g->file, path, &err), err);
    g->model->backend = backend;
    const tl_config *c = &g->model->config;
    const int *lengths = numbers(g, "lengths");
    int N = 0;
    for (int s = 0; s < SEGMENTS; s++) {
        g->segments[s] = (tl_segment){ .row = N, .rows = lengths[s] };
        for (int i = 0; i < lengths[s]; i++) g->positions[N++] = i;
    }
    g->batch = (tl_batch){ .N = N,
                           .ids = numbers(g, "ids"),
                           .positions = g->positions,
                           .n_segments = SEGMENTS,
                           .segments = g->segments,
                           .adapters = g->adapters };
    tl_acts_size size = {
        .max_rows = N, .max_rank = 4, .training = true, .recompute = recompute, .max_segments = SEGMENTS
    };
    CHECK_OK(tl_stream_create(&g->stream, 2, TL_PRECISION_F32, c->T, c->h, &err), err);
    CHECK_OK(tl_acts_create(&g->acts, g->model, &size, &err), err);
}

static void golden_end(golden *g)
{
    tl_acts_free(g->acts);
    tl_stream_free(&g->stream);
    tl_safetensors_close(g->file);
    tl_model_free(g->model);
}

static tl_adapter *use_adapter(golden *g, const char *name)
{
    tl_err err = { 0 };
    char path[400];
    tl_adapter *a = NULL;
    snprintf(path, sizeof path, "%s/%s", g->dir, name);
    CHECK_OK(tl_adapter_load(&a, g->model, path, &err), err);
    return a;
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

static void check_logits(golden *g, const char *name)
{
    float *found = all_logits(g);
    const float *wanted = numbers(g, name);
    CHECK_CLOSE(found, wanted, (size_t)g->batch.N * (size_t)g->model->config.V, 1e-4, 1.0);
    free(found);
}

/* Loss of the batch, gradients of whatever has any. */
static void check_loss(golden *g, const char *name)
{
    const float *wanted = numbers(g, name);
    tl_forward(g->model, &g->stream, &g->batch, g->acts);
    double loss = tl_loss(g->model, &g->stream, &g->batch, g->acts, numbers(g, "targets"), numbers(g, "weights"),
                          &(tl_gradients){ 0 });
    CHECK_CLOSE(&loss, wanted, 1, 1e-5, 1e-3);
    tl_backward(g->model, &g->stream, &g->batch, g->acts, &(tl_gradients){ 0 });
}

/* Gradients found, in the order of a walk, to be met by the stored ones. */
typedef struct walk {
    tl_weight found[200];
    int n, at;
    double rounding; /* of what is stored, besides */
} walk;

static int remember(void *context, const char *name, tl_weight *w)
{
    (void)name;
    walk *k = context;
    CHECK(k->n < 200);
    k->found[k->n++] = *w;
    return 0;
}

/* Gradients are written, whatever was there. */
static int spoil(void *context, const char *name, tl_weight *w)
{
    (void)context;
    (void)name;
    for (size_t i = 0; i < (size_t)w->rows * (size_t)w->cols; i++) w->grad[i] = NAN;
    return 0;
}

/* Relative to the tensor's largest number: small entries are sums of large ones.  1e-8 besides, for gradients that are
 * zero but for rounding: a softmax does not feel the bias of its keys. */
static int compare(void *context, const char *name, tl_weight *w)
{
    walk *k = context;
    const tl_weight *found = &k->found[k->at++];
    size_t n = (size_t)w->rows * (size_t)w->cols;
    const float *wanted = w->data;
    double most = 0;
    CHECK_INT(found->rows, w->rows);
    CHECK_INT(found->cols, w->cols);
    CHECK(found->grad);
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(wanted[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)found->grad[i] - (double)wanted[i]) <=
              1e-3 * fmax(fabs(wanted[i]), most * 1e-2) + 1e-8 + (w->rows == 1 ? k->rounding : 0)))
            fail_msg("d(%s)[%zu] is %.9g, wanted %.9g", name, i, (double)found->grad[i], (double)wanted[i]);
    return 0;
}

static void each_base_and_backend(void (*check)(golden *g))
{
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        for (int i = 0; i < 2 * GOLDEN_BASES; i++) {
            golden g;
            bool recompute = i % 2;
            print_message("  %s on %s%s\n", golden_bases[i / 2].name, (*b)->name, recompute ? ", recomputing" : "");
            golden_begin(&g, i / 2, *b, recompute);
            check(&g);
            golden_end(&g);
        }
}

static void check_base(golden *g)
{
    check_logits(g, "logits");
}

TEST(logits_at_every_position_are_those_of_transformers)
{
    each_base_and_backend(check_base);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A factor rounded to bf16 is off by up to 2^-9 of itself, so a sum of products by less than twice that of its own
 * size; from the tokens to a logit there are four products a layer in series and the head, whose errors add up as a
 * random walk, and what the norms between make larger is allowed for by another factor of two.  Held against the root
 * mean square of a row: of the mean row, or of the median one where rows go to experts, for rounding sends some to
 * others than f32 does. */
static void check_bf16(golden *g)
{
    const tl_config *c = &g->model->config;
    int N = g->batch.N, V = c->V;
    const float *wanted = numbers(g, "logits");
    double size = 0, mean = 0, rows[200] = { 0 };
    g->stream.precision = TL_PRECISION_BF16;
    float *found = all_logits(g);
    for (int n = 0; n < N; n++) {
        for (int i = n * V; i < (n + 1) * V; i++) {
            double d = (double)found[i] - (double)wanted[i];
            size += (double)wanted[i] * wanted[i] / N;
            rows[n] += d * d;
        }
        mean += rows[n] / N;
    }
    qsort(rows, (size_t)N, sizeof *rows, compare_doubles);
    double off = sqrt((c->E ? rows[N / 2] : mean) / size), allowed = 4 * ldexp(sqrt(4 * c->L + 1), -9);
    if (!(off > 0 && off <= allowed)) fail_msg("logits are off by %.3g of their size, allowed is %.3g", off, allowed);
    free(found);
}

TEST(logits_of_bf16_products_are_as_near_as_its_epsilon_allows)
{
    each_base_and_backend(check_bf16);
}

static void check_gradients(golden *g)
{
    tl_err err = { 0 };
    char path[400];
    tl_model *stored = NULL;
    walk k = { 0 };
    if (g->model->config.E) { /* frozen */
        CHECK_INT(tl_model_unfreeze(g->model, &err), TL_EUNSUPPORTED);
        CHECK_HAS(err.text, "experts a layer");
        return;
    }
    /* Gemma's gains are read as what is stored and one: so are their gradients, less one when they were stored. */
    if (strncmp(golden_bases[g->base].name, "gemma", 5) == 0) k.rounding = 2 * FLT_EPSILON;
    snprintf(path, sizeof path, "%s/gradients", g->dir);
    CHECK_OK(tl_model_open(&stored, path, &err), err);
    CHECK_OK(tl_model_unfreeze(g->model, &err), err);
    tl_model_each(g->model, spoil, NULL);
    check_loss(g, "loss");
    tl_model_each(g->model, remember, &k);
    tl_model_each(stored, compare, &k);
    CHECK_INT(k.at, k.n);
    tl_model_free(stored);
}

TEST(loss_and_every_gradient_are_those_of_transformers)
{
    each_base_and_backend(check_gradients);
}

static void check_adapter(golden *g)
{
    tl_err err = { 0 };
    tl_adapter *a = use_adapter(g, "adapter");
    g->adapters[0] = g->adapters[1] = a;
    check_logits(g, "lora.logits");
    g->adapters[0] = g->adapters[1] = NULL;
    check_logits(g, "logits");
    tl_model *base = g->model;
    CHECK_OK(tl_adapter_merge(&g->model, a, &err), err);
    check_logits(g, "lora.logits");
    tl_model_free(g->model);
    g->model = base;
    tl_adapter_release(a);
}

TEST(an_adapter_applied_or_merged_gives_the_logits_of_peft)
{
    each_base_and_backend(check_adapter);
}

static int copy_data(void *context, const char *name, tl_weight *w)
{
    (void)name;
    walk *k = context;
    const tl_weight *from = &k->found[k->at++];
    CHECK_INT(from->rows, w->rows);
    CHECK_INT(from->cols, w->cols);
    memcpy((void *)w->data, from->data, (size_t)w->rows * (size_t)w->cols * sizeof(float));
    return 0;
}

/* Of the first module that is adapted: of all, in these. */
static float stored_alpha(const tl_adapter *a)
{
    int i = 0;
    while (!a->loras[i].r) i++;
    return a->loras[i].alpha;
}

/* A trainable adapter with the numbers of the stored one: made over the same modules, then filled. */
static tl_adapter *trainable(golden *g, const tl_adapter *stored)
{
    tl_err err = { 0 };
    tl_adapter *a = NULL;
    walk k = { 0 };
    tl_adapter_options o = tl_adapter_defaults();
    o.r = stored->max_r;
    o.alpha = stored_alpha(stored);
    o.rslora = stored->rslora;
    o.targets = golden_bases[g->base].targets;
    CHECK_OK(tl_adapter_create(&a, g->model, &o, &err), err);
    tl_adapter_each((tl_adapter *)stored, remember, &k);
    tl_adapter_each(a, copy_data, &k);
    CHECK_INT(k.at, k.n);
    return a;
}

static void check_adapter_gradients(golden *g)
{
    tl_adapter *stored = use_adapter(g, "adapter"), *wanted = use_adapter(g, "adapter-gradients");
    tl_adapter *a = trainable(g, stored);
    walk k = { 0 };
    g->adapters[0] = g->adapters[1] = a;
    tl_adapter_each(a, spoil, NULL);
    check_loss(g, "lora.loss");
    tl_adapter_each(a, remember, &k);
    tl_adapter_each(wanted, compare, &k);
    CHECK_INT(k.at, k.n);
    CHECK(g->model->tokens.grad == NULL); /* the base stayed frozen */
    tl_adapter_release(a);
    tl_adapter_release(wanted);
    tl_adapter_release(stored);
}

TEST(an_adapters_gradients_are_those_of_peft)
{
    each_base_and_backend(check_adapter_gradients);
}

RUN_TESTS(CASE(logits_at_every_position_are_those_of_transformers),
          CASE(logits_of_bf16_products_are_as_near_as_its_epsilon_allows),
          CASE(loss_and_every_gradient_are_those_of_transformers),
          CASE(an_adapter_applied_or_merged_gives_the_logits_of_peft), CASE(an_adapters_gradients_are_those_of_peft))
