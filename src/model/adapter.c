/* adapter.c - adapters in memory: made, shared, walked.  Weights of their own are adapter_own.c, magnitudes
 * adapter_dora.c, merging adapter_merge.c, files adapter_file.c and adapter_write.c. */
#include "model/adapter_memory.h"

#include "base/arena.h"
#include "base/rng.h"
#include "model/adapter_dora.h"
#include "model/adapter_targets.h"
#include "model/init.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tl_adapter_options tl_adapter_defaults(void)
{
    return (tl_adapter_options){ .r = 8, .alpha = 16, .targets = "all-linear", .own = "" };
}

static const char *const bias_names[] = { "none", "lora_only", "all" };

int tl_bias_parse(tl_bias *out, const char *word, tl_err *err)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, bias_names[i]) != 0) continue;
        *out = (tl_bias)i;
        return 0;
    }
    return tl_fail(err, TL_EUNSUPPORTED, "bias is '%s'; none, lora_only and all are known", word);
}

const char *tl_bias_name(tl_bias bias)
{
    return bias_names[bias];
}

void tl_module_widths(const tl_model *m, int layer, int module, int *O, int *I)
{
    const tl_module *u = &m->config.family->modules[module];
    const tl_weight *w = &m->layers[layer].linear[u->first];
    *O = 0;
    *I = w->cols;
    for (int i = 0; i < u->count; i++) *O += w[i].rows;
}

int tl_adapter_new(tl_adapter **out, const tl_model *m, tl_err *err)
{
    tl_adapter *a = calloc(1, sizeof *a);
    if (a) {
        a->model = m;
        a->n_modules = tl_family_modules(m->config.family);
        a->loras = calloc(tl_modules_count(&m->config), sizeof *a->loras);
        a->references = 1;
    }
    if (!a || !a->loras) {
        tl_adapter_release(a);
        return tl_fail(err, TL_ENOMEM, "no memory for an adapter of %d layers", m->config.L);
    }
    *out = a;
    return 0;
}

void tl_adapter_adapt(tl_adapter *a, int layer, int module, int r, float alpha)
{
    tl_lora *lora = tl_adapter_lora(a, layer, module);
    lora->r = r;
    lora->alpha = alpha;
    lora->scale = a->rslora ? alpha / sqrtf((float)r) : alpha / (float)r;
    if (r > a->max_r) a->max_r = r;
}

static tl_weight make_tensor(tl_arena *arena, int rows, int cols, bool trained)
{
    size_t n = (size_t)rows * (size_t)cols;
    tl_weight w = { .dtype = TL_DTYPE_F32, .rows = rows, .cols = cols };
    w.data = tl_arena_floats(arena, n);
    if (trained) w.grad = tl_arena_floats(arena, n);
    return w;
}

/* All tensors into arena, which may be measuring. */
static void lay_out(tl_adapter *a, tl_arena *arena, bool trained)
{
    size_t scratch = 0;
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            int O, I;
            tl_lora *lora = tl_adapter_lora(a, l, i);
            if (!lora->r) continue;
            tl_module_widths(a->model, l, i, &O, &I);
            lora->a = make_tensor(arena, lora->r, I, trained);
            lora->b = make_tensor(arena, O, lora->r, trained);
            if (!a->dora) continue;
            size_t floats = tl_renorm_floats(a->model, l, i, lora->r);
            if (floats > scratch) scratch = floats;
            lora->magnitude = make_tensor(arena, 1, O, trained);
            lora->gain = tl_arena_floats(arena, (size_t)O);
            lora->norm = tl_arena_floats(arena, (size_t)O);
            lora->square = tl_arena_take(arena, (size_t)O * sizeof *lora->square);
        }
    for (int i = 0; i < a->n_owns; i++) {
        tl_group g;
        tl_own_base(&g, a, &a->owns[i]);
        for (int p = 0; p < a->owns[i].name->parts; p++)
            a->owns[i].weights[p] = make_tensor(arena, g.weights[p]->rows, g.weights[p]->cols, trained);
    }
    if (scratch > 0) a->scratch = tl_arena_floats(arena, scratch);
}

static void copy_owns(tl_adapter *a)
{
    for (int i = 0; i < a->n_owns; i++) {
        tl_group g;
        tl_own_base(&g, a, &a->owns[i]);
        for (int p = 0; p < a->owns[i].name->parts; p++) {
            tl_weight *w = &a->owns[i].weights[p];
            for (int o = 0; o < w->rows; o++)
                tl_weight_widen_row(g.weights[p], o, (float *)w->data + (size_t)o * (size_t)w->cols);
        }
    }
}

