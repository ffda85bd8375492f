/* model_gguf.c - GGUF's words for an architecture, in ours.
 *
 * A row of `architectures` says which family of config.json computes the same, which metadata keys are which of its
 * fields, and how its tensors are named.  The metadata is turned into such a config.json object and read by the family:
 * its checks and defaults are written once.
 *
 * What differs from a directory:
 *
 * - The rows of q and k.  llama.cpp rotates neighbouring numbers of a head for the architecture "llama", where
 *   transformers rotates number i with number i + h/2; its converter reorders the rows of q and k (and their biases)
 *   accordingly.  Loading puts them back, which takes a copy of these two, whatever their type: rows that lie elsewhere
 * in the file cannot be reordered by pointing at them.  Architectures that rotate as transformers does ("qwen2") are
 *   stored as they are.
 * - GPT-2's matrices are stored [O, I] like all others.
 * - A tied head is one that is not stored, or stored as the same bytes as the token table.
 * - Of the vocabulary's size the token table tells. */
#include "model/model_gguf.h"

#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define AT(member) offsetof(tl_model, member)
static const tl_name model_names[] = {
    { "token_embd.weight",    AT(tokens),    false, 0, 1 },
    { "position_embd.weight", AT(positions), false, 0, 1 },
    { "output_norm.weight",   AT(norm),      false, 0, 1 },
    { "output_norm.bias",     AT(norm_bias), false, 0, 1 },
    { "output.weight",        AT(head),      false, 0, 1 },
    { 0 }
};
#undef AT

#define AT(member) offsetof(tl_layer, member)
#define BESIDES_QKV                                                       \
    { "blk.%d.attn_norm.weight",   AT(norm1),           false, 0, 1 },    \
    { "blk.%d.attn_norm.bias",     AT(norm1_bias),      false, 0, 1 },    \
    { "blk.%d.attn_output.weight", AT(linear[TL_O]),    false, 0, 1 },    \
    { "blk.%d.attn_output.bias",   AT(bias[TL_O]),      false, 0, 1 },    \
    { "blk.%d.ffn_norm.weight",    AT(norm2),           false, 0, 1 },    \
    { "blk.%d.ffn_norm.bias",      AT(norm2_bias),      false, 0, 1 },    \
    { "blk.%d.ffn_gate.weight",    AT(linear[TL_GATE]), false, 0, 1 },    \
    { "blk.%d.ffn_gate.bias",      AT(bias[TL_GATE]),   false, 0, 1 },    \
    { "blk.%d.ffn_up.weight",      AT(linear[TL_UP]),   false, 0, 1 },    \
    { "blk.%d.ffn_up.bias",        AT(bias[TL_UP]),     false, 0, 1 },    \
    { "blk.%d.ffn_down.weight",    AT(linear[TL_DOWN]), false, 0, 1 },    \
    { "blk.%d.ffn_down.bias",      AT(bias[TL_DOWN]),   false, 0, 1 },    \
    { 0 }

static const tl_name layer_names[] = {
    { "blk.%d.attn_q.weight", AT(linear[TL_Q]), false, 0, 1 },
    { "blk.%d.attn_q.bias",   AT(bias[TL_Q]),   false, 0, 1 },
    { "blk.%d.attn_k.weight", AT(linear[TL_K]), false, 0, 1 },
    { "blk.%d.attn_k.bias",   AT(bias[TL_K]),   false, 0, 1 },
    { "blk.%d.attn_v.weight", AT(linear[TL_V]), false, 0, 1 },
    { "blk.%d.attn_v.bias",   AT(bias[TL_V]),   false, 0, 1 },
    BESIDES_QKV
};

static const tl_name fused_layer_names[] = {
    { "blk.%d.attn_qkv.weight", AT(linear[TL_Q]), false, 0, 3 },
    { "blk.%d.attn_qkv.weight", AT(linear[TL_K]), false, 1, 3 },
    { "blk.%d.attn_qkv.weight", AT(linear[TL_V]), false, 2, 3 },
    { "blk.%d.attn_qkv.bias",   AT(bias[TL_Q]),   false, 0, 3 },
    { "blk.%d.attn_qkv.bias",   AT(bias[TL_K]),   false, 1, 3 },
    { "blk.%d.attn_qkv.bias",   AT(bias[TL_V]),   false, 2, 3 },
    BESIDES_QKV
};
#undef AT

/* What llama.cpp's converter reorders, of the architectures for which it does. */
static const char *const interleaved[] = {
    "blk.%d.attn_q.weight", "blk.%d.attn_q.bias", "blk.%d.attn_k.weight", "blk.%d.attn_k.bias", NULL
};
static const char *const none[] = { NULL };

/* "llama.block_count" is row "block_count" of llama. */
typedef struct key_row {
    const char *key, *field; /* field: of the family's config.json */
    enum { WHOLE, REAL } kind;
    bool required;           /* by the format; for the others the family's default is the format's too */
} key_row;

static const key_row rope_keys[] = {
    { "block_count",                      "num_hidden_layers",       WHOLE, true },
    { "embedding_length",                 "hidden_size",             WHOLE, true },
    { "feed_forward_length",              "intermediate_size",       WHOLE, true },
    { "attention.head_count",             "num_attention_heads",     WHOLE, true },
    { "attention.head_count_kv",          "num_key_value_heads",     WHOLE, false },
    { "attention.key_length",             "head_dim",                WHOLE, false },
    { "context_length",                   "max_position_embeddings", WHOLE, true },
    { "attention.layer_norm_rms_epsilon", "rms_norm_eps",            REAL,  true },
    { "rope.freq_base",                   "rope_theta",              REAL,  false },
    { 0 }
};

