/* model.c - a base in memory: made, walked, unfrozen, counted, freed.  Reading one from disk is model_open.c, writing
 * one model_write.c. */
#include "base/panels.h"
#include "base/size.h"
#include "model/init.h"
#include "model/model_memory.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tables of angles: laid out on a measuring arena first.  Where windows have no scheme of their own, both are one.
 */
static void lay_out_rope(tl_model *m, tl_arena *arena)
{
    const tl_config *c = &m->config;
    int w = tl_rope_width(c);
    m->rope = tl_rope_make(arena, &c->rope, w, c->T);
    m->local = c->local.theta != 0 ? tl_rope_make(arena, &c->local, w, c->T) : m->rope;
}

static int make_rope(tl_model *m, tl_err *err)
{
    tl_arena *measure = NULL;
    TL_TRY(tl_arena_measure(&measure, err));
    lay_out_rope(m, measure);
    size_t bytes = tl_arena_peak(measure);
    tl_arena_free(measure);
    TL_TRY(tl_arena_create(&m->memory->rope, bytes, "the rotary tables", err));
    lay_out_rope(m, m->memory->rope);
    return 0;
}

static void set_shapes(const tl_config *c, const tl_weight_row *row, void *owner)
{
    for (; row->name; row++) {
        if (!tl_weight_row_wanted(row, c)) continue;
        tl_weight *w = tl_weight_row_of(row, owner);
        w->rows = tl_config_dimension(c, row->rows);
        w->cols = tl_config_dimension(c, row->cols);
    }
}

int tl_model_make(tl_model **out, const tl_config *config, tl_err *err)
{
    int rc = 0;
    tl_model *m = calloc(1, sizeof *m);
    if (m) {
        m->config = *config;
        m->layers = calloc((size_t)config->L, sizeof *m->layers);
        m->memory = calloc(1, sizeof *m->memory);
        if (config->E) m->experts = calloc((size_t)config->L * (size_t)config->E, sizeof *m->experts);
    }
    if (!m || !m->layers || !m->memory || (config->E && !m->experts)) {
        rc = tl_fail(err, TL_ENOMEM, "no memory for a base of %d layers", config->L);
        goto done;
    }
    rc = tl_backend_pick(&m->backend, err);
    if (rc == 0 && config->position == TL_POSITION_ROPE) rc = make_rope(m, err);
    if (rc < 0) goto done;
    set_shapes(config, tl_model_rows, m);
    for (int l = 0; l < config->L; l++) {
        set_shapes(config, tl_layer_rows, &m->layers[l]);
        if (config->E) m->layers[l].experts = m->experts + (size_t)l * (size_t)config->E;
        for (int e = 0; e < config->E; e++) set_shapes(config, tl_expert_rows, &m->layers[l].experts[e]);
    }
    *out = m;
    m = NULL;
done:
    tl_model_free(m);
    return rc;
}

void tl_model_free(tl_model *m)
{
    if (!m) return;
    if (m->memory) {
        tl_model_unname(m);
        tl_safetensors_close(m->memory->file);
        tl_gguf_close(m->memory->gguf);
        tl_arena_free(m->memory->copies);
        tl_arena_free(m->memory->trained);
        tl_arena_free(m->memory->rope);
        free(m->memory->origins);
    }
    free(m->memory);
    free(m->experts);
    free(m->layers);
    free(m);
}

void tl_model_rest(const tl_model *m)
{
    if (m->memory->file) tl_safetensors_rest(m->memory->file);
    if (m->memory->gguf) tl_gguf_rest(m->memory->gguf);
}

void tl_model_tie(tl_model *m)
{
    /* A shared model is walked by several threads: nothing is written where nothing changed. */
    if (m->config.tied && (m->head.data != m->tokens.data || m->head.grad != m->tokens.grad)) m->head = m->tokens;
}

