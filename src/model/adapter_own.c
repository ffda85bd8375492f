/* adapter_own.c - weights of the adapter's own: which stored tensors of the base they stand for, and the base as it is
 * seen with them in place.
 *
 * They are chosen by stored tensors, as files speak of them; one such tensor may be several weights of ours (the bias
 * of GPT-2's c_attn).  The head of a tied base is a tensor as well: with a head or a token table of its own, a base is
 * no longer tied, as in PEFT; with rows of its token table replaced it still is. */
#include "model/adapter_memory.h"
#include "model/adapter_targets.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static bool is_head(const tl_name *name)
{
    return name->offset == offsetof(tl_model, head);
}

static bool is_tokens(const tl_name *name)
{
    return name->offset == offsetof(tl_model, tokens);
}

/* The base's group at that row of its family's tables; layer -1: of the model's. */
static bool group_of(tl_group *out, const tl_model *m, const tl_name *name, int layer)
{
    if (layer >= 0) return tl_group_take(out, &m->config, name, tl_layer_rows, &m->layers[layer]);
    if (!is_head(name) || !m->config.tied) return tl_group_take(out, &m->config, name, tl_model_rows, (void *)m);
    *out = (tl_group){ .name = name, .O = (size_t)m->config.V, .I = (size_t)m->config.D };
    out->weights[0] = (tl_weight *)&m->head;
    return true;
}

void tl_own_base(tl_group *out, const tl_adapter *a, const tl_own *own)
{
    group_of(out, a->model, own->name, own->layer);
}

void tl_own_group(tl_group *out, const tl_adapter *a, const tl_own *own)
{
    tl_own_base(out, a, own);
    for (int p = 0; p < own->name->parts; p++) out->weights[p] = (tl_weight *)&own->weights[p];
}

void tl_own_stored_name(char *out, size_t size, const tl_own *own)
{
    tl_name_print(out, size, own->name->stored, own->layer, 0);
}

static bool owns(const tl_adapter *a, const tl_name *name, int layer)
{
    for (int i = 0; i < a->n_owns; i++)
        if (a->owns[i].name == name && (layer < 0 || a->owns[i].layer == layer)) return true;
    return false;
}

static int add_own(tl_adapter *a, tl_own_kind kind, const tl_name *name, int layer, tl_err *err)
{
    tl_own *list = realloc(a->owns, (size_t)(a->n_owns + 1) * sizeof *list);
    if (!list) return tl_fail(err, TL_ENOMEM, "no memory for the adapter's own weights");
    a->owns = list;
    list[a->n_owns++] = (tl_own){ .kind = kind, .layer = layer, .name = name };
    return 0;
}

static int choose_in(tl_adapter *a, tl_own_kind kind, const tl_name *names, int layer, tl_own_choose *choose,
                     void *context, bool *any, tl_err *err)
{
    for (const tl_name *name = names; name->stored; name += name->parts) {
        char stored[TL_NAME_MAX];
        tl_group g;
        if (!group_of(&g, a->model, name, layer)) continue;
        tl_name_print(stored, sizeof stored, name->stored, layer, 0);
        if (!choose(context, stored, layer) &&
            !(layer < 0 && is_head(name) && choose(context, "lm_head.weight", layer)))
            continue;
        if (owns(a, name, layer)) continue;
        *any = true;
        TL_TRY(add_own(a, kind, name, layer, err));
    }
    return 0;
}

int tl_adapter_own(tl_adapter *a, tl_own_kind kind, tl_own_choose *choose, void *context, bool *any, tl_err *err)
{
    const tl_family *f = a->model->config.family;
    *any = false;
    TL_TRY(choose_in(a, kind, f->model_names, -1, choose, context, any, err));
    for (int l = 0; l < a->model->config.L; l++)
        TL_TRY(choose_in(a, kind, f->layer_names, l, choose, context, any, err));
    return 0;
}

/* PEFT saves a module whose path ends with the given name, and all that is below it: some path down to that of the
 * tensor ends so. */
static bool below_module(void *context, const char *stored, int layer)
{
    const char *name = context;
    size_t n = strlen(name);
    (void)layer;
    for (const char *end = strchr(stored, '.'); end; end = strchr(end + 1, '.'))
        if ((size_t)(end - stored) >= n && strncmp(end - n, name, n) == 0) return true;
    return false;
}

