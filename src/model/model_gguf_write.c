/* model_gguf_write.c - the way back from a config to GGUF's keys.
 *
 * The config.json of a base has the fields that the table of gguf_architectures.c speaks of; what it has beside them -
 * windows of some layers, multipliers, rotary schemes - the keys can say or not.  So the header is made, read by
 * model_gguf.c as any file's would be, and held against the config: a base that would be read as another is refused.
 * For that, tensors of one number stand in for those of the file. */
#include "model/model_gguf_write.h"

#include "io/json.h"
#include "model/gguf_architectures.h"
#include "model/model_gguf.h"
#include "model/rope.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef tl_gguf_architecture architecture;

/* ---- types ---- */

static tl_dtype fallback(tl_dtype t, size_t row)
{
    if (t == TL_DTYPE_Q4_K && row % tl_dtype_block(t) != 0) t = TL_DTYPE_Q5_0;
    return row % tl_dtype_block(t) != 0 ? TL_DTYPE_F16 : t;
}

static tl_dtype choose(const void *context, const tl_model *m, const tl_layout_tensor *t)
{
    const tl_gguf_types *types = context;
    const bool table = t->weight == &m->tokens || t->weight == &m->head;
    const bool router = strcmp(t->name->stored, "blk.%d.ffn_gate_inp.weight") == 0;
    const tl_dtype wanted = table ? types->tables : types->layers;
    if (t->vector || router || t->weight == &m->positions) return TL_DTYPE_F32;
    return wanted == TL_DTYPE_COUNT ? tl_weight_own_type(t->weight) : fallback(wanted, t->row);
}

/* llama.cpp's word for the type that most of a file is in; its number there. */
static uint32_t file_type(const tl_layout_list *list)
{
    static const struct {
        tl_dtype dtype;
        uint32_t number;
    } numbers[] = { { TL_DTYPE_F32, 0 },   { TL_DTYPE_F16, 1 },   { TL_DTYPE_Q4_0, 2 },  { TL_DTYPE_Q4_1, 3 },
                    { TL_DTYPE_Q8_0, 7 },  { TL_DTYPE_Q5_0, 8 },  { TL_DTYPE_Q5_1, 9 },  { TL_DTYPE_Q2_K, 10 },
                    { TL_DTYPE_Q3_K, 12 }, { TL_DTYPE_Q4_K, 14 }, { TL_DTYPE_Q5_K, 16 }, { TL_DTYPE_Q6_K, 18 },
                    { TL_DTYPE_BF16, 32 } };
    size_t bytes[TL_DTYPE_COUNT] = { 0 }, most = 0;
    uint32_t found = 0;
    for (int i = 0; i < list->n; i++)
        if (list->tensors[i].n_dims > 1) bytes[list->tensors[i].dtype] += list->tensors[i].bytes;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (bytes[numbers[i].dtype] > most) {
            most = bytes[numbers[i].dtype];
            found = numbers[i].number;
        }
    return found;
}

static bool any_blocks(const tl_layout_list *list)
{
    for (int i = 0; i < list->n; i++)
        if (tl_dtype_block(list->tensors[i].dtype) > 1) return true;
    return false;
}

/* ---- keys ---- */

static const char *key_of(char out[200], const architecture *a, const char *key)
{
    snprintf(out, 200, "%s.%s", a->name, key);
    return out;
}

/* Every how manieth layer sees all: where windows lie so, config.json need not list them. */
static int pattern_of(const tl_config *c)
{
    int l = 0;
    while (l < c->L && c->layers[l] & TL_LAYER_WINDOW) l++;
    return l + 1;
}

static void put_field(tl_gguf_draft *d, const architecture *a, const tl_gguf_field *row, const json_t *value)
{
    char key[200];
    if (!value || json_is_null(value)) return; /* what is not there is not said */
    key_of(key, a, row->key);
    switch (row->kind) {
    case TL_GGUF_WHOLE:
        tl_gguf_draft_u32(d, key, (uint32_t)json_integer_value(value));
        break;
    case TL_GGUF_REAL:
        tl_gguf_draft_f32(d, key, (float)json_number_value(value));
        break;
    case TL_GGUF_SWITCH:
        tl_gguf_draft_bool(d, key, json_is_true(value));
        break;
    }
}

