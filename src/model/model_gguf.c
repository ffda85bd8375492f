/* model_gguf.c - GGUF's words for an architecture, in ours.
 *
 * A row of gguf_architectures.c says which family of config.json computes the same, which metadata keys are which of
 * its fields, and how its tensors are named.  The metadata is turned into such a config.json object and read by the
 * family: its checks and defaults are written once.
 *
 * What differs from a directory:
 *
 * - The rows of q and k.  llama.cpp rotates neighbouring numbers of a head for the architecture "llama", where
 *   transformers rotates number i with number i + h/2; its converter reorders the rows of q and k (and their biases)
 *   accordingly.  Loading puts them back, which takes a copy of these two, whatever their type: rows that lie elsewhere
 * in the file cannot be reordered by pointing at them.  Architectures that rotate as transformers does ("qwen2") are
 *   stored as they are.
 * - GPT-2's matrices are stored [O, I] like all others, Gemma's gains as they multiply, GPT-NeoX's q, k and v one after
 *   the other.
 * - Llama 3.1 and its like store what their scheme divides each frequency by (rope_freqs.weight): these are long
 * factors that hold for every length, and are read as such.  Phi-3 stores both of its lists.
 * - Gemma's scale of scores is not stored; llama.cpp knows the models of other scales by their number of layers.
 * - A tied head is one that is not stored, or stored as the same bytes as the token table.
 * - Of the vocabulary's size the token table tells. */
#include "model/model_gguf.h"

#include "io/json.h"
#include "model/gguf_architectures.h"
#include "model/rope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef tl_gguf_architecture architecture;

/* "ARCH.key" */
static void full_key(char out[200], const architecture *a, const char *key)
{
    snprintf(out, 200, "%s.%s", a->name, key);
}

static int find_architecture(const architecture **out, const tl_gguf *g, tl_err *err)
{
    const char *name, *type;
    int parts;
    TL_TRY(tl_gguf_string_or(g, "general.type", "model", &type, err));
    if (strcmp(type, "model") != 0)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: key general.type is '%.100s', a base is a 'model'", tl_gguf_path(g),
                       type);
    TL_TRY(tl_gguf_int_or(g, "split.count", 0, 65535, 1, &parts, err));
    if (parts > 1)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: key split.count is %d: a base split into files is not supported",
                       tl_gguf_path(g), parts);
    TL_TRY(tl_gguf_string(g, "general.architecture", &name, err));
    char known[200] = "", key[200];
    for (int i = 0; tl_gguf_architecture_at(i); i++) {
        size_t used = strlen(known);
        int experts;
        *out = tl_gguf_architecture_at(i);
        if (strcmp((*out)->name, name) == 0) { /* of those of one name, the one with experts or the one without */
            full_key(key, *out, "expert_count");
            TL_TRY(tl_gguf_int_or(g, key, 0, 1 << 30, 0, &experts, err));
            if ((experts > 0) == ((*out)->expert_names != NULL)) return 0;
        } else if (!strstr(known, (*out)->name)) {
            snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", (*out)->name);
        }
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: key general.architecture is '%.100s', supported are %s", tl_gguf_path(g),
                   name, known);
}

static int no_memory(const tl_gguf *g, tl_err *err)
{
    return tl_fail(err, TL_ENOMEM, "%s: no memory for its config", tl_gguf_path(g));
}

/* One metadata key into its field of the object. */
static int put_field(json_t *o, const tl_gguf *g, const architecture *a, const tl_gguf_field *row, tl_err *err)
{
    char key[200];
    int whole = 0;
    double real = 0;
    bool on;
    json_t *value = NULL;
    full_key(key, a, row->key);
    if (!row->required && !tl_gguf_get(g, key)) return 0;
    switch (row->kind) {
    case TL_GGUF_WHOLE:
        TL_TRY(tl_gguf_int(g, key, 0, 1 << 30, &whole, err));
        value = whole == 0 && row->zero ? json_null() : json_integer(whole);
        break;
    case TL_GGUF_REAL:
        TL_TRY(tl_gguf_double(g, key, 0, 1e30, &real, err));
        value = real == 0 && row->zero ? json_null() : tl_config_real((float)real);
        break;
    case TL_GGUF_SWITCH:
        TL_TRY(tl_gguf_bool_or(g, key, false, &on, err));
        value = json_boolean(on);
        break;
    }
    return json_object_set_new(o, row->field, value) < 0 ? no_memory(g, err) : 0;
}