/* One table's rows of the model or of a layer. */
static int each_row(const tl_config *c, const tl_weight_row *row, void *owner, const char *prefix,
                    tl_weight_visit *visit, void *context)
{
    for (; row->name; row++) {
        if (!tl_weight_row_wanted(row, c)) continue;
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, row->name);
        TL_TRY(visit(context, name, tl_weight_row_of(row, owner)));
    }
    return 0;
}

int tl_model_each_row(tl_model *m, tl_weight_visit *visit, void *context)
{
    TL_TRY(each_row(&m->config, tl_model_rows, m, "", visit, context));
    for (int l = 0; l < m->config.L; l++) {
        char prefix[48];
        snprintf(prefix, sizeof prefix, "layers.%d.", l);
        TL_TRY(each_row(&m->config, tl_layer_rows, &m->layers[l], prefix, visit, context));
        for (int e = 0; e < m->config.E; e++) {
            snprintf(prefix, sizeof prefix, "layers.%d.experts.%d.", l, e);
            TL_TRY(each_row(&m->config, tl_expert_rows, &m->layers[l].experts[e], prefix, visit, context));
        }
    }
    return 0;
}

int tl_model_each(tl_model *m, tl_weight_visit *visit, void *context)
{
    int rc = tl_model_each_row(m, visit, context);
    tl_model_tie(m); /* whatever the visitor did to the table, it did to the head */
    return rc;
}

static size_t weight_size(const tl_weight *w)
{
    return (size_t)w->rows * (size_t)w->cols;
}

/* Laying the trained block out; on a measuring arena nothing moves. */
typedef struct moving {
    tl_arena *block;
    tl_model *m;
    const tl_unfreeze *how;
    bool shared; /* of the gradients being placed */
} moving;

static int place_gradient(void *context, const char *name, tl_weight *w)
{
    (void)name;
    moving *k = context;
    bool table = k->how->room == TL_ROOM_GROUP && !k->m->config.tied && (w == &k->m->tokens || w == &k->m->head);
    bool again = table && w == &k->m->head; /* after the tokens */
    float *place = again ? k->m->tokens.grad : tl_arena_floats(k->block, weight_size(w));
    if (!place) return 0;
    w->grad = place;
    w->shared = k->shared || table;
    return 0;
}

static void narrow_to(tl_bf16 *y, const tl_weight *w, size_t n)
{
    const float *x = w->data;
    if (w->dtype == TL_DTYPE_BF16)
        memcpy(y, w->data, n * sizeof *y);
    else
        for (size_t i = 0; i < n; i++) y[i] = tl_f32_to_bf16(x[i]);
}

static int place_value(void *context, const char *name, tl_weight *w)
{
    (void)name;
    moving *k = context;
    size_t n = weight_size(w);
    tl_dtype dtype = w->rows > 1 ? k->how->matrices : TL_DTYPE_F32;
    void *data = tl_arena_take(k->block, n * tl_dtype_size(dtype));
    if (!data) return 0;
    if (w->data && dtype == TL_DTYPE_BF16)
        narrow_to(data, w, n);
    else if (w->data)
        tl_dtype_widen(data, w->data, w->dtype, n);
    w->data = data;
    w->dtype = dtype;
    return 0;
}

/* Values, then the gradients of what lies outside the layers, then those of each layer: after or over the last one's.
 */
static void lay_out_trained(tl_model *m, tl_arena *block, const tl_unfreeze *how)
{
    moving k = { .block = block, .m = m, .how = how };
    tl_model_each_row(m, place_value, &k);
    each_row(&m->config, tl_model_rows, m, "", place_gradient, &k);
    k.shared = how->room != TL_ROOM_EACH;
    for (int l = 0; l < m->config.L; l++) {
        size_t mark = tl_arena_mark(block);
        each_row(&m->config, tl_layer_rows, &m->layers[l], "", place_gradient, &k);
        if (k.shared) tl_arena_rewind(block, mark);
    }
}

static int measure_trained(size_t *bytes, const tl_model *m, const tl_unfreeze *how, tl_err *err)
{
    tl_arena *measure = NULL;
    TL_TRY(tl_arena_measure(&measure, err));
    lay_out_trained((tl_model *)m, measure, how); /* nothing moves */
    *bytes = tl_arena_peak(measure);
    tl_arena_free(measure);
    return 0;
}