static bool has_field(const architecture *a, const char *field)
{
    for (const tl_gguf_field *row = a->fields; row->key; row++)
        if (strcmp(row->field, field) == 0) return true;
    return false;
}

/* What each frequency is divided by. */
static void divisors(float *out, const tl_config *c, const tl_rope *scheme)
{
    float plain[TL_LONG_MAX], found[TL_LONG_MAX];
    const tl_rope rope = { .theta = scheme->theta, .part = scheme->part };
    const int w = tl_rope_width(c);
    tl_rope_frequencies(plain, &rope, w, c->T);
    tl_rope_frequencies(found, scheme, w, c->T);
    for (int i = 0; i < w / 2; i++) out[i] = plain[i] / found[i];
}

static void put_factors(tl_gguf_draft *d, const char *name, const float *x, const tl_config *c)
{
    const size_t n = (size_t)(tl_rope_width(c) / 2);
    tl_gguf_draft_tensor(
        d, &(tl_stored){
               .name = name, .dtype = TL_DTYPE_F32, .n_dims = 1, .dims = { n }, .data = x, .bytes = n * sizeof *x });
}

static bool same_factors(const tl_config *c)
{
    const size_t bytes = (size_t)(tl_rope_width(c) / 2) * sizeof(float);
    return memcmp(c->rope.short_factor, c->rope.long_factor, bytes) == 0;
}

/* Keys of the scheme, and its factors as tensors behind all others. */
static void put_scheme(tl_gguf_base *b, tl_gguf_draft *d, const architecture *a, const tl_config *c)
{
    const tl_rope *r = &c->rope;
    char key[200];
    if (r->kind == TL_ROPE_LINEAR || r->kind == TL_ROPE_YARN) {
        tl_gguf_draft_text(d, key_of(key, a, "rope.scaling.type"), r->kind == TL_ROPE_LINEAR ? "linear" : "yarn");
        float factor = (float)(r->factor != 0 ? r->factor : (double)c->T / r->original);
        tl_gguf_draft_f32(d, key_of(key, a, "rope.scaling.factor"), factor);
    }
    if (r->kind == TL_ROPE_YARN) {
        tl_gguf_draft_u32(d, key_of(key, a, "rope.scaling.original_context_length"), (uint32_t)r->original);
        tl_gguf_draft_f32(d, key_of(key, a, "rope.scaling.yarn_beta_fast"), (float)r->high);
        tl_gguf_draft_f32(d, key_of(key, a, "rope.scaling.yarn_beta_slow"), (float)r->low);
    }
    if (tl_rope_width(c) / 2 > TL_LONG_MAX) return; /* then no factors are read: reading back will say so */
    if (r->kind == TL_ROPE_LLAMA3) {
        if (r->low == 1 && r->high == 4) /* of which the reader can tell the scheme again */
            tl_gguf_draft_u32(d, key_of(key, a, "rope.scaling.original_context_length"), (uint32_t)r->original);
        divisors(b->factors[0], c, r);
        put_factors(d, "rope_freqs.weight", b->factors[0], c);
    }
    if (r->kind != TL_ROPE_LONG) return;
    memcpy(b->factors[0], r->short_factor, sizeof b->factors[0]);
    memcpy(b->factors[1], r->long_factor, sizeof b->factors[1]);
    if (same_factors(c) && r->original == r->stretched && r->attention == 1) { /* they hold for every length */
        put_factors(d, "rope_freqs.weight", b->factors[0], c);
        return;
    }
    tl_gguf_draft_text(d, key_of(key, a, "rope.scaling.type"), "longrope");
    tl_gguf_draft_u32(d, key_of(key, a, "rope.scaling.original_context_length"), (uint32_t)r->original);
    float unused[TL_HEAD_MAX / 2];
    tl_gguf_draft_f32(d, key_of(key, a, "rope.scaling.attn_factor"),
                      tl_rope_frequencies(unused, r, tl_rope_width(c), c->T));
    put_factors(d, "rope_factors_short.weight", b->factors[0], c);
    put_factors(d, "rope_factors_long.weight", b->factors[1], c);
}