/* The number of an integer field that is already in the object, or 0. */
static int number_in(const json_t *o, const char *field)
{
    return (int)json_integer_value(json_object_get(o, field));
}

/* The width of a head: what the file says, or D / H. */
static int head_width(const json_t *o)
{
    int D = number_in(o, "hidden_size"), H = number_in(o, "num_attention_heads"), h = number_in(o, "head_dim");
    return h ? h : H && D % H == 0 ? D / H : 0;
}

/* What the format leaves open and our families would fill otherwise: the width of heads, Gemma's scale of scores, how
 * much of a head is turned. */
static int put_heads(json_t *o, const tl_gguf *g, const architecture *a, tl_err *err)
{
    char key[200];
    const tl_family *f = tl_family_find(a->model_type);
    int h = head_width(o), turned, rc = 0;
    if (h == 0 || !f->theta) return 0; /* the family will say what is wrong */
    rc |= json_object_set_new(o, "head_dim", json_integer(h));
    if (a->square_layers) {
        int D = number_in(o, "hidden_size"), H = number_in(o, "num_attention_heads");
        bool square = number_in(o, "num_hidden_layers") == a->square_layers;
        rc |= json_object_set_new(o, "query_pre_attn_scalar", json_integer(square ? D / H : h));
    }
    full_key(key, a, "rope.dimension_count");
    if (f->part) TL_TRY(tl_gguf_int_or(g, key, 1, TL_HEAD_MAX, h, &turned, err));
    if (f->part && turned <= h) {
        double part = (double)turned / h;
        if ((int)(h * part) < turned) part = nextafter(part, 2);
        rc |= json_object_set_new(o, f->part, json_real(part));
    }
    return rc < 0 ? no_memory(g, err) : 0;
}

