/* adapter.c - low-rank adapters in memory: made, shared, walked, merged.  Their files are adapter_file.c. */
#include "model/adapter_memory.h"

#include "base/arena.h"
#include "base/rng.h"
#include "model/adapter_targets.h"
#include "model/init.h"
#include "model/model_memory.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tl_adapter_options tl_adapter_defaults(void)
{
    return (tl_adapter_options){ .r = 8, .alpha = 16, .targets = "all-linear" };
}

void tl_module_widths(const tl_model *m, int layer, int module, int *O, int *I)
{
    const tl_module *u = &m->config.family->modules[module];
    const tl_weight *w = &m->layers[layer].linear[u->first];
    *O = 0;
    *I = w->cols;
    for (int i = 0; i < u->count; i++) *O += w[i].rows;
}

static tl_weight make_tensor(tl_arena *arena, int rows, int cols, bool trained)
{
    size_t n = (size_t)rows * (size_t)cols;
    tl_weight w = { .dtype = TL_DTYPE_F32, .rows = rows, .cols = cols };
    w.data = tl_arena_floats(arena, n);
    if (trained) w.grad = tl_arena_floats(arena, n);
    return w;
}

/* Lay the tensors of the chosen modules out in arena, which may be measuring. */
static void lay_out(tl_adapter *a, tl_arena *arena, const bool *chosen, int r, bool trained)
{
    float scale = a->rslora ? a->alpha / sqrtf((float)r) : a->alpha / (float)r;
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            if (!chosen[l * a->n_modules + i]) continue;
            int O, I;
            tl_module_widths(a->model, l, i, &O, &I);
            tl_lora *lora = &a->loras[l * a->n_modules + i];
            lora->r = r;
            lora->scale = scale;
            lora->a = make_tensor(arena, r, I, trained);
            lora->b = make_tensor(arena, O, r, trained);
        }
}

int tl_adapter_make(tl_adapter **out, const tl_model *m, const bool *chosen, int r, float alpha, bool rslora,
                    bool trained, tl_err *err)
{
    tl_arena *measure = NULL;
    int rc = 0;
    tl_adapter *a = calloc(1, sizeof *a);
    if (a) {
        a->model = m;
        a->n_modules = tl_family_modules(m->config.family);
        a->loras = calloc(tl_modules_count(&m->config), sizeof *a->loras);
        a->alpha = alpha;
        a->rslora = rslora;
        a->max_r = r;
        a->references = 1;
    }
    if (!a || !a->loras) {
        rc = tl_fail(err, TL_ENOMEM, "no memory for an adapter of %d layers", m->config.L);
        goto done;
    }
    rc = tl_arena_measure(&measure, err);
    if (rc < 0) goto done;
    lay_out(a, measure, chosen, r, trained);
    rc = tl_arena_create(&a->memory, tl_arena_peak(measure), "the adapter", err);
    if (rc < 0) goto done;
    lay_out(a, a->memory, chosen, r, trained);
    *out = a;
    a = NULL;
done:
    tl_arena_free(measure);
    tl_adapter_release(a);
    return rc;
}

/* "q_proj,v_proj", or a word for all. */
static int choose(bool *chosen, const tl_config *c, const char *targets, tl_err *err)
{
    static const char *const where = "adapter targets";
    if (strcmp(targets, "all-linear") == 0) return tl_targets_pattern(chosen, c, targets, where, err);
    while (*targets) {
        size_t n = strcspn(targets, ",");
        char name[TL_NAME_MAX];
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), targets);
        TL_TRY(tl_targets_name(chosen, c, name, where, err));
        targets += n + (targets[n] == ',');
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

int tl_adapter_create(tl_adapter **out, const tl_model *m, const tl_adapter_options *o, tl_err *err)
{
    if (o->r < 1 || o->r > TL_RANK_MAX)
        return tl_fail(err, TL_EUSAGE, "adapter rank is %d, wanted 1 to %d", o->r, TL_RANK_MAX);
    if (!(o->alpha > 0) || !isfinite(o->alpha))
        return tl_fail(err, TL_EUSAGE, "adapter alpha is %g, wanted more than 0", (double)o->alpha);
    if (!*o->targets) return tl_fail(err, TL_EUSAGE, "adapter targets are empty, wanted module names or all-linear");
    bool *chosen = calloc(tl_modules_count(&m->config), sizeof *chosen);
    if (!chosen) return tl_fail(err, TL_ENOMEM, "no memory for an adapter of %d layers", m->config.L);
    int rc = choose(chosen, &m->config, o->targets, err);
    if (rc == 0) rc = tl_adapter_make(out, m, chosen, o->r, o->alpha, o->rslora, true, err);
    free(chosen);
    if (rc < 0) return rc;
    uint64_t seed = o->seed;
    return tl_adapter_each(*out, init_a, &seed);
}

tl_adapter *tl_adapter_acquire(tl_adapter *a)
{
    __atomic_add_fetch(&a->references, 1, __ATOMIC_RELAXED);
    return a;
}

void tl_adapter_release(tl_adapter *a)
{
    if (!a || __atomic_sub_fetch(&a->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    tl_arena_free(a->memory);
    free(a->loras);
    free(a);
}

int tl_adapter_each(tl_adapter *a, tl_weight_visit *visit, void *context)
{
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            tl_lora *lora = &a->loras[l * a->n_modules + i];
            char path[TL_NAME_MAX], name[TL_NAME_MAX + 20];
            if (!lora->r) continue;
            tl_module_path(path, sizeof path, a->model->config.family, l, i);
            snprintf(name, sizeof name, "%s.lora_A.weight", path);
            TL_TRY(visit(context, name, &lora->a));
            snprintf(name, sizeof name, "%s.lora_B.weight", path);
            TL_TRY(visit(context, name, &lora->b));
        }
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

int tl_adapter_merge(const tl_adapter *a, tl_model *m, tl_err *err)
{
    for (int l = 0; l < m->config.L; l++)
        for (int p = 0; p < TL_LINEARS; p++) {
            int row = 0;
            const tl_lora *lora = tl_adapter_of(a, l, p, &row);
            if (!lora) continue;
            tl_weight *w = &m->layers[l].linear[p];
            assert(w->grad); /* unfrozen */
            if (w->cols != lora->a.cols || row + w->rows > lora->b.rows)
                return tl_fail(err, TL_ESHAPE, "layer %d: the adapter is for another base, widths differ", l);
            const float *A = lora->a.data, *B = (const float *)lora->b.data + (size_t)row * (size_t)lora->r;
#pragma omp parallel for
            for (int o = 0; o < w->rows; o++) {
                float *y = (float *)w->data + (size_t)o * (size_t)w->cols;
                for (int j = 0; j < lora->r; j++) {
                    float s = lora->scale * B[(size_t)o * (size_t)lora->r + (size_t)j];
                    const float *x = A + (size_t)j * (size_t)w->cols;
                    for (int i = 0; i < w->cols; i++) y[i] += s * x[i];
                }
            }
        }
    return 0;
}