/* All of the metadata but the tokenizer's. */
static void put_config(tl_gguf_base *b, tl_gguf_draft *d, const architecture *a, const tl_config *c, const json_t *o,
                       const char *name)
{
    char key[200];
    tl_gguf_draft_text(d, "general.architecture", a->name);
    tl_gguf_draft_text(d, "general.type", "model");
    tl_gguf_draft_text(d, "general.name", name);
    tl_gguf_draft_u32(d, "general.file_type", file_type(&b->list));
    if (any_blocks(&b->list)) tl_gguf_draft_u32(d, "general.quantization_version", 2);
    tl_gguf_draft_u32(d, key_of(key, a, "vocab_size"), (uint32_t)c->V);
    for (const tl_gguf_field *row = a->fields; row->key; row++) {
        const bool pattern = strcmp(row->field, "sliding_window_pattern") == 0;
        json_t *every = pattern && c->window && pattern_of(c) != 6 ? json_integer(pattern_of(c)) : NULL;
        put_field(d, a, row, pattern ? every : json_object_get(o, row->field));
        json_decref(every);
    }
    if (has_field(a, "head_dim")) tl_gguf_draft_u32(d, key_of(key, a, "attention.value_length"), (uint32_t)c->h);
    if (c->position == TL_POSITION_ROPE) {
        tl_gguf_draft_u32(d, key_of(key, a, "rope.dimension_count"), (uint32_t)tl_rope_width(c));
        put_scheme(b, d, a, c);
    }
}

/* ---- reading it back ---- */

static bool near(const float *x, const float *y, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(x[i] - y[i]) <= 4e-6f * fabsf(y[i]))) return false;
    return true;
}

static bool same_angles(const tl_config *a, const tl_rope *x, const tl_config *b, const tl_rope *y)
{
    float f[TL_HEAD_MAX / 2], g[TL_HEAD_MAX / 2];
    const int w = tl_rope_width(a);
    if (w != tl_rope_width(b) || a->T != b->T || (x->theta == 0) != (y->theta == 0)) return false;
    if (x->theta == 0) return true;
    float scale = tl_rope_frequencies(f, x, w, a->T), other = tl_rope_frequencies(g, y, w, b->T);
    return near(f, g, w / 2) && near(&scale, &other, 1);
}