/* A tensor of factors as a list; NULL where there is none or it is no list of f32. */
static json_t *factors(const tl_gguf *g, const char *name)
{
    const tl_stored *t = tl_gguf_find(g, name);
    if (!t || t->dtype != TL_DTYPE_F32 || t->n_dims != 1 || t->dims[0] > TL_LONG_MAX) return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < t->dims[0]; i++)
        if (json_array_append_new(list, tl_config_real(((const float *)t->data)[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static bool all_ones(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_real_value(json_array_get(list, i)) != 1) return false;
    return true;
}

/* rope.scaling.* of the architecture into the scheme, where the file has it. */
static int put_scaling(json_t *scheme, const tl_gguf *g, const architecture *a, const char *word, const char *field,
                       bool whole, tl_err *err)
{
    char key[100], full[200];
    double x;
    snprintf(key, sizeof key, "rope.scaling.%s", word);
    full_key(full, a, key);
    if (!tl_gguf_get(g, full)) return 0;
    TL_TRY(tl_gguf_double(g, full, 0, 1e9, &x, err));
    json_t *value = whole ? json_integer((json_int_t)x) : tl_config_real((float)x);
    return json_object_set_new(scheme, field, value) < 0 ? no_memory(g, err) : 0;
}

/* Factors of Llama 3.1's scheme: which one, its parameters tell - where they are those of its authors, and the context
 * is known (8192 where no key says). */
static bool is_llama3(tl_rope *r, const json_t *list, const tl_gguf *g, const architecture *a, const json_t *o)
{
    char key[200];
    float plain[TL_LONG_MAX], found[TL_LONG_MAX];
    const int n = (int)json_array_size(list), w = 2 * n;
    const tl_rope unscaled = { .theta = json_number_value(json_object_get(o, "rope_theta")) };
    full_key(key, a, "rope.scaling.original_context_length");
    if (unscaled.theta <= 1 || w != head_width(o)) return false;
    *r = (tl_rope){ .kind = TL_ROPE_LLAMA3, .theta = unscaled.theta, .low = 1, .high = 4 };
    for (int i = 0; i < n; i++) r->factor = fmax(r->factor, json_real_value(json_array_get(list, (size_t)i)));
    if (r->factor < 1 || tl_gguf_int_or(g, key, 2, TL_POSITIONS_MAX, 8192, &r->original, NULL) < 0) return false;
    tl_rope_frequencies(plain, &unscaled, w, r->original);
    tl_rope_frequencies(found, r, w, r->original);
    for (int i = 0; i < n; i++)
        if (!(fabs((double)plain[i] / found[i] / json_real_value(json_array_get(list, (size_t)i)) - 1) < 2e-6))
            return false;
    return true;
}

static int put_llama3(json_t *scheme, const tl_rope *r, const tl_gguf *g, tl_err *err)
{
    int bad = json_object_set_new(scheme, "rope_type", json_string("llama3"));
    bad |= json_object_set_new(scheme, "factor", json_real(r->factor));
    bad |= json_object_set_new(scheme, "low_freq_factor", json_real(r->low));
    bad |= json_object_set_new(scheme, "high_freq_factor", json_real(r->high));
    bad |= json_object_set_new(scheme, "original_max_position_embeddings", json_integer(r->original));
    return bad ? no_memory(g, err) : 0;
}

/* The scheme that stored factors make: those of Llama 3.1 for every length, Phi-3's for two.  *found: there are any. */
static int put_factors(json_t *scheme, const tl_gguf *g, const architecture *a, const json_t *o, bool *found,
                       tl_err *err)
{
    tl_rope llama3;
    static const char *const names[] = { "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight" };
    json_t *lists[3] = { 0 };
    int rc = 0, bad = 0;
    for (int i = 0; i < 3 && rc == 0; i++) {
        lists[i] = factors(g, names[i]);
        if (tl_gguf_find(g, names[i]) && !lists[i])
            rc = tl_fail(err, TL_EUNSUPPORTED, "%s: tensor %s is no list of up to %d numbers in F32", tl_gguf_path(g),
                         names[i], (int)TL_LONG_MAX);
    }
    bool two = lists[1] && lists[2];
    *found = two || (lists[0] && !all_ones(lists[0]));
    if (rc == 0 && *found && !two && is_llama3(&llama3, lists[0], g, a, o)) {
        rc = put_llama3(scheme, &llama3, g, err);
    } else if (rc == 0 && *found) {
        bad |= json_object_set_new(scheme, "rope_type", json_string("longrope"));
        bad |= json_object_set(scheme, "short_factor", lists[two ? 1 : 0]);
        bad |= json_object_set(scheme, "long_factor", lists[two ? 2 : 0]);
        bad |= json_object_set_new(scheme, "attention_factor", json_real(1));
        rc = bad   ? no_memory(g, err)
             : two ? put_scaling(scheme, g, a, "attn_factor", "attention_factor", false, err)
                   : 0;
    }
    for (int i = 0; i < 3; i++) json_decref(lists[i]);
    return rc;
}

/* The scheme that is named. */
static int put_named(json_t *scheme, const tl_gguf *g, const architecture *a, const char *type, tl_err *err)
{
    if (json_object_set_new(scheme, "rope_type", json_string(type)) < 0) return no_memory(g, err);
    TL_TRY(put_scaling(scheme, g, a, "factor", "factor", false, err));
    if (strcmp(type, "yarn") != 0) return 0;
    TL_TRY(put_scaling(scheme, g, a, "yarn_beta_fast", "beta_fast", false, err));
    return put_scaling(scheme, g, a, "yarn_beta_slow", "beta_slow", false, err);
}

static int put_rope(json_t *o, const tl_gguf *g, const architecture *a, tl_err *err)
{
    char key[200];
    const char *type = NULL;
    bool found;
    full_key(key, a, "rope.scaling.type");
    TL_TRY(tl_gguf_string_or(g, key, "none", &type, err));
    json_t *scheme = json_object();
    if (!scheme) return no_memory(g, err);
    int rc = put_factors(scheme, g, a, o, &found, err);
    if (rc == 0 && !found && strcmp(type, "none") != 0) rc = put_named(scheme, g, a, type, err);
    if (rc == 0 && json_object_size(scheme) > 0 && strcmp(type, "linear") != 0)
        rc = put_scaling(scheme, g, a, "original_context_length", "original_max_position_embeddings", true, err);
    if (rc == 0 && json_object_size(scheme) > 0 && json_object_set(o, "rope_scaling", scheme) < 0)
        rc = no_memory(g, err);
    json_decref(scheme);
    return rc;
}

/* The head is the token table: not stored, or the same once more. */
static bool is_tied(const tl_gguf *g, const tl_stored *tokens)
{
    const tl_stored *head = tl_gguf_find(g, "output.weight");
    return !head || (head->dtype == tokens->dtype && head->bytes == tokens->bytes &&
                     memcmp(head->data, tokens->data, head->bytes) == 0);
}

/* What the tensors and the vocabulary say. */
static int put_found(json_t *o, const tl_gguf *g, const architecture *a, tl_err *err)
{
    const tl_stored *tokens = tl_gguf_find(g, "token_embd.weight");
    int bos, eos, rc = 0;
    if (!tokens) return tl_fail(err, TL_EFORMAT, "%s: tensor token_embd.weight is missing", tl_gguf_path(g));
    TL_TRY(tl_gguf_int_or(g, "tokenizer.ggml.bos_token_id", 0, TL_VOCABULARY_MAX, -1, &bos, err));
    TL_TRY(tl_gguf_int_or(g, "tokenizer.ggml.eos_token_id", 0, TL_VOCABULARY_MAX, -1, &eos, err));
    rc |= json_object_set_new(o, "model_type", json_string(a->model_type));
    rc |= json_object_set_new(o, "vocab_size", json_integer((json_int_t)tokens->dims[0]));
    rc |= json_object_set_new(o, "tie_word_embeddings", json_boolean(is_tied(g, tokens)));
    bool biases = tl_gguf_find(g, "blk.0.attn_q.bias") || tl_gguf_find(g, "blk.0.attn_qkv.bias");
    rc |= json_object_set_new(o, "attention_bias", json_boolean(biases));
    rc |= json_object_set_new(o, "use_bias", json_boolean(biases));
    if (strcmp(a->model_type, "qwen3_moe") == 0) rc |= json_object_set_new(o, "norm_topk_prob", json_true());
    rc |= json_object_set_new(o, "mlp_bias", json_boolean(tl_gguf_find(g, "blk.0.ffn_up.bias") != NULL));
    if (bos >= 0) rc |= json_object_set_new(o, "bos_token_id", json_integer(bos));
    if (eos >= 0) rc |= json_object_set_new(o, "eos_token_id", json_integer(eos));
    return rc < 0 ? tl_fail(err, TL_ENOMEM, "%s: no memory for its config", tl_gguf_path(g)) : 0;
}

static int refuse(const tl_gguf *g, const tl_gguf_pair *p, const char *wanted, tl_err *err)
{
    char found[120] = "set";
    if (p->text)
        snprintf(found, sizeof found, "'%.100s'", p->text);
    else if (!p->array)
        snprintf(found, sizeof found, "%g", tl_gguf_real(p, 0));
    return tl_fail(err, TL_EUNSUPPORTED, "%s: key %.200s is %s, %s", tl_gguf_path(g), p->key, found, wanted);
}

/* Keys of the rotary scheme, where put_rope has taken them. */
static bool is_of_scheme(const tl_config *c, const tl_gguf_pair *p, const char *key)
{
    static const struct {
        const char *key;
        tl_rope_kind kinds[3];
    } taken[] = {
        { "rope.scaling.factor", { TL_ROPE_LINEAR, TL_ROPE_YARN, TL_ROPE_YARN } },
        { "rope.scaling.original_context_length", { TL_ROPE_YARN, TL_ROPE_LONG, TL_ROPE_LLAMA3 } },
        { "rope.scaling.attn_factor", { TL_ROPE_LONG, TL_ROPE_LONG, TL_ROPE_LONG } },
        { "rope.scaling.yarn_beta_fast", { TL_ROPE_YARN, TL_ROPE_YARN, TL_ROPE_YARN } },
        { "rope.scaling.yarn_beta_slow", { TL_ROPE_YARN, TL_ROPE_YARN, TL_ROPE_YARN } },
    };
    tl_rope_kind kind = c->rope.kind;
    if (strcmp(key, "rope.scaling.type") == 0) {
        const char *name = kind == TL_ROPE_LINEAR ? "linear" : kind == TL_ROPE_YARN ? "yarn" : "longrope";
        return p->text && (strcmp(p->text, "none") == 0 || (kind != TL_ROPE_DEFAULT && strcmp(p->text, name) == 0));
    }
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        for (int k = 0; k < 3; k++)
            if (strcmp(taken[i].key, key) == 0 && taken[i].kinds[k] == kind) return true;
    return false;
}

/* Keys that are not fields, each with the one value under which the mathematics is ours. */
static int check_key(const tl_gguf *g, const architecture *a, const tl_config *c, const tl_gguf_pair *p, tl_err *err)
{
    static const char *const words[] = { "tensor_data_layout", "rope.scaling.finetuned", NULL }; /* say nothing to us */
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        { "attention.value_length", c->h },
        { "rope.dimension_count", tl_rope_width(c) },
        { "rope.dimension_count_swa", tl_rope_width(c) },
        { "vocab_size", c->V },
        { "rope.scaling.factor", 1 },
        { "rope.scaling.attn_factor", 1 },
        { "rope.scaling.yarn_ext_factor", 1 },
        { "rope.scaling.yarn_attn_factor", 1 },
        { "rope.scale_linear", 1 },
        { "expert_count", 0 },
        { "expert_used_count", 0 },
        { "attention.causal", 1 },
        { "attention.sliding_window", 0 },
    };
    const char *key = p->key + strlen(a->name) + 1;
    char wanted[80];
    for (const tl_gguf_field *row = a->fields; row->key; row++)
        if (strcmp(row->key, key) == 0) return 0;
    for (const char *const *word = words; *word; word++)
        if (strcmp(*word, key) == 0) return 0;
    if (is_of_scheme(c, p, key)) return 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].key, key) != 0) continue;
        if (!p->array && !p->text && tl_gguf_real(p, 0) == numbers[i].value) return 0;
        snprintf(wanted, sizeof wanted, "supported is %g", numbers[i].value);
        return refuse(g, p, wanted, err);
    }
    return refuse(g, p, "which is not supported", err);
}