int tl_adapter_own_module(tl_adapter *a, const char *path, const char *where, tl_err *err)
{
    bool any = false;
    if (*path) TL_TRY(tl_adapter_own(a, TL_OWN_MODULE, below_module, (void *)path, &any, err));
    if (any) return 0;
    return tl_fail(err, TL_EUNSUPPORTED,
                   "%s: modules_to_save names '%s', which is no module of this base, is named twice or cannot be "
                   "replaced",
                   where, path);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool bias_chosen(void *context, const char *stored, int layer)
{
    const tl_adapter *a = context;
    char path[TL_NAME_MAX];
    if (!ends_with(stored, ".bias")) return false;
    if (a->bias == TL_BIAS_ALL) return true;
    for (int i = 0; layer >= 0 && i < a->n_modules; i++) {
        size_t n;
        if (!tl_adapter_lora(a, layer, i)->r) continue;
        tl_module_path(path, sizeof path, a->model->config.family, layer, i);
        n = strlen(path);
        if (strncmp(stored, path, n) == 0 && strcmp(stored + n, ".bias") == 0) return true;
    }
    return false;
}

int tl_adapter_own_biases(tl_adapter *a, tl_err *err)
{
    bool any;
    return a->bias == TL_BIAS_NONE ? 0 : tl_adapter_own(a, TL_OWN_BIAS, bias_chosen, a, &any, err);
}

int tl_adapter_own_tokens(tl_adapter *a, tl_err *err)
{
    const tl_name *name = a->model->config.family->model_names;
    while (!is_tokens(name)) name++;
    return add_own(a, TL_OWN_TOKENS, name, -1, err);
}

tl_weight *tl_own_weight_in(tl_model *m, const tl_own *own, int part)
{
    char *owner = own->layer < 0 ? (char *)m : (char *)&m->layers[own->layer];
    return (tl_weight *)(owner + own->name[part].offset);
}

static void see(tl_model *v, const tl_own *own)
{
    bool tied = v->config.tied;
    for (int p = 0; p < own->name->parts; p++) *tl_own_weight_in(v, own, p) = own->weights[p];
    if (own->layer >= 0 || !tied) return;
    if (own->kind == TL_OWN_TOKENS)
        v->head = v->tokens;
    else if (is_head(own->name) || is_tokens(own->name))
        v->config.tied = false;
}

int tl_adapter_see(tl_adapter *a, tl_err *err)
{
    if (a->n_owns == 0) return 0;
    TL_TRY(tl_model_share(&a->view, a->model, err));
    for (int i = 0; i < a->n_owns; i++) see(a->view, &a->owns[i]);
    return 0;
}

/* ---- from a stored tensor and back ---- */

void tl_group_read(float *w, const tl_group *g, int part, const void *data, tl_dtype dtype, int h)
{
    size_t I = g->I, size = tl_dtype_size(dtype), start = 0;
    const tl_form form = g->name->form;
    const tl_weight *mine = g->weights[part];
    size_t O = (size_t)(g->vector ? mine->cols : mine->rows);
    for (int p = 0; p < part; p++) start += (size_t)(g->vector ? g->weights[p]->cols : g->weights[p]->rows);
    for (size_t o = 0; o < O; o++) {
        const char *row = (const char *)data + tl_group_place(g, part, start, o, 0, h) * size;
        float *out = w + o * I;
        if (form != TL_FORM_TRANSPOSED) tl_dtype_widen(out, row, dtype, I);
        for (size_t i = 0; form == TL_FORM_TRANSPOSED && i < I; i++)
            tl_dtype_widen(out + i, row + i * g->O * size, dtype, 1);
        for (size_t i = 0; form == TL_FORM_LESS_ONE && i < I; i++) out[i] += 1;
    }
}

void tl_group_write(float *data, const tl_group *g, int h)
{
    size_t start = 0;
    float less = g->name->form == TL_FORM_LESS_ONE ? 1 : 0;
    for (int p = 0; p < g->name->parts; p++) {
        const tl_weight *w = g->weights[p];
        size_t O = (size_t)(g->vector ? w->cols : w->rows), I = g->I;
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < I; i++)
                data[tl_group_place(g, p, start, o, i, h)] = ((const float *)w->data)[o * I + i] - less;
        start += O;
    }
}