/* A value in few words. */
static void words_of(char out[60], const json_t *v)
{
    char *text = v ? tl_json_print(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    snprintf(out, 60, "%s", text ? text : "not there");
    free(text);
}

static int cannot_say(const architecture *a, const char *field, const json_t *is, const json_t *read, tl_err *err)
{
    char x[60], y[60];
    words_of(x, is);
    words_of(y, read);
    return tl_fail(err, TL_EUNSUPPORTED,
                   "a GGUF file of the architecture '%s' cannot say that %s is %s: it would be read as %s", a->name,
                   field, x, y);
}

/* The config that was read, printed as the family of the one that was written prints it, differs in nothing. */
static int compare(const architecture *a, const tl_config *c, tl_config *back, tl_err *err)
{
    if (c->rope.kind == TL_ROPE_DYNAMIC)
        return tl_fail(err, TL_EUNSUPPORTED, "a GGUF file cannot say the rotary scheme 'dynamic'");
    back->family = c->family;
    back->bos = c->bos;
    back->eos = c->eos;
    back->pad = c->pad;
    const bool turned = c->position != TL_POSITION_ROPE ||
                        (same_angles(c, &c->rope, back, &back->rope) && same_angles(c, &c->local, back, &back->local));
    back->rope = c->rope;
    back->local = c->local;
    json_t *is = tl_config_json(c), *read = tl_config_json(back), *value = NULL;
    const char *key = NULL;
    int rc = is && read ? 0 : tl_fail(err, TL_ENOMEM, "no memory to compare configs");
    if (rc == 0) json_object_foreach(is, key, value)
        {
            if (rc == 0 && !json_equal(value, json_object_get(read, key)))
                rc = cannot_say(a, key, value, json_object_get(read, key), err);
        }
    if (rc == 0 && !turned)
        rc = cannot_say(a, "the rotary scheme", json_object_get(is, "rope_scaling"), json_object_get(is, ""), err);
    json_decref(is);
    json_decref(read);
    return rc;
}

/* Tensors with the names of the list, so small that all fit in memory: of the token table the rows count. */
static void put_stand_ins(tl_gguf_draft *d, const tl_layout_list *list, const float *zeros)
{
    for (int i = 0; i < list->n; i++) {
        const bool tokens = strcmp(list->tensors[i].name, "token_embd.weight") == 0;
        const size_t n = tokens ? list->tensors[i].dims[0] : 1;
        tl_stored t = { .name = list->tensors[i].name, .dtype = TL_DTYPE_F32, .n_dims = tokens ? 2 : 1, .data = zeros };
        t.dims[0] = n;
        if (tokens) t.dims[1] = 1;
        t.bytes = n * sizeof *zeros;
        tl_gguf_draft_tensor(d, &t);
    }
}

static int read_back(tl_gguf_base *b, const architecture *a, const tl_model *m, const json_t *o, tl_err *err)
{
    tl_config back;
    tl_layout layout;
    tl_gguf_draft *d = NULL;
    tl_gguf *g = NULL;
    tl_buf image = tl_buf_make((size_t)1 << 30);
    float *zeros = calloc((size_t)m->config.V, sizeof *zeros);
    int rc = zeros ? tl_gguf_draft_create(&d, err) : tl_fail(err, TL_ENOMEM, "no memory to check a GGUF file's header");
    if (rc == 0) {
        put_stand_ins(d, &b->list, zeros);
        put_config(b, d, a, &m->config, o, "");
        rc = tl_gguf_draft_image(d, &image, err);
    }
    if (rc == 0) rc = tl_gguf_read(&g, "its GGUF header", image.data, image.size, err);
    if (rc == 0) rc = tl_gguf_config(&back, &layout, g, err);
    if (rc == 0) rc = compare(a, &m->config, &back, err);
    tl_gguf_close(g);
    tl_gguf_draft_free(d);
    tl_buf_reset(&image);
    free(zeros);
    return rc;
}

/* ---- all of it ---- */

static int find(const architecture **out, const tl_config *c, tl_err *err)
{
    for (int i = 0; (*out = tl_gguf_architecture_at(i)); i++)
        if (strcmp((*out)->model_type, c->family->model_type) == 0) return 0;
    return tl_fail(err, TL_EUNSUPPORTED, "a GGUF file has no architecture for %s", c->family->model_type);
}

static int make(tl_gguf_base *b, const architecture *a, const tl_model *m, const char *name, const json_t *o,
                tl_err *err)
{
    TL_TRY(read_back(b, a, m, o, err));
    TL_TRY(tl_gguf_draft_create(&b->draft, err));
    for (int i = 0; i < b->list.n; i++) tl_gguf_draft_tensor(b->draft, &b->list.tensors[i]);
    put_config(b, b->draft, a, &m->config, o, name);
    return tl_gguf_draft_check(b->draft, err);
}

int tl_gguf_base_make(tl_gguf_base *out, const tl_model *m, const char *name, const tl_gguf_types *types, tl_err *err)
{
    const architecture *a = NULL;
    *out = (tl_gguf_base){ 0 };
    TL_TRY(find(&a, &m->config, err));
    const tl_layout layout = tl_gguf_layout(a);
    TL_TRY(tl_layout_list_make(&out->list, m, &layout, choose, types, err));
    json_t *o = tl_config_json(&m->config);
    int rc = o ? make(out, a, m, name, o, err) : tl_fail(err, TL_ENOMEM, "no memory for a GGUF file's header");
    json_decref(o);
    if (rc < 0) tl_gguf_base_reset(out);
    return rc;
}

void tl_gguf_base_reset(tl_gguf_base *b)
{
    tl_gguf_draft_free(b->draft);
    tl_layout_list_reset(&b->list);
    *b = (tl_gguf_base){ 0 };
}