static void square_bases(tl_adapter *a)
{
    for (int l = 0; a->dora && l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            const tl_module *u = &a->model->config.family->modules[i];
            tl_lora *lora = tl_adapter_lora(a, l, i);
            double *square = lora->square;
            for (int p = 0; lora->r && p < u->count; p++) {
                const tl_weight *w = &a->model->layers[l].linear[u->first + p];
                tl_lora_squares(square, a->scratch, w);
                square += w->rows;
            }
        }
}

int tl_adapter_lay(tl_adapter *a, bool trained, tl_err *err)
{
    tl_arena *measure = NULL;
    TL_TRY(tl_arena_measure(&measure, err));
    lay_out(a, measure, trained);
    size_t bytes = tl_arena_peak(measure);
    tl_arena_free(measure);
    TL_TRY(tl_arena_create(&a->memory, bytes, "the adapter", err));
    lay_out(a, a->memory, trained);
    copy_owns(a);
    square_bases(a);
    return tl_adapter_see(a, err);
}

static bool finite_gains(const tl_lora *lora)
{
    for (int o = 0; lora->r && o < lora->b.rows; o++)
        if (!isfinite(lora->gain[o])) return false;
    return true;
}

int tl_adapter_settle(tl_adapter *a, tl_err *err)
{
    tl_stream s = { 0 };
    if (!a->dora) return 0;
    TL_TRY(tl_stream_create(&s, 0, TL_PRECISION_F32, 1, 1, err));
    tl_adapter_renorm(a, &s);
    tl_stream_free(&s);
    for (int i = 0; i < a->model->config.L * a->n_modules; i++)
        if (!finite_gains(&a->loras[i]))
            return tl_fail(err, TL_ENUMERIC,
                           "layer %d, %s: a row of the adapted weight is zero, its magnitude makes no number",
                           i / a->n_modules, a->model->config.family->modules[i % a->n_modules].name);
    return 0;
}

/* f for each of the names in list, which have commas between them. */
static int each_name(const char *list, int (*f)(void *context, const char *name, tl_err *err), void *context,
                     tl_err *err)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        char name[TL_NAME_MAX];
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), list);
        TL_TRY(f(context, name, err));
        list += n + (list[n] == ',');
    }
    return 0;
}

typedef struct choosing {
    bool *chosen;
    const tl_config *c;
} choosing;

static const char *const of_targets = "adapter targets";

static int choose_name(void *context, const char *name, tl_err *err)
{
    const choosing *k = context;
    return tl_targets_name(k->chosen, k->c, name, of_targets, err);
}

static int own_name(void *context, const char *name, tl_err *err)
{
    return tl_adapter_own_module(context, name, "own modules", err);
}

/* "q_proj,v_proj", or a word for all; not what the adapter owns whole. */
static int choose(bool *chosen, const tl_config *c, const tl_adapter_options *o, tl_err *err)
{
    choosing k = { chosen, c };
    if (strcmp(o->targets, "all-linear") == 0)
        TL_TRY(tl_targets_pattern(chosen, c, o->targets, of_targets, err));
    else
        TL_TRY(each_name(o->targets, choose_name, &k, err));
    for (const char *own = o->own; *own;) {
        size_t n = strcspn(own, ",");
        tl_targets_drop_below(chosen, c, own, n);
        own += n + (own[n] == ',');
    }
    return 0;
}

static int init_a(void *context, const char *name, tl_weight *w)
{
    const char *end = strstr(name, ".lora_A.");
    if (!end) return 0;
    tl_rng r = tl_rng_make(*(const uint64_t *)context, tl_init_stream(name));
    float *data = (float *)w->data, bound = 1.0f / sqrtf((float)w->cols);
    size_t n = (size_t)w->rows * (size_t)w->cols;
    for (size_t i = 0; i < n; i++) data[i] = bound * (float)(2 * tl_rng_unit(&r) - 1);
    return 0;
}

/* Magnitudes begin as the norms of the base's rows. */
static void init_magnitudes(tl_adapter *a)
{
    for (int i = 0; a->dora && i < a->model->config.L * a->n_modules; i++)
        for (int o = 0; a->loras[i].r && o < a->loras[i].b.rows; o++)
            ((float *)a->loras[i].magnitude.data)[o] = (float)sqrt(a->loras[i].square[o]);
}

static int create(tl_adapter *a, const bool *chosen, const tl_adapter_options *o, tl_err *err)
{
    uint64_t seed = o->seed;
    int rc;
    a->rslora = o->rslora;
    a->dora = o->dora;
    a->bias = o->bias;
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++)
            if (chosen[l * a->n_modules + i]) tl_adapter_adapt(a, l, i, o->r, o->alpha);
    if (a->max_r == 0)
        return tl_fail(err, TL_EUSAGE, "own modules '%s' leave no target of '%s' to adapt", o->own, o->targets);
    rc = each_name(o->own, own_name, a, err);
    if (rc == 0) rc = tl_adapter_own_biases(a, err);
    if (rc == 0) rc = tl_adapter_lay(a, true, err);
    if (rc == 0) init_magnitudes(a);
    if (rc == 0) rc = tl_adapter_each(a, init_a, &seed);
    return rc == 0 ? tl_adapter_settle(a, err) : rc;
}