static const key_row gpt2_keys[] = {
    { "block_count",                  "n_layer",            WHOLE, true },
    { "embedding_length",             "n_embd",             WHOLE, true },
    { "feed_forward_length",          "n_inner",            WHOLE, true },
    { "attention.head_count",         "n_head",             WHOLE, true },
    { "context_length",               "n_positions",        WHOLE, true },
    { "attention.layer_norm_epsilon", "layer_norm_epsilon", REAL,  true },
    { 0 }
};
/* clang-format on */

typedef struct architecture {
    const char *name;       /* general.architecture, and what its keys begin with */
    const char *model_type; /* of the family */
    const key_row *keys;
    const tl_name *layer_names;
    const char *const *interleaved; /* as in tl_layout */
} architecture;

static const architecture architectures[] = {
    { "llama", "llama", rope_keys, layer_names, interleaved },
    { "qwen2", "qwen2", rope_keys, layer_names, none },
    { "gpt2", "gpt2", gpt2_keys, fused_layer_names, none },
};
enum {
    N_ARCHITECTURES = sizeof architectures / sizeof *architectures
};

/* Buffers; of rope_freqs check_rope has seen that it changes nothing. */
static const char *const ignored[] = { "rope_freqs.weight", ".attn_rot_embd.weight", NULL };

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
    char known[200] = "";
    for (int i = 0; i < N_ARCHITECTURES; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", architectures[i].name);
        *out = &architectures[i];
        if (strcmp(architectures[i].name, name) == 0) return 0;
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: key general.architecture is '%.100s', supported are %s", tl_gguf_path(g),
                   name, known);
}

/* "ARCH.key" */
static void full_key(char out[200], const architecture *a, const char *key)
{
    snprintf(out, 200, "%s.%s", a->name, key);
}

/* One metadata key into its field of the object. */
static int put_field(json_t *o, const tl_gguf *g, const architecture *a, const key_row *row, tl_err *err)
{
    char key[200];
    int whole;
    double real;
    full_key(key, a, row->key);
    if (!row->required && !tl_gguf_get(g, key)) return 0;
    json_t *value;
    if (row->kind == WHOLE) {
        TL_TRY(tl_gguf_int(g, key, 0, 1 << 30, &whole, err));
        value = json_integer(whole);
    } else {
        TL_TRY(tl_gguf_double(g, key, 0, 1e30, &real, err));
        value = tl_config_real((float)real);
    }
    return json_object_set_new(o, row->field, value) < 0
               ? tl_fail(err, TL_ENOMEM, "%s: no memory for its config", tl_gguf_path(g))
               : 0;
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
    rc |= json_object_set_new(o, "attention_bias", json_boolean(tl_gguf_find(g, "blk.0.attn_q.bias") != NULL));
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

/* Keys that are not fields, each with the one value under which the mathematics is ours. */
static int check_key(const tl_gguf *g, const architecture *a, const tl_config *c, const tl_gguf_pair *p, tl_err *err)
{
    static const char *const words[] = { "tensor_data_layout", "rope.scaling.finetuned", NULL }; /* say nothing to us */
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        { "attention.value_length", c->h }, { "rope.dimension_count", c->h }, { "vocab_size", c->V },
        { "rope.scaling.factor", 1 },       { "rope.scale_linear", 1 },       { "expert_count", 0 },
        { "expert_used_count", 0 },         { "attention.causal", 1 },        { "attention.sliding_window", 0 },
    };
    const char *key = p->key + strlen(a->name) + 1;
    char wanted[80];
    for (const key_row *row = a->keys; row->key; row++)
        if (strcmp(row->key, key) == 0) return 0;
    for (const char *const *word = words; *word; word++)
        if (strcmp(*word, key) == 0) return 0;
    if (strcmp(key, "rope.scaling.type") == 0 && p->text && strcmp(p->text, "none") == 0) return 0;
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

/* Llama 3.1 and its like store what their scaling divides the frequencies by. */
static int check_rope(const tl_gguf *g, tl_err *err)
{
    const tl_stored *t = tl_gguf_find(g, "rope_freqs.weight");
    if (!t) return 0;
    bool ones = t->dtype == TL_DTYPE_F32;
    for (size_t i = 0; ones && i < t->bytes / sizeof(float); i++) ones = ((const float *)t->data)[i] == 1;
    return ones ? 0
                : tl_fail(err, TL_EUNSUPPORTED,
                          "%s: tensor rope_freqs.weight scales the rotary frequencies, which is not supported",
                          tl_gguf_path(g));
}

int tl_gguf_config(tl_config *out, tl_layout *layout, const tl_gguf *g, tl_err *err)
{
    const architecture *a = NULL;
    TL_TRY(find_architecture(&a, g, err));
    json_t *o = json_object();
    int rc = put_found(o, g, a, err);
    for (const key_row *row = a->keys; rc == 0 && row->key; row++) rc = put_field(o, g, a, row, err);
    if (rc == 0) rc = tl_config_parse(out, o, tl_gguf_path(g), err);
    if (rc == 0 && out->L > tl_gguf_count(g)) /* before anything is made for so many */
        rc =
            tl_fail(err, TL_EFORMAT, "%s: %d layers, and %d tensors in all", tl_gguf_path(g), out->L, tl_gguf_count(g));
    if (rc == 0) rc = check_keys(g, a, out, err);
    if (rc == 0) rc = check_rope(g, err);
    json_decref(o);
    *layout = (tl_layout){ model_names, a->layer_names, "", ignored, a->interleaved };
    return rc;
}