static int check_keys(const tl_gguf *g, const architecture *a, const tl_config *c, tl_err *err)
{
    size_t n = strlen(a->name);
    for (int i = 0; i < tl_gguf_pairs(g); i++) {
        const tl_gguf_pair *p = tl_gguf_pair_at(g, i);
        if (strncmp(p->key, a->name, n) == 0 && p->key[n] == '.') TL_TRY(check_key(g, a, c, p, err));
    }
    return 0;
}

int tl_gguf_config(tl_config *out, tl_layout *layout, const tl_gguf *g, tl_err *err)
{
    const architecture *a = NULL;
    TL_TRY(find_architecture(&a, g, err));
    json_t *o = json_object();
    int rc = put_found(o, g, a, err);
    for (const tl_gguf_field *row = a->fields; rc == 0 && row->key; row++) rc = put_field(o, g, a, row, err);
    if (rc == 0) rc = put_heads(o, g, a, err);
    if (rc == 0) rc = put_rope(o, g, a, err);
    if (rc == 0) rc = tl_config_parse(out, o, tl_gguf_path(g), err);
    if (rc == 0 && out->L > tl_gguf_count(g)) /* before anything is made for so many */
        rc =
            tl_fail(err, TL_EFORMAT, "%s: %d layers, and %d tensors in all", tl_gguf_path(g), out->L, tl_gguf_count(g));
    if (rc == 0) rc = check_keys(g, a, out, err);
    json_decref(o);
    *layout = tl_gguf_layout(a);
    return rc;
}