size_t tl_model_unfreeze_bytes(const tl_model *m, const tl_unfreeze *how)
{
    size_t bytes = 0;
    return measure_trained(&bytes, m, how, NULL) < 0 ? 0 : bytes;
}

static const tl_unfreeze plainly = { .matrices = TL_DTYPE_F32, .room = TL_ROOM_EACH };

/* Into a new block, from wherever the weights are. */
static int make_trained(tl_model *m, const tl_unfreeze *how, tl_err *err)
{
    size_t bytes;
    tl_arena *block = NULL;
    if (m->config.E)
        return tl_fail(err, TL_EUNSUPPORTED,
                       "a base of %d experts a layer can be run and adapted, not trained as a whole", m->config.E);
    TL_TRY(measure_trained(&bytes, m, how, err));
    TL_TRY(tl_arena_create(&block, bytes, "weights and their gradients", err));
    lay_out_trained(m, block, how);
    tl_model_tie(m);
    tl_arena_free(m->memory->trained);
    m->memory->trained = block;
    m->memory->how = *how;
    return 0;
}

static int refuse_quantized(void *context, const char *name, tl_weight *w)
{
    if (!tl_panels_known(w->dtype)) return 0;
    return tl_fail(context, TL_EUNSUPPORTED,
                   "full fine-tuning wants weights in f32 or bf16, and %s of this base is quantized (%s): open it with "
                   "--quantize none, or train an adapter over it",
                   name, tl_dtype_name(w->dtype));
}

int tl_model_unfreeze_as(tl_model *m, const tl_unfreeze *how, tl_err *err)
{
    if (tl_model_unfrozen_as(m, how)) return 0;
    TL_TRY(tl_model_each_row(m, refuse_quantized, err));
    TL_TRY(make_trained(m, how, err));
    tl_safetensors_close(m->memory->file);
    tl_gguf_close(m->memory->gguf);
    tl_arena_free(m->memory->copies);
    m->memory->file = NULL;
    m->memory->gguf = NULL;
    m->memory->copies = NULL;
    tl_model_unname(m);
    return 0;
}

int tl_model_unfreeze(tl_model *m, tl_err *err)
{
    return tl_model_unfreeze_as(m, &plainly, err);
}

bool tl_model_unfrozen_as(const tl_model *m, const tl_unfreeze *how)
{
    return m->memory->trained && m->memory->how.matrices == how->matrices && m->memory->how.room == how->room;
}

int tl_model_create(tl_model **out, const tl_config *config, uint64_t seed, tl_err *err)
{
    tl_model *m = NULL;
    TL_TRY(tl_model_make(&m, config, err));
    int rc = make_trained(m, &plainly, err);
    if (rc < 0) {
        tl_model_free(m);
        return rc;
    }
    tl_init options = tl_init_defaults();
    tl_init_weights(m, seed, &options);
    *out = m;
    return 0;
}

static size_t count(const tl_config *c, const tl_weight_row *row, bool products_only)
{
    size_t n = 0;
    for (; row->name; row++)
        if (tl_weight_row_wanted(row, c) && (!products_only || row->rows != '1'))
            n += (size_t)tl_config_dimension(c, row->rows) * (size_t)tl_config_dimension(c, row->cols);
    return n;
}

size_t tl_model_parameters(const tl_model *m)
{
    const tl_config *c = &m->config;
    size_t layer = count(c, tl_layer_rows, false) + (size_t)c->E * count(c, tl_expert_rows, false);
    return count(c, tl_model_rows, false) + (size_t)c->L * layer;
}

size_t tl_model_product_parameters(const tl_model *m)
{
    const tl_config *c = &m->config;
    size_t layer = count(c, tl_layer_rows, true) + (size_t)c->picks * count(c, tl_expert_rows, true);
    return (size_t)c->V * (size_t)c->D + (size_t)c->L * layer;
}