int tl_adapter_create(tl_adapter **out, const tl_model *m, const tl_adapter_options *o, tl_err *err)
{
    tl_adapter *a = NULL;
    if (o->r < 1 || o->r > TL_RANK_MAX)
        return tl_fail(err, TL_EUSAGE, "adapter rank is %d, wanted 1 to %d", o->r, TL_RANK_MAX);
    if (!(o->alpha > 0) || !isfinite(o->alpha))
        return tl_fail(err, TL_EUSAGE, "adapter alpha is %g, wanted more than 0", (double)o->alpha);
    if (!*o->targets) return tl_fail(err, TL_EUSAGE, "adapter targets are empty, wanted module names or all-linear");
    bool *chosen = calloc(tl_modules_count(&m->config), sizeof *chosen);
    if (!chosen) return tl_fail(err, TL_ENOMEM, "no memory for an adapter of %d layers", m->config.L);
    int rc = choose(chosen, &m->config, o, err);
    if (rc == 0) rc = tl_adapter_new(&a, m, err);
    if (rc == 0) rc = create(a, chosen, o, err);
    free(chosen);
    if (rc < 0)
        tl_adapter_release(a);
    else
        *out = a;
    return rc;
}

tl_adapter *tl_adapter_acquire(tl_adapter *a)
{
    __atomic_add_fetch(&a->references, 1, __ATOMIC_RELAXED);
    return a;
}

void tl_adapter_release(tl_adapter *a)
{
    if (!a || __atomic_sub_fetch(&a->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    tl_model_free(a->view);
    tl_arena_free(a->memory);
    free(a->loras);
    free(a->owns);
    free(a->token_ids);
    free(a);
}

static int each_of_module(tl_lora *lora, const char *path, tl_weight_visit *visit, void *context)
{
    char name[TL_NAME_MAX + 30];
    snprintf(name, sizeof name, "%s.lora_A.weight", path);
    TL_TRY(visit(context, name, &lora->a));
    snprintf(name, sizeof name, "%s.lora_B.weight", path);
    TL_TRY(visit(context, name, &lora->b));
    snprintf(name, sizeof name, "%s.lora_magnitude_vector", path);
    return lora->magnitude.data ? visit(context, name, &lora->magnitude) : 0;
}

static int each_of_own(tl_own *own, tl_weight_visit *visit, void *context)
{
    char stored[TL_NAME_MAX], name[TL_NAME_MAX + 20];
    tl_own_stored_name(stored, sizeof stored, own);
    for (int p = 0; p < own->name->parts; p++) {
        snprintf(name, sizeof name, own->name->parts > 1 ? "%s/%d" : "%s", stored, p);
        TL_TRY(visit(context, name, &own->weights[p]));
    }
    return 0;
}

int tl_adapter_each(tl_adapter *a, tl_weight_visit *visit, void *context)
{
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            char path[TL_NAME_MAX];
            tl_lora *lora = tl_adapter_lora(a, l, i);
            if (!lora->r) continue;
            tl_module_path(path, sizeof path, a->model->config.family, l, i);
            TL_TRY(each_of_module(lora, path, visit, context));
        }
    for (int i = 0; i < a->n_owns; i++) TL_TRY(each_of_own(&a->owns[i], visit, context));
    return 0;
}

static int add_size(void *context, const char *name, tl_weight *w)
{
    (void)name;
    *(size_t *)context += (size_t)w->rows * (size_t)w->cols;
    return 0;
}

size_t tl_adapter_parameters(const tl_adapter *a)
{
    size_t n = 0;
    tl_adapter_each((tl_adapter *)a, add_size, &n); /* the visitor changes nothing */
    return n;
}

size_t tl_adapter_bytes(const tl_adapter *a)
{
    return tl_arena_peak(a->memory);
}

const tl_lora *tl_adapter_of(const tl_adapter *a, int layer, int linear, int *b_row)
{
    const tl_module *modules = a->model->config.family->modules;
    for (int i = 0; i < a->n_modules; i++) {
        int part = linear - modules[i].first;
        const tl_lora *lora = &a->loras[layer * a->n_modules + i];
        if (part < 0 || part >= modules[i].count) continue;
        if (!lora->r) return NULL;
        *b_row = 0;
        for (int p = 0; p < part; p++) *b_row += a->model->layers[layer].linear[modules[i].first + p].rows;
        return lora;
    }
    return NULL;
}
